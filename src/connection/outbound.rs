//! Whom we may send a request to.
//!
//! Decides: whether a URL may be fetched or handed to a browser as a provider's address: https, port 443, a public DNS
//! name that is not ours and, where there are lists, on each of them. The check is made on the parsed URL, never on
//! text, so that every spelling of an address is judged as what it is.
//!
//! Leaves to others: names that resolve to private addresses (S7: a Worker cannot pin the address; the platform's
//! `global_fetch_strictly_public` and the lists of hosts are the defence), redirects and size (`edge`).

use thiserror::Error;
use url::{Host, Url};

use crate::{
    config::Settings,
    protocol::host::{HostList, is_below, is_dns_name},
};

/// Names that never mean a public host, themselves and everything below them (RFC 6761, RFC 6762, RFC 8375, ICANN's
/// reservation of `internal`).
const RESERVED: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// What a deployment allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// Development: loopback may be spoken to, with http and on any port too.
    pub allow_loopback: bool,
    /// The host that serves us, as in `PUBLIC_URL`, with its port if it has one: never spoken to (S13).
    pub own_host: Option<String>,
    /// `ALLOWED_HOSTS`.
    pub allowed_hosts: HostList,
}

impl OutboundPolicy {
    /// Whom this deployment may talk to.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            allow_loopback: settings.allow_loopback_providers,
            own_host: Some(settings.public_url.authority().to_owned()),
            allowed_hosts: settings.allowed_hosts.clone(),
        }
    }
}

/// Why a URL may not be used. No variant says anything about the network (S15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OutboundProblem {
    /// Something else than https.
    #[error("the URL must use https")]
    Scheme,
    /// User name or password in the URL.
    #[error("the URL must not hold a user name or password")]
    UserInfo,
    /// A fragment.
    #[error("the URL must not have a fragment")]
    Fragment,
    /// Another port than 443: Workers ignore it in production, so that the request would go elsewhere (S9).
    #[error("the URL must not name a port other than 443")]
    Port,
    /// A literal IP address.
    #[error("the host must be a name, not an address")]
    LiteralAddress,
    /// A name that is not public, or not a name.
    #[error("the host must be a public name")]
    NotPublic,
    /// Our own host.
    #[error("the host must not be this service itself")]
    OwnHost,
    /// Not on the list.
    #[error("the host is not on the list of allowed hosts")]
    NotAllowed,
}

/// Whether a request may go to this URL. Its host must be allowed by the deployment's list and by the connector's;
/// loopback, where it is allowed, need not be on any.
///
/// # Errors
///
/// The first [`OutboundProblem`] (422 when a definition or secret is saved, 502 before a request).
pub fn check(url: &Url, policy: &OutboundPolicy, connector: &HostList) -> Result<(), OutboundProblem> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundProblem::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(OutboundProblem::Fragment);
    }
    if policy.allow_loopback && matches!(url.scheme(), "http" | "https") && is_loopback(url) {
        return if is_own_loopback(url, policy) { Err(OutboundProblem::OwnHost) } else { Ok(()) };
    }
    if url.scheme() != "https" {
        return Err(OutboundProblem::Scheme);
    }
    let name = match url.host() {
        Some(Host::Domain(name)) => name,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(OutboundProblem::LiteralAddress),
        None => return Err(OutboundProblem::NotPublic),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_public_name(name) {
        return Err(OutboundProblem::NotPublic);
    }
    // The parser drops 443, the port that https has anyway.
    if url.port().is_some() {
        return Err(OutboundProblem::Port);
    }
    if is_ours(name, policy) {
        return Err(OutboundProblem::OwnHost);
    }
    if policy.allowed_hosts.allows(name) && connector.allows(name) { Ok(()) } else { Err(OutboundProblem::NotAllowed) }
}

/// Whether a name has several labels and is not reserved for something that is not public.
fn is_public_name(name: &str) -> bool {
    is_dns_name(name)
        && name.contains('.')
        && !RESERVED.iter().any(|reserved| name == *reserved || is_below(name, reserved))
}

/// Whether a URL's host is `localhost` or a literal loopback address.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Our own host as a URL, to be compared after parsing; the scheme does not matter.
fn own_url(policy: &OutboundPolicy) -> Option<Url> {
    let host = policy.own_host.as_deref()?;
    Url::parse(&format!("http://{host}/")).ok()
}

/// Whether a loopback URL leads back to us: the names of loopback are one host, the port tells.
fn is_own_loopback(url: &Url, policy: &OutboundPolicy) -> bool {
    own_url(policy).is_some_and(|own| is_loopback(&own) && own.port_or_known_default() == url.port_or_known_default())
}

/// Whether a name is our own host, or on `workers.dev` one of the same account.
fn is_ours(name: &str, policy: &OutboundPolicy) -> bool {
    let Some(own) = own_url(policy) else {
        return false;
    };
    let own = own.host_str().unwrap_or_default();
    let own = own.strip_suffix('.').unwrap_or(own);
    let account = own.split_once('.').map(|(_, account)| account).filter(|account| is_below(account, "workers.dev"));
    name == own || account.is_some_and(|account| name == account || is_below(name, account))
}

#[cfg(test)]
mod tests;
