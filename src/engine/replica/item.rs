//! One item, as records made it: the server's side, the local side, and what stands between them.
//!
//! ```text
//!            edit                    chosen for a push              applied
//!  at rest ───────► open ────────────────────────────────► sent ───────────────► at rest (or open: edits behind it)
//!     ▲              ▲  ▲                                    │
//!     │              │  └──────────── withdrawn ─────────────┤   the value may have arrived: it joins `maybe`
//!     │ clean merge  │                                       │
//!     └──────────────┴── conflict ◄── not clean ── conflict ─┤   the server's side comes in
//!                    └── refused: rolled back ◄── rejected ──┘
//! ```
//!
//! # Invariants
//!
//! 1. What an effect makes of an item depends on the records before it and on the record, on nothing else: a replay
//!    comes to the same.
//! 2. A side of the server with a version below the item's changes nothing.
//! 3. What was sent and answered is the base, whatever was edited behind it.
//! 4. A value of the server that cannot be merged is kept as `remote`, and base and local stay.
//! 5. What a withdrawn operation may have brought is counted as someone's change unless the server says that this
//!    client wrote it.
//! 6. The newest ten refusals are kept until the item is put, deleted, retried or discarded.
//! 7. An item that differs from the server's side has an unanswered edit, so it is sent.
//! 8. A row and a value say all that an item is: written and loaded, it is the same.

use crate::json::{Fields, Json, equal};
use crate::rebase::rebase;
use crate::store::{AnswerRow, AnswerStatus, ItemRow, RefusalRow, Remote, Side};
use crate::units::{Millis, Position, Version};

/// So many refusals of an item are kept.
const MAX_REFUSALS: usize = 10;

/// A change of one item that a page made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Put(Json),
    /// Merges these top-level fields into the item and removes those of `unset`. Where there is no item, `upsert` is put.
    Update {
        fields: Json,
        unset: Vec<String>,
        upsert: Option<Json>,
    },
    Delete,
    /// Makes the change again that was refused at this position, with another value where one is given.
    Retry {
        refused_at: Position,
        value: Option<Json>,
    },
    /// Forgets the change that was refused at this position.
    Discard {
        refused_at: Position,
    },
}

/// What an effect did to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Something that readers do not see.
    Hidden,
    /// What readers see.
    Changed,
    /// An update of an item that does not exist.
    Missing,
    /// A retry or discard of a refusal that is not there any more.
    NotRefused,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The server's version that `base` is of; none where the server is not known to have the item.
    version: Option<Version>,
    base: Option<Json>,
    local: Option<Json>,
    /// When the latest edit was made.
    at: Millis,
    /// The positions of unanswered edits, ascending.
    edits: Vec<Position>,
    maybe: Vec<Option<Json>>,
    remote: Option<Remote>,
    refused: Vec<RefusalRow>,
    /// The last value of a deleted item.
    gone: Option<Json>,
    /// The newest position in effect.
    position: Position,
    /// An update made the item. Updates before that one did nothing; replayed on what it made, they would.
    created_by_update: bool,
}

impl Item {
    /// The item that a store has.
    pub fn load(value: Option<Json>, row: Option<ItemRow>) -> Self {
        let Some(row) = row else { return Item { local: value, ..Item::default() } };
        let local = row.local.map_or(value, |held| held.value);
        let base = match row.base {
            Some(base) => base.value,
            None => local.clone().filter(|_| row.version.is_some()),
        };
        Item {
            version: row.version,
            base,
            local,
            at: row.at.unwrap_or_default(),
            edits: row.open.filter(|open| open.0 > 0).into_iter().collect(),
            maybe: row.maybe.into_iter().map(|side| side.value).collect(),
            remote: row.remote,
            refused: row.refused,
            gone: row.gone,
            position: row.position,
            created_by_update: false,
        }
    }

