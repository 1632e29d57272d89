//! The registry object: clients in SQLite, one row each.

use worker::{DurableObject, Env, Request, Response, Result, SqlStorage, State, durable_object};

use super::{
    hop,
    sql::{Row, rows},
};
use crate::{
    authorization_server::{client::Client, client_cache::ClientCache, registry},
    ports::{ClientStore, PortError},
};

/// The table. Making it where it stands already writes no row.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS client (client_id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID";

/// The single writer of all clients.
#[durable_object(fetch)]
pub struct Registry {
    /// Its storage.
    clients: ClientCache<SqlClients>,
}

impl DurableObject for Registry {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        // A failure shows up again, with its cause, in the first statement that misses the table.
        let _ = sql.exec(TABLE, None);
        Self { clients: ClientCache::new(SqlClients { sql }) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let request = hop::read(request).await?;
        hop::write(&registry::execute(&self.clients, request))
    }
}

/// Clients in SQLite; the document is the stored form, pinned by `fixtures/storage/v1/client.json`.
struct SqlClients {
    /// The object's database.
    sql: SqlStorage,
}

impl SqlClients {
    /// Runs one statement.
    fn run(&self, statement: &str, values: &[&str]) -> std::result::Result<Vec<Row>, PortError> {
        let values = values.iter().map(|value| (*value).into()).collect();
        rows(&self.sql, statement, values).map_err(|error| broken(&error))
    }
}

impl ClientStore for SqlClients {
    fn find(&self, client_id: &str) -> std::result::Result<Option<Client>, PortError> {
        let rows = self.run("SELECT document FROM client WHERE client_id = ?", &[client_id])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let document = row.text(0).map_err(|error| broken(&error))?;
        serde_json::from_slice(document.as_bytes()).map(Some).map_err(|error| broken(&error))
    }

    fn insert(&self, client: &Client) -> std::result::Result<(), PortError> {
        let document = serde_json::to_string(client).map_err(|error| broken(&error))?;
        self.run("INSERT INTO client (client_id, document) VALUES (?, ?)", &[&client.client_id, &document]).map(drop)
    }

    fn update(&self, client: &Client) -> std::result::Result<(), PortError> {
        let document = serde_json::to_string(client).map_err(|error| broken(&error))?;
        self.run("UPDATE client SET document = ? WHERE client_id = ?", &[&document, &client.client_id]).map(drop)
    }

    fn remove(&self, client_id: &str) -> std::result::Result<(), PortError> {
        self.run("DELETE FROM client WHERE client_id = ?", &[client_id]).map(drop)
    }
}

/// Storage, or a document in it, that cannot be read or written.
fn broken(error: &impl std::fmt::Display) -> PortError {
    PortError(format!("registry storage: {error}"))
}
