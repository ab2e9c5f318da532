//! The rows of the system stores. Each is a plain object in the database, so that a person can read it there.

use crate::json::{Json, Raw, present, read, write};
use crate::units::Position;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Put,
    Delete,
}

impl Op {
    pub fn of<T>(value: Option<T>) -> Op {
        if value.is_some() { Op::Put } else { Op::Delete }
    }
}

/// Everything of a journal record but its burst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalHead {
    /// The page's life that sent it, and its count there.
    pub page: Rc<str>,
    pub n: u64,
    /// When it arrived, in epoch ms.
    pub at: u64,
    /// The page had applied all records up to here.
    pub seen: Position,
}

impl JournalHead {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }
}

/// A journal record as it is read back.
#[derive(Debug, Clone)]
pub struct JournalRow {
    pub head: JournalHead,
    pub text: Rc<str>,
}

impl JournalRow {
    pub fn read(row: &str) -> Option<Self> {
        // Not a flattened head: serde reads what is flattened into values of its own first, which no text survives.
        #[derive(Deserialize)]
        struct Record {
            page: Rc<str>,
            n: u64,
            at: u64,
            #[serde(default)]
            seen: Position,
            text: Rc<str>,
        }
        let Record { page, n, at, seen, text } = read(row)?;
        Some(JournalRow { head: JournalHead { page, n, at, seen }, text })
    }
}

/// A change on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    /// The whole value; `None` deletes.
    pub value: Option<Json>,
    /// The value is the item's in its slice's store, and not written here a second time.
    pub in_store: bool,
    /// When the change was made, in epoch ms.
    pub at: u64,
    /// The last journal position that is folded into it.
    pub position: u64,
    /// Values that an earlier push may have brought to the server, with no answer: what the server has of them is no
    /// one else's change. `None` is a deletion.
    pub sent: Vec<Option<Json>>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct OutboxRecord {
    slice: Rc<str>,
    id: Rc<str>,
    op: Op,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    at: u64,
    position: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Sent>,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
}

impl OutboxRow {
    pub fn key(&self) -> super::Key {
        super::Key::from_parts(self.slice.clone(), self.id.clone())
    }

    pub fn to_json(&self) -> Json {
        let mut sent = Vec::new();
        for value in &self.sent {
            sent.push(Sent { value: value.clone() });
        }
        let record = OutboxRecord {
            slice: self.slice.clone(),
            id: self.id.clone(),
            op: Op::of(self.value.as_ref()),
            value: self.value.clone().filter(|_| !self.in_store),
            at: self.at,
            position: self.position,
            sent,
        };
        write(&record).into()
    }

    /// Reads a row. One that is `in_store` has no value yet.
    pub fn read(row: &str) -> Option<Self> {
        let row: OutboxRecord = read(row)?;
        Some(OutboxRow {
            sent: row.sent.into_iter().map(|sent| sent.value).collect(),
            slice: row.slice,
            id: row.id,
            in_store: row.value.is_none() && row.op == Op::Put,
            value: row.value,
            at: row.at,
            position: row.position,
        })
    }
}

/// What a disabled slice's item shall be once the slice is enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// The whole value; `None` deletes.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// When the latest change was made, in epoch ms.
    pub at: u64,
    /// The last journal position that is folded into it.
    pub position: u64,
}

impl HeldRow {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }

    pub fn read(row: &str) -> Option<Self> {
        read(row)
    }
}

/// What the device knows of the server's side of an item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncRow {
    /// The server's version that the local value is based on. `None` where the server does not have the item: then the
    /// row only keeps a replay of the journal from repeating what is done, and goes with the records.
    pub version: Option<u64>,
    /// The last journal position that is folded into what the server has.
    #[serde(default)]
    pub position: u64,
    /// The server's value at `version`, kept while there are local changes on it.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub base: Option<Json>,
}

impl SyncRow {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }

    pub fn read(row: &str) -> Option<Self> {
        read(row)
    }
}

/// The push in flight, `_meta.push`: written before its first send and kept until its answer is stored, so that the
/// same numbers and bases are sent again whatever happens in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub n: u64,
    pub tag: String,
    /// Sequence numbers in the outbox, each with the base that it was sent with.
    pub entries: Vec<(u64, Option<u64>)>,
}

impl Push {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }

    pub fn read(row: &str) -> Option<Self> {
        read(row)
    }
}

/// Both sides of a change that met another one at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictRow {
    /// Changes with every change of either side.
    pub id: String,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub base: Option<Json>,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub local: Option<Json>,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub remote: Option<Json>,
    pub local_at: u64,
    pub remote_at: Option<u64>,
    /// The server's version of the remote side; `None` where the server has nothing.
    pub version: Option<u64>,
}

impl ConflictRow {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }

    pub fn read(row: &str) -> Option<Self> {
        read(row)
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
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Record<'a> {
            id: &'a str,
            slice: &'a str,
            item_id: &'a str,
            op: Op,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<Raw<'a>>,
            code: &'a str,
            message: &'a str,
            at: u64,
        }
        let RejectedRow { id, slice, item_id, value, code, message, at } = *self;
        let value = value.map(Raw);
        write(&Record { id, slice, item_id, op: Op::of(value), value, code, message, at }).into()
    }
}
