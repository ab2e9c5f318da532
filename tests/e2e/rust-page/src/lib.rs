//! The Rust API of pages under the names of JavaScript's, so that one test drives both clients. Nothing is added: what comes
//! in is read with serde, what goes out is written with it.

use js_sys::futures::future_to_promise;
use js_sys::{Function, JSON, Promise};
use nightferry_page as nf;
use nightferry_page::{Change, Error, Resolution, Subscription};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;

fn read<T: DeserializeOwned>(value: &JsValue) -> Result<T, JsValue> {
    let text = JSON::stringify(value).map(String::from)?;
    serde_json::from_str(&text).map_err(|why| js_sys::TypeError::new(&why.to_string()).into())
}

fn write<T: Serialize + ?Sized>(value: &T) -> JsValue {
    let text = serde_json::to_string(value).unwrap_or_default();
    JSON::parse(&text).unwrap_or(JsValue::UNDEFINED)
}

/// An error as JavaScript's client throws it.
fn failure(error: Error) -> JsValue {
    let failure = js_sys::Error::new(&error.message);
    let _ = js_sys::Reflect::set(&failure, &"code".into(), &error.code.into());
    failure.into()
}

fn call(function: &Function, arguments: &[JsValue]) {
    let [first, second] = [0, 1].map(|at| arguments.get(at).cloned().unwrap_or(JsValue::UNDEFINED));
    let _ = function.call2(&JsValue::UNDEFINED, &first, &second);
}

