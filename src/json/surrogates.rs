//! Escapes of lone surrogates, which browsers write and no UTF-8 text can hold: each becomes U+FFFD.

use std::borrow::Cow;

/// The JSON text with each escape of a lone surrogate replaced by `\ufffd`.
pub fn well_formed(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().windows(3).any(|bytes| matches!(bytes, b"\\ud" | b"\\uD")) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.as_bytes().iter().skip(at).position(|byte| *byte == b'\\') {
        let start = at + found;
        match (surrogate(text, start), surrogate(text, start + 6)) {
            (Some(Half::High), Some(Half::Low)) => at = start + 12,
            (Some(_), _) => {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str("\\ufffd");
                at = start + 6;
                copied = at;
            }
            // Another escape: its second character may be a backslash.
            (None, _) => at = start + 2,
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

enum Half {
    High,
    Low,
}

/// The half that the escape at `start` stands for, if it is one.
fn surrogate(text: &str, start: usize) -> Option<Half> {
    let digits = text.get(start..start + 6)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_halves_are_replaced() {
        for (text, expected) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD800""#, r#""\ufffd""#),
            (r#""\udc00\ud800""#, r#""\ufffd\ufffd""#),
            (r#""\ud800\ud83d\ude00é""#, r#""\ufffd\ud83d\ude00é""#),
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\\\ud800é\"#, r#""\\\ufffdé\"#),
        ] {
            assert_eq!(well_formed(text), expected);
        }
    }
}
