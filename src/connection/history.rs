//! What a connection's definition was before: a snapshot each time that one was saved.
//!
//! Decides: what is kept of each, and how many. Leaves to others: storing them; they are not read when the object wakes
//! up.

use serde_json::{Value, json};

use super::definition::shown;
use crate::protocol::time::UnixSeconds;

/// Most snapshots of one connection: beyond that the oldest go.
pub const SNAPSHOT_LIMIT: u32 = 50;

/// One snapshot, less its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Random, 32 hexadecimal digits.
    pub id: String,
    /// `version` of the document.
    pub version: String,
    /// When it was saved.
    pub created_at: UnixSeconds,
}

impl Label {
    /// As it is listed.
    #[must_use]
    pub fn view(&self) -> Value {
        json!({ "id": self.id, "version": self.version, "created_at": self.created_at.to_rfc3339() })
    }

    /// With its document, as that is shown today. There are no datasets here.
    #[must_use]
    pub fn detail(&self, document: Value) -> Value {
        let (id, version) = (&self.id, &self.version);
        let created_at = self.created_at.to_rfc3339();
        json!({ "id": id, "version": version, "created_at": created_at, "config": shown(document), "dataset": null })
    }
}
