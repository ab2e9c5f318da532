//! What the page knows of its slices: the ids of their items, and the reads that are under way.

use super::{Ids, Rows, Types};
use crate::units::Position;

/// A slice that could not be read in peace, or not at all, is read again after so many ms.
const REREAD_MS: u64 = 250;

/// A slice of which the page knows items.
struct Tracked<I> {
    slice: String,
    /// The items that the page was told of, or has put itself.
    ids: I,
    /// The number of actions on it.
    actions: u64,
    /// True if the page has read all of it, of the present database.
    is_read: bool,
    /// The number of listeners that are told of every change.
    listeners: u64,
    catching_up: CatchingUp,
}

/// Whether a slice is being read again, because the page may have missed changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchingUp {
    No,
    /// By this request, which was made after so many actions. `again`: it is to be read once more.
    Reading {
        request: u64,
        actions: u64,
        again: bool,
    },
    /// From this time on.
    Later(u64),
}

/// A read that is under way, and what was told of the slice meanwhile.
struct Read<M> {
    request: u64,
    slice: String,
    newer: Vec<(Position, M)>,
    /// The parts of the answer that came before it, and the number of items in them.
    parts: Vec<M>,
    count: u64,
}

/// What an action does to the items of its slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Put,
    Delete,
    /// The slice has these items and no others.
    Set,
    Clear,
}

impl Effect {
    /// Returns the effect of the verb, the part of an action's type behind the last `/`.
    pub fn of(verb: &str) -> Effect {
        match verb {
            "clearItems" => Effect::Clear,
            _ if verb.starts_with("set") => Effect::Set,
            _ if verb == "removeItem" || verb.starts_with("delete") => Effect::Delete,
            _ => Effect::Put,
        }
    }
}

/// The rows that answer a read, for whom they are.
#[derive(Debug, PartialEq, Eq)]
pub enum For {
    Request,
    /// For the listeners of the slice, which may have missed changes.
    Listeners,
    /// Nobody: the page has changed the slice meanwhile, or something was missed once more.
    Nobody,
}

pub struct Slices<T: Types> {
    tracked: Vec<Tracked<T::Ids>>,
    reads: Vec<Read<T::Message>>,
}

impl<T: Types> Default for Slices<T> {
    fn default() -> Self {
        Slices { tracked: Vec::new(), reads: Vec::new() }
    }
}

impl<T: Types> Slices<T> {
    fn of(&mut self, slice: &str) -> Option<&mut Tracked<T::Ids>> {
        self.tracked.iter_mut().find(|of| of.slice == slice)
    }

    /// Tracks the items of a slice from now on. `none` is an empty set of ids.
    pub fn track(&mut self, slice: &str, none: T::Ids) {
        if self.of(slice).is_none() {
            let slice = slice.into();
            let (actions, is_read, listeners, catching_up) = (0, false, 0, CatchingUp::No);
            self.tracked.push(Tracked { slice, ids: none, actions, is_read, listeners, catching_up });
        }
    }

    /// Counts the listeners of a tracked slice.
    pub fn count_listeners(&mut self, slice: &str, more: bool) {
        if let Some(of) = self.of(slice) {
            of.listeners = if more { of.listeners + 1 } else { of.listeners.saturating_sub(1) };
        }
    }

    /// Notes an action of this page on the items `ids`. For a set in a slice that the page has read, returns the ids that the set
    /// leaves out. Of another slice the others are not known: all that there is goes.
    pub fn dispatched(&mut self, slice: &str, effect: Effect, ids: &T::Ids) -> Option<T::Ids> {
        let of = self.of(slice)?;
        of.actions += 1;
        let mut left = None;
        match effect {
            Effect::Put => of.ids.add(ids),
            Effect::Delete => of.ids.remove(ids),
            Effect::Clear => of.ids = of.ids.without(&of.ids),
            Effect::Set => {
                left = of.is_read.then(|| of.ids.without(ids));
                of.ids = ids.clone();
            }
        }
        left
    }

    /// Returns true if the slice is tracked or being read.
    pub fn minds(&self, slice: &str) -> bool {
        self.tracked.iter().any(|of| of.slice == slice) || self.reads.iter().any(|read| read.slice == slice)
    }

    /// Notes a change that was told of a slice. Items that are deleted were told before.
    pub fn changed(
        &mut self,
        slice: &str,
        position: Position,
        puts: &T::Ids,
        deletes: &T::Ids,
        change: &T::Message,
    ) {
        if let Some(of) = self.of(slice) {
            of.ids.remove(deletes);
            of.ids.add(puts);
        }
        for read in self.reads.iter_mut().filter(|read| read.slice == slice) {
            read.newer.push((position, change.clone()));
        }
    }

