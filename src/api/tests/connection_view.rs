//! What only a connection's own route shows of it.

use serde_json::{Value, json};

use super::{
    Host,
    stage::{CODE_FLOW, answer, tokens},
};

/// The connection as its own route shows it.
fn shown(host: &Host) -> Value {
    host.as_root("GET", "/connection/shop", &Value::Null).json()
}

/// `system_key` is the name, since there are no systems; the list does not have it.
#[test]
fn the_name_stands_for_the_system() {
    let host = Host::new();
    let save = |item: Value| host.as_root("PATCH", "/connection", &json!([item])).json()["succeeded"][0].take();
    let saved = save(json!({ "key": "shop", "connection_type": "saas", "access": "read" }));
    assert_eq!((shown(&host).get("system_key"), saved.get("system_key")), (Some(&Value::Null), None));
    save(json!({ "key": "shop", "name": "My Shop", "connection_type": "saas", "access": "read" }));
    assert_eq!(shown(&host)["system_key"], "My Shop");
    let list = host.as_root("GET", "/connection", &Value::Null).json();
    assert_eq!(list["items"][0].get("system_key"), None);
}

/// K16: fewer scopes than were asked for are told, those that are missing by name; the grant is kept as it is.
#[test]
fn scopes_that_were_not_granted_are_shown() {
    for (granted, missing) in [
        (json!("admin.read"), Some(json!(["admin.write"]))),
        (json!("other"), Some(json!(["admin.read", "admin.write"]))),
        (json!("admin.write admin.read more"), None),
        (Value::Null, None),
    ] {
        let host = Host::new().with_code_flow("shop");
        let mut given = tokens(1);
        given["scope"] = granted.clone();
        host.provider_answers([answer(200, &given)]);
        assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
        assert_eq!(shown(&host).get("missing_scopes"), missing.as_ref(), "{granted}");
        assert_eq!(host.live("shop"), (200, "canary-at-1".to_owned()));
        host.memory.restart();
        assert_eq!(shown(&host).get("missing_scopes"), missing.as_ref(), "{granted}");
    }
}

/// K16: a definition that asks for more than the one before: what the grant has not got is told.
#[test]
fn a_definition_that_wants_more_shows_what_is_missing() {
    let host = Host::new().with_code_flow("shop");
    let mut given = tokens(1);
    given["scope"] = "admin.read admin.write".into();
    host.provider_answers([answer(200, &given)]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    assert_eq!(shown(&host).get("missing_scopes"), None);
    let more = CODE_FLOW.replace("value: <scope>", "value: <scope> billing");
    assert_eq!(host.define("shop", &more).status, 200);
    assert_eq!(shown(&host)["missing_scopes"], json!(["billing"]));
    let none = CODE_FLOW.replace("            - name: scope\n              value: <scope>\n", "");
    assert_eq!(host.define("shop", &none).status, 200);
    assert_eq!(shown(&host).get("missing_scopes"), None);
}
