//! The renewal of one connection's token: at most one at a time, shared by whoever needs it.
//!
//! 1. The circuit breakers say whether the provider is to be left alone; where they cannot be asked, it is not.
//! 2. The intent is stored: that this refresh token is being sent. (The platform lets no request out before that is
//!    durable.)
//! 3. The provider is asked, with the next of the ordered credentials where it refuses the client.
//! 4. The answer is stored, then told. The grant that it brings closes the intent, and so does a fault.
//! 5. The breakers hear of it, if it is news to them.
//!
//! Where a crash or a lost answer leaves the intent open, `refresh` says what follows.

use std::rc::Rc;

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Actor, Flight, ObjectPorts, Stop,
    keeping::{Failed, in_order, values_with},
    reading::renewal_of,
};
use crate::{
    connection::{
        breaker::{self, Admission, Call, Outcome},
        command::{LiveToken, Refusal},
        definition::{Action, Definition},
        envelope::Envelope,
        fault::Fault,
        key::ConnectionKey,
        record::{Part, Record},
        refresh::{Failure, RefreshState, Renewal},
        token_exchange::{self, TokenAnswer},
    },
    ports::{PortError, ProviderRequest, random},
    protocol::{secret::SecretDigest, time::Seconds, word::Word},
};

/// One renewal in the log, or an event that could not be delivered.
#[derive(Debug, Clone, Serialize)]
pub struct RefreshLine {
    /// `info`, or `error` when ours is the fault.
    pub level: &'static str,
    /// Tells it from requests.
    event: &'static str,
    /// Which connection.
    connection: ConnectionKey,
    /// Where it stands afterwards.
    refresh_state: &'static str,
    /// What went wrong, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    /// What was wrong with the provider's answer, if it gave one: words of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Rows that were written for a renewal in the connection, the alarm's among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_rows: Option<u32>,
    /// Rows that were written for a renewal in the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory_rows: Option<u32>,
}

/// What a renewal is made with.
pub(super) struct Attempt {
    /// The definition.
    pub(super) definition: Rc<Definition>,
    /// The requests, one for each of the ordered credentials, and which one each is for.
    pub(super) requests: Vec<(u8, ProviderRequest)>,
    /// Digest of the refresh token in them, if there is one.
    refresh_token: Option<SecretDigest>,
    /// What the circuit breakers know it by.
    call: Call,
}

impl<P: ObjectPorts> Actor<P> {
    /// The one renewal under way; begins it when there is none. It goes on when nobody waits for it any more.
    pub(super) fn renewal(self: &Rc<Self>) -> Flight {
        let revision = self.revision.get();
        if let Some((own, flight)) = &*self.flight.borrow()
            && *own == revision
        {
            return flight.clone();
        }
        // What was written before is not the renewal's.
        self.rows.take();
        self.problem.take();
        let actor = Rc::clone(self);
        let flight = async move {
            let renewed = actor.renew().await;
            // A later one, with newer credentials, may have taken its place.
            actor.flight.borrow_mut().take_if(|(own, _)| *own == revision);
            actor.deliver_behind();
            renewed
        };
        let flight = flight.boxed_local().shared();
        self.flight.replace(Some((revision, flight.clone())));
        let (actor, renewed) = (Rc::clone(self), flight.clone());
        self.ports.spawn(async move { actor.line(&renewed.await) }.boxed_local());
        flight
    }

    /// What the log says of a renewal; nothing where it was made to wait, as are all others at that provider.
    fn line(&self, renewed: &Result<LiveToken, Stop>) -> Option<RefreshLine> {
        if matches!(renewed, Err(Stop::Refused(_))) && self.paused.borrow().is_some() {
            return None;
        }
        let fault = match renewed {
            Err(Stop::Refused(Refusal::Provider(fault))) => Some(fault.clone()),
            _ => None,
        };
        let level = if matches!(renewed, Err(Stop::Broken(_))) { "error" } else { "info" };
        let problem = self.problem.take().filter(|_| renewed.is_err()).map(|problem| problem.to_string());
        Some(RefreshLine { problem, ..self.line_of((level, "refresh"), fault, Some(self.rows.take())) })
    }

    /// What the log says of an event that could not be delivered: nobody else says so.
    pub(super) fn undelivered(&self, fault: Fault) -> RefreshLine {
        self.line_of(("error", "webhook"), Some(fault), None)
    }

