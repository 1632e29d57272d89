//! `POST /connection/{connection_key}/access_token/refused`: a caller's token was refused where it used it.

use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    stage::{DUE, SERVICE, answer, live, longest, parameter, tokens},
    sweep::report,
};
use crate::{api::Body, ports::ProviderFailure, protocol::secret::SecretText};

/// The n-th access token, as an answer that gives it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// The body that reports the n-th access token.
fn body(number: u32) -> Value {
    json!({ "access_token_sha256": SecretText::new(format!("canary-at-{number}")).sha256() })
}

/// The request that reports the n-th access token.
fn reporting(host: &Host, number: u32) -> http::Request<Body> {
    authorized("POST", "/api/v1/connection/shop/access_token/refused", &host.root(), &body(number))
}

/// Reports the n-th access token: what is given instead.
fn reported(host: &Host, number: u32) -> (u16, String) {
    live(&host.send(&reporting(host, number)))
}

/// A token that is far from due is renewed when it is reported, and each token once: who reports an older one gets the
/// present one.
#[test]
fn a_reported_token_is_renewed_once() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3))]);
    let answered = host.send(&reporting(&host, 1));
    assert_eq!((live(&answered), answered.header("cache-control")), (found(2), "no-store"));
    assert_eq!((&answered.json()["refresh_state"], &answered.json()["expires_in"]), (&json!("good"), &json!(3_600)));
    assert_eq!((host.requests(), parameter(&host.memory.sent()[1], "refresh_token")), (2, "canary-rt-1".to_owned()));
    for older in [1, 1, 7] {
        assert_eq!((reported(&host, older), host.live("shop"), host.requests()), (found(2), found(2), 2));
    }
    let upper = body(2)["access_token_sha256"].as_str().unwrap().to_ascii_uppercase();
    let upper = json!({ "access_token_sha256": upper });
    // Not one after another: whoever is refused with every token cannot have the provider asked all the time.
    for (wait, number) in [(0, 2), (59, 2), (1, 3)] {
        host.wait(wait);
        let answered = host.as_root("POST", "/connection/shop/access_token/refused", &upper);
        assert_eq!((live(&answered), host.requests()), (found(number), usize::try_from(number).unwrap()));
    }
    assert_eq!((host.sweep(), host.ring().len()), (report(&[]), 0));
}

/// Many reports at once, and one beside a renewal that has begun: one request, one token for all.
#[test]
fn a_report_joins_a_renewal_under_way() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3)), answer(200, &tokens(4))]);
    let answers = host.send_all(&vec![reporting(&host, 1); 20]);
    assert!(answers.iter().all(|answer| live(answer) == found(2)), "{answers:?}");
    assert_eq!((host.requests(), host.memory.most_under_way()), (2, 1));
    host.wait(DUE);
    let answers = host.send_all(&[host.reading("shop"), reporting(&host, 2)]);
    assert_eq!((live(&answers[0]), live(&answers[1]), host.requests()), (found(2), found(3), 3));
    host.wait(3_600);
    let answers = host.send_all(&[host.reading("shop"), reporting(&host, 3), reporting(&host, 2)]);
    assert!(answers.iter().all(|answer| live(answer) == found(4)), "{answers:?}");
    assert_eq!(host.requests(), 4);
}

/// A provider that gives the same token again is not asked a second time: that token is what there is.
#[test]
fn a_token_that_is_given_again_is_not_asked_for_again() {
    let host = Host::new().with_authorized("shop");
    for _ in 0..3 {
        assert_eq!((reported(&host, 1), host.requests()), (found(1), 2));
        host.memory.restart();
    }
    host.wait(3_599);
    assert_eq!((host.live("shop"), host.sweep(), host.ring().len()), (found(1), report(&[]), 0));
    assert_eq!((reported(&host, 1), host.requests()), (found(1), 2));
}

/// A provider that fails: the report is answered with its fault, reads with the old token; the back-off holds for both,
/// and over a restart; then the report is still known, and the sweep renews.
#[test]
fn a_report_obeys_the_back_off() {
    for (fault, status, state) in
        [(answer(500, &Value::Null), 502, "failing"), (Err(ProviderFailure::TimedOut), 504, "in_doubt")]
    {
        let host = Host::new().with_authorized("shop");
        host.provider_answers([fault, answer(200, &tokens(2))]);
        for wait in [0, 0, 29] {
            host.wait(wait);
            assert_eq!((reported(&host, 1).0, host.requests()), (status, 2), "{state}");
            let read = host.read("shop");
            assert_eq!((live(&read), &read.json()["refresh_state"]), (found(1), &json!(state)));
            host.run_behind();
            host.memory.restart();
        }
        assert_eq!((host.sweep(), host.requests()), (report(&[]), 2));
        host.wait(longest(30) - 29);
        assert_eq!((host.sweep(), host.requests()), (report(&[("due", 1), ("renewed", 1)]), 3));
        assert_eq!((reported(&host, 1), host.live("shop"), host.requests()), (found(2), found(2), 3));
    }
}

