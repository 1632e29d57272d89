//! Who a client is, and what it may have as the client it is: a token, word of a token, the end of a token.

use std::rc::Rc;

use super::{AssertionUse, Attempt, Caller, Errand, Grantee, Proof, Registry, RegistryReply};
use crate::{
    authorization_server::{
        audit::{AuditAction, AuditEntry, DenialReason},
        client::Client,
        failure_budget::FailureBudgets,
    },
    ports::{Mark, PortError, RegistryStore},
    protocol::{
        jwk::JwkSet,
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
};

/// The scope that lets a client introspect the tokens of others.
const INTROSPECT: &str = "token:introspect";

/// Most spent budgets that are restored.
const BUDGETS: u32 = 512;

/// Who has proved to be somebody.
enum Identity {
    /// The root client, which lives in the settings.
    Root,
    /// A registered client.
    Client(Rc<Client>),
}

impl<Store: RegistryStore> Registry<Store> {
    /// The keys of a client, unless whoever asks has to wait.
    pub(super) fn keys(&self, now: UnixSeconds, attempt: &Attempt) -> Result<RegistryReply, PortError> {
        if let Some(refused) = self.must_wait(now, attempt)? {
            return Ok(refused);
        }
        let client = self.clients.find(&attempt.client_id)?;
        Ok(RegistryReply::Keys(client.and_then(|client| client.jwks.clone())))
    }

    /// Checks credentials, then does what the client wants.
    pub(super) fn authenticate(
        &self,
        now: UnixSeconds,
        attempt: &Attempt,
        proof: &Proof,
        errand: Errand,
    ) -> Result<RegistryReply, PortError> {
        if let Some(refused) = self.must_wait(now, attempt)? {
            return Ok(refused);
        }
        let Some(identity) = self.identify(now, attempt, proof)? else {
            self.failed(now, attempt, matches!(proof, Proof::Root(_)))?;
            return Ok(RegistryReply::NotAuthenticated);
        };
        match errand {
            Errand::Token => self.grantee(now, attempt, &identity),
            Errand::Introspect(token) => self.introspect(&identity, token),
            Errand::Revoke(token) => self.revoke(now, attempt, token),
        }
    }

    /// Who has spent a budget is not even looked at.
    fn must_wait(&self, now: UnixSeconds, attempt: &Attempt) -> Result<Option<RegistryReply>, PortError> {
        let Some(wait) = self.wait(now, attempt)? else { return Ok(None) };
        let known = self.clients.find(&attempt.client_id)?.map(|client| client.client_id.clone());
        self.denied(now, known.as_deref(), DenialReason::TooManyFailures, &attempt.origin)?;
        Ok(Some(RegistryReply::TooManyFailures(wait)))
    }

    /// How long this attempt has to wait.
    fn wait(&self, now: UnixSeconds, attempt: &Attempt) -> Result<Option<Seconds>, PortError> {
        let mut budgets = self.budgets.borrow_mut();
        let budgets = match &mut *budgets {
            Some(budgets) => budgets,
            none => none.insert(FailureBudgets::restore(self.clients.store().marks(Mark::SpentBudget, BUDGETS)?)),
        };
        Ok(budgets.wait(&attempt.client_id, attempt.network.as_deref(), now))
    }

    /// Whose credentials these are; none, if they are wrong. An unknown client costs the same comparisons (checklist M1).
    fn identify(&self, now: UnixSeconds, attempt: &Attempt, proof: &Proof) -> Result<Option<Identity>, PortError> {
        if let Proof::Root(right) = proof {
            return Ok(right.then_some(Identity::Root));
        }
        let client = self.clients.find(&attempt.client_id)?;
        let right = match (proof, &client) {
            (Proof::Secret(secret), Some(client)) => client.accepts(secret, now),
            (Proof::Secret(secret), None) => {
                let nobody = SecretDigest::nobody();
                nobody.matches(secret) | nobody.matches(secret)
            }
            (Proof::Assertion(Some(used)), Some(client)) => self.use_up(now, client, used)?,
            (Proof::Assertion(_) | Proof::Root(_), _) => false,
        };
        Ok(client.filter(|_| right).map(Identity::Client))
    }

    /// Uses an assertion, which works once (checklist J21, J22).
    fn use_up(&self, now: UnixSeconds, client: &Client, used: &AssertionUse) -> Result<bool, PortError> {
        let has_key = |keys: &JwkSet| keys.keys().any(|key| key.thumbprint() == used.thumbprint);
        if !client.jwks.as_ref().is_some_and(has_key) {
            return Ok(false);
        }
        self.clients.store().mark(Mark::UsedAssertion, &used.replay_key, used.marker_until, now)
    }

    /// Counts wrong credentials and writes them down: under the client's name if there is such a client.
    fn failed(&self, now: UnixSeconds, attempt: &Attempt, is_root: bool) -> Result<(), PortError> {
        let network = attempt.network.as_deref();
        let spent = match &mut *self.budgets.borrow_mut() {
            Some(budgets) => budgets.fail(&attempt.client_id, network, now),
            None => Vec::new(),
        };
        for (budget, until) in spent {
            self.clients.store().mark(Mark::SpentBudget, &budget, until, now)?;
        }
        let is_known = is_root || self.clients.find(&attempt.client_id)?.is_some();
        let actor = is_known.then_some(attempt.client_id.as_str());
        self.denied(now, actor, DenialReason::AuthenticationFailed, &attempt.origin)
    }

    /// What a token for this client may say; the use of the root client is written down.
    fn grantee(&self, now: UnixSeconds, attempt: &Attempt, identity: &Identity) -> Result<RegistryReply, PortError> {
        match identity {
            Identity::Root => {
                let entry = AuditEntry::new(now, AuditAction::RootToken, &attempt.client_id, &attempt.origin);
                self.clients.store().append(&entry)?;
                Ok(RegistryReply::Done)
            }
            Identity::Client(client) => {
                let (scope, resources) = (client.scope.clone(), client.resources.clone());
                Ok(RegistryReply::Authenticated(Grantee { scope, epoch: client.epoch, resources }))
            }
        }
    }

    /// Whether a token is active: about its own every client may ask, about those of others with `token:introspect`, and
    /// the root client about all. The scope is what the token can do now.
    fn introspect(&self, identity: &Identity, token: Option<Caller>) -> Result<RegistryReply, PortError> {
        let Some(token) = token else { return Ok(RegistryReply::Inactive) };
        let may_know = match identity {
            Identity::Root => true,
            Identity::Client(client) => client.client_id == token.client_id || client.scope.contains(INTROSPECT),
        };
        let power = if may_know { self.power(&token)? } else { None };
        let scope = power.map(|power| power.token.tokens().filter(|token| power.contains(token)).collect());
        Ok(scope.map_or(RegistryReply::Inactive, RegistryReply::Active))
    }

    /// Ends a token that is the client's own. One that is dead already is as good as revoked (RFC 7009 §2.2).
    fn revoke(
        &self,
        now: UnixSeconds,
        attempt: &Attempt,
        token: Option<(Caller, UnixSeconds)>,
    ) -> Result<RegistryReply, PortError> {
        let Some((token, expires_at)) = token else { return Ok(RegistryReply::Done) };
        if token.client_id != attempt.client_id {
            return Ok(RegistryReply::NotYours);
        }
        let entry = AuditEntry::new(now, AuditAction::RevokeToken, &attempt.client_id, &attempt.origin);
        let entry = AuditEntry { target: Some(token.client_id), ..entry };
        let store = self.clients.store();
        store.atomically(&mut || {
            let is_new = store.mark(Mark::RevokedToken, &token.jti, expires_at, now)?;
            if is_new { store.append(&entry).map(drop) } else { Ok(()) }
        })?;
        self.any_revoked.replace(Some(true));
        Ok(RegistryReply::Done)
    }
}
