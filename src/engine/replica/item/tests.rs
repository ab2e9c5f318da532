use super::*;
use crate::engine::rng::Rng;
use crate::store::AnswerStatus;

fn json(text: &str) -> Json {
    text.into()
}

/// An object with these two fields.
fn xy(x: u64, y: u64) -> Json {
    format!(r#"{{"x":{x},"y":{y}}}"#).into()
}

/// A page that has applied nothing.
fn editor(page: &std::rc::Rc<str>, position: u64) -> Editor<'_> {
    let (position, at) = (Position(position), Millis(position));
    Editor { page, seen: Position(0), position, at, strategy: Strategy::Merge }
}

/// The other side of the item's conflict.
fn remote(item: &Item) -> &Remote {
    &item.conflict.as_ref().unwrap().remote
}

fn incoming(position: u64) -> Incoming {
    let (position, at) = (Position(position), Millis(position));
    Incoming { position, at, strategy: Strategy::Merge, keeps_refused: false }
}

/// At rest, as the server has it in version 5.
fn at_rest(value: Json) -> Item {
    let row = ItemRow { position: Position(1), version: Some(Version(5)), ..ItemRow::default() };
    Item::load(Some(value), Some(row))
}

fn put(item: &mut Item, value: Json, position: u64) -> Effect {
    item.edit(&Edit::Put(value), editor(&"page".into(), position))
}

fn delete(item: &mut Item, position: u64) -> Effect {
    item.edit(&Edit::Delete, editor(&"page".into(), position))
}

fn update(item: &mut Item, fields: &str, upsert: Option<Json>, position: u64) -> Effect {
    let edit = Edit::Update(Update { fields: fields.into(), upsert, ..Update::default() });
    item.edit(&edit, editor(&"page".into(), position))
}

fn retry(item: &mut Item, refused_at: u64, value: Option<Json>, position: u64) -> Effect {
    let edit = Edit::Retry { refused_at: Position(refused_at), value };
    item.edit(&edit, editor(&"page".into(), position))
}

fn discard(item: &mut Item, refused_at: u64, position: u64) -> Effect {
    item.edit(&Edit::Discard { refused_at: Position(refused_at) }, editor(&"page".into(), position))
}

/// An answer to an operation that brought `sent`, chosen when `upto` was in effect.
fn answer(status: AnswerStatus, sent: Option<Json>, upto: u64) -> AnswerRow {
    AnswerRow {
        slice: "notes".into(),
        id: "a".into(),
        status,
        sent: Side::of(sent),
        upto: Position(upto),
        version: None,
        value: None,
        deleted: false,
        at: None,
        own: false,
        by: None,
        code: None,
        message: None,
    }
}

/// The answer with what the server has.
fn with_side(answer: AnswerRow, version: u64, value: Option<Json>) -> AnswerRow {
    AnswerRow { version: Some(Version(version)), deleted: value.is_none(), value, ..answer }
}

fn applied(sent: Option<Json>, upto: u64, version: u64) -> AnswerRow {
    AnswerRow { version: Some(Version(version)), ..answer(AnswerStatus::Applied, sent, upto) }
}

fn conflict(sent: Json, upto: u64, version: u64, value: Option<Json>) -> AnswerRow {
    with_side(answer(AnswerStatus::Conflict, Some(sent), upto), version, value)
}

fn rejected(sent: Option<Json>, upto: u64, version: u64, value: Option<Json>) -> AnswerRow {
    with_side(answer(AnswerStatus::Rejected, sent, upto), version, value)
}

fn withdrawn(sent: Option<Json>, upto: u64) -> AnswerRow {
    answer(AnswerStatus::Withdrawn, sent, upto)
}

fn apply_answer(item: &mut Item, answer: &AnswerRow, position: u64) -> Effect {
    item.answer(answer, incoming(position))
}

fn local(item: &Item) -> Option<&str> {
    item.local().map(|value| &**value)
}

/// Everything that a row can say.
fn all_of(item: &Item) -> ItemRow {
    item.row(true, true)
}

fn reloaded(item: &Item) -> Item {
    Item::load(item.local().cloned(), Some(item.row(false, true)))
}