/// A report while an answer is lost: nothing is left to lose, so the next one after the back-off asks.
#[test]
fn a_report_ends_the_waiting_in_doubt() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([Err(ProviderFailure::TimedOut), answer(200, &tokens(2))]);
    host.wait(DUE);
    assert_eq!(host.live("shop"), found(1));
    host.run_behind();
    assert_eq!((reported(&host, 1).0, host.requests()), (504, 2));
    host.wait(longest(30));
    assert_eq!((reported(&host, 1), host.requests()), (found(2), 3));
}

/// Without a way to get another token a person is needed at once.
#[test]
fn a_report_of_a_token_that_cannot_be_renewed_needs_a_person() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &json!({ "access_token": "canary-at-1", "expires_in": 3600 }))]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    assert_eq!(reported(&host, 2), found(1));
    for _ in 0..2 {
        assert_eq!(
            (reported(&host, 1).0, host.refresh_state(), host.requests()),
            (409, "needs_authorization".into(), 1)
        );
        host.memory.restart();
    }
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    assert_eq!((reported(&host, 1), host.refresh_state()), (found(2), "good".to_owned()));
}

/// Client credentials: obtained where there is none yet, renewed by the same request where it is reported.
#[test]
fn a_service_gets_another_token() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2))]);
    assert_eq!((reported(&host, 1), host.requests()), (found(1), 1));
    assert_eq!((reported(&host, 1), host.requests()), (found(2), 2));
    assert_eq!((reported(&host, 1), host.requests()), (found(2), 2));
}

/// What is no digest is told by its place, and renews nothing; nor does a connection that gets no token.
#[test]
fn a_malformed_report_is_refused() {
    let host = Host::new().with_authorized("shop");
    let digest = body(1)["access_token_sha256"].as_str().unwrap().to_owned();
    let bodies = [
        json!({}),
        json!([]),
        json!("x"),
        json!([digest]),
        json!({ "sha256": digest }),
        json!({ "access_token_sha256": null }),
        json!({ "access_token_sha256": 1 }),
        json!({ "access_token_sha256": [digest] }),
        json!({ "access_token_sha256": "" }),
        json!({ "access_token_sha256": digest[1..] }),
        json!({ "access_token_sha256": format!("{digest}0") }),
        json!({ "access_token_sha256": digest.replace(char::is_numeric, "g") }),
        json!({ "access_token_sha256": "é".repeat(32) }),
        json!({ "access_token_sha256": "canary-at-1" }),
    ];
    let path = "/connection/shop/access_token/refused";
    for body in bodies {
        let answered = host.as_root("POST", path, &body);
        let place = "[\"body\",\"access_token_sha256\"]".to_owned();
        assert_eq!(answered.issues(), (422, vec![("value_error".to_owned(), place)]), "{body}");
    }
    assert_eq!(host.as_root("POST", path, &Value::Null).status, 422);
    assert_eq!((host.live("shop"), host.requests()), (found(1), 1));
    let at = |key: &str| host.as_root("POST", &format!("/connection/{key}/access_token/refused"), &body(1)).status;
    assert_eq!((at("nobody"), at("a:b")), (404, 422));
    host.save("bare");
    assert_eq!(at("bare"), 422);
    let bearer = SERVICE
        .replace("oauth2_client_credentials", "bearer")
        .replace("configuration:\n", "configuration:\n        token: <client_id>\n");
    assert_eq!(host.define("bare", &bearer).status, 200);
    assert_eq!(at("bare"), 422);
}

/// S1: it gives a token, so it wants the scope that a token read wants, and no other is enough.
#[test]
fn a_report_wants_the_scope_of_token_reads() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    let path = "/connection/shop/access_token/refused";
    let call = |scopes: &[&str]| -> Answered { host.call(&host.caller(scopes), "POST", path, &body(1)) };
    assert_eq!((call(&["connection:read", "connection:create_or_update"]).status, host.requests()), (403, 1));
    assert_eq!((live(&call(&["connection_token:read"])), host.requests()), (found(2), 2));
    let anonymous =
        http::Request::post(format!("/api/v1{path}")).body(Body::Complete(body(1).to_string().into_bytes()));
    assert_eq!(host.send(&anonymous.unwrap()).status, 401);
}
