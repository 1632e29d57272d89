//! Connector templates: definitions that connections are made from, one per connector type.
//!
//! Decides: what may be registered, what is listed of it, how old a copy may be. Leaves to others: what a definition may
//! hold (`definition`), where templates are stored (the object of the directory is the truth; copies may be elsewhere).

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::{
    definition::{Authentication, Definition, INSTANCE_KEY, Parameter, instantiate},
    key::ConnectionKey,
    outbound::OutboundPolicy,
};
use crate::{
    ports::PortError,
    protocol::{
        time::{Seconds, UnixSeconds},
        validation::{Issue, Step},
    },
};

/// Most templates that are registered at a time; Fides comes with 70.
pub const TEMPLATE_LIMIT: u32 = 500;

/// Longest type, in bytes: it stands in paths.
const KIND_LIMIT: usize = 128;

/// Longest list entry, in bytes of JSON, so that all of them are one message of at most 2 MB.
const ENTRY_LIMIT: usize = 4 * 1024;

/// How old a copy may be (D27).
const COPY_LIFETIME: Seconds = Seconds(60);

/// A key that stands for all keys while a template is checked.
const SAMPLE_KEY: &str = "instance";

/// A registered template, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectorTemplate {
    /// `type` of its definition, in lower case.
    pub kind: String,
    /// The document, `<instance_fides_key>` included.
    pub document: Value,
    /// The text that was registered: YAML, or JSON.
    pub source: String,
}

impl ConnectorTemplate {
    /// Checks a document that is to be registered; gives also what is listed of it.
    ///
    /// # Errors
    /// Everything that is wrong (422), the places from the document's outside.
    pub fn check(document: Value, source: &str, policy: &OutboundPolicy) -> Result<(Self, Value), Vec<Issue>> {
        let definition = definition_of(&document, SAMPLE_KEY)?;
        let kind = definition.kind().to_owned();
        let entry = entry(&definition);
        let (root, place) = root(&document);
        let mut issues = definition.check_hosts(policy);
        if root.get("fides_key").and_then(Value::as_str) != Some(INSTANCE_KEY) {
            let msg = format!("the fides_key of a template is {INSTANCE_KEY}");
            issues.push(Issue::value(at(place, "fides_key"), msg));
        }
        if !is_kind(&kind) {
            let msg = format!("the type of a template has 1 to {KIND_LIMIT} letters, digits, '.', '_' or '-'");
            issues.push(Issue::value(at(place, "type"), msg));
        }
        if entry.to_string().len() > ENTRY_LIMIT {
            let msg = format!("name, user_guide and display_info together are longer than {ENTRY_LIMIT} bytes");
            issues.push(Issue::value(at(place, "name"), msg));
        }
        if issues.is_empty() { Ok((Self { kind, document, source: source.to_owned() }, entry)) } else { Err(issues) }
    }

    /// The document of one connection.
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Value {
        instantiate(self.document.clone(), &key.0)
    }

    /// What secrets a connection of this type needs, much like a JSON schema (contract 5.7).
    ///
    /// # Errors
    /// 503 when the stored document is no longer a good one.
    pub fn secret_schema(&self) -> Result<SecretSchema, PortError> {
        let definition = definition_of(&self.document, SAMPLE_KEY);
        definition
            .map(|definition| SecretSchema::of(&definition))
            .map_err(|_| PortError(format!("the stored template '{}' is no longer valid", self.kind)))
    }
}

/// What stands for `<instance_fides_key>` in the document of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceKey(String);

impl InstanceKey {
    /// Reads one: a key without the brackets that Fides allows in keys, which would make placeholders of it (checklist P1).
    ///
    /// # Errors
    /// 422 with the words of Fides, or ours.
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = ConnectionKey::parse(text)?;
        if text.contains(['<', '>']) {
            return Err("an instance key must not contain '<' or '>'".to_owned());
        }
        Ok(Self(key.as_str().to_owned()))
    }
}

/// A copy of a template, somewhere where reading is fast and may be late.
#[derive(Serialize, Deserialize)]
struct Copy {
    /// When it was true.
    at: UnixSeconds,
    /// The template.
    template: ConnectorTemplate,
}

/// The text of a copy of a template that was true at an instant.
#[must_use]
pub fn copy(template: &ConnectorTemplate, at: UnixSeconds) -> Option<String> {
    serde_json::to_string(&Copy { at, template: template.clone() }).ok()
}

