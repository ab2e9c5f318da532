//! `nightferry/react` in a real browser: the hook's values and renders, the flush on unmount, and the toasts.

use anyhow::Result;
use nightferry_e2e::{Browser, Fault, Profile, ReactPage, Server, start};
use serde_json::{Value, json};

fn add(id: u64) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id}})
}

/// Returns the complaints of React and of the browser. Lines of Nightferry itself and failed requests are left out.
fn complaints(browser: &Browser) -> Vec<String> {
    let expected = |line: &String| {
        line.starts_with("info: ")
            || line.contains("Nightferry (")
            || line.contains("Failed to load resource")
    };
    browser.console().into_iter().filter(|line| !expected(line)).collect()
}

/// Notes every text that the page shows in `window.shown`, those of elements with a shadow root included.
const NOTE_TEXTS: &str = "
    window.shown = new Set();
    const note = () => {
        const roots = [document.body, ...[...document.querySelectorAll('nightferry-dashboard')].map((host) => host.shadowRoot)];
        for (const root of roots) for (const node of root?.querySelectorAll('.state strong, .state p, #state, .nightferry-toast') ?? [])
            if (node.textContent) shown.add(node.textContent);
        requestAnimationFrame(note);
    };
    addEventListener('DOMContentLoaded', note);
";

/// From the page's load to the server's first answer, which is late, nothing says that the server is away.
#[tokio::test(flavor = "multi_thread")]
async fn f68_a_start_with_a_slow_first_answer_never_says_offline() -> Result<()> {
    let (server, browser, tab) = start().await?;
    server.fault(&["pull", "push", "health"].map(|of| Fault::on(&format!("/nightferry/{of}")).silent()))?;
    tab.before_scripts(NOTE_TEXTS).await?;
    let page = ReactPage::open(tab, &server).await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.show(&["readers", "toasts", "dashboard", "state"]).await?;
    page.wait_until_seen("status", "value.connection === 'unknown' && !value.flaskConnected").await?;
    page.tab.wait_until("[...shown].includes('Connecting')").await?;
    page.tab.dispatch(&[add(1)]).await?;
    let state = "document.querySelector('#state')?.textContent";
    page.wait_until_seen("status", "value.connection === 'unknown' && value.pending === 1").await?;
    page.tab.wait_until(&format!("{state}?.startsWith('Sending 1:')")).await?;
    server.heal()?;
    page.wait_until_seen("status", "value.connection === 'online' && value.pending === 0").await?;
    page.tab.wait_until(&format!("{state} === 'Up to date: The server has everything.'")).await?;
    page.tab.wait_until("[...shown].includes('Up to date')").await?;
    let shown: Vec<String> = page.tab.eval("return [...shown];").await?;
    assert!(shown.iter().any(|text| text == "Connecting"), "{shown:?}");
    let lies = ["ffline", "Saved on", "reach", "not answer", "Local only", "Paused"];
    let said: Vec<&String> = shown.iter().filter(|text| lies.iter().any(|lie| text.contains(lie))).collect();
    assert_eq!(said, [] as [&String; 0]);
    assert_eq!(complaints(&browser), [] as [String; 0]);
    Ok(())
}

