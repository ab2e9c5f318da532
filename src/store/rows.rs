//! The rows of the system stores. Each is a plain object in the database, so that a person can read it there.

use crate::json::{Json, Writer, quoted};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::rc::Rc;

/// Everything of a journal record but its burst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalHead {
    /// The page's life that sent it, and its count there.
    pub page: Rc<str>,
    pub n: u64,
    /// When it arrived, in epoch ms.
    pub at: u64,
    /// The newest position that the page had applied, by slice: a JSON object.
    pub seen: Json,
}

impl JournalHead {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.string("page", &self.page).number("n", self.n).number("at", self.at).raw("seen", &self.seen);
        out.end().into()
    }
}

/// A journal record as it is read back.
#[derive(Debug, Clone, Deserialize)]
pub struct JournalRow {
    #[serde(default = "nothing_seen")]
    pub seen: Box<RawValue>,
    pub page: String,
    pub n: u64,
    pub at: u64,
    pub text: String,
}

fn nothing_seen() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// A change on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    /// The whole value; `None` deletes.
    pub value: Option<Json>,
    /// When the change was made, in epoch ms.
    pub at: u64,
    /// The last journal position that is folded into it.
    pub position: u64,
}

#[derive(Deserialize)]
struct OutboxBody<'a> {
    slice: String,
    id: String,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    value: Option<&'a RawValue>,
    at: u64,
    position: u64,
}

impl OutboxRow {
    pub fn key(&self) -> super::Key {
        super::Key { slice: self.slice.clone(), id: self.id.clone() }
    }

    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.string("slice", &self.slice).string("id", &self.id);
        out.string("op", if self.value.is_some() { "put" } else { "delete" });
        if let Some(value) = &self.value {
            out.raw("value", value);
        }
        out.number("at", self.at).number("position", self.position);
        out.end().into()
    }

    pub fn read(text: &str) -> Option<Self> {
        let row: OutboxBody = serde_json::from_str(text).ok()?;
        Some(OutboxRow {
            slice: row.slice.into(),
            id: row.id.into(),
            value: row.value.map(|value| value.get().into()),
            at: row.at,
            position: row.position,
        })
    }
}

/// What the device knows of the server's side of an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncRow {
    /// The server's version that the local value is based on. `None` where the server does not have the item: then the
    /// row only keeps a replay of the journal from repeating what is done, and goes with the records.
    pub version: Option<u64>,
    /// The last journal position that is folded into what the server has.
    pub position: u64,
    /// The server's value at `version`, kept while there are local changes on it.
    pub base: Option<Json>,
}

#[derive(Deserialize)]
struct SyncBody<'a> {
    version: Option<u64>,
    #[serde(default)]
    position: u64,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    base: Option<&'a RawValue>,
}

impl SyncRow {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.number_or_null("version", self.version).number("position", self.position);
        if let Some(base) = &self.base {
            out.raw("base", base);
        }
        out.end().into()
    }

    pub fn read(text: &str) -> Option<Self> {
        let row: SyncBody = serde_json::from_str(text).ok()?;
        Some(SyncRow { version: row.version, position: row.position, base: row.base.map(|base| base.get().into()) })
    }
}

/// The push in flight, `_meta.push`: written before its first send and kept until its answer is stored, so that the
/// same numbers and bases are sent again whatever happens in between.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Push {
    pub n: u64,
    pub tag: String,
    /// Sequence numbers in the outbox, each with the base that it was sent with.
    pub entries: Vec<(u64, Option<u64>)>,
}

impl Push {
    pub fn to_json(&self) -> Json {
        let entries = self.entries.iter().map(|(seq, base)| match base {
            Some(base) => format!("[{seq},{base}]"),
            None => format!("[{seq},null]"),
        });
        let mut out = Writer::object();
        out.number("n", self.n).string("tag", &self.tag).array("entries", entries);
        out.end().into()
    }
}

/// Both sides of a change that met another one at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    /// Changes with every change of either side.
    pub id: String,
    pub base: Option<Json>,
    pub local: Option<Json>,
    pub remote: Option<Json>,
    pub local_at: u64,
    pub remote_at: Option<u64>,
    /// The server's version of the remote side; `None` where the server has nothing.
    pub version: Option<u64>,
}

#[derive(Deserialize)]
struct ConflictBody<'a> {
    id: String,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    base: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    local: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    remote: Option<&'a RawValue>,
    #[serde(rename = "localAt")]
    local_at: u64,
    #[serde(rename = "remoteAt")]
    remote_at: Option<u64>,
    version: Option<u64>,
}

impl ConflictRow {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.string("id", &self.id);
        for (name, side) in [("base", &self.base), ("local", &self.local), ("remote", &self.remote)] {
            if let Some(side) = side {
                out.raw(name, side);
            }
        }
        out.number("localAt", self.local_at);
        out.number_or_null("remoteAt", self.remote_at).number_or_null("version", self.version);
        out.end().into()
    }

    pub fn read(text: &str) -> Option<Self> {
        let row: ConflictBody = serde_json::from_str(text).ok()?;
        let side = |side: Option<&RawValue>| side.map(|side| side.get().into());
        Some(ConflictRow {
            id: row.id,
            base: side(row.base),
            local: side(row.local),
            remote: side(row.remote),
            local_at: row.local_at,
            remote_at: row.remote_at,
            version: row.version,
        })
    }
}

/// A change that the server refused, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow<'a> {
    pub id: &'a str,
    pub slice: &'a str,
    pub item_id: &'a str,
    pub value: Option<&'a str>,
    pub code: &'a str,
    pub message: &'a str,
    pub at: u64,
}

impl RejectedRow<'_> {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.string("id", self.id).string("slice", self.slice).string("itemId", self.item_id);
        out.raw("op", &quoted(if self.value.is_some() { "put" } else { "delete" }));
        if let Some(value) = self.value {
            out.raw("value", value);
        }
        out.string("code", self.code).string("message", self.message).number("at", self.at);
        out.end().into()
    }
}
