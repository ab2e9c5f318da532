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
//! // What other tabs and the server change, for as long as this is held.
//! let notes = subscribe("notes", |change: Change<Note>| { /* show change.puts, hide change.deletes */ });
//! for note in hydrate::<Note>("notes").await? { /* show note.value */ }
//! // What this page changes: it shows that by itself, and Nightferry keeps it.
//! dispatch(&Action::new("notes/addItem", Note { id: "1".into(), text: "Hello".into() }))?;
//! # Ok(())
//! # }
//! ```
//!
//! The calls are those of the JavaScript API (`page/ts/client.ts`), in Rust's spelling: values are typed with serde, what
//! listens ends when its [`Subscription`] is dropped, what fails says so in an [`Error`]. The worker's script is served by
//! the Flask extension; nothing else of the browser's files is needed.
//!
//! # Features
//!
//! `api`, on by default, is all of this. `client` is what `client.js`, the API for JavaScript, is made of.

#[cfg(any(feature = "api", feature = "client"))]
mod connection;
#[cfg(feature = "client")]
mod exports;

#[cfg(feature = "api")]
mod action;
#[cfg(feature = "api")]
mod error;
#[cfg(feature = "api")]
mod gather;
#[cfg(feature = "api")]
mod heard;
#[cfg(feature = "api")]
mod items;
#[cfg(feature = "api")]
mod listeners;
#[cfg(feature = "api")]
mod page;
#[cfg(feature = "api")]
mod refuse;
#[cfg(feature = "api")]
mod register;
#[cfg(feature = "api")]
mod registration;
#[cfg(feature = "api")]
mod types;

#[cfg(feature = "api")]
pub use self::{
    action::Action, error::Error, items::*, listeners::Subscription, page::*, register::register, types::*,
};

/// The documents' code compiles.
#[cfg(all(doctest, feature = "api"))]
#[doc = include_str!("../../docs/getting-started.md")]
struct GettingStarted;
