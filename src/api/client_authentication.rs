//! Client authentication of a form (RFC 6749 §2.3), the same for the token, introspection and revocation endpoints:
//! from what a request presents to what the registry is asked.
//!
//! A secret costs one object request, that of the errand itself. An assertion costs one more, for the client's keys.

use http::header;

use super::{
    Context, Ports,
    error::ApiError,
    guard::{caller_of, proven},
    input,
};
use crate::{
    authorization_server::{
        client_assertion::{Refusal, candidates, judge},
        client_authentication::{AuthenticationProblem, PresentedClient, is_credential, presented_client},
        registry::{AssertionUse, Attempt, Caller, Errand, Proof, RegistryReply, RegistryRequest},
    },
    config::compatibility::Compatibility,
    protocol::{
        address::ClientAddress, assertion::Assertion, authorization_header::credentials, form::Form,
        secret::SecretText, token::AccessTokenClaims,
    },
};

/// A client that says who it is, and what it has to show for it.
pub(super) struct Presented {
    /// Who it says it is.
    attempt: Attempt,
    /// What it has to show.
    proof: Proof,
}

impl Presented {
    /// Reads the credentials of a request, and looks at them as far as that is possible without the registry.
    ///
    /// # Errors
    /// 400, 401, 429, see `api::error`.
    pub(super) async fn read<P: Ports>(
        context: &Context<'_, P>,
        form: &Form,
        compatibility: Compatibility,
    ) -> Result<Self, ApiError> {
        let header = credentials(context.request.headers()).map_err(AuthenticationProblem::from)?;
        match presented_client(header, form, compatibility)? {
            PresentedClient::Secret { client_id, client_secret, sent_secret } => {
                let proof = secret_proof(context, &client_id, &client_secret, sent_secret.as_ref());
                Ok(Self { attempt: attempt(context, client_id), proof })
            }
            PresentedClient::Assertion { client_id, assertion } => {
                let assertion =
                    Assertion::read(assertion.expose()).map_err(|_| refuse(context, Refusal::Unreadable))?;
                let subject = assertion.claims().sub.clone();
                if !is_credential(&subject) || client_id.is_some_and(|client_id| client_id != subject) {
                    return Err(AuthenticationProblem::None.into());
                }
                let attempt = attempt(context, subject);
                let proof = assertion_proof(context, &attempt, &assertion).await?;
                Ok(Self { attempt, proof })
            }
        }
    }

    /// Who it says it is.
    pub(super) fn client_id(&self) -> &str {
        &self.attempt.client_id
    }

    /// Whether it says that it is the root client, rightly or not.
    pub(super) const fn names_root(&self) -> bool {
        matches!(self.proof, Proof::Root(_))
    }

    /// Has the registry check the credentials and do the errand.
    ///
    /// # Errors
    /// 401 or 429 when it refuses the credentials; 503.
    pub(super) async fn send<P: Ports>(
        self,
        context: &Context<'_, P>,
        errand: Errand,
    ) -> Result<RegistryReply, ApiError> {
        let client_id = self.attempt.client_id.clone();
        let is_assertion = matches!(self.proof, Proof::Assertion(_));
        let request = RegistryRequest::Authenticate(self.attempt, self.proof, errand);
        match context.ports.ask(request).await? {
            refused @ (RegistryReply::NotAuthenticated | RegistryReply::TooManyFailures(_)) => {
                if is_assertion && refused == RegistryReply::NotAuthenticated {
                    // Whatever else was wrong has been said already.
                    context.remarks.refusal.borrow_mut().get_or_insert_with(|| Refusal::Replayed.to_string());
                }
                Err(ApiError::registry(refused, ""))
            }
            reply => {
                context.remarks.client_id.replace(Some(client_id));
                Ok(reply)
            }
        }
    }
}

/// A request of a client about a token: who asks, and the token's claims and owner where it is one of ours and good,
/// for whatever audience. A token that nobody can use is as good as none.
///
/// # Errors
/// Those of client authentication; 400 without `token`; 503 when the platform does not verify.
pub(super) async fn read_about_token<P: Ports>(
    context: &Context<'_, P>,
) -> Result<(Presented, Option<(AccessTokenClaims, Caller)>), ApiError> {
    let form = read_form(context, false).await?;
    let presented = Presented::read(context, &form, Compatibility::STRICT).await?;
    let token = SecretText::new(form.parameter("token")?.ok_or_else(ApiError::no_token)?.to_owned());
    let authority = context.deployment.authority(context.ports).await?;
    let verified = proven(context, authority.inspect(&token, context.ports.now())).await?;
    let owned = |claims| caller_of(context.deployment, &claims).map(|caller| (claims, caller));
    Ok((presented, verified.ok().and_then(|verified| owned(verified.claims))))
}

