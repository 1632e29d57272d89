//! The end of a grant: `POST /connection/{connection_key}/revoke` and deletion, here and at the provider (RFC 7009).

use futures_util::future::join;
use serde_json::{Value, json};

use super::{
    Answered, Host, authorized,
    stage::{
        CODE_FLOW, DUE, ProviderAnswer, SERVICE, answer, callback, live, parameter, query, refusal, service_secrets,
        tokens,
    },
};
use crate::{
    api::Body,
    ports::{ProviderFailure, ProviderRequest},
};

/// A definition with a request that revokes.
fn revocable(definition: &str, token: &str) -> String {
    let request = format!(
        "        revoke_request:
          method: POST
          path: /oauth/revoke
          headers:
            - name: Content-Type
              value: application/x-www-form-urlencoded
          body: '{{\"token\": \"<{token}>\", \"client_id\": \"<client_id>\"}}'

  test_request:
"
    );
    definition.replace("\n  test_request:\n", &request)
}

/// Whether a request revokes.
fn revokes(sent: &ProviderRequest) -> bool {
    sent.url.path() == "/oauth/revoke"
}

/// Whether a request renews.
fn renews(sent: &ProviderRequest) -> bool {
    parameter(sent, "grant_type") == "refresh_token"
}

/// The bodies of the requests that revoke.
fn revocations(host: &Host) -> Vec<String> {
    let sent = host.memory.sent();
    sent.iter().filter(|sent| revokes(sent)).map(|sent| sent.body.as_ref().unwrap().expose().to_owned()).collect()
}

/// An authorized connection whose provider answers this to a revocation, and to anything else the second pair of
/// tokens.
fn with_revocation(to_revocation: ProviderAnswer) -> Host {
    let host = Host::new().with_authorized("shop");
    assert_eq!(host.define("shop", &revocable(CODE_FLOW, "refresh_token")).status, 200);
    host.memory.provider(move |sent| if revokes(sent) { to_revocation.clone() } else { answer(200, &tokens(2)) });
    host
}

/// A request of root for `shop`.
fn root(host: &Host, method: &str, tail: &str) -> http::Request<Body> {
    authorized(method, &format!("/api/v1/connection/shop{tail}"), &host.root(), &Value::Null)
}

/// Revokes.
fn revoke(host: &Host) -> Answered {
    host.send(&root(host, "POST", "/revoke"))
}

/// The answer to a revocation.
fn told(revoked: Option<bool>, reason: Option<&str>) -> (u16, Value) {
    (200, json!({ "revoked_at_provider": revoked, "reason": reason }))
}

/// Status and body.
fn seen(answer: &Answered) -> (u16, Value) {
    (answer.status, answer.json())
}

/// RFC 7009 §2: the provider revokes what the definition names; nothing is left here, after a restart either.
#[test]
fn a_revoked_connection_needs_authorization() {
    let host = with_revocation(answer(200, &Value::Null));
    assert_eq!(seen(&revoke(&host)), told(Some(true), None));
    assert_eq!(revocations(&host), ["client_id=shop-client&token=canary-rt-1"]);
    for _ in 0..2 {
        assert_eq!((host.live("shop").0, &host.view("shop")["authorized"]), (409, &json!(false)));
        assert!(!host.memory.state().contains("access_token"));
        host.memory.restart();
    }
    let listed = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!((&listed["items"][0]["authorized"], host.requests()), (&json!(false), 2));
    assert_eq!(seen(&revoke(&host)), told(None, Some("There were no tokens.")));
    assert_eq!(host.authorize("shop", "canary-code-2").status, 200);
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}

