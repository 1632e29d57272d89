//! A resource server with the crate `jsonwebtoken`, as its users build one: it fetches the keys and keeps them.

use jsonwebtoken::errors::Error;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use workerd_tests::{Clock, Request};

use crate::common;

/// How long keys are kept, in seconds: what the answer says (`Cache-Control: max-age`).
const KEPT: i64 = 300;

/// A resource server and the keys that it has fetched.
pub(crate) struct ResourceServer {
    /// By which it counts how long it has the keys. The library itself asks the machine's clock.
    clock: Clock,
    /// Where the keys are.
    jwks_uri: String,
    /// What a token must say.
    expected: Validation,
    /// The keys.
    keys: JwkSet,
    /// When they were fetched.
    fetched_at: i64,
}

impl ResourceServer {
    /// One of this name that trusts an issuer (RFC 8414 §3).
    pub(crate) fn new(clock: &Clock, issuer: &str, audience: &str) -> Self {
        let metadata = fetch(&format!("{issuer}/.well-known/oauth-authorization-server"));
        let mut expected = Validation::new(Algorithm::EdDSA);
        expected.set_issuer(&[issuer]);
        expected.set_audience(&[audience]);
        expected.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let jwks_uri = common::text(&metadata, "jwks_uri");
        Self { clock: clock.clone(), jwks_uri, expected, keys: JwkSet { keys: Vec::new() }, fetched_at: 0 }
    }

    /// Its header and claims, or why it is refused.
    pub(crate) fn verify(&mut self, token: &str) -> Result<Value, String> {
        let words = |error: Error| error.to_string();
        let header = decode_header(token).map_err(words)?;
        let key = self.key(&header.kid.unwrap_or_default()).ok_or("no key of that name")?;
        let token = decode::<Value>(token, &key, &self.expected).map_err(words)?;
        Ok(json!({ "header": token.header, "claims": token.claims }))
    }

    /// The key of a name; those that are kept are fetched again when they are old, or do not have it.
    fn key(&mut self, key_id: &str) -> Option<DecodingKey> {
        let is_kept = self.clock.now() < self.fetched_at + KEPT && self.keys.find(key_id).is_some();
        if !is_kept {
            self.keys = serde_json::from_value(fetch(&self.jwks_uri)).expect("a key set of the library");
            self.fetched_at = self.clock.now();
        }
        self.keys.find(key_id).map(|key| DecodingKey::from_jwk(key).expect("a key of the library"))
    }
}

/// A JSON document.
fn fetch(url: &str) -> Value {
    Request::new("GET", url).send().expect_status(200).json()
}
