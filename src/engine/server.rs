//! The lane's work: asking, preparing, sending, settling.

use super::lane::{self, Failure, Lane, State, Step};
use super::metrics::Kind;
use super::settle::Settlement;
use super::{Engine, Output, Purpose};
use crate::bridge::down::{self, Origin, To};
use crate::bridge::status::Connection;
use crate::json::{number, quoted};
use crate::store::{META, OUTBOX, OutboxRow, Push, RowKey, StoreError, Write};

/// So long commits go before a push.
const COMMITS_FIRST_MS: u64 = 1_000;

impl Engine {
    pub(super) fn send(&mut self) {
        if let Some((request, deadline)) = self.lane.in_flight()
            && deadline <= self.now
        {
            self.outputs.push(Output::Cancel { request });
            let failure = super::Unreachable("no answer in time".into());
            // So long a silence is no chance.
            self.lane.unanswered += 1;
            self.answered(request, Err(failure));
        }
        if self.lane.is_free(self.now) {
            self.lane.held = self.owes() || self.commits_first();
        }
        let Engine { lane, entropy, items, slices, outbox, conflicts, .. } = self;
        match lane.step(self.now, entropy, items, slices, outbox, conflicts) {
            Step::Nothing => {}
            Step::Ask { path, body } => {
                let (request, deadline) = self.request(path, body);
                self.lane.state = State::Asking { request, deadline };
            }
            // What is owed may be about rows of the outbox, and an open commit may add some.
            Step::Withdraw(_) if self.owes() || self.committer.is_open() => {}
            Step::Withdraw(rows) => {
                self.withdraw(&rows);
                if !self.writing.waits(self.now) {
                    self.pay();
                }
                self.send();
            }
            Step::Prepare(_) if self.lane.held => {}
            Step::Prepare(push) => self.prepare(push),
            Step::Send { body, sent } => {
                self.lane.sent = sent;
                let (request, deadline) = self.request("/push", Some(body));
                self.lane.state = State::Sending { request, deadline };
                self.touch_push();
            }
        }
    }

    /// What is due is committed before more is sent, which would slow it down; for a second, not for ever.
    fn commits_first(&mut self) -> bool {
        if !self.committer.is_open() || self.items.debounce.next().is_none_or(|due| due > self.now) {
            self.lane.held_since = None;
            return false;
        }
        self.now < *self.lane.held_since.get_or_insert(self.now) + COMMITS_FIRST_MS
    }

    fn request(&mut self, path: &'static str, body: Option<String>) -> (u64, u64) {
        let request = self.number();
        self.lane.sent_at = self.now;
        let deadline = Lane::deadline(self.now, body.as_ref().map_or(0, String::len));
        self.outputs.push(Output::Request { request, path, body });
        (request, deadline)
    }

    /// Writes a push down before it is sent for the first time.
    fn prepare(&mut self, push: Push) {
        for (seq, _) in &push.entries {
            if let Some(row) = self.outbox.get(*seq) {
                let item = self.items.change(&row.key());
                item.in_flight = Some(*seq);
                item.unsent = item.unsent.filter(|unsent| unsent != seq);
            }
        }
        self.lane.held_since = None;
        if push.n != self.lane.n {
            self.lane.part = 0;
        }
        self.lane.n = push.n;
        let writes = self.noted(&push);
        self.lane.push = Some(push);
        self.lane.written = false;
        self.store(Purpose::Prepare, writes);
        self.lane.state = State::Preparing;
    }

    /// What writes a push down.
    fn noted(&self, push: &Push) -> Vec<Write> {
        let mut writes = vec![
            Write::meta("push", &push.to_json()),
            Write::meta("n", &number(push.n)),
            Write::meta("client", &quoted(&self.lane.client)),
        ];
        // What was sent under a name is never sent under another one, even if the note of that name failed.
        writes
            .extend(self.lane.principal.iter().map(|principal| Write::meta("principal", &quoted(principal))));
        writes
    }

