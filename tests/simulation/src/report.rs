//! The output for people: failures, progress, a summary.

use nightferry_sim::fleet;
use nightferry_sim::kinds::{Tally, happens};
use nightferry_sim::profile::{PROFILES, Profile};
use nightferry_sim::property::PROPERTIES;
use nightferry_sim::scenario::Plan;
use nightferry_sim::shrink::{self, Outcome};
use std::process::ExitCode;
#[expect(clippy::disallowed_types, reason = "how long it takes is for people; no run depends on it")]
pub type Clock = std::time::Instant;

/// How many of a failed run's events are shown.
pub const LAST: usize = 40;

pub fn fail(plan: &Plan, failure: &str, trace: &[String]) -> ExitCode {
    let seed = plan.seed;
    let devices = if plan.devices > 1 { format!(" --devices {}", plan.devices) } else { String::new() };
    let says = PROPERTIES.iter().map(|property| property.text());
    let named = says.into_iter().find(|(name, _)| failure.starts_with(name));
    println!("\nFAILED: {failure}");
    if let Some((name, says)) = named {
        println!("  {name}: {says}");
    }
    for line in &trace[trace.len().saturating_sub(LAST)..] {
        println!("  | {}", cut(line));
    }
    println!("  seed {seed}; the same again, with its whole trace: cargo xtask sim{devices} --seed {seed}");
    ExitCode::FAILURE
}

/// Prints a short scenario that fails: its acts, then the last lines of its trace.
pub fn short(plan: Plan, last: usize) {
    let Outcome { plan, done, trace, failure, .. } = shrink::run(plan, true);
    println!(
        "\nSHRUNK to {} acts, {} devices, {} pages, roll {}",
        done.len(),
        plan.devices,
        plan.pages,
        plan.roll
    );
    println!("  {:?}, the worker dies after the last act: {:?}", plan.rates, plan.last_death);
    for (step, from) in &done {
        // The effects of the act are in the lines after its own.
        let did =
            trace.get(from + 1).filter(|line| line.contains(" page ") || line.contains("at the server"));
        let did = did.map_or("", |line| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()));
        let device = if plan.devices > 1 { format!("d{} ", step.device) } else { String::new() };
        println!("  {device}{:?}, then {} ms:{}", step.act, step.pause, cut(did));
    }
    trace[trace.len().saturating_sub(last)..].iter().for_each(|line| println!("  | {}", cut(line)));
    println!("  {}", failure.as_deref().unwrap_or("it did not fail again"));
}

fn cut(line: &str) -> String {
    line.chars().take(400).collect()
}

/// The profiles of which a run's seeds draw.
fn drawn(is_of_fleet: bool) -> &'static [Profile] {
    if is_of_fleet { fleet::profile::PROFILES } else { PROFILES }
}

pub struct Summary {
    began: Clock,
    shown: u64,
    seeds: u64,
    finished: u64,
    pub failed: u64,
    steps: usize,
    tally: Tally,
    is_of_fleet: bool,
    profiles: Vec<u64>,
    /// How often each property did not hold.
    broken: Vec<(String, u64)>,
}

impl Summary {
    pub fn new(seeds: u64, is_of_fleet: bool) -> Self {
        Summary {
            began: Clock::now(),
            shown: 0,
            seeds,
            finished: 0,
            failed: 0,
            steps: 0,
            tally: Tally::default(),
            is_of_fleet,
            profiles: vec![0; drawn(is_of_fleet).len()],
            broken: Vec::new(),
        }
    }

    pub fn add(&mut self, outcome: &Outcome) {
        self.finished += 1;
        self.steps += outcome.steps;
        self.tally.add(&outcome.tally);
        let profiles = drawn(self.is_of_fleet);
        let profile = profiles.iter().position(|profile| profile.name == outcome.plan.profile.name);
        self.profiles[profile.unwrap_or(0)] += 1;
        if let Some(failure) = &outcome.failure {
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
        self.tally
            .iter()
            .filter(|(_, _, count)| *count > 0)
            .for_each(|(_, name, count)| println!("  {count:>8}  {name}"));
        println!("profiles");
        for (profile, count) in drawn(self.is_of_fleet).iter().zip(&self.profiles) {
            println!("  {count:>8}  {}", profile.name);
        }
        for (name, count) in &self.broken {
            println!("broken  {count:>4}  {name}");
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let (finished, failed, ms, steps) = (self.finished, self.failed, self.ms(), self.steps);
        println!("{finished} seeds in {seconds:.1} s, {ms:.2} ms a seed, {steps} events; {failed} failed");
        let missing: Vec<&str> = self
            .tally
            .iter()
            .filter(|(kind, _, count)| *count == 0 && happens(*kind, self.is_of_fleet))
            .map(|(_, name, _)| name)
            .collect();
        if failed == 0 && all_faults && !missing.is_empty() {
            println!("FAILED: these faults never happened, so they test nothing: {}", missing.join(", "));
            return ExitCode::FAILURE;
        }
        if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
