//! A panic of the worker costs its instance and nothing else.

use std::time::Duration;

use anyhow::Result;
use nightferry_e2e::{Browser, Fault, eventually, open_client};
use serde_json::{Value, json};

async fn panic(browser: &Browser) -> Result<()> {
    let worker = browser.worker("/nightferry/sw.js").await?;
    let thrown = worker.eval::<()>("wasm_bindgen.panic_for_tests();").await;
    assert!(format!("{:#}", thrown.unwrap_err()).contains("unreachable"), "a panic traps");
    // Inspected, it would be kept alive.
    worker.detach().await
}

fn numbered(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(|n| json!({"type": "files/addItem", "payload": {"id": n, "n": n}})).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_middle_loses_nothing() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 200})).await?;
    // Some in Flask's hands, some committed, some in the log alone, some on their way to the worker.
    tab.dispatch(&numbered(0..10)).await?;
    tab.flush().await?;
    server.fault(&[Fault::on("/nightferry/push").drop_answer()])?;
    tab.dispatch(&numbered(10..20)).await?;
    server
        .wait_for_requests("/nightferry/push", |pushes| pushes.iter().any(|push| push.fault.is_some()))
        .await?;
    tab.dispatch(&numbered(20..60)).await?;
    tab.eval::<()>(
        "window.settled = []; nf.flushPersistence().then(() => settled.push('flush'), (error) => settled.push(String(error)));",
    )
    .await?;
    panic(&browser).await?;
    tab.dispatch(&numbered(60..100)).await?;
    tab.wait_until("settled.length === 1").await?;
    assert_eq!(
        tab.eval::<Vec<String>>("return settled;").await?,
        ["flush"],
        "asked again of the fresh instance"
    );
    panic(&browser).await?;
    server.heal()?;
    let arrived = eventually("all to arrive", Duration::from_secs(30), async || {
        let files = server.items("files").await?;
        Ok((files.len() == 100).then_some(files))
    });
    let files = arrived.await?;
    assert!(
        files.iter().all(|(id, value)| *value
            == json!({"id": id.parse::<u64>().unwrap(), "n": id.parse::<u64>().unwrap()}))
    );
    tab.eval::<()>("await nf.syncNow();").await?;
    assert_eq!(tab.stored("files").await?, files);
    tab.wait_for_rest().await?;
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_pending_settle() -> Result<()> {
    let (server, browser, tab) = open_client(json!({})).await?;
    let worker = browser.worker("/nightferry/sw.js").await?;
    // Events from here on, as the browser holds them.
    worker
        .eval::<()>(
            "self.held = []; const wait = ExtendableEvent.prototype.waitUntil;
             ExtendableEvent.prototype.waitUntil = function (work) {
                 const entry = {settled: false}; held.push(entry);
                 work.then(() => (entry.settled = true), () => (entry.settled = true));
                 return wait.call(this, work);
             };",
        )
        .await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/push").silent()])?;
    tab.dispatch(&numbered(0..3)).await?;
    server.wait_for_requests("/nightferry/push", |pushes| !pushes.is_empty()).await?;
    let open: usize = worker.eval("return held.filter((event) => !event.settled).length;").await?;
    assert!(open > 0, "an event is held open for a request that is not answered");
    worker.eval::<()>("try { wasm_bindgen.panic_for_tests(); } catch {}").await?;
    worker.eval::<()>("await new Promise((done) => setTimeout(done));").await?;
    let left: usize = worker
        .eval(&format!("return held.slice(0, {open}).filter((event) => !event.settled).length;"))
        .await?;
    assert_eq!(left, 0, "all that were held open have settled");
    let reported = async || {
        let said = browser
            .console()
            .iter()
            .any(|line| line.contains("Nightferry's worker failed and starts afresh"));
        Ok(said.then_some(()))
    };
    eventually("the console to say so", nightferry_e2e::DEADLINE, reported).await?;
    server.heal()?;
    // Nobody dispatches anything: the page's own heartbeat is the next event.
    let arrived = eventually("all to arrive", Duration::from_secs(40), async || {
        Ok((server.items("files").await?.len() == 3).then_some(()))
    });
    arrived.await?;
    // A fresh instance that is handed pointers into the old one opens a database of another name.
    let databases: Vec<String> =
        tab.eval("return (await indexedDB.databases()).map((database) => database.name);").await?;
    assert_eq!(databases, ["nightferry"]);
    server.check_nothing_applied_twice()
}
