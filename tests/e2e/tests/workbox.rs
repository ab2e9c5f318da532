//! Nightferry's worker beside an app's own, made with Workbox.

use anyhow::{Context, Result};
use nightferry_e2e::{DEADLINE, Server, Tab, bundle, eventually, start};
use serde_json::{Value, json};

const OWN: &str = "/__test__/bundled/workbox-sw/page.js";
const NIGHTFERRYS: &str = "/nightferry/sw.js";

/// Opens the page, and registers both workers: the app's own one in this version.
async fn open(tab: &Tab, server: &Server, version: u32) -> Result<()> {
    bundle("workbox.js")?;
    bundle("workbox-sw.js")?;
    tab.goto(&server.url("/__test__/bundled/workbox/")).await?;
    tab.wait_until("window.app").await?;
    tab.eval_with::<()>(&version, "await app.own(input);").await?;
    register(tab).await
}

async fn register(tab: &Tab) -> Result<()> {
    tab.wait_until("window.app").await?;
    tab.eval("await app.nf.register({slices: {notes: {debounceMs: 20}}});").await
}

async fn add(tab: &Tab, id: &str) -> Result<()> {
    tab.eval_with(&id, "app.nf.dispatch({type: 'notes/addItem', payload: {id: input}});").await
}

async fn arrives(server: &Server, id: &str) -> Result<()> {
    server.wait_for_items("notes", |notes| notes.contains_key(id)).await.map(drop)
}

/// By scope, the path of the script that is active.
async fn registrations(tab: &Tab) -> Result<Value> {
    tab.eval(
        "return Object.fromEntries((await navigator.serviceWorker.getRegistrations())
             .map(({scope, active}) => [new URL(scope).pathname, new URL(active.scriptURL).pathname]));",
    )
    .await
}

