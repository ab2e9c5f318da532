//! The messages between worker and server: JSON over HTTP, protocol 1. Every message has a golden example in
//! `tests/wire/`, which the server's tests read too.

mod error;
mod live;
mod pull;
mod push;

use crate::json::number;
pub use error::{ServerError, read_error};
pub use live::{live_hello, read_poke};
pub use pull::{PullAnswer, PullRequest, read_pull};
pub use push::{PushAnswer, PushResult, Sender, Verdict, mutation_bytes, push_request, read_push};

/// The version of the protocol. A server of another version answers `unsupported_protocol`.
pub const PROTOCOL: u64 = 1;
/// The maximum of operations in one push.
pub const MAX_PUSH_OPERATIONS: usize = 500;
/// The maximum size of a push, in bytes. A larger item is sent in a push of its own.
pub const MAX_PUSH_BYTES: usize = 1_000_000;

/// An answer that does not follow the protocol. It reads as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

fn unreadable<T>(what: &str) -> Result<T, Unreadable> {
    Err(Unreadable(format!(
        "The answer to the {what} is not what Nightferry's protocol {} says. Check that the server runs a matching version of flask-nightferry.",
        number(PROTOCOL)
    )))
}
