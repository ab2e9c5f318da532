//! An object's top-level fields and an array's elements, their values left as text.

use super::read::{Reader, unescape, unquoted};
use super::{Json, Writer, shared};
use std::borrow::Cow;

/// The fields of one JSON object in their order, each value as the text that it was.
#[derive(Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads an object; anything else is `None`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut reader = Reader::new(text);
        let mut fields = Vec::new();
        reader.take(b'{')?;
        while reader.more(fields.is_empty(), b'}')? {
            let quoted = reader.string()?;
            reader.take(b':')?;
            fields.push((unquoted(quoted)?, reader.value()?));
        }
        reader.end()?;
        Some(Fields(fields))
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// A field that is a string.
    pub fn string(&self, name: &str) -> Option<String> {
        string(self.get(name)?)
    }

    /// A field that is a whole number from 0.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A field that is true or false.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.get(name)?.parse().ok()
    }

    /// A field's value, `null` included.
    pub fn json(&self, name: &str) -> Option<Json> {
        self.get(name).map(shared)
    }

    /// Gives a field a value: in its place if it is there, at the end otherwise.
    pub fn set(&mut self, name: Cow<'a, str>, value: &'a str) {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// The object's text again.
    pub fn to_json(&self) -> Json {
        let mut out = Writer::object();
        for (key, value) in &self.0 {
            out.raw(key, value);
        }
        out.json()
    }
}

/// The texts of an array's elements; anything else is `None`.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut reader = Reader::new(text);
    let mut elements = Vec::new();
    reader.take(b'[')?;
    while reader.more(elements.is_empty(), b']')? {
        elements.push(reader.value()?);
    }
    reader.end()?;
    Some(elements)
}

/// The string that a JSON text is; anything else is `None`.
pub fn string(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    let string = reader.string()?;
    reader.end()?;
    unescape(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_fields_and_keeps_the_rest_as_text() {
        let mut fields = Fields::parse(r#"{"id": 1.50, "b":{"x" : [1]},"\u0063":null}"#).unwrap();
        fields.set("b".into(), "2");
        fields.set("d".into(), "\"e\"");
        fields.remove("c");
        assert_eq!(&*fields.to_json(), r#"{"id":1.50,"b":2,"d":"e"}"#);
        assert_eq!(fields.get("id"), Some("1.50"));
        assert!(Fields::parse("[]").is_none());
    }
}
