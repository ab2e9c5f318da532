//! `cargo xtask shots`: the demo as phones and desktops show it, light and dark, for eyes and for documents.

use std::process::ExitCode;

use anyhow::Result;
use lexopt::{Arg, Parser};

use crate::process::{self, cargo};
use crate::toolchain::{self, Python};
use crate::{browser_files, browsers, options, workspace};

pub fn run(mut parser: Parser) -> Result<ExitCode> {
    let mut into = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(folder) if into.is_none() => into = Some(std::env::current_dir()?.join(folder)),
            other => return Err(options::unknown("shots", &other, "one folder")),
        }
    }
    let into = into.unwrap_or_else(|| workspace::root().join("target/shots"));
    browser_files::ensure()?;
    toolchain::ensure_python(Python::Serve)?;
    let chromium = browsers::ensure_chromium()?;
    let mut shots = cargo(["run", "--quiet", "-p", "nightferry-e2e", "--bin", "shots", "--"]);
    process::show(
        shots
            .arg(&into)
            .env("CHROMIUM", &chromium.browser)
            .env("CHROMEDRIVER", &chromium.driver)
            .env("NIGHTFERRY_PYTHON", toolchain::python()),
    )?;
    Ok(ExitCode::SUCCESS)
}
