//! `nightferry/redux` in a real browser: a Redux Toolkit store whose action names follow no rule, in one tab and in two.

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, DEADLINE, Fault, Profile, Server, Tab, bundle, eventually, start};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn open(tab: &Tab, server: &Server) -> Result<()> {
    bundle("redux.js")?;
    tab.goto(&server.url("/__test__/bundled/redux/")).await?;
    tab.wait_until("window.app").await?;
    tab.eval("await app.ready;").await
}

async fn act(tab: &Tab, name: &str, payload: Value) -> Result<()> {
    tab.eval_with(&(name, payload), "app.act(...input);").await
}

async fn state(tab: &Tab) -> Result<Value> {
    tab.eval("return app.state();").await
}

/// Waits until both tabs show the same, and the server has just that.
async fn settled(tabs: &[&Tab], server: &Server) -> Result<Value> {
    for tab in tabs {
        tab.eval::<()>("await app.nf.flushPersistence(); await app.nf.syncNow();").await?;
    }
    let mut seen = Value::Null;
    let waited = eventually("tabs and server to be equal", DEADLINE, async || {
        let first = state(tabs[0]).await?;
        let mut others = Vec::new();
        for tab in &tabs[1..] {
            others.push(state(tab).await?);
        }
        let [files, notes] = [server.items("files").await?, server.items("notes").await?];
        let stored = tabs[0].stored("files").await?;
        let equal = others.iter().all(|other| *other == first)
            && json!(files) == first["files"]
            && json!(notes) == first["notes"]
            && json!(stored) == first["files"];
        seen = json!({"tab": first, "others": others, "server": [files, notes], "stored": stored});
        Ok(equal.then_some(first))
    });
    waited.await.with_context(|| format!("{seen:#}"))
}

/// f01: Redux Toolkit's counter and entity adapter, kept and read again without a word in a reducer.
#[tokio::test(flavor = "multi_thread")]
async fn f01_any_reducers_changes_are_kept_and_read_again() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    open(&tab, &server).await?;
    act(&tab, "arrived", json!({"id": 7, "name": "seven", "tags": ["a"]})).await?;
    act(&tab, "written", json!({"id": "n", "text": "note"})).await?;
    for _ in 0..3 {
        act(&tab, "incremented", Value::Null).await?;
    }
    settled(&[&tab], &server).await?;
    server.wait_for_items("counter", |items| items.get("value") == Some(&json!({"value": 3}))).await?;

    // One field is sent as one field: what the reducer left alone is not in the message.
    act(&tab, "changed", json!({"id": 7, "changes": {"name": "VII"}})).await?;
    let before = settled(&[&tab], &server).await?;
    assert_eq!(before["files"], json!({"7": {"id": 7, "name": "VII", "tags": ["a"]}}));

    // With the server gone, and in a new browser.
    server.stop()?;
    act(&tab, "left", json!(7)).await?;
    act(&tab, "arrived", json!({"id": 8, "name": "eight"})).await?;
    tab.eval::<()>("await app.nf.flushPersistence();").await?;
    server.start_again().await?;
    browser.close().await?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    open(&tab, &server).await?;
    let after = settled(&[&tab], &server).await?;
    assert_eq!(after["files"], json!({"8": {"id": 8, "name": "eight"}}));
    assert_eq!((&after["notes"], &after["counter"]), (&before["notes"], &json!({"value": 3})));
    let mirrored: bool = tab.eval("return app.store.getState().sync.status.flaskConnected;").await?;
    assert!(mirrored, "syncReducer has the status");
    let thunk: Option<Value> = tab.eval("return await app.store.dispatch(app.actions.syncNow());").await?;
    assert_eq!(thunk, None);
    server.check_nothing_applied_twice()
}

