//! Storage: what each open transaction and read is for, and when work that failed is tried again.
//!
//! ```text
//!  begin(purpose) ──► Output::Store { txn } ──► Input::Stored ──► end(txn) ──► the purpose, for the root to route
//! ```
//!
//! # Invariants
//!
//! 1. A transaction that ends is for what it was begun for, once; an end that nobody waits for changes nothing.
//! 2. Writes that belong to no checkpoint are repeated until they succeed.
//! 3. After a failure no attempt is made before its wait is over, unless a person asks.
//! 4. The last failure is shown until something succeeds.

use super::backoff::Retry;
use super::rng::Rng;
use crate::bridge::status::ErrorCode;
use crate::store::{StoreError, Write};
use crate::units::Tick;
use std::collections::BTreeMap;

/// The purpose of an open transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    Append,
    Checkpoint,
    /// A push is written down.
    Prepare,
    /// Stores settings.
    Settings,
    /// Empties the database.
    SignOut,
    /// Before a record is replayed, where a start has failed.
    Replay,
    Standalone(Vec<Write>),
    Metrics,
}

#[derive(Debug, Default)]
pub struct Storage {
    open: BTreeMap<u64, Purpose>,
    load: Option<u64>,
    writing: Retry,
    reading: Retry,
    standalone: Vec<Write>,
    error: Option<(ErrorCode, String)>,
}

impl Storage {
    pub fn begin(&mut self, txn: u64, purpose: Purpose) {
        self.open.insert(txn, purpose);
    }

    /// Returns true if a transaction is open for this.
    pub fn is_for(&self, txn: u64, purpose: &Purpose) -> bool {
        self.open.get(&txn) == Some(purpose)
    }

    /// Ends a transaction. Returns the transaction's purpose.
    pub fn end(
        &mut self,
        txn: u64,
        result: &Result<(), StoreError>,
        now: Tick,
        rng: &mut Rng,
    ) -> Option<Purpose> {
        let purpose = self.open.remove(&txn)?;
        match result {
            Ok(()) => {
                self.writing.succeeded();
                self.error = None;
            }
            Err(error) => {
                self.note(error);
                self.writing.failed(now, rng);
                if let Purpose::Standalone(writes) = &purpose {
                    let later = std::mem::replace(&mut self.standalone, writes.clone());
                    self.standalone.extend(later);
                }
            }
        }
        Some(purpose)
    }

    /// A read is begun. There is one at a time.
    pub fn begin_load(&mut self, load: u64) {
        self.load = Some(load);
    }

    pub fn is_loading(&self) -> bool {
        self.load.is_some()
    }

    /// Ends a read. Returns true if the read is the one that was begun last.
    pub fn end_load(&mut self, load: u64, error: Option<&StoreError>, now: Tick, rng: &mut Rng) -> bool {
        if self.load != Some(load) {
            return false;
        }
        self.load = None;
        match error {
            None => self.reading.succeeded(),
            Some(error) => {
                self.note(error);
                self.reading.failed(now, rng);
            }
        }
        true
    }

    fn note(&mut self, error: &StoreError) {
        self.error = Some(if error.full {
            (ErrorCode::StorageFull, "There is no room left to keep changes in this browser. Free some disk space; what was acknowledged is kept and the rest is tried again.".into())
        } else {
            (
                ErrorCode::Storage,
                format!(
                    "The browser's database refused to keep changes ({}). It is tried again; if this stays, close other tabs of this site and reload.",
                    error.message
                ),
            )
        });
    }

    /// The last failure, with a sentence for people.
    pub fn error(&self) -> Option<(ErrorCode, &str)> {
        self.error.as_ref().map(|(code, text)| (*code, text.as_str()))
    }

    /// Writes of no checkpoint, to be made at the next chance.
    pub fn add_standalone(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.standalone.extend(writes);
    }

    pub fn take_standalone(&mut self) -> Option<Vec<Write>> {
        (!self.standalone.is_empty()).then(|| std::mem::take(&mut self.standalone))
    }

