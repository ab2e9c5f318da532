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
        let mut wanted = Vec::new();
        for store in SYSTEM_STORES {
            wanted.push(JsString::from(store));
        }
        for store in stores {
            wanted.push(JsString::from(&**store));
        }
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
        let mut stores = Vec::new();
        for at in 0..names.length() {
            stores.extend(names.get(at));
        }
        stores
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
        match issue(&transaction, &names, writes) {
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
        let names = Array::new();
        for name in stores {
            names.push(&JsValue::from_str(name));
        }
        self.0.transaction_with_str_sequence_and_mode(&names, mode).map_err(threw)
    }

    /// Everything that the engine starts from.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let stores = [JOURNAL, OUTBOX, CONFLICTS, HELD, META];
        let transaction = self.read(&stores)?;
        let mut requests = Vec::new();
        for store in stores {
            ask_for_all(&transaction, store, &mut requests)?;
        }
        ended(&requests).await?;
        let mut snapshot = Snapshot { stores: self.stores(), ..Snapshot::default() };
        let mut answers = Answers(requests.iter());
        let number = |key: JsValue| key.as_f64().map(|number| number as u64);
        answers.rows(&mut |key, row| snapshot.journal.extend(number(key).map(|position| (position, row))))?;
        answers.rows(&mut |key, row| snapshot.outbox.extend(number(key).map(|seq| (seq, row))))?;
        answers.rows(&mut |key, row| snapshot.conflicts.extend(read_key(&key).map(|key| (key, row))))?;
        answers.rows(&mut |key, row| snapshot.held.extend(read_key(&key).map(|key| (key, row))))?;
        answers.rows(&mut |key, row| snapshot.meta.extend(key.as_string().map(|name| (name, row))))?;
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

/// Requests the writes, all at once.
fn issue(transaction: &IdbTransaction, names: &[&str], writes: &[Write]) -> Result<(), StoreError> {
    let mut stores = Vec::new();
    for name in names {
        stores.push(store(transaction, name)?);
    }
    for write in writes {
        let store = names.iter().position(|name| *name == write.store()).and_then(|at| stores.get(at));
        let Some(store) = store else { continue };
        match write {
            Write::Put { key, row, .. } => store.put_with_key(&row_value(row)?, &key_value(key)),
            Write::Delete { key, .. } => store.delete(&key_value(key)),
            Write::Trim { through, .. } => {
                let range = IdbKeyRange::upper_bound(&JsValue::from_f64(*through as f64)).map_err(threw)?;
                store.delete(&range)
            }
        }
        .map_err(threw)?;
    }
    Ok(())
}

fn store(transaction: &IdbTransaction, name: &str) -> Result<IdbObjectStore, StoreError> {
    transaction.object_store(name).map_err(threw)
}

/// Reads items and what is known of the server's side of them. What is asked, and what the answers come to, is in functions
/// of its own: whatever lives across an `await` costs the worker code.
pub async fn load(
    transaction: IdbTransaction,
    wanted: Vec<Wanted>,
    whole: Vec<Whole>,
) -> Result<Vec<Loaded>, StoreError> {
    let keys = ask_for_keys(&transaction, &wanted, &whole)?;
    ended(&keys).await?;
    let mut loaded = Vec::new();
    let mut answers = Answers(keys.iter());
    read_whole(&mut answers, &whole, &mut loaded)?;
    let items = ask_for_items(&transaction, &mut answers, &wanted, &mut loaded)?;
    ended(&items.requests).await?;
    items.read(&mut loaded)?;
    Ok(loaded)
}

/// Of whole slices, all there is; of many items of a store, which of them there are.
fn ask_for_keys(
    transaction: &IdbTransaction,
    wanted: &[Wanted],
    whole: &[Whole],
) -> Result<Vec<IdbRequest>, StoreError> {
    let sync = store(transaction, SYNC)?;
    let mut requests = Vec::new();
    for whole in whole {
        let rows = rows_of(&whole.slice)?;
        requests.push(sync.get_all_keys_with_key(&rows).map_err(threw)?);
        requests.push(sync.get_all_with_key(&rows).map_err(threw)?);
        ask_for_all(transaction, &whole.store, &mut requests)?;
    }
    for some in by_store(wanted) {
        if some.len() >= MANY {
            requests.push(store(transaction, &some[0].store)?.get_all_keys().map_err(threw)?);
            requests.push(sync.get_all_keys_with_key(&rows_of(&some[0].key.slice)?).map_err(threw)?);
        }
    }
    Ok(requests)
}

/// They come sorted, so those of one store stand together.
fn by_store(wanted: &[Wanted]) -> impl Iterator<Item = &[Wanted]> {
    wanted.chunk_by(|one, other| one.store == other.store)
}

