//! Checkpoints: items are written as they are, the value to the slice's store and what else must be known to a row, and
//! what the journal no longer needs goes, in one transaction.

use super::{Entry, Replica, RowOnDisk};
use crate::bridge::config::{DEFAULT_BATCH_SIZE, Slice, Slices};
use crate::collect;
use crate::engine::clock::Now;
use crate::engine::journal::Journal;
use crate::store::{ITEMS, ItemRow, Key, Operation, RowKey, Write};
use crate::units::{Position, Tick};
use std::collections::BTreeMap;

/// The most transactions at a time.
const MAX_OPEN: usize = 4;
/// The most transactions while a push is under way: the writes for the push wait behind them.
const MAX_OPEN_WHILE_PUSHING: usize = 1;
/// More items than this are a backlog: more than ten batches.
const BACKLOG: usize = 10 * DEFAULT_BATCH_SIZE;
/// The size of a transaction that works a backlog off, or writes what the server changed.
const LARGE_BATCH: usize = 500;
/// A transaction takes no further item beyond this, in bytes of values.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Items that are due wait so long for pushes that are under way, in ms.
const MAX_DELAY_MS: u64 = 5_000;

/// How soon items that are due are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Now,
    /// After the pushes that are under way: writes for these pushes would wait behind. Meanwhile the journal has all changes.
    AfterPushes,
    /// As before, but for many that are answered: while the server works on the next push, the database has nothing to do.
    BesidePush,
}

impl Urgency {
    /// Returns the latest due time of the items that are written at `now`.
    fn due_by(self, now: Tick) -> Option<Tick> {
        match self {
            Urgency::Now => Some(now),
            Urgency::AfterPushes | Urgency::BesidePush => now.0.checked_sub(MAX_DELAY_MS).map(Tick),
        }
    }
}

/// The items of an open transaction.
#[derive(Debug)]
pub struct Batch {
    items: Vec<Written>,
    /// The guards that go, with their positions.
    replay_guards: BTreeMap<Key, Position>,
    /// The journal is trimmed up to here.
    through: Option<Position>,
    begun_at: Tick,
}

/// An item as it is written.
#[derive(Debug)]
struct Written {
    key: Key,
    /// How its value is written; none where it is not.
    value: Option<ValueWrite>,
    position: Position,
    /// Records up to here need not wait for it any longer.
    releases: Position,
    row: Option<RowOnDisk>,
    /// The row says nothing but its position.
    is_guard: bool,
    first_changed_at: Option<Tick>,
}

/// How a checkpoint writes a value to its slice's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueWrite {
    Put,
    Delete,
}

/// A checkpoint that has ended.
#[derive(Debug, Default)]
pub struct Checkpointed {
    pub begun_at: Tick,
    /// Its items, with what happened to their values.
    pub items: Vec<(Key, Option<ValueWrite>)>,
    /// Records that wait for one item less, one entry for each.
    pub released: Vec<Position>,
    pub through: Option<Position>,
}

impl Replica {
    /// The next transaction, if items are due and another one may be open.
    pub fn start_checkpoint(
        &mut self,
        txn: u64,
        urgency: Urgency,
        now: Now,
        slices: &Slices,
        journal: &Journal,
    ) -> Option<Vec<Write>> {
        let most = if urgency == Urgency::Now { MAX_OPEN } else { MAX_OPEN_WHILE_PUSHING };
        if self.batches.len() >= most {
            return None;
        }
        let due_by = urgency.due_by(now.tick);
        let mut keys =
            due_by.map_or_else(Vec::new, |due_by| self.batch_of(self.debounce.due(due_by), slices));
        if keys.is_empty() && urgency == Urgency::BesidePush && self.answered.len() >= LARGE_BATCH {
            let is_due = |key: &&Key| self.debounce.is_due(key, now.tick);
            keys = self.batch_of(self.answered.iter().filter(is_due), slices);
        }
        let slice = slices.get(&keys.first()?.slice)?;
        let through = self.trimmed_with(&keys, slices, journal);
        let mut writes = Vec::new();
        let (mut items, mut replay_guards) = (Vec::new(), BTreeMap::new());
        for key in keys {
            self.debounce.remove(&key);
            self.answered.remove(&key);
            let is_guarded = self.replay_guards.contains_key(&key);
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            items.push(entry.write(key, slice, slices, (through, is_guarded), &mut writes));
        }
        if let Some(through) = through {
            journal.write_trim(through, now.at, &mut writes);
            replay_guards = self.drop_guards(through, &items, &mut writes);
        }
        self.batches.insert(txn, Batch { items, replay_guards, through, begun_at: now.tick });
        Some(writes)
    }

