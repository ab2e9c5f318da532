//! Deleted items are forgotten once nothing can refer to them any more.
//!
//! The row of a deleted item keeps its version and its last value: for a page that has not heard of the deletion, for a read
//! replica that lags, for a server that is restored. After 30 days it goes.
//!
//! The age is that of the server's clock. A version tells when its transaction was made, and the newest version that has been
//! pulled tells what time it is at the server. So a device whose clock is wrong forgets nothing early, and one that was away
//! pulls before it forgets. The server remembers its own tombstones for longer (90 days), so an id that is used again is
//! compared with them.
//!
//! The forgotten items stand in a record of the journal, so a replay comes to the same.

use super::Engine;
use super::replay::Missing;
use crate::json::number;
use crate::store::{Forgotten, Pulled, Write};
use crate::units::Version;
use std::rc::Rc;

/// Versions count 1,024 in a ms of the server's clock.
const DAY: u64 = 24 * 3_600_000 * 1_024;
/// A deleted item is remembered for so long.
const REMEMBERED: u64 = 30 * DAY;
/// Tombstones are looked for this often. It takes reading the slices.
const INTERVAL: u64 = 7 * DAY;

impl Engine {
    /// Forgets deleted items that are old enough, once the slices are read for that.
    pub(super) fn forget_tombstones(&mut self) {
        let Some(now) = self.uplink.pulled_through().filter(|now| now.0 >= INTERVAL) else { return };
        if self.forgotten_at.is_none() {
            // A new database has nothing that is old.
            self.forgotten_at = Some(now);
            return self.storage.add_standalone([write(now)]);
        }
        let slices = self.slices_to_search();
        if slices.is_empty() || !slices.iter().all(|slice| self.replica.is_fully_loaded(slice)) {
            return;
        }
        let below = Version(now.0.saturating_sub(REMEMBERED));
        let items = self.replica.tombstones(below, &slices);
        self.forgotten_at = Some(now);
        self.add_in_parts(items, vec![write(now)], |items| Pulled {
            forgotten: Some(Forgotten { below, items }),
            ..Pulled::default()
        });
        self.release_slices();
        self.needs_advance = true;
    }

    /// The slices that are searched for tombstones now.
    pub(super) fn slices_to_search(&self) -> Vec<Rc<str>> {
        let is_due = |(now, last): (Version, Version)| now.0.saturating_sub(last.0) >= INTERVAL;
        let is_due = self.uplink.pulled_through().zip(self.forgotten_at).is_some_and(is_due);
        let is_free = self.uplink.rebuild().is_none() && !self.replay.is_recovering();
        match is_due && is_free {
            true => self.settings.slices().pulled().cloned().collect(),
            false => Vec::new(),
        }
    }

    /// Slices are read fully to be searched.
    pub(super) fn add_searched(&self, missing: &mut Missing) {
        for name in self.slices_to_search().iter().filter(|name| !self.replica.is_fully_loaded(name)) {
            missing.add_slice(name, self.settings.slices());
        }
    }
}

fn write(now: Version) -> Write {
    Write::meta("forgotten", &number(now.0))
}
