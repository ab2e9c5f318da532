//! A model of the server: push with compare-and-set and answers kept by client, pull behind cursors, health. One server may be
//! that of several devices (`fleet/mod.rs`).

mod history;
mod pull;
mod push;

pub use history::{Backup, History};

use crate::actions::Key;
use crate::kinds::{Kind, Tally};
use crate::writes::{Replaced, ids};
use nightferry::engine::Response;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When another device makes its changes, in epoch ms.
pub const FOREIGN: u64 = 5;

/// A fault that a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// The request never arrives, and nothing says so.
    Swallowed,
    /// It takes effect; the answer never comes.
    AnswerSwallowed,
    /// It takes effect; the connection breaks.
    AnswerLost,
    /// The server refuses connections.
    Refused,
    Internal,
    /// A proxy's page, with status 200.
    Html,
    /// It takes effect; half of the answer comes.
    Cut,
    /// It takes effect; the answer leaves out the last change.
    Partial,
    /// 503 with `Retry-After`, in seconds.
    Unavailable(u64),
    /// Refused as a whole.
    Status(u16),
    /// A copy of this device has sent a push under its name.
    Forked,
    /// The transaction of a push stays open for so many ms, as with a hook that takes its time.
    Held(u64),
    /// A read replica answers a pull from an earlier state.
    Lagging,
    /// A page of a pull has changes in it that can't be read.
    Junk,
}

/// The state that a read replica has.
#[derive(Debug, Clone)]
struct Snapshot {
    items: BTreeMap<Key, Row>,
    history: History,
}

/// The transaction of a push that is open. Other pushes wait for its end.
#[derive(Debug, Clone)]
struct Lock {
    /// The push: its device, worker and request, and whether it is a copy that the network made.
    holder: (usize, u64, u64, bool),
    until: u64,
    version: u64,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub version: u64,
    /// `None` is a tombstone.
    pub value: Option<Value>,
    pub at: u64,
    /// The principal that wrote it.
    pub principal: String,
    /// The client that wrote it; empty where that is another device.
    pub client: String,
    /// The name for people that the device gave itself.
    pub device: Option<String>,
}

/// An app's own hook for the changes of a slice.
#[derive(Debug, Clone)]
pub struct Hook {
    pub slice: String,
    /// It is about deletions, not about puts.
    pub deletes: bool,
    /// It acts only on objects that have all of these fields; without, always.
    pub when: Option<Value>,
    pub does: HookDoes,
}

#[derive(Debug, Clone)]
pub enum HookDoes {
    Refuse {
        code: String,
        message: String,
    },
    /// Lays these fields over the value.
    Set(Value),
}

/// The answer to a client's newest push.
#[derive(Debug, Clone, Default)]
struct Answered {
    n: u64,
    tag: String,
    results: BTreeMap<Key, Value>,
    /// Its transactions that had an effect, each with the items of that.
    transactions: Vec<(u64, BTreeSet<Key>)>,
}

