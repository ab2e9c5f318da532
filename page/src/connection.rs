//! The connection to the worker: posts the messages of the session, and passes the worker's messages to it. The core's
//! `Session` decides what to post again and when. The caller provides channels and timers, because in `client.wasm` a closure
//! would be more code than this file.

use js_sys::{Array, Function, JsString, Object, Reflect};
use nightferry::bridge::place::is_refusal;
use nightferry::bridge::session::{Message, Session};
use nightferry::units::BurstNo;
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::*;
use web_sys::{ServiceWorker, ServiceWorkerRegistration, ServiceWorkerState};

/// The sentence for people if no worker says anything.
const NO_WORKER: &str = "Nightferry's worker does not answer. What was changed in this tab is kept in it and goes on being tried, so keep the tab open. Close the other tabs of this site; a page that was loaded anew may say more.";

type Messages = Vec<Message<JsString>>;

pub struct Connection {
    session: RefCell<Session<JsString>>,
    registration: RefCell<ServiceWorkerRegistration>,
    /// Called where there is no worker to post to: it registers the worker anew.
    lost: Function,
    /// Receives every message that is not an answer, and the `registered` of another database.
    deliver: Function,
    /// The unanswered requests, each with its `resolve` and `reject`.
    waiting: RefCell<Vec<(u64, Function, Function)>>,
    /// The parts that came of answers with many stored items: the request, the ids and the values.
    parts: RefCell<Vec<(u64, Array, Array)>>,
    /// Sets the timer that calls [`Connection::tick`], in ms from now. It replaces an earlier setting.
    arm: Function,
    /// The time that the timer is set to, in epoch ms; 0 while it is not set.
    armed: Cell<u64>,
}

#[wasm_bindgen]
extern "C" {
    /// A message of the worker, see `FromWorker` of the core. A missing field reads as `None`.
    pub type WorkerMessage;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &WorkerMessage) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn request(this: &WorkerMessage) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn code(this: &WorkerMessage) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn n(this: &WorkerMessage) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn epoch(this: &WorkerMessage) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn position(this: &WorkerMessage) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn unfinished(this: &WorkerMessage) -> Option<bool>;
    #[wasm_bindgen(method, getter)]
    fn more(this: &WorkerMessage) -> Option<bool>;
    #[wasm_bindgen(method, getter)]
    fn first(this: &WorkerMessage) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn ids(this: &WorkerMessage) -> Option<Array>;
    #[wasm_bindgen(method, setter)]
    fn set_ids(this: &WorkerMessage, ids: &Array);
    #[wasm_bindgen(method, getter)]
    fn values(this: &WorkerMessage) -> Option<Array>;
    #[wasm_bindgen(method, setter)]
    fn set_values(this: &WorkerMessage, values: &Array);
    #[wasm_bindgen(method, getter, js_name = wakeIn)]
    fn wake_in(this: &WorkerMessage) -> Option<f64>;
}

/// Changes the content of a cell. No cell here is borrowed twice at a time. Code that panics in this case would be larger
/// than the rest.
fn change<T>(cell: &RefCell<T>, change: impl FnOnce(&mut T)) {
    if let Ok(mut value) = cell.try_borrow_mut() {
        change(&mut value);
    }
}

/// Returns a message with these fields, as of the worker.
fn worker_message(fields: &[(&str, JsValue)]) -> WorkerMessage {
    let message = Object::new();
    for (name, value) in fields {
        let _ = Reflect::set(&message, &(*name).into(), value);
    }
    message.unchecked_into()
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}

impl Connection {
    pub fn new(
        registration: ServiceWorkerRegistration,
        page: &str,
        place: &str,
        deliver: Function,
        arm: Function,
        lost: Function,
    ) -> Self {
        let mut session = Session::new(page);
        session.set_place(place);
        Connection {
            session: RefCell::new(session),
            registration: RefCell::new(registration),
            lost,
            deliver,
            waiting: RefCell::default(),
            parts: RefCell::default(),
            arm,
            armed: Cell::default(),
        }
    }

    /// Posts a request, and returns its number. Its answer goes to `resolve(answer)` or `reject({code, message})`.
    pub fn ask(
        &self,
        resolve: Function,
        reject: Function,
        ask: impl FnOnce(&mut Session<JsString>, u64) -> (u64, Message<JsString>),
    ) -> u64 {
        let mut number = 0;
        self.say(|session, now| {
            let (request, message) = ask(session, now);
            number = request;
            change(&self.waiting, |waiting| waiting.push((request, resolve, reject)));
            vec![message]
        });
        number
    }

