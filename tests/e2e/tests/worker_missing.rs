//! The worker is not there, cannot start, or is another build's: pages say so within seconds, keep what they have, and go on by
//! themselves.

use std::time::Duration;

use anyhow::Result;
use nightferry_e2e::{
    Browser, Client, Fault, Server, Tab, open_client, open_client_for, start_for, with_each_client,
};
use serde_json::{Value, json};

pub fn add(id: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

/// The code with which a flush ends.
const FLUSH: &str = "return await nf.flushPersistence().then(() => 'done', ({code}) => code);";

pub const REGISTRATION: &str = "(await navigator.serviceWorker.getRegistration('/nightferry/'))";

/// Silence is told of after some 15 s.
const PATIENCE: Duration = Duration::from_secs(40);

with_each_client! {
    f52_a_worker_whose_wasm_is_gone_says_so_and_is_mended_when_the_server_is_back
    f53_a_worker_that_was_unregistered_is_registered_again_and_nothing_is_lost
    f70_a_deploy_reaches_an_open_page_that_does_nothing
    f70_a_page_that_registers_finds_the_new_worker
    f71_a_page_at_an_older_worker_gets_the_newer_one_or_is_told
    f72_a_page_that_was_put_aside_reads_again_before_it_sends
}

async fn f52_a_worker_whose_wasm_is_gone_says_so_and_is_mended_when_the_server_is_back(
    client: Client,
) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add("before")]).await?;
    tab.sync_now().await?;
    tab.eval::<()>("for (const key of await caches.keys()) await caches.delete(key);").await?;
    browser.stop_all_workers().await?;
    server.kill()?;
    tab.dispatch(&[add("meanwhile")]).await?;
    tab.wait_until("nf.getStatus().errorCode === 'no_worker'").await?;
    let error: String = tab.eval("return nf.getStatus().error;").await?;
    assert!(error.contains("is kept in it") && error.contains("connect"), "{error}");
    let code: String = tab.eval(FLUSH).await?;
    assert_eq!(code, "no_worker");

    server.start_again().await?;
    server.wait_for_items("files", |files| files.contains_key("meanwhile")).await?;
    tab.wait_until("nf.getStatus().errorCode === null").await?;
    tab.wait_until("(await caches.keys()).length === 1").await?;
    starts_without_the_server(&server, &browser, &tab).await
}

/// The worker's next start is without the server, and it keeps what is dispatched.
pub async fn starts_without_the_server(server: &Server, browser: &Browser, tab: &Tab) -> Result<()> {
    browser.stop_all_workers().await?;
    server.kill()?;
    tab.dispatch(&[add("later")]).await?;
    tab.flush().await?;
    assert!(tab.stored("files").await?.contains_key("later"));
    Ok(())
}

async fn f53_a_worker_that_was_unregistered_is_registered_again_and_nothing_is_lost(
    client: Client,
) -> Result<()> {
    let (server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.flush().await?;
    tab.eval::<()>(&format!("await {REGISTRATION}.unregister();")).await?;
    tab.dispatch(&[add("a")]).await?;
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    tab.flush().await?;
    tab.wait_until(&format!("{REGISTRATION}?.active?.state === 'activated'")).await?;
    tab.wait_until("nf.getStatus().errorCode === null").await
}

async fn f70_a_deploy_reaches_an_open_page_that_does_nothing(client: Client) -> Result<()> {
    let (server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add("a")]).await?;
    tab.sync_now().await?;
    tab.eval::<()>(&format!("window.old = {REGISTRATION}.active;")).await?;
    server.update_worker("9.9.9-next")?;
    // The next answer of the server says which build it serves: that of auto-sync, at the latest.
    tab.wait_until_within(&format!("{REGISTRATION}.active !== old"), Duration::from_secs(60)).await?;
    tab.dispatch(&[add("b")]).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 2);
    tab.wait_until("String(await caches.keys()) === 'nightferry-wasm-9.9.9-next'").await?;
    // It is the newest now, so it is not looked for again and again.
    let asked = async || Ok::<_, anyhow::Error>(server.requests("/nightferry/sw.js")?.len());
    let before = asked().await?;
    for n in 0..5 {
        tab.dispatch(&[add(&format!("c{n}"))]).await?;
        tab.sync_now().await?;
    }
    assert_eq!(asked().await?, before);
    Ok(())
}

