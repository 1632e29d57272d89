//! The directory object: one row per connection, indexed by when it is due.

use std::rc::Rc;

use worker::{
    Env, Result, SqlStorage, SqlStorageValue, State,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    worker_sys::DurableObjectState,
};

use super::{
    breakers, figures, hop,
    message::into_error,
    sql::{Row, rows},
    templates,
};
use crate::{
    connection::{
        directory::{self, DirectoryReply, DirectoryRequest, Due},
        key::ConnectionKey,
        rotation::SealedWith,
    },
    ports::PortError,
    protocol::{
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

/// The table.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS connection (key TEXT PRIMARY KEY, name TEXT NOT NULL, view TEXT NOT NULL, due INTEGER,
        sealed_with TEXT NOT NULL DEFAULT '') WITHOUT ROWID
";

/// A column that came later. Of the rows that were there before it is not known what they are sealed with.
const LATER_COLUMN: &str = "ALTER TABLE connection ADD COLUMN sealed_with TEXT NOT NULL DEFAULT ''";

/// Its indexes. A row that nobody must look at is not in the first.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS connection_due ON connection (due) WHERE due IS NOT NULL;
    CREATE INDEX IF NOT EXISTS connection_sealed_with ON connection (sealed_with);
";

/// What of a row is as it was: what is shown, when it is due, which keys it needs.
const SAME: &str = "SELECT name = ?2 AND view = ?3, due IS ?4, sealed_with = ?5 FROM connection WHERE key = ?1";

/// Stores a row that is not there.
const INSERT: &str = "INSERT INTO connection (key, name, view, due, sealed_with) VALUES (?1, ?2, ?3, ?4, ?5)";

/// What a filter admits, by its members in order; one that is not given comes first in its line, and is all that is
/// looked at. `lower` knows ASCII only.
const ADMITTED: &str = "
    (?1 = '' OR instr(lower(key || char(10) || coalesce(json_extract(view, '$.name'), '') || char(10)
        || coalesce(json_extract(view, '$.description'), '')), lower(?1)))
    AND (?2 IS NULL OR json_extract(view, '$.disabled') = ?2)
    AND (?3 IS NULL OR coalesce(json_extract(view, '$.last_test_succeeded'), 2) = ?3)
    AND (?4 = '[]' OR json_extract(view, '$.connection_type') IN (SELECT value FROM json_each(?4))
        OR json_extract(view, '$.saas_config.type') IN (SELECT value FROM json_each(?4)))
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
        let _ = prepare(&sql);
        let _ = sql.exec(templates::TABLE, None);
        let _ = sql.exec(breakers::TABLE, None);
        let _ = sql.exec(figures::TABLE, None);
        Self { rows: Rc::new(Rows { sql }) }
    }

    /// One request, answered without waiting for anything.
    pub fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let rows = Rc::clone(&self.rows);
        hop::answer(request, move |request| rows.execute(request))
    }
}

