//! What hostile, missing and extra values do to a request: checklist rows P1 to P5, S1 to S11, L6, and PKCE.

use serde_json::{Value, json};

use super::*;

/// K7, W3: `state` and PKCE are added where the definition does not name them, and only there.
#[test]
fn state_and_challenge_are_added_to_the_authorization_url() {
    let bare = |pkce: bool| code_flow_with(&[("authorization_request/query_params", json!([])), ("pkce", json!(pkce))]);
    assert_eq!(
        authorize(&bare(true), Some(CHALLENGE)).unwrap().query(),
        Some(format!("state=STATE&code_challenge={CHALLENGE}&code_challenge_method=S256").as_str())
    );
    assert_eq!(authorize(&bare(false), Some(CHALLENGE)).unwrap().query(), Some("state=STATE"));
    let named = code_flow_with(&[(
        "authorization_request/query_params",
        json!([{"name": "code_challenge_method", "value": "S256"}, {"name": "code_challenge", "value": "<code_challenge>"}]),
    )]);
    assert_eq!(
        authorize(&named, Some(CHALLENGE)).unwrap().query(),
        Some(format!("code_challenge_method=S256&code_challenge={CHALLENGE}&state=STATE").as_str())
    );
    let nothing = Values::new();
    let problem = authorization_url(&bare(true), &nothing, None, &OutboundPolicy::default());
    assert!(matches!(problem, Err(RequestProblem::Missing { names, .. }) if names == ["state"]));
}

/// RFC 7636 §4.5: the verifier stands beside the code.
#[test]
fn the_verifier_is_added_beside_the_code() {
    let with_verifier =
        |definition: &Definition| build_with(Action::Access, definition, &json!({"code_verifier": VERIFIER})).unwrap();
    let request = with_verifier(&code_flow_with(&[]));
    assert!(body(&request).contains(&format!("&code_verifier={VERIFIER}&grant_type=")));
    assert_eq!(request.url.query(), None);

    let request = with_verifier(&query_flow());
    assert!(request.url.query().unwrap().ends_with(&format!("&code_verifier={VERIFIER}")));
    assert!(request.body.is_none());

    let json_flow = json!({"method": "POST", "path": "/t", "body": "{\"code\": \"<code>\"}"});
    let request = with_verifier(&code_flow_with(&[("token_request", json_flow)]));
    let sent: Value = serde_json::from_str(body(&request)).unwrap();
    assert_eq!(sent, json!({"code": "CODE", "code_verifier": VERIFIER}));

    let named = json!({"method": "POST", "path": "/t", "body": "{\"code\": \"<code>\", \"v\": \"<code_verifier>\"}"});
    let request = with_verifier(&code_flow_with(&[("token_request", named)]));
    assert_eq!(body(&request), format!("{{\"code\": \"CODE\", \"v\": \"{VERIFIER}\"}}"));

    let request = with_verifier(&code_flow_with(&[("pkce", json!(false))]));
    assert!(!body(&request).contains("code_verifier"));
    let refresh = build_with(Action::Refresh, &code_flow_with(&[]), &json!({"code_verifier": VERIFIER}));
    assert!(!body(&refresh.unwrap()).contains("code_verifier"));
}

/// P1, P4, P5, W5: a hostile code adds no parameter, wherever it stands.
#[test]
fn a_hostile_code_stays_one_value() {
    let hostile = "C\",\"scope\":\"admin\"}&x=y#=+%00\0<client_secret>\r\n";
    let count = |query: &str| url::form_urlencoded::parse(query.as_bytes()).count();
    let request = build_with(Action::Access, &code_flow_with(&[]), &json!({"code": hostile})).unwrap();
    let sent: Vec<_> = url::form_urlencoded::parse(body(&request).as_bytes()).collect();
    assert_eq!(sent.len(), 5);
    assert!(sent.contains(&("code".into(), hostile.into())));

    let request = build_with(Action::Access, &query_flow(), &json!({"code": hostile})).unwrap();
    assert_eq!(count(request.url.query().unwrap()), 5);
    assert_eq!(request.url.fragment(), None);

    let json_flow = json!({"method": "POST", "path": "/t", "body": "{\"code\": \"<code>\"}"});
    let definition = code_flow_with(&[("token_request", json_flow)]);
    let request = build_with(Action::Access, &definition, &json!({"code": hostile})).unwrap();
    let sent: Value = serde_json::from_str(body(&request)).unwrap();
    assert_eq!(sent, json!({ "code": hostile }));
}

