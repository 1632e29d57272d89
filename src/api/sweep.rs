//! `POST /api/v1/sweep`, and the cron tick that does the same.

use serde::Serialize;

use super::{Context, Deployment, OK, Ports, answer::Answer, error::ApiError, guard};
use crate::{
    authorization_server::registry::{RegistryReply, RegistryRequest},
    config::Problem,
    connection::{
        sweep::{self, ResealReport, SweepReport, Swept},
        ticks::Tick,
    },
    ports::PortError,
    protocol::time::UnixSeconds,
};

/// What a tick did.
#[derive(Debug, Serialize)]
struct Report {
    /// To connections.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    connections: Option<SweepReport>,
    /// For a rotation of the application key.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rotation: Option<ResealReport>,
    /// Rows of the registry that had expired: audit rows, marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<u32>,
}

impl Report {
    /// What somebody must see to although the tick did all that it could.
    fn alarm(&self) -> Option<String> {
        let missing = &self.rotation.as_ref()?.missing_keys;
        (!missing.is_empty()).then(|| format!("secrets cannot be decrypted: missing keys {}", missing.join(", ")))
    }
}

/// One line of the log for a tick.
#[derive(Debug, Serialize)]
pub struct TickLine {
    /// `info`, or `error` when the tick could not run.
    pub level: &'static str,
    /// Tells it from requests.
    event: &'static str,
    /// What it did.
    #[serde(flatten)]
    report: Report,
    /// Why it could not do all.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// Runs one tick of the cron.
pub async fn tick<P: Ports>(deployment: &Result<Deployment, Vec<Problem>>, ports: &P) -> TickLine {
    let (report, fault) = if let Ok(deployment) = deployment {
        sweep_and_prune(ports, deployment).await
    } else {
        let nothing = Report { connections: None, rotation: None, pruned: None };
        (nothing, Some(PortError("the service is not configured".to_owned())))
    };
    let cause = fault.map(|error| error.0).or_else(|| report.alarm());
    let level = if cause.is_none() { "info" } else { "error" };
    TickLine { level, event: "sweep", report, cause }
}

/// Connections first, those that are due before those that are sealed with an earlier key, then what the registry need
/// not remember any longer. One does not keep the other from running.
async fn sweep_and_prune<P: Ports>(ports: &P, deployment: &Deployment) -> (Report, Option<PortError>) {
    let began = ports.now();
    // Where that is not known, from the beginning: should the directory be broken, its next answer says so.
    let start = ports.ticks().await.ok().and_then(|ticks| ticks.stopped_at);
    let Swept { report: connections, stopped_at, fault } = sweep::run(ports, start).await;
    let rotation = sweep::reseal(ports, &deployment.settings).await;
    let pruned = prune(ports, began.minus(deployment.settings.audit_retention)).await;
    let counted = match connections.clone() {
        Some(report) => ports.ticked(Tick { began, took: ports.now().since(began), report, stopped_at }).await,
        None => Ok(()),
    };
    let faults = [fault, rotation.as_ref().err().cloned(), pruned.as_ref().err().cloned(), counted.err()];
    let report = Report { connections, rotation: rotation.ok(), pruned: pruned.ok() };
    (report, faults.into_iter().flatten().next())
}

/// Has the registry forget what has expired; says how many rows that were.
async fn prune<P: Ports>(ports: &P, audit_before: UnixSeconds) -> Result<u32, PortError> {
    match ports.ask(RegistryRequest::Prune(audit_before)).await? {
        RegistryReply::Pruned(rows) => Ok(rows),
        _ => Err(PortError("unexpected reply of the registry".to_owned())),
    }
}

/// Runs a tick for a caller: where no cron reaches the Worker, an outside timer does it with this.
///
/// # Errors
/// Those of the guard; 503 when the directory or the registry does not answer.
pub(super) async fn run<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    guard::admit(context).await?;
    match sweep_and_prune(context.ports, context.deployment).await {
        (report, None) => {
            context.remarks.fault.replace(report.alarm());
            Answer::json(OK, &report)
        }
        (_, Some(fault)) => Err(fault.into()),
    }
}
