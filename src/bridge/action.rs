//! From an action to operations, by the names of the mission page: `files/addItem`, `files/saveFile`, ...

use super::config::Slices;
use crate::json::{Json, check_item, elements, number, read, shared, string};
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
    /// When it was dispatched, in epoch ms.
    pub at: Option<u64>,
    /// Beside a set, the ids that its page knew and that it leaves out.
    pub left: Option<Vec<String>>,
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
    /// Makes a refused change again, with another value where one is given.
    Retry {
        rejection: String,
        value: Option<Json>,
    },
    /// Forgets a refused change.
    Discard {
        rejection: String,
    },
    /// Deletes all of the slice's items, whatever the sender had seen. The key's id is empty.
    DeleteAll,
}

impl Operation {
    /// Whether it is about the slice as a whole.
    pub fn is_of_slice(&self) -> bool {
        matches!(self.change, Change::DeleteAll)
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
            at: Option<u64>,
            left: Option<Vec<String>>,
        }
        let Given { kind, payload, id, unset, whole, at, left } = read(text).unwrap_or_default();
        let Some(kind) = kind else {
            return bad("bad_action", "An action was not kept: an action is an object with a type that is a string, such as {type: \"files/addItem\", payload: {id: 1}}.".into());
        };
        Ok(Action {
            kind,
            payload: payload.map(RawValue::get),
            id,
            unset,
            whole: whole.map(RawValue::get),
            at,
            left,
        })
    }

    /// The operations that the action stands for, in order. Of an array of items, each is good or bad for itself.
    pub fn operations(&self, slices: &Slices) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        let kind = &*self.kind;
        if let "@retryRejected" | "@discardRejected" = kind {
            return self.rejection(slices).map(one);
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

/// `null` is a value, which serde's `Option` takes for none.
fn there<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Action<'_> {
    /// A retry or a discard: the rejection's id is `<slice>/<position>/<item id>`.
    fn rejection(&self, slices: &Slices) -> Result<Operation, BadAction> {
        let rejection = self.id.clone().unwrap_or_default();
        let mut parts = rejection.splitn(3, '/');
        let (slice, position, id) = (parts.next(), parts.next(), parts.next());
        let known = slice.and_then(|slice| slices.entry(slice));
        let (Some((name, _)), Some(Ok(_)), Some(id)) = (known, position.map(str::parse::<u64>), id) else {
            return bad(
                "bad_rejection",
                format!("There is no refused change \"{rejection}\". Ask for the list again."),
            );
        };
        let key = Key::from_parts(name.clone(), shared(id));
        let change = match &*self.kind {
            "@retryRejected" => {
                let value = self.payload;
                if let Some(value) = value {
                    check_item(value).or_else(|refusal| {
                        bad("bad_value", format!("The change was not made again: {refusal}."))
                    })?;
                }
                Change::Retry { rejection, value: value.map(Json::from) }
            }
            _ => Change::Discard { rejection },
        };
        Ok(Operation { key, change })
    }
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

    /// The new whole. Where one of its items is bad, nothing is deleted: it may be one of those that are there.
    fn set(&self, left: Option<&[String]>) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        let mut operations = self.items()?;
        if operations.iter().any(Result::is_err) {
            return Ok(operations);
        }
        match left {
            Some(left) => {
                for id in left {
                    let key = self.key(self.limited(id.clone())?);
                    operations.push(Ok(Operation { key, change: Change::Delete }));
                }
            }
            None => {
                let all = Operation { key: self.key(String::new()), change: Change::DeleteAll };
                operations.insert(0, Ok(all));
            }
        }
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
                    "The action \"{}\" was not kept: its id has {} bytes; an id has 1 to 1,000.",
                    self.kind,
                    number(length as u64)
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
        let done = run(r#"{"type":"files/setFiles","payload":[{"id":1},{"id":2}]}"#).unwrap();
        assert_eq!(done.len(), 3);
        assert_eq!(done[0].change, Change::DeleteAll);
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
    fn a_set_with_a_bad_item_deletes_nothing() {
        let action = Action::read(r#"{"type":"files/setFiles","payload":[{"id":1},{"no":2}]}"#).unwrap();
        let done = action.operations(&slices()).unwrap();
        assert!(matches!(&done[..], [Ok(put), Err(_)] if &*put.key.id == "1"));
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
