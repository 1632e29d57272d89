//! The routes of a connection beside its tokens, in the real runtime: test, revocation, definitions that were, filters.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "test: a failure is a failed test")]

mod common;

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use common::{
    CLIENT_CREDENTIALS, CODE_FLOW, assert_kept_secret, at, authorized, connect, live, provider, read, root, secrets,
};
use serde_json::{Value, json};
use workerd_tests::{Clock, Mock, MockAnswer, Postern, Setup};

/// The answer to a test of a connection.
#[track_caller]
fn test(postern: &Postern, root: &str, key: &str) -> (String, Value) {
    let answer = postern.get(&at(key, "/test")).bearer(root).send().expect_status(200).json();
    (answer["test_status"].as_str().unwrap().to_owned(), answer["failure_reason"].clone())
}

/// A provider whose API wants the token of this number.
fn with_api(token: usize) -> Mock {
    let wanted = format!("Bearer access-{token}-of-the-mock-provider");
    provider(move |request, _| {
        let is_api = matches!(request.path(), "/me" | "/.well-known/openid-configuration");
        let status = if request.header("Authorization") == Some(&wanted) { 200 } else { 401 };
        is_api.then(|| MockAnswer::json(status, &json!({ "echo": request.header("Authorization") })))
    })
}

/// L5, S15: the provider's API is really called with the live token, renewed first; what is found is kept; a
/// provider's words are not repeated.
#[test]
fn a_test_calls_the_api_with_a_live_token() {
    let (mock, clock) = (with_api(3), Clock::new());
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root_token = root(&postern);
    authorized(&postern, &root_token, "shop", &mock);
    // The first token is not the one that the API wants.
    let reason = json!("Client call failed with status code '401'");
    assert_eq!(test(&postern, &root_token, "shop"), ("failed".to_owned(), reason));
    assert_eq!(live(&postern, &root_token, "shop"), "access-1-of-the-mock-provider");
    clock.advance(3_600);
    let root_token = root(&postern);
    assert_eq!(test(&postern, &root_token, "shop"), ("succeeded".to_owned(), Value::Null));
    postern.kill_and_restart();
    let shown = postern.get(&at("shop", "")).bearer(&root_token).send().expect_status(200).json();
    assert_eq!((&shown["last_test_succeeded"], shown["last_test_timestamp"].is_string()), (&json!(true), true));
    assert_eq!(live(&postern, &root_token, "shop"), "access-3-of-the-mock-provider");
    // Nobody listens there.
    connect(&postern, &root_token, "gone", CLIENT_CREDENTIALS, &secrets("127.0.0.1:9"));
    let reason = json!("Operational Error connecting to 'gone': The provider of gone cannot be reached.");
    assert_eq!(test(&postern, &root_token, "gone"), ("failed".to_owned(), reason));
    assert_kept_secret(&mut postern, "shop", &["of-the-mock-provider", "saassecret"]);
}

/// Secrets are tested as they are saved.
#[test]
fn new_secrets_are_tested() {
    let mock = with_api(1);
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CLIENT_CREDENTIALS, &secrets(&mock.url()));
    let put = |query: &str| {
        let request = postern.put(&at("shop", &format!("/secret{query}"))).bearer(&root).json(&secrets(&mock.url()));
        request.send().expect_status(200).json()["test_status"].clone()
    };
    assert_eq!((put("?verify=false"), mock.requests().len()), (Value::Null, 0));
    assert_eq!((put(""), mock.count("/token")), (json!("succeeded"), 1));
}

/// RFC 7009, R6: the provider revokes once, whoever asks; meanwhile nobody gets a token, and afterwards neither, also
/// when the object starts again.
#[test]
fn a_revoked_grant_is_gone_here_and_there() {
    let ((asked, reached), (go_on, gate)) = (mpsc::channel(), mpsc::channel::<()>());
    let both = Mutex::new((asked, gate));
    let mock = provider(move |request, _| {
        request.target.starts_with("/token/revocation").then(|| {
            let (asked, gate) = &*both.lock().unwrap();
            asked.send(()).unwrap();
            let _ = gate.recv();
            MockAnswer::json(200, &json!({}))
        })
    });
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    let revoke = || postern.post(&at("shop", "/revoke")).bearer(&root).send().expect_status(200).json();
    let told = json!({ "revoked_at_provider": true, "reason": null });
    thread::scope(|scope| {
        let first = scope.spawn(revoke);
        reached.recv().unwrap();
        let (second, reader) = (scope.spawn(revoke), scope.spawn(|| read(&postern, &root, "shop")));
        // Others are not kept waiting.
        drop(postern.get(&at("shop", "")).bearer(&root).send().expect_status(200));
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap(), told);
        assert!(matches!(second.join().unwrap()["revoked_at_provider"], Value::Bool(true) | Value::Null));
        drop(reader.join().unwrap().expect_status(409));
    });
    let asked: Vec<_> = mock.requests().into_iter().filter(|request| request.target.contains("revocation")).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].field("token").as_deref(), Some("refresh-1-of-the-mock-provider"));
    postern.kill_and_restart();
    drop(read(&postern, &root, "shop").expect_status(409));
    assert_kept_secret(&mut postern, "shop", &["of-the-mock-provider", "saassecret"]);
}

