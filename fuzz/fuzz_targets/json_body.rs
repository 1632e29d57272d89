//! The JSON bodies of the client routes: a new client, a change, a rotation, a list of scopes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern::{
    authorization_server::{
        client::Edit,
        client_document::{
            ClientProblem, is_resource, read_client_change, read_client_request, read_rotation_request, read_scopes,
        },
        scope_registry::EVERY_SCOPE,
    },
    protocol::{
        json::FromJson,
        jwk::{JwkSet, KEY_LIMIT},
        scope::{SCOPE_LIMIT, Scope},
        time::{Seconds, UnixSeconds},
    },
};
use postern_fuzz::check_issues;
use serde_json::{Map, Value, json};

/// The instant of the request.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// Most issues of one body: as many as a list of scopes has elements, and some for the other members.
const ISSUE_LIMIT: usize = 512;

/// What must hold for scopes that a client may get.
fn check_scopes(scopes: &Scope) {
    assert!(scopes.tokens().count() <= SCOPE_LIMIT && EVERY_SCOPE.covers(scopes));
    assert_eq!(read_scopes(&json!(scopes), &[]).as_ref(), Ok(scopes), "what was read can be written and read again");
}

/// What must hold for texts, resources and keys that a client may get.
fn check_members(texts: [Option<&str>; 2], resources: &[String], jwks: Option<&JwkSet>) {
    assert!(texts.iter().flatten().all(|text| text.chars().count() <= 1024));
    assert!(texts[0].is_none_or(|name| !name.trim().is_empty()));
    assert!(resources.len() <= 32 && resources.iter().all(|resource| is_resource(resource)));
    for resource in resources {
        // RFC 8707 §2: absolute, without a fragment.
        assert!(resource.contains(':') && !resource.contains('#'));
        let url = url::Url::parse(resource).expect("a resource is a URL");
        let host = url.host_str().filter(|_| url.scheme() == "https").unwrap_or_default();
        assert!(host.is_ascii() && host.to_ascii_lowercase() == host, "{host}");
    }
    let Some(jwks) = jwks else { return };
    let names: Vec<String> = jwks.keys().map(postern::protocol::jwk::Jwk::name).collect();
    assert!((1..=KEY_LIMIT).contains(&names.len()));
    assert!(names.iter().enumerate().all(|(index, name)| !names[..index].contains(name)), "each has its own name");
    let written = jwks.to_json();
    assert_eq!(JwkSet::read(&written, &[]).as_ref(), Ok(jwks), "what was read can be written and read again");
    assert_eq!(JwkSet::from_json(json!(jwks)).expect("stored keys are read again"), *jwks);
    for key in written["keys"].as_array().expect("a list") {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        assert!(private.iter().all(|member| key.get(member).is_none()), "no private key is kept");
    }
}

/// What must hold for a body that is refused.
fn check_problem(problem: &ClientProblem, body: &Value) {
    match problem {
        ClientProblem::Malformed(issues) => check_issues(issues, body, 1, ISSUE_LIMIT),
        ClientProblem::UnknownScope => assert!(body.is_array() || body.get("scopes").is_some_and(Value::is_array)),
    }
}

/// No member can be smuggled into a body that is accepted.
fn check_smuggling<T>(body: &Value, read: impl Fn(&Value) -> Result<T, ClientProblem>) {
    let mut members = body.as_object().cloned().unwrap_or_else(Map::new);
    members.insert("\u{1}".to_owned(), Value::Null);
    let Err(ClientProblem::Malformed(issues)) = read(&Value::Object(members)) else {
        panic!("an unknown member is accepted")
    };
    assert_eq!(issues.iter().map(|issue| issue.kind.as_ref()).collect::<Vec<_>>(), ["extra_forbidden"]);
}

/// A new client.
fn check_request(body: &Value) {
    let read = |body: &Value| read_client_request(body, NOW);
    let request = match read(body) {
        Ok(request) => request,
        Err(problem) => return check_problem(&problem, body),
    };
    assert!(matches!(body, Value::Null | Value::Array(_) | Value::Object(_)));
    check_scopes(&request.scopes);
    let texts = [request.name.as_deref(), request.description.as_deref()];
    check_members(texts, &request.resources, request.jwks.as_ref());
    assert!(request.secret_expires_at.is_none_or(|at| at > NOW && at.0 < 253_402_300_800));
    check_smuggling(body, read);
    let written = json!({
        "scopes": request.scopes, "name": request.name, "description": request.description,
        "resources": request.resources, "jwks": request.jwks, "secret_expires_at": request.secret_expires_at,
    });
    assert_eq!(read(&written), Ok(request), "what was read can be written and read again");
}

/// A partial update.
fn check_change(body: &Value) {
    let change = match read_client_change(body) {
        Ok(change) => change,
        Err(problem) => return check_problem(&problem, body),
    };
    change.scopes.iter().for_each(check_scopes);
    let description = if let Edit::Set(text) = &change.description { Some(text.as_str()) } else { None };
    let jwks = if let Edit::Set(jwks) = &change.jwks { Some(jwks) } else { None };
    let resources = change.resources.as_deref().unwrap_or_default();
    check_members([change.name.as_deref(), description], resources, jwks);
    check_smuggling(body, read_client_change);
    // What is absent stays, what is null is removed or stays.
    let is_null = |member: &str| body.get(member).is_some_and(Value::is_null);
    assert_eq!(change.description == Edit::Clear, is_null("description"));
    assert_eq!(change.jwks == Edit::Clear, is_null("jwks"));
    let given = |member: &str| body.get(member).is_some_and(|value| !value.is_null());
    assert_eq!(change.name.is_some(), given("name"));
    assert_eq!((change.scopes.is_some(), change.resources.is_some()), (given("scopes"), given("resources")));
}

/// A rotation of the secret.
fn check_rotation(body: &Value) {
    let read = |body: &Value| read_rotation_request(body, NOW);
    let rotation = match read(body) {
        Ok(rotation) => rotation,
        Err(problem) => return check_problem(&problem, body),
    };
    assert!(rotation.overlap <= Seconds(30 * 86_400) && rotation.overlap.0 % 60 == 0);
    assert!(rotation.overlap == Seconds(0) || !rotation.revoke_tokens, "an emergency leaves no old secret good");
    assert!(rotation.secret_expires_at.is_none_or(|at| at > NOW));
    check_smuggling(body, read);
}

fuzz_target!(|data: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    check_request(&body);
    check_change(&body);
    check_rotation(&body);
    match read_scopes(&body, &["body".into()]) {
        Ok(scopes) => {
            check_scopes(&scopes);
            let named: Option<Vec<&str>> =
                body.as_array().and_then(|elements| elements.iter().map(Value::as_str).collect());
            assert_eq!(named.expect("a list of texts").into_iter().collect::<Scope>(), scopes);
        }
        Err(problem) => check_problem(&problem, &body),
    }
});
