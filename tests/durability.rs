//! P1, P2, P3: the worker dies at every boundary, and what was acknowledged is there after, once, in order.

use nightferry_sim::World;
use nightferry_sim::fleet::Fleet;
use nightferry_sim::server::Fault;
use serde_json::json;

/// A hot item and a cold one in the same records, creations, updates, deletes, re-creations, two pages, a slice that
/// stays here.
fn run(mut world: World) -> World {
    let slices = r#"{"files":{"debounceMs":50,"maxWaitMs":200},"theme":{"single":true,"syncToFlask":false,"debounceMs":20}}"#;
    world.open_page(slices);
    world.open_page(slices);
    world.burst(
        0,
        &[
            ("files/addItem", json!({"id": "hot", "x": 0})),
            ("files/addItem", json!({"id": "cold", "x": 0})),
            ("files/addItem", json!({"id": "gone", "x": 0})),
            ("files/addItem", json!({"id": "never"})),
            ("theme/setTheme", json!("dark")),
        ],
    );
    world.dispatch(1, "files/removeItem", json!("never"));
    for x in 1..6 {
        world.burst(
            0,
            &[
                ("files/updateItem", json!({"id": "hot", "x": x})),
                ("files/updateItem", json!({"id": "other", "y": x})),
            ],
        );
        world.run_for(30);
    }
    world.dispatch(1, "files/removeItem", json!("gone"));
    world.run_for(100);
    world.burst(1, &[("files/addItem", json!({"id": "gone", "x": 2})), ("theme/setTheme", json!(null))]);
    world.run_for(90);
    world.burst(
        0,
        &[("files/removeItem", json!({"id": "hot"})), ("files/updateItem", json!({"id": "cold", "x": 7}))],
    );
    let flush = world.ask(0, "flush");
    world.run_for(5);
    world.dispatch(1, "files/addItem", json!({"id": "hot", "x": 9}));
    world.run_until_quiescent();
    assert_eq!(world.pages[0].answer(flush), Some("done"));
    world
}

fn every_boundary(faults: &[Fault]) {
    for seed in [1, 2] {
        let world = |kill_at| {
            let mut world = World::new(seed);
            world.server.faults = faults.to_vec().into();
            world.kill_at = kill_at;
            run(world)
        };
        let undisturbed = world(None);
        undisturbed.check_converged();
        assert!(undisturbed.boundary > 100);
        for boundary in 1..=undisturbed.boundary {
            println!("seed {seed}, killed at boundary {boundary}");
            world(Some(boundary)).check_converged();
        }
    }
}

#[test]
fn killed_at_every_boundary() {
    every_boundary(&[]);
}

#[test]
fn killed_at_every_boundary_while_answers_are_lost() {
    every_boundary(&[
        Fault::AnswerLost,
        Fault::Nothing,
        Fault::AnswerLost,
        Fault::Internal,
        Fault::AnswerSwallowed,
    ]);
}

/// IndexedDB finishes transactions that touch other stores in any order: the newer edit's commit may survive, and the
/// note that the older one was about to be sent may not.
#[test]
fn killed_before_a_push_is_written_down_and_after_the_next_edit_is_committed() {
    let mut met = 0;
    for seed in 0..20 {
        let mut world =
            World::with(seed, r#"{"files":{"debounceMs":50},"cold":{"debounceMs":60000,"maxWaitMs":60000}}"#);
        world.run_until_quiescent();
        // The cold item keeps the journal from being trimmed, so that a commit does not touch `_meta`.
        world
            .burst(0, &[("cold/addItem", json!({"id": "c"})), ("files/addItem", json!({"id": "a", "x": 1}))]);
        world.run_until("it is acknowledged", |world| world.pages[0].acknowledged == 1);
        world.disk.hold = Some("_meta");
        world.run_for(60);
        world.dispatch(0, "files/updateItem", json!({"id": "a", "x": 2}));
        world.run_until("the edit is committed", |world| {
            world.disk.item("files", "a").is_some_and(|item| item["x"] == 2)
        });
        world.kill();
        world.disk.hold = None;
        met += usize::from(world.disk.meta("push").is_none());
        world.boot();
        world.run_until_quiescent();
        world.check_converged();
    }
    assert!(met > 0, "the case that this test is about");
}

/// Several transactions at once may take finished records along: one that was begun later must not put back how far the
/// journal is trimmed, or positions and bursts are taken twice.
#[test]
fn marks_go_forward_with_several_transactions_open() {
    for seed in 0..30 {
        let slices = r#"{"files":{"debounceMs":0,"batchSize":1},"notes":{"debounceMs":5,"batchSize":1}}"#;
        let mut world = World::with(seed, slices);
        world.fault_rates.late_work = 200;
        for x in 0..30 {
            let id = world.rng.below(3);
            world.burst(
                0,
                &[
                    ("files/addItem", json!({"id": id, "x": x})),
                    ("notes/addItem", json!({"id": x % 4, "x": x})),
                ],
            );
            let pause = world.rng.below(30);
            world.run_for(pause);
        }
        world.run_until_quiescent();
        world.check_converged();
    }
}

/// Two devices edit the same items while the second one is offline, and later the server is wiped. The second one pulls pages,
/// merges, finds a conflict and rebuilds.
fn pulling(seed: u64, kill_at: Option<usize>) -> Fleet {
    let mut fleet = Fleet::with(seed, 2, r#"{"files":{"debounceMs":0}}"#);
    let edit = |fleet: &mut Fleet, device: usize, kind: &str, payload| {
        fleet.on(device, |world| world.dispatch(0, kind, payload));
    };
    fleet.devices[1].kill_at = kill_at;
    for id in ["merged", "disputed", "gone"] {
        edit(&mut fleet, 0, "files/addItem", json!({"id": id, "x": 0, "y": 0}));
    }
    fleet.run_until_quiescent();
    fleet.sync_all();
    fleet.cut_off(1, true);
    for (device, field) in [(0, "x"), (1, "y")] {
        edit(&mut fleet, device, "files/updateItem", json!({"id": "merged", field: 1}));
        edit(&mut fleet, device, "files/updateItem", json!({"id": "disputed", "x": device + 1}));
    }
    edit(&mut fleet, 0, "files/removeItem", json!("gone"));
    fleet.run_for(3_000);
    fleet.cut_off(1, false);
    fleet.run_until_quiescent();
    fleet.sync_all();
    // Neither side gives way, and the conflict is there to be decided on.
    for (device, world) in fleet.devices.iter().enumerate() {
        assert_eq!(world.disk.item("files", "disputed").expect("an item")["x"], device + 1);
        assert_eq!(world.status().conflicts, device as u64);
    }
    fleet.server.wipe();
    fleet.run_for(60_000);
    fleet.sync_all();
    fleet
}

#[test]
fn killed_at_every_boundary_while_pages_are_pulled_and_a_history_is_rebuilt() {
    let undisturbed = pulling(1, None).devices[1].boundary;
    assert!(undisturbed > 100);
    for kill_at in (1..=undisturbed).map(Some).chain([None]) {
        println!("killed at boundary {kill_at:?}");
        let fleet = pulling(1, kill_at);
        let merged = Some(json!({"id": "merged", "x": 1, "y": 1}));
        assert_eq!(fleet.server.value("files", "merged"), merged);
        assert_eq!(fleet.server.value("files", "gone"), None);
        for world in &fleet.devices {
            assert_eq!(world.disk.item("files", "merged"), merged);
            assert_eq!(world.disk.item("files", "gone"), None);
            assert!(world.disk.pushing().is_empty() && world.disk.meta("rebuild").is_none());
        }
    }
}
