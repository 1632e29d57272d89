//! The key of a connection: what Fides calls a `FidesKey`.

use serde::{Deserialize, Serialize};

/// Longest key, in bytes.
const KEY_LIMIT: usize = 128;

/// `connection_key`: letters, digits, `.`, `_`, `-`, `<`, `>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionKey(String);

impl ConnectionKey {
    /// Reads a key.
    ///
    /// # Errors
    /// 422 with the words of Fides; the value is shown where it is not too long.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > KEY_LIMIT {
            return Err(format!("FidesKeys must have at most {KEY_LIMIT} characters"));
        }
        // It stands in paths, where these two mean something else.
        if matches!(text, "." | "..") {
            return Err(not_a_key(text));
        }
        check_alphabet(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The key of a connection that was only given a name, as Fides makes it.
    ///
    /// # Errors
    /// As [`ConnectionKey::parse`].
    pub fn from_name(name: &str) -> Result<Self, String> {
        Self::parse(&name.to_ascii_lowercase().replace(' ', "_"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text has the alphabet of a `FidesKey`.
///
/// # Errors
/// 422 with the words of Fides, and the beginning of the value.
pub(super) fn check_alphabet(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'<' | b'>');
    if !text.is_empty() && text.bytes().all(allowed) { Ok(()) } else { Err(not_a_key(text)) }
}

/// The words of Fides for a text that is no key.
fn not_a_key(text: &str) -> String {
    let shown: String = text.chars().take(KEY_LIMIT).collect();
    format!("FidesKeys must only contain alphanumeric characters, '.', '_', '<', '>' or '-'. Value provided: {shown}")
}

impl std::fmt::Display for ConnectionKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_alphabet_of_fides() {
        assert!(ConnectionKey::parse("My-shop_1.<x>").is_ok());
        for bad in ["", "a b", "a/b", "é", "..", "a\u{0}", "a:b"] {
            assert!(ConnectionKey::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ConnectionKey::parse(&"k".repeat(129)).is_err());
    }

    #[test]
    fn a_name_makes_a_key() {
        assert_eq!(ConnectionKey::from_name("My Shop").unwrap().as_str(), "my_shop");
    }
}