/// A deletion revokes too; that the provider would not is said in the log, in words of ours.
#[test]
fn a_deletion_revokes_at_the_provider() {
    let refuses = |request: &workerd_tests::MockRequest| request.target.contains("revocation");
    let mock = provider(move |request, _| refuses(request).then(|| MockAnswer::json(503, &json!("leak-of-provider"))));
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(204));
    drop(read(&postern, &root, "shop").expect_status(404));
    postern.kill();
    let log = postern.log();
    assert!(
        log.contains("tokens are not revoked at the provider: The provider of shop answered with status code '503'.")
    );
    assert!(!log.contains("leak-of-provider") && !log.contains("of-the-mock-provider"), "{log}");
}

/// Definitions are checked without being stored, remembered for a while, and can go.
#[test]
fn definitions_are_checked_remembered_and_deleted() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let item = json!([{ "key": "shop", "connection_type": "saas", "access": "read" }]);
    drop(postern.patch("/api/v1/connection").bearer(&root).json(&item).send().expect_status(200));
    let history = |postern: &Postern, tail: &str, status: u16| {
        let path = at("shop", &format!("/saas-history{tail}"));
        postern.get(&path).bearer(&root).send().expect_status(status).json()
    };
    assert_eq!(history(&postern, "", 200), json!([]));
    let validate = postern.put(&at("nobody", "/validate_saas_config")).bearer(&root);
    let checked = validate.body("application/yaml", CODE_FLOW).send().expect_status(200).json();
    assert_eq!(checked["validation_details"]["msg"], "Validation successful");
    for number in 0..52 {
        let definition = CODE_FLOW.replace("version: 0.1.0", &format!("version: v{number}"));
        let put = postern.patch(&at("shop", "/saas_config")).bearer(&root).body("application/yaml", definition);
        drop(put.send().expect_status(200));
    }
    postern.kill_and_restart();
    let list = history(&postern, "", 200);
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["version"], &list[49]["version"]),
        (50, &json!("v51"), &json!("v2"))
    );
    let shown = postern.get(&at("shop", "/saas_config")).bearer(&root).send().expect_status(200).json();
    let newest = history(&postern, "/v51", 200);
    assert_eq!((&newest["config"], &newest["id"]), (&shown, &list[0]["id"]));
    drop(history(&postern, "/v1", 404));
    drop(postern.delete(&at("shop", "/saas_config")).bearer(&root).send().expect_status(204));
    drop(postern.get(&at("shop", "/saas_config")).bearer(&root).send().expect_status(404));
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(204));
    drop(history(&postern, "", 404));
}

/// The filters of the database are those of the tests in memory.
#[test]
fn the_list_can_be_filtered() {
    let mock = with_api(1);
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    for (key, name, disabled) in [("a", "Alpha 100%", false), ("b", "Beta_É", true), ("c", "Gamma 'x' \" --", false)] {
        connect(&postern, &root, key, if key == "c" { CODE_FLOW } else { CLIENT_CREDENTIALS }, &secrets(&mock.url()));
        let item = json!([{ "key": key, "name": name, "disabled": disabled, "description": format!("About {key}"),
            "connection_type": "saas", "access": "read" }]);
        drop(postern.patch("/api/v1/connection").bearer(&root).json(&item).send().expect_status(200));
    }
    assert_eq!(
        (test(&postern, &root, "a").0, test(&postern, &root, "b").0),
        ("succeeded".to_owned(), "failed".to_owned())
    );
    for (query, expected) in [
        ("", "abc"),
        ("search=ALPHA", "a"),
        ("search=about", "abc"),
        ("search=%25", "a"),
        ("search=_", "b"),
        ("search=%C3%89", "b"),
        ("search=%27x%27", "c"),
        ("search=%22%20--", "c"),
        ("search=%27%20OR%201%3D1%20--", ""),
        ("disabled=true", "b"),
        ("disabled=false", "ac"),
        ("test_status=passed", "a"),
        ("test_status=failed", "b"),
        ("test_status=untested", "c"),
        ("connection_type=saas", "abc"),
        ("connection_type=local_service", "ab"),
        ("connection_type=local_service&connection_type=postgres", "ab"),
        ("connection_type=postgres", ""),
        ("connection_type=%22%5D%2C%5B%22", ""),
        ("system_type=manual", ""),
        ("orphaned_from_system=false", ""),
        ("search=about&disabled=false&test_status=passed&connection_type=local_service", "a"),
        ("disabled=false&size=1&page=2", "c"),
    ] {
        let list = postern.get(&format!("/api/v1/connection?{query}")).bearer(&root).send().expect_status(200).json();
        let items = list["items"].as_array().unwrap().iter();
        let keys: String = items.map(|item| item["key"].as_str().unwrap()).collect();
        assert_eq!(keys, expected, "{query}: {list}");
        let total = if query.contains("page=2") { 2 } else { expected.len() };
        assert_eq!(list["total"], total, "{query}");
    }
}
