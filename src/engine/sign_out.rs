//! Signing out: everything that the database has goes from this device in one transaction, and a new engine begins in the place of
//! this one. Pages of the database that was are told, late ones when they say something.
//!
//! ```text
//!  Running ── asked, all before it in effect ──► SigningOut ── durable ──► a new engine, whose epoch is another
//!     ▲                                              └───── failed: nothing changed ────► Running
//! ```
//!
//! # Invariants
//!
//! 1. What only this device has goes only if the page says so.
//! 2. From the moment when the transaction begins, the engine writes nothing else.
//! 3. A message for the database that was is refused for good: its epoch is kept in `_meta.left`.

use super::clients::{Waiter, Wants};
use super::storage::Purpose;
use super::{Engine, Input, Moment, Output, Phase};
use crate::bridge::from_worker::{self, To};
use crate::json::{number, write};
use crate::store::{SYSTEM_STORES, Snapshot, StoreError, Write};
use std::rc::Rc;

/// So many ended epochs are remembered.
const MOST_LEFT: usize = 20;

impl Engine {
    /// Begins to empty the database, unless it has something that no one else has.
    pub(super) fn sign_out(&mut self, waiter: Waiter) {
        let Waiter { page, request, wants, .. } = waiter;
        let discard = matches!(wants, Wants::SignOut { discard: true });
        let unsent = self.replica.unsent(self.settings.slices()).len();
        if self.uplink.rebuild().is_some() && unsent == 0 && !discard {
            let text = "This device is comparing everything with the server, so it is not known yet whether something is here only, and nothing was deleted. Try again when it is done, or sign out without it (discard: true).";
            return self.clients.fail(&page, Some(request), "unsent", text);
        }
        if unsent > 0 && !discard {
            let (changes, are) = if unsent == 1 { ("change", "is") } else { ("changes", "are") };
            let text = format!(
                "{unsent} {changes} {are} on this device only, and nothing was deleted. Wait until everything is sent, save the {changes} as a file (exportUnsent), or sign out without (discard: true)."
            );
            return self.clients.fail(&page, Some(request), "unsent", &text);
        }
        let mut stores: Vec<Rc<str>> = SYSTEM_STORES.map(Rc::from).to_vec();
        stores.extend(self.settings.stores().filter(|name| !SYSTEM_STORES.contains(name)).map(Rc::from));
        let mut writes: Vec<Write> = stores.into_iter().map(|store| Write::Clear { store }).collect();
        writes.extend(self.kept_rows().iter().map(|(name, row)| Write::meta(name, row)));
        self.store(Purpose::SignOut, writes);
        self.phase = Phase::SigningOut { page, request };
    }

    /// The rows of `_meta` that stay: whose the database is, which epochs have ended, and where the journal's numbers go on.
    fn kept_rows(&self) -> Vec<(String, String)> {
        let mut left = self.left.clone();
        left.push(self.settings.epoch().clone());
        left.drain(..left.len().saturating_sub(MOST_LEFT));
        let user = self.uplink.user().map(|user| ("user".into(), write(&user)));
        let position = number(self.journal.last().0).to_string();
        user.into_iter().chain([("left".into(), write(&left)), ("position".into(), position)]).collect()
    }

    /// The database is empty, or that failed.
    pub(super) fn signed_out(&mut self, result: Result<(), StoreError>) {
        let Phase::SigningOut { page, request } = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        if let Err(error) = result {
            let text = format!(
                "The browser's database failed ({}), and nothing was deleted. Close other tabs of this site and try again.",
                error.message
            );
            return self.clients.fail(&page, Some(request), "storage", &text);
        }
        let stores = self.settings.stores().map(str::to_owned).collect();
        let snapshot = Snapshot { stores, meta: self.kept_rows(), ..Snapshot::default() };
        let moment = Moment { tick: self.now.tick, at: self.now.at, entropy: self.rng.next() };
        let Ok(engine) = Engine::new(moment, snapshot) else { return };
        let epoch = self.settings.epoch().clone();
        let former = std::mem::replace(self, engine);
        (self.place, self.last_id) = (former.place, former.last_id.max(self.last_id));
        // What was asked of the former engine is of no use to the new one.
        let is_of_page = |input: &Input| matches!(input, Input::Message(_) | Input::BackgroundSync);
        self.deferred = former.deferred.into_iter().filter(is_of_page).collect();
        let begun = std::mem::replace(&mut self.outputs, former.outputs);
        let in_flight = former.uplink.request_in_flight();
        self.outputs.extend(in_flight.map(|request| Output::Cancel { request }));
        self.outputs.push_back(Output::CloseLive);
        // It answers the page's request, too.
        self.outputs.push_back(Output::Post { to: To::All, message: from_worker::signed_out(&epoch) });
        self.outputs.extend(begun);
    }
}
