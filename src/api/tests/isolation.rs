//! What one connection, one page or one storm of requests cannot do to the rest.

use serde_json::{Value, json};

use super::{
    Host, authorized, bare,
    stage::{CODE_FLOW, SERVICE, answer, live, parameter, service_secrets, tokens},
    with_header,
};
use crate::connection::yaml;

/// A definition as the object below its root.
fn document(text: &str) -> Value {
    yaml::parse(text).unwrap_or_else(|_| panic!("the fixture is no YAML"))["saas_config"].take()
}

/// P8: a template has no way to name another connection; its own names lead to its own values.
#[test]
fn a_template_reaches_the_secrets_of_its_own_connection_only() {
    let host = Host::new().with_code_flow("other");
    host.save("shop");
    for written in [
        "other.client_secret",
        "other[0]",
        "connection.other.client_secret",
        "secrets.client_secret",
        "../other/client_secret",
        "other/client_secret",
        "other:client_secret",
        "<other>.client_secret",
        "only_of_other",
        "env.APP_ENCRYPTION_KEY",
        "APP_ENCRYPTION_KEY",
        "settings.root",
    ] {
        let mut document = document(CODE_FLOW);
        document["client_config"]["authentication"]["configuration"]["token_request"]["query_params"][0]["value"] =
            format!("<{written}>").into();
        let answer = host.as_root("PATCH", "/connection/shop/saas_config", &document);
        assert_eq!(answer.status, 422, "{written}: {answer:?}");
    }
}

/// P8: the same definition, the same names, other secrets: each connection sends its own, and nothing where it has
/// none.
#[test]
fn connections_of_one_definition_send_their_own_secrets() {
    let host = Host::new();
    let optional =
        "    - name: redirect_uri\n      label: Redirect URL\n    - name: tenant_token\n      default_value: none\n";
    let definition = CODE_FLOW.replace("    - name: redirect_uri\n      label: Redirect URL\n", optional).replace(
        "value: authorization_code\n",
        "value: authorization_code\n            - name: tenant\n              value: <tenant_token.inner?>\n",
    );
    for (key, tenant) in [("first", json!("canary-t1")), ("second", json!(null))] {
        host.save(key);
        assert_eq!(host.define(key, &definition).status, 200);
        let secrets = json!({ "client_id": key, "client_secret": format!("canary-{key}"), "tenant_token": tenant });
        assert_eq!(host.put_secrets(key, &secrets).status, 200);
    }
    host.provider_answers([answer(200, &tokens(1))]);
    for key in ["first", "second"] {
        assert_eq!(host.authorize(key, "canary-code").status, 200);
        let sent = host.memory.sent().last().unwrap().clone();
        assert_eq!(parameter(&sent, "client_secret"), format!("canary-{key}"));
        assert_eq!((parameter(&sent, "client_id"), parameter(&sent, "tenant")), (key.to_owned(), String::new()));
    }
}

/// K13: beginning an authorization takes a token with the scope, in the header; what a page of another site can make a
/// browser send (a GET with its cookies) is not enough. The answer is a text, not a redirect.
#[test]
fn an_authorization_is_begun_with_a_token_only() {
    let host = Host::new().with_code_flow("shop");
    let before = host.memory.state();
    let path = "/api/v1/connection/shop/authorize";
    let root = host.root();
    let with = |name: &'static str, value: &str| with_header(bare("GET", path), name, value.as_bytes());
    for request in [
        bare("GET", path),
        bare("GET", &format!("{path}?access_token={root}")),
        with("cookie", &format!("access_token={root}; Authorization=Bearer {root}")),
        with("x-api-key", &root),
        with("referer", "https://postern.example/"),
        with("origin", "https://postern.example"),
        with("authorization", &format!("Basic {root}")),
    ] {
        let shown = format!("{} {:?}", request.uri(), request.headers().keys().collect::<Vec<_>>());
        let answer = host.send(&request);
        assert_eq!(answer.status, 401, "{shown}");
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"), "{shown}");
    }
    let reader = host.caller(&["connection:read", "connection_token:read", "connection:create_or_update"]);
    assert_eq!(host.send(&authorized("GET", path, &reader, &Value::Null)).status, 403);
    let pending = |host: &Host| host.memory.state().matches("code_verifier").count();
    assert_eq!(pending(&host), before.matches("code_verifier").count(), "nothing has begun");

    let begun = host.send(&authorized("GET", path, &root, &Value::Null));
    assert_eq!((begun.status, begun.header("content-type")), (200, "application/json"));
    assert!(begun.json().is_string() && !begun.headers.contains_key("location"));
    assert_ne!(host.memory.state(), before);
}

