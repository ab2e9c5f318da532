//! A database in memory, for tests and simulations: the same contract, failures on demand.

use super::*;
use crate::json::Fields;
use std::collections::{BTreeMap, BTreeSet};

/// Stores by name, rows by key, each row as JSON text.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    pub stores: BTreeMap<String, BTreeMap<RowKey, String>>,
    /// Transactions that took effect.
    pub transactions: usize,
}

impl MemoryStore {
    /// Applies a transaction: all of it or, when a store is missing, nothing.
    pub fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let missing = |write: &&Write| {
            !SYSTEM_STORES.contains(&write.store()) && !self.stores.contains_key(write.store())
        };
        if let Some(write) = writes.iter().find(missing) {
            return Err(StoreError { full: false, message: format!("there is no store {}", write.store()) });
        }
        self.transactions += 1;
        for write in writes {
            let rows = self.stores.entry(write.store().into()).or_default();
            match write {
                Write::Put { key, row, .. } => {
                    rows.insert(key.clone(), text(row));
                }
                Write::Delete { key, .. } => {
                    rows.remove(key);
                }
                Write::Clear { .. } => rows.clear(),
                Write::Trim { through, .. } => {
                    rows.retain(|key, _| !matches!(key, RowKey::Number(number) if number <= through));
                }
            }
        }
        Ok(())
    }

    pub fn create(&mut self, stores: &[Rc<str>]) {
        for store in stores {
            self.stores.entry(store.to_string()).or_default();
        }
    }

    pub fn rows(&self, store: &str) -> impl Iterator<Item = (&RowKey, &String)> {
        self.stores.get(store).into_iter().flatten()
    }

    /// A slice's item, as text.
    pub fn item(&self, store: &str, id: &str) -> Option<&str> {
        self.stores.get(store)?.get(&RowKey::Text(id.into())).map(String::as_str)
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { stores: self.stores.keys().cloned().collect(), ..Snapshot::default() };
        for (key, row) in self.rows(JOURNAL) {
            if let RowKey::Number(position) = key {
                snapshot.journal.push((Position(*position), row.clone()));
            }
        }
        for (key, row) in self.rows(ITEMS) {
            if let (RowKey::Item(key), Some(_)) = (key, ItemRow::read(row).and_then(|row| row.open)) {
                snapshot.open.push(key.clone());
            }
        }
        for (key, row) in self.rows(META) {
            if let RowKey::Text(name) = key {
                snapshot.meta.push((name.to_string(), row.clone()));
            }
        }
        snapshot
    }

    pub fn load(&self, wanted: &[Wanted], slices: &[Whole]) -> Vec<Loaded> {
        let mut loaded: Vec<Loaded> =
            wanted.iter().map(|wanted| self.one(&wanted.key, &wanted.store)).collect();
        for Whole { slice, store } in slices {
            let with_value = self.rows(store).filter_map(|(key, _)| match key {
                RowKey::Text(id) => Some(Key::from_parts(slice.clone(), id.clone())),
                _ => None,
            });
            let with_row = self.rows(ITEMS).filter_map(|(key, _)| match key {
                RowKey::Item(key) if key.slice == *slice => Some(key.clone()),
                _ => None,
            });
            let keys: BTreeSet<Key> = with_value.chain(with_row).collect();
            loaded.extend(keys.iter().map(|key| self.one(key, store)));
        }
        loaded
    }

    fn one(&self, key: &Key, store: &str) -> Loaded {
        let row = self.stores.get(ITEMS).and_then(|rows| rows.get(&RowKey::Item(key.clone()))).cloned();
        Loaded { value: self.item(store, &key.id).map(Json::from), row, key: key.clone() }
    }
}

fn text(row: &Row) -> String {
    match row {
        Row::Json(json) => json.to_string(),
        Row::WithText { head, text } => {
            let quoted = crate::json::quoted(text);
            let mut fields = Fields::parse(head).unwrap_or(Fields(Vec::new()));
            fields.set("text".into(), &quoted);
            fields.to_json().to_string()
        }
    }
}
