//! `POST /api/v1/oauth/token`: the client credentials grant (RFC 6749 §4.4).
//!
//! 1. The request is a form (§3.2), without credentials in the URL (§2.3.1).
//! 2. The client authenticates by one method (§2.3).
//! 3. `grant_type` is `client_credentials` (§4.4.2).
//! 4. What the root client asks for is granted and signed before its use is written down: no row tells of a token that
//!    never was. That is done for whoever names the root client, and shows nowhere before step 5: who has to wait
//!    learns nothing about the secret.
//! 5. The credentials are right: root's by the settings, every other client's by the registry, in one object request.
//! 6. Scope (§3.3) and resource (RFC 8707) are granted whole or refused, and the token is signed.
//! 7. It is answered with `no-store` (§5.1).

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
        access_token::Subject,
        client_credentials::{granted_resource, granted_scope, read_grant_request},
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
    let (now, client_id) = (context.ports.now(), presented.client_id().to_owned());
    let authority = context.deployment.authority(context.ports).await?;
    let sign = async |held: &Grantee| -> Result<_, ApiError> {
        let scope = granted_scope(&grant, &held.scope)?;
        let audience = granted_resource(&grant, &held.resources, own)?;
        let subject = Subject { client_id: &client_id, scope: &scope, epoch: held.epoch, audience };
        let draft = authority.issue(&subject, now, random()?)?;
        let signature = context.ports.sign(draft.seed, draft.signing_input()).await?;
        Ok((draft.signed(&signature), scope.to_string()))
    };
    let epoch = context.deployment.settings.root.epoch;
    let root = || Grantee { scope: EVERY_SCOPE.clone(), epoch, resources: Vec::new() };
    let of_root = if presented.names_root() { Some(sign(&root()).await) } else { None }; // 4
    // An errand that writes nothing down, where there is no token.
    let errand = if matches!(of_root, Some(Err(_))) { Errand::Introspect(None) } else { Errand::Token };
    let (token, scope) = match (presented.send(context, errand).await?, of_root) {
        (RegistryReply::Authenticated(grantee), None) => sign(&grantee).await?,
        (RegistryReply::Done | RegistryReply::Inactive, Some(signed)) => signed?,
        _ => return Err(ApiError::unexpected_reply()),
    }; // 5, 6
    let lifetime = authority.lifetime();
    let mut body = json!({
        "access_token": token.expose(),
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": scope,
    });
    if compatibility.allows(Deviation::ExpiresAt) {
        let expires_at = now.plus(lifetime).to_naive_iso8601();
        body.as_object_mut().map(|members| members.insert("expires_at".to_owned(), expires_at.into()));
    }
    Ok(Answer::json(OK, &body)?.with(header::PRAGMA, HeaderValue::from_static("no-cache")))
}
