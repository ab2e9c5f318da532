//! Committing: items that fell quiet go to their slice's object store, their outbox rows with them, in one
//! transaction. An item is in at most one open transaction.

use super::entropy::Entropy;
use super::items::{Item, Items, Pending};
use super::journal::Journal;
use super::outbox::Outbox;
use crate::bridge::config::{DEFAULT_BATCH_SIZE, Slices};
use crate::store::{
    CONFLICTS, ConflictRow, HELD, HeldRow, Key, OUTBOX, OutboxRow, RowKey, SYNC, SyncRow, Write,
};
use crate::table::Table;

/// The most transactions at a time.
const MAX_OPEN: usize = 4;
/// More items than this are a backlog: more than ten batches.
const BACKLOG: usize = 10 * DEFAULT_BATCH_SIZE;
/// The size of a transaction that works a backlog off.
const BACKLOG_BATCH_SIZE: usize = 500;
/// A transaction takes no further item beyond this, in bytes of values.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What becomes of an outbox row: `None` removes it.
type Queued = (Key, u64, Option<OutboxRow>);

/// The items of an open transaction.
#[derive(Debug)]
pub struct Batch {
    pub keys: Vec<Key>,
    /// The slice is disabled: they are kept beside its store.
    held: bool,
    outbox: Vec<Queued>,
    /// Rows being sent that have their value themselves now.
    whole: Vec<(u64, OutboxRow)>,
    /// Items without any other row that would keep a replay from them, which need one, up to these positions.
    guards: Vec<(Key, u64)>,
    trimmed: Option<u64>,
    pub begun_at: u64,
}

#[derive(Debug, Default)]
pub struct Committer {
    open: Vec<(u64, Batch)>,
}

impl Committer {
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub fn batch(&self, txn: u64) -> Option<&Batch> {
        self.open.iter().find(|open| open.0 == txn).map(|(_, batch)| batch)
    }

    /// The next transaction, if items are due. While answers are being stored (`settling`), what they say of an item must
    /// not change under them.
    #[allow(clippy::too_many_arguments)] // the sub-machines that a commit touches
    pub fn start(
        &mut self,
        txn: u64,
        now: u64,
        settling: bool,
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
        let keys = next_batch(now, settling, items, slices);
        let slice = slices.get(&keys.first()?.slice)?.clone();
        let mut writes = Vec::new();
        let mut batch = Batch {
            keys,
            held: !slice.enabled,
            outbox: Vec::new(),
            whole: Vec::new(),
            guards: Vec::new(),
            trimmed: None,
            begun_at: now,
        };
        let mut positions: Table<u64, u64> = Table::default();
        for key in &batch.keys {
            items.debounce.remove(key);
            let item = items.change(key);
            let Some(pending) = item.pending.take() else { continue };
            for position in &pending.positions {
                *positions.or_insert_with(*position, || 0) += 1;
            }
            let item_key = RowKey::Item(key.clone());
            if batch.held {
                let Pending { value, at, position, .. } = &pending;
                let row = HeldRow { value: value.clone(), at: *at, position: *position };
                writes.push(Write::put(HELD, item_key, row.to_json()));
            } else {
                if item.held.is_some() {
                    writes.push(Write::delete(HELD, item_key.clone()));
                }
                // What is being sent is not what the store will have.
                if let Some((seq, row)) = item.in_flight.and_then(|seq| Some((seq, outbox.get(seq)?)))
                    && row.in_store
                {
                    let whole = OutboxRow { in_store: false, ..row.clone() };
                    writes.push(Write::put(OUTBOX, RowKey::Number(seq), whole.to_json()));
                    batch.whole.push((seq, whole));
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
                    writes.push(Write::put(CONFLICTS, item_key, conflict.to_json()));
                }
                // In conflict it sends nothing; but a row that waits behind the conflict stays what the store has.
                if item.unsent.is_some() || !conflicts.contains_key(key) {
                    let row = track(key, item, &pending, slice.sync_to_flask, outbox, &mut writes);
                    // Without a row, or where one goes that kept replays away.
                    let queued = matches!(&row, Some((_, _, Some(_))));
                    if (pending.made || row.is_some()) && !queued && item.sync.is_none() {
                        batch.guards.push((key.clone(), pending.position));
                    }
                    batch.outbox.extend(row);
                }
            }
            item.committing = Some(pending);
        }
        // One that is open and trims may go further than this one would: the marks must not be put back.
        if !self.open.iter().any(|(_, open)| open.trimmed.is_some()) {
            // The settlement decides what becomes of its items' rows in `_sync`; a trim would delete some.
            if !settling {
                journal.trim(now, &positions, &mut writes);
            }
            batch.trimmed = trim_of(&writes);
        }
        let trimmed = batch.trimmed.unwrap_or(0);
        batch.guards.retain(|(_, position)| *position > trimmed && journal.has(*position));
        for (key, position) in &batch.guards {
            let guard = SyncRow { version: None, position: *position, base: None };
            writes.push(Write::put(SYNC, RowKey::Item(key.clone()), guard.to_json()));
        }
        self.open.push((txn, batch));
        Some(writes)
    }

