//! The actions that a fleet's pages dispatch. Each leaf of an item is a number of its own, and the ledger is told of each
//! operation.

use super::ledger::{FIRST_LEAF, LEAVES_OF_A_DEVICE, Operation};
use super::scenario::FleetScenario;
use crate::actions::{Change, Key, changes};
use crate::profile::Verb;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FIELDS: [&str; 3] = ["a", "b", "c"];
const ELEMENTS: [&str; 3] = ["x", "y", "z"];

impl FleetScenario {
    pub(super) fn dispatch(&mut self, device: usize, page: usize) {
        let mut view = self.fleet.devices[device].pages[page].view.view();
        let count = 1 + self.rng.below(self.plan.burst);
        let actions: Vec<Value> = (0..count).map(|_| self.action(device, &mut view)).collect();
        self.dispatch_all(device, page, actions);
    }

    /// Dispatches a burst, and tells the ledger what it does to what the page shows.
    pub(super) fn dispatch_all(&mut self, device: usize, page: usize, actions: Vec<Value>) {
        let mut view = self.fleet.devices[device].pages[page].view.view();
        let operations =
            actions.iter().flat_map(|action| operations(device, action, &mut view)).collect::<Vec<_>>();
        let id = self.fleet.devices[device].pages[page].id.clone();
        let n = self.fleet.on(device, |world| world.dispatch_all(page, actions));
        self.ledger.dispatched((device, &id, n), operations);
    }

    /// An action of a page that shows `view`.
    fn action(&mut self, device: usize, view: &mut BTreeMap<Key, Value>) -> Value {
        let verb = self.rng.weighted(self.plan.profile.verbs);
        let slice = self.rng.pick(&["files", "files", "plans", "notes"]);
        let id = format!("i{}", self.rng.below(self.plan.profile.ids));
        let action = match verb {
            Verb::Local => json!({"type": "secret/addItem", "payload": {"id": id, "a": self.leaf(device)}}),
            Verb::Single => {
                let now = view.get(&("theme".to_owned(), "value".to_owned())).cloned();
                let mut value = now.filter(Value::is_object).unwrap_or_else(|| json!({"d": 1}));
                let field = self.rng.pick(&FIELDS);
                value[field] = self.leaf(device).into();
                json!({"type": "theme/setTheme", "payload": value})
            }
            Verb::Remove => json!({"type": format!("{slice}/removeItem"), "payload": {"id": id}}),
            Verb::Update => {
                let now = view.get(&(slice.to_owned(), id.clone())).cloned();
                self.update(device, slice, &id, now)
            }
            Verb::List => match view.get(&(slice.to_owned(), id.clone())).cloned() {
                Some(now) => self.update_list(device, slice, &id, &now),
                None => self.put(device, slice, &id),
            },
            _ => self.put(device, slice, &id),
        };
        operations(device, &action, view);
        action
    }

    pub(super) fn leaf(&mut self, device: usize) -> u64 {
        self.leaves += 1;
        LEAVES_OF_A_DEVICE * (device as u64 + 1) + FIRST_LEAF + self.leaves
    }

    fn put(&mut self, device: usize, slice: &str, id: &str) -> Value {
        let list: Vec<Value> = ELEMENTS
            .iter()
            .take(self.rng.below(3) as usize)
            .map(|id| json!({"id": id, "t": self.leaf(device)}))
            .collect();
        let item = json!({"id": id, "a": self.leaf(device), "b": self.leaf(device), "list": list});
        json!({"type": format!("{slice}/addItem"), "payload": item})
    }

    /// Some fields of the item, or the whole of it where the page shows none. It says what the fields were, as the store's
    /// enhancer does; another page may leave that out.
    fn update(&mut self, device: usize, slice: &str, id: &str, now: Option<Value>) -> Value {
        let count = 1 + self.rng.below(2);
        let mut action = json!({"type": format!("{slice}/updateItem"), "payload": {"id": id}, "was": {}});
        let mut unset = Vec::new();
        for _ in 0..count {
            let field = self.rng.pick(&FIELDS);
            let before = now.as_ref().and_then(|now| now.get(field)).cloned();
            if let Some(before) = &before {
                action["was"][field] = before.clone();
            }
            let is_set = action["payload"].get(field).is_some();
            if before.is_some() && !is_set && self.rng.chance(150) {
                unset.push(field);
            } else {
                unset.retain(|other| *other != field);
                action["payload"][field] = self.leaf(device).into();
            }
        }
        if !unset.is_empty() {
            action["unset"] = unset.into();
        }
        if now.is_none() {
            // As a page has it after the update.
            let mut full = action["payload"].clone();
            full["d"] = 1.into();
            action["whole"] = full;
        }
        if self.rng.chance(200) {
            action.as_object_mut().expect("an object").remove("was");
        }
        action
    }

    /// The list with an element added, changed, or removed.
    fn update_list(&mut self, device: usize, slice: &str, id: &str, now: &Value) -> Value {
        let mut list = now["list"].as_array().cloned().unwrap_or_default();
        let element = self.rng.pick(&ELEMENTS);
        let place = list.iter().position(|other| other["id"] == element);
        match place {
            Some(place) if self.rng.chance(300) => drop(list.remove(place)),
            Some(place) => list[place]["t"] = self.leaf(device).into(),
            None => list.push(json!({"id": element, "t": self.leaf(device)})),
        }
        let mut action =
            json!({"type": format!("{slice}/updateItem"), "payload": {"id": id, "list": list}, "was": {}});
        if let Some(before) = now.get("list") {
            action["was"]["list"] = before.clone();
        }
        action
    }
}

/// Returns the operations of an action on the items that a page shows.
fn operations(device: usize, action: &Value, view: &mut BTreeMap<Key, Value>) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (key, change) in changes(action) {
        let before = view.get(&key).cloned();
        // A deletion is one whatever the page shows: the device may have more.
        let after = match (change.over(before.as_ref()), &change) {
            (Some(after), _) => after,
            (None, Change::Delete) => None,
            (None, _) => continue,
        };
        let is_put = matches!(change, Change::Put(_));
        let mut operation = Operation::new(device, key.clone(), before.as_ref(), after.as_ref(), is_put);
        operation.is_on_workers = matches!(change, Change::Update { .. }) && action.get("was").is_none();
        operations.push(operation);
        match after {
            Some(after) => drop(view.insert(key, after)),
            None => drop(view.remove(&key)),
        }
    }
    operations
}
