//! Histories against the replay: what a killed worker leaves is what an undisturbed one comes to.

use nightferry::store::MemoryStore;
use nightferry_sim::World;
use nightferry_sim::server::Fault;
use serde_json::json;

/// Rule "Trimming": a record goes when what it left open is marked in the row, not when it is about to be.
#[test]
fn trimming_a_mark_counts_once_its_row_is_durable() {
    for seed in 0..10 {
        let mut world = World::with(seed, r#"{"files":{"debounceMs":50},"notes":{"debounceMs":50}}"#);
        world.run_until_quiescent();
        world.server.mode = Fault::Refused;
        for id in 0..12 {
            let kind = if id % 2 == 0 { "files/addItem" } else { "notes/addItem" };
            world.dispatch(0, kind, json!({"id": id, "text": "x".repeat(200_000)}));
        }
        world.run_for(5_000);
        // The journal is too large, and the rows that would let it go are refused.
        world.disk.refuse = Some("_items");
        world.run_for(7_000);
        let request = world.configure(0, Some("notes"), &json!({"enabled": false}));
        world.run_until("it is off", |world| world.pages[0].answer(request).is_some());
        world.disk.refuse = None;
        let before = world.disk.count("_journal");
        for _ in 0..20_000 {
            world.step();
            if world.disk.count("_journal") < before {
                break;
            }
        }
        world.kill_and_boot();
        world.server.mode = Fault::Nothing;
        world.run_until_quiescent();
        world.configure(0, Some("notes"), &json!({"enabled": true}));
        world.run_until_quiescent();
        world.check_converged();
    }
}

/// Rule "Disabled": on again, what was held is in the store.
#[test]
fn disabled_what_is_being_held_while_the_slice_is_enabled_gets_to_its_store() {
    for pause in 0..40 {
        for refuses in [false, true] {
            let mut world =
                World::with(pause, r#"{"files":{"debounceMs":10,"enabled":false,"syncToFlask":false}}"#);
            world.run_until_quiescent();
            world.dispatch(0, "files/addItem", json!({"id": "a", "x": 1}));
            world.run_for(pause);
            world.disk.hold = Some("_items");
            world.run_for(10);
            world.configure(0, Some("files"), &json!({"enabled": true}));
            world.run_for(20);
            world.disk.refuse = Some("_items").filter(|_| refuses);
            world.release();
            world.run_for(20);
            world.disk.refuse = None;
            world.run_until_quiescent();
            world.check_converged();
            assert!(world.disk.item_row("files", "a").is_none_or(|row| row.get("local").is_none()));
        }
    }
}

/// Rule "Push", after a rescue: what may have arrived is what was sent, not what was edited behind it; and what was answered
/// is known.
#[test]
fn maybe_of_a_rescued_item_is_what_was_sent() {
    for answered in [false, true] {
        let mut world = World::with(1, r#"{"files":{"debounceMs":10}}"#);
        world.dispatch(0, "files/addItem", json!({"id": "a", "x": 0}));
        world.run_until_quiescent();
        let before = world.disk.item_row("files", "a").expect("a row");
        let fault = if answered { Fault::Nothing } else { Fault::AnswerSwallowed };
        world.server.faults.push_back(fault);
        world.dispatch(0, "files/updateItem", json!({"id": "a", "x": 1}));
        world.run_until("it is being sent", |world| world.server.pushes().len() == 2);
        if answered {
            // The record of the answers is not durable.
            world.disk.hold = Some("_journal");
            world.run_for(2_000);
        } else {
            world.dispatch(0, "files/updateItem", json!({"id": "a", "y": 2}));
            world.run_until("the edit behind it is durable", |world| world.pages[0].acknowledged == 3);
        }
        let rescue = world.engine.as_mut().expect("a worker").rescue();
        let mut store = MemoryStore::default();
        store.create(&rescue.stores);
        store.apply(&rescue.writes).expect("the new database takes it");
        world.disk.store = store;
        let row = world.disk.item_row("files", "a").expect("a row");
        if answered {
            assert!(row["version"] != before["version"], "{row}");
            assert_eq!((row.get("base"), row.get("maybe")), (None, None), "{row}");
        } else {
            assert_eq!(world.disk.item("files", "a"), Some(json!({"id": "a", "x": 1, "y": 2})));
            assert_eq!(row["maybe"], json!([{"value": {"id": "a", "x": 1}}]), "{row}");
        }
    }
}

fn switched(world: &mut World, slice: &str, settings: serde_json::Value) {
    let request = world.configure(0, Some(slice), &settings);
    world.run_until("it is configured", |world| world.pages[0].answer(request).is_some());
}

/// Clears, sets with what they leave out, updates that make their item, re-creations and switches, over a record that stays.
fn life(seed: u64, kill_at: Option<usize>) -> World {
    let mut world = World::new(seed);
    world.kill_at = kill_at;
    let slices = r#"{"files":{"debounceMs":30},"theme":{"debounceMs":20,"syncToFlask":false},"cold":{"debounceMs":1500,"maxWaitMs":1500}}"#;
    world.open_page(slices);
    world.open_page(slices);
    let upsert = |slice: &str, id: &str, x: u64| json!({"type": format!("{slice}/updateItem"), "payload": {"id": id, "x": x}, "whole": {"id": id, "x": x, "made": true}});
    world.burst(0, &[("cold/addItem", json!({"id": "c"})), ("files/addItem", json!({"id": "a", "x": 0}))]);
    world.dispatch_all(
        0,
        vec![
            upsert("files", "w", 1),
            upsert("theme", "w", 1),
            json!({"type": "theme/updateItem", "payload": {"id": "m", "x": 9}}),
        ],
    );
    world.run_for(40);
    world
        .dispatch_all(1, vec![json!({"type": "theme/clearItems", "payload": null}), upsert("theme", "m", 2)]);
    world.dispatch_all(1, vec![json!({"type": "files/setItems", "payload": [{"id": "a", "x": 1}, {"id": "n", "x": 1}], "left": ["w"]})]);
    world.run_for(25);
    world.dispatch(0, "theme/updateItem", json!({"id": "m", "y": 3}));
    switched(&mut world, "files", json!({"enabled": false}));
    world.dispatch_all(
        0,
        vec![
            upsert("files", "w", 4),
            json!({"type": "files/updateItem", "payload": {"id": "a", "z": 1}, "unset": ["x"]}),
        ],
    );
    world.run_for(60);
    switched(&mut world, "files", json!({"enabled": true, "syncToFlask": false}));
    world.dispatch(1, "files/removeItem", json!("n"));
    world.dispatch(1, "files/addItem", json!({"id": "off", "x": 5}));
    world.run_for(60);
    world.dispatch(0, "theme/setItems", json!([{"id": "m", "x": 7}, {"id": "k"}]));
    switched(&mut world, "files", json!({"syncToFlask": true}));
    world.dispatch(0, "files/updateItem", json!({"id": "off", "x": 6}));
    world.dispatch(1, "files/addItem", json!({"id": "n", "x": 8}));
    world.run_for(50);
    world.dispatch(0, "theme/clearItems", json!(null));
    world.dispatch_all(1, vec![upsert("theme", "k", 3), upsert("files", "w", 5)]);
    world.run_until_quiescent();
    world
}

#[test]
fn replay_a_life_that_is_killed_anywhere_comes_to_what_its_log_says() {
    for seed in 1..4 {
        let undisturbed = life(seed, None);
        undisturbed.check_converged();
        for boundary in 1..=undisturbed.boundary {
            println!("seed {seed}, killed at boundary {boundary}");
            // One page's message may overtake another's: the order is that of the log, which the model has.
            life(seed, Some(boundary)).check_converged();
        }
    }
}

/// Refusals, retries and discards over a record that stays.
fn refused_life(seed: u64, kill_at: Option<usize>) -> World {
    let mut world = World::new(seed);
    world.kill_at = kill_at;
    world.open_page(r#"{"files":{"debounceMs":30},"cold":{"debounceMs":4000,"maxWaitMs":4000}}"#);
    world.burst(0, &[("cold/addItem", json!({"id": "c"})), ("files/addItem", json!({"id": "a", "x": 0}))]);
    world.run_for(300);
    world.server.refused.extend(["a".into(), "new".into()]);
    world.burst(
        0,
        &[("files/updateItem", json!({"id": "a", "x": 1})), ("files/addItem", json!({"id": "new", "x": 1}))],
    );
    world.run_for(60);
    world.dispatch(0, "files/updateItem", json!({"id": "a", "y": 2}));
    world.run_for(700);
    world.server.refused.clear();
    for kind in ["@retryRejected", "@discardRejected"] {
        let request = world.ask(0, "rejected");
        world.run_until("the list is there", |world| world.pages[0].answer(request).is_some());
        let listed = world.pages[0].answers[&request]["rejected"].as_array().cloned().unwrap_or_default();
        if let Some(one) = listed.first() {
            world.dispatch_all(0, vec![json!({"type": kind, "id": one["id"]})]);
        }
        world.run_for(150);
    }
    world.run_until_quiescent();
    world
}

#[test]
fn refused_a_life_with_refusals_that_is_killed_anywhere_leaves_nothing_over() {
    for seed in 1..4 {
        let undisturbed = refused_life(seed, None);
        undisturbed.check_rest();
        for boundary in 1..=undisturbed.boundary {
            println!("seed {seed}, killed at boundary {boundary}");
            refused_life(seed, Some(boundary)).check_rest();
        }
    }
}
