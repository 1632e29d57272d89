//! Members of a token answer that a definition asks to be kept.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{CODE_FLOW, ProviderAnswer, answer, query, tokens},
};

/// A code flow whose provider tells a tenant's id, which the test and the refresh need.
fn definition() -> String {
    let keep = "        keep: [tenant, plan]\n        authorization_request:";
    let definition = CODE_FLOW.replacen("        authorization_request:", keep, 1);
    let refresh = "            - name: grant_type\n              value: refresh_token";
    assert!(definition.contains(refresh), "{definition}");
    definition.replacen(refresh, &format!("            - name: tenant\n              value: <tenant>\n{refresh}"), 1)
}

/// Tokens with these members beside.
fn with_members(number: u32, members: &Value) -> ProviderAnswer {
    let mut answered = tokens(number);
    answered.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    answer(200, &answered)
}

/// The answer of a token read.
fn shown(host: &Host) -> Value {
    let read = host.read("shop");
    assert_eq!(read.status, 200, "{read:?}");
    read.json()
}

/// RFC 6749 §5.1: what was asked for is shown with the token, used in requests, kept over a refresh that does not
/// repeat it, and stored sealed; nothing else is.
#[test]
fn what_a_definition_asks_for_is_kept() {
    let host = Host::new().with_code_flow("shop");
    let defined = host.define("shop", &definition());
    assert_eq!(defined.status, 200, "{defined:?}");
    host.provider_answers([
        with_members(1, &json!({ "tenant": "canary-tenant", "plan": 7, "scope": "a b", "more": "canary-more" })),
        with_members(2, &json!({ "plan": 8 })),
    ]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    let expected = json!({ "access_token": "canary-at-1", "token_type": "Bearer", "expires_in": 3600,
        "expires_at": 1_700_003_600, "scope": "a b", "tenant": "canary-tenant", "plan": 7,
        "refresh_state": "good" });
    assert_eq!(shown(&host), expected);
    let dump = host.memory.dump();
    assert!(!dump.contains("canary-tenant") && !dump.contains("canary-more"), "{dump}");
    host.memory.restart();
    host.wait(3600);
    let renewed = shown(&host);
    assert_eq!((&renewed["access_token"], &renewed["tenant"]), (&json!("canary-at-2"), &json!("canary-tenant")));
    assert_eq!((&renewed["plan"], renewed.get("more")), (&json!(8), None));
    let sent = host.memory.sent();
    assert_eq!(query(&sent.last().unwrap().url, "tenant"), "canary-tenant");
}

/// A new authorization begins anew: what the last one kept may be another account's.
#[test]
fn a_new_authorization_keeps_nothing_of_the_last() {
    let host = Host::new().with_code_flow("shop");
    assert_eq!(host.define("shop", &definition()).status, 200);
    host.provider_answers([with_members(1, &json!({ "tenant": "one" })), with_members(2, &json!({}))]);
    for (code, tenant) in [("canary-code-1", Some(&json!("one"))), ("canary-code-2", None)] {
        assert_eq!(host.authorize("shop", code).status, 200);
        assert_eq!(shown(&host).get("tenant"), tenant);
    }
}

/// What is no longer asked for goes with the next answer.
#[test]
fn what_is_no_longer_asked_for_goes() {
    let host = Host::new().with_code_flow("shop");
    assert_eq!(host.define("shop", &definition()).status, 200);
    host.provider_answers([with_members(1, &json!({ "tenant": "one", "plan": "p" })), with_members(2, &json!({}))]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    let less = definition().replace("keep: [tenant, plan]", "keep: [tenant]");
    assert_eq!(host.define("shop", &less).status, 200);
    host.wait(3600);
    let renewed = shown(&host);
    assert_eq!((&renewed["tenant"], renewed.get("plan")), (&json!("one"), None));
}

/// P6: names that mean something already are refused when the definition is saved, and so are too many.
#[test]
fn names_that_cannot_be_kept_are_refused() {
    let host = Host::new().with_code_flow("shop");
    let many = (0..17).map(|number| format!("n{number}")).collect::<Vec<_>>().join(", ");
    for bad in ["access_token", "expires_at", "client_secret", "domain", "\"a b\"", "\"\"", &many] {
        let definition = CODE_FLOW.replacen(
            "        authorization_request:",
            &format!("        keep: [{bad}]\n        authorization_request:"),
            1,
        );
        let refused = host.define("shop", &definition);
        assert_eq!(refused.status, 422, "{bad}");
        let loc = json!(["body", "saas_config", "client_config", "authentication", "configuration", "keep"]);
        assert_eq!(refused.json()["detail"][0]["loc"], loc, "{bad}");
    }
}
