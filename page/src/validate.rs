//! Finds Rust values that Nightferry cannot keep, with their path. (serde_json would write NaN as null, and integers of any size.)
//! Every side agrees on these values, see `tests/wire/values.json`.

use nightferry::json::MAX_DEPTH;
use serde::{Serialize, Serializer, ser};
use std::fmt::{self, Display, Write};

/// The largest number that every browser holds exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The name under which serde_json serializes a number that it holds as text: a struct of one field. It does so if any crate of
/// the program enables `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";
/// The same for a value that is JSON text. `action::read` checks that text.
const RAW: &str = "$serde_json::private::RawValue";

/// Returns an error if a part of the value cannot be kept. It reads as a sentence that begins with the path.
pub fn validate<T: Serialize + ?Sized>(value: &T) -> Result<(), InvalidValue> {
    // The value itself and its payload are two levels around the item.
    value.serialize(&mut Check { path: String::new(), depth: 0 })
}

#[derive(Debug)]
pub struct InvalidValue(String);

impl Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidValue {}

impl ser::Error for InvalidValue {
    fn custom<T: Display>(why: T) -> Self {
        InvalidValue(format!("it cannot be serialized: {why}."))
    }
}

type Checked = Result<(), InvalidValue>;

/// A serializer that writes nothing.
struct Check {
    /// The path of the current value.
    path: String,
    /// The number of arrays and objects around it.
    depth: usize,
}

impl Check {
    fn invalid<T>(&self, why: impl Display) -> Result<T, InvalidValue> {
        let place = if self.path.is_empty() { "the action" } else { &self.path };
        Err(InvalidValue(format!("{place} {why}")))
    }

    fn number(&self, number: impl Display, magnitude: Option<u64>) -> Checked {
        match magnitude {
            Some(magnitude) if magnitude <= MAX_NUMBER => Ok(()),
            _ => self.invalid(format_args!(
                "is {number}, a number beyond 2^53-1, which no browser holds exactly. Keep it as a string."
            )),
        }
    }

    /// Enters an array or an object.
    fn enter(&mut self, is_array: bool) -> Result<Inside<'_>, InvalidValue> {
        let (path, depth) = (self.path.len(), self.depth);
        self.deeper(is_array)?;
        Ok(Inside { check: self, path, depth, index: 0 })
    }

    fn deeper(&mut self, is_array: bool) -> Checked {
        // The action is one level around its payload. An array as the payload is one level around its items.
        let in_array = self.path.starts_with("payload[") || (is_array && self.path == "payload");
        if self.depth > MAX_DEPTH + usize::from(in_array) {
            return self
                .invalid(format_args!("is nested deeper than {MAX_DEPTH} levels, which cannot be kept."));
        }
        self.depth += 1;
        Ok(())
    }

    /// Enters the content of an enum's variant: an array or object, in an object whose only field is the variant.
    fn variant(&mut self, variant: &str, is_array: bool) -> Result<Inside<'_>, InvalidValue> {
        let (path, depth) = (self.path.len(), self.depth);
        self.deeper(false)?;
        self.key(variant)?;
        self.deeper(is_array)?;
        Ok(Inside { path: self.path.len(), ..Inside { check: self, path, depth, index: 0 } })
    }

    /// Goes to a field.
    fn key(&mut self, key: &str) -> Checked {
        if key == "__proto__" {
            return self.invalid("has a key \"__proto__\", which is refused for safety.");
        }
        let is_name = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            let _ = write!(self.path, "[{key:?}]");
        } else if self.path.is_empty() {
            self.path.push_str(key);
        } else {
            let _ = write!(self.path, ".{key}");
        }
        Ok(())
    }
}

/// The inside of an array or an object.
struct Inside<'a> {
    check: &'a mut Check,
    /// The length of its own path.
    path: usize,
    /// The number of arrays and objects around it.
    depth: usize,
    index: usize,
}