thread_local! {
    /// The subscriptions that were not ended, by their numbers.
    static SUBSCRIPTIONS: RefCell<Vec<Option<Subscription>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the function that ends a subscription. As in JavaScript, the subscription does not end when nobody keeps that function: the
/// browser drops what a function owns with the function.
fn end(subscription: Subscription) -> JsValue {
    let number = SUBSCRIPTIONS.with_borrow_mut(|all| {
        all.push(Some(subscription));
        all.len() - 1
    });
    let ended = move || SUBSCRIPTIONS.with_borrow_mut(|all| all.get_mut(number).and_then(Option::take));
    Closure::<dyn FnMut()>::new(move || drop(ended())).into_js_value()
}

/// Begins at once, as JavaScript's does.
#[wasm_bindgen]
pub fn register(options: JsValue) -> Result<Promise, JsValue> {
    if let Ok(get_token) = js_sys::Reflect::get(&options, &"getToken".into())
        && let Ok(get_token) = get_token.dyn_into::<Function>()
    {
        nf::provide_tokens(move || {
            let token = get_token.call0(&JsValue::UNDEFINED).ok().and_then(|token| token.as_string());
            async { token }
        });
    }
    let registering = nf::register(read(&options)?);
    Ok(future_to_promise(async {
        registering.await.map(|registration| write(&registration)).map_err(failure)
    }))
}

/// Registers and waits for that last, as a page may that reads meanwhile.
#[wasm_bindgen(js_name = hydrateWhileRegistering)]
pub async fn hydrate_while_registering(options: JsValue, slice: String) -> Result<JsValue, JsValue> {
    let registering = nf::register(read(&options)?);
    let items = nf::hydrate::<Value>(&slice).await.map_err(failure)?;
    registering.await.map_err(failure)?;
    Ok(write(&items))
}

#[wasm_bindgen]
pub fn dispatch(action: JsValue) -> Result<JsValue, JsValue> {
    nf::dispatch::<Value>(&read(&action)?).map_err(failure)?;
    Ok(action)
}

#[wasm_bindgen]
pub async fn hydrate(slice: String) -> Result<JsValue, JsValue> {
    nf::hydrate::<Value>(&slice).await.map(|items| write(&items)).map_err(failure)
}

/// The items of a slice that are texts.
#[wasm_bindgen(js_name = hydrateTexts)]
pub async fn hydrate_texts(slice: String) -> Result<JsValue, JsValue> {
    nf::hydrate::<String>(&slice).await.map(|items| write(&items)).map_err(failure)
}

#[wasm_bindgen]
pub fn subscribe(slice: &str, listener: Function) -> JsValue {
    end(nf::subscribe(slice, move |change: Change<Value>| call(&listener, &[write(&change)])))
}

#[wasm_bindgen(js_name = subscribePending)]
pub fn subscribe_pending(slice: &str, listener: Function) -> JsValue {
    end(nf::subscribe_pending(slice, move |changes, reset| call(&listener, &[write(changes), reset.into()])))
}

#[wasm_bindgen(js_name = getStatus)]
pub fn get_status() -> JsValue {
    write(&nf::get_status())
}

#[wasm_bindgen(js_name = subscribeStatus)]
pub fn subscribe_status(listener: Function) -> JsValue {
    end(nf::subscribe_status(move |status| call(&listener, &[write(status)])))
}

#[wasm_bindgen(js_name = getSyncMetrics)]
pub fn get_sync_metrics() -> JsValue {
    write(&nf::get_sync_metrics())
}

#[wasm_bindgen(js_name = subscribeSyncMetrics)]
pub fn subscribe_sync_metrics(listener: Function) -> JsValue {
    end(nf::subscribe_sync_metrics(move |metrics| call(&listener, &[write(metrics)])))
}

#[wasm_bindgen(js_name = resetSyncMetrics)]
pub fn reset_sync_metrics() {
    nf::reset_sync_metrics();
}

#[wasm_bindgen(js_name = subscribeErrors)]
pub fn subscribe_errors(listener: Function) -> JsValue {
    end(nf::subscribe_errors(move |error| call(&listener, &[write(error)])))
}

/// The options are those of JavaScript's `signOut`.
#[wasm_bindgen(js_name = signOut)]
pub async fn sign_out(options: JsValue) -> Result<(), JsValue> {
    let discard = js_sys::Reflect::get(&options, &"discard".into()).is_ok_and(|discard| discard.is_truthy());
    nf::sign_out(discard).await.map_err(failure)
}

/// The content of the file that JavaScript's `exportUnsent` gives.
#[wasm_bindgen(js_name = unsentFile)]
pub async fn unsent_file() -> Result<JsValue, JsValue> {
    nf::export_unsent().await.map(|file| write(&file)).map_err(failure)
}

#[wasm_bindgen(js_name = getRejected)]
pub async fn get_rejected() -> Result<JsValue, JsValue> {
    nf::get_rejected().await.map(|rejected| write(&rejected)).map_err(failure)
}

#[wasm_bindgen(js_name = retryRejected)]
pub async fn retry_rejected(id: String, value: JsValue) -> Result<(), JsValue> {
    let value = if value.is_undefined() { None } else { Some(read::<Value>(&value)?) };
    nf::retry_rejected(&id, value.as_ref()).await.map_err(failure)
}

#[wasm_bindgen(js_name = discardRejected)]
pub async fn discard_rejected(id: String) -> Result<(), JsValue> {
    nf::discard_rejected(&id).await.map_err(failure)
}

#[wasm_bindgen(js_name = subscribeRejected)]
pub fn subscribe_rejected(listener: Function) -> JsValue {
    end(nf::subscribe_rejected(move |rejected| call(&listener, &[write(rejected)])))
}

#[wasm_bindgen(js_name = flushPersistence)]
pub async fn flush_persistence() -> Result<(), JsValue> {
    nf::flush_persistence().await.map_err(failure)
}

#[wasm_bindgen(js_name = syncNow)]
pub async fn sync_now() -> Result<(), JsValue> {
    nf::sync_now().await.map_err(failure)
}

#[wasm_bindgen(js_name = syncToFlaskBulk)]
pub async fn sync_to_flask_bulk() -> Result<(), JsValue> {
    nf::sync_to_flask_bulk().await.map_err(failure)
}

#[wasm_bindgen(js_name = checkFlaskConnection)]
pub async fn check_flask_connection() -> Result<bool, JsValue> {
    nf::check_flask_connection().await.map_err(failure)
}

#[wasm_bindgen(js_name = configurePersistence)]
pub async fn configure_persistence(slice: String, config: JsValue) -> Result<(), JsValue> {
    nf::configure_persistence(&slice, read(&config)?).await.map_err(failure)
}

#[wasm_bindgen(js_name = enablePersistence)]
pub async fn enable_persistence(slice: String) -> Result<(), JsValue> {
    nf::enable_persistence(&slice).await.map_err(failure)
}

#[wasm_bindgen(js_name = disablePersistence)]
pub async fn disable_persistence(slice: String) -> Result<(), JsValue> {
    nf::disable_persistence(&slice).await.map_err(failure)
}

#[wasm_bindgen(js_name = configureAutoSync)]
pub async fn configure_auto_sync(config: JsValue) -> Result<(), JsValue> {
    nf::configure_auto_sync(read(&config)?).await.map_err(failure)
}

#[wasm_bindgen(js_name = getConflicts)]
pub async fn get_conflicts() -> Result<JsValue, JsValue> {
    nf::get_conflicts().await.map(|conflicts| write(&conflicts)).map_err(failure)
}

#[wasm_bindgen(js_name = resolveConflict)]
pub async fn resolve_conflict(id: String, choice: String, value: JsValue) -> Result<(), JsValue> {
    let given: Value = if value.is_undefined() { Value::Null } else { read(&value)? };
    let resolution = match &*choice {
        "local" => Resolution::Local,
        "remote" => Resolution::Remote,
        "merge" => Resolution::Merge,
        _ => Resolution::Value(&given),
    };
    nf::resolve_conflict(&id, resolution).await.map_err(failure)
}

#[wasm_bindgen(js_name = subscribeConflicts)]
pub fn subscribe_conflicts(listener: Function) -> JsValue {
    end(nf::subscribe_conflicts(move |conflicts| call(&listener, &[write(conflicts)])))
}

#[wasm_bindgen]
pub async fn synced(slice: String, id: Option<String>) -> Result<(), JsValue> {
    nf::synced(&slice, id.as_deref()).await.map_err(failure)
}
