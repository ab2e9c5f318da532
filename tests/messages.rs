//! The worker's messages as TypeScript sees them: an example of each, made here, kept in `page/ts/generated/` and
//! checked there against the types of the page. `UPDATE=1 cargo test --test messages` writes it anew.

use nightferry::bridge::from_worker::{self, About, Origin, PendingList, Progress, Rejection};
use nightferry::bridge::status::{AutoSyncStatus, Connection, Status, SyncProgress, SyncStatus};
use nightferry::store::Key;
use nightferry::units::{BurstNo, Millis, Position};
use nightferry_sim::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const HEAD: &str =
    "// Generated from the Rust messages by `UPDATE=1 cargo test --test messages`. Do not edit.
import type { Message } from \"../subscriptions.js\";

/** One of each that the page's scripts take, and of each form that it has. */
export const messages = ";

fn status(status: &Status) -> Value {
    read(&from_worker::status(status, false, 1_700_000_000_000))
}

fn read(message: &str) -> Value {
    sorted(serde_json::from_str(message).expect("a message is JSON"))
}

/// With the fields in one order, whatever features of serde_json the rest of the workspace wants.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        value => value,
    }
}

/// Returns a worker's metrics after a change was kept and sent.
fn metrics() -> Value {
    let mut world = World::with(1, r#"{"files":{}}"#);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until_quiescent();
    sorted(world.pages[0].last("metrics").clone())
}

#[test]
#[allow(clippy::disallowed_methods)] // the core has no I/O; this is how its messages reach TypeScript
fn are_what_the_page_takes() {
    let items =
        [(Key::new("files", "a"), Some(r#"{"id":"a","x":1}"#.into())), (Key::new("files", "b"), None)];
    let mut slices = BTreeSet::default();
    slices.insert("files".into());
    let busy = Status {
        connection: Connection::Online,
        flask_connected: true,
        sync_status: SyncStatus::Syncing,
        last_sync_time: Some(1_699_999_990_000),
        pending: 2,
        progress: Some(SyncProgress { done: 1, total: 3 }),
        auto_sync: AutoSyncStatus {
            next_sync_at: Some(1_700_000_030_000),
            change_counter: 2,
            ..AutoSyncStatus::default()
        },
        ..Status::default()
    };
    let failed = Status {
        enabled: false,
        connection: Connection::LocalOnly,
        sync_status: SyncStatus::Error,
        error: Some("The server cannot be reached.".into()),
        conflicts: 1,
        rejected: 2,
        auto_sync: AutoSyncStatus { enabled: false, ..AutoSyncStatus::default() },
        ..Status::default()
    };
    let succeeded = Status {
        connection: Connection::Online,
        flask_connected: true,
        sync_status: SyncStatus::Success,
        ..Status::default()
    };
    let reached = (Position(7), BurstNo(3));
    let changed = |origin, more| read(&from_worker::changed("files", reached, more, origin, &items));
    let progress = [Progress::Local, Progress::Sending, Progress::Synced];
    let pending: Vec<_> = progress.into_iter().map(|progress| (Key::new("files", "a"), progress)).collect();
    let refused = |value| Rejection {
        id: "files/7/a".into(),
        slice: "files".into(),
        item_id: "a".into(),
        value,
        code: "validation_failed".into(),
        message: "A name is missing.".into(),
        at: Millis(1_700_000_000_000),
    };
    let messages = [
        status(&Status::default()),
        status(&busy),
        status(&failed),
        status(&succeeded),
        metrics(),
        changed(Origin::Tab, false),
        changed(Origin::Server, true),
        changed(Origin::Rollback, false),
        read(&from_worker::folded(7, BurstNo(3), &slices)),
        read(&from_worker::joined(7)),
        read(&from_worker::rejected(9, &[refused(Some(r#"{"id":"a"}"#.into())), refused(None)])),
        read(&from_worker::rejections()),
        read(&from_worker::pending("files", PendingList::All(Some(BurstNo(3))), &pending)),
        read(&from_worker::pending("files", PendingList::Changes, &pending)),
        read(&from_worker::failed(None, "storage", "Changes could not be kept yet.")),
        read(&from_worker::warning(
            "missing_item",
            "An update was not kept: there is no such item.",
            About::item(&Key::new("files", "a")),
        )),
    ];
    let text = format!("{HEAD}{:#} satisfies Message[];\n", Value::from(messages.to_vec()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/page/ts/generated/messages.ts");
    if std::env::var_os("UPDATE").is_some() {
        #[allow(clippy::disallowed_methods)]
        // the core has no I/O; this is how its messages reach TypeScript
        std::fs::write(path, &text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "{path} is not what the messages are now: UPDATE=1 cargo test --test messages");
}
