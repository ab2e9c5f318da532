//! The engine's work after every input, in this order: append, take effect, send, write, answer, report.

use super::clients::{Kind, Sent, View};
use super::input::{NetworkError, Response};
use super::messages::view;
use super::pulled::Rebuild;
use super::replay::{self, Missing};
use super::replica::{Applied, Effects, ParsedRecord, Urgency, ValueWrite, wanted};
use super::storage::Purpose;
use super::uplink::{Context, Failure, Outcome, PushEnded, Reception, Step};
use super::{Engine, Output, Phase, tokens};
use crate::bridge::from_worker::{self, About, Origin, To};
use crate::store::{AnswerRow, AnswerStatus, Answers, Loaded, Pulled, RecordHead, StoreError, Write};
use crate::units::Position;

impl Engine {
    pub(super) fn advance(&mut self) {
        if self.append() {
            // Records wait for none of the work below.
            self.needs_advance = true;
            return;
        }
        self.parse();
        self.requeue();
        self.take_effect();
        // Behind the last page's effect: nothing else may be left that would come back here.
        self.end_rebuild();
        self.forget_tombstones();
        self.write_standalone();
        if let Some(row) = self.clients.metrics().save(self.now.tick) {
            self.store(Purpose::Metrics, vec![Write::meta("metrics", &row)]);
        }
        if self.settings.is_sync_due(self.now.tick) {
            self.uplink.contact();
        }
        // Unless somebody waits for the stores, a push goes before the checkpoints that are due with it: these may wait for
        // it, and write its answers, too.
        if self.is_store_awaited() {
            self.write();
        }
        self.send();
        self.write_standalone();
        self.write();
        self.keep_live();
        if let Some(waiter) = self.clients.take_sign_out(&self.journal, &self.settings) {
            self.sign_out(waiter);
            if !self.is_running() {
                return;
            }
        }
        self.clients.answer_waiters(view!(self));
        self.clients.post_acks(self.now.tick);
        if self.clients.is_report_due(self.now.tick) {
            self.report();
        }
    }

    fn report(&mut self) {
        if self.replica.take_refusals_changed() {
            self.clients.post(To::All, from_worker::rejections());
        }
        if self.replica.take_conflicts_changed() {
            self.clients.post(To::All, from_worker::conflicts_changed());
        }
        let touched = self.replica.take_touched();
        self.clients.report(&touched, view!(self));
    }

    /// Begins to make durable what arrived.
    fn append(&mut self) -> bool {
        if !self.journal.has_bursts() && !self.storage.may_write(self.now.tick) {
            return false;
        }
        let writes = self.journal.append();
        let appends = writes.is_some();
        if let Some(writes) = writes {
            self.store(Purpose::Append, writes);
        }
        appends
    }

    pub(super) fn appended(&mut self, result: Result<(), StoreError>) {
        let Err(error) = result else {
            let appended = self.journal.appended();
            return self.clients.acknowledge(appended.acknowledged, self.now.tick);
        };
        for page in self.journal.append_failed() {
            let text = format!(
                "Changes could not be kept yet: {}. The page holds them and tries again.",
                error.message
            );
            self.clients.fail(&page, None, "storage", &text);
        }
        self.clients.fail_all(&error.message);
    }

    /// Reads records that became durable.
    pub(super) fn parse(&mut self) {
        for record in self.journal.take_durable() {
            let Some((mut parsed, bad)) = replay::parse(&record, self.settings.slices()) else {
                self.quarantine(record.position, &record.text, record.head.is_burst());
                self.journal.in_effect(record.position, 0);
                continue;
            };
            if let (Effects::Edits(edits), false) =
                (&parsed.effects, self.replay.is_repeated(record.position))
            {
                for reason in bad {
                    let about = About::slice(reason.slice.as_deref());
                    self.clients.warn(Some(&edits.page), reason.code, &reason.message, about);
                }
            }
            if !self.replay.is_repeated(record.position) {
                parsed.overwrite_at_rest(self.uplink.newest_answer());
            }
            self.replay.push(parsed);
        }
    }

