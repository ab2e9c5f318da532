//! The scenarios that are measured in a round.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Options;
use super::figures::{Figures, What};
use super::page::{Page, Side};
use crate::{Browser, Server};

#[derive(Deserialize)]
struct Burst {
    durable: f64,
    stored: f64,
}

pub async fn round(
    browser: &Browser,
    server: &Server,
    sides: [Side; 2],
    options: &Options,
    figures: &mut Figures,
    say: impl Fn(&str),
) -> Result<()> {
    say("a burst of new items");
    for side in sides {
        burst(browser, server, side, options, figures).await?;
    }
    burst(browser, server, Side::Unsent, options, figures).await?;
    say("changes of all items, until the server has them");
    for side in sides {
        let page = Page::open(browser, server, side).await?;
        let (took, busy): (f64, f64) = page.busy("return app.sync();").await?;
        figures.add(What::Synced, side, took);
        figures.add(What::SyncBusy, side, busy);
        page.run_until_idle().await?;
    }
    say("cold start");
    for side in sides {
        cold_start(browser, server, side, figures).await?;
    }
    say("updates while somebody types");
    for side in sides {
        edits(browser, server, side, options, figures).await?;
    }
    say("hot keys");
    for side in sides {
        hot_keys(browser, server, side, options, figures).await?;
    }
    Ok(())
}

async fn burst(
    browser: &Browser,
    server: &Server,
    side: Side,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let page = Page::open(browser, server, side).await?;
    page.eval::<()>(&format!("return app.prepare({});", options.items)).await?;
    let (took, busy): (Burst, f64) = page.busy("return app.burst();").await?;
    page.run_until_idle().await?;
    if side == Side::Unsent {
        figures.add(What::StoredUnsent, Side::Nightferry, took.stored);
        return Ok(());
    }
    figures.add(What::Acknowledged, side, took.durable);
    if side == Side::Nightferry {
        figures.add(What::AcknowledgedOneByOne, side, took.durable);
    } else {
        let took: f64 = page.eval("return app.oneByOne();").await?;
        figures.add(What::AcknowledgedOneByOne, side, took);
    }
    figures.add(What::Stored, side, took.stored);
    figures.add(What::BurstBusy, side, busy);
    if side == Side::Reference {
        figures.add(What::StoredUnsent, side, took.stored);
    }
    Ok(())
}

/// The worker is stopped and the page is gone, as after the browser was idle for a while; then the page is opened.
async fn cold_start(browser: &Browser, server: &Server, side: Side, figures: &mut Figures) -> Result<()> {
    browser.tab().goto(&server.url("/__test__/blank")).await?;
    browser.stop_all_workers().await?;
    let page = Page::open(browser, server, side).await?;
    let at = page.loaded().await?;
    figures.add(What::ColdStart, side, at.loaded);
    figures.add(What::ColdOpened, side, at.opened);
    figures.add(What::ColdRead, side, at.loaded - at.opened);
    page.run_until_idle().await
}

async fn edits(
    browser: &Browser,
    server: &Server,
    side: Side,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let page = Page::open(browser, server, side).await?;
    let ((), busy) = page.busy(&format!("await app.edit({});", options.edits)).await?;
    figures.add(What::EditBusy, side, busy / options.edits as f64);
    page.run_until_idle().await
}

/// Counts the writes of whoever runs this, by store.
const COUNT_WRITES: &str = "
    globalThis.writes = {};
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...row) {
        writes[this.name] = (writes[this.name] ?? 0) + 1;
        return put.apply(this, row);
    };";

async fn hot_keys(
    browser: &Browser,
    server: &Server,
    side: Side,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let page = Page::open(browser, server, side).await?;
    let worker = match side {
        Side::Reference => None,
        _ => Some(browser.worker("/nightferry/sw.js").await?),
    };
    match &worker {
        Some(worker) => worker.eval::<()>(COUNT_WRITES).await?,
        None => page.eval::<()>(COUNT_WRITES).await?,
    }
    let Options { hot_keys: keys, hot_updates: updates, hot_bursts: bursts, .. } = options;
    let script =
        format!("await app.hotKeys({{keys: {keys}, updates: {updates}, bursts: {bursts}, everyMs: 250}});");
    let ((), busy) = page.busy(&script).await?;
    let read = "return writes.files;";
    let writes: f64 = match &worker {
        Some(worker) => worker.eval(read).await.context("the worker that counted is gone")?,
        None => page.eval(read).await?,
    };
    if let Some(worker) = worker {
        worker.detach().await?;
    }
    figures.add(What::HotWrites, side, writes);
    figures.add(What::HotBusy, side, busy);
    page.run_until_idle().await
}
