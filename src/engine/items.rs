//! The items that something is going on with: their stored value, what is pending on it, and where it is on its way.
//! An item at rest is not here; the database has it.

use super::debounce::Debounce;
use super::outbox::Outbox;
use crate::bridge::config::{Slice, Slices};
use crate::bridge::down::Progress;
use crate::json::Json;
use crate::store::{Key, Loaded, OutboxRow, SyncRow, Wanted};
use crate::table::{Set, Table};
use std::rc::Rc;

/// A state that an item shall have; `value` is `None` for a deletion.
#[derive(Debug, Clone)]
pub struct Pending {
    pub value: Option<Json>,
    /// When the latest operation in it was made, in epoch ms.
    pub at: u64,
    /// When the first operation in it arrived.
    pub since: u64,
    /// The last journal position that is folded into it.
    pub position: u64,
    /// The journal records that it was made of and that wait for its commit, ascending.
    pub positions: Vec<u64>,
    /// An update made the item. Updates before that one did nothing: replayed on what it made, they would.
    pub made: bool,
}

impl Pending {
    /// When it falls quiet, if nothing comes after what came at `last`.
    pub fn due(&self, last: u64, slice: &Slice) -> u64 {
        (last + slice.debounce_ms).min(self.since + slice.max_wait_ms)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Item {
    /// What the slice's object store has.
    pub stored: Option<Json>,
    /// The item's `_sync` row; `None` where the server does not have the item.
    pub sync: Option<SyncRow>,
    /// Not committed yet: waiting to fall quiet.
    pub pending: Option<Pending>,
    /// In an open transaction.
    pub committing: Option<Pending>,
    /// Kept beside its slice's store while the slice is disabled.
    pub held: Option<Pending>,
    /// The last journal position that took effect on the item, as far as that is known.
    pub position: u64,
    /// The outbox row that can still be replaced.
    pub unsent: Option<u64>,
    /// The outbox row that is being sent, and is never changed.
    pub in_flight: Option<u64>,
}

impl Item {
    /// The value that a reader sees.
    pub fn visible(&self) -> Option<&Json> {
        match self.pending.as_ref().or(self.committing.as_ref()).or(self.held.as_ref()) {
            Some(newer) => newer.value.as_ref(),
            None => self.stored.as_ref(),
        }
    }

    /// Whether the slice's store has something newer than an outbox row that was the latest once.
    fn is_newer_than(&self, row: &OutboxRow) -> bool {
        match row.value {
            Some(_) => !row.in_store,
            None => self.stored.is_some(),
        }
    }

    /// Whether something newer than this row is on its way, or stays here.
    pub fn goes_on_from(&self, row: &OutboxRow) -> bool {
        self.unsent.is_some() || self.is_newer_than_store() || self.is_newer_than(row)
    }

    /// A row that was sent in vain, to be sent again: what is newer in the store takes its place. What is newer than the
    /// store is in neither, so a replay must not skip it.
    pub fn again(&self, row: &OutboxRow) -> OutboxRow {
        let newer = self.is_newer_than(row);
        let value = if newer { self.stored.clone() } else { row.value.clone() };
        let in_store = value.is_some() && (newer || row.in_store);
        let stored = if self.is_newer_than_store() { 0 } else { self.position };
        OutboxRow { value, in_store, position: row.position.max(stored), ..row.clone() }
    }

    /// Whether the slice's store is not what a reader sees.
    fn is_newer_than_store(&self) -> bool {
        self.pending.is_some() || self.committing.is_some() || self.held.is_some()
    }

    fn at_rest(&self) -> bool {
        !self.is_newer_than_store() && self.unsent.is_none() && self.in_flight.is_none()
    }

    fn progress(&self) -> Progress {
        match self.in_flight {
            Some(_) if self.pending.is_none() && self.committing.is_none() && self.unsent.is_none() => {
                Progress::Sending
            }
            _ if self.at_rest() => Progress::Synced,
            _ => Progress::Local,
        }
    }
}

/// What to read for these items.
pub fn wanted(keys: &Set<Key>, slices: &Slices) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for key in keys.keys() {
        if let Some(slice) = slices.get(&key.slice) {
            wanted.push(Wanted { key: key.clone(), store: slice.store.clone() });
        }
    }
    wanted
}

#[derive(Debug, Default)]
pub struct Items {
    items: Table<Key, Box<Item>>,
    pub debounce: Debounce,
    /// Items whose progress pages have not been told.
    pub touched: Set<Key>,
    /// The last positions of items at rest that have no `_sync` row, as of slices that stay on the device. It is as old as
    /// the worker: after a restart a set takes what came before for seen.
    recent: Table<Key, u64>,
    /// Slices of which every item is to stay here, and whether all are here yet.
    whole: Table<Rc<str>, bool>,
}

impl Items {
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn has(&self, key: &Key) -> bool {
        self.items.contains_key(key)
    }