    /// The row that keeps all but the local value, which is in the slice's store unless the slice is disabled.
    pub fn row(&self, held: bool, marks_open: bool) -> ItemRow {
        let differs = self.differs();
        let kept = held || self.remote.is_some() || !self.refused.is_empty();
        let is_marked = marks_open && self.remote.is_none() && self.is_open();
        let open = self.first_edit().filter(|_| is_marked).or(kept.then_some(Position(0)));
        // Where no version is known, the base is absent, but for a conflict that a retry made.
        let is_base_implied = if self.version.is_some() { !differs } else { self.base.is_none() };
        ItemRow {
            position: self.position,
            version: self.version,
            base: (!is_base_implied).then(|| Side::of(self.base.clone())),
            local: held.then(|| Side::of(self.local.clone())),
            at: Some(self.at).filter(|_| differs || self.local.is_none()),
            maybe: self.maybe.iter().cloned().map(Side::of).collect(),
            remote: self.remote.clone(),
            refused: self.refused.clone(),
            gone: self.gone.clone().filter(|_| self.local.is_none()),
            open,
        }
    }

    /// Whether there is more to know than the value in the store.
    pub fn needs_row(&self) -> bool {
        self.version.is_some() || self.remote.is_some() || !self.maybe.is_empty() || !self.refused.is_empty()
    }

    /// Whether a row has to keep a replay from repeating what is done, though it says nothing else.
    pub fn needs_guard(&self) -> bool {
        self.created_by_update
    }

    /// The value that a reader sees.
    pub fn local(&self) -> Option<&Json> {
        self.local.as_ref()
    }

    pub fn version(&self) -> Option<Version> {
        self.version
    }

    pub fn at(&self) -> Millis {
        self.at
    }

    pub fn position(&self) -> Position {
        self.position
    }

    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    pub fn refused(&self) -> &[RefusalRow] {
        &self.refused
    }

    /// The first edit that the server has not answered.
    pub fn first_edit(&self) -> Option<Position> {
        self.edits.first().copied()
    }

    /// Whether something was edited after `position`.
    pub fn is_edited_after(&self, position: Position) -> bool {
        self.edits.last().is_some_and(|last| *last > position)
    }

    /// Whether the server lacks a change of the item.
    pub fn is_open(&self) -> bool {
        !self.edits.is_empty() && (self.differs() || (self.local.is_none() && !self.maybe.is_empty()))
    }

    /// Whether the server lacks a change, or the whole item, though no edit waits: as after a time in a slice that was
    /// not sent.
    pub fn is_unknown_to_server(&self) -> bool {
        self.differs() || (self.local.is_none() && !self.maybe.is_empty())
    }

    /// Counts what differs as an edit of this position.
    pub fn reopen(&mut self, position: Position) {
        if self.edits.is_empty() {
            self.edits.push(position);
        }
    }

    /// A push may have brought this value.
    pub fn may_have_arrived(&mut self, sent: &Option<Json>) {
        if !self.maybe.iter().any(|maybe| same(maybe, sent)) {
            self.maybe.push(sent.clone());
        }
    }

    /// An edit is in the row already. It may be unanswered all the same, which the row says only where it marks it.
    /// Whether it is.
    pub fn skip_edit(&mut self, position: Position) -> bool {
        let waits = self.is_unknown_to_server();
        if waits && self.edits.last().is_none_or(|last| *last < position) {
            self.edits.push(position);
        }
        waits
    }

    /// An answer is in the row already. Whether it left something unanswered.
    pub fn skip_answer(&mut self, answer: &AnswerRow, position: Position) -> bool {
        if answer.status != AnswerStatus::Withdrawn {
            self.edits.retain(|edit| *edit > answer.upto);
        }
        self.reopen_unknown(position)
    }

    /// What differs has an unanswered edit, whatever was answered. Whether it differs.
    fn reopen_unknown(&mut self, position: Position) -> bool {
        let differs = self.remote.is_none() && self.is_unknown_to_server();
        if differs {
            self.reopen(position);
        }
        differs
    }

    fn differs(&self) -> bool {
        match (&self.base, &self.local) {
            (Some(base), Some(local)) => !std::rc::Rc::ptr_eq(base, local) && base != local,
            (base, local) => base.is_some() != local.is_some(),
        }
    }