/// RFC 7009 §2.2, L5, S15: whatever the provider says, the tokens are forgotten; what it says is told in words of ours.
#[test]
fn the_tokens_are_forgotten_whatever_the_provider_says() {
    let status = |status: u16| format!("The provider of shop answered with status code '{status}'.");
    let cases: [(ProviderAnswer, Option<bool>, Option<String>); 7] = [
        (answer(204, &Value::Null), Some(true), None),
        (answer(503, &json!("canary-at-1")), Some(false), Some(status(503))),
        (refusal(400, "unsupported_token_type"), Some(false), Some(status(400))),
        (answer(302, &Value::Null), Some(false), Some(status(302))),
        (Err(ProviderFailure::Unreachable), Some(false), Some("The provider of shop cannot be reached.".to_owned())),
        (Err(ProviderFailure::TimedOut), Some(false), Some("The provider of shop did not answer in time.".to_owned())),
        (Err(ProviderFailure::TooLarge(404)), Some(false), Some(status(404))),
    ];
    for (provider, revoked, reason) in cases {
        let host = with_revocation(provider.clone());
        let answered = revoke(&host);
        assert_eq!(seen(&answered), told(revoked, reason.as_deref()));
        assert!(!answered.text().contains("canary"));
        assert_eq!(host.live("shop").0, 409);
        assert!(!host.memory.state().contains("access_token"));
        // Deletion says it in the log.
        let host = with_revocation(provider);
        let deleted = host.send(&root(&host, "DELETE", ""));
        assert_eq!((deleted.status, deleted.text()), (204, String::new()));
        let expected = reason.map(|reason| format!("tokens are not revoked at the provider: {reason}"));
        let log: Value = serde_json::from_str(&deleted.log).unwrap();
        assert_eq!(log.get("cause").and_then(Value::as_str), expected.as_deref());
        assert_eq!((revocations(&host).len(), host.live("shop").0), (1, 404));
    }
}

/// Where there is no way to revoke, or not with these tokens, the grant ends here all the same.
#[test]
fn a_grant_that_cannot_be_revoked_ends_here() {
    let host = Host::new().with_authorized("shop");
    assert_eq!(seen(&revoke(&host)), told(None, Some("The definition has no revoke_request.")));
    assert_eq!((host.live("shop").0, host.requests()), (409, 1));

    let mut only_access = tokens(1);
    only_access.as_object_mut().unwrap().remove("refresh_token");
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &only_access)]);
    assert_eq!(host.define("shop", &revocable(CODE_FLOW, "refresh_token")).status, 200);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    let answered = revoke(&host).json();
    let reason = answered["reason"].as_str().unwrap();
    assert_eq!((&answered["revoked_at_provider"], reason.contains("['refresh_token']")), (&json!(false), true));
    assert_eq!((host.live("shop").0, host.requests()), (409, 1));
    assert_eq!(Host::new().as_root("POST", "/connection/nobody/revoke", &Value::Null).status, 404);
}

/// A connection that needs no person gets a new token at the next read.
#[test]
fn a_service_gets_a_new_token_after_a_revocation() {
    let host = Host::new();
    host.save("shop");
    assert_eq!(host.define("shop", &revocable(SERVICE, "access_token")).status, 200);
    assert_eq!(host.put_secrets("shop", &service_secrets("canary-client-secret")).status, 200);
    host.provider_answers([answer(200, &tokens(1)), answer(200, &Value::Null), answer(200, &tokens(2))]);
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    assert_eq!(seen(&revoke(&host)), told(Some(true), None));
    assert_eq!(revocations(&host), ["client_id=acme&token=canary-at-1"]);
    assert_eq!((host.live("shop"), host.requests()), ((200, "canary-at-2".to_owned()), 3));
}

/// Two at once: the provider is asked once, both hear what it said; a reader in between gets no token.
#[test]
fn parallel_revocations_ask_the_provider_once() {
    let host = with_revocation(answer(200, &Value::Null));
    let answers =
        host.send_all(&[root(&host, "POST", "/revoke"), root(&host, "POST", "/revoke"), host.reading("shop")]);
    assert_eq!((seen(&answers[0]), seen(&answers[1])), (told(Some(true), None), told(Some(true), None)));
    assert_eq!((live(&answers[2]).0, revocations(&host).len()), (409, 1));
    // Deleted meanwhile: the revocation is one, and both hear of it.
    for first in ["POST", "DELETE"] {
        let host = with_revocation(answer(200, &Value::Null));
        let request = |method| root(&host, method, if method == "POST" { "/revoke" } else { "" });
        let second = if first == "POST" { "DELETE" } else { "POST" };
        let answers = host.send_all(&[request(first), request(second), host.reading("shop"), request("DELETE")]);
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses[..2].sort_unstable();
        assert_eq!(statuses, [200, 204, 404, 204], "{first}");
        assert_eq!(revocations(&host).len(), 1);
        assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
        assert!(!host.memory.state().contains("access_token"));
    }
}

