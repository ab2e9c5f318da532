//! The predecessor's faults that only a real browser shows. Each test bears the fault's id.

use std::collections::BTreeMap;

use anyhow::Result;
use nightferry_e2e::{DEADLINE, Fault, eventually, open_client, start};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn f06_a_silent_server_does_not_block_a_flush() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/").silent()])?;
    let item = |id: &str, text: &str| json!({"type": "files/addItem", "payload": {"id": id, "text": text}});
    tab.dispatch(&[item("a", "one")]).await?;
    tab.flush().await?;
    server.wait_for_requests("/nightferry/push", |pushes| pushes.len() == 1).await?;
    // One behind what is in flight, and another item.
    tab.dispatch(&[item("a", "two"), item("b", "one")]).await?;
    tab.flush().await?;

    let pushes = server.requests("/nightferry/push")?;
    assert!(pushes.len() == 1 && pushes[0].status.is_none(), "the request is still open: {pushes:#?}");
    let stored = tab.stored("files").await?;
    assert_eq!(json!(stored), json!({"a": {"id": "a", "text": "two"}, "b": {"id": "b", "text": "one"}}));
    // Every request has a timeout; then the state is told, and a later attempt is made by itself.
    tab.wait_until("nf.getStatus().error?.includes('no answer in time')").await?;
    server.heal()?;
    server.wait_for_items("files", |files| *files == stored).await?;
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_any_id_end_to_end() -> Result<()> {
    let (server, browser, tab) = open_client(json!({})).await?;
    let long = "\u{e9}".repeat(500);
    let texts = [
        "a:b",
        "a/b",
        "a?b=c&d",
        "a#b",
        "100%",
        "%2F",
        "%00",
        "a b",
        " ",
        "  ",
        "a\tb\nc",
        "a\u{0}b",
        "..",
        "../x",
        ".",
        "a\\b",
        "\"quoted\"",
        "'",
        "<b>",
        "{}",
        "[]",
        "null",
        "undefined",
        "true",
        "NaN",
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "\u{e4}",
        "a\u{308}",
        "\u{65e5}\u{672c}",
        "\u{1f6a2}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{200b}",
        "\u{feff}",
        "\u{2028}",
        "\u{202e}",
        "a",
        "A",
        "00",
        "1e3",
        "+1",
        "-",
        long.as_str(),
    ];
    // As JavaScript writes them, with what String() makes of each.
    let numbers = [
        ("0", "0"),
        ("7", "7"),
        ("-7.5", "-7.5"),
        ("1e-7", "1e-7"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("Number.MAX_SAFE_INTEGER", "9007199254740991"),
    ];
    let mut expected: BTreeMap<String, Value> =
        texts.iter().map(|id| (id.to_string(), json!({"id": id, "text": format!("of {id}")}))).collect();
    tab.eval_with::<()>(
        &texts.as_slice(),
        "for (const id of input) nf.dispatch({type: 'files/addItem', payload: {id, text: 'draft'}});
         await nf.flushPersistence();
         for (const id of input) nf.dispatch({type: 'files/updateItem', payload: {id, text: `of ${id}`}});",
    )
    .await?;
    for (number, id) in numbers {
        tab.eval::<()>(&format!(
            "nf.dispatch({{type: 'files/addItem', payload: {{id: {number}, number: true}}}});"
        ))
        .await?;
        let own: Value = tab.eval(&format!("return {number};")).await?;
        assert!(
            expected.insert(id.into(), json!({"id": own, "number": true})).is_none(),
            "{id} is there twice"
        );
    }
    tab.eval::<()>("await nf.syncNow();").await?;
    assert_eq!(tab.stored("files").await?, expected);
    assert_eq!(server.items("files").await?, expected);
    let hydrated: Vec<(String, Value)> =
        tab.eval("return (await nf.hydrate('files')).map(({id, value}) => [id, value]);").await?;
    assert_eq!(hydrated.into_iter().collect::<BTreeMap<_, _>>(), expected);

    // "0", 0 and -0 are one item, whose last writer's own field stays as it is.
    tab.eval::<()>(
        "nf.dispatch({type: 'files/addItem', payload: {id: '0', by: 'text'}});
         nf.dispatch({type: 'files/updateItem', payload: {id: 0, and: 'number'}});
         nf.dispatch({type: 'files/updateItem', payload: {id: -0, also: 'minus zero'}});
         await nf.syncNow();",
    )
    .await?;
    expected.insert("0".into(), json!({"id": "0", "by": "text", "and": "number", "also": "minus zero"}));
    assert_eq!(tab.stored("files").await?, expected);
    assert_eq!(server.items("files").await?, expected);

    // Deleted by the id, or by what has it; nothing else goes.
    tab.eval::<()>(
        "nf.dispatch({type: 'files/removeItem', payload: 'a:b'});
         nf.dispatch({type: 'files/removeItem', payload: {id: 'a/b'}});
         nf.dispatch({type: 'files/removeItem', payload: 0});
         nf.dispatch({type: 'files/removeItem', payload: '__proto__'});
         await nf.syncNow();",
    )
    .await?;
    for id in ["a:b", "a/b", "0", "__proto__"] {
        expected.remove(id);
    }
    assert_eq!(tab.stored("files").await?, expected);
    assert_eq!(server.items("files").await?, expected);
    assert_eq!(browser.console(), Vec::<String>::new());
    server.check_nothing_applied_twice()
}

/// Counts what a page does on its own thread.
const COUNT: &str = "
    window.did = {};
    const count = (name) => (did[name] = (did[name] ?? 0) + 1);
    const wrap = (object, method, name = method) => {
        const original = object[method];
        object[method] = function (...args) { count(name); return original.apply(this, args); };
    };
    wrap(window, 'fetch');
    wrap(XMLHttpRequest.prototype, 'send', 'xhr');
    wrap(navigator, 'sendBeacon');
    wrap(IDBFactory.prototype, 'open', 'indexedDB');
    wrap(Storage.prototype, 'setItem', 'storage');
    wrap(CacheStorage.prototype, 'open', 'caches');
    wrap(window, 'setTimeout');
    wrap(window, 'setInterval');
    wrap(window, 'requestIdleCallback');
    wrap(window, 'requestAnimationFrame');
    wrap(BroadcastChannel.prototype, 'postMessage', 'broadcast');
    window.posted = [];
    const post = ServiceWorker.prototype.postMessage;
    ServiceWorker.prototype.postMessage = function (message) { posted.push(message); return post.apply(this, arguments); };
";

#[tokio::test(flavor = "multi_thread")]
async fn f37_the_page_only_posts() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    tab.before_scripts(COUNT).await?;
    tab.open_client(&server, json!({})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;

    for round in 0..3 {
        let did: Value = tab
            .eval_with(
                &round,
                "did = {}; posted.length = 0;
                 for (let i = 0; i < 1000; i += 1) nf.dispatch({type: 'files/addItem', payload: {id: i, round: input, text: 'x'.repeat(200)}});
                 const atOnce = {...did, posted: posted.length};
                 const turn = () => new Promise((done) => {
                     const {port1, port2} = new MessageChannel();
                     port1.onmessage = done;
                     port2.postMessage(0);
                 });
                 while (posted.length === 0) await turn();
                 return {atOnce, after: {...did, posted: posted.length}, actions: posted.map((text) => JSON.parse(text).actions?.length)};",
            )
            .await?;
        let at_once = did["atOnce"]
            .as_object()
            .map_or(0, |did| did.keys().filter(|kind| *kind != "setTimeout").count());
        assert_eq!(
            (&did["atOnce"]["posted"], at_once),
            (&json!(0), 1),
            "dispatch itself does nothing but gather"
        );
        assert_eq!(did["actions"], json!([500, 500]), "a message for every 500 actions");
        // Timers are for the page's sake: to gather bursts, and to send again should the worker not answer.
        assert_eq!(did["after"]["posted"], 2);
        let timers = did["after"].get("setTimeout").and_then(Value::as_u64).unwrap_or(0);
        assert!(timers <= 2, "{did}");
        let kinds =
            did["after"].as_object().map_or(0, |did| did.keys().filter(|kind| *kind != "setTimeout").count());
        assert_eq!(kinds, 1, "{did}");
    }
    tab.eval::<()>("await nf.syncNow();").await?;
    let during: Value = tab.eval("return did;").await?;
    for work in ["fetch", "xhr", "sendBeacon", "indexedDB", "storage", "caches", "setInterval", "broadcast"] {
        assert_eq!(during.get(work), None, "the page's {work}: {during}");
    }
    let pushes = server.requests("/nightferry/push")?;
    assert!(pushes.len() <= 8, "{} pushes for 3 bursts of 1,000", pushes.len());
    assert_eq!(server.items("files").await?.len(), 1000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f44_the_worker_never_answers_or_caches_an_api_request() -> Result<()> {
    let (server, browser, tab) = open_client(json!({})).await?;
    // Errors, captive portals and successes go by.
    server.fault(&[
        Fault::on("/nightferry/push").times(1).html(),
        Fault::on("/nightferry/push").times(1).status(503),
    ])?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "a"}})]).await?;
    // Somebody asks until it works: what is no answer of Nightferry's is waited for long.
    tab.wait_until("await nf.syncNow().then(() => true, () => false)").await?;
    assert!(server.items("files").await?.contains_key("a"));

    let cached: Vec<String> = tab
        .eval(
            "const urls = [];
             for (const name of await caches.keys()) for (const {url} of await (await caches.open(name)).keys()) urls.push(url);
             return urls;",
        )
        .await?;
    let wasm = server.url("/nightferry/sw.wasm?build=");
    assert!(cached.len() == 1 && cached[0].starts_with(&wasm), "Cache Storage holds {cached:?}");

    // A page within the worker's own scope: there the worker could answer, if it did.
    let inside = browser.new_tab().await?;
    inside.goto(&server.url("/nightferry/health")).await?;
    inside.wait_until("navigator.serviceWorker.controller?.scriptURL.includes('/nightferry/sw.js')").await?;
    let before = server.requests("/nightferry/health")?.len();
    for asked in 1..=3 {
        let status: u16 = inside.eval("return (await fetch('/nightferry/health')).status;").await?;
        assert_eq!(status, 200);
        assert_eq!(
            server.requests("/nightferry/health")?.len(),
            before + asked,
            "each one is asked of the server"
        );
    }
    server.fault(&[Fault::on("/nightferry/health").times(1).status(500)])?;
    let statuses: (u16, u16) = inside
        .eval("return [(await fetch('/nightferry/health')).status, (await fetch('/nightferry/health')).status];")
        .await?;
    assert_eq!(statuses, (500, 200), "an error is not kept");
    server.stop()?;
    let failed = inside.eval::<u16>("return (await fetch('/nightferry/health')).status;").await;
    assert!(failed.is_err(), "without a server there is no answer: {failed:?}");

    let worker = browser.worker("/nightferry/sw.js").await?;
    let params = json!({"expression": "Object.keys(getEventListeners(self)).sort().join()", "includeCommandLineAPI": true});
    let listeners = worker.cdp("Runtime.evaluate", params).await?;
    assert_eq!(listeners["result"]["value"], "activate,install,message,periodicsync,sync", "{listeners}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f36_a_busy_item_does_not_hold_up_a_quiet_one() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 400, "maxWaitMs": 60_000})).await?;
    // One item never falls quiet.
    tab.eval::<()>(
        "let n = 0; window.busy = setInterval(() => nf.dispatch({type: 'files/addItem', payload: {id: 'busy', n: (n += 1)}}), 20);
         nf.dispatch({type: 'files/addItem', payload: {id: 'quiet'}});",
    )
    .await?;
    let quiet = async || Ok(server.items("files").await?.contains_key("quiet").then_some(()));
    eventually("the quiet item to arrive", DEADLINE, quiet).await?;
    assert!(!server.items("files").await?.contains_key("busy"), "the busy one is not drained with it");
    tab.eval::<()>("clearInterval(busy);").await?;
    server.wait_for_items("files", |files| files.contains_key("busy")).await?;
    assert_eq!(
        server.applied()?.iter().filter(|change| change.id == "busy").count(),
        1,
        "its edits are one change"
    );
    Ok(())
}
