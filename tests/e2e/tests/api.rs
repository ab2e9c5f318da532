//! Each function of the page's API for configuration, metrics, auto-sync and the connection, in a real browser.

use anyhow::Result;
use nightferry_e2e::{
    Browser, Client, DEADLINE, Fault, Profile, Server, eventually, open_client_for, start_for,
    with_each_client,
};
use serde_json::{Value, json};

with_each_client! {
    configure_persistence_holds_in_every_tab_and_across_restarts
    f19_disable_and_enable_persistence
    f34_metrics_agree_with_what_the_others_saw
    f31_f32_configure_auto_sync
    f33_check_flask_connection_and_bulk
    f16_f18_single_values_and_sets
    f15_a_slice_is_added_with_tabs_open
    f10_a_tab_closed_within_the_debounce_time
    a_database_of_a_newer_format_fails_the_registration
    what_is_told_while_items_are_read_is_in_them
    a_slice_of_many_items_is_read_in_parts
    what_was_missed_is_heard_whatever_the_worker_remembers_of_the_page
}

fn add(id: u64) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

async fn configure_persistence_holds_in_every_tab_and_across_restarts(client: Client) -> Result<()> {
    let (server, browser, tab) =
        open_client_for(client, json!({"debounceMs": 600_000, "maxWaitMs": 600_000})).await?;
    tab.dispatch(&[add(1)]).await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({})).await?;
    other.eval::<()>("await nf.configurePersistence('files', {debounceMs: 50, maxWaitMs: 100});").await?;
    server.wait_for_items("files", |files| files.len() == 1).await?;
    browser.stop_all_workers().await?;
    tab.dispatch(&[add(2)]).await?;
    server.wait_for_items("files", |files| files.len() == 2).await?;

    for (call, part) in [
        ("configurePersistence('files', {debounceMs: 600001})", "slices.files.debounceMs is 600001"),
        ("configurePersistence('nope', {})", "no slice"),
        ("configureAutoSync({intervalMs: 5})", "autoSync.intervalMs is 5"),
    ] {
        let refused: String = tab
            .eval(&format!(
                "return nf.{call}.then(() => 'taken', (error) => `${{error.code}}: ${{error.message}}`);"
            ))
            .await?;
        assert!(refused.starts_with("bad_config: ") && refused.contains(part), "{call}: {refused}");
    }
    Ok(())
}

async fn a_slice_of_many_items_is_read_in_parts(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    server.fill("files", 4_500).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    // Notes how many items each message has.
    tab.before_scripts(
        "const Channel = BroadcastChannel;
         window.sizes = [];
         window.BroadcastChannel = class extends Channel {
             constructor(name) {
                 super(name);
                 this.addEventListener('message', ({data}) => { if (data.ids) sizes.push(data.ids.length); });
             }
         };",
    )
    .await?;
    tab.open_client(&server, json!({})).await?;
    eventually("the items to be stored", DEADLINE, async || {
        Ok((tab.stored("files").await?.len() == 4_500).then_some(()))
    })
    .await?;
    let read = "sizes.length = 0;
        const [one, other] = await Promise.all([nf.hydrate('files'), nf.hydrate('files')]);
        if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error('two reads differ');
        return [sizes, one.map(({id, value}) => [id, value])];";
    let (sizes, items): (Vec<usize>, Vec<(String, Value)>) = tab.eval(read).await?;
    assert_eq!(sizes, [2_000, 2_000, 500, 2_000, 2_000, 500]);
    assert_eq!(items.into_iter().collect::<std::collections::BTreeMap<_, _>>(), tab.stored("files").await?);
    Ok(())
}

/// f19: what is changed while a slice is disabled is not lost.
async fn f19_disable_and_enable_persistence(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add(1)]).await?;
    server.wait_for_items("files", |files| files.len() == 1).await?;
    tab.flush().await?;
    tab.eval::<()>("await nf.disablePersistence('files');").await?;
    tab.wait_until("nf.getStatus().enabled === false").await?;
    tab.dispatch(&[add(2), json!({"type": "files/removeItem", "payload": 1})]).await?;
    tab.flush().await?;
    assert_eq!(tab.stored("files").await?.len(), 1);
    assert_eq!(tab.rows_with("local").await?.len(), 2);
    browser.close().await?;

    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({})).await?;
    let seen: Vec<Value> = tab.eval("return (await nf.hydrate('files')).map((item) => item.value);").await?;
    assert_eq!(seen, [json!({"id": 2})]);
    tab.eval::<()>("await nf.enablePersistence('files');").await?;
    server.wait_for_items("files", |files| files.len() == 1 && files.contains_key("2")).await?;
    // The push goes before the checkpoint.
    tab.flush().await?;
    assert_eq!(tab.stored("files").await?.into_keys().collect::<Vec<_>>(), ["2"]);
    assert_eq!(tab.rows_with("local").await?.len(), 0);
    server.check_nothing_applied_twice()
}

