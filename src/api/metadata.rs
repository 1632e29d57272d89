//! What everybody may know of this authorization server: its metadata (RFC 8414) and its public keys (RFC 7517). Both may
//! be cached.

use http::{HeaderValue, header};

use super::{Context, OK, Ports, answer::Answer, error::ApiError};
use crate::authorization_server::metadata;

/// How long a cache may keep either. Keys are published before they sign, by whoever sets `publish_from`.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /.well-known/oauth-authorization-server`.
///
/// # Errors
/// 500 when the document cannot be written.
pub(super) fn metadata<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let document = metadata::metadata(&context.deployment.settings);
    Ok(Answer::json(OK, &document)?.with(header::CACHE_CONTROL, CACHED))
}

/// `GET /.well-known/jwks.json`.
///
/// # Errors
/// 500 when the document cannot be written; 503 when the platform does not say what the keys are.
pub(super) async fn keys<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let keys = context.deployment.authority(context.ports).await?.jwks(context.ports.now());
    Ok(Answer::json(OK, &keys)?.with(header::CACHE_CONTROL, CACHED))
}
