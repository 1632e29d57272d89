//! What a connection can be asked, and what it answers: the words between a request and the one object of a key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    fault::Fault, key::ConnectionKey, profile::ProfileInput, refresh::RefreshState, token_exchange::kept::Kept,
};
use crate::protocol::{
    json_text,
    page::{Page, PageQuery},
    secret::SecretDigest,
    time::UnixSeconds,
    validation::Issue,
};

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
    /// Make it of the document of a template, with these secrets. Where it is there already, and may be, do as `Save`,
    /// and replace some of its secrets.
    Make(
        ProfileInput,
        #[serde(with = "json_text")] Option<Value>,
        #[serde(with = "json_text")] Map<String, Value>,
        Former,
    ),
    /// Show it.
    Read,
    /// Forget it, tokens included.
    Delete,
    /// Replace its definition.
    PutDefinition(#[serde(with = "json_text")] Value),
    /// Show its definition.
    ReadDefinition,
    /// Forget its definition.
    DeleteDefinition,
    /// List the definitions that it had.
    ReadHistory,
    /// Show the one of this version that it had last.
    ReadSnapshot(String),
    /// Replace its secrets; the tokens got with the old ones go.
    PutSecrets(#[serde(with = "json_text")] Map<String, Value>),
    /// Replace some of its secrets; the tokens got with the old ones go.
    PatchSecrets(#[serde(with = "json_text")] Map<String, Value>),
    /// Begin an authorization (RFC 6749 §4.1.1); the browser may be sent to this address in the end.
    BeginAuthorization(Option<String>),
    /// Make a connect link; the browser is sent to this address in the end.
    MakeLink(Option<String>),
    /// Say what the connect link with this token is for.
    ReadLink(String),
    /// Use the connect link with this token up: begin an authorization that only the browser with a cookie of this
    /// digest can finish.
    FollowLink(String, SecretDigest),
    /// Finish an authorization (RFC 6749 §4.1.2, §4.1.3).
    CompleteAuthorization(Return),
    /// Give the live access token.
    AccessToken,
    /// Renew the token if it is due.
    RenewIfDue,
    /// Seal anew what another than the present application key has sealed.
    Reseal,
    /// Call the provider's API, to see whether that works.
    Test,
    /// Have the provider revoke its tokens (RFC 7009), and forget them.
    Revoke,
    /// The access token with this SHA-256 in hexadecimal was refused where it was used: give another one.
    Report(String),
    /// List its events.
    ReadEvents(PageQuery),
}

/// What becomes of a connection that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Former {
    /// It is changed.
    Changed,
    /// It stays as it is, and nothing is made.
    InTheWay,
}

/// A return from the provider, and who brings it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Return {
    /// The state, whose MAC is good.
    pub state: String,
    /// What came with it.
    pub outcome: AuthorizationOutcome,
    /// `iss` (RFC 9207 §2).
    pub issuer: Option<String>,
    /// Who brings it.
    pub bearer: Bearer,
}

/// Who brings a return.
#[derive(Clone, Serialize, Deserialize)]
pub enum Bearer {
    /// A browser, with the cookie of the connection if it has one.
    Browser(Option<String>),
    /// A caller with the scope, who owns the redirect URI and knows by itself whose browser it was.
    Caller,
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
    Connection(#[serde(with = "json_text")] Value),
    /// The definition's document, or what its history tells.
    Definition(#[serde(with = "json_text")] Value),
    /// The URL that a person must open.
    AuthorizationUrl(String),
    /// The token of a connect link, and when it expires.
    Link(String, UnixSeconds),
    /// The connection's name and the provider's host.
    LinkOf(String, String),
    /// Authorized; where to send the browser.
    Authorized(Option<String>),
    /// The live token.
    Token(LiveToken),
    /// Done, nothing to show.
    Done,
    /// What the sweep gets.
    Sweep(SweepOutcome),
    /// What a test found.
    Tested(TestOutcome),
    /// What the sweep gets in a rotation of the application key.
    Reseal(ResealOutcome),
    /// The tokens are forgotten; what the provider did about them.
    Withdrawn(Revocation),
    /// It could not be done.
    Refused(Refusal),
    /// One page of its events.
    Events(Page),
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
    /// What was granted, where the provider said it (RFC 6749 §5.1).
    pub scope: Option<String>,
    /// What else of the provider's answer was kept.
    #[serde(with = "json_text")]
    pub kept: Kept,
    /// Where the connection stands.
    pub refresh_state: RefreshState,
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
    /// The provider's circuit breaker is open: it was not asked.
    Paused,
}

/// What a test of a connection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestOutcome {
    /// The provider's API answered as it should.
    Succeeded,
    /// It answered with this HTTP status.
    Status(u16),
    /// It could not be asked, or did not answer.
    Failed(Refusal),
    /// There is nothing yet to test, or no way to.
    Skipped(Refusal),
}

/// What became of one connection of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResealOutcome {
    /// All of it is sealed with the present application key now.
    Resealed,
    /// All of it was before.
    NothingToDo,
    /// Something cannot be opened: its key is missing, or it is damaged. The rest is sealed anew.
    Unopened,
    /// There is no such connection any more.
    Gone,
}

/// What a provider did about tokens that it should revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revocation {
    /// It revoked them, or did not know them.
    Revoked,
    /// There were none.
    NothingHeld,
    /// The definition has no request for it.
    NotOffered,
    /// The stored tokens could not be opened.
    Unopened,
    /// It answered with this HTTP status.
    Status(u16),
    /// It could not be asked, or did not answer.
    Failed(Refusal),
}

/// Why a connection does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such connection.
    NoConnection,
    /// There is one already.
    KeyInUse,
    /// Another connection has this `fides_key`.
    InstanceKeyInUse(String),
    /// It has no definition.
    NoDefinition,
    /// Its definition cannot go while there are secrets.
    SecretsInTheWay,
    /// Its definition has no authentication.
    NoAuthentication,
    /// Its strategy has no authorization URL.
    NotAuthorizationCode,
    /// Its strategy gives no tokens.
    NotOauth,
    /// Secrets that the strategy needs are missing.
    MissingSecrets(Vec<String>),
    /// The document is malformed.
    Invalid(#[serde(with = "json_text")] Vec<Issue>),
    /// The state is unknown, used or expired.
    UnknownState,
    /// The connect link is unknown, used or expired.
    UnknownLink,
    /// The deployment wants authorizations bound to browsers.
    BindingRequired,
    /// The authorization is bound to another browser, or was brought by no browser at all.
    OtherBrowser,
    /// The answer comes from another provider (RFC 9207 §2.4).
    OtherIssuer,
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
