//! The effects of a page's change on an item, also if the page was behind.

use super::{Conflict, Effect, Item, same};
use crate::bridge::action::Choice;
use crate::json::{self, Fields, Json};
use crate::rebase::{Strategy, part, rebase};
use crate::store::{ConflictRow, GoneRow, RefusalRow, Remote};
use crate::units::{Millis, Position, Version};
use std::rc::Rc;

/// A change of one item that a page made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Put(Json),
    Update(Update),
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
    /// Decides on the conflict of this number.
    Resolve {
        conflict: (Version, Position),
        choice: Choice,
    },
}

/// Merges top-level fields into the item and removes those of `unset`. Where there is no item, `upsert` is put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    pub fields: Json,
    pub unset: Vec<String>,
    pub upsert: Option<Json>,
    /// The former values of these fields, as the page saw them. A field that was not there is left out.
    pub was: Option<Json>,
}

/// The author of an edit: the page, how much it had seen, and the time.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a> {
    pub page: &'a Rc<str>,
    /// The page had applied all records up to there; 0 where it had applied none, so that it can have missed none.
    pub seen: Position,
    pub position: Position,
    pub at: Millis,
    /// Decides where the page was behind.
    pub strategy: Strategy,
}

impl Edit {
    /// The value that the page shows since it made the edit, of an item that was `before`; `None` where only the engine
    /// knows what the edit comes to.
    pub fn shown(&self, before: Option<&Json>) -> Option<Option<Json>> {
        match self {
            Edit::Put(value) => Some(Some(value.clone())),
            Edit::Delete => Some(None),
            Edit::Update(update) => {
                Some(before.map(|before| update.after(before)).or_else(|| update.upsert.clone()))
            }
            Edit::Retry { .. } | Edit::Discard { .. } | Edit::Resolve { .. } => None,
        }
    }
}

impl Item {
    /// A page's change takes effect.
    pub fn edit(&mut self, edit: &Edit, editor: Editor) -> Effect {
        match edit {
            Edit::Put(value) => self.replace(Some(value.clone()), editor),
            Edit::Delete if self.local.is_none() && self.refused.is_empty() => {
                // The record changes nothing, and is not read again.
                self.position = editor.position;
                Effect::Nothing
            }
            Edit::Delete => self.replace(None, editor),
            Edit::Update(update) => self.update(update, editor),
            Edit::Retry { refused_at, value } => match self.take_refusal(*refused_at) {
                Some(refusal) => self.retry(refusal, value.clone(), editor),
                None => Effect::NotRefused,
            },
            Edit::Discard { refused_at } => match self.take_refusal(*refused_at) {
                Some(refusal) => self.discard(&refusal, editor),
                None => Effect::NotRefused,
            },
            Edit::Resolve { conflict, choice } => self.resolve(*conflict, choice, editor),
        }
    }

    fn replace(&mut self, value: Option<Json>, editor: Editor) -> Effect {
        let changed = self.local.is_some() || value.is_some();
        let is_known = same(&value, &self.server_side().value) || same(&value, &self.local);
        let is_blind = self.is_unseen(editor) && !is_known;
        self.refused.clear();
        self.set_local(value, editor);
        if is_blind {
            self.overwrite_unseen(editor);
        } else {
            self.merge_remote(editor.position);
        }
        if changed { Effect::Changed } else { Effect::Hidden }
    }

    /// Returns true if someone else's change came in that the page had not seen.
    fn is_unseen(&self, editor: Editor) -> bool {
        (self.version.is_some() || self.conflict.is_some()) && editor.seen < self.foreign
    }

    /// Applies the strategy where a page wrote over someone else's change unseen. The value that the page had seen is not known.
    fn overwrite_unseen(&mut self, editor: Editor) {
        let remote = self.server_side();
        match editor.strategy {
            Strategy::Local | Strategy::Newest if self.conflict.is_none() => {}
            Strategy::Local | Strategy::Newest => {
                self.take_side(editor.position, remote.version, remote.value, self.local.clone())
            }
            Strategy::Remote => {
                self.take_side(editor.position, remote.version, remote.value.clone(), remote.value)
            }
            Strategy::Merge | Strategy::Manual => {
                let row = ConflictRow { made_by: editor.position, strategy: editor.strategy, forced: true };
                self.conflict = Some(Conflict { remote, row });
            }
        }
    }

    /// Returns the server's side, as far as it is known: in a conflict, its other side.
    pub(super) fn server_side(&self) -> Remote {
        if let Some(conflict) = &self.conflict {
            return conflict.remote.clone();
        }
        Remote {
            version: self.version,
            deleted: self.base.is_none(),
            value: self.base.clone(),
            at: None,
            own: false,
            by: None,
        }
    }

