//! A platform that does not sign or verify: nobody is let in, nobody is turned away for good, nothing is written down.

use serde_json::{Value, json};

use super::{
    Answered, Host, bare, form,
    token_request::{GOOD, TOKEN, assert_error},
};

/// Asks about a token, or gives it up, as this client.
fn about(host: &Host, what: &str, (id, secret): (&str, &str), token: &str) -> Answered {
    host.send(&form(&format!("/api/v1/oauth/{what}"), &format!("client_id={id}&client_secret={secret}&token={token}")))
}

/// Whether a token opens a route.
fn works(host: &Host, token: &str) -> u16 {
    host.call(token, "GET", "/oauth/scope", &Value::Null).status
}

/// Before its keys are known a deployment is not ready, and says so everywhere; it tries again with the next request.
#[test]
fn keys_that_nobody_works_out_are_503_until_they_are() {
    let other = Host::new();
    let token = other.root_token();
    let host = Host::new();
    host.memory.faults().break_signatures(Some(0));
    for path in ["/ready", "/.well-known/jwks.json"] {
        let answer = host.send(&bare("GET", path));
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{path}");
        assert!(answer.log.contains("crypto.subtle: OperationError") && !answer.text().contains("subtle"), "{path}");
    }
    assert_error(&host.send(&form(TOKEN, GOOD)), 503, "temporarily_unavailable");
    assert_eq!(works(&host, &token), 503);
    host.memory.faults().break_signatures(None);
    assert_eq!((works(&host, &token), host.send(&bare("GET", "/ready")).status), (200, 200));
}

/// B9: what is not verified is neither good nor bad: it opens nothing, and is not remembered as either.
#[test]
fn a_token_that_nobody_verifies_is_neither_good_nor_bad() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read"]);
    let token = host.token(&id, &secret);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{input}.{other}{}", &signature[1..]);
    host.memory.faults().break_signatures(Some(0));
    assert_eq!([&token, &forged].map(|token| works(&host, token)), [503, 503]);
    let before = host.memory.dump();
    for what in ["introspect", "revoke"] {
        assert_error(&about(&host, what, (&id, &secret), &token), 503, "temporarily_unavailable");
    }
    assert_eq!(host.memory.dump(), before);
    host.memory.faults().break_signatures(None);
    assert_eq!([&token, &forged].map(|token| works(&host, token)), [200, 401]);
    assert_eq!(about(&host, "introspect", (&id, &secret), &forged).json(), json!({ "active": false }));
    // What was verified before is remembered: no platform is needed.
    host.memory.faults().break_signatures(Some(0));
    assert_eq!([&token, &forged].map(|token| works(&host, token)), [200, 503]);
}

/// C18, T40: no token, and no row about one that was never issued, though all but the signature succeeded.
#[test]
fn a_root_token_that_the_platform_does_not_sign_is_not_written_down() {
    let host = Host::new();
    assert_eq!(host.send(&bare("GET", "/.well-known/jwks.json")).status, 200);
    host.memory.faults().break_signatures(Some(0));
    assert_error(&host.send(&form(TOKEN, GOOD)), 503, "temporarily_unavailable");
    assert_eq!(host.memory.clients.rows().1, 0);
}

/// First use by several requests at the same time: each works the keys out for itself, all of them the same.
#[test]
fn the_first_requests_may_come_at_the_same_time() {
    let host = Host::new();
    let requests: Vec<_> = (0..4).map(|_| form(TOKEN, GOOD)).chain([bare("GET", "/.well-known/jwks.json")]).collect();
    let answers = host.send_all(&requests);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200; 5]);
    for answer in &answers[..4] {
        assert_eq!(works(&host, answer.json()["access_token"].as_str().unwrap()), 200);
    }
    // One of them fails where another succeeds: the next one finds what is there.
    let host = Host::new();
    host.memory.faults().break_signatures(Some(1));
    let answers = host.send_all(&[bare("GET", "/ready"), bare("GET", "/ready")]);
    assert_eq!([answers[0].status, answers[1].status], [200, 503]);
    assert_eq!(host.send(&bare("GET", "/ready")).status, 200);
}
