use super::*;
use crate::bridge::config;

fn slices() -> Slices {
    config::slices(r#"{"files":{},"theme":{"single":true}}"#)
}

fn run(action: &str) -> Result<Vec<Operation>, BadAction> {
    Action::read(action)?.operations(&slices())?.into_iter().collect()
}

#[test]
fn verbs_map_to_puts_updates_and_deletes() {
    let item = r#"{"id":"a","x":1}"#;
    for verb in ["addItem", "saveFile", "saveModel"] {
        let done = run(&format!(r#"{{"type":"files/{verb}","payload":{item}}}"#)).unwrap();
        assert_eq!(done, [Operation { key: Key::new("files", "a"), change: Change::Put(item.into()) }]);
    }
    for payload in [r#""a""#, r#"{"id":"a"}"#] {
        for verb in ["removeItem", "deleteFile"] {
            let done = run(&format!(r#"{{"type":"files/{verb}","payload":{payload}}}"#)).unwrap();
            assert_eq!(done, [Operation { key: Key::new("files", "a"), change: Change::Delete }]);
        }
    }
    assert_eq!(run(r#"{"type":"files/addItems","payload":[{"id":1},{"id":2}]}"#).unwrap().len(), 2);
    let done = run(r#"{"type":"theme/setTheme","payload":"dark"}"#).unwrap();
    assert_eq!(done, [Operation { key: Key::new("theme", "value"), change: Change::Put("\"dark\"".into()) }]);
    let done = run(r#"{"type":"files/updateItem","payload":{"id":"a","x":null},"unset":["y"]}"#).unwrap();
    assert_eq!(
        done[0].change,
        Change::Update {
            fields: r#"{"id":"a","x":null}"#.into(),
            unset: vec!["y".into()],
            upsert: None,
            was: None
        }
    );
}

/// An item may have its id in another field, or in none. The page then sends the id beside the item.
#[test]
fn an_id_beside_the_payload_names_the_item() {
    let item = r#"{"isbn":7,"id":"else"}"#;
    let done = run(&format!(r#"{{"type":"files/addItem","id":"7","payload":{item}}}"#)).unwrap();
    assert_eq!(done, [Operation { key: Key::new("files", "7"), change: Change::Put(item.into()) }]);
    let done = run(r#"{"type":"files/updateItem","id":"7","payload":{"x":1}}"#).unwrap();
    assert_eq!(done[0].key, Key::new("files", "7"));
    let done = run(r#"{"type":"files/addItems","id":"7","payload":[{"id":1}]}"#).unwrap();
    assert_eq!(done[0].key, Key::new("files", "1"), "an id beside an array names none of its items");
    assert_eq!(run(r#"{"type":"files/addItem","id":"","payload":{}}"#).unwrap_err().code, "bad_id");
}

#[test]
fn f14_any_string_or_number_is_an_id() {
    for (json, id) in [
        (r#""a:/?#% é\u0000""#, "a:/?#% é\0"),
        ("0", "0"),
        ("-0", "0"),
        ("-7.5", "-7.5"),
        ("1e-7", "1e-7"),
        ("1e+21", "1e+21"),
        ("123456789012", "123456789012"),
    ] {
        assert_eq!(id_text(json).as_deref(), Some(id));
    }
    assert_eq!(id_text("null"), None);
    assert_eq!(id_text("{}"), None);
}

#[test]
fn a_set_deletes_the_ids_left_out_or_everything_if_none_are_named() {
    let put = |id: &str| Operation {
        key: Key::new("files", id),
        change: Change::Put(format!("{{\"id\":{id}}}").as_str().into()),
    };
    let of = |id: &str, change| Operation { key: Key::new("files", id), change };
    let done = run(r#"{"type":"files/setFiles","payload":[{"id":1},{"id":2}]}"#).unwrap();
    assert_eq!(done, [of("", Change::DeleteAll), put("1"), put("2")]);
    let done = run(r#"{"type":"files/setFiles","payload":[{"id":1}],"left":["1","a/b",""]}"#).unwrap();
    assert_eq!(done, [put("1"), of("a/b", Change::Delete)]);
    assert_eq!(run(r#"{"type":"files/setFiles","payload":[],"left":[]}"#).unwrap(), []);
}

#[test]
fn a_set_with_a_bad_item_deletes_nothing() {
    for left in ["", r#","left":["3"]"#] {
        let text = format!(r#"{{"type":"files/setFiles","payload":[{{"id":1}},{{"id":""}}]{left}}}"#);
        let done = Action::read(&text).unwrap().operations(&slices()).unwrap();
        assert!(matches!(&done[..], [Ok(put), Err(_)] if &*put.key.id == "1"));
    }
}

/// f57: an empty id was once read as the entire slice.
#[test]
fn f57_an_empty_id_is_invalid_and_nothing_else_changes() {
    for (verb, payload) in [
        ("addItem", r#"{"id":""}"#),
        ("updateItem", r#"{"id":"","x":1}"#),
        ("removeItem", r#"{"id":""}"#),
        ("removeItem", r#""""#),
    ] {
        let invalid = run(&format!(r#"{{"type":"files/{verb}","payload":{payload}}}"#)).unwrap_err();
        assert_eq!(invalid.code, "bad_id", "{verb} {payload}");
    }
}

#[test]
fn rejections_are_retried_or_discarded_by_id() {
    let id = "files/7/a/b";
    let done = run(&format!(r#"{{"type":"@retryRejected","id":"{id}","payload":null}}"#)).unwrap();
    let retry = |value| Change::Retry { rejection: id.into(), value };
    assert_eq!(done, [Operation { key: Key::new("files", "a/b"), change: retry(Some("null".into())) }]);
    assert_eq!(run(&format!(r#"{{"type":"@retryRejected","id":"{id}"}}"#)).unwrap()[0].change, retry(None));
    let done = run(&format!(r#"{{"type":"@discardRejected","id":"{id}"}}"#)).unwrap();
    assert_eq!(done[0].change, Change::Discard { rejection: id.into() });
    for id in ["", "files", "files/7", "files/7/", "files/x/a", "nope/7/a", "/7/a"] {
        let invalid = run(&format!(r#"{{"type":"@discardRejected","id":"{id}"}}"#)).unwrap_err();
        assert_eq!(invalid.code, "bad_rejection", "{id}");
    }
    let large = format!(r#"{{"type":"@retryRejected","id":"{id}","payload":9007199254740993}}"#);
    assert_eq!(run(&large).unwrap_err().code, "bad_value");
}

#[test]
fn the_time_of_the_dispatch_is_read() {
    let at = |text: &str| Action::read(text).unwrap().at;
    assert_eq!(at(r#"{"type":"files/removeItem","payload":1,"at":1764150000000}"#), Some(1_764_150_000_000));
    assert_eq!(at(r#"{"type":"files/removeItem","payload":1}"#), None);
}

#[test]
fn invalid_actions_have_a_code() {
    for (action, code) in [
        (r#"{"type":"addItem","payload":{"id":1}}"#, "bad_action"),
        (r#"{"type":"nope/addItem","payload":{"id":1}}"#, "unknown_slice"),
        (r#"{"type":"files/addItem"}"#, "bad_action"),
        (r#"{"type":"files/addItem","payload":{"name":"x"}}"#, "missing_id"),
        (r#"{"type":"files/addItem","payload":{"id":null}}"#, "missing_id"),
        (r#"{"type":"files/addItem","payload":{"id":""}}"#, "bad_id"),
        (r#"{"type":"files/frob","payload":{"id":1}}"#, "unknown_action"),
        (r#"{"type":"files/addItem","payload":{"id":1,"x":9007199254740993}}"#, "bad_value"),
    ] {
        assert_eq!(run(action).unwrap_err().code, code, "{action}");
    }
}
