//! Worker → page. Every message is a JSON object with `v`, `kind` and, where it is for one page, `page`.

use super::BRIDGE;
use super::status::{Connection, Status};
use crate::json::{Json, Writer, quoted};
use crate::store::Key;
use crate::table::Set;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Tab,
    Server,
    Rollback,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Only on this device.
    Local,
    /// On its way to the server.
    Sending,
    /// The server has it, or the slice does not go there.
    Synced,
}

fn message(kind: &str) -> Writer {
    let mut out = Writer::object();
    out.number("v", BRIDGE).string("kind", kind);
    out
}

/// A worker has started: pages send again what was not acknowledged.
pub fn hello() -> String {
    message("hello").end()
}

/// The page will be told of what happens after `position`: if it missed something before, it reads again what it follows.
pub fn joined(position: u64) -> String {
    message("joined").number("position", position).end()
}

/// The slices are declared and their stores exist.
pub fn registered(request: u64, epoch: &str) -> String {
    message("registered")
        .number("request", request)
        .string("epoch", epoch)
        .string("build", crate::BUILD)
        .end()
}

/// Everything of the page up to `n` is durable.
pub fn ack(n: u64) -> String {
    message("ack").number("n", n).end()
}

/// Something is missing before what arrived: the page goes on from `n`.
pub fn expected(n: u64) -> String {
    message("expected").number("n", n).end()
}

/// The database is another than the page knew: it registers again.
pub fn stale() -> String {
    message("stale").end()
}

/// A request is done.
pub fn done(request: u64) -> String {
    message("done").number("request", request).end()
}

/// Whether the server answered.
pub fn checked(request: u64, connected: bool) -> String {
    message("checked").number("request", request).bool("connected", connected).end()
}

/// What the page's bursts up to the `n`th did to these slices is in what it has been told.
pub fn folded(position: u64, n: u64, slices: &Set<Rc<str>>) -> String {
    let mut out = message("folded");
    let mut list = out.number("position", position).number("n", n).array("slices");
    for slice in slices.keys() {
        list.item(&quoted(slice));
    }
    list.end().end()
}

/// The metrics, a JSON object.
pub fn metrics(metrics: &str) -> String {
    message("metrics").raw("metrics", metrics).end()
}

/// A request failed, or (without one) something of the page's was not taken.
pub fn failed(request: Option<u64>, code: &str, text: &str) -> String {
    message("failed").number_or_null("request", request).string("code", code).string("message", text).end()
}

/// An action, or something in the database, could not be used. Nothing else is affected.
pub fn warning(code: &str, text: &str) -> String {
    message("warning").string("code", code).string("message", text).end()
}

/// The state of the whole; while it is `unfinished`, pages wake the worker now and then, and for the next sync `wakeIn` so
/// many ms.
pub fn status(status: &Status, now: u64) -> String {
    let unfinished = status.pending > 0 || status.connection != Connection::Online;
    let mut out = message("status");
    out.bool("unfinished", unfinished);
    if let Some(at) = status.next_sync_at {
        out.number("wakeIn", at.saturating_sub(now));
    }
    out.raw("status", &status.to_json()).end()
}

/// The head of an answer to `hydrate`. The worker adds the stored items; what the engine holds that is newer is in
/// `puts` and `deletes` and wins over them. The page's bursts up to the `n`th are in it.
pub fn rows(request: u64, slice: &str, position: u64, n: u64, newer: &[(Key, Option<Json>)]) -> String {
    let mut out = message("rows");
    out.number("request", request).string("slice", slice).number("position", position).number("n", n);
    changes(&mut out, slice, newer);
    out.end()
}

/// Items of a slice that changed, among those of others, for a page that did not make the change. The page's own bursts
/// up to the `n`th are in it.
pub fn changed(slice: &str, position: u64, n: u64, origin: Origin, items: &[(Key, Option<Json>)]) -> String {
    let origin = match origin {
        Origin::Tab => "tab",
        Origin::Server => "server",
        Origin::Rollback => "rollback",
    };
    let mut out = message("changed");
    out.string("slice", slice).number("position", position).number("n", n).string("origin", origin);
    changes(&mut out, slice, items);
    out.end()
}

fn changes(out: &mut Writer, slice: &str, items: &[(Key, Option<Json>)]) {
    let mut puts = out.array("puts");
    for (key, value) in items {
        if let (true, Some(value)) = (*key.slice == *slice, value) {
            puts.item(&Writer::object().string("id", &key.id).raw("value", value).end());
        }
    }
    let mut deletes = puts.end().array("deletes");
    for (key, value) in items {
        if *key.slice == *slice && value.is_none() {
            deletes.item(&quoted(&key.id));
        }
    }
    deletes.end();
}

/// How far changes of a slice, among those of others, have come; with `reset`, of all items that the server does not have.
pub fn pending(slice: &str, reset: bool, items: &[(Key, Progress)]) -> String {
    let mut out = message("pending");
    let mut list = out.string("slice", slice).bool("reset", reset).array("changes");
    for (key, progress) in items {
        if *key.slice != *slice {
            continue;
        }
        let state = match progress {
            Progress::Local => "local",
            Progress::Sending => "sending",
            Progress::Synced => "synced",
        };
        list.item(&Writer::object().string("id", &key.id).string("state", state).end());
    }
    list.end().end()
}
