//! Converts an action, such as `files/addItem` or `files/saveFile`, to operations.

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
    /// The item's id, if the payload does not contain it.
    pub id: Option<String>,
    /// The top-level fields of the payload that were `undefined`. An update removes them.
    pub unset: Vec<String>,
    /// For an update: the item to put if there is none yet.
    pub upsert: Option<&'a str>,
    /// For an update: the former values of the fields that it changes, an object; a field that was not there is left out.
    pub was: Option<&'a str>,
    /// For the resolution of a conflict: `local`, `remote`, `merge` or `value`.
    pub choice: Option<String>,
    /// For a set by a page that has read the slice: the ids that the page knew and that the payload leaves out.
    pub left: Option<Vec<String>>,
    /// The time of the dispatch, in epoch ms.
    pub at: Option<u64>,
}

/// The effect of an action on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub key: Key,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put(Json),
    /// Merges these top-level fields into the item and removes those of `unset`. Puts `upsert` if there is no item.
    Update {
        fields: Json,
        unset: Vec<String>,
        upsert: Option<Json>,
        /// The former values of these fields, as the page saw them; without, as the worker has them.
        was: Option<Json>,
    },
    Delete,
    /// Deletes all items of the slice. The id of the key is empty.
    DeleteAll,
    /// Makes a refused change once more, with `value` in place of the refused value if there is one.
    Retry {
        rejection: String,
        value: Option<Json>,
    },
    /// Forgets a refused change.
    Discard {
        rejection: String,
    },
    /// Decides on a conflict.
    Resolve {
        conflict: String,
        choice: Choice,
    },
}

/// A decision on a conflict: the value that the item gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This device's side.
    Local,
    /// The server's side.
    Remote,
    /// All that could be merged; this device's side of what could not.
    Merge,
    /// This value; without one, it is deleted.
    Value(Option<Json>),
}

impl Operation {
    /// Returns true if the operation affects the entire slice.
    pub fn is_of_slice(&self) -> bool {
        self.change == Change::DeleteAll
    }
}

/// The reason why an action has no effect. It is reported to the page that sent the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAction {
    pub code: &'static str,
    pub message: String,
    /// The slice that the action names.
    pub slice: Option<String>,
}

fn bad<T>(code: &'static str, message: String) -> Result<T, BadAction> {
    Err(BadAction { code, message, slice: None })
}

impl<'a> Action<'a> {
    pub fn read(text: &'a str) -> Result<Self, BadAction> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct ActionFields<'a> {
            #[serde(rename = "type")]
            kind: Option<String>,
            #[serde(borrow, deserialize_with = "nullable")]
            payload: Option<&'a RawValue>,
            id: Option<String>,
            unset: Vec<String>,
            #[serde(rename = "whole", borrow, deserialize_with = "nullable")]
            upsert: Option<&'a RawValue>,
            #[serde(borrow, deserialize_with = "nullable")]
            was: Option<&'a RawValue>,
            choice: Option<String>,
            left: Option<Vec<String>>,
            at: Option<u64>,
        }
        let fields: ActionFields = read(text).unwrap_or_default();
        let ActionFields { kind, payload, id, unset, upsert, was, choice, left, at } = fields;
        let Some(kind) = kind else {
            return bad("bad_action", "An action was not kept: an action is an object with a type that is a string, such as {type: \"files/addItem\", payload: {id: 1}}.".into());
        };
        let (payload, upsert) = (payload.map(RawValue::get), upsert.map(RawValue::get));
        let was = was.map(RawValue::get).filter(|was| was.starts_with('{'));
        Ok(Action { kind, payload, id, unset, upsert, was, choice, left, at })
    }

    /// The slice that the type names, whether there is one of that name or not.
    pub fn slice(&self) -> Option<&str> {
        self.kind.rsplit_once('/').map(|(slice, _)| slice)
    }

