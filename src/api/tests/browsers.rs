//! What browsers and the pages of other sites are told: CORS, https, framing, content types.

use serde_json::Value;

use super::{
    Answered, Host, authorized, bare, form,
    routes::{every_route, sample},
    token_request::{GOOD, TOKEN, assert_error},
    with_header,
};
use crate::api::{Body, route::Route};

/// An origin that is allowed where the setting is [`ALLOWED`].
const APP: &str = "https://app.example";

/// Two allowed origins.
const ALLOWED: [(&str, &str); 1] = [("CORS_ORIGINS", "https://app.example, http://127.0.0.1:3000")];

/// Every header of an answer whose name says CORS, as one line each.
fn cors(answer: &Answered) -> Vec<String> {
    let cors = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    cors.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

/// Sends a request as a page of this origin does.
fn from_page(host: &Host, request: http::Request<Body>, origin: &str) -> Answered {
    host.send(&with_header(request, "origin", origin.as_bytes()))
}

/// The same request with a scheme and a host.
fn by(scheme: &str, request: http::Request<Body>) -> http::Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("{scheme}://postern.example{}", parts.uri).parse().unwrap();
    http::Request::from_parts(parts, body)
}

/// H2: without the setting nobody's page reads anything, and no cache needs to know.
#[test]
fn without_the_setting_no_origin_is_allowed() {
    let host = Host::new();
    for origin in [APP, "https://postern.example", "null"] {
        for request in [bare("GET", "/health"), form(TOKEN, GOOD), bare("OPTIONS", TOKEN)] {
            let answer = from_page(&host, request, origin);
            assert_eq!((cors(&answer), answer.header("vary")), (Vec::new(), ""), "{origin}");
        }
    }
}

/// H2, H4: an allowed origin is repeated exactly, on errors too; no `*`, no credentials; caches are told.
#[test]
fn an_allowed_origin_is_repeated_exactly() {
    let host = Host::with(&ALLOWED);
    for origin in [APP, "http://127.0.0.1:3000"] {
        for (request, status) in [
            (bare("GET", "/health"), 200),
            (form(TOKEN, GOOD), 200),
            (form(TOKEN, ""), 401),
            (bare("GET", TOKEN), 405),
            (bare("GET", "/api/v1/oauth/scope"), 401),
            (bare("GET", "/nowhere"), 404),
        ] {
            let answer = from_page(&host, request, origin);
            let expected = [
                format!("access-control-allow-origin: {origin}"),
                "access-control-expose-headers: x-request-id, retry-after, www-authenticate, etag".to_owned(),
            ];
            assert_eq!((answer.status, cors(&answer)), (status, expected.to_vec()));
            assert_eq!(answer.header("vary"), "origin");
        }
    }
}

/// H2: any other origin, however alike, and `null` get nothing; H4: and caches are told all the same.
#[test]
fn another_origin_gets_no_header() {
    let host = Host::with(&ALLOWED);
    for origin in [
        "null",
        "*",
        "",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "https://APP.example",
        "https://app.example/",
        "https://app.example, http://127.0.0.1:3000",
    ] {
        for request in [bare("GET", "/health"), bare("OPTIONS", TOKEN)] {
            let answer = from_page(&host, request, origin);
            assert_eq!((cors(&answer), answer.header("vary")), (Vec::new(), "origin"), "{origin}");
        }
    }
    let without = host.send(&bare("GET", "/health"));
    assert_eq!((cors(&without), without.header("vary")), (Vec::new(), "origin"));
}

/// H3, B14: on every path, 204 without data and without a look at any token, registry or connection.
#[test]
fn a_preflight_asks_nobody() {
    let host = Host::with(&ALLOWED);
    host.memory.clients.break_storage();
    host.memory.faults().break_directory(true);
    for route in every_route() {
        let (method, path) = sample(&route);
        let allow = host.send(&bare("TRACE", &path)).header("allow").to_owned();
        assert!(allow.split(", ").any(|each| each == method), "{allow} {path}");
        let preflight = with_header(bare("OPTIONS", &path), "access-control-request-method", method.as_bytes());
        let preflight = with_header(preflight, "authorization", b"Bearer malformed token");
        let answer = from_page(&host, preflight, APP);
        assert_eq!((answer.status, answer.body.len(), answer.header("allow")), (204, 0, allow.as_str()), "{path}");
        let expected = [
            format!("access-control-allow-origin: {APP}"),
            format!("access-control-allow-methods: {allow}"),
            "access-control-allow-headers: authorization, content-type, if-match, x-request-id".to_owned(),
            "access-control-max-age: 600".to_owned(),
        ];
        assert_eq!(cors(&answer), expected);
    }
    let nowhere = from_page(&host, bare("OPTIONS", "/nowhere"), APP);
    assert_eq!((nowhere.status, cors(&nowhere).len()), (404, 2));
}

