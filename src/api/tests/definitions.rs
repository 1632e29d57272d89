//! The definition of a connection: JSON and YAML in, the checked document out.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    stage::{CODE_FLOW, answer, tokens, unrestricted_service},
    with_header,
};
use crate::{
    api::{Body, route::body_limit},
    connection::{definition::shown, yaml},
};

/// Where the definition of `shop` is.
const PATH: &str = "/connection/shop/saas_config";

/// The code flow as the object below its root.
fn document() -> Value {
    yaml::parse(CODE_FLOW).unwrap_or_else(|_| panic!("the fixture is no YAML"))["saas_config"].take()
}

/// Puts a definition as JSON.
fn put(host: &Host, body: &Value) -> Answered {
    host.as_root("PATCH", PATH, body)
}

/// A host with an empty connection `shop`.
fn with_shop() -> Host {
    let host = Host::new();
    host.save("shop");
    host
}

/// JSON and YAML, with and without the root key, are one and the same document, shown with every default.
#[test]
fn every_way_to_write_a_definition_is_stored_alike() {
    let mut expected = document();
    expected["type"] = "query_provider".into();
    let expected = shown(expected);
    let json_root = json!({ "saas_config": document() });
    let yaml_bare = CODE_FLOW
        .lines()
        .filter(|line| !line.starts_with("saas_config:"))
        .map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n");
    let yaml_bare: String = yaml_bare.collect();
    for write in [
        &(|host: &Host| put(host, &document())) as &dyn Fn(&Host) -> Answered,
        &|host| put(host, &json_root),
        &|host| host.define("shop", CODE_FLOW),
        &|host| host.define("shop", &yaml_bare),
    ] {
        let host = with_shop();
        let answer = write(&host);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        assert_eq!(host.as_root("GET", PATH, &Value::Null).json(), expected);
        let shown = json!({ "fides_key": "<instance_fides_key>", "name": "Query Provider", "type": "query_provider" });
        assert_eq!(host.view("shop")["saas_config"], shown);
    }
}

/// Each media type that means YAML; anything that is neither YAML nor JSON is refused.
#[test]
fn the_content_type_says_what_a_definition_is_written_in() {
    let host = with_shop();
    let send = |content_type: &str, text: &str| {
        let mut request = authorized("PATCH", &format!("/api/v1{PATH}"), &host.root(), &Value::Null);
        request.headers_mut().remove("content-type");
        let request = with_header(request, "content-type", content_type.as_bytes());
        host.send(&request.map(|_| Body::Complete(text.as_bytes().to_vec()))).status
    };
    for yaml in ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8", "TEXT/X-YAML", "text/vnd.yaml"] {
        assert_eq!(send(yaml, CODE_FLOW), 200, "{yaml}");
    }
    assert_eq!(send("application/json", CODE_FLOW), 422);
    assert_eq!(send("text/plain", CODE_FLOW), 422);
    assert_eq!(send("application/json; charset=utf-8", &document().to_string()), 200);
    assert_eq!(body_limit(&http::Method::PATCH, "/api/v1/connection/shop/saas_config"), 256 * 1024);
    let large = authorized("PATCH", &format!("/api/v1{PATH}"), &host.root(), &Value::Null);
    assert_eq!(host.send(&large.map(|_| Body::TooLarge)).status, 413);
}

/// What is wrong is said with its place; nothing is stored.
#[test]
fn a_faulty_definition_is_refused_with_places() {
    let host = with_shop();
    let before = host.memory.state();
    let mut faulty = document();
    faulty["fides_key"] = "a b".into();
    faulty["client_config"]["authentication"]["configuration"]["token_request"]["method"] = "post".into();
    faulty["client_config"]["authentication"]["configuration"]["token_request"]["surprise"] = true.into();
    faulty.as_object_mut().unwrap().remove("version");
    for (body, root) in [(faulty.clone(), "\"body\""), (json!({ "saas_config": faulty }), "\"body\",\"saas_config\"")] {
        let (status, issues) = put(&host, &body).issues();
        let places: Vec<&str> = issues.iter().map(|(_, place)| place.as_str()).collect();
        let request = format!("[{root},\"client_config\",\"authentication\",\"configuration\",\"token_request\"");
        let expected = [
            format!("[{root},\"fides_key\"]"),
            format!("[{root},\"version\"]"),
            format!("{request},\"method\"]"),
            format!("{request},\"surprise\"]"),
        ];
        assert_eq!(status, 422);
        assert!(expected.iter().all(|place| places.contains(&place.as_str())), "{places:?}");
        assert_eq!(places.len(), 4, "{places:?}");
    }
    assert_eq!(put(&host, &json!(null)).status, 422);
    assert_eq!(put(&host, &json!([])).status, 422);
    assert_eq!(host.memory.state(), before);
}

/// P10: YAML that is none, or that means harm: refused with line and column.
#[test]
fn yaml_that_cannot_be_read_is_refused_with_its_place() {
    let host = with_shop();
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\n";
    let deep = "[".repeat(1000);
    for text in ["a: [", "a: 1\na: 2\n", bomb, "a: !!binary x\n", "a: !x y\n", &deep, "a: *nobody\n"] {
        let answer = host.define("shop", text);
        let (status, issues) = answer.issues();
        assert_eq!((status, issues.len(), issues[0].0.as_str()), (422, 1, "yaml_invalid"), "{text:.20}");
        assert!(answer.json()["detail"][0]["loc"].as_array().unwrap()[1..].iter().all(Value::is_u64), "{answer:?}");
        assert_eq!(answer.json()["detail"][0]["loc"].as_array().unwrap().len(), 3);
    }
    let syntax = host.define("shop", "a: 1\na: 2\n").issues().1;
    assert_eq!(syntax[0].1, r#"["body",2,1]"#);
}

/// S1, S2, S4, S9: a host that may not be spoken to is refused when the definition is saved.
#[test]
fn a_definition_for_a_forbidden_host_is_refused() {
    let host = with_shop();
    for (protocol, address) in [
        ("http", "api.provider.example"),
        ("https", "127.0.0.1"),
        ("https", "localhost"),
        ("https", "169.254.169.254"),
        ("https", "postern.example"),
        ("https", "api.provider.example:8443"),
        ("https", "metadata.internal"),
    ] {
        let mut body = document();
        body["client_config"]["protocol"] = protocol.into();
        body["client_config"]["host"] = address.into();
        assert_eq!(put(&host, &body).status, 422, "{protocol} {address}");
    }
}

/// None yet; and what is there is not lost by a faulty successor.
#[test]
fn a_definition_is_there_from_the_first_good_one_on() {
    let host = with_shop();
    let detail = "No SaaS config found for connection 'shop'";
    assert_eq!(host.as_root("GET", PATH, &Value::Null).detail(), (404, detail.into()));
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    host.wait(60);
    assert_eq!(put(&host, &json!({})).status, 422);
    assert_eq!(host.as_root("GET", PATH, &Value::Null).json()["name"], "Query Provider");
    assert_eq!(host.view("shop")["updated_at"], "2023-11-14T22:13:20Z");
    assert_eq!(host.define("shop", &unrestricted_service()).status, 200);
    assert_eq!(host.as_root("GET", PATH, &Value::Null).json()["name"], "Json Provider");
    assert_eq!(host.view("shop")["updated_at"], "2023-11-14T22:14:20Z");
}

/// Another definition takes no token away.
#[test]
fn a_new_definition_keeps_the_tokens() {
    let host = Host::new().with_authorized("shop");
    let mut next = document();
    next["version"] = "0.2.0".into();
    assert_eq!(put(&host, &next).status, 200);
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    host.wait(3600);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}
