//! The client assertion (RFC 7523 §3) as a decision: which registered keys may verify it, and whether what it says
//! authenticates its client here and now.
//!
//! Decides: key, issuer, audience, times, id. Leaves to others: the verifying of the signature (`ports::Signatures`),
//! and that an id is used only once (the registry, which alone sees every use).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::protocol::{
    assertion::{Assertion, Unreadable},
    jwk::{Jwk, JwkSet},
    text::is_printable,
    time::{Seconds, UnixSeconds},
};

/// How far the client's clock may differ from ours (checklist J9, J10).
const CLOCK_SKEW: Seconds = Seconds(60);

/// How long an assertion may live from now on (RFC 7523 §3: an unreasonably far `exp` may be rejected).
const LONGEST_LIFE: Seconds = Seconds(600);

/// Longest `jti`, in bytes.
const TOKEN_ID_LIMIT: usize = 256;

/// Why an assertion authenticates nobody: for the log. To the caller each is the same 401 `invalid_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not even the form.
    #[error("the client assertion cannot be read")]
    Unreadable,
    /// The client has no such key, or only ones of another algorithm.
    #[error("the client has no key for its assertion")]
    NoKey,
    /// No candidate verifies it.
    #[error("the signature of the client assertion is wrong")]
    Signature,
    /// Somebody else issued it.
    #[error("issuer and subject of the client assertion differ")]
    Issuer,
    /// It is meant for others.
    #[error("the client assertion is not for this service")]
    Audience,
    /// `exp` has passed.
    #[error("the client assertion has expired")]
    Expired,
    /// `exp` is too far ahead.
    #[error("the client assertion lives too long")]
    LivesTooLong,
    /// `iat` or `nbf` is ahead.
    #[error("the client assertion is not valid yet")]
    NotYet,
    /// `jti` is empty, too long, or has other characters.
    #[error("the id of the client assertion is unfit")]
    TokenId,
    /// `jti` was used before.
    #[error("the client assertion was used before")]
    Replayed,
}

impl From<Unreadable> for Refusal {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// What must be done once more before the client is authentic: mark its assertion as used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// Who is authentic then.
    pub client_id: String,
    /// Digest of client and `jti`, in base64url: of two uses with the same one, only the first counts. Not of the text:
    /// one ECDSA signature makes two valid texts (checklist J15).
    pub replay_key: String,
    /// Until then the mark has to stay: no assertion with this `jti` is good any more (checklist J23).
    pub marker_until: UnixSeconds,
}

/// The keys that may have signed: those of the header's algorithm, and of these the one that the header names, if it
/// names one. The algorithm is the key's: a header cannot choose another for it (RFC 8725 §3.1).
///
/// # Errors
/// [`Refusal::NoKey`].
pub fn candidates<'k>(assertion: &Assertion, keys: &'k JwkSet) -> Result<Vec<&'k Jwk>, Refusal> {
    let may = |key: &&Jwk| {
        key.algorithm() == assertion.algorithm() && assertion.key_id().is_none_or(|key_id| key.name() == key_id)
    };
    let candidates: Vec<&Jwk> = keys.keys().filter(may).collect();
    if candidates.is_empty() { Err(Refusal::NoKey) } else { Ok(candidates) }
}

/// Judges what an assertion says. `audiences` are the names of this service that a client may use: its issuer, and the
/// URL of its token endpoint (RFC 7523 §3, item 3).
///
/// # Errors
/// See [`Refusal`].
pub fn judge(assertion: &Assertion, audiences: &[&str], now: UnixSeconds) -> Result<SingleUse, Refusal> {
    let claims = assertion.claims();
    if claims.iss != claims.sub {
        return Err(Refusal::Issuer);
    }
    // RFC 3986 §6.2.1, as RFC 7523 §3 asks: character by character.
    if !claims.aud.iter().any(|named| audiences.contains(&named.as_str())) {
        return Err(Refusal::Audience);
    }
    let dead_from = claims.exp.plus(CLOCK_SKEW);
    if dead_from <= now {
        return Err(Refusal::Expired);
    }
    if claims.exp > now.plus(LONGEST_LIFE) {
        return Err(Refusal::LivesTooLong);
    }
    if [claims.iat, claims.nbf].into_iter().flatten().any(|from| from > now.plus(CLOCK_SKEW)) {
        return Err(Refusal::NotYet);
    }
    let jti = &claims.jti;
    if !(1..=TOKEN_ID_LIMIT).contains(&jti.len()) || !is_printable(jti) {
        return Err(Refusal::TokenId);
    }
    // The separator is no character of a `jti`: two pairs never give the same text.
    let replay_key = Sha256::digest(format!("{}\0{jti}", claims.sub));
    let replay_key = URL_SAFE_NO_PAD.encode(replay_key);
    Ok(SingleUse { client_id: claims.sub.clone(), replay_key, marker_until: dead_from })
}

#[cfg(test)]
mod tests;
