//! One item, as records made it: the server's side, the local side, and what stands between them.
//!
//! ```text
//!            edit                    chosen for a push              applied
//!  at rest ───────► open ────────────────────────────────► sent ───────────────► at rest (or open: edits behind it)
//!     ▲              ▲  ▲                                    │        pulled: the server's side comes in
//!     │              │  └──────────── withdrawn ─────────────┤   the value may have arrived: it joins `maybe`
//!     │ clean merge  │                                       │
//!     └──────────────┴── conflict ◄── not clean ── conflict ─┤   the server's side comes in
//!                    └── refused: rolled back ◄── rejected ──┘
//! ```
//!
//! # Invariants
//!
//! 1. The result of an effect depends on its record and on the records before, on nothing else: a replay
//!    comes to the same.
//! 2. A side of the server with a version below the item's changes nothing.
//! 3. The value that was sent and answered is the base, whatever was edited behind it.
//! 4. A value of the server that cannot be merged is kept as `remote`, and base and local stay.
//! 5. A value that a withdrawn operation may have brought is counted as someone's change unless the server says that this
//!    client wrote it.
//! 6. The newest ten refusals are kept until the item is put, deleted, retried or discarded.
//! 7. An item that differs from the server's side has an unanswered edit, so it is sent.
//! 8. A row and a value say all that an item is: written and loaded, it is the same.
//! 9. A page's change never silently replaces another's change that the page had not seen: they are merged, or in conflict.
//! 10. A conflict is resolved as it was shown: one that is another meanwhile stays.

mod edits;
mod sides;

pub use edits::{Edit, Editor, Update};
pub use sides::Incoming;

use crate::json::{self, Json, equal};
use crate::rebase::Strategy;
use crate::store::{AnswerRow, By, ConflictRow, GoneRow, ItemRow, RefusalRow, Remote, Side};
use crate::units::{Millis, Position, Version};

/// The result of an effect on the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Something that readers do not see.
    Hidden,
    /// The value that readers see was changed.
    Changed,
    /// An update of an item that does not exist.
    Missing,
    /// A retry or discard of a refusal that is not there any more.
    NotRefused,
    /// A resolution of a conflict that is another one meanwhile.
    NotInConflict,
}

/// The two sides of an item that could not be merged are its local value and this one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Conflict {
    remote: Remote,
    row: ConflictRow,
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
    conflict: Option<Conflict>,
    refused: Vec<RefusalRow>,
    /// How it was deleted, where it is.
    gone: Option<GoneRow>,
    /// The newest record by which someone else's change came to be shown.
    foreign: Position,
    /// The newest position in effect.
    position: Position,
    /// An update made the item. Updates before that one did nothing; replayed on what it made, they would.
    created_by_update: bool,
}

