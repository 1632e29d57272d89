//! The ports of one connection in memory.

use std::{cell::RefMut, collections::BTreeMap, rc::Rc, task::Poll};

use futures_util::{FutureExt, future::LocalBoxFuture, task::LocalSpawn};

use super::{Events, Parts, Shared, Snapshots};
use crate::{
    connection::{
        actor::renewal::RefreshLine,
        directory::Row,
        event::EVENT_LIMIT,
        history::{Label, SNAPSHOT_LIMIT},
        key::ConnectionKey,
    },
    ports::{
        Alarm, Background, Clock, Directory, EventStore, HistoryStore, PortError, ProviderFailure, ProviderHttp,
        ProviderRequest, ProviderResponse, RecordStore,
    },
    protocol::time::UnixSeconds,
};

/// The outside of one connection.
pub(super) struct MemoryObject {
    /// The deployment.
    pub(super) shared: Rc<Shared>,
    /// Who it is.
    pub(super) key: ConnectionKey,
    /// Its own storage.
    pub(super) parts: Parts,
    /// And its snapshots.
    pub(super) snapshots: Snapshots,
    /// And its events.
    pub(super) events: Events,
}

impl MemoryObject {
    /// Its storage, unless that is broken.
    fn parts(&self) -> Result<RefMut<'_, BTreeMap<&'static str, String>>, PortError> {
        let broken = PortError("record storage is broken".to_owned());
        if self.shared.faults.writes_left.get() == Some(0) { Err(broken) } else { Ok(self.parts.borrow_mut()) }
    }
}

impl RecordStore for MemoryObject {
    fn read(&self) -> Result<Vec<(String, String)>, PortError> {
        Ok(self.parts()?.iter().map(|(part, body)| ((*part).to_owned(), body.clone())).collect())
    }

    fn write(&self, parts: &[(&'static str, String)]) -> Result<u32, PortError> {
        self.parts()?.extend(parts.iter().cloned());
        let faults = &self.shared.faults;
        faults.writes_left.set(faults.writes_left.get().map(|left| left - 1));
        Ok(u32::try_from(parts.len()).unwrap())
    }

    fn clear(&self) -> Result<(), PortError> {
        self.parts()?.clear();
        self.snapshots.borrow_mut().clear();
        self.events.borrow_mut().clear();
        Ok(())
    }
}

impl HistoryStore for MemoryObject {
    fn write_with_snapshot(
        &self,
        parts: &[(&'static str, String)],
        label: &Label,
        document: &str,
    ) -> Result<u32, PortError> {
        let rows = self.write(parts)?;
        let mut snapshots = self.snapshots.borrow_mut();
        snapshots.push((label.clone(), document.to_owned()));
        let surplus = snapshots.len().saturating_sub(usize::try_from(SNAPSHOT_LIMIT).unwrap());
        snapshots.drain(..surplus);
        Ok(rows + 1)
    }

    fn snapshots(&self) -> Result<Vec<Label>, PortError> {
        let _whole = self.parts()?;
        Ok(self.snapshots.borrow().iter().rev().map(|(label, _)| label.clone()).collect())
    }

    fn snapshot(&self, version: &str) -> Result<Option<(Label, String)>, PortError> {
        let _whole = self.parts()?;
        Ok(self.snapshots.borrow().iter().rev().find(|(label, _)| label.version == version).cloned())
    }
}

impl EventStore for MemoryObject {
    fn write_with_event(
        &self,
        write: &mut dyn FnMut() -> Result<u32, PortError>,
        number: u64,
        event: &str,
    ) -> Result<u32, PortError> {
        let rows = write()?;
        let mut events = self.events.borrow_mut();
        assert!(events.insert(number, event.to_owned()).is_none(), "two events {number}");
        events.retain(|own, _| own + u64::from(EVENT_LIMIT) > number);
        Ok(rows + 1)
    }

    fn events(&self, newest: u64, limit: u32) -> Result<Vec<String>, PortError> {
        let _whole = self.parts()?;
        let limit = usize::try_from(limit).unwrap();
        Ok(self.events.borrow().range(..=newest).rev().take(limit).map(|(_, event)| event.clone()).collect())
    }
}

impl Clock for MemoryObject {
    fn now(&self) -> UnixSeconds {
        self.shared.now.get()
    }
}

impl Background for MemoryObject {
    fn spawn(&self, future: LocalBoxFuture<'static, Option<RefreshLine>>) {
        let shared = Rc::clone(&self.shared);
        let printed = async move {
            let line = future.await;
            shared.lines.borrow_mut().extend(line);
        };
        self.shared.spawner.spawn_local_obj(printed.boxed_local().into()).unwrap();
    }
}

impl Alarm for MemoryObject {
    fn set_alarm(&self, at: UnixSeconds) {
        self.shared.alarms.borrow_mut().insert(self.key.clone(), at);
    }
}

impl Directory for MemoryObject {
    /// Slower than [`Directory::remove`], and every other one, from the first on, slower still: so that a deletion or
    /// another row can overtake it.
    async fn put(&self, row: Row) -> Result<u32, PortError> {
        let puts = self.shared.puts.replace(self.shared.puts.get() + 1);
        turns(if puts.is_multiple_of(2) { 4 } else { 2 }).await;
        let former = self.shared.rows()?.insert(row.key.clone(), row.clone());
        let written = rows_written(former.as_ref(), &row);
        self.shared.rows_written.set(self.shared.rows_written.get() + written);
        Ok(written)
    }

    async fn claim(&self, row: Row) -> Result<bool, PortError> {
        turns(3).await;
        let mut rows = self.shared.rows()?;
        let others = || rows.values().filter(|other| other.key != row.key);
        if row.instance_key().is_some_and(|own| others().any(|other| other.instance_key() == Some(own))) {
            return Ok(false);
        }
        rows.insert(row.key.clone(), row);
        Ok(true)
    }

    async fn remove(&self, key: &ConnectionKey) -> Result<bool, PortError> {
        turns(1).await;
        Ok(self.shared.rows()?.remove(key).is_some())
    }
}

/// How many rows of storage it takes to put a row in place of another: its own, and one of each index whose column has
/// changed. (The index of due instants has only those that are one; what leaves an index is not counted.)
fn rows_written(former: Option<&Row>, row: &Row) -> u32 {
    let is_new = |is_same: fn(&Row, &Row) -> bool| former.is_none_or(|former| !is_same(former, row));
    let due = row.due.is_some() && is_new(|former, row| former.due == row.due);
    let keys = is_new(|former, row| former.sealed_with == row.sealed_with);
    u32::from(former != Some(row)) + u32::from(due) + u32::from(keys)
}

impl ProviderHttp for MemoryObject {
    async fn send(&self, request: ProviderRequest) -> Result<ProviderResponse, ProviderFailure> {
        self.shared.sent.borrow_mut().push(request.clone());
        let (now, most) = self.shared.under_way.get();
        self.shared.under_way.set((now + 1, most.max(now + 1)));
        // More turns than a pool needs to begin everything that may be under way at a time.
        let is_slow = self.shared.is_slow.get();
        turns(if is_slow(&request) { 80 } else { 8 }).await;
        let (now, most) = self.shared.under_way.get();
        self.shared.under_way.set((now - 1, most));
        self.shared.now.set(self.shared.now.get().plus(self.shared.takes.get()));
        (self.shared.provider.borrow())(&request)
    }
}

/// Lets others run so many times, as everything that leaves the object does.
pub(crate) async fn turns(mut left: u32) {
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
