//! Faults of the server, of the database and in messages, and the rules that hold all the same.

use nightferry::engine::Reason;
use nightferry::units::{Millis, Tick};
use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{}}"#;

/// A world whose server has the item `a` at `{"id":"a","x":0}`.
fn world_with_a(seed: u64) -> World {
    let mut world = World::with(seed, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 0}));
    world.run_until_quiescent();
    world
}

/// The row of `a`, which is in conflict.
fn conflict(world: &World) -> Value {
    world.disk.conflict("files", "a").expect("a conflict")
}

/// The changes that the page is told were refused.
fn rejected(world: &mut World) -> Vec<Value> {
    let request = world.ask(0, "rejected");
    world.run_until("the list is there", |world| world.pages[0].answer(request).is_some());
    world.pages[0].answers[&request]["rejected"].as_array().unwrap().clone()
}

fn edit(world: &mut World, x: u64) {
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": x}));
}

/// Runs until a push has reached the server and is not answered yet.
fn until_pushes(world: &mut World, count: usize) {
    world.run_until("a push arrives", |world| world.server.pushes().len() == count);
}

#[test]
fn f06_silent_server_does_not_block_local_commits() {
    let mut world = World::with(1, FILES);
    world.server.mode = Fault::Swallowed;
    for x in 0..20 {
        world.dispatch(0, "files/addItem", json!({"id": x % 5, "x": x}));
        let flush = world.ask(0, "flush");
        let asked = world.now;
        world.run_until("the flush is answered", |world| world.pages[0].answer(flush).is_some());
        assert_eq!(world.pages[0].answer(flush), Some("done"));
        assert!(world.now - asked < 100);
        world.run_for(3_000);
    }
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn f09_a_request_is_given_up_in_time_and_tried_again_for_ever() {
    let mut world = world_with_a(2);
    world.server.mode = Fault::Swallowed;
    edit(&mut world, 1);
    let before = world.requested;
    let mut waits = Vec::new();
    for attempt in 1..=30 {
        world.run_until("a request is on its way", |world| world.requested == before + attempt);
        let sent = world.now;
        world.run_until("it is given up", |world| world.cancelled.len() == attempt);
        assert!((9_000..12_000).contains(&(world.now - sent)), "{} ms", world.now - sent);
        let given_up = world.now;
        world.run_until("it is tried again", |world| world.requested > before + attempt);
        waits.push(world.now - given_up);
    }
    assert!(waits[0] <= 1_000, "{waits:?}");
    assert!(waits.iter().all(|wait| (100..=300_000).contains(wait)), "{waits:?}");
    assert!(*waits[10..].iter().max().unwrap() > 100_000, "{waits:?}");
    assert_eq!(world.pages[0].last("status")["status"]["connection"], "local-only");
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn a_lost_answer_is_asked_for_with_the_same_push() {
    for fault in [Fault::AnswerLost, Fault::AnswerSwallowed, Fault::Internal, Fault::Html] {
        let mut world = world_with_a(3);
        world.server.faults.push_back(fault);
        edit(&mut world, 1);
        until_pushes(&mut world, 2);
        // A newer edit must not change what is sent again.
        edit(&mut world, 2);
        until_pushes(&mut world, 3);
        if fault == Fault::AnswerLost {
            world.kill_and_boot();
        }
        world.run_until_quiescent();
        let pushes = world.server.pushes();
        assert_eq!(pushes[1], pushes[2], "{fault:?}");
        assert_eq!(pushes.last().unwrap()["mutations"][0]["value"]["x"], 2);
        world.check_converged();
    }
}

#[test]
fn f05_a_newer_edit_waits_behind_the_one_in_flight_and_takes_its_version() {
    let mut world = world_with_a(4);
    world.server.faults.push_back(Fault::AnswerSwallowed);
    edit(&mut world, 1);
    until_pushes(&mut world, 2);
    for x in 2..6 {
        edit(&mut world, x);
        world.run_for(400);
    }
    assert_eq!(world.disk.pushing().len(), 1, "one in flight, the others are one item behind it");
    world.run_until_quiescent();
    let pushes = world.server.pushes();
    let (answered, newest) = (pushes[pushes.len() - 2], pushes[pushes.len() - 1]);
    assert_eq!(
        (&answered["mutations"][0]["value"]["x"], &newest["mutations"][0]["value"]["x"]),
        (&json!(1), &json!(5))
    );
    assert!(newest["mutations"][0]["base"].as_u64() > answered["mutations"][0]["base"].as_u64());
    assert_eq!(world.server.effects.len(), 3, "created, 1, 5");
    world.check_converged();
}

#[test]
fn f04_a_failed_put_then_a_delete_stays_deleted() {
    let mut world = World::with(5, FILES);
    world.run_until_quiescent();
    world.server.faults.extend([Fault::Internal, Fault::AnswerLost]);
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 1}));
    until_pushes(&mut world, 1);
    world.dispatch(0, "files/removeItem", json!("a"));
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a"), None);
    world.check_converged();

    // The deletion of an item that the server never had is not sent.
    world.server.mode = Fault::Refused;
    world.run_for(10);
    let before = world.server.requests.len();
    world.dispatch(0, "files/addItem", json!({"id": "b", "x": 1}));
    world.dispatch(0, "files/removeItem", json!("b"));
    world.run_for(5_000);
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    assert_eq!(world.server.requests.len(), before);
    assert_eq!((world.disk.open_rows().len(), world.disk.count("_journal")), (0, 0));
    let row = world.disk.item_row("files", "b").unwrap();
    assert_eq!(
        row.get("version"),
        None,
        "the server never knew b; its last value stays for pages that show it"
    );
}

