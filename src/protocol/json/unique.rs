//! A JSON object whose members have different names (RFC 7515 §4, RFC 7519 §4; RFC 8725 §2.6: parsers differ on
//! duplicates, so that two of them may read two documents in one text).
//!
//! Decides: what is such an object. Leaves to others: which members it must have.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Deserializer, Map, Value};

/// Reads the members of an object; none where it is no such object. Inside of them, the last of two members of the same
/// name counts.
#[must_use]
pub fn read_unique(text: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Deserializer::from_slice(text);
    let members = reader.deserialize_any(Collector).ok()?;
    reader.end().ok()?;
    members
}

/// Collects members. It makes nothing of all else, instead of refusing it as visitors do: serde's refusals have words
/// for each value, floating point included, which are long and which nobody reads.
struct Collector;

impl<'de> Visitor<'de> for Collector {
    type Value = Option<Map<String, Value>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_bool<Problem: Error>(self, _: bool) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_i64<Problem: Error>(self, _: i64) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_u64<Problem: Error>(self, _: u64) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_f64<Problem: Error>(self, _: f64) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_str<Problem: Error>(self, _: &str) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_unit<Problem: Error>(self) -> Result<Self::Value, Problem> {
        Ok(None)
    }

    fn visit_seq<Source: SeqAccess<'de>>(self, _: Source) -> Result<Self::Value, Source::Error> {
        Ok(None)
    }

    fn visit_map<Source: MapAccess<'de>>(self, mut source: Source) -> Result<Self::Value, Source::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = source.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Ok(None);
            }
        }
        Ok(Some(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J12: duplicates, however they are spelled.
    #[test]
    fn two_members_of_the_same_name_are_refused() {
        let read = |text: &str| read_unique(text.as_bytes());
        let members = read(r#"{"a":1,"A":{"b":1,"b":2}}"#).unwrap();
        assert_eq!((members["a"].as_u64(), members["A"]["b"].as_u64()), (Some(1), Some(2)));
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            "[]",
            "1",
            "-1",
            "1.5",
            "true",
            "\"a\"",
            "null",
            r#"{"a":1}{}"#,
            r#"{"a":1"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
