//! The three-way merge of one value: [`rebase`] lays a device's edits over what the server has in the meantime.
//!
//! ```text
//!            base ─────────── what both sides began with
//!           ╱    ╲
//!       local    remote ───── the device's edit, the server's newer value
//!           ╲    ╱
//!           merged ────────── and the paths where both changed the same: there it is local's
//! ```
//!
//! It is a pure function of three values, each JSON or absent. Absent is not `null`: it stands for an item, a field or
//! an element that is not there.
//!
//! # Rules
//!
//! The first that fits decides; 4 and 5 go on with the same rules one level below.
//!
//! | | base | local | remote | merged |
//! |---|---|---|---|---|
//! | 1 | any | x | x | x |
//! | 2 | x | x | y | y |
//! | 3 | x | y | x | y |
//! | 4 | object or absent | object | object | key by key; a key that comes to absent is left out |
//! | 5 | list or absent | list | list | element by element, by id; then the order |
//! | 6 | any | x | y | x, and the path is in conflict |
//!
//! A *list* is an array whose elements are all objects, each with an `id` that no other of them has: a string that is
//! not empty or a finite number, compared as text. Any other array is merged as one value, like a string.
//!
//! # The order of a list
//!
//! Elements that all three lists have form the *frame*. It is ordered as by the side that moved elements; if both moved
//! them and disagree, the list's own path is in conflict and local's order counts. Each other element goes behind the
//! frame's element that it follows on its own side:
//!
//! ```text
//!     base    a b c
//!     local   a x b c      x is new behind a
//!     remote  c a b        c moved to the front
//!     merged  c a x b      only remote moved: the frame is c a b
//! ```
//!
//! An element that both sides added takes the later of its two places. If both sides have elements at one place, the
//! side whose ids are smaller (as text, element by element) goes first with all of them.
//!
//! # Paths
//!
//! A path is a JSON Pointer (RFC 6901). An element of a list is `@` and its id: `/tasks/@7/title`. The path of the whole
//! value is the empty string. [`Rebased::conflicts`] is sorted.
//!
//! # Laws
//!
//! Of every merge:
//!
//! 1. Swapping local and remote gives the same conflicts. Without conflicts it gives the same value.
//! 2. Every leaf of the merged value is a leaf of base, local or remote.
//! 3. `rebase(remote, merged, remote)` is `merged`: it can be sent as an edit of the server's value.
//!
//! Of a merge without conflicts:
//!
//! 4. `rebase(base, merged, remote)` is `merged`: the same remote value may come in again.
//! 5. `rebase(base, local, merged)` is `merged`: another device that has it merges nothing twice.
//! 6. A leaf that one side changed and the other did not is as that side has it.
//! 7. If one side moved elements of a list, the list has the order of that side.
//!
//! `tests/rebase.rs` holds the function to these laws, and to `tests/wire/rebase.json`, which a program in another
//! language made.

mod list;
mod number;
mod patch;
mod strategy;
mod tree;

pub use patch::patch;
pub use strategy::Strategy;

use crate::json::{Json, Writer, shared};
use list::{List, order};
use std::borrow::Cow;
use std::collections::BTreeMap;
use tree::{Kind, Node, index};

/// The result of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// The merged value, or `None` for absent. At each path in conflict it is local's.
    pub value: Option<Json>,
    /// The paths that both sides changed differently, sorted.
    pub conflicts: Vec<String>,
}

impl Rebased {
    /// True if nothing is in conflict.
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty()
    }
}

/// Merges two values that began as `base`. Each is JSON text, or `None` for absent.
///
/// A part that comes from one side unchanged keeps the text of that side. Text that is not JSON is merged as one value.
pub fn rebase(base: Option<&str>, local: Option<&str>, remote: Option<&str>) -> Rebased {
    // Equal texts are equal values. These are the rules 1 to 3 for most calls, without reading anything.
    let unread = if local == remote || base == remote {
        Some(local)
    } else if base == local {
        Some(remote)
    } else {
        None
    };
    if let Some(value) = unread {
        return Rebased { value: value.map(shared), conflicts: Vec::new() };
    }
    let [base, local, remote] = [base, local, remote].map(|text| text.map(Node::read));
    let mut merge = Merge::default();
    let value = merge.value(base.as_ref(), local.as_ref(), remote.as_ref());
    merge.conflicts.sort();
    Rebased { value: value.as_deref().map(shared), conflicts: merge.conflicts }
}

