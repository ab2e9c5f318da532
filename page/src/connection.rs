//! The conversation with the worker: posts what the session says, hears what the worker broadcasts. What to post again and
//! when is decided by the core's `Session`. Channels and timers are the caller's: in `client.wasm`, a closure would bring
//! more code than all of this.

use js_sys::{Function, JsString};
use nightferry::bridge::session::{Message, Session};
use nightferry::units::BurstNo;
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::*;
use web_sys::ServiceWorkerRegistration;

type Messages = Vec<Message<JsString>>;

pub struct Connection {
    session: RefCell<Session<JsString>>,
    registration: ServiceWorkerRegistration,
    /// Called with every message that is not an answer, and with the one that registers the page for another database.
    deliver: Function,
    /// Those who wait for an answer: the request, resolve and reject.
    waiting: RefCell<Vec<(u64, Function, Function)>>,
    /// Called with how many ms later to call [`Connection::tick`], in place of when it was to be called before.
    arm: Function,
    /// When that is, in epoch ms; 0 while it is not to be called.
    armed: Cell<u64>,
}

#[wasm_bindgen]
extern "C" {
    /// A message of the worker, see the core's `bridge::down`. A field that is not there reads as nothing.
    pub type Down;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &Down) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn request(this: &Down) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn n(this: &Down) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn epoch(this: &Down) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn position(this: &Down) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn unfinished(this: &Down) -> Option<bool>;
    #[wasm_bindgen(method, getter, js_name = wakeIn)]
    fn wake_in(this: &Down) -> Option<f64>;
}

/// Changes what is in a cell. Nothing here is changed while it is being changed, so this always can; a panic for the
/// case would be the larger part of the code.
fn change<T>(cell: &RefCell<T>, change: impl FnOnce(&mut T)) {
    if let Ok(mut value) = cell.try_borrow_mut() {
        change(&mut value);
    }
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}

impl Connection {
    pub fn new(
        registration: ServiceWorkerRegistration,
        page: &str,
        deliver: Function,
        arm: Function,
    ) -> Self {
        Connection {
            session: RefCell::new(Session::new(page)),
            registration,
            deliver,
            waiting: RefCell::default(),
            arm,
            armed: Cell::default(),
        }
    }

    /// Posts a request; its answer goes to `resolve(answer)` or `reject({code, message})`.
    pub fn ask(
        &self,
        resolve: Function,
        reject: Function,
        ask: impl FnOnce(&mut Session<JsString>, u64) -> (u64, Message<JsString>),
    ) {
        self.say(|session, now| {
            let (request, message) = ask(session, now);
            change(&self.waiting, |waiting| waiting.push((request, resolve, reject)));
            vec![message]
        });
    }

    /// Tells the worker something that needs no answer.
    pub fn tell(&self, kind: &str) {
        let leaves = kind == "hidden";
        self.say(|session, now| if leaves { session.on_page_hide(now) } else { vec![session.tell(kind)] });
    }

    /// Posts what `say` comes to.
    pub fn say(&self, say: impl FnOnce(&mut Session<JsString>, u64) -> Messages) {
        let mut messages = Vec::new();
        change(&self.session, |session| messages = say(session, now()));
        self.post(messages);
    }

    fn post(&self, messages: Messages) {
        // Looked up each time: an update puts another worker in its place.
        let registration = &self.registration;
        let worker = registration.active().or_else(|| registration.waiting());
        for message in messages {
            let text = match message {
                Message::Text(text) => JsString::from(text),
                Message::Burst { before, burst } => JsString::from(before).concat(&burst).concat(&"}".into()),
            };
            // One that is not posted now is posted again by the session's timer.
            let _ = worker.as_ref().map(|worker| worker.post_message(&text));
        }
        let mut deadline = None;
        change(&self.session, |session| deadline = session.deadline());
        // A timer that comes too early only looks again: to move it with every message would cost more.
        if let Some(at) = deadline
            && (self.armed.get() == 0 || at < self.armed.get())
        {
            self.armed.set(at);
            let wait = at as f64 - js_sys::Date::now();
            let _ = self.arm.call1(&JsValue::UNDEFINED, &wait.into());
        }
    }

    /// The session's deadline may have come.
    pub fn tick(&self) {
        self.armed.set(0);
        self.say(|session, now| session.tick(now));
    }

    /// Whether a message tells of items. What was dispatched before it knew nothing of that, and is to be posted before the
    /// message is heard: a burst says what the page had applied.
    #[cfg(feature = "api")]
    pub fn tells_of_items(down: &Down) -> bool {
        matches!(down.kind().as_deref(), Some("changed" | "rows"))
    }

    /// Hears what the worker says, to this page or to all.
    pub fn hear(&self, down: Down) {
        let Some(kind) = down.kind() else { return };
        let number = |number: Option<f64>| number.unwrap_or_default() as u64;
        let request = down.request().map(|request| request as u64);
        let mut is_news = request.is_none();
        self.say(|session, now| {
            let mut messages = Vec::new();
            match &*kind {
                "hello" => messages = session.hello(now),
                "joined" => is_news = session.missed(number(down.position())),
                "stale" => messages = session.stale(now),
                "ack" => session.acknowledged(now, BurstNo(number(down.n()))),
                "expected" => messages = session.expected(now, BurstNo(number(down.n()))),
                "registered" => {
                    let epoch = down.epoch().unwrap_or_default();
                    is_news = session.is_another(&epoch);
                    messages = session.registered(now, number(down.request()), &epoch);
                }
                "status" => {
                    let wake_in = down.wake_in().map(|wait| wait as u64);
                    session.status(now, down.unfinished() == Some(true), wake_in);
                }
                "changed" | "folded" | "rows" => session.observe(number(down.position())),
                _ => {}
            }
            if let Some(request) = request {
                session.answered(request);
            }
            messages
        });
        if let Some(request) = request {
            self.answer(request, &kind, &down);
        }
        if is_news {
            let _ = self.deliver.call1(&JsValue::UNDEFINED, &down);
        }
    }

    fn answer(&self, request: u64, kind: &str, down: &Down) {
        let mut answered = None;
        change(&self.waiting, |waiting| {
            if let Some(at) = waiting.iter().position(|waiting| waiting.0 == request) {
                answered = Some(waiting.swap_remove(at));
            }
        });
        let Some((_, resolve, reject)) = answered else { return };
        let settle = if kind == "failed" { reject } else { resolve };
        let _ = settle.call1(&JsValue::UNDEFINED, down);
    }
}
