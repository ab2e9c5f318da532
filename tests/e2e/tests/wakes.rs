//! Events that wake the worker.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Profile, Server, eventually};
use serde_json::{Value, json};

fn add(id: u64) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

/// With all tabs closed and Flask back, the browser's `sync` event delivers the rest.
#[tokio::test(flavor = "multi_thread")]
async fn the_sync_event_delivers_the_rest_with_all_tabs_closed() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    // A page without Nightferry, so that the browser goes on.
    let other = browser.tab();
    other.goto(&server.url("/__test__/blank")).await?;
    let tab = browser.new_tab().await?;
    tab.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.stop()?;
    tab.dispatch(&[add(1), add(2)]).await?;
    tab.wait_until("nf.getStatus().connection === 'local-only'").await?;
    // Once no page is there to wake it, the worker asks the browser to.
    let tags = "const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
                return registration.sync.getTags();";
    assert_eq!(tab.eval::<Vec<String>>(tags).await?, [] as [String; 0]);
    tab.close().await?;
    eventually("a registration for Background Sync", DEADLINE, async || {
        Ok((other.eval::<Vec<String>>(tags).await? == ["nightferry"]).then_some(()))
    })
    .await?;
    browser.stop_all_workers().await?;
    server.start_again().await?;
    browser.fire_background_sync(&server.url("/nightferry/"), "nightferry", false).await?;
    eventually("the rest to arrive", DEADLINE, async || {
        Ok((server.items("files").await?.len() == 2).then_some(()))
    })
    .await?;
    server.check_nothing_applied_twice()
}
