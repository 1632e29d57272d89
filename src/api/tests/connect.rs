//! Connect links and the browser that an authorization is bound to; where it is sent afterwards; who may answer for a
//! provider.

use serde_json::{Value, json};
use url::Url;

use super::{
    Answered, Host, bare,
    stage::{CODE_FLOW, answer, callback, query, tokens},
    with_header,
};
use crate::api::Body;

/// The setting for pages that a browser may be sent to.
const RETURNS: (&str, &str) = ("ALLOWED_RETURN_ORIGINS", "https://app.example");

/// A host with these settings whose connections can be authorized, with a provider that gives tokens.
fn with(changes: &[(&str, &str)], keys: &[&str]) -> Host {
    let host = keys.iter().fold(Host::with(changes), |host, key| host.with_code_flow(key));
    host.provider_answers([answer(200, &tokens(1))]);
    host
}

/// As a browser sends it.
fn from_browser(request: http::Request<Body>) -> http::Request<Body> {
    with_header(request, "accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
}

/// Makes a link: its path.
fn link(host: &Host, key: &str, body: &Value) -> String {
    let made = host.as_root("POST", &format!("/connection/{key}/connect_link"), body);
    assert_eq!(made.status, 200, "{made:?}");
    let url = made.json()["url"].as_str().unwrap().to_owned();
    url.strip_prefix("https://postern.example").unwrap().to_owned()
}

/// Clicks the button of a link's page.
pub(super) fn click(host: &Host, path: &str) -> Answered {
    host.send(&with_header(from_browser(bare("POST", path)), "origin", b"https://postern.example"))
}

/// Opens a link: the state, and the cookie that the browser keeps.
pub(super) fn start(host: &Host, path: &str) -> (String, String) {
    let gone_on = click(host, path);
    assert_eq!(gone_on.status, 200, "{gone_on:?}");
    let cookie = gone_on.header("set-cookie").split(';').next().unwrap().to_owned();
    let html = gone_on.text();
    let address = html.split("0;url=").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    (query(&Url::parse(&address).unwrap(), "state"), cookie)
}

/// Comes back from the provider with a code and a cookie.
pub(super) fn come_back(host: &Host, state: &str, cookie: &str) -> Answered {
    let request = callback(&format!("state={state}&code=canary-code-1"));
    host.send(&with_header(request, "cookie", cookie.as_bytes()))
}

/// K4, K20: the link's page names connection and provider; its button leaves the cookie; the browser with it is let in.
#[test]
fn a_link_leads_through_the_provider_and_back() {
    let host = with(&[], &["shop"]);
    let path = link(&host, "shop", &Value::Null);
    let page = host.send(&from_browser(bare("GET", &path)));
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().contains("Connect shop") && page.text().contains("query-provider.example"), "{}", page.text());
    assert_eq!(page.header("referrer-policy"), "same-origin");
    let gone_on = click(&host, &path);
    let cookie = gone_on.header("set-cookie");
    assert!(cookie.starts_with("__Host-postern-"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert_eq!((gone_on.status, gone_on.header("referrer-policy")), (200, "no-referrer"));
    let (state, cookie) = start(&host, &link(&host, "shop", &Value::Null));
    let request = callback(&format!("state={state}&code=canary-code-1"));
    let back = host.send(&with_header(from_browser(request), "cookie", format!("a=b; {cookie}").as_bytes()));
    assert_eq!((back.status, back.header("location")), (303, "/connected"));
    let page = host.send(&from_browser(bare("GET", "/connected")));
    assert!(page.status == 200 && page.text().contains("The connection is authorized."), "{}", page.text());
    let name = cookie.split('=').next().unwrap();
    assert!(back.header("set-cookie").starts_with(&format!("{name}=; Path=/; Max-Age=0;")));
    assert_eq!(host.live("shop").0, 200);
}

/// K4: without the cookie, with another one, with one of another authorization: refused, and the state is over.
#[test]
fn another_browser_cannot_finish() {
    let host = with(&[], &["shop"]);
    let (_, old) = start(&host, &link(&host, "shop", &Value::Null));
    for wrong in ["", "a=b", &old, &format!("{}=", old.split('=').next().unwrap()), &old.replace("__Host-", "")] {
        let (state, cookie) = start(&host, &link(&host, "shop", &Value::Null));
        let refused = come_back(&host, &state, wrong);
        let detail = "The authorization of shop was begun in another browser. Begin it again in this one.";
        assert_eq!(refused.detail(), (403, detail.into()), "{wrong}");
        assert_eq!(come_back(&host, &state, &cookie).status, 404, "{wrong}");
    }
    assert_eq!((host.requests(), host.live("shop").0), (0, 409));
}

/// K4: the cookie's value is stored as a digest only, and so are state and link.
#[test]
fn cookie_state_and_link_are_not_stored() {
    let host = with(&[], &["shop"]);
    let path = link(&host, "shop", &Value::Null);
    assert!(!host.memory.dump().contains(path.rsplit('/').next().unwrap()));
    let (state, cookie) = start(&host, &path);
    let dump = host.memory.dump();
    assert!(!dump.contains(&state) && !dump.contains(cookie.split('=').nth(1).unwrap()), "{dump}");
}

/// K5: two connections in one browser, finished in the other order.
#[test]
fn authorizations_in_one_browser_do_not_disturb_each_other() {
    let host = with(&[], &["shop", "bank"]);
    let (shop, shop_cookie) = start(&host, &link(&host, "shop", &Value::Null));
    let (bank, bank_cookie) = start(&host, &link(&host, "bank", &Value::Null));
    let jar = format!("{shop_cookie}; {bank_cookie}");
    assert_eq!(come_back(&host, &bank, &jar).status, 200);
    assert_eq!(come_back(&host, &shop, &jar).status, 200);
}

/// K4: other cookies do not hide ours, whatever bytes they hold.
#[test]
fn cookies_of_others_do_not_hide_ours() {
    let host = with(&[], &["shop"]);
    for (before, after) in [("n=\u{e9}; ", ""), ("", "; n=\u{e9}"), ("; ;=; \u{e9}; a=;", ";")] {
        let (state, cookie) = start(&host, &link(&host, "shop", &Value::Null));
        assert_eq!(come_back(&host, &state, &format!("{before}{cookie}{after}")).status, 200, "{before}{after}");
        // As the edge hands a byte on that is no UTF-8.
        let (state, cookie) = start(&host, &link(&host, "shop", &Value::Null));
        let mut jar = cookie.into_bytes();
        jar.extend(b"; n=\xe9");
        let request = callback(&format!("state={state}&code=canary-code-1"));
        assert_eq!(host.send(&with_header(request, "cookie", &jar)).status, 200);
    }
}

/// R6: the directory already knows when to look at a connection with a link: that it does not hear of the click does
/// not cost a person the link. The sweep repairs the row, and forgets the state.
#[test]
fn a_click_is_not_lost_when_the_directory_is_broken() {
    let host = with(&[], &["shop"]);
    let path = link(&host, "shop", &Value::Null);
    host.memory.faults().break_directory(true);
    let (state, cookie) = start(&host, &path);
    host.memory.faults().break_directory(false);
    assert_eq!(come_back(&host, &state, &cookie).status, 200);
    let path = link(&host, "shop", &Value::Null);
    host.memory.faults().break_directory(true);
    start(&host, &path);
    host.memory.faults().break_directory(false);
    host.wait(1800);
    assert_eq!(host.as_root("POST", "/sweep", &Value::Null).json()["due"], 1);
    assert!(!host.memory.state().contains("code_verifier"));
}

/// H9: the button works from the link's own page only; the link is not used up by a forged form.
#[test]
fn a_form_of_another_site_is_refused() {
    let host = with(&[], &["shop"]);
    let path = link(&host, "shop", &Value::Null);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://postern.example.evil.example"),
        ("origin", "http://postern.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("x-nothing", "x"),
    ] {
        let refused = host.send(&with_header(bare("POST", &path), name, value.as_bytes()));
        assert_eq!((refused.status, refused.header("set-cookie")), (403, ""), "{name}: {value}");
    }
    let own = with_header(bare("POST", &path), "sec-fetch-site", b"same-origin");
    assert_eq!(host.send(&own).status, 200);
}

/// K2, R6: a link is good once, in time, the latest of its connection, and for a connection that is still there.
#[test]
fn a_link_is_good_once_for_half_an_hour() {
    let host = with(&[], &["shop"]);
    let used = link(&host, "shop", &Value::Null);
    assert_eq!((click(&host, &used).status, click(&host, &used).status), (200, 404));
    let (first, second) = (link(&host, "shop", &Value::Null), link(&host, "shop", &Value::Null));
    assert_eq!(click(&host, &first).status, 404);
    host.memory.restart();
    host.wait(1799);
    assert_eq!(host.send(&bare("GET", &second)).status, 200);
    host.wait(1);
    assert_eq!((host.send(&bare("GET", &second)).status, click(&host, &second).status), (404, 404));
    assert_eq!(host.as_root("POST", "/sweep", &Value::Null).json()["due"], 1);
    assert!(!host.memory.state().contains("expires_at\\\":1"), "{}", host.memory.state());
    let last = link(&host, "shop", &Value::Null);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    let page = host.send(&from_browser(bare("GET", &last)));
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(page.text().contains("This link is not valid any more."), "{}", page.text());
    for forged in ["/connect/x", "/connect/a.b.c", &last.replacen(|c: char| c.is_ascii_digit(), "x", 1)] {
        assert_eq!(click(&host, forged).status, 404, "{forged}");
    }
}

/// R1: of twenty clicks at the same time one goes on.
#[test]
fn parallel_clicks_begin_one_authorization() {
    let host = with(&[], &["shop"]);
    let path = link(&host, "shop", &Value::Null);
    let one = || with_header(bare("POST", &path), "origin", b"https://postern.example");
    let answers = host.send_all(&std::iter::repeat_with(one).take(20).collect::<Vec<_>>());
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(404)), (1, 19));
}

