//! What comes in is never part of what goes out where it could do harm: errors, challenges, ids.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Answered, Host, bare, form,
    guard::BARE_CHALLENGE,
    token_request::{GOOD, TOKEN, assert_error},
    with_header,
};
use crate::{api::Body, authorization_server::scope_registry::EVERY_SCOPE, protocol::time::Seconds};

/// Part of everything hostile that these tests send.
const MARK: &str = "zq";

/// Markup, quotes, a backslash, line breaks, text beyond ASCII and a control character, as they stand in a form.
const HOSTILE: [&str; 7] = [
    "zq%3Cscript%3Ealert(1)%3C/script%3E",
    "zq%22zq",
    "zq%5Czq",
    "zq%0D%0ASet-Cookie:+zq",
    "zq%C3%A9%E2%80%AE",
    "zq%00zq",
    "zq%7F",
];

/// An error of the token endpoint, with nothing of what was sent in it.
#[track_caller]
fn assert_no_echo(answer: &Answered) {
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert_error(answer, answer.status, &error);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(!answer.text().contains(MARK) && !format!("{:?}", answer.headers).contains(MARK), "{answer:?}");
}

/// T35: nothing that is sent comes back in an error, wherever it stood.
#[test]
fn an_error_of_the_token_endpoint_echoes_nothing() {
    let host = Host::new();
    for hostile in HOSTILE {
        for body in [
            format!("grant_type={hostile}&client_id=root-id&client_secret=root-secret"),
            format!("{GOOD}&scope={hostile}"),
            format!("grant_type=client_credentials&client_id={hostile}&client_secret=x"),
            format!("grant_type=client_credentials&client_id=root-id&client_secret={hostile}"),
            format!("{GOOD}&client_id={hostile}"),
            format!("{GOOD}&client_assertion={hostile}&client_assertion_type={hostile}"),
            format!("{hostile}={hostile}"),
        ] {
            assert_no_echo(&host.send(&form(TOKEN, &body)));
        }
        assert_no_echo(&host.send(&form(&format!("{TOKEN}?client_secret={hostile}&{hostile}=1"), GOOD)));
        let basic = format!("Basic {}", STANDARD.encode(format!("{hostile}:{hostile}")));
        let grant = form(TOKEN, "grant_type=client_credentials");
        assert_no_echo(&host.send(&with_header(grant, "authorization", basic.as_bytes())));
    }
    for content_type in ["zq/zq", "text/html; charset=\"zq\"", "multipart/form-data; boundary=zq"] {
        let request = with_header(bare("POST", TOKEN), "content-type", content_type.as_bytes());
        assert_no_echo(&host.send(&request.map(|_| Body::Complete(GOOD.as_bytes().to_vec()))));
    }
}

/// T34: whatever goes wrong at the token endpoint, also with us, is said in JSON.
#[test]
fn every_error_of_the_token_endpoint_is_json() {
    let host = Host::new();
    let (id, secret) = host.client(&["policy:read"]);
    let own = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    assert_error(&host.send(&form(TOKEN, "%ff")), 400, "invalid_request");
    assert_error(&host.send(&form(TOKEN, "grant_type=client_credentials")), 401, "invalid_client");
    assert_error(&host.send(&bare("PUT", TOKEN)), 405, "invalid_request");
    assert_error(&host.send(&form(TOKEN, "").map(|_| Body::TooLarge)), 413, "invalid_request");
    host.memory.clients.break_storage();
    assert_error(&host.send(&form(TOKEN, &own)), 503, "temporarily_unavailable");
    host.memory.clients.mend_storage();
    let wrong = own.replace(&secret, "wrong");
    let budget = (0..100).map(|_| host.send(&form(TOKEN, &wrong))).find(|answer| answer.status != 401).unwrap();
    assert_error(&budget, 429, "temporarily_unavailable");
    let not_configured = Host::with(&[("PUBLIC_URL", "")]);
    assert_error(&not_configured.send(&form(TOKEN, GOOD)), 503, "temporarily_unavailable");
    // Beyond the calendar no token can be dated.
    host.memory.advance(Seconds(1 << 50));
    let undated = host.send(&form(TOKEN, &own));
    assert_error(&undated, 500, "server_error");
    assert!(undated.log.contains(r#""level":"error""#), "{}", undated.log);
}

/// B10: a challenge is made of words of ours; of a request nothing gets in.
#[test]
fn nothing_of_a_request_gets_into_a_challenge() {
    let fits = |scope: &str| scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','));
    assert!(EVERY_SCOPE.tokens().all(fits));
    let host = Host::new();
    let unusable = format!("{BARE_CHALLENGE}, error=\"invalid_token\"");
    let malformed = format!("{BARE_CHALLENGE}, error=\"invalid_request\"");
    for (value, challenge) in [
        (&b"Bearer zq\"zq"[..], unusable.as_str()),
        (b"Bearer zq\\zq", &unusable),
        (b"Bearer zq\xe9", &unusable),
        (b"Bearer zq, error=\"zq\"", &malformed),
        (b"zq realm=\"zq\"", BARE_CHALLENGE),
    ] {
        let answer = host.send(&with_header(bare("GET", "/api/v1/oauth/scope"), "authorization", value));
        assert_eq!(answer.header("www-authenticate"), challenge);
        assert!(!answer.text().contains(MARK));
    }
    let narrow = host.caller(&["policy:read"]);
    let refused = host.call(&narrow, "DELETE", "/oauth/client/zq%22zq", &Value::Null);
    let challenge = format!("{BARE_CHALLENGE}, error=\"insufficient_scope\", scope=\"client:delete\"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (403, challenge.as_str()));
}

/// T42: an id is ours to choose, is never chosen twice, and is never that of the root client.
#[test]
fn nobody_chooses_the_id_of_a_client() {
    let host = Host::new();
    let ids: BTreeSet<String> = (0..200).map(|_| host.client(&[]).0).collect();
    assert_eq!(ids.len(), 200);
    let is_minted = |id: &String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(ids.iter().all(is_minted) && !ids.contains("root-id"));
    let before = host.memory.dump();
    for wanted in ["root-id", "root", "0123456789abcdef0123456789abcdef"] {
        assert_eq!(host.as_root("POST", "/oauth/client", &json!({ "client_id": wanted })).status, 422);
    }
    assert_eq!(host.memory.dump(), before);
}
