//! IndexedDB through rexie: one database, opened with whatever stores it has, upgraded only to add some.

pub mod read;
mod value;

use self::value::{key_value, row_value};
use crate::task::{event, handler};
use js_sys::Reflect;
use nightferry::store::{SYSTEM_STORES, StoreError, Write};
use rexie::{KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use wasm_bindgen::prelude::*;
use web_sys::{DomException, IdbDatabase, IdbFactory, IdbRequest};

pub struct Database(Rexie);

/// A request of a transaction. It is made as this is first polled.
pub type Request<'a, T> = Pin<Box<dyn Future<Output = rexie::Result<T>> + 'a>>;

/// What the browser says of a failure; rexie loses most of it.
pub fn failed(error: rexie::Error) -> StoreError {
    match error {
        rexie::Error::IdbError(idb::Error::DomException(exception)) => {
            StoreError { full: exception.name() == "QuotaExceededError", message: exception.message() }
        }
        rexie::Error::IdbError(
            idb::Error::TransactionOpenFailed(error)
            | idb::Error::IndexedDbOpenFailed(error)
            | idb::Error::ObjectStoreNotFound(error)
            | idb::Error::UpdateFailed(error)
            | idb::Error::DeleteFailed(error),
        ) => threw(error),
        _ => StoreError { full: false, message: "IndexedDB failed and gave no reason".into() },
    }
}

/// A call that threw.
pub fn threw(error: JsValue) -> StoreError {
    let message = match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => "IndexedDB failed and gave no reason".into(),
    };
    StoreError { full: false, message }
}

fn builder(name: &str, stores: &[&str]) -> rexie::RexieBuilder {
    let mut builder = Rexie::builder(name);
    for store in stores {
        builder = builder.add_object_store(ObjectStore::new(store));
    }
    builder
}

impl Database {
    /// Opens the database with the system stores and `stores`; those that are missing are added, none is removed.
    pub async fn open(name: &str, stores: &[Rc<str>]) -> Result<Database, StoreError> {
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
        add(name, version, &wanted).await?;
        builder(name, &[]).build().await.map(Database).map_err(failed)
    }

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

    /// Begins a transaction that reads these stores.
    pub fn read(&self, stores: &[&str]) -> Result<Transaction, StoreError> {
        self.0.transaction(stores, TransactionMode::ReadOnly).map_err(failed)
    }
}

/// Adds stores to a database that exists. By web-sys: rexie's builder deletes every store and index that it is not told
/// of, and panics where one cannot be made.
async fn add(name: &str, version: u32, wanted: &[&str]) -> Result<(), StoreError> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(threw)?;
    let open = factory.unchecked_into::<IdbFactory>().open_with_u32(name, version).map_err(threw)?;
    let mut stores: Vec<String> = Vec::new();
    for store in wanted {
        stores.push((*store).into());
    }
    let request: IdbRequest = open.clone().unchecked_into();
    let upgrade = handler(move |_| {
        if let Ok(database) = request.result() {
            let database: IdbDatabase = database.unchecked_into();
            for store in &stores {
                // One that cannot be made is missing again when the database is opened, and is an error there.
                let _ = database.create_object_store(store);
            }
        }
    });
    open.set_onupgradeneeded(Some(&upgrade));
    let ended = event(&|good, bad| {
        open.set_onsuccess(Some(&good));
        open.set_onerror(Some(&bad));
    });
    if ended.await.is_err() {
        let error = open.error().ok().flatten();
        return Err(threw(error.map(|error: DomException| error.into()).unwrap_or_default()));
    }
    open.result().map_err(threw)?.unchecked_into::<IdbDatabase>().close();
    Ok(())
}

/// Begins all requests, in their order; those that have not ended at once are left.
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
    // They live until the end: a closure of rexie's that is gone when its event comes throws, which aborts the transaction.
    let mut requests = Vec::new();
    let begun = match issue(&stores, &writes, &mut requests) {
        Ok(()) => begin(&mut requests).await.map_err(failed),
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        let _ = transaction.abort().await;
        return Err(error);
    }
    let done = transaction.done().await;
    match done {
        Ok(result) if result.is_committed() => return Ok(()),
        Ok(_) => {}
        Err(_) => {}
    }
    // Which of the requests failed, if one did.
    for request in requests.into_iter().flatten() {
        request.await.map_err(failed)?;
    }
    // The transaction has the reason, which rexie does not tell: mostly, a full disk.
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

/// What is to be requested of each store: puts that follow one another at once, as only the last of them is awaited.
fn issue<'a>(
    stores: &'a [(&str, Store)],
    writes: &[Write],
    requests: &mut Vec<Option<Request<'a, ()>>>,
) -> Result<(), StoreError> {
    for (name, store) in stores {
        let mut puts = Vec::new();
        for write in writes {
            if write.store() != *name {
                continue;
            }
            let key = match write {
                Write::Put { key, row, .. } => {
                    puts.push((row_value(row)?, Some(key_value(key))));
                    continue;
                }
                Write::Delete { key, .. } => key_value(key),
                Write::Trim { through, .. } => {
                    KeyRange::upper_bound(&JsValue::from_f64(*through as f64), None)
                        .map_err(|error| failed(error.into()))?
                        .into()
                }
            };
            if !puts.is_empty() {
                requests.push(Some(Box::pin(store.put_all(std::mem::take(&mut puts).into_iter()))));
            }
            requests.push(Some(Box::pin(store.delete(key))));
        }
        if !puts.is_empty() {
            requests.push(Some(Box::pin(store.put_all(puts.into_iter()))));
        }
    }
    Ok(())
}
