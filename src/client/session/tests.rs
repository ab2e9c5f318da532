use super::*;
use crate::bridge::to_worker::{Body, ToWorker};
use std::ops::{Deref, DerefMut};

/// A session with a count of its requests.
struct Page(Session<String>, u64);

impl Deref for Page {
    type Target = Session<String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Page {
    fn new(page: &str) -> Page {
        Page(Session::new(page), 0)
    }

    fn register(&mut self, now: u64, slices: &str, auto_sync: &str) -> (u64, Message<String>) {
        self.1 += 1;
        (self.1, self.0.register(now, self.1, slices, auto_sync))
    }

    fn request(&mut self, now: u64, kind: &str, subject: Subject<'_>) -> (u64, Message<String>) {
        self.1 += 1;
        (self.1, self.0.request(now, self.1, kind, subject))
    }

    fn burst(&mut self, now: u64, actions: String) -> Option<Message<String>> {
        self.0.burst(now, actions).1
    }
}

fn text(message: &Message<String>) -> String {
    match message {
        Message::Text(text) => text.clone(),
        Message::Burst { before, burst } => format!("{before}{burst}}}"),
    }
}

fn ns(messages: &[Message<String>]) -> Vec<u64> {
    let n = |message| match ToWorker::read(&text(message)).unwrap().body {
        Body::Actions { n, .. } => Some(n.0),
        _ => None,
    };
    messages.iter().filter_map(n).collect()
}

/// Lets the time of the next try come.
fn tick(session: &mut Page) -> Vec<Message<String>> {
    let at = session.deadline().unwrap();
    session.tick(at)
}

fn session() -> Page {
    let mut session = Page::new("p");
    let (request, message) = session.register(0, r#"{"files":{}}"#, "{}");
    assert!(matches!(ToWorker::read(&text(&message)).unwrap().body, Body::Register { .. }));
    session.registered(0, request, "e");
    session
}

#[test]
fn bursts_wait_until_the_page_is_registered() {
    let mut session = Page::new("p");
    assert_eq!(session.burst(0, "[1]".into()), None);
    let (request, _) = session.register(0, "{}", "{}");
    assert_eq!(session.burst(0, "[2]".into()), None);
    let sent = session.registered(5, request, "e");
    assert_eq!(ns(&sent), [1, 2]);
    let Body::Actions { epoch, actions, .. } = ToWorker::read(&text(&sent[1])).unwrap().body else {
        panic!()
    };
    assert_eq!((&*epoch, &*actions), ("e", "[2]"));
}

#[test]
fn unacknowledged_bursts_are_resent_to_a_restarted_or_silent_worker() {
    let mut session = session();
    for n in 1..=3 {
        session.burst(0, format!("[{n}]")).unwrap();
    }
    session.acknowledged(0, BurstNo(1));
    assert_eq!(ns(&session.hello(10)), [2, 3]);
    assert_eq!(ns(&session.expected(10, BurstNo(3))), [3]);
    assert_eq!(session.tick(500), []);
    let at = session.deadline().unwrap();
    assert_eq!(ns(&session.tick(at)), [2, 3]);
    assert!(session.deadline().unwrap() > at + 1_000, "the wait grows");
    session.acknowledged(0, BurstNo(3));
    session.status(0, false, None);
    assert_eq!((session.deadline(), session.at_rest()), (None, true));
}

#[test]
fn a_stale_page_registers_once_and_resends_its_bursts() {
    let mut session = session();
    session.burst(0, "[1]".into());
    session.burst(0, "[2]".into());
    let messages = session.stale(1);
    assert_eq!((messages.len(), session.stale(1).len()), (1, 0));
    assert_eq!(ns(&session.registered(2, 1, "other")), [1, 2]);
}

/// A burst that follows `register` may belong to the new slices. A restarted worker must not receive it before them.
#[test]
fn bursts_wait_while_more_slices_are_registered() {
    let mut session = session();
    session.burst(0, "[1]".into()).unwrap();
    let (more, _) = session.register(0, r#"{"files":{},"notes":{}}"#, "{}");
    assert_eq!(session.burst(0, "[2]".into()), None);
    let again = session.hello(1);
    assert_eq!(ns(&again).len(), 0);
    assert!(matches!(ToWorker::read(&text(&again[0])).unwrap().body, Body::Register { .. }));
    assert_eq!(ns(&session.registered(2, more, "e")), [1, 2]);
    // Both registrations are repeated to another database.
    assert_eq!(session.stale(3).len(), 1);
    let Body::Register { slices, .. } =
        ToWorker::read(&text(&session.registered(4, 1, "other")[0])).unwrap().body
    else {
        panic!()
    };
    assert!(slices.contains("notes"), "{slices}");
}

/// f10: a page that is closed while it registers more slices loses no changes.
#[test]
fn f10_a_closing_page_sends_its_bursts_without_waiting_for_a_registration() {
    let mut session = session();
    session.register(0, r#"{"files":{},"notes":{}}"#, "{}");
    assert_eq!(session.burst(0, "[1]".into()), None);
    let sent = session.on_page_hide(0);
    assert_eq!(ns(&sent), [1]);
    assert!(matches!(ToWorker::read(&text(sent.last().unwrap())).unwrap().body, Body::Hidden));
    assert_eq!(session.burst(0, "[2]".into()), None);
    // A page that was never registered has no database to send bursts to.
    let mut unregistered = Page::new("p");
    unregistered.register(0, "{}", "{}");
    unregistered.burst(0, "[1]".into());
    assert_eq!(ns(&unregistered.on_page_hide(0)).len(), 0);
}

/// Each registration has settings of its own, even for a slice that another one named.
#[test]
fn registrations_are_repeated_in_order_to_another_database() {
    let mut session = session();
    let (more, _) = session.register(0, r#"{"files":{"debounceMs":5}}"#, "{}");
    session.registered(0, more, "e");
    session.burst(0, "[1]".into());
    let slices = |messages: &[Message<String>]| match ToWorker::read(&text(&messages[0])).unwrap().body {
        Body::Register { slices, .. } => slices.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(slices(&session.stale(1)), r#"{"files":{}}"#);
    let next = session.registered(2, 1, "other");
    assert_eq!((next.len(), &*slices(&next)), (1, r#"{"files":{"debounceMs":5}}"#));
    assert_eq!(ns(&session.registered(3, more, "other")), [1]);
    // A further change of the database begins with the first registration again.
    assert_eq!(slices(&session.stale(4)), r#"{"files":{}}"#);
}

#[test]
fn a_failed_registration_is_not_repeated_and_delays_nothing() {
    let mut session = session();
    let (wrong, _) = session.register(0, r#"{"no spaces":{}}"#, "{}");
    session.burst(0, "[1]".into());
    session.answered(wrong);
    let at = session.deadline().unwrap();
    assert_eq!(ns(&session.tick(at)), [1]);
    let Body::Register { slices, .. } = ToWorker::read(&text(&session.stale(at)[0])).unwrap().body else {
        panic!()
    };
    assert_eq!(&*slices, r#"{"files":{}}"#);
}

/// An app gives up on a registration if the worker cannot start, and may then register other slices.
#[test]
fn an_unanswered_registration_is_dropped_by_the_next() {
    let mut session = Page::new("p");
    session.register(0, r#"{"files":{}}"#, "{}");
    let (next, _) = session.register(0, r#"{"notes":{}}"#, "{}");
    assert_eq!(session.registered(1, next, "e"), []);
    assert!(session.at_rest());
    assert!(text(&session.stale(2)[0]).contains("notes"));
}

#[test]
fn positions_are_forgotten_with_another_database() {
    let mut session = session();
    session.observe(7);
    assert!(!session.is_another("e"));
    session.burst(0, "[1]".into());
    session.stale(1);
    assert!(session.is_another("other"));
    let again = session.registered(2, 1, "other");
    assert!(text(&again[0]).contains(r#""epoch":"other""#) && text(&again[0]).contains(r#""seen":0,"#));
    assert!(!session.is_another("other"));
}

#[test]
fn a_resent_burst_keeps_the_position_observed_when_it_was_made() {
    let seen = |messages: &[Message<String>]| -> Vec<_> {
        let bodies = messages.iter().map(|message| ToWorker::read(&text(message)).unwrap().body);
        bodies
            .filter_map(|body| match body {
                Body::Actions { seen, .. } => Some(seen.0),
                _ => None,
            })
            .collect()
    };
    let mut session = session();
    session.burst(0, "[1]".into());
    session.observe(7);
    session.observe(5);
    session.burst(0, "[2]".into());
    session.observe(9);
    assert_eq!(seen(&session.hello(1)), [0, 7]);
    session.stale(1);
    assert_eq!(seen(&session.registered(2, 1, "other")), [0, 0], "positions of another database");
}

/// f07: a restarted worker may receive a flush before the bursts that its former instance lost.
#[test]
fn f07_a_request_names_the_burst_before_it() {
    let after = |message: &Message<String>| match ToWorker::read(&text(message)).unwrap().body {
        Body::Flush { after, .. } => after,
        other => panic!("{other:?}"),
    };
    let mut session = session();
    session.burst(0, "[1]".into());
    session.burst(0, "[2]".into());
    let (request, flush) = session.request(0, "flush", Subject::default());
    session.burst(0, "[3]".into());
    assert_eq!(after(&flush), 2);
    let again = session.hello(1);
    assert_eq!((ns(&again), after(&again[3])), (vec![1, 2, 3], 2));
    session.acknowledged(2, BurstNo(2));
    assert_eq!(after(&session.hello(3)[1]), 0, "a request does not wait for durable bursts");
    session.answered(request);
}

/// The worker may die between an acknowledgement and the status that reports pending work.
#[test]
fn an_acknowledgement_starts_heartbeats_until_the_next_status() {
    let mut session = session();
    session.burst(0, "[1]".into());
    session.acknowledged(5, BurstNo(1));
    assert_eq!(session.deadline(), Some(10_005));
    assert_eq!(session.tick(10_005).len(), 1);
    session.status(10_006, false, None);
    assert_eq!(session.deadline(), None);
}

#[test]
fn heartbeats_are_sent_while_work_is_unfinished_and_for_the_next_sync() {
    let mut session = session();
    session.status(0, true, Some(30_000));
    assert_eq!(session.tick(10_000).len(), 1);
    assert_eq!(session.tick(20_000).len(), 1, "repeated until the worker answers");
    session.status(20_001, false, Some(5_000));
    assert_eq!(session.deadline(), Some(25_001));
    session.status(25_001, false, None);
    assert_eq!(session.deadline(), None);
}

#[test]
fn a_registration_names_the_device_and_a_request_its_item() {
    let mut session = Page::new("p");
    session.name_device("Ann's tablet");
    let (_, message) = session.register(0, "{}", "{}");
    let Body::Register { device, .. } = ToWorker::read(&text(&message)).unwrap().body else { panic!() };
    assert_eq!(device.as_deref(), Some("Ann's tablet"));
    let subject = Subject { slice: Some("files"), id: Some("a"), ..Subject::default() };
    let (_, message) = session.request(0, "synced", subject);
    let Body::Synced { slice, id, .. } = ToWorker::read(&text(&message)).unwrap().body else { panic!() };
    assert_eq!((&*slice, id.as_deref()), ("files", Some("a")));
}

/// Of the second slice the page shows nothing yet, though it has read the first one.
#[test]
fn a_page_that_is_still_reading_a_slice_has_not_seen_what_the_others_have() {
    let seen = |session: &mut Page| {
        let burst = session.burst(0, "[1]".into()).unwrap();
        let Body::Actions { seen, .. } = ToWorker::read(&text(&burst)).unwrap().body else { panic!() };
        seen.0
    };
    let mut session = session();
    session.observe(3);
    let (first, _) = session.request(0, "hydrate", Subject { slice: Some("files"), ..Subject::default() });
    let (second, _) = session.request(0, "hydrate", Subject { slice: Some("notes"), ..Subject::default() });
    session.observe(7);
    session.answered(first);
    assert_eq!(seen(&mut session), 3);
    session.observe(7);
    session.answered(second);
    assert_eq!(seen(&mut session), 7);
}

/// Invariants of a page whose worker was replaced by that of another user, or of another name.
#[test]
fn at_another_places_worker_all_is_kept_until_its_own_is_back() {
    let mut session = session();
    session.set_place("nightferry~ann");
    session.burst(0, "[1]".into()).unwrap();
    assert!(session.elsewhere(10), "the first refusal is news");
    assert!(!session.elsewhere(11));
    assert_eq!(session.burst(12, "[2]".into()), None);
    let at = session.deadline().unwrap();
    assert!(at >= 10 + MAX_RETRY_MS);
    let asked: Vec<String> = session.tick(at).iter().map(text).collect();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].contains(r#""kind":"ping""#) && asked[0].contains(r#""place":"nightferry~ann""#),
        "{}",
        asked[0]
    );
    // Whichever message comes first.
    assert_eq!(ns(&session.back(at)), [1, 2]);
    assert_eq!(session.back(at), []);
    assert!(session.joined(0), "what it asked for was refused, so it may have missed something");
    assert!(!session.joined(0));
    session.elsewhere(at);
    assert_eq!(ns(&session.hello(at)), [1, 2]);
    session.elsewhere(at);
    let (request, _) = session.register(at, "{}", "{}");
    assert_eq!(ns(&session.registered(at, request, "e")), [1, 2]);
}

/// Silence is told once, and everything but bursts and the registration comes to nothing.
#[test]
fn a_silent_worker_is_told_of_once_and_bursts_are_kept() {
    let mut session = session();
    session.burst(0, "[1]".into()).unwrap();
    let (flush, _) = session.request(0, "flush", Subject::default());
    let (now, ended) = loop {
        let now = session.deadline().unwrap();
        session.tick(now);
        if let Some(ended) = session.take_silence(now) {
            break (now, ended);
        }
    };
    assert!((SILENT_MS..40_000).contains(&now), "{now}");
    assert_eq!(ended, [flush]);
    assert_eq!(session.take_silence(now), None);
    assert_eq!(ns(&tick(&mut session)), [1]);
    assert!(session.note_answer() && !session.note_answer());
}

/// A worker that hangs after it has acknowledged everything owes answers to the page's heartbeats.
#[test]
fn silence_is_noticed_by_heartbeats_alone() {
    let mut session = session();
    session.burst(0, "[1]".into()).unwrap();
    session.acknowledged(10, BurstNo(1));
    let mut now = 10;
    while session.take_silence(now).is_none() {
        now = session.deadline().unwrap();
        session.tick(now);
        assert!(now < 60_000, "it is noticed within a minute");
    }
}

/// A page whose registration was refused has nothing to wait for.
#[test]
fn what_cannot_be_posted_is_not_owed() {
    let mut session = Page::new("p");
    assert_eq!(session.burst(0, "[1]".into()), None);
    assert_eq!(session.deadline(), None);
}

#[test]
fn signing_out_ends_everything_but_the_numbers() {
    let mut session = session();
    session.burst(0, "[1]".into()).unwrap();
    let (flush, _) = session.request(0, "flush", Subject::default());
    let (sign_out, _) = session.request(0, "signOut", Subject::default());
    assert_eq!(session.signed_out("another"), None);
    assert_eq!(session.signed_out("e"), Some((vec![sign_out], vec![flush])));
    assert!(session.at_rest() && session.deadline().is_none());
    // The next burst is of nobody yet.
    assert_eq!(session.burst(5, "[2]".into()), None);
}
