//! The worker's messages.

use super::calls::{Stage, is_about_worker};
use super::slices::For;
use super::{Client, Failure, Head, Output, Resync, Types};
use crate::bridge::place::is_refusal;
use crate::units::{BurstNo, Position};

/// The sentence for an app that has read the items of a database that is gone.
const NEW_DATABASE: &str = "The browser has deleted this site's data, and there is a new database. What this page shows may be missing from it: reload the page, or dispatch again what is to be kept.";

impl<T: Types> Client<T> {
    /// Handles a message of the worker, to this page or to all.
    pub fn handle_message(&mut self, now: u64, head: &Head<'_>, message: T::Message) {
        match head.kind {
            // Actions that were dispatched earlier did not see this change: a burst says which changes the page had applied.
            "changed" | "rows" => self.post(now),
            // Actions that were dispatched before the user signed out are dropped with the session, and do not wait for the next
            // user.
            "signedOut" => self.post_all(now),
            _ => {}
        }
        if head.kind == "rowsPart" {
            return self.slices.part(head.request.unwrap_or_default(), (head.first, head.count), message);
        }
        let number = |number: Option<u64>| number.unwrap_or_default();
        let epoch = head.epoch.unwrap_or_default();
        let failure = head.code.map(|code| Failure::new(code, head.message.unwrap_or_default()));
        let is_elsewhere = head.code.is_some_and(is_refusal);
        let was_silent = !is_elsewhere && head.code != Some("worker_failed") && self.session.note_answer();
        let mut is_news = head.request.is_none();
        let mut messages = Vec::new();
        match head.kind {
            "signedOut" => is_news = self.signed_out(now, epoch, &message, failure.as_ref()),
            "failed" if is_elsewhere => is_news = self.session.elsewhere(now),
            "hello" => messages = self.session.hello(now),
            "joined" => {
                // As a status, it comes from the page's own worker only.
                messages = self.session.back(now);
                let has_missed = self.session.joined(number(head.position));
                if has_missed || was_silent {
                    self.resync(now);
                }
                is_news = false;
            }
            "stale" => messages = self.session.stale(now),
            "ack" => self.session.acknowledged(now, BurstNo(number(head.n))),
            "expected" => messages = self.session.expected(now, BurstNo(number(head.n))),
            "registered" => {
                if self.session.is_another(epoch) {
                    self.is_of_another_database();
                }
                messages = self.session.registered(now, number(head.request), epoch);
                is_news = false;
            }
            "status" => {
                messages = self.session.back(now);
                self.session.status(now, head.unfinished, head.wake_in);
            }
            // Of a record that changed several slices, the last message counts.
            "changed" if head.more => {}
            "changed" | "folded" | "rows" => self.session.observe(number(head.position)),
            _ => {}
        }
        if let Some(request) = head.request {
            self.session.answered(request);
        }
        self.post_messages(messages);
        let actions = match head.kind {
            "changed" | "folded" | "rows" | "pending" => head.n.map(|n| self.actions_up_to(BurstNo(n))),
            _ => None,
        };
        if let Some(request) = head.request {
            self.answered(now, request, head, message.clone(), failure.as_ref(), actions.unwrap_or_default());
        }
        // What came to nothing by its silence is read again.
        if was_silent && head.kind != "joined" {
            self.resync(now);
        }
        if is_news {
            if let Some(why) = failure.filter(|_| head.kind != "signedOut") {
                self.cannot_start(now, &why);
                if is_elsewhere || is_about_worker(&why.code) && why.code != "bridge_version" {
                    self.out(Output::NoStatus(why));
                }
            }
            self.out(Output::Deliver { message, actions });
        }
    }

    fn answered(
        &mut self,
        now: u64,
        request: u64,
        head: &Head<'_>,
        message: T::Message,
        failure: Option<&Failure>,
        actions: u64,
    ) {
        let is_granted = head.kind != "failed";
        let is_in_turn =
            matches!(&self.calls.current, Some((number, _, Stage::Answer)) if *number == request);
        // A call that has failed may be granted after all, where it was repeated to the worker meanwhile.
        let is_after_all = head.kind == "registered" && self.calls.may_be_granted_late();
        if is_in_turn || self.calls.is_late(request) || is_after_all {
            return self.registered(now, request, head, message, failure, !is_in_turn);
        }
        let position = (head.kind == "rows").then(|| Position(head.position.unwrap_or_default()));
        match self.slices.end_read(now, request, position, head.first) {
            Some((_, For::Request, mut rows)) if is_granted => {
                rows.messages.push(message);
                self.out(Output::Rows { request, rows, actions });
            }
            Some((slice, For::Listeners, mut rows)) => {
                rows.messages.push(message);
                self.out(Output::CaughtUp { slice, rows });
            }
            Some((_, For::Nobody, _)) => {
                if let Some(why) = failure {
                    self.out(Output::Report(why.clone()));
                }
                self.catch_up(now);
            }
            _ => self.out(Output::Answer { request, is_granted, message }),
        }
    }

    /// The page is registered for another database, which has nothing that it knows.
    fn is_of_another_database(&mut self) {
        let unacknowledged = self.session.first_unacknowledged();
        let is_acknowledged = |burst: &&(BurstNo, u64)| unacknowledged.is_none_or(|first| burst.0 < first);
        if let Some((_, last)) = self.last_actions.iter().rfind(is_acknowledged) {
            self.last_ended = *last;
        }
        let known = self.slices.forget();
        self.out(Output::Resync(Resync::Registered));
        self.out(Output::Lists);
        // A store that follows its slices gives its items back by itself.
        if !known.is_empty() {
            self.out(Output::Report(Failure::new("new_database", NEW_DATABASE)));
        }
    }

    /// The user has signed out of the database `epoch`. Returns true if it was the page's, and others have asked for it.
    fn signed_out(&mut self, now: u64, epoch: &str, message: &T::Message, why: Option<&Failure>) -> bool {
        let Some((asked, others)) = self.session.signed_out(epoch) else { return false };
        let is_by_itself = !asked.is_empty();
        let why = why.cloned().unwrap_or_else(|| Failure::new("signed_out", ""));
        for request in asked {
            self.out(Output::Answer { request, is_granted: true, message: message.clone() });
        }
        let is_asking = matches!(self.calls.current, Some((.., Stage::Answer)));
        let held = std::mem::take(&mut self.held);
        for request in others.into_iter().chain(held.into_iter().map(|held| held.number)) {
            if !is_asking || self.calls.current.as_ref().is_none_or(|current| current.0 != request) {
                self.fail(now, request, why.clone());
            }
        }
        self.slices.end_reads();
        let known = self.slices.forget();
        self.calls.sign_out();
        self.out(Output::Resync(Resync::SignedOut));
        self.out(Output::Lists);
        for (slice, ids) in known {
            self.out(Output::Gone { slice, ids });
        }
        if is_asking {
            self.refuse(now, why);
        }
        !is_by_itself
    }
}
