//! The guard: whose token this is, and whether its scope reaches.
//!
//! Decides: 400 or 401 for a presented bearer token, by what the token itself says. Leaves to others: whether it
//! reaches, and whether its client still holds the scope (the registry, in the same object request as the command,
//! which also writes down whom it refuses).

use std::cell::RefCell;

use sha2::{Digest, Sha256};

use super::{Context, Deployment, OK, Ports, answer::Answer, error::ApiError, error::BearerProblem, input};
use crate::{
    authorization_server::{
        access_token::{Unproven, Verified},
        registry::{Action, Caller, RegistryReply, RegistryRequest},
    },
    ports::PortError,
    protocol::{
        authorization_header::{Credentials, credentials},
        form::Form,
        page::PageQuery,
        scope::Scope,
        secret::SecretText,
        time::{Seconds, UnixSeconds},
        token::{AccessTokenClaims, Unreadable},
    },
    recent::Recent,
};

/// A token whose signature was good.
#[derive(Debug, Clone)]
struct VerifiedToken {
    /// Whose it is.
    caller: Caller,
    /// When it stops being good: `exp`, or earlier with its key.
    expires_at: UnixSeconds,
    /// When the registry last said that the caller may read tokens.
    admitted_at: Option<UnixSeconds>,
}

/// The tokens that this isolate has verified, by SHA-256 of their text: a signature is checked once.
#[derive(Debug, Default)]
pub struct VerifiedTokens(RefCell<Recent<[u8; 32], VerifiedToken>>);

impl VerifiedTokens {
    /// A remembered token that has not expired.
    fn find(&self, digest: &[u8; 32], now: UnixSeconds) -> Option<VerifiedToken> {
        self.0.borrow().find(digest).filter(|token| now < token.expires_at).cloned()
    }

    /// Remembers a token.
    fn remember(&self, digest: [u8; 32], token: VerifiedToken) {
        self.0.borrow_mut().remember(digest, token);
    }
}

/// A caller whose token is good; the registry has not been asked yet.
pub(super) struct Guarded {
    /// Who it is.
    caller: Caller,
    /// What the route requires.
    pub(super) required: &'static str,
    /// Which remembered token this is.
    digest: [u8; 32],
    /// When the registry last admitted it.
    admitted_at: Option<UnixSeconds>,
    /// When it expires.
    expires_at: UnixSeconds,
}

impl Guarded {
    /// Checks the bearer token of a request.
    ///
    /// # Errors
    /// 400 or 401, see [`BearerProblem`]; 503 when the platform does not verify.
    pub(super) async fn new<P: Ports>(context: &Context<'_, P>) -> Result<Self, ApiError> {
        // A guarded handler on an open route would be a mistake of ours: nobody holds the empty scope.
        let required = context.required.unwrap_or_default();
        let token = bearer_token(context.request).map_err(ApiError::bearer)?;
        let now = context.ports.now();
        let digest: [u8; 32] = Sha256::digest(token.expose().as_bytes()).into();
        let verified = match context.deployment.verified.find(&digest, now) {
            Some(verified) => verified,
            None => verify(context, &token, digest, now).await?,
        };
        context.remarks.client_id.replace(Some(verified.caller.client_id.clone()));
        let VerifiedToken { caller, expires_at, admitted_at } = verified;
        Ok(Self { caller, required, digest, admitted_at, expires_at })
    }

    /// Has the registry do something on behalf of this caller, in one object request.
    ///
    /// # Errors
    /// 401, 403 or 404 by what the registry refuses; 503 when it does not answer (checklist J19: fail closed).
    pub(super) async fn act<P: Ports>(
        &self,
        context: &Context<'_, P>,
        action: Action,
    ) -> Result<RegistryReply, ApiError> {
        match self.ask(context, action).await? {
            reply @ (RegistryReply::Done
            | RegistryReply::Client(..)
            | RegistryReply::Page(_)
            | RegistryReply::Figures(_)) => Ok(reply),
            refused => Err(ApiError::registry(refused, self.required)),
        }
    }

    /// One object request to the registry.
    async fn ask<P: Ports>(&self, context: &Context<'_, P>, action: Action) -> Result<RegistryReply, ApiError> {
        let required = self.required.to_owned();
        // The whole scope of a token travels only where it is what a caller can give: it may be 3 kB.
        let scope = if action.gives_power() { self.caller.scope.clone() } else { self.caller.scope.only(&required) };
        let caller = Caller {
            scope,
            client_id: self.caller.client_id.clone(),
            epoch: self.caller.epoch,
            jti: self.caller.jti.clone(),
            is_root: self.caller.is_root,
        };
        Ok(context.ports.ask(RegistryRequest::Act(caller, required, action, context.origin.clone())).await?)
    }

    /// What was read of the request; if it could not be read, a caller learns why only if it may use the route at all.
    ///
    /// # Errors
    /// As [`Guarded::act`], then the one given.
    pub(super) async fn or_first_admit<P: Ports, Value>(
        &self,
        context: &Context<'_, P>,
        read: Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        if read.is_err() {
            self.admit(context).await?;
        }
        read
    }

