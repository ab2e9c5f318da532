//! A page with React (`react/page.jsx`), which shows what its components see and how often they render.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::{Server, Tab, root};

/// The page, loaded in a tab. Nightferry is not registered yet, and no component is shown.
pub struct ReactPage {
    pub tab: Tab,
}

impl ReactPage {
    pub async fn open(tab: Tab, server: &Server) -> Result<ReactPage> {
        ReactPage::open_with(tab, server, "").await
    }

    /// With `?strict`, React's strict mode: components render twice, and their effects run twice.
    pub async fn open_with(tab: Tab, server: &Server, query: &str) -> Result<ReactPage> {
        static BUNDLED: OnceLock<Result<(), String>> = OnceLock::new();
        let bundled = tokio::task::block_in_place(|| {
            BUNDLED.get_or_init(|| bundle().map_err(|error| format!("{error:#}")))
        });
        bundled.as_ref().map_err(|error| anyhow!("the page with React could not be bundled: {error}"))?;
        tab.goto(&server.url(&format!("/__test__/react/{query}"))).await?;
        tab.wait_until("window.app?.show").await?;
        Ok(ReactPage { tab })
    }

    /// Registers the slice `files` with these settings.
    pub async fn register(&self, files: Value) -> Result<()> {
        let options = json!({"slices": {"files": files}});
        self.tab.eval_with(&options, "await nf.register(input);").await
    }

    /// Mounts these parts of the page, and unmounts the others.
    pub async fn show(&self, parts: &[&str]) -> Result<()> {
        self.tab.eval_with(&parts, "app.show(input);").await
    }

    /// How often a component was rendered.
    pub async fn renders(&self, component: &str) -> Result<u64> {
        self.tab.eval(&format!("return app.seen.{component}?.renders ?? 0;")).await
    }

    /// Waits until what a component saw last makes this JavaScript expression over `value` true.
    pub async fn wait_until_seen(&self, component: &str, expression: &str) -> Result<()> {
        let seen = format!("app.seen.{component} && ((value) => {expression})(app.seen.{component}.value)");
        self.tab.wait_until(&seen).await
    }
}

/// Bundles the page with React's development build, which finds fault with more; and the dashboard, which the page loads when it shows it.
fn bundle() -> Result<()> {
    let page = root().join("page");
    let mut esbuild = Command::new(page.join("node_modules/.bin/esbuild"));
    esbuild.args(["--bundle", "--format=esm", "--target=es2022", "--jsx=automatic", "--log-level=warning"]);
    esbuild.arg("--define:process.env.NODE_ENV=\"development\"");
    esbuild.args(["--alias:nightferry-client=/nightferry/client.js", "--external:/nightferry/client.js"]);
    esbuild.args(["--alias:nightferry-dashboard=./dashboard.js", "--external:./dashboard.js"]);
    esbuild.arg(root().join("tests/e2e/react/page.jsx")).arg(page.join("ts/dashboard.ts"));
    esbuild.arg("--entry-names=[name]");
    esbuild.arg(format!("--outdir={}", root().join("target/nightferry/e2e-react").display()));
    esbuild.env("NODE_PATH", page.join("node_modules"));
    let output =
        esbuild.output().context("esbuild is missing; run `cargo xtask test e2e`, which installs it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
