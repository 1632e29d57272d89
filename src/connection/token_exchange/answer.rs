//! What a provider answers to a token request (RFC 6749 §5.1, §5.2; contract 7.3; checklist K15, L5).
//!
//! Decides: whether an answer gives tokens, how long they live (architecture D28), and else what went wrong. Nothing that
//! the provider wrote freely gets out of here: of its text only error codes that are known.
//!
//! Leaves to others: the size and the deadline of an answer (`edge`), and what a failure means for the connection
//! (`refresh`).

use std::{borrow::Cow, fmt};

use serde_json::{Map, Value};
use thiserror::Error;

use super::kept::Kept;
use crate::{
    connection::definition::LIFETIME_LIMIT,
    ports::{PROVIDER_ANSWER_LIMIT, ProviderResponse},
    protocol::{
        members::Members,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
    },
};

/// Longest token that is taken, in bytes.
const TOKEN_LIMIT: usize = 16 * 1024;

/// Longest `scope` that is kept, in bytes.
const SCOPE_LIMIT: usize = 8 * 1024;

/// Lifetime of a token about which neither the provider nor the definition says anything: one hour, the value that
/// RFC 6749 §5.1 has in its example and most providers use.
const DEFAULT_LIFETIME: Seconds = Seconds(3600);

/// The error codes that are passed on: those of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 8628 §3.5,
/// RFC 8707 §2, OpenID Connect Core §3.1.2.6, and what well-known providers say instead.
const KNOWN_CODES: [&str; 38] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "unsupported_response_type",
    "server_error",
    "temporarily_unavailable",
    "invalid_token",
    "insufficient_scope",
    "unsupported_token_type",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "invalid_target",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "too_many_requests",
    "rate_limit_exceeded",
    "bad_verification_code",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    "deleted_client",
    "disabled_client",
    "org_internal",
    "admin_policy_enforced",
    "invalid_client_id",
    "inactive_user",
    "inactive_org",
    "invalid_code",
    "code_already_used",
    "bad_client_secret",
    "invalid_refresh_token",
    "oauthexception",
];

/// The tokens of a successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// Never empty.
    pub access_token: SecretText,
    /// Always of type Bearer (RFC 6750); as the provider wrote it.
    pub token_type: Option<String>,
    /// None where the provider gave none: an older one stays valid (RFC 6749 §6).
    pub refresh_token: Option<SecretText>,
    /// How long the access token lives.
    pub lifetime: Seconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
    /// What was granted, where the provider says it (RFC 6749 §3.3): as granted, also if fewer than asked for (K16).
    pub scope: Option<String>,
    /// What the definition asked for beside.
    pub kept: Kept,
}

/// An error code of a provider, one of those that are known: whatever else stands where a code should be may be an echo
/// of our own secrets (L5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(&'static str);

impl ErrorCode {
    /// The code.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// Takes a code, in any case, or finds one in a sentence.
    fn find(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        text.split(|character: char| !character.is_ascii_lowercase() && character != '_')
            .find_map(|word| KNOWN_CODES.iter().find(|known| **known == word))
            .map(|known| Self(known))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// Why an answer gives no tokens. Holds no text of the provider but its error code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerProblem {
    /// The provider says no: a 4xx status, or any status but 5xx with an error code.
    #[error("the provider refused the request (status {status}{})", code_text(.error.as_ref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its code, if it gave one.
        error: Option<ErrorCode>,
    },
    /// Status 429, or the codes `slow_down` and `too_many_requests`.
    #[error("the provider takes no more requests for now (status {status})")]
    TooManyRequests {
        /// HTTP status.
        status: u16,
    },
    /// A 5xx status, whatever the body says, or `server_error` or `temporarily_unavailable` with another one.
    #[error("the provider failed (status {status}{})", code_text(.error.as_ref()))]
    Failed {
        /// HTTP status.
        status: u16,
        /// Its code, if it gave one.
        error: Option<ErrorCode>,
    },
    /// A redirect: token requests never follow one (S8).
    #[error("the provider answered with a redirect (status {status})")]
    Redirected {
        /// HTTP status.
        status: u16,
    },
    /// A success that is a page for people.
    #[error("the provider answered with a web page")]
    Html,
    /// A success that is neither a JSON object nor a form.
    #[error("the provider's answer is neither JSON nor a form")]
    NotUnderstood,
    /// More than the limit for answers.
    #[error("the provider's answer is too large")]
    TooLarge,
    /// A success without `access_token`, or with an empty one.
    #[error("the provider's answer holds no access token")]
    NoAccessToken,
    /// A token that is too long or holds characters that tokens cannot hold.
    #[error("the provider's answer holds an unusable {which}")]
    UnusableToken {
        /// `access_token` or `refresh_token`.
        which: &'static str,
    },
    /// The type is not Bearer: we could not use the token.
    #[error("the provider's answer holds a token that is not of type Bearer")]
    UnsupportedTokenType,
    /// `expires_in` is not a number from 1 second to ten years.
    #[error("the provider's answer holds a lifetime that makes no sense")]
    BadLifetime,
}

