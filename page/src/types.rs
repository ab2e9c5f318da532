//! The shapes that pages know: what they declare, and what they are told. `page/ts/generated/types.ts` is made of them, so
//! that they are the same in Rust and in TypeScript.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(test)]
use ts_rs::TS;

/// A slice's settings; every field optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
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
#[cfg_attr(test, derive(TS), ts(optional_fields))]
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

/// What `register` takes; all but the slices is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct RegisterOptions {
    /// Where the worker's script is served. Default `/nightferry/sw.js`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_url: Option<String>,
    /// Where the API is served. Default `/nightferry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The name of the IndexedDB database. Default `nightferry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[cfg_attr(test, ts(type = "Record<string, SliceConfig>"))]
    pub slices: BTreeMap<String, SliceConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_sync: Option<AutoSyncConfig>,
}

impl RegisterOptions {
    /// These slices, all with default settings, and the default places.
    pub fn new<'a>(slices: impl IntoIterator<Item = &'a str>) -> Self {
        slices
            .into_iter()
            .fold(Self::default(), |options, slice| options.slice(slice, SliceConfig::default()))
    }

    /// With one more slice, or with other settings for one.
    pub fn slice(mut self, name: &str, config: SliceConfig) -> Self {
        self.slices.insert(name.into(), config);
        self
    }
}

/// What `register` resolves with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Registration {
    /// The build of the worker that answered.
    pub build: String,
}

/// What the last attempt to reach the server showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    Online,
    /// The server cannot be reached: changes are kept on this device.
    LocalOnly,
    /// No request was answered or failed yet.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What became of the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum SyncStatus {
    Syncing,
    Success,
    Error,
    /// Nothing was synced yet. (What a newer worker calls otherwise reads as this, here and in what follows.)
    #[default]
    #[serde(other)]
    Idle,
}

/// How many changes the server has acknowledged, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct SyncProgress {
    pub done: u64,
    pub total: u64,
}

/// Auto-sync's settings in force, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase", default)]
pub struct AutoSyncStatus {
    pub enabled: bool,
    /// The time between two syncs, in ms.
    pub interval_ms: u64,
    /// Whether it syncs after every commit, too.
    pub sync_on_change: bool,
    /// When so many items wait to be committed, they are committed and sent at once.
    pub max_queue_size: u64,
    /// Items with a change that the server has not acknowledged.
    pub change_counter: u64,
    /// When the next sync is due, in epoch ms; nothing while auto-sync is off.
    pub next_sync_at: Option<u64>,
}

impl Default for AutoSyncStatus {
    fn default() -> Self {
        AutoSyncStatus {
            enabled: true,
            interval_ms: 30_000,
            sync_on_change: false,
            max_queue_size: 50,
            change_counter: 0,
            next_sync_at: None,
        }
    }
}

/// The state of the whole, the same in every tab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Whether changes of any slice are persisted.
    pub enabled: bool,
    pub connection: Connection,
    pub flask_connected: bool,
    pub sync_status: SyncStatus,
    /// What went wrong last and what to do next; nothing once it went right.
    pub error: Option<String>,
    /// When the server last had everything, in epoch ms.
    pub last_sync_time: Option<u64>,
    /// Items with a change that the server has not acknowledged.
    pub pending: u64,
    /// Items that were changed here and elsewhere; both sides are kept.
    pub conflicts: u64,
    /// While changes are being sent.
    pub progress: Option<SyncProgress>,
    pub auto_sync: AutoSyncStatus,
}

/// Before the worker has said anything.
impl Default for Status {
    fn default() -> Self {
        Status {
            enabled: true,
            connection: Connection::default(),
            flask_connected: false,
            sync_status: SyncStatus::default(),
            error: None,
            last_sync_time: None,
            pending: 0,
            conflicts: 0,
            progress: None,
            auto_sync: AutoSyncStatus::default(),
        }
    }
}

/// What came of operations of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct OperationCount {
    pub successful: u64,
    pub failed: u64,
}

/// A slice's operations that ended, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct SliceMetrics {
    /// Items written to their store.
    pub put: OperationCount,
    /// Items removed from it.
    pub delete: OperationCount,
    /// Changes sent to the server.
    pub push: OperationCount,
}

