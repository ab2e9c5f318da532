//! Nightferry's worker beside the app's own, and through its own updates.

use std::time::Duration;

use anyhow::Result;
use nightferry_e2e::{DEADLINE, Fault, Tab, eventually, open_client, start};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_apps_own_worker() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.open_demo(&server).await?;
    tab.wait_for_the_shell().await?;
    tab.create_file("a.md", "one").await?;
    tab.wait_for_all_synced(1).await?;
    let registrations: Vec<(String, String)> = tab
        .eval(
            "return (await navigator.serviceWorker.getRegistrations())
                 .map(({scope, active}) => [new URL(scope).pathname, new URL(active.scriptURL).pathname]).sort();",
        )
        .await?;
    let expected = [("/", "/shell-sw.js"), ("/nightferry/", "/nightferry/sw.js")];
    assert_eq!(registrations, expected.map(|(scope, script)| (scope.to_string(), script.to_string())));
    let caches: Vec<String> =
        tab.eval("return (await caches.keys()).map((name) => name.split('-')[0]).sort();").await?;
    assert_eq!(caches, ["nightferry", "shell"]);

    // Neither goes with the other.
    tab.eval::<()>("await (await navigator.serviceWorker.getRegistration('/')).unregister();").await?;
    tab.reload().await?;
    tab.open_demo(&server).await?;
    tab.create_file("b.md", "two").await?;
    tab.wait_for_all_synced(2).await?;
    server.wait_for_items("files", |files| files.len() == 2).await.map(drop)
}

/// Workers that hold, and that wait for, the right to write.
async fn writers(tab: &Tab) -> Result<(usize, usize)> {
    tab.eval(
        "const {held, pending} = await navigator.locks.query();
         const ours = (locks) => locks.filter(({name}) => name === 'nightferry:nightferry').length;
         return [ours(held), ours(pending)];",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_the_worker_loses_nothing() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 100})).await?;
    let item = |id: u64| json!({"type": "files/addItem", "payload": {"id": id, "n": id}});
    let add = |range: std::ops::Range<u64>| range.map(item).collect::<Vec<Value>>();
    tab.dispatch(&add(0..20)).await?;
    tab.eval::<()>("await nf.syncNow();").await?;
    let before: Vec<String> = tab.eval("return await caches.keys();").await?;

    // A push is under way, something waits behind it, and something was not acknowledged yet.
    server.fault(&[Fault::on("/nightferry/push").times(1).silent()])?;
    tab.dispatch(&add(20..40)).await?;
    server
        .wait_for_requests("/nightferry/push", |pushes| pushes.iter().any(|push| push.fault.is_some()))
        .await?;
    server.update_worker("9.9.9-next")?;
    tab.dispatch(&add(40..60)).await?;
    let updating = "const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
        window.old = registration.active; await registration.update();";
    tab.eval::<()>(updating).await?;
    tab.dispatch(&add(60..80)).await?;
    let mut most = 0;
    tab.wait_until("(await navigator.serviceWorker.getRegistration('/nightferry/')).active !== old").await?;
    tab.dispatch(&add(80..100)).await?;
    tab.reload().await?;
    tab.open_client(&server, json!({"debounceMs": 100})).await?;
    tab.dispatch(&add(100..120)).await?;
    server.heal()?;
    let arrived = eventually("all to arrive", Duration::from_secs(60), async || {
        let (held, _) = writers(&tab).await?;
        most = most.max(held);
        Ok((server.items("files").await?.len() == 120).then_some(()))
    });
    arrived.await?;
    assert_eq!(most, 1, "one writer at a time");
    tab.eval::<()>("await nf.syncNow();").await?;
    assert_eq!(tab.stored("files").await?, server.items("files").await?);
    assert_eq!(tab.rows_with("remote").await?.len(), 0);

    let only_the_new = eventually("the old worker and its cache to be gone", DEADLINE, async || {
        let workers = browser.running_workers().await?;
        let caches: Vec<String> = tab.eval("return await caches.keys();").await?;
        let one = workers.iter().filter(|url| url.contains("/nightferry/sw.js")).count() == 1;
        Ok((one && caches == ["nightferry-wasm-9.9.9-next"]).then_some(()))
    });
    only_the_new.await?;
    assert_ne!(before, ["nightferry-wasm-9.9.9-next"]);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_while_the_page_is_open_takes_over_without_a_reload() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    server.update_worker("9.9.9-next")?;
    // Edits go on all the time, as somebody works: the old worker finishes with what it has before the new one begins.
    tab.eval::<()>(
        "window.n = 0;
         window.going = setInterval(() => { for (let i = 0; i < 5; i += 1) nf.dispatch({type: 'files/addItem', payload: {id: (n += 1), n}}); }, 400);
         const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
         window.old = registration.active; await registration.update();",
    )
    .await?;
    tab.wait_until("(await navigator.serviceWorker.getRegistration('/nightferry/')).active !== old").await?;
    tab.wait_until("old.state === 'redundant'").await?;
    let then: u64 = tab.eval("return n;").await?;
    tab.wait_until(&format!("n > {then} + 10")).await?;
    tab.eval::<()>("clearInterval(going); await nf.syncNow();").await?;
    let count: usize = tab.eval("return n;").await?;
    assert_eq!(server.items("files").await?.len(), count);
    assert_eq!(tab.stored("files").await?.len(), count);
    server.check_nothing_applied_twice()
}

/// An update may be what ends an outage, so it must not wait for the end of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_takes_over_while_nothing_can_be_sent() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({})).await?;
    server.fault(&[Fault::on("/nightferry/push").status(500)])?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "a"}})]).await?;
    tab.wait_until("nf.getStatus().error?.includes('500')").await?;
    server.update_worker("9.9.9-next")?;
    tab.eval::<()>(
        "const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
         window.old = registration.active; await registration.update();",
    )
    .await?;
    let taken_over = "(await navigator.serviceWorker.getRegistration('/nightferry/')).active !== old";
    tab.wait_until(taken_over).await?;
    server.heal()?;
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    server.check_nothing_applied_twice()
}
