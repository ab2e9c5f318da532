//! Folding: what durable records do to items. An item's operations compose into the one state that it shall have.

use super::items::{self, Items, Pending};
use super::journal::Record;
use crate::bridge::action::{Action, BadAction, Change, Operation};
use crate::bridge::config::Slices;
use crate::json::{Fields, Json, elements, well_formed};
use crate::store::{Key, Wanted, Whole};
use crate::table::{Set, Table};
use std::rc::Rc;

/// A record whose operations are known.
#[derive(Debug)]
pub struct Parsed {
    pub record: Record,
    pub operations: Vec<Operation>,
}

/// Reads a record's actions. Bad ones are returned beside it; `None` where the text is no burst at all.
pub fn parse(record: Record, slices: &Slices) -> Result<(Parsed, Vec<BadAction>), Record> {
    let text = well_formed(&record.text);
    let Some(actions) = elements(&text) else {
        drop(text);
        return Err(record);
    };
    let (mut operations, mut bad) = (Vec::new(), Vec::new());
    for action in actions {
        match Action::read(action).and_then(|action| action.operations(slices)) {
            Ok(more) => more.into_iter().for_each(|operation| match operation {
                Ok(operation) => operations.push(operation),
                Err(reason) => bad.push(reason),
            }),
            Err(reason) => bad.push(reason),
        }
    }
    drop(text);
    Ok((Parsed { record, operations }, bad))
}

/// What folding a record came to.
pub struct Folded {
    /// The items that it changed.
    pub changed: Vec<Key>,
    /// Updates of items that do not exist.
    pub missing: Vec<Key>,
}

/// Records waiting for the stored values of their items.
#[derive(Debug, Default)]
pub struct Fold {
    pub queue: Vec<Parsed>,
    pub loading: Option<u64>,
    /// The slices that are being read whole.
    pub loading_whole: Vec<Rc<str>>,
    /// Slices that someone else wants whole.
    whole: Vec<Rc<str>>,
    /// For each item, the last position that the outbox or the server has already: replaying skips up to it.
    done: Table<Key, u64>,
}

impl Fold {
    /// Remembers that records up to `position` are folded into what the store has of the item. It only matters for what
    /// is replayed at start; new records have higher positions.
    pub fn skip(&mut self, key: &Key, position: u64) {
        let done = self.done.or_insert_with(key.clone(), || 0);
        *done = position.max(*done);
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.whole.is_empty()
    }

    /// The items that have to be read before the queue can be folded.
    pub fn wanted(&self, items: &Items, slices: &Slices) -> Vec<Wanted> {
        let mut keys = Set::default();
        for parsed in &self.queue {
            for operation in &parsed.operations {
                if !operation.is_of_slice() && !items.has(&operation.key) {
                    keys.insert(operation.key.clone(), 0);
                }
            }
        }
        items::wanted(&keys, slices)
    }

    /// The slices that have to be read whole.
    pub fn wanted_whole(&self, items: &Items, slices: &Slices) -> Vec<Whole> {
        let mut names = Vec::new();
        for parsed in &self.queue {
            for operation in &parsed.operations {
                if operation.is_of_slice() {
                    names.push(operation.key.slice.clone());
                }
            }
        }
        for slice in &self.whole {
            names.push(slice.clone());
        }
        let mut wanted: Vec<Whole> = Vec::new();
        for slice in names {
            if !items.is_whole(&slice)
                && !wanted.iter().any(|whole| whole.slice == slice)
                && let Some(config) = slices.get(&slice)
            {
                wanted.push(Whole { slice, store: config.store.clone() });
            }
        }
        wanted
    }

    /// Asks for every item of a slice to be read and kept, until [`Fold::unwant_whole`].
    pub fn want_whole(&mut self, slice: &Rc<str>) {
        if !self.wants_whole(slice) {
            self.whole.push(slice.clone());
        }
    }

    pub fn wants_whole(&self, slice: &str) -> bool {
        self.whole.iter().any(|wanted| **wanted == *slice)
    }

    pub fn unwant_whole(&mut self, slice: &str) {
        self.whole.retain(|wanted| **wanted != *slice);
    }

    /// Lets go of the items of slices that need not be whole any more.
    pub fn forget_wholes(&self, items: &mut Items) {
        for slice in items.wholes() {
            let is_of = |operation: &Operation| operation.is_of_slice() && operation.key.slice == slice;
            let queued = self.queue.iter().any(|parsed| parsed.operations.iter().any(is_of));
            if !queued && !self.wants_whole(&slice) {
                items.forget_whole(&slice);
            }
        }
    }

