//! `cargo xtask sim`: the simulator, optimised; and whether it finds the engine's rules broken on purpose.

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::process::{self, cargo};
use crate::{options, workspace};

const BUILD: [&str; 5] = ["build", "--release", "--quiet", "--package", "nightferry-sim"];
/// How many seeds the suite lives through, and how many a broken rule may stay hidden for.
const FRESH: &str = "500";
const WITHIN: &str = "1000";

/// A rule of the engine, and how to break it: `rule` stands once in `file`, and `broken` takes its place.
struct Mutant {
    name: &'static str,
    file: &'static str,
    rule: &'static str,
    broken: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "acknowledge before commit",
        file: "src/engine/pages.rs",
        rule: "Arrival::Accepted | Arrival::Known => {}",
        broken: "Arrival::Accepted | Arrival::Known => {
            let accepted = self.journal.accepted(page);
            self.post(To::page(page), from_worker::ack(accepted));
        }",
    },
    Mutant {
        name: "retry over a newer edit",
        file: "src/engine/commit.rs",
        rule: "Pending { positions: back.positions, since: back.since, made, ..newer }",
        broken: "back",
    },
    Mutant {
        name: "timer not armed again",
        file: "src/engine/commit.rs",
        rule: "            items.debounce.set(&key, now);\n",
        broken: "",
    },
];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Breaks the rules on purpose instead.
    mutants: bool,
    /// For the simulator.
    simulator: Vec<String>,
    /// True if the first seed is given.
    has_seed: bool,
}

impl Options {
    pub fn parse(mut parser: Parser) -> Result<Options> {
        let mut options = Options::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("mutants") => options.mutants = true,
                Arg::Long("fresh" | "keep-going") => options.simulator.push(options::text(&argument)),
                Arg::Long("seeds" | "from" | "seed") => {
                    let name = options::text(&argument);
                    let number = options::value(&mut parser).filter(|number| number.parse::<u64>().is_ok());
                    let number =
                        number.with_context(|| format!("{name} takes a number, such as `{name} 500`"))?;
                    options.has_seed |= name != "--seeds";
                    options.simulator.extend([name, number]);
                }
                other => {
                    let takes = "--seeds, --from, --seed, --fresh, --keep-going and --mutants";
                    return Err(options::unknown("sim", &other, takes));
                }
            }
        }
        Ok(options)
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    if options.mutants {
        mutants()?;
        return Ok(ExitCode::SUCCESS);
    }
    process::show(&mut cargo(BUILD))?;
    let simulator = workspace::cargo_target().join("release/nightferry-sim");
    let mut simulator = process::command(simulator, &options.simulator);
    if !options.has_seed {
        simulator.args(["--from", &fresh_seed()?]);
    }
    let status = simulator.status().context("the simulator could not be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The suite: the known seeds, and fresh ones.
pub fn check() -> Result<()> {
    process::show(&mut cargo(BUILD))?;
    let simulator = workspace::cargo_target().join("release/nightferry-sim");
    process::show(&mut process::command(simulator, ["--seeds", FRESH, "--from", &fresh_seed()?]))
}

/// Other seeds each time; the simulator prints the first.
fn fresh_seed() -> Result<String> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string())
}

/// Breaks each rule in a copy of the workspace, and lets the simulator look for it.
fn mutants() -> Result<()> {
    let copy = workspace::prepared().join("mutants/workspace");
    let target = workspace::prepared().join("mutants/target");
    let mut hidden = Vec::new();
    for mutant in MUTANTS {
        println!("→ {}", mutant.name);
        copy_folder(workspace::root(), &copy)?;
        break_rule(mutant, &copy)?;
        // A rule that is gone leaves what it used unused.
        let mut build = cargo(BUILD);
        build.current_dir(&copy).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "--allow warnings");
        process::show(&mut build)?;
        let arguments = ["--seeds", WITHIN, "--from", "0", "--fresh"];
        let output = process::command(target.join("release/nightferry-sim"), arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_default();
        if output.status.success() {
            hidden.push(mutant.name);
            println!("  NOT FOUND within {WITHIN} seeds");
        } else {
            println!("  found: {}", line("FAILED: ").chars().take(160).collect::<String>());
            println!("  {}", line(" seeds in "));
        }
    }
    if !hidden.is_empty() {
        bail!("the simulator does not see: {}", hidden.join(", "));
    }
    Ok(())
}

fn break_rule(mutant: &Mutant, copy: &Path) -> Result<()> {
    let path = copy.join(mutant.file);
    let source = std::fs::read_to_string(&path)?;
    if source.matches(mutant.rule).count() != 1 {
        bail!(
            "\"{}\" cannot be tried: {} does not have `{}` once any more. Say in xtask/src/sim.rs how this rule is broken now",
            mutant.name,
            mutant.file,
            mutant.rule.trim()
        );
    }
    std::fs::write(&path, source.replacen(mutant.rule, mutant.broken, 1))?;
    Ok(())
}

/// Copies what is not built; a file that is the same already is left alone, so that cargo builds no more than it has to.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with('.') || ["target", "dist", "node_modules", "docs"].contains(&&*text) {
            continue;
        }
        let (path, copy) = (entry.path(), to.join(&name));
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else if std::fs::read(&copy).ok() != Some(std::fs::read(&path)?) {
            std::fs::copy(&path, &copy)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_go_to_the_simulator() {
        let options = parse(&["--seeds=9", "--fresh", "--from", "3"]).unwrap();
        assert_eq!(options.simulator, ["--seeds", "9", "--fresh", "--from", "3"]);
        assert!(options.has_seed && !parse(&["--seeds", "9"]).unwrap().has_seed);
        assert!(parse(&["--mutants"]).unwrap().mutants);
        for (wrong, error) in [
            (&["--seed"][..], "--seed takes a number"),
            (&["--from", "x"], "--from takes a number"),
            (&["--sed", "1"], "`sim` does not know `--sed`"),
        ] {
            assert!(parse(wrong).unwrap_err().to_string().contains(error), "{wrong:?}");
        }
    }

    #[test]
    fn every_rule_that_is_broken_on_purpose_is_still_there() {
        for mutant in MUTANTS {
            let source =
                std::fs::read_to_string(workspace::root().join(mutant.file)).expect("it can be read");
            assert_eq!(source.matches(mutant.rule).count(), 1, "{}", mutant.name);
        }
    }
}
