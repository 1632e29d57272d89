//! The registry's storage.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use crate::{
    authorization_server::{audit::AuditEntry, client::Client, registry::Figures},
    ports::{AuditStore, ClientStore, Mark, MarkStore, PortError, RegistryStore},
    protocol::{
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

/// The registry's storage in maps; clones share it, as restarted objects share their database.
#[derive(Clone, Default)]
pub(crate) struct MemoryRegistry(Rc<RegistryRows>);

/// What that storage holds.
#[derive(Default)]
pub(super) struct RegistryRows {
    /// Clients, oldest first.
    clients: RefCell<Vec<Client>>,
    /// Audit rows, oldest first.
    audit: RefCell<Vec<(u64, AuditEntry)>>,
    /// Marks and until when.
    marks: RefCell<BTreeMap<(u8, String), UnixSeconds>>,
    /// How many rows were written so far.
    writes: Cell<u64>,
    /// How many more writes succeed before all fails; none: it is whole.
    writes_left: Cell<Option<u32>>,
    /// Whether no transaction can be ended: all of it is undone.
    loses_transactions: Cell<bool>,
}

impl MemoryRegistry {
    /// Makes every further call fail.
    pub(crate) fn break_storage(&self) {
        self.break_after(0);
    }

    /// Makes every call fail after so many more writes.
    pub(crate) fn break_after(&self, writes: u32) {
        self.0.writes_left.set(Some(writes));
    }

    /// Makes every transaction fail when all its writes are done.
    pub(crate) fn break_transactions(&self) {
        self.0.loses_transactions.set(true);
    }

    /// Ends what breaking began.
    pub(crate) fn mend_storage(&self) {
        self.0.writes_left.set(None);
        self.0.loses_transactions.set(false);
    }

    /// How many rows were written so far.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.get()
    }

    /// How many rows there are: clients, audit rows, marks.
    pub(crate) fn rows(&self) -> (usize, usize, usize) {
        (self.0.clients.borrow().len(), self.0.audit.borrow().len(), self.0.marks.borrow().len())
    }

    /// Everything that is stored, as one text.
    pub(crate) fn dump(&self) -> String {
        let clients = serde_json::to_string(&*self.0.clients.borrow()).unwrap();
        let audit = serde_json::to_string(&*self.0.audit.borrow()).unwrap();
        format!("{clients}\n{audit}\n{:?}", self.0.marks.borrow())
    }

    /// Only the clients, as one text.
    pub(crate) fn clients(&self) -> String {
        serde_json::to_string(&*self.0.clients.borrow()).unwrap()
    }

    /// The rows, to be read, unless storage is broken.
    pub(super) fn read(&self) -> Result<&RegistryRows, PortError> {
        let broken = self.0.writes_left.get() == Some(0);
        if broken { Err(PortError("storage is broken".to_owned())) } else { Ok(&self.0) }
    }

    /// The rows, to be written, unless storage is broken.
    fn write(&self) -> Result<&RegistryRows, PortError> {
        let rows = self.read()?;
        rows.writes.set(rows.writes.get() + 1);
        rows.writes_left.set(rows.writes_left.get().map(|left| left - 1));
        Ok(rows)
    }
}

/// The rows of a page, newest first, and how many there are in all.
fn newest<Stored: Clone>(rows: &[Stored], query: PageQuery) -> (Vec<Stored>, u32) {
    let (offset, size) = (usize::try_from(query.offset()).unwrap(), usize::try_from(query.size).unwrap());
    let page = rows.iter().rev().skip(offset).take(size).cloned().collect();
    (page, u32::try_from(rows.len()).unwrap())
}

impl ClientStore for MemoryRegistry {
    fn find(&self, client_id: &str) -> Result<Option<Client>, PortError> {
        Ok(self.read()?.clients.borrow().iter().find(|client| client.client_id == client_id).cloned())
    }

    fn insert(&self, client: &Client) -> Result<(), PortError> {
        let taken = self.find(&client.client_id)?.is_some();
        assert!(!taken, "a client is stored twice");
        self.write()?.clients.borrow_mut().push(client.clone());
        Ok(())
    }

    fn update(&self, client: &Client) -> Result<(), PortError> {
        let mut clients = self.write()?.clients.borrow_mut();
        clients.iter_mut().filter(|own| own.client_id == client.client_id).for_each(|own| *own = client.clone());
        Ok(())
    }

