//! A small world in virtual time around the engine: one worker that can die at any moment, its database, pages, a
//! network and a server. Everything random comes from a seed, so a run repeats exactly.
//!
//! Each output of the engine becomes an event: a transaction finishes, a message arrives, a request reaches the
//! server. [`World::step`] performs the next one. Each place between two of them is a *boundary*, where the worker
//! can be killed ([`World::kill_at`], [`FaultRates::deaths`]). By module: `worker.rs` starts, feeds and kills the
//! worker, `channels.rs` carries messages, `network.rs` requests; `invariants.rs` holds all of it to its properties.

use crate::Rng;
use crate::disk::Disk;
use crate::fault_rates::FaultRates;
use crate::kinds::Tally;
use crate::model::Model;
use crate::page::{Page, action};
use crate::property::{Property, violated};
use crate::rng::Streams;
use crate::server::Server;
use nightferry::engine::{Deadline, Engine, Input};
use nightferry::units::Tick;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Tells the generators of faults from the world's own.
const STREAMS: u64 = 0x5ee0_f00d;
/// When worlds begin, in epoch ms.
pub(crate) const START: u64 = 1_765_000_000_000;
/// A run that takes more steps than this goes in circles.
const MAX_STEPS: usize = 100_000;

pub(crate) enum Event {
    ToWorker {
        text: String,
    },
    ToPage {
        page: usize,
        message: Rc<Value>,
    },
    /// Work of the database may finish.
    Disk {
        id: u64,
    },
    /// The engine is told.
    Report {
        worker: u64,
        input: Input,
    },
    /// A live connection reaches the server.
    Connect {
        worker: u64,
        live: u64,
    },
    /// A request reaches the server; the answer to a copy that the network made goes nowhere.
    Arrive {
        worker: u64,
        request: u64,
        path: &'static str,
        body: Option<String>,
        copy: bool,
    },
}

pub struct World {
    /// Its number in a fleet.
    pub device: Option<usize>,
    /// It has no network.
    pub is_offline: bool,
    /// The server answers live connections.
    pub has_live: bool,
    /// The number of the one that the worker wants, and of the one that is open.
    pub wanted_live: Option<u64>,
    pub live: Option<u64>,
    /// The true time. Device and pages have a clock of their own: [`World::clock`].
    pub now: u64,
    /// How far the device's clock is ahead.
    pub(crate) skew: i64,
    pub rng: Rng,
    pub(crate) streams: Streams,
    pub engine: Option<Engine>,
    /// When this worker was started, in true time.
    pub(crate) born_at: u64,
    /// How many workers there were.
    pub worker: u64,
    pub disk: Disk,
    pub server: Server,
    pub pages: Vec<Page>,
    /// The place whose pages the next workers serve; any page's, where none is set.
    pub place: Option<String>,
    /// The user that they claim the database for.
    pub user: Option<String>,
    /// The worker of another user is in charge of this browser: what the pages say is kept for that one.
    pub(crate) is_away: bool,
    pub(crate) strayed: Vec<String>,
    /// What the worker has posted to pages that are not of this world, with their ids.
    pub(crate) for_strangers: Vec<(String, Value)>,
    /// When the last message that is on its way to the worker, by page, and the last to each page, was sent and arrives.
    pub(crate) channels: BTreeMap<(usize, bool), (u64, u64)>,
    pub model: Model,
    /// Writes of other devices that the worker was told of, and in which step.
    pub(crate) known: BTreeMap<u64, usize>,
    /// A server named a time before which nothing is to be sent, by the worker's clock.
    pub(crate) not_before: Option<Tick>,
    /// By page and property: how far its bursts were found to be done. A burst that is done stays done.
    pub(crate) done: BTreeMap<(String, &'static str), u64>,
    /// Boundaries passed so far.
    pub boundary: usize,
    /// The worker dies at this boundary and is started again at once.
    pub kill_at: Option<usize>,
    /// In thousandths: how likely the worker dies at any boundary, to be started again at once.
    pub kills: u64,
    pub fault_rates: FaultRates,
    pub tally: Tally,
    pub deadline: Option<Deadline>,
    /// When the worker is woken for that, in true time.
    pub(crate) wake_at: Option<u64>,
    /// Requests that the engine gave up.
    pub cancelled: Vec<u64>,
    /// The worker asked the browser to be woken once there is a network.
    pub asked_to_be_woken: bool,
    /// Pages hear the metrics. In a long run they would be most of what is said.
    pub tells_metrics: bool,
    /// How many requests were begun.
    pub requested: usize,
    /// The request that this worker waits for.
    pub(crate) in_flight: Option<u64>,
    pub(crate) events: BTreeMap<(u64, u64), Event>,
    count: u64,
    pub steps: usize,
    /// The trace, if it was asked for.
    pub trace: Option<Vec<String>>,
}

impl World {
    /// A world with a running worker and no page.
    pub fn new(seed: u64) -> World {
        let mut world = World::asleep(seed);
        world.boot();
        world
    }

