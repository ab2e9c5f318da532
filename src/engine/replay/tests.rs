use super::*;
use crate::bridge::config;
use crate::engine::clock::Now;
use crate::store::Loaded;
use crate::store::Policies;
use crate::units::{BurstNo, Tick};

fn slices() -> Slices {
    config::slices(r#"{"notes":{}}"#)
}

fn burst(position: u64, actions: &str) -> Record {
    let head = RecordHead::Burst {
        page: "page".into(),
        n: BurstNo(position),
        at: Millis(7),
        seen: Position(0),
        policies: Policies::default(),
    };
    Record { position: Position(position), head, text: format!("[{actions}]").into() }
}

fn put(position: u64, id: &str) -> ParsedRecord {
    parse(&burst(position, &put_action(id)), &slices()).unwrap().0
}

fn put_action(id: &str) -> String {
    format!(r#"{{"type":"notes/addItem","payload":{{"id":"{id}"}}}}"#)
}

fn load(replica: &mut Replica, id: &str) {
    replica.load(Loaded { key: Key::new("notes", id), value: None, row: None });
}

/// A start after `earlier` ones that ended while `position` was noted.
fn start_after(row: &mut Option<String>, next: u64) -> (Replay, Option<Position>) {
    let (mut replay, poisoned) = Replay::recover(row.as_deref());
    if poisoned != Some(Position(next)) {
        replay.push(put(next, "a"));
    }
    let stored = |write: Write| match write {
        Write::Put { row: crate::store::Row::Json(json), .. } => json.to_string(),
        other => panic!("{other:?}"),
    };
    *row = Some(stored(replay.count_start()));
    if let Some(note) = replay.note() {
        *row = Some(stored(note));
        replay.noted();
    }
    (replay, poisoned)
}

// Invariant 1.

#[test]
fn a_record_waits_for_the_items_of_the_one_before_it() {
    let (mut replay, mut replica) = (Replay::default(), Replica::default());
    replay.push(put(1, "a"));
    replay.push(put(2, "b"));
    load(&mut replica, "b");
    assert!(replay.next(&replica).is_none());
    load(&mut replica, "a");
    let order = [replay.next(&replica), replay.next(&replica)].map(|record| record.unwrap().position.0);
    assert_eq!(order, [1, 2]);
    assert!(replay.next(&replica).is_none() && replay.is_idle(), "each once");
}

#[test]
fn one_read_brings_all_that_the_queue_lacks() {
    let (mut replay, mut replica) = (Replay::default(), Replica::default());
    for (position, id) in [(1, "a"), (2, "b"), (3, "a")] {
        replay.push(put(position, id));
    }
    replay.push(parse(&burst(4, r#"{"type":"notes/clearItems","payload":null}"#), &slices()).unwrap().0);
    load(&mut replica, "b");
    let missing = replay.missing(&replica, &slices());
    assert_eq!(missing.keys, [Key::new("notes", "a")].into());
    assert_eq!(missing.slices.len(), 1);
    assert!(replay.needs_slice("notes") && !replay.needs_slice("other"));
}

#[test]
fn replay_skips_updates_that_were_no_ops() {
    // The update came before the item; a row says that what made the item is in it.
    let mut replica = Replica::default();
    let row = r#"{"position":2}"#.to_owned();
    let value = Some(r#"{"id":"a","x":1}"#.into());
    replica.load(Loaded { key: Key::new("notes", "a"), value, row: Some(row) });
    let update = burst(1, r#"{"type":"notes/updateItem","payload":{"id":"a","y":1}}"#);
    let now = Now { tick: Tick(1), at: Millis(1) };
    let applied = replica.apply(&parse(&update, &slices()).unwrap().0, false, now, &slices());
    assert!(applied.changed.is_empty() && applied.missing.is_empty());
    assert_eq!(replica.visible(&Key::new("notes", "a")).map(|value| &**value), Some(r#"{"id":"a","x":1}"#));
}

// Invariant 2.

#[test]
fn a_record_that_cannot_be_read_is_moved_to_where_a_person_finds_it() {
    assert!(parse(&Record { text: "{".into(), ..burst(1, "") }, &slices()).is_none());
    let head = RecordHead::Answers { at: Millis(1), policies: Policies::default() };
    assert!(parse(&Record { position: Position(2), head, text: "[]".into() }, &slices()).is_none());
    let ([kept, gone], text) = quarantine(Position(2), "its row", Millis(3));
    assert!(matches!(&kept, Write::Put { store, .. } if **store == *META));
    assert_eq!(gone, Write::delete(JOURNAL, RowKey::Number(2)));
    assert!(text.contains("unreadable:_journal:2"), "{text}");
}

#[test]
fn a_bad_action_stops_no_other_of_its_record() {
    let actions = format!(r#"{},{{"type":"nope"}},{}"#, put_action("a"), put_action("b"));
    let (record, bad) = parse(&burst(1, &actions), &slices()).unwrap();
    assert_eq!((record.keys().len(), bad.len()), (2, 1));
}

#[test]
fn f57_an_empty_id_is_named_and_deletes_nothing() {
    let left = r#"{"type":"notes/setNotes","payload":[{"id":"a"},{"id":""}],"left":["b"]}"#;
    let all = r#"{"type":"notes/setNotes","payload":[{"id":"a"},{"id":""}]}"#;
    for actions in [left, all] {
        let (record, bad) = parse(&burst(1, actions), &slices()).unwrap();
        assert_eq!(bad.iter().map(|reason| reason.code).collect::<Vec<_>>(), ["bad_id"]);
        assert_eq!((record.keys(), record.whole_slices().len()), (&[Key::new("notes", "a")].into(), 0));
    }
    let (record, bad) =
        parse(&burst(1, r#"{"type":"notes/removeItem","payload":{"id":""}}"#), &slices()).unwrap();
    assert_eq!((record.keys().len(), bad.len()), (0, 1));
}

#[test]
fn decisions_on_refusals_are_actions_of_a_record() {
    let actions =
        r#"{"type":"@retryRejected","id":"notes/3/a"},{"type":"@discardRejected","id":"notes/4/b"}"#;
    let (record, bad) = parse(&burst(1, actions), &slices()).unwrap();
    assert!(bad.is_empty());
    assert_eq!(record.keys(), &[Key::new("notes", "a"), Key::new("notes", "b")].into());
}

#[test]
fn an_action_has_the_time_of_its_dispatch_or_of_its_arrival() {
    let actions = format!(r#"{},{{"type":"notes/removeItem","payload":"b","at":3}}"#, put_action("a"));
    let (record, _) = parse(&burst(1, &actions), &slices()).unwrap();
    let Effects::Edits(edits) = record.effects else { panic!("{record:?}") };
    assert_eq!(edits.operations.iter().map(|(_, at)| at.0).collect::<Vec<_>>(), [7, 3]);
}

// Invariant 3.

#[test]
fn the_record_at_which_three_careful_starts_ended_is_moved_out_of_the_way() {
    let mut row = None;
    for number in 1..=5 {
        let (replay, poisoned) = start_after(&mut row, 9);
        assert_eq!(replay.is_careful(), number > 2, "start {number}");
        assert_eq!(poisoned, None, "start {number}");
    }
    assert_eq!(start_after(&mut row, 9).1, Some(Position(9)));
}

#[test]
fn starts_that_end_at_different_records_move_none_away() {
    let mut row = None;
    for number in 1..20 {
        assert_eq!(start_after(&mut row, number).1, None);
    }
}

#[test]
fn a_start_that_reaches_the_end_is_not_counted_any_more() {
    let (mut replay, _) = Replay::recover(Some(r#"{"n":7,"position":3,"times":2}"#));
    assert!(replay.is_careful() && replay.is_recovering());
    assert_eq!(replay.finish(), Write::delete_meta("start"));
    assert!(!replay.is_careful() && !replay.is_recovering());
    assert!(replay.note().is_none());
}

#[test]
fn a_position_is_noted_once_before_it_is_replayed() {
    let (mut replay, _) = Replay::recover(Some(r#"{"n":2}"#));
    let mut replica = Replica::default();
    load(&mut replica, "a");
    replay.push(put(5, "a"));
    replay.push(put(6, "a"));
    assert!(replay.note().is_some());
    assert!(replay.note().is_some(), "until it is durable");
    replay.noted();
    assert!(replay.note().is_none());
    replay.next(&replica);
    assert!(replay.note().is_some(), "the next one");
}

// Invariant 4.

#[test]
fn what_the_journal_had_at_start_is_told_from_what_came_later() {
    let mut replay = Replay::default();
    replay.recover_through(Position(5));
    assert!(replay.is_repeated(Position(5)) && !replay.is_repeated(Position(6)));
    replay.push(put(5, "a"));
    assert!(!replay.is_recovered());
    let mut replica = Replica::default();
    load(&mut replica, "a");
    replay.next(&replica);
    replay.push(put(6, "a"));
    assert!(replay.is_recovered());
}
