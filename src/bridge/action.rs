//! From an action to operations, by the names of the mission page: `files/addItem`, `files/saveFile`, ...

use super::config::Slices;
use crate::json::{Json, check_item, elements, read, shared, string};
use crate::store::Key;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::rc::Rc;

/// An action as a page sends it.
pub struct Action<'a> {
    pub kind: String,
    pub payload: Option<&'a str>,
    /// The item's id, where the payload does not say it.
    pub id: Option<String>,
    /// The payload's top-level fields that were `undefined`: an update removes them.
    pub unset: Vec<String>,
    /// Beside an update, the item as it is to be where there is none.
    pub whole: Option<&'a str>,
    /// Beside a set, by a page that has read the slice: the ids that the page knew and that the payload leaves out.
    pub left: Option<Vec<String>>,
    /// When it was dispatched, in epoch ms.
    pub at: Option<u64>,
}

/// What an action does to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub key: Key,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put(Json),
    /// Merges these top-level fields into the item; those of `unset` are removed. Where there is no item, `whole` is put.
    Update {
        fields: Json,
        unset: Vec<String>,
        whole: Option<Json>,
    },
    Delete,
    /// Deletes all of the slice's items. The key's id is empty.
    DeleteAll,
    /// Makes a refused change once more, with `value` in place of its own where that is given.
    Retry {
        rejection: String,
        value: Option<Json>,
    },
    /// Forgets a refused change.
    Discard {
        rejection: String,
    },
}

impl Operation {
    /// Whether it is about the slice as a whole.
    pub fn is_of_slice(&self) -> bool {
        self.change == Change::DeleteAll
    }
}

/// Why an action does nothing. The page that sent it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAction {
    pub code: &'static str,
    pub message: String,
}

fn bad<T>(code: &'static str, message: String) -> Result<T, BadAction> {
    Err(BadAction { code, message })
}

impl<'a> Action<'a> {
    pub fn read(text: &'a str) -> Result<Self, BadAction> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Given<'a> {
            #[serde(rename = "type")]
            kind: Option<String>,
            #[serde(borrow, deserialize_with = "there")]
            payload: Option<&'a RawValue>,
            id: Option<String>,
            unset: Vec<String>,
            #[serde(borrow, deserialize_with = "there")]
            whole: Option<&'a RawValue>,
            left: Option<Vec<String>>,
            at: Option<u64>,
        }
        let Given { kind, payload, id, unset, whole, left, at } = read(text).unwrap_or_default();
        let Some(kind) = kind else {
            return bad("bad_action", "An action was not kept: an action is an object with a type that is a string, such as {type: \"files/addItem\", payload: {id: 1}}.".into());
        };
        let (payload, whole) = (payload.map(RawValue::get), whole.map(RawValue::get));
        Ok(Action { kind, payload, id, unset, whole, left, at })
    }

    /// The operations that the action stands for, in order. Of an array of items, each is good or bad for itself.
    pub fn operations(&self, slices: &Slices) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        let kind = &*self.kind;
        if let "@retryRejected" | "@discardRejected" = kind {
            return self.of_rejection(slices).map(one);
        }
        let slash = kind.bytes().rposition(|byte| byte == b'/');
        let Some((slice, verb)) = slash.and_then(|at| Some((kind.get(..at)?, kind.get(at + 1..)?))) else {
            return bad(
                "bad_action",
                format!(
                    "The action \"{kind}\" was not kept: its type must be slice/verb, such as files/addItem."
                ),
            );
        };
        let Some((name, config)) = slices.entry(slice) else {
            return bad(
                "unknown_slice",
                format!(
                    "The action \"{kind}\" was not kept: there is no slice \"{slice}\". Name it in register({{slices: {{\"{slice}\": {{}}}}}})."
                ),
            );
        };
        let Some(payload) = self.payload else {
            return bad("bad_action", format!("The action \"{kind}\" was not kept: it has no payload."));
        };
        let context = Context { kind, slice: name, payload, id: self.id.as_deref() };
        if config.single {
            return context.single(verb).map(one);
        }
        match verb {
            "addItems" => context.items(),
            "clearItems" => Ok(one(Operation { key: context.key(String::new()), change: Change::DeleteAll })),
            "updateItem" => context.update(&self.unset, self.whole).map(one),
            "removeItem" => context.delete().map(one),
            "addItem" => context.put(payload).map(one),
            _ if verb.starts_with("save") => context.put(payload).map(one),
            _ if verb.starts_with("delete") => context.delete().map(one),
            _ if verb.starts_with("set") => context.set(self.left.as_deref()),
            _ => bad(
                "unknown_action",
                format!(
                    "The action \"{kind}\" was not kept: Nightferry knows addItem, addItems, updateItem, removeItem, clearItems, save…, delete… and set…."
                ),
            ),
        }
    }
}

