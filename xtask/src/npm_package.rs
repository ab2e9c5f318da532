//! The npm package: `dist/npm/`, which can be installed by its path.
//!
//! | file | made of |
//! |---|---|
//! | `client.js`, `client.wasm`, `dashboard.js`, `conflicts.js`, `sw.js`, `sw.wasm` | `dist/browser/`, as they are |
//! | `redux.js`, `react.js` | `page/ts/`, one module each; they import `./client.js`, so that there is one client for all |
//! | `vite.js`, `cli.js` | `page/node/`: what runs in Node |
//! | `*.d.ts` | the declarations of the TypeScript |
//! | `package.json` | [`manifest`] |

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::browser_files::{self, ALIASES};
use crate::build_id::build_id;
use crate::process;
use crate::progress::{Step, step};
use crate::sizes;
use crate::toolchain::{self, ATTW, ESBUILD, PUBLINT, TSC};
use crate::workspace::{self, dist_browser, prepared, root};

/// The modules that are built for this package alone, to be imported as `nightferry/<name>`, and its source in page/.
const MODULES: &[(&str, &str)] =
    &[("redux", "ts/redux.ts"), ("react", "ts/react.tsx"), ("vite", "node/vite.ts")];

/// The package's command, `npx nightferry`.
const COMMAND: (&str, &str) = ("cli", "node/cli.ts");

/// The packages that the app brings if it uses a module that wants them, and the versions that fit.
const PEERS: &[(&str, &str)] =
    &[("@reduxjs/toolkit", ">=2"), ("react", ">=18"), ("redux", ">=5"), ("vite", ">=6")];

/// Bundles, declares and describes; quick enough to be done anew each time.
pub fn build() -> Result<()> {
    step("npm package (dist/npm/)", || {
        let _lock = workspace::lock()?;
        workspace::empty(&folder())?;
        for name in browser_files::DOWNLOADED {
            std::fs::copy(dist_browser().join(name), folder().join(name))?;
        }
        for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            std::fs::copy(root().join(name), folder().join(name))
                .with_context(|| format!("{name} is missing"))?;
        }
        let id = build_id(root(), workspace::version())?;
        for (name, source) in MODULES.iter().chain([&COMMAND]) {
            module(&id, name, source)?;
        }
        declarations()?;
        std::fs::write(folder().join("package.json"), format!("{:#}\n", manifest()?))?;
        Ok(Step::Done)
    })
}

/// Checks the package by other tools: publint for its files, attw for its types.
pub fn check() -> Result<()> {
    let mut publint = toolchain::node_tool(PUBLINT);
    process::quiet(publint.args(["run", "--strict", "--level", "suggestion"]).arg(folder()))?;
    let mut attw = toolchain::node_tool(ATTW);
    attw.args(["--profile", "esm-only", "--no-color", "--pack"]).arg(folder());
    // They are not modules.
    process::quiet(attw.args(["--exclude-entrypoints", "client.wasm", "sw.js", "sw.wasm", "package.json"]))
}

/// The client with Redux and React as an app's build bundles them, all exports used; only its size is wanted.
pub fn app() -> Result<PathBuf> {
    let into = prepared().join("app");
    workspace::empty(&into)?;
    let entry = folder().join("app-entry.js");
    // By name, as an app imports them: a namespace would be an object with a getter for each.
    let mut text = String::from("export * from './client.js';\n");
    for name in ["redux", "react"] {
        let names = exports(name)?;
        let renamed: Vec<String> =
            names.iter().map(|export| format!("{export} as {name}_{export}")).collect();
        text += &format!("export {{ {} }} from './{name}.js';\n", renamed.join(", "));
    }
    std::fs::write(&entry, text)?;
    let app = into.join(sizes::APP);
    let mut esbuild = toolchain::node_tool(ESBUILD);
    esbuild.args(["--bundle", "--minify", "--format=esm", "--legal-comments=none", "--log-level=warning"]);
    esbuild.args(["--external:./dashboard.js", "--external:./conflicts.js"]);
    esbuild.args(["--external:react", "--external:react/jsx-runtime"]);
    let bundled = process::quiet(esbuild.arg(&entry).arg(format!("--outfile={}", app.display())));
    std::fs::remove_file(&entry)?;
    bundled.map(|()| app)
}

/// The names that a module of the package exports.
fn exports(module: &str) -> Result<Vec<String>> {
    let metafile = prepared().join("exports.json");
    let mut esbuild = toolchain::node_tool(ESBUILD);
    esbuild.arg(folder().join(format!("{module}.js"))).arg(format!("--metafile={}", metafile.display()));
    process::quiet(esbuild.arg(format!("--outfile={}", prepared().join("exports.js").display())))?;
    let meta: Value = serde_json::from_slice(&std::fs::read(&metafile)?)?;
    let outputs = meta["outputs"].as_object().context("esbuild lists what it wrote")?;
    let names = outputs.values().filter_map(|output| output["exports"].as_array()).flatten();
    Ok(names.filter_map(|name| name.as_str().map(String::from)).collect())
}

