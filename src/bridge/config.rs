//! The settings of each slice and of auto-sync. `register` gives them, `configure…` overrides them, and
//! `_meta.settings` stores both.

use crate::json::{Fields, Json, number, read, shared, string, write};
use crate::rebase::Strategy;
use crate::store::Policies;
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
    /// True if its changes go to its store. While they do not, they are held beside it. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// True if its changes go to the server. Default true.
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
    /// The rule for an item that was changed here and elsewhere, if the changes cannot be merged. Default `merge`: both
    /// sides are kept as a conflict until someone resolves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "ConflictStrategy | ConflictFunction"))]
    pub conflict: Option<Strategy>,
    /// The rule for a change that the server refuses. Default `rollback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedPolicy>,
}

/// The rule for a change that the server refuses. Either way it is kept in the list of refused changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum RefusedPolicy {
    /// The item becomes what the server has, in every tab.
    #[default]
    Rollback,
    /// The user's version stays, and is not sent until it is edited, retried or discarded.
    Keep,
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
    /// True if changes go to the store of the slice. Changes of a disabled slice are held outside the store until it is
    /// enabled.
    pub enabled: bool,
    /// True if changes go to the server (P7).
    pub sync_to_flask: bool,
    /// The time without changes after which an item is committed, in ms.
    pub debounce_ms: u64,
    /// The longest time that an item with continual changes waits for its commit, in ms.
    pub max_wait_ms: u64,
    /// The maximum of operations in a transaction. `None` stands for 10, and for more while a backlog is long.
    pub batch_size: Option<usize>,
    /// True if the slice is a single value, under the id `value`.
    pub single: bool,
    /// Decides the paths that a merge leaves in conflict.
    pub strategy: Strategy,
    pub refused: RefusedPolicy,
}

pub const DEFAULT_BATCH_SIZE: usize = 10;

/// All slices ever registered, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices(BTreeMap<Rc<str>, Slice>);

impl Slices {
    pub fn get(&self, name: &str) -> Option<&Slice> {
        self.0.get(name)
    }

    /// Returns a slice and its name, which callers share.
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

    /// The settings that effects of records depend on.
    pub fn policies(&self) -> Policies {
        let strategies = self.iter().filter(|(_, slice)| slice.strategy != Strategy::default());
        let keep = self.iter().filter(|(_, slice)| slice.refused == RefusedPolicy::Keep);
        Policies {
            strategies: strategies.map(|(name, slice)| (name.clone(), slice.strategy)).collect(),
            keep: keep.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The slices whose changes go to the server now, and those of others come from it.
    pub fn pulled(&self) -> impl Iterator<Item = &Rc<str>> {
        self.0.keys().filter(|name| self.is_pulled(name))
    }

    /// Returns true if changes of the slice go to the server now, and those of others come from it.
    pub fn is_pulled(&self, slice: &str) -> bool {
        self.get(slice).is_some_and(|slice| slice.enabled && slice.sync_to_flask)
    }

    /// Returns true if changes of the slice go to the server.
    pub fn syncs(&self, slice: &str) -> bool {
        self.get(slice).is_some_and(|slice| slice.sync_to_flask)
    }
}

/// The settings in force for automatic syncs, which come on top of the push after every commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoSync {
    pub enabled: bool,
    pub interval_ms: u64,
    /// Sync after every commit.
    pub on_change: bool,
    /// Commit and sync as soon as so many items wait for their commit.
    pub max_queue: usize,
}

impl Default for AutoSync {
    fn default() -> Self {
        AutoSync { enabled: true, interval_ms: 30_000, on_change: false, max_queue: 50 }
    }
}

/// The key of the auto-sync settings among those of slices. No slice can have this name.
const AUTO_SYNC: &str = "@autoSync";

/// Settings by slice. Each is a JSON object with the fields that were given.
type Layer = BTreeMap<Rc<str>, Json>;

/// All given settings: those of `register`, and those of `configure…`, which override them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    registered: Layer,
    configured: Layer,
}

impl Settings {
    /// Returns the settings after a registration. `slices` is a JSON object with the settings of each slice, `auto_sync` one
    /// with those of auto-sync. A field that is left out keeps its value.
    pub fn register(&self, slices: &str, auto_sync: Option<&str>) -> Result<Settings, String> {
        let mut settings = self.clone();
        let Some(slices) = Fields::parse(slices) else {
            return Err("slices must be an object of slices' settings, such as {files: {}}".into());
        };
        for (name, given) in slices.0 {
            check_name("slice", &name)?;
            merge_layer(&mut settings.registered, &name, given)?;
        }
        if let Some(given) = auto_sync {
            merge_layer(&mut settings.registered, AUTO_SYNC, given)?;
        }
        Ok(settings)
    }