    /// Takes rows out of the push, which wait in the outbox again. It may have been sent before with them; its count and
    /// tag stay, and the server answers a part of a push as it answered the whole. What is written down of it goes with
    /// them: the rows may change now, and the answer to what they were must not meet what they become.
    fn withdraw(&mut self, rows: &[u64]) {
        let Some(mut push) = self.lane.push.take() else { return };
        push.entries.retain(|(seq, _)| !rows.contains(seq));
        if push.entries.is_empty() {
            self.owed.push(Write::delete(META, RowKey::Text("push".into())));
        } else {
            let noted = self.noted(&push);
            self.owed.extend(noted);
            self.lane.push = Some(push);
        }
        self.lane.written = false;
        for seq in rows {
            let Some(sent) = self.outbox.get(*seq).cloned() else { continue };
            let item = self.items.change(&sent.key());
            item.in_flight = None;
            let mut row = item.again(&sent);
            row.sent.push(sent.value);
            let mut left = *seq;
            // A newer change replaces it, and is sent in its place.
            if let Some((newer, next)) = item.unsent.and_then(|seq| Some((seq, self.outbox.get(seq)?))) {
                row = OutboxRow { sent: row.sent, ..next.clone() };
                left = newer;
                self.outbox.remove(*seq);
                self.owed.push(Write::delete(OUTBOX, RowKey::Number(*seq)));
            }
            item.unsent = Some(left);
            self.owed.push(Write::put(OUTBOX, RowKey::Number(left), row.to_json()));
            self.outbox.note(left, row);
        }
        if let Some(seq) = self.lane.aside.take() {
            (self.lane.part, self.lane.refusals) = (0, 0);
            if let Some(row) = self.outbox.get(seq) {
                self.reports.aside_error = Some(format!(
                    "The server cannot take a change of {} \"{}\"; its log may say why. The change is kept and tried again later, and others go on.",
                    row.slice, row.id
                ));
                self.outbox.set_aside(seq, self.now);
            }
        }
    }

    pub(super) fn prepared(&mut self, result: Result<(), StoreError>) {
        self.lane.state = State::Idle;
        match result {
            Ok(()) => self.lane.written = true,
            // Not written, so not sent: written again after a while, as it is. Newer changes may be behind it already.
            Err(error) => self.failed(Failure::storage(&error)),
        }
    }

    pub(super) fn answered(&mut self, request: u64, answer: Result<super::Answer, super::Unreachable>) {
        match self.lane.state {
            State::Asking { request: asked, .. } if asked == request => self.told(answer),
            State::Sending { request: sent, .. } if sent == request => {
                let Some(push) = self.lane.push.clone() else { return };
                let answer = lane::read_push(answer, &push, self.lane.sent, &self.outbox);
                self.count_push(&push, answer.is_ok());
                match answer {
                    Ok(answer) => {
                        let mut settlement = Settlement::new(
                            &push,
                            answer,
                            &self.items,
                            &self.outbox,
                            &self.slices,
                            &self.journal,
                            self.now,
                        );
                        let writes = std::mem::take(&mut settlement.writes);
                        self.settlement = Some(settlement);
                        self.store(Purpose::Settle, writes);
                        self.lane.state = State::Settling;
                    }
                    Err(failure) if failure.forked => self.forked(push, &failure),
                    Err(failure) => self.push_failed(&push, failure),
                }
            }
            _ => {}
        }
    }

    /// A push that the server keeps refusing is halved until one change is found, and only that one waits (P5).
    fn push_failed(&mut self, push: &Push, failure: Failure) {
        let (again, sent) = (failure.refused && self.lane.refusals > 0, self.lane.sent);
        self.failed(failure);
        if again && sent > 1 {
            self.lane.part = sent.div_ceil(2);
        } else if again {
            self.lane.aside = push.entries.first().map(|(seq, _)| *seq);
        }
    }

    fn count_push(&mut self, push: &Push, answered: bool) {
        for (seq, _) in push.entries.iter().take(self.lane.sent) {
            if let Some(row) = self.outbox.get(*seq) {
                self.metrics.count(self.now, &row.slice, Kind::Push, answered);
            }
        }
        self.metrics.took(self.now.saturating_sub(self.lane.sent_at));
    }

