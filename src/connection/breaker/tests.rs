//! The table of the module's documentation, row by row.

use serde_json::json;

use super::*;
use crate::config::tests::read_with;

/// The instant at which everything begins.
const START: UnixSeconds = UnixSeconds(1_700_000_000);

/// What is stored of one provider and one integration, and what time it is.
struct Desk {
    /// Their breakers.
    found: [Option<Breaker>; 2],
    /// Now.
    now: UnixSeconds,
}

/// The provider failed.
fn down() -> Outcome {
    Outcome::ProviderFailed(Fault::Failed)
}

/// The client was refused.
fn refused() -> Outcome {
    Outcome::CredentialsRefused(Fault::Refused { error: Some("invalid_client".to_owned()), status: 401 })
}

/// A call of a connection.
fn call(connection: &str) -> Call {
    let connection = ConnectionKey::parse(connection).unwrap();
    Call { connection, provider: "login.example".to_owned(), integration: "00ff".to_owned() }
}

impl Desk {
    /// With nothing stored.
    fn new() -> Self {
        Self { found: [None, None], now: START }
    }

    /// With the provider's breaker opened at the start, for 30 s, last by `five`.
    fn with_provider_down() -> Self {
        let mut desk = Self::new();
        for connection in ["one", "two", "three", "four", "five"] {
            assert!(desk.goes(connection));
            desk.reports(connection, down());
        }
        desk
    }

    /// With the integration's breaker opened at the start, for 1,800 s, by `one`.
    fn with_client_refused() -> Self {
        let mut desk = Self::new();
        desk.reports("one", refused());
        desk
    }

    /// Stores changes; says whether there were any.
    fn store(&mut self, changes: [Change; 2]) -> bool {
        let is_change = changes.iter().any(|change| *change != Change::Keep);
        for (found, change) in self.found.iter_mut().zip(changes) {
            match change {
                Change::Keep => {}
                Change::Put(breaker) => *found = Some(breaker),
                Change::Remove => *found = None,
            }
        }
        is_change
    }

    /// A connection asks; what it is told, and whether anything was stored.
    fn asks(&mut self, connection: &str) -> (Admission, bool) {
        let (admission, changes) = call(connection).admitted(&self.found, self.now);
        (admission, self.store(changes))
    }

    /// A connection asks; whether it may go.
    fn goes(&mut self, connection: &str) -> bool {
        matches!(self.asks(connection).0, Admission::Go { .. })
    }

    /// For how many more seconds a connection must wait; asking stores nothing then.
    fn wait(&mut self, connection: &str) -> u64 {
        match self.asks(connection) {
            (Admission::Wait { until, .. }, false) => until.since(self.now).0,
            other => panic!("{connection}: {other:?}"),
        }
    }

    /// A connection reports; whether anything was stored.
    fn reports(&mut self, connection: &str, outcome: Outcome) -> bool {
        let changes = call(connection).reported(outcome, &self.found, self.now, 0);
        self.store(changes)
    }

    /// Time passes.
    fn passes(&mut self, seconds: u64) {
        self.now = self.now.plus(Seconds(seconds));
    }
}

#[test]
fn an_untroubled_call_stores_nothing() {
    let mut desk = Desk::new();
    assert_eq!(desk.asks("one"), (Admission::Go { watched: false }, false));
    assert!(!desk.reports("one", Outcome::Worked));
}

#[test]
fn failures_of_five_connections_in_a_row_stop_a_provider() {
    let mut desk = Desk::new();
    for connection in ["one", "two", "one", "two"] {
        assert!(desk.reports(connection, down()));
        assert_eq!(desk.asks("three"), (Admission::Go { watched: true }, false));
    }
    assert!(desk.reports("three", down()));
    for connection in ["one", "two", "four"] {
        assert_eq!(desk.wait(connection), 30);
    }
    let fault = Fault::Failed;
    let until = START.plus(Seconds(30));
    assert_eq!(desk.asks("six").0, Admission::Wait { until, fault });
}

#[test]
fn one_broken_connection_stops_nobody() {
    let mut desk = Desk::new();
    assert!(desk.reports("one", down()));
    for _ in 0..20 {
        assert!(!desk.reports("one", down()));
    }
    assert_eq!(desk.asks("two"), (Admission::Go { watched: true }, false));
}

