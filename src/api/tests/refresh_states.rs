//! Where connections stand, as it is told; and tokens that are served meanwhile.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{CODE_FLOW, DUE, MAY_BE_DUE, answer, live, refusal, tokens},
    sweep::report,
};
use crate::protocol::time::Seconds;

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// An answer with the n-th access token, and these members.
fn access_token(number: u32, members: &Value) -> Value {
    let mut token = json!({ "access_token": format!("canary-at-{number}") });
    token.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    token
}

/// What is shown of a connection's tokens through its life; nothing where none are got.
#[test]
fn a_connection_shows_how_its_tokens_are() {
    let refresh = |host: &Host| host.view("shop")["refresh"].clone();
    let host = Host::new();
    host.save("shop");
    assert_eq!(refresh(&host), Value::Null);
    let host = host.with_code_flow("shop");
    let mut expected = json!({ "state": "needs_authorization", "last_at": null, "next_at": null, "expires_at": null,
        "failures": 0, "fault_class": null, "fault": null, "error": null, "reason": null });
    assert_eq!(refresh(&host), expected);
    host.provider_answers([answer(200, &tokens(1)), refusal(400, "invalid_request"), answer(429, &Value::Null)]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    let next_at = refresh(&host)["next_at"].clone();
    let (first, last) = (json!("2023-11-14T23:03:20Z"), json!("2023-11-14T23:05:50Z"));
    assert!(first.as_str() <= next_at.as_str() && next_at.as_str() <= last.as_str(), "{next_at}");
    for (member, value) in [("state", json!("good")), ("next_at", next_at)] {
        expected[member] = value;
    }
    (expected["last_at"], expected["expires_at"]) = (json!("2023-11-14T22:13:20Z"), json!("2023-11-14T23:13:20Z"));
    assert_eq!(refresh(&host), expected);
    let faults = [(DUE, "refused", json!("invalid_request")), (100, "busy", Value::Null)];
    for (failures, (wait, fault, error)) in (1..).zip(faults) {
        host.wait(wait);
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        let shown = refresh(&host);
        for (member, value) in [("state", "failing"), ("fault_class", "provider"), ("fault", fault)] {
            assert_eq!(shown[member], value, "{shown}");
        }
        assert_eq!((&shown["failures"], &shown["error"]), (&json!(failures), &error), "{shown}");
        assert_eq!((&shown["last_at"], &shown["expires_at"]), (&expected["last_at"], &expected["expires_at"]));
    }
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!(host.live("shop"), found(2));
    let shown = refresh(&host);
    assert_eq!((&shown["state"], &shown["failures"], &shown["error"]), (&json!("good"), &json!(0), &Value::Null));
}

/// Each state that a fault leaves inside the lead: the token is served on, and says so.
#[test]
fn a_token_is_served_with_where_its_connection_stands() {
    for (fault, state) in [
        (answer(500, &Value::Null), "failing"),
        (refusal(401, "invalid_client"), "stopped"),
        (answer(504, &Value::Null), "in_doubt"),
        (refusal(400, "invalid_grant"), "needs_authorization"),
    ] {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([fault]);
        host.wait(DUE);
        let read = host.read("shop");
        assert_eq!((live(&read), &read.json()["refresh_state"]), (found(1), &json!("good")));
        host.run_behind();
        for _ in 0..2 {
            let read = host.read("shop");
            assert_eq!((live(&read), &read.json()["refresh_state"]), (found(1), &json!(state)));
            assert_eq!((host.refresh_state(), host.requests()), (state.to_owned(), 2));
            host.memory.restart();
        }
    }
}

/// K17: while a slow provider is being asked, everybody is served at once, and nobody asks again.
#[test]
fn a_token_is_served_while_its_renewal_is_under_way() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.memory.slow_down(|_| true);
    host.wait(DUE);
    for _ in 0..20 {
        let read = host.read("shop");
        assert_eq!((live(&read), &read.json()["refresh_state"]), (found(1), &json!("good")));
    }
    host.run_behind();
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
}

/// An outage from the lead on: served to the last second, then the fault; healed by itself.
#[test]
fn an_outage_is_not_seen_before_the_token_has_expired() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(503, &Value::Null)]);
    host.wait(DUE);
    for second in DUE..3_600 {
        let read = host.read("shop");
        assert_eq!((live(&read), &read.json()["expires_in"]), (found(1), &json!(3_600 - second)));
        host.run_behind();
        host.wait(1);
    }
    // At 0, 30 to 37, 90 to 111, 210 to 260 seconds; the fifth is after the end.
    let requests = host.requests();
    assert_eq!((requests, host.live("shop").0, host.refresh_state()), (5, 502, "failing".to_owned()));
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(600);
    assert_eq!((host.live("shop"), host.refresh_state(), host.requests()), (found(2), "good".to_owned(), requests + 1));
}

