//! `FIDES_COMPATIBILITY` where the runtime has a part in it: its own parser of multipart forms.

mod common;

use common::TOKEN;
use workerd_tests::{Answer, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

/// The token request of the root client, part by part.
const GOOD: [&str; 3] = [
    "name=\"grant_type\"\r\n\r\nclient_credentials",
    "name=\"client_id\"\r\n\r\nrootclient",
    "name=\"client_secret\"\r\nContent-Type: text/plain\r\n\r\nroot-secret-of-the-tests-0123456789abcdef",
];

/// Sends parts as a multipart form.
fn send(postern: &Postern, parts: &[&str]) -> Answer {
    let part = |part: &&str| format!("--limit\r\nContent-Disposition: form-data; {part}\r\n");
    let body = parts.iter().map(part).collect::<String>() + "--limit--\r\n";
    postern.post(TOKEN).body("multipart/form-data; boundary=limit", body).send()
}

/// T3, T5 to T7: a multipart form is read by the runtime under the rules of the other form; without the switch it is
/// none.
#[test]
fn a_multipart_token_request_is_accepted_with_the_switch_alone() {
    assert!(GOOD[1].ends_with(ROOT_CLIENT_ID) && GOOD[2].ends_with(ROOT_CLIENT_SECRET));
    let strict = Postern::start(Setup::new());
    assert_eq!(send(&strict, &GOOD).expect_status(400).json()["error"], "invalid_request");

    let fides = Postern::start(Setup::new().set("FIDES_COMPATIBILITY", "true"));
    let with = |more: &[&str]| send(&fides, &[&GOOD, more].concat());
    let file = "name=\"photo\"; filename=\"p.png\"\r\nContent-Type: image/png\r\n\r\nroot";
    let granted = with(&["name=\"scope\"\r\n\r\nclient:read", file]).expect_status(200).json();
    assert_eq!(granted["scope"], "client:read");
    let bearer = granted["access_token"].as_str().unwrap_or_default();
    drop(fides.get("/api/v1/oauth/client/nobody/scope").bearer(bearer).send().expect_status(404));

    drop(with(&["name=\"x\"\r\n\r\ny"; 61]).expect_status(200));
    for refused in [
        with(&["name=\"x\"\r\n\r\ny"; 62]),
        with(&["name=\"client_id\"\r\n\r\nrootclient"]),
        with(&["name=\"client_id\"; filename=\"f\"\r\n\r\nrootclient"]),
        with(&["name=\"x\" no end of the head"]),
        with(&["nameless\r\n\r\ny"]),
        fides.post(TOKEN).body("multipart/form-data", "--limit--\r\n").send(),
        fides.post(TOKEN).body("multipart/form-data; boundary=limit", "").send(),
        fides.post(TOKEN).body("multipart/form-data; boundary=limit", "grant_type=client_credentials").send(),
    ] {
        assert_eq!(refused.expect_status(400).json()["error"], "invalid_request");
    }
    let large = format!("name=\"x\"\r\n\r\n{}", "y".repeat(16 * 1024));
    drop(with(&[&large]).expect_status(413));
    drop(with(&[]).expect_status(200));
}