    /// A world whose one page (number 0) has registered these slices.
    pub fn with(seed: u64, slices: &str) -> World {
        let mut world = World::new(seed);
        world.open_page(slices);
        world
    }

    /// A world in which nothing runs yet.
    pub fn asleep(seed: u64) -> World {
        World {
            device: None,
            is_offline: false,
            has_live: false,
            wanted_live: None,
            live: None,
            now: START,
            skew: 0,
            rng: Rng(seed),
            streams: Streams::of(seed ^ STREAMS),
            engine: None,
            born_at: START,
            worker: 0,
            disk: Disk::default(),
            server: Server::default(),
            pages: Vec::new(),
            place: None,
            user: None,
            is_away: false,
            strayed: Vec::new(),
            for_strangers: Vec::new(),
            channels: BTreeMap::new(),
            model: Model::default(),
            known: BTreeMap::new(),
            not_before: None,
            done: BTreeMap::new(),
            boundary: 0,
            kill_at: None,
            kills: 0,
            fault_rates: FaultRates::default(),
            tally: Tally::default(),
            deadline: None,
            wake_at: None,
            cancelled: Vec::new(),
            asked_to_be_woken: false,
            tells_metrics: true,
            requested: 0,
            in_flight: None,
            events: BTreeMap::new(),
            count: 0,
            steps: 0,
            trace: None,
        }
    }

    /// Opens a page that registers these slices, and waits until it is registered.
    pub fn open_page(&mut self, slices: &str) -> usize {
        let page = self.add_page(slices);
        self.run_until("the page is registered", |world| world.pages[page].epoch.is_some());
        page
    }

    /// Opens a page that registers these slices.
    pub fn add_page(&mut self, slices: &str) -> usize {
        self.add_page_with(slices, |_| {})
    }

    /// Opens a page that registers these slices, once it is set up.
    pub fn add_page_with(&mut self, slices: &str, set_up: impl FnOnce(&mut Page)) -> usize {
        let page = self.pages.len();
        let id = format!("page{page}-{:x}", self.rng.next());
        self.pages.push(Page::new(&id, slices));
        set_up(&mut self.pages[page]);
        self.register(page);
        page
    }

    /// Registers what the page declares.
    pub fn register(&mut self, page: usize) -> u64 {
        let now = self.now;
        let request = self.pages[page].register(now);
        self.say_all(page);
        request
    }

    /// Registers other slices.
    pub fn register_others(&mut self, page: usize, slices: &str) -> u64 {
        self.pages[page].slices = serde_json::from_str(slices).expect("slices are JSON");
        self.register(page)
    }

    /// Calls `register` again for each page whose call failed. Returns true if there was such a page.
    pub(crate) fn register_again(&mut self) -> bool {
        let failed = |page: &Page| {
            page.open && page.epoch.is_none() && !page.asked.values().any(|asked| asked.kind == "register")
        };
        let pages: Vec<usize> = (0..self.pages.len()).filter(|page| failed(&self.pages[*page])).collect();
        for page in &pages {
            self.register(*page);
        }
        !pages.is_empty()
    }

    /// Dispatches one burst of actions: `(type, payload)`.
    pub fn burst(&mut self, page: usize, actions: &[(&str, Value)]) -> u64 {
        self.dispatch_all(page, actions.iter().map(|(kind, payload)| action(kind, payload)).collect())
    }

    pub fn dispatch(&mut self, page: usize, kind: &str, payload: Value) -> u64 {
        self.burst(page, &[(kind, payload)])
    }

    pub fn dispatch_all(&mut self, page: usize, actions: Vec<Value>) -> u64 {
        let now = self.now;
        self.note(|_| format!("page {page} dispatches {}", Value::from(actions.clone())));
        let n = self.pages[page].burst(now, actions);
        self.say_all(page);
        n
    }

    /// Asks for something that is answered by its number: `flush`, `sync`, `hydrate` (of `files`).
    pub fn ask(&mut self, page: usize, kind: &'static str) -> u64 {
        self.ask_of(page, kind, "files")
    }

    pub fn ask_of(&mut self, page: usize, kind: &'static str, slice: &str) -> u64 {
        let now = self.now;
        let request = self.pages[page].ask(now, kind, slice);
        self.note(|_| format!("page {page} asks to {kind} as request {request}"));
        self.say_all(page);
        request
    }

