//! From Rust and TypeScript to what browsers load: `dist/browser/`, copied into the Flask extension, which serves it.
//!
//! | file | made of |
//! |---|---|
//! | `sw.js` | wasm-bindgen's classic-script glue for `sw/`, then the hand-written `sw/sw.js` |
//! | `sw.wasm` | `sw/` |
//! | `client.js` | `page/ts/client.ts`, bundled with wasm-bindgen's module for `page/` (imported as `nightferry-wasm`) |
//! | `client.wasm` | `page/` |
//! | `dashboard.js`, `conflicts.js` | `page/ts/dashboard.ts` and `conflicts.ts`, bundled without the client, which they import as `./client.js` |

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::build_id::build_id;
use crate::minify_glue;
use crate::process::{self, cargo};
use crate::progress::{Step, step};
use crate::toolchain::{self, ESBUILD, WASM, WASM_OPT};
use crate::workspace::{self, dist_browser, prepared, root};

/// The features that rustc lets LLVM use for wasm32-unknown-unknown, which wasm-opt must know of.
const WASM_FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// For cargo: of `nightferry-page`, what `client.wasm` is made of, and not the API for pages in Rust.
pub const CLIENT: [&str; 3] = ["--no-default-features", "--features", "nightferry-page/client"];

/// The files that browsers load from the server.
pub const DOWNLOADED: [&str; 6] =
    ["sw.js", "sw.wasm", "client.js", "client.wasm", "dashboard.js", "conflicts.js"];

/// The names of Nightferry's modules in TypeScript, and their files. page/tsconfig.json says the same to TypeScript.
pub const ALIASES: &[(&str, &str)] = &[
    ("nightferry-client", "client.js"),
    ("nightferry-dashboard", "dashboard.js"),
    ("nightferry-conflicts", "conflicts.js"),
];

/// Builds what has changed since the last time.
pub fn ensure() -> Result<()> {
    toolchain::ensure_wasm_target()?;
    toolchain::ensure_node_tools()?;
    let _lock = workspace::lock()?;
    let stamp = prepared().join("browser.key");
    let key = key()?;
    let present = DOWNLOADED.iter().all(|name| dist_browser().join(name).is_file());
    if present && toolchain::is_stamped(&stamp, &key) {
        return step("browser files (dist/browser/)", || {
            copy_to_flask()?;
            Ok(Step::UpToDate)
        });
    }
    if stamp.is_file() {
        std::fs::remove_file(&stamp)?;
    }
    // The wasm carries the id of the sources as cargo found them: what changes meanwhile is built again.
    loop {
        let id = build_id(root(), workspace::version())?;
        let key = self::key()?;
        build(&id)?;
        if self::key()? == key {
            return toolchain::write_stamp(&stamp, &key);
        }
        println!("  the sources changed during the build; building again");
    }
}

/// The build id, and this builder's own sources.
fn key() -> Result<String> {
    let id = build_id(root(), workspace::version())?;
    let own = ["browser_files.rs", "build_id.rs"].map(|name| root().join("xtask/src").join(name));
    let tsconfig = workspace::page().join("tsconfig.json");
    Ok(format!("{id} {}", toolchain::key_of(&[&own[0], &own[1], &tsconfig])?))
}

fn build(id: &str) -> Result<()> {
    step("Rust to wasm (worker and page)", || {
        let arguments = ["build", "--profile", "wasm-release", "--target", WASM];
        let mut build = cargo(arguments);
        build.args(["-p", "nightferry-sw", "-p", "nightferry-page"]).args(CLIENT);
        process::show(build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", without_home()))?;
        Ok(Step::Done)
    })?;
    step("wasm-bindgen and wasm-opt", || {
        bind("nightferry_sw", &prepared().join("sw"), Target::ClassicScript)?;
        bind("nightferry_page", &prepared().join("page"), Target::Module)?;
        std::fs::create_dir_all(dist_browser())?;
        // wasm-opt from npm uses one core.
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let folder = prepared().join("sw");
                let glue = folder.join("nightferry_sw.js");
                optimize(&folder.join("nightferry_sw_bg.wasm"), &glue, &dist_browser().join("sw.wasm"))
            });
            let folder = prepared().join("page");
            let glue = folder.join("nightferry_page.js");
            optimize(&folder.join("nightferry_page_bg.wasm"), &glue, &dist_browser().join("client.wasm"))?;
            worker.join().unwrap_or_else(|_| bail!("wasm-opt's thread panicked"))
        })?;
        open_glue(&prepared().join("page"))?;
        Ok(Step::Done)
    })?;
    step("JavaScript (esbuild)", || {
        worker_script(id)?;
        client_module(id)?;
        for name in ["dashboard", "conflicts"] {
            let (source, file) = (format!("ts/{name}.ts"), format!("{name}.js"));
            process::quiet(&mut module(id, &source, &file, &dist_browser()))?;
        }
        copy_to_flask()?;
        Ok(Step::Done)
    })
}

/// Panic messages name source files: not with the folder of whoever built them, so that all builds are alike.
fn without_home() -> String {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    cargo_home
        .map(|home| format!("--remap-path-prefix={}=", home.join("registry/src").display()))
        .unwrap_or_default()
}

enum Target {
    ClassicScript,
    Module,
}

