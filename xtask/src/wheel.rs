//! The Python wheel: the Flask extension with the browser's files.

use anyhow::{Context, Result, bail};

use crate::browser_files;
use crate::process;
use crate::progress::{Step, step};
use crate::toolchain::{self, Python};
use crate::workspace::{self, root};

/// The Python wheel, which must carry the browser's files.
pub fn build() -> Result<()> {
    toolchain::ensure_python(Python::Serve)?;
    step("Python wheel (dist/python/)", || {
        let into = root().join("dist/python");
        workspace::empty(&into)?;
        process::quiet(toolchain::pip(["wheel", "--no-deps", "--wheel-dir"]).arg(&into).arg("./server"))?;
        let wheel = std::fs::read_dir(&into)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
            .context("pip made no wheel of server/")?;
        let content =
            process::text(process::command(toolchain::python(), ["-m", "zipfile", "--list"]).arg(&wheel))?;
        for name in browser_files::DOWNLOADED {
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
