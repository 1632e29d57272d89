//! What we say when something went wrong: status, code, public words, challenge. Statuses of errors are chosen here,
//! but for `/ready`, which answers 503 with a document.
//!
//! Decides: the table of the project's errors, by exhaustive matches. Leaves to others: what happened (each use case's
//! own enum), how every answer looks (`answer`).

mod bearer;
mod bulk;
mod connection;
mod connector_template;
mod registry;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

pub use self::bearer::BearerProblem;
use super::answer::Answer;
use crate::{
    authorization_server::{
        access_token::NotSigned, client_authentication::AuthenticationProblem, client_credentials::GrantProblem,
    },
    ports::PortError,
    protocol::{error_code::ErrorCode, form::FormProblem, validation::Issue},
};

/// The realm of both challenges.
const REALM: &str = "postern";

/// When it is worth asking again whether something of ours is back.
const UNAVAILABLE_SECONDS: u32 = 5;

/// What a challenged client should do (RFC 9110 §11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    /// RFC 6749 §5.2.
    Basic,
    /// RFC 6750 §3.
    Bearer {
        /// Absent when the request had no credentials (RFC 6750 §3.1).
        error: Option<ErrorCode>,
        /// The scope that is required.
        scope: Option<&'static str>,
    },
}

/// An error on its way out: one pointer, since nearly every result of the API has room for one.
#[derive(Debug)]
pub struct ApiError(Box<Parts>);

/// What an error says.
#[derive(Debug)]
struct Parts {
    /// HTTP status.
    status: StatusCode,
    /// `error`, where the endpoint's RFC has one.
    code: Option<ErrorCode>,
    /// `detail`: text, or Fides's list.
    detail: Value,
    /// `WWW-Authenticate`.
    challenge: Option<Challenge>,
    /// `Allow`.
    allow: Option<String>,
    /// `Retry-After`.
    retry_after: Option<u32>,
    /// For the log only.
    cause: Option<String>,
}

impl ApiError {
    /// A status and its text.
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = Value::String(detail.into());
        let parts = Parts { status, code: None, detail, challenge: None, allow: None, retry_after: None, cause: None };
        Self(Box::new(parts))
    }

    /// An error of the token endpoint (RFC 6749 §5.2).
    fn token(status: StatusCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        let mut error = Self::new(status, detail);
        error.0.code = Some(code);
        error
    }

    /// With a challenge.
    fn challenged(mut self, challenge: Challenge) -> Self {
        self.0.challenge = Some(challenge);
        self
    }

    /// With a cause for the log.
    fn caused(mut self, cause: Option<String>) -> Self {
        self.0.cause = cause;
        self
    }

    /// 404 for a path that nobody knows.
    #[must_use]
    pub fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    /// 405 with `Allow`; on the token endpoint also an RFC 6749 error (checklist T34).
    #[must_use]
    pub fn method_not_allowed(path: &str, allow: &str) -> Self {
        let mut error = if ["token", "introspect", "revoke"]
            .iter()
            .any(|end| path.trim_end_matches('/').ends_with(&format!("/oauth/{end}")))
        {
            Self::token(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "Method Not Allowed")
        } else {
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        };
        error.0.allow = Some(allow.to_owned());
        error
    }

    /// 503: a setting is missing; `/ready` says which.
    #[must_use]
    pub fn not_configured() -> Self {
        let text = "The service is not configured. GET /ready names the settings.";
        Self::token(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, text)
    }

    /// 400 for a request that breaks off.
    #[must_use]
    pub fn unreadable() -> Self {
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "The request could not be read")
    }

    /// 413.
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::token(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "The request body is too large")
    }

    /// 400 for a request by plain http where `PUBLIC_URL` is https.
    #[must_use]
    pub fn plain_http() -> Self {
        let text = "The request came by plain http. Use https";
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text)
    }

    /// 400 for a token request that is not a form.
    #[must_use]
    pub fn not_a_form() -> Self {
        let text = "The request body must be application/x-www-form-urlencoded";
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text)
    }

    /// 400 for credentials in the URL (RFC 6749 §2.3.1: "MUST NOT be included in the request URI").
    #[must_use]
    pub fn credentials_in_url() -> Self {
        let text = "Client credentials must not be in the URL";
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text)
    }

    /// 400 for a request about no token.
    #[must_use]
    pub fn no_token() -> Self {
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, "token is missing")
    }

    /// 422 with Fides's list.
    #[must_use]
    pub fn unprocessable(issues: &[Issue]) -> Self {
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "");
        error.0.detail = json!(issues);
        error
    }

    /// The answer, and the cause for the log.
    #[must_use]
    pub fn into_answer(self) -> (Answer, Option<String>) {
        let parts = *self.0;
        let mut body = json!({ "detail": parts.detail });
        if let (Some(code), Some(members)) = (parts.code, body.as_object_mut()) {
            let description = parts.detail.as_str().unwrap_or_default().to_owned();
            members.insert("error".to_owned(), code.as_str().into());
            members.insert("error_description".to_owned(), description.into());
        }
        let mut answer = Answer::json_bytes(parts.status, body.to_string().into_bytes());
        let mut add = |name, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                answer.headers.push((name, value));
            }
        };
        if let Some(challenge) = &parts.challenge {
            add(header::WWW_AUTHENTICATE, challenge.to_string());
        }
        if let Some(allow) = parts.allow {
            add(header::ALLOW, allow);
        }
        let default = (parts.status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_SECONDS);
        if let Some(wait) = parts.retry_after.or(default) {
            add(header::RETRY_AFTER, wait.to_string());
        }
        if parts.code.is_some() {
            add(header::PRAGMA, "no-cache".to_owned());
        }
        (answer, parts.cause)
    }
}

