//! `cargo xtask`: builds what browsers and servers load, runs the demo, runs the tests, measures.
//!
//! Everything here prepares what it needs and says so, repeats only what changed, and fails with the next step to take.

mod api_docs;
mod bench;
mod browser_files;
mod build_id;
mod demo;
mod machine;
mod npm_package;
mod process;
mod progress;
mod purity;
mod rename;
mod rust_pages;
mod shots;
mod sim;
mod sizes;
mod test;
mod wheel;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask build                                  the browser's files, dist/npm/ and dist/python/, with their sizes
cargo xtask build --browser-only                   the browser's files alone
cargo xtask api                                    writes docs/api.md, the API reference, out of the types
cargo xtask demo [--port 5000] [--no-open]         prepares this machine and serves the demo
cargo xtask test [SUITE...] [--browsers chromium]  runs every suite, or those named:
                                                   lint core purity sim page server build e2e
cargo xtask test e2e -- --test api f19             of the end-to-end tests those, as `cargo test` takes them
cargo xtask bench [--rounds 7] [--write]           compares with a hand-written reference; --write keeps it in docs/
cargo xtask sim [--seeds 500] [--from FIRST]       lives of a device from fresh seeds, with faults everywhere
cargo xtask sim --seed S | --mutants               one life with its whole trace | rules broken on purpose are found
cargo xtask shots [FOLDER]                         screenshots of the demo, phone and desktop, light and dark";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    match command.as_str() {
        "build" => build(rest),
        "api" => api(rest),
        "demo" => demo::run(&demo::Options::parse(rest)?),
        "test" => test::run(&test::Options::parse(rest)?),
        "bench" => bench::run(&bench::Options::parse(rest)?),
        "sim" => sim::run(rest),
        "shots" => shots::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => bail!("there is no command `{unknown}`\n\n{USAGE}"),
    }
}

fn api(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("`api` does not know {}\n\n{USAGE}", arguments.join(" "));
    }
    // TypeScript reads the types that wasm-bindgen wrote.
    browser_files::ensure()?;
    api_docs::write()?;
    Ok(ExitCode::SUCCESS)
}

fn build(arguments: &[String]) -> Result<ExitCode> {
    let browser_only = match arguments {
        [] => false,
        [flag] if flag == "--browser-only" => true,
        other => bail!("`build` does not know {}\n\n{USAGE}", other.join(" ")),
    };
    browser_files::ensure()?;
    if browser_only {
        sizes::check(&workspace::dist_browser(), &[])?;
    } else {
        npm_package::build()?;
        wheel::build()?;
        sizes::check(&npm_package::folder(), &[npm_package::app()?])?;
    }
    Ok(ExitCode::SUCCESS)
}
