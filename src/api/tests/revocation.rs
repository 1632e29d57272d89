//! How a token ends: by the clock, by what became of its client, by another root secret.

use serde_json::{Value, json};

use super::{Answered, Host};
use crate::protocol::time::Seconds;

/// Reads the list of scopes.
fn read(host: &Host, token: &str) -> u16 {
    host.call(token, "GET", "/oauth/scope", &Value::Null).status
}

/// Replaces the scopes of a client as root.
fn replace(host: &Host, id: &str, scopes: &[&str]) -> Answered {
    host.as_root("PUT", &format!("/oauth/client/{id}/scope"), &json!(scopes))
}

/// J9: no leeway, also for a token whose signature was checked before.
#[test]
fn a_token_ends_on_the_second() {
    let host = Host::with(&[("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", "1")]);
    let (known, fresh) = (host.root_token(), host.root_token());
    assert_eq!(read(&host, &known), 200);
    host.memory.advance(Seconds(59));
    assert_eq!((read(&host, &known), read(&host, &fresh)), (200, 200));
    host.memory.advance(Seconds(1));
    assert_eq!((read(&host, &known), read(&host, &fresh)), (401, 401));
}

/// J17: a lost scope is refused for that scope only, at once; given back, it works again.
#[test]
fn a_lost_scope_is_refused_and_the_others_stay() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read", "connection:read"]);
    let token = host.token(&id, &secret);
    assert_eq!(read(&host, &token), 200);
    assert_eq!(replace(&host, &id, &["connection:read"]).status, 200);
    let refused = host.call(&token, "GET", "/oauth/scope", &Value::Null);
    assert!(refused.header("www-authenticate").contains("insufficient_scope"), "{refused:?}");
    assert_eq!(host.call(&token, "GET", "/connection", &Value::Null).status, 200);
    assert_eq!(replace(&host, &id, &["scope:read"]).status, 200);
    assert_eq!(read(&host, &token), 200);
}

/// J17: a scope that the client gained is not in an older token.
#[test]
fn a_gained_scope_needs_a_new_token() {
    let host = Host::new();
    let (id, secret) = host.client(&[]);
    let token = host.token(&id, &secret);
    assert_eq!(replace(&host, &id, &["scope:read"]).status, 200);
    assert_eq!((read(&host, &token), read(&host, &host.token(&id, &secret))), (403, 200));
}

/// J17, R4: the tokens of a deleted client are dead at once.
#[test]
fn a_deleted_client_takes_its_tokens_along() {
    let host = Host::new();
    let (id, secret) = host.client(&["scope:read"]);
    let token = host.token(&id, &secret);
    assert_eq!(read(&host, &token), 200);
    assert_eq!(host.as_root("DELETE", &format!("/oauth/client/{id}"), &Value::Null).status, 200);
    let refused = host.call(&token, "GET", "/oauth/scope", &Value::Null);
    assert_eq!(refused.detail(), (401, "Not Authorized for this action".into()));
    assert!(refused.header("www-authenticate").contains("invalid_token"));
}

/// J17 for reads of provider tokens: an admission may be as old as the setting says, and not a second older.
#[test]
fn token_reads_notice_a_deleted_client_within_the_lag() {
    for (lag, late) in [("10", 10), ("0", 0)] {
        let host = Host::with(&[("REVOCATION_LAG_SECONDS", lag)]).with_service("shop");
        let (id, secret) = host.client(&["connection_token:read", "scope:read"]);
        let token = host.token(&id, &secret);
        let read_token = || host.call(&token, "GET", "/connection/shop/access_token", &Value::Null).status;
        assert_eq!(read_token(), 200);
        assert_eq!(host.as_root("DELETE", &format!("/oauth/client/{id}"), &Value::Null).status, 200);
        assert_eq!(read(&host, &token), 401);
        if late > 0 {
            host.memory.advance(Seconds(late - 1));
            assert_eq!(read_token(), 200);
            host.memory.advance(Seconds(1));
        }
        assert_eq!(read_token(), 401, "{lag}");
    }
}

/// J17, J19: a read within the lag needs no registry; one after it does, and fails closed.
#[test]
fn token_reads_outlive_a_broken_registry_for_the_lag_only() {
    let host = Host::new().with_service("shop");
    let token = host.caller(&["connection_token:read"]);
    assert_eq!(host.call(&token, "GET", "/connection/shop/access_token", &Value::Null).status, 200);
    host.memory.clients.break_storage();
    for (wait, status) in [(9, 200), (1, 503)] {
        host.memory.advance(Seconds(wait));
        assert_eq!(host.call(&token, "GET", "/connection/shop/access_token", &Value::Null).status, status);
    }
}

/// The admission of one route is none for another: a token without `connection_token:read` reads no token.
#[test]
fn an_admission_counts_for_token_reads_only() {
    let host = Host::new().with_service("shop");
    let token = host.caller(&["scope:read"]);
    assert_eq!(read(&host, &token), 200);
    assert_eq!(host.call(&token, "GET", "/connection/shop/access_token", &Value::Null).status, 403);
}

/// A root client with another secret, or another id: the tokens of the former one are dead.
#[test]
fn another_root_secret_ends_the_tokens_of_the_former() {
    let former = Host::new().root_token();
    for change in [("OAUTH_ROOT_CLIENT_SECRET", "another-canary"), ("OAUTH_ROOT_CLIENT_ID", "another-root")] {
        assert_eq!(read(&Host::with(&[change]), &former), 401, "{change:?}");
    }
    assert_eq!(read(&Host::new(), &former), 200);
}
