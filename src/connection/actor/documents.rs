//! The documents of one connection: its definition, and the secrets that fit it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{Actor, ObjectPorts, Stop};
use crate::{
    connection::{
        authorization,
        command::{Refusal, Reply},
        definition::Definition,
        envelope::Envelope,
        history::Label,
        record::{Part, Record},
        refresh::Condition,
        secrets::{self, Extent, PROVIDER_CREDENTIALS, Tokens},
    },
    ports::{PortError, random},
    protocol::{
        json,
        secret::{SecretText, hex},
        validation::Issue,
    },
};

impl<P: ObjectPorts> Actor<P> {
    /// Replaces its definition. Stored secrets get the defaults of new parameters.
    pub(super) async fn put_definition(&self, document: Value) -> Result<Reply, Stop> {
        let mut record = self.existing()?;
        let definition = Rc::new(Definition::from_document(document).map_err(Refusal::Invalid)?);
        refuse(definition.check_hosts(&self.policy))?;
        if let Some(former) = &record.definition {
            refuse(definition.check_succession(former))?;
        }
        let mut parts = vec![Part::Profile, Part::Definition];
        let mut secrets = self.secrets(&record)?;
        let next = Rc::make_mut(&mut record);
        if next.secrets.is_some() && definition.fill_defaults(&mut secrets) {
            refuse(definition.check_secret_hosts(&secrets, &self.policy))?;
            next.secrets = Some(self.seal_secrets(&secrets)?);
            parts.push(Part::Secrets);
        }
        let former = next.definition.replace(Rc::clone(&definition));
        let goes = |definition: &Definition| authorization::addresses(definition, &secrets, &self.settings);
        let (before, after) = (former.as_deref().map(goes).unwrap_or_default(), goes(&definition));
        // A code of the former provider is nothing for another one (RFC 9700 §4.4).
        let is_other = before.iter().zip(&after).any(|(before, after)| after.is_some() && after != before);
        if next.pending.take_if(|_| is_other).is_some() {
            parts.push(Part::Pending);
        }
        if next.condition.mended() {
            parts.push(Part::Condition);
        }
        next.profile.updated_at = self.ports.now();
        // A renewal under way goes on: its answer still belongs to this grant, and may hold the only good refresh
        // token.
        self.store_with_snapshot(record, &parts)?;
        self.publish().await?;
        Ok(Reply::Definition(definition.shown()))
    }

    /// Stores parts of a record whose definition is new, and a snapshot of that one.
    pub(super) fn store_with_snapshot(&self, record: Rc<Record>, parts: &[Part]) -> Result<Rc<Record>, PortError> {
        let Some(definition) = record.definition.clone() else { return self.store(record, parts) };
        let (id, created_at) = (hex(&random::<16>()?), record.profile.updated_at);
        let label = Label { id, version: definition.version().to_owned(), created_at };
        let document = definition.document().to_string();
        self.store_by(record, parts, &|stored| self.ports.write_with_snapshot(stored, &label, &document))
    }

    /// Lists the definitions that it had, newest first.
    pub(super) fn read_history(&self) -> Result<Reply, Stop> {
        self.existing()?;
        Ok(Reply::Definition(self.ports.snapshots()?.iter().map(Label::view).collect()))
    }

    /// Shows the one of a version that it had last.
    pub(super) fn read_snapshot(&self, version: &str) -> Result<Reply, Stop> {
        self.existing()?;
        let (label, document) = self.ports.snapshot(version)?.ok_or(Refusal::NoDefinition)?;
        let document = json::read(document.as_bytes());
        let document = document.map_err(|error| PortError::unreadable("snapshot", &error))?;
        Ok(Reply::Definition(label.detail(document)))
    }

    /// Shows its definition.
    pub(super) fn read_definition(&self) -> Result<Reply, Stop> {
        let record = self.existing()?;
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        Ok(Reply::Definition(definition.shown()))
    }

    /// Forgets its definition; not while there are secrets, which only it can tell about.
    pub(super) async fn delete_definition(&self) -> Result<Reply, Stop> {
        let mut record = self.existing()?;
        if record.definition.is_none() {
            return Err(Refusal::NoDefinition.into());
        }
        if !self.secrets(&record)?.is_empty() {
            return Err(Refusal::SecretsInTheWay.into());
        }
        let next = Rc::make_mut(&mut record);
        (next.definition, next.secrets) = (None, None);
        next.profile.updated_at = self.ports.now();
        self.store(record, &[Part::Profile, Part::Definition, Part::Secrets])?;
        self.publish().await?;
        Ok(Reply::Done)
    }

    /// Seals secrets.
    fn seal_secrets(&self, secrets: &Map<String, Value>) -> Result<Envelope, Stop> {
        let text = serde_json::to_string(secrets).map_err(|error| PortError(format!("secrets: {error}")))?;
        self.seal("secrets", 0, &SecretText::new(text))
    }