    /// Forgets a request without an answer, so that it is not repeated. An answer that comes nevertheless is ignored.
    pub fn forget(&self, request: u64) {
        let mut waits = false;
        change(&self.waiting, |waiting| {
            let at = waiting.iter().position(|waiting| waiting.0 == request);
            waits = at.map(|at| waiting.swap_remove(at)).is_some();
        });
        if waits {
            change(&self.session, |session| session.answered(request));
        }
    }

    /// Posts a message that needs no answer.
    pub fn tell(&self, kind: &str) {
        let leaves = kind == "hidden";
        self.say(|session, now| if leaves { session.on_page_hide(now) } else { vec![session.tell(kind)] });
    }

    /// Posts the messages that `say` returns.
    pub fn say(&self, say: impl FnOnce(&mut Session<JsString>, u64) -> Messages) {
        let mut messages = Vec::new();
        change(&self.session, |session| messages = say(session, now()));
        self.post(messages);
    }

    fn post(&self, messages: Messages) {
        // The worker is looked up each time, because an update replaces it.
        let mut worker = None;
        change(&self.registration, |registration| {
            let candidates = [registration.active(), registration.waiting(), registration.installing()];
            let is_alive = |worker: &ServiceWorker| worker.state() != ServiceWorkerState::Redundant;
            worker = candidates.into_iter().flatten().find(is_alive);
        });
        if worker.is_none() && !messages.is_empty() {
            let _ = self.lost.call0(&JsValue::UNDEFINED);
        }
        for message in messages {
            let text = match message {
                Message::Text(text) => JsString::from(text),
                Message::Burst { before, burst } => JsString::from(before).concat(&burst).concat(&"}".into()),
            };
            // If there is no worker, the session's timer posts the message again.
            let _ = worker.as_ref().map(|worker| worker.post_message(&text));
        }
        let mut deadline = None;
        change(&self.session, |session| deadline = session.deadline());
        // A timer that fires too early does no harm. Moving the timer with every message would cost more.
        if let Some(at) = deadline
            && (self.armed.get() == 0 || at < self.armed.get())
        {
            self.armed.set(at);
            let wait = at as f64 - js_sys::Date::now();
            let _ = self.arm.call1(&JsValue::UNDEFINED, &wait.into());
        }
    }

    /// The worker was registered anew: posts all that waits to it.
    pub fn adopt(&self, registration: ServiceWorkerRegistration) {
        change(&self.registration, |former| *former = registration);
        self.say(|session, now| session.hello(now));
    }

    #[cfg(feature = "api")]
    pub fn registration(&self) -> ServiceWorkerRegistration {
        self.registration.borrow().clone()
    }

    /// Returns true while a worker of another place is in charge.
    pub fn is_elsewhere(&self) -> bool {
        self.session.try_borrow().is_ok_and(|session| session.is_elsewhere())
    }

    /// Posts what is due by now.
    pub fn tick(&self) {
        self.armed.set(0);
        self.say(|session, now| session.tick(now));
        let mut ended = None;
        change(&self.session, |session| ended = session.take_silence(now()));
        let Some(ended) = ended else { return };
        let silence = worker_message(&[
            ("kind", "failed".into()),
            ("code", "no_worker".into()),
            ("message", NO_WORKER.into()),
        ]);
        for request in ended {
            self.answer(request, "failed", &silence);
        }
        let _ = self.deliver.call1(&JsValue::UNDEFINED, &silence);
    }

    /// Answers all requests by this message, those that `asked` names well and the others badly.
    fn end_requests(&self, asked: &[u64], message: &WorkerMessage) {
        let mut waiting = Vec::new();
        change(&self.waiting, |all| waiting = all.iter().map(|waiting| waiting.0).collect());
        for request in waiting {
            let kind = if asked.contains(&request) { "done" } else { "failed" };
            self.answer(request, kind, message);
        }
    }

    /// Returns true if a message has items of a slice. Waiting actions must be posted before such a message is handled,
    /// because a burst names the position that the page had applied.
    #[cfg(feature = "api")]
    pub fn has_items(message: &WorkerMessage) -> bool {
        matches!(message.kind().as_deref(), Some("changed" | "rows"))
    }

