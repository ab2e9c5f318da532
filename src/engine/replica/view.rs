//! The replica as people and pages see it: progress, lists of conflicts and refusals, and numbers.

use super::{Entry, Replica, leaves};
use crate::bridge::config::Slices;
use crate::bridge::from_worker::{OpenConflict, Progress, Rejection};
use crate::bridge::unsent::{RefusedChange, UnsentItem};
use crate::json::Json;
use crate::store::Key;
use crate::units::{Millis, Position};
use std::collections::BTreeSet;

/// How far the server has answered the changes up to some position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    Yes,
    NotYet,
    /// A change is in conflict with someone else's.
    InConflict,
    /// The server refused a change.
    Rejected,
    /// The slice does not go to the server any more.
    NotSynced,
}

impl Answered {
    /// Why waiting is over without the server having it: a code, and a sentence.
    pub fn reason(self, slice: &str) -> (&'static str, String) {
        match self {
            Answered::InConflict => (
                "conflict",
                format!(
                    "A change in \"{slice}\" was made elsewhere, too. Both sides are kept; resolve the conflict."
                ),
            ),
            Answered::Rejected => (
                "rejected",
                format!(
                    "The server refused a change in \"{slice}\". It is kept in the list of refused changes."
                ),
            ),
            _ => (
                "not_synced",
                format!(
                    "Changes of \"{slice}\" do not go to the server any more. They are kept on this device."
                ),
            ),
        }
    }
}

/// How many items have something to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// With a change that is not in its store, or that the server is to get.
    pub unfinished: usize,
    /// Of those, in slices that are sent.
    pub unsent: usize,
    pub conflicts: usize,
    pub rejected: usize,
}

impl Replica {
    /// Counts the items that have something to do.
    pub fn counts(&self, slices: &Slices) -> Counts {
        let mut counts = Counts {
            conflicts: self.conflicts.len(),
            rejected: self.rejections_iter().count(),
            ..Counts::default()
        };
        for (key, entry) in &self.entries {
            let sent = slices.syncs(&key.slice);
            if self.is_pending(key, entry, slices) {
                counts.unfinished += 1;
                counts.unsent += usize::from(sent);
            }
        }
        counts
    }

    /// When the oldest change was made that is not in its store, or that the server has not acknowledged.
    pub fn oldest_pending(&self, slices: &Slices) -> Option<Millis> {
        let pending = self.entries.iter().filter(|(key, entry)| self.is_pending(key, entry, slices));
        pending.map(|(_, entry)| entry.item.at()).min()
    }

    /// Returns true if a change is not in its store, or the server is to get it or has not answered it.
    fn is_pending(&self, key: &Key, entry: &Entry, slices: &Slices) -> bool {
        entry.is_sent
            || entry.first_changed_at.is_some()
            || (self.is_in_outbox(key) && leaves(&entry.item, &key.slice, slices))
    }

    /// How far an item's latest change has come.
    pub fn progress(&self, key: &Key, slices: &Slices) -> Progress {
        self.entries.get(key).map_or(Progress::Synced, |entry| entry.progress(key, slices))
    }

    /// How far each item of a slice is that is not at rest.
    pub fn unfinished(&self, slice: &str, slices: &Slices) -> Vec<(Key, Progress)> {
        self.in_slice(slice).map(|(key, entry)| (key.clone(), entry.progress(key, slices))).collect()
    }

    /// Returns true if the server has answered every change of a slice, or of one of its items, up to `position`.
    pub fn is_answered(&self, slice: &str, id: Option<&str>, position: Position) -> Answered {
        let asked = self.in_slice(slice).filter(|(key, _)| id.is_none_or(|id| *key.id == *id));
        let mut answered = Answered::Yes;
        for (_, entry) in asked {
            if entry.item.is_in_conflict() {
                return Answered::InConflict;
            }
            let is_refused = entry.item.refused().iter().any(|refusal| refusal.position > position);
            if is_refused || entry.item.is_kept_refused() {
                return Answered::Rejected;
            }
            if entry.is_sent
                || entry.item.first_edit().is_some_and(|first| entry.item.is_open() && first <= position)
            {
                answered = Answered::NotYet;
            }
        }
        answered
    }

