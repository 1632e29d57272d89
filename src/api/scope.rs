//! `GET /api/v1/oauth/scope` (Fides) and `/oauth/scopes` (the specification): every scope, in registry order.

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard::Guarded};
use crate::authorization_server::scope_registry::EVERY_SCOPE;

/// Lists every scope that can be given to a client.
///
/// # Errors
/// Those of the guard.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    Guarded::new(context)?.admit(context).await?;
    Answer::json(OK, &*EVERY_SCOPE)
}
