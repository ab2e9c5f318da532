use super::*;
use crate::bridge::config::Slices;
use crate::engine::journal::Arriving;
use crate::engine::rng::Rng;
use crate::engine::settings::{Request, Stored};
use crate::engine::storage::Purpose;
use crate::store::Policies;
use crate::store::StoreError;
use crate::units::Millis;
use serde_json::{Value, json};

/// The machines that clients read, with a registered slice.
struct Machines {
    now: u64,
    journal: Journal,
    replica: Replica,
    uplink: Uplink,
    storage: Storage,
    settings: Settings,
    clients: Clients,
}

impl Machines {
    fn new() -> Self {
        let stored = Stored { settings: None, requeue: None, stores: vec!["notes".into()], epoch: None };
        let mut settings = Settings::recover(stored, "epoch", Tick(0)).unwrap();
        let request = Request { page: "a".into(), number: 1, registers: true };
        settings.register(request, r#"{"notes":{}}"#, None, &[]).unwrap();
        settings.stored(Tick(0)).unwrap();
        let mut machines = Machines {
            now: 1_000,
            journal: Journal::default(),
            replica: Replica::default(),
            uplink: Uplink::default(),
            storage: Storage::default(),
            settings,
            clients: Clients::default(),
        };
        for page in ["a", "b"] {
            machines.clients.meet(&page.into(), false, Position(0));
        }
        machines.with(|clients, view| clients.report(&BTreeSet::new(), view));
        machines.posted();
        machines
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Clients, View) -> T) -> T {
        let view = View {
            now: Now { tick: Tick(self.now), at: Millis(9_000 + self.now) },
            journal: &self.journal,
            replica: &self.replica,
            uplink: &self.uplink,
            storage: &self.storage,
            settings: &self.settings,
        };
        act(&mut self.clients, view)
    }

    /// Takes the messages that were posted since the last call, each with the pages that hear it.
    fn posted(&mut self) -> Vec<Value> {
        let post = |output| match output {
            Output::Post { to, message } => {
                let mut message: Value = serde_json::from_str(&message).unwrap();
                if let To::Pages(pages) = to {
                    message["to"] = json!(pages.iter().map(|page| &**page).collect::<Vec<_>>());
                }
                Some(message)
            }
            _ => None,
        };
        self.clients.take_outputs().into_iter().filter_map(post).collect()
    }

