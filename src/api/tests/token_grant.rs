//! `POST /oauth/token`: grant type, scope, the token, and what happens when something of ours is broken.

use serde_json::json;

use super::{
    Answered, Host, form,
    token_request::{GOOD, TOKEN, assert_error},
};

/// Asks for a token of a client with a `scope` parameter as it is written on the wire.
fn ask(host: &Host, (id, secret): &(String, String), scope: &str) -> Answered {
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{scope}");
    host.send(&form(TOKEN, &body))
}

/// T9, T10: missing, empty, or anything but the one that is offered, letter by letter.
#[test]
fn only_client_credentials_are_granted() {
    let host = Host::new();
    let credentials = &GOOD[29..];
    for missing in [String::new(), "&grant_type=".to_owned(), "&grant".to_owned()] {
        assert_error(&host.send(&form(TOKEN, &format!("{}{missing}", &credentials[1..]))), 400, "invalid_request");
    }
    for other in [
        "password",
        "Client_Credentials",
        "client_credentials+",
        "+client_credentials",
        "xclient_credentialsx",
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "%3Cscript%3E",
    ] {
        let answer = host.send(&form(TOKEN, &format!("grant_type={other}{credentials}")));
        assert_error(&answer, 400, "unsupported_grant_type");
        assert!(!answer.text().contains("<script"));
    }
}

/// T33, H1: the answer of RFC 6749 §5.1, for root and for an ordinary client.
#[test]
fn a_token_answer_has_what_the_rfc_wants() {
    let host = Host::new();
    let ordinary = host.client(&["rule:read", "policy:read"]);
    let root = ("root-id".to_owned(), "root-secret".to_owned());
    for (client, scope) in [(&ordinary, Some("rule:read policy:read")), (&root, None)] {
        let answer = ask(&host, client, "");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let body = answer.json();
        let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(691_200)));
        let granted = body["scope"].as_str().unwrap();
        assert_eq!(granted, scope.unwrap_or(granted));
        assert!(scope.is_some() || granted.split(' ').count() == 140);
        assert!(answer.log.contains(&client.0));
    }
}

/// T28, T25: a scope outside the grammar.
#[test]
fn a_malformed_scope_is_refused() {
    let host = Host::new();
    let client = host.client(&["policy:read", "rule:read"]);
    for scope in [
        "policy:read%09rule:read",
        "policy:read++rule:read",
        "+policy:read",
        "policy:read+",
        "+",
        "%22policy:read%22",
        "policy%5Cread",
        "policy:read%00",
        "policy:read%0D%0A",
        "policy:read%7F",
        "pol%C3%ADcy:read",
    ] {
        assert_error(&ask(&host, &client, &format!("&scope={scope}")), 400, "invalid_scope");
    }
}

/// T29, B15: never a silent subset, no match by part or letter case.
#[test]
fn a_scope_that_the_client_does_not_hold_is_refused() {
    let host = Host::new();
    let client = host.client(&["policy:read", "connection:create_or_update"]);
    for scope in ["rule:read", "policy:read+rule:read", "policy", "Policy:read", "connection:create", "no:such", "*"] {
        assert_error(&ask(&host, &client, &format!("&scope={scope}")), 400, "invalid_scope");
    }
}

/// T30: a client without scopes never gets all of them, and its token opens nothing.
#[test]
fn a_client_without_scopes_gets_none() {
    let host = Host::new();
    let client = host.client(&[]);
    assert_error(&ask(&host, &client, "&scope=policy:read"), 400, "invalid_scope");
    let answer = ask(&host, &client, "");
    assert_eq!((answer.status, &answer.json()["scope"]), (200, &json!("")));
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    for path in ["/oauth/scope", "/connection"] {
        assert_eq!(host.call(&token, "GET", path, &json!(null)).status, 403, "{path}");
    }
}

/// T31: a part of what is held, in any order, named twice or not: answered in the order in which it is held.
#[test]
fn a_narrower_scope_is_granted_in_canonical_order() {
    let host = Host::new();
    let client = host.client(&["policy:read", "scope:read", "rule:read"]);
    for (scope, granted) in [
        ("rule:read+policy:read", "policy:read rule:read"),
        ("scope:read+scope:read", "scope:read"),
        ("rule:read+scope:read+policy:read", "policy:read scope:read rule:read"),
    ] {
        let answer = ask(&host, &client, &format!("&scope={scope}"));
        assert_eq!((answer.status, &answer.json()["scope"]), (200, &json!(granted)));
    }
    let narrow = host.narrow_token(&client.0, &client.1, "policy:read");
    assert_eq!(host.call(&narrow, "GET", "/oauth/scope", &json!(null)).status, 403);
    let wide = host.token(&client.0, &client.1);
    assert_eq!(host.call(&wide, "GET", "/oauth/scope", &json!(null)).status, 200);
}

/// T40: the registry does not answer; nobody gets a token, nor does the root client: its use could not be written
/// down.
#[test]
fn a_broken_registry_gives_no_token() {
    let host = Host::new();
    let client = host.client(&["policy:read"]);
    host.memory.clients.break_storage();
    let answer = ask(&host, &client, "");
    assert_error(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.log.contains(r#""level":"error""#) && answer.log.contains("storage is broken"), "{}", answer.log);
    assert!(!answer.text().contains("storage"));
    assert_error(&host.send(&form(TOKEN, GOOD)), 503, "temporarily_unavailable");
}

/// T41: no root client in the settings, or one that everybody knows: nothing is served, and nothing matches the void.
#[test]
fn without_a_root_client_no_token_is_issued() {
    for (setting, value) in [
        ("OAUTH_ROOT_CLIENT_ID", ""),
        ("OAUTH_ROOT_CLIENT_SECRET", ""),
        ("OAUTH_ROOT_CLIENT_SECRET", "fidesadminsecret"),
    ] {
        let host = Host::with(&[(setting, value)]);
        for credentials in
            ["root-id&client_secret=root-secret", "&client_secret=", "root-id&client_secret=fidesadminsecret"]
        {
            let body = format!("grant_type=client_credentials&client_id={credentials}");
            let answer = host.send(&form(TOKEN, &body));
            assert_error(&answer, 503, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), "5");
        }
    }
}
