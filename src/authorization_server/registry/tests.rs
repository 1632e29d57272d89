//! The registry alone, over storage in memory.

mod refusals;
mod timing;
mod tokens;

use super::*;
use crate::{
    authorization_server::{
        client::{ClientChange, Edit, Rotation, tests::client, tests::rotation},
        failure_budget::{CLIENT_BUDGET, NETWORK_BUDGET},
    },
    memory::MemoryRegistry,
    protocol::{page::PageQuery, secret::SecretDigest, time::Seconds},
};

/// The instant of all requests that say nothing else.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// What a manager of clients holds, and one scope beside.
const WEAK: &str = "client:create client:update client:delete a";

/// A scope of a text.
fn scope(text: &str) -> Scope {
    text.split_whitespace().collect()
}

/// A caller with a token of this scope.
fn caller(id: &str, token: &str) -> Caller {
    Caller { client_id: id.to_owned(), epoch: 1, jti: format!("jti-{id}"), scope: scope(token), is_root: false }
}

/// A registry with two clients, and its storage.
fn registry() -> (Registry<MemoryRegistry>, MemoryRegistry) {
    let store = MemoryRegistry::default();
    let registry = Registry::new(store.clone());
    for client in [client("weak", WEAK), client("strong", "a b")] {
        registry.clients.insert(&client).unwrap();
    }
    (registry, store)
}

/// Acts as this caller.
fn act_as(registry: &Registry<MemoryRegistry>, caller: Caller, required: &str, action: Action) -> RegistryReply {
    let request = RegistryRequest::Act(caller, required.to_owned(), action, Origin::default());
    registry.execute(NOW, request).unwrap()
}

/// Acts as the weak client with all it holds.
fn act_as_weak(registry: &Registry<MemoryRegistry>, required: &str, action: Action) -> RegistryReply {
    act_as(registry, caller("weak", WEAK), required, action)
}

/// A client to be changed, whatever its version.
fn target(client_id: &str) -> Target {
    Target { client_id: client_id.to_owned(), if_match: None }
}

/// A change of scopes.
fn scopes(text: &str) -> ClientChange {
    ClientChange { scopes: Some(scope(text)), ..ClientChange::default() }
}

/// An attempt from a network.
fn attempt(client_id: &str, network: &str) -> Attempt {
    Attempt { client_id: client_id.to_owned(), network: Some(network.to_owned()), origin: Origin::default() }
}

/// Asks for a token with a secret from a network, then.
fn sign_in_from(registry: &Registry<MemoryRegistry>, network: &str, id: &str, secret: &str) -> RegistryReply {
    let proof = Proof::Secret(SecretDigest::of(secret));
    registry.execute(NOW, RegistryRequest::Authenticate(attempt(id, network), proof, Errand::Token)).unwrap()
}

/// Asks for a token with a secret.
fn sign_in(registry: &Registry<MemoryRegistry>, id: &str, secret: &str) -> RegistryReply {
    sign_in_from(registry, "192.0.2.1", id, secret)
}

/// The audit log as it is shown, newest first.
fn rows(store: &MemoryRegistry) -> Vec<Value> {
    crate::ports::AuditStore::audit_page(store, PageQuery { page: 1, size: 100 }).unwrap().items
}

/// The actions and reasons of the audit log, newest first.
fn log(store: &MemoryRegistry) -> Vec<(String, String)> {
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    rows(store).iter().map(|entry| (text(entry, "action"), text(entry, "reason"))).collect()
}

/// T13, T27: unknown id, wrong secret, other letter case: one reply.
#[test]
fn wrong_credentials_get_one_reply() {
    let (registry, _) = registry();
    assert!(matches!(sign_in(&registry, "strong", "strong"), RegistryReply::Authenticated(Grantee { epoch: 1, .. })));
    for (id, secret) in [("nobody", "x"), ("strong", "x"), ("STRONG", "strong"), ("nobody", ""), ("strong", "")] {
        assert_eq!(sign_in(&registry, id, secret), RegistryReply::NotAuthenticated, "{id} {secret}");
    }
}