/// Each part by itself, with the server up, down and up again.
#[tokio::test(flavor = "multi_thread")]
async fn use_persistence_is_live_and_renders_for_what_was_read_alone() -> Result<()> {
    let (server, browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["readers", "late", "functions"]).await?;
    page.wait_until_seen("status", "value.syncStatus === 'idle' && !value.flaskConnected").await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.wait_until_seen("status", "value.flaskConnected && value.enabled && value.error === null").await?;

    page.tab.dispatch(&[add(1), add(2)]).await?;
    page.wait_until_seen("metrics", "value.successfulOperations === 4 && value.averageOperationTime > 0")
        .await?;
    page.wait_until_seen("status", "value.syncStatus === 'success' && value.lastSyncTime > 1e12").await?;
    page.wait_until_seen("autoSync", "value.changeCounter === 0 && value.lastSyncTime > 1e12").await?;
    page.wait_until_seen("all", "value.metrics.totalOperations === 4 && value.status.flaskConnected").await?;

    // Metrics alone change: whoever does not read them is left alone.
    page.tab.eval::<()>("await nf.configureAutoSync({enabled: false});").await?;
    page.wait_until_seen("countdown", "value === null").await?;
    page.wait_until_seen("autoSync", "!value.enabled").await?;
    let before =
        [page.renders("status").await?, page.renders("autoSync").await?, page.renders("late").await?];
    page.tab.eval::<()>("app.persistence.resetMetrics();").await?;
    page.wait_until_seen("metrics", "value.totalOperations === 0").await?;
    page.wait_until_seen("all", "value.metrics.totalOperations === 0").await?;
    let after = [page.renders("status").await?, page.renders("autoSync").await?, page.renders("late").await?];
    assert_eq!(before, after, "they did not read the metrics");
    assert_eq!((page.renders("nothing").await?, page.renders("functions").await?, after[2]), (1, 1, 1));

    // Parts that are read later are there at once, and watched from then on.
    page.tab.eval::<()>("app.widen();").await?;
    page.wait_until_seen("late", "value.status?.flaskConnected && value.metrics.totalOperations === 0")
        .await?;
    server.stop()?;
    page.tab.dispatch(&[add(3)]).await?;
    page.wait_until_seen("late", "!value.status.flaskConnected && value.metrics.failedOperations > 0")
        .await?;
    page.wait_until_seen("status", "value.error?.includes('cannot be reached')").await?;
    page.wait_until_seen("autoSync", "value.changeCounter === 1").await?;
    server.start_again().await?;
    page.wait_until_seen("status", "value.flaskConnected && value.error === null").await?;
    page.wait_until_seen("autoSync", "value.changeCounter === 0").await?;

    let same = "return app.seen.all.value.syncNow === app.persistence.syncNow && app.seen.all.value.flush === app.persistence.flush;";
    assert!(page.tab.eval::<bool>(same).await?, "the functions are the same for all and for good");
    assert_eq!(complaints(&browser), [] as [String; 0]);
    Ok(())
}

/// A component that appears with the item that it shows says what is so, and never that the server has it before it does.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_an_item_is_never_synced_before_the_server_has_it() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let page = ReactPage::open(browser.tab(), &server).await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "b"}})]).await?;
    page.tab.sync_now().await?;
    server.stop()?;
    // In one turn, as a click does that adds an item and renders it.
    let add = json!({"type": "files/addItem", "payload": {"id": "a"}});
    page.tab.eval_with::<()>(&add, "nf.dispatch(input); app.show(['states']);").await?;
    page.wait_until_seen("state_b", "value === 'synced'").await?;
    page.wait_until_seen("state_a", "value === 'local'").await?;
    page.tab.eval::<()>("nf.dispatch({type: 'files/updateItem', payload: {id: 'b', x: 1}});").await?;
    page.wait_until_seen("state_b", "value === 'local'").await?;
    page.tab.flush().await?;
    let states: Vec<Vec<Option<String>>> = page.tab.eval("return [app.states.a, app.states.b];").await?;
    let synced =
        |states: &[Option<String>]| states.iter().filter(|state| state.as_deref() == Some("synced")).count();
    assert_eq!((synced(&states[0]), synced(&states[1])), (0, 1), "{states:?}");
    server.start_again().await?;
    for item in ["state_a", "state_b"] {
        page.wait_until_seen(item, "value === 'synced'").await?;
    }
    server.wait_for_items("files", |files| files["b"]["x"] == 1 && files.contains_key("a")).await?;
    assert_eq!(complaints(&browser), [] as [String; 0]);
    Ok(())
}

/// `nextSyncIn` counts down where it is read, once a second and not more often.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_sync_is_counted_down_where_it_is_read() -> Result<()> {
    let (server, browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.register(json!({})).await?;
    page.tab
        .wait_until("nf.getStatus().connection === 'online' && nf.getStatus().autoSync.nextSyncAt")
        .await?;
    page.show(&["readers"]).await?;
    page.wait_until_seen("countdown", "value > 0 && value <= 30000").await?;
    let read: Vec<u64> = page
        .tab
        .eval(
            "const renders = () => app.seen.countdown.renders;
             const [first, before, began] = [app.seen.countdown.value, renders(), performance.now()];
             const others = ['autoSync', 'status'].map((name) => app.seen[name].renders);
             while (app.seen.countdown.value > first - 3000) await new Promise((done) => setTimeout(done, 20));
             const changed = ['autoSync', 'status'].filter((name, at) => app.seen[name].renders !== others[at]);
             return [renders() - before, Math.round(performance.now() - began), changed.length];",
        )
        .await?;
    // A timer that was late is followed by one in time: two renders more than seconds at most.
    assert!(read[0] <= read[1] / 1000 + 2, "{} renders in {} ms", read[0], read[1]);
    assert_eq!(read[2], 0, "who reads the rest does not render each second");
    assert_eq!(complaints(&browser), [] as [String; 0]);
    Ok(())
}

