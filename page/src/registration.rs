//! The service worker's registration, and the worker to post to.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{RegistrationOptions, ServiceWorker, ServiceWorkerRegistration, ServiceWorkerState, ServiceWorkerUpdateViaCache};

/// Registers the worker at `url`, in the scope beside the app's own, and calls `then` once it can be posted to, or
/// `reject(reason)`.
pub fn register(url: &str, reject: Function, then: impl FnOnce(ServiceWorkerRegistration) + 'static) {
    let Some(window) = web_sys::window() else { return };
    let options = RegistrationOptions::new();
    options.set_update_via_cache(ServiceWorkerUpdateViaCache::None);
    let failed = reject.clone();
    let registered = Closure::once_into_js(move |registration: ServiceWorkerRegistration| {
        match registration.active().is_none().then(|| worker(&registration)).flatten() {
            Some(starting) => when_active(starting, move |active| {
                if active {
                    then(registration);
                } else {
                    let _ = failed.call0(&JsValue::UNDEFINED);
                }
            }),
            None => then(registration),
        }
    });
    let promise: Then = window.navigator().service_worker().register_with_options(url, &options).unchecked_into();
    promise.then(registered.unchecked_ref(), &reject);
}

#[wasm_bindgen]
extern "C" {
    /// A promise's `then` for functions.
    type Then;
    #[wasm_bindgen(method)]
    fn then(this: &Then, resolved: &Function, rejected: &Function);
}

/// The worker to post to: the active one, or the one about to be.
pub fn worker(registration: &ServiceWorkerRegistration) -> Option<ServiceWorker> {
    registration.active().or_else(|| registration.waiting()).or_else(|| registration.installing())
}

/// Calls `then(true)` when the worker is active, `then(false)` when it could not be installed.
fn when_active(worker: ServiceWorker, then: impl FnOnce(bool) + 'static) {
    let mut then = Some(then);
    let watched = worker.clone();
    let changed = Closure::<dyn FnMut()>::new(move || {
        let state = watched.state();
        let settled = state == ServiceWorkerState::Activated || state == ServiceWorkerState::Redundant;
        if let Some(then) = settled.then(|| then.take()).flatten() {
            then(state == ServiceWorkerState::Activated);
        }
    });
    worker.set_onstatechange(Some(changed.into_js_value().unchecked_ref()));
}
