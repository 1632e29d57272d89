//! Renewals that fail: at the provider, in our storage, in the directory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{DUE, ProviderAnswer, SENT, answer, live, longest, parameter, refusal, tokens},
    sweep::report,
};
use crate::{
    connection::key::ConnectionKey,
    ports::{ProviderFailure, ProviderResponse},
};

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// Each fault: what the reader gets, where the connection stands, that nobody asks again before the back-off is over,
/// and that it heals. Where the operator must act, it is much longer.
#[test]
fn a_fault_is_reported_until_the_back_off_is_over() {
    let page = ProviderResponse {
        status: 200,
        content_type: Some("text/html".to_owned()),
        retry_after: None,
        body: b"<p>canary".to_vec(),
    };
    let faults: [(ProviderAnswer, u16, &str, &str); 11] = [
        (Err(ProviderFailure::Unreachable), 502, "in_doubt", "cannot be reached."),
        (Err(ProviderFailure::TimedOut), 504, "in_doubt", "did not answer in time."),
        (Err(ProviderFailure::TooLarge(200)), 502, "in_doubt", "did not give a token answer."),
        (Ok(page), 502, "in_doubt", "did not give a token answer."),
        (answer(200, &json!({ "expires_in": 5 })), 502, "in_doubt", "did not give a token answer."),
        (answer(500, &json!({ "error": "canary" })), 502, "failing", "failed."),
        (answer(504, &json!({})), 504, "in_doubt", "did not answer in time."),
        (answer(429, &json!({})), 502, "failing", "takes no more requests for now."),
        (refusal(401, "invalid_client"), 502, "stopped", "refused to give a token (invalid_client)."),
        (refusal(400, "canary-at-1"), 502, "failing", "refused to give a token (no error code)."),
        (answer(302, &json!({})), 502, "in_doubt", "did not give a token answer."),
    ];
    for (fault, status, state, detail) in faults {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([fault, answer(200, &tokens(2))]);
        host.wait(3_600);
        let expected = (status, format!("The provider of shop {detail}"));
        let back_off = if state == "stopped" { 1_800 } else { 30 };
        for wait in [0, 0, back_off - 1] {
            host.wait(wait);
            assert_eq!((host.live("shop"), host.requests()), (expected.clone(), 2), "{detail}");
        }
        let view = host.view("shop");
        assert_eq!((&view["authorized"], &view["refresh"]["state"]), (&json!(true), &json!(state)), "{detail}");
        host.wait(longest(back_off) - back_off + 1);
        assert_eq!((host.live("shop"), host.requests()), (found(2), 3));
        assert_eq!(host.view("shop")["refresh"]["state"], "good");
    }
}

/// While the old token is good, a fault behind is nobody's business; the back-off holds there too.
#[test]
fn a_fault_behind_leaves_the_valid_token() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(500, &json!({})), answer(503, &json!({})), answer(200, &tokens(2))]);
    for (wait, number, requests) in [(DUE, 1, 2), (29, 1, 2), (9, 1, 3), (59, 1, 3), (16, 1, 4), (0, 2, 4)] {
        host.wait(wait);
        assert_eq!(host.live("shop"), found(number), "{requests}");
        host.run_behind();
        assert_eq!(host.requests(), requests);
    }
}

/// The back-off doubles up to an hour, each up to a quarter longer, and starts again after a success.
#[test]
fn the_back_off_doubles_and_is_forgotten_by_a_success() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(500, &json!({}))]);
    let mut requests = 0;
    for wait in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        requests += 1;
        assert_eq!((host.live("shop").0, host.requests()), (502, requests));
        host.wait(wait - 1);
        assert_eq!((host.live("shop").0, host.requests()), (502, requests), "{wait}");
        host.wait(longest(wait) - wait + 1);
    }
    host.provider_answers([answer(200, &tokens(1)), answer(500, &json!({})), answer(200, &tokens(2))]);
    assert_eq!(host.live("shop"), found(1));
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 502);
    host.wait(longest(30));
    assert_eq!(host.live("shop"), found(2));
}

/// Many that wait for a renewal that fails: one request, one answer for all.
#[test]
fn parallel_reads_share_a_failed_renewal() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([Err(ProviderFailure::TimedOut), answer(200, &tokens(2))]);
    host.wait(3_600);
    let answers = host.send_all(&vec![host.reading("shop"); 20]);
    assert!(answers.iter().all(|answer| answer.status == 504));
    assert_eq!(host.requests(), 2);
}

/// `invalid_grant` for client credentials is a fault like any other: no person can help.
#[test]
fn a_refusal_of_client_credentials_needs_no_person() {
    let host = Host::new().with_service("shop");
    host.provider_answers([refusal(400, "invalid_grant"), answer(200, &tokens(1))]);
    let detail = "The provider of shop refused to give a token (invalid_grant).";
    assert_eq!(host.live("shop"), (502, detail.to_owned()));
    host.wait(longest(30));
    assert_eq!(host.live("shop"), found(1));
}

/// What a connection stores but how its renewals went, and that.
fn stored(host: &Host) -> (BTreeMap<&'static str, String>, Value) {
    let mut parts = host.memory.copy_of(&ConnectionKey::parse("shop").unwrap());
    let condition = parts.remove("condition").unwrap();
    (parts, serde_json::from_str(&condition).unwrap())
}

