//! Client libraries that others wrote get our tokens and use them: `curl`, four of npm, one of crates.io, three of
//! `PyPI`, each in the way that its documentation says (`tests/interop/clients.mjs`, `tests/interop/clients.py`).
//!
//! `npm run interop` makes the Python environment and runs the tests of the last three, which otherwise are ignored.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "test: a failure is a failed test"
)]

#[path = "../common/mod.rs"]
mod common;
mod curl;
#[path = "../keys/mod.rs"]
mod keys;
mod library;
mod oauth2_crate;
mod stage;

use common::Client;
use keys::Key;
use library::Library;
use serde_json::{Value, json};
use stage::{BASIC, CLIENT_ROUTE, POST, SCOPE_ROUTE, Stage};

/// Each scenario is a test of each library that can do it; after the semicolon those in Python.
macro_rules! scenarios {
    ($($name:ident: $scenario:ident [$($library:ident),*; $($in_python:ident),*];)*) => {
        $(
            mod $name {
                use super::{library, $scenario};

                $(
                    #[test]
                    fn $library() {
                        $scenario(library::$library());
                    }
                )*

                $(
                    #[test]
                    #[ignore = "npm run interop"]
                    fn $in_python() {
                        $scenario(library::$in_python());
                    }
                )*
            }
        )*
    };
}