    fn kinds(&mut self) -> Vec<String> {
        self.posted().iter().map(|message| message["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// A burst of a page arrives.
    fn arrive(&mut self, page: &str, burst: u64) {
        let (page, n) = (page.into(), BurstNo(burst));
        let arriving = Arriving {
            page: &page,
            n,
            first: BurstNo(1),
            seen: Position(0),
            policies: Policies::default(),
            text: "[]",
        };
        self.journal.arrive(Millis(self.now), arriving);
    }

    fn make_durable(&mut self) {
        self.journal.append();
        let appended = self.journal.appended();
        self.clients.acknowledge(appended.acknowledged, Tick(self.now));
    }

    fn wait_for(&mut self, request: u64, wants: Wants) {
        let position = self.journal.last();
        self.clients.wait(Waiter { page: "a".into(), request, position, wants });
    }

    fn answers(&mut self) -> Vec<(String, Value)> {
        self.with(Clients::answer_waiters);
        let answer =
            |message: &Value| Some((message["kind"].as_str()?.to_owned(), message.get("request")?.clone()));
        self.posted().iter().filter_map(answer).collect()
    }
}

fn changed() -> ChangedItems {
    vec![(Key::new("notes", "x"), Some(r#"{"id":"x"}"#.into()))]
}

// Invariant 1.

#[test]
fn a_flush_is_answered_once_when_all_before_it_is_in_effect() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.wait_for(7, Wants::Flush);
    assert!(machines.answers().is_empty());
    machines.make_durable();
    assert!(machines.answers().is_empty(), "durable is not in effect");
    machines.journal.in_effect(Position(1), 0);
    assert_eq!(machines.answers(), [("done".to_owned(), json!(7))]);
    assert!(machines.answers().is_empty());
}

#[test]
fn a_sync_waits_for_the_server_too() {
    let mut machines = Machines::new();
    machines.uplink.contact();
    machines.wait_for(7, Wants::Sync);
    assert!(machines.answers().is_empty());
    machines.uplink = Uplink::default();
    assert_eq!(machines.answers(), [("done".to_owned(), json!(7))]);
}

#[test]
fn f07_who_waits_for_the_database_is_told_that_it_failed_and_why() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.wait_for(7, Wants::Flush);
    machines.wait_for(8, Wants::Sync);
    machines.clients.fail_flushes("The disk is full");
    let posted = machines.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!((&posted[0]["kind"], &posted[0]["request"]), (&json!("failed"), &json!(7)));
    assert_eq!(posted[0]["message"], "The disk is full");
    machines.clients.fail_all("It broke");
    assert_eq!(machines.posted()[0]["request"], 8);
    machines.clients.fail_all("It broke");
    assert!(machines.posted().is_empty(), "each once");
}

#[test]
fn a_check_is_answered_by_what_the_server_did() {
    for (reached, connected) in [(None, None), (Some(false), Some(false)), (Some(true), Some(true))] {
        let mut machines = Machines::new();
        machines.wait_for(7, Wants::Check);
        machines.with(|clients, view| clients.server_failed(reached, "No.", view));
        let posted = machines.posted();
        let checked = posted.iter().find(|message| message["kind"] == "checked");
        assert_eq!(checked.and_then(|message| message["connected"].as_bool()), connected);
    }
}

#[test]
fn a_read_is_answered_with_the_position_and_the_number_in_effect() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.wait_for(7, Wants::Rows("notes".into()));
    machines.wait_for(8, Wants::Rejections);
    assert!(machines.answers().is_empty());
    machines.make_durable();
    machines.journal.in_effect(Position(1), 0);
    machines.with(Clients::answer_waiters);
    let outputs = machines.clients.take_outputs();
    let rows = outputs.iter().find_map(|output| match output {
        Output::Rows { message, .. } => Some(serde_json::from_str::<Value>(message).unwrap()),
        _ => None,
    });
    let rows = rows.expect("the slice is read");
    assert_eq!((&rows["position"], &rows["n"]), (&json!(1), &json!(1)));
}

// Invariant 2.

#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.clients.post_acks(Tick(machines.now));
    machines.journal.append();
    machines.clients.post_acks(Tick(machines.now));
    assert!(machines.posted().is_empty());
    machines.make_durable();
    let posted = machines.posted();
    assert_eq!(
        (&posted[0]["kind"], &posted[0]["n"], &posted[0]["to"]),
        (&json!("ack"), &json!(1), &json!(["a"]))
    );
}

// Invariant 3.

#[test]
fn acknowledgements_that_follow_closely_are_one() {
    let mut machines = Machines::new();
    for n in 1..=5 {
        machines.arrive("a", n);
        machines.make_durable();
        machines.now += 5;
    }
    assert_eq!(machines.posted().len(), 1, "the first goes at once");
    let due = machines.clients.poll_timeout().unwrap();
    machines.clients.post_acks(due);
    let posted = machines.posted();
    assert_eq!((posted.len(), &posted[0]["n"]), (1, &json!(5)));
}

#[test]
fn the_status_is_posted_where_it_is_another_and_a_few_times_a_second() {
    let mut machines = Machines::new();
    machines.clients.touch();
    assert!(!machines.clients.is_report_due(Tick(machines.now)));
    let due = machines.clients.poll_timeout().unwrap();
    assert!(machines.clients.is_report_due(due));
    machines.now = due.0;
    machines.with(|clients, view| clients.report(&BTreeSet::new(), view));
    assert!(machines.posted().is_empty(), "it is the same");
    machines.clients.notice(Some("Something is new.".into()));
    machines.with(|clients, view| clients.report(&BTreeSet::new(), view));
    assert_eq!(machines.kinds(), ["status"]);
}

#[test]
fn the_status_is_repeated_for_who_is_new() {
    let mut machines = Machines::new();
    machines.clients.meet(&"c".into(), false, Position(4));
    assert!(machines.clients.is_report_due(Tick(machines.now)));
    machines.with(|clients, view| clients.report(&BTreeSet::new(), view));
    let posted = machines.posted();
    assert_eq!(
        (&posted[0]["kind"], &posted[0]["position"], &posted[0]["to"]),
        (&json!("joined"), &json!(4), &json!(["c"]))
    );
    assert!(posted.iter().any(|message| message["kind"] == "status"));
    machines.clients.meet(&"c".into(), false, Position(5));
    assert!(machines.posted().is_empty(), "a page joins once");
}

#[test]
fn progress_is_told_of_slices_that_are_watched() {
    let mut machines = Machines::new();
    let touched = BTreeSet::from([Key::new("notes", "x")]);
    machines.with(|clients, view| clients.report(&touched, view));
    assert!(!machines.kinds().contains(&"pending".to_owned()));
    machines.with(|clients, view| {
        clients.watch("a".into(), "notes", view.journal);
        clients.answer_waiters(view);
    });
    assert_eq!(machines.posted()[0]["reset"], true);
    machines.with(|clients, view| clients.report(&touched, view));
    let posted = machines.posted();
    assert_eq!(posted[0]["changes"], json!([{"id": "x", "state": "synced"}]));
}

// Invariant 4.

#[test]
fn a_page_hears_what_others_changed_and_not_what_it_changed_itself() {
    let mut machines = Machines::new();
    machines.clients.tell_changed(Some("a"), &[(Origin::Tab, &changed())], &machines.journal);
    let posted = machines.posted();
    assert_eq!((posted.len(), &posted[0]["to"], &posted[0]["origin"]), (1, &json!(["b"]), &json!("tab")));
}

#[test]
fn every_page_hears_what_the_server_changed() {
    let mut machines = Machines::new();
    machines.clients.tell_changed(None, &[(Origin::Server, &changed())], &machines.journal);
    assert_eq!(machines.posted().len(), 2);
}

#[test]
fn the_last_of_a_records_messages_to_a_page_says_so() {
    let mut machines = Machines::new();
    let both = [("files", "x"), ("notes", "x")].map(|(slice, id)| (Key::new(slice, id), None)).to_vec();
    let changes = [(Origin::Server, &both), (Origin::Rollback, &changed())];
    machines.clients.tell_changed(None, &changes, &machines.journal);
    let more: Vec<Value> = machines
        .posted()
        .into_iter()
        .filter(|message| message["to"] == json!(["a"]))
        .map(|message| message["more"].clone())
        .collect();
    assert_eq!(more, [json!(true), json!(true), Value::Null]);
}

#[test]
fn every_change_says_up_to_which_burst_of_its_page_it_is() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.arrive("b", 1);
    machines.make_durable();
    machines.posted();
    machines.journal.in_effect(Position(1), 0);
    // The page b has nothing unacknowledged left, but its burst is not in effect.
    machines.clients.tell_changed(None, &[(Origin::Server, &changed())], &machines.journal);
    let of: Vec<(Value, Value)> = machines
        .posted()
        .into_iter()
        .map(|message| (message["to"][0].clone(), message["n"].clone()))
        .collect();
    assert_eq!(of, [(json!("a"), json!(1)), (json!("b"), json!(0))]);
}

#[test]
fn a_page_hears_by_numbers_that_its_own_burst_took_effect() {
    let mut machines = Machines::new();
    machines.arrive("a", 1);
    machines.make_durable();
    machines.journal.in_effect(Position(1), 0);
    machines.clients.took_effect(&"a".into(), Position(1), BTreeSet::from(["notes".into()]));
    machines.clients.took_effect(&"unknown".into(), Position(1), BTreeSet::new());
    machines.posted();
    machines.with(|clients, view| clients.report(&BTreeSet::new(), view));
    let posted = machines.posted();
    let folded: Vec<&Value> = posted.iter().filter(|message| message["kind"] == "folded").collect();
    assert_eq!(folded.len(), 1, "one that has not joined reads again");
    assert_eq!((&folded[0]["position"], &folded[0]["n"]), (&json!(1), &json!(1)));
}

// Invariant 5.

#[test]
fn who_waited_for_the_server_finds_in_the_status_what_came_of_it() {
    let mut machines = Machines::new();
    let mut rng = Rng(1);
    let failure =
        crate::engine::uplink::Failure::new(crate::engine::uplink::Class::Busy, "It is busy.".into());
    machines.wait_for(7, Wants::Sync);
    let now = Now { tick: Tick(machines.now), at: Millis(1) };
    machines.uplink.failed(failure, now, &mut rng);
    machines.with(|clients, view| clients.server_failed(Some(false), "It is busy.", view));
    let posted = machines.posted();
    let place = |kind: &str| posted.iter().position(|message| message["kind"] == kind).unwrap();
    assert!(place("status") < place("failed"), "{posted:?}");
    assert_eq!(posted[place("status")]["status"]["error"], "It is busy.");
    assert_eq!(posted[place("failed")]["code"], "unreachable");
}

#[test]
fn f08_the_database_comes_first_among_what_people_are_told() {
    let mut machines = Machines::new();
    machines.storage.begin(1, Purpose::Append);
    let full = StoreError { full: true, message: "full".into() };
    machines.storage.end(1, &Err(full), Tick(0), &mut Rng(1));
    machines.clients.notice(Some("A notice.".into()));
    let error = machines.with(|clients, view| clients.status(view)).error.unwrap();
    assert!(error.contains("no room"), "{error}");
}

#[test]
fn the_last_sync_is_when_the_server_had_everything() {
    let mut machines = Machines::new();
    machines.uplink.contact();
    machines.with(Clients::reached);
    assert_eq!(machines.with(|clients, view| clients.status(view)).last_sync_time, None);
    machines.uplink = Uplink::default();
    machines.with(Clients::reached);
    assert_eq!(machines.with(|clients, view| clients.status(view)).last_sync_time, Some(10_000));
}

#[test]
fn f45_the_browser_is_asked_to_wake_the_worker_once_until_it_does() {
    let mut machines = Machines::new();
    machines.clients.request_background_sync();
    machines.clients.request_background_sync();
    let asked = |machines: &mut Machines| {
        let outputs = machines.clients.take_outputs();
        outputs.iter().filter(|output| matches!(output, Output::RequestBackgroundSync)).count()
    };
    assert_eq!(asked(&mut machines), 1);
    machines.clients.background_sync();
    machines.clients.request_background_sync();
    assert_eq!(asked(&mut machines), 1);
}

#[test]
fn nothing_registered_is_shown_as_enabled() {
    let mut machines = Machines::new();
    machines.settings = Settings::default();
    assert!(machines.settings.slices() == &Slices::default());
    assert!(machines.with(|clients, view| clients.status(view)).enabled);
}
