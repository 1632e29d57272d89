//! The table of connector templates, in the object of the directory.

use serde_json::Value;
use worker::{Result, SqlStorage};

use super::sql::{Row, rows};
use crate::connection::connector_template::{ConnectorTemplate, TEMPLATE_LIMIT, TemplateReply, TemplateRequest};

/// The table: one row per type.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS template (kind TEXT PRIMARY KEY, entry TEXT NOT NULL, body TEXT NOT NULL)
";

/// Answers one request.
pub(super) fn execute(sql: &SqlStorage, request: TemplateRequest) -> Result<TemplateReply> {
    match request {
        TemplateRequest::Put(template, entry) => put(sql, &template, &entry).map(TemplateReply::Stored),
        TemplateRequest::Find(kind) => find(sql, &kind).map(TemplateReply::Found),
        TemplateRequest::List => list(sql).map(TemplateReply::Entries),
        TemplateRequest::Remove(kind) => remove(sql, &kind).map(TemplateReply::Removed),
    }
}

/// Stores a row, unless it would be one too many; says whether it did.
fn put(sql: &SqlStorage, template: &ConnectorTemplate, entry: &Value) -> Result<bool> {
    let statement = "INSERT INTO template (kind, entry, body)
        SELECT ?1, ?2, ?3 WHERE (SELECT count(*) FROM template WHERE kind <> ?1) < ?4
        ON CONFLICT (kind) DO UPDATE SET entry = excluded.entry, body = excluded.body RETURNING kind";
    let (entry, body) = (entry.to_string(), serde_json::to_string(template)?);
    let limit = i64::from(TEMPLATE_LIMIT).into();
    Ok(!rows(sql, statement, vec![template.kind.as_str().into(), entry.into(), body.into(), limit])?.is_empty())
}

/// The row of a type.
fn find(sql: &SqlStorage, kind: &str) -> Result<Option<ConnectorTemplate>> {
    let rows = rows(sql, "SELECT body FROM template WHERE kind = ?", vec![kind.into()])?;
    let template = |row: &Row| Ok(serde_json::from_slice(row.text(0)?.as_bytes())?);
    rows.first().map(template).transpose()
}

/// What is listed of all rows.
fn list(sql: &SqlStorage) -> Result<Vec<Value>> {
    let entry = |row: &Row| Ok(serde_json::from_slice(row.text(0)?.as_bytes())?);
    rows(sql, "SELECT entry FROM template ORDER BY kind", Vec::new())?.iter().map(entry).collect()
}

/// Removes a row; says whether it was there.
fn remove(sql: &SqlStorage, kind: &str) -> Result<bool> {
    Ok(!rows(sql, "DELETE FROM template WHERE kind = ? RETURNING kind", vec![kind.into()])?.is_empty())
}
