//! What `client.ts` calls: one connection to the worker of this origin.

use crate::registration::{self, error};
use gloo_timers::callback::Timeout;
use js_sys::{Function, JsString, Promise, Reflect};
use nightferry::bridge::session::{Message, Session};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent, ServiceWorkerRegistration};

/// A connection to the worker.
#[wasm_bindgen]
pub struct Client(Rc<Connection>);

struct Connection {
    session: RefCell<Session<JsString>>,
    registration: ServiceWorkerRegistration,
    /// Called with every message that is not an answer.
    deliver: Function,
    /// Those who wait for an answer: resolve and reject.
    waiting: RefCell<BTreeMap<u64, (Function, Function)>>,
    timer: RefCell<Option<Timeout>>,
    /// Kept so that they are heard.
    ears: RefCell<Vec<(BroadcastChannel, Closure<dyn FnMut(MessageEvent)>)>>,
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// Registers the worker at `url` and declares `slices` (JSON). Resolves with the connection and the build of the
/// worker once the worker has answered. `page` is a random id of the page's life.
#[wasm_bindgen]
pub async fn connect(url: String, name: String, page: String, slices: String, deliver: Function) -> Result<Client, JsValue> {
    let registration = registration::register(&url).await?;
    let connection = Rc::new(Connection {
        session: RefCell::new(Session::new(&page, &slices)),
        registration,
        deliver,
        waiting: RefCell::default(),
        timer: RefCell::default(),
        ears: RefCell::default(),
    });
    connection.listen(&format!("nightferry:{name}"))?;
    connection.listen(&format!("nightferry:{name}:{page}"))?;
    Ok(Client(connection))
}

#[wasm_bindgen]
impl Client {
    /// Declares the slices; rejects with what is wrong with them.
    pub fn register(&self) -> Promise {
        let (request, message) = self.0.session.borrow_mut().register(now());
        self.0.ask(request, message)
    }

    /// Posts a burst: JSON text of an array of actions.
    pub fn burst(&self, actions: JsString) {
        let message = self.0.session.borrow_mut().burst(now(), actions);
        self.0.post(message);
    }

    /// Asks `flush`, `sync`, or `hydrate` with a slice.
    pub fn request(&self, kind: &str, slice: Option<String>) -> Promise {
        let (request, message) = self.0.session.borrow_mut().request(now(), kind, slice.as_deref());
        self.0.ask(request, message)
    }

    /// Asks for the progress of a slice's items, from now on.
    pub fn watch(&self, slice: &str) {
        let message = self.0.session.borrow_mut().watch(slice);
        self.0.post([message]);
    }

    /// Tells the worker that the network is back.
    pub fn online(&self) {
        let message = self.0.session.borrow().tell("online");
        self.0.post([message]);
    }
}

impl Connection {
    fn listen(self: &Rc<Self>, name: &str) -> Result<(), JsValue> {
        let channel = BroadcastChannel::new(name)?;
        let connection = Rc::downgrade(self);
        let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(connection) = connection.upgrade() {
                connection.hear(&event.data());
            }
        });
        channel.set_onmessage(Some(hear.as_ref().unchecked_ref()));
        self.ears.borrow_mut().push((channel, hear));
        Ok(())
    }

    fn ask(self: &Rc<Self>, request: u64, message: Message<JsString>) -> Promise {
        let promise = Promise::new(&mut |resolve, reject| {
            self.waiting.borrow_mut().insert(request, (resolve, reject));
        });
        self.post([message]);
        promise
    }

    fn post(self: &Rc<Self>, messages: impl IntoIterator<Item = Message<JsString>>) {
        // Looked up each time: an update puts another worker in its place.
        let worker = registration::worker(&self.registration);
        for message in messages {
            let text = match message {
                Message::Text(text) => JsString::from(text),
                Message::Burst { before, burst } => JsString::from(before).concat(&burst).concat(&"}".into()),
            };
            // One that is not posted now is posted again by the session's timer.
            let _ = worker.as_ref().map(|worker| worker.post_message(&text));
        }
        self.arm();
    }

    fn arm(self: &Rc<Self>) {
        let deadline = self.session.borrow().deadline();
        let connection = Rc::downgrade(self);
        *self.timer.borrow_mut() = deadline.map(|at| {
            Timeout::new(at.saturating_sub(now()) as u32, move || {
                if let Some(connection) = connection.upgrade() {
                    connection.timer.take();
                    let messages = connection.session.borrow_mut().tick(now());
                    connection.post(messages);
                }
            })
        });
    }

    fn hear(self: &Rc<Self>, data: &JsValue) {
        let field = |name: &str| Reflect::get(data, &name.into()).unwrap_or_default();
        let number = |name: &str| field(name).as_f64().map(|number| number as u64);
        let text = |name: &str| field(name).as_string();
        let mut session = self.session.borrow_mut();
        let now = now();
        let (mut messages, mut deliver) = (Vec::new(), true);
        match (text("kind").as_deref(), number("request")) {
            (Some("hello"), _) => (messages, deliver) = (session.hello(now), false),
            (Some("stale"), _) => (messages, deliver) = (session.stale(now), false),
            (Some("ack"), _) => {
                session.acknowledged(number("n").unwrap_or(0));
                deliver = false;
            }
            (Some("expected"), _) => (messages, deliver) = (session.expected(now, number("n").unwrap_or(0)), false),
            (Some("registered"), Some(request)) => {
                messages = session.registered(now, request, &text("epoch").unwrap_or_default());
                self.answer(request, Ok(data));
                deliver = false;
            }
            (Some("done" | "rows"), Some(request)) => {
                session.answered(request);
                self.answer(request, Ok(data));
                deliver = false;
            }
            (Some("failed"), Some(request)) => {
                session.answered(request);
                let reason = error(&text("code").unwrap_or_default(), &text("message").unwrap_or_default());
                self.answer(request, Err(&reason));
                deliver = false;
            }
            (Some("status"), _) => {
                let status = field("status");
                let pending = Reflect::get(&status, &"pending".into()).ok().and_then(|pending| pending.as_f64());
                let connected = Reflect::get(&status, &"flaskConnected".into()).is_ok_and(|connected| connected.is_truthy());
                session.status(now, pending != Some(0.0) || !connected);
            }
            (Some("changed"), _) => {
                if let (Some(slice), Some(position)) = (text("slice"), number("position")) {
                    session.saw(&slice, position);
                }
            }
            _ => {}
        }
        drop(session);
        self.post(messages);
        if deliver {
            let _ = self.deliver.call1(&JsValue::NULL, data);
        }
    }

    fn answer(&self, request: u64, with: Result<&JsValue, &JsValue>) {
        let waiting = self.waiting.borrow_mut().remove(&request);
        if let Some((resolve, reject)) = waiting {
            let _ = match with {
                Ok(data) => resolve.call1(&JsValue::NULL, data),
                Err(reason) => reject.call1(&JsValue::NULL, reason),
            };
        }
    }
}
