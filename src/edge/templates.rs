//! The table of connector templates, in the object of the directory.

use serde_json::Value;
use worker::{Result, SqlStorage};

use super::sql::{Row, rows};
use crate::{connection::connector_template::TEMPLATE_LIMIT, protocol::page::Page};

/// The table: one row per type.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS template (kind TEXT PRIMARY KEY, entry TEXT NOT NULL, body TEXT NOT NULL)
";

/// Stores a row, unless it would be one too many; says whether it did.
pub(super) fn put(sql: &SqlStorage, kind: String, entry: String, body: String) -> Result<bool> {
    let statement = "INSERT INTO template (kind, entry, body)
        SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM template WHERE kind <> ?1) < ?4
        ON CONFLICT (kind) DO UPDATE SET entry = excluded.entry, body = excluded.body RETURNING kind";
    let values = vec![kind.into(), entry.into(), body.into(), i64::from(TEMPLATE_LIMIT).into()];
    Ok(!rows(sql, statement, values)?.is_empty())
}

/// The stored form of a type.
pub(super) fn find(sql: &SqlStorage, kind: String) -> Result<Option<String>> {
    let rows = rows(sql, "SELECT body FROM template WHERE kind = ?", vec![kind.into()])?;
    rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// What is listed of all.
pub(super) fn entries(sql: &SqlStorage) -> Result<Page> {
    let entry = |row: &Row| Ok(serde_json::from_slice(row.text(0)?.as_bytes())?);
    let rows = rows(sql, "SELECT entry FROM template ORDER BY kind", Vec::new())?;
    let items: Vec<Value> = rows.iter().map(entry).collect::<Result<_>>()?;
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    Ok(Page { items, total })
}

/// Removes a row; says whether it was there.
pub(super) fn remove(sql: &SqlStorage, kind: String) -> Result<bool> {
    Ok(!rows(sql, "DELETE FROM template WHERE kind = ? RETURNING kind", vec![kind.into()])?.is_empty())
}
