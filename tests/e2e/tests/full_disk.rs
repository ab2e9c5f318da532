//! A disk that is really full: browsers fail then, and do not say why.

use anyhow::Result;
use nightferry_e2e::{Browser, Fault, Profile, Server};
use serde_json::{Value, json};

const FLUSH: &str =
    "return await nf.flushPersistence().then(() => ['done', ''], ({code, message}) => [code, message]);";

fn add(id: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": "x".repeat(1_000_000)}})
}

/// Mounts a disk for the browser's profile, which takes root.
#[tokio::test(flavor = "multi_thread")]
async fn f55_a_full_disk_is_named_also_while_offline_and_room_is_used_when_it_comes() -> Result<()> {
    let server = Server::start().await?;
    let profile = Profile::on_a_disk(150)?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    tab.open_client(&server, json!({"debounceMs": 20})).await?;
    tab.dispatch(&[json!({"type": "files/addItem", "payload": {"id": "before"}})]).await?;
    tab.sync_now().await?;
    server.fault(&[Fault::on("/nightferry/").silent()])?;
    profile.fill()?;
    tab.dispatch(&[add("a"), json!({"type": "files/removeItem", "payload": "before"})]).await?;
    tab.wait_until("nf.getStatus().errorCode === 'storage_full'").await?;
    let error: String = tab.eval("return nf.getStatus().error;").await?;
    assert!(error.contains("no room left") && error.contains("Free some disk space"), "{error}");
    let (code, message): (String, String) = tab.eval(FLUSH).await?;
    assert!(code == "storage" && !message.is_empty(), "{code} {message}");
    tab.dispatch(&[add("b")]).await?;

    profile.make_room()?;
    server.heal()?;
    server.wait_for_items("files", |files| files.keys().eq(["a", "b"])).await?;
    tab.flush().await?;
    tab.wait_until("nf.getStatus().errorCode === null").await?;
    assert_eq!(tab.stored("files").await?.into_keys().collect::<Vec<_>>(), ["a", "b"]);
    Ok(())
}
