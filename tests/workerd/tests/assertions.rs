//! Clients that authenticate with signed assertions (RFC 7523), their signatures verified by the platform of the real
//! runtime, their single use kept by the registry object.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;
mod keys;

use std::thread;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{TOKEN, client_at, client_of, root, sign_in, text};
use keys::{Key, der, resigned, twin};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Postern, Request, Setup};

/// `client_assertion_type` (RFC 7523 §2.2).
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A Postern with its clock and the root client's token.
fn start() -> (Clock, Postern, String) {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    (clock, postern, root)
}

/// The id of a new client with these public keys.
#[track_caller]
fn client(postern: &Postern, root: &str, keys: &[Value]) -> String {
    client_of(postern, root, &json!({ "scopes": ["scope:read"], "jwks": { "keys": keys } })).id
}

/// The claims of a good assertion: for the issuer, for a minute.
fn claims(postern: &Postern, clock: &Clock, id: &str, jti: &str) -> Value {
    json!({ "iss": id, "sub": id, "aud": postern.url(), "exp": clock.now() + 60, "jti": jti })
}

/// The same claims for somebody else.
fn aimed_at(claims: &Value, audience: &str) -> Value {
    let mut claims = claims.clone();
    claims["aud"] = audience.into();
    claims
}

/// A token request with an assertion.
fn by_assertion(postern: &Postern, assertion: &str) -> Request {
    let form = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", assertion)];
    postern.post(TOKEN).form(&form)
}

/// A token request with an assertion, sent.
fn use_of(postern: &Postern, assertion: &str) -> Answer {
    by_assertion(postern, assertion).send()
}

/// RFC 7523 §2.2: each algorithm and each name of this service gets a token that works; so do the other two endpoints.
#[test]
fn a_signed_assertion_authenticates_at_every_endpoint() {
    let (clock, postern, root) = start();
    for key in [Key::ed25519(1), Key::p256(1)] {
        let id = client(&postern, &root, &[Key::ed25519(9).public(), Key::p256(9).public(), key.public()]);
        let claims = |jti: &str| claims(&postern, &clock, &id, jti);
        let answer = use_of(&postern, &key.assertion(&claims("a"))).expect_status(200);
        let own = text(&answer.json(), "access_token");
        drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(200));
        let endpoint = format!("{}{TOKEN}", postern.url());
        drop(use_of(&postern, &key.assertion(&aimed_at(&claims("b"), &endpoint))).expect_status(200));
        let at = |path: &str, assertion: &str| {
            let form = [("token", own.as_str()), ("client_assertion_type", TYPE), ("client_assertion", assertion)];
            postern.post(path).form(&form).send()
        };
        // R10: what is aimed at one endpoint is refused at another, whose own it would be; and is not used up by that.
        let aimed = key.assertion(&aimed_at(&claims("c"), &endpoint));
        drop(at("/api/v1/oauth/introspect", &aimed).expect_status(401));
        drop(use_of(&postern, &aimed).expect_status(200));
        let active = at("/api/v1/oauth/introspect", &key.assertion(&claims("d"))).expect_status(200).json();
        assert_eq!((&active["active"], &active["client_id"]), (&json!(true), &json!(id)));
        drop(at("/api/v1/oauth/revoke", &key.assertion(&claims("e"))).expect_status(200));
        drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(401));
    }
}

