//! Prepares this machine: each `ensure_*` looks, prepares what is missing, and is quick when nothing is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build_id::Fnv;
use crate::process::{self, command};
use crate::progress::{Step, step};
use crate::workspace;

pub const WASM: &str = "wasm32-unknown-unknown";

/// Rust's standard library for wasm.
pub fn ensure_wasm_target() -> Result<()> {
    step("Rust's wasm target", || {
        let sysroot = process::text(&mut command("rustc", ["--print", "sysroot"]))?;
        if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
            return Ok(Step::UpToDate);
        }
        process::show(&mut command("rustup", ["target", "add", WASM])).with_context(|| {
            format!("Rust cannot compile to {WASM}; with rustup: `rustup target add {WASM}`, else install your system's package for it")
        })?;
        Ok(Step::Done)
    })
}

/// esbuild, TypeScript, Biome and binaryen in page/node_modules, exactly as page/package-lock.json says.
pub fn ensure_node_tools() -> Result<()> {
    step("Node tools (npm ci in page/)", || npm_ci(&workspace::page()))
}

/// TypeDoc in page/api-docs/node_modules. It needs TypeScript 6, as TypeScript 7 has no API that programs could use.
pub fn ensure_api_docs_tools() -> Result<()> {
    step("TypeDoc (npm ci in page/api-docs/)", || npm_ci(&api_docs()))
}

fn npm_ci(folder: &Path) -> Result<Step> {
    let _lock = workspace::lock()?;
    let key = key_of(&[&folder.join("package-lock.json"), &folder.join("package.json")])?;
    let stamp = folder.join("node_modules/.nightferry");
    if is_stamped(&stamp, &key) {
        return Ok(Step::UpToDate);
    }
    let version = process::text(&mut command("node", ["--version"]))
        .context("Node is missing; install Node 20 or later from https://nodejs.org")?;
    let major: u32 =
        version.trim_start_matches('v').split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0);
    if major < 20 {
        bail!("Node {} is too old; install Node 20 or later from https://nodejs.org", version.trim());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    process::quiet(command(npm, ["ci", "--no-audit", "--no-fund"]).current_dir(folder))
        .context("the Node tools could not be installed; check the network, then run the command again")?;
    write_stamp(&stamp, &key)?;
    Ok(Step::Done)
}

fn api_docs() -> PathBuf {
    workspace::page().join("api-docs")
}

/// One of the Node tools, run in page/. By the name that npm gives it, because a package may put a native program in
/// the place of its script when it is installed.
pub fn node_tool(name: &str) -> Command {
    npm_tool(&workspace::page(), name)
}

/// One of the tools of page/api-docs/, run there.
pub fn api_docs_tool(name: &str) -> Command {
    npm_tool(&api_docs(), name)
}

fn npm_tool(folder: &Path, name: &str) -> Command {
    let file = if cfg!(windows) { format!("{name}.cmd") } else { name.to_string() };
    let mut tool = command(folder.join("node_modules/.bin").join(file), [""; 0]);
    tool.current_dir(folder);
    tool
}

pub const ESBUILD: &str = "esbuild";
pub const TSC: &str = "tsc";
pub const BIOME: &str = "biome";
pub const WASM_OPT: &str = "wasm-opt";
pub const PUBLINT: &str = "publint";
pub const ATTW: &str = "attw";
pub const TYPEDOC: &str = "typedoc";

/// The Python environment with the Flask extension installed from server/, editable.
#[derive(Clone, Copy)]
pub enum Python {
    /// Everything that serving needs.
    Serve,
    /// That, and the linters and test tools of server's `dev` extra.
    Develop,
}

pub fn ensure_python(what: Python) -> Result<()> {
    step("Python environment (target/nightferry/venv)", || {
        let _lock = workspace::lock()?;
        let project = workspace::root().join("server/pyproject.toml");
        if !project.is_file() {
            bail!("server/pyproject.toml is missing, so there is no Flask extension to install");
        }
        let venv = venv();
        let key = key_of(&[&project])?;
        let serve = venv.join(".nightferry-serve");
        let develop = venv.join(".nightferry-develop");
        let ready = is_stamped(&develop, &key) || (matches!(what, Python::Serve) && is_stamped(&serve, &key));
        if ready && python().is_file() {
            return Ok(Step::UpToDate);
        }
        if !python().is_file() {
            create_venv(&venv)?;
        }
        let (package, stamp) = match what {
            Python::Serve => ("server", serve),
            Python::Develop => ("server[dev]", develop),
        };
        process::quiet(&mut pip(["install", "--editable", package])).context(
            "the Flask extension could not be installed; check the network, then run the command again",
        )?;
        write_stamp(&stamp, &key)?;
        Ok(Step::Done)
    })
}

fn create_venv(venv: &Path) -> Result<()> {
    let python =
        process::find(&["python3", "python"]).context("Python is missing; install Python 3.11 or later")?;
    let check = "import sys; sys.exit(sys.version_info < (3, 11))";
    process::quiet(&mut command(&python, ["-c", check]))
        .with_context(|| format!("{} is too old; install Python 3.11 or later", python.display()))?;
    process::quiet(command(&python, ["-m", "venv", "--clear"]).arg(venv))
        .context("Python's venv module does not work; on Debian or Ubuntu: `apt-get install python3-venv`")
}

