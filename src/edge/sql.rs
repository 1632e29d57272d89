//! SQL statements and their rows, without the detour over serde.

use worker::{Result, SqlStorage, SqlStorageValue};

use super::message::into_error;

/// Runs a statement and reads all its rows.
pub(super) fn rows(sql: &SqlStorage, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
    sql.exec(statement, values)?.raw().map(|row| row.map(Row)).collect()
}

/// One row, its columns in the order of the statement.
pub(super) struct Row(Vec<SqlStorageValue>);

impl Row {
    /// A column of text.
    pub(super) fn text(&self, column: usize) -> Result<&str> {
        match self.0.get(column) {
            Some(SqlStorageValue::String(text)) => Ok(text),
            _ => Err(into_error("a column is no text")),
        }
    }

    /// A column with a whole number. JavaScript has one type for all numbers.
    pub(super) fn count(&self, column: usize) -> Result<u32> {
        let number = match self.0.get(column) {
            Some(SqlStorageValue::Integer(number)) => u32::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| into_error("a column is no count"))
    }
}
