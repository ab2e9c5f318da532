//! The uplink: the one request in flight, the push under way, whose the device is, and every wait after a failure.
//!
//! ```text
//!            a pull is due, or the     something was chosen
//!            server seems gone      ┌──────────────────────────► Preparing ── written down ──┐
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
//! 3. After a failure no push is sent before the wait is over; a person's question (`/health`, `/pull`) is. Only a person
//!    shortens the wait; a wake, a message or the success of another kind of request does not.
//! 4. Waits grow until a push succeeds; a server that names a time is given it.
//! 5. A push that keeps failing while the server answers is halved until one operation is found, which then waits alone.
//! 6. An operation that waits alone only because the server was failing goes with the first success. An operation that the
//!    server declines has a growing wait of its own.
//! 7. Requests stay below the size that the server has taught, and their time follows the line.
//! 8. Nothing is chosen before the record of the last answers is in effect.
//! 9. A page is pulled only while no push is under way; pushes and pages that are due alternate.

mod answers;
mod classify;
mod deferrals;
mod line;
mod live;
mod pull;
mod push;
mod question;
mod wait;

pub use classify::{Class, Failure, Reception};
pub use live::LiveStep;
pub use pull::Page;

use super::clock::Now;
use super::replica::Replica;
use super::rng::Rng;
use crate::bridge::config::Slices;
use crate::bridge::status::{Connection, ErrorCode, SyncProgress};
use crate::json::{read, write};
use crate::protocol::{self, MAX_PUSH_OPERATIONS};
use crate::store::user_of;
use crate::store::{
    AnswerRow, AnswerStatus, Cursors, Key, Operation, PushRow, RebuildReason, RebuildRow, Write,
};
use crate::units::{Position, Tick, Version};
use deferrals::Deferrals;
use line::Line;
use live::Live;
use pull::Pull;
use question::Question;
use std::collections::BTreeSet;
use std::rc::Rc;
use wait::Wait;

/// The number of requests in a row without an answer after which the server counts as down. One may be chance (f33).
const DOWN_AFTER: u32 = 2;

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

/// The next step of the uplink.
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

/// The result of an answered request.
#[derive(Debug)]
pub enum Outcome {
    /// The server is there.
    Reached,
    /// It answered a push: append a record of the answers, and write what is left of the push.
    Answers {
        answers: Vec<AnswerRow>,
        with: Vec<Write>,
    },
    /// It answered with a page of a pull: append a record of it.
    Pulled(Page),
    /// These slices are to be pulled from their beginning; without any, all. Append a record of what is taken back.
    Rebuild {
        reason: RebuildReason,
        slices: Vec<Rc<str>>,
        withdrawn: Vec<AnswerRow>,
        message: String,
    },
    Failed(Failure),
}

/// How a push ended, for the metrics: its operations, and how long it took.
#[derive(Debug)]
pub struct PushEnded {
    /// With what the server said of each; nothing where the push failed.
    pub operations: Vec<(Key, Option<AnswerStatus>)>,
    pub ms: u64,
}

#[derive(Debug, Default)]
pub struct Uplink {
    client: Rc<str>,
    principal: Option<String>,
    /// The user whose database this is, where pages say it. Requests name it until the principal is known: the server refuses
    /// those of anyone else's session.
    user: Option<String>,
    /// The name of the device, for people.
    device: Option<String>,
    state: State,
    /// The push under way; with no operations it only keeps its numbers.
    push: Option<PushRow>,
    /// It is written down as it is.
    is_written: bool,
    wait: Wait,
    /// Requests in a row that nothing answered.
    unanswered: u32,
    /// Failures in a row of the push under way, and of one that was taken back for a pull before it.
    push_failures: u32,
    /// Failures of the push under way after which the server answered another request.
    failures_while_up: u32,
    /// The server answered another request since the last of those.
    is_probed: bool,
    /// The last of those may be about what is in the push, so that a part of it may pass.
    may_narrow: bool,
    /// The server did not know who this is. That is asked anew, by a small request, before a push goes again.
    is_signed_out: bool,
    /// A push that kept failing was taken back for a pull, and none was answered since.
    is_interrupted: bool,
    /// How many operations the next push may have, where it may not have all.
    part: Option<usize>,
    line: Line,
    pull: Pull,
    live: Live,
    /// The last request that brought something was a page of a pull: a push that is due goes first.
    has_pulled: bool,
    /// The newest version that the server has answered a push with.
    newest_answer: Option<Version>,
    deferrals: Deferrals,
    /// Items of which the server could not take a patch: they are sent whole for the rest of this life.
    sent_whole: BTreeSet<Key>,
    /// Operations in a row that were declined alone, with no push answered in between: it may be all of them.
    fruitless: u32,
    /// Someone wants to hear from the server, even if there is nothing to send.
    wants_contact: bool,
    /// A person wants to know whether it answers, whatever wait is under way.
    wants_probe: bool,
    connection: Connection,
    error: Option<(ErrorCode, String)>,
    ended: Option<PushEnded>,
}

