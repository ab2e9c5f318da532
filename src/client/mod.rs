//! The page's side of the conversation with the worker, for every page there is: under `client.ts`, under the API for pages in
//! Rust, and in the simulator. It has no I/O: the page's code (its host) reports what happens, and performs the [`Output`]s.
//!
//! - calls of `register`, one after the other ([`calls`])
//! - actions, many to a message, which wait for calls of `register` ([`batcher`])
//! - requests, which wait for calls of `register` and follow the actions that were dispatched before them
//! - what is sent again until the worker has answered ([`session`])
//! - reads with the changes that come meanwhile, reading again what may have been missed, and the ids of the items that the
//!   page knows ([`slices`])
//!
//! The host calls a method, and then [`Client::poll`] until nothing is left to do. [`Client::deadline`] says when to call
//! [`Client::tick`]. Every `now` is in ms of a clock that only counts forward.

mod batcher;
mod calls;
mod incoming;
mod registering;
mod session;
mod slices;
mod types;

pub use calls::{Addresses, Call, is_about_worker};
pub use session::{Message, Subject};
pub use slices::Effect;
pub use types::{Burst, Failure, Head, Ids, Output, Resync, Rows, Types};

use crate::units::{BurstNo, Position};
use batcher::Batcher;
use calls::Calls;
use session::Session;
use slices::{For, Slices};
use std::collections::VecDeque;

/// The sentence for people if no worker says anything.
const NO_WORKER: &str = "Nightferry's worker does not answer. What was changed in this tab is kept in it and goes on being tried, so keep the tab open. Close the other tabs of this site; a page that was loaded anew may say more.";
/// A request that waits for calls of `register`.
#[derive(Debug)]
struct Held {
    number: u64,
    kind: String,
    slice: Option<String>,
    id: Option<String>,
    settings: Option<String>,
}

/// The page's client.
pub struct Client<T: Types> {
    session: Session<T::Burst>,
    batcher: Batcher<T::Burst>,
    calls: Calls,
    slices: Slices<T>,
    held: Vec<Held>,
    outputs: VecDeque<Output<T>>,
    /// The number of the last request or call.
    last_number: u64,
    /// The addresses that the page is connected to.
    addresses: Option<Addresses>,
    /// For the bursts that are not known to be in effect, and the one before: the last action in each.
    last_actions: Vec<(BurstNo, u64)>,
    /// The last action that a database had taken which is gone by now. No other one says that it is in effect.
    last_ended: u64,
    /// Why the call in turn fails, unless there is a newer worker.
    unless_newer: Option<Failure>,
    updated_at: Option<u64>,
}

impl<T: Types> Client<T> {
    /// Creates the client of the page `page`, a random id for the page's lifetime.
    pub fn new(page: &str) -> Self {
        Client {
            session: Session::new(page),
            batcher: Batcher::default(),
            calls: Calls::default(),
            slices: Slices::default(),
            held: Vec::new(),
            outputs: VecDeque::new(),
            last_number: 0,
            addresses: None,
            last_actions: Vec::new(),
            last_ended: 0,
            unless_newer: None,
            updated_at: None,
        }
    }

