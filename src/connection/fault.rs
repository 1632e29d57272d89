//! Why a provider could not be used, and whose fault that is.
//!
//! Decides: the class of a fault. Leaves to others: reading answers (`token_exchange`), what a class means for a connection
//! (`refresh`).

use serde::{Deserialize, Serialize};

/// Why a provider could not be used. Codes are from the RFCs' registry or ours, never the provider's free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The provider refused, with its error code where it gave one.
    Refused {
        /// `error` of RFC 6749 §5.2.
        error: Option<String>,
    },
    /// The provider takes no more requests for now.
    Busy,
    /// The provider failed (5xx).
    Failed,
    /// No connection, or the connection broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that is no token answer.
    Unreadable,
    /// The definition and the secrets make no request that may be sent.
    NotSendable,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The connection's: its grant is over, and only a person can help.
    Connection,
    /// The operator's: client or definition are wrong, for every connection that has them.
    Integration,
    /// The provider's, for now.
    Provider,
}