pub struct Server {
    /// The faults of the next requests, before `mode`.
    pub faults: VecDeque<Fault>,
    /// The fault of every other request.
    pub mode: Fault,
    pub principal: String,
    /// The token that requests must carry.
    pub token: Option<String>,
    /// The answer to requests that do not.
    pub token_status: u16,
    /// The tokens that requests carried.
    pub tokens: Vec<Option<String>>,
    pub items: BTreeMap<Key, Row>,
    /// Ids whose changes are refused.
    pub refused: BTreeSet<String>,
    /// No patch fits its item.
    pub refuses_patches: bool,
    /// Ids that make a whole push fail with status 500.
    pub poisoned: BTreeSet<String>,
    /// By id, what a hook makes of a change.
    pub hooks: BTreeMap<String, Value>,
    /// The app's own hooks, in their order.
    pub app_hooks: Vec<Hook>,
    /// A base that was never given ends the run, as no such version can come from this device.
    pub is_strict: bool,
    /// Ids whose objects a hook stamps.
    pub stamped: BTreeSet<String>,
    /// Items whose story is not this device's alone any more: another device, a hook or a refusal had a part in it.
    pub disturbed: BTreeSet<Key>,
    /// Writes of other devices.
    pub foreign: BTreeSet<u64>,
    /// Writes of this device that another one replaced.
    pub taken_back: BTreeSet<(Key, String, u64)>,
    /// Writes of this device that a push brought.
    pub arrived: BTreeSet<(Key, String, u64)>,
    /// The replacements by pushes that were not checked yet.
    pub replaced: Vec<Replaced>,
    /// Items of which a change was refused.
    pub rejected: BTreeSet<Key>,
    /// Items that another device changed, deleted, or took a change back of.
    pub changed_elsewhere: BTreeSet<Key>,
    pub deleted_elsewhere: BTreeSet<Key>,
    pub restored: BTreeSet<Key>,
    /// The values of items before another device changed them.
    before: BTreeMap<Key, Value>,
    /// The device has had to take another name.
    pub has_forked: bool,
    pub tally: Tally,
    /// Every push that arrived, by client, number and tag.
    sent: BTreeMap<(String, u64, String), BTreeMap<Key, Value>>,
    /// Every request that arrived: path and body.
    pub requests: Vec<(String, Value)>,
    /// The changes of state that pushes made, in order.
    pub effects: Vec<(Key, Option<Value>)>,
    /// By principal and client.
    clients: BTreeMap<(String, String), Answered>,
    pub history: History,
    /// The newest version of all histories.
    newest_given: u64,
    /// The version of the push that is decided on, once it has an effect.
    transaction: Option<u64>,
    lock: Option<Lock>,
    replica: Option<Snapshot>,
    /// The most changes in a page of a pull, whatever a device asks for.
    pub page_limit: usize,
    /// The number of the device that speaks, and the devices whose pushes had a part in each item.
    pub device: usize,
    /// The name for people of the device that speaks.
    speaker: Option<String>,
    writers: BTreeMap<Key, BTreeSet<usize>>,
    /// The database was lost or became an earlier one.
    pub was_set_back: bool,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            faults: VecDeque::new(),
            mode: Fault::Nothing,
            principal: "acme/ann".into(),
            token: None,
            token_status: 401,
            tokens: Vec::new(),
            items: BTreeMap::new(),
            refused: BTreeSet::new(),
            refuses_patches: false,
            poisoned: BTreeSet::new(),
            hooks: BTreeMap::new(),
            app_hooks: Vec::new(),
            is_strict: true,
            stamped: BTreeSet::new(),
            disturbed: BTreeSet::new(),
            foreign: BTreeSet::new(),
            taken_back: BTreeSet::new(),
            arrived: BTreeSet::new(),
            replaced: Vec::new(),
            rejected: BTreeSet::new(),
            changed_elsewhere: BTreeSet::new(),
            deleted_elsewhere: BTreeSet::new(),
            restored: BTreeSet::new(),
            before: BTreeMap::new(),
            has_forked: false,
            tally: Tally::default(),
            sent: BTreeMap::new(),
            requests: Vec::new(),
            effects: Vec::new(),
            clients: BTreeMap::new(),
            history: History::default(),
            newest_given: 0,
            transaction: None,
            lock: None,
            replica: None,
            page_limit: 1_000,
            device: 0,
            speaker: None,
            writers: BTreeMap::new(),
            was_set_back: false,
        }
    }
}

impl Server {
    /// A request arrives. `None` is silence, `Some(None)` a broken connection.
    pub fn receive(
        &mut self,
        now: u64,
        path: &str,
        body: Option<&str>,
        fault: Fault,
    ) -> Option<Option<Response>> {
        match fault {
            Fault::Swallowed => return None,
            Fault::Refused => return Some(None),
            _ => {}
        }
        let body: Value = body.map_or(Value::Null, |body| {
            nightferry::json::check(body).expect("a body is strict JSON");
            serde_json::from_str(body).expect("a body is JSON")
        });
        self.requests.push((path.into(), body.clone()));
        if path == "/push" {
            self.check_same(&body);
        }
        match fault {
            Fault::Internal => return Some(Some(error(500, "internal"))),
            Fault::Status(status) => return Some(Some(error(status, "refused"))),
            Fault::Unavailable(seconds) => {
                let answer = Response { retry_after: Some(seconds * 1000), ..error(503, "unavailable") };
                return Some(Some(answer));
            }
            Fault::Forked if path == "/push" => self.fork(&body),
            Fault::Html => {
                let page = Response { content_type: "text/html".into(), ..answer(200, &json!({})) };
                return Some(Some(page));
            }
            _ => {}
        }
        let answer = match path {
            "/health" => answer(200, &json!({"protocol": 1, "status": "ok"})),
            "/pull" => self.pull(&body, self.replica.as_ref().filter(|_| fault == Fault::Lagging)),
            "/push" => self.push(now, &body),
            _ => error(404, "not_found"),
        };
        match fault {
            Fault::AnswerSwallowed => None,
            Fault::AnswerLost => Some(None),
            Fault::Cut => Some(Some(Response { body: cut(&answer.body).into(), ..answer })),
            Fault::Partial => Some(Some(Response { body: without_last(&answer.body), ..answer })),
            Fault::Junk => Some(Some(Response { body: with_junk(&answer.body), ..answer })),
            _ => Some(Some(answer)),
        }
    }

    /// Takes the fault of the next request, if the test or the run set one.
    pub fn next_fault(&mut self) -> Option<Fault> {
        self.faults.pop_front().or((self.mode != Fault::Nothing).then_some(self.mode))
    }

    /// The read replica catches up.
    pub fn replicate(&mut self) {
        self.replica = Some(Snapshot { items: self.items.clone(), history: self.history.clone() });
    }

    /// Returns true if others than the device that speaks had a part in the item: another device, a hook, a refusal.
    pub fn is_disturbed(&self, key: &Key) -> bool {
        let others = || self.writers.get(key)?.iter().find(|device| **device != self.device);
        self.was_set_back || self.disturbed.contains(key) || others().is_some()
    }

