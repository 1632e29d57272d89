//! No credential by plain http (RFC 9700 §2.6).
//!
//! Decides: which requests came unprotected, what https answers say about the next ones. Leaves to others: how a
//! request came (the edge writes it into the URI: on Cloudflare the true scheme, behind a reverse proxy what that
//! says).

use http::{HeaderValue, header, uri::Scheme};

use super::{Body, answer::Answer};
use crate::config::PublicUrl;

/// Whether a request came by plain http to a deployment that is reached by https. A URI without a scheme says nothing.
pub(super) fn is_missing(public_url: &PublicUrl, request: &http::Request<Body>) -> bool {
    public_url.is_https() && request.uri().scheme().is_some_and(|scheme| *scheme != Scheme::HTTPS)
}

/// Tells browsers to use https for a year (RFC 6797 §6.1).
pub(super) fn pin(answer: Answer) -> Answer {
    answer.with(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"))
}
