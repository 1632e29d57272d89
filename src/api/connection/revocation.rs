//! `/api/v1/connection/{connection_key}/revoke`, and deletion: the end of a grant, here and at the provider.

use serde_json::json;

use super::{managed, refused};
use crate::{
    api::{Context, OK, Ports, answer::Answer, error::ApiError},
    connection::{
        command::{Command, Reply, Revocation},
        key::ConnectionKey,
    },
};

/// `POST /connection/{connection_key}/revoke`: the tokens are forgotten, whatever the provider says; the answer tells
/// what it said.
///
/// # Errors
/// 404.
pub(in crate::api) async fn revoke<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    match managed(context, key, Command::Revoke).await? {
        (Reply::Withdrawn(outcome), key) => {
            let (revoked, reason) = told(outcome, &key);
            Answer::json(OK, &json!({ "revoked_at_provider": revoked, "reason": reason }))
        }
        (other, key) => Err(refused(other, &key)),
    }
}

/// `DELETE /connection/{connection_key}`. That the provider did not revoke its tokens is for the log.
///
/// # Errors
/// 404.
pub(in crate::api) async fn delete<P: Ports>(context: &Context<'_, P>, key: &str) -> Result<Answer, ApiError> {
    match managed(context, key, Command::Delete).await? {
        (Reply::Withdrawn(outcome), key) => {
            if let (Some(false), Some(reason)) = told(outcome, &key) {
                context.remarks.fault.replace(Some(format!("tokens are not revoked at the provider: {reason}")));
            }
            Ok(Answer::empty())
        }
        (other, key) => Err(refused(other, &key)),
    }
}

/// Whether the provider revoked, and if not, why, in words of ours (checklist L5); neither where there was nothing to
/// do.
fn told(outcome: Revocation, key: &ConnectionKey) -> (Option<bool>, Option<String>) {
    let text = |text: &str| Some(text.to_owned());
    match outcome {
        Revocation::Revoked => (Some(true), None),
        Revocation::NothingHeld => (None, text("There were no tokens.")),
        Revocation::NotOffered => (None, text("The definition has no revoke_request.")),
        Revocation::Unopened => (Some(false), text("The stored tokens could not be opened.")),
        Revocation::Status(status) => {
            (Some(false), Some(format!("The provider of {key} answered with status code '{status}'.")))
        }
        Revocation::Failed(refusal) => (Some(false), Some(ApiError::refusal_text(refusal, key))),
    }
}
