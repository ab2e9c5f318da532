//! The checks once faults and changes have stopped and all is at rest.

use crate::actions::Key;
use crate::property::{Property, violated};
use crate::world::World;
use crate::writes::ids;
use nightferry::store::{ITEMS, JOURNAL, RowKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Returns true if someone else than this device's model had a part in the item: another device, a hook, a refusal, or two
    /// tabs that knew nothing of each other.
    pub fn is_disturbed(&self, key: &Key) -> bool {
        // Under a new name, what the device wrote under the old one is another's.
        // What a device has after its user has signed out is the server's, which may lack what was discarded.
        let is_known = !self.server.has_forked && !self.model.has_signed_out;
        !is_known || self.server.is_disturbed(key) || self.model.merged.contains(key)
    }

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
        if self.device.is_none() {
            self.check_arrived();
        }
        let stored = self.stored();
        let of_server = self.server.live();
        let keys: BTreeSet<&Key> = self.model.keys().chain(stored.keys()).chain(&of_server).collect();
        for key in keys {
            let (here, there) = (stored.get(key), self.server.value(&key.0, &key.1));
            let disturbed = self.is_disturbed(key);
            if let Some(conflict) = self.disk.conflict(&key.0, &key.1) {
                if conflict.get("local").is_some() {
                    violated(
                        Property::Conflicts,
                        format!("{key:?} is {here:?} in the store, and held: {conflict}"),
                    );
                }
                // Under a new name the device cannot tell what it wrote under the old one.
                let is_elses = self.server.changed_elsewhere.contains(key)
                    || (self.device.is_some() && self.is_disturbed(key))
                    || self.model.merged.contains(key)
                    // A page wrote over what a hook had made of the item, and had not seen that.
                    || (self.is_disturbed(key) && conflict["conflict"]["forced"] == true)
                    || self.server.rejected.contains(key)
                    || self.server.has_forked
                    // A hook's value of a withdrawn change is not the value that was sent.
                    || conflict["maybe"].as_array().is_some_and(|maybe| !maybe.is_empty());
                if !is_elses && here.is_some() {
                    violated(Property::NoSelfConflict, format!("{key:?} is in conflict: {conflict}"));
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
            } else if here != there.as_ref() && !self.may_have_brought(key, there.as_ref()) {
                violated(
                    Property::Converged,
                    format!("{key:?} is {here:?} here and {there:?} on the server"),
                );
            }
        }
    }

    /// An operation was withdrawn that may have brought this value, and the item is again what it was before: until a pull
    /// says that it did, there is nothing to send.
    fn may_have_brought(&self, key: &Key, there: Option<&Value>) -> bool {
        let row = self.disk.item_row(&key.0, &key.1).unwrap_or_default();
        row["maybe"].as_array().into_iter().flatten().any(|side| side.get("value") == there)
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

    /// The rows of items that wait for a person: in conflict, or refused.
    pub(crate) fn kept(&self) -> BTreeMap<Key, Value> {
        let rows = self.disk.store.stores.get(ITEMS).into_iter().flatten();
        let rows = rows.filter_map(|(key, row)| {
            let RowKey::Item(key) = key else { return None };
            Some((
                (key.slice.to_string(), key.id.to_string()),
                serde_json::from_str(row).expect("a row is JSON"),
            ))
        });
        let waits = |row: &Value| row.get("remote").is_some() || row.get("refused").is_some();
        rows.filter(|(_, row)| waits(row)).collect()
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
            if self.is_disturbed(key) {
                if self.device.is_none() {
                    self.check_writes(key, &there);
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

    /// An item that others, hooks or refusals had a part in is no state of the model. In each field the writes of this device
    /// are in their order all the same, unless a refused one was retried or another device went back.
    fn check_writes(&self, key: &Key, values: &[&Option<Value>]) {
        if self.model.decided.contains(key) || self.server.restored.contains(key) {
            return;
        }
        let mut last: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for (field, write) in values.iter().filter_map(|value| value.as_ref()).flat_map(ids) {
            let Some(made) = self.model.made(key, write) else { continue };
            let before = last.insert(field.clone(), (write, made));
            if before.is_some_and(|(_, before)| before > made) {
                violated(Property::Once, format!("{key:?}, {field}: after {before:?}, {write} took effect"));
            }
        }
    }
}