    /// Returns true if writes of no checkpoint are not durable yet.
    pub fn has_standalone(&self) -> bool {
        let is_standalone = |purpose: &Purpose| matches!(purpose, Purpose::Standalone(_));
        !self.standalone.is_empty() || self.open.values().any(is_standalone)
    }

    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.load.is_none()
    }

    pub fn may_write(&self, now: Tick) -> bool {
        !self.writing.waits(now)
    }

    pub fn may_read(&self, now: Tick) -> bool {
        !self.reading.waits(now)
    }

    /// A person asks: the next attempts are made now.
    pub fn retry_now(&mut self) {
        self.writing.retry_now();
        self.reading.retry_now();
    }

    /// When work that failed is tried again.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        let writing = self.writing.poll_timeout(now);
        writing.into_iter().chain(self.reading.poll_timeout(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(full: bool) -> StoreError {
        StoreError { full, message: "it broke".into() }
    }

    #[test]
    fn a_transaction_ends_once_for_what_it_was_begun_for() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        storage.begin(1, Purpose::Append);
        assert_eq!(storage.end(2, &Ok(()), Tick(0), &mut rng), None);
        assert_eq!(storage.end(1, &Ok(()), Tick(0), &mut rng), Some(Purpose::Append));
        assert_eq!(storage.end(1, &Ok(()), Tick(0), &mut rng), None);
        assert!(storage.is_idle());
    }

    #[test]
    fn standalone_writes_are_repeated_until_they_succeed_before_later_ones() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        let (first, second) = (Write::meta("a", "1"), Write::meta("b", "2"));
        storage.add_standalone([first.clone()]);
        let writes = storage.take_standalone().unwrap();
        storage.begin(1, Purpose::Standalone(writes));
        storage.add_standalone([second.clone()]);
        assert!(storage.has_standalone());
        storage.end(1, &Err(failure(false)), Tick(0), &mut rng);
        assert_eq!(storage.take_standalone().unwrap(), [first, second]);
        assert!(!storage.has_standalone());
    }

    #[test]
    fn a_failure_waits_unless_a_person_asks() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        storage.begin(1, Purpose::Append);
        storage.end(1, &Err(failure(false)), Tick(0), &mut rng);
        assert!(!storage.may_write(Tick(0)) && storage.poll_timeout(Tick(0)).is_some());
        assert!(storage.may_read(Tick(0)));
        storage.retry_now();
        assert!(storage.may_write(Tick(0)) && storage.poll_timeout(Tick(0)).is_none());
    }

    #[test]
    fn waits_after_failures_grow_to_fifteen_seconds_and_end_with_a_success() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        let mut waits = Vec::new();
        for txn in 0..40 {
            storage.begin(txn, Purpose::Append);
            storage.end(txn, &Err(failure(false)), Tick(0), &mut rng);
            waits.push(storage.poll_timeout(Tick(0)).unwrap().0);
        }
        assert!(waits[0] <= 1_000 && waits.iter().all(|wait| *wait <= 15_000), "{waits:?}");
        assert!(*waits.iter().max().unwrap() > 8_000, "{waits:?}");
        storage.begin(99, Purpose::Append);
        storage.end(99, &Ok(()), Tick(0), &mut rng);
        assert!(storage.may_write(Tick(0)));
    }

    #[test]
    fn f08_the_failure_is_shown_until_something_succeeds() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        storage.begin(1, Purpose::Append);
        storage.end(1, &Err(failure(true)), Tick(0), &mut rng);
        assert!(storage.error().unwrap().1.contains("no room"));
        storage.begin(2, Purpose::Append);
        storage.end(2, &Ok(()), Tick(0), &mut rng);
        assert_eq!(storage.error(), None);
    }

    #[test]
    fn a_read_that_is_not_the_last_one_changes_nothing() {
        let (mut storage, mut rng) = (Storage::default(), Rng(1));
        storage.begin_load(1);
        storage.begin_load(2);
        assert!(!storage.end_load(1, None, Tick(0), &mut rng) && storage.is_loading());
        assert!(storage.end_load(2, Some(&failure(false)), Tick(0), &mut rng));
        assert!(!storage.may_read(Tick(0)) && storage.may_write(Tick(0)));
    }
}
