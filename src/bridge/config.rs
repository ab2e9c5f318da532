//! A slice's configuration, as `register` gives it and `_meta.slices` keeps it.

use crate::json::{Json, Writer};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a page says of a slice; a field left out keeps its value or gets the default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceConfig {
    pub store_name: Option<String>,
    pub enabled: Option<bool>,
    pub sync_to_flask: Option<bool>,
    pub debounce_ms: Option<f64>,
    pub max_wait_ms: Option<f64>,
    pub batch_size: Option<f64>,
    pub single: Option<bool>,
}

/// A slice's settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The object store, by default named as the slice.
    pub store: Rc<str>,
    /// Whether its changes go to the server (P7).
    pub sync_to_flask: bool,
    /// How long an item must be quiet before it is committed, in ms.
    pub debounce_ms: u64,
    /// The longest that an item that never falls quiet waits, in ms.
    pub max_wait_ms: u64,
    /// The most operations in a transaction; `None` stands for 10, and lets a long backlog take more.
    pub batch_size: Option<usize>,
    /// Whether the slice is one value, under the id `value`.
    pub single: bool,
}

pub const DEFAULT_BATCH_SIZE: usize = 10;

/// All slices ever registered, by name.
pub type Slices = BTreeMap<Rc<str>, Slice>;

impl Slice {
    fn new(store: &str) -> Self {
        Slice { store: store.into(), sync_to_flask: true, debounce_ms: 300, max_wait_ms: 2000, batch_size: None, single: false }
    }
}

/// The slices with `registered` applied; what is wrong is refused by name and changes nothing.
pub fn register(slices: &Slices, registered: &BTreeMap<String, SliceConfig>) -> Result<Slices, String> {
    let mut slices = slices.clone();
    for (name, config) in registered {
        check_name("slice", name)?;
        let known = slices.contains_key(name.as_str());
        let slice = slices.entry(name.as_str().into()).or_insert_with(|| Slice::new(name));
        apply(slice, name, config, known)?;
    }
    let mut stores: Vec<&str> = slices.values().map(|slice| &*slice.store).collect();
    stores.sort_unstable();
    match stores.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two slices have the storeName \"{}\"; give each its own", pair[0])),
        None => Ok(slices),
    }
}

fn apply(slice: &mut Slice, name: &str, config: &SliceConfig, known: bool) -> Result<(), String> {
    if let Some(store) = &config.store_name {
        check_name("storeName", store)?;
        if known && *slice.store != **store {
            return Err(format!("slices.{name}.storeName is \"{store}\", but its items are in \"{}\"; moving a slice is not supported yet", slice.store));
        }
        slice.store = store.as_str().into();
    }
    if config.enabled == Some(false) {
        return Err(format!("slices.{name}.enabled: false is not supported yet; leave the slice out instead"));
    }
    if let Some(sync) = config.sync_to_flask {
        slice.sync_to_flask = sync;
    }
    if let Some(single) = config.single {
        slice.single = single;
    }
    let whole = |field: &str, value: Option<f64>, from: f64, to: f64| match value {
        Some(value) if value.fract() != 0.0 || !(from..=to).contains(&value) => {
            Err(format!("slices.{name}.{field} is {value}; it must be a whole number from {from} to {to}"))
        }
        value => Ok(value.map(|value| value as u64)),
    };
    slice.debounce_ms = whole("debounceMs", config.debounce_ms, 0.0, 600_000.0)?.unwrap_or(slice.debounce_ms);
    slice.max_wait_ms = whole("maxWaitMs", config.max_wait_ms, 0.0, 600_000.0)?.unwrap_or(slice.max_wait_ms);
    if let Some(size) = whole("batchSize", config.batch_size, 1.0, 500.0)? {
        slice.batch_size = Some(size as usize);
    }
    Ok(())
}

/// Slices and stores match `[A-Za-z][A-Za-z0-9_-]*`.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if good {
        return Ok(());
    }
    Err(format!("the {what} \"{name}\" must start with a letter and have only letters, digits, _ and -"))
}

/// The text kept as `_meta.slices`; [`register`] over no slices reads it back.
pub fn to_json(slices: &Slices) -> Json {
    let mut out = Writer::object();
    for (name, slice) in slices {
        let mut fields = Writer::object();
        fields.string("storeName", &slice.store).bool("syncToFlask", slice.sync_to_flask).bool("single", slice.single);
        fields.number("debounceMs", slice.debounce_ms).number("maxWaitMs", slice.max_wait_ms);
        if let Some(size) = slice.batch_size {
            fields.number("batchSize", size as u64);
        }
        out.raw(name, &fields.end());
    }
    out.end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Slices, String> {
        register(&Slices::new(), &serde_json::from_str(text).unwrap())
    }

    #[test]
    fn survives_the_store() {
        let slices = read(r#"{"files":{"debounceMs":5,"batchSize":20},"theme":{"single":true,"syncToFlask":false,"storeName":"ui"}}"#).unwrap();
        assert_eq!(read(&to_json(&slices)).unwrap(), slices);
        assert_eq!(slices["files"].batch_size, Some(20));
        assert_eq!(&*slices["theme"].store, "ui");
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (config, part) in [
            (r#"{"9":{}}"#, "slice \"9\""),
            (r#"{"_meta":{}}"#, "_meta"),
            (r#"{"a":{"storeName":"x y"}}"#, "storeName"),
            (r#"{"a":{"debounceMs":-1}}"#, "slices.a.debounceMs"),
            (r#"{"a":{"batchSize":0.5}}"#, "slices.a.batchSize"),
            (r#"{"a":{"enabled":false}}"#, "slices.a.enabled"),
            (r#"{"a":{"storeName":"b"},"b":{}}"#, "two slices"),
        ] {
            assert!(read(config).unwrap_err().contains(part), "{config}");
        }
    }
}
