//! Connect links: `POST /api/v1/connection/{connection_key}/connect_link` makes one, `/connect/{token}` is where it
//! leads.
//!
//! The link's page shows what it is for; opening it changes nothing, so that mail scanners and previews may. Its button
//! uses the link up, leaves the cookie that binds the authorization to this browser, and goes on to the provider.

use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{
    Context, OK, Ports,
    answer::Answer,
    connection::{admitted, refused},
    error::ApiError,
    input,
    page::{self, Next},
    route::FETCH_SITE,
};
use crate::{
    connection::{
        command::{Command, Reply},
        connect_link::set_cookie,
        key::ConnectionKey,
        return_address,
        state::{Purpose, connection_of},
    },
    ports::random,
    protocol::{
        secret::{SecretText, hex},
        validation::Issue,
    },
};

/// Makes a link. `return_to` says where the browser is sent in the end.
///
/// # Errors
/// 404; 422 for an address that is not allowed, or what [`super::connection::authorize`] is refused for.
pub(super) async fn make<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let return_to = return_to(context)?;
    match context.ports.command(&key, Command::MakeLink(return_to)).await? {
        Reply::Link(token, expires_at) => {
            let settings = &context.deployment.settings;
            let url = format!("{}/connect/{token}", settings.public_url.as_str());
            Answer::json(OK, &json!({ "url": url, "expires_at": expires_at }))
        }
        other => Err(refused(other, &key)),
    }
}

/// The address in the body, if there is one.
fn return_to<P>(context: &Context<'_, P>) -> Result<Option<String>, ApiError> {
    let loc = || vec!["body".into(), "return_to".into()];
    let issue = |issue: Issue| ApiError::unprocessable(&[issue]);
    let given = match input::json(context.request)? {
        Value::Null => return Ok(None),
        Value::Object(mut members) => members.remove("return_to").unwrap_or_default(),
        _ => return Err(ApiError::unprocessable(&[Issue::not_object(vec!["body".into()])])),
    };
    match given {
        Value::Null => Ok(None),
        Value::String(text) => return_address::given(&text, &context.deployment.settings.return_origins)
            .map(|url| Some(url.into()))
            .ok_or_else(|| issue(Issue::value(loc(), "must be an address on one of ALLOWED_RETURN_ORIGINS"))),
        _ => Err(issue(Issue::not_text(loc()))),
    }
}

/// `GET /connect/{token}`: the page.
///
/// # Errors
/// 404 for a link that is unknown, used or expired.
pub(super) async fn show<P: Ports>(context: &Context<'_, P>, token: &str) -> Result<Answer, ApiError> {
    let key = link_key(context, token)?;
    match context.ports.command(&key, Command::ReadLink(token.to_owned())).await? {
        Reply::LinkOf(name, host) => {
            let title = format!("Connect {name}");
            let text =
                format!("You will be sent to {host} to sign in and allow access. Go on only if you expected this.");
            // The form's `Origin` is `null` where the page gives no referrer at all (Fetch standard §3.2).
            let referrer = HeaderValue::from_static("same-origin");
            Ok(page::page(OK, &title, &text, &Next::Button("Continue")).with(header::REFERRER_POLICY, referrer))
        }
        other => Err(refused(other, &key)),
    }
}

/// `POST /connect/{token}`: the button.
///
/// # Errors
/// 403 for a form of another site; 404 as [`show`].
pub(super) async fn follow<P: Ports>(context: &Context<'_, P>, token: &str) -> Result<Answer, ApiError> {
    if !is_from_our_page(context) {
        return Err(ApiError::foreign_form());
    }
    let key = link_key(context, token)?;
    let cookie = SecretText::new(hex(&random::<32>()?));
    match context.ports.command(&key, Command::FollowLink(token.to_owned(), cookie.digest())).await? {
        Reply::AuthorizationUrl(url) => {
            let is_https = context.deployment.settings.public_url.is_https();
            let cookie = HeaderValue::from_str(&set_cookie(&key, Some(&cookie), is_https));
            let cookie = cookie.map_err(|_| ApiError::unexpected_reply())?;
            let answer = page::page(OK, "One moment", "You are being sent to the provider.", &Next::Address(&url));
            Ok(answer.with(header::SET_COOKIE, cookie))
        }
        other => Err(refused(other, &key)),
    }
}

/// The connection that a link names.
fn link_key<P>(context: &Context<'_, P>, token: &str) -> Result<ConnectionKey, ApiError> {
    let settings = &context.deployment.settings;
    connection_of(settings, Purpose::Link, token).map_err(|_| ApiError::unknown_link())
}

/// Whether a form was sent by a page of ours (checklist H9): by `Origin`, or where a browser sends none by
/// `Sec-Fetch-Site`. Who sends neither is no browser, or an old one that cannot be protected.
fn is_from_our_page<P>(context: &Context<'_, P>) -> bool {
    let headers = context.request.headers();
    match headers.get(header::ORIGIN) {
        Some(origin) => origin.as_bytes() == context.deployment.settings.public_url.as_str().as_bytes(),
        None => headers.get(FETCH_SITE).is_some_and(|site| site.as_bytes() == b"same-origin"),
    }
}