/// T36, T37: a spent budget is answered without looking; whoever has failed nowhere may still sign in.
#[test]
fn spent_budgets_make_wait() {
    let (registry, store) = registry();
    for number in 0..CLIENT_BUDGET {
        assert_eq!(sign_in_from(&registry, &format!("n{number}"), "strong", "x"), RegistryReply::NotAuthenticated);
    }
    let wait = RegistryReply::TooManyFailures(Seconds(300));
    assert_eq!(sign_in_from(&registry, "n1", "strong", "strong"), wait);
    assert!(matches!(sign_in_from(&registry, "clean", "strong", "strong"), RegistryReply::Authenticated(_)));
    assert_eq!(store.rows().2, 1);
    for number in 0..NETWORK_BUDGET {
        sign_in_from(&registry, "noisy", &format!("c{number}"), "x");
    }
    assert_eq!(sign_in_from(&registry, "noisy", "weak", "weak"), wait);
    assert!(matches!(sign_in_from(&registry, "clean", "weak", "weak"), RegistryReply::Authenticated(_)));
}

/// T39: a restarted object knows what was spent, and until when.
#[test]
fn a_spent_budget_outlives_the_object() {
    let (registry, store) = registry();
    for _ in 0..CLIENT_BUDGET {
        sign_in(&registry, "strong", "x");
    }
    let restarted = Registry::new(store);
    let ask = |now| {
        let proof = Proof::Secret(SecretDigest::of("strong"));
        let attempt = Attempt { network: None, ..attempt("strong", "") };
        restarted.execute(now, RegistryRequest::Authenticate(attempt, proof, Errand::Token)).unwrap()
    };
    assert_eq!(ask(NOW.plus(Seconds(299))), RegistryReply::TooManyFailures(Seconds(1)));
    assert!(matches!(ask(NOW.plus(Seconds(300))), RegistryReply::Authenticated(_)));
}

/// A right secret writes nothing; wrong ones write a row a minute and client, not one each.
#[test]
fn a_successful_token_request_writes_nothing() {
    let (registry, store) = registry();
    let before = store.writes();
    for _ in 0..20 {
        sign_in(&registry, "strong", "strong");
    }
    act_as(&registry, caller("strong", "a"), "a", Action::Admit);
    assert_eq!(store.writes(), before);
    for number in 0..90 {
        sign_in(&registry, &format!("unknown{number}"), "x");
    }
    assert!(log(&store).len() <= 32, "{}", log(&store).len());
    for _ in 0..14 {
        sign_in(&registry, "strong", "x");
    }
    assert_eq!(log(&store).iter().filter(|(action, _)| action == "denied").count(), log(&store).len());
}

/// C1: nobody gives what it does not hold, and nothing is stored.
#[test]
fn creating_a_stronger_client_is_refused() {
    let (registry, store) = registry();
    let before = store.clients();
    let reply = act_as_weak(&registry, "client:create", Action::Create(client("new", "a b c")));
    assert_eq!(reply, RegistryReply::CannotAssign(scope("b c")));
    assert_eq!(store.clients(), before);
}

/// C2: not on itself either.
#[test]
fn widening_a_client_beyond_the_caller_is_refused() {
    let (registry, _) = registry();
    let action = Action::Change(target("weak"), scopes("a b"));
    assert_eq!(act_as_weak(&registry, "client:update", action), RegistryReply::CannotAssign(scope("b")));
}

/// C3, C4: the token's scopes count, not only the client's.
#[test]
fn a_narrowed_token_gives_only_what_it_has_itself() {
    let (registry, _) = registry();
    let action = Action::Create(client("new", "a"));
    let reply = act_as(&registry, caller("weak", "client:create"), "client:create", action);
    assert_eq!(reply, RegistryReply::CannotAssign(scope("a")));
}

/// C5: a stronger client can neither be changed, rotated nor deleted; each attempt is written down (C18).
#[test]
fn a_stronger_client_cannot_be_managed() {
    let (registry, store) = registry();
    let before = store.clients();
    for (required, action) in [
        ("client:delete", Action::Delete(target("strong"))),
        ("client:update", Action::Change(target("strong"), scopes("a"))),
        ("client:update", Action::Rotate(target("strong"), rotation("mine", 0))),
    ] {
        assert_eq!(act_as_weak(&registry, required, action), RegistryReply::CannotManage(scope("b")));
    }
    assert_eq!(store.clients(), before);
    assert_eq!(log(&store), [("denied".to_owned(), "cannot_manage".to_owned())]);
}