/// With `REQUIRE_BROWSER_BINDING` there is no unbound way through our own callback; links work, and so does a caller
/// who owns the redirect URI.
#[test]
fn binding_can_be_required() {
    let host = with(&[("REQUIRE_BROWSER_BINDING", "true")], &["shop"]);
    let refused = host.as_root("GET", "/connection/shop/authorize", &Value::Null);
    let detail = "Authorizations must begin with a connect link here: see POST /api/v1/connection/shop/connect_link";
    assert_eq!(refused.detail(), (403, detail.into()));
    let (state, cookie) = start(&host, &link(&host, "shop", &Value::Null));
    assert_eq!(come_back(&host, &state, &cookie).status, 200);
    let elsewhere = json!({ "redirect_uri": "https://app.example/callback" });
    assert_eq!(host.as_root("PATCH", "/connection/shop/secret?verify=false", &elsewhere).status, 200);
    let state = host.state("shop");
    assert_eq!(come_back(&host, &state, "").status, 403);
    let body = json!({ "state": host.state("shop"), "code": "canary-code-2" });
    assert_eq!(host.as_root("POST", "/connection/shop/complete", &body).status, 200);
}

/// A caller who takes the callback on its own domain hands it over; a bound one it cannot.
#[test]
fn a_caller_can_finish_what_is_bound_to_no_browser() {
    let host = with(&[], &["shop", "bank"]);
    let complete = |key: &str, body: Value| host.as_root("POST", &format!("/connection/{key}/complete"), &body);
    let (bound, _) = start(&host, &link(&host, "shop", &Value::Null));
    assert_eq!(complete("shop", json!({ "state": bound, "code": "c" })).status, 403);
    let state = host.state("shop");
    assert_eq!(complete("bank", json!({ "state": state, "code": "c" })).status, 404);
    for (body, status) in [
        (json!([]), 422),
        (Value::Null, 422),
        (json!({ "code": "c" }), 422),
        (json!({ "state": 1, "code": "c" }), 422),
        (json!({ "state": state }), 422),
        (json!({ "state": state, "code": "c", "error": "access_denied" }), 422),
        (json!({ "state": state, "code": "c".repeat(4097) }), 422),
        (json!({ "state": "x", "code": "c" }), 400),
    ] {
        assert_eq!(complete("shop", body.clone()).status, status, "{body}");
    }
    assert_eq!(host.requests(), 0);
    let done = complete("shop", json!({ "state": state, "code": "canary-code-1", "iss": null }));
    assert_eq!((done.status, done.json()), (200, json!({ "connection_key": "shop", "authorized": true })));
    assert_eq!(complete("shop", json!({ "state": state, "code": "canary-code-1" })).status, 404);
    assert_eq!((host.requests(), host.live("shop").0), (1, 200));
}

