//! What pages ask, and when they are answered.

use super::journal::Arrival;
use super::{Engine, Output, Phase};
use crate::bridge::config::{self, Slices};
use crate::bridge::down::{self, To};
use crate::bridge::up::{Body, Up};
use crate::json::{Json, number, quoted};
use crate::store::{SCHEMA, StoreError, Write};
use std::rc::Rc;

/// A registration under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    page: Rc<str>,
    request: u64,
    slices: Slices,
}

/// A page that waits for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    page: Rc<str>,
    request: u64,
    /// What arrived up to here is what it waits for.
    position: u64,
    wants: Wants,
}

#[derive(Debug, PartialEq, Eq)]
enum Wants {
    /// Everything committed.
    Flush,
    /// Everything acknowledged by the server.
    Sync,
    /// Everything folded, then the slice's items.
    Rows(Rc<str>),
}

impl Engine {
    pub(super) fn hear(&mut self, text: &str) {
        let up = match Up::read(text) {
            Ok(up) => up,
            Err(refused) => {
                let to = refused.page.map_or(To::All, |page| To::page(&page));
                return self.post(to, down::failed(None, refused.code, &refused.message));
            }
        };
        let page: Rc<str> = up.page.into();
        let is_new = self.pages.insert(page.clone(), ()).is_none();
        match up.body {
            Body::Register { request, slices } => self.register(page, request, &slices),
            Body::Actions { epoch, n, first, seen, actions } => {
                self.actions(&page, &epoch, (n, first), seen, &actions)
            }
            Body::Flush { after, .. } | Body::Sync { after, .. } | Body::Hydrate { after, .. }
                if after > self.journal.accepted(&page) =>
            {
                let from = self.journal.accepted(&page) + 1;
                self.post(To::page(&page), down::expected(from));
            }
            Body::Flush { request, .. } => self.wait_for(page, request, Wants::Flush),
            Body::Sync { request, .. } => {
                self.lane.contact = true;
                self.lane.retry_at = None;
                self.wait_for(page, request, Wants::Sync);
            }
            Body::Hydrate { request, slice, .. } => self.hydrate(page, request, &slice),
            Body::Pending { slice } => {
                self.reports.watched.insert(slice.as_str().into(), ());
                let items = self.unfinished(&slice);
                self.post(To::page(&page), down::pending(&slice, true, &items));
            }
            Body::Online => {
                self.lane.contact = true;
                self.lane.retry_at = None;
            }
            Body::Ping => self.reports.repeat(),
        }
        if is_new {
            self.reports.repeat();
        }
    }

    fn register(&mut self, page: Rc<str>, request: u64, registered: &str) {
        let slices = match config::register(&self.slices, registered) {
            Ok(slices) => slices,
            Err(reason) => {
                let text = format!("register() was refused: {reason}.");
                return self.post(To::page(&page), down::failed(Some(request), "bad_config", &text));
            }
        };
        let missing = |slice: &&config::Slice| !self.stores.iter().any(|store| **store == *slice.store);
        let stores: Vec<Rc<str>> = slices.values().filter(missing).map(|slice| slice.store.clone()).collect();
        let registration = Registration { page, request, slices };
        if stores.is_empty() {
            return self.configure(registration);
        }
        self.outputs.push_back(Output::Migrate { stores });
        self.phase = Phase::Migrating(registration);
    }

    pub(super) fn migrated(&mut self, result: Result<(), StoreError>) {
        let Phase::Migrating(registration) = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        match result {
            Ok(()) => {
                self.stores.extend(registration.slices.values().map(|slice| slice.store.to_string()));
                self.configure(registration);
            }
            Err(error) => self.register_failed(&registration, &error),
        }
    }

    fn configure(&mut self, registration: Registration) {
        if registration.slices == self.slices && !self.fresh {
            return self.confirm(&registration);
        }
        let mut writes = vec![Write::meta("slices", &config::to_json(&registration.slices))];
        if self.fresh {
            writes.push(Write::meta("schema", &number(SCHEMA)));
            writes.push(Write::meta("epoch", &quoted(&self.epoch)));
            writes.push(Write::meta("client", &quoted(&self.lane.client)));
        }
        let txn = self.number();
        self.outputs.push_back(Output::Store { txn, writes });
        self.phase = Phase::Registering(txn, registration);
    }

