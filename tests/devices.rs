//! Several devices agree: what one changes reaches the others, nothing is overwritten silently, and a server that was set
//! back costs nobody anything.

use nightferry_sim::World;
use nightferry_sim::fleet::Fleet;
use serde_json::{Value, json};

const SLICES: &str = r#"{"files":{"debounceMs":0}}"#;

fn dispatch(fleet: &mut Fleet, device: usize, kind: &str, payload: Value) {
    fleet.on(device, |world| world.dispatch(0, kind, payload));
}

fn stored(fleet: &Fleet, device: usize, id: &str) -> Option<Value> {
    fleet.devices[device].disk.item("files", id)
}

/// Two devices that have the item `a`.
fn two_with_a(seed: u64) -> Fleet {
    let mut fleet = Fleet::with(seed, 2, SLICES);
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "a", "x": 0, "y": 0}));
    fleet.run_until_quiescent();
    fleet.sync_all();
    assert_eq!(stored(&fleet, 1, "a"), Some(json!({"id": "a", "x": 0, "y": 0})));
    fleet
}

fn conflicts(fleet: &mut Fleet, device: usize) -> Vec<Value> {
    let request = fleet.on(device, |world| world.ask(0, "conflicts"));
    fleet.run_until_quiescent();
    let messages = fleet.devices[device].pages[0].heard_of("conflicts");
    let answer = messages.into_iter().find(|message| message["request"] == request).expect("an answer");
    answer["conflicts"].as_array().unwrap().clone()
}

fn resolve(fleet: &mut Fleet, device: usize, id: &Value, choice: &str) {
    let action = json!({"type": "@resolveConflict", "id": id, "choice": choice});
    fleet.on(device, |world| world.dispatch_all(0, vec![action]));
    fleet.run_until_quiescent();
    fleet.sync_all();
}

/// Two devices that are cut off come back and sync, the second once the first is done.
fn one_after_the_other(fleet: &mut Fleet) {
    fleet.cut_off(0, false);
    let synced = fleet.on(0, |world| world.ask(0, "sync"));
    fleet.run_until("the first has synced", |fleet| fleet.devices[0].pages[0].answer(synced).is_some());
    fleet.cut_off(1, false);
    fleet.sync_all();
}

fn all_have(fleet: &Fleet, id: &str, value: &Option<Value>) {
    assert_eq!(&fleet.server.value("files", id), value);
    for device in 0..fleet.devices.len() {
        assert_eq!(&stored(fleet, device, id), value, "device {device}");
        assert!(fleet.devices[device].disk.pushing().is_empty());
    }
}

#[test]
fn f13_a_pulled_change_is_told_to_every_page() {
    let mut fleet = two_with_a(1);
    dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
    fleet.run_until_quiescent();
    fleet.sync_all();
    let changes = fleet.devices[1].pages[0].heard_of("changed");
    assert_eq!(changes.last().unwrap()["origin"], "server");
    assert_eq!(changes.last().unwrap()["puts"][0]["value"]["x"], 1);
}

#[test]
fn f28_edits_of_different_fields_merge_by_themselves() {
    let mut fleet = two_with_a(2);
    for (device, edit) in [(0, json!({"id": "a", "x": 1})), (1, json!({"id": "a", "y": 1}))] {
        fleet.cut_off(device, true);
        dispatch(&mut fleet, device, "files/updateItem", edit);
    }
    fleet.run_for(5_000);
    (0..2).for_each(|device| fleet.cut_off(device, false));
    fleet.run_until_quiescent();
    fleet.sync_all();
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 1, "y": 1})));
}

