//! What the object of the directory counts: the ticks of the sweep, in a table of one row.

use worker::{Result, SqlStorage};

use super::sql::rows;
use crate::connection::ticks::{Tick, Ticks};

/// The table.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS ticks (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";

/// What all ticks did. A row that cannot be read is none: counters begin anew.
pub(super) fn ticks(sql: &SqlStorage) -> Result<Ticks> {
    let rows = rows(sql, "SELECT body FROM ticks WHERE id = 0", Vec::new())?;
    let stored = rows.first().and_then(|row| serde_json::from_slice(row.text(0).ok()?.as_bytes()).ok());
    Ok(stored.unwrap_or_default())
}

/// Adds a tick; nothing waits between what is read and what is stored.
pub(super) fn add(sql: &SqlStorage, tick: Tick) -> Result<()> {
    let body = serde_json::to_string(&ticks(sql)?.with(tick))?;
    sql.exec("INSERT OR REPLACE INTO ticks (id, body) VALUES (0, ?)", vec![body.into()]).map(drop)
}
