//! Registers the service worker and connects the page to it.

use crate::connection::{Connection, WorkerMessage};
use crate::error::Error;
use crate::page::{page, post, post_all};
use crate::register::resume;
use crate::types::RegisterOptions;
use gloo_timers::callback::Timeout;
use js_sys::futures::{JsFuture, spawn_local};
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    BroadcastChannel, MessageEvent, PageTransitionEvent, RegistrationOptions, ServiceWorkerRegistration,
    ServiceWorkerState, ServiceWorkerUpdateViaCache, Url, VisibilityState, Window,
};

/// A page looks for a newer worker at most so often, in ms.
const UPDATE_MS: f64 = 60_000.0;

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
    if !js_sys::Reflect::has(&window, &"WebAssembly".into()).unwrap_or(false) {
        return Err(Error::new(
            "wasm_unavailable",
            "WebAssembly is switched off in this browser. Allow it for this site, or use another browser.",
        ));
    }
    let url = worker_url(&window, &place)?;
    let registration = register_worker(&window, &url).await?;
    let failed = |why: JsValue| worker_failed(&url, &message_of(&why));
    listen(&window, (registration, url.clone()), &place.to_text(), on_message, on_page_hide).map_err(failed)
}

/// Registers the worker, and waits until it, or that of another user, is active.
async fn register_worker(window: &Window, url: &Url) -> Result<ServiceWorkerRegistration, Error> {
    let options = RegistrationOptions::new();
    options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
    let container = window.navigator().service_worker();
    let registered = async {
        let registering = container.register_with_options(&url.href(), &options);
        let registration: ServiceWorkerRegistration = JsFuture::from(registering).await?.unchecked_into();
        if registration.active().is_none_or(|active| active.script_url() != url.href()) {
            activated(&registration).await?;
        }
        Ok(registration)
    };
    match registered.await {
        Ok(registration) => Ok(registration),
        Err(why) => Err(explained(window, url, &why).await),
    }
}

fn message_of(why: &JsValue) -> String {
    why.dyn_ref::<js_sys::Error>().map(|why| String::from(why.message())).unwrap_or_default()
}

fn worker_failed(url: &Url, why: &str) -> Error {
    Error::new(
        "worker_failed",
        format!(
            "The worker {} could not be registered: {}. Open that address: it must be served as JavaScript from this origin.",
            url.pathname(),
            why.trim_end_matches('.')
        ),
    )
}

/// Returns the error of a registration that failed. What the browser says is about many causes the same, so the script is looked at.
async fn explained(window: &Window, url: &Url, why: &JsValue) -> Error {
    let script: web_sys::Response = match JsFuture::from(window.fetch_with_str(&url.href())).await {
        Ok(script) => script.unchecked_into(),
        Err(error) => return worker_failed(url, &format!("it cannot be loaded ({})", message_of(&error))),
    };
    let content_type = script.headers().get("content-type").ok().flatten();
    let content_type = content_type.unwrap_or_else(|| "no content type".into());
    if !script.ok() || !content_type.contains("javascript") {
        let came = format!("it is answered with status {} and {content_type}", script.status());
        return worker_failed(url, &came);
    }
    if why.dyn_ref::<js_sys::Error>().is_some_and(|why| why.name() == "SecurityError") {
        return Error::new(
            "storage_blocked",
            "The browser does not let this site keep data, so nothing can be saved on this device. Allow cookies and site data for this site in the browser's settings, and reload.",
        );
    }
    worker_failed(url, &message_of(why))
}

/// Looks for a newer worker, which the browser puts in the place of the present one by itself. Once a minute is enough.
pub fn look_for_update() {
    let (now, last) = (js_sys::Date::now(), page().updated_at.get());
    if now >= last + UPDATE_MS {
        page().updated_at.set(now);
        spawn_local(async {
            // Without the server there is none.
            let _ = newer_worker().await;
        });
    }
}

/// Looks for a newer worker. Returns true if there is one.
pub async fn newer_worker() -> bool {
    let Some(registration) = page().connection.get().map(Connection::registration) else { return false };
    let Ok(updating) = registration.update() else { return false };
    let updated = JsFuture::from(updating).await.is_ok();
    updated && (registration.installing().is_some() || registration.waiting().is_some())
}

/// Registers the worker of this place anew, in the place of whichever there is.
pub async fn claim_place(connection: &Connection, place: &Place) -> Result<(), Error> {
    claim(connection, &worker_url(&window()?, place)?).await
}

/// Registers the worker of this address anew, in the place of whichever there is.
async fn claim(connection: &Connection, url: &Url) -> Result<(), Error> {
    let registration = register_worker(&window()?, url).await?;
    connection.adopt(registration);
    Ok(())
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

/// Resolves once the new worker, or another one, is activated.
async fn activated(registration: &ServiceWorkerRegistration) -> Result<(), JsValue> {
    let cannot =
        || JsValue::from(js_sys::Error::new("it could not be installed; the browser's console says why"));
    let Some(worker) = registration.installing().or_else(|| registration.waiting()) else {
        return if registration.active().is_some() { Ok(()) } else { Err(cannot()) };
    };
    let registration = registration.clone();
    let promise = Promise::new(&mut |resolve, reject| {
        let (watched, registration) = (worker.clone(), registration.clone());
        let check = move || match watched.state() {
            ServiceWorkerState::Activated => drop(resolve.call0(&JsValue::UNDEFINED)),
            // Another tab may have registered the worker of another user meanwhile, which says so itself.
            ServiceWorkerState::Redundant if registration.active().is_some() => {
                drop(resolve.call0(&JsValue::UNDEFINED));
            }
            ServiceWorkerState::Redundant => drop(reject.call1(&JsValue::UNDEFINED, &cannot())),
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
    (registration, url): (ServiceWorkerRegistration, Url),
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
    let (lost_by, is_claiming) = (made.clone(), Rc::new(Cell::new(false)));
    let lost = function(move |_: JsValue| {
        let Some(connection) = lost_by.get().filter(|_| !is_claiming.replace(true)) else { return };
        let (url, is_claiming) = (url.clone(), is_claiming.clone());
        spawn_local(async move {
            // After a failure it is tried again, whenever the session posts.
            let _ = claim(connection, &url).await;
            is_claiming.set(false);
        });
    });
    let connection: &'static Connection =
        Box::leak(Box::new(Connection::new(registration, &page, place, function(on_message), arm, lost)));
    made.set(Some(connection));
    for channel in [place.to_owned(), format!(":{page}")] {
        let channel = BroadcastChannel::new(&format!("nightferry:{channel}"))?;
        channel.set_onmessage(Some(&function(move |event: MessageEvent| {
            let message = event.data().unchecked_into();
            if Connection::has_items(&message) {
                post();
            }
            // Actions that were dispatched before the user signed out are dropped with the session, and do not wait for the
            // next user.
            if Connection::is_signed_out(&message) {
                post_all();
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
            } else {
                look_for_update();
            }
        });
        document.add_event_listener_with_callback("visibilitychange", &hidden)?;
    }
    // A page that the browser had put aside has heard nothing meanwhile.
    let shown = function(move |event: PageTransitionEvent| {
        if event.persisted() {
            resume();
            connection.tell("ping");
        }
    });
    window.add_event_listener_with_callback("pageshow", &shown)?;
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
