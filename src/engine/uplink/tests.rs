//! The uplink against a fake server, on a virtual clock. The driver counts what the server got, and holds every test to
//! invariants 1 and 2.

use super::*;
use crate::bridge::action::{Change, Operation as PageOperation};
use crate::bridge::config;
use crate::engine::input::{NetworkError, Response};
use crate::engine::replica::{Edits, Effects, ParsedRecord};
use crate::store::AnswerStatus;
use crate::store::{MemoryStore, Policies};
use crate::units::{Millis, Position, PushNo};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The answer of the fake server to one request.
enum Reply {
    Answer { ms: u64, response: Response },
    Broken,
    Silence,
}

type Server = Box<dyn FnMut(&Sent) -> Reply>;

/// A request as the server gets it.
#[derive(Debug, Clone)]
struct Sent {
    at: u64,
    path: &'static str,
    bytes: usize,
    body: Value,
}

impl Sent {
    fn ids(&self) -> Vec<&str> {
        let mutations = self.body["mutations"].as_array().into_iter().flatten();
        mutations.filter_map(|mutation| mutation["id"].as_str()).collect()
    }

    fn has(&self, id: &str) -> bool {
        self.ids().contains(&id)
    }
}

fn answer(status: u16, content_type: &str, body: &Value) -> Reply {
    let response =
        Response { status, content_type: content_type.into(), retry_after: None, body: body.to_string() };
    Reply::Answer { ms: 10, response }
}

fn good(body: &Value) -> Reply {
    answer(200, "application/json", body)
}

fn error(status: u16, code: &str) -> Reply {
    answer(
        status,
        "application/json",
        &json!({"error": {"code": code, "message": "No.", "retryable": false}}),
    )
}

fn html(status: u16) -> Reply {
    answer(status, "text/html", &json!("<h1>A page</h1>"))
}

fn unavailable(seconds: u64) -> Reply {
    let Reply::Answer { ms, response } = error(503, "unavailable") else { unreachable!() };
    Reply::Answer { ms, response: Response { retry_after: Some(seconds * 1_000), ..response } }
}

/// Takes whatever is sent.
fn accept(sent: &Sent) -> Reply {
    let applied = |id: &str| json!({"slice": "notes", "id": id, "status": "applied", "version": 7});
    match sent.path {
        "/push" => {
            let results: Vec<Value> = sent.ids().into_iter().map(applied).collect();
            good(&json!({"principal": "ann", "version": 7, "results": results}))
        }
        "/pull" => good(&json!({"principal": "ann"})),
        _ => good(&json!({"status": "ok"})),
    }
}

/// Takes everything but pushes, which get this.
fn no_push(mut reply: impl FnMut(&Sent) -> Reply + 'static) -> Server {
    Box::new(move |sent| if sent.path == "/push" { reply(sent) } else { accept(sent) })
}

fn context<'a>(replica: &'a Replica, slices: &'a Slices, may_choose: bool) -> Context<'a> {
    Context { replica, slices, may_choose, may_pull: true, requeued: &[] }
}

struct Driver {
    now: u64,
    uplink: Uplink,
    replica: Replica,
    slices: Slices,
    rng: Rng,
    server: Server,
    store: MemoryStore,
    /// The number of the request in flight, when its answer comes, and the answer.
    in_flight: Option<(u64, Option<u64>, Reception)>,
    sent: Vec<Sent>,
    /// Every connection that was shown, without repeats.
    connections: Vec<Connection>,
    mutations: BTreeMap<String, Value>,
    position: u64,
    last_request: u64,
    may_choose: bool,
    fails_to_prepare: bool,
    /// Statuses of the answers that were recorded, by id.
    recorded: Vec<(String, AnswerStatus)>,
}

