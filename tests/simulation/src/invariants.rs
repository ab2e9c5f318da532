//! Properties that hold at every moment of a run.

use crate::property::{Property, violated};
use crate::world::{Event, World};
use nightferry::bridge::from_worker::To;
use nightferry::engine::{Deadline, Input, Reason};
use nightferry::store::{ITEMS, JOURNAL, META, Row, RowKey, Write};
use serde_json::Value;

/// The longest time until a change of the server is written, in ms.
const SERVER_WRITE_MS: u64 = 2_000;
/// The longest time that what is due waits for pushes, in ms.
const BEHIND_PUSHES_MS: u64 = 5_000;

impl World {
    /// Checks that a message to a page is true when it is posted.
    pub(crate) fn check_post(&mut self, to: &To, message: &Value) {
        let To::Pages(ids) = to else { return };
        let [id] = ids.as_slice() else { return };
        let Some(page) = self.pages.iter().find(|page| *page.id == **id) else { return };
        if message["kind"] == "ack" {
            let (n, durable) = (message["n"].as_u64().unwrap_or(0), self.model.durable(&page.id));
            if n > durable {
                violated(
                    Property::Acknowledged,
                    format!("{} is acknowledged up to {n}, durable is {durable}", page.id),
                );
            }
        }
        // What pages had when their user signed out is dropped, and never durable.
        if self.model.has_signed_out {
            return;
        }
        let Some(asked) = message["request"].as_u64().and_then(|request| page.asked.get(&request)) else {
            return;
        };
        let (asked, id) = (asked.clone(), page.id.clone());
        match (asked.kind, message["kind"].as_str()) {
            ("flush", Some("done")) => self.check_done(&id, asked.after, Property::Flushed),
            ("sync", Some("done")) => {
                self.check_done(&id, asked.after, Property::Flushed);
                self.check_done(&id, asked.after, Property::Synced);
            }
            ("hydrate", Some("rows")) => self.check_rows(&id, asked.after, &asked.slice, message),
            _ => {}
        }
    }

    fn check_done(&mut self, page: &str, after: u64, property: Property) {
        let durable = self.model.durable(page);
        if durable < after {
            violated(property, format!("{page} asked after its burst {after}, durable is {durable}"));
        }
        let known = self.done.get(&(page.to_owned(), property.text().0)).copied().unwrap_or(0);
        for (key, place) in self.model.of_page(page, known + 1..=after) {
            if self.is_disturbed(key) {
                continue;
            }
            let value = match property {
                Property::Synced if !self.model.is_sent(&key.0) => continue,
                // Under a new name the device may be in conflict with what it wrote under the old one.
                Property::Synced if self.server.has_forked && self.status().conflicts > 0 => continue,
                // The server does not remember the item: a withdrawn push may have brought it, and someone deleted it since.
                Property::Synced if self.is_in_conflict_with_nothing(key) => continue,
                Property::Synced => self.server.value(&key.0, &key.1),
                _ => self.committed(key),
            };
            if !self.model.is_since(key, *place, value.as_ref()) {
                violated(
                    property,
                    format!("{key:?} is {value:?}, before {:?}", self.model.states(key)[*place]),
                );
            }
        }
    }

    /// Returns true if the other side of the item's conflict is that the server has nothing, and does not know since when.
    fn is_in_conflict_with_nothing(&self, (slice, id): &crate::actions::Key) -> bool {
        self.disk.conflict(slice, id).is_some_and(|row| row["remote"]["version"].is_null())
    }

    fn check_rows(&self, page: &str, after: u64, slice: &str, message: &Value) {
        let rows = message["rows"].as_array().expect("rows");
        let value = |id: &str| rows.iter().find(|row| row[0] == *id).map(|row| &row[1]);
        for (key, place) in self.model.of_page(page, 1..=after).filter(|(key, _)| key.0 == slice) {
            let shown = value(&key.1);
            if !self.is_disturbed(key) && !self.model.is_since(key, *place, shown) {
                violated(
                    Property::Rows,
                    format!("{key:?} is shown as {shown:?}, before what {page} made of it"),
                );
            }
        }
        for row in rows {
            let key = (slice.to_owned(), row[0].as_str().expect("an id").to_owned());
            if !self.is_disturbed(&key) && !self.model.is_since(&key, 0, Some(&row[1])) {
                violated(Property::Rows, format!("{key:?} is shown as {}, which it never was", row[1]));
            }
        }
    }

    /// An item is in at most one open transaction.
    pub(crate) fn check_one_transaction(&self, writes: &[Write]) {
        let item = |write: &Write| match write {
            Write::Put { store, key, .. } | Write::Delete { store, key }
                if ![META, JOURNAL].contains(&&**store) =>
            {
                Some((store.clone(), key.clone()))
            }
            _ => None,
        };
        let mine: Vec<(_, RowKey)> = writes.iter().filter_map(item).collect();
        let twice = self.disk.open_writes().flatten().filter_map(item).find(|open| mine.contains(open));
        if let Some((store, key)) = twice {
            violated(Property::OneTransaction, format!("{store} {key:?} is in two open transactions"));
        }
    }

