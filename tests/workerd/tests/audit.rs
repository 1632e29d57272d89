//! The audit log in the real runtime: what is written down, for how long, and that a change and its row are stored
//! together or not at all.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;

use common::{CLIENT, Client, assert_kept_secret, client, client_at, client_of, root, sign_in, text, token};
use serde_json::{Value, json};
use workerd_tests::{APP_ENCRYPTION_KEY, Answer, Clock, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Request, Setup};

/// Where the log is read.
const AUDIT: &str = "/api/v1/oauth/audit";

/// The rows of the log, newest first.
#[track_caller]
fn log(postern: &Postern, root: &str) -> Vec<Value> {
    let page = postern.get(&format!("{AUDIT}?size=100")).bearer(root).send().expect_status(200).json();
    page["items"].as_array().cloned().unwrap_or_default()
}

/// A request from the address whose last number is 7, sent as root; the answer, and its id.
#[track_caller]
fn from_seven(request: Request, root: &str, status: u16) -> (Answer, Value) {
    let answer = request.bearer(root).from_address(7).send().expect_status(status);
    let id = json!(answer.header("X-Request-ID"));
    (answer, id)
}

/// C18: one row each for create, update, rotate, revoke, delete, for refusals and the root client's tokens, with actor,
/// target, scopes, the id that the answer had, and the address as the runtime sees it. It survives a crash.
#[test]
fn each_deed_is_written_down_with_its_request_and_address() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let body = json!({ "scopes": ["scope:read", "policy:read"] });
    let (created, create) = from_seven(postern.post(CLIENT).json(&body), &root, 200);
    let (id, secret) = (text(&created.json(), "client_id"), text(&created.json(), "client_secret"));
    let scopes = json!(["scope:read", "rule:read"]);
    let (_, update) = from_seven(postern.put(&client_at(&id, "/scope")).json(&scopes), &root, 200);
    let own = token(&postern, &id, &secret);
    let (_, lacking) = from_seven(postern.get(CLIENT), &own, 403);
    let (_, rotate) = from_seven(postern.post(&client_at(&id, "/secret")), &root, 200);
    let revoke = postern.post(&client_at(&id, "/secret")).json(&json!({ "revoke_tokens": true }));
    let (_, revoke) = from_seven(revoke.header("X-Request-ID", "chosen-by-the-caller"), &root, 200);
    assert_eq!(revoke, "chosen-by-the-caller");
    let (_, dead) = from_seven(postern.get("/api/v1/oauth/scope"), &own, 401);
    let failed = sign_in(&postern, &id, &secret).from_address(7).send().expect_status(401);
    let failed = json!(failed.header("X-Request-ID"));
    let (_, delete) = from_seven(postern.delete(&client_at(&id, "")), &root, 200);
    postern.kill_and_restart();

    let rows = log(&postern, &root);
    let mut ids: Vec<u64> = rows.iter().filter_map(|row| row["id"].as_u64()).collect();
    ids.reverse();
    assert!(ids.len() == rows.len() && ids.is_sorted_by(|a, b| a < b), "newest first: {ids:?}");
    let done = |action: &str, target: Value, [added, removed]: [&[&str]; 2], request: &Value| {
        json!([action, ROOT_CLIENT_ID, target, added, removed, request, "127.0.0.7", null, 1])
    };
    let denied = |reason: &str, request: &Value| json!(["denied", id, null, [], [], request, "127.0.0.7", reason, 1]);
    let expected = [
        done("client.delete", json!(id), [&[], &["scope:read", "rule:read"]], &delete),
        denied("authentication_failed", &failed),
        denied("token_unusable", &dead),
        done("client.revoke", json!(id), [&[], &[]], &revoke),
        done("client.rotate_secret", json!(id), [&[], &[]], &rotate),
        denied("insufficient_scope", &lacking),
        done("client.update", json!(id), [&["rule:read"], &["policy:read"]], &update),
        done("client.create", json!(id), [&["scope:read", "policy:read"], &[]], &create),
    ];
    let members =
        ["action", "actor", "target", "scopes_added", "scopes_removed", "request_id", "address", "reason", "count"];
    let found = |row: &Value| json!(members.map(|member| row[member].clone()));
    assert_eq!(rows.iter().take(expected.len()).map(found).collect::<Vec<_>>(), expected);
    let [.., first] = rows.as_slice() else { unreachable!("rows") };
    assert_eq!((&first["action"], &first["address"]), (&json!("root.token"), &json!("127.0.0.1")));
    assert_eq!(rows.len(), expected.len() + 1);
}

