//! Calls of `register`, from the page's code to the worker's answer; and newer workers.

use super::calls::{Call, Stage, is_about_worker};
use super::{Client, Failure, Head, Output, Types};

/// A newer worker is looked for at most so often, in ms.
const UPDATE_MS: u64 = 60_000;

impl<T: Types> Client<T> {
    /// Registers the worker and declares slices. `number` is from [`Client::next_number`].
    pub fn register(&mut self, now: u64, number: u64, call: Call) {
        self.calls.add(number, call);
        self.next_call(now);
    }

    /// Returns true if a call with the same options as call `number` has nothing to add to it.
    pub fn is_repeated(&self, number: u64) -> bool {
        self.calls.is_repeated(number) && !self.session.is_elsewhere()
    }

    pub(super) fn next_call(&mut self, now: u64) {
        while let Some((number, call)) = self.calls.next() {
            let is_wrong = call.place.user.as_deref() == Some("") || call.place.name.contains('~');
            let is_elsewhere = self.session.is_elsewhere();
            let (is_same, place) = match &self.addresses {
                Some(addresses) => (*addresses == call.place, None),
                None => (true, Some(call.place.clone())),
            };
            self.calls.current = Some((number, call, Stage::Connection));
            match place {
                _ if is_wrong => self.refuse(
                    now,
                    Failure::new(
                        "bad_config",
                        "register() takes no empty user, and no ~ in the name. Leave out user where nobody is signed in.",
                    ),
                ),
                Some(place) => self.out(Output::Connect(number, place)),
                None if !is_same => self.refuse(
                    now,
                    Failure::new(
                        "bad_config",
                        "register() was called before with another workerUrl, api, name or user. Reload the page.",
                    ),
                ),
                None if is_elsewhere => self.out(Output::Claim(number)),
                None => self.ask_registration(now),
            }
        }
        if self.calls.is_idle() {
            self.send_held(now);
        }
    }

    /// The page was connected to the worker as [`Output::Connect`] or [`Output::Claim`] asked, or could not be.
    pub fn connected(&mut self, now: u64, outcome: Result<(), Failure>) {
        let Some((_, call, Stage::Connection)) = &self.calls.current else { return };
        let addresses = call.place.clone();
        if let Err(why) = outcome {
            self.refuse(now, why);
        } else {
            if self.addresses.is_none() {
                self.session.set_place(&addresses.to_text());
                self.addresses = Some(addresses);
                // The browser looks for a newer worker when a page navigates into its scope, where no page is.
                self.look_for_update(now);
                let messages = self.session.watch_again();
                self.post_messages(messages);
            }
            self.ask_registration(now);
        }
        self.next_call(now);
    }

    fn ask_registration(&mut self, now: u64) {
        let Some((number, call, stage)) = &mut self.calls.current else { return };
        *stage = Stage::Answer;
        self.session.name_device(&call.device);
        if call.gives_tokens {
            self.session.give_tokens();
        }
        let message = self.session.register(now, *number, &call.slices, &call.auto_sync);
        self.calls.give_up_late();
        self.out(Output::Post(message));
        // From now on the session holds bursts back until the registration is answered.
        self.post(now);
    }

    /// The call in turn has failed.
    pub(super) fn refuse(&mut self, now: u64, why: Failure) {
        let is_asked = matches!(self.calls.current, Some((.., Stage::Answer)));
        self.unless_newer = None;
        if let Some(request) = self.calls.fail(&why, is_asked) {
            self.out(Output::Fail { request, why });
        }
        self.next_call(now);
    }

    /// A worker that cannot start, or does not answer, has not granted the call in turn.
    pub(super) fn cannot_start(&mut self, now: u64, why: &Failure) {
        if !matches!(self.calls.current, Some((.., Stage::Answer))) || !is_about_worker(&why.code) {
            return;
        }
        if why.code == "bridge_version" {
            // A worker of another version of the messages may have a successor.
            self.unless_newer = Some(why.clone());
            self.out(Output::LookForUpdate);
        } else {
            self.refuse(now, why.clone());
        }
    }

    /// A newer worker was looked for, and is there or not.
    pub fn looked_for_update(&mut self, now: u64, is_there: bool) {
        if let Some(why) = self.unless_newer.take_if(|_| !is_there) {
            self.refuse(now, why);
        }
    }

    /// Looks for a newer worker, of which the browser puts one in the place of the present one by itself.
    pub(super) fn look_for_update(&mut self, now: u64) {
        if self.addresses.is_some() && self.updated_at.is_none_or(|at| now >= at + UPDATE_MS) {
            self.updated_at = Some(now);
            self.out(Output::LookForUpdate);
        }
    }

    /// The worker was registered anew, because there was none to post to.
    pub fn adopted(&mut self, now: u64) {
        let messages = self.session.hello(now);
        self.post_messages(messages);
    }

    /// The worker has answered a call of `register`.
    pub(super) fn registered(
        &mut self,
        now: u64,
        request: u64,
        head: &Head<'_>,
        message: T::Message,
        failure: Option<&Failure>,
        was_late: bool,
    ) {
        if let Some(why) = failure {
            if !was_late {
                self.refuse(now, why.clone());
            }
            return;
        }
        let has_missed = self.calls.grant(request) || was_late;
        self.unless_newer = None;
        if !was_late {
            self.out(Output::Answer { request, is_granted: true, message });
        }
        self.next_call(now);
        if has_missed {
            self.resync(now);
        } else {
            self.out(Output::Lists);
        }
        if head.build != Some(crate::BUILD) {
            self.look_for_update(now);
        }
    }
}
