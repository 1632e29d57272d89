//! A document with every default spelled out, as Fides shows it.
//!
//! Decides: which members a reader finds although nobody wrote them. Leaves to others: what they mean. What is stored
//! stays as it was given; what is shown can be given back.

use serde_json::{Map, Value};

/// What stands for a member that is not there.
#[derive(Clone, Copy)]
enum Absent {
    /// Null.
    Null,
    /// False.
    False,
    /// True.
    True,
    /// An empty list.
    Empty,
}

/// Members and what they are when they are not there.
type Defaults = [(&'static str, Absent)];

/// The document.
const DOCUMENT: &Defaults = &[
    ("external_references", Absent::Null),
    ("data_protection_request", Absent::Null),
    ("consent_requests", Absent::Null),
    ("rate_limit_config", Absent::Null),
    ("user_guide", Absent::Null),
    ("display_info", Absent::Null),
];

/// One of `connector_params`.
const PARAMETER: &Defaults = &[
    ("label", Absent::Null),
    ("description", Absent::Null),
    ("options", Absent::Null),
    ("default_value", Absent::Null),
    ("multiselect", Absent::False),
    ("sensitive", Absent::False),
    ("type", Absent::Null),
    ("allowed_values", Absent::Null),
];

/// One of `external_references`.
const REFERENCE: &Defaults = &[("label", Absent::Null), ("description", Absent::Null)];

/// A request.
const REQUEST: &Defaults = &[
    ("request_override", Absent::Null),
    ("path", Absent::Null),
    ("method", Absent::Null),
    ("headers", Absent::Empty),
    ("query_params", Absent::Empty),
    ("body", Absent::Null),
    ("param_values", Absent::Empty),
    ("client_config", Absent::Null),
    ("data_path", Absent::Null),
    ("postprocessors", Absent::Null),
    ("pagination", Absent::Null),
    ("grouped_inputs", Absent::Empty),
    ("ignore_errors", Absent::False),
    ("rate_limit_config", Absent::Null),
    ("async_config", Absent::Null),
    ("skip_missing_param_values", Absent::False),
    ("correlation_id_path", Absent::Null),
];

/// One of a request's `param_values`.
const PARAM_VALUE: &Defaults = &[
    ("identity", Absent::Null),
    ("references", Absent::Null),
    ("connector_param", Absent::Null),
    ("unpack", Absent::False),
];

/// A `rate_limit_config`.
const RATE_LIMITS: &Defaults = &[("limits", Absent::Empty), ("enabled", Absent::True)];

/// One of its limits.
const RATE_LIMIT: &Defaults = &[("custom_key", Absent::Null)];

/// One of `endpoints`.
const ENDPOINT: &Defaults =
    &[("skip_processing", Absent::False), ("after", Absent::Empty), ("erase_after", Absent::Empty)];

/// The requests of an endpoint.
const ENDPOINT_REQUESTS: &Defaults = &[("read", Absent::Empty), ("update", Absent::Null), ("delete", Absent::Null)];

/// The requests about consent.
const CONSENT_REQUESTS: &Defaults = &[("opt_in", Absent::Empty), ("opt_out", Absent::Empty)];

/// The requests of a strategy.
const STRATEGY_REQUESTS: [&str; 4] = ["authorization_request", "token_request", "refresh_request", "revoke_request"];

/// The document as it is shown.
#[must_use]
pub fn shown(mut document: Value) -> Value {
    fill(&mut document, DOCUMENT);
    each(&mut document, "connector_params", &|parameter| fill(parameter, PARAMETER));
    each(&mut document, "external_references", &|reference| fill(reference, REFERENCE));
    each(&mut document, "client_config", &client);
    each(&mut document, "rate_limit_config", &rate_limits);
    for name in ["test_request", "data_protection_request"] {
        each(&mut document, name, &request);
    }
    each(&mut document, "endpoints", &|endpoint| {
        fill(endpoint, ENDPOINT);
        each(endpoint, "requests", &|requests| filled_requests(requests, ENDPOINT_REQUESTS));
    });
    each(&mut document, "consent_requests", &|requests| filled_requests(requests, CONSENT_REQUESTS));
    document
}

/// Fills in a request.
fn request(value: &mut Value) {
    fill(value, REQUEST);
    each(value, "param_values", &|parameter| fill(parameter, PARAM_VALUE));
    each(value, "client_config", &client);
    each(value, "rate_limit_config", &rate_limits);
}

/// Fills in a `client_config`, and the requests of its strategy.
fn client(value: &mut Value) {
    fill(value, &[("authentication", Absent::Null)]);
    each(value, "authentication", &|strategy| {
        fill(strategy, &[("configuration", Absent::Null)]);
        each(strategy, "configuration", &|configuration| {
            for name in STRATEGY_REQUESTS {
                each(configuration, name, &request);
            }
        });
    });
}

/// Fills in an object whose members are requests, or lists of them.
fn filled_requests(value: &mut Value, defaults: &Defaults) {
    fill(value, defaults);
    for (name, _) in defaults {
        each(value, name, &request);
    }
}

/// Fills in a `rate_limit_config`.
fn rate_limits(value: &mut Value) {
    fill(value, RATE_LIMITS);
    each(value, "limits", &|limit| fill(limit, RATE_LIMIT));
}

/// Does something to a member, or to each element of it where it is a list.
fn each(value: &mut Value, name: &str, change: &dyn Fn(&mut Value)) {
    match value.get_mut(name) {
        Some(Value::Array(elements)) => elements.iter_mut().for_each(change),
        Some(member) => change(member),
        None => {}
    }
}

/// Adds members that are not there; to an object only.
fn fill(value: &mut Value, defaults: &Defaults) {
    let Value::Object(members) = value else { return };
    for (name, absent) in defaults {
        add(members, name, *absent);
    }
}

/// Adds a member, unless it is there.
fn add(members: &mut Map<String, Value>, name: &str, absent: Absent) {
    if !members.contains_key(name) {
        let value = match absent {
            Absent::Null => Value::Null,
            Absent::False => Value::Bool(false),
            Absent::True => Value::Bool(true),
            Absent::Empty => Value::Array(Vec::new()),
        };
        members.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connection::{definition::Definition, yaml};

    /// The fixtures.
    const FIXTURES: [&str; 4] = [
        include_str!("../../../fixtures/connector/query_code_flow.yml"),
        include_str!("../../../fixtures/connector/local_code_flow.yml"),
        include_str!("../../../fixtures/connector/local_client_credentials.yml"),
        include_str!("../../../fixtures/connector/json_client_credentials.yml"),
    ];

    /// The defaults, at every depth.
    #[test]
    fn every_default_is_spelled_out() {
        let request = json!({
            "request_override": null, "path": "/p", "method": "GET", "headers": [], "query_params": [], "body": null,
            "param_values": [], "client_config": null, "data_path": null, "postprocessors": null, "pagination": null,
            "grouped_inputs": [], "ignore_errors": false, "rate_limit_config": null, "async_config": null,
            "skip_missing_param_values": false, "correlation_id_path": null,
        });
        let short = json!({ "path": "/p", "method": "GET" });
        let document = json!({
            "fides_key": "k", "connector_params": [{ "name": "a", "sensitive": true }],
            "external_references": [{ "name": "r" }],
            "client_config": { "authentication": { "strategy": "s", "configuration": {
                "token_request": short, "expires_in": 5 } } },
            "endpoints": [{ "name": "e", "requests": { "read": [short], "delete": short } }],
            "rate_limit_config": { "limits": [{ "rate": 1, "period": "day" }] },
            "test_request": { "path": "/p", "method": "GET", "param_values": [{ "name": "x" }], "client_config": {} },
        });
        let mut test = request.clone();
        test["param_values"] =
            json!([{ "name": "x", "identity": null, "references": null, "connector_param": null, "unpack": false }]);
        test["client_config"] = json!({ "authentication": null });
        let expected = json!({
            "fides_key": "k",
            "connector_params": [{ "name": "a", "sensitive": true, "label": null, "description": null, "options": null,
                "default_value": null, "multiselect": false, "type": null, "allowed_values": null }],
            "external_references": [{ "name": "r", "label": null, "description": null }],
            "client_config": { "authentication": { "strategy": "s", "configuration": {
                "token_request": request, "expires_in": 5 } } },
            "endpoints": [{ "name": "e", "skip_processing": false, "after": [], "erase_after": [],
                "requests": { "read": [request], "update": null, "delete": request } }],
            "rate_limit_config": { "limits": [{ "rate": 1, "period": "day", "custom_key": null }], "enabled": true },
            "test_request": test,
            "data_protection_request": null, "consent_requests": null, "user_guide": null, "display_info": null,
        });
        assert_eq!(shown(document), expected);
    }

    /// What is shown can be given back: it means the same, and is shown the same.
    #[test]
    fn what_is_shown_can_be_given_back() {
        for text in FIXTURES {
            let given = Definition::from_document(yaml::parse(text).unwrap()).unwrap();
            // Less the root key, which is part of every place.
            let given = Definition::from_document(given.document().clone()).unwrap();
            let again = Definition::from_document(given.shown()).unwrap();
            assert_eq!(again.document(), &given.shown());
            assert_eq!(again.shown(), given.shown());
            assert_eq!((again.authentication(), again.test_request()), (given.authentication(), given.test_request()));
            assert_eq!(again.parameters(), given.parameters());
        }
    }

    /// Members of another type than they should have are left alone.
    #[test]
    fn what_is_no_object_is_left_alone() {
        for odd in [json!(null), json!([]), json!("x"), json!({ "endpoints": 5, "test_request": "x" })] {
            let mut expected = odd.clone();
            fill(&mut expected, DOCUMENT);
            assert_eq!(shown(odd), expected);
        }
    }
}
