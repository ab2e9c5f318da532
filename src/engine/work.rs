//! What the engine does on its own after every input: append, fold, commit, trim, send, answer, report.

use super::commit::trim_of;
use super::fold::{self, Folded};
use super::metrics::Kind;
use super::reports::Folds;
use super::{Engine, Output, Purpose};
use crate::bridge::down::{self, Origin, To};
use crate::store::{JOURNAL, Loaded, StoreError, SyncRow, Whole, Write};
use crate::table::Table;
use std::rc::Rc;

impl Engine {
    pub(super) fn advance(&mut self) {
        let before = self.outputs.len();
        if let Some(writes) = self.journal.append() {
            self.store(Purpose::Journal, writes);
            // What is to be durable waits for none of the work below.
            self.stirred = true;
            return;
        }
        self.parse();
        self.requeue();
        if !self.reading.waits(self.now) {
            self.fold_ready();
        }
        if !self.writing.waits(self.now) {
            self.pay();
            self.commit();
            self.trim();
        }
        if self.schedule.is_due(self.now) {
            self.lane.contact = true;
        }
        self.send();
        self.answer_waiters();
        self.reports.stale |= self.outputs.len() > before;
        self.acknowledge();
        self.report();
        if let Some(row) = self.metrics.save(self.now) {
            self.store(Purpose::Metrics, vec![Write::meta("metrics", &row)]);
        }
    }

