//! The engine: everything that the worker decides. See the [crate's documentation](crate) for its control loop.
//!
//! The path of an action: a page's burst arrives ([`pages`]), is made durable and acknowledged ([`journal`]), folded
//! into items ([`fold`]), waits until they are quiet ([`debounce`]), is committed with its outbox row ([`commit`]),
//! sent ([`lane`]), and its answer stored ([`settle`]). [`Engine`] owns the parts and only routes between them.

mod backoff;
mod boot;
mod commit;
mod debounce;
mod entropy;
mod fold;
mod io;
mod items;
mod journal;
mod lane;
mod metrics;
mod outbox;
mod pages;
mod reports;
mod schedule;
mod server;
mod settings;
mod settle;
mod work;

pub use boot::BootError;
pub use io::{Answer, Deadline, Input, Moment, Output, Reason, Unreachable};

use crate::bridge::config::{Settings, Slices};
use crate::bridge::down::{self, To};
use crate::store::{ConflictRow, Key, StoreError, Write};
use crate::table::{Set, Table};
use backoff::Retry;
use commit::Committer;
use entropy::Entropy;
use fold::Fold;
use items::Items;
use journal::Journal;
use lane::Lane;
use metrics::Metrics;
use outbox::Outbox;
use pages::Waiter;
use reports::Reports;
use schedule::Schedule;
use settings::Change;
use settle::Settlement;
use std::rc::Rc;

/// The worker's state machine for one database.
pub struct Engine {
    now: u64,
    entropy: Entropy,
    /// The last number given to a transaction, load or request.
    last: u64,
    outputs: Vec<Output>,
    /// Those that are being handed out.
    polled: std::vec::IntoIter<Output>,
    /// Something arrived that the engine has not acted on: it does once what it said before is performed.
    stirred: bool,
    phase: Phase,
    /// Inputs that arrived while the phase could not take them.
    deferred: Vec<Input>,
    /// What each open transaction is for.
    open: Vec<(u64, Purpose)>,

    /// Names this database: new with each one.
    epoch: String,
    /// The database is new: its identity is written with the first registration.
    fresh: bool,
    stores: Vec<String>,
    settings: Settings,
    /// The slices as the settings have them.
    slices: Slices,
    schedule: Schedule,
    /// Slices whose items have to be looked through for what the server lacks.
    requeue: Vec<Rc<str>>,
    /// Those of the first one that were found and are to be committed; `None` before it is looked through.
    requeueing: Option<Set<Key>>,
    journal: Journal,
    fold: Fold,
    items: Items,
    committer: Committer,
    /// The next attempt, after a transaction or a read failed.
    writing: Retry,
    reading: Retry,
    /// Writes that stand on their own: tried until they succeed, and sending waits for them.
    owed: Vec<Write>,
    outbox: Outbox,
    conflicts: Table<Key, ConflictRow>,
    lane: Lane,
    settlement: Option<Settlement>,
    /// Records up to this position are committed without waiting for quiet.
    urgent_through: u64,
    waiters: Vec<Waiter>,
    /// Pages heard in this worker's life.
    pages: Set<Rc<str>>,
    reports: Reports,
    metrics: Metrics,
    /// The browser was asked to wake the worker.
    will_be_woken: bool,
}

#[derive(Debug)]
enum Phase {
    /// The items of the outbox are being read; `None` after a failure, until it is tried again.
    Loading(Option<u64>),
    Running,
    /// Object stores are being added for a registration.
    Migrating(Change),
    /// Settings are being stored. Nothing may build on them before that, and they build on nothing half done.
    Registering(u64, Change),
}

/// What an open transaction is for.
#[derive(Debug, PartialEq, Eq)]
enum Purpose {
    Journal,
    Commit,
    Trim(u64),
    Prepare,
    Settle,
    /// Writes that stand on their own.
    Owed(Vec<Write>),
    Metrics,
}

impl Engine {
    /// Takes an input. What is to be done about it is polled afterwards.
    pub fn handle(&mut self, moment: Moment, input: Input) {
        self.now = self.now.max(moment.now);
        self.entropy = Entropy(moment.entropy);
        self.reports.stale |= !matches!(input, Input::Wake);
        self.route(input);
        // Whatever comes once the retry is due: its deadline has passed then, and no timer is armed any more.
        if matches!(self.phase, Phase::Loading(None)) && !self.reading.waits(self.now) {
            self.load_outbox();
        }
        if self.is_running() {
            for input in std::mem::take(&mut self.deferred) {
                self.route(input);
            }
        }
        self.stirred = true;
    }

