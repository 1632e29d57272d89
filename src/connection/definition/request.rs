//! One request of a connector document, typed and checked when the document is saved.
//!
//! Decides: which members, methods, header names, content types and hosts a request may have. Leaves to others: filling
//! in values and sending (`token_exchange`), and whether the host may be spoken to (`outbound`).

use http::Method;

use super::{
    authentication::{self, DirectAuthentication},
    fields::{self, read_headers, read_query},
    reader::{Issues, Known, Node},
};
use crate::{
    connection::template::{Template, has_dot_segment, host_and_port, json::JsonTemplate},
    protocol::{
        field_name::FieldName,
        host::is_dns_name,
        validation::{Issue, Step},
    },
};

/// The methods that Fides knows.
const METHODS: [&str; 7] = ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD"];

/// The members that a request may have: those that are read here, and those of Fides's data requests.
const MEMBERS: [&str; 17] = [
    "method",
    "path",
    "headers",
    "query_params",
    "body",
    "client_config",
    "param_values",
    "ignore_errors",
    "request_override",
    "data_path",
    "postprocessors",
    "pagination",
    "grouped_inputs",
    "rate_limit_config",
    "async_config",
    "skip_missing_param_values",
    "correlation_id_path",
];

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Builds the URL that the user opens.
    Authorize,
    /// Gets tokens for a code, or for the client itself.
    Access,
    /// Gets new tokens for a refresh token.
    Refresh,
    /// Makes the provider forget a token.
    Revoke,
    /// Tests the connection.
    Test,
}

impl Action {
    /// The word that messages use, as Fides does.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
            Self::Test => "test",
        }
    }

    /// The values of ours that exist when such a request is made.
    pub(super) const fn values(self) -> &'static [&'static str] {
        match self {
            Self::Authorize => &["state", "code_challenge"],
            Self::Access => &["code", "code_verifier"],
            Self::Refresh | Self::Revoke => &["refresh_token", "access_token"],
            Self::Test => &["access_token"],
        }
    }
}

/// The scheme of a provider's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Development only; `outbound` refuses it elsewhere.
    Http,
    /// TLS.
    Https,
}

impl Protocol {
    /// As it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A `client_config`: where a request goes and how it authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The scheme.
    pub protocol: Protocol,
    /// Host name, in development also with a port.
    pub host: Template,
    /// Where the host stands in the document.
    pub host_place: Vec<Step>,
    /// How this request authenticates, where it does so by itself.
    pub authentication: Option<DirectAuthentication>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// JSON, sent as the template is written.
    Json(JsonTemplate),
    /// A JSON object, sent as a form.
    Form(JsonTemplate),
    /// Plain text.
    Text(Template),
}

/// A request to a provider with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Its own `client_config`; the connector's where there is none.
    pub target: Option<Target>,
    /// Starts with `/`; may hold a query.
    pub path: Template,
    /// Header fields in order, no name twice.
    pub headers: Vec<(FieldName, Template)>,
    /// Query parameters in order.
    pub query: Vec<(String, Template)>,
    /// The body, if any.
    pub body: Option<Body>,
    /// Answers that are errors and yet no failure.
    pub ignored: IgnoredErrors,
}

/// `ignore_errors` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredErrors {
    /// Every status of 400 and above, or none.
    Every(bool),
    /// These.
    Some(Vec<u16>),
}

impl Request {
    /// Whether an answer with this status is a success. A redirect, which we never follow, is none.
    #[must_use]
    pub fn succeeds_with(&self, status: u16) -> bool {
        let is_ignored = match &self.ignored {
            IgnoredErrors::Every(all) => *all && status >= 400,
            IgnoredErrors::Some(codes) => codes.contains(&status),
        };
        (200..300).contains(&status) || is_ignored
    }
}

