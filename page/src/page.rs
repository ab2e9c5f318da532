//! The page's API: what is asked of the worker, and what is dispatched.

use crate::action;
use crate::connection::Connection;
use crate::error::Error;
use crate::gather::{Gathered, Post};
use crate::heard::{Elsewhere, Heard, read};
use crate::listeners::Subscription;
use crate::registration::{self, Place, is_hidden, window};
use crate::types::{
    AutoSyncConfig, Change, Item, ItemProgress, RegisterOptions, Registration, SliceConfig, Status,
    SyncMetrics, WorkerError,
};
use gloo_timers::callback::Timeout;
use gloo_timers::future::TimeoutFuture;
use js_sys::futures::{JsFuture, future_to_promise, spawn_local};
use js_sys::{Function, Object, Promise, Reflect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What the worker says when it cannot start at all.
const CANNOT_START: [&str; 3] = ["newer_schema", "unreadable_database", "worker_failed"];

/// A slice that could not be read again in peace is read again after so many ms.
const AGAIN_MS: u32 = 250;

/// All that a page has of Nightferry.
#[derive(Default)]
struct Page {
    heard: Heard,
    gathered: RefCell<Gathered>,
    /// The conversation with the worker, once it has begun.
    connection: Cell<Option<&'static Connection>>,
    /// Where that is.
    place: RefCell<Option<Place>>,
    /// How many calls of `register` have not asked the worker yet.
    early: Cell<u64>,
    /// How many are not over.
    registering: Cell<u64>,
    /// One was granted.
    registered: Cell<bool>,
    /// Why the last one that failed did.
    refused: RefCell<Option<Error>>,
    /// Resolves when the last of them, or an earlier one, has its answer.
    last_turn: RefCell<Option<Promise>>,
    /// How many actions were dispatched of slices that were read or are listened to.
    dispatched: RefCell<BTreeMap<String, u64>>,
    /// The slices that are being read again; whether to do it once more.
    catching_up: RefCell<BTreeMap<String, bool>>,
}

impl Page {
    fn dispatched(&self, slice: &str) -> u64 {
        self.dispatched.borrow().get(slice).copied().unwrap_or_default()
    }

    /// Whether `register` was granted, or may be yet. Where it was refused, nothing would ever be posted.
    fn check_registered(&self, what: &str) -> Result<(), Error> {
        if self.registering.get() > 0 || self.registered.get() { Ok(()) } else { Err(not_registered(what)) }
    }
}

thread_local! {
    static PAGE: &'static Page = Box::leak(Box::default());
}

fn page() -> &'static Page {
    PAGE.with(|page| *page)
}

/// Registers the worker and declares slices. Call it early: what is dispatched after the call is kept, also before it
/// resolves. A page of several parts may call it again with more slices, or with other settings of the same. It begins
/// at once, and goes on whatever becomes of the future.
///
/// # Errors
///
/// `unsupported`, `insecure_context`, `worker_failed`, `bad_config`, `storage`, `newer_schema`, `unreadable_database`; the
/// message says the next step. What failed may be tried again.
pub fn register(options: RegisterOptions) -> impl Future<Output = Result<Registration, Error>> {
    // Where a page is rendered on a server, there is nothing to keep.
    let begun = cfg!(target_family = "wasm").then(|| {
        // What is dispatched from now on may be of these slices.
        let (early, turn) = (Early::new(), Turn::after_those_before());
        let outcome = Rc::new(RefCell::new(None));
        let told = outcome.clone();
        // Not by the future's own polling: others wait for this call, and it may be awaited after them, or never.
        let over = future_to_promise(async move {
            let registered = registered(options, early, turn).await;
            told.replace(Some(registered));
            Ok(JsValue::UNDEFINED)
        });
        (over, outcome)
    });
    async move {
        let Some((over, outcome)) = begun else { return Err(registration::no_window()) };
        let _ = JsFuture::from(over).await;
        let registered = outcome.take();
        registered.unwrap_or_else(|| Err(not_registered("register")))
    }
}

