//! Reads JSON text (RFC 8259) without building values: the engine only ever wants an object's fields, an array's
//! elements or a string. A general library costs the worker a third of its size; this one is checked against
//! `serde_json` by its tests.

use super::MAX_DEPTH;
use std::borrow::Cow;

/// The deepest nesting that is read at all; what is kept has a lower limit.
const MAX_READ_DEPTH: usize = 1_000;

/// A position in a text.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What a value is made of, met on the way through it.
pub enum Part<'a> {
    /// An array or object begins, this deep.
    Nested(usize),
    /// An object's keys, quotes and escapes included, in their order; after its values.
    Keys(&'a [&'a str]),
    /// A key whose value follows.
    Key(&'a str),
    Number(&'a str),
}

/// What looks at a value's parts; `None` stops the reading.
pub type Look<'l, 'a> = &'l mut dyn FnMut(Part<'_>, usize) -> Option<()>;

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// The next byte that is no white space, left in its place.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Steps over `byte`, after white space.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// `Some` at the end of the text.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Whether a list goes on: steps over a comma, or over `close` at its end.
    pub fn more(&mut self, first: bool, close: u8) -> Option<bool> {
        if self.take(close).is_some() {
            return Some(false);
        }
        if !first {
            self.take(b',')?;
        }
        Some(true)
    }

    /// A string, quotes and escapes included.
    pub fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at - 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
            self.at += stop + 1;
            match *rest.get(stop)? {
                b'"' => return self.text.get(start..self.at),
                b'\\' => {
                    let escape = *rest.get(stop + 1)?;
                    self.at += 1;
                    if escape == b'u' {
                        let digits = rest.get(stop + 2..stop + 6)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        self.at += 4;
                    } else if !b"\"\\/bfnrt".contains(&escape) {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn next_is(&mut self, bytes: &[u8]) -> bool {
        let is = self.text.as_bytes().get(self.at).is_some_and(|byte| bytes.contains(byte));
        self.at += usize::from(is);
        is
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.next_is(b"-");
        if !self.next_is(b"0") {
            self.digits()?;
        }
        if self.next_is(b".") {
            self.digits()?;
        }
        if self.next_is(b"eE") {
            self.next_is(b"+-");
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// A value; its text without the white space around it.
    pub fn value(&mut self) -> Option<&'a str> {
        self.value_with(0, &mut |_, _| Some(()))
    }

    /// A value, each of its parts looked at.
    pub fn value_with(&mut self, depth: usize, look: Look) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => drop(self.string()?),
            b'{' | b'[' => self.nested(first, depth, look)?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => {
                let number = self.number()?;
                look(Part::Number(number), depth)?;
            }
        }
        self.text.get(start..self.at)
    }

    fn nested(&mut self, open: u8, depth: usize, look: Look) -> Option<()> {
        look(Part::Nested(depth + 1), depth)?;
        if depth == MAX_READ_DEPTH {
            return None;
        }
        self.at += 1;
        // '{' and '}' are two apart, as are '[' and ']'.
        let close = open + 2;
        let mut keys = Vec::new();
        let mut first = true;
        while self.more(first, close)? {
            first = false;
            if open == b'{' {
                let key = self.string()?;
                self.take(b':')?;
                look(Part::Key(key), depth)?;
                keys.push(key);
            }
            self.value_with(depth + 1, look)?;
        }
        look(Part::Keys(&keys), depth)
    }
}

/// As [`unescape`]; a part of the text itself where nothing in it is escaped.
pub fn unquoted(quoted: &str) -> Option<Cow<'_, str>> {
    if quoted.as_bytes().contains(&b'\\') {
        return unescape(quoted).map(Cow::Owned);
    }
    quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
}

/// The string that a JSON string (quotes and escapes included) stands for. Lone surrogates become U+FFFD.
///
/// With `get`, here and elsewhere: indexing a `str` by a range brings the tables of Unicode, to show where it failed.
pub fn unescape(quoted: &str) -> Option<String> {
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.bytes().position(|byte| byte == b'\\') {
        out.push_str(rest.get(..at)?);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        out.push(match escape {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let unit = hex(rest)?;
                rest = rest.get(4..)?;
                let low = if (0xd800..0xdc00).contains(&unit) {
                    rest.strip_prefix("\\u").and_then(hex)
                } else {
                    None
                };
                match low {
                    Some(low) if (0xdc00..0xe000).contains(&low) => {
                        rest = rest.get(6..)?;
                        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?
                    }
                    _ => char::from_u32(unit).unwrap_or('\u{fffd}'),
                }
            }
            other => char::from(other),
        });
    }
    out.push_str(rest);
    Some(out)
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}