/// An expired connection whose storage broke while the provider was answering: three readers got 503, the second tokens
/// came and nothing of them was stored, only that the refresh token was being sent; then storage was mended.
fn with_unstored_answer() -> Host {
    let host = Host::new().with_authorized("shop");
    let (before, _) = stored(&host);
    host.wait(3_600);
    let faults = host.memory.faults();
    host.memory.provider(move |_| {
        faults.break_records_after(0);
        answer(200, &tokens(2))
    });
    let answers = host.send_all(&vec![host.reading("shop"); 3]);
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert!(answers[0].log.contains("record storage is broken"), "{}", answers[0].log);
    host.memory.faults().mend_records();
    let (parts, condition) = stored(&host);
    assert_eq!((parts, host.requests()), (before, 2));
    assert!(condition["attempt"].is_string() && condition["state"] == "good", "{condition}");
    host.provider_answers([answer(200, &tokens(3))]);
    host
}

/// The write is tried again, never the grant: an answer that could not be stored is not served and nothing of it
/// is half stored; it is stored by the next reader, and its refresh token, which may be the only good one, is used
/// next.
#[test]
fn an_answer_that_could_not_be_stored_is_stored_later() {
    let host = with_unstored_answer();
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
    host.memory.restart();
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
    host.wait(3_600);
    assert_eq!(host.live("shop"), found(3));
    assert_eq!(parameter(&host.memory.sent()[2], "refresh_token"), "canary-rt-2");
}

/// The sweep does the same where nobody reads.
#[test]
fn an_answer_that_could_not_be_stored_is_stored_by_the_sweep() {
    let host = with_unstored_answer();
    assert_eq!(host.sweep(), report(&[("due", 1), ("not_due", 1)]));
    assert_eq!(host.requests(), 2);
    host.memory.restart();
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
    assert_eq!(host.sweep(), report(&[]));
}

/// What was not stored does not outlive the object: after a restart its answer is as good as lost, and the old refresh
/// token is tried once more, since the access token has expired.
#[test]
fn an_answer_that_could_not_be_stored_is_lost_by_a_restart_only() {
    let host = with_unstored_answer();
    host.memory.restart();
    assert_eq!((host.live("shop"), host.requests()), (found(3), 3));
    assert_eq!(parameter(&host.memory.sent()[2], "refresh_token"), "canary-rt-1");
}

/// Nor does it outlive the credentials that it was got with.
#[test]
fn an_answer_that_could_not_be_stored_dies_with_its_credentials() {
    let secrets =
        json!({ "client_id": "n", "client_secret": "canary-n", "redirect_uri": "https://postern.example/cb" });
    for (method, tail, body, status) in [("PUT", "/secret", secrets, 409), ("DELETE", "", Value::Null, 404)] {
        let host = with_unstored_answer();
        assert!(host.as_root(method, &format!("/connection/shop{tail}"), &body).status < 300);
        assert_eq!((host.live("shop").0, host.requests()), (status, 2));
        assert!(!host.memory.state().contains("access_token"));
    }
    let host = with_unstored_answer();
    host.provider_answers([answer(200, &tokens(7))]);
    assert_eq!(host.authorize("shop", "canary-code-7").status, 200);
    assert_eq!(host.live("shop"), found(7));
    host.wait(3_600);
    let _ = host.live("shop");
    assert_eq!(parameter(host.memory.sent().last().unwrap(), "refresh_token"), "canary-rt-7");
}

/// An answer that is stored only after its access token has expired: nobody is served a dead token; its refresh token
/// is used.
#[test]
fn an_answer_that_was_stored_too_late_is_renewed_at_once() {
    let host = with_unstored_answer();
    host.wait(3_600);
    let read = host.read("shop");
    assert_ne!(read.json()["expires_in"], 0, "{}", read.text());
    let (status, token) = live(&host.read("shop"));
    assert_eq!((status, token), found(3));
    assert_eq!(parameter(host.memory.sent().last().unwrap(), "refresh_token"), "canary-rt-2");
}

/// Storage that broke before the provider answered, and was noticed by another request: the answer is kept all the
/// same.
#[test]
fn an_answer_is_kept_also_when_another_request_noticed_the_broken_storage() {
    let host = Host::new().with_authorized("shop");
    host.wait(3_600);
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3))]);
    let authorize = authorized("GET", "/api/v1/connection/shop/authorize", &host.root(), &Value::Null);
    let reading = host.reading("shop");
    host.memory.faults().break_records_after(1);
    let answers = host.send_staggered(&[reading, authorize], SENT);
    assert_eq!((answers[0].status, answers[1].status, host.requests()), (503, 503, 2));
    host.memory.faults().mend_records();
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
}

/// A fault that cannot be stored is 503; the back-off that was not stored does not bind.
#[test]
fn a_fault_that_cannot_be_stored_is_tried_again() {
    let host = Host::new().with_authorized("shop");
    host.wait(3_600);
    let faults = host.memory.faults();
    host.memory.provider(move |_| {
        faults.break_records_after(0);
        Err(ProviderFailure::Unreachable)
    });
    assert_eq!(host.live("shop").0, 503);
    host.memory.faults().mend_records();
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.live("shop"), found(2));
}

/// A directory that does not answer keeps nobody from a token; the sweep repairs its row.
#[test]
fn a_renewal_needs_no_directory_and_the_sweep_repairs_the_row() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3))]);
    host.wait(3_600);
    host.memory.faults().break_directory(true);
    assert_eq!(host.live("shop"), found(2));
    host.memory.faults().break_directory(false);
    assert_eq!(host.sweep(), report(&[("due", 1), ("not_due", 1)]));
    assert_eq!(host.sweep(), report(&[]));
    host.wait(DUE);
    assert_eq!(host.sweep(), report(&[("due", 1), ("renewed", 1)]));
    assert_eq!(host.live("shop"), found(3));
}

/// A jump over many lifetimes at once is one renewal, and one refusal.
#[test]
fn a_clock_that_jumps_far_ahead_costs_one_renewal() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(100 * 365 * 86_400);
    let read = host.read("shop");
    assert_eq!(live(&read).0, 409);
    assert_eq!(host.requests(), 2);
}
