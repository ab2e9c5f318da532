//! The dashboard and the toasts, in a page of the tests.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Fault, ReactPage, Server, Tab};
use serde_json::{Value, json};

use crate::album::{Album, long_texts, lose_the_worker, press};

pub async fn shoot(album: &Album) -> Result<()> {
    let server = Server::start().await?;
    let browser = Browser::start_fresh().await?;
    let page = ReactPage::open(browser.tab(), &server).await?;
    let tab = &page.tab;
    page.show(&["dashboard", "toasts"]).await?;
    says(tab, "Paused").await?;
    album.add(tab, "dashboard-not-started").await?;
    page.register(json!({"debounceMs": 20})).await?;
    says(tab, "Up to date").await?;
    album.add(tab, "dashboard-empty").await?;

    let items: Vec<Value> = (0..40).map(|number| add(&format!("item {number}"), "calm")).collect();
    for items in items.chunks(4) {
        tab.dispatch(items).await?;
        tab.flush().await?;
    }
    server.wait_for_items("files", |files| files.len() == 40).await?;
    says(tab, "Up to date").await?;
    album.add(tab, "dashboard-sent").await?;

    server.fault(&[Fault::on("/nightferry/push").silent()])?;
    tab.dispatch(&(40..70).map(|number| add(&format!("item {number}"), "many")).collect::<Vec<_>>()).await?;
    says(tab, "Sending 30").await?;
    album.add(tab, "dashboard-sending").await?;
    server.heal()?;
    sync(tab).await?;
    says(tab, "Up to date").await?;

    server.fault(&[Fault::on("/nightferry/push").status(503)])?;
    tab.dispatch(&[edit("item 1", json!({"text": "mine"}))]).await?;
    says(tab, "Saved on this device").await?;
    album.add(tab, "dashboard-offline").await?;
    server.put_from_python("files", "item 1", &json!({"id": "item 1", "text": "theirs"})).await?;
    server.heal()?;
    sync(tab).await?;
    says(tab, "Needs you (1)").await?;
    tab.wait_until(&format!("{}?.querySelector('article')", inner("conflicts"))).await?;
    album.add(tab, "dashboard-conflict").await?;
    press(tab, &inner("conflicts"), &["All mine", "Save"]).await?;
    says(tab, "Up to date").await?;

    tab.dispatch(&[edit("item 2", json!({"name": "forbidden"}))]).await?;
    tab.wait_until(&format!("{}?.querySelector('article')", inner("refusals"))).await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    album.add(tab, "dashboard-refused").await?;
    press(tab, &inner("refusals"), &["Discard", "Yes, discard it"]).await?;
    says(tab, "Up to date").await?;
    tab.wait_until("!document.querySelector('.nightferry-toast')").await?;

    let [words, letters] = long_texts();
    tab.dispatch(&[edit("item 3", json!({"name": "forbidden at length", "text": letters, "story": words}))])
        .await?;
    tab.wait_until(&format!("{}?.querySelector('article')", inner("refusals"))).await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    album.add(tab, "dashboard-long").await?;
    press(tab, &inner("refusals"), &["Discard", "Yes, discard it"]).await?;
    says(tab, "Up to date").await?;
    tab.wait_until("!document.querySelector('.nightferry-toast')").await?;

    server.fault(&[Fault::on("/nightferry/push").status(401)])?;
    tab.dispatch(&[edit("item 4", json!({"text": "later"}))]).await?;
    says(tab, "Paused").await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    album.add(tab, "dashboard-signed-out").await?;
    server.heal()?;
    sync(tab).await?;
    says(tab, "Up to date").await?;

    lose_the_worker(&browser, tab).await?;
    server.kill()?;
    tab.dispatch(&[edit("item 5", json!({"text": "lost?"}))]).await?;
    tab.wait_until_within(
        "document.querySelector('.nightferry-toast')?.textContent.includes('cannot save now')",
        3 * DEADLINE,
    )
    .await?;
    album.add(tab, "dashboard-error").await
}

fn add(id: &str, text: &str) -> Value {
    json!({"type": "files/addItem", "payload": {"id": id, "text": text}})
}

fn edit(id: &str, mut fields: Value) -> Value {
    fields["id"] = json!(id);
    json!({"type": "files/updateItem", "payload": fields})
}

/// The first attempt may meet a connection that the server has just closed.
async fn sync(tab: &Tab) -> Result<()> {
    tab.eval("await nf.syncNow().catch(() => nf.syncNow());").await
}

async fn says(tab: &Tab, title: &str) -> Result<()> {
    let shown = "document.querySelector('nightferry-dashboard')?.shadowRoot?.querySelector('.state strong')";
    tab.wait_until(&format!("{shown}?.textContent === {}", json!(title))).await
}

/// JavaScript: an element in the dashboard's.
fn inner(element: &str) -> String {
    format!(
        "document.querySelector('nightferry-dashboard').shadowRoot.querySelector('nightferry-{element}')?.shadowRoot"
    )
}
