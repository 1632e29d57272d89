//! L1, E8: a whole life of two connections and their clients; afterwards no secret is found anywhere.
//!
//! That no line of the log and no body of an error holds one is asserted for every answer of every test, see
//! [`super::Answered`].

use serde_json::{Value, json};

use super::{
    Host,
    stage::{answer, parameter, query, refusal, tokens},
};
use crate::ports::ProviderFailure;

/// What is secret, by name, as it came up.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    /// One more; an empty one would be found everywhere.
    fn add(&mut self, name: &'static str, text: &str) {
        assert!(text.len() >= 8, "{name}: {text}");
        self.0.push((name, text.to_owned()));
    }

    /// Whether none of them is in a text.
    #[track_caller]
    fn assert_absent(&self, place: &str, text: &str) {
        for (name, secret) in &self.0 {
            assert!(!text.contains(secret.as_str()), "{name} in {place}");
        }
        assert!(!text.contains("canary"), "{place}");
    }
}

/// Authorizes `shop`: notes state, its random part, challenge, verifier and code.
fn authorize(host: &Host, secrets: &mut Secrets) {
    let url = host.begin("shop");
    let state = query(&url, "state");
    secrets.add("state", &state);
    secrets.add("random part of a state", state.split('.').next().unwrap());
    secrets.add("code challenge", &query(&url, "code_challenge"));
    secrets.assert_absent("storage during an authorization", &host.memory.dump());
    assert_eq!(host.callback(&format!("state={state}&code=canary-code-1")).status, 200);
    secrets.add("code verifier", &parameter(host.memory.sent().last().unwrap(), "code_verifier"));
}

/// L1, E8: clients, two kinds of connections, renewals, faults, refusals, deletion.
#[test]
fn no_secret_is_stored_in_clear_or_logged() {
    let host = Host::new().with_code_flow("shop").with_service("service");
    let mut secrets = Secrets(Vec::new());
    secrets.add("root secret", "root-secret");
    secrets.add("root token", &host.root());
    let (id, secret) = host.client(&["connection_token:read"]);
    secrets.add("client secret", &secret);
    let token = host.token(&id, &secret);
    secrets.add("access token", &token);
    let mut log = String::new();
    host.provider_answers([
        answer(200, &tokens(1)),
        answer(200, &tokens(2)),
        Err(ProviderFailure::TimedOut),
        refusal(500, "canary-rt-1"),
        answer(200, &tokens(3)),
        refusal(400, "invalid_grant"),
    ]);
    authorize(&host, &mut secrets);
    for wait in [0, 3_000, 700, 60, 30, 120, 3_600, 3_600, 7_200] {
        host.wait(wait);
        let sweep = host.as_root("POST", "/sweep", &Value::Null);
        for key in ["shop", "service"] {
            let token = host.token(&id, &secret);
            let read = host.call(&token, "GET", &format!("/connection/{key}/access_token"), &Value::Null);
            log += &read.log;
        }
        host.run_behind();
        log += &sweep.log;
        secrets.assert_absent("storage", &host.memory.dump());
        let shown = [host.view("shop"), host.view("service"), host.as_root("GET", "/connection", &Value::Null).json()];
        secrets.assert_absent("a view", &json!(shown).to_string());
    }
    assert!(host.requests() > 6, "{}", host.requests());
    for refused in [
        host.callback("state=canary&code=canary-code-1"),
        host.callback("error=canary&state=canary"),
        host.call("canary", "GET", "/connection", &Value::Null),
        host.as_root("PUT", "/connection/shop/secret", &json!({ "client_id": ["canary"] })),
        host.as_root("PATCH", "/connection", &json!([{ "key": "a b", "secrets": "canary" }])),
    ] {
        log += &refused.log;
    }
    secrets.assert_absent("the log", &log);
    for key in ["shop", "service"] {
        assert_eq!(host.as_root("DELETE", &format!("/connection/{key}"), &Value::Null).status, 204);
    }
    let dump = host.memory.dump();
    assert!(!dump.contains("v1."), "{dump}");
}
