//! `cargo xtask sim`: runs seeds, one after the other, and reports what happened.

mod report;

use nightferry_sim::scenario::Plan;
use nightferry_sim::{shrink, trace};
use report::Summary;
use std::process::ExitCode;

const USAGE: &str = "\
nightferry-sim [--seeds 500] [--from 0] [--keep-going] [--fresh] [--no-shrink]
                                 runs so many seeds; the known ones first, unless --fresh
nightferry-sim --seed S          runs one seed and prints its whole trace
nightferry-sim --seed S --shrink prints instead the shortest scenario found that fails in the same way";

/// Seeds that failed once, one a line; what follows a # says why.
const KNOWN: &str = include_str!("../seeds.txt");
/// From so many seeds on, every kind of fault has to have happened.
const ENOUGH: u64 = 500;
/// One seed in so many is run twice more, and both traces must be equal.
const TWICE: u64 = 50;

struct Options {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    keep_going: bool,
    /// A failure in a run of many seeds is shrunk.
    shrinks: bool,
    /// The failure of one seed is shrunk.
    shrinks_one: bool,
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
        Some(seed) => one(seed, options.shrinks_one),
        None => many(&options),
    }
}

fn options() -> Option<Options> {
    let mut options = Options {
        seeds: 500,
        from: 0,
        one: None,
        keep_going: false,
        shrinks: true,
        shrinks_one: false,
        fresh: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok();
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--seed" => options.one = Some(number()?),
            "--shrink" => options.shrinks_one = true,
            "--no-shrink" => options.shrinks = false,
            "--fresh" => options.fresh = true,
            "--keep-going" => options.keep_going = true,
            _ => return None,
        }
    }
    Some(options)
}

/// Runs one seed, prints its trace and, where it fails, the short scenario that fails in the same way.
fn one(seed: u64, shrinks: bool) -> ExitCode {
    let (scenario, failure) = shrink::run(Plan::draw(seed), true);
    let lines = scenario.world.trace.as_deref().unwrap_or_default();
    if !shrinks {
        lines.iter().for_each(|line| println!("{line}"));
    }
    println!("seed {seed}, profile \"{}\", trace {:016x}", scenario.plan.profile.name, trace::hash(lines));
    match failure {
        Some(failure) if shrinks => {
            report::short(shrink::shrink(scenario.plan, &failure), usize::MAX);
            report::fail(seed, &failure, &[])
        }
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
        let (scenario, failure) = shrink::run(Plan::draw(seed), false);
        summary.add(&scenario, failure.as_deref());
        if let Some(failure) = failure {
            let (again, _) = shrink::run(scenario.plan.clone(), true);
            report::fail(seed, &failure, again.world.trace.as_deref().unwrap_or_default());
            // Where a run goes on after failures, there are many of them.
            if options.shrinks && !options.keep_going {
                report::short(shrink::shrink(scenario.plan, &failure), report::LAST);
            }
            if !options.keep_going {
                break;
            }
        } else if seed % TWICE == 0 && hash(seed) != hash(seed) {
            summary.failed += 1;
            println!("FAILED: seed {seed} takes another course each time it is run");
        }
    }
    summary.print(options.seeds >= ENOUGH)
}

fn hash(seed: u64) -> u64 {
    trace::hash(shrink::run(Plan::draw(seed), true).0.world.trace.as_deref().unwrap_or_default())
}
