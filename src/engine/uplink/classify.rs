//! What an answer of the server means for the request and for the next one. It is decided here, and only here.
//!
//! | answer | class | what follows |
//! |---|---|---|
//! | none, 408, 425, 429, 5xx | [`Class::NetworkError`], [`Class::Busy`] | a growing wait, at least `Retry-After` |
//! | 500 with Nightferry's code | [`Class::Failing`] | once more as it is, then halved |
//! | 401 | [`Class::Authenticate`] | a long wait, then a small request before a push goes again |
//! | HTML with 200, 404, a proxy's page | [`Class::NotNightferry`] | a long wait; what came is named |
//! | 400, 422, 403 without Nightferry's code | [`Class::Declined`] | halved until one operation is found |
//! | 413 | [`Class::TooLarge`] | halved, and the size is remembered |
//! | 409 `client_forked` | [`Class::Forked`] | the device takes a new id |
//! | anything else | [`Class::Stopped`] | a long wait; only a person can help |

use crate::engine::input::{NetworkError, Response};
use crate::protocol;
use crate::store::{RebuildReason, StoreError};
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    NetworkError,
    /// No answer in the request's time.
    TimedOut,
    Busy,
    Failing,
    Authenticate,
    NotNightferry,
    Declined,
    TooLarge,
    Forked,
    /// The device has to pull slices from their beginning.
    HistoryChanged,
    CursorExpired,
    Stopped,
    /// The device's own database failed: nothing was sent.
    Storage,
}

impl Class {
    /// Returns true if the answer came from the server itself, and none if the server was not asked.
    pub fn reached(self) -> Option<bool> {
        match self {
            Class::NetworkError | Class::TimedOut | Class::Busy | Class::Failing | Class::NotNightferry => {
                Some(false)
            }
            Class::Storage => None,
            _ => Some(true),
        }
    }
}

impl Class {
    /// Why the device has to pull slices from their beginning.
    pub fn rebuild(self) -> Option<RebuildReason> {
        match self {
            Class::HistoryChanged => Some(RebuildReason::HistoryChanged),
            Class::CursorExpired => Some(RebuildReason::CursorExpired),
            _ => None,
        }
    }
}

/// How a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    /// For people.
    pub message: String,
    /// How long the server asked to be left alone, in ms.
    pub retry_after: Option<u64>,
    /// The slices to pull from their beginning.
    pub slices: Vec<Rc<str>>,
}

impl Failure {
    pub fn new(class: Class, message: String) -> Self {
        Failure { class, message, retry_after: None, slices: Vec::new() }
    }

    pub fn storage(error: &StoreError) -> Self {
        let message = format!("Sending waits, because the browser's database failed: {}.", error.message);
        Failure::new(Class::Storage, message)
    }

    pub fn timed_out(bytes: usize, ms: u64) -> Self {
        let message = match bytes > 100_000 {
            true => format!(
                "The server did not answer within {} s to {} KB, so the connection may be slow. Changes are kept on this device and are sent in smaller parts.",
                ms / 1000,
                bytes / 1000
            ),
            false => "The server cannot be reached (no answer in time). Changes are kept on this device and are sent when it is back.".into(),
        };
        Failure::new(Class::TimedOut, message)
    }
}

