//! The worker's requests to IndexedDB, its output with `?trace`, and a database that is deleted under it.

use anyhow::{Context, Result};
use nightferry_e2e::{
    Browser, Client, DEADLINE, Fault, Profile, Server, Tab, Worker, eventually, open_client, start,
    with_each_client,
};
use serde::Deserialize;
use serde_json::{Value, json};

fn add(id: u64, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

/// Has a worker note each request that changes something, with its transaction's number.
const NOTE: &str = "
    self.noted = [];
    const numbers = new Map();
    for (const name of ['put', 'delete']) {
        const original = IDBObjectStore.prototype[name];
        IDBObjectStore.prototype[name] = function (...args) {
            const {transaction} = this;
            if (!numbers.has(transaction)) numbers.set(transaction, numbers.size);
            const key = args.at(-1);
            noted.push({
                transaction: numbers.get(transaction), name, store: this.name,
                key: key instanceof IDBKeyRange ? 'range' : Array.isArray(key) ? key.join('/') : String(key),
            });
            return original.apply(this, args);
        };
    }";

#[derive(Debug, Clone, Deserialize)]
struct Noted {
    transaction: usize,
    name: String,
    store: String,
    key: String,
}

/// Takes the counts since the last call, but for the log and `_meta`: (puts, deletes).
async fn taken(tab: &Tab, worker: &Worker) -> Result<(usize, usize)> {
    // The last rows are written after the server's answer.
    tab.wait_for_rest().await?;
    let noted: Vec<Noted> = worker.eval("return noted.splice(0);").await?;
    let of_items = |name: &str| {
        noted.iter().filter(|one| one.name == name && one.store != "_journal" && one.store != "_meta").count()
    };
    println!("{noted:?}");
    Ok((of_items("put"), of_items("delete")))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_indexed_db_for_an_item() -> Result<()> {
    let (server, browser, tab) = start().await?;
    tab.load_client(&server).await?;
    tab.eval::<()>("await nf.register({slices: {files: {debounceMs: 20}, drafts: {debounceMs: 20, syncToFlask: false}}});")
        .await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    let worker = browser.worker("/nightferry/sw.js").await?;
    worker.eval::<()>(NOTE).await?;
    let remove = json!({"type": "files/removeItem", "payload": 1});
    let draft = json!({"type": "drafts/addItem", "payload": {"id": 1}});
    for (what, action, expected) in [
        ("a new item", add(1, "new"), (2, 0)),
        ("an edit of an item at rest", add(1, "edited"), (2, 0)),
        ("a deletion", remove, (1, 1)),
        ("an item that stays here", draft, (1, 0)),
    ] {
        tab.dispatch(&[action]).await?;
        tab.sync_now().await?;
        assert_eq!(taken(&tab, &worker).await?, expected, "puts and deletes of {what}");
    }
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_indexed_db_for_a_push() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 600_000, "maxWaitMs": 600_000})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    let worker = browser.worker("/nightferry/sw.js").await?;
    // A full queue is sent at once, so it is noted from before the first item on.
    worker.eval::<()>(NOTE).await?;
    tab.dispatch(&(0..1500).map(|id| add(id, "x")).collect::<Vec<_>>()).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 1500);
    let pushes = server.requests("/nightferry/push")?;
    let sizes: Vec<usize> =
        pushes.iter().filter_map(|push| Some(push.body["mutations"].as_array()?.len())).collect();
    assert_eq!(sizes, [500, 500, 500]);
    // The transactions that a push is written in.
    let noted: Vec<Noted> = worker.eval("return noted;").await?;
    let mut of_pushes: Vec<usize> = noted
        .iter()
        .filter(|one| one.store == "_meta" && one.key == "push")
        .map(|one| one.transaction)
        .collect();
    of_pushes.dedup();
    let requests: Vec<Vec<&str>> = of_pushes
        .iter()
        .map(|number| {
            let all = noted.iter().filter(|one| one.transaction == *number && one.name == "put");
            let mut stores: Vec<&str> = all.map(|one| one.store.as_str()).collect();
            stores.sort_unstable();
            stores
        })
        .collect();
    let (chosen, answered) = (vec!["_meta"], vec!["_journal", "_meta"]);
    assert_eq!(
        requests,
        [chosen.clone(), answered.clone(), chosen.clone(), answered.clone(), chosen, answered]
    );
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_prints_inputs_outputs_and_deadlines() -> Result<()> {
    let (server, browser, tab) = start().await?;
    tab.load_client(&server).await?;
    tab.eval::<()>("await nf.register({workerUrl: '/nightferry/sw.js?trace', slices: {files: {}}});").await?;
    let _worker = browser.worker("/nightferry/sw.js").await?;
    tab.dispatch(&[add(1, "traced")]).await?;
    tab.sync_now().await?;
    for words in [
        &["hears", "\"kind\":\"actions\"", "traced"][..],
        &["transaction", "_journal[", "traced"],
        &["is durable"],
        &["waits until", "Debounce"],
        &["request", "/push", "traced"],
        &["is answered 200", "results"],
        &["posts to", "\"kind\":\"ack\""],
    ] {
        eventually(&format!("a line with {words:?}"), DEADLINE, async || {
            let lines = browser.console();
            Ok(lines.iter().any(|line| words.iter().all(|word| line.contains(word))).then_some(()))
        })
        .await
        .with_context(|| browser.console().join("\n"))?;
    }
    Ok(())
}

