//! What Nightferry promises, in each engine of browsers: one set of scenarios, which use nothing but tabs, navigation and script.
//! Faults are made at the server. docs/browsers.md has what an engine does not have.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use nightferry_e2e::{Client, Device, Engine, Fault, Page, Server, bundle, root, with_each_engine};
use serde_json::{Value, json};

with_each_engine! {
    what_a_page_dispatches_reaches_the_server_once;
    what_a_page_in_rust_dispatches_reaches_the_server_once;
    what_was_acknowledged_survives_the_tab_and_a_reload;
    two_tabs_see_each_others_changes;
    changes_made_without_the_server_are_sent_once_when_it_is_back;
    a_change_of_another_device_arrives_by_itself;
    a_conflict_is_listed_and_resolved;
    a_refusal_is_listed_and_discarded;
    signing_out_takes_the_data_off_the_device;
    a_second_user_does_not_see_the_first;
    a_deploy_replaces_the_worker_of_an_open_page;
    a_worker_that_was_unregistered_is_registered_again;
    what_was_acknowledged_survives_the_end_of_the_browser: chromium firefox;
    a_worker_that_is_ended_in_the_middle_of_its_work_goes_on_after_the_next_ping: firefox;
    a_private_window_saves_and_sends_changes: chromium firefox;
    a_redux_store_gets_its_items_back;
    a_page_that_one_comes_back_to_shows_what_changed_meanwhile;
    the_dashboard_shows_what_is_saved_and_sent;
    the_table_in_docs_browsers_says_what_the_engine_has;
}

/// After a short outage, the waits between attempts are some seconds, half a minute at most.
const AGAIN: Duration = Duration::from_secs(60);

