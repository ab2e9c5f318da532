use super::*;
use crate::bridge::up::{Body, Up};

fn text(message: &Message<String>) -> String {
    match message {
        Message::Text(text) => text.clone(),
        Message::Burst { before, burst } => format!("{before}{burst}}}"),
    }
}

fn ns(messages: &[Message<String>]) -> Vec<u64> {
    let n = |message| match Up::read(&text(message)).unwrap().body {
        Body::Actions { n, .. } => Some(n),
        _ => None,
    };
    messages.iter().filter_map(n).collect()
}

fn session() -> Session<String> {
    let mut session = Session::new("p");
    let (request, message) = session.register(0, r#"{"files":{}}"#, "{}");
    assert!(matches!(Up::read(&text(&message)).unwrap().body, Body::Register { .. }));
    session.registered(0, request, "e");
    session
}

#[test]
fn what_is_dispatched_before_registration_is_sent_after_it() {
    let mut session = Session::new("p");
    assert_eq!(session.burst(0, "[1]".into()), None);
    let (request, _) = session.register(0, "{}", "{}");
    assert_eq!(session.burst(0, "[2]".into()), None);
    let sent = session.registered(5, request, "e");
    assert_eq!(ns(&sent), [1, 2]);
    let Body::Actions { epoch, actions, .. } = Up::read(&text(&sent[1])).unwrap().body else { panic!() };
    assert_eq!((&*epoch, &*actions), ("e", "[2]"));
}

#[test]
fn unacknowledged_bursts_go_again_to_a_restarted_or_silent_worker() {
    let mut session = session();
    for n in 1..=3 {
        session.burst(0, format!("[{n}]")).unwrap();
    }
    session.acknowledged(0, 1);
    assert_eq!(ns(&session.hello(10)), [2, 3]);
    assert_eq!(ns(&session.expected(10, 3)), [3]);
    assert_eq!(session.tick(500), []);
    let at = session.deadline().unwrap();
    assert_eq!(ns(&session.tick(at)), [2, 3]);
    assert!(session.deadline().unwrap() > at + 1_000, "patience grows");
    session.acknowledged(0, 3);
    session.status(0, false, None);
    assert_eq!((session.deadline(), session.at_rest()), (None, true));
}

#[test]
fn a_stale_page_registers_once_and_sends_again() {
    let mut session = session();
    session.burst(0, "[1]".into());
    session.burst(0, "[2]".into());
    let messages = session.stale(1);
    assert_eq!((messages.len(), session.stale(1).len()), (1, 0));
    assert_eq!(ns(&session.registered(2, 1, "other")), [1, 2]);
}

/// What is dispatched after `register` may be of its slices, and a worker that was restarted would hear it first.
#[test]
fn what_is_dispatched_while_more_is_registered_waits_for_the_answer() {
    let mut session = session();
    session.burst(0, "[1]".into()).unwrap();
    let (more, _) = session.register(0, r#"{"files":{},"notes":{}}"#, "{}");
    assert_eq!(session.burst(0, "[2]".into()), None);
    let again = session.hello(1);
    assert_eq!(ns(&again).len(), 0);
    assert!(matches!(Up::read(&text(&again[0])).unwrap().body, Body::Register { .. }));
    assert_eq!(ns(&session.registered(2, more, "e")), [1, 2]);
    // To another database both are said again, the later one, too.
    assert_eq!(session.stale(3).len(), 1);
    let Body::Register { slices, .. } = Up::read(&text(&session.registered(4, 1, "other")[0])).unwrap().body
    else {
        panic!()
    };
    assert!(slices.contains("notes"), "{slices}");
}

/// f10: a page that goes while more is registered takes nothing with it.
#[test]
fn f10_a_page_that_leaves_while_it_registers_more_sends_what_it_has() {
    let mut session = session();
    session.register(0, r#"{"files":{},"notes":{}}"#, "{}");
    assert_eq!(session.burst(0, "[1]".into()), None);
    let left = session.leave(0);
    assert_eq!(ns(&left), [1]);
    assert!(matches!(Up::read(&text(left.last().unwrap())).unwrap().body, Body::Hidden));
    assert_eq!(session.burst(0, "[2]".into()), None);
    // One that is not registered at all has no database to send it to.
    let mut early = Session::new("p");
    early.register(0, "{}", "{}");
    early.burst(0, "[1]".into());
    assert_eq!(ns(&early.leave(0)).len(), 0);
}

/// Each says something of its own, also of a slice that another one named: all are said again, in their order.
#[test]
fn another_database_is_told_all_that_was_declared_one_after_the_other() {
    let mut session = session();
    let (more, _) = session.register(0, r#"{"files":{"debounceMs":5}}"#, "{}");
    session.registered(0, more, "e");
    session.burst(0, "[1]".into());
    let slices = |messages: &[Message<String>]| match Up::read(&text(&messages[0])).unwrap().body {
        Body::Register { slices, .. } => slices.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(slices(&session.stale(1)), r#"{"files":{}}"#);
    let next = session.registered(2, 1, "other");
    assert_eq!((next.len(), &*slices(&next)), (1, r#"{"files":{"debounceMs":5}}"#));
    assert_eq!(ns(&session.registered(3, more, "other")), [1]);
    // And once more, from the beginning.
    assert_eq!(slices(&session.stale(4)), r#"{"files":{}}"#);
}

#[test]
fn what_was_refused_is_not_declared_again_and_holds_nothing_up() {
    let mut session = session();
    let (wrong, _) = session.register(0, r#"{"no spaces":{}}"#, "{}");
    session.burst(0, "[1]".into());
    session.answered(wrong);
    let at = session.deadline().unwrap();
    assert_eq!(ns(&session.tick(at)), [1]);
    let Body::Register { slices, .. } = Up::read(&text(&session.stale(at)[0])).unwrap().body else {
        panic!()
    };
    assert_eq!(&*slices, r#"{"files":{}}"#);
}

/// It was given up because the worker could not start, and tried again with other slices: that counts.
#[test]
fn a_registration_that_was_never_answered_is_not_repeated_after_the_next() {
    let mut session = Session::<String>::new("p");
    session.register(0, r#"{"files":{}}"#, "{}");
    let (next, _) = session.register(0, r#"{"notes":{}}"#, "{}");
    assert_eq!(session.registered(1, next, "e"), []);
    assert!(session.at_rest());
    assert!(text(&session.stale(2)[0]).contains("notes"));
}

/// What is known of the former database says nothing about another one.
#[test]
fn another_database_has_nothing_that_was_seen() {
    let mut session = session();
    session.saw(7);
    assert!(!session.is_another("e"));
    session.burst(0, "[1]".into());
    session.stale(1);
    assert!(session.is_another("other"));
    let again = session.registered(2, 1, "other");
    assert!(text(&again[0]).contains(r#""epoch":"other""#) && text(&again[0]).contains(r#""seen":0,"#));
    assert!(!session.is_another("other"));
}

/// What the page applied after a burst was made, the burst knew nothing of.
#[test]
fn a_burst_that_is_sent_again_says_what_was_seen_when_it_was_made() {
    let seen = |messages: &[Message<String>]| -> Vec<_> {
        let bodies = messages.iter().map(|message| Up::read(&text(message)).unwrap().body);
        bodies
            .filter_map(|body| match body {
                Body::Actions { seen, .. } => Some(seen.0),
                _ => None,
            })
            .collect()
    };
    let mut session = session();
    session.burst(0, "[1]".into());
    session.saw(7);
    session.saw(5);
    session.burst(0, "[2]".into());
    session.saw(9);
    assert_eq!(seen(&session.hello(1)), [0, 7]);
    session.stale(1);
    assert_eq!(seen(&session.registered(2, 1, "other")), [0, 0], "positions of another database");
}

/// f07: a worker that was restarted may hear a flush before the bursts that were lost with the one before.
#[test]
fn f07_a_request_names_the_burst_that_it_comes_after() {
    let after = |message: &Message<String>| match Up::read(&text(message)).unwrap().body {
        Body::Flush { after, .. } => after,
        other => panic!("{other:?}"),
    };
    let mut session = session();
    session.burst(0, "[1]".into());
    session.burst(0, "[2]".into());
    let (request, flush) = session.request(0, "flush", None, None);
    session.burst(0, "[3]".into());
    assert_eq!(after(&flush), 2);
    let again = session.hello(1);
    assert_eq!((ns(&again), after(&again[3])), (vec![1, 2, 3], 2));
    session.acknowledged(2, 2);
    assert_eq!(
        after(&session.hello(3)[1]),
        0,
        "what is durable is not waited for, whatever the worker remembers"
    );
    session.answered(request);
}

/// The worker may die between an acknowledgement and the status that says what it still has to do.
#[test]
fn what_is_acknowledged_is_unfinished_until_a_status_says_otherwise() {
    let mut session = session();
    session.burst(0, "[1]".into());
    session.acknowledged(5, 1);
    assert_eq!(session.deadline(), Some(10_005));
    assert_eq!(session.tick(10_005).len(), 1);
    session.status(10_006, false, None);
    assert_eq!(session.deadline(), None);
}

#[test]
fn heartbeats_while_something_is_unfinished_and_for_the_next_sync() {
    let mut session = session();
    session.status(0, true, Some(30_000));
    assert_eq!(session.tick(10_000).len(), 1);
    assert_eq!(session.tick(20_000).len(), 1, "again, until the worker answers");
    session.status(20_001, false, Some(5_000));
    assert_eq!(session.deadline(), Some(25_001));
    session.status(25_001, false, None);
    assert_eq!(session.deadline(), None);
}
