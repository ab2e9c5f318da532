//! Numbers by their digits, without floating point.
//!
//! JavaScript, Python and Rust write the shortest digits that stand for a double, so two of their numbers are the same
//! double exactly if they are the same decimal number. (`serde_json` reads one in five of the numbers with 16 or 17
//! digits as a neighbouring double; to read and write doubles exactly takes 20 KB of the worker after brotli.) Two texts
//! with more digits than that may be one double: taken for different, they ask a person and lose nothing.

/// A decimal number: 0.`digits` times 10 to the power of `point`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; none for zero.
    digits: String,
    point: i64,
}

/// Below 10 to this power a double is zero; from 10 to the other one on it is infinite.
const SMALLEST: i64 = -324;
const LARGEST: i64 = 309;

impl Decimal {
    /// Reads a JSON number; anything else is `None`.
    pub fn read(json: &str) -> Option<Self> {
        let unsigned = json.strip_prefix('-').unwrap_or(json);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(integer) || !is_number(fraction) || (integer.len() > 1 && integer.starts_with('0')) {
            return None;
        }
        let exponent: i64 = exponent.parse().ok()?;
        let all = [integer, fraction].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        let leading_zeros = (all.len() - significant.len()) as i64;
        let point = exponent.saturating_add(integer.len() as i64 - leading_zeros);
        if digits.is_empty() || point <= SMALLEST {
            return Some(Decimal::default());
        }
        Some(Decimal { is_negative: json.len() > unsigned.len(), digits: digits.into(), point })
    }

    pub fn is_finite(&self) -> bool {
        self.point <= LARGEST
    }

    /// `String(number)` of JavaScript: with an exponent below 1e-6 and from 1e21 on.
    pub fn to_javascript(&self) -> String {
        let (digits, point) = (&*self.digits, self.point);
        let zeros = |count: i64| "0".repeat(count.unsigned_abs() as usize);
        let sign = if self.is_negative { "-" } else { "" };
        if digits.is_empty() {
            "0".into()
        } else if (-5..=0).contains(&point) {
            [sign, "0.", &zeros(point), digits].concat()
        } else if (1..=21).contains(&point) {
            match digits.split_at_checked(point as usize) {
                Some((integer, "")) => [sign, integer].concat(),
                Some((integer, fraction)) => [sign, integer, ".", fraction].concat(),
                None => [sign, digits, &zeros(point - digits.len() as i64)].concat(),
            }
        } else {
            let (first, others) = digits.split_at(1);
            let dot = if others.is_empty() { "" } else { "." };
            let exponent_sign = if point < 1 { "e-" } else { "e+" };
            let exponent = point.saturating_sub(1).unsigned_abs().to_string();
            [sign, first, dot, others, exponent_sign, &exponent].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Decimal {
        Decimal::read(json).unwrap()
    }

    #[test]
    fn one_number_has_many_texts() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1E+2"),
            ("-0", "0"),
            ("0", "1e-400"),
            ("-1500", "-0.15e4"),
            ("0.001", "1e-3"),
            ("9007199254740991.0", "9007199254740991"),
        ] {
            assert_eq!(read(one), read(other));
        }
        assert_ne!(read("14.517149853511885"), read("14.517149853511883"));
        assert_ne!(read("1"), read("-1"));
    }

    #[test]
    fn what_is_no_number() {
        for text in
            ["", "-", "1.", ".5", "01", "1e", "inf", "NaN", "1 ", "--1", "1e5.5", "true", "0x1", "1e٣"]
        {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_end() {
        assert!(read("1.7976931348623157e308").is_finite() && read("5e-324").is_finite());
        assert!(!read("1e309").is_finite() && !read("1e999999999").is_finite());
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        for (json, text) in [
            ("1.0", "1"),
            ("-0.0", "0"),
            ("-7.50", "-7.5"),
            ("1e3", "1000"),
            ("12.5e1", "125"),
            ("0.000001", "0.000001"),
            ("-0.00000123", "-0.00000123"),
            ("0.0000001", "1e-7"),
            ("-1.25e-7", "-1.25e-7"),
            ("123456789012345680000", "123456789012345680000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("5e-324", "5e-324"),
            ("9007199254740991", "9007199254740991"),
        ] {
            assert_eq!(read(json).to_javascript(), text);
        }
    }
}
