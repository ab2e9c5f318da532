//! Settings: what pages register and configure. They are stored before they are in force, and nothing builds on them
//! before that. Then a switch takes effect at once, also on what is waiting.

use super::items::Pending;
use super::{Engine, Output, Phase};
use crate::bridge::config::{AutoSync, Settings, Slices};
use crate::bridge::down::{self, To};
use crate::json::{number, quoted, read, shared, write};
use crate::store::{Key, META, RowKey, SCHEMA, StoreError, Write};
use crate::table::Set;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// A registration or configuration under way.
#[derive(Debug)]
pub(super) struct Change {
    page: Rc<str>,
    request: u64,
    registers: bool,
    settings: Settings,
    slices: Slices,
    auto_sync: AutoSync,
    /// Slices whose items have to be looked through for what the server lacks.
    requeue: Vec<Rc<str>>,
    /// The first of them has to be looked through again.
    again: bool,
}

impl Engine {
    pub(super) fn register(&mut self, page: Rc<str>, request: u64, slices: &str, auto_sync: Option<&str>) {
        let settings = self.settings.register(slices, auto_sync);
        self.change_settings(page, request, true, settings);
    }

    pub(super) fn configure(&mut self, page: Rc<str>, request: u64, slice: Option<&str>, given: &str) {
        let settings = self.settings.configure(slice, given);
        self.change_settings(page, request, false, settings);
    }

