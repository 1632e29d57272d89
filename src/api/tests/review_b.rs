//! Events, the sweep and the webhook when much goes wrong at once.

use super::{
    Host,
    events::{events, kinds},
    stage::CODE_FLOW,
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