async fn registered(options: RegisterOptions, early: Early, turn: Turn) -> Result<Registration, Error> {
    let page = page();
    let registration = granted(options, early, &turn).await;
    match &registration {
        Ok(_) => page.registered.set(true),
        Err(why) => drop(page.refused.replace(Some(why.clone()))),
    }
    registration
}

async fn granted(options: RegisterOptions, early: Early, turn: &Turn) -> Result<Registration, Error> {
    let page = page();
    // One call after the other, so that each is refused for its own mistakes.
    turn.come().await;
    let connection = connected(&options).await?;
    let (slices, auto_sync) = (json(&options.slices), json(&options.auto_sync.unwrap_or_default()));
    let mut cannot_start = None;
    let answer = Promise::new(&mut |resolve, reject| {
        let rejected = reject.clone();
        cannot_start = Some(page.heard.on_error.add(move |error| {
            if CANNOT_START.contains(&&*error.code) {
                // Once this has settled, it changes nothing any more.
                let _ = rejected.call1(&JsValue::UNDEFINED, &error_object(error));
            }
        }));
        connection.ask(resolve, reject, |session, now| session.register(now, &slices, &auto_sync));
    });
    // Now the session keeps what is posted until it is answered.
    drop(early);
    let answer = settled(answer).await;
    drop(cannot_start);
    answer
}

/// While there is one, nothing is posted.
struct Early;

impl Early {
    fn new() -> Self {
        page().early.set(page().early.get() + 1);
        Early
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        page().early.set(page().early.get() - 1);
        post();
    }
}

/// The turn to register; the next one's comes when it is dropped.
struct Turn {
    before: Option<Promise>,
    over: Option<Function>,
}

impl Turn {
    fn after_those_before() -> Self {
        let mut over = None;
        let promise = Promise::new(&mut |resolve, _| over = Some(resolve));
        page().registering.set(page().registering.get() + 1);
        Turn { before: page().last_turn.replace(Some(promise)), over }
    }

    async fn come(&self) {
        if let Some(before) = self.before.clone() {
            let _ = JsFuture::from(before).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        page().registering.set(page().registering.get() - 1);
        if let Some(over) = self.over.take() {
            let _ = over.call0(&JsValue::UNDEFINED);
        }
    }
}

fn error_object(error: &WorkerError) -> JsValue {
    let object = Object::new();
    for (name, value) in [("code", &error.code), ("message", &error.message)] {
        let _ = Reflect::set(&object, &name.into(), &value.into());
    }
    object.into()
}

/// The conversation with the worker, begun by the first call that finds it. What failed is tried again by the next.
async fn connected(options: &RegisterOptions) -> Result<&'static Connection, Error> {
    let page = page();
    let place = Place::of(options);
    if let Some(connection) = page.connection.get() {
        if page.place.borrow().as_ref() == Some(&place) {
            return Ok(connection);
        }
        return Err(Error::new(
            "bad_config",
            "register() was called before with another worker_url, api or name. Reload the page.",
        ));
    }
    let hear = |down| {
        if page.heard.hear(&down) {
            for slice in page.heard.followed() {
                spawn_local(catch_up(slice));
            }
        }
    };
    let connection = registration::connect(place.clone(), hear, leave).await?;
    page.place.replace(Some(place));
    page.connection.set(Some(connection));
    for slice in page.heard.watched() {
        connection.say(|session, _| vec![session.watch(&slice)]);
    }
    Ok(connection)
}

