//! A record of every write and of what its page had seen: the reference for the values that several devices may end with.
//!
//! Each leaf of an item that a run writes is a number of its own. An *operation* is what an action does to one item: it gives
//! leaves to some paths, takes others away, and *replaces* the leaves that its page showed there. Leaves that another page of
//! the same device made durable before are replaced, too. On one device the later one wins, also where a page edits what another
//! has just deleted. Leaves of other devices count as replaced only where the operation's author could have seen them.
//!
//! At rest, each leaf of a durable operation is the server's, or a side of an open conflict, or in a refusal, or lost a conflict
//! that was decided, or was replaced by an operation of which the same holds (P6). And no leaf is the server's that was replaced
//! by something that the server had.

use crate::actions::Key;
use crate::model::Model;
use crate::property::{Property, violated};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers below this are no leaves.
pub const FIRST_LEAF: u64 = 1_000;
/// Each device's leaves begin at so many times its number.
pub const LEAVES_OF_A_DEVICE: u64 = 1_000_000;

/// The leaves of a value by their paths. An element of a list stands under `@` and its id.
pub fn leaves(value: &Value) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, path: String, found: &mut BTreeMap<String, u64>) {
    match value {
        Value::Number(number) => {
            if let Some(leaf) = number.as_u64().filter(|leaf| *leaf >= FIRST_LEAF) {
                found.insert(path, leaf);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(name, _)| *name != "id") {
                collect(field, format!("{path}/{name}"), found);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                collect(element, format!("{path}/@{}", element["id"]), found);
            }
        }
        _ => {}
    }
}

/// The effect of an action on one item.
#[derive(Debug, Clone)]
pub struct Operation {
    pub device: usize,
    pub key: Key,
    /// The leaves that it gives; `None` takes a path away.
    pub writes: BTreeMap<String, Option<u64>>,
    /// The leaves that the page showed at these paths.
    pub seen: BTreeMap<String, u64>,
    /// The leaves that it replaces: what was seen and, once it is durable, what its device had made before.
    replaces: BTreeSet<u64>,
    /// The leaves that it replaces if another change of its burst has ended the conflict that keeps them apart.
    may_replace: BTreeSet<u64>,
    /// The leaves that its device knew to be deleted at the server when it became durable.
    gone: BTreeSet<u64>,
    /// It makes or takes away the whole item, whatever the item is.
    is_whole: bool,
    /// It does not say what its page showed, so it is made on what the worker has.
    pub is_on_workers: bool,
    /// The page that did it; set as it is dispatched.
    page: String,
    /// In the order of all operations of all devices.
    durable: Option<usize>,
}

impl Operation {
    /// An operation of a page that shows `before` and makes `after` of it. A put writes what stays as it is, too.
    pub fn new(
        device: usize,
        key: Key,
        before: Option<&Value>,
        after: Option<&Value>,
        is_put: bool,
    ) -> Operation {
        let (seen, wanted) = (before.map(leaves).unwrap_or_default(), after.map(leaves).unwrap_or_default());
        let mut writes: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for path in seen.keys().filter(|path| !wanted.contains_key(*path)) {
            writes.insert(path.clone(), None);
        }
        for (path, leaf) in &wanted {
            if is_put || seen.get(path) != Some(leaf) {
                writes.insert(path.clone(), Some(*leaf));
            }
        }
        let is_replaced =
            |(path, leaf): &(String, u64)| writes.get(path).is_some_and(|write| *write != Some(*leaf));
        let seen: BTreeMap<String, u64> = seen.into_iter().filter(is_replaced).collect();
        let replaces = seen.values().copied().collect();
        let is_whole = is_put || after.is_none();
        Operation {
            device,
            key,
            writes,
            seen,
            replaces,
            may_replace: BTreeSet::new(),
            gone: BTreeSet::new(),
            is_whole,
            is_on_workers: false,
            page: String::new(),
            durable: None,
        }
    }

    fn is_deletion(&self) -> bool {
        self.is_whole && self.writes.values().all(Option::is_none)
    }

    /// Returns true if it is an edit, made after this deletion, of a page on the same device that had not heard of it.
    fn revives(&self, deletion: &Operation) -> bool {
        deletion.is_deletion()
            && !self.is_deletion()
            && self.device == deletion.device
            && self.page != deletion.page
            && self.durable > deletion.durable
    }
}

/// A device's knowledge of a leaf that another device wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learnt {
    Nothing,
    /// It is on the other side of a conflict.
    Apart,
    Merged,
}

