//! Members of messages that are JSON documents (`#[serde(with = "json_text")]`): they travel as their text, since the
//! form of messages does not describe itself, so that a `Value` could not be read from it.
//!
//! Also for what is stored or shown as JSON and leaves members out: in a message every member has its place.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use super::json::{self, FromJson};

/// Writes the text of a document.
///
/// # Errors
/// 503: it has no text. Never says what is in it.
pub fn serialize<Document: Serialize, Target: Serializer>(
    document: &Document,
    target: Target,
) -> Result<Target::Ok, Target::Error> {
    let text = serde_json::to_string(document).map_err(|_| Target::Error::custom("not JSON"))?;
    target.serialize_str(&text)
}

/// Reads a document from its text.
///
/// # Errors
/// 503: it is no such document. Never says what is in it.
pub fn deserialize<'de, Document: FromJson, Source: Deserializer<'de>>(
    source: Source,
) -> Result<Document, Source::Error> {
    let text = <&str>::deserialize(source)?;
    json::read(text.as_bytes()).map_err(|_| Source::Error::custom("not JSON"))
}
