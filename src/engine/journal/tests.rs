use super::*;
use crate::store::MemoryStore;

fn page(name: &str) -> Rc<str> {
    name.into()
}

fn arrive(journal: &mut Journal, of: &str, burst: u64) -> Arrival {
    arrive_from(journal, of, burst, 1)
}

/// A burst of a page whose oldest is `first`.
fn arrive_from(journal: &mut Journal, of: &str, burst: u64, first: u64) -> Arrival {
    let (page, n, first) = (page(of), BurstNo(burst), BurstNo(first));
    journal.arrive(
        Millis(n.0),
        Arriving { page: &page, n, first, seen: Position(0), policies: Policies::default(), text: "[]" },
    )
}

fn add_answers(journal: &mut Journal, with: Vec<Write>) {
    journal.add(
        RecordHead::Answers { at: Millis(1), policies: Policies::default() },
        r#"{"results":[]}"#.into(),
        with,
    );
}

fn make_durable(journal: &mut Journal) -> Appended {
    journal.append().expect("something is to be appended");
    journal.appended()
}

/// Positions 1 to `count`, durable and in effect, each held by this many items.
fn with_records(count: u64, held_by: usize) -> Journal {
    let mut journal = Journal::default();
    for n in 1..=count {
        arrive(&mut journal, "a", n);
        make_durable(&mut journal);
        journal.take_durable();
        journal.in_effect(Position(n), held_by);
    }
    journal
}

fn positions(writes: &[Write]) -> Vec<u64> {
    let number = |write: &Write| match write {
        Write::Put { store, key: RowKey::Number(number), .. } if **store == *JOURNAL => Some(*number),
        _ => None,
    };
    writes.iter().filter_map(number).collect()
}

fn meta(writes: &[Write]) -> Vec<(String, String)> {
    let mut store = MemoryStore::default();
    store.apply(writes).unwrap();
    store.snapshot().meta
}

// Invariant 1.

#[test]
fn positions_are_taken_in_the_order_of_arrival_whoever_sends() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    add_answers(&mut journal, Vec::new());
    arrive(&mut journal, "b", 1);
    assert_eq!(positions(&journal.append().unwrap()), [1, 2, 3]);
    journal.appended();
    let order: Vec<u64> = journal.take_durable().iter().map(|record| record.position.0).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn positions_go_on_after_a_restart_with_an_empty_journal() {
    let mut journal = Journal::default();
    journal.recover_last(Position(41));
    arrive(&mut journal, "a", 1);
    assert_eq!(positions(&journal.append().unwrap()), [42]);
}

#[test]
fn everything_before_the_first_record_without_effect_is_visible() {
    let mut journal = Journal::default();
    for n in 1..=3 {
        arrive(&mut journal, "a", n);
    }
    assert_eq!(journal.visible_position(), Position(0));
    make_durable(&mut journal);
    assert_eq!((journal.durable_position(), journal.visible_position()), (Position(3), Position(0)));
    journal.in_effect(Position(1), 0);
    assert_eq!(journal.visible_position(), Position(1));
    assert!(journal.is_visible_through(Position(1)) && !journal.is_visible_through(Position(2)));
    journal.in_effect(Position(2), 0);
    journal.in_effect(Position(3), 0);
    assert_eq!(journal.visible_position(), Position(3));
}

#[test]
fn what_is_not_durable_is_not_visible() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    assert!(!journal.is_visible_through(Position(1)));
    journal.append();
    assert!(!journal.is_visible_through(Position(1)));
}

#[test]
fn a_burst_is_counted_for_its_page_once_it_is_in_effect_not_once_it_is_durable() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    arrive(&mut journal, "b", 1);
    arrive(&mut journal, "a", 2);
    make_durable(&mut journal);
    assert_eq!((journal.durable("a"), journal.visible_burst("a")), (BurstNo(2), BurstNo(0)));
    journal.in_effect(Position(1), 0);
    assert_eq!((journal.visible_burst("a"), journal.visible_burst("b")), (BurstNo(1), BurstNo(0)));
    journal.in_effect(Position(2), 0);
    journal.in_effect(Position(3), 0);
    assert_eq!((journal.visible_burst("a"), journal.visible_burst("b")), (BurstNo(2), BurstNo(1)));
    arrive(&mut journal, "a", 3);
    assert_eq!(journal.visible_burst("a"), BurstNo(2), "what waits to be appended is not in effect");
}

