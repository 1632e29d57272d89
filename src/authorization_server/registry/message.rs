//! What the registry is asked, and what it answers: what travels between a request and the object.

use serde::{Deserialize, Serialize};

use super::Figures;
use crate::{
    authorization_server::{
        audit::Origin,
        client::{Client, ClientChange, ClientView, Rotation},
    },
    protocol::{
        json_text,
        jwk::JwkSet,
        page::{Page, PageQuery},
        scope::Scope,
        secret::SecretDigest,
        time::{Seconds, UnixSeconds},
    },
};

/// The authenticated API client of a request, as its verified token describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client.
    pub client_id: String,
    /// The client's epoch when the token was issued.
    pub epoch: u64,
    /// The token's id.
    pub jti: String,
    /// The token's scope.
    pub scope: Scope,
    /// The root client lives in the settings, not in the registry.
    pub is_root: bool,
}

/// What the registry is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistryRequest {
    /// Are you there?
    Ping,
    /// With which keys does this client sign its assertions?
    Keys(Attempt),
    /// Are these the credentials of a client? If so, this is what it wants.
    Authenticate(Attempt, Proof, Errand),
    /// Do something on behalf of a caller, if it still may: the caller, the scope that the route requires, the action.
    Act(Caller, String, Action, Origin),
    /// Forget what has expired, and audit rows from before this instant.
    Prune(UnixSeconds),
}

/// Somebody says it is a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// Which one.
    pub client_id: String,
    /// From which network, for its failure budget.
    pub network: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// What an attempt rests on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Proof {
    /// Digest of the presented secret.
    Secret(SecretDigest),
    /// It names the root client; whether its secret was right is known without the registry.
    Root(bool),
    /// An assertion whose signature and claims are good; none, if they are not.
    Assertion(Option<AssertionUse>),
}

/// One use of a client assertion (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionUse {
    /// RFC 7638 thumbprint of the key that signed it: the client must have it still.
    pub thumbprint: String,
    /// What a second use would have too.
    pub replay_key: String,
    /// How long that must be remembered.
    pub marker_until: UnixSeconds,
}

/// What an authenticated client wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Errand {
    /// A token.
    Token,
    /// To know whether a token is active (RFC 7662); none: it is none of ours.
    Introspect(Option<Caller>),
    /// To give up a token until it expires (RFC 7009); none: it is none of ours.
    Revoke(Option<(Caller, UnixSeconds)>),
}

/// What a caller can have done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Nothing: only check the caller.
    Admit,
    /// Register a client.
    Create(#[serde(with = "json_text")] Client),
    /// List clients.
    List(PageQuery),
    /// Read a client.
    Read(String),
    /// Change a client.
    Change(Target, ClientChange),
    /// Give a client a new secret.
    Rotate(Target, Rotation),
    /// Remove a client.
    Delete(Target),
    /// List what was done.
    Audit(PageQuery),
    /// Count what there is.
    Count,
}

impl Action {
    /// The client that it is about.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Read(client_id) => Some(client_id),
            Self::Change(target, _) | Self::Rotate(target, _) | Self::Delete(target) => Some(&target.client_id),
            Self::Admit | Self::Create(_) | Self::List(_) | Self::Audit(_) | Self::Count => None,
        }
    }

    /// Whether it can give a client something, or rule one, for which a caller needs more than the route's own scope.
    #[must_use]
    pub const fn gives_power(&self) -> bool {
        match self {
            Self::Admit | Self::List(_) | Self::Read(_) | Self::Audit(_) | Self::Count => false,
            Self::Create(_) | Self::Change(..) | Self::Rotate(..) | Self::Delete(_) => true,
        }
    }
}

/// A client that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which one.
    pub client_id: String,
    /// `If-Match` (RFC 9110 §13.1.1): only if it is this version still.
    pub if_match: Option<String>,
}

/// What the registry answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RegistryReply {
    /// The credentials are right; what the client holds now.
    Authenticated(Grantee),
    /// The keys of a client; an unknown one has none.
    Keys(#[serde(with = "json_text")] Option<JwkSet>),
    /// The token is active, with this scope.
    Active(Scope),
    /// It is not, or it is not for this client to know.
    Inactive,
    /// The token is another client's.
    NotYours,
    /// The credentials are not right; nobody learns why (checklist T13).
    NotAuthenticated,
    /// 429: they were not even looked at; come back then.
    TooManyFailures(Seconds),
    /// 401: the caller's client is gone or its tokens were revoked.
    TokenUnusable,
    /// 403: the client no longer holds the required scope.
    ScopeLost,
    /// 403: these scopes are not the caller's to give.
    CannotAssign(Scope),
    /// 403: the client holds these scopes, which the caller lacks.
    CannotManage(Scope),
    /// 403: these resources are not the caller's to give or to rule.
    ResourcesNotHeld(Vec<String>),
    /// There is no such client.
    NoSuchClient,
    /// 412: it is another version by now.
    Changed,
    /// Done.
    Done,
    /// A client, and the entity tag of this version.
    Client(#[serde(with = "json_text")] ClientView, String),
    /// One page.
    Page(Page),
    /// How much was forgotten.
    Pruned(u32),
    /// How much there is.
    Figures(Figures),
}

/// What a token is made of, beside what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grantee {
    /// What the client holds now.
    pub scope: Scope,
    /// Its epoch.
    pub epoch: u64,
    /// The resources that it may ask tokens for.
    pub resources: Vec<String>,
}
