//! The packing list, whose page is in Rust.

use anyhow::Result;
use nightferry_e2e::{Browser, DEADLINE, Example, Fault, Tab};

use crate::album::{Album, long_texts, lose_the_worker, wait_for_text};

const STATE: &str = ".connection";

pub async fn shoot(album: &Album) -> Result<()> {
    let mut example = tokio::task::block_in_place(|| Example::cargo("rust"))?;
    example.fail_on_demand()?;
    example.start().await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    tab.goto(&example.url()).await?;
    tab.wait_until("document.querySelector('main')?.dataset.phase === 'ready'").await?;
    wait_for_text(&tab, STATE, "Up to date").await?;
    album.add(&tab, "rust-empty").await?;

    for name in ["tent", "lantern", "rope, 20 m"] {
        add(&tab, name).await?;
    }
    for number in [1, 2] {
        tab.click(&format!("li:nth-child({number}) [type=checkbox]")).await?;
    }
    all_are_sent(&tab).await?;
    album.add(&tab, "rust-sent").await?;
    tab.click("li:nth-child(2) .remove").await?;
    tab.wait_until("document.querySelector('.undo')").await?;
    album.add(&tab, "rust-undo").await?;
    tab.click(".undo button").await?;
    all_are_sent(&tab).await?;

    example.fault(&[Fault::on("/nightferry/push").silent()])?;
    for number in 0..8 {
        add(&tab, &format!("crate {number}")).await?;
    }
    wait_for_text(&tab, STATE, "Sending 8").await?;
    album.add(&tab, "rust-sending").await?;
    for _ in 0..8 {
        tab.click("li:last-child .remove").await?;
    }
    tab.click(".undo .close").await?;
    example.fault(&[])?;
    all_are_sent(&tab).await?;

    example.fault(&[Fault::on("/nightferry/").status(503)])?;
    tab.retype("li:last-child .name", "rope, 30 m").await?;
    tab.wait_until_within(
        &format!("document.querySelector('{STATE}').dataset.state === 'saved'"),
        3 * DEADLINE,
    )
    .await?;
    tab.wait_until("document.querySelector('li:last-child').dataset.state === 'local'").await?;
    album.add(&tab, "rust-offline").await?;
    example.fault(&[Fault::on("/nightferry/").status(401)])?;
    wait_for_text(&tab, STATE, "Paused").await?;
    album.add(&tab, "rust-signed-out").await?;
    example.fault(&[])?;
    tab.click(".sync").await?;
    all_are_sent(&tab).await?;

    for name in long_texts() {
        add(&tab, &name).await?;
    }
    tab.click("li:last-child .remove").await?;
    album.add(&tab, "rust-long").await?;
    tab.click(".undo .close").await?;
    all_are_sent(&tab).await?;

    lose_the_worker(&browser, &tab).await?;
    example.stop()?;
    add(&tab, "after the night").await?;
    tab.wait_until_within(
        "document.querySelector('.detail').textContent.startsWith('This page cannot save now')",
        3 * DEADLINE,
    )
    .await?;
    album.add(&tab, "rust-error").await
}

async fn add(tab: &Tab, name: &str) -> Result<()> {
    tab.type_into("form input", name).await?;
    tab.click("form button").await
}

async fn all_are_sent(tab: &Tab) -> Result<()> {
    tab.wait_until(
        "[...document.querySelectorAll('li')].every(({dataset}) => dataset.state === 'synced')
         && document.querySelector('.connection').dataset.state === 'up-to-date'",
    )
    .await
}
