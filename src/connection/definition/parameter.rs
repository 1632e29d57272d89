//! The parameters of a connector (`connector_params`), and the secrets that fill them.
//!
//! Decides: what a parameter may say, and which secrets fit. Leaves to others: merging with stored secrets, masking in
//! answers, storing.

use serde_json::{Map, Value};

use super::reader::{Issues, Node};
use crate::{
    connection::secrets::PROVIDER_CREDENTIALS,
    protocol::{host::is_dns_name, validation::Issue},
};

/// Names that only we give values to: a caller's secrets of these names are dropped, unless the connector declares
/// them.
const OURS: [&str; 7] =
    ["access_token", "refresh_token", "expires_at", "code", "code_challenge", "code_verifier", "state"];

/// One parameter of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name in placeholders and secrets.
    pub name: String,
    /// For people.
    pub label: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Text, a whole number, or a list of texts.
    pub default_value: Option<Value>,
    /// The values that are allowed; all where there are none.
    pub options: Vec<String>,
    /// Whether a list of options is allowed.
    pub multiselect: bool,
    /// Whether the value is masked in answers.
    pub sensitive: bool,
    /// `type`: only `endpoint` means something, a host.
    pub kind: Option<String>,
    /// For an `endpoint`: patterns of which one must match; an empty list means any host.
    pub allowed_values: Option<Vec<String>>,
}

impl Parameter {
    /// Whether secrets must hold it: there is no default that says something.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.default_value.as_ref().is_none_or(is_falsy)
    }

    /// Whether it is a host that must match one of some patterns.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.kind.as_deref() == Some("endpoint") && !self.patterns().is_empty()
    }

    /// The patterns for hosts.
    fn patterns(&self) -> &[String] {
        self.allowed_values.as_deref().unwrap_or_default()
    }

    /// Whether a host matches one of the patterns.
    fn allows(&self, host: &str) -> bool {
        self.patterns().iter().any(|pattern| matches(pattern, host))
    }

    /// What is wrong with a value for this parameter, if anything. The value itself is never named.
    fn problem(&self, value: &Value) -> Option<Issue> {
        let loc = || vec![self.name.as_str().into()];
        let texts: Option<Vec<&str>> = match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(elements) if self.multiselect => elements.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let Some(texts) = texts else {
            return Some(Issue::not_text(loc()));
        };
        let is_option = |text: &&str| self.options.iter().any(|option| option == text);
        if !self.options.is_empty() && !texts.iter().all(is_option) {
            let options = self.options.join(", ");
            let name = &self.name;
            return Some(Issue::value(
                loc(),
                if self.multiselect {
                    format!("'{name}' must be a list of values from [{options}]")
                } else {
                    format!("'{name}' must be one of [{options}]")
                },
            ));
        }
        if self.is_restricted() && !texts.iter().all(|text| self.allows(text)) {
            return Some(Issue::value(
                loc(),
                format!("'{}' must match one of [{}]", self.name, self.patterns().join(", ")),
            ));
        }
        None
    }
}

/// Reads `connector_params`; notes what is wrong with them.
pub(super) fn read(node: &Node<'_>, issues: &mut Issues) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for element in node.elements(issues) {
        let Some(parameter) = read_one(&element, issues) else {
            continue;
        };
        if parameters.iter().any(|other| other.name == parameter.name) {
            issues.push(element.member("name").issue("this parameter is there already"));
        }
        if parameter.name == PROVIDER_CREDENTIALS {
            issues.push(element.member("name").issue("this name has a meaning of its own"));
        }
        parameters.push(parameter);
    }
    parameters
}

/// Reads one parameter.
fn read_one(node: &Node<'_>, issues: &mut Issues) -> Option<Parameter> {
    node.object(issues)?;
    let text = |name: &str, issues: &mut Issues| node.member(name).optional_text(issues).map(str::to_owned);
    let parameter = Parameter {
        name: node.member("name").text(issues)?.to_owned(),
        label: text("label", issues),
        description: text("description", issues),
        default_value: node.member("default_value").given().cloned(),
        options: node.member("options").optional_texts(issues).unwrap_or_default(),
        multiselect: node.member("multiselect").switch(false, issues),
        sensitive: node.member("sensitive").switch(false, issues),
        kind: text("type", issues),
        allowed_values: node.member("allowed_values").optional_texts(issues),
    };
    check_default(&parameter, node, issues);
    if parameter.multiselect && parameter.options.is_empty() {
        issues.push(node.issue("The 'multiselect' field in connector_params must be accompanied by an 'options' field containing a list of values."));
    }
    Some(parameter)
}

