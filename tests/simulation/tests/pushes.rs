//! The model server answers pushes as Flask does: the conformance suite `tests/wire/pushes.json` (its format is in
//! `tests/wire/README.md`).
//!
//! Left out are `invalid`, which the device never sends, and `unreadable`, as the model stores values, not texts.

mod support;

use nightferry::json::equal;
use nightferry_sim::server::{Fault, Hook, HookDoes, Row, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::{golden_error, text};

const GROUPS: [&str; 9] =
    ["base", "repeat", "hooks", "rejected", "own", "user", "device", "history", "patch"];
/// When cases are run, in epoch ms: all times of the suite are before.
const NOW: u64 = 1_765_000_000_000;
/// A version that the server never gave.
const UNKNOWN: u64 = 1 << 50;

#[derive(Default)]
struct Symbols(BTreeMap<String, u64>);

impl Symbols {
    fn number(&self, symbol: &Value) -> Value {
        match symbol.as_str() {
            None => Value::Null,
            Some("unknown") => UNKNOWN.into(),
            Some(name) if name.starts_with("new") => self.0[name].into(),
            Some(name) => name[1..].parse::<u64>().expect("v and a number").into(),
        }
    }

    /// Takes the number of a symbol at its first place. A new one is greater than all before it.
    fn learn(&mut self, symbol: &Value, number: &Value, case: &str) {
        let Some(name) = symbol.as_str().filter(|name| name.starts_with("new")) else { return };
        if self.0.contains_key(name) {
            return;
        }
        let number = number.as_u64().unwrap_or_else(|| panic!("{case}: {name} is {number}"));
        assert!(number > 1_000 && self.0.values().all(|known| *known < number), "{case}: {name} is {number}");
        self.0.insert(name.into(), number);
    }
}

fn hook(hook: &Value) -> Hook {
    let does = match hook.get("set") {
        Some(fields) => HookDoes::Set(fields.clone()),
        None => HookDoes::Refuse {
            code: hook["code"].as_str().unwrap_or("refused").into(),
            message: text(&hook["refuse"]),
        },
    };
    let when = hook.get("when").cloned();
    Hook { slice: text(&hook["slice"]), deletes: hook["op"] == "delete", when, does }
}

fn server(case: &Value, symbols: &Symbols) -> Server {
    let mut server = Server::default();
    server.is_strict = false;
    server.app_hooks = case["hooks"].as_array().into_iter().flatten().map(hook).collect();
    for row in case["state"].as_array().expect("rows") {
        let made = Row {
            version: symbols.number(&row["version"]).as_u64().expect("a version"),
            value: row.get("value").cloned(),
            at: row["at"].as_u64().expect("a time"),
            principal: format!("acme/{}", text(&row["user"])),
            client: text(&row["client"]),
            device: row.get("device").map(text),
        };
        server.items.insert((text(&row["slice"]), text(&row["id"])), made);
    }
    server
}

/// Sends a push; its status and its answer.
fn send(server: &mut Server, push: &Value, symbols: &Symbols) -> (u16, Value) {
    server.principal = format!("acme/{}", text(&push["user"]));
    let mut mutations = push["mutations"].clone();
    for mutation in mutations.as_array_mut().expect("mutations") {
        mutation["base"] = symbols.number(&mutation["base"]);
    }
    let mut body = json!({
        "protocol": 1, "client": push["client"], "principal": server.principal, "n": push["n"], "tag": push["tag"],
        "mutations": mutations,
    });
    if push.get("answered").is_some() {
        body["answered"] = symbols.number(&push["answered"]);
    }
    for (name, value) in push["fields"].as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let answer = server.receive(NOW, "/push", Some(&body.to_string()), Fault::Nothing);
    let answer = answer.flatten().expect("an answer");
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

fn check_answer(
    case: &str,
    expected: &Value,
    (status, mut body): (u16, Value),
    server: &Server,
    symbols: &mut Symbols,
) {
    if let Some(code) = expected.get("error") {
        assert_eq!(&body["error"]["code"], code, "{case}: {body}");
        let golden = golden_error(&text(code));
        assert_eq!(golden["status"], status, "{case}");
        assert_eq!(body["error"].get("slices"), expected.get("slices"), "{case}");
        return;
    }
    assert_eq!(status, 200, "{case}: {body}");
    let mut expected = expected.clone();
    symbols.learn(&expected["version"], &body["version"], case);
    expected["version"] = symbols.number(&expected["version"]);
    let results = body["results"].as_array_mut().expect("results");
    for (at, wanted) in expected["results"].as_array_mut().expect("results").iter_mut().enumerate() {
        let result = &mut results[at];
        symbols.learn(&wanted["version"], &result["version"], case);
        wanted["version"] = symbols.number(&wanted["version"]);
        if wanted["status"] == "rejected" && wanted.get("message").is_none() {
            assert_ne!(result["message"].as_str().unwrap_or_default(), "", "{case}");
            result.as_object_mut().expect("an object").remove("message");
        }
    }
    expected["protocol"] = 1.into();
    expected["principal"] = (*server.principal).into();
    assert!(equal(&body.to_string(), &expected.to_string()), "{case}: {body}, not {expected}");
}

fn rows(server: &Server) -> Vec<Value> {
    let row = |((slice, id), row): (&(String, String), &Row)| {
        let user = row.principal.split_once('/').expect("a user").1;
        let mut shown = json!({
            "slice": slice, "id": id, "version": row.version, "at": row.at, "user": user, "client": row.client,
        });
        if let Some(device) = &row.device {
            shown["device"] = (**device).into();
        }
        match &row.value {
            Some(value) => shown["value"] = value.clone(),
            None => shown["deleted"] = true.into(),
        }
        shown
    };
    server.items.iter().map(row).collect()
}

#[test]
fn the_model_server_answers_pushes_as_the_conformance_suite_says() {
    let suite: Value = serde_json::from_str(include_str!("../../wire/pushes.json")).unwrap();
    let mut run = 0;
    for case in suite["cases"].as_array().unwrap() {
        if !GROUPS.contains(&case["group"].as_str().unwrap()) {
            continue;
        }
        run += 1;
        let name = text(&case["name"]);
        let mut symbols = Symbols::default();
        let mut server = server(case, &symbols);
        let pushes = case["pushes"].as_array().unwrap();
        for (push, expected) in pushes.iter().zip(case["answers"].as_array().unwrap()) {
            let answer = send(&mut server, push, &symbols);
            check_answer(&name, expected, answer, &server, &mut symbols);
        }
        let mut expected = case["state_after"].clone();
        let expected = expected.as_array_mut().unwrap();
        for row in expected.iter_mut() {
            row["version"] = symbols.number(&row["version"]);
            if row["at"] == "now" {
                row["at"] = NOW.into();
            }
        }
        expected.sort_by_key(|row| (text(&row["slice"]), text(&row["id"])));
        let (found, expected) = (Value::from(rows(&server)), Value::from(expected.clone()));
        assert!(equal(&found.to_string(), &expected.to_string()), "{name}: rows {found}, not {expected}");
    }
    assert_eq!(run, 60, "cases that were run");
}
