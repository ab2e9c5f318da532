//! The meaning of the server's answers for a request and for the next one. It is decided here, and only here.
//!
//! The first row that fits counts. *Code* is that of Nightferry's error body; a proxy's page has none.
//!
//! | status | code | class | what happens |
//! |---|---|---|---|
//! | 200, as JSON | any | success | the answer is applied |
//! | 300-399 | any | [`Class::Authenticate`] | the same as for 401: an identity proxy wants a sign-in |
//! | 200-299 | any | [`Class::NotNightferry`] | a wait of 10 s or more; the message names what came |
//! | 404, 405 | any | [`Class::NotNightferry`] | the same |
//! | 401 | any | [`Class::Authenticate`] | a wait of a minute or more, then a small request before a push goes again |
//! | 409 | `client_forked` | [`Class::Forked`] | the push is withdrawn, and the device takes a new name |
//! | 410 | `history_changed` | [`Class::HistoryChanged`] | the push is withdrawn, and slices are pulled from their beginning |
//! | 410 | `cursor_expired` | [`Class::CursorExpired`] | the same |
//! | 413 | any | [`Class::TooLarge`] | the push is halved, and the size is remembered |
//! | 400, 422 | any | [`Class::Declined`] | the push is halved until one operation is found, which waits alone |
//! | 403 | none | [`Class::Declined`] | the same: a firewall dislikes something in the push |
//! | 500 | some | [`Class::Failing`] | the push goes once more as it is, then halved |
//! | 408, 425, 429, 500-599 | any | [`Class::Busy`] | a growing wait, at least `Retry-After` |
//! | any | any | [`Class::Stopped`] | a wait of a minute or more; only a person can help |
//!
//! Without an answer the class is [`Class::NetworkError`], or [`Class::TimedOut`] if the request's time was over: a growing
//! wait, and after the latter a smaller request with more time. [`Class::Storage`] is not about the server.
//! A request for a page of a pull is not halved. It is asked again after a wait of its own.

use crate::bridge::status::ErrorCode;
use crate::engine::input::{NetworkError, Response};
use crate::protocol;
use crate::store::{RebuildReason, StoreError};
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing answered.
    NetworkError,
    /// Nothing answered in the request's time.
    TimedOut,
    /// The server, or a proxy before it, cannot answer now.
    Busy,
    /// The server failed at the request; one of its operations may be the reason.
    Failing,
    /// The server does not know who this is.
    Authenticate,
    /// Something answered that is not Nightferry's API.
    NotNightferry,
    /// The request was declined as a whole for something in it.
    Declined,
    /// The request has too many bytes.
    TooLarge,
    /// The server knows another device by this one's name.
    Forked,
    /// The server's data is another than the device has seen.
    HistoryChanged,
    /// The server has forgotten deletions that the device has not seen.
    CursorExpired,
    /// Any other status.
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

    /// The kind of failure that people and programs are told, given the server's own code.
    fn error_code(self, code: Option<&str>) -> ErrorCode {
        match (self, code) {
            (Class::NetworkError | Class::TimedOut, _) => ErrorCode::NetworkError,
            (Class::Busy, _) => ErrorCode::Busy,
            (Class::Failing, _) => ErrorCode::ServerError,
            (Class::Authenticate, _) => ErrorCode::Unauthenticated,
            (Class::NotNightferry, _) => ErrorCode::NotNightferry,
            (Class::Declined, _) => ErrorCode::Declined,
            (Class::TooLarge, _) => ErrorCode::TooLarge,
            (Class::Forked | Class::HistoryChanged | Class::CursorExpired, _) => ErrorCode::Rebuilding,
            (Class::Stopped, Some("wrong_principal")) => ErrorCode::WrongPrincipal,
            (Class::Stopped, _) => ErrorCode::Other,
            (Class::Storage, _) => ErrorCode::Storage,
        }
    }

    /// Why the device has to pull slices from their beginning.
    pub fn rebuild(self) -> Option<RebuildReason> {
        match self {
            Class::HistoryChanged => Some(RebuildReason::HistoryChanged),
            Class::CursorExpired => Some(RebuildReason::CursorExpired),
            _ => None,
        }
    }
}

