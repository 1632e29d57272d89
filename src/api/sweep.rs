//! `POST /api/v1/sweep`, and the cron tick that does the same.

use serde::Serialize;

use super::{Context, Deployment, OK, Ports, answer::Answer, error::ApiError, guard::Guarded};
use crate::{
    config::Problem,
    connection::sweep::{self, SweepReport},
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
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// Runs one tick of the cron.
pub async fn tick<P: Ports>(deployment: &Result<Deployment, Vec<Problem>>, ports: &P) -> TickLine {
    let result = match deployment {
        Ok(_) => sweep::run(ports, ports.now()).await.map_err(|error| error.0),
        Err(_) => Err("the service is not configured".to_owned()),
    };
    let level = if result.is_ok() { "info" } else { "error" };
    let (report, cause) = result.map_or_else(|cause| (None, Some(cause)), |report| (Some(report), None));
    TickLine { level, event: "sweep", report, cause }
}

/// Runs the sweep for a caller: where no cron reaches the Worker, an outside timer does it with this.
///
/// # Errors
/// Those of the guard; 503 when the directory does not answer.
pub(super) async fn run<P: Ports>(context: &Context<'_, P>) -> Result<Answer, ApiError> {
    Guarded::new(context)?.admit(context).await?;
    Answer::json(OK, &sweep::run(context.ports, context.ports.now()).await?)
}
