//! The engine: everything that the worker decides. See the [crate's documentation](crate) for its control loop.
//!
//! One idea carries it: everything that changes an item is first a record of one log, then an effect in memory, then,
//! later, rows. The engine is made of machines with private state. [`Engine`] owns them and only routes between them.
//!
//! | machine | owns |
//! |---|---|
//! | [`journal`] | records, positions, how far each page is, trimming |
//! | [`replay`] | durable records on their way to take effect; the record that ends every start |
//! | [`replica`] | items, debounce, conflicts, refusals; what to write and what to send |
//! | [`uplink`] | the request in flight, the push under way, waits, the line |
//! | [`tokens`] | the token that requests carry, and which page is asked for one |
//! | [`storage`] | open transactions and reads, retries |
//! | [`settings`] | what was registered and configured, object stores, auto-sync's clock |
//! | [`clients`] | pages, their requests, acknowledgements, status, metrics |
//!
//! # The path of an action
//!
//! A page's burst arrives (`messages.rs`), is made durable ([`journal::Journal::append`]) and acknowledged
//! ([`clients::Clients::acknowledge`]), is read ([`replay::parse`]), takes effect ([`replica::Replica::apply`]) once its
//! items are here, and is told to other pages. Items that fell quiet are written ([`replica::Replica::start_checkpoint`]) and
//! sent ([`uplink::Uplink::poll`]); the answers are a record again ([`journal::Journal::add`]), and take effect like any.
//! Records that the journal no longer needs go with a checkpoint ([`journal::Journal::write_trim`]).

mod advance;
mod backoff;
mod clients;
mod clock;
mod input;
mod journal;
mod messages;
mod output;
mod pulled;
mod recovery;
mod replay;
mod replica;
mod rescue;
mod rng;
mod schedule;
mod settings;
mod sign_out;
mod storage;
mod tokens;
mod tombstones;
mod trace;
mod uplink;

pub use input::{Input, Moment, NetworkError, REDIRECTED, Response};
pub use output::{Deadline, Output, Reason};
pub use recovery::BootError;
pub use rescue::Rescue;

use crate::bridge::status::Status;
use crate::store::{Key, StoreError, Write};
use crate::units::{Position, Tick, Version};
use clients::{Clients, View};
use clock::Now;
use journal::Journal;
use replay::Replay;
use replica::Replica;
use rng::Rng;
use settings::Settings;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use storage::{Purpose, Storage};
use tokens::Tokens;
use uplink::Uplink;

/// The worker's state machine for one database.
pub struct Engine {
    now: Now,
    rng: Rng,
    /// The place whose pages it serves, see [`Place`](crate::bridge::place::Place); any page's, where none is set.
    place: Option<Rc<str>>,
    /// The last number given to a transaction, read or request.
    last_id: u64,
    outputs: VecDeque<Output>,
    /// An input was received but not processed yet. It is processed once the driver has taken all pending outputs.
    needs_advance: bool,
    phase: Phase,
    /// Inputs that arrived while the phase could not take them.
    deferred: Vec<Input>,
    /// Records up to this position are written without waiting for quiet.
    urgent_through: Position,
    /// The server's newest version when tombstones were last looked for, `_meta.forgotten`.
    forgotten_at: Option<Version>,
    /// `_meta.start` is written.
    is_start_counted: bool,
    /// The epochs that were ended by signing out, oldest first, `_meta.left`.
    left: Vec<Rc<str>>,

    journal: Journal,
    replay: Replay,
    replica: Replica,
    uplink: Uplink,
    tokens: Tokens,
    storage: Storage,
    settings: Settings,
    clients: Clients,
}

#[derive(Debug)]
enum Phase {
    /// These items, and those that the journal names, are being read, and the start is being counted by a transaction.
    Starting {
        keys: BTreeSet<Key>,
        is_counting: Option<u64>,
        is_loaded: bool,
    },
    Running,
    /// The database is being emptied, because this page asked for it.
    SigningOut {
        page: Rc<str>,
        request: u64,
    },
}

impl Engine {
    fn empty(now: Now) -> Self {
        Engine {
            now,
            rng: Rng(0),
            place: None,
            last_id: 0,
            outputs: VecDeque::new(),
            needs_advance: true,
            phase: Phase::Running,
            deferred: Vec::new(),
            urgent_through: Position(0),
            forgotten_at: None,
            is_start_counted: false,
            left: Vec::new(),
            journal: Journal::default(),
            replay: Replay::default(),
            replica: Replica::default(),
            uplink: Uplink::default(),
            tokens: Tokens::default(),
            storage: Storage::default(),
            settings: Settings::default(),
            clients: Clients::default(),
        }
    }

    /// Takes an input. The resulting outputs are polled afterwards.
    pub fn handle(&mut self, moment: Moment, input: Input) {
        self.now = Now { tick: self.now.tick.max(moment.tick), at: moment.at };
        self.rng = Rng(moment.entropy);
        if !matches!(input, Input::Timeout) {
            self.clients.touch();
        }
        self.route(input);
        if self.is_running() {
            for input in std::mem::take(&mut self.deferred) {
                self.route(input);
            }
        }
        self.needs_advance = true;
    }

    /// Serves the pages of a place, and refuses messages of all others. A database without a user becomes that of `user`, before
    /// anything else is written.
    pub fn serve(&mut self, place: &str, user: Option<&str>) {
        self.place = Some(place.into());
        if let Some(write) = user.and_then(|user| self.uplink.name_user(user)) {
            self.store(Purpose::Standalone(vec![write.clone()]), vec![write]);
        }
    }