/// f22: different items, and different fields of one item, in two tabs at once.
#[tokio::test(flavor = "multi_thread")]
async fn f22_two_tabs_end_equal_without_an_echo() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let one = browser.tab();
    open(&one, &server).await?;
    let two = browser.new_tab().await?;
    open(&two, &server).await?;
    act(&one, "arrived", json!({"id": 1, "name": "a", "open": false})).await?;
    settled(&[&one, &two], &server).await?;
    let posted = async || -> Result<(u64, u64)> {
        Ok((one.eval("return app.posted();").await?, two.eval("return app.posted();").await?))
    };
    let before = posted().await?;
    let both = async |first: (&str, Value), second: (&str, Value)| -> Result<()> {
        let (one, two) = tokio::join!(act(&one, first.0, first.1), act(&two, second.0, second.1));
        one.and(two)
    };
    both(
        ("changed", json!({"id": 1, "changes": {"name": "A"}})),
        ("changed", json!({"id": 1, "changes": {"open": true}})),
    )
    .await?;
    both(("arrived", json!({"id": 2, "name": "b"})), ("written", json!({"id": "n", "text": "note"}))).await?;
    let end = settled(&[&one, &two], &server).await?;
    assert_eq!(end["files"], json!({"1": {"id": 1, "name": "A", "open": true}, "2": {"id": 2, "name": "b"}}));
    let after = posted().await?;
    assert!(after.0 - before.0 <= 2 && after.1 - before.1 <= 2, "an echo: {before:?}, then {after:?}");

    // A reset deletes nothing, and brings the stored items back; clearSlice deletes them in both tabs.
    act(&one, "startOver", Value::Null).await?;
    settled(&[&one, &two], &server).await?;
    assert_eq!(state(&one).await?["files"], end["files"]);
    act(&two, "clearSlice", json!("files")).await?;
    let end = settled(&[&one, &two], &server).await?;
    assert_eq!(end["files"], json!({}));
    Ok(())
}

/// f57: an item that has no id is not kept, and costs no other item anything.
#[tokio::test(flavor = "multi_thread")]
async fn f57_an_empty_id_changes_nothing_else() -> Result<()> {
    let (server, browser, tab) = start().await?;
    open(&tab, &server).await?;
    act(&tab, "written", json!({"id": "n", "text": "note"})).await?;
    act(&tab, "arrived", json!({"id": 1, "name": "a"})).await?;
    let before = settled(&[&tab], &server).await?;
    let named =
        async || Ok(browser.console().iter().any(|line| line.contains("has an empty id")).then_some(()));
    act(&tab, "written", json!({"id": "", "text": "nameless"})).await?;
    tab.eval::<()>("await app.nf.flushPersistence(); await app.nf.syncNow();").await?;
    eventually("it to be named in the console", DEADLINE, named).await?;
    assert_eq!(json!(server.items("notes").await?), before["notes"]);
    assert_eq!(json!(tab.stored("notes").await?), before["notes"]);
    act(&tab, "torn", json!("")).await?;
    act(&tab, "written", json!({"id": "m", "text": "another"})).await?;
    assert_eq!(tab.eval::<u64>("return app.clears();").await?, 0);
    let after = settled(&[&tab], &server).await?;
    assert_eq!(after["notes"], json!({"n": before["notes"]["n"], "m": {"id": "m", "text": "another"}}));
    assert_eq!(after["files"], before["files"]);
    Ok(())
}

/// The browser may remove the database of an origin that is open: the store has what was in it.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_eviction_the_stores_items_are_in_the_new_database() -> Result<()> {
    let (server, browser, tab) = start().await?;
    open(&tab, &server).await?;
    for (id, name) in [(1, "a"), (2, "b")] {
        act(&tab, "arrived", json!({"id": id, "name": name, "open": false})).await?;
    }
    act(&tab, "written", json!({"id": "n", "text": "note"})).await?;
    act(&tab, "incremented", Value::Null).await?;
    settled(&[&tab], &server).await?;
    browser.stop_all_workers().await?;
    tab.eval::<()>(
        "await new Promise((done, failed) => {
            const evicting = indexedDB.deleteDatabase('nightferry');
            evicting.onsuccess = done;
            evicting.onerror = () => failed(evicting.error);
        });",
    )
    .await?;
    act(&tab, "changed", json!({"id": 1, "changes": {"name": "A"}})).await?;
    let expected =
        json!({"1": {"id": 1, "name": "A", "open": false}, "2": {"id": 2, "name": "b", "open": false}});
    eventually("the items to be in the new database", DEADLINE, async || {
        let files = json!(tab.stored("files").await.unwrap_or_default());
        Ok((files == expected).then_some(()))
    })
    .await?;
    assert_eq!(state(&tab).await?["files"], expected);
    eventually("the others to be there", DEADLINE, async || {
        let [notes, counter] = [tab.stored("notes").await?, tab.stored("counter").await?];
        Ok((notes.len() == 1 && json!(counter) == json!({"value": {"value": 1}})).then_some(()))
    })
    .await
}

