//! Registers the service worker and connects the page to it.

use crate::connection::{Connection, WorkerMessage};
use crate::error::Error;
use crate::page::post;
use crate::types::RegisterOptions;
use gloo_timers::callback::Timeout;
use js_sys::futures::JsFuture;
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    BroadcastChannel, MessageEvent, RegistrationOptions, ServiceWorker, ServiceWorkerRegistration,
    ServiceWorkerState, ServiceWorkerUpdateViaCache, Url, VisibilityState, Window,
};

/// Returns the page's window. A worker has none.
pub fn window() -> Result<Window, Error> {
    web_sys::window().ok_or_else(no_window)
}

pub fn no_window() -> Error {
    Error::new(
        "unsupported",
        "register() is called by a page, and here is no window. Call it in the browser, on the main thread.",
    )
}

/// Returns true if the page is hidden.
pub fn is_hidden() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
}

/// Returns a JavaScript function that lives as long as the page.
pub fn function<A: wasm_bindgen::convert::FromWasmAbi + 'static>(call: impl Fn(A) + 'static) -> Function {
    Closure::<dyn Fn(A)>::new(call).into_js_value().unchecked_into()
}

/// The addresses of the worker and the API, the name of the database and its user. The options may leave out each.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub worker_url: String,
    pub api: String,
    pub name: String,
    pub user: Option<String>,
}

impl Place {
    pub fn of(options: &RegisterOptions) -> Self {
        let given =
            |option: &Option<String>, otherwise: &str| option.clone().unwrap_or_else(|| otherwise.into());
        Place {
            worker_url: given(&options.worker_url, "/nightferry/sw.js"),
            api: given(&options.api, "/nightferry"),
            name: given(&options.name, "nightferry"),
            user: options.user.clone(),
        }
    }

    /// The place as messages and channels name it.
    fn to_text(&self) -> String {
        nightferry::bridge::place::Place { name: &self.name, user: self.user.as_deref() }.to_text()
    }
}

/// Registers the worker. `on_message` receives every message that is not an answer. `on_page_hide` is called when the page is
/// hidden or closed.
pub async fn connect(
    place: Place,
    on_message: impl Fn(WorkerMessage) + 'static,
    on_page_hide: impl Fn() + Clone + 'static,
) -> Result<&'static Connection, Error> {
    let window = window()?;
    if !window.is_secure_context() {
        return Err(Error::new(
            "insecure_context",
            "Browsers run service workers on https:// and on localhost only. Serve the page over HTTPS, or open it as \
             http://localhost.",
        ));
    }
    let navigator = window.navigator();
    if !js_sys::Reflect::has(&navigator, &"serviceWorker".into()).unwrap_or(false) {
        return Err(Error::new(
            "unsupported",
            "Service workers are missing or switched off here, as in some private windows. Use a current browser and a \
             normal window.",
        ));
    }
    let url = worker_url(&window, &place)?;
    let failed = |why: JsValue| {
        let why = why.dyn_ref::<js_sys::Error>().map(|why| String::from(why.message())).unwrap_or_default();
        Error::new(
            "worker_failed",
            format!(
                "The worker {} could not be registered: {}. Open that address: it must be served as JavaScript from \
                 this origin.",
                url.pathname(),
                why.trim_end_matches('.')
            ),
        )
    };
    let options = RegistrationOptions::new();
    options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
    let registering = navigator.service_worker().register_with_options(&url.href(), &options);
    let registration: ServiceWorkerRegistration =
        JsFuture::from(registering).await.map_err(failed)?.unchecked_into();
    if registration.active().is_none_or(|active| active.script_url() != url.href()) {
        activated(registration.installing().or_else(|| registration.waiting())).await.map_err(failed)?;
    }
    listen(&window, registration, &place.to_text(), on_message, on_page_hide).map_err(failed)
}

