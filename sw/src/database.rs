//! IndexedDB: one database, opened with whatever stores it has, upgraded only to add some.
//!
//! Through web-sys and not through rexie: a transaction's requests are all issued at once and only its end is awaited,
//! so that a request costs neither a future nor a closure (ARCHITECTURE.md has the figures).

use crate::task::{event, handler};
use js_sys::{Array, JSON, JsString, Map, Reflect, Set};
use nightferry::json::Json;
use nightferry::store::{
    CONFLICTS, HELD, JOURNAL, Key, Loaded, META, OUTBOX, Row, RowKey, SYNC, SYSTEM_STORES, Snapshot,
    StoreError, Wanted, Whole, Write,
};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    DomException, Event, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest,
    IdbTransaction, IdbTransactionMode,
};

/// From this many items of a store on, their keys are read at once before any value is.
const MANY: usize = 64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = indexedDB)]
    static INDEXED_DB: IdbFactory;
}

pub struct Database(IdbDatabase);

/// What the browser says of a failure; it may say nothing.
fn because(exception: Option<&DomException>) -> StoreError {
    match exception {
        Some(exception) => {
            StoreError { full: exception.name() == "QuotaExceededError", message: exception.message() }
        }
        None => StoreError { full: false, message: "IndexedDB failed and gave no reason".into() },
    }
}

/// A call that threw.
fn threw(error: JsValue) -> StoreError {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => StoreError { full: false, message: error.message().into() },
        None => because(error.dyn_ref()),
    }
}

/// A request's result, once it succeeded. What was requested before it in the same transaction has succeeded then, too.
async fn result(request: &IdbRequest) -> Result<JsValue, StoreError> {
    let ended = event(&|resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    match ended.await {
        Ok(_) => request.result().map_err(threw),
        Err(_) => Err(because(request.error().ok().flatten().as_ref())),
    }
}

/// Until the transaction is durable. A failure has undone all of it.
pub async fn committed(transaction: IdbTransaction) -> Result<(), StoreError> {
    let ended = event(&|resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    });
    ended.await.map(drop).map_err(|_| because(transaction.error().as_ref()))
}

impl Database {
    /// Opens the database with the system stores and `stores`; those that are missing are added, none is removed.
    pub async fn open(name: &str, stores: &[Rc<str>]) -> Result<Database, StoreError> {
        let wanted: Vec<JsString> = SYSTEM_STORES
            .into_iter()
            .chain(stores.iter().map(|store| &**store))
            .map(JsString::from)
            .collect();
        let open = INDEXED_DB.with(|factory| factory.open(name)).map_err(threw)?;
        let database = opened(&open, &wanted).await?;
        if missing(&database.0, &wanted).next().is_none() {
            return Ok(database);
        }
        let version = database.0.version() as u32 + 1;
        database.close();
        let open = INDEXED_DB.with(|factory| factory.open_with_u32(name, version)).map_err(threw)?;
        opened(&open, &wanted).await
    }

    pub fn close(self) {
        self.0.close();
    }

    /// The names of all object stores.
    fn stores(&self) -> Vec<String> {
        let names = self.0.object_store_names();
        (0..names.length()).filter_map(|at| names.get(at)).collect()
    }

    /// Begins a transaction with these writes, so that transactions take effect in the order of these calls.
    pub fn write(&self, writes: &[Write]) -> Result<IdbTransaction, StoreError> {
        // IndexedDB takes a store that is named twice once.
        let mut names: Vec<&str> = Vec::new();
        for write in writes {
            if !names.contains(&write.store()) {
                names.push(write.store());
            }
        }
        let transaction = self.begin(&names, IdbTransactionMode::Readwrite)?;
        let stores: Result<Vec<_>, _> =
            names.into_iter().map(|name| Ok((name, store(&transaction, name)?))).collect();
        let issued = stores.and_then(|stores| writes.iter().try_for_each(|write| issue(&stores, write)));
        match issued {
            Ok(()) => Ok(transaction),
            Err(error) => {
                let _ = transaction.abort();
                Err(error)
            }
        }
    }

    /// Begins a transaction that reads these stores.
    pub fn read(&self, stores: &[&str]) -> Result<IdbTransaction, StoreError> {
        self.begin(stores, IdbTransactionMode::Readonly)
    }

    fn begin(&self, stores: &[&str], mode: IdbTransactionMode) -> Result<IdbTransaction, StoreError> {
        let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        self.0.transaction_with_str_sequence_and_mode(&names, mode).map_err(threw)
    }

