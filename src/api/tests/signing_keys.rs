//! The schedule of signing keys, seen from outside.

use serde_json::{Value, json};

use super::{Host, bare, form};

/// When the clock of these tests begins.
const START: u64 = 1_700_000_000;

/// A deployment with one key, from the start on and for an hour.
fn host_with_one_hour() -> Host {
    let keys = json!([{ "seed": "derived", "publish_from": 0, "sign_from": START, "retire_at": START + 3600 }]);
    Host::with(&[("SIGNING_KEYS", &keys.to_string()), ("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "60")])
}

/// J16: a token that was verified before and is remembered dies with its key all the same.
#[test]
fn a_remembered_token_dies_with_its_key() {
    let host = host_with_one_hour();
    let token = host.root_token();
    let status = || host.call(&token, "GET", "/oauth/scope", &Value::Null).status;
    assert_eq!(status(), 200);
    host.wait(3599);
    assert_eq!(status(), 200);
    host.wait(1);
    assert_eq!(status(), 401);
}

#[test]
fn without_a_key_that_signs_the_deployment_is_not_ready() {
    let host = host_with_one_hour();
    let request = "grant_type=client_credentials&client_id=root-id&client_secret=root-secret";
    let token = || host.send(&form("/api/v1/oauth/token", request));
    let ready = || host.send(&bare("GET", "/ready"));
    assert_eq!((token().status, ready().status), (200, 200));
    host.wait(3600);
    let refused = token();
    assert_eq!((refused.status, &refused.json()["error"]), (503, &json!("temporarily_unavailable")));
    assert!(refused.log.contains("no key of SIGNING_KEYS signs now"));
    let problems = json!([{ "setting": "SIGNING_KEYS", "problem": "has no key that signs now" }]);
    assert_eq!((ready().status, ready().json()), (503, json!({ "status": "unready", "problems": problems })));
}

/// J16: no token says that it lives longer than its key.
#[test]
fn no_token_says_that_it_lives_longer_than_its_key() {
    let keys = json!([{ "seed": "derived", "publish_from": 0, "sign_from": 0, "retire_at": START + 691_200 }]);
    let host = Host::with(&[("SIGNING_KEYS", &keys.to_string())]);
    let answer = host.send(&form(
        super::token_request::TOKEN,
        "grant_type=client_credentials&client_id=root-id&client_secret=root-secret",
    ));
    let (token, expires_in) = (answer.json()["access_token"].clone(), answer.json()["expires_in"].as_u64().unwrap());
    host.wait(expires_in - 1);
    assert_eq!(host.call(token.as_str().unwrap(), "GET", "/oauth/scope", &Value::Null).status, 200);
    assert_eq!(host.send(&form(super::token_request::TOKEN, super::token_request::GOOD)).status, 503);
}

/// C18: no row about a root token that was never issued.
#[test]
fn a_root_token_that_nobody_signs_is_not_written_down() {
    let keys = json!([{ "seed": "derived", "publish_from": 0, "sign_from": START + 60 }]);
    let host = Host::with(&[("SIGNING_KEYS", &keys.to_string())]);
    let answer = host.send(&form(
        super::token_request::TOKEN,
        "grant_type=client_credentials&client_id=root-id&client_secret=root-secret",
    ));
    assert_eq!((answer.status, host.memory.clients.rows().1), (503, 0));
}
