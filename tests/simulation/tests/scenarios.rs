//! The simulator itself: a seed is one scenario, always the same, and no two are alike.

use nightferry_sim::scenario::Scenario;
use nightferry_sim::trace;

fn hash(seed: u64) -> u64 {
    let mut scenario = Scenario::new(seed);
    scenario.world.trace = Some(Vec::new());
    scenario.run();
    trace::hash(&scenario.world.trace.unwrap_or_default())
}

#[test]
fn a_seed_is_lived_the_same_way_each_time() {
    for seed in 0..20 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
}

#[test]
fn seeds_differ() {
    let mut hashes: Vec<u64> = (0..20).map(hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

/// Writing a scenario down changes nothing of it.
#[test]
fn a_trace_costs_no_chance() {
    for seed in 0..5 {
        let (mut plain, mut traced) = (Scenario::new(seed), Scenario::new(seed));
        traced.world.trace = Some(Vec::new());
        plain.run();
        traced.run();
        assert_eq!((plain.world.steps, plain.world.now), (traced.world.steps, traced.world.now));
    }
}
