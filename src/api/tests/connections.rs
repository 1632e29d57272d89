//! Connections: save in bulk, list, show, delete.

use serde_json::{Value, json};

use super::{Answered, Host};
use crate::connection::key::ConnectionKey;

/// Saves connections as root.
fn save(host: &Host, items: &Value) -> Answered {
    host.as_root("PATCH", "/connection", items)
}

/// An item with this key.
fn item(key: &str) -> Value {
    json!({ "key": key, "connection_type": "saas", "access": "read" })
}

/// What a new connection looks like.
#[test]
fn a_saved_connection_is_shown_with_every_member() {
    let host = Host::new();
    let wanted = json!([{"key": "shop", "name": "My Shop", "connection_type": "saas", "access": "write",
        "description": "d", "disabled": true, "unknown": 1}]);
    let saved = save(&host, &wanted);
    let expected = json!({
        "connection_type": "saas", "secrets": null, "saas_config": null, "name": "My Shop", "key": "shop",
        "description": "d", "access": "write", "created_at": "2023-11-14T22:13:20Z",
        "updated_at": "2023-11-14T22:13:20Z", "disabled": true, "last_test_timestamp": null,
        "last_test_succeeded": null, "authorized": false, "enabled_actions": null, "linked_systems": [],
        "refresh": null
    });
    assert_eq!((saved.status, saved.json()), (200, json!({ "succeeded": [expected], "failed": [] })));
    assert_eq!(host.view("shop"), expected);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["items"], json!([expected]));
}

/// The second save changes it; when it was made stays.
#[test]
fn a_second_save_keeps_when_it_was_created() {
    let host = Host::new();
    assert_eq!(save(&host, &json!([item("shop")])).status, 200);
    host.wait(60);
    let again = json!([{"key": "shop", "name": "New", "connection_type": "saas", "access": "write", "disabled": true}]);
    let shown = save(&host, &again).json()["succeeded"][0].clone();
    assert_eq!(shown, host.view("shop"));
    assert_eq!(shown["created_at"], "2023-11-14T22:13:20Z");
    assert_eq!(shown["updated_at"], "2023-11-14T22:14:20Z");
    assert_eq!((&shown["name"], &shown["access"], &shown["disabled"]), (&json!("New"), &json!("write"), &json!(true)));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 1);
}

/// A name makes a key where none is given; saving leaves definition, secrets and tokens alone.
#[test]
fn a_save_leaves_the_credentials_alone() {
    let host = Host::new().with_authorized("my_shop");
    let saved = save(&host, &json!([{"name": "My Shop", "connection_type": "saas", "access": "read"}])).json();
    let shown = &saved["succeeded"][0];
    assert_eq!((&shown["key"], &shown["authorized"]), (&json!("my_shop"), &json!(true)));
    assert_eq!(shown["secrets"]["client_secret"], "**********");
    assert_eq!(host.live("my_shop"), (200, "canary-at-1".to_owned()));
}

/// Members that are not given on an update stay as they are.
#[test]
fn an_update_keeps_the_members_that_it_does_not_name() {
    let host = Host::new();
    let first =
        json!([{"key": "shop", "name": "Shop", "description": "d", "connection_type": "saas", "access": "read"}]);
    assert_eq!(save(&host, &first).status, 200);
    assert_eq!(save(&host, &json!([item("shop")])).status, 200);
    let shown = host.view("shop");
    assert_eq!((&shown["name"], &shown["description"]), (&json!("Shop"), &json!("d")));
}

