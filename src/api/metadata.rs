//! What everybody may know of this service: its metadata (RFC 8414), its public keys (RFC 7517), and the description of
//! its API. All may be cached.

use http::{HeaderValue, header};

use super::{Context, OK, Ports, answer::Answer, error::ApiError};
use crate::authorization_server::metadata;

/// How long a cache may keep each. Keys are published before they sign, by whoever sets `publish_from`.
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

/// `GET /openapi.json`: the description of the whole API, which is `openapi.json` in this folder.
pub(super) fn openapi() -> Answer {
    /// Without white space; see `build.rs`.
    const DOCUMENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json"));
    Answer::json_bytes(OK, DOCUMENT.to_vec()).with(header::CACHE_CONTROL, CACHED)
}
