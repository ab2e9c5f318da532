//! The replay: durable records, read, waiting for their items, taking effect one after the other. After a start it goes
//! over what the journal has; then over each record as it becomes durable.
//!
//! ```text
//!  journal ──► parse ──► queue ──► its items are here ──► effect
//!                          └── they are not: one read for all that the queue names
//! ```
//!
//! # Invariants
//!
//! 1. Records take effect in the order of their positions, each once in a life.
//! 2. A record that can't be read is moved out of the way and stops no other. All slices are looked through then for what the
//!    server lacks; where it may be more than a page's changes, they are pulled from their beginning, too.
//! 3. A start that does not reach the end of the replay is counted. From the third on each position is noted before it is
//!    replayed, and the one at which three starts in a row ended is moved out of the way. (One could be chance: a browser
//!    kills workers at any moment, and a record that nothing is wrong with must not go.)
//! 4. A replay posts no warnings.

use super::journal::Record;
use super::replica::{Edits, Effects, ParsedRecord, Replica};
use crate::bridge::action::{Action, BadAction};
use crate::bridge::config::Slices;
use crate::collect;
use crate::json::{elements, read, well_formed, write};
use crate::store::{Answers, ITEMS, JOURNAL, Key, META, Pulled, RecordHead, RowKey, Whole, Write};
use crate::units::{Millis, Position};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// After so many starts that did not end, each position is noted.
const CAREFUL_AFTER: u32 = 2;
/// After so many starts that ended at one position, its record is moved out of the way.
const POISONED_AFTER: u32 = 3;

/// `_meta.start`: how many starts in a row have not reached the end of the replay, and where the last one was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Start {
    n: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    /// How many starts in a row were there.
    #[serde(default)]
    times: u32,
}

#[derive(Debug, Default)]
pub struct Replay {
    queue: VecDeque<ParsedRecord>,
    /// The slices that are being read fully.
    loading: BTreeSet<Rc<str>>,
    /// True until all records that the journal had at start are in effect.
    is_recovering: bool,
    /// The newest position that it had.
    recovers_through: Position,
    start: Start,
    before: Start,
    /// The position that is noted durably.
    noted: Option<Position>,
}

/// The items and slices to read before the queue can take effect.
#[derive(Debug)]
pub struct Missing {
    pub keys: BTreeSet<Key>,
    pub slices: Vec<Whole>,
}

impl Missing {
    /// Adds a slice that is to be read fully, if it is not there yet.
    pub fn add_slice(&mut self, name: &Rc<str>, slices: &Slices) {
        let Some(slice) = slices.get(name) else { return };
        let missing = Whole { slice: name.clone(), store: slice.store.clone() };
        if !self.slices.contains(&missing) {
            self.slices.push(missing);
        }
    }
}

impl Replay {
    /// Begins a start. `row` is `_meta.start`. The record at which earlier starts ended, if that is known.
    pub fn recover(row: Option<&str>) -> (Self, Option<Position>) {
        let before: Start = row.and_then(read).unwrap_or_default();
        let poisoned = before.position.filter(|_| before.times >= POISONED_AFTER);
        let start = Start { n: before.n + 1, ..before };
        (Replay { is_recovering: true, start, before, ..Replay::default() }, poisoned)
    }

    /// Returns the write that counts this start.
    pub fn count_start(&self) -> Write {
        Write::meta("start", &write(&self.start))
    }

    /// The journal had records up to here at start.
    pub fn recover_through(&mut self, position: Position) {
        self.recovers_through = position;
    }

    /// Returns true if a record is one of those that the journal had at start.
    pub fn is_repeated(&self, position: Position) -> bool {
        position <= self.recovers_through
    }

    /// Returns true if all that the journal had at start is in effect.
    pub fn is_recovered(&self) -> bool {
        self.queue.front().is_none_or(|record| record.position > self.recovers_through)
    }

    /// Ends the replay of a start. Returns the write that notes the end.
    pub fn finish(&mut self) -> Write {
        self.is_recovering = false;
        Write::delete_meta("start")
    }

    pub fn is_recovering(&self) -> bool {
        self.is_recovering
    }

