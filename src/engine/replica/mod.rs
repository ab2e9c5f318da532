//! The replica: what the device knows of each item that something is going on with. Items at rest are not in memory; the
//! database has them.
//!
//! ```text
//!  records ──► effects.rs ──► items ──┬── quiet ──► checkpoint.rs ──► values, rows, trimming
//!              (item.rs)              └── quiet ──► choice.rs ──────► operations of a push
//! ```
//!
//! # Invariants
//!
//! 1. Records are the only inputs that change an item's value; switches act on what is written, chosen and shown.
//! 2. An item leaves memory only at rest: nothing to write, to send, to decide or to keep for a record.
//! 3. Each item has a debounce of its own, restarted by each edit and bounded by `maxWaitMs`.
//! 4. An item is in at most one open transaction.
//! 5. A record is let go once each of its items is in its store and, where it needs one, its row, and what it left open is
//!    answered or marked in the row.
//! 6. Operations are chosen in the order of their items' first unanswered edits.
//! 7. An item that is being sent, is in conflict or is not quiet is not chosen.
//! 8. Changes that stay on the device are not chosen. Of a slice that is not sent, only deletions of items that the server
//!    has are chosen.

mod checkpoint;
mod choice;
mod debounce;
mod effects;
mod item;
mod view;

pub use checkpoint::{Urgency, ValueWrite};
pub use choice::Room;
pub use effects::{Applied, ChangedItems, Edits, Effects, ParsedRecord};
pub use item::{Edit, Effect, Item, Update};
pub use view::Answered;

use crate::bridge::config::{Slice, Slices};
use crate::bridge::from_worker::Progress;
use crate::bridge::unsent::UnsentState;
use crate::json::Json;
use crate::store::{ItemRow, Key, Loaded, Wanted};
use crate::units::{Position, Tick};
use checkpoint::Batch;
use debounce::Debounce;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// An item and where it is on its way.
#[derive(Debug, Default)]
struct Entry {
    item: Item,
    /// The push under way brings a value of it.
    is_sent: bool,
    /// Edits count as quiet from then on.
    quiet_at: Tick,
    /// When the first edit came that is not checkpointed.
    first_changed_at: Option<Tick>,
    /// The value, and the row, are not written as they are.
    value_is_dirty: bool,
    row_is_dirty: bool,
    is_in_transaction: bool,
    /// The row that is on disk, where there is one.
    row: Option<RowOnDisk>,
    /// The row marks what is open, so that the journal can let go.
    marks_open: bool,
    /// The records that wait for the item, ascending.
    holds: Vec<Position>,
    /// The newest position that is in the store and the row.
    durable_position: Position,
}

/// The part of a row on disk that decides about writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RowOnDisk {
    /// It has the value, because the slice is disabled.
    is_held: bool,
    marks_open: bool,
}

impl Entry {
    fn load(value: Option<Json>, row: Option<ItemRow>) -> Self {
        let on_disk = row.as_ref().map(|row| RowOnDisk {
            is_held: row.local.is_some(),
            marks_open: row.open.is_some_and(|open| open.0 > 0),
        });
        let item = Item::load(value, row);
        Entry {
            durable_position: item.position(),
            marks_open: on_disk.is_some_and(|row| row.marks_open),
            row: on_disk,
            item,
            ..Entry::default()
        }
    }

    fn is_held(&self) -> bool {
        self.row.is_some_and(|row| row.is_held)
    }

    fn is_dirty(&self) -> bool {
        self.value_is_dirty || self.row_is_dirty
    }

    /// Returns true if the slice's store has something else than a reader sees.
    fn is_newer_than_store(&self) -> bool {
        self.value_is_dirty || self.is_in_transaction || self.is_held()
    }

    /// Returns true if the server is to get a change of it, now or once something is out of the way.
    fn is_unsent(&self, slice: &str, slices: &Slices) -> bool {
        self.item.is_open() && is_for_server(&self.item, slice, slices)
    }

    fn is_at_rest(&self, key: &Key, slices: &Slices) -> bool {
        !self.is_dirty()
            && !self.is_in_transaction
            && !self.is_sent
            && !self.is_held()
            && self.holds.is_empty()
            && !self.item.is_in_conflict()
            && self.item.refused().is_empty()
            && !self.item.may_differ_at_server()
            && !self.is_unsent(&key.slice, slices)
    }

    /// The state of an item that only this device has as it is; nothing if the server has it.
    fn unsent_state(&self, key: &Key, slices: &Slices) -> Option<UnsentState> {
        let is_disabled = slices.get(&key.slice).is_some_and(|slice| !slice.enabled);
        if self.item.is_in_conflict() {
            Some(UnsentState::Conflict)
        } else if self.is_sent {
            Some(UnsentState::Sending)
        } else if self.is_unsent(&key.slice, slices) {
            Some(if is_disabled { UnsentState::Held } else { UnsentState::Open })
        } else if self.item.refused().is_empty() {
            None
        } else {
            Some(UnsentState::Rejected)
        }
    }