/// f23, f25: every push and every pull detects, deletions too.
#[test]
fn f27_a_conflict_is_settled_on_every_device_once_it_is_resolved() {
    for (edit, choice, wanted) in [
        (Some(2), "local", Some(json!({"id": "a", "x": 2, "y": 0}))),
        (Some(2), "remote", Some(json!({"id": "a", "x": 1, "y": 0}))),
        (None, "local", None),
        (None, "remote", Some(json!({"id": "a", "x": 1, "y": 0}))),
    ] {
        let mut fleet = two_with_a(3);
        fleet.cut_off(1, true);
        match edit {
            Some(x) => dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "x": x})),
            None => dispatch(&mut fleet, 1, "files/removeItem", json!("a")),
        }
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
        fleet.run_for(5_000);
        fleet.cut_off(1, false);
        fleet.run_until_quiescent();
        fleet.sync_all();
        let open = conflicts(&mut fleet, 1);
        assert_eq!(open.len(), 1, "{choice}");
        assert_eq!(open[0]["remote"]["x"], 1);
        assert_eq!(fleet.server.value("files", "a"), Some(json!({"id": "a", "x": 1, "y": 0})));
        fleet.on(1, World::kill_and_boot);
        resolve(&mut fleet, 1, &open[0]["id"], choice);
        assert_eq!(conflicts(&mut fleet, 1), Vec::<Value>::new());
        all_have(&fleet, "a", &wanted);
    }
}

#[test]
fn a_setting_of_two_devices_is_merged_against_the_defaults_that_both_showed() {
    let mut fleet = Fleet::with(4, 2, SLICES);
    let full = |dark: bool, size: u8| json!({"id": "t", "dark": dark, "size": size});
    let set = |fleet: &mut Fleet, device: usize, fields: Value, was: Value, full: Value| {
        let action = json!({"type": "files/updateItem", "payload": fields, "was": was, "whole": full});
        fleet.on(device, |world| world.dispatch_all(0, vec![action]));
    };
    for device in 0..2 {
        fleet.cut_off(device, true);
    }
    set(&mut fleet, 0, json!({"id": "t", "size": 15}), json!({"size": 12}), full(false, 15));
    set(&mut fleet, 1, json!({"id": "t", "dark": true}), json!({"dark": false}), full(true, 12));
    fleet.run_for(5_000);
    (0..2).for_each(|device| fleet.cut_off(device, false));
    fleet.run_until_quiescent();
    fleet.sync_all();
    for device in 0..2 {
        assert_eq!(fleet.devices[device].disk.item("files", "t"), Some(full(true, 15)), "device {device}");
    }
}

/// Where both sides changed one field, "merge" keeps this device's there, and the other's everywhere else.
#[test]
fn f28_a_conflict_that_is_resolved_by_merging_keeps_the_fields_of_both_sides() {
    let mut fleet = two_with_a(10);
    (0..2).for_each(|device| fleet.cut_off(device, true));
    dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1, "y": 1}));
    dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "x": 2, "z": 2}));
    fleet.run_for(5_000);
    one_after_the_other(&mut fleet);
    let open = conflicts(&mut fleet, 1);
    assert_eq!(open[0]["paths"], json!(["/x"]));
    assert_eq!(open[0]["base"], json!({"id": "a", "x": 0, "y": 0}));
    resolve(&mut fleet, 1, &open[0]["id"], "merge");
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 2, "y": 1, "z": 2})));
}

#[test]
fn f03_an_item_that_was_deleted_offline_stays_deleted_everywhere() {
    let mut fleet = two_with_a(11);
    fleet.cut_off(1, true);
    dispatch(&mut fleet, 1, "files/removeItem", json!("a"));
    fleet.run_for(5_000);
    // There is something to pull, and the device restarts before it can send.
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "b"}));
    fleet.run_for(5_000);
    fleet.on(1, World::kill_and_boot);
    fleet.cut_off(1, false);
    let page = fleet.on(1, |world| world.open_page(SLICES));
    let read = fleet.on(1, |world| world.ask(page, "hydrate"));
    fleet.run_until_quiescent();
    fleet.sync_all();
    all_have(&fleet, "a", &None);
    all_have(&fleet, "b", &Some(json!({"id": "b"})));
    let items = &fleet.devices[1].pages[page].answers[&read]["items"];
    assert!(!items.to_string().contains(r#""id":"a""#), "{items}");
    // No other thing that the device does brings it back.
    fleet.on(1, World::kill_and_boot);
    dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "b", "x": 1}));
    fleet.run_for(120_000);
    fleet.sync_all();
    all_have(&fleet, "a", &None);
}

