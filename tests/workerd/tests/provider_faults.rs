//! What providers do wrong: nothing half is stored, what still works is served on, nobody waits for ever, and nobody
//! storms a provider that is in trouble.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "test: a failure is a failed test")]

mod common;

use std::thread;
use std::time::Duration;

use common::{
    CODE_FLOW, assert_kept_secret, at, authorize, authorized, call_back, connect, live, parameter, provider,
    provider_that_waits, raw, read, root, secrets, tokens,
};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Mock, MockAnswer, Postern, Setup};

/// The life of a token of the mock, less a moment before the lead of ten minutes ends, whatever the jitter: due, not
/// expired.
const DUE: i64 = 3_600 - 440;

/// What the mock answers in trouble, by name.
fn troubles() -> Vec<(&'static str, MockAnswer)> {
    let good = || tokens(7);
    let with = |name: &str, value: Value| {
        let mut document = good();
        document[name] = value;
        MockAnswer::json(200, &document)
    };
    let large = |answer: Value| format!("{answer}{}", " ".repeat(10 * 1024 * 1024));
    vec![
        ("hangs up", MockAnswer::close()),
        ("stops half-way", MockAnswer::json(200, &good()).cut()),
        ("page", MockAnswer::new(200, "text/html", "<html>saassecret</html>")),
        ("page of JSON type", MockAnswer::new(200, "application/json", "<html>saassecret</html>")),
        ("500", MockAnswer::json(500, &good())),
        ("503", MockAnswer::text(503, "saassecret")),
        ("429", MockAnswer::json(429, &json!({ "error": "slow_down" })).header("Retry-After", "3600")),
        ("redirect", MockAnswer::redirect(302, "/elsewhere")),
        ("redirect with the body", MockAnswer::redirect(307, "/elsewhere")),
        ("10 MB", MockAnswer::new(200, "application/json", large(good()))),
        ("10 MB without a length", MockAnswer::new(200, "application/json", large(good())).without_length()),
        ("no token", with("access_token", Value::Null)),
        ("number as token", with("access_token", json!(7))),
        ("another type of token", with("token_type", json!("mac"))),
        ("negative life", with("expires_in", json!(-1))),
        ("error with status 200", with("error", json!("server_error"))),
        ("invalid_client", MockAnswer::json(401, &json!({ "error": "invalid_client", "hint": "saassecret" }))),
        ("list", MockAnswer::json(200, &json!([good()]))),
        ("broken JSON", MockAnswer::new(200, "application/json", "{\"access_token\": \"access-7")),
        ("nothing", MockAnswer::new(200, "application/json", "")),
        ("no content", MockAnswer::text(204, "")),
        ("endless life", MockAnswer::new(200, "application/json", good().to_string().replace(":3600", ":1e99"))),
        (
            "life beyond all numbers",
            MockAnswer::new(200, "application/json", good().to_string().replace(":3600", ":1e999")),
        ),
        (
            "two tokens",
            MockAnswer::new(200, "application/json", good().to_string().replace('}', ",\"access_token\":\"b\"}")),
        ),
        (
            "two tokens in a form",
            MockAnswer::new(200, "application/x-www-form-urlencoded", "access_token=a&access_token=b"),
        ),
        ("deep", MockAnswer::new(200, "application/json", format!("{{\"access_token\":{}", "[".repeat(200_000)))),
        (
            "not UTF-8",
            MockAnswer::new(200, "application/json", [b"{\"access_token\":\"", &b"\xff\xfe"[..], b"\"}"].concat()),
        ),
    ]
    .into_iter()
    .chain(broken_messages(&good()))
    .collect()
}

/// Answers whose bytes are not what their head says.
fn broken_messages(good: &Value) -> Vec<(&'static str, MockAnswer)> {
    let json = |body: &[u8]| MockAnswer::new(200, "application/json", body);
    let text = good.to_string();
    let bomb = format!("{text}{}", " ".repeat(16 * 1024 * 1024));
    let long = "x".repeat(1024 * 1024);
    let many =
        (0..5_000).fold(json(text.as_bytes()), |answer, number| answer.header(&format!("X-{number}"), &long[..1_000]));
    let chunked = |body: &str| json(body.as_bytes()).without_length().header("Transfer-Encoding", "chunked");
    vec![
        ("gzip bomb", json(bomb.as_bytes()).gzip()),
        ("gzip bomb without a length", json(bomb.as_bytes()).gzip().without_length()),
        ("gzip that is none", json(text.as_bytes()).header("Content-Encoding", "gzip")),
        ("length too small", json(text.as_bytes()).without_length().header("Content-Length", "20")),
        ("length that is none", json(text.as_bytes()).without_length().header("Content-Length", "many")),
        ("negative length", json(text.as_bytes()).without_length().header("Content-Length", "-1")),
        ("chunks that are none", chunked(&text)),
        ("last chunk missing", chunked(&format!("{:x}\r\n{text}\r\n", text.len()))),
        ("huge header", json(text.as_bytes()).header("X-Long", &long)),
        ("many headers", many),
        ("no HTTP", MockAnswer::raw("SSH-2.0-OpenSSH_9.6\r\n")),
        ("no HTTP at all", MockAnswer::raw(b"\0\x01\xff".repeat(1_000))),
    ]
}

