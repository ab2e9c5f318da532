//! The effects of records on items, once the records before them are in effect and their items are here.

use super::item::{Editor, Incoming};
use super::{Edit, Effect, Entry, Item, Replica, Update};
use crate::bridge::action::{Change, Operation};
use crate::bridge::config::{Slice, Slices};
use crate::collect;
use crate::engine::clock::Now;
use crate::json::{Json, same};
use crate::store::{
    AnswerRow, AnswerStatus, Forgotten, InRebuild, Key, Policies, Pulled, PulledRow, RebuildReason,
};
use crate::units::{Millis, Position, Version};
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
    /// The settings of slices when it was appended.
    policies: Policies,
    /// The items that it names, each once.
    keys: BTreeSet<Key>,
    /// The items among them that are overwritten without being read, if they are at rest.
    overwrites: BTreeSet<Key>,
    /// The slices of which it changes every item.
    whole_slices: BTreeSet<Rc<str>>,
}

#[derive(Debug)]
pub enum Effects {
    Edits(Edits),
    Answers(Vec<AnswerRow>),
    Pulled(Pulled),
}

/// The effect of a page's burst.
#[derive(Debug)]
pub struct Edits {
    pub page: Rc<str>,
    /// The page had applied all records up to there.
    pub seen: Position,
    /// Each with the time of its dispatch.
    pub operations: Vec<(Operation, Millis)>,
}

impl ParsedRecord {
    pub fn new(position: Position, at: Millis, effects: Effects, policies: Policies) -> Self {
        let (keys, whole_slices) = match &effects {
            Effects::Edits(edits) => {
                let (slices, named): (Vec<_>, Vec<_>) = edits
                    .operations
                    .iter()
                    .map(|(operation, _)| operation)
                    .partition(|one| one.is_of_slice());
                let keys = collect::set(named.into_iter().map(|operation| operation.key.clone()));
                (keys, collect::set(slices.into_iter().map(|operation| operation.key.slice.clone())))
            }
            Effects::Answers(answers) => (collect::set(answers.iter().map(AnswerRow::key)), BTreeSet::new()),
            Effects::Pulled(Pulled { changes, unnamed, forgotten, .. }) => {
                let forgotten = forgotten.iter().flat_map(|forgotten| &forgotten.items);
                let others = unnamed.iter().chain(forgotten);
                let others = others.map(|(slice, id)| Key::from_parts(slice.clone(), id.clone()));
                (collect::set(changes.iter().map(PulledRow::key).chain(others)), BTreeSet::new())
            }
        };
        ParsedRecord { position, at, effects, policies, keys, overwrites: BTreeSet::new(), whole_slices }
    }

    /// Has items at rest overwritten by pulled values without being read. That is right for a record that became durable in
    /// this life, and for values that are newer than every answer to a push.
    pub fn overwrite_at_rest(&mut self, answered: Option<Version>) {
        if let Effects::Pulled(Pulled { changes, rebuild, .. }) = &self.effects
            && rebuild.is_none_or(|rebuild| rebuild.reason != RebuildReason::HistoryChanged)
        {
            let is_newer = |change: &&PulledRow| Some(change.version) > answered && change.value.is_some();
            self.overwrites = collect::set(changes.iter().filter(is_newer).map(PulledRow::key));
        }
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
            Effects::Pulled(_) => collect::set(self.keys.iter().map(|key| key.slice.clone())),
        }
    }
}

/// Items with what a reader sees of them now.
pub type ChangedItems = Vec<(Key, Option<Json>)>;

/// The result of a record's effect.
#[derive(Debug, Default)]
pub struct Applied {
    /// The items that wait for a checkpoint before the record may go.
    pub held_by: usize,
    /// By a page.
    pub changed: ChangedItems,
    /// The changed items that became something else than the page shows that made the change.
    pub corrected: ChangedItems,
    /// By the server.
    pub from_server: ChangedItems,
    /// Refused changes that were undone.
    pub rolled_back: ChangedItems,
    /// Updates of items that do not exist.
    pub missing: Vec<Key>,
    /// Retries and discards of refusals that are not there any more.
    pub not_refused: Vec<Key>,
    /// Resolutions of conflicts that are others meanwhile.
    pub not_in_conflict: Vec<Key>,
    /// Sentences for people about refusals and conflicts, each with its item.
    pub reasons: Vec<(Key, String)>,
    /// Operations that the server has answered for good.
    pub acknowledged: usize,
}

