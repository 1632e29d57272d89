//! Registered clients, from their first secret to their deletion, in the real runtime: what is shown, changed, rotated
//! and revoked is so on the next request and after a crash.

mod common;

use std::thread;

use common::{CLIENT, Client, client, client_at, client_of, root, sign_in, text, token};
use serde_json::{Value, json};
use workerd_tests::{Answer, Clock, Postern, Setup};

/// A client as it is shown, with its entity tag.
#[track_caller]
fn shown(postern: &Postern, root: &str, id: &str) -> (Value, String) {
    let answer = postern.get(&client_at(id, "")).bearer(root).send().expect_status(200);
    (answer.json(), answer.header("ETag").unwrap_or_default().to_owned())
}

/// An update, whatever the answer.
fn update(postern: &Postern, root: &str, id: &str, body: &Value) -> Answer {
    postern.put(&client_at(id, "")).bearer(root).json(body).send()
}

/// A new secret for a client.
#[track_caller]
fn rotate(postern: &Postern, root: &str, id: &str, body: &Value) -> String {
    let answer = postern.post(&client_at(id, "/secret")).bearer(root).json(body).send().expect_status(200);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    text(&answer.json(), "client_secret")
}

/// What a token request says to each of these secrets.
fn statuses<const N: usize>(postern: &Postern, id: &str, secrets: [&str; N]) -> [u16; N] {
    secrets.map(|secret| sign_in(postern, id, secret).send().status)
}

/// C6, C10: pages, newest first, also after a crash; neither a secret nor the root client is in them.
#[test]
fn clients_are_listed_newest_first_page_by_page() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let clients: Vec<Client> = (0..5)
        .map(|number| client_of(&postern, &root, &json!({ "scopes": ["scope:read"], "name": format!("n{number}") })))
        .collect();
    postern.kill_and_restart();
    let page = |query: &str| postern.get(&format!("{CLIENT}{query}")).bearer(&root).send();
    let names = |query: &str| {
        let answer = page(query).expect_status(200).json();
        let frame = ["total", "page", "size", "pages"].map(|member| answer[member].as_u64().unwrap_or_default());
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        (items.iter().map(|item| text(item, "name")).collect::<Vec<_>>(), frame)
    };
    assert_eq!(names("?page=1&size=2"), (vec!["n4".to_owned(), "n3".to_owned()], [5, 1, 2, 3]));
    assert_eq!(names("?page=3&size=2"), (vec!["n0".to_owned()], [5, 3, 2, 3]));
    assert_eq!(names("?page=4&size=2"), (vec![], [5, 4, 2, 3]));
    let all = page("").expect_status(200);
    assert_eq!(all.json()["items"].as_array().map(Vec::len), Some(5));
    assert!(clients.iter().all(|client| all.text().contains(&client.id) && !all.text().contains(&client.secret)));
    drop(page("?page=0").expect_status(422));
    // A deleted one leaves no hole.
    drop(postern.delete(&client_at(&clients[2].id, "")).bearer(&root).send().expect_status(200));
    assert_eq!(names("?page=2&size=2"), (vec!["n1".to_owned(), "n0".to_owned()], [4, 2, 2, 2]));
}

/// C8, C10, C13: an update changes what it names and nothing else; its answer is what is shown afterwards.
#[test]
fn an_update_changes_what_it_names() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let body = json!({ "scopes": ["scope:read"], "name": "n", "description": "d" });
    let Client { id, secret } = client_of(&postern, &root, &body);
    let expect = |postern: &Postern, name: &str, description: Value, scopes: &[&str]| {
        let view = json!({ "client_id": id, "name": name, "description": description, "scopes": scopes });
        assert_eq!(shown(postern, &root, &id).0, view);
    };
    expect(&postern, "n", json!("d"), &["scope:read"]);
    let tag = shown(&postern, &root, &id).1;
    let answer = update(&postern, &root, &id, &json!({ "name": "é" })).expect_status(200);
    assert_eq!((answer.json(), answer.header("ETag").map(str::to_owned)), {
        let (view, tag) = shown(&postern, &root, &id);
        (view, Some(tag))
    });
    expect(&postern, "é", json!("d"), &["scope:read"]);
    assert_ne!(shown(&postern, &root, &id).1, tag);
    drop(update(&postern, &root, &id, &json!({ "description": null, "scopes": [] })).expect_status(200));
    for refused in [json!({ "client_secret": "x" }), json!({ "epoch": 9 }), json!([]), json!({ "scopes": "x" })] {
        drop(update(&postern, &root, &id, &refused).expect_status(422));
    }
    drop(update(&postern, &root, "unknown", &json!({ "name": "x" })).expect_status(404));
    drop(update(&postern, &root, workerd_tests::ROOT_CLIENT_ID, &json!({ "name": "x" })).expect_status(404));
    postern.kill_and_restart();
    expect(&postern, "é", Value::Null, &[]);
    assert_eq!(statuses(&postern, &id, [&secret]), [200]);
}

