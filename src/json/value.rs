//! Equality of values: key order means nothing, numbers compare as doubles (f29).

use serde_json::Value;

/// Whether two JSON texts are the same value. Text that is not JSON equals nothing but itself.
pub fn equal(a: &str, b: &str) -> bool {
    a == b
        || match (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) {
            (Ok(a), Ok(b)) => same(&a, &b),
            _ => false,
        }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
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
