//! What providers are sent, byte for byte: each definition is saved unchanged, given secrets, authorized, exchanged and
//! refreshed in real workerd, against a provider that records what it is asked under its own https names.
//!
//! The definitions of `fixtures/connector/` have the shapes of those in use. `POSTERN_CONNECTORS` names a folder with
//! further ones (an absolute path; every `.yml` in it). What each must send stands in
//! `fixtures/connector/requests.json`, by the definition's `type`: PKCE parameters aside, that is what Fides sends.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test: a failure is a failed test")]

mod common;

use std::{env, fs};

use common::{authorize, call_back, connect, parameter, read, root};
use serde_json::{Value, json};
use workerd_tests::{Clock, Mock, MockAnswer, MockRequest, Postern, Setup};

/// The definitions of the project that have https hosts.
const OWN: [&str; 6] = [
    include_str!("../../../fixtures/connector/fixed_login_code_flow.yml"),
    include_str!("../../../fixtures/connector/tenant_code_flow.yml"),
    include_str!("../../../fixtures/connector/many_hosts_code_flow.yml"),
    include_str!("../../../fixtures/connector/query_code_flow.yml"),
    include_str!("../../../fixtures/connector/json_client_credentials.yml"),
    include_str!("../../../fixtures/connector/basic_client_credentials.yml"),
];

/// What each type of connector sends. `redirect_uri=R` stands for the encoded callback.
const REQUESTS: &str = include_str!("../../../fixtures/connector/requests.json");

/// Where this deployment is; its callback is the redirect URI of all connections.
const PUBLIC_URL: &str = "https://app.example";

/// The callback, encoded.
const R: &str = "https%3A%2F%2Fapp.example%2Fapi%2Fv1%2Foauth%2Fcallback";

/// What a definition is expected to send.
fn expectations() -> Value {
    let text = REQUESTS.replace("redirect_uri=R", &format!("redirect_uri={R}"));
    serde_json::from_str(&text).expect("requests.json")
}

/// A deployment as in production: no loopback, every outgoing request goes to the mock.
struct Stage {
    /// The provider, under all its names.
    provider: Mock,
    /// The deployment.
    postern: Postern,
    /// Its clock.
    clock: Clock,
    /// A token with every scope.
    root: String,
}

impl Stage {
    /// A deployment whose provider gives tokens for `lifetime` seconds, or does not say for how long.
    fn new(lifetime: &Value) -> Self {
        let mut tokens = json!({ "access_token": "AT", "refresh_token": "RT", "token_type": "Bearer" });
        if !lifetime.is_null() {
            tokens["expires_in"] = lifetime.clone();
        }
        let (provider, clock) = (Mock::start(move |_| MockAnswer::json(200, &tokens)), Clock::new());
        let setup = Setup::new().unset("ALLOW_LOOPBACK_PROVIDERS").set("PUBLIC_URL", PUBLIC_URL);
        let postern = Postern::start(setup.outbound(&provider).clock(&clock));
        let root = root(&postern);
        Self { provider, postern, clock, root }
    }

    /// How many seconds the live token has left, after a read that may have fetched it.
    #[track_caller]
    fn live(&self) -> u64 {
        let answer = read(&self.postern, &self.root, "shop").expect_status(200).json();
        assert_eq!(answer["access_token"], "AT");
        answer["expires_in"].as_u64().unwrap_or_default()
    }

    /// Begins an authorization: its URL with `STATE` for the state, and what of it is PKCE.
    #[track_caller]
    fn begin(&self) -> (String, String, Vec<String>) {
        let url = authorize(&self.postern, &self.root, "shop");
        let state = parameter(&url, "state");
        let (url, pkce) = take(&url.replace(&state, "STATE"), &["code_challenge", "code_challenge_method"]);
        (url, state, pkce)
    }

    /// All requests so far.
    fn sent(&self) -> Vec<MockRequest> {
        self.provider.requests()
    }
}