    /// Configures a slice or, where none is named, auto-sync; the number of the request.
    pub fn configure(&mut self, page: usize, slice: Option<&str>, settings: &Value) -> u64 {
        let now = self.now;
        let request = self.pages[page].configure(now, slice, settings);
        self.note(|_| format!("page {page} configures {slice:?} with {settings} as request {request}"));
        self.say_all(page);
        request
    }

    /// The page asks to be told of the progress of a slice.
    pub(crate) fn subscribe(&mut self, page: usize, slice: &str) {
        let now = self.now;
        self.pages[page].subscribe(now, slice);
        self.say_all(page);
    }

    /// A page says something that needs no answer: `online`, `hidden`, `ping`.
    pub fn signal(&mut self, page: usize, kind: &str) {
        let now = self.now;
        self.pages[page].tell(now, kind);
        self.say_all(page);
    }

    /// The browser wakes the worker, as by Background Sync.
    pub fn background_sync(&mut self) {
        if self.engine.is_none() {
            self.boot();
        }
        self.feed(Input::BackgroundSync);
    }

    pub fn status(&self) -> nightferry::bridge::status::Status {
        self.engine.as_ref().expect("a worker").status()
    }

    /// The last metrics that a page heard.
    pub fn metrics(&self, page: usize) -> Value {
        self.pages[page].last("metrics")["metrics"].clone()
    }

    /// Lets transactions that were held go on.
    pub fn release(&mut self) {
        for id in self.disk.release() {
            self.after(0, Event::Disk { id });
        }
    }

    pub fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.next_time().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        while !done(self) {
            assert!(!self.quiet() && self.step(), "nothing will happen any more, but not: {what}");
        }
    }

    /// Runs until nothing is left to do but heartbeats of pages and auto-sync, which go on for ever.
    pub fn run_until_quiescent(&mut self) {
        while !self.quiet() && self.step() {}
    }

    pub(crate) fn quiet(&self) -> bool {
        let heartbeats = self.pages.iter().any(|page| page.deadline().is_some());
        self.events.is_empty()
            && self.engine.as_ref().is_none_or(|engine| engine.deadline().is_none())
            && self.pages.iter().all(Page::at_rest)
            && (self.engine.is_some() || !heartbeats)
    }

    /// The device's clock.
    pub fn clock(&self) -> u64 {
        self.now.saturating_add_signed(self.skew)
    }

    pub(crate) fn next_time(&self) -> Option<u64> {
        let event = self.events.keys().next().map(|(at, _)| *at);
        event.into_iter().chain(self.wake_at).chain(self.tick().map(|(at, _)| at)).min()
    }

    /// The page whose session is the next to say something by itself, and when.
    fn tick(&self) -> Option<(u64, usize)> {
        let due = |(page, state): (usize, &Page)| Some((state.deadline()?, page));
        self.pages.iter().enumerate().filter_map(due).min()
    }

    /// Performs the next event; `false` where there is none.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_time() else { return false };
        self.steps += 1;
        self.model.step = self.steps;
        if self.steps >= MAX_STEPS {
            violated(Property::NoSpin, format!("{MAX_STEPS} steps, and no end"));
        }
        self.now = self.now.max(at);
        match self.events.first_key_value() {
            Some(((due, _), _)) if *due <= self.now => {
                let (_, event) = self.events.pop_first().expect("it was there");
                self.perform(event);
            }
            _ if self.wake_at.is_some_and(|at| at <= self.now) => self.feed(Input::Timeout),
            _ => {
                let page = self.tick().expect("nothing else is due").1;
                let now = self.now;
                self.pages[page].tick(now);
                self.say_all(page);
            }
        }
        self.check_step();
        true
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::ToWorker { text } => self.deliver(text),
            Event::ToPage { page, message } => self.handle_message(page, &message),
            Event::Disk { id } => self.finish(id),
            Event::Report { worker, input } if worker == self.worker && self.engine.is_some() => {
                self.input(input)
            }
            Event::Report { .. } => {}
            Event::Connect { worker, live } => self.connect(worker, live),
            Event::Arrive { worker, request, path, body, copy } => {
                self.arrive(worker, request, path, body.as_deref(), copy);
            }
        }
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// Writes down what happens, if someone reads it.
    pub(crate) fn note(&mut self, what: impl FnOnce(&World) -> String) {
        let Some(mut trace) = self.trace.take() else { return };
        let device = self.device.map(|device| format!("d{device} ")).unwrap_or_default();
        trace.push(format!("{:>9} {device}{}", self.now - START, what(self)));
        self.trace = Some(trace);
    }
}
