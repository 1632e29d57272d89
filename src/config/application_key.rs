//! `APP_ENCRYPTION_KEY`, from which each purpose gets a key of its own, and `APP_ENCRYPTION_KEYS_PREVIOUS`: a JSON list
//! of others that may still open what was sealed, and verify what was signed, before a rotation.
//!
//! Decides: which texts are keys, what a key is called. Leaves to others: what is derived from them.

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::protocol::secret::hex;

/// Most previous keys: each costs every connection's object a derivation, and more than one is a rotation not finished.
const PREVIOUS_LIMIT: usize = 5;

/// What the list is, if the text is none. (Not separated by commas, which a key of 32 bytes of text may contain.)
const SHAPE: &str = "must be a JSON list of one to five keys";

/// 32 bytes from which each purpose gets a key of its own.
pub struct ApplicationKey {
    /// The key itself.
    bytes: Zeroizing<[u8; 32]>,
    /// Its name, which tells nothing about it.
    id: String,
}

impl std::fmt::Debug for ApplicationKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ApplicationKey(***)")
    }
}

impl ApplicationKey {
    /// The key of these bytes, named by the first half of a word derived from it.
    fn new(bytes: [u8; 32]) -> Self {
        let mut key = Self { bytes: Zeroizing::new(bytes), id: String::new() };
        key.id = hex(key.derive("postern/envelope/key-id/v1").get(..4).unwrap_or_default());
        key
    }

