//! The worker's database: a [`MemoryStore`] whose transactions take time, run in IndexedDB's order, and fail on demand.

use super::Dice;
use nightferry::bridge::down::To;
use nightferry::engine::Input;
use nightferry::store::{Key, Loaded, MemoryStore, RowKey, StoreError, Wanted, Whole, Write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What the engine asked the database for.
pub enum Work {
    Store { txn: u64, writes: Vec<Write> },
    Load { load: u64, wanted: Vec<Wanted>, whole: Vec<Whole> },
    Migrate { stores: Vec<Rc<str>> },
    Rows { to: To, message: String, store: Rc<str> },
}

#[derive(Default)]
pub struct Disk {
    pub store: MemoryStore,
    /// Work that was started and has not taken effect, in its order.
    open: BTreeMap<u64, Work>,
    /// Transactions that touch this store stay open until [`Disk::release`].
    pub hold: Option<&'static str>,
    held: BTreeSet<u64>,
    /// Work that touches one of these stores fails; "" stands for all.
    pub refuse: Option<&'static str>,
    /// Failures say that there is no room left.
    pub full: bool,
    /// In thousandths: how likely anything fails.
    pub failures: u64,
    count: u64,
}

impl Disk {
    pub fn start(&mut self, work: Work) -> u64 {
        self.count += 1;
        if self.hold.is_some_and(|store| scope(&work).contains(store)) {
            self.held.insert(self.count);
        }
        self.open.insert(self.count, work);
        self.count
    }

    /// Whether nothing that was started before it touches the same stores.
    pub fn ready(&self, id: u64) -> bool {
        let Some(work) = self.open.get(&id) else { return true };
        let stores = scope(work);
        let blocks = |before: &Work| {
            matches!((before, work), (Work::Migrate { .. }, _) | (_, Work::Migrate { .. }))
                || !scope(before).is_disjoint(&stores)
        };
        !self.held.contains(&id) && !self.open.range(..id).any(|(_, before)| blocks(before))
    }

    pub fn is_held(&self, id: u64) -> bool {
        self.held.contains(&id)
    }

    /// Ends the hold; what was held.
    pub fn release(&mut self) -> BTreeSet<u64> {
        self.hold = None;
        std::mem::take(&mut self.held)
    }

    /// Work takes effect, or fails.
    pub fn finish(&mut self, id: u64, dice: &mut Dice) -> Option<(Work, Result<(), StoreError>)> {
        let work = self.open.remove(&id)?;
        let refused = self.refuse.is_some_and(|store| store.is_empty() || scope(&work).contains(store));
        if refused || (self.failures > 0 && dice.chance(self.failures)) {
            return Some((work, Err(StoreError { full: self.full, message: "the test refused it".into() })));
        }
        let result = self.apply(&work);
        Some((work, result))
    }

    /// The worker died: what `survives` says takes effect, up to the first that does not, the rest never happened.
    pub fn crash(&mut self, mut survives: impl FnMut() -> bool, mut applied: impl FnMut(&[Write])) {
        self.held.clear();
        let mut lost: BTreeSet<String> = BTreeSet::new();
        for work in std::mem::take(&mut self.open).into_values() {
            let stores = scope(&work);
            if !lost.is_disjoint(&stores) || !survives() {
                lost.extend(stores);
            } else if let (Ok(()), Work::Store { writes, .. }) = (self.apply(&work), &work) {
                applied(writes);
            }
        }
    }

    pub fn idle(&self) -> bool {
        self.open.is_empty()
    }

    /// The rows of a slice's store with what the engine holds that is newer, as the worker posts them.
    pub fn rows(&self, message: &str, store: &str) -> Value {
        let mut message: Value = serde_json::from_str(message).expect("a message is JSON");
        let mut rows = BTreeMap::new();
        for (key, row) in self.store.rows(store) {
            let RowKey::Text(id) = key else { panic!("{store} has the key {key:?}") };
            rows.insert(id.to_string(), serde_json::from_str::<Value>(row).expect("an item is JSON"));
        }
        for put in message["puts"].as_array().expect("puts") {
            rows.insert(put["id"].as_str().expect("an id").into(), put["value"].clone());
        }
        for id in message["deletes"].as_array().expect("deletes") {
            rows.remove(id.as_str().expect("an id"));
        }
        message["rows"] = rows.into_iter().map(|(id, value)| json!([id, value])).collect();
        message
    }

    pub fn count(&self, store: &str) -> usize {
        self.store.rows(store).count()
    }

    pub fn item(&self, store: &str, id: &str) -> Option<Value> {
        self.store.item(store, id).map(|text| serde_json::from_str(text).expect("an item is JSON"))
    }

    pub fn meta(&self, name: &str) -> Option<Value> {
        self.item("_meta", name)
    }

    pub fn rows_of(&self, store: &str) -> Vec<Value> {
        self.store.rows(store).map(|(_, row)| serde_json::from_str(row).expect("a row is JSON")).collect()
    }

    /// The open conflict of an item.
    pub fn conflict(&self, slice: &str, id: &str) -> Option<Value> {
        let row = self.store.stores.get("_conflicts")?.get(&RowKey::Item(Key::new(slice, id)))?;
        Some(serde_json::from_str(row).expect("a row is JSON"))
    }

    /// The only row of a system store.
    pub fn row(&self, store: &str) -> Value {
        let mut rows = self.rows_of(store);
        assert_eq!(rows.len(), 1, "{store}: {rows:?}");
        rows.remove(0)
    }

    fn apply(&mut self, work: &Work) -> Result<(), StoreError> {
        match work {
            Work::Store { writes, .. } => self.store.apply(writes),
            Work::Migrate { stores } => {
                self.store.create(stores);
                Ok(())
            }
            Work::Load { .. } | Work::Rows { .. } => Ok(()),
        }
    }
}

/// The input that tells the engine how its work ended.
pub fn report(work: Work, result: Result<(), StoreError>, disk: &Disk) -> Input {
    match work {
        Work::Store { txn, .. } => Input::Stored { txn, result },
        Work::Load { load, wanted, whole } => {
            let rows: Vec<Loaded> = disk.store.load(&wanted, &whole);
            Input::Loaded { load, result: result.map(|()| rows) }
        }
        Work::Migrate { .. } => Input::Migrated(result),
        Work::Rows { .. } => Input::Wake,
    }
}

fn scope(work: &Work) -> BTreeSet<String> {
    match work {
        Work::Store { writes, .. } => writes.iter().map(|write| write.store().to_owned()).collect(),
        Work::Load { wanted, whole, .. } => {
            let stores =
                wanted.iter().map(|wanted| &wanted.store).chain(whole.iter().map(|whole| &whole.store));
            stores.map(|store| store.to_string()).chain(["_sync".into()]).collect()
        }
        Work::Migrate { stores } => stores.iter().map(|store| store.to_string()).collect(),
        Work::Rows { store, .. } => [store.to_string()].into(),
    }
}
