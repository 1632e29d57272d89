//! The fixtures, and each rule of a document with the place that its issue names.

mod requests;
mod token_rules;

use serde_json::json;

use super::*;
use crate::{
    connection::{outbound::OutboundPolicy, yaml},
    protocol::validation::Step,
};

const FIXTURES: [&str; 8] = [
    include_str!("../../../fixtures/connector/query_code_flow.yml"),
    include_str!("../../../fixtures/connector/fixed_login_code_flow.yml"),
    include_str!("../../../fixtures/connector/tenant_code_flow.yml"),
    include_str!("../../../fixtures/connector/many_hosts_code_flow.yml"),
    include_str!("../../../fixtures/connector/basic_client_credentials.yml"),
    include_str!("../../../fixtures/connector/local_code_flow.yml"),
    include_str!("../../../fixtures/connector/local_client_credentials.yml"),
    include_str!("../../../fixtures/connector/json_client_credentials.yml"),
];

/// A small document that is right.
fn document() -> Value {
    json!({
        "fides_key": "key", "name": "Name", "type": "Kind", "description": "", "version": "1",
        "connector_params": [{"name": "domain"}],
        "client_config": {"protocol": "https", "host": "<domain>", "authentication": {
            "strategy": "oauth2_authorization_code",
            "configuration": {
                "authorization_request": {"method": "GET", "path": "/auth"},
                "token_request": {"method": "POST", "path": "/token", "body": "{\"code\": \"<code>\"}"},
            },
        }},
        "test_request": {"method": "GET", "path": "/me"},
        "endpoints": [],
    })
}

/// The document with one value set; the way to it may make new members.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = document();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
    document
}

/// The issues as `kind at/this/place: message`.
fn issues(document: Value) -> Vec<String> {
    let issues = Definition::from_document(document).err().unwrap_or_default();
    issues.iter().map(shown).collect()
}

fn shown(issue: &Issue) -> String {
    let place: Vec<String> = issue
        .loc
        .iter()
        .map(|step| match step {
            Step::Member(name) => name.clone(),
            Step::Element(index) => index.to_string(),
        })
        .collect();
    format!("{} {}: {}", issue.kind, place.join("/"), issue.msg)
}

/// Where `with` puts things most often.
const TOKEN: &str = "/client_config/authentication/configuration/token_request";

#[test]
fn the_fixtures_are_without_fault() {
    for text in FIXTURES {
        let definition = Definition::from_document(yaml::parse(text).unwrap()).unwrap();
        assert!(definition.authentication().is_some());
        assert!(definition.test_request().is_some());
        assert!(definition.is_sensitive("client_secret") && !definition.is_sensitive("client_id"));
        // What is stored is a document without faults again, and the same one.
        let again = Definition::from_document(definition.document().clone()).unwrap();
        assert_eq!(again.document(), definition.document());
    }
}

/// P6 and all other rules at once: the places start at the document's outside.
#[test]
fn a_faulty_document_gets_all_its_issues() {
    let document = yaml::parse(include_str!("../../../fixtures/connector/faulty.yml")).unwrap();
    let found = issues(document);
    let config = "saas_config/client_config/authentication/configuration";
    for expected in [
        "value_error saas_config/fides_key: Value error, FidesKeys must only contain".to_owned(),
        "string_type saas_config/version: Input should be a valid string".to_owned(),
        "value_error saas_config/connector_params/1/name: Value error, this parameter is there".to_owned(),
        "value_error saas_config/connector_params/2: Value error, The default_value for the region".to_owned(),
        "value_error saas_config/connector_params/3: Value error, The default_value for the list".to_owned(),
        "value_error saas_config/connector_params/4: Value error, The 'multiselect' field".to_owned(),
        "enum saas_config/client_config/protocol: Input should be 'https' or 'http'".to_owned(),
        "value_error saas_config/client_config/host: Value error, a host is a name".to_owned(),
        format!("value_error {config}/authorization_request/path: Value error, a path starts"),
        format!("greater_than {config}/expires_in: Input should be greater than 0"),
        format!("enum {config}/token_request/method: Input should be 'GET', 'POST', 'PATCH'"),
        format!("extra_forbidden {config}/token_request/surprise: Extra inputs"),
        format!("value_error {config}/token_request/path: Value error, a path holds no '.'"),
        format!("value_error {config}/token_request/headers/0/name: Value error, this header field cannot"),
        format!("value_error {config}/token_request/headers/1/name: Value error, this header field cannot"),
        format!("value_error {config}/token_request/headers/2/name: Value error, this is not the name"),
        format!("value_error {config}/token_request/headers: Value error, Unsupported Content-Type: application/xml"),
        format!(
            "value_error {config}/refresh_request/query_params/0/value: Value error, unknown placeholder <refresh_tokn> (character 0)"
        ),
        format!(
            "value_error {config}/refresh_request/query_params/1/value: Value error, the placeholder is not closed (character 0)"
        ),
        format!(
            "value_error {config}/refresh_request/query_params/2/value: Value error, a placeholder stands inside another one (character 0)"
        ),
        format!("value_error {config}/refresh_request/body: Value error, the placeholder is not closed (character 10)"),
        "value_error saas_config/test_request: Value error, A request must specify a path".to_owned(),
        "missing saas_config/endpoints: Field required".to_owned(),
    ] {
        assert!(found.iter().any(|issue| issue.starts_with(&expected)), "{expected}\nnot in\n{}", found.join("\n"));
    }
}

