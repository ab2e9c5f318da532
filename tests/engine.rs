//! The path of an action, from its dispatch to the server's acknowledgement.

use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{}}"#;

#[test]
fn an_action_travels_from_the_page_to_the_server() {
    let mut world = World::with(1, FILES);
    assert!(world.disk.store.stores.contains_key("files"), "the slice's store was added");
    world.run_until_quiescent();
    let before = world.now;

    world.disk.hold = Some("_journal");
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 1}));
    world.run_for(1_000);
    assert_eq!(world.pages[0].acknowledged, 0, "nothing is acknowledged before it is durable");

    world.release();
    world.run_until("the burst is acknowledged", |world| world.pages[0].acknowledged == 1);
    assert_eq!(world.disk.count("_journal"), 1);
    assert_eq!(world.disk.item("files", "a"), None);
    let quiet = world.now + 300;
    world.run_until("the item is committed", |world| world.disk.item("files", "a").is_some());
    assert!((quiet - 10..quiet + 20).contains(&world.now), "after {} ms", world.now + 300 - quiet);
    // The push went first, so one transaction wrote the item, what its answer says, and trimmed the journal.
    assert_eq!((world.disk.count("_journal"), world.disk.count("_items")), (0, 1));

    world.run_until_quiescent();
    world.check_converged();
    let paths: Vec<&str> = world.server.requests.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["/pull", "/push"], "it asks whose the device is before it sends anything");
    let push = world.server.pushes()[0];
    assert_eq!(
        (&push["principal"], &push["n"], &push["mutations"][0]["base"]),
        (&json!("acme/ann"), &json!(1), &Value::Null)
    );
    let status = &world.pages[0].last("status")["status"];
    assert_eq!(
        (&status["pending"], &status["connection"], &status["error"]),
        (&json!(0), &json!("online"), &Value::Null)
    );
    assert!(status["lastSyncTime"].as_u64().unwrap() > before);
}

