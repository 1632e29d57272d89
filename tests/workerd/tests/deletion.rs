//! Losing power: deleted clients, lost scopes, deleted connections, changed keys. What is gone works nowhere, at once
//! or within the promised lag; what is not gone is not lost.

mod common;

use common::{
    CLIENT, CODE_FLOW, assert_kept_secret, at, authorized, client, connect, live, provider, read, root, secrets,
    sweeps, token,
};
use serde_json::json;
use workerd_tests::{Clock, Postern, Setup};

/// C12, J17, R4: on every management route, on the next call.
#[test]
fn the_token_of_a_deleted_client_is_refused_on_the_next_management_call() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let doomed = client(&postern, &root, &["scope:read", "connection:read", "client:create", "sweep:exec"]);
    let own = token(&postern, &doomed.id, &doomed.secret);
    drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
    drop(postern.delete(&format!("{CLIENT}/{}", doomed.id)).bearer(&root).send().expect_status(200));
    for request in [
        postern.get("/api/v1/oauth/scope"),
        postern.get("/api/v1/connection"),
        postern.post(CLIENT).json(&json!({ "scopes": ["scope:read"] })),
        postern.post("/api/v1/sweep"),
    ] {
        let refused = request.bearer(&own).send().expect_status(401);
        assert!(refused.header("WWW-Authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
    }
    // Deleting again is no error, and nothing to read is left.
    let gone = format!("{CLIENT}/{}", doomed.id);
    assert_eq!(postern.delete(&gone).bearer(&root).send().expect_status(200).text(), "null");
    drop(postern.get(&format!("{gone}/scope")).bearer(&root).send().expect_status(404));
}

/// J17: one scope taken away closes the routes of that scope only, for tokens that exist already too.
#[test]
fn a_scope_that_was_taken_away_closes_its_routes_only() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let shrunk = client(&postern, &root, &["scope:read", "connection:read"]);
    let own = token(&postern, &shrunk.id, &shrunk.secret);
    let scope = format!("{CLIENT}/{}/scope", shrunk.id);
    drop(postern.put(&scope).bearer(&root).json(&json!(["scope:read"])).send().expect_status(200));
    assert_eq!(postern.get(&scope).bearer(&root).send().expect_status(200).json(), json!(["scope:read"]));
    drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
    let refused = postern.get("/api/v1/connection").bearer(&own).send().expect_status(403);
    assert!(refused.header("WWW-Authenticate").is_some_and(|challenge| challenge.contains("insufficient_scope")));
    // A new token does not get it either.
    let new = token(&postern, &shrunk.id, &shrunk.secret);
    drop(postern.get("/api/v1/connection").bearer(&new).send().expect_status(403));
}