/// A number's sign, its digits without zeros around them, and the power of ten of its first digit.
pub fn decimal(number: &str) -> (bool, Vec<u8>, i64) {
    let negative = number.starts_with('-');
    let (mut digits, mut point, mut exponent) = (Vec::new(), None, 0i64);
    let mut bytes = number.bytes().skip(usize::from(negative));
    for byte in bytes.by_ref() {
        match byte {
            b'0'..=b'9' => digits.push(byte),
            b'.' => point = Some(digits.len()),
            _ => break,
        }
    }
    let mut below = false;
    for byte in bytes {
        match byte {
            b'-' => below = true,
            b'0'..=b'9' => exponent = (exponent * 10 + i64::from(byte - b'0')).min(1_000_000),
            _ => {}
        }
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let magnitude =
        point.unwrap_or(digits.len()) as i64 - zeros as i64 - 1 + if below { -exponent } else { exponent };
    digits.drain(..zeros);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    // Below the smallest double there is only zero.
    if digits.is_empty() || magnitude < -324 { (false, Vec::new(), 0) } else { (negative, digits, magnitude) }
}

/// Whether a number is beyond ±(2^53 - 1).
pub fn is_too_large(number: &str) -> bool {
    const MOST: &[u8] = b"9007199254740991";
    let (_, digits, magnitude) = decimal(number);
    match magnitude.cmp(&15) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => !digits.is_empty(),
        // As many digits before the point: compare them one by one, those left out being zeros.
        std::cmp::Ordering::Equal => {
            let whole = MOST.iter().enumerate().map(|(at, _)| digits.get(at).copied().unwrap_or(b'0'));
            whole.cmp(MOST.iter().copied()) == std::cmp::Ordering::Greater
        }
    }
}

/// Whether a depth is more than what is kept.
pub fn is_too_deep(depth: usize) -> bool {
    depth > MAX_DEPTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Texts around every rule of the grammar.
    const TEXTS: &[&str] = &[
        "null",
        " true ",
        "false",
        "nul",
        "truex",
        "0",
        "-0",
        "-",
        "01",
        "1.",
        "1.5",
        ".5",
        "1e",
        "1e5",
        "1E+05",
        "1e-3x",
        "\"\"",
        "\"a\\n\\u00e9\\ud83d\\ude00\\/\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"é\u{2028}\"",
        "\"",
        "\"\\",
        "[]",
        "[ ]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,[2,{\"a\":[]}]]",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "{\"\\u0061\":1 , \"b\":[true,false,null]}",
        "",
        " ",
        "1 1",
        "[1]]",
        "{\"a\":1}}",
        "\u{feff}1",
        "NaN",
    ];

    #[test]
    fn reads_what_serde_json_reads() {
        for text in TEXTS {
            let mut reader = Reader::new(text);
            let ours = reader.value().filter(|_| reader.end().is_some());
            let theirs = serde_json::from_str::<Value>(text);
            assert_eq!(ours.is_some(), theirs.is_ok(), "{text}");
            if let (Some(ours), Ok(theirs)) = (ours, theirs) {
                assert_eq!(serde_json::from_str::<Value>(ours).unwrap(), theirs, "{text}");
                if let Value::String(string) = &theirs {
                    assert_eq!(unescape(ours).as_ref(), Some(string));
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused() {
        // Every prefix and every text with one byte left out: nothing panics, and what is read is JSON.
        let text = r#"{"a\u00e9":[1.5e-7,"x\\\"",{"b":null}],"c":true}"#;
        for cut in 0..text.len() {
            for broken in [text[..cut].to_owned(), format!("{}{}", &text[..cut], &text[cut + 1..])] {
                let mut reader = Reader::new(&broken);
                let ours = reader.value().is_some() && reader.end().is_some();
                assert_eq!(ours, serde_json::from_str::<Value>(&broken).is_ok(), "{broken}");
            }
        }
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        assert_eq!(unescape(r#""\ud800x\udc00\ud800\u0041""#).unwrap(), "\u{fffd}x\u{fffd}\u{fffd}A");
    }

    #[test]
    fn nesting_does_not_exhaust_the_stack() {
        assert!(Reader::new(&"[".repeat(2_000_000)).value().is_none());
    }

    #[test]
    fn numbers_compare_and_are_limited_as_decimals() {
        for (a, b) in
            [("1", "1.0"), ("100", "1e2"), ("0.001", "1E-3"), ("-0", "0.0e5"), ("120.50", "1.205e2")]
        {
            assert_eq!(decimal(a), decimal(b), "{a} {b}");
        }
        assert_ne!(decimal("1"), decimal("-1"));
        assert_ne!(decimal("1"), decimal("10"));
        for (number, large) in [
            ("9007199254740991", false),
            ("-9007199254740991", false),
            ("9007199254740992", true),
            ("9.007199254740992e15", true),
            ("1e15", false),
            ("1e16", true),
            ("1e400", true),
            ("0e400", false),
            ("123456789012345678", true),
            ("0.1", false),
            ("9e15", false),
        ] {
            assert_eq!(is_too_large(number), large, "{number}");
        }
    }
}
