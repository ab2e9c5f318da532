//! Equality of values: key order means nothing, and numbers are compared by their value (f29).

use super::decimal::Decimal;
use super::{Fields, elements, string};

/// Returns true if two values, each of which may be absent, are the same.
pub fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => equal(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Returns true if two JSON texts are the same value. A text that is not JSON equals only itself.
pub fn equal(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if let (Some(a), Some(b)) = (Fields::parse(a), Fields::parse(b)) {
        return a.0.len() == b.0.len() && a.0.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)));
    }
    if let (Some(a), Some(b)) = (elements(a), elements(b)) {
        return a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b));
    }
    if let (Some(a), Some(b)) = (string(a), string(b)) {
        return a == b;
    }
    // Two texts with more digits than any side writes may be the same double. They count as different: that causes a
    // conflict at most, and loses nothing.
    if let (Some(a), Some(b)) = (Decimal::read(a), Decimal::read(b)) {
        return a == b;
    }
    a.trim_ascii() == b.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_not_texts() {
        assert!(equal(r#"{"a":1,"b":[1.0]}"#, r#"{ "b":[1], "a":1e0 }"#));
        assert!(equal("-0", "0"));
        assert!(!equal("[1,2]", "[2,1]"));
        assert!(!equal(r#"{"a":null}"#, "{}"));
    }
}
