//! The way back from the server: pages of pulls, rebuilds, and the live connection.

use super::clients::View;
use super::journal::write_cursors;
use super::messages::view;
use super::replay::Missing;
use super::uplink::{LiveStep, Page};
use super::{Engine, Output};
use crate::bridge::from_worker::About;
use crate::collect;
use crate::store::{AnswerRow, Cursors, Pulled, RebuildReason, RebuildRow, RecordHead, Write};
use crate::units::Position;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The most pages of pulls that may wait to be written to their items' stores.
const MAX_UNWRITTEN_PULLS: usize = 8;
/// The most items of a record about items that no page of a pull names.
const MAX_IN_RECORD: usize = 500;

/// The slices to pull from their beginning, with the reason.
#[derive(Debug)]
pub(super) struct Rebuild {
    pub reason: RebuildReason,
    /// All of them, where none is named.
    pub slices: Vec<Rc<str>>,
    /// The answers that take the push under way back.
    pub withdrawn: Vec<AnswerRow>,
    /// Other writes, which become durable in the same transaction.
    pub with: Vec<Write>,
}

impl Engine {
    /// Makes a record of a page of a pull. A page that says nothing new moves the cursors only.
    pub(super) fn record_page(&mut self, page: Page) {
        let Page { changes, cursors, malformed } = page;
        for reason in malformed {
            self.clients.warn(None, "malformed_change", &reason, About::default());
        }
        let rebuild = self.uplink.rebuild().map(RebuildRow::in_records);
        if !changes.is_empty() || rebuild.is_some() {
            self.add_pulled(Pulled { changes, rebuild, ..Pulled::default() }, cursors, Vec::new());
        } else if !self.journal.has_pulls() {
            self.storage.add_standalone(write_cursors(&cursors));
        }
        self.needs_advance = true;
        self.clients.reached(view!(self));
    }

    pub(super) fn add_pulled(&mut self, pulled: Pulled, cursors: Cursors, with: Vec<Write>) {
        let policies = self.settings.slices().policies();
        let head = RecordHead::Pulled { at: self.now.at, cursors, policies };
        self.journal.add(head, pulled.to_text(), with);
        self.needs_advance = true;
    }

    /// Makes records about many items, so many in each; `end` is written with the last, or alone where there is no item.
    pub(super) fn add_in_parts(
        &mut self,
        items: Vec<(Rc<str>, Rc<str>)>,
        end: Vec<Write>,
        record: impl Fn(Vec<(Rc<str>, Rc<str>)>) -> Pulled,
    ) {
        let mut parts = items.chunks(MAX_IN_RECORD).peekable();
        if parts.peek().is_none() {
            return self.storage.add_standalone(end);
        }
        while let Some(part) = parts.next() {
            let with = if parts.peek().is_none() { end.clone() } else { Vec::new() };
            self.add_pulled(record(part.to_vec()), Cursors::new(), with);
        }
    }

    /// Begins to pull slices from their beginning.
    pub(super) fn begin_rebuild(&mut self, rebuild: Rebuild) {
        let Rebuild { reason, slices, withdrawn, mut with } = rebuild;
        // Of another history, every slice may have items of versions that are lost: a push has brought them, and no cursor
        // says so.
        let is_every = slices.is_empty() || reason == RebuildReason::HistoryChanged;
        let slices = match is_every {
            true => self.settings.slices().pulled().cloned().collect(),
            false => slices,
        };
        // An operation that is taken back does not count as an item that the server has named.
        let last = self.journal.last();
        let started_at = if withdrawn.is_empty() { last } else { last.next() };
        with.extend(self.uplink.begin_rebuild(started_at, reason, slices));
        self.journal.set_rebuild(self.uplink.rebuild().cloned());
        match withdrawn.is_empty() {
            true => self.storage.add_standalone(with),
            false => self.record(withdrawn, with),
        }
        self.needs_advance = true;
    }

    /// Once all pages of a rebuild are written, goes through the items that none has named.
    pub(super) fn end_rebuild(&mut self) {
        let Some(row) = self.uplink.rebuild().filter(|_| self.uplink.rebuilt().is_some()) else { return };
        let rebuild = row.in_records();
        let slices = self.rebuilt_slices();
        let is_loaded = slices.iter().all(|slice| self.replica.is_fully_loaded(slice));
        if !is_loaded || !self.are_pulls_stored() || self.journal.has_pending_answers() {
            return;
        }
        let unnamed = self.replica.unnamed(rebuild, &slices);
        let end = vec![Write::delete_meta("rebuild")];
        self.uplink.end_rebuild();
        self.journal.set_rebuild(None);
        self.add_in_parts(unnamed, end, |unnamed| Pulled {
            rebuild: Some(rebuild),
            unnamed,
            ..Pulled::default()
        });
        self.release_slices();
        self.needs_advance = true;
    }

    /// The slices of a rebuild whose pages have all come, as far as they are pulled.
    pub(super) fn rebuilt_slices(&self) -> BTreeSet<Rc<str>> {
        let Some(rebuilt) = self.uplink.rebuilt() else { return BTreeSet::new() };
        collect::set(self.settings.slices().pulled().filter(|slice| rebuilt.contains(*slice)).cloned())
    }

    /// The slices of a rebuild are read fully once its pages are written.
    pub(super) fn add_rebuilt(&self, missing: &mut Missing) {
        if self.uplink.rebuilt().is_none() || !self.are_pulls_stored() {
            return;
        }
        for name in self.rebuilt_slices().into_iter().filter(|name| !self.replica.is_fully_loaded(name)) {
            missing.add_slice(&name, self.settings.slices());
        }
    }

    /// Returns true if another page of a pull may be taken: so many may wait to be written, and no more.
    pub(super) fn may_pull(&self) -> bool {
        let pulls = self.journal.pulls();
        let earlier = pulls.len().checked_sub(MAX_UNWRITTEN_PULLS).and_then(|at| pulls.get(at));
        earlier.is_none_or(|position| self.is_stored(*position))
    }

    /// Returns true if all pages that were pulled are in stores and rows.
    fn are_pulls_stored(&self) -> bool {
        self.journal.pulls().last().is_none_or(|position| self.is_stored(*position))
    }

    fn is_stored(&self, position: Position) -> bool {
        self.journal.is_visible_through(position) && self.replica.is_stored_through(position)
    }

    /// Opens and closes the live connection.
    pub(super) fn keep_live(&mut self) {
        let (is_any_awake, slices) = (self.clients.is_any_awake(), self.settings.slices());
        match self.uplink.poll_live(is_any_awake, slices, self.now.tick) {
            Some(LiveStep::Open(live)) => {
                let hello = self.uplink.live_hello(self.tokens.known());
                self.outputs.push_back(Output::OpenLive { live, hello });
            }
            Some(LiveStep::Close) => self.outputs.push_back(Output::CloseLive),
            None => {}
        }
    }
}
