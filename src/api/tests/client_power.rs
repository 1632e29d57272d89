//! Nobody gives, takes or rules more than it holds itself.

use serde_json::{Value, json};

use super::{Answered, Host, bare, with_header};
use crate::api::Body;

/// What may manage clients, and one scope beside.
const MANAGER: [&str; 5] = ["client:create", "client:update", "client:delete", "client:read", "policy:read"];

/// A refusal to give scopes.
#[track_caller]
fn assert_cannot_assign(answer: &Answered, missing: &str) {
    let detail = format!("Cannot assign scopes that you do not have. Missing scopes: {missing}");
    assert_eq!(answer.detail(), (403, detail.into()));
}

/// C1: what the caller lacks is named, sorted, and nothing is stored.
#[test]
fn nobody_creates_a_stronger_client() {
    let host = Host::new();
    let token = host.caller(&["client:create", "policy:read"]);
    let before = host.memory.state();
    let wanted = json!({"scopes": ["rule:read", "policy:read", "config:read"]});
    assert_cannot_assign(&host.call(&token, "POST", "/oauth/client", &wanted), "['config:read', 'rule:read']");
    assert_eq!(host.memory.state(), before);
    for within in [json!(["policy:read"]), json!([]), json!(null)] {
        assert_eq!(host.call(&token, "POST", "/oauth/client", &within).status, 200);
    }
}

/// C2: neither on itself nor on another client.
#[test]
fn nobody_widens_a_client_beyond_itself() {
    let host = Host::new();
    let (own, secret) = host.client(&MANAGER);
    let token = host.token(&own, &secret);
    let (other, _) = host.client(&[]);
    let before = host.memory.state();
    for id in [&own, &other] {
        let path = format!("/oauth/client/{id}/scope");
        assert_cannot_assign(&host.call(&token, "PUT", &path, &json!(["config:read"])), "['config:read']");
    }
    assert_eq!(host.memory.state(), before);
    let path = format!("/oauth/client/{other}/scope");
    assert_eq!(host.call(&token, "PUT", &path, &json!(["policy:read"])).status, 200);
    let path = format!("/oauth/client/{own}/scope");
    assert_eq!(host.call(&token, "PUT", &path, &json!(["policy:read"])).status, 200);
    assert_eq!(host.call(&token, "PUT", &path, &json!(["policy:read"])).status, 403);
}

/// C3, C4: the token counts, not only its client; what it made can never ask for more.
#[test]
fn a_narrowed_token_gives_only_what_it_holds() {
    let host = Host::new();
    let (id, secret) = host.client(&MANAGER);
    let narrow = host.narrow_token(&id, &secret, "client:create");
    let refused = host.call(&narrow, "POST", "/oauth/client", &json!(["policy:read"]));
    assert_cannot_assign(&refused, "['policy:read']");
    let made = host.call(&narrow, "POST", "/oauth/client", &json!(["client:create"])).json();
    let text = |name: &str| made[name].as_str().unwrap();
    let token = host.token(text("client_id"), text("client_secret"));
    let refused = host.call(&token, "POST", "/oauth/client", &json!(["policy:read"]));
    assert_cannot_assign(&refused, "['policy:read']");
}

/// C3: nor does a scope count that the client has lost since.
#[test]
fn a_lost_scope_cannot_be_given() {
    let host = Host::new();
    let (id, secret) = host.client(&["client:create", "policy:read"]);
    let token = host.token(&id, &secret);
    let path = format!("/oauth/client/{id}/scope");
    assert_eq!(host.as_root("PUT", &path, &json!(["client:create"])).status, 200);
    let refused = host.call(&token, "POST", "/oauth/client", &json!(["policy:read"]));
    assert_cannot_assign(&refused, "['policy:read']");
}

/// C5: a stronger client is neither deleted nor weakened.
#[test]
fn nobody_rules_a_stronger_client() {
    let host = Host::new();
    let token = host.caller(&MANAGER);
    let (strong, _) = host.client(&["policy:read", "config:read"]);
    let before = host.memory.state();
    let detail = "Cannot manage a client that holds scopes that you do not have. Missing scopes: ['config:read']";
    let deleted = host.call(&token, "DELETE", &format!("/oauth/client/{strong}"), &Value::Null);
    assert_eq!(deleted.detail(), (403, detail.into()));
    let weakened = host.call(&token, "PUT", &format!("/oauth/client/{strong}/scope"), &json!([]));
    assert_eq!(weakened.detail(), (403, detail.into()));
    assert_eq!(host.memory.state(), before);
}

/// C6: the root client is not there for the API, and stays.
#[test]
fn the_root_client_cannot_be_touched() {
    let host = Host::new();
    let path = "/oauth/client/root-id";
    assert_eq!(host.as_root("DELETE", path, &Value::Null).text(), "null");
    assert_eq!(host.as_root("PUT", &format!("{path}/scope"), &json!([])).status, 404);
    assert_eq!(host.as_root("GET", &format!("{path}/scope"), &Value::Null).status, 404);
    assert_eq!(host.as_root("GET", "/oauth/scope", &Value::Null).status, 200);
}

/// C7: the spelling of the scheme does not get around the rule.
#[test]
fn a_lower_case_scheme_gets_the_same_rule() {
    let host = Host::new();
    let token = host.caller(&["client:create"]);
    for scheme in ["bearer", "BEARER"] {
        let request =
            with_header(bare("POST", "/api/v1/oauth/client"), "authorization", format!("{scheme} {token}").as_bytes());
        let answer = host.send(&request.map(|_| Body::Complete(b"[\"policy:read\"]".to_vec())));
        assert_cannot_assign(&answer, "['policy:read']");
    }
}

/// M5: without the scope, nobody learns whether a client exists.
#[test]
fn client_ids_cannot_be_guessed_without_the_scope() {
    let host = Host::new();
    let token = host.caller(&["policy:read"]);
    let (known, _) = host.client(&[]);
    for (method, tail) in [("GET", "/scope"), ("PUT", "/scope"), ("DELETE", "")] {
        let ask = |id: &str| host.call(&token, method, &format!("/oauth/client/{id}{tail}"), &json!([]));
        assert_eq!(ask(&known).status, 403);
        assert_eq!(ask(&known).visible(), ask("nobody").visible(), "{method}");
    }
    let reader = host.caller(&["client:read"]);
    assert_eq!(host.call(&reader, "GET", "/oauth/client/nobody/scope", &Value::Null).status, 404);
}

/// A caller that may not use a route learns nothing about its body either (422 comes after authentication).
#[test]
fn a_malformed_body_is_judged_after_the_caller() {
    let host = Host::new();
    let (id, secret) = host.client(&["client:create", "client:update", "connection:create_or_update"]);
    let token = host.token(&id, &secret);
    let bad = json!({"scopes": 1});
    let routes = [("POST", "/oauth/client"), ("PUT", "/oauth/client/x/scope"), ("PATCH", "/connection")];
    for (method, path) in routes {
        assert_eq!(host.call(&token, method, path, &bad).status, 422, "{path}");
    }
    assert_eq!(host.as_root("PUT", &format!("/oauth/client/{id}/scope"), &json!([])).status, 200);
    for (method, path) in routes {
        assert_eq!(host.call(&token, method, path, &bad).status, 403, "{path}");
        assert_eq!(host.call("x", method, path, &bad).status, 401, "{path}");
    }
}
