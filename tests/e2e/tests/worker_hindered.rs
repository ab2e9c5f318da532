//! What hinders a worker from being registered, started, replaced or from writing, beside what `worker_missing.rs` has: broken or
//! unwritable caches, somebody else's connection to the database, policies, redirects, open DevTools.

use anyhow::Result;
use nightferry_e2e::{Client, Fault, Server, Tab, open_client_for, start_for, with_each_client};
use serde_json::json;

use crate::worker_missing::{REGISTRATION, add, starts_without_the_server};

/// Registers `files`. Returns the code and the message with which that ends; none once it is registered.
const REGISTER: &str = "return await nf.register({slices: {files: {debounceMs: 20}}})
    .then(() => ['registered', ''], ({code, message}) => [code, message]);";

/// What the origin may keep, in bytes.
async fn set_quota(tab: &Tab, server: &Server, bytes: Option<u64>) -> Result<()> {
    let params = match bytes {
        Some(bytes) => json!({"origin": server.origin(), "quotaSize": bytes}),
        None => json!({"origin": server.origin()}),
    };
    tab.cdp("Storage.overrideQuotaForOrigin", params).await.map(drop)
}

with_each_client! {
    f52_wasm_that_is_broken_in_the_cache_is_fetched_anew
    f53_a_worker_that_was_unregistered_while_no_page_was_open_is_back_with_the_next
    f53_what_is_asked_as_the_worker_is_unregistered_is_answered
    f55_an_upgrade_that_another_connection_blocks_is_told_of_and_goes_on
    f70_a_deploy_takes_over_from_a_worker_that_devtools_keep_alive
    f73_a_script_that_is_redirected_or_forbidden_by_a_policy_is_named_so
}

async fn f52_wasm_that_is_broken_in_the_cache_is_fetched_anew(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.flush().await?;
    tab.eval::<()>(
        "const cache = await caches.open((await caches.keys())[0]);
         for (const request of await cache.keys())
             await cache.put(request, new Response('broken', {headers: {'content-type': 'application/wasm'}}));",
    )
    .await?;
    browser.stop_all_workers().await?;
    tab.dispatch(&[add("a")]).await?;
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    // It is whole again for a start without the server.
    let size = "(await (await caches.match((await (await caches.open((await caches.keys())[0])).keys())[0])).arrayBuffer()).byteLength";
    tab.wait_until(&format!("{size} > 100_000")).await?;
    starts_without_the_server(&server, &browser, &tab).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f52_a_worker_that_has_no_room_for_its_wasm_is_there_all_the_same() -> Result<()> {
    let (server, _browser, tab) = start_for(Client::JavaScript).await?;
    tab.load_client(&server).await?;
    set_quota(&tab, &server, Some(1)).await?;
    // It is installed, and says what is wrong: nothing can be saved.
    let (code, message): (String, String) = tab.eval(REGISTER).await?;
    assert!(code == "storage" && message.contains("no room"), "{code}: {message}");
    set_quota(&tab, &server, None).await?;
    let (code, message): (String, String) = tab.eval(REGISTER).await?;
    assert_eq!(code, "registered", "{message}");
    tab.dispatch(&[add("a")]).await?;
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    Ok(())
}

async fn f53_a_worker_that_was_unregistered_while_no_page_was_open_is_back_with_the_next(
    client: Client,
) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    tab.dispatch(&[add("a")]).await?;
    tab.flush().await?;
    // A page without Nightferry, as of another app of the origin.
    tab.goto(&server.url("/__test__/blank")).await?;
    tab.eval::<()>(&format!("await {REGISTRATION}.unregister();")).await?;
    browser.stop_all_workers().await?;
    server.heal()?;
    tab.load_client(&server).await?;
    assert_eq!(tab.eval::<(String, String)>(REGISTER).await?.0, "registered");
    server.wait_for_items("files", |files| files.contains_key("a")).await?;
    Ok(())
}

async fn f53_what_is_asked_as_the_worker_is_unregistered_is_answered(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    server.fault(&[Fault::on("/nightferry/push").silent()])?;
    tab.dispatch(&[add("a")]).await?;
    tab.eval::<()>("nf.syncNow().then(() => (window.ended = 'synced'), ({code}) => (window.ended = code));")
        .await?;
    server.wait_for_requests("/nightferry/push", |pushes| !pushes.is_empty()).await?;
    tab.eval::<()>(&format!("await {REGISTRATION}.unregister();")).await?;
    browser.stop_all_workers().await?;
    server.heal()?;
    tab.wait_until("window.ended === 'synced'").await?;
    assert_eq!(server.items("files").await?.len(), 1);
    server.check_nothing_applied_twice()
}

