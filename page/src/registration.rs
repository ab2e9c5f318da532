//! The service worker's registration, and the worker to post to.

use js_sys::{Error, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RegistrationOptions, ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration, ServiceWorkerState,
    ServiceWorkerUpdateViaCache,
};

/// An error with a `code`, as every rejection of the API is.
pub fn error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

fn container() -> Result<ServiceWorkerContainer, JsValue> {
    let Some(window) = web_sys::window() else {
        return Err(error("unsupported", "Nightferry's page API runs in a window. In a worker, post messages to a page instead."));
    };
    let secure = Reflect::get(&window, &"isSecureContext".into()).is_ok_and(|secure| secure.is_truthy());
    if !secure {
        return Err(error("insecure_context", "Browsers run service workers on https:// and on localhost only, so Nightferry cannot work on this address. Serve the page over HTTPS or open it as http://localhost."));
    }
    let navigator = window.navigator();
    if !Reflect::has(&navigator, &"serviceWorker".into()).unwrap_or(false) {
        return Err(error("unsupported", "This browser has no service workers, or they are switched off (as in some private windows). Use a current browser, in a normal window."));
    }
    Ok(navigator.service_worker())
}

/// Registers the worker at `url`, in the scope beside the app's own, and waits until it can be posted to.
pub async fn register(url: &str) -> Result<ServiceWorkerRegistration, JsValue> {
    let container = container()?;
    let options = RegistrationOptions::new();
    options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
    let promise = container.register_with_options(url, &options);
    let registration: ServiceWorkerRegistration = JsFuture::from(promise).await.map_err(|reason| failed(url, &reason))?.unchecked_into();
    if registration.active().is_none() {
        let starting = registration.installing().or_else(|| registration.waiting());
        activated(starting.ok_or_else(|| failed(url, &"no worker was installed".into()))?)
            .await
            .map_err(|_| failed(url, &"the worker could not be installed; the browser's console says why".into()))?;
    }
    Ok(registration)
}

/// The worker to post to: the active one, or the one about to be.
pub fn worker(registration: &ServiceWorkerRegistration) -> Option<ServiceWorker> {
    registration.active().or_else(|| registration.waiting()).or_else(|| registration.installing())
}

async fn activated(worker: ServiceWorker) -> Result<JsValue, JsValue> {
    let mut executor = |resolve: js_sys::Function, reject: js_sys::Function| {
        let watched = worker.clone();
        let check = move || match watched.state() {
            ServiceWorkerState::Activated => resolve.call0(&JsValue::NULL).is_ok(),
            ServiceWorkerState::Redundant => reject.call0(&JsValue::NULL).is_ok(),
            _ => false,
        };
        if !check() {
            let check = Closure::<dyn Fn()>::new(move || {
                check();
            });
            worker.set_onstatechange(Some(check.as_ref().unchecked_ref()));
            check.forget();
        }
    };
    JsFuture::from(Promise::new(&mut executor)).await
}

fn failed(url: &str, reason: &JsValue) -> JsValue {
    let reason = match reason.dyn_ref::<Error>() {
        Some(error) => String::from(error.message()),
        None => reason.as_string().unwrap_or_default(),
    };
    error("worker_failed", &format!("The worker {url} could not be registered: {reason}. Open that address: it must be served as JavaScript from this origin, below the path that it is registered for."))
}