    /// One page of a list of the registry.
    ///
    /// # Errors
    /// As [`Guarded::act`].
    pub(super) async fn page<P: Ports>(
        &self,
        context: &Context<'_, P>,
        action: Action,
        query: PageQuery,
    ) -> Result<Answer, ApiError> {
        match self.act(context, action).await? {
            RegistryReply::Page(page) => Answer::json(OK, &page.answer(query)),
            _ => Err(ApiError::unexpected_reply()),
        }
    }

    /// As [`Guarded::act`], where nothing to act on is as good as done.
    ///
    /// # Errors
    /// As [`Guarded::act`], without 404.
    pub(super) async fn act_or_nobody<P: Ports>(
        &self,
        context: &Context<'_, P>,
        action: Action,
    ) -> Result<(), ApiError> {
        match self.ask(context, action).await? {
            RegistryReply::Done | RegistryReply::NoSuchClient => Ok(()),
            refused => Err(ApiError::registry(refused, self.required)),
        }
    }

    /// Has the registry admit this caller now.
    ///
    /// # Errors
    /// As [`Guarded::act`].
    pub(super) async fn admit<P: Ports>(&self, context: &Context<'_, P>) -> Result<(), ApiError> {
        self.act(context, Action::Admit).await.map(|_| ())
    }

    /// As [`Guarded::admit`], but an admission that is at most `lag` old is good enough: for token reads, where a
    /// second hop would halve the rate. For that one route only, since an admission is remembered without its scope.
    ///
    /// # Errors
    /// As [`Guarded::act`].
    pub(super) async fn admit_within<P: Ports>(&self, context: &Context<'_, P>, lag: Seconds) -> Result<(), ApiError> {
        let now = context.ports.now();
        // An admission from the future (the clock was set back) is not trusted.
        let lately = self.admitted_at.is_some_and(|at| at <= now && now < at.plus(lag));
        if lately && self.caller.scope.contains(self.required) {
            return Ok(());
        }
        self.admit(context).await?;
        let token = VerifiedToken { caller: self.caller.clone(), expires_at: self.expires_at, admitted_at: Some(now) };
        context.deployment.verified.remember(self.digest, token);
        Ok(())
    }
}

/// Has the registry admit the caller of a request.
///
/// # Errors
/// As [`Guarded::new`], then as [`Guarded::act`].
pub(super) async fn admit<P: Ports>(context: &Context<'_, P>) -> Result<(), ApiError> {
    Guarded::new(context).await?.admit(context).await
}

/// The bearer token of a request: in the header, nowhere else (RFC 6750 §2).
fn bearer_token(request: &http::Request<super::Body>) -> Result<SecretText, BearerProblem> {
    let has_token = |form: &[u8]| Form::parse(form).is_ok_and(|form| form.has("access_token"));
    let elsewhere = || {
        let is_form = input::media_type(request).as_deref() == Some(input::FORM);
        let in_body = is_form && input::bytes(request).is_ok_and(has_token);
        in_body || request.uri().query().is_some_and(|query| has_token(query.as_bytes()))
    };
    match credentials(request.headers())? {
        Some(Credentials::Bearer(_)) if elsewhere() => Err(BearerProblem::Malformed),
        Some(Credentials::Bearer(token)) => Ok(token),
        Some(Credentials::Basic { .. } | Credentials::Other) | None => Err(BearerProblem::Missing),
    }
}

/// Verifies a token's signature and remembers it.
async fn verify<P: Ports>(
    context: &Context<'_, P>,
    token: &SecretText,
    digest: [u8; 32],
    now: UnixSeconds,
) -> Result<VerifiedToken, ApiError> {
    let unusable = || ApiError::bearer(BearerProblem::Unusable);
    let authority = context.deployment.authority(context.ports).await?;
    let verified = proven(context, authority.judge(token, now)).await?;
    let Verified { claims, trusted_until } = verified.map_err(|_| unusable())?;
    let caller = caller_of(context.deployment, &claims).ok_or_else(unusable)?;
    let verified = VerifiedToken { caller, expires_at: trusted_until, admitted_at: None };
    context.deployment.verified.remember(digest, verified.clone());
    Ok(verified)
}

/// What became of a token, once its signature is checked.
///
/// # Errors
/// 503: the platform does not verify.
pub(super) async fn proven<P: Ports>(
    context: &Context<'_, P>,
    judged: Result<Unproven<'_>, Unreadable>,
) -> Result<Result<Verified, Unreadable>, PortError> {
    let Ok(unproven) = judged else { return Ok(Err(Unreadable)) };
    let (key, input) = (unproven.key, unproven.signing_input);
    let is_good = context.ports.verifies(key, input, &unproven.signature).await?;
    Ok(unproven.proven(is_good))
}

/// Whose token this is; none for one of an earlier root client.
pub(super) fn caller_of(deployment: &Deployment, claims: &AccessTokenClaims) -> Option<Caller> {
    let scope = match claims.scope.as_str() {
        "" => Scope::default(),
        scope => Scope::parse(scope).ok()?,
    };
    let root = &deployment.settings.root;
    let is_root = claims.client_id == root.client_id;
    let (client_id, jti, epoch) = (claims.client_id.clone(), claims.jti.clone(), claims.epoch);
    (!is_root || root.has_epoch(epoch)).then_some(Caller { client_id, epoch, jti, scope, is_root })
}
