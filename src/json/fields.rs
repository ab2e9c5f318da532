//! An object's top-level fields and an array's elements, their values left as text.

use super::{Json, Raw, read, shared, write};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The fields of one JSON object in their order, each value as the text that it was.
#[derive(Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a str)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name, &RawValue>()? {
                    fields.push((name, value.get()));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &Raw(value))?;
        }
        map.end()
    }
}

impl<'a> Fields<'a> {
    /// Reads an object; anything else is `None`.
    pub fn parse(text: &'a str) -> Option<Self> {
        read(text)
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
        write(self).into()
    }
}

/// The texts of an array's elements; anything else is `None`.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = read(text)?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The string that a JSON text is; anything else is `None`.
pub fn string(text: &str) -> Option<String> {
    read(text)
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