    /// Returns true if a message says that the user has signed out.
    #[cfg(feature = "api")]
    pub fn is_signed_out(message: &WorkerMessage) -> bool {
        message.kind().as_deref() == Some("signedOut")
    }

    /// Handles a message of the worker, to this page or to all.
    pub fn handle_message(&self, message: WorkerMessage) {
        let Some(kind) = message.kind() else { return };
        let number = |number: Option<f64>| number.unwrap_or_default() as u64;
        let request = message.request().map(|request| request as u64);
        if let (Some(request), "rowsPart" | "rows") = (request, &*kind) {
            let is_answer = kind == "rows";
            self.put_together(request, &message, is_answer);
            if !is_answer {
                return;
            }
        }
        let mut is_news = request.is_none();
        let is_elsewhere = message.code().is_some_and(|code| is_refusal(&code));
        let cannot_start = message.code().is_some_and(|code| code == "worker_failed");
        let (mut signed_out, mut was_silent) = (None, false);
        self.say(|session, now| {
            let mut messages = Vec::new();
            if !is_elsewhere && !cannot_start {
                was_silent = session.note_answer();
            }
            match &*kind {
                "signedOut" => {
                    signed_out = session.signed_out(&message.epoch().unwrap_or_default());
                    is_news = signed_out.is_some();
                }
                "failed" if is_elsewhere => is_news = session.elsewhere(now),
                "hello" => messages = session.hello(now),
                // As a status, it comes from the page's own worker only.
                "joined" => {
                    messages = session.back(now);
                    is_news = session.joined(number(message.position()));
                }
                "stale" => messages = session.stale(now),
                "ack" => session.acknowledged(now, BurstNo(number(message.n()))),
                "expected" => messages = session.expected(now, BurstNo(number(message.n()))),
                "registered" => {
                    let epoch = message.epoch().unwrap_or_default();
                    is_news = session.is_another(&epoch);
                    messages = session.registered(now, number(message.request()), &epoch);
                }
                "status" => {
                    let wake_in = message.wake_in().map(|wait| wait as u64);
                    messages = session.back(now);
                    session.status(now, message.unfinished() == Some(true), wake_in);
                }
                // Of a record that changed several slices, the last message counts.
                "changed" if message.more() == Some(true) => {}
                "changed" | "folded" | "rows" => session.observe(number(message.position())),
                _ => {}
            }
            if let Some(request) = request {
                session.answered(request);
            }
            messages
        });
        if let Some(asked) = signed_out {
            self.end_requests(&asked, &message);
        }
        if let Some(request) = request {
            self.answer(request, &kind, &message);
        }
        // Readings that ended by the silence are made again.
        if was_silent && kind != "joined" {
            let joined = worker_message(&[("kind", "joined".into()), ("position", 0.into())]);
            let _ = self.deliver.call1(&JsValue::UNDEFINED, &joined);
        }
        if is_news || was_silent && kind == "joined" {
            let _ = self.deliver.call1(&JsValue::UNDEFINED, &message);
        }
    }

    /// Keeps a part of an answer, or puts the parts that came before into the answer. Those of a worker that has ended in between
    /// are dropped: the next one begins with the first again.
    fn put_together(&self, request: u64, message: &WorkerMessage, is_answer: bool) {
        let (Some(mut ids), Some(mut values)) = (message.ids(), message.values()) else { return };
        change(&self.parts, |parts| {
            let at = parts.iter().position(|part| part.0 == request);
            let before = at.map(|at| parts.swap_remove(at));
            let first = message.first();
            let before = before.filter(|(_, ids, _)| first == Some(f64::from(ids.length())));
            if let Some((_, ids_before, values_before)) = before {
                (ids, values) = (ids_before.concat(&ids), values_before.concat(&values));
            }
            if is_answer {
                message.set_ids(&ids);
                message.set_values(&values);
            } else {
                parts.push((request, ids, values));
            }
        });
    }

    fn answer(&self, request: u64, kind: &str, message: &WorkerMessage) {
        let mut answered = None;
        change(&self.waiting, |waiting| {
            if let Some(at) = waiting.iter().position(|waiting| waiting.0 == request) {
                answered = Some(waiting.swap_remove(at));
            }
        });
        let Some((_, resolve, reject)) = answered else { return };
        let callback = if kind == "failed" { reject } else { resolve };
        let _ = callback.call1(&JsValue::UNDEFINED, message);
    }
}
