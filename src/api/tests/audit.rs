//! The audit log and the failure budgets, over the API.

use serde_json::{Value, json};

use super::{Answered, Host, authorized, form, token_request::TOKEN, with_header};
use crate::{
    api::Body,
    authorization_server::failure_budget::{CLIENT_BUDGET, NETWORK_BUDGET},
    protocol::{address::ClientAddress, time::Seconds},
};

/// A request from an address.
fn from(mut request: http::Request<Body>, address: &str) -> http::Request<Body> {
    request.extensions_mut().insert(ClientAddress::parse(address).unwrap());
    request
}

/// Asks for a token from an address.
fn sign_in(host: &Host, address: &str, id: &str, secret: &str) -> Answered {
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    host.send(&from(form(TOKEN, &body), address))
}

/// The audit log without what is the same for all, newest first.
fn log(host: &Host) -> Vec<Value> {
    let page = host.as_root("GET", "/oauth/audit?size=100", &Value::Null).json();
    page["items"].as_array().unwrap().clone()
}

/// C18: create, update, rotate, delete, refused: a row each, with actor, target, scope delta, request id and address.
#[test]
fn what_is_done_to_clients_is_written_down() {
    let host = Host::new();
    let root = host.root();
    let send = |method: &str, path: &str, body: Value| {
        let request = authorized(method, &format!("/api/v1/oauth/client{path}"), &root, &body);
        let request = with_header(request, "x-request-id", format!("{method}-1").as_bytes());
        host.send(&from(request, "192.0.2.7"))
    };
    let id = send("POST", "", json!(["policy:read"])).json()["client_id"].as_str().unwrap().to_owned();
    send("PUT", &format!("/{id}/scope"), json!(["rule:read"]));
    send("POST", &format!("/{id}/secret"), json!({"revoke_tokens": true}));
    send("DELETE", &format!("/{id}"), Value::Null);
    let weak = host.caller(&[]);
    host.send(&from(authorized("GET", "/api/v1/oauth/scope", &weak, &Value::Null), "192.0.2.8"));
    let rows = log(&host);
    let expected = |row: &Value, action: &str, added: Value, removed: Value, method: &str| {
        let text = json!({"action": action, "actor": "root-id", "target": id, "scopes_added": added,
            "scopes_removed": removed, "request_id": format!("{method}-1"), "address": "192.0.2.7",
            "changed": if method == "PUT" { json!(["scopes"]) } else { json!([]) }, "reason": null, "count": 1,
            "id": row["id"], "at": "2023-11-14T22:13:20Z"});
        assert_eq!(row, &text);
    };
    let own: Vec<&Value> = rows.iter().filter(|row| row["target"] == id.as_str()).collect();
    expected(own[0], "client.delete", json!([]), json!(["rule:read"]), "DELETE");
    expected(own[1], "client.revoke", json!([]), json!([]), "POST");
    expected(own[2], "client.update", json!(["rule:read"]), json!(["policy:read"]), "PUT");
    expected(own[3], "client.create", json!(["policy:read"]), json!([]), "POST");
    let denied = &rows[0];
    assert_eq!((&denied["action"], &denied["reason"]), (&json!("denied"), &json!("insufficient_scope")));
    assert_eq!((&denied["address"], &denied["count"]), (&json!("192.0.2.8"), &json!(1)));
    assert!(rows.iter().any(|row| row["action"] == "root.token" && row["actor"] == "root-id"));
}

/// C18: wrong credentials are written down under the client's name, those of nobody without one.
#[test]
fn wrong_credentials_are_written_down() {
    let host = Host::new();
    let (id, _) = host.client(&[]);
    for who in [id.as_str(), "root-id", "made-up", "made-up-too"] {
        assert_eq!(sign_in(&host, "192.0.2.9", who, "canary-wrong").status, 401);
    }
    let rows = log(&host);
    let denied: Vec<&Value> = rows.iter().filter(|row| row["action"] == "denied").collect();
    assert!(denied.iter().all(|row| row["reason"] == "authentication_failed"));
    let count = |actor: &Value| {
        let own = denied.iter().filter(|row| row["actor"] == *actor);
        own.map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!([&json!(null), &json!("root-id"), &json!(id)].map(count), [2, 1, 1]);
    assert!(!host.memory.dump().contains("made-up"));
}

/// The log is read by pages, newest first, with `audit:read` alone, and forgotten after its time by the cron (R8).
#[test]
fn the_audit_log_is_paged_guarded_and_forgotten() {
    let host = Host::with(&[("AUDIT_RETENTION_DAYS", "1")]);
    let reader = host.caller(&["audit:read"]);
    let page = |query: &str| host.call(&reader, "GET", &format!("/oauth/audit{query}"), &Value::Null).json();
    let first = page("?size=2");
    assert_eq!((&first["total"], &first["pages"], first["items"].as_array().unwrap().len()), (&json!(2), &json!(1), 2));
    assert!(first["items"][0]["id"].as_u64() > first["items"][1]["id"].as_u64());
    assert_eq!(host.call(&host.caller(&["client:read"]), "GET", "/oauth/audit", &Value::Null).status, 403);
    host.memory.advance(Seconds(86_401));
    let before = host.memory.clients.rows().1;
    assert!(before > 2);
    assert_eq!((host.tick()["pruned"].as_u64(), host.memory.clients.rows().1), (Some(before as u64), 0));
}

/// T36: a thousand wrong secrets for one client from many addresses: most are answered 429 without being looked at; the
/// right secret from an address without failures works all the time.
#[test]
fn nobody_can_guess_for_long_or_lock_a_client_out() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read"]);
    let mut refused = 0;
    for number in 0..1000 {
        let answer = sign_in(&host, &format!("10.1.0.{}", number % 100), &id, "wrong");
        refused += u32::from(answer.status == 401);
        if answer.status == 429 {
            assert_eq!(
                (answer.header("retry-after"), &answer.json()["error"]),
                ("300", &json!("temporarily_unavailable"))
            );
        }
        assert!(matches!(answer.status, 401 | 429));
    }
    // The budget, then one look for each address that has not failed yet.
    assert_eq!(refused, 100);
    assert_eq!(sign_in(&host, "10.1.0.1", &id, &secret).status, 429);
    assert_eq!(sign_in(&host, "192.0.2.1", &id, &secret).status, 200);
    host.memory.advance(Seconds(300));
    assert_eq!(sign_in(&host, "10.1.0.1", &id, &secret).status, 200);
}

