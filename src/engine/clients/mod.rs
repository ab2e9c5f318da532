//! The clients: the pages, what they ask and when they are answered, and what they are told.
//!
//! | page says | answered | when |
//! |---|---|---|
//! | a burst | `ack` | it is durable |
//! | `flush` | `done` | all before it is in effect and in its stores |
//! | `sync` | `done` | besides, the server has all of it |
//! | `hydrate`, `rejected` | `rows`, `rejected` | all before it is in effect |
//! | `export`, `signOut` | `unsent`, `signedOut` | all before it is in effect |
//! | `check` | `checked` | the server answered or did not |
//!
//! # Invariants
//!
//! 1. A request of a page is answered once, well or badly.
//! 2. Nothing is acknowledged before it is durable.
//! 3. Acknowledgements, status, metrics and progress are gathered: each kind is posted a few times a second at most, and
//!    only where it is another than before.
//! 4. A page hears the changes of others from the moment they are known; its own changes are reported to the page by
//!    burst numbers.
//! 5. A page that waited for the server finds the outcome in the status.

mod metrics;
mod waiters;

pub use metrics::{Kind, Metrics, Sent};
pub use waiters::{Waiter, Wants};

use super::clock::Now;
use super::journal::Journal;
use super::output::Output;
use super::replica::{Answered, ChangedItems, Replica};
use super::settings::Settings;
use super::storage::Storage;
use super::uplink::Uplink;
use crate::bridge::from_worker::{self, About, Origin, PendingList, Progress, To};
use crate::bridge::status::{AutoSyncStatus, Connection, ErrorCode, Status, SyncProgress, SyncStatus};
use crate::collect;
use crate::store::Key;
use crate::units::{BurstNo, Position, Tick};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Status and metrics are posted at most so often, in ms: a message costs a page about as much as an action.
const REPORT_MS: u64 = 200;
/// Acknowledgements that follow one another closely are gathered for this long, in ms.
const ACKS_MS: u64 = 50;

/// The effect of a page's own records, to be posted to it: up to which position, on which slices.
#[derive(Debug, Default)]
struct Folded {
    position: Position,
    slices: BTreeSet<Rc<str>>,
}

#[derive(Debug, Default)]
pub struct Clients {
    /// Pages heard in this worker's life.
    pages: BTreeSet<Rc<str>>,
    /// The pages among them that have not been hidden since. They wake the worker again.
    awake: BTreeSet<Rc<str>>,
    waiters: Vec<Waiter>,
    outputs: Vec<Output>,
    /// Pages to acknowledge, each with its highest number.
    acks: BTreeMap<Rc<str>, BurstNo>,
    acked_at: Option<Tick>,
    folded: BTreeMap<Rc<str>, Folded>,
    /// Slices whose items' progress some page wants to hear.
    watched: BTreeSet<Rc<str>>,
    metrics: Metrics,
    /// A sentence for people beside those of storage and uplink.
    notice: Option<String>,
    /// The latest conflict or refusal, in a sentence that is over once everything is decided.
    undecided: Option<String>,
    last_sync_time: Option<u64>,
    /// Other users of this browser with changes that wait for them.
    others_waiting: u64,
    /// Changes acknowledged since the outbox was last empty.
    acknowledged: u64,
    posted: Option<Status>,
    /// Something happened since the last report.
    is_stale: bool,
    reported_at: Option<Tick>,
    /// The browser was asked to wake the worker.
    is_sync_requested: bool,
}

/// The other machines, to read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub now: Now,
    pub journal: &'a Journal,
    pub replica: &'a Replica,
    pub uplink: &'a Uplink,
    pub storage: &'a Storage,
    pub settings: &'a Settings,
}

impl View<'_> {
    /// Converts a progress to the one that is shown: a change in a push that waits for its next attempt is on this
    /// device.
    fn shown(&self, progress: Progress) -> Progress {
        match progress {
            Progress::Sending if !self.uplink.is_pushing() && !self.journal.has_pending_answers() => {
                Progress::Local
            }
            progress => progress,
        }
    }

    /// Returns true if what others changed is here.
    pub fn is_pulled(&self) -> bool {
        self.uplink.is_idle()
            && !self.uplink.wants_contact()
            && self.uplink.rebuild().is_none()
            && !self.journal.has_pending_answers()
    }

    /// Returns true if the server has acknowledged all that it can be sent.
    pub fn is_synced(&self) -> bool {
        self.uplink.is_idle()
            && !self.uplink.wants_contact()
            && self.uplink.operations().is_empty()
            && !self.journal.has_pending_answers()
            && self.uplink.rebuild().is_none()
            && !self.settings.is_requeueing()
            && !self.replica.has_unsent(self.settings.slices())
    }
}

