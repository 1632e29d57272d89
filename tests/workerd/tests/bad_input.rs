//! What callers send wrong, and what operators set wrong: each is refused with its own words, and nothing is stored.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{CLIENT, CODE_FLOW, TOKEN, at, client, connect, raw, reader, root, secrets, token};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Request, Setup};

/// A token request's form.
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Fails unless an answer is a JSON error of RFC 6749 §5.2 with this status and code (T34).
#[track_caller]
fn assert_token_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{}", answer.text());
    assert!(answer.json()["detail"].is_string() && answer.json()["error_description"].is_string());
    assert_eq!((answer.header("Cache-Control"), answer.header("Pragma")), (Some("no-store"), Some("no-cache")));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

/// T12, T13: no credentials, unknown client, wrong secret, deleted client, and all by both methods: one answer.
#[test]
fn wrong_client_credentials_get_one_answer_with_a_basic_challenge() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let gone = client(&postern, &root, &["scope:read"]);
    let other = client(&postern, &root, &["scope:read"]);
    drop(postern.delete(&format!("{CLIENT}/{}", gone.id)).bearer(&root).send().expect_status(200));
    let mut answers = vec![postern.post(TOKEN).form(&GRANT).send()];
    for (id, secret) in [
        (ROOT_CLIENT_ID, "wrong"),
        ("nobody", ROOT_CLIENT_SECRET),
        (&gone.id, &gone.secret),
        (&other.id, &gone.secret),
        (&other.id.to_ascii_uppercase(), &other.secret),
    ] {
        answers.push(postern.post(TOKEN).basic(id, secret).form(&GRANT).send());
        let form = [("client_id", id), ("client_secret", secret)];
        answers.push(postern.post(TOKEN).form(&[&GRANT[..], &form[..]].concat()).send());
    }
    for answer in &answers {
        assert_token_error(answer, 401, "invalid_client");
        assert!(answer.header("WWW-Authenticate").is_some_and(|challenge| challenge.starts_with("Basic realm=")));
        assert_eq!(answer.text(), answers[0].text());
    }
}

/// B7, B9, J1, J13: whatever is wrong with a token, the answer is the same.
#[test]
fn unusable_bearer_tokens_get_one_answer() {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let good = root(&postern);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = [parts[0], parts[1], parts[2]];
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let broken: String = signature.chars().rev().collect();
    let unusable = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{broken}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{}")),
        good.clone(),
    ];
    drop(postern.get("/api/v1/oauth/scope").bearer(&good).send().expect_status(200));
    clock.advance(11_520 * 60);
    let answers = unusable.map(|token| postern.get("/api/v1/oauth/scope").bearer(&token).send());
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!((answer.status, answer.text()), (401, answers[0].text()), "number {index}");
        let challenge = answer.header("WWW-Authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

/// T29, C1, C3: nobody gets or gives more than they hold.
#[test]
fn a_scope_that_the_caller_does_not_hold_is_neither_granted_nor_given() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let narrow = client(&postern, &root, &["client:create", "scope:read"]);
    for scope in ["connection:read", "scope:read connection:read", "no:such", "scope:read  client:create"] {
        let form = [GRANT[0], ("scope", scope)];
        let answer = postern.post(TOKEN).basic(&narrow.id, &narrow.secret).form(&form).send();
        assert_token_error(&answer, 400, "invalid_scope");
    }
    let own = token(&postern, &narrow.id, &narrow.secret);
    for scopes in [json!(["connection:read"]), json!(["scope:read", "client:delete"]), json!(["no:such"])] {
        let answer = postern.post(CLIENT).bearer(&own).json(&json!({ "scopes": scopes })).send().expect_status(403);
        assert!(answer.json()["detail"].is_string() && answer.json().get("client_id").is_none());
    }
    drop(client(&postern, &own, &["scope:read"]));
}

