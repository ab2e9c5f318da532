//! Metrics: every operation that ended, by slice and by kind, and how long it took.

use crate::bridge::down;
use crate::json::{Fields, Writer, elements, number, shared};
use crate::table::Table;
use std::rc::Rc;

/// So many durations are kept.
const MAX_DURATIONS: usize = 100;
/// Metrics that changed are stored this much later, in ms.
const SAVE_MS: u64 = 2_000;

/// What an operation was: an item written to its store or removed from it, or a change sent to the server.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Put,
    Delete,
    Push,
}

const KINDS: [&str; 3] = ["put", "delete", "push"];

/// Operations that succeeded, and that failed.
type Count = [u64; 2];

#[derive(Debug, Default)]
pub struct Metrics {
    slices: Table<Rc<str>, [Count; 3]>,
    /// When the last operation ended, in epoch ms.
    last: u64,
    /// The durations of the latest transactions and requests, in ms.
    durations: Vec<u64>,
    /// There is something that pages have not been told.
    pub changed: bool,
    save_at: Option<u64>,
}

impl Metrics {
    /// Operations of one kind on items of a slice ended.
    pub fn count(&mut self, now: u64, slice: &Rc<str>, kind: Kind, succeeded: bool) {
        let counts = self.slices.or_insert_with(slice.clone(), Default::default);
        counts[kind as usize][usize::from(!succeeded)] += 1;
        self.last = now;
        self.change(now);
    }

    /// A transaction or request took so long.
    pub fn took(&mut self, ms: u64) {
        self.durations.push(ms);
        if self.durations.len() > MAX_DURATIONS {
            self.durations.remove(0);
        }
    }

    pub fn reset(&mut self, now: u64) {
        *self = Metrics::default();
        self.change(now);
    }

    fn change(&mut self, now: u64) {
        self.changed = true;
        self.save_at.get_or_insert(now + SAVE_MS);
    }

    /// When to store them.
    pub fn save_at(&self) -> Option<u64> {
        self.save_at
    }

    /// The row to store, once it is time.
    pub fn save(&mut self, now: u64) -> Option<String> {
        self.save_at.filter(|at| *at <= now)?;
        self.save_at = None;
        Some(self.to_json(None))
    }

    /// As pages get them and as `_meta.metrics` keeps them. `oldest` is when the oldest pending change was made.
    pub fn to_json(&self, oldest: Option<u64>) -> String {
        let (mut succeeded, mut failed) = (0, 0);
        let took: u64 = self.durations.iter().sum();
        let mut by_slice = Writer::object();
        for (slice, kinds) in self.slices.iter() {
            let mut by_kind = Writer::object();
            for (kind, count) in KINDS.iter().zip(kinds) {
                succeeded += count[0];
                failed += count[1];
                let mut out = Writer::object();
                out.number("successful", count[0]).number("failed", count[1]);
                by_kind.raw(kind, &out.end());
            }
            by_slice.raw(slice, &by_kind.end());
        }
        let mut out = Writer::object();
        let mut times = out
            .number("totalOperations", succeeded + failed)
            .number("successfulOperations", succeeded)
            .number("failedOperations", failed)
            .number("lastOperationTime", self.last)
            .number("averageOperationTime", took / (self.durations.len() as u64).max(1))
            .array("operationTimes");
        for ms in &self.durations {
            times.item(&number(*ms));
        }
        times.end().number_or_null("oldestPendingAt", oldest).raw("bySlice", &by_slice.end()).end()
    }

    /// Takes up what [`Metrics::save`] stored.
    pub fn read(row: &str) -> Option<Metrics> {
        let row = Fields::parse(row)?;
        let mut metrics = Metrics { last: row.number("lastOperationTime")?, ..Metrics::default() };
        for ms in elements(row.get("operationTimes")?)? {
            metrics.durations.extend(ms.parse::<u64>().ok());
        }
        for (slice, kinds) in Fields::parse(row.get("bySlice")?)?.0 {
            let kinds = Fields::parse(kinds)?;
            let mut counts = [Count::default(); 3];
            for (name, count) in KINDS.iter().zip(&mut counts) {
                let kind = Fields::parse(kinds.get(name)?)?;
                *count = [kind.number("successful")?, kind.number("failed")?];
            }
            metrics.slices.insert(shared(&slice), counts);
        }
        Some(metrics)
    }

    /// The message that tells pages.
    pub fn message(&mut self, oldest: Option<u64>) -> String {
        self.changed = false;
        down::metrics(&self.to_json(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survive_the_store() {
        let mut metrics = Metrics::default();
        let files: Rc<str> = "files".into();
        metrics.count(5, &files, Kind::Put, true);
        metrics.count(6, &files, Kind::Push, false);
        for ms in 0..150 {
            metrics.took(ms);
        }
        assert_eq!((metrics.save(6), metrics.save_at()), (None, Some(5 + SAVE_MS)));
        let row = metrics.save(5 + SAVE_MS).unwrap();
        assert_eq!(Metrics::read(&row).unwrap().to_json(None), row);
        let fields = Fields::parse(&row).unwrap();
        assert_eq!((fields.number("totalOperations"), fields.number("failedOperations")), (Some(2), Some(1)));
        assert_eq!(elements(fields.get("operationTimes").unwrap()).unwrap().len(), 100);
        assert_eq!(fields.number("averageOperationTime"), Some((50 + 149) / 2));
    }
}