// Invariant 2.

#[test]
fn a_repeated_burst_is_acknowledged_again_and_appended_once() {
    let mut journal = Journal::default();
    assert_eq!(arrive(&mut journal, "a", 1), Arrival::Accepted);
    assert_eq!(arrive(&mut journal, "a", 1), Arrival::Known);
    assert_eq!(make_durable(&mut journal).acknowledged, [(page("a"), BurstNo(1))].into());
    assert_eq!(arrive(&mut journal, "a", 1), Arrival::Repeated);
    assert!(journal.append().is_none());
}

#[test]
fn a_burst_that_comes_too_early_is_answered_with_the_number_that_is_missing() {
    let mut journal = Journal::default();
    assert_eq!(arrive(&mut journal, "a", 3), Arrival::OutOfOrder(BurstNo(1)));
    arrive(&mut journal, "a", 1);
    assert_eq!(arrive(&mut journal, "a", 3), Arrival::OutOfOrder(BurstNo(2)));
    assert_eq!(arrive(&mut journal, "b", 1), Arrival::Accepted, "pages count for themselves");
}

#[test]
fn no_burst_before_the_first_that_a_page_still_holds_is_waited_for() {
    let mut journal = Journal::default();
    assert_eq!(arrive_from(&mut journal, "a", 58, 58), Arrival::Accepted);
    assert_eq!(arrive_from(&mut journal, "a", 60, 59), Arrival::OutOfOrder(BurstNo(59)));
    make_durable(&mut journal);
    assert_eq!(journal.durable("a"), BurstNo(58));
}

#[test]
fn a_first_below_what_was_taken_brings_nothing_back() {
    let mut journal = with_records(5, 0);
    assert_eq!(arrive_from(&mut journal, "a", 3, 2), Arrival::Repeated);
    assert_eq!(arrive_from(&mut journal, "a", 6, 2), Arrival::Accepted);
}

#[test]
fn a_burst_is_one_record_under_one_number() {
    let mut journal = Journal::default();
    let text = format!("[{}]", vec!["{}"; 1_200].join(","));
    let (page, n) = (page("a"), BurstNo(1));
    journal.arrive(
        Millis(1),
        Arriving { page: &page, n, first: n, seen: Position(0), policies: Policies::default(), text: &text },
    );
    let writes = journal.append().unwrap();
    assert_eq!(positions(&writes), [1], "one transaction has all of it, so a kill leaves all or nothing");
}

// Invariant 3.

#[test]
fn one_append_is_open_at_a_time() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    assert!(journal.append().is_some());
    arrive(&mut journal, "a", 2);
    assert!(journal.append().is_none() && journal.has_bursts());
    journal.appended();
    assert_eq!(positions(&journal.append().unwrap()), [2]);
}

// Invariant 4.

#[test]
fn records_are_trimmed_from_the_front_only() {
    let mut journal = with_records(3, 1);
    journal.released(&[Position(2), Position(3)]);
    assert_eq!(journal.trimmable(&BTreeMap::new()), None, "the first one waits");
    journal.released(&[Position(1)]);
    assert_eq!(journal.trimmable(&BTreeMap::new()), Some(Position(3)));
}

#[test]
fn a_record_waits_for_as_many_items_as_it_has() {
    let mut journal = with_records(1, 3);
    journal.released(&[Position(1)]);
    let released = |count| BTreeMap::from([(Position(1), count)]);
    assert_eq!(journal.trimmable(&released(1)), None);
    assert_eq!(journal.trimmable(&released(2)), Some(Position(1)), "with what the transaction writes");
}

#[test]
fn a_record_that_is_not_in_effect_is_not_trimmed() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    make_durable(&mut journal);
    assert_eq!(journal.trimmable(&BTreeMap::new()), None);
}

