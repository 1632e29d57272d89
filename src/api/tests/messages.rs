//! What all answers have in common, and the routes that need no token.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized, bare,
    stage::{answer, tokens},
    token_request::assert_error,
    with_header,
};
use crate::api::unreadable;

/// The request id that an answer has for a request that brings this one; the log has the same.
fn request_id(own: &[u8]) -> String {
    let answer = Host::new().send(&with_header(bare("GET", "/health"), "x-request-id", own));
    let id = answer.header("x-request-id").to_owned();
    assert!(answer.log.contains(&format!("\"request_id\":\"{id}\"")), "{}", answer.log);
    id
}

/// A harmless id is repeated, any other replaced by 32 hexadecimal digits.
#[test]
fn a_harmless_request_id_is_repeated() {
    let longest = "x".repeat(128);
    for good in ["a", "A-b_c.9", &longest] {
        assert_eq!(request_id(good.as_bytes()), good);
    }
    let too_long = "x".repeat(129);
    let bad: [&[u8]; 8] = [b"", b"a b", b"a/b", b"a\"b", b"a,b", b"<script>", b"\xc3\xa9", too_long.as_bytes()];
    for bad in bad {
        let id = request_id(bad);
        assert_eq!(id.len(), 32, "{bad:?}");
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    assert_ne!(request_id(b""), request_id(b""));
}

/// T34: paths that nobody knows, methods that nobody serves.
#[test]
fn unknown_paths_and_methods_are_answered_in_json() {
    let host = Host::new();
    for path in
        ["/", "/nowhere", "/api/v1", "/api/v1/oauth", "/api/v2/oauth/token", "/api/v1/connection/a/b", "/health/x"]
    {
        for method in ["GET", "POST", "DELETE", "PROPFIND"] {
            let answer = host.send(&bare(method, path));
            assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"detail":"Not Found"}"#), "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert!(answer.log.contains("\"route\":\"-\""));
        }
    }
    for (method, path, allow) in [
        ("POST", "/health", "GET"),
        ("PUT", "/api/v1/oauth/client", "GET, POST"),
        ("POST", "/api/v1/oauth/client/x", "GET, PUT, DELETE"),
        ("GET", "/api/v1/oauth/client/x/secret", "POST"),
        ("POST", "/api/v1/oauth/client/x/scope", "GET, PUT"),
        ("POST", "/api/v1/connection", "GET, PATCH"),
        ("PUT", "/api/v1/connection/shop", "GET, DELETE"),
        ("POST", "/api/v1/oauth/callback", "GET"),
        ("CONNECT", "/api/v1/sweep", "POST"),
    ] {
        let answer = host.send(&bare(method, path));
        assert_eq!((answer.status, answer.text().as_str()), (405, r#"{"detail":"Method Not Allowed"}"#), "{path}");
        assert_eq!(answer.header("allow"), allow);
    }
}

/// Every route is served with one slash at the end too.
#[test]
fn a_path_may_end_in_a_slash() {
    let host = Host::new();
    for path in ["/oauth/scope", "/connection", "/oauth/client/x/scope"] {
        let plain = host.as_root("GET", path, &Value::Null);
        assert_eq!(plain.visible(), host.as_root("GET", &format!("{path}/"), &Value::Null).visible());
    }
    let body = "grant_type=client_credentials&client_id=root-id&client_secret=root-secret";
    assert_eq!(host.send(&super::form("/api/v1/oauth/token/", body)).status, 200);
}

/// RFC 9110 §9.3.2: HEAD is GET without the body, errors included.
#[test]
fn head_is_get_without_a_body() {
    let host = Host::new();
    for path in ["/health", "/ready", "/nowhere", "/api/v1/oauth/scope"] {
        let (get, head) = (host.send(&bare("GET", path)), host.send(&bare("HEAD", path)));
        assert_eq!((head.visible().0, head.visible().1), (get.visible().0, get.visible().1), "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
}

/// RFC 9110 §9.2.1: where GET acts, HEAD is refused: a link preview uses no state up.
#[test]
fn a_link_preview_uses_no_state_up() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1))]);
    let query = format!("/api/v1/oauth/callback?state={}&code=canary-code-1", host.state("shop"));
    let before = host.memory.state();
    for path in [query.as_str(), "/api/v1/connection/shop/authorize"] {
        let head = host.send(&authorized("HEAD", path, &host.root(), &Value::Null));
        assert_eq!((head.status, head.header("allow"), head.body.len()), (405, "GET", 0));
    }
    assert_eq!((host.memory.state(), host.requests()), (before, 0));
    assert_eq!(host.send(&bare("GET", &query)).status, 200);
}

