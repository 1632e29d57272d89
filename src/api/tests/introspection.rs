//! Introspection (RFC 7662), revocation (RFC 7009), metadata (RFC 8414), keys (RFC 7517), resources (RFC 8707).

use serde_json::{Value, json};

use super::{
    Answered, Host, bare, form,
    token_request::{TOKEN, assert_error},
    with_header,
};
use crate::{api::Body, authorization_server::scope_registry::EVERY_SCOPE, protocol::time::Seconds};

/// Asks an endpoint about a token, as a client.
fn ask(host: &Host, endpoint: &str, (id, secret): (&str, &str), token: &str) -> Answered {
    let body = format!("client_id={id}&client_secret={secret}&token={token}&token_type_hint=refresh_token");
    host.send(&form(&format!("/api/v1/oauth/{endpoint}"), &body))
}

/// What the introspection endpoint says to a client.
fn introspected(host: &Host, (id, secret): &(String, String), token: &str) -> Value {
    let answer = ask(host, "introspect", (id, secret), token);
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    answer.json()
}

/// What is said of a token that is worth nothing.
fn inactive() -> Value {
    json!({ "active": false })
}

/// RFC 7662 §2.2: every member, with the value that the token has; the scope is what it can do now.
#[test]
fn an_active_token_is_described() {
    let host = Host::new();
    let client = host.client(&["policy:read", "rule:read"]);
    let token = host.token(&client.0, &client.1);
    let mut said = introspected(&host, &client, &token);
    assert!(!said["jti"].take().as_str().unwrap().is_empty());
    let expected = json!({
        "active": true, "scope": "policy:read rule:read", "client_id": client.0, "sub": client.0,
        "token_type": "Bearer", "iss": "https://postern.example", "aud": "https://postern.example",
        "iat": 1_700_000_000, "exp": 1_700_691_200, "jti": null,
    });
    assert_eq!(said, expected);
    host.as_root("PUT", &format!("/oauth/client/{}/scope", client.0), &json!(["rule:read"]));
    assert_eq!(introspected(&host, &client, &token)["scope"], "rule:read");
}