/// Takes an action and forgets about it: it is durable within milliseconds, whatever happens to the page. It is anything
/// that serializes to `{type, payload}`, such as an [`Action`](crate::Action). What it does to an item, the page shows by
/// itself.
///
/// # Errors
///
/// `bad_action` for what cannot be kept, naming the path; `not_registered` before the first [`register`]. What only the
/// worker can know, such as a slice that was not registered or an unknown verb, comes later, to [`subscribe_errors`] and the
/// console.
pub fn dispatch<A: Serialize + ?Sized>(action: &A) -> Result<(), Error> {
    let page = page();
    page.check_registered("dispatch")?;
    let dispatched = action::read(action)?;
    if page.heard.follows(dispatched.slice()) {
        page.heard.knows(dispatched.slice(), dispatched.ids());
        *page.dispatched.borrow_mut().entry(dispatched.slice().into()).or_default() += 1;
    }
    let post_it = page.gathered.borrow_mut().add(&dispatched.text, now(), is_hidden());
    match post_it {
        Post::Arranged => {}
        Post::Soon => spawn_local(async { post() }),
        Post::Later(ms) => drop(Timeout::new(ms, post).forget()),
    }
    Ok(())
}

fn not_registered(what: &str) -> Error {
    Error::new("not_registered", format!("{what}: call register() first, with the slices."))
}

/// The page's clock, in ms.
fn now() -> f64 {
    window().ok().and_then(|window| window.performance()).map(|clock| clock.now()).unwrap_or_default()
}

/// Posts what was gathered, once there is a worker to post to. It waits for calls of `register`.
fn post() {
    if page().early.get() == 0 {
        post_all();
    }
}

fn post_all() {
    let page = page();
    let Some(connection) = page.connection.get() else { return };
    let bursts = page.gathered.borrow_mut().take(now());
    for burst in bursts {
        connection.say(|session, now| session.burst(now, burst.into()).into_iter().collect());
    }
}

/// The page may be gone the next moment, and its worker soon after.
fn leave() {
    post_all();
    tell("hidden");
}

/// Tells the worker what needs no answer.
fn tell(kind: &str) {
    if let Some(connection) = page().connection.get() {
        connection.tell(kind);
    }
}

fn json<T: Serialize>(value: &T) -> String {
    // What is declared are texts, numbers and switches by name.
    serde_json::to_string(value).unwrap_or_default()
}

/// What a promise of the connection comes to.
async fn settled<T: DeserializeOwned>(answer: Promise) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Failed {
        code: String,
        message: String,
    }
    match JsFuture::from(answer).await {
        Ok(answer) => read(&answer),
        Err(failed) => {
            let Failed { code, message } = read(&failed)?;
            Err(Error { code, message })
        }
    }
}

/// Asks the worker; what was dispatched before this call goes first.
async fn ask<T: DeserializeOwned>(
    kind: &str,
    slice: Option<&str>,
    settings: Option<&str>,
) -> Result<T, Error> {
    let page = page();
    page.check_registered(kind)?;
    // A call of `register` that comes meanwhile holds back what was dispatched, which is to go first.
    let mut awaited = None;
    loop {
        let last = page.last_turn.borrow().clone();
        if last.as_deref() == awaited.as_deref() {
            break;
        }
        if let Some(registering) = &last {
            let _ = JsFuture::from(registering.clone()).await;
        }
        awaited = last;
    }
    let Some(connection) = page.connection.get().filter(|_| page.registered.get()) else {
        // Those who waited for it hear of its mistake.
        let refused = page.refused.borrow().clone();
        return Err(refused.unwrap_or_else(|| not_registered(kind)));
    };
    post();
    let answer = Promise::new(&mut |resolve, reject| {
        connection.ask(resolve, reject, |session, now| session.request(now, kind, slice, settings));
    });
    settled(answer).await
}

/// An answer that only says that it is done.
#[derive(Deserialize)]
struct Done {}

/// A slice's items, all of one moment, what was dispatched before included. Later changes follow by [`subscribe`]; what
/// that told before is in them.
///
/// An item that is no `T` is left out, and reported to [`subscribe_errors`] and the console as `unreadable_item`.
///
/// # Errors
///
/// `unknown_slice`, `storage`, `not_registered`.
pub async fn hydrate<T: DeserializeOwned>(slice: &str) -> Result<Vec<Item<T>>, Error> {
    let items = stored(slice).await?;
    let heard = &page().heard;
    heard.knows(slice, items.iter().map(|item| item.id.clone()));
    Ok(heard.typed(slice, &items))
}

