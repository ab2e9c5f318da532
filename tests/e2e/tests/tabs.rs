//! Several tabs of one origin: one worker, one truth.

use anyhow::Result;
use nightferry_e2e::{
    Browser, Client, DEADLINE, Fault, Profile, Server, Tab, eventually, open_client_for, with_each_client,
};
use serde_json::{Value, json};

with_each_client! {
    two_tabs_one_worker_no_lost_edit
    a_hidden_tab_goes_on
    a_tab_closed_right_after_dispatch
    a_page_left_in_the_same_turn_as_dispatch
    a_tab_that_stood_still_while_the_worker_was_gone_hears_what_it_missed
}

async fn two_tabs(server: &Server, browser: &Browser) -> Result<(Tab, Tab)> {
    let (first, second) = (browser.tab(), browser.new_tab().await?);
    for tab in [&first, &second] {
        tab.open_client(server, json!({"debounceMs": 20})).await?;
        tab.eval::<()>("window.messages = []; nf.subscribe('files', (change) => messages.push(change));")
            .await?;
    }
    Ok((first, second))
}

/// Returns the changes that a tab received, newest last: by id, the value; null if it was deleted.
async fn changes_of(tab: &Tab) -> Result<Value> {
    tab.eval(
        "const changed = {};
         for (const {puts, deletes} of messages) {
             for (const {id, value} of puts) changed[id] = value;
             for (const id of deletes) changed[id] = null;
         }
         return changed;",
    )
    .await
}

async fn statuses_agree(tabs: &[&Tab]) -> Result<Value> {
    eventually("all tabs to show the same status, nothing pending", DEADLINE, async || {
        let mut statuses: Vec<Value> = Vec::new();
        for tab in tabs {
            statuses.push(tab.eval("return nf.getStatus();").await?);
        }
        let same = statuses.iter().all(|status| *status == statuses[0]);
        Ok((same && statuses[0]["pending"] == 0 && statuses[0]["connection"] == "online")
            .then(|| statuses[0].clone()))
    })
    .await
}

async fn two_tabs_one_worker_no_lost_edit(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let (first, second) = two_tabs(&server, &browser).await?;
    let workers = browser.running_workers().await?;
    assert_eq!(workers.iter().filter(|url| url.contains("/nightferry/sw.js")).count(), 1, "{workers:?}");

    let add = |id: &str| json!({"type": "files/addItem", "payload": {"id": id, "left": 0, "right": 0}});
    first.dispatch(&[add("shared")]).await?;
    second.wait_until("messages.some((change) => change.puts.some((put) => put.id === 'shared'))").await?;
    let origins: Vec<String> = second.eval("return messages.map((change) => change.origin);").await?;
    assert!(origins.iter().all(|origin| origin == "tab"), "{origins:?}");

    // Both at once: items of their own, and one field each of the same item.
    let edits = |own: &str, field: &str| {
        let mut actions = vec![add(own)];
        for n in 1..=50 {
            actions.push(json!({"type": "files/updateItem", "payload": {"id": own, "left": n}}));
            let mut fields = json!({"id": "shared"});
            fields[field] = json!(n);
            actions.push(json!({"type": "files/updateItem", "payload": fields}));
        }
        actions
    };
    let (of_first, of_second) = (edits("a", "left"), edits("b", "right"));
    let (one, other) = tokio::join!(first.dispatch(&of_first), second.dispatch(&of_second));
    one?;
    other?;
    first.flush().await?;
    second.eval::<()>("await nf.syncNow();").await?;

    let expected = json!({
        "a": {"id": "a", "left": 50, "right": 0},
        "b": {"id": "b", "left": 50, "right": 0},
        "shared": {"id": "shared", "left": 50, "right": 50},
    });
    assert_eq!(json!(server.items("files").await?), expected);
    assert_eq!(json!(first.stored("files").await?), expected);
    for tab in [&first, &second] {
        let rows: Vec<(String, Value)> =
            tab.eval("return (await nf.hydrate('files')).map(({id, value}) => [id, value]);").await?;
        assert_eq!(Value::Object(rows.into_iter().collect()), expected);
    }
    let messages = eventually("each tab to hear of the other's edits", DEADLINE, async || {
        let messages = (changes_of(&first).await?, changes_of(&second).await?);
        Ok((messages.0["b"] == expected["b"] && messages.1["a"] == expected["a"]).then_some(messages))
    });
    let (first_heard, second_heard) = messages.await?;
    assert!(first_heard.get("a").is_none(), "a tab is not told of its own edits: {first_heard}");
    assert!(second_heard.get("b").is_none(), "a tab is not told of its own edits: {second_heard}");

    second.dispatch(&[json!({"type": "files/removeItem", "payload": "a"})]).await?;
    first.wait_until("messages.some((change) => change.deletes.includes('a'))").await?;
    server.wait_for_items("files", |files| !files.contains_key("a")).await?;
    let status = statuses_agree(&[&first, &second]).await?;
    assert_eq!((&status["error"], &status["conflicts"]), (&Value::Null, &json!(0)));
    assert_eq!(first.rows_with("remote").await?.len(), 0);
    server.check_nothing_applied_twice()
}