/// C5: resources count as power too: neither given nor taken over by who lacks them.
#[test]
fn resources_are_power_too() {
    let (registry, _) = registry();
    let resource = vec!["urn:x".to_owned()];
    let refused = RegistryReply::ResourcesNotHeld(resource.clone());
    let bearing = Client { resources: resource.clone(), ..client("bearing", "a") };
    let create = || Action::Create(bearing.clone());
    assert_eq!(act_as_weak(&registry, "client:create", create()), refused);
    let change = ClientChange { resources: Some(resource), ..ClientChange::default() };
    assert_eq!(act_as_weak(&registry, "client:update", Action::Change(target("weak"), change)), refused);
    let root = || Caller { is_root: true, ..caller("root", "client:create a") };
    assert_eq!(act_as(&registry, root(), "client:create", create()), RegistryReply::Done);
    assert_eq!(
        act_as_weak(&registry, "client:update", Action::Rotate(target("bearing"), rotation("mine", 0))),
        refused
    );
}

/// J17: a lost scope is 403 for that scope only, a deleted client's token is dead; J18: so is one of another epoch.
#[test]
fn power_follows_the_client_as_it_is_now() {
    let (registry, _) = registry();
    let admit = |required: &str, caller: Caller| act_as(&registry, caller, required, Action::Admit);
    let strong = || caller("strong", "a b");
    assert_eq!(admit("a", strong()), RegistryReply::Done);
    registry.clients.update(&client("strong", "a")).unwrap();
    assert_eq!(admit("a", strong()), RegistryReply::Done);
    assert_eq!(admit("b", strong()), RegistryReply::ScopeLost);
    assert_eq!(admit("a", Caller { epoch: 2, ..strong() }), RegistryReply::TokenUnusable);
    registry.clients.remove("strong").unwrap();
    assert_eq!(admit("a", strong()), RegistryReply::TokenUnusable);
}

/// C12, J18: after an emergency neither the old secret nor any token works.
#[test]
fn an_emergency_kills_secrets_and_tokens() {
    let (registry, store) = registry();
    let root = || Caller { is_root: true, ..caller("root", "client:update a b") };
    let overlap = Action::Rotate(target("strong"), rotation("second", 600));
    assert_eq!(act_as(&registry, root(), "client:update", overlap), RegistryReply::Done);
    let both = ["strong", "second"].map(|secret| sign_in(&registry, "strong", secret));
    assert!(both.iter().all(|reply| matches!(reply, RegistryReply::Authenticated(_))));
    let emergency = Rotation { revoke_tokens: true, ..rotation("third", 0) };
    act_as(&registry, root(), "client:update", Action::Rotate(target("strong"), emergency));
    for dead in ["strong", "second"] {
        assert_eq!(sign_in(&registry, "strong", dead), RegistryReply::NotAuthenticated);
    }
    assert_eq!(act_as(&registry, caller("strong", "a"), "a", Action::Admit), RegistryReply::TokenUnusable);
    let RegistryReply::Authenticated(grantee) = sign_in(&registry, "strong", "third") else { panic!("refused") };
    assert_eq!(grantee.epoch, 2);
    let actions: Vec<String> = log(&store).into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["denied", "denied", "client.revoke", "client.rotate_secret"]);
}

