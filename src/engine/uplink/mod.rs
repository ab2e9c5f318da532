//! The uplink: the one request in flight, the push under way, whose the device is, and every wait after a failure.
//!
//! ```text
//!            principal unknown, or      something was chosen
//!            the server seems gone  ┌──────────────────────────► Preparing ── written down ──┐
//!   Asking ◄─────────────────────── Idle ◄────────────────────────────┴── failed             │
//!     └────── answered ───────────►  ▲ ▲                                                     ▼
//!                                    │ └─────────── failed: not before `wait` ────────── Pushing
//!                                    └── answered: a record of answers is to become durable ─┘
//! ```
//!
//! # Invariants
//!
//! 1. At most one request is in flight.
//! 2. A push is written down before it is sent, and what is sent again under its numbers is the same or a part of it.
//! 3. After a failure nothing is sent before the wait is over. Only a person shortens it; a wake, a message or the success
//!    of another kind of request does not.
//! 4. Waits grow until a push succeeds; a server that names a time is given it.
//! 5. A push that keeps failing while the server answers is halved until one operation is found, which then waits alone.
//! 6. What waits alone only because the server was failing goes with the first success; what the server refuses has a
//!    growing wait of its own.
//! 7. Requests stay below the size that the server has taught, and their time follows the line.
//! 8. Nothing is chosen before the record of the last answers is in effect.

mod classify;
mod line;

pub use classify::{Class, Failure, classify};

use super::backoff::{self, MAX_RETRY_AFTER_MS};
use super::clock::Now;
use super::replica::{Replica, Room};
use super::rng::Rng;
use crate::bridge::config::Slices;
use crate::bridge::status::Connection;
use crate::collect;
use crate::json::{read, write};
use crate::protocol::{self, MAX_PUSH_OPERATIONS, Sender, mutation_bytes};
use crate::store::{AnswerRow, AnswerStatus, Key, Operation, PushRow, Side, Write};
use crate::units::{Millis, Position, PushNo, Tick};
use line::Line;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The least wait where only a person can help, in ms.
const PAUSE_MS: u64 = 60_000;
/// The least wait where something else answers in the server's place, in ms.
const STRANGER_MS: u64 = 10_000;
/// The first wait of an operation that the server refuses, doubled each time up to the most, in ms.
const DEFER_MS: u64 = 60_000;
const MAX_DEFER_MS: u64 = 3_600_000;
/// So many requests in a row without an answer, and the device is on its own: once may be chance (f33).
const DOWN_AFTER: u32 = 2;
/// What a push has beside its operations takes less than this, in bytes.
const ENVELOPE_BYTES: usize = 300;
/// A wait from this on, in ms, outlives the worker.
const KEPT_WAIT_MS: u64 = 2_000;

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Asking {
        flight: Flight,
        question: Question,
    },
    /// The push is being written down.
    Preparing,
    Pushing {
        flight: Flight,
        /// How many of the push's operations are in the request.
        count: usize,
    },
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    request: u64,
    sent_at: Tick,
    deadline: Tick,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Identity,
    Health,
}

/// What the uplink would do next.
#[derive(Debug)]
pub enum Step {
    Nothing,
    /// Send this request, and say its number by [`Uplink::sent`].
    Send {
        path: &'static str,
        body: Option<String>,
    },
    /// Write this push down, and say by [`Uplink::prepared`] how that ended.
    Prepare(PushRow),
    /// Append a record of these answers, and write what is left of the push.
    Record {
        answers: Vec<AnswerRow>,
        with: Vec<Write>,
    },
}

/// What an answered request came to.
#[derive(Debug)]
pub enum Outcome {
    /// The server is there.
    Reached,
    /// It answered a push: append a record of the answers, and write what is left of the push.
    Answers {
        answers: Vec<AnswerRow>,
        with: Vec<Write>,
    },
    Failed(Failure),
}

/// How a push ended, for the metrics: its operations, and how long it took.
#[derive(Debug)]
pub struct PushEnded {
    pub keys: Vec<Key>,
    pub succeeded: bool,
    pub ms: u64,
}

