//! Worker → page. Every message is a JSON object with the bridge's version `v` and its `kind`.

use super::BRIDGE;
use super::status::{Connection, Status, SyncMetrics};
use super::unsent::{UNSENT_FORMAT, UnsentFile, UnsentItem};
use crate::json::{Json, Raw, write};
use crate::store::{By, Key};
use crate::units::{BurstNo, Millis, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The pages that receive a message.
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

/// A message of the worker. `V` is an item's value: JSON text where a message is written, and what a page reads it as.
///
/// A page may be older than the worker: a kind that it does not know reads as `Unknown`, a field that it does not know is
/// left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromWorker<V> {
    /// A worker has started: pages send again what was not acknowledged.
    Hello,
    /// The page is told of everything after `position`.
    Joined {
        position: u64,
    },
    /// The slices are declared, and their stores exist.
    Registered {
        request: u64,
        epoch: String,
        build: String,
    },
    /// Everything of the page up to its burst `n` is durable.
    Ack {
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        n: BurstNo,
    },
    /// Something is missing before what arrived: the page goes on from its burst `n`.
    Expected {
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        n: BurstNo,
    },
    /// The database is another than the page knew: the page registers again.
    Stale,
    /// A request is done.
    Done {
        request: u64,
    },
    /// True if the server answered.
    Checked {
        request: u64,
        connected: bool,
    },
    /// The page's bursts up to `n` are in effect on these slices, and in the changes that were posted to it.
    Folded {
        position: u64,
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        n: BurstNo,
        slices: Vec<String>,
    },
    Metrics {
        metrics: SyncMetrics,
    },
    /// A request failed or, without one, the worker itself could not do its work.
    Failed {
        request: Option<u64>,
        code: String,
        message: String,
    },
    /// One thing could not be used, and all else goes on.
    Warning {
        code: String,
        message: String,
        /// The slice that it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        slice: Option<String>,
        /// The item of the slice that it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        id: Option<String>,
    },
    /// The state of the whole. While it is `unfinished` pages wake the worker now and then, and in `wakeIn` ms for the next
    /// sync.
    Status {
        unfinished: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        wake_in: Option<u64>,
        status: Status,
    },
    /// Stored items of an answer to `hydrate` that are too many for one message: `first` of them came before. The answer itself
    /// has the last ones.
    RowsPart {
        request: u64,
        first: u32,
        ids: Vec<String>,
        values: Vec<V>,
    },
    Rows(Rows<V>),
    Changed(Changed<V>),
    /// How far changes of a slice have come; with `reset`, of all items that the server does not have.
    Pending {
        slice: String,
        reset: bool,
        // The newest burst of the page that is in the list, if the page asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        n: Option<u64>,
        changes: Vec<ItemProgress>,
    },
    /// The changes that the server refused.
    Rejected {
        request: u64,
        rejected: Vec<Rejected<V>>,
    },
    /// The list of refused changes is another one.
    Rejections,
    /// The items that were changed here and elsewhere.
    Conflicts {
        request: u64,
        conflicts: Vec<Conflict<V>>,
    },
    /// The list of conflicts is another one.
    ConflictsChanged,
    /// The changes that only this device has.
    Unsent {
        request: u64,
        file: UnsentFile<V>,
    },
    /// The page is asked for a token, which it gives with this number.
    Token {
        number: u64,
    },
    /// The user has signed out of the database `epoch`: it is gone from this device, and its pages drop what they have.
    SignedOut {
        epoch: String,
        code: String,
        message: String,
    },
    /// A message of a newer worker.
    #[serde(other)]
    #[cfg_attr(feature = "ts", ts(skip))]
    Unknown,
}

/// The answer to `hydrate`: the stored items, and what is newer than the store and wins over them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub struct Rows<V> {
    pub request: u64,
    pub slice: String,
    /// The records of all pages up to here are in it.
    pub position: u64,
    /// The bursts of this page up to here are in it.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub n: BurstNo,
    /// So many stored items came in parts before.
    #[serde(default)]
    pub first: u32,
    /// The stored items, ids and values side by side. The worker adds them to what the engine writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<V>,
    pub puts: Vec<Item<V>>,
    pub deletes: Vec<String>,
}

/// Items of a slice that changed, for a page that did not make the change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Changed<V> {
    pub slice: String,
    /// The records of all pages up to here are in it.
    pub position: u64,
    /// The bursts of this page up to here are in it.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub n: BurstNo,
    /// Other slices of the same records follow: the page has not applied them all yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "ts", ts(as = "Option<bool>", optional))]
    pub more: bool,
    #[serde(flatten)]
    pub change: Change<V>,
}

/// An item and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Item<T> {
    pub id: String,
    pub value: T,
}