    fn progress(&self, key: &Key, slices: &Slices) -> Progress {
        if self.item.is_in_conflict() {
            return Progress::Conflict;
        }
        if self.item.is_kept_refused() {
            return Progress::Rejected;
        }
        let newer = self.value_is_dirty;
        match self.is_sent {
            true if !newer => Progress::Sending,
            false if !newer && !self.is_unsent(&key.slice, slices) && !self.is_held() => Progress::Synced,
            _ => Progress::Local,
        }
    }
}

/// Returns true if changes of an item are for the server. Of a slice that is not sent, only deletions of what the
/// server has are.
fn is_for_server(item: &Item, slice: &str, slices: &Slices) -> bool {
    slices.syncs(slice) || (item.local().is_none() && item.version().is_some())
}

/// Returns true if changes of an item leave the device now: those of a disabled slice wait until it is enabled.
fn leaves(item: &Item, slice: &str, slices: &Slices) -> bool {
    slices.get(slice).is_some_and(|slice| slice.enabled) && is_for_server(item, slice, slices)
}

#[derive(Debug, Default)]
pub struct Replica {
    entries: BTreeMap<Key, Entry>,
    debounce: Debounce,
    /// Items with an unanswered edit that are neither sent nor in conflict, by that edit.
    outbox: BTreeSet<(Position, Key)>,
    /// The place of each in the outbox.
    places: BTreeMap<Key, Position>,
    conflicts: BTreeSet<Key>,
    refusals: BTreeSet<Key>,
    /// Rows on disk that only keep a replay from repeating what is done, up to their position.
    replay_guards: BTreeMap<Key, Position>,
    /// Slices of which every item is to stay in memory, and whether all are here yet.
    fully_loaded: BTreeMap<Rc<str>, bool>,
    batches: BTreeMap<u64, Batch>,
    /// Items that the server has answered since they were written.
    answered: BTreeSet<Key>,
    /// Items whose progress pages have not been told.
    touched: BTreeSet<Key>,
    /// The list of refusals is another than pages were told of.
    refusals_changed: bool,
    /// The list of conflicts is another than pages were told of.
    conflicts_changed: bool,
}

impl Replica {
    /// Takes up an item that was read. Returns the text of its row where that cannot be read: the item is taken up without.
    pub fn load(&mut self, loaded: Loaded) -> Option<String> {
        let Loaded { key, value, row: text } = loaded;
        let row = text.as_deref().and_then(ItemRow::read);
        let unreadable = text.filter(|_| row.is_none());
        if self.entries.contains_key(&key) {
            // The item in memory is newer.
            return unreadable;
        }
        let entry = Entry::load(value, row);
        let is_guard = !entry.item.needs_row() && !entry.is_held() && !entry.marks_open;
        if entry.row.is_some() && is_guard {
            self.replay_guards.insert(key.clone(), entry.item.position());
        }
        self.entries.insert(key.clone(), entry);
        self.index(&key);
        unreadable
    }

    /// The value that a reader sees, of an item in memory.
    pub fn visible(&self, key: &Key) -> Option<&Json> {
        self.entries.get(key)?.item.local()
    }

    /// Looks through an item after any change of it, and forgets it at rest.
    fn reindex_or_evict(&mut self, key: &Key, slices: &Slices) {
        self.index(key);
        self.evict_if_idle(key, slices);
    }

    /// Keeps the indexes in step with an item.
    fn index(&mut self, key: &Key) {
        let entry = self.entries.get(key);
        let place = entry
            .filter(|entry| !entry.is_sent && !entry.item.is_in_conflict() && entry.item.is_open())
            .and_then(|entry| entry.item.first_edit());
        let before = match place {
            Some(place) => self.places.insert(key.clone(), place),
            None => self.places.remove(key),
        };
        if before != place {
            if let Some(before) = before {
                self.outbox.remove(&(before, key.clone()));
            }
            if let Some(place) = place {
                self.outbox.insert((place, key.clone()));
            }
        }
        let mark = |set: &mut BTreeSet<Key>, is_in: bool| match is_in {
            true => set.insert(key.clone()),
            false => set.remove(key),
        };
        mark(&mut self.conflicts, entry.is_some_and(|entry| entry.item.is_in_conflict()));
        mark(&mut self.refusals, entry.is_some_and(|entry| !entry.item.refused().is_empty()));
        self.touched.insert(key.clone());
    }

    /// Forgets every item at rest.
    pub fn evict_all_idle(&mut self, slices: &Slices) {
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        self.evict_idle(&keys, slices);
    }

