//! The authorization code grant as its client sees it (RFC 6749 §4.1): begin it, and judge what comes back.
//!
//! Leaves to others: storing what was begun, the exchange of the code.

use serde_json::{Map, Value};
use url::Url;

use super::{
    command::{Bearer, Refusal},
    definition::{Action, Authentication, Definition},
    key::ConnectionKey,
    outbound::OutboundPolicy,
    record::Pending,
    state::{self, Purpose},
    template::values::Values,
    token_exchange,
};
use crate::{
    config::Settings,
    protocol::{
        pkce::{code_challenge, code_verifier},
        secret::{SecretDigest, SecretText},
        time::UnixSeconds,
    },
};

/// Randomness for one authorization: state and PKCE verifier.
pub struct Chance {
    /// 128 bits for the state.
    pub state: [u8; 16],
    /// 256 bits for the verifier (RFC 7636 §4.1).
    pub verifier: [u8; 32],
}

/// An authorization that was begun.
#[derive(Debug)]
pub struct Begun {
    /// What the person opens.
    pub url: Url,
    /// The state parameter.
    pub state: SecretText,
    /// The PKCE verifier, where PKCE is used.
    pub verifier: Option<SecretText>,
}

/// Begins an authorization of a connection whose definition has an authorization URL.
///
/// # Errors
/// [`Refusal::NotSendable`] when no URL can be made, or its host may not be used.
pub fn begin(
    settings: &Settings,
    key: &ConnectionKey,
    definition: &Definition,
    secrets: &Map<String, Value>,
    chance: &Chance,
) -> Result<Begun, Refusal> {
    let state = state::mint(&settings.application_key, Purpose::State, key, &chance.state);
    let state = match &settings.instance {
        Some(instance) => SecretText::new(format!("{instance}-{}", state.expose())),
        None => state,
    };
    let verifier =
        definition.authentication().is_some_and(Authentication::pkce).then(|| code_verifier(&chance.verifier));
    let challenge = verifier.as_ref().map(code_challenge);
    let redirect_uri = SecretText::new(settings.public_url.callback());
    let values = Values::new().with("redirect_uri", &redirect_uri).with_all(secrets).with("state", &state);
    let url =
        token_exchange::authorization_url(definition, &values, challenge.as_deref(), &OutboundPolicy::of(settings))?;
    Ok(Begun { url, state, verifier })
}

/// Whether a state is the one that is pending, and still in time.
///
/// # Errors
/// [`Refusal::UnknownState`].
pub fn judge<'a>(pending: Option<&'a Pending>, state: &SecretText, now: UnixSeconds) -> Result<&'a Pending, Refusal> {
    pending
        .filter(|pending| pending.state.matches(&state.digest()) && now < pending.expires_at)
        .ok_or(Refusal::UnknownState)
}

/// Whether who brings a return may finish an authorization that is bound to this browser, or to none.
///
/// # Errors
/// 403: [`Refusal::OtherBrowser`], or [`Refusal::BindingRequired`] where the deployment lets no browser finish what is
/// bound to none.
pub fn admit(browser: Option<&SecretDigest>, bearer: &Bearer, binding_required: bool) -> Result<(), Refusal> {
    match (browser, bearer) {
        (Some(browser), Bearer::Browser(Some(cookie))) if browser.matches(&SecretDigest::of(cookie)) => Ok(()),
        (Some(_), Bearer::Browser(_) | Bearer::Caller) => Err(Refusal::OtherBrowser),
        (None, Bearer::Browser(_)) if binding_required => Err(Refusal::BindingRequired),
        (None, Bearer::Browser(_) | Bearer::Caller) => Ok(()),
    }
}

/// Whether a return comes from the provider that the authorization was begun at (RFC 9207 §2.4, RFC 9700 §4.4). A
/// definition that names its `issuer` demands it, letter by letter; of any other, `iss` where it is given must at least
/// have the host of the authorization or the token request.
///
/// # Errors
/// 400: [`Refusal::OtherIssuer`]; the code must not be sent anywhere.
pub fn check_issuer(
    definition: &Definition,
    values: &Values<'_>,
    given: Option<&str>,
    policy: &OutboundPolicy,
) -> Result<(), Refusal> {
    let expected = match definition.authentication() {
        Some(Authentication::AuthorizationCode(flow)) => flow.issuer.as_ref(),
        _ => None,
    };
    let matches = match (expected, given) {
        (Some(expected), given) => expected.parameter(values).is_some_and(|own| Some(own.expose()) == given),
        (None, Some(given)) => Url::parse(given).is_ok_and(|given| {
            [Action::Authorize, Action::Access].into_iter().any(|action| {
                let own = token_exchange::address(definition, action, values, policy);
                own.is_ok_and(|own| own.host_str() == given.host_str())
            })
        }),
        (None, None) => true,
    };
    if matches { Ok(()) } else { Err(Refusal::OtherIssuer) }
}

/// Where the person and the code are sent; nowhere, as long as definition and secrets name no address that is allowed.
#[must_use]
pub fn addresses(definition: &Definition, secrets: &Map<String, Value>, settings: &Settings) -> [Option<Url>; 2] {
    let (values, policy) = (Values::new().with_all(secrets), OutboundPolicy::of(settings));
    [Action::Authorize, Action::Access].map(|action| token_exchange::address(definition, action, &values, &policy).ok())
}