impl Driver {
    fn new(server: impl FnMut(&Sent) -> Reply + 'static) -> Self {
        let store = MemoryStore::default();
        Driver {
            now: 1_000,
            uplink: Uplink::recover(
                Now { tick: Tick(1_000), at: Millis(1_000_000) },
                "client".into(),
                (Cursors::new(), None),
                &|_| None,
            ),
            replica: Replica::default(),
            slices: config::slices(r#"{"notes":{}}"#),
            rng: Rng(3),
            server: Box::new(server),
            store,
            in_flight: None,
            sent: Vec::new(),
            connections: Vec::new(),
            mutations: BTreeMap::new(),
            position: 0,
            last_request: 0,
            may_choose: true,
            fails_to_prepare: false,
            recorded: Vec::new(),
        }
    }

    /// A driver whose device knows its principal, with these items to send.
    fn with_items(count: usize, server: impl FnMut(&Sent) -> Reply + 'static) -> Self {
        let mut driver = Driver::new(accept);
        driver.uplink.contact();
        driver.run_for(100);
        driver.server = Box::new(server);
        driver.sent.clear();
        driver.connections.clear();
        for id in 0..count {
            driver.put(&id.to_string(), 10);
        }
        driver
    }

    /// A driver whose device knows its principal and keeps everything to itself.
    fn with_nothing_to_pull(server: impl FnMut(&Sent) -> Reply + 'static) -> Self {
        let mut driver = Driver::with_items(0, server);
        driver.slices = Slices::default();
        driver
    }

    fn now(&self) -> Now {
        Now { tick: Tick(self.now), at: Millis(999_000 + self.now) }
    }

    fn apply(&mut self, effects: Effects) {
        self.position += 1;
        let record = ParsedRecord::new(Position(self.position), self.now().at, effects, Policies::default());
        self.replica.apply(&record, true, self.now(), &self.slices);
    }

    fn edit(&mut self, id: &str, change: Change) {
        let operation = PageOperation { key: Key::new("notes", id), change };
        let operations = vec![(operation, self.now().at)];
        self.apply(Effects::Edits(Edits { page: "page".into(), seen: Position(0), operations }));
    }

    /// Puts an item whose value has about so many bytes and is another one each time.
    fn put(&mut self, id: &str, bytes: usize) {
        let text = format!("{} {}", self.position, "x".repeat(bytes));
        self.edit(id, Change::Put(json!({"id": id, "text": text}).to_string().into()));
    }

    fn delete(&mut self, id: &str) {
        self.edit(id, Change::Delete);
    }

    /// Runs until this much time has passed, as the engine would.
    fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        loop {
            self.advance();
            let answer = self.in_flight.as_ref().and_then(|(_, due, _)| *due);
            let timeout = self.uplink.poll_timeout(Tick(self.now)).map(|tick| tick.0);
            match answer.into_iter().chain(timeout).min().filter(|at| *at <= until) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
        }
        self.now = until;
    }

    fn advance(&mut self) {
        if let Some(request) = self.uplink.overdue(Tick(self.now)) {
            self.in_flight = None;
            self.answered(request, Reception::None);
        }
        if self.in_flight.as_ref().is_some_and(|(_, due, _)| due.is_some_and(|due| due <= self.now))
            && let Some((request, _, answer)) = self.in_flight.take()
        {
            self.answered(request, answer);
        }
        loop {
            let context = context(&self.replica, &self.slices, self.may_choose);
            match self.uplink.poll(Tick(self.now), context, &mut self.rng) {
                Step::Nothing => break,
                Step::Send { path, body } => self.send(path, body),
                Step::Prepare(push) => {
                    self.replica.mark_sent(&push.operations);
                    let succeeded = !self.fails_to_prepare;
                    if succeeded {
                        self.store.apply(&[push.write()]).unwrap();
                    }
                    self.uplink.prepared(succeeded);
                    if !succeeded {
                        let failure = Failure::new(Class::Storage, "It broke.".into());
                        let now = self.now();
                        self.uplink.failed(failure, now, &mut self.rng);
                    }
                }
                Step::Record { answers, with } => self.record(answers, &with),
            }
        }
        if let Some(write) = self.uplink.take_kept(self.now()) {
            self.store.apply(&[write]).unwrap();
        }
        if self.connections.last() != Some(&self.uplink.connection()) {
            self.connections.push(self.uplink.connection());
        }
    }