/// f34: the numbers are those of IndexedDB and of the server, in an outage too.
async fn f34_metrics_agree_with_what_the_others_saw(client: Client) -> Result<()> {
    let (server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.eval::<()>(
        "window.heard = []; window.end = nf.subscribeSyncMetrics((metrics) => heard.push(metrics));",
    )
    .await?;
    server.fault(&[Fault::on("/nightferry/push").times(1).status(503)])?;
    tab.dispatch(&(0..30).map(add).collect::<Vec<_>>()).await?;
    server.wait_for_items("files", |files| files.len() == 30).await?;
    tab.dispatch(&[json!({"type": "files/removeItem", "payload": 3})]).await?;
    server.wait_for_items("files", |files| files.len() == 29).await?;
    tab.wait_until("nf.getSyncMetrics().bySlice.files?.push.successful === 31").await?;
    let metrics: Value = tab.eval("return nf.getSyncMetrics();").await?;
    let files = &metrics["bySlice"]["files"];
    assert_eq!(files["put"], json!({"successful": 30, "failed": 0}));
    assert_eq!(files["delete"], json!({"successful": 1, "failed": 0}));
    let pushes = server.requests("/nightferry/push")?;
    let failed: usize = pushes
        .iter()
        .filter(|push| push.fault.is_some())
        .map(|push| push.body["mutations"].as_array().map_or(0, Vec::len))
        .sum();
    assert!(failed > 0);
    assert_eq!(files["push"], json!({"successful": 31, "failed": failed, "rejected": 0, "conflicts": 0}));
    assert_eq!(
        (&metrics["totalOperations"], &metrics["successfulOperations"], &metrics["failedOperations"]),
        (&json!(62 + failed), &json!(62), &json!(failed))
    );
    assert!(
        metrics["operationTimes"].as_array().is_some_and(|times| !times.is_empty() && times.len() <= 100)
    );
    assert_eq!(tab.eval::<Value>("return heard.at(-1);").await?, metrics);
    tab.eval::<()>("end(); nf.resetSyncMetrics();").await?;
    tab.wait_until("nf.getSyncMetrics().totalOperations === 0").await?;
    assert_eq!(tab.eval::<Value>("return heard.at(-1);").await?, metrics, "its listener ended");
    Ok(())
}

/// f31, f32: the period is what is configured, from the moment it is; off is off.
async fn f31_f32_configure_auto_sync(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({})).await?;
    let status = "nf.getStatus().autoSync";
    tab.wait_until(&format!("{status}.enabled && {status}.intervalMs === 30000 && {status}.nextSyncAt > 0"))
        .await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    tab.eval::<()>("await nf.configureAutoSync({intervalMs: 1000});").await?;
    let before = server.requests("/nightferry/pull")?.len();
    server.wait_for_requests("/nightferry/pull", |requests| requests.len() >= before + 4).await?;
    let requests = server.requests("/nightferry/pull")?;
    let times: Vec<f64> = requests[before..].iter().map(|request| request.at).collect();
    // A busy machine may be late, and the next one is then sooner; on the average it is never too often.
    let average = (times[times.len() - 1] - times[0]) / 1000.0 / (times.len() - 1) as f64;
    assert!(average >= 0.9, "an idle page asks no more often than configured: {times:?}");

    tab.eval::<()>("await nf.configureAutoSync({enabled: false});").await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({})).await?;
    other.wait_until(&format!("{status}.enabled === false && {status}.nextSyncAt === null")).await?;
    Ok(())
}

async fn f33_check_flask_connection_and_bulk(client: Client) -> Result<()> {
    let (server, _browser, tab) =
        open_client_for(client, json!({"debounceMs": 600_000, "maxWaitMs": 600_000})).await?;
    assert!(tab.eval::<bool>("return nf.checkFlaskConnection();").await?);
    tab.dispatch(&[add(1)]).await?;
    tab.eval::<()>("await nf.syncToFlaskBulk();").await?;
    assert_eq!(server.items("files").await?.len(), 1);
    server.stop()?;
    assert!(!tab.eval::<bool>("return nf.checkFlaskConnection();").await?);
    let failed: String = tab.eval("return nf.syncNow().then(() => 'sent', (error) => error.code);").await?;
    assert_eq!(failed, "unreachable");
    tab.wait_until("nf.getStatus().connection === 'local-only' && !nf.getStatus().flaskConnected").await?;
    server.start_again().await?;
    // No one does anything: the next attempt finds it.
    tab.wait_until("nf.getStatus().connection === 'online'").await
}

