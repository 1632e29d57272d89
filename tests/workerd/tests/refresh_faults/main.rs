//! The state machine of a connection's renewals, row by row, in workerd: what each fault of a provider makes of a
//! connection, what readers get meanwhile, how often the provider is asked, and how it ends.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test: a failure is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod crowds;
mod hours;
mod scene;

use chrono::DateTime;
use scene::{DUE, LIFE, Scene, access, refresh};
use serde_json::{Value, json};
use workerd_tests::MockAnswer;

/// A fault, and what it makes of a connection.
struct Row {
    /// What the provider answers.
    answer: MockAnswer,
    /// `refresh_state` afterwards.
    state: &'static str,
    /// Whose fault it is.
    class: &'static str,
    /// The word for it.
    fault: &'static str,
    /// The provider's error code.
    error: Option<&'static str>,
    /// What a reader gets when the token has expired.
    status: u16,
}

/// A refusal with this code.
fn refusal(status: u16, code: &str) -> MockAnswer {
    MockAnswer::json(status, &json!({ "error": code, "error_description": "saassecret of the provider" }))
}

/// A row of a fault that is the provider's.
fn failing(answer: MockAnswer, fault: &'static str) -> Row {
    Row { answer, state: "failing", class: "provider", fault, error: None, status: 502 }
}

/// A row of an answer that was lost.
fn in_doubt(answer: MockAnswer, fault: &'static str) -> Row {
    Row { answer, state: "in_doubt", class: "provider", fault, error: None, status: 502 }
}

/// A row of a refusal of the operator's client or definition.
fn stopped(answer: MockAnswer, error: Option<&'static str>) -> Row {
    Row { answer, state: "stopped", class: "integration", fault: "refused", error, status: 502 }
}

/// Fails unless the connection shows what the row says.
#[track_caller]
fn assert_shown(scene: &Scene, row: &Row, failures: u32) {
    let shown = scene.refresh("shop");
    let Row { state, class, fault, error, .. } = row;
    for (name, expected) in [
        ("state", json!(state)),
        ("fault_class", json!(class)),
        ("fault", json!(fault)),
        ("error", json!(error)),
        ("failures", json!(failures)),
    ] {
        assert_eq!(shown[name], expected, "{name}: {shown}");
    }
    assert!(!shown.to_string().contains("saassecret"), "{shown}");
}

/// A connection whose token is due when the provider begins to answer so; one sweep has met that.
#[track_caller]
fn met(row: &Row) -> Scene {
    let scene = Scene::new(&["shop"]);
    assert_eq!(scene.live("shop"), (access(1), "good".to_owned()));
    assert_eq!(scene.refresh("shop")["state"], "good");
    scene.clock.advance(DUE);
    scene.answers(Some(row.answer.clone()));
    let report = scene.sweep();
    assert_eq!((&report["due"], &report["renewed"]), (&json!(1), &json!(0)), "{report}");
    assert_shown(&scene, row, 1);
    scene
}

/// Readers get the token while it lives, whoever comes and whatever process answers, and the provider is not asked
/// again.
#[track_caller]
fn assert_served(scene: &mut Scene, row: &Row) {
    for _ in 0..2 {
        assert_eq!(scene.live("shop"), (access(1), row.state.to_owned()));
        assert_eq!(scene.sweep()["due"], 0);
        assert_shown(scene, row, 1);
        scene.postern.kill_and_restart();
    }
    assert_eq!(scene.calls(), 2);
}

/// The token has expired and the provider may be asked: one reader's call meets the same fault; the next ones wait.
#[track_caller]
fn assert_asked_once_more(scene: &Scene, row: &Row, failures: u32) {
    let calls = scene.calls();
    for _ in 0..3 {
        let told = scene.read("shop").expect_status(row.status);
        assert!(told.json()["detail"].is_string() && !told.text().contains("saassecret"), "{}", told.text());
    }
    assert_eq!(scene.calls(), calls + 1);
    assert_shown(scene, row, failures);
}

