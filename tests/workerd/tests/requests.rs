//! What holds for every request, whatever it wants: headers, methods, paths, who is let in.

mod common;

use common::{CALLBACK, CLIENT, TOKEN, client, root, token};
use serde_json::json;
use workerd_tests::{Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

/// Every route behind the guard, with the scope that it requires.
const GUARDED: [(&str, &str, &str); 43] = [
    ("GET", "/metrics", "metrics:read"),
    ("POST", CLIENT, "client:create"),
    ("GET", CLIENT, "client:read"),
    ("GET", "/api/v1/oauth/client/x", "client:read"),
    ("PUT", "/api/v1/oauth/client/x", "client:update"),
    ("POST", "/api/v1/oauth/client/x/secret", "client:update"),
    ("GET", "/api/v1/oauth/role", "scope:read"),
    ("GET", "/api/v1/oauth/audit", "audit:read"),
    ("DELETE", "/api/v1/oauth/client/x", "client:delete"),
    ("GET", "/api/v1/oauth/client/x/scope", "client:read"),
    ("PUT", "/api/v1/oauth/client/x/scope", "client:update"),
    ("GET", "/api/v1/oauth/scope", "scope:read"),
    ("GET", "/api/v1/oauth/scopes", "scope:read"),
    ("GET", "/api/v1/connection", "connection:read"),
    ("PATCH", "/api/v1/connection", "connection:create_or_update"),
    ("GET", "/api/v1/connection/x", "connection:read"),
    ("DELETE", "/api/v1/connection/x", "connection:delete"),
    ("GET", "/api/v1/connection/x/saas_config", "saas_config:read"),
    ("PATCH", "/api/v1/connection/x/saas_config", "saas_config:create_or_update"),
    ("DELETE", "/api/v1/connection/x/saas_config", "saas_config:delete"),
    ("PUT", "/api/v1/connection/x/validate_saas_config", "saas_config:read"),
    ("GET", "/api/v1/connection/x/saas-history", "saas_config:read"),
    ("GET", "/api/v1/connection/x/saas-history/1", "saas_config:read"),
    ("PUT", "/api/v1/connection/x/secret", "connection:create_or_update"),
    ("PATCH", "/api/v1/connection/x/secret", "connection:create_or_update"),
    ("GET", "/api/v1/connection/x/authorize", "connection:authorize"),
    ("GET", "/api/v1/connection/x/access_token", "connection_token:read"),
    ("POST", "/api/v1/connection/x/access_token/refused", "connection_token:read"),
    ("GET", "/api/v1/connection/x/test", "connection:read"),
    ("POST", "/api/v1/connection/x/revoke", "connection:create_or_update"),
    ("GET", "/api/v1/connection/x/events", "connection:read"),
    ("POST", "/api/v1/connection/instantiate/x", "connection:instantiate"),
    ("GET", "/api/v1/connection_type", "connection_type:read"),
    ("GET", "/api/v1/connection_type/x/secret", "connection_type:read"),
    ("POST", "/api/v1/connector-templates/register", "connector_template:register"),
    ("POST", "/api/v1/connector_template/register", "connector_template:register"),
    ("GET", "/api/v1/connector-templates", "connector_template:read"),
    ("GET", "/api/v1/connector-templates/x/config", "connector_template:read"),
    ("DELETE", "/api/v1/connector-templates/x", "connector_template:register"),
    ("POST", "/api/v1/sweep", "sweep:exec"),
    ("HEAD", "/api/v1/oauth/scope", "scope:read"),
    ("POST", "/api/v1/connection/x/connect_link", "connection:authorize"),
    ("POST", "/api/v1/connection/x/complete", "connection:authorize"),
];

/// B1, B13, B15: no route of the table answers anybody without a token, or with every scope but its own.
#[test]
fn every_guarded_route_wants_a_token_with_its_own_scope() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let every = postern.get("/api/v1/oauth/scope").bearer(&root).send().expect_status(200).json();
    let every: Vec<&str> = every.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    for (method, path, scope) in GUARDED {
        let answer = postern.request(method, path).send();
        assert_eq!(answer.status, 401, "{method} {path}");
        let challenge = answer.header("WWW-Authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer realm=") && !challenge.contains("error"), "{method} {path}: {challenge}");
        for credentials in [format!("Basic {root}"), format!("Token {root}"), root.clone()] {
            let answer = postern.request(method, path).header("Authorization", &credentials).send();
            assert!(matches!(answer.status, 400 | 401), "{method} {path}: {}", answer.status);
        }
        let others: Vec<&str> = every.iter().copied().filter(|each| *each != scope).collect();
        assert_eq!(others.len() + 1, every.len(), "{scope}");
        let narrow = client(&postern, &root, &others);
        let narrow = token(&postern, &narrow.id, &narrow.secret);
        let answer = postern.request(method, path).bearer(&narrow).send();
        assert_eq!(answer.status, 403, "{method} {path}");
        let challenge = answer.header("WWW-Authenticate").unwrap_or_default();
        assert!(challenge.ends_with(&format!("error=\"insufficient_scope\", scope=\"{scope}\"")), "{challenge}");
        let own = client(&postern, &root, &[scope]);
        let own = token(&postern, &own.id, &own.secret);
        let status = postern.request(method, path).bearer(&own).send().status;
        assert!(!matches!(status, 401 | 403 | 405 | 500..), "{method} {path}: {status}");
    }
}

