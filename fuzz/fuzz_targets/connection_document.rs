//! Connector documents, in YAML and in JSON.
//!
//! An input that starts with `#edit N` changes fixture N: each further line is the number of a value of the document
//! and what stands there instead, JSON or else text. That reaches what bytes alone rarely reach. Any other input is a
//! document.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postern::connection::{
    definition::{Definition, instantiate},
    outbound::OutboundPolicy,
    yaml,
};
use postern_fuzz::check_issues;
use serde_json::{Map, Value, json};

/// Most issues that are listed for one document.
const ISSUE_LIMIT: usize = 100;

/// Deepest nesting of YAML.
const DEPTH_LIMIT: usize = 64;

/// Most nodes of YAML.
const NODE_LIMIT: usize = 20_000;

/// Documents without fault.
static FIXTURES: LazyLock<[Value; 4]> = LazyLock::new(|| {
    [
        include_str!("../../fixtures/connector/local_code_flow.yml"),
        include_str!("../../fixtures/connector/local_client_credentials.yml"),
        include_str!("../../fixtures/connector/json_client_credentials.yml"),
        include_str!("../../fixtures/connector/query_code_flow.yml"),
    ]
    .map(|text| yaml::parse(text).expect("a fixture is YAML"))
});

/// How deep a value is nested, and of how many values it is made.
fn extent(value: &Value) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Value::Array(elements) => elements.iter().map(extent).collect(),
        Value::Object(members) => members.values().map(extent).collect(),
        _ => return (0, 1),
    };
    inner.into_iter().fold((1, 1), |(depth, count), (deeper, more)| (depth.max(deeper + 1), count + more))
}

/// Puts `new` in the place of one value, counted from the outside in; counts `place` down.
fn replace(value: &mut Value, place: &mut usize, new: &Value) -> bool {
    if *place == 0 {
        *value = new.clone();
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(elements) => elements.iter_mut().any(|element| replace(element, place, new)),
        Value::Object(members) => members.values_mut().any(|member| replace(member, place, new)),
        _ => false,
    }
}

/// A fixture with changes.
fn edited(lines: &str) -> Value {
    let mut lines = lines.split('\n');
    let number = |text: &str| text.trim().parse::<usize>().unwrap_or_default();
    let fixture = lines.next().map_or(0, number);
    let mut document = FIXTURES[fixture % FIXTURES.len()].clone();
    for line in lines.take(8) {
        let (place, text) = line.split_once(' ').unwrap_or((line, ""));
        let new = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        let mut place = number(place) % extent(&document).1;
        replace(&mut document, &mut place, &new);
    }
    document
}

/// What must hold for a text that is read as YAML.
fn check_yaml(text: &str) -> Option<Value> {
    match yaml::parse(text) {
        Ok(document) => {
            let (depth, count) = extent(&document);
            assert!(depth <= DEPTH_LIMIT && count <= NODE_LIMIT, "{depth} {count}");
            Some(document)
        }
        Err(problem) => {
            let breaks = text.matches(['\n', '\r']).count();
            assert!((1..=breaks + 2).contains(&problem.line) && problem.column >= 1, "{problem}");
            assert!(!problem.problem.is_empty());
            None
        }
    }
}

/// JSON is YAML 1.2: what ours reads of it is the same document.
fn check_json_as_yaml(document: &Value) {
    if let Ok(read) = yaml::parse(&document.to_string()) {
        assert_eq!(read, numbers_as_text(document));
    }
}

/// A document in which numbers that ours does not type are text.
fn numbers_as_text(value: &Value) -> Value {
    match value {
        Value::Number(number) => yaml::parse(&number.to_string()).expect("a scalar"),
        Value::Array(elements) => elements.iter().map(numbers_as_text).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), numbers_as_text(value))).collect(),
        other => other.clone(),
    }
}

/// Secrets with which a connection of this kind can be saved, as far as the definition tells; only what is required.
fn secrets_of(definition: &Definition) -> Map<String, Value> {
    let required = definition.parameters().iter().filter(|parameter| parameter.is_required());
    let value = |options: &[String]| options.first().map_or("a.example.com", String::as_str).to_owned();
    required.map(|parameter| (parameter.name.clone(), value(&parameter.options).into())).collect()
}

/// What must hold for a document that is accepted.
fn check_definition(definition: &Definition) {
    let document = definition.document();
    let stored = Definition::from_document(document.clone()).expect("what is stored is accepted again");
    assert_eq!(stored.document(), document, "what is stored is what was stored");
    // Places differ when the document came wrapped: the third is like the second in all.
    let again = Definition::from_document(stored.document().clone()).expect("and again");
    assert_eq!(again, stored);
    let wrapped = Definition::from_document(json!({ "saas_config": document })).expect("wrapped, too");
    assert_eq!(wrapped.document(), document);
    assert_eq!(definition.kind(), definition.kind().to_ascii_lowercase());
    assert!(definition.is_sensitive("client_secret"));

    let production = OutboundPolicy::default();
    let development = OutboundPolicy { allow_loopback: true, ..OutboundPolicy::default() };
    let (strict, lax) = (definition.check_hosts(&production), definition.check_hosts(&development));
    assert!(lax.iter().all(|issue| strict.contains(issue)), "development refuses nothing that production allows");
    let _ = instantiate(document.clone(), "key");

    if let Ok(secrets) = definition.check_secrets(&secrets_of(definition)) {
        assert_eq!(definition.check_secrets(&secrets).as_ref(), Ok(&secrets), "what is stored is accepted again");
        let _ = definition.check_secret_hosts(&secrets, &production);
        let _ = definition.check_secret_hosts(&secrets, &development);
    }
}

/// What must hold for any document.
fn check_document(document: &Value) {
    match Definition::from_document(document.clone()) {
        Ok(definition) => check_definition(&definition),
        Err(issues) => check_issues(&issues, document, 0, ISSUE_LIMIT),
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(edits) = text.strip_prefix("#edit ") {
        return check_document(&edited(edits));
    }
    let from_yaml = check_yaml(text);
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        check_json_as_yaml(&document);
        check_document(&document);
    }
    from_yaml.iter().for_each(check_document);
});
