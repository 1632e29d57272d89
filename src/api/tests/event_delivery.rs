//! Delivery of events to the webhook: in order, at least once, in nobody's way.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Host,
    events::{events, kinds},
    stage::{ProviderAnswer, answer, refusal, tokens},
};
use crate::ports::{ProviderFailure, ProviderRequest};

/// The settings of a webhook. Its secret is the canary, in base64.
pub(super) const WEBHOOK: [(&str, &str); 2] = [
    ("EVENT_WEBHOOK_URL", "https://hooks.example/postern?for=canary-receiver"),
    ("EVENT_WEBHOOK_SECRET", "whsec_canarycanarycanarycanarycanarycanary"),
];

/// The waits of the schedule at their longest, and a second.
pub(super) const LATEST: [u64; 9] = [7, 361, 2_161, 8_641, 21_601, 43_201, 60_481, 86_401, 103_681];

/// Whether a request goes to the webhook.
fn is_told(request: &ProviderRequest) -> bool {
    request.url.host_str() == Some("hooks.example")
}

/// A message that reached the webhook: its id, and its body.
pub(super) type Told = (String, Value);

/// The messages that reached the webhook, each with its signature checked.
pub(super) fn told(host: &Host) -> Vec<Told> {
    let secret = STANDARD.decode("canarycanarycanarycanarycanarycanary").unwrap();
    let message = |request: ProviderRequest| {
        let header = |name: &str| {
            let (_, value) = request.headers.iter().find(|(own, _)| own.as_str() == name).unwrap();
            value.expose().to_owned()
        };
        let body = request.body.as_ref().unwrap().expose();
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&secret).unwrap();
        mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        let signature = header("webhook-signature");
        mac.verify_slice(&STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap()).unwrap();
        assert_eq!((request.method.as_str(), header("content-type").as_str()), ("POST", "application/json"));
        assert!(body.len() < 20_000);
        (header("webhook-id"), serde_json::from_str(body).unwrap())
    };
    host.memory.sent().into_iter().filter(is_told).map(message).collect()
}

/// The types of messages, without what they have in common.
pub(super) fn told_kinds(told: &[Told]) -> Vec<String> {
    let bodies: Vec<Value> = told.iter().map(|(_, body)| body.clone()).collect();
    kinds(&bodies).into_iter().map(str::to_owned).collect()
}

/// Sets what webhook and provider answer: one after the other, the last one for ever.
pub(super) fn answers(
    host: &Host,
    hook: impl IntoIterator<Item = ProviderAnswer>,
    provider: impl IntoIterator<Item = ProviderAnswer>,
) {
    let queue = |answers: Vec<ProviderAnswer>| RefCell::new(VecDeque::from(answers));
    let (hook, provider) = (queue(hook.into_iter().collect()), queue(provider.into_iter().collect()));
    host.memory.provider(move |request| {
        let mut answers = if is_told(request) { hook.borrow_mut() } else { provider.borrow_mut() };
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    });
}

/// An empty answer of the webhook.
pub(super) fn status(status: u16) -> ProviderAnswer {
    answer(status, &Value::Null)
}

/// Runs the sweep, and what it began.
pub(super) fn sweep(host: &Host) {
    assert_eq!(host.as_root("POST", "/sweep", &Value::Null).status, 200);
    host.run_behind();
}

/// A host with a webhook that has heard of an authorized connection.
pub(super) fn listening(changes: &[(&str, &str)]) -> Host {
    let host = Host::with(&[&WEBHOOK, changes].concat()).with_authorized("shop");
    host.run_behind();
    assert_eq!(told_kinds(&told(&host)), ["authorized"]);
    host
}

