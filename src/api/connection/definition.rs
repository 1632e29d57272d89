//! `/api/v1/connection/{connection_key}/saas_config`: the definition of a connection, and what was it before.

use serde_json::json;

use super::{admitted, managed, refused};
use crate::{
    api::{Context, OK, Ports, answer::Answer, error::ApiError, guard, input},
    connection::{
        command::{Command, Refusal, Reply},
        definition::Definition,
        key::ConnectionKey,
        outbound::OutboundPolicy,
    },
    protocol::validation::Issue,
};

/// `GET /connection/{connection_key}/saas_config`, every default spelled out.
///
/// # Errors
/// 404 when there is no connection, or no definition.
pub(in crate::api) async fn read<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    answer(managed(context, key, Command::ReadDefinition).await?)
}

/// `PATCH /connection/{connection_key}/saas_config`: JSON, or YAML by content type.
///
/// # Errors
/// 422 with the place of each mistake.
pub(in crate::api) async fn put<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let document = input::document(context.request)?;
    let reply = context.ports.command(&key, Command::PutDefinition(document)).await?;
    answer((reply, key))
}

/// `DELETE /connection/{connection_key}/saas_config`.
///
/// # Errors
/// 400 while there are secrets; 404 when there is no connection, or no definition.
pub(in crate::api) async fn delete<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    answer(managed(context, key, Command::DeleteDefinition).await?)
}

/// `GET /connection/{connection_key}/saas-history`: the definitions that it had, newest first.
///
/// # Errors
/// 404.
pub(in crate::api) async fn history<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    answer(managed(context, key, Command::ReadHistory).await?)
}

/// `GET /connection/{connection_key}/saas-history/{version}`: the one of this version that it had last.
///
/// # Errors
/// 404 when there is no connection, or no such version.
pub(in crate::api) async fn snapshot<P: Ports>(
    context: &Context<'_, P>,
    key: &str,
    version: String,
) -> Result<Answer, ApiError> {
    match managed(context, key, Command::ReadSnapshot(version)).await? {
        (Reply::Refused(Refusal::NoDefinition), key) => Err(ApiError::no_snapshot(&key)),
        other => answer(other),
    }
}

/// `PUT /connection/{connection_key}/validate_saas_config`: checks a definition and stores nothing. The key is not
/// looked at, as in Fides.
///
/// # Errors
/// 422 with the place of each mistake.
pub(in crate::api) async fn validate<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let definition = Definition::from_document(input::document(context.request)?).and_then(|definition| {
        let issues = definition.check_hosts(&OutboundPolicy::of(&context.deployment.settings));
        if issues.is_empty() { Ok(definition) } else { Err(issues) }
    });
    let definition = definition.map_err(|issues| {
        let issues: Vec<Issue> = issues.into_iter().map(|issue| issue.within(&["body".into()])).collect();
        ApiError::unprocessable(&issues)
    })?;
    let details = json!({ "msg": "Validation successful" });
    Answer::json(OK, &json!({ "saas_config": definition.shown(), "validation_details": details }))
}

/// The answer of a reply about a definition.
fn answer(reply: (Reply, ConnectionKey)) -> Result<Answer, ApiError> {
    match reply {
        (Reply::Definition(document), _) => Answer::json(OK, &document),
        (Reply::Done, _) => Ok(Answer::empty()),
        (Reply::Refused(Refusal::NoDefinition), key) => Err(ApiError::no_definition(&key)),
        (other, key) => Err(refused(other, &key)),
    }
}
