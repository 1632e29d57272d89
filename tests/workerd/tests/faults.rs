//! What breaks under the product, and what a runtime does that it cannot do itself.
#![expect(clippy::unwrap_used, reason = "test: a failure is a failed test")]

mod common;

use std::{fs, thread};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{CLIENT, TOKEN, client, root};
use serde_json::{Value, json};
use workerd_tests::{Answer, Mock, MockAnswer, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

/// Stands where a secret would.
const SECRET: &str = "canary-of-a-secret";

/// Fails unless an answer is an error in JSON that names its request and nothing else: the request's id.
#[track_caller]
fn assert_says_nothing(answer: &Answer) -> String {
    assert!((500..504).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{answer:?}");
    assert!(
        answer.header("Retry-After").is_some() && answer.json().get("detail").is_some_and(Value::is_string),
        "{answer:?}"
    );
    let shown = format!("{answer:?}").to_ascii_lowercase();
    for internal in ["sqlite", "database", "wasm", "panic", "stack", "durable", "workerd", ".rs", "index.js", "/tmp"] {
        assert!(!shown.contains(internal), "{internal} in {shown}");
    }
    assert!(!shown.contains(SECRET) && !shown.contains(ROOT_CLIENT_SECRET));
    answer.header("X-Request-ID").unwrap().to_owned()
}

/// L4, T40, J19: a registry whose database is no database throws on every request. The answer names the request, the
/// log has the cause.
#[test]
fn an_exception_in_the_registry_is_an_error_without_its_cause() {
    let mut postern = Postern::start(Setup::new());
    let token = root(&postern);
    let own = client(&postern, &token, &["scope:read"]);
    postern.kill();
    let databases: Vec<_> = postern
        .state_files()
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("registry") && !path.ends_with("metadata.sqlite"))
        .collect();
    assert!(!databases.is_empty());
    for (path, bytes) in databases {
        fs::write(path, vec![b'x'; bytes.len().max(8192)]).unwrap();
    }
    postern.kill_and_restart();
    drop(postern.get("/health").send().expect_status(200));
    let form = [("grant_type", "client_credentials"), ("client_id", &own.id), ("client_secret", SECRET)];
    let answers = [
        postern.post(TOKEN).form(&form).send(),
        postern.post(CLIENT).bearer(&token).json(&json!({ "name": SECRET })).send(),
        postern.get("/api/v1/oauth/scope").bearer(&token).send(),
        postern.get("/api/v1/connection").bearer(&token).send(),
        postern.get(&common::at("shop", "/access_token")).bearer(&token).send(),
    ];
    let ids = answers.each_ref().map(assert_says_nothing);
    postern.kill();
    let log = postern.log();
    assert!(ids.iter().all(|id| log.contains(id)), "{ids:?} are not in {log}");
    assert!(log.contains("not a database") && !log.contains(SECRET), "{log}");
}

/// J5: a token that brings a key, or names a place for one, is refused, and nobody looks there.
#[test]
fn a_key_that_a_token_names_is_never_fetched() {
    let mock = Mock::start(|_| MockAnswer::json(200, &json!({ "keys": [] })));
    let postern = Postern::start(Setup::new().outbound(&mock));
    let good = root(&postern);
    let (header, rest) = good.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let keys = format!("{}/keys.json", mock.url());
    for (name, value) in [
        ("jku", json!(keys)),
        ("x5u", json!(keys)),
        ("jwk", json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })),
        ("x5c", json!(["MIIB"])),
        ("kid", json!(keys)),
    ] {
        let mut header = header.clone();
        header.as_object_mut().unwrap().insert(name.to_owned(), value);
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let answer = postern.get("/api/v1/oauth/scope").bearer(&forged).send().expect_status(401);
        assert!(answer.header("WWW-Authenticate").unwrap().contains("invalid_token"), "{name}");
    }
    assert!(mock.requests().is_empty());
}

/// C13: many replacements of a client's scopes at once: the last one wins as a whole.
#[test]
fn parallel_replacements_of_scopes_do_not_mix() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let target = client(&postern, &root, &[]);
    let path = format!("{CLIENT}/{}/scope", target.id);
    let choices = [json!(["policy:read", "rule:read"]), json!(["scope:read", "config:read", "client:read"]), json!([])];
    for _ in 0..5 {
        thread::scope(|scope| {
            for number in 0..12 {
                let (postern, root, path, wanted) = (&postern, &root, &path, &choices[number % 3]);
                scope.spawn(move || drop(postern.put(path).bearer(root).json(wanted).send().expect_status(200)));
            }
        });
        let stored = postern.get(&path).bearer(&root).send().expect_status(200).json();
        assert!(choices.contains(&stored), "{stored}");
    }
}

/// T5: a length that is not that of the body: what was announced is read, and no more; what never comes is not waited
/// for by anybody else.
#[test]
fn a_length_that_lies_gets_no_token() {
    let postern = Postern::start(Setup::new());
    let body = format!("grant_type=client_credentials&client_id={ROOT_CLIENT_ID}&client_secret={ROOT_CLIENT_SECRET}");
    let head = format!(
        "POST {TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let short = common::raw(&postern, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len() - 5));
    assert!(short.starts_with("HTTP/1.1 401 ") && !short.contains("access_token"), "{short}");
    for length in ["-1", "29x", "0x10"] {
        let broken = common::raw(&postern, &format!("{head}Content-Length: {length}\r\n\r\n{body}"));
        assert!(!broken.starts_with("HTTP/1.1 2") && !broken.contains("access_token"), "{length}: {broken}");
    }
    drop(postern.post(TOKEN).body("application/x-www-form-urlencoded", body).send().expect_status(200));
}
