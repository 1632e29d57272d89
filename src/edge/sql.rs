//! SQL statements and their rows, without the detour over serde.

use worker::{
    Result, SqlCursor, SqlStorage, SqlStorageValue, State,
    js_sys::Promise,
    wasm_bindgen::{self, JsCast, JsValue, prelude::*},
    wasm_bindgen_futures::JsFuture,
};

use super::message::into_error;
use crate::{ports::PortError, protocol::time::UnixSeconds};

/// Runs a statement and reads all its rows.
pub(super) fn rows(sql: &SqlStorage, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
    sql.exec(statement, values)?.raw().map(|row| row.map(Row)).collect()
}

/// How many rows a statement wrote.
pub(super) fn written(cursor: Result<SqlCursor>) -> Result<u32> {
    Ok(u32::try_from(cursor?.rows_written()).unwrap_or(u32::MAX))
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

    /// Sets the alarm, in milliseconds since 1970.
    #[wasm_bindgen(method, catch, js_name = "setAlarm")]
    fn set_alarm(this: &TransactionalStorage, at: f64) -> std::result::Result<Promise, JsValue>;
}

/// Sets the alarm of an object, together with what was stored before without waiting in between. `worker`'s own
/// function does so only when it is waited for, and nobody need wait: a failure is the storage's, which shows
/// elsewhere.
pub(super) fn set_alarm(state: &State, at: UnixSeconds) {
    let storage = state.storage();
    let storage: &TransactionalStorage = storage.as_raw().unchecked_ref();
    #[expect(clippy::cast_precision_loss, reason = "instants are below 2^53 milliseconds")]
    if let Ok(set) = storage.set_alarm(at.0 as f64 * 1000.0) {
        state.wait_until(async { drop(JsFuture::from(set).await) });
    }
}

/// Does some work; if it fails, nothing of it is stored. Not `worker`'s own transaction: that one waits between its
/// steps, and other requests would run there.
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