    fn send(&mut self, path: &'static str, body: Option<String>) {
        assert!(self.in_flight.is_none(), "two requests are in flight");
        let bytes = body.as_ref().map_or(0, String::len);
        let body = body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap());
        let sent = Sent { at: self.now, path, bytes, body };
        self.check_same(&sent);
        self.last_request += 1;
        self.uplink.sent(self.last_request, Tick(self.now));
        let (due, answer) = match (self.server)(&sent) {
            Reply::Answer { ms, response } => (Some(self.now + ms), Reception::Some(Ok(response))),
            Reply::Broken => (Some(self.now + 5), Reception::Some(Err(NetworkError("refused".into())))),
            Reply::Silence => (None, Reception::None),
        };
        self.in_flight = Some((self.last_request, due, answer));
        self.sent.push(sent);
    }

    /// Checks that a push is sent as it was written down under its numbers.
    fn check_same(&mut self, sent: &Sent) {
        if sent.path != "/push" {
            return;
        }
        let meta = self.store.snapshot().meta;
        let row = meta.into_iter().find(|(name, _)| name == "push").expect("a push is written down").1;
        let row = PushRow::read(&row).unwrap();
        assert_eq!(sent.body["n"], row.n.0, "it is written down before it is sent");
        for mutation in sent.body["mutations"].as_array().unwrap() {
            let name = format!("{}/{}/{}", sent.body["client"], sent.body["n"], mutation["id"]);
            let before = self.mutations.entry(name).or_insert_with(|| mutation.clone());
            assert_eq!(before, mutation, "what is sent again is the same");
        }
    }

    fn answered(&mut self, request: u64, answer: Reception) {
        let now = self.now();
        match self.uplink.answered(request, answer, &self.slices, now, &mut self.rng) {
            Some(Outcome::Answers { answers, with }) => self.record(answers, &with),
            Some(Outcome::Rebuild { reason, slices, withdrawn, .. }) => {
                let with = self.uplink.begin_rebuild(Position(self.position + 1), reason, slices);
                self.record(withdrawn, &with);
            }
            Some(Outcome::Reached | Outcome::Pulled(_) | Outcome::Failed(_)) | None => {}
        }
    }

    fn record(&mut self, answers: Vec<AnswerRow>, with: &[Write]) {
        self.store.apply(with).unwrap();
        self.recorded.extend(answers.iter().map(|answer| (answer.id.to_string(), answer.status)));
        self.apply(Effects::Answers(answers));
    }

    /// The worker dies, and another one takes up what is on disk.
    fn restart(&mut self) {
        let meta: BTreeMap<String, String> = self.store.snapshot().meta.into_iter().collect();
        let principal = self.uplink.principal().map(crate::json::quoted);
        let get = |name: &str| if name == "principal" { principal.clone() } else { meta.get(name).cloned() };
        self.uplink = Uplink::recover(self.now(), "client".into(), (Cursors::new(), None), &get);
        self.in_flight = None;
        self.uplink.contact();
    }

    /// Everything that may wake the worker does, every 100 ms.
    fn run_with_wakes(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.uplink.contact();
            self.run_for(100);
        }
    }

    fn pushes(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.path == "/push").collect()
    }

    fn bytes(&self) -> usize {
        self.sent.iter().map(|sent| sent.bytes).sum()
    }

    fn applied(&self) -> Vec<&str> {
        let applied = self.recorded.iter().filter(|(_, status)| *status == AnswerStatus::Applied);
        applied.map(|(id, _)| &**id).collect()
    }

    fn withdrawn(&self) -> Vec<&str> {
        let withdrawn = self.recorded.iter().filter(|(_, status)| *status == AnswerStatus::Withdrawn);
        withdrawn.map(|(id, _)| &**id).collect()
    }

    fn poll(&mut self) -> Step {
        let context = context(&self.replica, &self.slices, self.may_choose);
        self.uplink.poll(Tick(self.now), context, &mut self.rng)
    }
}

// Invariant 1.

#[test]
fn only_one_request_is_in_flight_whatever_else_is_wanted() {
    let mut driver = Driver::with_items(2, |_| Reply::Silence);
    driver.run_for(1);
    assert_eq!(driver.sent.len(), 1);
    driver.uplink.contact();
    driver.uplink.probe();
    driver.uplink.retry_now(Tick(driver.now));
    driver.put("new", 10);
    assert!(matches!(driver.poll(), Step::Nothing));
}

#[test]
fn an_answer_to_a_request_that_was_given_up_changes_nothing() {
    let mut driver = Driver::with_items(1, |_| Reply::Silence);
    driver.run_for(20_000);
    let now = driver.now();
    let late = Reception::Some(Ok(Response {
        status: 200,
        content_type: "application/json".into(),
        retry_after: None,
        body: "{}".into(),
    }));
    assert!(
        driver.uplink.answered(driver.last_request - 1, late, &driver.slices, now, &mut Rng(1)).is_none()
    );
    assert_eq!(driver.uplink.operations().len(), 1);
}

// Invariant 2.