/// The origin of a change that is posted to pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Server,
    /// The server refused a change, and it was undone.
    Rollback,
    /// Another tab. (A name that a newer worker has reads as this.)
    #[serde(other)]
    Tab,
}

/// Items of a slice that changed elsewhere: in another tab, on the server, or undone because the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Change<T> {
    pub puts: Vec<Item<T>>,
    pub deletes: Vec<String>,
    pub origin: Origin,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "ProgressState"))]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// On its way to the server.
    Sending,
    /// The server has it, or the slice does not go there.
    Synced,
    /// It was changed elsewhere, too, and waits for someone's decision.
    Conflict,
    /// The server refused it. It stays on this device until someone edits, retries or discards it.
    Rejected,
    /// Only on this device. (A name that a newer worker has reads as this.)
    #[serde(other)]
    Local,
}

/// How far an item's latest change has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ItemProgress {
    pub id: String,
    pub state: Progress,
}

/// The operation of a refused change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum RejectedOp {
    Delete,
    #[serde(other)]
    Put,
}

/// A change that the server refused: it was undone, and is kept here with the reason until someone retries or discards it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
#[serde(bound(deserialize = "T: Deserialize<'de>"))] // ts-rs reads no attribute that has this beside others
pub struct Rejected<T> {
    /// Names the refusal, for `retryRejected` and `discardRejected`.
    pub id: String,
    pub slice: String,
    pub item_id: String,
    pub op: RejectedOp,
    /// The value that the item was to have; absent if it was to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub value: Option<T>,
    /// For programs.
    pub code: String,
    /// Why, in the server's words.
    pub message: String,
    /// When the change was made, in epoch ms.
    pub at: u64,
}

/// An item that was changed here and elsewhere, so that nobody but a person can tell what it should be. A side that is not
/// there is the absence of the item: it was deleted, or did not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
#[serde(bound(deserialize = "T: Deserialize<'de>"))] // ts-rs reads no attribute that has this beside others
pub struct Conflict<T> {
    /// Names the conflict, for `resolveConflict`. It is another one after each edit and each newer value of the server.
    pub id: String,
    pub slice: String,
    pub item_id: String,
    /// The value that both sides began with.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub base: Option<T>,
    /// This device's side.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub local: Option<T>,
    /// The server's side.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub remote: Option<T>,
    /// When this device's side was edited last, in epoch ms.
    pub local_at: u64,
    /// When the server's side was edited last, in epoch ms; 0 where that is not known.
    pub remote_at: u64,
    /// The writer of the server's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub by: Option<By>,
    /// The parts that both sides changed, as JSON Pointers (RFC 6901) in which `@` and its id name an element of a list. The
    /// empty path is the whole item.
    pub paths: Vec<String>,
}

/// `null` is a value, which serde's own `Option` takes for none.
pub(super) fn some<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A refusal as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// `<slice>/<position>/<item id>`.
    pub id: String,
    pub slice: String,
    pub item_id: String,
    /// `None` where the item was to be deleted.
    pub value: Option<Json>,
    pub code: String,
    pub message: String,
    pub at: Millis,
}

/// A conflict as the engine lists it.
pub type OpenConflict = Conflict<Json>;

fn text(message: FromWorker<Raw>) -> String {
    #[derive(Serialize)]
    struct Envelope<'a> {
        v: u64,
        #[serde(flatten)]
        message: FromWorker<Raw<'a>>,
    }
    write(&Envelope { v: BRIDGE, message })
}

/// A worker has started: pages send again what was not acknowledged.
pub fn hello() -> String {
    text(FromWorker::Hello)
}

/// The page will be told of what happens after `position`: if it missed something before, it reads again what it follows.
pub fn joined(position: u64) -> String {
    text(FromWorker::Joined { position })
}

/// The slices are declared and their stores exist.
pub fn registered(request: u64, epoch: &str) -> String {
    text(FromWorker::Registered { request, epoch: epoch.into(), build: crate::BUILD.into() })
}

/// Everything of the page up to `n` is durable.
pub fn ack(n: BurstNo) -> String {
    text(FromWorker::Ack { n })
}

/// Something is missing before what arrived: the page goes on from `n`.
pub fn expected(n: BurstNo) -> String {
    text(FromWorker::Expected { n })
}

/// The database is another than the page knew: it registers again.
pub fn stale() -> String {
    text(FromWorker::Stale)
}

/// A request is done.
pub fn done(request: u64) -> String {
    text(FromWorker::Done { request })
}

/// Returns true if the server answered.
pub fn checked(request: u64, connected: bool) -> String {
    text(FromWorker::Checked { request, connected })
}

/// The page's bursts up to the `n`th are in effect on these slices, and in the changes that were posted to it.
pub fn folded(position: u64, n: BurstNo, slices: &BTreeSet<Rc<str>>) -> String {
    text(FromWorker::Folded { position, n, slices: slices.iter().map(|slice| slice.to_string()).collect() })
}

