//! `POST /api/v1/connection/instantiate/{connector_type}`: a connection of a connector template.

use serde_json::{Map, Value, json};

use super::{bulk::text, refused};
use crate::{
    api::{Context, OK, Ports, answer::Answer, connector_template::find, error::ApiError, guard, input},
    connection::{
        command::{Command, Former, Reply},
        connector_template::InstanceKey,
        key::ConnectionKey,
        profile::{Access, ProfileInput},
    },
    protocol::validation::Issue,
};

/// `POST /connection/instantiate/{connector_type}`: profile, definition and secrets at once, or nothing.
///
/// # Errors
/// 404 for an unknown type, 400 when the key or the instance key is used, 422 for secrets that do not fit.
pub(in crate::api) async fn instantiate<P: Ports>(context: &Context<'_, P>, kind: &str) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let body = input::json(context.request)?;
    let order = Order::read(body).map_err(|issues| {
        let issues: Vec<_> = issues.into_iter().map(|issue| issue.within(&["body".into()])).collect();
        ApiError::unprocessable(&issues)
    })?;
    let template = find(context, kind).await?.ok_or_else(|| ApiError::unknown_template(kind))?;
    let Order { key, instance_key, input, secrets } = order;
    let command = Command::Make(input, Some(template.instance(&instance_key)), secrets, Former::InTheWay);
    match context.ports.command(&key, command).await? {
        Reply::Connection(view) => Answer::json(OK, &json!({ "connection": view, "dataset": null })),
        other => Err(refused(other, &key)),
    }
}

/// What is to be made. No `Debug`: it holds secrets.
struct Order {
    /// The connection's key: the instance key, unless it is given.
    key: ConnectionKey,
    /// What stands for `<instance_fides_key>`.
    instance_key: InstanceKey,
    /// The profile.
    input: ProfileInput,
    /// The secrets.
    secrets: Map<String, Value>,
}

impl Order {
    /// Reads the body; unknown members are ignored, as in Fides.
    fn read(body: Value) -> Result<Self, Vec<Issue>> {
        let Value::Object(mut members) = body else { return Err(vec![Issue::not_object(Vec::new())]) };
        let mut issues = Vec::new();
        let (name, description) = (text(&members, "name", &mut issues), text(&members, "description", &mut issues));
        let instance_key = text(&members, "instance_key", &mut issues);
        if instance_key.is_none() && issues.iter().all(|issue| issue.loc != ["instance_key".into()]) {
            issues.push(Issue::missing(vec!["instance_key".into()]));
        }
        let key = text(&members, "key", &mut issues).or_else(|| instance_key.clone());
        let instance_key = instance_key.map(|text| InstanceKey::parse(&text));
        let instance_key = instance_key.and_then(|key| key.map_err(|msg| issues.push(wrong("instance_key", msg))).ok());
        let key = key.map(|text| ConnectionKey::parse(&text));
        let key = key.and_then(|key| key.map_err(|msg| issues.push(wrong("key", msg))).ok());
        let secrets = match members.remove("secrets") {
            Some(Value::Object(secrets)) => Some(secrets),
            Some(_) => {
                issues.push(Issue::not_object(vec!["secrets".into()]));
                None
            }
            None => {
                issues.push(Issue::missing(vec!["secrets".into()]));
                None
            }
        };
        let input = ProfileInput { name, description, access: Access::Write, disabled: None };
        match (key, instance_key, secrets) {
            (Some(key), Some(instance_key), Some(secrets)) if issues.is_empty() => {
                Ok(Self { key, instance_key, input, secrets })
            }
            _ => Err(issues),
        }
    }
}

/// A key that cannot be one.
fn wrong(member: &'static str, msg: String) -> Issue {
    Issue::value(vec![member.into()], msg)
}