// Edits.

#[test]
fn an_edit_opens_an_item_and_the_answer_to_it_brings_it_to_rest() {
    let mut item = at_rest(xy(0, 0));
    assert_eq!(put(&mut item, xy(1, 0), 2), Effect::Changed);
    assert!(item.is_open());
    assert_eq!(apply_answer(&mut item, &applied(Some(xy(1, 0)), 2, 6), 3), Effect::Hidden);
    assert!(!item.is_open());
    assert_eq!((item.version(), item.first_edit()), (Some(Version(6)), None));
}

#[test]
fn an_edit_back_to_what_the_server_has_leaves_nothing_to_send() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    put(&mut item, json(r#"{"y":0,"x":0}"#), 3);
    assert!(!item.is_open());
}

#[test]
fn f29_the_order_of_keys_and_the_spelling_of_numbers_make_no_other_value() {
    let ordered = || json(r#"{"x":1,"y":{"a":[1.0],"b":null}}"#);
    let other = || json(r#"{"y":{"b":null,"a":[1]},"x":1e0}"#);
    let mut item = at_rest(ordered());
    put(&mut item, other(), 2);
    assert!(!item.is_open(), "an equal value is nothing to send");
    // Two devices that made the same edit agree, whatever their JSON looks like.
    let mut item = at_rest(xy(0, 0));
    put(&mut item, ordered(), 2);
    let by_another = Remote {
        version: Some(Version(6)),
        value: Some(other()),
        deleted: false,
        at: None,
        own: false,
        by: None,
    };
    item.pulled(by_another, incoming(3));
    assert!(!item.is_in_conflict() && !item.is_open());
    // A conflict's answer that brings what was sent is no conflict.
    let mut item = at_rest(xy(0, 0));
    put(&mut item, ordered(), 2);
    apply_answer(&mut item, &conflict(ordered(), 2, 6, Some(other())), 3);
    assert!(!item.is_in_conflict() && !item.is_open());
}

#[test]
fn what_the_server_never_heard_of_and_is_deleted_is_not_told_to_it() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    delete(&mut item, 3);
    assert!(!item.is_open());
}

#[test]
fn f04_what_the_server_may_have_got_and_is_deleted_is_told_to_it() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    delete(&mut item, 4);
    assert!(item.is_open());
}

#[test]
fn f17_an_update_sets_fields_and_keeps_the_rest_and_the_id() {
    let mut item = at_rest(json(r#"{"id":"a","x":1,"y":1,"z":1}"#));
    let edit = Edit::Update(Update {
        fields: json(r#"{"id":"other","x":2}"#),
        unset: vec!["z".into()],
        ..Update::default()
    });
    item.edit(&edit, editor(&"page".into(), 2));
    assert_eq!(local(&item), Some(r#"{"id":"a","x":2,"y":1}"#));
}

#[test]
fn an_update_of_what_is_not_there_makes_its_whole_or_is_missing() {
    let mut item = Item::default();
    assert_eq!(update(&mut item, r#"{"x":1}"#, None, 2), Effect::Missing);
    assert_eq!(item.position(), Position(2), "it is not read again");
    assert_eq!(update(&mut item, r#"{"x":1}"#, Some(xy(1, 7)), 3), Effect::Changed);
    assert_eq!(local(&item), Some(&*xy(1, 7)));
    assert!(item.needs_guard());
}

#[test]
fn a_deletion_keeps_the_last_value() {
    let mut item = at_rest(xy(1, 1));
    delete(&mut item, 2);
    assert_eq!(item.row(false, true).gone.unwrap().value, Some(xy(1, 1)));
    put(&mut item, xy(2, 2), 3);
    assert_eq!(item.row(false, true).gone, None);
}

// Invariant 1.

#[test]
fn answers_bring_what_was_sent() {
    // The push is over when the record is replayed: only the record still knows that v1 was sent.
    let mut live = Item::default();
    put(&mut live, xy(1, 0), 1);
    put(&mut live, xy(2, 0), 2);
    let mut replayed = reloaded(&live);
    let hooked = AnswerRow { value: Some(xy(1, 9)), ..applied(Some(xy(1, 0)), 1, 6) };
    for item in [&mut live, &mut replayed] {
        apply_answer(item, &hooked, 3);
        assert_eq!(local(item), Some(&*xy(2, 9)), "the hook's change meets the newer edit, not an older one");
        assert!(!item.is_in_conflict() && item.is_open());
    }
}

#[test]
fn a_conflict_is_named_by_what_records_say() {
    let history = |item: &mut Item| {
        put(item, xy(1, 0), 2);
        apply_answer(item, &conflict(xy(1, 0), 2, 6, Some(xy(3, 0))), 3);
        put(item, xy(4, 0), 5);
    };
    let (mut one, mut other) = (at_rest(xy(0, 0)), at_rest(xy(0, 0)));
    history(&mut one);
    history(&mut other);
    assert_eq!(all_of(&one), all_of(&other));
    assert_eq!(remote(&one).version, Some(Version(6)));
}

// Invariants 1 and 8.

/// One of the records that can come to an item, and what it does.
fn random_record(item: &mut Item, sent: &mut Option<(Option<Json>, u64)>, position: u64, rng: &mut Rng) {
    let value = |rng: &mut Rng| xy(rng.next() % 3, rng.next() % 3);
    let side = |rng: &mut Rng| (!rng.next().is_multiple_of(4)).then(|| xy(rng.next() % 3, rng.next() % 3));
    if let (Some((was, upto)), true) = (sent.clone(), rng.next().is_multiple_of(2)) {
        *sent = None;
        let version = item.version().unwrap_or_default().0 + 1 + rng.next() % 2;
        let answer = match rng.next() % 5 {
            0 => withdrawn(was, upto),
            1 => with_side(answer(AnswerStatus::Conflict, was, upto), version, side(rng)),
            2 => rejected(was, upto, version, side(rng)),
            3 => AnswerRow { version: None, ..rejected(was, upto, version, None) },
            _ => applied(was, upto, version),
        };
        let own = rng.next().is_multiple_of(2);
        apply_answer(item, &AnswerRow { own, ..answer }, position);
        return;
    }
    let refused_at = item.refused().first().map(|refusal| refusal.position.0);
    match (rng.next() % 6, refused_at) {
        (0, _) => drop(delete(item, position)),
        (1, _) => drop(update(item, r#"{"y":2}"#, None, position)),
        (2, Some(refused_at)) => drop(retry(item, refused_at, None, position)),
        (3, Some(refused_at)) => drop(discard(item, refused_at, position)),
        _ => drop(put(item, value(rng), position)),
    }
    if sent.is_none() && item.is_open() && !item.is_in_conflict() {
        *sent = Some((item.local().cloned(), item.position().0));
    }
}

#[test]
fn a_row_and_a_value_say_all_that_an_item_is() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let (mut item, mut sent) = (at_rest(xy(0, 0)), None);
        for position in 2..30 {
            random_record(&mut item, &mut sent, position, &mut rng);
            let reloaded_item = reloaded(&item);
            assert_eq!(all_of(&reloaded_item), all_of(&item), "seed {seed}, position {position}");
            assert_eq!(reloaded_item.base, item.base, "seed {seed}, position {position}");
            assert_eq!(reloaded_item.is_unknown_to_server(), item.is_unknown_to_server(), "seed {seed}");
        }
    }
}

#[test]
fn a_replay_from_any_row_comes_to_the_same_item() {
    for seed in 0..100 {
        for cut in 2..12 {
            let (mut live, mut sent, mut rng) = (at_rest(xy(0, 0)), None, Rng(seed));
            for position in 2..cut {
                random_record(&mut live, &mut sent, position, &mut rng);
            }
            let (mut replayed, mut sent_again, mut rng_again) = (reloaded(&live), sent.clone(), Rng(rng.0));
            for position in cut..14 {
                random_record(&mut live, &mut sent, position, &mut rng);
                random_record(&mut replayed, &mut sent_again, position, &mut rng_again);
                let what = format!("seed {seed}, cut {cut}, position {position}");
                assert_eq!(live.local(), replayed.local(), "{what}");
                assert_eq!((&live.base, &live.conflict), (&replayed.base, &replayed.conflict), "{what}");
            }
        }
    }
}

// Invariant 2.

#[test]
fn an_older_side_of_the_server_changes_nothing() {
    for late in [
        conflict(xy(1, 0), 2, 4, Some(xy(9, 9))),
        applied(Some(xy(1, 0)), 2, 4),
        AnswerRow { value: Some(xy(9, 9)), ..applied(Some(xy(1, 0)), 2, 4) },
        conflict(xy(1, 0), 2, 4, None),
    ] {
        let mut item = at_rest(xy(0, 0));
        put(&mut item, xy(1, 0), 2);
        apply_answer(&mut item, &late, 3);
        assert_eq!((item.version(), local(&item)), (Some(Version(5)), Some(&*xy(1, 0))), "{late:?}");
        assert!(!item.is_in_conflict() && item.is_open(), "{late:?}");
    }
}

// Invariant 3.

#[test]
fn f05_what_was_sent_and_answered_is_the_base_of_edits_behind_it() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    put(&mut item, xy(2, 0), 3);
    apply_answer(&mut item, &applied(Some(xy(1, 0)), 2, 6), 4);
    assert_eq!((local(&item), item.first_edit()), (Some(&*xy(2, 0)), Some(Position(3))));
    assert_eq!(item.row(false, true).base, Some(Side::of(Some(xy(1, 0)))));
}

#[test]
fn a_conflict_with_what_was_sent_is_as_good_as_applied() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, Some(json(r#"{"y":0,"x":1}"#))), 3);
    assert!(!item.is_in_conflict() && !item.is_open());
    assert_eq!(item.version(), Some(Version(6)));
}

#[test]
fn a_hooks_value_is_taken_where_nothing_was_edited_behind_it() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    let hooked = AnswerRow { value: Some(xy(1, 9)), ..applied(Some(xy(1, 0)), 2, 6) };
    assert_eq!(apply_answer(&mut item, &hooked, 3), Effect::Changed);
    assert_eq!(local(&item), Some(&*xy(1, 9)));
    assert!(!item.is_open());
}

// Invariant 4.

#[test]
fn changes_of_different_fields_are_merged_and_sent_on_the_new_version() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    assert_eq!(apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, Some(xy(0, 7))), 3), Effect::Changed);
    assert_eq!((local(&item), item.version()), (Some(&*xy(1, 7)), Some(Version(6))));
    assert!(item.is_open() && !item.is_in_conflict());
}

#[test]
fn what_cannot_be_merged_is_kept_and_base_and_local_stay() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    assert_eq!(apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, Some(xy(3, 0))), 3), Effect::Hidden);
    let row = all_of(&item);
    assert_eq!((row.version, row.base), (Some(Version(5)), Some(Side::of(Some(xy(0, 0))))));
    assert_eq!(local(&item), Some(&*xy(1, 0)));
    assert_eq!(remote(&item).value, Some(xy(3, 0)));
}

#[test]
fn f25_delete_against_edit_is_a_conflict_either_way() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, None), 3);
    assert!(remote(&item).deleted);
    let mut item = at_rest(xy(0, 0));
    delete(&mut item, 2);
    apply_answer(&mut item, &with_side(answer(AnswerStatus::Conflict, None, 2), 6, Some(xy(3, 0))), 3);
    assert_eq!((local(&item), &remote(&item).value), (None, &Some(xy(3, 0))));
}

