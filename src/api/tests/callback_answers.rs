//! `GET /oauth/callback`: what the provider answers to the code, and what of it is stored.

use serde_json::{Value, json};

use super::{
    Answered, Host,
    stage::{DUE, ProviderAnswer, answer, refusal, tokens},
};
use crate::ports::{ProviderFailure, ProviderResponse};

/// A connection whose last authorization the person refused: what is stored after a return that brought nothing.
fn refused_once() -> Host {
    let host = Host::new().with_code_flow("shop");
    let refused = host.callback(&format!("state={}&error=access_denied", host.state("shop")));
    assert_eq!(refused.status, 400);
    host
}

/// What a return gets when the provider answers this; unless it is a success, nothing is stored.
fn outcome(answer: ProviderAnswer) -> Answered {
    let host = refused_once();
    let before = host.memory.state();
    host.provider_answers([answer]);
    let answered = host.authorize("shop", "canary-code-1");
    assert_eq!(host.requests(), 1);
    if answered.status != 200 {
        assert_eq!(host.memory.state(), before);
        assert_eq!(host.live("shop").0, 409);
    }
    answered
}

/// An answer with this text and type.
#[expect(clippy::unnecessary_wraps, reason = "stands in lists beside failures")]
fn text(status: u16, content_type: Option<&str>, body: &str) -> ProviderAnswer {
    let content_type = content_type.map(str::to_owned);
    Ok(ProviderResponse { status, content_type, retry_after: None, body: body.as_bytes().to_vec() })
}

/// The first tokens with one member changed.
fn changed(member: &str, value: Value) -> ProviderAnswer {
    let mut body = tokens(1);
    body[member] = value;
    answer(200, &body)
}

/// K15: what is no token answer: 502 with one text, and nothing is stored.
#[test]
fn an_answer_that_makes_no_sense_stores_nothing() {
    let html = Some("text/html");
    let page = include_str!("../../../fixtures/provider/page.html");
    for (index, provider) in [
        text(200, html, page),
        text(200, Some("application/json"), page),
        text(200, Some("application/json"), ""),
        text(200, Some("application/json"), "[1]"),
        text(200, Some("application/json"), "{\"access_token\":\"canary"),
        text(200, None, "\u{0}\u{1}"),
        text(302, html, ""),
        answer(200, &json!({})),
        changed("access_token", Value::Null),
        changed("access_token", json!("")),
        changed("access_token", json!(5)),
        changed("access_token", json!("canary at")),
        changed("access_token", json!("canary\r\nx: y")),
        changed("access_token", json!("canary".repeat(4000))),
        changed("refresh_token", json!({ "x": 1 })),
        changed("token_type", json!("mac")),
        changed("expires_in", json!(-1)),
        changed("expires_in", json!(1e99)),
        changed("expires_in", json!("soon")),
        changed("expires_in", json!([3600])),
        changed("padding", json!("x".repeat(300 * 1024))),
        Err(ProviderFailure::TooLarge(200)),
    ]
    .into_iter()
    .enumerate()
    {
        let answered = outcome(provider);
        assert_eq!(answered.detail(), (502, "The provider of shop did not give a token answer.".into()), "{index}");
    }
}

/// K15, S15: a provider that fails or does not answer: which of the two, and no more.
#[test]
fn a_provider_that_fails_is_named_with_one_text() {
    for (provider, status, detail) in [
        (Err(ProviderFailure::Unreachable), 502, "cannot be reached."),
        (Err(ProviderFailure::TimedOut), 504, "did not answer in time."),
        (answer(500, &tokens(1)), 502, "failed."),
        (answer(503, &json!({ "error": "canary" })), 502, "failed."),
        (answer(200, &json!({ "error": "server_error" })), 502, "failed."),
        (answer(429, &json!({})), 502, "takes no more requests for now."),
        (answer(400, &json!({ "error": "slow_down" })), 502, "takes no more requests for now."),
    ] {
        assert_eq!(outcome(provider).detail(), (status, format!("The provider of shop {detail}").into()));
    }
}

/// L5: a refused code: the provider's code by name, never its text.
#[test]
fn a_refused_code_is_answered_with_the_name_of_the_reason() {
    for (provider, shown) in [
        (refusal(400, "invalid_grant"), "invalid_grant"),
        (refusal(401, "invalid_client"), "invalid_client"),
        (refusal(200, "invalid_grant"), "invalid_grant"),
        (refusal(400, "<script>canary</script>"), "no error code"),
        (refusal(400, "canary-code-1"), "no error code"),
        (text(403, Some("text/html"), "<b>canary</b>"), "no error code"),
        (text(400, None, ""), "no error code"),
    ] {
        let answered = outcome(provider);
        assert_eq!(answered.detail(), (400, format!("Unable to retrieve token for shop ({shown}).").into()));
    }
}

