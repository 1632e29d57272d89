//! What an answer looks like, whatever it says: one place for headers.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::ApiError;
use crate::ports::PortError;

/// What a page of ours may do: nothing, and be framed by nobody (checklist H5).
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");

/// `Cross-Origin-Opener-Policy` (HTML standard §7.1.3.1).
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The header of a request's id, in answers too.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer before it gets the headers that all answers have.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers of this answer alone.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A JSON document.
    ///
    /// # Errors
    /// 500 when the value cannot be written as JSON.
    pub fn json<Document: Serialize + ?Sized>(status: StatusCode, document: &Document) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(document).map_err(|error| PortError(format!("answer is no JSON: {error}")))?;
        Ok(Self::json_bytes(status, body))
    }

    /// A JSON document that is already written.
    #[must_use]
    pub fn json_bytes(status: StatusCode, body: Vec<u8>) -> Self {
        Self::of("application/json", status, body)
    }

    /// Plain text.
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::of("text/plain; charset=utf-8", status, text.into().into_bytes())
    }

    /// A body of some media type.
    #[must_use]
    pub fn of(media_type: &'static str, status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body }
    }

    /// An empty body with a status that could have one.
    #[must_use]
    pub const fn nothing(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// No content.
    #[must_use]
    pub const fn empty() -> Self {
        Self::nothing(StatusCode::NO_CONTENT)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether a browser may show it as a page: it has a body, and that is not JSON.
    fn is_page(&self) -> bool {
        let content_type = self.headers.iter().find(|(name, _)| name == header::CONTENT_TYPE);
        content_type.is_some_and(|(_, media_type)| !media_type.as_bytes().ends_with(b"json"))
    }

    /// The message that is sent: `nosniff` everywhere (checklist H6), `no-store` unless the answer says otherwise (H1),
    /// the request's id; a page is not framed and keeps nothing to do with the window that opened it (H5, H7).
    #[must_use]
    pub fn into_response(self, request_id: &str, head_only: bool) -> http::Response<Vec<u8>> {
        let is_page = self.is_page();
        let mut response = http::Response::new(if head_only { Vec::new() } else { self.body });
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if is_page {
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        if is_page {
            headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(PAGE_POLICY);
        }
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H1: an answer that anybody may have says so itself; all others may not be stored.
    #[test]
    fn an_answer_may_choose_its_own_caching() {
        let cached = |answer: Answer| {
            answer
                .into_response("id", false)
                .headers()
                .get_all(header::CACHE_CONTROL)
                .iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(cached(Answer::empty()), ["no-store"]);
        let public = HeaderValue::from_static("public, max-age=300");
        assert_eq!(cached(Answer::empty().with(header::CACHE_CONTROL, public.clone())), [public]);
    }

    /// H5: a JSON document of any media type is no page, everything else with a body is.
    #[test]
    fn only_json_is_no_page() {
        for (media_type, is_page) in
            [("application/json", false), ("application/jwk-set+json", false), ("text/html; charset=utf-8", true)]
        {
            let answer = Answer::empty().with(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            let response = answer.into_response("id", false);
            assert_eq!(response.headers().contains_key(header::X_FRAME_OPTIONS), is_page, "{media_type}");
        }
        assert!(!Answer::empty().into_response("id", false).headers().contains_key(header::X_FRAME_OPTIONS));
    }
}
