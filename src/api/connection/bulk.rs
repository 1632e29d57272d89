//! `PATCH /api/v1/connection`: creates or changes connections, up to 50 at a time.

use serde_json::{Map, Value, json};

use super::refused;
use crate::{
    api::{Context, OK, Ports, answer::Answer, connector_template::find, error::ApiError, guard, input},
    connection::{
        command::{Command, Former, Refusal, Reply},
        connector_template::{ConnectorTemplate, InstanceKey},
        key::ConnectionKey,
        profile::{Access, ProfileInput},
    },
    protocol::validation::Issue,
};

/// Most connections in one `PATCH`.
const BULK_LIMIT: usize = 50;

/// `PATCH /connection`: creates or changes up to 50; what fails does not stop the rest.
///
/// An item with secrets changes profile and secrets together; where the connection is not there yet, it is made of the
/// template of its `saas_connector_type`, its key being the instance key.
///
/// # Errors
/// 422 for a malformed body; then nothing was stored.
pub(in crate::api) async fn save<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let body = input::json(context.request)?;
    let items = read_items(&body).map_err(|issues| ApiError::unprocessable(&issues))?;
    let (mut succeeded, mut failed, mut templates) = (Vec::new(), Vec::new(), Known(Vec::new()));
    for Item { key, input, secrets, kind } in items {
        let saved = match secrets {
            None => store(context, &key, Command::Save(input.clone()), kind.as_deref()).await,
            Some(secrets) => match templates.document(context, kind.as_deref(), &key).await {
                Ok(document) => {
                    let command = Command::Make(input.clone(), document, secrets, Former::Changed);
                    store(context, &key, command, kind.as_deref()).await
                }
                Err(error) => Err(error),
            },
        };
        match saved {
            Ok(view) => succeeded.push(view),
            Err(error) => failed.push(json!({ "message": message(context, error), "data": {
                "key": key, "connection_type": "saas", "name": input.name, "description": input.description,
                "access": input.access, "disabled": input.disabled, "saas_connector_type": kind } })),
        }
    }
    Answer::json(OK, &json!({ "succeeded": succeeded, "failed": failed }))
}

/// Has the connection carry out what an item says: its view.
async fn store<P: Ports>(
    context: &Context<'_, P>,
    key: &ConnectionKey,
    command: Command,
    kind: Option<&str>,
) -> Result<Value, ApiError> {
    match context.ports.command(key, command).await? {
        Reply::Connection(view) => Ok(view),
        Reply::Refused(Refusal::NoConnection) => Err(not_made(key, kind)),
        Reply::Refused(Refusal::NoDefinition) => Err(ApiError::no_definition_for_secrets()),
        other => Err(refused(other, key)),
    }
}

/// Why no connection could be made where there is none.
fn not_made(key: &ConnectionKey, kind: Option<&str>) -> ApiError {
    match (kind, InstanceKey::parse(key.as_str())) {
        (None, _) => ApiError::no_connector_type(),
        (Some(_), Err(msg)) => ApiError::unprocessable(&[Issue::value(vec!["key".into()], msg)]),
        (Some(kind), Ok(_)) => ApiError::unknown_connector_type(kind),
    }
}

/// What is said about an item that failed. What is ours goes to the log.
fn message<P>(context: &Context<'_, P>, error: ApiError) -> String {
    match error.told() {
        Ok(text) => text,
        Err(cause) => {
            context.remarks.fault.replace(Some(cause));
            "The connection could not be stored; try again.".to_owned()
        }
    }
}

/// The templates that a request has asked for so far, by type.
struct Known(Vec<(String, Option<ConnectorTemplate>)>);

impl Known {
    /// The document for a connection of a type; none where there is no type, or no template of it.
    async fn document<P: Ports>(
        &mut self,
        context: &Context<'_, P>,
        kind: Option<&str>,
        key: &ConnectionKey,
    ) -> Result<Option<Value>, ApiError> {
        let Some(kind) = kind else { return Ok(None) };
        if self.0.iter().all(|(known, _)| known != kind) {
            let template = find(context, kind).await?;
            self.0.push((kind.to_owned(), template));
        }
        let Some((_, Some(template))) = self.0.iter().find(|(known, _)| known == kind) else { return Ok(None) };
        // A key with brackets is no instance key; a connection that has it already may keep it.
        Ok(InstanceKey::parse(key.as_str()).ok().map(|key| template.instance(&key)))
    }
}

