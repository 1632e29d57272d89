//! The `state` parameter (RFC 6749 §4.1.1): random, single use, ten minutes, and it names its connection.
//!
//! `<16 random bytes>.<connection key>.<HMAC-SHA256>`, each in base64url. The MAC lets the callback find the one object
//! that may know the state without a look-up that anybody could make it do. Single use and expiry are the object's:
//! it stores the digest only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::key::ConnectionKey;
use crate::{
    config::ApplicationKey,
    protocol::{secret::SecretText, time::Seconds},
};

/// How long a state can be used (checklist K3).
pub const STATE_LIFETIME: Seconds = Seconds(600);

/// Longest state that is looked at: a key of 128 bytes makes 239 characters.
const STATE_LIMIT: usize = 512;

/// Purpose label of the key.
const PURPOSE: &str = "postern/state/hmac-sha256/v1";

/// The text is no state of this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateProblem {
    /// 400: empty, too long, or not of our form.
    #[error("malformed state")]
    Malformed,
    /// 404: of our form, not ours.
    #[error("unknown state")]
    Unknown,
}

/// Mints a state for a connection.
#[must_use]
pub fn mint(application_key: &ApplicationKey, connection: &ConnectionKey, random: &[u8; 16]) -> SecretText {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(random), URL_SAFE_NO_PAD.encode(connection.as_str()));
    let tag = mac(application_key, &head).map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    SecretText::new(format!("{head}.{}", tag.unwrap_or_default()))
}

/// The connection that a state names, once its MAC is good.
///
/// # Errors
/// See [`StateProblem`].
pub fn connection_of(application_key: &ApplicationKey, state: &str) -> Result<ConnectionKey, StateProblem> {
    if state.is_empty() || state.len() > STATE_LIMIT {
        return Err(StateProblem::Malformed);
    }
    let (head, tag) = state.rsplit_once('.').ok_or(StateProblem::Malformed)?;
    let (_, key) = head.split_once('.').ok_or(StateProblem::Malformed)?;
    let tag: [u8; 32] =
        URL_SAFE_NO_PAD.decode(tag).ok().and_then(|tag| tag.try_into().ok()).ok_or(StateProblem::Malformed)?;
    let key = URL_SAFE_NO_PAD.decode(key).map_err(|_| StateProblem::Malformed)?;
    let mac = mac(application_key, head).ok_or(StateProblem::Unknown)?;
    mac.verify_slice(&tag).map_err(|_| StateProblem::Unknown)?;
    let key = String::from_utf8(key).map_err(|_| StateProblem::Malformed)?;
    ConnectionKey::parse(&key).map_err(|_| StateProblem::Malformed)
}

/// The MAC over everything before it. HMAC takes keys of any length, so there is always one.
fn mac(application_key: &ApplicationKey, head: &str) -> Option<Hmac<Sha256>> {
    let key = application_key.derive(PURPOSE);
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.as_ref()).ok()?;
    mac.update(head.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    /// The usual application key.
    fn key() -> ApplicationKey {
        read_with(&[]).unwrap().application_key
    }

    /// A connection.
    fn shop() -> ConnectionKey {
        ConnectionKey::parse("shop").unwrap()
    }

    #[test]
    fn a_state_names_its_connection() {
        assert_eq!(connection_of(&key(), mint(&key(), &shop(), &[1; 16]).expose()), Ok(shop()));
    }

    /// K1: empty, malformed, 10 KB.
    #[test]
    fn a_malformed_state_is_refused() {
        for bad in ["", "x", "a.b", "a.b.c", "..", &"x".repeat(10_000)] {
            assert_eq!(connection_of(&key(), bad), Err(StateProblem::Malformed), "{bad}");
        }
    }

    /// K1: of the right form, but another connection's, or made with another key.
    #[test]
    fn a_forged_state_is_unknown() {
        let good = mint(&key(), &shop(), &[1; 16]);
        let forged = good.expose().replace(&URL_SAFE_NO_PAD.encode("shop"), &URL_SAFE_NO_PAD.encode("bank"));
        assert_eq!(connection_of(&key(), &forged), Err(StateProblem::Unknown));
        let other = read_with(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]).unwrap().application_key;
        assert_eq!(connection_of(&other, good.expose()), Err(StateProblem::Unknown));
    }
}
