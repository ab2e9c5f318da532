//! What `page/ts/client.ts`, the JavaScript API, is made of: posts bursts of actions, hears what changed. It registers the
//! worker and wraps what is asked here in promises, because an executor for futures would be half of the download. Texts
//! come as the strings of JavaScript: what wasm-bindgen does for each `&str` would be more than what is done with them.

use crate::connection::{Connection, Down};
use js_sys::{Function, JsString};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use web_sys::ServiceWorkerRegistration;

/// A small allocator: the page's wasm keeps little (bursts stay JavaScript strings), and the default one would be a
/// sixth of the download.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

thread_local! {
    /// The page's connection; it lives as long as the page.
    static CONNECTION: Cell<Option<&'static Connection>> = const { Cell::new(None) };
}

fn with(use_it: impl FnOnce(&'static Connection)) {
    if let Some(connection) = CONNECTION.get() {
        use_it(connection);
    }
}

/// Begins the conversation with the worker of `registration`; `page` is a random id of the
/// page's life. What is heard goes to [`hear`]; what answers nothing comes out at `deliver`. `arm(ms)` has [`tick`] called
/// then, and not before.
#[wasm_bindgen]
pub fn connect(registration: ServiceWorkerRegistration, page: JsString, deliver: Function, arm: Function) {
    CONNECTION.set(Some(Box::leak(Box::new(Connection::new(
        registration,
        &String::from(page),
        deliver,
        arm,
    )))));
}

/// The worker said something, to this page or to all.
#[wasm_bindgen]
pub fn hear(message: Down) {
    with(|connection| connection.hear(message));
}

/// The time that was given to `arm` is over.
#[wasm_bindgen]
pub fn tick() {
    with(Connection::tick);
}

/// Declares slices and auto-sync, JSON objects: `resolve(answer)` or `reject({code, message})`.
#[wasm_bindgen]
pub fn register(slices: JsString, auto_sync: JsString, resolve: Function, reject: Function) {
    let (slices, auto_sync) = (String::from(slices), String::from(auto_sync));
    with(|connection| {
        connection.ask(resolve, reject, |session, now| session.register(now, &slices, &auto_sync))
    });
}

/// Posts a burst: JSON text of an array of actions.
#[wasm_bindgen]
pub fn burst(actions: JsString) {
    with(|connection| connection.say(|session, now| session.burst(now, actions).into_iter().collect()));
}

/// Asks what `Session::request` names: `resolve(answer)` or `reject({code, message})`.
#[wasm_bindgen]
pub fn request(
    kind: JsString,
    slice: Option<JsString>,
    settings: Option<JsString>,
    resolve: Function,
    reject: Function,
) {
    let (kind, slice, settings) = (String::from(kind), slice.map(String::from), settings.map(String::from));
    with(|connection| {
        connection.ask(resolve, reject, |session, now| {
            session.request(now, &kind, slice.as_deref(), settings.as_deref())
        })
    });
}

/// Asks for the progress of a slice's items, from now on.
#[wasm_bindgen]
pub fn watch(slice: JsString) {
    let slice = String::from(slice);
    with(|connection| connection.say(|session, _| vec![session.watch(&slice)]));
}

/// Tells the worker something that needs no answer: `online`, `hidden`, `resetMetrics`.
#[wasm_bindgen]
pub fn tell(kind: JsString) {
    with(|connection| connection.tell(&String::from(kind)));
}
