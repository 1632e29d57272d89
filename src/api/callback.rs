//! `GET /api/v1/oauth/callback`: where a provider sends the browser back to (RFC 6749 §4.1.2). Open: the state is what
//! lets it in.
//!
//! 1. Each parameter comes at most once; `code` or `error`, not both (§3.1).
//! 2. The state's MAC is good: it names the connection.
//! 3. The connection knows the state, in time, for the first time; it exchanges the code.
//! 4. A plain page, without anything of what the provider sent.

use super::{Context, OK, Ports, answer::Answer, error::ApiError};
use crate::{
    config::compatibility::Deviation,
    connection::{
        command::{AuthorizationOutcome, Command, Reply},
        state::connection_of,
    },
    protocol::form::Form,
};

/// Longest code that is passed on.
const CODE_LIMIT: usize = 4096;

/// What Fides says when no page waits for the browser. The status is one of its three: no connection test was run.
const FIDES_DONE: &str = "Connection test status: skipped. No referer URL available. \
    Please navigate back to the Fides Admin UI.";

/// The codes of RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6; any other is shown as `unknown_error`.
const KNOWN_ERRORS: [&str; 11] = [
    "invalid_request",
    "unauthorized_client",
    "access_denied",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
];

/// Finishes an authorization.
///
/// # Errors
/// 400, 404 or 502, each with a fixed text.
pub(super) async fn complete<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let query = context.request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes())?; // 1
    let (state, code, error) = (form.parameter("state")?, form.parameter("code")?, form.parameter("error")?);
    let state = state.ok_or_else(|| ApiError::callback("state is missing"))?;
    let outcome = match (code, error) {
        (Some(code), None) if code.len() <= CODE_LIMIT => AuthorizationOutcome::Code(code.to_owned()),
        (Some(_), None) => return Err(ApiError::callback("code is too long")),
        (None, Some(error)) => {
            let known = KNOWN_ERRORS.iter().find(|known| **known == error);
            AuthorizationOutcome::Refused((*known.unwrap_or(&"unknown_error")).to_owned())
        }
        (None, None) => return Err(ApiError::callback("code is missing")),
        (Some(_), Some(_)) => return Err(ApiError::callback("code and error exclude each other")),
    };
    let key = connection_of(&context.deployment.settings.application_key, state)?; // 2
    let command = Command::CompleteAuthorization { state: state.to_owned(), outcome };
    let as_fides = context.deployment.settings.compatibility.allows(Deviation::CallbackTexts);
    match context.ports.command(&key, command).await? {
        Reply::Done if as_fides => Ok(Answer::text(OK, FIDES_DONE)),
        Reply::Done => Ok(Answer::text(OK, format!("The connection {key} is authorized. You can close this page.\n"))), // 4
        Reply::Refused(refusal) if as_fides => Err(ApiError::fides_callback(refusal, &key)),
        Reply::Refused(refusal) => Err(ApiError::refusal(refusal, &key)),
        _ => Err(ApiError::unexpected_reply()),
    }
}
