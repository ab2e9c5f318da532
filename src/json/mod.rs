//! JSON values as Nightferry understands them. Values cross the core as text; they are parsed only to check, to merge
//! fields or to compare.

mod check;
mod decimal;
mod fields;
mod raw;
mod surrogates;
mod value;
mod write;

pub use check::{InvalidValue, check, check_item};
pub use fields::{Fields, elements, string};
pub use raw::{Raw, present, read, text, write};
pub use surrogates::well_formed;
pub use value::{equal, same};
pub use write::{Writer, hex_digit};

use std::rc::Rc;

/// The text of one JSON value.
pub type Json = Rc<str>;

/// Copies a text into one that is shared. It is never inlined, because it is used in a hundred places.
#[inline(never)]
pub fn shared(text: &str) -> Rc<str> {
    text.into()
}

/// A number in decimal.
pub fn number(value: u64) -> String {
    value.to_string()
}

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    write(text)
}

/// The deepest nesting of arrays and objects in a value.
pub const MAX_DEPTH: usize = 100;
/// The largest item, in bytes of JSON text.
pub const MAX_ITEM_BYTES: usize = 4 * 1024 * 1024;
