//! `GET /connection/{connection_key}/test`: one call of the provider's API, and what is said and kept of it.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    stage::{CODE_FLOW, DUE, ProviderAnswer, SERVICE, answer, parameter, refusal, tokens},
};
use crate::{
    api::Body,
    ports::{ProviderFailure, ProviderRequest},
};

/// What is said of every test.
const MSG: &str = "Test completed for ConnectionConfig with key: shop.";

/// Tests the connection.
fn test(host: &Host) -> Answered {
    host.as_root("GET", "/connection/shop/test", &Value::Null)
}

/// A request of root for `shop`.
fn root(host: &Host, method: &str, tail: &str, body: &Value) -> http::Request<Body> {
    authorized(method, &format!("/api/v1/connection/shop{tail}"), &host.root(), body)
}

/// The answer to a test.
fn found(status: &str, reason: &Value) -> (u16, Value) {
    (200, json!({ "msg": MSG, "test_status": status, "failure_reason": reason }))
}

/// What is kept of the last test.
fn kept(host: &Host) -> (Value, Value) {
    let mut view = host.view("shop");
    (view["last_test_timestamp"].take(), view["last_test_succeeded"].take())
}

/// A header field of a request to the provider.
fn header<'a>(sent: &'a ProviderRequest, name: &str) -> &'a str {
    sent.headers.iter().find(|(own, _)| own.as_str() == name).map_or("", |(_, value)| value.expose())
}

/// Whether a request calls the API.
fn calls_api(sent: &ProviderRequest) -> bool {
    sent.url.path().starts_with("/api/")
}

/// An authorized connection whose provider gives the second pair of tokens, and this answer of its API.
fn with_api(api: impl Fn() -> ProviderAnswer + 'static) -> Host {
    let host = Host::new().with_authorized("shop");
    host.memory.provider(move |sent| if calls_api(sent) { api() } else { answer(200, &tokens(2)) });
    host
}

/// The definition's request, with the live token; the result is kept and shown, in the list too.
#[test]
fn a_test_calls_the_api_with_the_live_token() {
    let host = with_api(|| answer(200, &json!([])));
    assert_eq!(kept(&host), (Value::Null, Value::Null));
    host.wait(60);
    let answered = test(&host);
    assert_eq!((answered.status, answered.json()), found("succeeded", &Value::Null));
    let sent = host.memory.sent().last().unwrap().clone();
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("GET", "https://api.query-provider.example/api/v2/roles?limit=1")
    );
    assert_eq!(header(&sent, "authorization"), "Bearer canary-at-1");
    assert_eq!((kept(&host), host.requests()), ((json!("2023-11-14T22:14:20Z"), json!(true)), 2));
    let listed = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(listed["items"][0]["last_test_succeeded"], true);
    host.memory.restart();
    assert_eq!(kept(&host).1, true);
    assert_eq!(host.view("shop")["updated_at"], "2023-11-14T22:13:20Z");
}

/// L5, S15: what a provider says or where it hides is not repeated: its status, or the kind of its failure, is.
#[test]
fn a_failed_test_is_told_with_words_of_ours() {
    let client = |status: u16| format!("Client call failed with status code '{status}'");
    let operational = |text: &str| format!("Operational Error connecting to 'shop': {text}");
    let cases: [(ProviderAnswer, String); 8] = [
        (refusal(401, "invalid_token"), client(401)),
        (refusal(403, "canary"), client(403)),
        (answer(302, &json!("https://canary.example")), client(302)),
        (answer(429, &json!({ "error": "canary-at-1" })), client(429)),
        (answer(500, &json!("canary-at-1")), client(500)),
        (Err(ProviderFailure::Unreachable), operational("The provider of shop cannot be reached.")),
        (Err(ProviderFailure::TimedOut), operational("The provider of shop did not answer in time.")),
        (Err(ProviderFailure::TooLarge(503)), client(503)),
    ];
    for (api, reason) in cases {
        let host = with_api(move || api.clone());
        let answered = test(&host);
        assert_eq!((answered.status, answered.json()), found("failed", &json!(reason)));
        assert!(!answered.text().contains("canary"), "{answered:?}");
        assert_eq!(kept(&host).1, false);
        // A 401 of the API takes no token away, and the next test may succeed.
        assert_eq!((host.live("shop"), host.view("shop")["authorized"] == true), ((200, "canary-at-1".into()), true));
        host.memory.provider(|_| answer(204, &Value::Null));
        assert_eq!((test(&host).json()["test_status"] == "succeeded", kept(&host).1), (true, json!(true)));
    }
}

