//! `POST /api/v1/oauth/introspect`: what a token is worth now (RFC 7662).
//!
//! 1. The client authenticates as at the token endpoint (§2.1): nobody asks without (checklist C16).
//! 2. Our own signature, issuer and time are checked first (checklist C17); any audience will do, since a resource
//!    server asks about tokens that are meant for itself.
//! 3. The registry says whether the token's client still is what it was, and whether the asking client may know.
//! 4. A token that is not active says nothing else (§2.2).

use http::{HeaderValue, header};
use serde_json::json;

use super::{Context, OK, Ports, answer::Answer, client_authentication::read_about_token, error::ApiError};
use crate::authorization_server::registry::{Errand, RegistryReply};

/// Answers what a token is worth.
///
/// # Errors
/// RFC 7662 §2.3: those of client authentication; 400 without `token`.
pub(super) async fn introspect<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let (presented, token) = read_about_token(context).await?; // 1, 2
    let (claims, caller) = token.unzip();
    let document = match (presented.send(context, Errand::Introspect(caller)).await?, claims) {
        (RegistryReply::Active(scope), Some(claims)) => json!({
            "active": true,
            "scope": scope.to_string(),
            "client_id": claims.client_id,
            "token_type": "Bearer",
            "exp": claims.exp,
            "iat": claims.iat,
            "sub": claims.sub,
            "aud": claims.aud,
            "iss": claims.iss,
            "jti": claims.jti,
        }), // 3
        (RegistryReply::Inactive, _) => json!({ "active": false }), // 4
        _ => return Err(ApiError::unexpected_reply()),
    };
    Ok(Answer::json(OK, &document)?.with(header::PRAGMA, HeaderValue::from_static("no-cache")))
}
