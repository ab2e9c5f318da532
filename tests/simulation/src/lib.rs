//! A simulator in virtual time: one device (pages, worker, database), a network and a server, faults at each boundary
//! between them, and a reference model beside. See README.md.
//!
//! The same world serves the core's own tests in `tests/`, which set up one situation and look at it, and
//! [`Scenario`](scenario::Scenario), which draws everything that a device goes through from a seed.

pub mod actions;
mod channels;
pub mod disk;
pub mod fault_rates;
pub mod fleet;
mod invariants;
pub mod kinds;
pub mod model;
mod network;
pub mod page;
mod page_view;
mod pages;
pub mod profile;
pub mod property;
mod quiescent_checks;
mod rng;
pub mod scenario;
pub mod server;
pub mod shrink;
pub mod trace;
pub mod users;
mod worker;
mod workload;
mod world;
pub mod writes;

pub use rng::Rng;
pub use world::World;
