//! The lane to the server: one request in flight, ever. It learns whose the device is, sends numbered pushes, and waits
//! after failures.
//!
//! ```text
//!            no principal yet             outbox has rows
//!   Idle ──────────────────────► Asking    ┌────────────► Preparing ──stored──► Sending
//!    ▲ ▲                           │       │                                       │
//!    │ └───────answered────────────┘       │   failed: Idle, not before retry_at   │ answered
//!    └──────────────stored──────────── Settling ◄──────────────────────────────────┘
//! ```

use super::backoff;
use super::entropy::Entropy;
use super::io::{Answer, Unreachable};
use super::items::Items;
use super::outbox::Outbox;
use crate::bridge::config::Slices;
use crate::json::number;
use crate::protocol::{self, Mutation, PushAnswer};
use crate::store::{ConflictRow, Key, OutboxRow, Push, StoreError};
use crate::table::Table;

/// A request may take this long, and a ms more for every [`BYTES_PER_MS`] of its body.
const TIMEOUT_MS: u64 = 10_000;
const BYTES_PER_MS: u64 = 50;
/// The wait where only a person can help: the wrong user, a refusal of the whole request.
const PAUSE_MS: u64 = 60_000;
/// So many requests in a row without an answer, and the device is on its own.
const DOWN_AFTER: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Idle,
    /// Asking for the principal, or whether the server is there.
    Asking {
        request: u64,
        deadline: u64,
    },
    /// The push is being written down before its first send.
    Preparing,
    Sending {
        request: u64,
        deadline: u64,
    },
    /// The answers are being stored.
    Settling,
}

#[derive(Debug, Default)]
pub struct Lane {
    pub state: State,
    /// The device's name at the server, and the count of its pushes.
    pub client: String,
    pub n: u64,
    /// Whose the device is.
    pub principal: Option<String>,
    /// The push whose answer is not stored yet.
    pub push: Option<Push>,
    /// Whether it is written down: it is not sent before.
    pub written: bool,
    /// How many of the push's changes the request in flight has, and how many the next one may have.
    pub sent: usize,
    pub part: usize,
    /// Refusals of the push since a part of it was taken.
    pub refusals: u32,
    /// The change that is refused alone: it is taken out of the push, to wait.
    pub aside: Option<u64>,
    /// Failures in a row, and those of them in which nothing answered.
    pub failures: u32,
    pub unanswered: u32,
    /// Since when a push waits for commits, and whether it does now.
    pub held_since: Option<u64>,
    pub held: bool,
    /// When the request in flight was sent.
    pub sent_at: u64,
    /// Not before this, after a failure.
    pub retry_at: Option<u64>,
    /// Someone wants to know whether the server is there, even if there is nothing to send.
    pub contact: bool,
}

/// What the lane would do next.
pub enum Step {
    Nothing,
    /// Send this GET or POST.
    Ask {
        path: &'static str,
        body: Option<String>,
    },
    /// Write this push down.
    Prepare(Push),
    /// Send the push that is written down.
    Send {
        body: String,
        /// How many of its changes are in the body.
        sent: usize,
    },
    /// Take these rows out of the push: their slices do not go to the server any more (P7), or it refuses them.
    Withdraw(Vec<u64>),
}

/// How a request failed, for the next attempt and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// Whether something answered that speaks for the server; `None` where it was not asked.
    pub answered: Option<bool>,
    /// The server knows another device by this name.
    pub forked: bool,
    /// Trying again soon helps nothing.
    pub pause: bool,
    /// The server answered, but could not take the request: one of its changes may be the reason.
    pub refused: bool,
    pub retry_after: Option<u64>,
}

impl Failure {
    fn new(message: String) -> Self {
        Failure {
            message,
            answered: Some(true),
            forked: false,
            pause: false,
            refused: false,
            retry_after: None,
        }
    }

    /// The device's own database failed: nothing was sent.
    pub fn storage(error: &StoreError) -> Self {
        let message = format!("Sending waits, because the browser's database failed: {}.", error.message);
        Failure { answered: None, ..Failure::new(message) }
    }
}

