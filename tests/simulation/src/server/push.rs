//! What a push does to the server's items: compare-and-set, hooks, and answers that are kept by client.

use super::{Row, Server, answer, error};
use crate::actions::Key;
use crate::kinds::Kind;
use crate::writes::{Replaced, ids};
use crate::property::{Property, violated};
use nightferry::engine::Response;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Server {
    /// A copy of the device, as of a restored profile, has used the number of this push, and the server knows it.
    pub(super) fn fork(&mut self, body: &Value) {
        if let (Some(client), Some(n)) = (body["client"].as_str(), body["n"].as_u64()) {
            self.clients.insert(client.into(), (n, "of the copy".into(), BTreeMap::new()));
        }
    }

    /// What is sent again is the same, or a part of it.
    pub(super) fn check_same(&mut self, body: &Value) {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let named = (text("client"), body["n"].as_u64().unwrap_or(0), text("tag"));
        let sent = self.sent.entry(named.clone()).or_default();
        for mutation in body["mutations"].as_array().expect("mutations") {
            let part = |name: &str| mutation[name].as_str().unwrap_or_default().to_owned();
            let before = sent.entry((part("slice"), part("id"))).or_insert_with(|| mutation.clone());
            if before != mutation {
                violated(Property::SamePush, format!("{named:?} had {before} and has {mutation}"));
            }
        }
    }

    pub(super) fn push(&mut self, now: u64, body: &Value) -> Response {
        if body["principal"] != *self.principal {
            return error(403, "wrong_principal");
        }
        let text = |name: &str| body[name].as_str().expect("a string").to_owned();
        let (client, tag, n) = (text("client"), text("tag"), body["n"].as_u64().expect("n"));
        let mutations = body["mutations"].as_array().expect("mutations");
        if !(1..=500).contains(&mutations.len()) {
            violated(Property::Wire, format!("a push has {} changes", mutations.len()));
        }
        if mutations.iter().any(|mutation| self.poisoned.contains(mutation["id"].as_str().expect("an id"))) {
            return error(500, "internal");
        }
        match self.clients.get(&client) {
            Some((last, known, _)) if (n, &tag) != (*last, known) && n <= *last => {
                self.has_forked = true;
                return error(409, "client_forked");
            }
            Some((last, known, _)) if (n, &tag) == (*last, known) => {}
            _ => drop(self.clients.insert(client.clone(), (n, tag, BTreeMap::new()))),
        }
        self.version += 1;
        let version = self.version;
        let mut results = Vec::new();
        let mut items = BTreeSet::new();
        for mutation in mutations {
            let part = |name: &str| mutation[name].as_str().expect("a string").to_owned();
            let key = (part("slice"), part("id"));
            if !items.insert(key.clone()) {
                violated(Property::Wire, format!("{key:?} is twice in one push"));
            }
            let known = self.clients[&client].2.get(&key).cloned();
            let mut result = known.unwrap_or_else(|| self.decide(now, &client, &key, mutation));
            self.clients.get_mut(&client).expect("it was there").2.insert(key.clone(), result.clone());
            result["slice"] = key.0.into();
            result["id"] = key.1.into();
            results.push(result);
        }
        let had_effect = self.items.values().any(|row| row.version == version);
        let version = had_effect.then_some(version);
        answer(
            200,
            &json!({"protocol": 1, "principal": self.principal, "version": version, "results": results}),
        )
    }

    /// The answer to one mutation, and its effect.
    fn decide(&mut self, now: u64, client: &str, key: &Key, mutation: &Value) -> Value {
        let value = match mutation["op"].as_str() {
            Some("put") => Some(mutation.get("value").expect("a put has a value").clone()),
            Some("delete") => None,
            op => panic!("the operation {op:?}"),
        };
        let base = mutation.get("base").expect("a base").as_u64();
        if base.is_some_and(|base| base > self.version) {
            violated(
                Property::Wire,
                format!("{key:?} has the base {base:?}, a version that was never given"),
            );
        }
        let row = self.items.get(key);
        match row {
            Some(row) if row.value == value => return json!({"status": "applied", "version": row.version}),
            row if row.map(|row| row.version) != base => return self.conflict(client, key),
            _ => {}
        }
        if self.refused.contains(&key.1) {
            self.disturb(key, Kind::Rejected);
            self.rejected.insert(key.clone());
            let mut refusal = json!({"status": "rejected", "code": "refused", "message": "Not this one."});
            self.add_side(client, key, &mut refusal);
            return refusal;
        }
        let kept = value.as_ref().and_then(|value| self.hooked(&key.1, value));
        if kept.is_some() {
            self.disturb(key, Kind::Hooked);
        }
        let at = mutation["at"].as_u64().expect("at").min(now);
        let value = kept.clone().or(value);
        let row = self.items.get(key).filter(|row| kept.is_some() && row.value == value);
        let version = row.map_or(self.version, |row| row.version);
        if row.is_none() {
            self.replaced(key, value.as_ref());
            self.effects.push((key.clone(), value.clone()));
            self.items.insert(key.clone(), Row { version, value, at, client: client.to_owned() });
        }
        let mut result = json!({"status": "applied", "version": version});
        if let Some(kept) = kept {
            result["value"] = kept;
        }
        result
    }

    /// A push changes an item.
    fn replaced(&mut self, key: &Key, after: Option<&Value>) {
        let before = self.items.get(key).and_then(|row| row.value.clone());
        let arrived = after.map(ids).unwrap_or_default();
        self.arrived.extend(arrived.into_iter().map(|(field, write)| (key.clone(), field, write)));
        if let Some(before) = &before {
            self.before.insert(key.clone(), before.clone());
        }
        self.replaced.push(Replaced { key: key.clone(), before, after: after.cloned() });
    }

    /// What a hook makes of a value, where that is another one.
    fn hooked(&self, id: &str, value: &Value) -> Option<Value> {
        let stamp = |value: &Value| {
            let mut stamped = value.clone();
            stamped.as_object_mut()?.insert("stamped".into(), true.into());
            Some(stamped)
        };
        let kept = match self.hooks.get(id) {
            Some(kept) => Some(kept.clone()),
            None if self.stamped.contains(id) => stamp(value),
            None => None,
        };
        kept.filter(|kept| kept != value)
    }

    pub(super) fn disturb(&mut self, key: &Key, kind: Kind) {
        self.tally.record(kind);
        self.disturbed.insert(key.clone());
    }

    fn conflict(&mut self, client: &str, key: &Key) -> Value {
        // With what this device brought itself, in a push that was taken back, nobody else has a part in it.
        if self.items.get(key).is_none_or(|row| row.client != client) {
            self.disturb(key, Kind::Conflict);
        }
        let mut conflict = json!({"status": "conflict"});
        self.add_side(client, key, &mut conflict);
        conflict
    }

    /// What the server has of an item.
    fn add_side(&self, client: &str, key: &Key, answer: &mut Value) {
        let row = self.items.get(key);
        answer["version"] = row.map(|row| row.version).into();
        answer["at"] = row.map_or(0, |row| row.at).into();
        match row.and_then(|row| row.value.clone()) {
            Some(value) => answer["value"] = value,
            None => answer["deleted"] = true.into(),
        }
        match row {
            Some(row) if row.client == client => answer["own"] = true.into(),
            Some(_) => answer["by"] = json!({"user": "ann"}),
            None => {}
        }
    }
}