#[test]
fn an_item_that_is_as_the_server_was_is_compared_with_what_a_withdrawn_push_may_have_brought() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    put(&mut item, xy(0, 0), 4);
    assert!(!item.is_open(), "it is what the server had");
    // A row that is not marked is overwritten by a pull without being read.
    let row = item.row(false, false);
    assert_eq!(row.open, Some(Position(0)));
    let mut item = Item::load(Some(xy(0, 0)), Some(row));
    let (version, value) = (Some(Version(6)), Some(xy(1, 0)));
    item.pulled(Remote { version, value, deleted: false, at: None, own: true, by: None }, incoming(5));
    assert_eq!((local(&item), item.is_open()), (Some(&*xy(0, 0)), true), "what was taken back is sent");
}

#[test]
fn an_edit_of_an_item_in_conflict_merges_anew() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, Some(xy(3, 0))), 3);
    put(&mut item, xy(0, 4), 4);
    assert_eq!((local(&item), item.version()), (Some(&*xy(3, 4)), Some(Version(6))));
    assert!(!item.is_in_conflict() && item.is_open());
}

// Invariant 5.

#[test]
fn a_change_that_another_device_took_back_is_not_made_again_in_silence() {
    // The push arrived as version 6, its answer was lost. Another device put the old value back, as version 7.
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    apply_answer(&mut item, &conflict(xy(1, 0), 3, 7, Some(xy(0, 0))), 4);
    assert_eq!(remote(&item).version, Some(Version(7)));
    assert_eq!(local(&item), Some(&*xy(1, 0)));
}