fn add(id: &str, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

fn update(id: &str, text: &str) -> Value {
    json!({"type": "files/updateItem", "payload": {"id": id, "text": text}})
}

fn item(id: &str, text: &str) -> Value {
    json!({"id": id, "text": text})
}

async fn what_a_page_dispatches_reaches_the_server_once(engine: Engine) -> Result<()> {
    is_sent_once(engine, Client::JavaScript).await
}

async fn what_a_page_in_rust_dispatches_reaches_the_server_once(engine: Engine) -> Result<()> {
    is_sent_once(engine, Client::Rust).await
}

async fn is_sent_once(engine: Engine, client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    // The first push takes effect, and its answer is lost.
    server.fault(&[Fault::on("/nightferry/push").times(1).drop_answer()])?;
    page.dispatch(&[add("a", "one"), add("b", "two"), update("a", "three")]).await?;
    page.eval::<()>("await nf.synced('files', 'a'); await nf.synced('files', 'b');").await?;
    assert_eq!(json!(server.items("files").await?), json!({"a": item("a", "three"), "b": item("b", "two")}));
    page.wait_until("nf.getStatus().pending === 0 && nf.getStatus().connection === 'online'").await?;
    assert_eq!(server.applied()?.len(), 2, "each item changed once");
    server.check_nothing_applied_twice()
}

async fn what_was_acknowledged_survives_the_tab_and_a_reload(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    // A debounce that does not end by itself.
    let options = json!({"slices": {"files": {"debounceMs": 600_000, "maxWaitMs": 600_000}}});
    let page = device.open_client(&server, options.clone()).await?;
    page.dispatch(&[add("a", "one"), add("b", "two")]).await?;
    page.flush().await?;
    page.close().await?;

    let page = device.open_client(&server, options.clone()).await?;
    let items = json!({"a": item("a", "one"), "b": item("b", "two")});
    assert_eq!(page.items("files").await?, items);
    // A page that is left in the turn of its dispatch.
    page.eval_with::<()>(
        &add("c", "three"),
        "window.before = true; setTimeout(() => { nf.dispatch(input); location.reload(); });",
    )
    .await?;
    page.wait_until("!window.before && window.nf").await?;
    page.register(options).await?;
    let items = json!({"a": item("a", "one"), "b": item("b", "two"), "c": item("c", "three")});
    page.wait_for_items("files", &items).await?;

    server.heal()?;
    page.sync_now().await?;
    assert_eq!(json!(server.items("files").await?), items);
    server.check_nothing_applied_twice()
}

async fn two_tabs_see_each_others_changes(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let one = device.open_client(&server, json!({})).await?;
    let two = device.open_client(&server, json!({})).await?;
    one.dispatch(&[add("a", "one")]).await?;
    let received = |id: &str, text: &str| {
        format!(
            "changes.some(({{origin, puts}}) => origin === 'tab' && puts.some(({{id, value}}) => id === {id:?} && value.text === {text:?}))"
        )
    };
    two.wait_until(&received("a", "one")).await?;
    two.dispatch(&[update("a", "two"), add("b", "three")]).await?;
    one.wait_until(&received("a", "two")).await?;
    one.wait_until(&received("b", "three")).await?;
    let items = json!({"a": item("a", "two"), "b": item("b", "three")});
    for page in [&one, &two] {
        page.wait_for_items("files", &items).await?;
        page.sync_now().await?;
        page.wait_until("nf.getStatus().pending === 0").await?;
    }
    assert_eq!(json!(server.items("files").await?), items);
    server.check_nothing_applied_twice()
}

async fn changes_made_without_the_server_are_sent_once_when_it_is_back(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    page.dispatch(&[add("a", "one")]).await?;
    page.eval::<()>("await nf.synced('files', 'a');").await?;
    server.stop()?;
    page.dispatch(&[update("a", "two"), add("b", "three")]).await?;
    page.flush().await?;
    page.wait_until("nf.getStatus().connection === 'local-only' && nf.getStatus().pending === 2").await?;
    assert_eq!(page.items("files").await?, json!({"a": item("a", "two"), "b": item("b", "three")}));
    server.start_again().await?;
    // Nobody touches anything.
    page.wait_until_within("nf.getStatus().pending === 0", AGAIN).await?;
    page.wait_until("nf.getStatus().connection === 'online'").await?;
    assert_eq!(json!(server.items("files").await?), json!({"a": item("a", "two"), "b": item("b", "three")}));
    assert_eq!(server.applied()?.len(), 3, "three changes of two items");
    server.check_nothing_applied_twice()
}

async fn a_change_of_another_device_arrives_by_itself(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    // No interval brings anything within the test's time.
    let options = json!({"autoSync": {"intervalMs": 3_600_000}});
    let (ann, bob) = (Device::start(engine).await?, Device::start(engine).await?);
    let anns = ann.open_client(&server, options.clone()).await?;
    let bobs = bob.open_client(&server, options).await?;
    server.wait_for_requests("/nightferry/live", |live| live.len() == 2).await?;
    anns.dispatch(&[add("a", "from Ann")]).await?;
    let received = "changes.some(({origin, puts}) => origin === 'server' && puts.some(({value}) => value.text === input))";
    let received = |text: &str| received.replace("input", &json!(text).to_string());
    bobs.wait_until(&received("from Ann")).await?;
    bobs.dispatch(&[update("a", "from Bob")]).await?;
    anns.wait_until(&received("from Bob")).await?;
    for page in [&anns, &bobs] {
        page.wait_for_items("files", &json!({"a": item("a", "from Bob")})).await?;
    }
    server.check_nothing_applied_twice()
}

async fn a_conflict_is_listed_and_resolved(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    page.dispatch(&[add("a", "base")]).await?;
    page.eval::<()>("await nf.synced('files', 'a');").await?;
    // The device is cut off, and the item changes on both sides.
    server.stop()?;
    server.fault(&[Fault::on("/nightferry/push").status(503), Fault::on("/nightferry/pull").status(503)])?;
    page.dispatch(&[update("a", "here")]).await?;
    page.flush().await?;
    server.start_again().await?;
    server.put_from_python("files", "a", &item("a", "there")).await?;
    server.heal()?;
    page.eval::<()>("await nf.syncNow();").await?;
    page.wait_until("(await nf.getConflicts()).length === 1 && nf.getStatus().conflicts === 1").await?;
    let [conflict] = page.eval::<[Value; 1]>("return await nf.getConflicts();").await?;
    assert_eq!(
        json!([conflict["itemId"], conflict["base"], conflict["local"], conflict["remote"]]),
        json!(["a", item("a", "base"), item("a", "here"), item("a", "there")])
    );
    let resolve = json!([conflict["id"], "value", item("a", "both")]);
    page.eval_with::<()>(&resolve, "await nf.resolveConflict(...input);").await?;
    server.wait_for_items("files", |files| files.get("a") == Some(&item("a", "both"))).await?;
    page.wait_until("(await nf.getConflicts()).length === 0 && nf.getStatus().pending === 0").await?;
    page.wait_for_items("files", &json!({"a": item("a", "both")})).await
}

async fn a_refusal_is_listed_and_discarded(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    let forbidden = json!({"type": "files/addItem", "payload": {"id": "b", "name": "forbidden"}});
    page.dispatch(&[add("a", "fine"), forbidden]).await?;
    page.wait_until("(await nf.getRejected()).length === 1 && nf.getStatus().rejected === 1").await?;
    let [refused] = page.eval::<[Value; 1]>("return await nf.getRejected();").await?;
    assert_eq!(json!([refused["itemId"], refused["message"]]), json!(["b", "No file may have that name."]));
    // It is undone, and stays in the list of a page that is opened later.
    page.wait_for_items("files", &json!({"a": item("a", "fine")})).await?;
    let other = device.open_client(&server, json!({})).await?;
    other.wait_until("(await nf.getRejected()).length === 1").await?;
    other.eval_with::<()>(&refused["id"], "await nf.discardRejected(input);").await?;
    for page in [&page, &other] {
        page.wait_until("(await nf.getRejected()).length === 0 && nf.getStatus().rejected === 0").await?;
    }
    assert_eq!(json!(server.items("files").await?), json!({"a": item("a", "fine")}));
    Ok(())
}

/// Signs someone in, as the app's own form would, and opens a page of theirs.
async fn sign_in(device: &Device, server: &Server, user: &str) -> Result<Page> {
    let page = device.open(&server.client_page()).await?;
    page.wait_until("window.nf").await?;
    page.eval_with::<()>(&user, "document.cookie = `user=${input}; path=/`;").await?;
    page.register(json!({"user": user})).await?;
    Ok(page)
}

async fn signing_out_takes_the_data_off_the_device(engine: Engine) -> Result<()> {
    let server = Server::start_with_users().await?;
    let device = Device::start(engine).await?;
    let page = sign_in(&device, &server, "ann").await?;
    let other = sign_in(&device, &server, "ann").await?;
    page.dispatch(&[add("a", "one")]).await?;
    page.eval::<()>("await nf.synced('files', 'a');").await?;
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    page.dispatch(&[add("b", "two")]).await?;
    page.flush().await?;
    let code: String = page.eval("return await nf.signOut().then(() => 'done', ({code}) => code);").await?;
    assert_eq!(code, "unsent", "nothing is lost by accident");
    page.eval::<()>("await nf.signOut({discard: true});").await?;
    other.wait_until("codes.includes('signed_out')").await?;
    // What the browser's own storage has of her.
    let left: Value = page
        .eval(
            "const left = [];
             for (const {name} of await indexedDB.databases()) {
                 const opening = indexedDB.open(name);
                 const db = await new Promise((done, failed) => {
                     opening.onsuccess = () => done(opening.result);
                     opening.onerror = () => failed(opening.error);
                 });
                 for (const store of db.objectStoreNames) {
                     if (store === '_meta') continue;
                     const reading = db.transaction(store).objectStore(store).count();
                     await new Promise((done) => { reading.onsuccess = done; });
                     if (reading.result > 0) left.push([name, store, reading.result]);
                 }
                 db.close();
             }
             return left;",
        )
        .await?;
    assert_eq!(left, json!([]));
    // The same page is hers again, and has what the server has.
    server.heal()?;
    page.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}}, user: 'ann'});").await?;
    page.wait_for_items("files", &json!({"a": item("a", "one")})).await
}

