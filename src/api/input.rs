//! Reading what a request carries, bounded before it is decoded.

use http::header;
use serde_json::Value;

use super::{Body, error::ApiError};
use crate::{
    connection::yaml,
    protocol::{
        form::Form,
        page::PageQuery,
        validation::{Issue, Step},
    },
};

/// The bytes of the body.
///
/// # Errors
/// 413.
pub(super) fn bytes(request: &http::Request<Body>) -> Result<&[u8], ApiError> {
    match request.body() {
        Body::Complete(bytes) => Ok(bytes),
        Body::TooLarge => Err(ApiError::body_too_large()),
    }
}

/// The media type without its parameters, lower case; none when the header is missing or no text.
pub(super) fn media_type(request: &http::Request<Body>) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// The media type of forms (RFC 6749 Appendix B).
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The body as JSON; an empty one is `null`. A missing content type counts as JSON, as in Fides.
///
/// # Errors
/// 413; 422 for another content type or malformed JSON (with the byte offset).
pub(super) fn json(request: &http::Request<Body>) -> Result<Value, ApiError> {
    let bytes = bytes(request)?;
    if media_type(request).is_some_and(|media_type| media_type != "application/json") {
        return Err(ApiError::unprocessable(&[Issue::not_object(vec!["body".into()])]));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let before: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1).map(<[u8]>::len).sum();
        let offset = if error.is_eof() { bytes.len() } else { before + error.column().saturating_sub(1) };
        ApiError::unprocessable(&[Issue::new("json_invalid", vec!["body".into(), offset.into()], "JSON decode error")])
    })
}

/// As [`json`], where there must be a body.
///
/// # Errors
/// As [`json`]; 422 for none.
pub(super) fn required_json(request: &http::Request<Body>) -> Result<Value, ApiError> {
    match json(request)? {
        Value::Null => Err(ApiError::unprocessable(&[Issue::missing(vec!["body".into()])])),
        body => Ok(body),
    }
}

/// A connector document: YAML by content type (RFC 9512 and its forerunners), else JSON.
///
/// # Errors
/// 413; 422 with the place of a syntax error.
pub(super) fn document(request: &http::Request<Body>) -> Result<Value, ApiError> {
    let yaml = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml"];
    if !media_type(request).is_some_and(|media_type| yaml.contains(&media_type.as_str())) {
        return json(request);
    }
    let invalid = |loc: Vec<Step>, msg: String| ApiError::unprocessable(&[Issue::new("yaml_invalid", loc, msg)]);
    let text = std::str::from_utf8(bytes(request)?)
        .map_err(|_| invalid(vec!["body".into()], "YAML decode error: not UTF-8".to_owned()))?;
    yaml::parse(text).map_err(|problem| {
        let loc = vec!["body".into(), problem.line.into(), problem.column.into()];
        invalid(loc, format!("YAML decode error: {}", problem.problem))
    })
}

/// `page` and `size` of the query.
///
/// # Errors
/// 422 out of bounds, 400 when one comes twice.
pub(super) fn page_query(request: &http::Request<Body>) -> Result<PageQuery, ApiError> {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let query = PageQuery::read(form.parameter("page")?, form.parameter("size")?);
    query.map_err(|issues| ApiError::unprocessable(&issues))
}

/// A switch of the query, with the words that Fides takes; none when it is not there.
///
/// # Errors
/// 422 for another word, 400 when it comes twice.
pub(super) fn switch(request: &http::Request<Body>, name: &'static str) -> Result<Option<bool>, ApiError> {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let Some(word) = form.parameter(name)? else { return Ok(None) };
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "t" | "yes" | "y" | "on" => Ok(Some(true)),
        "false" | "0" | "f" | "no" | "n" | "off" => Ok(Some(false)),
        _ => Err(unusable("bool_parsing", name, "Input should be a valid boolean, unable to interpret input")),
    }
}

/// 422 for a parameter of the query that cannot be read.
pub(super) fn unusable(kind: &'static str, name: &'static str, msg: impl Into<String>) -> ApiError {
    ApiError::unprocessable(&[Issue::new(kind, vec!["query".into(), name.into()], msg.into())])
}