/// J1, J2, J15, J21, T13: whatever is wrong, the answer is that of a wrong secret; the good one works afterwards. Each
/// try comes from an address of its own, so that none has to wait.
#[test]
fn a_bad_signature_is_as_good_as_a_wrong_secret() {
    let (clock, postern, root) = start();
    for own in [Key::ed25519(1), Key::p256(1)] {
        let id = client(&postern, &root, &[own.public()]);
        let claims = claims(&postern, &clock, &id, "j");
        let good = own.assertion(&claims);
        let broken = |change: fn(&[u8]) -> Vec<u8>| resigned(&good, change);
        let with = |member: &str, value: Value| {
            let mut claims = claims.clone();
            claims[member] = value;
            own.assertion(&claims)
        };
        let (head, other) = (json!({ "alg": own.algorithm() }), with("jti", json!("k")));
        let bad = [
            Key::ed25519(2).jwt(&head, &claims),
            Key::p256(2).jwt(&head, &claims),
            Key::ed25519(2).assertion(&claims),
            Key::p256(2).assertion(&claims),
            own.jwt(&json!({ "alg": "none" }), &claims),
            own.jwt(&json!({ "alg": "HS256" }), &claims),
            own.jwt(&json!({ "alg": "RS256" }), &claims),
            broken(|signature| [&[signature[0] ^ 1], &signature[1..]].concat()),
            broken(|_| vec![0; 64]),
            broken(|_| vec![0xFF; 64]),
            broken(|signature| signature[..63].to_vec()),
            broken(|signature| [signature, &[0]].concat()),
            broken(|_| Vec::new()),
            [good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1].join("."),
            with("exp", json!(clock.now() - 61)),
            with("exp", json!(clock.now() + 700)),
            with("iss", json!("somebody")),
            with("aud", json!("https://somebody.example")),
            with("sub", Value::Null),
            with("jti", Value::Null),
        ];
        let der = matches!(own, Key::P256(_)).then(|| broken(der));
        let wrong = sign_in(&postern, &id, "wrong").from_address(100).send();
        assert_eq!(wrong.status, 401);
        for (number, bad) in (101..).zip(bad.iter().chain(&der)) {
            let answer = by_assertion(&postern, bad).from_address(number).send();
            assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{number}: {bad}");
        }
        drop(by_assertion(&postern, &good).from_address(99).send().expect_status(200));
    }
}

/// J15: a registered point that lies on no curve verifies nothing, and is no fault of ours; beside a good key it keeps
/// nobody out.
#[test]
fn a_key_that_is_none_verifies_nothing() {
    let (clock, postern, root) = start();
    let mut off = Key::p256(1).public();
    off["y"] = off["x"].clone();
    // y = 2 has no x on the curve of Ed25519.
    let two = [&[2][..], &[0; 31]].concat();
    let nowhere = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(two) });
    for (key, none) in [(Key::p256(1), off), (Key::ed25519(1), nowhere)] {
        for (keys, status) in [(vec![none.clone()], 401), (vec![none, key.public()], 200)] {
            let id = client(&postern, &root, &keys);
            drop(use_of(&postern, &key.assertion(&claims(&postern, &clock, &id, "j"))).expect_status(status));
        }
    }
}

/// J15, J21: an assertion works once: as it was, with the twin of its signature, signed again, by another key.
#[test]
fn the_id_of_an_assertion_is_used_up_not_its_signature() {
    let (clock, postern, root) = start();
    let keys = [Key::p256(1), Key::ed25519(1)];
    let id = client(&postern, &root, &keys.each_ref().map(Key::public));
    let claims = |jti: &str| claims(&postern, &clock, &id, jti);
    for (first, second) in [(false, true), (true, false)] {
        let assertion = keys[0].assertion(&claims(if first { "a" } else { "b" }));
        let form = |twisted: bool| if twisted { resigned(&assertion, twin) } else { assertion.clone() };
        drop(use_of(&postern, &form(first)).expect_status(200));
        drop(use_of(&postern, &form(second)).expect_status(401));
        drop(use_of(&postern, &form(first)).expect_status(401));
    }
    let mut later = claims("a");
    later["exp"] = json!(clock.now() + 300);
    drop(use_of(&postern, &keys[1].assertion(&later)).expect_status(401));
    // The same id is another client's own affair.
    let other = client(&postern, &root, &[keys[1].public()]);
    let mut others = claims("a");
    (others["iss"], others["sub"]) = (json!(other), json!(other));
    drop(use_of(&postern, &keys[1].assertion(&others)).expect_status(200));
}

