//! The cron's work: renew what is due, seal anew what an earlier application key has sealed, report.
//!
//! Decides: how many connections one tick takes, how many at a time. Leaves to others: whether each is really due (its
//! actor). A tick that dies half-way loses nothing: what was not renewed is still due for the next one, and what was not
//! sealed anew is still counted.

use futures_util::StreamExt;
use serde::Serialize;

use super::{
    command::{Command, Reply, ResealOutcome, SweepOutcome},
    rotation::Rotation,
};
use crate::{
    config::Settings,
    ports::{ConnectionActors, Listing, PortError},
    protocol::time::UnixSeconds,
};

/// Most connections of one tick; the rest is due still for the next.
const TICK_LIMIT: u32 = 500;

/// Most connections of one tick that are sealed anew: 18,000 an hour. With those that are due they are fewer than the
/// platform lets one request ask, which is 1000.
const RESEAL_LIMIT: u32 = 300;

/// Connections renewed at the same time: the platform's own limit on open connections of one request.
const CONCURRENCY: usize = 6;

/// What a tick did: one line in the log, and the answer of `POST /api/v1/sweep`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Connections that were due.
    pub due: usize,
    /// Have a new token.
    pub renewed: usize,
    /// Were not due after all.
    pub not_due: usize,
    /// Their provider failed; tried again later.
    pub failed: usize,
    /// Only a person can help.
    pub needs_authorization: usize,
    /// Were deleted meanwhile.
    pub gone: usize,
    /// Did not answer.
    pub unanswered: usize,
}

/// Renews what is due at `now`.
///
/// # Errors
/// 503 when the directory does not answer.
pub async fn run<P: ConnectionActors + Listing>(ports: &P, now: UnixSeconds) -> Result<SweepReport, PortError> {
    let due = ports.due(now, TICK_LIMIT).await?;
    let renewals = due.iter().map(|key| ports.command(key, Command::RenewIfDue));
    let mut report = SweepReport { due: due.len(), ..SweepReport::default() };
    let mut outcomes = futures_util::stream::iter(renewals).buffer_unordered(CONCURRENCY);
    while let Some(outcome) = outcomes.next().await {
        let counter = match outcome {
            Ok(Reply::Sweep(SweepOutcome::Renewed)) => &mut report.renewed,
            Ok(Reply::Sweep(SweepOutcome::NotDue)) => &mut report.not_due,
            Ok(Reply::Sweep(SweepOutcome::Failed)) => &mut report.failed,
            Ok(Reply::Sweep(SweepOutcome::NeedsAuthorization)) => &mut report.needs_authorization,
            Ok(Reply::Sweep(SweepOutcome::Gone)) => &mut report.gone,
            Ok(_) | Err(_) => &mut report.unanswered,
        };
        *counter += 1;
    }
    Ok(report)
}

/// What a tick did for a rotation of the application key.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ResealReport {
    /// Connections that are sealed with the present application key since this tick.
    pub resealed: u32,
    /// Connections that could not be: a key is missing, something is damaged, or they did not answer.
    pub not_resealed: u32,
    /// How many are left after this tick, those included whose key is missing.
    pub sealed_with_another_key: u32,
    /// Ids of the keys that are needed and not configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_keys: Vec<String>,
}

/// Has connections seal anew what another than the present application key has sealed.
///
/// # Errors
/// 503 when the directory does not answer.
pub async fn reseal<P: ConnectionActors + Listing>(ports: &P, settings: &Settings) -> Result<ResealReport, PortError> {
    let present = settings.application_key.id();
    let mut rotation = Rotation::new(settings, ports.sealed_otherwise(present).await?);
    let (mut keys, mut room) = (Vec::new(), RESEAL_LIMIT);
    for set in &rotation.sets {
        if room > 0 {
            let found = ports.sealed_with(set, room).await?;
            room = room.saturating_sub(u32::try_from(found.len()).unwrap_or(room));
            keys.extend(found);
        }
    }
    let mut report = ResealReport::default();
    let commands = keys.iter().map(|key| ports.command(key, Command::Reseal));
    let mut outcomes = futures_util::stream::iter(commands).buffer_unordered(CONCURRENCY);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(Reply::Reseal(ResealOutcome::Resealed)) => report.resealed += 1,
            Ok(Reply::Reseal(ResealOutcome::NothingToDo | ResealOutcome::Gone)) => {}
            Ok(_) | Err(_) => report.not_resealed += 1,
        }
    }
    if !keys.is_empty() {
        rotation = Rotation::new(settings, ports.sealed_otherwise(present).await?);
    }
    report.sealed_with_another_key = rotation.left;
    report.missing_keys = rotation.missing.into_iter().map(|(id, _)| id).collect();
    Ok(report)
}
