//! `/api/v1/oauth/client`: registered clients. Each handler is one object request to the registry.

use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard::Guarded, input};
use crate::{
    authorization_server::{
        client::{Client, ClientChange, NewCredentials, Rotation},
        client_document::{read_client_change, read_client_request, read_rotation_request, read_scopes},
        registry::{Action, RegistryReply, Target},
    },
    ports::random,
};

/// `POST /oauth/client`: registers a client and shows its secret, this once.
///
/// # Errors
/// 403 for a scope that is unknown or not the caller's, 422 for a malformed body.
pub(super) async fn create<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let now = context.ports.now();
    let request = input::json(context.request).and_then(|body| Ok(read_client_request(&body, now)?));
    let request = guarded.or_first_admit(context, request).await?;
    let credentials = NewCredentials::mint(&random()?);
    let client = Client {
        client_id: credentials.client_id.clone(),
        secret: credentials.client_secret.digest(),
        secret_expires_at: request.secret_expires_at,
        previous_secret: None,
        scope: request.scopes,
        resources: request.resources,
        jwks: request.jwks,
        name: request.name,
        description: request.description,
        epoch: 1,
        created_at: now,
    };
    guarded.act(context, Action::Create(client)).await?;
    shown_once(&credentials.client_id, credentials.client_secret.expose())
}

/// `GET /oauth/client`: one page, newest first. The root client is not among them.
///
/// # Errors
/// 422 for a page or size out of bounds.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let query = guarded.or_first_admit(context, input::page_query(context.request)).await?;
    guarded.page(context, Action::List(query), query).await
}

/// `GET /oauth/client/{client_id}`.
///
/// # Errors
/// 404 for an unknown client, and for the root client.
pub(super) async fn read<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    shown(Guarded::new(context).await?.act(context, Action::Read(client_id)).await?)
}

/// `PUT /oauth/client/{client_id}`: a partial update.
///
/// # Errors
/// 403 for a scope that is unknown or not the caller's, 404 for an unknown client, 412 for another version than
/// `If-Match` names, 422 for a malformed body.
pub(super) async fn update<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let change = input::json(context.request).and_then(|body| Ok(read_client_change(&body)?));
    let change = guarded.or_first_admit(context, change).await?;
    let target = target(context, client_id);
    shown(guarded.act(context, Action::Change(target, change)).await?)
}

/// `DELETE /oauth/client/{client_id}`: `null`, whether it existed or not, as Fides has it.
///
/// # Errors
/// 403 when the client holds scopes that the caller lacks, 412.
pub(super) async fn delete<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    guarded.act_or_nobody(context, Action::Delete(target(context, client_id))).await?;
    Answer::json(OK, &Value::Null)
}

/// `POST /oauth/client/{client_id}/secret`: a new secret, shown this once; the old one is cut now or after an overlap.
///
/// # Errors
/// 403 when the client holds scopes that the caller lacks, 404, 412, 422.
pub(super) async fn rotate<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let now = context.ports.now();
    let request = input::json(context.request).and_then(|body| Ok(read_rotation_request(&body, now)?));
    let request = guarded.or_first_admit(context, request).await?;
    let NewCredentials { client_secret, .. } = NewCredentials::mint(&random()?);
    let rotation = Rotation {
        secret: client_secret.digest(),
        secret_expires_at: request.secret_expires_at,
        overlap: request.overlap,
        revoke_tokens: request.revoke_tokens,
    };
    guarded.act(context, Action::Rotate(target(context, client_id.clone()), rotation)).await?;
    shown_once(&client_id, client_secret.expose())
}

/// `GET /oauth/client/{client_id}/scope`.
///
/// # Errors
/// 404 for an unknown client.
pub(super) async fn read_scope<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    match Guarded::new(context).await?.act(context, Action::Read(client_id)).await? {
        RegistryReply::Client(view, tag) => tagged(Answer::json(OK, &view.scopes)?, &tag),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// `PUT /oauth/client/{client_id}/scope`: replaces the scopes.
///
/// # Errors
/// 403 for a scope that is unknown or not the caller's, 404 for an unknown client, 412, 422 for a malformed body.
pub(super) async fn replace_scope<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let scopes = input::required_json(context.request).and_then(|body| Ok(read_scopes(&body, &["body".into()])?));
    let scopes = guarded.or_first_admit(context, scopes).await?;
    let change = ClientChange { scopes: Some(scopes), ..ClientChange::default() };
    guarded.act(context, Action::Change(target(context, client_id), change)).await?;
    Answer::json(OK, &Value::Null)
}

/// The client that a request would change, in the version that it means.
fn target<P>(context: &Context<'_, P>, client_id: String) -> Target {
    let if_match = context.request.headers().get(header::IF_MATCH).map(HeaderValue::as_bytes);
    // What cannot be read names no version.
    Target { client_id, if_match: if_match.map(|value| String::from_utf8_lossy(value).into_owned()) }
}

/// Id and secret, in the order of Fides.
fn shown_once(client_id: &str, client_secret: &str) -> Result<Answer, ApiError> {
    Answer::json(OK, &json!({ "client_id": client_id, "client_secret": client_secret }))
}

/// A client, and the version that this is.
fn shown(reply: RegistryReply) -> Result<Answer, ApiError> {
    match reply {
        RegistryReply::Client(view, tag) => tagged(Answer::json(OK, &view)?, &tag),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// With an entity tag.
fn tagged(answer: Answer, tag: &str) -> Result<Answer, ApiError> {
    let tag = HeaderValue::from_str(tag).map_err(|_| ApiError::unexpected_reply())?;
    Ok(answer.with(header::ETAG, tag))
}