/// An API that answers more than we read has answered: its status counts.
#[test]
fn a_long_answer_is_an_answer() {
    let host = with_api(|| Err(ProviderFailure::TooLarge(200)));
    assert_eq!((test(&host).json()["test_status"] == "succeeded", kept(&host).1), (true, json!(true)));
}

/// Errors that the definition says to ignore are none.
#[test]
fn ignored_errors_are_no_failures() {
    for (ignored, status, expected) in [
        ("true", 404, "succeeded"),
        ("true", 302, "failed"),
        ("[404, 410]", 410, "succeeded"),
        ("[404, 410]", 401, "failed"),
        ("false", 404, "failed"),
    ] {
        let host = with_api(move || answer(status, &json!({})));
        let definition =
            CODE_FLOW.replace("  test_request:\n", &format!("  test_request:\n    ignore_errors: {ignored}\n"));
        assert_eq!(host.define("shop", &definition).status, 200);
        assert_eq!(test(&host).json()["test_status"], expected, "{ignored} {status}");
    }
}

/// An expired token is renewed first, once for a reader and a tester at the same time.
#[test]
fn a_test_and_a_read_share_one_renewal() {
    let host = with_api(|| answer(200, &json!([])));
    host.wait(3_600);
    let answers = host.send_all(&[host.reading("shop"), root(&host, "GET", "/test", &Value::Null)]);
    assert_eq!((answers[0].status, answers[1].json()["test_status"] == "succeeded"), (200, true));
    let sent = host.memory.sent();
    assert_eq!(sent.iter().filter(|sent| parameter(sent, "grant_type") == "refresh_token").count(), 1);
    assert_eq!(header(sent.last().unwrap(), "authorization"), "Bearer canary-at-2");
}

/// K18: a token that cannot be renewed makes the test fail; the connection is as it is for whoever reads the token.
#[test]
fn a_test_without_a_live_token_fails() {
    for (provider, reason) in [
        (refusal(400, "invalid_grant"), "needs authorization: see GET /api/v1/connection/shop/authorize"),
        (refusal(400, "invalid_client"), "refused to give a token (invalid_client)."),
        (Err(ProviderFailure::Unreachable), "cannot be reached."),
    ] {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([provider]);
        host.wait(3_600);
        let answered = test(&host).json();
        let text = answered["failure_reason"].as_str().unwrap();
        assert!(answered["test_status"] == "failed" && text.ends_with(reason), "{text}");
        assert!(text.starts_with("Operational Error connecting to 'shop': The "), "{text}");
        assert_eq!((kept(&host).1, host.requests()), (json!(false), 2));
        // Backing off, or waiting for a person: the provider is left alone.
        assert_eq!((test(&host).json()["test_status"] == "failed", host.requests()), (true, 2));
    }
}

/// What cannot be tested is skipped, and nothing is noted or asked.
#[test]
fn what_cannot_be_tested_is_skipped() {
    let host = Host::new();
    assert_eq!(test(&host).detail().0, 404);
    host.save("shop");
    let skipped = |host: &Host, reason: &str| {
        let answered = test(host);
        assert_eq!((answered.status, answered.json()), found("skipped", &json!(reason)));
        assert_eq!((kept(host), host.requests()), ((Value::Null, Value::Null), 0));
    };
    skipped(&host, "The connection config does not contain a SaaS config.");
    let overridden =
        CODE_FLOW.replace("    method: GET\n    path: /api/v2/roles?limit=1\n", "    request_override: code\n");
    assert_eq!(host.define("shop", &overridden).status, 200);
    skipped(&host, "No request can be made for shop: The connector has no request for the action 'test'.");
    let host = Host::new().with_code_flow("shop");
    skipped(&host, "The connection shop needs authorization: see GET /api/v1/connection/shop/authorize");
}

/// Without its secrets a connection cannot be tested either, but that is a failure; the provider is not asked in vain.
#[test]
fn a_test_without_secrets_fails() {
    let host = Host::new();
    host.save("shop");
    assert_eq!(host.define("shop", SERVICE).status, 200);
    let reason =
        "Operational Error connecting to 'shop': Missing required secret(s) 'client_id, client_secret' for shop";
    let answered = test(&host);
    assert_eq!((answered.status, answered.json()), found("failed", &json!(reason)));
    assert_eq!((kept(&host).1, host.requests()), (json!(false), 0));
    assert!(!host.memory.state().contains("retry_at\":1"));
}

