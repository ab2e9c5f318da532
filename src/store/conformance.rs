//! The cases that every store keeps, as data: whoever has a store plays the steps on it and compares. `tests/store.rs` does so
//! with [`MemoryStore`](super::MemoryStore) and the simulator's disk, a worker of the end-to-end tests with IndexedDB.

use super::*;

/// A story that begins with an empty database.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub enum Step {
    /// Adds these object stores.
    Create(Vec<Rc<str>>),
    /// One transaction, which succeeds.
    Write(Vec<Write>),
    /// One transaction, which fails and changes nothing.
    Refused(Vec<Write>),
    /// A start reads this. Of the stores, those of slices count; the order is free but for the journal's.
    Start(Snapshot),
    /// A read returns this, in any order.
    Load { wanted: Vec<Wanted>, slices: Vec<Whole>, loaded: Vec<Loaded> },
}

/// Says where a snapshot is not the expected one.
pub fn compare_snapshots(expected: &Snapshot, mut actual: Snapshot) -> Result<(), String> {
    let mut expected = expected.clone();
    for snapshot in [&mut expected, &mut actual] {
        snapshot.stores.retain(|store| !SYSTEM_STORES.contains(&store.as_str()));
        snapshot.stores.sort();
        snapshot.open.sort();
        snapshot.meta.sort();
    }
    same("stores", &expected.stores, &actual.stores)?;
    same("journal", &expected.journal, &actual.journal)?;
    same("open", &expected.open, &actual.open)?;
    same("meta", &expected.meta, &actual.meta)
}

/// Says where what was read is not what was expected.
pub fn compare_loaded(expected: &[Loaded], mut actual: Vec<Loaded>) -> Result<(), String> {
    let mut expected = expected.to_vec();
    for loaded in [&mut expected, &mut actual] {
        loaded.sort_by(|one, other| one.key.cmp(&other.key));
    }
    same("items", &expected, &actual)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, actual: &T) -> Result<(), String> {
    match expected == actual {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected:?}, there is {actual:?}")),
    }
}

/// All cases.
pub fn cases() -> Vec<Case> {
    vec![
        puts_and_deletes(),
        the_last_write_of_a_key_counts(),
        a_trim_goes_through_a_number(),
        a_failed_transaction_changes_nothing(),
        any_json_is_a_value(),
        any_text_is_an_id(),
        texts_are_kept_as_they_are(),
        a_snapshot_has_the_journal_in_order_and_all_of_meta(),
        the_index_has_the_rows_with_the_field(),
        a_read_names_items_and_slices(),
        many_items_are_read_like_few(),
        stores_are_added_and_nothing_else_changes(),
    ]
}

const FILES: &str = "files";

fn case(name: &'static str, mut steps: Vec<Step>) -> Case {
    steps.insert(0, Step::Create(vec![FILES.into()]));
    Case { name, steps }
}

fn text(name: &str) -> RowKey {
    RowKey::Text(name.into())
}

fn item(id: &str) -> RowKey {
    RowKey::Item(Key::new(FILES, id))
}

fn put(id: &str, value: &str) -> Write {
    Write::put(FILES, text(id), value.into())
}

fn put_row(id: &str, row: &str) -> Write {
    Write::put(ITEMS, item(id), row.into())
}

fn put_record(position: u64, head: &str, text: &str) -> Write {
    let row = Row::WithText { head: head.into(), text: text.into() };
    Write::Put { store: JOURNAL.into(), key: RowKey::Number(position), row }
}

fn loaded(id: &str, value: Option<&str>, row: Option<&str>) -> Loaded {
    Loaded { key: Key::new(FILES, id), value: value.map(Json::from), row: row.map(String::from) }
}

/// Reads these items by their names.
fn reads(items: Vec<Loaded>) -> Step {
    let wanted = items.iter().map(|loaded| Wanted { key: loaded.key.clone(), store: FILES.into() });
    Step::Load { wanted: wanted.collect(), slices: Vec::new(), loaded: items }
}

/// Reads the whole slice.
fn has(items: Vec<Loaded>) -> Step {
    let slices = vec![Whole { slice: FILES.into(), store: FILES.into() }];
    Step::Load { wanted: Vec::new(), slices, loaded: items }
}