/// Each event is told once, in order, as it is listed; and the sweep has nothing left to do.
#[test]
fn each_event_is_told_once_and_in_order() {
    let host = Host::with(&WEBHOOK).with_code_flow("shop");
    answers(&host, [status(204)], [answer(200, &tokens(1)), answer(500, &json!({})), answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    for (wait, status) in [(3_600, 502), (7_200, 200)] {
        host.wait(wait);
        assert_eq!(host.live("shop").0, status);
        host.run_behind();
    }
    let (listed, told) = (events(&host, "shop"), told(&host));
    assert_eq!(told_kinds(&told), ["authorized", "failing", "recovered"]);
    for (event, (id, body)) in listed.iter().zip(&told) {
        assert_eq!(event["id"], **id);
        assert_eq!(*body, json!({ "type": event["type"], "timestamp": event["timestamp"], "data": event["data"] }));
    }
    let swept = host.as_root("POST", "/sweep", &Value::Null).json();
    assert_eq!(swept["due"], 0, "{swept}");
}

/// What happened before there was a webhook is not told to it; nor is anything, where its address may not be used.
#[test]
fn history_is_not_told() {
    let mut host = Host::new().with_authorized("shop");
    host.run_behind();
    host.redeploy(&WEBHOOK);
    answers(&host, [status(200)], [answer(500, &json!({})), answer(200, &tokens(2))]);
    sweep(&host);
    assert_eq!(told(&host), []);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.run_behind();
    assert_eq!(told_kinds(&told(&host)), ["failing"]);
    host.redeploy(&[("EVENT_WEBHOOK_URL", "https://10.0.0.1/"), WEBHOOK[1]]);
    let ready = host.send(&super::bare("GET", "/ready"));
    let problem = json!([{ "setting": "EVENT_WEBHOOK_URL", "problem": "the host must be a name, not an address" }]);
    assert_eq!((ready.status, &ready.json()["problems"]), (503, &problem));
    let requests = host.requests();
    host.wait(7_200);
    assert_eq!((host.live("shop").0, kinds(&events(&host, "shop")).len()), (200, 3));
    host.run_behind();
    assert_eq!(host.requests(), requests + 1);
    // What was pending when the webhook went does not keep the sweep busy.
    let mut host = listening(&[]);
    answers(&host, [status(500)], [answer(500, &json!({}))]);
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    host.run_behind();
    host.redeploy(&[]);
    host.wait(86_400);
    for due in [1, 0] {
        let swept = host.as_root("POST", "/sweep", &Value::Null).json();
        assert_eq!(swept["due"], due, "{swept}");
    }
}

/// The receiver is down: the schedule is kept by the sweep, later events wait for earlier ones, ids stay.
#[test]
fn a_receiver_that_was_down_hears_everything_in_order() {
    let host = listening(&[]);
    answers(
        &host,
        [Err(ProviderFailure::Unreachable), status(302), Err(ProviderFailure::TimedOut), status(200)],
        [answer(500, &json!({})), answer(200, &tokens(2))],
    );
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.run_behind();
    for (wait, count) in [(4, 2), (3, 3), (299, 3), (62, 4)] {
        host.wait(wait);
        sweep(&host);
        assert_eq!(told(&host).len(), count, "{wait}");
    }
    // Whatever else happens in between is told afterwards.
    host.wait(1_000);
    assert_eq!(host.live("shop").0, 200);
    host.run_behind();
    assert_eq!(told(&host).len(), 4);
    host.memory.restart();
    host.wait(1_161);
    sweep(&host);
    let told = told(&host);
    assert_eq!(told_kinds(&told), ["authorized", "failing", "failing", "failing", "failing", "recovered"]);
    assert!(told[1..5].iter().all(|message| *message == told[1]), "{told:?}");
    sweep(&host);
    assert_eq!(events(&host, "shop").len(), 3);
}

/// 410 gives one event up at once; the next one is tried.
#[test]
fn gone_gives_an_event_up() {
    let host = listening(&[]);
    answers(&host, [status(410), status(200)], [answer(500, &json!({})), answer(200, &tokens(2))]);
    for wait in [3_600, 7_200, 86_400] {
        host.wait(wait);
        let _ = host.live("shop");
        host.run_behind();
        sweep(&host);
    }
    assert_eq!(told_kinds(&told(&host)), ["authorized", "failing", "recovered"]);
}

/// After ten attempts, within four days, an event is given up.
#[test]
fn an_event_is_given_up_in_the_end() {
    let host = listening(&[]);
    answers(&host, [status(500)], [refusal(400, "invalid_grant")]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 409);
    host.run_behind();
    for wait in LATEST.into_iter().chain([86_400]) {
        host.wait(wait);
        sweep(&host);
    }
    let told = told(&host);
    assert_eq!(told.len(), 11);
    assert!(told[1..].iter().all(|(id, _)| *id == told[1].0));
}

/// R6: what ends between the answer and its mark is told again, with the same id.
#[test]
fn a_crash_after_the_answer_tells_it_again() {
    let host = listening(&[]);
    let faults = host.memory.faults();
    host.memory.provider(move |request| {
        if is_told(request) {
            faults.break_records_after(0);
        }
        if is_told(request) { status(200) } else { answer(500, &json!({})) }
    });
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.run_behind();
    host.memory.faults().mend_records();
    host.memory.restart();
    answers(&host, [status(200)], [answer(500, &json!({}))]);
    for _ in 0..2 {
        sweep(&host);
        let told = told(&host);
        assert_eq!(told_kinds(&told), ["authorized", "failing", "failing"]);
        assert_eq!(told[1], told[2]);
    }
}

/// Nobody waits for a slow receiver, no event is told twice at a time, and what changes meanwhile comes after.
#[test]
fn a_slow_receiver_is_in_nobodys_way() {
    let host = listening(&[]);
    answers(&host, [status(200)], [answer(500, &json!({})), answer(200, &tokens(2))]);
    host.memory.slow_down(is_told);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    for _ in 0..3 {
        host.save("shop");
        assert_eq!(told(&host).len(), 2);
    }
    host.wait(7_200);
    assert_eq!(host.live("shop").0, 200);
    assert_eq!(told(&host).len(), 2);
    host.run_behind();
    assert_eq!(told_kinds(&told(&host)), ["authorized", "failing", "recovered"]);
}

/// With the connection its events go, also while one is being told; those of one made anew are its own.
#[test]
fn deletion_ends_deliveries() {
    let host = listening(&[]);
    answers(&host, [status(500)], [answer(500, &json!({}))]);
    host.memory.slow_down(is_told);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.save("shop");
    assert_eq!(told(&host).len(), 2);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    answers(&host, [status(500), status(200)], [answer(200, &tokens(1))]);
    let host = host.with_code_flow("shop");
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    host.run_behind();
    assert_eq!(told_kinds(&told(&host)), ["authorized", "failing", "authorized"]);
    host.wait(6);
    sweep(&host);
    assert_eq!(told_kinds(&told(&host)), ["authorized", "failing", "authorized"]);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    sweep(&host);
    assert_eq!(told(&host).len(), 3);
}

/// The row of a connection tells the sweep when to look: a directory that did not hear of it costs no event.
#[test]
fn an_event_is_told_although_the_directory_was_broken() {
    let host = listening(&[]);
    let (hooks, told_at) = (Rc::new(RefCell::new(0)), host.memory.faults());
    let hooked = Rc::clone(&hooks);
    host.memory.provider(move |request| {
        if is_told(request) {
            *hooked.borrow_mut() += 1;
            return status(if *hooked.borrow() > 1 { 200 } else { 500 });
        }
        told_at.break_directory(true);
        answer(500, &json!({}))
    });
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.run_behind();
    host.memory.faults().break_directory(false);
    host.memory.restart();
    host.wait(7);
    sweep(&host);
    assert_eq!(
        (told_kinds(&told(&host)), *hooks.borrow()),
        (["authorized", "failing", "failing"].map(str::to_owned).into(), 2)
    );
}