#[derive(Debug, Default)]
pub struct Ledger {
    operations: Vec<Operation>,
    /// Operations by device, page and burst.
    of_burst: BTreeMap<(usize, String, u64), Vec<usize>>,
    /// How many operations are durable.
    durable: usize,
    /// How many of each device's durable bursts, and of what it has heard of the server's sides, were looked at.
    looked_at: BTreeMap<usize, (usize, usize)>,
    /// The leaves that each device knows to be deleted at the server.
    gone: BTreeMap<usize, BTreeSet<u64>>,
    /// How many of the server's effects were looked at.
    effects: usize,
    /// Leaves that the server had at some time.
    arrived: BTreeSet<u64>,
    /// The number of operations when a device deleted the item at the server.
    deleted: Vec<(Key, usize, usize)>,
    /// Leaves that were a side of a conflict or of a refusal when a person decided on it.
    decided: BTreeSet<u64>,
    /// Items on which a person decided, and the number of operations then.
    decisions: BTreeMap<Key, usize>,
    /// Slices in which a strategy decides, so that nobody is asked.
    pub strategies: BTreeSet<String>,
    /// Leaves that were in no backup when the server was set back, so only devices may have them.
    set_back: BTreeSet<u64>,
    /// Items that the server's loss, or its horizon, may bring back.
    was_set_back: bool,
}

impl Ledger {
    /// A page dispatches these operations in its burst `n`.
    pub fn dispatched(&mut self, page: (usize, &str, u64), operations: Vec<Operation>) {
        let (device, page, n) = page;
        let places = self.operations.len()..self.operations.len() + operations.len();
        self.operations
            .extend(operations.into_iter().map(|operation| Operation { page: page.to_owned(), ..operation }));
        self.of_burst.entry((device, page.to_owned(), n)).or_default().extend(places);
    }

    /// A device has done a step: these are its durable bursts and what it has heard, and the effects of all pushes at the
    /// server. `has_learnt` says what the device knows of a leaf.
    pub fn observe(
        &mut self,
        device: usize,
        model: &Model,
        effects: &[(Key, Option<Value>)],
        has_learnt: impl Fn(&Key, u64) -> Learnt,
    ) {
        let looked_at = self.looked_at.entry(device).or_default();
        let (bursts, sides) = (&model.bursts[looked_at.0..], &model.sides[looked_at.1..]);
        *looked_at = (model.bursts.len(), model.sides.len());
        for (key, leaves) in sides {
            self.hears(device, key, leaves.as_ref());
        }
        for burst in bursts {
            let places =
                self.of_burst.get(&(device, burst.page.clone(), burst.n)).cloned().unwrap_or_default();
            for place in places {
                self.becomes_durable(place, &has_learnt);
            }
        }
        for (key, value) in &effects[self.effects..] {
            match value {
                Some(value) => self.arrived.extend(leaves(value).into_values()),
                None => self.deleted.push((key.clone(), device, self.operations.len())),
            }
        }
        self.effects = effects.len();
    }

    /// A device hears what the server's side of an item is. Of a deleted one, all leaves that the server had are gone.
    fn hears(&mut self, device: usize, key: &Key, leaves: Option<&BTreeSet<u64>>) {
        let gone = self.gone.entry(device).or_default();
        match leaves {
            Some(leaves) => gone.retain(|leaf| !leaves.contains(leaf)),
            None => {
                let of_item = self.operations.iter().filter(|operation| operation.key == *key);
                let written = of_item.flat_map(|operation| operation.writes.values().flatten());
                gone.extend(written.filter(|leaf| self.arrived.contains(leaf)));
            }
        }
    }

    /// The operation replaces what its device made before it and, where it says nothing of what its page showed, what the
    /// device was told.
    fn becomes_durable(&mut self, place: usize, has_learnt: impl Fn(&Key, u64) -> Learnt) {
        let Operation { device, key, writes, is_whole, is_on_workers, .. } = self.operations[place].clone();
        let others = self.operations.iter().enumerate().filter(|(other, operation)| {
            *other != place && operation.key == key && operation.durable.is_some()
        });
        let (mut replaced, mut apart) = (Vec::new(), Vec::new());
        for (_, other) in others {
            for (path, leaf) in &other.writes {
                let Some(leaf) = leaf.filter(|_| is_whole || writes.contains_key(path)) else { continue };
                let learnt = if is_on_workers { has_learnt(&key, leaf) } else { Learnt::Nothing };
                if other.device == device || learnt == Learnt::Merged {
                    replaced.push((path.clone(), leaf));
                } else if learnt == Learnt::Apart {
                    apart.push(leaf);
                }
            }
        }
        let operation = &mut self.operations[place];
        self.durable += 1;
        operation.durable = Some(self.durable);
        operation.may_replace.extend(apart);
        for (path, leaf) in replaced {
            operation.writes.entry(path).or_insert(None);
            operation.replaces.insert(leaf);
        }
        operation.gone = self.gone.get(&operation.device).cloned().unwrap_or_default();
        let given: Vec<u64> = operation.writes.values().filter_map(|leaf| *leaf).collect();
        operation.replaces.retain(|leaf| !given.contains(leaf));
    }

