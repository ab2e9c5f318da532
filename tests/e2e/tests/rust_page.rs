//! A page in Rust: the example, started as its README says and used as a person uses it; what counts is what Flask has.

use anyhow::Result;
use nightferry_e2e::{Browser, Example, Profile, Tab, shoot};
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

/// Whether Flask has a thing of this name that is packed or not.
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
    tab.wait_until("document.querySelector('.problem')?.textContent.includes('server')").await?;
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
