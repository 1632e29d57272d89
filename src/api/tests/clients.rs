//! Clients: register, scope, delete.

use serde_json::{Value, json};

use super::{Answered, Host, authorized, bare, form, token_request::TOKEN, with_header};
use crate::api::Body;

/// Creates a client as root.
fn create(host: &Host, body: &Value) -> Answered {
    host.as_root("POST", "/oauth/client", body)
}

#[test]
fn a_registered_client_gets_tokens_with_its_scopes() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read", "client:read"]);
    let scope = host.call(&host.token(&id, &secret), "GET", &format!("/oauth/client/{id}/scope"), &Value::Null);
    assert_eq!((scope.status, scope.json()), (200, json!(["policy:read", "client:read"])));
}

/// C10, M6: exactly the two members in this order, hexadecimal, not to be stored by any cache.
#[test]
fn a_created_client_is_answered_with_id_and_secret() {
    let host = Host::new();
    let created = create(&host, &json!({"scopes": ["policy:read"], "name": "n", "description": "d"}));
    assert_eq!((created.status, created.header("cache-control")), (200, "no-store"));
    let body = created.json();
    let hex = |name: &str| body[name].as_str().unwrap().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(hex("client_id") && hex("client_secret"));
    let (id, secret) = (body["client_id"].as_str().unwrap(), body["client_secret"].as_str().unwrap());
    assert_eq!((id.len(), secret.len(), body.as_object().unwrap().len()), (32, 64, 2));
    assert!(created.text().starts_with("{\"client_id\":"));
}

/// C9: object, bare array, `null`, nothing: all are fine; duplicates collapse, no scopes are no scopes.
#[test]
fn every_generation_of_the_body_is_understood() {
    let host = Host::new();
    for (body, scopes) in [
        (json!({"scopes": ["rule:read", "policy:read", "rule:read"]}), json!(["rule:read", "policy:read"])),
        (json!(["policy:read"]), json!(["policy:read"])),
        (json!({}), json!([])),
        (json!([]), json!([])),
        (json!(null), json!([])),
        (json!({"name": null, "description": null}), json!([])),
    ] {
        let created = create(&host, &body);
        let path = format!("/oauth/client/{}/scope", created.json()["client_id"].as_str().unwrap());
        assert_eq!(host.as_root("GET", &path, &Value::Null).json(), scopes, "{body}");
    }
    let untyped = bare("POST", "/api/v1/oauth/client");
    let untyped = with_header(untyped, "authorization", format!("Bearer {}", host.root_token()).as_bytes());
    let untyped = untyped.map(|_| Body::Complete(b"{\"scopes\":[]}".to_vec()));
    assert_eq!(host.send(&untyped).status, 200);
}

