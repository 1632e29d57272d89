//! Golden requests, as Fides sends them, in definitions of our own, refresh, test and revocation requests.

mod values;

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    connection::{definition::Definition, yaml},
    ports::ProviderRequest,
    protocol::secret::SecretText,
};

/// `https://app.example/api/v1/oauth/callback`, encoded.
const R: &str = "https%3A%2F%2Fapp.example%2Fapi%2Fv1%2Foauth%2Fcallback";

/// A challenge and its verifier: RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Secrets and values of ours in one object: where a value comes from makes no difference here.
fn secrets() -> Value {
    json!({
        "domain": "tenant.example.com", "client_id": "CID", "client_secret": "CSEC",
        "redirect_uri": "https://app.example/api/v1/oauth/callback", "state": "STATE", "code": "CODE",
        "refresh_token": "RT", "access_token": "AT", "scope": "admin.read admin.write",
    })
}

/// A flow with the three requests of most connectors; `scope` and further parameters are set by the tests.
fn code_flow() -> Value {
    let form = json!([{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}]);
    let body = |grant: &str| {
        format!(
            "{{\n  \"client_id\": \"<client_id>\",\n  \"client_secret\": \"<client_secret>\",\n  {grant},\n  \
             \"redirect_uri\": \"<redirect_uri>\"\n}}\n"
        )
    };
    json!({
        "fides_key": "k", "name": "Shop", "type": "shop", "description": "", "version": "1",
        "connector_params": [{"name": "domain"}, {"name": "scope", "default_value": "a"}, {"name": "tenant", "default_value": "t"}],
        "client_config": {"protocol": "https", "host": "<domain>", "authentication": {
            "strategy": "oauth2_authorization_code",
            "configuration": {
                "authorization_request": {"method": "GET", "path": "/oauth2/v2/auth", "query_params": [
                    {"name": "client_id", "value": "<client_id>"}, {"name": "redirect_uri", "value": "<redirect_uri>"},
                    {"name": "response_type", "value": "code"}, {"name": "state", "value": "<state>"}]},
                "token_request": {"method": "POST", "path": "/oauth2/token", "headers": form,
                    "body": body("\"grant_type\": \"authorization_code\",\n  \"code\": \"<code>\"")},
                "refresh_request": {"method": "POST", "path": "/oauth2/token", "headers": form,
                    "client_config": {"protocol": "https", "host": "login.example.com"},
                    "body": body("\"grant_type\": \"refresh_token\",\n  \"refresh_token\": \"<refresh_token>\"")},
            },
        }},
        "test_request": {"method": "GET", "path": "/me?limit=1"},
        "endpoints": [],
    })
}

/// The flow with members of its configuration set.
fn code_flow_with(changes: &[(&str, Value)]) -> Definition {
    let mut document = code_flow();
    for (pointer, value) in changes {
        let place = format!("/client_config/authentication/configuration/{pointer}");
        let (parent, name) = place.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    Definition::from_document(document).unwrap()
}

fn fixture(text: &str) -> Definition {
    Definition::from_document(yaml::parse(text).unwrap()).unwrap()
}

fn query_flow() -> Definition {
    fixture(include_str!("../../../fixtures/connector/query_code_flow.yml"))
}

/// Builds with the secrets, some of them changed; null takes one away.
fn build_with(action: Action, definition: &Definition, changes: &Value) -> Result<ProviderRequest, RequestProblem> {
    let mut all = secrets();
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let values = Values::new().with_all(all.as_object().unwrap());
    request(definition, action, &values, &OutboundPolicy::default())
}

fn build(action: Action, definition: &Definition) -> ProviderRequest {
    build_with(action, definition, &json!({})).unwrap()
}

fn authorize(definition: &Definition, challenge: Option<&str>) -> Result<Url, RequestProblem> {
    let secrets = secrets();
    let values = Values::new().with_all(secrets.as_object().unwrap());
    authorization_url(definition, &values, challenge, &OutboundPolicy::default())
}

fn body(request: &ProviderRequest) -> &str {
    request.body.as_ref().unwrap().expose()
}

fn header<'a>(request: &'a ProviderRequest, name: &str) -> Vec<&'a str> {
    request.headers.iter().filter(|(other, _)| other.as_str() == name).map(|(_, value)| value.expose()).collect()
}