    /// A page's change takes effect.
    pub fn edit(&mut self, edit: &Edit, position: Position, at: Millis) -> Effect {
        let mut refusals = Vec::new();
        let local = match edit {
            Edit::Put(value) => Some(value.clone()),
            Edit::Delete if self.local.is_none() && self.refused.is_empty() => return self.passed(position),
            Edit::Delete => None,
            Edit::Update { fields, unset, upsert } => match (&self.local, upsert) {
                (Some(value), _) => {
                    // An update is no decision about what was refused.
                    refusals = std::mem::take(&mut self.refused);
                    Some(merge_fields(value, fields, unset))
                }
                (None, Some(upsert)) => {
                    refusals = std::mem::take(&mut self.refused);
                    self.created_by_update = true;
                    Some(upsert.clone())
                }
                (None, None) => {
                    self.passed(position);
                    return Effect::Missing;
                }
            },
            Edit::Retry { refused_at, value } => match self.take_refusal(*refused_at) {
                Some(refusal) => return self.retry(refusal, value.clone(), position, at),
                None => return Effect::NotRefused,
            },
            Edit::Discard { refused_at } => match self.take_refusal(*refused_at) {
                Some(_) => {
                    self.refused.clear();
                    self.position = position;
                    return Effect::Hidden;
                }
                None => return Effect::NotRefused,
            },
        };
        self.refused = refusals;
        let changed = self.local.is_some() || local.is_some();
        self.set_local(local, position, at);
        self.merge_remote();
        if changed { Effect::Changed } else { Effect::Hidden }
    }

    /// The record changes nothing, and is not read again.
    fn passed(&mut self, position: Position) -> Effect {
        self.position = position;
        Effect::Nothing
    }

    fn set_local(&mut self, local: Option<Json>, position: Position, at: Millis) {
        match &local {
            Some(_) => self.gone = None,
            None => self.gone = self.local.take().or(self.gone.take()),
        }
        self.local = local;
        self.at = at;
        self.position = position;
        if self.edits.last() != Some(&position) {
            self.edits.push(position);
        }
        self.normalise();
    }

    /// Equal sides share one text, so that they are told from unequal ones at once.
    fn normalise(&mut self) {
        if let (Some(base), Some(local)) = (&self.base, &self.local)
            && equal(base, local)
        {
            self.base = Some(local.clone());
        }
    }

    fn take_refusal(&mut self, refused_at: Position) -> Option<RefusalRow> {
        let at = self.refused.iter().position(|refusal| refusal.position == refused_at)?;
        Some(self.refused.remove(at))
    }

    fn retry(&mut self, refusal: RefusalRow, given: Option<Json>, position: Position, at: Millis) -> Effect {
        self.refused.clear();
        let wanted = given.or(refusal.value);
        let merged = rebase(refusal.base.as_deref(), wanted.as_deref(), self.local.as_deref());
        let clean = merged.is_clean();
        if !clean && self.remote.is_none() {
            // The other side is what the server has, seen from what the refused change was made on.
            let value = std::mem::replace(&mut self.base, refusal.base);
            self.remote =
                Some(Remote { version: self.version, deleted: value.is_none(), value, at: None, own: false });
        }
        self.set_local(merged.value, position, at);
        if clean {
            self.merge_remote();
        }
        Effect::Changed
    }

