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
fn edits_of_different_fields_merge_by_themselves() {
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
