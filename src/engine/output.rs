//! The outputs of the engine.

use crate::bridge::from_worker::To;
use crate::store::{Wanted, Whole, Write};
use crate::units::Tick;
use std::rc::Rc;

/// Something for the driver to do. All but `Wait` are started in their order and reported by an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Post this JSON text, as an object, to pages.
    Post { to: To, message: String },
    /// Apply the writes in one transaction, or none of them.
    Store { txn: u64, writes: Vec<Write> },
    /// Read items, and all items of slices, in one transaction.
    Load { load: u64, wanted: Vec<Wanted>, slices: Vec<Whole> },
    /// Read all items of an object store and post them to a page, merged under `message` (see `bridge::from_worker::rows`).
    Rows { to: To, request: u64, message: String, store: Rc<str> },
    /// Add these object stores to the database.
    Migrate { stores: Vec<Rc<str>> },
    /// `POST body` to the API's `path`, or `GET` it where there is no body; with `Authorization: Bearer token`, where there is one.
    Request { request: u64, path: &'static str, body: Option<String>, token: Option<Rc<str>> },
    /// Have the browser wake the worker once there is a network, though no page is open (Background Sync), if it can.
    RequestBackgroundSync,
    /// Give the request up; it needs no report any more.
    Cancel { request: u64 },
    /// Open a live connection (a WebSocket) to the API's `/live`, and say `hello` first. Messages are reported by
    /// [`super::Input::Poked`], the connection's end by [`super::Input::LiveEnded`].
    OpenLive { live: u64, hello: String },
    /// Close the live connection. It needs no report any more.
    CloseLive,
    /// Nothing more to do until the deadline or the next input.
    Wait(Option<Deadline>),
}

/// When to come back with [`super::Input::Timeout`] at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    pub at: Tick,
    pub reason: Reason,
}

/// The reason of a deadline.
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
    /// A page has had its time to give a token.
    Token,
    /// Pages are told the state again.
    Report,
    /// Auto-sync. It alone keeps no worker alive: a page that is open wakes it.
    AutoSync,
    /// The live connection is tried again. It keeps no worker alive.
    Live,
    /// Metrics are stored.
    Metrics,
}
