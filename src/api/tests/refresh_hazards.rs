//! Loops without a reader, the wrong client for a token, and what comes back from the dead: what must not happen.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{CODE_FLOW, DUE, answer, longest, parameter, refusal, tokens},
};
use crate::ports::ProviderRequest;

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// Changes some secrets of `shop`, whose tokens stay.
fn patch(host: &Host, secrets: &Value) {
    assert_eq!(host.as_root("PATCH", "/connection/shop/secret?verify=false", secrets).status, 200);
    assert_eq!(host.view("shop")["authorized"], true);
}

/// The connection's credentials, as further ones or as the main ones.
fn old() -> Value {
    json!({ "client_id": "shop-client", "client_secret": "canary-client-secret" })
}

/// Credentials of another client.
fn other() -> Value {
    json!({ "client_id": "other-client", "client_secret": "canary-other" })
}

/// Which client a request is of.
fn client(request: &ProviderRequest) -> String {
    parameter(request, "client_id")
}

/// An alarm whose work fails for a cause of ours rings again after a while, not at once: here an application key that
/// is gone, so that no secret can be opened.
#[test]
fn an_alarm_that_fails_does_not_ring_at_once_again() {
    let mut host = Host::new().with_authorized("shop");
    host.redeploy(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")]);
    host.wait(DUE);
    assert_eq!((host.ring(), host.ring().len()), (vec!["shop".to_owned()], 0));
    host.wait(60);
    assert_eq!((host.ring(), host.ring().len(), host.requests()), (vec!["shop".to_owned()], 0, 1));
}

/// A provider whose tokens live for a second is not asked each second where nobody reads.
#[test]
fn tokens_that_live_for_a_second_are_not_renewed_each_second() {
    let host = Host::new().with_code_flow("shop");
    let given = std::cell::Cell::new(0);
    host.memory.provider(move |_| {
        given.set(given.get() + 1);
        let mut tokens = tokens(given.get());
        tokens["expires_in"] = 1.into();
        answer(200, &tokens)
    });
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    for _ in 0..300 {
        host.wait(1);
        let _ = (host.ring(), host.sweep());
    }
    assert!((2..=6).contains(&host.requests()), "{}", host.requests());
    let before = host.requests();
    host.wait(2);
    assert_eq!((host.live("shop").0, host.requests()), (200, before + 1));
}

/// A grant of client credentials that a caller has ended is not begun anew by an alarm that was set before, nor by the
/// sweep.
#[test]
fn an_alarm_brings_no_ended_grant_back() {
    let host = Host::new().with_service("shop");
    assert_eq!(host.live("shop"), found(1));
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    host.wait(DUE);
    let _ = (host.ring(), host.sweep());
    assert_eq!((host.requests(), host.memory.state().contains("access_token")), (1, false));
    assert_eq!((host.live("shop"), host.requests()), (found(1), 2));
}

/// A connection with a second client, whose provider knows the refresh token of the first only; and secrets in which
/// the two have changed places.
fn with_two_clients() -> (Host, Value) {
    let host = Host::new().with_authorized("shop");
    host.memory.provider(|request| match client(request).as_str() {
        "shop-client" => answer(200, &tokens(2)),
        _ => refusal(400, "invalid_grant"),
    });
    patch(&host, &json!({ "provider_credentials": [other()] }));
    let mut swapped = other();
    swapped["provider_credentials"] = json!([old()]);
    (host, swapped)
}

/// RFC 6749 §6: a refresh token is its client's. Whatever place its credentials have by now, they are sent, and no
/// others.
#[test]
fn a_refresh_token_is_sent_with_its_own_client() {
    let (host, swapped) = with_two_clients();
    patch(&host, &swapped);
    host.memory.restart();
    host.wait(3_600);
    assert_eq!((host.live("shop"), host.refresh_state(), host.requests()), (found(2), "good".to_owned(), 2));
}

/// A client that is refused is no reason to try a refresh token with another client, which would say that it is over.
#[test]
fn another_clients_refusal_ends_no_grant() {
    for refused in [answer(401, &Value::Null), refusal(401, "invalid_client")] {
        let host = Host::new().with_authorized("shop");
        patch(&host, &json!({ "provider_credentials": [other()] }));
        host.memory.provider(move |request| match client(request).as_str() {
            "shop-client" => refused.clone(),
            _ => refusal(400, "invalid_grant"),
        });
        host.wait(3_600);
        assert_eq!((host.live("shop").0, host.refresh_state(), host.requests()), (502, "stopped".to_owned(), 2));
    }
}

/// A grant is revoked with the credentials that the provider took for it.
#[test]
fn a_grant_is_revoked_with_the_credentials_that_got_it() {
    let revoke = "        revoke_request:
          method: POST
          path: /oauth/revoke
          body: '{\"token\": \"<refresh_token>\", \"client_secret\": \"<client_secret>\"}'

  test_request:
";
    let host = Host::new().with_authorized("shop");
    assert_eq!(host.define("shop", &CODE_FLOW.replace("\n  test_request:\n", revoke)).status, 200);
    patch(&host, &json!({ "provider_credentials": [{ "client_secret": "canary-new" }] }));
    host.memory.provider(|request| match parameter(request, "client_secret").as_str() {
        "canary-client-secret" => refusal(401, "invalid_client"),
        _ => answer(200, &tokens(2)),
    });
    host.wait(3_600);
    assert_eq!(host.live("shop"), found(2));
    assert_eq!(host.as_root("POST", "/connection/shop/revoke", &Value::Null).status, 200);
    let sent = host.memory.sent();
    let body = sent.last().unwrap().body.as_ref().unwrap().expose();
    assert!(body.contains("canary-new") && body.contains("canary-rt-2"), "{body}");
}

/// A 401 that says no more may be about one connection alone: it stops that one, and none of the others of its client.
#[test]
fn a_bare_401_stops_no_other_connection() {
    let host = Host::new().with_authorized("bad").with_authorized("shop");
    host.provider_answers([answer(401, &Value::Null), answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!((host.live("bad").0, host.live("shop"), host.requests()), (502, found(2), 4));
    host.wait(longest(30));
    assert_eq!((host.live("bad").0, host.requests()), (502, 4));
}

/// What the provider refused may be mended while it does: then it is asked again at once, not when the back-off is
/// over.
#[test]
fn credentials_that_come_during_a_renewal_are_tried_at_once() {
    let host = Host::new().with_authorized("shop");
    host.memory.provider(|request| match parameter(request, "client_secret").as_str() {
        "canary-client-secret" => refusal(401, "invalid_client"),
        _ => answer(200, &tokens(2)),
    });
    host.wait(3_600);
    let further = json!({ "provider_credentials": [{ "client_secret": "canary-new" }] });
    let patch = authorized("PATCH", "/api/v1/connection/shop/secret?verify=false", &host.root(), &further);
    let answers = host.send_all(&[host.reading("shop"), patch]);
    assert_eq!((answers[0].status, answers[1].status), (502, 200));
    assert_eq!((host.live("shop"), host.refresh_state()), (found(2), "good".to_owned()));
}

/// Credentials that change their places while a renewal is under way do not change whose the new refresh token is.
#[test]
fn a_renewal_under_way_knows_its_client() {
    let (host, swapped) = with_two_clients();
    let swap = authorized("PATCH", "/api/v1/connection/shop/secret?verify=false", &host.root(), &swapped);
    host.wait(3_600);
    let answers = host.send_all(&[host.reading("shop"), swap]);
    assert_eq!((answers[0].status, answers[1].status, host.requests()), (200, 200, 2));
    host.wait(3_600);
    assert_eq!((host.live("shop").0, host.refresh_state(), host.requests()), (200, "good".to_owned(), 3));
}
