//! What pages are told of the whole: the status, and how far items are. At most five times a second.

use super::{Engine, lane};
use crate::bridge::down::{self, Progress, To};
use crate::bridge::status::{AutoSyncStatus, Connection, Status, SyncProgress, SyncStatus};
use crate::store::Key;
use crate::table::{Set, Table};
use std::rc::Rc;

/// Status and metrics are posted at most so often: a message costs a page about as much as an action.
const EVERY_MS: u64 = 200;
/// Acknowledgements that follow one another closely are gathered for this long.
const ACKS_MS: u64 = 50;

/// What a page is told of its own records: up to which position they took effect, on which slices.
#[derive(Debug, Default)]
pub struct Folds {
    pub position: u64,
    pub slices: Set<Rc<str>>,
}

#[derive(Debug, Default)]
pub struct Reports {
    pub connection: Connection,
    /// The database's last failure, the server's, and what else a person should know.
    pub storage_error: Option<String>,
    pub lane_error: Option<String>,
    /// About the change that was set aside last.
    pub aside_error: Option<String>,
    pub notice: Option<String>,
    pub last_sync_time: Option<u64>,
    /// Changes acknowledged since the outbox was last empty.
    pub acknowledged: usize,
    /// Slices whose items' progress some page wants to hear.
    pub watched: Set<Rc<str>>,
    /// Pages to acknowledge, each with its highest number.
    pub acks: Table<Rc<str>, u64>,
    acked_at: u64,
    pub folded: Table<Rc<str>, Folds>,
    posted: Option<Status>,
    /// Something happened since the last look.
    pub stale: bool,
    /// When it was last looked at whether there is something to post.
    looked_at: u64,
}

impl Reports {
    /// Posts the status again, though it may be the same: someone new is listening.
    pub fn repeat(&mut self) {
        self.posted = None;
        self.stale = true;
    }

    pub fn due(&self) -> Option<u64> {
        let report = self.stale.then_some(self.looked_at + EVERY_MS);
        let acks = (!self.acks.is_empty()).then_some(self.acked_at + ACKS_MS);
        earlier(report, acks)
    }
}

/// The earlier of two times, where there are two.
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

impl Engine {
    /// The state of the whole.
    pub fn status(&self) -> Status {
        let reports = &self.reports;
        let (unfinished, unsent) = self.items.unfinished(&self.slices);
        let pending =
            unfinished + self.fold.queue.iter().map(|parsed| parsed.operations.len()).sum::<usize>();
        let aside = reports.aside_error.as_ref().filter(|_| self.outbox.next_aside().is_some());
        let lane = reports.lane_error.as_ref().or(aside);
        let error = reports.storage_error.as_ref().or(lane).or(reports.notice.as_ref());
        let sync = match self.lane.state {
            lane::State::Sending { .. } | lane::State::Preparing | lane::State::Settling => {
                SyncStatus::Syncing
            }
            _ if error.is_some() => SyncStatus::Error,
            _ if reports.last_sync_time.is_some() => SyncStatus::Success,
            _ => SyncStatus::Idle,
        };
        let acknowledged = reports.acknowledged as u64;
        let pending = pending as u64;
        let auto_sync = &self.schedule.config;
        Status {
            enabled: self.slices.is_empty() || self.slices.values().any(|slice| slice.enabled),
            connection: reports.connection,
            flask_connected: reports.connection == Connection::Online,
            sync_status: sync,
            error: error.cloned(),
            last_sync_time: reports.last_sync_time,
            pending,
            conflicts: self.conflicts.len() as u64,
            rejected: 0,
            progress: (pending > 0)
                .then_some(SyncProgress { done: acknowledged, total: acknowledged + pending }),
            auto_sync: AutoSyncStatus {
                enabled: auto_sync.enabled,
                interval_ms: auto_sync.interval_ms,
                sync_on_change: auto_sync.on_change,
                max_queue_size: auto_sync.max_queue as u64,
                change_counter: unsent as u64,
                next_sync_at: self.schedule.next(),
            },
        }
    }

    /// When the oldest change was made that is not in its store, or that the server has not acknowledged.
    fn oldest_pending(&self) -> Option<u64> {
        let mut oldest = self.outbox.oldest();
        for key in self.items.debounce.keys() {
            let pending = self.items.get(key).and_then(|item| item.pending.as_ref());
            oldest = earlier(oldest, pending.map(|pending| pending.since));
        }
        oldest
    }

    /// How far an item's latest change has come. One in conflict stays on the device until the conflict is resolved, and
    /// one whose push failed waits here for the next try.
    pub(super) fn progress(&self, key: &Key) -> Progress {
        match self.items.progress(key) {
            Progress::Synced if self.conflicts.contains_key(key) => Progress::Local,
            Progress::Sending if self.lane.state == lane::State::Idle => Progress::Local,
            progress => progress,
        }
    }

    /// How far each unfinished item of a slice is.
    pub(super) fn unfinished(&self, slice: &str) -> Vec<(Key, Progress)> {
        if !self.slices.syncs(slice) {
            return Vec::new();
        }
        let mut unfinished = Vec::new();
        for (key, _) in self.items.of(slice) {
            unfinished.push((key.clone(), self.progress(key)));
        }
        for key in self.conflicts.keys() {
            if *key.slice == *slice && !self.items.has(key) {
                unfinished.push((key.clone(), self.progress(key)));
            }
        }
        unfinished
    }

    /// The items of the push under way have another progress now.
    pub(super) fn touch_push(&mut self) {
        for (seq, _) in self.lane.entries() {
            if let Some(row) = self.outbox.get(*seq) {
                self.items.touched.insert(row.key(), 0);
            }
        }
    }

    /// Tells pages what is durable.
    pub(super) fn acknowledge(&mut self) {
        if !self.reports.acks.is_empty() && self.now >= self.reports.acked_at + ACKS_MS {
            self.reports.acked_at = self.now;
            for (page, n) in std::mem::take(&mut self.reports.acks).iter() {
                self.post(To::page(page), down::ack(*n));
            }
        }
    }

    pub(super) fn report(&mut self) {
        if !self.reports.stale
            || (self.reports.posted.is_some() && self.now < self.reports.looked_at + EVERY_MS)
        {
            return;
        }
        self.reports.stale = false;
        self.reports.looked_at = self.now;
        for (page, Folds { position, slices }) in std::mem::take(&mut self.reports.folded).iter() {
            // One that has not joined may have missed what others did up to there: it will read again.
            if self.pages.contains_key(page) {
                let n = self.journal.taken(page);
                self.post(To::page(page), down::folded(*position, n, slices));
            }
        }
        let status = self.status();
        if status.pending == 0 {
            self.reports.acknowledged = 0;
        }
        if self.reports.watched.is_empty() {
            self.items.touched = Set::default();
        }
        let same = self.reports.posted.as_ref() == Some(&status);
        if self.metrics.changed || self.reports.posted.is_none() {
            let message = self.metrics.message(self.oldest_pending());
            self.post(To::All, message);
        }
        if !same {
            self.post(To::All, down::status(&status, self.now));
            self.reports.posted = Some(status);
        }
        let (mut slices, mut items) = (Set::default(), Vec::new());
        for key in std::mem::take(&mut self.items.touched).keys() {
            if !self.slices.syncs(&key.slice) || !self.reports.watched.contains_key(&key.slice) {
                continue;
            }
            slices.insert(key.slice.clone(), 0);
            items.push((key.clone(), self.progress(key)));
        }
        for slice in slices.keys() {
            self.post(To::All, down::pending(slice, false, &items));
        }
    }
}