    /// Returns the settings after a registered slice (or, without a name, auto-sync) was configured.
    pub fn configure(&self, slice: Option<&str>, given: &str) -> Result<Settings, String> {
        let name = slice.unwrap_or(AUTO_SYNC);
        if slice.is_some() && !self.registered.contains_key(name) {
            return Err(format!(
                "there is no slice \"{name}\". Name it in register({{slices: {{\"{name}\": {{}}}}}})"
            ));
        }
        let mut settings = self.clone();
        merge_layer(&mut settings.configured, name, given)?;
        Ok(settings)
    }

    /// Returns the settings in force. An error names the invalid setting, and a change of the store that a slice had in
    /// `before`.
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
                return Err(format!("two slices have the storeName \"{store}\"; merge_layer each its own"));
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

    /// Returns the text to store as `_meta.settings`.
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

/// Merges given settings into the layer, field by field.
fn merge_layer(layer: &mut Layer, name: &str, given: &str) -> Result<(), String> {
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
            strategy: Strategy::default(),
            refused: RefusedPolicy::default(),
        }
    }

    fn apply(&mut self, name: &str, given: &Fields) -> Result<(), String> {
        for (field, value) in &given.0 {
            let setting = Setting { of: "slices.", name, field, value };
            match &**field {
                "storeName" => {
                    let store = string(value).unwrap_or_default();
                    check_name("storeName", &store)?;
                    self.store = store.into();
                }
                "enabled" => self.enabled = setting.flag()?,
                "syncToFlask" => self.sync_to_flask = setting.flag()?,
                "single" => self.single = setting.flag()?,
                "debounceMs" => self.debounce_ms = setting.integer(0, 600_000)?,
                "maxWaitMs" => self.max_wait_ms = setting.integer(0, 600_000)?,
                "conflict" => self.strategy = setting.one_of(&Strategy::NAMES)?,
                "refused" => {
                    let policies = [("rollback", RefusedPolicy::Rollback), ("keep", RefusedPolicy::Keep)];
                    self.refused = setting.one_of(&policies)?;
                }
                "batchSize" => self.batch_size = Some(setting.integer(1, 500)? as usize),
                _ => {
                    return setting.unknown(
                        "storeName, enabled, syncToFlask, debounceMs, maxWaitMs, batchSize, single, conflict and refused",
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
            let setting = Setting { of: "", name: "autoSync", field, value };
            match &**field {
                "enabled" => self.enabled = setting.flag()?,
                "intervalMs" => self.interval_ms = setting.integer(1_000, 86_400_000)?,
                "syncOnChange" => self.on_change = setting.flag()?,
                "maxQueueSize" => self.max_queue = setting.integer(1, 1_000_000)? as usize,
                _ => return setting.unknown("enabled, intervalMs, syncOnChange and maxQueueSize"),
            }
        }
        Ok(())
    }
}

/// A setting as given by the app.
struct Setting<'a> {
    of: &'a str,
    name: &'a str,
    field: &'a str,
    value: &'a str,
}

impl Setting<'_> {
    fn flag(&self) -> Result<bool, String> {
        self.value.parse().or_else(|_| self.wrong("true or false"))
    }

    fn integer(&self, from: u64, to: u64) -> Result<u64, String> {
        match self.value.parse() {
            Ok(value) if (from..=to).contains(&value) => Ok(value),
            _ => self.wrong(&format!("a whole number from {} to {}", number(from), number(to))),
        }
    }

    fn one_of<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, String> {
        let given = string(self.value).unwrap_or_default();
        let found = known.iter().find(|(name, _)| *name == given);
        let names: Vec<String> = known.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        found.map_or_else(|| self.wrong(&format!("one of {}", names.join(", "))), |(_, value)| Ok(*value))
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let Setting { of, name, field, value } = self;
        Err(format!("{of}{name}.{field} is {value}; it must be {what}"))
    }

    fn unknown(&self, known: &str) -> Result<(), String> {
        let Setting { of, name, field, .. } = self;
        Err(format!("{of}{name}.{field} is no setting; there are {known}"))
    }
}

/// Checks the name of a slice or a store against `[A-Za-z][A-Za-z0-9_-]*`.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if good {
        return Ok(());
    }
    Err(format!("the {what} \"{name}\" must start with a letter and have only letters, digits, _ and -"))
}

/// Returns the slices in force after a registration. For tests.
#[cfg(test)]
pub fn slices(registered: &str) -> Slices {
    Settings::default().register(registered, None).unwrap().in_force(&Slices::default()).unwrap().0
}

#[cfg(test)]
mod tests;
