//! The page's side of the conversation with the worker. It keeps what was sent until the worker has answered, and sends
//! that again to a worker that was restarted or is silent. It performs no I/O: the page crate posts the messages that it
//! returns, and reports the messages of the worker to it.
//!
//! The actions of a burst are opaque here (`P`), so that a page never copies them.

use crate::bridge::BRIDGE;
use crate::json::Writer;
use crate::units::{BurstNo, Position};

/// The time that the page waits for an answer before it sends again, in ms. It doubles with each try, up to the maximum.
const RETRY_MS: u64 = 1_000;
const MAX_RETRY_MS: u64 = 10_000;
/// After so many tries in so many ms without a word of the worker, the page's user is told. A page that was frozen has tried once.
const SILENT_TRIES: u32 = 3;
const SILENT_MS: u64 = 12_000;
/// The interval at which the page pings the worker while something is unfinished, in ms.
const HEARTBEAT_MS: u64 = 10_000;

/// A message to post to the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<P> {
    Text(String),
    /// `before`, the array of the burst's actions, and a closing brace.
    Burst {
        before: String,
        burst: P,
    },
}

/// The slice, the item and the settings that a request is about; most have none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub slice: Option<&'a str>,
    pub id: Option<&'a str>,
    /// A JSON object.
    pub settings: Option<&'a str>,
}

/// A request that is kept until it is answered.
#[derive(Debug, Clone)]
struct Request {
    number: u64,
    kind: String,
    /// The last burst before it.
    after: Option<BurstNo>,
    /// Its other fields, as JSON text with a comma before each.
    fields: String,
}

#[derive(Debug, Clone)]
struct Burst<P> {
    n: BurstNo,
    /// The position up to which the page had applied all records when the burst was made. A repeated burst keeps it,
    /// because its actions were dispatched without knowledge of later records.
    observed: Position,
    actions: P,
}

/// The state of the conversation.
#[derive(Debug)]
pub struct Session<P> {
    page: String,
    /// The place whose database the page means, see [`Place`](crate::bridge::place::Place).
    place: Option<String>,
    /// True while a worker of another place is in charge: bursts wait, pings ask for the page's own worker.
    is_elsewhere: bool,
    /// True if that was so since the page was last told that it may have missed something.
    was_elsewhere: bool,
    /// The device's name for people, which goes with each registration.
    device: Option<String>,
    /// True if the page can be asked for a token.
    gives_tokens: bool,
    /// Confirmed registrations, oldest first. A later one overrides settings that an earlier one gave to the same slice.
    declared: Vec<Request>,
    /// The number of registrations that have yet to be repeated to a new database.
    to_redeclare: usize,
    /// The database that the page's changes are for; `None` until the page is registered.
    epoch: Option<String>,
    /// The unanswered request that declares slices. No burst is posted until it is answered, because the burst may belong
    /// to these slices.
    registering: Option<u64>,
    last_burst: BurstNo,
    /// Bursts without an acknowledgement, in the order of their numbers.
    bursts: Vec<Burst<P>>,
    /// Requests without an answer.
    requests: Vec<Request>,
    /// Slices whose items' progress the page subscribes to.
    watched: Vec<String>,
    /// The newest position up to which the page has applied all records; `None` before the first one. Records of all
    /// slices arrive in the order of their positions, so one number covers all slices.
    observed: Option<Position>,
    /// The newest of them at which no slice was being read. While one is, the page may show nothing of it yet.
    observed_fully: Option<Position>,
    /// True if the last status left something to do, or if no status has followed the last acknowledgement.
    unfinished: bool,
    /// The time to send again, in ms, and the wait that leads to the next try.
    retry_at: Option<u64>,
    retry_ms: u64,
    heartbeat_at: Option<u64>,
    /// Since when the worker owes an answer, in ms, and how often it was asked since it said anything.
    owed_since: Option<u64>,
    tries: u32,
    is_silent: bool,
    /// Requests have come to nothing by its silence, and it has said nothing since.
    was_silent: bool,
}

