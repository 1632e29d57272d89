//! Access tokens: JWTs after RFC 9068, signed with Ed25519 (RFC 8037).
//!
//! Decides: what a token says, and whether a presented one is ours, for us, and not expired. Leaves to others: whether
//! its client still exists (the registry), which scope a route needs (the guard).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use jwt_compact::{AlgorithmExt, Claims, Header, UntrustedToken, alg::Ed25519};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    config::{PublicUrl, Settings},
    protocol::{
        scope::Scope,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
        token::{AccessTokenClaims, Unreadable, read},
    },
};

/// How far the clocks of two isolates may differ (checklist J10).
const CLOCK_SKEW: Seconds = Seconds(60);

/// The claims that `jwt-compact` does not know by itself.
#[derive(Debug, Clone, Serialize)]
struct OwnClaims {
    /// Issuer.
    iss: String,
    /// Subject.
    sub: String,
    /// Audience.
    aud: String,
    /// Client id.
    client_id: String,
    /// Scope.
    scope: String,
    /// Token id.
    jti: String,
    /// Client epoch.
    epoch: u64,
}

/// Claims that were read already, strictly, from the same text: the crate need not read them again.
#[derive(Debug, Clone, Deserialize)]
struct ReadAlready {}

/// Signs and verifies the tokens of this deployment.
pub struct TokenAuthority {
    /// The Ed25519 key pair.
    key: SigningKey,
    /// RFC 7638 thumbprint of the public key.
    key_id: String,
    /// `iss` and `aud`: this deployment guards its own routes.
    public_url: PublicUrl,
    /// How long a token lives.
    lifetime: Seconds,
}

/// What a token is issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The authenticated client.
    pub client_id: &'a str,
    /// What it is granted.
    pub scope: &'a Scope,
    /// The client's epoch.
    pub epoch: u64,
}

/// A token could not be signed; nothing a caller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("access token could not be signed")]
pub struct NotSigned;

impl TokenAuthority {
    /// The authority of these settings; its key is derived from the application key.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let key = SigningKey::from_bytes(&settings.application_key.derive("postern/access-token/ed25519/v1"));
        let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        // RFC 7638 §3.2 with the members of RFC 8037 §2, in lexicographic order.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#));
        Self {
            key,
            key_id: URL_SAFE_NO_PAD.encode(thumbprint),
            public_url: settings.public_url.clone(),
            lifetime: settings.access_token_lifetime,
        }
    }

    /// `expires_in` of the tokens issued here.
    #[must_use]
    pub const fn lifetime(&self) -> Seconds {
        self.lifetime
    }

    /// Issues a token.
    ///
    /// # Errors
    /// 500: the instant is outside the calendar, or the claims cannot be written.
    pub fn issue(&self, subject: &Subject<'_>, now: UnixSeconds, jti: [u8; 16]) -> Result<SecretText, NotSigned> {
        let mut claims = Claims::new(OwnClaims {
            iss: self.public_url.as_str().to_owned(),
            sub: subject.client_id.to_owned(),
            aud: self.public_url.as_str().to_owned(),
            client_id: subject.client_id.to_owned(),
            scope: subject.scope.to_string(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            epoch: subject.epoch,
        });
        claims.issued_at = Some(instant(now)?);
        claims.expiration = Some(instant(now.plus(self.lifetime))?);
        let header = Header::empty().with_key_id(self.key_id.as_str()).with_token_type("at+jwt");
        Ed25519.token(&header, &claims, &self.key).map(SecretText::new).map_err(|_| NotSigned)
    }

    /// Verifies a presented token.
    ///
    /// # Errors
    /// 401 `invalid_token`, one answer whatever is wrong: text, key, signature, issuer, audience, time.
    pub fn verify(&self, token: &SecretText, now: UnixSeconds) -> Result<AccessTokenClaims, Unreadable> {
        let (header, claims) = read(token.expose())?;
        if header.kid != self.key_id || claims.iss != self.public_url.as_str() || claims.aud != claims.iss {
            return Err(Unreadable);
        }
        // RFC 7519 §4.1.4: "on or after" `exp` is too late, without leeway. Two isolates may differ by some seconds on when
        // a token was issued.
        if now >= claims.exp || claims.iat > now.plus(CLOCK_SKEW) {
            return Err(Unreadable);
        }
        let untrusted = UntrustedToken::new(token.expose()).map_err(|_| Unreadable)?;
        let key: ed25519_dalek::VerifyingKey = self.key.verifying_key();
        Ed25519.validator::<ReadAlready>(&key).validate(&untrusted).map_err(|_| Unreadable)?;
        Ok(claims)
    }
}

