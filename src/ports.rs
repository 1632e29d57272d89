//! All that Postern needs from outside, on one page.
//!
//! Absent is `Ok(None)`, broken is `Err(PortError)`. Not ports: configuration, logging (values are returned, the edge
//! prints them), signing keys, providers (data in a definition). Random bytes are no port either: one function asks the
//! platform for them ([`random`]), and decisions take them as arguments.
#![expect(async_fn_in_trait, reason = "one thread: a Worker's futures are never sent to another")]

use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    authorization_server::{
        audit::AuditEntry,
        client::Client,
        registry::{self, RegistryReply, RegistryRequest},
    },
    connection::{
        actor::renewal::RefreshLine,
        breaker::{Admission, Call, Outcome},
        command::{Command, Reply},
        directory::{Due, Figures, Filter, Row},
        history::Label,
        key::ConnectionKey,
        rotation::SealedWith,
        ticks::{Tick, Ticks},
    },
    protocol::{
        field_name::FieldName,
        json::Unreadable,
        jwk::Jwk,
        page::{Page, PageQuery},
        secret::SecretText,
        time::UnixSeconds,
    },
};

/// A part of the service that did not answer, or answered nonsense: 503 to the caller, the cause to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

impl PortError {
    /// Stored JSON that cannot be read: where and how, never what, since serde's own words quote the text.
    #[must_use]
    pub fn unreadable(what: &str, error: &Unreadable) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// What time it is.
pub trait Clock {
    /// Now.
    fn now(&self) -> UnixSeconds;
}

/// The client registry, seen from a request: one object request.
pub trait Clients {
    /// Asks the single writer of all clients.
    async fn ask(&self, request: RegistryRequest) -> Result<RegistryReply, PortError>;
}

/// Clients in the storage of the registry, seen from inside its object.
pub trait ClientStore {
    /// The client of an id.
    fn find(&self, client_id: &str) -> Result<Option<Client>, PortError>;
    /// Stores a client that is not there yet.
    fn insert(&self, client: &Client) -> Result<(), PortError>;
    /// Replaces a client that is there.
    fn update(&self, client: &Client) -> Result<(), PortError>;
    /// Removes a client; removing nobody is no error.
    fn remove(&self, client_id: &str) -> Result<(), PortError>;
    /// One page, newest first, and how many there are in all.
    fn page(&self, query: PageQuery) -> Result<(Vec<Client>, u32), PortError>;
}

/// The audit log in the same storage.
pub trait AuditStore {
    /// Stores a row; gives its id, which is greater than all before it.
    fn append(&self, entry: &AuditEntry) -> Result<u64, PortError>;
    /// Replaces a row; replacing one that is gone is no error.
    fn rewrite(&self, row: u64, entry: &AuditEntry) -> Result<(), PortError>;
    /// One page of what is shown of rows, newest first.
    fn audit_page(&self, query: PageQuery) -> Result<Page, PortError>;
}

/// Marks in the same storage: keys that mean something until an instant.
pub trait MarkStore {
    /// Sets a mark; false when it is set already, and not over.
    fn mark(&self, mark: Mark, key: &str, until: UnixSeconds, now: UnixSeconds) -> Result<bool, PortError>;
    /// Until when a mark is set, over or not.
    fn marked_until(&self, mark: Mark, key: &str) -> Result<Option<UnixSeconds>, PortError>;
    /// Whether there is any mark of a kind.
    fn is_any(&self, mark: Mark) -> Result<bool, PortError>;
    /// Marks of a kind, the ones that last longest first, at most so many.
    fn marks(&self, mark: Mark, limit: u32) -> Result<Vec<(String, UnixSeconds)>, PortError>;
}

/// What a mark means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The token of this `jti` was revoked.
    RevokedToken,
    /// This client assertion was used.
    UsedAssertion,
    /// This failure budget is spent.
    SpentBudget,
}

/// The whole storage of the registry.
pub trait RegistryStore: ClientStore + AuditStore + MarkStore {
    /// Does some work; if it fails, nothing of it is stored.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<(), PortError>) -> Result<(), PortError>;
    /// Removes marks that are over and audit rows from before an instant, some at a time; says how many.
    fn prune(&self, now: UnixSeconds, audit_before: UnixSeconds) -> Result<u32, PortError>;
    /// How much there is, without what is over.
    fn figures(&self, now: UnixSeconds) -> Result<registry::Figures, PortError>;
}

/// The connections, seen from a request or from the sweep: one object request.
pub trait ConnectionActors {
    /// Has the one object of a key carry out a command.
    async fn command(&self, key: &ConnectionKey, command: Command) -> Result<Reply, PortError>;
}

