//! Rules for a single request, its header fields, body, path and host.

use serde_json::json;

use super::*;

/// P6: a placeholder is known where it can have a value, and nowhere else.
#[test]
fn placeholders_are_known_where_they_can_have_a_value() {
    let configuration = "/client_config/authentication/configuration";
    let query = |value: &str| json!({"method": "GET", "path": "/p", "query_params": [{"name": "q", "value": value}]});
    for (request, known, unknown) in [
        ("authorization_request", ["<state>", "<code_challenge>"], "<code>"),
        ("token_request", ["<code>", "<code_verifier>"], "<state>"),
        ("refresh_request", ["<refresh_token>", "<access_token>"], "<code>"),
        ("revoke_request", ["<refresh_token>", "<access_token>"], "<state>"),
    ] {
        let place = format!("{configuration}/{request}");
        for placeholder in known.into_iter().chain(["<client_id>", "<redirect_uri>", "<domain.x>"]) {
            assert!(issues(with(&place, query(placeholder))).is_empty(), "{request} {placeholder}");
        }
        for placeholder in [unknown, "<Domain>", "<tenant>"] {
            let found = issues(with(&place, query(placeholder)));
            assert!(found[0].contains("unknown placeholder"), "{request} {placeholder}");
        }
    }
    let test = json!({"method": "GET", "path": "/<id>", "param_values": [{"name": "id", "connector_param": "domain"}]});
    assert!(issues(with("/test_request", test)).is_empty());
}

/// P7, W8: the client secret never stands in a URL that a browser sees; `state` is ours.
#[test]
fn the_authorization_request_keeps_secrets_out_and_state_in() {
    let place = "/client_config/authentication/configuration/authorization_request/query_params";
    for (name, value, fault) in [
        ("x", "<client_secret>", "must not stand in the authorization request"),
        ("state", "<client_id>", "must be <state>"),
        ("state", "x<state>", "must be <state>"),
    ] {
        let found = issues(with(place, json!([{"name": name, "value": value}])));
        assert!(found[0].contains(fault), "{found:?}");
    }
    assert!(issues(with(place, json!([{"name": "state", "value": "<state>"}]))).is_empty());
}

/// P13: header fields that are not the document's to set.
#[test]
fn forbidden_header_fields_are_refused() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CF-Connecting-IP",
        "cf-worker",
        "Cookie",
        "Connection",
        "Proxy-Authorization",
        "Sec-Fetch-Site",
        "X-Forwarded-For",
        "Upgrade",
        "TE",
        "a b",
        "",
        "a:b",
        "é",
        "x\r\ny",
    ] {
        let headers = json!([{"name": name, "value": "x"}]);
        assert_eq!(issues(with(&format!("{TOKEN}/headers"), headers)).len(), 1, "{name}");
    }
    let twice = json!([{"name": "Authorization", "value": "x"}, {"name": "authorization", "value": "y"}]);
    assert!(issues(with(&format!("{TOKEN}/headers"), twice))[0].contains("there already"));
    let both = json!({
        "method": "POST", "path": "/token", "headers": [{"name": "Authorization", "value": "x"}],
        "client_config": {"protocol": "https", "host": "a.example", "authentication":
            {"strategy": "basic", "configuration": {"username": "<client_id>"}}},
    });
    assert!(issues(with(TOKEN, both))[0].contains("already"));
    for value in ["a\nb", "é", "\u{0}"] {
        let headers = json!([{"name": "X-Own", "value": value}]);
        assert!(issues(with(&format!("{TOKEN}/headers"), headers))[0].contains("visible ASCII"));
    }
    let good = json!([{"name": "X-Own", "value": "v <domain>"}, {"name": "Authorization", "value": "Key <client_id>"}]);
    assert!(issues(with(&format!("{TOKEN}/headers"), good)).is_empty());
}

#[test]
fn the_content_type_decides_what_a_body_must_be() {
    let request = |content_type: &str, body: &str| json!({"method": "POST", "path": "/t", "body": body, "headers": [{"name": "content-type", "value": content_type}]});
    for (content_type, body, fault) in [
        ("application/json", "{\"a\": <domain>}", None),
        ("application/json; charset=utf-8", "[1]", None),
        ("Application/JSON;charset=\"UTF-8\"", "{}", None),
        ("application/json", "a=b", Some("the body is not JSON: see line 1")),
        ("application/x-www-form-urlencoded", "{\"a\": \"<domain>\"}", None),
        ("application/x-www-form-urlencoded", "[]", Some("must be a JSON object")),
        ("application/x-www-form-urlencoded", "a=b", Some("not JSON")),
        ("text/plain", "a=<domain>", None),
        (
            "application/json; charset=latin-1",
            "{}",
            Some("Unsupported Content-Type: application/json; charset=latin-1"),
        ),
        ("application/xml", "{}", Some("Unsupported Content-Type")),
        ("<domain>", "{}", Some("Unsupported Content-Type")),
        ("", "{}", Some("Unsupported Content-Type")),
    ] {
        let found = issues(with(TOKEN, request(content_type, body)));
        match fault {
            None => assert!(found.is_empty(), "{content_type} {found:?}"),
            Some(fault) => assert!(found[0].contains(fault), "{content_type} {found:?}"),
        }
    }
    let without = json!({"method": "POST", "path": "/t", "headers": [{"name": "Content-Type", "value": "x/y"}]});
    assert!(issues(with(TOKEN, without)).is_empty(), "nothing to decide without a body");
    let get = json!({"method": "GET", "path": "/t", "body": "{}"});
    assert!(issues(with(TOKEN, get))[0].contains("has no body"));
}

