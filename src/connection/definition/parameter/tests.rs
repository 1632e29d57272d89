//! Secrets against parameters.

use serde_json::json;

use super::*;

fn parameters(document: &Value) -> Vec<Parameter> {
    let mut issues = Issues::default();
    let parameters = read(&Node::root(document), &mut issues);
    issues.unless_any(Some(parameters)).unwrap()
}

fn check(document: &Value, secrets: &Value) -> Result<Value, Vec<Issue>> {
    let parameters = parameters(document);
    check_secrets("shop_schema", &parameters, &[], secrets.as_object().unwrap()).map(Value::Object)
}

fn message(document: &Value, secrets: &Value) -> (String, String) {
    let issue = check(document, secrets).unwrap_err().remove(0);
    (issue.kind.into_owned(), issue.msg)
}

#[test]
fn defaults_are_filled_in_and_unknown_members_kept() {
    let document = json!([
        {"name": "domain", "default_value": "api.example"}, {"name": "size", "default_value": 50},
        {"name": "client_id"}, {"name": "kinds", "options": ["a", "b"], "multiselect": true, "default_value": ["a"]},
    ]);
    assert_eq!(
        check(&document, &json!({"client_id": "c", "extra": {"k": 1}, "size": null})).unwrap(),
        json!({"client_id": "c", "extra": {"k": 1}, "domain": "api.example", "size": "50", "kinds": ["a"]})
    );
    assert_eq!(
        check(&document, &json!({"client_id": "c", "domain": "", "kinds": ["b"], "size": "9"})).unwrap(),
        json!({"client_id": "c", "domain": "", "kinds": ["b"], "size": "9"})
    );
}

/// One message with all required names.
#[test]
fn missing_secrets_are_answered_with_all_required_names() {
    let document = json!([{"name": "b"}, {"name": "d", "default_value": "x"}, {"name": "a", "default_value": ""}]);
    for secrets in [json!({}), json!({"b": "x"}), json!({"b": "", "a": "x"}), json!({"a": "x", "b": null})] {
        let issue = check(&document, &secrets).unwrap_err().remove(0);
        assert_eq!(issue.msg, "Value error, shop_schema must be supplied all of: [b, a].");
        assert!(issue.loc.is_empty());
    }
}

#[test]
fn a_reference_is_required_and_an_object() {
    let references = ["link".to_owned()];
    let given = json!({"link": "x"});
    let found = check_secrets("s", &[], &references, given.as_object().unwrap()).unwrap_err();
    assert_eq!(found[0].kind, "model_attributes_type");
    let given = json!({"link": {"dataset": "d", "field": "f", "direction": "from"}});
    assert!(check_secrets("s", &[], &references, given.as_object().unwrap()).is_ok());
    assert!(check_secrets("s", &[], &references, &Map::new()).is_err());
}

/// P14: a number is not text.
#[test]
fn values_have_the_right_type_and_are_among_the_options() {
    let document = json!([
        {"name": "a"}, {"name": "o", "options": ["x", "y"], "default_value": "x"},
        {"name": "m", "options": ["x", "y"], "multiselect": true, "default_value": "x"},
    ]);
    for (secrets, kind, text) in [
        (json!({"a": 5}), "string_type", "Input should be a valid string"),
        (json!({"a": ["x"]}), "string_type", "Input should be a valid string"),
        (json!({"a": "1", "o": "hunter2"}), "value_error", "Value error, 'o' must be one of [x, y]"),
        (json!({"a": "1", "o": ["x"]}), "string_type", "Input should be a valid string"),
        (json!({"a": "1", "m": ["x", "z"]}), "value_error", "Value error, 'm' must be a list of values from [x, y]"),
        (json!({"a": "1", "m": ["x", 1]}), "string_type", "Input should be a valid string"),
    ] {
        assert_eq!(message(&document, &secrets), (kind.to_owned(), text.to_owned()));
    }
    assert!(check(&document, &json!({"a": "1", "o": "y", "m": ["x", "y"]})).is_ok());
    assert!(check(&document, &json!({"a": "1", "m": "y"})).is_ok());
}

/// A caller cannot inject a token.
#[test]
fn values_of_ours_are_dropped_unless_declared() {
    let secrets = json!({"access_token": "x", "refresh_token": "x", "code": "x", "state": "x", "k": "v"});
    assert_eq!(check(&json!([]), &secrets).unwrap(), json!({"k": "v"}));
    let declared = json!([{"name": "access_token"}]);
    assert_eq!(check(&declared, &secrets).unwrap(), json!({"access_token": "x", "k": "v"}));
}

/// S11, S12: patterns are compared as a whole.
#[test]
fn restricted_hosts_match_a_pattern() {
    for (pattern, host, fits) in [
        ("api.example.com", "api.example.com", true),
        ("api.example.com", " API.Example.com ", true),
        ("api.example.com", "xapi.example.com", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "a.b.example.com", true),
        ("*.example.com", "example.com", false),
        ("*.example.com", ".example.com", false),
        ("*.example.com", "evilexample.com", false),
        ("*.example.com", "a.example.com.evil.com", false),
        ("*.example.com", "a.example.com/", false),
        ("*.example.com", "evil.com/a.example.com", false),
        ("*.example.com", "evil.com#a.example.com", false),
        ("*.example.com", "https://a.example.com", false),
        ("*.example.com", "a.example.com:443", false),
        ("*.example.com", "..example.com", false),
        ("api.*.example.com", "api.eu.example.com", true),
        ("api.*.example.com", "api.example.com", false),
        ("api-*.example.com", "api-1.example.com", true),
        ("*", "anything.example", true),
        ("", "", false),
    ] {
        assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
    }
    let document = json!([{"name": "site", "type": "endpoint", "allowed_values": ["*.a.example", "b.example"]}]);
    assert!(check(&document, &json!({"site": "b.example"})).is_ok());
    assert_eq!(
        message(&document, &json!({"site": "evil.example"})).1,
        "Value error, 'site' must match one of [*.a.example, b.example]"
    );
    let any = json!([{"name": "site", "type": "endpoint", "allowed_values": []}]);
    assert!(check(&any, &json!({"site": "any.example"})).is_ok());
    let not_a_host = json!([{"name": "site", "allowed_values": ["b.example"]}]);
    assert!(check(&not_a_host, &json!({"site": "x"})).is_ok());
}

/// What is filled in must be as good as what is given.
#[test]
fn the_default_of_a_restricted_host_matches_its_allowed_values() {
    let wrong = |default: Value| {
        let restricted = json!({"name": "site", "type": "endpoint", "allowed_values": ["*.a.example", "b.example"]});
        let mut document = json!([restricted]);
        document[0]["default_value"] = default;
        let mut issues = Issues::default();
        let parameters = read(&Node::root(&document), &mut issues);
        issues.unless_any(Some(parameters)).err().unwrap_or_default()
    };
    for default in [json!("x.a.example"), json!("B.example"), json!(""), Value::Null] {
        assert_eq!(wrong(default.clone()), [], "{default}");
    }
    for default in [json!("evil.example"), json!("a.example"), json!("x.a.example:443"), json!(7)] {
        let issues = wrong(default.clone());
        assert_eq!(issues.len(), 1, "{default}");
        assert_eq!(
            issues[0].msg,
            "Value error, The default_value for the site connector_param must match one of its allowed_values [*.a.example, b.example]"
        );
    }
}
