//! The clock, random numbers, Background Sync and the channels to the pages. None of the packages has them: gloo-worker's
//! channels belong to workers that a page starts, and no package knows `SyncManager`.

use js_sys::{Array, JSON, JsString, Promise, Reflect, Uint32Array};
use nightferry::bridge::from_worker::{self, To};
use nightferry::engine::Moment;
use nightferry::units::{Millis, Tick};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::BroadcastChannel;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn random_values(into: &Uint32Array) -> Uint32Array;
    /// Returns false if nothing can be written to this disk (sw.js).
    #[wasm_bindgen(js_name = __nightferry_has_room)]
    fn has_room_promise() -> Promise;
    type Performance;
    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;
    /// The ms of this worker's life. It only counts forward.
    #[wasm_bindgen(method)]
    fn now(this: &Performance) -> f64;
    type Registration;
    #[wasm_bindgen(thread_local_v2, js_name = registration)]
    static REGISTRATION: Registration;
    #[wasm_bindgen(method, getter)]
    fn sync(this: &Registration) -> Option<SyncManager>;
    #[wasm_bindgen(method)]
    fn update(this: &Registration) -> Promise;
    type SyncManager;
    #[wasm_bindgen(method)]
    fn register(this: &SyncManager, tag: &str) -> Promise;
}

pub fn moment() -> Moment {
    let random = random_values(&Uint32Array::new_with_length(2));
    let entropy = u64::from(random.get_index(0)) << 32 | u64::from(random.get_index(1));
    Moment {
        tick: Tick(PERFORMANCE.with(Performance::now) as u64),
        at: Millis(js_sys::Date::now() as u64),
        entropy,
    }
}

/// Asks for a Background Sync, where the browser has it. It may fail, as in private windows: then a page wakes the worker.
pub fn request_background_sync() {
    if let Some(sync) = REGISTRATION.with(Registration::sync) {
        spawn_local(async move { drop(JsFuture::from(sync.register("nightferry")).await) });
    }
}

/// Returns false if nothing can be written to this disk.
pub async fn has_room() -> bool {
    JsFuture::from(has_room_promise()).await.ok().and_then(|room| room.as_bool()).unwrap_or(true)
}

/// Looks for a newer worker, which the browser puts in the place of this one. It may fail, as without the server.
pub fn look_for_update() {
    let updating = REGISTRATION.with(Registration::update);
    spawn_local(async move { drop(JsFuture::from(updating).await) });
}

/// The most stored items of a message. A page reads them in some 10 ms, if they are of some hundred bytes.
const MAX_ROWS: u32 = 2_000;

/// Posts to pages: over one channel for all of them, and over one for each page that asked something. A channel reaches
/// hidden pages, and pages of which a worker that was just started does not know.
pub struct Pages {
    name: String,
    channels: RefCell<Vec<(Rc<str>, BroadcastChannel)>>,
}

impl Pages {
    pub fn new(place: &str) -> Self {
        Pages { name: format!("nightferry:{place}"), channels: RefCell::default() }
    }

    pub fn post(&self, to: &To, message: &str) {
        if let Ok(message) = JSON::parse(message) {
            self.post_value(to, &message);
        }
    }

    /// Posts items read from a store under a message's head: `ids` and `values` side by side. Parts go before, so that a page reads
    /// no more than [`MAX_ROWS`] in one task.
    pub fn post_rows(&self, to: &To, request: u64, head: &str, ids: &Array, values: &Array) {
        let (mut first, count) = (0, ids.length());
        while count - first > MAX_ROWS {
            let part = from_worker::rows_part(request);
            let end = first + MAX_ROWS;
            self.post_items(to, &part, first, &ids.slice(first, end), &values.slice(first, end));
            first = end;
        }
        self.post_items(to, head, first, &ids.slice(first, count), &values.slice(first, count));
    }

    fn post_items(&self, to: &To, head: &str, first: u32, ids: &Array, values: &Array) {
        if let Ok(message) = JSON::parse(head) {
            let _ = Reflect::set(&message, &JsString::from("first"), &first.into());
            let _ = Reflect::set(&message, &JsString::from("ids"), ids);
            let _ = Reflect::set(&message, &JsString::from("values"), values);
            self.post_value(to, &message);
        }
    }

    fn post_value(&self, to: &To, message: &JsValue) {
        match to {
            To::All => self.post_to("".into(), message),
            To::Pages(pages) => pages.iter().for_each(|page| self.post_to(page.clone(), message)),
        }
    }

    fn post_to(&self, page: Rc<str>, message: &JsValue) {
        let mut channels = self.channels.borrow_mut();
        if !channels.iter().any(|channel| channel.0 == page) {
            // A page's channel does not name its place, so a worker of another place can answer, too.
            let name = if page.is_empty() { self.name.clone() } else { format!("nightferry::{page}") };
            let Ok(channel) = BroadcastChannel::new(&name) else { return };
            channels.push((page.clone(), channel));
        }
        if let Some((_, channel)) = channels.iter().find(|channel| channel.0 == page) {
            let _ = channel.post_message(message);
        }
    }
}