/// The server's versions of items at this moment.
fn version(fleet: &Fleet, id: &str) -> u64 {
    fleet.server.items[&("files".into(), id.into())].version
}

#[test]
fn f20_a_device_sends_only_what_it_changed_against_the_version_it_saw() {
    let mut fleet = two_with_a(12);
    dispatch(&mut fleet, 0, "files/addItems", json!([{"id": "b"}, {"id": "c"}, {"id": "d"}]));
    fleet.run_until_quiescent();
    fleet.sync_all();
    let seen = version(&fleet, "b");
    fleet.cut_off(1, true);
    dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 5}));
    dispatch(&mut fleet, 0, "files/removeItem", json!("c"));
    dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "b", "x": 1}));
    fleet.run_for(5_000);
    let pushes = fleet.server.pushes().len();
    fleet.on(1, World::kill_and_boot);
    fleet.cut_off(1, false);
    fleet.run_until_quiescent();
    fleet.sync_all();
    let sent: Vec<(Value, Value)> = fleet.server.pushes()[pushes..]
        .iter()
        .flat_map(|push| push["mutations"].as_array().unwrap())
        .map(|mutation| (mutation["id"].clone(), mutation["base"].clone()))
        .collect();
    assert_eq!(sent, [(json!("b"), json!(seen))]);
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 5, "y": 0})));
    all_have(&fleet, "b", &Some(json!({"id": "b", "x": 1})));
    all_have(&fleet, "c", &None);
}

/// Syncs that are asked for while single changes go, answers that are lost, and a worker that dies: the server sees the
/// item's values in their order, each at most once.
#[test]
fn f21_changes_of_an_item_reach_the_server_in_their_order_on_one_path() {
    use nightferry_sim::server::Fault;
    let mut fleet = two_with_a(13);
    let before = fleet.server.effects.len();
    for x in 1..=40 {
        match x % 5 {
            1 => fleet.server.faults.push_back(Fault::AnswerLost),
            2 => fleet.server.faults.push_back(Fault::AnswerSwallowed),
            3 => fleet.server.faults.push_back(Fault::Internal),
            _ => {}
        }
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": x}));
        fleet.on(0, |world| world.ask(0, "sync"));
        fleet.run_for([1, 5, 30, 400, 40_000][x % 5]);
        if x % 7 == 0 {
            fleet.on(0, World::kill_and_boot);
        }
    }
    fleet.run_until_quiescent();
    let effects = &fleet.server.effects[before..];
    let order: Vec<u64> =
        effects.iter().map(|(_, value)| value.as_ref().unwrap()["x"].as_u64().unwrap()).collect();
    assert!(order.len() > 8, "{order:?}");
    assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
    fleet.sync_all();
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 40, "y": 0})));
}

/// With equal times, and with clocks that are a year ahead or behind: what differs is in conflict, what was there before is
/// none, and the side that a strategy of times does not decide is left.
#[test]
fn f24_versions_detect_a_conflict_whatever_the_clocks_say() {
    const YEAR: i64 = 365 * 86_400_000;
    for skews in [[0, 0], [YEAR, 0], [0, YEAR], [-YEAR, 0], [0, -YEAR]] {
        let mut fleet = two_with_a(14);
        for (device, skew) in skews.into_iter().enumerate() {
            fleet.on(device, |world| world.set_clock(skew));
        }
        // An edit on top of the other device's is no conflict, though its clock may say that it is older.
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "y": 1}));
        fleet.run_until_quiescent();
        fleet.sync_all();
        dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "y": 2}));
        fleet.run_until_quiescent();
        fleet.sync_all();
        all_have(&fleet, "a", &Some(json!({"id": "a", "x": 0, "y": 2})));
        // Two edits at one moment, of which neither device knew the other.
        (0..2).for_each(|device| fleet.cut_off(device, true));
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
        dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "x": 2}));
        fleet.run_for(5_000);
        one_after_the_other(&mut fleet);
        let open = conflicts(&mut fleet, 1);
        assert_eq!(open.len(), 1, "{skews:?}");
        assert_eq!((&open[0]["local"]["x"], &open[0]["remote"]["x"]), (&json!(2), &json!(1)), "{skews:?}");
        assert_eq!(fleet.server.value("files", "a").unwrap()["x"], 1, "{skews:?}");
        resolve(&mut fleet, 1, &open[0]["id"], "local");
        all_have(&fleet, "a", &Some(json!({"id": "a", "x": 2, "y": 2})));
    }
}

