//! The functions of `client.wasm`, for the JavaScript API in `page/ts/`. The JavaScript side registers the worker and wraps
//! requests in promises, because an executor for futures would be half of the download. Texts are passed as `JsString`,
//! because the code of wasm-bindgen for each `&str` would be larger than the functions.

use crate::connection::{Connection, WorkerMessage};
use js_sys::{Function, JsString};
use nightferry::bridge::session::Subject;
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use web_sys::ServiceWorkerRegistration;

/// A small allocator. The page's wasm keeps little, as bursts stay JavaScript strings. The default allocator would be a sixth
/// of the download.
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

/// Connects the page to the worker of `registration`. `page` is a random id for the page's lifetime, `place` names database
/// and user. The caller passes each message to [`handle_message`]; `deliver` receives those that are not answers. `arm(ms)` sets
/// the timer that calls [`tick`]; `lost()` registers the worker anew and calls [`adopt`].
#[wasm_bindgen]
pub fn connect(
    registration: ServiceWorkerRegistration,
    page: JsString,
    place: JsString,
    deliver: Function,
    arm: Function,
    lost: Function,
) {
    CONNECTION.set(Some(Box::leak(Box::new(Connection::new(
        registration,
        &String::from(page),
        &String::from(place),
        deliver,
        arm,
        lost,
    )))));
}

/// The worker was registered anew: posts all that waits to it.
#[wasm_bindgen]
pub fn adopt(registration: ServiceWorkerRegistration) {
    with(|connection| connection.adopt(registration));
}

/// Returns true while a worker of another user, or another name, is in charge.
#[wasm_bindgen]
pub fn is_elsewhere() -> bool {
    CONNECTION.get().is_some_and(Connection::is_elsewhere)
}

/// The page can be asked for a token. The next registration says it to the worker.
#[wasm_bindgen]
pub fn give_tokens() {
    with(|connection| {
        connection.say(|session, _| {
            session.give_tokens();
            Vec::new()
        })
    });
}

/// Posts the answer to the worker's question of this number for a token.
#[wasm_bindgen]
pub fn token(number: f64, token: Option<JsString>) {
    let token = token.map(String::from);
    with(|connection| connection.say(|session, _| vec![session.token(number as u64, token.as_deref())]));
}

/// Handles a message of the worker, to this page or to all.
#[wasm_bindgen]
pub fn handle_message(message: WorkerMessage) {
    with(|connection| connection.handle_message(message));
}

/// Posts what is due by now. Called by the timer that `arm` sets.
#[wasm_bindgen]
pub fn tick() {
    with(Connection::tick);
}

/// Declares slices and auto-sync, given as JSON objects. `device` is the device's name for people. Calls `resolve(answer)` or
/// `reject({code, message})`.
#[wasm_bindgen]
pub fn register(
    slices: JsString,
    auto_sync: JsString,
    device: JsString,
    resolve: Function,
    reject: Function,
) {
    let (slices, auto_sync) = (String::from(slices), String::from(auto_sync));
    let device = String::from(device);
    with(|connection| {
        connection.ask(resolve, reject, |session, now| {
            session.name_device(&device);
            session.register(now, &slices, &auto_sync)
        });
    });
}

/// Posts a burst, the JSON text of an array of actions.
#[wasm_bindgen]
pub fn burst(actions: JsString) {
    with(|connection| connection.say(|session, now| session.burst(now, actions).into_iter().collect()));
}

/// Posts a request, see `Session::request`. Calls `resolve(answer)` or `reject({code, message})`. Returns its number.
#[wasm_bindgen]
pub fn request(
    kind: JsString,
    slice: Option<JsString>,
    id: Option<JsString>,
    settings: Option<JsString>,
    resolve: Function,
    reject: Function,
) -> f64 {
    let kind = String::from(kind);
    let [slice, id, settings] = [slice, id, settings].map(|text| text.map(String::from));
    let subject = Subject { slice: slice.as_deref(), id: id.as_deref(), settings: settings.as_deref() };
    let mut number = 0;
    with(|connection| {
        number = connection.ask(resolve, reject, |session, now| session.request(now, &kind, subject));
    });
    number as f64
}

/// Forgets a request: its answer is not waited for any more.
#[wasm_bindgen]
pub fn forget(request: f64) {
    with(|connection| connection.forget(request as u64));
}

/// Subscribes to the progress of a slice's items.
#[wasm_bindgen]
pub fn watch(slice: JsString) {
    let slice = String::from(slice);
    with(|connection| connection.say(|session, _| vec![session.watch(&slice)]));
}

/// Posts a message that needs no answer: `online`, `hidden`, `resetMetrics`.
#[wasm_bindgen]
pub fn tell(kind: JsString) {
    with(|connection| connection.tell(&String::from(kind)));
}