    /// A push reaches the server. The time to which it has to wait for an open transaction, if there is one.
    pub fn waits_until(&mut self, now: u64, push: (usize, u64, u64, bool)) -> Option<u64> {
        let lock = self.lock.as_ref()?;
        (lock.holder != push && now < lock.until).then_some(lock.until + 1)
    }

    /// Opens the transaction of a push, which ends at `until`. Its version is the next one.
    pub fn open_transaction(&mut self, push: (usize, u64, u64, bool), until: u64) {
        let version = self.new_version();
        self.lock = Some(Lock { holder: push, until, version });
    }

    /// Ends the transaction of this push. Returns true if the transaction was open. The push is decided on
    /// now, under the transaction's version.
    pub fn end_transaction(&mut self, push: (usize, u64, u64, bool)) -> bool {
        let Some(lock) = self.lock.take_if(|lock| lock.holder == push) else { return false };
        self.transaction = Some(lock.version);
        true
    }

    /// Another device's change.
    pub fn write(&mut self, slice: &str, id: &str, value: Option<Value>) -> u64 {
        let version = self.new_version();
        self.history.commit(version);
        self.replaced_elsewhere(&(slice.into(), id.into()), value.as_ref());
        self.disturb(
            &(slice.into(), id.into()),
            if value.is_some() { Kind::ForeignEdit } else { Kind::ForeignDelete },
        );
        self.items.insert(
            (slice.into(), id.into()),
            Row {
                version,
                value,
                at: FOREIGN,
                principal: self.principal.clone(),
                client: String::new(),
                device: None,
            },
        );
        version
    }

    fn replaced_elsewhere(&mut self, key: &Key, value: Option<&Value>) {
        self.changed_elsewhere.insert(key.clone());
        if value.is_none() {
            self.deleted_elsewhere.insert(key.clone());
        }
        let after = value.map(ids).unwrap_or_default();
        for (field, write) in &after {
            self.taken_back.remove(&(key.clone(), field.clone(), *write));
        }
        let Some(before) = self.items.get(key).and_then(|row| row.value.clone()) else { return };
        for (field, write) in ids(&before) {
            if after.get(&field) != Some(&write) {
                self.taken_back.insert((key.clone(), field, write));
            }
        }
        self.before.insert(key.clone(), before);
    }

    /// Returns the item's value before another device, or a push, changed it last.
    pub fn before(&self, slice: &str, id: &str) -> Option<Value> {
        self.before.get(&(slice.into(), id.into())).cloned()
    }

    /// Another device takes the last change of an item back.
    pub fn restore(&mut self, slice: &str, id: &str, value: Value) {
        self.restored.insert((slice.into(), id.into()));
        self.write(slice, id, Some(value));
    }

    /// Returns true if another device changed the item last.
    pub fn is_foreign(&self, slice: &str, id: &str) -> bool {
        self.items.get(&(slice.into(), id.into())).is_some_and(|row| row.at == FOREIGN)
    }

    pub fn value(&self, slice: &str, id: &str) -> Option<Value> {
        self.items.get(&(slice.into(), id.into()))?.value.clone()
    }

    /// The items that exist.
    pub fn live(&self) -> BTreeSet<Key> {
        self.items.iter().filter(|(_, row)| row.value.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// The bodies of the pushes that arrived.
    pub fn pushes(&self) -> Vec<&Value> {
        self.requests.iter().filter(|(path, _)| path == "/push").map(|(_, body)| body).collect()
    }
}

fn answer(status: u16, body: &Value) -> Response {
    Response { status, content_type: "application/json".into(), retry_after: None, body: body.to_string() }
}

pub fn error(status: u16, code: &str) -> Response {
    error_of(status, code, &[])
}

/// An error. One of status 410 names these slices.
fn error_of(status: u16, code: &str, slices: &[&str]) -> Response {
    let mut error = json!({"code": code, "message": "The model says no.", "retryable": status >= 500});
    if status == 410 {
        let slices: BTreeSet<&str> = slices.iter().copied().collect();
        error["slices"] = slices.into_iter().collect();
    }
    answer(status, &json!({"error": error}))
}

/// The first half of a text.
fn cut(text: &str) -> &str {
    let mut at = text.len() / 2;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

/// A push's answer without its last result.
fn without_last(text: &str) -> String {
    let mut body: Value = serde_json::from_str(text).expect("an answer is JSON");
    match body.get_mut("results").and_then(Value::as_array_mut) {
        Some(results) => drop(results.pop()),
        None => drop(body.as_object_mut().and_then(|body| body.remove("principal"))),
    }
    body.to_string()
}

/// A page of a pull with more changes in it, that can't be read.
fn with_junk(text: &str) -> String {
    let mut body: Value = serde_json::from_str(text).expect("an answer is JSON");
    if let Some(changes) = body.get_mut("changes").and_then(Value::as_array_mut) {
        let at = changes.len() / 2;
        let junk = [
            json!({"slice": "files", "id": "junk", "version": "new", "value": 1, "at": 0}),
            json!({"slice": "files", "id": "junk", "version": 7, "at": 0}),
            json!({"slice": "files", "id": "", "version": 7, "value": {}, "at": 0}),
            Value::Null,
        ];
        changes.splice(at..at, junk);
    }
    body.to_string()
}
