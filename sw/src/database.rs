//! IndexedDB through rexie: one database, opened with whatever stores it has, upgraded only to add some.

use crate::join::{self, Pending};
use js_sys::{Array, JSON, JsString, Reflect, Set};
use nightferry::json::Json;
use nightferry::store::{
    CONFLICTS, JOURNAL, Key, Loaded, META, OUTBOX, Row, RowKey, SYNC, SYSTEM_STORES, Snapshot, StoreError,
    Wanted, Write,
};
use nightferry::table::Table;
use rexie::{KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// From this many items of a store on, their keys are read at once before any value is.
const MANY: usize = 64;

pub struct Database {
    rexie: Rexie,
}

fn failed(error: rexie::Error) -> StoreError {
    match error {
        rexie::Error::IdbError(idb::Error::DomException(exception)) => {
            StoreError { full: exception.name() == "QuotaExceededError", message: exception.message() }
        }
        // Every other one says only which call failed; their texts are not worth their size.
        _ => StoreError { full: false, message: "IndexedDB failed and gave no reason".into() },
    }
}

fn broken(error: JsValue) -> StoreError {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    StoreError { full: false, message: message.unwrap_or_else(|| "the browser gave no reason".into()) }
}

impl Database {
    /// Opens the database with the system stores and `stores`; those that are missing are added, none is removed.
    pub async fn open(name: &str, stores: &[Rc<str>]) -> Result<Database, StoreError> {
        let rexie = Rexie::builder(name).build().await.map_err(failed)?;
        let existing = rexie.store_names();
        let wanted = SYSTEM_STORES.into_iter().chain(stores.iter().map(|store| &**store));
        let missing: Vec<&str> =
            wanted.filter(|store| !existing.iter().any(|known| known == store)).collect();
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
        // IndexedDB takes a store that is named twice once.
        let mut stores: Vec<&str> = Vec::new();
        for write in writes {
            if !stores.contains(&write.store()) {
                stores.push(write.store());
            }
        }
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

/// Issues the writes, all at once. Within a transaction no row is both put and deleted, so their order does not matter.
async fn issue(transaction: &Transaction, writes: Vec<Write>) -> Result<(), StoreError> {
    let mut stores: Table<Rc<str>, Writes> = Table::default();
    for write in writes {
        let name: Rc<str> = write.store().into();
        if !stores.contains_key(&name) {
            let store = transaction.store(&name).map_err(failed)?;
            stores.insert(name.clone(), Writes { store, puts: Vec::new(), deletes: Vec::new() });
        }
        let Some(store) = stores.get_mut(&name) else { continue };
        match write {
            Write::Put { key, row, .. } => store.puts.push((row_value(&row)?, Some(key_value(&key)))),
            Write::Delete { key, .. } => store.deletes.push(key_value(&key)),
            Write::Trim { through, .. } => {
                let range = KeyRange::upper_bound(&JsValue::from_f64(through as f64), None);
                store.deletes.push(range.map_err(|error| failed(error.into()))?.into());
            }
        }
    }
    let mut requests: Vec<Pending<Result<(), rexie::Error>>> = Vec::new();
    for Writes { store, puts, deletes } in stores.values() {
        for key in deletes {
            requests.push(Box::pin(store.delete(key.clone())));
        }
        if !puts.is_empty() {
            requests.push(Box::pin(store.put_all(puts.iter().cloned())));
        }
    }
    join::all(requests).await.into_iter().try_for_each(|result| result.map_err(failed))
}

/// What a transaction does to one store.
struct Writes {
    store: Store,
    puts: Vec<(JsValue, Option<JsValue>)>,
    deletes: Vec<JsValue>,
}

/// Reads items and what is known of the server's side of them.
pub async fn load(transaction: Transaction, wanted: Vec<Wanted>) -> Result<Vec<Loaded>, StoreError> {
    let sync = transaction.store(SYNC).map_err(failed)?;
    let mut loaded = Vec::new();
    let mut rest = wanted.as_slice();
    // They come sorted, so those of one store stand together.
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|wanted| wanted.store == first.store).count();
        let (some, others) = rest.split_at(count);
        rest = others;
        let store = transaction.store(&first.store).map_err(failed)?;
        let (mut present, mut synced) = (None, None);
        if count >= MANY {
            present = Some(keys(&store, None, JsValue::as_string).await?);
            let range = rows_of(&first.key.slice)?;
            synced = Some(keys(&sync, Some(range), |key| Some(read_key(key)?.id.to_string())).await?);
        }
        let is_in = |ids: &Option<Set>, id: &str| ids.as_ref().is_none_or(|ids| ids.has(&id.into()));
        let mut requests: Vec<Pending<Result<Option<JsValue>, rexie::Error>>> = Vec::new();
        for Wanted { key, .. } in some {
            if is_in(&present, &key.id) {
                requests.push(Box::pin(store.get(key_value(&RowKey::Text(key.id.clone())))));
            }
            if is_in(&synced, &key.id) {
                requests.push(Box::pin(sync.get(key_value(&RowKey::Item(key.clone())))));
            }
        }
        let mut results = join::all(requests).await.into_iter();
        let mut next = |ids: &Option<Set>, id: &str| match is_in(ids, id) {
            true => results.next().and_then(Result::transpose).transpose().map_err(failed),
            false => Ok(None),
        };
        for Wanted { key, .. } in some {
            let value = next(&present, &key.id)?.map(|value| text(&value)).transpose()?.map(Json::from);
            let sync = next(&synced, &key.id)?.map(|row| text(&row)).transpose()?;
            loaded.push(Loaded { key: key.clone(), value, sync });
        }
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

/// The ids among a store's keys.
async fn keys(
    store: &Store,
    range: Option<KeyRange>,
    id: impl Fn(&JsValue) -> Option<String>,
) -> Result<Set, StoreError> {
    let keys = store.get_all_keys(range, None).await.map_err(failed)?;
    let ids = Set::new(&JsValue::UNDEFINED);
    for id in keys.iter().filter_map(id) {
        ids.add(&JsValue::from_str(&id));
    }
    Ok(ids)
}

/// The keys of a slice's rows in a store of all slices.
fn rows_of(slice: &str) -> Result<KeyRange, StoreError> {
    let from = Array::of1(&slice.into());
    // An array sorts after every string, so this ends the slice's rows.
    let to = Array::of2(&slice.into(), &Array::new());
    KeyRange::bound(&from, &to, None, None).map_err(|error| failed(error.into()))
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
