//! The rows of the system stores. Each is a plain object in the database, so that a person can read it there.

use crate::json::{Fields, Json, Writer, elements, number, quoted, shared};
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
        out.json()
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
        let row = Fields::parse(row)?;
        let head = JournalHead {
            page: shared(&row.string("page")?),
            n: row.number("n")?,
            at: row.number("at")?,
            seen: row.json("seen").unwrap_or_else(|| shared("{}")),
        };
        Some(JournalRow { head, text: shared(&row.string("text")?) })
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

impl OutboxRow {
    pub fn key(&self) -> super::Key {
        super::Key::from_parts(self.slice.clone(), self.id.clone())
    }

    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.string("slice", &self.slice).string("id", &self.id);
        out.string("op", if self.value.is_some() { "put" } else { "delete" });
        if let Some(value) = self.value.as_ref().filter(|_| !self.in_store) {
            out.raw("value", value);
        }
        out.number("at", self.at).number("position", self.position);
        if !self.sent.is_empty() {
            let mut list = out.array("sent");
            for value in &self.sent {
                let mut sent = Writer::object();
                if let Some(value) = value {
                    sent.raw("value", value);
                }
                list.item(&sent.end());
            }
            list.end();
        }
        out.json()
    }

    /// Reads a row. One that is `in_store` has no value yet.
    pub fn read(row: &str) -> Option<Self> {
        let row = Fields::parse(row)?;
        let value = row.json("value");
        let mut sent = Vec::new();
        for value in row.get("sent").and_then(elements).unwrap_or_default() {
            sent.extend(Fields::parse(value).map(|value| value.json("value")));
        }
        Some(OutboxRow {
            sent,
            slice: shared(&row.string("slice")?),
            id: shared(&row.string("id")?),
            in_store: value.is_none() && row.string("op")? == "put",
            value,
            at: row.number("at")?,
            position: row.number("position")?,
        })
    }
}

/// What a disabled slice's item shall be once the slice is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// The whole value; `None` deletes.
    pub value: Option<Json>,
    /// When the latest change was made, in epoch ms.
    pub at: u64,
    /// The last journal position that is folded into it.
    pub position: u64,
}

impl HeldRow {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        if let Some(value) = &self.value {
            out.raw("value", value);
        }
        out.number("at", self.at).number("position", self.position);
        out.json()
    }

    pub fn read(row: &str) -> Option<Self> {
        let row = Fields::parse(row)?;
        Some(HeldRow { value: row.json("value"), at: row.number("at")?, position: row.number("position")? })
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

impl SyncRow {
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        out.number_or_null("version", self.version).number("position", self.position);
        if let Some(base) = &self.base {
            out.raw("base", base);
        }
        out.json()
    }

    pub fn read(row: &str) -> Option<Self> {
        let row = Fields::parse(row)?;
        let position = row.number("position").unwrap_or(0);
        Some(SyncRow { version: row.number("version"), position, base: row.json("base") })
    }
}

/// The push in flight, `_meta.push`: written before its first send and kept until its answer is stored, so that the
/// same numbers and bases are sent again whatever happens in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub n: u64,
    pub tag: String,
    /// Sequence numbers in the outbox, each with the base that it was sent with.
    pub entries: Vec<(u64, Option<u64>)>,
}

impl Push {
    pub fn read(row: &str) -> Option<Self> {
        let row = Fields::parse(row)?;
        let mut entries = Vec::new();
        for entry in elements(row.get("entries")?)? {
            let [seq, base] = *elements(entry)? else { return None };
            entries.push((seq.parse().ok()?, base.parse().ok()));
        }
        Some(Push { n: row.number("n")?, tag: row.string("tag")?, entries })
    }

    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        let mut list = out.number("n", self.n).string("tag", &self.tag).array("entries");
        for (seq, base) in &self.entries {
            let base = base.map_or_else(|| "null".into(), number);
            list.item(&["[", &number(*seq), ",", &base, "]"].concat());
        }
        list.end().json()
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
        out.json()
    }

    pub fn read(row: &str) -> Option<Self> {
        let row = Fields::parse(row)?;
        Some(ConflictRow {
            id: row.string("id")?,
            base: row.json("base"),
            local: row.json("local"),
            remote: row.json("remote"),
            local_at: row.number("localAt")?,
            remote_at: row.number("remoteAt"),
            version: row.number("version"),
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
        out.json()
    }
}
