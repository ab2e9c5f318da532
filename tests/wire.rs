//! The golden messages of `tests/wire/`, as far as the worker writes or reads them, and the values that all sides keep.

use nightferry::json::{MAX_ITEM_BYTES, check, check_item, equal, well_formed};
use nightferry::protocol::{
    PullRequest, Sender, Verdict, mutation_bytes, push_request, read_error, read_pull, read_push,
};
use nightferry::store::{Operation, Remote};
use nightferry::units::{Millis, Position, PushNo, Version};
use serde_json::Value;

macro_rules! golden {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("wire/", $name, ".json")))
            .expect("a golden is JSON")
    };
}

#[test]
fn a_push_is_written_as_in_its_golden() {
    let mut message = golden!("push-request")["message"].clone();
    // The worker sends whole values, for whoever is signed in; patches, users and devices are for the server to read.
    message["mutations"].as_array_mut().unwrap().retain(|mutation| mutation["op"] != "patch");
    message.as_object_mut().unwrap().remove("user");
    message.as_object_mut().unwrap().remove("device");
    let operation = |mutation: &Value| Operation {
        slice: mutation["slice"].as_str().unwrap().into(),
        id: mutation["id"].as_str().unwrap().into(),
        base: mutation["base"].as_u64().map(Version),
        value: mutation.get("value").map(|value| value.to_string().into()),
        deleted: mutation["op"] == "delete",
        as_put: false,
        at: Millis(mutation["at"].as_u64().unwrap()),
        position: Position(0),
    };
    let operations: Vec<Operation> = message["mutations"].as_array().unwrap().iter().map(operation).collect();
    let text = |name: &str| message[name].as_str().unwrap();
    let sender =
        Sender { client: text("client"), principal: text("principal"), device: message["device"].as_str() };
    let n = PushNo(message["n"].as_u64().unwrap());
    let written =
        push_request(sender, n, text("tag"), message["answered"].as_u64().map(Version), &operations, |_| {
            None
        });
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), message);
    let size: usize = operations.iter().map(mutation_bytes).sum();
    assert!(size + 300 >= written.len(), "{} bytes are guessed to be {size}", written.len());
}

#[test]
fn the_first_request_is_written_as_in_its_golden() {
    let mut message = golden!("pull-request-principal")["message"].clone();
    message.as_object_mut().unwrap().remove("user");
    let client = message["client"].as_str().unwrap();
    let written = PullRequest { client, ..PullRequest::default() }.to_text();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), message);
}

#[test]
fn a_pull_is_written_as_in_its_golden() {
    let mut message = golden!("pull-request")["message"].clone();
    message.as_object_mut().unwrap().remove("user");
    message.as_object_mut().unwrap().remove("device");
    let text = |name: &str| message[name].as_str().unwrap();
    let slices = message["slices"].as_object().unwrap();
    let mine: Vec<Version> = message["mine"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| Version(version.as_u64().unwrap()))
        .collect();
    let request = PullRequest {
        client: text("client"),
        principal: Some(text("principal")),
        user: message["user"].as_str(),
        slices: slices.iter().map(|(slice, cursor)| (&**slice, cursor.as_str())).collect(),
        mine: &mine,
        answered: message["answered"].as_u64().map(Version),
        limit: None,
    };
    assert_eq!(serde_json::from_str::<Value>(&request.to_text()).unwrap(), message);
}