    fn told(&mut self, answer: Result<super::Answer, super::Unreachable>) {
        let principal = match self.lane.principal {
            Some(_) => lane::read_health(answer).map(|()| None),
            None => lane::read_principal(answer).map(Some),
        };
        match principal {
            Ok(principal) => {
                self.lane.state = State::Idle;
                if let Some(principal) = principal {
                    self.owed.push(Write::meta("principal", &quoted(&principal)));
                    self.lane.principal = Some(principal);
                }
                self.reached();
            }
            Err(failure) => self.failed(failure),
        }
    }

    /// The server knows another device by this one's name, as after a copied profile: take a new name and send the
    /// same again. What the server had taken already it recognises by its value.
    fn forked(&mut self, push: Push, failure: &Failure) {
        self.lane.fail(self.now, failure, &mut self.entropy);
        self.lane.client = self.entropy.id();
        self.lane.part = 0;
        self.lane.push = Some(Push { n: 1, tag: self.entropy.id(), entries: push.entries });
        self.lane.written = false;
    }

    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty() || self.open.iter().any(|(_, purpose)| matches!(purpose, Purpose::Owed(_)))
    }

    pub(super) fn settled(&mut self, result: Result<(), StoreError>) {
        self.lane.state = State::Idle;
        let Some(settlement) = self.settlement.take() else { return };
        if let Err(error) = result {
            return self.failed(Failure::storage(&error));
        }
        self.lane.refusals = 0;
        self.lane.push = settlement.rest.clone();
        if self.lane.push.is_none() {
            self.lane.part = 0;
        }
        let told =
            settlement.apply(&mut self.items, &mut self.outbox, &mut self.conflicts, &mut self.journal);
        self.reports.acknowledged += told.acknowledged;
        self.reached();
        self.tell_changed(Origin::Server, None, told.from_server);
        self.tell_changed(Origin::Rollback, None, told.rolled_back);
        self.reports.notice = None;
        for reason in told.reasons {
            self.post(To::All, down::warning("not_applied", &reason));
            self.reports.notice = Some(reason);
        }
    }

    fn reached(&mut self) {
        self.lane.succeed();
        self.reports.connection = Connection::Online;
        self.reports.lane_error = None;
        if self.synced() {
            self.reports.last_sync_time = Some(self.now);
        }
        self.report_before_answers();
        self.answer_checks(true);
    }

    fn failed(&mut self, failure: Failure) {
        self.lane.fail(self.now, &failure, &mut self.entropy);
        self.lane.contact = true;
        self.touch_push();
        match failure.answered {
            Some(true) => self.reports.connection = Connection::Online,
            Some(false) if self.lane.is_down() => self.reports.connection = Connection::LocalOnly,
            _ => {}
        }
        self.reports.lane_error = Some(failure.message.clone());
        self.report_before_answers();
        self.fail_syncs(failure.answered == Some(false), &failure.message);
        if let Some(answered) = failure.answered {
            self.answer_checks(answered);
        }
        self.ask_to_be_woken();
    }

    /// The browser woke the worker: it is a chance to send what is left.
    pub(super) fn woken(&mut self) {
        self.will_be_woken = false;
        if self.is_unsent() {
            self.lane.hurry();
        }
    }

    /// Whoever waited for the server finds in the status what came of it.
    fn report_before_answers(&mut self) {
        if !self.waiters.is_empty() {
            self.reports.repeat();
            self.report();
        }
    }

    /// Whether there are changes that the server may have and that are not being sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.outbox.unsent(&self.items, &self.slices, &self.conflicts).next().is_some()
    }

    /// Whether the server has acknowledged all that it can be sent.
    pub(super) fn synced(&self) -> bool {
        self.lane.state == State::Idle
            && !self.lane.contact
            && self.lane.push.is_none()
            && self.requeue.is_empty()
            && !self.has_unsent()
    }
}
