//! Access tokens: JWTs after RFC 9068, signed with Ed25519 (RFC 8037).
//!
//! Decides: what a token says, and whether a presented one is ours, for us, and not expired. Leaves to others: which
//! keys there are (the ring), the signing and verifying itself (`ports::Signatures`), whether its client still exists
//! (the registry), which scope a route needs (the guard).

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jwt_compact::{Algorithm, AlgorithmExt, AlgorithmSignature, Claims, Header};
use serde::Serialize;
use serde_json::Value;

use super::signing_keys::KeyRing;
use crate::{
    config::{PublicUrl, Settings},
    protocol::{
        jwk::Jwk,
        scope::Scope,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
        token::{ALGORITHM, AccessTokenClaims, Unreadable, read},
    },
};

/// How far the clocks of two isolates may differ (checklist J10).
pub const CLOCK_SKEW: Seconds = Seconds(60);

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

/// Writes and judges the tokens of this deployment.
#[derive(Debug)]
pub struct TokenAuthority {
    /// The key pairs.
    keys: KeyRing,
    /// `iss`, and `aud` of the tokens for this deployment's own routes.
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
    /// The resource server that the token is for (RFC 8707); none: this deployment's own routes.
    pub audience: Option<&'a str>,
}

/// A token that is good, and for how long one may rely on that without looking again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: AccessTokenClaims,
    /// The earlier of its expiry and its key's retirement: from then on it is bad.
    pub trusted_until: UnixSeconds,
}

/// A token that lacks nothing but its signature.
pub struct Draft<'a> {
    /// The seed of the key that is to sign.
    pub seed: &'a [u8; 32],
    /// Header, claims, and the dot after which the signature comes.
    text: String,
}

impl Draft<'_> {
    /// What is to be signed (RFC 7515 §5.1).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.text.strip_suffix('.').unwrap_or_default().as_bytes()
    }

    /// The token with its signature.
    #[must_use]
    pub fn signed(self, signature: &[u8; 64]) -> SecretText {
        SecretText::new(self.text + &URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that is good if its signature is. All of it is here, so that it has no `Debug`.
pub struct Unproven<'a> {
    /// The key that must have signed it.
    pub key: &'a Jwk,
    /// What must be signed.
    pub signing_input: &'a [u8],
    /// The signature.
    pub signature: [u8; 64],
    /// What it is then.
    verified: Verified,
}

impl Unproven<'_> {
    /// What the token is, by what became of the signature.
    ///
    /// # Errors
    /// 401 `invalid_token` where that is not good.
    pub fn proven(self, is_good: bool) -> Result<Verified, Unreadable> {
        if is_good { Ok(self.verified) } else { Err(Unreadable) }
    }
}

/// A token could not be signed; nothing a caller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// 503: the schedule of keys has a gap.
    #[error("no key of SIGNING_KEYS signs now")]
    NoKey,
    /// 500: the instant is outside the calendar, or the claims cannot be written.
    #[error("access token could not be signed")]
    Failed,
}

impl TokenAuthority {
    /// The authority of these settings, with the public half of each of their keys.
    #[must_use]
    pub fn new(settings: &Settings, public: Vec<Jwk>) -> Self {
        Self {
            keys: KeyRing::new(&settings.signing_keys, public, settings.access_token_lifetime),
            public_url: settings.public_url.clone(),
            lifetime: settings.access_token_lifetime,
        }
    }

    /// Whether a key signs now; `/ready` asks.
    #[must_use]
    pub fn can_sign(&self, now: UnixSeconds) -> bool {
        self.keys.signing(now).is_some()
    }

