//! What goes into the engine and what comes out of it.

use crate::bridge::down::To;
use crate::store::{Loaded, StoreError, Wanted, Whole, Write};
use std::rc::Rc;

/// When an input happened, and randomness for whatever it causes.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Epoch ms, never going back within a worker's life.
    pub now: u64,
    /// 64 random bits, new with every input.
    pub entropy: u64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A page posted this text.
    Message(String),
    /// [`Output::Store`] finished.
    Stored { txn: u64, result: Result<(), StoreError> },
    /// [`Output::Load`] finished.
    Loaded { load: u64, result: Result<Vec<Loaded>, StoreError> },
    /// [`Output::Migrate`] finished.
    Migrated(Result<(), StoreError>),
    /// [`Output::Request`] finished.
    Answered { request: u64, answer: Result<Answer, Unreachable> },
    /// A deadline passed.
    Wake,
    /// The browser woke the worker: there is a network, or some time has passed.
    Woken,
}

/// An HTTP answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Content-Type` without its parameters.
    pub content_type: String,
    /// `Retry-After`, in ms.
    pub retry_after: Option<u64>,
    pub body: String,
}

/// No HTTP answer came: the reason, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable(pub String);

/// Something for the driver to do. All but `Wait` are started in their order and reported by an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Post this JSON text, as an object, to pages.
    Post { to: To, message: String },
    /// Apply the writes in one transaction, or none of them.
    Store { txn: u64, writes: Vec<Write> },
    /// Read items, and all items of slices, in one transaction.
    Load { load: u64, wanted: Vec<Wanted>, whole: Vec<Whole> },
    /// Read all items of an object store and post them to a page, merged under `message` (see `bridge::down::rows`).
    Rows { to: To, request: u64, message: String, store: Rc<str> },
    /// Add these object stores to the database.
    Migrate { stores: Vec<Rc<str>> },
    /// `POST body` to the API's `path`, or `GET` it where there is no body.
    Request { request: u64, path: &'static str, body: Option<String> },
    /// Have the browser wake the worker once there is a network, though no page is open (Background Sync), if it can.
    AskToBeWoken,
    /// Give the request up; it needs no report any more.
    Cancel { request: u64 },
    /// Nothing more to do until the deadline or the next input.
    Wait(Option<Deadline>),
}

/// When to come back with [`Input::Wake`] at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Epoch ms.
    pub at: u64,
    pub reason: Reason,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An item falls quiet.
    Debounce,
    /// The database failed and is tried again.
    StorageRetry,
    /// A request has had its time.
    RequestTimeout,
    /// A failed request is tried again.
    Backoff,
    /// Pages are told the state again.
    Report,
    /// Auto-sync. It alone keeps no worker alive: a page that is open wakes it.
    AutoSync,
    /// Metrics are stored.
    Metrics,
}