#[test]
fn a_push_that_cannot_be_written_down_is_written_later_as_it_was() {
    let mut world = world_with_a(6);
    world.run_for(10);
    // Everything but commits that touch the slice fails: the push can't be prepared, and newer edits get behind it.
    edit(&mut world, 1);
    world.run_until("the edit is committed", |world| world.disk.item("files", "a").unwrap()["x"] == 1);
    world.disk.hold = Some("_meta");
    world.run_for(1);
    edit(&mut world, 2);
    world.run_for(1_000);
    world.disk.refuse = Some("_meta");
    world.release();
    world.run_for(3_000);
    edit(&mut world, 3);
    world.run_for(3_000);
    world.disk.refuse = None;
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn f09_retries_go_on_across_restarts() {
    let mut world = world_with_a(7);
    world.server.mode = Fault::Refused;
    edit(&mut world, 1);
    for _ in 0..20 {
        world.run_for(60_000);
        world.kill_and_boot();
    }
    world.server.mode = Fault::Nothing;
    // The wait that was under way outlives each worker.
    world.run_for(301_000);
    world.check_converged();
}

#[test]
fn a_conflict_keeps_both_sides_and_stops_nothing_else() {
    let mut world = world_with_a(8);
    let version = world.server.write("files", "a", Some(json!({"id": "a", "x": "theirs"})));
    edit(&mut world, 1);
    world.dispatch(0, "files/addItem", json!({"id": "other"}));
    world.run_until_quiescent();
    assert!(world.server.value("files", "other").is_some());
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": "theirs"})));
    assert_eq!(
        world.disk.item("files", "a"),
        Some(json!({"id": "a", "x": 1})),
        "the local value stays visible"
    );
    let first = conflict(&world);
    assert_eq!(first["base"]["value"], json!({"id": "a", "x": 0}));
    assert_eq!(
        (&first["remote"]["value"]["x"], &first["remote"]["version"], &first["remote"]["at"]),
        (&json!("theirs"), &json!(version), &json!(5))
    );
    assert_eq!(world.pages[0].last("status")["status"]["conflicts"], 1);
    assert_eq!((world.disk.pushing().len(), world.disk.count("_journal")), (0, 0));

    // A later edit is the local side, and is not sent; over a restart too.
    for x in [2, 3] {
        edit(&mut world, x);
        world.run_until_quiescent();
        let renewed = conflict(&world);
        assert_eq!(world.disk.item("files", "a").unwrap()["x"], x);
        assert_eq!((&renewed["base"], &renewed["remote"]), (&first["base"], &first["remote"]));
        world.kill_and_boot();
    }
    world.dispatch(0, "files/addItem", json!({"id": "third"}));
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": "theirs"})));
    assert!(world.server.value("files", "third").is_some());
}

#[test]
fn an_edit_made_while_the_conflict_comes_is_its_local_side() {
    // At any moment after the push left, committed, being committed or only in the journal.
    for pause in (0..400).step_by(7) {
        let mut world = world_with_a(9);
        world.server.write("files", "a", Some(json!({"id": "a", "x": "theirs"})));
        edit(&mut world, 1);
        world.run_until("the push is written down", |world| world.disk.meta("push").is_some());
        edit(&mut world, 2);
        world.server.faults.push_back(Fault::AnswerLost);
        world.run_for(pause);
        world.ask(0, "flush");
        world.run_until_quiescent();
        assert_eq!(conflict(&world)["remote"]["value"]["x"], "theirs", "after {pause} ms");
        assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 2})));
        assert_eq!(world.server.value("files", "a").unwrap()["x"], "theirs");
    }
}

