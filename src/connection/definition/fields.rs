//! Header fields and query parameters of a request.
//!
//! Decides: which header fields a document may set (checklist P13), what a value may be. Leaves to others: the content
//! type's meaning for the body (`request`), encoding (`token_exchange`).

use serde_json::Value;

use super::{
    reader::{Issues, Known, Node},
    request::IgnoredErrors,
};
use crate::{
    connection::template::Template,
    protocol::{field_name::FieldName, text::is_printable},
};

/// Header fields that the transport, the platform or a browser owns (checklist P13).
const FORBIDDEN_HEADERS: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "cookie",
    "set-cookie",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
];

/// How the names of further such header fields start.
const FORBIDDEN_HEADER_STARTS: [&str; 4] = ["cf-", "proxy-", "sec-", "x-forwarded-"];

/// Reads `headers`.
pub(super) fn read_headers(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Vec<(FieldName, Template)> {
    let mut headers: Vec<(FieldName, Template)> = Vec::new();
    for field in node.optional_elements(issues) {
        if field.object(issues).is_none() {
            continue;
        }
        let name = field.member("name");
        let parsed = name.text(issues).and_then(|text| {
            let parsed = header_name(text, &headers);
            parsed.map_err(|problem| issues.push(name.issue(problem))).ok()
        });
        let value = field.member("value");
        let Some(template) = value.template(known, issues) else {
            continue;
        };
        let text = template.with_stand_in("x");
        if !is_printable(&text) {
            issues.push(value.issue("a header value holds visible ASCII characters and spaces only"));
        }
        headers.extend(parsed.map(|name| (name, template)));
    }
    headers
}

/// The name of a header field that a document may set.
fn header_name(text: &str, others: &[(FieldName, Template)]) -> Result<FieldName, &'static str> {
    let name = FieldName::parse(text).ok_or("this is not the name of a header field")?;
    let forbidden = FORBIDDEN_HEADERS.contains(&name.as_str())
        || FORBIDDEN_HEADER_STARTS.iter().any(|start| name.as_str().starts_with(start));
    if forbidden {
        return Err("this header field cannot be set");
    }
    if others.iter().any(|(other, _)| *other == name) {
        return Err("this header field is there already");
    }
    Ok(name)
}

/// Reads `query_params`: a value is text, a number, or true or false.
pub(super) fn read_query(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Vec<(String, Template)> {
    let mut query = Vec::new();
    for parameter in node.optional_elements(issues) {
        if parameter.object(issues).is_none() {
            continue;
        }
        let name = parameter.member("name").text(issues);
        let value = parameter.member("value");
        let template = match value.given() {
            Some(number @ (Value::Number(_) | Value::Bool(_))) => value.template_of(&number.to_string(), known, issues),
            _ => value.template(known, issues),
        };
        if let (Some(name), Some(template)) = (name, template) {
            query.push((name.to_owned(), template));
        }
    }
    query
}

/// Reads `ignore_errors`: true, false, or a list of HTTP status codes.
pub(super) fn read_ignored(node: &Node<'_>, issues: &mut Issues) -> IgnoredErrors {
    if !matches!(node.given(), Some(Value::Array(_))) {
        return IgnoredErrors::Every(node.switch(false, issues));
    }
    let mut codes = Vec::new();
    for element in node.elements(issues) {
        let code = element.given().and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        match code.filter(|code| (100..600).contains(code)) {
            Some(code) => codes.push(code),
            None => issues.push(element.issue("an HTTP status code is a whole number from 100 to 599")),
        }
    }
    IgnoredErrors::Some(codes)
}
