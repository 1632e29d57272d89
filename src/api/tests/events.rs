//! Events of connections: which there are, what they say, how they are listed.

use serde_json::{Value, json};

use super::{
    Answered, Host,
    stage::{CODE_FLOW, SERVICE, answer, refusal, service_secrets, tokens},
};
use crate::ports::Clock;

/// One page of the events of a connection.
fn page(host: &Host, key: &str, query: &str) -> Answered {
    host.as_root("GET", &format!("/connection/{key}/events{query}"), &Value::Null)
}

/// All events of a connection, oldest first.
pub(super) fn events(host: &Host, key: &str) -> Vec<Value> {
    let page = page(host, key, "?size=100");
    assert_eq!(page.status, 200, "{page:?}");
    let mut items = page.json()["items"].as_array().unwrap().clone();
    items.reverse();
    items
}

/// The types of all events, without what they have in common.
pub(super) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("connection.").unwrap()).collect()
}

/// With a connection that fails at the provider: its token has expired.
pub(super) fn failing(host: Host) -> Host {
    let host = host.with_authorized("shop");
    host.provider_answers([answer(500, &json!({}))]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host
}

/// The life of a connection: one event for each change, none for what is no change.
#[test]
fn each_change_of_state_is_listed_once() {
    let host = Host::new().with_code_flow("shop");
    assert_eq!(events(&host, "shop"), Vec::<Value>::new());
    host.provider_answers([answer(200, &tokens(1)), answer(500, &json!({})), answer(503, &json!({}))]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 502);
    for wait in [3_600, 600, 7_200] {
        host.wait(wait);
        assert_eq!(host.live("shop").0, 502);
    }
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3)), refusal(400, "invalid_grant")]);
    for (wait, status) in [(7_200, 200), (3_600, 200), (3_600, 409), (60, 409)] {
        host.wait(wait);
        assert_eq!(host.live("shop").0, status);
    }
    host.provider_answers([answer(200, &tokens(4))]);
    assert_eq!(host.authorize("shop", "canary-code-3").status, 200);
    assert_eq!(host.authorize("shop", "canary-code-4").status, 200);
    host.memory.restart();
    let all = events(&host, "shop");
    assert_eq!(kinds(&all), ["authorized", "failing", "recovered", "needs_authorization", "authorized"]);
    let ids: std::collections::BTreeSet<_> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 5 && ids.iter().all(|id| id.len() == 36 && id.starts_with("evt_")), "{ids:?}");
}

/// L5: what an event says of a refusal: the code, not the provider's text; and where a person can begin.
#[test]
fn an_event_says_what_happened_and_what_to_do() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 409);
    let told = events(&host, "shop").pop().unwrap();
    let data = &told["data"];
    let expected = json!({
        "connection_key": "shop",
        "name": "shop",
        "connector_type": "query_provider",
        "state": "needs_authorization",
        "former_state": "good",
        "fault_class": "connection",
        "fault": "refused",
        "error": "invalid_grant",
        "reason": "refused",
        "retry_at": null,
        "authorize": "https://postern.example/api/v1/connection/shop/authorize",
    });
    assert_eq!(*data, expected);
    assert_eq!(told["timestamp"], host.memory.now().to_rfc3339().unwrap());
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    let told = events(&host, "shop").pop().unwrap();
    for member in ["fault_class", "fault", "error", "reason", "retry_at", "authorize"] {
        assert_eq!(told["data"][member], Value::Null, "{member}");
    }
    assert_eq!(
        (&told["data"]["state"], &told["data"]["former_state"]),
        (&json!("good"), &json!("needs_authorization"))
    );
}

