//! A page: the core's own [`Session`], and a copy of the items as the page would show them.

use crate::page_view::PageView;
use nightferry::bridge::place::is_refusal;
use nightferry::bridge::session::{Message, Session, Subject};
use nightferry::units::BurstNo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A request that is not answered.
#[derive(Debug, Clone)]
pub struct Asked {
    pub kind: &'static str,
    /// The page's last burst before it.
    pub after: u64,
    /// The slice that is read, or the slices that are registered.
    pub slice: String,
}

pub struct Page {
    pub id: String,
    session: Session<String>,
    /// The place that it is of, where it says one.
    pub place: Option<String>,
    /// Closed tabs say and hear nothing.
    pub open: bool,
    pub epoch: Option<String>,
    /// The token that it gives, if it is asked for one.
    pub token: Option<String>,
    /// It answers the worker's questions.
    pub answers_questions: bool,
    /// Its highest number that was acknowledged.
    pub acknowledged: u64,
    /// Everything that it heard, in order.
    pub received: Vec<Rc<Value>>,
    /// How each of its requests ended: `registered`, `done`, `rows` or `failed`.
    pub answers: BTreeMap<u64, Rc<Value>>,
    pub asked: BTreeMap<u64, Asked>,
    /// The slices that it declares.
    pub slices: Value,
    /// The slices that it knows to be registered.
    pub confirmed: Vec<String>,
    /// It reads its slices once registered, and again when a worker has started.
    pub follows: bool,
    pub view: PageView,
    /// The refused changes, as last heard.
    pub refused: Vec<Value>,
    /// The conflicts, as last heard.
    pub conflicts: Vec<Value>,
    /// How far items are, as last heard.
    pub progress: BTreeMap<(String, String), String>,
    /// The number of its last burst.
    pub n: u64,
}

impl Page {
    pub fn new(id: &str, slices: &str) -> Page {
        Page {
            id: id.into(),
            session: Session::new(id),
            place: None,
            open: true,
            epoch: None,
            token: None,
            answers_questions: true,
            acknowledged: 0,
            received: Vec::new(),
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            slices: serde_json::from_str(slices).expect("slices are JSON"),
            confirmed: Vec::new(),
            follows: false,
            view: PageView::default(),
            refused: Vec::new(),
            conflicts: Vec::new(),
            progress: BTreeMap::new(),
            n: 0,
        }
    }

    fn note(&mut self, request: u64, kind: &'static str, slice: &str) {
        self.asked.insert(request, Asked { kind, after: self.n, slice: slice.into() });
    }

    /// Says which place it is of with every message from now on.
    pub fn is_of(&mut self, place: &str) {
        self.place = Some(place.into());
        self.session.set_place(place);
    }

    /// Gives this token from now on. The next registration says so to the worker.
    pub fn gives(&mut self, token: Option<&str>) {
        self.token = token.map(str::to_owned);
        self.session.give_tokens();
    }

    pub fn register(&mut self, now: u64) -> (u64, String) {
        let slices = self.slices.to_string();
        let (request, message) = self.session.register(now, &slices, "{}");
        self.note(request, "register", &slices);
        (request, text(message))
    }

    /// A burst's number and, once the page is registered, its message.
    pub fn burst(&mut self, now: u64, actions: Vec<Value>) -> (u64, Option<String>) {
        self.n += 1;
        let message = self.session.burst(now, Value::from(actions.clone()).to_string());
        self.view.dispatched(self.n, actions);
        (self.n, message.map(text))
    }

    pub fn ask(&mut self, now: u64, kind: &'static str, slice: &str) -> (u64, String) {
        let slice_read = (kind == "hydrate").then_some(slice);
        let subject = Subject { slice: slice_read, ..Subject::default() };
        let (request, message) = self.session.request(now, kind, subject);
        self.note(request, kind, slice);
        if kind == "hydrate" {
            self.view.asked(slice, request);
        }
        (request, text(message))
    }

    pub fn configure(&mut self, now: u64, slice: Option<&str>, settings: &Value) -> (u64, String) {
        let settings = settings.to_string();
        let subject = Subject { slice, settings: Some(&settings), ..Subject::default() };
        let (request, message) = self.session.request(now, "configure", subject);
        self.note(request, "configure", slice.unwrap_or_default());
        (request, text(message))
    }

    pub fn subscribe(&mut self, slice: &str) -> String {
        text(self.session.watch(slice))
    }

    pub fn tell(&mut self, kind: &str) -> String {
        text(self.session.tell(kind))
    }