/// The provider is well again: the next look renews with the same refresh token, and all is forgotten.
#[track_caller]
fn assert_recovers(scene: &Scene) {
    scene.answers(None);
    // A breaker may be open for a moment longer.
    scene.clock.advance(scene.ahead("shop", "next_at") + 60);
    let calls = scene.calls();
    assert_eq!(scene.live("shop"), (access(calls + 1), "good".to_owned()));
    assert_eq!((scene.calls(), scene.last_sent()), (calls + 1, Some(refresh(1))));
    let shown = scene.refresh("shop");
    assert_eq!([&shown["state"], &shown["failures"]], [&json!("good"), &json!(0)], "{shown}");
    assert_eq!([&shown["fault"], &shown["fault_class"], &shown["error"]], [&Value::Null; 3], "{shown}");
    assert_eq!(scene.ahead("shop", "last_at").abs() / 60, 0, "{shown}");
}

/// K15, K18: the provider fails: it is asked again after a back-off that begins at half a minute.
#[test]
fn a_provider_that_fails_is_asked_again_after_a_back_off() {
    for row in [
        failing(MockAnswer::json(500, &common::tokens(7)), "failed"),
        failing(MockAnswer::text(503, "saassecret"), "failed"),
        failing(refusal(429, "slow_down"), "busy"),
        failing(refusal(400, "computer_says_no"), "refused"),
    ] {
        let mut scene = met(&row);
        let wait = scene.ahead("shop", "next_at");
        assert!((20..=38).contains(&wait), "{wait}");
        assert_served(&mut scene, &row);
        scene.clock.advance(LIFE - DUE);
        assert_asked_once_more(&scene, &row, 2);
        let wait = scene.ahead("shop", "next_at");
        assert!((50..=75).contains(&wait), "{wait}");
        assert_recovers(&scene);
    }
}

