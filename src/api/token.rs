//! `POST /api/v1/oauth/token`: the client credentials grant (RFC 6749 §4.4).
//!
//! 1. The request is a form (§3.2), without credentials in the URL (§2.3.1).
//! 2. The client authenticates by one method (§2.3).
//! 3. `grant_type` is `client_credentials` (§4.4.2).
//! 4. The secret is right: root by the settings, every other client by the registry, in one object request.
//! 5. The scope is granted whole or refused (§3.3).
//! 6. The token is signed and answered with `no-store` (§5.1).

use http::{HeaderValue, header};
use serde_json::json;

use super::{Context, OK, Ports, answer::Answer, error::ApiError, input};
use crate::{
    authorization_server::{
        access_token::Subject,
        client_authentication::{AuthenticationProblem, PresentedClient, presented_client},
        client_credentials::{granted_scope, read_grant_request},
        registry::{RegistryReply, RegistryRequest},
        scope_registry::EVERY_SCOPE,
    },
    ports::random,
    protocol::{authorization_header::credentials, form::Form, scope::Scope},
};

/// Issues an access token.
///
/// # Errors
/// RFC 6749 §5.2, see `api::error`.
pub(super) async fn issue<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let form = read_form(context)?; // 1
    let header = credentials(context.request.headers()).map_err(AuthenticationProblem::from)?;
    let client = presented_client(header, &form)?; // 2
    let grant = read_grant_request(&form)?; // 3
    let (held, epoch) = authenticate(context, &client).await?; // 4
    context.client_id.replace(Some(client.client_id.clone()));
    let scope = granted_scope(&grant, &held)?; // 5
    let subject = Subject { client_id: &client.client_id, scope: &scope, epoch, audience: None };
    let token = context.deployment.authority.issue(&subject, context.ports.now(), random()?)?; // 6
    let answer = Answer::json(
        OK,
        &json!({
            "access_token": token.expose(),
            "token_type": "Bearer",
            "expires_in": context.deployment.authority.lifetime(),
            "scope": scope.to_string(),
        }),
    )?;
    Ok(answer.with(header::PRAGMA, HeaderValue::from_static("no-cache")))
}

/// Step 1.
fn read_form<P: Ports>(context: &Context<'_, P>) -> Result<Form, ApiError> {
    let query = Form::parse(context.request.uri().query().unwrap_or_default().as_bytes())?;
    if query.has("client_secret") || query.has("client_assertion") {
        return Err(ApiError::credentials_in_url());
    }
    let body = input::bytes(context.request)?;
    if input::media_type(context.request).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(ApiError::not_a_form());
    }
    Ok(Form::parse(body)?)
}

/// Step 4: what the client holds and its epoch.
async fn authenticate<P: Ports>(context: &Context<'_, P>, client: &PresentedClient) -> Result<(Scope, u64), ApiError> {
    let secret = client.client_secret.digest();
    let root = &context.deployment.settings.root;
    if client.client_id == root.client_id {
        let right = root.secret.matches(&secret);
        return if right { Ok((EVERY_SCOPE.clone(), root.epoch)) } else { Err(AuthenticationProblem::None.into()) };
    }
    let client_id = client.client_id.clone();
    match context.ports.ask(RegistryRequest::Authenticate { client_id, secret }).await? {
        RegistryReply::Authenticated { scope, epoch } => Ok((scope, epoch)),
        refused => Err(ApiError::registry(refused, "")),
    }
}
