//! Waiting for the browser: wasm-bindgen-futures, and events as promises.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

pub use wasm_bindgen_futures::spawn_local as spawn;

/// A promise that is settled as the work ends.
pub fn promise(work: impl Future<Output = Result<(), JsValue>> + 'static) -> Promise {
    future_to_promise(async move { work.await.map(|()| JsValue::UNDEFINED) })
}

/// One of two events; `listen` is given what is to be called at the good one and at the bad one.
pub fn event(listen: &dyn Fn(Function, Function)) -> JsFuture {
    JsFuture::from(Promise::new(&mut |good, bad| listen(good, bad)))
}

/// A promise's end.
pub fn settled(promise: &Promise) -> JsFuture {
    JsFuture::from(promise.clone())
}

/// A function for the browser to call; it lives as long as the browser can.
pub fn handler(handle: impl FnMut(JsValue) + 'static) -> Function {
    Closure::<dyn FnMut(JsValue)>::new(handle).into_js_value().unchecked_into()
}