#[test]
fn what_another_device_made_is_not_taken_for_ones_own() {
    // 0 → sent 1, withdrawn → back to 0. Another device writes 1.
    for (own, is_conflict) in [(false, true), (true, false)] {
        let mut item = at_rest(xy(0, 0));
        put(&mut item, xy(1, 0), 2);
        apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
        put(&mut item, xy(0, 0), 4);
        let sent = answer(AnswerStatus::Conflict, Some(xy(2, 0)), 4);
        put(&mut item, xy(2, 0), 5);
        apply_answer(&mut item, &AnswerRow { own, ..with_side(sent, 6, Some(xy(1, 0))) }, 6);
        assert_eq!(item.is_in_conflict(), is_conflict, "own: {own}");
        assert_eq!(local(&item), Some(&*xy(2, 0)));
    }
}

#[test]
fn sides_that_every_possible_base_merges_alike_are_merged() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    apply_answer(&mut item, &conflict(xy(1, 0), 3, 6, Some(xy(1, 7))), 4);
    assert_eq!(local(&item), Some(&*xy(1, 7)));
    assert!(!item.is_in_conflict() && item.row(false, true).maybe.is_empty());
}

#[test]
fn a_value_that_was_withdrawn_twice_is_kept_once() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    apply_answer(&mut item, &withdrawn(Some(json(r#"{"y":0,"x":1}"#)), 2), 4);
    assert_eq!(item.row(false, true).maybe.len(), 1);
    assert!(item.is_open(), "it goes again");
}

#[test]
fn a_creation_that_may_have_arrived_and_was_deleted_elsewhere_is_a_conflict() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    apply_answer(&mut item, &conflict(xy(1, 0), 3, 9, None), 4);
    assert!(remote(&item).deleted, "the deletion is not undone in silence");
    assert_eq!(local(&item), Some(&*xy(1, 0)));
}

#[test]
fn a_true_recreation_is_told_of_the_tombstone_and_goes_again_on_its_version() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &conflict(xy(1, 0), 2, 9, None), 3);
    assert!(!item.is_in_conflict() && item.is_open());
    assert_eq!((local(&item), item.version()), (Some(&*xy(1, 0)), Some(Version(9))));
}

