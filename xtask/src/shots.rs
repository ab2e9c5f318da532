//! `cargo xtask shots`: the demo, the examples and the dashboard in each of their states, at three widths, light and dark. For eyes,
//! and for documents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lexopt::{Arg, Parser};

use crate::process::{self, cargo};
use crate::toolchain::{self, Python};
use crate::{browser_files, browsers, npm_package, options, workspace};

/// The pictures of the documents: their names in `docs/`, and those that the command makes.
const DOCUMENTS: &[(&str, &str)] = &[
    ("demo-1280-dark", "demo-offline-1280-dark"),
    ("demo-1280-light", "demo-offline-1280-light"),
    ("plain-html-390-light", "plain-html-offline-390-light"),
    ("react-redux-1280-light", "react-redux-dashboard-1280-light"),
    ("react-redux-390-dark", "react-redux-offline-390-dark"),
    ("rust-1280-light", "rust-offline-1280-light"),
];

pub fn run(mut parser: Parser) -> Result<ExitCode> {
    let mut apps = Vec::new();
    let mut are_kept = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("docs") => are_kept = true,
            Arg::Value(app) => apps.push(options::utf8(app)?),
            other => return Err(options::unknown("shots", &other, "names of apps and --docs")),
        }
    }
    let folder = workspace::prepared().join("shots");
    browser_files::ensure()?;
    npm_package::build()?;
    toolchain::ensure_python(Python::Develop)?;
    let chromium = browsers::ensure_chromium()?;
    let mut shots = cargo(["run", "--quiet", "-p", "nightferry-e2e", "--bin", "shots", "--"]);
    process::show(
        shots
            .arg(&folder)
            .args(apps)
            .env("CHROMIUM", &chromium.browser)
            .env("CHROMEDRIVER", &chromium.driver)
            .env("NIGHTFERRY_PYTHON", toolchain::python()),
    )?;
    println!("the pictures are in {}", folder.display());
    if are_kept {
        keep(&folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the documents' pictures in the place of those before.
fn keep(folder: &Path) -> Result<()> {
    for (document, made) in DOCUMENTS {
        let made = folder.join(format!("{made}.png"));
        let document = workspace::root().join("docs").join(format!("{document}.png"));
        std::fs::copy(&made, document).with_context(|| format!("{} was not made", made.display()))?;
    }
    Ok(())
}
