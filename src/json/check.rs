//! Checks which JSON texts are valid values. The page and the server agree on them, as `tests/wire/values.json` ensures.

use super::decimal::Decimal;
use super::{MAX_DEPTH, MAX_ITEM_BYTES, read, string};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The reason why a text is not a valid value. It reads as a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// A JSON Pointer to the invalid part; `None` where the text is no JSON.
    pub path: Option<String>,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Syntax,
    TooLarge(usize),
    TooDeep,
    NotFinite,
    Unsafe,
    ProtoKey,
    DuplicateKey,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_deref() {
            None | Some("") => f.write_str("the value ")?,
            Some(path) => write!(f, "the value at {path} ")?,
        }
        match self.problem {
            Problem::Syntax => f.write_str("is not JSON"),
            Problem::TooLarge(bytes) => {
                write!(f, "is {bytes} bytes of JSON; an item may have {MAX_ITEM_BYTES}")
            }
            Problem::TooDeep => write!(f, "is nested deeper than {MAX_DEPTH} levels"),
            Problem::NotFinite => f.write_str("is a number beyond every finite one"),
            Problem::Unsafe => f.write_str("is a number beyond 2^53-1, which no browser holds exactly"),
            Problem::ProtoKey => f.write_str("has the key \"__proto__\", which is refused for safety"),
            Problem::DuplicateKey => f.write_str("has its key twice"),
        }
    }
}

/// An array or object that is open at the current place.
struct Open<'t> {
    is_object: bool,
    /// The number of commas in it so far, which is the index of the current element or name.
    index: usize,
    names: Vec<Cow<'t, str>>,
}

/// Checks that `text` is one JSON value within the limits: depth, numbers, names of keys, no key twice.
///
/// Its time is linear in the text's length, up to the sorting of an object's names. A path is made for an invalid value alone: a
/// value may have as many elements as it has bytes.
pub fn check(text: &str) -> Result<(), InvalidValue> {
    // serde_json decides if the text is JSON. The scan below relies on that.
    if read::<&RawValue>(text).is_none() {
        return Err(InvalidValue { path: None, problem: Problem::Syntax });
    }
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let start = at;
        at += match byte {
            b'"' => string_length(&text.as_bytes()[at..]),
            b'-' | b'0'..=b'9' => number_length(&text.as_bytes()[at..]),
            _ => 1,
        };
        let token = text.get(start..at).unwrap_or_default();
        match byte {
            b'{' | b'[' if open.len() == MAX_DEPTH => return invalid(&open, Problem::TooDeep),
            b'{' | b'[' => open.push(Open { is_object: *byte == b'{', index: 0, names: Vec::new() }),
            b'}' | b']' => {
                let mut names = open.pop().map(|closed| closed.names).unwrap_or_default();
                names.sort_unstable();
                if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                    let twice = Open { is_object: true, index: 0, names: vec![pair[0].clone()] };
                    open.push(twice);
                    return invalid(&open, Problem::DuplicateKey);
                }
            }
            b',' => {
                if let Some(around) = open.last_mut() {
                    around.index += 1;
                }
            }
            b'"' => {
                if let Some(object) = open.last_mut().filter(|open| open.is_object)
                    && object.names.len() == object.index
                {
                    object.names.push(name(token));
                    if object.names.last().is_some_and(|name| name == "__proto__") {
                        return invalid(&open, Problem::ProtoKey);
                    }
                }
            }
            // A short number without an exponent is always safe.
            b'-' | b'0'..=b'9' if token.len() <= 15 && !token.contains(['e', 'E']) => {}
            b'-' | b'0'..=b'9' => {
                let number = Decimal::read(token).unwrap_or_default();
                if number.is_infinite() {
                    return invalid(&open, Problem::NotFinite);
                }
                if number.is_unsafe() {
                    return invalid(&open, Problem::Unsafe);
                }
            }
            // Spaces, colons, and the letters of true, false and null.
            _ => {}
        }
    }
    Ok(())
}

fn invalid(open: &[Open], problem: Problem) -> Result<(), InvalidValue> {
    let mut path = String::new();
    for open in open {
        path.push('/');
        match open.names.last() {
            Some(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
            None => path.push_str(&open.index.to_string()),
        }
    }
    Err(InvalidValue { path: Some(path), problem })
}

/// Returns the name that a JSON string spells.
fn name(token: &str) -> Cow<'_, str> {
    match token.contains('\\') {
        true => string(token).unwrap_or_default().into(),
        false => token.trim_matches('"').into(),
    }
}

/// Returns the length of the string at the beginning of the text, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the length of the number at the beginning of the text.
fn number_length(text: &[u8]) -> usize {
    let ends = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    text.iter().position(ends).unwrap_or(text.len())
}

/// Does the same as [`check`], and checks that the text is not too large for an item.
pub fn check_item(text: &str) -> Result<(), InvalidValue> {
    if text.len() > MAX_ITEM_BYTES {
        return Err(InvalidValue { path: Some(String::new()), problem: Problem::TooLarge(text.len()) });
    }
    check(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    #[test]
    fn an_invalid_value_is_named_by_its_path() {
        assert_eq!(
            problem_of(r#"{"a":[0,{"n~/":9007199254740993}]}"#),
            "the value at /a/1/n~0~1 is a number beyond 2^53-1, which no browser holds exactly"
        );
        assert_eq!(problem_of(r#"{"a":{"x":1,"x":2}}"#), "the value at /a/x has its key twice");
        assert!(problem_of(r#"{"a":{"__proto__":{}}}"#).starts_with("the value at /a/__proto__ "));
        assert!(problem_of(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).contains("deeper than 100"));
        assert!(problem_of(r#"{"a":1e400}"#).starts_with("the value at /a is a number beyond every finite"));
        for text in ["[1,2", "1 2", "NaN", "", "[1e]"] {
            assert_eq!(problem_of(text), "the value is not JSON", "{text}");
        }
    }

    #[test]
    fn accepts_what_json_is() {
        for text in ["null", "true", "-0", "1.5e10", "\"\\u00e9\"", "[[],{}]", r#"{"":{"a":[1,null]}}"#] {
            check(text).unwrap();
        }
        check(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap();
    }

    /// f74: a path for each element, built while checking, cost seconds.
    #[test]
    fn f74_a_long_key_around_many_elements_costs_no_more_than_its_bytes() {
        let long = "k".repeat(1 << 20);
        let zeros = "0,".repeat(300_000);
        check(&format!("{{\"{long}\":[{zeros}0]}}")).unwrap();
        let invalid = check(&format!("{{\"{long}\":[{zeros}1e400]}}")).unwrap_err();
        assert_eq!(invalid.path, Some(format!("/{long}/300000")));
    }
}
