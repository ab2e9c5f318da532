//! The pull: how far each slice is pulled, which page is asked for next, and what a page says.
//!
//! ```text
//!            someone wants the server's changes            page, and more follow
//!   complete ─────────────────────────────────► due ◄──────────────────────────┐
//!      ▲                                         └── asked ── answered ─────────┤
//!      └──────────────────── the last page ─────────────────────────────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. Only the server makes a cursor. A cursor is taken with the page that it is behind, never before.
//! 2. A failed pull waits longer each time, until a pull succeeds; the success of another request changes nothing.
//! 3. A pull that ends below a version that the device was told of is asked again, three times at most.
//! 4. A page that did not come in time is asked smaller, and gets more time.
//! 5. A rebuild pulls its slices from their beginning, also after a restart; no push is chosen before its end.

use super::classify::{Class, Failure};
use crate::bridge::config::Slices;
use crate::bridge::status::SyncProgress;
use crate::engine::backoff::Retry;
use crate::engine::rng::Rng;
use crate::protocol::{PullAnswer, PullRequest};
use crate::store::{Cursors, PulledRow, RebuildReason, RebuildRow, Write};
use crate::units::{Position, Tick, Version};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The most changes of a page, and the least that a slow line brings that down to.
const LIMIT: usize = 1_000;
const LEAST_LIMIT: usize = 20;
/// The bytes that a change of a page is expected to have.
const CHANGE_BYTES: usize = 1_000;
/// The most versions of the device's own that a request names, so that their changes are left out.
const MAX_MINE: usize = 1_000;
/// The number of times that a pull that ends too early is asked again.
const MAX_REPEATS: u32 = 3;

#[derive(Debug, Default)]
pub struct Pull {
    cursors: Cursors,
    /// The versions that the device's own pushes were answered with, oldest first.
    mine: Vec<Version>,
    /// The newest version that the device was told of.
    newest: Option<Version>,
    /// The server's newest version when a pull ended last.
    reached: Option<Version>,
    repeats: u32,
    /// Someone wants the server's changes, or more pages follow.
    is_due: bool,
    retry: Retry,
    /// Pages in a row that did not come in time.
    timeouts: u32,
    /// While more than one page is pulled.
    progress: Option<SyncProgress>,
    /// Slices that are pulled from their beginning.
    rebuild: Option<RebuildRow>,
    /// The slices of the rebuild whose last page has come, once all pages have.
    rebuilt: Option<BTreeSet<Rc<str>>>,
}

/// A page, as far as the device takes it.
#[derive(Debug, Default)]
pub struct Page {
    pub changes: Vec<PulledRow>,
    /// The cursors that moved.
    pub cursors: Cursors,
    /// Sentences about the changes that could not be read.
    pub malformed: Vec<String>,
}

impl Pull {
    pub fn recover(cursors: Cursors, rebuild: Option<RebuildRow>, answered: Option<Version>) -> Self {
        Pull { cursors, rebuild, newest: answered, ..Pull::default() }
    }

    /// The server's newest version when a pull ended last.
    pub fn reached(&self) -> Option<Version> {
        self.reached
    }

    /// Begins to pull slices from their beginning. Returns the writes that note the rebuild.
    pub fn begin_rebuild(
        &mut self,
        started_at: Position,
        reason: RebuildReason,
        slices: impl IntoIterator<Item = Rc<str>>,
    ) -> Vec<Write> {
        let mut rebuild = RebuildRow { started_at, reason, slices: crate::collect::set(slices) };
        if let Some(before) = self.rebuild.take() {
            rebuild.slices.extend(before.slices);
            rebuild.reason = rebuild.reason.max(before.reason);
        }
        if reason == RebuildReason::HistoryChanged {
            self.mine.clear();
            self.newest = None;
        }
        let mut writes = vec![rebuild.write()];
        for slice in &rebuild.slices {
            self.cursors.remove(slice);
            writes.push(Write::delete_meta(&format!("cursor:{slice}")));
        }
        self.rebuild = Some(rebuild);
        (self.is_due, self.rebuilt) = (true, None);
        writes
    }

    pub fn rebuild(&self) -> Option<&RebuildRow> {
        self.rebuild.as_ref()
    }

    /// The slices of the rebuild, once all their pages have come.
    pub fn rebuilt(&self) -> Option<&BTreeSet<Rc<str>>> {
        self.rebuilt.as_ref()
    }

    /// The items that were not named have been gone through.
    pub fn end_rebuild(&mut self) {
        (self.rebuild, self.rebuilt) = (None, None);
    }

    /// Someone wants the server's changes.
    pub fn request(&mut self) {
        self.is_due = true;
    }

    /// There is nothing to pull.
    pub fn cancel(&mut self) {
        self.is_due = false;
        self.rebuilt = self.rebuild.as_ref().map(|_| BTreeSet::new());
    }

    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Returns true if a page may be asked for now.
    pub fn may_ask(&self, now: Tick) -> bool {
        self.is_due && !self.retry.waits(now)
    }