    /// Everything that the engine starts from.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.read(&[JOURNAL, OUTBOX, CONFLICTS, HELD, META])?;
        let mut snapshot = Snapshot { stores: self.stores(), ..Snapshot::default() };
        for (key, row) in rows(&transaction, JOURNAL).await? {
            snapshot.journal.extend(key.as_f64().map(|position| (position as u64, row)));
        }
        for (key, row) in rows(&transaction, OUTBOX).await? {
            snapshot.outbox.extend(key.as_f64().map(|seq| (seq as u64, row)));
        }
        for (store, into) in [(CONFLICTS, &mut snapshot.conflicts), (HELD, &mut snapshot.held)] {
            for (key, row) in rows(&transaction, store).await? {
                into.extend(read_key(&key).map(|key| (key, row)));
            }
        }
        for (key, row) in rows(&transaction, META).await? {
            snapshot.meta.extend(key.as_string().map(|name| (name, row)));
        }
        Ok(snapshot)
    }
}

/// The database of a request to open it, with these stores where that request makes or upgrades it.
async fn opened(open: &IdbOpenDbRequest, wanted: &[JsString]) -> Result<Database, StoreError> {
    let (request, stores) = (open.clone(), wanted.to_vec());
    let upgrade = handler(move |_| {
        if let Ok(database) = request.result() {
            let database: IdbDatabase = database.unchecked_into();
            for store in missing(&database, &stores) {
                // One that cannot be made is missing again when the database is opened, and is an error there.
                let _ = database.create_object_store(&String::from(store));
            }
        }
    });
    open.set_onupgradeneeded(Some(&upgrade));
    let database: IdbDatabase = result(open).await?.unchecked_into();
    // Another connection wants to upgrade or delete the database, and waits for this one; the next transaction opens it
    // again.
    let changed = handler(|event| {
        if let Some(database) = event.unchecked_into::<Event>().target() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    database.set_onversionchange(Some(&changed));
    Ok(Database(database))
}

fn missing<'a>(database: &IdbDatabase, wanted: &'a [JsString]) -> impl Iterator<Item = &'a JsString> {
    let existing = database.object_store_names();
    wanted.iter().filter(move |store| !existing.contains(&String::from(*store)))
}

fn issue(stores: &[(&str, IdbObjectStore)], write: &Write) -> Result<(), StoreError> {
    let Some((_, store)) = stores.iter().find(|(name, _)| *name == write.store()) else { return Ok(()) };
    let issued = match write {
        Write::Put { key, row, .. } => store.put_with_key(&row_value(row)?, &key_value(key)),
        Write::Delete { key, .. } => store.delete(&key_value(key)),
        Write::Trim { through, .. } => {
            let range = IdbKeyRange::upper_bound(&JsValue::from_f64(*through as f64)).map_err(threw)?;
            store.delete(&range)
        }
    };
    issued.map(drop).map_err(threw)
}

fn store(transaction: &IdbTransaction, name: &str) -> Result<IdbObjectStore, StoreError> {
    transaction.object_store(name).map_err(threw)
}