impl Replica {
    /// The items to read before the record can take effect.
    pub fn missing_keys(&self, record: &ParsedRecord) -> Vec<Key> {
        record.keys().iter().filter(|key| !self.is_at_hand(record, key)).cloned().collect()
    }

    fn is_at_hand(&self, record: &ParsedRecord, key: &Key) -> bool {
        self.entries.contains_key(key) || record.overwrites.contains(key)
    }

    /// The slices to read fully before the record can take effect.
    pub fn missing_slices<'a>(&'a self, record: &'a ParsedRecord) -> impl Iterator<Item = &'a Rc<str>> {
        record.whole_slices().iter().filter(|slice| !self.is_fully_loaded(slice))
    }

    /// Returns true if all its items are here.
    pub fn is_ready(&self, record: &ParsedRecord) -> bool {
        let is_loaded = |slice: &Rc<str>| self.is_fully_loaded(slice);
        record.keys().iter().all(|key| self.is_at_hand(record, key))
            && record.whole_slices().iter().all(is_loaded)
    }

    /// Applies a record. `urgent` makes what it edits quiet at once.
    pub fn apply(&mut self, record: &ParsedRecord, urgent: bool, now: Now, slices: &Slices) -> Applied {
        let mut applied = match &record.effects {
            Effects::Edits(edits) => self.apply_edits(record, edits, urgent, now, slices),
            Effects::Answers(answers) => {
                let mut applied = Applied::default();
                for answer in answers {
                    self.apply_answer(record, answer, now, &mut applied);
                }
                applied
            }
            Effects::Pulled(Pulled { changes, rebuild, unnamed, forgotten }) => {
                let mut applied = Applied::default();
                for change in changes {
                    let came = |item: &mut Item, incoming| match rebuild {
                        Some(rebuild) => item.pulled_anew(change.remote(), rebuild.reason, incoming),
                        None => item.pulled(change.remote(), incoming),
                    };
                    self.apply_pulled(record, &change.key(), Some(change), came, now, &mut applied);
                }
                let rebuild = rebuild.as_ref();
                for (slice, id) in unnamed {
                    let key = Key::from_parts(slice.clone(), id.clone());
                    let came = |item: &mut Item, incoming| {
                        rebuild.map_or(Effect::Nothing, |rebuild| item.unnamed(*rebuild, incoming))
                    };
                    self.apply_pulled(record, &key, None, came, now, &mut applied);
                }
                if let Some(Forgotten { below, items }) = forgotten {
                    for (slice, id) in items {
                        let key = Key::from_parts(slice.clone(), id.clone());
                        let came =
                            |item: &mut Item, incoming: Incoming| item.forget(*below, incoming.position);
                        self.apply_pulled(record, &key, None, came, now, &mut applied);
                    }
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
        record: &ParsedRecord,
        edits: &Edits,
        urgent: bool,
        now: Now,
        slices: &Slices,
    ) -> Applied {
        let mut applied = Applied::default();
        let mut changed = BTreeSet::new();
        let mut corrected = BTreeSet::new();
        for (Operation { key, change }, at) in &edits.operations {
            let quiet = |slice: Option<&Slice>| slice.filter(|_| !urgent).cloned();
            let slice = quiet(slices.get(&key.slice));
            let editor = Editor {
                page: &edits.page,
                seen: edits.seen,
                position: record.position,
                at: *at,
                strategy: record.policies.strategy(&key.slice),
            };
            let Some(edit) = edit_of(change) else {
                for key in self.keys_in(&key.slice) {
                    let effect = self.apply_edit(&key, &Edit::Delete, editor, slice.as_ref(), now);
                    if effect == Effect::Changed {
                        if self.visible(&key).is_some() {
                            corrected.insert(key.clone());
                        }
                        changed.insert(key);
                    }
                }
                continue;
            };
            let shown = edit.shown(self.visible(key));
            match self.apply_edit(key, &edit, editor, slice.as_ref(), now) {
                Effect::Changed => {
                    if shown
                        .is_none_or(|shown| !same(shown.as_deref(), self.visible(key).map(|value| &**value)))
                    {
                        corrected.insert(key.clone());
                    }
                    changed.insert(key.clone());
                }
                Effect::Missing => applied.missing.push(key.clone()),
                Effect::NotRefused => applied.not_refused.push(key.clone()),
                Effect::NotInConflict => applied.not_in_conflict.push(key.clone()),
                Effect::Hidden | Effect::Nothing => {}
            }
        }
        let with_values = |keys: BTreeSet<Key>| -> ChangedItems {
            keys.into_iter().map(|key| (key.clone(), self.visible(&key).cloned())).collect()
        };
        applied.changed = with_values(changed);
        applied.corrected = with_values(corrected);
        applied
    }

    fn apply_edit(
        &mut self,
        key: &Key,
        edit: &Edit,
        editor: Editor,
        slice: Option<&Slice>,
        now: Now,
    ) -> Effect {
        let position = editor.position;
        let entry = self.entries.entry(key.clone()).or_default();
        if position <= entry.durable_position {
            if entry.item.skip_edit(position) {
                entry.hold(position);
                self.index(key);
            }
            return Effect::Nothing;
        }
        let refused = entry.item.refused().len();
        let was_in_conflict = entry.item.is_in_conflict();
        let effect = entry.item.edit(edit, editor);
        self.refusals_changed |= entry.item.refused().len() != refused;
        self.conflicts_changed |= was_in_conflict || entry.item.is_in_conflict();
        if !matches!(effect, Effect::Changed | Effect::Hidden) {
            return effect;
        }
        entry.change(position);
        entry.value_is_dirty |= effect == Effect::Changed;
        let first_changed_at = *entry.first_changed_at.get_or_insert(now.tick);
        entry.quiet_at = match slice {
            Some(slice) => now.tick.plus(slice.debounce_ms).min(first_changed_at.plus(slice.max_wait_ms)),
            None => now.tick,
        };
        self.debounce.set(key, entry.quiet_at);
        self.index(key);
        effect
    }

    fn apply_answer(&mut self, record: &ParsedRecord, answer: &AnswerRow, now: Now, applied: &mut Applied) {
        let key = answer.key();
        let entry = self.entries.entry(key.clone()).or_default();
        if record.position <= entry.durable_position {
            if entry.item.skip_answer(answer, record.position) {
                entry.hold(record.position);
            }
            return self.index(&key);
        }
        entry.is_sent = false;
        let refused = entry.item.refused().len();
        let was_in_conflict = entry.item.is_in_conflict();
        let effect = entry.item.answer(answer, record.incoming(&key.slice));
        // An edit behind a refusal that has stayed ends it once the edit is taken.
        self.refusals_changed |= entry.item.refused().len() != refused;
        let is_new_conflict = self.came_in(&key, record.position, effect, was_in_conflict, now);
        applied.acknowledged += usize::from(answer.status.is_answer());
        self.answered.insert(key.clone());
        let value = || (key.clone(), self.visible(&key).cloned());
        match (answer.status, effect) {
            (AnswerStatus::Rejected, Effect::Changed) => applied.rolled_back.push(value()),
            (_, Effect::Changed) => applied.from_server.push(value()),
            _ => {}
        }
        if answer.status == AnswerStatus::Rejected {
            self.refusals_changed = true;
            let message = answer.message.as_deref().unwrap_or_default();
            let undone = match record.policies.keep.contains(&key.slice) {
                true => "The change stays on this device, and is kept",
                false => "The change was undone and is kept",
            };
            let reason = format!(
                "The server refused a change of {} \"{}\": {message} {undone} in the list of refused changes.",
                key.slice, key.id
            );
            applied.reasons.push((key, reason));
        } else if is_new_conflict {
            let reason = in_conflict(&key);
            applied.reasons.push((key, reason));
        }
    }

    /// The server's side of an item comes in by a pull. `change` is it where the page names the item, which may overwrite
    /// an item at rest that is not in memory.
    fn apply_pulled(
        &mut self,
        record: &ParsedRecord,
        key: &Key,
        change: Option<&PulledRow>,
        came: impl Fn(&mut Item, Incoming) -> Effect,
        now: Now,
        applied: &mut Applied,
    ) {
        let overwritten = change.filter(|_| !self.entries.contains_key(key));
        let entry = self.entries.entry(key.clone()).or_default();
        if record.position <= entry.durable_position {
            if entry.item.skip_pulled(record.position) {
                entry.hold(record.position);
            }
            return self.index(key);
        }
        let was_in_conflict = entry.item.is_in_conflict();
        let effect = match overwritten {
            Some(change) => {
                entry.item = Item::pulled_at_rest(change.remote(), record.position);
                Effect::Changed
            }
            None => came(&mut entry.item, record.incoming(&key.slice)),
        };
        let is_new_conflict = self.came_in(key, record.position, effect, was_in_conflict, now);
        if effect == Effect::Changed {
            applied.from_server.push((key.clone(), self.visible(key).cloned()));
        }
        if is_new_conflict {
            applied.reasons.push((key.clone(), in_conflict(key)));
        }
    }

    /// The server's side of an item came in: it is to be written, and the record waits for that. Returns true if the item
    /// is in conflict since then.
    fn came_in(
        &mut self,
        key: &Key,
        position: Position,
        effect: Effect,
        was_in_conflict: bool,
        now: Now,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        entry.change(position);
        entry.value_is_dirty |= effect == Effect::Changed;
        let is_in_conflict = entry.item.is_in_conflict();
        self.conflicts_changed |= was_in_conflict || is_in_conflict;
        self.debounce.set_earlier(key, now.tick.plus(SERVER_WRITE_MS));
        self.index(key);
        is_in_conflict && !was_in_conflict
    }
}

fn in_conflict(key: &Key) -> String {
    format!(
        "{} \"{}\" was changed here and elsewhere; both sides are kept until the conflict is resolved.",
        key.slice, key.id
    )
}

impl Replica {
    /// The items of fully loaded slices that a rebuild has not named.
    pub fn unnamed(&self, rebuild: InRebuild, slices: &BTreeSet<Rc<str>>) -> Vec<(Rc<str>, Rc<str>)> {
        let of_slices = slices.iter().flat_map(|slice| self.in_slice(slice));
        let is_unnamed =
            |entry: &Entry| entry.item.version().is_some() && entry.item.position() <= rebuild.started_at;
        let unnamed = of_slices.filter(|(_, entry)| is_unnamed(entry));
        unnamed.map(|(key, _)| (key.slice.clone(), key.id.clone())).collect()
    }
}

impl Replica {
    /// The items of fully loaded slices that were deleted before this version, and that nothing waits for.
    pub fn tombstones(&self, below: Version, slices: &[Rc<str>]) -> Vec<(Rc<str>, Rc<str>)> {
        let of_slices = slices.iter().flat_map(|slice| self.in_slice(slice));
        let old = of_slices.filter(|(_, entry)| !entry.is_sent && entry.item.is_tombstone(below));
        old.map(|(key, _)| (key.slice.clone(), key.id.clone())).collect()
    }
}

impl ParsedRecord {
    fn incoming(&self, slice: &str) -> Incoming {
        Incoming {
            position: self.position,
            at: self.at,
            strategy: self.policies.strategy(slice),
            keeps_refused: self.policies.keep.contains(slice),
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

/// Converts a change to the edit of one item; none if it is about every item of a slice.
fn edit_of(change: &Change) -> Option<Edit> {
    Some(match change {
        Change::Put(value) => Edit::Put(value.clone()),
        Change::Update { fields, unset, upsert, was } => Edit::Update(Update {
            fields: fields.clone(),
            unset: unset.clone(),
            upsert: upsert.clone(),
            was: was.clone(),
        }),
        Change::Delete => Edit::Delete,
        Change::Retry { rejection, value } => {
            Edit::Retry { refused_at: numbers(rejection).0, value: value.clone() }
        }
        Change::Discard { rejection } => Edit::Discard { refused_at: numbers(rejection).0 },
        Change::Resolve { conflict, choice } => {
            let (made_by, version) = numbers(conflict);
            Edit::Resolve { conflict: (Version(version), made_by), choice: choice.clone() }
        }
        Change::DeleteAll => return None,
    })
}

/// The numbers in the id of a rejection, `<slice>/<position>/<item id>`, or of a conflict,
/// `<slice>/<position>.<version>/<item id>`.
fn numbers(id: &str) -> (Position, u64) {
    let numbers = id.split('/').nth(1).unwrap_or_default();
    let (position, version) = numbers.split_once('.').unwrap_or((numbers, ""));
    (Position(position.parse().unwrap_or_default()), version.parse().unwrap_or_default())
}
