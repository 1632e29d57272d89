//! Reading a document: which members there are, and what each of them must be.
//!
//! Decides: which members are kept, how long texts and lists may be, which placeholders the connector's secrets stand
//! behind. Leaves to others: what the members themselves may hold (`parameter`, `request`, `authentication`).

use serde_json::Value;

use super::{
    Action, Definition, Request, authentication, hosts, parameter,
    reader::{Issues, Known, Node},
    request,
};
use crate::{
    connection::key::check_alphabet,
    protocol::validation::{Issue, Step},
};

/// Longest text anywhere in a document, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;

/// Most elements of a list, by the name of the member that holds it (checklist P12).
const LIST_LIMITS: [(&str, usize); 4] =
    [("connector_params", 100), ("headers", 64), ("query_params", 64), ("allowed_hosts", 100)];

/// Most elements of any other list, `endpoints` among them.
const LIST_LIMIT: usize = 500;

/// The top-level members of a Fides connector, and the last, which is ours; others are dropped.
const MEMBERS: [&str; 16] = [
    "fides_key",
    "name",
    "type",
    "description",
    "version",
    "connector_params",
    "external_references",
    "client_config",
    "endpoints",
    "test_request",
    "data_protection_request",
    "consent_requests",
    "rate_limit_config",
    "user_guide",
    "display_info",
    "allowed_hosts",
];

/// Secrets that every OAuth connector may use, declared or not.
const CREDENTIALS: [&str; 3] = ["client_id", "client_secret", "redirect_uri"];

/// Reads the document; notes what is wrong with it.
pub(super) fn read(document: &Value, issues: &mut Issues) -> Option<Definition> {
    let mut root = Node::root(document);
    if root.member("saas_config").given().is_some() {
        root = root.member("saas_config");
    }
    root.object(issues)?;
    let key = root.member("fides_key");
    let fides_key = key.text(issues);
    // It stands in no path, so that its alphabet is all that counts.
    if let Some(Err(problem)) = fides_key.map(check_alphabet) {
        issues.push(key.issue(problem));
    }
    let text = |name: &str, issues: &mut Issues| root.member(name).text(issues).map(str::to_owned);
    let (name, kind) = (text("name", issues), text("type", issues));
    // It must be there, and is only shown.
    let (description, version) = (text("description", issues), text("version", issues));
    let parameters = parameter::read(&root.member("connector_params"), issues);
    let references: Vec<String> = root
        .member("external_references")
        .optional_elements(issues)
        .into_iter()
        .filter_map(|node| node.member("name").text(issues).map(str::to_owned))
        .collect();
    let declared = parameters.iter().map(|parameter| parameter.name.as_str());
    let known: Vec<String> =
        declared.chain(references.iter().map(String::as_str)).chain(CREDENTIALS).map(str::to_owned).collect();
    let client = root.member("client_config");
    let secrets = Known { secrets: &known, ours: &[] };
    let target = client.object(issues).and_then(|_| request::read_address(&client, secrets, issues));
    let strategy = client.member("authentication");
    let authentication = strategy.given().and_then(|_| authentication::read(&strategy, &known, issues));
    let test_values = read_test_values(&root.member("test_request"), issues);
    let kept = authentication.as_ref().map_or(&[][..], |strategy| &strategy.token_rules().keep);
    let test_request = read_test_request(&root.member("test_request"), &[&known, kept].concat(), &test_values, issues);
    root.member("endpoints").elements(issues);
    let allowed_hosts = hosts::read_allowed(&root.member("allowed_hosts"), issues);
    description?;
    Some(Definition {
        document: Value::Null,
        fides_key: fides_key?.to_owned(),
        name: name?,
        kind: kind?.to_ascii_lowercase(),
        version: version?,
        parameters,
        references,
        target: target?,
        allowed_hosts,
        authentication,
        test_request,
        test_values,
    })
}

/// Reads `test_request`; with `request_override` it is code of the original host, and there is nothing to send.
fn read_test_request(
    node: &Node<'_>,
    known: &[String],
    values: &[(String, String)],
    issues: &mut Issues,
) -> Option<Request> {
    node.object(issues)?;
    if node.member("request_override").given().is_some() {
        return None;
    }
    let mut secrets = known.to_vec();
    secrets.extend(values.iter().map(|(name, _)| name.clone()));
    let known = Known { secrets: &secrets, ours: Action::Test.values() };
    request::read(node, known, issues)
}

/// Reads `param_values` of `test_request`: further names, each for a parameter of the connector where it says which.
fn read_test_values(node: &Node<'_>, issues: &mut Issues) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for value in node.member("param_values").optional_elements(issues) {
        let name = value.member("name").text(issues);
        let parameter = value.member("connector_param").optional_text(issues).unwrap_or_default();
        values.extend(name.map(|name| (name.to_owned(), parameter.to_owned())));
    }
    values
}

/// The document as it is kept: known top-level members, `type` in lower case.
pub(super) fn kept(document: Value) -> Value {
    let Value::Object(mut members) = document else {
        return document;
    };
    if let Some(Value::Object(inner)) = members.get_mut("saas_config") {
        members = std::mem::take(inner);
    }
    members.retain(|name, _| MEMBERS.contains(&name.as_str()));
    if let Some(Value::String(kind)) = members.get_mut("type") {
        *kind = kind.to_ascii_lowercase();
    }
    Value::Object(members)
}

/// Bounds on texts and lists anywhere in the document. Its depth is bounded by both parsers.
pub(super) fn check_limits(value: &Value, place: &mut Vec<Step>, issues: &mut Issues) {
    match value {
        Value::String(text) if text.len() > TEXT_LIMIT => {
            issues.push(Issue::text_too_long(place.clone(), TEXT_LIMIT));
        }
        Value::Array(elements) => {
            let limit = LIST_LIMITS
                .iter()
                .find(|(name, _)| place.last() == Some(&Step::from(*name)))
                .map_or(LIST_LIMIT, |(_, limit)| *limit);
            if elements.len() > limit {
                issues.push(Issue::list_too_long(place.clone(), limit, elements.len()));
            }
            for (index, element) in elements.iter().enumerate() {
                place.push(index.into());
                check_limits(element, place, issues);
                place.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                place.push(name.as_str().into());
                check_limits(member, place, issues);
                place.pop();
            }
        }
        _ => {}
    }
}