/// Makes the table, or brings one of an earlier version up to date.
fn prepare(sql: &SqlStorage) -> Result<()> {
    sql.exec(TABLE, None)?;
    if sql.exec("SELECT sealed_with FROM connection LIMIT 0", None).is_err() {
        sql.exec(LATER_COLUMN, None)?;
    }
    sql.exec(INDEXES, None).map(drop)
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
            DirectoryRequest::Put(row) => self.put(&row).map(DirectoryReply::Rows),
            DirectoryRequest::Claim(row) => self.claim(&row).map(DirectoryReply::Whether),
            DirectoryRequest::Remove(key) => self.remove(&key).map(DirectoryReply::Whether),
            DirectoryRequest::Page(query, filter) => self.page(query, &filter).map(DirectoryReply::Page),
            DirectoryRequest::Due(now, after, limit) => self.due(now, after.as_ref(), limit).map(DirectoryReply::Due),
            DirectoryRequest::SealedOtherwise(key_id) => self.sealed_otherwise(&key_id).map(DirectoryReply::Counts),
            DirectoryRequest::SealedWith(keys, limit) => self.sealed_with(&keys, limit).map(DirectoryReply::Keys),
            DirectoryRequest::Template(kind) => templates::find(&self.sql, kind).map(DirectoryReply::Template),
            DirectoryRequest::TemplateEntries => templates::entries(&self.sql).map(DirectoryReply::Page),
            DirectoryRequest::PutTemplate(kind, entry, body) => {
                templates::put(&self.sql, kind, entry, body).map(DirectoryReply::Whether)
            }
            DirectoryRequest::RemoveTemplate(kind) => templates::remove(&self.sql, kind).map(DirectoryReply::Whether),
            DirectoryRequest::Admit(call) => breakers::admit(&self.sql, &call).map(DirectoryReply::Admission),
            DirectoryRequest::Report(call, outcome) => {
                breakers::report(&self.sql, &call, outcome).map(|()| DirectoryReply::Done)
            }
            DirectoryRequest::Ticks => figures::ticks(&self.sql).map(DirectoryReply::Ticks),
            DirectoryRequest::Ticked(tick) => figures::add(&self.sql, tick).map(|()| DirectoryReply::Done),
            DirectoryRequest::Figures(now) => figures::all(&self.sql, now).map(DirectoryReply::Figures),
        };
        reply.map_err(|error| PortError(format!("directory storage: {error}")))
    }

    /// Stores a row; says how many rows of storage that wrote. `SQLite` writes the index of a column that is set, to
    /// whatever value; so columns with an index are set only when they change, and nothing is where nothing does.
    fn put(&self, row: &directory::Row) -> Result<u32> {
        let [key, name, sealed_with] =
            [row.key.as_str(), row.name.as_str(), row.sealed_with.as_str()].map(SqlStorageValue::from);
        let (view, due) = (SqlStorageValue::from(row.view.to_string()), row.due.map_or(SqlStorageValue::Null, integer));
        let values = vec![key, name, view, due, sealed_with];
        let statement = match rows(&self.sql, SAME, values.clone())?.first() {
            Some(same) => match [same.count(0)?, same.count(1)?, same.count(2)?] {
                [1, 1, 1] => return Ok(0),
                [_, same_due, same_keys] => change(same_due == 1, same_keys == 1),
            },
            None => INSERT.to_owned(),
        };
        let written = self.sql.exec(&statement, values)?.rows_written();
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    /// Stores a row, unless another one has its instance key; says whether it did. This looks at every row, which is
    /// rare enough: an index would be written again with each change of a view.
    fn claim(&self, row: &directory::Row) -> Result<bool> {
        let statement =
            "SELECT key FROM connection WHERE key <> ? AND json_extract(view, '$.saas_config.fides_key') = ? LIMIT 1";
        let values = vec![row.key.as_str().into(), row.instance_key().unwrap_or_default().into()];
        let is_free = rows(&self.sql, statement, values)?.is_empty();
        if is_free {
            self.put(row)?;
        }
        Ok(is_free)
    }

    /// Removes a row; says whether it was there.
    fn remove(&self, key: &ConnectionKey) -> Result<bool> {
        let statement = "DELETE FROM connection WHERE key = ? RETURNING key";
        Ok(!rows(&self.sql, statement, vec![key.as_str().into()])?.is_empty())
    }

    /// One page of what a filter admits, by name.
    fn page(&self, query: PageQuery, filter: &directory::Filter) -> Result<Page> {
        let kinds = serde_json::to_string(&filter.kinds)?;
        let mut values: Vec<SqlStorageValue> = vec![
            filter.search.as_str().into(),
            filter.disabled.map_or(SqlStorageValue::Null, |disabled| i64::from(disabled).into()),
            filter.tested.map_or(SqlStorageValue::Null, |tested| (tested as i64).into()),
            kinds.into(),
        ];
        let counts = rows(&self.sql, &format!("SELECT count(*) FROM connection WHERE {ADMITTED}"), values.clone())?;
        let statement = format!("SELECT view FROM connection WHERE {ADMITTED} ORDER BY name, key LIMIT ?5 OFFSET ?6");
        values.extend([i64::from(query.size).into(), i64::from(query.offset()).into()]);
        let view = |row: &Row| Ok(serde_json::from_slice(row.text(0)?.as_bytes())?);
        let items = rows(&self.sql, &statement, values)?.iter().map(view).collect::<Result<_>>()?;
        Ok(Page { items, total: counts.first().map_or(Ok(0), |row| row.count(0))? })
    }

    /// Who is due, the longest due first: read from the index alone, where the key stands behind the instant, so that
    /// neither is anything sorted nor are the rows before the first one looked at.
    fn due(&self, now: UnixSeconds, after: Option<&Due>, limit: u32) -> Result<Vec<Due>> {
        let statement =
            "SELECT due, key FROM connection WHERE due <= ? AND (due, key) > (?, ?) ORDER BY due, key LIMIT ?";
        // No key is empty: this is before all.
        let (at, key) = after.map_or((UnixSeconds(0), ""), |after| (after.at, after.key.as_str()));
        let due = |row: &Row| Ok(Due { at: UnixSeconds(row.count(0)?.into()), key: key_of(row, 1)? });
        let values = vec![integer(now), integer(at), key.into(), i64::from(limit).into()];
        rows(&self.sql, statement, values)?.iter().map(due).collect()
    }

    /// How many rows have which keys, less those that have this one alone, which are not even read.
    fn sealed_otherwise(&self, key_id: &str) -> Result<Vec<(SealedWith, u32)>> {
        let counted = |comparison| {
            format!(
                "SELECT sealed_with, count(*) FROM connection WHERE sealed_with {comparison} ? GROUP BY sealed_with"
            )
        };
        let statement = format!("{} UNION ALL {}", counted("<"), counted(">"));
        let count = |row: &Row| Ok((SealedWith::stored(row.text(0)?), row.count(1)?));
        rows(&self.sql, &statement, vec![key_id.into(), key_id.into()])?.iter().map(count).collect()
    }

    /// Some rows with these keys, by chance: one that cannot be helped must not keep others from their turn.
    fn sealed_with(&self, sealed_with: &SealedWith, limit: u32) -> Result<Vec<ConnectionKey>> {
        let statement = "SELECT key FROM connection WHERE sealed_with = ? ORDER BY random() LIMIT ?";
        keys(&rows(&self.sql, statement, vec![sealed_with.as_str().into(), i64::from(limit).into()])?)
    }
}

/// The statement that changes a row whose due instant, and whose keys, are the same or not.
fn change(same_due: bool, same_keys: bool) -> String {
    let (due, is_due) = if same_due { ("", "IS") } else { (", due = ?4", "IS NOT") };
    let (keys, are_keys) = if same_keys { ("", "=") } else { (", sealed_with = ?5", "<>") };
    format!(
        "UPDATE connection SET name = ?2, view = ?3{due}{keys} WHERE key = ?1 AND due {is_due} ?4 AND sealed_with {are_keys} ?5"
    )
}

/// The keys of connections, each alone in its row.
fn keys(rows: &[Row]) -> Result<Vec<ConnectionKey>> {
    rows.iter().map(|row| key_of(row, 0)).collect()
}

/// A column with the key of a connection.
fn key_of(row: &Row, column: usize) -> Result<ConnectionKey> {
    ConnectionKey::parse(row.text(column)?).map_err(into_error)
}

/// An instant as SQL has it; below 2^53 for some hundred million years.
fn integer(at: UnixSeconds) -> SqlStorageValue {
    i64::try_from(at.0).map_or(SqlStorageValue::Null, SqlStorageValue::Integer)
}
