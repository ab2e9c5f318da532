//! Pages that are behind, conflicts and their resolution, and refusals that stay.

use super::*;
use crate::bridge::action::Choice;
use crate::store::AnswerStatus;
use std::rc::Rc;

fn json(text: &str) -> Json {
    text.into()
}

/// At rest, as the server has it in version 5.
fn at_rest(value: &str) -> Item {
    let row = ItemRow { position: Position(1), version: Some(Version(5)), ..ItemRow::default() };
    Item::load(Some(json(value)), Some(row))
}

fn incoming(position: u64) -> Incoming {
    let (position, at) = (Position(position), Millis(position));
    Incoming { position, at, strategy: Strategy::Merge, keeps_refused: false }
}

fn pull(item: &mut Item, version: u64, value: Option<&str>, position: u64) -> Effect {
    let (version, value) = (Some(Version(version)), value.map(json));
    let remote = Remote { version, deleted: value.is_none(), value, at: None, own: false, by: None };
    item.pulled(remote, incoming(position))
}

/// An edit of the page `page` that had seen everything up to `seen`.
fn edit_by(page: &str, item: &mut Item, edit: Edit, seen: u64, position: u64) -> Effect {
    let page: Rc<str> = page.into();
    let (seen, position, at) = (Position(seen), Position(position), Millis(position));
    item.edit(&edit, Editor { page: &page, seen, position, at, strategy: Strategy::Merge })
}

fn edit(item: &mut Item, what: Edit, seen: u64, position: u64) -> Effect {
    edit_by("page", item, what, seen, position)
}

fn update(fields: &str, was: &str) -> Edit {
    Edit::Update(Update { fields: json(fields), was: Some(json(was)), ..Update::default() })
}

fn local(item: &Item) -> &str {
    item.local().map_or("", |value| value)
}

fn resolve(item: &mut Item, choice: Choice, position: u64) -> Effect {
    let conflict = item.conflict().unwrap().number;
    edit(item, Edit::Resolve { conflict, choice }, position, position)
}