/// Returns the folder of the package.
pub fn folder() -> PathBuf {
    root().join("dist/npm")
}

/// One module, with all that it is made of but the other modules of the package and what the app brings.
fn module(id: &str, name: &str, source: &str) -> Result<()> {
    let imports = prepared().join("imports.json");
    let mut esbuild = browser_files::module(id, source, &format!("{name}.js"), &folder());
    esbuild.arg(format!("--metafile={}", imports.display()));
    process::quiet(&mut esbuild)?;
    check_imports(name, &imports)
}

/// Checks that imports from outside are Node's own, of the package, or named as a peer.
fn check_imports(module: &str, metafile: &Path) -> Result<()> {
    let meta: Value = serde_json::from_slice(&std::fs::read(metafile)?)?;
    let output = &meta["outputs"][format!("{module}.js")];
    for import in output["imports"].as_array().context("esbuild lists what a module imports")? {
        let path = import["path"].as_str().unwrap_or_default();
        let own = ALIASES.iter().any(|(_, file)| path.ends_with(file));
        let peer = PEERS.iter().any(|(name, _)| path == *name || path.starts_with(&format!("{name}/")));
        if !own && !peer && !path.starts_with("node:") {
            bail!(
                "{module}.js imports {path}, which is no peer of the package: name it in PEERS (xtask/src/npm_package.rs), or do without"
            );
        }
    }
    Ok(())
}

/// The types of every module: those for browsers, and those for Node.
fn declarations() -> Result<()> {
    let types = prepared().join("types");
    emit_types(&types)?;
    // tsc repeats the folders as they are seen from the workspace's root.
    declare(&types.join("page/ts"), &folder(), "./")?;
    declare(&types.join("page/node"), &folder(), "./")
}

/// Writes TypeScript's declarations, in folders as they are seen from the workspace's root.
fn emit_types(into: &Path) -> Result<()> {
    workspace::empty(into)?;
    for project in ["tsconfig.json", "tsconfig.node.json"] {
        let mut tsc = toolchain::node_tool(TSC);
        tsc.args(["--project", project, "--noEmit", "false", "--declaration", "--emitDeclarationOnly"]);
        process::quiet(tsc.arg("--outDir").arg(into))?;
    }
    Ok(())
}

/// Copies declarations, with the package's own modules under the names that they have in it. `top` leads there.
fn declare(from: &Path, into: &Path, top: &str) -> Result<()> {
    std::fs::create_dir_all(into)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let to = into.join(path.file_name().context("a file has a name")?);
        if path.is_dir() {
            let top = if top == "./" { "../".to_string() } else { format!("../{top}") };
            declare(&path, &to, &top)?;
            continue;
        }
        let mut text = std::fs::read_to_string(&path)?;
        for (alias, file) in ALIASES {
            text = text.replace(&format!("\"{alias}\""), &format!("\"{top}{file}\""));
        }
        std::fs::write(to, text)?;
    }
    Ok(())
}

/// package.json. The order within an entry of `exports` decides: `types` stands first.
fn manifest() -> Result<Value> {
    let entry = |name: &str| json!({"types": format!("./{name}.d.ts"), "default": format!("./{name}.js")});
    let mut exports = Map::new();
    exports.insert(".".into(), entry("client"));
    for name in MODULES.iter().map(|(name, _)| *name).chain(["dashboard", "conflicts"]) {
        exports.insert(format!("./{name}"), entry(name));
    }
    for name in ["client.wasm", "sw.js", "sw.wasm", "package.json"] {
        exports.insert(format!("./{name}"), json!(format!("./{name}")));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    let peers: Map<String, Value> =
        PEERS.iter().map(|(name, range)| (name.to_string(), json!(range))).collect();
    let optional: Map<String, Value> =
        PEERS.iter().map(|(name, _)| (name.to_string(), json!({"optional": true}))).collect();
    Ok(json!({
        "name": "nightferry",
        "version": workspace::version(),
        "description": "Background sync for web apps: actions are journaled, saved and sent by a service worker",
        "keywords": ["background-sync", "offline", "redux", "indexeddb", "service-worker", "flask"],
        "license": "MIT OR Apache-2.0",
        "type": "module",
        // They define elements.
        "sideEffects": ["./dashboard.js", "./conflicts.js"],
        "exports": exports,
        "types": "./client.d.ts",
        "bin": {"nightferry": "cli.js"},
        "files": files,
        "engines": {"node": ">=20"},
        "peerDependencies": peers,
        "peerDependenciesMeta": optional,
    }))
}
