//! The token of one connection: answered while it is good, renewed by at most one request at a time.

use std::rc::Rc;

use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::{Actor, Flight, ObjectPorts, Stop};
use crate::{
    connection::{
        authorization,
        command::{LiveToken, Refusal, Reply, SweepOutcome},
        definition::{Authentication, Definition},
        envelope::Envelope,
        fault::Fault,
        record::{Part, Record},
        refresh::{Condition, Grant, ReadDecision, Renewal, on_read},
        template::values::Values,
        token_exchange::{self, TokenAnswer, kept::Kept},
    },
    ports::{PortError, ProviderFailure, ProviderRequest},
    protocol::{secret::SecretText, time::UnixSeconds},
};

/// What is stored of a provider's answer, in clear: tokens by their names in templates, and what else is kept.
pub(super) type Held = (Vec<(&'static str, SecretText)>, Kept);

impl<P: ObjectPorts> Actor<P> {
    /// Gives the live access token.
    pub(super) async fn access_token(self: &Rc<Self>) -> Result<Reply, Stop> {
        self.token().await.map(Reply::Token)
    }

    /// The live access token, renewed first if it must be.
    pub(super) async fn token(self: &Rc<Self>) -> Result<LiveToken, Stop> {
        self.settled().await;
        let now = self.ports.now();
        if let Some((token, until)) = &*self.live.borrow()
            && now < *until
        {
            return Ok(token.clone());
        }
        let record = self.existing()?;
        let renewal = renewal_of(&record)?;
        match on_read(record.grant.as_ref(), &record.condition, renewal, self.settings.refresh_lead, now) {
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

    /// The sweep's command. Also repairs a directory row that fell behind.
    pub(super) async fn renew_if_due(self: &Rc<Self>) -> Result<Reply, Stop> {
        let Some(record) = self.stored()? else {
            self.ports.remove(&self.key).await?;
            return Ok(Reply::Sweep(SweepOutcome::Gone));
        };
        if self.withdrawal.borrow().is_some() {
            return Ok(Reply::Sweep(SweepOutcome::NotDue));
        }
        let record = self.forget_expired(record)?;
        let renewal = renewal_of(&record).unwrap_or(Renewal::Impossible);
        let (now, lead) = (self.ports.now(), self.settings.refresh_lead);
        let decision = on_read(record.grant.as_ref(), &record.condition, renewal, lead, now);
        let outcome = match decision {
            ReadDecision::ServeAndRenew | ReadDecision::Renew => match self.renewal().await {
                Ok(_) => SweepOutcome::Renewed,
                Err(Stop::Refused(Refusal::NeedsAuthorization)) => SweepOutcome::NeedsAuthorization,
                Err(Stop::Refused(_)) => SweepOutcome::Failed,
                Err(Stop::Broken(error)) => return Err(error.into()),
            },
            ReadDecision::Serve | ReadDecision::BackingOff(_) | ReadDecision::NeedsAuthorization => {
                self.publish().await?;
                SweepOutcome::NotDue
            }
        };
        Ok(Reply::Sweep(outcome))
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

    /// The one renewal under way; begins it when there is none. It goes on when nobody waits for it any more.
    fn renewal(self: &Rc<Self>) -> Flight {
        let revision = self.revision.get();
        if let Some((own, flight)) = &*self.flight.borrow()
            && *own == revision
        {
            return flight.clone();
        }
        let actor = Rc::clone(self);
        let flight = async move {
            let renewed = actor.renew().await;
            // A later one, with newer credentials, may have taken its place.
            actor.flight.borrow_mut().take_if(|(own, _)| *own == revision);
            renewed
        };
        let flight = flight.boxed_local().shared();
        self.flight.replace(Some((revision, flight.clone())));
        self.ports.spawn(flight.clone().map(drop).boxed_local());
        flight
    }

    /// One renewal: ask the provider, store the answer, then answer.
    async fn renew(&self) -> Result<LiveToken, Stop> {
        let revision = self.revision.get();
        let result = match self.settle_unsaved()? {
            Some(token) if self.ports.now() < token.expires_at => Ok(token),
            Some(_) | None => {
                let answer = self.ask().await?;
                self.settle(answer, revision)
            }
        };
        // Should this fail, the row stays due and the sweep repairs it.
        let _ = self.publish().await;
        result
    }

    /// Stores an answer that could not be stored when it came.
    pub(super) fn settle_unsaved(&self) -> Result<Option<LiveToken>, Stop> {
        let revision = self.revision.get();
        let unsaved = self.unsaved.take().filter(|(own, _)| *own == revision);
        unsaved.map(|(_, answer)| self.settle(Ok(answer), revision)).transpose()
    }

    /// Stores what came of a renewal. Retry the write, never the grant: an answer that cannot be stored may hold the only
    /// good refresh token, so it is kept for the next renewal.
    fn settle(&self, answer: Result<TokenAnswer, Fault>, revision: u64) -> Result<LiveToken, Stop> {
        self.unsaved.replace(answer.as_ref().ok().map(|answer| (revision, answer.clone())));
        let mut record = self.existing()?;
        if self.revision.get() != revision {
            // Credentials were replaced meanwhile: what came back belongs to the old ones.
            self.unsaved.take();
            return match &record.grant {
                Some(grant) if self.ports.now() < grant.expires_at => self.live_token(&record),
                _ if renewal_of(&record)? == Renewal::Impossible => Err(Refusal::NeedsAuthorization.into()),
                _ => Err(PortError("credentials were replaced during a renewal".to_owned()).into()),
            };
        }
        match answer {
            Ok(answer) => {
                let token = self.keep(&answer, record.grant.as_ref())?;
                self.unsaved.take();
                Ok(token)
            }
            Err(fault) => {
                let condition = record.condition.after(fault.clone(), renewal_of(&record)?, self.ports.now());
                let needs_authorization = condition.needs_authorization;
                Rc::make_mut(&mut record).condition = condition;
                self.store(record, &[Part::Condition])?;
                Err(if needs_authorization { Refusal::NeedsAuthorization } else { Refusal::Provider(fault) }.into())
            }
        }
    }

    /// Asks the provider for a new token.
    async fn ask(&self) -> Result<Result<TokenAnswer, Fault>, Stop> {
        let record = self.existing()?;
        match self.renewal_request(&record, renewal_of(&record)?) {
            Ok((definition, request)) => Ok(self.exchange(&definition, request).await),
            Err(Stop::Refused(_)) => Ok(Err(Fault::NotSendable)),
            Err(broken) => Err(broken),
        }
    }

    /// The request that renews.
    fn renewal_request(&self, record: &Record, renewal: Renewal) -> Result<(Rc<Definition>, ProviderRequest), Stop> {
        let (definition, secrets) = self.ready(record, false)?;
        let held = self.held(record)?;
        let redirect_uri = SecretText::new(self.settings.public_url.callback());
        let values = values_with(&redirect_uri, &secrets, &held);
        let policy = authorization::policy(&self.settings);
        let request = match renewal {
            Renewal::ByRefreshToken => token_exchange::refresh_request(&definition, &values, &policy),
            Renewal::ByClientCredentials | Renewal::Impossible => {
                token_exchange::token_request(&definition, &values, &policy)
            }
        };
        let request = request.map_err(|problem| Refusal::NotSendable(problem.to_string()))?;
        Ok((definition, request))
    }

    /// What the provider gave; nothing where there is no grant.
    pub(super) fn held(&self, record: &Record) -> Result<Held, Stop> {
        let Some(grant) = &record.grant else { return Ok(Held::default()) };
        let mut tokens = vec![("access_token", self.open("access_token", grant.generation, &grant.access_token)?)];
        if let Some(sealed) = &grant.refresh_token {
            tokens.push(("refresh_token", self.open("refresh_token", grant.refresh_token_generation, sealed)?));
        }
        Ok((tokens, self.open_kept(grant)?))
    }

    /// Sends a request and reads the answer.
    pub(super) async fn exchange(
        &self,
        definition: &Definition,
        request: ProviderRequest,
    ) -> Result<TokenAnswer, Fault> {
        let response = self.ports.send(request).await.map_err(|failure| match failure {
            ProviderFailure::Unreachable => Fault::Unreachable,
            ProviderFailure::TimedOut => Fault::TimedOut,
            ProviderFailure::TooLarge(_) => Fault::Unreadable,
        })?;
        let authentication = definition.authentication();
        let assumed = authentication.and_then(Authentication::expires_in);
        let keep = authentication.map_or(&[][..], Authentication::keep);
        token_exchange::read_answer(&response, self.ports.now(), assumed, keep).map_err(Fault::from)
    }

    /// Stores an answer of the provider. A refresh token that is not replaced stays (RFC 6749 §6).
    pub(super) fn keep(&self, answer: &TokenAnswer, former: Option<&Grant>) -> Result<LiveToken, Stop> {
        let mut record = self.existing()?;
        let generation = record.grant.as_ref().map_or(1, |grant| grant.generation + 1);
        let refresh_token = match &answer.refresh_token {
            Some(token) => Some((self.seal("refresh_token", generation, token)?, generation)),
            None => former.and_then(|former| {
                former.refresh_token.clone().map(|envelope| (envelope, former.refresh_token_generation))
            }),
        };
        let former_kept = former.map(|former| self.open_kept(former)).transpose()?.unwrap_or_default();
        let asked = record.definition.as_ref().and_then(|definition| definition.authentication());
        let kept = answer.kept.clone().over(former_kept, asked.map_or(&[][..], Authentication::keep));
        let (refresh_token, refresh_token_generation) =
            refresh_token.map_or((None, 0), |(envelope, generation)| (Some(envelope), generation));
        let grant = Grant {
            generation,
            access_token: self.seal("access_token", generation, &answer.access_token)?,
            token_type: answer.token_type.clone().unwrap_or_else(|| "Bearer".to_owned()),
            refresh_token,
            refresh_token_generation,
            obtained_at: self.ports.now(),
            expires_at: answer.expires_at,
            scope: answer.scope.clone(),
            kept: self.seal_kept(&kept, generation)?,
        };
        let recovered = record.condition != Condition::default();
        let next = Rc::make_mut(&mut record);
        (next.grant, next.condition) = (Some(grant), Condition::default());
        let parts: &[Part] = if recovered { &[Part::Grant, Part::Condition] } else { &[Part::Grant] };
        let record = self.store(record, parts)?;
        self.live_token(&record)
    }

    /// Seals what is kept of an answer, if anything.
    fn seal_kept(&self, kept: &Kept, generation: u64) -> Result<Option<Envelope>, Stop> {
        if kept.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_string(kept).map_err(|error| PortError(format!("kept members: {error}")))?;
        self.seal("kept", generation, &SecretText::new(text)).map(Some)
    }

    /// What is kept of the answer that gave a grant.
    fn open_kept(&self, grant: &Grant) -> Result<Kept, Stop> {
        let Some(envelope) = &grant.kept else { return Ok(Kept::default()) };
        let text = self.open("kept", grant.generation, envelope)?;
        let kept = serde_json::from_slice(text.expose().as_bytes());
        Ok(kept.map_err(|_| PortError("kept members are no object".to_owned()))?)
    }

    /// The stored token in clear; remembered until it is due.
    fn live_token(&self, record: &Record) -> Result<LiveToken, Stop> {
        let grant = record.grant.as_ref().ok_or(Refusal::NeedsAuthorization)?;
        let access_token = self.open("access_token", grant.generation, &grant.access_token)?;
        let token = LiveToken {
            access_token: access_token.expose().to_owned(),
            token_type: grant.token_type.clone(),
            expires_at: grant.expires_at,
            scope: grant.scope.clone(),
            kept: self.open_kept(grant)?,
        };
        self.live.replace(Some((token.clone(), grant.due_at(self.settings.refresh_lead))));
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
            let by_refresh_token = flow.refresh_request.is_some() && refresh_token;
            Ok(if by_refresh_token { Renewal::ByRefreshToken } else { Renewal::ByClientCredentials })
        }
        Some(Authentication::AuthorizationCode(flow)) => {
            let refresh_token = record.grant.as_ref().is_some_and(|grant| grant.refresh_token.is_some());
            let possible = flow.refresh_request.is_some() && refresh_token;
            Ok(if possible { Renewal::ByRefreshToken } else { Renewal::Impossible })
        }
    }
}

/// The values of a request that may name what the provider gave. Secrets hide kept members, tokens hide both.
pub(super) fn values_with<'a>(
    redirect_uri: &'a SecretText,
    secrets: &'a Map<String, Value>,
    (tokens, kept): &'a Held,
) -> Values<'a> {
    let values = Values::new().with("redirect_uri", redirect_uri).with_all(kept.members()).with_all(secrets);
    tokens.iter().fold(values, |values, (name, token)| values.with(name, token))
}
