//! The model server answers pulls as Flask does: the conformance suite `tests/wire/pulls.json` (its format is in
//! `tests/wire/README.md`).
//!
//! Left out is `unreadable`, as the model stores values, not texts.

mod support;

use nightferry::json::equal;
use nightferry_sim::server::{Backup, Fault, History, Row, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::{golden_error, text};

/// When cases are run, in epoch ms.
const NOW: u64 = 1_765_000_000_000;
/// A version that the server never gave.
const UNKNOWN: u64 = 1 << 50;

fn number(symbol: &Value) -> Value {
    match symbol.as_str() {
        None => Value::Null,
        Some("unknown") => UNKNOWN.into(),
        Some(name) => name[1..].parse::<u64>().expect("v and a number").into(),
    }
}

/// Items by slice and id, and their newest version.
fn rows(rows: &Value) -> (BTreeMap<(String, String), Row>, u64) {
    let row = |row: &Value| {
        let made = Row {
            version: number(&row["version"]).as_u64().expect("a version"),
            value: row.get("value").cloned(),
            at: row["at"].as_u64().expect("a time"),
            principal: format!("acme/{}", text(&row["user"])),
            client: text(&row["client"]),
            device: row.get("device").map(text),
        };
        ((text(&row["slice"]), text(&row["id"])), made)
    };
    let items: BTreeMap<_, _> = rows.as_array().expect("rows").iter().map(row).collect();
    let newest = items.values().map(|row| row.version).max().unwrap_or(0);
    (items, newest)
}

fn write(server: &mut Server, written: &Value) {
    let (items, _) = rows(written);
    for row in items.values() {
        server.history.commit(row.version);
    }
    server.items.extend(items);
}

/// Asks for a page; its status and its answer. `cursors` are those that answers gave, by their names.
fn pull(server: &mut Server, pull: &Value, cursors: &BTreeMap<String, Value>) -> (u16, Value) {
    server.principal = format!("acme/{}", text(&pull["user"]));
    let mut body = json!({"protocol": 1, "client": pull["client"], "principal": server.principal});
    body["slices"] = pull["slices"].clone();
    for cursor in body["slices"].as_object_mut().expect("slices").values_mut() {
        if let Some(name) = cursor["cursor"].as_str() {
            *cursor = cursors[name].clone();
        }
    }
    if let Some(mine) = pull["mine"].as_array() {
        body["mine"] = mine.iter().map(number).collect();
    }
    if pull.get("answered").is_some() {
        body["answered"] = number(&pull["answered"]);
    }
    if let Some(limit) = pull.get("limit") {
        body["limit"] = limit.clone();
    }
    for (name, value) in pull["fields"].as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let answer = server.receive(NOW, "/pull", Some(&body.to_string()), Fault::Nothing);
    let answer = answer.flatten().expect("an answer");
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

fn check(
    case: &str,
    expected: &Value,
    (status, mut body): (u16, Value),
    principal: &str,
    cursors: &mut BTreeMap<String, Value>,
) {
    if let Some(code) = expected.get("error") {
        assert_eq!(&body["error"]["code"], code, "{case}: {body}");
        assert_eq!(golden_error(&text(code))["status"], status, "{case}");
        assert_eq!(body["error"].get("slices"), expected.get("slices"), "{case}");
        return;
    }
    assert_eq!(status, 200, "{case}: {body}");
    let mut expected = expected.clone();
    expected["protocol"] = 1.into();
    expected["principal"] = principal.into();
    expected["version"] = number(&expected["version"]);
    for change in expected["changes"].as_array_mut().expect("changes") {
        change["version"] = number(&change["version"]);
    }
    let given = body["cursors"].as_object_mut().expect("cursors");
    for (slice, name) in expected["cursors"].as_object_mut().expect("cursors") {
        let cursor = given[slice].take();
        assert!(cursor.is_string(), "{case}: the cursor of {slice} is {cursor}");
        if let Some(name) = name.as_str() {
            cursors.insert(name.to_owned(), cursor);
        }
        *name = Value::Null;
    }
    assert!(equal(&body.to_string(), &expected.to_string()), "{case}: {body}, not {expected}");
}

#[test]
fn the_model_server_answers_pulls_as_the_conformance_suite_says() {
    let suite: Value = serde_json::from_str(include_str!("../../wire/pulls.json")).unwrap();
    let mut run = 0;
    for case in suite["cases"].as_array().unwrap() {
        if case["group"] == "unreadable" {
            continue;
        }
        run += 1;
        let name = text(&case["name"]);
        let mut server = Server::default();
        server.is_strict = false;
        server.history = History::empty();
        write(&mut server, &case["state"]);
        let mut cursors = BTreeMap::new();
        for step in case["steps"].as_array().unwrap() {
            if let Some(asked) = step.get("pull") {
                let answer = pull(&mut server, asked, &cursors);
                let principal = server.principal.clone();
                check(&name, &step["answer"], answer, &principal, &mut cursors);
            } else if let Some(written) = step.get("write") {
                write(&mut server, written);
            } else if let Some(restored) = step.get("restore") {
                let (items, newest) = rows(restored);
                let history = server.history.clone().back_to(newest);
                server.restore_backup(Backup::of(items, history));
            } else {
                server.forget_through(number(&step["forget"]).as_u64().expect("a version"));
            }
        }
    }
    assert_eq!(run, 43, "cases that were run");
}