    /// Takes the first records out, as far as all their items are known.
    pub fn ready(&mut self, items: &Items) -> Vec<Parsed> {
        let known = |operation: &Operation| match operation.is_of_slice() {
            true => items.is_whole(&operation.key.slice),
            false => items.has(&operation.key),
        };
        let unknown = self.queue.iter().position(|parsed| !parsed.operations.iter().all(known));
        let rest = self.queue.split_off(unknown.unwrap_or(self.queue.len()));
        std::mem::replace(&mut self.queue, rest)
    }

    /// What is replayed at start is folded once nothing is queued: no record is skipped any more.
    pub fn replayed(&mut self) {
        if self.queue.is_empty() {
            self.done = Table::default();
        }
    }

    /// Applies a record. `urgent` makes its items due at once.
    pub fn apply(
        &self,
        parsed: &Parsed,
        urgent: bool,
        now: u64,
        items: &mut Items,
        slices: &Slices,
    ) -> Folded {
        let mut folded = Folded { changed: Vec::new(), missing: Vec::new() };
        for Operation { key, change } in &parsed.operations {
            let others = match change {
                Change::DeleteAll => others(&key.slice, &parsed.record, items),
                Change::Retry { .. } | Change::Discard { .. } => continue,
                change => {
                    self.one(key, change, parsed, urgent, now, items, slices, &mut folded);
                    continue;
                }
            };
            for key in others {
                self.one(&key, &Change::Delete, parsed, urgent, now, items, slices, &mut folded);
            }
        }
        folded
    }

    /// Applies an operation on one item.
    #[allow(clippy::too_many_arguments)] // an operation and what it is read against
    fn one(
        &self,
        key: &Key,
        change: &Change,
        parsed: &Parsed,
        urgent: bool,
        now: u64,
        items: &mut Items,
        slices: &Slices,
        folded: &mut Folded,
    ) {
        let position = parsed.record.position;
        if self.done.get(key).is_some_and(|done| *done >= position) {
            return;
        }
        let visible = items.get(key).and_then(|item| item.visible());
        let made = visible.is_none() && matches!(change, Change::Update { .. });
        let value = match change {
            Change::Put(value) => Some(value.clone()),
            Change::Update { fields, unset, whole } => match (visible, whole) {
                (Some(value), _) => Some(merge(value, fields, unset)),
                // Deleted or never there: its page did not know that it was, and shows it.
                (None, Some(whole)) => Some(whole.clone()),
                (None, None) => return folded.missing.push(key.clone()),
            },
            _ if visible.is_none() => return,
            _ => None,
        };
        let item = items.change(key);
        item.position = position;
        let at = parsed.record.head.at;
        let fresh = || Pending { value: None, at, since: now, position, positions: Vec::new(), made: false };
        let pending = item.pending.get_or_insert_with(fresh);
        pending.made |= made;
        pending.value = value;
        pending.at = at;
        pending.position = position;
        if pending.positions.last() != Some(&position) {
            pending.positions.push(position);
            folded.changed.push(key.clone());
        }
        let due = match slices.get(&key.slice) {
            Some(slice) if !urgent => pending.due(now, slice),
            _ => now,
        };
        items.debounce.set(key, due);
    }
}

/// The items of a slice that were there before a record.
fn others(slice: &str, record: &Record, items: &Items) -> Vec<Key> {
    let mut others = Vec::new();
    for (key, item) in items.of(slice) {
        // What is newer than the record was made after it, though it may be replayed.
        if item.visible().is_some() && item.position <= record.position {
            others.push(key.clone());
        }
    }
    others
}

/// An update's top-level fields over the value; an item that is no object is replaced.
fn merge(value: &Json, fields: &Json, unset: &[String]) -> Json {
    let (Some(mut merged), Some(fields)) = (Fields::parse(value), Fields::parse(fields)) else {
        return fields.clone();
    };
    for (name, value) in fields.0 {
        // The item keeps its own id: an update names it, it does not change it.
        if name != "id" {
            merged.set(name, value);
        }
    }
    for name in unset {
        merged.remove(name);
    }
    merged.to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_merges_top_level_fields() {
        let merged = merge(
            &r#"{"id":0,"a":{"x":1},"b":2,"c":3}"#.into(),
            &r#"{"id":"0","a":{"y":2},"b":null}"#.into(),
            &["c".into()],
        );
        assert_eq!(&*merged, r#"{"id":0,"a":{"y":2},"b":null}"#);
    }
}
