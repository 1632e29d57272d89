//! How a connector authenticates: the strategies that Fides knows, typed.
//!
//! Decides: which strategies there are and what their configuration holds; it is checked when the document is saved,
//! not at first use. Leaves to others: the requests themselves (`request`), and what is done with them
//! (`token_exchange`).

use url::Url;

use super::{
    fields,
    reader::{Issues, Known, Node},
    request::{self, Action, Request},
    token_rules::{self, NO_RULES, TokenRules},
};
use crate::{
    connection::template::{Template, json::JsonTemplate},
    protocol::{field_name::FieldName, validation::Issue},
};

/// The strategies that a connector may name, as messages list them.
const STRATEGIES: &str = "[api_key, basic, bearer, oauth2_authorization_code, oauth2_client_credentials]";

/// The strategies that a single request may name.
const DIRECT_STRATEGIES: &str = "[api_key, basic, bearer]";

/// How a connector authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// A user grants access (RFC 6749 §4.1).
    AuthorizationCode(Box<AuthorizationCode>),
    /// The client acts for itself (RFC 6749 §4.4).
    ClientCredentials(Box<ClientCredentials>),
    /// No OAuth: each request carries the secret itself.
    Direct(DirectAuthentication),
}

/// `oauth2_authorization_code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// Builds the URL that the user opens: its host, path and query count.
    pub authorization_request: Request,
    /// Gets tokens for the code.
    pub token_request: Request,
    /// Gets new tokens for the refresh token.
    pub refresh_request: Option<Request>,
    /// Makes the provider forget the tokens (our extension, RFC 7009).
    pub revoke_request: Option<Request>,
    /// Whether PKCE is used (our extension, default true; RFC 7636).
    pub pkce: bool,
    /// What the provider calls itself in `iss` (our extension, RFC 9207): where it is given, `iss` must be.
    pub issuer: Option<Template>,
    /// What holds for the provider's answers.
    pub rules: TokenRules,
}

/// `oauth2_client_credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Gets a token.
    pub token_request: Request,
    /// Gets a new token, where that is another request.
    pub refresh_request: Option<Request>,
    /// Makes the provider forget the token (our extension, RFC 7009).
    pub revoke_request: Option<Request>,
    /// What holds for the provider's answers.
    pub rules: TokenRules,
}

/// Authentication without a token exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectAuthentication {
    /// `basic`: RFC 7617.
    Basic {
        /// User name, or client id.
        username: Template,
        /// Password, or client secret; empty where there is none.
        password: Option<Template>,
    },
    /// `bearer`: RFC 6750 §2.1.
    Bearer {
        /// The token.
        token: Template,
    },
    /// `api_key`: the key goes wherever the provider wants it.
    ApiKey {
        /// Header fields.
        headers: Vec<(FieldName, Template)>,
        /// Query parameters; they replace others of the same name.
        query: Vec<(String, Template)>,
        /// A JSON object whose members are put into a JSON body.
        body: Option<JsonTemplate>,
    },
}

impl Authentication {
    /// The secrets without which the strategy cannot start.
    #[must_use]
    pub const fn required_secrets(&self) -> &'static [&'static str] {
        match self {
            Self::AuthorizationCode(_) => &["client_id", "client_secret", "redirect_uri"],
            Self::ClientCredentials(_) => &["client_id", "client_secret"],
            Self::Direct(_) => &[],
        }
    }

    /// What the document says about token answers.
    #[must_use]
    pub fn token_rules(&self) -> &TokenRules {
        match self {
            Self::AuthorizationCode(flow) => &flow.rules,
            Self::ClientCredentials(flow) => &flow.rules,
            Self::Direct(_) => &NO_RULES,
        }
    }

    /// Whether PKCE is used.
    #[must_use]
    pub const fn pkce(&self) -> bool {
        matches!(self, Self::AuthorizationCode(flow) if flow.pkce)
    }

    /// The request for an action, where the strategy has one. Testing is not part of a strategy.
    #[must_use]
    pub fn request(&self, action: Action) -> Option<&Request> {
        match (self, action) {
            (Self::AuthorizationCode(flow), Action::Authorize) => Some(&flow.authorization_request),
            (Self::AuthorizationCode(flow), Action::Access) => Some(&flow.token_request),
            (Self::AuthorizationCode(flow), Action::Refresh) => flow.refresh_request.as_ref(),
            (Self::AuthorizationCode(flow), Action::Revoke) => flow.revoke_request.as_ref(),
            (Self::ClientCredentials(flow), Action::Access) => Some(&flow.token_request),
            (Self::ClientCredentials(flow), Action::Refresh) => flow.refresh_request.as_ref(),
            (Self::ClientCredentials(flow), Action::Revoke) => flow.revoke_request.as_ref(),
            _ => None,
        }
    }
}

