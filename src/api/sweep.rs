//! `POST /api/v1/sweep`, and the cron tick that does the same.

use serde::Serialize;

use super::{Context, Deployment, OK, Ports, answer::Answer, error::ApiError, guard::Guarded};
use crate::{
    authorization_server::registry::{RegistryReply, RegistryRequest},
    config::Problem,
    connection::sweep::{self, SweepReport},
    ports::PortError,
    protocol::time::UnixSeconds,
};

/// One line of the log for a tick.
#[derive(Debug, Serialize)]
pub struct TickLine {
    /// `info`, or `error` when the tick could not run.
    pub level: &'static str,
    /// Tells it from requests.
    event: &'static str,
    /// What it did.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<SweepReport>,
    /// Rows of the registry that had expired: audit rows, marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<u32>,
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// Runs one tick of the cron: connections first, then what the registry need not remember any longer. One does not keep
/// the other from running.
pub async fn tick<P: Ports>(deployment: &Result<Deployment, Vec<Problem>>, ports: &P) -> TickLine {
    let now = ports.now();
    let (report, pruned) = if let Ok(deployment) = deployment {
        let report = sweep::run(ports, now).await;
        (report, prune(ports, now.minus(deployment.settings.audit_retention)).await)
    } else {
        let unconfigured = PortError("the service is not configured".to_owned());
        (Err(unconfigured.clone()), Err(unconfigured))
    };
    let cause = report.as_ref().err().or(pruned.as_ref().err()).map(|error| error.0.clone());
    let level = if cause.is_none() { "info" } else { "error" };
    TickLine { level, event: "sweep", report: report.ok(), pruned: pruned.ok(), cause }
}

/// Has the registry forget what has expired; says how many rows that were.
async fn prune<P: Ports>(ports: &P, audit_before: UnixSeconds) -> Result<u32, PortError> {
    match ports.ask(RegistryRequest::Prune(audit_before)).await? {
        RegistryReply::Pruned(rows) => Ok(rows),
        _ => Err(PortError("unexpected reply of the registry".to_owned())),
    }
}

/// Runs the sweep for a caller: where no cron reaches the Worker, an outside timer does it with this.
///
/// # Errors
/// Those of the guard; 503 when the directory does not answer.
pub(super) async fn run<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    Guarded::new(context)?.admit(context).await?;
    Answer::json(OK, &sweep::run(context.ports, context.ports.now()).await?)
}
