//! `cargo xtask sim`: lives through seeds, one after the other, and says what happened.

mod report;

use nightferry_sim::scenario::Scenario;
use nightferry_sim::trace;
use report::Summary;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

const USAGE: &str = "\
nightferry-sim [--seeds 500] [--from 0] [--keep-going] [--fresh]
                                 lives through so many seeds; the known ones first, unless --fresh
nightferry-sim --seed S          lives through one and prints its whole trace";

/// Seeds that failed once, one a line; what follows a # says why.
const KNOWN: &str = include_str!("../seeds.txt");
/// From so many seeds on, every kind of fault has to have happened.
const ENOUGH: u64 = 500;
/// One seed in so many is lived twice, to see that it goes the same way.
const TWICE: u64 = 50;

struct Options {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    keep_going: bool,
    /// A failure is shrunk.
    shrinks: bool,
    /// The known seeds are left out.
    fresh: bool,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    // A violated property is a panic; it is reported once, with the run's end.
    std::panic::set_hook(Box::new(|_| {}));
    match options.one {
        Some(seed) => one(seed),
        None => many(&options),
    }
}

fn options() -> Option<Options> {
    let mut options = Options { seeds: 500, from: 0, one: None, keep_going: false, shrinks: true, fresh: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok();
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--seed" => options.one = Some(number()?),
            "--no-shrink" => options.shrinks = false,
            "--fresh" => options.fresh = true,
            "--keep-going" => options.keep_going = true,
            _ => return None,
        }
    }
    Some(options)
}

/// Lives through a seed: what it was, and what did not hold.
fn live(seed: u64, traced: bool) -> (Scenario, Option<String>) {
    let mut scenario = Scenario::new(seed);
    scenario.world.trace = traced.then(Vec::new);
    let ended = catch_unwind(AssertUnwindSafe(|| scenario.run()));
    let failure = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    });
    (scenario, failure)
}

fn one(seed: u64) -> ExitCode {
    let (scenario, failure) = live(seed, true);
    let lines = scenario.world.trace.as_deref().unwrap_or_default();
    lines.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}, profile \"{}\", trace {:016x}", scenario.plan.profile.name, trace::hash(lines));
    match failure {
        Some(failure) => report::fail(seed, &failure, &[]),
        None => ExitCode::SUCCESS,
    }
}

fn many(options: &Options) -> ExitCode {
    let known = KNOWN
        .lines()
        .filter(|_| !options.fresh)
        .filter_map(|line| line.split('#').next()?.trim().parse().ok());
    let known: Vec<u64> = known.collect();
    println!("{} known seeds, then {} from {}", known.len(), options.seeds, options.from);
    let mut summary = Summary::new(known.len() as u64 + options.seeds);
    for seed in known.into_iter().chain(options.from..options.from + options.seeds) {
        let (scenario, failure) = live(seed, false);
        summary.lived(&scenario, failure.as_deref());
        if let Some(failure) = failure {
            let (again, _) = live(seed, true);
            report::fail(seed, &failure, again.world.trace.as_deref().unwrap_or_default());
            if !options.keep_going {
                break;
            }
        } else if seed % TWICE == 0 && hash(seed) != hash(seed) {
            summary.failed += 1;
            println!("FAILED: seed {seed} goes another way each time it is lived");
        }
    }
    summary.print(options.seeds >= ENOUGH)
}

fn hash(seed: u64) -> u64 {
    trace::hash(live(seed, true).0.world.trace.as_deref().unwrap_or_default())
}
