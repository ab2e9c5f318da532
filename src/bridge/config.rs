//! What can be set: for each slice, and for auto-sync. `register` says it, `configure…` says it over that, and
//! `_meta.settings` keeps both.

use crate::json::{Fields, Json, number, read, shared, string, write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A slice's settings; every field optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SliceConfig {
    /// The IndexedDB object store; by default the slice's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_name: Option<String>,
    /// Whether its changes go to its store. While they do not, they are held beside it. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its changes go to the server. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_to_flask: Option<bool>,
    /// How long an item must be quiet before it is committed, in ms. Default 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debounce_ms: Option<u64>,
    /// The longest that an item that never falls quiet waits, in ms. Default 2,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_ms: Option<u64>,
    /// The most operations in a transaction. Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
    /// The slice is one value, not a collection: its item has the id `value` once there is one, `set…` and `save…` replace it, and nothing removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single: Option<bool>,
}

/// When the device syncs on its own, beyond the push that follows every commit; every field optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct AutoSyncConfig {
    /// Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The time between two syncs, in ms. Default 30,000, at least 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// Sync after every commit, too. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_on_change: Option<bool>,
    /// When so many items wait to be committed, they are committed and sent at once. Default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queue_size: Option<u64>,
}

/// A slice's settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The object store, by default named as the slice.
    pub store: Rc<str>,
    /// Whether its changes go to its store; those of a slice that is not are held beside it until it is.
    pub enabled: bool,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices(BTreeMap<Rc<str>, Slice>);

impl Slices {
    pub fn get(&self, name: &str) -> Option<&Slice> {
        self.0.get(name)
    }

    /// A slice with its name, to share.
    pub fn entry(&self, name: &str) -> Option<(&Rc<str>, &Slice)> {
        self.0.get_key_value(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &Slice)> {
        self.0.iter()
    }

    pub fn values(&self) -> impl Iterator<Item = &Slice> {
        self.0.values()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a slice goes to the server.
    pub fn syncs(&self, slice: &str) -> bool {
        self.get(slice).is_some_and(|slice| slice.sync_to_flask)
    }
}

/// When the device syncs on its own, beyond the push that follows every commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoSync {
    pub enabled: bool,
    pub interval_ms: u64,
    /// After every commit.
    pub on_change: bool,
    /// As soon as so many items wait to be committed.
    pub max_queue: usize,
}

impl Default for AutoSync {
    fn default() -> Self {
        AutoSync { enabled: true, interval_ms: 30_000, on_change: false, max_queue: 50 }
    }
}

/// The name that auto-sync's settings have among those of slices. No slice has such a name.
const AUTO_SYNC: &str = "@autoSync";

/// Settings by slice, each a JSON object with the fields that were given.
type Layer = BTreeMap<Rc<str>, Json>;

/// Everything that was set: by `register`, and by `configure…` over it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    registered: Layer,
    configured: Layer,
}

impl Settings {
    /// With slices registered, a JSON object of slices' settings, and auto-sync, where that is given. A field left out
    /// keeps its value.
    pub fn register(&self, slices: &str, auto_sync: Option<&str>) -> Result<Settings, String> {
        let mut settings = self.clone();
        let Some(slices) = Fields::parse(slices) else {
            return Err("slices must be an object of slices' settings, such as {files: {}}".into());
        };
        for (name, given) in slices.0 {
            check_name("slice", &name)?;
            give(&mut settings.registered, &name, given)?;
        }
        if let Some(given) = auto_sync {
            give(&mut settings.registered, AUTO_SYNC, given)?;
        }
        Ok(settings)
    }

    /// With a registered slice configured, or auto-sync where no slice is named.
    pub fn configure(&self, slice: Option<&str>, given: &str) -> Result<Settings, String> {
        let name = slice.unwrap_or(AUTO_SYNC);
        if slice.is_some() && !self.registered.contains_key(name) {
            return Err(format!(
                "there is no slice \"{name}\". Name it in register({{slices: {{\"{name}\": {{}}}}}})"
            ));
        }
        let mut settings = self.clone();
        give(&mut settings.configured, name, given)?;
        Ok(settings)
    }

    /// What is in force. What is wrong is refused by name; so is a store that is not the one of a slice in `before`.
    pub fn in_force(&self, before: &Slices) -> Result<(Slices, AutoSync), String> {
        let mut slices = Slices::default();
        let mut auto_sync = AutoSync::default();
        for layer in [&self.registered, &self.configured] {
            for (name, given) in layer.iter() {
                let Some(given) = Fields::parse(given) else { continue };
                if **name == *AUTO_SYNC {
                    auto_sync.apply(&given)?;
                } else {
                    slices.0.entry(name.clone()).or_insert_with(|| Slice::new(name)).apply(name, &given)?;
                }
            }
        }
        for (name, slice) in slices.iter() {
            let store = &slice.store;
            if slices.iter().any(|(other, config)| other != name && config.store == *store) {
                return Err(format!("two slices have the storeName \"{store}\"; give each its own"));
            }
            if let Some(known) = before.get(name).filter(|known| known.store != *store) {
                return Err(format!(
                    "slices.{name}.storeName is \"{store}\", but its items are in \"{}\"; moving a slice is not supported yet",
                    known.store
                ));
            }
        }
        Ok((slices, auto_sync))
    }