/// Connections without OAuth are tested with the secrets themselves.
#[test]
fn strategies_without_tokens_are_tested_too() {
    let start = SERVICE.find("      strategy:").unwrap();
    let end = SERVICE.find("  test_request:").unwrap();
    for (strategy, configuration, expected) in [
        ("basic", "username: <client_id>\n        password: <client_secret>", "Basic YWNtZTpjYW5hcnk="),
        ("bearer", "token: <client_secret>", "Bearer canary"),
        ("api_key", "headers:\n          - name: Authorization\n            value: Key <client_secret>", "Key canary"),
    ] {
        let strategy = format!("      strategy: {strategy}\n      configuration:\n        {configuration}\n\n");
        let host = Host::new();
        host.save("shop");
        let definition = format!("{}{strategy}{}", &SERVICE[..start], &SERVICE[end..]);
        assert_eq!(host.define("shop", &definition).status, 200);
        let secrets = json!({ "domain": "acme.json-provider.example", "client_id": "acme", "client_secret": "canary" });
        assert_eq!(host.put_secrets("shop", &secrets).status, 200);
        host.provider_answers([answer(200, &json!([]))]);
        assert_eq!(test(&host).json()["test_status"], "succeeded");
        let sent = host.memory.sent().last().unwrap().clone();
        assert_eq!(header(&sent, "authorization"), expected);
        assert_eq!(sent.url.as_str(), "https://acme.json-provider.example/api/v2/users?per_page=1");
    }
}

/// `param_values` of the test give a parameter a second name.
#[test]
fn a_test_may_use_other_names_for_parameters() {
    let host = with_api(|| answer(200, &json!([])));
    let named = "    path: /api/v2/<who>\n    param_values:\n      - name: who\n        connector_param: client_id\n";
    let definition = CODE_FLOW.replace("    path: /api/v2/roles?limit=1\n", named);
    assert_eq!((host.define("shop", &definition).status, test(&host).status), (200, 200));
    assert_eq!(host.memory.sent().last().unwrap().url.path(), "/api/v2/shop-client");
}

/// Deleted, or given other secrets or another definition, while the API is asked: the result belongs to nobody.
#[test]
fn a_result_that_was_overtaken_is_not_noted() {
    let secrets =
        json!({ "client_id": "new", "client_secret": "canary-new", "redirect_uri": "https://postern.example/cb" });
    let host = with_api(|| answer(200, &json!([])));
    let answers = host
        .send_all(&[root(&host, "GET", "/test", &Value::Null), root(&host, "PUT", "/secret?verify=false", &secrets)]);
    assert_eq!((answers[0].json()["test_status"] == "succeeded", answers[1].status), (true, 200));
    assert_eq!(kept(&host), (Value::Null, Value::Null));

    let host = with_api(|| answer(200, &json!([])));
    let mut document = host.as_root("GET", "/connection/shop/saas_config", &Value::Null).json();
    document["version"] = "9.0.0".into();
    let answers =
        host.send_all(&[root(&host, "GET", "/test", &Value::Null), root(&host, "PATCH", "/saas_config", &document)]);
    assert_eq!((answers[0].status, answers[1].status, kept(&host).1), (200, 200, Value::Null));

    let host = with_api(|| answer(200, &json!([])));
    let answers = host.send_all(&[root(&host, "GET", "/test", &Value::Null), root(&host, "DELETE", "", &Value::Null)]);
    assert_eq!((answers[0].status, answers[1].status), (404, 204));
    assert!(!host.memory.state().contains("last_test\":{"));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
}

/// A token renewed while the API is asked stays, and the result with it.
#[test]
fn a_renewal_during_a_test_loses_nothing() {
    let host = with_api(|| answer(200, &json!([])));
    host.memory.slow_down(calls_api);
    host.wait(DUE);
    let answers = host.send_all(&[root(&host, "GET", "/test", &Value::Null), host.reading("shop")]);
    assert_eq!((answers[0].json()["test_status"] == "succeeded", answers[1].status), (true, 200));
    host.run_behind();
    assert_eq!((host.live("shop"), kept(&host).1), ((200, "canary-at-2".to_owned()), json!(true)));
    host.memory.restart();
    assert_eq!((host.live("shop"), kept(&host).1), ((200, "canary-at-2".to_owned()), json!(true)));
}

/// Storage that breaks after the call: an error, and what was kept before is still there.
#[test]
fn a_result_that_cannot_be_stored_is_an_error() {
    let host = with_api(|| answer(200, &json!([])));
    let before = host.memory.state();
    host.memory.faults().break_records_after(0);
    assert_eq!(test(&host).status, 503);
    host.memory.faults().mend_records();
    assert_eq!(host.memory.state(), before);
    assert_eq!(test(&host).json()["test_status"], "succeeded");
}
