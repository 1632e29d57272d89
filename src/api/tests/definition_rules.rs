//! What may be done with a definition beside storing the first: checking one, changing it, forgetting it.

use serde_json::{Value, json};

use super::{
    Answered, Host,
    stage::{CODE_FLOW, SERVICE, answer, service_secrets, tokens, unrestricted_service},
};
use crate::connection::{definition::shown, yaml};

/// Where the definition of `shop` is.
const PATH: &str = "/connection/shop/saas_config";

/// A definition as the object below its root.
fn document(yaml: &str) -> Value {
    yaml::parse(yaml).unwrap_or_else(|_| panic!("no YAML"))["saas_config"].take()
}

/// Puts a definition as JSON.
fn put(host: &Host, body: &Value) -> Answered {
    host.as_root("PATCH", PATH, body)
}

/// A service with its definition and secrets.
fn service() -> Host {
    Host::new().with_service("shop")
}

/// A definition is checked as when it is saved, whatever the key, and nothing is stored.
#[test]
fn a_definition_can_be_validated_without_storing_it() {
    let host = Host::new();
    let before = host.memory.state();
    for key in ["shop", "nobody", "a.b"] {
        let path = format!("/connection/{key}/validate_saas_config");
        let good = host.as_root("PUT", &path, &document(CODE_FLOW));
        let mut expected = document(CODE_FLOW);
        expected["type"] = "query_provider".into();
        let details = json!({ "msg": "Validation successful" });
        let expected = json!({ "saas_config": shown(expected), "validation_details": details });
        assert_eq!((good.status, good.json()), (200, expected));
        let mut bad = document(CODE_FLOW);
        bad.as_object_mut().unwrap().remove("fides_key");
        bad["test_request"]["path"] = "/<unknown>".into();
        bad["client_config"]["host"] = "localhost".into();
        let (status, issues) = host.as_root("PUT", &path, &bad).issues();
        let places: Vec<&str> = issues.iter().map(|(_, place)| place.as_str()).collect();
        assert_eq!((status, places), (422, vec![r#"["body","fides_key"]"#, r#"["body","test_request","path"]"#]));
        let mut private = document(CODE_FLOW);
        private["client_config"]["host"] = "localhost".into();
        let issues = host.as_root("PUT", &path, &private).issues();
        assert_eq!((issues.0, issues.1[0].1.as_str()), (422, r#"["body","client_config","host"]"#));
    }
    assert_eq!(host.memory.state(), before);
}

/// There is a way back from a definition, but not while there are secrets.
#[test]
fn a_definition_without_secrets_can_be_deleted() {
    let host = Host::new();
    let delete = |host: &Host| host.as_root("DELETE", PATH, &Value::Null);
    assert_eq!(delete(&host).status, 404);
    host.save("shop");
    assert_eq!(delete(&host).detail(), (404, "No SaaS config found for connection 'shop'".into()));
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    let deleted = delete(&host);
    assert_eq!((deleted.status, deleted.text()), (204, String::new()));
    assert_eq!(host.view("shop")["saas_config"], Value::Null);
    let listed = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(listed["items"][0]["saas_config"], Value::Null);
    host.memory.restart();
    assert_eq!((host.as_root("GET", PATH, &Value::Null).status, delete(&host).status), (404, 404));

    let host = service();
    let before = host.memory.state();
    let text = "Must clear the secrets from this connection config before deleting the SaaS config.";
    assert_eq!(delete(&host).detail(), (400, text.into()));
    assert_eq!(host.memory.state(), before);
}

/// S11: a restriction of hosts cannot be edited away: neither changed, nor moved, nor gone around.
#[test]
fn a_restriction_of_hosts_cannot_be_edited_away() {
    let host = service();
    let before = host.memory.state();
    let parameters = r#""body","connector_params""#;
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut next = document(SERVICE);
        change(&mut next);
        let (status, issues) = put(&host, &next).issues();
        (status, issues.into_iter().map(|(_, place)| place).collect::<Vec<_>>())
    };
    let refused = |place: String| (422, vec![place]);
    for values in [json!(["*"]), json!([]), Value::Null, json!(["*.json-provider.example", "evil.example"])] {
        let found = edit(&|next| next["connector_params"][0]["allowed_values"] = values.clone());
        assert_eq!(found, refused(format!("[{parameters},0,\"allowed_values\"]")), "{values}");
    }
    let found = edit(&|next| next["connector_params"][0]["type"] = Value::Null);
    assert_eq!(found, refused(format!("[{parameters},0,\"type\"]")));
    let found = edit(&|next| next["connector_params"][1]["type"] = "endpoint".into());
    assert_eq!(found, refused(format!("[{parameters},1,\"type\"]")));
    // The parameter under another name, with a host of its own as its default.
    let found = edit(&|next| {
        let text = next.to_string().replace("<domain>", "<other>");
        *next = serde_json::from_str(&text).unwrap();
        next["connector_params"][0] = json!({ "name": "other", "default_value": "evil.example" });
    });
    assert_eq!(found, (422, vec![format!("[{parameters}]"), r#"["body","client_config","host"]"#.to_owned()]));
    // No parameter in the host at all.
    let found = edit(&|next| next["client_config"]["host"] = "evil.example".into());
    assert_eq!(found, refused(r#"["body","client_config","host"]"#.to_owned()));
    let found =
        edit(&|next| next["test_request"]["client_config"] = json!({ "protocol": "https", "host": "evil.example" }));
    assert_eq!(found, refused(r#"["body","test_request","client_config","host"]"#.to_owned()));
    // A name that the restricted parameter is only a part of, and a new parameter that is restricted to what it likes.
    let found = edit(&|next| next["client_config"]["host"] = "<domain>.evil.example".into());
    assert_eq!(found, refused(r#"["body","client_config","host"]"#.to_owned()));
    let found = edit(&|next| {
        let new = json!({ "name": "n", "type": "endpoint", "allowed_values": ["*"], "default_value": "evil.example" });
        next["connector_params"].as_array_mut().unwrap().push(new);
        next["test_request"]["client_config"] = json!({ "protocol": "https", "host": "<n>" });
    });
    assert_eq!(found, refused(r#"["body","test_request","client_config","host"]"#.to_owned()));
    // Below the root key the places say so.
    let mut rooted = json!({ "saas_config": document(SERVICE) });
    rooted["saas_config"]["connector_params"][0]["type"] = Value::Null;
    assert_eq!(put(&host, &rooted).issues().1[0].1, r#"["body","saas_config","connector_params",0,"type"]"#);
    assert_eq!(host.memory.state(), before);
}

/// S11: what the test calls a restricted parameter by another one's value is not that parameter.
#[test]
fn a_test_value_cannot_stand_for_a_restricted_parameter() {
    let host = service();
    let mut next = document(SERVICE);
    next["connector_params"].as_array_mut().unwrap().push(json!({ "name": "free", "default_value": "evil.example" }));
    next["test_request"]["param_values"] = json!([{ "name": "domain", "connector_param": "free" }]);
    assert_eq!(put(&host, &next).status, 200);
    assert_eq!(host.as_root("GET", "/connection/shop/test", &Value::Null).status, 200);
    let hosts: Vec<_> = host.memory.sent().iter().map(|sent| sent.url.host_str().unwrap().to_owned()).collect();
    assert_eq!(hosts, ["acme.json-provider.example", "acme.json-provider.example"]);
}

/// Everything else may change, `fides_key` and `type` included.
#[test]
fn everything_else_of_a_definition_may_change() {
    let host = service();
    let mut next = document(SERVICE);
    next["fides_key"] = "another".into();
    next["type"] = "Another".into();
    next["connector_params"][0]["label"] = "Other".into();
    next["connector_params"].as_array_mut().unwrap().reverse();
    next["test_request"]["path"] = "/other".into();
    assert_eq!(put(&host, &next).status, 200);
    assert_eq!(host.view("shop")["saas_config"]["type"], "another");
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    // What nothing restricts may be replaced altogether.
    let host = Host::new().with_code_flow("shop");
    assert_eq!(host.define("shop", &unrestricted_service()).status, 200);
}

/// Secrets that are there get the defaults of new parameters, and keep everything else: tokens too.
#[test]
fn stored_secrets_get_new_defaults() {
    let host = Host::new().with_authorized("shop");
    let mut next = document(CODE_FLOW);
    let parameters = next["connector_params"].as_array_mut().unwrap();
    parameters.push(json!({ "name": "region", "default_value": "eu" }));
    parameters.push(json!({ "name": "pages", "default_value": 5 }));
    parameters.push(json!({ "name": "empty", "default_value": "" }));
    parameters.push(json!({ "name": "client_id", "default_value": "other" }));
    parameters.remove(1);
    assert_eq!(put(&host, &next).status, 200);
    let secrets = &host.view("shop")["secrets"];
    assert_eq!((&secrets["region"], &secrets["pages"]), (&json!("eu"), &json!("5")));
    assert_eq!((&secrets["client_id"], secrets.get("empty")), (&json!("shop-client"), None));
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    host.memory.restart();
    assert_eq!(host.view("shop")["secrets"]["region"], "eu");
    assert!(!host.memory.state().contains("canary"));

    // Without any there is nothing to fill: the definition can still be deleted.
    let host = Host::new();
    host.save("shop");
    assert_eq!(put(&host, &next).status, 200);
    assert_eq!(host.view("shop")["secrets"], Value::Null);
    assert_eq!(host.as_root("DELETE", PATH, &Value::Null).status, 204);
}

/// K6: what was begun at one provider is not finished at another that the definition names meanwhile; other changes of
/// it do not disturb a person.
#[test]
fn an_authorization_ends_with_the_provider_that_it_was_begun_at() {
    for (old, new, status) in [
        ("path: /oauth/token", "path: /other/token", 404),
        ("path: /auth/authorize", "path: /other/authorize", 404),
        ("host: <domain>", "host: other.example", 404),
        ("description: ", "description: Once more ", 200),
    ] {
        let host = Host::new().with_code_flow("shop");
        host.provider_answers([answer(200, &tokens(1))]);
        let state = host.state("shop");
        let definition = CODE_FLOW.replace(old, new);
        assert_ne!(definition, CODE_FLOW, "{old}");
        assert_eq!(host.define("shop", &definition).status, 200, "{new}");
        assert_eq!(host.callback(&format!("state={state}&code=canary-code-1")).status, status, "{new}");
        assert_eq!(host.requests(), usize::from(status == 200), "{new}");
        assert_eq!(host.authorize("shop", "canary-code-2").status, 200, "{new}");
    }
}

/// S11: a default that makes a forbidden host is refused with the definition.
#[test]
fn a_new_default_cannot_lead_elsewhere() {
    let host = Host::new().with_code_flow("shop");
    let before = host.memory.state();
    let mut next = document(CODE_FLOW);
    next["connector_params"].as_array_mut().unwrap().push(json!({ "name": "api", "default_value": "127.0.0.1" }));
    next["test_request"]["client_config"] = json!({ "protocol": "https", "host": "<api>" });
    assert_eq!(put(&host, &next).issues(), (422, vec![("value_error".to_owned(), r#"["body","api"]"#.to_owned())]));
    assert_eq!(host.memory.state(), before);
}

/// R6: secrets keep a definition in its place while a token is got with them.
#[test]
fn a_definition_cannot_be_deleted_under_a_renewal() {
    let host = service();
    host.provider_answers([answer(200, &tokens(1))]);
    let delete = super::authorized("DELETE", &format!("/api/v1{PATH}"), &host.root(), &Value::Null);
    let answers = host.send_all(&[host.reading("shop"), delete]);
    assert_eq!((answers[0].status, answers[1].status), (200, 400));
    assert_eq!(host.put_secrets("shop", &service_secrets("canary-2")).status, 200);
}
