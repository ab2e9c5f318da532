//! IndexedDB: one database, opened with whatever stores it has, upgraded only to add some.
//!
//! Through web-sys and not through rexie: a transaction's requests are all issued at once and only its end is awaited,
//! so that a request costs neither a future nor a closure (ARCHITECTURE.md has the figures).

pub mod read;
mod value;

use self::value::{key_value, row_value};
use crate::task::{event, handler};
use js_sys::{Array, JsString};
use nightferry::store::{SYSTEM_STORES, StoreError, Write};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    DomException, Event, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest,
    IdbTransaction, IdbTransactionMode,
};

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
