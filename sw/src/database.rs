//! IndexedDB through rexie: one database, opened with whatever stores it has, upgraded only to add some.

use futures_util::future::join_all;
use js_sys::{Array, JSON, JsString, Reflect};
use nightferry::store::{
    CONFLICTS, JOURNAL, Key, Loaded, META, OUTBOX, Row, RowKey, SYNC, SYSTEM_STORES, Snapshot, StoreError, Wanted, Write,
};
use rexie::{KeyRange, ObjectStore, Rexie, Transaction, TransactionMode};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// From this many items of a store on, their keys are read at once before any value is.
const MANY: usize = 64;

pub struct Database {
    rexie: Rexie,
}

fn failed(error: rexie::Error) -> StoreError {
    let message = error.to_string();
    StoreError { full: message.contains("Quota"), message }
}

fn broken(error: JsValue) -> StoreError {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    StoreError { full: false, message: message.unwrap_or_else(|| "the browser gave no reason".into()) }
}

impl Database {
    /// Opens the database with the system stores and `stores`; those that are missing are added, none is removed.
    pub async fn open(name: &str, stores: &[Rc<str>]) -> Result<Database, StoreError> {
        let rexie = Rexie::builder(name).build().await.map_err(failed)?;
        let existing: BTreeSet<String> = rexie.store_names().into_iter().collect();
        let wanted = SYSTEM_STORES.into_iter().chain(stores.iter().map(|store| &**store));
        let missing: Vec<&str> = wanted.filter(|store| !existing.contains(*store)).collect();
        if missing.is_empty() {
            return Ok(Database { rexie });
        }
        let version = rexie.version().map_err(failed)? + 1;
        rexie.close();
        // rexie removes the stores that an upgrade does not name.
        let all = existing.iter().map(String::as_str).chain(missing);
        let builder = all.fold(Rexie::builder(name).version(version), |builder, store| {
            builder.add_object_store(ObjectStore::new(store))
        });
        Ok(Database { rexie: builder.build().await.map_err(failed)? })
    }

    pub fn close(self) {
        self.rexie.close();
    }

    /// Begins a transaction that writes, so that transactions take effect in the order of these calls.
    pub fn begin(&self, writes: &[Write]) -> Result<Transaction, StoreError> {
        let stores: BTreeSet<&str> = writes.iter().map(Write::store).collect();
        let stores: Vec<&str> = stores.into_iter().collect();
        self.rexie.transaction(&stores, TransactionMode::ReadWrite).map_err(failed)
    }

    /// Begins a transaction that reads these stores.
    pub fn begin_reading(&self, stores: &[&str]) -> Result<Transaction, StoreError> {
        self.rexie.transaction(stores, TransactionMode::ReadOnly).map_err(failed)
    }

    /// Everything that the engine starts from.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.begin_reading(&[JOURNAL, OUTBOX, CONFLICTS, META])?;
        let mut snapshot = Snapshot { stores: self.rexie.store_names(), ..Snapshot::default() };
        for (key, row) in rows(&transaction, JOURNAL).await? {
            snapshot.journal.extend(key.as_f64().map(|position| (position as u64, row)));
        }
        for (key, row) in rows(&transaction, OUTBOX).await? {
            snapshot.outbox.extend(key.as_f64().map(|seq| (seq as u64, row)));
        }
        for (key, row) in rows(&transaction, CONFLICTS).await? {
            snapshot.conflicts.extend(read_key(&key).map(|key| (key, row)));
        }
        for (key, row) in rows(&transaction, META).await? {
            snapshot.meta.extend(key.as_string().map(|name| (name, row)));
        }
        Ok(snapshot)
    }
}

/// Performs the writes and waits until they are durable. A failure undoes all of them.
pub async fn write(transaction: Transaction, writes: Vec<Write>) -> Result<(), StoreError> {
    match issue(&transaction, writes).await {
        Ok(()) => transaction.commit().await.map_err(failed),
        Err(error) => {
            // A transaction that is dropped commits; one that failed must not.
            let _ = transaction.abort().await;
            Err(error)
        }
    }
}

/// Issues the writes in their order; puts that follow each other in one store are issued together.
async fn issue(transaction: &Transaction, writes: Vec<Write>) -> Result<(), StoreError> {
    let mut puts: BTreeMap<Rc<str>, Vec<(JsValue, Option<JsValue>)>> = BTreeMap::new();
    let mut others = Vec::new();
    for write in writes {
        match write {
            Write::Put { store, key, row } => puts.entry(store).or_default().push((row_value(&row)?, Some(key_value(&key)))),
            // Within a transaction no row is both put and deleted, so the order between the two does not matter.
            Write::Delete { store, key } => others.push((store, key_value(&key))),
            Write::Trim { store, through } => {
                let range = KeyRange::upper_bound(&JsValue::from_f64(through as f64), None).map_err(|error| failed(error.into()))?;
                others.push((store, range.into()));
            }
        }
    }
    let mut stores = BTreeMap::new();
    for store in puts.keys().chain(others.iter().map(|(store, _)| store)) {
        if !stores.contains_key(store) {
            stores.insert(store.clone(), transaction.store(store).map_err(failed)?);
        }
    }
    let deletes = others.into_iter().filter_map(|(store, key)| Some(stores.get(&store)?.delete(key)));
    let deletes = join_all(deletes.collect::<Vec<_>>());
    let puts = puts.into_iter().filter_map(|(store, rows)| Some(stores.get(&store)?.put_all(rows.into_iter())));
    let puts = join_all(puts.collect::<Vec<_>>());
    let (deleted, put) = futures_util::future::join(deletes, puts).await;
    deleted.into_iter().chain(put).collect::<Result<(), _>>().map_err(failed)
}

