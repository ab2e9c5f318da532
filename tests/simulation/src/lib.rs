//! A simulator in virtual time: one device (pages, worker, database), a network and a server, faults at each boundary
//! between them, and a reference model beside. See README.md.
//!
//! The same world serves the core's own tests in `tests/`, which set up one situation and look at it, and
//! [`Life`](life::Life), which makes a whole life of a device from a seed.

pub mod actions;
mod converged;
mod dice;
pub mod disk;
pub mod kinds;
pub mod life;
mod mirror;
pub mod model;
mod network;
pub mod page;
mod pages;
mod post;
pub mod profile;
pub mod property;
pub mod server;
pub mod trace;
mod watch;
pub mod weather;
mod worker;
mod workload;
mod world;

pub use dice::Dice;
pub use world::World;
