//! `POST /api/v1/oauth/revoke`: a client gives up a token of its own before it expires (RFC 7009).
//!
//! 1. The client authenticates as at the token endpoint (§2.1).
//! 2. A token that is none of ours, or no longer good, is as good as revoked (§2.2). `token_type_hint` changes nothing:
//!    there is one type.
//! 3. A token of another client is left alone, and that is said (§2.1).

use super::{
    Context, OK, Ports,
    answer::Answer,
    client_authentication::{Presented, read_form},
    error::ApiError,
    guard::caller_of,
};
use crate::{
    authorization_server::registry::{Errand, RegistryReply},
    config::compatibility::Compatibility,
    protocol::secret::SecretText,
};

/// Revokes a token.
///
/// # Errors
/// Those of client authentication; 400 without `token`, or for a token of another client; 503 when it is not revoked.
pub(super) async fn revoke<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let form = read_form(context, false).await?;
    let presented = Presented::read(context, &form, Compatibility::STRICT).await?; // 1
    let token = form.parameter("token")?.ok_or_else(ApiError::no_token)?;
    let now = context.ports.now();
    let verified = context.deployment.authority.inspect(&SecretText::new(token.to_owned()), now);
    let claims = verified.ok().map(|verified| verified.claims);
    let token = claims.and_then(|claims| Some((caller_of(context.deployment, &claims)?, claims.exp))); // 2
    match presented.send(context, Errand::Revoke(token)).await? {
        RegistryReply::Done => Ok(Answer::nothing(OK)),
        refused => Err(ApiError::registry(refused, "")), // 3
    }
}
