//! The items that something is going on with: their stored value, what is pending on it, and where it is on its way.
//! An item at rest is not here; the database has it.

use super::debounce::Debounce;
use crate::bridge::config::Slices;
use crate::bridge::down::Progress;
use crate::json::Json;
use crate::store::{Key, Loaded, SyncRow, Wanted};
use crate::table::Table;

/// A state that an item shall have; `value` is `None` for a deletion.
#[derive(Debug, Clone)]
pub struct Pending {
    pub value: Option<Json>,
    /// When the latest operation in it was made, in epoch ms.
    pub at: u64,
    /// When the first operation in it arrived.
    pub since: u64,
    /// The journal records that it was made of, ascending.
    pub positions: Vec<u64>,
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
    /// The outbox row that can still be replaced.
    pub unsent: Option<u64>,
    /// The outbox row that is being sent, and is never changed.
    pub in_flight: Option<u64>,
}

impl Item {
    /// The value that a reader sees.
    pub fn visible(&self) -> Option<&Json> {
        match self.pending.as_ref().or(self.committing.as_ref()) {
            Some(newer) => newer.value.as_ref(),
            None => self.stored.as_ref(),
        }
    }

    fn at_rest(&self) -> bool {
        self.pending.is_none()
            && self.committing.is_none()
            && self.unsent.is_none()
            && self.in_flight.is_none()
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

/// What to read for these items, each once.
pub fn wanted(keys: impl Iterator<Item = Key>, slices: &Slices) -> Vec<Wanted> {
    let mut once: Table<Key, u64> = Table::default();
    for key in keys {
        once.insert(key, 0);
    }
    once.into_iter()
        .map(|(key, _)| key)
        .filter_map(|key| Some(Wanted { store: slices.get(&key.slice)?.store.clone(), key }))
        .collect()
}

#[derive(Debug, Default)]
pub struct Items {
    items: Table<Key, Box<Item>>,
    pub debounce: Debounce,
    /// Items whose progress pages have not been told.
    pub touched: Table<Key, u64>,
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
        let item = self.items.or_insert_with(loaded.key, Box::default);
        item.stored = loaded.value;
        item.sync = loaded.sync.as_deref().and_then(SyncRow::read).filter(|sync| sync.version.is_some());
    }

    /// Forgets the item if nothing is going on with it.
    pub fn settle(&mut self, key: &Key) {
        if self.get(key).is_some_and(Item::at_rest) {
            self.items.remove(key);
        }
    }

    /// Items of a slice whose visible value is not what the store has.
    pub fn newer(&self, slice: &str) -> Vec<(Key, Option<Json>)> {
        let newer = self.of(slice).filter(|(_, item)| item.pending.is_some() || item.committing.is_some());
        newer.map(|(key, item)| (key.clone(), item.visible().cloned())).collect()
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
