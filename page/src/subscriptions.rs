//! The latest status and metrics, and the listeners for messages of the worker.

use crate::action::Effect;
use crate::connection::WorkerMessage;
use crate::error::Error;
use crate::listeners::{Listeners, Subscription};
use crate::page::page;
use crate::register::CANNOT_START;
use crate::types::{
    Change, Connection, ErrorCode, ErrorKind, Item, ItemProgress, Origin, Status, SyncMetrics, WorkerError,
};
use crate::users::give_token;
use nightferry::bridge::from_worker::{Changed, FromWorker};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// The sentence for an app that has read the items of a database that is gone.
const NEW_DATABASE: &str = "The browser has deleted this site's data, and there is a new database. What this page shows may be missing from it: reload the page, or dispatch again what is to be kept.";

/// A change made elsewhere, and the position of the last record that it contains.
#[derive(Clone)]
pub struct Elsewhere {
    pub position: u64,
    pub change: Change<Value>,
}

/// The progress of a slice's changes towards the server.
pub struct Pending {
    pub changes: Vec<ItemProgress>,
    pub reset: bool,
}

/// Listeners by slice.
type BySlice<T> = RefCell<BTreeMap<String, Rc<Listeners<T>>>>;

#[derive(Default)]
pub struct Subscriptions {
    status: RefCell<Status>,
    metrics: RefCell<SyncMetrics>,
    pub on_status: Listeners<Status>,
    pub on_metrics: Listeners<SyncMetrics>,
    pub on_error: Listeners<WorkerError>,
    /// Called when the page was registered for another database, which contains nothing of earlier changes.
    pub on_another: Listeners<()>,
    changes: BySlice<Elsewhere>,
    pending: BySlice<Pending>,
    /// The ids of items in slices that were read or have listeners.
    tracked: RefCell<BTreeMap<String, TrackedIds>>,
    /// Called when the list of refused changes may have changed.
    pub on_rejections: Listeners<()>,
    /// Called when the list of conflicts may have changed.
    pub on_conflicts: Listeners<()>,
}

/// The ids of the items in a slice, as far as the page knows them.
#[derive(Default)]
struct TrackedIds {
    /// The items that the page received or put itself.
    ids: BTreeSet<String>,
    /// True if the page has read the slice from the present database.
    is_read: bool,
}

fn of_slice<T: ?Sized + 'static>(listeners: &BySlice<T>, slice: &str) -> Rc<Listeners<T>> {
    listeners.borrow_mut().entry(slice.into()).or_default().clone()
}

/// Returns the slices that have listeners.
fn listened<T: ?Sized + 'static>(listeners: &BySlice<T>) -> Vec<String> {
    let listeners = listeners.borrow();
    listeners.iter().filter(|(_, listeners)| !listeners.is_empty()).map(|(slice, _)| slice.clone()).collect()
}

impl Subscriptions {
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn metrics(&self) -> SyncMetrics {
        self.metrics.borrow().clone()
    }

    pub fn on_change(&self, slice: &str, listener: impl Fn(&Elsewhere) + 'static) -> Subscription {
        of_slice(&self.changes, slice).add(listener)
    }

    pub fn on_pending(&self, slice: &str, listener: impl Fn(&Pending) + 'static) -> Subscription {
        of_slice(&self.pending, slice).add(listener)
    }

    /// Returns the slices with a listener for progress.
    pub fn watched(&self) -> Vec<String> {
        listened(&self.pending)
    }

    /// Returns the slices with a listener for changes.
    pub fn followed(&self) -> Vec<String> {
        listened(&self.changes)
    }

    /// Returns true if the slice was read, or has or had a listener for changes.
    pub fn follows(&self, slice: &str) -> bool {
        self.tracked.borrow().contains_key(slice) || self.changes.borrow().contains_key(slice)
    }

    fn know(&self, slice: &str, know: impl FnOnce(&mut TrackedIds)) {
        know(self.tracked.borrow_mut().entry(slice.into()).or_default());
    }

    /// Notes that the page has read a slice with these items.
    pub fn has_read(&self, slice: &str, ids: impl IntoIterator<Item = String>) {
        self.know(slice, |known| {
            known.ids.extend(ids);
            known.is_read = true;
        });
    }

    fn track<T>(&self, slice: &str, change: &Change<T>) {
        self.know(slice, |known| {
            for id in &change.deletes {
                known.ids.remove(id);
            }
            known.ids.extend(change.puts.iter().map(|put| put.id.clone()));
        });
    }

