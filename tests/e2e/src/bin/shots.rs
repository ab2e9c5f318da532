//! Screenshots of the demo with a few files in it: phone and desktop, light and dark. `cargo xtask shots` runs this.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nightferry_e2e::{Browser, Profile, Server, Tab};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let into = PathBuf::from(std::env::args().nth(1).context("say into which folder")?);
    let server = Server::start().await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    fill(&tab, &server).await?;
    tab.goto(&server.url("/")).await?;
    tab.wait_until("document.body.innerText.includes('ferry.py')").await?;
    for (device, width, height) in [("phone", 390, 844), ("desktop", 1280, 800)] {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            let file = into.join(format!("{device}-{scheme}.png"));
            tab.screenshot(&file, width, height, dark).await?;
            println!("{}", file.display());
        }
    }
    let said: Vec<String> = browser.console().into_iter().filter(|line| !line.starts_with("log: ")).collect();
    if !said.is_empty() {
        println!("the consoles say:\n  {}", said.join("\n  "));
    }
    browser.close().await
}

/// A few files, as the demo itself would add them, on the server and on this device.
async fn fill(tab: &Tab, server: &Server) -> Result<()> {
    let texts = [
        ("README.md", "# Harbour\n\nTimes of the night ferries.\n"),
        ("harbour/ferry.py", "def departs(at):\n    return at.hour >= 22\n"),
        ("harbour/timetable.json", "{\"lisbon\": \"22:40\", \"porto\": \"23:55\"}\n"),
        ("notes/crossing.txt", "Calm sea, twelve knots.\n"),
    ];
    let files: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, (path, content))| {
            json!({"id": format!("shot-{n}"), "path": path, "content": content,
                "size": content.len(), "modifiedAt": 1_790_000_000_000_u64})
        })
        .collect();
    tab.goto(&server.url("/__test__/page")).await?;
    tab.wait_until("window.nf").await?;
    tab.eval::<()>("await nf.register({slices: {files: {syncToFlask: true}}});").await?;
    let add = "for (const payload of input) nf.dispatch({type: 'files/addItem', payload}); await nf.flushPersistence();";
    tab.eval_with::<()>(&files, add).await?;
    server.wait_for_items("files", |held| held.len() == files.len()).await.map(drop)
}
