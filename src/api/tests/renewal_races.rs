//! What happens to a connection while its provider is being asked: requests that come in between.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{CODE_FLOW, DUE, answer, callback, live, parameter, query, refusal, service_secrets, tokens},
};
use crate::{api::Body, ports::ProviderRequest};

/// The n-th access token, as a read that found it.
fn found(number: u32) -> (u16, String) {
    (200, format!("canary-at-{number}"))
}

/// An authorized connection whose token has expired, with a provider that gives the second pair of tokens, then more.
fn expired() -> Host {
    let host = Host::new().with_authorized("shop");
    host.provider_answers((2..9).map(|number| answer(200, &tokens(number))));
    host.wait(3_600);
    host
}

/// A request of root for `shop`.
fn root(host: &Host, method: &str, tail: &str, body: &Value) -> http::Request<Body> {
    authorized(method, &format!("/api/v1/connection/shop{tail}"), &host.root(), body)
}

/// A deletion in between: the reader gets no token, and nothing comes back to life.
#[test]
fn a_connection_deleted_during_a_renewal_stays_deleted() {
    let host = expired();
    let answers = host.send_all(&[host.reading("shop"), root(&host, "DELETE", "", &Value::Null), host.reading("shop")]);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [404, 204, 404]);
    host.run_behind();
    assert_eq!(host.requests(), 2);
    assert_eq!(host.as_root("GET", "/connection/shop", &Value::Null).status, 404);
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    assert!(!host.memory.state().contains("access_token"));
    host.memory.restart();
    assert_eq!(host.live("shop").0, 404);
}

/// Deleted, or given other secrets, while the circuit breakers are asked: the provider is not asked any more.
#[test]
fn what_changes_while_the_breakers_are_asked_ends_the_renewal() {
    for (method, tail, body, status) in [
        ("DELETE", "", Value::Null, 404),
        ("PUT", "/secret?verify=false", json!({ "client_id": "new", "client_secret": "canary-new" }), 409),
    ] {
        let host = expired();
        host.memory.slow_breakers();
        let answers = host.send_all(&[host.reading("shop"), root(&host, method, tail, &body)]);
        assert_eq!((answers[0].status, answers[1].status < 300), (status, true), "{method}");
        host.run_behind();
        assert_eq!((host.requests(), host.live("shop").0), (1, status), "{method}");
    }
}

/// The same for a renewal that nobody waits for.
#[test]
fn a_connection_deleted_during_a_renewal_behind_stays_deleted() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([answer(200, &tokens(2))]);
    host.wait(DUE);
    assert_eq!(host.live("shop"), found(1));
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    host.run_behind();
    assert!(!host.memory.state().contains("access_token"));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
}

/// Deleted and made again under the same name: the tokens of the former do not become the latter's.
#[test]
fn a_connection_made_anew_during_a_renewal_gets_no_old_token() {
    let host = expired();
    let item = json!([{ "key": "shop", "connection_type": "saas", "access": "read" }]);
    let again = authorized("PATCH", "/api/v1/connection", &host.root(), &item);
    let answers = host.send_all(&[host.reading("shop"), root(&host, "DELETE", "", &Value::Null), again]);
    assert_eq!((answers[1].status, answers[2].status), (204, 200));
    assert_ne!(answers[0].status, 200);
    host.run_behind();
    assert!(!host.memory.state().contains("access_token"));
    assert_eq!(host.view("shop")["authorized"], false);
}

/// Secrets replaced in between: the answer that belongs to the old ones is dropped.
#[test]
fn an_answer_for_replaced_secrets_is_not_stored() {
    let host = expired();
    let secrets =
        json!({ "client_id": "new", "client_secret": "canary-new", "redirect_uri": "https://postern.example/cb" });
    let answers = host.send_all(&[host.reading("shop"), root(&host, "PUT", "/secret", &secrets)]);
    assert_eq!((answers[0].status, answers[1].status), (409, 200));
    host.run_behind();
    assert_eq!((host.live("shop").0, host.requests()), (409, 2));
    assert_eq!(host.view("shop")["authorized"], false);
}

/// The same for client credentials; with the new secrets a new token is got.
#[test]
fn replaced_secrets_of_a_service_get_a_new_token() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2))]);
    let put = root(&host, "PUT", "/secret?verify=false", &service_secrets("canary-new"));
    let answers = host.send_all(&[host.reading("shop"), put]);
    assert_ne!(live(&answers[0]), found(1));
    assert_eq!(answers[1].status, 200);
    host.run_behind();
    assert_eq!(host.live("shop"), found(2));
    assert!(host.memory.sent()[1].body.as_ref().unwrap().expose().contains("canary-new"));
}