    /// Items whose progress may be another than pages were told.
    pub fn take_touched(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.touched)
    }

    /// Returns true if the list of refusals has changed since this was asked last.
    pub fn take_refusals_changed(&mut self) -> bool {
        std::mem::take(&mut self.refusals_changed)
    }

    /// Returns true if the list of conflicts has changed since this was asked last.
    pub fn take_conflicts_changed(&mut self) -> bool {
        std::mem::take(&mut self.conflicts_changed)
    }

    /// The items that were changed here and elsewhere, oldest conflict first.
    pub fn open_conflicts(&self) -> Vec<OpenConflict> {
        let in_conflict = self.conflicts.iter().filter_map(|key| {
            let shown = self.entries.get(key)?.item.conflict()?;
            Some((key, shown))
        });
        let mut conflicts: Vec<_> = in_conflict.collect();
        conflicts.sort_by_key(|(_, shown)| shown.number.1);
        let listed = conflicts.into_iter().map(|(key, shown)| {
            let (version, made_by) = shown.number;
            OpenConflict {
                id: format!("{}/{made_by}.{version}/{}", key.slice, key.id),
                slice: key.slice.to_string(),
                item_id: key.id.to_string(),
                base: shown.base.cloned(),
                local: shown.local.cloned(),
                remote: shown.remote.cloned(),
                local_at: shown.local_at.0,
                remote_at: shown.remote_at.0,
                by: shown.by.cloned(),
                paths: shown.paths,
            }
        });
        listed.collect()
    }

    /// The changes that the server refused and nobody has decided on, oldest first.
    pub fn rejections(&self) -> Vec<Rejection> {
        let mut rejections: Vec<(Position, Rejection)> = self
            .rejections_iter()
            .map(|(key, refusal)| {
                let id = format!("{}/{}/{}", key.slice, refusal.position, key.id);
                let rejection = Rejection {
                    id,
                    slice: key.slice.to_string(),
                    item_id: key.id.to_string(),
                    value: refusal.value.clone(),
                    code: refusal.code.clone(),
                    message: refusal.message.clone(),
                    at: refusal.at,
                };
                (refusal.position, rejection)
            })
            .collect();
        rejections.sort_by_key(|(position, _)| *position);
        rejections.into_iter().map(|(_, rejection)| rejection).collect()
    }

    /// What only this device has: what the server lacks of slices that go there, conflicts and refusals.
    pub fn unsent(&self, slices: &Slices) -> Vec<UnsentItem<Json>> {
        let mut items = Vec::new();
        for (key, entry) in &self.entries {
            let Some(state) = entry.unsent_state(key, slices) else { continue };
            let item = &entry.item;
            let refused = item.refused().iter().map(|refusal| RefusedChange {
                value: refusal.value.clone(),
                base: refusal.base.clone(),
                code: refusal.code.clone(),
                message: refusal.message.clone(),
                at: refusal.at.0,
            });
            items.push(UnsentItem {
                slice: key.slice.to_string(),
                id: key.id.to_string(),
                state,
                version: item.version().map(|version| version.0),
                base: item.base().cloned(),
                local: item.local().cloned(),
                remote: item.conflict().and_then(|conflict| conflict.remote.cloned()),
                refused: refused.collect(),
                at: item.at().0,
            });
        }
        items
    }

    fn rejections_iter(&self) -> impl Iterator<Item = (&Key, &crate::store::RefusalRow)> {
        let refusing = self.refusals.iter().filter_map(|key| Some((key, self.entries.get(key)?)));
        refusing.flat_map(|(key, entry)| entry.item.refused().iter().map(move |refusal| (key, refusal)))
    }
}
