//! docs/migrating-from-redux-persist.md: its code, type-checked and run on what redux-persist left.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use nightferry_e2e::{Server, Tab, bundle, document_block, root, start};
use serde_json::{Value, json};

const DOCUMENT: &str = "docs/migrating-from-redux-persist.md";

/// The document's modules in a folder, with a page that hands them to the test as `window.app`.
fn written() -> Result<PathBuf> {
    let folder = root().join("target/nightferry/migrating");
    std::fs::create_dir_all(&folder)?;
    for name in ["store.ts", "takeover.ts"] {
        std::fs::write(folder.join(name), document_block(DOCUMENT, name)?)?;
    }
    let page = "import { flushPersistence, syncNow } from \"nightferry/redux\";
        import { notes, store } from \"./store\";
        import { takeOver } from \"./takeover\";
        Object.assign(window, { app: { notes, store, takeOver, flushPersistence, syncNow } });\n";
    let entry = folder.join("migrated.ts");
    std::fs::write(&entry, page)?;
    let page = root().join("page");
    let paths = json!({
        "nightferry/redux": [page.join("ts/redux.ts")],
        "nightferry-client": [page.join("ts/client.ts")],
        "nightferry-wasm": [root().join("target/nightferry/page/nightferry_page.d.ts")],
        "*": [page.join("node_modules/*")],
    });
    let options = json!({
        "target": "es2022", "lib": ["es2022", "dom", "dom.iterable"], "module": "esnext", "moduleResolution": "bundler",
        "types": [], "strict": true, "skipLibCheck": true, "noEmit": true, "paths": paths, "rootDir": root(),
    });
    let project = folder.join("tsconfig.json");
    std::fs::write(&project, json!({"compilerOptions": options, "files": [entry]}).to_string())?;
    let tsc = Command::new(page.join("node_modules/.bin/tsc")).arg("--project").arg(&project).output()?;
    ensure!(tsc.status.success(), "{}", String::from_utf8_lossy(&tsc.stdout));
    Ok(entry)
}

async fn open(tab: &Tab, server: &Server) -> Result<()> {
    tab.goto(&server.url("/__test__/bundled/migrated/")).await?;
    tab.wait_until("window.app").await
}

async fn state(tab: &Tab) -> Result<Value> {
    tab.eval(
        "const {notes, theme} = app.store.getState();
         return [Object.values(notes.entities).map(({text}) => text).sort(), theme];",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redux_persist_left_is_taken_over_once() -> Result<()> {
    bundle("persisted.js")?;
    let entry = tokio::task::block_in_place(written)?;
    bundle(&entry.to_string_lossy())?;
    let (server, browser, tab) = start().await?;
    tab.goto(&server.url("/__test__/bundled/persisted/")).await?;
    tab.wait_until("window.before").await?;
    let items = json!([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]);
    tab.eval_with::<()>(&items, "await before(input, 'dark');").await?;
    let left: String = tab.eval("return localStorage.getItem('persist:root');").await?;
    assert!(left.contains("two"), "{left}");

    // Two tabs at once, as after an update of the app.
    open(&tab, &server).await?;
    let other = browser.new_tab().await?;
    open(&other, &server).await?;
    let take_over = "await app.takeOver();";
    tokio::try_join!(tab.eval::<()>(take_over), other.eval::<()>(take_over))?;
    assert!(tab.eval::<bool>("return localStorage.getItem('persist:root') === null;").await?);
    tab.eval::<()>("await app.store.dispatch(app.syncNow());").await?;
    assert_eq!(state(&tab).await?, json!([["one", "two"], "dark"]));
    let ids: Vec<String> = server.items("notes").await?.into_keys().collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(server.items("theme").await?.is_empty(), "a slice for this device alone");
    other
        .wait_until("app.store.getState().theme === 'dark' && app.store.getState().notes.ids.length === 2")
        .await?;
    other.close().await?;

    // An old copy that is there again changes nothing of what is newer.
    let edit = "app.store.dispatch(app.notes.actions.edited({id: 'a', changes: {text: 'newer'}}));
        await app.store.dispatch(app.flushPersistence()); localStorage.setItem('persist:root', input);";
    tab.eval_with::<()>(&left, edit).await?;
    open(&tab, &server).await?;
    tab.eval::<()>(take_over).await?;
    assert_eq!(state(&tab).await?, json!([["newer", "two"], "dark"]));
    tab.eval::<()>("await app.store.dispatch(app.syncNow());").await?;
    assert_eq!(server.items("notes").await?["a"]["text"], "newer");
    assert_eq!(tab.eval::<Value>("return errors;").await?, json!([]));
    server.check_nothing_applied_twice()
}
