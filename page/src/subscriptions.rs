//! The latest status and metrics, and the listeners for messages of the worker.

use crate::connection::WorkerMessage;
use crate::error::Error;
use crate::host::Ids;
use crate::listeners::{Listeners, Subscription};
use crate::page::page;
use crate::types::{
    Change, Connection, ErrorCode, ErrorKind, Item, ItemProgress, Origin, Status, SyncMetrics, WorkerError,
};
use crate::users::give_token;
use nightferry::bridge::from_worker::{Changed, FromWorker};
use nightferry::client::{Failure, Rows};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::JsValue;

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
    changes: BySlice<Change<Value>>,
    pending: BySlice<Pending>,
    /// Called when the list of refused changes may have changed.
    pub on_rejections: Listeners<()>,
    /// Called when the list of conflicts may have changed.
    pub on_conflicts: Listeners<()>,
}

fn of_slice<T: ?Sized + 'static>(listeners: &BySlice<T>, slice: &str) -> Rc<Listeners<T>> {
    listeners.borrow_mut().entry(slice.into()).or_default().clone()
}

impl Subscriptions {
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn metrics(&self) -> SyncMetrics {
        self.metrics.borrow().clone()
    }

    pub fn on_change(&self, slice: &str, listener: impl Fn(&Change<Value>) + 'static) -> Subscription {
        of_slice(&self.changes, slice).add(listener)
    }

    pub fn on_pending(&self, slice: &str, listener: impl Fn(&Pending) + 'static) -> Subscription {
        of_slice(&self.pending, slice).add(listener)
    }

    /// Calls the listeners of a slice with items, and with the ids of items that are gone.
    pub fn tell_all(&self, slice: &str, puts: Vec<Item<Value>>, gone: Ids) {
        let change = Change { puts, deletes: gone.into_iter().collect(), origin: Origin::Tab };
        of_slice(&self.changes, slice).tell(&change);
    }

    /// Handles a message of the worker, to this page or to all.
    pub fn handle_message(&self, message: WorkerMessage) {
        let connection = &page().connection;
        let minds =
            message.text("slice").is_some_and(|slice| connection.with(|client, _| client.minds(&slice)));
        if minds && let Ok(FromWorker::Changed(changed)) = read::<FromWorker<Value>>(&message) {
            let Changed { slice, position, change, .. } = changed;
            let puts: Ids = change.puts.into_iter().map(|put| put.id).collect();
            let deletes: Ids = change.deletes.into_iter().collect();
            connection.with(|client, _| client.note_change(&slice, position, &puts, &deletes, &message));
        }
        connection.handle_message(message);
    }

    /// Tells the listeners of a message that is not an answer.
    pub fn deliver(&self, message: &WorkerMessage) {
        let message: FromWorker<Value> = match read(message) {
            Ok(message) => message,
            Err(why) => return self.report(why),
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
            FromWorker::Changed(Changed { slice, change, .. }) => {
                of_slice(&self.changes, &slice).tell(&change);
            }
            FromWorker::Pending { slice, changes, reset, .. } => {
                of_slice(&self.pending, &slice).tell(&Pending { changes, reset });
            }
            FromWorker::Failed { code, message, .. } => self.fail(ErrorKind::Failed, code, message),
            FromWorker::Warning { code, message, slice, id } => {
                self.tell_error(WorkerError { kind: ErrorKind::Warning, code, message, slice, id });
            }
            FromWorker::Token { number } => give_token(number),
            FromWorker::SignedOut { code, message, .. } => self.fail(ErrorKind::Failed, code, message),
            FromWorker::Rejections => self.on_rejections.tell(&()),
            FromWorker::ConflictsChanged => self.on_conflicts.tell(&()),
            // The client handles these.
            _ => {}
        }
    }

    /// Until the page's own worker is back, none says how things stand.
    pub fn no_status(&self, Failure { code, message }: Failure) {
        let mut status = self.status();
        (status.connection, status.flask_connected) = (Connection::Unknown, false);
        status.error = Some(message);
        status.error_code = Some(match &*code {
            "wrong_user" => ErrorCode::WrongUser,
            "wrong_name" => ErrorCode::WrongName,
            _ => ErrorCode::NoWorker,
        });
        *self.status.borrow_mut() = status.clone();
        self.on_status.tell(&status);
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

/// Returns the items that were read, with the changes that are newer.
pub fn items_of(Rows { messages, newer }: Rows<WorkerMessage>) -> Result<Vec<Item<Value>>, Error> {
    let mut items = BTreeMap::new();
    for message in &messages {
        let (ids, values, mut puts, mut deletes) = match read(message)? {
            FromWorker::Rows(rows) => (rows.ids, rows.values, rows.puts, rows.deletes),
            FromWorker::RowsPart { ids, values, .. } => (ids, values, Vec::new(), Vec::new()),
            _ => continue,
        };
        items.extend(ids.into_iter().zip(values));
        deletes.drain(..).for_each(|id| drop(items.remove(&id)));
        items.extend(puts.drain(..).map(|put: Item<Value>| (put.id, put.value)));
    }
    for change in &newer {
        if let FromWorker::Changed(Changed { change, .. }) = read(change)? {
            change.deletes.iter().for_each(|id| drop(items.remove(id)));
            items.extend(change.puts.into_iter().map(|put| (put.id, put.value)));
        }
    }
    Ok(items.into_iter().map(|(id, value)| Item { id, value }).collect())
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
    fn unknown_fields_of_a_message_are_ignored() {
        let text = r#"{"v":1,"kind":"status","unfinished":false,"status":{"pending":3,"moon":"full","connection":"by-pigeon"}}"#;
        let FromWorker::<Value>::Status { status, .. } = serde_json::from_str(text).unwrap() else {
            panic!("no status")
        };
        assert_eq!(status, Status { pending: 3, ..Status::default() });
    }
}
