//! Writes JSON objects whose values are mostly texts already: what a page says to its worker, above all. serde_json, which
//! writes everything else, would be 8.7 KB of the page's client, of 17 (docs/design/packages.md).

/// Writes one JSON object, or fields of one, field by field.
pub struct Writer(String);

impl Writer {
    pub fn object() -> Self {
        Writer(String::from("{"))
    }

    /// Begins fields for [`Writer::more`] of another one. Each has a comma before it.
    pub fn fields() -> Self {
        Writer(String::new())
    }

    /// Adds the fields that another one has written.
    pub fn more(&mut self, fields: &str) -> &mut Self {
        self.0.push_str(fields);
        self
    }

    /// Returns what was written, without an end.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.0)
    }

    fn key(&mut self, key: &str) {
        if self.0 != "{" {
            self.0.push(',');
        }
        quote(&mut self.0, key);
        self.0.push(':');
    }

    /// A value that is JSON text already.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key);
        self.0.push_str(json);
        self
    }

    pub fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        quote(&mut self.0, value);
        self
    }

    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        digits(&mut self.0, value);
        self
    }

    /// The object's text.
    pub fn end(&mut self) -> String {
        self.0.push('}');
        self.finish()
    }
}

/// Appends a number in decimal. (`write!` would bring the whole of `core::fmt` to the page.)
fn digits(out: &mut String, number: u64) {
    if number >= 10 {
        digits(out, number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(from..at).unwrap_or_default());
        from = at + 1;
        match byte {
            b'\n' => out.push_str("\\n"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            control => {
                out.push_str("\\u00");
                out.push(hex_digit(u64::from(control >> 4)));
                out.push(hex_digit(u64::from(control)));
            }
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.push('"');
}

/// The lowest four bits of a number.
pub fn hex_digit(number: u64) -> char {
    char::from(b"0123456789abcdef"[number as usize & 15])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_json() {
        let text = Writer::object().string("a\"", "b\\\n\u{1}é").number("n", 7).raw("l", "[1,{}]").end();
        assert_eq!(text, "{\"a\\\"\":\"b\\\\\\n\\u0001é\",\"n\":7,\"l\":[1,{}]}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}