/// The form of a request to an endpoint that authenticates clients, without credentials in the URL (§2.3.1).
///
/// Multipart, where it is welcome, is parsed by the platform.
///
/// # Errors
/// 400, 413.
pub(super) async fn read_form<P: Ports>(context: &Context<'_, P>, multipart_too: bool) -> Result<Form, ApiError> {
    let query = Form::parse(context.request.uri().query().unwrap_or_default().as_bytes())?;
    if query.has("client_secret") || query.has("client_assertion") || query.has("token") {
        return Err(ApiError::credentials_in_url());
    }
    let body = input::bytes(context.request)?;
    match input::media_type(context.request).as_deref() {
        Some(input::FORM) => Ok(Form::parse(body)?),
        Some("multipart/form-data") if multipart_too => {
            let content_type = context.request.headers().get(header::CONTENT_TYPE).and_then(|text| text.to_str().ok());
            let fields = context.ports.form_fields(content_type.unwrap_or_default(), body).await;
            Ok(Form::from_fields(fields.ok_or_else(ApiError::not_a_form)?)?)
        }
        _ => Err(ApiError::not_a_form()),
    }
}

/// An attempt of this request.
fn attempt<P>(context: &Context<'_, P>, client_id: String) -> Attempt {
    let network = context.address.as_ref().map(ClientAddress::budget_key);
    Attempt { client_id, network, origin: context.origin.clone() }
}

/// What a secret proves: for the root client by the settings, for every other by the registry. Only root's secret is
/// chosen by people and may hold what needs an encoding.
fn secret_proof<P>(
    context: &Context<'_, P>,
    client_id: &str,
    client_secret: &SecretText,
    sent_secret: Option<&SecretText>,
) -> Proof {
    let (root, digest) = (&context.deployment.settings.root, client_secret.digest());
    if client_id != root.client_id {
        return Proof::Secret(digest);
    }
    let as_sent = sent_secret.unwrap_or(client_secret).digest();
    Proof::Root(root.secret.matches(&digest) | root.secret.matches(&as_sent))
}

/// What an assertion proves. Nobody learns why one proves nothing.
async fn assertion_proof<P: Ports>(
    context: &Context<'_, P>,
    attempt: &Attempt,
    assertion: &Assertion,
) -> Result<Proof, ApiError> {
    let keys = match context.ports.ask(RegistryRequest::Keys(attempt.clone())).await? {
        RegistryReply::Keys(keys) => keys,
        refused => return Err(ApiError::registry(refused, "")),
    };
    let issuer = context.deployment.settings.public_url.as_str();
    let endpoint = format!("{issuer}{}", context.template);
    let once = match judge(assertion, &[issuer, &endpoint], context.ports.now()) {
        Ok(once) => once,
        Err(refusal) => return Ok(no_proof(context, refusal)),
    };
    let keys = keys.as_ref().map_or(Err(Refusal::NoKey), |keys| candidates(assertion, keys));
    let keys = match keys {
        Ok(keys) => keys,
        Err(refusal) => return Ok(no_proof(context, refusal)),
    };
    for key in keys {
        if context.ports.verifies(key, assertion.signing_input(), assertion.signature()).await? {
            let (replay_key, marker_until) = (once.replay_key, once.marker_until);
            let used = AssertionUse { thumbprint: key.thumbprint(), replay_key, marker_until };
            return Ok(Proof::Assertion(Some(used)));
        }
    }
    Ok(no_proof(context, Refusal::Signature))
}

/// An assertion that proves nothing; only the log says why.
fn no_proof<P>(context: &Context<'_, P>, refusal: Refusal) -> Proof {
    context.remarks.refusal.replace(Some(refusal.to_string()));
    Proof::Assertion(None)
}

/// The same, before anybody could be asked for.
fn refuse<P>(context: &Context<'_, P>, refusal: Refusal) -> AuthenticationProblem {
    context.remarks.refusal.replace(Some(refusal.to_string()));
    AuthenticationProblem::None
}