    fn update(&mut self, update: &Update, editor: Editor) -> Effect {
        let Some(local) = self.local.clone() else { return self.update_absent(update, editor) };
        let merged = update.over(&local);
        if editor.seen < self.foreign && update.is_behind(&local) {
            // The page shows its own fields until it hears what became of them.
            self.foreign = editor.position;
        }
        if !self.overwrites_server(&merged.conflicts) {
            self.set_local(merged.value, editor);
            self.merge_remote(editor.position);
            return Effect::Changed;
        }
        let remote = self.server_side();
        // The base becomes the server's value as the page had seen it. Unsent changes of this device stay its own.
        let seen = update.before(&local);
        if let Some(known) = self.base.take() {
            let base = rebase(Some(&local), Some(&known), Some(&seen)).value;
            // Of what is not in conflict, the result has what the server has, elements of lists among it. The base has it, too: else it
            // would be an addition of this device.
            let page = base.as_ref().map(|base| update.after(base));
            self.base = rebase(page.as_deref(), base.as_deref(), Some(&known)).value;
        }
        self.set_local(merged.value, editor);
        match self.conflict {
            Some(_) => self.merge_remote(editor.position),
            None => self.come_in(remote, editor.strategy, editor.position),
        }
        Effect::Changed
    }

    /// Returns true if a change that is in conflict at these paths writes over something of the server's. A value that this
    /// device wrote itself gives way to the later change.
    fn overwrites_server(&self, conflicts: &[String]) -> bool {
        let is_servers = |path: &String| {
            let sides = [&self.local, &self.base].map(|side| part(side.as_deref()?, path));
            json::same(sides[0], sides[1])
        };
        let is_known = self.version.is_some() || self.conflict.is_some();
        let is_forced = self.conflict.as_ref().is_some_and(|conflict| conflict.row.forced);
        is_known && !is_forced && conflicts.iter().any(is_servers)
    }

    fn update_absent(&mut self, update: &Update, editor: Editor) -> Effect {
        let gone = self.gone.clone().filter(|gone| {
            let by_page = gone.page.as_ref().is_some_and(|page| page == editor.page);
            !by_page && editor.seen < gone.position
        });
        if let Some(value) = gone.and_then(|gone| gone.value) {
            self.update_deleted(update, value, editor);
            return Effect::Changed;
        }
        let Some(upsert) = &update.upsert else {
            self.position = editor.position;
            return Effect::Missing;
        };
        self.created_by_update = true;
        if self.version.is_none() && self.conflict.is_none() && update.was.is_some() {
            self.base = Some(update.before(upsert));
        }
        self.set_local(Some(upsert.clone()), editor);
        self.merge_remote(editor.position);
        Effect::Changed
    }

    /// The page did not know that someone else had deleted the item. It shows `upsert`, where it says so.
    fn update_deleted(&mut self, update: &Update, last: Json, editor: Editor) {
        self.created_by_update = true;
        let edited = update.upsert.clone().or_else(|| update.over(&last).value);
        let is_deleted_at_server = self.version.is_some() && self.base.is_none() && self.conflict.is_none();
        if !is_deleted_at_server {
            // Another tab deleted it, and the server does not know: the later change counts.
            self.set_local(edited, editor);
            return self.merge_remote(editor.position);
        }
        let remote = self.server_side();
        self.base = Some(last);
        self.set_local(edited, editor);
        self.come_in(remote, editor.strategy, editor.position);
    }

    pub(super) fn set_local(&mut self, local: Option<Json>, editor: Editor) {
        let Editor { page, position, at, .. } = editor;
        match &local {
            Some(_) => self.gone = None,
            None => self.note_gone(position, Some(page)),
        }
        self.local = local;
        self.at = at;
        self.position = position;
        if self.edits.last() != Some(&position) {
            self.edits.push(position);
        }
        let is_nowhere = self.version.is_none() && self.conflict.is_none() && self.maybe.is_empty();
        if self.local.is_none() && is_nowhere {
            self.base = None;
        }
        self.normalise();
    }

    /// The item is being deleted.
    pub(super) fn note_gone(&mut self, position: Position, page: Option<&Rc<str>>) {
        if let Some(value) = self.local.take() {
            self.gone = Some(GoneRow { position, page: page.cloned(), value: Some(value) });
        }
    }

    fn take_refusal(&mut self, refused_at: Position) -> Option<RefusalRow> {
        let at = self.refused.iter().position(|refusal| refusal.position == refused_at)?;
        Some(self.refused.remove(at))
    }

    /// A refusal is decided on, and so are those before it. Later ones may be unknown to who decided.
    fn end_refusals_through(&mut self, refused_at: Position) {
        self.refused.retain(|refusal| refusal.position > refused_at);
    }

