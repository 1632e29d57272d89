//! `/api/v1/oauth/client`: registered clients. Each handler is one object request to the registry.

use serde_json::{Value, json};

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard::Guarded, input};
use crate::{
    authorization_server::{
        client::{Client, NewCredentials, read_client_request, read_scopes},
        registry::{Action, RegistryReply},
    },
    ports::random,
};

/// `POST /oauth/client`: registers a client and shows its secret, this once.
///
/// # Errors
/// 403 for a scope that is unknown or not the caller's, 422 for a malformed body.
pub(super) async fn create<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context)?;
    let request = match input::json(context.request).and_then(|body| Ok(read_client_request(&body)?)) {
        Ok(request) => request,
        Err(error) => return Err(after_admission(context, &guarded, error).await),
    };
    let credentials = NewCredentials::mint(&random()?);
    let client = Client {
        client_id: credentials.client_id.clone(),
        secret: credentials.client_secret.digest(),
        scope: request.scopes,
        name: request.name,
        description: request.description,
        epoch: 1,
        created_at: context.ports.now(),
    };
    guarded.act(context, Action::Create(client)).await?;
    let (client_id, client_secret) = (&credentials.client_id, credentials.client_secret.expose());
    Answer::json(OK, &json!({ "client_id": client_id, "client_secret": client_secret }))
}

/// `DELETE /oauth/client/{client_id}`: `null`, whether it existed or not, as Fides has it.
///
/// # Errors
/// 403 when the client holds scopes that the caller lacks.
pub(super) async fn delete<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context)?;
    guarded.act_or_nobody(context, Action::Delete(client_id)).await?;
    Answer::json(OK, &Value::Null)
}

/// `GET /oauth/client/{client_id}/scope`.
///
/// # Errors
/// 404 for an unknown client.
pub(super) async fn read_scope<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context)?;
    match guarded.act(context, Action::ReadScope(client_id)).await? {
        RegistryReply::Scope(scope) => Answer::json(OK, &scope),
        other => Err(ApiError::registry(other, guarded.required)),
    }
}

/// `PUT /oauth/client/{client_id}/scope`: replaces the scopes.
///
/// # Errors
/// 403 for a scope that is unknown or not the caller's, 404 for an unknown client, 422 for a malformed body.
pub(super) async fn replace_scope<P: Ports>(context: &Context<'_, P>, client_id: String) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context)?;
    let scope = match input::json(context.request).and_then(|body| Ok(read_scopes(&body, &["body".into()])?)) {
        Ok(scope) => scope,
        Err(error) => return Err(after_admission(context, &guarded, error).await),
    };
    guarded.act(context, Action::ReplaceScope(client_id, scope)).await?;
    Answer::json(OK, &Value::Null)
}

/// A caller learns what is wrong with its body only if it may use the route at all.
async fn after_admission<P: Ports>(context: &Context<'_, P>, guarded: &Guarded, error: ApiError) -> ApiError {
    guarded.admit(context).await.err().unwrap_or(error)
}