/// Fails unless an answer is a 502 in our own words.
#[track_caller]
fn assert_provider_fault(answer: &Answer, name: &str) {
    assert_eq!(answer.status, 502, "{name}: {}", answer.text());
    assert!(answer.json()["detail"].is_string(), "{name}");
    for theirs in ["saassecret", "access-", "html", "127.0.0.1"] {
        assert!(!answer.text().contains(theirs), "{name}: {}", answer.text());
    }
}

/// K15, S8, L5: trouble while a token is renewed. The old one is served while it lives; afterwards one try, one
/// wait; and then the old refresh token still works.
#[test]
fn a_provider_in_trouble_costs_nothing_but_time() {
    for (name, trouble) in troubles() {
        let clock = Clock::new();
        // Who says when to come again is left alone until then, and so is who refuses the client.
        let last = if ["429", "invalid_client"].contains(&name) { 2 } else { 3 };
        let mock = provider(move |_, number| (2..=last).contains(&number).then(|| trouble.clone()));
        let mut postern = Postern::start(Setup::new().clock(&clock));
        let root = root(&postern);
        authorized(&postern, &root, "shop", &mock);
        clock.advance(DUE);
        let report = postern.post("/api/v1/sweep").bearer(&root).send().expect_status(200).json();
        assert_eq!((&report["due"], &report["failed"]), (&json!(1), &json!(1)), "{name}: {report}");
        assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider", "{name}");
        assert_eq!(mock.count("/token"), 2, "{name}: tried again at once");

        clock.advance(600);
        for _ in 0..3 {
            assert_provider_fault(&read(&postern, &root, "shop"), name);
        }
        assert_eq!(mock.count("/token"), last, "{name}: tried again at once");
        clock.advance(3_600);
        let renewed = format!("access-{}-of-the-mock-provider", last + 1);
        assert_eq!(live(&postern, &root, "shop"), renewed, "{name}");
        let requests = mock.requests();
        assert_eq!(requests.len(), last + 1, "{name}: something else was asked");
        let last = requests.last().and_then(|request| request.field("refresh_token"));
        assert_eq!(last.as_deref(), Some("refresh-1-of-the-mock-provider"), "{name}");
        assert_kept_secret(&mut postern, "shop", &["saassecret", "access-1-of-the-mock-provider", "access-7-of-the"]);
    }
}

/// K15: trouble while a code is exchanged. The state is used up, nothing is stored, and another try works.
#[test]
fn a_provider_in_trouble_during_an_exchange_leaves_nothing_behind() {
    let troubles = troubles();
    let many = troubles.len();
    let answers: Vec<_> = troubles.iter().map(|(_, answer)| answer.clone()).collect();
    let mock = provider(move |_, number| answers.get(number - 1).cloned());
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    for (name, _) in troubles {
        let state = parameter(&authorize(&postern, &root, "shop"), "state");
        let answer = call_back(&postern, &state, "code");
        if name == "invalid_client" {
            assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        } else {
            assert_provider_fault(&answer, name);
        }
        assert_eq!(call_back(&postern, &state, "code").status, 404, "{name}");
        assert_eq!(read(&postern, &root, "shop").status, 409, "{name}");
        let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
        assert_eq!(shown["authorized"], false, "{name}");
    }
    assert_eq!((mock.requests().len(), mock.count("/token")), (many, many));
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    drop(call_back(&postern, &state, "code").expect_status(200));
}

/// S15: nobody listens. The same words as for a provider that hangs up.
#[test]
fn a_provider_that_is_down_is_unreachable_and_nothing_more_is_said() {
    let clock = Clock::new();
    let mock = provider(|_, number| (number > 1).then(MockAnswer::close));
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(3_600);
    let hung_up = read(&postern, &root, "shop");
    drop(mock);
    clock.advance(31);
    let refused = read(&postern, &root, "shop");
    assert_provider_fault(&refused, "down");
    assert_eq!((refused.status, refused.text()), (hung_up.status, hung_up.text()));
}

