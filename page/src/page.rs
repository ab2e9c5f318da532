//! The page's API: what is asked of the worker, and what is dispatched.

use crate::action;
use crate::connection::Connection;
use crate::error::Error;
use crate::gather::{Gathered, Post};
use crate::heard::{Heard, read};
use crate::listeners::Subscription;
use crate::registration::{Place, is_hidden, window};
use crate::types::{AutoSyncConfig, Rejected, SliceConfig, Status, SyncMetrics, WorkerError};
use gloo_timers::callback::Timeout;
use js_sys::Promise;
use js_sys::futures::{JsFuture, spawn_local};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// All that a page has of Nightferry.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) heard: Heard,
    pub(crate) gathered: RefCell<Gathered>,
    /// The conversation with the worker, once it has begun.
    pub(crate) connection: Cell<Option<&'static Connection>>,
    /// Where that is.
    pub(crate) place: RefCell<Option<Place>>,
    /// How many calls of `register` have not asked the worker yet.
    pub(crate) early: Cell<u64>,
    /// How many are not over.
    pub(crate) registering: Cell<u64>,
    /// One was granted.
    pub(crate) registered: Cell<bool>,
    /// Why the last one that failed did.
    pub(crate) refused: RefCell<Option<Error>>,
    /// Resolves when the last of them, or an earlier one, has its answer.
    pub(crate) last_turn: RefCell<Option<Promise>>,
    /// How many actions were dispatched of slices that were read or are listened to.
    pub(crate) dispatched: RefCell<BTreeMap<String, u64>>,
    /// The slices that are being read again; whether to do it once more.
    pub(crate) catching_up: RefCell<BTreeMap<String, bool>>,
}

impl Page {
    pub(crate) fn dispatched(&self, slice: &str) -> u64 {
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

pub(crate) fn page() -> &'static Page {
    PAGE.with(|page| *page)
}

/// Takes an action and forgets about it: it is durable within milliseconds, whatever happens to the page. It is anything
/// that serializes to `{type, payload}`, such as an [`Action`](crate::Action). What it does to an item, the page shows by
/// itself.
///
/// # Errors
///
/// `bad_action` for what cannot be kept, naming the path; `not_registered` before the first
/// [`register`](crate::register()). What only the worker can know, such as a slice that was not registered or an unknown
/// verb, comes later, to [`subscribe_errors`] and the console.
pub fn dispatch<A: Serialize + ?Sized>(action: &A) -> Result<(), Error> {
    let page = page();
    page.check_registered("dispatch")?;
    let dispatched = action::read(action)?;
    let mut left = None;
    if page.heard.follows(dispatched.slice()) {
        left = page.heard.dispatches(dispatched.slice(), dispatched.effect(), dispatched.ids());
        *page.dispatched.borrow_mut().entry(dispatched.slice().into()).or_default() += 1;
    }
    gather(&dispatched.text(left.as_deref(), epoch_ms()));
    Ok(())
}

/// Takes the text of an action, and arranges for it to be posted.
fn gather(text: &str) {
    let post_it = page().gathered.borrow_mut().add(text, now(), is_hidden());
    match post_it {
        Post::Arranged => {}
        Post::Soon => spawn_local(async { post() }),
        Post::Later(ms) => drop(Timeout::new(ms, post).forget()),
    }
}

fn epoch_ms() -> u64 {
    js_sys::Date::now() as u64
}

pub(crate) fn not_registered(what: &str) -> Error {
    Error::new("not_registered", format!("{what}: call register() first, with the slices."))
}

/// The page's clock, in ms.
fn now() -> f64 {
    window().ok().and_then(|window| window.performance()).map(|clock| clock.now()).unwrap_or_default()
}

/// Posts what was gathered, once there is a worker to post to. It waits for calls of `register`.
pub(crate) fn post() {
    if page().early.get() == 0 {
        post_all();
    }
}

pub(crate) fn post_all() {
    let page = page();
    let Some(connection) = page.connection.get() else { return };
    let bursts = page.gathered.borrow_mut().take(now());
    for burst in bursts {
        connection.say(|session, now| session.burst(now, burst.into()).into_iter().collect());
    }
}

/// The page may be gone the next moment, and its worker soon after.
pub(crate) fn leave() {
    post_all();
    tell("hidden");
}

/// Tells the worker what needs no answer.
fn tell(kind: &str) {
    if let Some(connection) = page().connection.get() {
        connection.tell(kind);
    }
}

pub(crate) fn json<T: Serialize>(value: &T) -> String {
    // What is declared are texts, numbers and switches by name.
    serde_json::to_string(value).unwrap_or_default()
}

/// What a promise of the connection comes to.
pub(crate) async fn settled<T: DeserializeOwned>(answer: Promise) -> Result<T, Error> {
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
pub(crate) async fn ask<T: DeserializeOwned>(
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
/// [`register`](crate::register()). A field that is `None` keeps its value.
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

/// The changes that the server refused: each was undone, and is kept with the reason until it is retried or discarded.
///
/// # Errors
///
/// `not_registered`.
pub async fn get_rejected() -> Result<Vec<Rejected<Value>>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        rejected: Vec<Rejected<Value>>,
    }
    ask("rejected", None, None).await.map(|Answer { rejected }| rejected)
}

/// Makes a refused change once more, over what was changed since: with `value`, or as it was. Resolves when that is
/// committed in IndexedDB; the server may refuse it again. A refusal that is not there any more is told to
/// [`subscribe_errors`].
///
/// # Errors
///
/// `bad_action` for a value that cannot be kept; as [`flush_persistence`].
pub async fn retry_rejected<V: Serialize + ?Sized>(id: &str, value: Option<&V>) -> Result<(), Error> {
    page().check_registered("retry_rejected")?;
    gather(&action::of_rejection("@retryRejected", id, value, epoch_ms())?);
    flush_persistence().await
}

/// Forgets a refused change. Resolves when that is committed in IndexedDB.
///
/// # Errors
///
/// As [`flush_persistence`].
pub async fn discard_rejected(id: &str) -> Result<(), Error> {
    page().check_registered("discard_rejected")?;
    gather(&action::of_rejection::<()>("@discardRejected", id, None, epoch_ms())?);
    flush_persistence().await
}

/// Calls `listener` with the changes that the server refused, and again whenever the list is another one, for as long as the
/// subscription is held.
pub fn subscribe_rejected(listener: impl Fn(&[Rejected<Value>]) + 'static) -> Subscription {
    let listener = Rc::new(listener);
    let asked = Rc::new(Cell::new(0_u64));
    let weak = Rc::downgrade(&listener);
    let ask = move || {
        let (weak, asked) = (weak.clone(), asked.clone());
        let turn = asked.get() + 1;
        asked.set(turn);
        // Before `register` is called there is nothing to tell.
        if page().check_registered("subscribe_rejected").is_err() {
            return;
        }
        spawn_local(async move {
            match get_rejected().await {
                // It may have ended meanwhile, or have asked again.
                Ok(rejected) => {
                    if let Some(listener) = weak.upgrade().filter(|_| asked.get() == turn) {
                        listener(&rejected);
                    }
                }
                Err(why) => page().heard.report(why),
            }
        });
    };
    ask();
    page().heard.on_rejections.add(move |()| {
        // The subscription holds the listener, and with it what is asked.
        let _held = &listener;
        ask();
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, RegisterOptions, hydrate, register, subscribe};
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
