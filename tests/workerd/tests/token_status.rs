//! What a token is worth (RFC 7662) and its early end (RFC 7009): on the next request, in another instance, after a
//! crash.

mod common;

use common::{Client, at, authorized, client, client_at, provider, root, token};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Postern, Request, Setup};

/// Where tokens are asked about.
const INTROSPECT: &str = "/api/v1/oauth/introspect";

/// Where tokens are given up.
const REVOKE: &str = "/api/v1/oauth/revoke";

/// What an introspection or revocation endpoint says to a client about a token.
fn about(endpoint: Request, client: &Client, token: &str) -> Answer {
    endpoint.basic(&client.id, &client.secret).form(&[("token", token)]).send()
}

/// What a client is told of a token.
#[track_caller]
fn status(postern: &Postern, client: &Client, token: &str) -> Value {
    about(postern.post(INTROSPECT), client, token).expect_status(200).json()
}

/// Gives a token up.
#[track_caller]
fn revoke(postern: &Postern, client: &Client, token: &str) {
    let answer = about(postern.post(REVOKE), client, token).expect_status(200);
    assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some("application/json"), "{}"));
}

/// A new client and its token.
#[track_caller]
fn client_with_token(postern: &Postern, root: &str, scopes: &[&str]) -> (Client, String) {
    let client = client(postern, root, scopes);
    let token = token(postern, &client.id, &client.secret);
    (client, token)
}

/// C15, C16, C17: a client learns about its own tokens, with `token:introspect` about all; nobody learns anything
/// without credentials, or of a token that is not ours.
#[test]
fn a_token_is_described_to_those_who_may_know() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let (owner, own) = client_with_token(&postern, &root, &["scope:read", "policy:read"]);
    let (stranger, _) = client_with_token(&postern, &root, &["scope:read"]);
    let (server, _) = client_with_token(&postern, &root, &["token:introspect"]);
    let inactive = json!({ "active": false });
    let described = status(&postern, &owner, &own);
    assert_eq!(status(&postern, &server, &own), described);
    assert_eq!(status(&postern, &stranger, &own), inactive);
    let expected = [("client_id", json!(owner.id)), ("sub", json!(owner.id)), ("iss", json!(postern.url()))];
    for (member, value) in expected.into_iter().chain([("active", json!(true)), ("token_type", json!("Bearer"))]) {
        assert_eq!(described[member], value, "{member}");
    }
    assert_eq!(described["scope"], "scope:read policy:read");
    assert_eq!(described["exp"].as_u64().zip(described["iat"].as_u64()).map(|(exp, iat)| exp - iat), Some(11_520 * 60));
    // One character of the payload, of the signature; nothing; nonsense; a token of another key.
    let (head, signature) = own.rsplit_once('.').unwrap_or_default();
    let payload = format!("{}A.{signature}", head.split_at(head.len() - 1).0);
    let foreign =
        common::root(&Postern::start(Setup::new().set("APP_ENCRYPTION_KEY", "another-key-of-the-tests-32bytes")));
    for bad in [payload.as_str(), &format!("{head}.{}", "A".repeat(86)), "x", "a.b.c", &foreign] {
        assert_eq!(status(&postern, &server, bad), inactive, "{bad}");
    }
    drop(postern.post(INTROSPECT).form(&[("token", &own)]).send().expect_status(401));
    drop(postern.post(INTROSPECT).bearer(&own).form(&[("token", &own)]).send().expect_status(401));
    drop(postern.post(INTROSPECT).basic(&owner.id, "wrong").form(&[("token", &own)]).send().expect_status(401));
    // What its client lost, it lost.
    let narrowed = postern.put(&client_at(&owner.id, "/scope")).bearer(&root).json(&json!(["policy:read"]));
    drop(narrowed.send().expect_status(200));
    assert_eq!(status(&postern, &owner, &own)["scope"], "policy:read");
    drop(postern.delete(&client_at(&owner.id, "")).bearer(&root).send().expect_status(200));
    assert_eq!(status(&postern, &server, &own), inactive);
}

