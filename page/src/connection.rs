//! Drives the core's client for a page: reads the worker's messages for it, and has its host do what it asks for.

use nightferry::client::{self, Client, Head, Output};
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::*;

/// The page around a client: it does what the client asks for.
pub trait Host {
    type Types: client::Types<Message = WorkerMessage>;

    /// Does what the client asks for.
    fn perform(&self, output: Output<Self::Types>);

    /// Sets the timer that calls [`Connection::tick`] in so many ms. It replaces an earlier setting.
    fn arm(&self, ms: f64);
}

#[wasm_bindgen]
extern "C" {
    /// A message of the worker, see `FromWorker` of the core.
    #[derive(Clone)]
    pub type WorkerMessage;
    #[wasm_bindgen(method, indexing_getter)]
    pub fn get(this: &WorkerMessage, name: &str) -> JsValue;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

impl WorkerMessage {
    /// Returns a field that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).as_string()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).as_f64().map(|number| number as u64)
    }

    pub fn is(&self, name: &str) -> bool {
        self.get(name).as_bool() == Some(true)
    }
}

/// A clock that only counts forward, in ms. Without a browser it stands still.
fn now() -> u64 {
    if cfg!(target_family = "wasm") { performance_now() as u64 } else { 0 }
}

pub struct Connection<H: Host> {
    client: RefCell<Client<H::Types>>,
    pub host: H,
    /// The time that the timer is set to, in ms; 0 while it is not set.
    armed: Cell<u64>,
    #[cfg(feature = "api")]
    page: String,
}

impl<H: Host> Connection<H> {
    /// `page` is a random id for the page's lifetime.
    pub fn new(page: &str, host: H) -> Self {
        Connection {
            client: RefCell::new(Client::new(page)),
            host,
            armed: Cell::default(),
            #[cfg(feature = "api")]
            page: page.into(),
        }
    }

    /// Returns the page's id.
    #[cfg(feature = "api")]
    pub fn page(&self) -> &str {
        &self.page
    }

    /// Lets the client act, at the present time, and does what it asks for.
    pub fn with<R: Default>(&self, act: impl FnOnce(&mut Client<H::Types>, u64) -> R) -> R {
        let mut result = R::default();
        self.borrow(|client| result = act(client, now()));
        self.drain();
        result
    }

    /// Does what the client asks for, and sets the timer. Not inlined, because it is in every call.
    #[inline(never)]
    fn drain(&self) {
        loop {
            let mut output = None;
            self.borrow(|client| output = client.poll());
            let Some(output) = output else { break };
            self.host.perform(output);
        }
        let mut deadline = None;
        self.borrow(|client| deadline = client.deadline());
        // A timer that fires too early does no harm. Moving the timer with every message would cost more.
        if let Some(at) = deadline
            && (self.armed.get() == 0 || at < self.armed.get())
        {
            self.armed.set(at);
            self.host.arm(at.saturating_sub(now()) as f64);
        }
    }

    /// The client is never borrowed twice at a time. Code that panics in this case would be larger than the rest.
    fn borrow(&self, act: impl FnOnce(&mut Client<H::Types>)) {
        if let Ok(mut client) = self.client.try_borrow_mut() {
            act(&mut client);
        }
    }

    /// Does what is due by now.
    pub fn tick(&self) {
        self.armed.set(0);
        self.with(|client, now| client.tick(now));
    }

    /// Handles a message of the worker, to this page or to all.
    pub fn handle_message(&self, message: WorkerMessage) {
        let Some(kind) = message.text("kind") else { return };
        let [code, text, epoch, build] = ["code", "message", "epoch", "build"].map(|name| message.text(name));
        let ids = message.get("ids").dyn_into::<js_sys::Array>();
        let head = Head {
            kind: &kind,
            request: message.number("request"),
            code: code.as_deref(),
            message: text.as_deref(),
            epoch: epoch.as_deref(),
            build: build.as_deref(),
            n: message.number("n"),
            position: message.number("position"),
            unfinished: message.is("unfinished"),
            more: message.is("more"),
            wake_in: message.number("wakeIn"),
            first: message.number("first").unwrap_or_default(),
            count: ids.map_or(0, |ids| u64::from(ids.length())),
        };
        self.with(|client, now| client.handle_message(now, &head, message.clone()));
    }
}
