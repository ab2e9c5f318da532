//! The effect of a push on the server's items: compare-and-set, hooks, and answers that are kept by client.

use super::{Answered, HookDoes, Row, Server, answer, error, error_of};
use crate::actions::Key;
use crate::kinds::Kind;
use crate::property::{Property, violated};
use crate::writes::{Replaced, ids};
use nightferry::engine::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Server {
    /// A copy of the device, as of a restored profile, has used the number of this push, and the server knows it.
    pub(super) fn fork(&mut self, body: &Value) {
        if let (Some(client), Some(n)) = (body["client"].as_str(), body["n"].as_u64()) {
            let client = (self.principal.clone(), client.to_owned());
            self.clients.insert(client, Answered { n, tag: "of the copy".into(), ..Answered::default() });
        }
    }

    /// Checks that a repeated push is the same, or a part of it.
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
        let user = self.principal.split_once('/').map_or("", |(_, user)| user);
        if body["principal"] != *self.principal || body.get("user").is_some_and(|given| given != user) {
            return error(403, "wrong_principal");
        }
        let text = |name: &str| body[name].as_str().expect("a string").to_owned();
        let (client, tag, n) = (text("client"), text("tag"), body["n"].as_u64().expect("n"));
        let mutations = body["mutations"].as_array().expect("mutations");
        if self.is_strict && !(1..=500).contains(&mutations.len()) {
            violated(Property::Wire, format!("a push has {} changes", mutations.len()));
        }
        if mutations.iter().any(|mutation| self.poisoned.contains(mutation["id"].as_str().expect("an id"))) {
            return error(500, "internal");
        }
        let name = (self.principal.clone(), client.clone());
        let mut answered = match self.clients.get(&name) {
            Some(last) if (n, &tag) != (last.n, &last.tag) && n <= last.n => {
                self.has_forked = true;
                return error(409, "client_forked");
            }
            Some(last) if (n, &tag) == (last.n, &last.tag) => last.clone(),
            _ => Answered { n, tag, ..Answered::default() },
        };
        if self.is_of_another_history(&self.history, body) {
            let slices = mutations.iter().filter_map(|mutation| mutation["slice"].as_str());
            return error_of(410, "history_changed", &slices.collect::<Vec<_>>());
        }
        let unknown = |mutation: &&Value| {
            let part = |name: &str| mutation[name].as_str().unwrap_or_default().to_owned();
            let key = (part("slice"), part("id"));
            let version = self.items.get(&key).map(|row| row.version);
            let base = mutation["base"].as_u64().filter(|base| Some(*base) != version);
            !answered.results.contains_key(&key) && base.is_some_and(|base| !self.history.knows(base))
        };
        let unknown: Vec<&Value> = mutations.iter().filter(unknown).collect();
        if let Some(mutation) = unknown.first() {
            if self.is_strict && !self.was_set_back {
                violated(Property::Wire, format!("{mutation} has a base that was never given"));
            }
            let slices: Vec<&str> =
                unknown.iter().filter_map(|mutation| mutation["slice"].as_str()).collect();
            self.transaction = None;
            return error_of(410, "history_changed", &slices);
        }
        self.speaker = body["device"].as_str().map(Into::into);
        let mut results = Vec::new();
        let mut items = BTreeSet::new();
        let before = self.effects.len();
        for mutation in mutations {
            let part = |name: &str| mutation[name].as_str().expect("a string").to_owned();
            let key = (part("slice"), part("id"));
            if !items.insert(key.clone()) {
                violated(Property::Wire, format!("{key:?} is twice in one push"));
            }
            let known = answered.results.get(&key).cloned();
            let mut result = known.unwrap_or_else(|| self.decide(now, &client, &key, mutation));
            answered.results.insert(key.clone(), result.clone());
            result["slice"] = key.0.into();
            result["id"] = key.1.into();
            results.push(result);
        }
        let changed: BTreeSet<Key> = self.effects[before..].iter().map(|(key, _)| key.clone()).collect();
        if let (Some(version), false) = (self.transaction.take(), changed.is_empty()) {
            self.history.commit(version);
            answered.transactions.push((version, changed));
        }
        let answered_fully =
            answered.transactions.iter().rev().find(|(_, changed)| changed.is_subset(&items));
        let version = answered_fully.map(|(version, _)| *version);
        self.clients.insert(name, answered);
        answer(
            200,
            &json!({"protocol": 1, "principal": self.principal, "version": version, "results": results}),
        )
    }

    /// The value that a patch makes of the item, or the answer where it makes none.
    fn patched(&mut self, client: &str, key: &Key, mutation: &Value) -> Result<Value, Value> {
        let row = self.items.get(key);
        let base = mutation["base"].as_u64();
        let value = row.filter(|row| Some(row.version) == base).and_then(|row| row.value.clone());
        let Some(mut value) = value else { return Err(self.conflict(client, key)) };
        let patch: json_patch::Patch = serde_json::from_value(mutation["patch"].clone()).expect("a patch");
        match json_patch::patch(&mut value, &patch) {
            Ok(()) if !self.refuses_patches => Ok(value),
            _ => {
                let mut refusal =
                    json!({"status": "rejected", "code": "invalid_patch", "message": "It does not fit."});
                self.add_side(client, key, &mut refusal);
                Err(refusal)
            }
        }
    }

    /// The answer to one mutation, and its effect.
    fn decide(&mut self, now: u64, client: &str, key: &Key, mutation: &Value) -> Value {
        let value = match mutation["op"].as_str() {
            Some("put") => Some(mutation.get("value").expect("a put has a value").clone()),
            Some("delete") => None,
            Some("patch") => match self.patched(client, key, mutation) {
                Ok(value) => Some(value),
                Err(answer) => return answer,
            },
            op => panic!("the operation {op:?}"),
        };
        let base = mutation.get("base").expect("a base").as_u64();
        let row = self.items.get(key);
        match row {
            Some(row) if is_same(row.value.as_ref(), value.as_ref()) => {
                return json!({"status": "applied", "version": row.version});
            }
            row if row.map(|row| row.version) != base => return self.conflict(client, key),
            _ => {}
        }
        let hooked = match self.run_hooks(key, value.as_ref()) {
            Ok(hooked) => hooked,
            Err((code, message)) => {
                let mut refusal = json!({"status": "rejected", "code": code, "message": message});
                self.add_side(client, key, &mut refusal);
                return refusal;
            }
        };
        if self.refused.contains(&key.1) {
            self.disturb(key, Kind::Rejected);
            self.rejected.insert(key.clone());
            let mut refusal = json!({"status": "rejected", "code": "refused", "message": "Not this one."});
            self.add_side(client, key, &mut refusal);
            return refusal;
        }
        let stamped = hooked.as_ref().and_then(|value| self.hooked(&key.1, value));
        let kept = stamped.or(hooked).filter(|kept| !is_same(value.as_ref(), Some(kept)));
        if kept.is_some() {
            self.disturb(key, Kind::Hooked);
        }
        let at = mutation["at"].as_u64().expect("at").min(now);
        let value = kept.clone().or(value);
        let row =
            self.items.get(key).filter(|row| kept.is_some() && is_same(row.value.as_ref(), value.as_ref()));
        let has_effect = row.is_none();
        let version = match row {
            Some(row) => row.version,
            None => self.transaction.unwrap_or_else(|| self.new_version()),
        };
        if has_effect {
            self.transaction = Some(version);
            self.replaced(key, value.as_ref());
            self.writers.entry(key.clone()).or_default().insert(self.device);
            self.effects.push((key.clone(), value.clone()));
            let principal = self.principal.clone();
            let (client, device) = (client.to_owned(), self.speaker.clone());
            self.items.insert(key.clone(), Row { version, value, at, principal, client, device });
        }
        let mut result = json!({"status": "applied", "version": version});
        if let Some(kept) = kept {
            result["value"] = kept;
        }
        result
    }

    /// Runs the app's hooks on a value. An error is the code and message of a refusal.
    fn run_hooks(&self, key: &Key, value: Option<&Value>) -> Result<Option<Value>, (String, String)> {
        let deletes = value.is_none();
        let mut value = value.cloned();
        for hook in self.app_hooks.iter().filter(|hook| hook.slice == key.0 && hook.deletes == deletes) {
            // A deletion is judged by what it deletes.
            let judged = value.as_ref().or_else(|| self.items.get(key)?.value.as_ref());
            let has_all = |when: &Value| {
                let fields = when.as_object().into_iter().flatten();
                judged.is_some_and(Value::is_object)
                    && fields.into_iter().all(|(name, field)| {
                        judged
                            .and_then(|value| value.get(name))
                            .is_some_and(|own| is_same(Some(own), Some(field)))
                    })
            };
            if !hook.when.as_ref().is_none_or(has_all) {
                continue;
            }
            match (&hook.does, value.as_mut().and_then(Value::as_object_mut)) {
                (HookDoes::Refuse { code, message }, _) => return Err((code.clone(), message.clone())),
                (HookDoes::Set(fields), Some(value)) => {
                    value.extend(
                        fields
                            .as_object()
                            .into_iter()
                            .flatten()
                            .map(|(name, field)| (name.clone(), field.clone())),
                    );
                }
                _ => {}
            }
        }
        Ok(value)
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

    /// Returns a hook's value, if it is another one.
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

    /// Adds the server's side of an item to an answer.
    fn add_side(&self, client: &str, key: &Key, answer: &mut Value) {
        self.add_row(client, self.items.get(key), answer);
    }

    pub(super) fn add_row(&self, client: &str, row: Option<&Row>, answer: &mut Value) {
        answer["version"] = row.map(|row| row.version).into();
        answer["at"] = row.map_or(0, |row| row.at).into();
        match row.and_then(|row| row.value.clone()) {
            Some(value) => answer["value"] = value,
            None => answer["deleted"] = true.into(),
        }
        match row {
            Some(row) if row.client == client && row.principal == self.principal => {
                answer["own"] = true.into();
            }
            // Writes of the server's own code have no user unless one was named.
            Some(row) if row.principal.ends_with('/') => {}
            Some(row) => {
                answer["by"] = json!({"user": row.principal.split_once('/').map_or("", |(_, user)| user)});
                if let Some(device) = &row.device {
                    answer["by"]["device"] = (**device).into();
                }
            }
            None => {}
        }
    }
}

/// Returns true if two values are the same to JSON: 1.0 is 1.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other || nightferry::json::equal(&one.to_string(), &other.to_string())
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}
