//! Reads the database: everything at the start, the items that the engine works on, and all items of a slice for a page.

use super::value::{id_value, key_value, read_key, rows_of, text};
use super::{Database, Request, begin, failed};
use js_sys::{Array, Map};
use nightferry::json::Json;
use nightferry::store::{
    ITEMS, JOURNAL, Key, Loaded, META, OPEN, RowKey, Snapshot, StoreError, Wanted, Whole,
};
use nightferry::units::Position;
use rexie::{KeyRange, Store, Transaction};
use wasm_bindgen::prelude::*;

/// From this number of items of a store on, all keys are read before any value.
const MANY: usize = 64;

/// If more than one in so many rows of a range is wanted, the whole range is read: one request instead of one a row.
const ONE_IN: usize = 2;

/// The field of an entry that a row is read for.
#[derive(Clone, Copy)]
enum Place {
    /// The value of this entry.
    Value(usize),
    /// The row in `_items` of this entry.
    Row(usize),
}

/// For each request, the places of the rows in its answer.
type Places = Vec<Vec<Option<Place>>>;

/// Requests whose answers are rows or keys.
type Requests<'a> = Vec<Option<Request<'a, Vec<JsValue>>>>;
/// The results of requests, in their order.
type Answers = std::vec::IntoIter<Vec<JsValue>>;

impl Database {
    /// Reads everything that the engine starts from.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        // One readwrite transaction over all system stores: it waits for what a killed worker had begun, and only there old
        // versions of Chromium hide entries of an index that are not true any more.
        let transaction = self.read_exclusively(&[META, JOURNAL, ITEMS])?;
        let [meta, journal, items] = [META, JOURNAL, ITEMS].map(|name| transaction.store(name));
        let (meta, journal, items) =
            (meta.map_err(failed)?, journal.map_err(failed)?, items.map_err(failed)?);
        let open = items.index(OPEN).map_err(failed)?;
        let mut requests = Vec::new();
        ask_for_all(&meta, &mut requests);
        ask_for_all(&journal, &mut requests);
        requests.push(Some(Box::pin(open.get_all_keys(None, None)) as Request<'_, Vec<JsValue>>));
        let mut answers = ended(requests).await?;
        let mut snapshot = Snapshot { stores: self.stores(), ..Snapshot::default() };
        rows(&mut answers, &mut |key, row| snapshot.meta.extend(key.as_string().map(|name| (name, row))))?;
        rows(&mut answers, &mut |key, row| {
            let position = key.as_f64().map(|number| Position(number as u64));
            snapshot.journal.extend(position.map(|position| (position, row)));
        })?;
        snapshot.open.extend(next(&mut answers).iter().filter_map(read_key));
        Ok(snapshot)
    }
}

/// Begins the transaction of [`load`].
pub fn begin_load(
    database: &Database,
    wanted: &[Wanted],
    slices: &[Whole],
) -> Result<Transaction, StoreError> {
    let mut stores = vec![ITEMS];
    let named = wanted.iter().map(|wanted| &wanted.store).chain(slices.iter().map(|slice| &slice.store));
    for store in named {
        if !stores.contains(&&**store) {
            stores.push(store);
        }
    }
    database.read(&stores)
}

/// Reads items: their values, and their rows in `_items`.
pub async fn load(
    transaction: Transaction,
    wanted: Vec<Wanted>,
    slices: Vec<Whole>,
) -> Result<Vec<Loaded>, StoreError> {
    let items = transaction.store(ITEMS).map_err(failed)?;
    let mut stores = Vec::new();
    for Whole { store, .. } in &slices {
        stores.push(transaction.store(store).map_err(failed)?);
    }
    for some in by_store(&wanted) {
        stores.push(transaction.store(&some[0].store).map_err(failed)?);
    }
    let (of_slices, of_wanted) = stores.split_at(slices.len());
    let mut requests = Vec::new();
    ask_for_keys(&items, of_slices, of_wanted, &wanted, &slices, &mut requests)?;
    let mut answers = ended(requests).await?;
    let mut loaded = Vec::new();
    read_slices(&mut answers, &slices, &mut loaded)?;
    let mut requests = Vec::new();
    let places = ask_for_items(&items, of_wanted, &mut answers, &wanted, &mut loaded, &mut requests)?;
    let answers = ended(requests).await?;
    for (row, place) in answers.zip(places).flat_map(|(rows, places)| rows.into_iter().zip(places)) {
        match place {
            Some(Place::Value(at)) => loaded[at].value = text(&row)?.map(Json::from),
            Some(Place::Row(at)) => loaded[at].row = text(&row)?,
            None => {}
        }
    }
    Ok(loaded)
}

/// Requests everything of the given slices, and the keys of stores of which many items are wanted.
fn ask_for_keys<'a>(
    items: &'a Store,
    of_slices: &'a [Store],
    of_wanted: &'a [Store],
    wanted: &[Wanted],
    slices: &[Whole],
    requests: &mut Requests<'a>,
) -> Result<(), StoreError> {
    for (slice, store) in slices.iter().zip(of_slices) {
        requests.push(Some(Box::pin(items.get_all_keys(Some(rows_of(&slice.slice)?), None))));
        requests.push(Some(Box::pin(items.get_all(Some(rows_of(&slice.slice)?), None))));
        ask_for_all(store, requests);
    }
    for (some, store) in by_store(wanted).zip(of_wanted) {
        if some.len() >= MANY {
            requests.push(Some(Box::pin(store.get_all_keys(None, None))));
            requests.push(Some(Box::pin(items.get_all_keys(Some(rows_of(&some[0].key.slice)?), None))));
        }
    }
    Ok(())
}

