//! The whole API on the host: requests in, answers out, over the ports in memory.
//!
//! Every secret in these tests holds [`CANARY`]; each answer is searched for it, so that the whole suite is the test of
//! L1: no secret in a line of the log, none in the body of an error. Each is also held against the document of the API,
//! see [`openapi`].

mod allowed_hosts;
mod assertions;
mod audit;
mod authorize;
mod browsers;
mod bulk_secrets;
mod callback;
mod callback_answers;
mod canary;
mod client_documents;
mod client_power;
mod clients;
mod compatibility;
mod connect;
mod connection_test;
mod connection_types;
mod connection_view;
mod connections;
mod connector_templates;
mod definition_history;
mod definition_rules;
mod definitions;
mod event_delivery;
mod event_links;
mod events;
mod forged;
mod guard;
mod hostile_text;
mod instantiate;
mod introspection;
mod isolation;
mod kept_members;
mod list_filters;
mod messages;
mod metrics;
mod openapi;
mod provider_credentials;
mod readme;
mod refresh_alarms;
mod refresh_doubts;
mod refresh_hazards;
mod refresh_reports;
mod refresh_signals;
mod refresh_states;
mod renewal;
mod renewal_faults;
mod renewal_races;
mod revocation;
mod revocation_at_provider;
mod rotation;
mod routes;
mod secret_verification;
mod secrets;
mod signatures;
mod signing_keys;
mod slow_input;
mod stage;
mod sweep;
mod token_credentials;
mod token_grant;
mod token_request;
mod token_rules;

use std::cell::RefCell;

use futures_executor::LocalPool;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    Body, Deployment, Handled, handle,
    route::{BROWSER_HEADERS, READ_HEADERS, is_for_browsers},
};
use crate::{
    config::{Problem, compatibility::Compatibility, tests::read_with},
    memory::{Memory, turns},
    ports::Clock,
    protocol::{address::ClientAddress, time::UnixSeconds},
};

/// Part of every secret that these tests use.
pub(super) const CANARY: &str = "canary";

/// How an access token of ours begins: `{"alg":"`. Long enough that no digest or envelope holds it by chance, as
/// happens to `eyJ` every few hundred times.
const TOKEN_START: &str = "eyJhbGciOi";

/// A deployment whose outside is in memory.
pub(super) struct Host {
    /// Settings and keys, or what is wrong with them.
    deployment: Result<Deployment, Vec<Problem>>,
    /// The outside.
    pub(super) memory: Memory,
    /// Runs requests, and the work behind them.
    pool: RefCell<LocalPool>,
    /// A token of the root client, and when it was issued.
    root: RefCell<(UnixSeconds, String)>,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answered {
    /// Status.
    pub(super) status: u16,
    /// Headers.
    pub(super) headers: http::HeaderMap,
    /// Body.
    pub(super) body: Vec<u8>,
    /// The line of the log.
    pub(super) log: String,
}

impl Answered {
    /// Takes the answer to a request apart, after both were held against the document.
    fn new(host: &Host, request: &http::Request<Body>, handled: Handled) -> Self {
        let settings = host.deployment.as_ref().map(|deployment| &deployment.settings);
        // The document says what is answered by default.
        if settings.is_ok_and(|settings| settings.compatibility == Compatibility::STRICT) || settings.is_err() {
            openapi::exchange::check(request, &handled);
        }
        Self::alone(handled)
    }

    /// Takes an answer apart, and searches log and error for secrets (L1).
    fn alone(handled: Handled) -> Self {
        let (parts, body) = handled.response.into_parts();
        let log = serde_json::to_string(&handled.log).unwrap();
        let answered = Self { status: parts.status.as_u16(), headers: parts.headers, body, log };
        let error = if answered.status < 400 { String::new() } else { answered.text() };
        let searched = format!("{} {error} {:?}", answered.log, answered.headers);
        for secret in [CANARY, "root-secret", "eyJ"] {
            assert!(!searched.contains(secret), "{secret} in {searched}");
        }
        answered
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and `detail`.
    pub(super) fn detail(&self) -> (u16, Value) {
        (self.status, self.json()["detail"].clone())
    }

    /// Status and, for each item of a 422, type and place.
    pub(super) fn issues(&self) -> (u16, Vec<(String, String)>) {
        let body = self.json();
        let items = body["detail"].as_array().unwrap_or_else(|| panic!("{body}"));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (self.status, items.iter().map(|item| (text(&item["type"]), text(&item["loc"]))).collect())
    }

    /// A header as text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The same but for the request's id: what two callers can tell apart.
    pub(super) fn visible(&self) -> (u16, http::HeaderMap, String) {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        (self.status, headers, self.text())
    }
}

/// E8, L1: whatever a test does, afterwards nothing that is stored, and no name of anything, holds a secret.
impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let dump = self.memory.dump();
        for secret in [CANARY, "root-secret", TOKEN_START] {
            assert!(!dump.contains(secret), "{secret} in {dump}");
        }
    }
}

impl Host {
    /// A deployment with the usual settings, some changed.
    pub(super) fn with(changes: &[(&str, &str)]) -> Self {
        let pool = LocalPool::new();
        let deployment = read_with(changes).map(Deployment::new);
        // Where settings are wrong, no object is ever asked: any settings do.
        let settings = deployment.as_ref().map_or_else(|_| read_with(&[]).unwrap().into(), |own| own.settings.clone());
        let memory = Memory::new(settings, pool.spawner());
        Self { deployment, memory, pool: pool.into(), root: RefCell::new((UnixSeconds(0), String::new())) }
    }

