//! A rotation of the application key, from the first deployment with two keys to the last with one.

use futures_util::future::join;
use serde_json::{Value, json};

use super::{
    Answered, Host, bare,
    stage::{CODE_FLOW, DUE, answer, parameter, tokens},
    sweep::{report, with_services},
};
use crate::{
    config::tests::GOOD,
    connection::{
        command::{Command, Reply, ResealOutcome},
        key::ConnectionKey,
        rotation::SealedWith,
    },
    ports::ConnectionActors,
};

/// The new key.
const NEW: (&str, &str) = ("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!");

/// The old key as a previous one.
const PREVIOUS: (&str, &str) = ("APP_ENCRYPTION_KEYS_PREVIOUS", r#"["0123456789abcdef0123456789ABCDEF"]"#);

/// The id of the old key.
const OLD_ID: &str = "2edf6e80";

impl Host {
    /// What `/ready` says.
    fn ready(&self) -> (u16, Value) {
        let ready = self.send(&bare("GET", "/ready"));
        (ready.status, ready.json())
    }

    /// Whether an envelope of the old key is stored, or anything is said about it.
    fn knows_the_old_key(&self) -> bool {
        self.memory.dump().contains(OLD_ID)
    }
}

/// `/ready` of a deployment that works, with so many connections left.
fn ready(left: u32) -> (u16, Value) {
    (200, json!({ "status": "ready", "sealed_with_another_key": left }))
}

/// A key of a connection.
fn key(text: &str) -> ConnectionKey {
    ConnectionKey::parse(text).unwrap()
}

/// E5: both keys open, the new one seals, nothing is left in one tick, and then the old key can go. Whoever held a
/// token of ours, or was at the provider, notices nothing.
#[test]
fn a_rotation_loses_nothing_and_leaves_nothing_of_the_old_key() {
    assert_eq!(PREVIOUS.1, json!([GOOD[2].1]).to_string());
    let mut host = with_services(1).with_authorized("shop").with_code_flow("begun");
    let (caller, state) = (host.caller(&["scope:read"]), host.state("begun"));
    let (root, requests) = (host.root_token(), host.requests());
    assert_eq!(host.ready(), (200, json!({ "status": "ready" })));

    host.redeploy(&[NEW, PREVIOUS]);
    assert!(host.ready() == ready(3) && host.knows_the_old_key());
    for token in [&caller, &root] {
        assert_eq!(host.call(token, "GET", "/oauth/scope", &Value::Null).status, 200);
    }
    let keys = host.send(&bare("GET", "/.well-known/jwks.json")).json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    let read = |host: &Host| [host.live("shop"), host.live("k0")];
    let both = [(200, "canary-at-1".to_owned()), (200, "canary-at-1".to_owned())];
    assert_eq!(read(&host), both);
    assert_eq!(host.sweep(), report(&[("resealed", 3)]));
    assert_eq!((read(&host), host.requests()), (both.clone(), requests));
    assert!(!host.knows_the_old_key());
    let after = host.memory.state();
    assert_eq!((host.sweep(), host.memory.state()), (report(&[]), after));
    assert_eq!(host.ready(), ready(0));
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!(host.callback(&format!("state={state}&code=canary-code-1")).status, 200);

    host.redeploy(&[NEW]);
    assert_eq!(host.ready(), (200, json!({ "status": "ready" })));
    assert_eq!((read(&host), host.live("begun")), (both, (200, "canary-at-2".to_owned())));
    // What the old key signed ends with it.
    for token in [&caller, &root] {
        assert_eq!(host.call(token, "GET", "/oauth/scope", &Value::Null).status, 401);
    }
}

/// E5: what a definition asked to be kept of an answer, and a link that nobody has opened yet.
#[test]
fn a_rotation_takes_kept_members_and_links_along() {
    let mut host = Host::new().with_code_flow("shop");
    let keep = "        keep: [tenant]\n        authorization_request:";
    assert_eq!(host.define("shop", &CODE_FLOW.replacen("        authorization_request:", keep, 1)).status, 200);
    let mut given = tokens(1);
    given["tenant"] = "canary-tenant".into();
    host.provider_answers([answer(200, &given)]);
    assert_eq!(host.authorize("shop", "canary-code-1").status, 200);
    let link = host.as_root("POST", "/connection/shop/connect_link", &Value::Null).json();
    let link = link["url"].as_str().unwrap().replace("https://postern.example", "");
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.sweep(), report(&[("resealed", 1)]));
    assert!(!host.knows_the_old_key());
    assert_eq!(host.send(&bare("GET", &link)).status, 200);
    host.redeploy(&[NEW]);
    let token = host.read("shop").json();
    assert_eq!([&token["access_token"], &token["tenant"]], [&given["access_token"], &given["tenant"]]);
    assert_eq!(host.send(&bare("GET", &link)).status, 404);
}