    /// Notes an action of this page. For a set in a slice that the page has read, returns the ids that the set leaves out.
    pub fn dispatches(&self, slice: &str, effect: Effect, ids: Vec<String>) -> Option<Vec<String>> {
        let mut left = None;
        self.know(slice, |known| match effect {
            Effect::Put => known.ids.extend(ids),
            Effect::Delete => ids.iter().for_each(|id| {
                known.ids.remove(id);
            }),
            Effect::Clear => known.ids.clear(),
            Effect::Set => {
                let before = std::mem::replace(&mut known.ids, ids.into_iter().collect());
                left = known.is_read.then(|| before.difference(&known.ids).cloned().collect());
            }
        });
        left
    }

    /// Calls the listeners of a slice with all its present items, and with the ids of items that are gone.
    pub fn catch_up(&self, slice: &str, puts: Vec<Item<Value>>) {
        let ids: BTreeSet<String> = puts.iter().map(|put| put.id.clone()).collect();
        let mut deletes = Vec::new();
        self.know(slice, |known| {
            deletes = known.ids.difference(&ids).cloned().collect();
            *known = TrackedIds { ids, is_read: true };
        });
        let change = Change { puts, deletes, origin: Origin::Tab };
        // Position 0: no read that is under way needs this change.
        of_slice(&self.changes, slice).tell(&Elsewhere { position: 0, change });
    }

    /// Handles a message that is not an answer. Returns true if the page may have missed changes before this message.
    #[must_use]
    pub fn handle_message(&self, message: &WorkerMessage) -> bool {
        let message: FromWorker<Value> = match read(message) {
            Ok(message) => message,
            Err(why) => {
                self.report(why);
                return false;
            }
        };
        match message {
            FromWorker::Status { status, .. } => {
                *self.status.borrow_mut() = status.clone();
                self.on_status.tell(&status);
            }
            FromWorker::Metrics { metrics } => {
                *self.metrics.borrow_mut() = metrics.clone();
                self.on_metrics.tell(&metrics);
            }
            FromWorker::Changed(Changed { slice, position, change, .. }) => {
                self.track(&slice, &change);
                of_slice(&self.changes, &slice).tell(&Elsewhere { position, change });
            }
            FromWorker::Pending { slice, changes, reset, .. } => {
                of_slice(&self.pending, &slice).tell(&Pending { changes, reset });
            }
            FromWorker::Failed { code, message, .. } => {
                // Until the page's own worker is back, none says how things stand.
                let error_code = match &*code {
                    "wrong_user" => Some(ErrorCode::WrongUser),
                    "wrong_name" => Some(ErrorCode::WrongName),
                    code => CANNOT_START.contains(&code).then_some(ErrorCode::NoWorker),
                };
                if error_code.is_some() {
                    let mut status = self.status.borrow().clone();
                    status.connection = Connection::Unknown;
                    status.flask_connected = false;
                    (status.error, status.error_code) = (Some(message.clone()), error_code);
                    *self.status.borrow_mut() = status.clone();
                    self.on_status.tell(&status);
                }
                self.fail(ErrorKind::Failed, code, message);
            }
            FromWorker::Warning { code, message, slice, id } => {
                self.tell_error(WorkerError { kind: ErrorKind::Warning, code, message, slice, id });
            }
            FromWorker::Token { number } => give_token(number),
            FromWorker::SignedOut { code, message, .. } => {
                let tracked = self.tracked.take();
                for (slice, TrackedIds { ids, .. }) in tracked {
                    let deletes = ids.into_iter().collect();
                    let change = Change { puts: Vec::new(), deletes, origin: Origin::Tab };
                    of_slice(&self.changes, &slice).tell(&Elsewhere { position: 0, change });
                }
                page().registered.set(false);
                page().has_signed_out.set(true);
                self.fail(ErrorKind::Failed, code, message);
            }
            FromWorker::Rejections => self.on_rejections.tell(&()),
            FromWorker::ConflictsChanged => self.on_conflicts.tell(&()),
            // The page receives every change from now on, but may have missed earlier ones.
            FromWorker::Joined { .. } => {
                self.lists_may_have_changed();
                return true;
            }
            FromWorker::Registered { .. } => {
                // The items that the page shows are not in another database. They stay on the page.
                let has_read = !std::mem::take(&mut *self.tracked.borrow_mut()).is_empty();
                self.on_another.tell(&());
                self.lists_may_have_changed();
                if has_read {
                    self.fail(ErrorKind::Warning, "new_database".into(), NEW_DATABASE.into());
                }
            }
            // Answers go to the request's promise.
            _ => {}
        }
        false
    }