/// A conflict as people are shown it.
#[derive(Debug)]
pub struct ShownConflict<'a> {
    /// Its number: the server's version, and the record that made it what it is.
    pub number: (Version, Position),
    pub base: Option<&'a Json>,
    pub local: Option<&'a Json>,
    pub remote: Option<&'a Json>,
    pub local_at: Millis,
    pub remote_at: Millis,
    pub by: Option<&'a By>,
    pub paths: Vec<String>,
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
        let plain = ConflictRow { made_by: row.position, strategy: Strategy::default(), forced: false };
        let conflict = row.remote.map(|remote| Conflict { remote, row: row.conflict.unwrap_or(plain) });
        Item {
            version: row.version,
            base,
            local,
            at: row.at.unwrap_or_default(),
            edits: row.open.filter(|open| open.0 > 0).into_iter().collect(),
            maybe: row.maybe.into_iter().map(|side| side.value).collect(),
            conflict,
            refused: row.refused,
            gone: row.gone,
            foreign: row.foreign.unwrap_or_default(),
            position: row.position,
            created_by_update: false,
        }
    }

    /// The row that keeps all but the local value, which is in the slice's store unless the slice is disabled.
    pub fn row(&self, held: bool, marks_open: bool) -> ItemRow {
        let differs = self.differs();
        // A withdrawn push may have brought another value: a pull reads the row before it changes the item.
        let kept = held || self.conflict.is_some() || !self.refused.is_empty() || self.may_differ_at_server();
        let is_marked = marks_open && self.conflict.is_none() && self.is_open();
        let open = self.first_edit().filter(|_| is_marked).or(kept.then_some(Position(0)));
        // Without a known version the base is absent, but for an item that a page made of an app's own defaults, and
        // for a conflict that a retry made.
        let is_base_implied = if self.version.is_some() { !differs } else { self.base.is_none() };
        ItemRow {
            position: self.position,
            version: self.version,
            base: (!is_base_implied).then(|| Side::of(self.base.clone())),
            local: held.then(|| Side::of(self.local.clone())),
            at: Some(self.at).filter(|_| differs || self.local.is_none()),
            maybe: self.maybe.iter().cloned().map(Side::of).collect(),
            remote: self.conflict.as_ref().map(|conflict| conflict.remote.clone()),
            conflict: self.conflict.as_ref().map(|conflict| conflict.row),
            refused: self.refused.clone(),
            gone: self.gone.clone().filter(|_| self.local.is_none()),
            foreign: Some(self.foreign).filter(|foreign| foreign.0 > 0),
            open,
        }
    }

    /// Returns true if there is more to know than the value in the store.
    pub fn needs_row(&self) -> bool {
        self.version.is_some()
            || self.conflict.is_some()
            || !self.maybe.is_empty()
            || !self.refused.is_empty()
            || self.gone.is_some()
            || (self.base.is_some() && self.local.is_some())
    }

    /// Returns true if a row has to keep a replay from repeating what is done, though it says nothing else.
    pub fn needs_guard(&self) -> bool {
        self.created_by_update
    }

    /// The value that a reader sees.
    pub fn local(&self) -> Option<&Json> {
        self.local.as_ref()
    }

    /// The server's value, as far as it is known.
    pub fn base(&self) -> Option<&Json> {
        self.base.as_ref()
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

    pub fn is_in_conflict(&self) -> bool {
        self.conflict.is_some()
    }

    /// The conflict, as people are shown it.
    pub fn conflict(&self) -> Option<ShownConflict<'_>> {
        let conflict = self.conflict.as_ref()?;
        Some(ShownConflict {
            number: conflict.conflict_no(),
            base: self.base.as_ref().filter(|_| !conflict.row.forced),
            local: self.local.as_ref(),
            remote: conflict.remote.value.as_ref(),
            local_at: self.at,
            remote_at: conflict.remote.at.unwrap_or_default(),
            by: conflict.remote.by.as_ref(),
            paths: self.paths_in_conflict(conflict),
        })
    }

    /// Returns true if the server may have something of this device that it has not spoken of.
    pub fn may_differ_at_server(&self) -> bool {
        !self.maybe.is_empty()
    }

    pub fn refused(&self) -> &[RefusalRow] {
        &self.refused
    }

    /// Returns true if the server refused what is there, and it stays on this device until someone decides.
    pub fn is_kept_refused(&self) -> bool {
        self.edits.is_empty() && self.refused.iter().any(|refusal| refusal.kept)
    }

    /// The first edit that the server has not answered.
    pub fn first_edit(&self) -> Option<Position> {
        self.edits.first().copied()
    }

    /// Returns true if something was edited after `position`.
    pub fn is_edited_after(&self, position: Position) -> bool {
        self.edits.last().is_some_and(|last| *last > position)
    }

    /// Returns true if the server lacks a change of the item.
    pub fn is_open(&self) -> bool {
        !self.edits.is_empty() && (self.lacks() || (self.local.is_none() && !self.maybe.is_empty()))
    }

    /// Returns true if the server lacks a change, or the whole item, though no edit waits: as after a time in a slice
    /// that was not sent.
    pub fn is_unknown_to_server(&self) -> bool {
        let lacks = self.lacks() || (self.local.is_none() && !self.maybe.is_empty());
        lacks && !self.is_kept_refused()
    }

    /// Returns true if the server has something else, or nothing.
    fn lacks(&self) -> bool {
        self.differs() || (self.version.is_none() && self.local.is_some())
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

    /// Skips an edit that is in the row already. Returns true if the edit is unanswered all the same; the row says so
    /// only where it is marked `open`.
    pub fn skip_edit(&mut self, position: Position) -> bool {
        let waits = self.is_unknown_to_server();
        if waits && self.edits.last().is_none_or(|last| *last < position) {
            self.edits.push(position);
        }
        waits
    }

    /// Skips an answer that is in the row already. Returns true if the answer left something unanswered.
    pub fn skip_answer(&mut self, answer: &AnswerRow, position: Position) -> bool {
        if answer.status.is_answer() {
            self.edits.retain(|edit| *edit > answer.upto);
        }
        self.reopen_unknown(position)
    }

    /// Skips a pulled change that is in the row already. Returns true if the change left something unanswered.
    pub fn skip_pulled(&mut self, position: Position) -> bool {
        self.reopen_unknown(position)
    }

    /// Gives an item that differs from the server's side an unanswered edit. Returns true if it differs.
    fn reopen_unknown(&mut self, position: Position) -> bool {
        let differs = self.conflict.is_none() && self.is_unknown_to_server();
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

    /// Equal sides share one text, so that they are told from unequal ones at once.
    fn normalise(&mut self) {
        if let (Some(base), Some(local)) = (&self.base, &self.local)
            && equal(base, local)
        {
            self.base = Some(local.clone());
        }
    }
}

impl Conflict {
    fn conflict_no(&self) -> (Version, Position) {
        (self.remote.version.unwrap_or_default(), self.row.made_by)
    }
}

fn same(one: &Option<Json>, other: &Option<Json>) -> bool {
    json::same(one.as_deref(), other.as_deref())
}

#[cfg(test)]
mod stale_tests;
#[cfg(test)]
mod tests;
