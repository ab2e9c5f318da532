//! What is published: `dist/npm/`, a package that can be installed by its path, and `dist/python/*.whl`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::machine::{self, Python};
use crate::process;
use crate::progress::{Step, step};
use crate::workspace::{self, dist_browser, root};

/// The npm package: the browser's files as they are, and a package.json.
pub fn npm() -> Result<()> {
    step("npm package (dist/npm/)", || {
        let into = root().join("dist/npm");
        empty(&into)?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dist_browser())? {
            let entry = entry?;
            files.push(entry.file_name().to_string_lossy().into_owned());
            std::fs::copy(entry.path(), into.join(entry.file_name()))?;
        }
        for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let from = root().join(name);
            if from.is_file() {
                std::fs::copy(&from, into.join(name))?;
                files.push(name.to_string());
            }
        }
        files.sort();
        let package = json!({
            "name": "nightferry",
            "version": workspace::version(),
            "description": "Background sync for web apps: actions are journaled, saved and sent by a service worker",
            "license": "MIT OR Apache-2.0",
            "type": "module",
            "sideEffects": false,
            "exports": {
                ".": {"types": "./client.d.ts", "default": "./client.js"},
                "./client.wasm": "./client.wasm",
                "./sw.js": "./sw.js",
                "./sw.wasm": "./sw.wasm",
            },
            "types": "./client.d.ts",
            "files": files,
        });
        std::fs::write(into.join("package.json"), format!("{package:#}\n"))?;
        Ok(Step::Done)
    })
}

/// The Python wheel, which must carry the browser's files.
pub fn wheel() -> Result<()> {
    machine::ensure_python(Python::Serve)?;
    step("Python wheel (dist/python/)", || {
        let into = root().join("dist/python");
        empty(&into)?;
        process::quiet(machine::pip(["wheel", "--no-deps", "--wheel-dir"]).arg(&into).arg("./server"))?;
        let wheel = std::fs::read_dir(&into)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
            .context("pip made no wheel of server/")?;
        let content =
            process::text(process::command(machine::python(), ["-m", "zipfile", "--list"]).arg(&wheel))?;
        for name in ["sw.js", "sw.wasm", "client.js", "client.wasm"] {
            if !content.contains(&format!("flask_nightferry/browser/{name}")) {
                bail!(
                    "{} lacks flask_nightferry/browser/{name}: server/pyproject.toml must include that folder, though git ignores it",
                    wheel.display()
                );
            }
        }
        Ok(Step::Done)
    })
}

fn empty(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}
