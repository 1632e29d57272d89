//! `/api/v1/connection_type`: what connections can be made of, and which secrets each needs. All types are those of
//! registered templates.

use serde_json::Value;

use super::{Context, OK, Ports, answer::Answer, connector_template::find, error::ApiError, guard};
use crate::protocol::{
    form::Form,
    page::{Page, PageQuery},
    validation::Issue,
};

/// Page size when none is asked for (contract 5.7).
const PAGE_SIZE: &str = "100";

/// The kinds of systems that Fides knows; ours are all of the first.
pub(super) const SYSTEM_TYPES: [&str; 7] = ["saas", "manual", "database", "email", "system", "data_catalog", "website"];

/// `GET /connection_type`: one page, by type.
///
/// # Errors
/// 422 for a page, size or filter that is none, 400 when one comes twice.
pub(super) async fn list<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let form = Form::parse(context.request.uri().query().unwrap_or_default().as_bytes())?;
    let filter = Filter::read(&form)?;
    let query = PageQuery::read(form.parameter("page")?, form.parameter("size")?.or(Some(PAGE_SIZE)));
    let query = query.map_err(|issues| ApiError::unprocessable(&issues))?;
    let mut entries = context.ports.template_entries().await?;
    entries.retain(|entry| filter.admits(entry));
    let total = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let (before, size) = (usize::try_from(query.offset()), usize::try_from(query.size));
    let before = before.unwrap_or(usize::MAX);
    let items = entries.into_iter().skip(before).take(size.unwrap_or(usize::MAX)).collect();
    Answer::json(OK, &Page { items, total }.answer(query))
}

/// `GET /connection_type/{connector_type}/secret`: the secrets that a connection of this type needs.
///
/// # Errors
/// 404.
pub(super) async fn secret<P: Ports>(context: &Context<'_, P>, kind: &str) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    let template = find(context, kind).await?.ok_or_else(|| ApiError::no_connection_type(kind))?;
    Answer::json(OK, &template.secret_schema()?)
}

/// Which types are wanted.
struct Filter {
    /// A part of the type, in lower case; types are ASCII.
    search: String,
    /// Only types that support one of these, unless it is empty.
    actions: Vec<&'static str>,
    /// Whether types of ours can be wanted at all.
    saas: bool,
}

impl Filter {
    /// Reads the filters of a query.
    fn read(form: &Form) -> Result<Self, ApiError> {
        let mut actions = Vec::new();
        for action in ["consent", "access", "erasure"] {
            if switch(form, action)? {
                actions.push(action);
            }
        }
        let system_type = form.parameter("system_type")?;
        if system_type.is_some_and(|system_type| !SYSTEM_TYPES.contains(&system_type)) {
            let msg = format!("Input should be one of: {}", SYSTEM_TYPES.join(", "));
            return Err(unusable("enum", "system_type", msg));
        }
        let search = form.parameter("search")?.unwrap_or_default().to_ascii_lowercase();
        Ok(Self { search, actions, saas: system_type.is_none_or(|system_type| system_type == "saas") })
    }

    /// Whether a type is wanted.
    fn admits(&self, entry: &Value) -> bool {
        let is_found = entry["identifier"].as_str().is_some_and(|kind| kind.contains(&self.search));
        let supports =
            |action: &&str| entry["supported_actions"].as_array().into_iter().flatten().any(|own| own == *action);
        self.saas && is_found && (self.actions.is_empty() || self.actions.iter().any(supports))
    }
}

/// A parameter that is true or false; false when it is missing, as in Fides.
fn switch(form: &Form, name: &'static str) -> Result<bool, ApiError> {
    match form.parameter(name)? {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => {
            let msg = "Input should be a valid boolean, unable to interpret input";
            Err(unusable("bool_parsing", name, msg.to_owned()))
        }
    }
}

/// A parameter of the query that cannot be read.
fn unusable(kind: &'static str, name: &'static str, msg: String) -> ApiError {
    ApiError::unprocessable(&[Issue::new(kind, vec!["query".into(), name.into()], msg)])
}
