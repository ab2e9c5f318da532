//! Invalid input is named where the developer looks, and costs nothing else.

use anyhow::Result;
use nightferry_e2e::{
    Browser, Client, DEADLINE, Fault, eventually, open_client, open_client_for, start, start_for,
    with_each_client,
};
use serde_json::{Value, json};

with_each_client! {
    what_the_worker_cannot_take_is_said_in_the_page_that_sent_it
    calls_that_come_too_early_or_twice
}

/// Waits for a line of the consoles that has all these words.
async fn said(browser: &Browser, words: &[&str]) -> Result<String> {
    eventually(&format!("the console to say {words:?}"), DEADLINE, async || {
        Ok(browser.console().into_iter().find(|line| words.iter().all(|word| line.contains(word))))
    })
    .await
    .map_err(|error| error.context(format!("the consoles say {:#?}", browser.console())))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_thrown_where_it_is_dispatched() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({})).await?;
    // An action, and what the message has to name. `good` goes before and after each, in the same burst.
    let item = |field: &str| {
        format!("{{type: 'files/addItem', payload: {{id: 'bad', deep: [0, {{field: {field}}}]}}}}")
    };
    let path = "payload.deep[1].field";
    let mut cases: Vec<(String, &str)> = vec![
        ("{payload: {id: 'bad'}}".into(), "type"),
        ("{type: '', payload: {id: 'bad'}}".into(), "type"),
        ("{type: 7, payload: {id: 'bad'}}".into(), "type"),
        ("null".into(), "action"),
        ("'files/addItem'".into(), "action"),
        ("{type: 'files/addItem', payload: () => 1}".into(), "payload"),
        ("(() => { const circle = {id: 'bad', inner: []}; circle.inner.push({back: circle});
            return {type: 'files/addItem', payload: circle}; })()".into(), "payload.inner[0].back"),
        ("{type: 'files/addItem', payload: JSON.parse('{\"id\": \"bad\", \"__proto__\": 1}')}".into(), "__proto__"),
        ("{type: 'files/addItem', payload: {id: 'bad', deep: (() => { let v = 0; for (let i = 0; i < 101; i += 1) v = [v]; return v; })()}}".into(), "nested deeper"),
        ("{type: 'files/addItem', payload: {id: 'bad', text: 'x'.repeat(4 * 1024 * 1024)}}".into(), "payload"),
        ("{type: 'files/addItems', payload: [{id: 'bad'}, {id: 'bad', when: new Date()}]}".into(), "payload[1].when"),
    ];
    for value in [
        "NaN",
        "Infinity",
        "-Infinity",
        "2 ** 53",
        "-(2 ** 53)",
        "new Date()",
        "new Map()",
        "new Set()",
        "7n",
        "() => 1",
        "Symbol('s')",
        "new (class Ship {})()",
        "/x/",
        "new Uint8Array(2)",
        "new Error('e')",
        "new Proxy(new Map(), {})",
        "document.body",
    ] {
        cases.push((item(value), path));
    }
    for (n, (action, names)) in cases.iter().enumerate() {
        let thrown: Value = tab
            .eval(&format!(
                "nf.dispatch({{type: 'files/addItem', payload: {{id: 'before {n}'}}}});
                 try {{ nf.dispatch({action}); return null; }}
                 catch (error) {{ return {{type: error instanceof TypeError, message: error.message}}; }}
                 finally {{ nf.dispatch({{type: 'files/addItem', payload: {{id: 'after {n}'}}}}); }}"
            ))
            .await?;
        assert_eq!(thrown["type"], true, "{action}: {thrown}");
        assert!(
            thrown["message"].as_str().is_some_and(|message| message.contains(names)),
            "{action}: {thrown}"
        );
    }
    tab.eval::<()>("await nf.syncNow();").await?;
    let files = server.items("files").await?;
    let expected: Vec<String> =
        (0..cases.len()).flat_map(|n| [format!("before {n}"), format!("after {n}")]).collect();
    assert!(expected.iter().all(|id| files.contains_key(id)), "nothing else is lost");
    assert_eq!(files.len(), expected.len(), "and nothing of a refused action is kept");
    assert_eq!(tab.stored("files").await?, files);
    Ok(())
}

