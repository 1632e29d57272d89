//! The way to providers: one function for every outgoing request. It obeys: the URL was checked, redirects are not
//! followed, the answer has a deadline and a size limit.

use worker::{AbortSignal, Error, Fetch, Headers, Request, Response, Result, js_sys::Date};

use super::message::{self, bounded};
use crate::{
    ports::{PROVIDER_ANSWER_LIMIT, ProviderFailure, ProviderRequest, ProviderResponse, RETRY_AFTER_LIMIT, RetryAfter},
    protocol::{secret::SecretText, time::UnixSeconds},
};

/// How long a provider may take for headers and body together (checklist K15), in milliseconds.
const DEADLINE_MILLISECONDS: u32 = 10_000;

/// Sends a request and reads the answer.
pub(super) async fn send(request: ProviderRequest) -> std::result::Result<ProviderResponse, ProviderFailure> {
    let request = outgoing(&request).map_err(|_| ProviderFailure::Unreachable)?;
    let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(DEADLINE_MILLISECONDS));
    let mut response = Fetch::Request(request).send_with_signal(&signal).await.map_err(|error| failure(&error))?;
    let content_type = response.headers().get("content-type").ok().flatten();
    let retry_after = response.headers().get("retry-after").ok().flatten();
    let retry_after = retry_after.filter(|text| text.len() <= RETRY_AFTER_LIMIT).map(dated);
    let (status, body) = (response.status_code(), body(&mut response).await.map_err(|error| failure(&error))?);
    Ok(ProviderResponse { status, content_type, retry_after, body: body.ok_or(ProviderFailure::TooLarge(status))? })
}

/// A header with the date that it is, as JavaScript reads dates: in milliseconds since 1970, or NaN.
fn dated(text: String) -> RetryAfter {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and NaN becomes 0"
    )]
    let date = UnixSeconds((Date::parse(&text) / 1000.0) as u64);
    RetryAfter { text, date }
}

/// The request as the runtime takes it.
fn outgoing(request: &ProviderRequest) -> Result<Request> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.append(name.as_str(), value.expose())?;
    }
    let body = request.body.as_ref().map(SecretText::expose);
    message::outgoing(request.url.as_str(), request.method.as_str(), &headers, body)
}

/// The body up to the limit; none when there is more.
async fn body(response: &mut Response) -> Result<Option<Vec<u8>>> {
    let declared = response.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > PROVIDER_ANSWER_LIMIT) {
        return Ok(None);
    }
    match response.stream() {
        Ok(stream) => bounded(stream, PROVIDER_ANSWER_LIMIT).await,
        // An answer without a body has no stream.
        Err(_) => Ok(Some(Vec::new())),
    }
}

/// The kind of a failed fetch; its text, which may name addresses, stays here.
fn failure(error: &Error) -> ProviderFailure {
    let timed_out = matches!(error, Error::UnknownJsError { name: Some(name), .. } if name == "TimeoutError");
    if timed_out { ProviderFailure::TimedOut } else { ProviderFailure::Unreachable }
}
