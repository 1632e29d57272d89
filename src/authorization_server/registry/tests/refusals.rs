//! What is refused: how long it is looked at, and what is written down of it.

use super::*;

/// T36: 70 wrong secrets for one client from one network within seconds, with noise between: the budget of 15 is spent.
#[test]
fn noise_does_not_refill_a_budget() {
    let (registry, _) = registry();
    let mut looked_at = 0;
    for round in 0..5 {
        for _ in 0..14 {
            let reply = sign_in_from(&registry, "guesser", "strong", "x");
            looked_at += u32::from(reply == RegistryReply::NotAuthenticated);
        }
        // 6 networks, fewer than 100 failures each.
        for number in 0..512 {
            sign_in_from(&registry, &format!("noise{round}-{}", number % 6), &format!("made-up{number}"), "x");
        }
    }
    assert!(looked_at <= CLIENT_BUDGET, "{looked_at}");
}

/// T37: a network that has spent its budget stays so although many others spend theirs.
#[test]
fn a_spent_budget_is_not_forgotten() {
    let (registry, store) = registry();
    for number in 0..NETWORK_BUDGET {
        sign_in_from(&registry, "noisy", &format!("c{number}"), "x");
    }
    assert!(matches!(sign_in_from(&registry, "noisy", "weak", "x"), RegistryReply::TooManyFailures(_)));
    for budget in 0..512 {
        for number in 0..15 {
            sign_in_from(&registry, &format!("n{}", (budget * 15 + number) % 90), &format!("made-up{budget}"), "x");
        }
    }
    let reply = sign_in_from(&registry, "noisy", "weak", "x");
    assert!(matches!(reply, RegistryReply::TooManyFailures(_)), "{reply:?}, {} marks", store.rows().2);
}

/// T13, M1: a wrong secret costs as many writes (which the answer waits for) whether the client exists or not.
#[test]
fn known_and_unknown_clients_cost_the_same_writes() {
    let (registry, store) = registry();
    let writes = |id: &str| {
        let before = store.writes();
        sign_in(&registry, id, "x");
        store.writes() - before
    };
    assert_eq!([writes("unknown"), writes("strong"), writes("unknown"), writes("strong")], [1; 4]);
}

/// C18: who attacks the root client until its budget is spent is written down under the root client.
#[test]
fn failures_of_root_are_written_down_as_its_own() {
    let (registry, store) = registry();
    for _ in 0..=CLIENT_BUDGET {
        let request = RegistryRequest::Authenticate(attempt("root", "n"), Proof::Root(false), Errand::Token);
        registry.execute(NOW, request).unwrap();
    }
    let actors: Vec<_> = rows(&store).iter().map(|row| (row["reason"].clone(), row["actor"].clone())).collect();
    assert!(actors.iter().all(|(_, actor)| actor == "root"), "{actors:?}");
}

/// C18: a refusal names the client that it was about.
#[test]
fn a_refusal_names_its_target() {
    let (registry, store) = registry();
    act_as_weak(&registry, "client:delete", Action::Delete(target("strong")));
    let row = &rows(&store)[0];
    assert_eq!((&row["reason"], &row["target"]), (&"cannot_manage".into(), &"strong".into()));
}

/// C18: a row that counts more of its kind still says what the first was about: target, instant, request and address.
#[test]
fn the_first_of_a_kind_stays_in_its_row() {
    let (registry, store) = registry();
    registry.clients.insert(&client("other", "b")).unwrap();
    let delete = |seconds, id: &str| {
        let origin = Origin { request_id: format!("r{seconds}"), address: Some(format!("192.0.2.{seconds}")) };
        let action = Action::Delete(target(id));
        let request = RegistryRequest::Act(caller("weak", WEAK), "client:delete".to_owned(), action, origin);
        registry.execute(NOW.plus(Seconds(seconds)), request).unwrap();
        rows(&store)
    };
    let mut expected = delete(1, "strong");
    expected[0]["count"] = 2.into();
    assert_eq!(delete(2, "other"), expected);
}

/// C18: a new key of a client, which is a credential, looks other than a new description.
#[test]
fn a_planted_key_shows_in_the_log() {
    let (registry, store) = registry();
    let root = Caller { is_root: true, ..caller("root", "client:update a b") };
    let row = |change| {
        act_as(&registry, root.clone(), "client:update", Action::Change(target("strong"), change));
        let mut row = rows(&store).swap_remove(0);
        row["id"].take();
        row
    };
    let description = row(ClientChange { description: Edit::Set("x".to_owned()), ..ClientChange::default() });
    let keys = row(ClientChange { jwks: Edit::Clear, ..ClientChange::default() });
    assert_ne!(description, keys);
}
