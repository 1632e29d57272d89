//! Revocation, introspection, assertions.

use super::*;
use crate::protocol::jwk::JwkSet;

/// An Ed25519 key set and its thumbprint.
fn keys() -> (JwkSet, String) {
    let keys = serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    let jwks = JwkSet::read(&keys, &[]).unwrap();
    let thumbprint = jwks.keys().next().unwrap().thumbprint();
    (jwks, thumbprint)
}

/// C15: a client gives up its own token, not another's; what is none of ours is as good as revoked.
#[test]
fn a_token_is_revoked_by_its_own_client_only() {
    let (registry, store) = registry();
    let revoke = |id: &str, token: Option<Caller>| {
        let (proof, errand) =
            (Proof::Secret(SecretDigest::of(id)), Errand::Revoke(token.map(|token| (token, NOW.plus(Seconds(60))))));
        registry.execute(NOW, RegistryRequest::Authenticate(attempt(id, "n"), proof, errand)).unwrap()
    };
    let token = || caller("strong", "a");
    assert_eq!(revoke("weak", Some(token())), RegistryReply::NotYours);
    assert_eq!(act_as(&registry, token(), "a", Action::Admit), RegistryReply::Done);
    assert_eq!(revoke("strong", None), RegistryReply::Done);
    for _ in 0..2 {
        assert_eq!(revoke("strong", Some(token())), RegistryReply::Done);
        assert_eq!(act_as(&registry, token(), "a", Action::Admit), RegistryReply::TokenUnusable);
    }
    let other = Caller { jti: "another".to_owned(), ..token() };
    assert_eq!(act_as(&registry, other, "a", Action::Admit), RegistryReply::Done);
    let revoked = log(&store).into_iter().filter(|(action, _)| action == "token.revoke").count();
    assert_eq!((revoked, store.rows().2), (1, 1));
    assert_eq!(act_as(&Registry::new(store), token(), "a", Action::Admit), RegistryReply::TokenUnusable);
}

/// C15, C18: a revocation that could not be stored leaves neither mark nor row, and no later one is written over
/// another row.
#[test]
fn a_revocation_that_was_not_stored_left_nothing() {
    let (registry, store) = registry();
    let revoke = |jti: &str| {
        let token = Caller { jti: jti.to_owned(), ..caller("strong", "a") };
        let errand = Errand::Revoke(Some((token, NOW.plus(Seconds(60)))));
        let proof = Proof::Secret(SecretDigest::of("strong"));
        registry.execute(NOW, RegistryRequest::Authenticate(attempt("strong", "n"), proof, errand))
    };
    let before = store.dump();
    store.break_transactions();
    assert!(revoke("one").is_err());
    store.mend_storage();
    assert_eq!(store.dump(), before);
    assert_eq!(act_as(&registry, caller("strong", "a"), "a", Action::Admit), RegistryReply::Done);
    sign_in(&registry, "weak", "x");
    revoke("two").unwrap();
    let expected = [("token.revoke", ""), ("denied", "authentication_failed")];
    assert_eq!(log(&store), expected.map(|(action, reason)| (action.to_owned(), reason.to_owned())));
    assert_eq!(rows(&store)[0]["count"], 1);
}

/// C15: own tokens every client may ask about, those of others with `token:introspect`; the scope is what is left of
/// it.
#[test]
fn a_token_is_known_to_its_client_and_to_introspectors() {
    let (registry, _) = registry();
    registry.clients.insert(&client("inspector", "token:introspect")).unwrap();
    let ask = |proof: Proof, id: &str, token: Caller| {
        let request = RegistryRequest::Authenticate(attempt(id, "n"), proof, Errand::Introspect(Some(token)));
        registry.execute(NOW, request).unwrap()
    };
    let secret = |id: &str| Proof::Secret(SecretDigest::of(id));
    let token = || caller("strong", "a b");
    let active = RegistryReply::Active(scope("a b"));
    assert_eq!(ask(secret("strong"), "strong", token()), active);
    assert_eq!(ask(secret("inspector"), "inspector", token()), active);
    assert_eq!(ask(Proof::Root(true), "root", token()), active);
    assert_eq!(ask(secret("weak"), "weak", token()), RegistryReply::Inactive);
    assert_eq!(ask(Proof::Root(false), "root", token()), RegistryReply::NotAuthenticated);
    assert_eq!(ask(secret("strong"), "strong", Caller { epoch: 2, ..token() }), RegistryReply::Inactive);
    registry.clients.update(&client("strong", "b")).unwrap();
    assert_eq!(ask(secret("strong"), "strong", token()), RegistryReply::Active(scope("b")));
}

