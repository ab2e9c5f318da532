//! Which JSON texts are values. The page and the server refuse the same ones; `tests/wire/values.json` holds them to it.

use super::decimal::Decimal;
use super::{MAX_DEPTH, MAX_ITEM_BYTES, read, string};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Why a text is not a value that Nightferry keeps. It reads as a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A JSON Pointer to what is refused; `None` where the text is no JSON.
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

impl fmt::Display for Refusal {
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

/// An array or object around the place that is looked at.
struct Open<'t> {
    is_object: bool,
    /// How many commas stood in it so far: the index of the element, or of the name, at the place.
    index: usize,
    names: Vec<Cow<'t, str>>,
}

/// Checks that `text` is one JSON value within the limits: depth, numbers, names of keys, no key twice.
///
/// Its time is linear in the text's length, up to the sorting of an object's names. A path is made for a refusal alone: a
/// value may have as many elements as it has bytes.
pub fn check(text: &str) -> Result<(), Refusal> {
    // Whether it is JSON at all is serde_json's to say; what follows relies on it.
    if read::<&RawValue>(text).is_none() {
        return Err(Refusal { path: None, problem: Problem::Syntax });
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
            b'{' | b'[' if open.len() == MAX_DEPTH => return refuse(&open, Problem::TooDeep),
            b'{' | b'[' => open.push(Open { is_object: *byte == b'{', index: 0, names: Vec::new() }),
            b'}' | b']' => {
                let mut names = open.pop().map(|closed| closed.names).unwrap_or_default();
                names.sort_unstable();
                if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                    let twice = Open { is_object: true, index: 0, names: vec![pair[0].clone()] };
                    open.push(twice);
                    return refuse(&open, Problem::DuplicateKey);
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
                        return refuse(&open, Problem::ProtoKey);
                    }
                }
            }
            // Most are so short that they need no look.
            b'-' | b'0'..=b'9' if token.len() <= 15 && !token.contains(['e', 'E']) => {}
            b'-' | b'0'..=b'9' => {
                let number = Decimal::read(token).unwrap_or_default();
                if number.is_infinite() {
                    return refuse(&open, Problem::NotFinite);
                }
                if number.is_unsafe() {
                    return refuse(&open, Problem::Unsafe);
                }
            }
            // Spaces, colons, and the letters of true, false and null.
            _ => {}
        }
    }
    Ok(())
}

fn refuse(open: &[Open], problem: Problem) -> Result<(), Refusal> {
    let mut path = String::new();
    for open in open {
        path.push('/');
        match open.names.last() {
            Some(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
            None => path.push_str(&open.index.to_string()),
        }
    }
    Err(Refusal { path: Some(path), problem })
}

/// The name that a string of JSON text is.
fn name(token: &str) -> Cow<'_, str> {
    match token.contains('\\') {
        true => string(token).unwrap_or_default().into(),
        false => token.trim_matches('"').into(),
    }
}

/// The length of the string that the text begins with, quotes included.
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

/// The length of the number that the text begins with.
fn number_length(text: &[u8]) -> usize {
    let ends = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    text.iter().position(ends).unwrap_or(text.len())
}

/// As [`check`], and that the text is small enough to be an item.
pub fn check_item(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_ITEM_BYTES {
        return Err(Refusal { path: Some(String::new()), problem: Problem::TooLarge(text.len()) });
    }
    check(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    #[test]
    fn a_refusal_names_the_path() {
        assert_eq!(
            refused(r#"{"a":[0,{"n~/":9007199254740993}]}"#),
            "the value at /a/1/n~0~1 is a number beyond 2^53-1, which no browser holds exactly"
        );
        assert_eq!(refused(r#"{"a":{"x":1,"x":2}}"#), "the value at /a/x has its key twice");
        assert!(refused(r#"{"a":{"__proto__":{}}}"#).starts_with("the value at /a/__proto__ "));
        assert!(refused(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).contains("deeper than 100"));
        assert!(refused(r#"{"a":1e400}"#).starts_with("the value at /a is a number beyond every finite"));
        for text in ["[1,2", "1 2", "NaN", "", "[1e]"] {
            assert_eq!(refused(text), "the value is not JSON", "{text}");
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
        let refusal = check(&format!("{{\"{long}\":[{zeros}1e400]}}")).unwrap_err();
        assert_eq!(refusal.path, Some(format!("/{long}/300000")));
    }
}
