//! IndexedDB through rexie: one database, opened with whatever stores it has, upgraded only to add some.
//!
//! web-sys stands beside rexie in one place, [`add`], and `idb`, of which rexie is made, for the variants of its errors.
//! Each trap of rexie 0.6 is told where it matters: [`begin`], [`commit`], [`Database::close`], `read::one`.

pub mod read;
mod value;

use self::value::key_value;
use js_sys::{Array, Function, JSON, JsString, Promise, Reflect};
use nightferry::store::{ITEMS, OPEN, Row, RowKey, SYSTEM_STORES, StoreError, Write};
use rexie::{Index, KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbFactory, IdbOpenDbRequest};

pub struct Database(Rexie);

/// A request of a transaction. It is made when this is first polled, and not before.
pub type Request<'a, T> = Pin<Box<dyn Future<Output = rexie::Result<T>> + 'a>>;

/// Returns why a call of rexie failed. (Its own text is "idb error", and that of idb would be 6 KB of formatting.)
pub fn failed(error: rexie::Error) -> StoreError {
    let rexie::Error::IdbError(error) = error else { return threw(JsValue::UNDEFINED) };
    match error {
        idb::Error::DomException(exception) => threw(exception.into()),
        idb::Error::DeleteFailed(error)
        | idb::Error::GetAllFailed(error)
        | idb::Error::GetAllKeysFailed(error)
        | idb::Error::IndexedDbOpenFailed(error)
        | idb::Error::KeyRangeCreateFailed(error)
        | idb::Error::ObjectStoreNotFound(error)
        | idb::Error::TransactionOpenFailed(error)
        | idb::Error::UpdateFailed(error) => threw(error),
        _ => threw(JsValue::UNDEFINED),
    }
}

/// Returns why a call of the browser threw, or a request failed.
pub fn threw(error: JsValue) -> StoreError {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => {
            StoreError { full: error.name() == "QuotaExceededError", message: error.message().into() }
        }
        None => StoreError { full: false, message: "IndexedDB failed and gave no reason".into() },
    }
}

fn builder(name: &str, stores: &[&str]) -> rexie::RexieBuilder {
    let mut builder = Rexie::builder(name);
    for store in stores {
        let mut added = ObjectStore::new(store);
        if *store == ITEMS {
            added = added.add_index(Index::new(OPEN, OPEN));
        }
        builder = builder.add_object_store(added);
    }
    builder
}

impl Database {
    /// Opens the database with the system stores and `stores`; those that are missing are added, none is removed. `on_blocked` is
    /// called if that has to wait for another connection, which is not closed.
    pub async fn open(
        name: &str,
        stores: &[Rc<str>],
        on_blocked: Option<Function>,
    ) -> Result<Database, StoreError> {
        let mut wanted = SYSTEM_STORES.to_vec();
        for store in stores {
            wanted.push(store);
        }
        // A database that is there already stays as it is; a new one has the stores.
        let database = builder(name, &wanted).build().await.map_err(failed)?;
        let existing = database.store_names();
        wanted.retain(|store| !existing.iter().any(|known| known == store));
        if wanted.is_empty() {
            return Ok(Database(database));
        }
        let version = database.version().map_err(failed)? + 1;
        database.close();
        add(name, version, &wanted, on_blocked).await?;
        builder(name, &[]).build().await.map(Database).map_err(failed)
    }

    /// Closes the connection. A `Rexie` that is dropped without it keeps its connection, and a listener that is gone: deleting
    /// the database, and upgrades by others, would wait for ever.
    pub fn close(self) {
        self.0.close();
    }

    /// The names of all object stores.
    fn stores(&self) -> Vec<String> {
        self.0.store_names()
    }

    /// Begins a transaction that writes these, so that transactions take effect in the order of these calls.
    pub fn write(&self, writes: &[Write]) -> Result<Transaction, StoreError> {
        // IndexedDB takes a store that is named twice once.
        let mut names: Vec<&str> = Vec::new();
        for write in writes {
            if !names.contains(&write.store()) {
                names.push(write.store());
            }
        }
        self.0.transaction(&names, TransactionMode::ReadWrite).map_err(failed)
    }

    /// Begins a transaction that reads these stores once every transaction on them has ended.
    fn read_exclusively(&self, stores: &[&str]) -> Result<Transaction, StoreError> {
        self.0.transaction(stores, TransactionMode::ReadWrite).map_err(failed)
    }

    /// Begins a transaction that reads these stores.
    pub fn read(&self, stores: &[&str]) -> Result<Transaction, StoreError> {
        self.0.transaction(stores, TransactionMode::ReadOnly).map_err(failed)
    }
}

/// Adds stores to a database that exists. By web-sys: with a version, rexie's builder deletes every store and every index
/// that it is not told of, and panics where one cannot be made.
async fn add(
    name: &str,
    version: u32,
    wanted: &[&str],
    on_blocked: Option<Function>,
) -> Result<(), StoreError> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(threw)?;
    let open = factory.unchecked_into::<IdbFactory>().open_with_u32(name, version).map_err(threw)?;
    let stores: Vec<String> = wanted.iter().map(|store| String::from(*store)).collect();
    let request = open.clone();
    let upgrade = Closure::<dyn FnMut()>::new(move || {
        if let Ok(database) = result(&request) {
            for store in &stores {
                // One that cannot be made is still missing when the database is opened, and is an error there.
                if let (Ok(added), ITEMS) = (database.create_object_store(store), &**store) {
                    let _ = added.create_index_with_str(OPEN, OPEN);
                }
            }
        }
    });
    open.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
    open.set_onblocked(on_blocked.as_ref());
    let ended = Promise::new(&mut |resolve, reject| {
        open.set_onsuccess(Some(&resolve));
        open.set_onerror(Some(&reject));
    });
    if JsFuture::from(ended).await.is_err() {
        let error = open.error().ok().flatten();
        return Err(threw(error.map(JsValue::from).unwrap_or_default()));
    }
    result(&open)?.close();
    Ok(())
}

