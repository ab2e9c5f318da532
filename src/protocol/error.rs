//! `{error: {code, message, retryable}}`, the body of every refusal.

use crate::json::read;
use serde::Deserialize;

/// Why the server refused a whole request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerError {
    /// Machine-readable, such as `client_forked`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    #[serde(default)]
    pub retryable: bool,
}

/// Reads a refusal; `None` where the body is something else, such as a proxy's page.
pub fn read_error(body: &str) -> Option<ServerError> {
    #[derive(Deserialize)]
    struct Body {
        error: ServerError,
    }
    read::<Body>(body).map(|body| body.error)
}
