//! When a provider's token is used, renewed or given up: the state machine of one connection, as pure decisions.
//!
//! Where a connection stands after each thing that can happen to it ([`RefreshState::after`]):
//!
//! | state               | renewed | answer lost         | connection fault    | integration fault   | provider fault      |
//! |---------------------|---------|---------------------|---------------------|---------------------|---------------------|
//! | good                | good    | in doubt            | needs authorization | stopped             | failing             |
//! | failing             | good    | in doubt            | needs authorization | stopped             | failing             |
//! | stopped             | good    | in doubt            | needs authorization | stopped             | failing             |
//! | in doubt            | good    | in doubt            | needs authorization | in doubt            | in doubt            |
//! | needs authorization | good    | needs authorization | needs authorization | needs authorization | needs authorization |
//!
//! - *Renewed*: the provider gave tokens, for a refresh or for a person's authorization.
//! - *Answer lost*: a refresh token was sent, and whether the provider took it is not known: no answer in time, a
//!   broken connection, an answer that cannot be read, or a crash of ours between sending and storing. A strict
//!   provider takes a second use of the token for theft and ends the grant, the live access token included (RFC 9700
//!   §4.14.2); so the token is sent again only when there is nothing left to lose, and a refusal then means that the
//!   answer was lost.
//! - The three faults are classes of [`Fault`]: see [`FaultClass`]. Five refusals in a row that nobody knows the
//!   meaning of, the last a day after the access token has expired, count as the connection's fault.
//!
//! What a read gets, and what is done for it ([`on_read`]). *Waits* means: the provider is asked again when the
//! back-off is over; until then the reader is told the last fault.
//!
//! | state               | before the lead | inside the lead     | expired, or never obtained  |
//! |---------------------|-----------------|---------------------|-----------------------------|
//! | good                | serve           | serve, renew behind | renew, then serve           |
//! | failing             | serve           | serve, waits        | waits                       |
//! | stopped             | serve           | serve, waits        | waits                       |
//! | in doubt            | serve           | serve               | waits                       |
//! | needs authorization | serve           | serve               | needs authorization         |
//!
//! A token that a caller reported as refused is inside the lead from then on, and in doubt nothing is left to lose. A
//! connection that has no way to get a new token is as good as one that needs authorization. Nothing is ever deleted.
//!
//! Leaves to others: the clock, the provider, the storage.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    fault::{Fault, FaultClass},
    grant::{Grant, SHORTEST_REPETITION},
};
use crate::protocol::{
    json::{BadMember, FromJson, Members},
    secret::SecretDigest,
    time::{Seconds, UnixSeconds},
    word::words,
};

/// Where a connection stands: `refresh_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshState {
    /// It has tokens, or gets them when they are wanted, and nothing is wrong.
    #[default]
    Good,
    /// The provider fails: it is asked again later.
    Failing,
    /// The provider refuses the operator's client, or no request can be made: the operator must see to it.
    Stopped,
    /// Whether the provider has taken the refresh token is not known: its answer was lost.
    InDoubt,
    /// Only a person can help.
    NeedsAuthorization,
}

/// What can happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The provider gave tokens.
    Renewed,
    /// Whether it did is not known, and the refresh token may be used up.
    AnswerLost,
    /// It did not, and this is whose fault it is.
    Fault(FaultClass),
}

impl RefreshState {
    /// The first table of the module.
    #[must_use]
    pub const fn after(self, happening: Happening) -> Self {
        match (self, happening) {
            (_, Happening::Renewed) => Self::Good,
            (Self::NeedsAuthorization, _) | (_, Happening::Fault(FaultClass::Connection)) => Self::NeedsAuthorization,
            (Self::InDoubt, _) | (_, Happening::AnswerLost) => Self::InDoubt,
            (Self::Good | Self::Failing | Self::Stopped, Happening::Fault(FaultClass::Integration)) => Self::Stopped,
            (Self::Good | Self::Failing | Self::Stopped, Happening::Fault(FaultClass::Provider)) => Self::Failing,
        }
    }
}

words!(RefreshState {
    Good => "good",
    Failing => "failing",
    Stopped => "stopped",
    InDoubt => "in_doubt",
    NeedsAuthorization => "needs_authorization",
});

/// Why only a person can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The provider refused the refresh token.
    Refused,
    /// The provider gave new tokens and the answer that held them was lost; now it refuses the old ones.
    AnswerLost,
    /// The provider refused again and again, and nobody knows why.
    RefusedRepeatedly,
    /// The token has expired, or was reported, and there is no way to renew it.
    NotRenewable,
}