/// Who asks after the secrets were replaced must not share a renewal with the old ones; nor does a service ever need a
/// person.
#[test]
fn a_reader_after_the_replacement_does_not_share_the_stale_renewal() {
    let host = Host::new().with_service("shop");
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2))]);
    let put = root(&host, "PUT", "/secret?verify=false", &service_secrets("canary-new"));
    let answers = host.send_all(&[host.reading("shop"), put, host.reading("shop")]);
    assert_ne!(answers[0].status, 409, "a service needs no person");
    assert_eq!(live(&answers[2]), found(2));
}

/// A new definition in between takes no credential away: a provider that replaces its refresh tokens has just replaced
/// this one.
#[test]
fn a_definition_saved_during_a_renewal_loses_no_refresh_token() {
    let host = expired();
    let patch =
        root(&host, "PATCH", "/saas_config", &host.as_root("GET", "/connection/shop/saas_config", &Value::Null).json());
    let answers = host.send_all(&[host.reading("shop"), patch]);
    assert_eq!(answers[1].status, 200);
    host.run_behind();
    host.wait(3_600);
    assert_eq!(host.live("shop").0, 200);
    assert_eq!(parameter(host.memory.sent().last().unwrap(), "refresh_token"), "canary-rt-2");
    assert_eq!(live(&answers[0]), found(2));
}

/// Whether a request asks for new tokens by a refresh token.
fn renews(sent: &ProviderRequest) -> bool {
    parameter(sent, "grant_type") == "refresh_token"
}

/// An expired connection and a return of a person who authorizes it: renewals give the second tokens, codes the
/// seventh.
fn expired_with_return() -> (Host, http::Request<Body>) {
    let host = expired();
    host.memory.provider(|sent| answer(200, &tokens(if renews(sent) { 2 } else { 7 })));
    let back = callback(&format!("state={}&code=canary-code-7", host.state("shop")));
    (host, back)
}

/// A person authorizes in between: the new tokens stay, whichever answer comes first.
#[test]
fn tokens_of_a_new_authorization_are_not_overwritten_by_a_renewal() {
    let slow: [fn(&ProviderRequest) -> bool; 2] = [renews, |sent| !renews(sent)];
    for (index, is_slow) in slow.into_iter().enumerate() {
        let (host, back) = expired_with_return();
        host.memory.slow_down(is_slow);
        let answers = host.send_all(&[host.reading("shop"), back]);
        assert_eq!((live(&answers[0]), answers[1].status), (found([7, 2][index]), 200));
        host.run_behind();
        assert_eq!((host.live("shop"), host.requests()), (found(7), 3));
        host.memory.restart();
        host.wait(3_600);
        let _ = host.live("shop");
        assert_eq!(parameter(host.memory.sent().last().unwrap(), "refresh_token"), "canary-rt-7");
    }
}

/// A refusal of the former refresh token, which a new authorization has overtaken, does not make the connection need
/// one.
#[test]
fn a_late_refusal_does_not_end_a_new_authorization() {
    let (host, back) = expired_with_return();
    host.memory.provider(|sent| if renews(sent) { refusal(400, "invalid_grant") } else { answer(200, &tokens(7)) });
    host.memory.slow_down(renews);
    let answers = host.send_all(&[host.reading("shop"), back]);
    assert_eq!((live(&answers[0]), answers[1].status), (found(7), 200));
    host.run_behind();
    assert_eq!((host.live("shop"), &host.view("shop")["authorized"]), (found(7), &json!(true)));
}

/// Deleted, or given other secrets, while a code is exchanged: its tokens belong to nobody.
#[test]
fn an_authorization_dies_with_what_it_was_for() {
    let secrets =
        json!({ "client_id": "new", "client_secret": "canary-new", "redirect_uri": "https://postern.example/cb" });
    for (method, tail, body) in [("DELETE", "", Value::Null), ("PUT", "/secret", secrets)] {
        let host = Host::new().with_code_flow("shop");
        host.provider_answers([answer(200, &tokens(1))]);
        let back = callback(&format!("state={}&code=canary-code-1", host.state("shop")));
        let answers = host.send_all(&[back, root(&host, method, tail, &body)]);
        assert_eq!((answers[0].status, host.requests()), (404, 1), "{method}");
        assert!(answers[1].status < 300);
        assert!(!host.memory.state().contains("access_token"));
        assert_ne!(host.live("shop").0, 200);
    }
}

