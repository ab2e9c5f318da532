//! Values that stay JSON text while serde reads or writes what contains them.

use super::Json;
use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value that is JSON text already.
///
/// Writing it parses the text once: serde_json copies text only from a `RawValue`, and creates one only by parsing. That
/// costs 0.2 µs for an item of 300 bytes.
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

/// Reads a text as a `T`; `None` if it is none. It is never inlined, because each use would contain the derived reader.
#[inline(never)]
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Returns the JSON text of a message or a row. It is empty if a value in it is not JSON text, which is a bug of the caller.
#[inline(never)]
pub fn write<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// For `#[serde(with)]`: a field whose value stays JSON text.
pub mod text {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
        Raw(json).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| raw.get().into())
    }
}

/// For `#[serde(with)]`, beside `default` and `skip_serializing_if = "Option::is_none"`: an optional field whose value stays
/// JSON text. Here `null` is a value; the `Option` of serde reads it as `None`.
pub mod present {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Option<Json>, serializer: S) -> Result<S::Ok, S::Error> {
        json.as_deref().map(Raw).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
        text::deserialize(deserializer).map(Some)
    }
}
