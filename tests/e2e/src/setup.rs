//! The beginning of most tests: a server, and a browser with one tab. Bound in this order, the tab and the browser end before the
//! server.

use anyhow::Result;
use serde_json::Value;

use crate::{Browser, Client, Server, Tab};

/// Starts a server, and a browser on a profile of its own.
pub async fn start() -> Result<(Server, Browser, Tab)> {
    start_for(Client::JavaScript).await
}

/// The same, for pages on that client.
pub async fn start_for(client: Client) -> Result<(Server, Browser, Tab)> {
    let server = Server::start_for(client).await?;
    let browser = Browser::start_fresh().await?;
    let tab = browser.tab();
    Ok((server, browser, tab))
}

/// Starts a server and a browser, whose tab has the client's page with the slice `files` registered with these settings.
pub async fn open_client(files: Value) -> Result<(Server, Browser, Tab)> {
    open_client_for(Client::JavaScript, files).await
}

/// The same, for pages on that client.
pub async fn open_client_for(client: Client, files: Value) -> Result<(Server, Browser, Tab)> {
    let (server, browser, tab) = start_for(client).await?;
    tab.open_client(&server, files).await?;
    Ok((server, browser, tab))
}

/// Starts the stopped server again and lets `first` send all it has while the other browser's worker reaches nothing; then the other.
pub async fn reconnect_in_turn(server: &Server, first: &Tab, other: (&Browser, &Tab)) -> Result<()> {
    let (browser, tab) = other;
    let worker = browser.worker("sw.js").await?;
    worker.offline(true).await?;
    server.start_again().await?;
    first.sync_now().await?;
    worker.offline(false).await?;
    worker.detach().await?;
    tab.sync_now().await
}
