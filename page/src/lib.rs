//! The page's side of Nightferry, for pages that are written in Rust: background sync with a Flask server, carried by a
//! service worker.
//!
//! ```no_run
//! use nightferry_page::{Action, Change, RegisterOptions, dispatch, hydrate, register, subscribe};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Note {
//!     id: String,
//!     text: String,
//! }
//!
//! # async fn example() -> Result<(), nightferry_page::Error> {
//! register(RegisterOptions::new(["notes"])).await?;
//! // Hears changes by other tabs and the server, for as long as `notes` is held.
//! let notes = subscribe("notes", |change: Change<Note>| { /* show change.puts, hide change.deletes */ });
//! for note in hydrate::<Note>("notes").await? { /* show note.value */ }
//! // This page's own change: the page shows it by itself, and Nightferry keeps it.
//! dispatch(&Action::new("notes/addItem", Note { id: "1".into(), text: "Hello".into() }))?;
//! # Ok(())
//! # }
//! ```
//!
//! The functions are those of the JavaScript API (`page/ts/client.ts`), with Rust's names. Values are typed with serde, a
//! listener ends when its [`Subscription`] is dropped, and a failure is an [`Error`]. The Flask extension serves the worker's
//! script; no other files are needed in the browser.
//!
//! # Features
//!
//! `api`, on by default, is this API. `client` is the wasm part of `client.js`, the API for JavaScript.

#[cfg(any(feature = "api", feature = "client"))]
mod connection;
#[cfg(feature = "client")]
mod exports;

#[cfg(feature = "api")]
mod action;
#[cfg(feature = "api")]
mod device;
#[cfg(feature = "api")]
mod error;
#[cfg(feature = "api")]
mod host;
#[cfg(feature = "api")]
mod items;
#[cfg(feature = "api")]
mod listeners;
#[cfg(feature = "api")]
mod page;
#[cfg(feature = "api")]
mod register;
#[cfg(feature = "api")]
mod service_worker;
#[cfg(feature = "api")]
mod subscriptions;
#[cfg(feature = "api")]
mod types;
#[cfg(feature = "api")]
mod users;
#[cfg(feature = "api")]
mod validate;

#[cfg(feature = "api")]
pub use self::{
    action::Action, error::Error, items::*, listeners::Subscription, page::*, register::register, types::*,
    users::*,
};

/// The documents' code compiles.
#[cfg(all(doctest, feature = "api"))]
#[doc = include_str!("../../docs/getting-started.md")]
struct GettingStarted;