#[test]
fn an_update_of_a_page_that_missed_a_pulled_change_of_the_field_is_a_conflict() {
    let mut item = at_rest(r#"{"title":"x","n":1}"#);
    pull(&mut item, 6, Some(r#"{"title":"y","n":1}"#), 2);
    edit(&mut item, update(r#"{"title":"z"}"#, r#"{"title":"x"}"#), 1, 3);
    let conflict = item.conflict().unwrap();
    assert_eq!(conflict.base.map(|base| &**base), Some(r#"{"title":"x","n":1}"#));
    assert_eq!(conflict.remote.map(|remote| &**remote), Some(r#"{"title":"y","n":1}"#));
    assert_eq!(conflict.paths, ["/title"]);
    assert_eq!(local(&item), r#"{"title":"z","n":1}"#);
}

#[test]
fn an_update_of_another_field_is_merged_with_what_the_page_missed() {
    let mut item = at_rest(r#"{"title":"x","n":1}"#);
    pull(&mut item, 6, Some(r#"{"title":"y","n":1}"#), 2);
    edit(&mut item, update(r#"{"n":2}"#, r#"{"n":1}"#), 1, 3);
    assert!(!item.is_in_conflict() && item.is_open());
    assert_eq!(local(&item), r#"{"title":"y","n":2}"#);
}

#[test]
fn a_put_or_a_deletion_of_a_page_that_missed_a_pulled_change_is_a_conflict() {
    for what in [Edit::Put(json(r#"{"title":"z"}"#)), Edit::Delete] {
        let mut item = at_rest(r#"{"title":"x"}"#);
        pull(&mut item, 6, Some(r#"{"title":"y"}"#), 2);
        let mut informed = item.clone();
        edit(&mut item, what.clone(), 1, 3);
        assert!(item.is_in_conflict(), "{what:?}");
        assert_eq!(item.conflict().unwrap().remote.map(|value| &**value), Some(r#"{"title":"y"}"#));
        edit(&mut informed, what.clone(), 2, 3);
        assert!(
            !informed.is_in_conflict() && informed.is_open(),
            "a page that has seen it decides: {what:?}"
        );
    }
}

#[test]
fn a_put_or_a_deletion_of_an_item_in_conflict_by_a_page_that_missed_the_other_side_is_not_merged() {
    for what in [Edit::Put(json(r#"{"title":"z","by":"me"}"#)), Edit::Delete] {
        let mut item = at_rest(r#"{"n":0}"#);
        pull(&mut item, 6, Some(r#"{"n":1,"by":"them"}"#), 2);
        // One page makes a conflict about a field, from a base that has the others as the server has them.
        edit(&mut item, update(r#"{"n":2}"#, r#"{"n":0}"#), 1, 3);
        assert_eq!(item.conflict().unwrap().paths, ["/n"]);
        let mut informed = item.clone();
        edit_by("other", &mut item, what.clone(), 1, 4);
        let conflict = item.conflict().expect("nothing of the other side is overwritten silently");
        assert_eq!(conflict.remote.map(|value| &**value), Some(r#"{"n":1,"by":"them"}"#), "{what:?}");
        assert_eq!(conflict.base, None, "what the page had seen is not known");
        edit_by("other", &mut informed, Edit::Put(json(r#"{"n":1,"by":"me"}"#)), 3, 4);
        assert!(!informed.is_in_conflict() && informed.is_open(), "a page that has seen it decides");
    }
}

#[test]
fn an_update_of_an_item_in_conflict_by_a_page_that_missed_the_other_side_joins_the_conflict() {
    let mut item = at_rest(r#"{"n":0}"#);
    pull(&mut item, 6, Some(r#"{"n":1,"by":"them"}"#), 2);
    edit(&mut item, update(r#"{"n":2}"#, r#"{"n":0}"#), 1, 3);
    edit_by("other", &mut item, update(r#"{"by":"me"}"#, "{}"), 1, 4);
    let conflict = item.conflict().unwrap();
    assert_eq!(conflict.paths, ["/by", "/n"]);
    assert_eq!(conflict.remote.map(|value| &**value), Some(r#"{"n":1,"by":"them"}"#));
}

/// In the conflict about one element, the others are the server's: what is edited or removed of them is told from what was added.
#[test]
fn an_element_that_a_conflict_about_another_one_took_from_the_server_is_not_an_added_one() {
    let mut item = at_rest(r#"{"list":[]}"#);
    pull(&mut item, 6, Some(r#"{"list":[{"id":"y","t":1},{"id":"z","t":1}]}"#), 2);
    edit(&mut item, update(r#"{"list":[{"id":"z","t":2}]}"#, r#"{"list":[]}"#), 1, 3);
    assert_eq!(item.conflict().unwrap().paths, ["/list/@z/t"]);
    assert_eq!(local(&item), r#"{"list":[{"id":"y","t":1},{"id":"z","t":2}]}"#);
    let mut edited = item.clone();
    let gone = r#"{"list":[{"id":"z","t":3}]}"#;
    pull(&mut item, 7, Some(gone), 4);
    assert_eq!(item.conflict().unwrap().paths, ["/list/@z/t"]);
    assert_eq!(local(&item), r#"{"list":[{"id":"y","t":1},{"id":"z","t":2}]}"#, "until it is decided");
    resolve(&mut item, Choice::Merge, 5);
    assert_eq!(local(&item), r#"{"list":[{"id":"z","t":2}]}"#, "nobody has added y here");

    let (y, z) = (r#"{"id":"y","t":5}"#, r#"{"id":"z","t":2}"#);
    let fields = format!(r#"{{"list":[{y},{z}]}}"#);
    edit(&mut edited, update(&fields, r#"{"list":[{"id":"y","t":1},{"id":"z","t":2}]}"#), 3, 4);
    edit(&mut edited, update(&format!(r#"{{"list":[{y}]}}"#), &fields), 3, 5);
    pull(&mut edited, 7, Some(gone), 6);
    let conflict = edited.conflict().expect("an edit against a removal");
    assert!(conflict.paths.contains(&"/list/@y".to_owned()), "{:?}", conflict.paths);
}

#[test]
fn a_put_by_a_page_that_has_not_heard_of_a_resolution_overwrites_nothing() {
    for choice in [Choice::Remote, Choice::Merge, Choice::Value(Some(json(r#"{"n":2,"by":"them"}"#)))] {
        let mut item = at_rest(r#"{"n":0}"#);
        edit(&mut item, update(r#"{"n":2}"#, r#"{"n":0}"#), 1, 2);
        pull(&mut item, 6, Some(r#"{"n":1,"by":"them"}"#), 3);
        resolve(&mut item, choice.clone(), 4);
        assert!(!item.is_in_conflict());
        edit_by("other", &mut item, Edit::Put(json(r#"{"n":2,"c":1}"#)), 3, 5);
        assert!(item.is_in_conflict(), "{choice:?}");
    }
}

#[test]
fn a_page_whose_update_was_merged_with_what_it_had_missed_is_behind_until_it_hears_of_that() {
    let mut item = at_rest(r#"{"list":[]}"#);
    pull(&mut item, 6, Some(r#"{"list":[{"id":"theirs"}]}"#), 2);
    edit(&mut item, update(r#"{"list":[{"id":"mine"}]}"#, r#"{"list":[]}"#), 1, 3);
    let mut informed = item.clone();
    edit(&mut item, Edit::Put(json(r#"{"list":[]}"#)), 2, 4);
    assert!(item.is_in_conflict(), "it has heard of the list, and went on showing its own");
    edit(&mut informed, Edit::Put(json(r#"{"list":[]}"#)), 3, 4);
    assert!(!informed.is_in_conflict());
}

#[test]
fn a_conflict_whose_base_is_not_known_ends_when_both_sides_are_equal() {
    let mut item = at_rest(r#"{"title":"x"}"#);
    pull(&mut item, 6, Some(r#"{"title":"y"}"#), 2);
    edit(&mut item, Edit::Put(json(r#"{"title":"z"}"#)), 1, 3);
    pull(&mut item, 7, Some(r#"{"title":"w"}"#), 4);
    assert!(item.is_in_conflict(), "a newer side of the server changes nothing about it");
    edit(&mut item, Edit::Put(json(r#"{"title":"w"}"#)), 4, 5);
    assert!(!item.is_in_conflict() && !item.is_open());
}

#[test]
fn what_this_device_wrote_itself_is_nobody_else_s_change() {
    let (version, value) = (Some(Version(6)), Some(json(r#"{"title":"x"}"#)));
    for own in [true, false] {
        let remote = Remote { version, value: value.clone(), deleted: false, at: None, own, by: None };
        let mut item = Item::pulled_at_rest(remote, Position(2));
        edit(&mut item, Edit::Put(json(r#"{"title":"z"}"#)), 0, 3);
        assert_eq!(item.is_in_conflict(), !own);
    }
}

#[test]
fn f62_two_tabs_that_change_two_entries_of_one_list_lose_neither() {
    let list = |one: u8, two: u8| format!(r#"{{"list":[{{"id":1,"on":{one}}},{{"id":2,"on":{two}}}]}}"#);
    let mut item = at_rest(&list(0, 0));
    edit_by("one", &mut item, update(&list(1, 0), &list(0, 0)), 1, 2);
    edit_by("two", &mut item, update(&list(0, 1), &list(0, 0)), 1, 3);
    assert_eq!(local(&item), list(1, 1));
}

#[test]
fn another_tab_s_value_gives_way_to_the_later_one() {
    let mut item = at_rest(r#"{"title":"x"}"#);
    edit_by("one", &mut item, update(r#"{"title":"y"}"#, r#"{"title":"x"}"#), 1, 2);
    edit_by("two", &mut item, update(r#"{"title":"z"}"#, r#"{"title":"x"}"#), 1, 3);
    assert!(!item.is_in_conflict());
    assert_eq!(local(&item), r#"{"title":"z"}"#);
}

#[test]
fn a_new_device_s_change_of_a_setting_is_one_of_the_defaults_it_showed() {
    let upsert = Some(json(r#"{"dark":true,"size":12}"#));
    let edited = Update {
        fields: json(r#"{"dark":true}"#),
        was: Some(json(r#"{"dark":false}"#)),
        upsert,
        ..Update::default()
    };
    let mut item = Item::default();
    edit(&mut item, Edit::Update(edited), 0, 1);
    assert!(item.is_open(), "the server has nothing of it");
    let (row, value) = (item.row(false, true), item.local().cloned());
    for mut item in [item, Item::load(value, Some(row))] {
        pull(&mut item, 6, Some(r#"{"dark":false,"size":15}"#), 2);
        assert!(!item.is_in_conflict(), "{:?}", item.conflict());
        assert_eq!(local(&item), r#"{"dark":true,"size":15}"#);
    }
}

#[test]
fn an_update_of_what_was_deleted_elsewhere_is_a_conflict_with_the_deletion() {
    let mut item = at_rest(r#"{"title":"x","n":1}"#);
    pull(&mut item, 6, None, 2);
    let (row, value) = (item.row(false, false), item.local().cloned());
    for mut item in [item, Item::load(value, Some(row))] {
        let mut known = item.clone();
        edit(&mut item, update(r#"{"n":2}"#, r#"{"n":1}"#), 1, 3);
        let conflict = item.conflict().unwrap();
        assert!(conflict.remote.is_none() && conflict.base.is_some());
        assert_eq!(local(&item), r#"{"title":"x","n":2}"#);
        let effect = edit(&mut known, update(r#"{"n":2}"#, r#"{"n":1}"#), 2, 3);
        assert_eq!(effect, Effect::Missing, "the page has seen the deletion");
    }
}

#[test]
fn an_update_of_what_its_page_deleted_is_dropped_and_another_tab_s_counts() {
    for (page, kept) in [("one", false), ("two", true)] {
        let mut item = at_rest(r#"{"n":1}"#);
        edit_by("one", &mut item, Edit::Delete, 1, 2);
        edit_by(page, &mut item, update(r#"{"n":2}"#, r#"{"n":1}"#), 1, 3);
        assert_eq!(item.local().is_some(), kept, "{page}");
        assert!(!item.is_in_conflict());
    }
}

#[test]
fn f27_a_resolution_settles_the_conflict_on_the_server_s_version() {
    let choices = [
        (Choice::Local, r#"{"a":1,"b":0}"#, true),
        (Choice::Remote, r#"{"a":2,"b":2}"#, false),
        (Choice::Merge, r#"{"a":1,"b":2}"#, true),
        (Choice::Value(Some(json(r#"{"a":9}"#))), r#"{"a":9}"#, true),
        (Choice::Value(None), "", true),
    ];
    for (choice, value, is_sent) in choices {
        let mut item = at_rest(r#"{"a":0,"b":0}"#);
        edit(&mut item, Edit::Put(json(r#"{"a":1,"b":0}"#)), 1, 2);
        pull(&mut item, 6, Some(r#"{"a":2,"b":2}"#), 3);
        assert!(item.is_in_conflict());
        resolve(&mut item, choice.clone(), 4);
        assert_eq!(
            (local(&item), item.is_in_conflict(), item.is_open()),
            (value, false, is_sent),
            "{choice:?}"
        );
        assert_eq!(item.version(), Some(Version(6)));
    }
}

#[test]
fn a_resolution_of_a_conflict_that_is_another_one_meanwhile_changes_nothing() {
    let mut item = at_rest(r#"{"a":0}"#);
    edit(&mut item, Edit::Put(json(r#"{"a":1}"#)), 1, 2);
    pull(&mut item, 6, Some(r#"{"a":2}"#), 3);
    let shown = item.conflict().unwrap().number;
    for change in [
        |item: &mut Item| edit(item, Edit::Put(json(r#"{"a":4}"#)), 3, 4),
        |item: &mut Item| pull(item, 7, Some(r#"{"a":3}"#), 4),
    ] {
        let mut item = item.clone();
        change(&mut item);
        let before = item.clone();
        let edit = Edit::Resolve { conflict: shown, choice: Choice::Remote };
        let page: Rc<str> = "page".into();
        let editor = Editor {
            page: &page,
            seen: Position(4),
            position: Position(5),
            at: Millis(5),
            strategy: Strategy::Merge,
        };
        assert_eq!(item.edit(&edit, editor), Effect::NotInConflict);
        assert_eq!(item, before);
    }
}

#[test]
fn a_strategy_decides_what_a_merge_leaves_in_conflict() {
    for (strategy, wanted) in
        [(Strategy::Local, r#"{"a":1}"#), (Strategy::Remote, r#"{"a":2}"#), (Strategy::Newest, r#"{"a":1}"#)]
    {
        let mut item = at_rest(r#"{"a":0}"#);
        edit(&mut item, Edit::Put(json(r#"{"a":1}"#)), 1, 20);
        let (version, value) = (Some(Version(6)), Some(json(r#"{"a":2}"#)));
        let remote = Remote { version, value, deleted: false, at: Some(Millis(10)), own: false, by: None };
        item.pulled(remote, Incoming { strategy, ..incoming(21) });
        assert_eq!((local(&item), item.is_in_conflict()), (wanted, false), "{strategy:?}");
    }
}

#[test]
fn f66_a_refused_change_may_stay_until_someone_decides() {
    let refused = |item: &mut Item| {
        edit(item, Edit::Put(json(r#"{"a":1}"#)), 1, 2);
        let answer = AnswerRow {
            slice: "notes".into(),
            id: "a".into(),
            status: AnswerStatus::Rejected,
            sent: Side::of(Some(json(r#"{"a":1}"#))),
            upto: Position(2),
            version: Some(Version(5)),
            value: Some(json(r#"{"a":0}"#)),
            deleted: false,
            at: None,
            own: false,
            by: None,
            code: Some("no".into()),
            message: Some("No.".into()),
        };
        item.answer(&answer, Incoming { keeps_refused: true, ..incoming(3) });
    };
    let at = |item: &Item| item.refused()[0].position;
    let mut item = at_rest(r#"{"a":0}"#);
    refused(&mut item);
    assert_eq!((local(&item), item.is_open(), item.is_kept_refused()), (r#"{"a":1}"#, false, true));
    let (row, value) = (item.row(false, false), item.local().cloned());
    assert!(!Item::load(value, Some(row)).is_open(), "it is not sent after a restart either");
    let mut edited = item.clone();
    edit(&mut edited, update(r#"{"b":1}"#, "{}"), 3, 4);
    assert!(edited.is_open() && edited.refused().len() == 1);
    let mut retried = item.clone();
    let retry = Edit::Retry { refused_at: at(&retried), value: Some(json(r#"{"a":2}"#)) };
    edit(&mut retried, retry, 3, 4);
    assert_eq!((local(&retried), retried.is_open(), retried.refused().len()), (r#"{"a":2}"#, true, 0));
    let mut discarded = item.clone();
    let discard = Edit::Discard { refused_at: at(&discarded) };
    assert_eq!(edit(&mut discarded, discard, 3, 4), Effect::Changed);
    assert_eq!((local(&discarded), discarded.is_open(), discarded.refused().len()), (r#"{"a":0}"#, false, 0));
}

#[test]
fn what_a_pull_says_again_is_no_news_to_an_item_that_may_have_arrived() {
    let mut item = at_rest(r#"{"a":0}"#);
    edit(&mut item, Edit::Put(json(r#"{"a":1}"#)), 1, 2);
    item.may_have_arrived(&Some(json(r#"{"a":1}"#)));
    edit(&mut item, Edit::Put(json(r#"{"a":2}"#)), 1, 3);
    pull(&mut item, 5, Some(r#"{"a":0}"#), 4);
    assert!(!item.is_in_conflict() && item.is_open());
}

#[test]
fn a_tab_that_edits_what_another_has_just_deleted_keeps_it_though_the_server_never_had_it() {
    let mut item = Item::default();
    edit_by("a", &mut item, Edit::Put(json(r#"{"n":1}"#)), 0, 1);
    edit_by("a", &mut item, Edit::Delete, 1, 2);
    assert!(item.needs_row());
    let mut item = Item::load(None, Some(item.row(false, false)));
    edit_by("b", &mut item, update(r#"{"m":2}"#, "{}"), 1, 3);
    assert_eq!(local(&item), r#"{"n":1,"m":2}"#);
}
