//! The benchmark runs through and checks what was stored. What it measures is nothing that a test could hold to.

use anyhow::Result;
use nightferry_e2e::bench::{self, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_round_runs_through() -> Result<()> {
    let small = Options {
        rounds: 1,
        items: 20,
        hot_keys: 2,
        hot_updates: 20,
        hot_bursts: 2,
        edits: 3,
        pokes: 3,
        conflicts: 2,
        pulled: 3_000,
    };
    let report = bench::run(small, |_| {}).await?;
    let table = report.table();
    assert_eq!(table.lines().count(), 24, "{table}");
    assert!(table.contains("cold start, 20 items"), "{table}");
    assert!(report.markdown().contains("- browser: "), "{}", report.markdown());
    Ok(())
}