/// Reads the `authentication` of the connector's `client_config`.
pub(super) fn read(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> Option<Authentication> {
    node.object(issues)?;
    let configuration = node.member("configuration");
    match node.member("strategy").text(issues)? {
        "oauth2_authorization_code" => read_authorization_code(&configuration, secrets, issues)
            .map(|flow| Authentication::AuthorizationCode(Box::new(flow))),
        "oauth2_client_credentials" => read_client_credentials(&configuration, secrets, issues)
            .map(|flow| Authentication::ClientCredentials(Box::new(flow))),
        "basic" | "bearer" | "api_key" => {
            let known = Known { secrets, ours: &[] };
            read_direct(node, known, issues).map(Authentication::Direct)
        }
        other => {
            issues.push(unknown_strategy(node, other, STRATEGIES));
            None
        }
    }
}

/// Reads the `authentication` of a single request, or one that needs no token exchange.
pub(super) fn read_direct(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<DirectAuthentication> {
    node.object(issues)?;
    let configuration = node.member("configuration");
    match node.member("strategy").text(issues)? {
        "basic" => {
            configuration.object(issues)?;
            let password = configuration.member("password");
            let password = password.given().and_then(|_| password.template(known, issues));
            Some(DirectAuthentication::Basic {
                username: configuration.member("username").template(known, issues)?,
                password,
            })
        }
        "bearer" => {
            configuration.object(issues)?;
            let token = configuration.member("token").template(known, issues)?;
            Some(DirectAuthentication::Bearer { token })
        }
        "api_key" => read_api_key(&configuration, known, issues),
        other => {
            issues.push(unknown_strategy(node, other, DIRECT_STRATEGIES));
            None
        }
    }
}

/// The issue of a strategy that is not offered, worded as Fides does.
fn unknown_strategy(node: &Node<'_>, name: &str, valid: &str) -> Issue {
    let name: String = name.chars().take(64).collect();
    node.member("strategy").issue(format!("Strategy '{name}' does not exist. Valid strategies are {valid}"))
}

/// Reads the configuration of `api_key`.
fn read_api_key(node: &Node<'_>, known: Known<'_>, issues: &mut Issues) -> Option<DirectAuthentication> {
    node.object(issues)?;
    let headers = fields::read_headers(&node.member("headers"), known, issues);
    let query = fields::read_query(&node.member("query_params"), known, issues);
    let body = node.member("body");
    let body = body.optional_text(issues).and_then(|text| {
        let template =
            JsonTemplate::parse(text).map_err(|problem| issues.push(body.issue(problem.to_string()))).ok()?;
        known.check(template.placeholders(), &body, issues);
        if !template.is_object() {
            issues.push(body.issue("the body must be a JSON object"));
        }
        Some(template)
    });
    if headers.is_empty() && query.is_empty() && body.is_none() {
        issues.push(node.issue(
            "At least one 'header', 'query_param', or 'body' object must be defined in an 'api_key' auth configuration",
        ));
        return None;
    }
    Some(DirectAuthentication::ApiKey { headers, query, body })
}

/// Reads the configuration of `oauth2_authorization_code`.
fn read_authorization_code(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> Option<AuthorizationCode> {
    node.object(issues)?;
    let place = node.member("authorization_request");
    let known = Known { secrets, ours: Action::Authorize.values() };
    let authorization_request = request::read(&place, known, issues);
    if let Some(request) = &authorization_request {
        check_authorization_request(request, &place, issues);
    }
    let known = Known { secrets, ours: Action::Access.values() };
    let token_request = request::read(&node.member("token_request"), known, issues);
    let (rules, after) = token_rules::read(node, secrets, issues);
    let refresh_request = read_optional(node, "refresh_request", &after, issues);
    let revoke_request = read_optional(node, "revoke_request", &after, issues);
    let pkce = node.member("pkce").switch(true, issues);
    let expected = read_issuer(&node.member("issuer"), secrets, issues);
    Some(AuthorizationCode {
        authorization_request: authorization_request?,
        token_request: token_request?,
        refresh_request,
        revoke_request,
        pkce,
        issuer: expected,
        rules,
    })
}

/// What the authorization URL, which a browser sees, must not hold and must not get wrong.
fn check_authorization_request(request: &Request, node: &Node<'_>, issues: &mut Issues) {
    let query = request.query.iter().map(|(_, value)| value);
    for template in query.chain([&request.path]) {
        if template.placeholders().any(|placeholder| placeholder.name() == "client_secret") {
            issues.push(
                node.issue("<client_secret> must not stand in the authorization request: a browser sees its URL"),
            );
        }
    }
    let own_state = request.query.iter().find(|(name, _)| name == "state");
    if own_state.is_some_and(|(_, value)| Template::parse("<state>").as_ref() != Ok(value)) {
        issues.push(node.member("query_params").issue("the value of the parameter 'state' must be <state>"));
    }
}

/// Reads the configuration of `oauth2_client_credentials`.
fn read_client_credentials(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> Option<ClientCredentials> {
    node.object(issues)?;
    let known = Known { secrets, ours: &[] };
    let token_request = request::read(&node.member("token_request"), known, issues);
    let (rules, after) = token_rules::read(node, secrets, issues);
    let refresh_request = read_optional(node, "refresh_request", &after, issues);
    let revoke_request = read_optional(node, "revoke_request", &after, issues);
    Some(ClientCredentials { token_request: token_request?, refresh_request, revoke_request, rules })
}

/// Reads a request that may be missing or null: one about tokens that we hold.
fn read_optional(node: &Node<'_>, name: &str, secrets: &[String], issues: &mut Issues) -> Option<Request> {
    let known = Known { secrets, ours: Action::Refresh.values() };
    let node = node.member(name);
    node.given()?;
    request::read(&node, known, issues)
}

/// Reads `issuer`: a URL without query or fragment (RFC 8414 §2), maybe with placeholders for parts of it.
fn read_issuer(node: &Node<'_>, secrets: &[String], issues: &mut Issues) -> Option<Template> {
    node.given()?;
    let template = node.template(Known { secrets, ours: &[] }, issues)?;
    let is_issuer = Url::parse(&template.with_stand_in("a.example.com"))
        .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none());
    if !is_issuer {
        issues.push(node.issue("an issuer is an https URL without query or fragment"));
    }
    Some(template)
}
