//! Handles the messages of pages, and the results of registrations.

use super::clients::{View, Waiter, Wants};
use super::journal::{Arrival, Arriving};
use super::pulled::Rebuild;
use super::settings::{Next, Request};
use super::storage::Purpose;
use super::{Engine, Output};
use crate::bridge::from_worker::{self, To};
use crate::bridge::place::refusal;
use crate::bridge::to_worker::{Body, ToWorker};
use crate::store::{RebuildReason, StoreError, Write};
use crate::units::{BurstNo, Position};
use std::rc::Rc;

/// The machines that clients read, borrowed beside the clients.
macro_rules! view {
    ($engine:expr) => {
        View {
            now: $engine.now,
            journal: &$engine.journal,
            replica: &$engine.replica,
            uplink: &$engine.uplink,
            storage: &$engine.storage,
            settings: &$engine.settings,
        }
    };
}
pub(super) use view;

impl Engine {
    pub(super) fn handle_message(&mut self, text: &str) {
        let up = match ToWorker::read(text) {
            Ok(up) => up,
            Err(invalid) => {
                let to = invalid.page.map_or(To::All, |page| To::page(&page));
                return self.clients.post(to, from_worker::failed(None, invalid.code, &invalid.message));
            }
        };
        let request = up.request;
        let page: Rc<str> = up.page.into();
        if let (Some(own), Some(theirs)) = (&self.place, &up.place)
            && **own != **theirs
        {
            // Nothing of this database is for that page, and nothing of that page for this database.
            if request.is_some() || matches!(up.body, Body::Actions { .. }) {
                let (code, text) = refusal(own, theirs);
                self.clients.post(To::page(&page), from_worker::failed(request, code, text));
            }
            return;
        }
        let is_hidden = matches!(up.body, Body::Hidden);
        self.clients.meet(&page, is_hidden, self.journal.durable_position());
        if self.tokens.page_came() {
            self.uplink.authenticate_now();
        }
        let accepted = self.journal.accepted(&page);
        match up.body {
            Body::Register { request, slices, auto_sync, device, gives_tokens } => {
                if gives_tokens && self.tokens.use_them() {
                    self.storage.add_standalone([Write::meta("tokens", "true")]);
                }
                let named = device.and_then(|device| self.uplink.name_device(device));
                self.storage.add_standalone(named);
                let request = Request { page, number: request, registers: true };
                let identity = self.identity();
                let next = self.settings.register(request.clone(), &slices, auto_sync.as_deref(), &identity);
                self.change_settings(&request, next);
            }
            Body::Configure { request, slice, settings } => {
                let request = Request { page, number: request, registers: false };
                let identity = self.identity();
                let next = self.settings.configure(request.clone(), slice.as_deref(), &settings, &identity);
                self.change_settings(&request, next);
            }
            Body::Actions { epoch, n, first, seen, actions } => {
                let policies = self.settings.slices().policies();
                let arriving = Arriving { page: &page, n, first, seen, policies, text: &actions };
                self.take_burst(&epoch, arriving);
            }
            // An item that this database lacks was in the other one: it was not deleted.
            Body::Hydrate { epoch: Some(epoch), .. } | Body::SignOut { epoch: Some(epoch), .. }
                if !self.settings.is_of(&epoch) =>
            {
                self.refuse_epoch(&page, &epoch);
            }
            Body::Flush { after, .. }
            | Body::Sync { after, .. }
            | Body::Synced { after, .. }
            | Body::Pull { after, .. }
            | Body::Export { after, .. }
            | Body::SignOut { after, .. }
            | Body::Hydrate { after, .. }
                if BurstNo(after) > accepted =>
            {
                self.clients.post(To::page(&page), from_worker::expected(accepted.next()));
            }
            Body::Flush { request, .. } => self.wait_for(page, request, Wants::Flush),
            Body::Sync { request, .. } => {
                self.uplink.retry_now(self.now.tick);
                self.wait_for(page, request, Wants::Sync);
            }
            Body::Pull { request, rebuild, .. } => {
                if rebuild {
                    let withdrawn = self.uplink.take_back();
                    let (reason, slices, with) = (RebuildReason::CursorExpired, Vec::new(), Vec::new());
                    self.begin_rebuild(Rebuild { reason, slices, withdrawn, with });
                }
                self.uplink.retry_now(self.now.tick);
                self.wait_for(page, request, Wants::Pull);
            }
            Body::Check { request } => {
                self.uplink.probe();
                self.clients.wait(Waiter { page, request, position: Position(0), wants: Wants::Check });
            }
            Body::Export { request, .. } => self.wait_to_list(page, request, Wants::Export),
            Body::SignOut { request, discard, .. } => {
                self.wait_to_list(page, request, Wants::SignOut { discard });
            }
            Body::Rejected { request } => self.wait_to_list(page, request, Wants::Rejections),
            Body::Conflicts { request } => self.wait_to_list(page, request, Wants::Conflicts),
            Body::Synced { request, slice, id, .. } => self.wait_for_server(page, request, &slice, id),
            Body::Hydrate { request, slice, .. } => self.read_slice(page, request, &slice),
            Body::Pending { slice } => self.clients.watch(page, &slice, &self.journal),
            Body::Token { number, token } => self.token_given(number, token),
            Body::Online => self.uplink.contact(),
            Body::Hidden => {
                // The page may be gone the next moment, and this worker soon after it.
                self.retry_now();
                self.request_background_sync();
            }
            Body::ResetMetrics => self.clients.metrics().reset(self.now.tick),
            Body::Ping => self.clients.repeat_status(),
        }
    }