/// B13: these routes are open: to everybody, or to clients with credentials of their own.
#[test]
fn some_routes_need_no_token() {
    let postern = Postern::start(Setup::new());
    assert_eq!(postern.get("/health").send().expect_status(200).json(), json!({ "status": "ok" }));
    drop(postern.get("/ready").send().expect_status(200));
    drop(postern.get(CALLBACK).send().expect_status(400));
    drop(postern.get("/.well-known/oauth-authorization-server").send().expect_status(200));
    drop(postern.get("/.well-known/jwks.json").send().expect_status(200));
    assert_eq!(postern.get("/openapi.json").send().expect_status(200).json()["openapi"], "3.1.0");
    for endpoint in ["introspect", "revoke"] {
        let request = postern.post(&format!("/api/v1/oauth/{endpoint}")).form(&[("token", "x")]);
        assert_eq!(request.send().expect_status(401).json()["error"], "invalid_client");
    }
    drop(token(&postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET));
}

/// B13: other spellings of a path are no route, with and without a token; one slash at the end is harmless.
#[test]
fn path_tricks_lead_nowhere() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    for path in [
        "/",
        "/api/v1",
        "//api/v1/oauth/scope",
        "/api//v1/oauth/scope",
        "/api/v1/oauth/scope//",
        "/api/v1/oauth/scope;x",
        "/api/v1/oauth/scope%00",
        "/API/v1/oauth/scope",
        "/api/v1/oauth/client/%2f/scope",
        "/api/v1/oauth/client/a%2fb",
        "/health/../api/v1/oauth/scopez",
        "/api/v1/connection/x/access_token/x",
    ] {
        for request in [postern.get(path), postern.get(path).bearer(&root)] {
            let answer = request.send().expect_status(404);
            assert_eq!(
                (answer.json(), answer.header("Content-Type")),
                (json!({ "detail": "Not Found" }), Some("application/json"))
            );
        }
    }
    // Resolved by every HTTP client and by the runtime alike: the path that is guarded is the path that is answered.
    drop(postern.get("/health/%2e%2e/api/v1/oauth/scope").send().expect_status(401));
    drop(postern.get("/health?x=/api/v1/oauth/scope").send().expect_status(200));
    drop(postern.get("/api/v1/oauth/scope?x=/health").send().expect_status(401));
    drop(postern.get("/api/v1/oauth/scope/").bearer(&root).send().expect_status(200));
    drop(postern.get("/api/v1/connection/").bearer(&root).send().expect_status(200));
}

