//! Why an answer of a provider gives no tokens, and the error codes that get out of one (checklist L5).
//!
//! Decides: which codes are passed on, what a problem is for the connection. Leaves to others: finding the problem
//! (`answer`).

use std::fmt;

use thiserror::Error;

use crate::connection::{
    definition::is_status,
    fault::{Fault, FaultClass},
};

/// The error codes that are passed on: those of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 8628
/// §3.5, RFC 8707 §2, OpenID Connect Core §3.1.2.6, and what well-known providers say instead.
const KNOWN_CODES: [&str; 40] = [
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
    "bad_refresh_token",
    "token_revoked",
    "oauthexception",
];

/// An error code of a provider, one of those that are known or that the definition names: whatever else stands where a
/// code should be may be an echo of our own secrets (L5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(String);

impl ErrorCode {
    /// The code.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Takes a code, in any case, or finds one in a sentence: first one that the definition names, as it spells it.
    pub(super) fn find(text: &str, named: &[(String, FaultClass)]) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is_named = |code: &str| {
            let fits = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '_' | '.' | '-');
            let is = |word: &str| word.eq_ignore_ascii_case(code);
            !is_status(code) && text.split(|byte| !fits(byte)).any(|word| is(word) || is(word.trim_end_matches('.')))
        };
        let own = named.iter().map(|(code, _)| code.as_str()).find(|code| is_named(code));
        let known = || {
            text.split(|character: char| !character.is_ascii_lowercase() && character != '_')
                .find_map(|word| KNOWN_CODES.into_iter().find(|known| *known == word))
        };
        own.or_else(known).map(|code| Self(code.to_owned()))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
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
    /// Status 429, or one of the codes `slow_down`, `too_many_requests`, `rate_limit_exceeded`.
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

/// A 504 is no answer of the provider: nobody knows what became of the request.
impl From<AnswerProblem> for Fault {
    fn from(problem: AnswerProblem) -> Self {
        match problem {
            AnswerProblem::Refused { status, error } => Self::Refused { error: error.map(|code| code.0), status },
            AnswerProblem::TooManyRequests { .. } => Self::Busy,
            AnswerProblem::Failed { status: 504, .. } => Self::TimedOut,
            AnswerProblem::Failed { .. } => Self::Failed,
            AnswerProblem::Redirected { .. }
            | AnswerProblem::Html
            | AnswerProblem::NotUnderstood
            | AnswerProblem::TooLarge
            | AnswerProblem::NoAccessToken
            | AnswerProblem::UnusableToken { .. }
            | AnswerProblem::UnsupportedTokenType
            | AnswerProblem::BadLifetime => Self::Unreadable,
        }
    }
}

/// The code as a message shows it.
fn code_text(error: Option<&ErrorCode>) -> String {
    error.map(|code| format!(", {code}")).unwrap_or_default()
}
