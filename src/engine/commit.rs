//! Committing: items that fell quiet go to their slice's object store, their outbox rows with them, in one
//! transaction. An item is in at most one open transaction.

use super::entropy::Entropy;
use super::items::{Items, Pending};
use super::journal::Journal;
use super::outbox::Outbox;
use crate::bridge::config::{DEFAULT_BATCH_SIZE, Slice, Slices};
use crate::store::{CONFLICTS, ConflictRow, Key, OUTBOX, OutboxRow, RowKey, SYNC, Write};
use crate::table::Table;
use std::rc::Rc;

/// The most transactions at a time.
const MAX_OPEN: usize = 4;
/// More items than this are a backlog: more than ten batches.
const BACKLOG: usize = 10 * DEFAULT_BATCH_SIZE;
/// The size of a transaction that works a backlog off.
const BACKLOG_BATCH_SIZE: usize = 500;
/// A transaction takes no further item beyond this, in bytes of values.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The items of an open transaction.
#[derive(Debug)]
pub struct Batch {
    keys: Vec<Key>,
    /// What becomes of outbox rows: `None` removes.
    outbox: Vec<(Key, u64, Option<OutboxRow>)>,
    trimmed: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Committer {
    open: Table<u64, Batch>,
}

impl Committer {
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The next transaction, if items are due.
    #[allow(clippy::too_many_arguments)] // the sub-machines that a commit touches
    pub fn start(
        &mut self,
        txn: u64,
        now: u64,
        items: &mut Items,
        slices: &Slices,
        outbox: &mut Outbox,
        conflicts: &mut Table<Key, ConflictRow>,
        journal: &Journal,
        entropy: &mut Entropy,
    ) -> Option<Vec<Write>> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        let keys = next_batch(now, items, slices);
        let slice = slices.get(&keys.first()?.slice)?.clone();
        let mut writes = Vec::new();
        let mut batch = Batch { keys, outbox: Vec::new(), trimmed: None };
        let mut positions: Table<u64, usize> = Table::default();
        for key in &batch.keys {
            items.debounce.remove(key);
            let item = items.change(key);
            let Some(pending) = item.pending.take() else { continue };
            for position in &pending.positions {
                *positions.or_insert_with(*position, || 0) += 1;
            }
            let id = RowKey::Text(key.id.clone());
            writes.push(match &pending.value {
                Some(value) => Write::put(&slice.store, id, value.clone()),
                None => Write::delete(&slice.store, id),
            });
            if let Some(conflict) = conflicts.get_mut(key) {
                conflict.local = pending.value.clone();
                conflict.local_at = pending.at;
                conflict.id = entropy.id();
                writes.push(Write::put(CONFLICTS, RowKey::Item(key.clone()), conflict.to_json()));
            } else if slice.sync_to_flask {
                if item.unsent.is_none() && item.in_flight.is_none() {
                    // The first local change on what the server has: what it has now is the base.
                    if let Some(sync) = &mut item.sync {
                        sync.base = sync.base.take().or_else(|| item.stored.clone());
                        writes.push(Write::put(SYNC, RowKey::Item(key.clone()), sync.to_json()));
                    }
                }
                let row = OutboxRow {
                    slice: key.slice.clone(),
                    id: key.id.clone(),
                    value: pending.value.clone(),
                    at: pending.at,
                    position: pending.positions.last().copied().unwrap_or(0),
                };
                // What the server never saw and no longer exists needs no telling.
                let needless = row.value.is_none() && item.sync.is_none() && item.in_flight.is_none();
                match (needless, item.unsent) {
                    (true, None) => {}
                    (true, Some(seq)) => {
                        writes.push(Write::delete(OUTBOX, RowKey::Number(seq)));
                        batch.outbox.push((key.clone(), seq, None));
                    }
                    (false, unsent) => {
                        let seq = unsent.unwrap_or_else(|| outbox.number());
                        writes.push(Write::put(OUTBOX, RowKey::Number(seq), row.to_json()));
                        batch.outbox.push((key.clone(), seq, Some(row)));
                    }
                }
            }
            item.committing = Some(pending);
        }
        // One that is open and trims may go further than this one would: the marks must not be put back.
        if !self.open.values().any(|open| open.trimmed.is_some()) {
            journal.trim(now, &positions, &mut writes);
            batch.trimmed = trim_of(&writes);
        }
        self.open.insert(txn, batch);
        Some(writes)
    }

    /// A transaction is durable. The items that it wrote.
    pub fn finished(
        &mut self,
        txn: u64,
        items: &mut Items,
        outbox: &mut Outbox,
        journal: &mut Journal,
    ) -> Vec<Key> {
        let Some(batch) = self.open.remove(&txn) else { return Vec::new() };
        for (key, seq, row) in batch.outbox {
            let item = items.change(&key);
            item.unsent = row.is_some().then_some(seq);
            match row {
                Some(row) => outbox.put(seq, row),
                None => drop(outbox.remove(seq)),
            }
        }
        for key in &batch.keys {
            let item = items.change(key);
            if let Some(done) = item.committing.take() {
                journal.committed(done.positions.iter());
                item.stored = done.value;
            }
        }
        if let Some(through) = batch.trimmed {
            journal.trimmed(through);
        }
        batch.keys
    }

    /// A transaction failed: its items are due again, and what came after stays on top.
    pub fn failed(&mut self, txn: u64, now: u64, items: &mut Items) {
        let Some(batch) = self.open.remove(&txn) else { return };
        for key in batch.keys {
            let item = items.change(&key);
            let Some(mut back) = item.committing.take() else { continue };
            item.pending = Some(match item.pending.take() {
                Some(newer) => {
                    back.positions.extend(newer.positions);
                    Pending { positions: back.positions, since: back.since, ..newer }
                }
                None => back,
            });
            items.debounce.set(&key, now);
        }
    }
}

/// How far a transaction trims the journal.
pub fn trim_of(writes: &[Write]) -> Option<u64> {
    writes.iter().find_map(|write| match write {
        Write::Trim { through, .. } => Some(*through),
        _ => None,
    })
}

/// Items of one slice that are due, at most as many as a transaction takes.
fn next_batch(now: u64, items: &Items, slices: &Slices) -> Vec<Key> {
    let free = |key: &&Key| items.get(key).is_some_and(|item| item.committing.is_none());
    let Some(first) = items.debounce.due(now).find(free) else { return Vec::new() };
    let name: Rc<str> = first.slice.clone();
    let of_slice = || items.debounce.due(now).filter(free).filter(|key| key.slice == name);
    let due = of_slice().take(BACKLOG + 1).count();
    let size = slices.get(&name).map_or(DEFAULT_BATCH_SIZE, |slice| batch_size(slice, due));
    let mut bytes = 0;
    let fits = |key: &&Key| {
        let before = bytes;
        bytes += items.get(key).and_then(|item| item.visible()).map_or(0, |value| value.len());
        before == 0 || bytes <= MAX_BATCH_BYTES
    };
    of_slice().take(size).take_while(fits).cloned().collect()
}

fn batch_size(slice: &Slice, due: usize) -> usize {
    match slice.batch_size {
        Some(size) => size,
        None if due > BACKLOG => BACKLOG_BATCH_SIZE,
        None => DEFAULT_BATCH_SIZE,
    }
}
