//! Clients: register, scope, delete.

use serde_json::{Value, json};

use super::{Host, authorized};

#[test]
fn a_registered_client_gets_tokens_with_its_scopes() {
    let host = Host::new();
    let body = json!({"scopes": ["policy:read", "client:read"]});
    let created = host.send(&authorized("POST", "/api/v1/oauth/client", &host.root_token(), &body));
    assert_eq!(created.status, 200, "{created:?}");
    let created = created.json();
    let (id, secret) = (created["client_id"].as_str().unwrap(), created["client_secret"].as_str().unwrap());
    let token = host.token(id, secret);
    let path = format!("/api/v1/oauth/client/{id}/scope");
    let scope = host.send(&authorized("GET", &path, &token, &Value::Null));
    assert_eq!((scope.status, scope.json()), (200, json!(["policy:read", "client:read"])));
}