impl std::fmt::Debug for TokenAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenAuthority").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// The instant in the form that the JWT crate takes.
fn instant(at: UnixSeconds) -> Result<DateTime<Utc>, NotSigned> {
    i64::try_from(at.0).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(NotSigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read_with;

    /// The instant at which the tests issue.
    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    /// An authority of the usual settings, some changed.
    fn authority(changes: &[(&str, &str)]) -> TokenAuthority {
        TokenAuthority::new(&read_with(changes).unwrap())
    }

    /// A token of this authority.
    fn token(authority: &TokenAuthority) -> SecretText {
        let scope = Scope::parse("policy:read").unwrap();
        authority.issue(&Subject { client_id: "c1", scope: &scope, epoch: 7 }, NOW, [9; 16]).unwrap()
    }

    #[test]
    fn an_issued_token_verifies_and_says_what_was_granted() {
        let own = authority(&[]);
        let claims = own.verify(&token(&own), NOW).unwrap();
        assert_eq!(
            (claims.client_id.as_str(), claims.sub.as_str(), claims.scope.as_str()),
            ("c1", "c1", "policy:read")
        );
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("https://postern.example", "https://postern.example"));
        assert_eq!((claims.iat, claims.exp, claims.epoch), (NOW, NOW.plus(Seconds(691_200)), 7));
    }

    /// J9: no leeway at our own resource server. J10: not before it was issued, give or take the skew of clocks.
    #[test]
    fn a_token_is_good_from_its_issue_until_just_before_exp() {
        let own = authority(&[("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "1")]);
        let token = token(&own);
        for (now, good) in [
            (NOW.0 - 61, false),
            (NOW.0 - 60, true),
            (NOW.0, true),
            (NOW.0 + 59, true),
            (NOW.0 + 60, false),
            (NOW.0 + 61, false),
        ] {
            assert_eq!(own.verify(&token, UnixSeconds(now)).is_ok(), good, "{now}");
        }
    }

    /// B9: a changed character anywhere, and another deployment's key.
    #[test]
    fn a_tampered_or_foreign_token_is_refused() {
        let own = authority(&[]);
        let text = token(&own).expose().to_owned();
        for position in [0, 30, text.find('.').unwrap() + 5, text.len() - 40] {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
            let changed = SecretText::new(String::from_utf8(bytes).unwrap());
            assert_eq!(own.verify(&changed, NOW), Err(Unreadable), "{position}");
        }
        let foreign = authority(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]);
        assert_eq!(own.verify(&token(&foreign), NOW), Err(Unreadable));
    }

    /// J11, B16: exact issuer and audience; same key, other public URL.
    #[test]
    fn a_token_of_another_issuer_is_refused() {
        let own = authority(&[]);
        for other in ["https://postern.example.org", "https://postern.example:8443", "https://other.example"] {
            assert_eq!(own.verify(&token(&authority(&[("PUBLIC_URL", other)])), NOW), Err(Unreadable), "{other}");
        }
    }

    /// J1: an unsigned token with our own header and claims.
    #[test]
    fn a_token_without_signature_is_refused() {
        let own = authority(&[]);
        let text = token(&own).expose().to_owned();
        let (head, _) = text.rsplit_once('.').unwrap();
        for signature in [String::new(), URL_SAFE_NO_PAD.encode([0; 64])] {
            assert_eq!(own.verify(&SecretText::new(format!("{head}.{signature}")), NOW), Err(Unreadable));
        }
    }

    /// J20: the payload holds nothing but the claims.
    #[test]
    fn the_payload_has_only_the_known_claims() {
        let own = authority(&[]);
        let text = token(&own).expose().to_owned();
        let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&payload).unwrap();
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        assert_eq!(names, ["aud", "client_id", "epoch", "exp", "iat", "iss", "jti", "scope", "sub"]);
    }
}
