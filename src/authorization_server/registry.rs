//! The client registry: the single writer of all clients. One request in, one reply out; the check of the caller's
//! token rides with the command, so that a route costs one object request.
//!
//! Decides: whether a caller may do what it asks, against the clients as they are now. Leaves to others: signatures and
//! scopes of the token (the guard), how clients are stored.

mod administration;
mod authentication;
mod figures;

use std::{cell::RefCell, rc::Rc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::figures::Figures;
use crate::{
    authorization_server::{
        audit::{AuditAction, AuditEntry, DenialReason, Origin, Tallies, Tally},
        client::{Client, ClientChange, ClientView, Rotation},
        client_cache::ClientCache,
        failure_budget::FailureBudgets,
    },
    ports::{Mark, PortError, RegistryStore},
    protocol::{
        json_text,
        jwk::JwkSet,
        page::{Page, PageQuery},
        scope::Scope,
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
};

/// The authenticated API client of a request, as its verified token describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client.
    pub client_id: String,
    /// The client's epoch when the token was issued.
    pub epoch: u64,
    /// The token's id.
    pub jti: String,
    /// The token's scope.
    pub scope: Scope,
    /// The root client lives in the settings, not in the registry.
    pub is_root: bool,
}

/// What the registry is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistryRequest {
    /// Are you there?
    Ping,
    /// With which keys does this client sign its assertions?
    Keys(Attempt),
    /// Are these the credentials of a client? If so, this is what it wants.
    Authenticate(Attempt, Proof, Errand),
    /// Do something on behalf of a caller, if it still may: the caller, the scope that the route requires, the action.
    Act(Caller, String, Action, Origin),
    /// Forget what has expired, and audit rows from before this instant.
    Prune(UnixSeconds),
}

/// Somebody says it is a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// Which one.
    pub client_id: String,
    /// From which network, for its failure budget.
    pub network: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// What an attempt rests on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Proof {
    /// Digest of the presented secret.
    Secret(SecretDigest),
    /// It names the root client; whether its secret was right is known without the registry.
    Root(bool),
    /// An assertion whose signature and claims are good; none, if they are not.
    Assertion(Option<AssertionUse>),
}

/// One use of a client assertion (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionUse {
    /// RFC 7638 thumbprint of the key that signed it: the client must have it still.
    pub thumbprint: String,
    /// What a second use would have too.
    pub replay_key: String,
    /// How long that must be remembered.
    pub marker_until: UnixSeconds,
}

/// What an authenticated client wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Errand {
    /// A token.
    Token,
    /// To know whether a token is active (RFC 7662); none: it is none of ours.
    Introspect(Option<Caller>),
    /// To give up a token until it expires (RFC 7009); none: it is none of ours.
    Revoke(Option<(Caller, UnixSeconds)>),
}

/// What a caller can have done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Nothing: only check the caller.
    Admit,
    /// Register a client.
    Create(#[serde(with = "json_text")] Client),
    /// List clients.
    List(PageQuery),
    /// Read a client.
    Read(String),
    /// Change a client.
    Change(Target, ClientChange),
    /// Give a client a new secret.
    Rotate(Target, Rotation),
    /// Remove a client.
    Delete(Target),
    /// List what was done.
    Audit(PageQuery),
    /// Count what there is.
    Count,
}

impl Action {
    /// The client that it is about.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Read(client_id) => Some(client_id),
            Self::Change(target, _) | Self::Rotate(target, _) | Self::Delete(target) => Some(&target.client_id),
            Self::Admit | Self::Create(_) | Self::List(_) | Self::Audit(_) | Self::Count => None,
        }
    }

    /// Whether it can give a client something, or rule one, for which a caller needs more than the route's own scope.
    #[must_use]
    pub const fn gives_power(&self) -> bool {
        match self {
            Self::Admit | Self::List(_) | Self::Read(_) | Self::Audit(_) | Self::Count => false,
            Self::Create(_) | Self::Change(..) | Self::Rotate(..) | Self::Delete(_) => true,
        }
    }
}

/// A client that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which one.
    pub client_id: String,
    /// `If-Match` (RFC 9110 §13.1.1): only if it is this version still.
    pub if_match: Option<String>,
}