#[test]
fn a_push_that_cannot_be_written_down_is_not_sent_and_goes_later_as_it_was() {
    let mut driver = Driver::with_items(1, accept);
    driver.fails_to_prepare = true;
    driver.run_for(5_000);
    assert!(driver.sent.is_empty());
    driver.put("0", 20);
    driver.fails_to_prepare = false;
    driver.run_for(30_000);
    assert_eq!(driver.pushes().len(), 2, "what was chosen first, then the edit behind it");
    assert_eq!(driver.pushes()[0].body["n"], 1);
}

#[test]
fn a_push_goes_again_after_a_restart_under_its_numbers() {
    let mut driver = Driver::with_items(3, |_| Reply::Silence);
    driver.run_for(100);
    driver.server = Box::new(accept);
    driver.restart();
    driver.run_for(1_000);
    let pushes = driver.pushes();
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[0].body, pushes[1].body);
    assert_eq!(driver.applied(), ["0", "1", "2"]);
}

#[test]
fn an_answer_that_leaves_a_change_out_is_no_answer() {
    let mut is_first = true;
    let mut driver = Driver::with_items(2, move |sent| match std::mem::take(&mut is_first) {
        true => good(&json!({"principal": "ann", "results": []})),
        false => accept(sent),
    });
    driver.run_for(5_000);
    let pushes = driver.pushes();
    assert_eq!(pushes[0].body, pushes[1].body);
    assert_eq!(driver.applied(), ["0", "1"]);
}

