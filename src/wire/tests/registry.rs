//! Requests and replies of the client registry.

use super::*;
use crate::{
    authorization_server::{
        audit::Origin,
        client::{Client, ClientChange, Edit, Rotation},
        registry::{
            Action, AssertionUse, Attempt, Caller, Errand, Figures, Grantee, Proof, RegistryReply, RegistryRequest,
            Target,
        },
    },
    protocol::{
        json,
        jwk::JwkSet,
        page::{Page, PageQuery},
        scope::Scope,
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
};

/// An instant.
const THEN: UnixSeconds = UnixSeconds(1_700_000_000);

/// A scope.
fn scope() -> Scope {
    Scope::parse("a b").unwrap()
}

/// Clients with all there is and with less.
fn clients() -> [Client; 2] {
    [
        include_str!("../../../fixtures/storage/v1/client_full.json"),
        include_str!("../../../fixtures/storage/v1/client.json"),
    ]
    .map(|stored| json::read(stored.as_bytes()).unwrap())
}

/// Keys of a client.
fn keys() -> JwkSet {
    let [full, _] = clients();
    full.jwks.unwrap()
}

/// A caller.
fn caller() -> Caller {
    Caller { client_id: text("id"), epoch: u64::MAX, jti: text("jti"), scope: scope(), is_root: true }
}

/// Attempts with all there is and with nothing.
fn attempts() -> [Attempt; 2] {
    let origin = Origin { request_id: text("r"), address: Some(text("::1")) };
    [
        Attempt { client_id: text("id"), network: Some(text("::")), origin },
        Attempt { client_id: text(""), network: None, origin: Origin::default() },
    ]
}

/// What an attempt rests on.
fn proofs() -> [Proof; 4] {
    let used = AssertionUse { thumbprint: text("t"), replay_key: text("k"), marker_until: THEN };
    [Proof::Secret(SecretDigest::nobody()), Proof::Root(true), Proof::Assertion(Some(used)), Proof::Assertion(None)]
}

/// What a client wants.
fn errands() -> [Errand; 5] {
    [
        Errand::Token,
        Errand::Introspect(Some(caller())),
        Errand::Introspect(None),
        Errand::Revoke(Some((caller(), THEN))),
        Errand::Revoke(None),
    ]
}

/// Changes of a client: all there is, some of it removed, nothing.
fn changes() -> [ClientChange; 3] {
    let full = ClientChange {
        name: Some(text("é")),
        description: Edit::Clear,
        scopes: Some(scope()),
        resources: Some(vec![text("https://x")]),
        jwks: Edit::Set(keys()),
    };
    let cleared = ClientChange { description: Edit::Set(text("d")), jwks: Edit::Clear, ..ClientChange::default() };
    [full, cleared, ClientChange::default()]
}

/// What a caller can have done.
fn actions() -> Vec<Action> {
    let [full, bare] = clients();
    let [change, cleared, none] = changes();
    let target = || Target { client_id: text("id"), if_match: Some(text("\"tag\"")) };
    let any = Target { client_id: text("id"), if_match: None };
    let query = PageQuery { page: 1, size: 50 };
    let rotation = |secret_expires_at, revoke_tokens| Rotation {
        secret: SecretDigest::nobody(),
        secret_expires_at,
        overlap: Seconds(3600),
        revoke_tokens,
    };
    vec![
        Action::Admit,
        Action::Create(full),
        Action::Create(bare),
        Action::List(query),
        Action::Read(text("id")),
        Action::Change(target(), change),
        Action::Change(any.clone(), cleared),
        Action::Change(any.clone(), none),
        Action::Rotate(target(), rotation(Some(THEN), true)),
        Action::Rotate(any, rotation(None, false)),
        Action::Delete(target()),
        Action::Audit(query),
        Action::Count,
    ]
}

/// Every reply.
fn replies() -> Vec<RegistryReply> {
    let grantee = |resources| RegistryReply::Authenticated(Grantee { scope: scope(), epoch: 2, resources });
    let [full, bare] = clients();
    vec![
        grantee(vec![text("https://x")]),
        grantee(Vec::new()),
        RegistryReply::Keys(Some(keys())),
        RegistryReply::Keys(None),
        RegistryReply::Active(scope()),
        RegistryReply::Inactive,
        RegistryReply::NotYours,
        RegistryReply::NotAuthenticated,
        RegistryReply::TooManyFailures(Seconds(900)),
        RegistryReply::TokenUnusable,
        RegistryReply::ScopeLost,
        RegistryReply::CannotAssign(scope()),
        RegistryReply::CannotManage(Scope::default()),
        RegistryReply::ResourcesNotHeld(vec![text("https://x")]),
        RegistryReply::NoSuchClient,
        RegistryReply::Changed,
        RegistryReply::Done,
        RegistryReply::Client(full.view(), full.tag()),
        RegistryReply::Client(bare.view(), bare.tag()),
        RegistryReply::Page(Page { items: vec![document()], total: 1 }),
        RegistryReply::Pruned(u32::MAX),
        RegistryReply::Figures(Figures { clients: 1, audit_rows: 300, revoked_tokens: 2, spent_budgets: 3 }),
    ]
}

/// Every request and reply.
pub(super) fn all() -> Vec<u8> {
    let [attempt, bare] = attempts();
    let authenticate = RegistryRequest::Authenticate(bare, Proof::Root(false), Errand::Introspect(Some(caller())));
    let requests = [
        RegistryRequest::Ping,
        RegistryRequest::Keys(attempt),
        authenticate,
        RegistryRequest::Act(caller(), text("client:read"), Action::Admit, Origin::default()),
        RegistryRequest::Prune(THEN),
    ];
    let edits = [Edit::Keep, Edit::Clear, Edit::Set(text("a"))];
    let parts = [all_sent(&proofs()), all_sent(&errands()), all_sent(&actions()), all_sent(&edits)];
    [all_sent(&requests), parts.concat(), all_sent(&replies())].concat()
}
