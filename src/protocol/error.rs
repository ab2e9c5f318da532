//! The body of every error: `{error: {code, message, retryable}}`.

use crate::json::read;
use serde::Deserialize;
use std::rc::Rc;

/// The reason why the server did not do what a request asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerError {
    /// Machine-readable, such as `client_forked`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    #[serde(default)]
    pub retryable: bool,
    /// With `history_changed` and `cursor_expired`: the slices that the device has to pull from their beginning.
    #[serde(default)]
    pub slices: Vec<Rc<str>>,
}

/// Reads an error; `None` if the body is something else, such as the page of a proxy.
pub fn read_error(body: &str) -> Option<ServerError> {
    #[derive(Deserialize)]
    struct Body {
        error: ServerError,
    }
    read::<Body>(body).map(|body| body.error)
}