#[test]
fn the_numbers_of_pushes_go_on_after_all_are_answered_and_after_a_restart() {
    let mut driver = Driver::with_items(1, accept);
    driver.run_for(100);
    driver.restart();
    driver.put("1", 10);
    driver.run_for(100);
    let numbers: Vec<&Value> = driver.pushes().iter().map(|sent| &sent.body["n"]).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_forked_device_withdraws_everything_and_takes_a_new_name() {
    let mut is_first = true;
    let mut driver = Driver::with_items(2, move |sent| match std::mem::take(&mut is_first) {
        true => error(409, "client_forked"),
        false => accept(sent),
    });
    driver.run_for(5_000);
    assert_eq!(driver.withdrawn(), ["0", "1"]);
    assert_ne!(&**driver.uplink.client(), "client");
    assert_eq!(driver.pushes()[1].body["n"], 1);
    assert_eq!(driver.pushes()[1].body["client"], **driver.uplink.client());
    assert_eq!(driver.applied(), ["0", "1"]);
}

#[test]
fn a_server_that_calls_every_name_forked_is_asked_at_a_growing_pace() {
    let mut driver = Driver::with_items(1, no_push(|_| error(409, "client_forked")));
    driver.run_for(60_000);
    assert!(driver.pushes().len() < 20, "{} pushes", driver.pushes().len());
}

#[test]
fn what_a_switch_forbids_is_withdrawn_before_the_next_send() {
    let mut driver = Driver::with_items(2, |_| Reply::Broken);
    driver.run_for(10);
    driver.slices = config::slices(r#"{"notes":{"syncToFlask":false}}"#);
    driver.server = Box::new(accept);
    driver.run_for(10_000);
    assert_eq!(driver.withdrawn(), ["0", "1"]);
    assert_eq!(driver.pushes().len(), 1, "only the one before the switch");
}

// Invariants 3 and 4.

#[test]
fn no_wake_shortens_a_wait_and_a_person_does() {
    let mut driver = Driver::with_items(1, no_push(|_| unavailable(30)));
    driver.run_with_wakes(20_000);
    assert_eq!(driver.sent.len(), 1);
    driver.uplink.retry_now(Tick(driver.now));
    driver.run_for(1);
    assert_eq!(driver.sent.len(), 2);
}

#[test]
fn a_probe_that_fails_shortens_no_wait() {
    let mut driver = Driver::with_items(1, |sent| match sent.path {
        "/push" => unavailable(120),
        _ => Reply::Broken,
    });
    driver.run_for(1_000);
    driver.uplink.probe();
    driver.run_for(110_000);
    assert_eq!(driver.pushes().len(), 1);
    assert_eq!(driver.sent.len(), 2, "the push and the probe");
}

#[test]
fn a_probe_that_succeeds_shortens_no_wait() {
    let mut driver = Driver::with_items(1, no_push(|_| unavailable(120)));
    driver.run_for(1_000);
    for _ in 0..10 {
        driver.uplink.probe();
        driver.run_for(10_000);
    }
    assert_eq!(driver.pushes().len(), 1);
    assert!(driver.withdrawn().is_empty(), "probes do not halve a push");
}

#[test]
fn waits_grow_until_a_push_succeeds() {
    let mut driver = Driver::with_items(1, |_| Reply::Broken);
    driver.run_for(600_000);
    let gaps: Vec<u64> = driver.sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps[0] <= 1_100 && *gaps.iter().max().unwrap() > 60_000, "{gaps:?}");
    driver.server = Box::new(accept);
    driver.run_for(300_000);
    driver.server = Box::new(|_| Reply::Broken);
    driver.put("new", 10);
    let before = driver.sent.len();
    driver.run_for(2_000);
    assert!(driver.sent.len() >= before + 2, "the next failure waits for a second at most");
}

#[test]
fn a_wait_that_the_server_asked_for_outlives_the_worker() {
    let mut driver = Driver::with_items(1, no_push(|_| unavailable(120)));
    driver.run_for(1_000);
    driver.restart();
    driver.run_with_wakes(110_000);
    assert_eq!(driver.pushes().len(), 1);
    driver.server = Box::new(accept);
    driver.run_for(20_000);
    assert_eq!(driver.applied(), ["0"]);
}

#[test]
fn f45_a_server_that_asks_for_two_minutes_gets_one_request_in_a_minute() {
    for path in ["/push", "/pull", "/health"] {
        let mut driver = match path {
            "/pull" => Driver::new(|_| unavailable(120)),
            "/health" => Driver::with_nothing_to_pull(|_| unavailable(120)),
            _ => Driver::with_items(usize::from(path == "/push"), |_| unavailable(120)),
        };
        driver.run_with_wakes(60_000);
        assert_eq!(driver.sent.iter().map(|sent| sent.path).collect::<Vec<_>>(), [path]);
    }
}

#[test]
fn f45_no_live_connection_is_opened_within_a_wait_that_the_server_asked_for() {
    let mut driver = Driver::with_items(1, |_| unavailable(120));
    driver.run_for(1_000);
    assert_eq!(driver.uplink.poll_live(true, &driver.slices, Tick(driver.now)), None);
    driver.restart();
    assert_eq!(driver.uplink.poll_live(true, &driver.slices, Tick(driver.now)), None);
    driver.server = Box::new(accept);
    driver.run_for(200_000);
    assert_eq!(driver.uplink.poll_live(true, &driver.slices, Tick(driver.now)), Some(LiveStep::Open(1)));
}

#[test]
fn f45_a_session_that_is_over_costs_one_push_and_then_small_requests() {
    let mut driver = Driver::with_items(500, |sent| match sent.path {
        "/health" => accept(sent),
        _ => error(401, "unauthenticated"),
    });
    driver.run_with_wakes(60_000);
    assert_eq!(driver.sent.len(), 1);
    let first = driver.bytes();
    driver.run_with_wakes(1_800_000);
    assert!(driver.sent.len() < 20 && driver.bytes() < first + 5_000, "{} bytes", driver.bytes());
    assert!(driver.withdrawn().is_empty(), "nobody's change is at fault");
    driver.server = Box::new(accept);
    driver.run_with_wakes(400_000);
    assert_eq!(driver.applied().len(), 500);
}

#[test]
fn an_answer_that_only_a_person_can_change_takes_no_push_apart() {
    for reply in [|| error(403, "wrong_principal"), || error(401, "unauthenticated"), || error(409, "other")]
    {
        let mut driver = Driver::with_items(3, no_push(move |_| reply()));
        driver.run_with_wakes(1_800_000);
        assert!(driver.withdrawn().is_empty());
        assert!(driver.pushes().len() <= 31, "{} pushes", driver.pushes().len());
    }
}

#[test]
fn a_push_of_a_lost_history_is_taken_back_and_none_is_chosen_before_the_end_of_the_rebuild() {
    let mut driver = Driver::with_items(3, no_push(|_| error(410, "history_changed")));
    driver.run_with_wakes(600_000);
    assert_eq!((driver.pushes().len(), driver.withdrawn().len()), (1, 3));
    assert!(driver.uplink.rebuilt().is_some(), "the pages of the rebuild have come");
    driver.server = Box::new(accept);
    driver.uplink.end_rebuild();
    driver.run_with_wakes(400_000);
    assert_eq!(driver.applied().len(), 3);
}

#[test]
fn a_server_that_answers_every_request_with_410_is_asked_seldom() {
    let mut driver = Driver::with_items(3, |_| error(410, "history_changed"));
    driver.run_with_wakes(600_000);
    assert!(driver.sent.len() <= 30, "{} requests", driver.sent.len());
}

// Invariants 4 and 5: a push that fails while the server answers other requests.

#[test]
fn f46_a_push_that_fails_while_health_is_fine_shrinks_and_comes_seldom() {
    for reply in [|| html(200), || error(503, "unavailable"), || html(502)] {
        let mut driver = Driver::with_items(400, no_push(move |_| reply()));
        driver.run_with_wakes(60_000);
        let sizes: Vec<usize> = driver.pushes().iter().map(|sent| sent.ids().len()).collect();
        assert!(sizes.len() <= 12, "{sizes:?}");
        assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0]), "{sizes:?}");
        driver.run_with_wakes(1_800_000);
        assert!(driver.pushes().len() < 60, "{} pushes", driver.pushes().len());
        assert!(driver.connections.len() <= 3, "{:?}", driver.connections);
    }
}