#[test]
fn a_large_journal_names_its_front_to_be_marked() {
    let for_a_while = |journal: &mut Journal| {
        assert_eq!(journal.overgrown(Tick(1)), None, "for a moment it may be large");
        journal.overgrown(Tick(10_001))
    };
    assert_eq!(for_a_while(&mut with_records(1_000, 1)), None);
    let mut journal = with_records(1_001, 1);
    let front = for_a_while(&mut journal).unwrap();
    assert!(front < Position(300), "{front:?}");
    journal.released(&(1..=front.0).map(Position).collect::<Vec<_>>());
    journal.trimmed(journal.trimmable(&BTreeMap::new()).unwrap());
    assert_eq!(journal.overgrown(Tick(20_000)), None);
}

// Invariant 5.

#[test]
fn a_record_of_answers_that_cannot_be_appended_is_appended_later_with_its_writes() {
    let mut journal = Journal::default();
    add_answers(&mut journal, vec![Write::meta("push", "1")]);
    journal.append();
    assert!(journal.append_failed().is_empty());
    assert!(journal.has_pending_answers());
    let writes = journal.append().unwrap();
    assert_eq!(meta(&writes), [("push".to_owned(), "1".to_owned())]);
    assert!(journal.appended().answers);
}

#[test]
fn answers_are_pending_until_they_are_in_effect() {
    let mut journal = Journal::default();
    assert!(!journal.has_pending_answers());
    add_answers(&mut journal, Vec::new());
    assert!(journal.has_pending_answers());
    make_durable(&mut journal);
    assert!(journal.has_pending_answers());
    journal.in_effect(Position(1), 0);
    assert!(!journal.has_pending_answers());
}

#[test]
fn bursts_that_cannot_be_appended_are_taken_again_from_their_pages() {
    let mut journal = Journal::default();
    arrive(&mut journal, "a", 1);
    journal.append();
    arrive(&mut journal, "a", 2);
    arrive(&mut journal, "b", 1);
    assert_eq!(journal.append_failed(), [page("a"), page("b")].into());
    assert_eq!(arrive(&mut journal, "a", 2), Arrival::OutOfOrder(BurstNo(1)), "in their order");
    assert_eq!(arrive(&mut journal, "a", 1), Arrival::Accepted);
    assert!(journal.is_visible_through(Position(3)), "nobody waits for the positions that were lost");
}

// Invariant 6.

#[test]
fn a_trim_keeps_positions_and_the_marks_of_its_pages() {
    let mut journal = with_records(3, 0);
    let mut writes = Vec::new();
    journal.write_trim(Position(2), Millis(9), &mut writes);
    journal.trimmed(Position(2));
    let kept = meta(&writes);
    assert!(kept.contains(&("position".to_owned(), "2".to_owned())), "{kept:?}");
    assert!(kept.contains(&("page:a".to_owned(), r#"{"n":2,"at":9}"#.to_owned())), "{kept:?}");
    assert_eq!(journal.trimmable(&BTreeMap::new()), Some(Position(3)));
}

#[test]
fn how_far_a_page_is_comes_back_after_a_restart_and_never_goes_back() {
    let mut journal = Journal::default();
    let row = |n| RecordRow {
        head: RecordHead::Burst {
            page: page("a"),
            n: BurstNo(n),
            at: Millis(1),
            seen: Position(0),
            policies: Policies::default(),
        },
        text: "[]".into(),
    };
    journal.recover_last(Position(6));
    journal.recover_mark("a", r#"{"n":5,"at":3}"#);
    journal.recover(Position(7), row(6));
    journal.recover_mark("a", r#"{"n":2,"at":3}"#);
    assert_eq!((journal.durable("a"), journal.last()), (BurstNo(6), Position(7)));
    journal.recover_last(Position(3));
    assert_eq!(journal.last(), Position(7));
    assert_eq!(arrive(&mut journal, "a", 7), Arrival::Accepted);
}

#[test]
fn a_pages_mark_goes_thirty_days_after_its_last_message() {
    let mut journal = Journal::default();
    journal.recover_mark("old", r#"{"n":5,"at":1000}"#);
    journal.recover_mark("new", r#"{"n":5,"at":2000}"#);
    let gone = journal.expire_marks(Millis(1_001 + MARK_MS));
    assert_eq!(gone, [Write::delete_meta("page:old")]);
    assert_eq!((journal.durable("old"), journal.durable("new")), (BurstNo(0), BurstNo(5)));
}
