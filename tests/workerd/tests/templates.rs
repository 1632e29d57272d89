//! Connector templates in plain workerd, which has no KV: registered, used, kept over a restart, deleted.

mod common;

use common::{CLIENT_CREDENTIALS, CODE_FLOW, assert_kept_secret, at, live, provider, root, secrets};
use serde_json::{Value, json};
use workerd_tests::{Answer, Postern, Setup};

/// Where templates are.
const TEMPLATES: &str = "/api/v1/connector-templates";

/// Registers a definition.
fn register(postern: &Postern, root: &str, yaml: &str) -> Answer {
    postern.post(&format!("{TEMPLATES}/register")).bearer(root).body("application/yaml", yaml).send()
}

/// Makes a connection of a template.
fn instantiate(postern: &Postern, root: &str, kind: &str, body: &Value) -> Answer {
    postern.post(&format!("/api/v1/connection/instantiate/{kind}")).bearer(root).json(body).send()
}

/// The text of a template.
fn config(postern: &Postern, root: &str, kind: &str) -> Answer {
    postern.get(&format!("{TEMPLATES}/{kind}/config")).bearer(root).send()
}

/// The types that are listed as connection types.
fn types(postern: &Postern, root: &str) -> Vec<String> {
    let list = postern.get("/api/v1/connection_type").bearer(root).send().expect_status(200).json();
    let types = list.get("items").and_then(Value::as_array).into_iter().flatten();
    types.filter_map(|item| item.get("identifier")?.as_str().map(str::to_owned)).collect()
}

/// From registration to a live token; all of it outlives a crash; deletion takes the template alone.
#[test]
fn a_template_lives_from_registration_over_use_and_crash_to_deletion() {
    let mock = provider(|_, _| None);
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    assert_eq!(
        config(&postern, &root, "local_service").expect_status(404).json()["detail"],
        "No connector template found with type 'local_service'"
    );
    drop(register(&postern, &root, CODE_FLOW).expect_status(200));
    drop(register(&postern, &root, CLIENT_CREDENTIALS).expect_status(200));
    let types_before = types(&postern, &root);
    assert_eq!(types_before.len(), 2);
    let kind = types_before.iter().find(|kind| *kind != "local_provider").unwrap().clone();
    let schema = postern.get(&format!("/api/v1/connection_type/{kind}/secret")).bearer(&root).send();
    assert_eq!(schema.expect_status(200).json()["title"], format!("{kind}_schema"));

    let body = |key: &str, instance_key: &str| json!({ "key": key, "instance_key": instance_key, "secrets": secrets(&mock.url()) });
    let made = instantiate(&postern, &root, &kind, &body("shop", "shop_1")).expect_status(200).json();
    assert_eq!(made["connection"]["saas_config"]["fides_key"], "shop_1");
    assert_eq!(made["connection"]["secrets"]["client_secret"], "**********");
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    for (key, instance_key, text) in [
        ("shop", "shop_2", "Key shop already exists"),
        ("other", "shop_1", "SaaS connector instance key 'shop_1' already exists."),
    ] {
        let refused = instantiate(&postern, &root, &kind, &body(key, instance_key)).expect_status(400).json();
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.starts_with(text)), "{refused}");
    }
    let items = json!([
        { "key": "bulk", "connection_type": "saas", "access": "read", "saas_connector_type": kind, "secrets": secrets(&mock.url()) },
        { "key": "untyped", "connection_type": "saas", "access": "read", "secrets": secrets(&mock.url()) },
    ]);
    let saved = postern.patch("/api/v1/connection").bearer(&root).json(&items).send().expect_status(200).json();
    assert_eq!(
        (&saved["succeeded"][0]["key"], &saved["failed"][0]["data"]["key"]),
        (&json!("bulk"), &json!("untyped"))
    );
    assert_eq!(live(&postern, &root, "bulk"), "access-2-of-the-mock-provider");

    postern.kill_and_restart();
    assert_eq!(types(&postern, &root), types_before);
    assert_eq!(config(&postern, &root, &kind).expect_status(200).text(), CLIENT_CREDENTIALS);
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!(list["total"], 2, "{list}");
    drop(postern.delete(&format!("{TEMPLATES}/{kind}")).bearer(&root).send().expect_status(200));
    drop(postern.delete(&format!("{TEMPLATES}/{kind}")).bearer(&root).send().expect_status(404));
    assert_eq!(types(&postern, &root), ["local_provider"]);
    drop(instantiate(&postern, &root, &kind, &body("late", "late")).expect_status(404));
    drop(postern.get(&at("late", "")).bearer(&root).send().expect_status(404));
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    assert_kept_secret(&mut postern, "shop", &["saassecret"]);
}

/// P11: what is no definition, by its type or by its bytes.
#[test]
fn an_archive_is_no_template() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    for content_type in ["application/zip", "application/yaml"] {
        let path = format!("{TEMPLATES}/register");
        let zip = b"PK\x03\x04\x14\x00\x00\x00".to_vec();
        drop(postern.post(&path).bearer(&root).body(content_type, zip).send().expect_status(415));
    }
    assert_eq!(postern.get(TEMPLATES).bearer(&root).send().expect_status(200).json(), json!([]));
}

/// A text as long as may be, beyond ASCII, comes back as it was sent.
#[test]
fn a_large_template_comes_back_as_it_was_sent() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let comment = format!("# Läden — 店 \"quoted\" \\ {}\n", "\u{1F6D2}\t".repeat(70));
    let mut yaml = CODE_FLOW.to_owned();
    while yaml.len() + comment.len() < 256 * 1024 {
        yaml.push_str(&comment);
    }
    drop(register(&postern, &root, &yaml).expect_status(200));
    postern.kill_and_restart();
    assert_eq!(config(&postern, &root, "local_provider").expect_status(200).text(), yaml);
    yaml.push_str(&comment);
    drop(register(&postern, &root, &yaml).expect_status(413));
}

/// The number of templates is bounded in storage; one that is there can be replaced.
#[test]
fn too_many_templates_are_refused() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let of_type = |number: u32| CODE_FLOW.replace("type: local_provider", &format!("type: local_{number}"));
    for number in 0..500 {
        drop(register(&postern, &root, &of_type(number)).expect_status(200));
    }
    drop(register(&postern, &root, &of_type(500)).expect_status(409));
    drop(register(&postern, &root, &of_type(7)).expect_status(200));
    assert_eq!(
        postern.get(TEMPLATES).bearer(&root).send().expect_status(200).json().as_array().map(Vec::len),
        Some(500)
    );
    drop(postern.delete(&format!("{TEMPLATES}/local_8")).bearer(&root).send().expect_status(200));
    drop(register(&postern, &root, &of_type(500)).expect_status(200));
}