    fn retry(&mut self, refusal: RefusalRow, given: Option<Json>, editor: Editor) -> Effect {
        self.end_refusals_through(refusal.position);
        if refusal.kept {
            // The refused value is still there: the retry is an edit of it.
            let wanted = given.or_else(|| self.local.clone());
            self.set_local(wanted, editor);
            self.merge_remote(editor.position);
            return Effect::Changed;
        }
        let wanted = given.or(refusal.value);
        let merged = rebase(refusal.base.as_deref(), wanted.as_deref(), self.local.as_deref());
        if self.conflict.is_none() && self.overwrites_server(&merged.conflicts) {
            // The other side is what the server has, seen from what the refused change was made on.
            let remote = self.server_side();
            self.base = refusal.base;
            let row = ConflictRow { made_by: editor.position, strategy: editor.strategy, forced: false };
            self.conflict = Some(Conflict { remote, row });
        }
        let clean = merged.is_clean();
        self.set_local(merged.value, editor);
        match &mut self.conflict {
            // The edit replaces a part of the conflict: someone is to look at it again.
            Some(conflict) if !clean => conflict.row.made_by = editor.position,
            _ => self.merge_remote(editor.position),
        }
        Effect::Changed
    }

    fn discard(&mut self, refusal: &RefusalRow, editor: Editor) -> Effect {
        self.end_refusals_through(refusal.position);
        self.position = editor.position;
        let is_last = self.refused.is_empty();
        let stayed = refusal.kept && is_last && self.edits.is_empty() && self.conflict.is_none();
        if !stayed || !self.differs() {
            return Effect::Hidden;
        }
        self.take_side(editor.position, self.version, self.base.clone(), self.base.clone());
        Effect::Changed
    }

    fn resolve(&mut self, number: (Version, Position), choice: &Choice, editor: Editor) -> Effect {
        let Some(conflict) = self.conflict.take_if(|conflict| conflict.conflict_no() == number) else {
            return Effect::NotInConflict;
        };
        let remote = conflict.remote;
        let chosen = match choice {
            Choice::Local => self.local.clone(),
            Choice::Remote => remote.value.clone(),
            Choice::Merge if conflict.row.forced => self.local.clone(),
            Choice::Merge => {
                let sides = [&self.base, &self.local, &remote.value].map(|side| side.as_deref());
                rebase(sides[0], sides[1], sides[2]).value
            }
            Choice::Value(value) => value.clone(),
        };
        let changed = !same(&chosen, &self.local);
        self.version = remote.version;
        self.base = remote.value;
        self.maybe.clear();
        self.edits.clear();
        self.set_local(chosen, editor);
        if !changed {
            return Effect::Hidden;
        }
        // Something of the other side is shown since then, which no page has seen.
        self.foreign = editor.position;
        Effect::Changed
    }
}

/// An update laid over a value, and the paths at which the value is another than the page had seen.
struct LaidOver {
    value: Option<Json>,
    conflicts: Vec<String>,
}

impl Update {
    /// Lays the update over the value. The page may have seen an older one.
    fn over(&self, value: &Json) -> LaidOver {
        let after = self.after(value);
        if !self.is_behind(value) {
            return LaidOver { value: Some(after), conflicts: Vec::new() };
        }
        let before = self.before(value);
        let after = self.after(&before);
        let merged = rebase(Some(&before), Some(&after), Some(value));
        LaidOver { value: merged.value, conflicts: merged.conflicts }
    }

    /// Returns true if a field that it changes is another than the page had seen.
    fn is_behind(&self, value: &Json) -> bool {
        let Some(was) = self.was.as_deref().and_then(Fields::parse) else { return false };
        let Some(now) = Fields::parse(value) else { return false };
        self.names().iter().any(|name| !json::same(was.get(name), now.get(name)))
    }

    /// The fields that it changes.
    fn names(&self) -> Vec<String> {
        let fields = Fields::parse(&self.fields).unwrap_or_default();
        let named = fields.0.into_iter().map(|(name, _)| name.into_owned());
        named.filter(|name| name != "id").chain(self.unset.iter().cloned()).collect()
    }

    /// The value with these fields as the page had seen them.
    fn before(&self, value: &Json) -> Json {
        let was = self.was.as_deref().and_then(Fields::parse);
        let (Some(was), Some(mut before)) = (was, Fields::parse(value)) else { return value.clone() };
        let names = self.names();
        for name in &names {
            match was.get(name) {
                Some(value) => before.set(name.as_str().into(), value),
                None => before.remove(name),
            }
        }
        before.to_json()
    }

    /// The value with these fields as the update has them; a value that is no object is replaced.
    fn after(&self, value: &Json) -> Json {
        let (Some(mut merged), Some(fields)) = (Fields::parse(value), Fields::parse(&self.fields)) else {
            return self.fields.clone();
        };
        for (name, value) in fields.0 {
            // The item keeps its own id: an update names it, it does not change it.
            if name != "id" {
                merged.set(name, value);
            }
        }
        for name in &self.unset {
            merged.remove(name);
        }
        merged.to_json()
    }
}
