//! Tests only: the same ports in memory, with faults on demand.

mod breakers;
mod directory;
mod object;
mod registry;
pub(crate) mod signatures;
mod templates;

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::BTreeMap,
    rc::Rc,
};

use futures_executor::LocalSpawner;
use serde_json::Value;

use crate::{
    authorization_server::registry::{Registry, RegistryReply, RegistryRequest},
    config::Settings,
    connection::{
        actor::{Actor, renewal::RefreshLine},
        breaker::Breaker,
        command::{Command, Reply},
        directory::Row,
        history::Label,
        key::ConnectionKey,
        rotation::SealedWith,
        ticks::Ticks,
    },
    ports::{
        Clients, Clock, ConnectionActors, Multipart, PortError, ProviderFailure, ProviderRequest, ProviderResponse,
    },
    protocol::time::{Seconds, UnixSeconds},
};

use object::MemoryObject;
pub(crate) use object::turns;
pub(crate) use registry::MemoryRegistry;
pub(crate) use templates::MemoryTemplates;

/// What a provider answers to a request.
type Provider = Box<dyn Fn(&ProviderRequest) -> Result<ProviderResponse, ProviderFailure>>;

/// What one connection stores.
pub(crate) type Parts = Rc<RefCell<BTreeMap<&'static str, String>>>;

/// The snapshots of one connection, oldest first.
type Snapshots = Rc<RefCell<Vec<(Label, String)>>>;

/// The events of one connection, by number.
type Events = Rc<RefCell<BTreeMap<u64, String>>>;

/// What is broken of connections and directory. Shared, so that a provider can break something while it is asked.
#[derive(Default)]
pub(crate) struct Faults {
    /// How many more writes of connections succeed before their storage breaks; none: it is whole.
    writes_left: Cell<Option<u32>>,
    /// Whether the directory cannot answer.
    directory: Cell<bool>,
    /// How many more keys and signatures the platform works out before it fails; none: it does not.
    signatures_left: Cell<Option<u32>>,
}

impl Faults {
    /// Breaks the connections' storage, for reading and writing, after so many more writes.
    pub(crate) fn break_records_after(&self, writes: u32) {
        self.writes_left.set(Some(writes));
    }

    /// Mends the connections' storage.
    pub(crate) fn mend_records(&self) {
        self.writes_left.set(None);
    }

    /// Breaks the platform's signatures after so many more of them, or mends them.
    pub(crate) fn break_signatures(&self, after: Option<u32>) {
        self.signatures_left.set(after);
    }

    /// Breaks or mends the directory.
    pub(crate) fn break_directory(&self, broken: bool) {
        self.directory.set(broken);
    }
}

/// A whole deployment in memory.
pub(crate) struct Memory {
    /// What connections and requests share.
    shared: Rc<Shared>,
    /// The registry's storage.
    pub(crate) clients: MemoryRegistry,
    /// Connector templates, in the directory's storage, and their copies.
    pub(crate) templates: MemoryTemplates,
    /// The registry object.
    registry: RefCell<Registry<MemoryRegistry>>,
    /// The connections' objects.
    actors: RefCell<BTreeMap<ConnectionKey, Rc<Actor<MemoryObject>>>>,
    /// Settings of the objects.
    settings: RefCell<Rc<Settings>>,
}

/// What connections and requests share.
struct Shared {
    /// What time it is.
    now: Cell<UnixSeconds>,
    /// The provider.
    provider: RefCell<Provider>,
    /// Requests that reached the provider.
    sent: RefCell<Vec<ProviderRequest>>,
    /// The directory.
    rows: RefCell<BTreeMap<ConnectionKey, Row>>,
    /// The circuit breakers, by name.
    breakers: RefCell<BTreeMap<String, Breaker>>,
    /// How many rows were put so far.
    puts: Cell<u32>,
    /// How many rows of its storage that has written.
    rows_written: Cell<u32>,
    /// What ticks of the sweep did.
    ticks: RefCell<Ticks>,
    /// Stored parts of all connections: they outlive the objects.
    records: RefCell<BTreeMap<ConnectionKey, Parts>>,
    /// Their snapshots.
    histories: RefCell<BTreeMap<ConnectionKey, Snapshots>>,
    /// Their events.
    events: RefCell<BTreeMap<ConnectionKey, Events>>,
    /// What is broken.
    faults: Rc<Faults>,
    /// Requests that the provider has not answered yet, and the most that there were at a time.
    under_way: Cell<(usize, usize)>,
    /// How long the provider takes to answer, by the clock.
    takes: Cell<Seconds>,
    /// Which requests take the provider much longer than others.
    is_slow: Cell<fn(&ProviderRequest) -> bool>,
    /// How often others run while the circuit breakers are asked.
    admission_turns: Cell<u32>,
    /// When whose alarm rings.
    alarms: RefCell<BTreeMap<ConnectionKey, UnixSeconds>>,
    /// What renewals said for the log.
    lines: RefCell<Vec<RefreshLine>>,
    /// Work that goes on behind.
    spawner: LocalSpawner,
}

