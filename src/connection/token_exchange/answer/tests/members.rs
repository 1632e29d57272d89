//! The members of a token answer one by one.

use serde_json::json;

use super::*;

/// K15: `expires_in` in all its spellings.
#[test]
fn lifetimes_are_read_within_their_range() {
    for (value, seconds) in [
        (json!(3599), 3599),
        (json!("3599"), 3599),
        (json!(" 3599 "), 3599),
        (json!(3599.9), 3599),
        (json!("3599.9"), 3599),
        (json!(1), 1),
        (json!(1e3), 1000),
        (json!(315_360_000), 315_360_000),
        (json!(315_360_000.9), 315_360_000),
        // Nothing: the default.
        (json!(0), 3600),
        (json!("0"), 3600),
        (json!(0.0), 3600),
        (json!(""), 3600),
        (Value::Null, 3600),
    ] {
        let answer = with("expires_in", &value).unwrap();
        assert_eq!(answer.expires_at, NOW.plus(Seconds(seconds)), "{value}");
    }
    for value in [
        json!(-1),
        json!("-1"),
        json!(-0.5),
        json!(-0.0),
        json!(0.5),
        json!(1e-9),
        json!(-1e99),
        json!(1e99),
        json!("1e99"),
        json!("NaN"),
        json!("inf"),
        json!("soon"),
        json!("+5"),
        json!("1.2.3"),
        json!(315_360_001),
        json!("99999999999999999999999"),
        json!(u64::MAX),
        json!(true),
        json!([3600]),
        json!({}),
    ] {
        assert_eq!(with("expires_in", &value), Err(AnswerProblem::BadLifetime), "{value}");
    }
}

/// The smaller of both, the one there is, or an hour.
#[test]
fn the_smaller_lifetime_counts() {
    for (theirs, ours, lifetime) in [
        (Some(600), Some(7200), 600),
        (Some(7200), Some(600), 600),
        (None, Some(7200), 7200),
        (Some(0), Some(7200), 7200),
        (Some(600), None, 600),
        (None, None, 3600),
    ] {
        let body = json!({"access_token": "at", "expires_in": theirs}).to_string();
        let rules = TokenRules { expires_in: ours.map(Seconds), ..TokenRules::default() };
        let answer = read_answer(&response(200, "application/json", &body), NOW, &rules);
        assert_eq!(answer.unwrap().expires_at, NOW.plus(Seconds(lifetime)), "{theirs:?} {ours:?}");
    }
}

/// K15: `token_type: mac`.
#[test]
fn only_bearer_tokens_are_taken() {
    for value in [json!("Bearer"), json!("bearer"), json!("BEARER"), json!(""), Value::Null] {
        assert!(with("token_type", &value).is_ok(), "{value}");
    }
    for value in [json!("mac"), json!("DPoP"), json!("Bearer x"), json!(1), json!(["Bearer"])] {
        assert_eq!(with("token_type", &value), Err(AnswerProblem::UnsupportedTokenType), "{value}");
    }
}

#[test]
fn tokens_are_bounded_and_visible_ascii() {
    for value in
        [json!("a b"), json!("a\r\nb"), json!("é"), json!("\u{0}"), json!(5), json!(["a"]), json!("x".repeat(16_385))]
    {
        assert_eq!(with("access_token", &value), Err(AnswerProblem::UnusableToken { which: "access_token" }));
    }
    for value in [json!("a\nb"), json!("é"), json!(5), json!("x".repeat(16_385))] {
        assert_eq!(with("refresh_token", &value), Err(AnswerProblem::UnusableToken { which: "refresh_token" }));
    }
    assert!(with("access_token", &json!("x".repeat(16_384))).is_ok());
    let answer = with("refresh_token", &json!("with a space")).unwrap();
    assert_eq!(answer.refresh_token.unwrap().expose(), "with a space");
    assert_eq!(with("refresh_token", &json!("")).unwrap().refresh_token, None);
    assert!(!format!("{:?}", with("access_token", &json!("hunter2"))).contains("hunter2"));
}

/// K16: what was granted is kept as granted.
#[test]
fn scope_is_text_or_a_list() {
    for (value, scope) in [
        (json!("a b"), Some("a b")),
        (json!(["a", "b"]), Some("a b")),
        (json!(""), None),
        (json!("a\nb"), None),
        (json!([1]), None),
        (json!({}), None),
    ] {
        assert_eq!(with("scope", &value).unwrap().scope.as_deref(), scope, "{value}");
    }
}