/// C11: the old secret works until the stated time, over a crash too, then no longer; the new one from the start.
#[test]
fn a_rotated_secret_works_until_the_overlap_ends() {
    let clock = Clock::new();
    let mut postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let Client { id, secret: first } = client(&postern, &root, &["scope:read"]);
    let second = rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 }));
    assert_eq!(statuses(&postern, &id, [&first, &second]), [200, 200]);
    clock.advance(3_600 - 5);
    postern.kill_and_restart();
    assert_eq!(statuses(&postern, &id, [&first, &second]), [200, 200]);
    clock.advance(5 + 1);
    assert_eq!(statuses(&postern, &id, [&first, &second]), [401, 200]);
    postern.kill_and_restart();
    assert_eq!(statuses(&postern, &id, [&first, &second]), [401, 200]);
    // Without an overlap, and where one was running: two secrets are good at most.
    let third = rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 }));
    let fourth = rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 }));
    assert_eq!(statuses(&postern, &id, [&second, &third, &fourth]), [401, 200, 200]);
    let fifth = rotate(&postern, &root, &id, &json!(null));
    assert_eq!(statuses(&postern, &id, [&third, &fourth, &fifth]), [401, 401, 200]);
}

/// C12, R4: both secrets and every token are dead on the next request, and stay so after a crash.
#[test]
fn an_emergency_revocation_kills_secrets_and_tokens_at_once() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret: first } = client(&postern, &root, &["scope:read"]);
    let second = rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 }));
    let old = [&first, &second].map(|secret| token(&postern, &id, secret));
    let use_of = |postern: &Postern, token: &str| postern.get("/api/v1/oauth/scope").bearer(token).send().status;
    assert_eq!(old.each_ref().map(|token| use_of(&postern, token)), [200, 200]);
    let third = rotate(&postern, &root, &id, &json!({ "revoke_tokens": true }));
    assert_eq!(old.each_ref().map(|token| use_of(&postern, token)), [401, 401]);
    assert_eq!(statuses(&postern, &id, [&first, &second, &third]), [401, 401, 200]);
    postern.kill_and_restart();
    assert_eq!(old.each_ref().map(|token| use_of(&postern, token)), [401, 401]);
    assert_eq!(use_of(&postern, &token(&postern, &id, &third)), 200);
    drop(
        postern
            .post(&client_at(&id, "/secret"))
            .bearer(&root)
            .json(&json!({ "revoke_tokens": true, "overlap_minutes": 1 }))
            .send()
            .expect_status(422),
    );
}

/// T13: a secret with an end is refused from then on, as a wrong one; a rotation gives a new life.
#[test]
fn an_expired_secret_is_refused() {
    let clock = Clock::new();
    let postern = Postern::start(Setup::new().clock(&clock));
    let root = root(&postern);
    let until = clock.now() + 600;
    let body = json!({ "scopes": ["scope:read"], "secret_expires_at": until });
    let Client { id, secret } = client_of(&postern, &root, &body);
    assert_eq!(shown(&postern, &root, &id).0["secret_expires_at"], json!(until));
    clock.advance(600 - 5);
    assert_eq!(statuses(&postern, &id, [&secret]), [200]);
    clock.advance(5 + 1);
    let (expired, wrong) = (sign_in(&postern, &id, &secret).send(), sign_in(&postern, &id, "wrong").send());
    assert_eq!((expired.status, &expired.body), (401, &wrong.body));
    let new = rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 }));
    assert_eq!(statuses(&postern, &id, [&secret, &new]), [401, 200]);
}