async fn a_second_user_does_not_see_the_first(engine: Engine) -> Result<()> {
    let server = Server::start_with_users().await?;
    let device = Device::start(engine).await?;
    // Ann leaves a change behind that is not sent.
    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    let ann = sign_in(&device, &server, "ann").await?;
    ann.dispatch(&[add("a", "of Ann")]).await?;
    ann.flush().await?;
    let bob = sign_in(&device, &server, "bob").await?;
    assert_eq!(bob.items("files").await?, json!({}));
    bob.dispatch(&[add("b", "of Bob")]).await?;
    ann.wait_until("nf.flushPersistence().then(() => false, ({code}) => code === 'wrong_user')").await?;
    server.heal()?;
    bob.sync_now().await?;
    assert_eq!(json!(server.items_of("bob", "files").await?), json!({"b": item("b", "of Bob")}));
    assert!(server.items_of("ann", "files").await?.is_empty(), "nothing of hers leaves while Bob is here");

    let again = sign_in(&device, &server, "ann").await?;
    assert_eq!(again.items("files").await?, json!({"a": item("a", "of Ann")}));
    again.sync_now().await?;
    assert_eq!(json!(server.items_of("ann", "files").await?), json!({"a": item("a", "of Ann")}));
    for (page, other) in [(&ann, "b"), (&again, "b"), (&bob, "a")] {
        let received: Vec<String> =
            page.eval("return changes.flatMap(({puts}) => puts.map(({id}) => id));").await?;
        assert!(!received.iter().any(|id| id == other), "{received:?}");
    }
    Ok(())
}

