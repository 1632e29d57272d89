//! The whole API on the host: requests in, answers out, over the ports in memory.

mod clients;

use futures_executor::LocalPool;
use serde_json::Value;

use super::{Body, Deployment, Handled, handle};
use crate::{
    config::{Problem, tests::read_with},
    memory::Memory,
};

/// A deployment whose outside is in memory.
pub(super) struct Host {
    /// Settings and keys, or what is wrong with them.
    deployment: Result<Deployment, Vec<Problem>>,
    /// The outside.
    pub(super) memory: Memory,
    /// Runs requests, and the work behind them.
    pool: std::cell::RefCell<LocalPool>,
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
    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header as text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Host {
    /// A deployment with the usual settings, some changed.
    pub(super) fn with(changes: &[(&str, &str)]) -> Self {
        let pool = LocalPool::new();
        let deployment = read_with(changes).map(Deployment::new);
        // Where settings are wrong, no object is ever asked: any settings do.
        let settings = deployment.as_ref().map_or_else(|_| read_with(&[]).unwrap().into(), |own| own.settings.clone());
        Self { deployment, memory: Memory::new(settings, pool.spawner()), pool: pool.into() }
    }

    /// A deployment with the usual settings.
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// Sends a request and waits for the answer; work behind it goes on only as far as the answer needs it.
    pub(super) fn send(&self, request: &http::Request<Body>) -> Answered {
        let Handled { response, log } =
            self.pool.borrow_mut().run_until(handle(&self.deployment, &self.memory, request));
        let (parts, body) = response.into_parts();
        let log = serde_json::to_string(&log).unwrap();
        Answered { status: parts.status.as_u16(), headers: parts.headers, body, log }
    }

    /// Runs the work behind requests until nothing is left that can go on.
    pub(super) fn run_behind(&self) {
        self.pool.borrow_mut().run_until_stalled();
    }

    /// An access token of the root client.
    pub(super) fn root_token(&self) -> String {
        self.token("root-id", "root-secret")
    }

    /// An access token of a client with all that it holds.
    pub(super) fn token(&self, client_id: &str, client_secret: &str) -> String {
        let body = format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}");
        let answer = self.send(&form("/api/v1/oauth/token", &body));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// A request with a form.
pub(super) fn form(path: &str, body: &str) -> http::Request<Body> {
    let builder = http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    builder.body(Body::Complete(body.as_bytes().to_vec())).unwrap()
}

/// A request with a bearer token and, where it is not null, a JSON body.
pub(super) fn authorized(method: &str, path: &str, token: &str, body: &Value) -> http::Request<Body> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let builder = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    builder.header("authorization", format!("Bearer {token}")).body(Body::Complete(bytes)).unwrap()
}
