//! `cargo xtask sim`: runs seeds, one after the other, and reports what happened.

mod report;

use nightferry_sim::scenario::Plan;
use nightferry_sim::shrink::{self, Outcome};
use nightferry_sim::trace;
use nightferry_sim::users::SharedBrowser;
use report::Summary;
use std::ops::Range;
use std::process::ExitCode;

const USAGE: &str = "\
nightferry-sim [--seeds 500] [--from 0] [--devices 1] [--keep-going] [--fresh] [--no-shrink]
                                 runs so many seeds; the known ones first, unless --fresh
nightferry-sim --users [--seeds 500] [--from 0]
                                 runs so many seeds of a browser with several users
nightferry-sim --seed S          runs one seed and prints its whole trace
nightferry-sim --seed S --shrink prints instead the shortest scenario found that fails in the same way";

/// Seeds that failed once, one a line; what follows a # says why. Those with a number of devices behind a colon are of a fleet.
const KNOWN: &str = include_str!("../seeds.txt");
/// From so many seeds on, every kind of fault has to have happened.
const ENOUGH: u64 = 500;
const MOST_DEVICES: u64 = 10;
/// One seed in so many is run twice more, and both traces must be equal.
const TWICE: u64 = 50;

struct Options {
    seeds: u64,
    from: u64,
    devices: usize,
    one: Option<u64>,
    keep_going: bool,
    /// A failure in a run of many seeds is shrunk.
    shrinks: bool,
    /// The failure of one seed is shrunk.
    shrinks_one: bool,
    /// The known seeds are left out.
    fresh: bool,
    /// A browser with several users.
    users: bool,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    // A violated property is a panic; it is reported once, with the run's end.
    std::panic::set_hook(Box::new(|_| {}));
    match options.one {
        Some(seed) if options.users => of_users(seed..seed + 1, true),
        Some(seed) => one(seed, &options),
        None if options.users => of_users(options.from..options.from + options.seeds, false),
        None => many(&options),
    }
}

fn options() -> Option<Options> {
    let mut options = Options {
        seeds: 500,
        from: 0,
        devices: 1,
        one: None,
        keep_going: false,
        shrinks: true,
        shrinks_one: false,
        fresh: false,
        users: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok();
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--devices" => options.devices = number()?.clamp(1, MOST_DEVICES) as usize,
            "--seed" => options.one = Some(number()?),
            "--shrink" => options.shrinks_one = true,
            "--no-shrink" => options.shrinks = false,
            "--fresh" => options.fresh = true,
            "--users" => options.users = true,
            "--keep-going" => options.keep_going = true,
            _ => return None,
        }
    }
    Some(options)
}

/// Runs one seed, prints its trace and, where it fails, the short scenario that fails in the same way.
fn one(seed: u64, options: &Options) -> ExitCode {
    let Outcome { plan, trace, failure, .. } = shrink::run(plan(seed, options.devices), true);
    if !options.shrinks_one {
        trace.iter().for_each(|line| println!("{line}"));
    }
    println!("seed {seed}, profile \"{}\", trace {:016x}", plan.profile.name, trace::hash(&trace));
    match failure {
        Some(failure) if options.shrinks_one => {
            report::short(shrink::shrink(plan.clone(), &failure), usize::MAX);
            report::fail(&plan, &failure, &[])
        }
        Some(failure) => report::fail(&plan, &failure, &[]),
        None => ExitCode::SUCCESS,
    }
}

fn plan(seed: u64, devices: usize) -> Plan {
    if devices > 1 { Plan::draw_fleet(seed, devices) } else { Plan::draw(seed) }
}

/// The known seeds, each with its number of devices.
fn known() -> impl Iterator<Item = (u64, usize)> {
    KNOWN.lines().filter_map(|line| {
        let text = line.split('#').next()?.trim();
        let (seed, devices) = text.split_once(':').unwrap_or((text, "1"));
        Some((seed.parse().ok()?, devices.parse().ok()?))
    })
}

fn many(options: &Options) -> ExitCode {
    let devices = options.devices;
    let is_of_fleet = devices > 1;
    let known = known().filter(|(_, devices)| !options.fresh && (*devices > 1) == is_of_fleet);
    let known: Vec<(u64, usize)> = known.collect();
    println!("{} known seeds, then {} from {}", known.len(), options.seeds, options.from);
    let mut summary = Summary::new(known.len() as u64 + options.seeds, is_of_fleet);
    let fresh = (options.from..options.from + options.seeds).map(|seed| (seed, devices));
    for (seed, devices) in known.into_iter().chain(fresh) {
        let outcome = shrink::run(plan(seed, devices), false);
        summary.add(&outcome);
        if let Some(failure) = outcome.failure {
            let again = shrink::run(outcome.plan.clone(), true);
            report::fail(&outcome.plan, &failure, &again.trace);
            // A run that goes on after failures has many of them.
            if options.shrinks && !options.keep_going {
                report::short(shrink::shrink(outcome.plan, &failure), report::LAST);
            }
            if !options.keep_going {
                break;
            }
        } else if seed % TWICE == 0 && hash(&outcome.plan) != hash(&outcome.plan) {
            summary.failed += 1;
            println!("FAILED: seed {seed} takes another course each time it is run");
        }
    }
    summary.print(options.seeds >= ENOUGH)
}

/// Runs these seeds of a browser with several users, to the first that fails.
fn of_users(seeds: Range<u64>, prints_trace: bool) -> ExitCode {
    let (began, mut strayed, mut ran) = (report::Clock::now(), 0, 0);
    for seed in seeds {
        let mut browser = None;
        let failure = shrink::failure(|| browser.insert(SharedBrowser::new(seed, prints_trace)).run());
        ran += 1;
        strayed += browser.as_ref().map_or(0, |browser| browser.strayed);
        browser.iter().flat_map(SharedBrowser::trace).for_each(|line| println!("{line}"));
        if let Some(failure) = failure {
            println!("FAILED: seed {seed}, several users: {failure}");
            println!("{ran} seeds in {:.1} s", began.elapsed().as_secs_f64());
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{ran} seeds in {:.1} s: users apart; {strayed} messages came to a worker of somebody else",
        began.elapsed().as_secs_f64()
    );
    if strayed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn hash(plan: &Plan) -> u64 {
    trace::hash(&shrink::run(plan.clone(), true).trace)
}
