//! The end of a grant: revoked at the provider, as far as that can be done, and forgotten here in any case (RFC 7009).
//!
//! The provider is asked first. A crash in between leaves tokens that may be dead but are still known: the same command
//! again finishes the work. Forgotten first, they could live on at the provider with nobody left to revoke them. While
//! the provider is asked nobody gets a token, and no renewal begins.

use std::rc::Rc;

use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::{
    Actor, ObjectPorts, Stop, Withdrawal,
    keeping::{Held, values_with},
};
use crate::{
    connection::{
        command::{Refusal, Reply, Revocation},
        definition::{Action, Definition},
        record::{Part, Record},
        refresh::Condition,
        secrets,
        token_exchange::{self, RequestProblem, TokenAnswer},
    },
    ports::ProviderRequest,
};

impl<P: ObjectPorts> Actor<P> {
    /// Ends the grant, and with it an authorization that was begun before, and a connect link.
    pub(super) async fn revoke(self: &Rc<Self>) -> Result<Reply, Stop> {
        self.existing()?;
        self.withdrawal().await.map(Reply::Withdrawn)
    }

    /// Ends the grant and forgets the connection. The truth goes first: should the directory fail, the same command
    /// again finishes the work.
    pub(super) async fn delete(self: &Rc<Self>) -> Result<Reply, Stop> {
        let (existed, readable) = match self.stored() {
            Ok(record) => (record.is_some(), record.is_some()),
            // What cannot be read any more can still be forgotten; storage that is broken says so once more.
            Err(_) => (true, false),
        };
        let outcome = if readable {
            self.is_doomed.set(true);
            self.withdrawal().await?
        } else if existed {
            self.ports.clear()?;
            Revocation::Unopened
        } else {
            Revocation::NothingHeld
        };
        let listed = self.ports.remove(&self.key).await?;
        // Made anew while the directory was told: its row may have been the one that went.
        self.publish().await?;
        if existed || listed { Ok(Reply::Withdrawn(outcome)) } else { Err(Refusal::NoConnection.into()) }
    }

    /// Waits until no grant is being ended.
    pub(super) async fn settled(&self) {
        loop {
            let under_way = self.withdrawal.borrow().clone();
            let Some(under_way) = under_way else { return };
            let _ = under_way.await;
        }
    }

    /// The one withdrawal under way; begins it when there is none. It goes on when nobody waits for it any more.
    fn withdrawal(self: &Rc<Self>) -> Withdrawal {
        if let Some(under_way) = &*self.withdrawal.borrow() {
            return under_way.clone();
        }
        let actor = Rc::clone(self);
        let withdrawal = async move {
            let outcome = actor.withdraw().await;
            actor.is_doomed.set(false);
            actor.withdrawal.take();
            outcome
        };
        let withdrawal = withdrawal.boxed_local().shared();
        self.withdrawal.replace(Some(withdrawal.clone()));
        self.ports.spawn(withdrawal.clone().map(|_| None).boxed_local());
        withdrawal
    }

    /// One withdrawal: ask the provider, then forget.
    async fn withdraw(&self) -> Result<Revocation, Stop> {
        let offered = self.existing()?.definition.as_deref().is_some_and(|own| own.request(Action::Revoke).is_some());
        if offered {
            // What a renewal under way will bring must be revoked too: it replaces what is stored.
            let renewal = self.flight.borrow().as_ref().map(|(_, renewal)| renewal.clone());
            if let Some(renewal) = renewal {
                let _ = renewal.await;
            }
            self.settle_unsaved()?;
        }
        let mut record = self.existing()?;
        // From here on nothing that was begun before can bring tokens.
        self.replaced();
        let revision = self.revision.get();
        if record.pending.is_some() || record.link.is_some() {
            let changed = Rc::make_mut(&mut record);
            (changed.pending, changed.link) = (None, None);
            record = self.store(record, &[Part::Pending, Part::Link])?;
        }
        let outcome = match self.revoke_request(&record) {
            Ok(Some(request)) => self.ask_to_revoke(request).await,
            Ok(None) if record.grant.is_none() => Revocation::NothingHeld,
            Ok(None) => Revocation::NotOffered,
            Err(Stop::Refused(refusal)) => Revocation::Failed(refusal),
            Err(Stop::Broken(_)) => Revocation::Unopened,
        };
        self.forget(revision).await?;
        Ok(outcome)
    }

    /// Forgets the grant, or the whole connection where that is wanted. Another grant may have taken its place, by new
    /// secrets or a new authorization: that one stays. A deletion may join until the very end.
    async fn forget(&self, revision: u64) -> Result<(), Stop> {
        let Some(mut record) = self.stored()? else { return Ok(()) };
        if !self.is_doomed.get() {
            if self.revision.get() == revision && record.grant.is_some() {
                let next = Rc::make_mut(&mut record);
                (next.grant, next.condition) = (None, Condition::default());
                self.store(record, &[Part::Grant, Part::Condition])?;
            }
            self.publish().await?;
        }
        if self.is_doomed.get() {
            self.ports.clear()?;
            self.record.take();
            self.live.take();
            self.replaced();
        }
        Ok(())
    }

    /// The request that revokes; none where there is nothing to revoke, or no way to.
    fn revoke_request(&self, record: &Record) -> Result<Option<ProviderRequest>, Stop> {
        let offers = |definition: &&Rc<Definition>| definition.request(Action::Revoke).is_some();
        let Some(definition) = record.definition.as_ref().filter(offers) else { return Ok(None) };
        let Some(grant) = &record.grant else { return Ok(None) };
        let secrets = secrets::taken(&self.secrets(record)?, grant.credentials);
        Ok(Some(self.request_about(definition, &secrets, &self.held_tokens(record)?)?))
    }

    /// The request that revokes these tokens.
    fn request_about(
        &self,
        definition: &Definition,
        secrets: &Map<String, Value>,
        held: &Held,
    ) -> Result<ProviderRequest, RequestProblem> {
        let values = values_with(&self.callback, secrets, held);
        token_exchange::request(definition, Action::Revoke, &values, &self.policy)
    }

    /// Has the provider revoke tokens that came too late to be stored, as far as that can be done: nobody will have
    /// them. Where another grant is stored they are left alone, since a provider may take both for one.
    pub(super) async fn give_back(&self, definition: &Definition, secrets: &Map<String, Value>, answer: TokenAnswer) {
        if !matches!(self.stored(), Ok(record) if record.as_ref().is_none_or(|record| record.grant.is_none())) {
            return;
        }
        let mut tokens = vec![("access_token", answer.access_token)];
        tokens.extend(answer.refresh_token.map(|token| ("refresh_token", token)));
        if let Ok(request) = self.request_about(definition, secrets, &(tokens, answer.kept)) {
            self.ask_to_revoke(request).await;
        }
    }

    /// Asks the provider. Success is any status of 2xx, also for a token that it does not know (RFC 7009 §2.2).
    async fn ask_to_revoke(&self, request: ProviderRequest) -> Revocation {
        match self.status_of(request).await {
            Ok(200..=299) => Revocation::Revoked,
            Ok(status) => Revocation::Status(status),
            Err(fault) => Revocation::Failed(Refusal::Provider(fault)),
        }
    }

    /// Notes that credentials changed otherwise than by a renewal.
    pub(super) fn replaced(&self) {
        self.revision.set(self.revision.get() + 1);
    }
}