/// Reads items and what is known of the server's side of them.
pub async fn load(
    transaction: IdbTransaction,
    wanted: Vec<Wanted>,
    whole: Vec<Whole>,
) -> Result<Vec<Loaded>, StoreError> {
    let sync = store(&transaction, SYNC)?;
    let mut loaded = Vec::new();
    for Whole { slice, store: name } in &whole {
        let keys = sync.get_all_keys_with_key(&rows_of(slice)?).map_err(threw)?;
        let rows = array(&sync.get_all_with_key(&rows_of(slice)?).map_err(threw)?).await?;
        let by_id = Map::new();
        let keys: Array = keys.result().map_err(threw)?.unchecked_into();
        for (key, row) in keys.iter().zip(rows.iter()) {
            if let Some(key) = read_key(&key) {
                by_id.set(&id_value(&key), &row);
            }
        }
        let (ids, values) = items(transaction.clone(), name).await?;
        for (id, value) in ids.iter().zip(values.iter()) {
            let Some(name) = id.as_string() else { continue };
            let key = Key::from_parts(slice.clone(), name.as_str().into());
            let value = text(&value)?.map(Json::from);
            loaded.push(Loaded { key, value, sync: text(&by_id.get(&id))? });
        }
    }
    let mut rest = wanted.as_slice();
    // They come sorted, so those of one store stand together.
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|wanted| wanted.store == first.store).count();
        let (some, others) = rest.split_at(count);
        rest = others;
        let store = store(&transaction, &first.store)?;
        let (mut present, mut synced) = (None, None);
        if count >= MANY {
            let keys = array(&store.get_all_keys().map_err(threw)?).await?;
            present = Some(Set::new(&keys));
            let keys = sync.get_all_keys_with_key(&rows_of(&first.key.slice)?).map_err(threw)?;
            let keys = array(&keys).await?;
            let ids: Array = keys.iter().filter_map(|key| read_key(&key)).map(|key| id_value(&key)).collect();
            synced = Some(Set::new(&ids));
        }
        let is_in = |ids: &Option<Set>, key: &Key| ids.as_ref().is_none_or(|ids| ids.has(&id_value(key)));
        let mut requests = Vec::new();
        for Wanted { key, .. } in some {
            if is_in(&present, key) {
                requests.push(store.get(&id_value(key)).map_err(threw)?);
            }
            if is_in(&synced, key) {
                requests.push(sync.get(&key_value(&RowKey::Item(key.clone()))).map_err(threw)?);
            }
        }
        if let Some(last) = requests.last() {
            result(last).await?;
        }
        let mut requests = requests.iter();
        // What is not there was not asked for.
        let mut next = |there: bool| match if there { requests.next() } else { None } {
            Some(request) => request.result().map_err(threw).and_then(|value| text(&value)),
            None => Ok(None),
        };
        for Wanted { key, .. } in some {
            let value = next(is_in(&present, key))?.map(Json::from);
            let sync = next(is_in(&synced, key))?;
            loaded.push(Loaded { key: key.clone(), value, sync });
        }
    }
    Ok(loaded)
}

/// All items of a store: ids and values, side by side.
pub async fn items(transaction: IdbTransaction, name: &str) -> Result<(Array, Array), StoreError> {
    let store = store(&transaction, name)?;
    let ids = store.get_all_keys().map_err(threw)?;
    let values = array(&store.get_all().map_err(threw)?).await?;
    Ok((ids.result().map_err(threw)?.unchecked_into(), values))
}

async fn array(request: &IdbRequest) -> Result<Array, StoreError> {
    result(request).await.map(JsCast::unchecked_into)
}

/// The keys of a slice's rows in a store of all slices.
fn rows_of(slice: &str) -> Result<JsValue, StoreError> {
    let from = Array::of1(&slice.into());
    // An array sorts after every string, so this ends the slice's rows.
    let to = Array::of2(&slice.into(), &Array::new());
    IdbKeyRange::bound(&from, &to).map(JsValue::from).map_err(threw)
}

async fn rows(transaction: &IdbTransaction, name: &str) -> Result<Vec<(JsValue, String)>, StoreError> {
    let (keys, values) = items(transaction.clone(), name).await?;
    let read = |(key, value): (JsValue, JsValue)| Ok((key, text(&value)?.unwrap_or_default()));
    keys.iter().zip(values.iter()).map(read).collect()
}

/// A value as JSON text; `None` where there is none.
fn text(value: &JsValue) -> Result<Option<String>, StoreError> {
    if value.is_undefined() {
        return Ok(None);
    }
    JSON::stringify(value).map(|text| Some(text.into())).map_err(threw)
}

fn id_value(key: &Key) -> JsValue {
    JsValue::from_str(&key.id)
}

fn key_value(key: &RowKey) -> JsValue {
    match key {
        RowKey::Number(number) => JsValue::from_f64(*number as f64),
        RowKey::Text(text) => JsValue::from_str(text),
        RowKey::Item(key) => Array::of2(&JsValue::from_str(&key.slice), &id_value(key)).into(),
    }
}

fn read_key(key: &JsValue) -> Option<Key> {
    let key = key.dyn_ref::<Array>()?;
    Some(Key::new(&key.get(0).as_string()?, &key.get(1).as_string()?))
}

fn row_value(row: &Row) -> Result<JsValue, StoreError> {
    match row {
        Row::Json(json) => JSON::parse(json).map_err(threw),
        Row::WithText { head, text } => {
            let value = JSON::parse(head).map_err(threw)?;
            Reflect::set(&value, &JsString::from("text"), &JsValue::from_str(text)).map_err(threw)?;
            Ok(value)
        }
    }
}
