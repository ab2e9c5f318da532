//! Converts an action to JSON text. It is checked at the dispatch, so that the error reaches the caller. The worker and the
//! server agree on them.

use crate::error::Error;
use crate::validate::validate;
use nightferry::bridge::action::id_text;
use nightferry::client::Effect;
use nightferry::json::{Fields, MAX_ITEM_BYTES, Raw, check, elements, string, write};
use serde::Serialize;
use std::io;

/// An action. Its type is `slice/verb`:
///
/// | verb | payload | effect |
/// |---|---|---|
/// | `addItem`, `save…` | an item with an `id` | puts the item, new or not |
/// | `addItems` | an array of items | puts each |
/// | `updateItem` | `{id, ...fields}` | sets these fields, and removes those of [`Action::unset`] |
/// | `removeItem`, `delete…` | an id or `{id}` | deletes the item |
/// | `clearItems` | null | deletes all items of the slice |
/// | `setItems`, `set…` | an array of items | puts each, and deletes the others: those that this page knew, once it has read the slice; all, before |
/// | `set…`, `save…` of a slice with `single` | any value | replaces the value |
///
/// An enum of the app's own can be an action, too:
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
pub struct Action<'a, P, W = ()> {
    #[serde(rename = "type")]
    kind: &'a str,
    payload: P,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unset: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<W>,
}

impl<'a, P: Serialize> Action<'a, P> {
    /// `kind` is the type, `slice/verb`, such as `notes/addItem`.
    pub fn new(kind: &'a str, payload: P) -> Self {
        Action { kind, payload, unset: &[], was: None }
    }
}

impl<'a, P: Serialize, W: Serialize> Action<'a, P, W> {
    /// The former values of the fields that an update changes, as the user saw them: `was` serializes to an object, in which a
    /// field that was not there is left out. With them a change that another tab or device has made meanwhile is merged or
    /// kept as a conflict; without them the update wins.
    pub fn was<F: Serialize>(self, was: F) -> Action<'a, P, F> {
        let Action { kind, payload, unset, .. } = self;
        Action { kind, payload, unset, was: Some(was) }
    }

    /// The fields that an update removes from its item. (A field that is `None` is null, and stays.)
    pub fn unset(mut self, fields: &'a [&'a str]) -> Self {
        self.unset = fields;
        self
    }
}

/// Writes numbers as JSON.stringify does, so that a number as an id is the same text from Rust and from JavaScript.
struct Numbers;

impl serde_json::ser::Formatter for Numbers {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        match number {
            0.0 => writer.write_all(b"0"),
            _ if number.abs() < 1e-6 => write!(writer, "{number:e}"),
            // Numbers so large that JavaScript writes an exponent are invalid.
            _ => write!(writer, "{number}"),
        }
    }

    fn write_f32<W: io::Write + ?Sized>(&mut self, writer: &mut W, number: f32) -> io::Result<()> {
        match number {
            0.0 => writer.write_all(b"0"),
            _ if number.abs() < 1e-6 => write!(writer, "{number:e}"),
            _ => write!(writer, "{number}"),
        }
    }

    fn write_number_str<W: io::Write + ?Sized>(&mut self, writer: &mut W, number: &str) -> io::Result<()> {
        self.write_f64(writer, number.parse().unwrap_or_default())
    }
}

/// An action to post.
#[derive(Debug)]
pub struct Dispatched {
    /// Its JSON text. [`Dispatched::text`] adds the fields that Nightferry sets.
    text: String,
    /// Its type.
    kind: String,
}

impl Dispatched {
    /// Returns the slice in its type.
    pub fn slice(&self) -> &str {
        self.kind.rsplit_once('/').map_or("", |(slice, _)| slice)
    }

    /// Returns the effect of its verb.
    pub fn effect(&self) -> Effect {
        Effect::of(self.kind.rsplit_once('/').map_or("", |(_, verb)| verb))
    }

    /// Returns the ids of the items in its payload.
    pub fn ids(&self) -> Vec<String> {
        let fields = Fields::parse(&self.text).unwrap_or_default();
        let payload = fields.get("payload").unwrap_or_default();
        let is_id = self.effect() == Effect::Delete;
        let id = |item: &str| match Fields::parse(item) {
            Some(fields) => id_text(fields.get("id")?),
            None if is_id => id_text(item),
            None => None,
        };
        elements(payload).unwrap_or_else(|| vec![payload]).into_iter().filter_map(id).collect()
    }

