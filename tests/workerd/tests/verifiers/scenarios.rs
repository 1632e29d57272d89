//! What every resource server must live through, whatever library checks its tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use workerd_tests::{APP_ENCRYPTION_KEY, Clock, Request};

use crate::common;
use crate::deployment::{Deployment, LIFE, NEXT_KEY, RESOURCE, schedule, setup, with_keys};
use crate::forged::{Original, claims};
use crate::keys::Key;
use crate::verifier::{Library, Refusal, Verifier, challenge};

/// More than any library grants to clocks that differ, in seconds.
const LEEWAY: i64 = 61;

/// Longer than any library keeps keys, in seconds.
const KEPT: i64 = 601;

/// The claims of RFC 9068 §2.2 arrive as they were granted, at the resource server that the token is for and no other.
pub(crate) fn tokens_are_accepted_by_those_they_are_for(library: Library) {
    let clock = Clock::new();
    let deployment = Deployment::start(&clock, setup(&clock));
    let (issuer, id) = (deployment.postern.url(), deployment.client.id.clone());
    let (own, meant) = (deployment.token(), deployment.token_for_resource());
    for (audience, token, other) in [(issuer.as_str(), &own, &meant), (RESOURCE, &meant, &own)] {
        let mut verifier = Verifier::start(library, &clock, &issuer, audience);
        let claims = verifier.accept(token);
        let stated = ["iss", "aud", "sub", "client_id", "scope"].map(|name| &claims[name]);
        assert_eq!(stated, [&json!(issuer), &json!(audience), &json!(id), &json!(id), &json!("scope:read")]);
        let [begin, end] = ["iat", "exp"].map(|name| claims[name].as_i64().unwrap_or_default());
        assert!((clock.now() - 60..=clock.now()).contains(&begin), "{claims}");
        assert_eq!(end - begin, LIFE);
        assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()), "{claims}");
        verifier.refuse(other, library.words(Refusal::Audience));
    }
    // And our own guard: a token for a resource server is none for us.
    drop(deployment.postern.get("/api/v1/oauth/scope").bearer(&meant).send().expect_status(401));
    drop(deployment.postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
}

