//! `GET /oauth/callback`: which returns are let in, and how often.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{answer, callback, parameter, query, tokens},
};
use crate::protocol::{pkce::code_challenge, secret::SecretText};

/// A return with a code and the state of `shop`.
fn with_code(state: &str) -> String {
    format!("state={state}&code=canary-code-1")
}

/// A host whose connection `shop` can be authorized, with a provider that gives tokens.
fn with_provider() -> Host {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1))]);
    host
}

/// RFC 6749 §4.1.3, K7, K20: the code goes to the provider with its verifier; the page says nothing of what was sent.
#[test]
fn a_code_is_exchanged_and_the_page_is_plain() {
    let host = with_provider();
    let url = host.begin("shop");
    let page = host.callback(&with_code(&query(&url, "state")));
    assert_eq!((page.status, page.json()), (200, json!({ "connection_key": "shop", "authorized": true })));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let sent = &host.memory.sent()[0];
    assert_eq!(sent.url.as_str().split('?').next(), Some("https://api.query-provider.example/oauth/token"));
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "canary-code-1"),
        ("client_id", "shop-client"),
        ("client_secret", "canary-client-secret"),
        ("redirect_uri", "https://postern.example/api/v1/oauth/callback"),
    ] {
        assert_eq!(parameter(sent, name), value);
    }
    let verifier = SecretText::new(parameter(sent, "code_verifier"));
    assert_eq!(code_challenge(&verifier), query(&url, "code_challenge"));
    assert_eq!((host.live("shop"), host.requests()), ((200, "canary-at-1".to_owned()), 1));
    assert_eq!(host.view("shop")["authorized"], true);
}

/// K1: no state, an empty, malformed, huge or forged one: nothing is asked of the provider.
#[test]
fn a_return_without_a_good_state_is_refused() {
    let host = with_provider();
    let state = host.state("shop");
    let other_key = Host::with(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]).with_code_flow("shop");
    let (foreign, huge) = (other_key.state("shop"), "x".repeat(10 * 1024));
    let cut = &state[..state.len() - 1];
    for (bad, status) in [
        ("", 400),
        ("x", 400),
        ("a.b.c", 400),
        ("%00", 400),
        ("%ff", 400),
        (cut, 400),
        (&huge, 400),
        (&foreign, 404),
        (&state.replacen(|c: char| c.is_ascii_lowercase(), "0", 1), 404),
    ] {
        let refused = host.callback(&with_code(bad));
        assert_eq!(refused.status, status, "{bad:.40}");
        assert_eq!(refused.header("content-type"), "application/json");
    }
    assert_eq!(host.callback("code=canary-code-1").detail(), (400, "Malformed callback: state is missing".into()));
    let unknown = host.callback(&with_code(&foreign)).detail();
    assert_eq!(unknown, (404, "No authentication request found for the given state.".into()));
    assert_eq!(host.requests(), 0);
    assert_eq!(host.callback(&with_code(&state)).status, 200);
}

/// K2: the second return with a state is too late, whatever became of the first.
#[test]
fn a_state_is_good_once() {
    let host = with_provider();
    let state = host.state("shop");
    assert_eq!(host.callback(&with_code(&state)).status, 200);
    for _ in 0..2 {
        assert_eq!(host.callback(&with_code(&state)).status, 404);
    }
    host.provider_answers([answer(500, &json!({}))]);
    let state = host.state("shop");
    assert_eq!(host.callback(&with_code(&state)).status, 502);
    assert_eq!(host.callback(&with_code(&state)).status, 404);
    let state = host.state("shop");
    assert_eq!(host.callback(&format!("state={state}&error=access_denied")).status, 400);
    assert_eq!(host.callback(&with_code(&state)).status, 404);
    assert_eq!(host.requests(), 2);
}

/// K2, R1: of fifty at the same time one is let in, and the provider is asked once.
#[test]
fn parallel_returns_with_one_state_exchange_one_code() {
    let host = with_provider();
    let state = host.state("shop");
    let answers = host.send_all(&vec![callback(&with_code(&state)); 50]);
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(404), host.requests()), (1, 49, 1));
}

/// K2, R6: nor is it good again after a restart.
#[test]
fn a_used_state_stays_used_after_a_restart() {
    let host = with_provider();
    let state = host.state("shop");
    host.memory.restart();
    assert_eq!(host.callback(&with_code(&state)).status, 200);
    host.memory.restart();
    assert_eq!(host.callback(&with_code(&state)).status, 404);
}

