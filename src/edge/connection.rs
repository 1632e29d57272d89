//! The object of one connection: its record in SQLite, its way to the provider and to the directory.

use std::{cell::RefCell, rc::Rc};

use futures_util::future::LocalBoxFuture;
use worker::{
    Env, Result, SqlStorage, State,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    worker_sys::DurableObjectState,
};

use super::{
    fetch, hop,
    message::into_error,
    ports, print,
    settings::deployment,
    sql::{self, Row, integer, rows, transaction, written},
};
use crate::{
    connection::{
        actor::{Actor, renewal::RefreshLine},
        breaker::{Admission, Call, Outcome},
        command::{Addressed, Reply},
        directory,
        event::EVENT_LIMIT,
        history::{Label, SNAPSHOT_LIMIT},
        key::ConnectionKey,
        record::Record,
    },
    ports::{
        Alarm, Background, Breakers, Clock, Directory, EventStore, HistoryStore, PortError, ProviderFailure,
        ProviderHttp, ProviderRequest, ProviderResponse, RecordStore,
    },
    protocol::time::UnixSeconds,
};

/// The single writer of one connection.
#[wasm_bindgen]
pub struct Connection {
    /// The runtime's side of the object.
    state: Rc<State>,
    /// Bindings.
    env: Env,
    /// Made at the first command, which tells the key.
    actor: RefCell<Option<Rc<Actor<ObjectPorts>>>>,
}

#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures)]
impl Connection {
    /// The object, when the platform starts it.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        Self { state: Rc::new(State::from(state)), env, actor: RefCell::default() }
    }

    /// The alarm, which tells nothing: the object's key is in its storage. With nothing there, nothing is to be done.
    pub async fn alarm(&self) -> std::result::Result<(), JsValue> {
        let Some(key) = self.own_key().map_err(into_error)? else { return Ok(()) };
        let actor = self.actor(key).map_err(into_error)?;
        Ok(actor.wake().await.map_err(into_error)?)
    }

    /// One command.
    pub async fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let execute = async |Addressed { key, command }| -> std::result::Result<Reply, PortError> {
            self.actor(key)?.execute(command).await
        };
        hop::answer_later(request, execute).await
    }
}

impl Connection {
    /// The outside of this object.
    fn ports(&self) -> ObjectPorts {
        let (state, env) = (Rc::clone(&self.state), self.env.clone());
        ObjectPorts { sql: self.state.storage().sql(), state, env }
    }

    /// The key of the connection that is stored here, if there is one.
    fn own_key(&self) -> std::result::Result<Option<ConnectionKey>, PortError> {
        Ok(Record::load(&self.ports())?.map(|record| record.profile.key))
    }

    /// The actor of this object.
    fn actor(&self, key: ConnectionKey) -> std::result::Result<Rc<Actor<ObjectPorts>>, PortError> {
        if let Some(actor) = &*self.actor.borrow() {
            return Ok(Rc::clone(actor));
        }
        let deployment = deployment(&self.env);
        let settings = match &*deployment {
            Ok(deployment) => Rc::clone(&deployment.settings),
            Err(_) => return Err(PortError("the service is not configured".to_owned())),
        };
        let actor = Actor::new(settings, key, self.ports());
        self.actor.replace(Some(Rc::clone(&actor)));
        Ok(actor)
    }
}

/// The outside of one connection.
struct ObjectPorts {
    /// The runtime's side of the object.
    state: Rc<State>,
    /// Bindings.
    env: Env,
    /// The object's database.
    sql: SqlStorage,
}

impl RecordStore for ObjectPorts {
    fn read(&self) -> std::result::Result<Vec<(String, String)>, PortError> {
        let pair = |row: Row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
        let stored = rows(&self.sql, "SELECT part, body FROM record", Vec::new());
        empty_if_new(stored.and_then(|rows| rows.into_iter().map(pair).collect::<Result<_>>()))
    }

