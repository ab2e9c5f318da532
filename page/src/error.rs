//! The error type of the API.

use crate::connection::WorkerMessage;
use nightferry::client::Failure;
use std::fmt;

/// The reason why a call failed. `code` is for programs, `message` says what happened and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: String,
    pub message: String,
}

impl Error {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Error { code: code.into(), message: message.into() }
    }

    /// Returns the error that a message of the worker tells of.
    pub(crate) fn of(message: &WorkerMessage) -> Self {
        Error {
            code: message.text("code").unwrap_or_default(),
            message: message.text("message").unwrap_or_default(),
        }
    }
}

impl From<Failure> for Error {
    fn from(Failure { code, message }: Failure) -> Self {
        Error { code, message }
    }
}

impl From<Error> for Failure {
    fn from(Error { code, message }: Error) -> Self {
        Failure { code, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}
