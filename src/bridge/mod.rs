//! The messages between pages and the worker. A page posts JSON text to the worker ([`to_worker`]); the worker
//! broadcasts objects to all pages, or to the one that asked ([`from_worker`]).

pub mod action;
pub mod config;
pub mod from_worker;
pub mod place;
pub mod status;
pub mod to_worker;
pub mod unsent;

/// The bridge's version. Pages and worker are updated at different times, so each reads it before anything else.
pub const BRIDGE: u64 = 1;