/// B14: OPTIONS is answered the same whether a thing exists or not, and where nothing is configured.
#[test]
fn options_reveals_nothing_but_the_methods() {
    let host = Host::new().with_code_flow("shop");
    let options = |path: &str| host.send(&bare("OPTIONS", path)).visible();
    assert_eq!(options("/api/v1/connection/shop"), options("/api/v1/connection/none"));
    let unset = Host::with(&[("PUBLIC_URL", ""), ALLOWED[0]]);
    let answer = from_page(&unset, bare("OPTIONS", TOKEN), APP);
    assert_eq!((answer.status, answer.header("allow"), cors(&answer)), (204, "POST", Vec::new()));
}

/// H8: credentials that come by plain http are not looked at: right and wrong ones get the same answer.
#[test]
fn plain_http_is_refused_before_credentials_are_read() {
    let host = Host::new();
    let token = host.root_token();
    let wrong = GOOD.replace("root-secret", "wrong");
    let answers = [
        host.send(&by("http", form(TOKEN, GOOD))),
        host.send(&by("http", form(TOKEN, &wrong))),
        host.send(&by("http", authorized("GET", "/api/v1/oauth/scope", &token, &Value::Null))),
        host.send(&by("http", bare("GET", "/api/v1/oauth/scope"))),
        host.send(&by("ftp", bare("GET", "/api/v1/oauth/callback?state=x&code=y"))),
    ];
    for answer in &answers {
        assert_error(answer, 400, "invalid_request");
        assert_eq!(answer.detail().1, "The request came by plain http. Use https");
        assert_eq!(answer.header("strict-transport-security"), "", "RFC 6797 section 7.2");
        assert_eq!(answer.visible(), answers[0].visible());
    }
    for (path, status) in [("/health", 200), ("/ready", 200), ("/nowhere", 404)] {
        assert_eq!(host.send(&by("http", bare("GET", path))).status, status, "{path}");
    }
    assert_eq!(host.send(&by("https", form(TOKEN, GOOD))).status, 200);
}

/// H8: https is pinned where it is what clients use; a deployment on loopback is reached by http.
#[test]
fn https_is_pinned_where_the_deployment_has_it() {
    let pinned = "max-age=31536000";
    let local = Host::with(&[("PUBLIC_URL", "http://127.0.0.1:8787")]);
    for (host, scheme, expected) in [(Host::new(), "https", pinned), (local, "http", "")] {
        for (request, status) in [
            (bare("GET", "/health"), 200),
            (form(TOKEN, GOOD), 200),
            (bare("GET", TOKEN), 405),
            (bare("GET", "/x"), 404),
        ] {
            let answer = host.send(&by(scheme, request));
            assert_eq!((answer.status, answer.header("strict-transport-security")), (status, expected));
        }
    }
}

/// H5, H7: what a browser shows as a page runs nothing, is framed by nobody and keeps no window; JSON needs none of it.
#[test]
fn pages_are_not_framed_and_keep_no_window() {
    let host = Host::new();
    let page = host.send(&bare("GET", "/connected"));
    let names = ["content-security-policy", "x-frame-options", "cross-origin-opener-policy"];
    let style = "style-src 'sha256-fhuwvM09I5uzU2y1aaqhidUoAF1M/SKgZ7iJab8li9A='";
    let policy = format!("default-src 'none'; {style}; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
    assert_eq!(page.status, 200);
    assert_eq!(names.map(|name| page.header(name)), [&policy, "DENY", "same-origin"]);
    let host = Host::new();
    for request in [bare("GET", "/health"), bare("GET", "/api/v1/oauth/callback"), bare("OPTIONS", TOKEN)] {
        let answer = host.send(&request);
        assert_eq!(names.map(|name| answer.header(name)), [""; 3]);
    }
}

/// H6: text says its charset; JSON has none to say: it is UTF-8 (RFC 8259 §8.1, and its media type has no such
/// parameter, §11).
#[test]
fn the_charset_of_every_body_is_known() {
    let host = Host::with(&[("FIDES_COMPATIBILITY", "true")]).with_authorized("shop");
    let text = host.authorize("shop", "canary-code-2");
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    let page = host.send(&with_header(bare("GET", "/connect/x"), "accept", b"text/html"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for route in every_route().filter(|route| *route != Route::Connected) {
        let (method, path) = sample(&route);
        for answer in
            [host.send(&bare(method, &path)), host.send(&authorized(method, &path, &host.root(), &Value::Null))]
        {
            if !answer.body.is_empty() {
                let is_text = route == Route::Metrics && answer.status == 200;
                let expected = if is_text { "text/plain; version=0.0.4; charset=utf-8" } else { "application/json" };
                assert_eq!(answer.header("content-type"), expected, "{method} {path}");
                assert!(std::str::from_utf8(&answer.body).is_ok());
            }
        }
    }
}
