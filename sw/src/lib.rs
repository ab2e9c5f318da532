//! The worker of Nightferry: performs what the engine decides. `sw.js` has the listeners and calls [`hear`] and
//! [`wake`]; [`worker`] is the driver's loop, [`task`] what waits for the browser; [`database`] is IndexedDB, [`network`] is HTTP.

mod database;
mod network;
mod platform;
mod task;
mod worker;

use js_sys::Promise;
use nightferry::engine::Input;
use wasm_bindgen::prelude::*;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[wasm_bindgen]
extern "C" {
    /// Puts a fresh instance in the place of this one, and settles the events that were waiting for it (sw.js).
    #[wasm_bindgen(js_name = __nightferry_panic)]
    fn panicked(message: &str);
}

/// A panic costs the instance, not the worker: the next event gets a fresh one, which reads everything from the
/// database.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        wasm_bindgen::handler::schedule_reinit();
        panicked(&info.to_string());
    }));
}

/// Starts the engine on the database `name`, for the server at `api`. Before anything else, and once for an instance.
#[wasm_bindgen]
pub fn boot(name: String, api: String) -> Promise {
    task::promise(async move { worker::boot(name, api).await.map_err(|error| failure(&error.message)) })
}

/// A page posted `data`. Settles when there is nothing left to do, or soon enough for the browser.
#[wasm_bindgen]
pub fn hear(data: JsValue) -> Promise {
    // Something other than text can't be ours; the engine says so to whoever listens.
    handle(Input::Message(data.as_string().unwrap_or_default()), false)
}

/// The browser woke the worker. Rejected where something is left to send: the browser tries again later.
#[wasm_bindgen]
pub fn wake() -> Promise {
    handle(Input::Woken, true)
}

fn handle(input: Input, to_the_end: bool) -> Promise {
    task::promise(async move {
        match worker::handle(input).await {
            false if to_the_end => Err(failure("The server does not have everything yet.")),
            _ => Ok(()),
        }
    })
}

fn failure(message: &str) -> JsValue {
    js_sys::Error::new(message).into()
}

/// Panics, so that tests can see what a panic costs. Only a script of this very worker can call it.
#[wasm_bindgen]
pub fn panic_for_tests() {
    #[allow(clippy::panic)]
    {
        panic!("asked for by a test");
    }
}
