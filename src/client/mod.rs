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
mod session;
mod slices;

pub use calls::{Addresses, Call, is_about_worker};
pub use session::{Message, Subject};
pub use slices::Effect;

use crate::bridge::place::is_refusal;
use crate::units::{BurstNo, Position};
use batcher::Batcher;
use calls::{Calls, Stage};
use session::Session;
use slices::{For, Slices};
use std::collections::VecDeque;

/// What passes through the client without being looked into.
pub trait Types {
    /// The JSON text of an action.
    type Action;
    type Burst: Burst<Self::Action>;
    type Ids: Ids;
    /// A message of the worker.
    type Message: Clone;
}

/// Actions that are posted together.
pub trait Burst<A>: Clone {
    /// A burst of one action.
    fn of(action: A) -> Self;
    fn push(&mut self, action: A);
}

impl<A: Clone> Burst<A> for Vec<A> {
    fn of(action: A) -> Self {
        vec![action]
    }

    fn push(&mut self, action: A) {
        Vec::push(self, action);
    }
}

/// A set of items' ids.
pub trait Ids: Clone {
    fn is_empty(&self) -> bool;
    fn add(&mut self, others: &Self);
    fn remove(&mut self, others: &Self);
    /// Returns the ids that are not among the others.
    #[must_use]
    fn without(&self, others: &Self) -> Self;
}

/// Why something failed: a code for programs, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.into(), message: message.into() }
    }
}

/// The fields of a worker's message that the client reads. A message has few of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    pub kind: &'a str,
    pub request: Option<u64>,
    pub code: Option<&'a str>,
    pub message: Option<&'a str>,
    pub epoch: Option<&'a str>,
    pub build: Option<&'a str>,
    pub n: Option<u64>,
    pub position: Option<u64>,
    pub unfinished: bool,
    pub more: bool,
    pub wake_in: Option<u64>,
    /// Of stored items: the number of them that came before, and in this message.
    pub first: u64,
    pub count: u64,
}

/// Why what the page knows of a slice is not to be built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// The page may have missed changes.
    Joined,
    /// The page is registered for another database, which has nothing that the page knows.
    Registered,
    /// The user has signed out, and nothing is theirs any more.
    SignedOut,
}

/// The items of a slice, as a read found them.
#[derive(Debug, Clone)]
pub struct Rows<M> {
    /// The messages of the answer, in their order. The last one is the answer itself.
    pub messages: Vec<M>,
    /// The changes that are newer, in their order.
    pub newer: Vec<M>,
}

/// What the host is to do.
pub enum Output<T: Types> {
    /// Post it to the worker.
    Post(Message<T::Burst>),
    /// Call [`Client::post`] at the end of this turn.
    PostSoon,
    /// Connect the page to the worker for this call of `register`, and report it by [`Client::connected`].
    Connect(u64, Addresses),
    /// Register the worker anew, in the place of whichever there is, and report it by [`Client::connected`].
    Claim(u64),
    /// Look for a newer worker, and report it by [`Client::looked_for_update`].
    LookForUpdate,
    /// The answer to a request, or to a call of `register`.
    Answer { request: u64, is_granted: bool, message: T::Message },
    /// A request, or a call of `register`, has failed.
    Fail { request: u64, why: Failure },
    /// The rows that a request has asked for. They have the page's first `actions` actions in them.
    Rows { request: u64, rows: Rows<T::Message>, actions: u64 },
    /// The rows of a slice, all of whose listeners are to be told of the present items, see [`Client::caught_up`].
    CaughtUp { slice: String, rows: Rows<T::Message> },
    /// The listeners of the slice are told that these items are gone.
    Gone { slice: String, ids: T::Ids },
    /// A message for whoever listens. Items of a slice are in effect with it up to the page's `actions`th action.
    Deliver { message: T::Message, actions: Option<u64> },
    /// Whoever follows slices or lists is to read them again.
    Resync(Resync),
    /// The lists of conflicts and refusals may be others.
    Lists,
    /// Nobody says how things stand, for the reason that the code names.
    NoStatus(Failure),
    /// Tell people.
    Report(Failure),
}

/// The sentence for people if no worker says anything.
const NO_WORKER: &str = "Nightferry's worker does not answer. What was changed in this tab is kept in it and goes on being tried, so keep the tab open. Close the other tabs of this site; a page that was loaded anew may say more.";
/// The sentence for an app that has read the items of a database that is gone.
const NEW_DATABASE: &str = "The browser has deleted this site's data, and there is a new database. What this page shows may be missing from it: reload the page, or dispatch again what is to be kept.";

/// A newer worker is looked for at most so often, in ms.
const UPDATE_MS: u64 = 60_000;

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

    // Registering

    /// Registers the worker and declares slices. `number` is from [`Client::next_number`].
    pub fn register(&mut self, now: u64, number: u64, call: Call) {
        self.calls.add(number, call);
        self.next_call(now);
    }

    /// Returns true if a call with the same options as call `number` has nothing to add to it.
    pub fn is_repeated(&self, number: u64) -> bool {
        self.calls.is_repeated(number) && !self.session.is_elsewhere()
    }

    fn next_call(&mut self, now: u64) {
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
    fn refuse(&mut self, now: u64, why: Failure) {
        let is_asked = matches!(self.calls.current, Some((.., Stage::Answer)));
        self.unless_newer = None;
        if let Some(request) = self.calls.fail(&why, is_asked) {
            self.out(Output::Fail { request, why });
        }
        self.next_call(now);
    }

    /// A worker that cannot start, or does not answer, has not granted the call in turn.
    fn cannot_start(&mut self, now: u64, why: &Failure) {
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
    fn look_for_update(&mut self, now: u64) {
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
        self.last_actions.first().filter(|burst| burst.0 <= n).map_or(0, |burst| burst.1)
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

    // The worker's messages

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

    /// The worker has answered a call of `register`.
    fn registered(
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

    /// The page is registered for another database, which has nothing that it knows.
    fn is_of_another_database(&mut self) {
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

#[cfg(test)]
mod tests;
