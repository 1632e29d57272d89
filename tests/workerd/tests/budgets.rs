//! Budgets for wrong credentials: per client and per network, counted in one place, by the address that the runtime
//! itself gives. Other machines are other addresses of this one, which all reach its loopback.
#![expect(clippy::indexing_slicing, reason = "test: a failure is a failed test")]

mod common;

use std::thread;

use common::{Client, TOKEN, client, root, sign_in, token};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Postern, Request, Setup};

/// Wrong secrets for one client that are looked at.
const CLIENT_BUDGET: usize = 15;

/// Wrong credentials from one address that are looked at.
const NETWORK_BUDGET: usize = 100;

/// The form of a token request.
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// How many of the answers have each status, which are these two only.
#[track_caller]
fn refused(statuses: &[u16]) -> [usize; 2] {
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    [401, 429].map(|wanted| statuses.iter().filter(|status| **status == wanted).count())
}

/// Fails unless an answer says when to come back: within five minutes.
#[track_caller]
fn assert_has_to_wait(answer: Answer) {
    let answer = answer.expect_status(429);
    let wait = answer.header("Retry-After").and_then(|wait| wait.parse::<u32>().ok()).unwrap_or_default();
    assert!((1..=300).contains(&wait), "{wait}");
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
}

/// A Postern with its clock and a client.
fn start() -> (Clock, Postern, Client) {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let client = client(&postern, &root(&postern), &["scope:read"]);
    (clock, postern, client)
}

/// T36: a thousand wrong secrets for one client, from many addresses at once: some are looked at, then none from
/// whoever has failed; the client itself, elsewhere, is not locked out; after five minutes all is forgotten.
#[test]
fn a_client_whose_budget_is_spent_is_not_locked_out() {
    let (clock, postern, Client { id, secret }) = start();
    let attack = |lane: u8| -> Vec<u16> {
        let addresses = (0..50).map(|number| lane * 50 + number + 2).cycle();
        addresses.take(250).map(|from| sign_in(&postern, &id, "wrong").from_address(from).send().status).collect()
    };
    let statuses: Vec<u16> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..4).map(|lane| scope.spawn(move || attack(lane))).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap_or_default()).collect()
    });
    let [looked_at, refused] = refused(&statuses);
    // The budget, and one try of each address that had not failed before.
    assert!((CLIENT_BUDGET..=CLIENT_BUDGET + 200).contains(&looked_at), "{looked_at}");
    assert_eq!(looked_at + refused, 1_000);
    assert_has_to_wait(sign_in(&postern, &id, &secret).from_address(2).send());
    assert_has_to_wait(sign_in(&postern, &id, "wrong").from_address(201).send());
    drop(sign_in(&postern, &id, &secret).from_address(250).send().expect_status(200));
    clock.advance(301);
    drop(sign_in(&postern, &id, &secret).from_address(2).send().expect_status(200));
}

/// T37, T13: a thousand ids from one address, known or not: that address has to wait, the others do not.
#[test]
fn an_address_that_tries_many_clients_has_to_wait() {
    let (clock, postern, Client { id, secret }) = start();
    let statuses: Vec<u16> = (0..1_000)
        .map(|number| sign_in(&postern, &format!("{number:032x}"), "wrong").from_address(9).send().status)
        .collect();
    assert_eq!(refused(&statuses), [NETWORK_BUDGET, 1_000 - NETWORK_BUDGET]);
    assert_eq!(refused(&statuses[..NETWORK_BUDGET]), [NETWORK_BUDGET, 0]);
    assert_has_to_wait(sign_in(&postern, &id, &secret).from_address(9).send());
    drop(sign_in(&postern, &id, &secret).from_address(10).send().expect_status(200));
    // The other endpoints with credentials count and refuse alike.
    for path in ["/api/v1/oauth/introspect", "/api/v1/oauth/revoke"] {
        let ask = postern.post(path).basic(&id, &secret).form(&[("token", "x")]);
        assert_has_to_wait(ask.from_address(9).send());
    }
    clock.advance(301);
    drop(sign_in(&postern, &id, &secret).from_address(9).send().expect_status(200));
}

/// Headers in which a client may claim an address, with the claim.
fn claims(address: &str) -> Vec<(&'static str, String)> {
    let names = [
        "X-Forwarded-For",
        "X-Real-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "CF-Pseudo-IPv4",
        "True-Client-IP",
        "X-Client-IP",
        "X_Forwarded_For",
        "X_Real_IP",
        "CF_Connecting_IP",
        "cf_connecting_ip",
        "Forwarded_For",
    ];
    let claims = names.map(|name| (name, address.to_owned()));
    let forwarded = ("Forwarded", format!("for={address};proto=https"));
    claims.into_iter().chain([forwarded]).collect()
}

