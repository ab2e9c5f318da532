//! Histories that broke weaker rules, on the whole engine. Those of one machine are tests of that machine.

use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::json;

const FILES: &str = r#"{"files":{}}"#;

/// A world whose server has the item `a` at `{"id":"a","x":0}`.
fn world_with_a(seed: u64) -> World {
    let mut world = World::with(seed, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "a", "x": 0}));
    world.run_until_quiescent();
    world
}

fn edit(world: &mut World, x: u64) {
    world.dispatch(0, "files/updateItem", json!({"id": "a", "x": x}));
}

fn until_pushes(world: &mut World, count: usize) {
    world.run_until("a push arrives", |world| world.server.pushes().len() == count);
}

#[test]
fn answers_whose_record_cannot_be_written_do_not_lose_the_edit_behind_the_push() {
    let mut world = world_with_a(1);
    edit(&mut world, 1);
    until_pushes(&mut world, 2);
    edit(&mut world, 2);
    // The record of the answers cannot be written for a while; then the worker dies.
    world.disk.refuse = Some("_journal");
    world.run_for(5_000);
    world.disk.refuse = None;
    world.kill_and_boot();
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": 2})));
    world.check_converged();
}

#[test]
fn a_device_that_restarts_with_everything_answered_is_no_fork() {
    let mut world = world_with_a(2);
    let client = world.disk.meta("client");
    for x in 1..4 {
        world.kill_and_boot();
        edit(&mut world, x);
        world.run_until_quiescent();
    }
    let numbers: Vec<u64> = world.server.pushes().iter().map(|push| push["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(world.disk.meta("client"), client);
}

#[test]
fn a_retry_after_a_restart_sends_what_was_refused() {
    let mut world = world_with_a(3);
    world.server.refused.insert("a".into());
    edit(&mut world, 1);
    world.run_until_quiescent();
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 0})));
    world.kill_and_boot();
    let request = world.ask(0, "rejected");
    world.run_until_quiescent();
    let rejected = world.pages[0].answers[&request]["rejected"][0]["id"].as_str().unwrap().to_owned();
    world.server.refused.clear();
    world.dispatch_all(0, vec![json!({"type": "@retryRejected", "id": rejected})]);
    world.run_until_quiescent();
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": 1})));
}

#[test]
fn f45_background_sync_and_wakes_get_one_request_in_a_minute() {
    let mut world = world_with_a(4);
    world.server.mode = Fault::Unavailable(120);
    edit(&mut world, 1);
    world.run_for(1_000);
    let before = world.requested;
    for _ in 0..600 {
        world.background_sync();
        world.signal(0, "online");
        world.run_for(100);
    }
    assert_eq!(world.requested, before);
}

#[test]
fn f51_a_wall_clock_set_back_by_an_hour_delays_nothing() {
    let mut world = world_with_a(5);
    edit(&mut world, 1);
    world.set_clock(-3_600_000);
    world.run_for(5_000);
    assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 1})));
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": 1})));
    // Nor does one that is set back while a failed request waits.
    world.server.mode = Fault::Refused;
    edit(&mut world, 2);
    world.run_for(3_000);
    world.set_clock(-3_600_000);
    world.server.mode = Fault::Nothing;
    world.run_for(30_000);
    assert_eq!(world.server.value("files", "a"), Some(json!({"id": "a", "x": 2})));
    world.check_converged();
}
