//! The push under way: what is chosen, how it is sent and repeated, and the search for what the server cannot take.

use super::answers::{ReadAnswers, read_answers, withdrawn_row};
use super::{
    Class, Context, Failure, Flight, MAX_PUSH_OPERATIONS, Outcome, PushEnded, Reception, State, Step, Uplink,
};
use crate::engine::clock::Now;
use crate::engine::replica::{Replica, Room};
use crate::engine::rng::Rng;
use crate::json::write;
use crate::protocol::{self, Sender, mutation_bytes};
use crate::store::{AnswerRow, AnswerStatus, Key, Operation, PushRow, Write};
use crate::units::{PushNo, Tick};

/// The most bytes of a push beside its operations.
const ENVELOPE_BYTES: usize = 300;

impl Uplink {
    /// The operations to send: what waits alone goes alone, once its time has come and nothing else is to be sent.
    pub(super) fn choose(&mut self, now: Tick, context: Context) -> Vec<Operation> {
        let Context { replica, slices, .. } = context;
        self.deferrals.retain(|key| replica.is_in_outbox(key));
        let room = Room {
            operations: self.part.unwrap_or(MAX_PUSH_OPERATIONS),
            bytes: self.line.room() - ENVELOPE_BYTES,
        };
        let chosen = loop {
            let chosen =
                replica.choose(now, slices, room, |key| !self.deferrals.holds_back(key, replica, now));
            let repeated: Vec<_> = chosen.iter().filter(|sent| self.deferrals.is_repeated(sent)).collect();
            if repeated.is_empty() {
                break chosen;
            }
            repeated.into_iter().for_each(|operation| self.deferrals.repeat(operation, now));
        };
        if !chosen.is_empty() {
            return chosen;
        }
        replica.choose(now, slices, Room { operations: 1, ..room }, |key| self.deferrals.is_due(key, now))
    }

    pub(super) fn prepare(&mut self, mut operations: Vec<Operation>, rng: &mut Rng) -> Step {
        for operation in &mut operations {
            operation.as_put = self.sent_whole.contains(&operation.key());
        }
        let n = self.push.as_ref().map_or(PushNo(1), |push| push.n.next());
        let push = PushRow {
            client: self.client.clone(),
            n,
            push_id: rng.id().into(),
            answered: self.newest_answer,
            operations,
        };
        self.has_pulled = false;
        self.push = Some(push.clone());
        self.is_written = false;
        self.failures_while_up = 0;
        if !self.is_interrupted {
            self.push_failures = 0;
        }
        self.state = State::Preparing;
        Step::Prepare(push)
    }

    pub(super) fn push_again(&mut self, replica: &Replica) -> Step {
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
        let sender = Sender { client: &self.client, principal, device: self.device.as_deref() };
        let body = protocol::push_request(
            sender,
            push.n,
            &push.push_id,
            push.answered,
            &push.operations[..count],
            |operation| replica.base_of(operation),
        );
        let flight = Flight { request: 0, sent_at: Tick(0), deadline: Tick(0), bytes: body.len() };
        self.state = State::Pushing { flight, count };
        Step::Send { path: "/push", body: Some(body) }
    }

    /// The push of [`Step::Prepare`] is written down, or could not be.
    pub fn prepared(&mut self, succeeded: bool) {
        self.state = State::Idle;
        self.is_written = succeeded;
    }

    /// The operations to take out of the push: those that a switch forbids, the one that is declined alone, and, where the
    /// push keeps failing, those whose items were edited meanwhile; all of them, where a page can be pulled instead.
    pub(super) fn to_withdraw(&self, context: Context, is_page_due: bool) -> Vec<Key> {
        let fails = self.failures_while_up >= 2 && self.is_probed && self.may_narrow;
        let is_in_the_way = is_page_due && fails;
        let goes = |operation: &&Operation| {
            is_in_the_way
                || !context.replica.may_send(operation, context.slices)
                || self.deferrals.is_culprit(operation)
                || (self.push_failures >= 2 && context.replica.is_edited_since(operation))
        };
        self.operations().iter().filter(goes).map(Operation::key).collect()
    }

    /// Takes operations out of the push. It may have been sent with them: its count and tag stay, and the server answers a
    /// part of a push as it answered the whole.
    pub(super) fn withdraw(&mut self, keys: &[Key]) -> Step {
        let Some(push) = &mut self.push else { return Step::Nothing };
        let (withdrawn, kept) = std::mem::take(&mut push.operations)
            .into_iter()
            .partition::<Vec<_>, _>(|operation| keys.contains(&operation.key()));
        push.operations = kept;
        let with = vec![push.write()];
        self.is_interrupted |= self.push_failures >= 2;
        if self.deferrals.withdrawn() {
            self.push_failures = 0;
        }
        Step::Record { answers: withdrawn.iter().map(withdrawn_row).collect(), with }
    }

    /// Returns true if pushes fail, so that the success of another request says nothing about the next push.
    pub(super) fn is_push_failing(&self) -> bool {
        self.push_failures > 0 || self.is_interrupted || self.deferrals.is_any_suspect()
    }