/// T1: the methods that a path has are named.
#[test]
fn a_wrong_method_is_refused_with_the_right_ones() {
    let mut postern = Postern::start(Setup::new());
    for (method, path, allow) in [
        ("GET", TOKEN, "POST"),
        ("HEAD", TOKEN, "POST"),
        ("PUT", CLIENT, "GET, POST"),
        ("POST", "/api/v1/oauth/client/x", "GET, PUT, DELETE"),
        ("GET", "/api/v1/oauth/introspect", "POST"),
        ("POST", "/.well-known/jwks.json", "GET"),
        ("POST", "/api/v1/oauth/scope", "GET"),
        ("POST", "/api/v1/connection", "GET, PATCH"),
        ("PUT", "/api/v1/connection/x", "GET, DELETE"),
        ("DELETE", "/health", "GET"),
        ("GET", "/api/v1/sweep", "POST"),
    ] {
        let answer = postern.request(method, path).header("Origin", "https://evil.example").send().expect_status(405);
        assert_eq!(answer.header("Allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
        if method != "HEAD" {
            assert_eq!(answer.json()["detail"], "Method Not Allowed");
        }
    }
    let answer = postern.get(&format!("{TOKEN}?client_secret={ROOT_CLIENT_SECRET}")).send().expect_status(405);
    assert_eq!(answer.json()["error"], "invalid_request");
    postern.kill();
    assert!(postern.log().contains("\"status\":405") && !postern.log().contains(ROOT_CLIENT_SECRET));
}

/// B14: HEAD is GET without the body.
#[test]
fn head_is_get_without_a_body() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    for (path, status) in [("/health", 200), ("/api/v1/oauth/scope", 200), ("/nowhere", 404)] {
        let answer = postern.request("HEAD", path).bearer(&root).send().expect_status(status);
        assert_eq!((answer.body.len(), answer.header("Cache-Control")), (0, Some("no-store")), "{path}");
        assert_eq!(postern.get(path).bearer(&root).send().status, status, "{path}");
    }
}

/// H1, H6, K20: on answers of every kind.
#[test]
fn no_answer_may_be_stored_sniffed_or_lead_back() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let unready = Postern::start(Setup::new().unset("PUBLIC_URL"));
    for (request, status) in [
        (postern.get("/health"), 200),
        (postern.get("/api/v1/oauth/scope").bearer(&root), 200),
        (
            postern.post(TOKEN).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).form(&[("grant_type", "client_credentials")]),
            200,
        ),
        (postern.get(CALLBACK), 400),
        (postern.get("/api/v1/oauth/scope"), 401),
        (postern.get("/api/v1/oauth/scope").bearer("x"), 401),
        (postern.get("/nowhere"), 404),
        (postern.get(TOKEN), 405),
        (postern.post(TOKEN).body("text/plain", "x".repeat(20_000)), 413),
        (postern.post(CLIENT).bearer(&root).body("application/json", "{"), 422),
        (unready.get("/ready"), 503),
        (unready.get(CALLBACK), 503),
    ] {
        let answer = request.header("Origin", "https://evil.example").send().expect_status(status);
        for (name, value) in
            [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
        {
            assert_eq!(answer.headers_named(name), [value], "{status} {name}");
        }
        assert_eq!(answer.headers_named("X-Request-ID").len(), 1, "{status}");
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-") && name != "set-cookie"));
    }
}

/// L7: the caller's id of a request is kept where it is harmless, and found in the log.
#[test]
fn a_request_id_is_echoed_or_made() {
    let mut postern = Postern::start(Setup::new());
    let longest = "x".repeat(128);
    for id in ["my-request.1_A", &longest] {
        let answer = postern.get("/health").header("X-Request-ID", id).send();
        assert_eq!(answer.header("X-Request-ID"), Some(id));
    }
    let mut made = Vec::new();
    for id in ["a b", "a\"b", "a/b", "", "é", &format!("{longest}x")] {
        let answer = postern.get("/health").header("X-Request-ID", id).send().expect_status(200);
        made.push(answer.header("X-Request-ID").unwrap().to_owned());
    }
    made.push(postern.get("/nowhere").send().header("X-Request-ID").unwrap().to_owned());
    assert!(made.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())), "{made:?}");
    postern.kill();
    for id in made.iter().map(String::as_str).chain(["my-request.1_A"]) {
        assert!(postern.log().contains(id), "{id}");
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 7);
}

/// B2, B3, B4, B5, B6, T23: a token comes once, in the header.
#[test]
fn credentials_that_come_twice_or_another_way_are_refused() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let scope = || postern.get("/api/v1/oauth/scope");
    drop(scope().bearer(&root).bearer(&root).send().expect_status(400));
    drop(scope().bearer(&root).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).send().expect_status(400));
    for malformed in ["Bearer", "Bearer ", &format!("Bearer {root}, Bearer {root}"), &format!("Bearer {root} x")] {
        let answer = scope().header("Authorization", malformed).send();
        assert_eq!(answer.status, 400, "{malformed}: {}", answer.text());
        assert!(answer.header("WWW-Authenticate").is_some_and(|challenge| challenge.contains("invalid_request")));
    }
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        drop(scope().header("Authorization", &format!("{scheme} {root}")).send().expect_status(200));
    }
    let by_query = format!("/api/v1/oauth/scope?access_token={root}");
    drop(postern.get(&by_query).send().expect_status(401));
    drop(postern.get(&by_query).bearer(&root).send().expect_status(400));

    let form = [("grant_type", "client_credentials")];
    let twice = postern.post(TOKEN).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET);
    assert_eq!(twice.form(&form).send().expect_status(400).json()["error"], "invalid_request");
    let in_url = format!("{TOKEN}?client_id={ROOT_CLIENT_ID}&client_secret={ROOT_CLIENT_SECRET}");
    drop(postern.post(&in_url).form(&form).send().expect_status(400));
    drop(postern.post(TOKEN).bearer(&root).form(&form).send().expect_status(401));
}