/// Takes the pairs with these names out of the query of a URL, or out of a form.
fn take(text: &str, names: &[&str]) -> (String, Vec<String>) {
    let (start, pairs) = text.split_once('?').map_or(("", text), |(start, query)| (start, query));
    let is_named = |pair: &&str| names.contains(&pair.split('=').next().unwrap_or_default());
    let (taken, kept): (Vec<&str>, Vec<&str>) = pairs.split('&').partition(is_named);
    let mark = if start.is_empty() { "" } else { "?" };
    (format!("{start}{mark}{}", kept.join("&")), taken.into_iter().map(str::to_owned).collect())
}

/// A request as it is compared.
fn seen(request: &MockRequest) -> Value {
    json!({
        "method": request.method,
        "scheme": request.header("X-Forwarded-Proto"),
        "host": request.host,
        "target": request.target,
        "authorization": request.header("Authorization"),
        "content_type": request.header("Content-Type"),
        "content_length": request.header("Content-Length"),
        "accept": request.header("Accept"),
        "body": String::from_utf8_lossy(&request.body),
    })
}

/// What is expected of a request, with what all have in common.
fn wanted(expected: &Value) -> Value {
    let body = expected["body"].as_str().unwrap_or_default();
    json!({
        "method": "POST",
        "scheme": "https",
        "host": expected["host"],
        "target": expected["target"],
        "authorization": expected["authorization"],
        "content_type": expected["content_type"],
        "content_length": body.len().to_string(),
        "accept": "application/json",
        "body": body,
    })
}

/// The same request without its code verifier, and the verifier.
fn without_verifier(mut request: MockRequest) -> (MockRequest, Vec<String>) {
    let body = String::from_utf8(request.body.clone()).expect("UTF-8");
    let (target, in_query) = take(&request.target, &["code_verifier"]);
    let (body, in_body) = take(&body, &["code_verifier"]);
    if !in_body.is_empty() {
        let length = request.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
        length.expect("Content-Length").1 = body.len().to_string();
    }
    request.target = target;
    request.body = body.into_bytes();
    (request, [in_query, in_body].concat())
}

/// Saves a definition, gives it secrets, gets a token, lets it expire, gets the next; compares all that is sent.
#[track_caller]
fn replay(definition: &str, expected: &Value, uses_pkce: bool) {
    let lifetime = expected.get("answered_lifetime").cloned().unwrap_or(json!(3600));
    let shop = Stage::new(&lifetime);
    let mut secrets = json!({ "client_id": "CID", "client_secret": "CSEC", "redirect_uri": format!("{PUBLIC_URL}/api/v1/oauth/callback") });
    for (name, value) in expected["secrets"].as_object().into_iter().flatten() {
        secrets[name] = value.clone();
    }
    connect(&shop.postern, &shop.root, "shop", definition, &secrets);
    if expected["authorize"].is_string() {
        let (opened, state, pkce) = shop.begin();
        assert_eq!(opened, expected["authorize"]);
        assert_eq!(pkce.len(), if uses_pkce { 2 } else { 0 }, "{pkce:?}");
        drop(call_back(&shop.postern, &state, "CODE").expect_status(200));
    }
    let (left, lifetime) = (shop.live(), expected.get("lifetime").map_or(Some(3600), Value::as_u64));
    // Some seconds may have passed.
    assert!(lifetime.is_some_and(|lifetime| (lifetime - 30..=lifetime).contains(&left)), "{left}");
    let [token] = <[MockRequest; 1]>::try_from(shop.sent()).unwrap_or_else(|sent| panic!("{sent:?}"));
    let (token, verifier) = without_verifier(token);
    assert_eq!(seen(&token), wanted(&expected["token"]));
    assert_eq!(verifier.len(), usize::from(uses_pkce && expected["authorize"].is_string()), "{verifier:?}");

    shop.clock.advance(7_200);
    assert!(shop.live() > 0);
    let [_, refresh] = <[MockRequest; 2]>::try_from(shop.sent()).unwrap_or_else(|sent| panic!("{sent:?}"));
    assert_eq!(seen(&refresh), wanted(expected.get("refresh").unwrap_or(&expected["token"])));
}