/// f16, f18: a value, and a whole collection.
async fn f16_f18_single_values_and_sets(client: Client) -> Result<()> {
    let (server, _browser, tab) = start_for(client).await?;
    tab.load_client(&server).await?;
    tab.eval::<()>(
        "await nf.register({slices: {files: {debounceMs: 20}, theme: {single: true, debounceMs: 20}}});",
    )
    .await?;
    tab.dispatch(&[
        json!({"type": "files/addItems", "payload": [{"id": 1}, {"id": 2}]}),
        json!({"type": "theme/setTheme", "payload": {"dark": true}}),
    ])
    .await?;
    tab.eval::<()>("await nf.syncNow();").await?;
    tab.dispatch(&[
        json!({"type": "files/setFiles", "payload": [{"id": 2, "x": 1}, {"id": 3}]}),
        json!({"type": "theme/saveTheme", "payload": "plain"}),
    ])
    .await?;
    tab.eval::<()>("await nf.syncNow();").await?;
    let files = server.items("files").await?;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["2", "3"]);
    assert_eq!(server.items("theme").await?["value"], json!("plain"));
    assert_eq!(tab.stored("files").await?, files);
    assert_eq!(tab.stored("theme").await?["value"], json!("plain"));
    Ok(())
}

/// f15: a slice that is named later gets its store while another tab is open and working.
async fn f15_a_slice_is_added_with_tabs_open(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add(1)]).await?;
    let other = browser.new_tab().await?;
    other.load_client(&server).await?;
    let register = other.eval::<()>("await nf.register({slices: {models: {debounceMs: 20}}});");
    let actions = [add(2)];
    let dispatch = tab.dispatch(&actions);
    tokio::try_join!(register, dispatch)?;
    other.dispatch(&[json!({"type": "models/saveModel", "payload": {"id": "m"}})]).await?;
    server.wait_for_items("models", |models| models.len() == 1).await?;
    server.wait_for_items("files", |files| files.len() == 2).await?;
    tab.wait_for_stored("models", |models| models.len() == 1).await?;
    tab.wait_for_stored("files", |files| files.len() == 2).await?;
    Ok(())
}

/// f10: an edit, and the tab is closed within the debounce time.
async fn f10_a_tab_closed_within_the_debounce_time(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let other = browser.new_tab().await?;
    other.open_client(&server, json!({"debounceMs": 600_000, "maxWaitMs": 600_000})).await?;
    other.dispatch(&[add(1)]).await?;
    other.close().await?;
    eventually("the edit to arrive", DEADLINE, async || {
        Ok((server.items("files").await?.len() == 1).then_some(()))
    })
    .await
}

/// A worker that cannot start at all ends the registration, instead of leaving it open; whoever listens to errors hears it, too.
async fn a_database_of_a_newer_format_fails_the_registration(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({})).await?;
    tab.goto(&server.url("/__test__/blank")).await?;
    browser.stop_all_workers().await?;
    tab.write_row("_meta", "'schema'", "99").await?;
    tab.load_client(&server).await?;
    let refused: (String, bool) = tab
        .eval(
            "const heard = []; nf.subscribeErrors((error) => heard.push(error));
             const error = await nf.register({slices: {files: {}}}).then(() => ({code: 'taken'}), (error) => error);
             return [error.code, heard.some(({kind, code, message}) => kind === 'failed' && code === error.code && message === error.message)];",
        )
        .await?;
    assert_eq!(refused, ("newer_schema".into(), true));
    Ok(())
}

/// The worker reads a store while it takes what others do, and may tell of that first.
async fn what_is_told_while_items_are_read_is_in_them(client: Client) -> Result<()> {
    let (_server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    let items: Value = tab
        .eval(
            "const reading = nf.hydrate('files');
             new BroadcastChannel('nightferry:nightferry').postMessage({
                 v: 1, kind: 'changed', slice: 'files', position: 1_000_000, n: 0, origin: 'tab',
                 puts: [{id: '1', value: {id: 1}}], deletes: [],
             });
             return reading;",
        )
        .await?;
    assert_eq!(items, json!([{"id": "1", "value": {"id": 1}}]));
    Ok(())
}

/// In another database, the worker remembers nothing of it.
async fn what_was_missed_is_heard_whatever_the_worker_remembers_of_the_page(client: Client) -> Result<()> {
    let (_server, _browser, tab) = open_client_for(client, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[add(1)]).await?;
    tab.eval::<()>(
        "window.heard = [];
         nf.subscribe('files', ({puts}) => heard.push(puts.length));
         await nf.hydrate('files');
         const {get} = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data');
         Object.defineProperty(MessageEvent.prototype, 'data', {get() {
             const data = get.call(this);
             if (data?.kind === 'rows') data.n = 0;
             return data;
         }});
         const joined = {v: 1, kind: 'joined', position: 1_000_000};
         new BroadcastChannel('nightferry:nightferry').postMessage(joined);",
    )
    .await?;
    tab.wait_until("heard.length === 1 && heard[0] === 1").await
}