words!(Reason: Serialize {
    Refused => "refused",
    AnswerLost => "answer_lost",
    RefusedRepeatedly => "refused_repeatedly",
    NotRenewable => "not_renewable",
});

/// How renewing went since the last good one. It is about one grant, and counts no more when the provider gives
/// another: so a renewal that works writes nothing but the new grant.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Condition {
    /// The generation of the grant that it is about, as stored; 0 where there is none.
    pub generation: u64,
    /// Where the connection stands.
    pub state: RefreshState,
    /// The intent: digest of the refresh token that is being sent. Stored before it is sent, so that after a crash it
    /// is known that the provider may have taken it.
    pub attempt: Option<SecretDigest>,
    /// Renewals that failed.
    pub failures: u32,
    /// How many of them in a row were refusals that nobody knows the meaning of.
    pub refusals: u32,
    /// When the last one failed.
    pub failed_at: Option<UnixSeconds>,
    /// Not again before this instant.
    pub retry_at: Option<UnixSeconds>,
    /// What went wrong last; none after a crash.
    pub last_fault: Option<Fault>,
    /// Whose fault that was.
    pub class: Option<FaultClass>,
    /// Why only a person can help, where that is so.
    pub reason: Option<Reason>,
    /// A caller reported that the access token was refused where it was used.
    pub reported: bool,
}

impl FromJson for Condition {
    fn from_json(value: Value) -> Result<Self, BadMember> {
        let mut members = Members::of(value)?;
        Ok(Self {
            generation: members.number("generation")?.unwrap_or_default(),
            state: members.word("state")?.unwrap_or_default(),
            attempt: members.text("attempt")?.map(SecretDigest::stored),
            failures: members.count("failures")?,
            refusals: members.count("refusals")?,
            failed_at: members.instant("failed_at")?,
            retry_at: members.instant("retry_at")?,
            last_fault: members.document("last_fault")?,
            class: members.word("class")?,
            reason: members.word("reason")?,
            reported: members.flag("reported")?,
        })
    }
}

/// A renewal that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// Whose fault it is.
    pub class: FaultClass,
    /// Whether it is a refusal that nobody knows the meaning of.
    pub is_unclassified: bool,
    /// Whether a refresh token was sent.
    pub by_refresh_token: bool,
    /// How long the provider wants to be left alone (`Retry-After`).
    pub retry_after: Option<Seconds>,
}

/// Whether a connection can get a new token without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// With a refresh token.
    ByRefreshToken,
    /// With the client's own credentials.
    ByClientCredentials,
    /// Not at all.
    Impossible,
}

/// What to do when somebody reads the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadDecision {
    /// Answer the stored token.
    Serve,
    /// Answer the stored token and renew it behind.
    ServeAndRenew,
    /// Renew, then answer.
    Renew,
    /// The last renewal failed a moment ago.
    BackingOff(Fault),
    /// Only a person can help.
    NeedsAuthorization,
}

/// First and longest wait after a failed renewal; it doubles with each further one. Where the operator must see to it,
/// asking often helps nobody, and asking seldom hides that it was seen to.
const fn back_off(class: FaultClass) -> (Seconds, Seconds) {
    match class {
        FaultClass::Connection | FaultClass::Provider => (Seconds(30), Seconds(3_600)),
        FaultClass::Integration => (Seconds(1_800), Seconds(1_800)),
    }
}

/// So many refusals in a row that nobody knows the meaning of, the last so long after the token has expired, are
/// enough.
const REFUSAL_LIMIT: u32 = 5;

/// See [`REFUSAL_LIMIT`]: a gateway that answers 403 or 404 for an hour condemns nobody.
const REFUSAL_PATIENCE: Seconds = Seconds(86_400);

impl Condition {
    /// Whether the last failure is too recent to try again. When the clock was set back to before it, it does not bind.
    fn backing_off(&self, now: UnixSeconds) -> Option<&Fault> {
        let (failed_at, retry_at) = (self.failed_at?, self.retry_at?);
        self.last_fault.as_ref().filter(|_| failed_at <= now && now < retry_at)
    }