fn bind(crate_name: &str, into: &Path, target: Target) -> Result<()> {
    let wasm =
        workspace::cargo_target().join(WASM).join("wasm-release").join(crate_name).with_extension("wasm");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&wasm)
        .out_name(crate_name)
        .omit_default_module_path(true)
        .remove_producers_section(true);
    match target {
        Target::ClassicScript => bindgen.no_modules(true)?.typescript(false),
        Target::Module => bindgen.web(true)?.typescript(true),
    };
    bindgen.generate(into).with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))
}

/// Shrinks the wasm that wasm-bindgen left in `from`, and renames in its glue what it renamed in the wasm.
fn optimize(from: &Path, glue: &Path, to: &Path) -> Result<()> {
    let mut wasm_opt = toolchain::node_tool(WASM_OPT);
    wasm_opt.arg(from).arg("-o").arg(to).arg("-Oz").args(WASM_FEATURES).args([
        // Rust's stack begins at address 0 and grows towards it: nothing is ever stored in the first KB.
        "--low-memory-unused",
        "--strip-debug",
        "--strip-producers",
        "--strip-target-features",
        "--minify-imports-and-exports-and-modules",
    ]);
    minify_glue::glue(glue, &process::text(&mut wasm_opt)?)
}

/// Lets the page's script load the wasm by itself: wasm-bindgen's loader, for all kinds of sources, is as much as all of
/// the script's own registering.
fn open_glue(folder: &Path) -> Result<()> {
    let add = |file: &str, text: &str| {
        let path = folder.join(file);
        let glue = std::fs::read_to_string(&path)?;
        std::fs::write(&path, format!("{glue}\n{text}\n")).with_context(|| path.display().to_string())
    };
    add("nightferry_page.js", "export { __wbg_get_imports as imports, __wbg_finalize_init as begin };")?;
    add(
        "nightferry_page.d.ts",
        "export function imports(): WebAssembly.Imports;\n\
         export function begin(instance: WebAssembly.Instance, module: WebAssembly.Module): void;",
    )
}

/// `sw.js` is one classic script without `import`s: the glue's `wasm_bindgen`, then the listeners that use it.
fn worker_script(id: &str) -> Result<()> {
    let glue = std::fs::read_to_string(prepared().join("sw/nightferry_sw.js"))?;
    let listeners = root().join("sw/sw.js");
    let listeners = std::fs::read_to_string(&listeners).context("sw/sw.js is missing")?;
    let joined = prepared().join("sw/joined.js");
    std::fs::write(&joined, format!("{glue}\n{listeners}"))?;
    let mut esbuild = esbuild(id, "sw/");
    esbuild.arg(&joined).arg(format!("--outfile={}", dist_browser().join("sw.js").display()));
    process::quiet(&mut esbuild)
}

fn client_module(id: &str) -> Result<()> {
    let entry = workspace::page().join("ts/client.ts");
    if !entry.is_file() {
        bail!("page/ts/client.ts is missing");
    }
    let mut esbuild = esbuild(id, "page/");
    esbuild.args(["--bundle", "--format=esm"]).arg(wasm_alias()).arg(&entry);
    esbuild.arg(format!("--outfile={}", dist_browser().join("client.js").display()));
    process::quiet(&mut esbuild)
}

/// esbuild for one module beside `client.js` in `folder`, which it shares with the other modules there.
pub fn module(id: &str, source: &str, name: &str, folder: &Path) -> std::process::Command {
    let mut esbuild = esbuild(id, "page/");
    // In this folder, `./client.js` is the client.
    esbuild.current_dir(folder).args(["--bundle", "--format=esm", "--packages=external", "--jsx=automatic"]);
    for (alias, file) in ALIASES {
        esbuild.arg(format!("--alias:{alias}=./{file}")).arg(format!("--external:./{file}"));
    }
    esbuild.arg(workspace::page().join(source)).arg(format!("--outfile={name}"));
    esbuild
}

/// Returns the file that `import ... from "nightferry-wasm"` means; page/tsconfig.json says the same to TypeScript.
pub fn wasm_alias() -> String {
    format!("--alias:nightferry-wasm={}", prepared().join("page/nightferry_page.js").display())
}

/// `__NIGHTFERRY_BUILD__`, as esbuild replaces it in every script.
pub fn define_build(id: &str) -> String {
    format!("--define:__NIGHTFERRY_BUILD__={id:?}")
}

fn esbuild(id: &str, sources: &str) -> std::process::Command {
    let mut esbuild = toolchain::node_tool(ESBUILD);
    esbuild.args([
        "--minify",
        "--target=es2022",
        "--charset=utf8",
        "--legal-comments=inline",
        "--log-level=warning",
    ]);
    esbuild.arg(define_build(id));
    esbuild.arg(format!("--banner:js=/*! Nightferry {id}, generated from {sources}; MIT OR Apache-2.0 */"));
    esbuild
}

/// The extension carries the files in its package, so that installing it is the whole server side.
fn copy_to_flask() -> Result<()> {
    let package = root().join("server/src/flask_nightferry");
    if !package.is_dir() {
        println!("  server/src/flask_nightferry/ is missing, so the files stay in dist/browser/ alone");
        return Ok(());
    }
    let into: PathBuf = package.join("browser");
    std::fs::create_dir_all(&into)?;
    for name in DOWNLOADED {
        std::fs::copy(dist_browser().join(name), into.join(name))?;
    }
    Ok(())
}