    /// The server's answer, or the device's own withdrawal, takes effect.
    pub fn answer(&mut self, answer: &AnswerRow, position: Position, at: Millis) -> Effect {
        let before = self.local.clone();
        self.position = position;
        if answer.status == AnswerStatus::Withdrawn {
            self.may_have_arrived(&answer.sent.value);
            self.reopen_unknown(position);
            return Effect::Hidden;
        }
        self.edits.retain(|edit| *edit > answer.upto);
        match (answer.status, answer.remote()) {
            (AnswerStatus::Applied, changed) => self.applied(answer, changed),
            (AnswerStatus::Conflict, Some(remote)) if same(&remote.value, &answer.sent.value) => {
                self.applied(answer, None);
            }
            (AnswerStatus::Conflict, Some(remote)) => self.come_in(remote),
            (AnswerStatus::Rejected, remote) => {
                // One that does not say what the server has leaves it at what is known of it.
                let known = || Remote {
                    version: self.version,
                    deleted: self.base.is_none(),
                    value: self.base.clone(),
                    at: None,
                    own: false,
                };
                let remote = remote.unwrap_or_else(known);
                self.rejected(answer, remote, at);
            }
            _ => {}
        }
        self.reopen_unknown(position);
        if same(&before, &self.local) { Effect::Hidden } else { Effect::Changed }
    }

    fn applied(&mut self, answer: &AnswerRow, changed: Option<Remote>) {
        if self.version > answer.version {
            return;
        }
        self.version = answer.version;
        self.base = answer.sent.value.clone();
        self.maybe.clear();
        self.normalise();
        if let Some(changed) = changed.filter(|changed| !same(&changed.value, &answer.sent.value)) {
            self.come_in(changed);
        }
    }

    fn rejected(&mut self, answer: &AnswerRow, remote: Remote, at: Millis) {
        self.refused.push(RefusalRow {
            position: self.position,
            value: answer.sent.value.clone(),
            base: self.base.clone(),
            code: answer.code.clone().unwrap_or_default(),
            message: answer.message.clone().unwrap_or_default(),
            at,
        });
        if self.refused.len() > MAX_REFUSALS {
            self.refused.remove(0);
        }
        if same(&self.local, &answer.sent.value) {
            if !self.is_older(&remote) {
                self.take_side(remote.version, remote.value.clone(), remote.value);
            }
            return;
        }
        // With an edit behind it, only what was refused is taken back; what was to be a new item stays whole.
        if self.base.is_some() {
            let sent = answer.sent.value.as_deref();
            self.local = rebase(sent, self.local.as_deref(), self.base.as_deref()).value;
        }
        self.come_in(remote);
    }

    /// The server's side comes in: merged where that is clean, kept as the other side of a conflict where it is not.
    fn come_in(&mut self, remote: Remote) {
        if self.is_older(&remote) {
            return;
        }
        match self.merged_with(&remote) {
            Some(local) => self.take_side(remote.version, remote.value, local),
            None => self.remote = Some(remote),
        }
    }

    /// Every edit of an item in conflict merges anew.
    fn merge_remote(&mut self) {
        if let Some(remote) = self.remote.take() {
            self.come_in(remote);
        }
    }

    fn is_older(&self, remote: &Remote) -> bool {
        remote.version.is_some() && remote.version < self.version
    }

    fn take_side(&mut self, version: Option<Version>, base: Option<Json>, local: Option<Json>) {
        self.version = version;
        self.base = base;
        if local.is_none() {
            self.gone = self.local.take().or(self.gone.take());
        } else {
            self.gone = None;
        }
        self.local = local;
        self.remote = None;
        self.maybe.clear();
        self.normalise();
    }

    /// The merged value; none where sides are in conflict.
    fn merged_with(&self, remote: &Remote) -> Option<Option<Json>> {
        let over = |base: &Option<Json>| {
            let merged = rebase(base.as_deref(), self.local.as_deref(), remote.value.as_deref());
            merged.is_clean().then_some(merged.value)
        };
        let arrived = self.maybe.iter().find(|maybe| remote.own && same(maybe, &remote.value));
        if let Some(arrived) = arrived {
            return over(arrived);
        }
        let merged = over(&self.base)?;
        let agrees = |maybe: &Option<Json>| over(maybe).is_some_and(|other| same(&other, &merged));
        self.maybe.iter().all(agrees).then_some(merged)
    }
}

fn same(one: &Option<Json>, other: &Option<Json>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => equal(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// An update's top-level fields over the value; an item that is no object is replaced.
fn merge_fields(value: &Json, fields: &Json, unset: &[String]) -> Json {
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
mod tests;
