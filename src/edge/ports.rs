//! The ports of a request, over the runtime.

use serde_json::Value;
use worker::{Date, Env};

use super::{
    hop::{self, Class},
    multipart,
};
use crate::{
    authorization_server::registry::{RegistryReply, RegistryRequest},
    connection::{
        breaker::{Admission, Call, Outcome},
        command::{Addressed, Command, Reply},
        directory::{DirectoryReply, DirectoryRequest, Due, Figures, Filter, Row},
        key::ConnectionKey,
        rotation::SealedWith,
        ticks::{Tick, Ticks},
    },
    ports::{Clients, Clock, ConnectionActors, Listing, Multipart, PortError, Templates},
    protocol::{
        page::{Page, PageQuery},
        time::UnixSeconds,
    },
};

/// The outside of a request.
pub(super) struct EdgePorts {
    /// Bindings.
    env: Env,
}

impl EdgePorts {
    /// The ports of this environment.
    pub(super) const fn new(env: Env) -> Self {
        Self { env }
    }

    /// The bindings.
    pub(super) const fn env(&self) -> &Env {
        &self.env
    }
}

impl Clock for EdgePorts {
    fn now(&self) -> UnixSeconds {
        now()
    }
}

impl Clients for EdgePorts {
    async fn ask(&self, request: RegistryRequest) -> Result<RegistryReply, PortError> {
        // The object's own answer is a result as well: its storage may have failed.
        hop::ask::<_, Result<RegistryReply, PortError>>(&self.env, Class::Registry, registry_name(), &request).await?
    }
}

impl ConnectionActors for EdgePorts {
    async fn command(&self, key: &ConnectionKey, command: Command) -> Result<Reply, PortError> {
        let addressed = Addressed { key: key.clone(), command };
        hop::ask_in_time::<_, Result<Reply, PortError>>(&self.env, Class::Connection, connection_name(key), &addressed)
            .await?
    }
}

impl Listing for EdgePorts {
    async fn page(&self, query: PageQuery, filter: Filter) -> Result<Page, PortError> {
        match directory(&self.env, &DirectoryRequest::Page(query, filter)).await? {
            DirectoryReply::Page(page) => Ok(page),
            _ => Err(unexpected()),
        }
    }