impl Action<'_> {
    /// What becomes of a refused change. Its id is `<slice>/<position>/<item id>`; only an item's id may have a slash.
    fn of_rejection(&self, slices: &Slices) -> Result<Operation, BadAction> {
        let rejection = self.id.clone().unwrap_or_default();
        let parts = || {
            let (slice, rest) = rejection.split_once('/')?;
            let (position, item) = rest.split_once('/')?;
            position.parse::<u64>().ok().filter(|_| !item.is_empty())?;
            Some((slices.entry(slice)?.0, shared(item)))
        };
        let Some((slice, item)) = parts() else {
            return bad(
                "bad_rejection",
                format!(
                    "Nothing was done: \"{rejection}\" is not the id of a refused change; getRejected() has them."
                ),
            );
        };
        let key = Key::from_parts(slice.clone(), item);
        if self.kind == "@discardRejected" {
            return Ok(Operation { key, change: Change::Discard { rejection } });
        }
        if let Some(value) = self.payload {
            let context = Context { kind: &self.kind, slice, payload: value, id: None };
            context.checked(value)?;
        }
        Ok(Operation { key, change: Change::Retry { rejection, value: self.payload.map(Json::from) } })
    }
}

/// `null` is a value, which serde's `Option` takes for none.
fn there<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn one(operation: Operation) -> Vec<Result<Operation, BadAction>> {
    vec![Ok(operation)]
}

struct Context<'a> {
    kind: &'a str,
    slice: &'a Rc<str>,
    payload: &'a str,
    id: Option<&'a str>,
}

impl Context<'_> {
    fn key(&self, id: String) -> Key {
        Key::from_parts(self.slice.clone(), shared(&id))
    }

    fn checked(&self, value: &str) -> Result<(), BadAction> {
        check_item(value).or_else(|refusal| {
            bad("bad_value", format!("The action \"{}\" was not kept: {refusal}.", self.kind))
        })
    }

    fn put(&self, item: &str) -> Result<Operation, BadAction> {
        let id = self.id_of(item)?;
        self.checked(item)?;
        Ok(Operation { key: self.key(id), change: Change::Put(item.into()) })
    }

    fn items(&self) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        match elements(self.payload) {
            Some(items) => {
                let each = Context { id: None, ..*self };
                let mut operations = Vec::new();
                for item in items {
                    operations.push(each.put(item));
                }
                Ok(operations)
            }
            None => bad(
                "bad_action",
                format!("The action \"{}\" was not kept: its payload must be an array of items.", self.kind),
            ),
        }
    }

    /// What the slice is to hold. The operations are absolute, so that a replay comes to the same: with `left`, the ids to
    /// delete, these go; without, everything goes before the items are put. Where an item is bad, nothing is deleted: it may
    /// be one of those that are there.
    fn set(&self, left: Option<&[String]>) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        let mut operations = self.items()?;
        if operations.iter().any(Result::is_err) {
            return Ok(operations);
        }
        let Some(left) = left else {
            let all = Operation { key: self.key(String::new()), change: Change::DeleteAll };
            operations.insert(0, Ok(all));
            return Ok(operations);
        };
        let put = crate::collect::set(operations.iter().flatten().map(|put| put.key.id.clone()));
        let gone = left.iter().filter(|id| !id.is_empty() && !put.contains(id.as_str()));
        operations.extend(gone.map(|id| Ok(Operation { key: self.key(id.clone()), change: Change::Delete })));
        Ok(operations)
    }

    fn update(&self, unset: &[String], whole: Option<&str>) -> Result<Operation, BadAction> {
        let id = self.id_of(self.payload)?;
        self.checked(self.payload)?;
        // What is no object can be no item.
        let whole = whole.filter(|whole| whole.starts_with('{'));
        if let Some(whole) = whole {
            self.checked(whole)?;
        }
        let change = Change::Update {
            fields: self.payload.into(),
            unset: unset.to_vec(),
            whole: whole.map(Json::from),
        };
        Ok(Operation { key: self.key(id), change })
    }

    fn delete(&self) -> Result<Operation, BadAction> {
        let id = match id_text(self.payload) {
            Some(id) => self.limited(id)?,
            None => self.id_of(self.payload)?,
        };
        Ok(Operation { key: self.key(id), change: Change::Delete })
    }

    fn single(&self, verb: &str) -> Result<Operation, BadAction> {
        if !verb.starts_with("set") && !verb.starts_with("save") {
            return bad(
                "unknown_action",
                format!(
                    "The action \"{}\" was not kept: \"{}\" is a single value, which set… and save… replace.",
                    self.kind, self.slice
                ),
            );
        }
        self.checked(self.payload)?;
        Ok(Operation { key: self.key("value".into()), change: Change::Put(self.payload.into()) })
    }

    fn id_of(&self, item: &str) -> Result<String, BadAction> {
        let given = self.id.map(String::from);
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }
        match given.or_else(|| id_text(read::<Named>(item)?.id.get())) {
            Some(id) => self.limited(id),
            None => bad(
                "missing_id",
                format!(
                    "The action \"{}\" was not kept: its payload must be an object with an \"id\" that is a string or a number.",
                    self.kind
                ),
            ),
        }
    }

    fn limited(&self, id: String) -> Result<String, BadAction> {
        match id.len() {
            1..=1000 => Ok(id),
            length => bad(
                "bad_id",
                format!(
                    "The action \"{}\" was not kept: its id has {length} bytes; an id has 1 to 1,000.",
                    self.kind
                ),
            ),
        }
    }
}

