//! Values left as text, in what serde reads and writes.

use super::Json;
use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value that is JSON text already.
///
/// To be written it is looked through once: serde_json takes text as it is only of a `RawValue`, and gives one only for text
/// that it has read. That is 0.2 µs for an item of 300 bytes; imitating its private token would save them.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(pub &'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        raw_value(self.0)
            .ok_or_else(|| S::Error::custom("the text of a value is not JSON"))?
            .serialize(serializer)
    }
}

#[inline(never)]
fn raw_value(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// Reads a text; `None` where it is not what is wanted. Out of line, as a derived reader would be at each use otherwise.
#[inline(never)]
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Returns the JSON text of a message or a row. Empty where a value in it is no JSON text, which is a bug of the caller.
#[inline(never)]
pub fn write<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// For `#[serde(with)]`: a field that is kept as text.
pub mod text {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
        Raw(json).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| raw.get().into())
    }
}

/// For `#[serde(with)]`, beside `default` and `skip_serializing_if = "Option::is_none"`: a field that is kept as text where
/// it is there. `null` is a value, which serde's own `Option` takes for none.
pub mod present {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Option<Json>, serializer: S) -> Result<S::Ok, S::Error> {
        json.as_deref().map(Raw).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
        text::deserialize(deserializer).map(Some)
    }
}
