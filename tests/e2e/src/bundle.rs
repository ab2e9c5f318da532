//! Test pages with modules of npm packages and of the page's sources: `pages/NAME.js`, bundled, served at
//! `/__test__/bundled/NAME/`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::root;

/// Bundles `pages/NAME.js`. Nightferry's client is the one that the server serves.
pub fn bundle(name: &str, more: &[&str]) -> Result<()> {
    let page = root().join("page");
    let mut esbuild = Command::new(page.join("node_modules/.bin/esbuild"));
    esbuild.args(["--bundle", "--format=esm", "--target=es2022", "--jsx=automatic", "--log-level=warning"]);
    // Development builds find fault with more.
    esbuild.arg("--define:process.env.NODE_ENV=\"development\"");
    esbuild.args(["--alias:nightferry-client=/nightferry/client.js", "--external:/nightferry/client.js"]);
    esbuild.args(more).arg(root().join("tests/e2e/pages").join(name).with_extension("js"));
    let into = root().join("target/nightferry/e2e-pages").join(name).join("page.js");
    esbuild.arg(format!("--outfile={}", into.display())).env("NODE_PATH", page.join("node_modules"));
    let output =
        esbuild.output().context("esbuild is missing; run `cargo xtask test e2e`, which installs it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
