//! A connection's part in a rotation of the application key: everything that another key has sealed is sealed anew.

use std::rc::Rc;

use super::{Actor, ObjectPorts, Stop};
use crate::{
    connection::{
        command::{Reply, ResealOutcome},
        envelope::Place,
        record::{Record, Sealed},
    },
    ports::random,
};

impl<P: ObjectPorts> Actor<P> {
    /// The sweep's command. Nothing is waited for between reading and writing, so a renewal under way, which reads
    /// again when its answer has come, is none the wiser; nor do credentials change: the revision stays. Told twice, or
    /// after a crash between the record and its row, it finds nothing to do and tells the directory.
    pub(super) async fn reseal(&self) -> Result<Reply, Stop> {
        let Some(record) = self.stored()? else {
            self.ports.remove(&self.key).await?;
            return Ok(Reply::Reseal(ResealOutcome::Gone));
        };
        let record = self.forget_expired(record)?;
        let outcome = self.seal_anew(record)?;
        self.publish().await?;
        Ok(Reply::Reseal(outcome))
    }

    /// Seals anew what can be opened, all in one write; the rest stays as it is.
    fn seal_anew(&self, mut record: Rc<Record>) -> Result<ResealOutcome, Stop> {
        let (mut parts, mut is_complete) = (Vec::new(), true);
        for Sealed { part, field, generation, envelope } in Rc::make_mut(&mut record).sealed() {
            if envelope.key_id() == Some(self.vault.key_id()) {
                continue;
            }
            let place = Place { field, generation };
            if let Ok(text) = self.vault.open(place, envelope) {
                *envelope = self.vault.seal(place, &text, random()?)?;
                parts.push(part);
            } else {
                is_complete = false;
            }
        }
        // What is sealed of a grant is one part.
        parts.dedup();
        let outcome = match (is_complete, parts.is_empty()) {
            (false, _) => ResealOutcome::Unopened,
            (true, false) => ResealOutcome::Resealed,
            (true, true) => ResealOutcome::NothingToDo,
        };
        if !parts.is_empty() {
            self.store(record, &parts)?;
        }
        Ok(outcome)
    }
}