/// One item of `PATCH /connection`. No `Debug`: it holds secrets.
struct Item {
    /// Which connection.
    key: ConnectionKey,
    /// What is said about it.
    input: ProfileInput,
    /// Its secrets, if there are any.
    secrets: Option<Map<String, Value>>,
    /// `saas_connector_type`: what it is made of where it is new.
    kind: Option<String>,
}

/// Reads all items, or says what is wrong with them.
fn read_items(body: &Value) -> Result<Vec<Item>, Vec<Issue>> {
    let Value::Array(elements) = body else {
        return Err(vec![Issue::not_list(vec!["body".into()])]);
    };
    if elements.len() > BULK_LIMIT {
        return Err(vec![Issue::list_too_long(vec!["body".into()], BULK_LIMIT, elements.len())]);
    }
    let (mut items, mut issues) = (Vec::new(), Vec::new());
    for (index, element) in elements.iter().enumerate() {
        match read_item(element) {
            Ok(item) => items.push(item),
            Err(wrong) => {
                issues.extend(wrong.into_iter().map(|issue| issue.within(&["body".into(), index.into()])));
            }
        }
    }
    if issues.is_empty() { Ok(items) } else { Err(issues) }
}

/// Reads one item; unknown members are ignored, as in Fides.
fn read_item(element: &Value) -> Result<Item, Vec<Issue>> {
    let Value::Object(members) = element else { return Err(vec![Issue::not_object(Vec::new())]) };
    let mut issues = Vec::new();
    let name = text(members, "name", &mut issues);
    let description = text(members, "description", &mut issues);
    let key = match (text(members, "key", &mut issues), &name) {
        (Some(key), _) => ConnectionKey::parse(&key),
        (None, Some(name)) => ConnectionKey::from_name(name),
        (None, None) => Err("key or name is required".to_owned()),
    };
    let key = key.map_err(|msg| issues.push(Issue::value(vec!["key".into()], msg))).ok();
    choice(members, "connection_type", &["saas"], &mut issues);
    let access = choice(members, "access", &["read", "write"], &mut issues);
    let disabled = match members.get("disabled") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(disabled)) => Some(*disabled),
        Some(_) => {
            issues.push(Issue::not_boolean(vec!["disabled".into()]));
            None
        }
    };
    let kind = text(members, "saas_connector_type", &mut issues);
    let secrets = match members.get("secrets") {
        None | Some(Value::Null) => None,
        Some(Value::Object(secrets)) => Some(secrets).filter(|secrets| !secrets.is_empty()).cloned(),
        Some(_) => {
            issues.push(Issue::not_object(vec!["secrets".into()]));
            None
        }
    };
    match (key, access, issues.is_empty()) {
        (Some(key), Some(access), true) => {
            let access = if access == "read" { Access::Read } else { Access::Write };
            Ok(Item { key, input: ProfileInput { name, description, access, disabled }, secrets, kind })
        }
        _ => Err(issues),
    }
}

/// A text member that may be absent or null.
pub(super) fn text(members: &Map<String, Value>, name: &'static str, issues: &mut Vec<Issue>) -> Option<String> {
    /// Longest text, in characters.
    const LIMIT: usize = 1024;
    match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.chars().count() <= LIMIT => Some(text.clone()),
        Some(Value::String(_)) => {
            issues.push(Issue::text_too_long(vec![name.into()], LIMIT));
            None
        }
        Some(_) => {
            issues.push(Issue::not_text(vec![name.into()]));
            None
        }
    }
}

/// A required member with one of a few values.
fn choice(
    members: &Map<String, Value>,
    name: &'static str,
    values: &[&'static str],
    issues: &mut Vec<Issue>,
) -> Option<&'static str> {
    let Some(given) = members.get(name) else {
        issues.push(Issue::missing(vec![name.into()]));
        return None;
    };
    let chosen = values.iter().find(|value| given == **value).copied();
    if chosen.is_none() {
        let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
        issues.push(Issue::new("enum", vec![name.into()], format!("Input should be {}", quoted.join(" or "))));
    }
    chosen
}