/// The caches of one of both, sorted.
async fn caches(tab: &Tab, nightferrys: bool) -> Result<Vec<String>> {
    let pick =
        "return (await caches.keys()).filter((name) => name.startsWith('nightferry-') === input).sort();";
    tab.eval_with(&nightferrys, pick).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_workbox_worker_stays_and_both_work() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    open(&tab, &server, 1).await?;
    assert_eq!(registrations(&tab).await?, json!({"/": OWN, "/nightferry/": NIGHTFERRYS}));
    add(&tab, "before").await?;
    arrives(&server, "before").await?;
    let asset: String = tab.eval("return app.asset();").await?;
    assert!(asset.contains("<svg"), "{asset}");

    // Workbox keeps it after it has answered.
    tab.wait_until("await (await caches.open('app-assets')).match('/static/icon.svg')").await?;
    server.stop()?;
    let again: String = tab.eval("return app.asset();").await?;
    assert_eq!(again, asset);
    let refused: bool = tab
        .eval("return fetch('/static/styles.css', {cache: 'no-store'}).then(() => false, () => true);")
        .await?;
    assert!(refused, "what Workbox does not keep is not answered");
    add(&tab, "stopped").await?;
    tab.eval::<()>("await app.nf.flushPersistence();").await?;

    // The page opens out of Workbox's cache, and finds what Nightferry keeps.
    tab.reload().await?;
    register(&tab).await?;
    let ids: Vec<String> =
        tab.eval("return (await app.nf.hydrate('notes')).map(({id}) => id).sort();").await?;
    assert_eq!(ids, ["before", "stopped"]);
    add(&tab, "reloaded").await?;
    tab.eval::<()>("await app.nf.flushPersistence();").await?;
    assert_eq!(registrations(&tab).await?, json!({"/": OWN, "/nightferry/": NIGHTFERRYS}));

    server.start_again().await?;
    for id in ["stopped", "reloaded"] {
        arrives(&server, id).await?;
    }
    assert_eq!(tab.eval::<Value>("return [errors, app.problems];").await?, json!([[], []]));
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_worker_sees_the_others_messages() -> Result<()> {
    let (server, browser, tab) = start().await?;
    open(&tab, &server, 1).await?;
    // While they are looked at, the browser does not stop them: what the app's worker recorded stays.
    let [own, nightferrys] = [browser.worker(OWN).await?, browser.worker(NIGHTFERRYS).await?];

    tab.eval::<()>("app.tell({app: 1}); app.tell('text');").await?;
    for id in ["a", "b"] {
        add(&tab, id).await?;
    }
    // Each kind of request of the page, and each kind of thing that the worker tells.
    tab.eval::<()>(
        "app.nf.subscribePending('notes', () => {}); app.nf.subscribeSyncMetrics(() => {});
         await app.nf.flushPersistence(); await app.nf.syncNow(); await app.nf.hydrate('notes');
         await app.nf.checkFlaskConnection(); await app.nf.configurePersistence('notes', {debounceMs: 10});
         await app.nf.configureAutoSync({intervalMs: 20_000}); app.nf.resetSyncMetrics(); app.tell([2]);",
    )
    .await?;
    arrives(&server, "b").await?;
    tab.wait_until("app.messages.length >= 3").await?;
    // Messages that were posted before have arrived by now.
    tab.eval::<()>("await app.nf.syncNow();").await?;

    assert_eq!(own.eval::<Value>("return messages;").await?, json!([{"app": 1}, "text", [2]]));
    let answers = [json!({"app": 1}), json!("text"), json!([2])].map(|to| json!({"app": "answer", "to": to}));
    assert_eq!(tab.eval::<Value>("return app.messages;").await?, json!(answers));
    let passed: Vec<String> = own.eval("return passed;").await?;
    let api: Vec<&String> =
        passed.iter().filter(|path| path.starts_with("/nightferry/") && !path.contains("client.")).collect();
    assert!(api.is_empty(), "what Nightferry's worker asks for passes no other worker: {api:?}");
    assert_eq!(tab.eval::<Value>("return [errors, app.problems];").await?, json!([[], []]));
    let complaint = || browser.console().into_iter().find(|line| line.contains("Nightferry"));
    assert_eq!(complaint(), None);

    // It would have said so: this is what a message that is not its own looks like.
    tab.eval::<()>(
        "(await navigator.serviceWorker.getRegistration('/nightferry/')).active.postMessage({app: 1});",
    )
    .await?;
    eventually("a complaint", DEADLINE, async || {
        Ok(complaint().filter(|line| line.contains("bad_message")).map(drop))
    })
    .await?;
    assert_eq!(
        tab.eval::<Value>("return app.problems.map(({code}) => code);").await?,
        json!(["bad_message"])
    );
    assert_eq!(own.eval::<usize>("return messages.length;").await?, 3);
    assert!(nightferrys.is_running().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_one_worker_leaves_the_other() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    open(&tab, &server, 1).await?;
    tab.eval::<String>("return app.asset();").await?;
    add(&tab, "a").await?;
    arrives(&server, "a").await?;
    let [of_workbox, of_nightferry] = [caches(&tab, false).await?, caches(&tab, true).await?];
    assert_eq!((of_workbox.len(), of_nightferry.len()), (2, 1), "{of_workbox:?} {of_nightferry:?}");
    let remember = "for (const scope of ['/', '/nightferry/'])
        (window.before ??= {})[scope] = (await navigator.serviceWorker.getRegistration(scope)).active;";
    tab.eval::<()>(remember).await?;
    let is_new = |scope: &str| {
        format!("(await navigator.serviceWorker.getRegistration('{scope}')).active !== before['{scope}']")
    };

    // Nightferry's.
    server.update_worker("9.9.9-next")?;
    tab.eval::<()>("await (await navigator.serviceWorker.getRegistration('/nightferry/')).update();").await?;
    tab.wait_until(&is_new("/nightferry/")).await?;
    add(&tab, "b").await?;
    arrives(&server, "b").await?;
    assert!(!tab.eval::<bool>(&format!("return {};", is_new("/"))).await?);
    eventually("Nightferry's old cache to be gone", DEADLINE, async || {
        Ok((caches(&tab, true).await? == ["nightferry-wasm-9.9.9-next"]).then_some(()))
    })
    .await?;
    assert_eq!(caches(&tab, false).await?, of_workbox);

    // The app's own.
    tab.eval::<()>(remember).await?;
    tab.eval::<()>("await app.own(2);").await?;
    assert!(tab.eval::<bool>(&format!("return {};", is_new("/"))).await?);
    assert!(!tab.eval::<bool>(&format!("return {};", is_new("/nightferry/"))).await?);
    assert_eq!(caches(&tab, true).await?, ["nightferry-wasm-9.9.9-next"]);
    add(&tab, "c").await?;
    arrives(&server, "c").await?;
    assert_eq!(registrations(&tab).await?, json!({"/": OWN, "/nightferry/": NIGHTFERRYS}));

    // Neither goes with the other.
    tab.eval::<()>("await (await navigator.serviceWorker.getRegistration('/')).unregister();").await?;
    tab.reload().await?;
    register(&tab).await?;
    add(&tab, "d").await?;
    arrives(&server, "d").await.context("with Nightferry's worker alone")?;
    server.check_nothing_applied_twice()
}