/// P2: a value with a line break never becomes a header field.
#[test]
fn a_hostile_header_value_stops_the_request() {
    let definition = code_flow_with(&[("token_request/headers", json!([{"name": "X-Id", "value": "<client_id>"}]))]);
    let problem = build_with(Action::Access, &definition, &json!({"client_id": "a\r\nX: y"}));
    let problem = problem.unwrap_err();
    assert!(matches!(&problem, RequestProblem::Unusable { place: "headers", name, .. } if name == "client_id"));
    assert!(!problem.to_string().contains("X: y"));
    // Without a value the field is left out.
    let request = build_with(Action::Access, &definition, &json!({"client_id": null}));
    assert!(matches!(request, Err(RequestProblem::Missing { place: "body", .. })));
}

/// S1 to S11: no request is built for a host that is not allowed.
#[test]
fn hostile_hosts_stop_the_request() {
    for domain in ["evil.com/", "evil.com#", "evil.com?", "a.b@evil.com", "evil.com:443", "..", "", "\n"] {
        let problem = build_with(Action::Access, &code_flow_with(&[]), &json!({ "domain": domain }));
        assert!(matches!(problem, Err(RequestProblem::Unusable { place: "host", .. })), "{domain}");
    }
    for domain in ["127.0.0.1", "0x7f.1", "2130706433", "localhost", "metadata.internal", "intranet"] {
        let problem = build_with(Action::Access, &code_flow_with(&[]), &json!({ "domain": domain }));
        assert!(matches!(problem, Err(RequestProblem::Address(_))), "{domain}");
        let mut all = secrets();
        all["domain"] = json!(domain);
        let values = Values::new().with_all(all.as_object().unwrap());
        let policy = OutboundPolicy::default();
        assert!(authorization_url(&code_flow_with(&[]), &values, None, &policy).is_err());
    }
}

/// What a missing value means by place, and how Fides words it.
#[test]
fn missing_values_are_named() {
    let problem = build_with(Action::Refresh, &code_flow_with(&[]), &json!({"refresh_token": null}));
    assert_eq!(
        problem.unwrap_err().to_string(),
        "Unable to replace placeholders in body for the 'refresh' request of Shop OAuth2. The following placeholders \
         could not be resolved: ['refresh_token']"
    );
    // In a query a missing value leaves its parameter out, but not one without which the request is senseless.
    let problem = build_with(Action::Refresh, &query_flow(), &json!({"refresh_token": null}));
    assert!(matches!(problem, Err(RequestProblem::Missing { place: "query_params", .. })));
    let request = build_with(Action::Refresh, &query_flow(), &json!({"redirect_uri": null})).unwrap();
    assert!(!request.url.as_str().contains("redirect_uri"));
    let problem = build_with(Action::Access, &code_flow_with(&[]), &json!({"domain": null}));
    assert!(matches!(problem, Err(RequestProblem::Missing { place: "host", .. })));
    let flow = json!({"method": "POST", "path": "/<tenant>/t"});
    let problem = build_with(Action::Access, &code_flow_with(&[("token_request", flow)]), &json!({}));
    assert!(matches!(problem, Err(RequestProblem::Missing { place: "path", .. })));
    let none = Values::new();
    assert_eq!(missing_secrets(&code_flow_with(&[]), &none), ["client_id", "client_secret", "redirect_uri"]);
}

/// L6: neither requests nor problems show a secret, apart from what a URL holds.
#[test]
fn debug_output_of_a_request_shows_no_secret() {
    let request = build(Action::Access, &code_flow_with(&[]));
    let shown = format!("{request:?}");
    assert!(!shown.contains("CSEC") && !shown.contains("CODE"));
}
