//! Messages between a request and the objects, as bytes: a version, then the members in order, without their names
//! (`postcard`). Names would need a reader of names for each type, a tenth of the module.
//!
//! Decides: the form of messages. Leaves to others: how they travel. What is stored has another form, JSON.
//!
//! Two versions of the Worker may meet for a moment while a new one is deployed. They do not understand each other
//! where `VERSION` differs, and say so; hence it must grow with every change of a message but a new last variant.

#[cfg(test)]
mod tests;

use serde::{Serialize, de::DeserializeOwned};

use crate::ports::PortError;

/// What the bytes begin with. JSON, which came before it, never begins so.
const VERSION: u8 = 2;

/// The bytes of a message.
///
/// # Errors
/// 503: it has a part that cannot be written.
pub fn write<Message: Serialize>(message: &Message) -> Result<Vec<u8>, PortError> {
    postcard::to_extend(message, vec![VERSION]).map_err(|_| PortError("message: cannot be written".to_owned()))
}

/// The message of some bytes.
///
/// # Errors
/// 503: it is none of this version. Never says what is in it.
pub fn read<Message: DeserializeOwned>(bytes: &[u8]) -> Result<Message, PortError> {
    let message = match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::take_from_bytes(rest).ok(),
        _ => None,
    };
    match message {
        Some((message, [])) => Ok(message),
        _ => Err(PortError("message: unreadable".to_owned())),
    }
}
