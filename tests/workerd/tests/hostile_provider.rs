//! Providers that do harm on purpose: they send us elsewhere, and they repeat what we told them.
#![expect(clippy::expect_used, reason = "test: a failure is a failed test")]

mod common;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    CLIENT_CREDENTIALS, CODE_FLOW, assert_kept_secret, at, authorize, authorized, call_back, connect, live, parameter,
    provider, raw, read, root, secrets, tokens,
};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Mock, MockAnswer, MockRequest, Postern, Setup};

/// What is sent to providers and may come back, or be understood as a code: a client secret of lower-case letters.
const SECRET: &str = "correct-horse_battery.staple";

/// Longer than any back-off.
const EIGHT_HOURS: i64 = 8 * 3_600;

/// A definition that calls these statuses faults of the provider, which pass: five refusals in a row that nobody knows
/// the meaning of would ask for a person.
fn patient(definition: &str, statuses: &[u16]) -> String {
    let faults = statuses.iter().map(|status| format!("'{status}': provider")).collect::<Vec<_>>().join(", ");
    definition.replacen("configuration:\n", &format!("configuration:\n        faults: {{{faults}}}\n"), 1)
}

/// A listener on loopback, and the `Location`s that lead to it.
fn trap() -> (TcpListener, [String; 3]) {
    let trap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    trap.set_nonblocking(true).expect("a listener that does not wait");
    let address = trap.local_addr().expect("address");
    let port = address.port();
    (trap, [format!("http://{address}/steal"), format!("//{address}/steal"), format!("http://localhost:{port}/")])
}

/// Fails if anybody has connected.
#[track_caller]
fn assert_untouched(trap: &TcpListener, name: &str) {
    let touched = trap.accept().map_err(|error| error.kind());
    assert!(matches!(touched, Err(ErrorKind::WouldBlock)), "{name}: {touched:?}");
}

/// S8, K15: no redirect is followed, whatever its status, while a code is exchanged, while a token is renewed, and
/// while a service fetches its own; what listens on loopback hears nothing.
#[test]
fn a_redirect_to_loopback_makes_no_connection() {
    let (trap, locations) = trap();
    let redirects: Vec<MockAnswer> = [300, 301, 302, 303, 307, 308]
        .into_iter()
        .flat_map(|status| locations.iter().map(move |location| MockAnswer::redirect(status, location)))
        .chain([
            MockAnswer::json(200, &json!({})).header("Refresh", &format!("0; url={}", locations[0])),
            MockAnswer::text(401, "").header("Location", &locations[0]),
        ])
        .collect();
    let many = redirects.len();
    let mock = provider(move |_, number| redirects.get((number - 1) % (many + 1)).cloned());
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    for key in ["shop", "service"] {
        let definition = if key == "shop" { CODE_FLOW } else { CLIENT_CREDENTIALS };
        let definition = patient(definition, &[300, 301, 302, 303, 307, 308]);
        connect(&postern, &root, key, &definition, &secrets(&mock.url()));
    }
    for _ in 0..many {
        let state = parameter(&authorize(&postern, &root, "shop"), "state");
        assert!(matches!(call_back(&postern, &state, "code").status, 400 | 502));
        assert_untouched(&trap, "exchange");
    }
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    drop(call_back(&postern, &state, "code").expect_status(200));
    for key in ["shop", "service"] {
        for _ in 0..many {
            clock.advance(7_200);
            assert_eq!(read(&postern, &root, key).status, 502, "{key}");
            assert_untouched(&trap, key);
        }
        clock.advance(EIGHT_HOURS);
        drop(live(&postern, &root, key));
    }
    let asked: Vec<_> = mock.requests().iter().map(|request| request.path().to_owned()).collect();
    assert!(asked.iter().all(|path| path == "/token") && asked.len() == 3 * many + 3, "{asked:?}");
}

