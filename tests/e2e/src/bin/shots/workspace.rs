//! The workspace with React and Redux.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Example, Fault, Tab};
use serde_json::{Value, json};

use crate::album::{Album, decision, long_texts, lose_the_worker, press, wait_for_text};

const STATE: &str = ".badge";

pub async fn shoot(album: &Album) -> Result<()> {
    let mut example = tokio::task::block_in_place(|| Example::npm("react-redux"))?;
    example.fail_on_demand()?;
    example.start().await?;
    let browser = Browser::start_fresh_with(&["--window-size=1280,800"]).await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until_within("document.querySelector('.app')?.dataset.phase === 'ready'", 3 * DEADLINE).await?;
    wait_for_text(&tab, STATE, "Up to date").await?;
    album.add(&tab, "react-redux-empty").await?;

    for kind in ["files", "components", "componentTrees", "workflows", "lambdas", "models"] {
        tab.click(&format!("nav [data-kind={kind}]")).await?;
        tab.click(".add").await?;
    }
    tab.retype(".rename", "Ship").await?;
    tab.retype(".editor textarea", "name: text\nberth: number\n").await?;
    all_are_sent(&tab).await?;
    album.add(&tab, "react-redux-sent").await?;
    tab.click(STATE).await?;
    dashboard_says(&tab, "Up to date").await?;
    album.add(&tab, "react-redux-dashboard").await?;
    tab.click(STATE).await?;
    tab.click(".list li .icon").await?;
    album.add(&tab, "react-redux-undo").await?;
    tab.click(".undo button").await?;
    tab.click(".list li .open").await?;
    all_are_sent(&tab).await?;

    example.fault(&[Fault::on("/nightferry/push").silent()])?;
    for _ in 0..8 {
        tab.click(".add").await?;
    }
    wait_for_text(&tab, STATE, "Sending 8").await?;
    tab.click(".list li:last-child .open").await?;
    album.add(&tab, "react-redux-sending").await?;
    for _ in 0..8 {
        tab.click(".list li:first-child .icon").await?;
    }
    tab.click(".undo .icon").await?;
    example.fault(&[])?;
    tab.click(".sync").await?;
    all_are_sent(&tab).await?;

    let before = example.items("models").await?;
    let (id, ship): (&String, &Value) = before.iter().next().expect("there is a ship");
    example.fault(&[Fault::on("/nightferry/").status(503)])?;
    tab.click(".list li .open").await?;
    tab.retype(".rename", "Ferry").await?;
    tab.wait_until_within("document.querySelector('.badge').dataset.state === 'saved'", 3 * DEADLINE).await?;
    tab.wait_until("document.querySelector('.list li').dataset.progress === 'local'").await?;
    album.add(&tab, "react-redux-offline").await?;
    tab.click(STATE).await?;
    dashboard_says(&tab, "Saved on this device").await?;
    album.add(&tab, "react-redux-dashboard-offline").await?;
    tab.click(STATE).await?;
    let mut theirs = ship.clone();
    theirs["name"] = json!("Night ferry");
    example.put("", "models", id, &theirs).await?;
    example.fault(&[])?;
    tab.click(".sync").await?;
    wait_for_text(&tab, STATE, "Needs you (1)").await?;
    tab.click(".list li .open").await?;
    album.add(&tab, "react-redux-conflict").await?;
    let conflicts = decide(&tab, "conflicts").await?;
    album.add(&tab, "react-redux-conflict-decide").await?;
    press(&tab, &conflicts, &["All theirs", "Save"]).await?;
    tab.click("nav [data-kind=models]").await?;
    all_are_sent(&tab).await?;

    tab.click(".list li .open").await?;
    tab.retype(".rename", "forbidden").await?;
    wait_for_text(&tab, STATE, "Needs you (1)").await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    album.add(&tab, "react-redux-refused").await?;
    let refusals = decide(&tab, "refusals").await?;
    album.add(&tab, "react-redux-refused-decide").await?;
    press(&tab, &refusals, &["Discard", "Yes, discard it"]).await?;
    tab.click("nav [data-kind=models]").await?;
    all_are_sent(&tab).await?;

    let [words, letters] = long_texts();
    tab.click(".add").await?;
    tab.retype(".rename", &letters).await?;
    tab.retype(".editor textarea", &format!("{words}\n{letters}")).await?;
    tab.click(".add").await?;
    tab.retype(".rename", "forbidden at length").await?;
    wait_for_text(&tab, STATE, "Needs you (1)").await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    tab.click(".list li:last-child .open").await?;
    album.add(&tab, "react-redux-long").await?;
    let refusals = decide(&tab, "refusals").await?;
    album.add(&tab, "react-redux-long-decide").await?;
    press(&tab, &refusals, &["Discard", "Yes, discard it"]).await?;
    tab.click("nav [data-kind=models]").await?;
    tab.click(".list li:last-child .icon").await?;
    tab.click(".undo .icon").await?;
    all_are_sent(&tab).await?;

    example.fault(&[Fault::on("/nightferry/push").status(401)])?;
    tab.click(".list li .open").await?;
    tab.retype(".rename", "Evening ferry").await?;
    wait_for_text(&tab, STATE, "Paused").await?;
    tab.wait_until("document.querySelector('.nightferry-toast')").await?;
    album.add(&tab, "react-redux-signed-out").await?;
    example.fault(&[])?;
    tab.click(".sync").await?;
    all_are_sent(&tab).await?;

    lose_the_worker(&browser, &tab).await?;
    example.stop()?;
    tab.retype(".rename", "Morning ferry").await?;
    tab.wait_until_within(
        "document.querySelector('.nightferry-toast')?.textContent.includes('cannot save now')",
        3 * DEADLINE,
    )
    .await?;
    album.add(&tab, "react-redux-error").await
}

async fn all_are_sent(tab: &Tab) -> Result<()> {
    tab.wait_until(
        "[...document.querySelectorAll('.list li')].every(({dataset}) => dataset.progress === 'synced')
         && document.querySelector('.badge').dataset.state === 'up-to-date'",
    )
    .await
}

async fn dashboard_says(tab: &Tab, title: &str) -> Result<()> {
    let shown = "document.querySelector('nightferry-dashboard')?.shadowRoot?.querySelector('.state strong')";
    tab.wait_until(&format!("{shown}?.textContent === {}", json!(title))).await
}

/// Opens the decisions. Returns the JavaScript of the element's shadow root.
async fn decide(tab: &Tab, element: &str) -> Result<String> {
    tab.click(".decide").await?;
    decision(tab, element).await
}