/// The code as a message shows it.
fn code_text(error: Option<&ErrorCode>) -> String {
    error.map(|code| format!(", {code}")).unwrap_or_default()
}

/// Reads the answer to a token or refresh request that arrived at `now`.
///
/// The lifetime is the smaller of the answer's and the definition's, the one there is, or an hour (D28). An `expires_in`
/// of 0, null or nothing counts as not there, as in Fides. Members whose names are in `keep` are kept.
///
/// # Errors
///
/// [`AnswerProblem`]; nothing of such an answer may be stored.
pub fn read_answer(
    response: &ProviderResponse,
    now: UnixSeconds,
    definition_expires_in: Option<Seconds>,
    keep: &[String],
) -> Result<TokenAnswer, AnswerProblem> {
    if response.body.len() > PROVIDER_ANSWER_LIMIT {
        return Err(AnswerProblem::TooLarge);
    }
    let members = read_members(response);
    let status = response.status;
    let reported = members.as_ref().ok().and_then(reported_error);
    let code = reported.as_ref().and_then(|reported| reported.0);
    if let Some(problem) = status_problem(status, code) {
        return Err(problem);
    }
    let members = members?;
    if let Some(ReportedError(code)) = reported {
        return Err(refusal(status, code));
    }
    let access_token = token(&members, "access_token", b'!')?.ok_or(AnswerProblem::NoAccessToken)?;
    let refresh_token = token(&members, "refresh_token", b' ')?;
    let token_type = token_type(&members)?;
    let lifetime = match (lifetime(&members)?, definition_expires_in) {
        (Some(theirs), Some(ours)) => theirs.min(ours),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => DEFAULT_LIFETIME,
    };
    Ok(TokenAnswer {
        access_token,
        token_type,
        refresh_token,
        lifetime,
        expires_at: now.plus(lifetime),
        scope: scope(&members),
        kept: Kept::of(&members, keep),
    })
}

/// What a status means by itself, if it is not a success.
fn status_problem(status: u16, error: Option<ErrorCode>) -> Option<AnswerProblem> {
    match status {
        200..=299 => None,
        300..=399 => Some(AnswerProblem::Redirected { status }),
        429 => Some(AnswerProblem::TooManyRequests { status }),
        500..=599 => Some(AnswerProblem::Failed { status, error }),
        _ => Some(refusal(status, error)),
    }
}

/// What an error code means, whatever the status.
fn refusal(status: u16, error: Option<ErrorCode>) -> AnswerProblem {
    match error.as_ref().map(ErrorCode::as_str) {
        Some("slow_down" | "too_many_requests") => AnswerProblem::TooManyRequests { status },
        Some("server_error" | "temporarily_unavailable") => AnswerProblem::Failed { status, error },
        _ => AnswerProblem::Refused { status, error },
    }
}

