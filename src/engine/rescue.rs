//! Saves what a living worker has in memory of a database that was deleted under it, and begins a new database with
//! that.

use super::{Engine, replay};
use crate::bridge::config::Slices;
use crate::json::{number, quoted, write};
use crate::store::{SCHEMA, Write};
use std::rc::Rc;

/// The beginning of a new database.
#[derive(Debug)]
pub struct Rescue {
    /// The object stores of its slices.
    pub stores: Vec<Rc<str>>,
    /// The writes of the new database, in one transaction.
    pub writes: Vec<Write>,
}

impl Engine {
    /// Names the database that the engine is about; none before its first registration.
    pub fn epoch(&self) -> Option<Rc<str>> {
        let epoch = self.settings.epoch();
        self.settings.is_of(epoch).then(|| epoch.clone())
    }

    /// Returns what a new database is begun with: the settings, and every item that is in memory because something is going
    /// on with it. Items at rest were in the old database alone; of those in slices that are synced the server has a copy.
    pub fn rescue(&mut self) -> Rescue {
        let slices: Slices = self.settings.slices().clone();
        while let Some(record) = self.replay.next_record() {
            // Items that are not in memory are not anywhere any more.
            self.replica.apply(&record, true, self.now, &slices);
        }
        // The server's answers are known, though their record is not durable.
        for record in self.journal.unwritten_answers() {
            if let Some((record, _)) = replay::parse(&record, &slices) {
                self.replica.apply(&record, true, self.now, &slices);
            }
        }
        let mut writes = vec![
            Write::meta("schema", &number(SCHEMA)),
            Write::meta("epoch", &quoted(&self.rng.id())),
            Write::meta("client", &quoted(&self.rng.id())),
            Write::meta("position", &number(self.journal.last().0)),
            Write::meta("settings", &self.settings.to_json()),
        ];
        writes.extend(self.uplink.user_write());
        writes.push(Write::meta("left", &write(&self.left)));
        if self.tokens.are_used() {
            writes.push(Write::meta("tokens", "true"));
        }
        if let Some(principal) = self.uplink.principal() {
            writes.push(Write::meta("principal", &quoted(principal)));
        }
        self.replica.rescue(self.uplink.operations(), &slices, &mut writes);
        Rescue { stores: slices.values().map(|slice| slice.store.clone()).collect(), writes }
    }
}
