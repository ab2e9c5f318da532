//! The worker is stopped at random moments, with or without its page; and by the browser, when there is nothing to do.
//!
//! `NIGHTFERRY_SEED` repeats a run that failed: it decides the actions and the moments.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use nightferry_e2e::{Browser, Client, Profile, Server, eventually, start_for, with_each_client};
use serde_json::{Value, json};

with_each_client! {
    worker_stopped_at_random_moments_of_1000_actions
    page_and_worker_gone_together_after_an_acknowledgement
    browser_killed_after_a_flush
}

type Items = BTreeMap<String, Value>;

/// xorshift64*: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn seeded() -> Random {
        let given = std::env::var("NIGHTFERRY_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
        let seed: u64 = given.unwrap_or_else(clock);
        println!("NIGHTFERRY_SEED={seed}");
        Random(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Bursts of one to eight actions on some items: adds, updates of one field or the other, deletes. `n` counts the actions.
fn bursts(random: &mut Random, actions: u64, items: u64) -> Vec<Vec<Value>> {
    let mut bursts = Vec::new();
    let mut n = 0;
    while n < actions {
        let mut burst = Vec::new();
        for _ in 0..=random.below(8) {
            if n == actions {
                break;
            }
            n += 1;
            let id = format!("item {}", random.below(items));
            burst.push(match random.below(10) {
                0..=3 => json!({"type": "files/addItem", "payload": {"id": id, "n": n, "made": n}}),
                4..=6 => json!({"type": "files/updateItem", "payload": {"id": id, "n": n, "left": n}}),
                7..=8 => {
                    json!({"type": "files/updateItem", "payload": {"id": id, "n": n, "right": {"of": n}}})
                }
                _ => json!({"type": "files/removeItem", "payload": {"id": id}}),
            });
        }
        bursts.push(burst);
    }
    bursts
}

/// Applies a burst, by the rules and nothing else.
fn apply(items: &mut Items, burst: &[Value]) {
    for action in burst {
        let payload = &action["payload"];
        let id = payload["id"].as_str().unwrap_or_default().to_string();
        match action["type"].as_str() {
            Some("files/addItem") => drop(items.insert(id, payload.clone())),
            Some("files/removeItem") => drop(items.remove(&id)),
            _ => {
                if let (Some(Value::Object(item)), Value::Object(fields)) = (items.get_mut(&id), payload) {
                    item.extend(fields.clone());
                }
            }
        }
    }
}

/// Dispatches the bursts one after the other, each in a microtask of its own, and never waits for the worker.
const PLAY: &str = "
    window.played = 0;
    window.ends = [];
    for (const burst of input) ends.push((ends.at(-1) ?? 0) + burst.length);
    (async () => {
        for (const burst of input) {
            for (const action of burst) nf.dispatch(action);
            await new Promise((next) => setTimeout(next, 4));
            played += 1;
        }
    })();
";

/// Each item's changes took effect in the order in which they were made, and none of them twice.
fn check_order(server: &Server) -> Result<()> {
    server.check_nothing_applied_twice()?;
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for change in server.applied()? {
        if let Some(n) = change.value["n"].as_u64() {
            let before = last.insert(change.id.clone(), n);
            ensure!(before.is_none_or(|before| before < n), "{} got action {n} after {before:?}", change.id);
        }
    }
    Ok(())
}

/// Says which items differ.
fn same(place: &str, there: &Items, model: &Items) -> Result<()> {
    let ids = there.keys().chain(model.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ: Vec<String> = ids
        .into_iter()
        .filter(|id| there.get(*id) != model.get(*id))
        .map(|id| format!("{id}: {:?} instead of {:?}", there.get(id), model.get(id)))
        .collect();
    ensure!(differ.is_empty(), "{place} differs:\n{}", differ.join("\n"));
    Ok(())
}

async fn worker_stopped_at_random_moments_of_1000_actions(client: Client) -> Result<()> {
    let mut random = Random::seeded();
    let (server, browser, tab) = start_for(client).await?;
    // Quick to commit and to send, so that a stop meets every stage.
    tab.open_client(&server, json!({"debounceMs": 15, "maxWaitMs": 60})).await?;
    let bursts = bursts(&mut random, 1000, 40);
    let mut model = Items::new();
    bursts.iter().for_each(|burst| apply(&mut model, burst));

    tab.eval_with::<()>(&bursts, PLAY).await?;
    let mut stops: Vec<u64> = (0..12).map(|_| random.below(bursts.len() as u64)).collect();
    stops.sort_unstable();
    let mut stopped = 0;
    for at in &stops {
        tab.wait_until(&format!("played >= {at}")).await?;
        stopped += browser.stop_all_workers().await?;
    }
    ensure!(stopped >= 6, "the worker was stopped only {stopped} times in the middle of its work");
    tab.wait_until(&format!("played === {}", bursts.len())).await?;
    tab.flush().await?;
    same("IndexedDB, flushed,", &tab.stored("files").await?, &model)?;
    browser.stop_all_workers().await?;
    tab.eval::<()>("await nf.syncNow();").await?;

    same("Flask", &server.items("files").await?, &model)?;
    same("IndexedDB", &tab.stored("files").await?, &model)?;
    tab.wait_for_rest().await?;
    check_order(&server)
}

/// How many of the bursts that [`PLAY`] dispatched the page knows to be durable, as `window.acked`. What is posted may gather
/// several of them.
const HEAR_ACKS: &str = "
    const posted = [0];
    let durable = 0;
    Object.defineProperty(window, 'acked', {get: () => ends.filter((end) => end <= durable).length});
    const post = ServiceWorker.prototype.postMessage;
    ServiceWorker.prototype.postMessage = function (text) {
        const message = JSON.parse(text);
        if (message.kind === 'actions') posted[message.n] = posted[message.n - 1] + message.actions.length;
        return post.apply(this, arguments);
    };
    const Channel = BroadcastChannel;
    window.BroadcastChannel = class extends Channel {
        constructor(name) {
            super(name);
            this.addEventListener('message', ({data}) => {
                if (data.kind === 'ack') durable = Math.max(durable, posted[data.n]);
            });
        }
    };
";

/// Here nobody is left to send anything again: what is there afterwards was durable when it was acknowledged.
async fn page_and_worker_gone_together_after_an_acknowledgement(client: Client) -> Result<()> {
    let mut random = Random::seeded();
    let (server, browser, tab) = start_for(client).await?;
    tab.before_scripts(HEAR_ACKS).await?;
    let mut model = Items::new();
    for round in 0..5 {
        tab.open_client(&server, json!({"debounceMs": 30, "maxWaitMs": 100})).await?;
        // A page that has read nothing has not seen what earlier ones deleted.
        tab.eval::<()>("await nf.hydrate('files');").await?;
        let bursts = bursts(&mut random, 200, 30);
        tab.eval_with::<()>(&bursts, PLAY).await?;
        let at = 1 + random.below(bursts.len() as u64 - 1);
        tab.wait_until(&format!("acked >= {at}")).await?;
        let acked: usize = tab.eval("return acked;").await?;
        let (gone, stopped) = tokio::join!(biased; tab.goto("about:blank"), browser.stop_all_workers());
        gone?;
        ensure!(stopped? == 1, "the worker ran, and was stopped with its page");

        tab.open_client(&server, json!({"debounceMs": 30, "maxWaitMs": 100})).await?;
        let rows: Vec<(String, Value)> =
            tab.eval("return (await nf.hydrate('files')).map(({id, value}) => [id, value]);").await?;
        let there: Items = rows.into_iter().collect();
        let mut prefixes = Vec::new();
        for (count, burst) in bursts.iter().enumerate() {
            apply(&mut model, burst);
            if count + 1 >= acked {
                prefixes.push(model.clone());
            }
        }
        model = prefixes.into_iter().find(|prefix| *prefix == there).with_context(|| {
            format!("round {round}: {acked} bursts were acknowledged, and there is neither that nor a later state: {there:#?}")
        })?;
    }
    tab.eval::<()>("await nf.syncNow();").await?;
    let arrived = eventually("the server to hold the same", Duration::from_secs(30), async || {
        Ok((server.items("files").await? == model).then_some(()))
    });
    arrived.await?;
    assert_eq!(tab.stored("files").await?, model);
    tab.wait_for_rest().await?;
    // Every life of the page counts its actions anew, so the order of one item's `n` means nothing here.
    server.check_nothing_applied_twice()
}

async fn browser_killed_after_a_flush(client: Client) -> Result<()> {
    let server = Server::start_for(client).await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({})).await?;
    server.stop()?;
    let add: Vec<Value> =
        (0..300).map(|n| json!({"type": "files/addItem", "payload": {"id": n, "text": "kept"}})).collect();
    tab.dispatch(&add).await?;
    tab.flush().await?;
    browser.kill().await?;

    server.start_again().await?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({})).await?;
    server.wait_for_items("files", |files| files.len() == 300).await?;
    tab.wait_for_stored("files", |files| files.len() == 300).await?;
    server.check_nothing_applied_twice()
}

/// With nothing pending and no page open the browser stops the worker: nothing holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_to_do_goes_idle() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.new_tab().await?;
    tab.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": 1}})]).await?;
    server.wait_for_items("files", |files| files.len() == 1).await?;
    tab.close().await?;
    // Chromium stops a worker 30 s after its last event ended.
    let idle = async || {
        let running = browser.running_workers().await?;
        Ok((!running.iter().any(|url| url.contains("/nightferry/sw.js"))).then_some(()))
    };
    let began = std::time::Instant::now();
    eventually("the worker to be stopped for being idle", Duration::from_secs(75), idle).await?;
    println!("idle after {:.1} s", began.elapsed().as_secs_f64());
    let before = server.requests("/nightferry/")?.len();
    assert_eq!(server.items("files").await?.len(), 1);
    assert_eq!(server.requests("/nightferry/")?.len(), before);
    Ok(())
}