#[test]
fn f25_an_edit_of_what_was_deleted_elsewhere_is_a_conflict() {
    let mut world = world_with_a(10);
    world.server.write("files", "a", None);
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!(conflict(&world)["remote"]["deleted"], true);
    assert_eq!(world.disk.item("files", "a").unwrap()["x"], 1);
    // And the other way round.
    let mut world = world_with_a(10);
    world.server.write("files", "a", Some(json!({"id": "a", "x": "theirs"})));
    world.dispatch(0, "files/removeItem", json!("a"));
    world.run_until_quiescent();
    assert_eq!(conflict(&world)["remote"]["value"]["x"], "theirs");
    assert_eq!(world.disk.item("files", "a"), None);
}

#[test]
fn the_same_change_on_both_sides_is_no_conflict() {
    let mut world = world_with_a(11);
    world.server.write("files", "a", Some(json!({"x": 1, "id": "a"})));
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!((world.disk.conflicts(), world.disk.pushing().len()), (0, 0));
    edit(&mut world, 2);
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a").unwrap()["x"], 2);
}

#[test]
fn a_refused_change_is_undone_and_kept_and_the_next_one_goes_on() {
    let mut world = world_with_a(12);
    world.server.refused.extend(["a".into(), "new".into()]);
    world.burst(
        0,
        &[
            ("files/updateItem", json!({"id": "a", "x": 1})),
            ("files/addItem", json!({"id": "new"})),
            ("files/addItem", json!({"id": "fine"})),
        ],
    );
    world.run_until_quiescent();
    assert!(world.server.value("files", "fine").is_some());
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 0})), "the change is undone");
    assert_eq!(world.disk.item("files", "new"), None, "the creation is undone");
    let changed = world.pages[0].last("changed");
    assert_eq!(
        (&changed["origin"], &changed["deletes"]),
        (&json!("rollback"), &json!(["new"])),
        "the page that made it hears"
    );
    assert_eq!(changed["puts"], json!([{"id": "a", "value": {"id": "a", "x": 0}}]));
    let refused = rejected(&mut world);
    assert_eq!(refused.len(), 2);
    assert_eq!(
        (&refused[0]["itemId"], &refused[0]["value"]["x"], &refused[0]["message"]),
        (&json!("a"), &json!(1), &json!("Not this one."))
    );
    assert_eq!(world.pages[0].last("status")["status"]["rejected"], 2);
    let warning = world.pages[0].last("warning");
    assert_eq!(
        (&warning["code"], &warning["slice"], &warning["id"]),
        (&json!("not_applied"), &json!("files"), &json!("new")),
        "f68: an error names what it is about"
    );
    assert_eq!((world.disk.pushing().len(), world.disk.count("_journal")), (0, 0));

    world.server.refused.clear();
    edit(&mut world, 2);
    world.dispatch(0, "files/addItem", json!({"id": "new", "again": true}));
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a").unwrap()["x"], 2);
    assert_eq!(world.server.value("files", "new").unwrap()["again"], true);
    assert_eq!(world.pages[0].last("status")["status"]["error"], Value::Null);
}

