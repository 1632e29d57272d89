//! The registry object: clients, audit rows and marks in SQLite.

use std::rc::Rc;

use worker::{
    Env, Result, SqlStorage, SqlStorageValue, State,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    worker_sys::DurableObjectState,
};

use super::{
    hop,
    message::into_error,
    ports::now,
    sql::{Row, integer, rows, transaction},
};
use crate::{
    authorization_server::{
        audit::AuditEntry,
        client::Client,
        registry::{self, Figures, RegistryRequest},
    },
    ports::{AuditStore, ClientStore, Mark, MarkStore, PortError, RegistryStore},
    protocol::{
        json::{self, FromJson},
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

/// The tables. Making them where they stand already writes no row. Numbers grow with each row and are never used again:
/// they are the order of the lists.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS api_client
        (number INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL UNIQUE, document TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, document TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS mark (kind INTEGER NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL,
        PRIMARY KEY (kind, key)) WITHOUT ROWID;
";

/// Most rows of a table that one prune removes; the rest is there for the next tick.
const PRUNE_LIMIT: i64 = 1000;

/// The single writer of all clients.
#[wasm_bindgen]
pub struct Registry {
    /// Decides.
    registry: Rc<registry::Registry<SqlRegistry>>,
}

#[wasm_bindgen]
impl Registry {
    /// The object, when the platform starts it.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, _env: Env) -> Self {
        let state = State::from(state);
        let sql = state.storage().sql();
        // A failure shows up again, with its cause, in the first statement that misses the table.
        let _ = sql.exec(TABLES, None);
        Self { registry: Rc::new(registry::Registry::new(SqlRegistry { sql, state })) }
    }

    /// One request, answered without waiting for anything.
    pub fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let registry = Rc::clone(&self.registry);
        hop::answer(request, move |request: RegistryRequest| registry.execute(now(), request))
    }
}

/// The storage; documents are stored forms, pinned by `fixtures/storage/v1/`.
struct SqlRegistry {
    /// The object's database.
    sql: SqlStorage,
    /// The object's state, for transactions.
    state: State,
}

/// What storage answers.
type Stored<Value> = std::result::Result<Value, PortError>;

impl SqlRegistry {
    /// Runs one statement.
    fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Stored<Vec<Row>> {
        rows(&self.sql, statement, values).map_err(|error| broken(&error))
    }

    /// The number of rows of a table.
    fn count(&self, statement: &str) -> Stored<u32> {
        let rows = self.run(statement, Vec::new())?;
        rows.first().map_or(Ok(0), |row| row.count(0)).map_err(|error| broken(&error))
    }

    /// How many rows a statement changed that returns one for each.
    fn changed(&self, statement: &str, values: Vec<SqlStorageValue>) -> Stored<u32> {
        Ok(u32::try_from(self.run(statement, values)?.len()).unwrap_or(u32::MAX))
    }
}

impl ClientStore for SqlRegistry {
    fn find(&self, client_id: &str) -> Stored<Option<Client>> {
        let rows = self.run("SELECT document FROM api_client WHERE client_id = ?", vec![client_id.into()])?;
        rows.first().map(|row| document(row, 0)).transpose()
    }

    fn insert(&self, client: &Client) -> Stored<()> {
        let values = vec![client.client_id.as_str().into(), json(client)?];
        self.run("INSERT INTO api_client (client_id, document) VALUES (?, ?)", values).map(drop)
    }

    fn update(&self, client: &Client) -> Stored<()> {
        let values = vec![json(client)?, client.client_id.as_str().into()];
        self.run("UPDATE api_client SET document = ? WHERE client_id = ?", values).map(drop)
    }

    fn remove(&self, client_id: &str) -> Stored<()> {
        self.run("DELETE FROM api_client WHERE client_id = ?", vec![client_id.into()]).map(drop)
    }

    fn page(&self, query: PageQuery) -> Stored<(Vec<Client>, u32)> {
        let statement = "SELECT document FROM api_client ORDER BY number DESC LIMIT ? OFFSET ?";
        let rows = self.run(statement, slice(query))?;
        let clients = rows.iter().map(|row| document(row, 0)).collect::<Stored<_>>()?;
        Ok((clients, self.count("SELECT count(*) FROM api_client")?))
    }
}

impl AuditStore for SqlRegistry {
    fn append(&self, entry: &AuditEntry) -> Stored<u64> {
        let statement = "INSERT INTO audit (at, document) VALUES (?, ?) RETURNING number";
        let rows = self.run(statement, vec![integer(entry.at.0), json(entry)?])?;
        rows.first().map_or(Ok(0), |row| row.count(0)).map(u64::from).map_err(|error| broken(&error))
    }

    fn rewrite(&self, row: u64, entry: &AuditEntry) -> Stored<()> {
        self.run("UPDATE audit SET document = ? WHERE number = ?", vec![json(entry)?, integer(row)]).map(drop)
    }

    fn audit_page(&self, query: PageQuery) -> Stored<Page> {
        let rows =
            self.run("SELECT number, document FROM audit ORDER BY number DESC LIMIT ? OFFSET ?", slice(query))?;
        let view = |row: &Row| {
            let entry: AuditEntry = document(row, 1)?;
            Ok(entry.view(row.count(0).map_err(|error| broken(&error))?.into()))
        };
        let items = rows.iter().map(view).collect::<Stored<_>>()?;
        Ok(Page { items, total: self.count("SELECT count(*) FROM audit")? })
    }
}

impl MarkStore for SqlRegistry {
    fn mark(&self, mark: Mark, key: &str, until: UnixSeconds, now: UnixSeconds) -> Stored<bool> {
        let statement = "INSERT INTO mark (kind, key, until) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE
            SET until = excluded.until WHERE mark.until <= ? RETURNING key";
        let values = vec![kind(mark), key.into(), integer(until.0), integer(now.0)];
        Ok(self.changed(statement, values)? > 0)
    }

    fn marked_until(&self, mark: Mark, key: &str) -> Stored<Option<UnixSeconds>> {
        let rows = self.run("SELECT until FROM mark WHERE kind = ? AND key = ?", vec![kind(mark), key.into()])?;
        let until = rows.first().map(|row| row.count(0)).transpose().map_err(|error| broken(&error))?;
        Ok(until.map(|until| UnixSeconds(until.into())))
    }

    fn is_any(&self, mark: Mark) -> Stored<bool> {
        Ok(!self.run("SELECT 1 FROM mark WHERE kind = ? LIMIT 1", vec![kind(mark)])?.is_empty())
    }

    fn marks(&self, mark: Mark, limit: u32) -> Stored<Vec<(String, UnixSeconds)>> {
        let statement = "SELECT key, until FROM mark WHERE kind = ? ORDER BY until DESC LIMIT ?";
        let pair = |row: &Row| Ok((row.text(0)?.to_owned(), UnixSeconds(row.count(1)?.into())));
        let rows = self.run(statement, vec![kind(mark), i64::from(limit).into()])?;
        rows.iter().map(pair).collect::<Result<_>>().map_err(|error| broken(&error))
    }
}

impl RegistryStore for SqlRegistry {
    fn atomically(&self, work: &mut dyn FnMut() -> Stored<()>) -> Stored<()> {
        transaction(&self.state, work)
    }

    fn figures(&self, now: UnixSeconds) -> Stored<Figures> {
        // Rows of the audit log go in the order in which they came: nothing needs to be counted.
        let statement = "SELECT (SELECT count(*) FROM api_client),
            coalesce((SELECT max(number) FROM audit) - (SELECT min(number) FROM audit) + 1, 0),
            (SELECT count(*) FROM mark WHERE kind = ?1 AND until > ?3),
            (SELECT count(*) FROM mark WHERE kind = ?2 AND until > ?3)";
        let values = vec![kind(Mark::RevokedToken), kind(Mark::SpentBudget), integer(now.0)];
        let rows = self.run(statement, values)?;
        let count = |column| rows.first().map_or(Ok(0), |row| row.count(column)).map_err(|error| broken(&error));
        let (clients, audit_rows) = (count(0)?, count(1)?);
        Ok(Figures { clients, audit_rows, revoked_tokens: count(2)?, spent_budgets: count(3)? })
    }

    fn prune(&self, now: UnixSeconds, audit_before: UnixSeconds) -> Stored<u32> {
        let marks =
            "DELETE FROM mark WHERE (kind, key) IN (SELECT kind, key FROM mark WHERE until <= ? LIMIT ?) RETURNING 1";
        // Rows stand in the order of time, nearly: only the oldest need to be looked at.
        let rows = "DELETE FROM audit WHERE at < ? AND number IN (SELECT number FROM audit ORDER BY number LIMIT ?) RETURNING 1";
        let at_most = || SqlStorageValue::Integer(PRUNE_LIMIT);
        let marks = self.changed(marks, vec![integer(now.0), at_most()])?;
        Ok(marks + self.changed(rows, vec![integer(audit_before.0), at_most()])?)
    }
}

/// Size and offset of a page.
fn slice(query: PageQuery) -> Vec<SqlStorageValue> {
    vec![i64::from(query.size).into(), i64::from(query.offset()).into()]
}

/// The stored number of a kind of mark.
fn kind(mark: Mark) -> SqlStorageValue {
    SqlStorageValue::Integer(mark as i64)
}

/// A document as it is stored.
fn json(document: &impl serde::Serialize) -> Stored<SqlStorageValue> {
    serde_json::to_string(document).map(Into::into).map_err(|error| broken(&error))
}

/// A stored document.
fn document<Document: FromJson>(row: &Row, column: usize) -> Stored<Document> {
    let read =
        |text: &str| json::read(text.as_bytes()).map_err(|error| into_error(PortError::unreadable("row", &error)));
    row.text(column).and_then(read).map_err(|error| broken(&error))
}

/// Storage, or a document in it, that cannot be read or written.
fn broken(error: &impl std::fmt::Display) -> PortError {
    PortError(format!("registry storage: {error}"))
}