/// A request that breaks off is answered like any other error, and its cause is in the log.
#[test]
fn a_request_that_breaks_off_is_an_error_in_json() {
    let answer = Answered::alone(unreadable(&"stream cut"));
    assert_error(&answer, 400, "invalid_request");
    assert!(answer.log.contains("unreadable request: stream cut"), "{}", answer.log);
    assert!(answer.log.contains(answer.header("x-request-id")));
}

/// The process answers, whatever else is broken.
#[test]
fn health_asks_nobody() {
    for host in [Host::new(), Host::with(&[("APP_ENCRYPTION_KEY", "")])] {
        host.memory.clients.break_storage();
        host.memory.faults().break_directory(true);
        let answer = host.send(&bare("GET", "/health"));
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ok" })));
    }
}

/// T41, E6: what is missing is named by setting, never by value; all routes that need it are closed.
#[test]
fn settings_that_are_missing_are_named_and_close_the_routes() {
    let host = Host::with(&[
        ("OAUTH_ROOT_CLIENT_SECRET", ""),
        ("APP_ENCRYPTION_KEY", "canary-short"),
        ("PUBLIC_URL", "canary"),
        ("REFRESH_LEAD_SECONDS", "canary"),
    ]);
    let ready = host.send(&bare("GET", "/ready"));
    let expected = json!({ "status": "unready", "problems": [
        { "setting": "OAUTH_ROOT_CLIENT_SECRET", "problem": "is missing" },
        { "setting": "APP_ENCRYPTION_KEY",
          "problem": "must be 32 bytes of text, 44 characters of base64 or 64 hexadecimal digits" },
        { "setting": "PUBLIC_URL", "problem": "must be an absolute URL" },
        { "setting": "REFRESH_LEAD_SECONDS", "problem": "must be a whole number" },
    ] });
    assert_eq!((ready.status, ready.json()), (503, expected));
    for (method, path) in [
        ("POST", "/api/v1/oauth/token"),
        ("GET", "/api/v1/oauth/scope"),
        ("GET", "/api/v1/oauth/callback?state=x&code=y"),
        ("GET", "/api/v1/connection/shop/access_token"),
        ("POST", "/api/v1/sweep"),
    ] {
        let answer = host.send(&bare(method, path));
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("/ready"));
    }
    assert_eq!(host.send(&bare("GET", "/nowhere")).status, 404);
}

/// `/ready` asks the registry.
#[test]
fn ready_is_red_while_the_registry_does_not_answer() {
    let host = Host::new();
    let ready = || host.send(&bare("GET", "/ready"));
    assert_eq!((ready().status, ready().json()), (200, json!({ "status": "ready" })));
    host.memory.clients.break_storage();
    assert_eq!((ready().status, ready().header("retry-after")), (503, "5"));
    host.memory.clients.mend_storage();
    assert_eq!(ready().status, 200);
}

/// L7: the line of the log: the route by its template, no path, no query; who called, once that is known.
#[test]
fn the_log_names_the_route_and_the_caller_and_no_more() {
    let host = Host::new();
    let (id, secret) = host.client(&["client:read"]);
    let token = host.token(&id, &secret);
    let path = "/oauth/client/some-client/scope?canary=1";
    let answer = host.call(&token, "GET", path, &Value::Null);
    let line: Value = serde_json::from_slice(answer.log.as_bytes()).unwrap();
    let expected = json!({
        "level": "info",
        "request_id": answer.header("x-request-id"),
        "method": "GET",
        "route": "/api/v1/oauth/client/{client_id}/scope",
        "status": 404,
        "client_id": id,
    });
    assert_eq!(line, expected);
    let unknown = host.send(&bare("GET", "/api/v1/connection/canary-key/authorize?code=canary"));
    assert!(!unknown.log.contains("client_id\":"), "{}", unknown.log);
}
