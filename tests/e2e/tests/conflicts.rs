//! Two devices change the same: what can be merged is, and what cannot is a conflict that somebody resolves.

use anyhow::Result;
use nightferry_e2e::{
    Browser, Client, DEADLINE, Profile, Server, Tab, eventually, reconnect_in_turn, with_each_client,
};
use serde_json::{Value, json};

with_each_client! {
    f28_edits_of_different_fields_merge_by_themselves
    f23_edits_of_one_field_are_a_conflict_that_is_settled_on_both_devices
    f23_a_single_value_is_in_conflict_and_settled_like_an_item
    f25_a_deletion_here_and_an_edit_elsewhere_are_a_conflict
    one_waits_for_the_server_and_hears_why_it_does_not_have_it
}

/// Two browsers of two users' devices, each with a page.
struct Devices {
    server: Server,
    _profiles: [Profile; 2],
    browsers: [Browser; 2],
    ann: Tab,
    bob: Tab,
}

impl Devices {
    async fn open(client: Client, slices: Value) -> Result<Devices> {
        let server = Server::start_for(client).await?;
        let profiles = [Profile::fresh()?, Profile::fresh()?];
        let browsers = [Browser::start(&profiles[0]).await?, Browser::start(&profiles[1]).await?];
        let [ann, bob] = [browsers[0].tab(), browsers[1].tab()];
        for (tab, name) in [(&ann, "Ann's laptop"), (&bob, "Bob's phone")] {
            tab.load_client(&server).await?;
            let auto_sync = json!({"intervalMs": 1_000});
            let options = json!({"slices": slices, "autoSync": auto_sync, "deviceName": name});
            tab.eval_with::<()>(&options, "await nf.register(input);").await?;
            tab.eval::<()>(
                "window.heard = []; window.states = {};
                 nf.subscribe('files', (change) => heard.push(change));
                 nf.subscribePending('files', (changes) => { for (const {id, state} of changes) states[id] = state; });",
            )
            .await?;
        }
        Ok(Devices { server, _profiles: profiles, browsers, ann, bob })
    }

    /// Both have this item, as the server has it.
    async fn begin_with(&self, item: Value) -> Result<()> {
        let id = item["id"].as_str().unwrap_or_default().to_owned();
        self.ann.dispatch(&[json!({"type": "files/addItem", "payload": item})]).await?;
        self.ann.sync_now().await?;
        holds(&self.bob, "files", &id, &item).await
    }

    /// Cuts the server off, has both change something, and lets Ann's change arrive first.
    async fn change_apart(&self, anns: Value, bobs: Value) -> Result<()> {
        self.server.stop()?;
        self.ann.dispatch(&[anns]).await?;
        self.bob.dispatch(&[bobs]).await?;
        for tab in [&self.ann, &self.bob] {
            tab.flush().await?;
        }
        reconnect_in_turn(&self.server, &self.ann, (&self.browsers[1], &self.bob)).await
    }
}

/// Waits until the store of a device has this value; null where it has none.
async fn holds(tab: &Tab, store: &str, id: &str, value: &Value) -> Result<()> {
    let what = format!("{store}/{id} to be {value}");
    eventually(&what, DEADLINE, async || {
        let stored = tab.stored(store).await?;
        Ok((stored.get(id).unwrap_or(&Value::Null) == value).then_some(()))
    })
    .await
}

async fn conflicts(tab: &Tab, count: usize) -> Result<Vec<Value>> {
    eventually(&format!("{count} conflicts"), DEADLINE, async || {
        let conflicts: Vec<Value> = tab.eval("return nf.getConflicts();").await?;
        Ok((conflicts.len() == count).then_some(conflicts))
    })
    .await
}

fn update(fields: Value) -> Value {
    json!({"type": "files/updateItem", "payload": fields})
}

