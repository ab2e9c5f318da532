//! Users of one browser, who sign in by the cookie `user`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{Browser, Server, Tab};

/// How many changes each of them makes.
pub const CHANGES: usize = 20;

/// Opens a page in a new tab for whoever the cookie says is signed in.
pub async fn open_for_user(browser: &Browser, server: &Server, options: Value) -> Result<Tab> {
    let tab = browser.new_tab().await?;
    tab.load_client(server).await?;
    tab.eval_with::<()>(
        &options,
        "window.received = []; window.codes = [];
         nf.subscribeErrors(({code}) => codes.push(code));
         nf.subscribe('files', ({puts}) => received.push(...puts.map(({id}) => id)));
         await nf.register({slices: {files: {debounceMs: 20}}, ...input});",
    )
    .await?;
    Ok(tab)
}

/// Signs someone in, as the app's own form would, and opens a page of theirs.
pub async fn sign_in(browser: &Browser, server: &Server, user: &str) -> Result<Tab> {
    let tab = browser.new_tab().await?;
    tab.goto(&server.url("/__test__/blank")).await?;
    tab.eval_with::<()>(&json!(user), "document.cookie = `user=${input}; path=/`;").await?;
    open_for_user(browser, server, json!({"user": user})).await
}

pub async fn write_as(tab: &Tab, user: &str) -> Result<()> {
    let add = |n| json!({"type": "files/addItem", "payload": {"id": format!("{user} {n}"), "by": user}});
    tab.dispatch(&(0..CHANGES).map(add).collect::<Vec<_>>()).await?;
    tab.flush().await
}

/// The ids of what a page reads.
pub async fn ids(tab: &Tab) -> Result<Vec<String>> {
    tab.eval("return (await nf.hydrate('files')).map(({id}) => id).sort();").await
}
