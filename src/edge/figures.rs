//! What the object of the directory counts: its rows, when somebody asks, and the ticks of the sweep, in a table of one
//! row.

use worker::{Result, SqlStorage};

use super::{
    breakers,
    sql::{Row, integer, rows},
};
use crate::{
    connection::{
        directory::Figures,
        ticks::{Tick, Ticks},
    },
    protocol::{json, time::UnixSeconds},
};

/// The table.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS ticks (id INTEGER PRIMARY KEY, body TEXT NOT NULL)";

/// What all ticks did. A row that cannot be read is none: counters begin anew.
pub(super) fn ticks(sql: &SqlStorage) -> Result<Ticks> {
    let rows = rows(sql, "SELECT body FROM ticks WHERE id = 0", Vec::new())?;
    let stored = rows.first().and_then(|row| json::read(row.text(0).ok()?.as_bytes()).ok());
    Ok(stored.unwrap_or_default())
}

/// Adds a tick; nothing waits between what is read and what is stored.
pub(super) fn add(sql: &SqlStorage, tick: Tick) -> Result<()> {
    let body = serde_json::to_string(&ticks(sql)?.with(tick))?;
    sql.exec("INSERT OR REPLACE INTO ticks (id, body) VALUES (0, ?)", vec![body.into()]).map(drop)
}

/// All that is counted.
pub(super) fn all(sql: &SqlStorage, now: UnixSeconds) -> Result<Figures> {
    let statement = "SELECT coalesce(json_extract(view, '$.refresh.state'), ''), count(*) FROM connection GROUP BY 1";
    let state = |row: &Row| Ok((row.text(0)?.to_owned(), row.count(1)?));
    let states = rows(sql, statement, Vec::new())?.iter().map(state).collect::<Result<_>>()?;
    let due = rows(sql, "SELECT count(*) FROM connection WHERE due <= ?", vec![integer(now.0)])?;
    let due = due.first().map_or(Ok(0), |row| row.count(0))?;
    Ok(Figures { states, due, open_breakers: breakers::open(sql, now)?, ticks: ticks(sql)? })
}
