//! What connection tests start from: a connection to a provider, and the provider.

use std::{cell::RefCell, collections::VecDeque};

use serde_json::{Value, json};
use url::Url;

use super::{Answered, Host, authorized, bare, with_header};
use crate::{
    api::Body,
    ports::{ProviderFailure, ProviderRequest, ProviderResponse},
    protocol::time::Seconds,
};

/// So many seconds after it was obtained, a token that lives for an hour may be due, and not earlier: connections
/// differ.
pub(super) const MAY_BE_DUE: u64 = 3_000;

/// So many seconds after it was obtained, each of them is due.
pub(super) const DUE: u64 = 3_150;

/// So many turns after a reader came, the request that it waits for is at the provider.
pub(super) const SENT: u32 = 4;

/// A code flow with everything in the query; tokens live an hour and are due after 50 minutes, or somewhat later.
pub(super) const CODE_FLOW: &str = include_str!("../../../fixtures/connector/query_code_flow.yml");

/// Client credentials in a JSON body.
pub(super) const SERVICE: &str = include_str!("../../../fixtures/connector/json_client_credentials.yml");

/// The same, its host not restricted.
pub(super) fn unrestricted_service() -> String {
    let restriction = "      type: endpoint\n      allowed_values:\n        - \"*.json-provider.example\"\n";
    assert!(SERVICE.contains(restriction));
    SERVICE.replace(restriction, "")
}

/// What a provider does with a request.
pub(super) type ProviderAnswer = Result<ProviderResponse, ProviderFailure>;

/// An answer in JSON.
#[expect(clippy::unnecessary_wraps, reason = "stands in lists beside failures")]
pub(super) fn answer(status: u16, body: &Value) -> ProviderAnswer {
    let content_type = Some("application/json".to_owned());
    Ok(ProviderResponse { status, content_type, retry_after: None, body: body.to_string().into_bytes() })
}

/// The n-th pair of tokens, for an hour.
pub(super) fn tokens(number: u32) -> Value {
    let (access_token, refresh_token) = (format!("canary-at-{number}"), format!("canary-rt-{number}"));
    json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh_token })
}

/// A refusal, with a text that repeats a secret (L5).
pub(super) fn refusal(status: u16, error: &str) -> ProviderAnswer {
    answer(status, &json!({ "error": error, "error_description": "bad: canary-at-1 canary-rt-1" }))
}

/// A parameter of the query of a request to the provider; empty when it is not there.
pub(super) fn parameter(request: &ProviderRequest, name: &str) -> String {
    query(&request.url, name)
}

