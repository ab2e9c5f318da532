//! Settings: what pages register and configure, the object stores that it needs, auto-sync's clock, and the slices that
//! are to be looked through for what the server lacks.
//!
//! ```text
//!           change            stores are missing              added
//!  Stable ─────────► checked ───────────────────► Migrating ─────────► Storing ── durable ──► Stable, in force
//!     ▲                  └──────── none missing ──────────────────────►   │
//!     └──────────────────────────── failed: nothing changed ──────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. Settings are durable before they are in force, and nothing builds on them before that.
//! 2. A change that fails leaves everything as it was.
//! 3. A new database gets its identity with its first registration.
//! 4. A slice that goes to the server again is named until all that the server lacks is marked.

use super::clock::Now;
use super::schedule::Schedule;
use crate::bridge::config::{AutoSync, Settings as Layers, Slices};
use crate::collect;
use crate::json::{number, quoted, read, write};
use crate::store::{Key, SCHEMA, Write};
use crate::units::Tick;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The page that asked for a change, and the change's kind.
#[derive(Debug, Clone)]
pub struct Request {
    pub page: Rc<str>,
    pub number: u64,
    /// It is a registration, not a configuration.
    pub registers: bool,
}

impl Request {
    /// Returns the name of the function that the page called.
    pub fn name(&self) -> &'static str {
        if self.registers { "register()" } else { "The configuration" }
    }
}

/// A change under way.
#[derive(Debug)]
struct Change {
    request: Request,
    layers: Layers,
    slices: Slices,
    auto_sync: AutoSync,
    requeue: Vec<Rc<str>>,
    /// The slice that is being looked through has to be looked through again.
    requeue_again: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Stable,
    /// Object stores are being added.
    Migrating(Box<Change>),
    Storing(Box<Change>),
}

/// The next step of a change.
#[derive(Debug)]
pub enum Next {
    Migrate(Vec<Rc<str>>),
    Store(Vec<Write>),
    /// It is in force already.
    InForce(Request),
}

/// A change came into force.
#[derive(Debug)]
pub struct InForce {
    pub request: Request,
    /// The slices as they were before.
    pub before: Slices,
}

#[derive(Debug, Default)]
pub struct Settings {
    layers: Layers,
    slices: Slices,
    schedule: Schedule,
    stores: BTreeSet<String>,
    phase: Phase,
    /// Names this database: new with each one.
    epoch: Rc<str>,
    /// Its identity is not written yet.
    is_new_database: bool,
    requeue: Vec<Rc<str>>,
    /// The items of the first one that are to be marked; none before it is looked through.
    marking: Option<BTreeSet<Key>>,
}

/// The settings as the database has them.
#[derive(Debug)]
pub struct Stored<'a> {
    pub settings: Option<&'a str>,
    pub requeue: Option<&'a str>,
    pub stores: Vec<String>,
    /// None in a new database.
    pub epoch: Option<Rc<str>>,
}

impl Settings {
    /// Takes up what is stored; `new_epoch` names a new database.
    pub fn recover(stored: Stored, new_epoch: &str, now: Tick) -> Result<Self, String> {
        let layers = match stored.settings {
            Some(text) => Layers::read(text).ok_or("_meta.settings is no object of settings")?,
            None => Layers::default(),
        };
        let (slices, auto_sync) = layers.in_force(&Slices::default())?;
        let mut schedule = Schedule::default();
        schedule.set(&auto_sync, now);
        Ok(Settings {
            layers,
            slices,
            schedule,
            stores: collect::set(stored.stores),
            is_new_database: stored.epoch.is_none(),
            epoch: stored.epoch.unwrap_or_else(|| new_epoch.into()),
            requeue: stored.requeue.and_then(read::<Requeue>).unwrap_or_default().slices,
            ..Settings::default()
        })
    }

