//! `cargo xtask bench`: Nightferry beside a hand-written reference, in a real Chromium with a real Flask.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lexopt::{Arg, Parser};

use crate::process::{self, cargo};
use crate::toolchain::{self, ESBUILD, Python};
use crate::{browser_files, browsers, options, workspace};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How often everything is measured; the benchmark's own number where it is not given.
    rounds: Option<usize>,
    /// Keeps the result in docs/benchmarks.md.
    write: bool,
    /// Measures the Redux enhancer beside Redux Toolkit alone instead, in Node.
    redux: bool,
}

impl Options {
    pub fn parse(mut parser: Parser) -> Result<Options> {
        let mut options = Options::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("write") => options.write = true,
                Arg::Long("redux") => options.redux = true,
                Arg::Long("rounds") => {
                    let rounds = options::value(&mut parser).and_then(|rounds| rounds.parse().ok());
                    options.rounds = Some(
                        rounds.filter(|rounds| *rounds > 0).context("--rounds takes a number, such as 7")?,
                    );
                }
                other => return Err(options::unknown("bench", &other, "--rounds, --write and --redux")),
            }
        }
        Ok(options)
    }
}

pub fn run(options: &Options) -> Result<ExitCode> {
    if options.redux {
        return redux(options.rounds);
    }
    browser_files::ensure()?;
    toolchain::ensure_python(Python::Serve)?;
    let chromium = browsers::ensure_chromium()?;
    let mut bench = cargo(["run", "--quiet", "-p", "nightferry-e2e", "--bin", "bench", "--"]);
    if let Some(rounds) = options.rounds {
        bench.arg("--rounds").arg(rounds.to_string());
    }
    if options.write {
        bench.arg("--write").arg(result());
    }
    bench.env("CHROMIUM", chromium.browser).env("CHROMEDRIVER", chromium.driver);
    process::show(bench.env("NIGHTFERRY_PYTHON", toolchain::python()))?;
    Ok(ExitCode::SUCCESS)
}

fn redux(rounds: Option<usize>) -> Result<ExitCode> {
    toolchain::ensure_node_tools()?;
    let bundled = workspace::prepared().join("bench/redux.mjs");
    let mut esbuild = toolchain::node_tool(ESBUILD);
    esbuild.args(["--bundle", "--platform=node", "--format=esm", "--target=node20", "--log-level=warning"]);
    // As an app is built.
    esbuild.arg("--define:process.env.NODE_ENV=\"production\"");
    esbuild.arg(workspace::page().join("bench/redux.ts")).arg(format!("--outfile={}", bundled.display()));
    process::quiet(&mut esbuild)?;
    let mut node = process::command("node", [&bundled]);
    process::show(node.args(rounds.map(|rounds| rounds.to_string())))?;
    Ok(ExitCode::SUCCESS)
}

fn result() -> PathBuf {
    workspace::root().join("docs/benchmarks.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        assert_eq!(parse(&[]).unwrap(), Options::default());
        assert_eq!(
            parse(&["--rounds", "3", "--write"]).unwrap(),
            Options { rounds: Some(3), write: true, redux: false }
        );
        for wrong in [&["--rounds"][..], &["--rounds", "0"], &["--wrong"], &["7"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
