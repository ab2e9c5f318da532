//! The public types of the page's API. Those of messages are defined in the core. `page/ts/generated/` is generated from them,
//! so that Rust and TypeScript have the same types.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use nightferry::bridge::config::{AutoSyncConfig, RefusedPolicy, SliceConfig};
pub use nightferry::bridge::from_worker::{
    Change, Conflict, Item, ItemProgress, Origin, Progress as ProgressState, Rejected, RejectedOp,
};
pub use nightferry::bridge::status::{
    AutoSyncStatus, Connection, ErrorCode, OperationCount, PushCount, SliceMetrics, Status, SyncMetrics,
    SyncProgress, SyncStatus,
};
pub use nightferry::bridge::unsent::{RefusedChange, UnsentFile, UnsentItem, UnsentState};
pub use nightferry::rebase::Strategy as ConflictStrategy;
pub use nightferry::store::By;

#[cfg(test)]
use ts_rs::TS;

/// The options of `register`; all but the slices are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct RegisterOptions {
    /// The path of the worker's script. Default `/nightferry/sw.js`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_url: Option<String>,
    /// The path of the API. Default `/nightferry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The name of the IndexedDB database. Default `nightferry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the user who is signed in, as `Principal.user` has it on the server. Each user of a browser has a database of
    /// their own. After a change of user, reload the page. Default none: the device belongs to whom it syncs as first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[cfg_attr(test, ts(type = "Record<string, SliceConfig>"))]
    pub slices: BTreeMap<String, SliceConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_sync: Option<AutoSyncConfig>,
    /// The device's name for people, shown beside its changes. Default the browser and the system, such as `Firefox on Windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
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

/// The result of `register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Registration {
    /// The build of the worker that answered.
    pub build: String,
}

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// One thing was refused, and all else goes on.
    Warning,
    /// The worker itself could not do its work.
    Failed,
}

/// An error that the worker reports by itself, such as an action that it does not know or a change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct WorkerError {
    /// `failed` where the worker itself could not do its work, `warning` where one thing was refused and all else goes on.
    pub kind: ErrorKind,
    /// For programs.
    pub code: String,
    /// A sentence that says what happened, and what to do next.
    pub message: String,
    /// The slice that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub slice: Option<String>,
    /// The item of the slice that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightferry::bridge::from_worker::{Changed, FromWorker, Rows};
    use ts_rs::Config;

    const HEAD: &str =
        "// Generated from page/src/types.rs by `UPDATE=1 cargo test -p nightferry-page`. Do not edit.\n";

    /// Returns the comment and the declaration of a type, with a line for each field.
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
        let mut is_inside = false;
        for line in text.replace("/**\n * ", "/** ").replace("\n */", " */").lines() {
            if !line.is_empty() {
                tidy = tidy + if is_inside && !line.starts_with('}') { "  " } else { "" } + line + "\n";
            }
            is_inside |= line.starts_with("export ");
        }
        tidy
    }

    /// Returns the text of `page/ts/generated/types.ts`.
    fn typescript() -> String {
        let config = Config::new().with_large_int("number");
        let types: [fn(&Config) -> String; 31] = [
            exported::<SliceConfig>,
            exported::<ConflictStrategy>,
            exported::<RefusedPolicy>,
            exported::<AutoSyncConfig>,
            exported::<RegisterOptions>,
            exported::<Registration>,
            exported::<Connection>,
            exported::<ErrorCode>,
            exported::<SyncStatus>,
            exported::<SyncProgress>,
            exported::<AutoSyncStatus>,
            exported::<Status>,
            exported::<OperationCount>,
            exported::<PushCount>,
            exported::<SliceMetrics>,
            exported::<SyncMetrics>,
            exported::<Item<u8>>,
            exported::<Origin>,
            exported::<Change<u8>>,
            exported::<ProgressState>,
            exported::<ItemProgress>,
            exported::<RejectedOp>,
            exported::<Rejected<u8>>,
            exported::<By>,
            exported::<Conflict<u8>>,
            exported::<UnsentFile<u8>>,
            exported::<UnsentState>,
            exported::<UnsentItem<u8>>,
            exported::<RefusedChange<u8>>,
            exported::<ErrorKind>,
            exported::<WorkerError>,
        ];
        let head = format!("{HEAD}import type {{ ConflictFunction }} from \"../types.js\";\n");
        types.iter().fold(head, |text, declaration| text + &declaration(&config))
    }

    /// Returns the text of `page/ts/generated/bridge.ts`, the types that only the client uses.
    fn bridge() -> String {
        let config = Config::new().with_large_int("number");
        let messages = exported_union::<FromWorker<u8>>(&config);
        let names =
            ["Conflict", "Item", "ItemProgress", "Origin", "Rejected", "Status", "SyncMetrics", "UnsentFile"]
                .join(", ");
        format!(
            "{HEAD}import type {{ {names} }} from \"./types.js\";\n{}{}{messages}",
            exported::<Rows<u8>>(&config),
            exported::<Changed<u8>>(&config)
        )
    }

    /// Returns the declaration of a union, with a line for each variant.
    fn exported_union<T: TS>(config: &Config) -> String {
        let declaration = T::decl(config).replace(" = {", " = | {").replace(" | {", "\n  | {");
        format!("\n{}export {declaration}\n", T::docs().unwrap_or_default())
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "this is how the types reach TypeScript")]
    fn typescript_has_the_same_types() {
        for (file, text) in [("types.ts", typescript()), ("bridge.ts", bridge())] {
            let path = format!("{}/ts/generated/{file}", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &text).expect("the file can be written");
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == text,
                "{path} is not what the types are now: UPDATE=1 cargo test -p nightferry-page"
            );
        }
    }
}
