//! A JSON value as a tree whose nodes keep the text that they were read from.
//!
//! A merge copies texts, so that a number keeps its digits and an object the order of its keys. (`serde_json::Value`
//! would keep neither: it reads some numbers as a neighbouring double.)

use super::number::Decimal;
use crate::json::{Fields, elements, string};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The deepest level that is read; what lies below is compared as text. Values that Nightferry keeps end above it.
const MAX_LEVEL: usize = 128;

/// A value and its parts.
pub struct Node<'a> {
    pub text: &'a str,
    pub kind: Kind<'a>,
}

pub enum Kind<'a> {
    /// The fields in the order of the text, no key twice.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    Array(Vec<Node<'a>>),
    /// A string, a number, `true`, `false`, `null`, or text that is not a JSON value.
    Scalar,
}

impl<'a> Node<'a> {
    /// Reads a text. Text that is not a JSON value, such as an object with a key twice, becomes a scalar.
    pub fn read(text: &'a str) -> Self {
        Self::read_level(text, 0)
    }

    fn read_level(text: &'a str, level: usize) -> Self {
        let kind = match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') if level < MAX_LEVEL => Self::read_object(text, level),
            Some(b'[') if level < MAX_LEVEL => Self::read_array(text, level),
            _ => None,
        };
        Node { text, kind: kind.unwrap_or(Kind::Scalar) }
    }

    fn read_object(text: &'a str, level: usize) -> Option<Kind<'a>> {
        let fields: Vec<_> = Fields::parse(text)?
            .0
            .into_iter()
            .map(|(key, value)| (key, Self::read_level(value, level + 1)))
            .collect();
        let has_unique_keys = index(&fields).len() == fields.len();
        has_unique_keys.then_some(Kind::Object(fields))
    }

    fn read_array(text: &'a str, level: usize) -> Option<Kind<'a>> {
        let elements = elements(text)?.into_iter().map(|element| Self::read_level(element, level + 1));
        Some(Kind::Array(elements.collect()))
    }

    /// The fields of an object; `None` for any other value.
    pub fn fields(&self) -> Option<&[(Cow<'a, str>, Node<'a>)]> {
        match &self.kind {
            Kind::Object(fields) => Some(fields),
            _ => None,
        }
    }
}

/// The fields by key.
pub fn index<'n, 'a>(fields: &'n [(Cow<'a, str>, Node<'a>)]) -> BTreeMap<&'n str, &'n Node<'a>> {
    crate::collect::map(fields.iter().map(|(key, node)| (&**key, node)))
}

/// Says whether two values are the same. The order of keys means nothing, and numbers are the same if their values are.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        match (&self.kind, &other.kind) {
            (Kind::Object(one), Kind::Object(other)) => {
                let other = index(other);
                one.len() == other.len() && one.iter().all(|(key, node)| other.get(&**key) == Some(&node))
            }
            (Kind::Array(one), Kind::Array(other)) => one == other,
            (Kind::Scalar, Kind::Scalar) => same_scalar(self.text.trim_ascii(), other.text.trim_ascii()),
            _ => false,
        }
    }
}

fn same_scalar(one: &str, other: &str) -> bool {
    if let (Some(one), Some(other)) = (Decimal::read(one), Decimal::read(other)) {
        return one == other;
    }
    if let (Some(one), Some(other)) = (text_of_string(one), text_of_string(other)) {
        return one == other;
    }
    one == other
}

/// The text of a JSON string, or `None`.
pub fn text_of_string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains(['\\', '"']) { string(json).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        Node::read(one) == Node::read(other)
    }

    #[test]
    fn numbers_compare_by_their_value() {
        assert!(same("1", "1.0") && same("100", "1e2") && same("-0", "0"));
        assert!(!same("1", "true") && !same("1", "\"1\"") && !same("0.1", "0.10000000000000002"));
        assert!(!same("14.517149853511885", "14.517149853511883"), "neighbours");
    }

    #[test]
    fn strings_compare_as_what_they_say() {
        assert!(same(r#""a""#, r#""\u0061""#));
        assert!(!same(r#""a""#, r#""b""#) && !same(r#""null""#, "null"));
    }

    #[test]
    fn the_order_of_keys_means_nothing_and_that_of_elements_much() {
        assert!(same(r#"{"a":1,"b":[2]}"#, r#"{ "b": [2.0], "a": 1 }"#));
        assert!(!same("[1,2]", "[2,1]") && !same("[1]", "[1,1]"));
        assert!(!same(r#"{"a":null}"#, "{}") && !same("{}", r#"{"a":null}"#));
        assert!(!same(r#"{"a":1}"#, r#"{"b":1}"#));
    }

    #[test]
    fn text_that_is_not_json_is_a_scalar() {
        for text in ["", "{", "[1,", "nope", "inf", r#"{"a":1,"a":2}"#, "\"", "1 2"] {
            assert!(matches!(Node::read(text).kind, Kind::Scalar), "{text}");
            assert!(same(text, text));
        }
        assert!(!same("inf", "infinity") && !same("[1,", "[2,"));
    }

    #[test]
    fn what_lies_too_deep_is_a_scalar() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(same(&deep, &deep));
    }
}
