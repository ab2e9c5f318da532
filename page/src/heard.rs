//! What the worker tells, as last heard, and who listens.

use crate::action::Effect;
use crate::connection::Down;
use crate::error::Error;
use crate::listeners::{Listeners, Subscription};
use crate::types::{Change, ErrorKind, Item, ItemProgress, Origin, Status, SyncMetrics, WorkerError};
use nightferry::bridge::down::{Changed, FromWorker};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// What changed elsewhere, and the last record of all pages that is in it.
#[derive(Clone)]
pub struct Elsewhere {
    pub position: u64,
    pub change: Change<Value>,
}

/// How far changes of a slice have come.
pub struct Pending {
    pub changes: Vec<ItemProgress>,
    pub reset: bool,
}

/// Those who listen, by slice.
type BySlice<T> = RefCell<BTreeMap<String, Rc<Listeners<T>>>>;

#[derive(Default)]
pub struct Heard {
    status: RefCell<Status>,
    metrics: RefCell<SyncMetrics>,
    pub on_status: Listeners<Status>,
    pub on_metrics: Listeners<SyncMetrics>,
    pub on_error: Listeners<WorkerError>,
    /// The page is registered for another database, which has nothing of what was told.
    pub on_another: Listeners<()>,
    changes: BySlice<Elsewhere>,
    pending: BySlice<Pending>,
    /// Of slices that were read or are listened to, what the page knows of their items.
    known: RefCell<BTreeMap<String, Known>>,
    /// The list of refused changes is another one, or may be.
    pub on_rejections: Listeners<()>,
}

/// What the page knows of a slice's items.
#[derive(Default)]
struct Known {
    /// The ids of those that it was told of or made.
    ids: BTreeSet<String>,
    /// It has read all of them, of this database.
    is_read: bool,
}

fn of<T: ?Sized + 'static>(listeners: &BySlice<T>, slice: &str) -> Rc<Listeners<T>> {
    listeners.borrow_mut().entry(slice.into()).or_default().clone()
}

/// The slices that somebody listens to.
fn listened<T: ?Sized + 'static>(listeners: &BySlice<T>) -> Vec<String> {
    let listeners = listeners.borrow();
    listeners.iter().filter(|(_, listeners)| !listeners.is_empty()).map(|(slice, _)| slice.clone()).collect()
}

impl Heard {
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn metrics(&self) -> SyncMetrics {
        self.metrics.borrow().clone()
    }

    pub fn on_change(&self, slice: &str, listener: impl Fn(&Elsewhere) + 'static) -> Subscription {
        of(&self.changes, slice).add(listener)
    }

    pub fn on_pending(&self, slice: &str, listener: impl Fn(&Pending) + 'static) -> Subscription {
        of(&self.pending, slice).add(listener)
    }

    /// The slices of whose items the progress is wanted.
    pub fn watched(&self) -> Vec<String> {
        listened(&self.pending)
    }

    /// The slices whose changes are listened to.
    pub fn followed(&self) -> Vec<String> {
        listened(&self.changes)
    }

    /// Whether a slice was read, or its changes are, or were, listened to.
    pub fn follows(&self, slice: &str) -> bool {
        self.known.borrow().contains_key(slice) || self.changes.borrow().contains_key(slice)
    }

    fn know(&self, slice: &str, know: impl FnOnce(&mut Known)) {
        know(self.known.borrow_mut().entry(slice.into()).or_default());
    }

    /// The page has read a slice: these are its items.
    pub fn has_read(&self, slice: &str, ids: impl IntoIterator<Item = String>) {
        self.know(slice, |known| {
            known.ids.extend(ids);
            known.is_read = true;
        });
    }

    fn is_told<T>(&self, slice: &str, change: &Change<T>) {
        self.know(slice, |known| {
            for id in &change.deletes {
                known.ids.remove(id);
            }
            known.ids.extend(change.puts.iter().map(|put| put.id.clone()));
        });
    }

    /// The page changes items itself. Of a set in a slice that it has read, the ids that it leaves out.
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

