//! The token of one connection: answered while it is good; and what is due about a connection.

use std::rc::Rc;

use super::{Actor, ObjectPorts, Stop};
use crate::{
    connection::{
        command::{LiveToken, Refusal, Reply, SweepOutcome},
        definition::Authentication,
        fault::Fault,
        record::{Part, Record},
        refresh::{ReadDecision, RefreshState, Renewal, on_read},
    },
    ports::PortError,
    protocol::time::{Seconds, UnixSeconds},
};

/// The clock may be set back so far before a remembered token is looked at again.
const CLOCK_TOLERANCE: Seconds = Seconds(60);

/// So long after a token was renewed for a report, no other one is.
const REPORT_PAUSE: Seconds = Seconds(60);

/// A breaker pauses nobody longer; if it seems so, the clock was set back.
const LONGEST_PAUSE: Seconds = Seconds(3_600);

/// A token that can be answered without looking at anything else, while its instant is in between.
pub(super) struct Remembered {
    /// The token.
    token: LiveToken,
    /// From when on.
    from: UnixSeconds,
    /// Until when.
    until: UnixSeconds,
}

impl<P: ObjectPorts> Actor<P> {
    /// Gives the live access token.
    pub(super) async fn access_token(self: &Rc<Self>) -> Result<Reply, Stop> {
        self.token().await.map(Reply::Token)
    }

    /// The live access token, renewed first if it must be.
    pub(super) async fn token(self: &Rc<Self>) -> Result<LiveToken, Stop> {
        self.settled().await;
        let now = self.ports.now();
        if let Some(Remembered { token, from, until }) = &*self.live.borrow()
            && *from <= now
            && now < *until
        {
            return Ok(token.clone());
        }
        let record = self.current()?;
        match self.decision(&record, renewal_of(&record)?, now) {
            ReadDecision::Serve => self.live_token(&record),
            ReadDecision::ServeAndRenew => {
                drop(self.renewal());
                self.live_token(&record)
            }
            ReadDecision::Renew => self.renewal().await,
            ReadDecision::BackingOff(fault) => Err(Refusal::Provider(fault).into()),
            ReadDecision::NeedsAuthorization => Err(Refusal::NeedsAuthorization.into()),
        }
    }

    /// A caller was refused with this access token where it used it: gives another one, if there is. A token is renewed
    /// at most once for that: when the provider gives the same one again, it is what there is. And there is one such
    /// renewal a minute: whoever is refused with every token must not have the provider asked again and again.
    pub(super) async fn reported(self: &Rc<Self>, sha256: &str) -> Result<Reply, Stop> {
        self.settled().await;
        let mut record = self.current()?;
        let renewal = renewal_of(&record)?;
        let Some(grant) = &record.grant else { return self.access_token().await };
        let own = self.open("access_token", grant.generation, &grant.access_token)?;
        let now = self.ports.now();
        let is_too_soon = !record.condition.reported
            && self.reported_at.get().is_some_and(|at| at <= now && now < at.plus(REPORT_PAUSE));
        if is_too_soon || grant.repeated || !own.sha256().eq_ignore_ascii_case(sha256) {
            return self.access_token().await;
        }
        if renewal == Renewal::Impossible {
            self.give_up(record).await?;
            return Err(Refusal::NeedsAuthorization.into());
        }
        if !record.condition.reported && self.flight.borrow().is_none() {
            self.reported_at.set(Some(now));
            Rc::make_mut(&mut record).condition.reported = true;
            record = self.store(record, &[Part::Condition])?;
        }
        match self.decision(&record, renewal, self.ports.now()) {
            _ if self.flight.borrow().is_some() => self.renewal().await,
            ReadDecision::ServeAndRenew | ReadDecision::Renew => self.renewal().await,
            ReadDecision::NeedsAuthorization => Err(Refusal::NeedsAuthorization.into()),
            ReadDecision::Serve | ReadDecision::BackingOff(_) => Err(self.refusal_of(&record).into()),
        }
        .map(Reply::Token)
    }