/// Reads items and what is known of the server's side of them.
pub async fn load(transaction: Transaction, wanted: Vec<Wanted>) -> Result<Vec<Loaded>, StoreError> {
    let mut by_store: BTreeMap<Rc<str>, Vec<Key>> = BTreeMap::new();
    for Wanted { key, store } in wanted {
        by_store.entry(store).or_default().push(key);
    }
    let sync = transaction.store(SYNC).map_err(failed)?;
    let mut loaded = Vec::new();
    for (name, keys) in by_store {
        let store = transaction.store(&name).map_err(failed)?;
        let present = if keys.len() < MANY { None } else { Some(keys_of(&store).await?) };
        let is_present = |key: &&Key| present.as_ref().is_none_or(|present| present.contains(&*key.id));
        let synced = match (present.is_some(), keys.first()) {
            (true, Some(first)) => Some(synced_ids(&sync, &first.slice).await?),
            _ => None,
        };
        let is_synced = |key: &&Key| synced.as_ref().is_none_or(|synced| synced.contains(&*key.id));
        let values = keys.iter().filter(is_present).map(|key| store.get(key_value(&RowKey::Text(key.id.clone()))));
        let values = join_all(values.collect::<Vec<_>>());
        let rows = keys.iter().filter(is_synced).map(|key| sync.get(key_value(&RowKey::Item(key.clone()))));
        let rows = join_all(rows.collect::<Vec<_>>());
        let (values, rows) = futures_util::future::join(values, rows).await;
        let mut items: BTreeMap<Key, Loaded> = keys
            .iter()
            .map(|key| (key.clone(), Loaded { key: key.clone(), value: None, sync: None }))
            .collect();
        for (key, value) in keys.iter().filter(is_present).zip(values) {
            if let (Some(value), Some(item)) = (value.map_err(failed)?, items.get_mut(key)) {
                item.value = Some(text(&value)?.into());
            }
        }
        for (key, row) in keys.iter().filter(is_synced).zip(rows) {
            if let (Some(row), Some(item)) = (row.map_err(failed)?, items.get_mut(key)) {
                item.sync = Some(text(&row)?);
            }
        }
        loaded.extend(items.into_values());
    }
    Ok(loaded)
}

/// All items of a store: ids and values, side by side.
pub async fn items(transaction: Transaction, store: &str) -> Result<(Array, Array), StoreError> {
    let store = transaction.store(store).map_err(failed)?;
    let ids = store.get_all_keys(None, None).await.map_err(failed)?;
    let values = store.get_all(None, None).await.map_err(failed)?;
    Ok((ids.into_iter().collect(), values.into_iter().collect()))
}

async fn keys_of(store: &rexie::Store) -> Result<BTreeSet<String>, StoreError> {
    let keys = store.get_all_keys(None, None).await.map_err(failed)?;
    Ok(keys.iter().filter_map(JsValue::as_string).collect())
}

async fn synced_ids(sync: &rexie::Store, slice: &str) -> Result<BTreeSet<String>, StoreError> {
    let from = Array::of1(&slice.into());
    // An array sorts after every string, so this ends the slice's rows.
    let to = Array::of2(&slice.into(), &Array::new());
    let range = KeyRange::bound(&from, &to, None, None).map_err(|error| failed(error.into()))?;
    let keys = sync.get_all_keys(Some(range), None).await.map_err(failed)?;
    Ok(keys.iter().filter_map(read_key).map(|key| key.id.to_string()).collect())
}

async fn rows(transaction: &Transaction, store: &str) -> Result<Vec<(JsValue, String)>, StoreError> {
    let store = transaction.store(store).map_err(failed)?;
    let keys = store.get_all_keys(None, None).await.map_err(failed)?;
    let values = store.get_all(None, None).await.map_err(failed)?;
    keys.into_iter().zip(values).map(|(key, value)| Ok((key, text(&value)?))).collect()
}

fn text(value: &JsValue) -> Result<String, StoreError> {
    JSON::stringify(value).map(String::from).map_err(broken)
}

fn key_value(key: &RowKey) -> JsValue {
    match key {
        RowKey::Number(number) => JsValue::from_f64(*number as f64),
        RowKey::Text(text) => JsValue::from_str(text),
        RowKey::Item(key) => Array::of2(&JsValue::from_str(&key.slice), &JsValue::from_str(&key.id)).into(),
    }
}

fn read_key(key: &JsValue) -> Option<Key> {
    let key = key.dyn_ref::<Array>()?;
    Some(Key::new(&key.get(0).as_string()?, &key.get(1).as_string()?))
}

fn row_value(row: &Row) -> Result<JsValue, StoreError> {
    match row {
        Row::Json(json) => JSON::parse(json).map_err(broken),
        Row::WithText { head, text } => {
            let value = JSON::parse(head).map_err(broken)?;
            Reflect::set(&value, &JsString::from("text"), &JsValue::from_str(text)).map_err(broken)?;
            Ok(value)
        }
    }
}
