//! The rotation of the credentials that a provider gave: further ones among the secrets of a connection.

use serde_json::{Value, json};

use super::{
    Host, authorized,
    connector_templates::register,
    stage::{CODE_FLOW, SERVICE, answer, parameter, refusal, service_secrets, tokens, unrestricted_service},
};
use crate::protocol::time::Seconds;

/// Where the secrets of `shop` are changed.
const PATH: &str = "/connection/shop/secret?verify=false";

/// A new secret that the provider will take soon, and one with an id of its own.
fn further() -> Value {
    json!([{ "client_secret": "canary-new" }, { "client_id": "other-client", "client_secret": "canary-other" }])
}

/// Secrets of the code flow with this client secret.
fn secrets(client_secret: &str) -> Value {
    json!({ "client_id": "shop-client", "client_secret": client_secret,
        "redirect_uri": "https://postern.example/api/v1/oauth/callback" })
}

/// The same beside further ones.
fn with_further(mut secrets: Value, further: Value) -> Value {
    secrets["provider_credentials"] = further;
    secrets
}

/// An authorized connection whose provider gives the next tokens.
fn authorized_shop() -> Host {
    let host = Host::new().with_authorized("shop");
    host.provider_answers((2..9).map(|number| answer(200, &tokens(number))));
    host
}

/// Sends secrets; says whether the connection is authorized afterwards.
fn send(host: &Host, method: &str, secrets: &Value) -> bool {
    let answer = host.as_root(method, PATH, secrets);
    assert_eq!(answer.status, 200, "{answer:?}");
    host.view("shop")["authorized"] == true
}

/// The secret and the refresh token that the provider was sent last, at a read after the token has expired.
fn renewed_with(host: &Host) -> (String, String) {
    host.wait(3_600);
    assert_eq!(host.read("shop").status, 200);
    let request = host.memory.sent().last().unwrap().clone();
    (parameter(&request, "client_secret"), parameter(&request, "refresh_token"))
}

/// L2, E8: they are in no answer and in no log, not even masked, and stored sealed; the tokens stay.
#[test]
fn further_credentials_are_shown_nowhere() {
    let host = authorized_shop();
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
    let listed = host.as_root("GET", "/connection", &Value::Null);
    let definition = host.as_root("GET", "/connection/shop/saas_config", &Value::Null);
    let audit = host.as_root("GET", "/oauth/audit", &Value::Null);
    let put = host.as_root("PATCH", PATH, &json!({ "provider_credentials": further() }));
    for answer in [listed, definition, audit, put, host.as_root("GET", "/connection/shop", &Value::Null)] {
        assert_eq!(answer.status, 200);
        let seen = format!("{} {}", answer.text(), answer.log);
        for hidden in ["provider_credentials", "canary", "other-client"] {
            assert!(!seen.contains(hidden), "{hidden}: {seen}");
        }
    }
    let dump = host.memory.dump();
    assert!(!dump.contains("canary") && !dump.contains("other-client"), "{dump}");
    host.memory.restart();
    assert_eq!(renewed_with(&host), ("canary-client-secret".to_owned(), "canary-rt-1".to_owned()));
}

/// The whole rotation: the new secret beside the old one, then in its place; the tokens stay throughout, and are
/// renewed with whatever is first.
#[test]
fn a_rotation_of_credentials_keeps_the_tokens() {
    let named = |further: Value| json!({ "provider_credentials": further });
    for (add, replace, with) in [
        (
            ("PATCH", named(further())),
            ("PATCH", json!({ "client_secret": "canary-new", "provider_credentials": null })),
            "canary-new",
        ),
        (("PATCH", named(further())), ("PATCH", json!({ "client_secret": "canary-new" })), "canary-new"),
        (
            ("PATCH", named(further())),
            ("PATCH", json!({ "client_id": "other-client", "client_secret": "canary-other" })),
            "canary-other",
        ),
        (
            ("PUT", with_further(secrets("canary-client-secret"), further())),
            ("PUT", secrets("canary-new")),
            "canary-new",
        ),
        (
            ("PUT", with_further(secrets("**********"), further())),
            ("PUT", with_further(secrets("canary-new"), json!([{ "client_secret": "canary-client-secret" }]))),
            "canary-new",
        ),
    ] {
        let host = authorized_shop();
        assert!(send(&host, add.0, &add.1), "{add:?}");
        assert_eq!(renewed_with(&host), ("canary-client-secret".to_owned(), "canary-rt-1".to_owned()));
        assert!(send(&host, replace.0, &replace.1), "{replace:?}");
        host.memory.restart();
        assert_eq!(renewed_with(&host), (with.to_owned(), "canary-rt-2".to_owned()));
    }
}

