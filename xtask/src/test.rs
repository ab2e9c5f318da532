//! `cargo xtask test`: every suite, cheap ones first, and a summary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::browsers::Browser;
use crate::process::{self, cargo, command};
use crate::progress::seconds;
use crate::toolchain::{self, BIOME, ESBUILD, Python, TSC, WASM};
use crate::{
    api_docs, browser_files, build_id, npm_package, options, purity, rust_pages, sim, sizes, tidy, workspace,
};

#[derive(Debug)]
struct Suite {
    name: &'static str,
    what: &'static str,
    run: fn(&Options) -> Result<()>,
}

/// In the order in which they run.
const SUITES: &[Suite] = &[
    Suite { name: "lint", what: "formatters and linters of the three languages", run: |_| lint() },
    Suite {
        name: "core",
        what: "the core's tests, and the native ones of worker, page and xtask",
        run: |_| core(),
    },
    Suite {
        name: "purity",
        what: "the core has no I/O, clock, randomness or browser types",
        run: |_| purity::check(),
    },
    Suite {
        name: "sim",
        what: "500 fresh lives of a device, with faults at every boundary",
        run: |_| sim::check(),
    },
    Suite { name: "page", what: "the page's TypeScript", run: |_| page() },
    Suite {
        name: "server",
        what: "the Flask extension, on SQLite and PostgreSQL, and behind nginx",
        run: |_| server(),
    },
    Suite { name: "build", what: "the browser's files, the npm package, their sizes", run: |_| build() },
    Suite { name: "e2e", what: "real browsers, real Flask", run: e2e },
];

/// The number of end-to-end tests that run side by side, for each core and at most: a test waits for half of its time, and has a browser.
const E2E_PER_CORE: usize = 2;
const E2E_AT_MOST: usize = 8;

#[derive(Debug)]
pub struct Options {
    suites: Vec<&'static Suite>,
    /// The browsers of the end-to-end tests.
    browsers: BTreeSet<Browser>,
    /// For the end-to-end tests' `cargo test`: what follows `--`.
    of_e2e: Vec<String>,
}

impl Options {
    pub fn parse(mut parser: Parser) -> Result<Options> {
        let mut named = Vec::new();
        let mut named_browsers = BTreeSet::new();
        let mut of_e2e = Vec::new();
        loop {
            if let Some(rest) = options::after_dashes(&mut parser)? {
                of_e2e = rest;
                break;
            }
            let Some(argument) = parser.next()? else { break };
            match argument {
                Arg::Long("browsers") => {
                    named_browsers.extend(browsers(&options::value(&mut parser).unwrap_or_default())?);
                }
                Arg::Value(name) => named.push(suite(&options::utf8(name)?)?.name),
                other => {
                    return Err(options::unknown("test", &other, "names of suites and --browsers firefox"));
                }
            }
        }
        if !of_e2e.is_empty() && named != ["e2e"] {
            bail!("what follows `--` is for the end-to-end tests: `cargo xtask test e2e -- f19`");
        }
        let suites = SUITES.iter().filter(|suite| named.is_empty() || named.contains(&suite.name)).collect();
        let browsers = match named_browsers.is_empty() {
            true => Browser::ALL.into(),
            false => named_browsers,
        };
        Ok(Options { suites, browsers, of_e2e })
    }
}

fn suite(name: &str) -> Result<&'static Suite> {
    let Some(suite) = SUITES.iter().find(|suite| suite.name == name) else {
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        bail!("there is no suite `{name}`; there are {}", names.join(", "));
    };
    Ok(suite)
}

/// Reads a list such as `firefox,webkit`.
fn browsers(list: &str) -> Result<BTreeSet<Browser>> {
    let read = |name: &str| {
        let browser = Browser::ALL.into_iter().find(|browser| browser.name() == name.trim());
        browser.with_context(|| format!("--browsers takes a list of chromium, firefox, webkit, not `{name}`"))
    };
    list.split(',').map(read).collect()
}

