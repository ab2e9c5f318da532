use super::*;
use std::collections::BTreeSet;

struct Test;

impl Types for Test {
    type Action = &'static str;
    type Burst = Vec<&'static str>;
    type Ids = Set;
    type Message = &'static str;
}

/// The ids of items.
type Set = BTreeSet<&'static str>;

fn set<const N: usize>(ids: [&'static str; N]) -> Set {
    BTreeSet::from(ids)
}

struct Page {
    client: Client<Test>,
    now: u64,
}

impl Page {
    fn new() -> Page {
        Page { client: Client::new("p"), now: 1_000 }
    }

    /// A page whose call 1 was granted.
    fn registered() -> Page {
        let mut page = Page::new();
        page.register("nightferry");
        page.client.connected(page.now, Ok(()));
        page.receive("registered", Some(1));
        page.outputs();
        page
    }

    fn register(&mut self, name: &str) -> u64 {
        let number = self.client.next_number();
        let place = Addresses { name: name.into(), ..Addresses::default() };
        let call = Call { place, slices: "{}".into(), auto_sync: "{}".into(), ..Call::default() };
        self.client.register(self.now, number, call);
        number
    }

    fn ask(&mut self, kind: &str, slice: Option<&str>) -> u64 {
        let number = self.client.next_number();
        self.client.ask(self.now, number, kind, Subject { slice, ..Subject::default() });
        number
    }

    fn dispatch(&mut self, action: &'static str) {
        self.client.dispatch(self.now, action, 1, false);
    }

    fn tell(&mut self, head: Head<'_>) {
        self.client.handle_message(self.now, &Head { epoch: Some("e"), ..head }, "message");
    }

    fn receive(&mut self, kind: &str, request: Option<u64>) {
        self.tell(Head { kind, request, ..Head::default() });
    }

    fn failed(&mut self, request: Option<u64>, code: &str) {
        self.tell(Head { kind: "failed", request, code: Some(code), ..Head::default() });
    }

    fn changed(&mut self, position: u64, puts: Set, deletes: Set, change: &'static str) {
        self.client.note_change("files", position, &puts, &deletes, &change);
        let (kind, position) = ("changed", Some(position));
        self.client.handle_message(self.now, &Head { kind, position, ..Head::default() }, change);
    }

    fn rows(&mut self, request: u64, position: u64) {
        let (kind, request, position) = ("rows", Some(request), Some(position));
        self.tell(Head { kind, request, position, ..Head::default() });
    }

    /// What the page is asked to do, in words.
    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll()).filter_map(words).collect()
    }
}

fn words(output: Output<Test>) -> Option<String> {
    Some(match output {
        Output::Post(Message::Burst { burst, .. }) => format!("burst {}", burst.join(" ")),
        Output::Post(Message::Text(text)) => {
            let (_, kind) = text.split_once("\"kind\":\"")?;
            format!("post {}", kind.split('"').next()?)
        }
        Output::PostSoon | Output::Lists | Output::LookForUpdate | Output::Deliver { .. } => return None,
        Output::Connect(number, _) => format!("connect {number}"),
        Output::Claim(number) => format!("claim {number}"),
        Output::Answer { request, is_granted, .. } => format!("answer {request} {is_granted}"),
        Output::Fail { request, why } => format!("fail {request} {}", why.code),
        Output::Rows { request, rows, actions } => {
            format!(
                "rows {request} {} newer, {} parts, {actions} actions",
                rows.newer.len(),
                rows.messages.len()
            )
        }
        Output::CaughtUp { slice, rows } => format!("caught up {slice} {} newer", rows.newer.len()),
        Output::Gone { slice, ids } => format!("gone {slice} {ids:?}"),
        Output::Resync(reason) => format!("resync {reason:?}"),
        Output::NoStatus(why) => format!("no status {}", why.code),
        Output::Report(why) => format!("report {}", why.code),
    })
}

#[test]
fn actions_and_requests_wait_for_calls_of_register() {
    let mut page = Page::new();
    assert_eq!(page.client.check("dispatch").unwrap_err().code, "not_registered");
    page.register("nightferry");
    assert_eq!(page.client.check("dispatch"), Ok(()));
    page.dispatch("a");
    page.client.post(page.now);
    let flush = page.ask("flush", None);
    assert_eq!(page.outputs(), ["connect 1"]);
    page.client.connected(page.now, Ok(()));
    assert_eq!(page.outputs(), ["post register"]);
    page.receive("registered", Some(1));
    assert_eq!(page.outputs(), ["burst a", "answer 1 true", "post flush"]);
    page.receive("done", Some(flush));
    assert_eq!(page.outputs(), ["answer 2 true"]);
}

