//! The rows of the system stores. Each is a plain object in the database, so that a person can read it there.

use super::{Key, META, Row, RowKey, Write};
use crate::json::{Json, present, read, write};
use crate::units::{BurstNo, Millis, Position, PushNo, Version};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// A value, or its absence: `{value: …}` or `{deleted: true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

impl Side {
    pub fn of(value: Option<Json>) -> Self {
        Side { deleted: value.is_none(), value }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// All of a journal record but its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RecordHead {
    /// Actions of a page; the text is their array. `at` is when they arrived.
    Burst { page: Rc<str>, n: BurstNo, at: Millis, seen: Position },
    /// The server's answers to a push, or what the device took back of one; the text is [`Answers`].
    Answers { at: Millis },
}

impl RecordHead {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }
}

/// A journal record as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    pub head: RecordHead,
    pub text: Rc<str>,
}

impl RecordRow {
    pub fn read(row: &str) -> Option<Self> {
        // Not the tagged enum: serde buffers what is tagged.
        #[derive(Deserialize)]
        struct Stored {
            kind: Rc<str>,
            page: Option<Rc<str>>,
            n: Option<BurstNo>,
            at: Millis,
            #[serde(default)]
            seen: Position,
            text: Rc<str>,
        }
        let Stored { kind, page, n, at, seen, text } = read(row)?;
        let head = match &*kind {
            "burst" => RecordHead::Burst { page: page?, n: n?, at, seen },
            "answers" => RecordHead::Answers { at },
            _ => return None,
        };
        Some(RecordRow { head, text })
    }
}

/// What became of an operation of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerStatus {
    Applied,
    Conflict,
    Rejected,
    /// The device takes the operation back; the server may have got it.
    Withdrawn,
}

/// One answer, with what was sent: a replay needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRow {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    pub status: AnswerStatus,
    pub sent: Side,
    /// The newest position in effect on the item when the operation was chosen: edits up to there are answered.
    pub upto: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What the server has, where it says so.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl AnswerRow {
    /// An answer to an operation as it was sent, with nothing of the server's side.
    pub fn new(operation: &Operation, status: AnswerStatus) -> Self {
        AnswerRow {
            slice: operation.slice.clone(),
            id: operation.id.clone(),
            status,
            sent: Side::of(operation.value.clone()),
            upto: operation.position,
            version: None,
            value: None,
            deleted: false,
            at: None,
            own: false,
            code: None,
            message: None,
        }
    }

    pub fn key(&self) -> Key {
        Key::from_parts(self.slice.clone(), self.id.clone())
    }

    /// The server's side, where the answer names it.
    pub fn remote(&self) -> Option<Remote> {
        let named = self.value.is_some() || self.deleted;
        named.then(|| Remote {
            version: self.version,
            value: self.value.clone(),
            deleted: self.deleted,
            at: self.at,
            own: self.own,
        })
    }
}

/// The text of a record of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    pub results: Vec<AnswerRow>,
}

impl Answers {
    pub fn to_text(&self) -> Rc<str> {
        write(self).into()
    }

    pub fn read(text: &str) -> Option<Self> {
        read(text)
    }
}

/// The server's side of an item that could not be merged: the other side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// `null` where the server has no row of the item.
    pub version: Option<Version>,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Whether this device's client wrote it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
}

/// A change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRow {
    /// The position of the record of answers that brought it.
    pub position: Position,
    /// What was refused; a deletion where there is none.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// What it was a change of.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub base: Option<Json>,
    pub code: String,
    pub message: String,
    pub at: Millis,
}

/// What must be known of an item beside its value. A field that is not there has its plainest meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRow {
    /// The newest position in effect on what was written.
    pub position: Position,
    /// The server's version that `base` is of; none where the server does not have the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The server's side, where that is not the local one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Side>,
    /// The local side of a disabled slice's item, whose store is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Side>,
    /// When the latest edit was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Values that withdrawn operations may have brought to the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maybe: Vec<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusalRow>,
    /// The last value of a deleted item.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub gone: Option<Json>,
    /// The first unanswered edit; 0 if there is none but a conflict, a refusal or a held value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Position>,
}

impl ItemRow {
    pub fn to_json(&self) -> Json {
        write(self).into()
    }

    pub fn read(row: &str) -> Option<Self> {
        read(row)
    }
}

/// One operation of a push, with its whole value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    /// The version that it is a change of.
    pub base: Option<Version>,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// When the change was made.
    pub at: Millis,
    /// See [`AnswerRow::upto`].
    pub position: Position,
}

impl Operation {
    pub fn key(&self) -> Key {
        Key::from_parts(self.slice.clone(), self.id.clone())
    }
}

/// The push under way, `_meta.push`: written before its first send. Once every operation is answered its numbers stay, so
/// that they are never used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushRow {
    pub client: Rc<str>,
    pub n: PushNo,
    #[serde(rename = "tag")]
    pub push_id: Rc<str>,
    /// Kept as one text beside the numbers.
    #[serde(skip)]
    pub operations: Vec<Operation>,
}

impl PushRow {
    /// The write that stores it.
    pub fn write(&self) -> Write {
        Write::Put {
            store: META.into(),
            key: RowKey::Text("push".into()),
            row: Row::WithText { head: write(self).into(), text: write(&self.operations).into() },
        }
    }

    pub fn read(row: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Stored {
            client: Rc<str>,
            n: PushNo,
            #[serde(rename = "tag")]
            push_id: Rc<str>,
            text: Rc<str>,
        }
        let Stored { client, n, push_id, text } = read(row)?;
        Some(PushRow { client, n, push_id, operations: read(&text)? })
    }
}