    fn change_settings(
        &mut self,
        page: Rc<str>,
        request: u64,
        registers: bool,
        settings: Result<Settings, String>,
    ) {
        let checked = settings.and_then(|settings| Ok((settings.in_force(&self.slices)?, settings)));
        let ((slices, auto_sync), settings) = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                let text = format!("{} was refused: {reason}. Nothing was changed.", name_of(registers));
                return self.post(To::page(&page), down::failed(Some(request), "bad_config", &text));
            }
        };
        let mut requeue = self.requeue.clone();
        let mut again = false;
        for (name, slice) in slices.iter() {
            let was_off = self.slices.get(name).is_some_and(|before| !before.sync_to_flask);
            if was_off && slice.sync_to_flask {
                again |= requeue.first() == Some(name);
                if !requeue.contains(name) {
                    requeue.push(name.clone());
                }
            }
        }
        let mut stores = Vec::new();
        for slice in slices.values() {
            if !self.stores.iter().any(|store| **store == *slice.store) {
                stores.push(slice.store.clone());
            }
        }
        let change = Change { page, request, registers, settings, slices, auto_sync, requeue, again };
        if stores.is_empty() {
            return self.keep(change);
        }
        self.outputs.push(Output::Migrate { stores });
        self.phase = Phase::Migrating(change);
    }

    pub(super) fn migrated(&mut self, result: Result<(), StoreError>) {
        let Phase::Migrating(change) = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        match result {
            Ok(()) => {
                for slice in change.slices.values() {
                    self.stores.push(slice.store.to_string());
                }
                self.keep(change);
            }
            Err(error) => self.change_failed(&change, &error),
        }
    }

    fn keep(&mut self, change: Change) {
        if change.settings == self.settings && !self.fresh {
            return self.confirm(&change);
        }
        let mut writes = vec![Write::meta("settings", &change.settings.to_json())];
        if !change.requeue.is_empty() {
            writes.push(requeue_row(&change.requeue));
        }
        if self.fresh {
            writes.push(Write::meta("schema", &number(SCHEMA)));
            writes.push(Write::meta("epoch", &quoted(&self.epoch)));
            writes.push(Write::meta("client", &quoted(&self.lane.client)));
        }
        let txn = self.number();
        self.outputs.push(Output::Store { txn, writes });
        self.phase = Phase::Registering(txn, change);
    }

    pub(super) fn kept(&mut self, result: Result<(), StoreError>) {
        let Phase::Registering(_, change) = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        match result {
            Ok(()) => {
                self.fresh = false;
                self.put_in_force(&change);
                self.confirm(&change);
            }
            Err(error) => self.change_failed(&change, &error),
        }
    }

    fn confirm(&mut self, change: &Change) {
        let to = To::page(&change.page);
        if change.registers {
            self.lane.contact = true;
            self.post(to, down::registered(change.request, &self.epoch));
        } else {
            self.post(to, down::done(change.request));
        }
        self.reports.repeat();
    }

    fn change_failed(&mut self, change: &Change, error: &StoreError) {
        let text = format!(
            "{} could not be kept in the browser's database: {}. Close other tabs of this site and reload.",
            name_of(change.registers),
            error.message
        );
        self.post(To::page(&change.page), down::failed(Some(change.request), "storage", &text));
    }

    fn put_in_force(&mut self, change: &Change) {
        self.settings = change.settings.clone();
        let before = std::mem::replace(&mut self.slices, change.slices.clone());
        self.requeue = change.requeue.clone();
        if change.again {
            self.requeueing = None;
        }
        self.schedule.set(&change.auto_sync, self.now);
        self.release_held();
        for (name, slice) in change.slices.iter() {
            let switched = before.get(name).is_some_and(|before| before.sync_to_flask != slice.sync_to_flask);
            if switched && self.reports.watched.contains_key(name) {
                let unfinished = self.unfinished(name);
                self.post(To::All, down::pending(name, true, &unfinished));
            }
            let mut waiting = Vec::new();
            for (key, item) in self.items.of(name) {
                if let Some(pending) = &item.pending {
                    waiting.push((key.clone(), pending.due(pending.at, slice)));
                }
            }
            for (key, due) in waiting {
                self.items.debounce.change(&key, due, self.now);
            }
        }
    }

    /// What was held while its slice was disabled becomes pending once the slice is enabled.
    pub(super) fn release_held(&mut self) {
        let enabled = |slice: &str| self.slices.get(slice).is_some_and(|slice| slice.enabled);
        for key in self.items.held(&enabled) {
            let item = self.items.change(&key);
            if item.pending.is_none() && item.committing.is_none() {
                item.pending = item.held.clone().map(|held| Pending { positions: Vec::new(), ..held });
            }
            if item.pending.is_some() {
                self.items.debounce.set(&key, self.now);
            }
        }
    }

    /// Looks through slices that go to the server again for what it lacks: their items are read, and those are committed
    /// anew, which queues them.
    pub(super) fn requeue(&mut self) {
        let Some(name) = self.requeue.first().filter(|_| self.requeueing.is_none()).cloned() else { return };
        let Some(slice) = self.slices.get(&name) else { return };
        if !slice.sync_to_flask {
            return self.requeued(&name);
        }
        if !self.items.is_whole(&name) {
            return self.fold.want_whole(&name);
        }
        let mut found = Set::default();
        for key in self.items.unknown_to_server(&name, &self.outbox) {
            let now = self.now;
            let item = self.items.change(&key);
            item.pending = Some(Pending {
                value: item.stored.clone(),
                at: now,
                since: now,
                position: item.position,
                positions: Vec::new(),
                made: false,
            });
            self.items.debounce.set(&key, now);
            found.insert(key, 0);
        }
        self.requeueing = Some(found);
        self.fold.unwant_whole(&name);
        self.fold.forget_wholes(&mut self.items);
        self.requeue_committed(&[]);
    }

    /// Items were committed; those that were looked for are in the outbox now.
    pub(super) fn requeue_committed(&mut self, keys: &[Key]) {
        let Some(left) = &mut self.requeueing else { return };
        for key in keys {
            left.remove(key);
        }
        if let (true, Some(name)) = (left.is_empty(), self.requeue.first().cloned()) {
            self.requeued(&name);
        }
    }

    fn requeued(&mut self, name: &Rc<str>) {
        self.requeue.retain(|other| other != name);
        self.requeueing = None;
        self.owed.push(match self.requeue.is_empty() {
            true => Write::delete(META, RowKey::Text(shared("requeue"))),
            false => requeue_row(&self.requeue),
        });
    }
}

fn name_of(registers: bool) -> &'static str {
    if registers { "register()" } else { "The configuration" }
}

#[derive(Serialize, Deserialize, Default)]
struct Requeue {
    slices: Vec<Rc<str>>,
}

fn requeue_row(slices: &[Rc<str>]) -> Write {
    Write::meta("requeue", &write(&Requeue { slices: slices.to_vec() }))
}

/// Reads what [`requeue_row`] wrote.
pub fn read_requeue(row: &str) -> Vec<Rc<str>> {
    read::<Requeue>(row).unwrap_or_default().slices
}
