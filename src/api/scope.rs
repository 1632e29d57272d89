//! `GET /api/v1/oauth/scope`, which is Fides's name, and `/oauth/scopes`: every scope, in registry order. `GET
//! /api/v1/oauth/role`: the roles of Fides.

use super::{Context, OK, Ports, answer::Answer, error::ApiError, guard};
use crate::authorization_server::scope_registry::{EVERY_SCOPE, ROLES};

/// Lists every scope that can be given to a client.
///
/// # Errors
/// Those of the guard.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    Answer::json(OK, &*EVERY_SCOPE)
}

/// Lists the eight roles of Fides with the scopes of each. They are words for its users: a client holds scopes, no
/// role.
///
/// # Errors
/// Those of the guard.
pub(super) async fn roles<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    Ok(Answer::json_bytes(OK, ROLES.to_vec()))
}