    /// A row says up to which position all is in effect: what is written over it knows all that, and nothing that ended
    /// before it.
    pub(crate) fn check_rows_go_forward(&self, writes: &[Write]) {
        for write in writes {
            let Write::Put { store, key: RowKey::Item(key), row: Row::Json(row) } = write else { continue };
            let Some(before) = self.disk.item_row(&key.slice, &key.id).filter(|_| **store == *ITEMS) else {
                continue;
            };
            let row: Value = serde_json::from_str(row).expect("a row is JSON");
            let known = before["position"].as_u64();
            if row["position"].as_u64() < known {
                violated(Property::RowsGoForward, format!("{key:?}: {row} is written over {before}"));
            }
            let refusals = |row: &Value| row["refused"].as_array().cloned().unwrap_or_default();
            let is_new = |refusal: &Value| refusal["position"].as_u64() > known;
            let returned = refusals(&row)
                .into_iter()
                .find(|refusal| !is_new(refusal) && !refusals(&before).contains(refusal));
            if let Some(refusal) = returned {
                violated(Property::RowsGoForward, format!("{key:?}: {refusal} is back, over {before}"));
            }
        }
    }

    /// Records leave the journal once all that they made is in the slices' stores.
    pub(crate) fn check_front(&mut self) {
        let journal = |position: u64| {
            let rows = self.disk.store.stores.get(nightferry::store::JOURNAL);
            rows.is_some_and(|rows| rows.contains_key(&RowKey::Number(position)))
        };
        let left: Vec<bool> =
            self.model.bursts[self.model.trimmed..].iter().map(|burst| journal(burst.position)).collect();
        let gone = left.iter().take_while(|left| !**left).count();
        let quarantined = self.model.bursts[self.model.trimmed..].iter().map(|burst| burst.quarantined);
        if left.iter().zip(quarantined).skip(gone).any(|(left, quarantined)| !left && !quarantined) {
            violated(Property::Front, "a record is gone that has others before it");
        }
        for burst in &self.model.bursts[self.model.trimmed..self.model.trimmed + gone] {
            for (key, place) in burst.states.iter().filter(|_| !burst.quarantined) {
                let value = self.committed(key);
                if !self.is_disturbed(key) && !self.model.is_since(key, *place, value.as_ref()) {
                    violated(
                        Property::Front,
                        format!("record {} is gone, but {key:?} is still {value:?}", burst.position),
                    );
                }
            }
        }
        self.model.trimmed += gone;
    }

    /// Returns the item in the database: from its slice's store or, for a disabled slice, from its row.
    fn committed(&self, key: &crate::actions::Key) -> Option<Value> {
        let row = self.disk.item_row(&key.0, &key.1);
        match row.as_ref().and_then(|row| row.get("local")) {
            Some(held) => held.get("value").cloned(),
            None => self.disk.item(self.model.store_of(&key.0), &key.1),
        }
    }

    /// Returns true if the journal has changes that are not in the slices' stores. (A record of which nothing came, or that is
    /// committed, may stay until something else happens.)
    pub(crate) fn uncommitted(&self) -> bool {
        let waits = |(key, place): &(crate::actions::Key, usize)| {
            let value = self.committed(key);
            !self.is_disturbed(key) && !self.model.is_since(key, *place, value.as_ref())
        };
        self.model.bursts[self.model.trimmed..].iter().flat_map(|burst| &burst.states).any(waits)
    }

    /// A server names a time before which it wants no request.
    pub(crate) fn note_wait(&mut self, input: &Input) {
        let Input::Answered { answer, .. } = input else { return };
        let wait = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        self.not_before = wait.map(|wait| self.worker_clock().plus(wait));
    }

    /// Nothing waits longer than its kind of wait allows, whatever happens to the wall clock.
    pub(crate) fn check_deadline(&self, deadline: Deadline) {
        let most = match deadline.reason {
            Reason::Debounce => self.model.longest_quiet().max(SERVER_WRITE_MS) + BEHIND_PUSHES_MS,
            Reason::Report => 1_000,
            Reason::StorageRetry | Reason::Token => 15_000,
            Reason::RequestTimeout => 120_000,
            Reason::Backoff => 3_600_000,
            Reason::Live => 300_000,
            Reason::Metrics | Reason::AutoSync => return,
        };
        let clock = self.worker_clock();
        if deadline.at > clock.plus(most) {
            violated(Property::Waits, format!("{deadline:?} is more than {most} ms after {clock:?}"));
        }
    }

    pub(crate) fn check_request(&self, request: u64, body: Option<&str>) {
        let clock = self.worker_clock();
        if let Some(not_before) = self.not_before.filter(|at| clock < *at) {
            violated(
                Property::Waits,
                format!("request {request} at {clock:?}, the server said {not_before:?}"),
            );
        }
        if let Some(open) = self.in_flight {
            violated(Property::OneRequest, format!("{request} starts while {open} is in flight"));
        }
        for slice in self.model.local() {
            if body.is_some_and(|body| body.contains(&format!("\"{slice}\""))) {
                violated(Property::Local, format!("request {request} speaks of {slice}"));
            }
        }
    }

    /// P5: what is pending has something armed that will move it.
    pub(crate) fn check_step(&self) {
        let Some(engine) = &self.engine else { return };
        // Auto-sync is always armed, and is no way to heal.
        if engine.deadline().is_some() || !self.disk.idle() || self.reporting() {
            return;
        }
        let status = engine.status();
        if status.pending > self.stuck() as u64 {
            violated(Property::Live, format!("{status:?} is pending and nothing is armed"));
        }
    }

    /// Items that rightly wait for a person: those in conflict with a change behind them.
    fn stuck(&self) -> usize {
        self.disk.conflicts()
    }

    fn reporting(&self) -> bool {
        let moves = |event: &Event| !matches!(event, Event::ToPage { .. });
        self.events.values().any(moves)
    }
}
