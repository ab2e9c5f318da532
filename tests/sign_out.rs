//! Signing out: nothing of the user's stays on the device, nothing of theirs that no one else has goes by accident, and what their
//! pages still have is not taken for the next user's.

use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::{Value, json};

const FILES: &str = r#"{"files":{"debounceMs":0}}"#;

/// Asks page 0 to sign out, and returns the answer.
fn sign_out(world: &mut World, kind: &'static str) -> Value {
    let request = world.ask_of(0, kind, "files");
    world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
    world.pages[0].answers[&request].as_ref().clone()
}

/// A device whose user has this much at the server, and nothing unsent.
fn synced(pages: usize) -> World {
    let mut world = World::with(1, FILES);
    world.engine.as_mut().expect("a worker").serve("nightferry", Some("ann"));
    for _ in 1..pages {
        world.open_page(FILES);
    }
    for x in 0..3 {
        world.dispatch(0, "files/addItem", json!({"id": x, "text": "A secret of Ann's."}));
    }
    world.run_until_quiescent();
    world
}

fn stored(world: &World) -> String {
    format!("{:?}", world.disk.store)
}

#[test]
fn signing_out_leaves_nothing_on_the_device_and_all_at_the_server() {
    let mut world = synced(2);
    assert_eq!(sign_out(&mut world, "signOut")["kind"], "done");
    world.run_until_quiescent();
    assert!(!stored(&world).contains("secret"), "{}", stored(&world));
    for store in ["files", "_journal", "_items"] {
        assert_eq!(world.disk.count(store), 0, "{store}");
    }
    assert_eq!(world.pages[1].heard_of("signedOut").len(), 1);
    assert!(world.server.value("files", "0").is_some());
    // The user is back: a database of another epoch, with what the server has.
    let before = world.pages[0].epoch.clone();
    world.register(0);
    world.run_until_quiescent();
    assert_ne!(world.pages[0].epoch, before);
    assert!(stored(&world).contains("secret"));
    world.dispatch(0, "files/addItem", json!({"id": "new"}));
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn signing_out_is_refused_while_something_is_on_this_device_only_unless_it_is_discarded() {
    let mut world = synced(1);
    world.server.mode = Fault::Refused;
    world.dispatch(0, "files/updateItem", json!({"id": 1, "text": "Unsent."}));
    world.dispatch(0, "files/removeItem", json!({"id": 2}));
    let refused = sign_out(&mut world, "signOut");
    assert_eq!((&refused["kind"], &refused["code"]), (&json!("failed"), &json!("unsent")));
    assert!(
        refused["message"].as_str().unwrap().starts_with("2 changes are on this device only"),
        "{refused}"
    );
    assert!(stored(&world).contains("Unsent."));
    assert_eq!(sign_out(&mut world, "signOutAndDiscard")["kind"], "done");
    // A request that was on its way by then is not refused any more once the server is back.
    world.run_for(5_000);
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    assert!(!stored(&world).contains("Unsent."));
    let at_server = world.server.value("files", "1").unwrap().to_string();
    assert!(at_server.contains("secret"), "{at_server}");
}

#[test]
fn what_a_page_of_the_user_still_has_is_dropped() {
    let mut world = synced(2);
    // The other tab is frozen, and has a change that no worker has taken.
    world.pages[1].open = false;
    world.dispatch(1, "files/addItem", json!({"id": "late"}));
    assert_eq!(sign_out(&mut world, "signOut")["kind"], "done");
    world.run_until_quiescent();
    world.register(0);
    world.run_until_quiescent();
    world.kill_and_boot();
    world.pages[1].open = true;
    world.run_for(60_000);
    assert_eq!(world.pages[1].heard_of("signedOut").len(), 1);
    assert!(world.server.value("files", "late").is_none());
    assert!(world.pages[1].at_rest());
}

#[test]
fn what_another_tab_sends_meanwhile_is_not_lost() {
    let mut world = synced(2);
    world.server.mode = Fault::Refused;
    // Signing out waits for a record that changes nothing, and another tab's change comes behind that one.
    world.disk.hold = Some("_journal");
    world.dispatch(0, "files/updateItem", json!({"id": 0, "text": "A secret of Ann's."}));
    world.run_for(50);
    let request = world.ask_of(0, "signOut", "files");
    world.run_for(50);
    world.dispatch(1, "files/addItem", json!({"id": "late"}));
    world.run_for(50);
    world.release();
    world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
    assert_eq!(world.pages[0].answers[&request]["code"], "unsent");
    world.server.mode = Fault::Nothing;
    world.run_until_quiescent();
    assert!(world.server.value("files", "late").is_some());
    world.check_converged();
}

#[test]
fn a_worker_that_dies_while_it_signs_out_has_done_it_or_nothing() {
    for kill_at in 1..200 {
        let mut world = synced(1);
        world.kill_at = Some(world.boundary + kill_at);
        let answer = sign_out(&mut world, "signOut");
        world.run_until_quiescent();
        // A worker that has done it and died says so when it is asked again.
        let is_done = answer["kind"] == "done" || world.pages[0].heard_of("signedOut").len() == 1;
        assert!(is_done, "{kill_at}: {answer}");
        assert!(!stored(&world).contains("secret"), "{kill_at}");
        if world.worker == 1 {
            return;
        }
    }
    panic!("the run has more than 200 places where a worker can die");
}

#[test]
fn a_database_that_fails_keeps_everything() {
    let mut world = synced(1);
    world.disk.refuse = Some("");
    let refused = sign_out(&mut world, "signOut");
    assert_eq!(refused["code"], "storage", "{refused}");
    assert!(stored(&world).contains("secret"));
    world.disk.refuse = None;
    world.dispatch(0, "files/addItem", json!({"id": "new"}));
    world.run_until_quiescent();
    world.check_converged();
}

#[test]
fn the_file_of_unsent_changes_has_each_with_its_state_and_sides() {
    let mut world =
        World::with(1, r#"{"files":{"debounceMs":0},"drafts":{"debounceMs":0,"syncToFlask":false}}"#);
    world.dispatch(0, "files/addItem", json!({"id": "a", "text": "one"}));
    world.dispatch(0, "files/addItem", json!({"id": "b"}));
    world.run_until_quiescent();
    world.server.mode = Fault::Refused;
    world.dispatch(0, "files/updateItem", json!({"id": "a", "text": "two"}));
    world.dispatch(0, "files/removeItem", json!({"id": "b"}));
    world.dispatch(0, "files/addItem", json!({"id": "c"}));
    world.dispatch(0, "drafts/addItem", json!({"id": "not for the server"}));
    let request = world.ask_of(0, "export", "files");
    world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
    let file = world.pages[0].answers[&request]["file"].clone();
    assert_eq!(file["nightferry"], 1);
    let states: Vec<_> = file["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let side = |name: &str| item.get(name).cloned().unwrap_or_default();
            (item["id"].as_str().unwrap().to_owned(), side("base"), side("local"))
        })
        .collect();
    assert_eq!(
        states,
        [
            ("a".into(), json!({"id": "a", "text": "one"}), json!({"id": "a", "text": "two"})),
            ("b".into(), json!({"id": "b"}), Value::Null),
            ("c".into(), Value::Null, json!({"id": "c"})),
        ]
    );
    // The next worker knows the same.
    world.kill_and_boot();
    let request = world.ask_of(0, "export", "files");
    world.run_until("it is answered", |world| world.pages[0].answer(request).is_some());
    assert_eq!(world.pages[0].answers[&request]["file"]["items"].as_array().unwrap().len(), 3);
}