    /// Returns the text to post. `at` is the time of the dispatch, in epoch ms; `left` are the ids that a set leaves out.
    pub fn text(mut self, left: Option<&[String]>, at: u64) -> String {
        #[derive(Serialize)]
        struct Added<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            left: Option<&'a [String]>,
            at: u64,
        }
        self.text.pop();
        self.text.push(',');
        self.text + write(&Added { left, at }).trim_start_matches('{')
    }
}

/// Reads and checks an action.
pub fn read<A: Serialize + ?Sized>(action: &A) -> Result<Dispatched, Error> {
    let bad = |why: String| Err(Error::new("bad_action", why));
    if let Err(why) = validate(action) {
        return bad(format!("An action was not kept: {why}"));
    }
    let mut bytes = Vec::new();
    if let Err(why) = action.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Numbers)) {
        return bad(format!("An action was not kept: it cannot be written as JSON: {why}."));
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
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
    for item in elements(payload).unwrap_or_else(|| vec![payload]) {
        if item.len() > MAX_ITEM_BYTES {
            return bad(format!(
                "The action \"{kind}\" was not kept: an item is {} bytes of JSON; it may have {MAX_ITEM_BYTES}. \
                 Split it, or keep it elsewhere.",
                item.len()
            ));
        }
        // `validate` does not see two cases: a flattened field that duplicates another, and a value that is JSON text.
        if let (false, Err(invalid)) = (item.is_empty(), check(item)) {
            return bad(format!("The action \"{kind}\" was not kept: {invalid}."));
        }
    }
    // Other fields of the app's action are left out. The worker would read an `id` beside the payload as the item's.
    let known = ["type", "payload", "unset", "was"];
    let kept = known.iter().filter_map(|name| Some(((*name).into(), fields.get(name)?))).collect();
    Ok(Dispatched { text: write(&Fields(kept)), kind })
}

