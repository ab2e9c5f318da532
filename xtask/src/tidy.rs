//! `cargo xtask tidy`: conventions that no compiler checks. Each is a kind of finding:
//!
//! | kind | what is found |
//! |---|---|
//! | word | a name that `tidy/words.rs` retired; the finding says what to write instead |
//! | task | a `TODO` or `FIXME` without the number of an issue |
//! | name | a path or a name in code font in a document that does not exist in the sources |
//! | link | a relative link or an anchor in a document that leads nowhere |
//! | size | a document that is longer than its readers' patience |
//!
//! A finding is printed as `file:line: message`. A wrong finding is added to the table of exceptions beside the
//! check, with its reason.

mod documents;
mod markdown;
mod source;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};

use crate::process::{self, command};
use crate::workspace::root;

/// A file that git tracks. Files that are not UTF-8 have no text.
struct File {
    path: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    kind: &'static str,
    message: String,
}

impl Finding {
    fn new(file: &File, line: usize, kind: &'static str, message: String) -> Finding {
        Finding { path: file.path.clone(), line, kind, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Prints all findings, and fails if there are any.
pub fn check() -> Result<()> {
    let found = findings(&tracked()?);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &found {
        println!("{finding}");
        *counts.entry(finding.kind).or_default() += 1;
    }
    if found.is_empty() {
        return Ok(());
    }
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    bail!("the tree is not tidy: {} (xtask/src/tidy.rs says what each kind is)", counts.join(", "))
}

fn findings(files: &[File]) -> Vec<Finding> {
    let mut found = words::check(files);
    found.extend(tasks(files));
    found.extend(documents::names(files));
    found.extend(documents::links(files));
    found.extend(documents::sizes(files));
    found.sort();
    found.dedup();
    found
}

/// The files of the worktree that git tracks or would track.
fn tracked() -> Result<Vec<File>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let names = process::text(&mut command("git", list))?;
    let mut files = Vec::new();
    for path in names.split('\0').filter(|path| root().join(path).is_file()) {
        let text = String::from_utf8(std::fs::read(root().join(path))?).unwrap_or_default();
        files.push(File { path: path.into(), text });
    }
    Ok(files)
}

/// `TODO` and `FIXME` without an issue, as in `TODO(#12)` or `TODO #12`.
fn tasks(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    // This folder speaks of them.
    for file in files.iter().filter(|file| !file.path.starts_with("xtask/src/tidy")) {
        for (number, line) in lines(&file.text) {
            for (at, word) in source::identifiers(line) {
                let after = &line[at + word.len()..];
                let issue = after.trim_start_matches(['(', ' ', ':']).strip_prefix('#').unwrap_or_default();
                if matches!(word, "TODO" | "FIXME") && !issue.starts_with(|c: char| c.is_ascii_digit()) {
                    let message = format!("`{word}` without an issue; write `{word}(#12)`, or do it");
                    found.push(Finding::new(file, number, "task", message));
                }
            }
        }
    }
    found
}

/// The lines of a text with their numbers, from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_an_issue() {
        let text = "// TODO: later\nx; // FIXME(#12) soon\n# TODO #3\nTODOS\n";
        let found = tasks(&[file("src/a.rs", text), file("xtask/src/tidy.rs", text)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "src/a.rs:1: `TODO` without an issue; write `TODO(#12)`, or do it");
    }

    #[test]
    fn the_files_of_this_workspace_are_found() {
        let files = tracked().unwrap();
        for path in ["README.md", "src/lib.rs", "xtask/src/tidy/words.rs"] {
            assert!(files.iter().any(|file| file.path == path), "{path}");
        }
        // Each check gets through all of them.
        findings(&files);
    }
}
