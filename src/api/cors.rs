//! Cross-origin requests from pages of the origins in `CORS_ORIGINS` (Fetch standard §3.3).
//!
//! Decides: who may read, and what a preflight is told. An origin is repeated exactly or not at all; there is no `*`,
//! and credentials of the browser (cookies) are never allowed, since callers send a token of their own. Leaves to
//! others: which methods a path has (`route`), which origins are allowed (`config`).

use http::{HeaderName, HeaderValue, Method, header};

use super::{Body, answer::Answer};
use crate::config::origins::Origins;

/// Request headers that pages may set.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, if-match, x-request-id");

/// Answer headers that pages may read, beside those that they always may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after, www-authenticate, etag");

/// How long a browser may remember a preflight, in seconds; as Fides has it.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// 204 to OPTIONS on a path: which methods it has. Nobody is asked who calls (checklist H3).
pub(super) fn options(allow: &str) -> Answer {
    let methods = HeaderValue::from_str(allow).unwrap_or(HeaderValue::from_static(""));
    Answer::empty().with(header::ALLOW, methods)
}

/// An answer with what its reader's origin needs, if that is an allowed one.
pub(super) fn share(mut answer: Answer, origins: &Origins, request: &http::Request<Body>) -> Answer {
    if origins.is_empty() {
        return answer;
    }
    // Also where the origin is another one or none: a cache must not give this answer to an allowed one (H4).
    answer = answer.with(header::VARY, HeaderValue::from_static("origin"));
    let origin = request.headers().get(header::ORIGIN).filter(|origin| origins.contains(origin.as_bytes()));
    let Some(origin) = origin else { return answer };
    answer = answer.with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let allow = answer.headers.iter().find(|(name, _)| name == header::ALLOW).map(|(_, methods)| methods.clone());
    let more: &[(HeaderName, HeaderValue)] = match allow {
        Some(methods) if request.method() == Method::OPTIONS => &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ],
        _ => &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS)],
    };
    answer.headers.extend_from_slice(more);
    answer
}
