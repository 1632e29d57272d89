//! The client assertion (RFC 7521 §4.2, RFC 7523 §2.2): a JWT that a client signs to authenticate, as a document.
//!
//! Decides: which texts can be one at all, before any cryptography: three canonical base64url parts, known header
//! members only, claims of the right types. Leaves to others: whose keys verify it, and whether what it says is good.

use serde_json::{Map, Value};

use super::{
    jwk::Algorithm,
    jwt::{Jwt, SIGNATURE_LENGTH},
    secret::SecretText,
    time::UnixSeconds,
};

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest assertion that is decoded. With a signature of 64 bytes, honest ones have some hundred.
pub const ASSERTION_LIMIT: usize = 8 * 1024;

/// Instants below this survive a JavaScript number (2^53).
const INSTANT_LIMIT: u64 = 1 << 53;

/// The text is no client assertion. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a client assertion")]
pub struct Unreadable;

/// The JOSE header; anything else in it (`crit`, `jku`, `jwk`, `x5u`, `zip`, …) makes the assertion unreadable.
struct Header {
    /// From `alg`.
    algorithm: Algorithm,
    /// Names the key.
    kid: Option<String>,
}

impl Header {
    /// Reads the first part.
    fn read(mut members: Map<String, Value>) -> Result<Self, Unreadable> {
        let (alg, typ, kid) = (text(&mut members, "alg")?, text(&mut members, "typ")?, text(&mut members, "kid")?);
        let algorithm = alg.as_deref().and_then(Algorithm::named).ok_or(Unreadable)?;
        if !members.is_empty() || !typ.as_deref().is_none_or(is_assertion_type) {
            return Err(Unreadable);
        }
        Ok(Self { algorithm, kid })
    }
}

/// The claims (RFC 7523 §3). Others are ignored.
#[derive(Clone, PartialEq, Eq)]
pub struct AssertionClaims {
    /// Issuer: the client.
    pub iss: String,
    /// Subject: the client.
    pub sub: String,
    /// Audience: whom the client means to talk to; one or several. Their number is bounded by [`ASSERTION_LIMIT`].
    pub aud: Vec<String>,
    /// Expires at.
    pub exp: UnixSeconds,
    /// Unique id. RFC 7523 §3 leaves it open; without one nothing can be used only once.
    pub jti: String,
    /// Issued at.
    pub iat: Option<UnixSeconds>,
    /// Not before.
    pub nbf: Option<UnixSeconds>,
}

impl AssertionClaims {
    /// Reads the second part.
    fn read(mut members: Map<String, Value>) -> Result<Self, Unreadable> {
        Ok(Self {
            iss: text(&mut members, "iss")?.ok_or(Unreadable)?,
            sub: text(&mut members, "sub")?.ok_or(Unreadable)?,
            aud: audiences(members.remove("aud"))?,
            exp: instant(&members, "exp")?.ok_or(Unreadable)?,
            jti: text(&mut members, "jti")?.ok_or(Unreadable)?,
            iat: instant(&members, "iat")?,
            nbf: instant(&members, "nbf")?,
        })
    }
}

/// A client assertion that was read but not trusted. Until it expires it authenticates its client: no part of it is
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The whole text.
    text: SecretText,
    /// `alg`.
    algorithm: Algorithm,
    /// `kid`.
    key_id: Option<String>,
    /// What it says.
    claims: AssertionClaims,
    /// The third part.
    signature: [u8; SIGNATURE_LENGTH],
}

impl Assertion {
    /// Reads the `client_assertion` parameter (RFC 7521 §4.2).
    ///
    /// # Errors
    /// 401 `invalid_client`, whatever is wrong.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        if text.len() > ASSERTION_LIMIT {
            return Err(Unreadable);
        }
        let Jwt { header, claims, signature } = Jwt::read(text).ok_or(Unreadable)?;
        let Header { algorithm, kid: key_id } = Header::read(header)?;
        let claims = AssertionClaims::read(claims)?;
        Ok(Self { text: SecretText::new(text.to_owned()), algorithm, key_id, claims, signature })
    }

    /// `alg`.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &AssertionClaims {
        &self.claims
    }

    /// What was signed: header and claims as sent (RFC 7515 §5.2).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.text.expose().rsplit_once('.').map_or(&[], |(input, _)| input.as_bytes())
    }

    /// The signature: 64 bytes; of ES256 the two numbers one after the other (RFC 7518 §3.4), never DER.
    #[must_use]
    pub const fn signature(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.signature
    }
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Assertion").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// `JWT` (RFC 7519 §5.1) or `client-authentication+jwt` (draft-ietf-oauth-rfc7523bis), in any case, `application/` left
/// out or not (RFC 7515 §4.1.9). Above all no access token (RFC 8725 §3.11).
fn is_assertion_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "client-authentication+jwt")
}

/// Takes a text; one of another type (`null` too) is not the same as none.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Unreadable> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unreadable),
    }
}

/// `aud`: a text, or a list of texts (RFC 7519 §4.1.3).
fn audiences(value: Option<Value>) -> Result<Vec<String>, Unreadable> {
    let one = |value| if let Value::String(text) = value { Ok(text) } else { Err(Unreadable) };
    match value.ok_or(Unreadable)? {
        Value::Array(values) => values.into_iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    }
}

/// An instant as JWTs write it: a number of seconds, a fraction is allowed (RFC 7519 §2) and dropped.
fn instant(members: &Map<String, Value>, name: &str) -> Result<Option<UnixSeconds>, Unreadable> {
    /// The whole seconds of a fraction between 0 and 2^53.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the bounds are exact in both types, and truncation is what is wanted"
    )]
    fn whole(seconds: f64) -> Option<u64> {
        (0.0..INSTANT_LIMIT as f64).contains(&seconds).then_some(seconds as u64)
    }
    let Some(value) = members.get(name) else { return Ok(None) };
    let seconds = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    let seconds = seconds.filter(|seconds| *seconds < INSTANT_LIMIT).ok_or(Unreadable)?;
    Ok(Some(UnixSeconds(seconds)))
}

#[cfg(test)]
pub(crate) mod tests;