impl Memory {
    /// An empty deployment; work behind requests runs on the given pool.
    pub(crate) fn new(settings: Rc<Settings>, spawner: LocalSpawner) -> Self {
        let shared = Shared {
            now: Cell::new(UnixSeconds(1_700_000_000)),
            provider: RefCell::new(Box::new(|_| Err(ProviderFailure::Unreachable))),
            sent: RefCell::default(),
            rows: RefCell::default(),
            breakers: RefCell::default(),
            puts: Cell::default(),
            rows_written: Cell::default(),
            ticks: RefCell::default(),
            records: RefCell::default(),
            histories: RefCell::default(),
            events: RefCell::default(),
            faults: Rc::default(),
            under_way: Cell::default(),
            takes: Cell::default(),
            is_slow: Cell::new(|_| false),
            admission_turns: Cell::default(),
            alarms: RefCell::default(),
            lines: RefCell::default(),
            spawner,
        };
        let (shared, clients) = (Rc::new(shared), MemoryRegistry::default());
        let registry = RefCell::new(Registry::new(clients.clone()));
        let (templates, settings) = (MemoryTemplates::default(), settings.into());
        Self { shared, clients, templates, registry, actors: RefCell::default(), settings }
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, span: Seconds) {
        self.shared.now.set(self.shared.now.get().plus(span));
    }

    /// Sets the clock back.
    pub(crate) fn set_back(&self, span: Seconds) {
        self.shared.now.set(self.shared.now.get().minus(span));
    }

    /// Sets what the provider answers from now on.
    pub(crate) fn provider(
        &self,
        answer: impl Fn(&ProviderRequest) -> Result<ProviderResponse, ProviderFailure> + 'static,
    ) {
        *self.shared.provider.borrow_mut() = Box::new(answer);
    }

    /// Makes the provider take so long for each answer.
    pub(crate) fn provider_takes(&self, span: Seconds) {
        self.shared.takes.set(span);
    }

    /// Makes the provider slow for some requests: others overtake them.
    pub(crate) fn slow_down(&self, is_slow: fn(&ProviderRequest) -> bool) {
        self.shared.is_slow.set(is_slow);
    }

    /// Makes the circuit breakers slow.
    pub(crate) fn slow_breakers(&self) {
        self.shared.admission_turns.set(40);
    }

    /// The requests that reached the provider so far.
    pub(crate) fn sent(&self) -> Vec<ProviderRequest> {
        self.shared.sent.borrow().clone()
    }

