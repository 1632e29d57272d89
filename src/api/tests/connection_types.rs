//! Connection types: what is listed of each template, and the schema of its secrets.

use serde_json::{Value, json};

use super::{
    Answered, Host,
    connector_templates::register,
    stage::{CODE_FLOW, SERVICE},
};

/// A template that says everything about itself.
const FULL: &str = include_str!("../../../fixtures/connector/full_template.yml");

/// A host with three templates.
fn with_templates() -> Host {
    let host = Host::new();
    for template in [CODE_FLOW, SERVICE, FULL] {
        register(&host, template);
    }
    host
}

/// Reads as root.
fn get(host: &Host, path: &str) -> Answered {
    host.as_root("GET", &format!("/connection_type{path}"), &Value::Null)
}

/// All members of an item; `authorization_required` is true exactly for the code flow.
#[test]
fn a_connection_type_is_listed_with_every_member() {
    let host = with_templates();
    let list = get(&host, "").json();
    let expected = json!({
        "identifier": "full_template", "type": "saas", "human_readable": "Full Template", "encoded_icon": null,
        "authorization_required": false, "user_guide": "https://docs.postern.example/full-template",
        "supported_actions": ["access", "erasure", "consent"], "category": "ecommerce", "tags": ["shop", "api"],
        "enabled_features": ["dsr_automation"], "custom": true, "default_connector_available": false,
    });
    assert_eq!(list["items"][0], expected);
    let by_code = |item: &Value| item["authorization_required"].as_bool().unwrap();
    let by_code: Vec<bool> = list["items"].as_array().unwrap().iter().map(by_code).collect();
    assert_eq!(by_code, [false, false, true]);
    let numbers = (&list["total"], &list["page"], &list["size"], &list["pages"]);
    assert_eq!(numbers, (&json!(3), &json!(1), &json!(100), &json!(1)));
}

/// Filters and pages; a filter that is no filter is refused with its place.
#[test]
fn connection_types_are_filtered_and_paged() {
    let host = with_templates();
    let (full, service, code_flow) = ("full_template", "json_provider", "query_provider");
    for (query, expected) in [
        ("", vec![full, service, code_flow]),
        ("?search=PROVIDER", vec![service, code_flow]),
        ("?search=nope", vec![]),
        ("?system_type=saas", vec![full, service, code_flow]),
        ("?system_type=database", vec![]),
        ("?access=true", vec![full, service]),
        ("?access=false&erasure=1", vec![full]),
        ("?consent=true&search=json", vec![]),
        ("?consent=true&access=true", vec![full, service]),
        ("?consent=Yes&access=off", vec![full]),
        ("?page=2&size=2", vec![code_flow]),
        ("?page=3&size=2", vec![]),
        ("?search=full&unknown=1", vec![full]),
    ] {
        let list = get(&host, query).json();
        let found = list["items"].as_array().unwrap().iter().map(|item| item["identifier"].as_str().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(get(&host, "?page=3&size=2").json()["total"], 3);
    for (query, kind, place) in [
        ("?system_type=nope", "enum", "system_type"),
        ("?access=maybe", "bool_parsing", "access"),
        ("?size=101", "less_than_equal", "size"),
        ("?page=0", "greater_than_equal", "page"),
    ] {
        let issue = (kind.to_owned(), format!(r#"["query","{place}"]"#));
        assert_eq!(get(&host, query).issues(), (422, vec![issue]), "{query}");
    }
    assert_eq!(get(&host, "?search=a&search=b").status, 400);
}

/// The schema says of each secret what a form must know, in the order of the document.
#[test]
fn the_schema_of_secrets_follows_the_document() {
    let host = with_templates();
    let answer = get(&host, "/full_template/secret");
    let text = answer.text();
    let names = ["zone", "domain", "kinds", "client_secret", "api_key", "customer_id", "account_id"];
    let places: Vec<usize> = names.iter().map(|name| text.find(&format!("\"{name}\":{{")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    let reference = json!([{ "$ref": "#/definitions/FidesDatasetReference" }]);
    let plain = |title: &str, sensitive: bool| {
        json!({ "title": title, "type": "string", "sensitive": sensitive, "options": null, "multiselect": false,
            "param_type": null, "allowed_values": null })
    };
    let schema = answer.json();
    let expected = json!({
        "zone": { "title": "Zone", "type": "string", "description": "Where the data is", "default": "eu",
            "sensitive": false, "options": ["eu", "us"], "multiselect": false, "param_type": null,
            "allowed_values": null },
        "domain": { "title": "domain", "type": "string", "sensitive": false, "options": null, "multiselect": false,
            "param_type": "endpoint", "allowed_values": ["*.full-template.example"] },
        "kinds": { "title": "Kinds", "type": "array", "sensitive": false, "options": ["orders", "people"],
            "multiselect": true, "param_type": null, "allowed_values": null },
        "client_secret": plain("Secret", true),
        "api_key": plain("Key", true),
        "customer_id": { "title": "Customer", "description": "Where customers are numbered",
            "external_reference": true, "allOf": reference },
        "account_id": { "title": "account_id", "external_reference": true, "allOf": reference },
    });
    assert_eq!(schema["properties"], expected);
    assert_eq!((&schema["title"], &schema["type"]), (&json!("full_template_schema"), &json!("object")));
    assert_eq!(schema["required"], json!(["domain", "kinds", "client_secret", "api_key", "customer_id", "account_id"]));
    assert_eq!(schema["definitions"]["FidesDatasetReference"]["required"], json!(["dataset", "field"]));
    let without = get(&host, "/query_provider/secret").json();
    assert_eq!((without.get("definitions"), &without["title"]), (None, &json!("query_provider_schema")));
}

/// Types that are not there.
#[test]
fn an_unknown_connection_type_is_404() {
    let host = with_templates();
    for kind in ["nope", "Full_Template", "saas", "a:b"] {
        let detail = format!("No connection type found with name '{kind}'.");
        assert_eq!(get(&host, &format!("/{kind}/secret")).detail(), (404, detail.into()));
    }
}

/// Storage that does not answer.
#[test]
fn a_broken_directory_is_503() {
    let host = with_templates();
    host.wait(60);
    host.memory.faults().break_directory(true);
    assert_eq!((get(&host, "").status, get(&host, "/full_template/secret").status), (503, 503));
}
