//! `cargo xtask shots`: the demo as phones and desktops show it, light and dark, for eyes and for documents.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::machine::{self, Python};
use crate::process::{self, cargo};
use crate::{browser_files, workspace};

pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let into = match arguments {
        [] => workspace::root().join("target/shots"),
        [folder] if !folder.starts_with('-') => std::env::current_dir()?.join(PathBuf::from(folder)),
        other => bail!("`shots` takes one folder, not {}", other.join(" ")),
    };
    browser_files::ensure()?;
    machine::ensure_python(Python::Serve)?;
    let chromium = machine::ensure_chromium()?;
    let mut shots = cargo(["run", "--quiet", "-p", "nightferry-e2e", "--bin", "shots", "--"]);
    process::show(
        shots
            .arg(&into)
            .env("CHROMIUM", &chromium.browser)
            .env("CHROMEDRIVER", &chromium.driver)
            .env("NIGHTFERRY_PYTHON", machine::python()),
    )?;
    Ok(ExitCode::SUCCESS)
}
