//! What we say when a connection does not do what it is asked.

use http::StatusCode;

use super::ApiError;
use crate::{
    api::{
        answer::Answer,
        page::{self, Next},
    },
    connection::{command::Refusal, fault::Fault, key::ConnectionKey, state::StateProblem},
    ports::PortError,
};

/// Of a state that is unknown, used or expired; as Fides words it.
const UNKNOWN_STATE: &str = "No authentication request found for the given state.";

/// Of a connect link that is malformed, unknown, used or expired.
const UNKNOWN_LINK: &str = "This link is not valid any more. Ask for a new one.";

impl ApiError {
    /// 400 for a malformed callback.
    #[must_use]
    pub fn callback(problem: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Malformed callback: {problem}"))
    }

    /// 404 for a state that is unknown, used or expired.
    #[must_use]
    pub fn unknown_state() -> Self {
        Self::new(StatusCode::NOT_FOUND, UNKNOWN_STATE)
    }

    /// 404 for a connect link that is malformed, unknown, used or expired.
    #[must_use]
    pub fn unknown_link() -> Self {
        Self::new(StatusCode::NOT_FOUND, UNKNOWN_LINK)
    }

    /// 403 for a form that was sent by a page of another site.
    #[must_use]
    pub fn foreign_form() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This form was not sent by its own page. Open the link again.")
    }

    /// The same as a page, where its text is one that people can read.
    #[must_use]
    pub fn into_page(self) -> (Answer, Option<String>) {
        let text = self.0.detail.as_str().unwrap_or("The request cannot be carried out.");
        (page::page(self.0.status, "This did not work", text, &Next::End), self.0.cause)
    }

    /// 503 when an object, registry or connection, answers something else than it was asked.
    #[must_use]
    pub fn unexpected_reply() -> Self {
        PortError("unexpected reply of an object".to_owned()).into()
    }

    /// 404 where a definition is asked for and there is none.
    #[must_use]
    pub fn no_definition(key: &ConnectionKey) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No SaaS config found for connection '{key}'"))
    }

    /// 404 where a version of the definition is asked for that there is not, or no more.
    #[must_use]
    pub fn no_snapshot(key: &ConnectionKey) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No SaaS config of that version found for connection '{key}'"))
    }

    /// What a connection refused to do.
    #[must_use]
    pub fn refusal(refusal: Refusal, key: &ConnectionKey) -> Self {
        use StatusCode as Status;
        let status = match &refusal {
            Refusal::Invalid(issues) => {
                let issues: Vec<_> = issues.iter().map(|issue| issue.clone().within(&["body".into()])).collect();
                return Self::unprocessable(&issues);
            }
            Refusal::NoConnection | Refusal::UnknownState | Refusal::UnknownLink => Status::NOT_FOUND,
            Refusal::KeyInUse
            | Refusal::InstanceKeyInUse(_)
            | Refusal::SecretsInTheWay
            | Refusal::MissingSecrets(_)
            | Refusal::OtherIssuer
            | Refusal::AuthorizationRefused(_)
            | Refusal::CodeRefused(_) => Status::BAD_REQUEST,
            Refusal::NoDefinition
            | Refusal::NoAuthentication
            | Refusal::NotAuthorizationCode
            | Refusal::NotOauth
            | Refusal::NotSendable(_) => Status::UNPROCESSABLE_ENTITY,
            Refusal::BindingRequired | Refusal::OtherBrowser => Status::FORBIDDEN,
            Refusal::NeedsAuthorization => Status::CONFLICT,
            Refusal::Provider(Fault::TimedOut) => Status::GATEWAY_TIMEOUT,
            Refusal::Provider(_) => Status::BAD_GATEWAY,
        };
        Self::new(status, Self::refusal_text(refusal, key))
    }

    /// What a connection refused to do, in words alone.
    #[must_use]
    pub fn refusal_text(refusal: Refusal, key: &ConnectionKey) -> String {
        match refusal {
            Refusal::Invalid(_) => "The document is not valid.".to_owned(),
            Refusal::NoConnection => format!("No connection configuration found with key '{key}'."),
            Refusal::KeyInUse => key_in_use(key),
            Refusal::InstanceKeyInUse(own) => instance_key_in_use(&own),
            Refusal::NoDefinition => "The connection config does not contain a SaaS config.".to_owned(),
            Refusal::SecretsInTheWay => {
                "Must clear the secrets from this connection config before deleting the SaaS config.".to_owned()
            }
            Refusal::NoAuthentication => {
                "The connection config does not contain an authentication configuration.".to_owned()
            }
            Refusal::NotAuthorizationCode => {
                "The connection config does not use OAuth2 Authorization Code authentication.".to_owned()
            }
            Refusal::NotOauth => "The connection config does not use OAuth2 authentication.".to_owned(),
            Refusal::MissingSecrets(names) => format!("Missing required secret(s) '{}' for {key}", names.join(", ")),
            Refusal::UnknownState => UNKNOWN_STATE.to_owned(),
            Refusal::UnknownLink => UNKNOWN_LINK.to_owned(),
            Refusal::BindingRequired => {
                let route = format!("POST /api/v1/connection/{key}/connect_link");
                format!("Authorizations must begin with a connect link here: see {route}")
            }
            Refusal::OtherBrowser => {
                format!("The authorization of {key} was begun in another browser. Begin it again in this one.")
            }
            Refusal::OtherIssuer => format!("The answer does not come from the provider of {key}."),
            Refusal::AuthorizationRefused(code) => format!("The provider did not authorize {key} ({code})."),
            Refusal::CodeRefused(code) => {
                let code = code.unwrap_or_else(|| "no error code".to_owned());
                format!("Unable to retrieve token for {key} ({code}).")
            }
            Refusal::NotSendable(problem) => format!("No request can be made for {key}: {problem}"),
            Refusal::NeedsAuthorization => {
                let route = format!("/api/v1/connection/{key}/authorize");
                format!("The connection {key} needs authorization: see GET {route}")
            }
            Refusal::Provider(fault) => fault_text(&fault, key),
        }
    }

    /// What a connection refused to do when a browser came back, in Fides's words where they differ. The provider's own
    /// text is never repeated (checklist L5).
    #[must_use]
    pub fn fides_callback(refusal: Refusal, key: &ConnectionKey) -> Self {
        let no_code = matches!(refusal, Refusal::CodeRefused(None));
        let no_answer = matches!(refusal, Refusal::Provider(_) | Refusal::NotSendable(_));
        let mut error = Self::refusal(refusal, key);
        let detail = match error.0.detail.as_str() {
            Some(_) if no_code => format!("Unable to retrieve token for {key} (None)."),
            Some(cause) if no_answer => format!("Error occurred during the access request for {key}: {cause}"),
            _ => return error,
        };
        error.0.detail = detail.into();
        error
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

/// The text for a provider that cannot be used now. The provider's own text is never repeated (checklist L5).
fn fault_text(fault: &Fault, key: &ConnectionKey) -> String {
    match fault {
        Fault::Refused { error, .. } => {
            let error = error.as_deref().unwrap_or("no error code");
            format!("The provider of {key} refused to give a token ({error}).")
        }
        Fault::Busy => format!("The provider of {key} takes no more requests for now."),
        Fault::Failed => format!("The provider of {key} failed."),
        Fault::Unreachable => format!("The provider of {key} cannot be reached."),
        Fault::TimedOut => format!("The provider of {key} did not answer in time."),
        Fault::Unreadable => format!("The provider of {key} did not give a token answer."),
        Fault::NotSendable => format!("Definition and secrets make no token request that may be sent: {key}"),
    }
}
