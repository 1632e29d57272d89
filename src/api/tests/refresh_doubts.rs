//! Answers that were lost, by the network or by a crash of ours: what nobody knows is not made worse.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use super::{
    Host,
    stage::{DUE, ProviderAnswer, answer, longest, parameter, refusal, tokens},
    sweep::report,
};
use crate::{
    connection::key::ConnectionKey,
    ports::{ProviderFailure, ProviderResponse},
    protocol::secret::SecretDigest,
};

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// The connection's key.
fn shop() -> ConnectionKey {
    ConnectionKey::parse("shop").unwrap()
}

impl Host {
    /// Where the connection stands, by its own view, by the list, and by the answer of a read where that is a token.
    pub(super) fn refresh_state(&self) -> String {
        let view = self.view("shop");
        let state = view["refresh"]["state"].as_str().unwrap().to_owned();
        let list = self.as_root("GET", "/connection", &Value::Null).json();
        assert_eq!(list["items"][0]["refresh"], view["refresh"]);
        assert_eq!(view["authorized"], state != "needs_authorization");
        state
    }

    /// The refresh token that the last request held.
    fn last_sent(&self) -> String {
        parameter(self.memory.sent().last().unwrap(), "refresh_token")
    }
}

/// A connection whose object died while the provider answered its renewal, so many seconds after its tokens were
/// obtained: what was stored then is what there is. The provider has given the second pair of tokens, and nobody knows
/// them.
fn crashed(after: u64) -> Host {
    let host = Host::new().with_authorized("shop");
    let (parts, stored) = (host.memory.parts_of(&shop()), Rc::new(RefCell::new(BTreeMap::new())));
    let then = Rc::clone(&stored);
    host.memory.provider(move |_| {
        then.replace(parts.borrow().clone());
        answer(200, &tokens(2))
    });
    host.wait(after);
    // What is told to the directory afterwards was not told.
    host.memory.faults().break_directory(true);
    assert_eq!(host.live("shop").0, 200);
    host.run_behind();
    host.memory.faults().break_directory(false);
    assert_eq!(host.requests(), 2);
    host.memory.put_back(&shop(), stored.take());
    host
}

/// R6: the intent is stored before the provider sees the refresh token, for whomever it is renewed; the grant that
/// comes closes it, and is all that is written then.
#[test]
fn an_intent_is_stored_before_a_refresh_token_is_sent() {
    type Begin = fn(&Host);
    let begins: [Begin; 3] = [
        |host| drop(host.live("shop")),
        |host| assert_eq!(host.sweep()["renewed"], 1),
        |host| assert_eq!(host.ring(), ["shop"]),
    ];
    for begin in begins {
        let host = Host::new().with_authorized("shop");
        let (parts, seen) = (host.memory.parts_of(&shop()), Rc::new(RefCell::new(Vec::new())));
        let see = Rc::clone(&seen);
        host.memory.provider(move |_| {
            let stored = |part: &str| serde_json::from_str::<Value>(&parts.borrow()[part]).unwrap();
            let (condition, grant) = (stored("condition"), stored("grant"));
            see.borrow_mut().push((condition["attempt"].clone(), condition["generation"].clone()));
            assert_eq!(grant["generation"], condition["generation"]);
            answer(200, &tokens(2))
        });
        host.wait(DUE);
        begin(&host);
        host.run_behind();
        let digest = serde_json::to_value(SecretDigest::of("canary-rt-1")).unwrap();
        assert_eq!(*seen.borrow(), [(digest.clone(), json!(1))]);
        let stored = host.memory.copy_of(&shop());
        assert!(stored["grant"].starts_with("{\"generation\":2,"));
        assert!(stored["condition"].contains(digest.as_str().unwrap()), "it is not written again");
        host.memory.restart();
        assert_eq!((host.live("shop"), host.refresh_state().as_str()), (found(2), "good"));
    }
}

/// Without a refresh token there is nothing that could be used up: no intent is stored, and a lost answer is no doubt.
#[test]
fn client_credentials_need_no_intent() {
    let host = Host::new().with_service("shop");
    let parts = host.memory.parts_of(&shop());
    host.memory.provider(move |_| {
        let condition = parts.borrow().get("condition").cloned().unwrap_or_default();
        assert!(!condition.contains("\"attempt\":\""), "{condition}");
        Err(ProviderFailure::TimedOut)
    });
    assert_eq!((host.live("shop").0, host.view("shop")["refresh"]["state"].clone()), (504, json!("failing")));
    host.provider_answers([answer(200, &tokens(1))]);
    host.wait(longest(30));
    assert_eq!(host.live("shop"), found(1));
}

/// R6: an intent that is found after a crash: the token is served as long as it lives, and nobody asks; then the old
/// refresh token is tried, and the provider may take it.
#[test]
fn after_a_crash_nothing_is_sent_before_the_token_has_expired() {
    let host = crashed(DUE);
    let read = host.read("shop");
    assert_eq!((read.status, read.json()["refresh_state"].as_str()), (200, Some("in_doubt")));
    assert_eq!((host.live("shop"), host.view("shop")["refresh"]["state"].clone()), (found(1), json!("in_doubt")));
    // The row is of before the crash, so it is due.
    assert_eq!(host.sweep(), report(&[("due", 1), ("not_due", 1)]));
    host.memory.restart();
    host.wait(3_599 - DUE);
    assert_eq!((host.live("shop"), host.sweep(), host.refresh_state().as_str()), (found(1), report(&[]), "in_doubt"));
    host.run_behind();
    assert_eq!(host.requests(), 2);
    host.provider_answers([answer(200, &tokens(3))]);
    host.wait(1);
    assert_eq!((host.live("shop"), host.requests(), host.last_sent()), (found(3), 3, "canary-rt-1".to_owned()));
    assert_eq!(host.refresh_state(), "good");
    host.wait(3_600);
    assert_eq!((host.live("shop"), host.last_sent()), (found(3), "canary-rt-3".to_owned()));
}