async fn what_the_worker_cannot_take_is_said_in_the_page_that_sent_it(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({})).await?;
    let bad = [
        (json!({"type": "files/addItem", "payload": {"name": "no id"}}), ["missing_id", "files/addItem"]),
        (json!({"type": "files/addItem", "payload": {"id": null}}), ["missing_id", "files/addItem"]),
        (json!({"type": "files/addItem", "payload": {"id": ""}}), ["bad_id", "1 to 1,000"]),
        (json!({"type": "files/addItem", "payload": {"id": "x".repeat(1001)}}), ["bad_id", "1001 bytes"]),
        (json!({"type": "files/removeItem", "payload": {}}), ["missing_id", "files/removeItem"]),
        (json!({"type": "ghosts/addItem", "payload": {"id": "g"}}), ["unknown_slice", "ghosts"]),
        (json!({"type": "addItem", "payload": {"id": "g"}}), ["bad_action", "slice/verb"]),
        (json!({"type": "files/frobnicate", "payload": {"id": "g"}}), ["unknown_action", "files/frobnicate"]),
        (json!({"type": "files/addItem"}), ["bad_action", "no payload"]),
        (json!({"type": "files/addItems", "payload": {"id": "g"}}), ["bad_action", "array"]),
        (
            json!({"type": "files/updateItem", "payload": {"id": "nobody", "x": 1}}),
            ["missing_item", "nobody"],
        ),
    ];
    let mut burst = vec![json!({"type": "files/addItem", "payload": {"id": "first"}})];
    burst.extend(bad.iter().map(|(action, _)| action.clone()));
    // Of several items, the good ones are kept.
    burst.push(json!({"type": "files/addItems", "payload": [{"id": "of many"}, {"name": "no id"}, {"id": "of many, too"}]}));
    burst.push(json!({"type": "files/addItem", "payload": {"id": "last"}}));
    tab.dispatch(&burst).await?;
    for (_, words) in &bad {
        let line = said(&browser, &[&["error: Nightferry"], words.as_slice()].concat()).await?;
        assert!(line.len() < 600, "a sentence, not the data: {line}");
    }
    tab.eval::<()>("await nf.syncNow();").await?;
    let files = server.items("files").await?;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["first", "last", "of many", "of many, too"]);

    let refused = tab.eval::<()>("await nf.hydrate('ghosts');").await.unwrap_err();
    assert!(format!("{refused:#}").contains("ghosts"), "{refused:#}");
    let code: String =
        tab.eval("try { await nf.hydrate('ghosts'); } catch (error) { return error.code; }").await?;
    assert_eq!(code, "unknown_slice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_version_or_of_none() -> Result<()> {
    let (server, browser, tab) = start().await?;
    // The page's own name is in the name of its channel.
    tab.before_scripts(
        "const Channel = BroadcastChannel;
         window.BroadcastChannel = class extends Channel { constructor(name) { super(name); (window.channels ??= []).push(name); } };
         window.mine = async (message) => {
             const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
             const page = channels.map((name) => name.split(':')[2]).find(Boolean);
             registration.active.postMessage(typeof message === 'function' ? message(page) : message);
         };",
    )
    .await?;
    tab.open_client(&server, json!({})).await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "before"}})]).await?;

    tab.eval::<()>(
        "await mine((page) => JSON.stringify({v: 99, kind: 'actions', page, n: 1, actions: []}));",
    )
    .await?;
    said(&browser, &["error: Nightferry (bridge_version)", "99", "Reload"]).await?;
    for rubbish in [
        "'not json'",
        "''",
        "null",
        "7",
        "new Map([[1, 2]])",
        "new ArrayBuffer(8)",
        "{v: 1, kind: 'flush'}",
        "'[1, 2'",
        "JSON.stringify({v: 1})",
        "(page) => JSON.stringify({v: 1, kind: 'from the future', page})",
        "(page) => JSON.stringify({v: 1, kind: 'actions', page, epoch: 'x', n: 'one', actions: 7})",
    ] {
        let before = browser.console().len();
        tab.eval::<()>(&format!("await mine({rubbish});")).await?;
        let changed = async || {
            let lines = browser.console();
            Ok(lines[before..]
                .iter()
                .any(|line| line.contains("error: Nightferry (bad_message)"))
                .then_some(()))
        };
        eventually(&format!("{rubbish} to be refused"), DEADLINE, changed).await?;
    }
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "after"}})]).await?;
    tab.eval::<()>("await nf.syncNow();").await?;
    assert_eq!(server.items("files").await?.keys().collect::<Vec<_>>(), ["after", "before"]);
    let failed = browser.console().into_iter().find(|line| line.contains("worker failed"));
    assert_eq!(failed, None, "nothing of this costs the worker's instance");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_records() -> Result<()> {
    let (server, browser, tab) = start().await?;
    // Actions stay in the journal for as long as the page is there.
    let patient = json!({"debounceMs": 600_000, "maxWaitMs": 600_000});
    tab.open_client(&server, patient.clone()).await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "before"}})]).await?;
    eventually("the journal to have it", DEADLINE, async || {
        Ok((tab.stored("_journal").await?.len() == 1).then_some(()))
    })
    .await?;
    let position: u64 = tab.stored("_journal").await?.keys().next().map_or(Ok(0), |key| key.parse())?;
    // So that no page has anything to send again. As it goes, it has the worker commit: that must be over before rows are
    // written here, or a worker that is started by it reads some of them only.
    tab.goto(&server.url("/__test__/blank")).await?;
    eventually("the journal to be committed", DEADLINE, async || {
        Ok(tab.stored("_journal").await?.is_empty().then_some(()))
    })
    .await?;
    browser.stop_all_workers().await?;
    let rubbish = [
        "{rubbish: true}",
        "7",
        "{kind: 'from the future', at: 1, text: '[]'}",
        "{kind: 'burst', page: 'p', n: 1, at: 1, seen: 0, text: 'no burst'}",
        "{kind: 'burst', page: 'p', n: 2, at: 1, seen: 0, text: '[{\"type\": \"files/addItem\", \"payload\": {\"id\": \"half'}",
    ];
    for (at, row) in rubbish.iter().enumerate() {
        tab.write_row("_journal", &(position + 1 + at as u64).to_string(), row).await?;
    }
    let good = "{kind: 'burst', page: 'q', n: 1, at: 1, seen: 0, text: '[{\"type\": \"files/addItem\", \"payload\": {\"id\": \"behind\"}}]'}";
    tab.write_row("_journal", &(position + 1 + rubbish.len() as u64).to_string(), good).await?;

    tab.open_client(&server, patient).await?;
    said(&browser, &["unreadable_record", "_journal", "kept as"]).await?;
    tab.wait_until("nf.getStatus().error?.includes('cannot be read')").await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "after"}})]).await?;
    tab.eval::<()>("await nf.syncNow();").await?;
    let files = server.items("files").await?;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["after", "before", "behind"]);
    assert_eq!(tab.stored("files").await?, files);
    let meta = tab.stored("_meta").await?;
    let kept = meta.keys().filter(|key| key.starts_with("unreadable:")).count();
    assert_eq!(kept, rubbish.len(), "what cannot be read is kept for a person to look at: {meta:#?}");
    // And it is out of the way.
    tab.wait_for_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_html_answer_with_status_200() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({})).await?;
    for (path, id) in [("/nightferry/push", "a"), ("/nightferry/", "b")] {
        server.fault(&[Fault::on(path).html()])?;
        tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": id}})]).await?;
        tab.wait_until("nf.getStatus().error?.includes('text/html')").await?;
        let failed = tab.eval::<()>("await nf.syncNow();").await.unwrap_err();
        assert!(format!("{failed:#}").contains("text/html"), "{failed:#}");
        tab.wait_until("nf.getStatus().pending === 1 && nf.getStatus().connection === 'local-only'").await?;
        assert!(!server.items("files").await?.contains_key(id));
        server.heal()?;
        // By itself it would be tried again within a minute.
        tab.sync_now().await?;
        assert!(server.items("files").await?.contains_key(id), "it arrives once the answers are right");
        tab.wait_until("nf.getStatus().error === null && nf.getStatus().pending === 0").await?;
    }
    server.check_nothing_applied_twice()
}