    /// The text kept as `_meta.settings`.
    pub fn to_json(&self) -> Json {
        fn fields(layer: &Layer) -> Fields<'_> {
            Fields(layer.iter().map(|(name, given)| ((&**name).into(), &**given)).collect())
        }
        write(&Record { registered: fields(&self.registered), configured: fields(&self.configured) }).into()
    }

    /// Reads [`Settings::to_json`]; `None` for another text.
    pub fn read(text: &str) -> Option<Settings> {
        let layer = |fields: Fields| {
            let mut layer = Layer::default();
            for (name, given) in fields.0 {
                layer.insert(shared(&name), shared(given));
            }
            layer
        };
        let Record { registered, configured } = read(text)?;
        Some(Settings { registered: layer(registered), configured: layer(configured) })
    }
}

/// The row `_meta.settings`: settings by slice, each with the fields that were given.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    registered: Fields<'a>,
    #[serde(borrow)]
    configured: Fields<'a>,
}

/// Adds what was given to what was given before.
fn give(layer: &mut Layer, name: &str, given: &str) -> Result<(), String> {
    let before = layer.get(name).cloned();
    let mut fields = before.as_deref().and_then(Fields::parse).unwrap_or_default();
    let Some(given) = Fields::parse(given) else {
        return Err(format!("the settings of {name} must be an object, such as {{}}"));
    };
    for (field, value) in given.0 {
        fields.set(field, value);
    }
    layer.insert(shared(name), fields.to_json());
    Ok(())
}

impl Slice {
    fn new(store: &str) -> Self {
        Slice {
            store: store.into(),
            enabled: true,
            sync_to_flask: true,
            debounce_ms: 300,
            max_wait_ms: 2000,
            batch_size: None,
            single: false,
        }
    }

    fn apply(&mut self, name: &str, given: &Fields) -> Result<(), String> {
        for (field, value) in &given.0 {
            let setting = Given { of: "slices.", name, field, value };
            match &**field {
                "storeName" => {
                    let store = string(value).unwrap_or_default();
                    check_name("storeName", &store)?;
                    self.store = store.into();
                }
                "enabled" => self.enabled = setting.flag()?,
                "syncToFlask" => self.sync_to_flask = setting.flag()?,
                "single" => self.single = setting.flag()?,
                "debounceMs" => self.debounce_ms = setting.whole(0, 600_000)?,
                "maxWaitMs" => self.max_wait_ms = setting.whole(0, 600_000)?,
                "batchSize" => self.batch_size = Some(setting.whole(1, 500)? as usize),
                _ => {
                    return setting.unknown(
                        "storeName, enabled, syncToFlask, debounceMs, maxWaitMs, batchSize and single",
                    );
                }
            }
        }
        Ok(())
    }
}

impl AutoSync {
    fn apply(&mut self, given: &Fields) -> Result<(), String> {
        for (field, value) in &given.0 {
            let setting = Given { of: "", name: "autoSync", field, value };
            match &**field {
                "enabled" => self.enabled = setting.flag()?,
                "intervalMs" => self.interval_ms = setting.whole(1_000, 86_400_000)?,
                "syncOnChange" => self.on_change = setting.flag()?,
                "maxQueueSize" => self.max_queue = setting.whole(1, 1_000_000)? as usize,
                _ => return setting.unknown("enabled, intervalMs, syncOnChange and maxQueueSize"),
            }
        }
        Ok(())
    }
}

/// One setting, as it was given.
struct Given<'a> {
    of: &'a str,
    name: &'a str,
    field: &'a str,
    value: &'a str,
}

impl Given<'_> {
    fn flag(&self) -> Result<bool, String> {
        self.value.parse().or_else(|_| self.wrong("true or false"))
    }

    fn whole(&self, from: u64, to: u64) -> Result<u64, String> {
        match self.value.parse() {
            Ok(value) if (from..=to).contains(&value) => Ok(value),
            _ => self.wrong(&format!("a whole number from {} to {}", number(from), number(to))),
        }
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let Given { of, name, field, value } = self;
        Err(format!("{of}{name}.{field} is {value}; it must be {what}"))
    }

    fn unknown(&self, known: &str) -> Result<(), String> {
        let Given { of, name, field, .. } = self;
        Err(format!("{of}{name}.{field} is no setting; there are {known}"))
    }
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

/// The slices that a registration brings into force. For tests.
#[cfg(test)]
pub fn slices(registered: &str) -> Slices {
    Settings::default().register(registered, None).unwrap().in_force(&Slices::default()).unwrap().0
}

#[cfg(test)]
mod tests;
