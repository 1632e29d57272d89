//! A JWT as it is sent: three parts (RFC 7515 §7.1, RFC 7519 §3), of which nothing is trusted yet.
//!
//! Decides: which texts have such parts, with a signature of the length that all our algorithms have. Leaves to others:
//! which members header and claims must have.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::json::read_unique;

/// Bytes of a signature, of either algorithm (RFC 8032 §5.1.6, RFC 7518 §3.4): one of another length cannot verify.
pub const SIGNATURE_LENGTH: usize = 64;

/// The parts of a JWT.
pub struct Jwt {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The signature.
    pub signature: [u8; SIGNATURE_LENGTH],
}

impl Jwt {
    /// Reads a text, which the caller has bounded; none where it is no JWT.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?;
        Some(Self { header: object(header)?, claims: object(claims)?, signature })
    }
}

/// One base64url part as a JSON object: no padding, no trailing bits, no duplicate members.
fn object(part: &str) -> Option<Map<String, Value>> {
    read_unique(&URL_SAFE_NO_PAD.decode(part).ok()?)
}
