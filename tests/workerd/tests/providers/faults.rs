//! Faults that a real server's own answers carry, by the hooks of `oauth2-mock-server`: what readers are told, where
//! the renewals stand, how often the provider is asked, and that all is well again once the provider is, without
//! anybody.

use std::ops::RangeInclusive;
use std::thread;

use chrono::DateTime;
use serde_json::{Value, json};

use crate::common::at;
use crate::servers::MOCK;
use crate::stage::{ACCESS_TTL, KEY, READERS, Stage};

/// Life of a token about which nothing unusual is said, in seconds.
const TTL: i64 = ACCESS_TTL as i64;

/// How long the first back-off of a fault is, in seconds, if the provider does not say: half a minute, and up to a
/// quarter more.
const FIRST: RangeInclusive<i64> = 30..=38;

/// How long the operator's fault waits.
const OPERATOR: RangeInclusive<i64> = 1_800..=2_250;

/// How long a provider that says so is left alone.
const SAID: RangeInclusive<i64> = 600..=600;

/// Where renewals stand after a fault: `state`, `fault_class`, `fault`.
type Shown = [&'static str; 3];

/// The provider fails.
const FAILED: Shown = ["failing", "provider", "failed"];

/// It is overloaded.
const BUSY: Shown = ["failing", "provider", "busy"];

/// It says what is no token answer; whether it took the refresh token is not known.
const UNREADABLE: Shown = ["in_doubt", "provider", "unreadable"];

/// It refuses the client.
const REFUSED_CLIENT: Shown = ["stopped", "integration", "refused"];

/// A fault and what comes of it.
struct Row {
    /// What is wrong.
    name: &'static str,
    /// The order to the server.
    fault: Value,
    /// Where the renewals stand.
    shown: Shown,
    /// The provider's error code, where one is shown.
    error: Option<&'static str>,
    /// How long the provider is left alone, in seconds.
    wait: RangeInclusive<i64>,
    /// What readers get.
    status: u16,
}

/// A row without an error code.
fn row(name: &'static str, fault: Value, shown: Shown, wait: RangeInclusive<i64>) -> Row {
    Row { name, fault, shown, error: None, wait, status: 502 }
}

/// The faults. The provider's clock shows `now`.
fn rows(now: i64) -> Vec<Row> {
    let error = |status: u16, code: &str| json!({ "status": status, "body": { "error": code } });
    let after = |status: u16, after: &str| json!({ "status": status, "headers": { "Retry-After": after } });
    let text =
        |status: u16, media_type: &str, text: &str| json!({ "status": status, "type": media_type, "text": text });
    let with = |name: &str, value: Value| json!({ "members": { name: value } });
    let date = DateTime::from_timestamp(now + 600, 0).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    vec![
        row("500 with good tokens in it", json!({ "status": 500 }), FAILED, FIRST),
        row("503, in seconds", after(503, "600"), FAILED, SAID),
        row("429", json!({ "status": 429 }), BUSY, FIRST),
        row("429, in seconds", after(429, "600"), BUSY, SAID),
        row("429, with a date", after(429, &date), BUSY, SAID),
        row("400 temporarily_unavailable", error(400, "temporarily_unavailable"), FAILED, FIRST),
        Row {
            error: Some("invalid_client"),
            ..row("401 invalid_client", error(401, "invalid_client"), REFUSED_CLIENT, OPERATOR)
        },
        row("text that is called JSON", text(200, "json", "access_token=secret-page"), UNREADABLE, FIRST),
        row("half a JSON object", text(200, "json", "{\"access_token\": \"secret-page"), UNREADABLE, FIRST),
        row("no body", text(200, "json", ""), UNREADABLE, FIRST),
        row("a page", text(200, "html", "<html>secret-page</html>"), UNREADABLE, FIRST),
        row("a failing page", text(502, "html", "<html>secret-page</html>"), FAILED, FIRST),
        row("no access_token", with("access_token", Value::Null), UNREADABLE, FIRST),
        row(
            "an access_token of another kind",
            with("access_token", json!({ "value": "secret-page" })),
            UNREADABLE,
            FIRST,
        ),
        row("a life below zero", with("expires_in", json!(-60)), UNREADABLE, FIRST),
        row("a life of millennia", with("expires_in", json!(1_000_000_000_000_u64)), UNREADABLE, FIRST),
        row("a life in words", with("expires_in", json!("soon")), UNREADABLE, FIRST),
        row("another token_type", with("token_type", json!("mac")), UNREADABLE, FIRST),
        Row { status: 504, ..row("504", json!({ "status": 504 }), ["in_doubt", "provider", "timed_out"], FIRST) },
        row("hangs up", json!({ "hangsUp": true }), ["in_doubt", "provider", "unreachable"], FIRST),
    ]
}

/// What the connection shows of its renewals.
fn shown(stage: &Stage) -> Value {
    let shown = stage.postern.get(&at(KEY, "")).bearer(&stage.root).send().expect_status(200).json();
    shown["refresh"].clone()
}

/// An instant that is shown, in seconds since 1970.
#[track_caller]
fn instant(shown: &Value, name: &str) -> i64 {
    let text = shown[name].as_str().unwrap_or_else(|| panic!("no {name}: {shown}"));
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

/// Orders a fault, or with `{}` its end.
#[track_caller]
fn order(stage: &Stage, fault: &Value) {
    drop(stage.provider.request("PUT", "/fault").json(fault).send().expect_status(204));
}

/// How often the provider was asked for tokens.
fn calls(stage: &Stage) -> usize {
    stage.internet.token_requests().len()
}

/// The refresh token of the last token request.
fn last_sent(stage: &Stage) -> Option<String> {
    stage.internet.token_requests().last().and_then(|each| each.request.field("refresh_token"))
}

/// A connection with a token.
fn connected() -> Stage {
    let stage = Stage::start(MOCK);
    stage.connect_people();
    stage.authorize_and_follow();
    assert_eq!((stage.api(&stage.live()), &shown(&stage)["state"]), (200, &json!("good")));
    stage
}

/// Many read at once when the token has expired; then one more, and the cron: the provider is asked once, and everybody
/// is told the same.
#[track_caller]
fn assert_told(stage: &Stage, name: &str, status: u16) {
    let before = calls(stage);
    let told =
        thread::scope(|scope| [(); READERS].map(|()| scope.spawn(|| stage.read())).map(|one| one.join().unwrap()));
    assert_eq!(stage.postern.fire_cron().status, 200);
    for answer in told.into_iter().chain([stage.read()]) {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(answer.json()["detail"].is_string() && !answer.text().contains("secret"), "{name}: {}", answer.text());
    }
    assert_eq!(calls(stage), before + 1, "{name}");
}

/// K15, K18, L5: all in a row, to one connection: what one fault leaves behind would show in the next.
#[test]
fn each_fault_is_told_and_waited_for_and_over_when_the_provider_is_well_again() {
    let stage = connected();
    let count = rows(0).len();
    for index in 0..count {
        stage.let_expire();
        let begin = stage.clock.now();
        let Row { name, fault, shown: expected, error, wait, status } = rows(begin).swap_remove(index);
        let refresh_token = stage.last_refresh_token();
        order(&stage, &fault);
        assert_told(&stage, name, status);
        let now = shown(&stage);
        assert_eq!(
            [&now["state"], &now["fault_class"], &now["fault"]],
            expected.map(|word| json!(word)).each_ref(),
            "{name}"
        );
        assert_eq!((&now["error"], &now["failures"]), (&json!(error), &json!(1)), "{name}");
        assert_eq!(last_sent(&stage).as_ref(), Some(&refresh_token), "{name}");
        let (next, end) = (instant(&now, "next_at"), stage.clock.now());
        assert!((begin + wait.start()..=end + wait.end()).contains(&next), "{name}: {begin} {next} {end}");

        order(&stage, &json!({}));
        let before = calls(&stage);
        assert_eq!((stage.read().status, calls(&stage)), (status, before), "{name}");
        // A breaker may be open for a moment longer.
        stage.clock.advance(next - end + 60);
        assert_eq!(stage.postern.fire_cron().status, 200);
        assert_eq!((stage.api(&stage.live()), calls(&stage)), (200, before + 1), "{name}");
        assert_eq!(last_sent(&stage), Some(refresh_token), "{name}");
        let now = shown(&stage);
        assert_eq!(
            [&now["state"], &now["failures"], &now["fault"]],
            [&json!("good"), &json!(0), &Value::Null],
            "{name}"
        );
    }
}

/// K18: `invalid_grant` is no passing fault: the provider is not asked again, well or not, until a person came.
#[test]
fn a_refused_grant_waits_for_a_person() {
    let stage = connected();
    stage.let_expire();
    order(&stage, &json!({ "status": 400, "body": { "error": "invalid_grant" } }));
    assert_told(&stage, "invalid_grant", 409);
    let now = shown(&stage);
    assert_eq!([&now["state"], &now["fault_class"]], [&json!("needs_authorization"), &json!("connection")], "{now}");
    order(&stage, &json!({}));
    stage.clock.advance(86_400);
    let before = calls(&stage);
    assert_eq!(stage.postern.fire_cron().status, 200);
    assert_eq!((stage.read().status, calls(&stage)), (409, before));
    stage.authorize_and_follow();
    assert_eq!(stage.api(&stage.live()), 200);
}

/// What is unusual and no fault: the life that a token then has.
#[test]
fn an_unusual_answer_is_taken() {
    let with = |name: &str, value: Value| json!({ "members": { name: value } });
    let rows = [
        ("a life as text", with("expires_in", json!("60")), TTL),
        ("a life with a fraction", with("expires_in", json!(60.5)), TTL),
        // One hour, where neither the answer nor the definition says anything.
        ("no life", with("expires_in", Value::Null), 3_600),
        ("a life of nothing", with("expires_in", json!(0)), 3_600),
        ("a type in small letters", with("token_type", json!("bearer")), TTL),
        ("no type", with("token_type", Value::Null), TTL),
        ("no error", with("error", json!("")), TTL),
        ("a scope as a list", with("scope", json!(["api", "more"])), TTL),
        ("a member nobody knows", with("surprise", json!([{ "deep": [1, 2, 3] }])), TTL),
        ("201", json!({ "status": 201 }), TTL),
        ("JSON that is called a page", json!({ "headers": { "Content-Type": "text/html" } }), TTL),
        ("slow", json!({ "waits": 700 }), TTL),
    ];
    let stage = connected();
    let mut token = stage.live();
    for (name, fault, life) in rows {
        order(&stage, &fault);
        let (before, begin) = (calls(&stage), stage.clock.now() + TTL + 1);
        token = stage.renew(&token);
        let now = shown(&stage);
        assert_eq!((calls(&stage), &now["state"]), (before + 1, &json!("good")), "{name}");
        let (expires, end) = (instant(&now, "expires_at"), stage.clock.now());
        assert!((begin + life..=end + life).contains(&expires), "{name}: {begin} {expires} {end}");
        order(&stage, &json!({}));
        // The next row finds it expired.
        stage.clock.advance(life - TTL);
    }
}

/// RFC 6749 §6: a provider that gives no new refresh token goes on taking the old one.
#[test]
fn without_a_new_refresh_token_the_old_one_is_kept() {
    let stage = connected();
    let first = stage.last_refresh_token();
    order(&stage, &json!({ "members": { "refresh_token": null } }));
    let mut live = stage.live();
    for _ in 0..2 {
        live = stage.renew(&live);
        assert_eq!(last_sent(&stage).as_ref(), Some(&first));
    }
    order(&stage, &json!({}));
    let live = stage.renew_by_cron(&live);
    assert_eq!(last_sent(&stage).as_ref(), Some(&first));
    drop(stage.renew(&live));
    assert_ne!(last_sent(&stage), Some(first));
}

/// RFC 7009 §2.2.1: whatever the provider says, the tokens are forgotten here, and what it says is told.
#[test]
fn a_revocation_that_the_provider_refuses_ends_the_grant_here() {
    let stage = connected();
    for status in [400, 500, 503] {
        order(&stage, &json!({ "revocation": status }));
        let reason = format!("The provider of {KEY} answered with status code '{status}'.");
        assert_eq!(stage.revoke(), json!({ "revoked_at_provider": false, "reason": reason }));
        drop(stage.read().expect_status(409));
        assert_eq!(stage.revoke()["revoked_at_provider"], Value::Null);
        stage.authorize_and_follow();
    }
    order(&stage, &json!({}));
    assert_eq!(stage.revoke(), json!({ "revoked_at_provider": true, "reason": null }));
}
