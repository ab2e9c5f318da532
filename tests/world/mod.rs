//! A small world in virtual time around the engine: one worker that can die at any moment, its database, pages that
//! send again what was not acknowledged, and a server. Everything random comes from a seed, so a run repeats exactly.
//!
//! Whatever the engine asks for becomes an event: a transaction finishes, a message arrives, a request reaches the
//! server. [`World::step`] performs the next one. Each place between two of them is a *boundary*, where the worker
//! can be killed ([`World::kill_at`]). After every step [`World::check_step`] holds the engine to its liveness.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod disk;
pub mod model;
pub mod page;
pub mod server;

use disk::{Disk, Work};
use model::Burst;
use nightferry::bridge::down::To;
use nightferry::engine::{Deadline, Engine, Input, Moment, Output, Unreachable};
use page::Page;
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;

/// A run that takes more steps than this goes in circles.
const MAX_STEPS: usize = 200_000;

enum Event {
    ToWorker {
        life: u64,
        text: String,
    },
    ToPage {
        page: usize,
        message: Value,
    },
    /// A page sends again what was not acknowledged.
    Resend {
        page: usize,
    },
    /// Work of the database may finish.
    Disk {
        id: u64,
    },
    /// The engine is told.
    Report {
        life: u64,
        input: Input,
    },
    /// A request reaches the server.
    Arrive {
        life: u64,
        request: u64,
        path: &'static str,
        body: Option<String>,
    },
}

pub struct World {
    pub now: u64,
    pub dice: Dice,
    pub engine: Option<Engine>,
    /// How many workers there were.
    pub life: u64,
    pub disk: Disk,
    pub server: Server,
    pub pages: Vec<Page>,
    /// Bursts in the order in which they became durable.
    pub log: Vec<Burst>,
    /// Boundaries passed so far.
    pub boundary: usize,
    /// The worker dies at this boundary and is started again at once.
    pub kill_at: Option<usize>,
    /// In thousandths: how likely the worker dies at any boundary.
    pub kills: u64,
    pub deadline: Option<Deadline>,
    /// Requests that the engine gave up.
    pub cancelled: Vec<u64>,
    pub asked_to_be_woken: bool,
    /// Requests that the engine began.
    pub requested: usize,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    steps: usize,
}

impl World {
    /// A world with a running worker and no page.
    pub fn new(seed: u64) -> World {
        let mut world = World {
            now: 1_765_000_000_000,
            dice: Dice(seed),
            engine: None,
            life: 0,
            disk: Disk::default(),
            server: Server::default(),
            pages: Vec::new(),
            log: Vec::new(),
            boundary: 0,
            kill_at: None,
            kills: 0,
            deadline: None,
            cancelled: Vec::new(),
            asked_to_be_woken: false,
            requested: 0,
            events: BTreeMap::new(),
            count: 0,
            steps: 0,
        };
        world.boot();
        world
    }

    /// A world whose one page (number 0) has registered these slices.
    pub fn with(seed: u64, slices: &str) -> World {
        let mut world = World::new(seed);
        world.open_page(slices);
        world
    }

    /// Opens a page that registers these slices, and waits until it is registered.
    pub fn open_page(&mut self, slices: &str) -> usize {
        let page = self.pages.len();
        let id = format!("page{page}-{:x}", self.dice.next());
        self.pages.push(Page::new(&id, slices));
        let register = self.pages[page].register();
        self.tell(register);
        self.run_until("the page is registered", |world| world.pages[page].epoch.is_some());
        page
    }

    /// Dispatches one burst of actions: `(type, payload)`.
    pub fn burst(&mut self, page: usize, actions: &[(&str, Value)]) -> u64 {
        let (n, text) = self.pages[page].burst(actions);
        text.into_iter().for_each(|text| self.tell(text));
        n
    }

    pub fn dispatch(&mut self, page: usize, kind: &str, payload: Value) -> u64 {
        self.burst(page, &[(kind, payload)])
    }

    /// Asks for something that is answered by its number: `flush`, `sync`, `hydrate` (of `files`).
    pub fn ask(&mut self, page: usize, kind: &str) -> u64 {
        let (request, text) = self.pages[page].ask(kind, Some("files"), Value::Null);
        self.tell(text);
        request
    }

