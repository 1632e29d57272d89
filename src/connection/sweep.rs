//! The cron's work: renew what is due, report.
//!
//! Decides: how many connections one tick takes, how many at a time. Leaves to others: whether each is really due (its
//! actor). A tick that dies half-way loses nothing: what was not renewed is still due for the next one.

use futures_util::StreamExt;
use serde::Serialize;

use super::command::{Command, Reply, SweepOutcome};
use crate::{
    ports::{ConnectionActors, Listing, PortError},
    protocol::time::UnixSeconds,
};

/// Most connections of one tick; the rest is due still for the next.
const TICK_LIMIT: u32 = 500;

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