impl Inside<'_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        value.serialize(&mut *self.check)?;
        self.check.path.truncate(self.path);
        Ok(())
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        let _ = write!(self.check.path, "[{}]", self.index);
        self.index += 1;
        self.value(value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Checked {
        if key == NUMBER {
            let number = serde_json::to_value(value).unwrap_or_default();
            let number = number.as_str().and_then(|number| number.parse().ok());
            return self.check.serialize_f64(number.unwrap_or(f64::NAN));
        }
        if key == RAW {
            return Ok(());
        }
        self.check.key(key)?;
        self.value(value)
    }

    fn finish(self) -> Checked {
        self.check.depth = self.depth;
        Ok(())
    }
}

/// Values that are always valid.
macro_rules! kept {
    ($($name:ident($($value:ty)?);)*) => {
        $(fn $name(self $(, _: $value)?) -> Checked { Ok(()) })*
    };
}

impl<'a> Serializer for &'a mut Check {
    type Ok = ();
    type Error = InvalidValue;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    kept! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_char(char);
        serialize_str(&str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
    }

    fn serialize_i64(self, number: i64) -> Checked {
        self.number(number, Some(number.unsigned_abs()))
    }

    fn serialize_u64(self, number: u64) -> Checked {
        self.number(number, Some(number))
    }

    fn serialize_i128(self, number: i128) -> Checked {
        self.number(number, number.unsigned_abs().try_into().ok())
    }

    fn serialize_u128(self, number: u128) -> Checked {
        self.number(number, number.try_into().ok())
    }