/// An operation that waits alone.
#[derive(Debug)]
struct Deferred {
    until: Tick,
    wait: u64,
    /// The edit that was sent: a newer one is tried at once.
    position: Position,
    /// The server refused it; it was not only out of order at the time.
    is_refused: bool,
}

/// What outlives the worker, `_meta.uplink`: a wait that is under way, and what was learnt of the line.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Millis>,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
}

#[derive(Debug, Default)]
pub struct Uplink {
    client: Rc<str>,
    principal: Option<String>,
    state: State,
    /// The push under way; with no operations it only keeps its numbers.
    push: Option<PushRow>,
    /// It is written down as it is.
    is_written: bool,
    failures: u32,
    wait_until: Option<Tick>,
    /// Requests in a row that nothing answered.
    unanswered: u32,
    /// Failures in a row of the push under way.
    push_failures: u32,
    /// The server answered another request since the last of those.
    is_probed: bool,
    /// The last of those may be about what is in the push, so that a part of it may pass.
    may_narrow: bool,
    /// The server did not know who this is. That is asked anew, by a small request, before a push goes again.
    is_signed_out: bool,
    /// How many operations the next push may have, where it may not have all.
    part: Option<usize>,
    line: Line,
    deferred: BTreeMap<Key, Deferred>,
    deferred_error: Option<String>,
    /// An operation of the push under way that is to wait alone.
    culprit: Option<Key>,
    /// Someone wants to hear from the server, even if there is nothing to send.
    wants_contact: bool,
    /// A person wants to know whether it answers, whatever wait is under way.
    wants_probe: bool,
    connection: Connection,
    error: Option<String>,
    kept: Kept,
    ended: Option<PushEnded>,
}

/// What the uplink reads of the others when it chooses.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub replica: &'a Replica,
    pub slices: &'a Slices,
    /// A push may be chosen now.
    pub may_choose: bool,
}

impl Uplink {
    /// Takes up what was kept at the last life's end: `_meta.client`, `principal`, `push` and `uplink`.
    pub fn recover(now: Now, client: Rc<str>, meta: &dyn Fn(&str) -> Option<String>) -> Self {
        let kept: Kept = meta("uplink").and_then(|row| read(&row)).unwrap_or_default();
        let push = meta("push").and_then(|row| PushRow::read(&row)).filter(|push| push.client == client);
        Uplink {
            client,
            principal: meta("principal").and_then(|row| read(&row)),
            is_written: push.is_some(),
            push,
            failures: kept.failures,
            wait_until: kept
                .until
                .map(|until| now.tick_at(until, MAX_RETRY_AFTER_MS))
                .filter(|at| *at > now.tick),
            line: kept.max_bytes.map_or_else(Line::default, Line::with_limit),
            kept,
            ..Uplink::default()
        }
    }

    pub fn client(&self) -> &Rc<str> {
        &self.client
    }

    /// The operations of the push under way.
    pub fn operations(&self) -> &[Operation] {
        self.push.as_ref().map_or(&[], |push| &push.operations)
    }

    pub fn connection(&self) -> Connection {
        self.connection
    }

