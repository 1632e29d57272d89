//! Clients as documents: list, show, change, rotate.

use serde_json::{Value, json};

use super::{Answered, Host, authorized, with_header};
use crate::{api::tests::token_request::TOKEN, protocol::time::Seconds};

/// Whether this secret gets a token.
fn is_good(host: &Host, id: &str, secret: &str) -> bool {
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    match host.send(&super::form(TOKEN, &body)).status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// Rotates as root; gives the answer and the new secret.
fn rotate(host: &Host, id: &str, body: &Value) -> (Answered, String) {
    let answer = host.as_root("POST", &format!("/oauth/client/{id}/secret"), body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let secret = answer.json()["client_secret"].as_str().unwrap().to_owned();
    (answer, secret)
}

/// Newest first, the root client not among them, no secret anywhere (C10); a page past the end is empty.
#[test]
fn clients_are_listed_newest_first() {
    let host = Host::new();
    assert_eq!(
        host.as_root("GET", "/oauth/client", &Value::Null).json(),
        json!({"items": [], "total": 0, "page": 1, "size": 50, "pages": 0})
    );
    let ids: Vec<String> = (0..5).map(|_| host.client(&["policy:read"]).0).collect();
    let page = host.as_root("GET", "/oauth/client?page=2&size=2", &Value::Null).json();
    let shown = |id: &String| json!({"client_id": id, "name": null, "description": null, "scopes": ["policy:read"]});
    let expected = json!({"items": [shown(&ids[2]), shown(&ids[1])], "total": 5, "page": 2, "size": 2, "pages": 3});
    assert_eq!(page, expected);
    let past = host.as_root("GET", "/oauth/client?page=9", &Value::Null).json();
    assert_eq!((past["items"].clone(), past["total"].clone()), (json!([]), json!(5)));
    for (query, kind, member) in [
        ("size=0", "greater_than_equal", "size"),
        ("size=101", "less_than_equal", "size"),
        ("page=0", "greater_than_equal", "page"),
        ("page=x", "int_parsing", "page"),
    ] {
        let answer = host.as_root("GET", &format!("/oauth/client?{query}"), &Value::Null);
        assert_eq!(answer.issues(), (422, vec![(kind.to_owned(), format!(r#"["query","{member}"]"#))]));
    }
}

/// C6: a client is shown whole; the root client and an unknown one are not there.
#[test]
fn a_client_is_shown_with_what_is_set() {
    let host = Host::new();
    let body = json!({"name": "  n  ", "description": "", "scopes": ["rule:read"], "resources": ["urn:x:y"],
        "secret_expires_at": 1_800_000_000});
    let created = host.as_root("POST", "/oauth/client", &body).json();
    let id = created["client_id"].as_str().unwrap();
    let shown = host.as_root("GET", &format!("/oauth/client/{id}"), &Value::Null);
    let mut expected = body;
    expected["client_id"] = id.into();
    assert_eq!((shown.status, shown.json()), (200, expected));
    for missing in ["root-id", "nobody"] {
        for (method, path) in [("GET", ""), ("PUT", ""), ("POST", "/secret")] {
            let answer = host.as_root(method, &format!("/oauth/client/{missing}{path}"), &json!({}));
            assert_eq!(answer.detail(), (404, "Client not found.".into()), "{method} {missing}{path}");
        }
    }
}

/// A partial update; null clears a description and leaves a name; nothing is a no-op that writes nothing.
#[test]
fn a_client_is_changed_member_by_member() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read"]);
    let path = format!("/oauth/client/{id}");
    for (change, name, description, scopes) in [
        (json!({"name": "n", "description": "d"}), json!("n"), json!("d"), json!(["policy:read"])),
        (json!({}), json!("n"), json!("d"), json!(["policy:read"])),
        (json!({"name": null, "description": null}), json!("n"), json!(null), json!(["policy:read"])),
        (json!({"scopes": ["rule:read", "rule:read"]}), json!("n"), json!(null), json!(["rule:read"])),
        (json!({"scopes": []}), json!("n"), json!(null), json!([])),
    ] {
        let expected = json!({"client_id": id, "name": name, "description": description, "scopes": scopes});
        assert_eq!(host.as_root("PUT", &path, &change).json(), expected, "{change}");
        assert_eq!(host.as_root("GET", &path, &Value::Null).json(), expected, "{change}");
    }
    let (root, before) = (host.root(), host.memory.clients.writes());
    assert_eq!(host.call(&root, "PUT", &path, &json!({})).status, 200);
    assert_eq!(host.memory.clients.writes(), before);
    assert!(is_good(&host, &id, &secret));
}

/// C8, C9: what is wrong with a change or a rotation is said with its place, and nothing is stored.
#[test]
fn a_malformed_change_or_rotation_changes_nothing() {
    let host = Host::new();
    let (id, _) = host.client(&["policy:read"]);
    let before = host.memory.state();
    for (method, end, body, kind, place) in [
        ("PUT", "", json!(null), "missing", r#"["body"]"#),
        ("PUT", "", json!([]), "model_attributes_type", r#"["body"]"#),
        ("PUT", "", json!({"name": ""}), "value_error", r#"["body","name"]"#),
        ("PUT", "", json!({"epoch": 9}), "extra_forbidden", r#"["body","epoch"]"#),
        ("PUT", "", json!({"resources": ["x"]}), "value_error", r#"["body","resources",0]"#),
        ("PUT", "", json!({"jwks": {"keys": []}}), "too_short", r#"["body","jwks","keys"]"#),
        ("POST", "/secret", json!([]), "model_attributes_type", r#"["body"]"#),
        ("POST", "/secret", json!({"overlap_minutes": -1}), "greater_than_equal", r#"["body","overlap_minutes"]"#),
        ("POST", "/secret", json!({"secret_expires_at": 1}), "greater_than_equal", r#"["body","secret_expires_at"]"#),
        ("POST", "/secret", json!({"client_secret": "x"}), "extra_forbidden", r#"["body","client_secret"]"#),
    ] {
        let answer = host.as_root(method, &format!("/oauth/client/{id}{end}"), &body);
        assert_eq!(answer.issues(), (422, vec![(kind.to_owned(), place.to_owned())]), "{body}");
    }
    assert_eq!(host.as_root("PUT", &format!("/oauth/client/{id}"), &json!({"scopes": ["nope"]})).status, 403);
    assert_eq!(host.memory.state(), before);
}

/// C10, C11: without a body the old secret is cut at once; tokens live on; the new one is shown this once.
#[test]
fn a_rotation_cuts_the_old_secret_at_once() {
    let host = Host::new();
    let (id, old) = host.client(&["scope:read"]);
    let token = host.token(&id, &old);
    let (answer, new) = rotate(&host, &id, &Value::Null);
    assert_eq!((answer.header("cache-control"), answer.json().as_object().unwrap().len()), ("no-store", 2));
    assert!(new.len() == 64 && new != old);
    assert_eq!((is_good(&host, &id, &old), is_good(&host, &id, &new)), (false, true));
    assert_eq!(host.call(&token, "GET", "/oauth/scope", &Value::Null).status, 200);
    for path in [format!("/oauth/client/{id}"), "/oauth/client".to_owned(), "/oauth/audit".to_owned()] {
        let shown = host.as_root("GET", &path, &Value::Null).text();
        assert!(!shown.contains(&new) && !shown.contains(&old) && !shown.contains("client_secret"), "{shown}");
    }
    assert!(!host.memory.dump().contains(&new));
}

/// C11: both secrets work until the stated time, then only the new one; a third rotation cuts the oldest.
#[test]
fn an_overlap_ends_on_time() {
    let host = Host::new();
    let (id, first) = host.client(&[]);
    let (_, second) = rotate(&host, &id, &json!({"overlap_minutes": 60}));
    host.memory.advance(Seconds(3599));
    assert!(is_good(&host, &id, &first) && is_good(&host, &id, &second));
    host.memory.advance(Seconds(1));
    assert!(!is_good(&host, &id, &first) && is_good(&host, &id, &second));
    let (_, third) = rotate(&host, &id, &json!({"overlap_minutes": 60}));
    let (_, fourth) = rotate(&host, &id, &json!({"overlap_minutes": 60}));
    let good = [&second, &third, &fourth].map(|secret| is_good(&host, &id, secret));
    assert_eq!(good, [false, true, true]);
}

/// T13: an expired secret is answered like a wrong one.
#[test]
fn an_expired_secret_is_as_good_as_a_wrong_one() {
    let host = Host::new();
    let now = 1_700_000_000;
    let created = host.as_root("POST", "/oauth/client", &json!({"secret_expires_at": now + 60})).json();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("client_id"), text("client_secret"));
    assert!(is_good(&host, &id, &secret));
    host.memory.advance(Seconds(60));
    let ask = |secret: &str| {
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        host.send(&super::form(TOKEN, &body)).visible()
    };
    assert_eq!(ask(&secret), ask("wrong"));
    assert_eq!(ask(&secret).0, 401);
}

/// C12: an emergency kills every secret and every token from before with the next request.
#[test]
fn an_emergency_leaves_nothing_from_before() {
    let host = Host::new();
    let (id, first) = host.client(&["scope:read"]);
    let (_, second) = rotate(&host, &id, &json!({"overlap_minutes": 600}));
    let token = host.token(&id, &second);
    assert_eq!(host.call(&token, "GET", "/oauth/scope", &Value::Null).status, 200);
    let (_, third) = rotate(&host, &id, &json!({"revoke_tokens": true}));
    assert_eq!(host.call(&token, "GET", "/oauth/scope", &Value::Null).status, 401);
    assert!(!is_good(&host, &id, &first) && !is_good(&host, &id, &second));
    assert_eq!(host.call(&host.token(&id, &third), "GET", "/oauth/scope", &Value::Null).status, 200);
}

/// C13: with `If-Match` only the version is changed that the caller has seen; without, the last write wins as a whole.
#[test]
fn a_change_may_be_bound_to_a_version() {
    let host = Host::new();
    let (id, _) = host.client(&[]);
    let path = format!("/api/v1/oauth/client/{id}");
    let tag = |end: &str| {
        let shown = host.as_root("GET", &format!("/oauth/client/{id}{end}"), &Value::Null);
        shown.header("etag").to_owned()
    };
    let put = |end: &str, tag: &str, body: &Value| {
        let request = authorized("PUT", &format!("{path}{end}"), &host.root(), body);
        host.send(&with_header(request, "if-match", tag.as_bytes()))
    };
    let seen = tag("");
    assert_eq!(tag("/scope"), seen);
    let changed = put("", &seen, &json!({"name": "first"}));
    assert_eq!((changed.status, changed.header("etag")), (200, tag("").as_str()));
    let before = host.memory.state();
    assert_eq!(put("", &seen, &json!({"name": "second"})).status, 412);
    assert_eq!(put("/scope", &seen, &json!(["policy:read"])).status, 412);
    let delete = authorized("DELETE", &path, &host.root(), &Value::Null);
    assert_eq!(host.send(&with_header(delete, "if-match", seen.as_bytes())).status, 412);
    assert_eq!(host.memory.state(), before);
    assert_eq!(put("/scope", &tag(""), &json!(["policy:read"])).status, 200);
    assert_eq!(put("", "*", &json!({"name": "third"})).json()["name"], "third");
}

/// C5: nobody rotates a stronger client's secret, not even with every scope of the routes (Fides lets it).
#[test]
fn nobody_takes_a_stronger_client_over() {
    let host = Host::new();
    let token = host.caller(&["client:update", "client:read", "policy:read"]);
    let (strong, secret) = host.client(&["policy:read", "config:read"]);
    let (equal, _) = host.client(&["policy:read"]);
    let rotate = |id: &str| host.call(&token, "POST", &format!("/oauth/client/{id}/secret"), &Value::Null);
    let detail = "Cannot manage a client that holds scopes that you do not have. Missing scopes: ['config:read']";
    assert_eq!(rotate(&strong).detail(), (403, detail.into()));
    let renamed = host.call(&token, "PUT", &format!("/oauth/client/{strong}"), &json!({"name": "mine"}));
    assert_eq!(renamed.detail(), (403, detail.into()));
    assert!(is_good(&host, &strong, &secret));
    assert_eq!(rotate(&equal).status, 200);
}

/// Eight roles with the scopes of each.
#[test]
fn the_roles_are_listed() {
    let host = Host::new();
    let answer = host.call(&host.caller(&["scope:read"]), "GET", "/oauth/role", &Value::Null);
    let roles = answer.json();
    assert_eq!((answer.status, roles.as_object().unwrap().len()), (200, 8));
    assert_eq!(roles["respondent"], json!(["privacy-request:manual-steps:respond", "user:read-own"]));
}

/// C13: an `If-Match` that names no version changes nothing.
#[test]
fn an_if_match_that_cannot_be_read_names_no_version() {
    let host = Host::new();
    let (id, _) = host.client(&[]);
    let body = json!({"description": "x"});
    let request = authorized("PUT", &format!("/api/v1/oauth/client/{id}"), &host.root(), &body);
    assert_eq!(host.send(&with_header(request, "if-match", b"\"\xe9\"")).status, 412);
}
