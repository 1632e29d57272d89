//! Libraries that others wrote, as they are: an OAuth client (`openid-client`) that knows nothing but the issuer and its
//! credentials, and a resource server's check of a token (`jose`).
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;
mod keys;

use common::{Client, client_of, root, token};
use keys::Key;
use serde_json::{Value, json};
use workerd_tests::{Postern, Setup, counterpart};

/// What a resource server of its own is called.
const RESOURCE: &str = "https://api.example/v1";

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

/// RFC 9068 §4, RFC 8707, J7, J11, B16: a resource server finds our key by itself and accepts a token that is meant for
/// it, and no other.
#[test]
fn a_jose_library_verifies_our_tokens_as_a_resource_server() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let body = json!({ "scopes": ["scope:read"], "resources": [RESOURCE] });
    let Client { id, secret } = client_of(&postern, &root, &body);
    let own = token(&postern, &id, &secret);
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let meant = postern.post(common::TOKEN).basic(&id, &secret).form(&form).send().expect_status(200).json();
    let meant = common::text(&meant, "access_token");
    let verify = |issuer: &str, audience: &str, token: &str| {
        let input = json!({ "issuer": issuer, "audience": audience, "token": token });
        counterpart(None, "verify", &input)
    };
    let issuer = postern.url();
    for (token, audience) in [(&own, issuer.as_str()), (&meant, RESOURCE)] {
        let verified = verify(&issuer, audience, token);
        let (header, payload) = (&verified["protectedHeader"], &verified["payload"]);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")), "{verified}");
        assert_eq!((&payload["client_id"], &payload["aud"]), (&json!(id), &json!(audience)), "{verified}");
        assert_eq!(payload["scope"], "scope:read");
    }
    let refused = |issuer: &str, audience: &str, token: &str| {
        let refused = verify(issuer, audience, token);
        assert_eq!(refused["payload"], Value::Null, "{refused}");
        (refused["error"].clone(), refused["claim"].clone())
    };
    let wrong_audience = (json!("ERR_JWT_CLAIM_VALIDATION_FAILED"), json!("aud"));
    assert_eq!(refused(&issuer, RESOURCE, &own), wrong_audience);
    assert_eq!(refused(&issuer, &issuer, &meant), wrong_audience);
    // A token of another deployment, whose application key is another one.
    let other = Postern::start(Setup::new().set("APP_ENCRYPTION_KEY", "another-key-of-the-tests-32bytes"));
    let foreign = common::root(&other);
    assert_eq!(refused(&issuer, &other.url(), &foreign).0, json!("ERR_JWKS_NO_MATCHING_KEY"));
    // And our own guard: a token for a resource server is none for us.
    drop(postern.get("/api/v1/oauth/scope").bearer(&meant).send().expect_status(401));
    drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
}
