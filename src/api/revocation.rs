//! `POST /api/v1/oauth/revoke`: a client gives up a token of its own before it expires (RFC 7009).
//!
//! 1. The client authenticates as at the token endpoint (§2.1).
//! 2. A token that is none of ours, or no longer good, is as good as revoked (§2.2). `token_type_hint` changes nothing:
//!    there is one type.
//! 3. A token of another client is left alone, and that is said (§2.1).
//!
//! Clients ignore the body of the answer (§2.2). It is an empty JSON object, since some of them refuse to read anything
//! that is not JSON (simple-oauth2 does).

use super::{Context, OK, Ports, answer::Answer, client_authentication::read_about_token, error::ApiError};
use crate::authorization_server::registry::{Errand, RegistryReply};

/// Revokes a token.
///
/// # Errors
/// Those of client authentication; 400 without `token`, or for a token of another client; 503 when it is not revoked.
pub(super) async fn revoke<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let (presented, token) = read_about_token(context).await?; // 1
    let token = token.map(|(claims, caller)| (caller, claims.exp)); // 2
    match presented.send(context, Errand::Revoke(token)).await? {
        RegistryReply::Done => Ok(Answer::json_bytes(OK, b"{}".to_vec())),
        refused => Err(ApiError::registry(refused, "")), // 3
    }
}