async fn stored(slice: &str) -> Result<Vec<Item<Value>>, Error> {
    /// The stored items, and what is newer than the store and wins over them.
    #[derive(Deserialize)]
    struct Rows {
        ids: Vec<String>,
        values: Vec<Value>,
        puts: Vec<Item<Value>>,
        deletes: Vec<String>,
        position: u64,
    }
    // The worker reads a store while it takes what others do, and may tell of that before it answers.
    let early: Rc<RefCell<Vec<Elsewhere>>> = Rc::default();
    let (told, another) = (early.clone(), early.clone());
    let _listening = page().heard.on_change(slice, move |told_now| told.borrow_mut().push(told_now.clone()));
    let _another = page().heard.on_another.add(move |()| another.borrow_mut().clear());
    let rows: Rows = ask("hydrate", Some(slice), None).await?;
    let mut items: BTreeMap<String, Value> = rows.ids.into_iter().zip(rows.values).collect();
    let mut change = |puts: Vec<Item<Value>>, deletes: Vec<String>| {
        for id in deletes {
            items.remove(&id);
        }
        items.extend(puts.into_iter().map(|put| (put.id, put.value)));
    };
    change(rows.puts, rows.deletes);
    for Elsewhere { position, change: told } in early.take() {
        if position > rows.position {
            change(told.puts, told.deletes);
        }
    }
    Ok(items.into_iter().map(|(id, value)| Item { id, value }).collect())
}

/// Reads a slice again of which the page may have missed changes, and tells its listeners what it has come to.
async fn catch_up(slice: String) {
    let page = page();
    // Whoever does it already does it once more.
    if page.catching_up.borrow_mut().insert(slice.clone(), true).is_some() {
        return;
    }
    while page.catching_up.borrow().get(&slice) == Some(&true) {
        page.catching_up.borrow_mut().insert(slice.clone(), false);
        let before = page.dispatched(&slice);
        match stored(&slice).await {
            Ok(items) if before == page.dispatched(&slice) => {
                page.heard.catch_up(&slice, items);
            }
            // What was dispatched meanwhile is newer than what was read.
            Ok(_) => {
                page.catching_up.borrow_mut().insert(slice.clone(), true);
                TimeoutFuture::new(AGAIN_MS).await;
            }
            Err(why) => page.heard.report(why),
        }
    }
    page.catching_up.borrow_mut().remove(&slice);
}

/// Calls `listener` with a slice's items that were changed elsewhere, for as long as the subscription is held; not with what
/// this page changes. Should the page have missed some, while no worker knew of it, `listener` hears of all items that there
/// are and of those that are gone. Items that are no `T` are left out, as by [`hydrate`].
pub fn subscribe<T: DeserializeOwned>(slice: &str, listener: impl Fn(Change<T>) + 'static) -> Subscription {
    let name = slice.to_owned();
    page().heard.on_change(slice, move |Elsewhere { change, .. }| {
        let puts = page().heard.typed(&name, &change.puts);
        if !puts.is_empty() || !change.deletes.is_empty() {
            listener(Change { puts, deletes: change.deletes.clone(), origin: change.origin });
        }
    })
}

/// Calls `listener` with how far a slice's changes have come. What this page has just dispatched is not named yet: show it
/// as `Local` until it is. Where its second argument is true, the list names every item
/// that the server does not have; otherwise only what changed.
pub fn subscribe_pending(slice: &str, listener: impl Fn(&[ItemProgress], bool) + 'static) -> Subscription {
    let subscription =
        page().heard.on_pending(slice, move |pending| listener(&pending.changes, pending.reset));
    if let Some(connection) = page().connection.get() {
        connection.say(|session, _| vec![session.watch(slice)]);
    }
    subscription
}

/// The state of the whole, as last heard.
pub fn get_status() -> Status {
    page().heard.status()
}

/// Calls `listener` with the present status at once, and with every new one for as long as the subscription is held.
pub fn subscribe_status(listener: impl Fn(&Status) + 'static) -> Subscription {
    listener(&get_status());
    page().heard.on_status.add(listener)
}

