//! The words of Postern's API that the tests of the product share. Each helper fails the test unless its call succeeds.
#![expect(clippy::panic, reason = "test: a failure is a failed test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::{Position, Url};
use workerd_tests::{Answer, Mock, MockAnswer, MockRequest, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Request};

/// Where tokens are issued.
pub(crate) const TOKEN: &str = "/api/v1/oauth/token";

/// Where clients are registered.
pub(crate) const CLIENT: &str = "/api/v1/oauth/client";

/// Where providers send the browser back to.
pub(crate) const CALLBACK: &str = "/api/v1/oauth/callback";

/// The shortest piece of a secret that a dump is searched for, in bytes.
const PIECE: usize = 16;

/// A client with its secret.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `client_id`.
    pub(crate) id: String,
    /// `client_secret`.
    pub(crate) secret: String,
}

/// A text of a JSON answer.
#[track_caller]
pub(crate) fn text(document: &Value, name: &str) -> String {
    let text = document.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text {name} in {document}")).to_owned()
}

/// The path of a connection, or below it.
pub(crate) fn at(key: &str, rest: &str) -> String {
    format!("/api/v1/connection/{key}{rest}")
}

/// A token with all that a client holds.
#[track_caller]
pub(crate) fn token(postern: &Postern, id: &str, secret: &str) -> String {
    text(&sign_in(postern, id, secret).send().expect_status(200).json(), "access_token")
}

/// A token with every scope.
#[track_caller]
pub(crate) fn root(postern: &Postern) -> String {
    token(postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET)
}

/// A new client with these scopes.
#[track_caller]
pub(crate) fn client(postern: &Postern, root: &str, scopes: &[&str]) -> Client {
    client_of(postern, root, &json!({ "scopes": scopes }))
}

/// A new client with all that a body says.
#[track_caller]
pub(crate) fn client_of(postern: &Postern, root: &str, body: &Value) -> Client {
    let answer = postern.post(CLIENT).bearer(root).json(body).send().expect_status(200).json();
    Client { id: text(&answer, "client_id"), secret: text(&answer, "client_secret") }
}

/// The path of a client, or below it.
pub(crate) fn client_at(id: &str, rest: &str) -> String {
    format!("{CLIENT}/{id}{rest}")
}

/// A token request that is to be sent: a client by its secret.
pub(crate) fn sign_in(postern: &Postern, id: &str, secret: &str) -> Request {
    postern.post(TOKEN).basic(id, secret).form(&[("grant_type", "client_credentials")])
}

/// The token of a new client that may only read tokens of connections.
#[track_caller]
pub(crate) fn reader(postern: &Postern, root: &str) -> String {
    let Client { id, secret } = client(postern, root, &["connection_token:read"]);
    token(postern, &id, &secret)
}

/// A connection with a definition of `fixtures/connector/` and secrets.
#[track_caller]
pub(crate) fn connect(postern: &Postern, root: &str, key: &str, definition: &str, secrets: &Value) {
    let item = json!([{ "key": key, "name": key, "connection_type": "saas", "access": "read" }]);
    let saved = postern.patch("/api/v1/connection").bearer(root).json(&item).send().expect_status(200).json();
    assert_eq!(saved.pointer("/succeeded/0/key"), Some(&json!(key)), "{saved}");
    let definition = postern.patch(&at(key, "/saas_config")).bearer(root).body("application/yaml", definition);
    drop(definition.send().expect_status(200));
    drop(postern.put(&at(key, "/secret?verify=false")).bearer(root).json(secrets).send().expect_status(200));
}

/// The URL that a person must open to authorize a connection.
#[track_caller]
pub(crate) fn authorize(postern: &Postern, root: &str, key: &str) -> String {
    let url = postern.get(&at(key, "/authorize")).bearer(root).send().expect_status(200).json();
    url.as_str().unwrap_or_else(|| panic!("no URL: {url}")).to_owned()
}

/// A query parameter of a URL.
#[track_caller]
pub(crate) fn parameter(url: &str, name: &str) -> String {
    let parsed = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let found = parsed.query_pairs().find_map(|(each, value)| (each == name).then(|| value.into_owned()));
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}

/// The callback with a state and a code.
pub(crate) fn call_back(postern: &Postern, state: &str, code: &str) -> Answer {
    let url = Url::parse_with_params(&format!("{}{CALLBACK}", postern.url()), [("state", state), ("code", code)]);
    let url = url.unwrap_or_else(|error| panic!("callback: {error}"));
    postern.get(&url[Position::BeforePath..]).send()
}

/// A read of a connection's token, whatever the answer.
pub(crate) fn read(postern: &Postern, token: &str, key: &str) -> Answer {
    postern.get(&at(key, "/access_token")).bearer(token).send()
}

/// The token of a connection.
#[track_caller]
pub(crate) fn live(postern: &Postern, token: &str, key: &str) -> String {
    text(&read(postern, token, key).expect_status(200).json(), "access_token")
}

/// Sends bytes over a connection of their own and returns the answer. Unlike `Request` it waits up to half a minute,
/// and sends what no HTTP library would.
#[track_caller]
pub(crate) fn raw(postern: &Postern, bytes: &str) -> String {
    let address = postern.url();
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    // A server that refuses early may stop reading; what counts is what it says.
    let _ = stream.write_all(bytes.as_bytes());
    raw_answer(&mut stream)
}

/// The answer to a request that was sent as bytes, up to the body's told length or the connection's end.
pub(crate) fn raw_answer(stream: &mut TcpStream) -> String {
    let (mut answer, mut chunk) = (String::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        answer.push_str(&String::from_utf8_lossy(chunk.get(..length).unwrap_or_default()));
        if is_whole(&answer) {
            break;
        }
    }
    answer
}