#[test]
fn a_call_that_works_ends_the_count() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        for connection in ["one", "two", "three", "four"] {
            desk.reports(connection, down());
        }
        assert!(desk.reports("five", Outcome::Worked));
        assert_eq!(desk.found, [None, None]);
    }
}

#[test]
fn a_refused_client_stops_its_integration_at_once() {
    let mut desk = Desk::with_client_refused();
    assert_eq!(desk.wait("two"), 1_800);
    let fault = Fault::Refused { error: Some("invalid_client".to_owned()), status: 401 };
    assert_eq!(desk.asks("two").0, Admission::Wait { until: START.plus(Seconds(1_800)), fault });
    // Other clients of the provider go.
    desk.found[1] = None;
    assert_eq!(desk.asks("two").0, Admission::Go { watched: false });
}

/// A provider that refuses a client is not down.
#[test]
fn a_refused_client_closes_the_breaker_of_its_provider() {
    let mut desk = Desk::with_provider_down();
    desk.passes(30);
    assert!(desk.goes("six"));
    assert!(desk.reports("six", refused()));
    assert!(desk.found[0].is_none() && desk.found[1].is_some());
}

#[test]
fn who_failed_after_it_opened_changes_nothing() {
    let mut desk = Desk::with_provider_down();
    for connection in ["six", "one", "seven"] {
        assert!(!desk.reports(connection, down()));
    }
    let mut desk = Desk::with_client_refused();
    assert!(!desk.reports("two", refused()));
    assert_eq!(desk.wait("two"), 1_800);
}

/// A call that began before and works shows that it was no outage.
#[test]
fn who_works_after_it_opened_closes_it() {
    let mut desk = Desk::with_provider_down();
    assert!(desk.reports("six", Outcome::Worked));
    assert_eq!(desk.asks("one").0, Admission::Go { watched: false });
}

#[test]
fn when_its_time_is_over_one_goes_and_the_others_wait() {
    for (mut desk, open) in [(Desk::with_provider_down(), 30), (Desk::with_client_refused(), 1_800)] {
        desk.passes(open - 1);
        assert_eq!(desk.wait("two"), 1);
        desk.passes(1);
        assert_eq!(desk.asks("two"), (Admission::Go { watched: true }, true));
        assert_eq!(desk.wait("three"), 30);
        assert!(desk.reports("two", Outcome::Worked));
        assert_eq!(desk.asks("three"), (Admission::Go { watched: false }, false));
    }
}

/// So that a connection that is broken itself is not always the one that tries.
#[test]
fn who_failed_last_lets_others_try_first() {
    let mut desk = Desk::with_provider_down();
    desk.passes(30);
    assert_eq!(desk.wait("five"), 30);
    desk.passes(30);
    assert!(desk.goes("five"));
}

#[test]
fn a_trial_that_is_never_reported_is_followed_by_another() {
    let mut desk = Desk::with_provider_down();
    desk.passes(30);
    assert!(desk.goes("six"));
    desk.passes(30);
    assert_eq!(desk.wait("six"), 30);
    assert!(desk.goes("seven"));
}

#[test]
fn only_the_failure_of_who_tries_opens_it_again() {
    let mut desk = Desk::with_provider_down();
    desk.passes(30);
    assert!(desk.goes("six"));
    assert!(!desk.reports("one", down()));
    assert_eq!(desk.wait("two"), 30);
    assert!(desk.reports("six", down()));
    assert_eq!(desk.wait("two"), 60);
}

/// A trial that takes longer than it may is a failure all the same.
#[test]
fn a_failure_after_the_time_of_a_trial_counts() {
    let mut desk = Desk::with_provider_down();
    desk.passes(30);
    assert!(desk.goes("six"));
    desk.passes(31);
    assert!(desk.reports("six", down()));
    assert_eq!(desk.wait("two"), 60);
}

#[test]
fn it_opens_for_twice_as_long_up_to_a_limit() {
    let spans = |mut desk: Desk, outcome: fn() -> Outcome| -> Vec<u64> {
        (0..7)
            .map(|round| {
                let span = desk.wait("other");
                desk.passes(span);
                let connection = format!("probe{round}");
                assert!(desk.goes(&connection));
                assert!(desk.reports(&connection, outcome()));
                span
            })
            .collect()
    };
    assert_eq!(spans(Desk::with_provider_down(), down), [30, 60, 120, 240, 300, 300, 300]);
    assert_eq!(spans(Desk::with_client_refused(), refused), [1_800; 7]);
}

