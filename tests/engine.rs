//! The path of an action, from its dispatch to the server's acknowledgement.

mod world;

use serde_json::{Value, json};
use world::World;

const FILES: &str = r#"{"files":{}}"#;

#[test]
fn an_action_travels_from_the_page_to_the_server() {
    let mut world = World::with(1, FILES);
    assert!(world.disk.store.stores.contains_key("files"), "the slice's store was added");
    world.settle();
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
    // The same transaction has the outbox row and ends the journal record.
    assert_eq!((world.disk.count("_journal"), world.disk.count("_outbox")), (0, 1));

    world.settle();
    world.check_converged(&[]);
    let paths: Vec<&str> = world.server.requests.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["/pull", "/push"], "it asks whose the device is before it sends anything");
    let push = world.server.pushes()[0];
    assert_eq!((&push["principal"], &push["n"], &push["mutations"][0]["base"]), (&json!("acme/ann"), &json!(1), &Value::Null));
    let status = &world.pages[0].last("status")["status"];
    assert_eq!((&status["pending"], &status["connection"], &status["error"]), (&json!(0), &json!("online"), &Value::Null));
    assert!(status["lastSyncTime"].as_u64().unwrap() > before);
}
