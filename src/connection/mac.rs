//! HMAC-SHA256 (RFC 2104), in one place: what it is made of is large, and would be copied to each.

use base64::{Engine, engine::general_purpose::GeneralPurpose};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The MAC of a text. HMAC takes keys of any length, so there is always one.
#[inline(never)]
pub(super) fn keyed(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

/// The MAC of a text in base64, of some alphabet.
#[inline(never)]
pub(super) fn tag(key: &[u8], text: &str, alphabet: &GeneralPurpose) -> String {
    keyed(key, text).map(|mac| alphabet.encode(mac.finalize().into_bytes())).unwrap_or_default()
}
