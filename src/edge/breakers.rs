//! The table of circuit breakers, in the object of the directory.

use worker::{Result, SqlStorage, SqlStorageValue};

use super::{
    message::into_error,
    ports::now,
    sql::{Row, integer, rows},
};
use crate::{
    connection::{
        breaker::{
            Admission, BREAKER_LIMIT, BREAKER_RETENTION, Breaker, Call, Change, INTEGRATION, Kind, Outcome, PROVIDER,
        },
        key::ConnectionKey,
    },
    ports::random,
    protocol::{json, time::UnixSeconds},
};

/// The table: one row per breaker.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS breaker (name TEXT PRIMARY KEY, failures INTEGER NOT NULL, last_connection TEXT NOT NULL,
        until INTEGER NOT NULL, fault TEXT NOT NULL) WITHOUT ROWID
";

/// Whether a call may be made; nothing waits between what is read and what is stored.
pub(super) fn admit(sql: &SqlStorage, call: &Call) -> Result<Admission> {
    let now = now();
    let (names, found) = find(sql, call)?;
    let (admission, changes) = call.admitted(&found, now);
    store(sql, names, changes, now)?;
    Ok(admission)
}

/// Stores what came of a call.
pub(super) fn report(sql: &SqlStorage, call: &Call, outcome: Outcome) -> Result<()> {
    let (now, [jitter]) = (now(), random().map_err(into_error)?);
    let (names, found) = find(sql, call)?;
    store(sql, names, call.reported(outcome, &found, now, jitter), now)
}

/// How many providers and integrations make callers wait now.
pub(super) fn open(sql: &SqlStorage, now: UnixSeconds) -> Result<[u32; 2]> {
    let count = |kind: &Kind| {
        let statement = "SELECT count(*) FROM breaker
            WHERE substr(name, 1, length(?1)) = ?1 AND failures >= ?2 AND until > ?3";
        let values = vec![kind.prefix.into(), i64::from(kind.threshold).into(), integer(now.0)];
        rows(sql, statement, values)?.first().map_or(Ok(0), |row| row.count(0))
    };
    Ok([count(&PROVIDER)?, count(&INTEGRATION)?])
}

/// The names of a call's breakers, and those that there are. One that cannot be read is none.
fn find(sql: &SqlStorage, call: &Call) -> Result<([String; 2], [Option<Breaker>; 2])> {
    let names = call.names();
    let statement = "SELECT name, failures, last_connection, until, fault FROM breaker WHERE name IN (?, ?)";
    let rows = rows(sql, statement, names.each_ref().map(|name| name.as_str().into()).into())?;
    let of = |name: &String| breaker(rows.iter().find(|row| row.text(0).is_ok_and(|own| own == name))?).ok();
    let found = names.each_ref().map(of);
    Ok((names, found))
}

/// The breaker of a row.
fn breaker(row: &Row) -> Result<Breaker> {
    Ok(Breaker {
        failures: row.count(1)?,
        last_connection: ConnectionKey::parse(row.text(2)?).map_err(into_error)?,
        until: UnixSeconds(row.count(3)?.into()),
        fault: json::read(row.text(4)?.as_bytes()).map_err(into_error)?,
    })
}

/// Stores changes.
fn store(sql: &SqlStorage, names: [String; 2], changes: [Change; 2], now: UnixSeconds) -> Result<()> {
    for (name, change) in names.into_iter().zip(changes) {
        let name = SqlStorageValue::from(name);
        match change {
            Change::Keep => {}
            Change::Remove => drop(sql.exec("DELETE FROM breaker WHERE name = ?", vec![name])?),
            Change::Put(breaker) => put(sql, name, &breaker, now)?,
        }
    }
    Ok(())
}

/// Stores a row in place of the one of its name, or beside the others: then those that are over go, and it is not added
/// where it would be one too many.
fn put(sql: &SqlStorage, name: SqlStorageValue, breaker: &Breaker, now: UnixSeconds) -> Result<()> {
    let values = [
        i64::from(breaker.failures).into(),
        breaker.last_connection.as_str().into(),
        integer(breaker.until.0),
        serde_json::to_string(&breaker.fault)?.into(),
        name,
    ];
    let statement = "UPDATE breaker SET failures = ?, last_connection = ?, until = ?, fault = ? WHERE name = ?
        RETURNING name";
    if !rows(sql, statement, values.to_vec())?.is_empty() {
        return Ok(());
    }
    let (over, never) = (now.minus(BREAKER_RETENTION), now.plus(BREAKER_RETENTION));
    let statement = "DELETE FROM breaker WHERE until NOT BETWEEN ? AND ?";
    sql.exec(statement, vec![integer(over.0), integer(never.0)])?;
    let statement = "INSERT INTO breaker (failures, last_connection, until, fault, name)
        SELECT ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM breaker) < ?";
    let mut values = values.to_vec();
    values.push(i64::from(BREAKER_LIMIT).into());
    sql.exec(statement, values).map(drop)
}