/// K18: RFC 9110 §10.2.3: seconds or a date. Readers are told at once while the provider wants to be left alone.
#[test]
fn a_provider_that_says_when_to_come_again_is_left_alone_until_then() {
    let busy = |after: &str| failing(refusal(429, "slow_down").header("Retry-After", after), "busy");
    // The provider's clock is ours; it is moved with `DUE`.
    let date = |from_now| {
        let at = workerd_tests::Clock::new().now() + DUE + from_now;
        DateTime::from_timestamp(at, 0).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for row in
        [busy("1800"), busy(&date(1_800)), failing(MockAnswer::text(503, "").header("Retry-After", "1800"), "failed")]
    {
        let mut scene = met(&row);
        let wait = scene.ahead("shop", "next_at");
        assert!((1_780..=1_800).contains(&wait), "{wait}");
        assert_served(&mut scene, &row);
        scene.clock.advance(LIFE - DUE);
        for _ in 0..3 {
            drop(scene.read("shop").expect_status(502));
            assert_eq!(scene.sweep()["due"], 0);
        }
        assert_eq!(scene.calls(), 2);
        assert_recovers(&scene);
    }
}

/// K15, K17: whether the provider took the refresh token is not known: it is not sent again before the access token has
/// expired.
#[test]
fn after_a_lost_answer_the_refresh_token_is_not_sent_again_while_the_access_token_lives() {
    for row in [
        in_doubt(MockAnswer::close(), "unreachable"),
        in_doubt(MockAnswer::json(200, &common::tokens(7)).cut(), "unreachable"),
        in_doubt(MockAnswer::new(200, "text/html", "<html>saassecret</html>"), "unreadable"),
        in_doubt(MockAnswer::new(200, "application/json", "{\"access_token\": \"access-7"), "unreadable"),
        Row { status: 504, ..in_doubt(MockAnswer::text(504, ""), "timed_out") },
    ] {
        assert_doubted(&row);
    }
}

/// K15: the same where the provider says nothing at all, for ten seconds.
#[test]
fn after_silence_the_refresh_token_is_not_sent_again_while_the_access_token_lives() {
    let row = Row { status: 504, ..in_doubt(MockAnswer::never(), "timed_out") };
    let mut scene = met(&row);
    assert_served(&mut scene, &row);
    scene.clock.advance(LIFE - DUE - 60);
    assert_served(&mut scene, &row);
    assert_recovers(&scene);
}

/// Once when the access token has expired; after another fault with a back-off.
#[track_caller]
fn assert_doubted(row: &Row) {
    let mut scene = met(row);
    let shown = scene.refresh("shop");
    assert_eq!(shown["next_at"], shown["expires_at"], "{shown}");
    assert_served(&mut scene, row);
    scene.clock.advance(LIFE - DUE - 60);
    assert_served(&mut scene, row);
    scene.clock.advance(60);
    assert_asked_once_more(&scene, row, 2);
    // Whatever it answers now, the doubt stays until it gives tokens or refuses the grant.
    scene.answers(Some(MockAnswer::text(500, "")));
    scene.clock.advance(scene.ahead("shop", "next_at") + 1);
    assert_eq!(scene.sweep()["failed"], 1);
    assert_shown(&scene, &Row { fault: "failed", ..in_doubt(MockAnswer::close(), "failed") }, 3);
    assert_recovers(&scene);
}

/// K18: the answer was lost, and the provider had taken the refresh token: a person is needed, and told why.
#[test]
fn a_refusal_after_a_lost_answer_asks_for_a_person() {
    let row = in_doubt(MockAnswer::close(), "unreachable");
    let mut scene = met(&row);
    scene.answers(Some(refusal(400, "invalid_grant")));
    assert_served(&mut scene, &row);
    scene.clock.advance(LIFE - DUE);
    drop(scene.read("shop").expect_status(409));
    assert_eq!(scene.refresh("shop")["reason"], "answer_lost");
    assert_over(&scene, 3);
}

/// K18: the grant is over: the access token is served while it lives, then a person is asked for.
#[test]
fn a_refused_grant_is_served_out_and_never_asked_for_again() {
    for (status, code) in [(400, "invalid_grant"), (401, "invalid_grant"), (400, "bad_refresh_token")] {
        let row = Row {
            answer: refusal(status, code),
            state: "needs_authorization",
            class: "connection",
            fault: "refused",
            error: Some(code),
            status: 409,
        };
        let mut scene = met(&row);
        let shown = scene.refresh("shop");
        assert_eq!((&shown["next_at"], &shown["reason"]), (&Value::Null, &json!("refused")), "{shown}");
        assert_served(&mut scene, &row);
        scene.clock.advance(LIFE - DUE);
        assert_over(&scene, 2);
    }
}

/// Only a person can help, and does.
#[track_caller]
fn assert_over(scene: &Scene, calls: usize) {
    for _ in 0..3 {
        let told = scene.read("shop").expect_status(409).text();
        assert!(told.contains("/api/v1/connection/shop/authorize"), "{told}");
        assert_eq!(scene.sweep()["due"], 0);
        scene.clock.advance(7_200);
    }
    assert_eq!((scene.calls(), &scene.refresh("shop")["state"]), (calls, &json!("needs_authorization")));
    scene.answers(None);
    let state = common::parameter(&common::authorize(&scene.postern, &scene.root, "shop"), "state");
    drop(common::call_back(&scene.postern, &state, "code").expect_status(200));
    assert_eq!(scene.live("shop"), (access(calls + 1), "good".to_owned()));
}

/// K18: the operator's client or definition is refused: asking often helps nobody. No grant is given up for it.
#[test]
fn a_refused_client_stops_the_renewals_and_costs_no_grant() {
    for row in [
        stopped(refusal(401, "invalid_client"), Some("invalid_client")),
        stopped(refusal(400, "unauthorized_client"), Some("unauthorized_client")),
        stopped(MockAnswer::text(401, "saassecret"), None),
    ] {
        let mut scene = met(&row);
        let wait = scene.ahead("shop", "next_at");
        assert!((1_790..=2_250).contains(&wait), "{wait}");
        assert_served(&mut scene, &row);
        scene.clock.advance(LIFE - DUE);
        for _ in 0..3 {
            drop(scene.read("shop").expect_status(502));
        }
        assert_eq!(scene.calls(), 2);
        assert_recovers(&scene);
    }
}
