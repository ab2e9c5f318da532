//! The page's side of the conversation: what was sent and not acknowledged is kept, and sent again to a worker that
//! was restarted or does not answer. No I/O: the page crate posts what comes out and reports what it hears.
//!
//! Bursts are opaque here (`P`), so that a page never copies them.

use super::BRIDGE;
use super::up::Envelope;
use crate::units::Position;

/// How long the page waits for an answer before it sends again, in ms; doubled each time up to the most.
const PATIENCE_MS: u64 = 1_000;
const MOST_PATIENCE_MS: u64 = 10_000;
/// How often the page wakes the worker while something is unfinished, in ms.
const HEARTBEAT_MS: u64 = 10_000;

/// A message to post to the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<P> {
    Text(String),
    /// `before`, the burst, and a closing brace.
    Burst {
        before: String,
        burst: P,
    },
}

/// A request, and its number. Written as it is posted: `after` is the last burst before it.
type Request = (u64, Envelope<'static>);

#[derive(Debug, Clone)]
struct Burst<P> {
    n: u64,
    /// What the page had applied when the burst was made. Sent again, it says the same: what came since, its actions knew
    /// nothing of.
    seen: Position,
    actions: P,
}

#[derive(Debug)]
pub struct Session<P> {
    page: String,
    /// The requests that declared slices and were granted. Each changes what those before it said of the same.
    declared: Vec<Request>,
    /// How many of them are still to be repeated to another database.
    repeating: usize,
    /// The database that the page's changes are for; `None` until registered.
    epoch: Option<String>,
    /// The request that declares slices. Until it is answered no burst is posted: it may be of them.
    registering: Option<u64>,
    last_request: u64,
    last_n: u64,
    /// Bursts that are not acknowledged, in the order of their numbers.
    bursts: Vec<Burst<P>>,
    /// Requests that are not answered.
    requests: Vec<Request>,
    /// Slices whose items' progress the page wants to hear.
    watched: Vec<String>,
    /// The newest position up to which the worker has told of all records; `None` before it told of any. Positions are told
    /// in their order, of all slices, so one number says it for all.
    seen: Option<Position>,
    /// The last status left something to do, or was before the last acknowledgement.
    unfinished: bool,
    /// When to send again, and after how long then.
    again_at: Option<u64>,
    patience: u64,
    heartbeat_at: Option<u64>,
}

impl<P: Clone> Session<P> {
    /// A session of the page `page`, a random id of its life.
    pub fn new(page: &str) -> Self {
        Session {
            page: page.into(),
            declared: Vec::new(),
            repeating: 0,
            epoch: None,
            registering: None,
            last_request: 0,
            last_n: 0,
            bursts: Vec::new(),
            requests: Vec::new(),
            watched: Vec::new(),
            seen: None,
            unfinished: false,
            again_at: None,
            patience: PATIENCE_MS,
            heartbeat_at: None,
        }
    }

    fn message<'a>(&self, kind: &'a str) -> Envelope<'a> {
        let page = Some(self.page.clone().into());
        Envelope { v: Some(BRIDGE), kind: Some(kind.into()), page, ..Envelope::default() }
    }

    fn arm(&mut self, now: u64) {
        self.again_at.get_or_insert(now + self.patience);
    }

    /// Declares slices and auto-sync, JSON objects; the number of the request that `registered` or `failed` will answer.
    pub fn register(&mut self, now: u64, slices: &str, auto_sync: &str) -> (u64, Message<P>) {
        self.last_request += 1;
        let request = self.last_request;
        let (slices, auto_sync) = (Some(slices.into()), Some(auto_sync.into()));
        let message = Envelope { request: Some(request), slices, auto_sync, ..self.message("register") };
        (request, self.declare(now, (request, message)))
    }

    fn declare(&mut self, now: u64, request: Request) -> Message<P> {
        let text = request.1.to_text();
        // One that was never answered was given up: asked again after this one, it would be the one that counts.
        if let Some(before) = self.registering.replace(request.0) {
            self.take(before);
        }
        self.requests.push(request);
        self.arm(now);
        Message::Text(text)
    }

    /// Takes a burst: JSON text of an array of actions. Nothing is posted before the page is registered.
    pub fn burst(&mut self, now: u64, actions: P) -> Option<Message<P>> {
        self.last_n += 1;
        let burst = Burst { n: self.last_n, seen: self.seen.unwrap_or_default(), actions };
        self.bursts.push(burst.clone());
        self.arm(now);
        self.stamped(burst)
    }

    /// Nothing where the page is not registered, or is registering more: the burst may be of that.
    fn stamped(&self, Burst { n, seen, actions }: Burst<P>) -> Option<Message<P>> {
        if self.registering.is_some() {
            return None;
        }
        let head = Envelope {
            epoch: Some(self.epoch.as_deref()?.into()),
            n: Some(n),
            first: Some(self.bursts.first().map_or(n, |burst| burst.n)),
            seen: Some(seen),
            ..self.message("actions")
        };
        let mut before = head.to_text();
        before.pop();
        before.push_str(",\"actions\":");
        Some(Message::Burst { before, burst: actions })
    }

    /// Asks something of the worker: `flush`, `sync`, `check`, `rejected`, `hydrate` with a slice, or `configure` with settings (a JSON
    /// object) of a slice or, without one, of auto-sync.
    pub fn request(
        &mut self,
        now: u64,
        kind: &str,
        slice: Option<&str>,
        settings: Option<&str>,
    ) -> (u64, Message<P>) {
        self.last_request += 1;
        let message = Envelope {
            kind: Some(String::from(kind).into()),
            request: Some(self.last_request),
            after: Some(self.last_n),
            slice: slice.map(|slice| String::from(slice).into()),
            settings: settings.map(Into::into),
            ..self.message("")
        };
        let request = (self.last_request, message);
        let asked = self.asked(&request);
        self.requests.push(request);
        self.arm(now);
        (self.last_request, asked)
    }

    /// A request, with the database that it is about, and the burst that has to be taken before it while the page still
    /// holds that one.
    fn asked(&self, (_, message): &Request) -> Message<P> {
        let mut message = message.clone();
        let held = self.bursts.first().map(|burst| burst.n);
        message.after = message.after.filter(|after| held.is_some_and(|held| held <= *after));
        message.epoch = self.epoch.as_deref().map(Into::into);
        Message::Text(message.to_text())
    }

    /// Tells the worker something that needs no answer: `ping`, `online`, `resetMetrics`.
    pub fn tell(&self, kind: &str) -> Message<P> {
        Message::Text(self.message(kind).to_text())
    }

    /// The page may be gone the next moment: what waits for an answer to `register` goes all the same.
    pub fn leave(&mut self, now: u64) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        if let Some(registering) = self.registering.take() {
            messages = self.everything(now, 0);
            self.registering = Some(registering);
        }
        messages.push(self.tell("hidden"));
        messages
    }

    /// Asks for the progress of a slice's items, from now on.
    pub fn watch(&mut self, slice: &str) -> Message<P> {
        if !self.watched.iter().any(|watched| watched == slice) {
            self.watched.push(slice.into());
        }
        self.watching(slice)
    }

    fn watching(&self, slice: &str) -> Message<P> {
        let message = Envelope { slice: Some(slice.into()), ..self.message("pending") };
        Message::Text(message.to_text())
    }

    /// Whether `epoch` is another database than the page was registered for: it has nothing of what the page knows.
    pub fn is_another(&self, epoch: &str) -> bool {
        self.epoch.as_ref().is_some_and(|known| known != epoch)
    }

    /// The worker registered the page for the database `epoch`: what waits is sent.
    pub fn registered(&mut self, now: u64, request: u64, epoch: &str) -> Vec<Message<P>> {
        if let Some(granted) = self.take(request)
            && self.declared.iter().all(|declared| declared.0 != request)
        {
            self.declared.push(granted);
        }
        if self.is_another(epoch) {
            self.seen = None;
            for burst in &mut self.bursts {
                burst.seen = Position::default();
            }
        }
        self.epoch = Some(epoch.into());
        let next = self.repeat(now);
        if next.is_empty() { self.everything(now, 0) } else { next }
    }

    /// The next of the requests that are repeated to another database, one after the other.
    fn repeat(&mut self, now: u64) -> Vec<Message<P>> {
        let at = self.declared.len().wrapping_sub(self.repeating);
        self.repeating = self.repeating.saturating_sub(1);
        self.declared.get(at).cloned().into_iter().map(|request| self.declare(now, request)).collect()
    }

    /// A request is answered, one way or the other.
    pub fn answered(&mut self, request: u64) {
        self.take(request);
    }

    fn take(&mut self, request: u64) -> Option<Request> {
        // What was refused is not declared, and all else goes on with the next tick.
        if self.registering == Some(request) {
            self.registering = None;
        }
        let at = self.requests.iter().position(|asked| asked.0 == request);
        let taken = at.map(|at| self.requests.remove(at));
        self.patience = PATIENCE_MS;
        self.rest();
        taken
    }

    /// Everything up to `n` is durable, and not at the server yet: until a status says otherwise, this page wakes the
    /// worker, which may have died right after it said so.
    pub fn acknowledged(&mut self, now: u64, n: u64) {
        self.heartbeat_at.get_or_insert(now + HEARTBEAT_MS);
        self.unfinished = true;
        self.bursts.retain(|burst| burst.n > n);
        self.patience = PATIENCE_MS;
        self.again_at = Some(now + self.patience);
        self.rest();
    }

    fn rest(&mut self) {
        if self.bursts.is_empty() && self.requests.is_empty() {
            self.again_at = None;
        }
    }

    /// The worker lacks what comes before: send from `n` on.
    pub fn expected(&mut self, now: u64, n: u64) -> Vec<Message<P>> {
        self.everything(now, n)
    }

    /// The worker was restarted: it knows nothing of the page, and may not have got what was sent last.
    pub fn hello(&mut self, now: u64) -> Vec<Message<P>> {
        let mut messages = self.everything(now, 0);
        for slice in &self.watched {
            messages.push(self.watching(slice));
        }
        messages.push(self.tell("ping"));
        messages
    }

    /// Whether something may have happened of which the page was not told, up to `position`, from which on it is: another
    /// page's change, or what became of one at the server.
    pub fn missed(&self, position: u64) -> bool {
        // A page that was not told of anything can't have missed anything.
        self.seen.is_some_and(|seen| self.unfinished || seen.0 < position)
    }

    /// The database is another than the page knew: register anew, then what is unacknowledged is sent again.
    pub fn stale(&mut self, now: u64) -> Vec<Message<P>> {
        if self.registering.is_some() {
            return Vec::new();
        }
        self.repeating = self.declared.len();
        self.repeat(now)
    }

    /// The worker posted its status; `unfinished` if changes are pending or the server is out of reach. It wants to be woken
    /// in `wake_in` ms, for the next sync.
    pub fn status(&mut self, now: u64, unfinished: bool, wake_in: Option<u64>) {
        self.unfinished = unfinished;
        let heartbeat = unfinished.then_some(HEARTBEAT_MS);
        self.heartbeat_at = heartbeat.into_iter().chain(wake_in).min().map(|wait| now + wait);
    }

    /// The page has applied everything up to `position`.
    pub fn saw(&mut self, position: u64) {
        self.seen = self.seen.max(Some(Position(position)));
    }

    fn everything(&mut self, now: u64, from: u64) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        // Bursts first: a flush that waits is for what was dispatched before it.
        for burst in self.bursts.iter().filter(|burst| burst.n >= from) {
            messages.extend(self.stamped(burst.clone()));
        }
        for request in &self.requests {
            // Before it is registered, a page has nothing else to ask.
            if self.registering.is_none_or(|registering| registering == request.0) {
                messages.push(self.asked(request));
            }
        }
        self.again_at = None;
        if !messages.is_empty() || !self.bursts.is_empty() {
            self.arm(now);
        }
        messages
    }

    /// When to call [`Session::tick`].
    pub fn deadline(&self) -> Option<u64> {
        self.again_at.into_iter().chain(self.heartbeat_at).min()
    }

    /// What is to be sent again by now.
    pub fn tick(&mut self, now: u64) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        if self.again_at.is_some_and(|at| at <= now) {
            self.patience = (self.patience * 2).min(MOST_PATIENCE_MS);
            messages = self.everything(now, 0);
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            // Until it answers with a status.
            self.heartbeat_at = Some(now + HEARTBEAT_MS);
            messages.push(self.tell("ping"));
        }
        messages
    }

    /// Whether everything that was sent is acknowledged and answered.
    pub fn at_rest(&self) -> bool {
        self.bursts.is_empty() && self.requests.is_empty()
    }
}

#[cfg(test)]
mod tests;
