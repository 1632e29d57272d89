//! The requests to a provider that a definition describes, with the values in them; and what its answers mean.
//!
//! Decides: the exact URL, header fields and body of each request (RFC 6749 §4.1, §4.4, §6, RFC 7636 §4.3 and §4.5),
//! and ([`answer`]) what an answer says. No request is built for an address that `outbound` refuses.
//!
//! Leaves to others: minting `state` and the code verifier, sending, deadlines, storing tokens, and what a failure
//! means for the connection (`refresh`).
//!
//! Client authentication by Basic follows RFC 6749 §2.3.1: id and secret are form-encoded before they are joined, a
//! space as `%20`. Fides sends them raw; the two differ only for ids and secrets with reserved characters.

pub mod answer;
mod exchange;
mod form;
pub mod kept;
pub mod problem;
mod retry_after;

use thiserror::Error;
use url::Url;

use self::exchange::{Exchange, placeholders};
pub use self::{
    answer::{TokenAnswer, read_answer},
    problem::{AnswerProblem, ErrorCode},
    retry_after::retry_after,
};
use super::{
    command::Refusal,
    definition::{Action, Authentication, Definition},
    outbound::{OutboundPolicy, OutboundProblem},
    template::values::Values,
};
use crate::{ports::ProviderRequest, protocol::secret::SecretText};

/// Why a request cannot be built. Holds names of placeholders, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestProblem {
    /// The definition has no such request.
    #[error("The connector has no request for the action '{}'.", .action.word())]
    NotOffered {
        /// What was asked for.
        action: Action,
    },
    /// There are no values for these placeholders; worded as Fides does for a body.
    #[error(
        "Unable to replace placeholders in {place} for the '{}' request of {connector} OAuth2. The following \
         placeholders could not be resolved: ['{}']", .action.word(), .names.join("', '")
    )]
    Missing {
        /// What the request is for.
        action: Action,
        /// The connector's name.
        connector: String,
        /// `path`, `host`, `body`, `query_params`, `headers` or `authentication`.
        place: &'static str,
        /// The placeholders as written.
        names: Vec<String>,
    },
    /// A value cannot stand where the template wants it.
    #[error(
        "The {place} of the '{}' request of {connector} OAuth2 cannot be built: the value of {name} {reason}",
        .action.word()
    )]
    Unusable {
        /// What the request is for.
        action: Action,
        /// The connector's name.
        connector: String,
        /// As in `Missing`.
        place: &'static str,
        /// The placeholder as written.
        name: String,
        /// What is wrong with the value.
        reason: &'static str,
    },
    /// The request would go where none may go.
    #[error("The request cannot be sent: {0}")]
    Address(#[from] OutboundProblem),
    /// Host and path do not make a URL.
    #[error("The request cannot be sent: its URL is malformed")]
    Malformed,
}

impl From<RequestProblem> for Refusal {
    fn from(problem: RequestProblem) -> Self {
        Self::NotSendable(problem.to_string())
    }
}

/// The required secrets of the definition's strategy that are missing or empty, in the strategy's order.
#[must_use]
pub fn missing_secrets(definition: &Definition, values: &Values<'_>) -> Vec<&'static str> {
    definition
        .authentication()
        .map_or(&[][..], Authentication::required_secrets)
        .iter()
        .copied()
        .filter(|name| values.text(name).is_none())
        .collect()
}

/// The URL that the user opens. `values` must hold `state`; it is added where the definition does not name it, and so
/// are `code_challenge` and `code_challenge_method` (RFC 7636 §4.3) if a challenge is given and the definition wants
/// PKCE.
///
/// # Errors
///
/// [`RequestProblem`]: [`RequestProblem::Missing`] without `state`.
pub fn authorization_url(
    definition: &Definition,
    values: &Values<'_>,
    code_challenge: Option<&str>,
    policy: &OutboundPolicy,
) -> Result<Url, RequestProblem> {
    let challenge = code_challenge
        .filter(|_| definition.authentication().is_some_and(Authentication::pkce))
        .map(|challenge| SecretText::new(challenge.to_owned()));
    let values = match &challenge {
        Some(challenge) => values.clone().with("code_challenge", challenge),
        None => values.clone(),
    };
    let exchange = Exchange { definition, values: &values, policy, action: Action::Authorize };
    let request = exchange.request()?;
    let Some(state) = values.text("state") else {
        return Err(exchange.missing("query_params", vec!["state".to_owned()]));
    };
    let mut query = exchange.query(request);
    let mut add = |name: &str, value: &str| {
        if !query.iter().any(|(other, _)| other == name) {
            query.push((name.to_owned(), SecretText::new(value.to_owned())));
        }
    };
    add("state", state);
    if let Some(challenge) = &challenge {
        add("code_challenge", challenge.expose());
        add("code_challenge_method", "S256");
    }
    exchange.url(request, &query)
}

/// The address that the request for an action goes to, without its query parameters.
///
/// # Errors
///
/// [`RequestProblem`].
pub fn address(
    definition: &Definition,
    action: Action,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<Url, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action };
    exchange.url(exchange.request()?, &[])
}

/// The scope that a person is asked for: the parameter `scope` of the authorization request (RFC 6749 §4.1.1), where
/// the definition has one.
#[must_use]
pub fn requested_scope(definition: &Definition, values: &Values<'_>) -> Option<SecretText> {
    let request = definition.request(Action::Authorize)?;
    let (_, scope) = request.query.iter().find(|(name, _)| name == "scope")?;
    scope.parameter(values)
}

/// The request for an action; the URL that a person opens is [`authorization_url`]'s. `values` must hold what is sent:
///
/// - to get tokens in the code flow `code` and, with PKCE, `code_verifier`, which is put beside `code` where the
///   definition does not name it (RFC 7636 §4.5);
/// - to get new tokens `refresh_token`, but for client credentials: these ask for tokens again, unless the definition
///   has a refresh request that can be filled in;
/// - to have tokens revoked (our extension `revoke_request`, RFC 7009) `refresh_token` and `access_token`, as far as
///   there are any;
/// - to test a connection of OAuth `access_token`, by which the test is authenticated as the definition says.
///
/// # Errors
///
/// [`RequestProblem`]: [`RequestProblem::NotOffered`] where the definition has none, [`RequestProblem::Missing`]
/// without a value.
pub fn request(
    definition: &Definition,
    action: Action,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<ProviderRequest, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action };
    let is_for_client = matches!(definition.authentication(), Some(Authentication::ClientCredentials(_)));
    let request = match definition.request(Action::Access) {
        Some(again) if action == Action::Refresh && is_for_client => {
            let own = definition.request(Action::Refresh);
            own.filter(|own| exchange.lacking(placeholders(own)).is_empty()).unwrap_or(again)
        }
        _ => exchange.request()?,
    };
    exchange.build(request)
}

#[cfg(test)]
mod tests;
