//! `verify` of the secret route: whether the connection is tested with the secrets that were just stored.

use serde_json::{Value, json};

use super::{
    Answered, Host,
    stage::{ProviderAnswer, SERVICE, answer, refusal, service_secrets, tokens},
};
use crate::ports::ProviderFailure;

/// Puts or patches good secrets.
fn put(host: &Host, method: &str, query: &str) -> Answered {
    host.as_root(method, &format!("/connection/shop/secret{query}"), &service_secrets("canary-client-secret"))
}

/// A service without secrets, whose provider answers this to requests for a token, and to others.
fn service(token: ProviderAnswer, api: ProviderAnswer) -> Host {
    let host = Host::new();
    host.save("shop");
    assert_eq!(host.define("shop", SERVICE).status, 200);
    let provider = move |path: &str| if path == "/oauth/token" { token.clone() } else { api.clone() };
    host.memory.provider(move |sent| provider(sent.url.path()));
    host
}

/// By default the connection is tested; a test that fails is an answer, and the secrets are stored.
#[test]
fn new_secrets_are_tested_and_stored_whatever_comes_of_it() {
    let good = || answer(200, &tokens(1));
    for (token, api, status, reason) in [
        (good(), answer(200, &json!([])), "succeeded", Value::Null),
        (good(), refusal(401, "invalid_token"), "failed", json!("Client call failed with status code '401'")),
        (
            refusal(401, "invalid_client"),
            good(),
            "failed",
            json!(
                "Operational Error connecting to 'shop': The provider of shop refused to give a token (invalid_client)."
            ),
        ),
        (
            Err(ProviderFailure::TimedOut),
            good(),
            "failed",
            json!("Operational Error connecting to 'shop': The provider of shop did not answer in time."),
        ),
    ] {
        for method in ["PUT", "PATCH"] {
            for query in ["", "?verify=true", "?verify=1", "?verify="] {
                let host = service(token.clone(), api.clone());
                let answered = put(&host, method, query);
                let msg = "Secrets updated for ConnectionConfig with key: shop.";
                let expected = json!({ "msg": msg, "test_status": status, "failure_reason": reason });
                assert_eq!((answered.status, answered.json()), (200, expected), "{method} {query}");
                assert!(!answered.text().contains("canary"));
                let view = host.view("shop");
                assert_eq!(view["secrets"]["client_id"], "acme");
                assert_eq!(view["last_test_succeeded"], json!(status == "succeeded"));
            }
        }
    }
}

/// Without a test the provider hears nothing.
#[test]
fn new_secrets_are_not_tested_where_that_is_not_wanted() {
    for query in ["?verify=false", "?verify=0", "?verify=False"] {
        let host = service(answer(200, &tokens(1)), answer(200, &json!([])));
        let answered = put(&host, "PUT", query).json();
        assert_eq!((&answered["test_status"], &answered["failure_reason"]), (&Value::Null, &Value::Null));
        assert_eq!((host.requests(), &host.view("shop")["last_test_succeeded"]), (0, &Value::Null));
    }
}

/// A word that is neither true nor false: nothing is stored.
#[test]
fn a_malformed_switch_is_refused() {
    let host = service(answer(200, &tokens(1)), answer(200, &json!([])));
    let before = host.memory.state();
    let refused = put(&host, "PUT", "?verify=maybe").issues();
    assert_eq!(refused, (422, vec![("bool_parsing".to_owned(), r#"["query","verify"]"#.to_owned())]));
    assert_eq!(put(&host, "PUT", "?verify=true&verify=true").status, 400);
    assert_eq!((host.memory.state(), host.requests()), (before, 0));
}

/// Secrets of a connection that a person must authorize can be tested only afterwards.
#[test]
fn secrets_of_a_code_flow_are_not_tested_before_it_is_authorized() {
    let host = Host::new().with_authorized("shop");
    let sent = host.requests();
    let secrets = json!({ "client_id": "other" });
    let answered = host.as_root("PATCH", "/connection/shop/secret", &secrets).json();
    let reason = "The connection shop needs authorization: see GET /api/v1/connection/shop/authorize";
    assert_eq!((&answered["test_status"], &answered["failure_reason"]), (&json!("skipped"), &json!(reason)));
    assert_eq!(host.requests(), sent);
}

/// Secrets that are not stored are not tested either.
#[test]
fn refused_secrets_are_not_tested() {
    let host = service(answer(200, &tokens(1)), answer(200, &json!([])));
    assert_eq!(host.as_root("PUT", "/connection/shop/secret", &json!({})).status, 422);
    assert_eq!(host.as_root("PUT", "/connection/nobody/secret", &json!({})).status, 404);
    host.memory.faults().break_records_after(0);
    assert_eq!(put(&host, "PUT", "").status, 503);
    assert_eq!(host.requests(), 0);
}

/// Whatever becomes of the test, the secrets are stored, and the answer says so.
#[test]
fn a_test_that_cannot_be_carried_out_takes_nothing_back() {
    let host = service(answer(200, &tokens(1)), answer(200, &json!([])));
    let faults = host.memory.faults();
    // The secrets are one write; what comes after it finds the storage broken.
    faults.break_records_after(1);
    let answered = put(&host, "PUT", "");
    let expected = json!({ "msg": "Secrets updated for ConnectionConfig with key: shop.", "test_status": "failed",
        "failure_reason": "The test could not be carried out." });
    assert_eq!((answered.status, answered.json()), (200, expected));
    assert!(answered.log.contains("record storage is broken"), "{}", answered.log);
    faults.mend_records();
    assert_eq!(host.view("shop")["secrets"]["client_id"], "acme");
}