    /// A transaction that does nothing but trim, if something can go and no checkpoint is open.
    pub fn start_trim(&mut self, txn: u64, now: Now, journal: &Journal) -> Option<Vec<Write>> {
        let through = journal.trimmable(&BTreeMap::new()).filter(|_| self.batches.is_empty())?;
        let mut writes = Vec::new();
        journal.write_trim(through, now.at, &mut writes);
        let replay_guards = self.drop_guards(through, &[], &mut writes);
        let batch = Batch { items: Vec::new(), replay_guards, through: Some(through), begun_at: now.tick };
        self.batches.insert(txn, batch);
        Some(writes)
    }

    /// How far the journal can be trimmed in a transaction that writes these items. One at a time trims: pages' marks
    /// must not go back.
    fn trimmed_with(&self, keys: &[Key], slices: &Slices, journal: &Journal) -> Option<Position> {
        if self.batches.values().any(|batch| batch.through.is_some()) {
            return None;
        }
        let mut releases: BTreeMap<Position, usize> = BTreeMap::new();
        for (key, entry) in keys.iter().filter_map(|key| Some((key, self.entries.get(key)?))) {
            let through = entry.releases(&key.slice, slices, entry.marks_open);
            for position in entry.holds.iter().take_while(|position| **position <= through) {
                *releases.entry(*position).or_default() += 1;
            }
        }
        journal.trimmable(&releases)
    }

    /// Rows that only guarded a replay go with the records. Not those of items that are being written.
    fn drop_guards(
        &mut self,
        through: Position,
        items: &[Written],
        writes: &mut Vec<Write>,
    ) -> BTreeMap<Key, Position> {
        let is_busy = |key: &Key| {
            items.iter().any(|written| written.key == *key)
                || self.entries.get(key).is_some_and(|entry| entry.is_in_transaction || entry.is_dirty())
        };
        let over = self.replay_guards.iter().filter(|(key, position)| **position <= through && !is_busy(key));
        let over = collect::map(over.map(|(key, position)| (key.clone(), *position)));
        for key in over.keys() {
            writes.push(Write::delete(ITEMS, RowKey::Item(key.clone())));
            self.replay_guards.remove(key);
        }
        over
    }