#[test]
fn own_with_a_value_that_was_never_withdrawn_is_anyones_change() {
    // A copy of the profile has written under this device's name.
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    put(&mut item, xy(2, 0), 4);
    apply_answer(&mut item, &AnswerRow { own: true, ..conflict(xy(2, 0), 4, 20, Some(xy(8, 0))) }, 5);
    assert_eq!(remote(&item).value, Some(xy(8, 0)));
    assert_eq!(item.version(), Some(Version(5)));
}

#[test]
fn own_says_which_of_two_withdrawn_values_arrived() {
    for (arrived, other) in [(1, 2), (2, 1)] {
        let mut item = at_rest(xy(0, 0));
        for (x, position) in [(other, 2), (arrived, 4)] {
            put(&mut item, xy(x, 0), position);
            apply_answer(&mut item, &withdrawn(Some(xy(x, 0)), position), position + 1);
        }
        put(&mut item, xy(7, 0), 6);
        apply_answer(
            &mut item,
            &AnswerRow { own: true, ..conflict(xy(7, 0), 6, 20, Some(xy(arrived, 0))) },
            7,
        );
        assert!(!item.is_in_conflict() && item.is_open());
        assert_eq!(all_of(&item).base, Some(Side::of(Some(xy(arrived, 0)))));
    }
}