/// The template in the text of a copy, unless that is too old or not readable. A copy from the future is not trusted.
#[must_use]
pub fn in_copy(text: &str, kind: &str, now: UnixSeconds) -> Option<ConnectorTemplate> {
    let Copy { at, template } = serde_json::from_slice(text.as_bytes()).ok()?;
    (at <= now && now < at.plus(COPY_LIFETIME) && template.kind == kind).then_some(template)
}

/// Whether a text can be the type of a template.
#[must_use]
pub fn is_kind(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=KIND_LIMIT).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

/// What the object that stores templates is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TemplateRequest {
    /// Store one in place of an earlier one of its type, and what is listed of it.
    Put(ConnectorTemplate, Value),
    /// The one of a type.
    Find(String),
    /// What is listed of all, by type.
    List,
    /// Forget the one of a type.
    Remove(String),
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TemplateReply {
    /// Whether it is stored: not when there would be more than [`TEMPLATE_LIMIT`].
    Stored(bool),
    /// The one of that type.
    Found(Option<ConnectorTemplate>),
    /// What is listed of all.
    Entries(Vec<Value>),
    /// Whether there was one.
    Removed(bool),
}

/// The definition of one connection.
fn definition_of(document: &Value, key: &str) -> Result<Definition, Vec<Issue>> {
    Definition::from_document(instantiate(document.clone(), key))
}

/// The object that holds the members, and the step to it.
fn root(document: &Value) -> (&Value, Option<&'static str>) {
    /// The root key of a YAML definition.
    const ROOT: &str = "saas_config";
    let inner = document.get(ROOT).filter(|inner| !inner.is_null());
    inner.map_or((document, None), |inner| (inner, Some(ROOT)))
}

/// The place of a member.
fn at(root: Option<&'static str>, name: &'static str) -> Vec<Step> {
    root.into_iter().chain([name]).map(Step::from).collect()
}

/// What is listed of a template (contract 5.7).
fn entry(definition: &Definition) -> Value {
    let document = definition.document();
    let shown = |name: &str| document.pointer(&format!("/display_info/{name}"));
    let texts = |name: &str| shown(name).filter(|list| is_list_of_texts(list));
    let by_code = matches!(definition.authentication(), Some(Authentication::AuthorizationCode(_)));
    json!({
        "identifier": definition.kind(),
        "type": "saas",
        "human_readable": definition.name(),
        "encoded_icon": null,
        "authorization_required": by_code,
        "user_guide": document.get("user_guide").filter(|guide| guide.is_string()),
        "supported_actions": supported_actions(document),
        "category": shown("category").filter(|category| category.is_string()),
        "tags": texts("tags"),
        "enabled_features": texts("enabled_features"),
        "custom": true,
        "default_connector_available": false,
    })
}

/// Whether a value is a list of texts.
fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|elements| elements.iter().all(Value::is_string))
}

/// What of data requests a document describes: reading, erasing, consent.
fn supported_actions(document: &Value) -> Vec<&'static str> {
    let is_there = |value: Option<&Value>| !matches!(value, None | Some(Value::Null)) && value != Some(&json!([]));
    let endpoints = document.get("endpoints").and_then(Value::as_array);
    let asks = |kind: &str| {
        let mut endpoints = endpoints.into_iter().flatten();
        endpoints.any(|endpoint| is_there(endpoint.get("requests").and_then(|requests| requests.get(kind))))
    };
    let erases = asks("update") || asks("delete") || is_there(document.get("data_protection_request"));
    let consents = is_there(document.get("consent_requests"));
    let all = [("access", asks("read")), ("erasure", erases), ("consent", consents)];
    all.into_iter().filter(|(_, supported)| *supported).map(|(action, _)| action).collect()
}

/// What secrets a connection of some type needs, much like a JSON schema.
#[derive(Debug, Serialize)]
pub struct SecretSchema {
    /// The name that errors have too.
    title: String,
    /// Always `object`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Parameters, then external references.
    properties: Properties,
    /// Names of those that must be there.
    required: Vec<String>,
    /// What properties refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    definitions: Option<Value>,
}