/// The body of a good answer to a request for `path`.
pub fn classify(answer: Result<Response, NetworkError>, path: &str) -> Result<String, Failure> {
    let response = answer.map_err(|error| {
        let message = format!(
            "The server cannot be reached ({}). Changes are kept on this device and are sent when it is back.",
            error.0
        );
        Failure::new(Class::NetworkError, message)
    })?;
    let is_json = response.content_type == "application/json";
    if response.status == 200 && is_json {
        return Ok(response.body);
    }
    let error = if is_json { protocol::read_error(&response.body) } else { None };
    let code = error.as_ref().map(|error| error.code.as_str());
    let class = match (response.status, code) {
        (200..=399, _) | (404 | 405, _) => Class::NotNightferry,
        (401, _) => Class::Authenticate,
        (409, Some("client_forked")) => Class::Forked,
        (410, Some("history_changed")) => Class::HistoryChanged,
        (410, Some("cursor_expired")) => Class::CursorExpired,
        (413, _) => Class::TooLarge,
        (400 | 422, _) | (403, None) => Class::Declined,
        (500, Some(_)) => Class::Failing,
        (408 | 425 | 429 | 500..=599, _) => Class::Busy,
        _ => Class::Stopped,
    };
    let slices = error.as_ref().map(|error| error.slices.clone()).unwrap_or_default();
    let message = match (class, error) {
        (Class::NotNightferry, _) => not_nightferry(&response, path),
        (Class::Authenticate, _) => {
            "The server does not know who you are any more. Sign in again; changes are kept on this device."
                .into()
        }
        (_, Some(error)) => format!("{} Changes are kept on this device.", error.message),
        (_, None) => {
            format!("{path} answered with status {}. Changes are kept on this device.", response.status)
        }
    };
    Err(Failure { class, message, retry_after: response.retry_after, slices })
}

fn not_nightferry(response: &Response, path: &str) -> String {
    let came = match (&*response.content_type, response.status) {
        ("", 200) => "no content type".to_owned(),
        (content_type, 200) => content_type.to_owned(),
        (_, status) => format!("status {status}"),
    };
    format!(
        "{path} answered with {came} instead of JSON, so this is not Nightferry's API. Check the api option of register() and any proxy in between; changes are kept."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    fn class(status: u16, content_type: &str, body: &str) -> Class {
        classify(response(status, content_type, body), "/push").unwrap_err().class
    }

    fn response(status: u16, content_type: &str, body: &str) -> Result<Response, NetworkError> {
        Ok(Response { status, content_type: content_type.into(), retry_after: None, body: body.into() })
    }

    fn error(code: &str) -> String {
        format!(r#"{{"error":{{"code":"{code}","message":"It says no.","retryable":false}}}}"#)
    }

    #[test]
    fn answers_are_classified_by_status_and_code() {
        assert!(classify(response(200, JSON, "{}"), "/push").is_ok());
        for status in [408, 425, 429, 502, 503, 504] {
            assert_eq!(class(status, JSON, &error("unavailable")), Class::Busy, "{status}");
        }
        assert_eq!(class(500, JSON, &error("internal")), Class::Failing);
        assert_eq!(class(500, "text/html", "<h1>Oops</h1>"), Class::Busy);
        assert_eq!(class(409, JSON, &error("client_forked")), Class::Forked);
        assert_eq!(class(401, JSON, &error("unauthenticated")), Class::Authenticate);
        for status in [400, 422] {
            assert_eq!(class(status, JSON, &error("invalid_request")), Class::Declined, "{status}");
        }
        assert_eq!(class(413, "text/html", ""), Class::TooLarge);
        assert_eq!(class(403, JSON, &error("wrong_principal")), Class::Stopped);
    }

    #[test]
    fn f47_a_403_without_our_code_is_a_firewalls() {
        assert_eq!(class(403, "text/html", "<h1>Blocked</h1>"), Class::Declined);
    }

    #[test]
    fn a_page_with_status_200_is_no_success_and_is_named() {
        let failure = classify(response(200, "text/html", "<h1>Log in</h1>"), "/push").unwrap_err();
        assert_eq!(failure.class, Class::NotNightferry);
        assert!(
            failure.message.contains("text/html") && failure.message.contains("api option"),
            "{failure:?}"
        );
        assert_eq!(class(404, "text/html", ""), Class::NotNightferry);
    }

    #[test]
    fn silence_says_that_it_is_silence() {
        let failure = classify(Err(NetworkError("refused".into())), "/push").unwrap_err();
        assert_eq!((failure.class, failure.class.reached()), (Class::NetworkError, Some(false)));
    }
}
