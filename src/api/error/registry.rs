//! What we say when the registry refuses something, and about documents of clients.

use http::StatusCode;

use super::{ApiError, BearerProblem};
use crate::{
    authorization_server::{
        client_authentication::AuthenticationProblem, client_document::ClientProblem, registry::RegistryReply,
        scope_registry::EVERY_SCOPE,
    },
    ports::PortError,
    protocol::error_code::ErrorCode,
};

impl ApiError {
    /// What the registry refused to do.
    #[must_use]
    pub fn registry(refused: RegistryReply, required: &'static str) -> Self {
        match refused {
            RegistryReply::TokenUnusable => Self::bearer(BearerProblem::Unusable),
            RegistryReply::ScopeLost => Self::bearer(BearerProblem::Insufficient { required }),
            RegistryReply::CannotAssign(missing) => {
                let text = "Cannot assign scopes that you do not have. Missing scopes";
                Self::new(StatusCode::FORBIDDEN, format!("{text}: {}", python_list(missing.tokens(), true)))
            }
            RegistryReply::CannotManage(missing) => {
                let text = "Cannot manage a client that holds scopes that you do not have. Missing scopes";
                Self::new(StatusCode::FORBIDDEN, format!("{text}: {}", python_list(missing.tokens(), true)))
            }
            RegistryReply::ResourcesNotHeld(missing) => {
                let text = "Cannot assign or manage resources that you do not have. Missing resources";
                let missing = python_list(missing.iter().map(String::as_str), true);
                Self::new(StatusCode::FORBIDDEN, format!("{text}: {missing}"))
            }
            RegistryReply::NoSuchClient => Self::new(StatusCode::NOT_FOUND, "Client not found."),
            RegistryReply::Changed => {
                Self::new(StatusCode::PRECONDITION_FAILED, "The client has changed since; read it again.")
            }
            RegistryReply::NotAuthenticated => Self::from(AuthenticationProblem::None),
            RegistryReply::TooManyFailures(wait) => {
                let text = "Too many failed authentications; try again later";
                let mut error = Self::token(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable, text);
                error.0.retry_after = Some(u32::try_from(wait.0).unwrap_or(u32::MAX));
                error
            }
            RegistryReply::NotYours => {
                let text = "The token was issued to another client";
                Self::token(StatusCode::BAD_REQUEST, ErrorCode::UnauthorizedClient, text)
            }
            RegistryReply::Authenticated(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Active(_)
            | RegistryReply::Inactive
            | RegistryReply::Done
            | RegistryReply::Client(..)
            | RegistryReply::Page(_)
            | RegistryReply::Pruned(_)
            | RegistryReply::Figures(_) => PortError("unexpected reply of the registry".to_owned()).into(),
        }
    }
}

impl From<ClientProblem> for ApiError {
    fn from(problem: ClientProblem) -> Self {
        match problem {
            ClientProblem::Malformed(issues) => Self::unprocessable(&issues),
            ClientProblem::UnknownScope => {
                let every = python_list(EVERY_SCOPE.tokens(), false);
                Self::new(StatusCode::FORBIDDEN, format!("Invalid Scope. Scopes must be one of {every}."))
            }
        }
    }
}

/// A Python list literal, as Fides words its errors; neither our scope-tokens nor a resource that we store hold a quote
/// that would end an item for a reader.
fn python_list<'a>(items: impl Iterator<Item = &'a str>, sorted: bool) -> String {
    // By insertion: lists are short, and the standard library's sort is heavy.
    let mut list: Vec<&str> = Vec::new();
    for item in items {
        let at = if sorted { list.partition_point(|other| *other < item) } else { list.len() };
        list.insert(at, item);
    }
    format!("[{}]", list.iter().map(|item| format!("'{item}'")).collect::<Vec<_>>().join(", "))
}