    fn take(&mut self, txn: u64) -> Option<Batch> {
        let at = self.open.iter().position(|open| open.0 == txn)?;
        Some(self.open.swap_remove(at).1)
    }

    /// A transaction is durable. The items that it wrote.
    pub fn finished(
        &mut self,
        txn: u64,
        items: &mut Items,
        outbox: &mut Outbox,
        journal: &mut Journal,
    ) -> Vec<Key> {
        let Some(batch) = self.take(txn) else { return Vec::new() };
        for (seq, row) in batch.whole {
            if outbox.get(seq).is_some() {
                outbox.note(seq, row);
            }
        }
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
                match batch.held {
                    true => item.held = Some(done),
                    false => (item.stored, item.held) = (done.value, None),
                }
            }
        }
        for (key, position) in batch.guards {
            journal.guarded(&key, Some(position));
        }
        if let Some(through) = batch.trimmed {
            journal.trimmed(through);
        }
        batch.keys
    }

    /// A transaction failed: its items are due again, and what came after stays on top.
    pub fn failed(&mut self, txn: u64, now: u64, items: &mut Items) {
        let Some(batch) = self.take(txn) else { return };
        for key in batch.keys {
            let item = items.change(&key);
            let Some(mut back) = item.committing.take() else { continue };
            item.pending = Some(match item.pending.take() {
                Some(newer) => {
                    back.positions.extend(newer.positions);
                    let made = back.made || newer.made;
                    Pending { positions: back.positions, since: back.since, made, ..newer }
                }
                None => back,
            });
            items.debounce.set(&key, now);
        }
    }
}

/// Writes down what a change is to the server: the outbox row of a change that it shall have, and the base of the first
/// change on what it has.
fn track(
    key: &Key,
    item: &mut Item,
    pending: &Pending,
    syncs: bool,
    outbox: &mut Outbox,
    writes: &mut Vec<Write>,
) -> Option<Queued> {
    let item_key = RowKey::Item(key.clone());
    // Of a slice that stays on the device the server hears only that an item is gone.
    let sends = syncs || (pending.value.is_none() && item.sync.is_some());
    let first = item.unsent.is_none() && item.in_flight.is_none();
    if let Some(sync) = item.sync.as_mut().filter(|_| first || !sends) {
        sync.base = sync.base.take().or_else(|| item.stored.clone());
        if !sends {
            sync.position = pending.position;
        }
        writes.push(Write::put(SYNC, item_key, sync.to_json()));
    }
    let sent = item.unsent.and_then(|seq| outbox.get(seq)).map(|row| row.sent.clone()).unwrap_or_default();
    // What the server never saw and no longer exists needs no telling.
    let needless =
        pending.value.is_none() && item.sync.is_none() && item.in_flight.is_none() && sent.is_empty();
    // A row whose change may have reached the server stays, unsent, until the slice goes there again.
    if needless || (!sends && sent.is_empty()) {
        let seq = item.unsent?;
        writes.push(Write::delete(OUTBOX, RowKey::Number(seq)));
        return Some((key.clone(), seq, None));
    }
    let row = OutboxRow {
        slice: key.slice.clone(),
        id: key.id.clone(),
        value: pending.value.clone(),
        in_store: pending.value.is_some(),
        at: pending.at,
        position: pending.position,
        sent,
    };
    let seq = item.unsent.unwrap_or_else(|| outbox.number());
    writes.push(Write::put(OUTBOX, RowKey::Number(seq), row.to_json()));
    Some((key.clone(), seq, Some(row)))
}

/// How far a transaction trims the journal.
pub fn trim_of(writes: &[Write]) -> Option<u64> {
    writes.iter().find_map(|write| match write {
        Write::Trim { through, .. } => Some(*through),
        _ => None,
    })
}

/// Items of one slice that are due, at most as many as a transaction takes.
fn next_batch(now: u64, settling: bool, items: &Items, slices: &Slices) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut given = None;
    for key in items.debounce.due(now) {
        let item = items.get(key);
        let free =
            item.is_some_and(|item| item.committing.is_none() && !(settling && item.in_flight.is_some()));
        if !free || keys.first().is_some_and(|first| first.slice != key.slice) {
            continue;
        }
        if keys.is_empty() {
            given = slices.get(&key.slice).and_then(|slice| slice.batch_size);
        }
        keys.push(key.clone());
        if keys.len() == given.unwrap_or(BACKLOG_BATCH_SIZE) {
            break;
        }
    }
    if given.is_none() && keys.len() <= BACKLOG {
        keys.truncate(DEFAULT_BATCH_SIZE);
    }
    let mut bytes = 0;
    let exceeds = |key: &Key| {
        let before = bytes;
        bytes += items.get(key).and_then(|item| item.visible()).map_or(0, |value| value.len());
        before > 0 && bytes > MAX_BATCH_BYTES
    };
    if let Some(at) = keys.iter().position(exceeds) {
        keys.truncate(at);
    }
    keys
}