#[test]
fn f46_the_connection_is_steady_though_one_item_is_all_there_is() {
    let mut driver = Driver::with_items(1, no_push(|_| error(503, "unavailable")));
    driver.run_with_wakes(1_800_000);
    assert!(driver.connections.len() <= 3, "{:?}", driver.connections);
    assert!(driver.uplink.error().is_some());
}

fn without(id: &'static str) -> Server {
    no_push(move |sent| if sent.has(id) { html(403) } else { accept(sent) })
}

#[test]
fn f47_a_change_that_a_firewall_blocks_waits_alone_and_all_others_arrive() {
    let mut driver = Driver::with_items(21, without("7"));
    driver.run_for(30_000);
    assert_eq!(driver.applied().len(), 20);
    assert!(driver.uplink.operations().is_empty());
    assert!(driver.uplink.error().unwrap().1.contains("\"7\""), "{:?}", driver.uplink.error());
    driver.put("later", 10);
    driver.run_for(100);
    assert!(driver.applied().contains(&"later"));
}

#[test]
fn f47_an_edit_of_the_declined_change_is_tried_at_once() {
    let mut driver = Driver::with_items(21, without("7"));
    driver.run_for(30_000);
    driver.server = Box::new(accept);
    driver.put("7", 20);
    driver.run_for(100);
    assert!(driver.applied().contains(&"7"));
    assert_eq!(driver.uplink.error(), None);
}

#[test]
fn f47_what_was_deleted_leaves_a_push_that_keeps_failing() {
    let mut driver = Driver::with_items(
        3,
        no_push(|sent| match sent.has("1") && sent.bytes > 500 {
            true => error(503, "unavailable"),
            false => accept(sent),
        }),
    );
    driver.run_for(3_000);
    driver.delete("1");
    driver.run_for(60_000);
    for id in ["0", "1", "2"] {
        assert!(driver.applied().contains(&id), "{id}: {:?}", driver.recorded);
    }
}

#[test]
fn a_declined_change_that_is_undone_is_not_named_any_more() {
    let mut driver = Driver::with_items(1, accept);
    driver.run_for(100);
    driver.server = without("0");
    let before = driver.replica.visible(&Key::new("notes", "0")).unwrap().clone();
    driver.put("0", 30);
    driver.run_for(30_000);
    assert!(driver.uplink.error().is_some());
    driver.edit("0", Change::Put(before));
    driver.put("other", 10);
    driver.run_for(5_000);
    assert!(driver.applied().contains(&"other"));
    assert_eq!(driver.uplink.error(), None);
}

#[test]
fn halving_finds_each_of_several_declined_changes() {
    let declines = |sent: &Sent| ["3", "4", "19"].iter().any(|id| sent.has(id));
    let mut driver =
        Driver::with_items(20, no_push(move |sent| if declines(sent) { html(403) } else { accept(sent) }));
    driver.run_for(60_000);
    assert_eq!(driver.applied().len(), 17);
    assert_eq!(driver.withdrawn(), ["3", "4", "19"]);
}

#[test]
fn a_server_that_fails_at_one_change_is_asked_once_more_before_halving() {
    let mut driver = Driver::with_items(
        2,
        no_push(|sent| match sent.has("1") {
            true => error(500, "internal"),
            false => accept(sent),
        }),
    );
    driver.run_for(60_000);
    let sizes: Vec<usize> = driver.pushes().iter().map(|sent| sent.ids().len()).take(3).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!((driver.applied(), driver.withdrawn()), (vec!["0"], vec!["1"]));
}