/// `String(id)` of JavaScript, for an id given as JSON text: a string or a finite number. What JSON.stringify writes of a
/// number is `String` of it already.
pub fn id_text(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => string(json),
        b'-' if json == "-0" => Some("0".into()),
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::config;

    fn slices() -> Slices {
        config::slices(r#"{"files":{},"theme":{"single":true}}"#)
    }

    fn run(action: &str) -> Result<Vec<Operation>, BadAction> {
        Action::read(action)?.operations(&slices())?.into_iter().collect()
    }

    #[test]
    fn names_of_the_mission_page() {
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
        assert_eq!(
            done,
            [Operation { key: Key::new("theme", "value"), change: Change::Put("\"dark\"".into()) }]
        );
        let done = run(r#"{"type":"files/updateItem","payload":{"id":"a","x":null},"unset":["y"]}"#).unwrap();
        assert_eq!(
            done[0].change,
            Change::Update { fields: r#"{"id":"a","x":null}"#.into(), unset: vec!["y".into()], whole: None }
        );
    }

    /// An item may have its id in another field, or nowhere: the page says it beside the item.
    #[test]
    fn an_id_beside_the_payload() {
        let item = r#"{"isbn":7,"id":"else"}"#;
        let done = run(&format!(r#"{{"type":"files/addItem","id":"7","payload":{item}}}"#)).unwrap();
        assert_eq!(done, [Operation { key: Key::new("files", "7"), change: Change::Put(item.into()) }]);
        let done = run(r#"{"type":"files/updateItem","id":"7","payload":{"x":1}}"#).unwrap();
        assert_eq!(done[0].key, Key::new("files", "7"));
        let done = run(r#"{"type":"files/addItems","id":"7","payload":[{"id":1}]}"#).unwrap();
        assert_eq!(done[0].key, Key::new("files", "1"), "it names one item");
        assert_eq!(run(r#"{"type":"files/addItem","id":"","payload":{}}"#).unwrap_err().code, "bad_id");
    }

    /// f14: any string or finite number is an id.
    #[test]
    fn f14_any_id() {
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
    fn a_set_deletes_what_its_page_knew_and_left_out_or_else_everything() {
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

    /// f57: it was once taken for all of the slice.
    #[test]
    fn f57_an_empty_id_is_refused_and_nothing_else_changes() {
        for (verb, payload) in [
            ("addItem", r#"{"id":""}"#),
            ("updateItem", r#"{"id":"","x":1}"#),
            ("removeItem", r#"{"id":""}"#),
            ("removeItem", r#""""#),
        ] {
            let refused = run(&format!(r#"{{"type":"files/{verb}","payload":{payload}}}"#)).unwrap_err();
            assert_eq!(refused.code, "bad_id", "{verb} {payload}");
        }
    }

    #[test]
    fn a_refused_change_is_retried_or_discarded_by_its_id() {
        let id = "files/7/a/b";
        let done = run(&format!(r#"{{"type":"@retryRejected","id":"{id}","payload":null}}"#)).unwrap();
        let retry = |value| Change::Retry { rejection: id.into(), value };
        assert_eq!(done, [Operation { key: Key::new("files", "a/b"), change: retry(Some("null".into())) }]);
        assert_eq!(
            run(&format!(r#"{{"type":"@retryRejected","id":"{id}"}}"#)).unwrap()[0].change,
            retry(None)
        );
        let done = run(&format!(r#"{{"type":"@discardRejected","id":"{id}"}}"#)).unwrap();
        assert_eq!(done[0].change, Change::Discard { rejection: id.into() });
        for id in ["", "files", "files/7", "files/7/", "files/x/a", "nope/7/a", "/7/a"] {
            let refused = run(&format!(r#"{{"type":"@discardRejected","id":"{id}"}}"#)).unwrap_err();
            assert_eq!(refused.code, "bad_rejection", "{id}");
        }
        let large = format!(r#"{{"type":"@retryRejected","id":"{id}","payload":9007199254740993}}"#);
        assert_eq!(run(&large).unwrap_err().code, "bad_value");
    }

    #[test]
    fn an_action_says_when_it_was_dispatched() {
        let at = |text: &str| Action::read(text).unwrap().at;
        assert_eq!(
            at(r#"{"type":"files/removeItem","payload":1,"at":1764150000000}"#),
            Some(1_764_150_000_000)
        );
        assert_eq!(at(r#"{"type":"files/removeItem","payload":1}"#), None);
    }

    #[test]
    fn bad_actions_say_what_to_do() {
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
}