    /// A deployment with the usual settings.
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// The same deployment with the usual settings, some changed, as after a restart: memory is lost, storage stays.
    pub(super) fn redeploy(&mut self, changes: &[(&str, &str)]) {
        let deployment = Deployment::new(read_with(changes).unwrap());
        self.memory.redeploy(deployment.settings.clone());
        self.deployment = Ok(deployment);
        self.root.replace((UnixSeconds(0), String::new()));
    }

    /// Handles a request from the address that is among its extensions.
    pub(super) async fn handled(&self, request: &http::Request<Body>) -> Handled {
        let address = request.extensions().get::<ClientAddress>().copied();
        handle(&self.deployment, &self.memory, request, address).await
    }

    /// Sends a request and waits for the answer; work behind it goes on only as far as the answer needs it.
    pub(super) fn send(&self, request: &http::Request<Body>) -> Answered {
        let request = as_it_reaches_us(request);
        let handled = self.pool.borrow_mut().run_until(self.handled(&request));
        Answered::new(self, &request, handled)
    }

    /// Sends requests at the same time: each runs until it waits for the provider before the next one begins.
    pub(super) fn send_all(&self, requests: &[http::Request<Body>]) -> Vec<Answered> {
        let requests: Vec<_> = requests.iter().map(as_it_reaches_us).collect();
        let all = join_all(requests.iter().map(|request| self.handled(request)));
        let all = self.pool.borrow_mut().run_until(all);
        requests.iter().zip(all).map(|(request, handled)| Answered::new(self, request, handled)).collect()
    }

    /// Sends requests at the same time, but lets others run so many times before each one after the first.
    pub(super) fn send_staggered(&self, requests: &[http::Request<Body>], late: u32) -> Vec<Answered> {
        let requests: Vec<_> = requests.iter().map(as_it_reaches_us).collect();
        let one = async |(index, request): (u32, &http::Request<Body>)| {
            turns(index * late).await;
            self.handled(request).await
        };
        let all = join_all((0..).zip(&requests).map(one));
        let all = self.pool.borrow_mut().run_until(all);
        requests.iter().zip(all).map(|(request, handled)| Answered::new(self, request, handled)).collect()
    }

    /// Runs the work behind requests until nothing is left that can go on.
    pub(super) fn run_behind(&self) {
        self.pool.borrow_mut().run_until_stalled();
    }

    /// A fresh access token of the root client.
    pub(super) fn root_token(&self) -> String {
        self.token("root-id", "root-secret")
    }

    /// An access token of the root client, the same as long as the clock stands still: signing takes its time.
    pub(super) fn root(&self) -> String {
        let now = self.memory.now();
        if self.root.borrow().0 != now {
            let token = self.root_token();
            self.root.replace((now, token));
        }
        self.root.borrow().1.clone()
    }

    /// An access token of a client with all that it holds.
    pub(super) fn token(&self, client_id: &str, client_secret: &str) -> String {
        self.narrow_token(client_id, client_secret, "")
    }

    /// An access token of a client with this scope; with all that it holds where it is empty.
    pub(super) fn narrow_token(&self, client_id: &str, client_secret: &str, scope: &str) -> String {
        let credentials = format!("client_id={client_id}&client_secret={client_secret}");
        let body = format!("grant_type=client_credentials&{credentials}&scope={}", scope.replace(' ', "+"));
        let answer = self.send(&form("/api/v1/oauth/token", &body));
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert!(token.starts_with(TOKEN_START), "another search is needed: {token}");
        token
    }

    /// Sends a request with a token to a path below `/api/v1`.
    pub(super) fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> Answered {
        self.send(&authorized(method, &format!("/api/v1{path}"), token, body))
    }

    /// The same as the root client.
    pub(super) fn as_root(&self, method: &str, path: &str, body: &Value) -> Answered {
        self.call(&self.root(), method, path, body)
    }

    /// Id and secret of a new client with these scopes.
    pub(super) fn client(&self, scopes: &[&str]) -> (String, String) {
        let created = self.as_root("POST", "/oauth/client", &json!({ "scopes": scopes }));
        assert_eq!(created.status, 200, "{created:?}");
        let created = created.json();
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// A token of a new client with these scopes.
    pub(super) fn caller(&self, scopes: &[&str]) -> String {
        let (id, secret) = self.client(scopes);
        self.token(&id, &secret)
    }
}

/// A request with a form.
pub(super) fn form(path: &str, body: &str) -> http::Request<Body> {
    let builder = http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    builder.body(Body::Complete(body.as_bytes().to_vec())).unwrap()
}

/// A request without token or body.
pub(super) fn bare(method: &str, path: &str) -> http::Request<Body> {
    http::Request::builder().method(method).uri(path).body(Body::Complete(Vec::new())).unwrap()
}

/// A request with a bearer token and, where it is not null, a JSON body.
pub(super) fn authorized(method: &str, path: &str, token: &str, body: &Value) -> http::Request<Body> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let builder = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    builder.header("authorization", format!("Bearer {token}")).body(Body::Complete(bytes)).unwrap()
}

/// One more header.
pub(super) fn with_header(mut request: http::Request<Body>, name: &'static str, value: &[u8]) -> http::Request<Body> {
    request.headers_mut().append(name, http::HeaderValue::from_bytes(value).unwrap());
    request
}

/// A request as the edge passes it on: with the headers that it is told to read and no others.
fn as_it_reaches_us(request: &http::Request<Body>) -> http::Request<Body> {
    let mut passed = request.clone();
    passed.headers_mut().clear();
    let with_browser = is_for_browsers(request.uri().path());
    let is_read =
        |name: &http::HeaderName| READ_HEADERS.contains(name) || (with_browser && BROWSER_HEADERS.contains(name));
    for (name, value) in request.headers().iter().filter(|(name, _)| is_read(name)) {
        passed.headers_mut().append(name, value.clone());
    }
    passed
}
