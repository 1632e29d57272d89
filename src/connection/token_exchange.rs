//! The requests to a provider that a definition describes, with the values in them; and what its answers mean.
//!
//! Decides: the exact URL, header fields and body of each request (RFC 6749 §4.1, §4.4, §6, RFC 7636 §4.3 and §4.5), and
//! ([`answer`]) what an answer says. No request is built for an address that `outbound` refuses.
//!
//! Leaves to others: minting `state` and the code verifier, sending, deadlines, storing tokens, and what a failure means
//! for the connection (`refresh`).
//!
//! Client authentication by Basic follows RFC 6749 §2.3.1: id and secret are form-encoded before they are joined, a space
//! as `%20`. Fides sends them raw; the two differ only for ids and secrets with reserved characters.

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

/// The scope that a person is asked for: the parameter `scope` of the authorization request (RFC 6749 §4.1.1), where the
/// definition has one.
#[must_use]
pub fn requested_scope(definition: &Definition, values: &Values<'_>) -> Option<SecretText> {
    let request = definition.request(Action::Authorize)?;
    let (_, scope) = request.query.iter().find(|(name, _)| name == "scope")?;
    scope.parameter(values)
}

/// The request that gets tokens. For the code flow `values` must hold `code` and, with PKCE, `code_verifier`, which is
/// put beside `code` where the definition does not name it (RFC 7636 §4.5).
///
/// # Errors
///
/// [`RequestProblem`].
pub fn token_request(
    definition: &Definition,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<ProviderRequest, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action: Action::Access };
    exchange.build(exchange.request()?)
}

/// The request that gets new tokens. For client credentials it is the token request again, unless the definition has a
/// refresh request that can be filled in.
///
/// # Errors
///
/// [`RequestProblem`]: [`RequestProblem::NotOffered`] for a code flow without a refresh request,
/// [`RequestProblem::Missing`] where there is no refresh token.
pub fn refresh_request(
    definition: &Definition,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<ProviderRequest, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action: Action::Refresh };
    let own = definition.request(Action::Refresh);
    let is_for_client = matches!(definition.authentication(), Some(Authentication::ClientCredentials(_)));
    let again = if is_for_client { definition.request(Action::Access) } else { None };
    let request = own.filter(|request| again.is_none() || exchange.lacking(placeholders(request)).is_empty()).or(again);
    let action = Action::Refresh;
    exchange.build(request.ok_or(RequestProblem::NotOffered { action })?)
}

/// The request that makes the provider forget a token (our extension `revoke_request`, RFC 7009): `values` hold
/// `refresh_token` and `access_token`, as far as there are any.
///
/// # Errors
///
/// [`RequestProblem`]: [`RequestProblem::NotOffered`] where the definition has none.
pub fn revoke_request(
    definition: &Definition,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<ProviderRequest, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action: Action::Revoke };
    exchange.build(exchange.request()?)
}

/// The request that tests the connection: authenticated as the definition says, with OAuth by `access_token`.
///
/// # Errors
///
/// [`RequestProblem`]: [`RequestProblem::NotOffered`] where testing would need code.
pub fn test_request(
    definition: &Definition,
    values: &Values<'_>,
    policy: &OutboundPolicy,
) -> Result<ProviderRequest, RequestProblem> {
    let exchange = Exchange { definition, values, policy, action: Action::Test };
    exchange.build(exchange.request()?)
}

#[cfg(test)]
mod tests;