/// A failing connection says when it is tried again; other keys stand in the address escaped.
#[test]
fn a_failing_connection_says_when_it_is_tried_again() {
    let host = failing(Host::new());
    let data = &events(&host, "shop").pop().unwrap()["data"];
    assert_eq!(
        [&data["fault_class"], &data["fault"], &data["authorize"]],
        [&json!("provider"), &json!("failed"), &Value::Null]
    );
    assert!(data["retry_at"].as_str().unwrap().ends_with('Z'), "{data}");
    let host = Host::new();
    host.save("<shop>");
    assert_eq!(host.define("%3Cshop%3E", CODE_FLOW).status, 200);
    let secrets = json!({ "client_id": "shop-client", "client_secret": "canary-client-secret" });
    assert_eq!(host.put_secrets("%3Cshop%3E", &secrets).status, 200);
    host.provider_answers([answer(200, &tokens(1))]);
    assert_eq!(host.authorize("%3Cshop%3E", "canary-code-1").status, 200);
    assert_eq!(host.as_root("POST", "/connection/%3Cshop%3E/revoke", &Value::Null).status, 200);
    let data = &events(&host, "%3Cshop%3E").pop().unwrap()["data"];
    assert_eq!(data["authorize"], "https://postern.example/api/v1/connection/%3Cshop%3E/authorize");
}

/// The table of `connection::event`, as far as commands bring a change about.
#[test]
fn commands_that_change_the_state_are_events_with_their_reason() {
    let host = Host::new().with_authorized("shop");
    assert_eq!(host.as_root("POST", "/connection/shop/connect_link", &Value::Null).status, 200);
    host.save("shop");
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    assert_eq!(kinds(&events(&host, "shop")), ["authorized"]);
    let reason = |host: &Host| events(host, "shop").pop().unwrap()["data"]["reason"].clone();
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    assert_eq!(reason(&host), "revoked");
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    let secrets = json!({ "client_id": "shop-client", "client_secret": "canary-other" });
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    assert_eq!(reason(&host), "secrets_replaced");
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    let all = events(&host, "shop");
    assert_eq!(kinds(&all), ["authorized", "needs_authorization", "authorized", "needs_authorization"]);
    for event in all.iter().filter(|event| event["data"]["reason"] != Value::Null) {
        assert_eq!([&event["data"]["fault"], &event["data"]["fault_class"]], [&Value::Null, &Value::Null]);
    }
}

/// Client credentials: other secrets end what failed with the old ones.
#[test]
fn other_secrets_let_a_failing_service_recover() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(500, &json!({}))]);
    assert_eq!(host.live("shop").0, 502);
    assert_eq!(host.put_secrets("shop", &service_secrets("canary-other")).status, 200);
    assert_eq!(kinds(&events(&host, "shop")), ["failing", "recovered"]);
    let none = SERVICE.replace("oauth2_client_credentials", "bearer");
    let none = none.replace("configuration:\n", "configuration:\n        token: <client_id>\n");
    assert_eq!(host.live("shop").0, 502);
    assert_eq!(host.define("shop", &none).status, 200);
    assert_eq!(kinds(&events(&host, "shop")), ["failing", "recovered", "failing"]);
}

/// R6: a change and its event are stored together or not at all.
#[test]
fn no_event_is_stored_without_its_change() {
    let host = Host::new().with_authorized("shop");
    let before = host.memory.state();
    host.memory.faults().break_records_after(0);
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 503);
    host.memory.faults().mend_records();
    assert_eq!(host.memory.state(), before);
    assert_eq!(kinds(&events(&host, "shop")), ["authorized"]);
    assert_eq!(host.live("shop").0, 200);
}

/// The newest hundred are kept, in pages, newest first; with the connection they go.
#[test]
fn the_newest_events_are_kept_in_pages() {
    let host = Host::new().with_authorized("shop");
    for round in 0..60 {
        assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
        host.wait(1);
        assert_eq!(host.authorize("shop", &format!("canary-code-{round}")).status, 200);
    }
    let all = events(&host, "shop");
    assert_eq!(all.len(), 100);
    let shown = page(&host, "shop", "?page=2&size=30").json();
    let expected: Vec<_> = all.iter().rev().skip(30).take(30).cloned().collect();
    assert_eq!((&shown["items"], &shown["total"], &shown["pages"]), (&json!(expected), &json!(100), &json!(4)));
    let last = page(&host, "shop", "?page=4&size=30").json();
    assert_eq!(last["items"].as_array().unwrap().len(), 10);
    assert_eq!(page(&host, "shop", "?page=5&size=30").json()["items"], json!([]));
    assert_eq!(page(&host, "shop", "?size=0").status, 422);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    assert_eq!(page(&host, "shop", "").status, 404);
    let host = host.with_code_flow("shop");
    assert_eq!(events(&host, "shop"), Vec::<Value>::new());
}
