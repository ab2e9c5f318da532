//! Several devices with one server, before any chance: one clock, one order of transactions, and networks of their own.

use nightferry_sim::fleet::Fleet;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{"debounceMs":0}}"#;

fn add(fleet: &mut Fleet, device: usize, id: &str) {
    fleet.on(device, |world| world.dispatch(0, "files/addItem", json!({"id": id, "by": device})));
}

fn version(fleet: &Fleet, id: &str) -> u64 {
    fleet.server.items[&("files".to_owned(), id.to_owned())].version
}

#[test]
fn devices_share_the_server_and_the_clock() {
    let mut fleet = Fleet::with(1, 3, FILES);
    for device in 0..3 {
        add(&mut fleet, device, &format!("of {device}"));
    }
    fleet.run_until_quiescent();
    assert_eq!(fleet.server.live().len(), 3);
    let clients: std::collections::BTreeSet<&str> =
        fleet.server.pushes().iter().map(|push| push["client"].as_str().unwrap()).collect();
    assert_eq!(clients.len(), 3);
    assert!(fleet.devices.iter().all(|world| world.now <= fleet.now));
}

#[test]
fn a_device_without_a_network_reaches_no_server() {
    let mut fleet = Fleet::with(2, 2, FILES);
    fleet.cut_off(0, true);
    add(&mut fleet, 0, "a");
    add(&mut fleet, 1, "b");
    fleet.run_for(10_000);
    assert_eq!((fleet.server.value("files", "a"), fleet.server.value("files", "b").is_some()), (None, true));
    fleet.cut_off(0, false);
    fleet.run_until_quiescent();
    assert!(fleet.server.value("files", "a").is_some());
}

/// The versions of transactions become visible in their order, so no cursor can pass one that is open.
#[test]
fn a_push_waits_for_one_whose_transaction_is_open() {
    let mut fleet = Fleet::with(3, 2, FILES);
    fleet.run_until_quiescent();
    fleet.server.faults.push_back(Fault::Held(2_000));
    add(&mut fleet, 0, "first");
    fleet.run_for(500);
    let before = fleet.server.history.last;
    add(&mut fleet, 1, "second");
    fleet.run_for(1_000);
    assert_eq!((fleet.server.items.len(), fleet.server.history.last), (0, before));
    fleet.run_until_quiescent();
    assert!(before < version(&fleet, "first") && version(&fleet, "first") < version(&fleet, "second"));
}

#[test]
fn a_restored_server_knows_no_version_of_what_is_lost_and_gives_none_of_them_again() {
    let mut fleet = Fleet::with(4, 1, FILES);
    add(&mut fleet, 0, "kept");
    fleet.run_until_quiescent();
    let backup = fleet.server.back_up();
    add(&mut fleet, 0, "lost");
    fleet.run_until_quiescent();
    let lost = version(&fleet, "lost");
    fleet.server.restore_backup(backup);
    assert!(!fleet.server.history.knows(lost) && fleet.server.history.knows(version(&fleet, "kept")));
    fleet.on(0, |world| world.dispatch(0, "files/updateItem", json!({"id": "kept", "x": 1})));
    fleet.run_until_quiescent();
    assert!(version(&fleet, "kept") > lost);
}

#[test]
fn collected_tombstones_are_gone_and_what_is_newer_stays() {
    let mut fleet = Fleet::with(5, 1, FILES);
    for id in ["a", "b"] {
        add(&mut fleet, 0, id);
    }
    fleet.run_until_quiescent();
    fleet.on(0, |world| world.dispatch(0, "files/removeItem", json!({"id": "a"})));
    fleet.run_until_quiescent();
    let through = fleet.server.history.last;
    fleet.on(0, |world| world.dispatch(0, "files/removeItem", json!({"id": "b"})));
    fleet.run_until_quiescent();
    fleet.server.forget_through(through);
    let ids: Vec<&str> = fleet.server.items.keys().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids, ["b"]);
    assert_eq!(fleet.server.value("files", "b"), None::<Value>);
}
