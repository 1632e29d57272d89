//! The alarm of a connection, which comes in time; the sweep, which comes in any case; and what the log says of a
//! renewal.

use futures_util::future::join;
use serde_json::{Value, json};

use super::{
    Host,
    stage::{DUE, MAY_BE_DUE, answer, longest, refusal, tokens},
    sweep::report,
};
use crate::{connection::key::ConnectionKey, ports::ProviderFailure};

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

impl Host {
    /// Has every alarm ring that is due: whose they were.
    pub(super) fn ring(&self) -> Vec<String> {
        let rung = self.pool.borrow_mut().run_until(self.memory.ring());
        rung.into_iter().map(|key| key.to_string()).collect()
    }

    /// What the log says of the last renewal, and how many lines there are; searched for secrets (L1).
    fn last_line(&self) -> (usize, Value) {
        self.run_behind();
        let lines = self.memory.refresh_lines();
        let text = Value::from(lines.clone()).to_string();
        assert!(!text.contains(super::CANARY), "{text}");
        (lines.len(), lines.last().cloned().unwrap_or_default())
    }
}

/// The line of a renewal of `shop` that left it in this state.
fn line(state: &str, (own, directory): (u32, u32)) -> Value {
    json!({ "level": "info", "event": "refresh", "connection": "shop", "refresh_state": state, "connection_rows": own,
        "directory_rows": directory })
}

/// A due token is renewed though nobody reads and no sweep comes; each renewal sets the next alarm, also over a
/// restart.
#[test]
fn a_due_token_is_renewed_by_its_alarm_alone() {
    let host = Host::new().with_authorized("shop").with_service("never_read");
    host.provider_answers((2..5).map(|number| answer(200, &tokens(number))));
    for number in 2..5 {
        host.wait(MAY_BE_DUE - 1);
        assert_eq!((host.ring(), host.requests()), (Vec::new(), number - 1));
        host.wait(DUE - MAY_BE_DUE + 1);
        assert_eq!((host.ring(), host.requests()), (vec!["shop".to_owned()], number));
        if number == 3 {
            host.memory.restart();
        }
        assert_eq!((host.ring(), host.requests()), (Vec::new(), number));
    }
    assert_eq!((host.live("shop"), host.sweep()), (found(4), report(&[])));
}

/// R6: an alarm that rings twice, also at the same time, or beside a read, renews once.
#[test]
fn an_alarm_that_rings_twice_renews_once() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3))]);
    host.wait(DUE);
    assert_eq!(host.live("shop"), found(1));
    let shop = ConnectionKey::parse("shop").unwrap();
    host.pool.borrow_mut().run_until(join(host.memory.wake(&shop), host.memory.wake(&shop)));
    host.pool.borrow_mut().run_until(host.memory.wake(&shop));
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
}

/// After a fault it rings when the back-off is over; when only a person can help, not at all.
#[test]
fn an_alarm_comes_back_when_there_is_something_to_do() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(503, &Value::Null), answer(200, &tokens(2)), refusal(400, "invalid_grant")]);
    host.wait(DUE);
    assert_eq!((host.ring(), host.requests()), (vec!["shop".to_owned()], 2));
    host.wait(29);
    assert_eq!((host.ring(), host.requests()), (Vec::new(), 2));
    host.wait(longest(30) - 29);
    assert_eq!((host.ring(), host.requests(), host.live("shop")), (vec!["shop".to_owned()], 3, found(2)));
    host.wait(DUE);
    assert_eq!((host.ring(), host.requests()), (vec!["shop".to_owned()], 4));
    host.wait(86_400);
    assert_eq!((host.ring(), host.live("shop").0, host.requests()), (Vec::new(), 409, 4));
}

/// It needs no directory; and the alarm of a connection that is gone does nothing.
#[test]
fn an_alarm_needs_no_directory_and_outlives_nothing() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(DUE);
    host.memory.faults().break_directory(true);
    assert_eq!((host.ring(), host.requests(), host.live("shop")), (vec!["shop".to_owned()], 2, found(2)));
    host.memory.faults().break_directory(false);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    let after = host.memory.state();
    host.wait(86_400);
    let _ = host.ring();
    assert_eq!((host.ring(), host.requests(), host.memory.state()), (Vec::new(), 2, after));
}

