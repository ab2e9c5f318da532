//! What records do to items, once those before them have and their items are here.

use super::{Edit, Effect, Entry, Replica};
use crate::bridge::action::{Change, Operation};
use crate::bridge::config::{Slice, Slices};
use crate::collect;
use crate::engine::clock::Now;
use crate::json::Json;
use crate::store::{AnswerRow, AnswerStatus, Key, Whole};
use crate::units::{Millis, Position};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Changes of the server's side that nobody asked for are written at the latest so much later, in ms.
const SERVER_WRITE_MS: u64 = 1_000;

/// A record whose effects are known.
#[derive(Debug)]
pub struct ParsedRecord {
    pub position: Position,
    /// When it was appended.
    pub at: Millis,
    pub effects: Effects,
    /// The items that it names, each once.
    keys: BTreeSet<Key>,
    /// The slices of which it changes every item.
    whole_slices: BTreeSet<Rc<str>>,
}

#[derive(Debug)]
pub enum Effects {
    Edits(Edits),
    Answers(Vec<AnswerRow>),
}

/// What a page's burst does.
#[derive(Debug)]
pub struct Edits {
    pub page: Rc<str>,
    /// Each with the time of its dispatch.
    pub operations: Vec<(Operation, Millis)>,
}

impl ParsedRecord {
    pub fn new(position: Position, at: Millis, effects: Effects) -> Self {
        let (keys, whole_slices) = match &effects {
            Effects::Edits(edits) => {
                let (whole, named): (Vec<_>, Vec<_>) = edits
                    .operations
                    .iter()
                    .map(|(operation, _)| operation)
                    .partition(|one| one.is_of_slice());
                let keys = collect::set(named.into_iter().map(|operation| operation.key.clone()));
                (keys, collect::set(whole.into_iter().map(|operation| operation.key.slice.clone())))
            }
            Effects::Answers(answers) => (collect::set(answers.iter().map(AnswerRow::key)), BTreeSet::new()),
        };
        ParsedRecord { position, at, effects, keys, whole_slices }
    }

    /// The items that it names, each once.
    pub fn keys(&self) -> &BTreeSet<Key> {
        &self.keys
    }

    /// The slices of which it changes every item.
    pub fn whole_slices(&self) -> &BTreeSet<Rc<str>> {
        &self.whole_slices
    }

    /// The slices that it is about.
    pub fn slices(&self) -> BTreeSet<Rc<str>> {
        match &self.effects {
            Effects::Edits(edits) => {
                collect::set(edits.operations.iter().map(|(operation, _)| operation.key.slice.clone()))
            }
            Effects::Answers(answers) => collect::set(answers.iter().map(|answer| answer.slice.clone())),
        }
    }
}

/// Items with what a reader sees of them now.
pub type ChangedItems = Vec<(Key, Option<Json>)>;

/// What a record came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// The items that wait for a checkpoint before the record may go.
    pub held_by: usize,
    /// By a page.
    pub changed: ChangedItems,
    /// By the server.
    pub from_server: ChangedItems,
    /// Refused changes that were undone.
    pub rolled_back: ChangedItems,
    /// Updates of items that do not exist.
    pub missing: Vec<Key>,
    /// Retries and discards of refusals that are not there any more.
    pub not_refused: Vec<Key>,
    /// What people should know: refusals and conflicts, in sentences.
    pub reasons: Vec<String>,
    /// Operations that the server has answered for good.
    pub acknowledged: usize,
}

impl Replica {
    /// The items to read before the record can take effect.
    pub fn missing_keys(&self, record: &ParsedRecord) -> Vec<Key> {
        record.keys().iter().filter(|key| !self.entries.contains_key(key)).cloned().collect()
    }

    /// The slices to read fully before the record can take effect.
    pub fn missing_slices(&self, record: &ParsedRecord, slices: &Slices) -> Vec<Whole> {
        let missing = record.whole_slices().iter().filter(|slice| !self.is_fully_loaded(slice));
        missing
            .filter_map(|slice| Some(Whole { store: slices.get(slice)?.store.clone(), slice: slice.clone() }))
            .collect()
    }

    /// Whether all its items are here.
    pub fn is_ready(&self, record: &ParsedRecord) -> bool {
        let whole = |slice: &Rc<str>| self.is_fully_loaded(slice);
        record.keys().iter().all(|key| self.entries.contains_key(key))
            && record.whole_slices().iter().all(whole)
    }

    /// Applies a record. `urgent` makes what it edits quiet at once.
    pub fn apply(&mut self, record: &ParsedRecord, urgent: bool, now: Now, slices: &Slices) -> Applied {
        let mut applied = match &record.effects {
            Effects::Edits(edits) => self.apply_edits(record.position, edits, urgent, now, slices),
            Effects::Answers(answers) => {
                let mut applied = Applied::default();
                for answer in answers {
                    self.apply_answer(record, answer, now, &mut applied);
                }
                applied
            }
        };
        applied.held_by = self.held_by(record);
        applied
    }

    /// How many items the record waits for.
    fn held_by(&self, record: &ParsedRecord) -> usize {
        let is_held = |entry: &Entry| entry.holds.last() == Some(&record.position);
        let of_slices = record.whole_slices().iter().flat_map(|slice| self.in_slice(slice));
        let others = of_slices.filter(|(key, entry)| is_held(entry) && !record.keys().contains(*key)).count();
        others + record.keys().iter().filter(|key| self.entries.get(*key).is_some_and(is_held)).count()
    }