/// Groups the items by store. They are sorted by store already.
fn by_store(wanted: &[Wanted]) -> impl Iterator<Item = &[Wanted]> {
    wanted.chunk_by(|one, other| one.store == other.store)
}

fn read_slices(answers: &mut Answers, slices: &[Whole], loaded: &mut Vec<Loaded>) -> Result<(), StoreError> {
    for Whole { slice, .. } in slices {
        let by_id = Map::new();
        let (keys, rows) = (next(answers), next(answers));
        for (key, row) in keys.iter().zip(rows) {
            if let Some(key) = read_key(key) {
                by_id.set(&id_value(&key), &row);
            }
        }
        let (ids, values) = (next(answers), next(answers));
        for (id, value) in ids.iter().zip(values) {
            let Some(name) = id.as_string() else { continue };
            let key = Key::from_parts(slice.clone(), name.as_str().into());
            let value = text(&value)?.map(Json::from);
            let row = text(&by_id.get(id))?;
            by_id.delete(id);
            loaded.push(Loaded { key, value, row });
        }
        // The remaining rows have no value: the item was deleted, or its value is held.
        for (id, row) in by_id.entries().into_iter().flatten().filter_map(|entry| pair(&entry)) {
            let key = Key::from_parts(slice.clone(), id.as_str().into());
            loaded.push(Loaded { key, value: None, row: text(&row)? });
        }
    }
    Ok(())
}

/// Requests the wanted items, except those known to be missing, and adds an entry for each to `loaded`.
fn ask_for_items<'a>(
    items: &'a Store,
    of_wanted: &'a [Store],
    answers: &mut Answers,
    wanted: &[Wanted],
    loaded: &mut Vec<Loaded>,
    requests: &mut Requests<'a>,
) -> Result<Places, StoreError> {
    let mut places = Vec::new();
    for (some, store) in by_store(wanted).zip(of_wanted) {
        let first = loaded.len();
        loaded.extend(some.iter().map(|wanted| Loaded { key: wanted.key.clone(), value: None, row: None }));
        if some.len() < MANY {
            for (at, Wanted { key, .. }) in (first..).zip(some) {
                requests.push(Some(one(store, &id_value(key))?));
                requests.push(Some(one(items, &key_value(&RowKey::Item(key.clone())))?));
                places.extend([vec![Some(Place::Value(at))], vec![Some(Place::Row(at))]]);
            }
            continue;
        }
        let by_id = Map::new();
        for (at, Wanted { key, .. }) in (first..).zip(some) {
            by_id.set(&id_value(key), &JsValue::from_f64(at as f64));
        }
        let entry = |id: &JsValue| by_id.get(id).as_f64().map(|at| at as usize);
        let (keys, row_keys) = (next(answers), next(answers));
        let of_value = |id: &JsValue| entry(id).map(Place::Value);
        let of_row = |key: &JsValue| entry(&id_value(&read_key(key)?)).map(Place::Row);
        let all = rows_of(&some[0].key.slice)?;
        ask_for_rows(store, None, &keys, of_value, requests, &mut places)?;
        ask_for_rows(items, Some(all), &row_keys, of_row, requests, &mut places)?;
    }
    Ok(places)
}

