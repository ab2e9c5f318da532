//! A slice's configuration, as `register` gives it and `_meta.slices` keeps it.

use crate::json::{Fields, Json, Writer, string};
use crate::table::Table;
use std::rc::Rc;

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
pub type Slices = Table<Rc<str>, Slice>;

impl Slice {
    fn new(store: &str) -> Self {
        Slice {
            store: store.into(),
            sync_to_flask: true,
            debounce_ms: 300,
            max_wait_ms: 2000,
            batch_size: None,
            single: false,
        }
    }
}

/// The slices with `registered` applied, a JSON object of slices' configurations in which a field left out keeps its
/// value; what is wrong is refused by name and changes nothing.
pub fn register(slices: &Slices, registered: &str) -> Result<Slices, String> {
    let mut slices = slices.clone();
    let Some(registered) = Fields::parse(registered) else {
        return Err("slices must be an object of slices' configurations, such as {files: {}}".into());
    };
    for (name, config) in registered.0 {
        check_name("slice", &name)?;
        let known = slices.get(&*name).is_some();
        let mut slice = slices.get(&*name).cloned().unwrap_or_else(|| Slice::new(&name));
        let Some(config) = Fields::parse(config) else {
            return Err(format!("slices.{name} must be an object, such as {{}}"));
        };
        apply(&mut slice, &name, &config, known)?;
        slices.insert((*name).into(), slice);
    }
    for (name, slice) in slices.iter() {
        if slices.iter().any(|(other, config)| other != name && config.store == slice.store) {
            return Err(format!("two slices have the storeName \"{}\"; give each its own", slice.store));
        }
    }
    Ok(slices)
}

fn apply(slice: &mut Slice, name: &str, config: &Fields, known: bool) -> Result<(), String> {
    for (field, value) in &config.0 {
        let flag = || {
            value
                .parse::<bool>()
                .map_err(|_| format!("slices.{name}.{field} is {value}; it must be true or false"))
        };
        let whole = |from: u64, to: u64| match value.parse::<u64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(number),
            _ => Err(format!(
                "slices.{name}.{field} is {value}; it must be a whole number from {from} to {to}"
            )),
        };
        match &**field {
            "storeName" => {
                let store = string(value).unwrap_or_default();
                check_name("storeName", &store)?;
                if known && *slice.store != *store {
                    return Err(format!(
                        "slices.{name}.storeName is \"{store}\", but its items are in \"{}\"; moving a slice is not supported yet",
                        slice.store
                    ));
                }
                slice.store = store.into();
            }
            "enabled" if !flag()? => {
                return Err(format!(
                    "slices.{name}.enabled: false is not supported yet; leave the slice out instead"
                ));
            }
            "enabled" => {}
            "syncToFlask" => slice.sync_to_flask = flag()?,
            "single" => slice.single = flag()?,
            "debounceMs" => slice.debounce_ms = whole(0, 600_000)?,
            "maxWaitMs" => slice.max_wait_ms = whole(0, 600_000)?,
            "batchSize" => slice.batch_size = Some(whole(1, 500)? as usize),
            _ => {
                return Err(format!(
                    "slices.{name}.{field} is no setting of a slice; storeName, syncToFlask, debounceMs, maxWaitMs, batchSize and single are"
                ));
            }
        }
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
    for (name, slice) in slices.iter() {
        let mut fields = Writer::object();
        fields
            .string("storeName", &slice.store)
            .bool("syncToFlask", slice.sync_to_flask)
            .bool("single", slice.single);
        fields.number("debounceMs", slice.debounce_ms).number("maxWaitMs", slice.max_wait_ms);
        if let Some(size) = slice.batch_size {
            fields.number("batchSize", size as u64);
        }
        out.raw(name, &fields.end());
    }
    out.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Slices, String> {
        register(&Slices::default(), text)
    }

    #[test]
    fn survives_the_store() {
        let slices = read(r#"{"files":{"debounceMs":5,"batchSize":20},"theme":{"single":true,"syncToFlask":false,"storeName":"ui"}}"#).unwrap();
        assert_eq!(read(&to_json(&slices)).unwrap(), slices);
        assert_eq!(slices.get("files").unwrap().batch_size, Some(20));
        assert_eq!(&*slices.get("theme").unwrap().store, "ui");
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