async fn a_deploy_replaces_the_worker_of_an_open_page(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    // A push is under way, and is not answered.
    server.fault(&[Fault::on("/nightferry/push").times(1).silent()])?;
    page.dispatch(&[add("0", "first")]).await?;
    server.wait_for_requests("/nightferry/push", |pushes| !pushes.is_empty()).await?;
    // The page has looked for an update when it registered, and a browser answers calls that overlap by one look.
    page.eval::<()>("await (await navigator.serviceWorker.getRegistration('/nightferry/')).update();")
        .await?;
    server.update_worker("9.9.9-next")?;
    // Edits go on all the time, as somebody works: the former worker finishes with what it has before the new one begins.
    page.eval::<()>(
        "window.n = 0;
         window.going = setInterval(() => nf.dispatch({type: 'files/addItem', payload: {id: `${n += 1}`, n}}), 400);
         const registration = await navigator.serviceWorker.getRegistration('/nightferry/');
         window.old = registration.active;
         await registration.update();",
    )
    .await?;
    page.wait_until("(await navigator.serviceWorker.getRegistration('/nightferry/')).active !== old").await?;
    let then: u64 = page.eval("await nf.flushPersistence(); return n;").await?;
    page.wait_until(&format!("n > {then} + 2")).await?;
    server.heal()?;
    page.eval::<()>("clearInterval(going); await nf.syncNow();").await?;
    let count: usize = page.eval("return n;").await?;
    assert_eq!(server.items("files").await?.len(), 1 + count);
    page.wait_until("String(await caches.keys()) === 'nightferry-wasm-9.9.9-next'").await?;
    server.check_nothing_applied_twice()
}

async fn a_worker_that_was_unregistered_is_registered_again(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    page.flush().await?;
    page.eval::<()>("await (await navigator.serviceWorker.getRegistration('/nightferry/')).unregister();")
        .await?;
    page.dispatch(&[add("a", "one")]).await?;
    server.wait_for_items("files", |files| files.get("a") == Some(&item("a", "one"))).await?;
    page.flush().await?;
    server.check_nothing_applied_twice()
}

async fn what_was_acknowledged_survives_the_end_of_the_browser(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    // A debounce that does not end by itself.
    let options = json!({"slices": {"files": {"debounceMs": 600_000, "maxWaitMs": 600_000}}});
    let page = device.open_client(&server, options.clone()).await?;
    page.dispatch(&[add("a", "one"), add("b", "two"), update("a", "three")]).await?;
    page.flush().await?;
    let device = device.kill_and_start_again().await?;
    let page = device.open_client(&server, options).await?;
    let items = json!({"a": item("a", "three"), "b": item("b", "two")});
    assert_eq!(page.items("files").await?, items);
    page.sync_now().await?;
    assert_eq!(json!(server.items("files").await?), items);
    server.check_nothing_applied_twice()
}