/// The rules for a default value.
fn check_default(parameter: &Parameter, node: &Node<'_>, issues: &mut Issues) {
    let Some(default) = &parameter.default_value else {
        return;
    };
    let name = &parameter.name;
    let entries = match default {
        Value::String(_) => vec![default],
        Value::Number(number) if number.is_i64() => vec![default],
        Value::Array(elements) if elements.iter().all(Value::is_string) => {
            if !parameter.multiselect {
                issues.push(node.issue(format!(
                    "The default_value for the {name} connector_param must be a single value when multiselect is not enabled, not a list."
                )));
            }
            elements.iter().collect()
        }
        _ => {
            let place = node.member("default_value");
            issues.push(Issue::not_text(place.loc()));
            return;
        }
    };
    let is_option = |entry: &&Value| {
        let text = as_text(entry);
        parameter.options.contains(&text)
    };
    if !parameter.options.is_empty() && !entries.iter().all(is_option) {
        issues.push(node.issue(format!(
            "The default_value for the {name} connector_param must be among its options [{}]",
            parameter.options.join(", ")
        )));
    }
    let fits = |entry: &&Value| parameter.allows(&as_text(entry));
    if parameter.is_restricted() && !parameter.is_required() && !entries.iter().all(fits) {
        issues.push(node.issue(format!(
            "The default_value for the {name} connector_param must match one of its allowed_values [{}]",
            parameter.patterns().join(", ")
        )));
    }
}

/// A default as it is filled in: text stays, a number becomes text, since a secret is text.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Checks the secrets of a connection, and fills the defaults in. Members that nobody knows are kept; those that only
/// we give values to are dropped.
///
/// # Errors
///
/// The issues (422), their places from the secrets' outside: one for all required names when any is missing or empty,
/// else one for each value that does not fit. No message holds a value.
pub(super) fn check_secrets(
    schema: &str,
    parameters: &[Parameter],
    references: &[String],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Issue>> {
    let required: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.is_required())
        .map(|parameter| parameter.name.as_str())
        .chain(references.iter().map(String::as_str))
        .collect();
    if required.iter().any(|name| given.get(*name).is_none_or(is_falsy)) {
        let message = format!("{schema} must be supplied all of: [{}].", required.join(", "));
        return Err(vec![Issue::value(Vec::new(), message)]);
    }
    let mut secrets = given.clone();
    let mut issues = Vec::new();
    let is_declared = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
    secrets.retain(|name, _| !OURS.contains(&name.as_str()) || is_declared(name));
    for parameter in parameters {
        match (given.get(&parameter.name), &parameter.default_value) {
            (None | Some(Value::Null), Some(default)) => {
                secrets.insert(parameter.name.clone(), filled(default));
            }
            (None | Some(Value::Null), None) => {}
            (Some(value), _) => issues.extend(parameter.problem(value)),
        }
    }
    for name in references {
        if !given.get(name).is_some_and(Value::is_object) {
            let loc = vec![name.as_str().into()];
            issues.push(Issue::not_object(loc));
        }
    }
    if issues.is_empty() { Ok(secrets) } else { Err(issues) }
}

/// A default as a secret: text, or a list.
fn filled(default: &Value) -> Value {
    match default {
        Value::Array(_) => default.clone(),
        single => Value::String(as_text(single)),
    }
}

/// Fills in the defaults that say something, where secrets say nothing; says whether there were any.
pub(super) fn fill_defaults(parameters: &[Parameter], secrets: &mut Map<String, Value>) -> bool {
    let mut any = false;
    for parameter in parameters.iter().filter(|parameter| !parameter.is_required()) {
        let is_missing = secrets.get(&parameter.name).is_none_or(Value::is_null);
        if let Some(default) = parameter.default_value.as_ref().filter(|_| is_missing) {
            secrets.insert(parameter.name.clone(), filled(default));
            any = true;
        }
    }
    any
}

/// Whether Python takes a value for false: a required parameter like that counts as missing.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Whether a host matches a pattern as a whole, in any case: `*` is one or more letters, digits, dots, hyphens,
/// underscores. Beyond that a host must be a name, so that `a..b` and `-a` match nothing.
fn matches(pattern: &str, host: &str) -> bool {
    let host = host.trim().to_ascii_lowercase();
    let pattern = pattern.trim().to_ascii_lowercase();
    if !is_dns_name(&host) {
        return false;
    }
    // Which heads of the host the pattern's head matches, by length.
    let host: Vec<char> = host.chars().collect();
    let mut reached = vec![true];
    reached.resize(host.len().saturating_add(1), false);
    for wanted in pattern.chars() {
        let mut next = vec![false];
        let mut any_before = false;
        for (position, character) in host.iter().enumerate() {
            let here = reached.get(position) == Some(&true);
            any_before |= here;
            next.push(if wanted == '*' { any_before } else { here && wanted == *character });
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests;