/// R6: a deletion may join a revocation at any moment, also while the directory hears of that one: what is said to be
/// deleted is gone.
#[test]
fn a_deletion_that_joins_a_revocation_late_deletes() {
    for late in 0..40 {
        let host = with_revocation(answer(200, &Value::Null));
        let requests = [root(&host, "POST", "/revoke"), root(&host, "DELETE", "")];
        let answers = host.send_staggered(&requests, late);
        assert_eq!(answers[1].status, 204, "{late}");
        assert_eq!((host.live("shop").0, host.memory.state().contains("secrets")), (404, false), "{late}");
        assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0, "{late}");
    }
}

/// R6: a renewal under way is waited for: its tokens replace what is stored, so they are the ones to be revoked.
#[test]
fn tokens_of_a_renewal_under_way_are_revoked_too() {
    for (method, tail) in [("POST", "/revoke"), ("DELETE", "")] {
        let host = with_revocation(answer(200, &Value::Null));
        host.memory.slow_down(renews);
        host.wait(3_600);
        let answers = host.send_all(&[host.reading("shop"), root(&host, method, tail)]);
        assert_eq!(live(&answers[0]), (200, "canary-at-2".to_owned()));
        assert!(answers[1].status < 300);
        host.run_behind();
        assert_eq!(revocations(&host), ["client_id=shop-client&token=canary-rt-2"], "{method}");
        assert!(matches!(host.live("shop").0, 404 | 409));
        assert!(!host.memory.state().contains("access_token"));
    }
}

/// R6: where nothing is revoked at the provider, a renewal under way is not waited for, and brings nothing.
#[test]
fn a_renewal_under_way_does_not_outlive_the_grant() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(3_600);
    let answers = host.send_all(&[host.reading("shop"), root(&host, "POST", "/revoke")]);
    assert_eq!((answers[0].status, answers[1].status), (409, 200));
    host.run_behind();
    assert!(!host.memory.state().contains("access_token"));
    host.memory.restart();
    assert_eq!(host.live("shop").0, 409);
}

/// An authorization that was begun before dies with the grant; its code is exchanged for nothing.
#[test]
fn an_authorization_begun_before_dies_too() {
    let host = with_revocation(answer(200, &Value::Null));
    let state = host.state("shop");
    assert_eq!(revoke(&host).status, 200);
    assert_eq!(host.callback(&format!("state={state}&code=canary-code-2")).status, 404);
    // While its code is exchanged.
    let host = with_revocation(answer(200, &Value::Null));
    let back = callback(&format!("state={}&code=canary-code-2", host.state("shop")));
    let answers = host.send_all(&[back, root(&host, "POST", "/revoke")]);
    assert_eq!((answers[0].status, answers[1].status, host.live("shop").0), (404, 200, 409));
}

/// Tokens that came for a code when the grant was being ended are revoked too: nobody will have them. What another
/// authorization has stored meanwhile is left alone, which a provider may take for the same grant.
#[test]
fn tokens_that_come_too_late_are_given_back() {
    for (method, tail) in [("POST", "/revoke"), ("DELETE", "")] {
        let host = with_revocation(answer(200, &Value::Null));
        let back = callback(&format!("state={}&code=canary-code-2", host.state("shop")));
        let answers = host.send_all(&[back, root(&host, method, tail)]);
        assert_eq!((answers[0].status, answers[1].status < 300), (404, true), "{method}");
        let revoked = ["canary-rt-1", "canary-rt-2"].map(|token| format!("client_id=shop-client&token={token}"));
        assert_eq!(revocations(&host), revoked, "{method}");
    }
    let host = with_revocation(answer(200, &Value::Null));
    host.memory.slow_down(|sent| parameter(sent, "code") == "canary-code-2");
    let slow = callback(&format!("state={}&code=canary-code-2", host.state("shop")));
    let begin = root(&host, "GET", "/authorize");
    let send = async |request| {
        let handled = host.handled(&request).await;
        Answered::new(&host, &request, handled)
    };
    let overtaking = async {
        let url = url::Url::parse(send(begin).await.json().as_str().unwrap()).unwrap();
        send(callback(&format!("state={}&code=canary-code-3", query(&url, "state")))).await
    };
    let (late, early) = host.pool.borrow_mut().run_until(join(send(slow), overtaking));
    assert_eq!((late.status, early.status, revocations(&host).len(), host.live("shop").0), (404, 200, 0, 200));
}