/// M5: what is not there is 404 on each route of a connection; asking does not make it.
#[test]
fn an_unknown_connection_is_not_found_and_not_made_by_asking() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let document = json!({ "saas_config": {} });
    for (method, rest, body) in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/saas_config", None),
        ("PUT", "/secret", Some(json!({}))),
        ("PATCH", "/saas_config", Some(document)),
        ("GET", "/authorize", None),
        ("GET", "/access_token", None),
    ] {
        let request = postern.request(method, &at("nowhere", rest)).bearer(&root);
        let request = body.iter().fold(request, Request::json);
        let answer = request.send().expect_status(404);
        assert_eq!(answer.json()["detail"], "No connection configuration found with key 'nowhere'.", "{method} {rest}");
    }
    let list = postern.get("/api/v1/connection").bearer(&root).send().expect_status(200).json();
    assert_eq!((&list["total"], &list["items"]), (&json!(0), &json!([])));
}

/// T3, T6, C9, P6, P10: malformed documents are refused by name and place.
#[test]
fn malformed_documents_are_refused_and_change_nothing() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets("127.0.0.1:9"));
    let before = postern.get(&at("shop", "/saas_config")).bearer(&root).send().expect_status(200).text();
    let misspelt = CODE_FLOW.replace("<client_secret>", "<client_sercet>");
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    let deep = "[".repeat(1_000);
    for (method, path, content_type, body) in [
        ("POST", CLIENT.to_owned(), "application/json", "{\"scopes\": ["),
        ("POST", CLIENT.to_owned(), "application/json", "{\"scopes\": \"scope:read\"}"),
        ("POST", CLIENT.to_owned(), "application/json", "{\"client_id\": \"chosen\"}"),
        ("POST", CLIENT.to_owned(), "text/plain", "{}"),
        ("PATCH", "/api/v1/connection".to_owned(), "application/json", "{}"),
        ("PATCH", "/api/v1/connection".to_owned(), "application/json", "[{\"key\": \"a b\"}]"),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", "saas_config: [unclosed"),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", "a: 1\na: 2"),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", bomb),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", &deep),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", &misspelt),
        ("PATCH", at("shop", "/saas_config"), "application/json", CODE_FLOW),
        ("PATCH", at("shop", "/saas_config"), "application/json", &deep),
        ("PUT", at("shop", "/secret"), "application/json", "[]"),
        ("PUT", at("shop", "/secret"), "application/json", "\u{0}"),
    ] {
        let answer = postern.request(method, &path).bearer(&root).body(content_type, body).send();
        assert_eq!(answer.status, 422, "{method} {path} {body}: {}", answer.text());
        let detail = answer.json()["detail"].clone();
        assert!(detail[0]["loc"][0] == "body" && detail[0]["msg"].is_string(), "{method} {path} {body}: {detail}");
    }
    let after = postern.get(&at("shop", "/saas_config")).bearer(&root).send().expect_status(200).text();
    assert_eq!(before, after);
}

/// T3, T6, T9, T10, T14, T19: malformed token requests.
#[test]
fn malformed_token_requests_are_refused() {
    let postern = Postern::start(Setup::new());
    let form = "application/x-www-form-urlencoded";
    let good = "grant_type=client_credentials";
    for (content_type, body, code) in [
        ("application/json", "{}", "invalid_request"),
        ("", good, "invalid_request"),
        ("multipart/form-data; boundary=x", good, "invalid_request"),
        (form, "", "invalid_request"),
        (form, "grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (form, "grant_type=%ff", "invalid_request"),
        (form, "grant_type=password", "unsupported_grant_type"),
        (form, "grant_type=client_credentials&client_secret=x", "invalid_request"),
        (form, "grant_type=client_credentials&scope=%22", "invalid_scope"),
    ] {
        let answer = postern.post(TOKEN).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).body(content_type, body).send();
        assert_token_error(&answer, 400, code);
    }
    for header in ["Basic", "Basic !", "Basic bm9jb2xvbg==", "Basic  eDp5"] {
        let answer = postern.post(TOKEN).header("Authorization", header).body(form, good).send();
        assert_token_error(&answer, 400, "invalid_request");
    }
}

