//! The versions of the server's one tenant, and what becomes of them: given, forgotten with the horizon, gone with a restored
//! backup.

use super::{Answered, Row, Server};
use crate::actions::Key;
use crate::property::{Property, violated};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every version up to this one is known from the start: what a test puts there before a run.
const BEFORE: u64 = 1_000;

#[derive(Debug, Clone)]
pub struct History {
    /// The newest version that is visible.
    pub last: u64,
    /// Versions up to this one need not be known any more, and tombstones of them are gone.
    pub forgotten_through: u64,
    /// Versions up to this one are known though nobody gave them.
    known_through: u64,
    given: BTreeSet<u64>,
}

impl Default for History {
    fn default() -> Self {
        History { last: BEFORE, forgotten_through: 0, known_through: BEFORE, given: BTreeSet::new() }
    }
}

impl History {
    /// A history without any version.
    pub fn empty() -> History {
        History { last: 0, forgotten_through: 0, known_through: 0, given: BTreeSet::new() }
    }

    /// The history as it was at this version.
    pub fn back_to(mut self, version: u64) -> History {
        self.last = version;
        self.given.retain(|given| *given <= version);
        self
    }

    /// Returns true if this history can tell that the version is its own, or need not any more.
    pub fn knows(&self, version: u64) -> bool {
        version <= self.forgotten_through.max(self.known_through) || self.given.contains(&version)
    }

    /// A transaction of this version becomes visible.
    pub fn commit(&mut self, version: u64) {
        self.last = self.last.max(version);
        self.given.insert(version);
    }
}

/// The server's database as it once was.
#[derive(Debug, Clone)]
pub struct Backup {
    pub items: BTreeMap<Key, Row>,
    pub history: History,
    clients: BTreeMap<(String, String), Answered>,
}

impl Backup {
    /// A database with these items, in which no push was answered.
    pub fn of(items: BTreeMap<Key, Row>, history: History) -> Backup {
        Backup { items, history, clients: BTreeMap::new() }
    }
}

impl Server {
    /// A version that no other history of the server has: its clock has gone on since any backup.
    pub fn new_version(&mut self) -> u64 {
        self.newest_given = self.newest_given.max(self.history.last) + 1;
        self.newest_given
    }

    /// Returns true if the device was answered with a version that this history does not know.
    pub(super) fn is_of_another_history(&self, history: &History, body: &Value) -> bool {
        let answered = body["answered"].as_u64();
        let is_unknown = answered.is_some_and(|answered| !history.knows(answered));
        if is_unknown && self.is_strict && !self.was_set_back {
            violated(Property::Wire, format!("{answered:?} was never given"));
        }
        is_unknown
    }

    /// So much time passes in which nothing is written: versions follow the server's clock.
    pub fn pass_time(&mut self, ms: u64) {
        self.newest_given = self.newest_given.max(self.history.last) + ms * 1_024;
    }

    /// Copies the database.
    pub fn back_up(&self) -> Backup {
        Backup { items: self.items.clone(), history: self.history.clone(), clients: self.clients.clone() }
    }

    /// The database becomes what it was; later changes are gone.
    pub fn restore_backup(&mut self, backup: Backup) {
        let Backup { items, history, clients } = backup;
        self.items = items;
        self.history = history;
        self.clients = clients;
        self.lock = None;
        self.sent.clear();
        self.was_set_back = true;
    }

    /// The database is lost, and an empty one takes its place.
    pub fn wipe(&mut self) {
        self.restore_backup(Backup::of(BTreeMap::new(), History::empty()));
    }

    /// The horizon passes all that happened up to this version: tombstones are collected, and versions and the answers to
    /// old pushes are forgotten.
    pub fn forget_through(&mut self, version: u64) {
        let history = &mut self.history;
        history.forgotten_through = history.forgotten_through.max(version.min(history.last));
        let forgotten = history.forgotten_through;
        history.given.retain(|given| *given > forgotten);
        self.items.retain(|_, row| row.value.is_some() || row.version > forgotten);
    }
}
