//! `cargo xtask sim`: the simulator, optimised; and whether it finds the engine's rules broken on purpose.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::process::{self, cargo};
use crate::{options, workspace};

const BUILD: [&str; 5] = ["build", "--release", "--quiet", "--package", "nightferry-sim"];
/// The number of fresh seeds in the suite, and of seeds within which a broken rule must be found.
const FRESH: &str = "500";
const WITHIN: &str = "2000";
/// The same for several devices. Their seeds in the suite are always the same: about three of a thousand others still fail.
const FLEET: &str = "3";
const FLEET_SEEDS: &str = "250";
const FLEET_WITHIN: &str = "5000";

/// The suite breaks these; all of them take some five minutes on two cores, so they are for `cargo xtask sim --mutants`.
const IN_SUITE: [&str; 9] = [
    "an answer is taken before it is durable",
    "a checkpoint trims early",
    "rebase takes a side",
    "withdrawn values are forgotten",
    "the base stands for what was sent",
    "the clock follows the wall",
    "a pull overwrites an unsent edit",
    "a resolution decides on a newer conflict",
    "a worker answers another user's page",
];

/// A rule of the engine, and how to break it: `rule` stands once in `file`, and `broken` takes its place.
struct Mutant {
    name: &'static str,
    file: &'static str,
    rule: &'static str,
    broken: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "acknowledged before it is durable",
        file: "src/engine/messages.rs",
        rule: "            Arrival::Accepted | Arrival::Known => {}
",
        broken: "            Arrival::Accepted | Arrival::Known => {
                let accepted = self.journal.accepted(page);
                self.clients.post(To::page(page), from_worker::ack(accepted));
            }