/// What the registry answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RegistryReply {
    /// The credentials are right; what the client holds now.
    Authenticated(Grantee),
    /// The keys of a client; an unknown one has none.
    Keys(#[serde(with = "json_text")] Option<JwkSet>),
    /// The token is active, with this scope.
    Active(Scope),
    /// It is not, or it is not for this client to know.
    Inactive,
    /// The token is another client's.
    NotYours,
    /// The credentials are not right; nobody learns why (checklist T13).
    NotAuthenticated,
    /// 429: they were not even looked at; come back then.
    TooManyFailures(Seconds),
    /// 401: the caller's client is gone or its tokens were revoked.
    TokenUnusable,
    /// 403: the client no longer holds the required scope.
    ScopeLost,
    /// 403: these scopes are not the caller's to give.
    CannotAssign(Scope),
    /// 403: the client holds these scopes, which the caller lacks.
    CannotManage(Scope),
    /// 403: these resources are not the caller's to give or to rule.
    ResourcesNotHeld(Vec<String>),
    /// There is no such client.
    NoSuchClient,
    /// 412: it is another version by now.
    Changed,
    /// Done.
    Done,
    /// A client, and the entity tag of this version.
    Client(#[serde(with = "json_text")] ClientView, String),
    /// One page.
    Page(Page),
    /// How much was forgotten.
    Pruned(u32),
    /// How much there is.
    Figures(Figures),
}

/// What a token is made of, beside what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grantee {
    /// What the client holds now.
    pub scope: Scope,
    /// Its epoch.
    pub epoch: u64,
    /// The resources that it may ask tokens for.
    pub resources: Vec<String>,
}

/// The registry: its storage, and what it remembers between requests. All of it can be lost but the storage.
pub struct Registry<Store> {
    /// Clients, and the storage behind them.
    clients: ClientCache<Store>,
    /// Failure budgets; none: not restored yet.
    budgets: RefCell<Option<FailureBudgets>>,
    /// What this minute has seen often.
    tallies: RefCell<Tallies>,
    /// Sorts unknown client ids into kinds that nobody can foresee.
    salt: RefCell<Option<[u8; 16]>>,
    /// Whether any token that has not expired was ever revoked; none: nobody looked.
    any_revoked: RefCell<Option<bool>>,
}

/// Somebody is about to do something.
struct Deed<'a> {
    /// Now.
    now: UnixSeconds,
    /// Who.
    caller: &'a Caller,
    /// From where.
    origin: &'a Origin,
}

/// What a caller may do now.
struct Power<'a> {
    /// Its token's scopes, of which its client may have lost some.
    token: &'a Scope,
    /// Its client as it is now; none: the root client, which has everything.
    client: Option<Rc<Client>>,
}

impl Power<'_> {
    /// Whether this scope-token is in the token, and the client still holds it.
    fn contains(&self, scope: &str) -> bool {
        self.token.contains(scope) && self.client.as_ref().is_none_or(|client| client.scope.contains(scope))
    }

    /// What of a scope is beyond it.
    fn missing(&self, scope: &Scope) -> Scope {
        scope.tokens().filter(|token| !self.contains(token)).collect()
    }

    /// What of these resources is beyond it.
    fn missing_resources(&self, resources: &[String]) -> Vec<String> {
        let held = |resource: &String| self.client.as_ref().is_none_or(|client| client.resources.contains(resource));
        resources.iter().filter(|resource| !held(resource)).cloned().collect()
    }
}

impl<Store: RegistryStore> Registry<Store> {
    /// A registry over a storage.
    pub fn new(store: Store) -> Self {
        Self {
            clients: ClientCache::new(store),
            budgets: RefCell::default(),
            tallies: RefCell::default(),
            salt: RefCell::default(),
            any_revoked: RefCell::default(),
        }
    }

    /// Answers one request. Synchronous: nothing else runs between its reads and its writes.
    ///
    /// # Errors
    /// 503 when storage failed; then nothing was changed.
    pub fn execute(&self, now: UnixSeconds, request: RegistryRequest) -> Result<RegistryReply, PortError> {
        match request {
            RegistryRequest::Ping => Ok(RegistryReply::Done),
            RegistryRequest::Keys(attempt) => self.keys(now, &attempt),
            RegistryRequest::Authenticate(attempt, proof, errand) => self.authenticate(now, &attempt, &proof, errand),
            RegistryRequest::Act(caller, required, action, origin) => {
                let deed = Deed { now, caller: &caller, origin: &origin };
                let target = action.target().map(str::to_owned);
                let reply = self.act(&deed, &required, action)?;
                if let Some(reason) = denial(&reply) {
                    let entry = AuditEntry::new(now, AuditAction::Denied, Some(&caller.client_id), &origin);
                    let kind = format!("{} {}", reason.word(), caller.client_id);
                    self.tally(kind, AuditEntry { target, reason: Some(reason), ..entry })?;
                }
                Ok(reply)
            }
            RegistryRequest::Prune(before) => Ok(RegistryReply::Pruned(self.clients.store().prune(now, before)?)),
        }
    }