#[test]
fn a_refused_change_is_not_made_again_by_a_restart() {
    let mut world = World::with(
        13,
        r#"{"files":{"debounceMs":100,"maxWaitMs":100000},"cold":{"debounceMs":60000,"maxWaitMs":60000}}"#,
    );
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 0}));
    world.run_until_quiescent();
    world.server.refused.extend(["a".into(), "new".into()]);
    // The cold item keeps the record in the journal.
    world.burst(
        0,
        &[
            ("cold/addItem", json!({"id": "c"})),
            ("files/updateItem", json!({"id": "a", "x": 1})),
            ("files/addItem", json!({"id": "new"})),
        ],
    );
    world.run_for(2_000);
    assert_eq!(rejected(&mut world).len(), 2);
    assert!(world.disk.count("_journal") > 0);
    let pushes = world.server.pushes().len();
    world.kill_and_boot();
    world.run_for(2_000);
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 0})));
    assert_eq!(world.disk.item("files", "new"), None);
    assert_eq!(world.server.pushes().len(), pushes, "it was refused once, that is enough");
    world.run_until_quiescent();
    assert_eq!((world.disk.count("_journal"), world.disk.pushing().len()), (0, 0));
    assert_eq!(rejected(&mut world).len(), 2, "until someone decides");
    assert_eq!(world.disk.count("_items"), 3);
}

#[test]
fn a_hook_of_the_server_changes_a_value_and_every_page_hears() {
    let mut world = world_with_a(14);
    world.server.hooks.insert("a".into(), json!({"id": "a", "x": "by the server"}));
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!(world.disk.item("files", "a").unwrap()["x"], "by the server");
    assert_eq!(world.pages[0].last("changed")["origin"], "server");
    // A hook's value is merged with an edit behind it. When that edit is refused, the item goes back to the server's value.
    world.server.hooks.clear();
    world.server.stamped.insert("a".into());
    world.server.faults.push_back(Fault::AnswerLost);
    edit(&mut world, 2);
    until_pushes(&mut world, 3);
    edit(&mut world, 3);
    world.run_until("the first is settled", |world| world.disk.pushing().is_empty());
    world.server.refused.insert("a".into());
    world.run_until("the edit behind it is sent as merged", |world| {
        world.server.pushes().last().unwrap()["mutations"][0]["value"]
            == json!({"id": "a", "x": 3, "stamped": true})
    });
    world.run_until_quiescent();
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 2, "stamped": true})));
}

#[test]
fn a_forked_client_takes_a_new_name_and_sends_nothing_twice() {
    let mut world = world_with_a(15);
    world.server.faults.push_back(Fault::AnswerLost);
    edit(&mut world, 1);
    until_pushes(&mut world, 2);
    let before = world.disk.meta("client").unwrap();
    world.run_for(50);
    world.server.faults.push_back(Fault::Forked);
    let sync = world.ask(0, "sync");
    world.run_until_quiescent();
    assert_ne!(world.disk.meta("client").unwrap(), before);
    assert_eq!(world.pages[0].answer(sync), Some("done"));
    assert_eq!(world.server.effects.len(), 2, "what had arrived is pulled, and is not sent again");
    edit(&mut world, 2);
    world.run_until_quiescent();
    let pushes = world.server.pushes();
    let last = pushes[pushes.len() - 1];
    assert_eq!((&last["client"], &last["n"]), (&world.disk.meta("client").unwrap(), &json!(1)));
    world.check_converged();
}

#[test]
fn f08_a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let mut world = World::with(16, FILES);
    world.run_until_quiescent();
    (world.disk.refuse, world.disk.full) = (Some("_journal"), true);
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.dispatch(0, "files/addItem", json!({"id": "b"}));
    let waits = ["flush", "sync"].map(|kind| world.ask(0, kind));
    world.run_for(10_000);
    assert_eq!(world.pages[0].acknowledged, 0);
    for wait in waits {
        assert_eq!(world.pages[0].answer(wait), Some("failed"), "what was not taken is not done either");
    }
    assert_eq!(world.pages[0].last("failed")["code"], "storage");
    let error = world.pages[0].last("status")["status"]["error"].as_str().unwrap();
    assert!(error.contains("no room"), "{error}");
    world.disk.refuse = None;
    world.run_until_quiescent();
    assert_eq!(world.pages[0].acknowledged, 2);
    assert_eq!(world.pages[0].last("status")["status"]["error"], Value::Null);
    world.check_converged();
}

#[test]
fn a_failing_database_is_tried_again_at_a_pace() {
    for store in ["", "_items", "_journal", "_meta", "files"] {
        let mut world = world_with_a(17);
        world.server.mode = Fault::Refused;
        edit(&mut world, 1);
        world.run_for(2_000);
        world.disk.refuse = Some(store);
        world.kill_and_boot();
        let steps = world.boundary;
        edit(&mut world, 2);
        world.run_for(60_000);
        assert!(world.boundary - steps < 1_500, "{store}: {} in a minute", world.boundary - steps);
        world.disk.refuse = None;
        world.server.mode = Fault::Nothing;
        world.run_until_quiescent();
        world.check_converged();
    }
}

