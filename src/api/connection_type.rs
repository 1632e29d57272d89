//! `GET /api/v1/connection_type`: which types of connections are wanted, and which page of them. All types
//! are those of registered templates.

use serde_json::Value;

use super::{Body, error::ApiError, input};
use crate::protocol::{
    form::Form,
    page::{Page, PageQuery},
};

/// Page size when none is asked for.
const PAGE_SIZE: &str = "100";

/// The kinds of systems that Fides knows; ours are all of the first.
const SYSTEM_TYPES: [&str; 7] = ["saas", "manual", "database", "email", "system", "data_catalog", "website"];

/// What is wanted.
pub(super) struct Wanted {
    /// A part of the type.
    search: String,
    /// Only types that support one of these, unless it is empty.
    actions: Vec<&'static str>,
    /// Whether types of ours can be wanted at all.
    saas: bool,
    /// Which page of them.
    page: PageQuery,
}

impl Wanted {
    /// Reads the query.
    ///
    /// # Errors
    /// 422 for a page, size or filter that is none, 400 when one comes twice.
    pub(super) fn read(request: &http::Request<Body>) -> Result<Self, ApiError> {
        let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        let mut actions = Vec::new();
        for action in ["consent", "access", "erasure"] {
            if input::switch(request, action)?.unwrap_or_default() {
                actions.push(action);
            }
        }
        let saas = system_type(&form)?.is_none_or(|system_type| system_type == "saas");
        // Types are ASCII.
        let search = form.parameter("search")?.unwrap_or_default().to_ascii_lowercase();
        let page = PageQuery::read(form.parameter("page")?, form.parameter("size")?.or(Some(PAGE_SIZE)));
        let page = page.map_err(|issues| ApiError::unprocessable(&issues))?;
        Ok(Self { search, actions, saas, page })
    }

    /// The page of all that there is.
    pub(super) fn page(&self, mut entries: Vec<Value>) -> Value {
        entries.retain(|entry| self.admits(entry));
        let total = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        entries.drain(..total.min(self.page.offset()) as usize);
        entries.truncate(self.page.size as usize);
        Page { items: entries, total }.answer(self.page)
    }

    /// Whether a type is wanted.
    fn admits(&self, entry: &Value) -> bool {
        let is_found = entry["identifier"].as_str().is_some_and(|kind| kind.contains(&self.search));
        let supports =
            |action: &&str| entry["supported_actions"].as_array().into_iter().flatten().any(|own| own == *action);
        self.saas && is_found && (self.actions.is_empty() || self.actions.iter().any(supports))
    }
}

/// The system type that a query names.
///
/// # Errors
/// 422 for one that Fides does not know, 400 when it comes twice.
pub(super) fn system_type(form: &Form) -> Result<Option<&str>, ApiError> {
    let system_type = form.parameter("system_type")?;
    if system_type.is_some_and(|system_type| !SYSTEM_TYPES.contains(&system_type)) {
        return Err(input::unusable(
            "enum",
            "system_type",
            format!("Input should be one of: {}", SYSTEM_TYPES.join(", ")),
        ));
    }
    Ok(system_type)
}
