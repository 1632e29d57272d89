//! The directory object: one row per connection, indexed by when it is due.

use std::rc::Rc;

use worker::{
    Env, Result, SqlStorage, SqlStorageValue, State,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    worker_sys::DurableObjectState,
};

use super::{
    hop,
    message::into_error,
    sql::{Row, rows},
};
use crate::{
    connection::{
        directory::{self, DirectoryReply, DirectoryRequest},
        key::ConnectionKey,
    },
    ports::PortError,
    protocol::{
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

/// The table and its index. A row that nobody must look at is not in the index.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS connection (key TEXT PRIMARY KEY, name TEXT NOT NULL, view TEXT NOT NULL, due INTEGER)
        WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS connection_due ON connection (due) WHERE due IS NOT NULL;
";

/// The single writer of the directory.
#[wasm_bindgen]
pub struct Directory {
    /// Its rows.
    rows: Rc<Rows>,
}

#[wasm_bindgen]
impl Directory {
    /// The object, when the platform starts it.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, _env: Env) -> Self {
        let sql = State::from(state).storage().sql();
        // A failure shows up again, with its cause, in the first statement that misses the table.
        let _ = sql.exec(TABLE, None);
        Self { rows: Rc::new(Rows { sql }) }
    }

    /// One request, answered without waiting for anything.
    pub fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let rows = Rc::clone(&self.rows);
        hop::answer(request, move |request| rows.execute(request))
    }
}

/// The rows of the directory.
struct Rows {
    /// The object's database.
    sql: SqlStorage,
}

impl Rows {
    /// Answers one request.
    fn execute(&self, request: DirectoryRequest) -> std::result::Result<DirectoryReply, PortError> {
        let reply = match request {
            DirectoryRequest::Put(row) => self.put(&row).map(|()| DirectoryReply::Done),
            DirectoryRequest::Remove(key) => self.remove(&key).map(DirectoryReply::Removed),
            DirectoryRequest::Page(query) => self.page(query).map(DirectoryReply::Page),
            DirectoryRequest::Due(now, limit) => self.due(now, limit).map(DirectoryReply::Due),
        };
        reply.map_err(|error| PortError(format!("directory storage: {error}")))
    }

    /// Stores a row: one row of the table, and one of the index when `due` changes.
    fn put(&self, row: &directory::Row) -> Result<()> {
        let statement = "INSERT INTO connection (key, name, view, due) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
            SET name = excluded.name, view = excluded.view, due = excluded.due";
        let due = row.due.map_or(SqlStorageValue::Null, integer);
        let view = row.view.to_string();
        let values = vec![row.key.as_str().into(), row.name.as_str().into(), view.into(), due];
        self.sql.exec(statement, values).map(drop)
    }

    /// Removes a row; says whether it was there.
    fn remove(&self, key: &ConnectionKey) -> Result<bool> {
        let statement = "DELETE FROM connection WHERE key = ? RETURNING key";
        Ok(!rows(&self.sql, statement, vec![key.as_str().into()])?.is_empty())
    }

    /// One page, by name.
    fn page(&self, query: PageQuery) -> Result<Page> {
        let statement = "SELECT view FROM connection ORDER BY name, key LIMIT ? OFFSET ?";
        let values = vec![i64::from(query.size).into(), i64::from(query.offset()).into()];
        let view = |row: &Row| Ok(serde_json::from_slice(row.text(0)?.as_bytes())?);
        let items = rows(&self.sql, statement, values)?.iter().map(view).collect::<Result<_>>()?;
        let counts = rows(&self.sql, "SELECT count(*) FROM connection", Vec::new())?;
        Ok(Page { items, total: counts.first().map_or(Ok(0), |row| row.count(0))? })
    }

    /// Who is due, the longest due first: read from the index alone.
    fn due(&self, now: UnixSeconds, limit: u32) -> Result<Vec<ConnectionKey>> {
        let statement = "SELECT key FROM connection WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?";
        let key = |row: &Row| ConnectionKey::parse(row.text(0)?).map_err(into_error);
        rows(&self.sql, statement, vec![integer(now), i64::from(limit).into()])?.iter().map(key).collect()
    }
}

/// An instant as SQL has it; below 2^53 for some hundred million years.
fn integer(at: UnixSeconds) -> SqlStorageValue {
    i64::try_from(at.0).map_or(SqlStorageValue::Null, SqlStorageValue::Integer)
}
