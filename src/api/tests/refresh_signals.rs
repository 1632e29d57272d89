//! Events, the sweep and the webhook when much goes wrong at once.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    event_delivery::{WEBHOOK, answers, listening, status, sweep, told, told_kinds},
    events::{events, kinds},
    stage::{CODE_FLOW, DUE, answer, refusal, tokens},
    sweep::{report, with_services},
};
use crate::ports::ProviderFailure;

/// The code flow without its refresh request.
fn without_refresh() -> String {
    let start = CODE_FLOW.find("        refresh_request:").unwrap();
    let end = CODE_FLOW.find("  test_request:").unwrap();
    format!("{}\n{}", &CODE_FLOW[..start], &CODE_FLOW[end..])
}

/// A connection that the operator mends has recovered: no person has authorized it.
#[test]
fn a_connection_that_its_definition_mends_was_not_authorized_by_a_person() {
    let host = Host::new().with_authorized("shop");
    assert_eq!(host.define("shop", &without_refresh()).status, 200);
    host.wait(3_600);
    let _ = host.sweep();
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    assert_eq!(kinds(&events(&host, "shop")), ["authorized", "needs_authorization", "recovered"]);
}

/// Client credentials need no person, ever: where their refresh token is refused, or an answer to it is lost, they
/// get a token by themselves.
#[test]
fn a_service_whose_refresh_token_dies_gets_a_token_by_itself() {
    for fault in [refusal(400, "invalid_grant"), answer(504, &Value::Null)] {
        let host = Host::new().with_service("shop");
        host.provider_answers([answer(200, &tokens(1)), fault, answer(200, &tokens(2))]);
        assert_eq!(host.live("shop").0, 200);
        host.wait(3_600);
        assert!(host.live("shop").0 >= 502);
        assert_eq!(host.view("shop")["refresh"]["state"], "failing");
        host.wait(60);
        assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
    }
}

/// Of a provider that is down tells whoever went to see; who is made to wait stays as it is, and needs no row of the
/// connection's object.
#[test]
fn an_outage_of_a_provider_is_told_by_those_who_asked() {
    let mut host = Host::with(&WEBHOOK);
    for number in 0..40 {
        host = host.with_authorized(&format!("shop{number}"));
    }
    host.run_behind();
    answers(&host, [status(204)], [answer(503, &json!({}))]);
    let (before, calls) = (told(&host).len(), host.requests());
    host.wait(DUE);
    for _ in 0..30 {
        sweep(&host);
        let _ = host.ring();
        host.run_behind();
        host.wait(60);
    }
    let told = told_kinds(&told(&host)).split_off(before);
    let asked = host.requests() - calls - told.len();
    assert!((7..=16).contains(&told.len()) && told.len() <= asked && asked <= 16, "{} {asked}", told.len());
    assert!(told.iter().all(|kind| kind == "failing"), "{told:?}");
    // Whoever only waited is no line in the log either.
    assert_eq!(host.memory.refresh_lines().len(), asked);
}

/// A receiver that is dead for five days is asked ten times for an event, and nobody else is kept busy: an alarm for
/// each attempt, and the sweep not at all.
#[test]
fn a_dead_receiver_keeps_nobody_busy() {
    let host = listening(&[]);
    answers(&host, [status(500)], [refusal(400, "invalid_grant")]);
    host.wait(DUE);
    let (mut due, mut rung) = (0, 0);
    for _ in 0..(5 * 24 * 6) {
        rung += host.ring().len();
        host.run_behind();
        due += host.as_root("POST", "/sweep", &Value::Null).json()["due"].as_u64().unwrap();
        host.run_behind();
        host.wait(600);
    }
    assert_eq!((told(&host).len(), due), (11, 1));
    assert!((10..=12).contains(&rung), "{rung}");
}