/// A Postern with a connection and a client that has just read its token; then the client is deleted.
fn reader_deleted(setup: Setup, clock: &Clock) -> (Postern, String) {
    let mock = provider(|_, _| None);
    let postern = Postern::start(setup.clock(clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    let doomed = client(&postern, &root, &["connection_token:read"]);
    let own = token(&postern, &doomed.id, &doomed.secret);
    drop(live(&postern, &own, "shop"));
    drop(postern.delete(&format!("{CLIENT}/{}", doomed.id)).bearer(&root).send().expect_status(200));
    (postern, own)
}

/// C12, R4: within the revocation lag, 10 seconds by default on token reads.
#[test]
fn the_token_of_a_deleted_client_reads_no_token_after_the_revocation_lag() {
    let clock = Clock::new();
    let (postern, own) = reader_deleted(Setup::new(), &clock);
    clock.advance(11);
    drop(read(&postern, &own, "shop").expect_status(401));
}

/// C12, R4: 0 is "always ask".
#[test]
fn without_revocation_lag_the_token_of_a_deleted_client_reads_no_token_at_once() {
    let clock = Clock::new();
    let (postern, own) = reader_deleted(Setup::new().set("REVOCATION_LAG_SECONDS", "0"), &clock);
    drop(read(&postern, &own, "shop").expect_status(401));
}

/// E8, R8: gone from every route, from the list, from the sweep, from the disk.
#[test]
fn a_deleted_connection_is_gone_everywhere() {
    let clock = Clock::new();
    let mock = provider(|_, _| None);
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    authorized(&postern, &root, "stays", &mock);
    drop(live(&postern, &root, "shop"));
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(204));
    for rest in ["", "/saas_config", "/authorize", "/access_token"] {
        drop(postern.get(&at("shop", rest)).bearer(&root).send().expect_status(404));
    }
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(404));
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!((&list["total"], &list["items"][0]["key"]), (&json!(1), &json!("stays")));
    postern.kill_and_restart();
    drop(postern.get(&at("shop", "")).bearer(&root).send().expect_status(404));
    drop(postern.delete(&at("stays", "")).bearer(&root).send().expect_status(204));
    clock.advance(3_600);
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(mock.count("/token"), 2);
    let tokens = ["access-1-of-the-mock-provider", "refresh-1-of-the-mock-provider", "saassecret"];
    // The log still has the line of the sweep; the key is looked for in the definition's place: a third connection.
    connect(&postern, &root, "third", CODE_FLOW, &secrets("127.0.0.1:9"));
    assert_kept_secret(&mut postern, "third", &tokens);
    let reports = sweeps(&postern);
    assert_eq!((reports.len(), &reports[0]["due"], &reports[0]["renewed"]), (1, &json!(0), &json!(0)));
}

/// C6, T41: the root client is its settings; tokens of an earlier secret are dead.
#[test]
fn another_root_secret_ends_the_root_tokens_of_the_earlier_one() {
    let mut postern = Postern::start(Setup::new());
    let old = root(&postern);
    let other = client(&postern, &old, &["scope:read"]);
    let others = token(&postern, &other.id, &other.secret);
    let secret = "another-root-secret-of-the-tests-0123456789";
    postern.restart_with(Setup::new().set("OAUTH_ROOT_CLIENT_SECRET", secret));
    drop(postern.get("/api/v1/oauth/scope").bearer(&old).send().expect_status(401));
    drop(postern.get("/api/v1/oauth/scope").bearer(&others).send().expect_status(200));
    drop(token(&postern, workerd_tests::ROOT_CLIENT_ID, secret));
}

/// E5: with another application key nothing can be read, nothing is renewed and nothing is lost.
#[test]
fn another_application_key_closes_the_connections_and_loses_nothing() {
    let clock = Clock::new();
    let mock = provider(|_, _| None);
    let setup = Setup::new().clock(&clock);
    let mut postern = Postern::start(setup.clone());
    let old = root(&postern);
    authorized(&postern, &old, "shop", &mock);
    let other_key = "another-application-key-32-bytes";
    postern.restart_with(setup.clone().set("APP_ENCRYPTION_KEY", other_key));
    // The signing key goes with it.
    drop(postern.get("/api/v1/oauth/scope").bearer(&old).send().expect_status(401));
    let new = root(&postern);
    let closed = |token: &str| {
        let answer = read(&postern, token, "shop");
        assert!((500..600).contains(&answer.status), "{} {}", answer.status, answer.text());
        assert!(answer.json()["detail"].is_string() && !answer.text().contains("access-1"));
    };
    closed(&new);
    clock.advance(3_600 - 440);
    closed(&new);
    let report = postern.post("/api/v1/sweep").bearer(&new).send().expect_status(200).json();
    assert_eq!((&report["due"], &report["renewed"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(mock.count("/token"), 1);
    postern.restart_with(setup);
    assert_eq!(live(&postern, &old, "shop"), "access-1-of-the-mock-provider");
    clock.advance(600);
    assert_eq!(live(&postern, &old, "shop"), "access-2-of-the-mock-provider");
}
