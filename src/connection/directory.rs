//! The directory of connections: what is listed of each, and when the sweep must look at it.
//!
//! Decides: the shape of a row and of a page. Leaves to others: the truth, which is each connection's own record; a row
//! may be seconds behind.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    connector_template::{TemplateReply, TemplateRequest},
    key::ConnectionKey,
    rotation::SealedWith,
};
use crate::protocol::{
    page::{Page, PageQuery},
    time::UnixSeconds,
};

/// What the directory knows of one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which one.
    pub key: ConnectionKey,
    /// What the list is sorted by.
    pub name: String,
    /// The public view, without any secret.
    pub view: Value,
    /// When the sweep must look at it.
    pub due: Option<UnixSeconds>,
    /// Which application keys it needs.
    #[serde(default)]
    pub sealed_with: SealedWith,
}

impl Row {
    /// The `fides_key` of the connection's definition.
    #[must_use]
    pub fn instance_key(&self) -> Option<&str> {
        self.view.pointer("/saas_config/fides_key")?.as_str()
    }
}

/// What the directory object is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DirectoryRequest {
    /// See [`crate::ports::Directory::put`].
    Put(Row),
    /// See [`crate::ports::Directory::claim`].
    Claim(Row),
    /// See [`crate::ports::Directory::remove`].
    Remove(ConnectionKey),
    /// See [`crate::ports::Listing::page`].
    Page(PageQuery),
    /// See [`crate::ports::Listing::due`]: the sweep's now, and at most so many.
    Due(UnixSeconds, u32),
    /// See [`crate::ports::Listing::sealed_otherwise`].
    SealedOtherwise(String),
    /// See [`crate::ports::Listing::sealed_with`].
    SealedWith(SealedWith, u32),
    /// See [`crate::ports::Templates`].
    Template(TemplateRequest),
}

/// What the directory object answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DirectoryReply {
    /// Stored.
    Done,
    /// Whether nobody else has its instance key.
    Claimed(bool),
    /// Whether it was listed.
    Removed(bool),
    /// One page.
    Page(Page),
    /// Who is due, or of a set of keys.
    Due(Vec<ConnectionKey>),
    /// How many connections need which keys.
    Counts(Vec<(SealedWith, u32)>),
    /// What the templates say.
    Template(TemplateReply),
}
