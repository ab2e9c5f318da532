//! The inputs of the engine.

use crate::store::{Loaded, StoreError};
use crate::units::{Millis, Tick};

/// When an input happened, and randomness for whatever it causes.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The clock of this worker's life, which only counts forward. Every deadline is kept on it.
    pub tick: Tick,
    /// The wall clock, which may jump either way. It is for people, rows and the server.
    pub at: Millis,
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
    Answered { request: u64, answer: Result<Response, NetworkError> },
    /// The server said something on the live connection of this number.
    Poked { live: u64, text: String },
    /// The live connection of this number ended, or could not be made.
    LiveEnded { live: u64 },
    /// A deadline passed.
    Timeout,
    /// The browser woke the worker (Background Sync): there is a network, or some time has passed.
    BackgroundSync,
}

/// The status of an answer that redirects. The browser says nothing else about it.
pub const REDIRECTED: u16 = 302;

/// An HTTP answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// `Content-Type` without its parameters.
    pub content_type: String,
    /// `Retry-After`, in ms.
    pub retry_after: Option<u64>,
    pub body: String,
}

/// No HTTP answer came: the reason, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(pub String);
