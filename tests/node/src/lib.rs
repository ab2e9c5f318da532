//! The worker for tests in Node: the core's engine, on the simulator's database and server. Nothing takes time by itself: the test
//! carries each message, and says when time passes.

use std::rc::Rc;

use js_sys::{Array, JsString};
use nightferry::bridge::from_worker::To;
use nightferry::engine::{Engine, Input, Moment, NetworkError, Output};
use nightferry::units::{Millis, Tick};
use nightferry_sim::Rng;
use nightferry_sim::disk::{Completion, Disk, Finished, Work, report};
use nightferry_sim::server::{Fault, Server};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// When the worker's clock begins, in epoch ms.
const START: u64 = 1_765_000_000_000;

#[wasm_bindgen]
pub struct Worker {
    engine: Option<Engine>,
    disk: Disk,
    server: Server,
    is_online: bool,
    /// The request that waits for the network: number, path and body.
    waiting: Option<(u64, &'static str, Option<String>)>,
    /// The time since [`START`], in ms.
    now: u64,
    rng: Rng,
    posted: Array,
}

#[wasm_bindgen]
impl Worker {
    /// A worker that does not run yet, with an empty database.
    #[wasm_bindgen(constructor)]
    pub fn new(seed: u32) -> Worker {
        Worker {
            engine: None,
            disk: Disk::default(),
            server: Server::default(),
            is_online: false,
            waiting: None,
            now: 0,
            rng: Rng(seed.into()),
            posted: Array::new(),
        }
    }

    /// The network comes or goes. Without it, requests wait.
    #[wasm_bindgen(js_name = setOnline)]
    pub fn set_online(&mut self, is_online: bool) {
        self.is_online = is_online;
        if is_online && let Some((request, path, body)) = self.waiting.take() {
            self.request(request, path, body);
        }
    }

    /// Handles a message of a page. A worker that does not run is started for it.
    #[wasm_bindgen(js_name = handleMessage)]
    pub fn handle_message(&mut self, text: &str) {
        self.start();
        self.handle(Input::Message(text.into()));
    }

    /// Lets time pass, in ms, with all that becomes due.
    pub fn pass(&mut self, ms: u32) {
        let until = self.now + u64::from(ms);
        while let Some(at) = self.engine.as_ref().and_then(Engine::deadline).map(|deadline| deadline.at.0)
            && at <= until
        {
            self.now = self.now.max(at);
            self.handle(Input::Timeout);
        }
        self.now = until;
    }

    /// The browser ends the worker.
    pub fn stop(&mut self) {
        self.engine = None;
        self.waiting = None;
    }

    /// The browser removes the database. A worker that ran has lost it and is started again.
    pub fn evict(&mut self) {
        let ran = self.engine.is_some();
        self.stop();
        self.disk = Disk::default();
        if ran {
            self.start();
        }
    }

    /// Returns what was posted since the last call: for each message its JSON text, and the ids of the pages that hear it, or nothing if all
    /// pages do.
    #[wasm_bindgen(js_name = takePosted, unchecked_return_type = "[text: string, pages: string[] | undefined][]")]
    pub fn take_posted(&mut self) -> Array {
        std::mem::take(&mut self.posted)
    }

    /// Returns the server's items of a slice, as the JSON text of `[id, value]` pairs.
    #[wasm_bindgen(js_name = onServer)]
    pub fn on_server(&self, slice: &str) -> String {
        let live = self.server.live();
        let own = live.iter().filter(|key| key.0 == slice);
        let pairs = own.filter_map(|(slice, id)| Some(json!([id, self.server.value(slice, id)?])));
        Value::from_iter(pairs).to_string()
    }
}

impl Worker {
    fn moment(&mut self) -> Moment {
        Moment { tick: Tick(self.now), at: Millis(START + self.now), entropy: self.rng.next() }
    }

    fn start(&mut self) {
        if self.engine.is_none() {
            let moment = self.moment();
            self.engine =
                Some(Engine::new(moment, self.disk.store.snapshot()).expect("the database can be read"));
            self.drain();
        }
    }

    fn handle(&mut self, input: Input) {
        let moment = self.moment();
        if let Some(engine) = &mut self.engine {
            engine.handle(moment, input);
            self.drain();
        }
    }

    /// Does what the engine asks for, at once.
    fn drain(&mut self) {
        while let Some(engine) = &mut self.engine {
            match engine.poll() {
                Output::Wait(_) => return,
                Output::Post { to, message } => self.post(&to, &message),
                Output::Store { txn, writes } => self.work(Work::Store { txn, writes }),
                Output::Load { load, wanted, slices } => self.work(Work::Load { load, wanted, slices }),
                Output::Migrate { stores } => self.work(Work::Migrate { stores }),
                Output::Rows { to, request, message, store } => {
                    self.work(Work::Rows { to, request, message, store });
                }
                Output::Request { request, path, body, .. } => self.request(request, path, body),
                Output::Cancel { .. } => self.waiting = None,
                Output::OpenLive { .. } | Output::CloseLive | Output::RequestBackgroundSync => {}
            }
        }
    }

    fn request(&mut self, request: u64, path: &'static str, body: Option<String>) {
        if self.is_online {
            let answer =
                self.server.receive(START + self.now, path, body.as_deref(), Fault::Nothing).flatten();
            let answer = answer.ok_or_else(|| NetworkError("the server said nothing".into()));
            self.handle(Input::Answered { request, answer });
        } else {
            self.waiting = Some((request, path, body));
        }
    }

    fn work(&mut self, work: Work) {
        let id = self.disk.start(work);
        let Finished::Done { work, result, .. } = self.disk.finish(id, &mut self.rng) else {
            panic!("there is no other work");
        };
        match report(work, result, &self.disk) {
            Completion::Pages(to, mut message) => {
                let rows = message["rows"].take();
                let column = |at: usize| -> Value {
                    rows.as_array().into_iter().flatten().map(|row| row[at].clone()).collect()
                };
                (message["ids"], message["values"]) = (column(0), column(1));
                self.post(&to, &message.to_string());
            }
            Completion::Engine(input) => self.handle(input),
        }
    }

    fn post(&self, to: &To, message: &str) {
        let pages = match to {
            To::All => JsValue::UNDEFINED,
            To::Pages(pages) => {
                pages.iter().map(|page: &Rc<str>| JsString::from(&**page)).collect::<Array>().into()
            }
        };
        self.posted.push(&Array::of2(&message.into(), &pages));
    }
}