fn result(open: &IdbOpenDbRequest) -> Result<IdbDatabase, StoreError> {
    open.result().map(JsCast::unchecked_into).map_err(threw)
}

/// Begins all requests of a transaction, in their order, and leaves those that do not end at once for the caller to await.
///
/// A future of rexie that is not polled is no request: the transaction would commit without it. And one that was polled
/// must live until its transaction has ended: its event finds a closure that is gone otherwise, throws, and IndexedDB
/// aborts. So nothing here may be put into a `select` or a timeout.
pub async fn begin<T>(requests: &mut [Option<Request<'_, T>>]) -> Result<(), rexie::Error> {
    std::future::poll_fn(|context| {
        for slot in requests.iter_mut() {
            if let Some(request) = slot
                && let Poll::Ready(result) = request.as_mut().poll(context)
            {
                *slot = None;
                if let Err(error) = result {
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Performs the writes until they are durable. A failure undoes all of them.
pub async fn commit(transaction: Transaction, writes: Vec<Write>) -> Result<(), StoreError> {
    let stores = open_stores(&transaction, &writes)?;
    // Both live until the end, see `begin`.
    let mut requests = Vec::new();
    let begun = match issue(&stores, &writes, &mut requests) {
        Ok(()) => begin(&mut requests).await.map_err(failed),
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        // Dropping the transaction would commit what was requested of it so far.
        let _ = transaction.abort().await;
        return Err(error);
    }
    // Nothing else is awaited before this: rexie listens for the end from here on, and once it is over never answers. Only
    // the transaction's end says that all is durable; a request's success does not.
    if transaction.done().await.is_ok_and(|result| result.is_committed()) {
        return Ok(());
    }
    // Rexie does not say why; one of the requests may.
    for request in requests.into_iter().flatten() {
        request.await.map_err(failed)?;
    }
    // No request failed, so the transaction itself did: mostly, the disk is full.
    Err(StoreError { full: true, message: "the browser did not commit the transaction".into() })
}

fn open_stores<'a>(
    transaction: &Transaction,
    writes: &'a [Write],
) -> Result<Vec<(&'a str, Store)>, StoreError> {
    let mut stores: Vec<(&str, Store)> = Vec::new();
    for write in writes {
        if !stores.iter().any(|(name, _)| *name == write.store()) {
            stores.push((write.store(), transaction.store(write.store()).map_err(failed)?));
        }
    }
    Ok(stores)
}

/// Adds to `requests` what the writes come to, store by store. Puts that follow one another are one request to rexie,
/// which awaits only the last of them: a failure of an earlier one shows as the transaction's.
fn issue<'a>(
    stores: &'a [(&str, Store)],
    writes: &[Write],
    requests: &mut Vec<Option<Request<'a, ()>>>,
) -> Result<(), StoreError> {
    for (name, store) in stores {
        let mut puts = Puts::default();
        for write in writes {
            if write.store() != *name {
                continue;
            }
            let key = match write {
                Write::Put { key, row, .. } => {
                    puts.add(key, row)?;
                    continue;
                }
                Write::Clear { .. } => {
                    requests.extend(puts.put_all(store)?);
                    requests.push(Some(Box::pin(store.clear())));
                    continue;
                }
                Write::Delete { key, .. } => key_value(key),
                Write::Trim { through, .. } => {
                    KeyRange::upper_bound(&JsValue::from_f64(*through as f64), None)
                        .map_err(|error| failed(error.into()))?
                        .into()
                }
            };
            requests.extend(puts.put_all(store)?);
            requests.push(Some(Box::pin(store.delete(key))));
        }
        requests.extend(puts.put_all(store)?);
    }
    Ok(())
}

/// Puts that follow one another in a store. Their JSON is parsed all at once: a call of `JSON.parse` for each row, and its
/// text carried over for each, are half of what the worker does for a put.
#[derive(Default)]
struct Puts {
    keys: Vec<JsValue>,
    /// The rows, with commas between.
    rows: String,
    /// The texts that rows have as their property `text`, by the rows' places.
    texts: Vec<(u32, Rc<str>)>,
}

impl Puts {
    fn add(&mut self, key: &RowKey, row: &Row) -> Result<(), StoreError> {
        if !self.keys.is_empty() {
            self.rows.push(',');
        }
        match row {
            Row::Json(json) => self.rows.push_str(json),
            Row::WithText { head, text } => {
                self.texts.push((self.keys.len() as u32, text.clone()));
                self.rows.push_str(head);
            }
        }
        self.keys.push(key_value(key));
        Ok(())
    }

    /// The request that they are; none where there are none.
    fn put_all<'a>(&mut self, store: &'a Store) -> Result<Option<Option<Request<'a, ()>>>, StoreError> {
        let Puts { keys, rows, texts } = std::mem::take(self);
        if keys.is_empty() {
            return Ok(None);
        }
        let rows: Array = JSON::parse(&format!("[{rows}]")).map_err(threw)?.unchecked_into();
        for (place, text) in texts {
            let text = JsValue::from_str(&text);
            Reflect::set(&rows.get(place), &JsString::from("text"), &text).map_err(threw)?;
        }
        let puts: Vec<_> = rows.iter().zip(keys.into_iter().map(Some)).collect();
        Ok(Some(Some(Box::pin(store.put_all(puts.into_iter())))))
    }
}