    pub(super) fn push_answered(
        &mut self,
        count: usize,
        (bytes, ms): (usize, u64),
        answer: Reception,
        now: Now,
        rng: &mut Rng,
    ) -> Outcome {
        let timed_out = matches!(answer, Reception::None);
        let read = match &answer {
            Reception::None => Err(Failure::timed_out(bytes, ms)),
            _ => answer.body("/push").and_then(|body| read_answers(&body, self.sent_operations(count))),
        };
        let operations = match &read {
            Ok(read) => read.rows.iter().map(|row| (row.key(), Some(row.outcome()))).collect(),
            Err(_) => self.sent_operations(count).iter().map(|operation| (operation.key(), None)).collect(),
        };
        self.ended = Some(PushEnded { operations, ms });
        match read {
            Ok(ReadAnswers { rows: answers, version }) => {
                self.line.answered(bytes, ms);
                let unfit = answers.iter().filter(|answer| answer.status == AnswerStatus::Unfit);
                self.sent_whole.extend(unfit.map(AnswerRow::key));
                self.pull.note_own(version);
                let newest = answers.iter().filter_map(|answer| answer.version).chain(version).max();
                self.newest_answer = self.newest_answer.max(newest);
                newest.into_iter().for_each(|newest| self.pull.told_of(newest));
                self.push_failures = 0;
                self.is_interrupted = false;
                self.fruitless = 0;
                self.unanswered = 0;
                self.wants_contact = self.pull.is_due();
                self.wait.succeeded();
                self.reached();
                self.part = self.part.map(|part| part * 2).filter(|part| *part < MAX_PUSH_OPERATIONS);
                let operations = self.push.as_ref().map_or(&[][..], |push| &push.operations);
                // One answer for each operation that was sent, in their order.
                let statuses = answers.iter().map(|answer| answer.status);
                self.deferrals.answered(operations.iter().zip(statuses), now.tick);
                Outcome::Answers { answers, with: self.finish(count) }
            }
            Err(failure) if failure.class == Class::Forked => {
                let answers = self.operations().iter().map(withdrawn_row).collect();
                // A server that knows no name as this device's own is not asked without a pause.
                self.wait.failed(&failure, now.tick, rng);
                self.wait.hold_pushes();
                Outcome::Answers { answers, with: self.fork(rng) }
            }
            Err(failure) if failure.class.rebuild().is_some() => {
                self.wait.failed(&failure, now.tick, rng);
                self.rebuild_asked(failure)
            }
            Err(failure) => {
                if timed_out {
                    self.line.timed_out(bytes, ms);
                }
                Outcome::Failed(self.push_failed(count, bytes, failure, now, rng))
            }
        }
    }

    /// The first operations of the push under way.
    fn sent_operations(&self, count: usize) -> &[Operation] {
        &self.operations()[..count.min(self.operations().len())]
    }

    /// Takes out the first operations, which are answered. Returns the write of the rest, to go with the answers.
    fn finish(&mut self, count: usize) -> Vec<Write> {
        let Some(push) = &mut self.push else { return Vec::new() };
        push.operations.drain(..count.min(push.operations.len()));
        push.answered = self.newest_answer;
        vec![push.write()]
    }

    /// The server knows another device by this one's name, as after a copied profile: the device takes a new one.
    fn fork(&mut self, rng: &mut Rng) -> Vec<Write> {
        self.client = rng.id().into();
        self.push = None;
        self.is_written = false;
        vec![Write::meta("client", &write(&*self.client)), Write::delete_meta("push")]
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
            Class::Declined => true,
            Class::Failing => self.push_failures >= 2,
            _ => false,
        };
        if !halves {
            let is_part = self.push_failures >= 2 && count < self.operations().len();
            self.part = self.part.map(|part| part.min(count)).or(Some(count).filter(|_| is_part));
            let failure = self.failed(failure, now, rng);
            self.wait.hold_pushes();
            return failure;
        }
        // It is one of the operations, not the server.
        self.wait.failed_in_search(&failure, self.fruitless, now.tick, rng);
        self.wait.hold_pushes();
        self.note_failure(&failure);
        self.unanswered = 0;
        self.is_probed = true;
        if count > 1 {
            self.part = Some(count.div_ceil(2));
        } else if let Some(operation) = self.push.as_ref().and_then(|push| push.operations.first()) {
            self.deferrals.decline(operation, failure.class, bytes, now.tick);
            self.fruitless += 1;
            self.part = Some(1).filter(|_| self.fruitless > 1);
        }
        failure
    }

    /// The push failed before, and the server answers other requests: a part of it is tried.
    pub(super) fn narrow(&mut self, now: Tick) {
        if self.push_failures < 2 || !self.may_narrow {
            return;
        }
        let last = self.part.unwrap_or(MAX_PUSH_OPERATIONS).min(self.operations().len());
        if last > 1 {
            self.part = Some(last.div_ceil(2));
        } else if let Some(operation) = self.push.as_ref().and_then(|push| push.operations.first())
            && self.push_failures >= 3
        {
            self.deferrals.suspect(operation, now);
        }
    }

    /// The answers that take the push under way back.
    pub fn take_back(&self) -> Vec<AnswerRow> {
        self.operations().iter().map(withdrawn_row).collect()
    }
}