/// T37: a thousand client ids from one address: 429 by address, also for the root client; other addresses go on.
#[test]
fn an_address_that_tries_everybody_waits() {
    let host = Host::new();
    let statuses: Vec<u16> = (0..1000).map(|n| sign_in(&host, "2001:db8::1", &format!("c{n}"), "x").status).collect();
    let budget = usize::try_from(NETWORK_BUDGET).unwrap();
    assert!(statuses[..budget].iter().all(|status| *status == 401));
    assert!(statuses[budget..].iter().all(|status| *status == 429));
    for (address, status) in
        [("2001:db8::2", 429), ("2001:db8:0:ff::1", 429), ("2001:db8:0:100::1", 200), ("192.0.2.1", 200)]
    {
        assert_eq!(sign_in(&host, address, "root-id", "root-secret").status, status, "{address}");
    }
}

/// T36, T37: who has to wait cannot go on guessing the root secret: not by a request either that root itself is
/// refused.
#[test]
fn who_waits_learns_nothing_about_the_root_secret() {
    let host = Host::new();
    (0..NETWORK_BUDGET).for_each(|n| drop(sign_in(&host, "192.0.2.1", &format!("c{n}"), "x")));
    let before = host.memory.state();
    for more in ["&scope=no%3Asuch", "&resource=https%3A%2F%2Fother.example", ""] {
        let ask = |secret: &str| sign_in(&host, "192.0.2.1", "root-id", &format!("{secret}{more}")).visible();
        let (right, wrong) = (ask("root-secret"), ask("wrong"));
        assert_eq!(right.0, 429, "{more}");
        assert_eq!(right, wrong, "{more}");
    }
    assert_eq!(host.memory.state(), before);
}

/// C16: the introspection and revocation endpoints spend the same budgets.
#[test]
fn guessing_elsewhere_spends_the_same_budget() {
    let host = Host::new();
    let (id, secret) = host.client(&[]);
    let ask = |path: &str| {
        let body = format!("token=x&client_id={id}&client_secret=wrong");
        host.send(&from(form(&format!("/api/v1/oauth/{path}"), &body), "192.0.2.1")).status
    };
    let statuses: Vec<u16> =
        (0..CLIENT_BUDGET).map(|n| ask(if n % 2 == 0 { "introspect" } else { "revoke" })).collect();
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!((ask("introspect"), ask("revoke")), (429, 429));
    assert_eq!(sign_in(&host, "192.0.2.1", &id, &secret).status, 429);
}

/// T13, M1: a client that does not exist waits like one that does: nobody learns which ids exist.
#[test]
fn unknown_clients_have_budgets_too() {
    let host = Host::new();
    let (id, _) = host.client(&[]);
    let ask = |who: &str| (0..=CLIENT_BUDGET).map(|_| sign_in(&host, "192.0.2.1", who, "wrong").visible()).collect();
    let (known, unknown): (Vec<_>, Vec<_>) = (ask(&id), ask("nobody"));
    assert_eq!(known, unknown);
    assert_eq!(known.last().unwrap().0, 429);
}

/// R8: the sweep from outside, for deployments without cron, forgets what has expired too.
#[test]
fn the_sweep_from_outside_forgets_too() {
    let host = Host::with(&[("AUDIT_RETENTION_DAYS", "1")]);
    host.client(&[]);
    host.memory.advance(Seconds(2 * 86_400));
    let root = host.root();
    assert_eq!(host.call(&root, "POST", "/sweep", &Value::Null).status, 200);
    // Only the row about this root token is young.
    assert_eq!(host.memory.clients.rows().1, 1);
}