/// A second beginning while the code of the first is exchanged: both go on.
#[test]
fn a_beginning_during_an_exchange_is_kept() {
    let host = Host::new().with_code_flow("shop");
    host.provider_answers([answer(200, &tokens(1)), answer(200, &tokens(2))]);
    let back = callback(&format!("state={}&code=canary-code-1", host.state("shop")));
    let answers = host.send_all(&[back, root(&host, "GET", "/authorize", &Value::Null)]);
    assert_eq!((answers[0].status, answers[1].status), (200, 200));
    let url = url::Url::parse(answers[1].json().as_str().unwrap()).unwrap();
    assert_eq!(host.live("shop"), found(1));
    assert_eq!(host.callback(&format!("state={}&code=canary-code-2", query(&url, "state"))).status, 200);
    assert_eq!(host.live("shop"), found(2));
}

/// A save, a look and a list in between are answered at once and disturb nothing.
#[test]
fn other_requests_do_not_wait_for_the_provider() {
    let host = expired();
    let item = json!([{ "key": "shop", "name": "New", "connection_type": "saas", "access": "write" }]);
    let save = authorized("PATCH", "/api/v1/connection", &host.root(), &item);
    let answers = host.send_all(&[host.reading("shop"), save, root(&host, "GET", "", &Value::Null)]);
    assert_eq!(live(&answers[0]), found(2));
    assert_eq!(answers[2].json()["name"], "New");
    host.run_behind();
    let view = host.view("shop");
    assert_eq!((&view["name"], &view["authorized"]), (&json!("New"), &json!(true)));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["items"], json!([listed(&view)]));
}

/// A connection as the list shows it: without secrets.
fn listed(view: &Value) -> Value {
    let mut view = view.clone();
    view["secrets"] = Value::Null;
    view
}

/// A deletion that overtakes what a save tells the directory: the row does not outlive the connection.
#[test]
fn a_deletion_that_overtakes_a_save_leaves_no_row() {
    let host = Host::new().with_authorized("shop");
    let item = json!([{ "key": "shop", "connection_type": "saas", "access": "write" }]);
    let save = authorized("PATCH", "/api/v1/connection", &host.root(), &item);
    let answers = host.send_all(&[save, root(&host, "DELETE", "", &Value::Null)]);
    assert_eq!((answers[0].status, answers[1].status), (200, 204));
    assert_eq!(host.as_root("GET", "/connection", &Value::Null).json()["total"], 0);
    assert_eq!(host.as_root("GET", "/connection/shop", &Value::Null).status, 404);
}

/// Two saves at the same time, the second of which overtakes the first on its way to the directory: the list shows what
/// was stored last.
#[test]
fn the_list_shows_the_last_of_two_saves() {
    let host = Host::new();
    let save = |name: &str| {
        let item = json!([{ "key": "shop", "name": name, "connection_type": "saas", "access": "read" }]);
        authorized("PATCH", "/api/v1/connection", &host.root(), &item)
    };
    assert!(host.send_all(&[save("a"), save("b")]).iter().all(|answer| answer.status == 200));
    let list = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(list["items"], json!([host.view("shop")]));
    assert_eq!(list["items"][0]["name"], "b");
}

/// A definition that lost its refresh request: the token is served to its end, then a person is needed; or the
/// definition as it was, since no refresh token is lost.
#[test]
fn a_definition_without_refresh_ends_renewals_but_not_the_token() {
    let host = Host::new().with_authorized("shop");
    let start = CODE_FLOW.find("        refresh_request:").unwrap();
    let end = CODE_FLOW.find("  test_request:").unwrap();
    assert_eq!(host.define("shop", &format!("{}\n{}", &CODE_FLOW[..start], &CODE_FLOW[end..])).status, 200);
    host.wait(3_599);
    assert_eq!(host.live("shop"), found(1));
    host.run_behind();
    host.wait(1);
    assert_eq!((host.live("shop").0, host.requests()), (409, 1));
    assert_eq!(host.sweep()["needs_authorization"], 1);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    assert_eq!((host.live("shop"), host.requests()), (found(2), 2));
}

/// A client that the provider refused is tried again at once when the definition was mended, and not sooner.
#[test]
fn a_mended_definition_is_tried_at_once() {
    let host = expired();
    host.provider_answers([refusal(401, "invalid_client"), answer(200, &tokens(2))]);
    assert_eq!(host.live("shop").0, 502);
    host.wait(1_000);
    assert_eq!((host.live("shop").0, host.requests()), (502, 2));
    let mended = CODE_FLOW.replacen("      configuration:\n", "      configuration:\n        refresh_lead: 600\n", 1);
    assert_eq!(host.define("shop", &mended).status, 200);
    assert_eq!((host.live("shop"), host.requests()), (found(2), 3));
}
