//! The directory of connections: what is listed of each, and when the sweep must look at it.
//!
//! Decides: the shape of a row and of a page. Leaves to others: the truth, which is each connection's own record; a row
//! may be seconds behind.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    breaker::{Admission, Call, Outcome},
    key::ConnectionKey,
    rotation::SealedWith,
    ticks::{Tick, Ticks},
};
use crate::protocol::{
    json_text,
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
    #[serde(with = "json_text")]
    pub view: Value,
    /// When the sweep must look at it.
    pub due: Option<UnixSeconds>,
    /// Which application keys it needs.
    pub sealed_with: SealedWith,
}

impl Row {
    /// The `fides_key` of the connection's definition.
    #[must_use]
    pub fn instance_key(&self) -> Option<&str> {
        self.view.pointer("/saas_config/fides_key")?.as_str()
    }
}

/// A connection that is due, and since when: a place in the order in which they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Due {
    /// Since when.
    pub at: UnixSeconds,
    /// Which one.
    pub key: ConnectionKey,
}

/// Which connections are listed; the default lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Part of key, name or description; without regard to the case of ASCII letters. Empty: whatever they are.
    pub search: String,
    /// Switched off, or not.
    pub disabled: Option<bool>,
    /// What the last test found.
    pub tested: Option<Tested>,
    /// One of these is its connection type or its SaaS type. None at all: whatever they are.
    pub kinds: Vec<String>,
}

/// What the last test of a connection found. The numbers are those of the directory's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tested {
    /// It failed.
    Failed = 0,
    /// It succeeded.
    Passed = 1,
    /// There was none.
    Untested = 2,
}

impl Filter {
    /// Longest `search`, in characters.
    pub const SEARCH_LIMIT: usize = 256;
}

/// How much the directory holds, for a monitor.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Connections by `refresh.state` of their views; empty: they get no tokens.
    pub states: Vec<(String, u32)>,
    /// Connections that are due now.
    pub due: u32,
    /// Circuit breakers that are open now: of providers, of integrations.
    pub open_breakers: [u32; 2],
    /// What ticks of the sweep did.
    pub ticks: Ticks,
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
    Page(PageQuery, Filter),
    /// See [`crate::ports::Listing::due`]: the sweep's now, after whom, and at most so many.
    Due(UnixSeconds, Option<Due>, u32),
    /// See [`crate::ports::Listing::sealed_otherwise`].
    SealedOtherwise(String),
    /// See [`crate::ports::Listing::sealed_with`].
    SealedWith(SealedWith, u32),
    /// See [`crate::ports::Templates::template`].
    Template(String),
    /// See [`crate::ports::Templates::template_entries`].
    TemplateEntries,
    /// See [`crate::ports::Templates::put_template`]: the type, what is listed, the stored form.
    PutTemplate(String, String, String),
    /// See [`crate::ports::Templates::remove_template`].
    RemoveTemplate(String),
    /// See [`crate::ports::Breakers::admit`].
    Admit(Call),
    /// See [`crate::ports::Breakers::report`].
    Report(Call, Outcome),
    /// See [`crate::ports::Listing::ticks`].
    Ticks,
    /// See [`crate::ports::Listing::ticked`].
    Ticked(Tick),
    /// See [`crate::ports::Listing::figures`].
    Figures(UnixSeconds),
}

/// What the directory object answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DirectoryReply {
    /// Stored.
    Done,
    /// Whether it was done, or there was something to be done.
    Whether(bool),
    /// One page, or all there is of a list.
    Page(Page),
    /// Some connections.
    Keys(Vec<ConnectionKey>),
    /// How many connections need which keys.
    Counts(Vec<(SealedWith, u32)>),
    /// The stored form of a template.
    Template(Option<String>),
    /// Whether a call may be made.
    Admission(Admission),
    /// Who is due.
    Due(Vec<Due>),
    /// How many rows of storage were written.
    Rows(u32),
    /// What ticks did.
    Ticks(Ticks),
    /// How much there is.
    Figures(Figures),
}

#[cfg(test)]
impl Filter {
    /// The same in memory as the directory's statement has it.
    pub(crate) fn admits(&self, row: &Row) -> bool {
        let text = |pointer: &str| row.view.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let words = format!("{}\n{}\n{}", row.key, text("/name"), text("/description")).to_ascii_lowercase();
        let tested = match row.view["last_test_succeeded"].as_bool() {
            None => Tested::Untested,
            Some(true) => Tested::Passed,
            Some(false) => Tested::Failed,
        };
        let kinds = [text("/connection_type"), text("/saas_config/type")];
        words.contains(&self.search.to_ascii_lowercase())
            && self.disabled.is_none_or(|disabled| row.view["disabled"] == disabled)
            && self.tested.is_none_or(|wanted| wanted == tested)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kinds.contains(kind)))
    }
}
