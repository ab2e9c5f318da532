//! The state of the whole, as every page sees it.

use super::config::AutoSync;
use serde::Serialize;

/// What the last attempt to reach the server showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// No request was answered or failed yet.
    #[default]
    Unknown,
    Online,
    /// The server can't be reached: changes are kept on this device.
    LocalOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncStatus {
    #[default]
    Idle,
    Syncing,
    Success,
    Error,
}

/// Posted to every page when it changes, at most five times a second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    pub connection: Connection,
    pub sync: SyncStatus,
    /// What went wrong last and what to do next; `None` once it went right.
    pub error: Option<String>,
    /// When the server last acknowledged everything asked of it, in epoch ms.
    pub last_sync_time: Option<u64>,
    /// Items with a change that the server has not acknowledged, or that is not in its slice's store yet.
    pub pending: usize,
    /// Items in conflict.
    pub conflicts: usize,
    /// Refused changes that nobody has decided on.
    pub rejected: usize,
    /// While changes are being sent: how many were acknowledged, of how many.
    pub progress: Option<(usize, usize)>,
    /// Whether changes of any slice go to its store.
    pub enabled: bool,
    pub auto_sync: AutoSync,
    /// When auto-sync syncs next, in epoch ms; `None` while it is off.
    pub next_sync_at: Option<u64>,
    /// Items with a change that the server has not acknowledged, of slices that go there.
    pub unsent: usize,
}

/// As pages get it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    enabled: bool,
    connection: Connection,
    flask_connected: bool,
    sync_status: SyncStatus,
    error: Option<&'a str>,
    last_sync_time: Option<u64>,
    pending: usize,
    conflicts: usize,
    rejected: usize,
    progress: Option<Progress>,
    auto_sync: ShownAutoSync,
}

#[derive(Serialize)]
struct Progress {
    done: usize,
    total: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAutoSync {
    enabled: bool,
    interval_ms: u64,
    sync_on_change: bool,
    max_queue_size: usize,
    change_counter: usize,
    next_sync_at: Option<u64>,
}

impl Status {
    pub fn to_json(&self) -> crate::json::Json {
        crate::json::write(&self.shown()).into()
    }

    pub fn shown(&self) -> Shown<'_> {
        Shown {
            enabled: self.enabled,
            connection: self.connection,
            flask_connected: self.connection == Connection::Online,
            sync_status: self.sync,
            error: self.error.as_deref(),
            last_sync_time: self.last_sync_time,
            pending: self.pending,
            conflicts: self.conflicts,
            rejected: self.rejected,
            progress: self.progress.map(|(done, total)| Progress { done, total }),
            auto_sync: ShownAutoSync {
                enabled: self.auto_sync.enabled,
                interval_ms: self.auto_sync.interval_ms,
                sync_on_change: self.auto_sync.on_change,
                max_queue_size: self.auto_sync.max_queue,
                change_counter: self.unsent,
                next_sync_at: self.next_sync_at,
            },
        }
    }
}
