//! The secrets of a connection: what is taken, and what is ever shown of them.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    stage::{CODE_FLOW, SERVICE, answer, parameter, service_secrets, tokens},
};
use crate::api::Body;

/// Good secrets of the code flow.
fn good() -> Value {
    json!({ "client_id": "id", "client_secret": "canary-1", "redirect_uri": "https://postern.example/cb" })
}

/// A host with a connection `shop` of this definition, without secrets.
fn with_definition(definition: &str) -> Host {
    let host = Host::new();
    host.save("shop");
    assert_eq!(host.define("shop", definition).status, 200);
    host
}

/// The answer, without a test that would have come out one way or the other.
#[test]
fn stored_secrets_are_confirmed_without_a_test() {
    let answer = with_definition(CODE_FLOW).put_secrets("shop", &good());
    let expected = json!({
        "msg": "Secrets updated for ConnectionConfig with key: shop.",
        "test_status": null,
        "failure_reason": null,
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

/// A missing one is answered with all that are required; a wrong type and a wrong host with their places.
#[test]
fn secrets_that_do_not_fit_are_refused() {
    let host = with_definition(SERVICE);
    let before = host.memory.state();
    let (text, value) = ("string_type", "value_error");
    for (secrets, kind, place) in [
        (json!({}), value, r#"["body"]"#),
        (
            json!({ "domain": "a.json-provider.example", "client_id": "", "client_secret": "canary" }),
            value,
            r#"["body"]"#,
        ),
        (
            json!({ "domain": "a.json-provider.example", "client_id": 5, "client_secret": "canary" }),
            text,
            r#"["body","client_id"]"#,
        ),
        (
            json!({ "domain": "canary.example", "client_id": "x", "client_secret": "canary" }),
            value,
            r#"["body","domain"]"#,
        ),
        (json!([]), "model_attributes_type", r#"["body"]"#),
        (json!(null), "model_attributes_type", r#"["body"]"#),
    ] {
        let answer = host.put_secrets("shop", &secrets);
        assert_eq!(answer.issues(), (422, vec![(kind.to_owned(), place.to_owned())]), "{secrets}");
    }
    let missing = host.put_secrets("shop", &json!({})).json();
    let text = "Value error, json_provider_schema must be supplied all of: [domain, client_id, client_secret].";
    assert_eq!(missing["detail"][0]["msg"], text);
    assert_eq!(host.memory.state(), before);
    let large = authorized("PUT", "/api/v1/connection/shop/secret", &host.root(), &Value::Null);
    assert_eq!(host.send(&large.map(|_| Body::TooLarge)).status, 413);
}

/// Without a definition there is nothing to check secrets by.
#[test]
fn secrets_need_a_definition_first() {
    let host = Host::new();
    host.save("shop");
    let before = host.memory.state();
    let (status, detail) = host.put_secrets("shop", &good()).detail();
    assert_eq!((status, detail.as_str().unwrap().contains("SaaS config")), (422, true));
    assert_eq!(host.memory.state(), before);
}

/// S11: a host is taken from a secret only where the definition's pattern allows it.
#[test]
fn a_secret_that_leads_elsewhere_is_refused() {
    let host = with_definition(SERVICE);
    for domain in [
        "evil.example",
        "json-provider.example",
        "a.json-provider.example/x",
        "a.json-provider.example#",
        "a.json-provider.example?x",
        "a.json-provider.example:8443",
        "x@a.json-provider.example",
        "a.json-provider.example.evil.example",
        "eviljson-provider.example",
        "..json-provider.example",
        "127.0.0.1",
    ] {
        let mut secrets = service_secrets("canary");
        secrets["domain"] = domain.into();
        assert_eq!(host.put_secrets("shop", &secrets).status, 422, "{domain}");
    }
    let mut secrets = service_secrets("canary");
    secrets["domain"] = "A.JSON-Provider.example".into();
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
}

/// L2: declared ones are shown, sensitive ones masked, anything else not at all, whoever sent it.
#[test]
fn sensitive_secrets_are_masked_and_undeclared_ones_not_shown() {
    let host = with_definition(CODE_FLOW);
    let mut secrets = good();
    for name in ["access_token", "refresh_token", "code", "expires_at", "undeclared"] {
        secrets[name] = json!("canary-2");
    }
    secrets["nested"] = json!({ "list": ["canary-3"] });
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    let shown = json!({
        "domain": "api.query-provider.example",
        "client_id": "id",
        "client_secret": "**********",
        "redirect_uri": "https://postern.example/cb",
        "scope": "admin.read admin.write",
    });
    let view = host.view("shop");
    assert_eq!((&view["secrets"], &view["authorized"]), (&shown, &json!(false)));
    assert_eq!(host.read("shop").status, 409);
}

/// L2: the client secret is masked even where the definition forgets to say that it is sensitive.
#[test]
fn a_client_secret_is_masked_whatever_the_definition_says() {
    let host = with_definition(&CODE_FLOW.replace("      sensitive: true\n", ""));
    assert_eq!(host.put_secrets("shop", &good()).status, 200);
    assert_eq!(host.view("shop")["secrets"]["client_secret"], "**********");
}

/// Tokens never show, neither in the connection nor in its definition.
#[test]
fn tokens_are_not_among_the_shown_secrets() {
    let host = Host::new().with_authorized("shop");
    let view = host.view("shop");
    assert_eq!(view["authorized"], true);
    for text in [view.to_string(), host.as_root("GET", "/connection/shop/saas_config", &Value::Null).text()] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// New secrets end what was got with the old ones: token, and an authorization under way.
#[test]
fn new_secrets_end_tokens_and_authorizations() {
    let host = Host::new().with_authorized("shop");
    let state = host.state("shop");
    assert_eq!(host.put_secrets("shop", &good()).status, 200);
    assert_eq!(host.view("shop")["authorized"], false);
    assert_eq!(host.live("shop").0, 409);
    assert_eq!(host.callback(&format!("state={state}&code=canary-code")).status, 404);
    assert_eq!(host.requests(), 1);
    assert!(!host.memory.state().contains("canary"));
}

/// E8: what is stored of secrets is sealed, for each connection with a key of its own.
#[test]
fn stored_secrets_are_sealed() {
    let host = with_definition(CODE_FLOW);
    let mut secrets = good();
    secrets["undeclared"] = json!("canary-4");
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    let dump = host.memory.state();
    assert!(dump.contains("v1.") && !dump.contains("canary"), "{dump}");
    let first = host.memory.state();
    assert_eq!(host.put_secrets("shop", &secrets).status, 200);
    assert_ne!(host.memory.state(), first, "the same nonce twice");
}

/// L3: what the API shows can be sent back: masks keep what is stored. A PATCH that changes nothing leaves
/// the tokens; a changed value is stored, and they go.
#[test]
fn what_is_shown_can_be_sent_back() {
    for (method, tokens_stay) in [("PUT", false), ("PATCH", true)] {
        let host = Host::new().with_authorized("shop");
        let shown = host.view("shop")["secrets"].clone();
        assert_eq!(shown["client_secret"], "**********");
        let send = |secrets: &Value| host.as_root(method, "/connection/shop/secret", secrets).status;
        assert_eq!((send(&shown), host.view("shop")["authorized"] == true), (200, tokens_stay), "{method}");
        let mut changed = shown.clone();
        changed["client_id"] = "other".into();
        assert_eq!((send(&changed), &host.view("shop")["authorized"]), (200, &json!(false)));
        host.provider_answers([answer(200, &tokens(2))]);
        assert_eq!(host.authorize("shop", "canary-code").status, 200);
        let exchange = host.memory.sent().last().unwrap().clone();
        let (id, secret) = (parameter(&exchange, "client_id"), parameter(&exchange, "client_secret"));
        assert!(id == "other" && secret.starts_with("canary"), "{method}: {id} {secret}");
    }
}

/// PATCH merges over what is stored and judges the whole; null removes; nothing is stored of a refused one.
#[test]
fn some_secrets_can_be_replaced() {
    let host = with_definition(CODE_FLOW);
    let patch = |secrets: Value| host.as_root("PATCH", "/connection/shop/secret", &secrets);
    assert_eq!(patch(json!({"client_id": "id"})).status, 422);
    assert_eq!(host.put_secrets("shop", &good()).status, 200);
    let before = host.memory.state();
    for bad in [json!({"client_id": null}), json!({"client_id": 5}), json!({"undeclared": null, "client_secret": ""})] {
        assert_eq!(patch(bad.clone()).status, 422, "{bad}");
    }
    assert_eq!(patch(json!([])).status, 422);
    assert_eq!(host.memory.state(), before);
    let answer = patch(json!({"client_id": "id-2"}));
    let text = "Secrets updated for ConnectionConfig with key: shop.";
    assert_eq!((answer.status, &answer.json()["msg"]), (200, &json!(text)));
    let view = host.view("shop");
    assert_eq!(
        (&view["secrets"]["client_id"], &view["secrets"]["client_secret"]),
        (&json!("id-2"), &json!("**********"))
    );
}

/// L3: a mask that stands for nothing is no secret.
#[test]
fn a_mask_that_stands_for_nothing_is_refused() {
    let host = with_definition(CODE_FLOW);
    let mut secrets = good();
    secrets["client_secret"] = "**********".into();
    let before = host.memory.state();
    assert_eq!(host.put_secrets("shop", &secrets).issues().1[0].0, "value_error");
    assert_eq!(host.memory.state(), before);
}
