//! The body of every refusal: `{error: {code, message, retryable}}`.

use crate::json::read;
use serde::Deserialize;

/// The reason why the server refused a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerError {
    /// Machine-readable, such as `client_forked`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    #[serde(default)]
    pub retryable: bool,
}

/// Reads a refusal; `None` if the body is something else, such as the page of a proxy.
pub fn read_error(body: &str) -> Option<ServerError> {
    #[derive(Deserialize)]
    struct Body {
        error: ServerError,
    }
    read::<Body>(body).map(|body| body.error)
}
