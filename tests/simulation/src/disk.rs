//! The worker's database: a [`MemoryStore`] whose transactions take time, run in IndexedDB's order, and fail on demand.

use crate::Rng;
use nightferry::bridge::from_worker::{self, To};
use nightferry::engine::Input;
use nightferry::store::{Key, Loaded, MemoryStore, RowKey, StoreError, Wanted, Whole, Write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A request of the engine to the database.
pub enum Work {
    Store { txn: u64, writes: Vec<Write> },
    Load { load: u64, wanted: Vec<Wanted>, slices: Vec<Whole> },
    Migrate { stores: Vec<Rc<str>> },
    Rows { to: To, request: u64, message: String, store: Rc<str> },
}

/// Work that was started and has not taken effect.
struct Open {
    work: Work,
    /// The stores that it touches.
    scope: BTreeSet<String>,
    held: bool,
    /// Its time is over, but work before it touches the same stores.
    blocked: bool,
}

#[derive(Default)]
pub struct Disk {
    pub store: MemoryStore,
    open: BTreeMap<u64, Open>,
    /// Transactions that touch this store stay open until [`Disk::release`].
    pub hold: Option<&'static str>,
    /// Work that touches one of these stores fails; "" stands for all.
    pub refuse: Option<&'static str>,
    /// Failures say that there is no room left.
    pub full: bool,
    /// In thousandths: how likely anything fails.
    pub failures: u64,
    count: u64,
}

/// The result of a piece of work whose time is over.
pub enum Finished {
    /// It waits for work before it, for its release, or is gone.
    Waits,
    Done {
        work: Work,
        result: Result<(), StoreError>,
        /// Work that was started before it is still open.
        overtook: bool,
    },
}

impl Disk {
    pub fn start(&mut self, work: Work) -> u64 {
        self.count += 1;
        let scope = scope(&work);
        let held = self.hold.is_some_and(|store| scope.contains(store));
        self.open.insert(self.count, Open { work, scope, held, blocked: false });
        self.count
    }

    /// The transactions that are open.
    pub fn open_writes(&self) -> impl Iterator<Item = &[Write]> {
        self.open.values().filter_map(|open| match &open.work {
            Work::Store { writes, .. } => Some(writes.as_slice()),
            _ => None,
        })
    }

    /// Ends the hold. Returns the work that was held.
    pub fn release(&mut self) -> Vec<u64> {
        self.hold = None;
        let held = self.open.iter_mut();
        held.filter_map(|(id, open)| std::mem::take(&mut open.held).then_some(*id)).collect()
    }

    /// Work takes effect, or fails, unless it has to wait.
    pub fn finish(&mut self, id: u64, rng: &mut Rng) -> Finished {
        let Some(open) = self.open.get(&id) else { return Finished::Waits };
        let migrates = |open: &Open| matches!(open.work, Work::Migrate { .. });
        let blocks =
            |before: &Open| migrates(before) || migrates(open) || !before.scope.is_disjoint(&open.scope);
        let blocked = self.open.range(..id).any(|(_, before)| blocks(before));
        let held = open.held;
        let overtook = self.open.keys().next() != Some(&id);
        if blocked || held {
            self.open.entry(id).and_modify(|open| open.blocked = blocked);
            return Finished::Waits;
        }
        let Some(Open { work, scope, .. }) = self.open.remove(&id) else { return Finished::Waits };
        let refused = self.refuse.is_some_and(|store| store.is_empty() || scope.contains(store));
        let result = if refused || rng.chance(self.failures) {
            Err(StoreError { full: self.full, message: "the test refused it".into() })
        } else {
            self.apply(&work)
        };
        Finished::Done { work, result, overtook }
    }

    /// Work whose time was over and that may go on, perhaps.
    pub fn unblocked(&mut self) -> Vec<u64> {
        let blocked = self.open.iter_mut();
        blocked.filter_map(|(id, open)| std::mem::take(&mut open.blocked).then_some(*id)).collect()
    }

    /// The worker died: what `survives` says takes effect, up to the first that does not, the rest never happened.
    pub fn crash(&mut self, mut survives: impl FnMut() -> bool, mut applied: impl FnMut(&[Write])) {
        let mut lost: BTreeSet<String> = BTreeSet::new();
        for Open { work, scope, .. } in std::mem::take(&mut self.open).into_values() {
            if !lost.is_disjoint(&scope) || !survives() {
                lost.extend(scope);
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

    /// Returns the item's row.
    pub fn item_row(&self, slice: &str, id: &str) -> Option<Value> {
        let row = self.store.stores.get("_items")?.get(&RowKey::Item(Key::new(slice, id)))?;
        Some(serde_json::from_str(row).expect("a row is JSON"))
    }

    /// The row of an item in conflict.
    pub fn conflict(&self, slice: &str, id: &str) -> Option<Value> {
        self.item_row(slice, id).filter(|row| row.get("remote").is_some())
    }

    /// How many items are in conflict.
    pub fn conflicts(&self) -> usize {
        self.rows_of("_items").iter().filter(|row| row.get("remote").is_some()).count()
    }

    /// The rows of items that mark an unanswered edit.
    pub fn open_rows(&self) -> Vec<Value> {
        let open = |row: &Value| row["open"].as_u64().is_some_and(|open| open > 0);
        self.rows_of("_items").into_iter().filter(open).collect()
    }

    /// The operations of the push that is written down.
    pub fn pushing(&self) -> Vec<Value> {
        let push = self.meta("push").unwrap_or_default();
        push["text"]
            .as_str()
            .map_or_else(Vec::new, |text| serde_json::from_str(text).expect("operations are JSON"))
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

/// The message about a result, to the engine or to a page.
pub enum Completion {
    Engine(Input),
    Pages(To, Value),
}

pub fn report(work: Work, result: Result<(), StoreError>, disk: &Disk) -> Completion {
    Completion::Engine(match work {
        Work::Store { txn, .. } => Input::Stored { txn, result },
        Work::Load { load, wanted, slices } => {
            let rows: Vec<Loaded> = disk.store.load(&wanted, &slices);
            Input::Loaded { load, result: result.map(|()| rows) }
        }
        Work::Migrate { .. } => Input::Migrated(result),
        Work::Rows { to, request, message, store } => {
            let text = match result {
                Ok(()) => return Completion::Pages(to, disk.rows(&message, &store)),
                Err(error) => from_worker::failed(Some(request), "storage", &error.message),
            };
            return Completion::Pages(to, serde_json::from_str(&text).expect("a message is JSON"));
        }
    })
}

fn scope(work: &Work) -> BTreeSet<String> {
    match work {
        Work::Store { writes, .. } => writes.iter().map(|write| write.store().to_owned()).collect(),
        Work::Load { wanted, slices, .. } => {
            let stores =
                wanted.iter().map(|wanted| &wanted.store).chain(slices.iter().map(|slice| &slice.store));
            stores.map(|store| store.to_string()).chain(["_items".into()]).collect()
        }
        Work::Migrate { stores } => stores.iter().map(|store| store.to_string()).collect(),
        Work::Rows { store, .. } => [store.to_string()].into(),
    }
}