/// Whether an answer has all of the body whose length it tells.
fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let told = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    told.is_some_and(|length: usize| body.len() >= length)
}

/// The secrets of a connection to the client `saas` of a provider.
pub(crate) fn secrets(provider: &str) -> Value {
    let domain = provider.trim_start_matches("http://");
    json!({ "domain": domain, "client_id": "saas", "client_secret": "saassecret" })
}

/// A mock of a provider of which only the token endpoint is asked: `answer` decides for each token request; of `None`
/// comes a good answer, `access-N` and `refresh-N` for the Nth request, good for one hour.
pub(crate) fn provider<Answers>(answer: Answers) -> Mock
where
    Answers: Fn(&MockRequest, usize) -> Option<MockAnswer> + Send + Sync + 'static,
{
    let calls = AtomicUsize::new(0);
    Mock::start(move |request| {
        let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
        answer(request, number).unwrap_or_else(|| MockAnswer::json(200, &tokens(number)))
    })
}

/// Such a mock that answers the second token request when it is told to.
pub(crate) fn provider_that_waits() -> (Sender<()>, Mock) {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let mock = provider(move |_, number| {
        if number == 2 {
            let _ = held.lock().map(|held| held.recv());
        }
        None
    });
    (release, mock)
}

/// The good answer to the Nth token request.
pub(crate) fn tokens(number: usize) -> Value {
    json!({
        "access_token": format!("access-{number}-of-the-mock-provider"),
        "refresh_token": format!("refresh-{number}-of-the-mock-provider"),
        "token_type": "Bearer",
        "expires_in": 3600,
    })
}

/// A connection to a mock, authorized.
#[track_caller]
pub(crate) fn authorized(postern: &Postern, root: &str, key: &str, mock: &Mock) {
    connect(postern, root, key, CODE_FLOW, &secrets(&mock.url()));
    let state = parameter(&authorize(postern, root, key), "state");
    drop(call_back(postern, &state, "code-of-the-mock-provider").expect_status(200));
}

/// The definition of a code flow against a provider on this machine.
pub(crate) const CODE_FLOW: &str = include_str!("../../../../fixtures/connector/local_code_flow.yml");

/// The definition of client credentials against a provider on this machine.
pub(crate) const CLIENT_CREDENTIALS: &str = include_str!("../../../../fixtures/connector/local_client_credentials.yml");

/// Which of these secrets, a longer piece of one, or one of their usual encodings, stand in a text. Pieces, because
/// `SQLite` breaks long values at the end of a page.
pub(crate) fn leaked<'a>(bytes: &[u8], secrets: &[&'a str]) -> Vec<&'a str> {
    // What is not UTF-8 is no part of a secret or of its encodings. Searching text is fast in debug builds too.
    let stored = String::from_utf8_lossy(bytes);
    let found = |piece: &[u8]| forms(piece).iter().any(|form| stored.contains(form));
    secrets.iter().filter(|secret| pieces(secret.as_bytes()).any(found)).copied().collect()
}

/// Up to four pieces of a secret, spread over it, or all of it if it is short.
fn pieces(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    assert!(secret.is_ascii() && !secret.is_empty(), "the search is for visible text");
    let pieces = secret.chunks_exact(PIECE);
    let step = pieces.len().div_ceil(4).max(1);
    pieces.rev().step_by(step).chain((secret.len() < PIECE).then_some(secret))
}

/// Bytes as they are, as hexadecimal digits, and in both alphabets of base64 at each of the three places at which they
/// can stand in a longer text.
fn forms(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(hex_digit).collect();
    let mut forms = vec![String::from_utf8_lossy(bytes).into_owned(), hex.to_ascii_uppercase(), hex];
    for before in 0..3 {
        let padded = [vec![0; before], bytes.to_vec()].concat();
        // Only the characters that depend on nothing but the bytes.
        let (skipped, kept) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        let texts = [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)];
        forms.extend(texts.map(|text| text.chars().take(kept).skip(skipped).collect()));
    }
    forms
}

/// The digit of a half byte.
fn hex_digit(half: u8) -> Option<char> {
    char::from_digit(u32::from(half), 16)
}

/// Kills a Postern and searches all that it stored and printed for secrets. Proves the search on what is known to be
/// stored: the connection's key.
#[track_caller]
pub(crate) fn assert_kept_secret(postern: &mut Postern, key: &str, secrets: &[&str]) {
    postern.kill();
    let files = postern.state_files();
    assert!(files.iter().any(|(_, bytes)| leaked(bytes, &[key]) == [key]), "the search finds nothing at all");
    for (path, bytes) in &files {
        assert_eq!(leaked(bytes, secrets), [""; 0], "in {}", path.display());
    }
    let log = postern.log();
    assert!(log.contains("\"route\":"), "nothing was logged: {log}");
    assert_eq!(leaked(log.as_bytes(), secrets), [""; 0], "in the log");
}

/// The sweep reports of the log, in order. Complete once the process is dead.
pub(crate) fn sweeps(postern: &Postern) -> Vec<Value> {
    let log = postern.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("event") == Some(&json!("sweep"))).collect()
}

// Each test program uses some of the helpers. This names them all, so that none counts as unused.
const _: () = {
    let _ = (root, client, reader, connect, authorize, parameter, call_back, read, live, secrets, tokens, authorized);
    let _ =
        (assert_kept_secret, sweeps, at, raw, raw_answer, token, client_of, client_at, CODE_FLOW, CLIENT_CREDENTIALS);
    let _ = provider_that_waits;
    let _ = provider::<fn(&MockRequest, usize) -> Option<MockAnswer>>;
};
