//! How long a change takes to another device: two browsers on profiles of their own, one Flask, pokes over live connections.
//!
//! An edit counts from its dispatch with `flushPersistence()` behind it, which ends the debounce: from then on the worker writes and sends. A
//! write in Python counts from before `nightferry.put`, a resolution from before `resolveConflict()`. Each ends when the other device's page is told, which is after the change is
//! durable in its IndexedDB, in the log. All processes read one clock.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::Options;
use super::figures::{Figures, What, percentile};
use super::page::Side;
use crate::{Browser, Profile, Server, Tab};

/// Between two changes, so that none waits for the one before it.
const PAUSE: Duration = Duration::from_millis(200);

pub async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let server = Server::start().await?;
    let profiles = [Profile::fresh()?, Profile::fresh()?];
    let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
    let [here, there] = [open(&browsers[0], &server).await?, open(&browsers[1], &server).await?];
    server.wait_for_requests("/nightferry/live", |live| live.len() >= 2).await?;
    let (mut edits, mut writes, mut resolutions) = (Vec::new(), Vec::new(), Vec::new());
    for count in 0..options.pokes {
        let id = format!("item-{}", count % 10);
        let edit = json!({"id": id, "text": format!("edit {count}")});
        let began: f64 = here.eval_with(&edit, PUT).await?;
        edits.push(received(&there, &id, &edit["text"]).await? - began);
        tokio::time::sleep(PAUSE).await;

        let written = json!({"id": id, "text": format!("write {count}")});
        let began = server.put_from_python("files", &id, &written).await?;
        writes.push(received(&there, &id, &written["text"]).await? - began);
        received(&here, &id, &written["text"]).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let other = browsers[1].worker("sw.js").await?;
    for count in 0..options.conflicts {
        // Both change the text while the other device's worker reaches nothing; it decides for its own.
        let [mine, theirs] =
            ["here", "there"].map(|of| json!({"id": "item-0", "text": format!("{of} {count}")}));
        other.offline(true).await?;
        here.eval_with::<f64>(&mine, PUT).await?;
        there.eval_with::<f64>(&theirs, PUT).await?;
        here.sync_now().await?;
        other.offline(false).await?;
        there.sync_now().await?;
        there.wait_until("(await nf.getConflicts()).length === 1").await?;
        let began: f64 = there.eval(RESOLVE).await?;
        resolutions.push(received(&here, "item-0", &theirs["text"]).await? - began);
        tokio::time::sleep(PAUSE).await;
    }
    other.detach().await?;
    for (took, median, p95) in [
        (&mut edits, What::EditReceivedMedian, What::EditReceivedP95),
        (&mut writes, What::PythonReceivedMedian, What::PythonReceivedP95),
        (&mut resolutions, What::ResolutionReceivedMedian, What::ResolutionReceivedP95),
    ] {
        took.sort_by(f64::total_cmp);
        figures.add(median, Side::Nightferry, percentile(took, 50).context("a change was made")?);
        figures.add(p95, Side::Nightferry, percentile(took, 95).context("a change was made")?);
    }
    for browser in browsers {
        browser.close().await?;
    }
    Ok(())
}

/// JavaScript: makes the item, and ends the debounce. When that began.
const PUT: &str = "
    const began = now();
    nf.dispatch({type: 'files/addItem', payload: input});
    await nf.flushPersistence();
    return began;";

/// JavaScript: decides the only conflict for this device's side. When that began.
const RESOLVE: &str = "
    const [{id}] = await nf.getConflicts();
    const began = now();
    await nf.resolveConflict(id, 'local');
    await nf.flushPersistence();
    return began;";

async fn open(browser: &Browser, server: &Server) -> Result<Tab> {
    let tab = browser.tab();
    tab.load_client(server).await?;
    tab.eval::<()>(
        "window.now = () => performance.timeOrigin + performance.now();
         window.received = new Map();
         await nf.register({slices: {files: {}}});
         nf.subscribe('files', ({puts}) => { for (const {id, value} of puts) received.set(`${id} ${value.text}`, now()); });",
    )
    .await?;
    Ok(tab)
}

/// Waits until the page was told of the item with this text. When that was, in epoch ms.
async fn received(tab: &Tab, id: &str, text: &serde_json::Value) -> Result<f64> {
    let name = format!("{id} {}", text.as_str().unwrap_or_default());
    tab.wait_until(&format!("received.has({})", json!(name))).await?;
    tab.eval_with(&name, "return received.get(input);").await
}
