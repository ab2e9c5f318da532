//! Chooses the items to send next.

use super::{Replica, leaves};
use crate::bridge::config::Slices;
use crate::json::Json;
use crate::protocol::mutation_bytes;
use crate::store::{Key, Operation};
use crate::units::{Position, Tick};

/// How much a push may hold.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub operations: usize,
    /// Everything included. One operation that is larger still goes, alone.
    pub bytes: usize,
}

impl Replica {
    /// The operations to send next, the oldest edits first: of items that are quiet and that `may_go`.
    pub fn choose(
        &self,
        now: Tick,
        slices: &Slices,
        room: Room,
        may_go: impl Fn(&Key) -> bool,
    ) -> Vec<Operation> {
        let mut chosen = Vec::new();
        let mut bytes = 0;
        for (_, key) in &self.outbox {
            let Some(entry) = self.entries.get(key) else { continue };
            if entry.quiet_at > now || !leaves(&entry.item, &key.slice, slices) || !may_go(key) {
                continue;
            }
            let value = entry.item.local().cloned();
            let operation = Operation {
                slice: key.slice.clone(),
                id: key.id.clone(),
                base: entry.item.version(),
                deleted: value.is_none(),
                value,
                as_put: false,
                at: entry.item.at(),
                position: entry.item.position(),
            };
            bytes += mutation_bytes(&operation);
            if chosen.len() == room.operations || (bytes > room.bytes && !chosen.is_empty()) {
                break;
            }
            chosen.push(operation);
        }
        chosen
    }

    /// Returns true if the server is to get something that is not on its way, quiet or not.
    pub fn has_unsent(&self, slices: &Slices) -> bool {
        self.outbox.iter().any(|(_, key)| self.leaves(key, slices))
    }

    fn leaves(&self, key: &Key, slices: &Slices) -> bool {
        self.entries.get(key).is_some_and(|entry| leaves(&entry.item, &key.slice, slices))
    }

    /// The push under way brings what these operations say.
    pub fn mark_sent<'a>(&mut self, operations: impl IntoIterator<Item = &'a Operation>) {
        for operation in operations {
            let key = operation.key();
            self.entries.entry(key.clone()).or_default().is_sent = true;
            self.index(&key);
        }
    }

    /// The server's value that an operation is a change of, if it is in memory.
    pub fn base_of(&self, operation: &Operation) -> Option<&Json> {
        let item = &self.entries.get(&operation.key())?.item;
        item.base().filter(|_| item.version() == operation.base && !item.is_in_conflict())
    }

    /// Returns true if an operation that was chosen may still be sent: its slice may have been switched off.
    pub fn may_send(&self, operation: &Operation, slices: &Slices) -> bool {
        let Some(slice) = slices.get(&operation.slice) else { return false };
        slice.enabled && (slice.sync_to_flask || (operation.deleted && operation.base.is_some()))
    }

    /// Returns true if the item was edited after the operation was chosen.
    pub fn is_edited_since(&self, operation: &Operation) -> bool {
        let entry = self.entries.get(&operation.key());
        entry.is_some_and(|entry| entry.item.is_edited_after(operation.position))
    }

    /// The newest edit of an item: another one is another attempt.
    pub fn is_changed_since(&self, key: &Key, position: Position) -> bool {
        self.entries.get(key).is_none_or(|entry| entry.item.is_edited_after(position))
    }

    /// Takes up what the server lacks of a slice that is fully loaded, as edits of `position`; the items to be written
    /// before that is durable.
    pub fn reopen_slice(&mut self, slice: &str, position: Position, now: Tick) -> Vec<Key> {
        let lacking = self
            .in_slice(slice)
            .filter(|(_, entry)| !entry.item.is_in_conflict() && entry.item.is_unknown_to_server());
        let lacking: Vec<Key> = lacking.map(|(key, _)| key.clone()).collect();
        for key in &lacking {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.item.reopen(position);
                entry.marks_open = true;
                entry.row_is_dirty = true;
                self.debounce.set_earlier(key, now);
            }
            self.index(key);
        }
        lacking
    }

    /// Has the rows of items mark what is open that hold records up to `position`, so that those can go.
    pub fn mark_open(&mut self, position: Position, now: Tick) {
        for (key, entry) in &mut self.entries {
            if !entry.marks_open && entry.holds.first().is_some_and(|held| *held <= position) {
                entry.marks_open = true;
                entry.row_is_dirty = true;
                self.debounce.set_earlier(key, now);
            }
        }
    }
}