/// A parameter of the query of a URL; empty when it is not there.
pub(super) fn query(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

impl Host {
    /// Sets what the provider answers: one after the other, the last one for ever.
    pub(super) fn provider_answers(&self, answers: impl IntoIterator<Item = ProviderAnswer>) {
        let answers = RefCell::new(answers.into_iter().collect::<VecDeque<_>>());
        self.memory.provider(move |_| {
            let mut answers = answers.borrow_mut();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        });
    }

    /// How many requests reached the provider so far.
    pub(super) fn requests(&self) -> usize {
        self.memory.sent().len()
    }

    /// Creates a connection without anything.
    pub(super) fn save(&self, key: &str) {
        let items = json!([{ "key": key, "name": key, "connection_type": "saas", "access": "read" }]);
        let saved = self.as_root("PATCH", "/connection", &items);
        assert_eq!(saved.json()["failed"], json!([]), "{saved:?}");
    }

    /// Puts a definition in YAML.
    pub(super) fn define(&self, key: &str, yaml: &str) -> Answered {
        let path = format!("/api/v1/connection/{key}/saas_config");
        let request = with_header(bare("PATCH", &path), "content-type", b"application/yaml");
        let request = with_header(request, "authorization", format!("Bearer {}", self.root()).as_bytes());
        self.send(&request.map(|_| Body::Complete(yaml.as_bytes().to_vec())))
    }

    /// Puts secrets, without a test.
    pub(super) fn put_secrets(&self, key: &str, secrets: &Value) -> Answered {
        self.as_root("PUT", &format!("/connection/{key}/secret?verify=false"), secrets)
    }

    /// With a connection whose code flow can begin.
    pub(super) fn with_code_flow(self, key: &str) -> Self {
        self.save(key);
        assert_eq!(self.define(key, CODE_FLOW).status, 200);
        let secrets = json!({
            "client_id": "shop-client",
            "client_secret": "canary-client-secret",
            "redirect_uri": "https://postern.example/api/v1/oauth/callback",
        });
        let put = self.put_secrets(key, &secrets);
        assert_eq!(put.status, 200, "{put:?}");
        self
    }

    /// With a connection that a person has authorized: it holds the first pair of tokens.
    pub(super) fn with_authorized(self, key: &str) -> Self {
        let host = self.with_code_flow(key);
        host.provider_answers([answer(200, &tokens(1))]);
        assert_eq!(host.authorize(key, "canary-code-1").status, 200);
        host
    }

    /// With a connection that gets tokens by itself, and a provider that gives the first.
    pub(super) fn with_service(self, key: &str) -> Self {
        self.save(key);
        assert_eq!(self.define(key, SERVICE).status, 200);
        let put = self.put_secrets(key, &service_secrets("canary-client-secret"));
        assert_eq!(put.status, 200, "{put:?}");
        self.provider_answers([answer(200, &tokens(1))]);
        self
    }

    /// Begins an authorization: the URL that a person opens.
    pub(super) fn begin(&self, key: &str) -> Url {
        let begun = self.as_root("GET", &format!("/connection/{key}/authorize"), &Value::Null);
        assert_eq!(begun.status, 200, "{begun:?}");
        Url::parse(begun.json().as_str().unwrap()).unwrap()
    }

    /// Begins an authorization: its state.
    pub(super) fn state(&self, key: &str) -> String {
        query(&self.begin(key), "state")
    }

    /// Comes back from the provider.
    pub(super) fn callback(&self, query: &str) -> Answered {
        self.send(&callback(query))
    }

    /// Begins an authorization and comes back with this code.
    pub(super) fn authorize(&self, key: &str, code: &str) -> Answered {
        self.callback(&format!("state={}&code={code}", self.state(key)))
    }

    /// Reads the live token.
    pub(super) fn read(&self, key: &str) -> Answered {
        self.send(&self.reading(key))
    }

    /// The request that reads the live token.
    pub(super) fn reading(&self, key: &str) -> http::Request<Body> {
        authorized("GET", &format!("/api/v1/connection/{key}/access_token"), &self.root(), &Value::Null)
    }

    /// Status and live token of a read.
    pub(super) fn live(&self, key: &str) -> (u16, String) {
        live(&self.read(key))
    }

    /// Moves the clock.
    pub(super) fn wait(&self, seconds: u64) {
        self.memory.advance(Seconds(seconds));
    }

    /// The connection as it is shown, less what only its own route says: `system_key`, which is its name.
    pub(super) fn view(&self, key: &str) -> Value {
        let mut view = self.as_root("GET", &format!("/connection/{key}"), &Value::Null).json();
        let members = view.as_object_mut().unwrap();
        assert_eq!(members.remove("system_key"), members.get("name").cloned());
        view
    }
}

/// The request of a browser that comes back from the provider.
pub(super) fn callback(query: &str) -> http::Request<Body> {
    bare("GET", &format!("/api/v1/oauth/callback?{query}"))
}

/// Status and access token, or status and `detail`.
pub(super) fn live(answer: &Answered) -> (u16, String) {
    let body = answer.json();
    let text = body["access_token"].as_str().or_else(|| body["detail"].as_str());
    (answer.status, text.unwrap_or_default().to_owned())
}

/// The longest that a wait of so many seconds after a fault lasts: connections differ by a quarter.
pub(super) const fn longest(wait: u64) -> u64 {
    wait + wait / 4
}

/// Secrets of the connection that gets tokens by itself.
pub(super) fn service_secrets(client_secret: &str) -> Value {
    json!({ "domain": "acme.json-provider.example", "client_id": "acme", "client_secret": client_secret })
}