/// Parameters in the configured order, form-encoded, fixed host or tenant's host.
#[test]
fn golden_authorization_urls() {
    assert_eq!(
        authorize(&code_flow_with(&[]), None).unwrap().as_str(),
        format!(
            "https://tenant.example.com/oauth2/v2/auth?client_id=CID&redirect_uri={R}&response_type=code&state=STATE"
        )
    );
    assert_eq!(
        authorize(&query_flow(), None).unwrap().as_str(),
        format!(
            "https://tenant.example.com/auth/authorize?client_id=CID&redirect_uri={R}&response_type=code&scope=admin.read+admin.write&state=STATE"
        )
    );
    let fixed = code_flow_with(&[
        ("authorization_request/client_config", json!({"protocol": "https", "host": "accounts.example.com"})),
        (
            "authorization_request/query_params",
            json!([
                {"name": "client_id", "value": "<client_id>"}, {"name": "state", "value": "<state>"},
                {"name": "scope", "value": "user_read:account https://ads.example.com/msads.manage~*"},
                {"name": "access_type", "value": "offline"}, {"name": "include_granted_scopes", "value": true},
                {"name": "max_age", "value": 5},
            ]),
        ),
    ]);
    assert_eq!(
        authorize(&fixed, None).unwrap().as_str(),
        "https://accounts.example.com/oauth2/v2/auth?client_id=CID&state=STATE\
         &scope=user_read%3Aaccount+https%3A%2F%2Fads.example.com%2Fmsads.manage~%2A\
         &access_type=offline&include_granted_scopes=true&max_age=5"
    );
}

#[test]
fn a_path_with_a_query_keeps_it() {
    let definition = code_flow_with(&[(
        "authorization_request",
        json!({"method": "GET", "path": "/auth/<tenant>?p=B2C_1&t=<tenant>", "query_params": [{"name": "state", "value": "<state>"}]}),
    )]);
    let mut all = secrets();
    all["tenant"] = json!("a/b&c");
    let values = Values::new().with_all(all.as_object().unwrap());
    let url = authorization_url(&definition, &values, None, &OutboundPolicy::default()).unwrap();
    assert_eq!(url.as_str(), "https://tenant.example.com/auth/a%2Fb%26c?p=B2C_1&t=a%2Fb%26c&state=STATE");
}

