//! `GET /connection/{key}/access_token`: the live token through its life, and how it is renewed.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{DUE, MAY_BE_DUE, SERVICE, answer, live, parameter, refusal, tokens},
};

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// A fresh token: all that a caller needs, no request, and not a byte written.
#[test]
fn a_fresh_token_is_served_from_what_is_stored() {
    let host = Host::new().with_authorized("shop");
    let before = host.memory.state();
    host.wait(100);
    let read = host.read("shop");
    assert_eq!((read.status, read.header("cache-control")), (200, "no-store"));
    let expected = json!({
        "access_token": "canary-at-1",
        "token_type": "Bearer",
        "expires_at": 1_700_003_600_u64,
        "expires_in": 3_500,
        "refresh_state": "good",
    });
    assert_eq!(read.json(), expected);
    host.run_behind();
    assert_eq!((host.requests(), host.memory.state()), (1, before));
    assert!(read.log.contains("\"client_id\":\"root-id\""));
}

/// Inside the lead: the stored token at once, and one renewal behind, however many read.
#[test]
fn a_due_token_is_served_and_renewed_behind() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(MAY_BE_DUE - 1);
    assert_eq!(host.live("shop"), found(1));
    host.run_behind();
    assert_eq!(host.requests(), 1);
    host.wait(DUE - MAY_BE_DUE + 1);
    for _ in 0..3 {
        assert_eq!(host.live("shop"), found(1));
    }
    assert_eq!(host.requests(), 1);
    host.run_behind();
    assert_eq!((host.requests(), host.live("shop")), (2, found(2)));
    let sent = &host.memory.sent()[1];
    assert_eq!(
        (parameter(sent, "grant_type").as_str(), parameter(sent, "refresh_token").as_str()),
        ("refresh_token", "canary-rt-1")
    );
    assert_eq!(host.read("shop").json()["expires_in"], 3_600);
}

/// Expired on the second: renewed first.
#[test]
fn an_expired_token_is_renewed_before_it_is_served() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
}

/// RFC 6749 §6: a refresh token that is replaced is used next, one that is not stays.
#[test]
fn refresh_tokens_are_kept_or_replaced() {
    let host = Host::new().with_authorized("shop");
    let kept = json!({ "access_token": "canary-at-2", "expires_in": 3600 });
    let empty = json!({ "access_token": "canary-at-3", "expires_in": 3600, "refresh_token": "" });
    host.provider_answers([kept, empty, tokens(4), tokens(5), tokens(6)].map(|body| answer(200, &body)));
    for number in 2..7 {
        host.wait(3_600);
        if number == 5 {
            host.memory.restart();
        }
        assert_eq!(host.live("shop"), found(number));
    }
    let used: Vec<_> = host.memory.sent().iter().skip(1).map(|sent| parameter(sent, "refresh_token")).collect();
    assert_eq!(used, ["canary-rt-1", "canary-rt-1", "canary-rt-1", "canary-rt-4", "canary-rt-5"]);
}

/// Without a refresh token a person is needed when the time is over; until then the token is served.
#[test]
fn without_a_refresh_token_a_person_is_needed() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &json!({ "access_token": "canary-at-1", "expires_in": 3600 }))]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    host.wait(3_599);
    assert_eq!(host.live("shop"), found(1));
    host.wait(1);
    let detail = "The connection shop needs authorization: see GET /api/v1/connection/shop/authorize";
    assert_eq!((host.live("shop"), host.requests()), ((409, detail.to_owned()), 1));
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    assert_eq!(host.live("shop"), found(2));
}

/// What a connection is not, or not yet.
#[test]
fn a_connection_that_is_not_ready_gives_no_token() {
    let host = Host::new();
    assert_eq!(host.live("shop").0, 404);
    host.save("shop");
    assert_eq!(host.live("shop"), (422, "The connection config does not contain a SaaS config.".to_owned()));
    let bearer = SERVICE
        .replace("oauth2_client_credentials", "bearer")
        .replace("configuration:\n", "configuration:\n        token: <client_id>\n");
    assert_eq!(host.define("shop", &bearer).status, 200);
    assert_eq!(host.live("shop"), (422, "The connection config does not use OAuth2 authentication.".to_owned()));
    let host = Host::new().with_code_flow("shop");
    assert_eq!(host.live("shop").0, 409);
    assert_eq!(host.requests(), 0);
}

