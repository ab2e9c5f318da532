//! The page's API: dispatches actions, and sends requests to the worker.

use crate::action;
use crate::connection::Connection;
use crate::error::Error;
use crate::host::{Browser, Ids, ask};
use crate::listeners::{Listeners, Subscription};
use crate::service_worker::{self, is_hidden};
use crate::subscriptions::Subscriptions;
use crate::types::{AutoSyncConfig, Conflict, Rejected, SliceConfig, Status, SyncMetrics, WorkerError};
use js_sys::futures::spawn_local;
use nightferry::client::Subject;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

pub(crate) type TokenSource = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>>>>>;

/// The state of the API in this page.
pub(crate) struct Page {
    pub(crate) subscriptions: Subscriptions,
    pub(crate) connection: Connection<Browser>,
    /// The way to the worker, once there is one.
    pub(crate) link: RefCell<Option<service_worker::Link>>,
    /// Gives the token that requests to the API carry.
    pub(crate) token_source: RefCell<Option<TokenSource>>,
}

impl Page {
    fn new() -> Page {
        Page {
            subscriptions: Subscriptions::default(),
            connection: Connection::new(&service_worker::random_id(), Browser::default()),
            link: RefCell::default(),
            token_source: RefCell::default(),
        }
    }

    /// Returns an error if no call of `register` was granted or is under way. Nothing would ever be posted then.
    fn check_registered(&self, what: &str) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.connection.with(|client, _| outcome = client.check(what));
        Ok(outcome?)
    }
}

thread_local! {
    static PAGE: &'static Page = Box::leak(Box::new(Page::new()));
}

pub(crate) fn page() -> &'static Page {
    PAGE.with(|page| *page)
}

/// Dispatches an action. The action is durable within milliseconds, whatever happens to the page. It is any value that
/// serializes to `{type, payload}`, such as an [`Action`](crate::Action). The page updates its own view.
///
/// # Errors
///
/// `bad_action` for what cannot be kept, naming the path; `not_registered` before the first
/// [`register`](crate::register()). Errors that only the worker can find, such as a slice that was not registered or an
/// unknown verb, are reported later, to [`subscribe_errors`] and the console.
pub fn dispatch<A: Serialize + ?Sized>(action: &A) -> Result<(), Error> {
    let page = page();
    page.check_registered("dispatch")?;
    let dispatched = action::read(action)?;
    let (slice, connection) = (dispatched.slice(), &page.connection);
    let mut left = None;
    if connection.with(|client, _| client.minds(slice)) {
        let ids: Ids = dispatched.ids().into_iter().collect();
        left = connection.with(|client, _| client.acts_on(slice, dispatched.effect(), &ids));
    }
    let left = left.map(|left| left.into_iter().collect::<Vec<_>>());
    enqueue(dispatched.text(left.as_deref(), epoch_ms()));
    Ok(())
}

/// Adds the text of an action to the next burst.
fn enqueue(text: String) {
    let bytes = text.len();
    page().connection.with(|client, now| client.dispatch(now, text, bytes, is_hidden()));
}

fn epoch_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Posts a message that needs no answer.
fn tell(kind: &str) {
    page().connection.with(|client, _| client.tell(kind));
}

pub(crate) fn json<T: Serialize>(value: &T) -> String {
    // Settings are texts, numbers and booleans, which always serialize.
    serde_json::to_string(value).unwrap_or_default()
}

/// An answer without content.
#[derive(Deserialize)]
struct Done {}

/// Returns the latest status.
pub fn get_status() -> Status {
    page().subscriptions.status()
}

/// Calls `listener` with the present status at once, and with every new one for as long as the subscription is held.
pub fn subscribe_status(listener: impl Fn(&Status) + 'static) -> Subscription {
    listener(&get_status());
    page().subscriptions.on_status.add(listener)
}

/// Returns the latest metrics.
pub fn get_sync_metrics() -> SyncMetrics {
    page().subscriptions.metrics()
}

/// Calls `listener` with the present metrics at once, and whenever they change for as long as the subscription is held.
pub fn subscribe_sync_metrics(listener: impl Fn(&SyncMetrics) + 'static) -> Subscription {
    listener(&get_sync_metrics());
    page().subscriptions.on_metrics.add(listener)
}

/// Resets the metrics, in every tab.
pub fn reset_sync_metrics() {
    tell("resetMetrics");
}

