//! Metrics: every operation that ended, by slice and by kind, and how long it took.

use crate::bridge::from_worker;
use crate::bridge::status::{OperationCount, SliceMetrics, SyncMetrics};
use crate::engine::clock::Now;
use crate::json::{read, write};
use crate::units::{Millis, Tick};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The number of durations that are kept.
const MAX_DURATIONS: usize = 100;
/// Metrics that changed are stored this much later, in ms.
const SAVE_MS: u64 = 2_000;

/// The kind of an operation: an item written to its store or removed from it, or a change sent to the server.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Put,
    Delete,
    Push,
    /// A change of someone else that was pulled.
    Pull,
}

/// Operations that succeeded, and that failed.
type Count = [u64; 2];

#[derive(Debug, Default)]
pub struct Metrics {
    slices: BTreeMap<Rc<str>, [Count; 4]>,
    /// When the last operation ended, in epoch ms.
    last: u64,
    /// The durations of the latest transactions and requests, in ms.
    durations: Vec<u64>,
    /// There is something that pages have not been told.
    changed: bool,
    save_at: Option<Tick>,
}

impl Metrics {
    /// Operations of one kind on items of a slice ended.
    pub fn count(&mut self, now: Now, slice: &Rc<str>, kind: Kind, succeeded: bool) {
        let counts = self.slices.entry(slice.clone()).or_default();
        counts[kind as usize][usize::from(!succeeded)] += 1;
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
        let (mut succeeded, mut failed) = (0, 0);
        let took: u64 = self.durations.iter().sum();
        let mut by_slice = BTreeMap::new();
        for (slice, kinds) in self.slices.iter() {
            for count in kinds {
                succeeded += count[0];
                failed += count[1];
            }
            let counts = kinds.map(|[successful, failed]| OperationCount { successful, failed });
            let [put, delete, push, pull] = counts;
            by_slice.insert(slice.to_string(), SliceMetrics { put, delete, push, pull });
        }
        SyncMetrics {
            total_operations: succeeded + failed,
            successful_operations: succeeded,
            failed_operations: failed,
            last_operation_time: self.last,
            average_operation_time: took / (self.durations.len() as u64).max(1),
            operation_times: self.durations.clone(),
            oldest_pending_at: oldest.map(|at| at.0),
            by_slice,
        }
    }

    /// Takes up what [`Metrics::save`] stored.
    pub fn read(row: &str) -> Option<Metrics> {
        let shown: SyncMetrics = read(row)?;
        let mut metrics = Metrics {
            last: shown.last_operation_time,
            durations: shown.operation_times,
            ..Metrics::default()
        };
        for (slice, SliceMetrics { put, delete, push, pull }) in shown.by_slice {
            let counts = [put, delete, push, pull].map(|count| [count.successful, count.failed]);
            metrics.slices.insert(slice.into(), counts);
        }
        Some(metrics)
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
        metrics.count(now(6), &files, Kind::Push, false);
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
