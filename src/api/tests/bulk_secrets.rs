//! `PATCH /connection` with secrets: connections that are made of templates or get other secrets.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    connector_templates::register,
    stage::{CODE_FLOW, SERVICE, answer, parameter, service_secrets, tokens},
};

/// A host with the code flow and the service as templates.
fn with_templates() -> Host {
    let host = Host::new();
    register(&host, CODE_FLOW);
    register(&host, SERVICE);
    host
}

/// Saves connections as root.
fn save(host: &Host, items: &Value) -> Answered {
    let answer = host.as_root("PATCH", "/connection", items);
    assert!(!answer.text().contains("canary"), "{answer:?}");
    answer
}

/// An item with this key and secrets of the service, of this type.
fn item(key: &str, kind: Option<&str>) -> Value {
    json!({ "key": key, "connection_type": "saas", "access": "read", "saas_connector_type": kind,
        "secrets": service_secrets("canary-client-secret") })
}

/// Keys of what succeeded; keys and messages of what failed.
fn outcome(answer: &Answered) -> (Vec<String>, Vec<(String, String)>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let succeeded = body["succeeded"].as_array().unwrap().iter().map(|view| text(&view["key"])).collect();
    let failed = body["failed"].as_array().unwrap().iter();
    (succeeded, failed.map(|item| (text(&item["data"]["key"]), text(&item["message"]))).collect())
}

/// A new key with secrets is made of the template, its key being the instance key; it works.
#[test]
fn an_item_with_secrets_and_a_new_key_is_made_of_its_template() {
    let host = with_templates();
    let mut wanted = item("shop", Some("json_provider"));
    wanted["name"] = "My Shop".into();
    wanted["disabled"] = true.into();
    let body = save(&host, &json!([wanted])).json();
    let view = &body["succeeded"][0];
    assert_eq!(view, &host.view("shop"));
    assert_eq!((&view["saas_config"]["fides_key"], &view["access"]), (&json!("shop"), &json!("read")));
    assert_eq!((&view["name"], &view["disabled"]), (&json!("My Shop"), &json!(true)));
    assert_eq!(view["secrets"]["client_secret"], "**********");
    host.provider_answers([answer(200, &tokens(1))]);
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 1);
}

/// Whatever is wrong with one item, all others are saved, and what failed is told without its secrets.
#[test]
fn an_item_that_fails_does_not_stop_the_others() {
    let host = with_templates();
    host.save("bare");
    let mut bad_secrets = item("bad", Some("json_provider"));
    bad_secrets["secrets"]["client_id"] = json!(["canary"]);
    let mut no_secrets = item("incomplete", Some("json_provider"));
    no_secrets["secrets"] = json!({ "domain": "canary" });
    let items = json!([
        item("first", Some("json_provider")),
        item("untyped", None),
        item("unknown", Some("zz")),
        bad_secrets,
        no_secrets,
        item("bare", Some("json_provider")),
        item("a<b>", Some("json_provider")),
        json!({ "key": "plain", "connection_type": "saas", "access": "read", "secrets": {} }),
        item("last", Some("json_provider")),
    ]);
    let (succeeded, failed) = outcome(&save(&host, &items));
    assert_eq!(succeeded, ["first", "plain", "last"]);
    let expected = [
        ("untyped", "saas_connector_type is missing"),
        (
            "unknown",
            "SaaS connector type 'zz' is not yet available in Fides. For a list of available SaaS connectors, refer to /connection_type.",
        ),
        ("bad", "client_id: Input should be a valid string"),
        (
            "incomplete",
            "Value error, json_provider_schema must be supplied all of: [domain, client_id, client_secret].",
        ),
        (
            "bare",
            "A SaaS config to validate the secrets is unavailable for this connection config, please add one via /connection/{connection_key}/saas_config",
        ),
        ("a<b>", "key: Value error, an instance key must not contain '<' or '>'"),
    ];
    let failed: Vec<(&str, &str)> = failed.iter().map(|(key, message)| (key.as_str(), message.as_str())).collect();
    assert_eq!(failed, expected);
    let list = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(list["total"], 4, "{list}");
    assert!(!host.memory.dump().contains("canary"));
}

