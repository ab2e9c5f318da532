//! `cargo run`: compiles the page to wasm, makes its JavaScript module, and starts Flask on http://127.0.0.1:5000
//! (`FLASK_PORT` chooses another port). `cargo run -- build` only builds; with `--release`, the page is small.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use wasm_bindgen_cli_support::Bindgen;

const WASM: &str = "wasm32-unknown-unknown";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    // Cargo says where the package is when it runs this.
    let folder = env::var_os("CARGO_MANIFEST_DIR").map_or(PathBuf::from("."), PathBuf::from);
    build(&folder)?;
    if env::args().nth(1).as_deref() == Some("build") { Ok(()) } else { serve(&folder) }
}

/// `static/page/packing_list.js` and its wasm.
fn build(folder: &Path) -> Result<(), String> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--lib", "--target", WASM]).current_dir(folder);
    if profile == "release" {
        cargo.arg("--release");
    }
    let built = cargo.status().map_err(|why| format!("cargo could not be started: {why}"))?;
    if !built.success() {
        return Err(format!(
            "The page could not be compiled. Where {WASM} is missing: `rustup target add {WASM}`."
        ));
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(folder.join("target"), PathBuf::from);
    let mut bindgen = Bindgen::new();
    bindgen.input_path(target.join(WASM).join(profile).join("packing_list.wasm"));
    bindgen.omit_default_module_path(false).typescript(false);
    let module = bindgen.web(true).and_then(|bindgen| bindgen.generate(folder.join("static/page")));
    module.map_err(|why| format!("The page's JavaScript could not be made: {why:#}"))
}

/// Becomes Flask, so that whatever ends this ends it: Ctrl-C, or a signal.
fn serve(folder: &Path) -> Result<(), String> {
    let port = env::var("FLASK_PORT").unwrap_or_else(|_| "5000".into());
    let python = find_python(folder)?;
    println!("\nThe packing list is at http://127.0.0.1:{port} (Ctrl-C ends it)\n");
    let mut flask = Command::new(&python);
    flask.args(["-m", "flask", "--app", "app", "run", "--port", &port]).current_dir(folder);
    become_it(&mut flask).map_err(|why| format!("{} could not be started: {why}", python.display()))
}

#[cfg(unix)]
fn become_it(command: &mut Command) -> std::io::Result<()> {
    // It only comes back where it fails.
    Err(std::os::unix::process::CommandExt::exec(command))
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> std::io::Result<()> {
    command.status().map(drop)
}

/// The first Python that has flask-nightferry: the one that is named, this folder's, the repository's, the system's.
fn find_python(folder: &Path) -> Result<PathBuf, String> {
    let candidates: Vec<PathBuf> = match env::var_os("NIGHTFERRY_PYTHON") {
        Some(named) => vec![named.into()],
        None => {
            let folders = [folder.join(".venv"), folder.join("../../target/nightferry/venv")];
            let of_folders =
                folders.iter().flat_map(|venv| [venv.join("bin/python"), venv.join("Scripts/python.exe")]);
            of_folders.filter(|python| python.is_file()).chain(["python3".into(), "python".into()]).collect()
        }
    };
    let has_nightferry = |python: &&PathBuf| {
        let import = Command::new(python).args(["-c", "import flask_nightferry"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    candidates.iter().find(has_nightferry).cloned().ok_or_else(|| {
        format!(
            "No Python with flask-nightferry was found (looked at {candidates:?}).\nRun `cargo xtask build` in the root of \
             the repository, which makes one,\nor name another Python: NIGHTFERRY_PYTHON=/path/to/python cargo run"
        )
    })
}
