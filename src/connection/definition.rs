//! The connector document, `saas_config` on the wire: everything about it is checked when it is saved.
//!
//! Decides: what a document may hold, which placeholders each of its requests may use, which secrets a connection of
//! this kind needs. A [`Definition`] exists only for a document without faults, so that nothing about it can fail later
//! except values that are missing or do not fit.
//!
//! Leaves to others: reading YAML (`yaml`), the size of the text (the caller refuses more than 256 KiB), the parts of the
//! document that are about data requests (kept, not used), and sending anything (`token_exchange`).

mod authentication;
mod fields;
mod hosts;
mod parameter;
mod reader;
mod request;
mod shown;
mod succession;
mod token_rules;

use serde_json::{Map, Value};

use self::reader::{Issues, Known, Node};
pub(in crate::connection) use self::reader::{OBJECT, TEXT};
pub(in crate::connection) use self::token_rules::{LIFETIME_LIMIT, is_status};
pub use self::{
    authentication::{Authentication, AuthorizationCode, ClientCredentials, DirectAuthentication},
    parameter::Parameter,
    request::{Action, Body, IgnoredErrors, Protocol, Request, Target},
    shown::shown,
    token_rules::TokenRules,
};
use super::key::check_alphabet;
use crate::protocol::{
    host::HostList,
    validation::{Issue, Step},
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

/// What stands for the key of the connection in a document that is a template.
pub(in crate::connection) const INSTANCE_KEY: &str = "<instance_fides_key>";

/// A connector document without faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The document, less unknown top-level members, `type` in lower case.
    document: Value,
    /// `fides_key`.
    fides_key: String,
    /// `name`.
    name: String,
    /// `type`, in lower case.
    kind: String,
    /// `version`.
    version: String,
    /// `connector_params` in order.
    parameters: Vec<Parameter>,
    /// Names of `external_references`: required secrets that point into a dataset.
    references: Vec<String>,
    /// `client_config`, less its authentication.
    target: Target,
    /// `allowed_hosts` (our extension).
    allowed_hosts: HostList,
    /// How the connector authenticates, if at all.
    authentication: Option<Authentication>,
    /// The request that tests a connection; none where code would be needed for it.
    test_request: Option<Request>,
    /// `param_values` of the test: names that stand for a parameter, and which one.
    test_values: Vec<(String, String)>,
}

impl Definition {
    /// Checks a document: the object under `saas_config`, or an object with that one member.
    ///
    /// # Errors
    ///
    /// Everything that is wrong (422), at most 100 issues; places start at the document's outside.
    pub fn from_document(document: Value) -> Result<Self, Vec<Issue>> {
        let mut issues = Issues::default();
        let mut place = Vec::new();
        check_limits(&document, &mut place, &mut issues);
        let definition = read(&document, &mut issues);
        let mut definition = issues.unless_any(definition)?;
        definition.document = kept(document);
        let mut issues = Issues::default();
        definition.check_restrictions(&mut issues);
        issues.unless_any(Some(definition))
    }

    /// The document as it is stored and shown.
    #[must_use]
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// The document with every default spelled out.
    #[must_use]
    pub fn shown(&self) -> Value {
        shown(self.document.clone())
    }

    /// `fides_key`.
    #[must_use]
    pub fn fides_key(&self) -> &str {
        &self.fides_key
    }

    /// `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `type`, in lower case.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `version`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `connector_params` in order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Protocol and host of requests without a `client_config` of their own.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The only hosts that the connector's requests may go to, where the list is not empty: whatever parameters and
    /// requests say, nothing else is reached.
    #[must_use]
    pub const fn allowed_hosts(&self) -> &HostList {
        &self.allowed_hosts
    }

    /// How the connector authenticates, if at all.
    #[must_use]
    pub const fn authentication(&self) -> Option<&Authentication> {
        self.authentication.as_ref()
    }

    /// Whether a person authorizes its connections (RFC 6749 §4.1).
    #[must_use]
    pub const fn is_by_code(&self) -> bool {
        matches!(self.authentication, Some(Authentication::AuthorizationCode(_)))
    }

