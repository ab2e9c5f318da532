//! What holds once faults and changes have stopped and all is at rest.

use crate::actions::{Key, tag};
use crate::property::{Property, violated};
use crate::world::World;
use nightferry::store::{JOURNAL, RowKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// P1 to P4, where nothing but this device changed anything: every durable burst took effect once and in order,
    /// here and on the server, and nothing is left over.
    pub fn check_converged(&self) {
        assert!(self.server.disturbed.is_empty(), "{:?}", self.server.disturbed);
        self.check_rest();
        for page in &self.pages {
            let durable = self.model.durable(&page.id);
            assert_eq!(durable, page.n, "{} dispatched {} bursts, durable are {durable}", page.id, page.n);
        }
        let status = self.engine.as_ref().expect("a worker").status();
        assert_eq!((status.pending, status.conflicts), (0, 0), "{status:?}");
    }

    /// The same where others had a part in it: what is in conflict has both sides, all else is equal here and there.
    pub fn check_rest(&self) {
        let local: BTreeSet<&String> = self.model.local().collect();
        self.check_nothing_left();
        self.check_effects();
        let stored = self.stored();
        let of_server = self.server.live();
        let keys: BTreeSet<&Key> = self.model.keys().chain(stored.keys()).chain(&of_server).collect();
        for key in keys {
            let (here, there) = (stored.get(key), self.server.value(&key.0, &key.1));
            let disturbed = self.server.disturbed.contains(key);
            if let Some(conflict) = self.disk.conflict(&key.0, &key.1) {
                if conflict.get("local").is_some() {
                    violated(
                        Property::Conflicts,
                        format!("{key:?} is {here:?} in the store, and held: {conflict}"),
                    );
                }
                continue;
            }
            if !disturbed && here != self.model.value(key) {
                let states = self.model.states(key);
                violated(
                    Property::Converged,
                    format!("{key:?} is {here:?} in the store, and was {states:?}"),
                );
            }
            if local.contains(&key.0) {
                if there.is_some() {
                    violated(Property::Local, format!("the server has {key:?}"));
                }
            } else if here != there.as_ref() && !self.server.is_foreign(&key.0, &key.1) {
                violated(
                    Property::Converged,
                    format!("{key:?} is {here:?} here and {there:?} on the server"),
                );
            }
        }
    }

    fn check_nothing_left(&self) {
        let (unsent, push) = (self.disk.open_rows(), self.disk.pushing());
        if !unsent.is_empty() || self.disk.count(JOURNAL) > 0 || !push.is_empty() {
            let journal = self.disk.rows_of(JOURNAL);
            violated(
                Property::Converged,
                format!("left over: open {unsent:?}, journal {journal:?}, push {push:?}"),
            );
        }
    }

    /// All items in the slices' stores.
    pub fn stored(&self) -> BTreeMap<Key, Value> {
        let mut items = BTreeMap::new();
        for (slice, store) in self.model.stores() {
            for (key, row) in self.disk.store.rows(store) {
                let RowKey::Text(id) = key else { continue };
                let value = serde_json::from_str(row).expect("an item is JSON");
                items.insert((slice.to_owned(), id.to_string()), value);
            }
        }
        items
    }

    /// P2, P3: the states that an item took on the server are states that it went through here, in that order, and
    /// none twice.
    pub fn check_effects(&self) {
        let mut effects: BTreeMap<&Key, Vec<&Option<Value>>> = BTreeMap::new();
        for (key, value) in &self.server.effects {
            effects.entry(key).or_default().push(value);
        }
        for (key, there) in effects {
            if self.server.disturbed.contains(key) {
                if !self.server.forked.contains(key) {
                    self.check_tags(key, &there);
                }
                continue;
            }
            let mut states = self.model.states(key).iter();
            if !there.iter().all(|value| states.any(|state| state == *value)) {
                violated(
                    Property::Order,
                    format!("{key:?} became {there:?} on the server and {:?} here", self.model.states(key)),
                );
            }
        }
    }

    /// What others, hooks and refusals made of an item is no state of the model; each of its changes is newer all the same.
    fn check_tags(&self, key: &Key, values: &[&Option<Value>]) {
        let made = values
            .iter()
            .filter_map(|value| tag(value.as_ref()?))
            .filter_map(|tag| Some((tag, self.model.made(key, tag)?)));
        let made: Vec<(u64, usize)> = made.collect();
        if let Some(pair) = made.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
            violated(Property::Once, format!("{key:?}: after {:?}, {:?} took effect", pair[0], pair[1]));
        }
    }
}
