//! The authorization of one connection by a person: begun by a caller or by a connect link, finished once.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{Actor, ObjectPorts, Stop, keeping::in_order, renewal::Unsaved};
use crate::{
    connection::{
        authorization::{self, Chance},
        command::{AuthorizationOutcome, Refusal, Reply, Return},
        connect_link::{ConnectLink, LINK_LIFETIME},
        definition::{Action, Definition},
        fault::Fault,
        record::{Part, Pending, Record},
        secrets,
        state::{self, Purpose, STATE_LIFETIME},
        template::values::Values,
        token_exchange,
    },
    ports::random,
    protocol::secret::{SecretDigest, SecretText},
};

impl<P: ObjectPorts> Actor<P> {
    /// Begins an authorization that is bound to no browser. Where the deployment wants them bound, only a caller that
    /// owns the redirect URI can finish one, so that there is none to our own.
    pub(super) async fn begin_unbound(&self, return_to: Option<String>) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let ready = self.ready(&record, true)?;
        let returns_to_us = ready.1.get("redirect_uri").is_none_or(|uri| *uri == self.callback.expose());
        if self.settings.require_browser_binding && returns_to_us {
            return Err(Refusal::BindingRequired.into());
        }
        self.begin(record, ready, None, return_to).await
    }

    /// Begins an authorization; a second one replaces the first. A connect link has done its work by then.
    async fn begin(
        &self,
        mut record: Rc<Record>,
        (definition, secrets): (Rc<Definition>, Map<String, Value>),
        browser: Option<SecretDigest>,
        return_to: Option<String>,
    ) -> Result<Reply, Stop> {
        let chance = Chance { state: random()?, verifier: random()? };
        let begun = authorization::begin(&self.settings, &self.key, &definition, &secrets, &chance)?;
        let seal = |verifier: &SecretText| self.seal("code_verifier", 0, verifier);
        let pending = Pending {
            state: begun.state.digest(),
            expires_at: self.ports.now().plus(STATE_LIFETIME),
            code_verifier: begun.verifier.as_ref().map(seal).transpose()?,
            browser,
            return_to,
        };
        let has_link = record.link.is_some();
        let parts: &[Part] = if has_link { &[Part::Pending, Part::Link] } else { &[Part::Pending] };
        let next = Rc::make_mut(&mut record);
        (next.pending, next.link) = (Some(pending), None);
        self.store(record, parts)?;
        // From here on the sweep looks at this connection, whatever becomes of the callback. Where a link was used up,
        // which nobody can do again, it does so in any case: the row has the link's end.
        let published = self.publish().await;
        if !has_link {
            published?;
        }
        Ok(Reply::AuthorizationUrl(begun.url.into()))
    }

    /// Makes a connect link; a second one replaces the first.
    pub(super) async fn make_link(&self, return_to: Option<String>) -> Result<Reply, Stop> {
        let mut record = self.existing()?;
        self.ready(&record, true)?;
        let token = state::mint(&self.settings.application_key, Purpose::Link, &self.key, &random()?);
        let expires_at = self.ports.now().plus(LINK_LIFETIME);
        let link = ConnectLink { token: token.digest(), expires_at, return_to };
        Rc::make_mut(&mut record).link = Some(link);
        self.store(record, &[Part::Link])?;
        self.publish().await?;
        Ok(Reply::Link(token.expose().to_owned(), expires_at))
    }

    /// Says what a connect link is for.
    pub(super) fn read_link(&self, token: &SecretText) -> Result<Reply, Stop> {
        let (record, _) = self.opened(token)?;
        let (definition, secrets) = self.ready(&record, true)?;
        let address =
            token_exchange::address(&definition, Action::Authorize, &Values::new().with_all(&secrets), &self.policy)?;
        let name = record.profile.name.clone().unwrap_or_else(|| self.key.to_string());
        Ok(Reply::LinkOf(name, address.host_str().unwrap_or_default().to_owned()))
    }

    /// Uses a connect link up.
    pub(super) async fn follow_link(&self, token: &SecretText, browser: SecretDigest) -> Result<Reply, Stop> {
        let (record, return_to) = self.opened(token)?;
        let ready = self.ready(&record, true)?;
        self.begin(record, ready, Some(browser), return_to).await
    }

    /// The record whose link this token opens, and where the link leads in the end.
    fn opened(&self, token: &SecretText) -> Result<(Rc<Record>, Option<String>), Stop> {
        let record = self.stored()?.ok_or(Refusal::UnknownLink)?;
        let link = record.link.as_ref().filter(|link| link.is_opened_by(token, self.ports.now()));
        let return_to = link.ok_or(Refusal::UnknownLink)?.return_to.clone();
        Ok((record, return_to))
    }

    /// Finishes an authorization.
    ///
    /// 1. The state is the pending one, in time; it is used up, whatever comes next (RFC 9700 §4.5).
    /// 2. Who brings it may: the browser that it is bound to, if to any.
    /// 3. It comes from the provider that was asked (RFC 9207 §2.4).
    /// 4. The code is exchanged; if credentials were replaced meanwhile, what came back is given back.
    pub(super) async fn complete(&self, back: Return) -> Result<Reply, Stop> {
        let Return { state, outcome, issuer, bearer } = back;
        let Some(mut record) = self.stored()? else { return Err(Refusal::UnknownState.into()) };
        let pending = authorization::judge(record.pending.as_ref(), &SecretText::new(state), self.ports.now())?; // 1
        let admitted = authorization::admit(pending.browser.as_ref(), &bearer, self.settings.require_browser_binding);
        let (verifier, return_to) = (pending.code_verifier.as_ref(), pending.return_to.clone());
        let verifier = verifier.map(|sealed| self.open("code_verifier", 0, sealed)).transpose()?;
        Rc::make_mut(&mut record).pending = None;
        let record = self.store(record, &[Part::Pending])?;
        admitted?; // 2
        let (definition, secrets) = self.ready(&record, true)?;
        let values = Values::new().with("redirect_uri", &self.callback);
        authorization::check_issuer(&definition, &values.clone().with_all(&secrets), issuer.as_deref(), &self.policy)?; // 3
        let code = match outcome {
            AuthorizationOutcome::Code(code) => SecretText::new(code),
            AuthorizationOutcome::Refused(error) => return Err(Refusal::AuthorizationRefused(error).into()),
        };
        let requests = in_order(&secrets, 0, true, |secrets| {
            let values = values.clone().with_all(secrets).with("code", &code);
            let values = verifier.iter().fold(values, |values, verifier| values.with("code_verifier", verifier));
            token_exchange::request(&definition, Action::Access, &values, &self.policy)
        })?;
        let before = self.revision.get();
        let brought = self.exchange_in_order(&definition, requests).await;
        let (answer, credentials) = brought.map_err(|(fault, _)| match fault {
            Fault::Refused { error, .. } => Refusal::CodeRefused(error),
            other => Refusal::Provider(other),
        })?; // 4
        if self.revision.get() != before {
            self.give_back(&definition, &secrets::taken(&secrets, credentials), answer).await;
            return Err(Refusal::UnknownState.into());
        }
        self.replaced();
        // Should storing fail, whoever asks for a token next stores it.
        self.settle(Unsaved { revision: self.revision.get(), answer, credentials, secrets: None, renews: false })?;
        // Should this fail, the sweep repairs it when the state would have expired.
        let _ = self.publish().await;
        Ok(Reply::Authorized(return_to))
    }
}