",
    },
    Mutant {
        name: "a burst that comes too early is taken",
        file: "src/engine/journal.rs",
        rule: "        if n != mark.accepted.next() {",
        broken: "        if false {",
    },
    Mutant {
        name: "a replay applies edits twice",
        file: "src/engine/replica/effects.rs",
        rule: "        if position <= entry.durable_position {",
        broken: "        if false {",
    },
    Mutant {
        name: "a replay applies answers twice",
        file: "src/engine/replica/effects.rs",
        rule: "        if record.position <= entry.durable_position {
            if entry.item.skip_answer(",
        broken: "        if false {
            if entry.item.skip_answer(",
    },
    Mutant {
        name: "an answer is taken before it is durable",
        file: "src/engine/advance.rs",
        rule: "            Outcome::Answers { answers, with } => self.record(answers, with),",
        broken: "            Outcome::Answers { answers, with } => {
                self.storage.add_standalone(with);
                self.record(answers, Vec::new());
            }",
    },
    Mutant {
        name: "the next push is chosen before the answers are in effect",
        file: "src/engine/journal.rs",
        rule: "        unwritten || self.waiting.iter().any(|(_, burst)| burst.is_none())",
        broken: "        false && unwritten",
    },
    Mutant {
        name: "a push is rebuilt instead of repeated as written",
        file: "src/engine/uplink/mod.rs",
        rule: "            true if !self.operations().is_empty() => self.push_again(context.replica),",
        broken: "            true if !self.operations().is_empty() => {
                for operation in self.push.iter_mut().flat_map(|push| &mut push.operations) {
                    operation.value = context.replica.visible(&operation.key()).cloned();
                    operation.deleted = operation.value.is_none();
                }
                self.push_again(context.replica)
            }",
    },
    Mutant {
        name: "a checkpoint trims early",
        file: "src/engine/journal.rs",
        rule: "            record.left.is_some_and(|left| left <= releases.get(position).copied().unwrap_or(0))",
        broken: "            record.left.is_some_and(|left| left <= 1 + releases.get(position).copied().unwrap_or(0))",
    },
    Mutant {
        name: "a row's position is one too high",
        file: "src/engine/replica/item.rs",
        rule: "        ItemRow {
            position: self.position,",
        broken: "        ItemRow {
            position: self.position.next(),",
    },
    Mutant {
        name: "a merge takes the local side",
        file: "src/rebase/strategy.rs",
        rule: "            return Some(merged.value);",
        broken: "            return Some(local.map(Json::from));",
    },
    Mutant {
        name: "a merge takes the server's side",
        file: "src/rebase/strategy.rs",
        rule: "            return Some(merged.value);",
        broken: "            return Some(remote.map(Json::from));",
    },
    Mutant {
        name: "rebase takes a side",
        file: "src/rebase/strategy.rs",
        rule: "            Strategy::Merge | Strategy::Manual => return None,",
        broken: "            Strategy::Merge | Strategy::Manual => true,",
    },
    Mutant {
        name: "withdrawn values are forgotten",
        file: "src/engine/replica/item.rs",
        rule: "            self.maybe.push(sent.clone());
",
        broken: "",
    },
    Mutant {
        name: "the base stands for what was sent",
        file: "src/engine/replica/item/sides.rs",
        rule: "        self.base = answer.sent.value.clone();",
        broken: "        if changed.is_none() {
            self.base = answer.sent.value.clone();
        }",
    },
    Mutant {
        name: "refused changes are forgotten by a restart",
        file: "src/engine/replica/item.rs",
        rule: "            refused: row.refused,",
        broken: "            refused: Vec::new(),",
    },
    Mutant {
        name: "a failed checkpoint forgets a newer edit",
        file: "src/engine/replica/checkpoint.rs",
        rule: "        self.value_is_dirty |= failed.value.is_some() || failed.first_changed_at.is_some();",
        broken: "        self.value_is_dirty = self.first_changed_at.is_none();",
    },
    Mutant {
        name: "the timer of a failed checkpoint is not armed again",
        file: "src/engine/replica/checkpoint.rs",
        rule: "                    entry.write_again(&written);
                    self.debounce.set(&written.key, now);
",
        broken: "                    entry.write_again(&written);
",
    },
    Mutant {
        name: "the clock follows the wall",
        file: "src/engine/mod.rs",
        rule: "        self.now = Now { tick: self.now.tick.max(moment.tick), at: moment.at };",
        broken: "        let tick = Tick((self.now.tick.0 + moment.at.0).saturating_sub(self.now.at.0));
        self.now = Now { tick: self.now.tick.max(tick), at: moment.at };",
    },
    Mutant {
        name: "a server's Retry-After is not obeyed",
        file: "src/engine/backoff.rs",
        rule: "    jittered.max(retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_MS))",
        broken: "    jittered",
    },
];

