//! The databases of other users of this browser: whether something waits in them until their users sign in again.

use crate::database::{Database, read};
use crate::platform::moment;
use js_sys::{Array, Function, JsString, Promise, Reflect};
use nightferry::engine::{Engine, Input, Output};
use nightferry::store::{Snapshot, StoreError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// An engine that only looks takes so many steps at most.
const MOST_STEPS: usize = 10_000;

/// Returns the names of all databases of this origin; nothing where the browser does not say. web-sys has `IDBFactory.databases`
/// among its unstable types only.
pub async fn databases() -> Option<Vec<String>> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).ok()?;
    let databases: Function = Reflect::get(&factory, &"databases".into()).ok()?.dyn_into().ok()?;
    let asked: Promise = databases.call0(&factory).ok()?.dyn_into().ok()?;
    let list: Array = JsFuture::from(asked).await.ok()?.dyn_into().ok()?;
    let name = |database: JsValue| Reflect::get(&database, &JsString::from("name")).ok()?.as_string();
    Some(list.iter().filter_map(name).collect())
}

/// Counts the other users of the databases of this name whose changes wait for them. `own` is the database in use. Nobody changes
/// the others meanwhile: their workers are not in charge.
pub async fn waiting(name: &str, own: &str) -> u64 {
    let beside = [name, "~"].concat();
    let is_theirs = |other: &String| *other != own && (other == name || other.starts_with(&beside));
    let mut waiting = 0;
    for other in databases().await.unwrap_or_default().into_iter().filter(is_theirs) {
        waiting += u64::from(has_unsent(&other).await.unwrap_or_default());
    }
    waiting
}

async fn has_unsent(name: &str) -> Result<bool, StoreError> {
    let database = Database::open(name, &[], None).await?;
    let looked = look(&database).await;
    database.close();
    looked
}

/// Starts an engine on a database, and performs nothing of what it wants but to read.
async fn look(database: &Database) -> Result<bool, StoreError> {
    let snapshot: Snapshot = database.snapshot().await?;
    let Ok(mut engine) = Engine::new(moment(), snapshot) else { return Ok(false) };
    for _ in 0..MOST_STEPS {
        match engine.poll() {
            Output::Load { load, wanted, slices } => {
                let transaction = read::begin_load(database, &wanted, &slices)?;
                let result = read::load(transaction, wanted, slices).await;
                engine.handle(moment(), Input::Loaded { load, result });
            }
            Output::Store { txn, .. } => engine.handle(moment(), Input::Stored { txn, result: Ok(()) }),
            Output::Wait(_) => break,
            _ => {}
        }
    }
    Ok(engine.has_unsent())
}
