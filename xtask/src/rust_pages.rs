//! Builds Rust pages that only tests have: the page and the worker that end-to-end tests drive, and the example that `lint` looks
//! at.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::process::{self, cargo};
use crate::progress::{Step, step};
use crate::toolchain::WASM;
use crate::workspace::{self, prepared, root};

/// Builds `tests/e2e/rust-page`, which the tests' server serves at `/__test__/bundled/rust/`, and a worker with the cases of
/// the store contract, at `/__test__/bundled/conformance/`.
pub fn build_for_tests() -> Result<()> {
    step("the tests' page in Rust", || {
        process::show(&mut cargo(["build", "--quiet", "--target", WASM, "-p", "nightferry-e2e-page"]))?;
        let _lock = workspace::lock()?;
        let wasm = workspace::cargo_target().join(WASM).join("debug/nightferry_e2e_page.wasm");
        let into = prepared().join("e2e-pages/rust");
        let mut bindgen = Bindgen::new();
        bindgen.input_path(&wasm).omit_default_module_path(false).typescript(false);
        bindgen
            .web(true)?
            .generate(&into)
            .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))?;
        std::fs::copy(root().join("tests/e2e/rust-page/page.js"), into.join("page.js"))?;
        Ok(Step::Done)
    })?;
    step("the tests' worker", || {
        let build =
            ["build", "--quiet", "--target", WASM, "-p", "nightferry-sw", "--features", "conformance"];
        process::show(&mut cargo(build))?;
        let _lock = workspace::lock()?;
        let wasm = workspace::cargo_target().join(WASM).join("debug/nightferry_sw.wasm");
        let mut bindgen = Bindgen::new();
        bindgen.input_path(&wasm).out_name("worker").omit_default_module_path(true).typescript(false);
        bindgen
            .no_modules(true)?
            .generate(prepared().join("e2e-pages/conformance"))
            .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))?;
        Ok(Step::Done)
    })
}

/// rustfmt and Clippy on `examples/rust`, a workspace of its own; with their names.
pub fn lint_example() -> [(&'static str, std::process::Command); 3] {
    let manifest = root().join("examples/rust/Cargo.toml");
    let on_example = |arguments: &[&str]| {
        let mut command = cargo(&arguments[..1]);
        command.arg("--manifest-path").arg(&manifest).args(&arguments[1..]);
        // The end-to-end tests compile it there, too.
        command.env("CARGO_TARGET_DIR", prepared().join("example-rust"));
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