/// Calls `listener` with every error and warning of the worker. The console shows them, too.
pub fn subscribe_errors(listener: impl Fn(&WorkerError) + 'static) -> Subscription {
    page().subscriptions.on_error.add(listener)
}

/// Resolves when everything dispatched before it is committed in IndexedDB.
///
/// # Errors
///
/// `storage` where that failed: it is kept, and tried again. `not_registered`.
pub async fn flush_persistence() -> Result<(), Error> {
    ask("flush", Subject::default()).await.map(|Done {}| ())
}

/// Sends everything now; resolves when the server has all that may be sent (items in conflict may not). Changes that could
/// not be sent are kept and tried again.
///
/// # Errors
///
/// `unreachable` where nothing answered, `sync_failed`, `storage`, `not_registered`.
pub async fn sync_now() -> Result<(), Error> {
    ask("sync", Subject::default()).await.map(|Done {}| ())
}

/// The same as [`sync_now`]: a change is sent once, and only what the server has not acknowledged is.
///
/// # Errors
///
/// As [`sync_now`].
pub async fn sync_to_flask_bulk() -> Result<(), Error> {
    sync_now().await
}

/// Brings what others changed now; resolves when it is here. With `rebuild`, everything is pulled from its beginning, and
/// what the server does not have any more goes, but for unsent changes.
///
/// # Errors
///
/// As [`sync_now`].
pub async fn sync_from_flask_bulk(rebuild: bool) -> Result<(), Error> {
    ask(if rebuild { "rebuild" } else { "pull" }, Subject::default()).await.map(|Done {}| ())
}

/// Sends a request to the server now, and returns true if it answers.
///
/// # Errors
///
/// `not_registered`.
pub async fn check_flask_connection() -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct Checked {
        connected: bool,
    }
    ask("check", Subject::default()).await.map(|Checked { connected }| connected)
}

/// Changes a slice's settings at once, in every tab, and for as long as the browser keeps its data; they win over
/// [`register`](crate::register()). A field that is `None` keeps its value.
///
/// # Errors
///
/// `bad_config`, `storage`, `not_registered`; nothing is changed then.
pub async fn configure_persistence(slice: &str, config: SliceConfig) -> Result<(), Error> {
    let settings = json(&config);
    let subject = Subject { slice: Some(slice), settings: Some(&settings), ..Subject::default() };
    ask("configure", subject).await.map(|Done {}| ())
}

/// Enables a slice. Changes that were made while it was disabled are persisted now.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn enable_persistence(slice: &str) -> Result<(), Error> {
    configure_persistence(slice, SliceConfig { enabled: Some(true), ..SliceConfig::default() }).await
}

/// Disables a slice. Its changes are held outside its store until it is enabled again.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn disable_persistence(slice: &str) -> Result<(), Error> {
    configure_persistence(slice, SliceConfig { enabled: Some(false), ..SliceConfig::default() }).await
}

/// Changes the settings of automatic syncs at once, as [`configure_persistence`] does for a slice.
///
/// # Errors
///
/// As [`configure_persistence`].
pub async fn configure_auto_sync(config: AutoSyncConfig) -> Result<(), Error> {
    let settings = json(&config);
    let subject = Subject { settings: Some(&settings), ..Subject::default() };
    ask("configure", subject).await.map(|Done {}| ())
}

/// Returns the changes that the server refused. Each was undone, and is kept with the reason until it is retried or discarded.
///
/// # Errors
///
/// `not_registered`.
pub async fn get_rejected() -> Result<Vec<Rejected<Value>>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        rejected: Vec<Rejected<Value>>,
    }
    ask("rejected", Subject::default()).await.map(|Answer { rejected }| rejected)
}

/// Makes a refused change once more, on top of later changes, with `value` or with the refused value. Resolves when that is
/// committed in IndexedDB; the server may refuse it again. If the refusal does not exist any more, that is reported to
/// [`subscribe_errors`].
///
/// # Errors
///
/// `bad_action` for a value that cannot be kept; as [`flush_persistence`].
pub async fn retry_rejected<V: Serialize + ?Sized>(id: &str, value: Option<&V>) -> Result<(), Error> {
    page().check_registered("retry_rejected")?;
    enqueue(action::decision("@retryRejected", id, None, value, epoch_ms())?);
    flush_persistence().await
}