/// The metrics.
pub fn metrics(metrics: SyncMetrics) -> String {
    text(FromWorker::Metrics { metrics })
}

/// A request failed, or (without one) something of the page's was not taken.
pub fn failed(request: Option<u64>, code: &str, message: &str) -> String {
    text(FromWorker::Failed { request, code: code.into(), message: message.into() })
}

/// The slice, and the item of it, that a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About<'a> {
    pub slice: Option<&'a str>,
    pub id: Option<&'a str>,
}

impl<'a> About<'a> {
    pub fn item(key: &'a Key) -> Self {
        About { slice: Some(&key.slice), id: Some(&key.id) }
    }

    pub fn slice(slice: Option<&'a str>) -> Self {
        About { slice, id: None }
    }
}

/// An action, or something in the database, could not be used. Nothing else is affected.
pub fn warning(code: &str, message: &str, about: About) -> String {
    let (slice, id) = (about.slice.map(str::to_owned), about.id.map(str::to_owned));
    text(FromWorker::Warning { code: code.into(), message: message.into(), slice, id })
}

/// While the server pokes the worker, pages wake it so often, in ms: a browser ends a worker that hears of no page.
const LIVE_MS: u64 = 20_000;

/// The state of the whole at `now`; unfinished while something is pending, or the server was not reached. `is_live` says
/// whether the server pokes the worker.
pub fn status(status: &Status, is_live: bool, now: u64) -> String {
    let unfinished = status.pending > 0 || status.connection != Connection::Online;
    let sync_in = status.auto_sync.next_sync_at.map(|at| at.saturating_sub(now));
    let wake_in = sync_in.into_iter().chain(is_live.then_some(LIVE_MS)).min();
    text(FromWorker::Status { unfinished, wake_in, status: status.clone() })
}

/// The head of a part of an answer to `hydrate`. The worker adds the stored items.
pub fn rows_part(request: u64) -> String {
    let (ids, values) = (Vec::new(), Vec::new());
    text(FromWorker::RowsPart { request, first: 0, ids, values })
}

/// The head of an answer to `hydrate`. The worker adds the stored items. Newer changes that the engine holds are in
/// `puts` and `deletes`, and win over the stored items. The page's bursts up to the `n`th are in the answer.
pub fn rows(request: u64, slice: &str, position: u64, n: BurstNo, newer: &[(Key, Option<Json>)]) -> String {
    let (puts, deletes) = changes(slice, newer);
    let (ids, values) = (Vec::new(), Vec::new());
    let slice = slice.into();
    text(FromWorker::Rows(Rows { request, slice, position, n, first: 0, ids, values, puts, deletes }))
}

/// Items of a slice that changed, among those of others, for a page that did not make the change. The page's own bursts
/// up to the `n`th are in it. With `more`, other slices follow.
pub fn changed(
    slice: &str,
    (position, n): (Position, BurstNo),
    more: bool,
    origin: Origin,
    items: &[(Key, Option<Json>)],
) -> String {
    let (puts, deletes) = changes(slice, items);
    let change = Change { puts, deletes, origin };
    text(FromWorker::Changed(Changed { slice: slice.into(), position: position.0, n, more, change }))
}

fn changes<'a>(slice: &str, items: &'a [(Key, Option<Json>)]) -> (Vec<Item<Raw<'a>>>, Vec<String>) {
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for (key, value) in items.iter().filter(|(key, _)| *key.slice == *slice) {
        let id = key.id.to_string();
        match value {
            Some(value) => puts.push(Item { id, value: Raw(value) }),
            None => deletes.push(id),
        }
    }
    (puts, deletes)
}

/// How far changes of a slice, among those of others, have come. `list` is about all items that the server does not have.
pub fn pending(slice: &str, list: PendingList, items: &[(Key, Progress)]) -> String {
    let (reset, n) = match list {
        PendingList::Changes => (false, None),
        PendingList::All(n) => (true, n),
    };
    let of_slice = items.iter().filter(|(key, _)| *key.slice == *slice);
    let changes =
        of_slice.map(|(key, state)| ItemProgress { id: key.id.to_string(), state: *state }).collect();
    text(FromWorker::Pending { slice: slice.into(), reset, n: n.map(|n| n.0), changes })
}

/// The items that a list of progress covers: changed ones, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingList {
    Changes,
    /// All items that the server does not have; for a page that asked, with its newest burst that is in the list.
    All(Option<BurstNo>),
}

/// The answer to `rejected`: the changes that the server refused and nobody has decided on.
pub fn rejected(request: u64, rejections: &[Rejection]) -> String {
    let mut rejected = Vec::new();
    for Rejection { id, slice, item_id, value, code, message, at } in rejections {
        rejected.push(Rejected {
            id: id.clone(),
            slice: slice.clone(),
            item_id: item_id.clone(),
            op: if value.is_some() { RejectedOp::Put } else { RejectedOp::Delete },
            value: value.as_deref().map(Raw),
            code: code.clone(),
            message: message.clone(),
            at: at.0,
        });
    }
    text(FromWorker::Rejected { request, rejected })
}

