//! A page: the core's own [`Client`], and a copy of the items as the page would show them.

use crate::page_view::PageView;
use nightferry::bridge::place::is_refusal;
use nightferry::client::{Addresses, Call, Client, Head, Message, Output, Resync, Subject, Types};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What passes through a client of the simulator.
struct Simulated;

impl Types for Simulated {
    type Action = String;
    type Burst = Vec<String>;
    type Ids = BTreeSet<String>;
    type Message = Rc<Value>;
}

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
    client: Client<Simulated>,
    /// What it has said to the worker and nobody has taken yet.
    said: Vec<String>,
    /// The place that it is of, where it says one.
    pub place: Option<String>,
    /// Closed tabs say and hear nothing.
    pub open: bool,
    pub epoch: Option<String>,
    /// The token that it gives, if it is asked for one.
    pub token: Option<String>,
    gives_tokens: bool,
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
            client: Client::new(id),
            said: Vec::new(),
            place: None,
            open: true,
            epoch: None,
            token: None,
            gives_tokens: false,
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
    }

    /// Gives this token from now on. The next registration says so to the worker.
    pub fn gives(&mut self, token: Option<&str>) {
        self.token = token.map(str::to_owned);
        self.gives_tokens = true;
    }

    /// Returns what it has said to the worker since the last call.
    pub fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    pub fn register(&mut self, now: u64) -> u64 {
        let place = self.place.as_deref().unwrap_or("nightferry");
        let (name, user) = place.split_once('~').map_or((place, None), |(name, user)| (name, Some(user)));
        let place = Addresses { name: name.into(), user: user.map(str::to_owned), ..Addresses::default() };
        let (slices, gives_tokens) = (self.slices.to_string(), self.gives_tokens);
        let request = self.client.next_number();
        self.note(request, "register", &slices);
        let call = Call { place, slices, auto_sync: "{}".into(), gives_tokens, ..Call::default() };
        self.client.register(now, request, call);
        self.perform(now);
        request
    }

    /// Dispatches actions that are one burst. Returns the number of the burst.
    pub fn burst(&mut self, now: u64, actions: Vec<Value>) -> u64 {
        self.n += 1;
        for action in &actions {
            let text = action.to_string();
            self.client.dispatch(now, text, 0, false);
        }
        self.client.post(now);
        self.view.dispatched(self.n, actions);
        self.perform(now);
        self.n
    }

    pub fn ask(&mut self, now: u64, kind: &'static str, slice: &str) -> u64 {
        let slice_read = (kind == "hydrate").then_some(slice);
        let request = self.client.next_number();
        self.note(request, kind, slice);
        if kind == "hydrate" {
            self.view.asked(slice, request);
        }
        self.client.ask(now, request, kind, Subject { slice: slice_read, ..Subject::default() });
        self.perform(now);
        request
    }

    pub fn configure(&mut self, now: u64, slice: Option<&str>, settings: &Value) -> u64 {
        let settings = settings.to_string();
        let subject = Subject { slice, settings: Some(&settings), ..Subject::default() };
        let request = self.client.next_number();
        self.note(request, "configure", slice.unwrap_or_default());
        self.client.ask(now, request, "configure", subject);
        self.perform(now);
        request
    }

    pub fn subscribe(&mut self, now: u64, slice: &str) {
        self.client.watch(slice);
        self.perform(now);
    }

    pub fn tell(&mut self, now: u64, kind: &str) {
        match kind {
            "hidden" => self.client.hide(now),
            _ => self.client.tell(kind),
        }
        self.perform(now);
    }

    /// When its client wants to say something by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.open.then(|| self.client.deadline()).flatten()
    }

    pub fn tick(&mut self, now: u64) {
        self.client.tick(now);
        self.perform(now);
    }

    /// Returns true if all it sent is acknowledged and answered.
    pub fn at_rest(&self) -> bool {
        !self.open || self.client.at_rest()
    }

    /// Takes a message as the page's connection does.
    pub fn handle_message(&mut self, now: u64, message: &Rc<Value>) {
        self.received.push(message.clone());
        let number = |name: &str| message[name].as_u64();
        let head = Head {
            kind: message["kind"].as_str().expect("a kind"),
            request: number("request"),
            code: message["code"].as_str(),
            message: message["message"].as_str(),
            epoch: message["epoch"].as_str(),
            build: message["build"].as_str(),
            n: number("n"),
            position: number("position"),
            unfinished: message["unfinished"] == true,
            more: message["more"] == true,
            wake_in: number("wakeIn"),
            first: number("first").unwrap_or(0),
            count: 0,
        };
        match head.kind {
            "ack" => self.acknowledged = self.acknowledged.max(head.n.unwrap_or(0)),
            "registered" => self.epoch = head.epoch.map(str::to_owned),
            "changed" => self.note_change(message),
            _ => {}
        }
        self.client.handle_message(now, &head, message.clone());
        self.perform(now);
    }

    fn note_change(&mut self, message: &Rc<Value>) {
        let texts = |list: &Value, id: fn(&Value) -> &Value| {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|item| id(item).as_str().map(str::to_owned)).collect()
        };
        let puts = texts(&message["puts"], |put| &put["id"]);
        let deletes = texts(&message["deletes"], |id| id);
        let slice = message["slice"].as_str().unwrap_or_default();
        let position = message["position"].as_u64().unwrap_or(0);
        self.client.note_change(slice, position, &puts, &deletes, message);
    }

    /// Does what its client asks for.
    fn perform(&mut self, now: u64) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Post(message) => self.said.push(text(message)),
                // The browser does that at once.
                Output::Connect(..) | Output::Claim(_) => self.client.connected(now, Ok(())),
                Output::LookForUpdate => self.client.looked_for_update(now, false),
                Output::Answer { request, message, .. } => self.answered(now, request, &message),
                Output::Fail { request, why } => {
                    let failed = json!({"kind": "failed", "code": why.code, "message": why.message});
                    self.answered(now, request, &Rc::new(failed));
                }
                Output::Rows { request, rows, .. } => {
                    if let (Some(asked), [answer]) = (self.asked.remove(&request), &*rows.messages) {
                        self.answers.insert(request, answer.clone());
                        self.view.rows(&asked.slice, request, answer, &rows.newer);
                    }
                }
                Output::Deliver { message, .. } => self.delivered(now, &message),
                Output::Resync(Resync::SignedOut) => {
                    self.epoch = None;
                    self.acknowledged = 0;
                }
                Output::Resync(_) => self.read_again(now),
                Output::PostSoon
                | Output::CaughtUp { .. }
                | Output::Gone { .. }
                | Output::Lists
                | Output::NoStatus(_)
                | Output::Report(_) => {}
            }
        }
    }

    fn delivered(&mut self, now: u64, message: &Rc<Value>) {
        let n = message["n"].as_u64().unwrap_or(0);
        match message["kind"].as_str() {
            Some("folded") => self.view.in_effect(n),
            Some("changed") => {
                self.view.in_effect(n);
                self.view.changed(message);
            }
            Some("pending") => self.heard_pending(message),
            Some("token") if self.answers_questions => {
                let number = message["number"].as_u64().unwrap_or_default();
                let token = self.token.clone();
                self.client.token(number, token.as_deref());
                self.perform(now);
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: u64, request: u64, message: &Rc<Value>) {
        let Some(asked) = self.asked.remove(&request) else { return };
        // Signing out is the answer to the page that asked for it.
        let answer = match message["kind"].as_str() {
            Some("signedOut") => Rc::new(json!({"kind": "done", "code": "signed_out"})),
            _ => message.clone(),
        };
        self.answers.insert(request, answer);
        match (asked.kind, message["kind"].as_str()) {
            ("register", Some("registered")) => {
                let declared: BTreeMap<String, Value> =
                    serde_json::from_str(&asked.slice).expect("slices are JSON");
                let known = self.confirmed.clone();
                let new: Vec<&String> = declared.keys().filter(|slice| !known.contains(slice)).collect();
                self.confirmed.extend(new.iter().map(|slice| (*slice).clone()));
                for slice in new.into_iter().filter(|_| self.follows).cloned().collect::<Vec<_>>() {
                    self.ask(now, "hydrate", &slice);
                }
            }
            ("rejected", Some("rejected")) => {
                self.refused = message["rejected"].as_array().cloned().unwrap_or_default();
            }
            ("conflicts", Some("conflicts")) => {
                self.conflicts = message["conflicts"].as_array().cloned().unwrap_or_default();
            }
            // It is read again where somebody is there to answer.
            ("hydrate", _) if message["code"].as_str().is_some_and(is_nobodys) => {
                self.view.gives_up(&asked.slice, request);
            }
            // An app that follows a slice reads it again.
            ("hydrate", _) if self.follows => {
                self.ask(now, "hydrate", &asked.slice);
            }
            _ => {}
        }
    }

    /// Reads all its slices: a worker that has just started does not know what this page missed.
    fn read_again(&mut self, now: u64) {
        if !self.follows {
            return;
        }
        for slice in self.confirmed.clone() {
            if !self.view.reads_on(&slice) {
                self.ask(now, "hydrate", &slice);
            }
        }
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

fn text(message: Message<Vec<String>>) -> String {
    match message {
        Message::Text(text) => text,
        Message::Burst { before, burst } => format!("{before}[{}]}}", burst.join(",")),
    }
}

/// Returns true for the codes of a worker that reads nothing to the page, or of none.
fn is_nobodys(code: &str) -> bool {
    is_refusal(code) || matches!(code, "signed_out" | "not_registered" | "no_worker")
}

/// An action as a page makes it.
pub fn action(kind: &str, payload: &Value) -> Value {
    json!({"type": kind, "payload": payload})
}