/// The same by `PATCH /connection`.
#[test]
fn a_rotation_in_bulk_keeps_the_tokens() {
    let host = authorized_shop();
    for secrets in [
        json!({ "provider_credentials": further() }),
        json!({ "client_secret": "canary-new", "provider_credentials": [] }),
    ] {
        let item = json!({ "key": "shop", "connection_type": "saas", "access": "read", "secrets": secrets });
        let saved = host.as_root("PATCH", "/connection", &json!([item]));
        assert_eq!(saved.json()["succeeded"][0]["authorized"], true, "{saved:?}");
        assert!(!saved.text().contains("provider_credentials"));
    }
    assert_eq!(renewed_with(&host), ("canary-new".to_owned(), "canary-rt-1".to_owned()));
}

/// Null and an empty list take them away, and so does a PUT without them; then the tokens are as dear as ever.
#[test]
fn further_credentials_can_be_removed() {
    let patch = |further: Value| ("PATCH", json!({ "provider_credentials": further }));
    let put = |further: Value| ("PUT", with_further(secrets("canary-client-secret"), further));
    let all = [patch(json!(null)), patch(json!([])), put(json!(null)), put(json!([]))];
    for (method, body) in all.into_iter().chain([("PUT", secrets("canary-client-secret"))]) {
        let host = authorized_shop();
        assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
        assert!(send(&host, method, &body), "{method} {body}");
        assert!(!send(&host, "PATCH", &json!({ "client_secret": "canary-new" })), "{method} {body}");
    }
}

/// Credentials that were not announced end the tokens, and so does whatever else changes.
#[test]
fn unknown_credentials_end_the_tokens_also_beside_further_ones() {
    for changes in [
        json!({ "client_secret": "canary-unknown" }),
        json!({ "client_id": "other-client" }),
        json!({ "client_id": "other-client", "client_secret": "canary-new" }),
        json!({ "client_secret": "canary-unknown", "provider_credentials": [{ "client_secret": "canary-unknown" }] }),
        json!({ "client_secret": "canary-new", "scope": "admin.read" }),
    ] {
        let host = authorized_shop();
        assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
        assert!(!send(&host, "PATCH", &changes), "{changes}");
        assert_eq!(host.live("shop").0, 409);
        assert!(!host.memory.state().contains("access_token"));
    }
}

