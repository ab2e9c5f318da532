//! Folding: what durable records do to items. An item's operations compose into the one state that it shall have.

use super::items::{self, Items, Pending};
use super::journal::Record;
use crate::bridge::action::{Action, BadAction, Change, Operation};
use crate::bridge::config::Slices;
use crate::json::{Fields, Json, elements, well_formed};
use crate::store::{Key, Wanted};
use crate::table::Table;
use std::collections::VecDeque;

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
    pub queue: VecDeque<Parsed>,
    pub loading: Option<u64>,
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

    /// The items that have to be read before the queue can be folded.
    pub fn wanted(&self, items: &Items, slices: &Slices) -> Vec<Wanted> {
        let keys = self.queue.iter().flat_map(|parsed| &parsed.operations).map(|operation| &operation.key);
        items::wanted(keys.filter(|key| !items.has(key)).cloned(), slices)
    }

    /// The first record, if all its items are known.
    pub fn ready(&mut self, items: &Items) -> Option<Parsed> {
        if self.queue.is_empty() {
            self.done = Table::default();
        }
        let ready = self.queue.front()?.operations.iter().all(|operation| items.has(&operation.key));
        if ready { self.queue.pop_front() } else { None }
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
        let position = parsed.record.position;
        let mut folded = Folded { changed: Vec::new(), missing: Vec::new() };
        for operation in &parsed.operations {
            let key = &operation.key;
            if self.done.get(key).is_some_and(|done| *done >= position) {
                continue;
            }
            let visible = items.get(key).and_then(|item| item.visible());
            let value = match &operation.change {
                Change::Put(value) => Some(value.clone()),
                Change::Delete if visible.is_none() => continue,
                Change::Delete => None,
                Change::Update { fields, unset } => match visible {
                    Some(value) => Some(merge(value, fields, unset)),
                    None => {
                        folded.missing.push(key.clone());
                        continue;
                    }
                },
            };
            let item = items.change(key);
            let pending = item.pending.get_or_insert_with(|| Pending {
                value: None,
                at: parsed.record.head.at,
                since: now,
                positions: Vec::new(),
            });
            pending.value = value;
            pending.at = parsed.record.head.at;
            if pending.positions.last() != Some(&position) {
                pending.positions.push(position);
                folded.changed.push(key.clone());
            }
            let since = pending.since;
            let due = match slices.get(&key.slice) {
                Some(slice) if !urgent => (now + slice.debounce_ms).min(since + slice.max_wait_ms),
                _ => now,
            };
            items.debounce.set(key, due);
        }
        folded
    }
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