/// What a provider says that repeats our secrets, in every place that could be shown or logged.
fn echoes() -> Vec<MockAnswer> {
    let sentence = format!("invalid_client: {SECRET} is wrong");
    let error = |status: u16, error: Value| {
        MockAnswer::json(status, &json!({ "error": error, "error_description": SECRET, "error_uri": SECRET }))
    };
    let form = format!("error={SECRET}&error_description={SECRET}");
    vec![
        error(400, json!(SECRET)),
        error(401, json!(SECRET)),
        error(200, json!(SECRET)),
        error(503, json!(SECRET)),
        error(400, json!(sentence)),
        error(400, json!({ "code": SECRET, "type": SECRET, "message": SECRET })),
        error(400, json!([SECRET])),
        MockAnswer::new(400, "application/x-www-form-urlencoded", form),
        MockAnswer::text(400, SECRET),
        MockAnswer::new(200, "text/html", format!("<html>{SECRET}</html>")),
        MockAnswer::new(200, SECRET, SECRET),
        MockAnswer::json(401, &json!({})).header("WWW-Authenticate", SECRET).header("X-Echo", SECRET),
        MockAnswer::json(200, &json!({ "access_token": "a", "token_type": SECRET })),
        MockAnswer::json(200, &json!({ "access_token": "a", "expires_in": SECRET })),
        MockAnswer::json(200, &json!({ "access_token": ["a", SECRET] })),
        MockAnswer::raw(format!("HTTP/1.1 400 {SECRET}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
        MockAnswer::raw(format!("{SECRET}\r\n\r\n")),
        MockAnswer::redirect(302, &format!("/?error={SECRET}")),
    ]
}

/// L5: what a provider repeats of our secrets is in no answer, no view, no report, no file and no log.
#[test]
fn an_echo_of_our_secrets_goes_nowhere() {
    let echoes = echoes();
    let many = echoes.len();
    let mock = provider(move |_, number| {
        let good = || MockAnswer::json(200, &tokens(number));
        Some(echoes.get((number - 1) % (many + 1)).cloned().unwrap_or_else(good))
    });
    let clock = Clock::new();
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let secrets = json!({ "domain": mock.address().to_string(), "client_id": "saas", "client_secret": SECRET });
    let silent = |answer: &Answer| {
        assert!(answer.status >= 400 && !answer.text().contains("horse"), "{}: {}", answer.status, answer.text());
        assert!(answer.headers.iter().all(|(_, value)| !value.contains("horse")), "{answer:?}");
    };
    connect(&postern, &root, "shop", &patient(CODE_FLOW, &[302, 400, 401]), &secrets);
    for _ in 0..many {
        let state = parameter(&authorize(&postern, &root, "shop"), "state");
        silent(&call_back(&postern, &state, "code"));
    }
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    drop(call_back(&postern, &state, "code").expect_status(200));
    for _ in 0..many {
        clock.advance(EIGHT_HOURS);
        silent(&read(&postern, &root, "shop"));
        let report = postern.post("/api/v1/sweep").bearer(&root).send().expect_status(200);
        let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200);
        assert!(!report.text().contains("horse") && !shown.text().contains("horse"), "{report:?} {shown:?}");
    }
    clock.advance(EIGHT_HOURS);
    drop(live(&postern, &root, "shop"));
    assert_eq!(mock.count("/token"), 2 * many + 2);
    assert_kept_secret(&mut postern, "shop", &[SECRET]);
}

/// S8, K15, L5, S15: the test of a connection calls the provider's API: it follows no redirect, waits ten seconds,
/// reads a bounded part of the answer, whose status counts, and says no word of it; whatever came, the tokens stay.
#[test]
fn a_hostile_api_fails_its_test_and_nothing_else() {
    let (trap, locations) = trap();
    let page = |status: u16| MockAnswer::new(status, "text/html", format!("<html>{SECRET}</html>"));
    let answers = [
        (MockAnswer::redirect(302, &locations[0]), "failed"),
        (MockAnswer::redirect(307, &locations[1]), "failed"),
        (page(401).header("WWW-Authenticate", SECRET), "failed"),
        (page(500), "failed"),
        (page(200), "succeeded"),
        (MockAnswer::text(204, ""), "succeeded"),
        (MockAnswer::text(200, &"x".repeat(10 * 1024 * 1024)), "succeeded"),
        (MockAnswer::text(403, &"x".repeat(10 * 1024 * 1024)), "failed"),
        (MockAnswer::text(200, &"x".repeat(16 * 1024 * 1024)).gzip(), "succeeded"),
        (MockAnswer::text(200, SECRET).header("Content-Encoding", "gzip"), "failed"),
        (MockAnswer::text(200, SECRET).cut(), "failed"),
        (MockAnswer::text(200, SECRET).header("X-Long", &"x".repeat(1024 * 1024)), "failed"),
        (MockAnswer::close(), "failed"),
        (MockAnswer::raw(format!("{SECRET}\r\n\r\n")), "failed"),
        (MockAnswer::text(200, SECRET).dripping(Duration::from_millis(100)), "failed"),
    ];
    let calls = AtomicUsize::new(0);
    let given = answers.clone();
    let mock = Mock::start(move |request| {
        if request.path() == "/token" {
            return MockAnswer::json(200, &tokens(1));
        }
        given[calls.fetch_add(1, Ordering::SeqCst)].0.clone()
    });
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let secrets = json!({ "domain": mock.address().to_string(), "client_id": "saas", "client_secret": SECRET });
    connect(&postern, &root, "shop", CLIENT_CREDENTIALS, &secrets);
    for (number, (answer, expected)) in answers.iter().enumerate() {
        let head = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {root}");
        let tested = raw(&postern, &format!("GET {} HTTP/1.1\r\n{head}\r\n\r\n", at("shop", "/test")));
        let status = format!("\"test_status\":\"{expected}\"");
        assert!(tested.starts_with("HTTP/1.1 200 ") && tested.contains(&status), "{number} {answer:.300?}: {tested}");
        assert!(!tested.contains("horse") && !tested.contains("127.0.0.1"), "{number}: {tested}");
        assert_untouched(&trap, "test");
        assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider", "{number}");
    }
    let requests = mock.requests();
    let paths: Vec<_> = requests.iter().map(MockRequest::path).collect();
    assert!(paths[0] == "/token" && paths.len() == answers.len() + 1, "{paths:?}");
    assert_kept_secret(&mut postern, "shop", &[SECRET]);
}

/// K15: an answer may come compressed, in pieces, or in a form.
#[test]
fn unusual_answers_are_understood() {
    let text = tokens(1).to_string();
    let pieces: Vec<String> = text.chars().map(|character| format!("1\r\n{character}\r\n")).collect();
    let pieces = pieces.concat();
    let form = "access_token=access-1-of-the-mock-provider&expires_in=3600&token_type=bearer";
    let json = |body: &str| MockAnswer::new(200, "application/json", body);
    for answer in [
        json(&text).gzip(),
        json(&text).gzip().without_length(),
        json(&text).without_length(),
        json(&format!("{pieces}0\r\n\r\n")).without_length().header("Transfer-Encoding", "chunked"),
        json(&format!("\u{feff} {text}\n")),
        MockAnswer::new(200, "application/x-www-form-urlencoded", form),
    ] {
        let shown = format!("{answer:?}");
        let mock = provider(move |_, _| Some(answer.clone()));
        let postern = Postern::start(Setup::new());
        let root = root(&postern);
        authorized(&postern, &root, "shop", &mock);
        assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider", "{shown}");
    }
}