/// K13: nothing begins without a token with the scope: no URL, no link, no completion.
#[test]
fn only_a_caller_with_the_scope_begins() {
    let host = with(&[], &["shop"]);
    let (narrow, before) = (host.caller(&["connection:read"]), host.memory.state());
    for (method, path) in [("GET", "authorize"), ("POST", "connect_link"), ("POST", "complete")] {
        let path = format!("/connection/shop/{path}");
        assert_eq!(host.send(&bare(method, &format!("/api/v1{path}"))).status, 401, "{path}");
        assert_eq!(host.call(&narrow, method, &path, &Value::Null).status, 403, "{path}");
    }
    assert_eq!(host.memory.state(), before);
}

/// K10, K14: the browser is sent to an allowed origin, by 303; which one was said at the beginning.
#[test]
fn the_browser_is_sent_where_it_began() {
    let host = with(&[RETURNS], &["shop"]);
    let path = link(&host, "shop", &json!({ "return_to": "https://app.example/settings?tab=shop" }));
    let (state, cookie) = start(&host, &path);
    let back = come_back(&host, &state, &cookie);
    let expected = "https://app.example/settings?tab=shop&status=succeeded";
    assert_eq!((back.status, back.header("location"), back.body.len()), (303, expected, 0));
    let bearer = format!("Bearer {}", host.root());
    for (referer, location) in [
        ("https://app.example/systems/configure/x?y", "https://app.example/integrations/shop?status=succeeded"),
        ("https://evil.example/", ""),
        ("javascript:alert(1)", ""),
    ] {
        let begin = with_header(bare("GET", "/api/v1/connection/shop/authorize"), "referer", referer.as_bytes());
        let url = host.send(&with_header(begin, "authorization", bearer.as_bytes())).json();
        let state = query(&Url::parse(url.as_str().unwrap()).unwrap(), "state");
        let back = come_back(&host, &state, "");
        assert_eq!((back.status == 303, back.header("location")), (!location.is_empty(), location), "{referer}");
    }
}