pub fn run(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let mut results = Vec::new();
    for suite in &options.suites {
        println!("\n━━ {}: {}", suite.name, suite.what);
        let began = Instant::now();
        let result = (suite.run)(options);
        if let Err(error) = &result {
            println!("  FAILED: {error:#}");
        }
        results.push((suite.name, result, began.elapsed()));
    }
    Ok(summary(&results, started.elapsed()))
}

fn summary(results: &[(&str, Result<()>, Duration)], total: Duration) -> ExitCode {
    println!("\n━━ summary");
    for (name, result, time) in results {
        let verdict = if result.is_ok() { "passed" } else { "FAILED" };
        let reason = result.as_ref().err().map(|error| format!("  {error}")).unwrap_or_default();
        println!("{name:<8} {verdict} {:>9}{}", seconds(*time), reason.lines().next().unwrap_or_default());
    }
    let failed: Vec<&str> =
        results.iter().filter(|(_, result, _)| result.is_err()).map(|(name, ..)| *name).collect();
    if !failed.is_empty() {
        println!("again, those alone: cargo xtask test {}", failed.join(" "));
    }
    println!("{} passed, {} failed (suites; {})", results.len() - failed.len(), failed.len(), seconds(total));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all of it, so that one look shows all there is to mend.
fn lint() -> Result<()> {
    toolchain::ensure_wasm_target()?;
    let mut failed = Vec::new();
    let mut run = |name: &'static str, mut command: std::process::Command| {
        println!("→ {name}");
        if let Err(error) = process::show(&mut command) {
            println!("  {error:#}");
            failed.push(name);
        }
    };
    std::thread::scope(|scope| {
        let preparing = scope.spawn(prepare_beside_clippy);
        rust_lints().into_iter().for_each(|(name, command)| run(name, command));
        preparing.join().unwrap_or_else(|_| bail!("the thread that prepares the tools panicked"))
    })?;
    let ruff = toolchain::venv_tool("ruff");
    run("ruff check", command(&ruff, ["check", "--quiet", "."]));
    run("ruff format", command(&ruff, ["format", "--check", "--quiet", "."]));
    let mut biome = toolchain::node_tool(BIOME);
    biome.args(["check", "--error-on-warnings", "."]).current_dir(workspace::root());
    run("biome check", biome);
    for (name, project) in [
        ("tsc", "tsconfig.json"),
        ("tsc (for Node)", "tsconfig.node.json"),
        ("tsc (tests)", "tsconfig.test.json"),
    ] {
        let mut tsc = toolchain::node_tool(TSC);
        tsc.args(["--project", project, "--noEmit"]);
        run(name, tsc);
    }
    println!("→ docs/api.md");
    if let Err(error) = api_docs::check() {
        println!("  {error:#}");
        failed.push("docs/api.md");
    }
    println!("→ tidy");
    if let Err(error) = tidy::check() {
        println!("  {error:#}");
        failed.push("tidy");
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join(", ")) }
}

/// rustfmt and Clippy, with their names.
fn rust_lints() -> Vec<(&'static str, std::process::Command)> {
    let all = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let wasm = ["clippy", "--quiet", "--target", WASM, "-p", "nightferry-page"];
    let mut worker_and_client = cargo(wasm.iter().chain(&["-p", "nightferry-sw"]));
    worker_and_client.args(browser_files::CLIENT).args(["--features", "nightferry-sw/conformance"]);
    worker_and_client.args(["--", "-D", "warnings"]);
    let mut lints = vec![
        ("cargo fmt", cargo(["fmt", "--all", "--check"])),
        ("cargo clippy", cargo(all)),
        ("cargo clippy (pages in Rust)", cargo(wasm.iter().chain(&["--", "-D", "warnings"]))),
        ("cargo clippy (worker and client)", worker_and_client),
    ];
    lints.extend(rust_pages::lint_example());
    lints
}

/// The tools of the other linters, and the browser's files, whose types TypeScript reads. It waits for the network and for single
/// threads of linkers, Clippy for processors, so they run side by side; their lines are mixed.
fn prepare_beside_clippy() -> Result<()> {
    toolchain::ensure_node_tools()?;
    toolchain::ensure_python(Python::Develop)?;
    browser_files::ensure()?;
    rust_pages::build_for_node()
}

