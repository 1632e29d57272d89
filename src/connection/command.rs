//! What a connection can be asked, and what it answers: the words between a request and the one object of a key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{key::ConnectionKey, record::ProfileInput, refresh::Fault};
use crate::protocol::{time::UnixSeconds, validation::Issue};

/// A command, addressed: the object does not always know its own name.
#[derive(Serialize, Deserialize)]
pub struct Addressed {
    /// The connection.
    pub key: ConnectionKey,
    /// What it is asked.
    pub command: Command,
}

/// What a connection can be asked. No `Debug`: some commands carry secrets.
#[derive(Clone, Serialize, Deserialize)]
pub enum Command {
    /// Create it, or change what the operator says about it.
    Save(ProfileInput),
    /// Show it.
    Read,
    /// Forget it, tokens included.
    Delete,
    /// Replace its definition.
    PutDefinition(Value),
    /// Show its definition.
    ReadDefinition,
    /// Replace its secrets; the tokens got with the old ones go.
    PutSecrets(Map<String, Value>),
    /// Replace some of its secrets; the tokens got with the old ones go.
    PatchSecrets(Map<String, Value>),
    /// Begin an authorization (RFC 6749 §4.1.1).
    BeginAuthorization,
    /// Finish one with what the provider sent to the callback (RFC 6749 §4.1.2, §4.1.3).
    CompleteAuthorization {
        /// The state, whose MAC is good.
        state: String,
        /// What came with it.
        outcome: AuthorizationOutcome,
    },
    /// Give the live access token.
    AccessToken,
    /// Renew the token if it is due.
    RenewIfDue,
}

/// What a provider sent back through the browser.
#[derive(Clone, Serialize, Deserialize)]
pub enum AuthorizationOutcome {
    /// `code`.
    Code(String),
    /// `error` (RFC 6749 §4.1.2.1), one of the registered codes.
    Refused(String),
}

/// What a connection answers. No `Debug`: some replies carry secrets.
#[derive(Clone, Serialize, Deserialize)]
pub enum Reply {
    /// The connection as the API shows it.
    Connection(Value),
    /// The definition's document.
    Definition(Value),
    /// The URL that a person must open.
    AuthorizationUrl(String),
    /// The live token.
    Token(LiveToken),
    /// Done, nothing to show.
    Done,
    /// What the sweep gets.
    Sweep(SweepOutcome),
    /// It could not be done.
    Refused(Refusal),
}

/// A token that can be used now.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveToken {
    /// The provider's access token.
    pub access_token: String,
    /// Its type.
    pub token_type: String,
    /// When it expires.
    pub expires_at: UnixSeconds,
}

impl std::fmt::Debug for LiveToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LiveToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What became of one connection of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SweepOutcome {
    /// It has a new token.
    Renewed,
    /// It was not due after all.
    NotDue,
    /// The provider failed; it is tried again later.
    Failed,
    /// Only a person can help.
    NeedsAuthorization,
    /// There is no such connection any more.
    Gone,
}

/// Why a connection does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such connection.
    NoConnection,
    /// It has no definition.
    NoDefinition,
    /// Its definition has no authentication.
    NoAuthentication,
    /// Its strategy has no authorization URL.
    NotAuthorizationCode,
    /// Its strategy gives no tokens.
    NotOauth,
    /// Secrets that the strategy needs are missing.
    MissingSecrets(Vec<String>),
    /// The document is malformed.
    Invalid(Vec<Issue>),
    /// The state is unknown, used or expired.
    UnknownState,
    /// The person, or the provider, refused the authorization; a code of RFC 6749 §4.1.2.1.
    AuthorizationRefused(String),
    /// The provider refused the code, with its error code where it gave one.
    CodeRefused(Option<String>),
    /// A request cannot be made of definition and secrets; says which placeholder or host.
    NotSendable(String),
    /// The provider failed.
    Provider(Fault),
    /// Only a person can help.
    NeedsAuthorization,
}