    /// The next thing to do; [`Output::Wait`] once there is nothing more.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(output) = self.polled.next() {
                return output;
            }
            if !self.outputs.is_empty() {
                self.polled = std::mem::take(&mut self.outputs).into_iter();
                continue;
            }
            if !self.is_running() || !std::mem::take(&mut self.stirred) {
                break;
            }
            self.advance();
        }
        let sync = self
            .schedule
            .next()
            .filter(|_| self.is_running())
            .map(|at| Deadline { at, reason: Reason::AutoSync });
        Output::Wait(self.deadline().into_iter().chain(sync).min())
    }

    /// Whether the worker has to be kept alive: something is being done, or will be within `within` ms.
    pub fn busy(&self, within: u64) -> bool {
        let soon = self.deadline().is_some_and(|deadline| deadline.at <= self.now + within);
        let unsent = self.lane.push.is_some() || self.items.len() > 0;
        !self.is_running()
            || !self.open.is_empty()
            || self.fold.loading.is_some()
            || !self.journal.idle()
            || self.lane.state != lane::State::Idle
            || (soon && (unsent || self.reports.due().is_some()))
    }

    fn route(&mut self, input: Input) {
        match (&self.phase, input) {
            (Phase::Running, input) => self.take(input),
            (Phase::Loading(expected), Input::Loaded { load, result }) if *expected == Some(load) => {
                self.loaded_outbox(result)
            }
            (Phase::Migrating(_), Input::Migrated(result)) => self.migrated(result),
            (Phase::Registering(expected, _), Input::Stored { txn, result }) if *expected == txn => {
                self.kept(result)
            }
            (_, Input::Wake) => {}
            (_, input) => self.deferred.push(input),
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Message(text) => self.hear(&text),
            Input::Stored { txn, result } => self.stored(txn, result),
            Input::Loaded { load, result } => self.loaded(load, result),
            Input::Answered { request, answer } => self.answered(request, answer),
            Input::Woken => self.woken(),
            Input::Migrated(_) | Input::Wake => {}
        }
    }

    fn stored(&mut self, txn: u64, result: Result<(), StoreError>) {
        let Some(at) = self.open.iter().position(|open| open.0 == txn) else { return };
        let (_, purpose) = self.open.swap_remove(at);
        if let Err(error) = &result {
            self.storage_failed(error);
        } else {
            self.reports.storage_error = None;
        }
        match purpose {
            Purpose::Journal => self.appended(result),
            Purpose::Commit => self.committed(txn, result),
            Purpose::Trim(through) => self.trimmed(through, result),
            Purpose::Prepare => self.prepared(result),
            Purpose::Settle => self.settled(result),
            Purpose::Owed(writes) => self.paid(writes, result),
            // They are stored again with the next change.
            Purpose::Metrics => {}
        }
    }

    fn storage_failed(&mut self, error: &StoreError) {
        self.reports.storage_error = Some(if error.full {
            "There is no room left to keep changes in this browser. Free some disk space; what was acknowledged is kept and the rest is tried again.".into()
        } else {
            format!(
                "The browser's database refused to keep changes ({}). It is tried again; if this stays, close other tabs of this site and reload.",
                error.message
            )
        });
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn store(&mut self, purpose: Purpose, writes: Vec<Write>) -> u64 {
        let txn = self.number();
        self.open.push((txn, purpose));
        self.outputs.push(Output::Store { txn, writes });
        txn
    }

    fn post(&mut self, to: To, message: String) {
        self.outputs.push(Output::Post { to, message });
    }

    /// Tells the pages of items that changed, by slice.
    fn tell_changed(
        &mut self,
        origin: down::Origin,
        except: Option<&str>,
        items: Vec<(Key, Option<crate::json::Json>)>,
    ) {
        let mut others = Vec::new();
        for page in self.pages.keys() {
            if Some(&**page) != except {
                others.push(page.clone());
            }
        }
        if others.is_empty() {
            return;
        }
        let mut slices = Set::default();
        for (key, _) in &items {
            slices.insert(key.slice.clone(), 0);
        }
        let position = self.journal.effective();
        for slice in slices.keys() {
            for page in &others {
                let n = self.journal.taken(page);
                let message = down::changed(slice, position, n, origin, &items);
                self.post(To::page(page), message);
            }
        }
    }

    /// When something is to be done at the latest, but for auto-sync.
    pub fn deadline(&self) -> Option<Deadline> {
        let at = |at: Option<u64>, reason| at.map(|at| Deadline { at, reason });
        let reading = at(self.reading.next(self.now), Reason::StorageRetry);
        if !self.is_running() {
            return reading;
        }
        let writing = at(self.writing.next(self.now), Reason::StorageRetry);
        // What is due and has not begun waits for an open transaction, not for a time.
        let debounce = at(self.items.debounce.next().filter(|due| *due > self.now), Reason::Debounce);
        let timeout = at(self.lane.in_flight().map(|(_, deadline)| deadline), Reason::RequestTimeout);
        let backoff = at(self.lane.retry_at.filter(|at| *at > self.now), Reason::Backoff);
        let aside = at(self.outbox.next_aside().filter(|at| *at > self.now), Reason::Backoff);
        let report = at(self.reports.due(), Reason::Report);
        let metrics = at(self.metrics.save_at(), Reason::Metrics);
        [reading, writing, debounce, timeout, backoff, aside, report, metrics].into_iter().flatten().min()
    }

    /// Whether there is something that the server does not have and can be sent.
    pub fn is_unsent(&self) -> bool {
        self.lane.push.is_some() || self.has_unsent() || !self.journal.idle() || self.items.debounce.len() > 0
    }
}