/// An authorization that begins while the provider still revokes the former grant goes on.
#[test]
fn an_authorization_begun_during_a_revocation_goes_on() {
    let host = with_revocation(answer(200, &Value::Null));
    let answers = host.send_all(&[root(&host, "POST", "/revoke"), root(&host, "GET", "/authorize")]);
    assert_eq!((answers[0].status, host.live("shop").0), (200, 409));
    let state = query(&url::Url::parse(answers[1].json().as_str().unwrap()).unwrap(), "state");
    assert_eq!(host.callback(&format!("state={state}&code=canary-code-2")).status, 200);
    assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
}

/// New secrets in between end the grant themselves; what they stored is not touched.
#[test]
fn secrets_that_come_during_a_revocation_stay() {
    let host = with_revocation(answer(200, &Value::Null));
    let secrets = json!({ "client_id": "new", "client_secret": "canary-new", "redirect_uri": "https://a.example/cb" });
    let put = authorized("PUT", "/api/v1/connection/shop/secret?verify=false", &host.root(), &secrets);
    let answers = host.send_all(&[root(&host, "POST", "/revoke"), put]);
    assert_eq!((seen(&answers[0]), answers[1].status), (told(Some(true), None), 200));
    assert_eq!(host.view("shop")["secrets"]["client_id"], "new");
}

/// R6: storage that breaks while the provider is asked: an error, and the same command again finishes the work.
#[test]
fn a_revocation_that_cannot_be_stored_can_be_repeated() {
    for (method, tail, done, after) in [("POST", "/revoke", 200, 409), ("DELETE", "", 204, 404)] {
        let host = with_revocation(answer(200, &Value::Null));
        host.memory.faults().break_records_after(0);
        assert_eq!(host.send(&root(&host, method, tail)).status, 503);
        host.memory.faults().mend_records();
        host.memory.restart();
        assert_eq!(host.send(&root(&host, method, tail)).status, done);
        assert_eq!((revocations(&host).len(), host.live("shop").0), (2, after));
        assert!(!host.memory.state().contains("access_token"));
    }
}

/// A directory that is broken: the grant is gone, and a deletion can be repeated until the list knows.
#[test]
fn a_deletion_is_finished_when_the_directory_is_back() {
    let host = with_revocation(answer(200, &Value::Null));
    host.memory.faults().break_directory(true);
    assert_eq!(host.send(&root(&host, "DELETE", "")).status, 503);
    assert!(!host.memory.state().contains("access_token"));
    host.memory.faults().break_directory(false);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 1);
    assert_eq!(host.send(&root(&host, "DELETE", "")).status, 204);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    assert_eq!((revocations(&host).len(), host.send(&root(&host, "DELETE", "")).status), (1, 404));
}

/// The sweep begins no renewal of a grant that is being ended.
#[test]
fn the_sweep_leaves_a_grant_alone_that_is_being_ended() {
    let host = with_revocation(answer(200, &Value::Null));
    host.wait(DUE);
    let sweep = authorized("POST", "/api/v1/sweep", &host.root(), &Value::Null);
    let answers = host.send_all(&[root(&host, "POST", "/revoke"), sweep]);
    assert_eq!((answers[0].status, answers[1].json()["renewed"] == 0), (200, true), "{:?}", answers[1]);
    assert!(!host.memory.sent().iter().any(renews));
}

/// A connect link that waits to be used ends with the grant, as an authorization that was begun does.
#[test]
fn a_connect_link_ends_with_the_grant() {
    let host = with_revocation(answer(200, &Value::Null));
    let made = host.as_root("POST", "/connection/shop/connect_link", &Value::Null).json();
    let path = made["url"].as_str().unwrap().strip_prefix("https://postern.example").unwrap().to_owned();
    let open = || host.send(&http::Request::get(&path).body(Body::Complete(Vec::new())).unwrap()).status;
    assert_eq!((open(), revoke(&host).status, open()), (200, 200, 404));
}