    pub(super) fn appended(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                for (page, n) in self.journal.appended().iter() {
                    self.reports.acks.insert(page.clone(), *n);
                }
                self.acknowledge();
            }
            Err(error) => {
                for page in self.journal.append_failed() {
                    let text = format!(
                        "Changes could not be kept yet: {}. The page holds them and tries again.",
                        error.message
                    );
                    self.post(To::page(&page), down::failed(None, "storage", &text));
                }
                self.fail_all(&error);
            }
        }
    }

    /// Reads the actions of records that became durable.
    fn parse(&mut self) {
        for record in std::mem::take(&mut self.journal.unfolded) {
            match fold::parse(record, &self.slices) {
                Ok((parsed, bad)) => {
                    for reason in bad {
                        self.post(
                            To::page(&parsed.record.head.page),
                            down::warning(reason.code, &reason.message),
                        );
                    }
                    self.fold.queue.push(parsed);
                }
                Err(record) => {
                    let aside = self.set_aside(JOURNAL, record.position, &record.text);
                    self.owed.extend(aside);
                    self.journal.folded(record.position, 0);
                }
            }
        }
    }

    /// Folds records whose items are known; asks for the items of the others.
    fn fold_ready(&mut self) {
        if self.fold.loading.is_some() || self.fold.is_idle() {
            return;
        }
        let wanted = self.fold.wanted(&self.items, &self.slices);
        let whole = self.fold.wanted_whole(&self.items, &self.slices);
        if !wanted.is_empty() || !whole.is_empty() {
            let load = self.number();
            self.fold.loading = Some(load);
            for Whole { slice, .. } in &whole {
                self.items.keep_whole(slice, false);
            }
            self.fold.loading_whole = whole.iter().map(|whole| whole.slice.clone()).collect();
            self.outputs.push(Output::Load { load, wanted, whole });
        }
        self.fold_known();
    }

    fn fold_known(&mut self) {
        let ready = self.fold.ready(&self.items);
        for parsed in &ready {
            let urgent = parsed.record.position <= self.urgent_through;
            let Folded { changed, missing } =
                self.fold.apply(parsed, urgent, self.now, &mut self.items, &self.slices);
            self.journal.folded(parsed.record.position, changed.len());
            for key in &missing {
                let text = format!(
                    "An update of {} \"{}\" was not kept: there is no such item. Add it first.",
                    key.slice, key.id
                );
                self.post(To::page(&parsed.record.head.page), down::warning("missing_item", &text));
            }
            let page: Rc<str> = parsed.record.head.page.clone();
            let mut values = Vec::new();
            for key in &changed {
                values.push((key.clone(), self.items.get(key).and_then(|item| item.visible()).cloned()));
            }
            self.tell_changed(Origin::Tab, Some(&page), values);
            let position = parsed.record.position;
            let told = self.reports.folded.or_insert_with(page, Folds::default);
            told.position = position;
            for operation in &parsed.operations {
                told.slices.insert(operation.key.slice.clone(), 0);
            }
        }
        self.fold.replayed();
        self.fold.forget_wholes(&mut self.items);
        if self.schedule.is_full(self.items.debounce.len()) {
            self.items.debounce.expire_all(self.now);
        }
        // Items loaded for operations that came to nothing. Not sooner: records that were read together are folded
        // together, so that nothing is committed of a state that a later one of them ends.
        for parsed in &ready {
            for operation in &parsed.operations {
                self.items.settle(&operation.key);
            }
        }
    }

    pub(super) fn loaded(&mut self, load: u64, result: Result<Vec<Loaded>, StoreError>) {
        if self.fold.loading != Some(load) {
            return;
        }
        self.fold.loading = None;
        match result {
            Ok(rows) => {
                self.reading.succeeded();
                for row in rows {
                    // Of a slice that is read whole some are here already, and newer.
                    if self.items.has(&row.key) {
                        continue;
                    }
                    if let Some(sync) = row.sync.as_deref().and_then(SyncRow::read) {
                        self.fold.skip(&row.key, sync.position);
                        if sync.version.is_none() {
                            self.journal.guarded(&row.key, Some(sync.position));
                        }
                    }
                    self.items.insert(row);
                }
                for slice in std::mem::take(&mut self.fold.loading_whole) {
                    self.items.keep_whole(&slice, true);
                }
                self.fold_known();
            }
            Err(error) => {
                self.storage_failed(&error);
                self.reading.failed(self.now, &mut self.entropy);
                self.fail_flushes(&error);
                for slice in std::mem::take(&mut self.fold.loading_whole) {
                    self.items.forget_whole(&slice);
                }
            }
        }
    }

    fn commit(&mut self) {
        // What is owed may be about the same rows, and may have to be written again.
        if self.owes() {
            return;
        }
        loop {
            let txn = self.last + 1;
            let started = self.committer.start(
                txn,
                self.now,
                self.settlement.is_some(),
                &mut self.items,
                &self.slices,
                &mut self.outbox,
                &mut self.conflicts,
                &self.journal,
                &mut self.entropy,
            );
            match started {
                Some(writes) => self.store(Purpose::Commit, writes),
                None => break,
            };
        }
    }

    pub(super) fn committed(&mut self, txn: u64, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                self.writing.succeeded();
                self.count_commit(txn, true);
                let keys = self.committer.finished(txn, &mut self.items, &mut self.outbox, &mut self.journal);
                for key in &keys {
                    self.items.settle(key);
                }
                if self.schedule.follows_changes() {
                    self.lane.contact = true;
                }
                self.requeue_committed(&keys);
                // They may have been held for a slice that was enabled meanwhile.
                self.release_held();
            }
            Err(error) => {
                self.writing.failed(self.now, &mut self.entropy);
                self.count_commit(txn, false);
                self.committer.failed(txn, self.now, &mut self.items);
                self.fail_flushes(&error);
            }
        }
    }

    fn count_commit(&mut self, txn: u64, succeeded: bool) {
        let Some(batch) = self.committer.batch(txn) else { return };
        self.metrics.took(self.now.saturating_sub(batch.begun_at));
        for key in &batch.keys {
            let committing = self.items.get(key).and_then(|item| item.committing.as_ref());
            let kind = match committing.and_then(|pending| pending.value.as_ref()) {
                Some(_) => Kind::Put,
                None => Kind::Delete,
            };
            self.metrics.count(self.now, &key.slice, kind, succeeded);
        }
    }

    pub(super) fn trimmed(&mut self, through: u64, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.journal.trimmed(through),
            Err(_) => self.writing.failed(self.now, &mut self.entropy),
        }
    }

    /// Writes what stands on its own.
    pub(super) fn pay(&mut self) {
        if !self.owed.is_empty() {
            let writes = std::mem::take(&mut self.owed);
            self.store(Purpose::Owed(writes.clone()), writes);
        }
    }

    pub(super) fn paid(&mut self, writes: Vec<Write>, result: Result<(), StoreError>) {
        if result.is_err() {
            self.writing.failed(self.now, &mut self.entropy);
            let later = std::mem::replace(&mut self.owed, writes);
            self.owed.extend(later);
        }
    }

    /// Removes finished records that no commit took along.
    fn trim(&mut self) {
        let trimming = self.open.iter().any(|(_, purpose)| matches!(purpose, Purpose::Trim(_)));
        if trimming || self.settlement.is_some() || self.committer.is_open() || !self.journal.wants_trim() {
            return;
        }
        let mut writes = Vec::new();
        self.journal.trim(self.now, &Table::default(), &mut writes);
        if let Some(through) = trim_of(&writes) {
            self.store(Purpose::Trim(through), writes);
        }
    }
}
