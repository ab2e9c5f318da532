//! A page in Rust: the example, started as its README says and used as a person uses it; what counts is what Flask has.

use anyhow::Result;
use nightferry_e2e::{Browser, Client, Example, Profile, Server, Tab, open_client_for, shoot, start_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The names on the list, from the top, a tick before what is packed.
async fn list_is(tab: &Tab, names: &[&str]) -> Result<()> {
    let shown = "[...document.querySelectorAll('li')].map((row) =>
        (row.querySelector('[type=checkbox]').checked ? '✓ ' : '') + row.querySelector('.name').value)";
    tab.wait_until(&format!("JSON.stringify({shown}) === {}", json!(json!(names).to_string()))).await
}

async fn add(tab: &Tab, name: &str) -> Result<()> {
    tab.type_into("form input", name).await?;
    tab.click("form button").await
}

/// Returns true if Flask has a thing of this name that is packed or not.
fn has(things: &BTreeMap<String, Value>, name: &str, packed: bool) -> bool {
    things.values().any(|thing| thing["name"] == name && thing["packed"] == packed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packing_list_is_kept_by_a_page_in_rust() -> Result<()> {
    let mut example = tokio::task::block_in_place(|| Example::cargo("rust"))?;
    example.start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until("document.querySelector('main')?.dataset.phase === 'ready'").await?;
    shoot(&tab, "rust-empty").await?;

    for name in ["tent", "to be removed", "rope"] {
        add(&tab, name).await?;
    }
    list_is(&tab, &["tent", "to be removed", "rope"]).await?;
    tab.click("li:nth-child(2) .remove").await?;
    let says = "document.querySelector('.undo span')?.textContent";
    tab.wait_until(&format!("{says} === '“to be removed” is removed.'")).await?;
    tab.click("li:first-child .remove").await?;
    list_is(&tab, &["rope"]).await?;
    shoot(&tab, "rust-undo").await?;
    // Both come back, each at its place; one of them is removed again.
    tab.click(".undo button").await?;
    list_is(&tab, &["tent", "rope"]).await?;
    tab.click(".undo button").await?;
    list_is(&tab, &["tent", "to be removed", "rope"]).await?;
    tab.wait_until("!document.querySelector('.undo')").await?;
    tab.click("li:nth-child(2) .remove").await?;
    tab.click(".undo .close").await?;
    tab.wait_until("!document.querySelector('.undo')").await?;
    tab.click("li:first-child [type=checkbox]").await?;
    tab.retype("li:last-child .name", "<b>rope</b>, 20 m").await?;
    let packed = [("tent", true), ("<b>rope</b>, 20 m", false)];
    example
        .wait_for_items("things", |things| {
            things.len() == 2 && packed.iter().all(|(name, packed)| has(things, name, *packed))
        })
        .await?;
    list_is(&tab, &["✓ tent", "<b>rope</b>, 20 m"]).await?;
    tab.wait_until("[...document.querySelectorAll('li')].every((row) => row.dataset.state === 'synced')")
        .await?;
    shoot(&tab, "rust").await?;

    // It is there after a reload and in another tab, and each tab hears of the other.
    tab.reload().await?;
    list_is(&tab, &["✓ tent", "<b>rope</b>, 20 m"]).await?;
    let other = browser.new_tab().await?;
    other.goto(&example.url()).await?;
    list_is(&other, &["✓ tent", "<b>rope</b>, 20 m"]).await?;
    example.stop()?;
    add(&other, "written at sea").await?;
    tab.show().await?;
    list_is(&tab, &["✓ tent", "<b>rope</b>, 20 m", "written at sea"]).await?;
    tab.click("li:last-child [type=checkbox]").await?;
    list_is(&other, &["✓ tent", "<b>rope</b>, 20 m", "✓ written at sea"]).await?;

    // With the server down it goes on, says so, and says what a sync comes to.
    tab.wait_until("document.querySelector('.connection').dataset.connection === 'local-only'").await?;
    tab.wait_until("document.querySelector('li:last-child').dataset.state === 'local'").await?;
    tab.click(".sync").await?;
    tab.wait_until("document.querySelector('.connection').textContent === 'Saved on this device'").await?;
    let detail = "document.querySelector('.detail').textContent";
    tab.wait_until(&format!(
        "{detail} === '1 change is kept on this device. You can go on working: sending goes on by itself.'"
    ))
    .await?;
    shoot(&tab, "rust-down").await?;
    example.start().await?;
    tab.wait_until("!document.querySelector('.sync').disabled").await?;
    tab.click(".sync").await?;
    example.wait_for_items("things", |things| has(things, "written at sea", true)).await?;
    for tab in [&tab, &other] {
        tab.wait_until("document.querySelector('.connection').dataset.connection === 'online'").await?;
        tab.wait_until("document.querySelector('li:last-child').dataset.state === 'synced'").await?;
        tab.wait_until("!document.querySelector('.problem')").await?;
    }
    Ok(())
}

/// Pages of both kinds are pages of one origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_rust_and_one_in_javascript_hear_of_each_other() -> Result<()> {
    let (server, profile) = (Server::start_for(Client::Rust).await?, Profile::fresh()?);
    let browser = Browser::start(&profile).await?;
    let (rust, javascript) = (browser.tab(), browser.new_tab().await?);
    rust.open_client(&server, json!({"debounceMs": 20})).await?;
    javascript.goto(&server.url("/__test__/page")).await?;
    javascript.wait_until("window.nf").await?;
    javascript.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}}});").await?;
    for tab in [&rust, &javascript] {
        tab.eval::<()>("window.messages = []; nf.subscribe('files', (change) => messages.push(change));")
            .await?;
    }
    let messages = |item: &Value| {
        let change = json!({"puts": [{"id": "1", "value": item}], "deletes": [], "origin": "tab"});
        format!(
            "JSON.stringify(messages.map(({{puts, deletes, origin}}) => [puts, deletes, origin])) ===
             JSON.stringify([{change}].map(({{puts, deletes, origin}}) => [puts, deletes, origin]))"
        )
    };
    // Fields in the order of their names, as both sides write them.
    let (first, second) =
        (json!({"by": "rust", "id": 1, "size": 0.1}), json!({"by": "js", "id": 1, "size": 0.1}));
    rust.dispatch(&[json!({"type": "files/addItem", "payload": first})]).await?;
    javascript.wait_until(&messages(&first)).await?;
    javascript.dispatch(&[json!({"type": "files/updateItem", "payload": {"id": 1, "by": "js"}})]).await?;
    rust.wait_until(&messages(&second)).await?;
    server.wait_for_items("files", |files| files.get("1") == Some(&second)).await?;
    for tab in [&rust, &javascript] {
        let items: Value = tab.eval("return nf.hydrate('files');").await?;
        assert_eq!(items, json!([{"id": "1", "value": second}]));
    }
    server.check_nothing_applied_twice()
}

