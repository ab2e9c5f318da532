//! Code that the conformance suites of pushes and of pulls share.

use serde_json::Value;

pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The golden message of an error, by its code.
#[expect(clippy::disallowed_methods, reason = "the files are the test's data")]
pub fn golden_error(code: &str) -> Value {
    let file = format!("{}/../wire/error-{}.json", env!("CARGO_MANIFEST_DIR"), code.replace('_', "-"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}
