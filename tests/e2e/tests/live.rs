//! Changes of others arrive by poke where the server can poke, and by the next interval where it cannot.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Fault, Profile, Server, Tab, eventually};
use serde_json::{Value, json};

/// No test waits for so long: what arrives did not come by the interval.
const NEVER_MS: u64 = 3_600_000;

/// Opens a page of a device, and registers it with this interval of auto-sync.
async fn open(browser: &Browser, server: &Server, interval_ms: u64) -> Result<Tab> {
    let tab = browser.tab();
    tab.load_client(server).await?;
    let slices = json!({"files": {"debounceMs": 20}});
    let options = json!({"slices": slices, "autoSync": {"intervalMs": interval_ms}});
    tab.eval_with::<()>(
        &options,
        "await nf.register(input);
         window.received = [];
         nf.subscribe('files', ({puts, origin}) => { for (const put of puts) received.push({...put, origin}); });",
    )
    .await?;
    Ok(tab)
}

/// Waits until the page has received of the value from the server, and the device has it in its store.
async fn has(tab: &Tab, id: &str, text: &str) -> Result<()> {
    let wanted = json!({"id": id, "text": text});
    let received = format!(
        "received.some(({{id, value, origin}}) => id === {id:?} && value.text === {text:?} && origin === 'server')"
    );
    tab.wait_until(&received).await?;
    eventually(&format!("the store to have {wanted}"), DEADLINE, async || {
        Ok((tab.stored("files").await?.get(id) == Some(&wanted)).then_some(()))
    })
    .await
}

fn put(id: &str, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_another_device_and_of_python_arrive_by_poke() -> Result<()> {
    let server = Server::start().await?;
    let profiles = [Profile::fresh()?, Profile::fresh()?];
    let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
    let ann = open(&browsers[0], &server, NEVER_MS).await?;
    let bob = open(&browsers[1], &server, NEVER_MS).await?;
    server.wait_for_requests("/nightferry/live", |live| live.len() == 2).await?;
    for round in 0..3 {
        let id = round.to_string();
        ann.dispatch(&[put(&id, "from Ann")]).await?;
        has(&bob, &id, "from Ann").await?;
        server.put_from_python("files", &id, &json!({"id": id, "text": "from Python"})).await?;
        for tab in [&ann, &bob] {
            has(tab, &id, "from Python").await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_connection_changes_arrive_by_the_next_interval() -> Result<()> {
    let server = Server::start().await?;
    server.fault(&[Fault::on("/nightferry/live").status(403)])?;
    let profiles = [Profile::fresh()?, Profile::fresh()?];
    let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
    let ann = open(&browsers[0], &server, NEVER_MS).await?;
    let bob = open(&browsers[1], &server, 1_000).await?;
    server.wait_for_requests("/nightferry/live", |live| live.len() >= 2).await?;
    ann.dispatch(&[put("a", "from Ann")]).await?;
    has(&bob, "a", "from Ann").await?;
    server.put_from_python("files", "b", &json!({"id": "b", "text": "from Python"})).await?;
    has(&bob, "b", "from Python").await?;

    let live = server.requests("/nightferry/live")?;
    assert!(live.iter().all(|request| request.fault.is_some()), "no connection was made: {live:#?}");
    // Ann's device, which asks at no such interval, has it when a person asks.
    ann.sync_now().await?;
    has(&ann, "b", "from Python").await
}