    fn write(&self, parts: &[(&'static str, String)]) -> std::result::Result<u32, PortError> {
        let table = "CREATE TABLE IF NOT EXISTS record (part TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID";
        self.sql.exec(table, None).map_err(|error| broken(&error))?;
        // One statement: all parts or none.
        let places = vec!["(?, ?)"; parts.len()].join(", ");
        let upsert = "ON CONFLICT (part) DO UPDATE SET body = excluded.body";
        let values = parts.iter().flat_map(|(part, body)| [(*part).into(), body.as_str().into()]).collect::<Vec<_>>();
        let statement = format!("INSERT INTO record (part, body) VALUES {places} {upsert}");
        written(self.sql.exec(&statement, values)).map_err(|error| broken(&error))
    }

    fn clear(&self) -> std::result::Result<(), PortError> {
        let tables = "DROP TABLE IF EXISTS record; DROP TABLE IF EXISTS history; DROP TABLE IF EXISTS event";
        self.sql.exec(tables, None).map(drop).map_err(|error| broken(&error))
    }
}

impl HistoryStore for ObjectPorts {
    fn write_with_snapshot(
        &self,
        parts: &[(&'static str, String)],
        label: &Label,
        document: &str,
    ) -> std::result::Result<u32, PortError> {
        let mut rows = 0;
        transaction(&self.state, &mut || {
            rows = self.write(parts)? + self.add_snapshot(label, document).map_err(|error| broken(&error))?;
            Ok(())
        })?;
        Ok(rows)
    }

    fn snapshots(&self) -> std::result::Result<Vec<Label>, PortError> {
        let statement = "SELECT id, version, created_at FROM history ORDER BY number DESC";
        let found = rows(&self.sql, statement, Vec::new());
        empty_if_new(found.and_then(|rows| rows.iter().map(label).collect::<Result<_>>()))
    }

    fn snapshot(&self, version: &str) -> std::result::Result<Option<(Label, String)>, PortError> {
        let statement =
            "SELECT id, version, created_at, document FROM history WHERE version = ? ORDER BY number DESC LIMIT 1";
        let found = rows(&self.sql, statement, vec![version.into()]);
        let whole = |row: &Row| Ok((label(row)?, row.text(3)?.to_owned()));
        Ok(empty_if_new(found.and_then(|rows| rows.iter().map(whole).collect::<Result<Vec<_>>>()))?.pop())
    }
}

impl EventStore for ObjectPorts {
    fn write_with_event(
        &self,
        write: &mut dyn FnMut() -> std::result::Result<u32, PortError>,
        number: u64,
        event: &str,
    ) -> std::result::Result<u32, PortError> {
        let mut rows = 0;
        transaction(&self.state, &mut || {
            rows = write()? + self.add_event(number, event).map_err(|error| broken(&error))?;
            Ok(())
        })?;
        Ok(rows)
    }

    fn events(&self, newest: u64, limit: u32) -> std::result::Result<Vec<String>, PortError> {
        let statement = "SELECT body FROM event WHERE number <= ? ORDER BY number DESC LIMIT ?";
        let found = rows(&self.sql, statement, vec![integer(newest), integer(limit.into())]);
        empty_if_new(found.and_then(|rows| rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()))
    }
}

impl ObjectPorts {
    /// Adds an event, and forgets what is too old; says how many rows that wrote.
    fn add_event(&self, number: u64, event: &str) -> Result<u32> {
        let table = "CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY, body TEXT NOT NULL)";
        self.sql.exec(table, None)?;
        let statement = "INSERT INTO event (number, body) VALUES (?, ?)";
        let added = written(self.sql.exec(statement, vec![integer(number), event.into()]))?;
        let oldest = integer(number.saturating_sub(EVENT_LIMIT.into()));
        Ok(added + written(self.sql.exec("DELETE FROM event WHERE number <= ?", vec![oldest]))?)
    }

    /// Adds a snapshot, and forgets what is too old; says how many rows that wrote.
    fn add_snapshot(&self, label: &Label, document: &str) -> Result<u32> {
        let table = "CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY, id TEXT NOT NULL,
            version TEXT NOT NULL, created_at INTEGER NOT NULL, document TEXT NOT NULL)";
        self.sql.exec(table, None)?;
        let statement = "INSERT INTO history (id, version, created_at, document) VALUES (?, ?, ?, ?)";
        let (id, version) = (label.id.as_str().into(), label.version.as_str().into());
        let added = written(self.sql.exec(statement, vec![id, version, integer(label.created_at.0), document.into()]))?;
        let statement = "DELETE FROM history WHERE number <= (SELECT max(number) FROM history) - ?";
        Ok(added + written(self.sql.exec(statement, vec![integer(SNAPSHOT_LIMIT.into())]))?)
    }
}

/// The label in the first columns of a row.
fn label(row: &Row) -> Result<Label> {
    let created_at = UnixSeconds(row.count(2)?.into());
    Ok(Label { id: row.text(0)?.to_owned(), version: row.text(1)?.to_owned(), created_at })
}

/// What was read; nothing where the table is still to be made: asking must not store anything.
fn empty_if_new<Found: Default>(found: Result<Found>) -> std::result::Result<Found, PortError> {
    match found {
        Ok(found) => Ok(found),
        Err(error) if error.to_string().contains("no such table") => Ok(Found::default()),
        Err(error) => Err(broken(&error)),
    }
}

impl Clock for ObjectPorts {
    fn now(&self) -> UnixSeconds {
        ports::now()
    }
}

impl Background for ObjectPorts {
    fn spawn(&self, future: LocalBoxFuture<'static, Option<RefreshLine>>) {
        self.state.wait_until(async {
            if let Some(line) = future.await {
                print(line.level, &line);
            }
        });
    }
}

impl Alarm for ObjectPorts {
    fn set_alarm(&self, at: UnixSeconds) {
        sql::set_alarm(&self.state, at);
    }
}

impl Directory for ObjectPorts {
    async fn put(&self, row: directory::Row) -> std::result::Result<u32, PortError> {
        ports::put(&self.env, row).await
    }

    async fn claim(&self, row: directory::Row) -> std::result::Result<bool, PortError> {
        ports::claim(&self.env, row).await
    }

    async fn remove(&self, key: &ConnectionKey) -> std::result::Result<bool, PortError> {
        ports::remove(&self.env, key).await
    }
}

impl Breakers for ObjectPorts {
    async fn admit(&self, call: &Call) -> std::result::Result<Admission, PortError> {
        ports::admit(&self.env, call).await
    }

    async fn report(&self, call: &Call, outcome: Outcome) -> std::result::Result<(), PortError> {
        ports::report(&self.env, call, outcome).await
    }
}

impl ProviderHttp for ObjectPorts {
    async fn send(&self, request: ProviderRequest) -> std::result::Result<ProviderResponse, ProviderFailure> {
        fetch::send(request).await
    }
}

/// Storage that does not answer.
fn broken(error: &impl std::fmt::Display) -> PortError {
    PortError(format!("connection storage: {error}"))
}
