//! Values left as text, in what serde reads and writes.

use super::Json;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value that is JSON text already. (As `RawValue` writes itself; one of those can only be had by parsing.)
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(pub &'a str);

const TOKEN: &str = "$serde_json::private::RawValue";

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut raw = serializer.serialize_struct(TOKEN, 1)?;
        raw.serialize_field(TOKEN, self.0)?;
        raw.end()
    }
}

/// Reads a text; `None` where it is not that.
#[inline(never)]
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[inline(never)]
pub fn write<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A field that is kept as text.
pub mod text {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
        Raw(json).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| raw.get().into())
    }
}

/// A field that is kept as text where it is there. `null` is a value, which serde's `Option` takes for none.
pub mod present {
    use super::*;

    pub fn serialize<S: Serializer>(json: &Option<Json>, serializer: S) -> Result<S::Ok, S::Error> {
        json.as_deref().map(Raw).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
        text::deserialize(deserializer).map(Some)
    }
}