/// C8, C9: wrong shapes, unknown members, each with its place; nothing is stored.
#[test]
fn a_malformed_client_is_refused_with_places() {
    let host = Host::new();
    let before = host.memory.state();
    let many = Value::Array(vec![json!("policy:read"); 10_000]);
    for (body, kind, place) in [
        (json!({"scopes": "policy:read"}), "list_type", r#"["body","scopes"]"#),
        (json!({"scopes": null}), "list_type", r#"["body","scopes"]"#),
        (json!([null]), "string_type", r#"["body",0]"#),
        (json!(["policy:read", 1]), "string_type", r#"["body",1]"#),
        (json!({"scopes": [{}]}), "string_type", r#"["body","scopes",0]"#),
        (many, "too_long", r#"["body"]"#),
        (json!("policy:read"), "model_attributes_type", r#"["body"]"#),
        (json!({"name": " "}), "value_error", r#"["body","name"]"#),
        (json!({"name": 1}), "string_type", r#"["body","name"]"#),
        (json!({"client_id": "x"}), "extra_forbidden", r#"["body","client_id"]"#),
        (json!({"client_secret": "x"}), "extra_forbidden", r#"["body","client_secret"]"#),
        (json!({"is_root": true}), "extra_forbidden", r#"["body","is_root"]"#),
        (json!({"epoch": 0}), "extra_forbidden", r#"["body","epoch"]"#),
        (json!({"created_at": 0}), "extra_forbidden", r#"["body","created_at"]"#),
    ] {
        assert_eq!(create(&host, &body).issues(), (422, vec![(kind.to_owned(), place.to_owned())]), "{body}");
    }
    assert_eq!(host.memory.state(), before);
}

/// Text that is no JSON, or of another content type: 422 with the place, never 500.
#[test]
fn a_body_that_is_no_json_is_refused() {
    let host = Host::new();
    let send = |bytes: &[u8]| {
        let request = authorized("POST", "/api/v1/oauth/client", &host.root(), &Value::Null);
        host.send(&request.map(|_| Body::Complete(bytes.to_vec())))
    };
    let (deep, invalid) = ("[".repeat(10_000), "json_invalid".to_owned());
    for (bytes, offset) in [(&b"{\n\"a\":}"[..], 6), (b"[1,]", 3), (b"x", 0), (b"{} {}", 3)] {
        assert_eq!(send(bytes).issues(), (422, vec![(invalid.clone(), format!(r#"["body",{offset}]"#))]), "{bytes:?}");
    }
    for bytes in [&b"\xff"[..], b"\"\xff\"", b"\n\n\n", b"1e999", b"\"\\ud800\"", b"\0", deep.as_bytes()] {
        let (status, issues) = send(bytes).issues();
        assert_eq!((status, issues[0].0.as_str()), (422, "json_invalid"), "{bytes:?}");
    }
    let as_text = with_header(bare("POST", "/api/v1/oauth/client"), "content-type", b"text/plain");
    let as_text = with_header(as_text, "authorization", format!("Bearer {}", host.root_token()).as_bytes());
    assert_eq!(host.send(&as_text.map(|_| Body::Complete(b"{}".to_vec()))).status, 422);
    let large = authorized("POST", "/api/v1/oauth/client", &host.root(), &Value::Null);
    assert_eq!(host.send(&large.map(|_| Body::TooLarge)).status, 413);
}

/// A scope that nobody knows is 403 with Fides's list, before and after creation.
#[test]
fn a_scope_that_does_not_exist_is_refused() {
    let host = Host::new();
    let (id, _) = host.client(&["policy:read"]);
    let path = format!("/oauth/client/{id}/scope");
    for answer in [
        create(&host, &json!({"scopes": ["policy:read", "invalid-scope"]})),
        create(&host, &json!(["policy:readd"])),
        host.as_root("PUT", &path, &json!(["Policy:read"])),
    ] {
        let (status, detail) = answer.detail();
        let detail = detail.as_str().unwrap().to_owned();
        assert_eq!(status, 403);
        assert!(
            detail.starts_with("Invalid Scope. Scopes must be one of ['config:read', 'config:update', "),
            "{detail}"
        );
        assert!(detail.ends_with("'token:introspect']."), "{detail}");
    }
    assert_eq!(host.as_root("GET", &path, &Value::Null).json(), json!(["policy:read"]));
}

/// A bare array replaces all; an object is a 422.
#[test]
fn scopes_are_replaced_as_a_whole() {
    let host = Host::new();
    let (id, _) = host.client(&["policy:read", "rule:read"]);
    let path = format!("/oauth/client/{id}/scope");
    for scopes in [json!(["scope:read", "policy:read"]), json!([])] {
        let replaced = host.as_root("PUT", &path, &scopes);
        assert_eq!((replaced.status, replaced.text().as_str()), (200, "null"));
        assert_eq!(host.as_root("GET", &path, &Value::Null).json(), scopes);
    }
    for (body, kind) in [(json!({"scopes": []}), "list_type"), (json!(null), "missing")] {
        let issue = vec![(kind.to_owned(), r#"["body"]"#.to_owned())];
        assert_eq!(host.as_root("PUT", &path, &body).issues(), (422, issue));
    }
}

/// Deleting is 200 `null` whether the client existed or not; its scopes are 404 without it.
#[test]
fn an_unknown_client_has_no_scopes_and_is_deleted_already() {
    let host = Host::new();
    let (id, secret) = host.client(&[]);
    for id in [id.as_str(), &id, "nobody", "root-id"] {
        let deleted = host.as_root("DELETE", &format!("/oauth/client/{id}"), &Value::Null);
        assert_eq!((deleted.status, deleted.text().as_str()), (200, "null"), "{id}");
        let path = format!("/oauth/client/{id}/scope");
        assert_eq!(host.as_root("GET", &path, &Value::Null).detail(), (404, "Client not found.".into()));
        assert_eq!(host.as_root("PUT", &path, &json!([])).detail(), (404, "Client not found.".into()));
    }
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    assert_eq!(host.send(&form(TOKEN, &body)).status, 401);
}

/// C10, E8: the secret is shown once and stored nowhere.
#[test]
fn a_client_secret_is_shown_once() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read"]);
    let token = host.token(&id, &secret);
    let scope = host.as_root("GET", &format!("/oauth/client/{id}/scope"), &Value::Null);
    let dump = host.memory.state();
    assert!(dump.contains(&id));
    for hidden in [&secret, &token] {
        assert!(!dump.contains(hidden.as_str()) && !scope.text().contains(hidden.as_str()));
    }
}

/// C14: what storage refused is not reported as done, and was not done.
#[test]
fn a_change_that_storage_refused_is_no_success() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read"]);
    let before = host.memory.state();
    let path = format!("/oauth/client/{id}");
    host.memory.clients.break_storage();
    for (method, path, body) in [
        ("DELETE", path.clone(), Value::Null),
        ("PUT", format!("{path}/scope"), json!([])),
        ("POST", "/oauth/client".to_owned(), json!({})),
    ] {
        let answer = host.as_root(method, &path, &body);
        assert_eq!(answer.detail(), (503, "The service is temporarily unavailable".into()), "{method} {path}");
    }
    host.memory.clients.mend_storage();
    assert_eq!(host.memory.state(), before);
    host.token(&id, &secret);
}

/// Both paths, in the order of the registry.
#[test]
fn the_scopes_are_listed_under_both_names() {
    let host = Host::new();
    let list = host.as_root("GET", "/oauth/scope", &Value::Null).json();
    assert_eq!(list, host.as_root("GET", "/oauth/scopes", &Value::Null).json());
    let scopes = list.as_array().unwrap();
    assert_eq!((scopes.len(), &scopes[0], &scopes[139]), (140, &json!("config:read"), &json!("token:introspect")));
}