    fn remove(&self, client_id: &str) -> Result<(), PortError> {
        self.write()?.clients.borrow_mut().retain(|client| client.client_id != client_id);
        Ok(())
    }

    fn page(&self, query: PageQuery) -> Result<(Vec<Client>, u32), PortError> {
        Ok(newest(&self.read()?.clients.borrow(), query))
    }
}

impl AuditStore for MemoryRegistry {
    fn append(&self, entry: &AuditEntry) -> Result<u64, PortError> {
        let mut audit = self.write()?.audit.borrow_mut();
        let id = audit.last().map_or(1, |(id, _)| id + 1);
        audit.push((id, entry.clone()));
        Ok(id)
    }

    fn rewrite(&self, row: u64, entry: &AuditEntry) -> Result<(), PortError> {
        let mut audit = self.write()?.audit.borrow_mut();
        audit.iter_mut().filter(|(id, _)| *id == row).for_each(|(_, own)| *own = entry.clone());
        Ok(())
    }

    fn audit_page(&self, query: PageQuery) -> Result<Page, PortError> {
        let (rows, total) = newest(&self.read()?.audit.borrow(), query);
        Ok(Page { items: rows.iter().map(|(id, entry)| entry.view(*id)).collect(), total })
    }
}

impl MarkStore for MemoryRegistry {
    fn mark(&self, mark: Mark, key: &str, until: UnixSeconds, now: UnixSeconds) -> Result<bool, PortError> {
        let at = (mark as u8, key.to_owned());
        if self.read()?.marks.borrow().get(&at).is_some_and(|until| now < *until) {
            return Ok(false);
        }
        self.write()?.marks.borrow_mut().insert(at, until);
        Ok(true)
    }

    fn marked_until(&self, mark: Mark, key: &str) -> Result<Option<UnixSeconds>, PortError> {
        Ok(self.read()?.marks.borrow().get(&(mark as u8, key.to_owned())).copied())
    }

    fn is_any(&self, mark: Mark) -> Result<bool, PortError> {
        Ok(self.read()?.marks.borrow().keys().any(|(kind, _)| *kind == mark as u8))
    }

    fn marks(&self, mark: Mark, limit: u32) -> Result<Vec<(String, UnixSeconds)>, PortError> {
        let marks = self.read()?.marks.borrow();
        let own = marks.iter().filter(|((kind, _), _)| *kind == mark as u8);
        let mut own: Vec<(String, UnixSeconds)> = own.map(|((_, key), until)| (key.clone(), *until)).collect();
        own.sort_by_key(|(_, until)| std::cmp::Reverse(*until));
        own.truncate(usize::try_from(limit).unwrap());
        Ok(own)
    }
}

impl RegistryStore for MemoryRegistry {
    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), PortError>) -> Result<(), PortError> {
        let rows = self.read()?;
        let before = (rows.clients.borrow().clone(), rows.audit.borrow().clone(), rows.marks.borrow().clone());
        let lost = || Err(PortError("the transaction is lost".to_owned()));
        let ended = |()| if rows.loses_transactions.get() { lost() } else { Ok(()) };
        work().and_then(ended).inspect_err(|_| {
            rows.clients.replace(before.0);
            rows.audit.replace(before.1);
            rows.marks.replace(before.2);
        })
    }

    fn figures(&self, now: UnixSeconds) -> Result<Figures, PortError> {
        let rows = self.read()?;
        let (clients, audit_rows) = (rows.clients.borrow().len(), rows.audit.borrow().len());
        let marks = rows.marks.borrow();
        let count = |wanted: Mark| {
            marks.iter().filter(|((kind, _), until)| *kind == wanted as u8 && now < **until).count().try_into().unwrap()
        };
        Ok(Figures {
            clients: clients.try_into().unwrap(),
            audit_rows: audit_rows.try_into().unwrap(),
            revoked_tokens: count(Mark::RevokedToken),
            spent_budgets: count(Mark::SpentBudget),
        })
    }

    fn prune(&self, now: UnixSeconds, audit_before: UnixSeconds) -> Result<u32, PortError> {
        let (_, audit, marks) = self.rows();
        let rows = self.write()?;
        rows.audit.borrow_mut().retain(|(_, entry)| entry.at >= audit_before);
        rows.marks.borrow_mut().retain(|_, until| now < *until);
        let (_, audit_left, marks_left) = self.rows();
        Ok(u32::try_from(audit - audit_left + marks - marks_left).unwrap())
    }
}