/// Timers are late in hidden tabs: a page's message may come between the moment when the retry is due and the timer.
#[test]
fn a_read_that_failed_at_start_is_tried_again_though_a_message_comes_before_the_timer() {
    for seed in 0..5 {
        let mut world = world_with_a(seed);
        world.server.mode = Fault::Refused;
        edit(&mut world, 1);
        world.run_for(2_000);
        world.kill();
        world.disk.refuse = Some("_items");
        world.fault_rates.late_timers = 1000;
        world.boot();
        world.run_until("the read failed", |world| {
            world.deadline.is_some_and(|deadline| deadline.reason == Reason::StorageRetry)
        });
        world.disk.refuse = None;
        world.server.mode = Fault::Nothing;
        let due = world.deadline.unwrap().at.elapsed_since(world.worker_clock());
        world.run_for(due);
        let page = world.pages[0].id.clone();
        world.tell(json!({"v": 1, "kind": "ping", "page": page}).to_string());
        world.run_until_quiescent();
        world.check_converged();
    }
}

#[test]
fn bad_input_is_told_and_stops_nothing() {
    let mut world = World::with(18, FILES);
    world.run_until_quiescent();
    let page = world.pages[0].id.clone();
    for (text, code) in [
        ("no JSON".into(), "bad_message"),
        (json!({"v": 2, "kind": "flush", "page": page, "request": 1}).to_string(), "bridge_version"),
        (json!({"v": 1, "kind": "dance", "page": page}).to_string(), "bad_message"),
        (json!({"v": 1, "kind": "hydrate", "page": page, "request": 99, "slice": "nope"}).to_string(), "unknown_slice"),
        (json!({"v": 1, "kind": "register", "page": page, "request": 98, "slices": {"no good": {}}}).to_string(), "bad_config"),
        (json!({"v": 1, "kind": "actions", "page": page, "epoch": world.pages[0].epoch, "n": 1, "actions": "x"}).to_string(), "bad_message"),
    ] {
        world.tell(text);
        world.run_until_quiescent();
        assert_eq!(world.pages[0].last("failed")["code"], code);
    }
    let warned = |world: &World| -> Vec<String> {
        world.pages[0]
            .heard_of("warning")
            .iter()
            .map(|warning| warning["code"].as_str().unwrap().to_owned())
            .collect()
    };
    world.burst(
        0,
        &[
            ("files/addItem", json!({"id": "a"})),
            ("addItem", json!({"id": "a"})),
            ("nope/addItem", json!({"id": "a"})),
            ("files/addItem", json!({"name": "no id"})),
            ("files/updateItem", json!({"id": "absent", "x": 1})),
            ("files/addItems", json!([{"id": "b"}, {"id": ""}, {"id": "c"}])),
        ],
    );
    world.run_until_quiescent();
    assert_eq!(warned(&world), ["bad_action", "unknown_slice", "missing_id", "bad_id", "missing_item"]);
    let about: Vec<Value> = world.pages[0]
        .heard_of("warning")
        .iter()
        .map(|warning| json!([warning.get("slice"), warning.get("id")]))
        .collect();
    assert_eq!(
        Value::from(about),
        json!([[null, null], ["nope", null], ["files", null], ["files", null], ["files", "absent"]]),
        "f68: an error names what it is about"
    );
    for id in ["a", "b", "c"] {
        assert!(world.server.value("files", id).is_some(), "{id}");
    }
    assert_eq!(world.disk.count("_journal"), 0);
}

#[test]
fn a_newer_format_starts_no_engine_and_is_left_untouched() {
    let mut world = world_with_a(21);
    world.kill();
    world.disk.store.apply(&[nightferry::store::Write::meta("schema", "99")]).unwrap();
    let moment = nightferry::engine::Moment { tick: Tick(1), at: Millis(world.now), entropy: 1 };
    let error = nightferry::engine::Engine::new(moment, world.disk.store.snapshot()).err().unwrap();
    assert_eq!(error.code, "newer_schema");
}

