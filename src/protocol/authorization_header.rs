//! The `Authorization` header (RFC 9110 §11.6.2) in its two schemes: Basic (RFC 7617, with the encoding of RFC 6749
//! §2.3.1) and Bearer (RFC 6750 §2.1).
//!
//! Decides: grammar, once, for every route (checklist C7). Leaves to others: whether the credentials are good.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::secret::SecretText;

/// Longest header value that is looked at (checklist: 8 KiB).
pub const HEADER_LIMIT: usize = 8 * 1024;

/// The credentials of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Client id and secret, decoded.
    Basic {
        /// `client_id`.
        client_id: String,
        /// `client_secret`; may be empty.
        client_secret: SecretText,
        /// The same before it was decoded: many clients send it as it is.
        sent_secret: SecretText,
    },
    /// A bearer token of the `b64token` grammar.
    Bearer(SecretText),
    /// Some other scheme; its parameters are not looked at.
    Other,
}

/// The header is there but cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHeader {
    /// Several headers, or one that a proxy merged out of several.
    #[error("more than one Authorization header")]
    Repeated,
    /// Longer than [`HEADER_LIMIT`].
    #[error("Authorization header too long")]
    TooLong,
    /// `Basic` whose credentials are not `base64(id ":" secret)`.
    #[error("malformed Basic credentials")]
    Basic,
    /// `Bearer` without exactly one token.
    #[error("malformed Bearer credentials")]
    Bearer,
    /// A bearer token with characters that no token has: such a token exists nowhere.
    #[error("malformed bearer token")]
    BearerToken,
}

/// Reads the header of a request.
///
/// # Errors
/// 400 `invalid_request`, except [`MalformedHeader::BearerToken`]: 401 `invalid_token` (checklist B7).
pub fn credentials(headers: &http::HeaderMap) -> Result<Option<Credentials>, MalformedHeader> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(MalformedHeader::Repeated);
    }
    if value.len() > HEADER_LIMIT {
        return Err(MalformedHeader::TooLong);
    }
    let bytes = value.as_bytes();
    let (scheme, rest) = match bytes.iter().position(|byte| *byte == b' ') {
        Some(space) => bytes.split_at(space),
        None => (bytes, &[][..]),
    };
    let parameters = rest.strip_prefix(b" ").unwrap_or_default();
    if scheme.eq_ignore_ascii_case(b"basic") {
        basic(parameters).map(Some)
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        bearer(parameters).map(Some)
    } else {
        Ok(Some(Credentials::Other))
    }
}

/// `base64( form-encoded id ":" form-encoded secret )`, split at the first colon.
fn basic(parameters: &[u8]) -> Result<Credentials, MalformedHeader> {
    let pair = STANDARD.decode(parameters).map_err(|_| MalformedHeader::Basic)?;
    let pair = SecretText::new(String::from_utf8(pair).map_err(|_| MalformedHeader::Basic)?);
    let (client_id, client_secret) = pair.expose().split_once(':').ok_or(MalformedHeader::Basic)?;
    Ok(Credentials::Basic {
        client_id: form_decode(client_id).ok_or(MalformedHeader::Basic)?,
        client_secret: SecretText::new(form_decode(client_secret).ok_or(MalformedHeader::Basic)?),
        sent_secret: SecretText::new(client_secret.to_owned()),
    })
}