/// The members of an answer: a JSON object whatever its type says it is, else a form where the type does not speak
/// against it. Of two members of one name neither is better than the other.
fn read_members(response: &ProviderResponse) -> Result<Map<String, Value>, AnswerProblem> {
    let media_type = response
        .content_type
        .as_deref()
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let text = std::str::from_utf8(&response.body).map_err(|_| AnswerProblem::NotUnderstood)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') {
        let members = serde_json::from_slice::<Members>(text.as_bytes());
        return members.map(|members| members.0).map_err(|_| AnswerProblem::NotUnderstood);
    }
    let may_be_form = match media_type.as_str() {
        "application/x-www-form-urlencoded" => true,
        "" | "text/plain" => text.contains('=') && !text.contains(['<', '{', ' ', '\n']),
        _ => false,
    };
    if may_be_form {
        let mut members = Map::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if members.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(AnswerProblem::NotUnderstood);
            }
        }
        return Ok(members);
    }
    if media_type == "text/html" || text.starts_with('<') {
        return Err(AnswerProblem::Html);
    }
    Err(AnswerProblem::NotUnderstood)
}

/// That an answer reports an error, with its code where there is something that looks like one.
struct ReportedError(Option<ErrorCode>);

/// The error that an answer reports: `error` as RFC 6749 §5.2 has it, or an object with a code in it.
fn reported_error(members: &Map<String, Value>) -> Option<ReportedError> {
    match members.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(ReportedError(ErrorCode::find(text))),
        Value::Object(members) => Some(ReportedError(
            ["error", "code", "type", "status"]
                .into_iter()
                .find_map(|name| ErrorCode::find(members.get(name)?.as_str()?)),
        )),
        _ => Some(ReportedError(None)),
    }
}

/// A token: visible ASCII from `lowest` on (RFC 6750 §2.1 has no spaces; RFC 6749 appendix A.17 allows them in a refresh
/// token). Missing, null and empty are the same.
fn token(members: &Map<String, Value>, which: &'static str, lowest: u8) -> Result<Option<SecretText>, AnswerProblem> {
    match members.get(which) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text))
            if text.len() <= TOKEN_LIMIT && text.bytes().all(|byte| (lowest..=b'~').contains(&byte)) =>
        {
            Ok(Some(SecretText::new(text.clone())))
        }
        Some(_) => Err(AnswerProblem::UnusableToken { which }),
    }
}

/// `token_type`: Bearer in any case, or nothing (RFC 6749 §7.1: a type that is not understood must not be used).
fn token_type(members: &Map<String, Value>) -> Result<Option<String>, AnswerProblem> {
    match members.get("token_type") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("bearer") => Ok(Some(text.clone())),
        Some(_) => Err(AnswerProblem::UnsupportedTokenType),
    }
}

/// `expires_in`: a number, also as text, also with a fraction, which is dropped.
fn lifetime(members: &Map<String, Value>) -> Result<Option<Seconds>, AnswerProblem> {
    let text = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => Cow::Borrowed(text.trim()),
        Some(Value::Number(number)) => Cow::Owned(decimal(number)),
        Some(_) => return Err(AnswerProblem::BadLifetime),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(AnswerProblem::BadLifetime);
    }
    match whole.parse::<u64>() {
        Ok(0) if fraction.bytes().all(|byte| byte == b'0') => Ok(None),
        Ok(seconds @ 1..=LIFETIME_LIMIT) => Ok(Some(Seconds(seconds))),
        _ => Err(AnswerProblem::BadLifetime),
    }
}

/// A JSON number without an exponent.
fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if !number.is_u64() && !number.is_i64() => format!("{float}"),
        _ => number.to_string(),
    }
}

/// `scope`: text, or a list of texts as some providers write it; dropped where it is neither or not printable.
fn scope(members: &Map<String, Value>) -> Option<String> {
    let scope = match members.get("scope")? {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(elements) => {
            let scopes: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
            scopes?.join(" ")
        }
        _ => return None,
    };
    let is_printable = scope.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (!scope.is_empty() && scope.len() <= SCOPE_LIMIT && is_printable).then_some(scope)
}

#[cfg(test)]
mod tests;