/// C18, B8: refusals of one kind are one row a minute, its count right to the power of two; only `audit:read` may read.
#[test]
fn a_client_gone_wild_does_not_fill_the_log() {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let wild = client(&postern, &root, &["scope:read"]);
    let own = token(&postern, &wild.id, &wild.secret);
    // All of them in one minute.
    clock.advance(60 - clock.now() % 60);
    for _ in 0..20 {
        drop(postern.get(AUDIT).bearer(&own).send().expect_status(403));
    }
    let denied = |rows: Vec<Value>| -> Vec<Value> {
        let denied = rows.into_iter().filter(|row| row["action"] == "denied" && row["actor"] == json!(wild.id));
        denied.map(|row| row["count"].clone()).collect()
    };
    assert_eq!(denied(log(&postern, &root)), [16]);
    clock.advance(60);
    drop(postern.get(AUDIT).bearer(&own).send().expect_status(403));
    assert_eq!(denied(log(&postern, &root)), [1, 16]);
}

/// R8: after its retention every row goes with the next cron tick, younger ones do not; nothing else grows either.
#[test]
fn the_log_is_pruned_to_its_retention() {
    let clock = Clock::new();
    let setup = Setup::new().set("AUDIT_RETENTION_DAYS", "2").set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60");
    let mut postern = Postern::start(setup.clock(&clock));
    let rows = |postern: &mut Postern| {
        postern.kill();
        let tables = ["api_client", "audit", "mark"];
        let count = |table| postern.registry_sql(&format!("SELECT count(*) FROM {table}"))[0][0].as_u64();
        let counts = tables.map(count).map(Option::unwrap_or_default);
        postern.kill_and_restart();
        counts
    };
    // The first request makes the tables.
    drop(postern.get("/ready").send().expect_status(200));
    let base = rows(&mut postern);
    assert_eq!(base, [0, 0, 0]);
    let root = root(&postern);
    let Client { id, secret } = client(&postern, &root, &["scope:read"]);
    let own = token(&postern, &id, &secret);
    let form = [("token", own.as_str())];
    drop(postern.post("/api/v1/oauth/revoke").basic(&id, &secret).form(&form).send().expect_status(200));
    for _ in 0..20 {
        drop(sign_in(&postern, &id, "wrong").send());
    }
    drop(postern.delete(&client_at(&id, "")).bearer(&root).send().expect_status(200));
    // Root token, create, revoke, wrong credentials, spent budget, delete; marks of the token and of the budget.
    assert_eq!(rows(&mut postern), [0, 6, 2]);
    clock.advance(86_400);
    drop(sign_in(&postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).send().expect_status(200));
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(rows(&mut postern), [0, 7, 0]);
    clock.advance(86_400 + 1);
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(rows(&mut postern), [0, 1, 0]);
    clock.advance(86_400);
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(rows(&mut postern), base);
    let pruned = common::sweeps(&postern).iter().map(|sweep| sweep["pruned"].clone()).collect::<Vec<_>>();
    assert_eq!(pruned, [2, 6, 1]);
}