#[test]
fn calls_run_one_after_the_other_and_each_fails_for_its_own_mistakes() {
    let mut page = Page::registered();
    let (wrong, other, right) =
        (page.register("nightferry"), page.register("other"), page.register("nightferry"));
    let flush = page.ask("flush", None);
    assert_eq!(page.outputs(), ["post register"]);
    page.failed(Some(wrong), "bad_config");
    assert_eq!(
        page.outputs(),
        [format!("fail {wrong} bad_config"), format!("fail {other} bad_config"), "post register".into()]
    );
    assert!(page.client.is_repeated(right));
    page.receive("registered", Some(right));
    assert_eq!(page.outputs(), [format!("answer {right} true"), "post flush".into()]);
    page.receive("done", Some(flush));
}

#[test]
fn requests_fail_with_the_call_that_they_waited_for() {
    let mut page = Page::new();
    let call = page.register("nightferry");
    let flush = page.ask("flush", None);
    page.client.connected(page.now, Err(Failure::new("storage_blocked", "")));
    assert_eq!(
        page.outputs(),
        ["connect 1".into(), format!("fail {call} storage_blocked"), format!("fail {flush} storage_blocked")]
    );
    assert!(!page.client.is_repeated(call), "it may be made again");
}

/// A registration is repeated to a restarted worker: the first answer may be that it failed, and the second that it did not.
#[test]
fn a_call_that_failed_may_be_granted_after_all_but_not_to_somebody_who_has_signed_out() {
    let mut page = Page::new();
    page.register("nightferry");
    page.client.connected(page.now, Ok(()));
    page.failed(Some(1), "storage");
    page.outputs();
    assert!(page.client.check("dispatch").is_err());
    page.receive("registered", Some(1));
    assert_eq!(page.client.check("dispatch"), Ok(()));
    assert_eq!(page.outputs(), ["resync Joined"]);
    page.receive("signedOut", None);
    assert_eq!(page.client.check("dispatch").unwrap_err().code, "signed_out");
    page.receive("registered", Some(1));
    assert_eq!(page.client.check("dispatch").unwrap_err().code, "signed_out");
}

#[test]
fn what_is_told_during_a_read_is_with_its_rows_unless_they_have_it() {
    let mut page = Page::registered();
    let read = page.ask("hydrate", Some("files"));
    page.changed(5, set(["a"]), set([]), "in the rows");
    page.changed(6, set(["b"]), set([]), "newer");
    page.tell(Head { kind: "rowsPart", request: Some(read), count: 2, ..Head::default() });
    // That worker ends, and the next one begins with the first part again.
    for first in [0, 2] {
        page.tell(Head { kind: "rowsPart", request: Some(read), first, count: 2, ..Head::default() });
    }
    page.outputs();
    let (kind, request, position) = ("rows", Some(read), Some(5));
    page.tell(Head { kind, request, position, first: 4, count: 1, ..Head::default() });
    assert_eq!(page.outputs(), [format!("rows {read} 1 newer, 3 parts, 0 actions")]);
}

#[test]
fn a_set_names_the_known_ids_that_it_leaves_out() {
    let mut page = Page::registered();
    page.client.track("notes", set([]));
    assert_eq!(page.client.acts_on("notes", Effect::of("setNotes"), &set(["made"])), None, "it was not read");
    page.client.has_read("notes", &set(["1", "2", "3"]));
    page.client.acts_on("notes", Effect::of("deleteNote"), &set(["2"]));
    page.client.acts_on("notes", Effect::of("addItem"), &set(["4"]));
    page.client.note_change("notes", 1, &set([]), &set(["3"]), &"message");
    let left = page.client.acts_on("notes", Effect::of("setNotes"), &set(["4", "5"]));
    assert_eq!(left, Some(set(["1", "made"])));
    page.client.acts_on("notes", Effect::of("clearItems"), &set([]));
    assert_eq!(page.client.acts_on("notes", Effect::of("setNotes"), &set(["6"])), Some(set([])));
}