/// The metrics of the whole, as last heard.
pub fn get_sync_metrics() -> SyncMetrics {
    page().heard.metrics()
}

/// Calls `listener` with the present metrics at once, and whenever they change for as long as the subscription is held.
pub fn subscribe_sync_metrics(listener: impl Fn(&SyncMetrics) + 'static) -> Subscription {
    listener(&get_sync_metrics());
    page().heard.on_metrics.add(listener)
}

/// Counts from zero again, in every tab.
pub fn reset_sync_metrics() {
    tell("resetMetrics");
}

/// Calls `listener` with what the worker could not take or do, which the console says, too.
pub fn subscribe_errors(listener: impl Fn(&WorkerError) + 'static) -> Subscription {
    page().heard.on_error.add(listener)
}

/// Resolves when everything dispatched before it is committed in IndexedDB.
///
/// # Errors
///
/// `storage` where that failed: it is kept, and tried again. `not_registered`.
pub async fn flush_persistence() -> Result<(), Error> {
    ask("flush", None, None).await.map(|Done {}| ())
}

/// Sends everything now; resolves when the server has all that may be sent (items in conflict may not). What could not be
/// sent is kept and tried again.
///
/// # Errors
///
/// `unreachable` where nothing answered, `sync_failed`, `storage`, `not_registered`.
pub async fn sync_now() -> Result<(), Error> {
    ask("sync", None, None).await.map(|Done {}| ())
}

/// The same as [`sync_now`]: a change is sent once, and only what the server has not acknowledged is.
///
/// # Errors
///
/// As [`sync_now`].
pub async fn sync_to_flask_bulk() -> Result<(), Error> {
    sync_now().await
}

/// Asks the server now whether it is there.
///
/// # Errors
///
/// `not_registered`.
pub async fn check_flask_connection() -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct Checked {
        connected: bool,
    }
    ask("check", None, None).await.map(|Checked { connected }| connected)
}

/// Changes a slice's settings at once, in every tab, and for as long as the browser keeps its data; they win over
/// [`register`]. A field that is `None` keeps its value.
///
/// # Errors
///
/// `bad_config`, `storage`, `not_registered`; nothing is changed then.
pub async fn configure_persistence(slice: &str, config: SliceConfig) -> Result<(), Error> {
    ask("configure", Some(slice), Some(&json(&config))).await.map(|Done {}| ())
}

/// What was changed while the slice was disabled is persisted now.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn enable_persistence(slice: &str) -> Result<(), Error> {
    configure_persistence(slice, SliceConfig { enabled: Some(true), ..SliceConfig::default() }).await
}

/// From now on changes of the slice are held beside its store, until it is enabled again.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn disable_persistence(slice: &str) -> Result<(), Error> {
    configure_persistence(slice, SliceConfig { enabled: Some(false), ..SliceConfig::default() }).await
}

/// Changes when the device syncs on its own, as [`configure_persistence`] changes a slice.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn configure_auto_sync(config: AutoSyncConfig) -> Result<(), Error> {
    ask("configure", None, Some(&json(&config))).await.map(|Done {}| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Where a page is rendered on a server, as by Leptos or Yew, nothing of this panics.
    #[test]
    fn without_a_browser_there_is_nothing_to_keep() {
        let ready = |result: Poll<Result<(), Error>>| match result {
            Poll::Ready(Err(error)) => error.code,
            other => panic!("{other:?}"),
        };
        let mut context = Context::from_waker(Waker::noop());
        let _listening = subscribe("notes", |_: Change<Value>| {});
        let _watching = subscribe_status(|status| assert!(!status.flask_connected));
        let registering = pin!(register(RegisterOptions::new(["notes"])));
        assert_eq!(ready(registering.poll(&mut context).map_ok(drop)), "unsupported");
        assert_eq!(ready(pin!(hydrate::<Value>("notes")).poll(&mut context).map_ok(drop)), "not_registered");
        assert_eq!(dispatch(&Value::Null).unwrap_err().code, "not_registered");
        reset_sync_metrics();
    }
}
