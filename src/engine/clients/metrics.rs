//! Metrics: every operation that ended, by slice and by kind, and how long it took.

use crate::bridge::from_worker;
use crate::bridge::status::{SliceMetrics, SyncMetrics};
use crate::collect;
use crate::engine::clock::Now;
use crate::json::{read, write};
use crate::units::{Millis, Tick};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The number of durations that are kept.
const MAX_DURATIONS: usize = 100;
/// Metrics that changed are stored this much later, in ms.
const SAVE_MS: u64 = 2_000;

/// The kind of an operation that either succeeds or fails.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// An item was written to its store.
    Put,
    /// An item was removed from its store.
    Delete,
    /// A change of someone else was pulled.
    Pull,
}

/// The outcome of a change that was sent to the server.
#[derive(Debug, Clone, Copy)]
pub enum Sent {
    Applied,
    Failed,
    Rejected,
    Conflict,
}

#[derive(Debug, Default)]
pub struct Metrics {
    slices: BTreeMap<Rc<str>, SliceMetrics>,
    /// When the last operation ended, in epoch ms.
    last: u64,
    /// The durations of the latest transactions and requests, in ms.
    durations: Vec<u64>,
    /// There is something that pages have not been told.
    changed: bool,
    save_at: Option<Tick>,
}

impl Metrics {
    /// An operation on an item of a slice ended.
    pub fn count(&mut self, now: Now, slice: &Rc<str>, kind: Kind, succeeded: bool) {
        let counts = self.slices.entry(slice.clone()).or_default();
        let count = match kind {
            Kind::Put => &mut counts.put,
            Kind::Delete => &mut counts.delete,
            Kind::Pull => &mut counts.pull,
        };
        *(if succeeded { &mut count.successful } else { &mut count.failed }) += 1;
        self.ended(now);
    }

    /// A change of an item of a slice was sent to the server.
    pub fn count_sent(&mut self, now: Now, slice: &Rc<str>, sent: Sent) {
        let count = &mut self.slices.entry(slice.clone()).or_default().push;
        *match sent {
            Sent::Applied => &mut count.successful,
            Sent::Failed => &mut count.failed,
            Sent::Rejected => &mut count.rejected,
            Sent::Conflict => &mut count.conflicts,
        } += 1;
        self.ended(now);
    }

    fn ended(&mut self, now: Now) {
        self.last = now.at.0;
        self.change(now.tick);
    }

    /// A transaction or request took so long.
    pub fn took(&mut self, ms: u64) {
        self.durations.push(ms);
        if self.durations.len() > MAX_DURATIONS {
            self.durations.remove(0);
        }
    }

    pub fn reset(&mut self, now: Tick) {
        *self = Metrics::default();
        self.change(now);
    }

    fn change(&mut self, now: Tick) {
        self.changed = true;
        self.save_at.get_or_insert(now.plus(SAVE_MS));
    }

    /// When to store them.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.save_at
    }

    /// The row to store, once it is time.
    pub fn save(&mut self, now: Tick) -> Option<String> {
        self.save_at.filter(|at| *at <= now)?;
        self.save_at = None;
        Some(write(&self.shown(None)))
    }

    /// As pages get them and as `_meta.metrics` keeps them. `oldest` is when the oldest pending change was made.
    pub fn shown(&self, oldest: Option<Millis>) -> SyncMetrics {
        let took: u64 = self.durations.iter().sum();
        let (mut successful, mut failed, mut rejected, mut conflicts) = (0, 0, 0, 0);
        for SliceMetrics { put, delete, push, pull } in self.slices.values() {
            successful += put.successful + delete.successful + push.successful + pull.successful;
            failed += put.failed + delete.failed + push.failed + pull.failed;
            rejected += push.rejected;
            conflicts += push.conflicts;
        }
        SyncMetrics {
            total_operations: successful + failed + rejected + conflicts,
            successful_operations: successful,
            failed_operations: failed,
            rejected_operations: rejected,
            conflict_operations: conflicts,
            last_operation_time: self.last,
            average_operation_time: took / (self.durations.len() as u64).max(1),
            operation_times: self.durations.clone(),
            oldest_pending_at: oldest.map(|at| at.0),
            by_slice: collect::map(self.slices.iter().map(|(slice, counts)| (slice.to_string(), *counts))),
        }
    }

    /// Takes up what [`Metrics::save`] stored.
    pub fn read(row: &str) -> Option<Metrics> {
        let shown: SyncMetrics = read(row)?;
        Some(Metrics {
            slices: collect::map(shown.by_slice.into_iter().map(|(slice, counts)| (slice.into(), counts))),
            last: shown.last_operation_time,
            durations: shown.operation_times,
            ..Metrics::default()
        })
    }

    /// Returns true if there is something that pages have not been told.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The message that tells pages.
    pub fn message(&mut self, oldest: Option<Millis>) -> String {
        self.changed = false;
        from_worker::metrics(self.shown(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Fields, elements};

    #[test]
    fn survive_the_store() {
        let mut metrics = Metrics::default();
        let files: Rc<str> = "files".into();
        let now = |ms| Now { tick: Tick(ms), at: Millis(1_000 + ms) };
        metrics.count(now(5), &files, Kind::Put, true);
        metrics.count_sent(now(6), &files, Sent::Failed);
        for ms in 0..150 {
            metrics.took(ms);
        }
        assert_eq!((metrics.save(Tick(6)), metrics.poll_timeout()), (None, Some(Tick(5 + SAVE_MS))));
        let row = metrics.save(Tick(5 + SAVE_MS)).unwrap();
        assert_eq!(write(&Metrics::read(&row).unwrap().shown(None)), row);
        let fields = Fields::parse(&row).unwrap();
        assert_eq!((fields.number("totalOperations"), fields.number("failedOperations")), (Some(2), Some(1)));
        assert_eq!(elements(fields.get("operationTimes").unwrap()).unwrap().len(), 100);
        assert_eq!(fields.number("averageOperationTime"), Some((50 + 149) / 2));
    }
}
