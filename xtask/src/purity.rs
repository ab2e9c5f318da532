//! The core has no I/O, no clock, no randomness and no browser types, and the crates depend on one another as drawn:
//! `nightferry-sw → nightferry ← nightferry-page`. Three checks, each of which fails otherwise:
//!
//! 1. the dependencies of the core are the few of [`ALLOWED`];
//! 2. clippy's `disallowed_types` and `disallowed_methods` (clippy.toml) hold in it;
//! 3. its sources name none of [`FORBIDDEN`], which also finds what clippy's paths miss.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process::{self, cargo};
use crate::workspace;

/// Everything that the core may be built from: the standard library as far as it touches nothing, and serde with serde_json
/// and what those bring (macros, and the reading and writing of numbers).
const ALLOWED: &[&str] = &[
    "nightferry",
    "itoa",
    "memchr",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "syn",
    "unicode-ident",
    "zmij",
];

/// The names that the core's sources may not have, each with the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::time::Instant", "time comes in with the input"),
    ("std::time::SystemTime", "time comes in with the input"),
    ("SystemTime::", "time comes in with the input"),
    ("Instant::now", "time comes in with the input"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::thread", "no threads"),
    ("std::process", "no I/O"),
    ("std::env", "no environment"),
    ("std::io", "no I/O"),
    ("thread_local!", "no state beside the engine"),
    ("println!", "no I/O"),
    ("HashMap", "its order is random; use BTreeMap"),
    ("HashSet", "its order is random; use BTreeSet"),
    ("RandomState", "random"),
    ("getrandom", "random numbers come in with the input"),
    ("js_sys", "no browser types"),
    ("web_sys", "no browser types"),
    ("wasm_bindgen", "no browser types"),
    ("JsValue", "no browser types"),
    ("gloo_", "no browser types"),
];

pub fn check() -> Result<()> {
    let mut found = Vec::new();
    for name in tree("nightferry", &["--target", "all"])? {
        if !ALLOWED.contains(&name.as_str()) {
            found.push(format!("the core depends on `{name}`, which xtask/src/purity.rs does not allow"));
        }
    }
    for (one, other) in [("nightferry-sw", "nightferry-page"), ("nightferry-page", "nightferry-sw")] {
        if tree(one, &[])?.iter().any(|name| name == other) {
            found.push(format!("`{one}` depends on `{other}`; they meet in the core only"));
        }
    }
    scan_folder(&workspace::root().join("src"), &mut found)?;
    if !found.is_empty() {
        bail!("the core is not pure:\n  {}", found.join("\n  "));
    }
    let lints = ["-D", "clippy::disallowed_types", "-D", "clippy::disallowed_methods"];
    process::show(cargo(["clippy", "--quiet", "--package", "nightferry", "--lib", "--"]).args(lints))
}

fn tree(package: &str, more: &[&str]) -> Result<Vec<String>> {
    let arguments = ["tree", "--package", package, "--edges", "normal", "--prefix", "none"];
    let text = process::text(cargo(arguments).args(more))?;
    let mut names: Vec<String> =
        text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_string())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn scan_folder(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            scan_folder(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let name = path.strip_prefix(workspace::root()).unwrap_or(&path).display().to_string();
            found.extend(scan(&name, &std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Returns the forbidden names in `source`. Comments are free, and so is an inline `mod tests` at the end.
fn scan(name: &str, source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or(source);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or(line);
        for (word, reason) in FORBIDDEN {
            if line.contains(word) {
                found.push(format!("{name}:{} names `{word}` ({reason})", index + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_and_a_hash_map_are_found() {
        let source = "use std::time::Duration;\nlet now = Instant::now();\nlet map: HashMap<u8, u8>;\n";
        let found = scan("src/engine/mod.rs", source);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("src/engine/mod.rs:2 names `Instant::now`"), "{found:?}");
        assert!(found[1].starts_with("src/engine/mod.rs:3 names `HashMap`"), "{found:?}");
    }

    #[test]
    fn browser_types_are_found() {
        assert_eq!(scan("src/lib.rs", "fn open(db: web_sys::IdbDatabase) {}").len(), 1);
    }

    #[test]
    fn comments_and_tests_are_free() {
        let source = "// a HashMap would be random\nfn f() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}\n";
        assert!(scan("src/lib.rs", source).is_empty());
    }

    #[test]
    fn the_core_of_this_workspace_is_scanned() {
        let mut found = Vec::new();
        scan_folder(&workspace::root().join("src"), &mut found).expect("src/ can be read");
        assert!(found.is_empty(), "{found:#?}");
    }
}
