//! Builds Rust pages that only tests have: the page and the worker that end-to-end tests drive, and the example that `lint` looks
//! at.

use std::path::Path;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::process::{self, cargo};
use crate::progress::{Step, step};
use crate::toolchain::WASM;
use crate::workspace::{self, prepared, root};

/// Compiles a package to wasm, as `build` says, and makes its JavaScript in `into`.
fn generate(
    build: &[&str],
    wasm: &str,
    into: &Path,
    set_up: impl FnOnce(&mut Bindgen) -> Result<&mut Bindgen>,
) -> Result<()> {
    process::show(cargo(["build", "--quiet", "--target", WASM]).args(build))?;
    let _lock = workspace::lock()?;
    let wasm = workspace::cargo_target().join(WASM).join("debug").join(wasm);
    let mut bindgen = Bindgen::new();
    set_up(bindgen.input_path(&wasm))?
        .generate(into)
        .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))
}

/// Builds `tests/e2e/rust-page`, which the tests' server serves at `/__test__/bundled/rust/`, and a worker with the cases of
/// the store contract, at `/__test__/bundled/conformance/`.
pub fn build_for_tests() -> Result<()> {
    step("the tests' page in Rust", || {
        let into = prepared().join("e2e-pages/rust");
        generate(&["-p", "nightferry-e2e-page"], "nightferry_e2e_page.wasm", &into, |bindgen| {
            bindgen.omit_default_module_path(false).typescript(false).web(true)
        })?;
        std::fs::copy(root().join("tests/e2e/rust-page/page.js"), into.join("page.js"))?;
        Ok(Step::Done)
    })?;
    step("the tests' worker", || {
        let build = ["-p", "nightferry-sw", "--features", "conformance"];
        let into = prepared().join("e2e-pages/conformance");
        generate(&build, "nightferry_sw.wasm", &into, |bindgen| {
            bindgen.out_name("worker").omit_default_module_path(true).typescript(false).no_modules(true)
        })?;
        Ok(Step::Done)
    })
}

/// Builds `tests/node`, the worker that tests in Node run.
pub fn build_for_node() -> Result<()> {
    step("the tests' worker for Node", || {
        generate(&["-p", "nightferry-node"], "nightferry_node.wasm", &prepared().join("node"), |bindgen| {
            bindgen.omit_default_module_path(true).typescript(true).web(true)
        })?;
        Ok(Step::Done)
    })
}

/// The modules that tests in Node import beside those of the page, as esbuild's options. Files of wasm are copied beside the tests.
pub fn node_aliases() -> Vec<String> {
    let node = prepared().join("node");
    let client = workspace::dist_browser().join("client.wasm");
    vec![
        "--loader:.wasm=file".into(),
        format!("--alias:nightferry-node={}", node.join("nightferry_node.js").display()),
        format!("--alias:worker.wasm={}", node.join("nightferry_node_bg.wasm").display()),
        format!("--alias:client.wasm={}", client.display()),
    ]
}

/// rustfmt and Clippy on `examples/rust`, a workspace of its own; with their names. What it has in common with this workspace is compiled
/// once for both: in one folder, with the same versions and settings.
pub fn lint_example() -> [(&'static str, std::process::Command); 3] {
    let manifest = root().join("examples/rust/Cargo.toml");
    let on_example = |arguments: &[&str]| {
        let mut command = cargo(&arguments[..1]);
        command.arg("--manifest-path").arg(&manifest).args(&arguments[1..]);
        // The end-to-end tests compile it there, too. With this setting its dependencies are those of the workspace, compiled already.
        command.env("CARGO_TARGET_DIR", workspace::cargo_target()).env("CARGO_PROFILE_DEV_DEBUG", "none");
        // It is an ordinary program, as xtask is: the core's rules are not its.
        command.env("CLIPPY_CONF_DIR", root().join("xtask"));
        command
    };
    let strict = ["--", "-D", "warnings"];
    let page = [&["clippy", "--quiet", "--locked", "--lib", "--target", WASM][..], &strict].concat();
    let start = [&["clippy", "--quiet", "--locked", "--bins"][..], &strict].concat();
    [
        ("cargo fmt (examples/rust)", on_example(&["fmt", "--check"])),
        ("cargo clippy (examples/rust, page)", on_example(&page)),
        ("cargo clippy (examples/rust, start)", on_example(&start)),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The packages of a Cargo.lock from a registry: name and version.
    fn locked(file: &str) -> BTreeSet<(String, String)> {
        let text = std::fs::read_to_string(root().join(file)).expect("it can be read");
        let value = |package: &str, field: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{field} = ")));
            line.map(|value| value.trim_matches('"').to_string())
        };
        text.split("[[package]]")
            .filter(|package| value(package, "source").is_some())
            .filter_map(|package| Some((value(package, "name")?, value(package, "version")?)))
            .collect()
    }

    /// Returns true if Cargo takes one of these versions for the other.
    fn are_compatible(a: &str, b: &str) -> bool {
        let significant = |version: &str| {
            let parts: Vec<String> = version.split('.').map(String::from).collect();
            let zeros = parts.iter().take_while(|part| *part == "0").count();
            parts.into_iter().take(zeros + 1).collect::<Vec<_>>()
        };
        significant(a) == significant(b)
    }

    #[test]
    fn the_example_has_the_versions_of_the_workspace() {
        let workspace = locked("Cargo.lock");
        let example = locked("examples/rust/Cargo.lock");
        assert!(example.len() > 50 && !example.is_disjoint(&workspace));
        for (name, version) in &example {
            let others: Vec<&str> = workspace
                .iter()
                .filter(|(other, of)| other == name && are_compatible(of, version))
                .map(|(_, of)| of.as_str())
                .collect();
            assert!(
                others.is_empty() || others.contains(&version.as_str()),
                "{name} {version} is compiled twice: in examples/rust, `cargo update -p {name}@{version} --precise {}`",
                others[0]
            );
        }
    }

    #[test]
    fn compatible_versions_agree_in_their_first_number_that_is_not_zero() {
        for (a, b, compatible) in [
            ("1.2.3", "1.4.0", true),
            ("0.2.3", "0.2.4", true),
            ("0.2.3", "0.3.0", false),
            ("1.0.0", "2.0.0", false),
        ] {
            assert_eq!(are_compatible(a, b), compatible, "{a} {b}");
        }
    }
}