/// The environment's Python.
pub fn python() -> PathBuf {
    venv_tool("python")
}

/// A program that a package of the environment brought.
pub fn venv_tool(name: &str) -> PathBuf {
    if cfg!(windows) {
        venv().join("Scripts").join(name).with_extension("exe")
    } else {
        venv().join("bin").join(name)
    }
}

pub fn pip<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut pip = command(python(), ["-m", "pip", "--disable-pip-version-check", "--quiet"]);
    pip.args(arguments);
    pip
}

fn venv() -> PathBuf {
    workspace::prepared().join("venv")
}

/// The folder of PostgreSQL's `initdb` and `postgres`, for a server that the tests start themselves. An installed one is used
/// (`NIGHTFERRY_POSTGRESQL` chooses it); where there is none, root installs Debian's package.
pub fn ensure_postgresql() -> Result<PathBuf> {
    let mut found = None;
    step("PostgreSQL", || {
        found = find_postgresql();
        if found.is_some() {
            return Ok(Step::UpToDate);
        }
        if !can_apt_get() {
            bail!(
                "PostgreSQL is missing. On Debian or Ubuntu: `sudo apt-get install postgresql`. Elsewhere put initdb and postgres \
                 into PATH; NIGHTFERRY_POSTGRESQL may name their folder."
            );
        }
        apt_get_install(&["postgresql"])?;
        found = find_postgresql();
        if found.is_none() {
            bail!(
                "apt-get installed PostgreSQL, yet initdb is not in /usr/lib/postgresql; set NIGHTFERRY_POSTGRESQL"
            );
        }
        Ok(Step::Done)
    })?;
    found.context("no PostgreSQL")
}

/// Debian keeps each version's programs in a folder that is not in PATH.
fn find_postgresql() -> Option<PathBuf> {
    let has_programs = |folder: &PathBuf| {
        ["initdb", "postgres"].iter().all(|program| {
            folder.join(program).is_file() || folder.join(program).with_extension("exe").is_file()
        })
    };
    if let Some(named) = std::env::var_os("NIGHTFERRY_POSTGRESQL").map(PathBuf::from) {
        return Some(named).filter(has_programs);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has_programs(folder))
        .collect();
    folders.sort();
    let on_path = || process::find(&["initdb"])?.parent().map(Path::to_path_buf).filter(has_programs);
    folders.pop().map(|(_, folder)| folder).or_else(on_path)
}

/// nginx, which the tests start themselves. An installed one is used (`NIGHTFERRY_NGINX` chooses it); where there is none, root
/// installs Debian's package.
pub fn ensure_nginx() -> Result<PathBuf> {
    let mut found = None;
    step("nginx", || {
        found = find_nginx();
        if found.is_some() {
            return Ok(Step::UpToDate);
        }
        if !can_apt_get() {
            bail!(
                "nginx is missing. On Debian or Ubuntu: `sudo apt-get install nginx`. Elsewhere put it into PATH; NIGHTFERRY_NGINX \
                 may name it."
            );
        }
        apt_get_install(&["nginx"])?;
        found = find_nginx();
        if found.is_none() {
            bail!("apt-get installed nginx, yet it is not in PATH; set NIGHTFERRY_NGINX");
        }
        Ok(Step::Done)
    })?;
    found.context("no nginx")
}

/// Debian keeps it in a folder that is not in everybody's PATH.
fn find_nginx() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("NIGHTFERRY_NGINX").map(PathBuf::from) {
        return Some(named).filter(|program| program.is_file());
    }
    let debian = PathBuf::from("/usr/sbin/nginx");
    process::find(&["nginx"]).or_else(|| debian.is_file().then_some(debian))
}

/// Returns true if this machine installs Debian's packages by itself: it runs as root, where there is apt-get.
pub fn can_apt_get() -> bool {
    is_root() && process::find(&["apt-get"]).is_some()
}

pub fn apt_get_install(packages: &[&str]) -> Result<()> {
    println!("  apt-get install {}", packages.join(" "));
    process::quiet(&mut command("apt-get", ["update"]))?;
    let mut install = command("apt-get", ["install", "--yes", "--no-install-recommends"]);
    process::quiet(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive")).with_context(|| {
        format!("installing failed; type `apt-get install {}` to see why", packages.join(" "))
    })
}

fn is_root() -> bool {
    process::text(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// A short key of these files' content. A missing file counts as empty.
pub fn key_of(files: &[&Path]) -> Result<String> {
    let mut hash = Fnv::default();
    for file in files {
        let content = if file.is_file() { std::fs::read(file)? } else { Vec::new() };
        hash.write(&(content.len() as u64).to_le_bytes());
        hash.write(&content);
    }
    Ok(format!("{:016x}", hash.0))
}

/// Returns true if the work that `stamp` stands for was done for this `key`.
pub fn is_stamped(stamp: &Path, key: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|stamped| stamped == key)
}

pub fn write_stamp(stamp: &Path, key: &str) -> Result<()> {
    std::fs::write(stamp, key).with_context(|| format!("{} could not be written", stamp.display()))
}