fn worker_url(window: &Window, place: &Place) -> Result<Url, Error> {
    let base = window.location().href().unwrap_or_default();
    let absolute = |url: &str, what: &str| {
        Url::new_with_base(url, &base).map_err(|_| {
            Error::new(
                "bad_config",
                format!("{what} is {url:?}, which is no address. Give a path such as /nightferry."),
            )
        })
    };
    let url = absolute(&place.worker_url, "worker_url")?;
    let api = absolute(&place.api, "api")?.href();
    url.search_params().set("name", &place.name);
    url.search_params().set("api", api.strip_suffix('/').unwrap_or(&api));
    // A user's worker is another one: the browser puts it in the place of that of the user before.
    if let Some(user) = &place.user {
        url.search_params().set("user", user);
    }
    Ok(url)
}

/// Resolves once the worker is activated.
async fn activated(worker: Option<ServiceWorker>) -> Result<(), JsValue> {
    let Some(worker) = worker else {
        return Err(js_sys::Error::new("it could not be installed; the browser's console says why").into());
    };
    let promise = Promise::new(&mut |resolve, reject| {
        let watched = worker.clone();
        let check = move || match watched.state() {
            ServiceWorkerState::Activated => drop(resolve.call0(&JsValue::UNDEFINED)),
            ServiceWorkerState::Redundant => {
                let why = js_sys::Error::new("it could not be installed; the browser's console says why");
                drop(reject.call1(&JsValue::UNDEFINED, &why));
            }
            _ => {}
        };
        check();
        worker.set_onstatechange(Some(&function(move |_: JsValue| check())));
    });
    JsFuture::from(promise).await.map(drop)
}

/// Listens to the two channels of the worker, one for all pages and one for this page, and to the events of the page.
fn listen(
    window: &Window,
    registration: ServiceWorkerRegistration,
    place: &str,
    on_message: impl Fn(WorkerMessage) + 'static,
    on_page_hide: impl Fn() + Clone + 'static,
) -> Result<&'static Connection, JsValue> {
    let page = window.crypto()?.random_uuid();
    // The timer's function is created before the connection that it calls.
    let made = Rc::new(Cell::new(None::<&'static Connection>));
    let timer = RefCell::new(None);
    let ticking = made.clone();
    let arm = function(move |ms: f64| {
        let ticking = ticking.clone();
        let tick = move || ticking.get().map(Connection::tick).unwrap_or_default();
        *timer.borrow_mut() = Some(Timeout::new(ms.max(0.0) as u32, tick));
    });
    let connection: &'static Connection =
        Box::leak(Box::new(Connection::new(registration, &page, place, function(on_message), arm)));
    made.set(Some(connection));
    for channel in [place.to_owned(), format!(":{page}")] {
        let channel = BroadcastChannel::new(&format!("nightferry:{channel}"))?;
        channel.set_onmessage(Some(&function(move |event: MessageEvent| {
            let message = event.data().unchecked_into();
            if Connection::has_items(&message) {
                post();
            }
            connection.handle_message(message);
        })));
        // Without an owner, the browser might collect the channel.
        std::mem::forget(channel);
    }
    let online = function(move |_: JsValue| connection.say(|session, _| vec![session.tell("online")]));
    window.add_event_listener_with_callback("online", &online)?;
    let gone = on_page_hide.clone();
    window.add_event_listener_with_callback("pagehide", &function(move |_: JsValue| gone()))?;
    if let Some(document) = window.document() {
        let hidden = function(move |_: JsValue| {
            if is_hidden() {
                on_page_hide();
            }
        });
        document.add_event_listener_with_callback("visibilitychange", &hidden)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two calls of `register` may come from different parts of a page.
    #[test]
    fn default_addresses_equal_the_same_ones_given() {
        let (silent, mut named) = (RegisterOptions::default(), RegisterOptions::default());
        named.worker_url = Some("/nightferry/sw.js".into());
        named.api = Some("/nightferry".into());
        named.name = Some("nightferry".into());
        assert_eq!(Place::of(&silent), Place::of(&named));
        named.name = Some("other".into());
        assert_ne!(Place::of(&silent), Place::of(&named));
    }
}
