//! `cargo xtask`: builds what browsers and servers load, runs the demo, runs the tests, measures.
//!
//! Everything here prepares what it needs and says so, repeats only what changed, and fails with the next step to take.

mod api_docs;
mod bench;
mod browser_files;
mod browsers;
mod build_id;
mod demo;
mod minify_glue;
mod npm_package;
mod options;
mod process;
mod progress;
mod purity;
mod release;
mod rust_pages;
mod shots;
mod sim;
mod sizes;
mod test;
mod tidy;
mod toolchain;
mod wheel;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::{Arg, Parser};

const USAGE: &str = "\
cargo xtask build                                  the browser's files, dist/npm/ and dist/python/, with their sizes
cargo xtask build --browser-only                   the browser's files alone
cargo xtask build --release-files                  besides, dist/release/: wheel, npm package, notes, checksums
cargo xtask api                                    writes docs/api.md, the API reference, out of the types
cargo xtask demo [--port 5000] [--no-open]         prepares this machine and serves the demo
cargo xtask test [SUITE...]                        runs every suite, or those named:
                                                   lint core purity sim page server build e2e
cargo xtask test e2e -- api::                      of the end-to-end tests those, as `cargo test` takes them
cargo xtask test e2e --browsers firefox,webkit     of the end-to-end tests those of these browsers
cargo xtask bench [--rounds 7] [--write]           compares with a hand-written reference; --write keeps it in docs/
cargo xtask sim [--seeds 500] [--from FIRST]       scenarios of a device from fresh seeds, with faults everywhere
cargo xtask sim --seed S [--shrink] | --mutants    one scenario with its whole trace | rules broken on purpose are found
cargo xtask tidy                                   checks words, names and links that no compiler checks
cargo xtask shots [APP...] [--docs]                pictures of demo, examples and dashboard in all states, checked by axe;
                                                   --docs keeps those that the documents show";

fn main() -> ExitCode {
    match run(Parser::from_env()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut parser: Parser) -> Result<ExitCode> {
    let command = match parser.next()? {
        Some(Arg::Value(command)) => options::utf8(command)?,
        None | Some(Arg::Long("help") | Arg::Short('h')) => "help".into(),
        Some(option) => {
            bail!("there is no option `{}`; a command comes first\n\n{USAGE}", options::text(&option))
        }
    };
    match command.as_str() {
        "build" => build(parser),
        "api" => api(parser),
        "demo" => demo::run(&demo::Options::parse(parser)?),
        "test" => test::run(&test::Options::parse(parser)?),
        "tidy" => tidy(parser),
        "bench" => bench::run(&bench::Options::parse(parser)?),
        "sim" => sim::run(&sim::Options::parse(parser)?),
        "shots" => shots::run(parser),
        "help" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => bail!("there is no command `{unknown}`\n\n{USAGE}"),
    }
}

fn api(mut parser: Parser) -> Result<ExitCode> {
    options::none("api", &mut parser)?;
    // TypeScript reads the types that wasm-bindgen wrote.
    browser_files::ensure()?;
    api_docs::write()?;
    Ok(ExitCode::SUCCESS)
}

fn tidy(mut parser: Parser) -> Result<ExitCode> {
    options::none("tidy", &mut parser)?;
    tidy::check()?;
    Ok(ExitCode::SUCCESS)
}

fn build(mut parser: Parser) -> Result<ExitCode> {
    let (mut browser_only, mut is_release) = (false, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("browser-only") => browser_only = true,
            Arg::Long("release-files") => is_release = true,
            other => return Err(options::unknown("build", &other, "--browser-only and --release-files")),
        }
    }
    browser_files::ensure()?;
    if browser_only {
        sizes::check(&workspace::dist_browser(), &[])?;
    } else {
        match is_release {
            true => release::build()?,
            false => {
                npm_package::build()?;
                wheel::build()?;
            }
        }
        sizes::check(&npm_package::folder(), &[npm_package::app()?])?;
    }
    Ok(ExitCode::SUCCESS)
}
