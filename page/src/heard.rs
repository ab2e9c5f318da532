//! What the worker tells, as last heard, and who listens.

use crate::connection::Down;
use crate::error::Error;
use crate::listeners::{Listeners, Subscription};
use crate::types::{Change, ErrorKind, Item, ItemProgress, Origin, Status, SyncMetrics, WorkerError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// A message that answers nothing.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Told {
    Status {
        status: Status,
    },
    Metrics {
        metrics: SyncMetrics,
    },
    Changed {
        slice: String,
        /// The last record of all pages that is in it.
        position: u64,
        #[serde(flatten)]
        change: Change<Value>,
    },
    Pending {
        slice: String,
        changes: Vec<ItemProgress>,
        reset: bool,
    },
    Failed {
        code: String,
        message: String,
    },
    Warning {
        code: String,
        message: String,
    },
    /// From here on the page is told of everything; before, it may have missed something.
    Joined,
    /// The page is registered for another database.
    Registered,
    #[serde(other)]
    Other,
}

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
    /// Of slices that are listened to, the ids of the items that the page was told of or made.
    known: RefCell<BTreeMap<String, BTreeSet<String>>>,
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

    /// The page has, or had, items of these ids.
    pub fn knows(&self, slice: &str, ids: impl IntoIterator<Item = String>) {
        self.known.borrow_mut().entry(slice.into()).or_default().extend(ids);
    }

    /// What a slice has come to while the page was not told: all that there is now, and what is gone.
    pub fn catch_up(&self, slice: &str, puts: Vec<Item<Value>>) {
        let now: BTreeSet<String> = puts.iter().map(|put| put.id.clone()).collect();
        let before = self.known.borrow_mut().insert(slice.into(), now.clone()).unwrap_or_default();
        let deletes = before.difference(&now).cloned().collect();
        let change = Change { puts, deletes, origin: Origin::Tab };
        // It is told once it was read: nothing is read again because of it.
        of(&self.changes, slice).tell(&Elsewhere { position: 0, change });
    }

    /// Takes a message of the worker that answers nothing. Whether the page may have missed something before it.
    #[must_use]
    pub fn hear(&self, down: &Down) -> bool {
        let told = match read(down) {
            Ok(told) => told,
            Err(why) => {
                self.report(why);
                return false;
            }
        };
        match told {
            Told::Status { status } => {
                *self.status.borrow_mut() = status.clone();
                self.on_status.tell(&status);
            }
            Told::Metrics { metrics } => {
                *self.metrics.borrow_mut() = metrics.clone();
                self.on_metrics.tell(&metrics);
            }
            Told::Changed { slice, position, change } => {
                self.knows(&slice, change.puts.iter().map(|put| put.id.clone()));
                of(&self.changes, &slice).tell(&Elsewhere { position, change });
            }
            Told::Pending { slice, changes, reset } => {
                of(&self.pending, &slice).tell(&Pending { changes, reset });
            }
            Told::Failed { code, message } => self.fail(ErrorKind::Failed, code, message),
            Told::Warning { code, message } => self.fail(ErrorKind::Warning, code, message),
            Told::Joined => return true,
            Told::Registered => {
                // Another database lacks what the page shows, which is no reason to take it away.
                self.known.borrow_mut().clear();
                self.on_another.tell(&());
            }
            Told::Other => {}
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
            let told: Told = serde_json::from_value(message.clone()).unwrap();
            let (part, again) = match told {
                Told::Status { status } => ("status", serde_json::to_value(status)),
                Told::Metrics { metrics } => ("metrics", serde_json::to_value(metrics)),
                Told::Pending { changes, .. } => ("changes", serde_json::to_value(changes)),
                Told::Changed { change, .. } => {
                    for field in ["puts", "deletes", "origin"] {
                        assert_eq!(serde_json::to_value(&change).unwrap()[field], message[field]);
                    }
                    continue;
                }
                Told::Failed { code, .. } => ("code", Ok(code.into())),
                Told::Warning { message, .. } => ("message", Ok(message.into())),
                Told::Joined | Told::Registered => continue,
                Told::Other => {
                    let kind = message["kind"].as_str().unwrap();
                    assert_eq!(kind, "folded", "this is read by nothing");
                    continue;
                }
            };
            assert_eq!(again.unwrap(), message[part]);
        }
    }

    #[test]
    fn a_message_of_another_build_is_read_as_far_as_it_is_known() {
        let told = r#"{"v":1,"kind":"status","status":{"pending":3,"moon":"full","connection":"by-pigeon"}}"#;
        let Told::Status { status } = serde_json::from_str(told).unwrap() else { panic!("no status") };
        assert_eq!(status, Status { pending: 3, ..Status::default() });
        assert!(matches!(serde_json::from_str(r#"{"v":1,"kind":"new"}"#).unwrap(), Told::Other));
    }
}
