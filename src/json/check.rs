//! Which JSON texts are values. The page and the server refuse the same ones; `tests/wire/values.json` holds them to it.

use super::{MAX_DEPTH, MAX_ITEM_BYTES, number, quoted};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The largest number.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a text is not a value that Nightferry keeps. It reads as a sentence and names the path where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Default)]
struct Found {
    /// The top-level field that is being read, for the message.
    field: Option<String>,
    refused: Option<String>,
}

impl Found {
    fn refuse<T, E: Error>(&mut self, problem: &str) -> Result<T, E> {
        self.refused = Some(match &self.field {
            Some(field) => format!("field {} {problem}", quoted(field)),
            None => format!("the value {problem}"),
        });
        Err(E::custom(""))
    }
}

/// A value, so deep.
struct Value<'f>(&'f mut Found, usize);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if number > MAX_NUMBER {
            return self.0.refuse("is a number beyond 2^53-1, which no browser holds exactly");
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_u64(number.unsigned_abs())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.visit_u64(number.abs() as u64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Value(found, depth) = self;
        if depth == MAX_DEPTH {
            return found.refuse("is nested deeper than 100 levels");
        }
        while list.next_element_seed(Value(found, depth + 1))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value(found, depth) = self;
        if depth == MAX_DEPTH {
            return found.refuse("is nested deeper than 100 levels");
        }
        let mut names = BTreeSet::new();
        while let Some(Name(name)) = map.next_key()? {
            if depth == 0 {
                found.field = Some(name.clone().into_owned());
            }
            if name == "__proto__" {
                return found.refuse("has a key \"__proto__\", which is refused for safety");
            }
            if names.contains(&name) {
                return found.refuse(&format!("has the key {} twice", quoted(&name)));
            }
            names.insert(name);
            map.next_value_seed(Value(found, depth + 1))?;
        }
        Ok(())
    }
}

/// Checks that `text` is one JSON value within the limits: depth, integers, key names, no key twice.
pub fn check(text: &str) -> Result<(), Refusal> {
    let mut found = Found::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Value(&mut found, 0).deserialize(&mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => Ok(()),
        Err(_) => Err(Refusal(found.refused.unwrap_or_else(|| "the value is not JSON".into()))),
    }
}

/// As [`check`], and that the text is small enough to be an item.
pub fn check_item(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_ITEM_BYTES {
        return Err(Refusal(format!(
            "the value is {} bytes of JSON; an item may have {}",
            number(text.len() as u64),
            number(MAX_ITEM_BYTES as u64)
        )));
    }
    check(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name() {
        let refused = |text: &str| check(text).unwrap_err().0;
        assert_eq!(
            refused(r#"{"a":{"n":9007199254740993}}"#),
            "field \"a\" is a number beyond 2^53-1, which no browser holds exactly"
        );
        assert!(refused(r#"{"x":1,"x":2}"#).contains("\"x\" twice"));
        assert!(refused(r#"{"a":{"__proto__":{}}}"#).contains("__proto__"));
        assert!(refused(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).contains("deeper"));
        for text in ["[1,2", "1 2", "NaN", ""] {
            assert_eq!(refused(text), "the value is not JSON");
        }
    }

    #[test]
    fn accepts_what_json_is() {
        for text in ["null", "true", "-0", "1.5e10", "\"\\u00e9\"", "[[],{}]", r#"{"":{"a":[1,null]}}"#] {
            check(text).unwrap();
        }
        check(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap();
    }
}