/// RFC 6749 Appendix B, strictly: every `%` starts an escape, the bytes are UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let escapes_are_whole = text.split('%').skip(1).all(|tail| {
        let mut bytes = tail.bytes();
        let mut next_is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        next_is_hex() && next_is_hex()
    });
    if !escapes_are_whole {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn bearer(parameters: &[u8]) -> Result<Credentials, MalformedHeader> {
    if parameters.is_empty() || parameters.iter().any(|byte| matches!(byte, b' ' | b'\t' | b',')) {
        return Err(MalformedHeader::Bearer);
    }
    let body_end = parameters.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let body = parameters.get(..body_end).unwrap_or_default();
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if body.is_empty() || !body.iter().all(in_alphabet) {
        return Err(MalformedHeader::BearerToken);
    }
    let token = std::str::from_utf8(parameters).map_err(|_| MalformedHeader::BearerToken)?;
    Ok(Credentials::Bearer(SecretText::new(token.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one header value.
    fn read(value: &[u8]) -> Result<Option<Credentials>, MalformedHeader> {
        let mut headers = http::HeaderMap::new();
        headers.append(http::header::AUTHORIZATION, http::HeaderValue::from_bytes(value).unwrap());
        credentials(&headers)
    }

    /// Basic credentials of an already form-encoded pair.
    fn basic_of(pair: &[u8]) -> Result<Option<Credentials>, MalformedHeader> {
        read(format!("Basic {}", STANDARD.encode(pair)).as_bytes())
    }

    /// What a good pair reads as.
    fn pair(client_id: &str, secret: &str) -> Credentials {
        encoded_pair(client_id, secret, secret)
    }

    /// What a good pair reads as whose secret was sent like this.
    fn encoded_pair(client_id: &str, secret: &str, sent: &str) -> Credentials {
        let (client_secret, sent_secret) = (SecretText::new(secret.to_owned()), SecretText::new(sent.to_owned()));
        Credentials::Basic { client_id: client_id.to_owned(), client_secret, sent_secret }
    }

    /// T17: id and secret are form-decoded; T20: only the first colon separates.
    #[test]
    fn basic_credentials_are_form_decoded_and_split_at_the_first_colon() {
        assert_eq!(basic_of(b"id:se:cr:et"), Ok(Some(pair("id", "se:cr:et"))));
        assert_eq!(basic_of(b"a%2Bb:p+q%C3%A9"), Ok(Some(encoded_pair("a+b", "p qé", "p+q%C3%A9"))));
        assert_eq!(basic_of(b"id:"), Ok(Some(pair("id", ""))));
    }

    /// T18: broken escapes and bytes that are no UTF-8.
    #[test]
    fn basic_with_broken_escapes_is_malformed() {
        for bad in [&b"id:%zz"[..], b"id:%", b"id:%4", b"%:x", b"id:%ff", b"id:\xff"] {
            assert_eq!(basic_of(bad), Err(MalformedHeader::Basic), "{bad:?}");
        }
    }

    /// T19: no base64, wrong padding, whitespace, no colon, two spaces, nothing.
    #[test]
    fn basic_that_is_not_base64_of_a_pair_is_malformed() {
        for bad in ["Basic !!!", "Basic aWQ6eA", "Basic aWQ6 eA==", "Basic aWQ=", "Basic  aWQ6eA==", "Basic ", "Basic"]
        {
            assert_eq!(read(bad.as_bytes()), Err(MalformedHeader::Basic), "{bad}");
        }
    }

    /// T21, B2: the scheme's case does not matter.
    #[test]
    fn schemes_are_case_insensitive() {
        for scheme in ["basic", "BASIC", "BaSiC"] {
            assert_eq!(read(format!("{scheme} aWQ6eA==").as_bytes()), Ok(Some(pair("id", "x"))));
        }
        for scheme in ["bearer", "BEARER"] {
            assert!(matches!(read(format!("{scheme} abc").as_bytes()), Ok(Some(Credentials::Bearer(_)))));
        }
    }

    /// T22: another scheme is never parsed as Basic.
    #[test]
    fn another_scheme_is_not_basic() {
        assert_eq!(read(b"Foo aWQ6eA=="), Ok(Some(Credentials::Other)));
        assert_eq!(read(b"Basicx aWQ6eA=="), Ok(Some(Credentials::Other)));
    }

    /// T23, B4: two headers, or two merged with a comma.
    #[test]
    fn two_authorization_headers_are_refused() {
        let mut headers = http::HeaderMap::new();
        headers.append(http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer a"));
        headers.append(http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer a"));
        assert_eq!(credentials(&headers), Err(MalformedHeader::Repeated));
        assert_eq!(read(b"Bearer a, Bearer b"), Err(MalformedHeader::Bearer));
        assert_eq!(read(b"Basic aWQ6eA==, Basic aWQ6eA=="), Err(MalformedHeader::Basic));
    }

    /// B3: nothing, two tokens, a comma list, trailing text.
    #[test]
    fn bearer_needs_exactly_one_token() {
        for bad in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer a b c", "Bearer  a"] {
            assert_eq!(read(bad.as_bytes()), Err(MalformedHeader::Bearer), "{bad}");
        }
    }

    /// B7: characters outside b64token; over the header limit.
    #[test]
    fn a_bearer_token_has_the_b64token_alphabet_and_a_limit() {
        for bad in ["Bearer a\"b", "Bearer a=b", "Bearer ===", "Bearer a;b", "Bearer \u{e9}"] {
            assert_eq!(read(bad.as_bytes()), Err(MalformedHeader::BearerToken), "{bad}");
        }
        assert!(read(b"Bearer a-._~+/9==").is_ok());
        assert_eq!(read(format!("Bearer {}", "a".repeat(20_000)).as_bytes()), Err(MalformedHeader::TooLong));
    }
}
