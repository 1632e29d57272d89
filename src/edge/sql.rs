//! SQL statements and their rows, without the detour over serde.

use worker::{
    Result, SqlStorage, SqlStorageValue, State,
    wasm_bindgen::{self, JsCast, JsValue, prelude::*},
};

use super::message::into_error;
use crate::ports::PortError;

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

#[wasm_bindgen]
extern "C" {
    /// What `worker` does not bind of the storage.
    type TransactionalStorage;

    /// Does some work now; if it throws, nothing of it is stored.
    #[wasm_bindgen(method, catch, js_name = "transactionSync")]
    fn transaction_sync(
        this: &TransactionalStorage,
        work: &ScopedClosure<'_, dyn FnMut() -> std::result::Result<(), JsValue>>,
    ) -> std::result::Result<(), JsValue>;
}

/// Does some work; if it fails, nothing of it is stored. Not `worker`'s own transaction: that one waits between its steps,
/// and other requests would run there.
pub(super) fn transaction(
    state: &State,
    work: &mut dyn FnMut() -> std::result::Result<(), PortError>,
) -> std::result::Result<(), PortError> {
    let mut cause = None;
    let mut thrown = || {
        work().map_err(|error| {
            cause = Some(error);
            JsValue::NULL
        })
    };
    let storage = state.storage();
    let storage: &TransactionalStorage = storage.as_raw().unchecked_ref();
    let done = storage.transaction_sync(&ScopedClosure::borrow_mut_aborting(&mut thrown));
    done.map_err(|error| cause.unwrap_or_else(|| PortError(format!("transaction: {error:?}"))))
}

/// An integer as SQL has it; below 2^53 for every instant and number there is.
pub(super) fn integer(number: u64) -> SqlStorageValue {
    i64::try_from(number).map_or(SqlStorageValue::Null, SqlStorageValue::Integer)
}