/// Each forgery is refused for its own reason, and the original is good before and after.
pub(crate) fn forged_tokens_are_refused(library: Library) {
    let clock = Clock::new();
    let deployment = Deployment::scheduled(&clock, &[(Some(1), 0, 0, None)]);
    let (issuer, key) = (deployment.postern.url(), Key::ed25519(1));
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    let key_id = deployment.key_id(&key);
    let original = Original { key: &key, key_id: &key_id, claims: claims(&issuer, clock.now()) };
    verifier.accept(&original.token());
    let mut faults = Vec::new();
    for (forgery, token, refusal) in original.forgeries(&Key::ed25519(2)) {
        if refusal == Refusal::Type && !library.checks_type() {
            continue;
        }
        match verifier.verify(&token) {
            Err(words) if words.contains(library.words(refusal)) => {}
            other => faults.push(format!("{forgery}: {other:?}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    verifier.accept(&original.token());
}

/// The same issuer and audience, another application key: another signing key.
pub(crate) fn a_token_of_another_deployment_is_refused(library: Library) {
    let clock = Clock::new();
    let deployment = Deployment::start(&clock, setup(&clock));
    let issuer = deployment.postern.url();
    let twin = setup(&clock).set("PUBLIC_URL", &issuer).set("APP_ENCRYPTION_KEY", NEXT_KEY);
    let twin = Deployment::start(&clock, twin);
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    verifier.accept(&deployment.token());
    let foreign = twin.token();
    assert_eq!(unverified(&foreign, 1)["iss"], json!(issuer));
    verifier.refuse(&foreign, library.words(Refusal::UnknownKey));
}

/// The verifier lives by the machine's clock, Postern in the past: its tokens are as old as that makes them.
pub(crate) fn a_token_is_good_for_its_lifetime(library: Library) {
    let [clock, past] = [Clock::new(), Clock::new()];
    let deployment = Deployment::start(&past, setup(&past));
    let issuer = deployment.postern.url();
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    past.advance(60 - LIFE);
    verifier.accept(&deployment.token());
    past.advance(-60 - LEEWAY);
    verifier.refuse(&deployment.token(), library.words(Refusal::Expired));
    past.advance(LIFE + LEEWAY);
    verifier.accept(&deployment.token());
}

/// One verifier through all of it: its kept keys grow old, so it has the new one before that signs, and needs nobody
/// then.
pub(crate) fn a_planned_rotation_loses_no_token(library: Library) {
    let clock = Clock::new();
    let begin = clock.now();
    let [publish, sign] = [begin + 1_000, begin + 1_400];
    let retire = sign + LIFE + 600;
    let mut deployment =
        Deployment::scheduled(&clock, &[(Some(1), 0, 0, Some(retire)), (Some(2), publish, sign, None)]);
    let issuer = deployment.postern.url();
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    let by_old = deployment.token();
    verifier.accept(&by_old);
    deployment.until(publish + 1);
    verifier.accept(&by_old);
    deployment.until(sign - 60);
    let late = deployment.token();
    assert_eq!(signer(&late), signer(&by_old));
    verifier.accept(&late);
    deployment.until(sign + 1);
    let by_new = deployment.token();
    assert_ne!(signer(&by_new), signer(&by_old));
    deployment.postern.kill();
    for token in [&by_new, &late, &by_old] {
        verifier.accept(token);
    }
    deployment.postern.kill_and_restart();
    deployment.until(sign + LIFE - 120);
    verifier.accept(&late);
    deployment.until(sign + LIFE + LEEWAY);
    if library.has_the_clock() {
        verifier.refuse(&late, library.words(Refusal::Expired));
    }
    deployment.until(retire + KEPT);
    verifier.refuse(&late, library.words(Refusal::UnknownKey));
    verifier.accept(&deployment.token());
}

/// The verifier has fetched just before the key was published, and meets its first token while it keeps the others.
pub(crate) fn an_unknown_key_is_fetched(library: Library) {
    let clock = Clock::new();
    let begin = clock.now();
    let [publish, sign] = [begin + 200, begin + 260];
    let deployment = Deployment::scheduled(&clock, &[(Some(1), 0, 0, None), (Some(2), publish, sign, None)]);
    let issuer = deployment.postern.url();
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    let by_old = deployment.token();
    deployment.until(publish - 60);
    verifier.accept(&by_old);
    deployment.until(sign + 1);
    let by_new = deployment.token();
    assert_ne!(signer(&by_new), signer(&by_old));
    verifier.accept(&by_new);
    verifier.accept(&by_old);
}

/// The derived key signs on until the new one, which is published beside it, takes over.
pub(crate) fn a_move_to_own_keys_loses_no_token(library: Library) {
    let clock = Clock::new();
    let mut deployment = Deployment::start(&clock, setup(&clock));
    let issuer = deployment.postern.url();
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    let by_derived = deployment.token();
    verifier.accept(&by_derived);
    let sign = clock.now() + 400;
    let retire = sign + LIFE;
    let keys = schedule(&[(None, 0, 0, Some(retire)), (Some(1), 0, sign, None)]);
    deployment.postern.restart_with(setup(&clock).set("SIGNING_KEYS", &keys));
    let late = deployment.token();
    assert_eq!(signer(&late), signer(&by_derived));
    verifier.accept(&late);
    deployment.until(sign + 1);
    let by_own = deployment.token();
    assert_ne!(signer(&by_own), signer(&by_derived));
    for token in [&by_own, &late, &by_derived] {
        verifier.accept(token);
    }
    deployment.until(retire + KEPT);
    verifier.refuse(&late, library.words(Refusal::UnknownKey));
    verifier.accept(&deployment.token());
}

/// In the steps that the README gives: the new key among the previous ones, both exchanged, the old one removed.
pub(crate) fn another_application_key_loses_no_token(library: Library) {
    let clock = Clock::new();
    let mut deployment = Deployment::start(&clock, setup(&clock));
    let issuer = deployment.postern.url();
    let mut verifier = Verifier::start(library, &clock, &issuer, &issuer);
    let by_old = deployment.token();
    verifier.accept(&by_old);
    deployment.postern.restart_with(with_keys(&clock, APP_ENCRYPTION_KEY, NEXT_KEY));
    let late = deployment.token();
    assert_eq!(signer(&late), signer(&by_old));
    clock.advance(300);
    deployment.postern.restart_with(with_keys(&clock, NEXT_KEY, APP_ENCRYPTION_KEY));
    let by_new = deployment.token();
    assert_ne!(signer(&by_new), signer(&by_old));
    for token in [&by_new, &late, &by_old] {
        verifier.accept(token);
    }
    deployment.postern.restart_with(setup(&clock).set("APP_ENCRYPTION_KEY", NEXT_KEY));
    clock.advance(KEPT);
    verifier.refuse(&late, library.words(Refusal::UnknownKey));
    verifier.accept(&by_new);
}

/// A route is reached with a token that has its scopes.
pub(crate) fn express_routes_want_their_scopes() {
    let clock = Clock::new();
    let deployment = Deployment::start(&clock, setup(&clock));
    let issuer = deployment.postern.url();
    let verifier = Verifier::start(Library::Express, &clock, &issuer, &issuer);
    let Verifier::Server { origin, .. } = &verifier else { unreachable!("it is a server") };
    let get = |path: &str| Request::new("GET", &format!("{origin}{path}"));
    let token = deployment.token();
    let read = get("/read").bearer(&token).send().expect_status(200).json();
    assert_eq!(read["claims"]["client_id"], json!(deployment.client.id));
    let write = challenge(&get("/write").bearer(&token).send().expect_status(403));
    assert!(
        write.contains("error=\"insufficient_scope\"") && write.contains("scope=\"scope:read client:create\""),
        "{write}"
    );
    let none = challenge(&get("/read").send().expect_status(401));
    assert!(none.starts_with("Bearer realm=") && !none.contains("error"), "{none}");
    let nonsense = challenge(&get("/read").bearer("nonsense").send().expect_status(401));
    assert!(nonsense.contains("error=\"invalid_token\""), "{nonsense}");
}

/// A part of a token that nobody has verified.
fn unverified(token: &str, part: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The name of the key that signed a token.
fn signer(token: &str) -> String {
    common::text(&unverified(token, 0), "kid")
}