    /// The keys that verify our tokens now or soon, as a document (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self, now: UnixSeconds) -> Value {
        self.keys.to_json(now)
    }

    /// `expires_in` of the tokens issued here.
    #[must_use]
    pub const fn lifetime(&self) -> Seconds {
        self.lifetime
    }

    /// Writes a token.
    ///
    /// # Errors
    /// 503 or 500, see [`NotSigned`].
    pub fn issue(&self, subject: &Subject<'_>, now: UnixSeconds, jti: [u8; 16]) -> Result<Draft<'_>, NotSigned> {
        let key = self.keys.signing(now).ok_or(NotSigned::NoKey)?;
        let mut claims = Claims::new(OwnClaims {
            iss: self.public_url.as_str().to_owned(),
            sub: subject.client_id.to_owned(),
            aud: subject.audience.unwrap_or(self.public_url.as_str()).to_owned(),
            client_id: subject.client_id.to_owned(),
            scope: subject.scope.to_string(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            epoch: subject.epoch,
        });
        claims.issued_at = Some(instant(now)?);
        claims.expiration = Some(instant(now.plus(self.lifetime))?);
        let header = Header::empty().with_key_id(key.key_id.as_str()).with_token_type("at+jwt");
        let text = Unsigned.token(&header, &claims, &()).map_err(|_| NotSigned::Failed)?;
        Ok(Draft { seed: &key.seed, text })
    }

    /// Judges a token that is presented at our own routes.
    ///
    /// # Errors
    /// 401 `invalid_token`, one answer whatever is wrong: text, key, issuer, audience, time.
    pub fn judge<'a>(&'a self, token: &'a SecretText, now: UnixSeconds) -> Result<Unproven<'a>, Unreadable> {
        let unproven = self.inspect(token, now)?;
        if unproven.verified.claims.aud == self.public_url.as_str() { Ok(unproven) } else { Err(Unreadable) }
    }

    /// Judges a token that somebody asks about (RFC 7662) or revokes (RFC 7009): any of ours, whomever it is for. It
    /// opens no route.
    ///
    /// # Errors
    /// The token is not active: as [`TokenAuthority::judge`], the audience apart.
    pub fn inspect<'a>(&'a self, token: &'a SecretText, now: UnixSeconds) -> Result<Unproven<'a>, Unreadable> {
        let (header, claims) = read(token.expose())?;
        let key = self.keys.published(&header.kid, now).ok_or(Unreadable)?;
        if claims.iss != self.public_url.as_str() {
            return Err(Unreadable);
        }
        // RFC 7519 §4.1.4: "on or after" `exp` is too late, without leeway. Two isolates may differ by some seconds on
        // when a token was issued.
        if now >= claims.exp || claims.iat > now.plus(CLOCK_SKEW) {
            return Err(Unreadable);
        }
        // `jwt-compact` only writes tokens: its own reader is laxer than ours, and a second reader may see another
        // document in the same text (RFC 8725 §2.6).
        let (signing_input, signature) = token.expose().rsplit_once('.').ok_or(Unreadable)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
        let trusted_until = key.retire_at.map_or(claims.exp, |at| at.min(claims.exp));
        Ok(Unproven {
            key: &key.public,
            signing_input: signing_input.as_bytes(),
            signature: signature.ok_or(Unreadable)?,
            verified: Verified { claims, trusted_until },
        })
    }
}

/// Has `jwt-compact`, which cannot wait, write all of a token but its signature.
struct Unsigned;

impl Algorithm for Unsigned {
    type SigningKey = ();
    type VerifyingKey = ();
    type Signature = NoSignature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(ALGORITHM)
    }

    fn sign(&self, _key: &(), _message: &[u8]) -> NoSignature {
        NoSignature
    }

    /// What has no signature is not verified.
    fn verify_signature(&self, _signature: &NoSignature, _key: &(), _message: &[u8]) -> bool {
        false
    }
}

/// The place of a signature that is still to come.
struct NoSignature;

impl AlgorithmSignature for NoSignature {
    fn try_from_slice(_bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self)
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

/// The instant in the form that the JWT crate takes.
fn instant(at: UnixSeconds) -> Result<DateTime<Utc>, NotSigned> {
    i64::try_from(at.0).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(NotSigned::Failed)
}

#[cfg(test)]
mod tests;
