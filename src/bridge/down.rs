//! Worker → page. Every message is a JSON object with `v`, `kind` and, where it is for one page, `page`.

use super::BRIDGE;
use super::status::{Connection, Shown, Status};
use crate::json::{Json, Raw, write};
use crate::store::Key;
use serde::Serialize;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Who is to hear a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    All,
    /// The pages of these ids.
    Pages(Vec<Rc<str>>),
}

impl To {
    pub fn page(page: &str) -> Self {
        To::Pages(vec![page.into()])
    }
}

/// Who made a change that pages are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Tab,
    Server,
    Rollback,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Only on this device.
    Local,
    /// On its way to the server.
    Sending,
    /// The server has it, or the slice does not go there.
    Synced,
}

/// A change that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub id: String,
    pub slice: String,
    pub item_id: String,
    /// A deletion where there is none.
    pub value: Option<Json>,
    pub code: String,
    pub message: String,
    pub at: crate::units::Millis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRejection<'a> {
    id: &'a str,
    slice: &'a str,
    item_id: &'a str,
    op: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Raw<'a>>,
    code: &'a str,
    message: &'a str,
    at: crate::units::Millis,
}

#[derive(Serialize)]
struct Envelope<'a> {
    v: u64,
    #[serde(flatten)]
    message: Message<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Message<'a> {
    Hello,
    Joined {
        position: u64,
    },
    Registered {
        request: u64,
        epoch: &'a str,
        build: &'a str,
    },
    Ack {
        n: u64,
    },
    Expected {
        n: u64,
    },
    Stale,
    Done {
        request: u64,
    },
    Checked {
        request: u64,
        connected: bool,
    },
    Folded {
        position: u64,
        n: u64,
        slices: Vec<&'a str>,
    },
    Rejected {
        request: u64,
        rejected: Vec<ShownRejection<'a>>,
    },
    Rejections,
    Metrics {
        metrics: Raw<'a>,
    },
    Failed {
        request: Option<u64>,
        code: &'a str,
        message: &'a str,
    },
    Warning {
        code: &'a str,
        message: &'a str,
    },
    Status {
        unfinished: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        wake_in: Option<u64>,
        status: Shown<'a>,
    },
    Rows {
        request: u64,
        slice: &'a str,
        position: u64,
        n: u64,
        puts: Vec<Put<'a>>,
        deletes: Vec<&'a str>,
    },
    Changed {
        slice: &'a str,
        position: u64,
        n: u64,
        origin: Origin,
        puts: Vec<Put<'a>>,
        deletes: Vec<&'a str>,
    },
    Pending {
        slice: &'a str,
        reset: bool,
        changes: Vec<State<'a>>,
    },
}

#[derive(Serialize)]
struct Put<'a> {
    id: &'a str,
    value: Raw<'a>,
}

#[derive(Serialize)]
struct State<'a> {
    id: &'a str,
    state: Progress,
}

fn text(message: Message) -> String {
    write(&Envelope { v: BRIDGE, message })
}

/// A worker has started: pages send again what was not acknowledged.
pub fn hello() -> String {
    text(Message::Hello)
}

/// The page will be told of what happens after `position`: if it missed something before, it reads again what it follows.
pub fn joined(position: u64) -> String {
    text(Message::Joined { position })
}

/// The slices are declared and their stores exist.
pub fn registered(request: u64, epoch: &str) -> String {
    text(Message::Registered { request, epoch, build: crate::BUILD })
}

/// Everything of the page up to `n` is durable.
pub fn ack(n: u64) -> String {
    text(Message::Ack { n })
}

/// Something is missing before what arrived: the page goes on from `n`.
pub fn expected(n: u64) -> String {
    text(Message::Expected { n })
}

/// The database is another than the page knew: it registers again.
pub fn stale() -> String {
    text(Message::Stale)
}

/// A request is done.
pub fn done(request: u64) -> String {
    text(Message::Done { request })
}

/// Whether the server answered.
pub fn checked(request: u64, connected: bool) -> String {
    text(Message::Checked { request, connected })
}

/// What the page's bursts up to the `n`th did to these slices is in what it has been told.
pub fn folded(position: u64, n: u64, slices: &BTreeSet<Rc<str>>) -> String {
    text(Message::Folded { position, n, slices: slices.iter().map(|slice| &**slice).collect() })
}

/// The changes that the server refused.
pub fn rejected(request: u64, rejections: &[Rejection]) -> String {
    fn shown(rejection: &Rejection) -> ShownRejection<'_> {
        ShownRejection {
            id: &rejection.id,
            slice: &rejection.slice,
            item_id: &rejection.item_id,
            op: if rejection.value.is_some() { "put" } else { "delete" },
            value: rejection.value.as_deref().map(Raw),
            code: &rejection.code,
            message: &rejection.message,
            at: rejection.at,
        }
    }
    text(Message::Rejected { request, rejected: rejections.iter().map(shown).collect() })
}

/// The list of refused changes is another.
pub fn rejections() -> String {
    text(Message::Rejections)
}

/// The metrics, a JSON object.
pub fn metrics(metrics: &str) -> String {
    text(Message::Metrics { metrics: Raw(metrics) })
}

/// A request failed, or (without one) something of the page's was not taken.
pub fn failed(request: Option<u64>, code: &str, message: &str) -> String {
    text(Message::Failed { request, code, message })
}

/// An action, or something in the database, could not be used. Nothing else is affected.
pub fn warning(code: &str, message: &str) -> String {
    text(Message::Warning { code, message })
}

/// The state of the whole; while it is `unfinished`, pages wake the worker now and then, and for the next sync `wakeIn` so
/// many ms.
pub fn status(status: &Status, now: u64) -> String {
    let unfinished = status.pending > 0 || status.connection != Connection::Online;
    let wake_in = status.next_sync_at.map(|at| at.saturating_sub(now));
    text(Message::Status { unfinished, wake_in, status: status.shown() })
}

/// The head of an answer to `hydrate`. The worker adds the stored items; what the engine holds that is newer is in
/// `puts` and `deletes` and wins over them. The page's bursts up to the `n`th are in it.
pub fn rows(request: u64, slice: &str, position: u64, n: u64, newer: &[(Key, Option<Json>)]) -> String {
    let (puts, deletes) = changes(slice, newer);
    text(Message::Rows { request, slice, position, n, puts, deletes })
}

/// Items of a slice that changed, among those of others, for a page that did not make the change. The page's own bursts
/// up to the `n`th are in it.
pub fn changed(slice: &str, position: u64, n: u64, origin: Origin, items: &[(Key, Option<Json>)]) -> String {
    let (puts, deletes) = changes(slice, items);
    text(Message::Changed { slice, position, n, origin, puts, deletes })
}

fn changes<'a>(slice: &str, items: &'a [(Key, Option<Json>)]) -> (Vec<Put<'a>>, Vec<&'a str>) {
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for (key, value) in items {
        if *key.slice != *slice {
            continue;
        }
        match value {
            Some(value) => puts.push(Put { id: &key.id, value: Raw(value) }),
            None => deletes.push(&*key.id),
        }
    }
    (puts, deletes)
}

/// How far changes of a slice, among those of others, have come; with `reset`, of all items that the server does not have.
pub fn pending(slice: &str, reset: bool, items: &[(Key, Progress)]) -> String {
    let mut changes = Vec::new();
    for (key, state) in items {
        if *key.slice == *slice {
            changes.push(State { id: &key.id, state: *state });
        }
    }
    text(Message::Pending { slice, reset, changes })
}
