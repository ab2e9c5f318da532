//! What pages ask, and when they are answered.

use super::journal::Arrival;
use super::{Engine, Output};
use crate::bridge::down::{self, To};
use crate::bridge::up::{Body, Up};
use crate::store::StoreError;
use crate::units::Position;
use std::rc::Rc;

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
    /// To know whether the server answers.
    Check,
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
        let is_new = self.pages.insert(page.clone(), 0).is_none();
        if is_new {
            self.post(To::page(&page), down::joined(self.journal.written()));
        }
        match up.body {
            Body::Register { request, slices, auto_sync } => {
                self.register(page, request, &slices, auto_sync.as_deref());
            }
            Body::Configure { request, slice, settings } => {
                self.configure(page, request, slice.as_deref(), &settings);
            }
            Body::Actions { epoch, n, first, seen, actions } => {
                self.actions(&page, &epoch, (n, first), seen, &actions)
            }
            // What is not in this one was in that: it was not deleted.
            Body::Hydrate { epoch: Some(epoch), .. } if epoch != self.epoch || self.fresh => {
                self.post(To::page(&page), down::stale());
            }
            Body::Flush { after, .. } | Body::Sync { after, .. } | Body::Hydrate { after, .. }
                if after > self.journal.accepted(&page) =>
            {
                let from = self.journal.accepted(&page) + 1;
                self.post(To::page(&page), down::expected(from));
            }
            Body::Flush { request, .. } => self.wait_for(page, request, Wants::Flush),
            Body::Sync { request, .. } => {
                self.lane.hurry();
                self.outbox.hurry(self.now);
                self.wait_for(page, request, Wants::Sync);
            }
            Body::Check { request } => {
                self.lane.hurry();
                self.waiters.push(Waiter { page, request, position: 0, wants: Wants::Check });
            }
            Body::Hydrate { request, slice, .. } => self.hydrate(page, request, &slice),
            Body::Pending { slice } => {
                self.reports.watched.insert(slice.as_str().into(), 0);
                let items = self.unfinished(&slice);
                self.post(To::page(&page), down::pending(&slice, true, &items));
            }
            Body::Rejected { request } => self.post(To::page(&page), down::rejected(request, &[])),
            Body::Online => self.lane.hurry(),
            Body::Hidden => self.hidden(),
            Body::ResetMetrics => self.metrics.reset(self.now),
            Body::Ping => self.reports.repeat(),
        }
        if is_new {
            self.reports.repeat();
        }
    }

    fn actions(&mut self, page: &Rc<str>, epoch: &str, numbers: (u64, u64), seen: Position, text: &str) {
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
        self.commit_all();
        self.waiters.push(Waiter { page, request, position: self.journal.last(), wants });
    }

    /// Nothing that has arrived waits for quiet any longer.
    fn commit_all(&mut self) {
        self.urgent_through = self.journal.last();
        self.writing.hurry();
        self.reading.hurry();
        self.items.debounce.expire_all(self.now);
    }

    /// A page may be gone the next moment, and this worker soon after it.
    fn hidden(&mut self) {
        self.commit_all();
        self.ask_to_be_woken();
    }

    /// Has the browser wake the worker once there is a network, if there is something to send then.
    pub(super) fn ask_to_be_woken(&mut self) {
        if !self.will_be_woken && self.is_unsent() {
            self.will_be_woken = true;
            self.outputs.push(Output::AskToBeWoken);
        }
    }

    /// Answers those whose wait is over.
    pub(super) fn answer_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let to = To::page(&waiter.page);
            match &waiter.wants {
                Wants::Rows(slice) if self.journal.folded_through(waiter.position) => {
                    let Some(config) = self.slices.get(slice) else { continue };
                    let (position, n) = (self.journal.effective(), self.journal.taken(&waiter.page));
                    let message = down::rows(waiter.request, slice, position, n, &self.items.newer(slice));
                    let store = config.store.clone();
                    self.outputs.push(Output::Rows { to, request: waiter.request, message, store });
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
        self.fail_waiters("storage", &error.message, &|wants| *wants == Wants::Flush);
    }

    /// Tells all who wait that what came before them was not taken.
    pub(super) fn fail_all(&mut self, error: &StoreError) {
        self.fail_waiters("storage", &error.message, &|_| true);
    }

    /// Tells those who asked whether the server answers.
    pub(super) fn answer_checks(&mut self, connected: bool) {
        for waiter in self.take_waiters(&|wants| *wants == Wants::Check) {
            self.post(To::page(&waiter.page), down::checked(waiter.request, connected));
        }
    }

    /// Tells those who wait for the server that it failed. The changes are kept.
    pub(super) fn fail_syncs(&mut self, unreachable: bool, message: &str) {
        let code = if unreachable { "unreachable" } else { "sync_failed" };
        self.fail_waiters(code, message, &|wants| *wants == Wants::Sync);
    }

    fn fail_waiters(&mut self, code: &str, message: &str, which: &dyn Fn(&Wants) -> bool) {
        for waiter in self.take_waiters(which) {
            self.post(To::page(&waiter.page), down::failed(Some(waiter.request), code, message));
        }
    }

    fn take_waiters(&mut self, which: &dyn Fn(&Wants) -> bool) -> Vec<Waiter> {
        let mut taken = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let into = if which(&waiter.wants) { &mut taken } else { &mut self.waiters };
            into.push(waiter);
        }
        taken
    }
}
