//! The core of Nightferry: what the page, the worker and the server say to each other, and the engine that decides
//! what the worker does. Nothing in here performs I/O, reads a clock, draws a random number or knows a browser.
//!
//! # The control loop
//!
//! A worker drives the [`engine::Engine`] like this:
//!
//! 1. Open the database, read its system stores, and build the engine from that [`store::Snapshot`].
//! 2. When anything happens (a page's message, a finished transaction, an HTTP answer, a timer), call
//!    [`engine::Engine::handle`] with the present [`engine::Moment`] and the matching [`engine::Input`].
//! 3. Call [`engine::Engine::poll`] and perform each [`engine::Output`], until it answers [`engine::Output::Wait`] with
//!    the next deadline and its reason. Come back by then with [`engine::Input::Timeout`], or earlier with what happened.
//!
//! The result of an output is reported by a later input; the order of outputs is the order to start them in. State that
//! decides anything after a restart is in the store, so the loop may be killed at any point and begun again.
//!
//! # Layers
//!
//! `engine → bridge → protocol`: the engine speaks to pages through [`bridge`] and to the server through [`protocol`];
//! [`client`] is the page's side of the bridge;
//! [`store`] is the contract with the database, [`rebase`](mod@rebase) merges two edits of a value, [`json`] is the one
//! notion of a value, [`units`] keeps unlike numbers apart.

pub mod bridge;
pub mod client;
mod collect;
pub mod engine;
pub mod json;
pub mod protocol;
pub mod rebase;
pub mod store;
pub mod units;

/// Identifies this build; page and worker exchange it. Stamped by `build.rs`.
pub const BUILD: &str = match option_env!("NIGHTFERRY_BUILD") {
    Some(build) => build,
    None => "unstamped",
};