/// K15, K16: spellings of a good answer that are taken; the definition bounds the lifetime.
#[test]
fn odd_but_good_answers_are_taken() {
    let fewer = changed("scope", json!("admin.read"));
    let form = include_str!("../../../fixtures/provider/form_answer.txt").trim_end();
    for (provider, lifetime) in [
        (changed("expires_in", json!("1800")), 1800),
        (changed("expires_in", json!(1800.9)), 1800),
        (changed("expires_in", json!(7200)), 3600),
        (changed("expires_in", Value::Null), 3600),
        (changed("expires_in", json!(0)), 3600),
        (changed("token_type", json!("BEARER")), 3600),
        (changed("refresh_token", Value::Null), 3600),
        (fewer, 3600),
        (text(201, Some("application/x-www-form-urlencoded"), form), 600),
        (text(200, Some("text/html"), &tokens(1).to_string()), 3600),
    ] {
        let host = refused_once();
        host.provider_answers([provider]);
        assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
        assert_eq!(host.read("shop").json()["expires_in"], lifetime);
    }
}

/// A connection that is authorized keeps its tokens when a new authorization fails.
#[test]
fn a_failed_authorization_leaves_the_former_tokens() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([refusal(400, "invalid_grant"), Err(ProviderFailure::TimedOut), answer(200, &tokens(2))]);
    for (status, live) in [(400, "canary-at-1"), (504, "canary-at-1"), (200, "canary-at-2")] {
        assert_eq!(host.authorize("shop", "canary-code-2").status, status);
        assert_eq!(host.live("shop"), (200, live.to_owned()));
    }
}

/// RFC 9700 §4.5: a state whose use cannot be stored is not used: the provider is not asked, and it can come again.
#[test]
fn a_state_that_cannot_be_used_up_exchanges_nothing() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1))]);
    let query = format!("state={}&code=canary-code-1", host.state("shop"));
    host.memory.faults().break_records_after(0);
    assert_eq!((host.callback(&query).status, host.requests()), (503, 0));
    host.memory.faults().mend_records();
    assert_eq!((host.callback(&query).status, host.requests()), (200, 1));
}

/// A return whose tokens came and could not be stored: 503, and nothing of them is half stored; then storage was
/// mended.
fn with_unstored_tokens() -> Host {
    let host = refused_once();
    let before = host.memory.state();
    host.provider_answers([answer(200, &tokens(1))]);
    let query = format!("state={}&code=canary-code-1", host.state("shop"));
    host.memory.faults().break_records_after(1);
    assert_eq!((host.callback(&query).status, host.requests()), (503, 1));
    host.memory.faults().mend_records();
    assert_eq!(host.memory.state(), before);
    assert_eq!(host.callback(&query).status, 404, "the state is used");
    host
}

/// The code is used up, so its tokens are not given up: whoever asks for a token next stores them.
#[test]
fn tokens_that_could_not_be_stored_are_stored_by_the_next_read() {
    let host = with_unstored_tokens();
    let found = (200, "canary-at-1".to_owned());
    assert_eq!((host.live("shop"), host.requests()), (found.clone(), 1));
    host.memory.restart();
    assert_eq!((host.live("shop"), host.requests()), (found, 1));
    assert_eq!(host.view("shop")["authorized"], true);
}

/// They are lost with the object, and then a person comes again; nor do they outlive a new authorization.
#[test]
fn tokens_that_could_not_be_stored_are_lost_by_a_restart() {
    for is_restarted in [true, false] {
        let host = with_unstored_tokens();
        if is_restarted {
            host.memory.restart();
            assert_eq!((host.live("shop").0, host.requests()), (409, 1));
        }
        host.provider_answers([answer(200, &tokens(2))]);
        assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
        assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
    }
}

/// Tokens are stored, so the person is told so, though the directory does not answer; the sweep finds the
/// connection when it is back.
#[test]
fn an_authorization_succeeds_without_the_directory() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1))]);
    let query = format!("state={}&code=canary-code-1", host.state("shop"));
    host.memory.faults().break_directory(true);
    let answered = host.callback(&query);
    host.memory.faults().break_directory(false);
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    assert_eq!(answered.status, 200, "{answered:?}");
}

/// The sweep comes for everything that is due, whatever happened: also for a connection whose row was never written.
#[test]
fn the_sweep_finds_a_connection_whose_row_could_not_be_written() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2))]);
    let query = format!("state={}&code=canary-code-1", host.state("shop"));
    host.memory.faults().break_directory(true);
    let _ = host.callback(&query);
    host.memory.faults().break_directory(false);
    host.wait(DUE);
    let report = host.as_root("POST", "/sweep", &Value::Null).json();
    assert_eq!(report["renewed"], 1, "{report}");
}