    fn apply_edits(
        &mut self,
        position: Position,
        edits: &Edits,
        urgent: bool,
        now: Now,
        slices: &Slices,
    ) -> Applied {
        let mut applied = Applied::default();
        let mut changed = BTreeSet::new();
        for (Operation { key, change }, at) in &edits.operations {
            let quiet = |slice: Option<&Slice>| slice.filter(|_| !urgent).cloned();
            let slice = quiet(slices.get(&key.slice));
            let Some(edit) = edit_of(change) else {
                for key in self.keys_in(&key.slice) {
                    let effect = self.apply_edit(position, &key, (&Edit::Delete, *at), slice.as_ref(), now);
                    if effect == Effect::Changed {
                        changed.insert(key);
                    }
                }
                continue;
            };
            match self.apply_edit(position, key, (&edit, *at), slice.as_ref(), now) {
                Effect::Changed => drop(changed.insert(key.clone())),
                Effect::Missing => applied.missing.push(key.clone()),
                Effect::NotRefused => applied.not_refused.push(key.clone()),
                Effect::Hidden | Effect::Nothing => {}
            }
        }
        applied.changed = changed.into_iter().map(|key| (key.clone(), self.visible(&key).cloned())).collect();
        applied
    }

    fn apply_edit(
        &mut self,
        position: Position,
        key: &Key,
        (edit, at): (&Edit, Millis),
        slice: Option<&Slice>,
        now: Now,
    ) -> Effect {
        let entry = self.entries.entry(key.clone()).or_default();
        if position <= entry.written {
            if entry.item.skip_edit(position) {
                entry.hold(position);
                self.index(key);
            }
            return Effect::Nothing;
        }
        let refused = entry.item.refused().len();
        let effect = entry.item.edit(edit, position, at);
        self.refusals_changed |= entry.item.refused().len() != refused;
        if !matches!(effect, Effect::Changed | Effect::Hidden) {
            return effect;
        }
        entry.change(position);
        entry.value_is_dirty |= effect == Effect::Changed;
        let since = *entry.first_changed_at.get_or_insert(now.tick);
        entry.quiet_at = match slice {
            Some(slice) => now.tick.plus(slice.debounce_ms).min(since.plus(slice.max_wait_ms)),
            None => now.tick,
        };
        self.debounce.set(key, entry.quiet_at);
        self.index(key);
        effect
    }

    fn apply_answer(&mut self, record: &ParsedRecord, answer: &AnswerRow, now: Now, applied: &mut Applied) {
        let key = answer.key();
        let entry = self.entries.entry(key.clone()).or_default();
        if record.position <= entry.written {
            if entry.item.skip_answer(answer, record.position) {
                entry.hold(record.position);
            }
            return self.index(&key);
        }
        entry.is_sent = false;
        let in_conflict = entry.item.remote().is_some();
        let effect = entry.item.answer(answer, record.position, record.at);
        entry.change(record.position);
        entry.value_is_dirty |= effect == Effect::Changed;
        let is_new_conflict = !in_conflict && entry.item.remote().is_some();
        self.debounce.set_earlier(&key, now.tick.plus(SERVER_WRITE_MS));
        self.index(&key);
        applied.acknowledged += usize::from(answer.status != AnswerStatus::Withdrawn);
        let value = || (key.clone(), self.visible(&key).cloned());
        match (answer.status, effect) {
            (AnswerStatus::Rejected, Effect::Changed) => applied.rolled_back.push(value()),
            (_, Effect::Changed) => applied.from_server.push(value()),
            _ => {}
        }
        if answer.status == AnswerStatus::Rejected {
            self.refusals_changed = true;
            let message = answer.message.as_deref().unwrap_or_default();
            applied.reasons.push(format!(
                "The server refused a change of {} \"{}\": {message} The change was undone and is kept in the list of refused changes.",
                key.slice, key.id
            ));
        } else if is_new_conflict {
            applied.reasons.push(format!(
                "{} \"{}\" was changed here and elsewhere; both sides are kept until the conflict is resolved.",
                key.slice, key.id
            ));
        }
    }
}

impl Entry {
    /// A record changed the item: it is written anew, and the record waits for that.
    fn change(&mut self, position: Position) {
        self.row_is_dirty = true;
        self.hold(position);
    }

    /// The record waits for the item.
    fn hold(&mut self, position: Position) {
        if self.holds.last() != Some(&position) {
            self.holds.push(position);
        }
    }
}

/// What a change does to one item; none where it is about every item of a slice.
fn edit_of(change: &Change) -> Option<Edit> {
    Some(match change {
        Change::Put(value) => Edit::Put(value.clone()),
        Change::Update { fields, unset, upsert: whole } => {
            Edit::Update { fields: fields.clone(), unset: unset.clone(), whole: whole.clone() }
        }
        Change::Delete => Edit::Delete,
        Change::Retry { rejection, value } => {
            Edit::Retry { refused_at: refused_at(rejection), value: value.clone() }
        }
        Change::Discard { rejection } => Edit::Discard { refused_at: refused_at(rejection) },
        Change::DeleteAll => return None,
    })
}

/// The position in a rejection's id: `<slice>/<position>/<item id>`.
fn refused_at(rejection: &str) -> Position {
    let position = rejection.split('/').nth(1).and_then(|position| position.parse().ok());
    Position(position.unwrap_or_default())
}
