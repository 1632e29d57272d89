//! What a definition says about the provider's faults and the lead of its tokens.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{CODE_FLOW, answer, refusal},
};

/// The code flow with these lines in its configuration.
fn definition(lines: &str) -> String {
    let place = "        authorization_request:";
    CODE_FLOW.replacen(place, &format!("        {lines}\n{place}"), 1)
}

/// What is given is shown, a status in quotes, since YAML would take it for a number.
#[test]
fn rules_for_answers_are_shown_as_given() {
    let host = Host::new().with_code_flow("shop");
    let lines = "refresh_lead: 0\n        faults: {gone_away: connection, '410': integration, '503': provider}";
    let defined = host.define("shop", &definition(lines));
    assert_eq!(defined.status, 200, "{defined:?}");
    let shown = host.as_root("GET", "/connection/shop/saas_config", &Value::Null).json();
    let configuration = &shown["client_config"]["authentication"]["configuration"];
    assert_eq!(configuration["refresh_lead"], 0);
    let faults = json!({ "gone_away": "connection", "410": "integration", "503": "provider" });
    assert_eq!(configuration["faults"], faults);
}

/// P6: what makes no sense is refused when the definition is saved, with its place.
#[test]
fn rules_that_make_no_sense_are_refused() {
    let host = Host::new().with_code_flow("shop");
    let before = host.memory.state();
    let place = |tail: &[&str]| {
        let head = ["body", "saas_config", "client_config", "authentication", "configuration"];
        serde_json::to_string(&[&head, tail].concat()).unwrap()
    };
    for (lines, kind, tail) in [
        ("refresh_lead: 86401", "less_than_equal", &["refresh_lead"][..]),
        ("faults: {invalid_grant: me}", "enum", &["faults", "invalid_grant"]),
        ("faults: {'a b': provider}", "value_error", &["faults", "a b"]),
        ("faults: {'204': provider}", "value_error", &["faults", "204"]),
    ] {
        let refused = host.define("shop", &definition(lines));
        assert_eq!(refused.issues(), (422, vec![(kind.to_owned(), place(tail))]), "{lines}");
    }
    assert_eq!(host.memory.state(), before);
}

/// L5: a code that the definition names is told; one that nobody knows is not.
#[test]
fn a_code_that_the_definition_names_is_told() {
    for (code, told) in [("Gone_Away", "gone_away"), ("canary-rt-1", "no error code")] {
        let host = Host::new().with_authorized("shop");
        assert_eq!(host.define("shop", &definition("faults: {gone_away: integration}")).status, 200);
        host.provider_answers([refusal(500, code), answer(500, &json!({}))]);
        host.wait(3_600);
        let detail = match told {
            "no error code" => "The provider of shop failed.".to_owned(),
            told => format!("The provider of shop refused to give a token ({told})."),
        };
        assert_eq!(host.live("shop"), (502, detail));
        assert!(!host.memory.dump().contains(code));
    }
}
