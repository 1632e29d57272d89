//! What a definition says about token answers.

use super::*;
use crate::{
    connection::fault::FaultClass::{Connection, Integration, Provider},
    protocol::time::Seconds,
};

/// Where the rules are.
const CONFIGURATION: &str = "/client_config/authentication/configuration";

/// The rules of the document with one member set, in both flows.
fn rules(name: &str, value: &Value) -> TokenRules {
    let mut document = with(&format!("{CONFIGURATION}/{name}"), value.clone());
    let by_code = Definition::from_document(document.clone()).unwrap();
    document["client_config"]["authentication"]["strategy"] = json!("oauth2_client_credentials");
    document.pointer_mut(CONFIGURATION).unwrap()["token_request"]["body"] = json!("{}");
    let by_client = Definition::from_document(document.clone()).unwrap();
    assert_eq!(by_code.token_rules(), by_client.token_rules());
    assert_eq!(by_client.shown().pointer(&format!("{CONFIGURATION}/{name}")), Some(value));
    by_code.token_rules().clone()
}

/// What is wrong with one member.
fn wrong(name: &str, value: Value) -> Vec<String> {
    issues(with(&format!("{CONFIGURATION}/{name}"), value))
}

#[test]
fn a_lead_is_whole_seconds_up_to_a_day() {
    for (value, seconds) in [
        (json!(0), Some(0)),
        (json!("0"), Some(0)),
        (json!(1), Some(1)),
        (json!(" 300 "), Some(300)),
        (json!(86_400), Some(86_400)),
        (Value::Null, None),
    ] {
        assert_eq!(rules("refresh_lead", &value).refresh_lead, seconds.map(Seconds), "{value}");
    }
    let place = "client_config/authentication/configuration/refresh_lead";
    let parse = "int_parsing client_config";
    for (value, kind) in [
        (json!(-1), "greater_than_equal client_config"),
        (json!(86_401), "less_than_equal client_config"),
        (json!(1.5), parse),
        (json!("1.5"), parse),
        (json!(""), parse),
        (json!(true), parse),
        (json!([]), parse),
        (json!({}), parse),
    ] {
        let found = wrong("refresh_lead", value.clone());
        assert!(found.len() == 1 && found[0].starts_with(kind) && found[0].contains(place), "{value} {found:?}");
    }
}

#[test]
fn faults_are_named_by_code_or_status() {
    let longest = "x".repeat(64);
    let given = json!({ "invalid_token": "connection", "AADSTS70008": "provider", "a.b-C": "integration",
        "300": "provider", "599": "connection", "70008": "connection", "9": "connection", (&*longest): "provider" });
    let mut faults = rules("faults", &given).faults;
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("300", Provider),
        ("599", Connection),
        ("70008", Connection),
        ("9", Connection),
        ("AADSTS70008", Provider),
        ("a.b-C", Integration),
        ("invalid_token", Connection),
        (&longest, Provider),
    ];
    assert_eq!(faults, expected.map(|(code, class)| (code.to_owned(), class)));
    assert_eq!(rules("faults", &Value::Null).faults, []);
    assert_eq!(rules("faults", &json!({})).faults, []);
    let most: Value = (0..20).map(|number| (format!("e{number}"), json!("provider"))).collect::<Map<_, _>>().into();
    assert_eq!(rules("faults", &most).faults.len(), 20);
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let place = "client_config/authentication/configuration/faults";
    let many: Value = (0..21).map(|number| (format!("e{number}"), json!("provider"))).collect::<Map<_, _>>().into();
    let too_long = "x".repeat(65);
    for (value, expected) in [
        (json!([]), format!("model_attributes_type {place}: ")),
        (json!("invalid_grant"), format!("model_attributes_type {place}: ")),
        (json!({ "a": "Connection" }), format!("enum {place}/a: ")),
        (json!({ "a": "" }), format!("enum {place}/a: ")),
        (json!({ "a": null }), format!("string_type {place}/a: ")),
        (json!({ "a": 1 }), format!("string_type {place}/a: ")),
        (json!({ "a b": "provider" }), format!("value_error {place}/a b: ")),
        (json!({ "<code>": "provider" }), format!("value_error {place}/<code>: ")),
        (json!({ "é": "provider" }), format!("value_error {place}/é: ")),
        (json!({ "": "provider" }), format!("value_error {place}/: ")),
        (json!({ (&*too_long): "provider" }), format!("value_error {place}/{too_long}: ")),
        (json!({ "200": "provider" }), format!("value_error {place}/200: ")),
        (json!({ "299": "provider" }), format!("value_error {place}/299: ")),
        (json!({ "600": "provider" }), format!("value_error {place}/600: ")),
        (json!({ "a": "provider", "A": "provider" }), format!("value_error {place}/")),
        (many, format!("value_error {place}: Value error, at most 20")),
    ] {
        let found = wrong("faults", value.clone());
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{value} {found:?}");
    }
}