impl Lane {
    pub fn step(
        &self,
        now: u64,
        tag: &mut Entropy,
        items: &Items,
        slices: &Slices,
        outbox: &Outbox,
        conflicts: &Table<Key, ConflictRow>,
    ) -> Step {
        if !self.is_free(now) {
            return Step::Nothing;
        }
        let waiting = || outbox.sendable(now, items, slices, conflicts);
        let mut withheld = Vec::new();
        for (seq, _) in self.entries() {
            let stays = |row| !Outbox::leaves(row, items, slices);
            if self.aside == Some(*seq) || outbox.get(*seq).is_some_and(stays) {
                withheld.push(*seq);
            }
        }
        if !withheld.is_empty() {
            return Step::Withdraw(withheld);
        }
        // A server that seems to be gone is asked something cheap first.
        if self.is_down()
            && self.principal.is_some()
            && (self.contact || self.push.is_some() || !waiting().is_empty())
        {
            return Step::Ask { path: "/health", body: None };
        }
        match (&self.push, &self.principal) {
            (push, None) if push.is_some() || self.contact || !waiting().is_empty() => {
                Step::Ask { path: "/pull", body: Some(protocol::identify_request(&self.client)) }
            }
            (_, None) => Step::Nothing,
            (Some(_), Some(_)) if !self.written && self.held => Step::Nothing,
            (Some(push), Some(_)) if !self.written => Step::Prepare(push.clone()),
            (Some(push), Some(principal)) => {
                let sent =
                    if self.part == 0 { push.entries.len() } else { self.part.min(push.entries.len()) };
                Step::Send { body: self.body(push, sent, principal, outbox), sent }
            }
            // Which rows are sent is not chosen before they can be.
            (None, Some(_)) if self.held && !self.contact => Step::Nothing,
            (None, Some(_)) => {
                let entries = waiting();
                if entries.is_empty() {
                    return if self.contact {
                        Step::Ask { path: "/health", body: None }
                    } else {
                        Step::Nothing
                    };
                }
                let base = |seq: u64| items.get(&outbox.get(seq)?.key())?.sync.as_ref()?.version;
                let mut push = Push { n: self.n + 1, tag: tag.id(), entries: Vec::new() };
                for seq in entries {
                    push.entries.push((seq, base(seq)));
                }
                Step::Prepare(push)
            }
        }
    }

    /// Whether nothing is under way, and the wait after a failure is over.
    pub fn is_free(&self, now: u64) -> bool {
        self.state == State::Idle && self.retry_at.is_none_or(|at| at <= now)
    }

    fn body(&self, push: &Push, sent: usize, principal: &str, outbox: &Outbox) -> String {
        let mut mutations = Vec::new();
        for (seq, base) in push.entries.iter().take(sent) {
            if let Some(row) = outbox.get(*seq) {
                mutations.push(Mutation {
                    slice: &row.slice,
                    id: &row.id,
                    base: *base,
                    value: row.value.as_deref(),
                    at: row.at,
                });
            }
        }
        protocol::push_request(&self.client, principal, push.n, &push.tag, &mutations)
    }

    /// What the push under way is of.
    pub fn entries(&self) -> &[(u64, Option<u64>)] {
        self.push.as_ref().map_or(&[], |push| &push.entries)
    }

    /// Whether a row is in the push under way.
    pub fn pushes(&self, seq: u64) -> bool {
        self.entries().iter().any(|entry| entry.0 == seq)
    }

    /// When a request of `bytes`, sent now, is given up.
    pub fn deadline(now: u64, bytes: usize) -> u64 {
        now + TIMEOUT_MS + bytes as u64 / BYTES_PER_MS
    }

    /// A request failed.
    pub fn fail(&mut self, now: u64, failure: &Failure, entropy: &mut Entropy) {
        self.refusals += u32::from(failure.refused);
        self.state = State::Idle;
        self.failures += 1;
        match failure.answered {
            Some(true) => self.unanswered = 0,
            Some(false) => self.unanswered += 1,
            None => {}
        }
        let wait = if failure.pause {
            PAUSE_MS
        } else {
            backoff::delay(self.failures, failure.retry_after, entropy)
        };
        self.retry_at = Some(now + if failure.forked { 0 } else { wait });
    }

    /// Whether the server is taken to be out of reach: once may be chance (f33).
    pub fn is_down(&self) -> bool {
        self.unanswered >= DOWN_AFTER
    }

    /// Someone wants to hear from the server now.
    pub fn hurry(&mut self) {
        self.contact = true;
        self.retry_at = None;
    }