/// Discards a refused change. Resolves when that is committed in IndexedDB.
///
/// # Errors
///
/// As [`flush_persistence`].
pub async fn discard_rejected(id: &str) -> Result<(), Error> {
    page().check_registered("discard_rejected")?;
    enqueue(action::decision::<()>("@discardRejected", id, None, None, epoch_ms())?);
    flush_persistence().await
}

/// Calls `listener` with the changes that the server refused, and again whenever the list changes, for as long as the
/// subscription is held.
pub fn subscribe_rejected(listener: impl Fn(&[Rejected<Value>]) + 'static) -> Subscription {
    subscribe_list(&page().subscriptions.on_rejections, get_rejected, listener)
}

/// Returns the items that were changed here and elsewhere in a way that cannot be merged. Both sides of each are kept, and
/// nothing of the item is sent, until somebody decides.
///
/// # Errors
///
/// `not_registered`.
pub async fn get_conflicts() -> Result<Vec<Conflict<Value>>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        conflicts: Vec<Conflict<Value>>,
    }
    ask("conflicts", Subject::default()).await.map(|Answer { conflicts }| conflicts)
}

/// A decision on a conflict: the value that the item gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution<'a, V: ?Sized = Value> {
    /// The item as it is on this device.
    Local,
    /// The item as it is on the server.
    Remote,
    /// Both sides merged; a field that both changed is as on this device.
    Merge,
    /// This item.
    Value(&'a V),
}

/// Resolves a conflict, here and on every device. Resolves when that is committed in IndexedDB. If the conflict is another one
/// by now, nothing changes, and that is reported to [`subscribe_errors`] as `conflict_changed`.
///
/// # Errors
///
/// `bad_action` for a value that cannot be kept; as [`flush_persistence`].
pub async fn resolve_conflict<V: Serialize + ?Sized>(
    id: &str,
    resolution: Resolution<'_, V>,
) -> Result<(), Error> {
    page().check_registered("resolve_conflict")?;
    let (choice, value) = match resolution {
        Resolution::Local => ("local", None),
        Resolution::Remote => ("remote", None),
        Resolution::Merge => ("merge", None),
        Resolution::Value(value) => ("value", Some(value)),
    };
    enqueue(action::decision("@resolveConflict", id, Some(choice), value, epoch_ms())?);
    flush_persistence().await
}

/// Calls `listener` with the items in conflict, and again whenever the list changes, for as long as the subscription is held.
pub fn subscribe_conflicts(listener: impl Fn(&[Conflict<Value>]) + 'static) -> Subscription {
    subscribe_list(&page().subscriptions.on_conflicts, get_conflicts, listener)
}

/// Resolves when the server has every change of the slice, or of its item `id`, that was made before the call, here or in
/// another tab. Drop the future to stop waiting.
///
/// # Errors
///
/// `conflict` and `rejected` where somebody has to decide first, with the reason; `not_synced` where changes of the slice do not
/// go to the server; `unknown_slice`, `not_registered`.
pub async fn synced(slice: &str, id: Option<&str>) -> Result<(), Error> {
    let subject = Subject { slice: Some(slice), id, ..Subject::default() };
    ask("synced", subject).await.map(|Done {}| ())
}

/// Calls `listener` with the list that `get` returns, now and whenever `changes` is told.
fn subscribe_list<T: 'static, Got>(
    changes: &Listeners<()>,
    get: fn() -> Got,
    listener: impl Fn(&[T]) + 'static,
) -> Subscription
where
    Got: Future<Output = Result<Vec<T>, Error>> + 'static,
{
    let listener = Rc::new(listener);
    let asked = Rc::new(Cell::new(0_u64));
    let weak = Rc::downgrade(&listener);
    let ask = move || {
        let (weak, asked) = (weak.clone(), asked.clone());
        let turn = asked.get() + 1;
        asked.set(turn);
        // The lists are empty before `register` is called.
        if page().check_registered("subscribe").is_err() {
            return;
        }
        spawn_local(async move {
            match get().await {
                // The subscription may have ended, or a later request may be under way.
                Ok(list) => {
                    if let Some(listener) = weak.upgrade().filter(|_| asked.get() == turn) {
                        listener(&list);
                    }
                }
                Err(why) => page().subscriptions.report(why),
            }
        });
    };
    ask();
    changes.add(move |()| {
        // The subscription owns the listener; a request only has a weak reference.
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

    /// Leptos or Yew render pages on a server. Nothing may panic there.
    #[test]
    fn without_a_browser_calls_fail_and_do_not_panic() {
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