// Invariant 6.

#[test]
fn a_declined_change_is_tried_again_alone_at_a_growing_pace() {
    let mut driver = Driver::with_items(2, without("1"));
    driver.run_for(4_000_000);
    let alone: Vec<u64> =
        driver.pushes().iter().filter(|sent| sent.ids() == ["1"]).map(|sent| sent.at).collect();
    let gaps: Vec<u64> = alone.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 4, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2), "{gaps:?}");
}

#[test]
fn f45_an_answer_that_changes_nothing_is_no_reason_to_send_the_same_again_at_once() {
    let mut driver = Driver::with_items(2, accept);
    driver.run_for(1_000);
    driver.put("0", 10);
    driver.put("1", 10);
    // A server of which a proxy repeats old answers.
    driver.server = no_push(|sent| {
        let old = |id: &str| json!({"slice": "notes", "id": id, "status": "applied", "version": 5});
        let results: Vec<Value> = sent.ids().into_iter().map(old).collect();
        good(&json!({"principal": "ann", "version": null, "results": results}))
    });
    let before = driver.sent.len();
    driver.run_for(600_000);
    assert!((2..=60).contains(&(driver.sent.len() - before)), "{}", driver.sent.len() - before);
    // Others go meanwhile, and these once the server is well.
    driver.server = Box::new(accept);
    driver.put("2", 10);
    driver.run_for(1_000);
    assert!(driver.applied().contains(&"2"));
    driver.run_for(120_000);
    assert!(!driver.replica.has_unsent(&driver.slices));
}

#[test]
fn a_declined_change_does_not_go_with_the_success_of_another() {
    let mut driver = Driver::with_items(2, without("1"));
    driver.run_for(10_000);
    let before = driver.pushes().iter().filter(|sent| sent.has("1")).count();
    driver.put("2", 10);
    driver.run_for(1_000);
    assert_eq!(driver.pushes().iter().filter(|sent| sent.has("1")).count(), before);
}

#[test]
fn f50_after_an_outage_the_first_success_lets_all_others_go() {
    let mut driver = Driver::with_items(1, |_| Reply::Broken);
    for id in 1..10 {
        driver.run_for(15_000);
        driver.put(&id.to_string(), 10);
    }
    driver.run_for(15_000);
    driver.server = Box::new(accept);
    let healed = driver.sent.len();
    let healed_at = driver.now;
    driver.run_for(300_000);
    assert_eq!(driver.applied().len(), 10);
    let after = &driver.sent[healed..];
    assert!(after.last().unwrap().at - after[0].at < 100, "{after:?}");
    assert!(after.len() <= 3 && after[0].at > healed_at, "health, what was under way, the rest");
}

#[test]
fn f50_what_waits_alone_for_a_failing_server_goes_with_the_first_success() {
    let mut driver = Driver::with_items(3, no_push(|_| error(503, "unavailable")));
    driver.run_for(300_000);
    assert!(!driver.withdrawn().is_empty());
    driver.server = Box::new(accept);
    let healed = driver.pushes().len();
    driver.run_for(300_000);
    assert_eq!(driver.applied().len(), 3);
    let after: Vec<u64> = driver.pushes()[healed..].iter().map(|sent| sent.at).collect();
    assert!(after.last().unwrap() - after[0] < 100, "{after:?}");
}

// Invariant 7.

/// A line that carries so many bytes a second.
fn slow(rate: u64) -> Server {
    Box::new(move |sent| match accept(sent) {
        Reply::Answer { response, .. } => {
            Reply::Answer { ms: 50 + sent.bytes as u64 * 1_000 / rate, response }
        }
        other => other,
    })
}

#[test]
fn f48_on_a_slow_line_everything_arrives_in_smaller_parts() {
    let mut driver = Driver::with_items(0, slow(10_000));
    for id in 0..300 {
        driver.put(&id.to_string(), 4_000);
    }
    driver.run_for(30_000);
    assert!(driver.uplink.error().unwrap().1.contains("slow"), "{:?}", driver.uplink.error());
    driver.run_for(570_000);
    assert_eq!(driver.applied().len(), 300);
    let large = driver.pushes().iter().filter(|sent| sent.bytes > 300_000).count();
    assert!(large <= 3, "{large} pushes that such a line cannot carry in their time");
    assert!(driver.bytes() < 3_500_000, "{} bytes for 1.2 MB", driver.bytes());
}