/// Rules that only several devices can see broken. Some are rules of the server, broken in its model.
const FLEET_MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a cursor skips an open transaction",
        file: "tests/simulation/src/server.rs",
        rule: "        (lock.holder != push && now < lock.until).then_some(lock.until + 1)",
        broken: "        (false && lock.holder != push && now < lock.until).then_some(lock.until + 1)",
    },
    Mutant {
        name: "a tombstone is collected early",
        file: "tests/simulation/src/server/history.rs",
        rule: "        self.items.retain(|_, row| row.value.is_some() || row.version > forgotten);",
        broken: "        self.items.retain(|_, row| row.value.is_some());",
    },
    Mutant {
        name: "a merge of two devices takes one side",
        file: "src/rebase/strategy.rs",
        rule: "            return Some(merged.value);",
        broken: "            return Some(local.map(Json::from));",
    },
    Mutant {
        name: "a stale base is kept after a restore",
        file: "src/engine/replica/item/sides.rs",
        rule: "        let is_lost = reason == RebuildReason::HistoryChanged && remote.version != self.version;",
        broken: "        let is_lost = false && reason == RebuildReason::HistoryChanged;",
    },
    Mutant {
        name: "a poke without a pull",
        file: "src/engine/uplink/mod.rs",
        rule: "            self.pull.told_of(version);
            self.contact();
        }
    }

    pub fn live_ended",
        broken: "            self.pull.told_of(version);
        }
    }

    pub fn live_ended",
    },
    Mutant {
        name: "another's change is taken for the device's own",
        file: "src/engine/replica/item/sides.rs",
        rule: "self.maybe.iter().find(|maybe| remote.own && same(maybe, &remote.value));",
        broken: "self.maybe.iter().find(|maybe| same(maybe, &remote.value) || !remote.own);",
    },
    Mutant {
        name: "a pull overwrites an unsent edit",
        file: "src/engine/replica/effects.rs",
        rule: "        let overwritten = change.filter(|_| !self.entries.contains_key(key));",
        broken: "        let overwritten = change;",
    },
    Mutant {
        name: "a resolution decides on a newer conflict",
        file: "src/engine/replica/item/edits.rs",
        rule: "self.conflict.take_if(|conflict| conflict.conflict_no() == number) else {",
        broken: "self.conflict.take_if(|_| number == number) else {",
    },
    Mutant {
        name: "a cursor is written before its changes",
        file: "src/engine/pulled.rs",
        rule: "            self.add_pulled(Pulled { changes, rebuild, ..Pulled::default() }, cursors, Vec::new());",
        broken: "            self.storage.add_standalone(write_cursors(&cursors));
            self.add_pulled(Pulled { changes, rebuild, ..Pulled::default() }, cursors, Vec::new());",
    },
    Mutant {
        name: "a page that is behind overwrites what it has not seen",
        file: "src/engine/replica/item/edits.rs",
        rule: "        (self.version.is_some() || self.conflict.is_some()) && editor.seen < self.foreign",
        broken: "        false && editor.seen < self.foreign",
    },
    Mutant {
        name: "a page is not told what its change came to",
        file: "src/engine/replica/effects.rs",
        rule: "        applied.corrected = with_values(corrected);",
        broken: "        drop(with_values(corrected));",
    },
    Mutant {
        name: "a device forgets a deleted item at once",
        file: "src/engine/replica/item/sides.rs",
        rule: "self.version.is_some_and(|version| version < below)",
        broken: "self.version.is_some_and(|version| version.0 > 0 || version < below)",
    },
];

/// Rules that only several users of one browser can see broken.
const USERS_MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a worker answers another user's page",
        file: "src/engine/messages.rs",
        rule: "            && **own != **theirs
",
        broken: "            && false
            && **own != **theirs
",
    },
    Mutant {
        name: "a worker takes another user's changes",
        file: "src/engine/messages.rs",
        rule: "            // Nothing of this database is for that page, and nothing of that page for this database.
            if request.is_some() || matches!(up.body, Body::Actions { .. }) {",
        broken: "            if let Body::Actions { n, first, seen, actions, .. } = &up.body {
                let policies = self.settings.slices().policies();
                let (n, first, seen) = (*n, *first, *seen);
                let arriving = Arriving { page: &page, n, first, seen, policies, text: actions };
                let epoch = self.settings.epoch().clone();
                self.take_burst(&epoch, arriving);
            } else if request.is_some() {",
    },
];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Breaks the rules on purpose instead: those whose names have this in them.
    mutants: Option<String>,
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
                Arg::Long("mutants") => options.mutants = Some(String::new()),
                Arg::Long("mutant") => {
                    let part = options::value(&mut parser);
                    options.mutants = Some(part.context("--mutant takes a part of a mutant's name")?);
                }
                Arg::Long("fresh" | "keep-going" | "shrink" | "users") => {
                    options.simulator.push(options::text(&argument))
                }
                Arg::Long("seeds" | "from" | "seed" | "devices") => {
                    let name = options::text(&argument);
                    let number = options::value(&mut parser).filter(|number| number.parse::<u64>().is_ok());
                    let number =
                        number.with_context(|| format!("{name} takes a number, such as `{name} 500`"))?;
                    options.has_seed |= ["--seed", "--from"].contains(&&*name);
                    options.simulator.extend([name, number]);
                }
                other => {
                    let takes = "--seeds, --from, --seed, --devices, --users, --shrink, --fresh, --keep-going, --mutants and --mutant";
                    return Err(options::unknown("sim", &other, takes));
                }
            }
        }
        Ok(options)
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    if let Some(part) = &options.mutants {
        mutants(|mutant| mutant.name.contains(part))?;
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

/// The suite: the known seeds, fresh ones, and some of the rules broken on purpose.
pub fn check() -> Result<()> {
    // Where the rules are broken after: what is compiled now need not be compiled then.
    let simulator = compile_copy(None)?;
    let fresh = fresh_seed()?;
    for (devices, seeds, from) in [("1", FRESH, &*fresh), (FLEET, FLEET_SEEDS, "0")] {
        let arguments = ["--devices", devices, "--seeds", seeds, "--from", from];
        process::show(&mut process::command(&simulator, arguments))?;
    }
    process::show(&mut process::command(&simulator, ["--users", "--seeds", FRESH, "--from", &fresh]))?;
    mutants(|mutant| IN_SUITE.contains(&mutant.name))
}

/// Other seeds each time; the simulator prints the first.
fn fresh_seed() -> Result<String> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string())
}