/// Before the slice was read, `clearSlice` deletes what is stored, though the page goes at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_was_not_read_is_cleared() -> Result<()> {
    let (server, _browser, tab) = start().await?;
    open(&tab, &server).await?;
    act(&tab, "arrived", json!({"id": 1, "name": "a"})).await?;
    settled(&[&tab], &server).await?;
    tab.goto(&server.url("/__test__/bundled/redux/?clear")).await?;
    tab.wait_until("window.app").await?;
    act(&tab, "arrived", json!({"id": 2, "name": "b"})).await?;
    tab.eval::<()>("await app.ready;").await?;
    assert_eq!(tab.eval::<u64>("return app.clears();").await?, 1);
    let end = settled(&[&tab], &server).await?;
    assert_eq!(end["files"], json!({"2": {"id": 2, "name": "b"}}));
    Ok(())
}

/// A tab that was frozen does not overwrite what it had not seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_was_frozen_overwrites_nothing_that_it_had_not_seen() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let frozen = browser.tab();
    open(&frozen, &server).await?;
    let other = browser.new_tab().await?;
    open(&other, &server).await?;
    act(&other, "arrived", json!({"id": 1, "name": "a", "open": false})).await?;
    settled(&[&frozen, &other], &server).await?;
    frozen.cdp("Page.enable", json!({})).await?;
    frozen.cdp("Page.setWebLifecycleState", json!({"state": "frozen"})).await?;
    act(&other, "changed", json!({"id": 1, "changes": {"name": "new"}})).await?;
    other.eval::<()>("await app.nf.flushPersistence();").await?;
    frozen.cdp("Page.setWebLifecycleState", json!({"state": "active"})).await?;
    act(&frozen, "changed", json!({"id": 1, "changes": {"open": true}})).await?;
    let end = settled(&[&frozen, &other], &server).await?;
    assert_eq!(end["files"], json!({"1": {"id": 1, "name": "new", "open": true}}));
    Ok(())
}

/// Random edits in two tabs, with reloads; the worker is killed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn random_lives_in_two_tabs_end_equal() -> Result<()> {
    const RUNS: u64 = 10;
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tabs = [browser.tab(), browser.new_tab().await?];
    for run in 0..RUNS {
        let mut random = run + 1;
        let mut pick = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        for tab in &tabs {
            open(tab, &server).await?;
        }
        for step in 0..40 {
            let tab = &tabs[pick(2) as usize];
            let (id, field) = (pick(5), format!("f{}", pick(3)));
            match pick(20) {
                0..6 => act(tab, "changed", json!({"id": id, "changes": {field: step}})).await?,
                6..9 => act(tab, "arrived", json!({"id": id, "f0": step})).await?,
                9..11 => act(tab, "left", json!(id)).await?,
                11..14 => act(tab, "written", json!({"id": id, "run": run, "step": step})).await?,
                14 => act(tab, "torn", json!(id)).await?,
                15..17 => act(tab, "incremented", Value::Null).await?,
                17 => {
                    browser.stop_all_workers().await?;
                }
                18 => open(tab, &server).await?,
                _ => {
                    // Edited while it is read.
                    tab.goto(&server.url("/__test__/bundled/redux/")).await?;
                    tab.wait_until("window.app").await?;
                    act(tab, "arrived", json!({"id": id, "early": step})).await?;
                    tab.eval::<()>("await app.ready;").await?;
                }
            }
        }
        settled(&[&tabs[0], &tabs[1]], &server).await?;
    }
    server.check_nothing_applied_twice()
}

