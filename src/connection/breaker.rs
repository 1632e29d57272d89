//! Circuit breakers: what failed for one connection is not tried for each of the others.
//!
//! A call for new tokens stands under two of them: its provider's, and its integration's, which is a client at a token
//! endpoint as a definition describes it. What an event makes of each:
//!
//! | The breaker                      | A connection asks                        | Its call failed            | worked |
//! |----------------------------------|------------------------------------------|----------------------------|--------|
//! | none                             | goes; nothing is stored                  | counts 1, or opens         | none   |
//! | counts                           | goes, watched                            | counts on, or opens; not   | closes |
//! |                                  |                                          | twice in a row for one     |        |
//! | open                             | waits                                    | stays: it began before     | closes |
//! | open, its time is over           | goes, watched, as the only one for 30 s; | opens for longer           | closes |
//! |                                  | who failed last comes 30 s later         |                            |        |
//! | somebody has gone to try         | waits                                    | opens for longer, if it is | closes |
//! |                                  |                                          | his; else stays            |        |
//! | open for longer than is possible | as if its time were over                 | opens for longer           | closes |
//!
//! A provider's opens with the fifth failure in a row, of which no two in a row are of the same connection: one broken
//! connection has a back-off of its own, and must not stop the others. An integration's opens at once: who is refused
//! is the client, not the connection.
//!
//! Decides: who may call, and what is stored after it. Leaves to others: storing (the directory's object), what waiting
//! means for a connection and its own jitter (`refresh`). A breaker is a convenience: who cannot ask for it goes.

use hmac::Mac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{fault::Fault, key::ConnectionKey, mac::keyed};
use crate::{
    config::ApplicationKey,
    protocol::{
        secret::{SecretText, hex},
        time::{Seconds, UnixSeconds},
    },
};

/// Most breakers that are stored; beyond, none is added.
pub const BREAKER_LIMIT: u32 = 10_000;

/// How long a breaker is kept that is over; it is forgotten when another one is added.
pub const BREAKER_RETENTION: Seconds = Seconds(86_400);

/// How long somebody may take to try: longer than a provider may take to answer.
const TRIAL: Seconds = Seconds(30);

/// The secrets that a provider knows a client by.
const CREDENTIALS: [&str; 3] = ["client_id", "client_secret", "provider_credentials"];

/// Who is about to call, and whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Whose tokens are to be had.
    pub connection: ConnectionKey,
    /// Host and port of the token endpoint.
    pub provider: String,
    /// What names the client there, see [`integration`].
    pub integration: String,
}

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// It may.
    Go {
        /// Whether there is a breaker that must be told when the call works.
        watched: bool,
    },
    /// It must wait.
    Wait {
        /// Not before this instant.
        until: UnixSeconds,
        /// What went wrong before.
        fault: Fault,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The provider answered and took the client, whatever it said of this one connection.
    Worked,
    /// The provider failed.
    ProviderFailed(Fault),
    /// The provider answered, and refused the client or what its definition says.
    CredentialsRefused(Fault),
}

/// One breaker, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that counted.
    pub failures: u32,
    /// Whose call failed last, or who has gone to try.
    pub last_connection: ConnectionKey,
    /// Where it is open: until when. Where it counts: since when.
    pub until: UnixSeconds,
    /// What went wrong last.
    pub fault: Fault,
}

/// What becomes of a stored breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It becomes this one.
    Put(Breaker),
    /// It goes.
    Remove,
}

/// When breakers of a kind open, and for how long.
#[derive(Debug)]
pub struct Kind {
    /// What their names begin with.
    pub prefix: &'static str,
    /// The failure that opens one.
    pub threshold: u32,
    /// How long it is open first; doubles each time.
    first: Seconds,
    /// How long it is open at most.
    longest: Seconds,
}

/// A provider's: shorter than the default lead of ten minutes, so that an outage that ends costs nobody a token.
pub const PROVIDER: Kind = Kind { prefix: "provider:", threshold: 5, first: Seconds(30), longest: Seconds(300) };

/// An integration's: always as long, so that what the operator mends at the provider works again soon for all.
pub const INTEGRATION: Kind =
    Kind { prefix: "integration:", threshold: 1, first: Seconds(1_800), longest: Seconds(1_800) };

impl Kind {
    /// How many failures there are after one more; none where this one does not count.
    fn failures(&self, former: Option<&Breaker>, connection: &ConnectionKey, now: UnixSeconds) -> Option<u32> {
        let Some(former) = former else { return Some(1) };
        let is_last = former.last_connection == *connection;
        let is_open = former.failures >= self.threshold;
        let counts = if is_open { is_last || !self.binds(former.until, now) } else { !is_last };
        counts.then(|| former.failures.saturating_add(1))
    }

