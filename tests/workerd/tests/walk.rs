//! The whole specification in one walk per flow, against a real provider: clients and scopes, a connection, its tokens
//! renewed by the cron, a crash, and nothing readable left on the disk or in the log.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "test: a failure is a failed test")]

mod common;

use common::{
    CLIENT_CREDENTIALS, CODE_FLOW, Client, assert_kept_secret, at, authorize, client, connect, live, parameter,
    provider, read, reader, root, secrets, sweeps, text,
};
use serde_json::{Value, json};
use workerd_tests::{
    APP_ENCRYPTION_KEY, Answer, Clock, Postern, Provider, ProviderOptions, ROOT_CLIENT_SECRET, Request, Setup,
};

/// Life of the provider's access tokens, in seconds.
const ACCESS_TTL: u32 = 60;

/// Enough to expire one: its life, the 15 seconds that `oidc-provider` may add, and one.
const PAST_EXPIRY: i64 = 60 + 15 + 1;

/// Starts a Postern and a provider that send the browser to each other and agree on the time.
fn start(clock: &Clock) -> (Postern, Provider) {
    let postern = Postern::start(Setup::new().clock(clock));
    let callback = format!("{}{}", postern.url(), common::CALLBACK);
    let provider = Provider::start(Some(clock), &ProviderOptions::new(&callback).access_ttl(ACCESS_TTL));
    (postern, provider)
}

/// A client with two scopes may do what they allow and nothing else; the challenge names what is missing (B8).
fn register_and_use_a_client(postern: &Postern, root: &str) -> Client {
    let registered = client(postern, root, &["scope:read", "connection:read"]);
    let answer = postern
        .post(common::TOKEN)
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &registered.id),
            ("client_secret", &registered.secret),
        ])
        .send()
        .expect_status(200);
    let issued = answer.json();
    assert_eq!((answer.header("Cache-Control"), answer.header("Pragma")), (Some("no-store"), Some("no-cache")));
    assert_eq!((&issued["token_type"], &issued["expires_in"]), (&json!("Bearer"), &json!(11520 * 60)));
    let mut scopes: Vec<_> = issued["scope"].as_str().unwrap_or_default().split(' ').collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["connection:read", "scope:read"]);

    let own = text(&issued, "access_token");
    let every = postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200).json();
    assert!(every.as_array().is_some_and(|list| list.contains(&json!("client:create"))), "{every}");
    let refused = postern.post(common::CLIENT).bearer(&own).json(&json!({ "scopes": [] })).send().expect_status(403);
    let challenge = refused.header("WWW-Authenticate").unwrap_or_default();
    for part in ["Bearer ", "error=\"insufficient_scope\"", "scope=\"client:create\""] {
        assert!(challenge.contains(part), "{challenge}");
    }
    registered
}

/// Whether a token is alive, says its provider, of whatever flow it is.
fn is_active(provider: &Provider, token: &str) -> bool {
    let answer = Request::new("POST", &format!("{}/token/introspection", provider.url()))
        .basic("saas-basic", "saassecret")
        .form(&[("token", token)])
        .send();
    answer.expect_status(200).json()["active"] == json!(true)
}

/// Lets the token expire and the cron renew it; returns the new one.
fn renew_by_cron(clock: &Clock, postern: &Postern, reader: &str, old: &str) -> String {
    clock.advance(PAST_EXPIRY);
    assert_eq!(postern.fire_cron().status, 200);
    let new = live(postern, reader, "shop");
    assert_ne!(new, old);
    new
}

/// Fails unless the log tells of one sweep, in which one connection was due and renewed.
fn assert_one_renewal(postern: &Postern) {
    let reports = sweeps(postern);
    let [report] = reports.as_slice() else { panic!("not one sweep: {reports:?}\n{}", postern.log()) };
    assert_eq!((&report["due"], &report["renewed"], &report["level"]), (&json!(1), &json!(1), &json!("info")));
}

/// Fails unless the answer has the members of a token, with a plausible life.
fn assert_token_members(answer: &Answer) {
    let document = answer.json();
    assert_eq!(document["token_type"], "Bearer");
    let left = document["expires_in"].as_i64().unwrap_or_default();
    assert!((1..=i64::from(ACCESS_TTL)).contains(&left), "{document}");
    assert!(document["expires_at"].is_u64(), "{document}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
}

/// T29, B8, R6, E8, L1, L7, K17: from the first client over consent to a token that is renewed, by code flow.
#[test]
fn a_connection_by_code_flow_lives_from_consent_over_renewal_and_crash_and_leaves_no_secret_behind() {
    let clock = Clock::new();
    let (mut postern, provider) = start(&clock);
    let root = root(&postern);
    let client = register_and_use_a_client(&postern, &root);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&provider.url()));
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!((&shown["authorized"], &shown["secrets"]["client_secret"]), (&json!(false), &json!("**********")));

    let url = authorize(&postern, &root, "shop");
    let back = provider.browse(&url);
    let page = Request::new("GET", &back).send().expect_status(200);
    let (code, state) = (parameter(&back, "code"), parameter(&back, "state"));
    assert!(!page.text().contains(&code) && !page.text().contains(&state));
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!(shown["authorized"], true);

    let reader = reader(&postern, &root);
    let answer = read(&postern, &reader, "shop").expect_status(200);
    assert_token_members(&answer);
    let first = text(&answer.json(), "access_token");
    assert_eq!(provider.userinfo(&first), 200);

    let second = renew_by_cron(&clock, &postern, &reader, &first);
    assert_eq!((provider.userinfo(&first), provider.userinfo(&second)), (401, 200));
    postern.kill_and_restart();
    assert_one_renewal(&postern);
    assert_eq!(live(&postern, &reader, "shop"), second);
    assert_eq!(provider.userinfo(&second), 200);

    // The provider takes each refresh token once, so this works only with the one of the last answer.
    clock.advance(PAST_EXPIRY);
    let third = live(&postern, &reader, "shop");
    assert_ne!(third, second);
    assert_eq!((provider.userinfo(&second), provider.userinfo(&third)), (401, 200));
    assert!(!provider.log().contains("refused:"), "{}", provider.log());

    let challenge = parameter(&url, "code_challenge");
    let mut secrets = vec![ROOT_CLIENT_SECRET, APP_ENCRYPTION_KEY, "saassecret", &client.secret, &root, &reader];
    secrets.extend([code.as_str(), &state, &first, &second, &third, &challenge]);
    assert_kept_secret(&mut postern, "shop", &secrets);
}

