//! A simple page: numbers its bursts, keeps them until they are acknowledged, and sends them again when it has to.

use super::Dice;
use super::model::Burst;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

pub struct Page {
    pub id: String,
    pub epoch: Option<String>,
    pub unacknowledged: VecDeque<(u64, Value)>,
    /// The newest position that it has applied, by slice.
    pub seen: BTreeMap<String, u64>,
    /// Its highest number that was acknowledged.
    pub acknowledged: u64,
    /// Everything that it heard, in order.
    pub heard: Vec<Value>,
    /// How each of its requests ended: `done`, `rows` or `failed`.
    pub answers: BTreeMap<u64, Value>,
    /// Asked and not answered: a restarted worker is asked again.
    asked: BTreeMap<u64, Value>,
    slices: Value,
    n: u64,
    requests: u64,
    retry: bool,
}

impl Page {
    pub fn new(id: &str, slices: &str) -> Page {
        Page {
            id: id.into(),
            epoch: None,
            unacknowledged: VecDeque::new(),
            seen: BTreeMap::new(),
            acknowledged: 0,
            heard: Vec::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            slices: serde_json::from_str(slices).expect("slices are JSON"),
            n: 0,
            requests: 0,
            retry: false,
        }
    }

    fn message(&self, kind: &str, more: Value) -> String {
        let mut message = json!({"v": 1, "kind": kind, "page": self.id});
        message.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        message.to_string()
    }

    pub fn register(&mut self) -> String {
        self.requests += 1;
        self.message("register", json!({"request": self.requests, "slices": self.slices}))
    }

    /// Changes what the next registration says.
    pub fn configure(&mut self, slices: &str) -> String {
        self.slices = serde_json::from_str(slices).expect("slices are JSON");
        self.register()
    }

    /// A burst's number and, once the page knows the epoch, its message.
    pub fn burst(&mut self, actions: &[(&str, Value)]) -> (u64, Option<String>) {
        self.n += 1;
        let actions =
            actions.iter().map(|(kind, payload)| json!({"type": kind, "payload": payload})).collect();
        let message = self.actions(self.n, &actions);
        self.unacknowledged.push_back((self.n, actions));
        (self.n, message)
    }

    pub fn ask(&mut self, kind: &str, slice: Option<&str>, settings: Value) -> (u64, String) {
        self.requests += 1;
        let mut more = json!({"request": self.requests, "settings": settings});
        if let Some(slice) = slice {
            more["slice"] = slice.into();
        }
        self.asked.insert(self.requests, json!({"kind": kind, "more": more}));
        (self.requests, self.message(kind, more))
    }

    /// Everything that is not acknowledged.
    pub fn resend(&mut self) -> Vec<String> {
        self.retry = false;
        self.everything()
    }

    fn everything(&self) -> Vec<String> {
        self.unacknowledged.iter().filter_map(|(n, actions)| self.actions(*n, actions)).collect()
    }

    /// A burst's message, once the page knows the epoch.
    fn actions(&self, n: u64, actions: &Value) -> Option<String> {
        let epoch = self.epoch.as_ref()?;
        Some(self.message("actions", json!({"epoch": epoch, "n": n, "seen": self.seen, "actions": actions})))
    }

    /// Whether it wants to send again after a while; asked once.
    pub fn retries(&mut self) -> bool {
        std::mem::take(&mut self.retry)
    }

    /// Takes a message; what it says in return.
    pub fn hear(&mut self, message: &Value, dice: &mut Dice) -> Vec<String> {
        self.heard.push(message.clone());
        let n = message["n"].as_u64().unwrap_or(0);
        if let (Some(position), "changed" | "rows" | "folded") =
            (message["position"].as_u64(), message["kind"].as_str().expect("a kind"))
        {
            let slices =
                message["slices"].as_array().cloned().unwrap_or_else(|| vec![message["slice"].clone()]);
            for slice in slices {
                let seen = self.seen.entry(slice.as_str().expect("a slice").into()).or_default();
                *seen = position.max(*seen);
            }
        }
        match message["kind"].as_str().expect("a kind") {
            "hello" | "stale" => vec![self.register()],
            "registered" => {
                self.epoch = message["epoch"].as_str().map(str::to_owned);
                let asked = self.asked.values();
                let again: Vec<String> = asked
                    .map(|asked| self.message(asked["kind"].as_str().expect("a kind"), asked["more"].clone()))
                    .collect();
                self.everything().into_iter().chain(again).collect()
            }
            "ack" => {
                self.acknowledged = self.acknowledged.max(n);
                self.unacknowledged.retain(|(kept, _)| *kept > n);
                Vec::new()
            }
            "expected" => {
                if self.unacknowledged.front().is_some_and(|(first, _)| *first > n) {
                    self.begin_another_life(dice);
                }
                self.everything()
            }
            "failed" if message["request"].is_null() && message["code"] == "storage" => {
                self.retry = true;
                Vec::new()
            }
            "done" | "rows" | "checked" | "failed" => {
                let request = message["request"].as_u64().unwrap_or(0);
                self.asked.remove(&request);
                self.answers.insert(request, message.clone());
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The worker misses what this page no longer has: it goes on under another id, numbered from the start.
    fn begin_another_life(&mut self, dice: &mut Dice) {
        self.id = format!("{:016x}", dice.next());
        self.acknowledged = 0;
        self.n = 0;
        for (n, _) in &mut self.unacknowledged {
            self.n += 1;
            *n = self.n;
        }
    }

    /// P1: what was acknowledged is durable.
    pub fn check_acknowledged(&self, log: &[Burst]) {
        let durable = log.iter().rev().find(|burst| burst.page == self.id).map_or(0, |burst| burst.n);
        assert!(
            self.acknowledged <= durable,
            "{} was acknowledged up to {}, but durable is {durable}",
            self.id,
            self.acknowledged
        );
    }

    /// How many of its requests wait for an answer.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// The answer to a request, if it came: its kind.
    pub fn answer(&self, request: u64) -> Option<&str> {
        self.answers.get(&request)?["kind"].as_str()
    }

    pub fn heard_of(&self, kind: &str) -> Vec<&Value> {
        self.heard.iter().filter(|message| message["kind"] == kind).collect()
    }

    /// The last message of a kind.
    pub fn last(&self, kind: &str) -> &Value {
        self.heard_of(kind).last().copied().unwrap_or(&Value::Null)
    }
}
