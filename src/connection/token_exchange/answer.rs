//! What a provider answers to a token request (RFC 6749 §5.1, §5.2; checklist K15, L5).
//!
//! Decides: whether an answer gives tokens, how long they live, and else what went wrong. Nothing that the provider
//! wrote freely gets out of here: of its text only error codes that are known.
//!
//! Leaves to others: the size and the deadline of an answer (`edge`), and what a failure means for the connection
//! (`refresh`).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    kept::Kept,
    problem::{AnswerProblem, ErrorCode},
};
use crate::{
    connection::{
        definition::{LIFETIME_LIMIT, TokenRules},
        fault::Fault,
    },
    ports::{PROVIDER_ANSWER_LIMIT, ProviderResponse},
    protocol::{
        json,
        secret::SecretText,
        text::is_printable,
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

/// The tokens of a successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// Never empty.
    pub access_token: SecretText,
    /// Always of type Bearer (RFC 6750); as the provider wrote it.
    pub token_type: Option<String>,
    /// None where the provider gave none: an older one stays valid (RFC 6749 §6).
    pub refresh_token: Option<SecretText>,
    /// When the access token ends.
    pub expires_at: UnixSeconds,
    /// What was granted, where the provider says it (RFC 6749 §3.3): as granted, also if fewer than asked for (K16).
    pub scope: Option<String>,
    /// What the definition asked for beside.
    pub kept: Kept,
}

/// Reads the answer to a token or refresh request that was sent at `now`: the token may be as old as that.
///
/// The lifetime is the smaller of the answer's and the definition's, the one there is, or an hour. An `expires_in` of
/// 0, null or nothing counts as not there, as in Fides. Members that the rules name are kept. What their `faults` take
/// for more than a passing fault of the provider is a refusal, whatever its status.
///
/// # Errors
///
/// [`AnswerProblem`]; nothing of such an answer may be stored.
pub fn read_answer(
    response: &ProviderResponse,
    now: UnixSeconds,
    rules: &TokenRules,
) -> Result<TokenAnswer, AnswerProblem> {
    if response.body.len() > PROVIDER_ANSWER_LIMIT {
        return Err(AnswerProblem::TooLarge);
    }
    let members = read_members(response);
    let status = response.status;
    let reported = members.as_ref().ok().and_then(|members| reported_error(members, rules));
    let is_success = (200..300).contains(&status);
    if !is_success || reported.is_some() {
        let code = match (reported, &members) {
            (Some(ReportedError(code)), _) => code,
            // Of an answer that is no success some have the code where RFC 6749 knows no member.
            (None, Ok(members)) => code_in(members, &["code", "error_code", "errorCode", "type", "status"], rules),
            (None, Err(_)) => None,
        };
        return Err(refusal(status, code, rules));
    }
    let members = members?;
    let access_token = token(&members, "access_token", b'!')?.ok_or(AnswerProblem::NoAccessToken)?;
    let refresh_token = token(&members, "refresh_token", b' ')?;
    let token_type = token_type(&members)?;
    let lifetime = match (lifetime(&members)?, rules.expires_in) {
        (Some(theirs), Some(ours)) => theirs.min(ours),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => DEFAULT_LIFETIME,
    };
    Ok(TokenAnswer {
        access_token,
        token_type,
        refresh_token,
        expires_at: now.plus(lifetime),
        scope: scope(&members),
        kept: Kept::of(&members, &rules.keep),
    })
}

/// What an answer means that is no success, or reports an error. A status in a class of its own counts more than a
/// code, unless the definition says otherwise.
fn refusal(status: u16, error: Option<ErrorCode>, rules: &TokenRules) -> AnswerProblem {
    let refused = Fault::Refused { error: error.as_ref().map(|code| code.as_str().to_owned()), status };
    if refused.is_condemned(&rules.faults) {
        return AnswerProblem::Refused { status, error };
    }
    let like = match error.as_ref().map(ErrorCode::as_str) {
        _ if matches!(status, 300..=399 | 429 | 500..=599) => status,
        Some("slow_down" | "too_many_requests" | "rate_limit_exceeded") => 429,
        Some("server_error" | "temporarily_unavailable") => 503,
        _ => status,
    };
    match like {
        300..=399 => AnswerProblem::Redirected { status },
        429 => AnswerProblem::TooManyRequests { status },
        500..=599 => AnswerProblem::Failed { status, error },
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
        return json::read_unique(text.as_bytes()).ok_or(AnswerProblem::NotUnderstood);
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
fn reported_error(members: &Map<String, Value>, rules: &TokenRules) -> Option<ReportedError> {
    match members.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(ReportedError(ErrorCode::find(text, &rules.faults))),
        Value::Object(members) => Some(ReportedError(code_in(members, &["error", "code", "type", "status"], rules))),
        _ => Some(ReportedError(None)),
    }
}

/// The first code in members of these names.
fn code_in(members: &Map<String, Value>, names: &[&str], rules: &TokenRules) -> Option<ErrorCode> {
    names.iter().find_map(|name| ErrorCode::find(members.get(*name)?.as_str()?, &rules.faults))
}

/// A token: visible ASCII from `lowest` on (RFC 6750 §2.1 has no spaces; RFC 6749 appendix A.17 allows them in a
/// refresh token). Missing, null and empty are the same.
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

/// A JSON number without an exponent. Of a fraction is told only whether there is one: to write it out, the standard
/// library's formatting of floating point would be needed, for this alone. A negative one may look as it likes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, truncation is what is wanted, and the largest is too large anyway"
)]
fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.is_sign_positive() => {
            format!("{}.{}", float as u64, u8::from(float.fract() > 0.0))
        }
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
    (!scope.is_empty() && scope.len() <= SCOPE_LIMIT && is_printable(&scope)).then_some(scope)
}

#[cfg(test)]
mod tests;
