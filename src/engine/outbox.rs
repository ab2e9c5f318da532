//! The outbox: what the server has not acknowledged, in the order in which it was first committed. A row in flight is
//! never changed; newer changes of its item form one row behind it.

use super::items::Items;
use crate::bridge::config::Slices;
use crate::protocol::{MAX_PUSH_BYTES, MAX_PUSH_OPERATIONS};
use crate::store::{ConflictRow, Key, OutboxRow};
use crate::table::Table;

/// The wait of a change with which every push fails, doubled each time up to the most, in ms.
const ASIDE_MS: u64 = 60_000;
const MOST_ASIDE_MS: u64 = 3_600_000;

#[derive(Debug, Default)]
pub struct Outbox {
    rows: Table<u64, OutboxRow>,
    last: u64,
    /// Rows with which every push failed: until when they wait, and for how long this time.
    aside: Table<u64, (u64, u64)>,
}

impl Outbox {
    /// A number for a new row.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Takes up a row, new or replacing the one of its number; a new change is tried at once.
    pub fn put(&mut self, seq: u64, row: OutboxRow) {
        self.aside.remove(&seq);
        self.note(seq, row);
    }

    /// Takes up more that is known of a row.
    pub fn note(&mut self, seq: u64, row: OutboxRow) {
        self.last = self.last.max(seq);
        self.rows.insert(seq, row);
    }

    pub fn remove(&mut self, seq: u64) -> Option<OutboxRow> {
        self.aside.remove(&seq);
        self.rows.remove(&seq)
    }

    pub fn get(&self, seq: u64) -> Option<&OutboxRow> {
        self.rows.get(&seq)
    }

    pub fn rows(&self) -> impl Iterator<Item = (u64, &OutboxRow)> {
        self.rows.iter().map(|(seq, row)| (*seq, row))
    }

    /// Whether a change leaves the device: of a slice that does not go to the server, only deletions of what it has do.
    pub fn leaves(row: &OutboxRow, items: &Items, slices: &Slices) -> bool {
        let known = || items.get(&row.key()).is_some_and(|item| item.sync.is_some());
        slices.syncs(&row.slice) || (row.value.is_none() && known())
    }

    /// When the oldest change was made.
    pub fn oldest(&self) -> Option<u64> {
        self.rows.values().next().map(|row| row.at)
    }

    /// The row alone is refused: it waits, and stops no other (P5).
    pub fn set_aside(&mut self, seq: u64, now: u64) {
        let wait = self.aside.get(&seq).map_or(ASIDE_MS, |(_, wait)| (wait * 2).min(MOST_ASIDE_MS));
        self.aside.insert(seq, (now + wait, wait));
    }

    /// Those set aside are tried again now.
    pub fn hurry(&mut self, now: u64) {
        for (until, _) in self.aside.values_mut() {
            *until = now;
        }
    }

    /// When the next one that was set aside is tried again.
    pub fn next_aside(&self) -> Option<u64> {
        self.aside.values().map(|(until, _)| *until).min()
    }

    /// The rows to send next, oldest first, as many as a push takes: none of an item in flight, in an open transaction
    /// or in conflict, and of a slice that does not go to the server only deletions of what it has.
    /// One that was set aside goes alone, once its time has come by `now`.
    pub fn sendable(
        &self,
        now: u64,
        items: &Items,
        slices: &Slices,
        conflicts: &Table<Key, ConflictRow>,
    ) -> Vec<u64> {
        let mut size = 0;
        let mut chosen = Vec::new();
        for (seq, row, committing) in self.unsent(items, slices, conflicts) {
            if committing {
                continue;
            }
            match self.aside.get(&seq) {
                Some((until, _)) if *until > now => continue,
                Some(_) if chosen.is_empty() => return vec![seq],
                Some(_) => continue,
                None => {}
            }
            size += row.value.as_ref().map_or(0, |value| value.len()) + row.id.len();
            if chosen.len() == MAX_PUSH_OPERATIONS || (size > MAX_PUSH_BYTES && !chosen.is_empty()) {
                break;
            }
            chosen.push(seq);
        }
        chosen
    }

    /// The rows that the server may have and is not being sent, each with whether it waits for an open transaction of
    /// its item.
    pub fn unsent<'a>(
        &'a self,
        items: &'a Items,
        slices: &'a Slices,
        conflicts: &'a Table<Key, ConflictRow>,
    ) -> impl Iterator<Item = (u64, &'a OutboxRow, bool)> {
        self.rows().filter_map(|(seq, row)| {
            let key = row.key();
            let item = items.get(&key)?;
            let waits = item.unsent == Some(seq) && item.in_flight.is_none();
            let leaves = Outbox::leaves(row, items, slices);
            (waits && leaves && !conflicts.contains_key(&key)).then_some((
                seq,
                row,
                item.committing.is_some(),
            ))
        })
    }
}