/// Returns the text of the part of a value that a path names, such as `/tasks/@7/title`; `None` where there is none.
pub fn part<'a>(value: &'a str, path: &str) -> Option<&'a str> {
    let Some(steps) = path.strip_prefix('/') else { return Some(value) };
    let mut node = Node::read(value);
    for step in steps.split('/') {
        let step = step.replace("~1", "/").replace("~0", "~");
        node = match node.kind {
            Kind::Object(fields) => fields.into_iter().find(|(key, _)| *key == step)?.1,
            Kind::Array(elements) => {
                let id = step.strip_prefix('@')?;
                elements.into_iter().find(|element| list::id_of(element).is_some_and(|of| of == id))?
            }
            Kind::Scalar => return None,
        };
    }
    Some(node.text)
}

/// A value that may be absent.
type Side<'n, 'a> = Option<&'n Node<'a>>;
/// Fields by key, or elements by id.
type Index<'n, 'a> = BTreeMap<&'n str, &'n Node<'a>>;

/// A merge under way.
#[derive(Default)]
struct Merge {
    /// The path of the value that is being merged.
    path: String,
    conflicts: Vec<String>,
}

impl Merge {
    /// The text of the merged value.
    fn value<'a>(
        &mut self,
        base: Side<'_, 'a>,
        local: Side<'_, 'a>,
        remote: Side<'_, 'a>,
    ) -> Option<Cow<'a, str>> {
        if local == remote {
            return text(local);
        }
        if base == local {
            return text(remote);
        }
        if base == remote {
            return text(local);
        }
        let merged = self.objects(base, local, remote).or_else(|| self.lists(base, local, remote));
        if let Some(merged) = merged {
            return Some(merged.into());
        }
        self.conflict();
        text(local)
    }

    /// Rule 4: local's keys in their order, then those that only remote has. `None` if the rule does not apply.
    // Out of line, as `lists` is: the recursion needs less stack.
    #[inline(never)]
    fn objects(&mut self, base: Side, local: Side, remote: Side) -> Option<String> {
        let base = base.map_or(Some(&[][..]), Node::fields)?;
        let (local, remote) = (local?.fields()?, remote?.fields()?);
        let (in_base, in_local, in_remote) = (index(base), index(local), index(remote));
        let only_remote = remote.iter().filter(|(key, _)| !in_local.contains_key(&**key));
        let mut merged = Writer::object();
        for (key, _) in local.iter().chain(only_remote) {
            if let Some(value) = self.part("", key, &in_base, &in_local, &in_remote) {
                merged.raw(key, &value);
            }
        }
        Some(merged.end())
    }

    /// Rule 5: the elements, then their order. `None` if the rule does not apply.
    #[inline(never)]
    fn lists(&mut self, base: Side, local: Side, remote: Side) -> Option<String> {
        let base = base.map_or(Some(List::default()), List::of)?;
        let (local, remote) = (List::of(local?)?, List::of(remote?)?);
        let merged = self.elements(&base.index(), &local.index(), &remote.index());
        let kept = merged.keys().copied().collect();
        let order = order(&base.ids(), &local.ids(), &remote.ids(), &kept);
        if order.is_contested {
            self.conflict();
        }
        let elements: Vec<&str> =
            order.ids.iter().filter_map(|id| merged.get(id)).map(|text| &**text).collect();
        Some(format!("[{}]", elements.join(",")))
    }

    /// The merged elements by id, without those that come to absent.
    fn elements<'i, 'a>(
        &mut self,
        base: &Index<'i, 'a>,
        local: &Index<'i, 'a>,
        remote: &Index<'i, 'a>,
    ) -> BTreeMap<&'i str, Cow<'a, str>> {
        let only_remote = remote.keys().filter(|id| !local.contains_key(*id));
        let mut merged = BTreeMap::new();
        for id in local.keys().chain(only_remote) {
            if let Some(element) = self.part("@", id, base, local, remote) {
                merged.insert(*id, element);
            }
        }
        merged
    }

    /// Merges one field or one element.
    fn part<'a>(
        &mut self,
        mark: &str,
        key: &str,
        base: &Index<'_, 'a>,
        local: &Index<'_, 'a>,
        remote: &Index<'_, 'a>,
    ) -> Option<Cow<'a, str>> {
        let above = self.path.len();
        for text in ["/", mark, &key.replace('~', "~0").replace('/', "~1")] {
            self.path.push_str(text);
        }
        let value = self.value(base.get(key).copied(), local.get(key).copied(), remote.get(key).copied());
        self.path.truncate(above);
        value
    }

    fn conflict(&mut self) {
        self.conflicts.push(self.path.clone());
    }
}

fn text<'a>(side: Side<'_, 'a>) -> Option<Cow<'a, str>> {
    side.map(|node| Cow::Borrowed(node.text))
}

#[cfg(test)]
mod tests;