    /// Until when a breaker is open after so many failures: up to a quarter less than what is due, by a random byte.
    fn until(&self, failures: u32, now: UnixSeconds, jitter: u8) -> UnixSeconds {
        let Some(doublings) = failures.checked_sub(self.threshold) else { return now };
        let span = (self.first.0 << doublings.min(16)).min(self.longest.0);
        now.plus(Seconds(span - span * u64::from(jitter) / 1024))
    }

    /// Whether an instant is ahead, and not further than can be: a clock that was set back stops nobody.
    fn binds(&self, until: UnixSeconds, now: UnixSeconds) -> bool {
        now < until && until.since(now).0 <= self.longest.0 + TRIAL.0
    }

    /// Until when a breaker makes a connection wait, if it does.
    fn wait(&self, breaker: &Breaker, connection: &ConnectionKey, now: UnixSeconds) -> Option<UnixSeconds> {
        let turn = if breaker.last_connection == *connection { TRIAL } else { Seconds(0) };
        let until = breaker.until.plus(turn);
        (breaker.failures >= self.threshold && self.binds(until, now)).then_some(until)
    }
}

impl Call {
    /// The call of a connection for this token request.
    #[must_use]
    pub fn new(connection: ConnectionKey, url: &Url, integration: String) -> Self {
        let host = url.host_str().unwrap_or_default();
        let provider = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { connection, provider, integration }
    }

    /// The names of its provider's breaker and its integration's.
    #[must_use]
    pub fn names(&self) -> [String; 2] {
        [PROVIDER.prefix.to_owned() + &self.provider, INTEGRATION.prefix.to_owned() + &self.integration]
    }

    /// Whether it may be made, by what was found under its names, and what becomes of that.
    #[must_use]
    pub fn admitted(&self, found: &[Option<Breaker>; 2], now: UnixSeconds) -> (Admission, [Change; 2]) {
        let [provider, integration] = found;
        let both = [(&PROVIDER, provider), (&INTEGRATION, integration)];
        let waits = both.into_iter().filter_map(|(kind, found)| {
            let breaker = found.as_ref()?;
            Some((kind.wait(breaker, &self.connection, now)?, &breaker.fault))
        });
        if let Some((until, fault)) = waits.max_by_key(|(until, _)| *until) {
            return (Admission::Wait { until, fault: fault.clone() }, [Change::Keep, Change::Keep]);
        }
        let changes = both.map(|(kind, found)| match found {
            Some(breaker) if breaker.failures >= kind.threshold => Change::Put(Breaker {
                last_connection: self.connection.clone(),
                until: now.plus(TRIAL),
                ..breaker.clone()
            }),
            _ => Change::Keep,
        });
        (Admission::Go { watched: found.iter().any(Option::is_some) }, changes)
    }

    /// What becomes of the breakers that were found under its names, now that it was made.
    #[must_use]
    pub fn reported(
        &self,
        outcome: Outcome,
        found: &[Option<Breaker>; 2],
        now: UnixSeconds,
        jitter: u8,
    ) -> [Change; 2] {
        let [provider, integration] = found;
        let worked = |found: &Option<Breaker>| if found.is_some() { Change::Remove } else { Change::Keep };
        let failed = |kind: &Kind, found: &Option<Breaker>, fault| {
            let failures = kind.failures(found.as_ref(), &self.connection, now);
            failures.map_or(Change::Keep, |failures| {
                let until = kind.until(failures, now, jitter);
                Change::Put(Breaker { failures, last_connection: self.connection.clone(), until, fault })
            })
        };
        match outcome {
            Outcome::Worked => [worked(provider), worked(integration)],
            Outcome::ProviderFailed(fault) => [failed(&PROVIDER, provider, fault), Change::Keep],
            Outcome::CredentialsRefused(fault) => [worked(provider), failed(&INTEGRATION, integration, fault)],
        }
    }
}

/// What names a client at a token endpoint: a keyed digest of the endpoint less its query, of the definition's
/// `client_config` (host and authentication), and of the client's credentials. So connections with the same client
/// share one; and new credentials or a mended definition are another one, which nothing stops. The endpoint is in it
/// because tenants of one provider may each know the client, or not.
#[must_use]
pub fn integration(
    application_key: &ApplicationKey,
    url: &Url,
    client_config: &Value,
    secrets: &Map<String, Value>,
) -> String {
    let key = application_key.derive("postern/integration/hmac-sha256/v1");
    let Some(mut mac) = keyed(key.as_ref(), &url.origin().ascii_serialization()) else { return String::new() };
    let mut add = |text: &str| {
        mac.update(text.as_bytes());
        // No text has this byte, so none can look like two.
        mac.update(&[0xff]);
    };
    add("");
    add(url.path());
    add(&client_config.to_string());
    for name in CREDENTIALS {
        // JSON is never empty, so nothing stands for what is not there.
        let value = SecretText::new(secrets.get(name).map_or_else(String::new, Value::to_string));
        add(value.expose());
    }
    hex(mac.finalize().into_bytes().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests;
