//! Test pages with modules of npm packages and of the page's sources: those of `pages/`, bundled, served at
//! `/__test__/bundled/NAME/`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

use crate::root;

/// Bundles a page of `pages/`, or one at a path of its own, once for all tests of a process. Nightferry's client is the one that the server serves; the
/// elements are beside the page, which may load them.
pub fn bundle(entry: &str) -> Result<()> {
    static BUNDLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut bundled = BUNDLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if bundled.contains(entry) {
        return Ok(());
    }
    let page = root().join("page");
    let mut esbuild = Command::new(page.join("node_modules/.bin/esbuild"));
    esbuild.args(["--bundle", "--format=esm", "--target=es2022", "--jsx=automatic", "--log-level=warning"]);
    // Development builds find fault with more.
    esbuild.arg("--define:process.env.NODE_ENV=\"development\"");
    esbuild.args(["--alias:nightferry-client=/nightferry/client.js", "--external:/nightferry/client.js"]);
    esbuild.args(["--alias:nightferry-dashboard=./dashboard.js", "--external:./dashboard.js"]);
    esbuild.args(["--alias:nightferry-conflicts=./conflicts.js", "--external:./conflicts.js"]);
    esbuild.arg(format!("--alias:nightferry/redux={}", page.join("ts/redux.ts").display()));
    esbuild.arg(format!("page={}", root().join("tests/e2e/pages").join(entry).display()));
    for element in ["dashboard", "conflicts"] {
        esbuild.arg(format!("{element}={}", page.join("ts").join(element).with_extension("ts").display()));
    }
    let name = Path::new(entry).file_stem().context("a page is a file")?;
    let into = root().join("target/nightferry/e2e-pages").join(name);
    esbuild.arg(format!("--outdir={}", into.display())).env("NODE_PATH", page.join("node_modules"));
    let output =
        esbuild.output().context("esbuild is missing; run `cargo xtask test e2e`, which installs it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bundled.insert(entry.to_owned());
    Ok(())
}
