//! HTTP as a test likes it: a failed transport fails the test, a status never does, redirects are answers.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, http};
use url::form_urlencoded;

use crate::source::Source;

/// How long a request may take, answer included.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A request in the making. Each goes over a connection of its own.
#[derive(Debug)]
#[must_use = "a request is made by `send`"]
pub struct Request {
    /// Method, address and headers.
    head: http::request::Builder,
    /// The body, if there is one.
    body: Option<Vec<u8>>,
    /// The address that it comes from, if not the usual one.
    source: Option<Source>,
    /// How long it may take.
    deadline: Duration,
}

impl Request {
    /// A request to an absolute address.
    pub fn new(method: &str, url: &str) -> Self {
        let head = http::Request::builder().method(method).uri(url);
        Self { head, body: None, source: None, deadline: DEADLINE }
    }

    /// Lets it come from `127.0.0.number`, as if from another machine.
    pub fn from_address(self, number: u8) -> Self {
        Self { source: Some(Source::new(number)), ..self }
    }

    /// Lets it take longer than usual, or less.
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Adds a header. Twice the same name sends it twice.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { head: self.head.header(name, value), ..self }
    }

    /// Adds a bearer token (RFC 6750 §2.1).
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds HTTP Basic credentials, as they are: what RFC 6749 §2.3.1 wants encoded is the caller's to encode.
    pub fn basic(self, name: &str, password: &str) -> Self {
        self.header("Authorization", &format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    /// Sets a JSON body.
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// Sets a form body (`application/x-www-form-urlencoded`).
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sets any body. An empty content type sends none.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        if content_type.is_empty() { self } else { self.header("Content-Type", content_type) }
    }

    /// Sends it.
    #[track_caller]
    #[must_use]
    pub fn send(self) -> Answer {
        self.try_send().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends it, where no answer may be the right one: the server is killed meanwhile, or the deadline passes.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(self.deadline))
            .allow_non_standard_methods(true)
            .proxy(None)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .build();
        let agent = match self.source {
            Some(source) => Agent::with_parts(config, source, DefaultResolver::default()),
            None => config.into(),
        };
        // A method that usually has a body says that this one is empty.
        let empty_is_told = matches!(self.head.method_ref().map(http::Method::as_str), Some("POST" | "PUT" | "PATCH"));
        let answer = match self.body.or_else(|| empty_is_told.then(Vec::new)) {
            Some(body) => agent.run(self.head.body(body)?),
            None => agent.run(self.head.body(())?),
        };
        let (parts, mut body) = answer?.into_parts();
        let headers = parts.headers.iter();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body: body.read_to_vec()?,
        })
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).first().copied()
    }

    /// All headers of this name, in any case.
    #[must_use]
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    #[track_caller]
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap_or_else(|_| panic!("not UTF-8: {self:?}"))
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, not JSON ({error}): {}", self.status, self.text()))
    }

    /// Fails the test, with the body in the message, unless the status is this one.
    #[track_caller]
    #[must_use]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "body: {}", String::from_utf8_lossy(&self.body));
        self
    }
}
