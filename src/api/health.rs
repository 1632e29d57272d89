//! `GET /health`: the process answers. `GET /ready`: the deployment can work, or what is missing. Both open.

use http::StatusCode;
use serde_json::json;

use super::{Deployment, OK, Ports, answer::Answer, error::ApiError};
use crate::{authorization_server::registry::RegistryRequest, config::Problem};

/// `{"status":"ok"}`; touches nothing.
pub(super) fn health() -> Answer {
    Answer::json_bytes(OK, br#"{"status":"ok"}"#.to_vec())
}

/// 200 when every setting is good, a key signs and the registry answers; else 503 with the names of the settings, never a
/// value.
///
/// # Errors
/// 503 when the registry does not answer.
pub(super) async fn ready<P: Ports>(
    deployment: &Result<Deployment, Vec<Problem>>,
    ports: &P,
) -> Result<Answer, ApiError> {
    let problems = match deployment {
        Ok(deployment) if deployment.authority.can_sign(ports.now()) => Vec::new(),
        Ok(_) => vec![Problem { setting: "SIGNING_KEYS", problem: "has no key that signs now" }],
        Err(problems) => problems.clone(),
    };
    if !problems.is_empty() {
        let problems: Vec<_> =
            problems.iter().map(|problem| json!({ "setting": problem.setting, "problem": problem.problem })).collect();
        return Answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unready", "problems": problems }));
    }
    ports.ask(RegistryRequest::Ping).await?;
    Answer::json(OK, &json!({ "status": "ready" }))
}