    /// Returns true if records are to take effect one by one, each after a note.
    pub fn is_careful(&self) -> bool {
        self.is_recovering && self.start.n > CAREFUL_AFTER
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn push(&mut self, record: ParsedRecord) {
        self.queue.push_back(record);
    }

    /// Returns the write that notes the next position, if the note is to be durable before the record takes effect.
    pub fn note(&mut self) -> Option<Write> {
        let next = self.queue.front()?.position;
        if !self.is_careful() || self.noted == Some(next) {
            return None;
        }
        self.start.position = Some(next);
        self.start.times = if self.before.position == Some(next) { self.before.times + 1 } else { 1 };
        Some(self.count_start())
    }

    /// The note is durable.
    pub fn noted(&mut self) {
        self.noted = self.start.position;
    }

    /// The next record, if all its items are here.
    pub fn next(&mut self, replica: &Replica) -> Option<ParsedRecord> {
        self.queue.front().filter(|record| replica.is_ready(record))?;
        self.queue.pop_front()
    }

    /// The next record, whether its items are here or not.
    pub fn next_record(&mut self) -> Option<ParsedRecord> {
        self.queue.pop_front()
    }

    /// Returns the items and slices that the queue lacks.
    pub fn missing(&self, replica: &Replica, slices: &Slices) -> Missing {
        let keys = collect::set(self.queue.iter().flat_map(|record| replica.missing_keys(record)));
        let mut missing = Missing { keys, slices: Vec::new() };
        for slice in self.queue.iter().flat_map(|record| replica.missing_slices(record)) {
            missing.add_slice(slice, slices);
        }
        missing
    }

    /// Returns true if a record in the queue is about every item of the slice.
    pub fn needs_slice(&self, slice: &str) -> bool {
        self.queue.iter().any(|record| record.whole_slices().iter().any(|name| **name == *slice))
    }

    pub fn loading(&mut self, slices: impl Iterator<Item = Rc<str>>) {
        self.loading = collect::set(slices);
    }

    /// The slices that were being read.
    pub fn loaded(&mut self) -> BTreeSet<Rc<str>> {
        std::mem::take(&mut self.loading)
    }
}

/// Reads a record. Bad actions are returned beside it; nothing where the text can't be read at all.
pub fn parse(record: &Record, slices: &Slices) -> Option<(ParsedRecord, Vec<BadAction>)> {
    let mut bad = Vec::new();
    let (at, policies, effects) = match &record.head {
        RecordHead::Burst { page, at, seen, policies, .. } => {
            let operations = parse_actions(&record.text, *at, slices, &mut bad)?;
            (*at, policies, Effects::Edits(Edits { page: page.clone(), seen: *seen, operations }))
        }
        RecordHead::Answers { at, policies } => {
            (*at, policies, Effects::Answers(Answers::read(&record.text)?.results))
        }
        RecordHead::Pulled { at, policies, .. } => {
            (*at, policies, Effects::Pulled(Pulled::read(&record.text)?))
        }
    };
    Some((ParsedRecord::new(record.position, at, effects, policies.clone()), bad))
}

fn parse_actions(
    text: &str,
    arrived: Millis,
    slices: &Slices,
    bad: &mut Vec<BadAction>,
) -> Option<Vec<(crate::bridge::action::Operation, Millis)>> {
    let text = well_formed(text);
    let mut operations = Vec::new();
    for action in elements(&text)? {
        let action = match Action::read(action) {
            Ok(action) => action,
            Err(reason) => {
                bad.push(reason);
                continue;
            }
        };
        let at = action.at.map_or(arrived, Millis);
        let mut refuse = |reason| bad.push(BadAction { slice: action.slice().map(str::to_owned), ..reason });
        match action.operations(slices) {
            Ok(read) => read.into_iter().for_each(|operation| match operation {
                Ok(operation) => operations.push((operation, at)),
                Err(reason) => refuse(reason),
            }),
            Err(reason) => refuse(reason),
        }
    }
    Some(operations)
}

/// A row that cannot be read, as it is kept in `_meta`.
#[derive(Serialize)]
struct Unreadable<'a> {
    at: Millis,
    row: &'a str,
}

/// A record that is moved out of the way, to where a person can look at it: the writes, and the sentence for people.
/// Nothing is deleted.
pub fn quarantine(position: Position, row: &str, at: Millis) -> ([Write; 2], String) {
    let name = format!("unreadable:{JOURNAL}:{position}");
    let text = format!(
        "A record of {JOURNAL} (number {position}) cannot be read, so changes in it may be missing. It is kept as {name} in {META} of this site's database. What it had changed before is compared with the server; everything else goes on."
    );
    let kept = Write::meta(&name, &write(&Unreadable { at, row }));
    ([kept, Write::delete(JOURNAL, RowKey::Number(position.0))], text)
}

/// A copy of an item's row that cannot be read, and the sentence for people. The next row of the item takes its place.
pub fn keep_item_row(key: &Key, row: &str, at: Millis) -> (Write, String) {
    let (slice, id) = (&key.slice, &key.id);
    let name = format!("unreadable:{ITEMS}:{slice}:{id}");
    let text = format!(
        "What is noted about {id:?} in {slice} cannot be read, so a change of it that was not sent yet may not be sent. The note is kept as {name} in {META} of this site's database; everything else goes on."
    );
    (Write::meta(&name, &write(&Unreadable { at, row })), text)
}

#[cfg(test)]
mod tests;
