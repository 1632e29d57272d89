//! What we say when a connection does not do what it is asked.

use http::StatusCode;

use super::ApiError;
use crate::{
    api::{
        answer::Answer,
        page::{self, Next},
    },
    connection::{command::Refusal, key::ConnectionKey, refresh::Fault, state::StateProblem},
    ports::PortError,
};

impl ApiError {
    /// 400 for a malformed callback.
    #[must_use]
    pub fn callback(problem: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Malformed callback: {problem}"))
    }

    /// 404 for a state that is unknown, used or expired.
    #[must_use]
    pub fn unknown_state() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No authentication request found for the given state.")
    }

    /// 404 for a connect link that is malformed, unknown, used or expired.
    #[must_use]
    pub fn unknown_link() -> Self {
        Self::new(StatusCode::NOT_FOUND, "This link is not valid any more. Ask for a new one.")
    }

    /// 403 for a form that was sent by a page of another site.
    #[must_use]
    pub fn foreign_form() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This form was not sent by its own page. Open the link again.")
    }

    /// The same as a page, where its text is one that people can read.
    #[must_use]
    pub fn into_page(self) -> (Answer, Option<String>) {
        let text = self.detail.as_str().unwrap_or("The request cannot be carried out.");
        (page::page(self.status, "This did not work", text, &Next::End), self.cause)
    }

    /// 503 when an object answers something else than it was asked.
    #[must_use]
    pub fn unexpected_reply() -> Self {
        PortError("unexpected reply of a connection".to_owned()).into()
    }

    /// 404 where a definition is asked for and there is none.
    #[must_use]
    pub fn no_definition(key: &ConnectionKey) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No SaaS config found for connection '{key}'"))
    }

    /// What a connection refused to do.
    #[must_use]
    pub fn refusal(refusal: Refusal, key: &ConnectionKey) -> Self {
        use StatusCode as Status;
        let (status, detail) = match refusal {
            Refusal::Invalid(issues) => {
                let issues: Vec<_> = issues.into_iter().map(|issue| issue.within(&["body".into()])).collect();
                return Self::unprocessable(&issues);
            }
            Refusal::NoConnection => {
                (Status::NOT_FOUND, format!("No connection configuration found with key '{key}'."))
            }
            Refusal::KeyInUse => (Status::BAD_REQUEST, key_in_use(key)),
            Refusal::InstanceKeyInUse(own) => (Status::BAD_REQUEST, instance_key_in_use(&own)),
            Refusal::NoDefinition => {
                (Status::UNPROCESSABLE_ENTITY, "The connection config does not contain a SaaS config.".to_owned())
            }
            Refusal::SecretsInTheWay => (
                Status::BAD_REQUEST,
                "Must clear the secrets from this connection config before deleting the SaaS config.".to_owned(),
            ),
            Refusal::NoAuthentication => (
                Status::UNPROCESSABLE_ENTITY,
                "The connection config does not contain an authentication configuration.".to_owned(),
            ),
            Refusal::NotAuthorizationCode => (
                Status::UNPROCESSABLE_ENTITY,
                "The connection config does not use OAuth2 Authorization Code authentication.".to_owned(),
            ),
            Refusal::NotOauth => {
                (Status::UNPROCESSABLE_ENTITY, "The connection config does not use OAuth2 authentication.".to_owned())
            }
            Refusal::MissingSecrets(names) => {
                (Status::BAD_REQUEST, format!("Missing required secret(s) '{}' for {key}", names.join(", ")))
            }
            Refusal::UnknownState => return Self::unknown_state(),
            Refusal::UnknownLink => return Self::unknown_link(),
            Refusal::BindingRequired => {
                let route = format!("POST /api/v1/connection/{key}/connect_link");
                (Status::FORBIDDEN, format!("Authorizations must begin with a connect link here: see {route}"))
            }
            Refusal::OtherBrowser => (
                Status::FORBIDDEN,
                format!("The authorization of {key} was begun in another browser. Begin it again in this one."),
            ),
            Refusal::OtherIssuer => {
                (Status::BAD_REQUEST, format!("The answer does not come from the provider of {key}."))
            }
            Refusal::AuthorizationRefused(code) => {
                (Status::BAD_REQUEST, format!("The provider did not authorize {key} ({code})."))
            }
            Refusal::CodeRefused(code) => {
                let code = code.unwrap_or_else(|| "no error code".to_owned());
                (Status::BAD_REQUEST, format!("Unable to retrieve token for {key} ({code})."))
            }
            Refusal::NotSendable(problem) => {
                (Status::UNPROCESSABLE_ENTITY, format!("No request can be made for {key}: {problem}"))
            }
            Refusal::NeedsAuthorization => {
                let route = format!("/api/v1/connection/{key}/authorize");
                (Status::CONFLICT, format!("The connection {key} needs authorization: see GET {route}"))
            }
            Refusal::Provider(fault) => Self::provider_fault(&fault, key),
        };
        Self::new(status, detail)
    }

    /// What a connection refused to do, in words alone: for an answer that is no error.
    #[must_use]
    pub fn refusal_text(refusal: Refusal, key: &ConnectionKey) -> String {
        Self::refusal(refusal, key).detail.as_str().unwrap_or_default().to_owned()
    }

    /// What a connection refused to do when a browser came back, in Fides's words where they differ. The provider's own
    /// text is never repeated (checklist L5).
    #[must_use]
    pub fn fides_callback(refusal: Refusal, key: &ConnectionKey) -> Self {
        let no_code = matches!(refusal, Refusal::CodeRefused(None));
        let no_answer = matches!(refusal, Refusal::Provider(_) | Refusal::NotSendable(_));
        let error = Self::refusal(refusal, key);
        let detail = match error.detail.as_str() {
            Some(_) if no_code => format!("Unable to retrieve token for {key} (None)."),
            Some(cause) if no_answer => format!("Error occurred during the access request for {key}: {cause}"),
            _ => return error,
        };
        Self { detail: detail.into(), ..error }
    }

    /// Status and text for a provider that cannot be used now.
    fn provider_fault(fault: &Fault, key: &ConnectionKey) -> (StatusCode, String) {
        match fault {
            Fault::Refused { error } => {
                let error = error.as_deref().unwrap_or("no error code");
                (StatusCode::BAD_GATEWAY, format!("The provider of {key} refused to give a token ({error})."))
            }
            Fault::Busy => (StatusCode::BAD_GATEWAY, format!("The provider of {key} takes no more requests for now.")),
            Fault::Failed => (StatusCode::BAD_GATEWAY, format!("The provider of {key} failed.")),
            Fault::Unreachable => (StatusCode::BAD_GATEWAY, format!("The provider of {key} cannot be reached.")),
            Fault::TimedOut => (StatusCode::GATEWAY_TIMEOUT, format!("The provider of {key} did not answer in time.")),
            Fault::Unreadable => {
                (StatusCode::BAD_GATEWAY, format!("The provider of {key} did not give a token answer."))
            }
            Fault::NotSendable => {
                let text = "Definition and secrets make no token request that may be sent";
                (StatusCode::BAD_GATEWAY, format!("{text}: {key}"))
            }
        }
    }
}

/// Fides's words for a key that is taken.
fn key_in_use(key: &ConnectionKey) -> String {
    let rest = "Keys will be snake-cased names if not provided. If you are seeing this error without providing a key, \
                please provide a key or a different name.";
    format!("Key {key} already exists in ConnectionConfig. {rest}")
}

/// Fides's words for an instance key that is taken.
fn instance_key_in_use(instance_key: &str) -> String {
    format!("SaaS connector instance key '{instance_key}' already exists.")
}

impl From<StateProblem> for ApiError {
    fn from(problem: StateProblem) -> Self {
        match problem {
            StateProblem::Malformed => Self::callback("state is malformed"),
            StateProblem::Unknown => Self::unknown_state(),
        }
    }
}