/// What is malformed is refused with its place, all at once, and nothing is stored.
#[test]
fn malformed_items_are_refused_with_places() {
    let host = Host::new();
    let issues = |body: &Value| {
        let (status, issues) = save(&host, body).issues();
        assert_eq!(status, 422);
        issues.into_iter().map(|(kind, place)| format!("{kind} {place}")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(issues(&json!({})), r#"list_type ["body"]"#);
    assert_eq!(issues(&json!(null)), r#"list_type ["body"]"#);
    let many: Vec<Value> = (0..51).map(|n| item(&format!("k{n}"))).collect();
    assert_eq!(issues(&json!(many)), r#"too_long ["body"]"#);
    assert_eq!(
        issues(&json!(["x", item("fine"), {}])),
        [
            r#"model_attributes_type ["body",0]"#,
            r#"value_error ["body",2,"key"]"#,
            r#"missing ["body",2,"connection_type"]"#,
            r#"missing ["body",2,"access"]"#,
        ]
        .join("; ")
    );
    let wrong = json!([{"key": "a b", "name": 1, "connection_type": "postgres", "access": "all", "disabled": "no"}]);
    assert_eq!(
        issues(&wrong),
        [
            r#"string_type ["body",0,"name"]"#,
            r#"value_error ["body",0,"key"]"#,
            r#"enum ["body",0,"connection_type"]"#,
            r#"enum ["body",0,"access"]"#,
            r#"bool_type ["body",0,"disabled"]"#,
        ]
        .join("; ")
    );
    let long = json!([{"key": "k", "description": "d".repeat(1025), "connection_type": "saas", "access": "read"}]);
    assert_eq!(issues(&long), r#"string_too_long ["body",0,"description"]"#);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    let too_long = save(&host, &json!(many)).json();
    assert_eq!(too_long["detail"][0]["msg"], "List should have at most 50 items after validation, not 51");
    assert_eq!(save(&host, &json!(many[..50])).json()["succeeded"].as_array().unwrap().len(), 50);
}

/// What storage refused is in `failed`; what it took before is saved. Mended, the same request does the rest.
#[test]
fn items_that_storage_refused_are_reported_one_by_one() {
    let host = Host::new();
    let items = json!([item("a"), item("b"), item("c")]);
    host.memory.faults().break_records_after(1);
    let body = save(&host, &items).json();
    let keys = |list: &Value, inner: &str| -> Vec<String> {
        let key = |view: &Value| view.pointer(inner).unwrap().as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(key).collect()
    };
    assert_eq!(keys(&body["succeeded"], "/key"), ["a"]);
    assert_eq!(keys(&body["failed"], "/data/key"), ["b", "c"]);
    assert_eq!(body["failed"][0]["message"], "The connection could not be stored; try again.");
    host.memory.faults().mend_records();
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 1);
    assert_eq!(save(&host, &items).json()["failed"], json!([]));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 3);
}

/// What storage refused has its cause in the log, also where the answer as a whole is a success.
#[test]
fn a_save_that_storage_refused_is_in_the_log() {
    let host = Host::new();
    host.memory.faults().break_records_after(0);
    let answer = save(&host, &json!([item("a")]));
    assert_eq!(answer.json()["failed"].as_array().unwrap().len(), 1);
    assert!(answer.log.contains("record storage is broken"), "{}", answer.log);
}

/// Pages by name; one past the end is empty.
#[test]
fn connections_are_listed_page_by_page() {
    let host = Host::new();
    for (key, name) in [("k1", "delta"), ("k2", "alpha"), ("k3", "charlie"), ("k4", "bravo"), ("k5", "echo")] {
        let items = json!([{ "key": key, "name": name, "connection_type": "saas", "access": "read" }]);
        assert_eq!(save(&host, &items).status, 200);
    }
    for (query, names, page, size, pages) in [
        ("", vec!["alpha", "bravo", "charlie", "delta", "echo"], 1, 50, 1),
        ("?size=2", vec!["alpha", "bravo"], 1, 2, 3),
        ("?page=3&size=2", vec!["echo"], 3, 2, 3),
        ("?page=4&size=2", vec![], 4, 2, 3),
        ("?page=10000000&size=100", vec![], 10_000_000, 100, 1),
    ] {
        let list = host.as_root("GET", &format!("/connection{query}"), &Value::Null).json();
        let items = list["items"].as_array().unwrap();
        let found: Vec<&str> = items.iter().map(|view| view["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
        let numbers = (&list["total"], &list["page"], &list["size"], &list["pages"]);
        assert_eq!(numbers, (&json!(5), &json!(page), &json!(size), &json!(pages)), "{query}");
    }
    let empty = Host::new().as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(empty, json!({ "items": [], "total": 0, "page": 1, "size": 50, "pages": 0 }));
}

/// Page and size out of bounds.
#[test]
fn a_page_out_of_bounds_is_refused() {
    let host = Host::new();
    for (query, kind, place) in [
        ("page=0", "greater_than_equal", "page"),
        ("size=0", "greater_than_equal", "size"),
        ("size=101", "less_than_equal", "size"),
        ("page=x", "int_parsing", "page"),
        ("page=-1", "int_parsing", "page"),
    ] {
        let issue = (kind.to_owned(), format!(r#"["query","{place}"]"#));
        let answer = host.as_root("GET", &format!("/connection?{query}"), &Value::Null);
        assert_eq!(answer.issues(), (422, vec![issue]), "{query}");
    }
    assert_eq!(host.as_root("GET", "/connection?page=1&page=1", &Value::Null).status, 400);
}

/// The list holds no secret, not even a masked one, and no token.
#[test]
fn the_list_shows_no_secret() {
    let host = Host::new().with_authorized("shop");
    let list = host.as_root("GET", "/connection", &Value::Null);
    assert_eq!(list.json()["items"][0]["authorized"], true);
    assert!(!list.text().contains("canary") && !list.text().contains("***"));
}

/// Unknown, deleted twice, and keys that no connection can have.
#[test]
fn an_unknown_connection_is_404_and_an_impossible_key_422() {
    let host = Host::new();
    let detail = "No connection configuration found with key 'shop'.";
    host.save("shop");
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    let routes = [
        ("GET", "", Value::Null),
        ("DELETE", "", Value::Null),
        ("GET", "/saas_config", Value::Null),
        ("PATCH", "/saas_config", json!({})),
        ("PUT", "/secret", json!({})),
        ("GET", "/authorize", Value::Null),
        ("GET", "/access_token", Value::Null),
        ("POST", "/access_token/refused", json!({ "access_token_sha256": "0".repeat(64) })),
    ];
    for (method, tail, body) in routes {
        let answer = host.as_root(method, &format!("/connection/shop{tail}"), &body);
        assert_eq!(answer.detail(), (404, detail.into()), "{method} {tail}");
        for key in ["a:b", "a+b", "a*", &"k".repeat(129)] {
            let issue = ("value_error".to_owned(), r#"["path","connection_key"]"#.to_owned());
            let answer = host.as_root(method, &format!("/connection/{key}{tail}"), &body);
            assert_eq!(answer.issues(), (422, vec![issue]), "{method} {key} {tail}");
        }
    }
    assert!(!host.memory.state().contains("a:b"));
}

/// A deletion whose directory failed is not reported as done; the same request again finishes it.
#[test]
fn a_deletion_can_be_finished_when_the_directory_is_back() {
    let host = Host::new().with_authorized("shop");
    host.memory.faults().break_directory(true);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 503);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).status, 503);
    assert_eq!(host.live("shop").0, 404);
    host.memory.faults().break_directory(false);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 404);
}

/// Storage that does not answer: 503 for everything that is about one connection, with the cause in the log only.
#[test]
fn broken_storage_is_503_with_the_cause_in_the_log() {
    let host = Host::new().with_authorized("shop");
    host.memory.faults().break_records_after(0);
    host.memory.restart();
    for (method, tail, body) in [
        ("GET", "", Value::Null),
        ("DELETE", "", Value::Null),
        ("GET", "/saas_config", Value::Null),
        ("PUT", "/secret", json!({})),
        ("GET", "/authorize", Value::Null),
        ("GET", "/access_token", Value::Null),
    ] {
        let answer = host.as_root(method, &format!("/connection/shop{tail}"), &body);
        assert_eq!(answer.detail(), (503, "The service is temporarily unavailable".into()), "{method} {tail}");
        assert!(answer.log.contains("record storage is broken"), "{}", answer.log);
    }
    host.memory.faults().mend_records();
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
}

/// A stored part that cannot be read any more (a definition that a later version judges otherwise): the connection is
/// closed, and can be deleted. L1: what cannot be read is not quoted.
#[test]
fn a_connection_that_cannot_be_read_can_be_deleted() {
    for (part, text) in [("definition", r#"{"type": "canary"}"#), ("grant", r#"{"generation": "canary-grant"}"#)] {
        let host = Host::new().with_authorized("shop");
        let key = ConnectionKey::parse("shop").unwrap();
        let mut parts = host.memory.copy_of(&key);
        parts.insert(part, text.to_owned());
        host.memory.restart();
        host.memory.put_back(&key, parts);
        let closed = host.read("shop");
        assert_eq!(closed.status, 503, "{part}");
        assert!(closed.log.contains(part), "{}", closed.log);
        assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204, "{part}");
        assert_eq!((host.read("shop").status, host.memory.state().contains("v1.")), (404, false));
        assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    }
}