/// P6: what makes no sense is refused with its place, and nothing is stored.
#[test]
fn further_credentials_that_do_not_fit_are_refused() {
    let host = authorized_shop();
    let before = host.memory.state();
    let one = || json!({ "client_secret": "canary" });
    for (further, kind, place) in [
        (json!({}), "list_type", ""),
        (json!([one(), one(), one(), one()]), "too_long", ""),
        (json!([one(), "canary"]), "model_attributes_type", ",1"),
        (json!([{ "client_id": "x" }]), "missing", r#",0,"client_secret""#),
        (json!([{ "client_secret": ["canary"] }]), "string_type", r#",0,"client_secret""#),
        (json!([{ "client_secret": "canary", "redirect_uri": "x" }]), "extra_forbidden", r#",0,"redirect_uri""#),
    ] {
        for method in ["PATCH", "PUT"] {
            let body = with_further(secrets("canary-client-secret"), further.clone());
            let refused = host.as_root(method, PATH, &body);
            let expected = (422, vec![(kind.to_owned(), format!(r#"["body","provider_credentials"{place}]"#))]);
            assert_eq!(refused.issues(), expected, "{further}");
            assert!(!refused.text().contains("canary"));
        }
    }
    assert_eq!(host.memory.state(), before);
}

/// S11: they must fit the definition as the first do, also where an id is part of the host.
#[test]
fn further_credentials_must_fit_the_definition() {
    let by_options =
        SERVICE.replace("    - name: client_id\n", "    - name: client_id\n      options: [acme, other]\n");
    let by_host = unrestricted_service().replace("host: <domain>", "host: <client_id>.<domain>");
    for (definition, good, bad) in [(&by_options, "other", "canary"), (&by_host, "other", "evil.example/")] {
        assert!(definition.contains("options: [acme") || definition.contains("<client_id>.<domain>"), "{definition}");
        let host = Host::new();
        host.save("shop");
        assert_eq!(host.define("shop", definition).status, 200);
        let put = |id: &str| {
            let further = json!([{ "client_secret": "a" }, { "client_id": id, "client_secret": "b" }]);
            host.put_secrets("shop", &with_further(service_secrets("canary-client-secret"), further))
        };
        let place = r#"["body","provider_credentials",1,"client_id"]"#.to_owned();
        assert_eq!(put(bad).issues(), (422, vec![("value_error".to_owned(), place)]), "{definition}");
        assert_eq!(put(good).status, 200);
    }
}

/// A parameter cannot have their name.
#[test]
fn no_parameter_has_the_name_of_further_credentials() {
    let host = Host::new().with_code_flow("shop");
    let first = "    - name: client_id\n";
    let definition = CODE_FLOW.replacen(first, &format!("    - name: provider_credentials\n{first}"), 1);
    assert_ne!(definition, CODE_FLOW);
    let (status, issues) = host.define("shop", &definition).issues();
    assert_eq!(status, 422);
    assert!(issues.iter().any(|(_, place)| place.contains("connector_params")), "{issues:?}");
}

/// A connection can be made with them.
#[test]
fn a_connection_can_be_made_with_further_credentials() {
    let host = Host::new();
    register(&host, SERVICE);
    let make = |further: Value| {
        let secrets = with_further(service_secrets("canary-client-secret"), further);
        host.as_root(
            "POST",
            "/connection/instantiate/json_provider",
            &json!({ "instance_key": "shop", "key": "shop", "name": "shop", "secrets": secrets }),
        )
    };
    let refused = make(json!([{}]));
    assert_eq!(refused.issues().0, 422);
    assert!(refused.issues().1[0].1.ends_with(r#""secrets","provider_credentials",0,"client_secret"]"#));
    let saved = make(further());
    assert_eq!(saved.status, 200, "{saved:?}");
    assert!(!saved.text().contains("provider_credentials"));
}

/// R6: a renewal that is under way goes on: its answer holds the only good refresh token.
#[test]
fn a_renewal_under_way_outlives_a_rotation() {
    let host = authorized_shop();
    host.wait(3_600);
    let change = json!({ "provider_credentials": further() });
    let patch = authorized("PATCH", &format!("/api/v1{PATH}"), &host.root(), &change);
    let answers = host.send_all(&[host.reading("shop"), patch, host.reading("shop")]);
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((host.live("shop"), host.requests()), ((200, "canary-at-2".to_owned()), 2));
    assert_eq!(renewed_with(&host).1, "canary-rt-2");
}

/// A provider that refused the former credentials is asked again at once.
#[test]
fn a_rotation_ends_the_back_off() {
    let host = Host::new().with_authorized("shop");
    host.provider_answers([refusal(401, "invalid_client"), answer(200, &tokens(2))]);
    host.wait(3_600);
    assert_eq!((host.live("shop").0, host.live("shop").0, host.requests()), (502, 502, 2));
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
    assert_eq!((host.live("shop"), host.requests()), ((200, "canary-at-2".to_owned()), 3));
}

/// A provider that takes this client secret only, for the n-th tokens.
fn takes(host: &Host, secret: &'static str) {
    let number = std::cell::Cell::new(1);
    host.memory.provider(move |request| {
        if parameter(request, "client_secret") != secret {
            return refusal(401, "invalid_client");
        }
        number.set(number.get() + 1);
        answer(200, &tokens(number.get()))
    });
}

/// The whole rotation as the provider sees it: when it ends the old secret, the next one is tried with the same refresh
/// token and comes first from then on; when that one takes the place of the first, it is sent alone.
#[test]
fn the_next_credentials_are_tried_when_the_provider_refuses_the_first() {
    let host = Host::new().with_authorized("shop");
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
    takes(&host, "canary-new");
    for (requests, refresh_token) in [(3, "canary-rt-1"), (4, "canary-rt-2")] {
        assert_eq!(renewed_with(&host), ("canary-new".to_owned(), refresh_token.to_owned()));
        assert_eq!(host.requests(), requests);
        host.memory.restart();
    }
    assert!(send(&host, "PATCH", &json!({ "client_secret": "canary-new", "provider_credentials": null })));
    assert_eq!(renewed_with(&host), ("canary-new".to_owned(), "canary-rt-3".to_owned()));
    assert_eq!(host.requests(), 5);
}

/// Each of the same client is tried once; when all are refused, the operator must act, and the tokens stay.
#[test]
fn credentials_that_are_all_refused_stop_the_integration() {
    let host = Host::new().with_authorized("shop");
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
    takes(&host, "canary-announced-by-nobody");
    host.wait(3_600);
    assert_eq!((host.live("shop").0, host.requests()), (502, 3));
    let sent = host.memory.sent();
    let of = |name| sent[1..].iter().map(|request| parameter(request, name)).collect::<Vec<_>>();
    assert_eq!(of("client_secret"), ["canary-client-secret", "canary-new"]);
    assert_eq!(of("client_id"), ["shop-client", "shop-client"]);
    let view = host.view("shop");
    assert_eq!((&view["authorized"], &view["refresh"]["state"]), (&json!(true), &json!("stopped")));
}

/// Credentials of the same client are tried one after the other within four seconds, and none is begun later: whoever
/// waits for a token waits for no more than that and one answer. The last refusal is what is said; the next time begins
/// with those that are left, so that all get their turn.
#[test]
fn no_further_credentials_are_tried_of_a_provider_that_refuses_slowly() {
    let further: Vec<Value> = ["b", "c", "d"].map(|name| json!({ "client_secret": format!("canary-{name}") })).into();
    for (seconds, turns) in [(0, vec![]), (1, vec![]), (2, vec![2]), (3, vec![2]), (4, vec![1, 1, 1])] {
        let host = Host::new().with_authorized("shop");
        assert!(send(&host, "PATCH", &json!({ "provider_credentials": further })));
        takes(&host, "canary-d");
        host.memory.provider_takes(Seconds(seconds));
        let mut asked = host.requests();
        for turn in turns {
            host.wait(40_000);
            asked += turn;
            assert_eq!((host.live("shop").0, host.requests()), (502, asked), "{seconds}");
            let refresh = host.view("shop")["refresh"].clone();
            assert_eq!((&refresh["state"], &refresh["error"]), (&json!("stopped"), &json!("invalid_client")));
        }
        host.wait(40_000);
        assert_eq!((host.live("shop").0, host.requests()), (200, 5), "{seconds}");
    }
    // The code of a person, too.
    let host = Host::new().with_authorized("shop");
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further })));
    takes(&host, "canary-d");
    host.memory.provider_takes(Seconds(3));
    assert_eq!((host.authorize("shop", "canary-code-2").status, host.requests()), (400, 3));
}

/// What the provider refuses otherwise is nothing that other credentials could mend.
#[test]
fn another_refusal_tries_no_further_credentials() {
    let host = Host::new().with_authorized("shop");
    assert!(send(&host, "PATCH", &json!({ "provider_credentials": further() })));
    host.provider_answers([refusal(400, "invalid_grant")]);
    host.wait(3_600);
    assert_eq!((host.live("shop").0, host.requests()), (409, 2));
}