    pub fn get(&self, key: &Key) -> Option<&Item> {
        self.items.get(key).map(Box::as_ref)
    }

    /// The item, for a change; one that is not there is at rest and absent.
    pub fn change(&mut self, key: &Key) -> &mut Item {
        self.touched.insert(key.clone(), 0);
        self.items.or_insert_with(key.clone(), Box::default)
    }

    pub fn insert(&mut self, loaded: Loaded) {
        let recent = self.recent.remove(&loaded.key).unwrap_or(0);
        let item = self.items.or_insert_with(loaded.key, Box::default);
        item.stored = loaded.value;
        item.position = item.position.max(recent);
        if let Some(sync) = loaded.sync.as_deref().and_then(SyncRow::read) {
            item.position = item.position.max(sync.position);
            item.sync = Some(sync).filter(|sync| sync.version.is_some());
        }
    }

    /// Forgets the item if nothing is going on with it.
    pub fn settle(&mut self, key: &Key) {
        if !self.get(key).is_some_and(Item::at_rest) || self.whole.contains_key(&key.slice) {
            return;
        }
        if let Some(item) = self.items.remove(key)
            && item.sync.is_none()
            && item.stored.is_some()
            && item.position > 0
        {
            self.recent.insert(key.clone(), item.position);
        }
    }

    /// No item of the slice leaves from now on, until [`Items::forget_whole`]; with `all`, every one is here.
    pub fn keep_whole(&mut self, slice: &Rc<str>, all: bool) {
        self.whole.insert(slice.clone(), all);
    }

    pub fn is_whole(&self, slice: &str) -> bool {
        self.whole.get(slice) == Some(&true)
    }

    /// The slices that are whole.
    pub fn wholes(&self) -> Vec<Rc<str>> {
        let mut wholes = Vec::new();
        for (slice, all) in self.whole.iter() {
            if *all {
                wholes.push(slice.clone());
            }
        }
        wholes
    }

    pub fn forget_whole(&mut self, slice: &str) {
        self.whole.remove(slice);
        let mut keys = Vec::new();
        for (key, _) in self.of(slice) {
            keys.push(key.clone());
        }
        for key in &keys {
            self.settle(key);
        }
    }

    /// Items of a slice whose visible value is not what the store has.
    pub fn newer(&self, slice: &str) -> Vec<(Key, Option<Json>)> {
        let mut newer = Vec::new();
        for (key, item) in self.of(slice) {
            if item.is_newer_than_store() {
                newer.push((key.clone(), item.visible().cloned()));
            }
        }
        newer
    }

    /// Items that are held, of slices that are wanted.
    pub fn held(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Key> {
        let mut held = Vec::new();
        for (key, item) in self.items.iter() {
            if item.held.is_some() && wanted(&key.slice) {
                held.push(key.clone());
            }
        }
        held
    }

    /// Stored items of a slice that the server lacks, or of which it lacks a change, and that no change is on its way of.
    pub fn unknown_to_server(&self, slice: &str, outbox: &Outbox) -> Vec<Key> {
        let mut unknown = Vec::new();
        for (key, item) in self.of(slice) {
            let lacking = match item.in_flight.and_then(|seq| outbox.get(seq)) {
                Some(row) => item.is_newer_than(row),
                None => item.sync.as_ref().is_none_or(|sync| sync.base.is_some()),
            };
            if item.stored.is_some() && !item.is_newer_than_store() && item.unsent.is_none() && lacking {
                unknown.push(key.clone());
            }
        }
        unknown
    }

    /// How many have a change that is not in its slice's store or that the server is to get, and how many of them go there.
    /// What is held, and what stays on the device, waits for a switch.
    pub fn unfinished(&self, slices: &Slices) -> (usize, usize) {
        let (mut unfinished, mut unsent) = (0, 0);
        for (key, item) in self.items.iter() {
            let syncs = slices.syncs(&key.slice);
            let uncommitted = item.pending.is_some() || item.committing.is_some();
            if uncommitted || item.in_flight.is_some() || (item.unsent.is_some() && syncs) {
                unfinished += 1;
                unsent += usize::from(syncs);
            }
        }
        (unfinished, unsent)
    }

    pub fn progress(&self, key: &Key) -> Progress {
        self.get(key).map_or(Progress::Synced, Item::progress)
    }

    /// The items of a slice that something is going on with.
    pub fn of<'a>(&'a self, slice: &str) -> impl Iterator<Item = (&'a Key, &'a Item)> {
        let from = Key::new(slice, "");
        let slice = from.slice.clone();
        let items = self.items.iter_from(&from).map(|(key, item)| (key, &**item));
        items.take_while(move |(key, _)| key.slice == slice)
    }
}
