//! Several devices with one server: what becomes of changes that were made without knowledge of each other.

use nightferry_sim::fleet::Fleet;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{"debounceMs":0}}"#;

fn dispatch(fleet: &mut Fleet, device: usize, kind: &str, payload: Value) {
    fleet.on(device, |world| world.dispatch(0, kind, payload));
}

/// What the device's page shows of the item `a`.
fn shown(fleet: &Fleet, device: usize) -> Option<Value> {
    fleet.devices[device].pages[0].view.view().get(&("files".into(), "a".into())).cloned()
}

fn stored(fleet: &Fleet, device: usize) -> Option<Value> {
    fleet.devices[device].disk.item("files", "a")
}

/// Two devices in conflict about the item `a`: device 1 made its own while it could not know that of device 0.
fn in_conflict(seed: u64) -> Fleet {
    let mut fleet = Fleet::with(seed, 2, FILES);
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
    assert_eq!((stored(&fleet, 1), shown(&fleet, 1)), (theirs.clone(), theirs));
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
    assert_eq!((stored(&fleet, 1), shown(&fleet, 1)), (theirs.clone(), theirs.clone()));
    assert_eq!(fleet.server.value("files", "a"), theirs);
    assert_eq!(fleet.devices[1].status().conflicts, 0);
}

/// A new page has applied no record, and may have read the slice before another device's change came in.
#[test]
fn f23_a_page_that_has_applied_nothing_overwrites_nothing_that_it_has_not_seen() {
    for kind in ["files/addItem", "files/removeItem"] {
        let mut fleet = Fleet::with(3, 2, FILES);
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
