//! The harness of the end-to-end tests: real browsers, and a real Flask that fails on demand.
//!
//! ```no_run
//! # use nightferry_e2e::*;
//! # use serde_json::json;
//! # async fn example() -> anyhow::Result<()> {
//! let (server, _browser, tab) = start().await?;
//! tab.goto(&server.url("/__test__/page")).await?;
//! tab.wait_until("window.nf").await?;
//!
//! server.fault(&[Fault::on("/nightferry/push").times(1).drop_answer()])?;
//! tab.eval::<()>("await nf.register({slices: {files: {syncToFlask: true}}});").await?;
//! tab.eval::<()>("nf.dispatch({type: 'files/addItem', payload: {id: 'a', text: 'hello'}});").await?;
//! server.wait_for_items("files", |files| files.get("a") == Some(&json!({"id": "a", "text": "hello"}))).await?;
//! assert_eq!(server.requests("/nightferry/push")?.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Server`] is Flask in a process of its own, with the demo's app: stopped, killed, paused, started again on the same port and data; it
//!   logs every request, and [`Fault`]s are made there.
//! - [`Browser`] runs on a [`Profile`], a folder that outlives it, so that a browser can be closed (or killed) and started again with its data.
//! - [`start`] and [`open_client`] are the beginning of most tests: a server, a browser, and its tab.
//! - [`ReactPage`] is a page with React components on Nightferry.
//! - [`Tab`] runs JavaScript in a page, [`Worker`] in a service worker; neither changes which tab is visible.
//! - [`Device`] and [`Page`] are a browser and a tab of any [`Engine`]: Chromium, Firefox or WebKitGTK. They offer what every
//!   engine has: tabs, navigation and script.
//!
//! Every wait is for a state, with a deadline and an error that says what was there instead. Everything ends when it is dropped, and
//! also when the test's process dies. Each test starts its own server, profile and browser; they share nothing but one chromedriver, and
//! one screen for WebKitGTK.
//!
//! The programs come from `CHROMIUM`, `CHROMEDRIVER`, `FIREFOX`, `WEBKIT_DRIVER`, `XVFB` and `NIGHTFERRY_PYTHON`, which `cargo xtask test e2e`
//! sets, and `MINIBROWSER`, where WebKitGTK's driver does not find it.

mod axe;
pub mod bench;
mod browser;
mod bundle;
mod chromedriver;
mod client;
mod demo;
mod devtools;
mod engines;
mod example;
mod fault;
mod guarded;
mod react;
mod readme;
mod rpc;
mod server;
mod setup;
mod shots;
mod tab;
mod users;
mod vite;
mod wait;

pub use axe::axe_findings;
pub use browser::{Browser, Profile, Worker};
pub use bundle::bundle;
pub use client::Client;
pub use demo::{shows, testid};
pub use engines::{Device, Engine, Page};
pub use example::Example;
pub use fault::Fault;
pub use react::ReactPage;
pub use readme::{document_block, readme_block};
pub use server::{Applied, Request, Server, python};
pub use setup::{open_client, open_client_for, reconnect_in_turn, start, start_for};
pub use shots::{outside, shoot, shoot_into};
pub use tab::Tab;
pub use users::{CHANGES, ids, open_for_user, sign_in, write_as};
pub use vite::{Install, Vite, ViteApp};
pub use wait::{DEADLINE, eventually};

use std::path::Path;

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/e2e is two folders below the root")
}
