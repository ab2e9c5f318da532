//! What goes over the wire, counted at the server: how many bytes, and how many requests.

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, Fault, Request, Server, Tab, open_client};
use serde_json::{Value, json};

fn text(seed: usize, bytes: usize) -> String {
    let words = "calm sea twelve knots a ferry leaves the harbour at night and arrives before anyone is up ";
    words.chars().cycle().skip(seed % words.len()).take(bytes).collect()
}

fn add(id: usize, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

/// Opens a page that has heard from the server.
async fn open() -> Result<(Server, Browser, Tab)> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    Ok((server, browser, tab))
}

fn mutations(push: &Request) -> usize {
    push.body["mutations"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_a_megabyte_arrives_compressed() -> Result<()> {
    let (server, _browser, tab) = open().await?;
    let actions: Vec<Value> = (0..300).map(|id| add(id, &text(id, 3_100))).collect();
    tab.dispatch(&actions).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?, tab.stored("files").await?);
    let pushes = server.requests("/nightferry/push")?;
    let large = pushes.iter().max_by_key(|push| push.bytes).context("a push")?;
    assert_eq!(mutations(large), 300, "all of it goes in one push");
    println!("{} bytes went as {}", large.bytes, large.received);
    assert!(large.bytes > 900_000 && large.received * 4 < large.bytes, "{large:?}");
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_field_of_a_large_item_costs_less_than_a_kilobyte() -> Result<()> {
    let (server, _browser, tab) = open().await?;
    let large = json!({"id": 1, "title": "Trip", "text": text(0, 100_000)});
    tab.dispatch(&[json!({"type": "files/addItem", "payload": large})]).await?;
    tab.sync_now().await?;
    let before = server.requests("/nightferry/")?.len();
    let update = json!({"id": 1, "title": "Our trip"});
    tab.dispatch(&[json!({"type": "files/updateItem", "payload": update})]).await?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?["1"]["title"], "Our trip");
    let requests = server.requests("/nightferry/")?.split_off(before);
    let pushes: Vec<&Request> = requests.iter().filter(|request| request.path.ends_with("/push")).collect();
    assert_eq!(pushes.len(), 1);
    let all: usize = requests.iter().map(|request| request.received).sum();
    println!("the change went as {} bytes; with the pulls and probes beside it, {all}", pushes[0].received);
    assert!(all < 1_000, "{requests:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_take_a_gzip_gets_none() -> Result<()> {
    for status in [415, 400] {
        let (server, _browser, tab) = open().await?;
        server.fault(&[Fault::on("/nightferry/").zipped().status(status)])?;
        for id in 0..3 {
            tab.dispatch(&[add(id, &text(0, 10_000))]).await?;
            tab.sync_now().await?;
        }
        assert_eq!(server.items("files").await?.len(), 3);
        let pushes = server.requests("/nightferry/push")?;
        let statuses: Vec<_> = pushes.iter().map(|push| push.status).collect();
        let (refused, taken) = (Some(status), Some(200));
        assert_eq!(statuses, [refused, taken, taken, taken], "it is tried once in the worker's life");
        assert_eq!(pushes[0].body, pushes[1].body);
        server.check_nothing_applied_twice()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_items_go_in_at_most_25_requests() -> Result<()> {
    let (server, _browser, tab) = open().await?;
    let add = "for (let id = 0; id < 10_000; id++) nf.dispatch({type: 'files/addItem', payload: {id, text: input}});
        await nf.syncNow();";
    tab.eval_with::<()>(&text(0, 200), add).await?;
    assert_eq!(server.items("files").await?.len(), 10_000);
    let pushes = server.requests("/nightferry/push")?;
    let sizes: Vec<usize> = pushes.iter().map(mutations).collect();
    println!("{} pushes of {sizes:?}", pushes.len());
    assert_eq!(sizes.iter().sum::<usize>(), 10_000);
    assert!(pushes.len() <= 25, "{sizes:?}");
    Ok(())
}