#[test]
fn every_answer_to_a_push_is_read() {
    let message = golden!("push-response")["message"].clone();
    let read = read_push(&message.to_string()).unwrap();
    assert_eq!(
        (&*read.principal, read.version.map(|version| version.0)),
        ("acme/ann", message["version"].as_u64())
    );
    let expected = message["results"].as_array().unwrap();
    assert_eq!(read.results.len(), expected.len());
    for (read, expected) in read.results.iter().zip(expected) {
        assert_eq!(
            (&*read.slice, &*read.id),
            (expected["slice"].as_str().unwrap(), expected["id"].as_str().unwrap())
        );
        let same = |value: &Option<nightferry::json::Json>| {
            value.as_ref().map(|text| serde_json::from_str::<Value>(text).unwrap()).as_ref()
                == expected.get("value")
        };
        let says = |remote: &Remote| {
            let (version, at) =
                (expected["version"].as_u64().map(Version), expected["at"].as_u64().map(Millis));
            assert_eq!((remote.version, remote.at), (version, at));
            assert_eq!((remote.deleted, remote.own), (expected["deleted"] == true, expected["own"] == true));
            assert!(same(&remote.value));
        };
        match (&read.verdict, expected["status"].as_str().unwrap()) {
            (Verdict::Applied { version, value }, "applied") => {
                assert_eq!(Some(version.0), expected["version"].as_u64());
                assert!(same(value));
            }
            (Verdict::Conflict(remote), "conflict") => says(remote),
            (Verdict::Rejected { code, message, remote }, "rejected") => {
                assert_eq!(
                    (&**code, &**message),
                    (expected["code"].as_str().unwrap(), expected["message"].as_str().unwrap())
                );
                says(remote);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_null_value_is_a_value() {
    let answer = r#"{"protocol":1,"principal":"p","results":[{"slice":"theme","id":"value","status":"applied","version":3,"value":null}]}"#;
    let Verdict::Applied { value, .. } = &read_push(answer).unwrap().results[0].verdict else {
        panic!("not applied")
    };
    assert_eq!(value.as_deref(), Some("null"));
}

#[test]
fn every_answer_to_a_pull_names_the_principal() {
    for golden in [
        golden!("pull-response"),
        golden!("pull-response-first"),
        golden!("pull-response-next"),
        golden!("pull-response-principal"),
    ] {
        assert_eq!(read_pull(&golden["message"].to_string()).unwrap().principal, "acme/ann");
    }
}

#[test]
fn every_error_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire");
    let mut read = 0;
    #[allow(clippy::disallowed_methods, reason = "a test reads its goldens")]
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(code) = name.strip_prefix("error-") else { continue };
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let error = read_error(&golden["message"].to_string()).unwrap();
        assert_eq!(error.code, code.replace('-', "_"), "the file is named after its code");
        assert_eq!(error.message, golden["message"]["error"]["message"].as_str().unwrap());
        read += 1;
    }
    assert!(read > 15);
    for body in ["", "<html>", "{}", "[]", r#"{"error":"no"}"#, r#"{"error":{"code":1,"message":"x"}}"#] {
        assert_eq!(read_error(body), None, "{body}");
    }
}

#[test]
fn what_is_no_answer_is_not_read_as_one() {
    for body in [
        "",
        "null",
        "{}",
        "<html>",
        r#"{"principal":"p"}"#,
        r#"{"principal":"p","results":{}}"#,
        r#"{"principal":"p","results":[{}]}"#,
        r#"{"principal":"p","results":[{"slice":"s","id":"i","status":"dreamt","version":1}]}"#,
        r#"{"principal":"p","results":[{"slice":"s","id":"i","status":"applied"}]}"#,
        r#"{"principal":"p","results":[{"slice":"s","id":"i","status":"applied","version":"1"}]}"#,
        r#"{"principal":"p","results":[{"slice":"s","id":"i","status":"applied","version":-1}]}"#,
    ] {
        let refused = read_push(body).unwrap_err();
        assert!(refused.0.contains("push"), "{body}: {refused:?}");
    }
    for body in ["", "null", "{}", r#"{"principal":7}"#] {
        assert!(read_pull(body).is_err(), "{body}");
    }
}

#[test]
fn values_that_every_side_accepts() {
    for case in golden!("values")["accepted"].as_array().unwrap() {
        let (text, equals) = (case["text"].as_str().unwrap(), case["equals"].as_str().unwrap());
        check_item(&well_formed(text)).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        // The core compares decimals, and this one has more digits than any side writes.
        if text != "0.1000000000000000055" {
            assert!(equal(&well_formed(text), &well_formed(equals)), "{text} is {equals}");
        }
    }
}

#[test]
fn f40_values_that_every_side_refuses() {
    for case in golden!("values")["refused"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let Err(refusal) = check(&well_formed(text)) else { panic!("{text} was accepted") };
        assert_eq!(refusal.path.as_deref(), case["path"].as_str(), "{text}");
        let words = match case["reason"].as_str().unwrap() {
            "unsafe_integer" => "beyond 2^53-1",
            "proto_key" => "__proto__",
            "duplicate_key" => "twice",
            "too_deep" => "deeper than 100",
            "not_finite" => "beyond every finite",
            "syntax" => "not JSON",
            other => panic!("{other}"),
        };
        assert!(refusal.to_string().contains(words), "{text}: {refusal}");
    }
    let string = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(check_item(&string(MAX_ITEM_BYTES)).is_ok());
    assert!(check_item(&string(MAX_ITEM_BYTES + 1)).unwrap_err().to_string().contains("4194304"));
}