impl<P: Clone> Session<P> {
    /// Creates the session of the page `page`, a random id for the page's lifetime.
    pub fn new(page: &str) -> Self {
        Session {
            page: page.into(),
            place: None,
            is_elsewhere: false,
            was_elsewhere: false,
            device: None,
            gives_tokens: false,
            declared: Vec::new(),
            to_redeclare: 0,
            epoch: None,
            registering: None,
            last_burst: BurstNo::default(),
            bursts: Vec::new(),
            requests: Vec::new(),
            watched: Vec::new(),
            observed: None,
            observed_fully: None,
            unfinished: false,
            retry_at: None,
            retry_ms: RETRY_MS,
            heartbeat_at: None,
            owed_since: None,
            tries: 0,
            is_silent: false,
            was_silent: false,
        }
    }

    /// Begins a message.
    fn head(&self, kind: &str) -> Writer {
        let mut head = Writer::object();
        head.number("v", BRIDGE).string("kind", kind).string("page", &self.page);
        if let Some(place) = &self.place {
            head.string("place", place);
        }
        head
    }

    fn arm(&mut self, now: u64) {
        self.owed_since.get_or_insert(now);
        self.retry_at.get_or_insert(now + self.retry_ms);
    }

    fn disarm_if_at_rest(&mut self) {
        if self.at_rest() {
            self.retry_at = None;
            self.owed_since = None;
        }
    }

    /// The page's own worker has said something. Returns true if the page was told that it was silent: requests have come to nothing
    /// meanwhile.
    pub fn note_answer(&mut self) -> bool {
        // It may still owe something: the next try counts from then on.
        (self.owed_since, self.tries, self.is_silent) = (None, 0, false);
        std::mem::take(&mut self.was_silent)
    }

    /// Returns the requests that come to nothing, once, if the worker has not said a word for long. Bursts and the registration
    /// are kept, and go on being tried.
    pub fn take_silence(&mut self, now: u64) -> Option<Vec<u64>> {
        let is_long = self.owed_since.is_some_and(|since| now >= since + SILENT_MS);
        if self.is_silent || self.is_elsewhere || !is_long || self.tries < SILENT_TRIES {
            return None;
        }
        (self.is_silent, self.was_silent) = (true, true);
        let (registering, mut ended) = (self.registering, Vec::new());
        self.requests.retain(|request| {
            let is_kept = Some(request.number) == registering;
            if !is_kept {
                ended.push(request.number);
            }
            is_kept
        });
        Some(ended)
    }

    /// Sets the place that the page is of, which goes with every message.
    pub fn set_place(&mut self, place: &str) {
        self.place = Some(place.into());
    }

    /// Sets the device's name for people. The next registration gives it to the worker.
    pub fn name_device(&mut self, device: &str) {
        self.device = Some(device.into());
    }

    /// The page can be asked for a token. The next registration says it to the worker.
    pub fn give_tokens(&mut self) {
        self.gives_tokens = true;
    }

    /// Returns the answer to the worker's question of this number for a token: the token, if the page has one.
    pub fn token(&self, number: u64, token: Option<&str>) -> Message<P> {
        let mut message = self.head("token");
        message.number("n", number);
        if let Some(token) = token {
            message.string("token", token);
        }
        Message::Text(message.end())
    }

    /// Declares slices and auto-sync, given as JSON objects. `registered` or `failed` will answer the request of this number.
    pub fn register(&mut self, now: u64, request: u64, slices: &str, auto_sync: &str) -> Message<P> {
        self.is_elsewhere = false;
        self.ask_anew();
        let mut fields = Writer::fields();
        if let Some(device) = &self.device {
            fields.string("device", device);
        }
        if self.gives_tokens {
            fields.raw("givesTokens", "true");
        }
        let fields = fields.raw("slices", slices).raw("autoSync", auto_sync).finish();
        self.declare(now, Request { number: request, kind: "register".into(), after: None, fields })
    }

    fn declare(&mut self, now: u64, request: Request) -> Message<P> {
        let message = self.request_message(&request);
        // An earlier registration without an answer was given up. Repeated after this one, it would override this one.
        if let Some(before) = self.registering.replace(request.number) {
            self.finish(before);
        }
        self.requests.push(request);
        self.arm(now);
        message
    }

    /// A person asks anew: a worker that has been silent is given its time again.
    fn ask_anew(&mut self) {
        if std::mem::take(&mut self.is_silent) {
            (self.owed_since, self.tries) = (None, 0);
        }
    }