    /// A person decides between these values of an item.
    pub fn decided(&mut self, key: &Key, sides: &[&Value]) {
        let of_sides = sides.iter().flat_map(|side| leaves(side).into_values());
        self.decided.extend(of_sides);
        self.decisions.insert(key.clone(), self.operations.len());
    }

    /// The server became an earlier one, with these items: what is in none of them is lost to it, unless a device brings it again.
    pub fn set_back(&mut self, items: &[Value]) {
        let kept: BTreeSet<u64> = items.iter().flat_map(|item| leaves(item).into_values()).collect();
        self.set_back.extend(self.arrived.iter().filter(|leaf| !kept.contains(leaf)));
        self.was_set_back = true;
    }

    /// Tombstones were collected.
    pub fn forgot(&mut self) {
        self.was_set_back = true;
    }

    /// At rest: P6 of all that the devices ever acknowledged. `values` are the server's items, `kept` the texts of what devices
    /// keep beside the values: open conflicts and refusals.
    pub fn check(
        &self,
        values: &BTreeMap<Key, Value>,
        kept: &BTreeMap<Key, Vec<String>>,
        is_sent: impl Fn(&str) -> bool,
    ) {
        let mut check = Check { ledger: self, values, kept, settled: BTreeSet::new() };
        check.drop_known();
        for (place, path) in check.writes().into_iter().rev() {
            let operation = &self.operations[place];
            let key = &operation.key;
            if is_sent(&key.0) && !check.settled.contains(&(place, path)) {
                let write = operation.writes[path];
                let what = write.map_or("the removal".to_owned(), |leaf| format!("write {leaf}"));
                let (device, now) = (operation.device, values.get(key));
                violated(
                    Property::NoSilentLoss,
                    format!(
                        "{key:?}: {what} of {path} by device {device} is lost, and nobody who knew it decided so: {now:?}"
                    ),
                );
            }
        }
        self.check_not_back(values);
    }

    /// Nothing is the server's that someone replaced who knew it, once that was at the server.
    fn check_not_back(&self, values: &BTreeMap<Key, Value>) {
        if self.was_set_back {
            return;
        }
        for (key, value) in values {
            let is_free = self.strategies.contains(&key.0) || self.decisions.contains_key(key);
            if is_free {
                continue;
            }
            for (path, leaf) in leaves(value) {
                let replaced = self.operations.iter().enumerate().find(|(place, operation)| {
                    operation.key == *key
                        && operation.durable.is_some()
                        && operation.seen.get(&path) == Some(&leaf)
                        && self.has_arrived(*place, &path)
                        && !self.is_put_back(*place, &path, leaf)
                });
                if let Some((_, operation)) = replaced {
                    violated(
                        Property::NoSilentLoss,
                        format!(
                            "{key:?}: write {leaf} of {path} came back, though {operation:?} had replaced it"
                        ),
                    );
                }
            }
        }
    }

    /// The leaves that operations gave the path.
    fn given<'a>(&'a self, key: &'a Key, path: &'a str) -> impl Iterator<Item = (&'a Operation, u64)> {
        let of_item = self.operations.iter().filter(move |operation| operation.key == *key);
        of_item.filter_map(move |operation| Some((operation, (*operation.writes.get(path)?)?)))
    }

    /// Returns true if the operation took away from the path only what the server never had, or had no more. The path is then
    /// as it was before, and what others make of it counts.
    fn took_back_its_own(&self, operation: &Operation, path: &str) -> bool {
        let given: Vec<(&Operation, u64)> = self.given(&operation.key, path).collect();
        let is_taken = |leaf: &u64| operation.replaces.contains(leaf) && !operation.gone.contains(leaf);
        let replaces_nothing = |other: &Operation| {
            let mut replaced = given.iter().filter(|(_, leaf)| other.replaces.contains(leaf));
            replaced.all(|(_, leaf)| is_taken(leaf) || other.gone.contains(leaf))
        };
        let mut taken = given.iter().filter(|(_, leaf)| is_taken(leaf));
        let took_any = given.iter().any(|(_, leaf)| operation.replaces.contains(leaf));
        let is_own = |(other, leaf): &(&Operation, u64)| {
            other.device == operation.device && replaces_nothing(other) && !self.arrived.contains(leaf)
        };
        took_any && taken.all(is_own)
    }

    /// Returns true if another page of the same device, which still showed it, has put the leaf again or edited the item. The
    /// later one wins.
    fn is_put_back(&self, place: usize, path: &str, leaf: u64) -> bool {
        let operation = &self.operations[place];
        let of_item = self.operations.iter().filter(|later| later.key == operation.key);
        of_item
            .filter(|later| later.device == operation.device && later.durable > operation.durable)
            .any(|later| later.revives(operation) || later.writes.get(path) == Some(&Some(leaf)))
    }

    /// Returns true if the server had what the operation made of this path.
    fn has_arrived(&self, place: usize, path: &str) -> bool {
        let operation = &self.operations[place];
        match operation.writes.get(path).copied().flatten() {
            Some(leaf) => self.arrived.contains(&leaf),
            None => self.deleted.iter().any(|(key, device, operations)| {
                *key == operation.key && *device == operation.device && *operations > place
            }),
        }
    }
}