scenarios! {
    a_secret_in_the_header_gets_a_token_that_works: in_the_header [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    a_secret_in_the_body_gets_a_token_that_works: in_the_body [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    odd_credentials_get_a_token_that_works: odd [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    a_wrong_secret_is_reported: wrong_secret [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    a_narrowed_scope_opens_its_route_alone: narrowed [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    an_expired_token_is_noticed_and_replaced: expired [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    the_metadata_is_found_by_the_issuer: discovered [
        by_oauth4webapi, by_openid_client, by_badgateway; by_authlib, by_requests_oauth2client
    ];
    a_revoked_token_is_dead: revoked [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
    a_private_key_signs_in: private_key [
        by_oauth4webapi, by_openid_client; by_authlib, by_requests_oauth2client
    ];
    a_resource_becomes_the_audience: resource [
        by_curl, by_oauth2_crate, by_oauth4webapi, by_openid_client, by_simple_oauth2, by_badgateway;
        by_authlib, by_requests_oauthlib, by_requests_oauth2client
    ];
}

/// RFC 6749 §2.3.1, §4.4.
fn in_the_header(library: Library) {
    let mut stage = Stage::start(library);
    stage.connect(BASIC);
    let token = stage.token(&json!({}));
    assert_eq!(stage.assert_opens(SCOPE_ROUTE), token);
    assert_eq!(stage.assert_opens(CLIENT_ROUTE), token);
}

/// RFC 6749 §2.3.1, the other way.
fn in_the_body(library: Library) {
    let mut stage = Stage::start(library);
    stage.connect(POST);
    let token = stage.token(&json!({}));
    assert_eq!(stage.assert_opens(SCOPE_ROUTE), token);
    assert_eq!(stage.assert_opens(CLIENT_ROUTE), token);
}

/// RFC 6749 §2.3.1, Appendix B: what is special in forms, in Basic credentials and in JSON, in the root client's
/// credentials, which alone can have it. Half of the libraries do not encode what they put in the header.
fn odd(library: Library) {
    let (id, secret) = ("root client/1?", r#"odd: a+b&c=d%20 "e" <f> \g/ #h?i {k}"#);
    let mut stage = Stage::start_as(library, (id, secret), &json!({ "scopes": ["scope:read"] }));
    for method in [POST, BASIC] {
        stage.connect_as(id, method, &json!({ "secret": secret }));
        stage.token(&json!({}));
        stage.assert_opens(SCOPE_ROUTE);
    }
}

/// RFC 6749 §5.2: `invalid_client`, with status 401, and the next attempt with the right secret succeeds.
fn wrong_secret(library: Library) {
    let mut stage = Stage::start(library);
    let Client { id, .. } = stage.client.clone();
    for method in [BASIC, POST] {
        for (id, secret) in [(id.as_str(), "wrong"), ("nobody", "wrong")] {
            stage.connect_as(id, method, &json!({ "secret": secret }));
            assert_refused(&stage.ask("token", &json!({})), "invalid_client", 401, library);
        }
        stage.connect(method);
        stage.token(&json!({}));
    }
}

/// RFC 6749 §3.3, RFC 6750 §3.1: one of two scopes; then one that the client does not hold.
fn narrowed(library: Library) {
    let mut stage = Stage::start(library);
    stage.connect(BASIC);
    stage.token(&json!({ "scope": "scope:read" }));
    stage.assert_opens(SCOPE_ROUTE);
    let refused = stage.call(CLIENT_ROUTE);
    assert_eq!(refused["status"], 403, "{refused}");
    match refused["challenge"].as_str() {
        Some(challenge) => {
            let told = [r#"error="insufficient_scope""#, r#"scope="client:read""#].map(|told| challenge.contains(told));
            assert_eq!(told, [true; 2], "{refused}");
        }
        None => assert_eq!([&refused["error"], &refused["scope"]], ["insufficient_scope", "client:read"], "{refused}"),
    }
    stage.token(&json!({ "scope": "client:read scope:read" }));
    stage.assert_opens(CLIENT_ROUTE);
    for scope in ["client:delete", "scope:read client:delete", "no:such:scope"] {
        assert_refused(&stage.ask("token", &json!({ "scope": scope })), "invalid_scope", 400, library);
    }
}

/// RFC 6749 §5.1 (`expires_in`), RFC 6750 §3.1 (`invalid_token`): twice.
fn expired(library: Library) {
    let mut stage = Stage::start(library);
    stage.connect(BASIC);
    let mut former = stage.token(&json!({ "scope": "scope:read" }));
    let mut expected = Vec::new();
    for good in 1..=2 {
        assert_eq!(stage.assert_opens(SCOPE_ROUTE), former);
        stage.let_expire();
        assert_eq!(stage.status(&former), 401);
        let next = stage.assert_opens(SCOPE_ROUTE);
        assert_ne!(next, former);
        former = next;
        // Without a clock of its own a library sends the dead token once more.
        expected.extend([200, 401].into_iter().chain((!library.has_clock).then_some(401)).chain([200]));
        assert_eq!(stage.statuses(good * 2), expected);
    }
}

/// RFC 8414: what a library found is what we offer.
fn discovered(library: Library) {
    let mut stage = Stage::start(library);
    let found = stage.connect(BASIC);
    let url = stage.postern.url();
    for (member, endpoint) in [("token", "token"), ("introspection", "introspect"), ("revocation", "revoke")] {
        assert_eq!(found[format!("{member}_endpoint")], format!("{url}/api/v1/oauth/{endpoint}"), "{found}");
    }
    assert!([json!(url), Value::Null].contains(&found["issuer"]), "{found}");
    stage.token(&json!({}));
}

/// RFC 7662, RFC 7009, with either kind of authentication.
fn revoked(library: Library) {
    let mut stage = Stage::start(library);
    for method in [BASIC, POST] {
        stage.connect(method);
        let token = stage.token(&json!({ "scope": "scope:read" }));
        stage.assert_opens(SCOPE_ROUTE);
        if library.introspects {
            let about = stage.ask("introspect", &json!({}));
            assert_eq!((&about["active"], &about["scope"]), (&json!(true), &json!("scope:read")), "{about}");
            let url = stage.postern.url();
            assert!([json!(url), json!([url])].contains(&about["aud"]), "{about}");
            assert_eq!([&about["client_id"], &about["sub"]], [stage.client.id.as_str(); 2], "{about}");
        }
        let told = stage.ask("revoke", &json!({}));
        assert!(told.get("error").is_none(), "{told}");
        assert_eq!(stage.status(&token), 401);
        assert_eq!(stage.introspect(&token), json!({ "active": false }));
        if library.introspects {
            assert_eq!(stage.ask("introspect", &json!({}))["active"], false);
        }
    }
}

/// RFC 7523 §2.2: assertions of both algorithms, at all three endpoints; what another key signed is refused.
fn private_key(library: Library) {
    for (own, other) in [(Key::p256(1), Key::p256(2)), (Key::ed25519(1), Key::ed25519(2))] {
        let named = |mut key: Value| {
            key["kid"] = json!("mine");
            key
        };
        let keys = json!({ "keys": [named(own.public())] });
        let mut stage = Stage::start_with(library, &json!({ "scopes": ["scope:read"], "jwks": keys }));
        let Client { id, .. } = stage.client.clone();
        let credentials = |key: &Key| json!({ "key": named(key.private()), "alg": key.algorithm() });
        stage.connect_as(&id, "private_key_jwt", &credentials(&own));
        let token = stage.token(&json!({}));
        stage.assert_opens(SCOPE_ROUTE);
        assert_eq!(stage.ask("introspect", &json!({}))["active"], true);
        let told = stage.ask("revoke", &json!({}));
        assert!(told.get("error").is_none(), "{told}");
        assert_eq!((stage.ask("introspect", &json!({}))["active"].clone(), stage.status(&token)), (json!(false), 401));
        stage.connect_as(&id, "private_key_jwt", &credentials(&other));
        assert_refused(&stage.ask("token", &json!({})), "invalid_client", 401, library);
    }
}

/// RFC 8707: a token for a resource server, which is none for us; then one that the client does not hold.
fn resource(library: Library) {
    let resource = "https://api.example/v1";
    let body = json!({ "scopes": ["scope:read"], "resources": [resource] });
    let mut stage = Stage::start_with(library, &body);
    stage.connect(BASIC);
    let token = stage.token(&json!({ "resource": resource }));
    assert_eq!(stage.introspect(&token)["aud"], resource);
    assert_eq!(stage.status(&token), 401);
    let refused = stage.ask("token", &json!({ "resource": "https://other.example/" }));
    assert_refused(&refused, "invalid_target", 400, library);
}

/// J21, RFC 7523 §3: the hour that Authlib gives an assertion by itself is too long; an operator must make it shorter.
#[test]
#[ignore = "npm run interop"]
fn an_assertion_of_authlib_that_lives_for_an_hour_is_refused() {
    let library = library::by_authlib();
    let key = Key::ed25519(1);
    let body = json!({ "scopes": ["scope:read"], "jwks": { "keys": [key.public()] } });
    let mut stage = Stage::start_with(library, &body);
    let Client { id, .. } = stage.client.clone();
    let credentials = json!({ "key": key.private(), "alg": "EdDSA", "life": null });
    stage.connect_as(&id, "private_key_jwt", &credentials);
    assert_refused(&stage.ask("token", &json!({})), "invalid_client", 401, library);
    stage.assert_logged("the client assertion lives too long");
}

/// Fails unless the library told a refusal of ours.
#[track_caller]
fn assert_refused(told: &Value, error: &str, status: u16, library: Library) {
    assert_eq!(told["error"], error, "{told}");
    let status = if library.tells_status { json!(status) } else { Value::Null };
    assert_eq!(told["status"], status, "{told}");
}