    /// Lets records take effect whose items are here, and reads the items of the others.
    fn take_effect(&mut self) {
        if let Some(note) = self.replay.note() {
            if self.storage.is_idle() && self.storage.may_write(self.now.tick) {
                self.store(Purpose::Replay, vec![note]);
            }
            return;
        }
        let is_careful = self.replay.is_careful();
        let mut keys = Vec::new();
        while let Some(record) = self.replay.next(&self.replica) {
            if self.replay.is_recovering() && !self.replay.is_repeated(record.position) {
                self.end_recovery();
            }
            keys.extend(record.keys().iter().cloned());
            self.apply(&record);
            if is_careful {
                self.needs_advance = true;
                break;
            }
        }
        if self.settings.schedule().is_full(self.replica.waiting()) {
            self.replica.retry_now(self.now.tick);
        }
        if self.replay.is_recovering() && self.replay.is_recovered() {
            self.end_recovery();
        } else if !self.replay.is_recovering() {
            self.release_slices();
            self.replica.evict_idle(&keys, self.settings.slices());
        }
        if !self.storage.is_loading() && self.storage.may_read(self.now.tick) {
            let mut missing = self.replay.missing(&self.replica, self.settings.slices());
            self.add_requeued(&mut missing);
            self.add_rebuilt(&mut missing);
            self.add_searched(&mut missing);
            if !missing.keys.is_empty() || !missing.slices.is_empty() {
                self.load(missing);
            }
        }
    }

    fn apply(&mut self, record: &ParsedRecord) {
        let urgent = record.position <= self.urgent_through;
        let Applied {
            held_by,
            changed,
            corrected,
            from_server,
            rolled_back,
            missing,
            not_refused,
            not_in_conflict,
            reasons,
            acknowledged,
        } = self.replica.apply(record, urgent, self.now, self.settings.slices());
        self.journal.in_effect(record.position, held_by);
        if self.replay.is_repeated(record.position) {
            return;
        }
        match &record.effects {
            Effects::Edits(edits) => {
                for key in missing {
                    let text = format!(
                        "An update of {} \"{}\" was not kept: there is no such item. Add it first.",
                        key.slice, key.id
                    );
                    self.clients.warn(Some(&edits.page), "missing_item", &text, About::item(&key));
                }
                for key in not_refused {
                    let text = format!(
                        "The refused change of {} \"{}\" is not in the list any more: it was decided on elsewhere. Nothing was changed.",
                        key.slice, key.id
                    );
                    self.clients.warn(Some(&edits.page), "rejection_changed", &text, About::item(&key));
                }
                for key in not_in_conflict {
                    let text = format!(
                        "The conflict of {} \"{}\" is another one meanwhile: the item was changed again, or the conflict was resolved elsewhere. Nothing was changed; look at getConflicts() again.",
                        key.slice, key.id
                    );
                    self.clients.warn(Some(&edits.page), "conflict_changed", &text, About::item(&key));
                }
                self.clients.tell_changed(Some(&edits.page), &[(Origin::Tab, &changed)], &self.journal);
                self.clients.tell_author(&edits.page, &corrected, &self.journal);
                self.clients.took_effect(&edits.page, record.position, record.slices());
            }
            Effects::Answers(_) => {
                self.clients.count_acknowledged(acknowledged);
                let changes = [(Origin::Server, &from_server), (Origin::Rollback, &rolled_back)];
                self.clients.tell_changed(None, &changes, &self.journal);
                self.clients.undecided(None);
                for (key, reason) in reasons {
                    self.clients.warn(None, "not_applied", &reason, About::item(&key));
                    self.clients.undecided(Some(reason));
                }
                self.clients.reached(view!(self));
            }
            Effects::Pulled(Pulled { changes, .. }) => {
                for change in changes.iter().filter(|change| !change.own) {
                    self.clients.metrics().count(self.now, &change.slice, Kind::Pull, true);
                }
                self.clients.tell_changed(None, &[(Origin::Server, &from_server)], &self.journal);
                for (key, reason) in reasons {
                    self.clients.warn(None, "conflict", &reason, About::item(&key));
                    self.clients.undecided(Some(reason));
                }
                self.clients.reached(view!(self));
            }
        }
    }

