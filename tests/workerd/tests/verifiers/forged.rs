//! Tokens that differ in one thing from a good one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::deployment::LIFE;
use crate::keys::{Key, resigned};
use crate::verifier::Refusal;

/// What a good token says, and who signs it.
pub(crate) struct Original<'a> {
    /// The key.
    pub(crate) key: &'a Key,
    /// Its name.
    pub(crate) key_id: &'a str,
    /// The claims.
    pub(crate) claims: Value,
}

/// Claims of a token of this deployment that is issued now.
pub(crate) fn claims(issuer: &str, now: i64) -> Value {
    json!({
        "iss": issuer, "aud": issuer, "sub": "someone", "client_id": "someone", "scope": "scope:read",
        "iat": now, "exp": now + LIFE, "jti": "made-by-the-test",
    })
}

impl Original<'_> {
    /// The token itself.
    pub(crate) fn token(&self) -> String {
        self.key.jwt(&self.header(), &self.claims)
    }

    /// Its header.
    fn header(&self) -> Value {
        json!({ "alg": self.key.algorithm(), "typ": "at+jwt", "kid": self.key_id })
    }

    /// The token with another value of a claim.
    fn with_claim(&self, name: &str, value: &str) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value.into();
        self.key.jwt(&self.header(), &claims)
    }

    /// The token with another value of a header parameter.
    fn with_header(&self, name: &str, value: &str) -> String {
        let mut header = self.header();
        header[name] = value.into();
        self.key.jwt(&header, &self.claims)
    }

    /// The token without signature (RFC 7515, Appendix A.5).
    fn unsigned(&self) -> String {
        let token = self.with_header("alg", "none");
        format!("{}.", without_signature(&token))
    }

    /// The token with a message authentication code whose secret is the public key, as everybody can fetch it.
    fn symmetric(&self) -> String {
        let x = self.key.public()["x"].as_str().map(|x| URL_SAFE_NO_PAD.decode(x));
        let secret = x.expect("x").expect("base64");
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.key_id.to_owned());
        encode(&header, &self.claims, &EncodingKey::from_secret(&secret)).expect("a token")
    }

    /// Other claims under the signature of the token.
    fn tampered(&self) -> String {
        let other = self.with_claim("scope", "scope:read client:create");
        let token = self.token();
        let signature = token.trim_start_matches(without_signature(&token));
        format!("{}{signature}", without_signature(&other))
    }

    /// Every forgery with what is wrong with it.
    pub(crate) fn forgeries(&self, stranger: &Key) -> Vec<(&'static str, String, Refusal)> {
        let token = self.token();
        let flipped = |signature: &[u8]| signature.iter().map(|byte| byte ^ 1).collect();
        let by_stranger = Original { key: stranger, key_id: self.key_id, claims: self.claims.clone() };
        let shortened = |signature: &[u8]| signature.iter().take(60).copied().collect();
        vec![
            ("another audience", self.with_claim("aud", "https://other.example"), Refusal::Audience),
            ("another issuer", self.with_claim("iss", "https://other.example"), Refusal::Issuer),
            ("other claims under the signature", self.tampered(), Refusal::Signature),
            ("another signature", resigned(&token, flipped), Refusal::Signature),
            ("signed by a stranger under our key's name", by_stranger.token(), Refusal::Signature),
            ("a shorter signature", resigned(&token, shortened), Refusal::Signature),
            ("alg none", self.unsigned(), Refusal::Unsigned),
            ("alg HS256 with the public key as secret", self.symmetric(), Refusal::Symmetric),
            ("an unknown key's name", self.with_header("kid", "unknown"), Refusal::UnknownKey),
            ("two parts of three", without_signature(&token).to_owned(), Refusal::Truncated),
            ("the type of an ID token", self.with_header("typ", "JWT"), Refusal::Type),
        ]
    }
}

/// The first two parts of a token.
fn without_signature(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(input, _)| input)
}
