//! An empty device gets everything that others have made, and goes on where it was when it is interrupted.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Fault, Profile, Request, Server, Tab, eventually};
use serde_json::Value;

const ITEMS: usize = 5_000;

/// A request for a page of the slice, and no other pull.
const PAGE: &str = "\"files\":";

async fn open(browser: &Browser, server: &Server) -> Result<Tab> {
    let tab = browser.tab();
    tab.load_client(server).await?;
    tab.eval::<()>(
        "window.told = new Set(); window.progress = [];
         nf.subscribe('files', ({puts}) => { for (const {id} of puts) told.add(id); });
         nf.subscribeStatus((status) => { if (status.progress) progress.push(status.progress); });
         await nf.register({slices: {files: {}}});",
    )
    .await?;
    Ok(tab)
}

/// The requests for pages of the slice, each as the cursor that it asked behind.
fn asked(server: &Server) -> Result<Vec<(Value, Request)>> {
    let pulls = server.requests("/nightferry/pull")?.into_iter();
    let cursor = |pull: Request| (pull.body["slices"]["files"].clone(), pull);
    Ok(pulls.filter(|pull| pull.body["slices"].get("files").is_some()).map(cursor).collect())
}

/// Waits until the server has been asked for so many pages and leaves the last of them unanswered, and until all items of the
/// others are in the device's store.
async fn hangs(server: &Server, tab: &Tab, pages: usize, stored: usize) -> Result<()> {
    eventually(&format!("{pages} pages to be asked for"), DEADLINE, async || {
        let asked = asked(server)?;
        Ok((asked.len() == pages && asked[pages - 1].1.status.is_none()).then_some(()))
    })
    .await?;
    eventually(&format!("{stored} items to be stored"), DEADLINE, async || {
        Ok((tab.stored("files").await?.len() == stored).then_some(()))
    })
    .await
}

/// The server is silent after two pages in each of the first two lives, so each interruption meets a request in flight.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_first_pull_goes_on_where_it_was() -> Result<()> {
    let server = Server::start().await?;
    server.fill("files", ITEMS).await?;
    let two_pages = || Fault::on("/nightferry/pull").with_word(PAGE).after(2).silent();
    server.fault(&[two_pages()])?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = open(&browser, &server).await?;
    hangs(&server, &tab, 3, 2_000).await?;
    tab.wait_until(&format!("progress.at(-1)?.done === 2_000 && progress.at(-1).total === {ITEMS}")).await?;

    // The worker is killed, and gets its third page in the next life.
    assert_eq!(browser.stop_all_workers().await?, 1);
    server.fault(&[two_pages()])?;
    tab.eval::<()>("await nf.flushPersistence();").await?;
    hangs(&server, &tab, 6, 4_000).await?;
    tab.wait_until("told.size === 4_000").await?;

    // The browser is killed.
    browser.kill().await?;
    server.heal()?;
    let browser = Browser::start(&profile).await?;
    let tab = open(&browser, &server).await?;
    let all = async || Ok((tab.stored("files").await?.len() == ITEMS).then_some(()));
    eventually("all items to be stored", DEADLINE, all).await?;
    tab.wait_until("nf.getStatus().progress === null").await?;

    let (mut answered, mut unanswered) = (Vec::new(), Vec::new());
    for (cursor, pull) in asked(&server)? {
        if pull.status == Some(200) { &mut answered } else { &mut unanswered }.push((cursor, pull));
    }
    assert_eq!(unanswered.len(), 2);
    let pulled: Vec<&Value> = answered
        .iter()
        .flat_map(|(_, pull)| pull.answer["changes"].as_array().into_iter().flatten())
        .collect();
    assert_eq!(pulled.len(), ITEMS, "no item was sent twice");
    for (cursor, _) in &unanswered {
        let again = answered.iter().filter(|(other, _)| other == cursor).count();
        assert_eq!(again, 1, "the page that did not come is asked for behind the same cursor: {cursor}");
    }
    let mut cursors: Vec<String> = answered.iter().map(|(cursor, _)| cursor.to_string()).collect();
    cursors.sort_unstable();
    cursors.dedup();
    assert_eq!(cursors.len(), answered.len(), "no page was asked for again");
    tab.wait_for_rest().await
}