/// E5: red before anything is lost, and the key by its name; put back, everything is there.
#[test]
fn a_key_that_is_removed_too_early_turns_ready_red_and_loses_nothing() {
    let mut host = Host::new().with_authorized("shop").with_authorized("bank");
    let before = host.memory.state();
    host.redeploy(&[NEW]);
    let problem = format!("lacks the key {OLD_ID}; connections that need it: 2");
    let problems = json!([{ "setting": "APP_ENCRYPTION_KEYS_PREVIOUS", "problem": problem }]);
    let red = json!({ "status": "unready", "problems": problems, "sealed_with_another_key": 2 });
    assert_eq!(host.ready(), (503, red));
    let closed = |answer: &Answered| {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.log.contains(&format!("the key {OLD_ID} is missing")), "{}", answer.log);
        assert!(!answer.text().contains(OLD_ID));
    };
    closed(&host.read("shop"));
    closed(&host.as_root("GET", "/connection/shop", &Value::Null));
    closed(&host.as_root("GET", "/connection/shop/authorize", &Value::Null));
    closed(&host.as_root("PATCH", "/connection/shop/secret", &json!({ "client_id": "other" })));
    // Also when a new token is due: the old refresh token is not given up.
    host.wait(3_600);
    closed(&host.read("shop"));
    let expected = [("due", 2), ("unanswered", 2), ("not_resealed", 2), ("sealed_with_another_key", 2)];
    let mut expected = report(&expected);
    expected["missing_keys"] = json!([OLD_ID]);
    let swept = host.as_root("POST", "/sweep", &Value::Null);
    assert_eq!((swept.status, swept.json()), (200, expected));
    let cause = format!("secrets cannot be decrypted: missing keys {OLD_ID}");
    assert!(swept.log.contains(&cause) && swept.log.contains(r#""level":"error""#), "{}", swept.log);
    let line = host.tick();
    assert_eq!((&line["level"], &line["cause"]), (&json!("error"), &json!(cause)));
    assert_eq!(host.memory.state(), before);

    host.redeploy(&[NEW, PREVIOUS]);
    host.provider_answers([answer(200, &tokens(2))]);
    assert_eq!((host.ready(), host.live("shop")), (ready(2), (200, "canary-at-2".to_owned())));
    assert_eq!(parameter(&host.memory.sent()[2], "refresh_token"), "canary-rt-1");
    host.run_behind();
    assert_eq!(host.sweep(), report(&[("due", 1), ("renewed", 1), ("resealed", 2)]));
    host.redeploy(&[NEW]);
    assert_eq!((host.ready().0, host.live("bank")), (200, (200, "canary-at-2".to_owned())));
    assert!(!host.knows_the_old_key());
}

/// E5: a key that is lost for good makes the deployment red until what it sealed is deleted.
#[test]
fn what_a_lost_key_has_sealed_can_be_deleted() {
    let mut host = Host::new().with_authorized("shop");
    host.redeploy(&[NEW]);
    assert_eq!(host.ready().0, 503);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    assert_eq!(host.ready(), (200, json!({ "status": "ready" })));
}

/// E5: a tick that dies half-way is finished by the next, and what it has done counts.
#[test]
fn a_rotation_is_resumed_where_it_stopped() {
    let mut host = with_services(5);
    host.redeploy(&[NEW, PREVIOUS]);
    host.memory.faults().break_records_after(2);
    let counted = [("resealed", 2), ("not_resealed", 3), ("sealed_with_another_key", 3)];
    assert_eq!(host.sweep(), report(&counted));
    host.memory.restart();
    assert_eq!(host.ready(), ready(3));
    host.memory.faults().mend_records();
    assert_eq!(host.sweep(), report(&[("resealed", 3)]));
    assert_eq!((host.ready(), host.live("k4").0), (ready(0), 200));
    assert!(!host.knows_the_old_key());
}

/// E5: the record is stored, then its row: what dies between the two is found by the next tick, and nothing is sealed
/// twice.
#[test]
fn a_row_that_fell_behind_is_put_right() {
    let mut host = with_services(2);
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.sweep(), report(&[("resealed", 2)]));
    let after = host.memory.state();
    host.memory.list_as_sealed_with(&SealedWith::new(vec![OLD_ID]));
    assert_eq!(host.ready(), ready(2));
    assert_eq!((host.sweep(), host.memory.state()), (report(&[]), after.clone()));
    // Even where the row says that a key is missing.
    host.redeploy(&[NEW]);
    host.memory.list_as_sealed_with(&SealedWith::new(vec![OLD_ID]));
    assert_eq!(host.ready().0, 503);
    assert_eq!((host.sweep(), host.memory.state(), host.ready().0), (report(&[]), after, 200));
}

