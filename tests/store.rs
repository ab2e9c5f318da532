//! The store contract's cases, played on the stores that are in memory. IndexedDB plays them in tests/e2e/tests/store.rs.

use nightferry::engine::Input;
use nightferry::store::MemoryStore;
use nightferry::store::conformance::{Step, cases, compare_loaded, compare_snapshots};
use nightferry_sim::Rng;
use nightferry_sim::disk::{Disk, Finished, Told, Work, report};

#[test]
fn the_store_in_memory_keeps_the_contract() {
    for case in cases() {
        let mut store = MemoryStore::default();
        for (at, step) in case.steps.iter().enumerate() {
            let result = match step {
                Step::Create(stores) => {
                    store.create(stores);
                    Ok(())
                }
                Step::Write(writes) => store.apply(writes).map_err(|error| error.message),
                Step::Refused(writes) => match store.apply(writes) {
                    Ok(()) => Err("it was not refused".into()),
                    Err(_) => Ok(()),
                },
                Step::Start(expected) => compare_snapshots(expected, store.snapshot()),
                Step::Load { wanted, whole, loaded } => compare_loaded(loaded, store.load(wanted, whole)),
            };
            assert_eq!(result, Ok(()), "{}, step {at}", case.name);
        }
    }
}

/// Starts a piece of work, ends it, and says what the engine is told.
fn perform(disk: &mut Disk, work: Work) -> Input {
    let id = disk.start(work);
    let Finished::Done { work, result, .. } = disk.finish(id, &mut Rng(1)) else {
        panic!("nothing is open before it")
    };
    match report(work, result, disk) {
        Told::Engine(input) => input,
        Told::Pages(..) => panic!("no page asked"),
    }
}

#[test]
fn the_simulated_disk_keeps_the_contract() {
    for case in cases() {
        let mut disk = Disk::default();
        for (at, step) in case.steps.into_iter().enumerate() {
            let result = match step {
                Step::Create(stores) => match perform(&mut disk, Work::Migrate { stores }) {
                    Input::Migrated(result) => result.map_err(|error| error.message),
                    input => Err(input.to_string()),
                },
                Step::Write(writes) => match perform(&mut disk, Work::Store { txn: 1, writes }) {
                    Input::Stored { result, .. } => result.map_err(|error| error.message),
                    input => Err(input.to_string()),
                },
                Step::Refused(writes) => match perform(&mut disk, Work::Store { txn: 1, writes }) {
                    Input::Stored { result: Err(_), .. } => Ok(()),
                    input => Err(input.to_string()),
                },
                Step::Start(expected) => compare_snapshots(&expected, disk.store.snapshot()),
                Step::Load { wanted, whole, loaded } => {
                    match perform(&mut disk, Work::Load { load: 1, wanted, whole }) {
                        Input::Loaded { result: Ok(rows), .. } => compare_loaded(&loaded, rows),
                        input => Err(input.to_string()),
                    }
                }
            };
            assert_eq!(result, Ok(()), "{}, step {at}", case.name);
        }
    }
}
