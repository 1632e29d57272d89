//! `GET /api/v1/connection`: which connections there are. `GET /api/v1/connection/{connection_key}/events`: what became
//! of one.

use super::{admitted, refused};
use crate::{
    api::{Context, OK, Ports, answer::Answer, connection_type::system_type, error::ApiError, guard, input},
    connection::{
        command::{Command, Reply},
        directory::{Filter, Tested},
    },
    protocol::{form::Form, page::Page},
};

/// `GET /connection`: one page of those that are wanted, by name.
///
/// # Errors
/// 422 for a page, size or filter that is none, 400 when one comes twice that may not.
pub(in crate::api) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let query = input::page_query(context.request)?;
    let page = match filter(context.request)? {
        Some(filter) => context.ports.page(query, filter).await?,
        None => Page { items: Vec::new(), total: 0 },
    };
    Answer::json(OK, &page.answer(query))
}

/// `GET /connection/{connection_key}/events`: one page, newest first.
///
/// # Errors
/// 404; 422 for a page or size out of bounds.
pub(in crate::api) async fn events<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let query = input::page_query(context.request)?;
    match context.ports.command(&key, Command::ReadEvents(query)).await? {
        Reply::Events(page) => Answer::json(OK, &page.answer(query)),
        other => Err(refused(other, &key)),
    }
}

/// What the query asks for; none where that cannot be a connection of ours: all are of the system type `saas`,
/// and none belongs to a system.
fn filter(request: &http::Request<crate::api::Body>) -> Result<Option<Filter>, ApiError> {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let search = form.parameter("search")?.unwrap_or_default();
    if search.chars().count() > Filter::SEARCH_LIMIT {
        let msg = format!("String should have at most {} characters", Filter::SEARCH_LIMIT);
        return Err(input::unusable("string_too_long", "search", msg));
    }
    let tested = match form.parameter("test_status")? {
        None => None,
        Some("passed") => Some(Tested::Passed),
        Some("failed") => Some(Tested::Failed),
        Some("untested") => Some(Tested::Untested),
        Some(_) => {
            return Err(input::unusable("enum", "test_status", "Input should be 'passed', 'failed' or 'untested'"));
        }
    };
    let system_type = system_type(&form)?;
    let filter = Filter {
        search: search.to_owned(),
        disabled: input::switch(request, "disabled")?,
        tested,
        kinds: form.values("connection_type").map(str::to_owned).collect(),
    };
    let is_orphaned = input::switch(request, "orphaned_from_system")?.unwrap_or(true);
    let is_other = matches!(system_type, Some("manual" | "database"));
    Ok((is_orphaned && !is_other).then_some(filter))
}
