//! A rotation of the application key in the real runtime: restarts with other keys over the same state.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;

use common::{
    CLIENT_CREDENTIALS, authorize, authorized, call_back, connect, live, parameter, provider, read, root, secrets,
    sweeps,
};
use serde_json::{Value, json};
use workerd_tests::{APP_ENCRYPTION_KEY, Clock, Mock, Postern, Setup};

/// The key after the rotation.
const NEW: &str = "another-application-key-32-bytes";

/// A deployment with the new key, and the old one beside it or not.
fn rotated(clock: &Clock, with_previous: bool) -> Setup {
    let setup = Setup::new().clock(clock).set("APP_ENCRYPTION_KEY", NEW);
    let previous = json!([APP_ENCRYPTION_KEY]).to_string();
    if with_previous { setup.set("APP_ENCRYPTION_KEYS_PREVIOUS", &previous) } else { setup }
}

/// A Postern with the old key and three connections: `shop` was authorized by a person, `service` by itself, and a
/// person is on the way back to `begun`, with this state.
fn start(clock: &Clock, mock: &Mock) -> (Postern, String, String) {
    let postern = Postern::start(Setup::new().clock(clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", mock);
    connect(&postern, &root, "service", CLIENT_CREDENTIALS, &secrets(&mock.url()));
    assert_eq!(live(&postern, &root, "service"), "access-2-of-the-mock-provider");
    connect(&postern, &root, "begun", common::CODE_FLOW, &secrets(&mock.url()));
    let state = parameter(&authorize(&postern, &root, "begun"), "state");
    (postern, root, state)
}

/// The ids of the keys that a connection's envelopes are sealed with, and how many there are. The Postern is dead.
fn sealed_with(postern: &Postern, key: &str) -> (Vec<String>, usize) {
    let rows = postern.sql("Connection", key, "SELECT group_concat(body) FROM record");
    let stored = rows[0][0].as_str().unwrap_or_default();
    let mut ids: Vec<String> = stored.split("\"v1.").skip(1).map(|envelope| envelope[..8].to_owned()).collect();
    let count = ids.len();
    ids.dedup();
    (ids, count)
}

/// Status and document of `/ready`.
fn ready(postern: &Postern) -> (u16, Value) {
    let ready = postern.get("/ready").send();
    (ready.status, ready.json())
}

/// `/ready` of a deployment that works, with so many connections left.
fn ready_with(left: u32) -> (u16, Value) {
    (200, json!({ "status": "ready", "sealed_with_another_key": left }))
}

/// The counters of the last sweep of the log: sealed anew, not, left. The Postern is dead.
fn last_sweep(postern: &Postern) -> [Value; 3] {
    let report = sweeps(postern).pop().unwrap_or_default();
    ["resealed", "not_resealed", "sealed_with_another_key"].map(|name| report[name].clone())
}

/// E5: from one key to the other without a gap: nothing is lost, nobody is asked anew, and the old key is needed
/// nowhere.
#[test]
fn a_rotation_moves_every_secret_to_the_new_key() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let (mut postern, old_root, state) = start(&clock, &mock);
    assert_eq!(ready(&postern), (200, json!({ "status": "ready" })));
    postern.kill();
    let (old, count) = sealed_with(&postern, "shop");
    assert_eq!((old.len(), count), (1, 3), "secrets and two tokens, one key");

    postern.restart_with(rotated(&clock, true));
    assert_eq!(ready(&postern), ready_with(3));
    let tokens = |postern: &Postern, root: &str| ["shop", "service"].map(|key| live(postern, root, key));
    let expected = ["access-1-of-the-mock-provider", "access-2-of-the-mock-provider"];
    assert_eq!(tokens(&postern, &old_root), expected);
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(ready(&postern), ready_with(0));
    assert_eq!(tokens(&postern, &old_root), expected);
    assert_eq!(mock.count("/token"), 2);
    postern.kill();
    assert_eq!(last_sweep(&postern), [3, 0, 0]);
    let mut new = Vec::new();
    for (key, count) in [("shop", 3), ("service", 3), ("begun", 2)] {
        let (ids, found) = sealed_with(&postern, key);
        assert!(found == count && ids.len() == 1 && ids != old, "{key}: {ids:?}, {found}");
        new = ids;
    }
    assert_eq!(postern.sql("Directory", "directory", "SELECT DISTINCT sealed_with FROM connection"), json!([new]));

    // A second tick has nothing to do; the person comes back.
    postern.restart_with(rotated(&clock, true));
    assert_eq!(postern.fire_cron().status, 200);
    drop(call_back(&postern, &state, "code-of-the-mock-provider").expect_status(200));
    postern.restart_with(rotated(&clock, false));
    assert_eq!(last_sweep(&postern), [0, 0, 0]);
    assert_eq!(ready(&postern), (200, json!({ "status": "ready" })));
    drop(postern.get("/api/v1/oauth/scope").bearer(&old_root).send().expect_status(401));
    let root = root(&postern);
    assert_eq!(tokens(&postern, &root), expected);
    assert_eq!(live(&postern, &root, "begun"), "access-3-of-the-mock-provider");
    // The refresh token came through as well.
    clock.advance(3_700);
    assert_eq!(live(&postern, &root, "shop"), "access-4-of-the-mock-provider");
    let last = mock.requests().pop().and_then(|request| request.field("refresh_token"));
    assert_eq!(last.as_deref(), Some("refresh-1-of-the-mock-provider"));
}

/// E5: red at once, with the name of the key; nothing is answered, nothing is lost.
#[test]
fn a_key_that_is_removed_too_early_is_named_and_can_be_put_back() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let (mut postern, _, _) = start(&clock, &mock);
    postern.kill();
    let (old, _) = sealed_with(&postern, "shop");
    postern.restart_with(rotated(&clock, false));
    let problem = format!("lacks the key {}; connections that need it: 3", old[0]);
    let problems = json!([{ "setting": "APP_ENCRYPTION_KEYS_PREVIOUS", "problem": problem }]);
    let red = json!({ "status": "unready", "problems": problems, "sealed_with_another_key": 3 });
    assert_eq!(ready(&postern), (503, red));
    let root = root(&postern);
    let refused = read(&postern, &root, "shop").expect_status(503);
    assert!(!refused.text().contains("access-1") && !refused.text().contains(&old[0]), "{}", refused.text());
    drop(postern.fire_cron());
    assert_eq!(ready(&postern).0, 503);
    postern.kill();
    assert_eq!(last_sweep(&postern), [0, 3, 3]);
    let log = postern.log();
    assert!(log.contains(&format!("the key {} is missing", old[0])), "{log}");
    assert_eq!(sweeps(&postern).pop().unwrap_or_default()["missing_keys"], json!(old));

    postern.restart_with(rotated(&clock, true));
    assert_eq!(ready(&postern), ready_with(3));
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(ready(&postern), ready_with(0));
    assert_eq!(live(&postern, &root, "service"), "access-2-of-the-mock-provider");

    // And all the way back. (Of two ids one is the greater: both are looked for now.)
    let previous = json!([NEW]).to_string();
    postern.restart_with(Setup::new().clock(&clock).set("APP_ENCRYPTION_KEYS_PREVIOUS", &previous));
    assert_eq!(ready(&postern), ready_with(3));
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(ready(&postern), ready_with(0));
    postern.kill();
    assert_eq!(sealed_with(&postern, "shop"), (old, 3));
}

/// E5: state of a version whose directory did not know what connections are sealed with: nothing is missed.
#[test]
fn a_directory_of_an_earlier_version_is_brought_up_to_date() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let (mut postern, root, _) = start(&clock, &mock);
    postern.kill();
    let statements = "DROP INDEX connection_sealed_with; ALTER TABLE connection DROP COLUMN sealed_with;
        SELECT count(*) FROM connection";
    assert_eq!(postern.sql("Directory", "directory", statements), json!([[3]]));
    postern.restart_with(rotated(&clock, true));
    assert_eq!(ready(&postern), ready_with(3));
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!(list["total"], 3);
    assert_eq!(postern.fire_cron().status, 200);
    assert_eq!(ready(&postern), ready_with(0));
    postern.restart_with(rotated(&clock, false));
    assert_eq!(last_sweep(&postern), [3, 0, 0]);
    assert_eq!(ready(&postern).0, 200);
}