async fn f28_edits_of_different_fields_merge_by_themselves(client: Client) -> Result<()> {
    let devices = Devices::open(client, json!({"files": {"debounceMs": 20}})).await?;
    devices.begin_with(json!({"id": "a", "title": "Trip", "size": 1})).await?;
    devices
        .change_apart(update(json!({"id": "a", "title": "Our trip"})), update(json!({"id": "a", "size": 2})))
        .await?;
    let merged = json!({"id": "a", "title": "Our trip", "size": 2});
    devices.server.wait_for_items("files", |files| files.get("a") == Some(&merged)).await?;
    for tab in [&devices.ann, &devices.bob] {
        holds(tab, "files", "a", &merged).await?;
        conflicts(tab, 0).await?;
        tab.wait_for_rest().await?;
    }
    // The pages are told of what the other did.
    let notified = "heard.some(({origin, puts}) => origin === 'server' && puts.some(({value}) => value.size === 2 && value.title === 'Our trip'))";
    devices.ann.wait_until(notified).await?;
    devices.bob.wait_until(notified).await?;
    devices.server.check_nothing_applied_twice()
}

async fn f23_edits_of_one_field_are_a_conflict_that_is_settled_on_both_devices(client: Client) -> Result<()> {
    let devices = Devices::open(client, json!({"files": {"debounceMs": 20}})).await?;
    let Devices { server, ann, bob, .. } = &devices;
    devices.begin_with(json!({"id": "a", "title": "Trip", "size": 1})).await?;
    bob.eval::<()>("window.lists = []; nf.subscribeConflicts((list) => lists.push(list.length));").await?;
    devices
        .change_apart(
            update(json!({"id": "a", "title": "Our trip", "size": 2})),
            update(json!({"id": "a", "title": "My trip"})),
        )
        .await?;
    let [conflict] = &conflicts(bob, 1).await?[..] else { unreachable!() };
    assert_eq!(
        json!([
            conflict["slice"],
            conflict["itemId"],
            conflict["base"],
            conflict["local"],
            conflict["remote"],
            conflict["paths"]
        ]),
        json!([
            "files",
            "a",
            {"id": "a", "title": "Trip", "size": 1},
            {"id": "a", "title": "My trip", "size": 1},
            {"id": "a", "title": "Our trip", "size": 2},
            ["/title"]
        ])
    );
    assert_eq!(conflict["by"]["device"], "Ann's laptop", "{conflict}");
    assert!(conflict["localAt"].as_u64() > Some(0) && conflict["remoteAt"].as_u64() > Some(0), "{conflict}");
    // Only the device that came second has it; the user's text stays there, and is not sent.
    conflicts(ann, 0).await?;
    bob.wait_until("states.a === 'conflict' && nf.getStatus().conflicts === 1").await?;
    assert_eq!(bob.stored("files").await?["a"]["title"], "My trip");
    bob.wait_until("lists.at(-1) === 1").await?;

    // A resolution of what it was before changes nothing, and is said.
    bob.eval::<()>("window.said = []; nf.subscribeErrors(({code}) => said.push(code));").await?;
    bob.eval::<()>("await nf.resolveConflict('files/1/a', 'remote');").await?;
    bob.wait_until("said.length === 1").await?;
    conflicts(bob, 1).await?;

    let resolve = json!([conflict["id"], "merge"]);
    bob.eval_with::<()>(&resolve, "await nf.resolveConflict(...input);").await?;
    let resolved = json!({"id": "a", "title": "My trip", "size": 2});
    server.wait_for_items("files", |files| files.get("a") == Some(&resolved)).await?;
    for tab in [ann, bob] {
        holds(tab, "files", "a", &resolved).await?;
        conflicts(tab, 0).await?;
        tab.wait_for_rest().await?;
    }
    bob.wait_until("lists.at(-1) === 0 && states.a === 'synced' && nf.getStatus().conflicts === 0").await?;
    server.check_nothing_applied_twice()
}

