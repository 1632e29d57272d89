//! Our HTTP API over plain messages: route, guard, dispatch, render.
//!
//! Decides: which handler answers, which headers every answer carries, what is logged of a request. Leaves to others:
//! the runtime's own request and response types (the edge), every decision of the domain.

pub mod answer;
mod audit;
mod callback;
mod client;
mod client_authentication;
mod connect;
mod connection;
mod connection_type;
mod connector_template;
mod cors;
pub mod error;
pub mod guard;
mod health;
mod https;
mod input;
mod introspection;
mod metadata;
mod metrics;
mod page;
mod revocation;
pub mod route;
mod scope;
pub mod sweep;
mod token;

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use http::{Method, StatusCode};
use serde::Serialize;

use crate::{
    authorization_server::{access_token::TokenAuthority, audit::Origin},
    config::{Problem, Settings, compatibility::Deviation},
    connection::command::Command,
    ports::{
        Clients, Clock, ConnectionActors, Listing, Multipart, PortError, Signatures, TemplateCopies, Templates, random,
    },
    protocol::{address::ClientAddress, secret::hex},
};

use self::{
    answer::{Answer, REQUEST_ID},
    error::ApiError,
    guard::VerifiedTokens,
    route::{Route, Routed, route},
};

/// The body of a request: read up to the limit of its route, see [`route::body_limit`].
#[derive(Debug, Clone)]
pub enum Body {
    /// All of it.
    Complete(Vec<u8>),
    /// There is more than the route takes; the rest was not read.
    TooLarge,
}

/// What an isolate works out once: settings, keys, and the tokens it has verified.
#[derive(Debug)]
pub struct Deployment {
    /// The settings.
    pub settings: Rc<Settings>,
    /// Writes and judges access tokens, once that was needed.
    authority: OnceCell<TokenAuthority>,
    /// Tokens whose signature need not be checked again.
    pub verified: VerifiedTokens,
}

impl Deployment {
    /// The deployment of these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: Rc::new(settings), authority: OnceCell::new(), verified: VerifiedTokens::default() }
    }

    /// What writes and judges access tokens. The platform works the public half of each key out for whoever comes
    /// first.
    ///
    /// # Errors
    /// 503: it does not.
    async fn authority(&self, signatures: &impl Signatures) -> Result<&TokenAuthority, PortError> {
        if let Some(authority) = self.authority.get() {
            return Ok(authority);
        }
        let mut public = Vec::new();
        for key in &self.settings.signing_keys {
            public.push(signatures.public_key(&key.seed).await?);
        }
        Ok(self.authority.get_or_init(|| TokenAuthority::new(&self.settings, public)))
    }
}

/// Everything that a request needs from outside.
pub trait Ports:
    Clients + Clock + ConnectionActors + Listing + Multipart + Signatures + TemplateCopies + Templates
{
}

impl<P: Clients + Clock + ConnectionActors + Listing + Multipart + Signatures + TemplateCopies + Templates> Ports
    for P
{
}

/// One request on its way through a deployment.
struct Context<'a, P> {
    /// Settings and keys.
    deployment: &'a Deployment,
    /// The outside.
    ports: &'a P,
    /// The request.
    request: &'a http::Request<Body>,
    /// Its sender's address, where the platform gives one.
    address: Option<ClientAddress>,
    /// Its route's path, parameters by name.
    template: &'static str,
    /// The scope that its route requires.
    required: Option<&'static str>,
    /// Where it comes from; for the audit log.
    origin: Origin,
    /// What the log will say beside the answer.
    remarks: Remarks,
}

/// What becomes known on the way and is only logged.
#[derive(Default)]
struct Remarks {
    /// Who is calling.
    client_id: RefCell<Option<String>>,
    /// What of ours failed although the request as a whole did not.
    fault: RefCell<Option<String>>,
    /// Why credentials were refused, where the answer must not say.
    refusal: RefCell<Option<String>>,
}

/// An answer and what is logged about it.
pub struct Handled {
    /// What is sent.
    pub response: http::Response<Vec<u8>>,
    /// What the edge prints, as one line of JSON.
    pub log: LogLine,
}