    /// Returns what to do next.
    pub fn poll(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    fn out(&mut self, output: Output<T>) {
        self.outputs.push_back(output);
    }

    fn post_messages(&mut self, messages: Vec<Message<T::Burst>>) {
        self.outputs.extend(messages.into_iter().map(Output::Post));
    }

    /// Returns the time at which to call [`Client::tick`].
    pub fn deadline(&self) -> Option<u64> {
        let own = self.batcher.deadline().into_iter().chain(self.slices.deadline());
        self.session.deadline().into_iter().chain(own).min()
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: u64) {
        if self.batcher.deadline().is_some_and(|at| at <= now) {
            self.post(now);
        }
        let messages = self.session.tick(now);
        self.post_messages(messages);
        if let Some(ended) = self.session.take_silence(now) {
            let why = Failure::new("no_worker", NO_WORKER);
            for request in ended {
                self.fail(now, request, why.clone());
            }
            self.cannot_start(now, &why);
            self.out(Output::NoStatus(why.clone()));
            self.out(Output::Report(why));
        }
        self.catch_up(now);
    }

    /// Returns a new number, for a request or a call of `register`.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Returns an error if no call of `register` was granted or is under way. `what` is the call that needs one.
    pub fn check(&self, what: &str) -> Result<(), Failure> {
        self.calls.check(what)
    }

    // Actions

    /// Takes an action, as JSON text of at most so many bytes. Returns its number: the page's actions are counted from 1.
    pub fn dispatch(&mut self, now: u64, action: T::Action, bytes: usize, is_hidden: bool) -> u64 {
        if self.batcher.add(action, bytes, now, is_hidden) {
            self.out(Output::PostSoon);
        }
        self.batcher.last()
    }

    /// Posts the actions that wait. They wait for calls of `register`.
    pub fn post(&mut self, now: u64) {
        if !self.calls.holds_back() {
            self.post_all(now);
        }
    }

    fn post_all(&mut self, now: u64) {
        if self.addresses.is_none() {
            return;
        }
        for (last, burst) in self.batcher.flush(now) {
            let (n, message) = self.session.burst(now, burst);
            self.last_actions.push((n, last));
            self.post_messages(message.into_iter().collect());
        }
    }

    /// Returns the last of the page's actions that is in its bursts up to `n`.
    fn actions_up_to(&mut self, n: BurstNo) -> u64 {
        let before = self.last_actions.iter().take_while(|burst| burst.0 <= n).count();
        // Bursts are in effect in their order, so what comes before this one is not asked about any more.
        self.last_actions.drain(..before.saturating_sub(1));
        let in_effect = self.last_actions.first().filter(|burst| burst.0 <= n).map_or(0, |burst| burst.1);
        in_effect.max(self.last_ended)
    }

    /// Posts everything, because the page is hidden or closed and may never run again.
    pub fn hide(&mut self, now: u64) {
        self.post_all(now);
        if self.addresses.is_some() {
            let messages = self.session.on_page_hide(now);
            self.post_messages(messages);
        }
    }

    /// The page is shown again. `was_put_aside`: it has heard nothing meanwhile, and reads again before it sends anything.
    pub fn show(&mut self, now: u64, was_put_aside: bool) {
        if was_put_aside {
            self.resync(now);
            self.tell("ping");
        } else {
            self.look_for_update(now);
        }
    }

    /// Posts a message that needs no answer: `online`, `ping`, `resetMetrics`.
    pub fn tell(&mut self, kind: &str) {
        if self.addresses.is_some() {
            let message = self.session.tell(kind);
            self.out(Output::Post(message));
        }
    }

    /// Posts the answer to the worker's question of this number for a token.
    pub fn token(&mut self, number: u64, token: Option<&str>) {
        let message = self.session.token(number, token);
        self.out(Output::Post(message));
    }

    /// Subscribes to the progress of a slice's items.
    pub fn watch(&mut self, slice: &str) {
        let message = self.session.watch(slice);
        if self.addresses.is_some() {
            self.out(Output::Post(message));
        }
    }

    // Requests

    /// Sends a request, see [`Session::request`], after all actions that were dispatched before it. `number` is from
    /// [`Client::next_number`]. `hydrate` is answered by [`Output::Rows`], everything else by [`Output::Answer`].
    pub fn ask(&mut self, now: u64, number: u64, kind: &str, subject: Subject<'_>) {
        if let Err(why) = self.calls.check(kind) {
            self.out(Output::Fail { request: number, why });
            return;
        }
        if let ("hydrate", Some(slice)) = (kind, subject.slice) {
            self.slices.read(number, slice);
        }
        self.send_or_hold(now, number, kind, subject);
    }

    fn send_or_hold(
        &mut self,
        now: u64,
        number: u64,
        kind: &str,
        Subject { slice, id, settings }: Subject<'_>,
    ) {
        let owned = |text: Option<&str>| text.map(String::from);
        let (slice, id, settings) = (owned(slice), owned(id), owned(settings));
        // A call of `register` holds back actions that have to precede the request.
        self.held.push(Held { number, kind: kind.into(), slice, id, settings });
        if self.calls.is_idle() {
            self.send_held(now);
        }
    }

    /// Sends the requests that have waited for calls of `register`.
    fn send_held(&mut self, now: u64) {
        if self.held.is_empty() {
            return;
        }
        let refusal = self.calls.refusal();
        self.post(now);
        for Held { number, kind, slice, id, settings } in std::mem::take(&mut self.held) {
            if let Some(why) = &refusal {
                self.fail(now, number, why.clone());
                continue;
            }
            let subject =
                Subject { slice: slice.as_deref(), id: id.as_deref(), settings: settings.as_deref() };
            let message = self.session.request(now, number, &kind, subject);
            self.out(Output::Post(message));
        }
    }

    /// Forgets a request without an answer, so that it is not repeated. An answer that comes nevertheless is ignored.
    pub fn forget(&mut self, request: u64) {
        self.held.retain(|held| held.number != request);
        self.session.answered(request);
    }

    /// A request has failed.
    fn fail(&mut self, now: u64, request: u64, why: Failure) {
        match self.slices.end_read(now, request, None, 0) {
            Some((_, For::Nobody | For::Listeners, _)) => self.out(Output::Report(why)),
            _ => self.out(Output::Fail { request, why }),
        }
    }

    // Slices

    /// Tracks the items of a slice from now on, so that a set can name those that it leaves out. `none` is an empty set of ids.
    pub fn track(&mut self, slice: &str, none: T::Ids) {
        self.slices.track(slice, none);
    }

    /// Counts the listeners of a tracked slice, which are told if the page may have missed changes.
    pub fn count_listeners(&mut self, slice: &str, more: bool) {
        self.slices.count_listeners(slice, more);
    }

    /// Notes an action of this page on the items `ids` of a slice. For a set in a slice that the page has read, returns the ids
    /// that the set leaves out.
    pub fn acts_on(&mut self, slice: &str, effect: Effect, ids: &T::Ids) -> Option<T::Ids> {
        self.slices.dispatched(slice, effect, ids)
    }

    /// Returns true if the page knows items of the slice, or reads it: [`Client::note_change`] is to be called then.
    pub fn minds(&self, slice: &str) -> bool {
        self.slices.minds(slice)
    }

    /// Notes a change of items, made elsewhere, that a message tells of. Call it before [`Client::handle_message`].
    pub fn note_change(
        &mut self,
        slice: &str,
        position: u64,
        puts: &T::Ids,
        deletes: &T::Ids,
        change: &T::Message,
    ) {
        self.slices.changed(slice, Position(position), puts, deletes, change);
    }

    /// Notes that the page has read a tracked slice with these items.
    pub fn has_read(&mut self, slice: &str, ids: &T::Ids) {
        self.slices.has_read(slice, ids);
    }

    /// Notes the present items of [`Output::CaughtUp`]. Returns the ids of items that are gone.
    pub fn caught_up(&mut self, slice: &str, ids: T::Ids) -> Option<T::Ids> {
        self.slices.caught_up(slice, ids)
    }

    fn catch_up(&mut self, now: u64) {
        for slice in self.slices.to_catch_up(now) {
            let number = self.next_number();
            self.slices.catches_up(&slice, number);
            let subject = Subject { slice: Some(&slice), ..Subject::default() };
            self.send_or_hold(now, number, "hydrate", subject);
        }
    }

    /// Has everything read again that is followed: the page may have missed something.
    pub fn resync(&mut self, now: u64) {
        self.out(Output::Resync(Resync::Joined));
        self.out(Output::Lists);
        self.slices.catch_up(now);
        self.catch_up(now);
    }

    /// Returns true if every burst is acknowledged and every request is answered.
    pub fn at_rest(&self) -> bool {
        self.session.at_rest() && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests;
