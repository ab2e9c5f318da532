//! `cargo xtask build --release-files`: what a release consists of, in `dist/release/`.
//!
//! | file | what it is |
//! |---|---|
//! | `flask_nightferry-*.whl` | the Flask extension with the browser's files |
//! | `nightferry-*.tgz` | the npm package |
//! | `NOTES.md` | how to install both, and what has changed |
//! | `SHA256SUMS` | checksums of these files, for `sha256sum --check` |

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process;
use crate::progress::{Step, step};
use crate::workspace::{self, root};
use crate::{npm_package, wheel};

/// Builds everything, and gathers it.
pub fn build() -> Result<()> {
    npm_package::build()?;
    wheel::build()?;
    let into = root().join("dist/release");
    step("release files (dist/release/)", || {
        workspace::empty(&into)?;
        let wheel = only(&root().join("dist/python"), "whl")?;
        let wheel_name = file_name(&wheel);
        fs::copy(&wheel, into.join(&wheel_name))?;
        let mut pack = process::command("npm", ["pack", "--silent", "--pack-destination"]);
        process::quiet(pack.arg(&into).current_dir(npm_package::folder()))?;
        let tgz_name = file_name(&only(&into, "tgz")?);
        let changes = changes(&fs::read_to_string(root().join("CHANGELOG.md"))?, workspace::version())?;
        fs::write(into.join("NOTES.md"), notes(&wheel_name, &tgz_name, &changes))?;
        let mut sums = String::new();
        for name in [&*wheel_name, &*tgz_name, "NOTES.md"] {
            let digest = Sha256::digest(fs::read(into.join(name))?);
            for byte in digest {
                write!(sums, "{byte:02x}")?;
            }
            writeln!(sums, "  {name}")?;
        }
        fs::write(into.join("SHA256SUMS"), sums)?;
        Ok(Step::Done)
    })
}

/// Returns the one file of a folder that ends so.
fn only(folder: &Path, extension: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == extension)).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        count => bail!("{} has {count} files *.{extension}, and should have one", folder.display()),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns what the changelog says of this version or, before it is released, of what comes.
fn changes(changelog: &str, version: &str) -> Result<String> {
    let mut sections = changelog.split("\n## ").skip(1);
    let is_of = |section: &&str| section.starts_with(&format!("[{version}]"));
    let section = sections.clone().find(is_of).or_else(|| sections.next());
    let (_, text) =
        section.and_then(|section| section.split_once('\n')).context("CHANGELOG.md has no section")?;
    Ok(text.trim().to_owned())
}

fn notes(wheel: &str, tgz: &str, changes: &str) -> String {
    format!(
        "# Nightferry {}\n\n```sh\nsha256sum --check SHA256SUMS\npip install ./{wheel}\nnpm install ./{tgz}   # for a bundler; a plain page needs the wheel only\n```\n\n{changes}\n",
        workspace::version()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str =
        "# Changelog\n\n## [Unreleased]\n\nWhat comes.\n\n## [0.2.0] - 2026-01-01\n\nWhat came.\n";

    #[test]
    fn notes_have_what_the_changelog_says_of_the_version() {
        assert_eq!(changes(CHANGELOG, "0.2.0").unwrap(), "What came.");
        assert_eq!(changes(CHANGELOG, "0.3.0").unwrap(), "What comes.");
        assert!(changes("# Changelog\n", "0.2.0").is_err());
        let notes = notes("a.whl", "b.tgz", "What came.");
        assert!(notes.contains("pip install ./a.whl") && notes.ends_with("What came.\n"), "{notes}");
    }
}