    pub(super) fn release_slices(&mut self) {
        let (rebuilt, searched) = (self.rebuilt_slices(), self.slices_to_search());
        for slice in self.replica.loaded_slices() {
            let is_requeued = self.settings.slice_to_requeue().is_some_and(|name| *name == slice);
            let is_looked_through = is_requeued || rebuilt.contains(&slice) || searched.contains(&slice);
            if !self.replay.needs_slice(&slice) && !is_looked_through {
                self.replica.release_slice(&slice, self.settings.slices());
            }
        }
    }

    pub(super) fn load(&mut self, missing: Missing) {
        let load = self.next_id();
        self.storage.begin_load(load);
        for wanted in &missing.slices {
            self.replica.keep_slice(&wanted.slice, false);
        }
        self.replay.loading(missing.slices.iter().map(|wanted| wanted.slice.clone()));
        let wanted = wanted(&missing.keys, self.settings.slices());
        self.outputs.push_back(Output::Load { load, wanted, slices: missing.slices });
    }

    pub(super) fn loaded(&mut self, load: u64, result: Result<Vec<Loaded>, StoreError>) {
        let error = result.as_ref().err();
        if !self.storage.end_load(load, error, self.now.tick, &mut self.rng) {
            return;
        }
        let slices = self.replay.loaded();
        match result {
            Ok(rows) => {
                for row in rows {
                    let key = row.key.clone();
                    if let Some(text) = self.replica.load(row) {
                        self.keep_unreadable(&key, &text);
                    }
                }
                for slice in slices {
                    self.replica.keep_slice(&slice, true);
                }
                self.start_went_on(false, true);
            }
            Err(error) => {
                self.clients.fail_flushes(&error.message);
                for slice in slices {
                    self.replica.release_slice(&slice, self.settings.slices());
                }
            }
        }
    }

    /// Before it runs, only what failed is tried again.
    pub(super) fn retry_start(&mut self) {
        let starting = matches!(self.phase, Phase::Starting { is_loaded: false, .. });
        if starting && !self.storage.is_loading() && self.storage.may_read(self.now.tick) {
            self.load_for_start();
        }
    }

    /// The start is counted, or the next position noted, or that failed: it goes on without.
    pub(super) fn replay_noted(&mut self) {
        self.is_start_counted = true;
        self.replay.noted();
        self.start_went_on(true, false);
    }

    /// Looks through a slice that goes to the server again for what that lacks.
    fn requeue(&mut self) {
        if self.replay.is_recovering() {
            return;
        }
        let Some(name) = self.settings.slice_to_requeue().cloned() else { return };
        let slices = self.settings.slices();
        let keys = match slices.syncs(&name) {
            true if !self.replica.is_fully_loaded(&name) => return,
            true => {
                let position = self.journal.visible_position().max(Position(1));
                self.replica.reopen_slice(&name, position, self.now.tick)
            }
            false => Vec::new(),
        };
        let write = self.settings.marking(crate::collect::set(keys));
        self.storage.add_standalone(write);
        self.release_slices();
    }

    /// The slice that is to be looked through is read fully.
    fn add_requeued(&self, missing: &mut Missing) {
        let slices = self.settings.slices();
        let Some(name) = self.settings.slice_to_requeue().filter(|name| slices.syncs(name)) else { return };
        if !self.replica.is_fully_loaded(name) {
            missing.add_slice(name, slices);
        }
    }

    /// How soon items are written. Pages of pulls and flushes wait for no push: something waits for them.
    pub(super) fn urgency(&self) -> Urgency {
        // A question is followed by the push that waits for its answer.
        let is_sending =
            self.uplink.is_busy() || self.journal.has_pending_answers() || self.storage.has_standalone();
        if !is_sending || self.is_store_awaited() {
            Urgency::Now
        } else if self.uplink.is_push_in_flight() {
            Urgency::BesidePush
        } else {
            Urgency::AfterPushes
        }
    }

