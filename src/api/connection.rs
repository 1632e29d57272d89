//! `/api/v1/connection`: connections to providers. Each handler checks the caller with the registry. What is about one
//! connection is then one command to the one object of its key; lists are the directory's.

pub(super) mod bulk;
pub(super) mod definition;
pub(super) mod instantiate;
pub(super) mod list;
pub(super) mod revocation;
pub(super) mod testing;

use http::header;
use serde_json::{Map, Value};

use super::{
    Context, OK, Ports,
    answer::Answer,
    error::ApiError,
    guard::{self, Guarded},
    input,
};
use crate::{
    connection::{
        command::{Command, LiveToken, Reply},
        key::ConnectionKey,
        return_address,
    },
    protocol::{time::UnixSeconds, validation::Issue, word::Word},
};

/// `GET /connection/{connection_key}`. No connection is linked to a system; as in Fides, its name stands for that.
///
/// # Errors
/// 404.
pub(super) async fn read<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    match managed(context, key, Command::Read).await? {
        (Reply::Connection(Value::Object(mut view)), _) => {
            let name = view.get("name").cloned().unwrap_or_default();
            view.insert("system_key".to_owned(), name);
            Answer::json(OK, &view)
        }
        (other, key) => Err(refused(other, &key)),
    }
}

/// `PUT /connection/{connection_key}/secret`; `verify` (true) says whether the connection is tested with them. A test
/// that fails is an answer: the secrets are stored all the same.
///
/// # Errors
/// 422 when a parameter is missing or of the wrong type, or there is no definition to check them by.
pub(super) async fn save_secrets<P: Ports>(
    context: &Context<'_, P>,
    key: &str,
    command: fn(Map<String, Value>) -> Command,
) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let verify = input::switch(context.request, "verify")?.unwrap_or(true);
    let Value::Object(secrets) = input::json(context.request)? else {
        return Err(ApiError::unprocessable(&[Issue::not_object(vec!["body".into()])]));
    };
    match context.ports.command(&key, command(secrets)).await? {
        Reply::Done => testing::after_secrets(context, verify, &key).await,
        other => Err(refused(other, &key)),
    }
}

/// `GET /connection/{connection_key}/authorize`: the URL that a person must open, as a JSON string.
///
/// # Errors
/// 400 or 422 when definition or secrets do not allow one.
pub(super) async fn authorize<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let key = admitted(context, key).await?;
    let referer = context.request.headers().get(header::REFERER).and_then(|referer| referer.to_str().ok());
    let origins = &context.deployment.settings.return_origins;
    let return_to = referer.and_then(|referer| return_address::of_referer(referer, &key, origins)).map(Into::into);
    match context.ports.command(&key, Command::BeginAuthorization(return_to)).await? {
        Reply::AuthorizationUrl(url) => Answer::json(OK, &url),
        other => Err(refused(other, &key)),
    }
}

/// `GET /connection/{connection_key}/access_token`: the live token, renewed first when it has expired.
///
/// # Errors
/// 409 when a person must authorize again, 502 or 504 when the provider fails.
pub(super) async fn access_token<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    let guarded = Guarded::new(context).await?;
    guarded.admit_within(context, context.deployment.settings.revocation_lag).await?;
    live_token(context, connection_key(key)?, Command::AccessToken).await
}

/// `POST /connection/{connection_key}/access_token/refused`: the provider's API refused an access token, which the body
/// names by its SHA-256; the answer is the live token, renewed first when it was that one, once.
///
/// # Errors
/// 422 for a body without a digest; else as [`access_token`].
pub(super) async fn report<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    /// The member of the body.
    const DIGEST: &str = "access_token_sha256";
    let key = admitted(context, key).await?;
    let body = input::json(context.request)?;
    let sha256 = body.get(DIGEST).and_then(Value::as_str);
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(sha256) = sha256.filter(is_digest) else {
        let msg = "must be the SHA-256 of the refused access token: 64 hexadecimal digits";
        return Err(ApiError::unprocessable(&[Issue::value(vec!["body".into(), DIGEST.into()], msg)]));
    };
    live_token(context, key, Command::Report(sha256.to_owned())).await
}

/// Has a connection give its live token.
async fn live_token<P: Ports>(
    context: &Context<'_, P>,
    key: ConnectionKey,
    command: Command,
) -> Result<Answer, ApiError> {
    match context.ports.command(&key, command).await? {
        Reply::Token(token) => Answer::json(OK, &shown_token(token, context.ports.now())),
        other => Err(refused(other, &key)),
    }
}

/// The answer of a token read, in the words of RFC 6749 §5.1: the refresh token never leaves.
fn shown_token(token: LiveToken, now: UnixSeconds) -> Map<String, Value> {
    let LiveToken { access_token, token_type, expires_at, scope, kept, refresh_state } = token;
    let mut shown = kept.members().clone();
    shown.insert("access_token".to_owned(), access_token.into());
    shown.insert("token_type".to_owned(), token_type.into());
    shown.insert("expires_at".to_owned(), expires_at.0.into());
    shown.insert("expires_in".to_owned(), expires_at.since(now).0.into());
    shown.insert("refresh_state".to_owned(), refresh_state.word().into());
    if let Some(scope) = scope {
        shown.insert("scope".to_owned(), scope.into());
    }
    shown
}

/// Checks the caller, then the path, and sends a command that needs nothing of the body.
async fn managed<P: Ports>(
    context: &Context<'_, P>,
    key: &str,
    command: Command,
) -> Result<(Reply, ConnectionKey), ApiError> {
    let key = admitted(context, key).await?;
    let reply = context.ports.command(&key, command).await?;
    Ok((reply, key))
}

/// Checks the caller, then the path.
pub(super) async fn admitted<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<ConnectionKey, ApiError> {
    guard::admit(context).await?;
    connection_key(key)
}

/// The key in the path.
fn connection_key(text: &str) -> Result<ConnectionKey, ApiError> {
    ConnectionKey::parse(text)
        .map_err(|msg| ApiError::unprocessable(&[Issue::value(vec!["path".into(), "connection_key".into()], msg)]))
}

/// The error of a reply that is not what was asked for.
pub(super) fn refused(reply: Reply, key: &ConnectionKey) -> ApiError {
    match reply {
        Reply::Refused(refusal) => ApiError::refusal(refusal, key),
        _ => ApiError::unexpected_reply(),
    }
}