async fn a_hidden_tab_goes_on(client: Client) -> Result<()> {
    let (server, browser, tab) = open_client_for(client, json!({})).await?;
    server.fault(&[Fault::on("/nightferry/push").times(2).status(503)])?;
    browser.new_tab().await?;
    tab.wait_until("document.visibilityState === 'hidden'").await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "a", "from": "a hidden tab"}})]).await?;
    let expected = json!({"a": {"id": "a", "from": "a hidden tab"}});
    server.wait_for_items("files", |files| json!(files) == expected).await?;
    statuses_agree(&[&tab]).await?;
    assert_eq!(tab.eval::<String>("return document.visibilityState;").await?, "hidden");
    Ok(())
}

async fn a_tab_closed_right_after_dispatch(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.new_tab().await?;
    tab.open_client(&server, json!({})).await?;
    // The end of the tab is asked for in the same breath: nothing is awaited in between.
    let add = [json!({"type": "files/addItem", "payload": {"id": "last", "text": "and gone"}})];
    let dispatching = tab.clone();
    let (_, closed) = tokio::join!(biased; dispatching.dispatch(&add), tab.close());
    closed?;
    let expected = json!({"last": {"id": "last", "text": "and gone"}});
    server.wait_for_items("files", |files| json!(files) == expected).await?;

    let again = browser.tab();
    again.open_client(&server, json!({})).await?;
    again.wait_for_stored("files", |files| json!(files) == expected).await?;
    server.check_nothing_applied_twice()
}

async fn a_page_left_in_the_same_turn_as_dispatch(client: Client) -> Result<()> {
    let (server, _browser, tab) = open_client_for(client, json!({})).await?;
    tab.eval::<()>(
        "for (let i = 0; i < 200; i += 1) nf.dispatch({type: 'files/addItem', payload: {id: i, text: 'x'.repeat(100)}});
         location.href = '/__test__/blank';",
    )
    .await?;
    tab.wait_until("document.title === 'blank'").await?;
    server.wait_for_items("files", |files| files.len() == 200).await?;
    Ok(())
}

/// A worker that was restarted tells only the pages that it knows: a page that could not answer it hears of everything once it can.
async fn a_tab_that_stood_still_while_the_worker_was_gone_hears_what_it_missed(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let (still, other) = two_tabs(&server, &browser).await?;
    let add = |id: u64| json!({"type": "files/addItem", "payload": {"id": id}});
    let remove = |id: u64| json!({"type": "files/removeItem", "payload": id});
    // One that it made, one that it was told of, and one that it read.
    other.dispatch(&[add(1)]).await?;
    other.flush().await?;
    still.eval::<()>("await nf.hydrate('files');").await?;
    still.dispatch(&[add(2)]).await?;
    other.dispatch(&[add(3)]).await?;
    for tab in [&still, &other] {
        tab.eval::<()>("await nf.syncNow();").await?;
    }
    still.wait_until("nf.getStatus().pending === 0").await?;
    still.halt(&server).await?;
    browser.stop_all_workers().await?;
    other.dispatch(&[remove(1), remove(2), remove(3), add(4)]).await?;
    other.eval::<()>("await nf.syncNow();").await?;
    still.go_on(&server).await?;
    eventually("the tab to hear of all that it missed", DEADLINE, async || {
        let expected = json!({"1": null, "2": null, "3": null, "4": {"id": 4}});
        Ok((changes_of(&still).await? == expected).then_some(()))
    })
    .await
}