// Invariant 6 and refusals.

#[test]
fn a_refused_change_is_rolled_back_to_what_the_server_has_and_is_kept() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    assert_eq!(apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(0, 8))), 3), Effect::Changed);
    assert_eq!(local(&item), Some(&*xy(0, 8)));
    assert!(!item.is_open());
    assert_eq!(item.refused()[0].value, Some(xy(1, 0)));
}

#[test]
fn a_refused_deletion_of_what_may_have_arrived_brings_back_what_the_server_has() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &withdrawn(Some(xy(1, 0)), 2), 3);
    delete(&mut item, 4);
    apply_answer(&mut item, &rejected(None, 4, 6, Some(xy(1, 0))), 5);
    assert_eq!((local(&item), item.version()), (Some(&*xy(1, 0)), Some(Version(6))));
    assert!(!item.is_open(), "it is not sent again");
}

#[test]
fn a_newer_edit_of_the_refused_field_is_no_conflict_with_ones_own_past() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 5), 2);
    put(&mut item, xy(2, 5), 3);
    apply_answer(&mut item, &rejected(Some(xy(1, 5)), 2, 5, Some(xy(0, 0))), 4);
    assert!(!item.is_in_conflict() && item.is_open());
    assert_eq!(local(&item), Some(&*xy(2, 0)), "the newer edit stays, the refused one is undone");
}

#[test]
fn a_refused_creation_with_an_edit_behind_it_stays_whole() {
    let mut item = Item::default();
    put(&mut item, xy(1, 5), 2);
    put(&mut item, xy(2, 5), 3);
    apply_answer(&mut item, &rejected(Some(xy(1, 5)), 2, 6, None), 4);
    assert_eq!(local(&item), Some(&*xy(2, 5)));
    assert!(!item.is_in_conflict() && item.is_open());
}

#[test]
fn a_retry_changes_what_the_refused_change_changed_and_nothing_else() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(0, 0))), 3);
    // An update is sent, and meets another device's change of y.
    update(&mut item, r#"{"z":3}"#, None, 4);
    let theirs = json(r#"{"x":0,"y":7}"#);
    let sent = item.local().cloned().unwrap();
    apply_answer(&mut item, &conflict(sent, 4, 7, Some(theirs)), 5);
    assert_eq!(retry(&mut item, 3, None, 6), Effect::Changed);
    assert_eq!(local(&item), Some(r#"{"x":1,"y":7,"z":3}"#));
    assert!(item.refused().is_empty() && item.is_open());
}

#[test]
fn a_retry_of_what_was_changed_since_is_a_conflict() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(4, 0))), 3);
    retry(&mut item, 3, None, 4);
    assert_eq!((local(&item), &remote(&item).value), (Some(&*xy(1, 0)), &Some(xy(4, 0))));
}

