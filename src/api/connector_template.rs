//! `/api/v1/connector-templates`: registered definitions, one per connector type, that connections are made from.
//!
//! The object of the directory holds the truth. Reads of one template go through a copy that may be a minute old; only
//! the object says that there is none, and a copy that cannot be read or written is no more than a line in the log.

use serde_json::{Map, Value, json};

use super::{Context, OK, Ports, answer::Answer, connection_type::Wanted, error::ApiError, guard, input, route::Route};
use crate::{
    connection::{
        connector_template::{self, ConnectorTemplate},
        outbound::OutboundPolicy,
    },
    ports::PortError,
    protocol::time::UnixSeconds,
};

/// All routes of templates and connection types. One function, since several would weigh more:
///
/// - `POST /connector-templates/register` takes a definition in JSON, or YAML by content type;
/// - `GET /connector-templates` lists what there is, by type, `GET /connection_type` what connections can be made of;
/// - `GET /connector-templates/{connector_type}/config` gives the text that was registered,
///   `GET /connection_type/{connector_type}/secret` the secrets that a connection of the type needs;
/// - `DELETE /connector-templates/{connector_type}` leaves connections that were made of it as they are.
///
/// # Errors
/// 415 for an archive, 422 with the place of each mistake, 409 when there are too many; 404 for a type that is not
/// there.
pub(super) async fn carry_out<P: Ports>(context: &Context<'_, P>, route: Route) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    match &route {
        Route::RegisterTemplate => register(context).await,
        Route::ForgetTemplate(kind) => forget(context, kind).await,
        Route::ListTemplates | Route::ListConnectionTypes => {
            let is_summary = route == Route::ListTemplates;
            let wanted = if is_summary { None } else { Some(Wanted::read(context.request)?) };
            let entries = context.ports.template_entries().await?;
            let shown = match wanted {
                Some(wanted) => wanted.page(entries),
                None => entries.iter().map(summary).collect(),
            };
            Answer::json(OK, &shown)
        }
        Route::ReadTemplate(kind) | Route::ReadSecretSchema(kind) => {
            let is_schema = matches!(route, Route::ReadSecretSchema(_));
            match find(context, kind).await? {
                Some(template) if is_schema => Answer::json(OK, &template.secret_schema()?),
                Some(template) => Ok(yaml(template.source)),
                None if is_schema => Err(ApiError::no_connection_type(kind)),
                None => Err(ApiError::no_template(kind)),
            }
        }
        _ => Err(ApiError::no_such_route()),
    }
}

/// Stores a template.
async fn register<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let (template, entry) = checked(context)?;
    let (now, stored) = (context.ports.now(), template.stored());
    if !context.ports.put_template(&template.kind, &entry, &stored).await? {
        return Err(ApiError::too_many_templates());
    }
    keep_copy(context, &template.kind, &stored, now).await;
    done("Connector template successfully registered.")
}

/// The template in the body, and what is listed of it.
fn checked<P>(context: &Context<'_, P>) -> Result<(ConnectorTemplate, Value), ApiError> {
    refuse_archive(context.request)?;
    let document = input::document(context.request)?;
    let source = String::from_utf8_lossy(input::bytes(context.request)?);
    let policy = OutboundPolicy::of(&context.deployment.settings);
    ConnectorTemplate::check(document, &source, &policy).map_err(|issues| {
        let issues: Vec<_> = issues.into_iter().map(|issue| issue.within(&["body".into()])).collect();
        ApiError::unprocessable(&issues)
    })
}

/// Forgets a template, then its copy.
async fn forget<P: Ports>(context: &Context<'_, P>, kind: &str) -> Result<Answer, ApiError> {
    let was_there = connector_template::is_kind(kind) && context.ports.remove_template(kind).await?;
    if !was_there {
        return Err(ApiError::unknown_connector_type(kind));
    }
    remark(context, context.ports.remove_copy(kind).await);
    done("Custom connector template successfully deleted.")
}

/// What the list says of a template.
fn summary(entry: &Value) -> Value {
    let mut members = Map::new();
    for (name, from) in [
        ("type", "identifier"),
        ("name", "human_readable"),
        ("supported_actions", "supported_actions"),
        ("category", "category"),
        ("custom", "custom"),
    ] {
        members.insert(name.to_owned(), entry[from].clone());
    }
    Value::Object(members)
}

/// An answer of one sentence.
fn done(message: &'static str) -> Result<Answer, ApiError> {
    Answer::json(OK, &json!({ "message": message }))
}

/// An answer in YAML.
fn yaml(text: String) -> Answer {
    Answer::of("text/yaml; charset=utf-8", OK, text.into_bytes())
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
    let Some(stored) = context.ports.template(kind).await? else { return Ok(None) };
    let template = ConnectorTemplate::read(&stored).ok_or_else(|| PortError("a template is damaged".to_owned()))?;
    keep_copy(context, kind, &stored, now).await;
    Ok(Some(template))
}

/// Stores a copy of what is true since an instant.
async fn keep_copy<P: Ports>(context: &Context<'_, P>, kind: &str, stored: &str, at: UnixSeconds) {
    remark(context, context.ports.put_copy(kind, &connector_template::copy(stored, at)).await);
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
