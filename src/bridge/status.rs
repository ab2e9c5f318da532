//! The state of the whole, as every page sees it.

use super::config::AutoSync;
use crate::json::{Json, Writer};

/// What the last attempt to reach the server showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connection {
    /// No request was answered or failed yet.
    #[default]
    Unknown,
    Online,
    /// The server can't be reached: changes are kept on this device.
    LocalOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

impl Status {
    pub fn to_json(&self) -> Json {
        let connection = match self.connection {
            Connection::Unknown => "unknown",
            Connection::Online => "online",
            Connection::LocalOnly => "local-only",
        };
        let sync = match self.sync {
            SyncStatus::Idle => "idle",
            SyncStatus::Syncing => "syncing",
            SyncStatus::Success => "success",
            SyncStatus::Error => "error",
        };
        let mut out = Writer::object();
        out.bool("enabled", self.enabled).string("connection", connection);
        out.bool("flaskConnected", self.connection == Connection::Online).string("syncStatus", sync);
        out.string_or_null("error", self.error.as_deref())
            .number_or_null("lastSyncTime", self.last_sync_time);
        out.number("pending", self.pending as u64).number("conflicts", self.conflicts as u64);
        match self.progress {
            Some((done, total)) => {
                let mut progress = Writer::object();
                progress.number("done", done as u64).number("total", total as u64);
                out.raw("progress", &progress.end())
            }
            None => out.raw("progress", "null"),
        };
        let mut auto_sync = Writer::object();
        auto_sync
            .bool("enabled", self.auto_sync.enabled)
            .number("intervalMs", self.auto_sync.interval_ms)
            .bool("syncOnChange", self.auto_sync.on_change)
            .number("maxQueueSize", self.auto_sync.max_queue as u64)
            .number("changeCounter", self.unsent as u64)
            .number_or_null("nextSyncAt", self.next_sync_at);
        out.raw("autoSync", &auto_sync.end());
        out.json()
    }
}
