//! The state of the whole, as every page sees it, and the metrics.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The result of the last attempt to reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    Online,
    /// The server cannot be reached: changes are kept on this device.
    LocalOnly,
    /// No request was answered or failed yet. (A name that a newer worker has reads as this.)
    #[default]
    #[serde(other)]
    Unknown,
}

/// The kind of what went wrong last, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Nothing answers.
    #[serde(rename = "unreachable")]
    NetworkError,
    /// The server answers that it cannot answer now.
    Busy,
    /// The server failed.
    ServerError,
    /// The server does not know who this is: the session is over, or there is no token.
    Unauthenticated,
    /// The server's session is another user's.
    WrongPrincipal,
    /// Something answers that is not Nightferry's API, such as a proxy's page.
    NotNightferry,
    /// The server, or a firewall before it, declines a request as a whole.
    Declined,
    /// A request is larger than the server, or a proxy before it, takes.
    TooLarge,
    /// The server has another history than this device has seen, so everything is read again.
    Rebuilding,
    /// The line is slow.
    Slow,
    /// The server cannot take one change, which waits. Others go on.
    Deferred,
    /// An item was changed here and elsewhere.
    Conflict,
    /// The server refused a change.
    Rejected,
    /// There is no room left on this device.
    StorageFull,
    /// The browser's database fails.
    Storage,
    /// A part of the database could not be read, and is kept aside.
    Unreadable,
    /// Another user of this browser has signed in.
    WrongUser,
    /// Another page of this site has registered another `name`.
    WrongName,
    /// No worker answers.
    NoWorker,
    /// Something else. (A name that a newer worker has reads as this.)
    #[default]
    #[serde(other)]
    Other,
}

/// The state of the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum SyncStatus {
    Syncing,
    Success,
    Error,
    /// Nothing was synced yet. (A name that a newer worker has reads as this.)
    #[default]
    #[serde(other)]
    Idle,
}

/// How many changes the server has acknowledged, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SyncProgress {
    pub done: u64,
    pub total: u64,
}

/// Auto-sync's settings in force, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct AutoSyncStatus {
    pub enabled: bool,
    /// The time between two syncs, in ms.
    pub interval_ms: u64,
    /// True if it syncs after every commit, too.
    pub sync_on_change: bool,
    /// When so many items wait to be committed, they are committed and sent at once.
    pub max_queue_size: u64,
    /// Items with a change that the server has not acknowledged, of slices that go there.
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

/// The state of the whole, the same in every tab. Posted when it changes, at most five times a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// True if changes of any slice are persisted.
    pub enabled: bool,
    pub connection: Connection,
    /// True if the connection is `online`.
    pub flask_connected: bool,
    pub sync_status: SyncStatus,
    /// A sentence about what went wrong last and what to do next; null once it went right.
    pub error: Option<String>,
    /// The kind of that, for programs; null where `error` is.
    pub error_code: Option<ErrorCode>,
    /// When the server last had everything, in epoch ms.
    pub last_sync_time: Option<u64>,
    /// Items with a change that the server has not acknowledged, or that is not in its slice's store yet.
    pub pending: u64,
    /// Items that were changed here and elsewhere; both sides are kept.
    pub conflicts: u64,
    /// Changes that the server refused, and that nobody has retried or discarded.
    pub rejected: u64,
    /// Other users of this browser with changes that wait on this device until they sign in again.
    pub others_waiting: u64,
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
            error_code: None,
            last_sync_time: None,
            pending: 0,
            conflicts: 0,
            rejected: 0,
            others_waiting: 0,
            progress: None,
            auto_sync: AutoSyncStatus::default(),
        }
    }
}

/// The results of operations of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct OperationCount {
    pub successful: u64,
    pub failed: u64,
}

/// The results of changes that were sent to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default)]
pub struct PushCount {
    /// The server has them.
    pub successful: u64,
    /// They came to no answer, and are sent again.
    pub failed: u64,
    /// The server refused them.
    pub rejected: u64,
    /// The server had something newer: it was merged, or is in conflict.
    pub conflicts: u64,
}

/// A slice's operations that ended, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SliceMetrics {
    /// Items written to their store.
    pub put: OperationCount,
    /// Items removed from it.
    pub delete: OperationCount,
    /// Changes sent to the server.
    pub push: PushCount,
    /// Changes of others that came from the server.
    #[serde(default)]
    pub pull: OperationCount,
}

/// Every operation that ended, since the metrics were last reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct SyncMetrics {
    pub total_operations: u64,
    pub successful_operations: u64,
    pub failed_operations: u64,
    /// Changes that the server refused.
    pub rejected_operations: u64,
    /// Changes that met something newer at the server.
    pub conflict_operations: u64,
    /// When the last operation ended, in epoch ms; 0 where there was none.
    pub last_operation_time: u64,
    /// The mean of those times, in ms.
    pub average_operation_time: u64,
    /// How long the latest transactions and requests took, in ms; the last 100.
    pub operation_times: Vec<u64>,
    /// When the oldest change was made that is not in its store or that the server has not acknowledged, in epoch ms.
    pub oldest_pending_at: Option<u64>,
    #[cfg_attr(feature = "ts", ts(type = "Record<string, SliceMetrics>"))]
    pub by_slice: BTreeMap<String, SliceMetrics>,
}
