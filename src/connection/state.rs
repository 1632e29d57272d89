//! The `state` parameter (RFC 6749 §4.1.1) and the token of a connect link: random, single use, short-lived, and they
//! name their connection.
//!
//! `<16 random bytes>.<connection key>.<HMAC-SHA256>`, each in base64url. The MAC lets us find the one object that may
//! know the text without a look-up that anybody could make us do. Single use and expiry are the object's: it stores the
//! digest only. A state may begin with the name of the deployment, for a forwarder of callbacks: `<instance>-<state>`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{
    key::ConnectionKey,
    mac::{keyed, tag},
};
use crate::{
    config::{ApplicationKey, Settings},
    protocol::{secret::SecretText, time::Seconds},
};

/// How long a state can be used (checklist K3).
pub const STATE_LIFETIME: Seconds = Seconds(600);

/// Longest state that is looked at: a key of 128 bytes makes 239 characters.
const STATE_LIMIT: usize = 512;

/// What a text is for: no state is the token of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The `state` parameter.
    State,
    /// The token of a connect link.
    Link,
}

impl Purpose {
    /// Label of the key.
    const fn label(self) -> &'static str {
        match self {
            Self::State => "postern/state/hmac-sha256/v1",
            Self::Link => "postern/connect-link/hmac-sha256/v1",
        }
    }
}

/// The text is none of this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateProblem {
    /// 400: empty, too long, or not of our form.
    #[error("malformed")]
    Malformed,
    /// 404: of our form, not ours.
    #[error("unknown")]
    Unknown,
}

/// Mints a text that names a connection.
#[must_use]
pub fn mint(
    application_key: &ApplicationKey,
    purpose: Purpose,
    connection: &ConnectionKey,
    random: &[u8; 16],
) -> SecretText {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(random), URL_SAFE_NO_PAD.encode(connection.as_str()));
    let tag = tag(application_key.derive(purpose.label()).as_ref(), &head, &URL_SAFE_NO_PAD);
    SecretText::new(format!("{head}.{tag}"))
}

/// The connection that a text names, once its MAC is good: by the application key, or by one that was it when the text
/// was minted.
///
/// # Errors
/// See [`StateProblem`].
pub fn connection_of(settings: &Settings, purpose: Purpose, text: &str) -> Result<ConnectionKey, StateProblem> {
    if text.is_empty() || text.len() > STATE_LIMIT {
        return Err(StateProblem::Malformed);
    }
    let (head, tag) = text.rsplit_once('.').ok_or(StateProblem::Malformed)?;
    let (_, key) = head.split_once('.').ok_or(StateProblem::Malformed)?;
    let tag: [u8; 32] =
        URL_SAFE_NO_PAD.decode(tag).ok().and_then(|tag| tag.try_into().ok()).ok_or(StateProblem::Malformed)?;
    let key = URL_SAFE_NO_PAD.decode(key).map_err(|_| StateProblem::Malformed)?;
    let is_good = |key| mac(key, purpose, head).is_some_and(|mac| mac.verify_slice(&tag).is_ok());
    if !settings.application_keys().any(is_good) {
        return Err(StateProblem::Unknown);
    }
    let key = String::from_utf8(key).map_err(|_| StateProblem::Malformed)?;
    ConnectionKey::parse(&key).map_err(|_| StateProblem::Malformed)
}

/// A state without the name of this deployment. The name of another one is left, and makes the state unknown.
#[must_use]
pub fn without_instance<'s>(state: &'s str, instance: Option<&str>) -> &'s str {
    let own = instance.and_then(|instance| state.strip_prefix(instance)?.strip_prefix('-'));
    own.unwrap_or(state)
}

/// The MAC over everything before it.
fn mac(application_key: &ApplicationKey, purpose: Purpose, head: &str) -> Option<Hmac<Sha256>> {
    keyed(application_key.derive(purpose.label()).as_ref(), head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{GOOD, read_with};

    /// The usual settings, some changed.
    fn with(changes: &[(&str, &str)]) -> Settings {
        read_with(changes).unwrap()
    }

    /// A state minted under these settings.
    fn minted(settings: &Settings) -> SecretText {
        mint(&settings.application_key, Purpose::State, &shop(), &[1; 16])
    }

    /// A key that is not the usual one.
    const OTHER: &str = "another-key-of-32-bytes-of-text!";

    /// A connection.
    fn shop() -> ConnectionKey {
        ConnectionKey::parse("shop").unwrap()
    }

    #[test]
    fn a_state_names_its_connection() {
        assert_eq!(connection_of(&with(&[]), Purpose::State, minted(&with(&[])).expose()), Ok(shop()));
    }

    #[test]
    fn a_state_is_no_link() {
        let state = minted(&with(&[]));
        assert_eq!(connection_of(&with(&[]), Purpose::Link, state.expose()), Err(StateProblem::Unknown));
    }

    #[test]
    fn only_the_own_instance_is_taken_off() {
        for (state, instance, without) in [
            ("eu-1-x.y.z", Some("eu-1"), "x.y.z"),
            ("eu-x.y.z", Some("eu-1"), "eu-x.y.z"),
            ("eu-1x.y.z", Some("eu-1"), "eu-1x.y.z"),
            ("x.y.z", Some("eu-1"), "x.y.z"),
            ("eu-1-x.y.z", None, "eu-1-x.y.z"),
        ] {
            assert_eq!(without_instance(state, instance), without);
        }
    }

    /// K1: empty, malformed, 10 KB.
    #[test]
    fn a_malformed_state_is_refused() {
        for bad in ["", "x", "a.b", "a.b.c", "..", &"x".repeat(10_000)] {
            assert_eq!(connection_of(&with(&[]), Purpose::State, bad), Err(StateProblem::Malformed), "{bad}");
        }
    }

    /// K1: of the right form, but another connection's, or made with another key.
    #[test]
    fn a_forged_state_is_unknown() {
        let good = minted(&with(&[]));
        let forged = good.expose().replace(&URL_SAFE_NO_PAD.encode("shop"), &URL_SAFE_NO_PAD.encode("bank"));
        assert_eq!(connection_of(&with(&[]), Purpose::State, &forged), Err(StateProblem::Unknown));
        let other = with(&[("APP_ENCRYPTION_KEY", OTHER)]);
        assert_eq!(connection_of(&other, Purpose::State, good.expose()), Err(StateProblem::Unknown));
    }

    /// E5: a person who is at the provider while the key is rotated comes back to a service that knows the state.
    #[test]
    fn a_state_survives_a_rotation_while_its_key_is_a_previous_one() {
        let old = minted(&with(&[]));
        let list = serde_json::json!([GOOD[2].1]).to_string();
        let rotated = with(&[("APP_ENCRYPTION_KEY", OTHER), ("APP_ENCRYPTION_KEYS_PREVIOUS", &list)]);
        assert_eq!(connection_of(&rotated, Purpose::State, old.expose()), Ok(shop()));
        // What is minted from now on is the new key's alone.
        let new = minted(&rotated);
        assert_eq!(connection_of(&with(&[]), Purpose::State, new.expose()), Err(StateProblem::Unknown));
        assert_eq!(connection_of(&with(&[("APP_ENCRYPTION_KEY", OTHER)]), Purpose::State, new.expose()), Ok(shop()));
    }
}
