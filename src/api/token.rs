//! `POST /api/v1/oauth/token`: the client credentials grant (RFC 6749 §4.4).
//!
//! 1. The request is a form (§3.2), without credentials in the URL (§2.3.1).
//! 2. The client authenticates by one method (§2.3).
//! 3. `grant_type` is `client_credentials` (§4.4.2).
//! 4. What the root client asks for is judged before its use is written down.
//! 5. The credentials are right: root's by the settings, every other client's by the registry, in one object request.
//! 6. Scope (§3.3) and resource (RFC 8707) are granted whole or refused.
//! 7. The token is signed and answered with `no-store` (§5.1).

use http::{HeaderValue, header};
use serde_json::json;

use super::{
    Context, OK, Ports,
    answer::Answer,
    client_authentication::{Presented, read_form},
    error::ApiError,
};
use crate::{
    authorization_server::{
        access_token::{NotSigned, Subject},
        client_credentials::{GrantProblem, granted_resource, granted_scope, read_grant_request},
        registry::{Errand, Grantee, RegistryReply},
        scope_registry::EVERY_SCOPE,
    },
    config::compatibility::Deviation,
    ports::random,
};

/// Issues an access token.
///
/// # Errors
/// RFC 6749 §5.2, see `api::error`.
pub(super) async fn issue<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let compatibility = context.deployment.settings.compatibility;
    let form = read_form(context, compatibility.allows(Deviation::MultipartTokenRequest)).await?; // 1
    let presented = Presented::read(context, &form, compatibility).await?; // 2
    let grant = read_grant_request(&form, compatibility)?; // 3
    let own = context.deployment.settings.public_url.as_str();
    let decide = |held: &Grantee| -> Result<_, GrantProblem> {
        Ok((granted_scope(&grant, &held.scope)?, granted_resource(&grant, &held.resources, own)?))
    };
    let root_epoch = context.deployment.settings.root.epoch;
    let root = || Grantee { scope: EVERY_SCOPE.clone(), epoch: root_epoch, resources: Vec::new() };
    let now = context.ports.now();
    let authority = context.deployment.authority(context.ports).await?;
    if presented.is_root() {
        decide(&root())?; // 4
        authority.can_sign(now).then_some(()).ok_or(NotSigned::NoKey)?;
    }
    let client_id = presented.client_id().to_owned();
    let grantee = match presented.send(context, Errand::Token).await? {
        RegistryReply::Authenticated(grantee) => grantee,
        RegistryReply::Done => root(),
        _ => return Err(ApiError::unexpected_reply()),
    }; // 5
    let (scope, audience) = decide(&grantee)?; // 6
    let subject = Subject { client_id: &client_id, scope: &scope, epoch: grantee.epoch, audience };
    let draft = authority.issue(&subject, now, random()?)?; // 7
    let signature = context.ports.sign(draft.seed, draft.signing_input()).await?;
    let token = draft.signed(&signature);
    let lifetime = authority.lifetime();
    let mut body = json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": scope.to_string(),
    });
    if compatibility.allows(Deviation::ExpiresAt) {
        let expires_at = now.plus(lifetime).to_naive_iso8601();
        body.as_object_mut().map(|members| members.insert("expires_at".to_owned(), expires_at.into()));
    }
    Ok(Answer::json(OK, &body)?.with(header::PRAGMA, HeaderValue::from_static("no-cache")))
}
