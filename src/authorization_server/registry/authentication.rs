//! Who a client is, and what it may have as the client it is: a token, word of a token, the end of a token.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{AssertionUse, Attempt, Caller, Errand, Grantee, Proof, Registry, RegistryReply};
use crate::{
    authorization_server::{
        access_token::CLOCK_SKEW,
        audit::{AuditAction, AuditEntry, DenialReason},
        client::Client,
        failure_budget::{Charged, FailureBudgets},
    },
    ports::{Mark, PortError, RegistryStore, random},
    protocol::{
        jwk::JwkSet,
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
        word::Word,
    },
};

/// The scope that lets a client introspect the tokens of others.
const INTROSPECT: &str = "token:introspect";

/// Most spent budgets that are restored.
const BUDGETS: u32 = 500;

/// Kinds of unknown client ids in the audit log.
const KINDS: u8 = 32;

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
        if let Some(refused) = self.must_wait(now, attempt, false)? {
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
        if let Some(refused) = self.must_wait(now, attempt, matches!(proof, Proof::Root(_)))? {
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
    fn must_wait(
        &self,
        now: UnixSeconds,
        attempt: &Attempt,
        is_root: bool,
    ) -> Result<Option<RegistryReply>, PortError> {
        let Some(wait) = self.wait(now, attempt)? else { return Ok(None) };
        self.refused(now, attempt, is_root, DenialReason::TooManyFailures)?;
        Ok(Some(RegistryReply::TooManyFailures(wait)))
    }

    /// How long this attempt has to wait.
    fn wait(&self, now: UnixSeconds, attempt: &Attempt) -> Result<Option<Seconds>, PortError> {
        let (store, mut budgets) = (self.clients.store(), self.budgets.borrow_mut());
        let budgets = match &mut *budgets {
            Some(budgets) => budgets,
            none => {
                let spent = store.marks(Mark::SpentBudget, BUDGETS + 1)?;
                let more = u32::try_from(spent.len()).is_ok_and(|count| count > BUDGETS);
                none.insert(FailureBudgets::restore(spent, more))
            }
        };
        if budgets.is_untouched() {
            return Ok(None);
        }
        let charged = Charged::new(&attempt.client_id, attempt.network.as_deref());
        if budgets.forgets() {
            for name in charged.names() {
                if let Some(until) = store.marked_until(Mark::SpentBudget, name)? {
                    budgets.remember_spent(name.to_owned(), until);
                }
            }
        }
        Ok(budgets.wait(&charged, now))
    }

    /// Whose credentials these are; none, if they are wrong. An unknown client costs the same comparisons (checklist
    /// M1).
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
        // This clock decides, not that of the isolate that judged it: from then on nothing is remembered of it.
        if now >= used.marker_until || !client.jwks.as_ref().is_some_and(has_key) {
            return Ok(false);
        }
        self.clients.store().mark(Mark::UsedAssertion, &used.replay_key, used.marker_until, now)
    }

    /// Counts wrong credentials and writes them down.
    fn failed(&self, now: UnixSeconds, attempt: &Attempt, is_root: bool) -> Result<(), PortError> {
        let charged = Charged::new(&attempt.client_id, attempt.network.as_deref());
        let spent = match &mut *self.budgets.borrow_mut() {
            Some(budgets) => budgets.fail(&charged, now),
            None => Vec::new(),
        };
        for (budget, until) in spent {
            self.clients.store().mark(Mark::SpentBudget, &budget, until, now)?;
        }
        self.refused(now, attempt, is_root, DenialReason::AuthenticationFailed)
    }

    /// Writes a refusal down, under the client's name if there is such a client. Made-up ids share a few kinds, so that
    /// they fill no log; nobody can foresee which ids share one, so that the first attempt with an id costs a write
    /// whether there is such a client or not (checklist M1).
    fn refused(
        &self,
        now: UnixSeconds,
        attempt: &Attempt,
        is_root: bool,
        reason: DenialReason,
    ) -> Result<(), PortError> {
        let client_id = attempt.client_id.as_str();
        let is_known = is_root || self.clients.find(client_id)?.is_some();
        let word = reason.word();
        let kind = if is_known { format!("{word} {client_id}") } else { format!("{word} #{}", self.sort(client_id)?) };
        let actor = is_known.then_some(client_id);
        let entry = AuditEntry::new(now, AuditAction::Denied, actor, &attempt.origin);
        self.tally(kind, AuditEntry { reason: Some(reason), ..entry })
    }

    /// Which of [`KINDS`] an unknown id belongs to.
    fn sort(&self, client_id: &str) -> Result<u8, PortError> {
        let mut salt = self.salt.borrow_mut();
        let salt = match &mut *salt {
            Some(salt) => salt,
            none => none.insert(random()?),
        };
        let digest = Sha256::new().chain_update(salt).chain_update(client_id).finalize();
        Ok(digest.first().map_or(0, |byte| byte % KINDS))
    }

    /// What a token for this client may say; the use of the root client is written down.
    fn grantee(&self, now: UnixSeconds, attempt: &Attempt, identity: &Identity) -> Result<RegistryReply, PortError> {
        match identity {
            Identity::Root => {
                let entry = AuditEntry::new(now, AuditAction::RootToken, Some(&attempt.client_id), &attempt.origin);
                self.clients.store().append(&entry)?;
                Ok(RegistryReply::Done)
            }
            Identity::Client(client) => {
                let (scope, resources) = (client.scope.clone(), client.resources.clone());
                Ok(RegistryReply::Authenticated(Grantee { scope, epoch: client.epoch, resources }))
            }
        }
    }

    /// Whether a token is active: about its own every client may ask, about those of others with `token:introspect`,
    /// and the root client about all. The scope is what the token can do now.
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
        let client_id = attempt.client_id.as_str();
        let entry = |action| AuditEntry {
            target: Some(token.client_id.clone()),
            ..AuditEntry::new(now, action, Some(client_id), &attempt.origin)
        };
        if token.client_id != client_id {
            let reason = Some(DenialReason::AnothersToken);
            self.tally(format!("another's {client_id}"), AuditEntry { reason, ..entry(AuditAction::Denied) })?;
            return Ok(RegistryReply::NotYours);
        }
        let store = self.clients.store();
        // For an isolate whose clock is behind, the token lives on for a while.
        let until = expires_at.plus(CLOCK_SKEW);
        // A client that revokes every token that it gets fills no log.
        let (kind, mut tally) = (format!("revoke {client_id}"), None);
        store.atomically(&mut || {
            if store.mark(Mark::RevokedToken, &token.jti, until, now)? {
                tally = Some(self.one_more(&kind, entry(AuditAction::RevokeToken))?);
            }
            Ok(())
        })?;
        if let Some(tally) = tally {
            self.tallies.borrow_mut().remember(kind, tally);
        }
        self.any_revoked.replace(Some(true));
        Ok(RegistryReply::Done)
    }
}