/// The page that retries a refusal did not make the value: its own store shows it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn f66_a_refused_edit_is_undone_in_two_stores_and_the_newer_edit_behind_it_stays() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let (first, second) = (browser.tab(), browser.new_tab().await?);
    open(&first, &server).await?;
    open(&second, &server).await?;
    act(&first, "arrived", json!({"id": 1, "name": "fine", "text": "a"})).await?;
    settled(&[&first, &second], &server).await?;

    // The refusal is under way while the other tab edits another field.
    server.fault(&[Fault::on("/nightferry/push").times(1).late(1.5)])?;
    act(&first, "changed", json!({"id": 1, "changes": {"name": "forbidden"}})).await?;
    eventually("the push with the change", DEADLINE, async || {
        let pushes = server.requests("/nightferry/push")?;
        Ok(pushes.iter().any(|push| push.body.to_string().contains("forbidden")).then_some(()))
    })
    .await?;
    act(&second, "changed", json!({"id": 1, "changes": {"text": "b"}})).await?;
    let after = settled(&[&first, &second], &server).await?;
    assert_eq!(after["files"], json!({"1": {"id": 1, "name": "fine", "text": "b"}}));

    let rejected: Vec<Value> = second.eval("return app.nf.getRejected();").await?;
    let shown: Vec<&Value> = rejected.iter().map(|one| &one["value"]).collect();
    assert_eq!(shown, [&json!({"id": 1, "name": "forbidden", "text": "a"})]);
    let retry = json!([rejected[0]["id"], {"id": 1, "name": "mended", "text": "a"}]);
    second.eval_with::<()>(&retry, "await app.store.dispatch(app.actions.retryRejected(...input));").await?;
    let mended = settled(&[&second, &first], &server).await?;
    assert_eq!(mended["files"], json!({"1": {"id": 1, "name": "mended", "text": "b"}}));
    Ok(())
}

/// b15: the apps of `page/ts/redux/apps.test-support.ts`, each as it is in its tutorial but for a line: kept, synced, and shown in a second tab.
#[tokio::test(flavor = "multi_thread")]
async fn b15_an_app_of_a_tutorial_is_kept_synced_and_shown_in_a_second_tab() -> Result<()> {
    bundle("apps.js")?;
    let browser = Browser::start_fresh().await?;
    let (mut number, mut count) = (0, 1);
    while number < count {
        // Another server is another origin, with a database of its own.
        let server = Server::start().await?;
        let first = browser.new_tab().await?;
        let open = async |tab: &Tab| -> Result<()> {
            tab.goto(&server.url(&format!("/__test__/bundled/apps/?{number}"))).await?;
            tab.wait_until("window.app").await?;
            tab.eval("await app.ready;").await
        };
        let sees = async |tab: &Tab| tab.eval::<Value>("return app.sees();").await;
        let second = browser.new_tab().await?;
        open(&first).await?;
        open(&second).await?;
        let name: String = first.eval("return app.name;").await?;
        count = first.eval("return app.count;").await?;

        first.eval::<()>("app.act('first');").await?;
        let shown = sees(&first).await?;
        eventually(&format!("{name}: the second tab shows it"), DEADLINE, async || {
            Ok((sees(&second).await? == shown).then_some(()))
        })
        .await?;
        second.eval::<()>("app.act('second');").await?;
        let shown = sees(&second).await?;
        eventually(
            &format!("{name}: the first tab shows what the second has changed"),
            DEADLINE,
            async || Ok((sees(&first).await? == shown).then_some(())),
        )
        .await?;
        let kept: BTreeMap<String, Vec<String>> = first.eval("return app.kept;").await?;
        for (slice, ids) in kept {
            let all = |items: &BTreeMap<String, Value>| items.keys().eq(ids.iter());
            server.wait_for_items(&slice, all).await.with_context(|| format!("{name}: {slice}"))?;
        }
        first.reload().await?;
        open(&first).await?;
        assert_eq!(sees(&first).await?, shown, "{name}, after a reload");
        first.close().await?;
        second.close().await?;
        number += 1;
    }
    assert!(number >= 7, "all apps were opened");
    Ok(())
}
