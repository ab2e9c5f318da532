//! The requests of a device to a server that fails, over minutes and hours, and the time until all is there once it is well.

use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::json;

const FILES: &str = r#"{"files":{}}"#;

/// A device that has synced once, and has so many changes of 1 KB to send since the server fails.
fn failing(seed: u64, fault: Fault, items: usize) -> World {
    let mut world = World::with(seed, FILES);
    world.dispatch(0, "files/addItem", json!({"id": "first"}));
    world.run_until_quiescent();
    world.server.mode = fault;
    add(&mut world, items);
    world
}

fn add(world: &mut World, items: usize) {
    let all: Vec<_> =
        (0..items).map(|n| json!({"id": format!("n{n:05}"), "text": "x".repeat(1_000)})).collect();
    for some in all.chunks(500) {
        world.dispatch(0, "files/addItems", json!(some));
        world.run_for(1);
    }
}

/// Requests and bytes from now on.
struct Count(usize);

impl Count {
    fn from(world: &World) -> Count {
        Count(world.server.requests.len())
    }

    fn so_far(&self, world: &World) -> (usize, usize, usize) {
        let new = &world.server.requests[self.0..];
        let bytes = new.iter().map(|(_, body)| body.to_string().len()).sum();
        (new.len(), new.iter().filter(|(path, _)| path == "/push").count(), bytes)
    }
}

/// Lives through a minute in which a page asks each second whether the server answers.
fn minute_of_checks(world: &mut World) {
    for _ in 0..60 {
        world.ask(0, "check");
        world.run_for(1_000);
    }
}

#[test]
fn no_check_shortens_the_wait_of_a_server_that_calls_every_name_forked() {
    let mut world = failing(1, Fault::Forked, 300);
    let count = Count::from(&world);
    minute_of_checks(&mut world);
    let (_, pushes, bytes) = count.so_far(&world);
    assert!(pushes <= 12, "{pushes} pushes, {bytes} bytes");
}

#[test]
fn a_server_that_declines_everything_is_asked_seldom_and_little() {
    for status in [400, 413] {
        let mut world = failing(1, Fault::Status(status), 300);
        let count = Count::from(&world);
        world.run_for(600_000);
        let (requests, pushes, bytes) = count.so_far(&world);
        assert!(
            pushes <= 150 && bytes <= 3_000_000,
            "{status}: {requests} requests, {pushes} pushes, {bytes} bytes"
        );
        world.server.mode = Fault::Nothing;
        world.run_for(125_000);
        assert_eq!(world.status().pending, 0, "{status}");
    }
}

#[test]
fn no_check_that_fails_makes_a_wait_longer() {
    let mut world = failing(1, Fault::Status(503), 10);
    minute_of_checks(&mut world);
    // Without the checks, so many seconds hold no more than a few failures.
    world.server.mode = Fault::Nothing;
    world.run_for(130_000);
    assert_eq!(world.status().pending, 0);
}