/// E5: what cannot be sealed anew is tried with each tick, and costs no row of the directory but the tick's own:
/// nothing has changed. A connection that is sealed anew costs two, its row and its place in the index of keys.
#[test]
fn what_has_not_changed_is_not_written() {
    let mut host = with_services(3);
    let before = host.memory.directory_rows_written();
    host.redeploy(&[NEW]);
    for tick in 1..=3 {
        assert_eq!((&host.sweep()["not_resealed"], host.memory.directory_rows_written()), (&json!(3), before + tick));
    }
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!((host.sweep(), host.memory.directory_rows_written()), (report(&[("resealed", 3)]), before + 3 + 7));
    host.memory.list_as_sealed_with(&SealedWith::default());
    assert_eq!((host.sweep(), host.memory.directory_rows_written()), (report(&[]), before + 3 + 14));
}

/// E5: connections that were listed before rows told their keys are looked at once, rotation or not.
#[test]
fn rows_that_do_not_tell_their_keys_are_looked_at() {
    let mut host = with_services(1);
    let before = host.memory.state();
    host.memory.list_as_sealed_with(&SealedWith::default());
    assert_eq!(host.ready(), ready(1));
    assert_eq!((host.sweep(), host.memory.state()), (report(&[]), before));
    host.memory.list_as_sealed_with(&SealedWith::default());
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.sweep(), report(&[("resealed", 1)]));
    assert!(!host.knows_the_old_key());
}

/// E5: sealed anew while a renewal is at the provider, which gives no new refresh token: the old one must survive both.
#[test]
fn a_renewal_under_way_and_a_rotation_do_not_disturb_each_other() {
    let mut host = Host::new().with_authorized("shop");
    host.redeploy(&[NEW, PREVIOUS]);
    host.wait(DUE);
    host.provider_answers([answer(200, &json!({ "access_token": "canary-at-2", "expires_in": 3600 }))]);
    host.memory.slow_down(|_| true);
    let reading = host.reading("shop");
    let (shop, memory) = (key("shop"), &host.memory);
    let reseal = async {
        let outcome = memory.command(&shop, Command::Reseal).await;
        // The answer has not come yet.
        assert_eq!(memory.sent().len(), 2);
        assert!(
            memory.copy_of(&shop)["grant"].contains("\"generation\":1,\"access_token\":\"v1.")
                && !host.knows_the_old_key()
        );
        outcome
    };
    let (read, outcome) = host.pool.borrow_mut().run_until(join(host.handled(&reading), reseal));
    assert_eq!(read.response.status(), 200);
    assert!(matches!(outcome, Ok(Reply::Reseal(ResealOutcome::Resealed))));
    host.run_behind();
    assert_eq!((host.live("shop"), host.requests()), ((200, "canary-at-2".to_owned()), 2));
    assert!(!host.knows_the_old_key());
    host.wait(3_600);
    host.provider_answers([answer(200, &tokens(3))]);
    assert_eq!(host.live("shop"), (200, "canary-at-3".to_owned()));
    assert_eq!(parameter(&host.memory.sent()[2], "refresh_token"), "canary-rt-1");
}