#[test]
fn f26_a_key_that_cannot_be_read_hides_no_conflict_and_is_told() {
    use nightferry_sim::server::Fault;
    let mut fleet = two_with_a(15);
    fleet.cut_off(1, true);
    dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "b"}));
    fleet.run_until_quiescent();
    dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "x": 2}));
    fleet.run_for(5_000);
    fleet.cut_off(1, false);
    fleet.server.mode = Fault::Junk;
    fleet.run_until_quiescent();
    fleet.sync_all();
    assert_eq!(conflicts(&mut fleet, 1).len(), 1);
    assert_eq!(stored(&fleet, 1, "b"), Some(json!({"id": "b"})));
    let warnings = fleet.devices[1].pages[0].heard_of("warning");
    let texts: Vec<&str> = warnings.iter().filter_map(|warning| warning["message"].as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("files \"junk\"")), "{texts:?}");
}

#[test]
fn f20_an_idle_device_sends_nothing() {
    let mut fleet = two_with_a(5);
    dispatch(&mut fleet, 0, "files/removeItem", json!("a"));
    fleet.run_until_quiescent();
    let pushes = fleet.server.pushes().len();
    fleet.on(1, World::kill_and_boot);
    fleet.run_for(120_000);
    fleet.sync_all();
    assert_eq!(fleet.server.pushes().len(), pushes);
    all_have(&fleet, "a", &None);
}

#[test]
fn f11_a_server_that_was_wiped_is_filled_again_by_the_devices() {
    let mut fleet = two_with_a(6);
    fleet.server.wipe();
    fleet.run_for(120_000);
    fleet.sync_all();
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 0, "y": 0})));
}

#[test]
fn a_server_that_was_restored_gets_back_what_it_lost_and_new_edits_go_on() {
    for interrupted in [false, true] {
        let mut fleet = two_with_a(7);
        let backup = fleet.server.back_up();
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
        dispatch(&mut fleet, 1, "files/addItem", json!({"id": "b"}));
        fleet.run_until_quiescent();
        fleet.sync_all();
        fleet.server.restore_backup(backup);
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "y": 2}));
        if interrupted {
            fleet
                .run_until("a rebuild is under way", |fleet| fleet.devices[0].disk.meta("rebuild").is_some());
            fleet.on(0, World::kill_and_boot);
        }
        fleet.run_for(120_000);
        dispatch(&mut fleet, 1, "files/addItem", json!({"id": "c"}));
        fleet.run_until_quiescent();
        fleet.sync_all();
        all_have(&fleet, "a", &Some(json!({"id": "a", "x": 1, "y": 2})));
        all_have(&fleet, "b", &Some(json!({"id": "b"})));
        all_have(&fleet, "c", &Some(json!({"id": "c"})));
        assert!(fleet.devices.iter().all(|world| world.disk.meta("rebuild").is_none()));
    }
}

#[test]
fn f03_a_device_that_was_away_beyond_the_horizon_forgets_what_was_deleted() {
    let mut fleet = two_with_a(8);
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "kept"}));
    fleet.run_until_quiescent();
    fleet.sync_all();
    fleet.cut_off(1, true);
    dispatch(&mut fleet, 1, "files/addItem", json!({"id": "new"}));
    dispatch(&mut fleet, 0, "files/removeItem", json!("a"));
    fleet.run_for(10_000);
    let last = fleet.server.history.last;
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "later"}));
    fleet.run_for(10_000);
    fleet.server.forget_through(last);
    fleet.cut_off(1, false);
    fleet.run_for(120_000);
    fleet.sync_all();
    all_have(&fleet, "a", &None);
    for id in ["kept", "later", "new"] {
        all_have(&fleet, id, &Some(json!({"id": id})));
    }
}

const DAY: u64 = 86_400_000;

