//! Registers the service worker, and connects the page to it.

use crate::error::Error;
use crate::page::page;
use js_sys::futures::{JsFuture, spawn_local};
use js_sys::{Function, Promise};
use nightferry::client::{Addresses, Message};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    BroadcastChannel, MessageEvent, PageTransitionEvent, RegistrationOptions, SecurityPolicyViolationEvent,
    ServiceWorker, ServiceWorkerRegistration, ServiceWorkerState, ServiceWorkerUpdateViaCache, Url,
    VisibilityState, Window,
};

/// A page's way to its worker.
pub struct Link {
    registration: ServiceWorkerRegistration,
    url: Url,
    /// True while the worker is being registered anew.
    is_claiming: bool,
}

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

/// Returns a random id, for the page's lifetime.
pub fn random_id() -> String {
    // Without a browser, or on an insecure page, there is none. `connect` says so.
    let window = cfg!(target_family = "wasm").then(web_sys::window).flatten();
    let crypto = window.filter(Window::is_secure_context).and_then(|window| window.crypto().ok());
    crypto.map(|crypto| crypto.random_uuid()).unwrap_or_default()
}

/// Registers the worker at these addresses, and listens to it and to the events of the page.
pub async fn connect(addresses: Addresses) -> Result<(), Error> {
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
    let url = worker_url(&window, &addresses)?;
    let registration = register_worker(&window, &url).await?;
    listen(&window, &addresses.to_text()).map_err(|why| worker_failed(&url, &message_of(&why)))?;
    page().link.replace(Some(Link { registration, url, is_claiming: false }));
    Ok(())
}

/// Registers the worker, and waits until it, or that of another user, is active.
async fn register_worker(window: &Window, url: &Url) -> Result<ServiceWorkerRegistration, Error> {
    let options = RegistrationOptions::new();
    options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
    let container = window.navigator().service_worker();
    let is_forbidden = Rc::new(Cell::new(false));
    let noted = is_forbidden.clone();
    let note = Closure::<dyn FnMut(SecurityPolicyViolationEvent)>::new(
        move |event: SecurityPolicyViolationEvent| {
            noted.set(noted.get() || event.effective_directive() == "worker-src");
        },
    );
    let violation = "securitypolicyviolation";
    let listener = note.as_ref().unchecked_ref();
    let document = window.document();
    if let Some(document) = &document {
        let _ = document.add_event_listener_with_callback(violation, listener);
    }
    let registered = async {
        let registering = container.register_with_options(&url.href(), &options);
        let registration: ServiceWorkerRegistration = JsFuture::from(registering).await?.unchecked_into();
        if registration.active().is_none_or(|active| active.script_url() != url.href()) {
            activated(&registration).await?;
        }
        Ok(registration)
    };
    let registered = match registered.await {
        Ok(registration) => Ok(registration),
        Err(why) => Err(explained(window, url, &why, &is_forbidden).await),
    };
    if let Some(document) = &document {
        let _ = document.remove_event_listener_with_callback(violation, listener);
    }
    registered
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
/// `is_forbidden` says if a policy of the page has forbidden it, of which the browser tells later.
async fn explained(window: &Window, url: &Url, why: &JsValue, is_forbidden: &Cell<bool>) -> Error {
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
    if script.redirected() {
        let came = format!("it is redirected to {}, which browsers do not allow", script.url());
        return worker_failed(url, &came);
    }
    if is_forbidden.get() {
        return worker_failed(
            url,
            "a Content-Security-Policy of the page forbids it (add worker-src 'self')",
        );
    }
    if why.dyn_ref::<js_sys::Error>().is_some_and(|why| why.name() == "SecurityError") {
        return Error::new(
            "storage_blocked",
            "The browser does not let this site keep data, so nothing can be saved on this device. Allow cookies and site data for this site in the browser's settings, and reload.",
        );
    }
    worker_failed(url, &message_of(why))
}

/// Looks for a newer worker, which the browser puts in the place of the present one by itself. Returns true if there is one.
pub async fn newer_worker() -> bool {
    let registration = page().link.borrow().as_ref().map(|link| link.registration.clone());
    let Some(registration) = registration else { return false };
    let Ok(updating) = registration.update() else { return false };
    // Without the server there is none.
    let updated = JsFuture::from(updating).await.is_ok();
    updated && (registration.installing().is_some() || registration.waiting().is_some())
}

/// Registers the page's worker anew, in the place of whichever there is.
pub async fn claim() -> Result<(), Error> {
    let url = page().link.borrow().as_ref().map(|link| link.url.clone());
    if let Some(url) = url {
        let registration = register_worker(&window()?, &url).await?;
        if let Some(link) = &mut *page().link.borrow_mut() {
            link.registration = registration;
        }
    }
    Ok(())
}

/// Posts a message to the worker. Where there is none, it is registered anew.
pub fn post(message: Message<Vec<String>>) {
    // The worker is looked up each time, because an update replaces it.
    let worker = page().link.borrow().as_ref().and_then(|Link { registration, .. }| {
        let candidates = [registration.active(), registration.waiting(), registration.installing()];
        let is_alive = |worker: &ServiceWorker| worker.state() != ServiceWorkerState::Redundant;
        candidates.into_iter().flatten().find(is_alive)
    });
    let text = match message {
        Message::Text(text) => text,
        Message::Burst { before, burst } => [&before, "[", &burst.join(","), "]}"].concat(),
    };
    if let Some(worker) = worker {
        // The client's timer posts it again if there is none.
        let _ = worker.post_message(&text.into());
        return;
    }
    let is_claiming = |is: bool| {
        page().link.borrow_mut().as_mut().is_none_or(|link| std::mem::replace(&mut link.is_claiming, is))
    };
    if !is_claiming(true) {
        spawn_local(async move {
            if claim().await.is_ok() {
                page().connection.with(|client, now| client.adopted(now));
            }
            is_claiming(false);
        });
    }
}

fn worker_url(window: &Window, place: &Addresses) -> Result<Url, Error> {
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
fn listen(window: &Window, place: &str) -> Result<(), JsValue> {
    let connection = &page().connection;
    for channel in [place.to_owned(), format!(":{}", connection.page())] {
        let channel = BroadcastChannel::new(&format!("nightferry:{channel}"))?;
        channel.set_onmessage(Some(&function(move |event: MessageEvent| {
            page().subscriptions.handle_message(event.data().unchecked_into());
        })));
        // Without an owner, the browser might collect the channel.
        std::mem::forget(channel);
    }
    let hide = || connection.with(|client, now| client.hide(now));
    let online = function(move |_: JsValue| connection.with(|client, _| client.tell("online")));
    window.add_event_listener_with_callback("online", &online)?;
    window.add_event_listener_with_callback("pagehide", &function(move |_: JsValue| hide()))?;
    if let Some(document) = window.document() {
        let changed = function(move |_: JsValue| match is_hidden() {
            true => hide(),
            false => connection.with(|client, now| client.show(now, false)),
        });
        document.add_event_listener_with_callback("visibilitychange", &changed)?;
    }
    let shown = function(move |event: PageTransitionEvent| {
        if event.persisted() {
            connection.with(|client, now| client.show(now, true));
        }
    });
    window.add_event_listener_with_callback("pageshow", &shown)?;
    Ok(())
}