    /// What went wrong last, for people.
    pub fn error(&self) -> Option<&str> {
        let deferred = self.deferred_error.as_deref().filter(|_| !self.deferred.is_empty());
        let slow = self.line.is_slow() && !self.operations().is_empty();
        let slow = slow.then_some("The connection to the server is slow. Changes are kept on this device and are sent in small parts.");
        self.error.as_deref().or(deferred).or(slow)
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub fn is_pushing(&self) -> bool {
        matches!(self.state, State::Preparing | State::Pushing { .. })
    }

    pub fn wants_contact(&self) -> bool {
        self.wants_contact
    }

    /// Someone wants to hear from the server, within the waits.
    pub fn contact(&mut self) {
        self.wants_contact = true;
    }

    /// A person wants to know whether the server answers.
    pub fn probe(&mut self) {
        self.wants_probe = true;
    }

    /// A person asks for a sync: no wait holds it back.
    pub fn retry_now(&mut self, now: Tick) {
        self.wants_contact = true;
        self.wait_until = None;
        self.deferred.values_mut().for_each(|deferred| deferred.until = now);
    }

    /// When something is due: a request's end, a wait's, or that of an operation that waits alone.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        if let Some(flight) = self.flight() {
            return Some(flight.deadline);
        }
        if let Some(until) = self.wait_until.filter(|until| *until > now) {
            return Some(until);
        }
        self.deferred.values().map(|deferred| deferred.until).filter(|until| *until > now).min()
    }

    /// Whether the next deadline is the end of a request's time.
    pub fn is_in_flight(&self) -> bool {
        self.flight().is_some()
    }

    fn flight(&self) -> Option<&Flight> {
        match &self.state {
            State::Asking { flight, .. } | State::Pushing { flight, .. } => Some(flight),
            _ => None,
        }
    }

    /// The request whose time is over.
    pub fn overdue(&self, now: Tick) -> Option<u64> {
        self.flight().filter(|flight| flight.deadline <= now).map(|flight| flight.request)
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Tick, context: Context, rng: &mut Rng) -> Step {
        if !self.is_idle() {
            return Step::Nothing;
        }
        if std::mem::take(&mut self.wants_probe) {
            return self.ask(if self.principal.is_none() { Question::Identity } else { Question::Health });
        }
        if self.wait_until.is_some_and(|until| until > now) {
            return Step::Nothing;
        }
        let withdrawn = self.to_withdraw(context);
        if !withdrawn.is_empty() {
            return self.withdraw(&withdrawn, now);
        }
        let chosen = match self.operations().is_empty() && context.may_choose {
            true => self.choose(now, context),
            false => Vec::new(),
        };
        let has_work = !self.operations().is_empty() || !chosen.is_empty();
        let is_doubtful = self.is_down() || (self.push_failures >= 2 && !self.is_probed);
        let is_known = self.principal.is_some() && !self.is_signed_out;
        match is_known {
            false if has_work || self.wants_contact => self.ask(Question::Identity),
            false => Step::Nothing,
            true if is_doubtful && (has_work || self.wants_contact) => self.ask(Question::Health),
            true if !self.operations().is_empty() => self.push_again(),
            true if !chosen.is_empty() => self.prepare(chosen, rng),
            true if self.wants_contact => self.ask(Question::Health),
            true => Step::Nothing,
        }
    }

    fn is_down(&self) -> bool {
        self.unanswered >= DOWN_AFTER
    }

    fn ask(&mut self, question: Question) -> Step {
        let (path, body) = match question {
            Question::Identity => ("/pull", Some(protocol::identify_request(&self.client))),
            Question::Health => ("/health", None),
        };
        let flight = Flight {
            request: 0,
            sent_at: Tick(0),
            deadline: Tick(0),
            bytes: body.as_ref().map_or(0, String::len),
        };
        self.state = State::Asking { flight, question };
        Step::Send { path, body }
    }

    /// The operations to send: what waits alone goes alone, once its time has come and nothing else is to be sent.
    fn choose(&mut self, now: Tick, context: Context) -> Vec<Operation> {
        let Context { replica, slices, .. } = context;
        // What was undone meanwhile is nothing to wait for.
        self.deferred.retain(|key, _| replica.is_in_outbox(key));
        let is_deferred = |key: &Key| {
            self.deferred.get(key).is_some_and(|deferred| {
                (deferred.is_refused || deferred.until > now)
                    && !replica.is_changed_since(key, deferred.position)
            })
        };
        let room = Room {
            operations: self.part.unwrap_or(MAX_PUSH_OPERATIONS),
            bytes: self.line.room() - ENVELOPE_BYTES,
        };
        let chosen = replica.choose(now, slices, room, |key| !is_deferred(key));
        if !chosen.is_empty() {
            return chosen;
        }
        let is_due = |key: &Key| self.deferred.get(key).is_none_or(|deferred| deferred.until <= now);
        replica.choose(now, slices, Room { operations: 1, ..room }, is_due)
    }

    fn prepare(&mut self, operations: Vec<Operation>, rng: &mut Rng) -> Step {
        let n = self.push.as_ref().map_or(PushNo(1), |push| push.n.next());
        let push = PushRow { client: self.client.clone(), n, tag: rng.id().into(), operations };
        self.push = Some(push.clone());
        self.is_written = false;
        self.push_failures = 0;
        self.state = State::Preparing;
        Step::Prepare(push)
    }

    fn push_again(&mut self) -> Step {
        let Some(push) = &self.push else { return Step::Nothing };
        if !self.is_written {
            self.state = State::Preparing;
            return Step::Prepare(push.clone());
        }
        let most = self.part.unwrap_or(MAX_PUSH_OPERATIONS).clamp(1, push.operations.len());
        let mut bytes = 0;
        let over = push.operations.iter().take(most).position(|operation| {
            bytes += mutation_bytes(operation);
            bytes > self.line.room() - ENVELOPE_BYTES
        });
        let count = over.unwrap_or(most).max(1);
        let principal = self.principal.as_deref().unwrap_or_default();
        let sender = Sender { client: &self.client, principal };
        let body = protocol::push_request(sender, push.n, &push.tag, &push.operations[..count]);
        let flight = Flight { request: 0, sent_at: Tick(0), deadline: Tick(0), bytes: body.len() };
        self.state = State::Pushing { flight, count };
        Step::Send { path: "/push", body: Some(body) }
    }

    /// The request of [`Step::Send`] is on its way under this number.
    pub fn sent(&mut self, request: u64, now: Tick) {
        let timeout = |bytes| self.line.timeout(bytes);
        let deadline = self.flight().map(|flight| now.plus(timeout(flight.bytes)));
        if let (State::Asking { flight, .. } | State::Pushing { flight, .. }, Some(deadline)) =
            (&mut self.state, deadline)
        {
            *flight = Flight { request, sent_at: now, deadline, bytes: flight.bytes };
        }
    }

    /// The push of [`Step::Prepare`] is written down, or could not be.
    pub fn prepared(&mut self, succeeded: bool) {
        self.state = State::Idle;
        self.is_written = succeeded;
    }

    /// The operations to take out of the push: those that a switch forbids, the one that is refused alone, and, where the
    /// push keeps failing, those whose items were edited meanwhile.
    fn to_withdraw(&self, context: Context) -> Vec<Key> {
        let goes = |operation: &&Operation| {
            !context.replica.may_send(operation, context.slices)
                || self.culprit.as_ref().is_some_and(|culprit| *culprit == operation.key())
                || (self.push_failures >= 2 && context.replica.is_edited_since(operation))
        };
        self.operations().iter().filter(goes).map(Operation::key).collect()
    }

    /// Takes operations out of the push. It may have been sent with them: its count and tag stay, and the server answers a
    /// part of a push as it answered the whole.
    fn withdraw(&mut self, keys: &[Key], now: Tick) -> Step {
        let Some(push) = &mut self.push else { return Step::Nothing };
        let (withdrawn, kept) = std::mem::take(&mut push.operations)
            .into_iter()
            .partition::<Vec<_>, _>(|operation| keys.contains(&operation.key()));
        push.operations = kept;
        let with = vec![push.write()];
        self.push_failures = 0;
        if let Some(culprit) = self.culprit.take() {
            if let (Some(deferred), Some(operation)) = (
                self.deferred.get_mut(&culprit),
                withdrawn.iter().find(|operation| operation.key() == culprit),
            ) {
                deferred.position = operation.position;
                deferred.until = now.plus(deferred.wait);
            }
        }
        Step::Record { answers: withdrawn.iter().map(withdrawn_row).collect(), with }
    }

    /// A request was answered, or is given up; nothing if it is not the one in flight.
    pub fn answered(&mut self, request: u64, answer: Answer, now: Now, rng: &mut Rng) -> Option<Outcome> {
        let flight = self.flight().filter(|flight| flight.request == request).copied()?;
        let ms = now.tick.since(flight.sent_at);
        match std::mem::take(&mut self.state) {
            State::Asking { question, .. } => Some(self.heard_of(question, answer, now, rng)),
            State::Pushing { count, .. } => {
                Some(self.push_answered(count, (flight.bytes, ms), answer, now, rng))
            }
            _ => None,
        }
    }

    fn heard_of(&mut self, question: Question, answer: Answer, now: Now, rng: &mut Rng) -> Outcome {
        let read = match question {
            Question::Health => answer.body("/health").map(|_| None),
            Question::Identity => answer.body("/pull").and_then(|body| {
                let read = protocol::read_pull(&body);
                read.map(|pull| Some(pull.principal))
                    .map_err(|error| Failure::new(Class::NotNightferry, error.0))
            }),
        };
        match read {
            Ok(principal) => {
                self.principal = self.principal.take().or(principal);
                self.unanswered = 0;
                self.is_signed_out &= question != Question::Identity;
                if !self.is_push_failing() {
                    self.reached();
                } else if !std::mem::replace(&mut self.is_probed, true) {
                    self.narrow();
                }
                self.wants_contact = false;
                Outcome::Reached
            }
            Err(failure) => Outcome::Failed(self.failed(failure, now, rng)),
        }
    }

    /// Whether pushes fail, so that the success of another request says nothing about the next push.
    fn is_push_failing(&self) -> bool {
        self.push_failures > 0 || self.deferred.values().any(|deferred| !deferred.is_refused)
    }

    fn reached(&mut self) {
        self.is_signed_out = false;
        self.failures = 0;
        self.wait_until = None;
        self.connection = Connection::Online;
        self.error = None;
    }

    fn push_answered(
        &mut self,
        count: usize,
        (bytes, ms): (usize, u64),
        answer: Answer,
        now: Now,
        rng: &mut Rng,
    ) -> Outcome {
        let timed_out = matches!(answer, Answer::None);
        let read = match &answer {
            Answer::None => Err(Failure::timed_out(bytes, ms)),
            _ => answer.body("/push").and_then(|body| self.read_answers(&body, count)),
        };
        let sent = &self.operations()[..count.min(self.operations().len())];
        let keys = sent.iter().map(Operation::key).collect();
        self.ended = Some(PushEnded { keys, succeeded: read.is_ok(), ms });
        match read {
            Ok(answers) => {
                self.line.answered(bytes, ms);
                self.push_failures = 0;
                self.unanswered = 0;
                self.wants_contact = false;
                self.reached();
                self.part = self.part.map(|part| part * 2).filter(|part| *part < MAX_PUSH_OPERATIONS);
                self.release_deferred(now.tick, count);
                Outcome::Answers { answers, with: self.finish(count) }
            }
            Err(failure) if failure.class == Class::Forked => {
                let answers = self.operations().iter().map(withdrawn_row).collect();
                // A server that knows no name as this device's own is not asked without a pause.
                self.failures += 1;
                self.wait_until = Some(now.tick.plus(backoff::delay(self.failures, None, rng)));
                Outcome::Answers { answers, with: self.fork(rng) }
            }
            Err(failure) => {
                if timed_out {
                    self.line.timed_out(bytes, ms);
                }
                Outcome::Failed(self.push_failed(count, bytes, failure, now, rng))
            }
        }
    }

    /// One row for each of the first `count` operations.
    fn read_answers(&self, body: &str, count: usize) -> Result<Vec<AnswerRow>, Failure> {
        let read = protocol::read_push(body).map_err(|error| Failure::new(Class::NotNightferry, error.0))?;
        let mut by_key: BTreeMap<(Rc<str>, Rc<str>), protocol::Verdict> =
            collect::map(read.results.into_iter().map(|result| ((result.slice, result.id), result.verdict)));
        let row = |operation: &Operation| {
            let verdict = by_key.remove(&(operation.slice.clone(), operation.id.clone()))?;
            Some(answered_row(operation, verdict))
        };
        let rows: Option<Vec<AnswerRow>> = self.operations().iter().take(count).map(row).collect();
        rows.ok_or_else(|| {
            let message = "The answer to a push left out some of its changes. They are kept and sent again; the server's log may say more.";
            Failure::new(Class::Busy, message.into())
        })
    }

    /// The first operations are answered; what is left of the push, to be written with the answers.
    fn finish(&mut self, count: usize) -> Vec<Write> {
        let Some(push) = &mut self.push else { return Vec::new() };
        push.operations.drain(..count.min(push.operations.len()));
        vec![push.write()]
    }

    /// The server knows another device by this one's name, as after a copied profile: the device takes a new one.
    fn fork(&mut self, rng: &mut Rng) -> Vec<Write> {
        self.client = rng.id().into();
        self.push = None;
        self.is_written = false;
        vec![Write::meta("client", &write(&*self.client)), Write::delete_meta("push")]
    }

    /// What waited alone because the server was failing goes now.
    fn release_deferred(&mut self, now: Tick, count: usize) {
        let answered: Vec<Key> = self.operations().iter().take(count).map(Operation::key).collect();
        for key in answered {
            self.deferred.remove(&key);
        }
        for deferred in self.deferred.values_mut().filter(|deferred| !deferred.is_refused) {
            deferred.until = now;
        }
        if self.deferred.is_empty() {
            self.deferred_error = None;
        }
    }

    fn push_failed(
        &mut self,
        count: usize,
        bytes: usize,
        failure: Failure,
        now: Now,
        rng: &mut Rng,
    ) -> Failure {
        self.push_failures += 1;
        self.is_probed = false;
        self.may_narrow = !matches!(failure.class, Class::Authenticate | Class::Stopped);
        let halves = match failure.class {
            Class::TooLarge => {
                self.line.too_large(bytes);
                true
            }
            Class::Refused => true,
            Class::Failing => self.push_failures >= 2,
            _ => false,
        };
        if !halves {
            let is_part = self.push_failures >= 2 && count < self.operations().len();
            self.part = self.part.map(|part| part.min(count)).or(Some(count).filter(|_| is_part));
            return self.failed(failure, now, rng);
        }
        // It is one of the operations, not the server: the search goes on without growing waits.
        let failures = self.failures;
        let failure = self.failed(failure, now, rng);
        self.failures = failures;
        self.wait_until = Some(now.tick.plus(backoff::delay(1, failure.retry_after, rng)));
        self.unanswered = 0;
        self.is_probed = true;
        if count > 1 {
            self.part = Some(count.div_ceil(2));
        } else {
            self.defer(bytes, failure.class, now);
        }
        failure
    }

    /// The push failed before, and the server answers other requests: a part of it is tried.
    fn narrow(&mut self) {
        if self.push_failures < 2 || !self.may_narrow {
            return;
        }
        let last = self.part.unwrap_or(MAX_PUSH_OPERATIONS).min(self.operations().len());
        if last > 1 {
            self.part = Some(last.div_ceil(2));
        } else if self.push_failures >= 3
            && let Some(operation) = self.operations().first()
        {
            let (key, position) = (operation.key(), operation.position);
            self.deferred_error = Some(cannot_take(&key, "its log may say why"));
            let deferred = Deferred { until: Tick(0), wait: DEFER_MS, position, is_refused: false };
            self.deferred.insert(key.clone(), deferred);
            self.culprit = Some(key);
        }
    }

    /// The first operation is refused alone: it waits, and stops no other.
    fn defer(&mut self, bytes: usize, class: Class, now: Now) {
        let Some(operation) = self.operations().first() else { return };
        let (key, position) = (operation.key(), operation.position);
        let why = match class {
            Class::TooLarge => format!(
                "it is {bytes} bytes, more than the server or a proxy before it takes; raise the limit there"
            ),
            _ => "its log may say why".into(),
        };
        self.deferred_error = Some(cannot_take(&key, &why));
        let before =
            self.deferred.get(&key).filter(|deferred| deferred.is_refused).map(|deferred| deferred.wait);
        let wait = before.map_or(DEFER_MS, |wait| (wait * 2).min(MAX_DEFER_MS));
        let deferred = Deferred { until: now.tick.plus(wait), wait, position, is_refused: true };
        self.deferred.insert(key.clone(), deferred);
        self.culprit = Some(key);
        self.part = None;
    }

    /// A request failed: nothing is sent before a wait that grows.
    pub fn failed(&mut self, failure: Failure, now: Now, rng: &mut Rng) -> Failure {
        self.failures += 1;
        match failure.class.reached() {
            Some(true) => self.unanswered = 0,
            Some(false) => self.unanswered += 1,
            None => {}
        }
        let (further, least) = match failure.class {
            Class::Authenticate | Class::Stopped => (6, PAUSE_MS),
            Class::NotNightferry => (4, STRANGER_MS),
            _ => (0, 0),
        };
        let wait = backoff::delay(self.failures + further, failure.retry_after, rng).max(least);
        // A wait that is under way may be one that the server asked for.
        self.wait_until = self.wait_until.max(Some(now.tick.plus(wait)));
        self.wants_contact = true;
        self.is_signed_out |= failure.class == Class::Authenticate;
        self.connection = match failure.class.reached() {
            Some(true) => Connection::Online,
            Some(false) if self.is_down() => Connection::LocalOnly,
            _ => self.connection,
        };
        self.error = Some(failure.message.clone());
        failure
    }

    /// How the last push ended, once.
    pub fn take_ended(&mut self) -> Option<PushEnded> {
        self.ended.take()
    }

    /// What is to outlive the worker, where that is not what was written last.
    pub fn take_kept(&mut self, now: Now) -> Option<Write> {
        let until = self.wait_until.filter(|until| until.since(now.tick) >= KEPT_WAIT_MS);
        let until = until.map(|until| now.at_tick(until));
        let kept = Kept {
            failures: if until.is_some() { self.failures } else { 0 },
            until,
            max_bytes: self.line.learnt_limit(),
        };
        let is_same_wait = match (kept.until, self.kept.until) {
            (Some(one), Some(other)) => one.0.abs_diff(other.0) < KEPT_WAIT_MS,
            // A wait that ran out says nothing any more, and goes with the next one or the next success.
            (None, Some(_)) => self.failures > 0,
            (one, other) => one == other,
        };
        if is_same_wait && kept.max_bytes == self.kept.max_bytes {
            return None;
        }
        let write = match kept == Kept::default() {
            true => Write::delete_meta("uplink"),
            false => Write::meta("uplink", &write(&kept)),
        };
        self.kept = kept;
        Some(write)
    }

    /// The principal, to be written once it is known.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    Some(Result<crate::engine::input::Response, crate::engine::input::NetworkError>),
    /// Nothing, in the request's time.
    None,
}