struct Check<'a> {
    ledger: &'a Ledger,
    values: &'a BTreeMap<Key, Value>,
    kept: &'a BTreeMap<Key, Vec<String>>,
    /// The operations and paths whose leaves are where they should be.
    settled: BTreeSet<(usize, &'a str)>,
}

impl<'a> Check<'a> {
    /// Returns the durable operations with the paths that they wrote.
    fn writes(&self) -> Vec<(usize, &'a str)> {
        let operations = self.ledger.operations.iter().enumerate();
        let durable = operations.filter(|(_, operation)| operation.durable.is_some());
        durable
            .flat_map(|(place, operation)| operation.writes.keys().map(move |path| (place, path.as_str())))
            .collect()
    }

    /// Finds all that is settled: by itself, or because something that is has taken its place.
    fn drop_known(&mut self) {
        let mut left = self.writes();
        loop {
            let before = left.len();
            left.retain(|(place, path)| {
                let is_settled = self.is_settled(*place, path) || self.is_succeeded(*place, path);
                if is_settled {
                    self.settled.insert((*place, path));
                }
                !is_settled
            });
            if left.len() == before {
                return;
            }
        }
    }

    /// Returns true if what the operation made of the path is where it should be.
    fn is_settled(&self, place: usize, path: &str) -> bool {
        let ledger = self.ledger;
        let operation = &ledger.operations[place];
        let key = &operation.key;
        if ledger.strategies.contains(&key.0) {
            return true;
        }
        let now = self.values.get(key).map(leaves).unwrap_or_default();
        let kept = self.kept.get(key);
        match operation.writes.get(path).copied().flatten() {
            Some(leaf) => {
                let is_kept = || kept.is_some_and(|texts| texts.iter().any(|text| has_number(text, leaf)));
                now.get(path) == Some(&leaf)
                    || is_kept()
                    || ledger.decided.contains(&leaf)
                    || ledger.set_back.contains(&leaf)
            }
            None => {
                !now.contains_key(path)
                    || kept.is_some()
                    || ledger.was_set_back
                    || ledger.took_back_its_own(operation, path)
                    || ledger.decisions.get(key).is_some_and(|decided| *decided > place)
            }
        }
    }

    /// Returns true if an operation has taken the place of what this one made of the path, and that is settled.
    fn is_succeeded(&self, place: usize, path: &str) -> bool {
        let operation = &self.ledger.operations[place];
        let leaf = operation.writes.get(path).copied().flatten();
        let mut others = self.ledger.operations.iter().enumerate();
        others.any(|(other, later)| {
            if other == place || later.key != operation.key || later.durable.is_none() {
                return false;
            }
            if leaf.is_none() && later.revives(operation) {
                return true;
            }
            let made = later.writes.get(path).copied().flatten();
            let succeeds = match leaf {
                Some(leaf) => later.replaces.contains(&leaf) || later.may_replace.contains(&leaf),
                // Another tab gave the path a leaf later, perhaps the same that it still showed; or someone gave it another
                // one who saw none there, or only what the server had no more, or does not say what was there.
                None => {
                    let is_later_tab = later.device == operation.device && later.durable > operation.durable;
                    let is_another = made.is_some_and(|made| !operation.replaces.contains(&made));
                    let took =
                        |leaf: &u64| operation.replaces.contains(leaf) && !operation.gone.contains(leaf);
                    let is_known = |leaf: &u64| took(leaf) || !later.gone.contains(leaf);
                    let did_see = !later.is_on_workers && later.seen.get(path).is_some_and(is_known);
                    let is_other_page = later.page != operation.page;
                    (is_later_tab && (is_another || (made.is_some() && is_other_page)))
                        || (is_another && !did_see)
                }
            };
            succeeds && (self.settled.contains(&(other, path)) || self.is_settled(other, path))
        })
    }
}

fn has_number(text: &str, number: u64) -> bool {
    let digits = number.to_string();
    text.match_indices(&digits).any(|(at, _)| {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        !is_digit(before) && !is_digit(text.as_bytes().get(at + digits.len()))
    })
}

#[cfg(test)]
mod tests;
