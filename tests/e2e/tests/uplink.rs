//! The requests that a server counts while it, or a proxy before it, does not accept them (f45 to f51).

use std::time::{Duration, Instant};

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Fault, Server, Tab, eventually, open_client};
use serde_json::{Value, json};

fn add(id: u64, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

/// The time for which a test watches the requests.
const WINDOW: Duration = Duration::from_secs(10);

/// Everything that wakes a worker, again and again: Background Sync, `online`, another tab that opens, and a check by the page.
async fn background_sync(browser: &Browser, server: &Server, tab: &Tab) -> Result<()> {
    let scope = server.url("/nightferry/");
    let began = Instant::now();
    while began.elapsed() < WINDOW {
        browser.fire_background_sync(&scope, "nightferry", false).await?;
        browser.fire_periodic_sync(&scope, "nightferry").await?;
        let answered = "dispatchEvent(new Event('online')); dispatchEvent(new Event('focus'));
            await nf.flushPersistence();";
        tab.eval::<()>(answered).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

fn pushes(server: &Server) -> Result<usize> {
    Ok(server.requests("/nightferry/push")?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_no_wake_shortens_a_wait_that_the_server_asked_for() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/").status(503).retry_after(40)])?;
    tab.dispatch(&[add(1, "one")]).await?;
    server.wait_for_requests("/nightferry/push", |pushes| pushes.len() == 1).await?;
    tab.wait_until("nf.getStatus().error !== null").await?;
    let before = server.requests("/nightferry/")?.len();
    background_sync(&browser, &server, &tab).await?;
    tab.dispatch(&[add(2, "two")]).await?;
    tab.flush().await?;
    // The worker's life ends and begins; the wait goes on.
    browser.stop_all_workers().await?;
    browser.fire_background_sync(&server.url("/nightferry/"), "nightferry", false).await?;
    tab.flush().await?;
    let asked: Vec<String> =
        server.requests("/nightferry/")?[before..].iter().map(|request| request.path.clone()).collect();
    let api: Vec<&String> = asked.iter().filter(|path| !path.contains("sw.")).collect();
    assert!(api.is_empty(), "nothing is asked of a server that asked to be left alone: {api:?}");

    server.heal()?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 2);
    // The one that had failed, as it was, and what came meanwhile.
    assert_eq!(pushes(&server)?, 3, "a person shortens the wait, and all goes at once");
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_no_push_is_repeated_to_a_server_that_asks_for_a_sign_in() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/").status(401)])?;
    let text = "x".repeat(1000);
    tab.dispatch(&(0..200).map(|id| add(id, &text)).collect::<Vec<_>>()).await?;
    tab.wait_until("nf.getStatus().error?.includes('Sign in again')").await?;
    background_sync(&browser, &server, &tab).await?;
    let refused = server.requests("/nightferry/push")?;
    assert_eq!(refused.len(), 1, "{} bytes", refused.iter().map(|push| push.bytes).sum::<usize>());
    server.heal()?;
    tab.sync_now().await?;
    assert_eq!(server.items("files").await?.len(), 200);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f46_health_that_answers_makes_no_push_more_frequent() -> Result<()> {
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    for fault in [Fault::on("/nightferry/push").html(), Fault::on("/nightferry/push").status(503)] {
        let (before, text) = (server.requests("/nightferry/push")?.len(), "x".repeat(1000));
        server.fault(&[fault])?;
        tab.eval::<()>(
            "window.connections = []; let last = nf.getStatus().connection;
             window.end = nf.subscribeStatus(({connection}) => { if (connection !== last) connections.push(last = connection); });",
        )
        .await?;
        tab.dispatch(&(0..300).map(|id| add(id, &format!("{before} {text}"))).collect::<Vec<_>>()).await?;
        server.wait_for_requests("/nightferry/push", |pushes| pushes.len() > before).await?;
        background_sync(&browser, &server, &tab).await?;
        let failed = server.requests("/nightferry/push")?.split_off(before);
        let bytes: usize = failed.iter().map(|push| push.bytes).sum();
        // Waits of at most 1, 2, 4 and 8 s; and from the second failure on only a part is sent.
        assert!(failed.len() <= 9 && bytes < 2_000_000, "{} pushes, {bytes} bytes", failed.len());
        let connections: Vec<String> = tab.eval("end(); return connections;").await?;
        assert!(connections.len() <= 1, "the status stays: {connections:?}");
        assert!(tab.eval::<bool>("return nf.getStatus().error !== null;").await?);
        server.heal()?;
        tab.sync_now().await?;
    }
    assert_eq!(server.items("files").await?, tab.stored("files").await?);
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f47_a_firewall_that_dislikes_one_text_holds_up_nothing_else() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    server.fault(&[Fault::on("/nightferry/push")
        .with_word("DROP TABLE")
        .status(403)
        .body("<h1>Blocked</h1>")])?;
    let mut actions: Vec<Value> = (0..20).map(|id| add(id, "harmless")).collect();
    actions.insert(7, add(20, "how to DROP TABLE"));
    tab.dispatch(&actions).await?;
    let others = async || Ok((server.items("files").await?.len() == 20).then_some(()));
    eventually("the twenty others to arrive", Duration::from_secs(40), others).await?;
    assert!(!server.items("files").await?.contains_key("20"));
    tab.wait_until("nf.getStatus().error?.includes('files \"20\"')").await?;
    assert_eq!(tab.stored("files").await?["20"]["text"], "how to DROP TABLE", "it is kept");
    let sent = pushes(&server)?;
    assert!(sent <= 16, "{sent} pushes to find one of 21");

    tab.dispatch(&[add(20, "how to remove a table")]).await?;
    server.wait_for_items("files", |files| files.len() == 21).await?;
    tab.wait_until("nf.getStatus().pending === 0 && nf.getStatus().error === null").await?;
    server.check_nothing_applied_twice()
}

/// Text that no compression makes smaller by much.
fn noise(id: u64, length: usize) -> String {
    let mut state = id + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..length).map(|_| next()).filter(|letter| !matches!(letter, '"' | '\\')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f48_on_a_slow_line_everything_arrives_in_smaller_parts() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.fault(&[Fault::on("/nightferry/push").slow_line(12_000)])?;
    tab.eval::<()>("window.said = new Set(); nf.subscribeStatus(({error}) => said.add(error ?? ''));")
        .await?;
    tab.dispatch(&(0..75).map(|id| add(id, &noise(id, 4_000))).collect::<Vec<_>>()).await?;
    // 300 KB take 25 s on this line, and the first request has 16 s.
    tab.wait_until("nf.getStatus().error?.includes('connection may be slow')").await?;
    assert!(server.items("files").await?.is_empty(), "nothing of it took effect");
    let arrived = async || Ok((server.items("files").await?.len() == 75).then_some(()));
    eventually("all to arrive in smaller parts", Duration::from_secs(90), arrived).await?;
    tab.wait_until("nf.getStatus().pending === 0 && nf.getStatus().error === null").await?;
    let said: Vec<String> = tab.eval("return [...said];").await?;
    assert!(said.iter().any(|text| text.contains("The connection to the server is slow.")), "{said:?}");
    let pushes = server.requests("/nightferry/push")?;
    let first = pushes[0].bytes;
    assert!(first > 250_000 && pushes[0].status.is_none(), "{first} bytes");
    assert!(
        pushes[1..].iter().all(|push| push.bytes < first * 2 / 3 && push.status == Some(200)),
        "{pushes:#?}"
    );
    let sent: usize = pushes.iter().map(|push| push.bytes).sum();
    assert!(sent < first * 9 / 4, "{sent} bytes for {first}");
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f49_a_size_that_is_too_large_is_remembered() -> Result<()> {
    const LIMIT: usize = 100_000;
    let (server, browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    server.fault(&[Fault::on("/nightferry/push").above(LIMIT).status(413)])?;
    let text = "x".repeat(4_000);
    tab.dispatch(&(0..200).map(|id| add(id, &text)).collect::<Vec<_>>()).await?;
    let arrived = async || Ok((server.items("files").await?.len() == 200).then_some(()));
    eventually("all to arrive in small requests", Duration::from_secs(40), arrived).await?;
    let refused =
        |pushes: &[nightferry_e2e::Request]| pushes.iter().filter(|push| push.status == Some(413)).count();
    let pushes = server.requests("/nightferry/push")?;
    let learnt = refused(&pushes);
    assert!(pushes.iter().all(|push| push.bytes <= 1_000_000));
    assert!((1..=5).contains(&learnt), "{learnt} were too large");
    let first_taken = pushes.iter().position(|push| push.status == Some(200)).unwrap_or_default();
    assert_eq!(refused(&pushes[first_taken..]), 0, "once it is learnt, no request is too large");

    // It is remembered across the worker's lives.
    tab.wait_until("nf.getStatus().pending === 0").await?;
    browser.stop_all_workers().await?;
    tab.dispatch(&(200..300).map(|id| add(id, &text)).collect::<Vec<_>>()).await?;
    eventually("more to arrive", Duration::from_secs(40), async || {
        Ok((server.items("files").await?.len() == 300).then_some(()))
    })
    .await?;
    assert_eq!(refused(&server.requests("/nightferry/push")?), learnt);

    // One item that is too large by itself waits, is named with its size, and holds up no other.
    tab.dispatch(&[add(1000, &"y".repeat(150_000)), add(1001, "small")]).await?;
    server.wait_for_items("files", |files| files.contains_key("1001")).await?;
    tab.wait_until("/files \"1000\".* is 15\\d{4} bytes/.test(nf.getStatus().error)").await?;
    assert!(!server.items("files").await?.contains_key("1000"));
    server.heal()?;
    tab.sync_now().await?;
    assert!(server.items("files").await?.contains_key("1000"));
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f50_once_the_server_is_back_all_goes_at_once() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.wait_until("nf.getStatus().connection === 'online'").await?;
    server.stop()?;
    for id in 0..10 {
        tab.dispatch(&[add(id, "made while it was down")]).await?;
        tab.flush().await?;
    }
    tab.wait_until("nf.getStatus().connection === 'local-only'").await?;
    assert_eq!(pushes(&server)?, 0);
    server.start_again().await?;
    let arrived = async || Ok((!server.items("files").await?.is_empty()).then_some(()));
    eventually("its own retry", Duration::from_secs(60), arrived).await?;
    server.wait_for_items("files", |files| files.len() == 10).await?;
    let sent = pushes(&server)?;
    assert!(sent <= 2, "ten changes in {sent} requests");
    server.check_nothing_applied_twice()
}

/// The wall clock is set back while the worker lives: what waits does not wait for the hour to come again.
#[tokio::test(flavor = "multi_thread")]
async fn f51_a_clock_that_is_set_back_delays_nothing() -> Result<()> {
    let (server, browser, tab) = open_client(json!({})).await?;
    tab.dispatch(&[add(1, "before")]).await?;
    server.wait_for_items("files", |files| files.len() == 1).await?;
    let worker = browser.worker("/nightferry/sw.js").await?;
    worker.eval::<()>("const now = Date.now.bind(Date); Date.now = () => now() - 3_600_000;").await?;
    let began = Instant::now();
    tab.dispatch(&[add(2, "after")]).await?;
    tab.wait_until("nf.getStatus().pending > 0").await?;
    let stored = async || Ok(tab.stored("files").await?.contains_key("2").then_some(()));
    eventually("the edit to be committed", DEADLINE, stored).await?;
    server.wait_for_items("files", |files| files.len() == 2).await?;
    println!("committed and sent {:.1} s later", began.elapsed().as_secs_f64());
    // An hour later by the clock, as at the end of summer.
    worker.eval::<()>("const back = Date.now; Date.now = () => back() + 7_200_000;").await?;
    tab.dispatch(&[add(3, "later")]).await?;
    server.wait_for_items("files", |files| files.len() == 3).await?;
    assert!(worker.is_running().await?, "all that was one worker");
    tab.wait_until("nf.getStatus().pending === 0 && nf.getStatus().error === null").await?;
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn f67_a_redirect_of_an_identity_proxy_is_a_session_that_is_over() -> Result<()> {
    let (server, _browser, tab) = open_client(json!({"debounceMs": 20})).await?;
    tab.sync_now().await?;
    // Another origin, and a page of this one.
    for location in ["https://sign-in.example/", "/__test__/blank"] {
        server.fault(&[Fault::on("/nightferry/p").redirects(location)])?;
        tab.dispatch(&[add(1, location)]).await?;
        tab.eval::<()>("await nf.syncNow().catch(() => {});").await?;
        let status: Value = tab.eval("return nf.getStatus();").await?;
        assert_eq!(status["errorCode"], "unauthenticated", "{status}");
        assert!(status["error"].as_str().is_some_and(|error| error.contains("sign in")), "{status}");
        let before = pushes(&server)?;
        tab.dispatch(&[add(2, location)]).await?;
        tab.flush().await?;
        assert_eq!(pushes(&server)?, before, "nothing is sent until somebody has signed in");
        server.heal()?;
        tab.sync_now().await?;
        assert_eq!(server.items("files").await?.len(), 2);
    }
    Ok(())
}
