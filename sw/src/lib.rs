//! The service worker of Nightferry: performs the outputs of the engine. `sw.js` has the listeners and calls [`handle_message`] and
//! [`background_sync`]; [`worker`] is the driver's loop, [`database`] is IndexedDB, [`network`] is HTTP, and [`platform`] wraps other APIs of
//! the browser.

#[cfg(feature = "conformance")]
mod conformance;
mod database;
mod live;
mod network;
mod others;
mod platform;
mod worker;

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

/// Installs the panic hook. A panic ends the wasm instance, not the worker. The next event gets a new instance, which reads
/// everything from the database.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        wasm_bindgen::handler::schedule_reinit();
        panicked(&info.to_string());
    }));
}

/// Starts the engine on the database `name`, or on the one that `user` has beside it, for the server at `api`. `build` is the
/// script's. With `trace`, inputs and outputs are printed. It is called once for an instance, before any other function.
#[wasm_bindgen]
pub async fn boot(
    name: String,
    user: Option<String>,
    api: String,
    build: String,
    trace: bool,
) -> Result<(), JsValue> {
    let network = network::Network::new(api, build);
    worker::boot(name, user, network, trace).await.map_err(|error| failure(&error.message))
}

/// Ends the engine: from now on this worker writes, sends and posts nothing.
#[wasm_bindgen]
pub fn stop() {
    worker::stop();
}

/// Handles the message `data` of a page. Settles when there is nothing left to do, or soon enough for the browser.
#[wasm_bindgen]
pub async fn handle_message(data: JsValue) {
    // The engine answers data that is not text like a message that cannot be read.
    worker::handle(Input::Message(data.as_string().unwrap_or_default())).await;
}

/// Handles a Background Sync. Rejects while something is left to send, so that the browser tries again later.
#[wasm_bindgen]
pub async fn background_sync() -> Result<(), JsValue> {
    match worker::handle(Input::BackgroundSync).await {
        true => Ok(()),
        false => Err(failure("The server does not have everything yet.")),
    }
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