/// Storage of one connection, seen from inside its object: named JSON texts.
pub trait RecordStore {
    /// All parts; none of them when nothing was ever stored.
    fn read(&self) -> Result<Vec<(String, String)>, PortError>;
    /// Stores parts, all or none; says how many rows that wrote.
    fn write(&self, parts: &[(&'static str, String)]) -> Result<u32, PortError>;
    /// Forgets everything, snapshots and events included.
    fn clear(&self) -> Result<(), PortError>;
}

/// Former definitions of one connection, in the same storage.
pub trait HistoryStore {
    /// Stores parts, and a snapshot of a document with its label: all or nothing. Only the newest
    /// [`SNAPSHOT_LIMIT`](crate::connection::history::SNAPSHOT_LIMIT) snapshots stay.
    fn write_with_snapshot(
        &self,
        parts: &[(&'static str, String)],
        label: &Label,
        document: &str,
    ) -> Result<u32, PortError>;
    /// What there is, newest first.
    fn snapshots(&self) -> Result<Vec<Label>, PortError>;
    /// The newest snapshot of a version.
    fn snapshot(&self, version: &str) -> Result<Option<(Label, String)>, PortError>;
}

/// Events of one connection, in the same storage: texts, numbered from 1.
pub trait EventStore {
    /// Does a write, and adds an event with the number after the newest: all or nothing. Only the newest
    /// [`EVENT_LIMIT`](crate::connection::event::EVENT_LIMIT) events stay. Says how many rows all of that wrote.
    fn write_with_event(
        &self,
        write: &mut dyn FnMut() -> Result<u32, PortError>,
        number: u64,
        event: &str,
    ) -> Result<u32, PortError>;
    /// At most so many events up to a number, newest first.
    fn events(&self, newest: u64, limit: u32) -> Result<Vec<String>, PortError>;
}

/// The directory of connections, seen from a connection.
pub trait Directory {
    /// Stores what is to be listed of a connection. Says how many rows that wrote: that of the table and one of each
    /// index whose column has changed; none where nothing has.
    async fn put(&self, row: Row) -> Result<u32, PortError>;
    /// Stores what is to be listed of a connection that is about to be made, unless another one has its instance key;
    /// says whether it did.
    async fn claim(&self, row: Row) -> Result<bool, PortError>;
    /// Forgets a connection; says whether it was listed.
    async fn remove(&self, key: &ConnectionKey) -> Result<bool, PortError>;
}

/// The circuit breakers of all connections, seen from one.
pub trait Breakers {
    /// Whether a call may be made.
    async fn admit(&self, call: &Call) -> Result<Admission, PortError>;
    /// Tells what came of a call that was admitted; of one that worked only where it was watched.
    async fn report(&self, call: &Call, outcome: Outcome) -> Result<(), PortError>;
}

/// The directory of connections, seen from a request or from the sweep.
pub trait Listing {
    /// One page of those connections that a filter admits, by name.
    async fn page(&self, query: PageQuery, filter: Filter) -> Result<Page, PortError>;
    /// At most `limit` connections that are due, the longest due first; only those after a place in that order.
    async fn due(&self, now: UnixSeconds, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, PortError>;
    /// How many connections need which application keys; without those that need this one alone, however many.
    async fn sealed_otherwise(&self, key_id: &str) -> Result<Vec<(SealedWith, u32)>, PortError>;
    /// At most `limit` connections that need exactly these keys, any of them: not always the same.
    async fn sealed_with(&self, keys: &SealedWith, limit: u32) -> Result<Vec<ConnectionKey>, PortError>;
    /// What all ticks of the sweep did.
    async fn ticks(&self) -> Result<Ticks, PortError>;
    /// Adds a tick: one row written.
    async fn ticked(&self, tick: Tick) -> Result<(), PortError>;
    /// How much there is. Looks at every row: for a monitor.
    async fn figures(&self, now: UnixSeconds) -> Result<Figures, PortError>;
}

/// The registered connector templates, seen from a request.
pub trait Templates {
    /// The stored form of the template of a type.
    async fn template(&self, kind: &str) -> Result<Option<String>, PortError>;
    /// What is listed of each, by type.
    async fn template_entries(&self) -> Result<Vec<Value>, PortError>;
    /// Stores a template in place of an earlier one of its type, and what is listed of it; false when there are too
    /// many.
    async fn put_template(&self, kind: &str, entry: &Value, stored: &str) -> Result<bool, PortError>;
    /// Forgets the template of a type; says whether there was one.
    async fn remove_template(&self, kind: &str) -> Result<bool, PortError>;
}

/// Copies of templates where reading is fast and may be late. A copy that is not there says nothing.
pub trait TemplateCopies {
    /// The copy of a type.
    async fn copy(&self, kind: &str) -> Result<Option<String>, PortError>;
    /// Stores a copy; it may be gone at any time.
    async fn put_copy(&self, kind: &str, copy: &str) -> Result<(), PortError>;
    /// Forgets the copy of a type.
    async fn remove_copy(&self, kind: &str) -> Result<(), PortError>;
}

/// Signatures, by the platform's own code: in ours Ed25519 takes three times as long, and P-256 would weigh more than
/// all of the authorization server.
pub trait Signatures {
    /// Whether this key signed this message; `false` also for a key that is none (a point off its curve).
    async fn verifies(&self, key: &Jwk, message: &[u8], signature: &[u8; 64]) -> Result<bool, PortError>;
    /// The public half of the Ed25519 key of a seed (RFC 8032 §5.1.5).
    async fn public_key(&self, seed: &[u8; 32]) -> Result<Jwk, PortError>;
    /// The signature by the Ed25519 key of a seed (RFC 8032 §5.1.6).
    async fn sign(&self, seed: &[u8; 32], message: &[u8]) -> Result<[u8; 64], PortError>;
}

/// The platform's parser of `multipart/form-data` (RFC 7578).
pub trait Multipart {
    /// The fields of a body whose size the caller has bounded, in order, at least one more than a form may have; a file
    /// as an empty text. None when it is no such form.
    async fn form_fields(&self, content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>>;
}

/// Work that goes on when the request that began it has been answered or given up.
pub trait Background {
    /// Runs a future to its end, and prints what it says.
    fn spawn(&self, future: LocalBoxFuture<'static, Option<RefreshLine>>);
}

/// The alarm clock of one connection.
pub trait Alarm {
    /// Has the connection woken at an instant, instead of any earlier one. Nobody is told when that fails: the sweep
    /// comes in any case.
    fn set_alarm(&self, at: UnixSeconds);
}

/// The way to providers: redirects are not followed, time and size are bounded.
pub trait ProviderHttp {
    /// Sends a request whose URL was checked.
    async fn send(&self, request: ProviderRequest) -> Result<ProviderResponse, ProviderFailure>;
}

/// Why a provider gave no answer. The same words whatever stands behind them (checklist S15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderFailure {
    /// No connection, or it broke.
    Unreachable,
    /// No complete answer in time.
    TimedOut,
    /// More than [`PROVIDER_ANSWER_LIMIT`]; with this HTTP status.
    TooLarge(u16),
}

/// A request to a provider, complete: what is sent is exactly this.
#[derive(Clone)]
pub struct ProviderRequest {
    /// The method, upper case.
    pub method: http::Method,
    /// Where to; checked by `connection::outbound` before anything is sent.
    pub url: Url,
    /// Header fields in order; values may be secret.
    pub headers: Vec<(FieldName, SecretText)>,
    /// The body, if any.
    pub body: Option<SecretText>,
}

/// Without the query, which some providers want secrets in (checklist L7), and without values.
impl std::fmt::Debug for ProviderRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = format!("{}://{}{}", self.url.scheme(), self.url.authority(), self.url.path());
        formatter
            .debug_struct("ProviderRequest")
            .field("method", &self.method)
            .field("to", &target)
            .finish_non_exhaustive()
    }
}

/// What a provider answered: read up to the size cap, redirects not followed.
#[derive(Clone)]
pub struct ProviderResponse {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// `Retry-After`; none where it is longer than [`RETRY_AFTER_LIMIT`].
    pub retry_after: Option<RetryAfter>,
    /// The body: at most [`PROVIDER_ANSWER_LIMIT`] bytes.
    pub body: Vec<u8>,
}

/// A header that names seconds or a date.
#[derive(Clone)]
pub struct RetryAfter {
    /// As sent.
    pub text: String,
    /// What the platform takes it for, if it were a date; 0 where it is none, or one before 1970. It is not strict.
    pub date: UnixSeconds,
}

/// Most bytes read of a provider's answer (checklist K15: 256 KiB).
pub const PROVIDER_ANSWER_LIMIT: usize = 256 * 1024;

/// Longest `Retry-After` that is read, in bytes: a date takes 29, or 33 in the longest of its old forms.
pub const RETRY_AFTER_LIMIT: usize = 64;

/// Random bytes from the platform's generator, for values that the domain takes as arguments.
///
/// # Errors
/// 503 when the platform gives none.
pub fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], PortError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| PortError(format!("no randomness: {error}")))?;
    Ok(bytes)
}
