//! A model of the server: push with compare-and-set and answers kept by client, a pull that names the principal, health.

use nightferry::engine::Answer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type Key = (String, String);

/// When another device makes its changes, in epoch ms.
pub const FOREIGN: u64 = 5;

/// What the next request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// The request never arrives, and nothing says so.
    Swallowed,
    /// It takes effect; the answer never comes.
    AnswerSwallowed,
    /// It takes effect; the connection breaks.
    AnswerLost,
    /// The server refuses connections.
    Refused,
    Internal,
    /// A proxy's page, with status 200.
    Html,
    Forked,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub version: u64,
    /// `None` is a tombstone.
    pub value: Option<Value>,
    pub at: u64,
}

pub struct Server {
    /// What the next requests meet, before `mode`.
    pub faults: VecDeque<Fault>,
    /// What every other request meets.
    pub mode: Fault,
    pub principal: String,
    pub items: BTreeMap<Key, Row>,
    /// Ids whose changes are refused.
    pub refused: BTreeSet<String>,
    /// Ids that make a whole push fail with status 500.
    pub poisoned: BTreeSet<String>,
    /// By id, what a hook makes of a change.
    pub hooks: BTreeMap<String, Value>,
    /// Every request that arrived: path and body.
    pub requests: Vec<(String, Value)>,
    /// The changes of state that pushes made, in order.
    pub effects: Vec<(Key, Option<Value>)>,
    clients: BTreeMap<String, (u64, String, BTreeMap<Key, Value>)>,
    version: u64,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            faults: VecDeque::new(),
            mode: Fault::Nothing,
            principal: "acme/ann".into(),
            items: BTreeMap::new(),
            refused: BTreeSet::new(),
            poisoned: BTreeSet::new(),
            hooks: BTreeMap::new(),
            requests: Vec::new(),
            effects: Vec::new(),
            clients: BTreeMap::new(),
            version: 1_000,
        }
    }
}

impl Server {
    /// A request arrives. `None` is silence, `Some(None)` a broken connection.
    pub fn receive(&mut self, now: u64, path: &str, body: Option<&str>) -> Option<Option<Answer>> {
        let fault = self.faults.pop_front().unwrap_or(self.mode);
        match fault {
            Fault::Swallowed => return None,
            Fault::Refused => return Some(None),
            _ => {}
        }
        let body: Value = body.map_or(Value::Null, |body| {
            nightferry::json::check(body).expect("a body is strict JSON");
            serde_json::from_str(body).expect("a body is JSON")
        });
        self.requests.push((path.into(), body.clone()));
        match fault {
            Fault::Internal => return Some(Some(error(500, "internal"))),
            Fault::Forked => return Some(Some(error(409, "client_forked"))),
            Fault::Html => {
                let page = Answer { content_type: "text/html".into(), ..answer(200, &json!({})) };
                return Some(Some(page));
            }
            _ => {}
        }
        let answer = match path {
            "/health" => answer(200, &json!({"protocol": 1, "status": "ok"})),
            "/pull" => answer(
                200,
                &json!({"protocol": 1, "principal": self.principal, "cursors": {}, "more": false, "total": 0, "changes": []}),
            ),
            "/push" => self.push(now, &body),
            _ => error(404, "not_found"),
        };
        match fault {
            Fault::AnswerSwallowed => None,
            Fault::AnswerLost => Some(None),
            _ => Some(Some(answer)),
        }
    }

    fn push(&mut self, now: u64, body: &Value) -> Answer {
        if body["principal"] != *self.principal {
            return error(403, "wrong_principal");
        }
        let text = |name: &str| body[name].as_str().expect("a string").to_owned();
        let (client, tag, n) = (text("client"), text("tag"), body["n"].as_u64().expect("n"));
        let mutations = body["mutations"].as_array().expect("mutations");
        assert!((1..=500).contains(&mutations.len()), "{} mutations", mutations.len());
        if mutations
            .iter()
            .any(|mutation| mutation["id"].as_str().is_some_and(|id| self.poisoned.contains(id)))
        {
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
            assert!(items.insert(key.clone()), "{key:?} is twice in one push");
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
        assert!(base.is_none_or(|base| base <= self.version), "the base {base:?} was never given");
        if self.refused.contains(&key.1) {
            return json!({"status": "rejected", "code": "refused", "message": "Not this one."});
        }
        let row = self.items.get(key);
        match row {
            Some(row) if row.value == value => return json!({"status": "applied", "version": row.version}),
            Some(row) if row.value.is_some() && base != Some(row.version) => return conflict(row),
            Some(row) if row.value.is_none() && base.is_some() && base != Some(row.version) => {
                return conflict(row);
            }
            None if base.is_some() && value.is_some() => {
                return json!({"status": "conflict", "version": null, "deleted": true, "at": 0});
            }
            _ => {}
        }
        let kept = self.hooks.get(&key.1).filter(|_| value.is_some()).cloned();
        let at = mutation["at"].as_u64().expect("at").min(now);
        let value = kept.clone().or(value);
        self.effects.push((key.clone(), value.clone()));
        self.items.insert(key.clone(), Row { version: self.version, value, at });
        let mut result = json!({"status": "applied", "version": self.version});
        if let Some(kept) = kept {
            result["value"] = kept;
        }
        result
    }

    /// Another device's change.
    pub fn write(&mut self, slice: &str, id: &str, value: Option<Value>) -> u64 {
        self.version += 1;
        self.items.insert((slice.into(), id.into()), Row { version: self.version, value, at: FOREIGN });
        self.version
    }

    /// Whether another device changed the item last.
    pub fn is_foreign(&self, slice: &str, id: &str) -> bool {
        self.items.get(&(slice.into(), id.into())).is_some_and(|row| row.at == FOREIGN)
    }

    pub fn value(&self, slice: &str, id: &str) -> Option<Value> {
        self.items.get(&(slice.into(), id.into()))?.value.clone()
    }

    /// The items that exist.
    pub fn live(&self) -> BTreeSet<Key> {
        self.items.iter().filter(|(_, row)| row.value.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// The bodies of the pushes that arrived.
    pub fn pushes(&self) -> Vec<&Value> {
        self.requests.iter().filter(|(path, _)| path == "/push").map(|(_, body)| body).collect()
    }
}

fn conflict(row: &Row) -> Value {
    match &row.value {
        Some(value) => json!({"status": "conflict", "version": row.version, "value": value, "at": row.at}),
        None => json!({"status": "conflict", "version": row.version, "deleted": true, "at": row.at}),
    }
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer { status, content_type: "application/json".into(), retry_after: None, body: body.to_string() }
}

fn error(status: u16, code: &str) -> Answer {
    answer(
        status,
        &json!({"error": {"code": code, "message": "The model says no.", "retryable": status >= 500}}),
    )
}