/// A receiver that fails shows in the log, with its status and without its address; one that is well does not.
#[test]
fn an_event_that_cannot_be_delivered_is_an_error_in_the_log() {
    let host = listening(&[]);
    assert!(host.memory.refresh_lines().is_empty());
    answers(&host, [status(404), Err(ProviderFailure::TimedOut), status(204)], [refusal(400, "invalid_grant")]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 409);
    for wait in [7, 400] {
        host.run_behind();
        host.wait(wait);
        let _ = host.ring();
    }
    host.run_behind();
    let lines: Vec<_> = host.memory.refresh_lines().into_iter().filter(|line| line["event"] == "webhook").collect();
    let line = |fault: Value| {
        json!({ "level": "error", "event": "webhook", "connection": "shop", "refresh_state": "needs_authorization",
            "fault": fault })
    };
    let refused = json!({ "refused": { "error": null, "status": 404 } });
    assert_eq!((lines, told(&host).len()), (vec![line(refused), line(json!("timed_out"))], 4));
}

/// What was waiting when the webhook was taken away is told when it is back and something happens: in order.
#[test]
fn a_webhook_that_comes_back_is_told_what_was_waiting() {
    let mut host = listening(&[]);
    answers(&host, [status(500), status(200)], [answer(200, &tokens(2))]);
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    host.run_behind();
    host.redeploy(&[]);
    for _ in 0..2 {
        host.wait(3_600);
        let _ = host.ring();
        sweep(&host);
    }
    host.redeploy(&WEBHOOK);
    assert_eq!((host.ring().len(), told(&host).len()), (0, 2));
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    host.run_behind();
    assert_eq!(told_kinds(&told(&host)).split_off(2), ["needs_authorization", "authorized"]);
}

/// Whom a breaker makes to wait goes on to wait when the operator says something else of it: the breakers are asked
/// again when the time is over, or at once with other secrets.
#[test]
fn a_connection_that_is_made_to_wait_is_not_due_again_with_each_write() {
    let host = with_services(2);
    host.provider_answers([refusal(401, "invalid_client")]);
    host.wait(DUE);
    assert_eq!(host.live("k0").0, 200);
    host.run_behind();
    assert_eq!(host.sweep(), report(&[("due", 1), ("paused", 1)]));
    let next_at = || host.view("k1")["refresh"]["next_at"].clone();
    let before = next_at();
    host.save("k1");
    assert_eq!((next_at(), host.sweep(), host.requests()), (before, report(&[]), 3));
    let further = json!({ "provider_credentials": [{ "client_secret": "canary-new" }] });
    assert_eq!(host.as_root("PATCH", "/connection/k1/secret?verify=false", &further).status, 200);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 4));
}

/// Secrets that come while the breakers are asked do not wait for what the former ones met with.
#[test]
fn secrets_that_come_while_the_breakers_are_asked_wait_for_nothing() {
    let host = with_services(2);
    host.provider_answers([refusal(401, "invalid_client")]);
    host.wait(3_600);
    assert_eq!(host.live("k0").0, 502);
    host.memory.slow_breakers();
    let further = json!({ "provider_credentials": [{ "client_secret": "canary-new" }] });
    let patch = authorized("PATCH", "/api/v1/connection/k1/secret?verify=false", &host.root(), &further);
    let answers = host.send_all(&[host.reading("k1"), patch]);
    assert_eq!((answers[0].status, answers[1].status), (502, 200));
    assert_eq!(host.requests(), 3);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 4));
}

/// However long a client was refused: what is mended at the provider works for all its connections within the hour.
#[test]
fn a_client_that_is_mended_at_the_provider_works_again_soon() {
    let host = Host::new().with_service("shop").with_service("bank");
    host.provider_answers([refusal(401, "invalid_client")]);
    for _ in 0..6 {
        let refused = (host.live("shop").0, host.live("bank").0);
        assert_eq!(refused, (502, 502));
        host.wait(40_000);
    }
    let _ = (host.live("shop"), host.live("bank"));
    host.provider_answers([answer(200, &tokens(1))]);
    host.wait(2_400);
    for key in ["shop", "bank"] {
        assert_eq!(host.live(key).0, 200, "{key}");
    }
}
