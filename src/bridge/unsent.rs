//! The changes that only this device has, as a file that a person can keep and load elsewhere.

use super::from_worker::some;
use crate::json::{Json, Raw};
use serde::{Deserialize, Serialize};

/// The format of the file.
pub const UNSENT_FORMAT: u64 = 1;

/// The changes that only this device has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct UnsentFile<T> {
    /// The format, 1.
    pub nightferry: u64,
    /// Whose they are, as the server's `authenticate` says (`tenant/user`); null where the server was never reached.
    pub principal: Option<String>,
    /// Whose they are, as a page or else the server has named the user; null where neither has.
    pub user: Option<String>,
    /// The name of the device.
    pub device: Option<String>,
    /// When the file was made, in epoch ms.
    pub at: u64,
    /// The items, ordered by slice and id.
    pub items: Vec<UnsentItem<T>>,
}

/// The state of an item that only this device has as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum UnsentState {
    /// On its way; the server may have it.
    Sending,
    /// Changed elsewhere, too. It waits for someone's decision.
    Conflict,
    /// The server refused the last change.
    Rejected,
    /// In a slice that is disabled.
    Held,
    /// It waits to be sent. (A name that a newer worker has reads as this.)
    #[serde(other)]
    Open,
}

/// An item with a change that only this device has. A side that is not there is the absence of the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))] // ts-rs reads no attribute that has this beside others
pub struct UnsentItem<T> {
    pub slice: String,
    pub id: String,
    pub state: UnsentState,
    /// The server's version that `base` is of; null where the server is not known to have the item.
    pub version: Option<u64>,
    /// The server's value that the change was made on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub base: Option<T>,
    /// The item as it is here; absent if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub local: Option<T>,
    /// The other side of a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub remote: Option<T>,
    /// The changes of the item that the server refused, oldest first.
    pub refused: Vec<RefusedChange<T>>,
    /// When the item was edited last, in epoch ms.
    pub at: u64,
}

/// A change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))] // ts-rs reads no attribute that has this beside others
pub struct RefusedChange<T> {
    /// The value that the item was to have; absent if it was to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub value: Option<T>,
    /// The value that it was a change of; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub base: Option<T>,
    /// For programs.
    pub code: String,
    /// Why, in the server's words.
    pub message: String,
    /// When the change was made, in epoch ms.
    pub at: u64,
}

impl UnsentItem<Json> {
    /// Returns the item with its values as texts to be written.
    pub fn as_text(&self) -> UnsentItem<Raw<'_>> {
        let refused = self.refused.iter().map(|refused| RefusedChange {
            value: refused.value.as_deref().map(Raw),
            base: refused.base.as_deref().map(Raw),
            code: refused.code.clone(),
            message: refused.message.clone(),
            at: refused.at,
        });
        UnsentItem {
            slice: self.slice.clone(),
            id: self.id.clone(),
            state: self.state,
            version: self.version,
            base: self.base.as_deref().map(Raw),
            local: self.local.as_deref().map(Raw),
            remote: self.remote.as_deref().map(Raw),
            refused: refused.collect(),
            at: self.at,
        }
    }
}