    /// A line.
    fn line_of(
        &self,
        (level, event): (&'static str, &'static str),
        fault: Option<Fault>,
        rows: Option<(u32, u32)>,
    ) -> RefreshLine {
        let state = self.record.borrow().as_ref().map_or(RefreshState::Good, |record| record.condition.state);
        let (connection_rows, directory_rows) = rows.unzip();
        RefreshLine {
            level,
            event,
            connection: self.key.clone(),
            refresh_state: state.word(),
            fault,
            problem: None,
            connection_rows,
            directory_rows,
        }
    }

    /// One renewal: ask the provider, store the answer, then answer.
    async fn renew(&self) -> Result<LiveToken, Stop> {
        let result = match self.settle_unsaved()? {
            Some(token) if self.ports.now() < token.expires_at => Ok(token),
            Some(_) | None => self.ask().await,
        };
        // Should this fail, the row stays due and the sweep repairs it.
        let _ = self.publish().await;
        result
    }

    /// Asks the provider for a new token, and stores what comes of it.
    async fn ask(&self) -> Result<LiveToken, Stop> {
        let (revision, record) = (self.revision.get(), self.existing()?);
        let renewal = renewal_of(&record)?;
        let attempt = match self.attempt(&record, renewal) {
            Ok(attempt) => attempt,
            Err(Stop::Refused(_)) => return self.settle_failure((Fault::NotSendable, None), &record, revision),
            Err(broken) => return Err(broken),
        };
        let watched = match self.ports.admit(&attempt.call).await.unwrap_or(Admission::Go { watched: false }) {
            Admission::Go { watched } => watched,
            Admission::Wait { until, fault } => {
                // Whom it paused does not come all at once.
                let [jitter] = random()?;
                let current = self.existing()?;
                // What has come meanwhile waits for nothing.
                if (&current.secrets, &current.definition) == (&record.secrets, &record.definition) {
                    self.paused.replace(Some((until.plus(Seconds(u64::from(jitter) / 8)), fault.clone())));
                }
                return Err(Refusal::Provider(fault).into());
            }
        }; // 1
        if self.revision.get() != revision {
            return self.overtaken();
        }
        if attempt.refresh_token.is_some() {
            let mut record = self.existing()?;
            Rc::make_mut(&mut record).condition.attempt.clone_from(&attempt.refresh_token);
            self.store(record, &[Part::Condition])?; // 2
        }
        let answer = self.exchange_in_order(&attempt.definition, attempt.requests).await; // 3
        // Of credentials, nothing is known before all have been tried.
        let is_tried = self.untried.get() == 0;
        let outcome = if is_tried { outcome(&attempt.definition, answer.as_ref().err()) } else { Outcome::Worked };
        let settled = match answer {
            Ok((answer, credentials)) => {
                let secrets = record.secrets.clone();
                self.settle(Unsaved { revision, answer, credentials, secrets, renews: true })
            }
            Err(failure) => self.settle_failure(failure, &record, revision),
        }; // 4
        if watched || outcome != Outcome::Worked {
            let _ = self.ports.report(&attempt.call, outcome).await; // 5
        }
        settled
    }

    /// The requests that renew.
    fn attempt(&self, record: &Record, renewal: Renewal) -> Result<Attempt, Stop> {
        let (definition, secrets) = self.ready(record, false)?;
        let held = self.held_tokens(record)?;
        let action = match renewal {
            Renewal::ByRefreshToken => Action::Refresh,
            Renewal::ByClientCredentials | Renewal::Impossible => Action::Access,
        };
        let build = |secrets: &Map<String, Value>| {
            let values = values_with(&self.callback, secrets, &held);
            token_exchange::request(&definition, action, &values, &self.policy)
        };
        let first = record.grant.as_ref().map_or(0, |grant| grant.credentials);
        let requests = in_order(&secrets, first, renewal == Renewal::ByRefreshToken, build)?;
        let sent = held.0.iter().find(|(name, _)| renewal == Renewal::ByRefreshToken && *name == "refresh_token");
        let refresh_token = sent.map(|(_, token)| token.digest());
        let (_, request) = requests.first().ok_or(Refusal::NotOauth)?;
        let client_config = definition.document().get("client_config").unwrap_or(&Value::Null);
        let integration = breaker::integration(&self.settings.application_key, &request.url, client_config, &secrets);
        let call = Call::new(self.key.clone(), &request.url, integration);
        Ok(Attempt { definition, requests, refresh_token, call })
    }