/// Client credentials: obtained at the first read, renewed by the same request; nobody has to come.
#[test]
fn client_credentials_get_their_tokens_by_themselves() {
    let host = Host::new().with_service("shop");
    assert_eq!(host.view("shop")["authorized"], false);
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2)), answer(200, &tokens(3))]);
    assert_eq!((host.live("shop"), host.requests()), (found(1), 1));
    assert_eq!(host.view("shop")["authorized"], true);
    let sent = &host.memory.sent()[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://acme.json-provider.example/oauth/token"));
    let body: Value = serde_json::from_slice(sent.body.as_ref().unwrap().expose().as_bytes()).unwrap();
    let expected = json!({
        "grant_type": "client_credentials",
        "audience": "https://acme.json-provider.example/api/v2/",
        "client_id": "acme",
        "client_secret": "canary-client-secret",
    });
    assert_eq!(body, expected);
    host.wait(DUE);
    assert_eq!(host.live("shop"), found(1));
    host.run_behind();
    assert_eq!(host.live("shop"), found(2));
    host.wait(3_600);
    assert_eq!((host.live("shop"), host.requests()), (found(3), 3));
}

/// Client credentials without their secrets: said as a fault of definition and secrets, without a request.
#[test]
fn client_credentials_without_secrets_send_nothing() {
    let host = Host::new();
    host.save("shop");
    assert_eq!(host.define("shop", SERVICE).status, 200);
    let (status, detail) = host.live("shop");
    assert_eq!((status, detail.contains("Definition and secrets"), host.requests()), (502, true, 0));
}

/// A short life is not renewed at every read: the lead is at most a fifth of it, at least 3/20.
#[test]
fn a_short_lived_token_is_not_renewed_at_every_read() {
    let host = Host::new().with_service("shop");
    let short = |number: u32| answer(200, &json!({ "access_token": format!("canary-at-{number}"), "expires_in": 100 }));
    host.provider_answers([short(1), short(2)]);
    for (wait, number, requests) in [(0, 1, 1), (79, 1, 1), (6, 1, 2), (0, 2, 2)] {
        host.wait(wait);
        assert_eq!(host.live("shop"), found(number));
        host.run_behind();
        assert_eq!(host.requests(), requests);
    }
}

/// The setting bounds the lead from above; zero means that a token is used to its last second. Tokens are due from the
/// first to the last of these instants.
#[test]
fn the_lead_is_a_setting() {
    for (lead, first, last) in [("0", 3_600, 3_600), ("60", 3_540, 3_555), ("86400", 2_880, 3_060)] {
        let host = Host::with(&[("REFRESH_LEAD_SECONDS", lead)]).with_authorized("shop");
        host.wait(first - 1);
        assert_eq!(host.live("shop"), found(1));
        host.run_behind();
        assert_eq!(host.requests(), 1, "{lead}");
        host.wait(last - first + 1);
        let _ = host.live("shop");
        host.run_behind();
        assert_eq!(host.requests(), 2, "{lead}");
    }
}

/// R6: a restart loses nothing: tokens, back-off, a state under way.
#[test]
fn a_restart_loses_nothing() {
    let host = Host::new().with_authorized("shop");
    let state = host.state("shop");
    let (view, dump) = (host.view("shop"), host.memory.state());
    host.memory.restart();
    assert_eq!((host.view("shop"), host.memory.state()), (view, dump));
    assert_eq!(host.live("shop"), found(1));
    host.provider_answers([answer(500, &json!({})), answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!((host.live("shop").0, host.requests()), (502, 2));
    let failing = host.view("shop");
    assert_eq!((&failing["refresh"]["state"], &failing["refresh"]["failures"]), (&json!("failing"), &json!(1)));
    host.memory.restart();
    assert_eq!((host.live("shop").0, host.requests()), (502, 2));
    assert_eq!(host.view("shop"), failing);
    let _ = state;
}

/// K18: `invalid_grant`: served while valid, then 409, never asked again, until a person comes.
#[test]
fn a_dead_refresh_token_needs_a_person() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(DUE);
    assert_eq!(host.live("shop"), found(1));
    host.run_behind();
    assert_eq!(host.requests(), 2);
    assert_eq!(host.view("shop")["authorized"], false);
    host.wait(3_599 - DUE);
    assert_eq!(host.live("shop"), found(1));
    for wait in [1, 30, 86_400] {
        host.wait(wait);
        assert_eq!(host.live("shop").0, 409);
        host.run_behind();
    }
    assert_eq!(host.requests(), 2);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    assert_eq!((host.live("shop"), &host.view("shop")["authorized"]), (found(2), &json!(true)));
    host.provider_answers([answer(200, &tokens(3))]);
    host.wait(3_600);
    assert_eq!(host.live("shop"), found(3));
}

/// R2, K17: many that need a renewal get one, and all of them the same token.
#[test]
fn parallel_reads_of_an_expired_token_share_one_renewal() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2)), answer(200, &tokens(3))]);
    host.wait(3_600);
    let answers = host.send_all(&vec![host.reading("shop"); 50]);
    assert!(answers.iter().all(|answer| live(answer) == found(2)));
    assert_eq!((host.requests(), host.memory.most_under_way()), (2, 1));
}
