//! A page with React (`pages/react.jsx`), which shows what its components see and how often they render.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{Server, Tab, bundle};

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
        bundle("react.jsx")?;
        tab.goto(&server.url(&format!("/__test__/bundled/react/{query}"))).await?;
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
