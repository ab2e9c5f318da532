//! The benchmark's page (`bench/page.js`), and what its thread does.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{Browser, Server, Tab};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Nightferry,
    /// Nightferry, with a slice that is not sent to Flask.
    Unsent,
    Reference,
}

impl Side {
    fn query(self) -> &'static str {
        match self {
            Side::Nightferry => "nightferry&files",
            Side::Unsent => "nightferry&local",
            Side::Reference => "reference&files",
        }
    }
}

/// The page with a side, loaded.
pub struct Page {
    tab: Tab,
    side: Side,
}

/// When the page had what, in ms since its navigation began.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Loaded {
    /// The database is open; or Nightferry is registered, its worker running.
    pub opened: f64,
    /// It has all items.
    pub loaded: f64,
}

impl Page {
    pub async fn open(browser: &Browser, server: &Server, side: Side) -> Result<Page> {
        let tab = browser.tab();
        tab.goto(&server.url(&format!("/__test__/bench/?{}", side.query()))).await?;
        tab.wait_until("window.app").await.with_context(|| format!("the page of {side:?}"))?;
        tab.cdp("Performance.enable", json!({})).await?;
        Ok(Page { tab, side })
    }

    pub async fn loaded(&self) -> Result<Loaded> {
        self.eval("return {opened: app.opened, loaded: app.loaded};").await
    }

    /// Runs a script, and answers what it returned with the time that the page's thread was busy for, in ms.
    ///
    /// That time is the thread's own processor time. It counts all that the thread does, in whichever task: scripts, structured clones
    /// both ways, IndexedDB's and the channels' messages, timers, collecting garbage. It counts nothing of the worker, which has a thread of
    /// its own, nor of the browser's process; nor the time in which the machine ran something else instead, which a task's duration
    /// would. Garbage is collected before, so that nobody pays for what was before.
    pub async fn busy<T: DeserializeOwned>(&self, script: &str) -> Result<(T, f64)> {
        self.tab.cdp("HeapProfiler.collectGarbage", json!({})).await?;
        let before = self.thread_ms().await?;
        let returned = self.eval(script).await?;
        Ok((returned, self.thread_ms().await? - before))
    }

    pub async fn eval<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        self.tab.eval(script).await.with_context(|| format!("{:?}: {script}", self.side))
    }

    /// Checks that the side has stored what the page holds, and waits until the server has it, too.
    pub async fn run_until_idle(&self) -> Result<()> {
        self.eval::<usize>("return app.check();").await?;
        if self.side != Side::Unsent {
            self.eval::<()>("await app.side.stored(); await app.side.synced();").await?;
            // The status that says so is the last thing that the worker has to do for now.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    async fn thread_ms(&self) -> Result<f64> {
        let answer = self.tab.cdp("Performance.getMetrics", json!({})).await?;
        let metrics = answer["metrics"].as_array();
        let time = metrics.into_iter().flatten().find(|metric| metric["name"] == "ThreadTime");
        let seconds = time.and_then(|metric| metric["value"].as_f64());
        Ok(seconds.context("Chromium tells the thread's time")? * 1_000.0)
    }
}