/// Members in the order of the document, which forms are shown in; `serde_json`'s own map would sort them.
#[derive(Debug)]
struct Properties(Vec<(String, Value)>);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, property)| (name, property)))
    }
}

impl SecretSchema {
    /// The schema of a definition.
    fn of(definition: &Definition) -> Self {
        let references = definition.document().get("external_references").and_then(Value::as_array);
        let references = || references.into_iter().flatten().filter_map(reference);
        let parameters = definition.parameters().iter();
        let required = parameters.clone().filter(|parameter| parameter.is_required()).map(|own| own.name.clone());
        let required: Vec<String> = required.chain(references().map(|(name, _)| name)).collect();
        let shown = parameters.map(|own| (own.name.clone(), parameter(own, definition.is_sensitive(&own.name))));
        Self {
            title: format!("{}_schema", definition.kind()),
            kind: "object",
            properties: Properties(shown.chain(references()).collect()),
            required,
            definitions: references().next().map(|_| reference_definitions()),
        }
    }
}

/// The property of a parameter.
fn parameter(parameter: &Parameter, sensitive: bool) -> Value {
    let mut property = json!({
        "title": parameter.label.as_ref().unwrap_or(&parameter.name),
        "type": if parameter.multiselect { "array" } else { "string" },
        "sensitive": sensitive,
        "options": Some(&parameter.options).filter(|options| !options.is_empty()),
        "multiselect": parameter.multiselect,
        "param_type": parameter.kind,
        "allowed_values": parameter.allowed_values,
    });
    add(&mut property, "description", parameter.description.clone().map(Value::from));
    add(&mut property, "default", parameter.default_value.clone().filter(|_| !parameter.is_required()));
    property
}

/// Name and property of an external reference.
fn reference(reference: &Value) -> Option<(String, Value)> {
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    let name = text("name")?;
    let mut property = json!({
        "title": text("label").unwrap_or(name),
        "external_reference": true,
        "allOf": [{ "$ref": "#/definitions/FidesDatasetReference" }],
    });
    add(&mut property, "description", text("description").map(Value::from));
    Some((name.to_owned(), property))
}

/// What a reference into a dataset looks like.
fn reference_definitions() -> Value {
    let text = |title: &str| json!({ "title": title, "type": "string" });
    json!({ "FidesDatasetReference": {
        "title": "FidesDatasetReference",
        "type": "object",
        "properties": { "dataset": text("Dataset"), "field": text("Field"), "direction": text("Direction") },
        "required": ["dataset", "field"],
    } })
}

/// Adds a member to an object, if there is one to add.
fn add(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored form: reverting a change to it must make this fail.
    #[test]
    fn the_stored_form_is_pinned() {
        let document = json!({ "fides_key": INSTANCE_KEY, "type": "shop" });
        let source = "fides_key: <instance_fides_key>\ntype: Shop\n".to_owned();
        let template = ConnectorTemplate { kind: "shop".to_owned(), document, source };
        let pinned = include_str!("../../fixtures/storage/v1/connector_template.json").trim_end();
        assert_eq!(serde_json::to_string(&template).unwrap(), pinned);
        assert_eq!(serde_json::from_str::<ConnectorTemplate>(pinned).unwrap(), template);
    }

    /// D27: a copy is good from its instant on for a minute, for its own type.
    #[test]
    fn a_copy_is_good_for_a_minute() {
        let template = ConnectorTemplate { kind: "shop".to_owned(), document: json!({}), source: String::new() };
        let text = copy(&template, UnixSeconds(1000)).unwrap();
        for (now, good) in [(999, false), (1000, true), (1059, true), (1060, false)] {
            assert_eq!(in_copy(&text, "shop", UnixSeconds(now)).is_some(), good, "{now}");
        }
        assert_eq!(in_copy(&text, "other", UnixSeconds(1000)), None);
        assert_eq!(in_copy("x", "shop", UnixSeconds(1000)), None);
    }

    #[test]
    fn a_type_can_stand_in_a_path() {
        let longest = "k".repeat(128);
        for good in ["a", "query_provider", "a-b.c", "0", &longest] {
            assert!(is_kind(good), "{good}");
        }
        let too_long = "k".repeat(129);
        for bad in ["", ".", "..", "a b", "a/b", "A", "<x>", "\u{e9}", &too_long] {
            assert!(!is_kind(bad), "{bad:?}");
        }
    }
}