    /// The guards of a transaction that ended are gone, or are there still.
    fn end_guards(&mut self, replay_guards: BTreeMap<Key, Position>, succeeded: bool) {
        if !succeeded {
            self.replay_guards.extend(replay_guards);
            return;
        }
        for key in replay_guards.keys() {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.row = None;
            }
        }
    }

    /// A transaction has ended.
    pub fn end_checkpoint(
        &mut self,
        txn: u64,
        succeeded: bool,
        now: Tick,
        slices: &Slices,
    ) -> Option<Checkpointed> {
        let batch = self.batches.remove(&txn)?;
        self.end_guards(batch.replay_guards, succeeded);
        let mut ended = Checkpointed { begun_at: batch.begun_at, ..Checkpointed::default() };
        for written in batch.items {
            if let Some(entry) = self.entries.get_mut(&written.key) {
                entry.is_in_transaction = false;
                if succeeded {
                    ended.released.extend(entry.stored(&written));
                } else {
                    entry.write_again(&written);
                    self.debounce.set(&written.key, now);
                }
                let is_enabled = slices.get(&written.key.slice).is_some_and(|slice| slice.enabled);
                if is_enabled && written.row.is_some_and(|row| row.is_held) {
                    // The slice was enabled meanwhile: the value belongs into its store.
                    (entry.value_is_dirty, entry.row_is_dirty) = (true, true);
                    self.debounce.set(&written.key, now);
                }
            }
            if succeeded {
                match written.is_guard && written.row.is_some() {
                    true => drop(self.replay_guards.insert(written.key.clone(), written.position)),
                    false => drop(self.replay_guards.remove(&written.key)),
                }
            }
            self.reindex_or_evict(&written.key, slices);
            ended.items.push((written.key, written.value));
        }
        ended.through = batch.through.filter(|_| succeeded);
        Some(ended)
    }

    /// Lets records go that wait for items of a slice (of every slice, where none is named) though those are written: a
    /// switch or a start has changed what is waited for. A mark counts once it is on disk. One entry for each record and
    /// item.
    pub fn release_written(&mut self, slice: Option<&str>, slices: &Slices) -> Vec<Position> {
        let mut released = Vec::new();
        for (key, entry) in &mut self.entries {
            if slice.is_none_or(|slice| *key.slice == *slice) {
                let is_marked = entry.row.is_some_and(|row| row.marks_open);
                let through = entry.releases(&key.slice, slices, is_marked).min(entry.durable_position);
                released.extend(entry.release(through));
            }
        }
        released
    }

    /// Adds the writes that put every item in memory into a new database. The operations in `sent` may have arrived.
    pub fn rescue(&mut self, sent: &[Operation], slices: &Slices, writes: &mut Vec<Write>) {
        for operation in sent {
            if let Some(entry) = self.entries.get_mut(&operation.key()) {
                entry.item.may_have_arrived(&operation.value);
            }
        }
        for (key, entry) in &self.entries {
            let Some(slice) = slices.get(&key.slice) else { continue };
            if let Some(local) = entry.item.local().filter(|_| slice.enabled) {
                writes.push(Write::put(&slice.store, RowKey::Text(key.id.clone()), local.clone()));
            }
            let row = entry.item.row(!slice.enabled, true);
            writes.push(Write::put(ITEMS, RowKey::Item(key.clone()), row.to_json()));
        }
    }

    /// When the next item is to be written. One that is due and not begun waits for a transaction, not for a time.
    pub fn next_due(&self, urgency: Urgency, now: Tick) -> Option<Tick> {
        match urgency {
            Urgency::Now => self.debounce.next_after(now),
            Urgency::AfterPushes | Urgency::BesidePush => {
                let before = urgency.due_by(now).unwrap_or_default();
                Some(self.debounce.next_after(before)?.plus(MAX_DELAY_MS))
            }
        }
    }

    /// Returns true if every edit up to `position` is in its store or, for a disabled slice, its row.
    pub fn is_written_through(&self, position: Position) -> bool {
        let waits = |entry: &Entry| {
            let unwritten = |held: &Position| *held > entry.durable_position && *held <= position;
            (entry.value_is_dirty || entry.is_in_transaction) && entry.holds.iter().any(unwritten)
        };
        !self.entries.values().any(waits)
    }

    /// Returns true if all that records up to `position` did is in stores and rows.
    pub fn is_stored_through(&self, position: Position) -> bool {
        let waits = |entry: &Entry| {
            let unwritten = |held: &Position| *held > entry.durable_position && *held <= position;
            (entry.is_dirty() || entry.is_in_transaction) && entry.holds.iter().any(unwritten)
        };
        !self.entries.values().any(waits)
    }

    /// Items of one slice out of those that are due, at most as many as a transaction takes: either edited ones, or ones that
    /// the server changed.
    fn batch_of<'a>(&'a self, due: impl Iterator<Item = &'a Key>, slices: &Slices) -> Vec<Key> {
        let loses_guard =
            |key: &Key| self.batches.values().any(|batch| batch.replay_guards.contains_key(key));
        let free = |key: &&Key| {
            let entry = self.entries.get(*key);
            entry.is_some_and(|entry| !entry.is_in_transaction && entry.is_dirty()) && !loses_guard(key)
        };
        let is_edited =
            |key: &Key| self.entries.get(key).is_some_and(|entry| entry.first_changed_at.is_some());
        let mut due = due.filter(free);
        let Some(first) = due.next() else { return Vec::new() };
        let edited = is_edited(first);
        let given = slices.get(&first.slice).and_then(|slice| slice.batch_size).filter(|_| edited);
        let alike = due.filter(|key| key.slice == first.slice && is_edited(key) == edited);
        let mut keys: Vec<Key> =
            std::iter::once(first).chain(alike).take(given.unwrap_or(LARGE_BATCH)).cloned().collect();
        if edited && given.is_none() && keys.len() <= BACKLOG {
            keys.truncate(DEFAULT_BATCH_SIZE);
        }
        let mut bytes = 0;
        let full = keys.iter().position(|key| {
            let before = bytes;
            bytes += self.visible(key).map_or(0, |value| value.len());
            before > 0 && bytes > MAX_BATCH_BYTES
        });
        keys.truncate(full.unwrap_or(keys.len()));
        keys
    }
}