    /// Tells a page of another database that it is another: deleted by the browser, or left by its user.
    fn refuse_epoch(&mut self, page: &str, epoch: &str) {
        let was_left = self.left.iter().any(|left| **left == *epoch);
        let message = if was_left { from_worker::signed_out(epoch) } else { from_worker::stale() };
        self.clients.post(To::page(page), message);
    }

    fn take_burst(&mut self, epoch: &str, arriving: Arriving) {
        let page = arriving.page;
        if !self.settings.is_of(epoch) {
            return self.refuse_epoch(page, epoch);
        }
        match self.journal.arrive(self.now.at, arriving) {
            Arrival::Accepted | Arrival::Known => {}
            Arrival::Repeated => {
                let durable = self.journal.durable(page);
                self.clients.post(To::page(page), from_worker::ack(durable));
            }
            Arrival::OutOfOrder(from) => self.clients.post(To::page(page), from_worker::expected(from)),
        }
    }

    fn read_slice(&mut self, page: Rc<str>, request: u64, slice: &str) {
        let position = self.journal.last();
        match self.settings.slices().entry(slice) {
            Some((name, _)) => {
                let wants = Wants::Rows(name.clone());
                self.clients.wait(Waiter { page, request, position, wants });
            }
            None => {
                let text = format!(
                    "hydrate(\"{slice}\") found no such slice. Name it in register({{slices: {{\"{slice}\": {{}}}}}})."
                );
                self.clients.fail(&page, Some(request), "unknown_slice", &text);
            }
        }
    }

    fn wait_to_list(&mut self, page: Rc<str>, request: u64, wants: Wants) {
        let position = self.journal.last();
        self.clients.wait(Waiter { page, request, position, wants });
    }

    /// The page waits until the server has every change of a slice, or of one item, that has arrived.
    fn wait_for_server(&mut self, page: Rc<str>, request: u64, slice: &str, id: Option<String>) {
        let position = self.journal.last();
        match self.settings.slices().is_pulled(slice) {
            true => {
                let wants = Wants::Synced { slice: slice.into(), id: id.map(Rc::from) };
                self.clients.wait(Waiter { page, request, position, wants });
            }
            false => {
                let text = format!(
                    "Changes of \"{slice}\" do not go to the server: there is no such slice, or its syncToFlask or enabled is false. They are kept on this device."
                );
                self.clients.fail(&page, Some(request), "not_synced", &text);
            }
        }
    }

    fn wait_for(&mut self, page: Rc<str>, request: u64, wants: Wants) {
        self.retry_now();
        self.clients.wait(Waiter { page, request, position: self.journal.last(), wants });
    }

    /// Nothing that has arrived waits for quiet any longer.
    fn retry_now(&mut self) {
        self.urgent_through = self.journal.last();
        self.storage.retry_now();
        self.replica.retry_now(self.now.tick);
    }

    /// Has the browser wake the worker, where there is something to send and no page will.
    pub(super) fn request_background_sync(&mut self) {
        if self.is_unsent() && !self.clients.is_any_awake() {
            self.clients.request_background_sync();
        }
    }

    /// The browser woke the worker: it is a chance to send what is left, within the waits.
    pub(super) fn background_sync(&mut self) {
        self.clients.background_sync();
        if self.is_unsent() {
            self.uplink.contact();
        }
    }

    fn change_settings(&mut self, request: &Request, next: Result<Next, String>) {
        match next {
            Ok(next) => self.change_goes_on(next),
            Err(reason) => {
                let text = format!("{} was refused: {reason}. Nothing was changed.", request.name());
                self.clients.fail(&request.page, Some(request.number), "bad_config", &text);
            }
        }
    }

    fn change_goes_on(&mut self, next: Next) {
        match next {
            Next::Migrate(stores) => self.outputs.push_back(Output::Migrate { stores }),
            Next::Store(writes) => drop(self.store(Purpose::Settings, writes)),
            Next::InForce(request) => self.confirm(&request),
        }
    }

    pub(super) fn migrated(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                let identity = self.identity();
                if let Some(next) = self.settings.migrated(&identity) {
                    self.change_goes_on(next);
                }
            }
            Err(error) => self.change_failed(&error),
        }
    }

    pub(super) fn settings_stored(&mut self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            return self.change_failed(&error);
        }
        let Some(in_force) = self.settings.stored(self.now.tick) else { return };
        let slices = self.settings.slices().clone();
        for (name, slice) in slices.iter() {
            let before = in_force.before.get(name);
            self.replica.configure(name, before, slice, self.now.tick);
            let sends = |slice: &crate::bridge::config::Slice| (slice.sync_to_flask, slice.enabled);
            if before.is_some_and(|before| sends(before) != sends(slice)) {
                let released = self.replica.release_written(Some(name), &slices);
                self.journal.released(&released);
                self.clients.slice_switched(name, view!(self));
            }
        }
        self.confirm(&in_force.request);
    }

    fn confirm(&mut self, request: &Request) {
        let message = match request.registers {
            true => from_worker::registered(request.number, self.settings.epoch()),
            false => from_worker::done(request.number),
        };
        if request.registers {
            self.uplink.contact();
        }
        self.clients.post(To::page(&request.page), message);
        self.clients.repeat_status();
    }

    fn change_failed(&mut self, error: &StoreError) {
        let Some(request) = self.settings.failed() else { return };
        let (why, next) = match error.full {
            true => ("there is no room left on this device", "Free some disk space, and call it again"),
            false => (&*error.message, "Close other tabs of this site and reload"),
        };
        let text = format!("{} could not be kept in the browser's database: {why}. {next}.", request.name());
        self.clients.fail(&request.page, Some(request.number), "storage", &text);
    }
}
