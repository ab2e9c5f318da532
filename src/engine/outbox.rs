//! The outbox: what the server has not acknowledged, in the order in which it was first committed. A row in flight is
//! never changed; newer changes of its item form one row behind it.

use super::items::Items;
use crate::store::{Key, OutboxRow};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Outbox {
    rows: BTreeMap<u64, OutboxRow>,
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

    /// The rows to send next, oldest first: at most `operations` and about `bytes`, none of an item in flight, in an
    /// open transaction or in conflict.
    pub fn sendable(&self, items: &Items, conflicts: &BTreeSet<Key>, operations: usize, bytes: usize) -> Vec<u64> {
        let mut size = 0;
        let mut chosen = Vec::new();
        for (seq, row) in &self.rows {
            let key = row.key();
            let free = items.get(&key).is_some_and(|item| item.unsent == Some(*seq) && item.in_flight.is_none() && item.committing.is_none());
            if !free || conflicts.contains(&key) {
                continue;
            }
            size += row.value.as_ref().map_or(0, |value| value.len()) + row.id.len();
            if chosen.len() == operations || (size > bytes && !chosen.is_empty()) {
                break;
            }
            chosen.push(*seq);
        }
        chosen
    }
}