/// Returns the text of an action on a refused change or a conflict. `kind` is `@retryRejected`, with or without a new value,
/// `@discardRejected`, or `@resolveConflict` with a choice.
pub fn decision<V: Serialize + ?Sized>(
    kind: &str,
    id: &str,
    choice: Option<&str>,
    value: Option<&V>,
    at: u64,
) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Decision<'a> {
        r#type: &'a str,
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        choice: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Raw<'a>>,
        at: u64,
    }
    let value = value.map(|value| read(&Action::new(kind, value))).transpose()?;
    let fields = value.as_ref().and_then(|value| Fields::parse(&value.text)).unwrap_or_default();
    Ok(write(&Decision { r#type: kind, id, choice, payload: fields.get("payload").map(Raw), at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::ser::Formatter;

    fn text<A: Serialize + ?Sized>(action: &A) -> Result<String, Error> {
        read(action).map(|dispatched| dispatched.text)
    }

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
    fn invalid_actions_are_named_with_the_path() {
        let problem_of = |action: &dyn Fn() -> Result<String, Error>| action().unwrap_err().message;
        for action in
            [json!(null), json!([1]), json!({"payload": 1}), json!({"type": 7}), json!({"type": ""})]
        {
            assert!(problem_of(&|| text(&action)).contains("a `type` that is a string"), "{action}");
        }
        let message = problem_of(&|| text(&Action::new("notes/addItem", [1.0, f64::NAN])));
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

    #[test]
    fn f14_numbers_are_written_as_javascript_writes_them() {
        for (number, written) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000"),
            (0.000001, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (-5e-324, "-5e-324"),
        ] {
            assert_eq!(
                read(&Action::new("a/removeItem", number)).unwrap().text.split_once("payload\":").unwrap().1,
                format!("{written}}}")
            );
            let with_id = read(&Action::new("a/addItem", json!({"id": number}))).unwrap();
            assert_eq!((with_id.slice(), with_id.ids()), ("a", vec![written.to_owned()]));
        }
        assert_eq!(text(&Action::new("a/set", 0.1_f32)).unwrap(), r#"{"type":"a/set","payload":0.1}"#);
        // As serde_json holds a number where a part of the program turns `arbitrary_precision` on.
        for (number, written) in [("1.0", "1"), ("1e2", "100"), ("1E-7", "1e-7"), ("-0", "0"), ("12", "12")] {
            let mut out = Vec::new();
            Numbers.write_number_str(&mut out, number).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    /// The worker finds these values invalid, too, but then the dispatch has succeeded already.
    #[test]
    fn duplicate_keys_and_deep_nesting_are_invalid_at_the_dispatch() {
        #[derive(Serialize)]
        struct Note {
            id: u32,
            #[serde(flatten)]
            more: std::collections::BTreeMap<&'static str, u32>,
        }
        let twice = || Note { id: 1, more: [("id", 2)].into() };
        for invalid in
            [text(&Action::new("a/addItem", twice())), text(&Action::new("a/addItems", [twice(), twice()]))]
        {
            let message = invalid.unwrap_err().message;
            assert!(message.contains("a/addItem") && message.contains("/id has its key twice"), "{message}");
        }
        // The limit of depth is the same for keys that are not plain names.
        let deep = (0..100).fold(json!(1), |inside, _| json!([inside]));
        text(&Action::new("a/addItem", json!({"id": 1, "b": deep[0]}))).unwrap();
        text(&Action::new("a/addItem", json!({"id": 1, "b c": deep}))).unwrap_err();
        text(&Action::new("a/addItem", json!({"id": 1, "b": deep}))).unwrap_err();
    }

    /// Other fields are left out, as by the JavaScript client. The worker would read an `id` as the item's.
    #[test]
    fn an_action_has_only_a_type_a_payload_and_unset() {
        let action = json!({"id": "a7", "meta": {"at": 1}, "payload": {"id": 1}, "type": "a/addItem"});
        assert_eq!(text(&action).unwrap(), r#"{"type":"a/addItem","payload":{"id":1}}"#);
        let action = json!({"payload": {"id": 1}, "type": "a/updateItem", "unset": ["b"]});
        assert_eq!(text(&action).unwrap(), r#"{"type":"a/updateItem","payload":{"id":1},"unset":["b"]}"#);
        assert_eq!(text(&json!({"type": "a/b"})).unwrap(), r#"{"type":"a/b"}"#);
    }

    #[test]
    fn the_posted_text_has_the_time_and_the_ids_left_out() {
        let action = || read(&Action::new("a/setAll", json!([{"id": 1}]))).unwrap();
        assert_eq!(action().effect(), Effect::Set);
        assert_eq!(action().text(None, 5), r#"{"type":"a/setAll","payload":[{"id":1}],"at":5}"#);
        let left = ["x\"".to_owned()];
        assert!(action().text(Some(&left), 5).ends_with(r#","left":["x\""],"at":5}"#));
        for (kind, effect) in [
            ("a/addItem", Effect::Put),
            ("a/removeItem", Effect::Delete),
            ("a/deleteFile", Effect::Delete),
            ("a/clearItems", Effect::Clear),
        ] {
            let action = read(&Action::new(kind, 7)).unwrap();
            assert_eq!(action.effect(), effect);
            assert_eq!(action.ids().is_empty(), effect != Effect::Delete, "{kind}");
        }
    }

    #[test]
    fn an_action_on_a_refused_change_has_its_id_beside_the_payload() {
        let retry =
            |value: Option<&serde_json::Value>| decision("@retryRejected", "a/7/x", None, value, 5).unwrap();
        assert_eq!(retry(None), r#"{"type":"@retryRejected","id":"a/7/x","at":5}"#);
        assert_eq!(
            retry(Some(&json!(null))),
            r#"{"type":"@retryRejected","id":"a/7/x","payload":null,"at":5}"#
        );
        assert!(decision("@retryRejected", "a/7/x", None, Some(&f64::NAN), 5).is_err());
    }

    #[test]
    fn a_resolution_has_its_choice_and_the_chosen_value() {
        let resolved =
            |choice, value: Option<&str>| decision("@resolveConflict", "a/9", Some(choice), value, 5);
        assert_eq!(
            resolved("remote", None).unwrap(),
            r#"{"type":"@resolveConflict","id":"a/9","choice":"remote","at":5}"#
        );
        assert_eq!(
            resolved("value", Some("x")).unwrap(),
            r#"{"type":"@resolveConflict","id":"a/9","choice":"value","payload":"x","at":5}"#
        );
    }

    #[test]
    fn an_update_has_the_former_values_of_its_fields() {
        let action = Action::new("a/updateItem", json!({"id": 1})).was(json!({"b": 1})).unset(&["b"]);
        assert_eq!(
            text(&action).unwrap(),
            r#"{"type":"a/updateItem","payload":{"id":1},"unset":["b"],"was":{"b":1}}"#
        );
        #[derive(Serialize)]
        struct Was {
            b: f64,
        }
        let message = text(&Action::new("a/updateItem", 1).was(Was { b: f64::NAN })).unwrap_err().message;
        assert!(message.contains("was.b is NaN"), "{message}");
    }

    #[test]
    fn the_ids_of_an_action_are_those_of_its_items() {
        let items = read(&Action::new("a/b/addItems", json!([{"id": "x"}, {"no": 1}, {"id": 7}]))).unwrap();
        assert_eq!((items.slice(), items.ids()), ("a/b", vec!["x".to_owned(), "7".to_owned()]));
        assert_eq!(read(&Action::new("odd", 1)).unwrap().slice(), "");
    }
}