    /// The names of all object stores.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        self.stores.iter().map(String::as_str)
    }

    pub fn slices(&self) -> &Slices {
        &self.slices
    }

    /// Returns the text of `_meta.settings`.
    pub fn to_json(&self) -> crate::json::Json {
        self.layers.to_json()
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns true if auto-sync is due; its next period has begun then.
    pub fn is_sync_due(&mut self, now: Tick) -> bool {
        self.schedule.is_due(now)
    }

    pub fn epoch(&self) -> &Rc<str> {
        &self.epoch
    }

    /// Returns true if a page that names this epoch means this database.
    pub fn is_of(&self, epoch: &str) -> bool {
        !self.is_new_database && *self.epoch == *epoch
    }

    /// Returns true if no change is under way.
    pub fn is_stable(&self) -> bool {
        matches!(self.phase, Phase::Stable)
    }

    pub fn is_migrating(&self) -> bool {
        matches!(self.phase, Phase::Migrating(_))
    }

    pub fn is_storing(&self) -> bool {
        matches!(self.phase, Phase::Storing(_))
    }

    /// Registers slices, a JSON object of their settings, and auto-sync, where that is given.
    pub fn register(
        &mut self,
        request: Request,
        slices: &str,
        auto_sync: Option<&str>,
        identity: &[Write],
    ) -> Result<Next, String> {
        let layers = self.layers.register(slices, auto_sync)?;
        self.change(request, layers, identity)
    }

    /// Configures a registered slice or, where none is named, auto-sync.
    pub fn configure(
        &mut self,
        request: Request,
        slice: Option<&str>,
        given: &str,
        identity: &[Write],
    ) -> Result<Next, String> {
        let layers = self.layers.configure(slice, given)?;
        self.change(request, layers, identity)
    }

    fn change(&mut self, request: Request, layers: Layers, identity: &[Write]) -> Result<Next, String> {
        let (slices, auto_sync) = layers.in_force(&self.slices)?;
        let mut requeue = self.requeue.clone();
        let mut requeue_again = false;
        for (name, slice) in slices.iter() {
            let was_off = self.slices.get(name).is_some_and(|before| !before.sync_to_flask);
            if was_off && slice.sync_to_flask {
                requeue_again |= add(&mut requeue, name);
            }
        }
        let missing: Vec<Rc<str>> = slices
            .values()
            .map(|slice| slice.store.clone())
            .filter(|store| !self.stores.contains(&**store))
            .collect();
        let change = Box::new(Change { request, layers, slices, auto_sync, requeue, requeue_again });
        if missing.is_empty() {
            return Ok(self.store(change, identity));
        }
        self.phase = Phase::Migrating(change);
        Ok(Next::Migrate(missing))
    }

    /// The missing stores were added.
    pub fn migrated(&mut self, identity: &[Write]) -> Option<Next> {
        let Phase::Migrating(change) = std::mem::take(&mut self.phase) else { return None };
        self.stores.extend(change.slices.values().map(|slice| slice.store.to_string()));
        Some(self.store(change, identity))
    }

    /// Returns the step that writes a change. `identity` goes along if the database is new.
    fn store(&mut self, change: Box<Change>, identity: &[Write]) -> Next {
        if change.layers == self.layers && !self.is_new_database {
            return Next::InForce(change.request);
        }
        let mut writes = vec![Write::meta("settings", &change.layers.to_json())];
        if !change.requeue.is_empty() {
            writes.push(requeue_row(&change.requeue));
        }
        if self.is_new_database {
            writes.push(Write::meta("schema", &number(SCHEMA)));
            writes.push(Write::meta("epoch", &quoted(&self.epoch)));
            writes.extend_from_slice(identity);
        }
        self.phase = Phase::Storing(change);
        Next::Store(writes)
    }

    /// The change is durable, and in force from now on.
    pub fn stored(&mut self, now: Tick) -> Option<InForce> {
        let Phase::Storing(change) = std::mem::take(&mut self.phase) else { return None };
        self.is_new_database = false;
        self.layers = change.layers;
        self.requeue = change.requeue;
        if change.requeue_again {
            self.marking = None;
        }
        self.schedule.set(&change.auto_sync, now);
        let before = std::mem::replace(&mut self.slices, change.slices);
        Some(InForce { request: change.request, before })
    }

    /// Drops a change that failed, so nothing changed. Returns the request that asked for the change.
    pub fn failed(&mut self) -> Option<Request> {
        match std::mem::take(&mut self.phase) {
            Phase::Migrating(change) | Phase::Storing(change) => Some(change.request),
            Phase::Stable => None,
        }
    }

    /// Has all slices that go to the server looked through. Returns the write that notes these slices, if there are any.
    pub fn requeue_all(&mut self) -> Option<Write> {
        let names = self.slices.iter().filter(|(_, slice)| slice.sync_to_flask);
        let names: Vec<Rc<str>> = names.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return None;
        }
        for name in &names {
            if add(&mut self.requeue, name) {
                self.marking = None;
            }
        }
        let (Phase::Migrating(change) | Phase::Storing(change)) = &mut self.phase else {
            return Some(requeue_row(&self.requeue));
        };
        for name in &names {
            add(&mut change.requeue, name);
        }
        Some(requeue_row(&change.requeue))
    }

    /// The slices that are to be looked through: not all that the server lacks of them is queued.
    pub fn requeued(&self) -> &[Rc<str>] {
        &self.requeue
    }

    /// The slice that is to be looked through now for what the server lacks.
    pub fn slice_to_requeue(&self) -> Option<&Rc<str>> {
        self.requeue.first().filter(|_| self.marking.is_none())
    }

    /// Returns true if a slice is still to be looked through: not all that the server lacks is queued.
    pub fn is_requeueing(&self) -> bool {
        !self.requeue.is_empty()
    }

    /// The slice was looked through, and these items are to be marked. Without items, returns the write that takes the slice
    /// off the list.
    pub fn marking(&mut self, keys: BTreeSet<Key>) -> Option<Write> {
        self.marking = Some(keys);
        self.marked([])
    }

    /// Items were written.
    pub fn marked<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>) -> Option<Write> {
        let left = self.marking.as_mut()?;
        for key in keys {
            left.remove(key);
        }
        if !left.is_empty() {
            return None;
        }
        self.marking = None;
        self.requeue.remove(0);
        Some(match self.requeue.is_empty() {
            true => Write::delete_meta("requeue"),
            false => requeue_row(&self.requeue),
        })
    }

    /// When auto-sync is due.
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.schedule.poll_timeout()
    }

    /// When auto-sync is due, on the wall clock.
    pub fn next_sync_at(&self, now: Now) -> Option<u64> {
        self.schedule.poll_timeout().map(|tick| now.at_tick(tick).0)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Requeue {
    slices: Vec<Rc<str>>,
}

/// Names a slice that is to be looked through. Returns true if it is the one that is looked through now.
fn add(requeue: &mut Vec<Rc<str>>, slice: &Rc<str>) -> bool {
    if !requeue.contains(slice) {
        requeue.push(slice.clone());
        return false;
    }
    requeue.first() == Some(slice)
}

fn requeue_row(slices: &[Rc<str>]) -> Write {
    Write::meta("requeue", &write(&Requeue { slices: slices.to_vec() }))
}

#[cfg(test)]
mod tests;