#[test]
fn b7_a_retry_takes_the_place_of_a_later_edit_of_this_device_without_a_conflict() {
    let mut item = Item::default();
    update(&mut item, r#"{"b":1}"#, Some(r#"{"b":1,"d":1}"#.into()), 2);
    let sent = item.local().cloned();
    apply_answer(&mut item, &rejected(sent, 2, 6, None), 3);
    assert_eq!(local(&item), None);
    let upsert = Some(r#"{"b":2,"d":1}"#.into());
    let edit = Edit::Update(Update { fields: r#"{"b":2}"#.into(), upsert, ..Update::default() });
    item.edit(&edit, Editor { seen: Position(3), ..editor(&"page".into(), 4) });
    retry(&mut item, 3, None, 5);
    assert_eq!(local(&item), Some(r#"{"b":1,"d":1}"#));
    assert!(!item.is_in_conflict() && item.is_open());
}

#[test]
fn a_retry_can_bring_another_value() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(0, 0))), 3);
    retry(&mut item, 3, Some(xy(2, 0)), 4);
    assert_eq!(local(&item), Some(&*xy(2, 0)));
}

#[test]
fn a_deletion_of_what_the_server_has_forgotten_is_done() {
    let mut item = at_rest(xy(0, 0));
    item.edit(&Edit::Delete, editor(&"page".into(), 2));
    let forgotten = AnswerRow { deleted: true, ..answer(AnswerStatus::Conflict, None, 2) };
    apply_answer(&mut item, &forgotten, 3);
    assert!(!item.is_open() && item.version().is_none(), "{item:?}");
}

#[test]
fn the_newest_ten_refusals_are_kept() {
    let mut item = at_rest(xy(0, 0));
    for n in 1..=12 {
        // An update is no decision about what was refused before.
        update(&mut item, &format!(r#"{{"x":{n}}}"#), None, 2 * n);
        apply_answer(&mut item, &rejected(Some(xy(n, 0)), 2 * n, 5 + n, Some(xy(0, 0))), 2 * n + 1);
    }
    assert_eq!(item.refused().len(), 10);
    assert_eq!(item.refused()[0].value, Some(xy(3, 0)), "the oldest went");
}

#[test]
fn a_put_a_deletion_a_retry_and_a_discard_end_refusals_and_an_update_does_not() {
    type Decide = fn(&mut Item) -> Effect;
    let decisions: [(Decide, bool); 5] = [
        (|item| put(item, xy(9, 9), 9), true),
        (|item| delete(item, 9), true),
        (|item| retry(item, 3, None, 9), true),
        (|item| discard(item, 3, 9), true),
        (|item| update(item, r#"{"y":3}"#, None, 9), false),
    ];
    for (number, (decide, ends)) in decisions.into_iter().enumerate() {
        let mut item = at_rest(xy(0, 0));
        put(&mut item, xy(1, 0), 2);
        apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(0, 0))), 3);
        decide(&mut item);
        assert_eq!(item.refused().is_empty(), ends, "decision {number}");
    }
}

#[test]
fn an_update_that_makes_the_item_keeps_its_refusals() {
    let mut item = Item::default();
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, None), 3);
    assert_eq!((item.local(), item.refused().len()), (None, 1));
    update(&mut item, r#"{"y":3}"#, Some(xy(0, 3)), 4);
    assert_eq!((item.local(), item.refused().len()), (Some(&xy(0, 3)), 1));
}

#[test]
fn a_decision_that_is_repeated_changes_nothing() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 2, 6, Some(xy(0, 0))), 3);
    retry(&mut item, 3, None, 4);
    let before = item.clone();
    assert_eq!(retry(&mut item, 3, None, 5), Effect::NotRefused);
    assert_eq!(discard(&mut item, 3, 6), Effect::NotRefused);
    assert_eq!(item, before);
}

// Invariant 7.

#[test]
fn a_merge_that_differs_from_the_servers_side_is_sent_though_its_edit_was_answered() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    apply_answer(&mut item, &conflict(xy(1, 0), 2, 6, Some(xy(0, 7))), 3);
    assert_eq!(item.first_edit(), Some(Position(3)), "the record that merged it");
    assert!(item.is_open());
}

#[test]
fn an_item_that_differs_from_the_servers_side_has_an_unanswered_edit() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let (mut item, mut sent) = (at_rest(xy(0, 0)), None);
        for position in 2..30 {
            random_record(&mut item, &mut sent, position, &mut rng);
            let waits = !item.is_in_conflict() && item.is_unknown_to_server();
            assert!(!waits || item.first_edit().is_some(), "seed {seed}, position {position}");
        }
    }
}

#[test]
fn an_edit_that_a_row_has_already_is_unanswered_all_the_same() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 2);
    let mut item = Item::load(item.local().cloned(), Some(item.row(false, false)));
    assert!(!item.is_open(), "the row does not mark it");
    assert!(item.skip_edit(Position(2)));
    assert_eq!((item.is_open(), item.first_edit()), (true, Some(Position(2))));
    assert!(!item.skip_answer(&applied(Some(xy(1, 0)), 2, 6), Position(3)) || item.is_open());
}