/// So many days pass; then an item is written, and all devices pull.
fn pass_days(fleet: &mut Fleet, days: u64) {
    fleet.server.pass_time(days * DAY);
    let id = format!("after {}", fleet.server.history.last);
    dispatch(fleet, 0, "files/addItem", json!({"id": id}));
    fleet.run_until_quiescent();
    fleet.sync_all();
}

/// Returns true for each device that still knows the version of a deleted item.
fn tombstones(fleet: &Fleet, id: &str) -> Vec<bool> {
    let has_version =
        |world: &World| world.disk.item_row("files", id).is_some_and(|row| row.get("version").is_some());
    fleet.devices.iter().map(has_version).collect()
}

#[test]
fn a_tombstone_is_forgotten_once_it_is_30_days_old_by_the_servers_clock() {
    let mut fleet = two_with_a(16);
    dispatch(&mut fleet, 0, "files/addItems", json!([{"id": "young"}, {"id": "kept"}]));
    pass_days(&mut fleet, 40);
    dispatch(&mut fleet, 1, "files/removeItem", json!("a"));
    pass_days(&mut fleet, 0);
    assert_eq!(tombstones(&fleet, "a"), [true, true]);
    pass_days(&mut fleet, 20);
    dispatch(&mut fleet, 0, "files/removeItem", json!("young"));
    pass_days(&mut fleet, 0);
    assert_eq!(tombstones(&fleet, "a"), [true, true], "it is 20 days old");
    // No clock of a device has a part in it.
    fleet.on(0, |world| world.set_clock(400 * DAY as i64));
    pass_days(&mut fleet, 0);
    assert_eq!(tombstones(&fleet, "a"), [true, true], "the server's clock has not moved");
    pass_days(&mut fleet, 20);
    assert_eq!(tombstones(&fleet, "a"), [false, false]);
    assert_eq!(tombstones(&fleet, "young"), [true, true]);
    // Nothing of it is left, also after a restart, and what exists is untouched.
    for device in 0..2 {
        fleet.on(device, World::kill_and_boot);
        fleet.run_until_quiescent();
        assert_eq!(fleet.devices[device].disk.item_row("files", "a"), None);
        assert_eq!(fleet.devices[device].disk.count("_journal"), 0);
    }
    all_have(&fleet, "kept", &Some(json!({"id": "kept"})));
    all_have(&fleet, "a", &None);
    // The server still has its own: the id can be used again.
    dispatch(&mut fleet, 1, "files/addItem", json!({"id": "a", "x": "again"}));
    fleet.run_until_quiescent();
    fleet.sync_all();
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": "again"})));
    assert!(fleet.devices.iter().all(|world| world.status().conflicts == 0));
}

/// A device that is off for longer than a tombstone is kept, with a deletion that it has not sent, and a push under way.
#[test]
fn f03_a_deletion_that_is_not_sent_is_forgotten_by_no_device_however_long_it_is_away() {
    use nightferry_sim::server::Fault;
    let mut fleet = two_with_a(17);
    dispatch(&mut fleet, 0, "files/addItems", json!([{"id": "b"}, {"id": "c"}, {"id": "d"}]));
    pass_days(&mut fleet, 40);
    // The answer to one deletion is lost; the other one is made without a network.
    fleet.server.faults.push_back(Fault::AnswerLost);
    dispatch(&mut fleet, 1, "files/removeItem", json!("b"));
    fleet.run_until("it arrived", |fleet| fleet.server.value("files", "b").is_none());
    fleet.cut_off(1, true);
    dispatch(&mut fleet, 1, "files/removeItem", json!("c"));
    fleet.run_for(5_000);
    fleet.on(1, World::kill_and_boot);
    for _ in 0..5 {
        fleet.server.pass_time(20 * DAY);
        let x = fleet.server.history.last;
        dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "d", "x": x}));
        fleet.run_for(60_000);
    }
    fleet.cut_off(1, false);
    fleet.run_until_quiescent();
    fleet.sync_all();
    pass_days(&mut fleet, 40);
    for id in ["b", "c"] {
        all_have(&fleet, id, &None);
    }
    let last = fleet.server.value("files", "d");
    all_have(&fleet, "d", &last);
}