/// R4, C15: revoked is revoked: at once, in another instance of the Worker, and after a crash; another token of the
/// same client lives on; who is not the owner revokes nothing.
#[test]
fn a_revoked_token_is_dead_everywhere_and_stays_so() {
    let mut postern = Postern::start(Setup::new().twin());
    let root = root(&postern);
    let (owner, doomed) = client_with_token(&postern, &root, &["scope:read"]);
    let spared = token(&postern, &owner.id, &owner.secret);
    let (stranger, _) = client_with_token(&postern, &root, &["scope:read", "token:introspect"]);
    let uses = |postern: &Postern| {
        [&doomed, &spared].map(|token| {
            let path = "/api/v1/oauth/scope";
            let both =
                [postern.get(path), postern.twin("GET", path)].map(|request| request.bearer(token).send().status);
            assert_eq!(both[0], both[1]);
            both[0]
        })
    };
    assert_eq!(uses(&postern), [200, 200]);
    let refused = about(postern.post(REVOKE), &stranger, &doomed).expect_status(400).json();
    assert_eq!(refused["error"], "unauthorized_client");
    drop(postern.post(REVOKE).form(&[("token", &doomed)]).send().expect_status(401));
    assert_eq!(uses(&postern), [200, 200]);
    revoke(&postern, &owner, &doomed);
    assert_eq!(uses(&postern), [401, 200]);
    let active = |postern: &Postern, token| status(postern, &stranger, token)["active"].clone();
    for _ in 0..2 {
        assert_eq!([active(&postern, &doomed), active(&postern, &spared)], [false, true]);
        postern.kill_and_restart();
        assert_eq!(uses(&postern), [401, 200]);
    }
    // Again, by the twin, and what never was one: as good as done (RFC 7009 §2.2).
    for nothing in [doomed.as_str(), "x"] {
        drop(about(postern.twin("POST", REVOKE), &owner, nothing).expect_status(200));
    }
    drop(about(postern.twin("POST", REVOKE), &owner, &spared).expect_status(200));
    assert_eq!(uses(&postern), [401, 401]);
}

/// A Postern and its twin with a connection, and a client that has just read its token in both.
fn stage(setup: Setup, clock: &Clock) -> (Postern, Client, String) {
    let mock = provider(|_, _| None);
    let postern = Postern::start(setup.clock(clock).twin());
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    let (reader, own) = client_with_token(&postern, &root, &["connection_token:read", "connection:read"]);
    assert_eq!(reads(&postern, &own), [200, 200]);
    (postern, reader, own)
}

/// What a read of the connection's token gets, from either instance.
fn reads(postern: &Postern, token: &str) -> [u16; 2] {
    let path = at("shop", "/access_token");
    [postern.get(&path), postern.twin("GET", &path)].map(|request| request.bearer(token).send().status)
}

/// R4: with no lag a revoked token reads nothing any more, in whichever isolate it was trusted a moment ago.
#[test]
fn without_a_lag_a_revoked_token_reads_nothing_at_once() {
    let clock = Clock::new();
    let (mut postern, reader, own) = stage(Setup::new().set("REVOCATION_LAG_SECONDS", "0"), &clock);
    revoke(&postern, &reader, &own);
    assert_eq!(reads(&postern, &own), [401, 401]);
    postern.kill_and_restart();
    assert_eq!(reads(&postern, &own), [401, 401]);
}

/// R4: with a lag, reads of a provider's token end when that is over, in each isolate; management routes at once.
#[test]
fn within_the_lag_a_revoked_token_may_still_read_and_afterwards_not() {
    let clock = Clock::new();
    let (postern, reader, own) = stage(Setup::new().set("REVOCATION_LAG_SECONDS", "60"), &clock);
    revoke(&postern, &reader, &own);
    drop(postern.get(&at("shop", "")).bearer(&own).send().expect_status(401));
    drop(postern.twin("GET", &at("shop", "")).bearer(&own).send().expect_status(401));
    // Proof that the isolates do remember: else the test above could not fail.
    assert_eq!(reads(&postern, &own), [200, 200]);
    clock.advance(60);
    assert_eq!(reads(&postern, &own), [401, 401]);
}

/// R8: the mark of a revoked token goes when the token has expired by every clock, and the token stays dead.
#[test]
fn a_revoked_token_is_forgotten_when_it_has_expired() {
    let clock = Clock::new();
    let mut postern = Postern::start(Setup::new().clock(&clock).set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "10"));
    let root = root(&postern);
    let (owner, doomed) = client_with_token(&postern, &root, &["scope:read"]);
    revoke(&postern, &owner, &doomed);
    let marks = |postern: &mut Postern| {
        assert_eq!(postern.fire_cron().status, 200);
        postern.kill();
        let rows = postern.registry_sql("SELECT count(*) FROM mark");
        postern.kill_and_restart();
        let used = postern.get("/api/v1/oauth/scope").bearer(&doomed).send().status;
        (rows[0][0].as_u64(), used)
    };
    // Its life and the tolerance for clocks, but for a few seconds.
    clock.advance(600 + 60 - 10);
    assert_eq!(marks(&mut postern), (Some(1), 401));
    clock.advance(10 + 1);
    assert_eq!(marks(&mut postern), (Some(0), 401));
}
