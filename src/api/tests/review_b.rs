//! Events, the sweep and the webhook when much goes wrong at once.

use serde_json::Value;

use super::{
    Host,
    events::{events, kinds},
    stage::{CODE_FLOW, answer, refusal, tokens},
};

/// The code flow without its refresh request.
fn without_refresh() -> String {
    let start = CODE_FLOW.find("        refresh_request:").unwrap();
    let end = CODE_FLOW.find("  test_request:").unwrap();
    format!("{}\n{}", &CODE_FLOW[..start], &CODE_FLOW[end..])
}

/// A connection that the operator mends has recovered: no person has authorized it.
#[test]
fn a_connection_that_its_definition_mends_was_not_authorized_by_a_person() {
    let host = Host::new().with_authorized("shop");
    assert_eq!(host.define("shop", &without_refresh()).status, 200);
    host.wait(3_600);
    let _ = host.sweep();
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    assert_eq!(kinds(&events(&host, "shop")), ["authorized", "needs_authorization", "recovered"]);
}

/// Client credentials need no person, ever: where their refresh token is refused, or an answer to it is lost, they
/// get a token by themselves.
#[test]
fn a_service_whose_refresh_token_dies_gets_a_token_by_itself() {
    for fault in [refusal(400, "invalid_grant"), answer(504, &Value::Null)] {
        let host = Host::new().with_service("shop");
        host.provider_answers([answer(200, &tokens(1)), fault, answer(200, &tokens(2))]);
        assert_eq!(host.live("shop").0, 200);
        host.wait(3_600);
        assert!(host.live("shop").0 >= 502);
        assert_eq!(host.view("shop")["refresh"]["state"], "failing");
        host.wait(60);
        assert_eq!(host.live("shop"), (200, "canary-at-2".to_owned()));
    }
}
