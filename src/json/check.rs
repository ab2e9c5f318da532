//! Which JSON texts are values. The page and the server refuse the same ones; `tests/wire/values.json` holds them to it.

use super::{MAX_DEPTH, MAX_INTEGER, MAX_ITEM_BYTES};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Why a text is not a value that Nightferry keeps. It reads as a sentence and names the path where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that `text` is one JSON value within the limits: depth, integers, key names, no key twice.
pub fn check(text: &str) -> Result<(), Refusal> {
    let text = super::well_formed(text);
    let mut de = serde_json::Deserializer::from_str(&text);
    // The depth is limited below; serde_json's own limit of 128 lies beyond it.
    let result = Check { depth: 0, name: None }.deserialize(&mut de).and_then(|()| de.end());
    result.map_err(|error| {
        let text = error.to_string();
        // serde_json appends " at line 1 column 9"; for our own sentences that is noise.
        let at = text.find(" at line ").filter(|_| text.starts_with("the value") || text.starts_with("field "));
        Refusal(at.map_or(text.clone(), |at| text[..at].to_owned()))
    })
}

/// As [`check`], and that the text is small enough to be an item.
pub fn check_item(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_ITEM_BYTES {
        return Err(Refusal(format!(
            "the value is {} bytes of JSON; an item may have {MAX_ITEM_BYTES}",
            text.len()
        )));
    }
    check(text)
}

struct Check<'a> {
    depth: usize,
    name: Option<&'a str>,
}

impl Check<'_> {
    fn refuse<E: Error>(&self, what: &str) -> E {
        match self.name {
            Some(name) => E::custom(format!("field \"{name}\" {what}")),
            None => E::custom(format!("the value {what}")),
        }
    }

    fn nest<E: Error>(&self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse("is nested deeper than 100 levels"));
        }
        Ok(self.depth + 1)
    }

    fn number<E: Error>(&self, number: f64) -> Result<(), E> {
        if number.abs() > MAX_INTEGER {
            return Err(self.refuse("is an integer beyond 2^53-1, which no browser holds exactly"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number as f64)
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number as f64)
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.number(number)
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.nest()?;
        while seq.next_element_seed(Check { depth, name: self.name })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.nest()?;
        let mut keys: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "__proto__" {
                return Err(self.refuse("has a key \"__proto__\", which is refused for safety"));
            }
            let name = self.name.unwrap_or(&key);
            map.next_value_seed(Check { depth, name: Some(name) })?;
            keys.push(key.into_owned());
        }
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.refuse(&format!("has the key \"{}\" twice", pair[0]))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name() {
        let refused = |text: &str| check(text).unwrap_err().0;
        assert_eq!(refused(r#"{"a":{"n":9007199254740993}}"#), "field \"a\" is an integer beyond 2^53-1, which no browser holds exactly");
        assert!(refused(r#"{"x":1,"x":2}"#).contains("\"x\" twice"));
        assert!(refused(r#"{"a":{"__proto__":{}}}"#).contains("__proto__"));
        assert!(refused(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).contains("deeper"));
        assert!(refused("[1,2").contains("EOF"));
        assert!(refused("1 2").contains("trailing"));
        assert!(refused("NaN").contains("expected"));
    }

    #[test]
    fn accepts_what_json_is() {
        for text in ["null", "true", "-0", "1.5e10", "\"\\u00e9\"", "[[],{}]", r#"{"":{"a":[1,null]}}"#] {
            check(text).unwrap();
        }
        check(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap();
    }
}