#[test]
fn a_row_is_marked_with_the_first_unanswered_edit_or_zero() {
    let mut item = at_rest(xy(0, 0));
    put(&mut item, xy(1, 0), 20);
    apply_answer(&mut item, &rejected(Some(xy(1, 0)), 20, 6, Some(xy(0, 0))), 25);
    assert_eq!(item.row(false, true).open, Some(Position(0)), "nothing but a refusal");
    update(&mut item, r#"{"y":1}"#, None, 30);
    assert_eq!(item.row(false, true).open, Some(Position(30)), "its place in the queue");
    assert_eq!(item.row(false, false).open, Some(Position(0)), "the journal still has the edit");
}

#[test]
fn a_row_at_rest_is_not_marked_open() {
    assert_eq!(at_rest(xy(0, 0)).row(false, true).open, None);
    assert_eq!(at_rest(xy(0, 0)).row(true, true).open, Some(Position(0)), "a held value is");
}

/// The page shows its own unsent tick of `y`, and has not seen that the server has `x`, which it adds, too.
#[test]
fn f62_a_conflict_in_a_list_keeps_the_devices_own_unsent_elements() {
    let mut item = at_rest(json(r#"{"list":[{"id":"y","t":1},{"id":"x","t":1}]}"#));
    let edit = |was: &str, list: &str| {
        let [fields, was] = [list, was].map(|list| json(&format!(r#"{{"list":{list}}}"#)));
        Edit::Update(Update { fields, was: Some(was), ..Update::default() })
    };
    let page = "page".into();
    item.edit(&edit(r#"[{"id":"y","t":1}]"#, r#"[{"id":"y","t":2}]"#), editor(&page, 2));
    let both = r#"[{"id":"y","t":2},{"id":"x","t":2}]"#;
    item.edit(&edit(r#"[{"id":"y","t":2}]"#, both), editor(&page, 3));
    assert!(item.is_in_conflict());
    assert_eq!(local(&item), Some(&*format!(r#"{{"list":{both}}}"#)));
    // The page takes its `x` back: there is nothing left to decide, and the tick stays.
    item.edit(&edit(both, r#"[{"id":"y","t":2}]"#), editor(&page, 4));
    assert_eq!(local(&item), Some(r#"{"list":[{"id":"y","t":2},{"id":"x","t":1}]}"#));
}

/// The second refusal came after the page had read the list.
#[test]
fn a_decision_on_a_refusal_leaves_later_ones_alone() {
    for decide in [|item: &mut Item| retry(item, 3, None, 6), |item: &mut Item| discard(item, 3, 6)] {
        let mut item = at_rest(xy(0, 0));
        for (x, position) in [(1, 2), (2, 4)] {
            update(&mut item, &format!(r#"{{"x":{x}}}"#), None, position);
            apply_answer(&mut item, &rejected(Some(xy(x, 0)), position, 5, Some(xy(0, 0))), position + 1);
        }
        decide(&mut item);
        let left: Vec<u64> = item.refused().iter().map(|refusal| refusal.position.0).collect();
        assert_eq!(left, [5]);
        assert_eq!(discard(&mut item, 5, 7), Effect::Hidden);
        assert_eq!(item.refused().len(), 0);
    }
}

#[test]
fn a_decision_on_a_refusal_ends_those_before_it() {
    for decide in [|item: &mut Item| retry(item, 5, None, 6), |item: &mut Item| discard(item, 5, 6)] {
        let mut item = at_rest(xy(0, 0));
        for (x, position) in [(1, 2), (2, 4)] {
            update(&mut item, &format!(r#"{{"x":{x}}}"#), None, position);
            apply_answer(&mut item, &rejected(Some(xy(x, 0)), position, 5, Some(xy(0, 0))), position + 1);
        }
        decide(&mut item);
        assert_eq!(item.refused(), []);
    }
}