impl Clients {
    pub fn recover(metrics: Option<Metrics>) -> Self {
        Clients { metrics: metrics.unwrap_or_default(), ..Clients::default() }
    }

    /// Asks the browser to wake the worker once there is a network. Once is enough until it did.
    pub fn request_background_sync(&mut self) {
        if !std::mem::replace(&mut self.is_sync_requested, true) {
            self.outputs.push(Output::RequestBackgroundSync);
        }
    }

    /// Returns true if a page will wake the worker again.
    pub fn is_any_awake(&self) -> bool {
        !self.awake.is_empty()
    }

    /// The pages heard in this worker's life, those first that have not been hidden since.
    pub fn pages(&self) -> impl Iterator<Item = Rc<str>> {
        let hidden = self.pages.iter().filter(|page| !self.awake.contains(*page));
        self.awake.iter().chain(hidden).cloned()
    }

    /// The browser woke the worker.
    pub fn background_sync(&mut self) {
        self.is_sync_requested = false;
    }

    /// Takes the outputs: messages to post, and rows to read.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub fn post(&mut self, to: To, message: String) {
        self.outputs.push(Output::Post { to, message });
    }

    fn post_to(&mut self, page: &str, message: String) {
        self.post(To::page(page), message);
    }

    /// A page said something; it is told of everything after `position` from now on. One that is hidden may never say
    /// anything again.
    pub fn meet(&mut self, page: &Rc<str>, is_hidden: bool, position: Position) {
        match is_hidden {
            true => drop(self.awake.remove(page)),
            false => drop(self.awake.insert(page.clone())),
        }
        if self.pages.insert(page.clone()) {
            self.post_to(page, from_worker::joined(position.0));
            self.repeat_status();
        }
    }

    /// Something happened: the status may be another.
    pub fn touch(&mut self) {
        self.is_stale = true;
    }

    /// Posts the status again, though it may be the same: someone new is listening.
    pub fn repeat_status(&mut self) {
        self.posted = None;
        self.is_stale = true;
    }

    pub fn warn(&mut self, page: Option<&str>, code: &str, text: &str, about: About) {
        let to = page.map_or(To::All, To::page);
        self.post(to, from_worker::warning(code, text, about));
    }

    /// So many other users of this browser have changes that wait for them.
    pub fn others_wait(&mut self, others: u64) {
        self.others_waiting = others;
        self.touch();
    }

    /// A person should know this until something else is worth knowing.
    pub fn notice(&mut self, text: Option<String>) {
        self.notice = text;
    }

    /// A conflict or a refusal is to be decided on; with `None`, the latest answers left none.
    pub fn undecided(&mut self, text: Option<String>) {
        self.undecided = text;
    }

    pub fn fail(&mut self, page: &str, request: Option<u64>, code: &str, text: &str) {
        self.post_to(page, from_worker::failed(request, code, text));
    }

    pub fn wait(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    /// Bursts became durable.
    pub fn acknowledge(&mut self, acknowledged: BTreeMap<Rc<str>, BurstNo>, now: Tick) {
        self.acks.extend(acknowledged);
        self.post_acks(now);
    }

    pub fn post_acks(&mut self, now: Tick) {
        let waits = self.acked_at.is_some_and(|at| now < at.plus(ACKS_MS));
        if self.acks.is_empty() || waits {
            return;
        }
        self.acked_at = Some(now);
        for (page, n) in std::mem::take(&mut self.acks) {
            self.post_to(&page, from_worker::ack(n));
        }
    }

    /// A page's record took effect.
    pub fn took_effect(&mut self, page: &Rc<str>, position: Position, slices: BTreeSet<Rc<str>>) {
        let folded = self.folded.entry(page.clone()).or_default();
        folded.position = position;
        folded.slices.extend(slices);
    }

    /// Tells a page of items that became something else by its own change than it shows.
    pub fn tell_author(&mut self, page: &Rc<str>, items: &ChangedItems, journal: &Journal) {
        if self.pages.contains(page) {
            self.tell(std::slice::from_ref(page), &[(Origin::Tab, items)], journal);
        }
    }

    /// Tells pages of all that a record changed, slice by slice.
    pub fn tell_changed(
        &mut self,
        except: Option<&str>,
        changes: &[(Origin, &ChangedItems)],
        journal: &Journal,
    ) {
        let others: Vec<Rc<str>> =
            self.pages.iter().filter(|page| Some(&***page) != except).cloned().collect();
        self.tell(&others, changes, journal);
    }

    /// A page has seen the record with the last of these messages: it may act between two of them.
    fn tell(&mut self, pages: &[Rc<str>], changes: &[(Origin, &ChangedItems)], journal: &Journal) {
        let messages = changes.iter().flat_map(|(origin, items)| {
            let slices = collect::set(items.iter().map(|(key, _)| key.slice.clone()));
            slices.into_iter().map(move |slice| (slice, *origin, *items))
        });
        let mut messages = messages.peekable();
        while let Some((slice, origin, items)) = messages.next() {
            let more = messages.peek().is_some();
            for page in pages {
                let reached = (journal.visible_position(), journal.visible_burst(page));
                self.post_to(page, from_worker::changed(&slice, reached, more, origin, items));
            }
        }
    }

    /// Returns true if a page waits for its changes to be in their stores.
    pub fn is_flush_waiting(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.wants == Wants::Flush)
    }

    /// The server acknowledged so many changes.
    pub fn count_acknowledged(&mut self, count: usize) {
        self.acknowledged += count as u64;
    }

    pub fn metrics(&mut self) -> &mut Metrics {
        &mut self.metrics
    }

    /// A page wants to hear of the progress of a slice's items.
    pub fn watch(&mut self, page: Rc<str>, slice: &str, journal: &Journal) {
        self.watched.insert(slice.into());
        let wants = Wants::Progress(slice.into());
        self.wait(Waiter { page, request: 0, position: journal.last(), wants });
    }

    /// A slice goes to the server now, or does not any more.
    pub fn slice_switched(&mut self, slice: &str, view: View) {
        if self.watched.contains(slice) {
            self.post(To::All, progress_of(slice, None, view));
        }
    }

    /// Answers those whose wait is over.
    pub fn answer_waiters(&mut self, view: View) {
        let View { journal, replica, settings, .. } = view;
        for waiter in std::mem::take(&mut self.waiters) {
            let in_effect = journal.is_visible_through(waiter.position);
            let is_durable = || in_effect && replica.is_written_through(waiter.position);
            match &waiter.wants {
                Wants::Rows(slice) if in_effect => {
                    let Some(config) = settings.slices().get(slice) else { continue };
                    let (position, n) = (journal.visible_position().0, journal.visible_burst(&waiter.page));
                    let newer = replica.newer_than_store(slice);
                    let message = from_worker::rows(waiter.request, slice, position, n, &newer);
                    let to = To::page(&waiter.page);
                    self.outputs.push(Output::Rows {
                        to,
                        request: waiter.request,
                        message,
                        store: config.store.clone(),
                    });
                }
                Wants::Progress(slice) if in_effect => {
                    let n = journal.visible_burst(&waiter.page);
                    self.post_to(&waiter.page, progress_of(slice, Some(n), view));
                }
                Wants::Rejections if in_effect => {
                    self.post_to(&waiter.page, from_worker::rejected(waiter.request, &replica.rejections()));
                }
                Wants::Conflicts if in_effect => {
                    let open = replica.open_conflicts();
                    self.post_to(&waiter.page, from_worker::conflicts(waiter.request, &open));
                }
                Wants::Export if in_effect && !settings.is_requeueing() => {
                    let whose = (view.uplink.principal(), view.uplink.owner(), view.uplink.device());
                    let unsent = replica.unsent(settings.slices());
                    let message = from_worker::unsent(waiter.request, whose, view.now.at, &unsent);
                    self.post_to(&waiter.page, message);
                }
                Wants::Synced { slice, id } if in_effect => {
                    let state = match settings.slices().is_pulled(slice) {
                        true => replica.is_answered(slice, id.as_deref(), waiter.position),
                        false => Answered::NotSynced,
                    };
                    match state {
                        Answered::Yes => self.post_to(&waiter.page, from_worker::done(waiter.request)),
                        Answered::NotYet => self.waiters.push(waiter),
                        failed => {
                            let (code, text) = failed.reason(slice);
                            self.fail(&waiter.page.clone(), Some(waiter.request), code, &text);
                        }
                    }
                }
                Wants::Pull if in_effect && view.is_pulled() => {
                    self.post_to(&waiter.page, from_worker::done(waiter.request));
                }
                Wants::Flush if is_durable() => self.post_to(&waiter.page, from_worker::done(waiter.request)),
                Wants::Sync if is_durable() && view.is_synced() => {
                    self.post_to(&waiter.page, from_worker::done(waiter.request));
                }
                _ => self.waiters.push(waiter),
            }
        }
    }

    /// Tells those who wait for the database that it failed. The changes are kept.
    pub fn fail_flushes(&mut self, reason: &str) {
        self.fail_waiters("storage", reason, |wants| *wants == Wants::Flush);
    }

    /// Tells all who wait that what came before them was not taken.
    pub fn fail_all(&mut self, reason: &str) {
        // A page that wants the progress made no request that could fail.
        self.fail_waiters("storage", reason, |wants| !matches!(wants, Wants::Progress(_)));
    }

    /// Removes and returns a page that wants to sign out, once everything that any page has sent is in effect, and what the server
    /// lacks of slices that were switched on again is known.
    pub fn take_sign_out(&mut self, journal: &Journal, settings: &Settings) -> Option<Waiter> {
        let asks = |waiter: &Waiter| matches!(waiter.wants, Wants::SignOut { .. });
        let at = self.waiters.iter().position(asks)?;
        (journal.is_idle() && !settings.is_requeueing()).then(|| self.waiters.remove(at))
    }

    fn fail_waiters(&mut self, code: &str, text: &str, which: impl Fn(&Wants) -> bool) {
        for waiter in self.take_waiters(which) {
            self.post_to(&waiter.page, from_worker::failed(Some(waiter.request), code, text));
        }
    }

    fn take_waiters(&mut self, which: impl Fn(&Wants) -> bool) -> Vec<Waiter> {
        let (taken, kept) =
            std::mem::take(&mut self.waiters).into_iter().partition(|waiter| which(&waiter.wants));
        self.waiters = kept;
        taken
    }

    /// The server was reached, or a push was answered.
    pub fn reached(&mut self, view: View) {
        if view.is_synced() {
            self.last_sync_time = Some(view.now.at.0);
        }
        self.report_before_answers(view);
        self.answer_checks(true);
    }

    /// A request failed; `reached` says whether the server answered, where it was asked.
    pub fn server_failed(&mut self, reached: Option<bool>, message: &str, view: View) {
        self.report_before_answers(view);
        let code = if reached == Some(false) { "unreachable" } else { "sync_failed" };
        self.fail_waiters(code, message, |wants| matches!(wants, Wants::Sync | Wants::Pull));
        if let Some(reached) = reached {
            self.answer_checks(reached);
        }
    }

    fn answer_checks(&mut self, connected: bool) {
        for waiter in self.take_waiters(|wants| *wants == Wants::Check) {
            self.post_to(&waiter.page, from_worker::checked(waiter.request, connected));
        }
    }

    fn report_before_answers(&mut self, view: View) {
        if !self.waiters.is_empty() {
            self.posted = None;
            self.post_status(view);
        }
    }

    /// The state of the whole.
    pub fn status(&self, view: View) -> Status {
        let View { now, journal, replica, uplink, storage, settings } = view;
        let slices = settings.slices();
        let counts = replica.counts(slices);
        let pending = counts.unfinished as u64;
        let is_decided = counts.conflicts + counts.rejected == 0;
        let undecided = self.undecided.as_deref().filter(|_| !is_decided);
        let of_undecided = if counts.conflicts > 0 { ErrorCode::Conflict } else { ErrorCode::Rejected };
        let undecided = undecided.map(|text| (of_undecided, text));
        let notice = self.notice.as_deref().map(|text| (ErrorCode::Unreadable, text));
        let error = storage.error().or(uplink.error()).or(undecided).or(notice);
        let sync = if uplink.is_pushing() || journal.has_pending_answers() {
            SyncStatus::Syncing
        } else if error.is_some() {
            SyncStatus::Error
        } else if self.last_sync_time.is_some() {
            SyncStatus::Success
        } else {
            SyncStatus::Idle
        };
        let auto_sync = settings.schedule().config();
        Status {
            connection: uplink.connection(),
            flask_connected: uplink.connection() == Connection::Online,
            sync_status: sync,
            error: error.map(|(_, text)| text.to_owned()),
            error_code: error.map(|(code, _)| code),
            last_sync_time: self.last_sync_time,
            pending,
            conflicts: counts.conflicts as u64,
            rejected: counts.rejected as u64,
            others_waiting: self.others_waiting,
            progress: uplink.pull_progress().or_else(|| self.push_progress(pending)),
            enabled: slices.is_empty() || slices.values().any(|slice| slice.enabled),
            auto_sync: AutoSyncStatus {
                enabled: auto_sync.enabled,
                interval_ms: auto_sync.interval_ms,
                sync_on_change: auto_sync.on_change,
                max_queue_size: auto_sync.max_queue as u64,
                change_counter: counts.unsent as u64,
                next_sync_at: settings.next_sync_at(now),
            },
        }
    }

    fn push_progress(&self, pending: u64) -> Option<SyncProgress> {
        let done = self.acknowledged;
        (pending > 0).then_some(SyncProgress { done, total: done + pending })
    }

    /// Returns true if it is time to tell pages what is new.
    pub fn is_report_due(&self, now: Tick) -> bool {
        let waits = self.reported_at.is_some_and(|at| now < at.plus(REPORT_MS));
        self.is_stale && !(self.posted.is_some() && waits)
    }

    /// Tells pages what is new; the progress of `touched` items may be.
    pub fn report(&mut self, touched: &BTreeSet<Key>, view: View) {
        // Before a page is told that its burst is in effect, so that it knows what became of the items.
        self.post_progress(touched, view);
        for (page, Folded { position, slices }) in std::mem::take(&mut self.folded) {
            // One that has not joined may have missed what others did up to there: it will read again.
            if self.pages.contains(&page) {
                let n = view.journal.visible_burst(&page);
                self.post_to(&page, from_worker::folded(position.0, n, &slices));
            }
        }
        self.post_status(view);
    }

    fn post_status(&mut self, view: View) {
        self.is_stale = false;
        self.reported_at = Some(view.now.tick);
        let status = self.status(view);
        if status.pending == 0 {
            self.acknowledged = 0;
        }
        if self.metrics.is_changed() || self.posted.is_none() {
            let oldest = view.replica.oldest_pending(view.settings.slices());
            let message = self.metrics.message(oldest);
            self.post(To::All, message);
        }
        if self.posted.as_ref() != Some(&status) {
            self.post(To::All, from_worker::status(&status, view.uplink.is_live(), view.now.at.0));
            self.posted = Some(status);
        }
    }

    fn post_progress(&mut self, touched: &BTreeSet<Key>, view: View) {
        let slices = view.settings.slices();
        for slice in self.watched.clone().iter().filter(|slice| slices.syncs(slice)) {
            let of_slice = touched.iter().filter(|key| key.slice == *slice);
            let items: Vec<_> =
                of_slice.map(|key| (key.clone(), view.shown(view.replica.progress(key, slices)))).collect();
            if !items.is_empty() {
                self.post(To::All, from_worker::pending(slice, PendingList::Changes, &items));
            }
        }
    }

    /// When pages are told again.
    pub fn poll_timeout(&self) -> Option<Tick> {
        let report = self.reported_at.filter(|_| self.is_stale).map(|at| at.plus(REPORT_MS));
        let acks = self.acked_at.filter(|_| !self.acks.is_empty()).map(|at| at.plus(ACKS_MS));
        report.into_iter().chain(acks).min()
    }

    /// When metrics are stored.
    pub fn metrics_timeout(&self) -> Option<Tick> {
        self.metrics.poll_timeout()
    }
}

/// The progress of all items of a slice that are not at rest; `n` is the asking page's newest burst in effect.
fn progress_of(slice: &str, n: Option<BurstNo>, view: View) -> String {
    let View { replica, settings, .. } = view;
    let slices = settings.slices();
    let mut items = if slices.syncs(slice) { replica.unfinished(slice, slices) } else { Vec::new() };
    items.iter_mut().for_each(|(_, progress)| *progress = view.shown(*progress));
    from_worker::pending(slice, PendingList::All(n), &items)
}

#[cfg(test)]
mod tests;
