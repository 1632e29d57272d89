//! What the runtime tells the Worker of a request, and browsers of the answers: scheme, origin, preflight, page
//! headers.

mod common;

use common::TOKEN;
use workerd_tests::{Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Request, Setup};

/// The token request of the root client.
const GOOD: [(&str, &str); 3] =
    [("grant_type", "client_credentials"), ("client_id", ROOT_CLIENT_ID), ("client_secret", ROOT_CLIENT_SECRET)];

/// H8: what comes by plain http is refused, whatever it claims to have been; https is pinned.
#[test]
fn plain_http_is_refused_where_clients_use_https() {
    let postern = Postern::start(Setup::new().set("PUBLIC_URL", "https://postern.example"));
    let plain = |method: &str, path: &str| Request::new(method, &format!("{}{path}", postern.url()));
    for proto in ["", "http", "ftp"] {
        let request = if proto.is_empty() {
            plain("POST", TOKEN)
        } else {
            plain("POST", TOKEN).header("X-Forwarded-Proto", proto)
        };
        let answer = request.form(&GOOD).send().expect_status(400);
        assert_eq!(answer.json()["error"], "invalid_request");
        assert_eq!(answer.header("Strict-Transport-Security"), None);
    }
    drop(plain("GET", "/health").send().expect_status(200));
    drop(plain("GET", "/ready").send().expect_status(200));
    let answer = postern.post(TOKEN).form(&GOOD).send().expect_status(200);
    assert_eq!(answer.header("Strict-Transport-Security"), Some("max-age=31536000"));
}

/// H2, H3, H4, B14: an allowed page is told what it needs, any other nothing.
#[test]
fn allowed_pages_may_ask_and_others_may_not() {
    let postern = Postern::start(Setup::new().set("CORS_ORIGINS", "https://app.example"));
    for (origin, allowed) in
        [("https://app.example", Some("https://app.example")), ("https://evil.example", None), ("null", None)]
    {
        let preflight = postern.request("OPTIONS", "/api/v1/connection").header("Origin", origin);
        let preflight = preflight.header("Access-Control-Request-Method", "PATCH").send().expect_status(204);
        assert_eq!((preflight.header("Allow"), preflight.body.len()), (Some("GET, PATCH"), 0));
        assert_eq!(preflight.header("Access-Control-Allow-Origin"), allowed);
        assert_eq!(preflight.header("Access-Control-Allow-Methods"), allowed.map(|_| "GET, PATCH"));
        assert_eq!(preflight.header("Access-Control-Max-Age"), allowed.map(|_| "600"));
        let answer = postern.post(TOKEN).header("Origin", origin).form(&GOOD).send().expect_status(200);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), allowed);
        assert_eq!((answer.header("Vary"), answer.header("Access-Control-Allow-Credentials")), (Some("origin"), None));
    }
    drop(postern.request("OPTIONS", "/nowhere").send().expect_status(404));
}
