//! The requests that are no push: whose the device is, whether the server answers, and the next page of a pull.

use super::answers::withdrawn_row;
use super::{Class, Failure, Flight, Outcome, Reception, State, Step, Uplink};
use crate::bridge::config::Slices;
use crate::engine::clock::Now;
use crate::engine::rng::Rng;
use crate::protocol::{self, PullRequest};
use crate::store::RebuildReason;
use crate::units::Tick;
use std::rc::Rc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Whose the device is.
    Identity,
    Health,
    /// The next page of these slices.
    Page(Vec<Rc<str>>),
}

impl Uplink {
    pub(super) fn ask(&mut self, question: Question) -> Step {
        let (path, body) = match &question {
            Question::Identity => {
                let (client, user) = (&*self.client, self.user.as_deref());
                ("/pull", Some(PullRequest { client, user, ..PullRequest::default() }.to_text()))
            }
            Question::Health => ("/health", None),
            Question::Page(slices) => {
                let device = PullRequest {
                    client: &self.client,
                    principal: self.principal.as_deref(),
                    user: self.user.as_deref().filter(|_| self.principal.is_none()),
                    answered: self.newest_answer,
                    ..PullRequest::default()
                };
                ("/pull", Some(self.pull.next_page(device, slices).to_text()))
            }
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

    pub(super) fn page_answered(
        &mut self,
        asked: &[Rc<str>],
        ms: u64,
        answer: Reception,
        slices: &Slices,
        now: Now,
        rng: &mut Rng,
    ) -> Outcome {
        let read = answer.body("/pull").and_then(|body| {
            self.line.answered(body.len(), ms);
            protocol::read_pull(&body).map_err(|error| Failure::new(Class::NotNightferry, error.0))
        });
        match read {
            Ok(page) => {
                self.is_reached(Some(page.principal.clone()), true, now);
                self.has_pulled = true;
                let page = self.pull.answered(page, asked, slices, now.tick, rng);
                self.wants_contact = self.pull.is_due();
                Outcome::Pulled(page)
            }
            Err(failure) if failure.class.rebuild().is_some() => {
                self.pull.failed(&failure, now.tick, rng);
                self.rebuild_asked(failure)
            }
            Err(failure) => {
                self.pull.failed(&failure, now.tick, rng);
                // A request that the server cannot take says nothing about others.
                if matches!(failure.class, Class::Declined | Class::Failing) {
                    self.note_failure(&failure);
                    return Outcome::Failed(failure);
                }
                Outcome::Failed(self.failed(failure, now, rng))
            }
        }
    }

    /// The server has another history than the device has seen, or has forgotten a part of it. Nothing was applied.
    pub(super) fn rebuild_asked(&mut self, failure: Failure) -> Outcome {
        self.unanswered = 0;
        (self.push_failures, self.failures_while_up, self.is_interrupted) = (0, 0, false);
        let withdrawn = self.operations().iter().map(withdrawn_row).collect();
        let reason = failure.class.rebuild().unwrap_or(RebuildReason::CursorExpired);
        Outcome::Rebuild { reason, slices: failure.slices, withdrawn, message: failure.message }
    }

    /// The server answered something else than a push.
    fn is_reached(&mut self, principal: Option<String>, is_identity: bool, now: Now) {
        self.principal = self.principal.take().or(principal);
        self.unanswered = 0;
        self.is_signed_out &= !is_identity;
        if !self.is_push_failing() {
            // A wait that a push brought about is not ended by a person's question.
            if !self.wait.holds_pushes(now.tick) {
                self.wait.answered();
                self.reached();
            }
        } else if !std::mem::replace(&mut self.is_probed, true) {
            self.failures_while_up += 1;
            self.narrow(now.tick);
        }
    }

    pub(super) fn question_answered(
        &mut self,
        question: &Question,
        answer: Reception,
        now: Now,
        rng: &mut Rng,
    ) -> Outcome {
        let read = match question {
            Question::Health | Question::Page(_) => answer.body("/health").map(|_| None),
            Question::Identity => answer.body("/pull").and_then(|body| {
                let read = protocol::read_pull(&body);
                read.map(|pull| Some(pull.principal))
                    .map_err(|error| Failure::new(Class::NotNightferry, error.0))
            }),
        };
        match read {
            Ok(principal) => {
                self.is_reached(principal, *question == Question::Identity, now);
                self.wants_contact = self.pull.is_due();
                Outcome::Reached
            }
            // A person's question during a wait: were the wait to grow by it, asking would hold pushes back for ever.
            Err(failure) if !self.wait.is_over(now.tick) => {
                self.wait.asked_in_vain(&failure, now.tick);
                self.note_failure(&failure);
                Outcome::Failed(failure)
            }
            Err(failure) => Outcome::Failed(self.failed(failure, now, rng)),
        }
    }
}