#[test]
fn f49_requests_stay_below_a_million_bytes_and_what_413_taught_is_remembered() {
    let too_large = |sent: &Sent| if sent.bytes > 300_000 { html(413) } else { accept(sent) };
    let mut driver = Driver::with_items(0, no_push(too_large));
    for id in 0..500 {
        driver.put(&id.to_string(), 6_000);
    }
    driver.run_for(60_000);
    assert_eq!(driver.applied().len(), 500);
    assert!(driver.sent.iter().all(|sent| sent.bytes < 1_000_000));
    assert_eq!(
        driver.sent.iter().filter(|sent| sent.bytes > 300_000).count(),
        2,
        "1 MB, 0.5 MB, never again"
    );
    driver.restart();
    for id in 500..700 {
        driver.put(&id.to_string(), 6_000);
    }
    driver.run_for(60_000);
    assert_eq!(driver.sent.iter().filter(|sent| sent.bytes > 300_000).count(), 2);
}

#[test]
fn f49_a_request_stays_below_the_limit_with_its_envelope() {
    let mut driver = Driver::with_items(0, accept);
    driver.uplink.line = Line::with_limit(20_000);
    for id in 0..60 {
        driver.put(&format!("\u{1}{id}"), 700);
    }
    driver.run_for(10_000);
    assert_eq!(driver.applied().len(), 60);
    assert!(
        driver.sent.iter().all(|sent| sent.bytes <= 20_000),
        "{:?}",
        driver.sent.iter().map(|sent| sent.bytes).max()
    );
}

#[test]
fn f49_one_item_that_is_too_large_is_named_with_its_size() {
    let too_large = |sent: &Sent| if sent.bytes > 1_048_576 { html(413) } else { accept(sent) };
    let mut driver = Driver::with_items(3, no_push(too_large));
    driver.put("big", 2_000_000);
    driver.run_for(10_000);
    assert_eq!(driver.applied(), ["0", "1", "2"]);
    let error = driver.uplink.error().unwrap().1;
    assert!(error.contains("\"big\"") && error.contains("2000"), "{error}");
}

// Invariant 8.

#[test]
fn answers_are_never_merged_with_the_next_push() {
    let mut driver = Driver::with_items(1, |_| Reply::Silence);
    driver.run_for(1);
    driver.put("0", 20);
    let Reply::Answer { response, .. } = accept(&driver.sent[0].clone()) else { unreachable!() };
    let now = driver.now();
    let outcome = driver.uplink.answered(
        driver.last_request,
        Reception::Some(Ok(response)),
        &driver.slices,
        now,
        &mut Rng(1),
    );
    let Some(Outcome::Answers { with, .. }) = outcome else { panic!("{outcome:?}") };
    let [write] = &with[..] else { panic!("{with:?}") };
    let mut store = MemoryStore::default();
    store.apply(std::slice::from_ref(write)).unwrap();
    let left = PushRow::read(&store.snapshot().meta[0].1).unwrap();
    assert!(left.operations.is_empty(), "only what is left of the push, and its numbers");
    assert_eq!(left.n, PushNo(1));
}

#[test]
fn nothing_is_chosen_before_the_last_answers_are_in_effect() {
    let mut driver = Driver::with_items(1, accept);
    driver.may_choose = false;
    driver.run_for(1_000);
    assert!(driver.sent.is_empty());
    driver.may_choose = true;
    driver.run_for(1_000);
    assert_eq!(driver.applied(), ["0"]);
}

#[test]
fn a_push_under_way_goes_on_though_nothing_may_be_chosen() {
    let mut driver = Driver::with_items(1, |_| Reply::Broken);
    driver.run_for(10);
    driver.may_choose = false;
    driver.server = Box::new(accept);
    driver.run_for(2_000);
    assert_eq!(driver.applied(), ["0"]);
}

#[test]
fn the_first_request_of_a_device_asks_whose_it_is() {
    let mut driver = Driver::new(accept);
    driver.put("0", 10);
    driver.run_for(1_000);
    let paths: Vec<_> = driver.sent.iter().map(|sent| sent.path).collect();
    assert_eq!(paths, ["/pull", "/push"]);
    assert_eq!(driver.pushes()[0].body["principal"], "ann");
}