/// The server cannot take one deletion, while everything else goes on for months.
#[test]
fn f03_a_deletion_that_the_server_cannot_take_is_remembered_until_it_can() {
    let mut fleet = two_with_a(19);
    pass_days(&mut fleet, 40);
    fleet.server.poisoned.insert("a".into());
    dispatch(&mut fleet, 1, "files/removeItem", json!("a"));
    for id in ["x", "y", "z"] {
        fleet.server.pass_time(40 * DAY);
        dispatch(&mut fleet, 0, "files/addItem", json!({"id": id}));
        fleet.run_for(120_000);
        assert_eq!(stored(&fleet, 1, id), Some(json!({"id": id})), "pulls go on");
    }
    assert!(fleet.server.value("files", "a").is_some());
    fleet.server.poisoned.clear();
    fleet.on(1, World::kill_and_boot);
    fleet.run_until_quiescent();
    fleet.sync_all();
    all_have(&fleet, "a", &None);
}

/// A deletion waits for quiet, while months pass at the server.
#[test]
fn f03_a_deletion_that_waits_is_remembered_until_it_is_sent() {
    let mut fleet = two_with_a(20);
    pass_days(&mut fleet, 40);
    let waits = r#"{"files":{"debounceMs":60000,"maxWaitMs":60000}}"#;
    fleet.on(1, |world| world.register_others(0, waits));
    fleet.run_for(1_000);
    dispatch(&mut fleet, 1, "files/removeItem", json!("a"));
    fleet.server.pass_time(40 * DAY);
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "later"}));
    fleet.run_for(40_000);
    assert_eq!(stored(&fleet, 1, "later"), Some(json!({"id": "later"})), "pulls go on");
    assert!(fleet.server.value("files", "a").is_some());
    fleet.run_until_quiescent();
    fleet.sync_all();
    all_have(&fleet, "a", &None);
}

/// A worker that dies at any moment of it has forgotten all or nothing, and the next one goes on.
#[test]
fn tombstones_are_forgotten_whenever_the_worker_dies() {
    for kill in 0..80 {
        let mut fleet = two_with_a(18);
        pass_days(&mut fleet, 40);
        dispatch(&mut fleet, 1, "files/removeItem", json!("a"));
        pass_days(&mut fleet, 0);
        fleet.server.pass_time(40 * DAY);
        dispatch(&mut fleet, 0, "files/addItem", json!({"id": "later"}));
        fleet.run_until_quiescent();
        let boundary = fleet.devices[1].boundary + kill;
        fleet.on(1, |world| {
            world.kill_at = Some(boundary);
            world.ask(0, "sync")
        });
        dispatch(&mut fleet, 1, "files/addItem", json!({"id": "meanwhile"}));
        fleet.run_until_quiescent();
        pass_days(&mut fleet, 8);
        assert_eq!(fleet.devices[1].disk.item_row("files", "a"), None, "killed at {kill}");
        for id in ["later", "meanwhile"] {
            all_have(&fleet, id, &Some(json!({"id": id})));
        }
        all_have(&fleet, "a", &None);
    }
}

#[test]
fn an_answer_that_was_lost_undoes_nothing_that_another_device_did_since() {
    use nightferry_sim::server::Fault;
    let mut fleet = two_with_a(9);
    fleet.server.faults.push_back(Fault::AnswerLost);
    dispatch(&mut fleet, 0, "files/updateItem", json!({"id": "a", "x": 1}));
    fleet.run_until("it arrived", |fleet| fleet.server.value("files", "a").unwrap()["x"] == 1);
    fleet.cut_off(0, true);
    fleet.on(1, |world| world.ask(0, "sync"));
    fleet.run_for(2_000);
    dispatch(&mut fleet, 1, "files/updateItem", json!({"id": "a", "x": 0}));
    fleet.run_for(2_000);
    assert_eq!(fleet.server.value("files", "a").unwrap()["x"], 0);
    fleet.cut_off(0, false);
    fleet.run_for(60_000);
    fleet.sync_all();
    all_have(&fleet, "a", &Some(json!({"id": "a", "x": 0, "y": 0})));
}