fn read_whole(answers: &mut Answers, whole: &[Whole], loaded: &mut Vec<Loaded>) -> Result<(), StoreError> {
    for Whole { slice, .. } in whole {
        let by_id = Map::new();
        let (keys, rows) = (answers.array()?, answers.array()?);
        for (key, row) in keys.iter().zip(rows.iter()) {
            if let Some(key) = read_key(&key) {
                by_id.set(&id_value(&key), &row);
            }
        }
        let (ids, values) = (answers.array()?, answers.array()?);
        for (id, value) in ids.iter().zip(values.iter()) {
            let Some(name) = id.as_string() else { continue };
            let key = Key::from_parts(slice.clone(), name.as_str().into());
            let value = text(&value)?.map(Json::from);
            loaded.push(Loaded { key, value, sync: text(&by_id.get(&id))? });
        }
    }
    Ok(())
}

/// Requests for items, each with what it is for: the place of the item, and whether it is its `_sync` row.
#[derive(Default)]
struct Items {
    requests: Vec<IdbRequest>,
    places: Vec<(usize, bool)>,
}

/// Asks for the items that there are, as far as that is known, and makes room for all.
fn ask_for_items(
    transaction: &IdbTransaction,
    answers: &mut Answers,
    wanted: &[Wanted],
    loaded: &mut Vec<Loaded>,
) -> Result<Items, StoreError> {
    let sync = store(transaction, SYNC)?;
    let mut items = Items::default();
    for some in by_store(wanted) {
        let store = store(transaction, &some[0].store)?;
        let (mut present, mut synced) = (None, None);
        if some.len() >= MANY {
            let keys = answers.array()?;
            present = Some(Set::new(&keys));
            let keys = answers.array()?;
            let ids = Set::new(&JsValue::UNDEFINED);
            for key in keys.iter() {
                if let Some(key) = read_key(&key) {
                    ids.add(&id_value(&key));
                }
            }
            synced = Some(ids);
        }
        for Wanted { key, .. } in some {
            let id = id_value(key);
            let is_in = |ids: &Option<Set>| ids.as_ref().is_none_or(|ids| ids.has(&id));
            if is_in(&present) {
                items.requests.push(store.get(&id).map_err(threw)?);
                items.places.push((loaded.len(), false));
            }
            if is_in(&synced) {
                items.requests.push(sync.get(&key_value(&RowKey::Item(key.clone()))).map_err(threw)?);
                items.places.push((loaded.len(), true));
            }
            loaded.push(Loaded { key: key.clone(), value: None, sync: None });
        }
    }
    Ok(items)
}

impl Items {
    fn read(&self, loaded: &mut [Loaded]) -> Result<(), StoreError> {
        for (request, (place, is_sync)) in self.requests.iter().zip(&self.places) {
            let text = text(&request.result().map_err(threw)?)?;
            match loaded.get_mut(*place) {
                Some(loaded) if *is_sync => loaded.sync = text,
                Some(loaded) => loaded.value = text.map(Json::from),
                None => {}
            }
        }
        Ok(())
    }
}

/// All items of a store: ids and values, side by side.
pub async fn items(transaction: IdbTransaction, name: &str) -> Result<(Array, Array), StoreError> {
    let mut requests = Vec::new();
    ask_for_all(&transaction, name, &mut requests)?;
    ended(&requests).await?;
    let mut answers = Answers(requests.iter());
    Ok((answers.array()?, answers.array()?))
}

/// Asks for all keys of a store and all its values.
fn ask_for_all(
    transaction: &IdbTransaction,
    name: &str,
    requests: &mut Vec<IdbRequest>,
) -> Result<(), StoreError> {
    let store = store(transaction, name)?;
    requests.push(store.get_all_keys().map_err(threw)?);
    requests.push(store.get_all().map_err(threw)?);
    Ok(())
}

/// Until requests of one transaction have succeeded: all have, once the last one has.
async fn ended(requests: &[IdbRequest]) -> Result<(), StoreError> {
    match requests.last() {
        Some(last) => result(last).await.map(drop),
        None => Ok(()),
    }
}

/// What requests came to, in their order.
struct Answers<'a>(std::slice::Iter<'a, IdbRequest>);

impl Answers<'_> {
    fn array(&mut self) -> Result<Array, StoreError> {
        match self.0.next() {
            Some(request) => Ok(request.result().map_err(threw)?.unchecked_into()),
            None => Ok(Array::new()),
        }
    }

    /// All rows of a store, with their keys.
    fn rows(&mut self, take: &mut dyn FnMut(JsValue, String)) -> Result<(), StoreError> {
        let (keys, rows) = (self.array()?, self.array()?);
        for (key, row) in keys.iter().zip(rows.iter()) {
            take(key, text(&row)?.unwrap_or_default());
        }
        Ok(())
    }
}

/// The keys of a slice's rows in a store of all slices.
fn rows_of(slice: &str) -> Result<JsValue, StoreError> {
    let from = Array::of1(&slice.into());
    // An array sorts after every string, so this ends the slice's rows.
    let to = Array::of2(&slice.into(), &Array::new());
    IdbKeyRange::bound(&from, &to).map(JsValue::from).map_err(threw)
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
