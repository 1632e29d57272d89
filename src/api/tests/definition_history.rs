//! `GET /connection/{connection_key}/saas-history`: the definitions that a connection had.

use serde_json::{Value, json};

use super::{Answered, Host, stage::CODE_FLOW};
use crate::connection::history::SNAPSHOT_LIMIT;

/// Puts the code flow in this version, a minute after whatever was before.
fn put(host: &Host, version: &str, name: &str) {
    host.wait(60);
    let definition = CODE_FLOW.replace("version: 0.1.0", &format!("version: {version}"));
    assert_eq!(host.define("shop", &definition.replace("Query Provider", name)).status, 200);
}

/// The history, or one version of it.
fn history(host: &Host, tail: &str) -> Answered {
    host.as_root("GET", &format!("/connection/shop/saas-history{tail}"), &Value::Null)
}

/// The versions in the history.
fn versions(host: &Host) -> Vec<String> {
    let list = history(host, "").json();
    list.as_array().unwrap().iter().map(|item| item["version"].as_str().unwrap().to_owned()).collect()
}

/// Nothing at first, then one for each time that a definition was saved, newest first.
#[test]
fn each_saved_definition_is_in_the_history() {
    let host = Host::new();
    assert_eq!((history(&host, "").status, history(&host, "/1").status), (404, 404));
    host.save("shop");
    assert_eq!((history(&host, "").json(), history(&host, "/1").status), (json!([]), 404));
    put(&host, "1.0.0", "First");
    put(&host, "1.1.0", "Second");
    let list = history(&host, "").json();
    assert_eq!(versions(&host), ["1.1.0", "1.0.0"]);
    assert_eq!(
        (&list[0]["created_at"], &list[1]["created_at"]),
        (&json!("2023-11-14T22:15:20Z"), &json!("2023-11-14T22:14:20Z"))
    );
    assert_ne!(list[0]["id"], list[1]["id"]);
    assert_eq!((list[0]["id"].as_str().unwrap().len(), list[0].as_object().unwrap().len()), (32, 3));
    host.memory.restart();
    assert_eq!(history(&host, "").json(), list);
    // A refused one is not.
    assert_eq!(host.as_root("PATCH", "/connection/shop/saas_config", &json!({})).status, 422);
    assert_eq!(versions(&host).len(), 2);
}

/// By version the last of that version, as the definition was shown then.
#[test]
fn a_version_is_shown_as_it_was_last() {
    let host = Host::new();
    host.save("shop");
    put(&host, "1.0.0", "First");
    put(&host, "1.0.0", "Corrected");
    let shown = host.as_root("GET", "/connection/shop/saas_config", &Value::Null).json();
    put(&host, "2.0.0", "Second");
    let list = history(&host, "").json();
    let mut expected = list[1].clone();
    expected["config"] = shown;
    expected["dataset"] = Value::Null;
    let found = history(&host, "/1.0.0");
    assert_eq!((found.status, found.json()), (200, expected));
    assert_eq!(history(&host, "/1.0.0").json()["config"]["name"], "Corrected");
    let detail = "No SaaS config of that version found for connection 'shop'";
    assert_eq!(history(&host, "/3.0.0").detail(), (404, detail.into()));
}

/// The history is bounded: the oldest go.
#[test]
fn the_oldest_of_many_definitions_are_forgotten() {
    let host = Host::new();
    host.save("shop");
    let most = usize::try_from(SNAPSHOT_LIMIT).unwrap();
    for number in 0..most + 2 {
        put(&host, &format!("v{number}"), "Any");
    }
    let found = versions(&host);
    assert_eq!((found.len(), found[0].as_str(), found[most - 1].as_str()), (most, "v51", "v2"));
    assert_eq!(history(&host, "/v1").status, 404);
}

/// R8: a deleted connection leaves no history to one of the same name; a deleted definition stays in it.
#[test]
fn the_history_goes_with_its_connection() {
    let host = Host::new();
    host.save("shop");
    put(&host, "1.0.0", "First");
    assert_eq!(host.as_root("DELETE", "/connection/shop/saas_config", &Value::Null).status, 204);
    assert_eq!(versions(&host), ["1.0.0"]);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    assert_eq!(history(&host, "").status, 404);
    host.save("shop");
    assert_eq!(history(&host, "").json(), json!([]));
}

/// R6: a definition that cannot be stored is not in the history.
#[test]
fn a_definition_that_was_not_stored_is_not_in_the_history() {
    let host = Host::new();
    host.save("shop");
    put(&host, "1.0.0", "First");
    let before = host.memory.state();
    host.memory.faults().break_records_after(0);
    assert_eq!(host.define("shop", CODE_FLOW).status, 503);
    host.memory.faults().mend_records();
    assert_eq!((host.memory.state(), versions(&host).len()), (before, 1));
}
