//! Making a connection of a connector template: profile, definition and secrets at once, or nothing.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{Actor, ObjectPorts, Stop, documents::refuse};
use crate::{
    connection::{
        command::{Former, Refusal, Reply},
        definition::Definition,
        directory::Row,
        profile::{Profile, ProfileInput},
        record::{Part, Record},
        secrets::Extent,
    },
    ports::PortError,
    protocol::{time::Seconds, validation::Issue},
};

/// How long a row may be there before its connection is: longer than an object takes for a command.
const CLAIM: Seconds = Seconds(60);

impl<P: ObjectPorts> Actor<P> {
    /// Makes the connection of a document. Where it is there already, and may be, changes what the operator says about
    /// it and some of its secrets, both or neither.
    pub(super) async fn make(
        &self,
        input: ProfileInput,
        document: Option<Value>,
        secrets: &Map<String, Value>,
        former: Former,
    ) -> Result<Reply, Stop> {
        if self.stored()?.is_none() {
            let made = self.instantiate(&input, document.ok_or(Refusal::NoConnection)?, secrets).await;
            if !matches!(made, Err(Stop::Refused(Refusal::KeyInUse))) {
                return made;
            }
        }
        if former == Former::InTheWay {
            return Err(Refusal::KeyInUse.into());
        }
        let mut record = self.existing()?;
        let next = self.next_secrets(&record, secrets, Extent::Part)?;
        let profile = Profile::saved(&self.key, input, Some(&record.profile), self.ports.now());
        Rc::make_mut(&mut record).profile = profile;
        if let Some(next) = next {
            return self.shown(&*self.store_secrets(record, next).await?);
        }
        let record = self.store(record, &[Part::Profile])?;
        self.publish().await?;
        self.shown(&record)
    }

    /// Makes a connection that is not there; refuses should somebody else be faster.
    ///
    /// The directory hears of it first, since it alone knows who else uses the instance key, and decides that in one
    /// step. Should storing fail after that, nothing of the connection is there but a row, and the same command again
    /// goes well.
    async fn instantiate(
        &self,
        input: &ProfileInput,
        document: Value,
        secrets: &Map<String, Value>,
    ) -> Result<Reply, Stop> {
        let record = Rc::new(self.draft(input, document, secrets)?);
        // Due soon, so that the sweep takes the row away should this end between the row and the record.
        let due = Some(self.ports.now().plus(CLAIM));
        if !self.ports.claim(Row { due, ..self.row(&record) }).await? {
            return Err(Refusal::InstanceKeyInUse(instance_key(&record)).into());
        }
        let record = match self.store_first(record) {
            Ok(Some(record)) => record,
            // Somebody else made it while the directory was told: the row has to be theirs again.
            Ok(None) => {
                self.publish().await?;
                return Err(Refusal::KeyInUse.into());
            }
            Err(error) => {
                let _ = self.ports.remove(&self.key).await;
                return Err(error.into());
            }
        };
        // It is listed already; this is for whoever removed or replaced the row meanwhile.
        let _ = self.publish().await;
        self.shown(&record)
    }

    /// Stores the record of a connection that nobody has stored yet; none where somebody has.
    fn store_first(&self, record: Rc<Record>) -> Result<Option<Rc<Record>>, PortError> {
        match self.stored()? {
            Some(_) => Ok(None),
            None => self.store_with_snapshot(record, &[Part::Profile, Part::Definition, Part::Secrets]).map(Some),
        }
    }

    /// The record of a connection that is to be made; places of what is wrong with its secrets start at the command.
    fn draft(&self, input: &ProfileInput, document: Value, secrets: &Map<String, Value>) -> Result<Record, Stop> {
        let definition = Definition::from_document(document).map_err(|issues| within("saas_config", issues))?;
        let issues = definition.check_hosts(&self.policy);
        refuse(issues.into_iter().map(|issue| issue.within(&["saas_config".into()])).collect())?;
        let mut record = Record::new(Profile::saved(&self.key, input.clone(), None, self.ports.now()));
        record.definition = Some(Rc::new(definition));
        let secrets = self.next_secrets(&record, secrets, Extent::Whole).map_err(|stop| match stop {
            Stop::Refused(Refusal::Invalid(issues)) => within("secrets", issues).into(),
            other => other,
        })?;
        record.secrets = secrets.map(|(sealed, _)| sealed);
        Ok(record)
    }
}

/// A refusal of a member of the command.
fn within(member: &'static str, issues: Vec<Issue>) -> Refusal {
    Refusal::Invalid(issues.into_iter().map(|issue| issue.within(&[member.into()])).collect())
}

/// The `fides_key` of a record's definition.
fn instance_key(record: &Record) -> String {
    record.definition.as_ref().map(|definition| definition.fides_key().to_owned()).unwrap_or_default()
}
