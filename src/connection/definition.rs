//! The connector document, `saas_config` on the wire: everything about it is checked when it is saved.
//!
//! Decides: what a document may hold, which placeholders each of its requests may use, which secrets a connection of
//! this kind needs. A [`Definition`] exists only for a document without faults, so that nothing about it can fail later
//! except values that are missing or do not fit.
//!
//! Leaves to others: reading YAML (`yaml`), the size of the text (the caller refuses more than 256 KiB), the parts of
//! the document that are about data requests (kept, not used), and sending anything (`token_exchange`).

mod authentication;
mod document;
mod fields;
mod hosts;
mod parameter;
mod reader;
mod request;
mod shown;
mod succession;
mod token_rules;

use serde_json::{Map, Value};

use self::reader::Issues;
pub(in crate::connection) use self::token_rules::{LIFETIME_LIMIT, is_status};
pub use self::{
    authentication::{Authentication, AuthorizationCode, ClientCredentials, DirectAuthentication},
    parameter::Parameter,
    request::{Action, Body, IgnoredErrors, Protocol, Request, Target},
    shown::shown,
    token_rules::TokenRules,
};
use crate::protocol::{host::HostList, validation::Issue};

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
        document::check_limits(&document, &mut place, &mut issues);
        let definition = document::read(&document, &mut issues);
        let mut definition = issues.unless_any(definition)?;
        definition.document = document::kept(document);
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

    /// The secrets under all the names that the test may use for them: its `param_values` name some once more. The name
    /// of a parameter that restricts hosts stands for nothing else.
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

#[cfg(test)]
mod tests;
