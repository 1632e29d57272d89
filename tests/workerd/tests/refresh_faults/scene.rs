//! One Postern, one provider that answers what it is told to, one clock.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;
use workerd_tests::{Answer, Clock, DEADLINE, Mock, MockAnswer, Postern, Setup};

use crate::common::{self, at, authorized, provider, read, root};

/// The life of a token of the mock, in seconds.
pub(crate) const LIFE: i64 = 3_600;

/// Just inside the lead before a token of the mock expires, whatever the jitter: due, not expired.
pub(crate) const DUE: i64 = LIFE - 300;

/// All there is.
pub(crate) struct Scene {
    /// The time.
    pub(crate) clock: Clock,
    /// The service.
    pub(crate) postern: Postern,
    /// A token with every scope.
    pub(crate) root: String,
    /// The provider.
    pub(crate) mock: Mock,
    /// What it answers, if not a good answer.
    answer: Arc<Mutex<Option<MockAnswer>>>,
}

impl Scene {
    /// Connections that are authorized, all of the same age. Nothing is done for them but by reads and sweeps.
    pub(crate) fn new(keys: &[&str]) -> Self {
        Self::of(Setup::new().set("REFRESH_ALARMS", "false"), keys)
    }

    /// The same with these settings.
    pub(crate) fn of(setup: Setup, keys: &[&str]) -> Self {
        let clock = Clock::new();
        let answer = Arc::<Mutex<Option<MockAnswer>>>::default();
        let told = Arc::clone(&answer);
        let mock = provider(move |_, _| told.lock().unwrap().clone());
        let postern = Postern::start(setup.clock(&clock));
        let root = root(&postern);
        let scene = Self { clock, postern, root, mock, answer };
        for key in keys {
            authorized(&scene.postern, &scene.root, key, &scene.mock);
        }
        scene
    }

    /// What the provider answers from now on; a good answer where nothing is said.
    pub(crate) fn answers(&self, answer: Option<MockAnswer>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How many token requests the provider has seen.
    pub(crate) fn calls(&self) -> usize {
        self.mock.count("/token")
    }

    /// Waits until it has seen so many.
    #[track_caller]
    pub(crate) fn wait_for_calls(&self, count: usize) {
        self.wait_until(&format!("{count} calls"), || self.calls() >= count);
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1_500 {
            if is_so() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("in vain waited for {what}: {:?}\n{}", self.mock.requests().last(), self.postern.log());
    }

    /// The refresh token of the last token request.
    pub(crate) fn last_sent(&self) -> Option<String> {
        self.mock.requests().pop().and_then(|request| request.field("refresh_token"))
    }

    /// A read of a connection's token.
    pub(crate) fn read(&self, key: &str) -> Answer {
        read(&self.postern, &self.root, key)
    }

    /// The token of a connection and its `refresh_state`.
    #[track_caller]
    pub(crate) fn live(&self, key: &str) -> (String, String) {
        let answer = self.read(key).expect_status(200).json();
        (common::text(&answer, "access_token"), common::text(&answer, "refresh_state"))
    }

    /// What a connection shows of its renewals.
    #[track_caller]
    pub(crate) fn refresh(&self, key: &str) -> Value {
        let shown = self.postern.get(&at(key, "")).bearer(&self.root).send().expect_status(200).json();
        shown["refresh"].clone()
    }

    /// How far ahead an instant lies that a connection shows of its renewals, in seconds.
    #[track_caller]
    pub(crate) fn ahead(&self, key: &str, name: &str) -> i64 {
        let refresh = self.refresh(key);
        let shown = refresh[name].as_str().unwrap_or_else(|| panic!("no {name}: {refresh}"));
        DateTime::parse_from_rfc3339(shown).unwrap().timestamp() - self.clock.now()
    }

    /// What a sweep reports.
    #[track_caller]
    pub(crate) fn sweep(&self) -> Value {
        let sweep = self.postern.post("/api/v1/sweep").bearer(&self.root).within(2 * DEADLINE);
        sweep.send().expect_status(200).json()
    }
}

/// The Nth access token of the mock.
pub(crate) fn access(number: usize) -> String {
    format!("access-{number}-of-the-mock-provider")
}

/// The Nth refresh token of the mock.
pub(crate) fn refresh(number: usize) -> String {
    format!("refresh-{number}-of-the-mock-provider")
}
