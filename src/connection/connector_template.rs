//! Connector templates: definitions that connections are made from, one per connector type.
//!
//! Decides: what may be registered, what is listed of it, how old a copy may be. Leaves to others: what a definition
//! may hold (`definition`), where templates are stored (the object of the directory is the truth; copies may be
//! elsewhere).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    definition::{Definition, INSTANCE_KEY, Parameter, instantiate},
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

/// How old a copy may be.
const COPY_LIFETIME: Seconds = Seconds(60);

/// A key that stands for all keys while a template is checked.
const SAMPLE_KEY: &str = "instance";

/// A registered template.
#[derive(Debug, Clone, PartialEq)]
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
        let definition = sample(&document)?;
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

    /// Its stored form: a JSON object.
    #[must_use]
    pub fn stored(&self) -> String {
        let members = [("kind", text(&self.kind)), ("document", self.document.clone()), ("source", text(&self.source))];
        object(members).to_string()
    }

    /// The template of a stored form.
    #[must_use]
    pub fn read(stored: &str) -> Option<Self> {
        let mut stored: Value = serde_json::from_slice(stored.as_bytes()).ok()?;
        let mut take = |name: &str| stored.get_mut(name).map(Value::take);
        match (take("kind"), take("document"), take("source")) {
            (Some(Value::String(kind)), Some(document), Some(Value::String(source))) => {
                Some(Self { kind, document, source })
            }
            _ => None,
        }
    }

    /// The document of one connection.
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Value {
        instantiate(self.document.clone(), &key.0)
    }

    /// What secrets a connection of this type needs, much like a JSON schema.
    ///
    /// # Errors
    /// 503 when the stored document is no longer a good one.
    pub fn secret_schema(&self) -> Result<SecretSchema, PortError> {
        let definition = sample(&self.document);
        definition
            .map(|definition| SecretSchema::of(&definition))
            .map_err(|_| PortError(format!("the stored template '{}' is no longer valid", self.kind)))
    }
}

/// What stands for `<instance_fides_key>` in the document of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceKey(String);

impl InstanceKey {
    /// Reads one: a key without the brackets that Fides allows in keys, which would make placeholders of it (checklist
    /// P1).
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

/// The text of a copy: a stored form, and the instant at which it was true.
#[must_use]
pub fn copy(stored: &str, at: UnixSeconds) -> String {
    object([("at", at.0.into()), ("template", text(stored))]).to_string()
}

/// The template in the text of a copy, unless that is too old or not readable. A copy from the future is not trusted.
#[must_use]
pub fn in_copy(copy: &str, kind: &str, now: UnixSeconds) -> Option<ConnectorTemplate> {
    let copy: Value = serde_json::from_slice(copy.as_bytes()).ok()?;
    let at = UnixSeconds(copy.get("at")?.as_u64()?);
    if now < at || at.plus(COPY_LIFETIME) <= now {
        return None;
    }
    ConnectorTemplate::read(copy.get("template")?.as_str()?).filter(|template| template.kind == kind)
}

/// Whether a text can be the type of a template.
#[must_use]
pub fn is_kind(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=KIND_LIMIT).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

/// The definition of some connection.
fn sample(document: &Value) -> Result<Definition, Vec<Issue>> {
    Definition::from_document(instantiate(document.clone(), SAMPLE_KEY))
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

/// What is listed of a template.
fn entry(definition: &Definition) -> Value {
    let document = definition.document();
    let shown = |name: &str| document.pointer(&format!("/display_info/{name}"));
    let texts = |name: &str| shown(name).filter(|list| is_list_of_texts(list));
    object([
        ("identifier", text(definition.kind())),
        ("type", text("saas")),
        ("human_readable", text(definition.name())),
        ("encoded_icon", Value::Null),
        ("authorization_required", definition.is_by_code().into()),
        ("user_guide", document.get("user_guide").filter(|guide| guide.is_string()).cloned().into()),
        ("supported_actions", supported_actions(document)),
        ("category", shown("category").filter(|category| category.is_string()).cloned().into()),
        ("tags", texts("tags").cloned().into()),
        ("enabled_features", texts("enabled_features").cloned().into()),
        ("custom", true.into()),
        ("default_connector_available", false.into()),
    ])
}

/// Whether a value is a list of texts.
fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|elements| elements.iter().all(Value::is_string))
}

/// What of data requests a document describes: reading, erasing, consent.
fn supported_actions(document: &Value) -> Value {
    let is_there = |value: Option<&Value>| match value {
        None | Some(Value::Null) => false,
        Some(Value::Array(elements)) => !elements.is_empty(),
        Some(_) => true,
    };
    let endpoints = document.get("endpoints").and_then(Value::as_array);
    let asks = |kind: &str| {
        let mut endpoints = endpoints.into_iter().flatten();
        endpoints.any(|endpoint| is_there(endpoint.get("requests").and_then(|requests| requests.get(kind))))
    };
    let mut actions = Vec::new();
    if asks("read") {
        actions.push(text("access"));
    }
    if asks("update") || asks("delete") || is_there(document.get("data_protection_request")) {
        actions.push(text("erasure"));
    }
    if is_there(document.get("consent_requests")) {
        actions.push(text("consent"));
    }
    actions.into()
}