/// E4, E5: what is damaged is left as it is, counted in every tick, and keeps nothing else from being sealed anew.
#[test]
fn what_is_damaged_stays_counted() {
    let mut host = Host::new().with_authorized("shop").with_authorized("bank");
    let mut copy = host.memory.copy_of(&key("shop"));
    copy.insert("secrets", format!("\"v1.{OLD_ID}.AAAA\""));
    host.memory.put_back(&key("shop"), copy);
    host.redeploy(&[NEW, PREVIOUS]);
    let stuck = [("not_resealed", 1), ("sealed_with_another_key", 1)];
    assert_eq!(host.sweep(), report(&[&stuck[..], &[("resealed", 1)]].concat()));
    assert_eq!(host.sweep(), report(&stuck));
    assert_eq!((host.ready(), host.live("shop")), (ready(1), (200, "canary-at-1".to_owned())));
    let refused = host.as_root("GET", "/connection/shop", &Value::Null);
    assert!(refused.status == 503 && refused.log.contains("it is damaged"), "{refused:?}");
}

/// E5: a tick takes 300 and leaves the rest to the next; also connections without a secret are looked at, since one may
/// be on its way.
#[test]
fn a_tick_takes_its_share() {
    let mut host = Host::new();
    for first in (0..350).step_by(50) {
        let item = |number| json!({ "key": format!("k{number}"), "connection_type": "saas", "access": "read" });
        let items: Vec<Value> = (first..first + 50).map(item).collect();
        let saved = host.as_root("PATCH", "/connection", &Value::from(items)).json();
        assert_eq!(saved["succeeded"].as_array().map(Vec::len), Some(50), "{saved}");
    }
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.ready(), ready(350));
    assert_eq!(host.sweep(), report(&[("sealed_with_another_key", 50)]));
    assert_eq!(host.sweep(), report(&[]));
    assert_eq!(host.ready(), ready(0));
}

/// E5: a connection that is deleted while its row stays behind is not looked for for ever.
#[test]
fn a_deleted_connection_is_no_part_of_a_rotation() {
    let mut host = Host::new().with_authorized("shop");
    host.memory.faults().break_directory(true);
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 503);
    assert_eq!(host.send(&bare("GET", "/ready")).status, 503);
    host.memory.faults().break_directory(false);
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.ready(), ready(1));
    assert_eq!((host.sweep(), host.ready()), (report(&[]), ready(0)));
}

/// E9: what was deleted before a rotation cannot be opened after it, wherever a copy comes from.
#[test]
fn a_copy_of_a_deleted_connection_dies_with_its_key() {
    let mut host = Host::new().with_authorized("shop");
    let copy = host.memory.copy_of(&key("shop"));
    assert_eq!(host.as_root("DELETE", "/connection/shop", &Value::Null).status, 204);
    host.redeploy(&[NEW, PREVIOUS]);
    assert_eq!(host.sweep(), report(&[]));
    host.redeploy(&[NEW]);
    host.memory.put_back(&key("shop"), copy);
    let refused = host.read("shop");
    assert!(refused.status == 503 && refused.log.contains(&format!("the key {OLD_ID} is missing")), "{refused:?}");
    host.wait(3_600);
    assert_eq!((host.read("shop").status, host.requests()), (503, 1));
}