#[test]
fn many_answered_items_are_written_while_the_next_push_is_under_way_each_once() {
    let mut world = World::with(1, r#"{"files":{"debounceMs":60000,"maxWaitMs":60000}}"#);
    world.run_until_quiescent();
    for id in 0..3000 {
        world.dispatch(0, "files/addItem", json!({"id": id}));
    }
    world.ask(0, "sync");
    world.trace = Some(Vec::new());
    world.run_until("the server has all", |world| world.server.live().len() == 3000);
    let written = world.disk.count("files");
    assert!((500..3000).contains(&written), "{written} are written by then");
    world.run_until_quiescent();
    let trace = world.trace.take().unwrap_or_default().join(" ");
    assert_eq!(trace.matches("files[Text(").count(), 3000, "each value is written once");
    assert_eq!(trace.matches("_items[Item(").count(), 3000, "each row is written once");
}

#[test]
fn a_checkpoint_waits_for_no_server_that_is_away() {
    for mode in [Fault::Refused, Fault::Swallowed] {
        let mut world = World::with(1, FILES);
        world.run_until_quiescent();
        world.server.mode = mode;
        world.dispatch(0, "files/addItem", json!({"id": "a", "x": 1}));
        let begun = world.now;
        world.run_until("the item is committed", |world| world.disk.item("files", "a").is_some());
        assert!(world.now <= begun + 300 + 5_000 + 100, "{mode:?}: after {} ms", world.now - begun);
        // Until it is answered, the journal alone says that the server lacks it.
        assert_eq!((world.disk.count("_journal"), world.disk.count("_items")), (1, 0));
    }
}

#[test]
fn f36_each_item_has_its_own_timer_and_max_wait_bounds_it() {
    let mut world = World::with(2, r#"{"files":{"debounceMs":300,"maxWaitMs":1000}}"#);
    world.run_until_quiescent();
    let start = world.now;
    world.dispatch(0, "files/addItem", json!({"id": "quiet"}));
    let mut commits = Vec::new();
    for x in 0..25 {
        world.dispatch(0, "files/addItem", json!({"id": "hot", "x": x}));
        world.run_for(100);
        if world.disk.item("files", "hot").map(|item| item["x"].clone())
            != commits.last().map(|(_, x): &(u64, Value)| x.clone())
        {
            commits.push((world.now - start, world.disk.item("files", "hot").unwrap()["x"].clone()));
        }
        let quiet = world.disk.item("files", "quiet").is_some();
        assert_eq!(quiet, world.now - start >= 310, "after {} ms", world.now - start);
    }
    let times: Vec<u64> = commits.iter().map(|commit| commit.0).collect();
    assert_eq!(times.len(), 2, "one commit every second of an item that never falls quiet: {times:?}");
    assert!((1_000..=1_100).contains(&times[0]), "the other's timer is not its own: {times:?}");
    world.run_until_quiescent();
    world.check_converged();
}

/// A thousand edits of one item within a second are one stored write.
#[test]
fn thousand_edits_within_a_second_are_one_write() {
    let mut world = World::with(2, FILES);
    world.run_until_quiescent();
    let (writes, sent) = (world.metrics(0), world.server.pushes().len());
    for x in 0..1_000 {
        world.dispatch(0, "files/addItem", json!({"id": "hot", "x": x}));
        world.run_for(1);
    }
    world.run_until_quiescent();
    let put = |metrics: &Value| metrics["bySlice"]["files"]["put"]["successful"].as_u64().unwrap_or(0);
    assert_eq!(put(&world.metrics(0)) - put(&writes), 1);
    assert_eq!(world.server.pushes().len() - sent, 1);
    let last = Some(json!({"id": "hot", "x": 999}));
    assert_eq!((world.disk.item("files", "hot"), world.server.value("files", "hot")), (last.clone(), last));
    world.check_converged();
}

#[test]
fn thousand_items_take_few_transactions_and_two_requests() {
    let mut world = World::with(3, FILES);
    world.run_until_quiescent();
    let before =
        (world.disk.store.transactions, world.server.requests.len(), world.pages[0].heard_of("ack").len());
    let items: Vec<Value> = (0..1000).map(|id| json!({"id": id, "text": "x".repeat(300)})).collect();
    world.dispatch(0, "files/addItems", items.into());
    world.run_until_quiescent();
    world.check_converged();
    assert_eq!(world.pages[0].heard_of("ack").len() - before.2, 1);
    assert_eq!(world.server.requests.len() - before.1, 2, "500 changes a request");
    let transactions = world.disk.store.transactions - before.0;
    assert!(
        transactions <= 11,
        "one for the burst; for each 500 items one of values, two of the push and one of rows; two of metrics: {transactions}"
    );

    // An explicit batchSize holds.
    let mut world = World::with(3, r#"{"files":{"batchSize":100}}"#);
    world.run_until_quiescent();
    let before = world.disk.store.transactions;
    world.dispatch(0, "files/addItems", (0..1000).map(|id| json!({"id": id})).collect());
    world.run_until_quiescent();
    assert!(world.disk.store.transactions - before > 10);
}

#[test]
fn f07_flush_resolves_after_the_commit() {
    let mut world = World::with(4, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    let flush = world.ask(0, "flush");
    let asked = world.now;
    world.disk.hold = Some("files");
    world.run_for(5_000);
    assert_eq!(world.pages[0].answer(flush), None);
    assert_eq!(world.disk.item("files", "a"), None);
    world.release();
    world.run_until("the flush is answered", |world| world.pages[0].answer(flush).is_some());
    assert_eq!(world.pages[0].answer(flush), Some("done"));
    assert!(world.disk.item("files", "a").is_some());

    // It does not wait for quiet, nor for the server.
    world.server.mode = nightferry_sim::server::Fault::Swallowed;
    let asked_again = world.now;
    world.dispatch(0, "files/addItem", json!({"id": "b"}));
    let flush = world.ask(0, "flush");
    world.run_until("the flush is answered", |world| world.pages[0].answer(flush).is_some());
    assert!(world.now - asked_again < 100 && asked_again > asked);
}

#[test]
fn f07_flush_rejects_if_the_commit_failed_and_the_data_is_kept() {
    let mut world = World::with(5, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until("it is acknowledged", |world| world.pages[0].acknowledged == 1);
    world.disk.refuse = Some("files");
    let flush = world.ask(0, "flush");
    world.run_until("the flush is answered", |world| world.pages[0].answer(flush).is_some());
    assert_eq!(
        (world.pages[0].answer(flush), &world.pages[0].answers[&flush]["code"]),
        (Some("failed"), &json!("storage"))
    );
    world.run_for(60_000);
    world.disk.refuse = None;
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn sync_resolves_when_the_server_has_everything_and_rejects_when_it_is_away() {
    let mut world = World::with(6, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    let sync = world.ask(0, "sync");
    world.run_until("the sync is answered", |world| world.pages[0].answer(sync).is_some());
    assert_eq!(world.pages[0].answer(sync), Some("done"));
    assert!(world.server.value("files", "a").is_some());

    world.server.mode = nightferry_sim::server::Fault::Refused;
    world.dispatch(0, "files/addItem", json!({"id": "b"}));
    let sync = world.ask(0, "sync");
    world.run_until("the sync is answered", |world| world.pages[0].answer(sync).is_some());
    assert_eq!(world.pages[0].answers[&sync]["code"], "unreachable");
    world.server.mode = nightferry_sim::server::Fault::Nothing;
    world.run_until_quiescent();
    world.check_converged();
}

/// A newer edit of the item is being committed, and keeps the row of the one before from being sent just now.
#[test]
fn sync_does_not_resolve_while_a_row_waits_for_a_transaction() {
    for pause in 0..40 {
        let mut world = World::with(pause, r#"{"files":{"debounceMs":20}}"#);
        world.run_until_quiescent();
        world.fault_rates.late_work = 500;
        world.dispatch(0, "files/addItem", json!({"id": "a", "x": 1}));
        let sync = world.ask(0, "sync");
        world.run_for(pause);
        world.dispatch(0, "files/addItem", json!({"id": "a", "x": 2}));
        world.ask(0, "flush");
        // The world holds every answer to a sync against what the server has.
        world.run_until("the sync is answered", |world| world.pages[0].answer(sync).is_some());
        world.run_until_quiescent();
        world.check_converged();
    }
}

#[test]
fn two_tabs_hear_of_each_other_and_hydrate_sees_what_is_pending() {
    let mut world = World::with(7, FILES);
    world.open_page(FILES);
    world.dispatch(0, "files/addItem", json!({"id": "old", "x": 0}));
    world.run_until_quiescent();
    world.dispatch(0, "files/addItem", json!({"id": "new", "x": 1}));
    world.dispatch(1, "files/removeItem", json!("old"));
    world.run_for(20);
    let changed = world.pages[1].last("changed");
    assert_eq!(
        (&changed["origin"], &changed["puts"]),
        (&json!("tab"), &json!([{"id": "new", "value": {"id": "new", "x": 1}}]))
    );
    assert_eq!(world.pages[0].last("changed")["deletes"], json!(["old"]));
    assert_eq!(world.pages[0].heard_of("changed").len(), 1, "a tab does not hear of its own changes");
    // Each is told which of its own bursts are in it: what it did since stays on top.
    let changed = |page: usize| {
        let changed = world.pages[page].last("changed");
        (changed["position"].clone(), changed["n"].clone())
    };
    // The second record of the log is the server's answer.
    assert_eq!((changed(1), changed(0)), ((json!(3), json!(0)), (json!(4), json!(2))));

    // Not committed yet, and a reader sees it all the same.
    assert!(world.disk.item("files", "new").is_none() && world.disk.item("files", "old").is_some());
    let hydrate = world.ask(1, "hydrate");
    world.run_until("the rows are there", |world| world.pages[1].answer(hydrate).is_some());
    assert_eq!(world.pages[1].answers[&hydrate]["rows"], json!([["new", {"id": "new", "x": 1}]]));
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn a_repeated_burst_is_acknowledged_again_and_a_gap_is_told() {
    let mut world = World::with(8, FILES);
    let epoch = world.pages[0].epoch.clone().unwrap();
    let burst = |page: &str, epoch: &str, n: u64, x: u64| {
        json!({"v": 1, "kind": "actions", "page": page, "epoch": epoch, "n": n,
            "actions": [{"type": "files/addItem", "payload": {"id": "a", "x": x}}]})
        .to_string()
    };
    let page = world.pages[0].id.clone();
    world.tell(burst(&page, &epoch, 1, 1));
    world.run_until_quiescent();
    world.tell(burst(&page, &epoch, 1, 99));
    world.tell(burst(&page, &epoch, 3, 99));
    world.tell(burst(&page, "another database", 2, 99));
    world.run_until_quiescent();
    let kinds: Vec<_> = world.pages[0]
        .received
        .iter()
        .map(|message| (message["kind"].as_str().unwrap(), message["n"].as_u64()))
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == ("ack", Some(1))).count(), 2);
    assert!(kinds.contains(&("expected", Some(2))), "{kinds:?}");
    assert!(kinds.contains(&("stale", None)), "{kinds:?}");
    assert_eq!(world.disk.item("files", "a").unwrap()["x"], 1);

    // The mark outlives the record and the worker.
    assert_eq!(world.disk.count("_journal"), 0);
    world.kill_and_boot();
    world.tell(burst(&page, &epoch, 1, 99));
    world.run_until_quiescent();
    assert_eq!(world.disk.item("files", "a").unwrap()["x"], 1);
}

#[test]
fn a_slice_added_later_migrates_while_work_goes_on() {
    let mut world = World::with(9, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_for(100);
    let both = r#"{"files":{},"models":{"storeName":"my-models"}}"#;
    world.open_page(both);
    world.dispatch(1, "models/addItem", json!({"id": "m"}));
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": 1}));
    world.run_until_quiescent();
    assert_eq!(world.disk.item("my-models", "m"), Some(json!({"id": "m"})));
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": 1})));
    assert_eq!(world.server.value("models", "m"), Some(json!({"id": "m"})));
}

#[test]
fn a_registration_that_failed_has_no_effect_and_can_be_repeated() {
    let mut world = World::with(10, FILES);
    world.run_until_quiescent();
    world.disk.refuse = Some("_meta");
    let both = r#"{"files":{"debounceMs":5},"models":{}}"#;
    world.register_others(0, both);
    world.run_until_quiescent();
    assert_eq!(world.pages[0].last("failed")["code"], "storage");
    world.dispatch(0, "models/addItem", json!({"id": "m"}));
    world.disk.refuse = None;
    world.run_until_quiescent();
    assert_eq!(world.pages[0].last("warning")["code"], "unknown_slice");
    world.register_others(0, both);
    world.run_until_quiescent();
    world.kill_and_boot();
    world.dispatch(0, "models/addItem", json!({"id": "m"}));
    world.run_until_quiescent();
    assert_eq!(world.server.value("models", "m"), Some(json!({"id": "m"})));
}

#[test]
fn null_values_and_any_id_travel_whole() {
    let mut world = World::with(11, r#"{"files":{},"theme":{"single":true}}"#);
    world.dispatch(0, "theme/setTheme", json!(null));
    let ids = ["a:b/c?d#e%20 f", "日本語", "0", " ", "\u{0}", "\"\\", "__proto__"];
    for id in ids {
        world.dispatch(0, "files/addItem", json!({"id": id, "empty": null}));
    }
    world.dispatch(0, "files/addItem", json!({"id": 0.5, "x": 1}));
    world.dispatch(0, "files/updateItem", json!({"id": "0.5", "x": null}));
    world.run_until_quiescent();
    assert_eq!(world.disk.item("theme", "value"), Some(json!(null)));
    assert_eq!(world.server.value("theme", "value"), Some(json!(null)));
    for id in ids {
        assert_eq!(world.server.value("files", id), Some(json!({"id": id, "empty": null})), "{id:?}");
        assert_eq!(world.disk.item("files", id), Some(json!({"id": id, "empty": null})), "{id:?}");
    }
    assert_eq!(
        world.server.value("files", "0.5"),
        Some(json!({"id": 0.5, "x": null})),
        "the item's own id stays a number"
    );
    world.dispatch(0, "theme/setTheme", json!("dark"));
    world.dispatch(0, "files/removeItem", json!(0.5));
    world.run_until_quiescent();
    assert_eq!(world.server.value("theme", "value"), Some(json!("dark")));
    assert_eq!(world.server.value("files", "0.5"), None);
}

#[test]
fn f38_a_local_slice_never_leaves() {
    let mut world = World::with(12, r#"{"files":{},"secret":{"syncToFlask":false}}"#);
    world.burst(
        0,
        &[("secret/addItem", json!({"id": "a", "x": "hush"})), ("files/addItem", json!({"id": "a"}))],
    );
    world.run_until_quiescent();
    world.burst(
        0,
        &[
            ("secret/updateItem", json!({"id": "a", "y": "hush"})),
            ("secret/addItem", json!({"id": "b", "x": "hush"})),
        ],
    );
    world.ask(0, "sync");
    world.kill_and_boot();
    world.run_until_quiescent();
    world.dispatch(0, "secret/removeItem", json!("a"));
    world.run_until_quiescent();
    world.check_converged();
    let sent = format!("{:?}", world.server.requests);
    assert!(!sent.contains("hush") && !sent.contains("secret"), "{sent}");
}

#[test]
fn f38_a_slice_that_is_switched_off_sends_nothing_that_waits() {
    let mut world = World::with(13, FILES);
    world.run_until_quiescent();
    world.server.mode = nightferry_sim::server::Fault::Refused;
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": "hush"}));
    world.run_for(30);
    world.register_others(0, r#"{"files":{"syncToFlask":false}}"#);
    world.run_for(1_000);
    world.server.mode = nightferry_sim::server::Fault::Nothing;
    world.run_for(60_000);
    world.ask(0, "sync");
    world.run_for(60_000);
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": "hush"})));
    assert!(!format!("{:?}", world.server.requests).contains("hush"));
}

/// A page that does not know whether an item is there says beside the fields what it is to be otherwise.
#[test]
fn an_update_with_the_whole_item_makes_the_one_that_is_not_there() {
    let mut world = World::with(1, FILES);
    let update = |id: &str, full: Value| json!({"type": "files/updateItem", "payload": {"id": id, "x": 2}, "unset": ["gone"], "whole": full});
    world.dispatch(
        0,
        "files/addItems",
        json!([{"id": "a", "x": 1, "y": "newer", "gone": 1}, {"id": "deleted"}]),
    );
    world.run_until_quiescent();
    world.dispatch(0, "files/removeItem", json!("deleted"));
    for id in ["a", "b", "deleted"] {
        world.dispatch_all(0, vec![update(id, json!({"id": id, "x": 2, "y": "older"}))]);
    }
    // The later one finds it.
    world.dispatch_all(0, vec![update("b", json!({"id": "b", "x": 2, "y": "other"}))]);
    world.dispatch_all(0, vec![update("bad", json!("no item")), update("bad", json!(null))]);
    world.run_until_quiescent();
    world.check_converged();
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 2, "y": "newer"})));
    for id in ["b", "deleted"] {
        assert_eq!(world.disk.item("files", id), Some(json!({"id": id, "x": 2, "y": "older"})), "{id}");
    }
    assert_eq!(world.disk.item("files", "bad"), None);
    assert_eq!(world.pages[0].heard_of("warning").len(), 2);
    assert_eq!(world.server.value("files", "b"), world.disk.item("files", "b"));
}

/// After an eviction, items that the new database lacks were not deleted. The page has to know that before it reads.
#[test]
fn a_page_of_another_database_reads_nothing_before_it_is_registered() {
    let mut world = World::with(1, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until_quiescent();
    let page = world.pages[0].id.clone();
    let ask = |epoch: Value| {
        json!({"v": 1, "kind": "hydrate", "page": page, "request": 99, "slice": "files", "epoch": epoch})
            .to_string()
    };
    world.tell(ask(json!("another database")));
    world.run_for(1_000);
    assert_eq!(world.pages[0].heard_of("stale").len(), 1);
    assert!(world.pages[0].answer(99).is_none());
    world.tell(ask(json!(world.pages[0].epoch)));
    world.run_for(1_000);
    assert_eq!(world.pages[0].last("rows")["request"], 99);
    let hydrate = world.ask(0, "hydrate");
    world.run_until("it is hydrated", |world| world.pages[0].answer(hydrate) == Some("rows"));
}
