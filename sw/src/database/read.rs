//! What is read: everything at the start, the items that the engine works on, and all items of a slice for a page.

use super::value::{id_value, key_value, read_key, rows_of, text};
use super::{Database, result, store, threw};
use js_sys::{Array, Map, Set};
use nightferry::json::Json;
use nightferry::store::{
    CONFLICTS, HELD, JOURNAL, Key, Loaded, META, OUTBOX, RowKey, SYNC, Snapshot, StoreError, Wanted, Whole,
};
use wasm_bindgen::prelude::*;
use web_sys::{IdbRequest, IdbTransaction};

/// From this many items of a store on, their keys are read at once before any value is.
const MANY: usize = 64;

impl Database {
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