/// K15: silence, before the answer and in the middle of it, and an answer that drips, end after ten seconds; meanwhile
/// the connection answers everybody else.
#[test]
#[expect(clippy::disallowed_methods, reason = "a deadline is measured")]
fn a_provider_that_falls_silent_is_given_up_after_ten_seconds() {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let dripping = MockAnswer::json(200, &tokens(2)).dripping(Duration::from_millis(100));
    let silences = [MockAnswer::never(), MockAnswer::json(200, &tokens(2)).stalled(), dripping];
    let mocks = silences.map(|silence| provider(move |_, number| (number > 1).then(|| silence.clone())));
    let keys = ["silent", "stalled", "dripping"];
    for (key, mock) in keys.iter().zip(&mocks) {
        authorized(&postern, &root, key, mock);
    }
    clock.advance(3_600);
    let begin = std::time::Instant::now();
    thread::scope(|scope| {
        let (postern, root) = (&postern, &root);
        let waiting = keys.map(|key| {
            let head = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {root}");
            let request = format!("GET {} HTTP/1.1\r\n{head}\r\n\r\n", at(key, "/access_token"));
            scope.spawn(move || raw(postern, &request))
        });
        wait_for(&mocks, 2);
        for key in keys {
            drop(postern.get(&at(key, "")).bearer(root).send().expect_status(200));
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "the others had to wait");
        for (answer, key) in waiting.into_iter().zip(keys) {
            let answer = answer.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 504 "), "{key}: {answer}");
            assert!(answer.contains("did not answer in time"), "{key}: {answer}");
        }
    });
    let waited = begin.elapsed();
    assert!((9..15).contains(&waited.as_secs()), "{waited:?}");
    for (key, mock) in keys.iter().zip(&mocks) {
        assert_eq!((read(&postern, &root, key).status, mock.count("/token")), (504, 2), "{key}");
    }
}

/// Waits until each mock was asked so often.
#[track_caller]
fn wait_for(mocks: &[Mock], count: usize) {
    for _ in 0..1_000 {
        if mocks.iter().all(|mock| mock.count("/token") >= count) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not asked {count} times: {mocks:?}");
}

/// K18: the refresh token is dead. The access token is served while it lives; then a person is asked for, and the
/// provider is not called again.
#[test]
fn a_refused_refresh_token_asks_for_a_person_and_leaves_the_provider_alone() {
    let clock = Clock::new();
    let refusal = json!({ "error": "invalid_grant", "error_description": "saassecret is over" });
    let mock = provider(move |_, number| (number == 2).then(|| MockAnswer::json(400, &refusal)));
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(DUE);
    let sweep = || postern.post("/api/v1/sweep").bearer(&root).send().expect_status(200).json();
    assert_eq!(sweep()["needs_authorization"], 1);
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!(shown["authorized"], false);
    for _ in 0..3 {
        clock.advance(7_200);
        let answer = read(&postern, &root, "shop").expect_status(409);
        assert!(answer.text().contains("/api/v1/connection/shop/authorize"), "{}", answer.text());
        assert!(!answer.text().contains("saassecret"));
        assert_eq!(sweep()["due"], 0);
    }
    assert_eq!(mock.count("/token"), 2);
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    drop(call_back(&postern, &state, "code").expect_status(200));
    assert_eq!(live(&postern, &root, "shop"), "access-3-of-the-mock-provider");
}

/// R2, K17: all want a token that has expired, while the provider takes its time.
#[test]
fn fifty_parallel_reads_of_an_expired_token_make_one_provider_call() {
    let clock = Clock::new();
    let slow = |number| MockAnswer::json(200, &tokens(number)).after(Duration::from_millis(500));
    let mock = provider(move |_, number| (number > 1).then(|| slow(number)));
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(3_600);
    thread::scope(|scope| {
        let one = || live(&postern, &root, "shop");
        let readers: Vec<_> = (0..50).map(|_| scope.spawn(one)).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), "access-2-of-the-mock-provider");
        }
    });
    assert_eq!(mock.count("/token"), 2);
}

/// R2: the same inside the lead: everybody is answered at once with the old token, one renewal runs behind.
#[test]
fn parallel_reads_of_a_due_token_are_served_at_once_while_one_renewal_runs_behind() {
    let clock = Clock::new();
    let (release, mock) = provider_that_waits();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    clock.advance(DUE);
    thread::scope(|scope| {
        let one = || live(&postern, &root, "shop");
        let readers: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), "access-1-of-the-mock-provider");
        }
    });
    wait_for(std::slice::from_ref(&mock), 2);
    release.send(()).unwrap();
    let renewed = (0..1_000).any(|_| live(&postern, &root, "shop") == "access-2-of-the-mock-provider");
    assert!(renewed, "the new token was never served");
    assert_eq!(mock.count("/token"), 2);
}
