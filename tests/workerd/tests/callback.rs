//! The way back from a provider: a state works once, in time, for its own connection; a code is exchanged at most once.

mod common;

use std::thread;
use std::time::Duration;

use common::{
    CALLBACK, CODE_FLOW, at, authorize, call_back, connect, live, parameter, provider, read, root, secrets, tokens,
};
use serde_json::json;
use workerd_tests::{Clock, Mock, MockAnswer, Postern, Setup};

/// A Postern with one connection to a mock that waits for the callback with the state that is returned.
fn begin(setup: Setup, mock: &Mock) -> (Postern, String, String) {
    let postern = Postern::start(setup);
    let root = root(&postern);
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    (postern, root, state)
}

/// K2: one after the other.
#[test]
fn a_state_works_once() {
    let mock = provider(|_, _| None);
    let (postern, root, state) = begin(Setup::new(), &mock);
    drop(call_back(&postern, &state, "code-1").expect_status(200));
    for code in ["code-1", "code-2"] {
        let refused = call_back(&postern, &state, code).expect_status(404);
        assert_eq!(refused.json()["detail"], "No authentication request found for the given state.");
    }
    assert_eq!(mock.count("/token"), 1);
    assert_eq!(live(&postern, &root, "shop"), tokens(1)["access_token"].as_str().unwrap());
}

/// K2, R1: all at once, while the provider takes its time.
#[test]
fn of_twenty_parallel_callbacks_with_one_state_exactly_one_is_exchanged() {
    let slow = |number| MockAnswer::json(200, &tokens(number)).after(Duration::from_millis(300));
    let mock = provider(move |_, number| Some(slow(number)));
    let (postern, root, state) = begin(Setup::new(), &mock);
    let mut statuses = thread::scope(|scope| {
        let one = || call_back(&postern, &state, "code").status;
        let callers: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[404; 19][..]));
    assert_eq!(mock.count("/token"), 1);
    assert_eq!(live(&postern, &root, "shop"), tokens(1)["access_token"].as_str().unwrap());
}

/// K2, RFC 9110 §9.2.1: a preview of the link does not use the state up.
#[test]
fn a_head_request_to_the_callback_does_not_use_the_state_up() {
    let mock = provider(|_, _| None);
    let (postern, _, state) = begin(Setup::new(), &mock);
    let preview = postern.request("HEAD", &format!("{CALLBACK}?state={state}&code=c")).send().expect_status(405);
    assert_eq!((preview.header("Allow"), mock.requests().len()), (Some("GET"), 0));
    drop(call_back(&postern, &state, "code").expect_status(200));
}

/// K3: ten minutes, not a second more; afterwards the provider hears nothing.
#[test]
fn a_state_expires_after_ten_minutes() {
    let (clock, mock) = (Clock::new(), provider(|_, _| None));
    let (postern, root, state) = begin(Setup::new().clock(&clock), &mock);
    clock.advance(601);
    drop(call_back(&postern, &state, "code").expect_status(404));
    assert_eq!(mock.requests().len(), 0);
    drop(read(&postern, &root, "shop").expect_status(409));
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    clock.advance(590);
    drop(call_back(&postern, &state, "code").expect_status(200));
}

/// K2: a second authorization replaces the first.
#[test]
fn only_the_latest_authorization_of_a_connection_can_be_finished() {
    let mock = provider(|_, _| None);
    let (postern, root, first) = begin(Setup::new(), &mock);
    let second = parameter(&authorize(&postern, &root, "shop"), "state");
    assert_ne!(first, second);
    drop(call_back(&postern, &first, "code").expect_status(404));
    drop(call_back(&postern, &second, "code").expect_status(200));
    assert_eq!(mock.count("/token"), 1);
}

/// K1, K8, K9: nothing malformed or forged reaches the provider, nothing is reflected, the good state is not used up.
#[test]
fn malformed_and_forged_callbacks_are_refused_before_the_provider_hears_of_them() {
    let mock = provider(|_, _| None);
    let (postern, _, state) = begin(Setup::new(), &mock);
    let (random, rest) = state.split_once('.').unwrap();
    let forged = format!("{}.{rest}", random.chars().rev().collect::<String>());
    let long = "x".repeat(10_000);
    for (query, status) in [
        (String::new(), 400),
        ("code=c".to_owned(), 400),
        ("state=&code=c".to_owned(), 400),
        ("state=x&code=c".to_owned(), 400),
        (format!("state={long}&code=c"), 400),
        (format!("state={forged}&code=c"), 404),
        (format!("state={state}"), 400),
        (format!("state={state}&code=c&error=access_denied"), 400),
        (format!("state={state}&state={state}&code=c"), 400),
        (format!("state={state}&code=c&code=c"), 400),
        (format!("state={state}&code={long}"), 400),
    ] {
        let answer = postern.get(&format!("{CALLBACK}?{query}")).send();
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        assert!(!answer.text().contains(&state) && answer.text().len() < 300, "{query}: {}", answer.text());
    }
    assert_eq!(mock.requests().len(), 0);
    drop(call_back(&postern, &state, "code").expect_status(200));
}

/// K9: a provider that declines ends the authorization; its text is not repeated.
#[test]
fn an_authorization_that_the_provider_declines_is_over() {
    let mock = provider(|_, _| None);
    let (postern, root, state) = begin(Setup::new(), &mock);
    let query = format!("state={state}&error=%3Cscript%3E&error_description=%3Cscript%3E&error_uri=javascript:x");
    let answer = postern.get(&format!("{CALLBACK}?{query}")).send().expect_status(400);
    assert!(!answer.text().contains("script"), "{}", answer.text());
    drop(call_back(&postern, &state, "code").expect_status(404));
    assert_eq!(mock.requests().len(), 0);
    drop(read(&postern, &root, "shop").expect_status(409));
}

/// K15: a code that the provider refuses leaves the earlier tokens alone.
#[test]
fn a_code_that_the_provider_refuses_leaves_the_earlier_tokens_alone() {
    let refusal = || MockAnswer::json(400, &json!({ "error": "invalid_grant", "error_description": "saassecret" }));
    let mock = provider(move |_, number| (number == 2).then(refusal));
    let (postern, root, state) = begin(Setup::new(), &mock);
    drop(call_back(&postern, &state, "code").expect_status(200));
    let state = parameter(&authorize(&postern, &root, "shop"), "state");
    let answer = call_back(&postern, &state, "code").expect_status(400);
    assert!(answer.text().contains("invalid_grant") && !answer.text().contains("saassecret"), "{}", answer.text());
    assert_eq!(live(&postern, &root, "shop"), tokens(1)["access_token"].as_str().unwrap());
    let shown = postern.get(&at("shop", "")).bearer(&root).send().expect_status(200).json();
    assert_eq!(shown["authorized"], true);
}

/// K19: deleted while the person was away.
#[test]
fn a_state_of_a_deleted_connection_is_unknown_even_when_the_key_is_used_again() {
    let mock = provider(|_, _| None);
    let (postern, root, state) = begin(Setup::new(), &mock);
    drop(postern.delete(&at("shop", "")).bearer(&root).send().expect_status(204));
    drop(call_back(&postern, &state, "code").expect_status(404));
    connect(&postern, &root, "shop", CODE_FLOW, &secrets(&mock.url()));
    drop(call_back(&postern, &state, "code").expect_status(404));
    assert_eq!(mock.requests().len(), 0);
}
