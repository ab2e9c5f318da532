//! `{error: {code, message, retryable}}`, the body of every refusal.

use crate::json::Fields;

/// Why the server refused a whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Machine-readable, such as `client_forked`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    pub retryable: bool,
}

/// Reads a refusal; `None` where the body is something else, such as a proxy's page.
pub fn read_error(body: &str) -> Option<ServerError> {
    let error = Fields::parse(Fields::parse(body)?.get("error")?)?;
    Some(ServerError {
        code: error.string("code")?,
        message: error.string("message")?,
        retryable: error.bool("retryable").unwrap_or(false),
    })
}
