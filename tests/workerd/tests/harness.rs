//! The harness itself: what the tests of the product take for granted.
#![expect(clippy::unwrap_used, reason = "test: a failure is a failed test")]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use url::Url;
use workerd_tests::{Answer, Clock, Mock, MockAnswer, Postern, Provider, ProviderOptions, Request, Setup};

/// Where the provider sends the browser; nobody listens there.
const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A PKCE pair (RFC 7636, appendix B): the verifier.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A PKCE pair (RFC 7636, appendix B): the challenge.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn mock_remembers_what_it_was_asked_and_answers_what_the_test_says() {
    let mock = Mock::start(|request| match request.path() {
        "/token" => MockAnswer::json(201, &json!({ "code": request.field("code") })).header("X-Kind", "token"),
        "/away" => MockAnswer::redirect(302, "https://elsewhere.example/"),
        _ => MockAnswer::text(404, "nothing here"),
    });
    let at = |path: &str| format!("{}{path}", mock.url());

    let answer = Request::new("POST", &at("/token?a=b%20c")).basic("me", "pw").form(&[("code", "x y&z")]).send();
    assert_eq!((answer.status, answer.header("x-kind")), (201, Some("token")));
    assert_eq!(answer.json(), json!({ "code": "x y&z" }));
    let away = Request::new("GET", &at("/away")).header("X-Twice", "1").header("X-Twice", "2").send();
    assert_eq!((away.status, away.header("Location")), (302, Some("https://elsewhere.example/")));
    assert_eq!(Request::new("DELETE", &at("/gone")).json(&json!({})).send().expect_status(404).text(), "nothing here");

    let requests = mock.requests();
    let lines: Vec<_> = requests.iter().map(|each| format!("{} {}", each.method, each.target)).collect();
    assert_eq!(lines, ["POST /token?a=b%20c", "GET /away", "DELETE /gone"]);
    let [token, away, gone] = requests.as_slice() else { unreachable!("three requests") };
    assert_eq!(token.host, mock.address().to_string());
    assert_eq!(token.header("authorization"), Some("Basic bWU6cHc="));
    assert_eq!(token.query(), [("a".to_owned(), "b c".to_owned())]);
    assert_eq!(away.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-twice")).count(), 2);
    assert_eq!(gone.body, b"{}");
    assert_eq!(mock.count("/token"), 1);
}

#[test]
fn mock_misbehaves_on_demand() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let mock = Arc::new(Mock::start(move |request| match request.path() {
        "/close" => MockAnswer::close().after(Duration::from_millis(20)),
        "/cut" => MockAnswer::text(200, "half").cut(),
        "/open-end" => MockAnswer::text(200, "whole").without_length(),
        "/held" => {
            held.lock().unwrap().recv().unwrap();
            MockAnswer::text(200, "released")
        }
        _ => MockAnswer::never(),
    }));
    let ask = |path: &str| Request::new("GET", &format!("{}{path}", mock.url()));
    assert!(ask("/close").try_send().is_err());
    assert!(ask("/cut").try_send().is_err());
    assert_eq!(ask("/open-end").send().text(), "whole");

    let waiting = ask("/held");
    let waiting = thread::spawn(move || waiting.send());
    release.send(()).unwrap();
    assert_eq!(waiting.join().unwrap().text(), "released");

    let silence = ask("/never");
    let silence = thread::spawn(move || silence.try_send());
    while mock.count("/never") == 0 {
        thread::yield_now();
    }
    assert!(!silence.is_finished());
    drop(mock);
    assert!(silence.join().unwrap().is_err());
}

#[test]
fn provider_runs_the_whole_flow_and_lives_by_the_clock() {
    let clock = Clock::new();
    let provider = Provider::start(Some(&clock), &ProviderOptions::new(CALLBACK).access_ttl(60));
    let callback = Url::parse(&provider.browse(&authorization_url(&provider))).unwrap();
    assert!(callback.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("s1"));
    let code = parameter(&callback, "code").unwrap();

    let pairs = [("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let first = token(&provider, "authorization_code", &pairs).expect_status(200).json();
    let access = first["access_token"].as_str().unwrap();
    assert_eq!(provider.userinfo(access), 200);
    // One second more than the token's life and the 15 seconds that oidc-provider may add.
    clock.advance(60 + 15 + 1);
    assert_eq!(provider.userinfo(access), 401);

    let old = first["refresh_token"].as_str().unwrap();
    let second = token(&provider, "refresh_token", &[("refresh_token", old)]).expect_status(200).json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(provider.userinfo(second["access_token"].as_str().unwrap()), 200);
    let reuse = token(&provider, "refresh_token", &[("refresh_token", old)]).expect_status(400);
    assert_eq!(reuse.json()["error"], "invalid_grant");
}

#[test]
fn provider_reports_a_user_who_declines() {
    let mut provider = Provider::start(None, &ProviderOptions::new(CALLBACK));
    let callback = Url::parse(&provider.browse_and_cancel(&authorization_url(&provider))).unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("access_denied"));
    provider.stop();
    assert!(Request::new("GET", &provider.url()).try_send().is_err());
}

#[test]
fn postern_starts_dies_and_starts_again_at_the_same_address_with_the_same_state() {
    let clock = Clock::new();
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let before = postern.get("/no/such/route").send();
    let address = postern.url();
    postern.kill();
    let files: Vec<_> = postern.state_files().into_iter().map(|(path, _)| path).collect();
    assert!(!files.is_empty());
    clock.advance(3_600);
    postern.kill_and_restart();
    assert_eq!(postern.url(), address);
    assert_eq!(postern.get("/no/such/route").send().status, before.status);
    assert_eq!(postern.fire_cron().status, 200, "{}", postern.log());
}

/// An authorization request of the provider's client.
fn authorization_url(provider: &Provider) -> String {
    let pairs = [
        ("client_id", "saas"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid offline_access api"),
        ("prompt", "consent"),
        ("state", "s1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    Url::parse_with_params(&format!("{}/auth", provider.url()), pairs).unwrap().into()
}

/// A token request of the provider's client.
fn token(provider: &Provider, grant_type: &str, pairs: &[(&str, &str)]) -> Answer {
    let client = [("grant_type", grant_type), ("client_id", "saas"), ("client_secret", "saassecret")];
    Request::new("POST", &format!("{}/token", provider.url())).form(&[&client, pairs].concat()).send()
}

/// A query parameter.
fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find_map(|(each, value)| (each == name).then(|| value.into_owned()))
}