fn core() -> Result<()> {
    let packages =
        ["-p", "nightferry", "-p", "nightferry-sim", "-p", "nightferry-sw", "-p", "nightferry-page"];
    let tested = process::show(cargo(["test", "--quiet"]).args(packages));
    // By itself: together with others, all that it depends on would be compiled again with their features.
    let own = process::show(&mut cargo(["test", "--quiet", "-p", "xtask"]));
    tested.and(own)
}

/// Bundles every page/{ts,node}/**/*.test.ts, and runs them in Node.
fn page() -> Result<()> {
    let mut tests = Vec::new();
    for folder in ["ts", "node"] {
        find_tests(&workspace::page().join(folder), &mut tests)?;
    }
    browser_files::ensure()?;
    rust_pages::build_for_node()?;
    let into = workspace::prepared().join("page-tests");
    if into.is_dir() {
        std::fs::remove_dir_all(&into)?;
    }
    let id = build_id::build_id(workspace::root(), workspace::version())?;
    let mut esbuild = toolchain::node_tool(ESBUILD);
    esbuild.args(["--bundle", "--platform=node", "--format=esm", "--target=node20", "--sourcemap=inline"]);
    esbuild.args(["--log-level=warning", "--out-extension:.js=.mjs"]).arg(browser_files::wasm_alias());
    esbuild.args(rust_pages::node_aliases());
    esbuild.arg(browser_files::define_build(&id)).arg(format!("--outdir={}", into.display())).args(&tests);
    esbuild.arg(format!("--outbase={}", workspace::page().display()));
    process::quiet(&mut esbuild)?;
    let mut bundled = Vec::new();
    for test in &tests {
        let name = test.strip_prefix(workspace::page())?;
        bundled.push(into.join(name).with_extension("mjs"));
    }
    // `--expose-gc`: what an app drops has to go.
    let mut node = command("node", ["--enable-source-maps", "--expose-gc", "--test"]);
    process::show(node.args(bundled).current_dir(workspace::root()))
}

fn find_tests(folder: &Path, tests: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_tests(&path, tests)?;
        } else if path.to_string_lossy().ends_with(".test.ts") {
            tests.push(path);
        }
    }
    tests.sort();
    Ok(())
}

fn server() -> Result<()> {
    toolchain::ensure_python(Python::Develop)?;
    let postgresql = toolchain::ensure_postgresql()?;
    let nginx = toolchain::ensure_nginx()?;
    // A process for each core: a test uses one at a time. Each has a PostgreSQL of its own. Who is done first takes over tests of others.
    let processes = ["--numprocesses", "auto", "--dist", "worksteal"];
    let mut pytest = command(toolchain::python(), ["-m", "pytest", "-q"].iter().chain(&processes));
    pytest.current_dir(workspace::root().join("server"));
    process::show(pytest.env("NIGHTFERRY_POSTGRESQL", postgresql).env("NIGHTFERRY_NGINX", nginx))
}

fn build() -> Result<()> {
    browser_files::ensure()?;
    npm_package::build()?;
    npm_package::check()?;
    sizes::check(&npm_package::folder(), &[npm_package::app()?])
}

fn e2e(options: &Options) -> Result<()> {
    browser_files::ensure()?;
    npm_package::build()?;
    rust_pages::build_for_tests()?;
    // The examples use other extensions beside Nightferry, such as Flask-Login.
    toolchain::ensure_python(Python::Develop)?;
    let mut test = cargo(["test"]);
    test.args(e2e_arguments(options));
    for browser in needed_browsers(options) {
        test.envs(browser.ensure()?);
    }
    // The documented deployment is opened in a browser.
    test.env("NIGHTFERRY_POSTGRESQL", toolchain::ensure_postgresql()?);
    test.env("NIGHTFERRY_NGINX", toolchain::ensure_nginx()?);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    test.env("RUST_TEST_THREADS", (cores * E2E_PER_CORE).min(E2E_AT_MOST).to_string());
    process::show(test.env("NIGHTFERRY_PYTHON", toolchain::python()))
}