/// R6, E8, L1: from the first client to a token that is renewed, by client credentials.
#[test]
fn a_connection_by_client_credentials_lives_from_first_read_over_renewal_and_crash_and_leaves_no_secret_behind() {
    let clock = Clock::new();
    let (mut postern, provider) = start(&clock);
    let root = root(&postern);
    let client = register_and_use_a_client(&postern, &root);
    let mut credentials = secrets(&provider.url());
    credentials["client_id"] = Value::from("saas-basic");
    connect(&postern, &root, "shop", CLIENT_CREDENTIALS, &credentials);
    let reader = reader(&postern, &root);
    assert!(!provider.log().contains("token:"), "asked before anybody wanted a token: {}", provider.log());

    let answer = read(&postern, &reader, "shop").expect_status(200);
    assert_token_members(&answer);
    let first = text(&answer.json(), "access_token");
    assert!(is_active(&provider, &first));
    assert_eq!(live(&postern, &reader, "shop"), first);

    let second = renew_by_cron(&clock, &postern, &reader, &first);
    assert!(!is_active(&provider, &first) && is_active(&provider, &second));
    postern.kill_and_restart();
    assert_one_renewal(&postern);
    assert_eq!(live(&postern, &reader, "shop"), second);

    clock.advance(PAST_EXPIRY);
    let third = live(&postern, &reader, "shop");
    assert_ne!(third, second);
    assert!(is_active(&provider, &third));
    assert_eq!(provider.log().matches("token: client_credentials for saas-basic").count(), 3);

    let secrets = [ROOT_CLIENT_SECRET, APP_ENCRYPTION_KEY, "saassecret", &client.secret, &root, &reader];
    assert_kept_secret(&mut postern, "shop", &[&secrets[..], &[&first, &second, &third]].concat());
}

/// E8, L1, K7: a mock sees what a real provider keeps to itself: refresh tokens and the PKCE verifier.
#[test]
fn what_only_a_provider_sees_is_neither_stored_nor_logged_in_clear() {
    let clock = Clock::new();
    let mock = provider(|_, _| None);
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    let url = authorize(&postern, &root, "shop");
    let state = parameter(&url, "state");
    // Stored before it is used: killed now, the pending authorization survives.
    postern.kill_and_restart();
    drop(common::call_back(&postern, &state, "code-of-the-mock-provider").expect_status(200));
    clock.advance(3_600);
    assert_eq!(live(&postern, &root, "shop"), "access-2-of-the-mock-provider");

    let [exchange, renewal] = <[_; 2]>::try_from(mock.requests()).expect("two token requests");
    let verifier = exchange.field("code_verifier").expect("PKCE is on by default");
    assert_eq!((parameter(&url, "code_challenge_method").as_str(), verifier.len()), ("S256", 43));
    assert_eq!(exchange.field("code").as_deref(), Some("code-of-the-mock-provider"));
    assert_eq!(renewal.field("refresh_token").as_deref(), Some("refresh-1-of-the-mock-provider"));
    let mut seen = vec![state.as_str(), &verifier, "code-of-the-mock-provider", "saassecret"];
    seen.extend(["access-1-of-the-mock-provider", "access-2-of-the-mock-provider"]);
    seen.extend(["refresh-1-of-the-mock-provider", "refresh-2-of-the-mock-provider"]);
    assert_kept_secret(&mut postern, "shop", &seen);
}

/// The dump's search itself: it finds what is there, whole or broken off, in each encoding and at each place.
#[test]
fn the_search_for_secrets_finds_them_in_every_usual_encoding() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let secret = "a-secret?of>some~length-and-more";
    for before in ["", "x", "yx", "zyx"] {
        let longer = format!("{before}{secret}after");
        for stored in [STANDARD.encode(&longer), URL_SAFE_NO_PAD.encode(&longer), longer] {
            assert_eq!(common::leaked(stored.as_bytes(), &[secret]), [secret], "{stored}");
        }
    }
    assert_eq!(common::leaked(secret.split_at(20).0.as_bytes(), &[secret]), [secret]);
    assert_eq!(common::leaked(b"a-secret, but another one of the same length", &[secret]), [""; 0]);
    for stored in ["is short", "x73686f7274", "73686F7274x"] {
        assert_eq!(common::leaked(stored.as_bytes(), &["short", "long"]), ["short"], "{stored}");
    }
}
