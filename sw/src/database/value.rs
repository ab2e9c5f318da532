//! Keys, rows and items as IndexedDB has them.

use super::{failed, threw};
use js_sys::{Array, JSON};
use nightferry::store::{Key, RowKey, StoreError};
use rexie::KeyRange;
use wasm_bindgen::prelude::*;

/// A value as JSON text; `None` where there is none.
pub fn text(value: &JsValue) -> Result<Option<String>, StoreError> {
    if value.is_undefined() {
        return Ok(None);
    }
    JSON::stringify(value).map(|text| Some(text.into())).map_err(threw)
}

pub fn id_value(key: &Key) -> JsValue {
    JsValue::from_str(&key.id)
}

pub fn key_value(key: &RowKey) -> JsValue {
    match key {
        RowKey::Number(number) => JsValue::from_f64(*number as f64),
        RowKey::Text(text) => JsValue::from_str(text),
        RowKey::Item(key) => Array::of2(&JsValue::from_str(&key.slice), &id_value(key)).into(),
    }
}

pub fn read_key(key: &JsValue) -> Option<Key> {
    let key = key.dyn_ref::<Array>()?;
    Some(Key::new(&key.get(0).as_string()?, &key.get(1).as_string()?))
}

/// The keys of a slice's rows in a store of all slices.
pub fn rows_of(slice: &str) -> Result<KeyRange, StoreError> {
    let from = Array::of1(&slice.into());
    // An array sorts after every string, so this ends the slice's rows.
    let to = Array::of2(&slice.into(), &Array::new());
    KeyRange::bound(&from, &to, None, None).map_err(|error| failed(error.into()))
}
