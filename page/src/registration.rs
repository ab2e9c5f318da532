//! Finds the worker, or has it installed, and begins the conversation with it.

use crate::connection::{Connection, Down};
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

/// The page's window; there is none in a worker.
pub fn window() -> Result<Window, Error> {
    web_sys::window().ok_or_else(no_window)
}

pub fn no_window() -> Error {
    Error::new(
        "unsupported",
        "register() is called by a page, and here is no window. Call it in the browser, on the main thread.",
    )
}

/// Whether nobody sees the page.
pub fn is_hidden() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
}

/// A function for JavaScript, which lives as long as the page.
pub fn function<A: wasm_bindgen::convert::FromWasmAbi + 'static>(call: impl Fn(A) + 'static) -> Function {
    Closure::<dyn Fn(A)>::new(call).into_js_value().unchecked_into()
}

/// Where the worker, the API and the database are; the usual ones where the options do not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub worker_url: String,
    pub api: String,
    pub name: String,
}

impl Place {
    pub fn of(options: &RegisterOptions) -> Self {
        let given =
            |option: &Option<String>, otherwise: &str| option.clone().unwrap_or_else(|| otherwise.into());
        Place {
            worker_url: given(&options.worker_url, "/nightferry/sw.js"),
            api: given(&options.api, "/nightferry"),
            name: given(&options.name, "nightferry"),
        }
    }
}

/// Registers the worker; `hear` gets every message that is not an answer, `leave` is called when the page may be gone the
/// next moment.
pub async fn connect(
    place: Place,
    hear: impl Fn(Down) + 'static,
    leave: impl Fn() + Clone + 'static,
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
    if registration.active().is_none() {
        activated(registration.installing().or_else(|| registration.waiting())).await.map_err(failed)?;
    }
    converse(&window, registration, &place.name, hear, leave).map_err(failed)
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

/// Hears the worker on the two channels, one for all pages and one for this page, and tells it when the page goes.
fn converse(
    window: &Window,
    registration: ServiceWorkerRegistration,
    name: &str,
    hear: impl Fn(Down) + 'static,
    leave: impl Fn() + Clone + 'static,
) -> Result<&'static Connection, JsValue> {
    let page = window.crypto()?.random_uuid();
    // The timer's function is made before the connection that it calls.
    let made = Rc::new(Cell::new(None::<&'static Connection>));
    let timer = RefCell::new(None);
    let ticking = made.clone();
    let arm = function(move |ms: f64| {
        let ticking = ticking.clone();
        let tick = move || ticking.get().map(Connection::tick).unwrap_or_default();
        *timer.borrow_mut() = Some(Timeout::new(ms.max(0.0) as u32, tick));
    });
    let connection: &'static Connection =
        Box::leak(Box::new(Connection::new(registration, &page, function(hear), arm)));
    made.set(Some(connection));
    for channel in [name.to_owned(), format!("{name}:{page}")] {
        let channel = BroadcastChannel::new(&format!("nightferry:{channel}"))?;
        channel.set_onmessage(Some(&function(move |event: MessageEvent| {
            let down = event.data().unchecked_into();
            if Connection::tells_of_items(&down) {
                post();
            }
            connection.hear(down);
        })));
        // Held, or the browser might collect it.
        std::mem::forget(channel);
    }
    let online = function(move |_: JsValue| connection.say(|session, _| vec![session.tell("online")]));
    window.add_event_listener_with_callback("online", &online)?;
    let gone = leave.clone();
    window.add_event_listener_with_callback("pagehide", &function(move |_: JsValue| gone()))?;
    if let Some(document) = window.document() {
        let hidden = function(move |_: JsValue| {
            if is_hidden() {
                leave();
            }
        });
        document.add_event_listener_with_callback("visibilitychange", &hidden)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part of a page may say what another leaves out.
    #[test]
    fn the_usual_place_by_its_name_is_the_same_place() {
        let (silent, mut named) = (RegisterOptions::default(), RegisterOptions::default());
        named.worker_url = Some("/nightferry/sw.js".into());
        named.api = Some("/nightferry".into());
        named.name = Some("nightferry".into());
        assert_eq!(Place::of(&silent), Place::of(&named));
        named.name = Some("other".into());
        assert_ne!(Place::of(&silent), Place::of(&named));
    }
}