/// C15, C17: expired, tampered, foreign, revoked, of a deleted client, no token at all: one answer that says nothing.
#[test]
fn a_token_that_is_worth_nothing_is_not_described() {
    let host = Host::with(&[("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "1")]);
    let (asking, other) = (host.client(&["token:introspect"]), host.client(&["policy:read"]));
    let fresh = || host.token(&other.0, &other.1);
    let token = fresh();
    assert_eq!(introspected(&host, &asking, &token)["active"], true);
    let foreign = Host::with(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]).root_token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let tampered = format!("{input}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let unsigned = format!("{input}.");
    for bad in ["x", "a.b.c", &foreign, &tampered, &unsigned, &"x".repeat(9000)] {
        assert_eq!(introspected(&host, &asking, bad), inactive(), "{bad}");
    }
    assert_eq!(ask(&host, "revoke", (&other.0, &other.1), &token).status, 200);
    assert_eq!(introspected(&host, &asking, &token), inactive());
    let last = fresh();
    host.memory.advance(Seconds(60));
    assert_eq!(introspected(&host, &asking, &last), inactive());
    let doomed = fresh();
    host.as_root("DELETE", &format!("/oauth/client/{}", other.0), &Value::Null);
    assert_eq!(introspected(&host, &asking, &doomed), inactive());
}

/// C15: about the tokens of others only who holds `token:introspect` learns anything, and the root client.
#[test]
fn tokens_of_others_are_described_to_introspectors_only() {
    let host = Host::new();
    let (own, nosy, inspector) = (host.client(&[]), host.client(&["client:read"]), host.client(&["token:introspect"]));
    let token = host.token(&own.0, &own.1);
    let root = ("root-id".to_owned(), "root-secret".to_owned());
    for (client, active) in [(&own, true), (&nosy, false), (&inspector, true), (&root, true)] {
        assert_eq!(introspected(&host, client, &token)["active"], active, "{client:?}");
    }
    assert_eq!(introspected(&host, &nosy, &host.root_token()), inactive());
    assert_eq!(introspected(&host, &inspector, &host.root_token())["client_id"], "root-id");
}

/// C16, RFC 7662 §2.1, RFC 7009 §2.1: no client, no answer; a bearer token is no client authentication here; no token
/// in the URL, no body that is no form, no missing token.
#[test]
fn both_endpoints_want_an_authenticated_client() {
    let host = Host::new();
    let (id, secret) = host.client(&[]);
    let token = host.token(&id, &secret);
    for endpoint in ["introspect", "revoke"] {
        let path = format!("/api/v1/oauth/{endpoint}");
        let bearer = with_header(form(&path, "token=x"), "authorization", format!("Bearer {token}").as_bytes());
        for refused in [form(&path, "token=x"), bearer, form(&path, "token=x&client_id=x&client_secret=y")] {
            let answer = host.send(&refused);
            assert_error(&answer, 401, "invalid_client");
            assert!(answer.header("www-authenticate").starts_with("Basic "));
        }
        let credentials = format!("client_id={id}&client_secret={secret}");
        let json = with_header(bare("POST", &path), "content-type", b"application/json");
        let in_url = form(&format!("{path}?token={token}"), &format!("{credentials}&token=x"));
        let twice = form(&path, &format!("{credentials}&token=x&token=x"));
        for bad in [form(&path, &credentials), json, in_url, twice] {
            assert_error(&host.send(&bad), 400, "invalid_request");
        }
        assert_error(&host.send(&form(&path, "").map(|_| Body::TooLarge)), 413, "invalid_request");
        let get = host.send(&bare("GET", &path));
        assert_error(&get, 405, "invalid_request");
        assert_eq!(get.header("allow"), "POST");
    }
}

/// C15, RFC 7009 §2.1, §2.2: its own token a client ends at once, and no other of its tokens; another client's is left
/// alone, which is said; what is no token is as good as revoked.
#[test]
fn a_client_ends_its_own_token() {
    let host = Host::new();
    let (own, other) = (host.client(&["scope:read"]), host.client(&["scope:read"]));
    let token = host.token(&own.0, &own.1);
    host.memory.advance(Seconds(1));
    let sibling = host.token(&own.0, &own.1);
    let works = |token: &str| host.call(token, "GET", "/oauth/scope", &Value::Null).status;
    assert_eq!(works(&token), 200);
    assert_error(&ask(&host, "revoke", (&other.0, &other.1), &token), 400, "unauthorized_client");
    assert_error(&ask(&host, "revoke", ("root-id", "root-secret"), &token), 400, "unauthorized_client");
    assert_eq!(works(&token), 200);
    for _ in 0..2 {
        let answer = ask(&host, "revoke", (&own.0, &own.1), &token);
        // Clients ignore it, but some read JSON only.
        assert_eq!((answer.status, answer.header("content-type"), answer.json()), (200, "application/json", json!({})));
        assert_eq!((works(&token), works(&sibling)), (401, 200));
    }
    assert_eq!(ask(&host, "revoke", (&own.0, &own.1), "x").status, 200);
    host.memory.restart();
    assert_eq!((works(&token), works(&sibling)), (401, 200));
}

/// The root client ends a token of its own too.
#[test]
fn the_root_client_ends_its_own_token() {
    let host = Host::new();
    let (token, sibling) = (host.root_token(), host.root_token());
    assert_eq!(ask(&host, "revoke", ("root-id", "root-secret"), &token).status, 200);
    let works = |token: &str| host.call(token, "GET", "/oauth/scope", &Value::Null).status;
    assert_eq!((works(&token), works(&sibling)), (401, 200));
}

/// RFC 7009 §2.2.1, J19: what could not be stored is not revoked, and not said to be.
#[test]
fn a_revocation_that_storage_refused_is_no_success() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read"]);
    let token = host.token(&id, &secret);
    host.memory.clients.break_storage();
    assert_error(&ask(&host, "revoke", (&id, &secret), &token), 503, "temporarily_unavailable");
    assert_error(&ask(&host, "introspect", (&id, &secret), &token), 503, "temporarily_unavailable");
    host.memory.clients.mend_storage();
    assert_eq!(host.call(&token, "GET", "/oauth/scope", &Value::Null).status, 200);
}

/// R8: a revoked token is forgotten when it would have expired.
#[test]
fn a_revocation_is_forgotten_with_its_token() {
    let host = Host::with(&[("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "1")]);
    let (id, secret) = host.client(&[]);
    assert_eq!(ask(&host, "revoke", (&id, &secret), &host.token(&id, &secret)).status, 200);
    host.tick();
    assert_eq!(host.memory.clients.rows().2, 1);
    // And as much longer as clocks may differ: another isolate may take the token for good so long.
    host.memory.advance(Seconds(119));
    host.tick();
    assert_eq!(host.memory.clients.rows().2, 1);
    host.memory.advance(Seconds(1));
    host.tick();
    assert_eq!(host.memory.clients.rows().2, 0);
}

/// T32, B16, RFC 8707: a token for a resource of the client's list says so, is refused here, and is known to
/// introspection.
#[test]
fn a_token_for_a_resource_is_not_for_us() {
    let host = Host::new();
    let body = json!({"scopes": ["scope:read"], "resources": ["https://api.example/v1"]});
    let created = host.as_root("POST", "/oauth/client", &body).json();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let client = (text("client_id"), text("client_secret"));
    let ask = |resource: &str| {
        let credentials = format!("grant_type=client_credentials&client_id={}&client_secret={}", client.0, client.1);
        host.send(&form(TOKEN, &format!("{credentials}&{resource}")))
    };
    let granted = ask("resource=https://api.example/v1");
    let token = granted.json()["access_token"].as_str().unwrap().to_owned();
    let refused = host.call(&token, "GET", "/oauth/scope", &Value::Null);
    assert!(refused.header("www-authenticate").contains("invalid_token"), "{refused:?}");
    assert_eq!(introspected(&host, &client, &token)["aud"], "https://api.example/v1");
    for bad in ["resource=https://api.example/v2", "resource=https://api.example/v1%23x", "resource=x", "audience=y"] {
        assert_error(&ask(bad), 400, "invalid_target");
    }
    assert_eq!(ask("resource=https://postern.example").status, 200);
    let root = "grant_type=client_credentials&client_id=root-id&client_secret=root-secret";
    let before = host.memory.clients.rows();
    let refused = host.send(&form(TOKEN, &format!("{root}&resource=https://api.example/v1")));
    assert_error(&refused, 400, "invalid_target");
    assert_eq!(host.memory.clients.rows(), before);
}

/// C5: a delegate neither gives a resource that it lacks nor takes over a client that has one.
#[test]
fn resources_are_given_by_those_who_have_them() {
    let host = Host::new();
    let token = host.caller(&["client:create", "client:update"]);
    let body = json!({"resources": ["urn:x:y"]});
    let detail = "Cannot assign or manage resources that you do not have. Missing resources: ['urn:x:y']";
    assert_eq!(host.call(&token, "POST", "/oauth/client", &body).detail(), (403, detail.into()));
    let bearing = host.as_root("POST", "/oauth/client", &body).json();
    let path = format!("/oauth/client/{}/secret", bearing["client_id"].as_str().unwrap());
    assert_eq!(host.call(&token, "POST", &path, &Value::Null).detail(), (403, detail.into()));
}

/// RFC 8414: public, cacheable, and each address of the document answers as what it is said to be.
#[test]
fn the_metadata_is_true() {
    let host = Host::new();
    let answer = host.send(&bare("GET", "/.well-known/oauth-authorization-server"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=300"));
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], "https://postern.example");
    assert_eq!(metadata["scopes_supported"], json!(*EVERY_SCOPE));
    let path = |member: &str| {
        let url = metadata[member].as_str().unwrap().to_owned();
        url.strip_prefix("https://postern.example").unwrap().to_owned()
    };
    assert_eq!(host.send(&bare("GET", &path("jwks_uri"))).status, 200);
    for member in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        assert_error(&host.send(&form(&path(member), "grant_type=client_credentials&token=x")), 401, "invalid_client");
    }
}

/// RFC 7517: whoever has the key set can verify our tokens without us.
#[test]
fn the_published_key_verifies_our_tokens() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use ed25519_dalek::{Signature, Verifier, VerifyingKey};
    let host = Host::new();
    let answer = host.send(&bare("GET", "/.well-known/jwks.json"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=300"));
    let key = answer.json()["keys"][0].clone();
    let token = host.root_token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.decode(message.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["kid"], &header["alg"], &key["use"]), (&key["kid"], &key["alg"], &json!("sig")));
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let public = VerifyingKey::from_bytes(&bytes(key["x"].as_str().unwrap()).try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&bytes(signature)).unwrap();
    assert!(public.verify(message.as_bytes(), &signature).is_ok());
    assert!(!answer.text().contains("\"d\""));
}
