//! `FIDES_COMPATIBILITY`: the six deviations, each beside what the RFCs want.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized, bare, form,
    guard::BARE_CHALLENGE,
    stage::{answer, refusal},
    token_request::{GOOD, TOKEN, assert_error},
    with_header,
};
use crate::{api::Body, ports::ProviderFailure};

/// A deployment as Fides, and a strict one.
fn both() -> (Host, Host) {
    (Host::with(&[("FIDES_COMPATIBILITY", "true")]), Host::new())
}

/// The credentials of the root client as a form.
const CREDENTIALS: &str = "client_id=root-id&client_secret=root-secret";

/// A multipart body of these fields; a name in brackets is a file.
fn multipart(fields: &[(&str, &str)]) -> http::Request<Body> {
    let part = |(name, value): &(&str, &str)| {
        let file = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let kind = file.map_or(String::new(), |_| "; filename=\"f\"".to_owned());
        let name = file.unwrap_or(name);
        format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"{kind}\r\n\r\n{value}\r\n")
    };
    let body = fields.iter().map(part).collect::<String>() + "--limit--\r\n";
    let request = with_header(bare("POST", TOKEN), "content-type", b"multipart/form-data; boundary=limit");
    request.map(|_| Body::Complete(body.into_bytes()))
}

/// T9: `grant_type` missing or empty; any other value is refused as ever, T10, and so is a repeated one, T6.
#[test]
fn as_fides_a_missing_grant_type_is_the_only_one_there_is() {
    let (fides, strict) = both();
    for body in [CREDENTIALS.to_owned(), format!("{CREDENTIALS}&grant_type=")] {
        assert_eq!(fides.send(&form(TOKEN, &body)).status, 200, "{body}");
        assert_error(&strict.send(&form(TOKEN, &body)), 400, "invalid_request");
    }
    for (grant_type, error) in [
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=xclient_credentialsx", "unsupported_grant_type"),
        ("grant_type=&grant_type=client_credentials", "invalid_request"),
    ] {
        assert_error(&fides.send(&form(TOKEN, &format!("{CREDENTIALS}&{grant_type}"))), 400, error);
    }
}

/// T3: a multipart form; the rules for parameters are those of the other form: T6, T7, T24.
#[test]
fn as_fides_a_token_request_may_be_multipart() {
    let (fides, strict) = both();
    let good = [("grant_type", "client_credentials"), ("client_id", "root-id"), ("client_secret", "root-secret")];
    let with = |more: &[(&'static str, &'static str)]| multipart(&[&good, more].concat());
    assert_error(&strict.send(&with(&[])), 400, "invalid_request");
    let granted = fides.send(&with(&[("scope", "client:read"), ("[photo]", "…")]));
    assert_eq!((granted.status, &granted.json()["scope"]), (200, &json!("client:read")));
    for name in ["client_id", "[client_id]", "scope", "grant_type"] {
        let twice = [(name, "root-id"), ("scope", "client:read")];
        assert_error(&fides.send(&with(&twice)), 400, "invalid_request");
    }
    assert_error(&fides.send(&with(&[("x", "y"); 62])), 400, "invalid_request");
    assert_eq!(fides.send(&with(&[("x", "y"); 61])).status, 200);
    assert_error(
        &fides.send(&multipart(&[("client_id", "root-id"), ("[client_secret]", "root-secret")])),
        401,
        "invalid_client",
    );
    assert_error(&fides.send(&multipart(&[])), 401, "invalid_client");
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary=other", "multipart/mixed; boundary=limit"]
    {
        let mut request = with(&[]);
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        assert_error(&fides.send(&request), 400, "invalid_request");
    }
    let too_large = with(&[]).map(|_| Body::TooLarge);
    assert_error(&fides.send(&too_large), 413, "invalid_request");
}

/// T14: credentials in the form count, those in the header are not looked at; T6: no parameter comes twice.
#[test]
fn as_fides_form_credentials_beat_basic() {
    let (fides, strict) = both();
    let with_basic = |body: &str| with_header(form(TOKEN, body), "authorization", b"Basic bm9ib2R5Ondyb25n");
    assert_eq!(fides.send(&with_basic(GOOD)).status, 200);
    assert_error(&strict.send(&with_basic(GOOD)), 400, "invalid_request");
    let wrong = GOOD.replace("root-secret", "wrong");
    let good_header = with_header(form(TOKEN, &wrong), "authorization", b"Basic cm9vdC1pZDpyb290LXNlY3JldA==");
    assert_error(&fides.send(&good_header), 401, "invalid_client");
    assert_error(&fides.send(&with_basic(&format!("{GOOD}&client_id=root-id"))), 400, "invalid_request");
    assert_error(&fides.send(&with_header(form(TOKEN, GOOD), "authorization", b"Basic !!!")), 400, "invalid_request");
    // Fides has no such endpoint.
    let elsewhere = form("/api/v1/oauth/introspect", "token=x&client_id=root-id&client_secret=root-secret");
    let elsewhere = with_header(elsewhere, "authorization", b"Basic bm9ib2R5Ondyb25n");
    assert_error(&fides.send(&elsewhere), 400, "invalid_request");
}