/// The browsers of the chosen tests. Of the files, `engines.rs` alone needs others than Chromium.
fn needed_browsers(options: &Options) -> impl Iterator<Item = Browser> {
    let mut names = options.of_e2e.iter().take_while(|argument| *argument != "--");
    let has_engines =
        options.of_e2e.is_empty() || names.any(|name| !name.contains("::") || name.contains("engines::"));
    options.browsers.iter().copied().filter(move |browser| has_engines || *browser == Browser::Chromium)
}

/// What `cargo test` is given for the end-to-end tests. The tests of `engines.rs` end in the names of their browsers; all others drive
/// Chromium.
fn e2e_arguments(options: &Options) -> Vec<String> {
    let Options { browsers, of_e2e, .. } = options;
    // A test that fails hides none of the others.
    let mut arguments: Vec<String> = ["--no-fail-fast", "-p", "nightferry-e2e"].map(String::from).into();
    if !browsers.contains(&Browser::Chromium) && of_e2e.is_empty() {
        arguments.push("engines::".into());
    }
    arguments.extend(of_e2e.iter().cloned());
    let left_out: Vec<_> = Browser::ALL.into_iter().filter(|browser| !browsers.contains(browser)).collect();
    if !left_out.is_empty() && !of_e2e.iter().any(|argument| argument == "--") {
        arguments.push("--".into());
    }
    for browser in left_out {
        arguments.extend(["--skip".into(), format!("::{}", browser.name())]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        assert_eq!(parse(&[]).unwrap().suites.len(), SUITES.len());
        let named = parse(&["page", "lint", "--browsers=chromium", "--browsers", "chromium"]).unwrap();
        assert_eq!(named.suites.iter().map(|suite| suite.name).collect::<Vec<_>>(), ["lint", "page"]);
        assert_eq!(parse(&["e2e", "--", "f19"]).unwrap().of_e2e, ["f19"]);
        for (wrong, error) in [
            (&["pages"][..], "there is no suite `pages`; there are lint, core"),
            (&["--browser", "chromium"], "`test` does not know `--browser`"),
            (&["--browsers"], "--browsers takes a list"),
            (
                &["--browsers", "firefox,edge"],
                "--browsers takes a list of chromium, firefox, webkit, not `edge`",
            ),
            (&["page", "--", "x"], "what follows `--` is for the end-to-end tests"),
        ] {
            assert!(parse(wrong).unwrap_err().to_string().contains(error), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_engines_tests_need_other_browsers_than_chromium() {
        let needed = |given: &[&str]| needed_browsers(&parse(given).unwrap()).collect::<Vec<_>>();
        assert_eq!(needed(&["e2e"]), Browser::ALL);
        assert_eq!(needed(&["e2e", "--", "f19"]), Browser::ALL);
        assert_eq!(needed(&["e2e", "--", "engines::"]), Browser::ALL);
        assert_eq!(needed(&["e2e", "--", "api::"]), [Browser::Chromium]);
        assert_eq!(needed(&["e2e", "--browsers", "webkit"]), [Browser::WebKit]);
    }

    #[test]
    fn browsers_choose_the_end_to_end_tests() {
        let arguments = |given: &[&str]| e2e_arguments(&parse(given).unwrap()).join(" ");
        let all = "--no-fail-fast -p nightferry-e2e";
        assert_eq!(arguments(&["e2e"]), all);
        assert_eq!(
            arguments(&["e2e", "--browsers", "chromium"]),
            format!("{all} -- --skip ::firefox --skip ::webkit")
        );
        // All other files drive Chromium.
        assert_eq!(
            arguments(&["e2e", "--browsers", "firefox", "--browsers=webkit"]),
            format!("{all} engines:: -- --skip ::chromium")
        );
        assert_eq!(
            arguments(&["e2e", "--browsers", "chromium, firefox", "--", "f19"]),
            format!("{all} f19 -- --skip ::webkit")
        );
        assert_eq!(
            arguments(&["e2e", "--browsers=chromium", "--", "api::", "--", "--nocapture"]),
            format!("{all} api:: -- --nocapture --skip ::firefox --skip ::webkit")
        );
    }
}
