//! The harness does what it says; and an example of its use.

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, DEADLINE, Fault, Profile, Server, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_and_logs() -> Result<()> {
    let server = Server::start().await?;
    server.get("/nightferry/health").await?;
    let requests = server.requests("/nightferry/health")?;
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].status), ("GET", Some(200)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_again_on_the_same_port_with_the_same_data() -> Result<()> {
    let server = Server::start().await?;
    let before = server.url("/nightferry/health");
    server.get("/nightferry/health").await?;
    server.stop()?;
    assert!(server.get("/nightferry/health").await.is_err(), "a stopped server refuses connections");
    server.start_again().await?;
    server.get("/nightferry/health").await?;
    server.kill()?;
    server.start_again().await?;
    server.get("/nightferry/health").await?;
    assert_eq!(before, server.url("/nightferry/health"));
    assert_eq!(server.requests("/nightferry/health")?.len(), 3, "the log is of all its lives");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_accepts_and_does_not_answer() -> Result<()> {
    let server = Server::start().await?;
    server.pause()?;
    let url = server.url("/nightferry/health");
    let asked = tokio::spawn(async move { reqwest::get(url).await.map(|answer| answer.status()) });
    let address = format!("127.0.0.1:{}", server.url("").rsplit(':').next().unwrap_or_default());
    tokio::net::TcpStream::connect(address).await?;
    assert!(!asked.is_finished());
    server.resume()?;
    assert_eq!(asked.await??, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_made_as_asked() -> Result<()> {
    let server = Server::start().await?;
    let health = "/nightferry/health";

    server.fault(&[Fault::on(health).times(1).status(503).retry_after(7)])?;
    let answer = reqwest::get(server.url(health)).await?;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(reqwest::get(server.url(health)).await?.status(), 200, "it was to fail once");

    server.fault(&[Fault::on(health).html()])?;
    let answer = reqwest::get(server.url(health)).await?;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await?.starts_with("<!doctype html>"));

    server.fault(&[Fault::on(health).drop_answer()])?;
    assert!(reqwest::get(server.url(health)).await.is_err());

    server.fault(&[Fault::on("/static/").cut_answer()])?;
    let cut = reqwest::get(server.url("/static/index.html")).await?;
    assert_eq!(cut.status(), 200, "the head of the answer arrives");
    assert!(cut.bytes().await.is_err(), "its body does not");

    server.fault(&[Fault::on(health).silent()])?;
    let url = server.url(health);
    let asked = tokio::spawn(async move { reqwest::get(url).await.is_ok() });
    server
        .wait_for_requests(health, |all| all.iter().any(|one| one.fault.as_deref() == Some("silent")))
        .await?;
    assert!(!asked.is_finished());
    server.heal()?;
    assert!(!asked.await?, "a healed connection is closed, not answered");

    let kinds: Vec<_> = server.requests(health)?.into_iter().map(|request| request.fault).collect();
    let expected =
        [Some("status"), None, Some("html"), Some("drop"), Some("silent")].map(|kind| kind.map(String::from));
    assert_eq!(kinds, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_runs_scripts_and_tells_what_they_throw() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&server.url("/__test__/blank")).await?;
    let value: Value = tab.eval("return {title: document.title, secure: isSecureContext};").await?;
    assert_eq!(value, json!({"title": "blank", "secure": true}));
    let doubled: Vec<u64> = tab.eval_with(&[1, 2, 3], "return input.map((n) => n * 2);").await?;
    assert_eq!(doubled, [2, 4, 6]);
    let thrown = tab.eval::<()>("throw new TypeError('not so');").await.unwrap_err();
    assert!(format!("{thrown:#}").contains("TypeError: not so"), "{thrown:#}");
    tab.eval::<()>("setTimeout(() => (window.later = true), 50);").await?;
    tab.wait_until("window.later").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tab_hides_the_first() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let first = browser.tab();
    first.goto(&server.url("/__test__/blank")).await?;
    let second = browser.new_tab().await?;
    second.goto(&server.url("/__test__/blank?second")).await?;
    first.wait_until("document.visibilityState === 'hidden'").await.context("after a new tab was opened")?;
    let at: String = first.eval("return location.search;").await?;
    assert_eq!(at, "", "each tab runs its own scripts");
    first.show().await?;
    second.wait_until("document.visibilityState === 'hidden'").await?;
    second.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_outlives_its_browser() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    browser.tab().goto(&server.url("/__test__/blank")).await?;
    let write = "const open = indexedDB.open('kept'); await new Promise((done) => {
        open.onupgradeneeded = () => open.result.createObjectStore('notes').put('hello', 'a');
        open.onsuccess = done; });";
    browser.tab().eval::<()>(write).await?;
    browser.close().await?;

    let browser = Browser::start(&profile).await?;
    browser.tab().goto(&server.url("/__test__/blank")).await?;
    let names: Vec<String> =
        browser.tab().eval("return (await indexedDB.databases()).map((one) => one.name);").await?;
    assert_eq!(names, ["kept"]);
    browser.kill().await?;

    let browser = Browser::start(&profile).await?;
    browser.tab().goto(&server.url("/__test__/blank")).await?;
    let names: Vec<String> =
        browser.tab().eval("return (await indexedDB.databases()).map((one) => one.name);").await?;
    assert_eq!(names, ["kept"]);
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_reached_and_stopped() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.goto(&server.url("/__test__/blank")).await?;
    tab.eval::<()>(
        "await navigator.serviceWorker.register('worker.js'); await navigator.serviceWorker.ready;",
    )
    .await?;
    let worker = browser.worker("/__test__/worker.js").await?;
    let scope: String = worker.eval("return registration.scope;").await?;
    assert_eq!(scope, server.url("/__test__/"));
    browser.stop_all_workers().await?;
    assert!(!worker.is_running().await?);

    browser.fire_background_sync(&scope, "any", false).await?;
    let script = server.url("/__test__/worker.js");
    let woken = async || Ok((browser.running_workers().await? == [script.as_str()]).then_some(()));
    eventually("the worker to be woken by a sync event", DEADLINE, woken).await
}
