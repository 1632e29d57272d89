//! A library that others wrote, as it is: an OAuth client (`openid-client`) that knows nothing but the issuer and its
//! credentials.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;
mod keys;

use common::{Client, client_of, root};
use keys::Key;
use serde_json::{Value, json};
use workerd_tests::{Postern, Setup, counterpart};

/// Fails unless a library walked from discovery to a revoked token.
#[track_caller]
fn assert_walked(postern: &Postern, id: &str, walk: &Value) {
    assert_eq!(walk["error"], Value::Null, "{walk}");
    assert_eq!(walk["metadata"]["issuer"], json!(postern.url()));
    let token = &walk["token"];
    // The library writes the type in lower case.
    assert_eq!([&token["token_type"], &token["scope"]], [&json!("bearer"), &json!("scope:read")], "{token}");
    assert_eq!((&token["expires_in"], &token["refresh_token"]), (&json!(11_520 * 60), &Value::Null));
    let before = &walk["before"];
    assert_eq!([&before["active"], &before["client_id"], &before["sub"]], [&json!(true), &json!(id), &json!(id)]);
    assert_eq!([&before["scope"], &before["aud"]], [&json!("scope:read"), &json!(postern.url())]);
    assert_eq!(walk["after"], json!({ "active": false }));
}

/// Fails unless the library was refused and understood our challenge (RFC 6749 §5.2).
#[track_caller]
fn assert_challenged(walk: &Value) {
    let challenged = json!("OAUTH_WWW_AUTHENTICATE_CHALLENGE");
    assert_eq!((&walk["error"], &walk["status"]), (&challenged, &json!(401)), "{walk}");
}

/// RFC 8414, RFC 6749 §4.4 and §2.3.1, RFC 7662, RFC 7009: T17, T33: with both ways to send a secret.
#[test]
fn a_client_library_walks_with_a_secret() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret } = client_of(&postern, &root, &json!({ "scopes": ["scope:read", "policy:read"] }));
    for method in ["client_secret_basic", "client_secret_post"] {
        let input = json!({
            "issuer": postern.url(), "id": id, "scope": "scope:read", "method": method, "secret": secret,
        });
        assert_walked(&postern, &id, &counterpart(None, "walk", &input));
    }
    let input = json!({ "issuer": postern.url(), "id": id, "method": "client_secret_basic", "secret": "wrong" });
    assert_challenged(&counterpart(None, "walk", &input));
}

/// RFC 7523 §2.2, J21: with signed assertions of both algorithms; what the library signs by another key is refused.
#[test]
fn a_client_library_walks_with_a_private_key() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    for (own, other) in [(Key::p256(1), Key::p256(2)), (Key::ed25519(1), Key::ed25519(2))] {
        let body = json!({ "scopes": ["scope:read"], "jwks": { "keys": [own.public()] } });
        let Client { id, .. } = client_of(&postern, &root, &body);
        let walk = |key: &Key| {
            let (key, alg) = (key.private(), key.algorithm());
            let input = json!({
                "issuer": postern.url(), "id": id, "scope": "scope:read", "method": "private_key_jwt", "key": key, "alg": alg,
            });
            counterpart(None, "walk", &input)
        };
        assert_walked(&postern, &id, &walk(&own));
        assert_challenged(&walk(&other));
    }
}