/// B3, B4, B6, B7, B9: one 403 without a challenge for every bearer token that cannot be used.
#[test]
fn as_fides_an_unusable_bearer_token_is_forbidden() {
    let (fides, strict) = both();
    let path = "/api/v1/oauth/scope";
    let (id, secret) = fides.client(&["scope:read"]);
    let (token, dead) = (fides.root_token(), fides.token(&id, &secret));
    assert_eq!(fides.as_root("DELETE", &format!("/oauth/client/{id}"), &Value::Null).status, 200);
    let with = |value: &str| with_header(bare("GET", path), "authorization", value.as_bytes());
    let long = format!("Bearer {}", "a".repeat(20_000));
    let mut unusable =
        ["Bearer", "Bearer ", "Bearer abc", "bearer a b", "Bearer a,b", "Bearer \"x\"", "Bearer é", &long]
            .map(with)
            .to_vec();
    unusable.push(with(&format!("Bearer  {token}")));
    unusable.push(with(&format!("Bearer {token}AAAA")));
    unusable.push(with(&format!("Bearer {dead}")));
    unusable.push(with_header(with(&format!("Bearer {token}")), "authorization", b"Bearer abc"));
    unusable.push(authorized("GET", &format!("{path}?access_token=x"), &token, &Value::Null));
    for request in &unusable {
        let answer = fides.send(request);
        assert_eq!((answer.status, answer.text().as_str()), (403, r#"{"detail":"Not Authorized for this action"}"#));
        assert_eq!(answer.header("www-authenticate"), "");
        let answer = strict.send(request);
        assert!(
            matches!(answer.status, 400 | 401) && answer.header("www-authenticate").contains("error="),
            "{answer:?}"
        );
    }
    for request in [bare("GET", path), with("Basic !!!"), with("Basic cm9vdC1pZDp4"), with("Foo abc")] {
        for host in [&fides, &strict] {
            let answer = host.send(&request);
            assert_eq!(answer.detail(), (401, "Failed to authenticate".into()));
            assert_eq!(answer.header("www-authenticate"), BARE_CHALLENGE);
        }
    }
    let narrow = fides.call(&fides.caller(&["client:read"]), "GET", "/oauth/scope", &Value::Null);
    let text = "Not Authorized for this action. Required scope(s): [scope:read]";
    assert_eq!(narrow.detail(), (403, text.into()));
    assert_eq!(fides.call(&token, "GET", "/oauth/scope", &Value::Null).status, 200);
}

/// When the token expires, as Fides writes it.
#[test]
fn as_fides_the_token_answer_says_when_the_token_expires() {
    let (fides, strict) = both();
    let body = fides.send(&form(TOKEN, GOOD)).json();
    // 2023-11-14T22:13:20Z and eight days.
    assert_eq!((&body["expires_in"], &body["expires_at"]), (&json!(691_200), &json!("2023-11-22T22:13:20.000000")));
    assert!(strict.send(&form(TOKEN, GOOD)).json().get("expires_at").is_none());
}

/// The callback in Fides's words, with our status; L5: the provider's text is not repeated.
#[test]
fn as_fides_the_callback_speaks_its_words() {
    let (fides, strict) = both();
    let (fides, strict) = (fides.with_code_flow("shop"), strict.with_code_flow("shop"));
    let nonsense = || answer(200, &json!(["nothing"]));
    let done = "Connection test status: skipped. No referer URL available. Please navigate back to the Fides Admin UI.";
    let during = "Error occurred during the access request for shop";
    for (provider, status, text, differs) in [
        (answer(200, &json!({ "access_token": "canary-at" })), 200, done.to_owned(), true),
        (refusal(400, "invalid_grant"), 400, "Unable to retrieve token for shop (invalid_grant).".to_owned(), false),
        (answer(400, &json!({})), 400, "Unable to retrieve token for shop (None).".to_owned(), true),
        (nonsense(), 502, format!("{during}: The provider of shop did not give a token answer."), true),
        (Err(ProviderFailure::TimedOut), 504, format!("{during}: The provider of shop did not answer in time."), true),
    ] {
        let texts = [&fides, &strict].map(|host| {
            host.provider_answers([provider.clone()]);
            let answer = host.authorize("shop", "canary-code");
            assert_eq!(answer.status, status, "{answer:?}");
            told(&answer)
        });
        assert_eq!((texts[0].as_str(), texts[0] != texts[1]), (text.as_str(), differs));
    }
    for query in ["state=x&code=y", "state=x", "code=y", "state=&code=y"] {
        assert_eq!(fides.callback(query).visible(), strict.callback(query).visible(), "{query}");
    }
}

/// What a person reads: the text of a page, or `detail`; nothing where it is JSON for programs.
fn told(answer: &Answered) -> String {
    let is_text = answer.header("content-type").starts_with("text/plain");
    if is_text { answer.text() } else { answer.json()["detail"].as_str().unwrap_or_default().to_owned() }
}
