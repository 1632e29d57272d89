//! `/api/v1/connector-templates`: registered definitions, one per connector type, that connections are made from.
//!
//! The object of the directory holds the truth. Reads of one template go through a copy that may be a minute old; only the
//! object says that there is none, and a copy that cannot be read or written is no more than a line in the log.

use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard, input};
use crate::{
    connection::{
        authorization,
        connector_template::{self, ConnectorTemplate},
    },
    ports::PortError,
    protocol::time::UnixSeconds,
};

/// `POST /connector-templates/register`: takes a definition in JSON, or YAML by content type.
///
/// # Errors
/// 415 for an archive, 422 with the place of each mistake, 409 when there are too many.
pub(super) async fn register<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    refuse_archive(context.request)?;
    let document = input::document(context.request)?;
    let source = String::from_utf8_lossy(input::bytes(context.request)?);
    let policy = authorization::policy(&context.deployment.settings);
    let (template, entry) = ConnectorTemplate::check(document, &source, &policy).map_err(|issues| {
        let issues: Vec<_> = issues.into_iter().map(|issue| issue.within(&["body".into()])).collect();
        ApiError::unprocessable(&issues)
    })?;
    let now = context.ports.now();
    if !context.ports.put_template(template.clone(), entry).await? {
        return Err(ApiError::too_many_templates());
    }
    keep_copy(context, &template, now).await;
    Answer::json(OK, &json!({ "message": "Connector template successfully registered." }))
}

/// `GET /connector-templates`: what there is, by type.
///
/// # Errors
/// 503.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let entries = context.ports.template_entries().await?;
    let summary = |entry: &Value| {
        json!({
            "type": entry["identifier"],
            "name": entry["human_readable"],
            "supported_actions": entry["supported_actions"],
            "category": entry["category"],
            "custom": entry["custom"],
        })
    };
    Answer::json(OK, &entries.iter().map(summary).collect::<Vec<_>>())
}

/// `GET /connector-templates/{connector_type}/config`: the text that was registered.
///
/// # Errors
/// 404.
pub(super) async fn config<P: Ports>(context: &Context<'_, P>, kind: &str) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let template = find(context, kind).await?.ok_or_else(|| ApiError::no_template(kind))?;
    let media_type = HeaderValue::from_static("text/yaml; charset=utf-8");
    Ok(Answer { status: OK, headers: vec![(header::CONTENT_TYPE, media_type)], body: template.source.into_bytes() })
}

/// `DELETE /connector-templates/{connector_type}`: connections that were made of it stay as they are.
///
/// # Errors
/// 404.
pub(super) async fn forget<P: Ports>(context: &Context<'_, P>, kind: &str) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let was_there = connector_template::is_kind(kind) && context.ports.remove_template(kind).await?;
    if !was_there {
        return Err(ApiError::unknown_connector_type(kind));
    }
    remark(context, context.ports.remove_copy(kind).await);
    Answer::json(OK, &json!({ "message": "Custom connector template successfully deleted." }))
}

/// The template of a type, perhaps as it was up to a minute ago.
///
/// # Errors
/// 503.
pub(super) async fn find<P: Ports>(
    context: &Context<'_, P>,
    kind: &str,
) -> Result<Option<ConnectorTemplate>, ApiError> {
    if !connector_template::is_kind(kind) {
        return Ok(None);
    }
    // The instant of a copy is one at which the object had not been asked yet.
    let now = context.ports.now();
    let copy = remark(context, context.ports.copy(kind).await).flatten();
    if let Some(template) = copy.and_then(|text| connector_template::in_copy(&text, kind, now)) {
        return Ok(Some(template));
    }
    let template = context.ports.template(kind).await?;
    if let Some(template) = &template {
        keep_copy(context, template, now).await;
    }
    Ok(template)
}

/// Stores a copy of what is true since an instant.
async fn keep_copy<P: Ports>(context: &Context<'_, P>, template: &ConnectorTemplate, at: UnixSeconds) {
    if let Some(text) = connector_template::copy(template, at) {
        remark(context, context.ports.put_copy(&template.kind, &text).await);
    }
}

/// The result, or a remark in the log.
fn remark<P, Value>(context: &Context<'_, P>, result: Result<Value, PortError>) -> Option<Value> {
    result.map_err(|error| context.remarks.fault.replace(Some(error.0))).ok()
}

/// Refuses what Fides takes: an archive (checklist P11). Nothing is unpacked here.
fn refuse_archive(request: &http::Request<super::Body>) -> Result<(), ApiError> {
    /// How every archive of PKWARE's kind begins.
    const MAGIC: &[u8] = b"PK";
    let is_named_so = input::media_type(request).is_some_and(|media_type| media_type.ends_with("zip"));
    let is_archive = is_named_so || input::bytes(request)?.starts_with(MAGIC);
    if is_archive { Err(ApiError::archive()) } else { Ok(()) }
}