    /// Configures a slice or, where none is named, auto-sync, and waits for the answer: its kind.
    pub fn configure(&mut self, page: usize, slice: Option<&str>, settings: Value) -> String {
        let (request, text) = self.pages[page].ask("configure", slice, settings);
        self.tell(text);
        self.run_until("the configuration is answered", |world| world.pages[page].answer(request).is_some());
        self.pages[page].answer(request).unwrap_or_default().to_owned()
    }

    /// Something that needs no answer: `hidden`, `online`, `ping`.
    pub fn say(&mut self, page: usize, kind: &str) {
        let id = self.pages[page].id.clone();
        self.tell(serde_json::json!({"v": 1, "kind": kind, "page": id}).to_string());
    }

    /// The browser wakes the worker.
    pub fn wake(&mut self) {
        self.feed(Input::Woken);
    }

    pub fn status(&self) -> nightferry::bridge::status::Status {
        self.engine.as_ref().expect("a worker").status()
    }

    /// The last metrics that a page heard.
    pub fn metrics(&self, page: usize) -> Value {
        self.pages[page].last("metrics")["metrics"].clone()
    }

    /// A message to the worker.
    pub fn tell(&mut self, text: String) {
        let life = self.life;
        self.after(1, Event::ToWorker { life, text });
    }

    pub fn boot(&mut self) {
        self.life += 1;
        let moment = self.moment();
        let engine = Engine::new(moment, self.disk.store.snapshot()).expect("the engine starts");
        self.engine = Some(engine);
        self.drain();
    }

    /// The worker dies. Of its transactions, some may have taken effect, in their order.
    pub fn kill(&mut self) {
        self.engine = None;
        self.deadline = None;
        let Self { disk, dice, log, .. } = self;
        disk.crash(|| dice.chance(500), |writes| log.extend(model::bursts(writes)));
    }