    /// Adds a burst. Returns its number, and nothing to post while the page is not registered.
    pub fn burst(&mut self, now: u64, actions: P) -> (BurstNo, Option<Message<P>>) {
        self.last_burst = self.last_burst.next();
        self.observe_fully();
        let burst = Burst { n: self.last_burst, observed: self.observed_fully.unwrap_or_default(), actions };
        self.bursts.push(burst.clone());
        // Nothing can be posted before the page is registered, so nothing is owed.
        if self.epoch.is_some() || self.registering.is_some() {
            self.arm(now);
        }
        (self.last_burst, self.burst_message(burst))
    }

    /// Returns the message of a burst. `None` while the page is not registered, or is registering more slices: the burst
    /// may belong to those.
    fn burst_message(&self, Burst { n, observed, actions }: Burst<P>) -> Option<Message<P>> {
        if self.registering.is_some() || self.is_elsewhere {
            return None;
        }
        let first = self.bursts.first().map_or(n, |burst| burst.n);
        let mut head = self.head("actions");
        head.string("epoch", self.epoch.as_deref()?).number("n", n.0).number("first", first.0);
        head.number("seen", observed.0);
        Some(Message::Burst { before: [&head.finish(), ",\"actions\":"].concat(), burst: actions })
    }

    /// Sends the request of this number to the worker: `flush`, `sync`, `check`, `rejected`, `conflicts`, `export`, `signOut`, `hydrate` with a slice, `synced`
    /// with a slice and perhaps the id of an item, or `configure` with settings. The settings are a JSON object, of a slice
    /// or (without one) of auto-sync.
    pub fn request(
        &mut self,
        now: u64,
        number: u64,
        kind: &str,
        Subject { slice, id, settings }: Subject,
    ) -> Message<P> {
        self.ask_anew();
        let mut fields = Writer::fields();
        for (name, text) in [("slice", slice), ("id", id)] {
            if let Some(text) = text {
                fields.string(name, text);
            }
        }
        if let Some(settings) = settings {
            fields.raw("settings", settings);
        }
        let request =
            Request { number, kind: kind.into(), after: Some(self.last_burst), fields: fields.finish() };
        let message = self.request_message(&request);
        self.requests.push(request);
        self.arm(now);
        message
    }

    /// Returns the message of a request, with the present database. It names the burst that must precede the request only
    /// while that burst is not acknowledged.
    fn request_message(&self, request: &Request) -> Message<P> {
        let mut message = self.head(&request.kind);
        message.number("request", request.number);
        let oldest = self.bursts.first().map(|burst| burst.n);
        if let Some(after) = request.after.filter(|after| oldest.is_some_and(|oldest| oldest <= *after)) {
            message.number("after", after.0);
        }
        if let Some(epoch) = &self.epoch {
            message.string("epoch", epoch);
        }
        Message::Text(message.more(&request.fields).end())
    }

    /// Returns a message that needs no answer: `ping`, `online`, `resetMetrics`.
    pub fn tell(&self, kind: &str) -> Message<P> {
        Message::Text(self.head(kind).end())
    }