    /// Returns the operations of the action, in order. Each item of an array is valid or invalid on its own.
    pub fn operations(&self, slices: &Slices) -> Result<Vec<Result<Operation, BadAction>>, BadAction> {
        let kind = &*self.kind;
        match kind {
            "@retryRejected" | "@discardRejected" => return self.of_rejection(slices).map(one),
            "@resolveConflict" => return self.of_conflict(slices).map(one),
            _ => {}
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
            return match verb {
                "updateItem" => Context { id: Some("value"), ..context }
                    .update(&self.unset, self.upsert, self.was)
                    .map(one),
                _ => context.single(verb).map(one),
            };
        }
        match verb {
            "addItems" => context.items(),
            "clearItems" => Ok(one(Operation { key: context.key(String::new()), change: Change::DeleteAll })),
            "updateItem" => context.update(&self.unset, self.upsert, self.was).map(one),
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
    /// The item that the action's id names: `<slice>/<numbers>/<item id>`, of which only an item's id may contain a slash.
    fn named_item(&self, slices: &Slices) -> Option<Key> {
        let (slice, rest) = self.id.as_deref()?.split_once('/')?;
        let (numbers, item) = rest.split_once('/')?;
        let is_number = |number: &str| number.parse::<u64>().is_ok();
        let is_well_formed = numbers.split('.').all(is_number) && !item.is_empty();
        is_well_formed.then_some(Key::from_parts(slices.entry(slice)?.0.clone(), shared(item)))
    }

    /// Returns the operation that decides on a conflict.
    fn of_conflict(&self, slices: &Slices) -> Result<Operation, BadAction> {
        let conflict = self.id.clone().unwrap_or_default();
        let Some(key) = self.named_item(slices) else {
            return bad(
                "bad_conflict",
                format!(
                    "Nothing was done: \"{conflict}\" is not the id of a conflict; getConflicts() has them."
                ),
            );
        };
        let choice = match self.choice.as_deref() {
            Some("local") => Choice::Local,
            Some("remote") => Choice::Remote,
            Some("merge") => Choice::Merge,
            Some("value") => Choice::Value(self.payload.map(Json::from)),
            _ => {
                return bad(
                    "bad_conflict",
                    "Nothing was done: a conflict is resolved by \"local\", \"remote\", \"merge\" or \"value\".".into(),
                );
            }
        };
        if let Choice::Value(Some(value)) = &choice {
            Context { kind: &self.kind, slice: &key.slice, payload: value, id: None }.checked(value)?;
        }
        Ok(Operation { key, change: Change::Resolve { conflict, choice } })
    }

    /// Returns the operation that retries or discards a refused change.
    fn of_rejection(&self, slices: &Slices) -> Result<Operation, BadAction> {
        let rejection = self.id.clone().unwrap_or_default();
        let Some(key) = self.named_item(slices) else {
            return bad(
                "bad_rejection",
                format!(
                    "Nothing was done: \"{rejection}\" is not the id of a refused change; getRejected() has them."
                ),
            );
        };
        if self.kind == "@discardRejected" {
            return Ok(Operation { key, change: Change::Discard { rejection } });
        }
        if let Some(value) = self.payload {
            Context { kind: &self.kind, slice: &key.slice, payload: value, id: None }.checked(value)?;
        }
        Ok(Operation { key, change: Change::Retry { rejection, value: self.payload.map(Json::from) } })
    }
}

/// Reads a field in which `null` is a value. (The `Option` of serde reads `null` as `None`.)
fn nullable<'de: 'a, 'a, D: serde::Deserializer<'de>>(
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
        check_item(value).or_else(|invalid| {
            bad("bad_value", format!("The action \"{}\" was not kept: {invalid}.", self.kind))
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

    /// Returns the operations that make the payload the content of the slice. With `left`, these ids are deleted; without,
    /// everything is deleted before the items are put. The operations are absolute, so that a replay has the same result.
    /// If an item is invalid, nothing is deleted: the item may be in the store already.
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

    fn update(
        &self,
        unset: &[String],
        upsert: Option<&str>,
        was: Option<&str>,
    ) -> Result<Operation, BadAction> {
        let id = self.id_of(self.payload)?;
        self.checked(self.payload)?;
        // An item is an object.
        let upsert = upsert.filter(|upsert| upsert.starts_with('{'));
        if let Some(upsert) = upsert {
            self.checked(upsert)?;
        }
        let change = Change::Update {
            fields: self.payload.into(),
            unset: unset.to_vec(),
            upsert: upsert.map(Json::from),
            was: was.map(Json::from),
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
                    "The action \"{}\" was not kept: \"{}\" is a single value, which set… and save… replace and updateItem changes.",
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

/// Returns `String(id)` of JavaScript for an id that is given as JSON text, a string or a finite number. JSON.stringify
/// writes a number as `String` does.
pub fn id_text(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => string(json),
        b'-' if json == "-0" => Some("0".into()),
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
