//! The page's side of Nightferry: registers the worker, posts bursts of actions, hears what changed. It only posts and
//! receives; what to post again and when is decided by the core's `Session`.
//!
//! `page/ts/client.ts` is the JavaScript API over the exports of [`client`].

mod client;
mod registration;