impl std::fmt::Display for Challenge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic => write!(formatter, "Basic realm=\"{REALM}\", charset=\"UTF-8\""),
            Self::Bearer { error, scope } => {
                write!(formatter, "Bearer realm=\"{REALM}\"")?;
                if let Some(error) = error {
                    write!(formatter, ", error=\"{}\"", error.as_str())?;
                }
                // A scope-token has neither quote nor backslash (RFC 6749 §3.3): nothing to escape (checklist B10).
                scope.map_or(Ok(()), |scope| write!(formatter, ", scope=\"{scope}\""))
            }
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        let text = "The service is temporarily unavailable";
        Self::token(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, text).caused(Some(error.0))
    }
}

impl From<NotSigned> for ApiError {
    fn from(error: NotSigned) -> Self {
        match error {
            NotSigned::NoKey => return PortError(error.to_string()).into(),
            NotSigned::Failed => {}
        }
        Self::token(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "Internal Server Error")
            .caused(Some(error.to_string()))
    }
}

impl From<FormProblem> for ApiError {
    fn from(problem: FormProblem) -> Self {
        Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, problem.to_string())
    }
}

impl From<AuthenticationProblem> for ApiError {
    fn from(problem: AuthenticationProblem) -> Self {
        match problem {
            AuthenticationProblem::None => {
                Self::token(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "Authentication Failure")
                    .challenged(Challenge::Basic)
            }
            AuthenticationProblem::MalformedHeader(_) => {
                Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, problem.to_string())
                    .challenged(Challenge::Basic)
            }
            AuthenticationProblem::Form(problem) => problem.into(),
            AuthenticationProblem::TwoMethods
            | AuthenticationProblem::OutsideGrammar
            | AuthenticationProblem::AssertionType => {
                Self::token(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, problem.to_string())
            }
        }
    }
}

impl From<GrantProblem> for ApiError {
    fn from(problem: GrantProblem) -> Self {
        let code = match problem {
            GrantProblem::Form(_) | GrantProblem::NoGrantType => ErrorCode::InvalidRequest,
            GrantProblem::InvalidTarget => ErrorCode::InvalidTarget,
            GrantProblem::UnsupportedGrantType => ErrorCode::UnsupportedGrantType,
            GrantProblem::MalformedScope | GrantProblem::ScopeNotHeld => ErrorCode::InvalidScope,
        };
        // RFC 6749 §5.2: error_description has neither quote nor backslash.
        Self::token(StatusCode::BAD_REQUEST, code, problem.to_string().replace(['"', '\\'], ""))
    }
}