/// J22: of many parallel uses exactly one succeeds, in the isolate of the first instance or of the second.
#[test]
fn of_parallel_uses_exactly_one_succeeds() {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock).twin());
    let root = root(&postern);
    for (base, key) in [(10, Key::ed25519(1)), (40, Key::p256(1))] {
        let id = client(&postern, &root, &[key.public()]);
        let assertion = key.assertion(&claims(&postern, &clock, &id, "j"));
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE)];
        let form = [&form[..], &[("client_assertion", assertion.as_str())]].concat();
        let mut statuses = thread::scope(|scope| {
            let send = |number: u8| {
                let request = if number.is_multiple_of(2) { postern.post(TOKEN) } else { postern.twin("POST", TOKEN) };
                // One failure each: nobody has to wait.
                let request = request.from_address(base + number).form(&form);
                scope.spawn(move || request.send().status)
            };
            let waiting: Vec<_> = (0..20).map(send).collect();
            waiting.into_iter().map(|waiting| waiting.join().unwrap()).collect::<Vec<_>>()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200], vec![401; 19]].concat());
    }
}

/// J22, J23, R8: what was used stays used over a crash and until nobody could use it any more; then its row goes.
#[test]
fn a_used_assertion_is_remembered_over_a_crash_and_until_it_is_over() {
    let (clock, mut postern, root) = start();
    let key = Key::p256(1);
    let id = client(&postern, &root, &[key.public()]);
    let assertion = key.assertion(&claims(&postern, &clock, &id, "j"));
    drop(use_of(&postern, &assertion).expect_status(200));
    let marks = |postern: &mut Postern| {
        assert_eq!(postern.fire_cron().status, 200);
        postern.kill();
        let rows = postern.registry_sql("SELECT count(*) FROM mark");
        postern.kill_and_restart();
        rows[0][0].as_u64()
    };
    assert_eq!(marks(&mut postern), Some(1));
    drop(use_of(&postern, &assertion).expect_status(401));
    // Its life and the tolerance for clocks, but for a few seconds.
    clock.advance(60 + 60 - 10);
    assert_eq!(marks(&mut postern), Some(1));
    drop(use_of(&postern, &assertion).expect_status(401));
    clock.advance(10 + 1);
    assert_eq!(marks(&mut postern), Some(0));
    drop(use_of(&postern, &assertion).expect_status(401));
}

/// C11, C12: keys are rotated by registering both; one that was taken away signs nobody in, on the next request; an
/// emergency takes all.
#[test]
fn a_key_that_was_taken_away_no_longer_signs_in() {
    let (clock, mut postern, root) = start();
    let (old, new) = (Key::ed25519(1), Key::p256(2));
    let id = client(&postern, &root, &[old.public()]);
    let put = |postern: &Postern, keys: Value| {
        let request = postern.put(&client_at(&id, "")).bearer(&root).json(&json!({ "jwks": keys }));
        drop(request.send().expect_status(200));
    };
    let statuses = |postern: &Postern, jti: &str| {
        let claims = claims(postern, &clock, &id, jti);
        [&old, &new].map(|key| use_of(postern, &key.assertion(&aimed_at(&claims, &postern.url()))).status)
    };
    put(&postern, json!({ "keys": [old.public(), new.public()] }));
    // One id for two assertions: the second one is a replay.
    assert_eq!(statuses(&postern, "a"), [200, 401]);
    put(&postern, json!({ "keys": [new.public()] }));
    assert_eq!(statuses(&postern, "b"), [401, 200]);
    postern.kill_and_restart();
    assert_eq!(statuses(&postern, "c"), [401, 200]);
    put(&postern, Value::Null);
    assert_eq!(statuses(&postern, "d"), [401, 401]);
    put(&postern, json!({ "keys": [old.public(), new.public()] }));
    let emergency = postern.post(&client_at(&id, "/secret")).bearer(&root).json(&json!({ "revoke_tokens": true }));
    drop(emergency.send().expect_status(200));
    assert_eq!(statuses(&postern, "e"), [401, 401]);
}