async fn a_worker_that_is_ended_in_the_middle_of_its_work_goes_on_after_the_next_ping(
    engine: Engine,
) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start_with_short_lived_workers(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    // A worker that starts says so to all pages.
    page.eval::<()>(
        "window.starts = 0;
         window.channel = new BroadcastChannel('nightferry:nightferry');
         channel.onmessage = ({data}) => { starts += data.kind === 'hello'; };",
    )
    .await?;
    server.fault(&[Fault::on("/nightferry/push").silent()])?;
    page.dispatch(&[add("a", "one")]).await?;
    page.flush().await?;
    let starts: u64 = page.eval("return starts;").await?;
    server.wait_for_requests("/nightferry/push", |pushes| !pushes.is_empty()).await?;
    // The page only waits. Its ping wakes the next worker.
    page.wait_until(&format!("starts > {starts}")).await?;
    server.heal()?;
    page.wait_until_within("nf.getStatus().pending === 0", AGAIN).await?;
    assert_eq!(json!(server.items("files").await?), json!({"a": item("a", "one")}));
    server.check_nothing_applied_twice()
}

async fn a_private_window_saves_and_sends_changes(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start_private(engine).await?;
    let page = device.open_client(&server, json!({})).await?;
    page.dispatch(&[add("a", "one")]).await?;
    server.wait_for_items("files", |files| files.get("a") == Some(&item("a", "one"))).await?;
    page.reload().await?;
    page.wait_until("window.nf").await?;
    page.register(json!({})).await?;
    page.wait_for_items("files", &json!({"a": item("a", "one")})).await
}

/// Opens the page with a Redux store.
async fn open_store(device: &Device, server: &Server) -> Result<Page> {
    bundle("redux.js")?;
    let page = device.open(&server.url("/__test__/bundled/redux/")).await?;
    page.wait_until("window.app").await?;
    page.eval::<()>("await app.ready;").await?;
    Ok(page)
}

async fn act(page: &Page, name: &str, payload: Value) -> Result<()> {
    page.eval_with(&(name, payload), "app.act(...input);").await
}

