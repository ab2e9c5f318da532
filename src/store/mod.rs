//! The contract with the database: what is read at start, what one transaction writes, and the rows of the system
//! stores. The worker keeps it with IndexedDB, tests keep it with [`MemoryStore`]. [`conformance`] holds every
//! implementation to the same cases.

pub mod conformance;
mod memory;
mod owner;
mod rows;

pub use memory::MemoryStore;
pub use owner::user_of;
pub use rows::{
    AnswerRow, AnswerStatus, Answers, By, ConflictRow, Cursors, Forgotten, GoneRow, InRebuild, ItemRow,
    Operation, Policies, Pulled, PulledRow, PushRow, RebuildReason, RebuildRow, RecordHead, RecordRow,
    RefusalRow, Remote, Side,
};

use crate::json::{Json, shared};
use crate::units::Position;
use std::cmp::Ordering;
use std::rc::Rc;

/// The stores beside the slices' own.
pub const SYSTEM_STORES: [&str; 3] = [JOURNAL, ITEMS, META];
/// Position → a record of the log.
pub const JOURNAL: &str = "_journal";
/// `[slice, id]` → what must be known of an item beside its value. The index [`OPEN`] has the rows with that field.
pub const ITEMS: &str = "_items";
/// Name → settings, identities and marks.
pub const META: &str = "_meta";
/// The field of an [`ITEMS`] row that its sparse index is on.
pub const OPEN: &str = "open";

/// The format on disk that this code reads and writes, kept as `_meta.schema`.
pub const SCHEMA: u64 = 1;

/// An item: a slice's name and an id in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Rc<KeyParts>);

#[derive(Debug, PartialEq, Eq)]
pub struct KeyParts {
    pub slice: Rc<str>,
    pub id: Rc<str>,
}

/// By slice, then by id. Keys of one slice mostly share its name, and then only ids are compared.
impl Ord for KeyParts {
    fn cmp(&self, other: &Self) -> Ordering {
        match Rc::ptr_eq(&self.slice, &other.slice) {
            true => self.id.cmp(&other.id),
            false => self.slice.cmp(&other.slice).then_with(|| self.id.cmp(&other.id)),
        }
    }
}

impl PartialOrd for KeyParts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::ops::Deref for Key {
    type Target = KeyParts;
    fn deref(&self) -> &KeyParts {
        &self.0
    }
}

impl Key {
    pub fn new(slice: &str, id: &str) -> Self {
        Key::from_parts(shared(slice), shared(id))
    }

    pub fn from_parts(slice: Rc<str>, id: Rc<str>) -> Self {
        Key(Rc::new(KeyParts { slice, id }))
    }
}

/// A key in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    Number(u64),
    Text(Rc<str>),
    Item(Key),
}

/// The content of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A JSON value, stored as the browser's own value (an object, a string, ...).
    Json(Json),
    /// A JSON object with one more property, `text`, that is kept as a string and never parsed by the store.
    WithText { head: Json, text: Rc<str> },
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put {
        store: Rc<str>,
        key: RowKey,
        row: Row,
    },
    Delete {
        store: Rc<str>,
        key: RowKey,
    },
    /// Deletes all rows.
    Clear {
        store: Rc<str>,
    },
    /// Deletes all rows with a number up to and including `through`.
    Trim {
        store: Rc<str>,
        through: u64,
    },
}

impl Write {
    pub fn put(store: &str, key: RowKey, row: Json) -> Self {
        Write::Put { store: shared(store), key, row: Row::Json(row) }
    }

    pub fn delete(store: &str, key: RowKey) -> Self {
        Write::Delete { store: shared(store), key }
    }

    pub fn meta(name: &str, value: &str) -> Self {
        Write::put(META, RowKey::Text(shared(name)), shared(value))
    }

    pub fn delete_meta(name: &str) -> Self {
        Write::delete(META, RowKey::Text(shared(name)))
    }

    /// The store that it touches.
    pub fn store(&self) -> &str {
        match self {
            Write::Put { store, .. }
            | Write::Delete { store, .. }
            | Write::Clear { store }
            | Write::Trim { store, .. } => store,
        }
    }
}

/// Why the database did not do what it was asked. Nothing of the transaction took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// True if the disk or the origin's quota is full.
    pub full: bool,
    /// A sentence for people.
    pub message: String,
}

/// The rows that the engine starts from, as JSON text, all of one transaction. A journal row has its text as the
/// property
/// `text`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The names of all object stores.
    pub stores: Vec<String>,
    /// All records, by position.
    pub journal: Vec<(Position, String)>,
    /// The items whose row has the field [`OPEN`].
    pub open: Vec<Key>,
    /// All of [`META`].
    pub meta: Vec<(String, String)>,
}

/// One item as it was read: its value and its row of [`ITEMS`], where there are any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub key: Key,
    pub value: Option<Json>,
    pub row: Option<String>,
}

/// A slice to read whole, with its object store: every item that has a value or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    pub slice: Rc<str>,
    pub store: Rc<str>,
}

/// An item to read, with the object store of its slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub key: Key,
    pub store: Rc<str>,
}
