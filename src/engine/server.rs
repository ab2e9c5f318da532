//! The lane's work: asking, preparing, sending, settling.

use super::lane::{self, Failure, Lane, State, Step};
use super::settle::Settlement;
use super::{Engine, Output, Purpose};
use crate::bridge::down::{self, Origin, To};
use crate::bridge::status::Connection;
use crate::json::{number, quoted};
use crate::store::{Push, StoreError, Write};

impl Engine {
    pub(super) fn send(&mut self) {
        if let Some((request, deadline)) = self.lane.in_flight()
            && deadline <= self.now
        {
            self.outputs.push_back(Output::Cancel { request });
            let failure = super::Unreachable("no answer in time".into());
            self.answered(request, Err(failure));
        }
        let Engine { lane, entropy, items, slices, outbox, conflicts, .. } = self;
        match lane.step(self.now, entropy, items, slices, outbox, conflicts) {
            Step::Nothing => {}
            Step::Ask { path, body } => {
                let (request, deadline) = self.request(path, body);
                self.lane.state = State::Asking { request, deadline };
            }
            // What is owed may be about rows of the outbox.
            Step::Prepare(_) if self.owes() => {}
            Step::Prepare(push) => self.prepare(push),
            Step::Send { body } => {
                let (request, deadline) = self.request("/push", Some(body));
                self.lane.state = State::Sending { request, deadline };
                self.touch_push();
            }
        }
    }

    fn request(&mut self, path: &'static str, body: Option<String>) -> (u64, u64) {
        let request = self.number();
        let deadline = Lane::deadline(self.now, body.as_ref().map_or(0, String::len));
        self.outputs.push_back(Output::Request { request, path, body });
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
        self.lane.n = push.n;
        let mut writes = vec![
            Write::meta("push", &push.to_json()),
            Write::meta("n", &number(push.n)),
            Write::meta("client", &quoted(&self.lane.client)),
        ];
        // What was sent under a name is never sent under another one, even if the note of that name failed.
        writes
            .extend(self.lane.principal.iter().map(|principal| Write::meta("principal", &quoted(principal))));
        self.lane.push = Some(push);
        self.lane.written = false;
        self.store(Purpose::Prepare, writes);
        self.lane.state = State::Preparing;
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
                match lane::read_push(answer, &push, &self.outbox) {
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
                    Err(failure) => self.failed(failure),
                }
            }
            _ => {}
        }
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
        self.lane.push = Some(Push { n: 1, tag: self.entropy.id(), entries: push.entries });
        self.lane.written = false;
    }

    fn owes(&self) -> bool {
        !self.owed.is_empty() || self.open.values().any(|purpose| matches!(purpose, Purpose::Owed(_)))
    }

    pub(super) fn settled(&mut self, result: Result<(), StoreError>) {
        self.lane.state = State::Idle;
        let Some(settlement) = self.settlement.take() else { return };
        if let Err(error) = result {
            return self.failed(Failure::storage(&error));
        }
        self.lane.push = None;
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
    }

    fn failed(&mut self, failure: Failure) {
        self.lane.fail(self.now, &failure, &mut self.entropy);
        self.lane.contact = true;
        self.touch_push();
        match failure.answered {
            Some(true) => self.reports.connection = Connection::Online,
            Some(false) => self.reports.connection = Connection::LocalOnly,
            None => {}
        }
        self.reports.lane_error = Some(failure.message.clone());
        self.report_before_answers();
        self.fail_syncs(&failure.message);
    }

    /// Whoever waited for the server finds in the status what came of it.
    fn report_before_answers(&mut self) {
        if !self.waiters.is_empty() {
            self.reports.repeat();
            self.report();
        }
    }

    /// Whether the server has acknowledged all that it can be sent.
    pub(super) fn synced(&self) -> bool {
        self.lane.state == State::Idle
            && !self.lane.contact
            && self.lane.push.is_none()
            && self.outbox.unsent(&self.items, &self.slices, &self.conflicts).next().is_none()
    }
}