/// K3: ten minutes, and not a second more.
#[test]
fn a_state_is_good_for_ten_minutes() {
    let host = with_provider();
    let state = host.state("shop");
    host.wait(599);
    assert_eq!(host.callback(&with_code(&state)).status, 200);
    let state = host.state("shop");
    host.wait(600);
    let late = host.callback(&with_code(&state));
    assert_eq!(late.detail(), (404, "No authentication request found for the given state.".into()));
    assert_eq!(host.requests(), 1);
}

/// K3, R8: what is stored of a state that nobody came back with is gone after the next sweep, and is swept once.
#[test]
fn an_expired_state_is_forgotten_by_the_sweep() {
    let host = with_provider();
    let digest = SecretText::new(host.state("shop")).digest();
    for (wait, due, kept) in [(599, 0, true), (1, 1, false), (600, 0, false)] {
        host.wait(wait);
        assert_eq!(host.as_root("POST", "/sweep", &Value::Null).json()["due"], due, "{wait}");
        let dump = host.memory.state();
        assert_eq!((dump.contains(digest.as_str()), dump.contains("code_verifier")), (kept, kept));
    }
    assert_eq!(host.requests(), 0);
}

/// K8: each parameter once, and either code or error; such a return does not use the state up.
#[test]
fn a_malformed_return_is_refused_and_changes_nothing() {
    let host = with_provider();
    let state = host.state("shop");
    let before = host.memory.state();
    let long = "c".repeat(4097);
    for query in [
        format!("state={state}&code=a&code=a"),
        format!("state={state}&code=a&code=b"),
        format!("state={state}&state={state}&code=a"),
        format!("state={state}&code=a&error=access_denied"),
        format!("state={state}&error=a&error=b"),
        format!("state={state}"),
        format!("state={state}&code="),
        format!("state={state}&code={long}"),
        format!("state={state}&code=a{}", "&x".repeat(70)),
    ] {
        assert_eq!(host.callback(&query).status, 400, "{query:.200}");
    }
    assert_eq!((host.memory.state(), host.requests()), (before, 0));
    assert_eq!(host.callback(&with_code(&state)).status, 200);
}

/// K9: a known code is named; anything else is not repeated, nor any text that comes with it.
#[test]
fn an_error_of_the_provider_is_not_reflected() {
    let host = with_provider();
    for (error, shown) in [
        ("access_denied", "access_denied"),
        ("invalid_scope", "invalid_scope"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "unknown_error"),
        ("Access_Denied", "unknown_error"),
        ("%E2%80%AEevil", "unknown_error"),
        ("x%0D%0ASet-Cookie:evil", "unknown_error"),
    ] {
        let text = "error_description=%3Cb%3Eevil%3C/b%3E&error_uri=javascript:evil";
        let answer = host.callback(&format!("state={}&error={error}&{text}", host.state("shop")));
        assert_eq!(answer.detail(), (400, format!("The provider did not authorize shop ({shown}).").into()));
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.text().contains("evil") && !answer.text().contains('<'));
    }
    assert_eq!((host.requests(), host.live("shop").0), (0, 409));
}

/// K19: a state of a deleted connection, also where one of the same name was made since.
#[test]
fn a_state_dies_with_its_connection() {
    let host = with_provider();
    let state = host.state("shop");
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    assert_eq!(host.callback(&with_code(&state)).status, 404);
    let host = host.with_code_flow("shop");
    assert_eq!(host.callback(&with_code(&state)).status, 404);
    let _ = host.state("shop");
    assert_eq!(host.callback(&with_code(&state)).status, 404);
    assert_eq!(host.requests(), 0);
}

/// W5: a code with quotes and ampersands is one value; it adds no parameter.
#[test]
fn a_code_cannot_add_a_parameter() {
    let host = with_provider();
    let code = "C%22%2C%22scope%22%3A%22admin%26scope%3Dadmin%3Cclient_secret%3E";
    assert_eq!(host.callback(&format!("state={}&code={code}", host.state("shop"))).status, 200);
    let sent = &host.memory.sent()[0];
    assert_eq!(parameter(sent, "code"), "C\",\"scope\":\"admin&scope=admin<client_secret>");
    assert_eq!((parameter(sent, "scope"), sent.url.query_pairs().count()), (String::new(), 6));
}

/// The unbound way: the state alone lets a return in; no header and no cookie changes anything.
#[test]
fn a_return_needs_no_token() {
    let host = with_provider();
    let state = host.state("shop");
    let request = super::with_header(callback(&with_code(&state)), "authorization", b"Bearer x");
    let request = super::with_header(request, "cookie", b"a=b");
    assert_eq!(host.send(&request).status, 200);
}
