//! The effects of actions on items, in the plainest way: the reference for the engine's folding, and what a page does to its
//! own copy. A new verb of an action is added here.

use serde_json::Value;

/// A slice and an id.
pub type Key = (String, String);

pub enum Change<'a> {
    Put(&'a Value),
    Update {
        fields: &'a Value,
        unset: Vec<&'a str>,
        /// The item as it is to be where there is none.
        full_value: Option<&'a Value>,
        /// The values of these fields that the page had seen.
        was: Option<&'a Value>,
    },
    Delete,
    /// All of the slice's items go; the key's id is empty.
    All,
}

/// Returns an action's changes, item by item. An invalid action has none.
pub fn changes(action: &Value) -> Vec<(Key, Change<'_>)> {
    let Some((slice, verb)) = action["type"].as_str().and_then(|kind| kind.split_once('/')) else {
        return Vec::new();
    };
    let payload = &action["payload"];
    let key = |id: &Value| {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        (slice.to_owned(), id)
    };
    match verb {
        "addItems" => payload
            .as_array()
            .into_iter()
            .flatten()
            .filter(|item| has_id(item))
            .map(|item| (key(&item["id"]), Change::Put(item)))
            .collect(),
        "addItem" | "saveItem" if has_id(payload) => vec![(key(&payload["id"]), Change::Put(payload))],
        "removeItem" | "deleteItem" => {
            vec![(key(payload.get("id").unwrap_or(payload)), Change::Delete)]
        }
        "updateItem" => {
            let unset = action["unset"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let full_value = action.get("whole").filter(|value| value.is_object());
            vec![(
                key(&payload["id"]),
                Change::Update { fields: payload, unset, full_value, was: action.get("was") },
            )]
        }
        "clearItems" => vec![((slice.to_owned(), String::new()), Change::All)],
        verb if verb.starts_with("set") && payload.is_array() => {
            let items = || payload.as_array().into_iter().flatten();
            let puts = items().filter(|item| has_id(item)).map(|item| (key(&item["id"]), Change::Put(item)));
            if !items().all(has_id) {
                return puts.collect();
            }
            match action["left"].as_array() {
                Some(left) => puts.chain(left.iter().map(|id| (key(id), Change::Delete))).collect(),
                None => {
                    let all = ((slice.to_owned(), String::new()), Change::All);
                    std::iter::once(all).chain(puts).collect()
                }
            }
        }
        verb if verb.starts_with("set") || verb.starts_with("save") => {
            vec![((slice.to_owned(), "value".to_owned()), Change::Put(payload))]
        }
        _ => Vec::new(),
    }
}

fn has_id(item: &Value) -> bool {
    match &item["id"] {
        Value::String(id) => !id.is_empty(),
        id => id.is_number(),
    }
}

impl Change<'_> {
    /// Returns true if it is an update of a page that had seen other values of its fields than the item has.
    pub fn is_behind(&self, before: Option<&Value>) -> bool {
        let Change::Update { fields, unset, was: Some(was), .. } = self else { return false };
        let named = fields.as_object().into_iter().flatten().map(|(name, _)| &**name);
        let mut named = named.filter(|name| *name != "id").chain(unset.iter().copied());
        named.any(|name| was.get(name) != before.and_then(|before| before.get(name)))
    }

    /// The state that the item takes; `None` where nothing happens to it.
    pub fn over(&self, before: Option<&Value>) -> Option<Option<Value>> {
        match self {
            Change::Put(value) => Some(Some((*value).clone())),
            Change::Delete | Change::All => before.map(|_| None),
            Change::Update { full_value: Some(full_value), .. } if before.is_none() => {
                Some(Some((*full_value).clone()))
            }
            Change::Update { fields, unset, .. } => {
                let mut after = before?.clone();
                if let (Some(item), Some(fields)) = (after.as_object_mut(), fields.as_object()) {
                    let fields = fields.iter().filter(|(name, _)| *name != "id");
                    item.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
                    unset.iter().for_each(|name| drop(item.remove(*name)));
                }
                Some(Some(after))
            }
        }
    }
}
