//! Connector templates: what may be registered, what is shown of it, how old it may be.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    stage::{CODE_FLOW, SERVICE},
    with_header,
};
use crate::{
    api::{Body, route::body_limit},
    connection::{connector_template::TEMPLATE_LIMIT, yaml},
};

/// Where templates are registered.
const REGISTER: &str = "/api/v1/connector-templates/register";

/// The text of the code flow's template.
const CONFIG: &str = "/connector-templates/query_provider/config";

/// The request that registers these bytes.
fn registering(host: &Host, content_type: &str, body: &[u8]) -> http::Request<Body> {
    let mut request = authorized("POST", REGISTER, &host.root(), &Value::Null);
    request.headers_mut().remove("content-type");
    with_header(request, "content-type", content_type.as_bytes()).map(|_| Body::Complete(body.to_vec()))
}

/// Registers these bytes.
fn send(host: &Host, content_type: &str, body: &[u8]) -> Answered {
    host.send(&registering(host, content_type, body))
}

/// Registers a definition in YAML.
pub(super) fn register(host: &Host, yaml: &str) {
    let answer = send(host, "application/yaml", yaml.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Reads as root.
fn get(host: &Host, path: &str) -> Answered {
    host.as_root("GET", path, &Value::Null)
}

/// The code flow under another type.
fn of_type(kind: &str) -> String {
    CODE_FLOW.replace("type: Query_Provider", &format!("type: {kind}"))
}

/// Register, list, read, replace, delete; the text comes back as it was sent.
#[test]
fn a_template_is_registered_shown_replaced_and_deleted() {
    let host = Host::new();
    assert_eq!(get(&host, "/connector-templates").json(), json!([]));
    let answer = send(&host, "application/x-yaml; charset=utf-8", CODE_FLOW.as_bytes());
    let done = json!({ "message": "Connector template successfully registered." });
    assert_eq!((answer.status, answer.json()), (200, done.clone()));
    register(&host, SERVICE);
    let entry = |kind: &str, name: &str, actions: &[&str]| json!({ "type": kind, "name": name, "supported_actions": actions, "category": null, "custom": true });
    let code_flow = entry("query_provider", "Query Provider", &[]);
    let service = entry("json_provider", "Json Provider", &["access"]);
    assert_eq!(get(&host, "/connector-templates").json(), json!([service, code_flow]));
    let config = get(&host, CONFIG);
    assert_eq!((config.status, config.text().as_str()), (200, CODE_FLOW));
    assert_eq!(config.header("content-type"), "text/yaml; charset=utf-8");

    let document = yaml::parse(&CODE_FLOW.replace("Query Provider", "Renamed")).unwrap_or_else(|_| panic!("no YAML"));
    let old_path = host.as_root("POST", "/connector_template/register", &document);
    assert_eq!((old_path.status, old_path.json()), (200, done));
    assert_eq!(get(&host, CONFIG).text(), document.to_string());
    assert_eq!(get(&host, "/connector-templates").json()[1]["name"], "Renamed");

    let deleted = host.as_root("DELETE", "/connector-templates/query_provider", &Value::Null);
    let message = json!({ "message": "Custom connector template successfully deleted." });
    assert_eq!((deleted.status, deleted.json()), (200, message));
    assert_eq!(get(&host, "/connector-templates").json(), json!([service]));
}

/// What is not there, and what can never be there.
#[test]
fn an_unknown_template_is_404() {
    let host = Host::new();
    register(&host, CODE_FLOW);
    for kind in ["nope", "Query_Provider", "a:b", "a+b", "register", &"k".repeat(300)] {
        let detail = format!("No connector template found with type '{kind}'");
        assert_eq!(get(&host, &format!("/connector-templates/{kind}/config")).detail(), (404, detail.into()));
        let (status, detail) = host.as_root("DELETE", &format!("/connector-templates/{kind}"), &Value::Null).detail();
        let expected = format!("SaaS connector type '{kind}' is not yet available in Fides.");
        assert_eq!((status, detail.as_str().unwrap().starts_with(&expected)), (404, true), "{kind}");
    }
    assert_eq!(get(&host, CONFIG).status, 200);
}

/// P11: an archive is refused by what it is called and by what it is; so is anything else that is no definition.
#[test]
fn an_archive_is_not_taken() {
    let host = Host::new();
    let zip = b"PK\x03\x04\x14\x00config.yml";
    let text = "Archives are not taken. Send the definition itself as application/yaml or application/json";
    for (content_type, body) in [
        ("application/zip", &zip[..]),
        ("application/x-zip-compressed", zip),
        ("application/yaml", zip),
        ("application/json", zip),
        ("application/octet-stream", zip),
        ("application/gzip", b"\x1f\x8b\x08"),
        ("application/zip", CODE_FLOW.as_bytes()),
    ] {
        assert_eq!(send(&host, content_type, body).detail(), (415, text.into()), "{content_type}");
    }
    for (content_type, body) in [
        ("application/yaml", &b"\x1f\x8b\x08\x00"[..]),
        ("application/octet-stream", CODE_FLOW.as_bytes()),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/json", b""),
        ("application/yaml", b""),
        ("application/yaml", b"a: &x 1\nb: *x"),
        ("application/yaml", b"a: !!python/object:os.system x"),
    ] {
        assert_eq!(send(&host, content_type, body).status, 422, "{content_type} {body:?}");
    }
    let too_large = registering(&host, "application/yaml", b"").map(|_| Body::TooLarge);
    assert_eq!(host.send(&too_large).status, 413);
    assert_eq!(body_limit(&http::Method::POST, REGISTER), 256 * 1024);
    assert_eq!(get(&host, "/connector-templates").json(), json!([]));
}

/// P6: a template is checked as a whole when it is registered, and a bad one replaces nothing.
#[test]
fn a_faulty_template_is_refused_with_places() {
    let host = Host::new();
    register(&host, CODE_FLOW);
    for (from, to, place) in [
        ("fides_key: <instance_fides_key>", "fides_key: mine", r#"["body","saas_config","fides_key"]"#),
        ("type: Query_Provider", "type: 'a b'", r#"["body","saas_config","type"]"#),
        ("type: Query_Provider", "type: '..'", r#"["body","saas_config","type"]"#),
        ("name: Query Provider", &format!("name: {}", "n".repeat(4096)), r#"["body","saas_config","name"]"#),
        ("protocol: https", "protocol: http", r#"["body","saas_config","client_config","host"]"#),
        ("value: <client_id>", "value: <client_ID>", "query_params"),
    ] {
        let yaml = CODE_FLOW.replace(from, to);
        assert_ne!(yaml, CODE_FLOW, "{from}");
        let (status, issues) = send(&host, "application/yaml", yaml.as_bytes()).issues();
        let found = issues.iter().any(|(_, loc)| loc == place || loc.contains(place));
        assert!(status == 422 && found, "{to}: {status} {issues:?}");
    }
    assert_eq!(get(&host, CONFIG).text(), CODE_FLOW);
}

/// The number of templates is bounded; replacing one is possible all the same.
#[test]
fn too_many_templates_are_refused() {
    let host = Host::new();
    for number in 0..TEMPLATE_LIMIT {
        register(&host, &of_type(&format!("t{number}")));
    }
    let answer = send(&host, "application/yaml", of_type("more").as_bytes());
    assert_eq!(answer.detail(), (409, "There are 500 connector templates already. Delete one first".into()));
    register(&host, &of_type("t7"));
    assert_eq!(host.as_root("DELETE", "/connector-templates/t8", &Value::Null).status, 200);
    register(&host, &of_type("more"));
    assert_eq!(get(&host, "/connector-templates").json().as_array().unwrap().len(), 500);
}

/// Two callers register at the same time: one text wins, whole, and the list has it.
#[test]
fn parallel_registrations_leave_one_whole_template() {
    let host = Host::new();
    let texts: Vec<String> = (0..8).map(|n| CODE_FLOW.replace("Query Provider", &format!("Name {n}"))).collect();
    let requests: Vec<_> = texts.iter().map(|text| registering(&host, "application/yaml", text.as_bytes())).collect();
    assert!(host.send_all(&requests).iter().all(|answer| answer.status == 200));
    let list = get(&host, "/connector-templates").json();
    let name = list[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(list.as_array().unwrap().len(), 1);
    host.wait(60);
    assert!(get(&host, CONFIG).text().contains(&name), "{name}");
}

/// Within a minute a read is answered from the copy; after it the object is asked again.
#[test]
fn a_read_uses_a_copy_for_a_minute() {
    let host = Host::new();
    register(&host, CODE_FLOW);
    let asked = || host.memory.templates.asked.get();
    assert_eq!((get(&host, CONFIG).status, asked()), (200, 0));
    host.wait(59);
    assert_eq!((get(&host, CONFIG).status, asked()), (200, 0));
    host.wait(1);
    for _ in 0..3 {
        assert_eq!((get(&host, CONFIG).status, asked()), (200, 1));
    }
    host.memory.templates.copies.borrow_mut().clear();
    assert_eq!((get(&host, CONFIG).text().as_str(), asked()), (CODE_FLOW, 2));
}

/// A copy that nobody could replace or remove is gone after a minute; that a template is missing is never taken
/// from the copies.
#[test]
fn a_copy_that_was_left_behind_is_used_for_a_minute_at_most() {
    let host = Host::new();
    register(&host, CODE_FLOW);
    let left = host.memory.templates.copies.borrow().clone();
    let next = CODE_FLOW.replace("Query Provider", "Next");
    for (change, after) in [("replaced", (200, next.as_str())), ("deleted", (404, ""))] {
        if change == "replaced" {
            register(&host, &next);
        } else {
            assert_eq!(host.as_root("DELETE", "/connector-templates/query_provider", &Value::Null).status, 200);
            assert_eq!(get(&host, CONFIG).status, 404);
        }
        host.memory.templates.copies.replace(left.clone());
        host.wait(60);
        let read = get(&host, CONFIG);
        assert_eq!((read.status, if after.0 == 200 { read.text() } else { String::new() }), (after.0, after.1.into()));
    }
    for nonsense in
        ["", "{}", "null", r#"{"at":99999999999,"template":{"kind":"query_provider","document":1,"source":""}}"#]
    {
        host.memory.templates.copies.borrow_mut().insert("query_provider".to_owned(), nonsense.to_owned());
        assert_eq!(get(&host, CONFIG).status, 404, "{nonsense}");
    }
}

/// Broken copies cost nothing but a line in the log.
#[test]
fn broken_copies_are_no_error() {
    let host = Host::new();
    host.memory.templates.copies_are_broken.set(true);
    let answer = send(&host, "application/yaml", CODE_FLOW.as_bytes());
    assert!(answer.status == 200 && answer.log.contains("copies are broken"), "{answer:?}");
    let read = get(&host, CONFIG);
    assert!(read.status == 200 && read.text() == CODE_FLOW && read.log.contains("copies are broken"), "{read:?}");
    let deleted = host.as_root("DELETE", "/connector-templates/query_provider", &Value::Null);
    assert!(deleted.status == 200 && deleted.log.contains("copies are broken"), "{deleted:?}");
    assert_eq!(get(&host, CONFIG).status, 404);
}

/// Storage that does not answer is 503, and nothing is copied that is not stored.
#[test]
fn a_broken_directory_is_503_and_nothing_is_copied() {
    let host = Host::new();
    register(&host, CODE_FLOW);
    host.wait(60);
    host.memory.faults().break_directory(true);
    assert_eq!(send(&host, "application/yaml", SERVICE.as_bytes()).status, 503);
    assert!(!host.memory.templates.copies.borrow().contains_key("json_provider"));
    for (method, path) in
        [("GET", "/connector-templates"), ("GET", CONFIG), ("DELETE", "/connector-templates/query_provider")]
    {
        let answer = host.as_root(method, path, &Value::Null);
        assert_eq!((answer.status, answer.log.contains("directory is broken")), (503, true), "{method} {path}");
    }
    host.memory.faults().break_directory(false);
    assert_eq!(get(&host, CONFIG).text(), CODE_FLOW);
}