    /// Lets the subscribers of conflicts and refusals ask for their lists again.
    pub fn lists_may_have_changed(&self) {
        self.on_rejections.tell(&());
        self.on_conflicts.tell(&());
    }

    /// Reports a message or an item that cannot be read.
    pub fn report(&self, Error { code, message }: Error) {
        self.fail(ErrorKind::Warning, code, message);
    }

    fn fail(&self, kind: ErrorKind, code: String, message: String) {
        self.tell_error(WorkerError { kind, code, message, slice: None, id: None });
    }

    fn tell_error(&self, error: WorkerError) {
        web_sys::console::error_1(&format!("Nightferry ({}): {}", error.code, error.message).into());
        self.on_error.tell(&error);
    }

    /// Returns the items that are a `T`, and reports the others.
    pub fn typed<T: DeserializeOwned>(&self, slice: &str, items: &[Item<Value>]) -> Vec<Item<T>> {
        let mut typed = Vec::with_capacity(items.len());
        for Item { id, value } in items {
            match T::deserialize(value) {
                Ok(value) => typed.push(Item { id: id.clone(), value }),
                Err(why) => self.report(Error::new(
                    "unreadable_item",
                    format!(
                        "The item {id:?} of \"{slice}\" was left out: it is not what this page expects ({why}). It is \
                         stored as it is; let the type accept it, or put another value in its place."
                    ),
                )),
            }
        }
        typed
    }
}

/// Reads a JavaScript value into a Rust type.
pub fn read<T: DeserializeOwned>(message: &JsValue) -> Result<T, Error> {
    let text = js_sys::JSON::stringify(message).map(String::from).unwrap_or_default();
    serde_json::from_str(&text).map_err(|why| {
        Error::new(
            "bad_message",
            format!("A message of Nightferry's worker could not be read ({why}). Reload the page."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an example of each message, from `page/ts/generated/messages.ts`.
    fn messages() -> Vec<Value> {
        let text = include_str!("../ts/generated/messages.ts");
        let (_, list) = text.split_once("messages = ").unwrap();
        let (list, _) = list.rsplit_once(" satisfies").unwrap();
        serde_json::from_str(list).unwrap()
    }

    #[test]
    fn every_message_of_the_worker_is_read_without_loss() {
        for message in messages() {
            let read: FromWorker<Value> = serde_json::from_value(message.clone()).unwrap();
            let mut again = serde_json::to_value(read).unwrap();
            again["v"] = message["v"].clone();
            assert_eq!(again, message);
        }
    }

    #[test]
    fn a_set_names_the_known_ids_that_it_leaves_out() {
        let subscriptions = Subscriptions::default();
        let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
        assert_eq!(
            subscriptions.dispatches("notes", Effect::Set, ids(&["made"])),
            None,
            "the slice was not read"
        );
        subscriptions.has_read("notes", ids(&["1", "2", "3"]));
        subscriptions.dispatches("notes", Effect::Delete, ids(&["2"]));
        subscriptions.dispatches("notes", Effect::Put, ids(&["4"]));
        let change = Change { puts: vec![], deletes: ids(&["3"]), origin: Origin::Server };
        subscriptions.track::<Value>("notes", &change);
        assert_eq!(
            subscriptions.dispatches("notes", Effect::Set, ids(&["4", "5"])),
            Some(ids(&["1", "made"]))
        );
        subscriptions.dispatches("notes", Effect::Clear, vec![]);
        assert_eq!(subscriptions.dispatches("notes", Effect::Set, ids(&["6"])), Some(vec![]));
    }

    #[test]
    fn unknown_fields_of_a_message_are_ignored() {
        let text = r#"{"v":1,"kind":"status","unfinished":false,"status":{"pending":3,"moon":"full","connection":"by-pigeon"}}"#;
        let FromWorker::<Value>::Status { status, .. } = serde_json::from_str(text).unwrap() else {
            panic!("no status")
        };
        assert_eq!(status, Status { pending: 3, ..Status::default() });
    }
}
