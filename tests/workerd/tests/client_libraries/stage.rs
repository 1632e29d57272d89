//! One Postern, one clock, one client, one library: what the scenarios say and do.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use workerd_tests::{Clock, Postern, ROOT_CLIENT_ID, ROOT_CLIENT_SECRET, Setup};

use crate::common::{Client, client_of, text};
use crate::library::{Library, Work};

/// Life of our tokens, in minutes.
const LIFE: i64 = 10;

/// The route of the scope `scope:read`.
pub(crate) const SCOPE_ROUTE: &str = "/api/v1/oauth/scope";

/// The route of the scope `client:read`.
pub(crate) const CLIENT_ROUTE: &str = "/api/v1/oauth/client";

/// How a client authenticates by a secret (RFC 6749 §2.3.1).
pub(crate) const BASIC: &str = "client_secret_basic";

/// The same, in the body.
pub(crate) const POST: &str = "client_secret_post";

/// A Postern, a client of it, and a library that shall be that client.
pub(crate) struct Stage {
    /// The clock of both.
    pub(crate) clock: Clock,
    /// The server.
    pub(crate) postern: Postern,
    /// The client as it was registered.
    pub(crate) client: Client,
    /// The library.
    library: Box<dyn Work>,
}

impl Stage {
    /// A client with two scopes.
    pub(crate) fn start(library: Library) -> Self {
        Self::start_with(library, &json!({ "scopes": ["client:read", "scope:read"] }))
    }

    /// A client as a body says.
    pub(crate) fn start_with(library: Library, body: &Value) -> Self {
        Self::start_as(library, (ROOT_CLIENT_ID, ROOT_CLIENT_SECRET), body)
    }

    /// The same where the root client has another id and secret.
    pub(crate) fn start_as(library: Library, (id, secret): (&str, &str), body: &Value) -> Self {
        let clock = Clock::new();
        let setup = Setup::new().clock(&clock).set("OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", &LIFE.to_string());
        let postern = Postern::start(setup.set("OAUTH_ROOT_CLIENT_ID", id).set("OAUTH_ROOT_CLIENT_SECRET", secret));
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let root = postern.post(crate::common::TOKEN).form(&form).send().expect_status(200).json();
        let client = client_of(&postern, &text(&root, "access_token"), body);
        let library = (library.start)(&clock);
        Self { clock, postern, client, library }
    }

    /// Sets the library up with nothing but the issuer and the client's credentials.
    pub(crate) fn connect(&mut self, method: &str) -> Value {
        let Client { id, secret } = self.client.clone();
        self.connect_as(&id, method, &json!({ "secret": secret }))
    }

    /// The same for any client and any credentials.
    pub(crate) fn connect_as(&mut self, id: &str, method: &str, credentials: &Value) -> Value {
        let mut input = json!({ "issuer": self.postern.url(), "id": id, "method": method });
        input.as_object_mut().unwrap().extend(credentials.as_object().unwrap().clone());
        self.ask("connect", &input)
    }

    /// Has the library do something.
    pub(crate) fn ask(&mut self, task: &str, input: &Value) -> Value {
        self.library.ask(task, input)
    }

    /// A token of the library's, with these parameters.
    #[track_caller]
    pub(crate) fn token(&mut self, wanted: &Value) -> String {
        let granted = self.ask("token", wanted);
        assert_eq!((&granted["error"], &granted["refresh_token"]), (&Value::Null, &Value::Null), "{granted}");
        let kind = granted["token_type"].as_str().unwrap_or("Bearer");
        assert!(kind.eq_ignore_ascii_case("Bearer"), "{granted}");
        let life = granted["expires_in"].as_i64().unwrap();
        assert!((LIFE * 60 - 5..=LIFE * 60).contains(&life), "{granted}");
        if let Some(scope) = wanted.get("scope") {
            assert_eq!(&granted["scope"], scope, "{granted}");
        }
        text(&granted, "access_token")
    }

    /// The library calls a route of ours as an API.
    pub(crate) fn call(&mut self, route: &str) -> Value {
        let url = format!("{}{route}", self.postern.url());
        self.ask("use", &json!({ "url": url }))
    }

    /// Fails unless the library calls a route with success; the token that it used.
    #[track_caller]
    pub(crate) fn assert_opens(&mut self, route: &str) -> String {
        let called = self.call(route);
        assert_eq!(called["status"], 200, "{called}");
        text(&called, "access_token")
    }

    /// The status of a route with a token, past the library.
    pub(crate) fn status(&self, token: &str) -> u16 {
        self.postern.get(SCOPE_ROUTE).bearer(token).send().status
    }

    /// Moves the clock until after the end of a token's life.
    pub(crate) fn let_expire(&self) {
        self.clock.advance(LIFE * 60 + 1);
    }

    /// What a token is, as the server says (RFC 7662), past the library.
    pub(crate) fn introspect(&self, token: &str) -> Value {
        let Client { id, secret } = &self.client;
        let request = self.postern.post("/api/v1/oauth/introspect").basic(id, secret);
        request.form(&[("token", token)]).send().expect_status(200).json()
    }

    /// The statuses of all answers of `SCOPE_ROUTE` so far, as the log tells them, once there are so many of 200.
    #[track_caller]
    pub(crate) fn statuses(&self, good: usize) -> Vec<i64> {
        self.read_log(|log| {
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines = lines.filter(|line| line.get("route") == Some(&json!(SCOPE_ROUTE)));
            let statuses: Vec<_> = lines.filter_map(|line| line["status"].as_i64()).collect();
            (statuses.iter().filter(|status| **status == 200).count() >= good).then_some(statuses)
        })
    }

    /// Fails unless the log says so, now or soon: it comes through a pipe.
    #[track_caller]
    pub(crate) fn assert_logged(&self, text: &str) {
        self.read_log(|log| log.contains(text).then_some(()));
    }

    /// What is found in the log, now or soon.
    #[track_caller]
    fn read_log<Found>(&self, find: impl Fn(&str) -> Option<Found>) -> Found {
        for _ in 0..1_000 {
            if let Some(found) = find(&self.postern.log()) {
                return found;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{}", self.postern.log());
    }
}
