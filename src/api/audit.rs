//! `GET /api/v1/oauth/audit`: what was done to clients and tokens, and what was refused.

use super::{Context, Ports, answer::Answer, error::ApiError, guard::Guarded, input};
use crate::authorization_server::registry::Action;

/// One page, newest first.
///
/// # Errors
/// 422 for a page or size out of bounds.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    let query = guarded.or_first_admit(context, input::page_query(context.request)).await?;
    guarded.page(context, Action::Audit(query), query).await
}
