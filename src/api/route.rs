//! Which route a method and a path mean, what scope it requires, how much body it takes.
//!
//! Decides from the parsed path alone; no header, no query (checklist B12).

mod path;

use http::{HeaderName, Method, header};
use percent_encoding::percent_decode_str;

use self::path::at;
use super::answer::REQUEST_ID;

/// Every route that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The process answers.
    Health,
    /// The deployment can work.
    Ready,
    /// What a monitor wants to know.
    Metrics,
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7662.
    Introspect,
    /// RFC 7009.
    Revoke,
    /// RFC 8414.
    Metadata,
    /// RFC 7517 §5.
    Keys,
    /// The description of this API.
    OpenApi,
    /// Lists what was done and what was refused.
    Audit,
    /// Registers a client.
    CreateClient,
    /// Lists clients.
    ListClients,
    /// Shows a client.
    ReadClient(String),
    /// Changes a client.
    UpdateClient(String),
    /// Gives a client a new secret.
    RotateSecret(String),
    /// Removes a client.
    DeleteClient(String),
    /// Reads a client's scopes.
    ReadClientScope(String),
    /// Replaces a client's scopes.
    ReplaceClientScope(String),
    /// Lists every scope.
    Scopes,
    /// Lists the scopes of each role.
    Roles,
    /// RFC 6749 §4.1.2: where providers send the browser back to.
    Callback,
    /// Lists connections.
    ListConnections,
    /// Creates or changes connections.
    SaveConnections,
    /// Shows a connection.
    ReadConnection(String),
    /// Forgets a connection.
    DeleteConnection(String),
    /// Shows a connection's definition.
    ReadDefinition(String),
    /// Replaces a connection's definition.
    PutDefinition(String),
    /// Forgets a connection's definition.
    DeleteDefinition(String),
    /// Checks a definition and stores nothing.
    ValidateDefinition(String),
    /// Lists the definitions that a connection had.
    ReadHistory(String),
    /// Shows one of them, by version.
    ReadSnapshot(String, String),
    /// Replaces a connection's secrets.
    PutSecrets(String),
    /// Replaces some of a connection's secrets.
    PatchSecrets(String),
    /// Begins an authorization.
    Authorize(String),
    /// Makes a connect link.
    MakeLink(String),
    /// Finishes an authorization for a caller who took the callback.
    Complete(String),
    /// The page that a browser ends at.
    Connected,
    /// The page of a connect link.
    ShowLink(String),
    /// Begins the authorization of a connect link.
    FollowLink(String),
    /// Gives the live access token.
    AccessToken(String),
    /// Takes note that an access token was refused, and gives another one.
    ReportToken(String),
    /// Calls the provider's API to see whether that works.
    TestConnection(String),
    /// Ends a connection's grant, here and at the provider.
    RevokeConnection(String),
    /// Lists a connection's events.
    ReadEvents(String),
    /// Makes a connection of a connector template.
    Instantiate(String),
    /// Lists connection types.
    ListConnectionTypes,
    /// Shows which secrets a connection type needs.
    ReadSecretSchema(String),
    /// Registers a connector template.
    RegisterTemplate,
    /// Lists connector templates.
    ListTemplates,
    /// Shows the text of a connector template.
    ReadTemplate(String),
    /// Forgets a connector template.
    ForgetTemplate(String),
    /// Runs the sweep now.
    Sweep,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Routed {
    /// To a route.
    To(Route),
    /// The path exists, the method does not.
    WrongMethod {
        /// The methods that do, for `Allow`.
        allow: String,
    },
    /// OPTIONS of a path that exists.
    Options {
        /// The methods that it has, for `Allow`.
        allow: String,
    },
    /// There is no such path.
    Nowhere,
}

/// Body limit of the token endpoint and its like (checklist T5).
const FORM_BODY_LIMIT: usize = 16 * 1024;

/// Body limit of connector definitions.
const DEFINITION_BODY_LIMIT: usize = 256 * 1024;

/// Body limit of JSON documents on management routes.
const JSON_BODY_LIMIT: usize = 64 * 1024;

