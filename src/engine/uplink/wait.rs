//! The wait after a failure: it grows, it obeys the server, and it outlives the worker.

use super::classify::{Class, Failure};
use super::line::Line;
use crate::engine::backoff::{self, MAX_RETRY_AFTER_MS};
use crate::engine::clock::Now;
use crate::engine::rng::Rng;
use crate::json::{read, write};
use crate::store::Write;
use crate::units::{Millis, Tick};
use serde::{Deserialize, Serialize};

/// The least wait where only a person can help, in ms.
const PAUSE_MS: u64 = 60_000;
/// The least wait where something else answers in the server's place, in ms.
const STRANGER_MS: u64 = 10_000;
/// The waits of a search grow like those after so many failures, at most.
const MAX_SEARCH_FAILURES: u32 = 5;
/// A wait from this on, in ms, outlives the worker.
const KEPT_WAIT_MS: u64 = 2_000;

/// `_meta.uplink`: a wait that is under way, and what was learnt of the line.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Millis>,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
}

#[derive(Debug, Default)]
pub struct Wait {
    failures: u32,
    until: Option<Tick>,
    /// Until then the server wants no request; not known of a wait that outlived its worker, which counts as one.
    asked: Option<Tick>,
    /// A push brought it about, or may have.
    holds_pushes: bool,
    /// Pushes have failed since one succeeded.
    is_of_pushes: bool,
    kept: Kept,
}

impl Wait {
    /// Takes up what was kept, and the line that was learnt.
    pub fn recover(now: Now, row: Option<&str>) -> (Self, Line) {
        let kept: Kept = row.and_then(read).unwrap_or_default();
        let until =
            kept.until.map(|until| now.tick_at(until, MAX_RETRY_AFTER_MS)).filter(|at| *at > now.tick);
        let line = kept.max_bytes.map_or_else(Line::default, Line::with_limit);
        let holds_pushes = until.is_some();
        let failures = kept.failures;
        (Wait { failures, until, asked: until, holds_pushes, is_of_pushes: false, kept }, line)
    }

    pub fn is_over(&self, now: Tick) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Returns true if the server wants no request yet.
    pub fn is_asked_for(&self, now: Tick) -> bool {
        self.asked.is_some_and(|asked| asked > now)
    }

    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        self.until.filter(|until| *until > now)
    }

    /// A request failed. A wait that is under way may be one that the server asked for: the later one counts.
    pub fn failed(&mut self, failure: &Failure, now: Tick, rng: &mut Rng) {
        self.failures += 1;
        let (further, least) = match failure.class {
            Class::Authenticate | Class::Stopped => (6, PAUSE_MS),
            Class::NotNightferry => (4, STRANGER_MS),
            _ => (0, 0),
        };
        let wait = backoff::delay(self.failures + further, failure.retry_after, rng).max(least);
        self.until = self.until.max(Some(now.plus(wait)));
        self.note_asked(failure, now);
    }

    fn note_asked(&mut self, failure: &Failure, now: Tick) {
        let asked = failure.retry_after.map(|ms| now.plus(ms.min(MAX_RETRY_AFTER_MS)));
        self.asked = self.asked.max(asked);
    }

    /// A push failed for what is in it: the search for that goes on without growing waits, unless it found only declined
    /// operations, so many in a row.
    pub fn failed_in_search(&mut self, failure: &Failure, fruitless: u32, now: Tick, rng: &mut Rng) {
        let failures = fruitless.clamp(1, MAX_SEARCH_FAILURES);
        self.until = Some(now.plus(backoff::delay(failures, failure.retry_after, rng)));
    }

    /// A question failed that was asked during the wait. Only the server makes that longer.
    pub fn asked_in_vain(&mut self, failure: &Failure, now: Tick) {
        let asked = failure.retry_after.map(|ms| now.plus(ms.min(MAX_RETRY_AFTER_MS)));
        self.until = self.until.max(asked);
        self.note_asked(failure, now);
    }

    /// The wait is one for pushes.
    pub fn hold_pushes(&mut self) {
        (self.holds_pushes, self.is_of_pushes) = (true, true);
    }

    /// Returns true if a wait is under way that only a push or a person ends.
    pub fn holds_pushes(&self, now: Tick) -> bool {
        self.holds_pushes && !self.is_over(now)
    }

    /// The server answered a push.
    pub fn succeeded(&mut self) {
        self.is_of_pushes = false;
        self.answered();
    }

    /// The server answered something else than a push. Pushes that failed may fail again: their waits go on growing.
    pub fn answered(&mut self) {
        (self.until, self.asked) = (None, None);
        self.holds_pushes = false;
        if !self.is_of_pushes {
            self.failures = 0;
        }
    }

    /// A person asks.
    pub fn retry_now(&mut self) {
        (self.until, self.asked) = (None, None);
    }

    /// Returns the write of the state that outlives the worker, if it differs from the last one.
    pub fn take_kept(&mut self, line: &Line, now: Now) -> Option<Write> {
        let until = self.until.filter(|until| until.elapsed_since(now.tick) >= KEPT_WAIT_MS);
        let until = until.map(|until| now.at_tick(until));
        let failures = if until.is_some() { self.failures } else { 0 };
        let kept = Kept { failures, until, max_bytes: line.learnt_limit() };
        let is_same_wait = match (kept.until, self.kept.until) {
            (Some(one), Some(other)) => one.0.abs_diff(other.0) < KEPT_WAIT_MS,
            // A wait that ran out says nothing any more, and goes with the next one or the next success.
            (None, Some(_)) => self.failures > 0,
            (one, other) => one == other,
        };
        if is_same_wait && kept.max_bytes == self.kept.max_bytes {
            return None;
        }
        let write = match kept == Kept::default() {
            true => Write::delete_meta("uplink"),
            false => Write::meta("uplink", &write(&kept)),
        };
        self.kept = kept;
        Some(write)
    }
}
