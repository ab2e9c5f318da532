//! Which JSON texts are values. The page and the server refuse the same ones; `tests/wire/values.json` holds them to it.

use super::read::{Part, Reader, is_too_deep, is_too_large, unquoted};
use super::{MAX_ITEM_BYTES, number, quoted, shared};
use crate::table::Set;
use std::fmt;
use std::rc::Rc;

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
    let mut reader = Reader::new(text);
    let mut refused = None;
    // The top-level field that is being read, for the message.
    let mut field = None;
    let mut look = |part: Part, depth: usize| {
        let problem = match part {
            Part::Nested(depth) if is_too_deep(depth) => "is nested deeper than 100 levels".into(),
            Part::Number(number) if is_too_large(number) => {
                "is a number beyond 2^53-1, which no browser holds exactly".into()
            }
            Part::Key(key) => {
                if depth == 0 {
                    field = Some(key.to_owned());
                }
                if unquoted(key)? != "__proto__" {
                    return Some(());
                }
                "has a key \"__proto__\", which is refused for safety".into()
            }
            Part::Keys(keys) => match twice(keys) {
                Some(key) => format!("has the key {} twice", quoted(&key)),
                None => return Some(()),
            },
            _ => return Some(()),
        };
        refused = Some(match &field {
            Some(field) => format!("field {field} {problem}"),
            None => format!("the value {problem}"),
        });
        None
    };
    let read = reader.value_with(0, &mut look).and_then(|_| reader.end());
    match (read, refused) {
        (Some(()), _) => Ok(()),
        (None, Some(refused)) => Err(Refusal(refused)),
        (None, None) => Err(Refusal("the value is not JSON".into())),
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

/// A key that stands there more than once.
fn twice(keys: &[&str]) -> Option<String> {
    let mut known: Set<Rc<str>> = Set::default();
    for key in keys {
        let key = unquoted(key)?;
        if known.insert(shared(&key), 0).is_some() {
            return Some(key.into_owned());
        }
    }
    None
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
