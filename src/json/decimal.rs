//! The exact decimal value of a number. (To read doubles exactly, serde_json needs tables that are 8 KB of the worker after
//! brotli. The digits are enough for the comparisons here.)

/// The value `0.DIGITS × 10^point`, without zeros at either end of the digits; zero has no digits.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    point: i64,
}

/// 2^53 - 1/2: from here on a number is read as 2^53 or more.
const UNSAFE: (i64, &[u8]) = (16, b"90071992547409915");
/// Below `10^SMALLEST` a number is read as zero, from `10^LARGEST` on as infinite.
const SMALLEST: i64 = -324;
const LARGEST: i64 = 309;

impl Decimal {
    /// Reads a JSON number; anything else is `None`.
    pub fn read(token: &str) -> Option<Self> {
        let token = token.trim_ascii();
        let unsigned = token.strip_prefix('-').unwrap_or(token);
        if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // An exponent that does not fit into 64 bits is out of range in any case.
        let exponent: i64 =
            exponent.parse().unwrap_or(if exponent.starts_with('-') { -1 << 40 } else { 1 << 40 });
        let digits: Vec<u8> = integer.bytes().chain(fraction.bytes()).collect();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let point = integer.len() as i64 - zeros as i64 + exponent;
        let length = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        if length == 0 || point <= SMALLEST {
            return Some(Decimal::default());
        }
        Some(Decimal {
            is_negative: token.len() > unsigned.len(),
            digits: digits[zeros..length].into(),
            point,
        })
    }

    /// Returns true if browsers read the number as infinite.
    pub fn is_infinite(&self) -> bool {
        self.point > LARGEST
    }

    /// Returns true if browsers read the number as one beyond 2^53-1.
    pub fn is_unsafe(&self) -> bool {
        (self.point, &*self.digits) >= UNSAFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(token: &str) -> Decimal {
        Decimal::read(token).unwrap()
    }

    #[test]
    fn one_number_has_many_texts() {
        for (one, other) in [
            ("0", "-0.0e7"),
            ("0", "1e-400"),
            ("1", "10e-1"),
            ("100", "1E+2"),
            ("-1500", "-0.15e4"),
            ("0.001", "1e-3"),
            ("9007199254740991.0", "9007199254740991"),
        ] {
            assert_eq!(read(one), read(other));
        }
        assert_ne!(read("1"), read("-1"));
        assert_ne!(read("0.3"), read("0.30000000000000004"));
        for text in ["", "null", "-", "\"1\"", "[1]"] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_limits_are_exact() {
        for (token, is_unsafe) in [
            ("9007199254740991", false),
            ("-9007199254740991.4", false),
            ("9007199254740991.5", true),
            ("9007199254740992", true),
            ("0.9007199254740992e16", true),
            ("1e15", false),
            ("1e16", true),
            ("1e-99999999999999999999", false),
        ] {
            assert_eq!(read(token).is_unsafe(), is_unsafe, "{token}");
        }
        assert!(read("1e309").is_infinite() && read("1e99999999999999999999").is_infinite());
        assert!(!read("1e308").is_infinite());
    }
}