    pub fn kill_and_boot(&mut self) {
        self.kill();
        self.boot();
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
            assert!(!self.is_idle() && self.step(), "nothing will happen any more, but not: {what}");
        }
    }

    /// Runs until nothing is left to do.
    pub fn settle(&mut self) {
        while !self.is_idle() && self.step() {}
    }

    fn next_time(&self) -> Option<u64> {
        let event = self.events.keys().next().map(|(at, _)| *at);
        event.into_iter().chain(self.deadline.map(|deadline| deadline.at)).min()
    }

    /// Auto-sync goes on for ever: it is nothing that is left to do.
    fn is_idle(&self) -> bool {
        self.events.is_empty() && self.engine.as_ref().is_none_or(|engine| engine.deadline().is_none())
    }

    /// Performs the next event; `false` where there is none.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_time() else { return false };
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "the run goes in circles");
        self.now = self.now.max(at);
        match self.events.first_key_value() {
            Some(((due, _), _)) if *due <= self.now => {
                let (_, event) = self.events.pop_first().expect("it was there");
                self.perform(event);
            }
            _ => self.feed(Input::Wake),
        }
        self.check_step();
        true
    }

    fn perform(&mut self, event: Event) {
        match event {
            // A message to a worker that died is lost.
            Event::ToWorker { life, text } if life == self.life => self.feed(Input::Message(text)),
            Event::ToPage { page, message } => self.hear(page, &message),
            Event::Resend { page } => self.pages[page].resend().into_iter().for_each(|text| self.tell(text)),
            Event::Disk { id } => self.finish(id),
            Event::Report { life, input } if life == self.life => self.feed(input),
            Event::Arrive { life, request, path, body } => {
                let answer = self.server.receive(self.now, path, body.as_deref());
                self.boundary();
                let Some(answer) = answer else { return };
                let answer = answer.ok_or_else(|| Unreachable("connection refused".into()));
                let latency = self.dice.below(20);
                self.after(latency, Event::Report { life, input: Input::Answered { request, answer } });
            }
            _ => {}
        }
    }

    fn hear(&mut self, page: usize, message: &Value) {
        let Self { pages, dice, log, .. } = self;
        let answers = pages[page].hear(message, dice);
        pages[page].check_acknowledged(log);
        answers.into_iter().for_each(|text| self.tell(text));
        if self.pages[page].retries() {
            self.after(500, Event::Resend { page });
        }
    }

    fn finish(&mut self, id: u64) {
        if !self.disk.ready(id) {
            if !self.disk.is_held(id) {
                self.after(1, Event::Disk { id });
            }
            return;
        }
        self.boundary();
        let Some((work, result)) = self.disk.finish(id, &mut self.dice) else { return };
        if let (Work::Store { writes, .. }, Ok(())) = (&work, &result) {
            self.log.extend(model::bursts(writes));
        }
        let life = self.life;
        match work {
            Work::Rows { to, message, store } => {
                let message = self.disk.rows(&message, &store);
                self.post(&to, message);
            }
            work => self.after(0, Event::Report { life, input: disk::report(work, result, &self.disk) }),
        }
        self.boundary();
    }

    fn feed(&mut self, input: Input) {
        let moment = self.moment();
        if let Some(engine) = &mut self.engine {
            engine.handle(moment, input);
            self.drain();
            self.boundary();
        }
    }

    /// Starts what the engine wants.
    fn drain(&mut self) {
        loop {
            let Some(engine) = &mut self.engine else { return };
            match engine.poll() {
                Output::Wait(deadline) => {
                    let late = deadline.is_some_and(|deadline| deadline.at <= self.now);
                    assert!(!late, "{deadline:?} is not after {}: the worker would spin", self.now);
                    self.deadline = deadline;
                    return;
                }
                Output::Post { to, message } => {
                    self.post(&to, serde_json::from_str(&message).expect("a message is JSON"))
                }
                Output::Request { request, path, body } => {
                    self.requested += 1;
                    let life = self.life;
                    let latency = 1 + self.dice.below(20);
                    self.after(latency, Event::Arrive { life, request, path, body });
                }
                Output::Cancel { request } => self.cancelled.push(request),
                Output::Store { txn, writes } => self.work(Work::Store { txn, writes }),
                Output::AskToBeWoken => self.asked_to_be_woken = true,
                Output::Load { load, wanted, whole } => self.work(Work::Load { load, wanted, whole }),
                Output::Migrate { stores } => self.work(Work::Migrate { stores }),
                Output::Rows { to, message, store, .. } => self.work(Work::Rows { to, message, store }),
            }
        }
    }

    fn work(&mut self, work: Work) {
        let id = self.disk.start(work);
        let latency = 1 + self.dice.below(3);
        self.after(latency, Event::Disk { id });
    }

    fn post(&mut self, to: &To, message: Value) {
        for page in 0..self.pages.len() {
            let hears = match to {
                To::All => true,
                To::Pages(ids) => ids.iter().any(|id| **id == *self.pages[page].id),
            };
            if hears {
                self.after(1, Event::ToPage { page, message: message.clone() });
            }
        }
    }

    /// A place where the worker may die.
    fn boundary(&mut self) {
        self.boundary += 1;
        if self.kill_at == Some(self.boundary) || (self.kills > 0 && self.dice.chance(self.kills)) {
            self.kill_and_boot();
        }
    }

    /// P5: what is pending has something armed that will move it.
    fn check_step(&self) {
        let Some(engine) = &self.engine else { return };
        let pending = engine.status().pending > self.stuck();
        if pending && self.deadline.is_none() && self.disk.idle() && !self.reporting() {
            panic!("{:?} is pending and nothing is armed", engine.status());
        }
    }

    /// Items that rightly wait for a person: those in conflict with a change behind them.
    fn stuck(&self) -> usize {
        self.disk.store.rows("_conflicts").count()
    }

    fn reporting(&self) -> bool {
        self.events.values().any(|event| {
            matches!(event, Event::Report { .. } | Event::ToWorker { .. } | Event::Arrive { .. })
        })
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + ms, self.count), event);
    }

    fn moment(&mut self) -> Moment {
        Moment { now: self.now, entropy: self.dice.next() }
    }
}

/// Randomness from a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }
}
