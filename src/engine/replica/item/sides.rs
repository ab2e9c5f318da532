//! How the server's side of an item comes in: by an answer to a push, or by a pull.

use super::{Conflict, Effect, Item, same};
use crate::json::Json;
use crate::rebase::{Strategy, rebase};
use crate::store::{AnswerRow, AnswerStatus, ConflictRow, InRebuild, RebuildReason, RefusalRow, Remote};
use crate::units::{Millis, Position, Version};

/// The most refusals of an item that are kept.
const MAX_REFUSALS: usize = 10;

/// The record by which something comes in, and the slice's settings when it was appended.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    pub position: Position,
    pub at: Millis,
    pub strategy: Strategy,
    /// A refused change stays.
    pub keeps_refused: bool,
}

impl Item {
    /// An item at rest that the server changed, whatever it was before.
    pub fn pulled_at_rest(remote: Remote, position: Position) -> Self {
        Item {
            version: remote.version,
            base: remote.value.clone(),
            local: remote.value,
            at: remote.at.unwrap_or_default(),
            foreign: if remote.own { Position(0) } else { position },
            position,
            ..Item::default()
        }
    }

    /// A change that was pulled takes effect.
    pub fn pulled(&mut self, remote: Remote, incoming: Incoming) -> Effect {
        let before = self.local.clone();
        self.position = incoming.position;
        if remote.version <= self.version {
            // A version that is known already is no news. The value of a withdrawn operation had not arrived by then, and
            // may arrive still.
            return Effect::Nothing;
        }
        let is_foreign = self.is_foreign(&remote);
        self.come_in(remote, incoming.strategy, incoming.position);
        self.shown_since(before, is_foreign, incoming.position)
    }

    /// A change of a page of a rebuild takes effect: the server's present side, whatever was known of it.
    pub fn pulled_anew(&mut self, remote: Remote, reason: RebuildReason, incoming: Incoming) -> Effect {
        let is_lost = reason == RebuildReason::HistoryChanged && remote.version != self.version;
        if !is_lost || self.version.is_none() {
            return self.pulled(remote, incoming);
        }
        let before = self.local.clone();
        let is_newer = remote.version > self.version;
        let at_rest = !self.lacks() && self.conflict.is_none() && self.maybe.is_empty();
        self.position = incoming.position;
        self.conflict = None;
        self.maybe.clear();
        let is_foreign = self.is_foreign(&remote);
        if is_newer && at_rest {
            self.take_side(incoming.position, remote.version, remote.value.clone(), remote.value);
        } else if is_newer {
            (self.version, self.base) = (None, None);
            self.come_in(remote, incoming.strategy, incoming.position);
        } else {
            // The server has an older side than the device had: what it lost is sent again.
            (self.version, self.base) = (remote.version, remote.value);
            self.normalise();
        }
        self.shown_since(before, is_foreign, incoming.position)
    }

    /// A rebuild has come to its end without the server having named the item.
    pub fn unnamed(&mut self, rebuild: InRebuild, incoming: Incoming) -> Effect {
        if self.version.is_none() || self.position > rebuild.started_at {
            return Effect::Nothing;
        }
        let before = self.local.clone();
        self.position = incoming.position;
        let at_rest = !self.lacks() && self.conflict.is_none() && self.maybe.is_empty();
        match rebuild.reason {
            RebuildReason::CursorExpired if at_rest => self.take_side(incoming.position, None, None, None),
            RebuildReason::CursorExpired => {
                // It was deleted longer ago than the server remembers.
                self.version = None;
                let gone =
                    Remote { version: None, value: None, deleted: true, at: None, own: false, by: None };
                self.come_in(gone, incoming.strategy, incoming.position);
            }
            RebuildReason::HistoryChanged => {
                (self.version, self.base) = (None, None);
                self.conflict = None;
            }
        }
        self.shown_since(before, true, incoming.position)
    }

