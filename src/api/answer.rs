//! What an answer looks like, whatever it says: one place for headers.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::ApiError;
use crate::ports::PortError;

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
        let media_type = HeaderValue::from_static("application/json");
        Self { status, headers: vec![(header::CONTENT_TYPE, media_type)], body }
    }

    /// Plain text.
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
        Self { status, headers: vec![(header::CONTENT_TYPE, media_type)], body: text.into().into_bytes() }
    }

    /// No content.
    #[must_use]
    pub const fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The message that is sent: `no-store` and `nosniff` everywhere (checklist H1, H6), the request's id.
    #[must_use]
    pub fn into_response(self, request_id: &str, head_only: bool) -> http::Response<Vec<u8>> {
        let mut response = http::Response::new(if head_only { Vec::new() } else { self.body });
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}