    /// Why a token that was reported is not renewed now.
    fn refusal_of(&self, record: &Record) -> Refusal {
        if record.condition.state == RefreshState::NeedsAuthorization {
            return Refusal::NeedsAuthorization;
        }
        let paused = self.paused.borrow().as_ref().map(|(_, fault)| fault.clone());
        Refusal::Provider(paused.or_else(|| record.condition.last_fault.clone()).unwrap_or(Fault::Failed))
    }

    /// The alarm rang.
    ///
    /// # Errors
    /// 503 when storage or directory fail; the sweep comes in any case.
    pub async fn wake(self: &Rc<Self>) -> Result<(), PortError> {
        self.alarm.take();
        let woken = self.renew_if_due().await;
        self.deliver_behind();
        match woken {
            Ok(_) | Err(Stop::Refused(_)) => Ok(()),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    /// The sweep's command. Also repairs a directory row that fell behind.
    pub(super) async fn renew_if_due(self: &Rc<Self>) -> Result<Reply, Stop> {
        if self.stored()?.is_none() {
            self.ports.remove(&self.key).await?;
            return Ok(Reply::Sweep(SweepOutcome::Gone));
        }
        if self.withdrawal.borrow().is_some() {
            return Ok(Reply::Sweep(SweepOutcome::NotDue));
        }
        let record = self.forget_expired(self.current()?)?;
        let now = self.ports.now();
        // Where the definition gets no tokens (any more), there is nothing to do.
        let decision = renewal_of(&record).map_or(ReadDecision::Serve, |renewal| self.decision(&record, renewal, now));
        let outcome = match decision {
            // Of what a caller has ended, or nobody has asked for yet, there is nothing to renew.
            ReadDecision::ServeAndRenew | ReadDecision::Renew if record.grant.is_some() => match self.renewal().await {
                Ok(_) => SweepOutcome::Renewed,
                Err(Stop::Refused(Refusal::NeedsAuthorization)) => SweepOutcome::NeedsAuthorization,
                Err(Stop::Refused(_)) if self.paused.borrow().is_some() => SweepOutcome::Paused,
                Err(Stop::Refused(_)) => SweepOutcome::Failed,
                Err(Stop::Broken(error)) => return Err(error.into()),
            },
            ReadDecision::NeedsAuthorization
                if record.grant.is_some() && record.condition.state != RefreshState::NeedsAuthorization =>
            {
                self.give_up(record).await?;
                SweepOutcome::NeedsAuthorization
            }
            _ => {
                let is_paused = self.paused.borrow().is_some();
                self.publish().await?;
                if is_paused { SweepOutcome::Paused } else { SweepOutcome::NotDue }
            }
        };
        Ok(Reply::Sweep(outcome))
    }

    /// Notes that only a person can help where nothing was to be asked of the provider.
    async fn give_up(&self, mut record: Rc<Record>) -> Result<(), Stop> {
        if record.condition.state != RefreshState::NeedsAuthorization {
            let condition = &mut Rc::make_mut(&mut record).condition;
            *condition = std::mem::take(condition).given_up();
            self.store(record, &[Part::Condition])?;
            self.publish().await?;
        }
        Ok(())
    }

    /// What a read gets; a provider that others found closed is not asked.
    fn decision(&self, record: &Record, renewal: Renewal, now: UnixSeconds) -> ReadDecision {
        let decision = on_read(record.grant.as_ref(), &record.condition, renewal, self.lead(record), now);
        let mut paused = self.paused.borrow_mut();
        paused.take_if(|(until, _)| *until <= now || until.since(now) > LONGEST_PAUSE);
        match (decision, &*paused) {
            (ReadDecision::ServeAndRenew, Some(_)) => ReadDecision::Serve,
            (ReadDecision::Renew, Some((_, fault))) => ReadDecision::BackingOff(fault.clone()),
            (decision, _) => decision,
        }
    }

    /// How long before its expiry a token is renewed.
    pub(super) fn lead(&self, record: &Record) -> Seconds {
        let rules = record.definition.as_ref().map(|definition| definition.token_rules());
        rules.and_then(|rules| rules.refresh_lead).unwrap_or(self.settings.refresh_lead)
    }

    /// What is stored, once it is known what became of everything that was begun: an answer that could not be stored
    /// when it came is stored now, and an intent that nobody is carrying out is one whose answer was lost.
    fn current(&self) -> Result<Rc<Record>, Stop> {
        if self.flight.borrow().is_some() {
            return self.existing();
        }
        // Where storing fails, a token that is still good is served all the same; a renewal tries again, and fails.
        let _ = self.settle_unsaved();
        let mut record = self.existing()?;
        if record.condition.attempt.is_some() && self.unsaved.borrow().is_none() {
            let condition = &mut Rc::make_mut(&mut record).condition;
            *condition = std::mem::take(condition).after_crash();
            record = self.store(Rc::clone(&record), &[Part::Condition]).unwrap_or(record);
        }
        Ok(record)
    }

    /// A state or a link that expired unused is not kept (checklist R8).
    pub(super) fn forget_expired(&self, mut record: Rc<Record>) -> Result<Rc<Record>, PortError> {
        let now = self.ports.now();
        let is_over = |expires_at: UnixSeconds| expires_at <= now;
        let (kept, mut parts) = (Rc::make_mut(&mut record), Vec::new());
        if kept.pending.take_if(|pending| is_over(pending.expires_at)).is_some() {
            parts.push(Part::Pending);
        }
        if kept.link.take_if(|link| is_over(link.expires_at)).is_some() {
            parts.push(Part::Link);
        }
        if parts.is_empty() { Ok(record) } else { self.store(record, &parts) }
    }

    /// The stored token in clear; remembered until it is due.
    pub(super) fn live_token(&self, record: &Record) -> Result<LiveToken, Stop> {
        let grant = record.grant.as_ref().ok_or(Refusal::NeedsAuthorization)?;
        let access_token = self.open("access_token", grant.generation, &grant.access_token)?;
        let token = LiveToken {
            access_token: access_token.expose().to_owned(),
            token_type: grant.token_type.clone(),
            expires_at: grant.expires_at,
            scope: grant.scope.clone(),
            kept: self.open_kept(grant)?,
            refresh_state: record.condition.state,
        };
        if !record.condition.reported {
            let from = grant.obtained_at.minus(CLOCK_TOLERANCE);
            let until = grant.due_at(self.lead(record)).min(grant.expires_at);
            self.live.replace(Some(Remembered { token: token.clone(), from, until }));
        }
        Ok(token)
    }
}

/// How a connection can get a new token without a person.
pub(super) fn renewal_of(record: &Record) -> Result<Renewal, Refusal> {
    let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
    match definition.authentication() {
        None => Err(Refusal::NoAuthentication),
        Some(Authentication::Direct(_)) => Err(Refusal::NotOauth),
        Some(Authentication::ClientCredentials(flow)) => {
            let refresh_token = record.grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
            // Once something went wrong, the client's own credentials are what is sure: no person could mend a refresh
            // token.
            let by_refresh_token =
                flow.refresh_request.is_some() && refresh_token && record.condition.state == RefreshState::Good;
            Ok(if by_refresh_token { Renewal::ByRefreshToken } else { Renewal::ByClientCredentials })
        }
        Some(Authentication::AuthorizationCode(flow)) => {
            let refresh_token = record.grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
            let possible = flow.refresh_request.is_some() && refresh_token;
            Ok(if possible { Renewal::ByRefreshToken } else { Renewal::Impossible })
        }
    }
}