    /// A request was answered as it should be.
    pub fn succeed(&mut self) {
        self.failures = 0;
        self.unanswered = 0;
        self.retry_at = None;
        self.contact = false;
    }

    /// The request in flight and when it is given up.
    pub fn in_flight(&self) -> Option<(u64, u64)> {
        match self.state {
            State::Asking { request, deadline } | State::Sending { request, deadline } => {
                Some((request, deadline))
            }
            _ => None,
        }
    }
}

/// Reads the answer to a push.
pub fn read_push(
    answer: Result<Answer, Unreachable>,
    push: &Push,
    sent: usize,
    outbox: &Outbox,
) -> Result<PushAnswer, Failure> {
    let body = accept(answer, "/push")?;
    let read = protocol::read_push(&body).map_err(|unreadable| Failure::new(unreadable.0))?;
    let answered = |row: &OutboxRow| read.results.iter().any(|result| result.is_of(row));
    if push.entries.iter().take(sent).filter_map(|(seq, _)| outbox.get(*seq)).all(answered) {
        return Ok(read);
    }
    Err(Failure::new("The answer to a push left out some of its changes. They are kept and sent again; the server's log may say more.".into()))
}

/// Reads the answer to the first pull: the principal.
pub fn read_principal(answer: Result<Answer, Unreachable>) -> Result<String, Failure> {
    let body = accept(answer, "/pull")?;
    protocol::read_pull(&body).map(|pull| pull.principal).map_err(|unreadable| Failure::new(unreadable.0))
}

pub fn read_health(answer: Result<Answer, Unreachable>) -> Result<(), Failure> {
    accept(answer, "/health").map(drop)
}

/// The body of a good answer. Whether a bad one may be tried again is decided here, and only here.
fn accept(answer: Result<Answer, Unreachable>, path: &str) -> Result<String, Failure> {
    let answer = answer.map_err(|error| Failure {
        answered: Some(false),
        ..Failure::new(format!("The server cannot be reached ({}). Changes are kept on this device and are sent when it is back.", error.0))
    })?;
    let json = answer.content_type == "application/json";
    if answer.status == 200 && json {
        return Ok(answer.body);
    }
    if answer.status == 200 {
        return Err(Failure {
            answered: Some(false),
            ..Failure::new(format!(
                "{path} answered with {} instead of JSON, so this is not Nightferry's API. Check the api option of register() and any proxy in between; changes are kept.",
                if answer.content_type.is_empty() { "no content type" } else { &answer.content_type }
            ))
        });
    }
    let error = if json { protocol::read_error(&answer.body) } else { None };
    let (code, message) = match &error {
        Some(error) => (error.code.as_str(), error.message.clone()),
        None => ("", format!("{path} answered with status {}.", number(answer.status.into()))),
    };
    let again = matches!(answer.status, 408 | 425 | 429 | 500..=599);
    let forked = code == "client_forked";
    let refused = matches!(answer.status, 400 | 413 | 422 | 500);
    Err(Failure {
        answered: Some(!matches!(answer.status, 500..=599)),
        forked,
        pause: !again && !forked && !refused,
        refused,
        retry_after: answer.retry_after,
        message: format!("{message} Changes are kept on this device."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Result<Answer, Unreachable> {
        Ok(Answer { status, content_type: content_type.into(), retry_after: None, body: body.into() })
    }

    #[test]
    fn answers_are_classified() {
        let json = "application/json";
        let refused = r#"{"error":{"code":"client_forked","message":"Take a new id.","retryable":false}}"#;
        assert!(accept(answer(200, json, "{}"), "/push").is_ok());
        assert!(accept(answer(409, json, refused), "/push").unwrap_err().forked);
        for status in [408, 425, 429, 500, 503] {
            assert!(!accept(answer(status, json, ""), "/push").unwrap_err().pause, "{status}");
        }
        for status in [400, 413, 422, 500] {
            assert!(accept(answer(status, json, ""), "/push").unwrap_err().refused, "{status}");
        }
        for status in [401, 403, 404] {
            assert!(accept(answer(status, json, ""), "/push").unwrap_err().pause, "{status}");
        }
    }

    #[test]
    fn an_html_page_with_status_200_is_no_success() {
        let failure = accept(answer(200, "text/html", "<h1>Log in</h1>"), "/push").unwrap_err();
        assert!(
            failure.message.contains("text/html") && failure.message.contains("api option"),
            "{failure:?}"
        );
    }
}