async fn f70_a_page_that_registers_finds_the_new_worker(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    // Nothing is asked of the server's API, which would name its build.
    server.fault(&[Fault::on("/nightferry/p").silent(), Fault::on("/nightferry/health").silent()])?;
    // The browser answers calls of `update` that overlap by one look, and the page has looked when it registered.
    tab.eval::<()>(&format!("await {REGISTRATION}.update();")).await?;
    tab.eval::<()>(&format!("window.old = {REGISTRATION}.active;")).await?;
    server.update_worker("9.9.9-next")?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({"debounceMs": 20})).await?;
    // At the latest when the former worker's event has had its time.
    tab.wait_until_within(&format!("{REGISTRATION}.active !== old"), PATIENCE).await?;
    tab.dispatch(&[add("a")]).await?;
    tab.flush().await
}

/// A worker of an older version of the messages, as its script would be served.
const OLDER: &str = "
    self.addEventListener('install', () => self.skipWaiting());
    self.addEventListener('message', ({data}) => {
        const {page} = JSON.parse(data);
        new BroadcastChannel(`nightferry::${page}`).postMessage({
            v: 0, kind: 'failed', request: null, code: 'bridge_version', message: 'This page speaks version 1 and the worker version 0.',
        });
    });";

async fn f71_a_page_at_an_older_worker_gets_the_newer_one_or_is_told(client: Client) -> Result<()> {
    let (server, _browser, tab) = start_for(client).await?;
    let older = Fault::on("/nightferry/sw.js").answers("text/javascript", OLDER);
    server.fault(&[older])?;
    tab.load_client(&server).await?;
    let register = "return await nf.register({slices: {files: {debounceMs: 20}}}).then(() => 'registered', ({code}) => code);";
    // There is no newer one.
    assert_eq!(tab.eval::<String>(register).await?, "bridge_version");
    // There is one now.
    server.heal()?;
    assert_eq!(tab.eval::<String>(register).await?, "registered");
    tab.dispatch(&[add("a")]).await?;
    tab.sync_now().await?;
    assert!(server.items("files").await?.contains_key("a"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_answers_is_told_of_and_register_ends() -> Result<()> {
    let (server, _browser, tab) = start_for(Client::JavaScript).await?;
    let mute = "self.addEventListener('install', () => self.skipWaiting());";
    server.fault(&[Fault::on("/nightferry/sw.js").answers("text/javascript", mute)])?;
    tab.load_client(&server).await?;
    tab.eval::<()>(
        "nf.register({slices: {files: {debounceMs: 20}}}).then(() => (window.ended = 'registered'), ({code}) => (window.ended = code));
         nf.dispatch({type: 'files/addItem', payload: {id: 'a'}});",
    )
    .await?;
    tab.wait_until_within("window.ended === 'no_worker'", PATIENCE).await?;
    assert_eq!(tab.eval::<String>("return nf.getStatus().errorCode;").await?, "no_worker");
    // What was dispatched meanwhile is kept for the worker that comes, which a page that is shown again looks for.
    server.heal()?;
    let update = format!("await {REGISTRATION}.update();");
    tab.eval::<()>(&update).await?;
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    tab.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}}});").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_the_browser_is_asked_to_keep_the_data_once_there_is_something_unsent() -> Result<()> {
    let (server, _browser, tab) = start_for(Client::JavaScript).await?;
    tab.load_client(&server).await?;
    tab.eval::<()>(
        "window.asked = 0;
         navigator.storage.persist = async () => { asked += 1; return true; };
         await nf.register({slices: {files: {debounceMs: 20}}}); await nf.syncNow();",
    )
    .await?;
    assert_eq!(tab.eval::<u32>("return asked;").await?, 0);
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    tab.dispatch(&[add("a")]).await?;
    tab.wait_until("asked === 1").await?;
    tab.dispatch(&[add("b")]).await?;
    tab.wait_until("nf.getStatus().pending === 2").await?;
    assert_eq!(tab.eval::<u32>("return asked;").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f73_each_cause_of_a_registration_that_fails_has_its_own_code() -> Result<()> {
    let (server, _browser, tab) = start_for(Client::JavaScript).await?;
    let insecure = "navigator.serviceWorker.register = async () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };";
    let register = "try { await nf.register({slices: {files: {}}}); return ['registered', '']; } catch ({code, message}) { return [code, message]; }";
    for (prepare, fault, code, says) in [
        (insecure, None, "storage_blocked", "Allow cookies and site data"),
        ("delete globalThis.WebAssembly;", None, "wasm_unavailable", "Allow it for this site"),
        ("", Some(Fault::on("/nightferry/sw.js").html()), "worker_failed", "text/html"),
        ("", Some(Fault::on("/nightferry/sw.js").status(404)), "worker_failed", "status 404"),
    ] {
        server.fault(&fault.into_iter().collect::<Vec<_>>())?;
        tab.load_client(&server).await?;
        let failed: (String, String) = tab.eval(&format!("{prepare} {register}")).await?;
        assert!(failed.0 == code && failed.1.contains(says), "{failed:?}");
    }
    Ok(())
}

/// Keeps what the tab shows of the slice `files`. While `window.deaf`, it hears nothing, as a page that WebKit has put aside.
const SHOW: &str = "
    window.shown = new Map();
    nf.subscribe('files', ({puts, deletes}) => {
        for (const {id, value} of puts) shown.set(id, value);
        for (const id of deletes) shown.delete(id);
    });
    for (const {id, value} of await nf.hydrate('files')) shown.set(id, value);";

async fn f72_a_page_that_was_put_aside_reads_again_before_it_sends(client: Client) -> Result<()> {
    let (server, browser, tab) = start_for(client).await?;
    tab.load_client(&server).await?;
    tab.eval::<()>(
        "const onmessage = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, 'onmessage');
         Object.defineProperty(BroadcastChannel.prototype, 'onmessage', {
             ...onmessage,
             set(fn) { onmessage.set.call(this, (event) => window.deaf || fn(event)); },
         });
         await nf.register({slices: {files: {debounceMs: 20}}});",
    )
    .await?;
    tab.dispatch(&[add("kept"), add("deleted")]).await?;
    tab.flush().await?;
    tab.eval::<()>(SHOW).await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.eval::<()>("window.deaf = true;").await?;
    other.dispatch(&[json!({"type": "files/removeItem", "payload": "deleted"}), add("new")]).await?;
    other
        .dispatch(&[json!({"type": "files/updateItem", "payload": {"id": "kept", "text": "edited"}})])
        .await?;
    other.flush().await?;
    tab.eval::<()>(
        "window.deaf = false; dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));",
    )
    .await?;
    tab.wait_until("String([...shown.keys()].sort()) === 'kept,new' && shown.get('kept').text === 'edited'")
        .await?;
    // A set of all that it shows takes nothing back.
    tab.eval::<()>(
        "nf.dispatch({type: 'files/setFiles', payload: [...shown.values()]}); await nf.syncNow();",
    )
    .await?;
    let items = server.items("files").await?;
    assert_eq!(items.keys().collect::<Vec<_>>(), ["kept", "new"]);
    assert_eq!(items["kept"]["text"], "edited");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_the_back_forward_cache_goes_on() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add("kept")]).await?;
    tab.sync_now().await?;
    tab.eval::<()>(SHOW).await?;
    tab.eval::<()>("addEventListener('pageshow', (event) => (window.persisted = event.persisted));").await?;
    tab.eval::<()>("location.href = '/__test__/blank';").await?;
    tab.wait_until("document.title === 'blank'").await?;
    tab.eval::<()>("history.back();").await?;
    // Chromium drops a page for which there was a message; then it is loaded anew.
    tab.wait_until("window.nf").await?;
    if tab.eval::<bool>("return window.persisted !== true;").await? {
        tab.open_client(&server, json!({"debounceMs": 20})).await?;
        tab.eval::<()>(SHOW).await?;
    }
    tab.dispatch(&[add("new")]).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 2);
    tab.wait_until("shown.has('kept')").await
}