/// Reads a request; notes what is wrong with it.
pub(super) fn read(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<Request> {
    for member in node.object(issues)?.keys() {
        if !MEMBERS.contains(&member.as_str()) {
            issues.push(Issue::unknown_member(node.member(member).loc()));
        }
    }
    let method = read_method(node, issues);
    let path = read_path(node, known, issues);
    let target = node.member("client_config");
    let target = target.given().map(|_| read_target(&target, known, issues));
    let headers = read_headers(&node.member("headers"), known, issues);
    let query = read_query(&node.member("query_params"), known, issues);
    let body = read_body(node, &headers, known, issues);
    let ignored = fields::read_ignored(&node.member("ignore_errors"), issues);
    let method = method?;
    if body.is_some() && matches!(method, Method::GET | Method::HEAD) {
        issues.push(node.member("body").issue("a GET or HEAD request has no body"));
    }
    let target = target.flatten();
    let authenticates = target.as_ref().is_some_and(|target| target.authentication.is_some());
    let names_field = headers.iter().any(|(name, _)| *name == FieldName::AUTHORIZATION);
    if authenticates && names_field {
        issues.push(node.member("headers").issue("Authorization is set by client_config.authentication already"));
    }
    Some(Request { method, target, path: path?, headers, query, body, ignored })
}

/// Reads `method`.
fn read_method(node: &Node<'_>, issues: &mut Issues) -> Option<Method> {
    let method = node.member("method");
    if method.given().is_none() {
        issues.push(node.issue("A request must specify a method if no request_override is provided"));
        return None;
    }
    let name = method.text(issues)?;
    if !METHODS.contains(&name) {
        issues.push(
            method.issue_of("enum", "Input should be 'GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS' or 'HEAD'"),
        );
        return None;
    }
    Method::from_bytes(name.as_bytes()).ok()
}

/// Reads `path`. Its own text must mean the same to every URL parser.
fn read_path(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<Template> {
    let path = node.member("path");
    if path.given().is_none_or(|path| path == "") {
        issues.push(node.issue("A request must specify a path if no request_override is provided"));
        return None;
    }
    let template = path.template(known, issues)?;
    let text = template.with_stand_in("x");
    let problem = if !text.starts_with('/') {
        "a path starts with '/'"
    } else if text.contains(|character: char| {
        character.is_control() || character.is_whitespace() || matches!(character, '\\' | '#')
    }) {
        "a path holds no spaces, control characters, '\\' or '#'"
    } else if has_dot_segment(&text) {
        "a path holds no '.' or '..' segments"
    } else {
        return Some(template);
    };
    issues.push(path.issue(problem));
    None
}

/// Reads a `client_config` that belongs to a request.
fn read_target(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<Target> {
    node.object(issues)?;
    let target = read_address(node, known, issues);
    let own = node.member("authentication");
    let own = own.given().and_then(|_| authentication::read_direct(&own, known, issues));
    let mut target = target?;
    target.authentication = own;
    Some(target)
}

/// Reads `protocol` and `host` of a `client_config`.
pub(super) fn read_address(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<Target> {
    let protocol = node.member("protocol");
    let protocol = match protocol.text(issues) {
        Some("https") => Some(Protocol::Https),
        Some("http") => Some(Protocol::Http),
        Some(_) => {
            issues.push(protocol.issue_of("enum", "Input should be 'https' or 'http'"));
            None
        }
        None => None,
    };
    let host = node.member("host");
    let host_place = host.loc();
    let template = host.template(known, issues)?;
    if !is_host(&template.with_stand_in("x")) {
        issues.push(host.issue("a host is a name, without scheme, user name, path or query"));
        return None;
    }
    Some(Target { protocol: protocol?, host: template, host_place, authentication: None })
}

/// Whether a text is a host name or bracketed address with at most a port; which of them is allowed `outbound` decides.
fn is_host(text: &str) -> bool {
    let (host, port) = host_and_port(text);
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    (is_dns_name(host) || address) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Reads `body` as its `Content-Type` wants it: none means JSON.
fn read_body(
    node: &Node<'_>,
    headers: &[(FieldName, Template)],
    known: Known<'_>,
    issues: &mut Issues,
) -> Option<Body> {
    let body = node.member("body");
    let text = body.optional_text(issues)?;
    let content_type =
        headers.iter().find(|(name, _)| *name == FieldName::CONTENT_TYPE).map(|(_, value)| value.with_stand_in("<>"));
    let media_type = content_type.as_deref().map_or(Some("application/json"), media_type);
    if media_type == Some("text/plain") {
        return body.template_of(text, known, issues).map(Body::Text);
    }
    let Some(media_type) = media_type else {
        let given = content_type.unwrap_or_default();
        issues.push(node.member("headers").issue(format!("Unsupported Content-Type: {given}")));
        return None;
    };
    let template = match JsonTemplate::parse(text) {
        Ok(template) => template,
        Err(problem) => {
            issues.push(body.issue(problem.to_string()));
            return None;
        }
    };
    known.check(template.placeholders(), &body, issues);
    if media_type == "application/json" {
        return Some(Body::Json(template));
    }
    if !template.is_object() {
        issues.push(body.issue("the body of a form must be a JSON object"));
        return None;
    }
    Some(Body::Form(template))
}

/// The media type of a `Content-Type`, if it is one of the three, in UTF-8.
fn media_type(content_type: &str) -> Option<&'static str> {
    let (media_type, parameter) = match content_type.split_once(';') {
        Some((media_type, parameter)) => (media_type, Some(parameter)),
        None => (content_type, None),
    };
    let is_utf8 = parameter.is_none_or(|parameter| {
        let parameter = parameter.trim().to_ascii_lowercase().replace('"', "");
        parameter == "charset=utf-8"
    });
    ["application/json", "application/x-www-form-urlencoded", "text/plain"]
        .into_iter()
        .find(|known| is_utf8 && media_type.trim().eq_ignore_ascii_case(known))
}