    /// Returns true if the item was deleted before this version of the server, with nothing else to remember of the item.
    pub fn is_tombstone(&self, below: Version) -> bool {
        let is_gone = self.local.is_none() && self.base.is_none() && self.edits.is_empty();
        let is_settled = self.conflict.is_none() && self.maybe.is_empty() && self.refused.is_empty();
        is_gone && is_settled && self.version.is_some_and(|version| version < below)
    }

    /// Forgets a deleted item, unless something has happened to it since.
    pub fn forget(&mut self, below: Version, position: Position) -> Effect {
        if self.is_tombstone(below) {
            *self = Item::default();
        }
        self.position = position;
        Effect::Hidden
    }

    /// The server's answer, or the device's own withdrawal, takes effect.
    pub fn answer(&mut self, answer: &AnswerRow, incoming: Incoming) -> Effect {
        let Incoming { position, strategy, .. } = incoming;
        let before = self.local.clone();
        self.position = position;
        if !answer.status.is_answer() {
            if answer.status == AnswerStatus::Withdrawn {
                self.may_have_arrived(&answer.sent.value);
            }
            self.reopen_unknown(position);
            return Effect::Hidden;
        }
        self.edits.retain(|edit| *edit > answer.upto);
        let is_applied = answer.outcome() == AnswerStatus::Applied;
        let is_foreign = !is_applied && answer.remote().is_some_and(|remote| self.is_foreign(&remote));
        match (answer.outcome(), answer.remote()) {
            (AnswerStatus::Applied, changed) => {
                let changed = changed.filter(|_| answer.status == AnswerStatus::Applied);
                self.applied(answer, changed, incoming);
            }
            (AnswerStatus::Conflict, Some(remote)) => {
                self.come_in(remote, strategy, position);
            }
            (AnswerStatus::Rejected, remote) => {
                // One that does not say what the server has leaves it at what is known of it.
                let remote = remote.unwrap_or_else(|| self.server_side());
                self.rejected(answer, remote, incoming);
            }
            _ => {}
        }
        self.shown_since(before, is_foreign, position)
    }

    fn applied(&mut self, answer: &AnswerRow, changed: Option<Remote>, incoming: Incoming) {
        // Without a version, the server has no row at all: the tombstone may have been forgotten.
        if answer.version.is_some() && answer.version < self.version {
            return;
        }
        let Incoming { position, strategy, .. } = incoming;
        self.refused.retain(|refusal| !refusal.kept);
        self.maybe.clear();
        if self.conflict.is_some() {
            // A page that was behind made a conflict meanwhile: its other side is what the server has now.
            let value = answer.sent.value.clone();
            let sent = Remote {
                version: answer.version,
                deleted: value.is_none(),
                value,
                at: None,
                own: true,
                by: None,
            };
            return self.come_in(changed.unwrap_or(sent), strategy, position);
        }
        self.version = answer.version;
        self.base = answer.sent.value.clone();
        self.normalise();
        if let Some(changed) = changed.filter(|changed| !same(&changed.value, &answer.sent.value)) {
            self.come_in(changed, strategy, position);
        }
    }

    fn rejected(&mut self, answer: &AnswerRow, remote: Remote, incoming: Incoming) {
        let Incoming { position, at, strategy, keeps_refused } = incoming;
        self.refused.push(RefusalRow {
            position,
            value: answer.sent.value.clone(),
            base: self.base.clone(),
            code: answer.code.clone().unwrap_or_default(),
            message: answer.message.clone().unwrap_or_default(),
            at,
            kept: keeps_refused,
        });
        if self.refused.len() > MAX_REFUSALS {
            self.refused.remove(0);
        }
        if keeps_refused {
            return self.come_in(remote, strategy, position);
        }
        if same(&self.local, &answer.sent.value) {
            if !self.is_older(&remote) {
                self.take_side(position, remote.version, remote.value.clone(), remote.value);
            }
            return;
        }
        // With an edit behind it, only what was refused is taken back; what was to be a new item stays whole.
        if self.base.is_some() {
            let sent = answer.sent.value.as_deref();
            self.local = rebase(sent, self.local.as_deref(), self.base.as_deref()).value;
        }
        self.come_in(remote, strategy, position);
    }

