//! Whole numbers of JSON documents.

use serde_json::Value;

/// A whole number, however it is written: `60`, `60.0` and `6e1` are one number (RFC 8259 §6), which JSON Schema calls
/// an integer (2020-12, validation, §6.1.1), as Fides does. What is too large or too small is the largest or the
/// smallest.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "there is no fraction, and the cast stays within its bounds")]
pub fn whole(value: &Value) -> Option<i64> {
    let rounded = || value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    value.as_i64().or_else(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number as it stands in a document.
    fn read(text: &str) -> Option<i64> {
        whole(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for text in ["60", "60.0", "6e1", "600e-1", "6.0E+1"] {
            assert_eq!(read(text), Some(60), "{text}");
        }
        for text in ["0", "-0", "0.0", "-0.0"] {
            assert_eq!(read(text), Some(0), "{text}");
        }
        for text in ["60.5", "1e-1", r#""60""#, "true", "null", "[60]"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!((read("18446744073709551615"), read("-1e300")), (Some(i64::MAX), Some(i64::MIN)));
    }
}
