//! What a push does to the server's items: compare-and-set, hooks, and answers that are kept by client.

use super::{Row, Server, answer, error};
use crate::actions::Key;
use crate::kinds::Kind;
use crate::property::{Property, violated};
use nightferry::engine::Answer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Server {
    /// A copy of the device, as of a restored profile, has used the number of this push, and the server knows it.
    pub(super) fn fork(&mut self, body: &Value) {
        if let (Some(client), Some(n)) = (body["client"].as_str(), body["n"].as_u64()) {
            self.clients.insert(client.into(), (n, "of the copy".into(), BTreeMap::new()));
        }
        for mutation in body["mutations"].as_array().into_iter().flatten() {
            let part = |name: &str| mutation[name].as_str().expect("a string").to_owned();
            self.forked.insert((part("slice"), part("id")));
        }
    }

    /// What is sent again is the same, or a part of it.
    pub(super) fn check_same(&mut self, body: &Value) {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let named = (text("client"), body["n"].as_u64().unwrap_or(0), text("tag"));
        let sent = body["mutations"].as_array().expect("mutations");
        let whole = self.sent.entry(named.clone()).or_insert_with(|| sent.clone().into());
        let known = whole.as_array().expect("mutations");
        let within = |some: &[Value], all: &[Value]| some.iter().all(|mutation| all.contains(mutation));
        if within(known, sent) {
            // The network delivered the whole after a part of it.
            *whole = sent.clone().into();
        } else if !within(sent, known) {
            violated(Property::SamePush, format!("{named:?} was {whole} and is {}", body["mutations"]));
        }
    }

    pub(super) fn push(&mut self, now: u64, body: &Value) -> Answer {
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
                return error(409, "client_forked");
            }
            Some((last, known, _)) if (n, &tag) == (*last, known) => {}
            _ => drop(self.clients.insert(client.clone(), (n, tag, BTreeMap::new()))),
        }
        self.version += 1;
        let mut results = Vec::new();
        let mut items = BTreeSet::new();
        for mutation in mutations {
            let part = |name: &str| mutation[name].as_str().expect("a string").to_owned();
            let key = (part("slice"), part("id"));
            if !items.insert(key.clone()) {
                violated(Property::Wire, format!("{key:?} is twice in one push"));
            }
            let known = self.clients[&client].2.get(&key).cloned();
            let mut result = known.unwrap_or_else(|| self.settle(now, &key, mutation));
            self.clients.get_mut(&client).expect("it was there").2.insert(key.clone(), result.clone());
            result["slice"] = key.0.into();
            result["id"] = key.1.into();
            results.push(result);
        }
        answer(200, &json!({"protocol": 1, "principal": self.principal, "results": results}))
    }

    fn settle(&mut self, now: u64, key: &Key, mutation: &Value) -> Value {
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
        let exists = row.is_some_and(|row| row.value.is_some());
        match row {
            Some(row) if row.value == value => return json!({"status": "applied", "version": row.version}),
            Some(row) if exists && base != Some(row.version) => return self.conflict(key),
            Some(row) if !exists && base.is_some() && base != Some(row.version) => return self.conflict(key),
            None if base.is_some() && value.is_some() => return self.conflict(key),
            _ => {}
        }
        if self.refused.contains(&key.1) {
            self.disturb(key, Kind::Rejected);
            return json!({"status": "rejected", "code": "refused", "message": "Not this one."});
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
            self.effects.push((key.clone(), value.clone()));
            self.items.insert(key.clone(), Row { version, value, at });
        }
        let mut result = json!({"status": "applied", "version": version});
        if let Some(kept) = kept {
            result["value"] = kept;
        }
        result
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
        self.tally.met(kind);
        self.disturbed.insert(key.clone());
    }

    fn conflict(&mut self, key: &Key) -> Value {
        self.disturb(key, Kind::Conflict);
        match self.items.get(key) {
            Some(row) => conflict(row),
            None => json!({"status": "conflict", "version": null, "deleted": true, "at": 0}),
        }
    }
}

fn conflict(row: &Row) -> Value {
    match &row.value {
        Some(value) => json!({"status": "conflict", "version": row.version, "value": value, "at": row.at}),
        None => json!({"status": "conflict", "version": row.version, "deleted": true, "at": row.at}),
    }
}