/// Without alarms none is set, and the sweep alone renews all that is due; with them both are enough.
#[test]
fn the_sweep_alone_is_enough() {
    for (alarms, rung) in [("false", Vec::new()), ("true", vec!["shop".to_owned()])] {
        let host = Host::with(&[("REFRESH_ALARMS", alarms)]).with_authorized("shop");
        host.provider_answers([answer(200, &tokens(2)), answer(503, &Value::Null), answer(200, &tokens(3))]);
        host.wait(DUE);
        assert_eq!((host.sweep(), host.live("shop")), (report(&[("due", 1), ("renewed", 1)]), found(2)));
        host.wait(DUE);
        assert_eq!(host.sweep(), report(&[("due", 1), ("failed", 1)]));
        host.wait(longest(30));
        assert_eq!((host.sweep(), host.live("shop")), (report(&[("due", 1), ("renewed", 1)]), found(3)));
        host.wait(DUE);
        assert_eq!(host.ring(), rung, "REFRESH_ALARMS={alarms}");
    }
}

/// L1, R5: a renewal is one line: where the connection stands, whose fault it was, and that it cost at most three rows
/// of the connection, its alarm among them, and two of the directory. Reads that serve and sweeps that find nothing are
/// none.
#[test]
fn a_renewal_is_one_line_and_few_rows() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3)), answer(503, &Value::Null)]);
    for (number, state) in [(1, "good"), (2, "good"), (3, "failing")] {
        host.wait(DUE);
        let _ = (host.live("shop"), host.live("shop"));
        let (count, last) = host.last_line();
        let mut expected = line(state, (3, 2));
        if state == "failing" {
            // Two more for the event of a change: itself, and that it is to be told.
            expected = line(state, (5, 2));
            expected["fault"] = "failed".into();
            expected["problem"] = "the provider failed (status 503)".into();
        }
        assert_eq!((count, last), (number, expected));
        assert_eq!((host.sweep(), host.last_line().0), (report(&[]), number));
    }
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 409);
    let mut over = line("needs_authorization", (4, 1));
    over["problem"] = "the provider refused the request (status 400, invalid_grant)".into();
    assert_eq!(host.last_line(), (4, over));
    assert_eq!((host.live("shop").0, host.last_line().0), (409, 4));
}

/// L1: an answer that gives no tokens is told with what was wrong with it, in words of ours; one that gives them, also
/// after a refusal of other credentials, and a provider that gives none, with nothing.
#[test]
fn what_is_wrong_with_an_answer_is_in_the_log() {
    let stray = json!({ "access_token": "canary-at-2", "token_type": "canary" });
    for (given, problem) in [
        (answer(200, &json!({})), json!("the provider's answer holds no access token")),
        (answer(200, &stray), json!("the provider's answer holds a token that is not of type Bearer")),
        (Err(ProviderFailure::TimedOut), Value::Null),
        (answer(200, &tokens(2)), Value::Null),
    ] {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([given]);
        host.wait(3_600);
        let _ = host.live("shop");
        assert_eq!(host.last_line().1["problem"], problem);
    }
    let host = Host::new().with_authorized("shop");
    let further = json!({ "provider_credentials": [{ "client_secret": "canary-new" }] });
    assert_eq!(host.as_root("PATCH", "/connection/shop/secret?verify=false", &further).status, 200);
    host.provider_answers([refusal(401, "invalid_client"), answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!(host.live("shop"), found(2));
    assert_eq!(host.last_line(), (1, line("good", (3, 2))));
    // What is wrong with another answer is none of its.
    host.provider_answers([refusal(401, "invalid_client"), Err(ProviderFailure::TimedOut)]);
    host.wait(3_600);
    let _ = host.live("shop");
    assert_eq!((&host.last_line().1["fault"], &host.last_line().1["problem"]), (&json!("timed_out"), &Value::Null));
}

/// Client credentials need no intent; without alarms there is a row less.
#[test]
fn a_renewal_of_client_credentials_is_fewer_rows() {
    for (alarms, rows) in [("true", (2, 2)), ("false", (1, 2))] {
        let host = Host::with(&[("REFRESH_ALARMS", alarms)]).with_service("shop");
        host.provider_answers([answer(200, &json!({ "access_token": "canary-at-1", "expires_in": 3600 }))]);
        for number in 1..3 {
            assert_eq!(host.live("shop").0, 200);
            assert_eq!(host.last_line(), (number, line("good", rows)), "REFRESH_ALARMS={alarms}");
            host.wait(3_600);
        }
    }
}

/// What is broken of ours is an error in the log.
#[test]
fn a_renewal_that_cannot_be_stored_is_an_error_in_the_log() {
    let host = Host::new().with_authorized("shop");
    host.wait(3_600);
    host.memory.faults().break_records_after(1);
    assert_eq!(host.live("shop").0, 503);
    let (count, last) = host.last_line();
    assert_eq!((count, &last["level"], &last["event"]), (1, &json!("error"), &json!("refresh")));
}