/// J21, J22, J23: an assertion works once, by a key that the client still has, and is remembered until it is over.
#[test]
fn an_assertion_works_once() {
    let (registry, store) = registry();
    let (jwks, thumbprint) = keys();
    registry.clients.insert(&Client { jwks: Some(jwks), ..client("signer", "a") }).unwrap();
    let use_at = |now: UnixSeconds, thumbprint: &str, replay_key: &str| {
        let (thumbprint, replay_key) = (thumbprint.to_owned(), replay_key.to_owned());
        let used = AssertionUse { thumbprint, replay_key, marker_until: NOW.plus(Seconds(60)) };
        let attempt = attempt("signer", "n");
        let request = RegistryRequest::Authenticate(attempt, Proof::Assertion(Some(used)), Errand::Token);
        matches!(registry.execute(now, request).unwrap(), RegistryReply::Authenticated(_))
    };
    assert!(!use_at(NOW, "another", "one"));
    assert!(use_at(NOW, &thumbprint, "one"));
    assert!(!use_at(NOW, &thumbprint, "one"));
    assert!(use_at(NOW, &thumbprint, "two"));
    assert!(!use_at(NOW.plus(Seconds(59)), &thumbprint, "one"));
    let prune = |now| registry.execute(now, RegistryRequest::Prune(UnixSeconds(0))).unwrap();
    assert_eq!(prune(NOW.plus(Seconds(59))), RegistryReply::Pruned(0));
    assert_eq!(prune(NOW.plus(Seconds(60))), RegistryReply::Pruned(2));
    assert_eq!(store.rows().2, 0);
}

/// J22, J23: an assertion that arrives at the object when its mark would be over works no second time.
#[test]
fn an_assertion_is_over_with_its_mark() {
    let (registry, _) = registry();
    let (jwks, thumbprint) = keys();
    registry.clients.insert(&Client { jwks: Some(jwks), ..client("signer", "a") }).unwrap();
    let use_at = |now: UnixSeconds| {
        let used = AssertionUse { thumbprint: thumbprint.clone(), replay_key: "one".to_owned(), marker_until: NOW };
        let request =
            RegistryRequest::Authenticate(attempt("signer", "n"), Proof::Assertion(Some(used)), Errand::Token);
        matches!(registry.execute(now, request).unwrap(), RegistryReply::Authenticated(_))
    };
    assert!(use_at(NOW.minus(Seconds(60))));
    let replays = (0..3).filter(|_| use_at(NOW)).count();
    assert_eq!(replays, 0);
}

/// A revoked token stays dead for an isolate whose clock is a second behind the object's.
#[test]
fn a_revoked_token_stays_dead_for_a_slow_clock() {
    let (registry, _) = registry();
    let token = || caller("strong", "a");
    let errand = Errand::Revoke(Some((token(), NOW.plus(Seconds(10)))));
    let proof = Proof::Secret(SecretDigest::of("strong"));
    registry.execute(NOW, RegistryRequest::Authenticate(attempt("strong", "n"), proof, errand)).unwrap();
    registry.execute(NOW.plus(Seconds(10)), RegistryRequest::Prune(UnixSeconds(0))).unwrap();
    // The guard of another isolate still says: not expired.
    assert_eq!(act_as(&registry, token(), "a", Action::Admit), RegistryReply::TokenUnusable);
}