/// P3, S11: paths and hosts mean one thing to every parser.
#[test]
fn malformed_paths_and_hosts_are_refused() {
    for path in ["token", "<domain>/x", "/a/../b", "/a/.", "/%2e%2E/b", "/a b", "/a\\b", "/a#b", "/a\nb", ""] {
        assert_eq!(issues(with(&format!("{TOKEN}/path"), json!(path))).len(), 1, "{path}");
    }
    assert!(issues(with(&format!("{TOKEN}/path"), json!("/v1/<domain>/t:x?a=b..&c=../d"))).is_empty());
    for host in [
        "https://a.example",
        "a.example/",
        "a.example/base",
        "u@a.example",
        "u:p@a.example",
        "a.example?x",
        "a.example#x",
        "",
        "a..b",
        "a b",
        "<domain>:x",
        "<domain>/x",
        "é.example",
        "[::zz]",
        ":443",
        "a:1:2",
    ] {
        let found = issues(with("/client_config/host", json!(host)));
        assert_eq!(found.len(), 1, "{host} {found:?}");
    }
    for host in ["a.example", "<domain>.a.example", "127.0.0.1:4010", "[::1]:80", "a.example:443"] {
        assert!(issues(with("/client_config/host", json!(host))).is_empty(), "{host}");
    }
}

#[test]
fn strategies_are_known_by_name() {
    let authentication = "/client_config/authentication";
    let unknown = json!({"strategy": "nope", "configuration": {}});
    assert_eq!(
        issues(with(authentication, unknown)),
        [
            "value_error client_config/authentication/strategy: Value error, Strategy 'nope' does not exist. Valid strategies are [api_key, basic, bearer, oauth2_authorization_code, oauth2_client_credentials]"
        ]
    );
    let read = |strategy: &str, configuration: Value| {
        let document = with(authentication, json!({"strategy": strategy, "configuration": configuration}));
        Definition::from_document(document).unwrap().authentication().unwrap().clone()
    };
    let (basic, bearer) = (json!({"username": "<domain>"}), json!({"token": "<domain>"}));
    let api_key = json!({"headers": [{"name": "X-Key", "value": "<domain>"}]});
    let client = json!({"token_request": {"method": "POST", "path": "/t"}, "authorization_request": 1});
    assert!(matches!(read("basic", basic), Authentication::Direct(DirectAuthentication::Basic { .. })));
    assert!(matches!(read("bearer", bearer), Authentication::Direct(DirectAuthentication::Bearer { .. })));
    assert!(matches!(read("api_key", api_key), Authentication::Direct(DirectAuthentication::ApiKey { .. })));
    assert!(matches!(read("oauth2_client_credentials", client), Authentication::ClientCredentials(_)));
    for (strategy, configuration) in [
        ("basic", json!({})),
        ("basic", Value::Null),
        ("bearer", json!({})),
        ("api_key", json!({})),
        ("oauth2_authorization_code", Value::Null),
        ("oauth2_client_credentials", json!({})),
    ] {
        let document = with(authentication, json!({"strategy": strategy, "configuration": configuration}));
        assert!(!issues(document).is_empty(), "{strategy}");
    }
    let nested =
        json!({"protocol": "https", "host": "a.example", "authentication": {"strategy": "oauth2_client_credentials"}});
    assert!(
        issues(with(&format!("{TOKEN}/client_config"), nested))[0]
            .contains("Valid strategies are [api_key, basic, bearer]")
    );
}

#[test]
fn a_lifetime_is_a_whole_number_of_seconds() {
    let place = "/client_config/authentication/configuration/expires_in";
    for (value, seconds) in
        [(json!(3600), Some(3600)), (json!(3.6e3), Some(3600)), (json!("7200"), Some(7200)), (Value::Null, None)]
    {
        let definition = Definition::from_document(with(place, value)).unwrap();
        let found = definition.token_rules().expires_in;
        assert_eq!(found.map(|found| found.0), seconds);
    }
    for value in [json!(0), json!(-5), json!("x"), json!(1.5), json!("1e3"), json!([]), json!(315_360_001)] {
        assert_eq!(issues(with(place, value.clone())).len(), 1, "{value}");
    }
}

/// `ignore_errors` is true, false, or a list of status codes.
#[test]
fn ignored_errors_are_read() {
    let request = |ignored: Value| Definition::from_document(with("/test_request/ignore_errors", ignored));
    let succeeds = |ignored: Value| {
        let definition = request(ignored).unwrap();
        [199, 200, 299, 302, 404, 500].map(|status| definition.test_request().unwrap().succeeds_with(status))
    };
    assert_eq!(succeeds(json!(null)), [false, true, true, false, false, false]);
    assert_eq!(succeeds(json!(false)), [false, true, true, false, false, false]);
    assert_eq!(succeeds(json!(true)), [false, true, true, false, true, true]);
    assert_eq!(succeeds(json!([404])), [false, true, true, false, true, false]);
    for bad in [json!("yes"), json!(["404"]), json!([99]), json!([600]), json!([-1]), json!({})] {
        assert_eq!(request(bad.clone()).unwrap_err().len(), 1, "{bad}");
    }
}