    fn is_store_awaited(&self) -> bool {
        self.journal.has_pulls() || self.clients.is_flush_waiting()
    }

    fn may_write(&self) -> bool {
        self.storage.may_write(self.now.tick) && !self.replay.is_recovering()
    }

    /// Begins to write what waits for nothing else, and what nothing may be sent before.
    fn write_standalone(&mut self) {
        if self.may_write()
            && let Some(writes) = self.storage.take_standalone()
        {
            self.store(Purpose::Standalone(writes.clone()), writes);
        }
    }

    /// Begins the checkpoints that are due.
    fn write(&mut self) {
        if !self.may_write() {
            return;
        }
        if let Some(position) = self.journal.overgrown(self.now.tick) {
            self.replica.mark_open(position, self.now.tick);
        }
        let urgency = self.urgency();
        while let Some(writes) = self.replica.start_checkpoint(
            self.last_id + 1,
            urgency,
            self.now,
            self.settings.slices(),
            &self.journal,
        ) {
            self.store(Purpose::Checkpoint, writes);
        }
        if let Some(writes) = self.replica.start_trim(self.last_id + 1, self.now, &self.journal) {
            self.store(Purpose::Checkpoint, writes);
        }
    }

    pub(super) fn checkpointed(&mut self, txn: u64, result: Result<(), StoreError>) {
        let (now, slices) = (self.now, self.settings.slices());
        let Some(ended) = self.replica.end_checkpoint(txn, result.is_ok(), now.tick, slices) else { return };
        if ended.items.iter().any(|(_, value)| value.is_some()) {
            self.clients.metrics().took(now.tick.elapsed_since(ended.begun_at));
        }
        for (key, value) in &ended.items {
            let kind = match value {
                Some(ValueWrite::Put) => Kind::Put,
                Some(ValueWrite::Delete) => Kind::Delete,
                None => continue,
            };
            self.clients.metrics().count(now, &key.slice, kind, result.is_ok());
        }
        if let Err(error) = result {
            return self.clients.fail_flushes(&error.message);
        }
        self.journal.released(&ended.released);
        if let Some(through) = ended.through {
            self.journal.trimmed(through);
        }
        if self.settings.schedule().follows_changes() && ended.items.iter().any(|(_, value)| value.is_some())
        {
            self.uplink.contact();
        }
        let write = self.settings.marked(ended.items.iter().map(|(key, _)| key));
        self.storage.add_standalone(write);
    }

    /// Does what the uplink wants, and gives up what has had its time.
    fn send(&mut self) {
        let overdue = self.uplink.overdue(self.now.tick).filter(|_| !self.tokens.is_waiting());
        if let Some(request) = overdue {
            self.tokens.cancel();
            self.outputs.push_back(Output::Cancel { request });
            self.answered(request, Reception::None);
        }
        if let Some(step) = self.tokens.overdue(self.now.tick, self.clients.pages()) {
            self.token_step(step);
        }
        loop {
            let may_choose = !self.replay.is_recovering()
                && !self.journal.has_pending_answers()
                && !self.storage.has_standalone();
            let context = Context {
                replica: &self.replica,
                slices: self.settings.slices(),
                may_choose,
                may_pull: self.uplink.is_pull_due() && self.may_pull(),
                requeued: self.settings.requeued(),
            };
            if self.replay.is_recovering() || self.journal.has_pending_answers() {
                break;
            }
            match self.uplink.poll(self.now.tick, context, &mut self.rng) {
                Step::Nothing => break,
                Step::Send { path, body } => {
                    let request = self.next_id();
                    self.uplink.sent(request, self.now.tick);
                    self.replica.touch_sent(self.uplink.operations());
                    self.clients.touch();
                    let request = tokens::Request { request, path, body };
                    let step = self.tokens.send(request, self.now.tick, self.clients.pages());
                    self.token_step(step);
                }
                Step::Prepare(push) => {
                    self.replica.mark_sent(&push.operations);
                    self.store(Purpose::Prepare, vec![push.write()]);
                }
                Step::Record { answers, with } => self.record(answers, with),
            }
        }
        let kept = self.uplink.take_kept(self.now);
        self.storage.add_standalone(kept);
    }