    /// Replaces its secrets, or some of them. Tokens that were got with the old ones go with them, as in Fides; a part
    /// that changes nothing leaves them, and so does a rotation of provider credentials.
    pub(super) async fn save_secrets(&self, given: &Map<String, Value>, extent: Extent) -> Result<Reply, Stop> {
        let record = self.existing()?;
        if let Some(next) = self.next_secrets(&record, given, extent)? {
            self.store_secrets(record, next).await?;
        }
        Ok(Reply::Done)
    }

    /// The secrets of a record after these were given, checked and sealed, and, where its tokens stay, the place of the
    /// credentials that got them; none when a part changes nothing.
    pub(super) fn next_secrets(
        &self,
        record: &Record,
        given: &Map<String, Value>,
        extent: Extent,
    ) -> Result<Option<(Envelope, Option<u8>)>, Stop> {
        let definition = record.definition.as_ref().ok_or(Refusal::NoDefinition)?;
        let stored = self.secrets(record)?;
        let given = secrets::succeed(&stored, given, extent, |name| definition.is_sensitive(name));
        let secrets = self.checked_secrets(definition, &given.map_err(Refusal::Invalid)?)?;
        if extent == Extent::Part && record.secrets.is_some() && secrets == stored {
            return Ok(None);
        }
        refuse(definition.check_secret_hosts(&secrets, &self.policy))?;
        refuse(further(&secrets, |secrets| definition.check_secret_hosts(secrets, &self.policy)))?;
        let number = record.grant.as_ref().map_or(0, |grant| grant.credentials);
        let stays = secrets::tokens(&stored, &secrets) == Tokens::Stay;
        let place = stays.then(|| secrets::place(&stored, number, &secrets));
        Ok(Some((self.seal_secrets(&secrets)?, place)))
    }

    /// Stores a record with other secrets. Where the tokens stay, a renewal under way goes on: its answer may hold the
    /// only good refresh token.
    pub(super) async fn store_secrets(
        &self,
        mut record: Rc<Record>,
        (secrets, place): (Envelope, Option<u8>),
    ) -> Result<Rc<Record>, Stop> {
        let next = Rc::make_mut(&mut record);
        next.secrets = Some(secrets);
        if let Some(place) = place {
            let mut parts = vec![Part::Profile, Part::Secrets, Part::Condition];
            if let Some(grant) = &mut next.grant
                && grant.credentials != place
            {
                grant.credentials = place;
                parts.push(Part::Grant);
            }
            // What the provider refused with the former credentials may be tried at once.
            next.condition.retry_at = None;
            next.profile.updated_at = self.ports.now();
            let record = self.store(record, &parts)?;
            self.publish().await?;
            return Ok(record);
        }
        (next.grant, next.pending, next.condition) = (None, None, Condition::default());
        next.profile.updated_at = self.ports.now();
        let parts = [Part::Profile, Part::Secrets, Part::Grant, Part::Pending, Part::Condition];
        let record = self.store(record, &parts)?;
        self.replaced();
        self.publish().await?;
        Ok(record)
    }

    /// Secrets as the definition wants them, defaults filled in. A redirect URI that is not given is our own callback,
    /// and stays that when `PUBLIC_URL` changes.
    fn checked_secrets(
        &self,
        definition: &Definition,
        given: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Refusal> {
        /// The one secret that has a default of ours.
        const NAME: &str = "redirect_uri";
        let mut completed = given.clone();
        secrets::check_credentials(&mut completed).map_err(Refusal::Invalid)?;
        let own = !completed.contains_key(NAME);
        if own {
            completed.insert(NAME.to_owned(), self.callback.expose().into());
        }
        let mut secrets = definition.check_secrets(&completed).map_err(Refusal::Invalid)?;
        refuse(further(&completed, |secrets| definition.check_secrets(secrets).err().unwrap_or_default()))?;
        if own {
            secrets.remove(NAME);
        }
        Ok(secrets)
    }
}

/// What is wrong with secrets when further provider credentials take the place of the first.
fn further(secrets: &Map<String, Value>, check: impl Fn(&Map<String, Value>) -> Vec<Issue>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, secrets) in secrets::credentials(secrets).iter().skip(1).enumerate() {
        let place = [PROVIDER_CREDENTIALS.into(), index.into()];
        issues.extend(check(secrets).into_iter().map(|issue| issue.within(&place)));
    }
    issues
}

/// A refusal, if anything is wrong.
pub(super) fn refuse(issues: Vec<Issue>) -> Result<(), Refusal> {
    if issues.is_empty() { Ok(()) } else { Err(Refusal::Invalid(issues)) }
}