/// The other machines' state that the uplink reads when it chooses.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub replica: &'a Replica,
    pub slices: &'a Slices,
    /// A push may be chosen now.
    pub may_choose: bool,
    /// Another page may be taken: those before are written.
    pub may_pull: bool,
    /// Slices that are not pulled, because what the server lacks of them is not queued yet.
    pub requeued: &'a [Rc<str>],
}

impl Context<'_> {
    /// The slices to pull.
    fn pulled(&self) -> Vec<Rc<str>> {
        self.slices.pulled().filter(|slice| !self.requeued.contains(slice)).cloned().collect()
    }
}

impl Uplink {
    /// Takes up what was kept at the last life's end: `_meta.client`, `principal`, `user`, `push`, `device` and `uplink`, and the
    /// cursors.
    pub fn recover(
        now: Now,
        client: Rc<str>,
        (cursors, rebuild): (Cursors, Option<RebuildRow>),
        meta: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let push = meta("push").and_then(|row| PushRow::read(&row)).filter(|push| push.client == client);
        let (wait, line) = Wait::recover(now, meta("uplink").as_deref());
        let answered = push.as_ref().and_then(|push| push.answered);
        Uplink {
            client,
            pull: Pull::recover(cursors, rebuild, answered),
            newest_answer: answered,
            principal: meta("principal").and_then(|row| read(&row)),
            user: meta("user").and_then(|row| read(&row)),
            device: meta("device").and_then(|row| read(&row)),
            is_written: push.is_some(),
            push,
            wait,
            line,
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

    /// Returns what went wrong last, with a sentence for people.
    pub fn error(&self) -> Option<(ErrorCode, &str)> {
        let slow = self.line.is_slow() && !self.operations().is_empty();
        let slow = slow.then_some((ErrorCode::Slow, "The connection to the server is slow. Changes are kept on this device and are sent in small parts."));
        let failed = self.error.as_ref().map(|(code, text)| (*code, text.as_str()));
        let deferred = || self.deferrals.error().map(|text| (ErrorCode::Deferred, text));
        failed.or_else(deferred).or(slow)
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub fn is_pushing(&self) -> bool {
        matches!(self.state, State::Preparing | State::Pushing { .. })
    }

    pub fn is_push_in_flight(&self) -> bool {
        matches!(self.state, State::Pushing { .. })
    }

    /// Returns true while a request is under way, or about to be.
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    pub fn wants_contact(&self) -> bool {
        self.wants_contact
    }

    /// Someone wants to hear from the server, and of what others changed, within the waits.
    pub fn contact(&mut self) {
        self.wants_contact = true;
        self.pull.request();
    }

    /// The newest version that the server has answered a push with.
    pub fn newest_answer(&self) -> Option<Version> {
        self.newest_answer
    }

    /// Begins to pull slices from their beginning, once the push under way has been taken back. Returns the writes that note
    /// the rebuild.
    pub fn begin_rebuild(
        &mut self,
        started_at: Position,
        reason: RebuildReason,
        slices: impl IntoIterator<Item = Rc<str>>,
    ) -> Vec<Write> {
        self.wants_contact = true;
        let mut writes = self.pull.begin_rebuild(started_at, reason, slices);
        if reason == RebuildReason::HistoryChanged {
            self.newest_answer = None;
        }
        self.deferrals.forget_answers();
        if let Some(push) = &mut self.push {
            push.operations.clear();
            push.answered = self.newest_answer;
            writes.push(push.write());
        }
        writes
    }

    /// The server's newest version when everything had been pulled last.
    pub fn pulled_through(&self) -> Option<Version> {
        self.pull.reached()
    }

    /// Returns true if someone wants the server's changes.
    pub fn is_pull_due(&self) -> bool {
        self.pull.is_due()
    }

    pub fn rebuild(&self) -> Option<&RebuildRow> {
        self.pull.rebuild()
    }

    /// The slices of the rebuild, once all their pages have come.
    pub fn rebuilt(&self) -> Option<&BTreeSet<Rc<str>>> {
        self.pull.rebuilt()
    }

    /// The rebuild is over: pushes are chosen again.
    pub fn end_rebuild(&mut self) {
        self.pull.end_rebuild();
    }

    /// Returns the next step of the live connection, given whether a page is awake.
    pub fn poll_live(&mut self, is_any_awake: bool, slices: &Slices, now: Tick) -> Option<LiveStep> {
        let is_known = self.principal.is_some() && !self.is_signed_out;
        let is_wanted = is_any_awake && is_known && slices.pulled().next().is_some();
        // A connection is a request like any other: none is made while the server wants none.
        let may_open = !self.is_down() && !self.wait.is_asked_for(now);
        self.live.poll(is_wanted && (self.live.is_open() || may_open), now)
    }

    /// Returns the device's first message on the live connection.
    pub fn live_hello(&self, token: Option<&str>) -> String {
        protocol::live_hello(&self.client, self.principal.as_deref().unwrap_or_default(), token)
    }

    /// The server said on the live connection that it has something newer.
    pub fn poked(&mut self, live: u64, text: &str) {
        let Some(version) = protocol::read_poke(text).filter(|_| self.live.spoke(live)) else { return };
        if let Some(version) = version.filter(|version| self.pull.is_news(*version)) {
            self.pull.told_of(version);
            self.contact();
        }
    }

    pub fn live_ended(&mut self, live: u64, now: Tick, rng: &mut Rng) {
        self.live.ended(live, now, rng);
    }

    /// Returns true if the server pokes the device.
    pub fn is_live(&self) -> bool {
        self.live.is_open()
    }

    /// When the live connection is tried again.
    pub fn live_timeout(&self, now: Tick) -> Option<Tick> {
        self.live.poll_timeout(now)
    }

    /// How far a pull of several pages is.
    pub fn pull_progress(&self) -> Option<SyncProgress> {
        self.pull.progress()
    }

    /// The name of the device, for people.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Names the device, for people. Returns the write that notes the name, if the name is new.
    pub fn name_device(&mut self, name: String) -> Option<Write> {
        let write = Write::meta("device", &write(&name));
        let is_new = self.device.as_ref() != Some(&name);
        self.device = Some(name);
        is_new.then_some(write)
    }

    /// A person wants to know whether the server answers.
    pub fn probe(&mut self) {
        self.wants_probe = true;
    }

    /// A person asks for a sync: no wait holds it back.
    pub fn retry_now(&mut self, now: Tick) {
        self.contact();
        self.wait.retry_now();
        self.pull.retry_now();
        self.deferrals.retry_now(now);
    }

    /// There is a chance to be known to the server again.
    pub fn authenticate_now(&mut self) {
        self.contact();
        self.wait.retry_now();
    }

    /// When something is due: a request's end, a wait's, or that of an operation that waits alone.
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        if let Some(flight) = self.flight() {
            return Some(flight.deadline);
        }
        let wait = self.wait.poll_timeout(now);
        let others = || self.deferrals.poll_timeout(now).into_iter().chain(self.pull.poll_timeout(now)).min();
        wait.or_else(others)
    }

    /// Returns true if the next deadline is the end of a request's time.
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

    /// Returns the next step.
    pub fn poll(&mut self, now: Tick, context: Context, rng: &mut Rng) -> Step {
        if !self.is_idle() {
            return Step::Nothing;
        }
        if std::mem::take(&mut self.wants_probe) {
            return self.ask(if self.principal.is_none() { Question::Identity } else { Question::Health });
        }
        if !self.wait.is_over(now) {
            return Step::Nothing;
        }
        if self.pull.is_due() && context.requeued.is_empty() && context.slices.pulled().next().is_none() {
            self.pull.cancel();
        }
        let pulled = if context.may_pull && self.pull.may_ask(now) { context.pulled() } else { Vec::new() };
        let withdrawn = self.to_withdraw(context, !pulled.is_empty());
        if !withdrawn.is_empty() {
            return self.withdraw(&withdrawn);
        }
        let may_choose = context.may_choose && self.pull.rebuild().is_none();
        let chosen = match self.operations().is_empty() && may_choose {
            true => self.choose(now, context),
            false => Vec::new(),
        };
        if may_choose && self.operations().is_empty() && chosen.is_empty() {
            self.is_interrupted = false;
        }
        let has_work = !self.operations().is_empty() || !chosen.is_empty();
        let is_doubtful = self.is_down() || (self.push_failures >= 2 && !self.is_probed);
        let is_known = self.principal.is_some() && !self.is_signed_out;
        let wants = has_work || self.wants_contact;
        let may_pull = !pulled.is_empty() && self.operations().is_empty();
        let pulls_first = may_pull && (chosen.is_empty() || !self.has_pulled);
        match is_known {
            false if wants && pulls_first => self.ask(Question::Page(pulled)),
            false if wants => self.ask(Question::Identity),
            false => Step::Nothing,
            true if is_doubtful && wants => self.ask(Question::Health),
            true if !self.operations().is_empty() => self.push_again(context.replica),
            true if pulls_first => self.ask(Question::Page(pulled)),
            true if !chosen.is_empty() => self.prepare(chosen, rng),
            // The next page is asked for as soon as it may be.
            true if self.wants_contact && !self.pull.is_due() => self.ask(Question::Health),
            true => Step::Nothing,
        }
    }

    fn is_down(&self) -> bool {
        self.unanswered >= DOWN_AFTER
    }

    /// The request of [`Step::Send`] is on its way under this number.
    pub fn sent(&mut self, request: u64, now: Tick) {
        let expected = match &self.state {
            State::Asking { question: Question::Page(_), .. } => self.pull.expected_bytes(),
            _ => 0,
        };
        let timeout = |bytes| match expected {
            0 => self.line.timeout(bytes),
            _ => self.line.answer_timeout(expected),
        };
        let deadline = self.flight().map(|flight| now.plus(timeout(flight.bytes)));
        if let (State::Asking { flight, .. } | State::Pushing { flight, .. }, Some(deadline)) =
            (&mut self.state, deadline)
        {
            *flight = Flight { request, sent_at: now, deadline, bytes: flight.bytes };
        }
    }

    /// A request was answered, or is given up; nothing if it is not the one in flight.
    pub fn answered(
        &mut self,
        request: u64,
        answer: Reception,
        slices: &Slices,
        now: Now,
        rng: &mut Rng,
    ) -> Option<Outcome> {
        let flight = self.flight().filter(|flight| flight.request == request).copied()?;
        let ms = now.tick.elapsed_since(flight.sent_at);
        match std::mem::take(&mut self.state) {
            State::Asking { question: Question::Page(asked), .. } => {
                Some(self.page_answered(&asked, ms, answer, slices, now, rng))
            }
            State::Asking { question, .. } => Some(self.question_answered(&question, answer, now, rng)),
            State::Pushing { count, .. } => {
                Some(self.push_answered(count, (flight.bytes, ms), answer, now, rng))
            }
            _ => None,
        }
    }

    fn reached(&mut self) {
        self.is_signed_out = false;
        self.connection = Connection::Online;
        self.error = None;
    }

    /// A request failed: nothing is sent before a wait that grows.
    pub fn failed(&mut self, failure: Failure, now: Now, rng: &mut Rng) -> Failure {
        self.wait.failed(&failure, now.tick, rng);
        self.note_failure(&failure);
        failure
    }

    /// Notes what a failure says of the server.
    fn note_failure(&mut self, failure: &Failure) {
        match failure.class.reached() {
            Some(true) => self.unanswered = 0,
            Some(false) => self.unanswered += 1,
            None => {}
        }
        self.wants_contact = true;
        self.is_signed_out |= failure.class == Class::Authenticate;
        self.connection = match failure.class.reached() {
            Some(true) => Connection::Online,
            Some(false) if self.is_down() => Connection::LocalOnly,
            _ => self.connection,
        };
        self.error = Some((failure.code, failure.message.clone()));
    }

    /// How the last push ended, once.
    pub fn take_ended(&mut self) -> Option<PushEnded> {
        self.ended.take()
    }

    /// Returns the write of the state that outlives the worker, if it differs from the last one.
    pub fn take_kept(&mut self, now: Now) -> Option<Write> {
        self.wait.take_kept(&self.line, now)
    }

    /// Names the user of the database, unless it has one. Returns the write for it.
    pub fn name_user(&mut self, user: &str) -> Option<Write> {
        if self.user.is_some() {
            return None;
        }
        self.user = Some(user.into());
        self.user_write()
    }

    /// The user of the database, where a page has said it.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns whose the database is: the user that a page has named, or else the server.
    pub fn owner(&self) -> Option<String> {
        self.user.clone().or_else(|| self.principal.as_deref().map(user_of))
    }

    /// Returns the number of the request in flight.
    pub fn request_in_flight(&self) -> Option<u64> {
        self.flight().map(|flight| flight.request)
    }

    /// Returns the write that notes the user of the database, if it has one.
    pub fn user_write(&self) -> Option<Write> {
        self.user.as_ref().map(|user| Write::meta("user", &write(user)))
    }

    /// The principal, to be written once it is known.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

#[cfg(test)]
mod tests;