    /// The most requests that were at the provider at the same time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.under_way.get().1
    }

    /// The switches of what is broken.
    pub(crate) fn faults(&self) -> Rc<Faults> {
        Rc::clone(&self.shared.faults)
    }

    /// Has every alarm ring that is due, whatever comes of it; says whose they were.
    pub(crate) async fn ring(&self) -> Vec<ConnectionKey> {
        let (now, mut alarms) = (self.shared.now.get(), self.shared.alarms.borrow().clone());
        alarms.retain(|_, at| *at <= now);
        for key in alarms.keys() {
            self.shared.alarms.borrow_mut().remove(key);
            let _ = self.actor(key).wake().await;
        }
        alarms.into_keys().collect()
    }

    /// What one alarm does.
    pub(crate) async fn wake(&self, key: &ConnectionKey) {
        self.actor(key).wake().await.unwrap();
    }

    /// What renewals said for the log, as JSON.
    pub(crate) fn refresh_lines(&self) -> Vec<Value> {
        self.shared.lines.borrow().iter().map(|line| serde_json::to_value(line).unwrap()).collect()
    }

    /// Restarts every object: memory is lost, storage stays.
    pub(crate) fn restart(&self) {
        self.actors.borrow_mut().clear();
        self.registry.replace(Registry::new(self.clients.clone()));
    }

    /// Restarts every object with other settings.
    pub(crate) fn redeploy(&self, settings: Rc<Settings>) {
        self.settings.replace(settings);
        self.restart();
    }

    /// How many rows of the directory were written so far.
    pub(crate) fn directory_rows_written(&self) -> u32 {
        self.shared.rows_written.get()
    }

    /// Makes the directory believe that connections need these keys.
    pub(crate) fn list_as_sealed_with(&self, keys: &SealedWith) {
        self.shared.rows.borrow_mut().values_mut().for_each(|row| row.sealed_with = keys.clone());
    }

    /// What a connection stores: to be put back by [`Memory::put_back`].
    pub(crate) fn copy_of(&self, key: &ConnectionKey) -> BTreeMap<&'static str, String> {
        self.shared.records.borrow()[key].borrow().clone()
    }

    /// What a connection stores, to be looked at by a provider.
    pub(crate) fn parts_of(&self, key: &ConnectionKey) -> Parts {
        Rc::clone(&self.shared.records.borrow()[key])
    }

    /// Puts back what a connection stored once, as a backup would; its object starts anew.
    pub(crate) fn put_back(&self, key: &ConnectionKey, copy: BTreeMap<&'static str, String>) {
        self.shared.records.borrow()[key].replace(copy);
        self.restart();
    }

    /// Everything that is stored, as one text: clients, audit rows, marks, connections, directory.
    pub(crate) fn dump(&self) -> String {
        let breakers = self.shared.breakers.borrow();
        format!("{}\n{}\n{}\n{breakers:?}", self.state(), self.clients.dump(), self.templates.dump())
    }

    /// What is stored of clients and connections, as one text; without the log of what was done and refused.
    pub(crate) fn state(&self) -> String {
        let rows: Vec<Row> = self.shared.rows.borrow().values().cloned().collect();
        let rows = serde_json::to_string(&rows).unwrap();
        let (records, histories) = (self.shared.records.borrow(), self.shared.histories.borrow());
        let records: Vec<_> = records.iter().filter(|(_, parts)| !parts.borrow().is_empty()).collect();
        let histories: Vec<_> = histories.iter().filter(|(_, history)| !history.borrow().is_empty()).collect();
        let events = self.shared.events.borrow();
        let events: Vec<_> = events.iter().filter(|(_, events)| !events.borrow().is_empty()).collect();
        format!("{}\n{records:?}\n{histories:?}\n{events:?}\n{rows}", self.clients.clients())
    }

    /// The actor of a key.
    fn actor(&self, key: &ConnectionKey) -> Rc<Actor<MemoryObject>> {
        let mut actors = self.actors.borrow_mut();
        let actor = actors.entry(key.clone()).or_insert_with(|| {
            let parts = Rc::clone(self.shared.records.borrow_mut().entry(key.clone()).or_default());
            let snapshots = Rc::clone(self.shared.histories.borrow_mut().entry(key.clone()).or_default());
            let events = Rc::clone(self.shared.events.borrow_mut().entry(key.clone()).or_default());
            let object = MemoryObject { shared: Rc::clone(&self.shared), key: key.clone(), parts, snapshots, events };
            Actor::new(self.settings.borrow().clone(), key.clone(), object)
        });
        Rc::clone(actor)
    }
}

impl Clock for Memory {
    fn now(&self) -> UnixSeconds {
        self.shared.now.get()
    }
}

impl Clients for Memory {
    async fn ask(&self, request: RegistryRequest) -> Result<RegistryReply, PortError> {
        // Broken storage is a registry that answers nothing, not even what it could say without looking.
        self.clients.read()?;
        self.registry.borrow().execute(self.now(), request)
    }
}

impl ConnectionActors for Memory {
    async fn command(&self, key: &ConnectionKey, command: Command) -> Result<Reply, PortError> {
        self.actor(key).execute(command).await
    }
}

impl Multipart for Memory {
    async fn form_fields(&self, content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
        let body = body.to_vec();
        let body = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
        let mut form = multer::Multipart::new(body, multer::parse_boundary(content_type).ok()?);
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await.ok()? {
            let (name, is_file) = (field.name()?.to_owned(), field.file_name().is_some());
            let text = field.text().await.ok()?;
            fields.push((name, if is_file { String::new() } else { text }));
        }
        Some(fields)
    }
}

impl Shared {
    /// The directory's rows, unless it is broken.
    fn rows(&self) -> Result<RefMut<'_, BTreeMap<ConnectionKey, Row>>, PortError> {
        let broken = PortError("directory is broken".to_owned());
        if self.faults.directory.get() { Err(broken) } else { Ok(self.rows.borrow_mut()) }
    }
}