/// The same by the sweep alone: it looks, notes the doubt, and comes again when the token has expired.
#[test]
fn after_a_crash_the_sweep_waits_too() {
    let host = crashed(DUE);
    assert_eq!(host.sweep(), report(&[("due", 1), ("not_due", 1)]));
    assert_eq!((host.sweep(), host.refresh_state().as_str()), (report(&[]), "in_doubt"));
    host.provider_answers([answer(200, &tokens(3))]);
    host.wait(3_600 - DUE);
    assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 3));
    assert_eq!((host.live("shop"), host.refresh_state().as_str()), (found(3), "good"));
}

/// K18: a provider that gave new tokens before the crash refuses the old one: a person is needed, once and for all.
#[test]
fn a_refusal_in_doubt_needs_a_person() {
    let host = crashed(DUE);
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(3_600 - DUE);
    for wait in [0, 1, 86_400] {
        host.wait(wait);
        assert_eq!((host.live("shop").0, host.requests()), (409, 3));
        let _ = host.ring();
        assert_eq!((host.sweep(), host.requests()), (report(&[]), 3));
    }
    assert_eq!((host.refresh_state().as_str(), host.last_sent().as_str()), ("needs_authorization", "canary-rt-1"));
    let refresh = host.view("shop")["refresh"].clone();
    assert_eq!((&refresh["fault_class"], &refresh["error"]), (&json!("connection"), &json!("invalid_grant")));
    assert_eq!(refresh["reason"], "answer_lost");
    assert_eq!((&refresh["next_at"], &refresh["last_at"]), (&Value::Null, &json!("2023-11-14T22:13:20Z")));
    host.provider_answers([answer(200, &tokens(4))]);
    assert_eq!(host.authorize("shop", "canary-code-4").status, 200);
    assert_eq!((host.live("shop"), host.refresh_state().as_str()), (found(4), "good"));
}

/// A crash when the token had expired already: there is nothing left to lose, so the next read asks.
#[test]
fn after_a_crash_an_expired_token_is_tried_at_once() {
    let host = crashed(3_600);
    host.provider_answers([answer(200, &tokens(3))]);
    assert_eq!((host.live("shop"), host.requests(), host.last_sent()), (found(3), 3, "canary-rt-1".to_owned()));
    assert_eq!(host.refresh_state(), "good");
}

/// Every way to lose an answer.
fn losses() -> Vec<(ProviderAnswer, u16)> {
    let page = ProviderResponse {
        status: 200,
        content_type: Some("text/html".to_owned()),
        retry_after: None,
        body: b"<p>".to_vec(),
    };
    vec![
        (Err(ProviderFailure::TimedOut), 504),
        (Err(ProviderFailure::Unreachable), 502),
        (Err(ProviderFailure::TooLarge(200)), 502),
        (answer(504, &Value::Null), 504),
        (Ok(page), 502),
    ]
}

/// An answer that was lost inside the lead: the token is served to its end, and nobody asks until then.
#[test]
fn a_lost_answer_is_not_asked_for_again_while_the_token_lives() {
    for (loss, _) in losses() {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([loss, answer(200, &tokens(2))]);
        host.wait(DUE);
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        assert_eq!((host.requests(), host.refresh_state().as_str()), (2, "in_doubt"));
        for wait in [longest(30), 3_599 - DUE - longest(30)] {
            host.wait(wait);
            assert_eq!((host.live("shop"), host.sweep(), host.ring().len()), (found(1), report(&[]), 0));
            host.run_behind();
            assert_eq!(host.requests(), 2);
        }
        host.wait(1);
        assert_eq!((host.live("shop"), host.requests(), host.last_sent()), (found(2), 3, "canary-rt-1".to_owned()));
        assert_eq!(host.refresh_state(), "good");
    }
}

/// Lost just before the end: the back-off holds also then. Who loses again waits longer, and is in doubt still.
#[test]
fn a_lost_answer_is_not_asked_for_again_before_the_back_off_is_over() {
    for (loss, status) in losses() {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([loss.clone(), answer(500, &Value::Null), loss, answer(200, &tokens(2))]);
        host.wait(3_590);
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        for (wait, status, requests) in [
            (10, status, 2),
            (19, status, 2),
            (longest(30) - 29, 502, 3),
            (59, 502, 3),
            (longest(60) - 59, status, 4),
            (119, status, 4),
        ] {
            host.wait(wait);
            assert_eq!((host.live("shop").0, host.requests()), (status, requests), "{wait}");
            assert_eq!((host.sweep(), host.refresh_state().as_str()), (report(&[]), "in_doubt"));
        }
        host.wait(longest(120) - 119);
        assert_eq!((host.sweep(), host.live("shop")), (report(&[("due", 1), ("renewed", 1)]), found(2)));
    }
}

/// K18: the provider took the refresh token and its answer was lost: its refusal, later, is an end.
#[test]
fn a_refusal_after_a_lost_answer_needs_a_person() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([Err(ProviderFailure::TimedOut), refusal(400, "invalid_grant")]);
    host.wait(DUE);
    assert_eq!(host.ring(), ["shop"]);
    host.wait(3_600 - DUE);
    assert_eq!((host.ring(), host.requests()), (vec!["shop".to_owned()], 3));
    assert_eq!((host.live("shop").0, host.refresh_state().as_str()), (409, "needs_authorization"));
    host.memory.restart();
    assert_eq!((host.live("shop").0, host.refresh_state().as_str(), host.requests()), (409, "needs_authorization", 3));
}
