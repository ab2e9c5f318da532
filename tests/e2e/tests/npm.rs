//! The npm package in a Vite app outside the repository, set up as docs/getting-started.md says.

use anyhow::Result;
use nightferry_e2e::{Browser, Install, Profile, Server, Tab, Vite, ViteApp, root};
use serde_json::json;

/// Opens the app, and waits until its notes are there.
async fn open(tab: &Tab, vite: &Vite) -> Result<()> {
    tab.goto(&vite.url("/")).await?;
    tab.wait_until("document.querySelector('main')?.dataset.phase === 'ready'").await
}

async fn add(tab: &Tab, text: &str) -> Result<()> {
    tab.type_into("input", text).await?;
    tab.click("button").await
}

/// Clicks one of the buttons of a note.
async fn of_note(tab: &Tab, text: &str, button: &str) -> Result<()> {
    let mark = "for (const note of document.querySelectorAll('li')) note.id = note.querySelector('span').textContent === input ? 'chosen' : '';";
    tab.eval_with::<()>(&text, mark).await?;
    tab.click(&format!("#chosen {button}")).await
}

async fn shows(tab: &Tab, notes: &[&str]) -> Result<()> {
    let shown = "[...document.querySelectorAll('li span')].map((note) => note.textContent).sort()";
    tab.wait_until(&format!("JSON.stringify({shown}) === {}", json!(json!(notes).to_string()))).await
}

async fn has(server: &Server, notes: &[&str]) -> Result<()> {
    let texts = |items: &std::collections::BTreeMap<String, serde_json::Value>| {
        let mut texts: Vec<String> =
            items.values().map(|note| note["text"].as_str().unwrap_or_default().to_string()).collect();
        texts.sort();
        texts
    };
    server.wait_for_items("notes", |items| texts(items) == notes).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_built_redux_app_persists_syncs_and_rehydrates() -> Result<()> {
    let server = Server::start().await?;
    let app = tokio::task::block_in_place(|| {
        let app = ViteApp::install(Install::Copied)?;
        app.use_flask(&server.origin())?;
        app.build()?;
        anyhow::Ok(app)
    })?;
    let vite = app.serve("preview").await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    open(&tab, &vite).await?;
    add(&tab, "one").await?;
    has(&server, &["one"]).await?;
    tab.reload().await?;
    shows(&tab, &["one"]).await?;
    // An item that came out of the store is changed field by field, by actions that Nightferry does not know.
    of_note(&tab, "one", ".edit").await?;
    has(&server, &["one!"]).await?;
    add(&tab, "gone").await?;
    has(&server, &["gone", "one!"]).await?;
    of_note(&tab, "gone", ".remove").await?;
    has(&server, &["one!"]).await?;

    // With Flask down, what is written stays, also over the browser's end.
    server.stop()?;
    add(&tab, "two").await?;
    shows(&tab, &["one!", "two"]).await?;
    tab.wait_until("document.querySelector('main').dataset.connection === 'local-only'").await?;
    let sentence = format!("Flask does not answer at {}. Start it", server.origin());
    tab.wait_until(&format!("document.querySelector('output').textContent.includes({})", json!(sentence)))
        .await?;
    browser.close().await?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    open(&tab, &vite).await?;
    shows(&tab, &["one!", "two"]).await?;
    server.start_again().await?;
    has(&server, &["one!", "two"]).await?;
    tab.wait_until("document.querySelector('main').dataset.pending === '0'").await?;
    server.check_nothing_applied_twice()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_package_in_development_and_its_command() -> Result<()> {
    let server = Server::start().await?;
    let app = tokio::task::block_in_place(|| {
        let app = ViteApp::install(Install::Linked)?;
        copies_the_browsers_files(&app)?;
        app.use_flask(&server.origin())?;
        anyhow::Ok(app)
    })?;
    let vite = app.serve("dev").await?;
    let profile = Profile::fresh()?;
    let browser = Browser::start(&profile).await?;
    let tab = browser.tab();
    open(&tab, &vite).await?;
    add(&tab, "one").await?;
    has(&server, &["one"]).await?;
    tab.reload().await?;
    shows(&tab, &["one"]).await
}

/// The package's command.
fn copies_the_browsers_files(app: &ViteApp) -> Result<()> {
    app.npm(&["exec", "--", "nightferry", "copy", "copied"])?;
    for name in ["sw.js", "sw.wasm", "client.js", "client.wasm", "dashboard.js"] {
        let copied = std::fs::read(app.path().join("copied").join(name))?;
        assert_eq!(copied, std::fs::read(root().join("dist/npm").join(name))?, "{name}");
    }
    let refused = app.npm(&["exec", "--", "nightferry", "copy", "index.html"]).unwrap_err().to_string();
    assert!(
        refused.contains("index.html is a file, not a folder. Name another one; nothing was copied."),
        "{refused}"
    );
    Ok(())
}