/// The answer to a request, or none in its time.
#[derive(Debug)]
pub enum Reception {
    Some(Result<Response, NetworkError>),
    /// Nothing, in the request's time.
    None,
}

impl Reception {
    /// Returns the body of a good answer to a request for `path`.
    pub fn body(&self, path: &str) -> Result<String, Failure> {
        match self {
            Reception::Some(answer) => classify(answer.clone(), path),
            Reception::None => Err(Failure::timed_out(0, 0)),
        }
    }
}

/// How a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// How long the server asked to be left alone, in ms.
    pub retry_after: Option<u64>,
    /// The slices to pull from their beginning.
    pub slices: Vec<Rc<str>>,
}

impl Failure {
    pub fn new(class: Class, message: String) -> Self {
        Failure { class, code: class.error_code(None), message, retry_after: None, slices: Vec::new() }
    }

    pub fn storage(error: &StoreError) -> Self {
        let message = format!("Sending waits, because the browser's database failed: {}.", error.message);
        let code = if error.full { ErrorCode::StorageFull } else { ErrorCode::Storage };
        Failure { code, ..Failure::new(Class::Storage, message) }
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

/// Returns the body of a good answer to a request for `path`.
fn classify(answer: Result<Response, NetworkError>, path: &str) -> Result<String, Failure> {
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
        (300..=399 | 401, _) => Class::Authenticate,
        (200..=299 | 404 | 405, _) => Class::NotNightferry,
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
    let error_code = class.error_code(code);
    let message = match (class, error) {
        (Class::NotNightferry, _) => not_nightferry(&response, path),
        (Class::Authenticate, _) if response.status != 401 => format!(
            "{path} was answered with a redirect, as by a proxy that wants you to sign in. Reload the page and sign in again; changes are kept on this device."
        ),
        (Class::Authenticate, _) => {
            "The server does not know who you are any more. Sign in again; changes are kept on this device."
                .into()
        }
        (_, Some(error)) => format!("{} Changes are kept on this device.", error.message),
        (_, None) => {
            format!("{path} answered with status {}. Changes are kept on this device.", response.status)
        }
    };
    Err(Failure { class, code: error_code, message, retry_after: response.retry_after, slices })
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

    /// The rows of the table above: statuses, code and class.
    fn table() -> Vec<[&'static str; 3]> {
        let rows = include_str!("classify.rs").lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1);
        let cells = |row: &'static str| row.split(" | ").collect::<Vec<_>>();
        rows.map(cells).map(|cells| [cells[0], cells[1], cells[2]]).collect()
    }

    fn covers(statuses: &str, status: u16, is_json: bool) -> bool {
        let listed = |part: &str| match part.split_once('-') {
            Some((from, to)) => (from.parse().unwrap()..=to.parse().unwrap()).contains(&status),
            None => part.parse() == Ok(status),
        };
        match statuses.strip_suffix(", as JSON") {
            Some(statuses) => is_json && listed(statuses),
            None => statuses == "any" || statuses.split(", ").any(listed),
        }
    }

    #[test]
    fn every_status_and_code_is_classified_as_the_table_says() {
        let codes = ["client_forked", "history_changed", "cursor_expired", "wrong_principal"];
        let bodies = codes.map(|code| (Some(code), JSON, error(code)));
        let without = [(None, JSON, "{}".into()), (None, "text/html", "<h1>Oops</h1>".into())];
        let mut met = std::collections::BTreeSet::new();
        for status in 200..=599 {
            for (code, content_type, body) in bodies.iter().chain(&without) {
                let fits = |[statuses, of, _]: &[&str; 3]| {
                    let has_code = match *of {
                        "any" => true,
                        "none" => code.is_none(),
                        "some" => code.is_some(),
                        named => code.is_some_and(|code| named.trim_matches('`') == code),
                    };
                    has_code && covers(statuses, status, *content_type == JSON)
                };
                let row = table().into_iter().find(fits).expect("the last row fits always");
                let class = match classify(response(status, content_type, body), "/push") {
                    Ok(_) => "success".into(),
                    Err(failure) => format!("[`Class::{:?}`]", failure.class),
                };
                assert_eq!(class, row[2], "{status} {code:?}");
                met.insert(row);
            }
        }
        assert_eq!(met.len(), table().len(), "every row counts for something");
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