    /// The next thing to do; [`Output::Wait`] once there is nothing more.
    pub fn poll(&mut self) -> Output {
        loop {
            self.outputs.extend(self.clients.take_outputs());
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if !std::mem::take(&mut self.needs_advance) {
                break;
            }
            match self.is_running() {
                true => self.advance(),
                false => self.retry_start(),
            }
        }
        let sync = self.settings.poll_timeout().filter(|_| self.is_running());
        let sync = sync.map(|at| Deadline { at, reason: Reason::AutoSync });
        let live = self.uplink.live_timeout(self.now.tick).filter(|_| self.is_running());
        let live = live.map(|at| Deadline { at, reason: Reason::Live });
        Output::Wait(self.deadline().into_iter().chain(sync).chain(live).min())
    }

    /// Returns true if the worker has to be kept alive: something is being done, or will be within `within` ms.
    pub fn busy(&self, within: u64) -> bool {
        let soon = self.deadline().is_some_and(|deadline| deadline.at <= self.now.tick.plus(within));
        let has_items = !self.uplink.operations().is_empty() || self.replica.is_working();
        !self.is_running()
            || !self.storage.is_idle()
            || !self.journal.is_idle()
            || !self.uplink.is_idle()
            || (soon && (has_items || self.clients.poll_timeout().is_some()))
    }

    /// The state of the whole.
    pub fn status(&self) -> Status {
        self.clients.status(self.view())
    }

    /// When something is to be done at the latest, but for auto-sync.
    pub fn deadline(&self) -> Option<Deadline> {
        let now = self.now.tick;
        let at = |at: Option<Tick>, reason| at.map(|at| Deadline { at, reason });
        let retry = at(self.storage.poll_timeout(now), Reason::StorageRetry);
        if !self.is_running() {
            return retry;
        }
        let uplink = if self.uplink.is_in_flight() { Reason::RequestTimeout } else { Reason::Backoff };
        let deadlines = [
            retry,
            at(self.replica.next_due(self.urgency(), now), Reason::Debounce),
            at(self.uplink.poll_timeout(now).filter(|_| !self.tokens.is_waiting()), uplink),
            at(self.tokens.poll_timeout(), Reason::Token),
            at(self.clients.poll_timeout(), Reason::Report),
            at(self.clients.metrics_timeout(), Reason::Metrics),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Returns true if there is something that the server does not have and can be sent.
    pub fn is_unsent(&self) -> bool {
        !self.uplink.operations().is_empty()
            || self.replica.has_unsent(self.settings.slices())
            || self.replica.waiting() > 0
            || !self.journal.is_idle()
    }

    fn route(&mut self, input: Input) {
        let takes = match &input {
            Input::Migrated(_) => self.settings.is_migrating(),
            Input::Stored { txn, .. } if self.settings.is_storing() => {
                self.storage.is_for(*txn, &Purpose::Settings)
            }
            Input::Stored { .. } | Input::Loaded { .. } => {
                !self.settings.is_migrating() && !self.settings.is_storing()
            }
            Input::Timeout => true,
            _ => self.is_running(),
        };
        match input {
            Input::Timeout => {}
            input if !takes => self.deferred.push(input),
            Input::Message(text) => self.handle_message(&text),
            Input::Stored { txn, result } => self.stored(txn, result),
            Input::Loaded { load, result } => self.loaded(load, result),
            Input::Migrated(result) => self.migrated(result),
            Input::Answered { request, answer } => self.request_answered(request, answer),
            Input::BackgroundSync => self.background_sync(),
            Input::Poked { live, text } => self.uplink.poked(live, &text),
            Input::LiveEnded { live } => self.uplink.live_ended(live, self.now.tick, &mut self.rng),
        }
    }

    fn stored(&mut self, txn: u64, result: Result<(), StoreError>) {
        let Some(purpose) = self.storage.end(txn, &result, self.now.tick, &mut self.rng) else { return };
        match purpose {
            Purpose::Append => self.appended(result),
            Purpose::Checkpoint => self.checkpointed(txn, result),
            Purpose::Prepare => self.prepared(result),
            Purpose::Settings => self.settings_stored(result),
            Purpose::Replay => self.replay_noted(),
            Purpose::SignOut => self.signed_out(result),
            // They are repeated by the storage, or stored again with the next change.
            Purpose::Standalone(_) | Purpose::Metrics => {}
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running) && self.settings.is_stable()
    }

    /// Returns true if there is something that only this device has.
    pub fn has_unsent(&self) -> bool {
        !self.replica.unsent(self.settings.slices()).is_empty()
    }

    /// So many other users of this browser have changes that wait on this device until they sign in again.
    pub fn others_wait(&mut self, others: u64) {
        self.clients.others_wait(others);
        self.needs_advance = true;
    }

    fn view(&self) -> View<'_> {
        View {
            now: self.now,
            journal: &self.journal,
            replica: &self.replica,
            uplink: &self.uplink,
            storage: &self.storage,
            settings: &self.settings,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn store(&mut self, purpose: Purpose, writes: Vec<Write>) -> u64 {
        let txn = self.next_id();
        self.storage.begin(txn, purpose);
        self.outputs.push_back(Output::Store { txn, writes });
        txn
    }
}
