//! Random actions, faults and kills in virtual time; then the faults stop, and everything has converged.

use nightferry_sim::server::Fault;
use nightferry_sim::{Dice, World};
use serde_json::{Value, json};

const SLICES: &str = r#"{"files":{"debounceMs":40,"maxWaitMs":150},"notes":{"debounceMs":0,"batchSize":2},"local":{"syncToFlask":false,"debounceMs":10},"theme":{"single":true}}"#;
const FAULTS: [Fault; 7] = [
    Fault::Nothing,
    Fault::Swallowed,
    Fault::AnswerSwallowed,
    Fault::AnswerLost,
    Fault::Refused,
    Fault::Internal,
    Fault::Html,
];

fn action(dice: &mut Dice, counter: u64) -> (&'static str, Value) {
    let id = dice.below(6).to_string();
    let item = |id: &str| json!({"id": id, "v": counter});
    match dice.below(12) {
        0..=1 => ("files/addItem", item(&id)),
        2..=4 => ("files/updateItem", json!({"id": id, "v": counter})),
        5 => ("files/removeItem", json!(id)),
        6 => ("notes/addItem", item(&id)),
        7 => ("notes/removeItem", json!({"id": id})),
        8 => ("local/addItem", item(&id)),
        9 => ("local/updateItem", json!({"id": id, "w": counter})),
        10 => ("theme/setTheme", json!(counter)),
        _ => ("notes/addItems", json!([item("1"), item(&id), item("é:/?#%")])),
    }
}

fn run(seed: u64) {
    let mut world = World::with(seed, SLICES);
    world.open_page(SLICES);
    world.kills = [0, 2, 10][seed as usize % 3];
    world.disk.failures = [0, 0, 20, 100][seed as usize % 4];
    for counter in 0..40 {
        let actions: Vec<_> =
            (0..1 + world.dice.below(4)).map(|part| action(&mut world.dice, counter * 10 + part)).collect();
        let page = world.dice.below(2) as usize;
        world.burst(page, &actions);
        if world.dice.chance(300) {
            let fault = FAULTS[world.dice.below(FAULTS.len() as u64) as usize];
            world.server.faults.push_back(fault);
        }
        match world.dice.below(20) {
            0 => drop(world.ask(page, "flush")),
            1 => drop(world.ask(page, "sync")),
            2 => world.server.faults.push_back(Fault::Forked),
            3 => world.disk.hold = Some(["_journal", "_outbox", "_meta", "files"][counter as usize % 4]),
            4 => world.kill_and_boot(),
            5..=8 => world.release(),
            _ => {}
        }
        let pause = [0, 1, 10, 100, 3_000][world.dice.below(5) as usize];
        world.run_for(pause);
    }
    world.kills = 0;
    world.disk.failures = 0;
    world.server.faults.clear();
    world.release();
    world.settle();
    world.check_converged();
    for page in &world.pages {
        assert_eq!(page.unanswered(), 0, "requests were never answered");
    }
}

/// Another device writes, and the server refuses: nothing is overwritten, and every item ends as one of both sides.
fn run_with_others(seed: u64) {
    let mut world = World::with(seed, SLICES);
    world.kills = [0, 5][seed as usize % 2];
    world.disk.failures = [0, 0, 20][seed as usize % 3];
    for counter in 0..40 {
        let id = world.dice.below(4).to_string();
        let action = match world.dice.below(4) {
            0 => ("files/addItem", json!({"id": id, "v": counter})),
            1 => ("files/removeItem", json!(id)),
            _ => ("files/updateItem", json!({"id": id, "v": counter})),
        };
        world.burst(0, &[action]);
        let other = world.dice.below(4).to_string();
        match world.dice.below(12) {
            0 => drop(world.server.write(
                "files",
                &other,
                Some(json!({"id": other, "v": "theirs", "n": counter})),
            )),
            1 => drop(world.server.write("files", &other, None)),
            2 => drop(world.server.refused.insert(other)),
            3 => world.server.refused.clear(),
            4 => world.server.faults.push_back(Fault::AnswerLost),
            5 => world.kill_and_boot(),
            _ => {}
        }
        let pause = [0, 10, 100, 3_000][world.dice.below(4) as usize];
        world.run_for(pause);
    }
    world.kills = 0;
    world.disk.failures = 0;
    world.server.refused.clear();
    world.settle();
    for id in ["0", "1", "2", "3"] {
        let (here, there) = (world.disk.item("files", id), world.server.value("files", id));
        match world.disk.conflict("files", id) {
            Some(conflict) => {
                assert_eq!(
                    conflict.get("local").cloned(),
                    here,
                    "{id}: the local side is what is seen: {conflict}"
                );
            }
            // Without a pull, what another device did last is not here yet.
            None => assert!(
                here == there || world.server.is_foreign("files", id),
                "{id} is {here:?} here, {there:?} there"
            ),
        }
    }
    let behind = world
        .disk
        .rows_of("_outbox")
        .into_iter()
        .filter(|row| world.disk.conflict("files", row["id"].as_str().expect("an id")).is_none());
    assert_eq!(behind.collect::<Vec<_>>(), [] as [Value; 0], "what is in no conflict is sent");
    assert_eq!(world.disk.count("_journal"), 0);
    assert_eq!(world.disk.meta("push"), None);
}

fn each_seed(run: fn(u64)) {
    let seeds = match option_env!("NIGHTFERRY_SEED") {
        Some(seed) => {
            let seed = seed.parse().expect("a number");
            seed..seed + 1
        }
        None => 0..300,
    };
    for seed in seeds {
        println!("seed {seed} (alone: NIGHTFERRY_SEED={seed} cargo test --test random)");
        run(seed);
    }
}

#[test]
fn converges_when_faults_stop() {
    each_seed(run);
}

#[test]
fn keeps_both_sides_when_others_write() {
    each_seed(run_with_others);
}