    /// HKDF-SHA256 (RFC 5869) with a label for the purpose: no key serves two (checklist E7).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // Expanding to 32 bytes cannot fail: the limit is 255 * 32 (RFC 5869 §2.3).
        let _ = Hkdf::<Sha256>::new(None, self.bytes.as_ref()).expand(purpose.as_bytes(), key.as_mut());
        key
    }

    /// What it is called in envelopes, in the log and by `/ready`: 8 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads the setting: 32 bytes of text (as Fides has it), 44 characters of base64, or 64 of hexadecimal.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let bytes: Option<[u8; 32]> = match text.len() {
            32 => text.as_bytes().try_into().ok(),
            _ => key_bytes(text),
        };
        let bytes = bytes.ok_or("must be 32 bytes of text, 44 characters of base64 or 64 hexadecimal digits")?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Err("must not be all zero");
        }
        Ok(Self::new(bytes))
    }

    /// Reads the list of previous keys. Two keys of one name are one key, or cannot be told apart.
    pub(super) fn read_previous(text: &str, current: Option<&Self>) -> Result<Vec<Self>, &'static str> {
        let list: Value = serde_json::from_slice(text.as_bytes()).map_err(|_| SHAPE)?;
        let list = list.as_array().filter(|list| (1..=PREVIOUS_LIMIT).contains(&list.len())).ok_or(SHAPE)?;
        let mut keys: Vec<Self> = Vec::new();
        for element in list {
            let key = element.as_str().ok_or(SHAPE).and_then(Self::read)?;
            if keys.iter().chain(current).any(|other| other.id == key.id) {
                return Err("must not have APP_ENCRYPTION_KEY, nor a key twice");
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

/// 32 bytes: 44 characters of base64, or 64 hexadecimal digits.
pub(super) fn key_bytes(text: &str) -> Option<[u8; 32]> {
    match text.len() {
        44 => STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()),
        64 => hex_bytes(text),
        _ => None,
    }
}

/// 64 hexadecimal digits as 32 bytes.
fn hex_bytes(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{
        Settings,
        tests::{GOOD, read_with, wrong},
    };

    /// A key that is not the usual one.
    const OTHER: &str = "another-key-of-32-bytes-of-text!";

    /// Reads settings with this list; the problem, if there is one.
    fn previous(list: &str) -> Result<Settings, &'static str> {
        read_with(&[("APP_ENCRYPTION_KEYS_PREVIOUS", list)]).map_err(|problems| {
            assert_eq!((problems.len(), problems[0].setting), (1, "APP_ENCRYPTION_KEYS_PREVIOUS"));
            problems[0].problem
        })
    }

    /// E6: too short, all zero, neither text, base64 nor hexadecimal.
    #[test]
    fn an_unfit_application_key_is_refused() {
        let zeros = "0".repeat(64);
        let not_hex = "g".repeat(64);
        let not_base64 = "!".repeat(44);
        for bad in ["0123456789abcdef", zeros.as_str(), not_hex.as_str(), not_base64.as_str(), "AAAA"] {
            assert_eq!(wrong(&[("APP_ENCRYPTION_KEY", bad)]), ["APP_ENCRYPTION_KEY"], "{bad}");
            let list = json!([OTHER, bad]).to_string();
            assert!(!previous(&list).unwrap_err().contains("list"), "{bad}");
        }
    }

    #[test]
    fn the_three_spellings_of_the_application_key_agree() {
        let text = "0123456789abcdef0123456789ABCDEF";
        let hex = hex(text.as_bytes());
        let keys = [text.to_owned(), STANDARD.encode(text), hex]
            .map(|key| read_with(&[("APP_ENCRYPTION_KEY", &key)]).unwrap().application_key.derive("x"));
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    /// E7: each purpose has its own key.
    #[test]
    fn keys_of_two_purposes_differ() {
        let key = read_with(&[]).unwrap().application_key;
        assert_ne!(key.derive("a"), key.derive("b"));
    }

    /// E5: in each spelling, under each prefix, in the order given.
    #[test]
    fn previous_keys_are_read_in_every_spelling() {
        let hex = "ab".repeat(32);
        let comma = "a,key,with,commas,of,32,bytes,..";
        let list = json!([OTHER, STANDARD.encode([7; 32]), hex, comma]).to_string();
        for prefix in ["", "FIDES__SECURITY__", "FIDESOPS__SECURITY__"] {
            let name = format!("{prefix}APP_ENCRYPTION_KEYS_PREVIOUS");
            let settings = read_with(&[(&name, &list)]).unwrap();
            let expected: Vec<String> = [OTHER.as_bytes(), &[7; 32], &[0xab; 32], comma.as_bytes()]
                .map(|bytes| ApplicationKey::new(bytes.try_into().unwrap()).id)
                .into();
            let ids: Vec<&str> = settings.application_keys().map(ApplicationKey::id).collect();
            assert_eq!(
                (ids[0], &ids[1..]),
                (settings.application_key.id(), &expected.iter().map(String::as_str).collect::<Vec<_>>()[..])
            );
        }
        assert!(previous("").unwrap().previous_keys.is_empty());
    }

    /// E5: not a list, too long, no key, the current key, a key twice in two spellings.
    #[test]
    fn an_unfit_list_of_previous_keys_is_refused() {
        let current = GOOD[2].1;
        let key = |number: u8| STANDARD.encode([number; 32]);
        let six: Vec<String> = (1..=6).map(key).collect();
        assert!(previous(&json!(six[..5]).to_string()).is_ok());
        for (list, part) in [
            (OTHER.to_owned(), "JSON list"),
            (format!("{OTHER},{OTHER}"), "JSON list"),
            (json!(OTHER).to_string(), "JSON list"),
            (json!([]).to_string(), "JSON list"),
            (json!([7]).to_string(), "JSON list"),
            (json!([[OTHER]]).to_string(), "JSON list"),
            (json!(six).to_string(), "JSON list"),
            (json!([current]).to_string(), "nor a key twice"),
            (json!([hex(current.as_bytes())]).to_string(), "nor a key twice"),
            (json!([OTHER, key(1), STANDARD.encode(OTHER)]).to_string(), "nor a key twice"),
        ] {
            let problem = previous(&list).unwrap_err();
            assert!(problem.contains(part), "{problem}: {list}");
        }
    }

    #[test]
    fn a_bad_current_key_hides_no_bad_list() {
        let changes = [("APP_ENCRYPTION_KEY", "short"), ("APP_ENCRYPTION_KEYS_PREVIOUS", "[]")];
        assert_eq!(wrong(&changes), ["APP_ENCRYPTION_KEY", "APP_ENCRYPTION_KEYS_PREVIOUS"]);
    }

    /// L6: settings print no key.
    #[test]
    fn debug_output_shows_no_previous_key() {
        let text = format!("{:?}", previous(&json!([OTHER]).to_string()).unwrap());
        assert!(text.contains("previous_keys: [ApplicationKey(***)]") && !text.contains("another"), "{text}");
    }
}
