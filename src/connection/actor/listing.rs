//! What the directory hears of one connection, and when its alarm rings.

use super::{Actor, ObjectPorts, reading::renewal_of};
use crate::{
    connection::{directory::Row, record::Record, refresh::next_look},
    ports::PortError,
    protocol::time::{Seconds, UnixSeconds},
};

/// How soon an alarm rings for what should have been done already.
const SOONEST_ALARM: Seconds = Seconds(60);

impl<P: ObjectPorts> Actor<P> {
    /// When its tokens must be looked at next.
    pub(super) fn next_renewal(&self, record: &Record) -> Option<UnixSeconds> {
        let renewal = renewal_of(record).ok()?;
        let due = next_look(record.grant.as_ref(), &record.condition, renewal, self.lead(record))?;
        let paused = self.paused.borrow().as_ref().map(|(until, _)| *until);
        Some(paused.map_or(due, |until| due.max(until)))
    }

    /// Has the alarm ring when its tokens must be looked at next, or an event told again. The sweep would come, too;
    /// the alarm is in time. What is due already is being done, or cannot be done: then the alarm must not ring again
    /// and again.
    fn arm(&self, record: &Record) {
        // What is to be told for the first time is told behind; only a later attempt needs the alarm.
        let retold = self.next_delivery(record).filter(|at| *at > self.ports.now());
        let next = self.next_renewal(record).into_iter().chain(retold).min().filter(|_| self.settings.refresh_alarms);
        if let Some(at) = next
            && self.alarm.replace(next) != next
        {
            let now = self.ports.now();
            self.ports.set_alarm(if at <= now { now.plus(SOONEST_ALARM) } else { at });
            self.count(1, 0);
        }
    }

    /// Counts rows that were written: of this connection, of the directory.
    pub(super) fn count(&self, own: u32, directory: u32) {
        let (all, theirs) = self.rows.get();
        self.rows.set((all + own, theirs + directory));
    }

    /// Tells the directory how things are. Should they change while it is told (or should another row overtake this
    /// one), it is told again: what it hears last is how things are.
    pub(super) async fn publish(&self) -> Result<(), PortError> {
        while let Some(record) = self.stored()? {
            self.arm(&record);
            let row = self.row(&record);
            self.count(0, self.ports.put(row.clone()).await?);
            match self.stored()? {
                Some(record) if self.row(&record) == row => return Ok(()),
                Some(_) => {}
                // Deleted meanwhile: the row must not outlive it.
                None => self.ports.remove(&self.key).await.map(drop)?,
            }
        }
        Ok(())
    }

    /// The directory's row: no secret, not even a masked one.
    pub(super) fn row(&self, record: &Record) -> Row {
        let renewal_due = self.next_renewal(record);
        let state_expires = record.pending.as_ref().map(|pending| pending.expires_at);
        let link_expires = record.link.as_ref().map(|link| link.expires_at);
        let told = self.next_delivery(record);
        let due = renewal_due.into_iter().chain(state_expires).chain(link_expires).chain(told).min();
        let name = record.profile.name.clone().unwrap_or_else(|| self.key.to_string());
        let sealed_with = record.sealed_with(self.vault.key_id());
        Row { key: self.key.clone(), name, view: self.view(record, None), due, sealed_with }
    }
}