async fn f23_a_single_value_is_in_conflict_and_settled_like_an_item(client: Client) -> Result<()> {
    let slices = json!({"files": {}, "theme": {"single": true, "debounceMs": 20}});
    let devices = Devices::open(client, slices).await?;
    let Devices { server, ann, bob, .. } = &devices;
    let set = |theme: &str| json!({"type": "theme/setTheme", "payload": theme});
    ann.dispatch(&[set("light")]).await?;
    ann.sync_now().await?;
    holds(bob, "theme", "value", &json!("light")).await?;
    devices.change_apart(set("dark"), set("blue")).await?;
    let [conflict] = &conflicts(bob, 1).await?[..] else { unreachable!() };
    assert_eq!(
        json!([conflict["base"], conflict["local"], conflict["remote"], conflict["paths"]]),
        json!(["light", "blue", "dark", [""]])
    );
    let resolve = json!([conflict["id"], "value", "green"]);
    bob.eval_with::<()>(&resolve, "await nf.resolveConflict(...input);").await?;
    server.wait_for_items("theme", |theme| theme.get("value") == Some(&json!("green"))).await?;
    for tab in [ann, bob] {
        holds(tab, "theme", "value", &json!("green")).await?;
        conflicts(tab, 0).await?;
    }
    Ok(())
}

async fn f25_a_deletion_here_and_an_edit_elsewhere_are_a_conflict(client: Client) -> Result<()> {
    let devices = Devices::open(client, json!({"files": {"debounceMs": 20}})).await?;
    let Devices { server, ann, bob, .. } = &devices;
    devices.begin_with(json!({"id": "a", "title": "Trip"})).await?;
    devices
        .change_apart(
            update(json!({"id": "a", "title": "Our trip"})),
            json!({"type": "files/removeItem", "payload": "a"}),
        )
        .await?;
    let [conflict] = &conflicts(bob, 1).await?[..] else { unreachable!() };
    assert_eq!(conflict.get("local"), None);
    assert_eq!(conflict["remote"]["title"], "Our trip");
    let resolve = json!([conflict["id"], "remote"]);
    bob.eval_with::<()>(&resolve, "await nf.resolveConflict(...input);").await?;
    let kept = json!({"id": "a", "title": "Our trip"});
    holds(bob, "files", "a", &kept).await?;
    // The page that decided is told, as the item comes back.
    bob.wait_until("heard.some(({puts}) => puts.some(({value}) => value.title === 'Our trip'))").await?;
    conflicts(bob, 0).await?;
    assert_eq!(server.items("files").await?["a"], kept);
    holds(ann, "files", "a", &kept).await
}

async fn one_waits_for_the_server_and_hears_why_it_does_not_have_it(client: Client) -> Result<()> {
    let slices = json!({"files": {"debounceMs": 20}, "notes": {"syncToFlask": false}});
    let devices = Devices::open(client, slices).await?;
    let Devices { server, ann, bob, .. } = &devices;
    let code = "try { await nf.synced(...input); return 'synced'; } catch (error) { return error.code; }";
    devices.begin_with(json!({"id": "a", "title": "Trip"})).await?;
    bob.dispatch(&[update(json!({"id": "a", "title": "Bob's"}))]).await?;
    assert_eq!(bob.eval_with::<String>(&json!(["files", "a"]), code).await?, "synced");
    assert_eq!(server.items("files").await?["a"]["title"], "Bob's");
    holds(ann, "files", "a", &json!({"id": "a", "title": "Bob's"})).await?;
    assert_eq!(bob.eval_with::<String>(&json!(["notes"]), code).await?, "not_synced");
    bob.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "b", "name": "forbidden"}})]).await?;
    assert_eq!(bob.eval_with::<String>(&json!(["files", "b"]), code).await?, "rejected");
    devices
        .change_apart(
            update(json!({"id": "a", "title": "Our trip"})),
            update(json!({"id": "a", "title": "My trip"})),
        )
        .await?;
    conflicts(bob, 1).await?;
    assert_eq!(bob.eval_with::<String>(&json!(["files", "a"]), code).await?, "conflict");
    Ok(())
}