/// An item that the page's type does not fit is left out and told; the others are there.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_another_type_is_left_out_and_told() -> Result<()> {
    let (_server, _browser, tab) = open_client_for(Client::Rust, json!({"single": true})).await?;
    tab.eval::<()>("window.errors = []; nf.subscribeErrors((error) => errors.push(error));").await?;
    tab.dispatch(&[json!({"type": "files/set", "payload": "a text"})]).await?;
    let texts: Value = tab.eval("return nf.hydrateTexts('files');").await?;
    assert_eq!(texts, json!([{"id": "value", "value": "a text"}]));
    tab.dispatch(&[json!({"type": "files/set", "payload": {"no": "text"}})]).await?;
    assert_eq!(tab.eval::<Value>("return nf.hydrateTexts('files');").await?, json!([]));
    let error: Value = tab.eval("return errors[0];").await?;
    assert_eq!((&error["kind"], &error["code"]), (&json!("warning"), &json!("unreadable_item")));
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("\"value\" of \"files\"") && message.contains("expected a string"), "{message}");
    // It is all there for who can read it.
    let items: Value = tab.eval("return nf.hydrate('files');").await?;
    assert_eq!(items, json!([{"id": "value", "value": {"no": "text"}}]));
    Ok(())
}

/// As of JavaScript's client: what is refused keeps nothing, and a registration goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_fails_or_goes_on_whoever_waits_for_it() -> Result<()> {
    let (server, _browser, tab) = start_for(Client::Rust).await?;
    tab.load_client(&server).await?;
    let codes: Value = tab
        .eval(
            "const code = async (call) => { try { await call(); } catch (error) { return error.code; } };
             const refused = nf.register({slices: {'no spaces': {}}});
             const waiting = nf.flushPersistence();
             return [
                 await code(() => refused),
                 await code(() => waiting),
                 await code(() => nf.dispatch({type: 'files/addItem', payload: {id: 1}})),
                 await code(() => nf.flushPersistence()),
             ];",
        )
        .await?;
    assert_eq!(codes, json!(["bad_config", "bad_config", "not_registered", "not_registered"]));
    let items: Value = tab.eval("return nf.hydrateWhileRegistering({slices: {files: {}}}, 'files');").await?;
    assert_eq!(items, json!([]));
    // The usual places, by their names.
    tab.eval::<()>("await nf.register({slices: {notes: {}}, name: 'nightferry', api: '/nightferry'});").await
}