/// Requests those rows that have a place, of a range of a store that has these keys.
fn ask_for_rows<'a>(
    store: &'a Store,
    range: Option<KeyRange>,
    keys: &[JsValue],
    place: impl Fn(&JsValue) -> Option<Place>,
    requests: &mut Requests<'a>,
    places: &mut Places,
) -> Result<(), StoreError> {
    let of_keys: Vec<Option<Place>> = keys.iter().map(place).collect();
    let count = of_keys.iter().flatten().count();
    if count * ONE_IN > keys.len() {
        requests.push(Some(Box::pin(store.get_all(range, None))));
        places.push(of_keys);
        return Ok(());
    }
    for (key, place) in keys.iter().zip(of_keys).filter(|(_, place)| place.is_some()) {
        requests.push(Some(one(store, key)?));
        places.push(vec![place]);
    }
    Ok(())
}

/// Returns a request for one row. Not rexie's `get`: it takes a stored `null`, which an item may be, for no row.
fn one<'a>(store: &'a Store, key: &JsValue) -> Result<Request<'a, Vec<JsValue>>, StoreError> {
    let key = KeyRange::only(key).map_err(|error| failed(error.into()))?;
    Ok(Box::pin(store.get_all(Some(key), Some(1))))
}

/// Reads all items of a store: ids and values, in the same order.
pub async fn items(transaction: Transaction, name: &str) -> Result<(Array, Array), StoreError> {
    let store = transaction.store(name).map_err(failed)?;
    let mut requests = Vec::new();
    ask_for_all(&store, &mut requests);
    let mut answers = ended(requests).await?;
    let (ids, values) = (next(&mut answers), next(&mut answers));
    Ok((array(ids), array(values)))
}

/// Requests all keys and all values of a store.
fn ask_for_all<'a>(store: &'a Store, requests: &mut Requests<'a>) {
    requests.push(Some(Box::pin(store.get_all_keys(None, None))));
    requests.push(Some(Box::pin(store.get_all(None, None))));
}

/// Starts all requests of a transaction at once, and waits for their results.
async fn ended(mut requests: Requests<'_>) -> Result<Answers, StoreError> {
    begin(&mut requests).await.map_err(failed)?;
    let mut answers = Vec::new();
    for request in requests.into_iter().flatten() {
        answers.push(request.await.map_err(failed)?);
    }
    Ok(answers.into_iter())
}

/// Returns the id and the row of a map's entry.
fn pair(entry: &JsValue) -> Option<(String, JsValue)> {
    let entry = entry.dyn_ref::<Array>()?;
    Some((entry.get(0).as_string()?, entry.get(1)))
}

fn next(answers: &mut Answers) -> Vec<JsValue> {
    answers.next().unwrap_or_default()
}

/// Calls `visit` with each row of a store and its key.
fn rows(answers: &mut Answers, visit: &mut dyn FnMut(JsValue, String)) -> Result<(), StoreError> {
    let (keys, rows) = (next(answers), next(answers));
    for (key, row) in keys.into_iter().zip(rows) {
        visit(key, text(&row)?.unwrap_or_default());
    }
    Ok(())
}

fn array(values: Vec<JsValue>) -> Array {
    let array = Array::new();
    for value in values {
        array.push(&value);
    }
    array
}
