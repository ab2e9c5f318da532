//! The end-to-end tests, a module for each subject.

mod api;
mod bad_input;
mod bench;
mod coexist;
mod conflicts;
mod dashboard;
mod database;
mod decisions;
mod demo;
mod deployment;
mod engines;
mod examples;
mod faults;
mod first_pull;
mod forms;
mod full_disk;
mod harness;
mod import;
mod live;
mod migrating;
mod npm;
mod outage;
mod panics;
mod path;
mod react;
mod redux;
mod refused;
mod restarts;
mod rust_page;
mod sign_in;
mod sign_out;
mod store;
mod tabs;
mod traffic;
mod uplink;
mod users;
mod wakes;
mod workbox;
mod worker_hindered;
mod worker_missing;

#[test]
fn every_file_of_this_folder_is_a_module() -> anyhow::Result<()> {
    let source = include_str!("main.rs");
    for entry in std::fs::read_dir(nightferry_e2e::root().join("tests/e2e/tests"))? {
        let file = entry?.file_name();
        let name = file.to_string_lossy();
        let module = format!("mod {};", name.trim_end_matches(".rs"));
        assert!(name == "main.rs" || source.lines().any(|line| line == module), "main.rs has no `{module}`");
    }
    Ok(())
}