#[test]
fn nothing_leaves_under_another_principal() {
    let mut world = World::with(22, FILES);
    // The note of whose the device is fails; the push is written down, and its answer is lost.
    world.server.mode = Fault::Nothing;
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    until_pushes(&mut world, 1);
    world.kill();
    world.server.principal = "acme/bob".into();
    world.boot();
    world.run_for(300_000);
    let theirs = world.server.pushes().iter().filter(|push| push["principal"] == "acme/bob").count();
    assert_eq!(theirs, 0);
    let status = world.engine.as_ref().unwrap().status();
    assert!(status.pending == 1 && status.error.is_some(), "{status:?}");
}

#[test]
fn an_item_is_shown_on_the_server_only_when_it_is_there() {
    let mut world = world_with_a(23);
    let page = world.pages[0].id.clone();
    world.tell(format!(r#"{{"v":1,"kind":"pending","page":"{page}","slice":"files"}}"#));
    let shown = |world: &World, id: &str| {
        let changes = world.pages[0].heard_of("pending");
        let named = |message: &&&Value| {
            message["changes"].as_array().unwrap().iter().any(|change| change["id"] == id)
        };
        let last = changes.iter().rev().find(named).unwrap()["changes"].as_array().unwrap();
        last.iter().find(|change| change["id"] == id).unwrap()["state"].as_str().unwrap().to_owned()
    };
    world.server.faults.push_back(Fault::Internal);
    world.dispatch(0, "files/addItem", json!({"id": "late"}));
    world.run_until("the push failed", |world| {
        world.pages[0].last("status")["status"]["syncStatus"] == "error"
    });
    world.run_for(150);
    assert_eq!(shown(&world, "late"), "local", "it waits here for the next try");

    world.server.write("files", "a", Some(json!({"id": "a", "x": "theirs"})));
    edit(&mut world, 1);
    world.run_until_quiescent();
    world.run_for(150);
    assert_eq!((shown(&world, "late"), shown(&world, "a")), ("synced".into(), "conflict".into()));
}

/// The first list of a slice says nothing of an item only if the server has it: it has what was dispatched before, and what
/// an earlier worker left.
#[test]
fn the_state_of_items_is_told_once_what_came_before_is_in_effect() {
    let mut world = world_with_a(24);
    let page = world.pages[0].id.clone();
    let watch = format!(r#"{{"v":1,"kind":"pending","page":"{page}","slice":"files"}}"#);
    let lists = |world: &World| -> Vec<Value> {
        let pending = world.pages[0].heard_of("pending");
        pending.into_iter().filter(|message| message["reset"] == true).cloned().collect()
    };
    world.server.mode = Fault::Refused;
    world.dispatch(0, "files/addItem", json!({"id": "new"}));
    world.tell(watch.clone());
    world.run_until("it is told", |world| !lists(world).is_empty());
    let list = lists(&world).pop().unwrap();
    assert_eq!(list["changes"], json!([{"id": "new", "state": "local"}]));
    assert_eq!(list["n"], 2, "the bursts of this page that are in it");
    world.run_for(2_000);
    world.kill_and_boot();
    world.tell(watch);
    world.run_until("it is told again", |world| lists(world).len() == 2);
    let list = lists(&world).pop().unwrap();
    assert_eq!((&list["changes"], &list["n"]), (&json!([{"id": "new", "state": "local"}]), &json!(2)));
}

#[test]
fn f02_a_change_made_offline_is_here_at_once_and_there_after_reconnecting() {
    let mut world = World::with(30, FILES);
    world.run_until_quiescent();
    world.server.mode = Fault::Refused;
    world.dispatch(0, "files/addItem", json!({"id": "offline", "x": 1}));
    let hydrate = world.ask(0, "hydrate");
    world.run_until("it is read", |world| world.pages[0].answer(hydrate).is_some());
    assert!(world.pages[0].answers[&hydrate].to_string().contains("offline"));
    world.run_for(400);
    assert_eq!(world.disk.item("files", "offline"), Some(json!({"id": "offline", "x": 1})));
    world.run_for(3_600_000);
    world.server.mode = Fault::Nothing;
    // No one does anything.
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "offline"), Some(json!({"id": "offline", "x": 1})));
    world.check_converged();
}

#[test]
fn f17_an_update_merges_into_what_is_stored_pending_and_on_its_way() {
    let mut world = World::with(31, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": {"deep": 1}, "y": 1}));
    world.dispatch(0, "files/updateItem", json!({"id": "a", "y": 2}));
    world.run_until_quiescent();
    world.kill_and_boot();
    world.dispatch(0, "files/updateItem", json!({"id": "a", "z": null}));
    world.server.mode = Fault::AnswerSwallowed;
    world.run_for(1_000);
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": {"other": 2}}));
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    let full = json!({"id": "a", "x": {"other": 2}, "y": 2, "z": null});
    assert_eq!(
        (world.disk.item("files", "a"), world.server.value("files", "a")),
        (Some(full.clone()), Some(full))
    );
    world.check_converged();
}

#[test]
fn f30_the_counter_falls_only_by_what_the_server_acknowledged() {
    let mut world = World::with(32, FILES);
    world.run_until_quiescent();
    let counter = |world: &World| world.status().auto_sync.change_counter;
    for fault in [Fault::Refused, Fault::Internal, Fault::Html, Fault::AnswerLost, Fault::Swallowed] {
        world.server.mode = fault;
        let before = world.requested;
        world.dispatch(0, "files/addItems", json!([{"id": 1, "x": world.now}, {"id": 2, "x": world.now}]));
        world.run_until("it was tried twice", |world| world.requested >= before + 2);
        world.run_for(50);
        assert_eq!(counter(&world), 2, "{fault:?}");
        world.server.mode = Fault::Nothing;
        world.run_until_quiescent();
        assert_eq!(counter(&world), 0, "{fault:?}");
    }
    world.check_converged();
}

/// The operations that pushes brought of the item `a`, in order.
fn sent_as(world: &World) -> Vec<String> {
    let pushes = world.server.pushes();
    let mutations = pushes.iter().flat_map(|push| push["mutations"].as_array().unwrap());
    mutations
        .filter(|mutation| mutation["id"] == "a")
        .map(|mutation| mutation["op"].as_str().unwrap().into())
        .collect()
}

/// An edit of a refused change that stayed goes to the server, and with its answer the refusal is over: pages read the list again.
#[test]
fn a_kept_refusal_that_an_edit_has_mended_is_off_the_list_of_every_page() {
    let mut world = World::with(38, r#"{"files":{"refused":"keep"}}"#);
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 0}));
    world.run_until_quiescent();
    world.server.refused.insert("a".into());
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!(rejected(&mut world).len(), 1);
    let before = world.pages[0].heard_of("rejections").len();
    world.server.refused.clear();
    edit(&mut world, 2);
    world.run_until_quiescent();
    assert_eq!(world.status().rejected, 0);
    assert!(
        world.pages[0].heard_of("rejections").len() > before,
        "pages are told that the list is another one"
    );
    assert_eq!(rejected(&mut world), [] as [Value; 0]);
}

