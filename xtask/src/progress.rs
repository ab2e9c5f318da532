//! Saying what is done while it is done.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The result of a step.
pub enum Step {
    Done,
    UpToDate,
}

/// Announces `what`, does it, and prints how long it took.
pub fn step(what: &str, work: impl FnOnce() -> Result<Step>) -> Result<()> {
    println!("→ {what}");
    let started = Instant::now();
    match work()? {
        Step::Done => println!("  done in {}", seconds(started.elapsed())),
        Step::UpToDate => println!("  up to date"),
    }
    Ok(())
}

pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