    /// The request that tests a connection; none where code would be needed for it (`request_override`).
    #[must_use]
    pub const fn test_request(&self) -> Option<&Request> {
        self.test_request.as_ref()
    }

    /// The secrets under all the names that the test may use for them: its `param_values` name some once more. The name of
    /// a parameter that restricts hosts stands for nothing else.
    #[must_use]
    pub fn test_values(&self, mut secrets: Map<String, Value>) -> Map<String, Value> {
        let is_restricted = |name: &str| self.parameters.iter().any(|own| own.is_restricted() && own.name == name);
        for (name, parameter) in self.test_values.iter().filter(|(name, _)| !is_restricted(name)) {
            if let Some(value) = secrets.get(parameter).cloned() {
                secrets.insert(name.clone(), value);
            }
        }
        secrets
    }

    /// The request for an action, if the document has one.
    #[must_use]
    pub fn request(&self, action: Action) -> Option<&Request> {
        match action {
            Action::Test => self.test_request(),
            other => self.authentication()?.request(other),
        }
    }

    /// Whether the secret of this name is masked in answers. The client secret always is.
    #[must_use]
    pub fn is_sensitive(&self, name: &str) -> bool {
        name == "client_secret" || self.parameters.iter().any(|parameter| parameter.sensitive && parameter.name == name)
    }

    /// Checks the secrets of a connection, and fills the defaults in. Members that nobody knows are kept; those that
    /// only we give values to (`access_token`, `state`, …) are dropped unless declared.
    ///
    /// # Errors
    ///
    /// The issues (422), their places from the secrets' outside. No message holds a value.
    pub fn check_secrets(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Issue>> {
        let schema = format!("{}_schema", self.kind);
        parameter::check_secrets(&schema, &self.parameters, &self.references, given)
    }

    /// Fills in the defaults of parameters about which stored secrets say nothing; says whether there were any.
    pub fn fill_defaults(&self, secrets: &mut Map<String, Value>) -> bool {
        parameter::fill_defaults(&self.parameters, secrets)
    }
}

/// A document that is a template, made the document of one connection: `<instance_fides_key>` becomes `key`.
#[must_use]
pub fn instantiate(document: Value, key: &str) -> Value {
    match document {
        Value::String(text) => Value::String(text.replace(INSTANCE_KEY, key)),
        Value::Array(elements) => elements.into_iter().map(|element| instantiate(element, key)).collect(),
        Value::Object(mut members) => {
            members.values_mut().for_each(|value| *value = instantiate(value.take(), key));
            Value::Object(members)
        }
        other => other,
    }
}

/// Reads the document; notes what is wrong with it.
fn read(document: &Value, issues: &mut Issues) -> Option<Definition> {
    let mut root = Node::root(document);
    if root.member("saas_config").given().is_some() {
        root = root.member("saas_config");
    }
    root.object(issues)?;
    let key = root.member("fides_key");
    let fides_key = key.text(issues);
    // It stands in no path and is looked up nowhere, so that its alphabet is all that counts.
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
fn kept(document: Value) -> Value {
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
fn check_limits(value: &Value, place: &mut Vec<Step>, issues: &mut Issues) {
    match value {
        Value::String(text) if text.len() > TEXT_LIMIT => issues.push(Issue::new(
            "string_too_long",
            place.clone(),
            format!("String should have at most {TEXT_LIMIT} characters"),
        )),
        Value::Array(elements) => {
            let limit = LIST_LIMITS
                .iter()
                .find(|(name, _)| place.last() == Some(&Step::from(*name)))
                .map_or(LIST_LIMIT, |(_, limit)| *limit);
            if elements.len() > limit {
                let count = elements.len();
                issues.push(Issue::new(
                    "too_long",
                    place.clone(),
                    format!("List should have at most {limit} items after validation, not {count}"),
                ));
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

#[cfg(test)]
mod tests;