impl Entry {
    /// The newest record that need not wait any longer, once the item is written as it is; `is_marked`: with a row that marks
    /// what is open.
    fn releases(&self, slice: &str, slices: &Slices, is_marked: bool) -> Position {
        let position = self.item.position();
        let is_unsent = !self.item.is_in_conflict() && self.is_unsent(slice, slices);
        let waits = is_unsent && !is_marked;
        match self.item.first_edit().filter(|_| waits) {
            Some(first) => position.min(first.previous()),
            None => position,
        }
    }

    /// Adds what writes the item. A guard is needed where the journal is not trimmed past the item.
    fn write(
        &mut self,
        key: Key,
        slice: &Slice,
        slices: &Slices,
        (through, is_guarded): (Option<Position>, bool),
        writes: &mut Vec<Write>,
    ) -> Written {
        let holds = !slice.enabled;
        self.marks_open |= holds;
        let releases = self.releases(&key.slice, slices, self.marks_open);
        let mut value = None;
        if !holds && (self.value_is_dirty || self.is_held()) {
            let id = RowKey::Text(key.id.clone());
            (value, _) = match self.item.local() {
                Some(local) => {
                    (Some(ValueWrite::Put), writes.push(Write::put(&slice.store, id, local.clone())))
                }
                None => (Some(ValueWrite::Delete), writes.push(Write::delete(&slice.store, id))),
            };
        }
        let position = self.item.position();
        let marks_open = self.marks_open;
        let row_key = RowKey::Item(key.clone());
        let is_guard = !holds && !self.item.needs_row();
        let must_guard = through.is_none_or(|through| position > through)
            && (self.item.needs_guard() || self.row.is_some());
        let row = if !is_guard {
            let row = self.item.row(holds, marks_open);
            writes.push(Write::put(ITEMS, row_key, row.to_json()));
            Some(RowOnDisk { is_held: holds, marks_open: row.open.is_some_and(|open| open.0 > 0) })
        } else if marks_open && self.is_unsent(&key.slice, slices) {
            let row = self.item.row(false, true);
            writes.push(Write::put(ITEMS, row_key, row.to_json()));
            Some(RowOnDisk { is_held: false, marks_open: true })
        } else if must_guard {
            writes.push(Write::put(ITEMS, row_key, ItemRow { position, ..ItemRow::default() }.to_json()));
            Some(RowOnDisk::default())
        } else {
            if self.row.is_some() || is_guarded {
                writes.push(Write::delete(ITEMS, row_key));
            }
            None
        };
        let is_guard = is_guard && row.is_some_and(|row| !row.marks_open);
        self.is_in_transaction = true;
        (self.value_is_dirty, self.row_is_dirty) = (false, false);
        let first_changed_at = self.first_changed_at.take();
        Written { key, value, position, releases, row, is_guard, first_changed_at }
    }

    /// The transaction is durable; the records that need not wait for the item any longer.
    fn stored(&mut self, stored: &Written) -> Vec<Position> {
        self.durable_position = stored.position;
        self.row = stored.row;
        self.release(stored.releases)
    }

    fn release(&mut self, through: Position) -> Vec<Position> {
        let kept = self.holds.iter().position(|held| *held > through).unwrap_or(self.holds.len());
        self.holds.drain(..kept).collect()
    }

    /// The transaction failed: it is written again, and what came after stays on top.
    fn write_again(&mut self, failed: &Written) {
        self.value_is_dirty |= failed.value.is_some() || failed.first_changed_at.is_some();
        self.row_is_dirty = true;
        self.first_changed_at = failed.first_changed_at.or(self.first_changed_at);
    }
}