    /// The progress of items that are being sent is another.
    pub fn touch_sent<'a>(&mut self, operations: impl IntoIterator<Item = &'a crate::store::Operation>) {
        self.touched.extend(operations.into_iter().map(crate::store::Operation::key));
    }

    /// Returns true if items wait to be written or to be sent.
    pub fn is_working(&self) -> bool {
        !self.outbox.is_empty() || self.debounce.next().is_some()
    }

    /// Forgets items that were only read.
    pub fn evict_idle<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>, slices: &Slices) {
        for key in keys {
            self.evict_if_idle(key, slices);
        }
    }

    fn evict_if_idle(&mut self, key: &Key, slices: &Slices) {
        let idle = self.entries.get(key).is_some_and(|entry| entry.is_at_rest(key, slices));
        if idle && !self.fully_loaded.contains_key(&key.slice) {
            self.entries.remove(key);
            self.answered.remove(key);
            if let Some(place) = self.places.remove(key) {
                self.outbox.remove(&(place, key.clone()));
            }
        }
    }

    /// Keeps every item of the slice from now on, until [`Replica::release_slice`]; with `all`, every one is here.
    pub fn keep_slice(&mut self, slice: &Rc<str>, all: bool) {
        self.fully_loaded.insert(slice.clone(), all);
    }

    pub fn is_fully_loaded(&self, slice: &str) -> bool {
        self.fully_loaded.get(slice) == Some(&true)
    }

    pub fn release_slice(&mut self, slice: &str, slices: &Slices) {
        if self.fully_loaded.remove(slice).is_some() {
            for key in self.keys_in(slice) {
                self.evict_if_idle(&key, slices);
            }
        }
    }

    /// The slices that are fully loaded.
    pub fn loaded_slices(&self) -> Vec<Rc<str>> {
        self.fully_loaded.iter().filter(|(_, all)| **all).map(|(slice, _)| slice.clone()).collect()
    }

    fn in_slice(&self, slice: &str) -> impl Iterator<Item = (&Key, &Entry)> {
        let from = Key::new(slice, "");
        let slice = from.slice.clone();
        self.entries.range(from..).take_while(move |(key, _)| key.slice == slice)
    }

    fn keys_in(&self, slice: &str) -> Vec<Key> {
        self.in_slice(slice).map(|(key, _)| key.clone()).collect()
    }

    /// Items of a slice whose visible value is not what the store has.
    pub fn newer_than_store(&self, slice: &str) -> Vec<(Key, Option<Json>)> {
        let newer = self.in_slice(slice).filter(|(_, entry)| entry.is_newer_than_store());
        newer.map(|(key, entry)| (key.clone(), entry.item.local().cloned())).collect()
    }

    /// Takes a slice's new settings into account; `before` are the former ones.
    pub fn configure(&mut self, name: &str, before: Option<&Slice>, slice: &Slice, now: Tick) {
        for key in self.keys_in(name) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if entry.quiet_at > now
                && let Some(first_changed_at) = entry.first_changed_at
            {
                let edited =
                    before.map_or(now, |before| Tick(entry.quiet_at.0.saturating_sub(before.debounce_ms)));
                entry.quiet_at =
                    edited.plus(slice.debounce_ms).min(first_changed_at.plus(slice.max_wait_ms)).max(now);
                self.debounce.set(&key, entry.quiet_at);
            }
            if slice.enabled && entry.is_held() {
                entry.value_is_dirty = true;
                entry.row_is_dirty = true;
                self.debounce.set(&key, now);
            }
            self.touched.insert(key);
        }
    }

    /// Nothing waits for quiet any longer.
    pub fn retry_now(&mut self, now: Tick) {
        for entry in self.entries.values_mut() {
            entry.quiet_at = entry.quiet_at.min(now);
        }
        let waiting: Vec<Key> = self.debounce.after(now).cloned().collect();
        for key in waiting {
            self.debounce.expire(&key, now);
        }
    }

    /// How many items wait to fall quiet.
    pub fn waiting(&self) -> usize {
        self.entries.values().filter(|entry| entry.first_changed_at.is_some()).count()
    }

    /// Returns true if an item has an unanswered edit and is neither sent nor in conflict.
    pub fn is_in_outbox(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }
}

/// Returns the stores and keys to read for these items.
pub fn wanted<'a>(keys: impl IntoIterator<Item = &'a Key>, slices: &Slices) -> Vec<Wanted> {
    let of = |key: &Key| Some(Wanted { key: key.clone(), store: slices.get(&key.slice)?.store.clone() });
    let mut wanted: Vec<Wanted> = keys.into_iter().filter_map(of).collect();
    wanted.sort_by(|one, other| one.store.cmp(&other.store));
    wanted
}

#[cfg(test)]
mod tests;