    /// When its session wants to say something by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.open.then(|| self.session.deadline()).flatten()
    }

    pub fn tick(&mut self, now: u64) -> Vec<String> {
        self.session.tick(now).into_iter().map(text).collect()
    }

    /// Returns true if all it sent is acknowledged and answered.
    pub fn at_rest(&self) -> bool {
        !self.open || self.session.at_rest()
    }

    /// Takes a message as the page's connection does. Returns the connection's messages in return.
    pub fn handle_message(&mut self, now: u64, message: &Rc<Value>) -> Vec<String> {
        self.received.push(message.clone());
        let kind = message["kind"].as_str().expect("a kind");
        let n = message["n"].as_u64().unwrap_or(0);
        let request = message["request"].as_u64();
        let is_elsewhere = message["code"].as_str().is_some_and(is_refusal);
        let said = match kind {
            "failed" if is_elsewhere => {
                self.session.elsewhere(now);
                Vec::new()
            }
            "joined" => self.session.back(now),
            "hello" => self.session.hello(now),
            "stale" => self.session.stale(now),
            "ack" => {
                self.acknowledged = self.acknowledged.max(n);
                self.session.acknowledged(now, BurstNo(n));
                Vec::new()
            }
            "expected" => self.session.expected(now, BurstNo(n)),
            "registered" => {
                self.epoch = message["epoch"].as_str().map(str::to_owned);
                self.session.registered(now, request.unwrap_or(0), self.epoch.as_deref().unwrap_or_default())
            }
            "status" => {
                self.session.status(now, message["unfinished"] == true, message["wakeIn"].as_u64());
                self.session.back(now)
            }
            "folded" => {
                let position = message["position"].as_u64().unwrap_or(0);
                for _ in message["slices"].as_array().into_iter().flatten() {
                    self.session.observe(position);
                }
                self.view.in_effect(n);
                Vec::new()
            }
            "changed" => {
                if message["more"] != true {
                    self.session.observe(message["position"].as_u64().unwrap_or(0));
                }
                self.view.in_effect(n);
                self.view.changed(message);
                Vec::new()
            }
            "token" if !self.answers_questions => Vec::new(),
            "token" => {
                let number = message["number"].as_u64().unwrap_or_default();
                vec![self.session.token(number, self.token.as_deref())]
            }
            "signedOut" => {
                if self.session.signed_out(message["epoch"].as_str().unwrap_or_default()).is_some() {
                    self.forget();
                }
                Vec::new()
            }
            "pending" => {
                self.heard_pending(message);
                Vec::new()
            }
            _ => Vec::new(),
        };
        let mut said: Vec<String> = said.into_iter().map(text).collect();
        if let Some(request) = request {
            self.session.answered(request);
            said.extend(self.answered(now, request, message));
        } else if kind == "joined"
            && self.session.joined(message["position"].as_u64().unwrap_or(0))
            && self.follows
        {
            said.extend(self.hydrate(now));
        }
        said
    }

    fn answered(&mut self, now: u64, request: u64, message: &Rc<Value>) -> Vec<String> {
        let Some(asked) = self.asked.remove(&request) else { return Vec::new() };
        self.answers.insert(request, message.clone());
        match (asked.kind, message["kind"].as_str()) {
            ("register", Some("registered")) => {
                let declared: BTreeMap<String, Value> =
                    serde_json::from_str(&asked.slice).expect("slices are JSON");
                let known = self.confirmed.clone();
                let new: Vec<&String> = declared.keys().filter(|slice| !known.contains(slice)).collect();
                self.confirmed.extend(new.iter().map(|slice| (*slice).clone()));
                let follows = self.follows;
                new.into_iter().filter(|_| follows).map(|slice| self.ask(now, "hydrate", slice).1).collect()
            }
            ("hydrate", Some("rows")) => {
                let position = message["position"].as_u64().unwrap_or(0);
                self.session.observe(position);
                self.view.rows(&asked.slice, request, message);
                Vec::new()
            }
            ("rejected", Some("rejected")) => {
                self.refused = message["rejected"].as_array().cloned().unwrap_or_default();
                Vec::new()
            }
            ("conflicts", Some("conflicts")) => {
                self.conflicts = message["conflicts"].as_array().cloned().unwrap_or_default();
                Vec::new()
            }
            // A worker of another place reads nothing to it; its own one will, once it is back.
            ("hydrate", _) if message["code"].as_str().is_some_and(is_refusal) => {
                self.view.gives_up(&asked.slice, request);
                Vec::new()
            }
            // An app that follows a slice reads it again.
            ("hydrate", _) if self.follows => vec![self.ask(now, "hydrate", &asked.slice).1],
            _ => Vec::new(),
        }
    }

    /// The user has signed out: requests come to nothing, but for the one that asked for it.
    fn forget(&mut self) {
        (self.epoch, self.acknowledged) = (None, 0);
        for (request, asked) in std::mem::take(&mut self.asked) {
            let kind = if asked.kind.starts_with("signOut") { "done" } else { "failed" };
            self.answers.insert(request, Rc::new(json!({"kind": kind, "code": "signed_out"})));
        }
    }

    /// Reads all its slices: a worker that has just started does not know what this page missed.
    fn hydrate(&mut self, now: u64) -> Vec<String> {
        let slices = self.confirmed.clone();
        let unread = slices.iter().filter(|slice| !self.view.reads_on(slice)).collect::<Vec<_>>();
        unread.into_iter().map(|slice| self.ask(now, "hydrate", slice).1).collect()
    }

    fn heard_pending(&mut self, message: &Value) {
        let slice = message["slice"].as_str().unwrap_or_default().to_owned();
        if message["reset"] == true {
            self.progress.retain(|key, _| key.0 != slice);
        }
        for change in message["changes"].as_array().into_iter().flatten() {
            let part = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            self.progress.insert((slice.clone(), part("id")), part("state"));
        }
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
        self.received.iter().filter(|message| message["kind"] == kind).map(|message| &**message).collect()
    }

    /// The last message of a kind.
    pub fn last(&self, kind: &str) -> &Value {
        let last = self.received.iter().rev().find(|message| message["kind"] == kind);
        last.map_or(&Value::Null, |message| &**message)
    }
}

fn text(message: Message<String>) -> String {
    match message {
        Message::Text(text) => text,
        Message::Burst { before, burst } => format!("{before}{burst}}}"),
    }
}

/// An action as a page makes it.
pub fn action(kind: &str, payload: &Value) -> Value {
    json!({"type": kind, "payload": payload})
}
