//! `GET /health`: the process answers. `GET /ready`: the deployment can work, or what is missing. Both open.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Deployment, OK, Ports, answer::Answer, error::ApiError};
use crate::{
    authorization_server::registry::RegistryRequest,
    config::{Problem, WEBHOOK_URL},
    connection::{rotation::Rotation, webhook},
};

/// `{"status":"ok"}`; touches nothing.
pub(super) fn health() -> Answer {
    Answer::json_bytes(OK, br#"{"status":"ok"}"#.to_vec())
}

/// 200 when every setting is good, a key signs, events may be told where they are to be, the registry answers, and no
/// connection needs an application key that is not configured; else 503 with the names of the settings, never a value.
/// During a rotation of the application key also how many connections are left.
///
/// # Errors
/// 503 when registry or directory do not answer.
pub(super) async fn ready<P: Ports>(
    deployment: &Result<Deployment, Vec<Problem>>,
    ports: &P,
) -> Result<Answer, ApiError> {
    let deployment = match deployment {
        Ok(deployment) if deployment.authority(ports).await?.can_sign(ports.now()) => deployment,
        Ok(_) => return unready(&[problem("SIGNING_KEYS", "has no key that signs now")], None),
        Err(problems) => {
            let problems = problems.iter().map(|Problem { setting, problem: text }| problem(setting, text));
            return unready(&problems.collect::<Vec<_>>(), None);
        }
    };
    let settings = &deployment.settings;
    if let Err(cause) = webhook::target(settings) {
        return unready(&[problem(WEBHOOK_URL, &cause.to_string())], None);
    }
    ports.ask(RegistryRequest::Ping).await?;
    let counts = ports.sealed_otherwise(settings.application_key.id()).await?;
    let rotation = Rotation::new(settings, counts);
    let left = rotation.is_under_way(settings).then_some(rotation.left);
    if rotation.missing.is_empty() {
        return Answer::json(OK, &with_left(json!({ "status": "ready" }), left));
    }
    let missing = rotation.missing.iter().map(|(id, count)| {
        let text = format!("lacks the key {id}; connections that need it: {count}");
        problem("APP_ENCRYPTION_KEYS_PREVIOUS", &text)
    });
    unready(&missing.collect::<Vec<_>>(), left)
}

/// The answer of a deployment that cannot work, or not for every connection.
fn unready(problems: &[Value], left: Option<u32>) -> Result<Answer, ApiError> {
    let document = with_left(json!({ "status": "unready", "problems": problems }), left);
    Answer::json(StatusCode::SERVICE_UNAVAILABLE, &document)
}

/// One problem of a setting.
fn problem(setting: &str, problem: &str) -> Value {
    json!({ "setting": setting, "problem": problem })
}

/// A document with the number of connections that are left, where there is one.
fn with_left(mut document: Value, left: Option<u32>) -> Value {
    if let Some((members, left)) = document.as_object_mut().zip(left) {
        members.insert("sealed_with_another_key".to_owned(), left.into());
    }
    document
}
