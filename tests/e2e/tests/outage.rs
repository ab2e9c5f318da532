//! The server stops, or falls silent; the browser is restarted meanwhile; then the server is back. Nobody touches anything.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use nightferry_e2e::{Browser, Profile, Server, Tab, eventually, testid};
use serde_json::Value;

/// Waits between attempts grow: after so short an outage they are some seconds, half a minute at most.
const AGAIN: Duration = Duration::from_secs(90);

fn texts(items: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    items.values().map(|file| (text(&file["path"]), text(&file["content"]))).collect()
}

async fn arrives(server: &Server, expected: &BTreeMap<String, String>) -> Result<()> {
    eventually("the files to arrive with nobody touching anything", AGAIN, async || {
        Ok((texts(&server.items("files").await?) == *expected).then_some(()))
    })
    .await
}

async fn edit(tab: &Tab, path: &str, content: &str, text: &str) -> Result<()> {
    tab.open_file(path, content).await?;
    tab.eval::<()>("const e = document.querySelector('[data-testid=editor]'); e.focus(); e.select();")
        .await?;
    tab.cdp("Input.insertText", serde_json::json!({"text": text})).await.map(drop)
}

/// The same for both ways in which a server is not there.
async fn outage(
    stop: impl Fn(&Server) -> Result<()>,
    start: impl AsyncFn(&Server) -> Result<()>,
) -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_demo(&server).await?;
    tab.wait_for_the_shell().await?;
    tab.create_file("kept.md", "before").await?;
    tab.create_file("gone.md", "before").await?;
    tab.wait_for_all_synced(2).await?;

    stop(&server)?;
    tab.create_file("new/offline.md", "made offline").await?;
    edit(&tab, "kept.md", "before", "after").await?;
    tab.open_file("gone.md", "before").await?;
    tab.click(&testid("delete")).await?;
    tab.wait_for_connection("local-only").await?;
    let kept = [("kept.md", "after"), ("new/offline.md", "made offline")];
    let kept: BTreeMap<String, String> =
        kept.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
    tab.wait_until("document.querySelector('[data-testid=pending]').dataset.count === '3'").await?;
    eventually("the edits to be in IndexedDB", AGAIN, async || {
        Ok((texts(&tab.stored("files").await?) == kept).then_some(()))
    })
    .await?;
    browser.close().await?;

    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_demo(&server).await?;
    for (path, content) in &kept {
        tab.open_file(path, content).await?;
    }
    // That nothing answers takes its time to be known; until then nothing else is claimed.
    let connected = "document.querySelector('[data-testid=connection]').dataset.connection === 'online'";
    assert!(!tab.eval::<bool>(&format!("return {connected};")).await?);
    tab.wait_until("document.querySelector('[data-testid=pending]').dataset.count === '3'").await?;
    tab.wait_until("document.querySelector('[data-testid=file-list]').dataset.total === '2'").await?;
    // Edits go on in the second life, too.
    edit(&tab, "new/offline.md", "made offline", "made offline, edited after the restart").await?;
    let mut expected = kept.clone();
    expected.insert("new/offline.md".into(), "made offline, edited after the restart".into());

    start(&server).await?;
    arrives(&server, &expected).await?;
    tab.wait_for_connection("online").await?;
    tab.wait_for_all_synced(2).await?;
    assert_eq!(texts(&tab.stored("files").await?), expected);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn server_stopped_and_browser_restarted() -> Result<()> {
    outage(Server::stop, Server::start_again).await
}

#[tokio::test(flavor = "multi_thread")]
async fn server_silent_and_browser_restarted() -> Result<()> {
    outage(Server::pause, async |server| server.resume()).await
}
