//! Clients that authenticate with a signed assertion (RFC 7521, RFC 7523).

use serde_json::{Value, json};

use super::{
    Answered, Host, form,
    token_request::{TOKEN, assert_error},
};
use crate::{
    authorization_server::failure_budget::CLIENT_BUDGET, memory::signatures::ClientKey, protocol::time::Seconds,
};

/// When the clock of these tests begins.
const NOW: u64 = 1_700_000_000;

/// `client_assertion_type`, encoded.
const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// The id of a new client with these keys.
fn client(host: &Host, keys: &[&ClientKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    let body = json!({"scopes": ["scope:read"], "jwks": {"keys": keys}});
    let created = host.as_root("POST", "/oauth/client", &body);
    created.json()["client_id"].as_str().unwrap_or_else(|| panic!("{created:?}")).to_owned()
}

/// The claims of a good assertion, some changed; null removes one.
fn claims(id: &str, changes: &Value) -> Value {
    let mut claims = json!({"iss": id, "sub": id, "aud": "https://postern.example", "exp": NOW + 60, "jti": "j1"});
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

/// Asks for a token with an assertion.
fn sign_in(host: &Host, assertion: &str) -> Answered {
    let body = format!("grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}");
    host.send(&form(TOKEN, &body))
}

/// RFC 7523, both algorithms, both names of this service: a signed assertion gets a token that works.
#[test]
fn a_signed_assertion_gets_a_token() {
    let host = Host::new();
    for key in [ClientKey::ed25519(1), ClientKey::p256(1)] {
        let id = client(&host, &[&key]);
        for (jti, aud) in [
            ("a", json!("https://postern.example")),
            ("b", json!("https://postern.example/api/v1/oauth/token")),
            ("c", json!(["https://other.example", "https://postern.example"])),
        ] {
            let answer = sign_in(&host, &key.assertion(&claims(&id, &json!({"jti": jti, "aud": aud}))));
            assert_eq!(answer.status, 200, "{answer:?}");
            let token = answer.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(host.call(&token, "GET", "/oauth/scope", &Value::Null).status, 200);
        }
    }
}

/// One of the assertions of this client that have something wrong.
fn bad_assertion(host: &Host, id: &str, own: &ClientKey, which: usize) -> Option<String> {
    let with = |changes: Value| own.assertion(&claims(id, &changes));
    let under = |header: Value| own.jwt(&header, &claims(id, &json!({})));
    Some(match which {
        0 => ClientKey::ed25519(2).assertion(&claims(id, &json!({}))),
        1 => ClientKey::p256(1).assertion(&claims(id, &json!({}))),
        2 => under(json!({"alg": "RS256"})),
        3 => under(json!({"alg": "none"})),
        4 => under(json!({"alg": "EdDSA", "kid": "another"})),
        5 => under(json!({"alg": "EdDSA", "typ": "at+jwt"})),
        6 => with(json!({"sub": null})),
        7 => with(json!({"iss": "another"})),
        8 => with(json!({"sub": "nobody", "iss": "nobody"})),
        9 => with(json!({"sub": "root-id", "iss": "root-id"})),
        10 => with(json!({"aud": "https://postern.example/"})),
        11 => with(json!({"aud": "https://postern.example/api/v1/oauth/introspect"})),
        12 => with(json!({"exp": NOW - 60})),
        13 => with(json!({"exp": NOW + 601})),
        14 => with(json!({"exp": (NOW + 60).to_string()})),
        15 => with(json!({"iat": NOW + 61})),
        16 => with(json!({"nbf": NOW + 61})),
        17 => with(json!({"jti": null})),
        18 => with(json!({"jti": ""})),
        19 => {
            let good = with(json!({}));
            let (input, signature) = good.rsplit_once('.')?;
            format!("{input}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..])
        }
        20 => "x".to_owned(),
        21 => host.token("root-id", "root-secret"),
        _ => return None,
    })
}

/// J21, T13: whatever is wrong with an assertion, the answer is that of a wrong secret, byte for byte.
#[test]
fn a_bad_assertion_is_as_good_as_a_wrong_secret() {
    let own = ClientKey::ed25519(1);
    let mut host = Host::new();
    let mut id = client(&host, &[&own]);
    let wrong = form(TOKEN, &format!("grant_type=client_credentials&client_id={id}&client_secret=x"));
    let expected = host.send(&wrong).visible();
    for which in 0.. {
        let Some(assertion) = bad_assertion(&host, &id, &own, which) else { break };
        assert_eq!(sign_in(&host, &assertion).visible(), expected, "{which}: {assertion}");
        assert_eq!(sign_in(&host, &own.assertion(&claims(&id, &json!({})))).status, 200, "a good one is good");
        // Each on a host of its own: the budget would be spent half-way.
        host = Host::new();
        id = client(&host, &[&own]);
    }
}

/// J21: an assertion works once, also over a restart; a client id beside it must be its own.
#[test]
fn an_assertion_works_once() {
    let (host, key) = (Host::new(), ClientKey::ed25519(1));
    let id = client(&host, &[&key]);
    let assertion = key.assertion(&claims(&id, &json!({})));
    let body = format!("grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}");
    assert_error(&host.send(&form(TOKEN, &format!("{body}&client_id=another"))), 401, "invalid_client");
    assert_eq!(host.send(&form(TOKEN, &format!("{body}&client_id={id}"))).status, 200);
    let again = sign_in(&host, &assertion);
    assert_error(&again, 401, "invalid_client");
    assert!(again.log.contains("\"refusal\":\"the client assertion was used before\""), "{}", again.log);
    host.memory.restart();
    assert_error(&sign_in(&host, &assertion), 401, "invalid_client");
    let later = key.assertion(&claims(&id, &json!({"exp": NOW + 120})));
    assert_error(&sign_in(&host, &later), 401, "invalid_client");
}

/// J23: the mark stays as long as the assertion could be used, and no longer.
#[test]
fn a_used_assertion_is_remembered_until_it_is_over() {
    let (host, key) = (Host::new(), ClientKey::p256(1));
    let id = client(&host, &[&key]);
    let assertion = key.assertion(&claims(&id, &json!({})));
    assert_eq!(sign_in(&host, &assertion).status, 200);
    host.memory.advance(Seconds(119));
    host.tick();
    assert_eq!(host.memory.clients.rows().2, 1);
    assert_error(&sign_in(&host, &assertion), 401, "invalid_client");
    host.memory.advance(Seconds(1));
    host.tick();
    assert_eq!(host.memory.clients.rows().2, 0);
    assert_error(&sign_in(&host, &assertion), 401, "invalid_client");
}

/// J22: the same assertion many times at once: one succeeds.
#[test]
fn of_parallel_uses_one_succeeds() {
    let (host, key) = (Host::new(), ClientKey::ed25519(1));
    let id = client(&host, &[&key]);
    let assertion = key.assertion(&claims(&id, &json!({})));
    let body = format!("grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}");
    let answers = host.send_all(&vec![form(TOKEN, &body); 10]);
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((good, answers.iter().filter(|answer| answer.status == 401).count()), (1, 9));
}

/// Keys are rotated by publishing both; a key that was taken away no longer signs in.
#[test]
fn keys_are_exchanged_by_an_update() {
    let (host, old, new) = (Host::new(), ClientKey::ed25519(1), ClientKey::p256(2));
    let id = client(&host, &[&old, &new]);
    let ask = |key: &ClientKey, jti: &str| sign_in(&host, &key.assertion(&claims(&id, &json!({ "jti": jti })))).status;
    assert_eq!((ask(&old, "1"), ask(&new, "2")), (200, 200));
    let path = format!("/oauth/client/{id}");
    let keys = json!({"jwks": {"keys": [new.public()]}});
    assert_eq!(host.as_root("PUT", &path, &keys).json()["jwks"]["keys"].as_array().unwrap().len(), 1);
    assert_eq!((ask(&old, "3"), ask(&new, "4")), (401, 200));
    assert_eq!(host.as_root("PUT", &path, &json!({"jwks": null})).json().get("jwks"), None);
    assert_eq!(ask(&new, "5"), 401);
}

/// R10, RFC 7523 at the other endpoints: the audience is the endpoint or the issuer.
#[test]
fn an_assertion_works_at_every_endpoint() {
    let (host, key) = (Host::new(), ClientKey::ed25519(1));
    let id = client(&host, &[&key]);
    let ask = |endpoint: &str, aud: &str, jti: &str| {
        let assertion = key.assertion(&claims(&id, &json!({"jti": jti, "aud": aud})));
        let body = format!("token=x&client_assertion_type={TYPE}&client_assertion={assertion}");
        host.send(&form(&format!("/api/v1/oauth/{endpoint}"), &body)).status
    };
    let issuer = "https://postern.example";
    let revoke = format!("{issuer}/api/v1/oauth/revoke");
    assert_eq!((ask("introspect", issuer, "1"), ask("revoke", &revoke, "2")), (200, 200));
    let token = format!("{issuer}/api/v1/oauth/token");
    assert_eq!((ask("introspect", &revoke, "3"), ask("introspect", &token, "4")), (401, 401));
}

/// T36: wrong assertions spend the budget; then keys are not even looked up.
#[test]
fn wrong_assertions_spend_the_budget() {
    let (host, key, other) = (Host::new(), ClientKey::ed25519(1), ClientKey::ed25519(2));
    let id = client(&host, &[&key]);
    for number in 0..CLIENT_BUDGET {
        let assertion = other.assertion(&claims(&id, &json!({ "jti": number.to_string() })));
        assert_eq!(sign_in(&host, &assertion).status, 401);
    }
    assert_eq!(sign_in(&host, &key.assertion(&claims(&id, &json!({})))).status, 429);
}

/// C12: after an emergency revocation nothing from before authenticates: also no key that a thief has registered.
#[test]
fn an_emergency_ends_planted_keys() {
    let (host, thief) = (Host::new(), ClientKey::ed25519(9));
    let (id, secret) = host.client(&["client:update", "scope:read"]);
    // A stolen token is enough to plant a key in its own client.
    let stolen = host.token(&id, &secret);
    let planted = json!({"jwks": {"keys": [thief.public()]}});
    assert_eq!(host.call(&stolen, "PUT", &format!("/oauth/client/{id}"), &planted).status, 200);
    let revoke = json!({"revoke_tokens": true});
    assert_eq!(host.as_root("POST", &format!("/oauth/client/{id}/secret"), &revoke).status, 200);
    assert_eq!(host.call(&stolen, "GET", "/oauth/scope", &Value::Null).status, 401);
    let claims = json!({"iss": id, "sub": id, "aud": "https://postern.example", "exp": NOW + 60, "jti": "j"});
    let assertion = thief.assertion(&claims);
    assert_eq!(sign_in(&host, &assertion).status, 401);
}