    /// The server's side comes in: merged where that is clean or the strategy decides, kept as the other side of a conflict
    /// where it is neither.
    pub(super) fn come_in(&mut self, remote: Remote, strategy: Strategy, position: Position) {
        if self.is_older(&remote) {
            return;
        }
        let known = self.conflict.as_ref().map(|conflict| &conflict.remote);
        if known.is_some_and(|known| known.version == remote.version && same(&known.value, &remote.value)) {
            return;
        }
        let forced = self.conflict.as_ref().is_some_and(|conflict| conflict.row.forced);
        self.merge(remote, ConflictRow { made_by: position, strategy, forced });
    }

    /// Every edit of an item in conflict merges anew.
    pub(super) fn merge_remote(&mut self, position: Position) {
        if let Some(Conflict { remote, row }) = self.conflict.take() {
            let edited = self.local.clone();
            self.merge(remote, ConflictRow { made_by: position, ..row });
            // Something of the other side is shown since then, which no page has seen.
            if !same(&edited, &self.local) {
                self.foreign = position;
            }
        }
    }

    fn merge(&mut self, remote: Remote, row: ConflictRow) {
        let merged = match row.forced {
            true => same(&self.local, &remote.value).then(|| remote.value.clone()),
            false => self.merged_with(&remote, row.strategy),
        };
        match merged {
            Some(local) => self.take_side(row.made_by, remote.version, remote.value, local),
            None => self.conflict = Some(Conflict { remote, row }),
        }
    }

    /// Returns true if someone else's change comes in.
    fn is_foreign(&self, remote: &Remote) -> bool {
        !remote.own && !self.is_older(remote) && !same(&remote.value, &self.base)
    }

    /// The server's side has come in. Where something else is shown since then, pages that have not seen this record are
    /// behind someone else's change; what is in conflict is not shown.
    fn shown_since(&mut self, before: Option<Json>, is_foreign: bool, position: Position) -> Effect {
        self.reopen_unknown(position);
        if same(&before, &self.local) {
            return Effect::Hidden;
        }
        if is_foreign {
            self.foreign = position;
        }
        Effect::Changed
    }

    fn is_older(&self, remote: &Remote) -> bool {
        remote.version.is_some() && remote.version < self.version
    }

    pub(super) fn take_side(
        &mut self,
        position: Position,
        version: Option<Version>,
        base: Option<Json>,
        local: Option<Json>,
    ) {
        self.version = version;
        self.base = base;
        match local {
            None => self.note_gone(position, None),
            Some(_) => self.gone = None,
        }
        self.local = local;
        self.conflict = None;
        self.maybe.clear();
        self.normalise();
    }

    /// The merged value; none where sides are in conflict.
    fn merged_with(&self, remote: &Remote, strategy: Strategy) -> Option<Option<Json>> {
        let is_local_newer = self.at > remote.at.unwrap_or_default();
        let over = |base: &Option<Json>| {
            let sides = [base, &self.local, &remote.value].map(|side| side.as_deref());
            strategy.merge(sides[0], sides[1], sides[2], is_local_newer)
        };
        let arrived = self.maybe.iter().find(|maybe| remote.own && same(maybe, &remote.value));
        if let Some(arrived) = arrived {
            return over(arrived);
        }
        let merged = over(&self.base)?;
        let agrees = |maybe: &Option<Json>| over(maybe).is_some_and(|other| same(&other, &merged));
        self.maybe.iter().all(agrees).then_some(merged)
    }

    /// The paths at which the two sides of a conflict disagree.
    pub(super) fn paths_in_conflict(&self, conflict: &Conflict) -> Vec<String> {
        let base = self.base.as_deref().filter(|_| !conflict.row.forced);
        let paths = rebase(base, self.local.as_deref(), conflict.remote.value.as_deref()).conflicts;
        if paths.is_empty() { vec![String::new()] } else { paths }
    }
}