/// The server refuses every patch, as where one is too much work for it: that the value goes as a patch is the worker's
/// choice, and no reason to trouble a person.
#[test]
fn an_item_whose_patch_does_not_fit_is_sent_whole() {
    for slices in [FILES, r#"{"files":{"refused":"keep"}}"#] {
        let mut world = World::with(35, slices);
        let item = |x: u64| json!({"id": "a", "text": "long ".repeat(200), "x": x});
        world.dispatch(0, "files/addItem", item(0));
        world.dispatch(0, "files/addItem", json!({"id": "b", "x": 0}));
        world.run_until_quiescent();
        world.server.refuses_patches = true;
        edit(&mut world, 1);
        world.dispatch(0, "files/updateItem", json!({"id": "b", "x": 1}));
        world.run_until_quiescent();
        assert_eq!(sent_as(&world), ["put", "patch", "put"]);
        assert_eq!(world.server.value("files", "a"), Some(item(1)));
        assert_eq!(world.server.value("files", "b"), Some(json!({"id": "b", "x": 1})));
        assert_eq!((rejected(&mut world), world.status().rejected), (vec![], 0));
        assert_eq!(world.pages[0].heard_of("warning"), Vec::<&Value>::new());
        assert_eq!(world.status().error, None);
        let push = &world.metrics(0)["bySlice"]["files"]["push"];
        assert_eq!(*push, json!({"successful": 4, "failed": 1, "rejected": 0, "conflicts": 0}));
        // It goes whole from then on.
        edit(&mut world, 2);
        world.run_until_quiescent();
        assert_eq!(sent_as(&world), ["put", "patch", "put", "put"]);
        assert_eq!(world.server.value("files", "a"), Some(item(2)));
        world.check_converged();
    }
}