/// One request in the log: no path with parameters, no query, no body, no secret (checklist L7).
#[derive(Debug, Serialize)]
pub struct LogLine {
    /// `info`, or `error` when the fault is ours.
    pub level: &'static str,
    /// Also in the answer's `X-Request-ID`.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// The route's template, e.g. `/api/v1/oauth/client/{client_id}`.
    pub route: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The authenticated client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Why credentials were refused, where the answer must not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Why, for faults that the answer does not explain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Answers a request from an address, where that is known.
pub async fn handle<P: Ports>(
    deployment: &Result<Deployment, Vec<Problem>>,
    ports: &P,
    request: &http::Request<Body>,
    address: Option<ClientAddress>,
) -> Handled {
    let request_id = request_id(request);
    let routed = route(request.method(), request.uri().path());
    let template = match &routed {
        Routed::To(route) => route.template(),
        Routed::WrongMethod { .. } | Routed::Options { .. } | Routed::Nowhere => "-",
    };
    let settings = deployment.as_ref().ok().map(|deployment| &*deployment.settings);
    let is_plain = settings.is_some_and(|settings| https::is_missing(&settings.public_url, request));
    let mut remarks = Remarks::default();
    let as_fides = settings.is_some_and(|settings| settings.compatibility.allows(Deviation::CallbackTexts));
    let as_page = match &routed {
        Routed::To(Route::Callback) if as_fides => false,
        Routed::To(route) => route.is_for_people() && page::is_wanted(request),
        _ => false,
    };
    let result = match (routed, deployment) {
        (Routed::Nowhere, _) => Err(ApiError::no_such_route()),
        (Routed::WrongMethod { allow }, _) => Err(ApiError::method_not_allowed(request.uri().path(), &allow)),
        (Routed::Options { allow }, _) => Ok(cors::options(&allow)),
        (Routed::To(Route::Health), _) => Ok(health::health()),
        (Routed::To(Route::Ready), _) => health::ready(deployment, ports).await,
        (Routed::To(_), Err(_)) => Err(ApiError::not_configured()),
        (Routed::To(_), Ok(_)) if is_plain => Err(ApiError::plain_http()),
        (Routed::To(route), Ok(deployment)) => {
            let required = route.required_scope();
            let origin = Origin { request_id: request_id.clone(), address: address.as_ref().map(ToString::to_string) };
            let context = Context { deployment, ports, request, address, template, required, origin, remarks };
            let result = dispatch(&context, route).await;
            remarks = context.remarks;
            let forbids = deployment.settings.compatibility.allows(Deviation::ForbiddenBearer);
            if forbids { result.map_err(ApiError::with_bearer_forbidden) } else { result }
        }
    };
    let (mut answer, cause) = match result {
        Ok(answer) => (answer, None),
        Err(error) if as_page => error.into_page(),
        Err(error) => error.into_answer(),
    };
    if let Some(settings) = settings {
        answer = cors::share(answer, &settings.cors_origins, request);
        if settings.public_url.is_https() && !is_plain {
            answer = https::pin(answer);
        }
    }
    let (status, cause) = (answer.status, cause.or(remarks.fault.into_inner()));
    let log = LogLine {
        level: if status.is_server_error() || cause.is_some() { "error" } else { "info" },
        request_id: request_id.clone(),
        method: request.method().to_string(),
        route: template,
        status: status.as_u16(),
        client_id: remarks.client_id.into_inner(),
        refusal: remarks.refusal.into_inner(),
        cause,
    };
    Handled { response: answer.into_response(&request_id, request.method() == Method::HEAD), log }
}

/// The answer to a request that could not even be read, e.g. because the client went away in the middle of it.
pub fn unreadable(error: &impl std::fmt::Display) -> Handled {
    let request_id = fresh_id();
    let (answer, _) = ApiError::unreadable().into_answer();
    let log = LogLine {
        level: "error",
        request_id: request_id.clone(),
        method: "-".to_owned(),
        route: "-",
        status: answer.status.as_u16(),
        client_id: None,
        refusal: None,
        cause: Some(format!("unreadable request: {error}")),
    };
    Handled { response: answer.into_response(&request_id, false), log }
}

/// One handler per route.
async fn dispatch<P: Ports>(context: &Context<'_, P>, route: Route) -> Result<Answer, ApiError> {
    match route {
        Route::Health | Route::Ready => Err(ApiError::no_such_route()),
        Route::Token => token::issue(context).await,
        Route::Introspect => introspection::introspect(context).await,
        Route::Revoke => revocation::revoke(context).await,
        Route::Metadata => metadata::metadata(context),
        Route::Keys => metadata::keys(context).await,
        Route::OpenApi => Ok(metadata::openapi()),
        Route::Metrics => metrics::show(context).await,
        Route::Audit => audit::list(context).await,
        Route::CreateClient => client::create(context).await,
        Route::ListClients => client::list(context).await,
        Route::ReadClient(client_id) => client::read(context, client_id).await,
        Route::UpdateClient(client_id) => client::update(context, client_id).await,
        Route::RotateSecret(client_id) => client::rotate(context, client_id).await,
        Route::DeleteClient(client_id) => client::delete(context, client_id).await,
        Route::ReadClientScope(client_id) => client::read_scope(context, client_id).await,
        Route::ReplaceClientScope(client_id) => client::replace_scope(context, client_id).await,
        Route::Scopes => scope::list(context).await,
        Route::Roles => scope::roles(context).await,
        Route::Callback => callback::complete(context).await,
        Route::ListConnections => connection::list::list(context).await,
        Route::SaveConnections => connection::bulk::save(context).await,
        Route::ReadConnection(key) => connection::read(context, &key).await,
        Route::DeleteConnection(key) => connection::revocation::delete(context, &key).await,
        Route::ReadDefinition(key) => connection::definition::read(context, &key).await,
        Route::PutDefinition(key) => connection::definition::put(context, &key).await,
        Route::DeleteDefinition(key) => connection::definition::delete(context, &key).await,
        Route::ReadHistory(key) => connection::definition::history(context, &key).await,
        Route::ReadSnapshot(key, version) => connection::definition::snapshot(context, &key, version).await,
        Route::ValidateDefinition(_) => connection::definition::validate(context).await,
        Route::PutSecrets(key) => connection::save_secrets(context, &key, Command::PutSecrets).await,
        Route::PatchSecrets(key) => connection::save_secrets(context, &key, Command::PatchSecrets).await,
        Route::Authorize(key) => connection::authorize(context, &key).await,
        Route::MakeLink(key) => connect::make(context, &key).await,
        Route::Complete(key) => callback::complete_by_caller(context, &key).await,
        Route::Connected => Ok(callback::connected()),
        Route::ShowLink(token) => connect::show(context, &token).await,
        Route::FollowLink(token) => connect::follow(context, &token).await,
        Route::AccessToken(key) => connection::access_token(context, &key).await,
        Route::ReportToken(key) => connection::report(context, &key).await,
        Route::TestConnection(key) => connection::testing::test(context, &key).await,
        Route::RevokeConnection(key) => connection::revocation::revoke(context, &key).await,
        Route::ReadEvents(key) => connection::list::events(context, &key).await,
        Route::Instantiate(kind) => connection::instantiate::instantiate(context, &kind).await,
        route @ (Route::ListConnectionTypes
        | Route::ReadSecretSchema(_)
        | Route::RegisterTemplate
        | Route::ListTemplates
        | Route::ReadTemplate(_)
        | Route::ForgetTemplate(_)) => connector_template::carry_out(context, route).await,
        Route::Sweep => sweep::run(context).await,
    }
}

/// The request's own `X-Request-ID` where it is harmless (1 to 128 of word characters, `-`, `.`), else a fresh one.
fn request_id(request: &http::Request<Body>) -> String {
    let own = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match own {
        Some(id) if (1..=128).contains(&id.len()) && id.bytes().all(harmless) => id.to_owned(),
        _ => fresh_id(),
    }
}

/// A fresh request id. Without randomness there is none worth having; the answer itself will fail for the same reason.
fn fresh_id() -> String {
    random::<16>().map_or_else(|_| "-".to_owned(), |bytes| hex(&bytes))
}

/// A status for answers without further ado.
const OK: StatusCode = StatusCode::OK;

#[cfg(test)]
mod tests;
