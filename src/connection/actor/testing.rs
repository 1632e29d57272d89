//! The test of one connection: one call of the provider's API, as the definition says.

use std::rc::Rc;

use super::{Actor, ObjectPorts, Stop, keeping::values_with};
use crate::{
    connection::{
        command::{LiveToken, Refusal, Reply, TestOutcome},
        definition::{Action, Authentication, Definition},
        fault::{Fault, status_of},
        profile::LastTest,
        record::{Part, Record},
        secrets,
        token_exchange::{self, RequestProblem},
    },
    ports::ProviderRequest,
    protocol::secret::SecretText,
};

impl<P: ObjectPorts> Actor<P> {
    /// Calls the provider's API, and notes what came of it. The provider gets two requests at most: one for a token,
    /// where the stored one has expired, and the test. Whatever it answers to the test, no token is lost.
    pub(super) async fn test(self: &Rc<Self>) -> Result<Reply, Stop> {
        if let Some(refusal) = untestable(&*self.existing()?) {
            return Ok(Reply::Tested(TestOutcome::Skipped(refusal)));
        }
        let token = self.token_for_test().await;
        let (record, revision) = (self.existing()?, self.revision.get());
        let outcome = match token.and_then(|token| self.test_request(&record, token)) {
            Ok((definition, request)) => self.call(&definition, request).await,
            Err(Stop::Refused(refusal)) => TestOutcome::Failed(refusal),
            Err(broken) => return Err(broken),
        };
        let mut latest = self.existing()?;
        // What was found about other secrets, or another definition, says nothing about these.
        if self.revision.get() == revision && record.definition == latest.definition {
            let last_test = LastTest { at: self.ports.now(), succeeded: outcome == TestOutcome::Succeeded };
            Rc::make_mut(&mut latest).profile.last_test = Some(last_test);
            self.store(latest, &[Part::Profile])?;
            self.publish().await?;
        }
        Ok(Reply::Tested(outcome))
    }

    /// The live token, where the connection is one of OAuth: as for whoever reads it.
    async fn token_for_test(self: &Rc<Self>) -> Result<Option<LiveToken>, Stop> {
        let record = self.existing()?;
        if !is_oauth(&record) {
            return Ok(None);
        }
        // Without them no request for a token is made: it would only fail, and be held against the connection.
        self.ready(&record, false)?;
        self.token().await.map(Some)
    }

    /// The test's request.
    fn test_request(
        &self,
        record: &Record,
        token: Option<LiveToken>,
    ) -> Result<(Rc<Definition>, ProviderRequest), Stop> {
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        let number = record.grant.as_ref().map_or(0, |grant| grant.credentials);
        let secrets = definition.test_values(secrets::taken(&self.secrets(record)?, number));
        let held = token.map(|token| (vec![("access_token", SecretText::new(token.access_token))], token.kept));
        let held = held.unwrap_or_default();
        let values = values_with(&self.callback, &secrets, &held);
        let request = token_exchange::request(definition, Action::Test, &values, &self.policy)?;
        Ok((Rc::clone(definition), request))
    }

    /// Sends it. Nothing of the answer counts but its status.
    async fn call(&self, definition: &Definition, request: ProviderRequest) -> TestOutcome {
        let status = match self.status_of(request).await {
            Ok(status) => status,
            Err(fault) => return TestOutcome::Failed(Refusal::Provider(fault)),
        };
        match definition.test_request() {
            Some(request) if request.succeeds_with(status) => TestOutcome::Succeeded,
            _ => TestOutcome::Status(status),
        }
    }

    /// Sends a request of whose answer nothing counts but the status, however long it is.
    pub(super) async fn status_of(&self, request: ProviderRequest) -> Result<u16, Fault> {
        status_of(&self.ports.send(request).await)
    }
}

/// Why a connection cannot be tested, if so: it has no definition, the test is code of another product, or nobody has
/// authorized it yet. Such a test is skipped; whatever else is missing makes it fail.
fn untestable(record: &Record) -> Option<Refusal> {
    let Some(definition) = &record.definition else { return Some(Refusal::NoDefinition) };
    if definition.test_request().is_none() {
        return Some(RequestProblem::NotOffered { action: Action::Test }.into());
    }
    (definition.is_by_code() && record.grant.is_none()).then_some(Refusal::NeedsAuthorization)
}

/// Whether the connection has tokens of the provider.
fn is_oauth(record: &Record) -> bool {
    let authentication = record.definition.as_ref().and_then(|definition| definition.authentication());
    matches!(authentication, Some(Authentication::AuthorizationCode(_) | Authentication::ClientCredentials(_)))
}