impl Route {
    /// The path with its parameters' names, for the log and the documentation.
    #[must_use]
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::Token => "/api/v1/oauth/token",
            Self::Introspect => "/api/v1/oauth/introspect",
            Self::Revoke => "/api/v1/oauth/revoke",
            Self::Metadata => "/.well-known/oauth-authorization-server",
            Self::Keys => "/.well-known/jwks.json",
            Self::OpenApi => "/openapi.json",
            Self::Audit => "/api/v1/oauth/audit",
            Self::CreateClient | Self::ListClients => "/api/v1/oauth/client",
            Self::ReadClient(_) | Self::UpdateClient(_) | Self::DeleteClient(_) => "/api/v1/oauth/client/{client_id}",
            Self::RotateSecret(_) => "/api/v1/oauth/client/{client_id}/secret",
            Self::ReadClientScope(_) | Self::ReplaceClientScope(_) => "/api/v1/oauth/client/{client_id}/scope",
            Self::Scopes => "/api/v1/oauth/scope",
            Self::Roles => "/api/v1/oauth/role",
            Self::Callback => "/api/v1/oauth/callback",
            Self::ListConnections | Self::SaveConnections => "/api/v1/connection",
            Self::ReadConnection(_) | Self::DeleteConnection(_) => "/api/v1/connection/{connection_key}",
            Self::ReadDefinition(_) | Self::PutDefinition(_) | Self::DeleteDefinition(_) => {
                "/api/v1/connection/{connection_key}/saas_config"
            }
            Self::ValidateDefinition(_) => "/api/v1/connection/{connection_key}/validate_saas_config",
            Self::ReadHistory(_) => "/api/v1/connection/{connection_key}/saas-history",
            Self::ReadSnapshot(..) => "/api/v1/connection/{connection_key}/saas-history/{version}",
            Self::PutSecrets(_) | Self::PatchSecrets(_) => "/api/v1/connection/{connection_key}/secret",
            Self::Authorize(_) => "/api/v1/connection/{connection_key}/authorize",
            Self::MakeLink(_) => "/api/v1/connection/{connection_key}/connect_link",
            Self::Complete(_) => "/api/v1/connection/{connection_key}/complete",
            Self::Connected => "/connected",
            Self::ShowLink(_) | Self::FollowLink(_) => "/connect/{token}",
            Self::AccessToken(_) => "/api/v1/connection/{connection_key}/access_token",
            Self::ReportToken(_) => "/api/v1/connection/{connection_key}/access_token/refused",
            Self::TestConnection(_) => "/api/v1/connection/{connection_key}/test",
            Self::RevokeConnection(_) => "/api/v1/connection/{connection_key}/revoke",
            Self::ReadEvents(_) => "/api/v1/connection/{connection_key}/events",
            Self::Instantiate(_) => "/api/v1/connection/instantiate/{connector_type}",
            Self::ListConnectionTypes => "/api/v1/connection_type",
            Self::ReadSecretSchema(_) => "/api/v1/connection_type/{connector_type}/secret",
            Self::RegisterTemplate => "/api/v1/connector-templates/register",
            Self::ListTemplates => "/api/v1/connector-templates",
            Self::ReadTemplate(_) => "/api/v1/connector-templates/{connector_type}/config",
            Self::ForgetTemplate(_) => "/api/v1/connector-templates/{connector_type}",
            Self::Sweep => "/api/v1/sweep",
        }
    }

    /// The scope that a caller's token must have; none for the routes that are open.
    #[must_use]
    pub const fn required_scope(&self) -> Option<&'static str> {
        match self {
            Self::Health | Self::Ready | Self::Metadata | Self::Keys | Self::OpenApi | Self::Callback
            // Clients authenticate here by their own credentials.
            | Self::Token | Self::Introspect | Self::Revoke
            // Whoever has the link.
            | Self::ShowLink(_) | Self::FollowLink(_) | Self::Connected => None,
            Self::Metrics => Some("metrics:read"),
            Self::Audit => Some("audit:read"),
            Self::CreateClient => Some("client:create"),
            Self::DeleteClient(_) => Some("client:delete"),
            Self::ListClients | Self::ReadClient(_) | Self::ReadClientScope(_) => Some("client:read"),
            Self::UpdateClient(_) | Self::RotateSecret(_) | Self::ReplaceClientScope(_) => Some("client:update"),
            Self::Scopes | Self::Roles => Some("scope:read"),
            Self::ListConnections | Self::ReadConnection(_) | Self::TestConnection(_) | Self::ReadEvents(_) => {
                Some("connection:read")
            }
            // As new secrets do, it ends the tokens there are: nothing that could be begun anew without a person.
            Self::SaveConnections | Self::PutSecrets(_) | Self::PatchSecrets(_) | Self::RevokeConnection(_) => {
                Some("connection:create_or_update")
            }
            Self::DeleteConnection(_) => Some("connection:delete"),
            Self::ReadDefinition(_) | Self::ValidateDefinition(_) | Self::ReadHistory(_) | Self::ReadSnapshot(..) => {
                Some("saas_config:read")
            }
            Self::DeleteDefinition(_) => Some("saas_config:delete"),
            Self::PutDefinition(_) => Some("saas_config:create_or_update"),
            Self::Authorize(_) | Self::MakeLink(_) | Self::Complete(_) => Some("connection:authorize"),
            Self::AccessToken(_) | Self::ReportToken(_) => Some("connection_token:read"),
            Self::Instantiate(_) => Some("connection:instantiate"),
            Self::ListConnectionTypes | Self::ReadSecretSchema(_) => Some("connection_type:read"),
            Self::RegisterTemplate | Self::ForgetTemplate(_) => Some("connector_template:register"),
            Self::ListTemplates | Self::ReadTemplate(_) => Some("connector_template:read"),
            Self::Sweep => Some("sweep:exec"),
        }
    }

    /// Whether GET changes nothing (RFC 9110 §9.2.1); where it does, HEAD is refused: a link preview must not use up a
    /// state.
    const fn is_safe(&self) -> bool {
        !matches!(self, Self::Callback | Self::Authorize(_) | Self::TestConnection(_))
    }

    /// Whether people look at it: then also what went wrong is a page, for those who read pages.
    pub(super) const fn is_for_people(&self) -> bool {
        matches!(self, Self::Callback | Self::ShowLink(_) | Self::FollowLink(_))
    }

    /// Most bytes of body that are read.
    const fn body_limit(&self) -> usize {
        match self {
            Self::Token | Self::Introspect | Self::Revoke => FORM_BODY_LIMIT,
            Self::PutDefinition(_) | Self::ValidateDefinition(_) | Self::RegisterTemplate => DEFINITION_BODY_LIMIT,
            _ => JSON_BODY_LIMIT,
        }
    }
}

