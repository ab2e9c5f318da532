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

    /// The rows to send next, oldest first, as many as a push takes: none of an item in flight, in an open transaction
    /// or in conflict, and of a slice that does not go to the server only deletions of what it has.
    pub fn sendable(&self, items: &Items, slices: &Slices, conflicts: &Table<Key, ConflictRow>) -> Vec<u64> {
        let mut size = 0;
        let mut chosen = Vec::new();
        for (seq, row, committing) in self.unsent(items, slices, conflicts) {
            if committing {
                continue;
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
            let leaves = slices.get(&key.slice).is_some_and(|slice| slice.sync_to_flask)
                || (row.value.is_none() && item.sync.is_some());
            let waits = item.unsent == Some(seq) && item.in_flight.is_none();
            (waits && leaves && !conflicts.contains_key(&key)).then_some((
                seq,
                row,
                item.committing.is_some(),
            ))
        })
    }
}