/// The same in React's strict mode, which renders twice and runs effects twice.
#[tokio::test(flavor = "multi_thread")]
async fn use_persistence_in_strict_mode() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let page = ReactPage::open_with(browser.tab(), &server, "?strict").await?;
    page.show(&["readers", "late", "functions", "toasts", "dashboard"]).await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.wait_until_seen("status", "value.flaskConnected").await?;
    page.tab.dispatch(&[add(1)]).await?;
    page.wait_until_seen("metrics", "value.successfulOperations === 2").await?;
    let count = "return app.seen.countdown.value;";
    let first: f64 = page.tab.eval(count).await?;
    page.wait_until_seen("countdown", &format!("value < {first}")).await?;
    // The result of the sync is posted after the metrics.
    page.wait_until_seen("status", "value.syncStatus === 'success' && nf.getStatus().pending === 0").await?;
    let before = page.renders("status").await?;
    page.tab.eval::<()>("app.persistence.resetMetrics();").await?;
    page.wait_until_seen("metrics", "value.totalOperations === 0").await?;
    assert_eq!(page.renders("status").await?, before);
    page.tab.wait_until("document.querySelector('nightferry-dashboard')?.shadowRoot").await?;
    // All of it goes away without a complaint.
    page.show(&[]).await?;
    page.tab.wait_until("!document.querySelector('nightferry-dashboard')").await?;
    assert_eq!(complaints(&browser), [] as [String; 0]);
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// Dispatched changes are in IndexedDB once the component is gone, long before its debounce is over.
#[tokio::test(flavor = "multi_thread")]
async fn unmounting_flushes() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    // Before there is anything to flush, nothing fails.
    page.show(&["functions"]).await?;
    page.show(&[]).await?;
    page.register(json!({"debounceMs": 600_000, "maxWaitMs": 600_000, "syncToFlask": false})).await?;
    page.show(&["readers"]).await?;
    page.wait_until_seen("nothing", "value === 'function'").await?;
    page.tab.dispatch(&[add(1)]).await?;
    page.tab.wait_until("nf.getStatus().pending === 1").await?;
    assert_eq!(page.tab.stored("files").await?.len(), 0);
    page.show(&[]).await?;
    page.tab.wait_until("nf.getStatus().pending === 0").await?;
    assert_eq!(page.tab.stored("files").await?.len(), 1);
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// Errors are logged to the console, and leave no rejection that nobody handles.
#[tokio::test(flavor = "multi_thread")]
async fn functions_report_what_was_refused() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["functions"]).await?;
    page.tab.wait_until("app.persistence").await?;
    let said = async |part: &str| {
        page.tab.wait_until(&format!("said.some((line) => line.includes({}))", json!(part))).await
    };
    page.tab
        .eval::<()>(
            "window.said = []; const { error } = console;
             console.error = (...what) => { said.push(what.join(' ')); error(...what); };
             app.persistence.enable('files'); app.persistence.syncNow();",
        )
        .await?;
    said("Nightferry (not_registered): configure: call register() first, with the slices.").await?;
    page.register(json!({})).await?;
    page.tab
        .eval::<()>("app.persistence.configure('files', {debounceMs: -1}); app.persistence.configureAutoSync({intervalMs: 5});")
        .await?;
    said("slices.files.debounceMs is -1").await?;
    said("autoSync.intervalMs is 5").await?;
    page.tab.eval::<()>("app.persistence.configure('files', {debounceMs: 20});").await?;
    page.tab.eval::<()>("app.persistence.disable('files');").await?;
    page.tab.wait_until("!nf.getStatus().enabled").await?;
    page.tab.eval::<()>("app.persistence.enable('files');").await?;
    page.tab.wait_until("nf.getStatus().enabled").await?;
    server.stop()?;
    page.tab.dispatch(&[add(1)]).await?;
    // A click handler that only names it.
    page.tab.eval::<()>("void app.persistence.syncNow();").await?;
    said("Nightferry (unreachable)").await?;
    let caught = "return app.persistence.syncNow().then(() => 'sent', (error) => error.code);";
    assert_eq!(page.tab.eval::<String>(caught).await?, "unreachable", "who awaits it hears it, too");
    assert_eq!(page.tab.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

const FAILURES: &str =
    "[...document.querySelectorAll('[role=alert] .nightferry-toast p')].map((toast) => toast.textContent)";
const OVER: &str = "document.querySelector('[role=status] .nightferry-toast p')?.textContent";

/// A refused change, an action that nothing knows, and a server that went away.
#[tokio::test(flavor = "multi_thread")]
async fn toasts_tell_of_failures() -> Result<()> {
    let (server, browser, tab) = start().await?;
    let page = ReactPage::open(tab, &server).await?;
    page.show(&["toasts"]).await?;
    page.register(json!({"debounceMs": 20})).await?;
    page.tab.wait_until("nf.getStatus().connection === 'online'").await?;
    assert_eq!(page.tab.eval::<Vec<String>>(&format!("return {FAILURES};")).await?, [] as [String; 0]);

    // An action that is none.
    page.tab.dispatch(&[json!({"type": "files/updateItem", "payload": {"name": "no id"}})]).await?;
    page.tab.wait_until(&format!("{FAILURES}.length === 1")).await?;
    page.tab.dispatch(&[json!({"type": "files/updateItem", "payload": {"name": "no id"}})]).await?;
    page.tab
        .wait_until("document.querySelector('.nightferry-toast small')?.textContent === '2 times'")
        .await?;
    page.tab.click(".nightferry-toast button").await?;
    page.tab.wait_until("!document.querySelector('.nightferry-toast')").await?;

    // The session is over, then somebody signs in. The words are for users; the console has the developer's.
    server.fault(&[Fault::on("/nightferry/").status(401)])?;
    page.tab.dispatch(&[add(1)]).await?;
    page.tab
        .wait_until(&format!("{FAILURES}.some((text) => text === 'Paused. 1 change is kept on this device. Sign in again, and sending goes on.')"))
        .await?;
    assert!(browser.console().iter().any(|line| line.contains("Nightferry (unauthenticated)")));
    // The keyboard dismisses as well, and what was dismissed does not come back.
    page.tab.eval::<()>("document.querySelector('.nightferry-toast button').focus();").await?;
    page.tab.press("Escape").await?;
    page.tab.wait_until(&format!("{FAILURES}.length === 0")).await?;
    page.tab.dispatch(&[add(2)]).await?;
    page.tab.wait_until("nf.getStatus().pending === 2").await?;
    page.tab.eval::<()>("await nf.syncNow().catch(() => {});").await?;
    assert_eq!(page.tab.eval::<usize>(&format!("return {FAILURES}.length;")).await?, 0);
    server.fault(&[])?;
    page.tab.eval::<()>("await nf.syncNow();").await?;
    page.tab.wait_until("nf.getStatus().error === null").await?;
    server.fault(&[Fault::on("/nightferry/").status(401)])?;
    page.tab.eval::<()>("await nf.syncFromFlaskBulk().catch(() => {});").await?;
    page.tab.wait_until(&format!("{FAILURES}.length === 1")).await?;
    server.fault(&[])?;
    page.tab.eval::<()>("await nf.syncNow();").await?;
    page.tab.wait_until(&format!("{FAILURES}.length === 0 && {OVER} === 'Sending goes on.'")).await?;

    // A refused change is called by its name.
    let refused =
        json!({"type": "files/updateItem", "payload": {"id": 1, "name": "forbidden", "title": "Lunch"}});
    page.tab.dispatch(&[refused]).await?;
    let words =
        "“files: Lunch”: the server refused your change. No file may have that name. Your version is kept.";
    page.tab.wait_until(&format!("{FAILURES}.includes({})", json!(words))).await?;
    page.tab.click(".nightferry-toast button").await?;

    // That the server is gone is nothing to act on: changes are saved on this device, and go by themselves.
    server.stop()?;
    page.tab.dispatch(&[add(3)]).await?;
    page.tab.eval::<()>("await nf.checkFlaskConnection(); await nf.syncNow().catch(() => {});").await?;
    page.tab.wait_until("nf.getStatus().connection === 'local-only'").await?;
    page.tab.wait_until("!document.querySelector('.nightferry-toast')").await?;

    // More than fit: the latest, and how many there were before.
    for id in ["a", "b", "c", "d", "e"] {
        page.tab.dispatch(&[json!({"type": "files/updateItem", "payload": {"id": id, "x": 1}})]).await?;
    }
    page.tab
        .wait_until(
            "document.querySelector('.nightferry-toasts-rest')?.textContent.includes('and 2 earlier')",
        )
        .await?;
    page.tab.click(".nightferry-toasts-rest button").await?;
    page.tab.wait_until("!document.querySelector('.nightferry-toast')").await?;
    assert_eq!(complaints(&browser), [] as [String; 0]);
    Ok(())
}