    /// What a slice has come to while the page was not told: all that there is now, and what is gone.
    pub fn catch_up(&self, slice: &str, puts: Vec<Item<Value>>) {
        let ids: BTreeSet<String> = puts.iter().map(|put| put.id.clone()).collect();
        let mut deletes = Vec::new();
        self.know(slice, |known| {
            deletes = known.ids.difference(&ids).cloned().collect();
            *known = Known { ids, is_read: true };
        });
        let change = Change { puts, deletes, origin: Origin::Tab };
        // It is told once it was read: nothing is read again because of it.
        of(&self.changes, slice).tell(&Elsewhere { position: 0, change });
    }

    /// Takes a message of the worker that answers nothing. Whether the page may have missed something before it.
    #[must_use]
    pub fn hear(&self, down: &Down) -> bool {
        let message: FromWorker<Value> = match read(down) {
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
                self.is_told(&slice, &change);
                of(&self.changes, &slice).tell(&Elsewhere { position, change });
            }
            FromWorker::Pending { slice, changes, reset } => {
                of(&self.pending, &slice).tell(&Pending { changes, reset });
            }
            FromWorker::Failed { code, message, .. } => self.fail(ErrorKind::Failed, code, message),
            FromWorker::Warning { code, message } => self.fail(ErrorKind::Warning, code, message),
            FromWorker::Rejections => self.on_rejections.tell(&()),
            // From here on the page is told of everything; before, it may have missed something.
            FromWorker::Joined { .. } => {
                self.on_rejections.tell(&());
                return true;
            }
            FromWorker::Registered { .. } => {
                // Another database lacks what the page shows, which is no reason to take it away.
                self.known.borrow_mut().clear();
                self.on_another.tell(&());
                self.on_rejections.tell(&());
            }
            // Answers go to whoever asked.
            _ => {}
        }
        false
    }

    /// Something of what the page was told cannot be used.
    pub fn report(&self, Error { code, message }: Error) {
        self.fail(ErrorKind::Warning, code, message);
    }

    fn fail(&self, kind: ErrorKind, code: String, message: String) {
        web_sys::console::error_1(&format!("Nightferry ({code}): {message}").into());
        self.on_error.tell(&WorkerError { kind, code, message });
    }

    /// The items that are a `T`; the others are reported.
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

/// A message as Rust has it.
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

    /// Each message as the worker writes it, of `page/ts/generated/messages.ts`.
    fn messages() -> Vec<Value> {
        let text = include_str!("../ts/generated/messages.ts");
        let (_, list) = text.split_once("messages = ").unwrap();
        let (list, _) = list.rsplit_once(" satisfies").unwrap();
        serde_json::from_str(list).unwrap()
    }

    #[test]
    fn the_worker_s_messages_are_read_whole() {
        for message in messages() {
            let read: FromWorker<Value> = serde_json::from_value(message.clone()).unwrap();
            let mut again = serde_json::to_value(read).unwrap();
            again["v"] = message["v"].clone();
            assert_eq!(again, message);
        }
    }

    #[test]
    fn a_set_names_what_the_page_knew_and_leaves_out() {
        let heard = Heard::default();
        let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
        assert_eq!(heard.dispatches("notes", Effect::Set, ids(&["made"])), None, "it was not read");
        heard.has_read("notes", ids(&["1", "2", "3"]));
        heard.dispatches("notes", Effect::Delete, ids(&["2"]));
        heard.dispatches("notes", Effect::Put, ids(&["4"]));
        let change = Change { puts: vec![], deletes: ids(&["3"]), origin: Origin::Server };
        heard.is_told::<Value>("notes", &change);
        assert_eq!(heard.dispatches("notes", Effect::Set, ids(&["4", "5"])), Some(ids(&["1", "made"])));
        heard.dispatches("notes", Effect::Clear, vec![]);
        assert_eq!(heard.dispatches("notes", Effect::Set, ids(&["6"])), Some(vec![]));
    }

    #[test]
    fn a_message_of_another_build_is_read_as_far_as_it_is_known() {
        let told = r#"{"v":1,"kind":"status","unfinished":false,"status":{"pending":3,"moon":"full","connection":"by-pigeon"}}"#;
        let FromWorker::<Value>::Status { status, .. } = serde_json::from_str(told).unwrap() else {
            panic!("no status")
        };
        assert_eq!(status, Status { pending: 3, ..Status::default() });
    }
}