#[test]
fn chance_takes_up_to_a_quarter() {
    for (jitter, span) in [(0, 300), (128, 263), (255, 226)] {
        assert_eq!(PROVIDER.until(u32::MAX, START, jitter), START.plus(Seconds(span)));
    }
    assert_eq!(PROVIDER.until(4, START, 255), START);
}

#[test]
fn of_two_open_breakers_the_longer_one_counts() {
    let mut desk = Desk::with_client_refused();
    desk.found[0] = Desk::with_provider_down().found[0].take();
    assert_eq!(desk.wait("six"), 1_800);
    // Nobody tries the provider for an integration that must wait.
    desk.passes(30);
    assert_eq!(desk.wait("six"), 1_770);
    // When both are over, one tries both.
    desk.passes(1_770);
    assert!(desk.goes("six"));
    assert_eq!(desk.wait("seven"), 30);
    assert!(desk.reports("six", Outcome::Worked));
    assert_eq!(desk.found, [None, None]);
}

/// R9: a clock that was set back stops nobody for longer than a breaker may be open.
#[test]
fn an_opening_from_a_distant_future_does_not_bind() {
    for (desk, longest) in [(Desk::with_provider_down(), 300), (Desk::with_client_refused(), 1_800)] {
        let until = desk.found.iter().flatten().map(|breaker| breaker.until).max().unwrap();
        for (ahead, goes) in [(longest + 31, true), (longest, false)] {
            let mut desk = Desk { found: desk.found.clone(), now: until.minus(Seconds(ahead)) };
            assert_eq!(desk.goes("six"), goes, "{ahead}");
        }
        // Who went is the only one here too.
        let mut desk = Desk { now: until.minus(Seconds(1_000_000)), ..desk };
        assert!(desk.goes("six"));
        assert_eq!(desk.wait("seven"), 30);
    }
}

#[test]
fn a_provider_is_its_host_and_port() {
    let provider = |url: &str| Call::new(call("one").connection, &Url::parse(url).unwrap(), String::new()).provider;
    assert_eq!(provider("https://u:p@Login.example/token?client_secret=s"), "login.example");
    assert_eq!(provider("https://login.example:443/"), "login.example");
    assert_eq!(provider("http://127.0.0.1:8443/"), "127.0.0.1:8443");
    assert_eq!(provider("http://[::1]:8443/"), "[::1]:8443");
    assert_eq!(call("one").names(), ["provider:login.example", "integration:00ff"]);
}

/// E7: a digest under a key of its own, which tells nothing of what it is made of.
#[test]
fn an_integration_is_an_endpoint_a_definition_and_credentials() {
    let digest = |settings: &[(&str, &str)], url: &str, config: &Value, secrets: &Value| {
        let settings = read_with(settings).unwrap();
        let url = Url::parse(url).unwrap();
        integration(&settings.application_key, &url, config, secrets.as_object().unwrap())
    };
    let (url, config) = ("https://login.example/token", json!({ "host": "login.example" }));
    let secrets = json!({ "client_id": "id", "client_secret": "s" });
    let own = digest(&[], url, &config, &secrets);
    assert!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
    // What differs between connections of one client makes no other integration.
    let more = json!({ "client_id": "id", "client_secret": "s", "domain": "shop", "username": "u" });
    assert_eq!(digest(&[], "https://login.example/token?code=c", &config, &more), own);
    let mut all = vec![own];
    for secrets in [
        json!({ "client_id": "id", "client_secret": "other" }),
        json!({ "client_id": "ids", "client_secret": "" }),
        json!({ "client_id": "id\"\"s" }),
        json!({ "client_id": "id", "client_secret": null }),
        json!({ "client_id": "id", "provider_credentials": [{ "client_id": "id", "client_secret": "s" }] }),
        json!({ "client_secret": "id" }),
        json!({}),
    ] {
        all.push(digest(&[], url, &config, &secrets));
    }
    all.push(digest(&[], url, &json!({ "host": "login.example", "authentication": {} }), &secrets));
    all.push(digest(&[], "https://login.example/other/token", &config, &secrets));
    all.push(digest(&[], "https://other.example/token", &config, &secrets));
    all.push(digest(&[("APP_ENCRYPTION_KEY", "another-key-of-32-bytes-of-text!")], url, &config, &secrets));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