    pub(super) fn registered(&mut self, result: Result<(), StoreError>) {
        let Phase::Registering(_, registration) = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        match result {
            Ok(()) => {
                self.fresh = false;
                self.slices = registration.slices.clone();
                self.confirm(&registration);
            }
            Err(error) => self.register_failed(&registration, &error),
        }
    }

    fn confirm(&mut self, registration: &Registration) {
        self.lane.contact = true;
        self.post(To::page(&registration.page), down::registered(registration.request, &self.epoch));
        self.reports.repeat();
    }

    fn register_failed(&mut self, registration: &Registration, error: &StoreError) {
        let text = format!(
            "register() could not prepare the browser's database: {}. Close other tabs of this site and reload.",
            error.message
        );
        self.post(To::page(&registration.page), down::failed(Some(registration.request), "storage", &text));
    }

    fn actions(&mut self, page: &Rc<str>, epoch: &str, numbers: (u64, u64), seen: Json, text: &str) {
        if epoch != self.epoch || self.fresh {
            return self.post(To::page(page), down::stale());
        }
        match self.journal.arrive(self.now, page, numbers, seen, text) {
            Arrival::Accepted | Arrival::Known => {}
            Arrival::Repeated => {
                let durable = self.journal.durable(page);
                self.post(To::page(page), down::ack(durable));
            }
            Arrival::Gap(from) => self.post(To::page(page), down::expected(from)),
        }
    }

    fn hydrate(&mut self, page: Rc<str>, request: u64, slice: &str) {
        match self.slices.entry(slice) {
            Some((name, _)) => {
                let wants = Wants::Rows(name.clone());
                self.waiters.push(Waiter { page, request, position: self.journal.last(), wants });
            }
            None => {
                let text = format!(
                    "hydrate(\"{slice}\") found no such slice. Name it in register({{slices: {{\"{slice}\": {{}}}}}})."
                );
                self.post(To::page(&page), down::failed(Some(request), "unknown_slice", &text));
            }
        }
    }

    fn wait_for(&mut self, page: Rc<str>, request: u64, wants: Wants) {
        let position = self.journal.last();
        self.urgent_through = position;
        self.writing.hurry();
        self.reading.hurry();
        self.items.debounce.expire_all(self.now);
        self.waiters.push(Waiter { page, request, position, wants });
    }

    /// Answers those whose wait is over.
    pub(super) fn answer_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let to = To::page(&waiter.page);
            match &waiter.wants {
                Wants::Rows(slice) if self.journal.folded_through(waiter.position) => {
                    let Some(config) = self.slices.get(slice) else { continue };
                    let message =
                        down::rows(waiter.request, slice, self.journal.last(), &self.items.newer(slice));
                    let store = config.store.clone();
                    self.outputs.push_back(Output::Rows { to, request: waiter.request, message, store });
                }
                Wants::Flush if self.journal.done_through(waiter.position) => {
                    self.post(to, down::done(waiter.request))
                }
                Wants::Sync if self.journal.done_through(waiter.position) && self.synced() => {
                    self.post(to, down::done(waiter.request));
                }
                _ => self.waiters.push(waiter),
            }
        }
    }

    /// Tells those who wait for the database that it failed. The changes are kept.
    pub(super) fn fail_flushes(&mut self, error: &StoreError) {
        self.fail_waiters("storage", &error.message, |wants| *wants == Wants::Flush);
    }

    /// Tells all who wait that what came before them was not taken.
    pub(super) fn fail_all(&mut self, error: &StoreError) {
        self.fail_waiters("storage", &error.message, |_| true);
    }

    /// Tells those who wait for the server that it failed. The changes are kept.
    pub(super) fn fail_syncs(&mut self, message: &str) {
        self.fail_waiters("sync_failed", message, |wants| *wants == Wants::Sync);
    }

    fn fail_waiters(&mut self, code: &str, message: &str, which: impl Fn(&Wants) -> bool) {
        let (failed, others) =
            std::mem::take(&mut self.waiters).into_iter().partition(|waiter: &Waiter| which(&waiter.wants));
        self.waiters = others;
        for waiter in failed {
            self.post(To::page(&waiter.page), down::failed(Some(waiter.request), code, message));
        }
    }
}
