//! The rows of the system stores. Each is a plain object in the database, so that a person can read it there.

use super::{Key, META, Row, RowKey, Write};
use crate::json::{self, Json, present, read, write};
use crate::rebase::Strategy;
use crate::units::{BurstNo, Millis, Position, PushNo, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How far the device has pulled each slice. Only the server makes a cursor, and only it reads one.
pub type Cursors = BTreeMap<Rc<str>, Rc<str>>;

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
    Burst {
        page: Rc<str>,
        n: BurstNo,
        at: Millis,
        seen: Position,
        #[serde(skip_serializing_if = "Policies::is_default")]
        policies: Policies,
    },
    /// The server's answers to a push, or what the device took back of one; the text is [`Answers`].
    Answers {
        at: Millis,
        #[serde(skip_serializing_if = "Policies::is_default")]
        policies: Policies,
    },
    /// A page of a pull; the text is [`Pulled`]. The cursors are those behind it.
    Pulled {
        at: Millis,
        cursors: Cursors,
        #[serde(skip_serializing_if = "Policies::is_default")]
        policies: Policies,
    },
}

impl RecordHead {
    pub fn is_burst(&self) -> bool {
        matches!(self, RecordHead::Burst { .. })
    }

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
            cursors: Option<Cursors>,
            #[serde(default)]
            policies: Policies,
            text: Rc<str>,
        }
        let Stored { kind, page, n, at, seen, cursors, policies, text } = read(row)?;
        let head = match &*kind {
            "burst" => RecordHead::Burst { page: page?, n: n?, at, seen, policies },
            "answers" => RecordHead::Answers { at, policies },
            "pulled" => RecordHead::Pulled { at, cursors: cursors?, policies },
            _ => return None,
        };
        Some(RecordRow { head, text })
    }
}

/// The outcome of an operation of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerStatus {
    Applied,
    Conflict,
    Rejected,
    /// The device takes the operation back; the server may have got it.
    Withdrawn,
    /// The patch that the operation was sent as did not fit. Nothing arrived, and the whole value is sent.
    Unfit,
}

impl AnswerStatus {
    /// Returns true if the edits up to the operation are answered.
    pub fn is_answer(self) -> bool {
        !matches!(self, AnswerStatus::Withdrawn | AnswerStatus::Unfit)
    }
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
    /// The server's value, if the answer has one.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
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
            by: None,
            code: None,
            message: None,
        }
    }

    pub fn key(&self) -> Key {
        Key::from_parts(self.slice.clone(), self.id.clone())
    }

    /// Returns the status that counts: a conflict with a value equal to the sent one is `Applied`.
    pub fn outcome(&self) -> AnswerStatus {
        let is_same = || json::same(self.value.as_deref(), self.sent.value.as_deref());
        match self.status {
            AnswerStatus::Conflict if self.remote().is_some() && is_same() => AnswerStatus::Applied,
            status => status,
        }
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
            by: self.by.clone(),
        })
    }
}

/// The settings of slices that the effect of a record depends on, as they were when it was appended. A slice with the
/// defaults is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strategies: BTreeMap<Rc<str>, Strategy>,
    /// The slices whose refused changes stay.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keep: BTreeSet<Rc<str>>,
}

impl Policies {
    pub fn is_default(&self) -> bool {
        *self == Policies::default()
    }

    /// The strategy of a slice.
    pub fn strategy(&self, slice: &str) -> Strategy {
        self.strategies.get(slice).copied().unwrap_or_default()
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

/// One change of a page of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledRow {
    pub slice: Rc<str>,
    pub id: Rc<str>,
    pub version: Version,
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

impl PulledRow {
    pub fn key(&self) -> Key {
        Key::from_parts(self.slice.clone(), self.id.clone())
    }

    /// The server's side that it names.
    pub fn remote(&self) -> Remote {
        Remote {
            version: Some(self.version),
            value: self.value.clone(),
            deleted: self.deleted,
            at: self.at,
            own: self.own,
            by: self.by.clone(),
        }
    }
}

/// Why slices are pulled from their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebuildReason {
    /// The device has not pulled for so long that the server has forgotten deletions since.
    CursorExpired,
    /// The server's data is another than the device has seen: restored from a backup, or begun anew.
    HistoryChanged,
}

/// A rebuild under way, `_meta.rebuild`: these slices are pulled from their beginning; then their items that were not
/// named are gone through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildRow {
    /// The newest position when it began: a named item has a newer one.
    #[serde(rename = "since")]
    pub started_at: Position,
    pub reason: RebuildReason,
    pub slices: BTreeSet<Rc<str>>,
}

impl RebuildRow {
    /// Returns the part that the records of its pages repeat.
    pub fn in_records(&self) -> InRebuild {
        InRebuild { started_at: self.started_at, reason: self.reason }
    }

    pub fn write(&self) -> Write {
        Write::meta("rebuild", &write(self))
    }
}

/// The rebuild that a page of a pull belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRebuild {
    #[serde(rename = "since")]
    pub started_at: Position,
    pub reason: RebuildReason,
}

/// The text of a record of a page of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    pub changes: Vec<PulledRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<InRebuild>,
    /// Items of a rebuild that no page named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unnamed: Vec<(Rc<str>, Rc<str>)>,
    /// Deleted items that are old enough to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
}

/// Deleted items to forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// One that was deleted by this version or a newer one stays.
    pub below: Version,
    pub items: Vec<(Rc<str>, Rc<str>)>,
}

impl Pulled {
    pub fn to_text(&self) -> Rc<str> {
        write(self).into()
    }

    pub fn read(text: &str) -> Option<Self> {
        read(text)
    }
}

/// The writer of the server's side, in names for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct By {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
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
    /// True if this device's client wrote it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// The data of a conflict beside its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictRow {
    /// The record that made it what it is: an edit, or a newer side of the server.
    #[serde(rename = "since")]
    pub made_by: Position,
    /// Decides when it is merged anew.
    #[serde(default)]
    pub strategy: Strategy,
    /// A page wrote over a change that it had not seen, so that the base is not known: only a person can tell.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forced: bool,
}

/// How an item was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneRow {
    /// The record that deleted it.
    pub position: Position,
    /// The page that deleted it; none where the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Rc<str>>,
    /// Its last value.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
}

/// A change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRow {
    /// The position of the record of answers that brought it.
    pub position: Position,
    /// The value that was refused; absent for a deletion.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The value that it was a change of.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    pub base: Option<Json>,
    pub code: String,
    pub message: String,
    pub at: Millis,
    /// The refused value stayed, as the slice's settings say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
}

/// The data of an item beside its value. A field that is absent has its plainest meaning.
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
    /// Beside `remote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<ConflictRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusalRow>,
    /// How a deleted item was deleted, and its last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<GoneRow>,
    /// The newest record by which someone else's change came to be shown: pages that have not seen it are behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Position>,
    /// The first unanswered edit; 0 if there is none but a conflict, a refusal, a held value, or `maybe`.
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
    /// It is sent with its value, not as a patch.
    #[serde(rename = "put", default, skip_serializing_if = "is_false")]
    pub as_put: bool,
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
    /// The newest version that the server has answered a push of this client with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Version>,
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
            #[serde(default)]
            answered: Option<Version>,
            text: Rc<str>,
        }
        let Stored { client, n, push_id, answered, text } = read(row)?;
        Some(PushRow { client, n, push_id, answered, operations: read(&text)? })
    }
}