/// What secrets a connection of some type needs, much like a JSON schema: members in the order of the document, which
/// forms show them in; `serde_json`'s own map would sort them.
#[derive(Debug)]
pub struct SecretSchema(Vec<(&'static str, Part)>);

/// A member of the schema.
#[derive(Debug)]
enum Part {
    /// As it is.
    Plain(Value),
    /// The properties, in order.
    Properties(Vec<(String, Value)>),
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Properties(properties) => serializer.collect_map(properties.iter().map(|(name, own)| (name, own))),
        }
    }
}

impl Serialize for SecretSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, part)| (name, part)))
    }
}

impl SecretSchema {
    /// The schema of a definition: parameters, then external references.
    fn of(definition: &Definition) -> Self {
        let (mut properties, mut required) = (Vec::new(), Vec::new());
        for own in definition.parameters() {
            if own.is_required() {
                required.push(text(&own.name));
            }
            properties.push((own.name.clone(), parameter(own, definition.is_sensitive(&own.name))));
        }
        let references = definition.document().get("external_references").and_then(Value::as_array);
        for own in references.into_iter().flatten() {
            if let Some(name) = own.get("name").and_then(Value::as_str) {
                required.push(text(name));
                properties.push((name.to_owned(), reference(name, own)));
            }
        }
        let mut parts = vec![
            ("title", Part::Plain(format!("{}_schema", definition.kind()).into())),
            ("type", Part::Plain(text("object"))),
            ("properties", Part::Properties(properties)),
            ("required", Part::Plain(required.into())),
        ];
        if references.is_some_and(|references| !references.is_empty()) {
            parts.push(("definitions", Part::Plain(reference_definitions())));
        }
        Self(parts)
    }
}

/// The property of a parameter.
fn parameter(parameter: &Parameter, sensitive: bool) -> Value {
    let options = Some(parameter.options.clone()).filter(|options| !options.is_empty());
    let mut property = object([
        ("title", text(parameter.label.as_ref().unwrap_or(&parameter.name))),
        ("type", text(if parameter.multiselect { "array" } else { "string" })),
        ("sensitive", sensitive.into()),
        ("options", options.into()),
        ("multiselect", parameter.multiselect.into()),
        ("param_type", parameter.kind.clone().into()),
        ("allowed_values", parameter.allowed_values.clone().into()),
    ]);
    add(&mut property, "description", parameter.description.clone().map(Value::String));
    add(&mut property, "default", parameter.default_value.clone().filter(|_| !parameter.is_required()));
    property
}

/// The property of an external reference.
fn reference(name: &str, reference: &Value) -> Value {
    let member = |name: &str| reference.get(name).filter(|member| member.is_string()).cloned();
    let kind = object([("$ref", text("#/definitions/FidesDatasetReference"))]);
    let mut property = object([
        ("title", member("label").unwrap_or_else(|| text(name))),
        ("external_reference", true.into()),
        ("allOf", Value::Array(vec![kind])),
    ]);
    add(&mut property, "description", member("description"));
    property
}

/// What a reference into a dataset looks like.
fn reference_definitions() -> Value {
    let string = |title: &str| object([("title", text(title)), ("type", text("string"))]);
    let properties =
        object([("dataset", string("Dataset")), ("field", string("Field")), ("direction", string("Direction"))]);
    let required = Value::Array(vec![text("dataset"), text("field")]);
    let reference = object([
        ("title", text("FidesDatasetReference")),
        ("type", text("object")),
        ("properties", properties),
        ("required", required),
    ]);
    object([("FidesDatasetReference", reference)])
}

/// An object of these members.
fn object<const COUNT: usize>(members: [(&'static str, Value); COUNT]) -> Value {
    collected(&mut members.into_iter())
}

/// The one body of [`object`].
fn collected(members: &mut dyn Iterator<Item = (&'static str, Value)>) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// A text as a value.
fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Adds a member to an object, if there is one to add.
fn add(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The stored form: reverting a change to it must make this fail.
    #[test]
    fn the_stored_form_is_pinned() {
        let document = json!({ "fides_key": INSTANCE_KEY, "type": "shop" });
        let source = "fides_key: <instance_fides_key>\ntype: Shop\n".to_owned();
        let template = ConnectorTemplate { kind: "shop".to_owned(), document, source };
        let pinned = include_str!("../../fixtures/storage/v1/connector_template.json").trim_end();
        assert_eq!(template.stored(), pinned);
        assert_eq!(ConnectorTemplate::read(pinned), Some(template));
        for damaged in ["", "null", "[]", "{}", r#"{"kind":1,"document":{},"source":""}"#, r#"{"kind":"shop"}"#] {
            assert_eq!(ConnectorTemplate::read(damaged), None, "{damaged}");
        }
    }

    /// A copy is good from its instant on for a minute, for its own type.
    #[test]
    fn a_copy_is_good_for_a_minute() {
        let template = ConnectorTemplate { kind: "shop".to_owned(), document: json!({}), source: String::new() };
        let text = copy(&template.stored(), UnixSeconds(1000));
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