async fn f55_an_upgrade_that_another_connection_blocks_is_told_of_and_goes_on(client: Client) -> Result<()> {
    let (server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add("before")]).await?;
    tab.sync_now().await?;
    tab.eval::<()>(
        "window.held = await new Promise((resolve, reject) => {
             const open = indexedDB.open('nightferry');
             open.onsuccess = () => resolve(open.result);
             open.onerror = reject;
         });",
    )
    .await?;
    let both = "nf.register({slices: {files: {debounceMs: 20}, notes: {debounceMs: 20}}})";
    let code: String =
        tab.eval(&format!("return await {both}.then(() => 'registered', ({{code}}) => code);")).await?;
    assert_eq!(code, "database_blocked");
    let error: String = tab.eval("return nf.getStatus().error;").await?;
    assert!(error.contains("Close the other tabs"), "{error}");
    tab.dispatch(&[add("meanwhile"), json!({"type": "notes/addItem", "payload": {"id": "n"}})]).await?;
    tab.eval::<()>("held.close();").await?;
    server.wait_for_items("files", |files| files.contains_key("meanwhile")).await?;
    server.wait_for_items("notes", |notes| notes.contains_key("n")).await?;
    tab.wait_until("nf.getStatus().errorCode === null").await
}

/// Who attaches to a worker keeps it running, as its open DevTools do.
async fn f70_a_deploy_takes_over_from_a_worker_that_devtools_keep_alive(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add("a")]).await?;
    tab.sync_now().await?;
    let former = browser.worker("/nightferry/sw.js").await?;
    tab.eval::<()>(&format!("window.old = {REGISTRATION}.active;")).await?;
    server.update_worker("9.9.9-next")?;
    tab.eval::<()>(&format!("await {REGISTRATION}.update();")).await?;
    tab.wait_until(&format!("{REGISTRATION}.active !== old")).await?;
    tab.dispatch(&[add("b")]).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 2);
    drop(former);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_where_the_browser_keeps_nothing_on_request_everything_else_goes_on() -> Result<()> {
    for (prepare, options, asked) in [
        ("Object.defineProperty(navigator, 'storage', {value: undefined});", json!({}), 0),
        ("navigator.storage.persist = async () => { asked += 1; throw new Error('no'); };", json!({}), 1),
        ("navigator.storage.persist = async () => { asked += 1; };", json!({"persistStorage": false}), 0),
    ] {
        let (server, browser, tab) = start_for(Client::JavaScript).await?;
        tab.load_client(&server).await?;
        tab.eval_with::<()>(
            &options,
            &format!(
                "window.asked = 0; {prepare} await nf.register({{...input, slices: {{files: {{debounceMs: 20}}}}}});"
            ),
        )
        .await?;
        tab.dispatch(&[add("a")]).await?;
        server.wait_for_items("files", |files| files.contains_key("a")).await?;
        assert_eq!(tab.eval::<u32>("return asked;").await?, asked, "{prepare}");
        let complaints: Vec<String> = browser
            .console()
            .into_iter()
            .filter(|line| line.contains("rror: ") && !line.contains("favicon"))
            .collect();
        assert_eq!(complaints, [] as [String; 0], "{prepare}");
    }
    Ok(())
}

async fn f73_a_script_that_is_redirected_or_forbidden_by_a_policy_is_named_so(client: Client) -> Result<()> {
    let (server, _browser, tab) = start_for(client).await?;
    let forbid = "const meta = document.createElement('meta'); meta.httpEquiv = 'Content-Security-Policy';
        meta.content = \"worker-src 'none'\"; document.head.append(meta);";
    for (prepare, fault, says) in [
        ("", Some(Fault::on("/nightferry/sw.js").redirects("/nightferry/client.js")), "is redirected to"),
        (forbid, None, "worker-src 'self'"),
    ] {
        server.fault(&fault.into_iter().collect::<Vec<_>>())?;
        tab.load_client(&server).await?;
        let failed: (String, String) = tab.eval(&format!("{prepare} {REGISTER}")).await?;
        assert!(failed.0 == "worker_failed" && failed.1.contains(says), "{failed:?}");
    }
    Ok(())
}
