//! An action as it is posted: JSON text, checked where it is dispatched, so that the error is the caller's. The worker and
//! the server refuse the same ones.

use crate::error::Error;
use crate::refuse::refuse;
use nightferry::json::{Fields, MAX_ITEM_BYTES, elements, string};
use serde::Serialize;

/// An action, for who has no type of their own for it. An enum does as well:
///
/// ```
/// # use serde::Serialize;
/// #[derive(Serialize)]
/// #[serde(tag = "type", content = "payload")]
/// enum Edit {
///     #[serde(rename = "notes/addItem")]
///     Add { id: u32, text: String },
///     #[serde(rename = "notes/removeItem")]
///     Remove(u32),
/// }
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Action<'a, P> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: P,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unset: &'a [&'a str],
}

impl<'a, P: Serialize> Action<'a, P> {
    /// `kind` is `slice/verb`, such as `notes/addItem`.
    pub fn new(kind: &'a str, payload: P) -> Self {
        Action { kind, payload, unset: &[] }
    }

    /// The fields that an update removes from its item. (A field that is `None` is null, and stays.)
    pub fn unset(mut self, fields: &'a [&'a str]) -> Self {
        self.unset = fields;
        self
    }
}

/// The JSON text of an action.
pub fn text<A: Serialize + ?Sized>(action: &A) -> Result<String, Error> {
    let bad = |why: String| Err(Error::new("bad_action", why));
    if let Err(why) = refuse(action) {
        return bad(format!("An action was not kept: {why}"));
    }
    let text = match serde_json::to_string(action) {
        Ok(text) => text,
        Err(why) => return bad(format!("An action was not kept: it cannot be written as JSON: {why}.")),
    };
    let fields = Fields::parse(&text).unwrap_or_default();
    let Some(kind) = fields.get("type").and_then(string).filter(|kind| !kind.is_empty()) else {
        return bad(
            "An action was not kept: it must serialize to an object with a `type` that is a string, such as \
             {type: \"notes/addItem\", payload: {id: 1}}. See `Action`."
                .into(),
        );
    };
    let payload = fields.get("payload").unwrap_or_default();
    // Each element of an array is an item with limits of its own.
    let items = if payload.len() > MAX_ITEM_BYTES { elements(payload) } else { None };
    for item in items.unwrap_or_else(|| vec![payload]) {
        if item.len() > MAX_ITEM_BYTES {
            return bad(format!(
                "The action \"{kind}\" was not kept: an item is {} bytes of JSON; it may have {MAX_ITEM_BYTES}. \
                 Split it, or keep it elsewhere.",
                item.len()
            ));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize)]
    #[serde(tag = "type", content = "payload")]
    enum Edit {
        #[serde(rename = "notes/addItem")]
        Add { id: u32, text: &'static str },
        #[serde(rename = "notes/removeItem")]
        Remove(u32),
    }

    #[test]
    fn an_enum_is_an_action() {
        let add = text(&Edit::Add { id: 1, text: "é" }).unwrap();
        assert_eq!(add, r#"{"type":"notes/addItem","payload":{"id":1,"text":"é"}}"#);
        assert_eq!(text(&Edit::Remove(1)).unwrap(), r#"{"type":"notes/removeItem","payload":1}"#);
    }

    #[test]
    fn fields_are_removed_by_name() {
        let action = Action::new("notes/updateItem", json!({"id": 1})).unset(&["text"]);
        let expected = r#"{"type":"notes/updateItem","payload":{"id":1},"unset":["text"]}"#;
        assert_eq!(text(&action).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_an_action_is_refused_with_the_place() {
        let refused = |action: &dyn Fn() -> Result<String, Error>| action().unwrap_err().message;
        for action in
            [json!(null), json!([1]), json!({"payload": 1}), json!({"type": 7}), json!({"type": ""})]
        {
            assert!(refused(&|| text(&action)).contains("a `type` that is a string"), "{action}");
        }
        let message = refused(&|| text(&Action::new("notes/addItem", [1.0, f64::NAN])));
        assert!(message.contains("payload[1] is NaN"), "{message}");
    }

    #[test]
    fn an_item_has_at_most_4_mib_and_an_array_of_items_more() {
        let large = "x".repeat(MAX_ITEM_BYTES / 2);
        text(&Action::new("notes/addItems", [&large, &large, &large])).unwrap();
        let larger = "é".repeat(MAX_ITEM_BYTES / 2);
        for action in [
            text(&Action::new("notes/addItem", &larger)),
            text(&Action::new("notes/addItems", ["small", &larger])),
        ] {
            let message = action.unwrap_err().message;
            assert!(message.contains("4194306 bytes") && message.contains("notes/addItem"), "{message}");
        }
    }
}