impl Answer {
    fn body(&self, path: &str) -> Result<String, Failure> {
        match self {
            Answer::Some(answer) => classify(answer.clone(), path),
            Answer::None => Err(Failure::timed_out(0, 0)),
        }
    }
}

fn cannot_take(key: &Key, why: &str) -> String {
    format!(
        "The server cannot take a change of {} \"{}\"; {why}. The change is kept and tried again later, and others go on.",
        key.slice, key.id
    )
}

fn row(operation: &Operation, status: AnswerStatus) -> AnswerRow {
    AnswerRow {
        slice: operation.slice.clone(),
        id: operation.id.clone(),
        status,
        sent: Side::of(operation.value.clone()),
        upto: operation.position,
        version: None,
        value: None,
        deleted: false,
        at: None,
        own: false,
        code: None,
        message: None,
    }
}

fn withdrawn_row(operation: &Operation) -> AnswerRow {
    row(operation, AnswerStatus::Withdrawn)
}

fn answered_row(operation: &Operation, verdict: protocol::Verdict) -> AnswerRow {
    use protocol::Verdict;
    match verdict {
        Verdict::Applied { version, value } => {
            AnswerRow { version: Some(version), value, ..row(operation, AnswerStatus::Applied) }
        }
        Verdict::Conflict(remote) => with_remote(row(operation, AnswerStatus::Conflict), remote),
        Verdict::Rejected { code, message, remote } => AnswerRow {
            code: Some(code),
            message: Some(message),
            ..with_remote(row(operation, AnswerStatus::Rejected), remote)
        },
    }
}

fn with_remote(row: AnswerRow, remote: crate::store::Remote) -> AnswerRow {
    AnswerRow {
        version: remote.version,
        value: remote.value,
        deleted: remote.deleted,
        at: remote.at,
        own: remote.own,
        ..row
    }
}

#[cfg(test)]
mod tests;