    /// The condition after a renewal failed at `now`; `jitter` spreads the next ones over a quarter of the wait.
    #[must_use]
    pub fn after(&self, failure: &Failure, grant: Option<&Grant>, now: UnixSeconds, jitter: u8) -> Self {
        let Failure { fault, class, is_unclassified, by_refresh_token, retry_after } = failure;
        let refusals = if *is_unclassified { self.refusals.saturating_add(1) } else { 0 };
        let is_past = grant.is_none_or(|grant| grant.expires_at.plus(REFUSAL_PATIENCE) <= now);
        let is_over = *by_refresh_token && refusals >= REFUSAL_LIMIT && is_past;
        let class = if is_over { FaultClass::Connection } else { *class };
        let is_lost = *by_refresh_token && fault.is_lost() && class == FaultClass::Provider;
        let happening = if is_lost { Happening::AnswerLost } else { Happening::Fault(class) };
        let state = self.state.after(happening);
        let reason = match self.state {
            RefreshState::InDoubt => Reason::AnswerLost,
            _ if is_over => Reason::RefusedRepeatedly,
            _ => Reason::Refused,
        };
        let reason = Some(reason).filter(|_| state == RefreshState::NeedsAuthorization);
        let (first, longest) = back_off(class);
        let wait = (first.0 << self.failures.min(16)).min(longest.0);
        let wait = wait + wait * u64::from(jitter) / 1024;
        let wait = Seconds(wait).max(retry_after.unwrap_or_default());
        Self {
            generation: self.generation,
            state,
            attempt: None,
            failures: self.failures.saturating_add(1),
            refusals,
            failed_at: Some(now),
            retry_at: Some(now.plus(wait)),
            last_fault: Some(fault.clone()),
            class: Some(class),
            reason,
            reported: self.reported,
        }
    }

    /// The condition when an intent is found that nobody is carrying out: we crashed.
    #[must_use]
    pub fn after_crash(self) -> Self {
        let state = self.state.after(Happening::AnswerLost);
        Self { attempt: None, state, class: Some(FaultClass::Provider), ..self }
    }

    /// What the operator has in hand may be better now: it is tried at once. Says whether that changes anything.
    pub fn mended(&mut self) -> bool {
        let was_stuck = self.reason == Some(Reason::NotRenewable);
        let waits = self.retry_at.is_some() && self.class == Some(FaultClass::Integration);
        if was_stuck {
            *self = Self::default();
        } else if waits {
            self.retry_at = None;
        }
        was_stuck || waits
    }

    /// The condition when nothing can be asked of the provider.
    #[must_use]
    pub fn given_up(self) -> Self {
        let (class, reason) = (Some(FaultClass::Connection), Some(Reason::NotRenewable));
        Self { state: self.state.after(Happening::Fault(FaultClass::Connection)), class, reason, ..self }
    }
}

/// Decides what a read gets: the second table of the module.
#[must_use]
pub fn on_read(
    grant: Option<&Grant>,
    condition: &Condition,
    renewal: Renewal,
    lead: Seconds,
    now: UnixSeconds,
) -> ReadDecision {
    let is_good = grant.is_some_and(|grant| now < grant.expires_at);
    let is_from_the_future = grant.is_some_and(|grant| grant.is_from_the_future(now));
    let is_due = grant.is_none_or(|grant| condition.reported || is_from_the_future || grant.due_at(lead) <= now);
    let is_renewable = renewal != Renewal::Impossible && condition.state != RefreshState::NeedsAuthorization;
    let is_held = is_good && !is_from_the_future && !condition.reported && condition.state == RefreshState::InDoubt;
    let waiting = condition.backing_off(now);
    if is_good {
        let renews = is_due && is_renewable && !is_held && waiting.is_none();
        return if renews { ReadDecision::ServeAndRenew } else { ReadDecision::Serve };
    }
    if !is_renewable {
        return ReadDecision::NeedsAuthorization;
    }
    waiting.map_or(ReadDecision::Renew, |fault| ReadDecision::BackingOff(fault.clone()))
}

/// When a connection must be looked at next: not at all when it has no token yet, or is known to need a person.
#[must_use]
pub fn next_look(grant: Option<&Grant>, condition: &Condition, renewal: Renewal, lead: Seconds) -> Option<UnixSeconds> {
    if condition.state == RefreshState::NeedsAuthorization {
        return None;
    }
    let grant = grant?;
    let due_at = match condition.state {
        _ if renewal == Renewal::Impossible => grant.expires_at,
        _ if condition.reported => grant.obtained_at,
        RefreshState::InDoubt => grant.expires_at,
        // However short it lives, it is not renewed again and again where nobody reads it.
        _ => grant.due_at(lead).max(grant.obtained_at.plus(SHORTEST_REPETITION)),
    };
    Some(condition.retry_at.map_or(due_at, |at| at.max(due_at)))
}

#[cfg(test)]
mod tests;