/// A form is sorted and encoded.
#[test]
fn golden_form_requests() {
    let request = build(Action::Access, &code_flow_with(&[]));
    assert_eq!(request.method, http::Method::POST);
    assert_eq!(request.url.as_str(), "https://tenant.example.com/oauth2/token");
    assert_eq!(
        body(&request),
        format!("client_id=CID&client_secret=CSEC&code=CODE&grant_type=authorization_code&redirect_uri={R}")
    );
    assert_eq!(header(&request, "content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(header(&request, "accept"), ["application/json"]);
    assert!(header(&request, "authorization").is_empty());

    let request = build(Action::Refresh, &code_flow_with(&[]));
    assert_eq!(request.url.as_str(), "https://login.example.com/oauth2/token");
    assert_eq!(
        body(&request),
        format!("client_id=CID&client_secret=CSEC&grant_type=refresh_token&redirect_uri={R}&refresh_token=RT")
    );
}

/// Everything in the query, no body, no content type of its own.
#[test]
fn golden_query_requests() {
    let request = build(Action::Access, &query_flow());
    assert_eq!(
        request.url.as_str(),
        format!(
            "https://tenant.example.com/oauth/token?client_id=CID&client_secret=CSEC&grant_type=authorization_code&code=CODE&redirect_uri={R}"
        )
    );
    assert!(request.body.is_none());
    assert!(header(&request, "content-type").is_empty());
    let request = build(Action::Refresh, &query_flow());
    assert_eq!(
        request.url.as_str(),
        format!(
            "https://tenant.example.com/oauth/token?client_id=CID&client_secret=CSEC&redirect_uri={R}&grant_type=refresh_token&refresh_token=RT"
        )
    );
}

/// A JSON body is sent as it is written.
#[test]
fn golden_json_request() {
    let definition = fixture(include_str!("../../../fixtures/connector/json_client_credentials.yml"));
    for action in [Action::Access, Action::Refresh] {
        let request = build(action, &definition);
        assert_eq!(
            body(&request),
            "{\n  \"grant_type\": \"client_credentials\",\n  \"audience\": \"https://tenant.example.com/api/v2/\",\n  \
             \"client_id\": \"CID\",\n  \"client_secret\": \"CSEC\"\n}\n"
        );
        assert_eq!(body(&request).len(), 142);
        assert_eq!(header(&request, "content-type"), ["application/json"]);
        assert_eq!(request.url.as_str(), "https://tenant.example.com/oauth/token");
    }
}

/// Basic by a `client_config` of the request; RFC 6749 §2.3.1 encodes id and secret.
#[test]
fn golden_basic_request() {
    let definition = fixture(include_str!("../../../fixtures/connector/local_client_credentials.yml"));
    let policy = OutboundPolicy { allow_loopback: true, ..OutboundPolicy::default() };
    let mut all = secrets();
    all["domain"] = json!("127.0.0.1:4010");
    let values = Values::new().with_all(all.as_object().unwrap());
    for action in [Action::Access, Action::Refresh] {
        let request = request(&definition, action, &values, &policy).unwrap();
        assert_eq!(request.url.as_str(), "http://127.0.0.1:4010/token");
        assert_eq!(header(&request, "authorization"), ["Basic Q0lEOkNTRUM="]);
        assert_eq!(body(&request), "grant_type=client_credentials&scope=api");
    }
    let special = SecretText::new("a:b c%".to_owned());
    let values = values.with("client_secret", &special);
    let special = request(&definition, Action::Access, &values, &policy).unwrap();
    // CID:a%3Ab%20c%25
    assert_eq!(header(&special, "authorization"), ["Basic Q0lEOmElM0FiJTIwYyUyNQ=="]);
    let refused = request(&definition, Action::Access, &values, &OutboundPolicy::default());
    assert!(matches!(refused, Err(RequestProblem::Unusable { place: "host", .. })));
}

/// Client credentials refresh by asking again.
#[test]
fn client_credentials_refresh_with_what_they_have() {
    let client = |refresh: Value| {
        let mut document = code_flow();
        document["client_config"]["authentication"] = json!({
            "strategy": "oauth2_client_credentials",
            "configuration": {"token_request": {"method": "POST", "path": "/token"}, "refresh_request": refresh},
        });
        Definition::from_document(document).unwrap()
    };
    let path = |definition: &Definition, changes: &Value| {
        let request = build_with(Action::Refresh, definition, changes).unwrap();
        request.url.path().to_owned()
    };
    let with_token =
        json!({"method": "POST", "path": "/refresh", "query_params": [{"name": "t", "value": "<refresh_token>"}]});
    assert_eq!(path(&client(Value::Null), &json!({})), "/token");
    assert_eq!(path(&client(with_token.clone()), &json!({})), "/refresh");
    assert_eq!(path(&client(with_token), &json!({"refresh_token": null})), "/token");
    let without = json!({"method": "POST", "path": "/refresh"});
    assert_eq!(path(&client(without), &json!({"refresh_token": null})), "/refresh");
    let no_refresh = code_flow_with(&[("refresh_request", Value::Null)]);
    let problem = build_with(Action::Refresh, &no_refresh, &json!({}));
    assert_eq!(problem.unwrap_err(), RequestProblem::NotOffered { action: Action::Refresh });
}

#[test]
fn tests_are_authenticated_as_the_connector_says() {
    let request = build(Action::Test, &code_flow_with(&[]));
    assert_eq!(request.url.as_str(), "https://tenant.example.com/me?limit=1");
    assert_eq!(header(&request, "authorization"), ["Bearer AT"]);
    let missing = build_with(Action::Test, &code_flow_with(&[]), &json!({"access_token": null}));
    assert!(matches!(missing, Err(RequestProblem::Missing { place: "authentication", .. })));

    let direct = |strategy: &str, configuration: Value| {
        let mut document = code_flow();
        document["client_config"]["authentication"] = json!({"strategy": strategy, "configuration": configuration});
        build(Action::Test, &Definition::from_document(document).unwrap())
    };
    let request = direct("basic", json!({"username": "<client_id>", "password": "<redirect_uri>"}));
    // CID:https://app.example/api/v1/oauth/callback, not encoded: RFC 7617.
    assert_eq!(
        header(&request, "authorization"),
        ["Basic Q0lEOmh0dHBzOi8vYXBwLmV4YW1wbGUvYXBpL3YxL29hdXRoL2NhbGxiYWNr"]
    );
    let request = direct("bearer", json!({"token": "<client_id>"}));
    assert_eq!(header(&request, "authorization"), ["Bearer CID"]);
    let request = direct(
        "api_key",
        json!({
            "headers": [{"name": "X-Key", "value": "<client_id>"}],
            "query_params": [{"name": "key", "value": "<client_id>"}], "body": "{\"k\": \"<client_id>\"}",
        }),
    );
    assert_eq!(header(&request, "x-key"), ["CID"]);
    assert_eq!(request.url.query(), Some("limit=1&key=CID"));
    assert_eq!(body(&request), "{\"k\":\"CID\"}");
}

#[test]
fn revocation_is_offered_where_the_definition_has_it() {
    let definition = fixture(include_str!("../../../fixtures/connector/local_code_flow.yml"));
    let policy = OutboundPolicy { allow_loopback: true, ..OutboundPolicy::default() };
    let mut all = secrets();
    all["domain"] = json!("127.0.0.1:4010");
    let values = Values::new().with_all(all.as_object().unwrap());
    let request = request(&definition, Action::Revoke, &values, &policy).unwrap();
    assert_eq!(request.url.as_str(), "http://127.0.0.1:4010/token/revocation");
    assert_eq!(body(&request), "client_id=CID&client_secret=CSEC&token=RT&token_type_hint=refresh_token");
    let problem = build_with(Action::Revoke, &code_flow_with(&[]), &json!({}));
    assert!(matches!(problem, Err(RequestProblem::NotOffered { .. })));
}

/// Of two parameters with one name the last value counts.
#[test]
fn repeated_parameters_collapse() {
    let flow = json!({"method": "POST", "path": "/t", "query_params": [
        {"name": "a", "value": "1"}, {"name": "b", "value": "2"}, {"name": "a", "value": "3"}]});
    let request = build(Action::Access, &code_flow_with(&[("token_request", flow)]));
    assert_eq!(request.url.query(), Some("a=3&b=2"));
}