fn starts(journal: &[(u64, &str)], open: &[&str], meta: &[(&str, &str)]) -> Step {
    Step::Start(Snapshot {
        stores: vec![FILES.into()],
        journal: journal.iter().map(|(position, row)| (Position(*position), (*row).into())).collect(),
        open: open.iter().map(|id| Key::new(FILES, id)).collect(),
        meta: meta.iter().map(|(name, row)| ((*name).into(), (*row).into())).collect(),
    })
}

fn puts_and_deletes() -> Case {
    let both = || vec![loaded("a", Some(r#"{"n":1}"#), Some(r#"{"position":1}"#)), loaded("b", None, None)];
    case(
        "puts and deletes",
        vec![
            has(Vec::new()),
            Step::Write(vec![put("a", r#"{"n":1}"#), put_row("a", r#"{"position":1}"#)]),
            reads(both()),
            Step::Write(vec![put("b", r#"{"n":2}"#), Write::delete(FILES, text("nobody"))]),
            has(vec![both().remove(0), loaded("b", Some(r#"{"n":2}"#), None)]),
            Step::Write(vec![Write::delete(FILES, text("a")), Write::delete(ITEMS, item("a"))]),
            has(vec![loaded("b", Some(r#"{"n":2}"#), None)]),
        ],
    )
}

fn the_last_write_of_a_key_counts() -> Case {
    let gone = |id: &str| Write::delete(FILES, text(id));
    case(
        "the last write of a key counts",
        vec![
            Step::Write(vec![put("a", "1"), put("a", "2"), put("b", "1"), gone("b"), put("c", "1")]),
            Step::Write(vec![gone("c"), put("c", "2"), put("d", "1"), put("a", "3")]),
            has(vec![
                loaded("a", Some("3"), None),
                loaded("c", Some("2"), None),
                loaded("d", Some("1"), None),
            ]),
        ],
    )
}

fn a_trim_goes_through_a_number() -> Case {
    let records = [1, 2, 9, 10, 11].map(|position| put_record(position, "{}", "x"));
    let trim = |through| Write::Trim { store: JOURNAL.into(), through };
    let row = r#"{"text":"x"}"#;
    case(
        "a trim goes through a number",
        vec![
            Step::Write(records.to_vec()),
            Step::Write(vec![trim(9)]),
            starts(&[(10, row), (11, row)], &[], &[]),
            Step::Write(vec![trim(5)]),
            starts(&[(10, row), (11, row)], &[], &[]),
            Step::Write(vec![put_record(12, "{}", "x"), trim(11), put_record(13, "{}", "x")]),
            starts(&[(12, row), (13, row)], &[], &[]),
            Step::Write(vec![trim(1_000)]),
            starts(&[], &[], &[]),
        ],
    )
}

fn a_failed_transaction_changes_nothing() -> Case {
    let nowhere = || Write::put("nowhere", text("a"), "1".into());
    let before = || has(vec![loaded("a", Some("1"), Some(r#"{"position":1,"open":1}"#))]);
    let trim = Write::Trim { store: JOURNAL.into(), through: 9 };
    let all = vec![
        put("a", "2"),
        put("b", "1"),
        Write::delete(ITEMS, item("a")),
        Write::meta("epoch", "\"other\""),
        trim,
        nowhere(),
    ];
    case(
        "a failed transaction changes nothing",
        vec![
            Step::Write(vec![
                put("a", "1"),
                put_row("a", r#"{"position":1,"open":1}"#),
                put_record(1, "{}", "x"),
                Write::meta("epoch", "\"one\""),
            ]),
            Step::Refused(vec![nowhere()]),
            Step::Refused(vec![Write::delete("nowhere", text("a"))]),
            Step::Refused(all),
            before(),
            starts(&[(1, r#"{"text":"x"}"#)], &["a"], &[("epoch", "\"one\"")]),
        ],
    )
}

fn any_json_is_a_value() -> Case {
    let values = [
        "null",
        "true",
        "0",
        "-7.5",
        "\"\"",
        "[]",
        "{}",
        "[null,{\"a\":[]}]",
        "\"\\u0000 \\\" \u{1f6a2}\"",
        "{\"text\":1,\"id\":null}",
    ];
    let named = || values.iter().enumerate().map(|(n, value)| (format!("{n}"), *value));
    let items = || named().map(|(id, value)| loaded(&id, Some(value), None)).collect::<Vec<_>>();
    case(
        "any JSON is a value, null too",
        vec![Step::Write(named().map(|(id, value)| put(&id, value)).collect()), reads(items()), has(items())],
    )
}

fn any_text_is_an_id() -> Case {
    let long = "\u{e9}".repeat(500);
    let ids: Vec<&str> = vec![
        " ",
        "\u{0}",
        "\u{1f468}\u{200d}\u{1f469}",
        "\u{202e}",
        "\u{feff}",
        "\"'`\\",
        "%00",
        "../x",
        "0",
        "1e3",
        "A",
        "[\"a\"]",
        "__proto__",
        "a",
        "a/b:c?d#e",
        "constructor",
        "length",
        "null",
        "{}",
        "\u{10ffff}",
        long.as_str(),
    ];
    let row = r#"{"position":1,"open":1}"#;
    let items = || ids.iter().map(|id| loaded(id, Some("{\"n\":1}"), Some(row))).collect::<Vec<_>>();
    let writes = ids.iter().flat_map(|id| [put(id, "{\"n\":1}"), put_row(id, row)]);
    let deletes = ids.iter().flat_map(|id| [Write::delete(FILES, text(id)), Write::delete(ITEMS, item(id))]);
    case(
        "any text is an id",
        vec![
            Step::Write(writes.collect()),
            reads(items()),
            has(items()),
            starts(&[], &ids, &[]),
            Step::Write(deletes.collect()),
            has(Vec::new()),
        ],
    )
}

fn texts_are_kept_as_they_are() -> Case {
    let texts = ["", "[{\"type\":\"files/addItem\"}]", "no JSON: {", "\"\\\u{0}\n\u{2028}\u{1f6a2}"];
    let head = r#"{"kind":"burst","n":1}"#;
    let mut writes: Vec<Write> = Vec::new();
    let mut rows: Vec<(u64, String)> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        // Rows with and without a text in turn, in one transaction.
        let position = 2 * at as u64 + 1;
        writes.push(put_record(position, head, text));
        writes.push(Write::put(JOURNAL, RowKey::Number(position + 1), head.into()));
        rows.push((position, format!(r#"{{"kind":"burst","n":1,"text":{}}}"#, crate::json::quoted(text))));
        rows.push((position + 1, head.into()));
    }
    let rows: Vec<(u64, &str)> = rows.iter().map(|(position, row)| (*position, row.as_str())).collect();
    case("texts are kept as they are", vec![Step::Write(writes), starts(&rows, &[], &[])])
}

fn a_snapshot_has_the_journal_in_order_and_all_of_meta() -> Case {
    let journal =
        [(2, r#"{"n":2,"text":"b"}"#), (10, r#"{"n":10,"text":"c"}"#), (100, r#"{"n":100,"text":"a"}"#)];
    let meta = [
        ("epoch", "\"one\""),
        ("page:x", "{\"n\":1}"),
        ("position", "7"),
        ("push", "{\"n\":1,\"text\":\"[]\"}"),
    ];
    let push = Row::WithText { head: "{\"n\":1}".into(), text: "[]".into() };
    case(
        "a snapshot has the journal in order and all of _meta",
        vec![
            starts(&[], &[], &[]),
            Step::Write(vec![
                put_record(100, r#"{"n":100}"#, "a"),
                put_record(2, r#"{"n":2}"#, "b"),
                put_record(10, r#"{"n":10}"#, "c"),
                Write::meta("position", "6"),
                Write::meta("page:x", "{\"n\":1}"),
                Write::meta("left", "1"),
                Write::Put { store: META.into(), key: text("push"), row: push },
            ]),
            Step::Write(vec![
                Write::meta("position", "7"),
                Write::delete_meta("left"),
                Write::meta("epoch", "\"one\""),
            ]),
            starts(&journal, &[], &meta),
        ],
    )
}

fn the_index_has_the_rows_with_the_field() -> Case {
    let of_notes = Key::new("notes", "a");
    let with_notes = |open: &[&str]| match starts(&[], open, &[]) {
        Step::Start(mut snapshot) => {
            snapshot.open.push(of_notes.clone());
            Step::Start(snapshot)
        }
        step => step,
    };
    case(
        "the index has the rows with the field",
        vec![
            Step::Write(vec![
                put_row("never", r#"{"position":1,"version":1}"#),
                put_row("zero", r#"{"position":1,"open":0}"#),
                put_row("edited", r#"{"position":1,"open":1}"#),
                put_row("ends", r#"{"position":1,"open":1}"#),
                put_row("goes", r#"{"position":1,"open":2}"#),
                Write::put(ITEMS, RowKey::Item(of_notes.clone()), r#"{"position":1,"open":3}"#.into()),
            ]),
            with_notes(&["edited", "ends", "goes", "zero"]),
            Step::Write(vec![
                put_row("ends", r#"{"position":2,"version":1}"#),
                Write::delete(ITEMS, item("goes")),
                put_row("edited", r#"{"position":2,"open":2}"#),
                put_row("never", r#"{"position":2,"open":2}"#),
            ]),
            with_notes(&["edited", "never", "zero"]),
        ],
    )
}

fn a_read_names_items_and_slices() -> Case {
    let (notes, of_notes): (Rc<str>, _) = ("notes".into(), Key::new("notes", "a"));
    let row = r#"{"position":1}"#;
    let note = Loaded { key: of_notes.clone(), value: Some("true".into()), row: Some(row.into()) };
    let both = Step::Load {
        wanted: vec![Wanted { key: of_notes.clone(), store: notes.clone() }],
        slices: vec![Whole { slice: FILES.into(), store: FILES.into() }],
        loaded: vec![
            loaded("both", Some("1"), Some(row)),
            loaded("row", None, Some(row)),
            loaded("value", Some("2"), None),
            note.clone(),
        ],
    };
    let wanted = ["both", "nothing", "row", "value"]
        .map(|id| Wanted { key: Key::new(FILES, id), store: FILES.into() });
    let some = Step::Load {
        wanted: wanted.into_iter().chain([Wanted { key: of_notes.clone(), store: notes.clone() }]).collect(),
        slices: Vec::new(),
        loaded: vec![
            loaded("both", Some("1"), Some(row)),
            loaded("nothing", None, None),
            loaded("row", None, Some(row)),
            loaded("value", Some("2"), None),
            note,
        ],
    };
    case(
        "a read names items and slices; rows without a value are items",
        vec![
            Step::Create(vec![notes.clone()]),
            Step::Write(vec![
                put("both", "1"),
                put_row("both", row),
                put_row("row", row),
                put("value", "2"),
                Write::put(&notes, text("a"), "true".into()),
                Write::put(ITEMS, RowKey::Item(of_notes), row.into()),
                // Slices whose names are around this one's.
                Write::put(ITEMS, RowKey::Item(Key::new("file", "x")), row.into()),
                Write::put(ITEMS, RowKey::Item(Key::new("files2", "x")), row.into()),
            ]),
            both,
            some,
        ],
    )
}

fn many_items_are_read_like_few() -> Case {
    let row = r#"{"position":1}"#;
    let id = |n: usize| format!("item {n:03}");
    let mut writes = Vec::new();
    let mut items = Vec::new();
    for n in 0..200 {
        let (value, with_row) = ((n % 2 == 0).then_some("null"), (n % 3 == 0).then_some(row));
        writes.extend(value.map(|value| put(&id(n), value)));
        writes.extend(with_row.map(|row| put_row(&id(n), row)));
        items.push(loaded(&id(n), value, with_row));
    }
    let there = items.iter().filter(|item| item.value.is_some() || item.row.is_some()).cloned().collect();
    case("many items are read like few", vec![Step::Write(writes), reads(items), has(there)])
}

fn stores_are_added_and_nothing_else_changes() -> Case {
    let stores = |names: &[&str]| match starts(&[(1, r#"{"text":"x"}"#)], &["a"], &[("epoch", "1")]) {
        Step::Start(snapshot) => {
            Step::Start(Snapshot { stores: names.iter().map(|name| (*name).into()).collect(), ..snapshot })
        }
        step => step,
    };
    case(
        "stores are added and nothing else changes",
        vec![
            Step::Write(vec![
                put("a", "1"),
                put_row("a", r#"{"position":1,"open":1}"#),
                put_record(1, "{}", "x"),
                Write::meta("epoch", "1"),
            ]),
            stores(&[FILES]),
            Step::Refused(vec![Write::put("notes", text("a"), "1".into())]),
            Step::Create(vec![FILES.into(), "notes".into(), "theme".into()]),
            stores(&[FILES, "notes", "theme"]),
            has(vec![loaded("a", Some("1"), Some(r#"{"position":1,"open":1}"#))]),
            Step::Write(vec![Write::put("notes", text("a"), "1".into())]),
        ],
    )
}
