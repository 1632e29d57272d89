//! Events in the real runtime: told to a receiver that checks them with the library of Standard Webhooks, again and
//! again until it has them, whatever ends in between.
#![expect(clippy::unwrap_used, reason = "test: a failure is a failed test")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use common::{
    CALLBACK, assert_kept_secret, at, authorize, authorized, call_back, live, parameter, provider, read, root, text,
};
use serde_json::{Value, json};
use workerd_tests::{Clock, Counterpart, Mock, MockAnswer, MockRequest, Postern, Setup};

/// The secrets of the webhook, in the middle of a rotation.
const SECRETS: [&str; 2] = ["whsec_bmV3IHNlY3JldCBvZiB0aGUgd2ViaG9vaw==", "whsec_b2xkIHNlY3JldCBvZiB0aGUgd2ViaG9vaw=="];

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// A receiver of messages.
struct Receiver {
    /// The server.
    mock: Mock,
    /// What reached it.
    messages: mpsc::Receiver<MockRequest>,
}

impl Receiver {
    /// Starts one: `answer` decides what it answers to the Nth message.
    fn start(answer: impl Fn(usize) -> MockAnswer + Send + Sync + 'static) -> Self {
        let (sender, messages) = mpsc::channel();
        let (sender, count) = (Mutex::new(sender), AtomicUsize::new(0));
        let mock = Mock::start(move |request| {
            let _ = sender.lock().unwrap().send(request.clone());
            answer(count.fetch_add(1, Ordering::SeqCst) + 1)
        });
        Self { mock, messages }
    }

    /// The settings of who tells it.
    fn setup(&self, clock: &Clock) -> Setup {
        let setup = Setup::new().clock(clock).set("EVENT_WEBHOOK_URL", &format!("{}/hook?of=postern", self.mock.url()));
        setup.set("EVENT_WEBHOOK_SECRET", &SECRETS.join(" "))
    }

    /// The next message: its id and what it says, found genuine by either secret.
    #[track_caller]
    fn next(&self, clock: &Clock) -> (String, Value) {
        let message = self.messages.recv_timeout(PATIENCE).unwrap();
        assert_eq!((message.method.as_str(), message.target.as_str()), ("POST", "/hook?of=postern"));
        assert_eq!(message.header("content-type"), Some("application/json"));
        let id = message.header("webhook-id").unwrap().to_owned();
        let body = String::from_utf8(message.body.clone()).unwrap();
        let library = Counterpart::start("webhook.mjs", "standardwebhooks", Some(clock));
        let read = |secret: &str, body: &str| {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers: Vec<_> = names.iter().map(|name| (*name, message.header(name))).collect();
            library.ask("message", &json!({ "secret": secret, "headers": headers, "body": body }))
        };
        let told: Value = serde_json::from_str(&body).unwrap();
        for secret in SECRETS {
            assert_eq!(read(secret, &body), told);
        }
        for (secret, body) in [("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE=", body.as_str()), (SECRETS[0], "{}")] {
            assert!(read(secret, body).get("error").is_some(), "{message:?}");
        }
        (id, told)
    }

    /// That nothing more has reached it.
    #[track_caller]
    fn assert_silent(&self) {
        assert_eq!(self.messages.try_recv(), Err(mpsc::TryRecvError::Empty));
    }
}

/// What a provider answers to a refresh token that is dead.
fn dead() -> MockAnswer {
    MockAnswer::json(400, &json!({ "error": "invalid_grant", "error_description": "for mock-eyes-only" }))
}

/// The events of a connection, newest first.
#[track_caller]
fn listed(postern: &Postern, root: &str) -> Vec<Value> {
    let page = postern.get(&at("shop", "/events")).bearer(root).send().expect_status(200).json();
    page.get("items").and_then(Value::as_array).unwrap().clone()
}

/// Sweeps.
#[track_caller]
fn sweep(postern: &Postern, root: &str) {
    drop(postern.post("/api/v1/sweep").bearer(root).send().expect_status(200));
}

