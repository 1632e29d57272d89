//! Building one request.
//!
//! Decides: what goes where in a request: values, PKCE's verifier, authentication, default header fields. Leaves to
//! others: which request it is (`token_exchange`), and escaping (`template`, `form`).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use url::Url;

use super::{RequestProblem, form};
use crate::{
    connection::{
        definition::{Action, Authentication, Body, Definition, DirectAuthentication, Request},
        outbound::{self, OutboundPolicy},
        template::{Placeholder, RenderProblem, Template, json::JsonTemplate, values::Values},
    },
    ports::ProviderRequest,
    protocol::{field_name::FieldName, json, secret::SecretText},
};

/// What one request is built from.
pub(super) struct Exchange<'a> {
    /// The connector.
    pub(super) definition: &'a Definition,
    /// What placeholders stand for.
    pub(super) values: &'a Values<'a>,
    /// Where requests may go.
    pub(super) policy: &'a OutboundPolicy,
    /// What the request is for.
    pub(super) action: Action,
}

/// Parts of a request that authentication adds to.
#[derive(Default)]
struct Parts {
    /// Header fields in order.
    headers: Vec<(FieldName, SecretText)>,
    /// Query parameters in order.
    query: Vec<(String, SecretText)>,
    /// Members that are put into the body.
    members: Map<String, Value>,
}