#[test]
fn required_members_are_missed_one_by_one() {
    for name in [
        "fides_key",
        "name",
        "type",
        "description",
        "version",
        "connector_params",
        "client_config",
        "endpoints",
        "test_request",
    ] {
        let mut document = document();
        document.as_object_mut().unwrap().remove(name);
        assert_eq!(issues(document).first().unwrap(), &format!("missing {name}: Field required"));
    }
    assert_eq!(
        issues(json!([])),
        ["model_attributes_type : Input should be a valid dictionary or object to extract fields from"]
    );
    assert_eq!(
        issues(with("/connector_params", json!({}))),
        [
            "list_type connector_params: Input should be a valid list",
            "value_error client_config/host: Value error, unknown placeholder <domain> (character 0)"
        ]
    );
}

#[test]
fn the_document_is_kept_less_unknown_members() {
    let mut document = document();
    document["surprise"] = json!(1);
    document["user_guide"] = json!("https://guide.example");
    let definition = Definition::from_document(json!({ "saas_config": document })).unwrap();
    assert_eq!(definition.kind(), "kind");
    let kept = definition.document();
    assert_eq!(kept["type"], "kind");
    assert_eq!(kept["user_guide"], "https://guide.example");
    assert!(kept.get("surprise").is_none() && kept.get("saas_config").is_none());
}

#[test]
fn a_template_is_instantiated_everywhere() {
    let template =
        json!({"fides_key": "<instance_fides_key>", "endpoints": [{"x": "a <instance_fides_key>.b", "n": 1}]});
    assert_eq!(instantiate(template, "shop"), json!({"fides_key": "shop", "endpoints": [{"x": "a shop.b", "n": 1}]}));
}

/// P12: lists and texts are bounded.
#[test]
fn huge_documents_are_refused() {
    let header = json!({"name": "x", "value": "y"});
    for (pointer, count, element) in [
        ("/endpoints".to_owned(), 501, json!({})),
        (format!("{TOKEN}/headers"), 65, header.clone()),
        (format!("{TOKEN}/query_params"), 65, header),
        ("/connector_params".to_owned(), 101, json!({"name": "domain"})),
    ] {
        let found = issues(with(&pointer, Value::Array(vec![element; count])));
        assert!(found[0].starts_with("too_long"), "{found:?}");
        assert!(found.len() <= 100);
    }
    let found = issues(with("/description", json!("x".repeat(65_537))));
    assert!(found[0].starts_with("string_too_long description"));
}

/// S1 to S9 when a document is saved: literal hosts fully, others as far as they are fixed.
#[test]
fn hosts_are_checked_when_a_document_is_saved() {
    let check = |protocol: &str, host: &str, policy: &OutboundPolicy| {
        let mut document = with("/client_config/host", json!(host));
        document["client_config"]["protocol"] = json!(protocol);
        let issues = Definition::from_document(document).unwrap().check_hosts(policy);
        issues.iter().map(shown).collect::<Vec<_>>()
    };
    let production = OutboundPolicy::default();
    for host in ["a.example", "<domain>", "<domain>.a.example"] {
        assert!(check("https", host, &production).is_empty(), "{host}");
    }
    for (protocol, host) in [
        ("http", "a.example"),
        ("http", "<domain>"),
        ("https", "127.0.0.1"),
        ("https", "0x7f.1"),
        ("https", "localhost"),
        ("https", "<domain>.internal"),
        ("https", "<domain>:8443"),
        ("https", "a.example:8443"),
        ("https", "[::1]"),
    ] {
        let found = check(protocol, host, &production);
        assert!(found[0].starts_with("value_error client_config/host: Value error, "), "{host}");
    }
    let development = OutboundPolicy { allow_loopback: true, ..OutboundPolicy::default() };
    assert!(check("http", "127.0.0.1:4010", &development).is_empty());
    assert!(check("http", "<domain>", &development).is_empty());
    assert!(!check("http", "a.example", &development).is_empty());
}

/// S11, S12: the hosts that secrets make.
#[test]
fn hosts_made_of_secrets_are_checked_against_the_list() {
    let definition = Definition::from_document(document()).unwrap();
    let mut policy = OutboundPolicy::default();
    policy.allowed_hosts.add("*.salesforce.com").unwrap();
    let check = |domain: &str| {
        let secrets = json!({"domain": domain});
        definition.check_secret_hosts(secrets.as_object().unwrap(), &policy)
    };
    assert!(check("acme.salesforce.com").is_empty());
    for domain in [
        "evilsalesforce.com",
        "salesforce.com.evil.com",
        "evil.com/",
        "evil.com#.salesforce.com",
        "127.0.0.1",
        "a@acme.salesforce.com",
    ] {
        let found = check(domain);
        assert_eq!(found.len(), 1, "{domain}");
        assert_eq!(found[0].loc, [Step::from("domain")]);
        assert!(!found[0].msg.contains(domain));
    }
    assert!(definition.check_secret_hosts(&Map::new(), &policy).is_empty());
}

/// A restriction of one parameter cannot be bypassed with another.
#[test]
fn hosts_use_restricted_parameters_where_there_are_any() {
    let mut document = with(
        "/connector_params",
        json!([{"name": "domain"}, {"name": "site", "type": "endpoint", "allowed_values": ["*.a.example"]}]),
    );
    assert!(issues(document.clone())[0].contains("has no allowed_values"));
    document["client_config"]["host"] = json!("<site>");
    assert!(issues(document.clone()).is_empty());
    document["test_request"]["client_config"] = json!({"protocol": "https", "host": "<domain>"});
    assert!(issues(document)[0].starts_with("value_error test_request/client_config/host"));
}
