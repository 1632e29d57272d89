//! Connections that are made of connector templates: all at once, or not at all.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    connector_templates::register,
    stage::{CODE_FLOW, SERVICE, answer, service_secrets, tokens},
};
use crate::api::Body;

/// A host with the code flow and the service as templates.
fn with_templates() -> Host {
    let host = Host::new();
    register(&host, CODE_FLOW);
    register(&host, &SERVICE.replace("Json Provider", "Json of <instance_fides_key>"));
    host
}

/// A body for the service.
fn order(instance_key: &str) -> Value {
    json!({ "instance_key": instance_key, "secrets": service_secrets("canary-client-secret") })
}

/// Makes a connection of the service.
fn make(host: &Host, body: &Value) -> Answered {
    host.as_root("POST", "/connection/instantiate/json_provider", body)
}

/// The request that makes a connection of the service.
fn making(host: &Host, body: &Value) -> http::Request<Body> {
    authorized("POST", "/api/v1/connection/instantiate/json_provider", &host.root(), body)
}

/// The keys that the list shows.
fn listed(host: &Host) -> Vec<String> {
    let list = host.as_root("GET", "/connection", &Value::Null).json();
    let key = |view: &Value| view["key"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(key).collect()
}

/// The answer; every `<instance_fides_key>` is replaced; secrets are masked; the connection works.
#[test]
fn a_connection_is_made_of_a_template() {
    let host = with_templates();
    let mut body = order("shop");
    body["name"] = "My Shop".into();
    body["description"] = "d".into();
    body["unknown"] = 1.into();
    let made = make(&host, &body);
    let connection = json!({
        "connection_type": "saas", "name": "My Shop", "key": "shop", "description": "d", "access": "write",
        "secrets": { "domain": "acme.json-provider.example", "client_id": "acme", "client_secret": "**********" },
        "saas_config": { "fides_key": "shop", "name": "Json of shop", "type": "json_provider" },
        "created_at": "2023-11-14T22:13:20Z", "updated_at": "2023-11-14T22:13:20Z", "disabled": false,
        "last_test_timestamp": null, "last_test_succeeded": null, "authorized": false, "enabled_actions": null,
        "linked_systems": [],
        "refresh": { "state": "good", "last_at": null, "next_at": null, "expires_at": null, "failures": 0,
            "fault_class": null, "fault": null, "error": null, "reason": null }
    });
    assert_eq!((made.status, made.json()), (200, json!({ "connection": connection, "dataset": null })));
    assert_eq!(host.view("shop"), connection);
    assert_eq!(listed(&host), ["shop"]);
    let definition = host.as_root("GET", "/connection/shop/saas_config", &Value::Null).text();
    assert!(definition.contains("Json of shop") && !definition.contains("instance_fides_key"), "{definition}");
    let history = host.as_root("GET", "/connection/shop/saas-history", &Value::Null).json();
    assert_eq!((history.as_array().map(Vec::len), &history[0]["version"]), (Some(1), &json!("0.1.0")), "{history}");
    host.provider_answers([answer(200, &tokens(1))]);
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
}

/// The key may differ from the instance key; defaults are filled in; the code flow can begin.
#[test]
fn a_key_of_its_own_and_defaults() {
    let host = with_templates();
    let body = json!({ "instance_key": "inner", "key": "outer", "name": null,
        "secrets": { "client_id": "id", "client_secret": "canary-1" } });
    let made = host.as_root("POST", "/connection/instantiate/query_provider", &body).json();
    let connection = &made["connection"];
    assert_eq!((&connection["key"], &connection["saas_config"]["fides_key"]), (&json!("outer"), &json!("inner")));
    assert_eq!(connection["secrets"]["domain"], "api.query-provider.example");
    assert_eq!(host.begin("outer").host_str(), Some("api.query-provider.example"));
}

/// Each refusal has its words and its place, and leaves nothing behind.
#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let host = with_templates();
    let before = host.memory.state();
    let unknown = host.as_root("POST", "/connection/instantiate/nope", &order("shop"));
    let detail = "SaaS connector type 'nope' is not yet available in Fidesops. For a list of available SaaS \
                  connectors, refer to /connection_type.";
    assert_eq!(unknown.detail(), (404, detail.into()));
    let with = |name: &str, value: Value| {
        let mut body = order("shop");
        body[name] = value;
        body
    };
    let secrets = |name: &str, value: Value| {
        let mut body = order("shop");
        body["secrets"][name] = value;
        body
    };
    let (value, text, object, missing) = ("value_error", "string_type", "model_attributes_type", "missing");
    for (body, issues) in [
        (Value::Null, vec![(object, r#"["body"]"#)]),
        (json!({}), vec![(missing, r#"["body","instance_key"]"#), (missing, r#"["body","secrets"]"#)]),
        (with("instance_key", json!(1)), vec![(text, r#"["body","instance_key"]"#)]),
        (with("instance_key", json!("a b")), vec![(value, r#"["body","instance_key"]"#), (value, r#"["body","key"]"#)]),
        (with("key", json!("a/b")), vec![(value, r#"["body","key"]"#)]),
        (with("name", json!("n".repeat(1025))), vec![("string_too_long", r#"["body","name"]"#)]),
        (with("secrets", json!("canary")), vec![(object, r#"["body","secrets"]"#)]),
        (with("secrets", json!({ "domain": "canary" })), vec![(value, r#"["body","secrets"]"#)]),
        (secrets("client_id", json!(["canary"])), vec![(text, r#"["body","secrets","client_id"]"#)]),
        (secrets("domain", json!("canary.example")), vec![(value, r#"["body","secrets","domain"]"#)]),
        (secrets("client_secret", json!("**********")), vec![(value, r#"["body","secrets","client_secret"]"#)]),
    ] {
        let expected = issues.into_iter().map(|(kind, place)| (kind.to_owned(), place.to_owned())).collect();
        assert_eq!(make(&host, &body).issues(), (422, expected), "{body}");
    }
    assert_eq!(host.memory.state(), before);
    assert_eq!(make(&host, &order("shop")).status, 200);
}

/// P1: a key that is a placeholder itself would make the connection's host or path of a secret.
#[test]
fn an_instance_key_is_no_placeholder() {
    let host = with_templates();
    for key in ["<client_secret>", "<instance_fides_key>", "a<b", "a>"] {
        let mut body = order(key);
        body["key"] = "shop".into();
        let issue = ("value_error".to_owned(), r#"["body","instance_key"]"#.to_owned());
        assert_eq!(make(&host, &body).issues(), (422, vec![issue]), "{key}");
    }
}

/// A key, or an instance key, that somebody has.
#[test]
fn used_keys_are_refused() {
    let host = with_templates();
    assert_eq!(make(&host, &order("shop")).status, 200);
    host.save("bare");
    let before = host.memory.state();
    let used = |key: &str| format!("Key {key} already exists in ConnectionConfig.");
    for (body, text) in [
        (order("shop"), used("shop")),
        (json!({ "instance_key": "other", "key": "bare", "secrets": order("x")["secrets"] }), used("bare")),
        (
            json!({ "instance_key": "shop", "key": "second", "secrets": order("x")["secrets"] }),
            "SaaS connector instance key 'shop' already exists.".to_owned(),
        ),
    ] {
        let (status, detail) = make(&host, &body).detail();
        assert_eq!((status, detail.as_str().unwrap().starts_with(&text)), (400, true), "{detail}");
    }
    assert_eq!(host.memory.state(), before);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    let second = json!({ "instance_key": "shop", "key": "second", "secrets": order("x")["secrets"] });
    assert_eq!(make(&host, &second).status, 200);
}

/// Two callers make the same connection, or two of one instance key, at the same time: one of them does.
#[test]
fn parallel_callers_make_one_connection() {
    for keys in [["shop", "shop", "shop"], ["a", "b", "c"]] {
        let host = with_templates();
        let requests: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(number, key)| {
                let secrets = service_secrets(&format!("canary-{number}"));
                making(
                    &host,
                    &json!({ "instance_key": "shop", "key": key, "name": number.to_string(), "secrets": secrets }),
                )
            })
            .collect();
        let mut statuses: Vec<u16> = host.send_all(&requests).iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400], "{keys:?}");
        let list = host.as_root("GET", "/connection", &Value::Null).json();
        let key = list["items"][0]["key"].as_str().unwrap();
        assert_eq!((&list["total"], &list["items"][0]["name"]), (&json!(1), &host.view(key)["name"]), "{keys:?}");
    }
}

/// A deletion that comes while a connection is made, and one that is made while another one is saved: the list says
/// what there is.
#[test]
fn the_list_agrees_with_what_is_stored_after_a_race() {
    for (method, path, body) in [
        ("DELETE", "/api/v1/connection/shop", Value::Null),
        ("PATCH", "/api/v1/connection", json!([{ "key": "shop", "connection_type": "saas", "access": "read" }])),
    ] {
        for own_first in [true, false] {
            let host = with_templates();
            let other = authorized(method, path, &host.root(), &body);
            let mut requests = vec![making(&host, &order("shop")), other];
            if !own_first {
                requests.reverse();
            }
            let _ = host.send_all(&requests);
            let read = host.as_root("GET", "/connection/shop", &Value::Null);
            let expected: &[&str] = if read.status == 200 { &["shop"] } else { &[] };
            assert_eq!(listed(&host), expected, "{method} {own_first}");
        }
    }
}

/// Whatever breaks, nothing half made is left, and the same request succeeds when it is mended.
#[test]
fn a_failure_leaves_nothing_and_can_be_repeated() {
    let host = with_templates();
    let before = host.memory.state();
    let faults = host.memory.faults();
    faults.break_directory(true);
    assert_eq!(make(&host, &order("shop")).status, 503);
    faults.break_directory(false);
    assert_eq!(host.memory.state(), before);
    faults.break_records_after(0);
    assert_eq!(make(&host, &order("shop")).status, 503);
    faults.mend_records();
    assert_eq!((listed(&host).len(), host.as_root("GET", "/connection/shop", &Value::Null).status), (0, 404));
    // The storage breaks between the two, when another connection was saved.
    let other = json!([{ "key": "other", "connection_type": "saas", "access": "read" }]);
    let save = authorized("PATCH", "/api/v1/connection", &host.root(), &other);
    faults.break_records_after(1);
    let answers = host.send_all(&[making(&host, &order("shop")), save]);
    assert_eq!((answers[0].status, answers[1].status), (503, 200));
    faults.mend_records();
    assert_eq!(
        (listed(&host), host.as_root("GET", "/connection/shop", &Value::Null).status),
        (vec!["other".to_owned()], 404)
    );
    assert_eq!(make(&host, &order("shop")).status, 200);
    assert_eq!(listed(&host), ["other", "shop"]);
}

/// L1, L2, E8: the secrets are sealed, and the list holds none.
#[test]
fn the_secrets_of_a_made_connection_are_sealed() {
    let host = with_templates();
    assert_eq!(make(&host, &order("shop")).status, 200);
    let dump = host.memory.dump();
    assert!(dump.contains("v1.") && !dump.contains("canary"), "{dump}");
}

/// Another template, or none, changes no connection that was made.
#[test]
fn a_connection_does_not_depend_on_its_template() {
    let host = with_templates();
    assert_eq!(make(&host, &order("shop")).status, 200);
    let before = host.as_root("GET", "/connection/shop/saas_config", &Value::Null).text();
    register(&host, &SERVICE.replace("/oauth/token", "/other"));
    assert_eq!(host.as_root("DELETE", "/connector-templates/json_provider", &Value::Null).status, 200);
    assert_eq!(host.as_root("GET", "/connection/shop/saas_config", &Value::Null).text(), before);
    assert_eq!(make(&host, &order("next")).status, 404);
}
