//! What people read: failures, progress, a summary.

use nightferry_sim::kinds::Tally;
use nightferry_sim::profile::PROFILES;
use nightferry_sim::property::PROPERTIES;
use nightferry_sim::scenario::{Plan, Scenario};
use nightferry_sim::shrink;
use std::process::ExitCode;
#[expect(clippy::disallowed_types, reason = "how long it takes is for people; no run depends on it")]
type Clock = std::time::Instant;

/// How many of a failed run's events are shown.
pub const LAST: usize = 40;

pub fn fail(seed: u64, failure: &str, trace: &[String]) -> ExitCode {
    let says = PROPERTIES.iter().map(|property| property.text());
    let named = says.into_iter().find(|(name, _)| failure.starts_with(name));
    println!("\nFAILED: {failure}");
    if let Some((name, says)) = named {
        println!("  {name}: {says}");
    }
    for line in &trace[trace.len().saturating_sub(LAST)..] {
        println!("  | {}", cut(line));
    }
    println!("  seed {seed}; the same again, with its whole trace: cargo xtask sim --seed {seed}");
    ExitCode::FAILURE
}

/// Prints a short scenario that fails: its acts, then the last lines of its trace.
pub fn short(plan: Plan, last: usize) {
    let (scenario, failure) = shrink::run(plan, true);
    let trace = scenario.world.trace.as_deref().unwrap_or_default();
    println!(
        "\nSHRUNK to {} acts, {} pages, roll {}",
        scenario.done.len(),
        scenario.plan.pages,
        scenario.plan.roll
    );
    println!(
        "  {:?}, the worker dies after the last act: {:?}",
        scenario.plan.rates, scenario.plan.last_death
    );
    for (step, from) in &scenario.done {
        // What the act itself did is in the lines after its own.
        let did =
            trace.get(from + 1).filter(|line| line.contains(" page ") || line.contains("at the server"));
        let did = did.map_or("", |line| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()));
        println!("  {:?}, then {} ms:{}", step.act, step.pause, cut(did));
    }
    trace[trace.len().saturating_sub(last)..].iter().for_each(|line| println!("  | {}", cut(line)));
    println!("  {}", failure.as_deref().unwrap_or("it did not fail again"));
}

fn cut(line: &str) -> String {
    line.chars().take(400).collect()
}

pub struct Summary {
    began: Clock,
    shown: u64,
    seeds: u64,
    finished: u64,
    pub failed: u64,
    steps: usize,
    tally: Tally,
    profiles: Vec<u64>,
    /// How often each property did not hold.
    broken: Vec<(String, u64)>,
}

impl Summary {
    pub fn new(seeds: u64) -> Self {
        Summary {
            began: Clock::now(),
            shown: 0,
            seeds,
            finished: 0,
            failed: 0,
            steps: 0,
            tally: Tally::default(),
            profiles: vec![0; PROFILES.len()],
            broken: Vec::new(),
        }
    }

    pub fn add(&mut self, scenario: &Scenario, failure: Option<&str>) {
        self.finished += 1;
        self.steps += scenario.world.steps;
        self.tally.add(&scenario.tally());
        let profile = PROFILES.iter().position(|profile| profile.name == scenario.plan.profile.name);
        self.profiles[profile.unwrap_or(0)] += 1;
        if let Some(failure) = failure {
            self.failed += 1;
            let name = failure.split(':').next().unwrap_or_default().to_owned();
            match self.broken.iter_mut().find(|broken| broken.0 == name) {
                Some(broken) => broken.1 += 1,
                None => self.broken.push((name, 1)),
            }
        }
        let seconds = self.began.elapsed().as_secs();
        if seconds >= self.shown + 2 {
            self.shown = seconds;
            println!("  {} of {} seeds, {:.1} ms a seed", self.finished, self.seeds, self.ms());
        }
    }

    fn ms(&self) -> f64 {
        self.began.elapsed().as_secs_f64() * 1000.0 / self.finished.max(1) as f64
    }

    pub fn print(&self, all_faults: bool) -> ExitCode {
        println!("\nfaults that happened");
        self.tally.iter().for_each(|(name, count)| println!("  {count:>8}  {name}"));
        println!("profiles");
        for (profile, count) in PROFILES.iter().zip(&self.profiles) {
            println!("  {count:>8}  {}", profile.name);
        }
        for (name, count) in &self.broken {
            println!("broken  {count:>4}  {name}");
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let (finished, failed, ms, steps) = (self.finished, self.failed, self.ms(), self.steps);
        println!("{finished} seeds in {seconds:.1} s, {ms:.2} ms a seed, {steps} events; {failed} failed");
        let missing: Vec<&str> =
            self.tally.iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect();
        if failed == 0 && all_faults && !missing.is_empty() {
            println!("FAILED: these faults never happened, so they test nothing: {}", missing.join(", "));
            return ExitCode::FAILURE;
        }
        if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