    async fn due(&self, now: UnixSeconds, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, PortError> {
        match directory(&self.env, &DirectoryRequest::Due(now, after.cloned(), limit)).await? {
            DirectoryReply::Due(due) => Ok(due),
            _ => Err(unexpected()),
        }
    }

    async fn sealed_otherwise(&self, key_id: &str) -> Result<Vec<(SealedWith, u32)>, PortError> {
        match directory(&self.env, &DirectoryRequest::SealedOtherwise(key_id.to_owned())).await? {
            DirectoryReply::Counts(counts) => Ok(counts),
            _ => Err(unexpected()),
        }
    }

    async fn sealed_with(&self, keys: &SealedWith, limit: u32) -> Result<Vec<ConnectionKey>, PortError> {
        match directory(&self.env, &DirectoryRequest::SealedWith(keys.clone(), limit)).await? {
            DirectoryReply::Keys(keys) => Ok(keys),
            _ => Err(unexpected()),
        }
    }

    async fn ticks(&self) -> Result<Ticks, PortError> {
        match directory(&self.env, &DirectoryRequest::Ticks).await? {
            DirectoryReply::Ticks(ticks) => Ok(ticks),
            _ => Err(unexpected()),
        }
    }

    async fn figures(&self, now: UnixSeconds) -> Result<Figures, PortError> {
        match directory(&self.env, &DirectoryRequest::Figures(now)).await? {
            DirectoryReply::Figures(figures) => Ok(figures),
            _ => Err(unexpected()),
        }
    }

    async fn ticked(&self, tick: Tick) -> Result<(), PortError> {
        match directory(&self.env, &DirectoryRequest::Ticked(tick)).await? {
            DirectoryReply::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }
}

impl Templates for EdgePorts {
    async fn template(&self, kind: &str) -> Result<Option<String>, PortError> {
        match directory(&self.env, &DirectoryRequest::Template(kind.to_owned())).await? {
            DirectoryReply::Template(stored) => Ok(stored),
            _ => Err(unexpected()),
        }
    }

    async fn template_entries(&self) -> Result<Vec<Value>, PortError> {
        match directory(&self.env, &DirectoryRequest::TemplateEntries).await? {
            DirectoryReply::Page(page) => Ok(page.items),
            _ => Err(unexpected()),
        }
    }

    async fn put_template(&self, kind: &str, entry: &Value, stored: &str) -> Result<bool, PortError> {
        whether(&self.env, &DirectoryRequest::PutTemplate(kind.to_owned(), entry.to_string(), stored.to_owned())).await
    }

    async fn remove_template(&self, kind: &str) -> Result<bool, PortError> {
        whether(&self.env, &DirectoryRequest::RemoveTemplate(kind.to_owned())).await
    }
}

impl Multipart for EdgePorts {
    async fn form_fields(&self, content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
        multipart::form_fields(content_type, body).await.ok()
    }
}

/// Stores a row of the directory, for a connection's object; says how many rows of storage that wrote.
pub(super) async fn put(env: &Env, row: Row) -> Result<u32, PortError> {
    match directory(env, &DirectoryRequest::Put(row)).await? {
        DirectoryReply::Rows(written) => Ok(written),
        _ => Err(unexpected()),
    }
}

/// Stores a row of the directory for a connection that is about to be made.
pub(super) async fn claim(env: &Env, row: Row) -> Result<bool, PortError> {
    whether(env, &DirectoryRequest::Claim(row)).await
}

/// Removes a row of the directory, for a connection's object.
pub(super) async fn remove(env: &Env, key: &ConnectionKey) -> Result<bool, PortError> {
    whether(env, &DirectoryRequest::Remove(key.clone())).await
}

/// Asks whether a call may be made, for a connection's object.
pub(super) async fn admit(env: &Env, call: &Call) -> Result<Admission, PortError> {
    match directory(env, &DirectoryRequest::Admit(call.clone())).await? {
        DirectoryReply::Admission(admission) => Ok(admission),
        _ => Err(unexpected()),
    }
}

/// Tells what came of a call, for a connection's object.
pub(super) async fn report(env: &Env, call: &Call, outcome: Outcome) -> Result<(), PortError> {
    match directory(env, &DirectoryRequest::Report(call.clone(), outcome)).await? {
        DirectoryReply::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

/// Asks the directory object for yes or no.
async fn whether(env: &Env, request: &DirectoryRequest) -> Result<bool, PortError> {
    match directory(env, request).await? {
        DirectoryReply::Whether(whether) => Ok(whether),
        _ => Err(unexpected()),
    }
}

/// Asks the directory object. Its own answer is a result as well: its storage may have failed.
async fn directory(env: &Env, request: &DirectoryRequest) -> Result<DirectoryReply, PortError> {
    hop::ask::<_, Result<DirectoryReply, PortError>>(env, Class::Directory, directory_name(), request).await?
}

/// A reply that does not belong to its request. It is not shown: it may hold what no log may hold.
fn unexpected() -> PortError {
    PortError("unexpected reply of the directory".to_owned())
}

/// The runtime's clock.
pub(super) fn now() -> UnixSeconds {
    UnixSeconds(Date::now().as_millis() / 1000)
}

/// The object that holds all clients. One function, so that it can be split by client id without touching a caller.
const fn registry_name() -> &'static str {
    "registry"
}

/// The object of a connection.
fn connection_name(key: &ConnectionKey) -> &str {
    key.as_str()
}

/// The object that lists all connections. One function, so that it can be split by key without touching a caller.
const fn directory_name() -> &'static str {
    "directory"
}