/// Every operation that ended, since the metrics were last reset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase", default)]
pub struct SyncMetrics {
    pub total_operations: u64,
    pub successful_operations: u64,
    pub failed_operations: u64,
    /// When the last operation ended, in epoch ms; 0 where there was none.
    pub last_operation_time: u64,
    /// The mean of those times, in ms.
    pub average_operation_time: u64,
    /// How long the latest transactions and requests took, in ms; the last 100.
    pub operation_times: Vec<u64>,
    /// When the oldest change was made that is not in its store or that the server has not acknowledged, in epoch ms.
    pub oldest_pending_at: Option<u64>,
    #[cfg_attr(test, ts(type = "Record<string, SliceMetrics>"))]
    pub by_slice: BTreeMap<String, SliceMetrics>,
}

/// An item and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Item<T> {
    pub id: String,
    pub value: T,
}

/// Who made a change that pages are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Server,
    /// The server refused a change, and it was undone.
    Rollback,
    /// Another tab.
    #[serde(other)]
    Tab,
}

/// Items of a slice that changed elsewhere: in another tab, on the server, or undone because the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Change<T> {
    pub puts: Vec<Item<T>>,
    pub deletes: Vec<String>,
    pub origin: Origin,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum ProgressState {
    /// On its way to the server.
    Sending,
    /// The server has it, or the slice does not go there.
    Synced,
    /// Only on this device.
    #[serde(other)]
    Local,
}

/// How far an item's latest change has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ItemProgress {
    pub id: String,
    pub state: ProgressState,
}

/// Whether all else goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// One thing was refused, and all else goes on.
    Warning,
    /// The worker itself could not do its work.
    Failed,
}

/// What the worker could not take or do, such as an action that it does not know or a change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct WorkerError {
    /// `failed` where the worker itself could not do its work, `warning` where one thing was refused and all else goes on.
    pub kind: ErrorKind,
    /// For programs.
    pub code: String,
    /// What happened, and what to do next.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ts_rs::Config;

    const HEAD: &str =
        "// Generated from page/src/types.rs by `UPDATE=1 cargo test -p nightferry-page`. Do not edit.\n";

    /// A type's comment and declaration, a field a line.
    fn exported<T: TS>(config: &Config) -> String {
        let mut text = T::docs().unwrap_or_default() + "export ";
        let declaration = T::decl(config).replace("{ ", "{\n").replace(", };", ",\n};");
        let mut rest = &*declaration;
        while let Some((before, after)) = rest.split_once(", ") {
            // Not the comma between a type's parameters.
            let name = after.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let is_field = after.starts_with('\n') || after[name.len()..].starts_with([':', '?']);
            text = text + before + if is_field { ",\n" } else { ", " };
            rest = after;
        }
        text += rest;
        let mut tidy = String::from("\n");
        for line in text.replace("/**\n * ", "/** ").replace("\n */", " */").lines() {
            let is_field = !line.starts_with(['}', '/']) && !line.starts_with("export ");
            let is_comment_of_field = line.starts_with('/') && !tidy.trim().is_empty();
            if !line.is_empty() {
                tidy = tidy + if is_field || is_comment_of_field { "  " } else { "" } + line + "\n";
            }
        }
        tidy
    }

    /// What `page/ts/generated/types.ts` is to be.
    fn typescript() -> String {
        let config = Config::new().with_large_int("number");
        let types: [fn(&Config) -> String; 19] = [
            exported::<SliceConfig>,
            exported::<AutoSyncConfig>,
            exported::<RegisterOptions>,
            exported::<Registration>,
            exported::<Connection>,
            exported::<SyncStatus>,
            exported::<SyncProgress>,
            exported::<AutoSyncStatus>,
            exported::<Status>,
            exported::<OperationCount>,
            exported::<SliceMetrics>,
            exported::<SyncMetrics>,
            exported::<Item<u8>>,
            exported::<Origin>,
            exported::<Change<u8>>,
            exported::<ProgressState>,
            exported::<ItemProgress>,
            exported::<ErrorKind>,
            exported::<WorkerError>,
        ];
        types.iter().fold(HEAD.to_owned(), |text, declaration| text + &declaration(&config))
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "this is how the types reach TypeScript")]
    fn typescript_has_the_same_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ts/generated/types.ts");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, typescript()).expect("the file can be written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == typescript(),
            "{path} is not what the types are now: UPDATE=1 cargo test -p nightferry-page"
        );
    }
}
