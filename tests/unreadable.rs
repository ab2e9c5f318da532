//! Rows of the database that cannot be read: they are set aside, everything else goes on, and what they leave behind comes to
//! its place all the same.

use nightferry_sim::World;
use nightferry_sim::fleet::Fleet;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{}}"#;
/// A row that no version of Nightferry has written.
const UNREADABLE: &str = r#"{"what":"is this"}"#;

fn rows<'a>(world: &'a mut World, store: &str) -> impl Iterator<Item = &'a mut String> {
    world.disk.store.stores.get_mut(store).into_iter().flat_map(|rows| rows.values_mut())
}

/// Makes the text of the records that have this word unreadable; what they are can be read.
fn garble(world: &mut World, word: &str) {
    let mut count = 0;
    for row in rows(world, "_journal").filter(|row| row.contains(word)) {
        let mut record: Value = serde_json::from_str(row).unwrap();
        record["text"] = json!("?");
        *row = record.to_string();
        count += 1;
    }
    assert!(count > 0);
}

fn set_aside(world: &World) -> Option<&str> {
    let mut kept =
        world.disk.store.rows("_meta").filter(|(key, _)| format!("{key:?}").contains("unreadable:_journal"));
    kept.next().map(|(_, row)| row.as_str())
}

/// Two devices that have the item `a`.
fn two_with_a(seed: u64) -> Fleet {
    let mut fleet = Fleet::with(seed, 2, r#"{"files":{"debounceMs":0}}"#);
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "a", "x": 0}));
    fleet.run_until_quiescent();
    fleet.sync_all();
    fleet
}

fn dispatch(fleet: &mut Fleet, device: usize, kind: &str, payload: Value) {
    fleet.on(device, |world| world.dispatch(0, kind, payload));
}

#[test]
fn an_unreadable_record_is_set_aside_and_the_rest_goes_on() {
    let mut world = World::with(19, FILES);
    world.run_until_quiescent();
    for id in ["a", "b", "c"] {
        world.dispatch(0, "files/addItem", json!({"id": id}));
        world.run_for(20);
    }
    world.kill();
    *rows(&mut world, "_journal").nth(1).unwrap() = UNREADABLE.into();
    // Even where the first attempts to set it aside fail.
    world.disk.refuse = Some("_meta");
    world.boot();
    world.run_for(3_000);
    world.disk.refuse = None;
    world.run_until_quiescent();
    assert!(set_aside(&world).unwrap().contains("is this"));
    assert!(world.server.value("files", "a").is_some() && world.server.value("files", "c").is_some());
    assert_eq!(world.disk.count("_journal"), 0);
    assert!(world.pages[0].heard_of("warning").iter().any(|warning| warning["code"] == "unreadable_record"));
}

#[test]
fn an_unreadable_row_of_an_item_is_kept_and_its_item_goes_on() {
    let mut world = World::with(19, FILES);
    world.run_until_quiescent();
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until_quiescent();
    world.server.mode = Fault::Swallowed;
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": 0}));
    world.run_for(2_000);
    world.kill();
    rows(&mut world, "_items").for_each(|row| *row = UNREADABLE.into());
    world.server.mode = Fault::Nothing;
    world.boot();
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": 1}));
    world.run_until_quiescent();
    let kept =
        world.disk.store.rows("_meta").find(|(key, _)| format!("{key:?}").contains("unreadable:_items"));
    assert!(kept.unwrap().1.contains("is this"));
    assert_eq!(world.disk.rows_of("files"), [json!({"id": "a", "x": 1})]);
    assert!(world.pages[0].heard_of("warning").iter().any(|warning| warning["code"] == "unreadable_record"));
}

#[test]
fn an_unreadable_last_record_does_not_stop_the_page_that_sent_it() {
    let mut world = World::with(20, FILES);
    world.run_until_quiescent();
    world.dispatch(0, "files/addItem", json!({"id": "a"}));
    world.run_until("it is acknowledged", |world| world.pages[0].acknowledged == 1);
    world.kill();
    rows(&mut world, "_journal").for_each(|row| *row = "7".into());
    world.boot();
    world.dispatch(0, "files/addItem", json!({"id": "b"}));
    world.run_until_quiescent();
    assert!(world.server.value("files", "b").is_some());
}

/// Its checkpoint was made, and no row says that the server lacks it.
#[test]
fn what_an_unreadable_record_had_left_in_a_store_is_sent() {
    let mut world = World::with(21, r#"{"files":{"debounceMs":0},"notes":{}}"#);
    world.dispatch(0, "files/addItem", json!({"id": "old", "x": 0}));
    world.run_until_quiescent();
    world.server.mode = Fault::Refused;
    let pushed = world.server.pushes().len();
    world.dispatch(0, "notes/addItem", json!({"id": "in the push"}));
    world.run_until("a push is under way", |world| !world.disk.pushing().is_empty());
    let new = ("files/addItem", json!({"id": "new", "x": 1}));
    world.burst(0, &[new, ("files/updateItem", json!({"id": "old", "x": 1}))]);
    let is_stored = |world: &World, id: &str| world.disk.item("files", id).is_some_and(|item| item["x"] == 1);
    world.run_until("both are in the store", |world| is_stored(world, "new") && is_stored(world, "old"));
    world.kill();
    garble(&mut world, "updateItem");
    world.boot();
    world.run_until("the record is set aside", |world| set_aside(world).is_some());
    // The worker is killed again before anything was sent: the slices stay named.
    assert_eq!(world.server.pushes().len(), pushed);
    world.server.mode = Fault::Nothing;
    world.kill_and_boot();
    world.run_until_quiescent();
    for id in ["new", "old"] {
        assert_eq!(world.server.value("files", id).expect(id)["x"], 1);
    }
    world.check_converged();
}

#[test]
fn what_was_in_an_unreadable_page_of_a_pull_is_pulled_again() {
    let mut fleet = two_with_a(22);
    dispatch(&mut fleet, 0, "files/addItem", json!({"id": "b", "x": 1}));
    dispatch(&mut fleet, 0, "files/removeItem", json!("a"));
    fleet.run_until_quiescent();
    fleet.on(1, |world| world.disk.hold = Some("files"));
    fleet.on(1, |world| world.ask(0, "pull"));
    let is_pulled = |fleet: &Fleet| fleet.devices[1].disk.count("_journal") > 0;
    fleet.run_until("the page is in the journal", is_pulled);
    fleet.on(1, |world| {
        world.kill();
        garble(world, "pulled");
        world.disk.hold = None;
        world.boot();
    });
    fleet.run_until_quiescent();
    fleet.sync_all();
    let disk = &fleet.devices[1].disk;
    assert_eq!((disk.item("files", "a"), disk.item("files", "b")), (None, Some(json!({"id": "b", "x": 1}))));
}
