//! The object of one connection: its record in SQLite, its way to the provider and to the directory.

use std::{cell::RefCell, rc::Rc};

use futures_util::future::LocalBoxFuture;
use worker::{
    Env, Result, SqlStorage, State,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    worker_sys::DurableObjectState,
};

use super::{
    fetch, hop, ports,
    settings::deployment,
    sql::{Row, rows},
};
use crate::{
    connection::{
        actor::Actor,
        command::{Addressed, Reply},
        directory,
        key::ConnectionKey,
    },
    ports::{
        Background, Clock, Directory, PortError, ProviderFailure, ProviderHttp, ProviderRequest, ProviderResponse,
        RecordStore,
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

    /// One command.
    pub async fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let execute = async |Addressed { key, command }| -> std::result::Result<Reply, PortError> {
            self.actor(key)?.execute(command).await
        };
        hop::answer_later(request, execute).await
    }
}

impl Connection {
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
        let (state, env) = (Rc::clone(&self.state), self.env.clone());
        let ports = ObjectPorts { sql: self.state.storage().sql(), state, env };
        let actor = Actor::new(settings, key, ports);
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
        match stored.and_then(|rows| rows.into_iter().map(pair).collect::<Result<_>>()) {
            Ok(parts) => Ok(parts),
            // The table is made by the first write: asking for a connection that is none must not store anything.
            Err(error) if error.to_string().contains("no such table") => Ok(Vec::new()),
            Err(error) => Err(broken(&error)),
        }
    }

    fn write(&self, parts: &[(&'static str, String)]) -> std::result::Result<(), PortError> {
        let table = "CREATE TABLE IF NOT EXISTS record (part TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID";
        self.sql.exec(table, None).map_err(|error| broken(&error))?;
        // One statement: all parts or none.
        let places = vec!["(?, ?)"; parts.len()].join(", ");
        let upsert = "ON CONFLICT (part) DO UPDATE SET body = excluded.body";
        let values = parts.iter().flat_map(|(part, body)| [(*part).into(), body.as_str().into()]).collect::<Vec<_>>();
        let statement = format!("INSERT INTO record (part, body) VALUES {places} {upsert}");
        self.sql.exec(&statement, values).map(drop).map_err(|error| broken(&error))
    }

    fn clear(&self) -> std::result::Result<(), PortError> {
        self.sql.exec("DROP TABLE IF EXISTS record", None).map(drop).map_err(|error| broken(&error))
    }
}

impl Clock for ObjectPorts {
    fn now(&self) -> UnixSeconds {
        ports::now()
    }
}

impl Background for ObjectPorts {
    fn spawn(&self, future: LocalBoxFuture<'static, ()>) {
        self.state.wait_until(future);
    }
}

impl Directory for ObjectPorts {
    async fn put(&self, row: directory::Row) -> std::result::Result<(), PortError> {
        ports::put(&self.env, row).await
    }

    async fn claim(&self, row: directory::Row) -> std::result::Result<bool, PortError> {
        ports::claim(&self.env, row).await
    }

    async fn remove(&self, key: &ConnectionKey) -> std::result::Result<bool, PortError> {
        ports::remove(&self.env, key).await
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
