//! `POST /oauth/token`: the request as a message: method, URL, content type, size, parameters.

use super::{Answered, Host, bare, form, with_header};
use crate::api::{Body, route::body_limit};

/// The token endpoint.
pub(super) const TOKEN: &str = "/api/v1/oauth/token";

/// A body that gets a token.
pub(super) const GOOD: &str = "grant_type=client_credentials&client_id=root-id&client_secret=root-secret";

/// An error of the token endpoint: RFC 6749 §5.2, and `detail` for readers of Fides (T34, T35, H1).
#[track_caller]
pub(super) fn assert_error(answer: &Answered, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    let body = answer.json();
    assert_eq!(body["error"], error, "{body}");
    let description = body["error_description"].as_str().unwrap();
    assert_eq!(body["detail"], description);
    let allowed = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    assert!(!description.is_empty() && description.bytes().all(allowed), "{description}");
    assert!(body["access_token"].is_null());
}

/// T1, T34: credentials in a URL are refused with the method, and not logged.
#[test]
fn only_post_gets_a_token() {
    let host = Host::new();
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = host.send(&bare(method, &format!("{TOKEN}?{GOOD}&x=canary")));
        assert_error(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), "POST", "{method}");
    }
    let head = host.send(&bare("HEAD", &format!("{TOKEN}?{GOOD}")));
    assert_eq!((head.status, head.header("allow"), head.body.len()), (405, "POST", 0));
}

/// T2: a secret in the URL is refused, even beside good credentials in the body.
#[test]
fn a_secret_in_the_url_is_refused() {
    let host = Host::new();
    for query in ["client_secret=root-secret", "client_secret=", "client_assertion=x", &GOOD[29..]] {
        assert_error(&host.send(&form(&format!("{TOKEN}?{query}"), GOOD)), 400, "invalid_request");
        assert_error(&host.send(&form(&format!("{TOKEN}?{query}"), "")), 400, "invalid_request");
    }
}

/// T2: whatever else is in the URL is not read.
#[test]
fn parameters_in_the_url_count_for_nothing() {
    let host = Host::new();
    let answer = host.send(&form(&format!("{TOKEN}?scope=none&client_id=other&grant_type=password"), GOOD));
    assert_eq!(answer.status, 200);
    let only_there = form(&format!("{TOKEN}?grant_type=client_credentials"), &GOOD[30..]);
    assert_error(&host.send(&only_there), 400, "invalid_request");
}

/// T3: another content type, none, or one that is no text.
#[test]
fn a_body_that_is_no_form_is_refused() {
    let host = Host::new();
    let types: [&[u8]; 9] = [
        b"application/json",
        b"text/plain",
        b"application/x-www-form-urlencodedX",
        b"multipart/form-data; boundary=x",
        b"multipart/form-data",
        b"",
        b"/",
        b";application/x-www-form-urlencoded",
        b"application/x-www-form-urlencoded\xff",
    ];
    for content_type in types {
        let request = with_header(bare("POST", TOKEN), "content-type", content_type);
        let answer = host.send(&request.map(|_| Body::Complete(GOOD.as_bytes().to_vec())));
        assert_error(&answer, 400, "invalid_request");
    }
    let without = bare("POST", TOKEN).map(|_| Body::Complete(GOOD.as_bytes().to_vec()));
    assert_error(&host.send(&without), 400, "invalid_request");
}

/// T4: letter case and parameters of the content type do not matter.
#[test]
fn the_content_type_may_have_capitals_and_a_charset() {
    let host = Host::new();
    for content_type in [
        "APPLICATION/X-WWW-FORM-URLENCODED",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded;charset=UTF-8",
    ] {
        let request = with_header(bare("POST", TOKEN), "content-type", content_type.as_bytes());
        let answer = host.send(&request.map(|_| Body::Complete(GOOD.as_bytes().to_vec())));
        assert_eq!(answer.status, 200, "{content_type}");
    }
}

/// T5: 16 KiB, and not a byte more; the edge reads as much as the route says.
#[test]
fn a_body_beyond_16_kib_is_too_large() {
    assert_eq!(body_limit(&http::Method::POST, TOKEN), 16 * 1024);
    let host = Host::new();
    assert_error(&host.send(&form(TOKEN, "").map(|_| Body::TooLarge)), 413, "invalid_request");
    let full = format!("{GOOD}&padding={}", "x".repeat(16 * 1024 - GOOD.len() - 9));
    assert_eq!((full.len(), host.send(&form(TOKEN, &full)).status), (16 * 1024, 200));
}

/// T6: twice is refused, be the values equal or not.
#[test]
fn a_repeated_parameter_is_refused() {
    let host = Host::new();
    for again in [
        "grant_type=client_credentials",
        "grant_type=password",
        "grant_type=",
        "client_id=root-id",
        "client_id=other",
        "client_secret=root-secret",
        "client_secret=other",
    ] {
        assert_error(&host.send(&form(TOKEN, &format!("{GOOD}&{again}"))), 400, "invalid_request");
    }
    let scopes = format!("{GOOD}&scope=policy:read&scope=policy:read");
    assert_error(&host.send(&form(TOKEN, &scopes)), 400, "invalid_request");
}

/// T7: up to 64 parameters, the unknown ones ignored.
#[test]
fn unknown_parameters_are_ignored_up_to_a_limit() {
    let host = Host::new();
    let body = |count: usize| (0..count).map(|n| format!("&p{n}=1")).fold(GOOD.to_owned(), |body, more| body + &more);
    assert_eq!(host.send(&form(TOKEN, &body(61))).status, 200);
    assert_error(&host.send(&form(TOKEN, &body(62))), 400, "invalid_request");
    assert_error(&host.send(&form(TOKEN, &format!("{GOOD}&{}", "a&".repeat(7_000)))), 400, "invalid_request");
}

/// T8: an empty scope is no scope parameter.
#[test]
fn an_empty_scope_counts_as_absent() {
    let host = Host::new();
    let whole = host.send(&form(TOKEN, GOOD)).json()["scope"].clone();
    let answer = host.send(&form(TOKEN, &format!("{GOOD}&scope=")));
    assert_eq!((answer.status, &answer.json()["scope"]), (200, &whole));
}

/// Bytes that are no UTF-8, and bodies that are nothing at all.
#[test]
fn a_body_of_garbage_is_an_error_of_the_request() {
    let host = Host::new();
    for (body, error) in [("%ff=1", "invalid_request"), ("a=%C3%28", "invalid_request"), ("&&&", "invalid_client")] {
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_error(&host.send(&form(TOKEN, body)), status, error);
    }
    let raw = form(TOKEN, "").map(|_| Body::Complete(vec![0xFF, 0x00, b'=', 0xFE]));
    assert_error(&host.send(&raw), 400, "invalid_request");
}