/// L2: what is declared as sensitive is masked as a whole, also where it is a list; what is nested in what nobody
/// declared is not shown at all, whatever its names are.
#[test]
fn listed_and_nested_secrets_are_masked_by_their_declaration() {
    let host = Host::new();
    host.save("shop");
    let mut definition = document(SERVICE);
    let parameters = definition["connector_params"].as_array_mut().unwrap();
    for (name, sensitive) in [("regions", false), ("keys", true)] {
        let options = json!(["eu", "us", "one", "two"]);
        parameters.push(json!({ "name": name, "options": options, "multiselect": true, "sensitive": sensitive }));
    }
    parameters.push(json!({ "name": "note", "sensitive": true }));
    definition["external_references"] = json!([{ "name": "pointer" }]);
    assert_eq!(host.as_root("PATCH", "/connection/shop/saas_config", &definition).status, 200);
    let mut secrets = service_secrets("canary-3");
    secrets["regions"] = json!(["eu", "us"]);
    secrets["keys"] = json!(["one", "two"]);
    secrets["note"] = json!("canary-4");
    secrets["pointer"] = json!({ "dataset": "d", "field": "canary-5", "direction": "from" });
    secrets["client"] = json!({ "domain": "canary-6", "list": [{ "note": "canary-7" }] });
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    let shown = json!({
        "domain": "acme.json-provider.example",
        "client_id": "acme",
        "client_secret": "**********",
        "regions": ["eu", "us"],
        "keys": "**********",
        "note": "**********",
    });
    assert_eq!(host.view("shop")["secrets"], shown);
    for path in ["/connection/shop", "/connection", "/connection/shop/saas_config"] {
        let text = host.as_root("GET", path, &Value::Null).text();
        assert!(!text.contains("canary"), "{path}: {text}");
    }
    assert!(!host.memory.state().contains("canary"));
    // What is shown can be sent back: the masks stand for what is stored.
    let given = host.view("shop")["secrets"].clone();
    assert_eq!(host.as_root("PATCH", "/connection/shop/secret?verify=false", &given).status, 200);
    host.provider_answers([answer(200, &tokens(1))]);
    assert_eq!(live(&host.read("shop")).0, 200);
    assert!(host.memory.sent()[0].body.as_ref().unwrap().expose().contains("canary-3"));
}

/// R5: what one client does again and again writes nothing, and what it is refused hundreds of times, a few rows: no
/// storm reaches the storage.
#[test]
fn a_storm_of_requests_writes_next_to_nothing() {
    let host = Host::new().with_authorized("shop");
    let (id, secret) = host.client(&["connection_token:read", "connection:read"]);
    let token = host.token(&id, &secret);
    let call = |method: &str, path: &str| host.call(&token, method, path, &Value::Null).status;
    assert_eq!(call("DELETE", "/connection/shop"), 403);
    let (before, writes, rows) = (host.memory.dump(), host.memory.clients.writes(), host.memory.clients.rows());
    for _ in 0..20 {
        host.token(&id, &secret);
        assert_eq!(call("GET", "/connection/shop/access_token"), 200);
        assert_eq!((call("GET", "/connection/shop"), call("GET", "/connection")), (200, 200));
    }
    assert_eq!((host.memory.dump(), host.memory.clients.writes(), host.requests()), (before, writes, 1));
    for _ in 0..300 {
        assert_eq!(call("DELETE", "/connection/shop"), 403);
    }
    let (clients, audit, marks) = host.memory.clients.rows();
    assert_eq!((clients, marks), (rows.0, rows.2));
    assert!(audit - rows.1 <= 10 && host.memory.clients.writes() - writes <= 11, "{audit}");
}