/// E8, L5: the provider ends the grant: the message says so, and holds a link that works and is kept nowhere.
#[test]
fn a_message_is_genuine_and_its_link_works() {
    let clock = Clock::new();
    let receiver = Receiver::start(|_| MockAnswer::text(204, ""));
    let mock = provider(|_, number| (number == 2).then(dead));
    let mut postern = Postern::start(receiver.setup(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    assert_eq!(receiver.next(&clock).1["type"], "connection.authorized");
    clock.advance(3_700);
    drop(read(&postern, &root, "shop").expect_status(409));
    let (id, told) = receiver.next(&clock);
    assert_eq!(told["type"], "connection.needs_authorization");
    let newest = listed(&postern, &root).swap_remove(0);
    assert_eq!((&newest["id"], &newest["timestamp"]), (&json!(id), &told["timestamp"]));
    assert_eq!((&told["data"]["reason"], &told["data"]["error"]), (&json!("refused"), &json!("invalid_grant")));
    assert!(newest["data"].get("connect_link").is_none() && !told.to_string().contains("mock-eyes-only"), "{told}");

    let link = text(&told["data"], "connect_link");
    let path = link.strip_prefix(&postern.url()).unwrap();
    let gone_on = postern.post(path).header("Sec-Fetch-Site", "same-origin").send().expect_status(200);
    let cookie = gone_on.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = gone_on.text();
    let target = page.split_once("0;url=").unwrap().1.split('"').next().unwrap().replace("&amp;", "&");
    let back = format!("{CALLBACK}?state={}&code=c", parameter(&target, "state"));
    drop(postern.get(&back).header("Cookie", &cookie).send().expect_status(200));
    assert_eq!(live(&postern, &root, "shop"), "access-3-of-the-mock-provider");
    assert_eq!(receiver.next(&clock).1["type"], "connection.authorized");
    receiver.assert_silent();
    assert_kept_secret(&mut postern, "shop", &[path.rsplit('/').next().unwrap(), SECRETS[0], SECRETS[1]]);
}

/// R6: the receiver is down, then Postern dies while it is being told: the sweep alone tells it again, with the same
/// id, and what came later comes after.
#[test]
fn the_sweep_tells_what_could_not_be_told() {
    let clock = Clock::new();
    let receiver = Receiver::start(|number| match number {
        2 => MockAnswer::text(503, ""),
        3 => MockAnswer::never(),
        _ => MockAnswer::text(200, "thanks"),
    });
    let mock = provider(|_, number| (number == 2).then(dead));
    let mut postern = Postern::start(receiver.setup(&clock).set("REFRESH_ALARMS", "false"));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    assert_eq!(receiver.next(&clock).1["type"], "connection.authorized");
    clock.advance(3_700);
    drop(read(&postern, &root, "shop").expect_status(409));
    let first = receiver.next(&clock);
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    drop(call_back(&postern, &state, "code-of-the-mock-provider").expect_status(200));
    clock.advance(10);
    sweep(&postern, &root);
    let second = receiver.next(&clock);
    postern.kill_and_restart();
    receiver.assert_silent();
    clock.advance(10);
    sweep(&postern, &root);
    let third = receiver.next(&clock);
    assert_eq!((&first.0, &second.0), (&second.0, &third.0));
    // The link was used up in between: it is not told any more.
    assert!(first.1["data"]["connect_link"].is_string() && third.1["data"]["connect_link"].is_null());
    let last = receiver.next(&clock);
    assert_eq!((&last.1["type"], &json!(last.0)), (&json!("connection.authorized"), &listed(&postern, &root)[0]["id"]));
    assert_eq!(listed(&postern, &root).len(), 3);
}

/// R7: nobody asks for anything: the alarm tells it again.
#[test]
fn the_alarm_tells_what_could_not_be_told() {
    let clock = Clock::new();
    let receiver = Receiver::start(|number| MockAnswer::text(if number == 1 { 500 } else { 200 }, ""));
    let mock = provider(|_, _| None);
    let mut postern = Postern::start(receiver.setup(&clock));
    let root = root(&postern);
    authorized(&postern, &root, "shop", &mock);
    let first = receiver.next(&clock);
    clock.advance(10);
    postern.kill_and_restart();
    assert_eq!(receiver.next(&clock), first);
    assert_eq!(live(&postern, &root, "shop"), "access-1-of-the-mock-provider");
    receiver.assert_silent();
}
