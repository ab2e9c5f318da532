//! Which JSON texts are values. The page and the server refuse the same ones; `tests/wire/values.json` holds them to it.

use super::{MAX_DEPTH, MAX_ITEM_BYTES};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// The largest number, 2^53-1: the largest integer of which no browser makes another one.
const MAX_NUMBER: u64 = (1 << 53) - 1;

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

/// What was found on the way through a text. While nothing is refused, no path is built: a value may have as many elements
/// as it has bytes.
#[derive(Default)]
struct Found {
    problem: Option<Problem>,
    /// The keys and indices from the refused value outwards.
    path: Vec<Segment>,
}

enum Segment {
    Key(String),
    Index(usize),
}

impl Found {
    fn refuse<T, E: Error>(&mut self, problem: Problem) -> Result<T, E> {
        self.problem = Some(problem);
        Err(E::custom(""))
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in self.path.iter().rev() {
            pointer.push('/');
            match segment {
                Segment::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }
}

/// Visits a value that stands in so many arrays and objects.
struct Value<'f> {
    found: &'f mut Found,
    depth: usize,
}

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
        if number <= MAX_NUMBER { Ok(()) } else { self.found.refuse(Problem::Unsafe) }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_u64(number.unsigned_abs())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.visit_u64(number.abs() as u64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Value { found, depth } = self;
        if depth == MAX_DEPTH {
            return found.refuse(Problem::TooDeep);
        }
        for index in 0.. {
            match list.next_element_seed(Value { found, depth: depth + 1 }) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    found.path.push(Segment::Index(index));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value { found, depth } = self;
        if depth == MAX_DEPTH {
            return found.refuse(Problem::TooDeep);
        }
        let mut names: Vec<Cow<str>> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let read = match &*name {
                "__proto__" => found.refuse(Problem::ProtoKey),
                _ => map.next_value_seed(Value { found, depth: depth + 1 }),
            };
            if let Err(error) = read {
                found.path.push(Segment::Key(name.into_owned()));
                return Err(error);
            }
            names.push(name);
        }
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            found.path.push(Segment::Key(twice[0].clone().into_owned()));
            return found.refuse(Problem::DuplicateKey);
        }
        Ok(())
    }
}

/// Checks that `text` is one JSON value within the limits: depth, numbers, names of keys, no key twice.
///
/// Its time is linear in the text's length, up to the sorting of an object's keys.
pub fn check(text: &str) -> Result<(), Refusal> {
    let mut found = Found::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Value { found: &mut found, depth: 0 }.deserialize(&mut reader).and_then(|()| reader.end());
    let Err(error) = read else { return Ok(()) };
    // Of a number such as 1e999 serde_json says no more than this.
    let is_infinite = || error.to_string().starts_with("number out of range");
    let problem = found.problem.or_else(|| is_infinite().then_some(Problem::NotFinite));
    Err(match problem {
        Some(problem) => Refusal { path: Some(found.pointer()), problem },
        None => Refusal { path: None, problem: Problem::Syntax },
    })
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