impl Exchange<'_> {
    /// The definition's request for the action.
    pub(super) fn request(&self) -> Result<&Request, RequestProblem> {
        let action = self.action;
        self.definition.request(action).ok_or(RequestProblem::NotOffered { action })
    }

    /// The whole request.
    pub(super) fn build(&self, request: &Request) -> Result<ProviderRequest, RequestProblem> {
        let lacking = self.lacking(parameters(request));
        if !lacking.is_empty() {
            return Err(self.missing("query_params", lacking));
        }
        let mut parts = Parts { query: self.query(request), ..Parts::default() };
        for (name, value) in &request.headers {
            let value = value.header(self.values).map_err(self.located("headers"))?;
            parts.headers.extend(value.map(|value| (name.clone(), value)));
        }
        self.add_verifier(request, &mut parts);
        self.authenticate(request, &mut parts)?;
        let body = self.body(request, &parts.members)?;
        parts.add_header(FieldName::ACCEPT, "application/json");
        if body.is_some() {
            parts.add_header(FieldName::CONTENT_TYPE, "application/json");
        }
        Ok(ProviderRequest {
            method: request.method.clone(),
            url: self.url(request, &parts.query)?,
            headers: parts.headers,
            body,
        })
    }

    /// The values of ours among these placeholders that are not there: without them it makes no sense to send the
    /// request, wherever they stand.
    pub(super) fn lacking<'p>(&self, placeholders: impl Iterator<Item = &'p Placeholder>) -> Vec<String> {
        let ours = ["code", "refresh_token", "access_token"];
        placeholders
            .filter(|placeholder| !placeholder.is_optional())
            .map(Placeholder::name)
            .filter(|name| ours.contains(name) && self.values.text(name).is_none())
            .map(str::to_owned)
            .collect()
    }

    /// The query parameters in order, less those without a value; of two with one name the last value counts.
    pub(super) fn query(&self, request: &Request) -> Vec<(String, SecretText)> {
        let mut query = Vec::new();
        for (name, value) in &request.query {
            if let Some(value) = value.parameter(self.values) {
                put(&mut query, name, value);
            }
        }
        query
    }

    /// The URL, checked.
    pub(super) fn url(&self, request: &Request, query: &[(String, SecretText)]) -> Result<Url, RequestProblem> {
        let target = request.target.as_ref().unwrap_or(self.definition.target());
        let host = target.host.host(self.values, self.policy.allow_loopback).map_err(self.located("host"))?;
        let path = request.path.path(self.values).map_err(self.located("path"))?;
        let text = format!("{}://{}{}", target.protocol.as_str(), host.expose(), path.expose());
        let mut url = Url::parse(&text).map_err(|_| RequestProblem::Malformed)?;
        if !query.is_empty() {
            let pairs = query.iter().map(|(name, value)| (name.as_str(), value.expose()));
            let own = url.query().map(|own| format!("{own}&")).unwrap_or_default();
            url.set_query(Some(&format!("{own}{}", form::pairs(pairs))));
        }
        outbound::check(&url, self.policy, self.definition.allowed_hosts())?;
        Ok(url)
    }

    /// Puts `code_verifier` beside `code`: into the query if `code` stands there or there is no form or JSON body.
    fn add_verifier(&self, request: &Request, parts: &mut Parts) {
        let uses_pkce = self.definition.authentication().is_some_and(Authentication::pkce);
        let verifier = self.values.text("code_verifier");
        let (Action::Access, true, Some(verifier)) = (self.action, uses_pkce, verifier) else {
            return;
        };
        let is_named = placeholders(request).any(|place| place.name() == "code_verifier");
        if is_named {
            return;
        }
        let in_query = request.query.iter().any(|(_, value)| value.placeholders().any(|place| place.name() == "code"));
        if in_query || !matches!(request.body, Some(Body::Form(_) | Body::Json(_))) {
            let verifier = SecretText::new(verifier.to_owned());
            put(&mut parts.query, "code_verifier", verifier);
        } else {
            parts.members.insert("code_verifier".to_owned(), verifier.into());
        }
    }

    /// Adds what authenticates the request: its own strategy, or for a test the connector's.
    fn authenticate(&self, request: &Request, parts: &mut Parts) -> Result<(), RequestProblem> {
        let own = request.target.as_ref().map(|target| target.authentication.as_ref());
        match (own, self.definition.authentication()) {
            (Some(Some(own)), _) => self.authenticate_by(own, parts),
            (None, Some(Authentication::Direct(strategy))) if self.action == Action::Test => {
                self.authenticate_by(strategy, parts)
            }
            (None, Some(_)) if self.action == Action::Test => {
                let token = self
                    .values
                    .text("access_token")
                    .ok_or_else(|| self.missing("authentication", vec!["access_token".to_owned()]))?;
                parts.add_header(FieldName::AUTHORIZATION, &format!("Bearer {token}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds what a strategy without token exchange sends.
    fn authenticate_by(&self, strategy: &DirectAuthentication, parts: &mut Parts) -> Result<(), RequestProblem> {
        const PLACE: &str = "authentication";
        match strategy {
            DirectAuthentication::Basic { username, password } => {
                let user = username.text_body(self.values).map_err(self.located(PLACE))?;
                let password = match password {
                    Some(password) => password.text_body(self.values).map_err(self.located(PLACE))?,
                    None => SecretText::default(),
                };
                // RFC 6749 §2.3.1 for a client, RFC 7617 §2 for a test.
                let encode = |text: &SecretText| match self.action {
                    Action::Test => text.expose().to_owned(),
                    _ => form::credential(text.expose()),
                };
                let pair = SecretText::new(format!("{}:{}", encode(&user), encode(&password)));
                let value = format!("Basic {}", STANDARD.encode(pair.expose()));
                parts.add_header(FieldName::AUTHORIZATION, &value);
            }
            DirectAuthentication::Bearer { token } => {
                let names = || token.placeholders().map(|place| place.written().to_owned());
                let token = token
                    .header(self.values)
                    .map_err(self.located(PLACE))?
                    .ok_or_else(|| self.missing(PLACE, names().collect()))?;
                parts.add_header(FieldName::AUTHORIZATION, &format!("Bearer {}", token.expose()));
            }
            DirectAuthentication::ApiKey { headers, query, body } => {
                for (name, value) in headers {
                    if let Some(value) = value.header(self.values).map_err(self.located(PLACE))? {
                        parts.headers.retain(|(other, _)| other != name);
                        parts.headers.push((name.clone(), value));
                    }
                }
                for (name, value) in query {
                    if let Some(value) = value.parameter(self.values) {
                        put(&mut parts.query, name, value);
                    }
                }
                if let Some(body) = body {
                    let text = body.render(self.values).map_err(self.located(PLACE))?;
                    parts.members.extend(object(&text)?);
                }
            }
        }
        Ok(())
    }

    /// The body, with further members in it.
    fn body(&self, request: &Request, members: &Map<String, Value>) -> Result<Option<SecretText>, RequestProblem> {
        let template = match &request.body {
            None if members.is_empty() => return Ok(None),
            None => return Ok(Some(json_body(members))),
            Some(Body::Text(template)) => {
                let text = template.text_body(self.values);
                return text.map(Some).map_err(self.located("body"));
            }
            Some(Body::Json(template) | Body::Form(template)) => template,
        };
        let text = template.render(self.values).map_err(self.located("body"))?;
        let is_form = matches!(request.body, Some(Body::Form(_)));
        if members.is_empty() && !is_form {
            return Ok(Some(text));
        }
        let mut all = object(&text)?;
        all.extend(members.clone());
        Ok(Some(if is_form { SecretText::new(form::body(&all)) } else { json_body(&all) }))
    }

    /// A problem with missing values.
    pub(super) fn missing(&self, place: &'static str, names: Vec<String>) -> RequestProblem {
        RequestProblem::Missing { action: self.action, connector: self.definition.name().to_owned(), place, names }
    }

    /// Says where a problem with a template is.
    fn located(&self, place: &'static str) -> impl Fn(RenderProblem) -> RequestProblem {
        move |problem| match problem {
            RenderProblem::Missing { names } => self.missing(place, names),
            RenderProblem::Unusable { name, reason } => RequestProblem::Unusable {
                action: self.action,
                connector: self.definition.name().to_owned(),
                place,
                name,
                reason,
            },
        }
    }
}

impl Parts {
    /// Adds a header field, unless the definition has set it.
    fn add_header(&mut self, name: FieldName, value: &str) {
        if !self.headers.iter().any(|(other, _)| *other == name) {
            self.headers.push((name, SecretText::new(value.to_owned())));
        }
    }
}

/// The placeholders of a request's header fields and query parameters.
fn parameters(request: &Request) -> impl Iterator<Item = &Placeholder> {
    let headers = request.headers.iter().map(|(_, value)| value);
    let query = request.query.iter().map(|(_, value)| value);
    headers.chain(query).flat_map(Template::placeholders)
}

/// All placeholders of a request, less those of its host and its authentication.
pub(super) fn placeholders(request: &Request) -> impl Iterator<Item = &Placeholder> {
    let (text, json) = match &request.body {
        Some(Body::Text(template)) => (Some(template), None),
        Some(Body::Json(template) | Body::Form(template)) => (None, Some(template)),
        None => (None, None),
    };
    let texts = text.into_iter().chain([&request.path]);
    parameters(request)
        .chain(texts.flat_map(Template::placeholders))
        .chain(json.into_iter().flat_map(JsonTemplate::placeholders))
}

/// Sets a parameter: in place if it is there, else at the end.
fn put(query: &mut Vec<(String, SecretText)>, name: &str, value: SecretText) {
    match query.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => *old = value,
        None => query.push((name.to_owned(), value)),
    }
}

/// The object that a rendered body is. That it is one has been checked when the definition was saved.
fn object(text: &SecretText) -> Result<Map<String, Value>, RequestProblem> {
    json::read(text.expose().as_bytes()).map_err(|_| RequestProblem::Malformed)
}

/// An object as the text of a body.
fn json_body(members: &Map<String, Value>) -> SecretText {
    SecretText::new(Value::Object(members.clone()).to_string())
}