/// What is malformed is refused with its place before anything is stored.
#[test]
fn malformed_items_store_nothing() {
    let host = with_templates();
    let mut secrets = item("a", Some("json_provider"));
    secrets["secrets"] = json!("canary");
    let mut kind = item("b", None);
    kind["saas_connector_type"] = json!(1);
    let answer = save(&host, &json!([item("fine", Some("json_provider")), secrets, kind]));
    let expected =
        [("model_attributes_type", r#"["body",1,"secrets"]"#), ("string_type", r#"["body",2,"saas_connector_type"]"#)];
    let expected = expected.map(|(kind, place)| (kind.to_owned(), place.to_owned())).to_vec();
    assert_eq!(answer.issues(), (422, expected));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
}

/// An existing key gets its secrets changed with its profile; tokens that were got with others go.
#[test]
fn an_existing_connection_gets_other_secrets() {
    let host = Host::new().with_authorized("shop");
    let with = |secrets: Value| json!([{ "key": "shop", "name": "New", "connection_type": "saas", "access": "write", "secrets": secrets }]);
    let (succeeded, failed) = outcome(&save(&host, &with(json!({ "client_id": "other" }))));
    assert_eq!((succeeded.len(), failed.len()), (1, 0));
    let view = host.view("shop");
    assert_eq!((&view["name"], &view["access"], &view["authorized"]), (&json!("New"), &json!("write"), &json!(false)));
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code").status, 200);
    let exchange = host.memory.sent().last().unwrap().clone();
    assert_eq!(parameter(&exchange, "client_id"), "other");
    assert_eq!(parameter(&exchange, "client_secret"), "canary-client-secret");
}

/// L3: what the API shows can be sent back as an item: the mask keeps the secret, and the tokens stay.
#[test]
fn a_shown_connection_can_be_saved_again() {
    let host = Host::new().with_authorized("shop");
    host.wait(60);
    let mut shown = host.view("shop");
    shown["description"] = "new".into();
    let (succeeded, failed) = outcome(&save(&host, &json!([shown])));
    assert_eq!((succeeded.len(), failed.len()), (1, 0));
    let view = host.view("shop");
    assert_eq!((&view["authorized"], &view["description"]), (&json!(true), &json!("new")));
    assert_eq!(view["updated_at"], "2023-11-14T22:14:20Z");
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
}

/// Profile and secrets of an item are saved together or not at all.
#[test]
fn bad_secrets_leave_the_profile_alone() {
    let host = Host::new().with_authorized("shop");
    let before = host.memory.state();
    for secrets in [json!({ "client_id": 5 }), json!({ "client_id": null }), json!({ "domain": "127.0.0.1" })] {
        let items = json!([{ "key": "shop", "name": "New", "connection_type": "saas", "access": "write",
            "secrets": secrets }]);
        assert_eq!(outcome(&save(&host, &items)).1.len(), 1, "{items}");
    }
    assert_eq!(host.memory.state(), before);
}

/// With the directory broken nothing new is made, and the same request does the rest when it is mended.
#[test]
fn what_the_directory_refused_can_be_repeated() {
    let host = with_templates();
    let items = json!([item("a", Some("json_provider")), item("b", Some("json_provider"))]);
    for wait in [0, 60] {
        // With a copy of the template, and without one.
        host.wait(wait);
        host.memory.faults().break_directory(true);
        let answer = save(&host, &items);
        let (succeeded, failed) = outcome(&answer);
        assert_eq!(succeeded, [""; 0]);
        assert!(failed.iter().all(|(_, message)| message == "The connection could not be stored; try again."));
        assert!(answer.log.contains("directory is broken"), "{}", answer.log);
        host.memory.faults().break_directory(false);
        assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    }
    assert_eq!(outcome(&save(&host, &items)).0, ["a", "b"]);
}

/// Two requests make the same connection: both succeed, the second as a change of the first.
#[test]
fn parallel_requests_end_in_one_connection() {
    let host = with_templates();
    let request = |name: &str| {
        let mut wanted = item("shop", Some("json_provider"));
        wanted["name"] = name.into();
        authorized("PATCH", "/api/v1/connection", &host.root(), &json!([wanted]))
    };
    let answers = host.send_all(&[request("one"), request("two")]);
    let succeeded: usize = answers.iter().map(|answer| outcome(answer).0.len()).sum();
    let list = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!((succeeded, &list["total"]), (2, &json!(1)), "{list}");
    assert_eq!(list["items"][0]["name"], host.view("shop")["name"]);
    host.provider_answers([answer(200, &tokens(1))]);
    assert_eq!(host.live("shop").0, 200);
}