    /// Sends a request, or does what has to be done before.
    fn token_step(&mut self, step: tokens::Step) {
        match step {
            tokens::Step::Send(tokens::Request { request, path, body }, token) => {
                self.uplink.sent(request, self.now.tick);
                self.outputs.push_back(Output::Request { request, path, body, token });
            }
            tokens::Step::Ask { page, number } => {
                self.clients.post(To::page(&page), from_worker::token(number));
            }
            // As the server would answer it without a token, and would be asked for nothing.
            tokens::Step::Fail(request) => {
                let unauthenticated = Response {
                    status: 401,
                    content_type: String::new(),
                    retry_after: None,
                    body: String::new(),
                };
                self.answered(request, Reception::Some(Ok(unauthenticated)));
            }
        }
    }

    /// A page has given a token, or has none.
    pub(super) fn token_given(&mut self, number: u64, token: Option<String>) {
        if let Some(step) = self.tokens.given(number, token, self.now.tick, self.clients.pages()) {
            self.token_step(step);
        }
    }

    /// The server answered a request, or could not.
    pub(super) fn request_answered(&mut self, request: u64, answer: Result<Response, NetworkError>) {
        if let Ok(response) = &answer
            && let Some(step) = self.tokens.answered(request, response, self.now.tick, self.clients.pages())
        {
            return self.token_step(step);
        }
        self.answered(request, Reception::Some(answer));
    }

    /// Makes a record of answers, with what is left of the push.
    pub(super) fn record(&mut self, results: Vec<AnswerRow>, with: Vec<Write>) {
        let text = Answers { results }.to_text();
        let policies = self.settings.slices().policies();
        self.journal.add(RecordHead::Answers { at: self.now.at, policies }, text, with);
        self.needs_advance = true;
    }

    pub(super) fn prepared(&mut self, result: Result<(), StoreError>) {
        self.uplink.prepared(result.is_ok());
        if let Err(error) = result {
            // Not written, so not sent: written again after a while, as it is.
            let failure = self.uplink.failed(Failure::storage(&error), self.now, &mut self.rng);
            self.request_failed(&failure);
        }
    }

    pub(super) fn answered(&mut self, request: u64, answer: Reception) {
        let knew_principal = self.uplink.principal().is_some();
        let slices = self.settings.slices();
        let outcome = self.uplink.answered(request, answer, slices, self.now, &mut self.rng);
        let Some(outcome) = outcome else { return };
        if let Some(PushEnded { operations, ms }) = self.uplink.take_ended() {
            for (key, status) in operations {
                let sent = match status {
                    Some(AnswerStatus::Applied) => Sent::Applied,
                    Some(AnswerStatus::Rejected) => Sent::Rejected,
                    Some(AnswerStatus::Conflict) => Sent::Conflict,
                    Some(AnswerStatus::Withdrawn | AnswerStatus::Unfit) | None => Sent::Failed,
                };
                self.clients.metrics().count_sent(self.now, &key.slice, sent);
            }
            self.clients.metrics().took(ms);
        }
        if let (false, Some(principal)) = (knew_principal, self.uplink.principal()) {
            self.storage.add_standalone([Write::meta("principal", &crate::json::quoted(principal))]);
        }
        match outcome {
            Outcome::Reached => self.clients.reached(view!(self)),
            Outcome::Answers { answers, with } => self.record(answers, with),
            Outcome::Pulled(page) => self.record_page(page),
            Outcome::Rebuild { reason, slices, withdrawn, message } => {
                self.clients.warn(None, "rebuild", &message, About::default());
                self.begin_rebuild(Rebuild { reason, slices, withdrawn, with: Vec::new() });
            }
            Outcome::Failed(failure) => self.request_failed(&failure),
        }
    }

    fn request_failed(&mut self, failure: &Failure) {
        self.replica.touch_sent(self.uplink.operations());
        self.clients.server_failed(failure.class.reached(), &failure.message, view!(self));
        self.request_background_sync();
    }
}
