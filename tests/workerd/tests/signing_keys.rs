//! The schedule of the keys that sign access tokens, as everybody sees it while time passes.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::root;
use serde_json::{Value, json};
use workerd_tests::{Clock, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

/// Life of the tokens, in seconds.
const LIFE: i64 = 3_600;

/// The seed of the new key, in hexadecimal digits.
const SEED: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

/// A deployment whose tokens live for [`LIFE`], with this schedule.
fn setup(clock: &Clock, keys: &Value) -> Setup {
    let setup = Setup::new().set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60").clock(clock);
    setup.set("SIGNING_KEYS", &keys.to_string())
}

/// A key of a schedule.
fn key(seed: &str, publish_from: i64, sign_from: i64, retire_at: impl Into<Value>) -> Value {
    json!({ "seed": seed, "publish_from": publish_from, "sign_from": sign_from, "retire_at": retire_at.into() })
}

/// The names of the published keys.
#[track_caller]
fn published(postern: &Postern) -> Vec<String> {
    let answer = postern.get("/.well-known/jwks.json").send().expect_status(200);
    assert_eq!(answer.header("Cache-Control"), Some("public, max-age=300"));
    let keys = answer.json()["keys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| common::text(key, "kid")).collect()
}

/// The name of the key that signed a token.
fn signer(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).unwrap_or_default();
    common::text(&serde_json::from_slice(&header).unwrap_or_default(), "kid")
}

/// What a management route says to a token.
fn used(postern: &Postern, token: &str) -> u16 {
    postern.get("/api/v1/oauth/scope").bearer(token).send().status
}

/// J16: published ahead, signing from its moment on, the old key's tokens good to their end, then nothing; a token is
/// asked for before each step and used after it.
#[test]
fn a_new_key_takes_over_without_a_gap() {
    let clock = Clock::new();
    let begin = clock.now();
    let [publish, sign, retire] = [begin + 1_000, begin + 2_000, begin + 2_000 + LIFE + 60];
    let keys = json!([key("derived", 0, 0, retire), key(SEED, publish, sign, Value::Null)]);
    let mut postern = Postern::start(setup(&clock, &keys));
    let until = |moment: i64| clock.advance(moment - clock.now());
    let old = published(&postern);
    let [derived] = old.as_slice() else { unreachable!("one key") };
    until(publish - 10);
    assert_eq!(published(&postern), old);
    until(publish + 1);
    let both = published(&postern);
    let [.., fresh] = both.as_slice() else { unreachable!("two keys") };
    assert_eq!(both, [derived.clone(), fresh.clone()]);
    until(sign - 10);
    let by_old = root(&postern);
    assert_eq!(signer(&by_old), *derived);
    postern.kill_and_restart();
    until(sign + 1);
    let by_new = root(&postern);
    assert_eq!(signer(&by_new), *fresh);
    assert_eq!([&by_old, &by_new].map(|token| used(&postern, token)), [200, 200]);
    until(sign + LIFE - 20);
    let late = root(&postern);
    assert_eq!([&by_old, &by_new, &late].map(|token| used(&postern, token)), [200, 200, 200]);
    until(sign + LIFE + 2);
    assert_eq!([&by_old, &by_new, &late].map(|token| used(&postern, token)), [401, 401, 200]);
    until(retire + 1);
    assert_eq!(published(&postern), std::slice::from_ref(fresh));
    assert_eq!(used(&postern, &late), 200);
}

/// J16: a key that is struck off takes its tokens along, in isolates that have verified them too; one that is published
/// ahead is accepted before it signs, and not before it is published.
#[test]
fn only_published_keys_are_believed() {
    let clock = Clock::new();
    let now = clock.now();
    let only_new = json!([key(SEED, 0, 0, Value::Null)]);
    let mut postern = Postern::start(setup(&clock, &json!([key("derived", 0, 0, Value::Null)])));
    let by_old = root(&postern);
    assert_eq!(used(&postern, &by_old), 200);
    postern.restart_with(setup(&clock, &only_new));
    let by_new = root(&postern);
    assert_eq!([&by_old, &by_new].map(|token| used(&postern, token)), [401, 200]);
    for (publish_from, status) in [(now - 10, 200), (now + 1_000, 401)] {
        let keys = json!([key("derived", 0, 0, Value::Null), key(SEED, publish_from, now + 2_000, Value::Null)]);
        postern.restart_with(setup(&clock, &keys));
        assert_eq!([&by_old, &by_new].map(|token| used(&postern, token)), [200, status]);
    }
    // A key on its own that retires too early for new tokens: it signs none, and the old one, remembered or not, dies
    // with it.
    postern.restart_with(setup(&clock, &json!([key("derived", 0, 0, now + 600)])));
    drop(common::sign_in(&postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).send().expect_status(503));
    let ready = postern.get("/ready").send().expect_status(503).json();
    assert_eq!(ready["problems"][0]["setting"], "SIGNING_KEYS", "{ready}");
    assert_eq!((used(&postern, &by_old), published(&postern).len()), (200, 1));
    clock.advance(601);
    assert_eq!((used(&postern, &by_old), published(&postern).len()), (401, 0));
}

/// T41, L1: a schedule that would lose tokens, or is none, is named by `/ready` and closes the service; its seeds are
/// not told.
#[test]
fn a_bad_schedule_is_named_and_not_shown() {
    let clock = Clock::new();
    let now = clock.now();
    let too_early = json!([key("derived", 0, 0, now + LIFE - 1), key(SEED, 0, now, Value::Null)]);
    let mut bad: Vec<String> =
        [json!([]), json!({}), json!([key("short", 0, 0, Value::Null)]), too_early].map(|keys| keys.to_string()).into();
    bad.extend(["nonsense".to_owned(), format!("[{{\"seed\":\"{SEED}\"}}]")]);
    let mut postern = Postern::start(setup(&clock, &json!([key(SEED, 0, 0, Value::Null)])));
    drop(postern.get("/ready").send().expect_status(200));
    for keys in bad {
        postern.restart_with(Setup::new().set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60").set("SIGNING_KEYS", &keys));
        let ready = postern.get("/ready").send().expect_status(503);
        assert_eq!(ready.json()["problems"].as_array().map(Vec::len), Some(1), "{}", ready.text());
        assert_eq!(ready.json()["problems"][0]["setting"], "SIGNING_KEYS");
        assert!(!ready.text().contains(&SEED[..16]), "{}", ready.text());
        drop(common::sign_in(&postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).send().expect_status(503));
        drop(postern.get("/.well-known/jwks.json").send().expect_status(503));
    }
    postern.kill();
    assert!(!postern.log().contains(&SEED[..16]), "{}", postern.log());
}