/// C13: of two updates at the same time one is last, whole; never a mixture.
#[test]
fn parallel_updates_leave_one_of_them_whole() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, .. } = client(&postern, &root, &[]);
    let versions = [
        json!({ "name": "a", "description": "a", "scopes": ["scope:read", "policy:read"] }),
        json!({ "name": "b", "description": "b", "scopes": ["client:read", "rule:read"] }),
    ];
    let whole = versions.each_ref().map(|version| {
        let mut view = version.clone();
        view["client_id"] = json!(id);
        view
    });
    for _ in 0..15 {
        thread::scope(|scope| {
            let put = |body| update(&postern, &root, &id, body).expect_status(200).json();
            let send = |body| scope.spawn(move || put(body));
            let answers = versions.each_ref().map(send).map(|sent| sent.join().unwrap_or_default());
            assert_eq!(answers, whole, "each sees its own");
        });
        let last = shown(&postern, &root, &id).0;
        assert!(whole.contains(&last), "{last}");
    }
}

/// C13: of two updates of one version, one is made; the other one's caller has to read again. So with every other
/// change.
#[test]
fn an_update_of_another_version_is_refused() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret } = client(&postern, &root, &["scope:read"]);
    for _ in 0..10 {
        let tag = shown(&postern, &root, &id).1;
        let put = |name: &str| {
            let request = postern.put(&client_at(&id, "")).bearer(&root).header("If-Match", &tag);
            request.json(&json!({ "name": format!("{name}{tag}") })).send().status
        };
        let mut answers = thread::scope(|scope| {
            ["a", "b"].map(|name| scope.spawn(move || put(name))).map(|sent| sent.join().unwrap_or_default())
        });
        answers.sort_unstable();
        assert_eq!(answers, [200, 412]);
    }
    let stale = shown(&postern, &root, &id).1;
    drop(rotate(&postern, &root, &id, &json!({ "overlap_minutes": 60 })));
    postern.kill_and_restart();
    let before = shown(&postern, &root, &id);
    for request in [
        postern.put(&client_at(&id, "")).json(&json!({ "name": "stale" })),
        postern.put(&client_at(&id, "/scope")).json(&json!([])),
        postern.post(&client_at(&id, "/secret")),
        postern.delete(&client_at(&id, "")),
    ] {
        drop(request.bearer(&root).header("If-Match", &stale).send().expect_status(412));
    }
    assert_eq!(shown(&postern, &root, &id), before);
    assert_eq!(statuses(&postern, &id, [&secret]), [200]);
    drop(postern.delete(&client_at(&id, "")).bearer(&root).header("If-Match", &before.1).send().expect_status(200));
}

/// C14, J18: gone everywhere on the next request, and after a crash.
#[test]
fn a_deleted_client_is_gone_everywhere() {
    let mut postern = Postern::start(Setup::new());
    let root = root(&postern);
    let Client { id, secret } = client(&postern, &root, &["scope:read"]);
    let own = token(&postern, &id, &secret);
    assert_eq!(postern.delete(&client_at(&id, "")).bearer(&root).send().expect_status(200).text(), "null");
    for _ in 0..2 {
        for request in [
            postern.get(&client_at(&id, "")),
            postern.get(&client_at(&id, "/scope")),
            postern.put(&client_at(&id, "")).json(&json!({ "name": "x" })),
            postern.post(&client_at(&id, "/secret")),
        ] {
            drop(request.bearer(&root).send().expect_status(404));
        }
        assert_eq!(postern.get(CLIENT).bearer(&root).send().expect_status(200).json()["total"], 0);
        assert_eq!(statuses(&postern, &id, [&secret]), [401]);
        drop(postern.get("/api/v1/oauth/scope").bearer(&own).send().expect_status(401));
        postern.kill_and_restart();
    }
}

/// B8: the roles are the scopes that Fides gives them, for whoever may read scopes.
#[test]
fn the_roles_are_listed_with_their_scopes() {
    let postern = Postern::start(Setup::new());
    let root = root(&postern);
    let roles = |token: &str| postern.get("/api/v1/oauth/role").bearer(token).send();
    let every = postern.get("/api/v1/oauth/scope").bearer(&root).send().expect_status(200).json();
    let listed = roles(&root).expect_status(200).json();
    let listed = listed.as_object().cloned().unwrap_or_default();
    assert_eq!(listed.len(), 8);
    for (role, scopes) in &listed {
        let scopes = scopes.as_array().cloned().unwrap_or_default();
        assert!(
            !scopes.is_empty() && scopes.iter().all(|scope| every.as_array().is_some_and(|all| all.contains(scope))),
            "{role}"
        );
    }
    let other = client(&postern, &root, &["client:read"]);
    drop(roles(&token(&postern, &other.id, &other.secret)).expect_status(403));
}