/// P6: a placeholder must have a value when it is needed, and the answer says which.
#[test]
fn a_placeholder_without_a_value_is_named() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets("127.0.0.1:9"));
    let refused = postern.put(&at("shop", "/secret")).bearer(&root).json(&json!({ "client_id": "saas" })).send();
    assert!(refused.expect_status(422).text().contains("client_secret"));
    // A connection that never got secrets.
    let item = json!([{ "key": "bare", "connection_type": "saas", "access": "read" }]);
    drop(postern.patch("/api/v1/connection").bearer(&root).json(&item).send().expect_status(200));
    let definition = postern.patch(&at("bare", "/saas_config")).bearer(&root).body("application/yaml", CODE_FLOW);
    drop(definition.send().expect_status(200));
    let refused = postern.get(&at("bare", "/authorize")).bearer(&root).send();
    let detail = refused.expect_status(400).json()["detail"].to_string();
    assert!(detail.contains("client_id") && detail.contains("client_secret"), "{detail}");
}

/// T5: too much is refused by its announced length, and where none is announced as soon as it is too much.
#[test]
fn a_body_that_is_too_large_is_refused_with_and_without_a_length() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets("127.0.0.1:9"));
    for (method, path, content_type, limit) in [
        ("POST", TOKEN.to_owned(), "application/x-www-form-urlencoded", 16 * 1024),
        ("POST", CLIENT.to_owned(), "application/json", 64 * 1024),
        ("PATCH", at("shop", "/saas_config"), "application/yaml", 256 * 1024),
    ] {
        let body = " ".repeat(limit);
        let fits = postern.request(method, &path).bearer(&root).body(content_type, body.clone()).send();
        assert!((400..500).contains(&fits.status) && fits.status != 413, "{path}: {}", fits.status);
        // Refused before it is read whole: a client that only writes may see the connection end, so both are read raw.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {root}\r\n\
             Content-Type: {content_type}\r\n"
        );
        let told = raw(&postern, &format!("{head}Content-Length: {}\r\n\r\n{body} ", limit + 1));
        assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("\"detail\":\""), "{path}: {told}");
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body} \r\n0\r\n\r\n", limit + 1);
        let untold = raw(&postern, &chunked);
        assert!(untold.starts_with("HTTP/1.1 413 "), "{path}: {untold}");
    }
    drop(reader(&postern, &root));
}

/// T41, E6: what is set wrong is named without its value, and nothing works with half of the settings.
#[test]
fn missing_and_malformed_settings_are_named_and_close_every_route_but_health() {
    for (setup, setting, value) in [
        (Setup::new().unset("OAUTH_ROOT_CLIENT_ID"), "OAUTH_ROOT_CLIENT_ID", None),
        (Setup::new().unset("OAUTH_ROOT_CLIENT_SECRET"), "OAUTH_ROOT_CLIENT_SECRET", None),
        (Setup::new().unset("APP_ENCRYPTION_KEY"), "APP_ENCRYPTION_KEY", None),
        (Setup::new().unset("PUBLIC_URL"), "PUBLIC_URL", None),
        (Setup::new().set("APP_ENCRYPTION_KEY", "16-bytes-of-text"), "APP_ENCRYPTION_KEY", Some("16-bytes-of-text")),
        (Setup::new().set("REFRESH_LEAD_SECONDS", "soonish"), "REFRESH_LEAD_SECONDS", Some("soonish")),
    ] {
        let postern = Postern::start(setup);
        drop(postern.get("/health").send().expect_status(200));
        let ready = postern.get("/ready").send().expect_status(503);
        let problems = ready.json()["problems"].clone();
        let names: Vec<&Value> = problems.as_array().into_iter().flatten().map(|problem| &problem["setting"]).collect();
        assert_eq!(names, [setting]);
        for answer in [
            postern.post(TOKEN).basic(ROOT_CLIENT_ID, ROOT_CLIENT_SECRET).form(&GRANT).send(),
            postern.post(TOKEN).basic(ROOT_CLIENT_ID, "").form(&GRANT).send(),
            postern.get("/api/v1/connection").bearer("x").send(),
            postern.get(common::CALLBACK).send(),
        ] {
            assert_eq!(answer.status, 503, "{setting}: {}", answer.text());
            assert!(value.is_none_or(|value| !(answer.text() + &ready.text()).contains(value)));
        }
    }
    drop(Postern::start(Setup::new()).get("/ready").send().expect_status(200));
}