/// L1, E8, C10: neither secret nor token stands in the log, in the database or in what is printed, not even those that
/// were mistaken for an id.
#[test]
fn the_log_and_the_database_hold_no_secret() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret: first } = client_of(&postern, &root, &json!({ "scopes": ["scope:read"], "name": "n" }));
    let answer = postern.post(&client_at(&id, "/secret")).bearer(&root).json(&json!({ "overlap_minutes": 5 })).send();
    let second = text(&answer.expect_status(200).json(), "client_secret");
    let own = token(&postern, &id, &second);
    let wrong = "a-wrong-secret-0123456789abcdefghij";
    for (id, secret) in [(id.as_str(), wrong), (wrong, &id), (ROOT_CLIENT_ID, wrong), (&second, &first)] {
        drop(sign_in(&postern, id, secret).send().expect_status(401));
    }
    drop(postern.get(AUDIT).bearer(&own).send().expect_status(403));
    drop(postern.get(&format!("{AUDIT}?access_token={own}")).send().expect_status(401));
    let form = [("token", own.as_str())];
    drop(postern.post("/api/v1/oauth/revoke").basic(&id, &second).form(&form).send().expect_status(200));
    let rows = json!(log(&postern, &root)).to_string();
    let secrets = [ROOT_CLIENT_SECRET, APP_ENCRYPTION_KEY, &first, &second, &own, &root, wrong];
    assert_eq!(common::leaked(rows.as_bytes(), &secrets), [""; 0]);
    assert_kept_secret(&mut postern, &id, &secrets);
}

/// What makes every new audit row fail: the second statement of a change.
const BREAK: &str = "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END";

/// Stops a Postern, has its database run a statement, starts it again.
fn operate(postern: &mut Postern, statement: &str) {
    postern.kill();
    let _ = postern.registry_sql(statement);
    postern.kill_and_restart();
}

/// C14, C18, T40: where the row cannot be stored, the change is not stored either, and the answer says so; nor does the
/// memory of the object believe in it. With the row, all of it works again.
#[test]
fn a_change_whose_row_cannot_be_stored_is_rolled_back() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret } = client(&postern, &root, &["scope:read"]);
    let own = token(&postern, &id, &secret);
    let state = |postern: &Postern| {
        let shown = postern.get(&client_at(&id, "")).bearer(&root).send().expect_status(200);
        let total = postern.get(CLIENT).bearer(&root).send().expect_status(200).json()["total"].clone();
        let used = postern.get("/api/v1/oauth/scope").bearer(&own).send().status;
        let signed_in = sign_in(postern, &id, &secret).send().status;
        (shown.json(), shown.header("ETag").map(str::to_owned), total, used, signed_in)
    };
    let before = state(&postern);
    assert_eq!((&before.2, before.3, before.4), (&json!(1), 200, 200));
    let rows = log(&postern, &root);
    let revoke = |postern: &Postern| {
        postern.post("/api/v1/oauth/revoke").basic(&id, &secret).form(&[("token", own.as_str())]).send()
    };
    operate(&mut postern, BREAK);
    for change in [
        postern.post(CLIENT).json(&json!({ "scopes": ["scope:read"] })),
        postern.put(&client_at(&id, "")).json(&json!({ "name": "lost", "scopes": [] })),
        postern.put(&client_at(&id, "/scope")).json(&json!([])),
        postern.post(&client_at(&id, "/secret")),
        postern.post(&client_at(&id, "/secret")).json(&json!({ "revoke_tokens": true })),
        postern.delete(&client_at(&id, "")),
    ] {
        let answer = change.bearer(&root).send().expect_status(503);
        assert!(answer.header("Retry-After").is_some() && !answer.text().contains("broken"), "{}", answer.text());
        assert_eq!(state(&postern), before);
    }
    assert_eq!(revoke(&postern).expect_status(503).json()["error"], "temporarily_unavailable");
    assert_eq!(state(&postern), before);
    // A token of the root client that cannot be written down is not given (T40).
    drop(sign_in(&postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).send().expect_status(503));
    postern.kill_and_restart();
    assert_eq!((state(&postern), log(&postern, &root)), (before, rows));

    operate(&mut postern, "DROP TRIGGER broken");
    drop(revoke(&postern).expect_status(200));
    drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(401));
    drop(postern.delete(&client_at(&id, "")).bearer(&root).send().expect_status(200));
    assert_eq!(log(&postern, &root)[0]["action"], "client.delete");
}
