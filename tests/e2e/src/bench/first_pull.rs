//! A large collection comes into an empty device. At a third the worker is killed, at two thirds the browser; each time it goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Options;
use super::figures::{Figures, What};
use super::page::Side;
use crate::{Browser, Profile, Server, Tab};

/// A device gets so much time for all of it.
const DEADLINE: Duration = Duration::from_secs(600);
/// A browser reports tasks from so many ms on.
const LEAST_TASK_MS: f64 = 50.0;

pub async fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let items = options.pulled;
    let server = Server::start().await?;
    server.fill("files", items).await?;
    let profile = Profile::fresh()?;
    let began = Instant::now();

    let browser = Browser::start(&profile).await?;
    let tab = open(&browser, &server).await?;
    tab.wait_until_within(&format!("items.size >= {}", items / 3), DEADLINE).await?;
    browser.stop_all_workers().await?;
    // Whatever a page asks starts the worker again.
    tab.eval::<()>("await nf.flushPersistence();").await?;
    tab.wait_until_within(&format!("items.size >= {}", items * 2 / 3), DEADLINE).await?;
    let [opened_empty, pulled_first] = longest_tasks(&tab).await?;
    let before = epoch(&tab).await?;
    browser.kill().await?;

    let browser = Browser::start(&profile).await?;
    let tab = open(&browser, &server).await?;
    let opened_with: usize = tab.eval("return items.size;").await?;
    eprintln!(
        "after the browser's end {opened_with} items are there; the database was {before:?}, is {:?}",
        epoch(&tab).await?
    );
    tab.wait_until_within(&format!("items.size === {items} && nf.getStatus().progress === null"), DEADLINE)
        .await?;
    tab.eval::<()>("await nf.flushPersistence();").await?;
    let [opened, pulled_rest] = longest_tasks(&tab).await?;
    figures.add(What::PulledAll, Side::Nightferry, began.elapsed().as_secs_f64() * 1_000.0);
    figures.add(What::PullLongestTask, Side::Nightferry, pulled_first.max(pulled_rest));
    figures.add(What::PullOpenedTask, Side::Nightferry, opened.max(opened_empty));
    let stored: usize = tab.eval("return (await nf.hydrate('files')).length;").await?;
    ensure!(stored == items, "{stored} items are stored, and not {items}");
    figures.add(What::PullAskedAgain, Side::Nightferry, asked_again(&server)? as f64);
    browser.close().await
}

/// Opens a page that holds the items in a map, as an app would, and notes its long tasks. It has read what is stored.
async fn open(browser: &Browser, server: &Server) -> Result<Tab> {
    let tab = browser.tab();
    tab.load_client(server).await?;
    tab.eval::<()>(
        "window.tasks = [];
         window.observer = new PerformanceObserver((list) => tasks.push(...list.getEntries()));
         observer.observe({type: 'longtask', buffered: true});
         window.items = new Map();
         await nf.register({slices: {files: {}}});
         nf.subscribe('files', ({puts}) => { for (const {id, value} of puts) items.set(id, value); });
         for (const {id, value} of await nf.hydrate('files')) items.set(id, value);
         window.opened = performance.now();",
    )
    .await?;
    Ok(tab)
}

/// The name of the database's life: another one is another database.
async fn epoch(tab: &Tab) -> Result<Value> {
    Ok(tab.stored("_meta").await?["epoch"].clone())
}

/// The longest tasks of the page's thread, in ms: until it had read what is stored, and since then.
async fn longest_tasks(tab: &Tab) -> Result<[f64; 2]> {
    // A browser reports a task some time after its end.
    let longest: [f64; 2] = tab
        .eval(
            "await new Promise((done) => setTimeout(done, 500));
             const longest = (some) => Math.max(0, ...some.map(({duration}) => duration));
             const before = ({startTime}) => startTime < opened;
             return [longest(tasks.filter(before)), longest(tasks.filter((task) => !before(task)))];",
        )
        .await?;
    Ok(longest.map(|ms| ms.max(LEAST_TASK_MS)))
}

/// So many pages were asked for behind a cursor that had been asked behind before.
fn asked_again(server: &Server) -> Result<usize> {
    let mut cursors = BTreeSet::new();
    let pulls = server.requests("/nightferry/pull")?;
    let pages = pulls.iter().filter_map(|pull| pull.body["slices"].get("files"));
    Ok(pages.filter(|cursor: &&Value| !cursors.insert(cursor.to_string())).count())
}