/// A request that claims an address in every header there is.
fn claiming(request: Request, address: &str) -> Request {
    claims(address).iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// T38, B11: no header gives a failure to somebody else: neither does a new address each time save the one who fails,
/// nor are failures in the name of a victim the victim's.
#[test]
fn claimed_addresses_are_not_believed() {
    let (_, postern, Client { id, secret }) = start();
    let victim = "127.0.0.77";
    for number in 0..NETWORK_BUDGET {
        let fresh = if number % 2 == 0 { format!("198.51.100.{number}") } else { victim.to_owned() };
        let request = claiming(sign_in(&postern, &format!("unknown{number}"), "wrong"), &fresh);
        drop(request.from_address(9).send().expect_status(401));
    }
    assert_has_to_wait(claiming(sign_in(&postern, &id, &secret), "198.51.100.200").from_address(9).send());
    assert_has_to_wait(sign_in(&postern, &id, &secret).from_address(9).send());
    drop(sign_in(&postern, &id, &secret).from_address(77).send().expect_status(200));
    // Each header by itself does no better.
    for (name, value) in claims("198.51.100.201") {
        assert_has_to_wait(sign_in(&postern, &id, &secret).header(name, &value).from_address(9).send());
    }
    // What was written down is the true address.
    let root = token(&postern, workerd_tests::ROOT_CLIENT_ID, workerd_tests::ROOT_CLIENT_SECRET);
    let log = postern.get("/api/v1/oauth/audit").bearer(&root).send().expect_status(200).json();
    let rows = log["items"].as_array().cloned().unwrap_or_default();
    let denied: Vec<Value> =
        rows.iter().filter(|row| row["action"] == "denied").map(|row| row["address"].clone()).collect();
    assert!(!denied.is_empty() && denied.iter().all(|address| address == "127.0.0.9"), "{denied:?}");
}

/// T39: two instances of the Worker, with a memory each, count together; a crash forgets nothing that is spent.
#[test]
fn failures_at_two_instances_are_counted_together_and_outlive_a_crash() {
    let clock = Clock::new();
    let mut postern = Postern::start(Setup::new().clock(&clock).twin());
    let root = root(&postern);
    let Client { id, secret } = client(&postern, &root, &["scope:read"]);
    let at = |postern: &Postern, number: usize, id: &str, secret: &str| {
        let request = if number.is_multiple_of(2) { postern.post(TOKEN) } else { postern.twin("POST", TOKEN) };
        request.from_address(9).basic(id, secret).form(&GRANT).send()
    };
    for number in 0..CLIENT_BUDGET {
        drop(at(&postern, number, &id, "wrong").expect_status(401));
    }
    let assert_both_wait = |postern: &Postern, id: &str, secret: &str| {
        for number in 0..2 {
            assert_has_to_wait(at(postern, number, id, secret));
        }
    };
    assert_both_wait(&postern, &id, &secret);
    // After a crash nobody knows who has failed, so everybody may try once; the client's budget is spent still.
    postern.kill_and_restart();
    drop(at(&postern, 0, &id, "wrong").expect_status(401));
    assert_both_wait(&postern, &id, &secret);
    for number in 1..NETWORK_BUDGET {
        drop(at(&postern, number, &format!("unknown{number}"), "wrong").expect_status(401));
    }
    let other = client(&postern, &root, &["scope:read"]);
    assert_both_wait(&postern, &other.id, &other.secret);
    postern.kill_and_restart();
    assert_both_wait(&postern, &other.id, &other.secret);
    clock.advance(301);
    for number in 0..2 {
        drop(at(&postern, number, &other.id, &other.secret).expect_status(200));
        drop(at(&postern, number, &id, &secret).expect_status(200));
    }
}

/// T36, T39, R8: what is spent is one row, whatever follows, and that goes when it is over.
#[test]
fn a_spent_budget_is_one_row_until_it_is_over() {
    let (clock, mut postern, Client { id, .. }) = start();
    for _ in 0..40 {
        drop(sign_in(&postern, &id, "wrong").send());
    }
    let rows = |postern: &mut Postern| {
        assert_eq!(postern.fire_cron().status, 200);
        postern.kill();
        let rows = postern.registry_sql("SELECT count(*) FROM mark");
        postern.kill_and_restart();
        rows
    };
    assert_eq!(rows(&mut postern), json!([[1]]));
    clock.advance(301);
    assert_eq!(rows(&mut postern), json!([[0]]));
}
