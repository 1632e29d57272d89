//! Connect links: the way to begin an authorization in a browser that the authorization is then bound to
//! (RFC 9700 §4.7, checklist K4).
//!
//! A caller with the scope makes a link; whoever opens it sees which connection it is for, and starts with one click.
//! That click uses the link up, and leaves a cookie in the browser without which the way back from the provider is
//! refused.
//!
//! Decides: what is stored of a link, what the cookie is. Leaves to others: the pages (`api`), single use (`actor`).

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    key::ConnectionKey,
    state::{Purpose, mint},
};
use crate::{
    config::ApplicationKey,
    protocol::{
        json::{BadMember, FromJson, Members, required},
        secret::{SecretDigest, SecretText, hex},
        time::{Seconds, UnixSeconds},
    },
};

/// How long a link can be used: long enough to be sent to somebody who waits for it.
pub const LINK_LIFETIME: Seconds = Seconds(1800);

/// How long a link can be used that goes out with an event: nobody waits for that one.
pub const EVENT_LINK_LIFETIME: Seconds = Seconds(86_400);

/// The token of the link that goes out with an event: always the same, so that it need not be stored, and unknown to
/// whoever knows the event's id alone. What is random in other links is derived from the application key and the id
/// here.
#[must_use]
pub fn of_event(application_key: &ApplicationKey, connection: &ConnectionKey, event_id: &str) -> SecretText {
    let derived = application_key.derive(&format!("postern/event-link/v1\0{event_id}"));
    let mut random = [0; 16];
    random.iter_mut().zip(derived.iter()).for_each(|(random, byte)| *random = *byte);
    mint(application_key, Purpose::Link, connection, &random)
}

/// A link that was not used yet, as stored.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectLink {
    /// Digest of its token.
    pub token: SecretDigest,
    /// When it is too late.
    pub expires_at: UnixSeconds,
    /// Where the browser is sent in the end.
    pub return_to: Option<String>,
}

impl FromJson for ConnectLink {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            token: required(members.text("token")?.map(SecretDigest::stored), "token")?,
            expires_at: required(members.instant("expires_at")?, "expires_at")?,
            return_to: members.text("return_to")?,
        })
    }
}

impl ConnectLink {
    /// Whether a token is that of this link, and in time.
    #[must_use]
    pub fn is_opened_by(&self, token: &SecretText, now: UnixSeconds) -> bool {
        self.token.matches(&token.digest()) && now < self.expires_at
    }
}

/// The name of the cookie that binds an authorization of this connection to a browser: one for each connection, so that
/// several can be authorized at a time (checklist K5). The prefix keeps other hosts of our domain from setting it (RFC
/// 6265bis §4.1.3); browsers want https for it, so that it is left out on loopback.
#[must_use]
pub fn cookie_name(key: &ConnectionKey, is_https: bool) -> String {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let prefix = if is_https { "__Host-" } else { "" };
    format!("{prefix}postern-{}", hex(digest.get(..8).unwrap_or_default()))
}

/// The header field that sets the cookie, or with no value takes it away.
#[must_use]
pub fn set_cookie(key: &ConnectionKey, value: Option<&SecretText>, is_https: bool) -> String {
    let name = cookie_name(key, is_https);
    let secure = if is_https { "; Secure" } else { "" };
    // As long as the state lives.
    let (value, age) = value.map_or(("", 0), |value| (value.expose(), super::state::STATE_LIFETIME.0));
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K4: the attributes of the cookie. K5: another connection has another one.
    #[test]
    fn the_cookie_is_for_one_connection_and_this_host_only() {
        let (shop, bank) = (ConnectionKey::parse("shop").unwrap(), ConnectionKey::parse("<bank>").unwrap());
        let value = SecretText::new("random".to_owned());
        assert_eq!(
            set_cookie(&shop, Some(&value), true),
            "__Host-postern-8d9001d32c6a703d=random; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set_cookie(&shop, None, false),
            "postern-8d9001d32c6a703d=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        assert_ne!(cookie_name(&shop, true), cookie_name(&bank, true));
    }

    #[test]
    fn a_link_is_opened_by_its_token_in_time() {
        let token = SecretText::new("token".to_owned());
        let link = ConnectLink { token: token.digest(), expires_at: UnixSeconds(100), return_to: None };
        assert!(link.is_opened_by(&token, UnixSeconds(99)));
        assert!(!link.is_opened_by(&token, UnixSeconds(100)));
        assert!(!link.is_opened_by(&SecretText::new("other".to_owned()), UnixSeconds(99)));
    }
}
