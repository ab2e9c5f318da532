//! Nightferry beside a hand-written reference (`bench/reference.js`), in one Chromium and over several rounds.
//! `cargo xtask bench` runs this.
//!
//! Each round has a Flask and so an origin of its own: both sides begin it with empty databases, and no round pays for what an earlier
//! one left behind. Within a round the sides take turns, and each round begins with the other side. Flask runs and is in reach, and the
//! slice is sent to it, as in real use. Before the reference is measured everything was sent, so it has the machine to itself;
//! Nightferry shares it with Flask. The burst is measured a second time, in a slice that is not sent: that shows the cost of sharing.

mod devices;
mod figures;
mod first_pull;
mod machine;
mod page;
mod scenarios;

pub use figures::Report;

use anyhow::Result;

use crate::{Browser, Profile, Server};
use figures::Figures;
use page::Side;

/// How much is done in a round.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    /// New items of the burst; they are also what is stored at the cold start.
    pub items: usize,
    pub hot_keys: usize,
    pub hot_updates: usize,
    /// A quarter of a second apart.
    pub hot_bursts: usize,
    pub edits: usize,
    /// Changes that another device is to hear of.
    pub pokes: usize,
    /// Conflicts that a device decides.
    pub conflicts: usize,
    /// Items that an empty device pulls.
    pub pulled: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            rounds: 7,
            items: 10_000,
            hot_keys: 10,
            hot_updates: 5_000,
            hot_bursts: 10,
            edits: 200,
            pokes: 100,
            conflicts: 20,
            pulled: 100_000,
        }
    }
}

/// Measures, and says on the way what it does.
pub async fn run(options: Options, progress: impl Fn(&str)) -> Result<Report> {
    let profile = Profile::fresh()?;
    // A page that was left is gone, not kept for the way back: it would share thread and heap with the next one.
    let browser = Browser::start_with(&profile, &["--disable-features=BackForwardCache"]).await?;
    let machine = machine::describe(&browser).await?;
    let mut figures = Figures::default();
    for round in 0..options.rounds {
        let server = Server::start().await?;
        let mut sides = [Side::Reference, Side::Nightferry];
        sides.rotate_left(round % 2);
        let say = |what: &str| progress(&format!("round {} of {}: {what}", round + 1, options.rounds));
        scenarios::round(&browser, &server, sides, &options, &mut figures, say).await?;
        browser.tab().goto(&server.url("/__test__/blank")).await?;
        browser.stop_all_workers().await?;
    }
    progress("edits and writes by Python, until another device has them");
    devices::measure(&options, &mut figures).await?;
    progress(&format!("{} items into an empty device", options.pulled));
    first_pull::measure(&options, &mut figures).await?;
    let report = Report { figures, machine, options };
    browser.close().await?;
    Ok(report)
}
