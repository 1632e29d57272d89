//! `PATCH /api/v1/connection`: creates or changes connections, up to 50 at a time.

use serde_json::{Map, Value, json};

use super::not_an_object;
use crate::{
    api::{Context, OK, Ports, answer::Answer, error::ApiError, guard::Guarded, input},
    connection::{
        command::{Command, Reply},
        key::ConnectionKey,
        record::{Access, ProfileInput},
    },
    protocol::validation::Issue,
};

/// Most connections in one `PATCH` (contract section 5.2).
const BULK_LIMIT: usize = 50;

/// `PATCH /connection`: creates or changes up to 50; what fails does not stop the rest.
///
/// # Errors
/// 422 for a malformed body; then nothing was stored.
pub(in crate::api) async fn save<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    Guarded::new(context)?.admit(context).await?;
    let body = input::json(context.request)?;
    let items = read_items(&body).map_err(|issues| ApiError::unprocessable(&issues))?;
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    for item in items {
        let Item { key, input, unsupported } = item;
        let reply = match unsupported {
            Some(message) => Err(message.to_owned()),
            None => match context.ports.command(&key, Command::Save(input.clone())).await {
                Ok(Reply::Connection(view)) => Ok(view),
                other => {
                    context.remarks.fault.replace(other.err().map(|error| error.0));
                    Err("The connection could not be stored; try again.".to_owned())
                }
            },
        };
        match reply {
            Ok(view) => succeeded.push(view),
            Err(message) => failed.push(json!({ "message": message, "data": { "key": key, "connection_type": "saas",
                "name": input.name, "description": input.description, "access": input.access,
                "disabled": input.disabled } })),
        }
    }
    Answer::json(OK, &json!({ "succeeded": succeeded, "failed": failed }))
}

/// One item of `PATCH /connection`.
struct Item {
    /// Which connection.
    key: ConnectionKey,
    /// What is said about it.
    input: ProfileInput,
    /// Why it is not even tried.
    unsupported: Option<&'static str>,
}

/// Reads all items, or says what is wrong with them.
fn read_items(body: &Value) -> Result<Vec<Item>, Vec<Issue>> {
    let Value::Array(elements) = body else {
        return Err(vec![Issue::new("list_type", vec!["body".into()], "Input should be a valid list")]);
    };
    if elements.len() > BULK_LIMIT {
        let msg = format!("List should have at most {BULK_LIMIT} items after validation, not {}", elements.len());
        return Err(vec![Issue::new("too_long", vec!["body".into()], msg)]);
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
    let Value::Object(members) = element else { return Err(vec![not_an_object(Vec::new())]) };
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
            issues.push(Issue::new("bool_type", vec!["disabled".into()], "Input should be a valid boolean"));
            None
        }
    };
    let with_secrets = members.get("secrets").is_some_and(|secrets| !secrets.is_null());
    let unsupported = with_secrets.then_some("Secrets are set with PUT /api/v1/connection/{connection_key}/secret.");
    match (key, access, issues.is_empty()) {
        (Some(key), Some(access), true) => {
            let access = if access == "read" { Access::Read } else { Access::Write };
            Ok(Item { key, input: ProfileInput { name, description, access, disabled }, unsupported })
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
            let msg = format!("String should have at most {LIMIT} characters");
            issues.push(Issue::new("string_too_long", vec![name.into()], msg));
            None
        }
        Some(_) => {
            issues.push(Issue::new("string_type", vec![name.into()], "Input should be a valid string"));
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