/// C13: a change for another version is refused; `*` and a list with the right one are not.
#[test]
fn another_version_is_not_changed() {
    let (registry, store) = registry();
    let root = || Caller { is_root: true, ..caller("root", "client:update a b") };
    let tag = || registry.clients.find("strong").unwrap().unwrap().tag();
    let change = |if_match: &str, text: &str| {
        let target = Target { if_match: Some(if_match.to_owned()), ..target("strong") };
        let change = ClientChange { description: Edit::Set(text.to_owned()), ..ClientChange::default() };
        act_as(&registry, root(), "client:update", Action::Change(target, change))
    };
    let first = tag();
    assert!(matches!(change(&first, "1"), RegistryReply::Client(..)));
    let before = store.clients();
    for stale in [first.as_str(), "", "x", &format!("W/{}", tag())] {
        assert_eq!(change(stale, "2"), RegistryReply::Changed, "{stale}");
    }
    assert_eq!(store.clients(), before);
    assert!(matches!(change("*", "3"), RegistryReply::Client(..)));
    assert!(matches!(change(&format!("\"x\", {}", tag()), "4"), RegistryReply::Client(..)));
}

/// C14, C18: a storage fault is an error, never a success, and neither the change nor its row stays alone.
#[test]
fn a_change_and_its_row_are_stored_together_or_not_at_all() {
    for writes in 0..2 {
        let (registry, store) = registry();
        let before = store.dump();
        store.break_after(writes);
        let root = Caller { is_root: true, ..caller("root", "client:delete a b") };
        let action = Action::Delete(target("strong"));
        let request = RegistryRequest::Act(root, "client:delete".to_owned(), action, Origin::default());
        assert!(registry.execute(NOW, request).is_err());
        store.mend_storage();
        assert_eq!(store.dump(), before, "{writes}");
        assert!(matches!(sign_in(&registry, "strong", "strong"), RegistryReply::Authenticated(_)));
    }
}

/// C18: each change has one row with actor, target, scope delta, request id and address, and no secret.
#[test]
fn every_change_is_written_down() {
    let (registry, store) = registry();
    let origin = Origin { request_id: "r1".to_owned(), address: Some("192.0.2.7".to_owned()) };
    let root = Caller { is_root: true, ..caller("root", "client:create client:update client:delete a b c") };
    let act = |required: &str, action| {
        let request = RegistryRequest::Act(root.clone(), required.to_owned(), action, origin.clone());
        registry.execute(NOW, request).unwrap();
    };
    act("client:create", Action::Create(client("new", "a b")));
    act("client:update", Action::Change(target("new"), scopes("b c")));
    act("client:update", Action::Change(target("new"), ClientChange::default()));
    act("client:update", Action::Rotate(target("new"), rotation("canary-secret", 0)));
    act("client:delete", Action::Delete(target("new")));
    act("client:delete", Action::Delete(target("new")));
    let row = |id: u64, action: &str, added: &[&str], removed: &[&str]| {
        serde_json::json!({
            "id": id, "at": "2023-11-14T22:13:20Z", "action": action, "actor": "root", "target": "new",
            "scopes_added": added, "scopes_removed": removed, "request_id": "r1", "address": "192.0.2.7",
            "changed": if action == "client.update" { vec!["scopes"] } else { Vec::new() }, "reason": null, "count": 1,
        })
    };
    let expected = [
        row(4, "client.delete", &[], &["b", "c"]),
        row(3, "client.rotate_secret", &[], &[]),
        row(2, "client.update", &["c"], &["a"]),
        row(1, "client.create", &["a", "b"], &[]),
    ];
    assert_eq!(rows(&store), expected);
}

/// R8: what has expired goes, what has not stays.
#[test]
fn old_rows_are_pruned() {
    let (registry, store) = registry();
    sign_in(&registry, "strong", "x");
    assert_eq!(store.rows().1, 1);
    let prune = |before| registry.execute(NOW, RegistryRequest::Prune(before)).unwrap();
    assert_eq!((prune(NOW), store.rows().1), (RegistryReply::Pruned(0), 1));
    assert_eq!((prune(NOW.plus(Seconds(1))), store.rows().1), (RegistryReply::Pruned(1), 0));
}

/// C18: the use of the root client is written down for each token.
#[test]
fn each_root_token_is_written_down() {
    let (registry, store) = registry();
    for _ in 0..2 {
        let request = RegistryRequest::Authenticate(attempt("root", "n"), Proof::Root(true), Errand::Token);
        assert_eq!(registry.execute(NOW, request).unwrap(), RegistryReply::Done);
    }
    let root = || ("root.token".to_owned(), String::new());
    assert_eq!(log(&store), [root(), root()]);
}