    fn serialize_f32(self, number: f32) -> Checked {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Checked {
        if !number.is_finite() {
            return self.invalid(format_args!("is {number}, which is not JSON and cannot be kept."));
        }
        self.number(number, (number.abs() <= MAX_NUMBER as f64).then_some(0))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Checked {
        let mut inside = self.enter(true)?;
        inside.index = bytes.len();
        inside.finish()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Checked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Checked {
        let mut inside = self.enter(false)?;
        inside.field(variant, value)?;
        inside.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'a>, InvalidValue> {
        self.enter(true)
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside<'a>, InvalidValue> {
        self.enter(true)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, InvalidValue> {
        self.enter(true)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, InvalidValue> {
        self.variant(variant, true)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'a>, InvalidValue> {
        self.enter(false)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Inside<'a>, InvalidValue> {
        if name == NUMBER || name == RAW {
            let (path, depth) = (self.path.len(), self.depth);
            return Ok(Inside { check: self, path, depth, index: 0 });
        }
        self.enter(false)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, InvalidValue> {
        self.variant(variant, false)
    }
}

/// Arrays by their elements, objects by their fields.
macro_rules! inside {
    ($($kind:ident: $method:ident($($key:ident)?) by $by:ident;)*) => {
        $(impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = InvalidValue;

            fn $method<T: Serialize + ?Sized>(&mut self $(, $key: &'static str)?, value: &T) -> Checked {
                self.$by($($key,)? value)
            }

            fn end(self) -> Checked {
                self.finish()
            }
        })*
    };
}

inside! {
    SerializeSeq: serialize_element() by element;
    SerializeTuple: serialize_element() by element;
    SerializeTupleStruct: serialize_field() by element;
    SerializeTupleVariant: serialize_field() by element;
    SerializeStruct: serialize_field(key) by field;
    SerializeStructVariant: serialize_field(key) by field;
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = InvalidValue;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Checked {
        // serde_json writes the key this way, and finds invalid keys itself.
        let key = serde_json::to_value(key).unwrap_or_default();
        match key.as_str() {
            Some(key) => self.check.key(key),
            None => self.check.key(&key.to_string()),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        self.value(value)
    }

    fn end(self) -> Checked {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Action<T> {
        payload: T,
    }

    /// Returns why a payload is invalid; empty if it is valid.
    fn problem_of<T: Serialize>(payload: T) -> String {
        validate(&Action { payload }).err().map(|why| why.to_string()).unwrap_or_default()
    }

    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Box(f64, f64),
        Text { size: f64 },
    }

    #[test]
    fn numbers_that_are_not_json_are_found_where_they_are() {
        assert_eq!(problem_of(f64::NAN), "payload is NaN, which is not JSON and cannot be kept.");
        assert_eq!(problem_of(Some(f32::INFINITY)), "payload is inf, which is not JSON and cannot be kept.");
        assert!(problem_of(vec![vec![0.0], vec![1.0, f64::NAN]]).starts_with("payload[1][1] is NaN"));
        assert!(problem_of(Shape::Circle(f64::NAN)).starts_with("payload.Circle is NaN"));
        assert!(problem_of(Shape::Box(0.0, f64::NAN)).starts_with("payload.Box[1] is NaN"));
        assert!(problem_of([Shape::Text { size: f64::NAN }]).starts_with("payload[0].Text.size is NaN"));
        assert!(problem_of(BTreeMap::from([("a b", f64::NAN)])).starts_with("payload[\"a b\"] is NaN"));
        assert!(problem_of(BTreeMap::from([(7, f64::NAN)])).starts_with("payload[\"7\"] is NaN"));
        assert_eq!(problem_of((Shape::Point, Shape::Circle(1.0), [1.5], "x", (), Some(-0.0))), "");
    }

    #[test]
    fn integers_are_those_that_every_browser_holds() {
        const MOST: u64 = 9_007_199_254_740_991;
        assert_eq!(problem_of((MOST, -(MOST as i64), i128::from(MOST), u128::from(MOST), MOST as f64)), "");
        for why in [
            problem_of(MOST + 1),
            problem_of(i64::MIN),
            problem_of(i128::MAX),
            problem_of(u128::MAX),
            problem_of(1e300),
        ] {
            assert!(why.contains("beyond 2^53-1") && why.starts_with("payload is "), "{why}");
        }
    }

    #[test]
    fn a_number_that_is_held_as_text_is_a_number() {
        #[derive(Serialize)]
        #[serde(rename = "$serde_json::private::Number")]
        struct Number {
            #[serde(rename = "$serde_json::private::Number")]
            text: &'static str,
        }
        let [kept, large, infinite] =
            ["1.50", "9007199254740993", "1e999"].map(|text| problem_of([Number { text }]));
        assert_eq!(kept, "");
        assert!(large.starts_with("payload[0] is 9007199254740992, a number beyond"), "{large}");
        assert!(infinite.starts_with("payload[0] is inf, which is not JSON"), "{infinite}");
        // The struct is not a level of nesting.
        let deep = (0..100).fold(serde_json::json!(1), |inside, _| serde_json::json!([inside]));
        assert_eq!(problem_of(serde_json::json!({"b": deep[0]})), "");
    }

    #[test]
    fn values_are_valid_and_invalid_as_on_every_side() {
        let rows: Value = serde_json::from_str(include_str!("../../tests/wire/values.json")).unwrap();
        let read = |row: &Value| serde_json::from_str::<Value>(row["text"].as_str()?).ok();
        let accepted: Vec<Value> = rows["accepted"].as_array().unwrap().iter().filter_map(read).collect();
        assert!(accepted.len() > 30, "{}", accepted.len());
        for value in accepted {
            assert_eq!(problem_of(&value), "", "{value}");
            assert_eq!(problem_of([&value]), "", "{value}");
        }
        let mut seen = 0;
        for row in rows["refused"].as_array().unwrap() {
            // A Value holds no key twice.
            if let (Some(value), false) = (read(row), row["reason"] == "duplicate_key") {
                // The elements of an array that is the payload are items, each with limits of its own.
                if !value.is_array() {
                    assert_ne!(problem_of(&value), "", "{row}");
                }
                assert_ne!(problem_of([&value]), "", "{row}");
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen}");
    }
}