async fn calls_that_come_too_early_or_twice(client: Client) -> Result<()> {
    let (server, _browser, tab) = start_for(client).await?;
    tab.load_client(&server).await?;
    let code = |call: &str| format!("try {{ await {call}; }} catch (error) {{ return error.code; }}");
    for call in
        ["nf.dispatch({type: 'files/addItem', payload: {id: 1}})", "nf.syncNow()", "nf.hydrate('files')"]
    {
        assert_eq!(tab.eval::<String>(&code(call)).await?, "not_registered", "{call}");
    }
    let bad = "nf.register({slices: {'no spaces': {}}})";
    assert_eq!(tab.eval::<String>(&code(bad)).await?, "bad_config");
    // A call that failed may be made again. Actions that are dispatched before it resolves are kept.
    tab.eval::<()>("const registered = nf.register({slices: {files: {}}}); nf.dispatch({type: 'files/addItem', payload: {id: 1}}); await registered;")
        .await?;
    let elsewhere = "nf.register({slices: {}, name: 'elsewhere'})";
    assert_eq!(tab.eval::<String>(&code(elsewhere)).await?, "bad_config");
    // Slices may be added, and one that is wrong takes nothing from the others.
    assert_eq!(tab.eval::<String>(&code(bad)).await?, "bad_config");
    tab.eval::<()>("nf.register({slices: {notes: {}}}); nf.dispatch({type: 'notes/addItem', payload: {id: 2}}); await nf.flushPersistence();")
        .await?;
    server.wait_for_items("notes", |notes| notes.contains_key("2")).await?;
    server.wait_for_items("files", |files| files.contains_key("1")).await.map(drop)
}