    /// Stores an answer that could not be stored when it came.
    pub(super) fn settle_unsaved(&self) -> Result<Option<LiveToken>, Stop> {
        let revision = self.revision.get();
        let unsaved = self.unsaved.take().filter(|unsaved| unsaved.revision == revision);
        unsaved.map(|unsaved| self.settle(unsaved)).transpose()
    }

    /// Stores what a renewal brought. Retry the write, never the grant: an answer that cannot be stored may hold the
    /// only good refresh token, so it is kept for the next renewal.
    pub(super) fn settle(&self, brought: Unsaved) -> Result<LiveToken, Stop> {
        if self.revision.get() != brought.revision {
            return self.overtaken();
        }
        let Unsaved { answer, mut credentials, secrets, renews, .. } = brought.clone();
        self.unsaved.replace(Some(brought));
        let record = self.existing()?;
        let former = record.grant.as_ref().filter(|_| renews);
        if let Some(former) = former
            && secrets != record.secrets
        {
            // They were given another order meanwhile, and the grant its place in it.
            credentials = former.credentials;
        }
        let token = self.keep(&answer, credentials, former)?;
        self.unsaved.take();
        Ok(token)
    }

    /// Stores that a renewal failed that was made of what was stored before.
    fn settle_failure(&self, (fault, retry_after): Failed, before: &Record, revision: u64) -> Result<LiveToken, Stop> {
        if self.revision.get() != revision {
            return self.overtaken();
        }
        let mut record = self.existing()?;
        // Of client credentials a refresh token is no grant that could be over, or be lost.
        let by_code = record.definition.as_deref().is_some_and(Definition::is_by_code);
        let by_refresh_token = by_code && renewal_of(before)? == Renewal::ByRefreshToken;
        let rules = record.definition.as_ref().map(|definition| definition.token_rules());
        let named = rules.map_or(&[][..], |rules| &rules.faults);
        let (class, is_unclassified) = (fault.class(by_refresh_token, named), fault.is_unclassified(named));
        let failure = Failure { fault, class, is_unclassified, by_refresh_token, retry_after };
        let [jitter] = random()?;
        let mut condition = record.condition.after(&failure, record.grant.as_ref(), self.ports.now(), jitter);
        if (&record.secrets, &record.definition) != (&before.secrets, &before.definition) {
            condition.mended();
        }
        let is_over = condition.state == RefreshState::NeedsAuthorization;
        Rc::make_mut(&mut record).condition = condition;
        self.store(record, &[Part::Condition])?;
        Err(if is_over { Refusal::NeedsAuthorization } else { Refusal::Provider(failure.fault) }.into())
    }

    /// Credentials were replaced while the provider was asked: what came back, good or bad, belongs to the old ones.
    fn overtaken(&self) -> Result<LiveToken, Stop> {
        let record = self.existing()?;
        match &record.grant {
            Some(grant) if self.ports.now() < grant.expires_at => self.live_token(&record),
            _ if renewal_of(&record)? == Renewal::Impossible => Err(Refusal::NeedsAuthorization.into()),
            _ => Err(PortError("credentials were replaced during a renewal".to_owned()).into()),
        }
    }
}

/// What an answer says about provider and client. A refusal of this one connection is an answer like any other.
fn outcome(definition: &Definition, failure: Option<&Failed>) -> Outcome {
    match failure {
        // Without a code it may be about this one connection alone.
        Some((fault, _)) if fault.code().is_some() && fault.refuses_client(&definition.token_rules().faults) => {
            Outcome::CredentialsRefused(fault.clone())
        }
        Some((Fault::Refused { .. } | Fault::NotSendable, _)) | None => Outcome::Worked,
        Some((fault, _)) => Outcome::ProviderFailed(fault.clone()),
    }
}

/// An answer that is not stored yet.
#[derive(Clone)]
pub(super) struct Unsaved {
    /// The revision of the credentials that it belongs to.
    pub(super) revision: u64,
    /// The answer.
    pub(super) answer: TokenAnswer,
    /// Which of the ordered credentials the provider took.
    pub(super) credentials: u8,
    /// Among which secrets those are, of a renewal.
    pub(super) secrets: Option<Envelope>,
    /// Whether it renews the grant that there is, or replaces it.
    pub(super) renews: bool,
}