/// The `type` of a definition.
#[track_caller]
fn kind(definition: &str) -> String {
    let line = definition.lines().find_map(|line| line.strip_prefix("  type: "));
    line.expect("a definition has a type").trim().to_ascii_lowercase()
}

/// K7: the shapes of the definitions in use, once with PKCE and once without: then all is as Fides sends it.
#[test]
fn definitions_of_the_project_send_what_is_written_down() {
    let expectations = expectations();
    for definition in OWN {
        let expected = &expectations[kind(definition)];
        replay(definition, expected, true);
        let start = "strategy: oauth2_authorization_code\n      configuration:\n";
        if definition.contains(start) {
            replay(&definition.replace(start, &format!("{start}        pkce: false\n")), expected, false);
        }
    }
}

/// A content type without a body is sent, and no body.
#[test]
fn a_content_type_without_a_body_is_sent() {
    let definition = OWN[3].replace(
        "path: /oauth/token\n",
        "path: /oauth/token\n          headers:\n            - name: Content-Type\n              value: application/x-www-form-urlencoded\n",
    );
    let mut expected = expectations()[kind(&definition)].clone();
    for request in ["token", "refresh"] {
        expected[request]["content_type"] = "application/x-www-form-urlencoded".into();
    }
    replay(&definition, &expected, true);
}

/// S11, S12: with `ALLOWED_HOSTS` and a definition's `allowed_hosts` a host must be on both lists, when secrets are
/// saved and, where one of them came later, before each request; nothing else is ever asked.
#[test]
fn only_hosts_on_both_lists_are_asked() {
    let provider = Mock::start(|_| MockAnswer::json(200, &json!({ "access_token": "AT", "expires_in": 3600 })));
    let clock = Clock::new();
    let setup = || {
        let setup = Setup::new().unset("ALLOW_LOOPBACK_PROVIDERS").set("PUBLIC_URL", PUBLIC_URL);
        setup.outbound(&provider).clock(&clock)
    };
    let mut postern = Postern::start(setup().set("ALLOWED_HOSTS", "*.basic-service.example, login.example.com"));
    let root = root(&postern);
    let listed = OWN[5].replace(
        "  client_config:\n    protocol: https\n    host: <domain>\n    auth",
        "  allowed_hosts: ['*.eu.basic-service.example', login.example.org]\n  client_config:\n    protocol: https\n    host: <domain>\n    auth",
    );
    let secrets = |domain: &str| json!({ "client_id": "CID", "client_secret": "CSEC", "domain": domain });
    connect(&postern, &root, "shop", &listed, &secrets("api.eu.basic-service.example"));
    for domain in ["api.us.basic-service.example", "login.example.com", "login.example.org", "eu.basic-service.example"]
    {
        drop(
            postern
                .put("/api/v1/connection/shop/secret")
                .bearer(&root)
                .json(&secrets(domain))
                .send()
                .expect_status(422),
        );
    }
    assert_eq!(read(&postern, &root, "shop").expect_status(200).json()["access_token"], "AT");
    clock.advance(7_200);
    postern.restart_with(setup().set("ALLOWED_HOSTS", "*.us.basic-service.example"));
    assert_eq!(read(&postern, &root, "shop").status, 502);
    let hosts: Vec<_> = provider.requests().into_iter().map(|request| request.host).collect();
    assert_eq!(hosts, ["api.eu.basic-service.example"]);
}

/// Definitions written for Fides, unchanged.
#[test]
fn definitions_given_by_a_folder_send_what_is_written_down() {
    let Some(folder) = env::var_os("POSTERN_CONNECTORS") else { return };
    let expectations = expectations();
    let files = fs::read_dir(folder).expect("POSTERN_CONNECTORS is a folder").map(|entry| entry.expect("entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect();
    files.sort();
    assert!(!files.is_empty(), "no definition in POSTERN_CONNECTORS");
    for file in files {
        let definition = fs::read_to_string(&file).expect("a definition");
        let expected = &expectations[kind(&definition)];
        assert!(expected.is_object(), "what does {} send? Add it to requests.json", file.display());
        replay(&definition, expected, true);
    }
}