async fn a_redux_store_gets_its_items_back(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = open_store(&device, &server).await?;
    act(&page, "arrived", json!({"id": 7, "name": "seven"})).await?;
    act(&page, "written", json!({"id": "n", "text": "note"})).await?;
    act(&page, "incremented", Value::Null).await?;
    page.eval::<()>("await app.nf.flushPersistence();").await?;
    page.close().await?;
    let page = open_store(&device, &server).await?;
    let state: Value = page.eval("return app.state();").await?;
    assert_eq!(
        state,
        json!({
            "files": {"7": {"id": 7, "name": "seven"}},
            "notes": {"n": {"id": "n", "text": "note"}},
            "counter": {"value": 1},
        })
    );
    page.eval::<()>("await app.nf.syncNow();").await?;
    assert_eq!(json!(server.items("files").await?), state["files"]);
    assert_eq!(json!(server.items("notes").await?), state["notes"]);
    assert_eq!(page.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    server.check_nothing_applied_twice()
}

/// A browser may have kept the page as it was, with its scripts stopped, or load it anew.
async fn a_page_that_one_comes_back_to_shows_what_changed_meanwhile(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = open_store(&device, &server).await?;
    let other = open_store(&device, &server).await?;
    act(&page, "arrived", json!({"id": 7, "name": "seven"})).await?;
    act(&page, "arrived", json!({"id": 8, "name": "eight"})).await?;
    other.wait_until("Object.keys(app.state().files).length === 2").await?;
    page.eval::<()>("window.kept = true; app.nf.flushPersistence();").await?;
    page.goto(&server.url("/__test__/blank")).await?;
    act(&other, "changed", json!({"id": 7, "changes": {"name": "VII"}})).await?;
    act(&other, "left", json!(8)).await?;
    other.eval::<()>("await app.nf.flushPersistence();").await?;
    page.eval::<()>("setTimeout(() => history.back());").await?;
    page.wait_until("window.app && (await app.ready, true)").await?;
    let files = json!({"7": {"id": 7, "name": "VII"}});
    page.wait_until(&format!("JSON.stringify(app.state().files) === '{files}'")).await?;
    // What it does next builds on that.
    act(&page, "changed", json!({"id": 7, "changes": {"size": 1}})).await?;
    page.eval::<()>("await app.nf.syncNow();").await?;
    assert_eq!(json!(server.items("files").await?), json!({"7": {"id": 7, "name": "VII", "size": 1}}));
    server.check_nothing_applied_twice()
}

async fn the_dashboard_shows_what_is_saved_and_sent(engine: Engine) -> Result<()> {
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let page = open_store(&device, &server).await?;
    page.eval::<()>(
        "await import('/__test__/bundled/redux/dashboard.js');
         document.body.append(document.createElement('nightferry-dashboard'));",
    )
    .await?;
    let text = |selector: &str| {
        format!(
            "document.querySelector('nightferry-dashboard').shadowRoot.querySelector({selector:?})?.textContent"
        )
    };
    page.wait_until(&format!("{} === 'Up to date'", text(".state strong"))).await?;
    server.stop()?;
    act(&page, "arrived", json!({"id": 1, "name": "one"})).await?;
    page.wait_until(&format!("{} === 'Saved on this device'", text(".state strong"))).await?;
    page.wait_until(&format!("{} === '1'", text(".facts dd"))).await?;
    server.start_again().await?;
    page.eval::<()>("await app.nf.syncNow();").await?;
    page.wait_until(&format!("{} === 'Up to date'", text(".state strong"))).await?;
    assert_eq!(page.eval::<Vec<String>>("return errors;").await?, [] as [String; 0]);
    Ok(())
}

/// Asks a page and a worker for what Nightferry uses: by the name of its row in docs/browsers.md, whether the engine has it.
async fn measured(device: &Device, server: &Server) -> Result<BTreeMap<String, bool>> {
    bundle("probe-sw.js")?;
    let page = device.open(&server.url("/__test__/blank")).await?;
    page.eval(
        "const script = '/__test__/bundled/probe-sw/page.js';
         const registered = async (type) => {
             const registration = await navigator.serviceWorker.register(`${script}?${type}`, {scope: `/__test__/${type}/`, type});
             const worker = registration.installing ?? registration.waiting ?? registration.active;
             while (worker.state !== 'activated') {
                 if (worker.state === 'redundant') throw new Error('the worker could not be installed');
                 await new Promise((next) => worker.addEventListener('statechange', next, {once: true}));
             }
             return worker;
         };
         const worker = await registered('classic');
         const {port1, port2} = new MessageChannel();
         const answer = new Promise((done) => { port1.onmessage = ({data}) => done(data); });
         worker.postMessage('probe', [port2]);
         return {
             ...await answer,
             'service workers that are modules': await registered('module').then(() => true, () => false),
             'storage that a page asks to keep': 'persist' in (navigator.storage ?? {}),
         };",
    )
    .await
}

async fn the_table_in_docs_browsers_says_what_the_engine_has(engine: Engine) -> Result<()> {
    let document = std::fs::read_to_string(root().join("docs/browsers.md"))?;
    let column = match engine {
        Engine::Chromium => 2,
        Engine::Firefox => 3,
        Engine::WebKit => 4,
    };
    let rows = document.lines().skip_while(|line| !line.starts_with("| measured |")).skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim));
    let said: BTreeMap<String, bool> = cells
        .map(|cells| cells.collect::<Vec<_>>())
        .map(|cells| (cells[1].to_owned(), cells[column] == "yes"))
        .collect();
    let server = Server::start().await?;
    let device = Device::start(engine).await?;
    let measured = measured(&device, &server).await?;
    assert_eq!(said, measured, "docs/browsers.md says the first, {engine:?} the second");
    Ok(())
}