/// A change that does not fit as a patch, and is refused for another reason once it is sent whole, is refused.
#[test]
fn a_change_that_is_refused_as_a_patch_and_whole_is_a_refusal_once() {
    let mut world = World::with(36, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a", "text": "long ".repeat(200), "x": 0}));
    world.run_until_quiescent();
    world.server.refuses_patches = true;
    world.server.refused.insert("a".into());
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!(sent_as(&world), ["put", "patch", "put"]);
    let refused = rejected(&mut world);
    assert_eq!((refused.len(), &refused[0]["code"]), (1, &json!("refused")));
    assert_eq!(world.disk.item("files", "a").unwrap()["x"], 0);
}

/// A worker that dies at any moment of it sends the same under the same numbers, and the edit behind it, too.
#[test]
fn a_patch_that_does_not_fit_is_sent_whole_by_a_worker_that_was_started_meanwhile() {
    for kill in 0..60 {
        let mut world = World::with(37, FILES);
        let item = |x: u64| json!({"id": "a", "text": "long ".repeat(200), "x": x});
        world.dispatch(0, "files/addItem", item(0));
        world.run_until_quiescent();
        world.server.refuses_patches = true;
        edit(&mut world, 1);
        world.kill_at = Some(world.boundary + kill);
        world.run_for(310);
        edit(&mut world, 2);
        world.run_until_quiescent();
        assert_eq!(world.server.value("files", "a"), Some(item(2)), "killed at {kill}");
        assert_eq!(world.status().rejected, 0, "killed at {kill}");
        world.check_converged();
    }
}

#[test]
fn f35_requests_grow_with_batches_and_one_change_sends_one() {
    let mut world = World::with(33, FILES);
    world.run_until_quiescent();
    let before = world.server.pushes().len();
    world.dispatch(0, "files/addItems", (0..1_000).map(|id| json!({"id": id, "x": 0})).collect());
    world.run_until_quiescent();
    assert_eq!(world.server.pushes().len() - before, 2);
    // 50 edits of one item while it is quiet for no moment, and of another one, once.
    for x in 0..50 {
        world.dispatch(0, "files/updateItem", json!({"id": 7, "x": x}));
        world.run_for(5);
    }
    world.dispatch(0, "files/updateItem", json!({"id": 8, "x": 1}));
    world.run_until_quiescent();
    let pushes = world.server.pushes();
    let sent: usize =
        pushes[before + 2..].iter().map(|push| push["mutations"].as_array().unwrap().len()).sum();
    assert_eq!(sent, 2, "each changed item once, of a thousand");
    world.check_converged();
}

#[test]
fn a_change_that_the_server_cannot_take_stops_no_other() {
    let mut world = World::with(34, FILES);
    world.run_until_quiescent();
    world.server.poisoned.insert("17".into());
    world.dispatch(0, "files/addItems", (0..100).map(|id| json!({"id": id})).collect());
    world.run_until("all others are there", |world| world.server.live().len() == 99);
    world.run_for(100);
    assert_eq!((world.status().auto_sync.change_counter, world.disk.pushing().len()), (1, 0));
    assert!(world.status().error.is_some());
    // Others go on meanwhile, and the one is tried now and then, alone.
    let before = world.server.pushes().len();
    world.dispatch(0, "files/addItem", json!({"id": "later"}));
    world.run_for(5_000);
    assert!(world.server.value("files", "later").is_some());
    world.run_for(1_800_000);
    let alone = world.server.pushes()[before..]
        .iter()
        .filter(|push| push.to_string().contains(r#""id":"17""#))
        .count();
    assert!((3..=20).contains(&alone), "{alone} attempts in half an hour");
    // A newer value is tried at once.
    world.server.poisoned.clear();
    world.dispatch(0, "files/updateItem", json!({"id": 17, "x": 1}));
    world.run_for(2_000);
    assert_eq!(world.server.value("files", "17"), Some(json!({"id": 17, "x": 1})));
    world.run_until_quiescent();
    world.check_converged();
}