/// From where a browser was sent here (Fetch Metadata §2.3).
pub const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The request headers that reach us: each one that is copied out of the runtime costs.
pub const READ_HEADERS: [HeaderName; 5] =
    [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::ORIGIN, REQUEST_ID];

/// Those that reach us beside, where people come with their browsers.
pub const BROWSER_HEADERS: [HeaderName; 4] = [header::ACCEPT, header::COOKIE, header::REFERER, FETCH_SITE];

/// Whether people come to a path with their browsers, as far as their headers are looked at.
#[must_use]
pub fn is_for_browsers(path: &str) -> bool {
    path.starts_with("/connect/") || path.contains("/oauth/callback") || path.contains("/authorize")
}

/// Most bytes of body to read for a request; nothing for one that goes nowhere.
#[must_use]
pub fn body_limit(method: &Method, path: &str) -> usize {
    match route(method, path) {
        Routed::To(route) => route.body_limit(),
        Routed::WrongMethod { .. } | Routed::Options { .. } | Routed::Nowhere => 0,
    }
}

/// Finds the route of a request. One trailing slash is tolerated, as Fides does; letter case and empty segments are
/// not.
#[must_use]
pub fn route(method: &Method, path: &str) -> Routed {
    let Some(choices) = segments(path).and_then(|segments| at(&segments)) else { return Routed::Nowhere };
    // RFC 9110 §9.3.2: HEAD is GET without the body.
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let allow = choices.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
    match choices.into_iter().find(|(method, _)| method == wanted) {
        Some((_, route)) if method != Method::HEAD || route.is_safe() => Routed::To(route),
        None if method == Method::OPTIONS => Routed::Options { allow },
        Some(_) | None => Routed::WrongMethod { allow },
    }
}

/// The path's segments, decoded; none when one is empty, a dot segment, or decodes to something unprintable or a slash.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(decoded_segment).collect()
}

/// One segment.
fn decoded_segment(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    let dots = matches!(&*decoded, "" | "." | "..");
    let printable = decoded.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\' | b'%' | b';'));
    (printable && !dots).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests;
