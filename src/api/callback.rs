//! `GET /api/v1/oauth/callback`: where a provider sends the browser back to (RFC 6749 §4.1.2). Open: the state is what
//! lets it in.
//!
//! 1. Each parameter comes at most once; `code` or `error`, not both (§3.1).
//! 2. The state's MAC is good: it names the connection.
//! 3. The connection knows the state, in time, for the first time, and lets this browser finish; it exchanges the code.
//! 4. The browser is sent where the authorization began, or gets a plain page, without anything of what the provider
//!    sent.
//!
//! `POST /api/v1/connection/{connection_key}/complete` does the same for a caller whose own server takes the callback.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Context, OK, Ports,
    answer::Answer,
    connection::{admitted, refused},
    error::ApiError,
    input,
    page::{self, Next},
};
use crate::{
    config::compatibility::Deviation,
    connection::{
        command::{AuthorizationOutcome, Bearer, Command, Reply, Return},
        connect_link::{cookie_name, set_cookie},
        key::ConnectionKey,
        return_address,
        state::{Purpose, connection_of, without_instance},
    },
    protocol::{form::Form, validation::Issue},
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
/// 400, 403, 404 or 502, each with a fixed text.
pub(super) async fn complete<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    let query = context.request.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes())?; // 1
    let (state, code, error) = (form.parameter("state")?, form.parameter("code")?, form.parameter("error")?);
    let issuer = form.parameter("iss")?.map(str::to_owned);
    let state = state.ok_or_else(|| ApiError::callback("state is missing"))?;
    let outcome = outcome(code, error).map_err(ApiError::callback)?;
    let settings = &context.deployment.settings;
    let key = state_key(context, state)?; // 2
    let is_https = settings.public_url.is_https();
    let bearer = Bearer::Browser(cookie(context.request, &cookie_name(&key, is_https)));
    let had_cookie = matches!(bearer, Bearer::Browser(Some(_)));
    let command = Command::CompleteAuthorization(Return { state: state.to_owned(), outcome, issuer, bearer });
    let as_fides = settings.compatibility.allows(Deviation::CallbackTexts);
    let answer = match context.ports.command(&key, command).await? {
        Reply::Authorized(return_to) => authorized(context, &key, return_to, as_fides)?,
        Reply::Refused(refusal) if as_fides => return Err(ApiError::fides_callback(refusal, &key)),
        other => return Err(refused(other, &key)),
    };
    // The cookie has done its work.
    let gone = had_cookie.then(|| HeaderValue::from_str(&set_cookie(&key, None, is_https)).ok()).flatten();
    Ok(match gone {
        Some(gone) => answer.with(header::SET_COOKIE, gone),
        None => answer,
    })
}

/// What is said after an authorization.
fn authorized<P>(
    context: &Context<'_, P>,
    key: &ConnectionKey,
    return_to: Option<String>,
    as_fides: bool,
) -> Result<Answer, ApiError> {
    // It was checked when it was stored; should the setting have changed since, the present one counts.
    let origins = &context.deployment.settings.return_origins;
    let address = return_to.and_then(|text| return_address::given(&text, origins)).map(return_address::succeeded);
    // 303: whatever this request was, the next one is GET (checklist K14).
    let see = |address| Answer::nothing(StatusCode::SEE_OTHER).with(header::LOCATION, address);
    if let Some(address) = address.map(Url::into).and_then(|address: String| HeaderValue::from_str(&address).ok()) {
        return Ok(see(address));
    }
    if as_fides {
        return Ok(Answer::text(OK, FIDES_DONE));
    }
    if page::is_wanted(context.request) {
        // Away from the address with the code (checklist K20), which would also be asked for again with the page.
        return Ok(see(HeaderValue::from_static("/connected"))); // 4
    }
    Answer::json(OK, &json!({ "connection_key": key, "authorized": true }))
}

/// `GET /connected`: the page that a browser ends at.
pub(super) fn connected() -> Answer {
    page::page(OK, "Connected", "The connection is authorized. You can close this page.", &Next::End)
}

/// `POST /connection/{connection_key}/complete`: `{"state", "code", "iss"}`, or `"error"` instead of the code.
///
/// # Errors
/// 422 for a malformed body, else as [`complete`].
pub(super) async fn complete_by_caller<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let body = input::required_json(context.request)?;
    let Value::Object(members) = &body else {
        return Err(ApiError::unprocessable(&[Issue::not_object(vec!["body".into()])]));
    };
    let state = member(members, "state")?;
    let state = state.ok_or_else(|| ApiError::unprocessable(&[Issue::missing(vec!["body".into(), "state".into()])]))?;
    let (code, error) = (member(members, "code")?, member(members, "error")?);
    let outcome = outcome(code, error)
        .map_err(|problem| ApiError::unprocessable(&[Issue::value(vec!["body".into()], problem)]))?;
    let issuer = member(members, "iss")?.map(str::to_owned);
    if state_key(context, state)? != key {
        return Err(ApiError::unknown_state());
    }
    let back = Return { state: state.to_owned(), outcome, issuer, bearer: Bearer::Caller };
    match context.ports.command(&key, Command::CompleteAuthorization(back)).await? {
        Reply::Authorized(_) => Answer::json(OK, &json!({ "connection_key": key, "authorized": true })),
        other => Err(refused(other, &key)),
    }
}

/// A text of the body; an empty one counts as absent.
fn member<'m>(members: &'m Map<String, Value>, name: &'static str) -> Result<Option<&'m str>, ApiError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(ApiError::unprocessable(&[Issue::not_text(vec!["body".into(), name.into()])])),
    }
}

/// What the provider sent: code or error, not both.
fn outcome(code: Option<&str>, error: Option<&str>) -> Result<AuthorizationOutcome, &'static str> {
    match (code, error) {
        (Some(code), None) if code.len() <= CODE_LIMIT => Ok(AuthorizationOutcome::Code(code.to_owned())),
        (Some(_), None) => Err("code is too long"),
        (None, Some(error)) => {
            let known = KNOWN_ERRORS.iter().find(|known| **known == error);
            Ok(AuthorizationOutcome::Refused((*known.unwrap_or(&"unknown_error")).to_owned()))
        }
        (None, None) => Err("code is missing"),
        (Some(_), Some(_)) => Err("code and error exclude each other"),
    }
}

/// The connection that a state names.
fn state_key<P>(context: &Context<'_, P>, state: &str) -> Result<ConnectionKey, ApiError> {
    let settings = &context.deployment.settings;
    let state = without_instance(state, settings.instance.as_deref());
    Ok(connection_of(settings, Purpose::State, state)?)
}

/// The value of a cookie (RFC 6265 §4.2.1). Beside it there may be others of any bytes, set for a domain above ours.
fn cookie(request: &http::Request<super::Body>, name: &str) -> Option<String> {
    let lines = request.headers().get_all(header::COOKIE).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value.to_owned())
}
