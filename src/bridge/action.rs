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
mod tests;