    /// Carries an action out for a caller that may still do so.
    fn act(&self, deed: &Deed<'_>, required: &str, action: Action) -> Result<RegistryReply, PortError> {
        let power = match self.power(deed.caller)? {
            Some(power) if power.contains(required) => power,
            Some(_) => return Ok(RegistryReply::ScopeLost),
            None => return Ok(RegistryReply::TokenUnusable),
        };
        let entry = |action| AuditEntry::new(deed.now, action, Some(&deed.caller.client_id), deed.origin);
        match action {
            Action::Admit => Ok(RegistryReply::Done),
            Action::Create(client) => self.create(&power, &client, entry(AuditAction::CreateClient)),
            Action::List(query) => self.list(query),
            Action::Read(client_id) => self.read(&client_id),
            Action::Change(target, change) => self.change(&power, &target, change, entry(AuditAction::UpdateClient)),
            Action::Rotate(target, rotation) => {
                let emergency = rotation.revoke_tokens;
                let action = if emergency { AuditAction::RevokeClient } else { AuditAction::RotateSecret };
                self.rotate(&power, &target, rotation, entry(action))
            }
            Action::Delete(target) => self.delete(&power, &target, entry(AuditAction::DeleteClient)),
            Action::Audit(query) => Ok(RegistryReply::Page(self.clients.store().audit_page(query)?)),
            Action::Count => Ok(RegistryReply::Figures(self.clients.store().figures(deed.now)?)),
        }
    }

    /// What a caller may do now. None when the token is dead.
    fn power<'a>(&self, caller: &'a Caller) -> Result<Option<Power<'a>>, PortError> {
        if self.is_revoked(&caller.jti)? {
            return Ok(None);
        }
        let token = &caller.scope;
        if caller.is_root {
            return Ok(Some(Power { token, client: None }));
        }
        let client = self.clients.find(&caller.client_id)?.filter(|client| client.epoch == caller.epoch);
        Ok(client.map(|client| Power { token, client: Some(client) }))
    }

    /// Whether a token was revoked by itself. Most registries have no such token: then storage is not even asked.
    fn is_revoked(&self, jti: &str) -> Result<bool, PortError> {
        let known = *self.any_revoked.borrow();
        let any = match known {
            Some(any) => any,
            None => self.clients.store().is_any(Mark::RevokedToken)?,
        };
        self.any_revoked.replace(Some(any));
        Ok(any && self.clients.store().marked_until(Mark::RevokedToken, jti)?.is_some())
    }

    /// Writes down what may happen often: a row for each kind and minute, which says about how many.
    fn tally(&self, kind: String, entry: AuditEntry) -> Result<(), PortError> {
        let tally = self.one_more(&kind, entry)?;
        self.tallies.borrow_mut().remember(kind, tally);
        Ok(())
    }

    /// Writes it down; what to remember of it, as soon as the row is sure to stay.
    fn one_more(&self, kind: &str, entry: AuditEntry) -> Result<Tally, PortError> {
        let store = self.clients.store();
        let Some(tally) = self.tallies.borrow().one_more(kind, entry.at) else {
            return Ok(Tally::first(store.append(&entry)?, entry));
        };
        if let Some((row, entry)) = tally.rewritten() {
            store.rewrite(row, &entry)?;
        }
        Ok(tally)
    }
}

/// Why a reply refuses a caller; none where it does not, or where nothing was refused for want of power.
const fn denial(reply: &RegistryReply) -> Option<DenialReason> {
    match reply {
        RegistryReply::TokenUnusable => Some(DenialReason::TokenUnusable),
        RegistryReply::ScopeLost => Some(DenialReason::InsufficientScope),
        RegistryReply::CannotAssign(_) | RegistryReply::ResourcesNotHeld(_) => Some(DenialReason::CannotAssign),
        RegistryReply::CannotManage(_) => Some(DenialReason::CannotManage),
        RegistryReply::Authenticated(_)
        | RegistryReply::Keys(_)
        | RegistryReply::Active(_)
        | RegistryReply::Inactive
        | RegistryReply::NotYours
        | RegistryReply::NotAuthenticated
        | RegistryReply::TooManyFailures(_)
        | RegistryReply::NoSuchClient
        | RegistryReply::Changed
        | RegistryReply::Done
        | RegistryReply::Client(..)
        | RegistryReply::Page(_)
        | RegistryReply::Pruned(_)
        | RegistryReply::Figures(_) => None,
    }
}

/// A page of what is shown of things.
fn page<Shown: Serialize>(shown: impl Iterator<Item = Shown>, total: u32) -> Result<Page, PortError> {
    let items: Result<Vec<Value>, _> = shown.map(|shown| serde_json::to_value(&shown)).collect();
    Ok(Page { items: items.map_err(|error| PortError(format!("registry page: {error}")))?, total })
}

#[cfg(test)]
mod tests;
