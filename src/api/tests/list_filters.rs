//! Filters and pages of `GET /connection`.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{CODE_FLOW, SERVICE, answer, service_secrets, tokens},
};

/// Four connections: `a-shop`, tested well; `b-shop`, tested badly; `c-mail`, switched off; `d-bare`, without a
/// definition.
fn host() -> Host {
    let host = Host::new();
    let item = |key: &str, name: &str, description: &str, disabled: bool| {
        json!({ "key": key, "name": name, "description": description, "disabled": disabled,
            "connection_type": "saas", "access": "read" })
    };
    let items = json!([
        item("d-bare", "Delta", "nothing yet", false),
        item("a-shop", "Alpha 100%", "sells_things", false),
        item("b-shop", "Beta", "sells more", false),
        item("c-mail", "Gamma É", "Letters", true),
    ]);
    assert_eq!(host.as_root("PATCH", "/connection", &items).json()["failed"], json!([]));
    for (key, definition) in [("a-shop", SERVICE), ("b-shop", SERVICE), ("c-mail", CODE_FLOW)] {
        assert_eq!(host.define(key, definition).status, 200);
    }
    for (key, status) in [("a-shop", 200), ("b-shop", 500)] {
        host.memory
            .provider(move |sent| answer(if sent.url.path() == "/oauth/token" { 200 } else { status }, &tokens(1)));
        assert_eq!(host.put_secrets(key, &service_secrets("canary")).status, 200);
        assert_eq!(host.as_root("GET", &format!("/connection/{key}/test"), &Value::Null).status, 200);
    }
    host
}

/// The keys that a query lists, by their first letters, and how many there are in all.
fn listed(host: &Host, query: &str) -> (String, u64) {
    let list = host.as_root("GET", &format!("/connection?{query}"), &Value::Null);
    assert_eq!(list.status, 200, "{query} {list:?}");
    let list = list.json();
    let keys = list["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()[..1].to_owned());
    (keys.collect(), list["total"].as_u64().unwrap())
}

/// Each filter, and several at once; sorted by name.
#[test]
fn the_list_can_be_filtered() {
    let host = host();
    for (query, expected) in [
        ("", "abdc"),
        ("search=", "abdc"),
        ("search=SHOP", "ab"),
        ("search=beta", "b"),
        ("search=letters", "c"),
        ("search=100%25", "a"),
        ("search=%25", "a"),
        ("search=_", "a"),
        ("search=sells_", "a"),
        ("search=%27%20OR%201=1--", ""),
        ("search=%C3%89", "c"),
        ("search=nobody", ""),
        ("disabled=true", "c"),
        ("disabled=false", "abd"),
        ("test_status=passed", "a"),
        ("test_status=failed", "b"),
        ("test_status=untested", "dc"),
        ("system_type=saas", "abdc"),
        ("system_type=manual", ""),
        ("system_type=database", ""),
        ("system_type=email", "abdc"),
        ("orphaned_from_system=true", "abdc"),
        ("orphaned_from_system=false", ""),
        ("connection_type=saas", "abdc"),
        ("connection_type=json_provider", "ab"),
        ("connection_type=query_provider&connection_type=json_provider", "abc"),
        ("connection_type=postgres", ""),
        ("connection_type=postgres&connection_type=query_provider", "c"),
        ("connection_type=%5B%5D", ""),
        ("search=shop&test_status=failed&disabled=false&connection_type=json_provider", "b"),
        ("search=shop&disabled=true", ""),
        ("unknown=1", "abdc"),
    ] {
        let total = u64::try_from(expected.len()).unwrap();
        assert_eq!(listed(&host, query), (expected.to_owned(), total), "{query}");
    }
}

/// Pages are cut of what the filter leaves; the total is of all pages.
#[test]
fn what_is_filtered_comes_in_pages() {
    let host = host();
    assert_eq!(listed(&host, "disabled=false&size=2"), ("ab".to_owned(), 3));
    assert_eq!(listed(&host, "disabled=false&size=2&page=2"), ("d".to_owned(), 3));
    assert_eq!(listed(&host, "disabled=false&size=2&page=3"), (String::new(), 3));
    assert_eq!(listed(&host, "system_type=manual&page=2"), (String::new(), 0));
}

/// A word that is no filter is refused with its place; so is one that comes twice and may not.
#[test]
fn malformed_filters_are_refused() {
    let host = host();
    let refused = |query: &str| host.as_root("GET", &format!("/connection?{query}"), &Value::Null);
    let long = format!("search={}", "x".repeat(257));
    for (query, kind, name) in [
        ("test_status=PASSED", "enum", "test_status"),
        ("test_status=skipped", "enum", "test_status"),
        ("system_type=SAAS", "enum", "system_type"),
        ("disabled=maybe", "bool_parsing", "disabled"),
        ("orphaned_from_system=2", "bool_parsing", "orphaned_from_system"),
        (&long, "string_too_long", "search"),
        ("size=101", "less_than_equal", "size"),
        ("system_type=manual&page=0", "greater_than_equal", "page"),
    ] {
        let place = json!(["query", name]).to_string();
        assert_eq!(refused(query).issues(), (422, vec![(kind.to_owned(), place)]), "{query}");
    }
    for name in ["search", "disabled", "test_status", "system_type", "orphaned_from_system", "page", "size"] {
        assert_eq!(refused(&format!("{name}=1&{name}=1")).status, 400, "{name}");
    }
    assert_eq!(refused(&format!("connection_type={}", "x&connection_type=".repeat(70))).status, 400);
}
