//! A JSON object whose members have different names (RFC 7515 §4, RFC 7519 §4; RFC 8725 §2.6: parsers differ on
//! duplicates, so that two of them may read two documents in one text).
//!
//! Decides: what is such an object. Leaves to others: which members it must have.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The members of an object. Inside of them, the last of two members of the same name counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<Source: Deserializer<'de>>(source: Source) -> Result<Self, Source::Error> {
        source.deserialize_map(Collector).map(Self)
    }
}

/// Collects members.
struct Collector;

impl<'de> Visitor<'de> for Collector {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<Source: MapAccess<'de>>(self, mut source: Source) -> Result<Self::Value, Source::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = source.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(Error::custom("two members of the same name"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J12: duplicates, however they are spelled.
    #[test]
    fn two_members_of_the_same_name_are_refused() {
        let read = |text: &str| serde_json::from_slice::<Members>(text.as_bytes());
        let members = read(r#"{"a":1,"A":{"b":1,"b":2}}"#).unwrap();
        assert_eq!((members.0["a"].as_u64(), members.0["A"]["b"].as_u64()), (Some(1), Some(2)));
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#, "[]", "1", "null", r#"{"a":1}{}"#, r#"{"a":1"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