/// K10, K12: no other address is taken, in no place; the callback's own parameters and headers mean nothing.
#[test]
fn the_browser_is_sent_nowhere_else() {
    let host = with(&[RETURNS], &["shop"]);
    for (bad, kind) in [
        (json!("https://app.example.evil/"), "value_error"),
        (json!("https://app.example@evil/"), "value_error"),
        (json!("/x"), "value_error"),
        (json!(1), "string_type"),
        (json!([]), "string_type"),
    ] {
        let refused = host.as_root("POST", "/connection/shop/connect_link", &json!({ "return_to": bad }));
        assert_eq!(refused.issues(), (422, vec![(kind.to_owned(), r#"["body","return_to"]"#.to_owned())]), "{bad}");
    }
    let more = "redirect=https://evil.example&return_to=https://app.example";
    let request = callback(&format!("state={}&code=c&{more}", host.state("shop")));
    let back = host.send(&with_header(request, "referer", b"https://app.example/"));
    assert_eq!((back.status, back.header("location")), (200, ""));
    let none = with(&[], &["shop"]);
    let refused = none.as_root("POST", "/connection/shop/connect_link", &json!({ "return_to": "https://app.example" }));
    assert_eq!(refused.status, 422);
}

/// K11: whatever `Host` and forwarded headers say, the link leads to the configured address.
#[test]
fn a_link_is_made_of_the_configured_address() {
    let host = with(&[], &["shop"]);
    let bearer = format!("Bearer {}", host.root());
    let request = with_header(bare("POST", "/api/v1/connection/shop/connect_link"), "authorization", bearer.as_bytes());
    let request = with_header(with_header(request, "host", b"evil.example"), "x-forwarded-host", b"evil.example");
    let url = host.send(&request).json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://postern.example/connect/"), "{url}");
}

/// K6: the answer of another provider goes nowhere, and uses the state up.
#[test]
fn the_issuer_of_an_answer_is_checked() {
    let own = "https://api.query-provider.example";
    let demanding = CODE_FLOW.replacen(
        "        authorization_request:",
        &format!("        issuer: {own}\n        authorization_request:"),
        1,
    );
    assert_ne!(demanding, CODE_FLOW);
    for (definition, iss, status) in [
        (CODE_FLOW, None, 200),
        (CODE_FLOW, Some("https://api.query-provider.example/tenant"), 200),
        (CODE_FLOW, Some("https://evil.example"), 400),
        (CODE_FLOW, Some("no-url"), 400),
        (&*demanding, Some(own), 200),
        (&demanding, None, 400),
        (&demanding, Some("https://api.query-provider.example/"), 400),
        (&demanding, Some("https://evil.example"), 400),
    ] {
        let host = with(&[], &["shop"]);
        assert_eq!(host.define("shop", definition).status, 200);
        for answer in ["code=canary-code-1", "error=access_denied"] {
            let state = host.state("shop");
            let iss = iss.map(|iss| format!("&iss={iss}")).unwrap_or_default();
            let back = host.callback(&format!("state={state}&{answer}{iss}"));
            let declined = answer.starts_with("error");
            assert_eq!(back.status, if declined { 400 } else { status }, "{iss} {answer}");
            if status == 400 {
                assert_eq!(back.detail().1, "The answer does not come from the provider of shop.");
            }
            assert_eq!(host.callback(&format!("state={state}&code=c{iss}")).status, 404);
        }
        assert_eq!(host.requests(), usize::from(status == 200), "{iss:?}");
    }
}

/// The prefix of `OAUTH_INSTANCE` tells a forwarder whose callback it is; one of another instance is unknown.
#[test]
fn a_state_begins_with_the_instance() {
    let host = with(&[("OAUTH_INSTANCE", "eu-1")], &["shop"]);
    let state = host.state("shop");
    assert!(state.starts_with("eu-1-"), "{state}");
    let (other, bare) = (state.replacen("eu-1-", "eu-2-", 1), state.replacen("eu-1-", "", 1));
    for unknown in [other, bare] {
        assert_eq!(host.callback(&format!("state={unknown}&code=c")).status, 404, "{unknown}");
    }
    assert_eq!(host.callback(&format!("state={state}&code=c")).status, 200);
}

/// K1, K9: what goes wrong is a page for a browser and JSON for anybody else; neither repeats what was sent.
#[test]
fn what_went_wrong_is_shown_on_a_page() {
    let host = with(&[], &["shop"]);
    let evil = "error=%3Cscript%3E&error_description=%3Cb%3Eevil&error_uri=javascript:evil";
    let request = callback(&format!("state={}&{evil}", host.state("shop")));
    let page = host.send(&from_browser(request));
    assert_eq!((page.status, page.header("content-type")), (400, "text/html; charset=utf-8"));
    assert!(page.text().contains("The provider did not authorize shop (unknown_error)."), "{}", page.text());
    assert!(!page.text().contains("evil") && !page.text().contains("<script"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"));
    let json = with_header(callback("state=x&code=c"), "accept", b"application/json");
    assert_eq!(host.send(&json).detail(), (400, "Malformed callback: state is malformed".into()));
}