    /// Returns the messages to post when the page is hidden or closed, because it may never run again. Bursts that wait
    /// for the answer to a registration are among them.
    pub fn on_page_hide(&mut self, now: u64) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        if let Some(registering) = self.registering.take() {
            messages = self.resend_from(now, BurstNo::default());
            self.registering = Some(registering);
        }
        messages.push(self.tell("hidden"));
        messages
    }

    /// Subscribes to the progress of a slice's items.
    pub fn watch(&mut self, slice: &str) -> Message<P> {
        if !self.watched.iter().any(|watched| watched == slice) {
            self.watched.push(slice.into());
        }
        self.watch_message(slice)
    }

    /// Returns the messages that subscribe anew to all that is watched.
    pub fn watch_again(&self) -> Vec<Message<P>> {
        self.watched.iter().map(|slice| self.watch_message(slice)).collect()
    }

    fn watch_message(&self, slice: &str) -> Message<P> {
        Message::Text(self.head("pending").string("slice", slice).end())
    }

    /// Returns true if the page was registered for another database than `epoch`. Nothing that the page knows is in this
    /// one.
    pub fn is_another(&self, epoch: &str) -> bool {
        self.epoch.as_ref().is_some_and(|known| known != epoch)
    }

    /// Handles `registered`: the worker granted `request` for the database `epoch`. Returns the next registration to
    /// repeat, or else all bursts and requests that wait.
    pub fn registered(&mut self, now: u64, request: u64, epoch: &str) -> Vec<Message<P>> {
        if let Some(granted) = self.finish(request)
            && self.declared.iter().all(|declared| declared.number != request)
        {
            self.declared.push(granted);
        }
        if self.is_another(epoch) {
            self.observed = None;
            self.observed_fully = None;
            for burst in &mut self.bursts {
                burst.observed = Position::default();
            }
        }
        self.epoch = Some(epoch.into());
        let next = self.redeclare_next(now);
        if next.is_empty() { self.resend_from(now, BurstNo::default()) } else { next }
    }

    /// Repeats the next registration to a new database. Each waits for the answer to the one before it.
    fn redeclare_next(&mut self, now: u64) -> Vec<Message<P>> {
        let at = self.declared.len().wrapping_sub(self.to_redeclare);
        self.to_redeclare = self.to_redeclare.saturating_sub(1);
        self.declared.get(at).cloned().into_iter().map(|request| self.declare(now, request)).collect()
    }

    /// Handles the answer to a request, whether it was granted or failed.
    pub fn answered(&mut self, request: u64) {
        self.finish(request);
    }

    fn finish(&mut self, request: u64) -> Option<Request> {
        // A failed registration declares nothing. The next tick sends what waited for it.
        if self.registering == Some(request) {
            self.registering = None;
        }
        let at = self.requests.iter().position(|waiting| waiting.number == request);
        let finished = at.map(|at| self.requests.remove(at));
        self.retry_ms = if self.is_elsewhere { MAX_RETRY_MS } else { RETRY_MS };
        self.disarm_if_at_rest();
        finished
    }

    /// Handles `ack`: all bursts up to `n` are durable, though not at the server yet. The worker may have died right after
    /// this message, so the page sends heartbeats until a status says that nothing is left to do.
    pub fn acknowledged(&mut self, now: u64, n: BurstNo) {
        self.heartbeat_at.get_or_insert(now + HEARTBEAT_MS);
        self.unfinished = true;
        self.bursts.retain(|burst| burst.n > n);
        self.retry_ms = RETRY_MS;
        self.retry_at = Some(now + self.retry_ms);
        self.disarm_if_at_rest();
    }

    /// Handles `expected`: the worker lacks bursts from `n` on. Returns them.
    pub fn expected(&mut self, now: u64, n: BurstNo) -> Vec<Message<P>> {
        // Before the page is registered, no burst can be posted, so what waits for one would be refused again at once.
        if self.epoch.is_none() {
            return Vec::new();
        }
        self.resend_from(now, n)
    }

    /// Handles `hello`: the worker was restarted. It knows nothing of the page, and may have missed the last messages.
    pub fn hello(&mut self, now: u64) -> Vec<Message<P>> {
        self.is_elsewhere = false;
        let mut messages = self.resend_from(now, BurstNo::default());
        messages.extend(self.watch_again());
        messages.push(self.tell("ping"));
        messages
    }

    /// Handles `signedOut`: the user has signed out of the database `epoch`. If it was the page's, returns the requests that asked for
    /// it, and the others: nothing of the page is kept or sent any more until it registers again.
    pub fn signed_out(&mut self, epoch: &str) -> Option<(Vec<u64>, Vec<u64>)> {
        if self.epoch.as_deref() != Some(epoch) {
            return None;
        }
        let asks = |request: &Request| request.kind.starts_with("signOut");
        let numbers = |is_asking: bool| {
            let requests = self.requests.iter().filter(|request| asks(request) == is_asking);
            requests.map(|request| request.number).collect()
        };
        let ended = (numbers(true), numbers(false));
        self.epoch = None;
        self.bursts.clear();
        self.requests.clear();
        self.declared.clear();
        (self.to_redeclare, self.registering) = (0, None);
        (self.observed, self.observed_fully) = (None, None);
        (self.is_elsewhere, self.was_elsewhere, self.unfinished) = (false, false, false);
        (self.retry_at, self.heartbeat_at) = (None, None);
        self.note_answer();
        Some(ended)
    }

    /// Returns true while a worker of another place is in charge.
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// Handles `wrong_user` and `wrong_name`: a worker of another place is in charge. All that was not answered is kept until the
    /// page's own worker is back. Returns true if that is news.
    pub fn elsewhere(&mut self, now: u64) -> bool {
        self.was_elsewhere = true;
        self.retry_ms = MAX_RETRY_MS;
        self.retry_at = Some(now + self.retry_ms);
        !std::mem::replace(&mut self.is_elsewhere, true)
    }

    /// Handles any message that only the page's own worker posts. If it was not in charge before, returns all that waits.
    pub fn back(&mut self, now: u64) -> Vec<Message<P>> {
        if self.is_elsewhere { self.hello(now) } else { Vec::new() }
    }

    /// Handles `joined`: from `position` on the worker informs the page of every change. Returns true if the page may have
    /// missed changes before that.
    pub fn joined(&mut self, position: u64) -> bool {
        if std::mem::take(&mut self.was_elsewhere) {
            return true;
        }
        // A page that has applied nothing yet can have missed nothing.
        self.observed.is_some_and(|observed| self.unfinished || observed.0 < position)
    }

    /// Handles `stale`: the database is another than the page knew. Returns the first registration to repeat; bursts and
    /// requests follow once all registrations are confirmed.
    pub fn stale(&mut self, now: u64) -> Vec<Message<P>> {
        if self.registering.is_some() {
            return Vec::new();
        }
        self.to_redeclare = self.declared.len();
        self.redeclare_next(now)
    }

    /// Handles `status`. `unfinished` is true if changes are pending or the server is out of reach. With `wake_in`, the
    /// worker asks for a ping after so many ms, for its next sync.
    pub fn status(&mut self, now: u64, unfinished: bool, wake_in: Option<u64>) {
        self.unfinished = unfinished;
        let heartbeat = unfinished.then_some(HEARTBEAT_MS);
        self.heartbeat_at = heartbeat.into_iter().chain(wake_in).min().map(|wait| now + wait);
    }

    /// Notes that the page has applied all records up to `position`.
    pub fn observe(&mut self, position: u64) {
        self.observed = self.observed.max(Some(Position(position)));
        self.observe_fully();
    }

    fn observe_fully(&mut self) {
        let is_reading = self.requests.iter().any(|request| request.kind == "hydrate");
        if !is_reading {
            self.observed_fully = self.observed;
        }
    }

    fn resend_from(&mut self, now: u64, from: BurstNo) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        if self.is_elsewhere {
            messages.push(self.tell("ping"));
        }
        // Bursts precede requests: a flush that waits covers what was dispatched before it.
        for burst in self.bursts.iter().filter(|burst| burst.n >= from) {
            messages.extend(self.burst_message(burst.clone()));
        }
        for request in &self.requests {
            // While a registration waits for its answer, no other request is sent.
            if self.registering.is_none_or(|registering| registering == request.number) {
                messages.push(self.request_message(request));
            }
        }
        self.retry_at = None;
        if !messages.is_empty() || !self.bursts.is_empty() {
            self.arm(now);
        }
        messages
    }

    /// Returns the time at which to call [`Session::tick`], in ms.
    pub fn deadline(&self) -> Option<u64> {
        self.retry_at.into_iter().chain(self.heartbeat_at).min()
    }

    /// Returns the messages that are due for another try, and the heartbeat if that is due.
    pub fn tick(&mut self, now: u64) -> Vec<Message<P>> {
        let mut messages = Vec::new();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_ms = (self.retry_ms * 2).min(MAX_RETRY_MS);
            self.tries += 1;
            messages = self.resend_from(now, BurstNo::default());
            // A worker that is busy with a request says nothing of it; it answers this one.
            if !self.is_elsewhere {
                messages.push(self.tell("ping"));
            }
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            // Heartbeats go on until the worker answers with a status.
            self.heartbeat_at = Some(now + HEARTBEAT_MS);
            self.owed_since.get_or_insert(now);
            self.tries += 1;
            messages.push(self.tell("ping"));
        }
        messages
    }

    /// Returns the first burst that is not acknowledged.
    pub fn first_unacknowledged(&self) -> Option<BurstNo> {
        self.bursts.first().map(|burst| burst.n)
    }

    /// Returns true if every burst is acknowledged and every request is answered.
    pub fn at_rest(&self) -> bool {
        self.bursts.is_empty() && self.requests.is_empty()
    }
}

#[cfg(test)]
mod tests;
