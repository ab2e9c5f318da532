//! The outbox: what the server has not acknowledged, in the order in which it was first committed. A row in flight is
//! never changed; newer changes of its item form one row behind it.

use super::items::Items;
use crate::bridge::config::Slices;
use crate::protocol::{MAX_PUSH_BYTES, MAX_PUSH_OPERATIONS};
use crate::store::{ConflictRow, Key, OutboxRow};
use crate::table::Table;

#[derive(Debug, Default)]
pub struct Outbox {
    rows: Table<u64, OutboxRow>,
    last: u64,
}

impl Outbox {
    /// A number for a new row.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Takes up a row, new or replacing the one of its number.
    pub fn put(&mut self, seq: u64, row: OutboxRow) {
        self.last = self.last.max(seq);
        self.rows.insert(seq, row);
    }

    pub fn remove(&mut self, seq: u64) -> Option<OutboxRow> {
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
        slices.get(&row.slice).is_some_and(|slice| slice.sync_to_flask) || (row.value.is_none() && known())
    }

    /// When the oldest change was made.
    pub fn oldest(&self) -> Option<u64> {
        self.rows.values().next().map(|row| row.at)
    }

    /// The rows to send next, oldest first, as many as a push takes: none of an item in flight, in an open transaction
    /// or in conflict, and of a slice that does not go to the server only deletions of what it has.
    pub fn sendable(&self, items: &Items, slices: &Slices, conflicts: &Table<Key, ConflictRow>) -> Vec<u64> {
        let mut size = 0;
        let mut chosen = Vec::new();
        for (seq, row) in self.rows.iter() {
            let key = row.key();
            let Some(item) = items.get(&key) else { continue };
            let free = item.unsent == Some(*seq) && item.in_flight.is_none() && item.committing.is_none();
            if !free || !Outbox::leaves(row, items, slices) || conflicts.contains_key(&key) {
                continue;
            }
            size += row.value.as_ref().map_or(0, |value| value.len()) + row.id.len();
            if chosen.len() == MAX_PUSH_OPERATIONS || (size > MAX_PUSH_BYTES && !chosen.is_empty()) {
                break;
            }
            chosen.push(*seq);
        }
        chosen
    }
}