    /// Notes a read of a slice for the request.
    pub fn read(&mut self, request: u64, slice: &str) {
        let (newer, parts) = (Vec::new(), Vec::new());
        self.reads.push(Read { request, slice: slice.into(), newer, parts, count: 0 });
    }

    /// Keeps a part of an answer with `count` items, `first` of which came before. A worker that has ended in between is followed by
    /// one that begins with the first again.
    pub fn part(&mut self, request: u64, (first, count): (u64, u64), part: T::Message) {
        if let Some(read) = self.reads.iter_mut().find(|read| read.request == request) {
            if first != read.count {
                read.parts.clear();
            }
            read.parts.push(part);
            read.count = first + count;
        }
    }

    /// Ends a read. Returns the slice, for whom the rows are, and what goes with the answer, which contains all records up to
    /// `position` and says that `first` items came before. Without a position there are no rows.
    pub fn end_read(
        &mut self,
        now: u64,
        request: u64,
        position: Option<Position>,
        first: u64,
    ) -> Option<(String, For, Rows<T::Message>)> {
        let at = self.reads.iter().position(|read| read.request == request)?;
        let Read { slice, newer, parts, count, .. } = self.reads.swap_remove(at);
        let parts = if first == count { parts } else { Vec::new() };
        let newer =
            |position| newer.into_iter().filter(move |change| change.0 > position).map(|change| change.1);
        let newer = position.map(|position| newer(position).collect()).unwrap_or_default();
        let mut for_whom = For::Request;
        if let Some(of) = self.of(&slice)
            && let CatchingUp::Reading { request: by, actions, again } = of.catching_up
            && by == request
        {
            // Actions during the read are newer than its result.
            let is_outdated = again || actions != of.actions || position.is_none();
            for_whom = if is_outdated { For::Nobody } else { For::Listeners };
            of.catching_up = match is_outdated && (position.is_some() || again) {
                true if again => CatchingUp::Later(now),
                true => CatchingUp::Later(now + REREAD_MS),
                false => CatchingUp::No,
            };
        }
        Some((slice, for_whom, Rows { messages: parts, newer }))
    }

    /// The page may have missed changes: the slices with listeners are to be read again.
    pub fn catch_up(&mut self, now: u64) {
        for of in self.tracked.iter_mut().filter(|of| of.listeners > 0) {
            match &mut of.catching_up {
                CatchingUp::Reading { again, .. } => *again = true,
                later => *later = CatchingUp::Later(now),
            }
        }
    }

    /// Returns the slices that are to be read again by now.
    pub fn to_catch_up(&self, now: u64) -> Vec<String> {
        let is_due = |of: &&Tracked<_>| matches!(of.catching_up, CatchingUp::Later(at) if at <= now);
        self.tracked.iter().filter(is_due).map(|of| of.slice.clone()).collect()
    }

    /// The slice is read again by this request.
    pub fn catches_up(&mut self, slice: &str, request: u64) {
        if let Some(of) = self.of(slice) {
            of.catching_up = CatchingUp::Reading { request, actions: of.actions, again: false };
        }
        self.read(request, slice);
    }

    /// Notes that the page has read a slice with these items.
    pub fn has_read(&mut self, slice: &str, ids: &T::Ids) {
        if let Some(of) = self.of(slice) {
            of.ids.add(ids);
            of.is_read = true;
        }
    }

    /// Notes the present items of a slice whose listeners are told of them. Returns the ids of items that are gone.
    pub fn caught_up(&mut self, slice: &str, ids: T::Ids) -> Option<T::Ids> {
        let of = self.of(slice)?;
        let gone = of.ids.without(&ids);
        (of.ids, of.is_read) = (ids, true);
        Some(gone)
    }

    /// Forgets all items: another database has none of them. Returns them by slice.
    pub fn forget(&mut self) -> Vec<(String, T::Ids)> {
        for read in &mut self.reads {
            read.newer.clear();
        }
        let mut known = Vec::new();
        for of in &mut self.tracked {
            of.is_read = false;
            let none = of.ids.without(&of.ids);
            let ids = std::mem::replace(&mut of.ids, none);
            if !ids.is_empty() {
                known.push((of.slice.clone(), ids));
            }
        }
        known
    }

    /// No read is under way any more.
    pub fn end_reads(&mut self) {
        self.reads.clear();
        for of in &mut self.tracked {
            of.catching_up = CatchingUp::No;
        }
    }

    /// Returns the time at which a slice is to be read again.
    pub fn deadline(&self) -> Option<u64> {
        let at = |of: &Tracked<_>| match of.catching_up {
            CatchingUp::Later(at) => Some(at),
            _ => None,
        };
        self.tracked.iter().filter_map(at).min()
    }
}
