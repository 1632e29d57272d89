//! `/api/v1/connection/{connection_key}/test`: does the connection work?

use serde_json::json;

use super::{managed, refused};
use crate::{
    api::{Context, OK, Ports, answer::Answer, error::ApiError},
    connection::{
        command::{Command, Reply, TestOutcome},
        key::ConnectionKey,
    },
};

/// `GET /connection/{connection_key}/test`: calls the provider's API. A test that fails is an answer, not an error.
///
/// # Errors
/// 404.
pub(in crate::api) async fn test<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    match managed(context, key, Command::Test).await? {
        (Reply::Tested(outcome), key) => status("Test completed", Some(outcome), &key),
        (other, key) => Err(refused(other, &key)),
    }
}

/// The answer to new secrets, after a test of them: whatever comes of that one, they are stored.
///
/// # Errors
/// 404 when the connection was deleted meanwhile.
pub(super) async fn after_secrets<P: Ports>(
    context: &Context<'_, P>,
    verify: bool,
    key: &ConnectionKey,
) -> Result<Answer, ApiError> {
    /// What was done.
    const DONE: &str = "Secrets updated";
    if !verify {
        return status(DONE, None, key);
    }
    match context.ports.command(key, Command::Test).await {
        Ok(Reply::Tested(outcome)) => status(DONE, Some(outcome), key),
        Ok(other) => Err(refused(other, key)),
        Err(error) => {
            context.remarks.fault.replace(Some(error.0));
            told(DONE, Some("failed"), Some("The test could not be carried out."), key)
        }
    }
}

/// What is answered after a test: none was made where there is no outcome. The reason is in words of ours, with a
/// status or an error code as the provider's only contribution (checklist L5, S15).
fn status(done: &str, outcome: Option<TestOutcome>, key: &ConnectionKey) -> Result<Answer, ApiError> {
    let operational = |text: String| format!("Operational Error connecting to '{key}': {text}");
    let (status, reason) = match outcome {
        None => (None, None),
        Some(TestOutcome::Succeeded) => (Some("succeeded"), None),
        Some(TestOutcome::Status(status)) => {
            (Some("failed"), Some(format!("Client call failed with status code '{status}'")))
        }
        Some(TestOutcome::Failed(refusal)) => (Some("failed"), Some(operational(ApiError::refusal_text(refusal, key)))),
        Some(TestOutcome::Skipped(refusal)) => (Some("skipped"), Some(ApiError::refusal_text(refusal, key))),
    };
    told(done, status, reason.as_deref(), key)
}

/// Fides's form of it.
fn told(done: &str, status: Option<&str>, reason: Option<&str>, key: &ConnectionKey) -> Result<Answer, ApiError> {
    let msg = format!("{done} for ConnectionConfig with key: {key}.");
    Answer::json(OK, &json!({ "msg": msg, "test_status": status, "failure_reason": reason }))
}