/// Returns the item `a` as the device's page shows it.
fn shown(fleet: &Fleet, device: usize) -> Option<Value> {
    fleet.devices[device].pages[0].view.view().get(&("files".into(), "a".into())).cloned()
}

/// Two devices in conflict about the item `a`: device 1 made its own while it could not know that of device 0.
fn in_conflict(seed: u64) -> Fleet {
    let mut fleet = Fleet::with(seed, 2, SLICES);
    fleet.run_until_quiescent();
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "a", "x": "theirs"}));
    fleet.run_until_quiescent();
    dispatch(&mut fleet, 1, "files/addItem", json!({"id": "a", "x": "mine"}));
    fleet.run_until_quiescent();
    assert_eq!(fleet.devices[1].status().conflicts, 1);
    fleet
}

#[test]
fn a_page_is_told_what_its_own_change_came_to() {
    let mut fleet = in_conflict(1);
    dispatch(&mut fleet, 1, "files/removeItem", json!({"id": "a"}));
    fleet.run_until_quiescent();
    // With its own side gone, what is left is the other one.
    let theirs = Some(json!({"id": "a", "x": "theirs"}));
    assert_eq!((stored(&fleet, 1, "a"), shown(&fleet, 1)), (theirs.clone(), theirs));
}

#[test]
fn the_page_that_resolves_a_conflict_shows_what_was_chosen() {
    let mut fleet = in_conflict(2);
    let request = fleet.on(1, |world| world.ask(0, "conflicts"));
    fleet.run_until_quiescent();
    let conflict = fleet.devices[1].pages[0].answers[&request]["conflicts"][0]["id"].clone();
    let action = json!({"type": "@resolveConflict", "id": conflict, "choice": "remote"});
    fleet.on(1, |world| world.dispatch_all(0, vec![action]));
    fleet.sync_all();
    let theirs = Some(json!({"id": "a", "x": "theirs"}));
    assert_eq!((stored(&fleet, 1, "a"), shown(&fleet, 1)), (theirs.clone(), theirs.clone()));
    assert_eq!(fleet.server.value("files", "a"), theirs);
    assert_eq!(fleet.devices[1].status().conflicts, 0);
}

/// A new page has applied no record, and may have read the slice before another device's change came in.
#[test]
fn f23_a_page_that_has_applied_nothing_overwrites_nothing_that_it_has_not_seen() {
    for kind in ["files/addItem", "files/removeItem"] {
        let mut fleet = Fleet::with(3, 2, SLICES);
        fleet.run_until_quiescent();
        dispatch(&mut fleet, 0, "files/addItem", json!({"id": "a", "x": "theirs"}));
        fleet.run_until_quiescent();
        // Device 1 pulls it; its page's change was on the way before it could hear of that.
        fleet.on(1, |world| world.ask(0, "sync"));
        fleet.run_until("it is pulled", |fleet| fleet.devices[1].disk.count("_journal") > 0);
        assert_eq!(shown(&fleet, 1), None);
        dispatch(&mut fleet, 1, kind, json!({"id": "a", "x": "mine"}));
        fleet.run_until_quiescent();
        assert_eq!(fleet.devices[1].status().conflicts, 1, "{kind}");
        assert_eq!(fleet.server.value("files", "a"), Some(json!({"id": "a", "x": "theirs"})));
    }
}

/// The first deletion leaves the other side, which the page has never shown: the second one is not about that.
#[test]
fn f25_a_deletion_that_is_made_twice_does_not_take_the_other_side_with_it() {
    let mut fleet = in_conflict(4);
    // The page has applied all records, that of the conflict too.
    dispatch(&mut fleet, 1, "files/addItem", json!({"id": "b"}));
    fleet.run_until_quiescent();
    let delete = ("files/removeItem", json!({"id": "a"}));
    fleet.on(1, |world| world.burst(0, &[delete.clone(), delete]));
    fleet.sync_all();
    assert_eq!(fleet.server.value("files", "a"), Some(json!({"id": "a", "x": "theirs"})));
    assert_eq!(fleet.devices[1].status().conflicts, 1);
}
