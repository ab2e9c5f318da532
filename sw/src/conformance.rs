//! The store contract's cases on IndexedDB, for a test that calls this in a worker.

use crate::database::{self, Database, read};
use nightferry::store::StoreError;
use nightferry::store::conformance::{Case, Step, cases, compare_loaded, compare_snapshots};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Plays every case, each on a database of its own. Returns a line for each case that fails.
#[wasm_bindgen]
pub async fn store_conformance_for_tests() -> Result<Vec<String>, JsValue> {
    let mut failures = Vec::new();
    for (at, case) in cases().into_iter().enumerate() {
        let name = case.name;
        if let Err(failure) = play(&format!("conformance {at}"), case).await {
            failures.push(format!("{name}, {failure}"));
        }
    }
    Ok(failures)
}

async fn play(name: &str, case: Case) -> Result<(), String> {
    let mut database = Database::open(name, &[], None).await.map_err(said)?;
    for (at, step) in case.steps.into_iter().enumerate() {
        let played = match step {
            // As the worker does it: closed, and opened with the stores.
            Step::Create(stores) => {
                database.close();
                database = Database::open(name, &stores, None).await.map_err(said)?;
                Ok(())
            }
            Step::Write(writes) => match database.write(&writes) {
                Ok(transaction) => database::commit(transaction, writes).await.map_err(said),
                Err(error) => Err(said(error)),
            },
            Step::Refused(writes) => match database.write(&writes) {
                Ok(transaction) => match database::commit(transaction, writes).await {
                    Ok(()) => Err("it was not refused".into()),
                    Err(_) => Ok(()),
                },
                Err(_) => Ok(()),
            },
            Step::Start(expected) => {
                database.snapshot().await.map_err(said).and_then(|there| compare_snapshots(&expected, there))
            }
            Step::Load { wanted, slices, loaded } => {
                let mut stores: Vec<Rc<str>> = vec![nightferry::store::ITEMS.into()];
                stores.extend(wanted.iter().map(|wanted| wanted.store.clone()));
                stores.extend(slices.iter().map(|slice| slice.store.clone()));
                let names: Vec<&str> = stores.iter().map(|store| &**store).collect();
                match database.read(&names) {
                    Ok(transaction) => read::load(transaction, wanted, slices)
                        .await
                        .map_err(said)
                        .and_then(|there| compare_loaded(&loaded, there)),
                    Err(error) => Err(said(error)),
                }
            }
        };
        if let Err(failure) = played {
            database.close();
            return Err(format!("step {at}: {failure}"));
        }
    }
    database.close();
    Ok(())
}

fn said(error: StoreError) -> String {
    error.message
}