/// Breaks each rule in a copy of the workspace, and lets the simulator look for it.
fn mutants(is_chosen: impl Fn(&Mutant) -> bool) -> Result<()> {
    let mut hidden = Vec::new();
    let of_device = MUTANTS.iter().map(|mutant| (mutant, &["--devices", "1"][..], WITHIN));
    let of_fleet = FLEET_MUTANTS.iter().map(|mutant| (mutant, &["--devices", FLEET][..], FLEET_WITHIN));
    let of_users = USERS_MUTANTS.iter().map(|mutant| (mutant, &["--users"][..], WITHIN));
    let all = of_device.chain(of_fleet).chain(of_users);
    for (mutant, kind, within) in all.filter(|(mutant, ..)| is_chosen(mutant)) {
        println!("→ {}", mutant.name);
        let simulator = compile_copy(Some(mutant))?;
        let seeds = ["--seeds", within, "--from", "0", "--fresh", "--no-shrink"];
        let arguments = kind.iter().chain(&seeds);
        let output = process::command(simulator, arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_default();
        if output.status.success() {
            hidden.push(mutant.name);
            println!("  NOT FOUND within {within} seeds");
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

/// Compiles the simulator in a copy of the workspace, with this rule broken or with none, and returns the program.
fn compile_copy(broken: Option<&Mutant>) -> Result<PathBuf> {
    let copy = workspace::prepared().join("mutants/workspace");
    let target = workspace::prepared().join("mutants/target");
    copy_folder(workspace::root(), &copy)?;
    if let Some(mutant) = broken {
        break_rule(mutant, &copy)?;
    }
    let mut build = cargo(BUILD);
    // A rule that is gone leaves what it used unused.
    build.current_dir(&copy).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "--allow warnings");
    // Only what a rule is a part of is compiled again.
    process::show(build.env("CARGO_INCREMENTAL", "1"))?;
    Ok(target.join("release/nightferry-sim"))
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
        let options = parse(&["--seeds=9", "--fresh", "--devices", "3", "--from", "3"]).unwrap();
        assert_eq!(options.simulator, ["--seeds", "9", "--fresh", "--devices", "3", "--from", "3"]);
        assert!(!parse(&["--devices", "3"]).unwrap().has_seed);
        assert!(options.has_seed && !parse(&["--seeds", "9"]).unwrap().has_seed);
        assert_eq!(parse(&["--mutants"]).unwrap().mutants.as_deref(), Some(""));
        assert_eq!(parse(&["--mutant", "merge"]).unwrap().mutants.as_deref(), Some("merge"));
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
        let all = || MUTANTS.iter().chain(FLEET_MUTANTS).chain(USERS_MUTANTS);
        for name in IN_SUITE {
            assert!(all().any(|mutant| mutant.name == name), "{name}");
        }
        for mutant in all() {
            let source =
                std::fs::read_to_string(workspace::root().join(mutant.file)).expect("it can be read");
            assert_eq!(source.matches(mutant.rule).count(), 1, "{}", mutant.name);
        }
    }
}