/// The answer to `conflicts`.
pub fn conflicts(request: u64, open: &[OpenConflict]) -> String {
    let conflicts = open.iter().map(as_text).collect();
    text(FromWorker::Conflicts { request, conflicts })
}

fn as_text(conflict: &OpenConflict) -> Conflict<Raw<'_>> {
    Conflict {
        id: conflict.id.clone(),
        slice: conflict.slice.clone(),
        item_id: conflict.item_id.clone(),
        base: conflict.base.as_deref().map(Raw),
        local: conflict.local.as_deref().map(Raw),
        remote: conflict.remote.as_deref().map(Raw),
        local_at: conflict.local_at,
        remote_at: conflict.remote_at,
        by: conflict.by.clone(),
        paths: conflict.paths.clone(),
    }
}

/// The answer to `export`: what only this device has of `principal`'s, at `now`.
pub fn unsent(
    request: u64,
    (principal, user, device): (Option<&str>, Option<String>, Option<&str>),
    now: Millis,
    items: &[UnsentItem<Json>],
) -> String {
    let file = UnsentFile {
        nightferry: UNSENT_FORMAT,
        principal: principal.map(str::to_owned),
        user,
        device: device.map(str::to_owned),
        at: now.0,
        items: items.iter().map(UnsentItem::as_text).collect(),
    };
    text(FromWorker::Unsent { request, file })
}

/// Asks a page for a token.
pub fn token(number: u64) -> String {
    text(FromWorker::Token { number })
}

/// The user has signed out of the database `epoch`.
pub fn signed_out(epoch: &str) -> String {
    let message =
        "The user has signed out in this browser. What this tab shows is not kept any more: reload the page.";
    text(FromWorker::SignedOut { epoch: epoch.into(), code: "signed_out".into(), message: message.into() })
}

/// The list of conflicts is another one: pages that show it ask for it again.
pub fn conflicts_changed() -> String {
    text(FromWorker::ConflictsChanged)
}

/// The list of refused changes is another one: pages that show it ask for it again.
pub fn rejections() -> String {
    text(FromWorker::Rejections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(message: &str) -> FromWorker<Value> {
        serde_json::from_str(message).unwrap()
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let items = [
            (Key::new("files", "a"), Some(r#"{"n":1.50,"z":null}"#.into())),
            (Key::new("files", "b"), Some("null".into())),
            (Key::new("files", "c"), None),
            (Key::new("notes", "d"), None),
        ];
        let message = changed("files", (Position(7), BurstNo(3)), false, Origin::Server, &items);
        assert!(message.contains(r#"{"n":1.50,"z":null}"#), "{message}");
        let FromWorker::Changed(Changed { position: 7, n: BurstNo(3), change, .. }) = read(&message) else {
            panic!("{message}")
        };
        assert_eq!(change.puts[0].value, json!({"n": 1.5, "z": null}));
        assert_eq!(
            (&change.puts[1].value, change.deletes, change.origin),
            (&Value::Null, vec!["c".into()], Origin::Server)
        );
    }

    #[test]
    fn a_refused_null_is_a_put_and_no_value_is_a_delete() {
        let refused = |value: Option<Json>| Rejection {
            id: "theme/7/value".into(),
            slice: "theme".into(),
            item_id: "value".into(),
            value,
            code: "too_dark".into(),
            message: "It is too dark.".into(),
            at: Millis(5),
        };
        let message = rejected(1, &[refused(Some("null".into())), refused(None)]);
        let FromWorker::Rejected { request: 1, rejected } = read(&message) else { panic!("{message}") };
        let shown: Vec<_> = rejected.iter().map(|rejected| (rejected.op, rejected.value.clone())).collect();
        assert_eq!(shown, [(RejectedOp::Put, Some(Value::Null)), (RejectedOp::Delete, None)]);
    }

    #[test]
    fn a_newer_worker_s_message_is_read_as_far_as_it_is_known() {
        assert!(matches!(read(r#"{"v":1,"kind":"moon","phase":3}"#), FromWorker::Unknown));
        assert!(matches!(
            read(r#"{"v":1,"kind":"ack","n":3,"moon":"full"}"#),
            FromWorker::Ack { n: BurstNo(3) }
        ));
        let origin =
            r#"{"kind":"changed","slice":"s","position":1,"n":0,"puts":[],"deletes":[],"origin":"pigeon"}"#;
        let FromWorker::Changed(changed) = read(origin) else { panic!() };
        assert_eq!(changed.change.origin, Origin::Tab);
    }
}