/// f54: as when site data are deleted by hand while the app is open.
#[tokio::test(flavor = "multi_thread")]
async fn f54_a_database_that_is_deleted_is_begun_anew_with_all_that_was_acknowledged() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.eval::<()>("window.heard = []; nf.subscribeErrors((error) => heard.push(error.code));").await?;
    tab.dispatch(&[add(1, "at rest"), add(2, "to be edited"), add(3, "to be deleted")]).await?;
    tab.sync_now().await?;
    let epoch = tab.stored("_meta").await?["epoch"].clone();
    server.stop()?;
    tab.dispatch(&[add(2, "edited"), json!({"type": "files/removeItem", "payload": 3}), add(4, "new")])
        .await?;
    tab.flush().await?;
    tab.eval::<()>(
        "await new Promise((done, failed) => {
            const deleting = indexedDB.deleteDatabase('nightferry');
            deleting.onsuccess = done;
            deleting.onerror = () => failed(deleting.error);
        });",
    )
    .await?;
    tab.dispatch(&[add(5, "after the deletion")]).await?;
    eventually("a flush to work", DEADLINE, async || {
        tab.flush().await?;
        Ok(Some(()))
    })
    .await?;
    tab.wait_until("heard.includes('database_deleted')").await?;
    assert_ne!(tab.stored("_meta").await?["epoch"], epoch, "it is a new database");
    tab.wait_until("nf.getStatus().pending === 4").await?;
    // The next life of the worker knows of all that, too.
    browser.stop_all_workers().await?;
    server.start_again().await?;
    tab.sync_now().await?;
    let files = server.items("files").await?;
    let texts: Vec<(&str, &Value)> = files.iter().map(|(id, file)| (id.as_str(), &file["text"])).collect();
    let [at_rest, edited, new, after] =
        ["at rest", "edited", "new", "after the deletion"].map(|text| json!(text));
    assert_eq!(texts, [("1", &at_rest), ("2", &edited), ("4", &new), ("5", &after)]);
    let stored = tab.stored("files").await?;
    assert_eq!(stored["2"], files["2"]);
    assert_eq!(stored["5"], files["5"]);
    tab.wait_for_rest().await
}

with_each_client! {
    f54_a_page_without_a_store_is_told_of_a_new_database_and_can_give_its_items_again
}

/// The worker is not running when the database goes, so that nothing but the page has what the server lacks.
async fn f54_a_page_without_a_store_is_told_of_a_new_database_and_can_give_its_items_again(
    client: Client,
) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.eval::<()>(
        "window.shown = new Map();
        window.taken = [];
        window.told = [];
        nf.subscribe('files', ({puts, deletes}) => {
            for (const {id, value} of puts) shown.set(id, value);
            taken.push(...deletes);
        });
        nf.subscribeErrors(({code}) => {
            told.push(code);
            if (code !== 'new_database') return;
            for (const payload of shown.values()) nf.dispatch({type: 'files/addItem', payload});
        });",
    )
    .await?;
    let made = async |id: u64, text: &str| -> Result<()> {
        tab.eval_with::<()>(&add(id, text)["payload"], "shown.set(String(input.id), input);").await?;
        tab.dispatch(&[add(id, text)]).await
    };
    made(1, "on the server").await?;
    tab.sync_now().await?;
    server.stop()?;
    made(2, "on this device").await?;
    tab.flush().await?;
    assert_eq!(tab.eval::<Vec<String>>("return told;").await?, [] as [&str; 0]);
    browser.stop_all_workers().await?;
    tab.eval::<()>("await new Promise((done) => (indexedDB.deleteDatabase('nightferry').onsuccess = done));")
        .await?;
    made(3, "on this page").await?;
    tab.wait_until("told.includes('new_database')").await?;
    assert_eq!(tab.eval::<Vec<String>>("return taken;").await?, [] as [&str; 0], "the page keeps its items");
    server.start_again().await?;
    server.wait_for_items("files", |files| files.len() == 3).await?;
    tab.wait_for_rest().await?;
    assert_eq!(tab.stored("files").await?, server.items("files").await?);
    assert_eq!(tab.eval::<u64>("return nf.getStatus().conflicts;").await?, 0);
    assert_eq!(tab.eval::<usize>("return told.filter((code) => code === 'new_database').length;").await?, 1);
    server.check_nothing_applied_twice()
}

/// f54, with a push under way whose answer is lost: what the server has got is not doubled, and nothing is in conflict.
#[tokio::test(flavor = "multi_thread")]
async fn f54_a_push_that_was_under_way_is_not_in_conflict_with_itself() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/push").drop_answer()])?;
    tab.dispatch(&[add(1, "arrived")]).await?;
    server.wait_for_items("files", |files| files.len() == 1).await?;
    tab.eval::<()>("await new Promise((done) => (indexedDB.deleteDatabase('nightferry').onsuccess = done));")
        .await?;
    tab.dispatch(&[add(2, "after")]).await?;
    eventually("a flush to work", DEADLINE, async || {
        tab.flush().await?;
        Ok(Some(()))
    })
    .await?;
    server.heal()?;
    // An attempt that was under way may still fail.
    tab.wait_until("await nf.syncNow().then(() => true, () => false)").await?;
    server.wait_for_items("files", |files| files.len() == 2).await?;
    assert_eq!(tab.eval::<u64>("return nf.getStatus().conflicts;").await?, 0);
    tab.wait_for_rest().await
}