    /// When a failed pull is asked again.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        self.retry.poll_timeout(now).filter(|_| self.is_due)
    }

    /// A person asks.
    pub fn retry_now(&mut self) {
        self.retry.retry_now();
    }

    /// How far a pull of several pages is.
    pub fn progress(&self) -> Option<SyncProgress> {
        self.progress.filter(|_| self.is_due)
    }

    /// Returns true if a pull may bring something of this version.
    pub fn is_news(&self, version: Version) -> bool {
        self.reached < Some(version)
    }

    /// The server has this version.
    pub fn told_of(&mut self, version: Version) {
        self.newest = self.newest.max(Some(version));
    }

    /// A push was answered with this version: its changes are the device's own.
    pub fn note_own(&mut self, version: Option<Version>) {
        let Some(version) = version.filter(|version| !self.mine.contains(version)) else { return };
        if self.mine.len() == MAX_MINE {
            self.mine.remove(0);
        }
        self.mine.push(version);
    }

    fn limit(&self) -> usize {
        (LIMIT >> (2 * self.timeouts).min(10)).max(LEAST_LIMIT)
    }

    /// The bytes that the next page may have, for the time that it gets.
    pub fn expected_bytes(&self) -> usize {
        (self.limit() * CHANGE_BYTES) << (2 * self.timeouts).min(8)
    }

    /// The request for the next page of these slices. `device` says whose it is.
    pub fn next_page<'a>(&'a self, device: PullRequest<'a>, slices: &'a [Rc<str>]) -> PullRequest<'a> {
        let slices = slices.iter().map(|slice| (&**slice, self.cursors.get(slice).map(|cursor| &**cursor)));
        PullRequest { slices: slices.collect(), mine: &self.mine, limit: Some(self.limit()), ..device }
    }

    /// Takes a page of a pull. Changes of slices that were switched off meanwhile are left out.
    pub fn answered(
        &mut self,
        answer: PullAnswer,
        asked: &[Rc<str>],
        slices: &Slices,
        now: Tick,
        rng: &mut Rng,
    ) -> Page {
        let PullAnswer { cursors, more, total, version, changes, malformed, .. } = answer;
        self.timeouts = 0;
        self.count(changes.len() + malformed.len(), total, more);
        let ends_early = !more && version < self.newest && self.repeats < MAX_REPEATS;
        if ends_early {
            self.repeats += 1;
            self.retry.request_failed(None, now, rng);
        } else {
            self.retry.succeeded();
            if !more {
                self.reached = version;
                self.repeats = 0;
                self.newest = None;
            }
        }
        self.is_due = more || ends_early;
        self.note_rebuilt(asked, slices);
        let is_taken = |slice: &Rc<str>| asked.contains(slice) && slices.is_pulled(slice);
        let is_new = |slice: &Rc<str>, cursor: &Rc<str>| self.cursors.get(slice) != Some(cursor);
        let cursors: Cursors =
            cursors.into_iter().filter(|(slice, cursor)| is_taken(slice) && is_new(slice, cursor)).collect();
        self.cursors.extend(cursors.iter().map(|(slice, cursor)| (slice.clone(), cursor.clone())));
        let changes = changes.into_iter().filter(|change| is_taken(&change.slice)).collect();
        Page { changes, cursors, malformed }
    }

    /// Once a pull of all slices of a rebuild has ended, they are rebuilt. A slice that was switched off meanwhile
    /// is not waited for.
    fn note_rebuilt(&mut self, asked: &[Rc<str>], slices: &Slices) {
        let Some(rebuild) = self.rebuild.as_ref().filter(|_| !self.is_due) else { return };
        let is_missing = |slice: &&Rc<str>| rebuild.slices.contains(*slice) && !asked.contains(slice);
        if slices.pulled().find(is_missing).is_none() {
            let rebuilt = rebuild.slices.iter().filter(|slice| asked.contains(slice));
            self.rebuilt = Some(crate::collect::set(rebuilt.cloned()));
        } else {
            self.is_due = true;
        }
    }

    fn count(&mut self, changes: usize, total: Option<u64>, more: bool) {
        let begun = total.map(|total| SyncProgress { done: 0, total });
        let progress = begun.or(self.progress).filter(|_| more || self.progress.is_some());
        self.progress = progress.map(|SyncProgress { done, total }| {
            let done = done + changes as u64;
            SyncProgress { done, total: total.max(done) }
        });
    }

    /// A page did not come.
    pub fn failed(&mut self, failure: &Failure, now: Tick, rng: &mut Rng) {
        if failure.class == Class::TimedOut {
            self.timeouts += 1;
        }
        self.retry.request_failed(failure.retry_after, now, rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::config;

    fn page(cursor: &str, more: bool, total: Option<u64>, version: u64) -> PullAnswer {
        let change = |slice: &str| PulledRow {
            slice: slice.into(),
            id: "a".into(),
            version: Version(3),
            value: Some("{}".into()),
            deleted: false,
            at: None,
            own: false,
            by: None,
        };
        PullAnswer {
            principal: "p".into(),
            cursors: [("files", cursor), ("off", "c")]
                .map(|(slice, cursor)| (slice.into(), cursor.into()))
                .into(),
            more,
            total,
            version: Some(Version(version)),
            changes: vec![change("files"), change("off")],
            malformed: Vec::new(),
        }
    }

    struct Device {
        pull: Pull,
        slices: Slices,
        rng: Rng,
    }

    impl Device {
        fn new() -> Self {
            let slices = config::slices(r#"{"files":{},"off":{"syncToFlask":false}}"#);
            let mut pull = Pull::default();
            pull.request();
            Device { pull, slices, rng: Rng(1) }
        }

        fn answered(&mut self, answer: PullAnswer) -> Page {
            let asked = ["files".into(), "off".into()];
            self.pull.answered(answer, &asked, &self.slices, Tick(0), &mut self.rng)
        }

        fn asks(&self) -> String {
            let device = PullRequest { client: "me", ..PullRequest::default() };
            self.pull.next_page(device, &["files".into()]).to_text()
        }
    }

    #[test]
    fn a_cursor_is_taken_with_its_page() {
        let mut device = Device::new();
        assert!(device.asks().contains(r#""slices":{"files":null}"#));
        let page = device.answered(page("one", true, Some(4), 9));
        assert_eq!(page.cursors.len(), 1);
        assert!(device.asks().contains(r#""slices":{"files":"one"}"#) && device.pull.may_ask(Tick(0)));
    }

    #[test]
    fn what_is_switched_off_is_left_out_of_a_page_with_its_cursor() {
        let page = Device::new().answered(page("one", false, Some(2), 9));
        assert!(page.changes.iter().all(|change| &*change.slice == "files"));
        assert!(!page.cursors.contains_key("off"));
    }

    #[test]
    fn a_pull_that_ends_too_early_is_asked_again_three_times() {
        let mut device = Device::new();
        device.pull.told_of(Version(10));
        for _ in 0..MAX_REPEATS {
            device.answered(page("one", false, None, 9));
            assert!(device.pull.is_due() && !device.pull.may_ask(Tick(0)), "not at once");
        }
        device.answered(page("one", false, None, 9));
        assert!(!device.pull.is_due());
        device.pull.told_of(Version(10));
        device.answered(page("one", false, None, 10));
        assert!(!device.pull.is_due());
    }

    #[test]
    fn a_failed_pull_waits_longer_each_time_until_one_succeeds() {
        let mut device = Device::new();
        let mut latest = Tick(0);
        for _ in 0..12 {
            let failure = Failure::new(Class::Busy, "busy".into());
            device.pull.failed(&failure, Tick(0), &mut device.rng);
            latest = latest.max(device.pull.poll_timeout(Tick(0)).unwrap());
        }
        assert!(latest > Tick(60_000), "{latest:?}");
        device.pull.retry_now();
        device.answered(page("one", true, None, 9));
        assert!(device.pull.may_ask(Tick(0)));
    }

    #[test]
    fn a_page_that_does_not_come_in_time_is_asked_smaller_and_gets_more_time() {
        let mut device = Device::new();
        let (limit, expected) = (device.pull.limit(), device.pull.expected_bytes());
        device.pull.failed(&Failure::timed_out(0, 0), Tick(0), &mut device.rng);
        assert!(device.pull.limit() < limit && device.pull.expected_bytes() >= expected);
        for _ in 0..20 {
            device.pull.failed(&Failure::timed_out(0, 0), Tick(0), &mut device.rng);
        }
        assert_eq!(device.pull.limit(), LEAST_LIMIT);
        assert!(
            device.pull.expected_bytes() > 4 * 1024 * 1024,
            "one large item has time enough on a slow line"
        );
    }

    #[test]
    fn progress_is_told_of_pulls_of_several_pages_only() {
        let mut device = Device::new();
        device.answered(page("one", false, Some(2), 9));
        assert_eq!(device.pull.progress(), None);
        device.pull.request();
        device.answered(page("two", true, Some(10), 9));
        assert_eq!(device.pull.progress(), Some(SyncProgress { done: 2, total: 10 }));
        device.answered(page("three", true, None, 9));
        assert_eq!(device.pull.progress(), Some(SyncProgress { done: 4, total: 10 }));
        device.answered(page("four", false, None, 9));
        assert_eq!(device.pull.progress(), None);
    }

    #[test]
    fn own_versions_are_named() {
        let mut device = Device::new();
        device.pull.note_own(Some(Version(7)));
        device.pull.note_own(Some(Version(7)));
        device.pull.note_own(None);
        assert!(device.asks().contains(r#""mine":[7]"#));
    }
}