#[test]
fn a_page_that_acts_while_it_reads_again_reads_once_more() {
    let mut page = Page::registered();
    page.client.track("files", set([]));
    page.client.count_listeners("files", true);
    page.client.has_read("files", &set(["a", "b"]));
    page.changed(1, set([]), set([]), "change");
    page.outputs();
    page.tell(Head { kind: "joined", position: Some(9), ..Head::default() });
    assert_eq!(page.outputs(), ["resync Joined", "post hydrate"]);
    page.client.acts_on("files", Effect::Put, &set(["c"]));
    page.rows(2, 9);
    assert_eq!(page.outputs(), [] as [String; 0]);
    page.now = page.client.deadline().unwrap();
    page.client.tick(page.now);
    assert_eq!(page.outputs(), ["post hydrate"]);
    page.rows(3, 9);
    assert_eq!(page.outputs(), ["caught up files 0 newer"]);
    assert_eq!(page.client.caught_up("files", set(["b", "c"])), Some(set(["a"])));
}

/// The actions that are in effect with the next message for whoever listens, or the next rows.
fn next_in_effect(page: &mut Page) -> Option<u64> {
    std::iter::from_fn(|| page.client.poll()).find_map(|output| match output {
        Output::Deliver { actions, .. } => actions,
        Output::Rows { actions, .. } => Some(actions),
        _ => None,
    })
}

#[test]
fn actions_that_a_lost_database_had_taken_are_waited_for_no_more() {
    let mut page = Page::registered();
    for action in ["a", "b"] {
        page.dispatch(action);
        page.client.post(page.now);
        page.now += 100;
    }
    page.tell(Head { kind: "ack", n: Some(1), ..Head::default() });
    let epoch = Some("another");
    let registered = Head { kind: "registered", epoch, ..Head::default() };
    page.client.handle_message(page.now, &registered, "message");
    let read = page.ask("hydrate", Some("files"));
    page.outputs();
    let rows = Head { kind: "rows", request: Some(read), n: Some(0), epoch, ..Head::default() };
    page.client.handle_message(page.now, &rows, "rows");
    assert_eq!(next_in_effect(&mut page), Some(1), "b is sent to the new database, a is not");
    page.client.handle_message(page.now, &Head { kind: "folded", n: Some(2), ..Head::default() }, "folded");
    assert_eq!(next_in_effect(&mut page), Some(2));
}

#[test]
fn actions_are_in_effect_by_their_number() {
    let mut page = Page::registered();
    for actions in [&["a", "b"][..], &["c"], &["d", "e"]] {
        actions.iter().for_each(|action| page.dispatch(action));
        page.client.post(page.now);
    }
    page.outputs();
    for (n, actions) in [(0, 0), (1, 2), (1, 2), (3, 5), (2, 0)] {
        page.tell(Head { kind: "folded", n: Some(n), ..Head::default() });
        assert_eq!(next_in_effect(&mut page), Some(actions), "up to burst {n}");
    }
}

#[test]
fn signing_out_ends_requests_and_tells_what_is_gone() {
    let mut page = Page::registered();
    page.client.track("files", set([]));
    page.client.has_read("files", &set(["a"]));
    let (flush, sign_out) = (page.ask("flush", None), page.ask("signOut", None));
    page.outputs();
    page.receive("signedOut", None);
    assert_eq!(
        page.outputs(),
        [
            format!("answer {sign_out} true"),
            format!("fail {flush} signed_out"),
            "resync SignedOut".into(),
            "gone files {\"a\"}".into()
        ]
    );
}

#[test]
fn a_worker_that_is_silent_fails_the_call_which_goes_on_being_asked() {
    let mut page = Page::new();
    page.register("nightferry");
    page.client.connected(page.now, Ok(()));
    page.outputs();
    let outputs = loop {
        page.now = page.client.deadline().unwrap();
        page.client.tick(page.now);
        let outputs = page.outputs();
        if outputs.iter().any(|output| output.starts_with("fail")) {
            break outputs;
        }
        assert!(page.now < 60_000);
    };
    assert!(
        outputs.ends_with(&["fail 1 no_worker", "no status no_worker", "report no_worker"].map(String::from))
    );
    assert_eq!(page.client.check("dispatch"), Ok(()), "what is dispatched is kept for it");
    assert!(!page.client.is_repeated(1), "who calls again gets a new answer");
    page.receive("registered", Some(1));
    assert!(page.outputs().contains(&"resync Joined".into()));
    assert!(!page.client.is_repeated(1), "also once it is granted after all");
}
