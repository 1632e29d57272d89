//! `GET /connection/{key}/authorize`: the URL that a person opens, or why there is none.

use serde_json::{Value, json};
use url::Url;

use super::{
    Answered, Host, bare,
    stage::{CODE_FLOW, query, unrestricted_service},
    with_header,
};
use crate::protocol::secret::SecretDigest;

/// Begins an authorization of `shop`.
fn begin(host: &Host) -> Answered {
    host.as_root("GET", "/connection/shop/authorize", &Value::Null)
}

/// Each check in its order: connection, definition, strategy, secrets.
#[test]
fn what_is_missing_is_said_in_order() {
    let host = Host::new();
    let expect = |status: u16, detail: &str| assert_eq!(begin(&host).detail(), (status, detail.into()));
    expect(404, "No connection configuration found with key 'shop'.");
    host.save("shop");
    expect(422, "The connection config does not contain a SaaS config.");
    let start = CODE_FLOW.find("    authentication:").unwrap();
    let end = CODE_FLOW.find("  test_request:").unwrap();
    let without = format!("{}{}", &CODE_FLOW[..start], &CODE_FLOW[end..]);
    assert_eq!(host.define("shop", &without).status, 200);
    expect(422, "The connection config does not contain an authentication configuration.");
    for other in [
        unrestricted_service(),
        format!(
            "{}    authentication:\n      strategy: bearer\n      configuration:\n        token: <client_id>\n\n{}",
            &CODE_FLOW[..start],
            &CODE_FLOW[end..]
        ),
    ] {
        assert_eq!(host.define("shop", &other).status, 200);
        expect(422, "The connection config does not use OAuth2 Authorization Code authentication.");
    }
    assert_eq!(host.define("shop", CODE_FLOW).status, 200);
    expect(400, "Missing required secret(s) 'client_id, client_secret' for shop");
    let secrets = json!({ "client_id": "id", "client_secret": "canary", "redirect_uri": "https://postern.example/cb" });
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    assert_eq!(begin(&host).status, 200);
    assert_eq!(host.requests(), 0);
}

/// A JSON string; what the definition says is in the URL, and PKCE and state beside it (K7).
#[test]
fn the_url_holds_what_the_provider_needs() {
    let host = Host::new().with_code_flow("shop");
    let answer = begin(&host);
    assert_eq!(answer.header("content-type"), "application/json");
    let url = Url::parse(answer.json().as_str().unwrap()).unwrap();
    assert_eq!(url.as_str().split('?').next(), Some("https://api.query-provider.example/auth/authorize"));
    for (name, value) in [
        ("client_id", "shop-client"),
        ("redirect_uri", "https://postern.example/api/v1/oauth/callback"),
        ("response_type", "code"),
        ("scope", "admin.read admin.write"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query(&url, name), value);
    }
    assert_eq!(query(&url, "code_challenge").len(), 43);
    assert!(query(&url, "state").len() > 60);
    assert_eq!(url.query_pairs().count(), 7);
    assert!(!url.as_str().contains("canary"));
}

/// M6, E8: each beginning has a state and a challenge of its own; of the state only a digest is stored.
#[test]
fn only_a_digest_of_the_state_is_stored() {
    let host = Host::new().with_code_flow("shop");
    let (first, second) = (host.begin("shop"), host.begin("shop"));
    assert_ne!(query(&first, "state"), query(&second, "state"));
    assert_ne!(query(&first, "code_challenge"), query(&second, "code_challenge"));
    let (state, dump) = (query(&second, "state"), host.memory.state());
    assert!(dump.contains(SecretDigest::of(&state).as_str()));
    let random = state.split('.').next().unwrap();
    for hidden in [random, &query(&second, "code_challenge"), &query(&first, "state")] {
        assert!(!dump.contains(hidden), "{hidden}");
    }
}

/// Our extension: a provider that knows no PKCE gets none.
#[test]
fn a_definition_can_do_without_pkce() {
    let host = Host::new().with_code_flow("shop");
    let plain = CODE_FLOW.replace("expires_in: 3600", "expires_in: 3600\n        pkce: false");
    assert_eq!(host.define("shop", &plain).status, 200);
    let url = host.begin("shop");
    assert_eq!((query(&url, "code_challenge"), query(&url, "state").is_empty()), (String::new(), false));
    assert!(!host.memory.state().contains("code_verifier\\\":\\\"v1"));
}

/// K11: where the browser comes back to is ours to say, not the request's.
#[test]
fn no_header_changes_the_redirect_uri() {
    let host = Host::new();
    host.save("shop");
    let optional = CODE_FLOW.replace("    - name: redirect_uri\n      label: Redirect URL\n", "");
    assert_eq!(host.define("shop", &optional).status, 200);
    assert_eq!(host.put_secrets("shop", &json!({ "client_id": "id", "client_secret": "canary" })).status, 200);
    let mut request = bare("GET", "/api/v1/connection/shop/authorize?redirect_uri=https://evil.example");
    let token = format!("Bearer {}", host.root_token());
    for (name, value) in [
        ("authorization", token.as_str()),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("referer", "https://evil.example/"),
        ("origin", "https://evil.example"),
    ] {
        request = with_header(request, name, value.as_bytes());
    }
    let url = Url::parse(host.send(&request).json().as_str().unwrap()).unwrap();
    assert_eq!(query(&url, "redirect_uri"), "https://postern.example/api/v1/oauth/callback");
    assert!(!url.as_str().contains("evil"));
}

/// Beginning again leaves a live token alone, and makes the former state unknown.
#[test]
fn a_second_beginning_replaces_the_first() {
    let host = Host::new().with_authorized("shop");
    let (first, second) = (host.state("shop"), host.state("shop"));
    assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
    assert_eq!(host.callback(&format!("state={first}&code=canary-code")).status, 404);
    assert_eq!(host.requests(), 1);
    assert_eq!(host.callback(&format!("state={second}&code=canary-code")).status, 200);
}

/// A beginning that cannot be stored gives no URL.
#[test]
fn a_beginning_that_is_not_stored_is_none() {
    let host = Host::new().with_code_flow("shop");
    host.memory.faults().break_records_after(0);
    assert_eq!(begin(&host).status, 503);
    host.memory.faults().mend_records();
    assert!(!host.memory.state().contains("pending\": \"{"));
}
