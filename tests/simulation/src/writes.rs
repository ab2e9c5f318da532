//! Writes by their ids: no write may be lost without a decision of someone who knew it, and none may come back that
//! someone else took back.
//!
//! A write's id is the number in a field, or at the beginning of its `deep`. Another device always writes on what the server
//! has, so it knows what it replaces. This device knows a write of another one once an answer told the worker of it: what
//! replaces that write at the server must have been written here after that.

use crate::actions::Key;
use crate::property::{Property, violated};
use crate::scenario::FIRST_WRITE;
use crate::world::World;
use nightferry::engine::Input;
use serde_json::Value;
use std::collections::BTreeMap;

/// An item's fields with the ids of the writes that made them.
pub fn ids(value: &Value) -> BTreeMap<String, u64> {
    let id = |value: &Value| {
        let id = value.as_u64().or_else(|| value["deep"][0].as_u64());
        id.filter(|id| *id >= FIRST_WRITE)
    };
    let fields = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "id");
    fields.filter_map(|(name, value)| Some((name.clone(), id(value)?))).collect()
}

/// A change of an item at the server that a push made.
pub struct Replaced {
    pub key: Key,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl World {
    /// The worker was told what the server has: its user can know it from now on.
    pub(crate) fn note_known(&mut self, input: &Input) {
        let Input::Answered { answer: Ok(answer), .. } = input else { return };
        let Ok(body) = serde_json::from_str::<Value>(&answer.body) else { return };
        let sides = [&body["results"], &body["changes"]].into_iter().filter_map(Value::as_array);
        for result in sides.flatten() {
            for write in ids(&result["value"]).into_values() {
                self.known.entry(write).or_insert(self.steps);
            }
        }
    }

    /// Checks that each replacement by a push was decided by someone who knew the former value.
    pub(crate) fn check_replaced(&mut self) {
        for Replaced { key, before, after } in std::mem::take(&mut self.server.replaced) {
            if self.model.decided.contains(&key) {
                continue;
            }
            let known = |write: &u64| self.known.get(write).copied().unwrap_or(u64::MAX as usize);
            let after_ids = after.as_ref().map(ids).unwrap_or_default();
            for (field, write) in before.as_ref().map(ids).unwrap_or_default() {
                let is_kept = after_ids.get(&field) == Some(&write);
                let is_foreign = self.server.foreign.contains(&write);
                if is_foreign && !is_kept && self.model.touched(&key, &field) < known(&write) {
                    violated(
                        Property::NoSilentLoss,
                        format!(
                            "{key:?}: write {write} of another device in {field} was replaced by {after:?}, which did not know it"
                        ),
                    );
                }
            }
            for (field, write) in after_ids {
                if self.server.taken_back.contains(&(key.clone(), field.clone(), write)) {
                    violated(
                        Property::NoSilentLoss,
                        format!(
                            "{key:?}: write {write} in {field} came back, though another device had replaced it"
                        ),
                    );
                }
            }
        }
    }

    /// At rest: the last write of each field has been at the server.
    pub(crate) fn check_arrived(&self) {
        for (key, fields) in &self.model.last_writes {
            let is_special = self.model.decided.contains(key)
                || self.server.rejected.contains(key)
                || self.server.deleted_elsewhere.contains(key);
            if is_special || !self.model.is_sent(&key.0) || self.disk.conflict(&key.0, &key.1).is_some() {
                continue;
            }
            for (field, write) in fields {
                if !self.server.arrived.contains(&(key.clone(), field.clone(), *write)) {
                    violated(
                        Property::NoSilentLoss,
                        format!(
                            "{key:?}: write {write} of {field} never came to the server, and is in no conflict"
                        ),
                    );
                }
            }
        }
    }
}