/// A provider that tells no lifetime: an hour is assumed, so that also such a token is renewed in time.
#[test]
fn a_token_without_a_lifetime_is_renewed_after_an_hour() {
    let host = Host::new().with_service("shop");
    host.provider_answers([1, 2].map(|number| answer(200, &access_token(number, &json!({})))));
    assert_eq!(host.live("shop"), found(1));
    assert_eq!(host.view("shop")["refresh"]["expires_at"], "2023-11-14T23:13:20Z");
    host.wait(MAY_BE_DUE - 1);
    assert_eq!((host.sweep(), host.requests()), (report(&[]), 1));
    host.wait(DUE - MAY_BE_DUE + 1);
    assert_eq!((host.sweep(), host.live("shop")), (report(&[("due", 1), ("renewed", 1)]), found(2)));
}

/// A provider that gives the same access token again until that has expired is asked once in a life, not in a loop.
#[test]
fn a_token_that_comes_again_is_not_asked_for_in_a_loop() {
    let host = Host::new().with_authorized("shop");
    let again = answer(200, &access_token(1, &json!({ "expires_in": 3_600 - DUE })));
    host.provider_answers([again, answer(200, &tokens(2))]);
    host.wait(DUE);
    for wait in [0, 1, 100, 3_598 - DUE - 100] {
        host.wait(wait);
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        assert_eq!((host.sweep(), host.ring().len(), host.requests()), (report(&[]), 0, 2));
    }
    host.memory.restart();
    assert_eq!((host.live("shop"), host.requests()), (found(1), 2));
    host.wait(1);
    assert_eq!((host.live("shop"), host.requests()), (found(2), 3));
}

/// However short it lives: where nobody reads it, it is asked for once a minute at most.
#[test]
fn a_short_token_that_comes_again_is_asked_for_once_a_minute() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(200, &access_token(1, &json!({ "expires_in": 1 })))]);
    assert_eq!(host.live("shop"), found(1));
    for _ in 0..3 {
        host.wait(59);
        assert_eq!((host.sweep(), host.ring().len()), (report(&[]), 0));
        host.wait(1);
        assert_eq!(host.sweep(), report(&[("due", 1), ("renewed", 1)]));
    }
}

/// R9: a token from the future, after the clock was set back, is renewed at the next read, as nobody knows when it
/// expires; a small step is nothing.
#[test]
fn a_token_from_the_future_is_renewed() {
    for (back, requests) in [(60, 1), (61, 2), (10 * 365 * 86_400, 2)] {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([answer(200, &tokens(2))]);
        host.memory.set_back(Seconds(back));
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        assert_eq!((host.live("shop"), host.requests()), (found(u32::try_from(requests).unwrap()), requests), "{back}");
        assert_eq!(host.refresh_state(), "good");
    }
}

/// R9: nor does a fault from the future hold anything back.
#[test]
fn a_fault_from_the_future_is_forgotten() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(500, &Value::Null), answer(200, &tokens(1))]);
    assert_eq!((host.live("shop").0, host.live("shop").0, host.requests()), (502, 502, 1));
    host.memory.set_back(Seconds(1));
    assert_eq!((host.live("shop"), host.requests()), (found(1), 2));
}

/// A deletion while the provider is asked, for somebody who waits or for nobody: no intent, no row, no alarm that does
/// anything; and the same key, made again, has nothing of it.
#[test]
fn a_deletion_during_a_renewal_leaves_no_intent() {
    for (after, status) in [(DUE, 200), (3_600, 404)] {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([answer(200, &tokens(2))]);
        host.memory.slow_down(|_| true);
        host.wait(after);
        let delete = authorized("DELETE", "/api/v1/connection/shop", &host.root(), &Value::Null);
        let answers = host.send_staggered(&[host.reading("shop"), delete], 30);
        assert_eq!((answers[0].status, answers[1].status, host.requests()), (status, 204, 2));
        host.run_behind();
        let _ = host.ring();
        let state = host.memory.state();
        assert!(!state.contains("attempt") && !state.contains("access_token"), "{state}");
        assert_eq!((host.live("shop").0, host.sweep(), host.requests()), (404, report(&[]), 2));
        let host = host.with_code_flow("shop");
        assert_eq!((host.live("shop").0, host.requests()), (409, 2));
        assert_eq!(host.view("shop")["refresh"]["failures"], 0);
    }
}

/// A definition that lost its refresh request and gets it back while the token lives: renewed as if nothing had been.
#[test]
fn a_definition_that_gets_its_refresh_request_back_renews() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    let start = CODE_FLOW.find("        refresh_request:").unwrap();
    let end = CODE_FLOW.find("  test_request:").unwrap();
    assert_eq!(host.define("shop", &format!("{}\n{}", &CODE_FLOW[..start], &CODE_FLOW[end..])).status, 200);
    host.wait(DUE);
    assert_eq!((host.live("shop"), host.sweep(), host.ring().len()), (found(1), report(&[]), 0));
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    assert_eq!((host.sweep(), host.live("shop")), (report(&[("due", 1), ("renewed", 1)]), found(2)));
}
