//! The client registry: the single writer of all clients. One request in, one reply out; the check of the caller's
//! token rides with the command, so that a route costs one object request.
//!
//! Decides: whether a caller may do what it asks, against the clients as they are now. Leaves to others: signatures and
//! scopes of the token (the guard), how clients are stored.

mod administration;
mod authentication;
mod figures;
mod message;

use std::{cell::RefCell, rc::Rc};

use serde::Serialize;
use serde_json::Value;

pub use self::{
    figures::Figures,
    message::{Action, AssertionUse, Attempt, Caller, Errand, Grantee, Proof, RegistryReply, RegistryRequest, Target},
};
use crate::{
    authorization_server::{
        audit::{AuditAction, AuditEntry, DenialReason, Origin, Tallies, Tally},
        client::Client,
        client_cache::ClientCache,
        failure_budget::FailureBudgets,
    },
    ports::{Mark, PortError, RegistryStore},
    protocol::{page::Page, scope::Scope, time::UnixSeconds, word::Word},
};

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
